/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drain.h - take requests off one ring as the host's poller does
 */
#ifndef FRQ_BENCH_DRAIN_H
#define FRQ_BENCH_DRAIN_H

#include "ring.h"

#define DRAIN_BATCH 16u

/**
 * Up to a batch. The guest is told of the first, which it may be waiting for,
 * and then of the last: telling it of each costs a cache miss each.
 *
 * @param sum  of the arguments
 */
static inline unsigned int
drain_batch(struct frq_consumer *rx, uint64_t *sum)
{
	unsigned int n = 0;
	uint64_t word;

	while (n < DRAIN_BATCH && frq_consumer_peek(rx, &word)) {
		*sum += word >> FRQ_REQ_ARG_SHIFT;
		frq_consumer_advance(rx);
		if (++n == 1)
			frq_consumer_publish(rx);
	}
	if (n > 1)
		frq_consumer_publish(rx);
	return n;
}

#endif /* FRQ_BENCH_DRAIN_H */
