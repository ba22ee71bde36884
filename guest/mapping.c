/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mapping.c - how fast the mapping is
 *
 * The guest's kernel maps a BAR uncached; whether that counts depends on the
 * hypervisor (Intel's EPT overrides it, AMD's NPT and a passed-through device
 * do not). There is no way to ask, so it is timed.
 *
 * A vCPU that loses its CPU, a hypervisor that is busy with a device that is being
 * plugged, a clock that is read by an exit (HPET, ACPI timer): all of that makes a
 * round longer and nothing makes it shorter, so the shortest ones count, less what
 * the clock takes.
 */
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

static uint32_t
shortest(const uint32_t *ns, unsigned int n)
{
	uint32_t least = UINT32_MAX;

	for (unsigned int i = 0; i < n; i++)
		if (ns[i] < least)
			least = ns[i];
	return least;
}

unsigned int
frq_mapping_cost(const uint32_t *round_ns, const uint32_t *empty_ns, unsigned int n)
{
	uint32_t round = shortest(round_ns, n), empty = shortest(empty_ns, n);

	return round > empty ? (unsigned int)((uint64_t)(round - empty) * 10 / PER_ROUND) : 0;
}

enum freqring_mapping
frq_mapping_judge(unsigned int load_ns_x10)
{
	return load_ns_x10 > UNCACHED_LOAD_NS_X10 ? FREQRING_MAPPING_UNCACHED :
		FREQRING_MAPPING_CACHED;
}

/* The time since then, and a new then. */
static uint32_t
lap_ns(uint64_t *then)
{
	uint64_t now = frq_now_ns(), ns = now - *then;

	*then = now;
	return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

void
frq_mapping_measure(struct frq_link *link)
{
	const uint64_t FRQ_SHARED *from =
		(const uint64_t FRQ_SHARED *)(link->region.base + LOAD_OFFSET);
	uint64_t FRQ_SHARED *to = (uint64_t FRQ_SHARED *)(link->region.base + STORE_OFFSET);
	uint32_t empty[ROUNDS], load[ROUNDS], store[ROUNDS];

	for (unsigned int r = 0; r < ROUNDS; r++) {
		uint64_t then = frq_now_ns();

		empty[r] = lap_ns(&then);
		for (unsigned int i = 0; i < PER_ROUND; i++)
			(void)frq_load64(from);
		load[r] = lap_ns(&then);
		for (unsigned int i = 0; i < PER_ROUND; i++)
			frq_store64(to, 0);
		store[r] = lap_ns(&then);
	}
	link->load_ns_x10 = frq_mapping_cost(load, empty, ROUNDS);
	link->store_ns_x10 = frq_mapping_cost(store, empty, ROUNDS);
	link->mapping = frq_mapping_judge(link->load_ns_x10);
}
