/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy.c - a cpufreq policy: taken, set, read back, given back
 *
 * Nothing waits here. What may pass is tried again when it is due; the domain
 * (domain.c) sees to that.
 */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "domain_pvt.h"
#include "events.h"

/* Between the tries of what does not seem to pass: then twice that, up to a minute. */
#define PATIENCE_NS	SECOND_NS
#define PATIENCE_MOST	6u
#define SOON_NS		(16 * RETRY_NS)	/* or until something else is asked */

static enum frq_reason
reason_of(int error)
{
	switch (error) {
	case 0:
		return FRQ_REASON_OK;
	case -ENODEV:
	case -ENOTSUP:
		return FRQ_REASON_NO_CPUFREQ;
	case -ENXIO:
		return FRQ_REASON_OFFLINE;
	default:
		return FRQ_REASON_FAILED;
	}
}

static void
set_control(struct policy *p, enum cpu_control control)
{
	__atomic_store_n(&p->control, control, __ATOMIC_RELAXED);
}

static void
set_problem(struct policy *p, enum frq_reason problem)
{
	__atomic_store_n(&p->problem, problem, __ATOMIC_RELAXED);
}

static void
set_index(struct policy *p, unsigned int index)
{
	__atomic_store_n(&p->index, index, __ATOMIC_RELAXED);
}

/* ---- trouble ---------------------------------------------------------------- */

static uint64_t
pause_ns(const struct policy *p, enum frq_reason reason)
{
	if (p->tries < RETRIES)
		return RETRY_NS << p->tries;
	/* One that is offline is looked for at an even pace. */
	return reason == FRQ_REASON_OFFLINE ? PATIENCE_NS : PATIENCE_NS << (p->tries - RETRIES);
}

/* A guest that asks and releases in turn must not fill the list of events. */
static bool
may_tell(struct policy *p)
{
	uint64_t now = monotonic_ns();

	if (p->told_ns != 0 && now - p->told_ns < SECOND_NS)
		return false;
	p->told_ns = now;
	return true;
}

/*
 * It did not work. What may pass is tried again soon a few times, before
 * anybody is told; all the rest once in a while.
 */
static void
note_failure(struct domains *ds, unsigned int number, int error, const struct frq_err *err)
{
	struct policy *p = &ds->policy[number];
	enum frq_reason reason = reason_of(error);

	counter_add(&p->write_errors, 1);
	counter_add(&ds->write_errors, 1);
	set_index(p, NO_INDEX);
	/* Only this passes by itself soon: somebody plugs a CPU. */
	if (error != -EBUSY && p->tries < RETRIES)
		p->tries = RETRIES;
	p->retry_ns = monotonic_ns() + pause_ns(p, reason);
	if (p->tries < RETRIES + PATIENCE_MOST)
		p->tries++;
	if (!policy_gave_up(p) || p->problem == reason)
		return;
	/* What is held stays that: it is not taken by us. */
	if (reason == FRQ_REASON_OFFLINE && p->control != CPU_HELD)
		set_control(p, CPU_OFFLINE);
	set_problem(p, reason);
	p->told = may_tell(p);
	if (p->told && reason == FRQ_REASON_OFFLINE)
		event_raise(EVENT_OFFLINE, NULL, "CPU %u went offline: what was asked for it waits until it is back",
			number);
	else if (p->told)
		event_raise(EVENT_REFUSED, NULL, "%s", err->text);
}

static void
end_trouble(struct policy *p, unsigned int number)
{
	p->tries = 0;
	p->retry_ns = 0;
	if (p->problem == FRQ_REASON_OFFLINE && p->told)
		event_raise(EVENT_ONLINE, NULL, "CPU %u is back", number);
	else if ((p->problem == FRQ_REASON_FAILED || p->problem == FRQ_REASON_NO_CPUFREQ) && p->told)
		event_raise(EVENT_REFUSED_OVER, NULL, "CPU %u does again what it is told", number);
	else if (p->problem == FRQ_REASON_FOREIGN)
		event_raise(EVENT_DRIFT_OVER, NULL, "CPU %u is ours again", number);
	set_problem(p, FRQ_REASON_OK);
}

static void
note_success(struct policy *p, unsigned int number, unsigned int index)
{
	set_index(p, index);
	end_trouble(p, number);
	set_control(p, CPU_OURS);
}

/* Somebody else set it. @return whether they are let */
static bool
note_drift(struct domains *ds, unsigned int number, const struct power_look *l)
{
	struct policy *p = &ds->policy[number];
	bool governor = !l->ours;

	/* Let already; by now it may be the governor, and was the frequency. */
	if (p->problem == FRQ_REASON_FOREIGN) {
		set_control(p, governor ? CPU_FOREIGN_GOVERNOR : CPU_FOREIGN_FREQUENCY);
		return true;
	}
	counter_add(&p->drifts, 1);
	counter_add(&ds->drifts, 1);
	if (governor)
		event_raise(EVENT_DRIFT, NULL, "CPU %u: somebody chose the governor %s; %s", number, l->governor,
			ds->c.yield ? "left to them until it is ours again" : "taken back");
	else
		event_raise(EVENT_DRIFT, NULL, "CPU %u: somebody set %u kHz; %s", number, l->khz,
			ds->c.yield ? "left to them until something else is asked" : "set again");
	if (!ds->c.yield)
		return false;
	p->tries = 0;
	p->retry_ns = 0;
	set_index(p, NO_INDEX);
	set_problem(p, FRQ_REASON_FOREIGN);
	set_control(p, governor ? CPU_FOREIGN_GOVERNOR : CPU_FOREIGN_FREQUENCY);
	return true;
}

/* ---- what it offers ---------------------------------------------------------- */

static bool
same_table(const struct freq_table *a, const struct freq_table *b)
{
	return a->nb == b->nb && a->turbo == b->turbo &&
		memcmp(a->khz, b->khz, a->nb * sizeof(a->khz[0])) == 0;
}

void
policy_learn(struct domains *ds, unsigned int number, const struct freq_table *table)
{
	struct policy *p = &ds->policy[number];
	struct frq_err err;
	int ret;

	ret = ds->c.power->learn(number, &p->info, &err);
	if (ret == 0 && table->nb != 0 && !same_table(table, &p->info.table)) {
		frq_err_set(&err, "CPU %u shares its clock with others, but not their frequencies: it is left alone",
			number);
		ret = -ENODEV;
	}
	if (ret != 0) {
		note_failure(ds, number, ret, &err);
		return;
	}
	end_trouble(p, number);
	set_control(p, p->taken ? CPU_HELD : CPU_FREE);
	__atomic_store_n(&p->known, true, __ATOMIC_RELEASE);
}

static void
set_limits(struct policy *p, struct freq_limits limits)
{
	__atomic_store_n(&p->limits.floor_khz, limits.floor_khz, __ATOMIC_RELAXED);
	__atomic_store_n(&p->limits.ceiling_khz, limits.ceiling_khz, __ATOMIC_RELAXED);
}

static bool
limits_differ(struct freq_limits a, struct freq_limits b)
{
	return a.floor_khz != b.floor_khz || a.ceiling_khz != b.ceiling_khz;
}

/* ---- taken, set, given back --------------------------------------------------- */

void
policy_forget_trouble(struct policy *p)
{
	p->tries = 0;
	p->retry_ns = 0;
	set_index(p, NO_INDEX);
	set_problem(p, FRQ_REASON_OK);
	set_control(p, CPU_FREE);
}

void
policy_give_back(struct domains *ds, unsigned int number)
{
	struct policy *p = &ds->policy[number];
	struct frq_err err;
	int ret;

	ret = ds->c.power->give_back(number, &err);
	if (ret != 0) {
		note_failure(ds, number, ret, &err);
		return;
	}
	p->taken = false;
	/* What is somebody else's now is not ours again. */
	if (p->problem != FRQ_REASON_FOREIGN)
		end_trouble(p, number);
	policy_forget_trouble(p);
}

bool
policy_take(struct domains *ds, unsigned int number)
{
	struct policy *p = &ds->policy[number];
	struct freq_limits before = p->limits;
	struct power_look l;
	struct frq_err err;
	int ret;

	if (policy_is_ours(p))
		return false;
	ret = ds->c.power->take(number, &err);
	if (ret != 0) {
		note_failure(ds, number, ret, &err);
		return false;
	}
	p->taken = true;
	set_control(p, CPU_OURS);
	if (ds->c.power->look(number, &l) == 0)
		set_limits(p, l.limits);
	return limits_differ(before, p->limits);
}

/* Past the library, which would not write again what it believes to be set. */
static void
force(struct domains *ds, unsigned int number, unsigned int index, uint32_t seen_khz)
{
	struct policy *p = &ds->policy[number];
	struct frq_err err;
	int ret;

	counter_add(&p->retries, 1);
	counter_add(&ds->retries, 1);
	ret = ds->c.power->force(number, index, &err);
	if (ret == 0) {
		frq_err_set(&err, "CPU %u: set to %u kHz, and %u kHz is in force", number,
			p->info.table.khz[index], seen_khz);
		ret = ds->c.power->check(number, index);
	}
	if (ret == 0)
		note_success(p, number, index);
	else
		note_failure(ds, number, ret, &err);
}

/*
 * Written, but something else is in force.
 * @return whether limits moved and the domain has to be decided anew
 */
static bool
sort_out(struct domains *ds, unsigned int number, unsigned int index)
{
	struct policy *p = &ds->policy[number];
	struct frq_err err;
	struct power_look l;
	int ret = ds->c.power->look(number, &l);

	if (ret != 0) {
		frq_err_set(&err, "CPU %u: its cpufreq files cannot be read: %s", number, strerror(-ret));
		note_failure(ds, number, ret, &err);
		return false;
	}
	if (limits_differ(l.limits, p->limits)) {
		set_limits(p, l.limits);
		return true;
	}
	/* One that was offline comes back as the kernel likes. */
	if (l.ours || p->problem == FRQ_REASON_OFFLINE || !note_drift(ds, number, &l))
		force(ds, number, index, l.khz);
	return false;
}

bool
policy_set(struct domains *ds, unsigned int number, unsigned int index)
{
	struct policy *p = &ds->policy[number];
	struct frq_err err;
	int ret;

	counter_add(&p->writes, 1);
	counter_add(&ds->writes, 1);
	/* A library that refuses is passed by, too. */
	ret = ds->c.power->set(number, index, &err);
	if (ret == 0)
		ret = ds->c.power->check(number, index);
	if (ret != 0)
		return sort_out(ds, number, index);
	note_success(p, number, index);
	return false;
}

void
policy_set_again(struct domains *ds, unsigned int number)
{
	struct policy *p = &ds->policy[number];
	unsigned int index = p->index;
	struct frq_err err;
	int ret;

	if (p->control != CPU_OURS || index == NO_INDEX)
		return;
	counter_add(&p->writes, 1);
	counter_add(&ds->writes, 1);
	ret = ds->c.power->again(number, index, &err);
	if (ret == 0) {
		frq_err_set(&err, "CPU %u: set to %u kHz again after the host slept, and it is not in force",
			number, p->info.table.khz[index]);
		ret = ds->c.power->check(number, index);
	}
	if (ret == 0)
		note_success(p, number, index);
	else
		note_failure(ds, number, ret, &err);
}

void
policy_new_decision(struct policy *p)
{
	uint64_t soon;

	/* Whoever set a frequency was let until now. */
	if (p->control == CPU_FOREIGN_FREQUENCY)
		set_control(p, CPU_OURS);
	/* Another frequency may be taken where this one was refused. */
	if (!policy_gave_up(p))
		return;
	soon = monotonic_ns() + SOON_NS;
	if (p->retry_ns > soon)
		p->retry_ns = soon;
}

/* ---- looked at ------------------------------------------------------------------ */

void
policy_look_at(struct domains *ds, unsigned int number)
{
	struct policy *p = &ds->policy[number];
	struct power_look l;
	struct frq_err err;
	bool moved;
	int ret;

	if (!policy_is_ours(p))
		return;
	ret = ds->c.power->look(number, &l);
	if (ret == -ENXIO && p->problem != FRQ_REASON_OFFLINE) {
		frq_err_set(&err, "CPU %u is offline", number);
		note_failure(ds, number, ret, &err);
	}
	if (ret != 0)
		return;
	moved = limits_differ(l.limits, p->limits);
	set_limits(p, l.limits);
	if (p->control == CPU_FOREIGN_GOVERNOR && l.ours) {
		set_control(p, CPU_OURS);
	} else if (p->control == CPU_FOREIGN_FREQUENCY && !l.ours) {
		set_control(p, CPU_FOREIGN_GOVERNOR);
	} else if (p->index != NO_INDEX && ds->c.power->check(number, p->index) != 0) {
		/* The kernel keeps to new limits by itself, which is nobody's doing. */
		if (moved && (l.ours || !ds->c.yield))
			set_index(p, NO_INDEX);
		else if (!note_drift(ds, number, &l))
			force(ds, number, p->index, l.khz);
	}
}

bool
policy_differs(const struct domains *ds, unsigned int number)
{
	const struct policy *p = &ds->policy[number];
	enum cpu_control control = __atomic_load_n(&p->control, __ATOMIC_RELAXED);
	struct freq_limits limits = {
		.floor_khz = __atomic_load_n(&p->limits.floor_khz, __ATOMIC_RELAXED),
		.ceiling_khz = __atomic_load_n(&p->limits.ceiling_khz, __ATOMIC_RELAXED),
	};
	unsigned int index = __atomic_load_n(&p->index, __ATOMIC_RELAXED);
	const struct freq_table *t = &p->info.table;
	struct power_look l;
	int ret;

	/* Pairs with the store in policy_learn: the table is there. */
	if (!__atomic_load_n(&p->known, __ATOMIC_ACQUIRE) || (control != CPU_OURS &&
	    control != CPU_FOREIGN_GOVERNOR && control != CPU_FOREIGN_FREQUENCY))
		return false;
	ret = ds->c.power->look(number, &l);
	if (ret != 0)
		return ret == -ENXIO;
	if (limits_differ(l.limits, limits) || l.ours == (control == CPU_FOREIGN_GOVERNOR))
		return true;
	if (control != CPU_OURS || index == NO_INDEX)
		return false;
	/* The table's word for the turbo state need not be the driver's. */
	return t->turbo && index == 0 ? l.khz < t->khz[0] : l.khz != t->khz[index];
}

