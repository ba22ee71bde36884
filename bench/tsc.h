/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tsc.h - read the processor's time stamp counter and know what it means
 */
#ifndef FRQ_BENCH_TSC_H
#define FRQ_BENCH_TSC_H

#include <stdint.h>

struct tsc {
	double ns_per_tick;	/* against CLOCK_MONOTONIC_RAW */
	uint64_t cost;		/* ticks between two reads with nothing in between */
};

/** Takes about 50 ms. Needs a TSC that is the same on all CPUs. */
void tsc_calibrate(struct tsc *t);

/** Not before what comes first in the program is done. */
static inline uint64_t
tsc_read(void)
{
#if defined(__x86_64__)
	uint32_t lo, hi;

	/* Not rdtscp: QEMU's default CPU model has none. */
	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
#elif defined(__aarch64__)
	uint64_t t;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(t) : : "memory");
	return t;
#else
#error "tsc_read: this processor's time stamp counter"
#endif
}

/** Between two reads, without the reads themselves. */
static inline uint64_t
tsc_between(const struct tsc *t, uint64_t start, uint64_t end)
{
	uint64_t ticks = end - start;

	return ticks > t->cost ? ticks - t->cost : 0;
}

static inline double
tsc_ns(const struct tsc *t, uint64_t ticks)
{
	return (double)ticks * t->ns_per_tick;
}

static inline void
spin_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif /* FRQ_BENCH_TSC_H */
