/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * percentiles.h - keep samples and say how they are spread
 *
 * Samples are stored as they come and sorted afterwards: adding one is a
 * store to memory that is there already, which disturbs what is measured
 * less than any histogram would.
 */
#ifndef FRQ_BENCH_PERCENTILES_H
#define FRQ_BENCH_PERCENTILES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	uint32_t *v;		/* ticks; a longer one counts as UINT32_MAX */
	size_t n, max;
	size_t sorted;		/* so many, 0: not yet */
};

/** Room for `max`, touched. @return 0 or -ENOMEM */
int samples_init(struct samples *s, size_t max);
void samples_free(struct samples *s);

static inline void
samples_clear(struct samples *s)
{
	s->n = s->sorted = 0;
}

/** Beyond `max` nothing is added. */
static inline void
samples_add(struct samples *s, uint64_t ticks)
{
	if (s->n < s->max)
		s->v[s->n++] = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

/** The nearest rank of `percent` (0 to 100); sorts. 0 where there are none. */
uint64_t samples_percentile(struct samples *s, double percent);

/** The median of n > 0 values, which are sorted. */
double median(double *v, size_t n);

#endif /* FRQ_BENCH_PERCENTILES_H */
