/* SPDX-License-Identifier: BSD-3-Clause */
#include "poller.h"
#include "served.h"
#include "stand_in.h"
#include "thread.h"

static struct {
	struct served served;
	pthread_t thread;
	int stop;
} self;

/* Not poller_run(): that has run already, see served.c. */
static void *
serve(void *arg)
{
	while (__atomic_load_n(&self.stop, __ATOMIC_RELAXED) == 0)
		if (poller_turn(self.served.poller) == 0)
			spin_pause();
	return arg;
}

bool
stand_in_start(const char *path, unsigned int cpu, const struct tsc *tsc)
{
	if (served_open(&self.served, path, tsc) &&
	    thread_start(&self.thread, cpu, serve, NULL))
		return true;
	served_close(&self.served);
	return false;
}

void
stand_in_stop(void)
{
	__atomic_store_n(&self.stop, 1, __ATOMIC_RELAXED);
	(void)pthread_join(self.thread, NULL);
	served_close(&self.served);
}
