/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * served.h - a VM of one vCPU, served by the daemon's poller without a daemon
 *
 * There is no applier: the channel stays on the queue to it, as it does while
 * the applier is busy.
 */
#ifndef FRQ_BENCH_SERVED_H
#define FRQ_BENCH_SERVED_H

#include <stdint.h>

#include "tsc.h"
#include "vm.h"

struct poller;

struct served {
	struct vm *vm;			/* region and channel 0 */
	struct poller *poller;
	struct rte_ring *queue;
	uint32_t sleeping;		/* of the applier: never */
	uint64_t progress;		/* of the applier: none */
};

/**
 * @param path  the region's file, made anew; NULL: a memfd
 * @return false after a sentence; served_close() it in both cases
 */
bool served_open(struct served *s, const char *path, const struct tsc *tsc);
void served_close(struct served *s);

#endif /* FRQ_BENCH_SERVED_H */
