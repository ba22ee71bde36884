/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "percentiles.h"
#include "tsc.h"

#define CALIBRATE_NS	50000000u
#define READS		1001u

struct moment {
	uint64_t ticks, ns;
};

/* Both clocks at one moment: of several tries the one that took least. */
static struct moment
read_both(void)
{
	struct moment best = { 0 };
	uint64_t least = UINT64_MAX;

	for (unsigned int i = 0; i < 32; i++) {
		struct timespec ts;
		uint64_t before = tsc_read(), took;

		(void)clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
		took = tsc_read() - before;
		if (took >= least)
			continue;
		least = took;
		best.ticks = before + took / 2;
		best.ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	}
	return best;
}

void
tsc_calibrate(struct tsc *t)
{
	uint32_t reads[READS];
	struct samples s = { .v = reads, .max = READS };
	struct moment start = read_both(), end;

	for (unsigned int i = 0; i < READS; i++) {
		uint64_t before = tsc_read();

		samples_add(&s, tsc_read() - before);
	}
	t->cost = samples_percentile(&s, 50);
	do {
		end = read_both();
	} while (end.ns - start.ns < CALIBRATE_NS);
	t->ns_per_tick = (double)(end.ns - start.ns) / (double)(end.ticks - start.ticks);
}
