/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poller.h - the lcore that takes requests off the rings
 *
 * poller_run() is the loop of one EAL lcore. It copies a request, checks it,
 * folds it into the channel's wish, stores that (wish_file.h), tells the
 * guest "consumed", and puts the channel on the queue to the applier unless
 * it is on it already. It does not block, allocate or log; its one system
 * call is to wake the applier when that sleeps, beside a vhost-user port's
 * to interrupt a guest that wants that.
 *
 * poller_add, poller_remove, poller_park, poller_extend_leases, those of feeders,
 * and poller_stop are for other threads; they wait for the poller, which answers
 * within some turns. A feeder that hangs in a system call is interrupted meanwhile.
 */
#ifndef FRQ_POLLER_H
#define FRQ_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

struct rte_ring;
struct poller;

/* How the poller reaches the applier. */
struct poller_queue {
	struct rte_ring *ring;		/* of struct channel *, room for every channel */
	uint32_t *sleeping;		/* the applier's, see wake.h */
	const uint64_t *progress;	/* the applier's; still while the ring is not empty: stuck */
};

struct poller_config {
	struct poller_queue queue;
	uint64_t tsc_hz;
	int notify_fd;			/* eventfd: a VM or a channel was quarantined; or -1 */
};

/** @return the poller, or NULL for want of memory or an eventfd (errno) */
struct poller *poller_create(const struct poller_config *c);
void poller_free(struct poller *p);

/** The loop; returns after poller_stop(). @param arg the poller */
int poller_run(void *arg);

/** One turn, for tests and for programs that have their own loop. */
unsigned int poller_turn(struct poller *p);

/**
 * Serve a VM: its region, file, nb_channels, life are set. The cursors are
 * taken from the wish file. @return 0, -ENOSPC (FRQ_MAX_VMS are served),
 * -ETIMEDOUT (the poller does not run)
 */
int poller_add(struct poller *p, struct vm *vm);

/** Stop serving a VM. Afterwards the poller does not touch it any more. */
int poller_remove(struct poller *p, struct vm *vm);

/**
 * Serve nobody, until it is unparked: requests stay in the rings. The heartbeat
 * goes on. @return 0, -ETIMEDOUT
 */
int poller_park(struct poller *p, bool parked);

/** Leases of a VM end that much later: its guest slept. @return 0, -ETIMEDOUT */
int poller_extend_leases(struct poller *p, struct vm *vm, uint64_t ms);

/*
 * What brings requests from elsewhere (vhost_pair.h): the poller calls it once
 * a turn. It may do a bounded amount of work, and nothing that blocks.
 */
struct poller_feeder {
	/** @return how many requests were served */
	unsigned int (*poll)(struct poller *p, void *arg);
	void *arg;
};

/** @return as poller_add */
int poller_add_feeder(struct poller *p, const struct poller_feeder *f);

/** Afterwards the poller does not call it any more. @return 0 or -ETIMEDOUT: it may */
int poller_remove_feeder(struct poller *p, const struct poller_feeder *f);

/** For a feeder: whether a request for the channel would be taken now. */
bool poller_may_serve(struct channel *ch);

/** For a feeder: take what it has put into the channel's ring. @return how many */
unsigned int poller_serve(struct poller *p, struct channel *ch);

/**
 * A system call in which the poller hangs fails with EINTR; nothing else happens. By
 * SIGURG, whose handler poller_run() installs. Any thread.
 */
void poller_interrupt(struct poller *p);

void poller_stop(struct poller *p);

/** Prepare the channels of a VM from its wish file; poller_add calls it. */
void poller_prepare(struct vm *vm);

/* Counters; any thread may read them. */
struct poller_stats {
	uint64_t turns, requests, kicks, vms, channels, hot, heartbeats, stuck;
};

void poller_get_stats(const struct poller *p, struct poller_stats *st);

#endif /* FRQ_POLLER_H */
