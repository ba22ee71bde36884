/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node_sleep.h - a host that is to sleep, step by step; and whether it slept
 *
 * Pure functions on plain data: who calls them says what time it is.
 *
 *	idle -> checking -> telling -> asking -> waiting -> parked -> idle
 *
 * A host that was put to sleep by somebody else is idle all along.
 */
#ifndef FRQ_NODE_SLEEP_H
#define FRQ_NODE_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "domain_pm.h"

enum node_phase {
	NODE_IDLE,
	NODE_CHECKING,		/* whether it would work */
	NODE_TELLING,		/* the guests */
	NODE_ASKING,		/* libvirt */
	NODE_WAITING,		/* libvirt took it, and waits itself */
	NODE_PARKED,		/* nobody is served any more */
};

/* What is to be done now. */
enum node_step {
	NODE_STEP_NONE,
	NODE_STEP_PARK,
	NODE_STEP_RESUMED,	/* it slept */
	NODE_STEP_STAYED,	/* it does not sleep any more */
};

struct node_sleep {
	enum node_phase phase;
	enum pm_target target;
	unsigned int seconds;
	uint64_t began_ms, accepted_ms;	/* CLOCK_MONOTONIC */
	uint64_t failed;	/* suspends that failed, by the kernel's count, at `accepted` */
};

/** @return false with *err: less than libvirt's minimum, or one is pending */
bool node_sleep_begin(struct node_sleep *n, enum pm_target target, unsigned int seconds,
	uint64_t now_ms, struct frq_err *err);

/** libvirt took it. */
void node_sleep_accepted(struct node_sleep *n, uint64_t now_ms, uint64_t failed);

/**
 * What follows. The phase goes on with it.
 *
 * @param slept  the clocks say so, since the last call
 * @param failed  as in struct node_sleep
 */
enum node_step node_sleep_look(struct node_sleep *n, uint64_t now_ms, bool slept,
	uint64_t failed);

/** When node_sleep_look has something to say without any news; UINT64_MAX: never. */
uint64_t node_sleep_due_ms(const struct node_sleep *n);

/** For how long it may not sleep before it is said that it did not, from `accepted` on. */
uint64_t node_sleep_patience_ms(enum pm_target target);

/* ---- the clocks ------------------------------------------------------------------- */

/* CLOCK_BOOTTIME goes on while the host sleeps, CLOCK_MONOTONIC does not. */
struct sleep_clock {
	int64_t ahead_ns;	/* by so much, at the most */
};

/** @param mono_ns  read before boot_ns */
void sleep_clock_start(struct sleep_clock *c, uint64_t mono_ns, uint64_t boot_ns);

/** For how long it slept since; 0: not. @param mono_ns  read after boot_ns */
uint64_t sleep_clock_slept_ms(struct sleep_clock *c, uint64_t boot_ns, uint64_t mono_ns);

#endif /* FRQ_NODE_SLEEP_H */
