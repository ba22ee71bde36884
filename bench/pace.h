/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pace.h - when the next request is due
 *
 * Open loop: requests are due at a fixed rate, whether the last one was answered
 * or not, and each is measured from when it was due. A stall counts for every
 * request that it made late. Closed loop: one is due when it is asked for.
 */
#ifndef FRQ_BENCH_PACE_H
#define FRQ_BENCH_PACE_H

#include "tsc.h"

#define PACE_RATE_MAX 1000000u

struct pace {
	uint64_t period;	/* ticks, 0: closed loop */
	uint64_t due;
};

#define PACE_NONE ((struct pace){ .period = 0 })

/** The first is due a period from now. @param rate  a second; 0: closed loop */
static inline struct pace
pace_begin(const struct tsc *t, unsigned int rate)
{
	struct pace p = { .period = rate != 0 ? (uint64_t)(1e9 / t->ns_per_tick / rate) : 0 };

	p.due = tsc_read() + p.period;
	return p;
}

/** Wait until the next is due, and return when that was. */
static inline uint64_t
pace_next(struct pace *p)
{
	uint64_t due = p->due;

	if (p->period == 0)
		return tsc_read();
	p->due += p->period;
	while ((int64_t)(tsc_read() - due) < 0)
		;
	return due;
}

#endif /* FRQ_BENCH_PACE_H */
