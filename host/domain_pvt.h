/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain_pvt.h - what host/domain*.c and host/policy.c share
 *
 * Applier's thread only; what other threads load is stored atomically.
 */
#ifndef FRQ_DOMAIN_PVT_H
#define FRQ_DOMAIN_PVT_H

#include "domain.h"

#define NEVER		UINT64_MAX
#define SECOND_NS	UINT64_C(1000000000)
#define RETRY_NS	UINT64_C(1000000)	/* the first time after a refusal, then twice that */
#define RETRIES		8u	/* a quarter of a second; then it is said to have failed */
#define NO_INDEX	UINT32_MAX
#define NO_POLICY	UINT16_MAX

/* A cpufreq policy. Kept at the number of its lowest managed CPU, by which the backend calls it. */
struct policy {
	enum cpu_control control;
	bool wanted;			/* a vote, or an operator, is for a CPU of it */
	bool known;			/* info is, and constant since */
	bool taken;			/* by us; or held: by the daemon before us */
	enum frq_reason problem;	/* why it is not as decided; OK: it is */
	struct power_cpu info;
	struct freq_limits limits;	/* of others, as last seen */
	unsigned int index;		/* in force, read back; NO_INDEX: none */
	unsigned int tries;		/* in vain, in a row */
	uint64_t retry_ns;		/* when the next one is due */
	uint64_t told_ns;		/* when trouble was raised as an event last */
	bool told;			/* and the trouble it is in was */
	bool hinted;			/* look at it: its files say something else */
	uint16_t next;			/* policy of the same domain, or NO_POLICY */
	uint64_t writes, write_errors, retries, drifts; /* counters */
};

/* Kept at the number of its lowest managed CPU. */
struct domain {
	uint16_t first;			/* of its policies */
	const struct freq_table *table;	/* of the first policy that became known */
	struct decision decision;
	bool pending;
	uint64_t due_ns;		/* where pending */
	uint64_t pace_ns;		/* of the write limit, see may_write */
	unsigned int nb_voters, nb_manual;
	struct channel **voter;		/* a slice of domains.voters */
	struct vote *vote;		/* a slice of domains.votes: rules constant, then manual */
	const struct channel *winner;	/* loaded by others, as the next */
	uint64_t told;			/* of the decision, see tell */
};

struct domains {
	struct domains_config c;
	struct channel **voters;
	struct vote *votes;
	bool hinted;			/* some policy is */
	uint64_t held_end_ns;		/* NEVER: nothing is held any more */
	uint64_t due_ns;		/* the earliest of all domains, or earlier */
	uint64_t decisions, writes, write_errors, retries, drifts, deferred; /* counters */
	uint16_t policy_of[FRQ_MAX_CPUS], domain_of[FRQ_MAX_CPUS];
	struct cpuset policies, domains;	/* by their numbers */
	struct policy policy[FRQ_MAX_CPUS];
	struct domain domain[FRQ_MAX_CPUS];
};

/* Each policy of a domain, by its number. */
#define POLICY_FOREACH(number, ds, d) \
	for (unsigned int number = (d)->first; number != NO_POLICY; \
	     number = (ds)->policy[number].next)

/* ---- domain.c -------------------------------------------------------------- */

/** A first or another try at what its policies offer. @return whether there was one */
bool domain_learn(struct domains *ds, struct domain *d);

/* ---- policy.c -------------------------------------------------------------- */

/** Whether we set it: taken, and not the daemon's before us. */
static inline bool
policy_is_ours(const struct policy *p)
{
	return p->taken && p->control != CPU_HELD;
}

/** Whether it was tried often enough: those who wait for it are told. */
static inline bool
policy_gave_up(const struct policy *p)
{
	return p->tries > RETRIES;
}

/** Ask what it offers. What others in the domain offer is `table`, if known. */
void policy_learn(struct domains *ds, unsigned int number, const struct freq_table *table);

/** @return whether the limits were found to be others than was known */
bool policy_take(struct domains *ds, unsigned int number);

/**
 * Set it and read it back.
 * @return whether limits moved, so that the domain has to be decided anew
 */
bool policy_set(struct domains *ds, unsigned int number, unsigned int index);

/** Set it anew although it is known to be set. */
void policy_set_again(struct domains *ds, unsigned int number);

/** It is to run at something else than before: what stood in the way may not now. */
void policy_new_decision(struct policy *p);

void policy_give_back(struct domains *ds, unsigned int number);

/** What was refused to somebody is no trouble of nobody. Not taken. */
void policy_forget_trouble(struct policy *p);

/** Its files were seen to say something else than we know. */
void policy_look_at(struct domains *ds, unsigned int number);

/** Whether its files say something else than we know. Any thread. */
bool policy_differs(const struct domains *ds, unsigned int number);

#endif /* FRQ_DOMAIN_PVT_H */
