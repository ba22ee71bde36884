/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared.h - every load and store of a word that the other side may touch
 *
 * Nothing else in the project dereferences a pointer into a region. Pointers
 * into a region carry FRQ_SHARED, which is clang's noderef: touching one
 * directly does not compile there. Any thread may call these.
 *
 * Loads acquire and stores release. On x86 both are plain moves; with the
 * sanitizers they are what pairs the two sides:
 *	request slot	frq_producer_post (shm/ring.h)	-> frq_consumer_peek (shm/ring.h)
 *	doorbell byte	frq_producer_post (shm/ring.h)	-> poller_scan_word (host/poller.c)
 *	consumed word	frq_consumer_publish (shm/ring.h) -> frq_producer_refill (shm/ring.h)
 *	magic		frq_region_init (shm/region.c)	-> frq_region_check (shm/region.c)
 *
 * Tests replace this header as a whole (-include, same guard) to count loads
 * and to change a word between two of them.
 */
#ifndef FRQ_SHARED_H
#define FRQ_SHARED_H

#include <stdint.h>

#if defined(__clang__) && __has_attribute(noderef)
#define FRQ_SHARED __attribute__((noderef))
#else
#define FRQ_SHARED
#endif

static inline uint64_t
frq_load64(const uint64_t FRQ_SHARED *p)
{
	return __atomic_load_n((const uint64_t *)(uintptr_t)p, __ATOMIC_ACQUIRE);
}

static inline uint32_t
frq_load32(const uint32_t FRQ_SHARED *p)
{
	return __atomic_load_n((const uint32_t *)(uintptr_t)p, __ATOMIC_ACQUIRE);
}

static inline uint8_t
frq_load8(const uint8_t FRQ_SHARED *p)
{
	return __atomic_load_n((const uint8_t *)(uintptr_t)p, __ATOMIC_ACQUIRE);
}

static inline void
frq_store64(uint64_t FRQ_SHARED *p, uint64_t v)
{
	__atomic_store_n((uint64_t *)(uintptr_t)p, v, __ATOMIC_RELEASE);
}

static inline void
frq_store32(uint32_t FRQ_SHARED *p, uint32_t v)
{
	__atomic_store_n((uint32_t *)(uintptr_t)p, v, __ATOMIC_RELEASE);
}

static inline void
frq_store8(uint8_t FRQ_SHARED *p, uint8_t v)
{
	__atomic_store_n((uint8_t *)(uintptr_t)p, v, __ATOMIC_RELEASE);
}

#endif /* FRQ_SHARED_H */
