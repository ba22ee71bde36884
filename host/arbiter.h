/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arbiter.h - what a frequency domain runs at, given the votes in it
 *
 * Pure functions: no I/O, no state, no time. Any thread.
 */
#ifndef FRQ_ARBITER_H
#define FRQ_ARBITER_H

#include <limits.h>

#include "wish.h"

/* What the configuration allows a VM. */
struct vote_rule {
	uint32_t min_khz;	/* its wishes count as no less, 0: no bound */
	uint32_t max_khz;	/* its wishes count as no more, UINT32_MAX: no bound */
	bool turbo;		/* the domain may be in the turbo state while it votes there */
	int priority;		/* the highest among those with an opinion decides */
};

#define VOTE_RULE_NONE ((struct vote_rule){ .max_khz = UINT32_MAX, .turbo = true })
/* An operator's setting is a vote, too: it beats every VM's, and every VM's rule. */
#define VOTE_PRIORITY_OPERATOR INT_MAX

struct vote {
	struct wish wish;
	struct vote_rule rule;
};

/* Bounds that others set: the administrator, the firmware. */
struct freq_limits {
	uint32_t floor_khz;	/* 0: none */
	uint32_t ceiling_khz;	/* UINT32_MAX: none */
};

#define FREQ_LIMITS_NONE ((struct freq_limits){ .ceiling_khz = UINT32_MAX })

/* What moved a decision away from the highest wish that counts. */
enum decision_bound {
	BOUND_NONE,
	BOUND_RULE_MIN,		/* min_khz of the VM that decided */
	BOUND_RULE_MAX,		/* its max_khz */
	BOUND_RULE_TURBO,	/* a VM that votes here may not have turbo */
	BOUND_FLOOR,		/* the limits of others lifted it */
	BOUND_CEILING,		/* or cut it: the two count by where it ends */
	BOUND_COUNT,
};

struct decision {
	bool any;		/* false: nobody has an opinion, the CPUs are given back */
	bool turbo;		/* it is the turbo state */
	bool manual;		/* an operator decided */
	enum decision_bound bound;	/* the last one that moved it */
	unsigned int index;	/* into the table */
	unsigned int winner;	/* the first vote that asks for the most, of those that count */
	int priority;		/* of the votes that count */
};

/**
 * Of the votes with an opinion those of the highest priority count, and of
 * these the highest wish wins: lost packets cost more than watts. A wish is
 * bounded by its VM's rule first, the outcome by the limits of others last,
 * the ceiling above all. Turbo is for a wish that allows it, in a domain
 * where the rule of every VM that has a vote there allows it, opinion or not;
 * an operator's setting asks nobody. A floor lifts into turbo what forbids
 * itself that, but not what a rule forbids it.
 *
 * A bound that no entry of the table keeps is kept as nearly as it can be.
 *
 * @param vote  of all who may vote, those without an opinion included
 */
struct decision arbiter_decide(const struct freq_table *t, const struct vote *vote,
	unsigned int nb, struct freq_limits limits);

/**
 * Why a vote did not get what it asked for.
 *
 * @param d  of a domain in which it votes
 * @return FRQ_REASON_OK: it did, or asked for nothing; FRQ_REASON_MANUAL: an
 *	operator decided; FRQ_REASON_ARBITRATED: another vote did;
 *	FRQ_REASON_LIMITED: a rule, a limit, the table or itself kept it from that
 */
enum frq_reason arbiter_explain(const struct freq_table *t, const struct vote *v,
	struct decision d);

#endif /* FRQ_ARBITER_H */
