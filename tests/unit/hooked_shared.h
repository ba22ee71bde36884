/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hooked_shared.h - in place of shm/shared.h: a peer between any two steps
 *
 * Given to the compiler with -include, it takes shared.h's guard, so that the
 * code under test is compiled as it is, but each load and store of a shared
 * word goes through the test, which may change any of them first, count them,
 * or end the daemon there and then.
 */
#ifndef FRQ_SHARED_H
#define FRQ_SHARED_H

#include <stdint.h>

#define FRQ_SHARED

/* Before the access; the test defines them. */
void hook_load(const volatile void *p, unsigned int size);
void hook_store(volatile void *p, unsigned int size, uint64_t v);

static inline uint64_t
frq_load64(const uint64_t *p)
{
	hook_load(p, 8);
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline uint32_t
frq_load32(const uint32_t *p)
{
	hook_load(p, 4);
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline uint8_t
frq_load8(const uint8_t *p)
{
	hook_load(p, 1);
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void
frq_store64(uint64_t *p, uint64_t v)
{
	hook_store(p, 8, v);
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void
frq_store32(uint32_t *p, uint32_t v)
{
	hook_store(p, 4, v);
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void
frq_store8(uint8_t *p, uint8_t v)
{
	hook_store(p, 1, v);
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

#endif /* FRQ_SHARED_H */
