/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mapping.c - how fast the mapping is
 *
 * The guest's kernel maps a BAR uncached; whether that counts depends on the
 * hypervisor (Intel's EPT overrides it, AMD's NPT and a passed-through device
 * do not). There is no way to ask, so it is timed.
 */
#include <stdlib.h>

#include "freqring_pvt.h"

#define ROUNDS		11u
#define PER_ROUND	100u

/* A load that hits the cache takes 1 ns, under TCG 4 to 10; one that goes
 * to the bus 100 at the very least, several hundred as a rule.
 */
#define UNCACHED_LOAD_NS_X10 600u

/* The rest of the doorbell page belongs to the guest and means nothing to
 * the host. Loads and stores use a line each, far from the doorbells, so
 * that programs that measure at the same time do not slow each other's loads.
 */
#define LOAD_OFFSET	(FRQ_OFF_DOORBELL + 0x1000u - 2 * FRQ_LINE)
#define STORE_OFFSET	(FRQ_OFF_DOORBELL + 0x1000u - FRQ_LINE)

_Static_assert(LOAD_OFFSET >= FRQ_OFF_DOORBELL + FRQ_MAX_CHANNELS, "not a doorbell");
_Static_assert(STORE_OFFSET + FRQ_LINE <= FRQ_OFF_CONSUMED, "not a consumed line");

static int
compare(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static unsigned int
median(unsigned int *v, unsigned int n)
{
	qsort(v, n, sizeof(v[0]), compare);
	return v[n / 2];
}

enum freqring_mapping
frq_mapping_judge(unsigned int *load_ns_x10, unsigned int n)
{
	return median(load_ns_x10, n) > UNCACHED_LOAD_NS_X10 ?
		FREQRING_MAPPING_UNCACHED : FREQRING_MAPPING_CACHED;
}

/* At least 1: less than the clock can tell. */
static unsigned int
each_ns_x10(uint64_t took_ns, uint64_t clock_ns)
{
	uint64_t x10 = took_ns > clock_ns ? (took_ns - clock_ns) * 10 / PER_ROUND : 0;

	return x10 != 0 ? (unsigned int)x10 : 1;
}

void
frq_mapping_measure(struct frq_link *link)
{
	const uint64_t FRQ_SHARED *from =
		(const uint64_t FRQ_SHARED *)(link->region.base + LOAD_OFFSET);
	uint64_t FRQ_SHARED *to = (uint64_t FRQ_SHARED *)(link->region.base + STORE_OFFSET);
	unsigned int load[ROUNDS], store[ROUNDS];

	for (unsigned int r = 0; r < ROUNDS; r++) {
		uint64_t start = frq_now_ns();
		/* Where it is not the TSC, a look at the clock may take as long as a hundred loads. */
		uint64_t clock_ns = frq_now_ns() - start;

		start = frq_now_ns();
		for (unsigned int i = 0; i < PER_ROUND; i++)
			(void)frq_load64(from);
		load[r] = each_ns_x10(frq_now_ns() - start, clock_ns);
		start = frq_now_ns();
		for (unsigned int i = 0; i < PER_ROUND; i++)
			frq_store64(to, 0);
		store[r] = each_ns_x10(frq_now_ns() - start, clock_ns);
	}
	link->mapping = frq_mapping_judge(load, ROUNDS);
	link->load_ns_x10 = median(load, ROUNDS);
	link->store_ns_x10 = median(store, ROUNDS);
}
