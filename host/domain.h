/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain.h - frequency domains: CPUs that are decided together, and set
 *
 * A domain is the managed CPUs that share a clock. It has one decision, from
 * all votes in it. It is made of cpufreq policies, each of which is set by one
 * file; only those are touched that a vote or an operator names a CPU of.
 *
 * All of it belongs to the applier's thread, but for domains_hint and what is
 * for status.
 */
#ifndef FRQ_DOMAIN_H
#define FRQ_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "applier_map.h"
#include "power.h"

struct domains_config {
	const struct power_ops *power;
	struct cpuset managed;
	bool yield;		/* to whoever else sets a CPU of ours; else: assert */
	uint32_t write_limit;	/* times a second that a domain is set, 0: any number */
};

struct domains;

struct domains *domains_create(const struct domains_config *c);
void domains_free(struct domains *ds);

/** Of a managed CPU; what the other calls know it by. */
unsigned int domain_of(const struct domains *ds, unsigned int cpu);

/**
 * Who votes where, from now on. The caller loads the channels' wishes, and
 * then decides each domain.
 */
int domains_vote(struct domains *ds, const struct applier_map *m);

/**
 * Decide a domain anew and see that it is done, as far as that can be now.
 *
 * @return whether its voters have something new to read
 */
bool domain_decide(struct domains *ds, unsigned int domain);

/**
 * Do what is due: writes that had to wait, CPUs that were hinted at.
 *
 * @param changed  called for each domain whose voters have something new to read
 * @return whether there was something to do
 */
bool domains_work(struct domains *ds, void (*changed)(void *arg, unsigned int domain),
	void *arg);

/** Whether there is a hint that domains_work has not followed yet. */
bool domains_hinted(const struct domains *ds);

/** When domains_work has something to do again, in ns of CLOCK_MONOTONIC; or UINT64_MAX. */
uint64_t domains_due(const struct domains *ds);

/**
 * The host slept: whatever the files say, the hardware may have forgotten. Set
 * each CPU of ours anew, past all that believes it is set.
 */
void domains_set_again(struct domains *ds);

/** Give every CPU back, patiently: the daemon ends. */
void domains_give_back(struct domains *ds);

/* What a decision of a domain means for a channel. */
struct domain_view {
	const struct freq_table *table;	/* nb == 0: not known */
	bool pending;			/* what was decided is not done yet */
	enum frq_reason problem;	/* why it is not in force on that CPU; OK: it is */
	struct decision decision;
};

/** Of the domain of a managed CPU, and that CPU in it. */
void domain_view(const struct domains *ds, unsigned int cpu, struct domain_view *v);

/** Its voters, for the applier to tell them. */
unsigned int domain_voters(const struct domains *ds, unsigned int domain,
	struct channel *const **voter);

/* ---- any thread ---------------------------------------------------------- */

/**
 * Compare what the files of all CPUs say with what was set and known, and
 * have the applier look at those where that differs: the caller wakes it.
 * Takes some 20 us a CPU, so it is not for the applier itself.
 *
 * @return whether there is something to look at
 */
bool domains_hint(struct domains *ds);

/* Whose word holds on a CPU. */
enum cpu_control {
	CPU_FREE,		/* nobody asked us: as it was */
	CPU_OURS,
	CPU_FOREIGN_GOVERNOR,	/* ours, but somebody else changed it and is let */
	CPU_FOREIGN_FREQUENCY,
	CPU_OFFLINE,
	CPU_HELD,		/* an earlier daemon's, until it is known who votes */
	CPU_CONTROL_COUNT,
};

struct domain_cpu_stats {
	bool managed, table_known;
	bool pending;			/* some CPU of the domain is still to be set */
	enum cpu_control control;
	enum frq_reason problem;
	unsigned int policy, domain;	/* the lowest managed CPU of each */
	struct power_cpu info;		/* where table_known */
	uint32_t decided_khz;		/* 0: nobody has an opinion */
	uint32_t applied_khz;		/* what was written and read back, 0: nothing */
	bool turbo, manual;
	enum decision_bound bound;
	const struct channel *winner;	/* or NULL; while its VM is served */
	struct freq_limits limits;
	uint64_t writes, write_errors, retries, drifts;
};

void domains_get_cpu(const struct domains *ds, unsigned int cpu, struct domain_cpu_stats *st);

struct domains_stats {
	uint64_t decisions, writes, write_errors, retries, drifts, deferred;
};

void domains_get_stats(const struct domains *ds, struct domains_stats *st);

#endif /* FRQ_DOMAIN_H */
