/* SPDX-License-Identifier: BSD-3-Clause */
#include "node_sleep.h"

#include <inttypes.h>

#include "node_pm.h"

/* Guests are served until shortly before. */
#define PARK_BEFORE_MS	1000u
/* The kernel gives processes 20 s to freeze; an image has to be written. */
#define MEM_PATIENCE_MS	40000u
#define DISK_PATIENCE_MS 300000u
/* Two readings one after the other differ by less; a sleep is longer. */
#define SLEPT_MIN_NS	INT64_C(50000000)

uint64_t
node_sleep_patience_ms(enum pm_target target)
{
	return NODE_SUSPEND_DELAY_S * 1000u +
		(target == PM_TARGET_MEM ? MEM_PATIENCE_MS : DISK_PATIENCE_MS);
}

bool
node_sleep_begin(struct node_sleep *n, enum pm_target target, unsigned int seconds,
	uint64_t now_ms, struct frq_err *err)
{
	if (n->phase != NODE_IDLE) {
		frq_err_set(err, "the host is about to sleep already (%s, for %u s), as was asked for %" PRIu64 " s ago",
			pm_target_name(n->target), n->seconds,
			(now_ms - n->began_ms) / 1000);
		return false;
	}
	if (seconds < NODE_SUSPEND_MIN_S) {
		frq_err_set(err, "%u s is too short: libvirt suspends a host for %u s at least",
			seconds, NODE_SUSPEND_MIN_S);
		return false;
	}
	*n = (struct node_sleep){ .phase = NODE_CHECKING, .target = target, .seconds = seconds,
		.began_ms = now_ms };
	return true;
}

void
node_sleep_accepted(struct node_sleep *n, uint64_t now_ms, uint64_t failed)
{
	n->phase = NODE_WAITING;
	n->accepted_ms = now_ms;
	n->failed = failed;
}

static uint64_t
park_ms(const struct node_sleep *n)
{
	return n->accepted_ms + NODE_SUSPEND_DELAY_S * 1000u - PARK_BEFORE_MS;
}

static uint64_t
end_ms(const struct node_sleep *n)
{
	return n->accepted_ms + node_sleep_patience_ms(n->target);
}

enum node_step
node_sleep_look(struct node_sleep *n, uint64_t now_ms, bool slept, uint64_t failed)
{
	bool pending = n->phase == NODE_WAITING || n->phase == NODE_PARKED;

	if (pending && (slept || failed != n->failed || now_ms >= end_ms(n)))
		n->phase = NODE_IDLE;
	if (slept)
		return NODE_STEP_RESUMED;
	if (pending && n->phase == NODE_IDLE)
		return NODE_STEP_STAYED;
	if (n->phase != NODE_WAITING || now_ms < park_ms(n))
		return NODE_STEP_NONE;
	n->phase = NODE_PARKED;
	return NODE_STEP_PARK;
}

uint64_t
node_sleep_due_ms(const struct node_sleep *n)
{
	if (n->phase == NODE_WAITING)
		return park_ms(n);
	return n->phase == NODE_PARKED ? end_ms(n) : UINT64_MAX;
}

void
sleep_clock_start(struct sleep_clock *c, uint64_t mono_ns, uint64_t boot_ns)
{
	c->ahead_ns = (int64_t)(boot_ns - mono_ns);
}

uint64_t
sleep_clock_slept_ms(struct sleep_clock *c, uint64_t boot_ns, uint64_t mono_ns)
{
	int64_t slept = (int64_t)(boot_ns - mono_ns) - c->ahead_ns;

	if (slept < SLEPT_MIN_NS)
		return 0;
	c->ahead_ns += slept;
	return (uint64_t)slept / 1000000;
}
