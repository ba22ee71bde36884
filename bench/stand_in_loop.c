/* SPDX-License-Identifier: BSD-3-Clause */
#include <unistd.h>

#include "bench.h"
#include "drain.h"
#include "stand_in.h"
#include "thread.h"

#define TURNS_PER_LOOK	256u
#define DOORBELL_EVERY	64u	/* turns, as host/poller.c */

static const struct frq_life life = { .epoch = 1, .incarnation = 1 };

static struct {
	struct frq_region region;
	pthread_t thread;
	int stop;
} self = { .region = FRQ_REGION_NONE };

static void *
serve(void *arg)
{
	const uint8_t FRQ_SHARED *bell = frq_region_doorbell(&self.region, 0);
	struct frq_consumer rx = {
		.ring = frq_region_ring(&self.region, 0),
		.line = frq_region_consumed(&self.region, 0),
		.epoch = life.epoch,
		.incarnation = (uint8_t)life.incarnation,
	};
	uint64_t word, sum = 0;

	frq_consumer_publish(&rx);
	while (__atomic_load_n(&self.stop, __ATOMIC_RELAXED) == 0) {
		for (unsigned int i = 0; i < TURNS_PER_LOOK; i++) {
			uint8_t b;

			if (drain_batch(&rx, &sum) != 0)
				continue;
			spin_pause();
			if (i % DOORBELL_EVERY != 0)
				continue;
			b = frq_load8(bell);
			if (b != (uint8_t)rx.next && !frq_consumer_peek(&rx, &word))
				(void)frq_consumer_find_attach(&rx, word, b, &word);
		}
	}
	return arg;
}

bool
stand_in_start(const char *path, unsigned int cpu, const struct tsc *tsc)
{
	const struct frq_region_info info = { .nb_channels = 1 };
	const struct frq_region_file who = { .owner = geteuid(), .group = (gid_t)-1 };
	struct frq_err err;
	bool made;

	(void)tsc;	/* the poller needs it, this does not */
	if (frq_region_open(&self.region, path, &who, &made, &err) < 0) {
		bench_error("%s", err.text);
		return false;
	}
	frq_region_init(&self.region, &info, life);
	if (thread_start(&self.thread, cpu, serve, NULL))
		return true;
	frq_region_close(&self.region);
	return false;
}

void
stand_in_stop(void)
{
	__atomic_store_n(&self.stop, 1, __ATOMIC_RELAXED);
	(void)pthread_join(self.thread, NULL);
	frq_region_close(&self.region);
}
