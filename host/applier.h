/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * applier.h - votes, arbitration, and the one thread that sets frequencies
 *
 * applier_run() is the loop of one thread. It takes channels that changed
 * off the queue, loads their wish, decides for each CPU they vote on,
 * touches the hardware only where the decision changed, and publishes the
 * state lines. applier_set_map and applier_stop are for the control thread.
 */
#ifndef FRQ_APPLIER_H
#define FRQ_APPLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "cpuset.h"
#include "poller.h"
#include "power.h"
#include "vm.h"

/* Which CPUs each channel votes on. Built whole, constant afterwards. */
struct applier_map_vm {
	struct vm *vm;
	struct {
		enum frq_reason standing; /* why it has no vote, OK: it has one */
		struct cpuset cpus;	/* where standing is OK: not empty, all managed */
	} vcpu[FRQ_MAX_CHANNELS];
};

struct applier_map {
	uint64_t generation;
	unsigned int nb_vms;
	struct applier_map_vm *vm[FRQ_MAX_VMS];
};

void applier_map_free(struct applier_map *m);

struct applier;

struct applier_config {
	const struct power_ops *power;
	struct cpuset managed;
	bool spin;		/* has a CPU of its own: spin a while before it sleeps */
	int done_fd;		/* eventfd: a map came into force; or -1 */
};

struct applier *applier_create(const struct applier_config *c);
/** Also frees the map in force. The thread has ended. */
void applier_free(struct applier *a);

/** What the poller needs to reach this applier. */
struct poller_queue applier_queue(struct applier *a);

/** The loop; returns after applier_stop(), every CPU given back. @param arg the applier */
int applier_run(void *arg);

/** One round without sleeping, for tests. @return whether there was work */
bool applier_step(struct applier *a);

/**
 * Hand over a map. It takes effect before the next channel is looked at;
 * done_fd tells. VMs that are not in it any more are not touched after that:
 * the caller has stopped polling them before.
 */
void applier_set_map(struct applier *a, struct applier_map *map);

/** The generation of the map in force. */
uint64_t applier_generation(const struct applier *a);

void applier_stop(struct applier *a);

/* ---- for status; any thread ---------------------------------------------- */

struct applier_stats {
	uint64_t wakeups, decisions, writes, write_errors, leases_expired;
};

void applier_get_stats(const struct applier *a, struct applier_stats *st);

struct applier_cpu_stats {
	bool managed, table_known;
	enum frq_reason problem;
	unsigned int nb_freqs;
	uint32_t min_khz, max_khz, decided_khz; /* 0: given back */
	bool turbo_available;
	uint64_t writes, write_errors;
};

void applier_get_cpu(const struct applier *a, unsigned int cpu,
	struct applier_cpu_stats *st);

#endif /* FRQ_APPLIER_H */
