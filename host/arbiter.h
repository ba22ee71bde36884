/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arbiter.h - what a frequency domain runs at, given the votes in it
 *
 * One pure function: no I/O, no state, no time. Any thread.
 */
#ifndef FRQ_ARBITER_H
#define FRQ_ARBITER_H

#include "wish.h"

struct decision {
	bool any;		/* false: nobody has an opinion, the CPU is given back */
	bool turbo;		/* it may run in the turbo state */
	unsigned int index;	/* into the table */
};

/**
 * The highest wish wins: lost packets cost more than watts. Turbo is for a
 * wish that allows it; one that forbids it does not forbid it to others.
 *
 * @param wish  votes, those without an opinion included
 */
struct decision arbiter_decide(const struct freq_table *t, const struct wish *wish,
	unsigned int nb);

/**
 * Why a vote did not get what it asked for: FRQ_REASON_OK,
 * FRQ_REASON_ARBITRATED (another vote decided), FRQ_REASON_LIMITED (its wish
 * was turbo, which it forbade itself).
 */
enum frq_reason arbiter_explain(const struct freq_table *t, const struct wish *w,
	struct decision d);

#endif /* FRQ_ARBITER_H */
