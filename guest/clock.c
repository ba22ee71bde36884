/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "freqring_pvt.h"

static uint64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t
frq_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t
frq_coarse_ns(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}
