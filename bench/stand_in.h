/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stand_in.h - a host for one vCPU, without a daemon
 *
 * What a call costs a guest depends on the host's looking at the same cache
 * lines. In freqring-bench it is the daemon's own poller that looks
 * (stand_in_poller.c), in freqring-bench-guest, which has no DPDK, a loop that
 * does the same (stand_in_loop.c).
 */
#ifndef FRQ_BENCH_STAND_IN_H
#define FRQ_BENCH_STAND_IN_H

#include <stdbool.h>

#include "tsc.h"

/** Serve vCPU 0 of a new region in `path`; false, and a sentence, where that fails. */
bool stand_in_start(const char *path, unsigned int cpu, const struct tsc *tsc);
void stand_in_stop(void);

#endif /* FRQ_BENCH_STAND_IN_H */
