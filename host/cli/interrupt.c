/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1	/* pipe2 */
#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int ends[2] = { -1, -1 };
static bool seen;

static void
on_interrupt(int signum)
{
	int saved = errno;

	(void)signum;
	/* A full pipe says it already. */
	if (write(ends[1], "", 1) < 0)
		errno = saved;
}

void
interrupt_catch(void)
{
	struct sigaction act = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
	struct sigaction old;

	if (ends[0] >= 0 || sigaction(SIGINT, NULL, &old) < 0 || old.sa_handler == SIG_IGN ||
	    pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	(void)sigemptyset(&act.sa_mask);
	(void)sigaction(SIGINT, &act, NULL);
}

int
interrupt_fd(void)
{
	return ends[0];
}

bool
interrupt_take(void)
{
	char drop[64];
	bool any = false;

	while (ends[0] >= 0 && read(ends[0], drop, sizeof(drop)) > 0)
		any = true;
	seen |= any;
	return any;
}

bool
interrupt_seen(void)
{
	(void)interrupt_take();
	return seen;
}

void
interrupt_forget(void)
{
	(void)interrupt_take();
	seen = false;
}
