/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * applier.h - votes, arbitration, and the one thread that sets frequencies
 *
 * applier_run() is the loop of one thread. It takes channels that changed
 * off the queue, loads their wish, has the domains they vote in decided and
 * set (domain.h), and publishes the state lines. applier_set_map and applier_stop are for the control thread.
 */
#ifndef FRQ_APPLIER_H
#define FRQ_APPLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "applier_map.h"
#include "config.h"
#include "domain.h"
#include "poller.h"

struct applier;

struct applier_config {
	const struct power_ops *power;
	struct cpuset managed;
	bool yield;		/* see domain.h */
	uint32_t write_limit;
	enum config_failsafe failsafe; /* what counts where a guest cannot be believed */
	bool spin;		/* has a CPU of its own: spin a while before it sleeps */
	/* eventfd: a map came into force, or something was published on a serial
	 * channel, or a ring reclaims its vCPU, or as applier_watch asks; or -1
	 */
	int done_fd;
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

/**
 * Tell by done_fd when a step in which something was done has ended, once. One
 * that ends just now may be missed: look once a second, too.
 */
void applier_watch(struct applier *a);

void applier_stop(struct applier *a);

/* ---- for status; any thread ---------------------------------------------- */

struct applier_stats {
	struct domains_stats domains;
	uint64_t wakeups, leases_expired;
};

void applier_get_stats(const struct applier *a, struct applier_stats *st);
void applier_get_cpu(const struct applier *a, unsigned int cpu, struct domain_cpu_stats *st);

/**
 * Compare what the CPUs' files say with what was set, and wake the applier
 * where that differs. For a timer of the control thread.
 */
void applier_check_cpus(struct applier *a);

#endif /* FRQ_APPLIER_H */
