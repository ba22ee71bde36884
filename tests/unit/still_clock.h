/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * still_clock.h - CLOCK_MONOTONIC stands still but for what the test says
 *
 * For tests that are linked with --wrap=clock_gettime and --wrap=nanosleep.
 */
#ifndef TEST_STILL_CLOCK_H
#define TEST_STILL_CLOCK_H

#include <stdint.h>
#include <time.h>

static uint64_t still_ns = UINT64_C(1000000000000);

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ns = __atomic_load_n(&still_ns, __ATOMIC_RELAXED);

	if (id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

static inline void
still_pass(uint64_t ns)
{
	__atomic_store_n(&still_ns, still_ns + ns, __ATOMIC_RELAXED);
}

int
__wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	still_pass((uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec);
	return 0;
}

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

#endif /* TEST_STILL_CLOCK_H */
