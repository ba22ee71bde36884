/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fleet.h - many VMs, served by the daemon's poller on a CPU of its own and, if
 * wanted, by its applier on the same CPU with the simulated backend
 *
 * Regions are memory of this process; the caller's thread plays the guests.
 * Without an applier a channel with a wish stays on the queue to it, as it does
 * while the applier is busy.
 */
#ifndef FRQ_BENCH_FLEET_H
#define FRQ_BENCH_FLEET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "poller.h"
#include "tsc.h"
#include "vm.h"

struct applier;

#define FLEET_VM_CHANNELS	64u	/* of a VM; the last one may have fewer */
#define FLEET_CHANNELS_MAX	(64u * FLEET_VM_CHANNELS)

struct fleet_config {
	unsigned int nb_channels;	/* of all VMs */
	unsigned int cpu;		/* of poller and applier */
	bool applier;
};

struct fleet {
	unsigned int nb_vms, nb_channels;
	struct vm *vm[FLEET_CHANNELS_MAX / FLEET_VM_CHANNELS];
	struct poller *poller;
	struct applier *applier;
	pthread_t poller_thread, applier_thread;
	bool polls, applies;		/* the threads run */
	struct rte_ring *queue;		/* without an applier */
	uint32_t sleeping;		/* likewise: never */
	uint64_t progress;		/* likewise: none */
	double vm_bytes;		/* resident, for each VM */
};

/** @return false after a sentence; fleet_close() it in both cases */
bool fleet_open(struct fleet *f, const struct fleet_config *c, const struct tsc *tsc);
void fleet_close(struct fleet *f);

/** A guest's end of channel i of all, attached and consumed. */
bool fleet_attach(const struct fleet *f, unsigned int i, struct frq_producer *tx);

/** Whether the host has taken all that was posted. */
static inline bool
fleet_consumed(const struct frq_producer *tx)
{
	/* Pairs with the store in frq_consumer_publish, shm/ring.h. */
	return (uint16_t)frq_load64(&tx->consumed->consumed) == tx->next;
}

#endif /* FRQ_BENCH_FLEET_H */
