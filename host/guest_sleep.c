/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_sleep.h"

static void
fall_asleep(struct guest_sleep *g, enum sleep_kind kind, struct sleep_time at)
{
	/* S3 may become S4: it sleeps since it fell asleep. */
	if (g->kind == SLEEP_NONE) {
		g->since_ms = at.real_ms;
		g->since_ns = at.mono_ns;
	}
	g->kind = kind;
}

/* Awake, or off: nothing is remembered. */
static struct guest_woke
end_sleep(struct guest_sleep *g, bool woke)
{
	struct guest_woke w = {
		.from = woke ? g->kind : SLEEP_NONE,
		.since_ms = g->since_ms,
		.since_ns = g->since_ns,
	};

	*g = (struct guest_sleep){ .kind = SLEEP_NONE, .event_ns = g->event_ns };
	return w;
}

struct guest_woke
guest_sleep_event(struct guest_sleep *g, enum guest_pm pm, struct sleep_time at)
{
	g->event_ns = at.mono_ns;
	switch (pm) {
	case GUEST_PM_SUSPEND:
		fall_asleep(g, SLEEP_MEM, at);
		break;
	case GUEST_PM_SUSPEND_DISK:
		fall_asleep(g, SLEEP_DISK, at);
		break;
	case GUEST_PM_WAKEUP:
	case GUEST_PM_STARTED:
		/* Of one that wakes up from memory libvirt says either. */
		return end_sleep(g, true);
	}
	return (struct guest_woke){ .from = SLEEP_NONE };
}

struct guest_woke
guest_sleep_map(struct guest_sleep *g, enum vm_run_state state, uint64_t read_ns)
{
	const struct guest_woke not = { .from = SLEEP_NONE };

	if (read_ns < g->event_ns)
		return not;
	switch (state) {
	case VM_SUSPENDED:
		/* Its event was before our time. */
		if (g->kind == SLEEP_NONE)
			g->kind = SLEEP_MEM;
		return not;
	case VM_DEFINED:
		return g->kind == SLEEP_MEM ? end_sleep(g, false) : not;
	case VM_PAUSED:
		/* Both on the way into S4 and on the way out of it, and neither says more. */
		return not;
	case VM_RUNNING:
		break;
	}
	return g->kind != SLEEP_NONE ? end_sleep(g, true) : not;
}
