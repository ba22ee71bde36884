/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "domain_pvt.h"
#include "log.h"

#define HELD_NS		(10 * SECOND_NS)	/* for which a killed daemon's CPUs wait for a map */
#define ROUNDS		3u	/* of looking and deciding, when limits move under us */

static const struct freq_table no_table;

/* ---- the write limit ------------------------------------------------------
 *
 * A sixteenth of a second's writes may come at once, the rest evenly: so no
 * second has more than the limit, and the last one asked never waits long.
 */

static uint64_t
burst_of(uint64_t limit)
{
	return limit < 16 ? 1 : limit / 16;
}

static uint64_t
interval_ns(uint64_t limit)
{
	uint64_t rate = limit - burst_of(limit);

	return SECOND_NS / (rate == 0 ? 1 : rate);
}

/* @return 0, or when the domain may be set again */
static uint64_t
must_wait(const struct domains *ds, const struct domain *d, uint64_t now)
{
	uint64_t limit = ds->c.write_limit, early;

	if (limit == 0)
		return 0;
	early = (burst_of(limit) - 1) * interval_ns(limit);
	return d->pace_ns > now + early ? d->pace_ns - early : 0;
}

static void
pay_for_write(const struct domains *ds, struct domain *d, uint64_t now)
{
	if (ds->c.write_limit == 0)
		return;
	if (d->pace_ns < now)
		d->pace_ns = now;
	d->pace_ns += interval_ns(ds->c.write_limit);
}

/* ---- decided ------------------------------------------------------------------ */

/* What is to be done for the policy to be as decided, and may be done now? */
static bool
needs_work(const struct domains *ds, const struct domain *d, const struct policy *p,
	uint64_t now)
{
	if (p->control == CPU_HELD && ds->held_end_ns != NEVER)
		return false;
	if (!p->wanted || !d->decision.any)
		return p->taken && now >= p->retry_ns;
	if (!p->known || now < p->retry_ns)
		return false;
	if (p->control == CPU_FOREIGN_GOVERNOR || p->control == CPU_FOREIGN_FREQUENCY)
		return false;
	return p->index != d->decision.index;
}

static struct freq_limits
limits_of(const struct domains *ds, const struct domain *d)
{
	struct freq_limits limits = FREQ_LIMITS_NONE;

	POLICY_FOREACH(number, ds, d) {
		const struct policy *p = &ds->policy[number];

		if (!p->wanted || !p->taken)
			continue;
		if (p->limits.floor_khz > limits.floor_khz)
			limits.floor_khz = p->limits.floor_khz;
		if (p->limits.ceiling_khz < limits.ceiling_khz)
			limits.ceiling_khz = p->limits.ceiling_khz;
	}
	return limits;
}

static bool
decisions_differ(const struct decision *a, const struct decision *b)
{
	return a->any != b->any || a->index != b->index || a->bound != b->bound ||
		a->manual != b->manual || a->priority != b->priority;
}

/* For status: kHz 24 bits, turbo, manual; bound from bit 32 on. */
static void
tell(struct domain *d)
{
	const struct decision *n = &d->decision;
	uint64_t told = 0;

	if (n->any)
		told = d->table->khz[n->index] | (uint64_t)n->turbo << 24 |
			(uint64_t)n->manual << 25 | (uint64_t)n->bound << 32;
	__atomic_store_n(&d->told, told, __ATOMIC_RELAXED);
	__atomic_store_n(&d->winner, n->any && n->winner < d->nb_voters ?
		d->voter[n->winner] : NULL, __ATOMIC_RELAXED);
}

/* @return whether it is another one than before */
static bool
arbitrate(struct domains *ds, struct domain *d)
{
	struct decision before = d->decision;

	for (unsigned int i = 0; i < d->nb_voters; i++)
		d->vote[i].wish = d->voter[i]->a.wish;
	d->decision = arbiter_decide(d->table, d->vote, d->nb_voters + d->nb_manual,
		limits_of(ds, d));
	tell(d);
	counter_add(&ds->decisions, 1);
	if (before.index != d->decision.index)
		POLICY_FOREACH(number, ds, d)
			policy_new_decision(&ds->policy[number]);
	return decisions_differ(&before, &d->decision);
}

/* @return whether limits moved and it has to be decided anew */
static bool
enforce(struct domains *ds, struct domain *d, uint64_t now)
{
	bool moved = false, paid = false;

	POLICY_FOREACH(number, ds, d) {
		struct policy *p = &ds->policy[number];

		if (!needs_work(ds, d, p, now))
			continue;
		if (!p->wanted || !d->decision.any) {
			policy_give_back(ds, number);
		} else if (!policy_is_ours(p)) {
			/* One that cannot be taken is not tried without bound. */
			if (!paid)
				pay_for_write(ds, d, now);
			paid = true;
			moved |= policy_take(ds, number);
		}
	}
	if (moved)
		return true;
	POLICY_FOREACH(number, ds, d) {
		struct policy *p = &ds->policy[number];

		if (!p->wanted || !d->decision.any || !policy_is_ours(p) || !needs_work(ds, d, p, now))
			continue;
		if (!paid)
			pay_for_write(ds, d, now);
		paid = true;
		moved |= policy_set(ds, number, d->decision.index);
	}
	return moved;
}

/* When is it to be looked at again, and does anybody wait for that? */
static void
plan(struct domains *ds, struct domain *d)
{
	uint64_t wait = d->decision.any ? must_wait(ds, d, monotonic_ns()) : 0;
	bool waits = false;

	d->due_ns = NEVER;
	POLICY_FOREACH(number, ds, d) {
		const struct policy *p = &ds->policy[number];
		uint64_t due = NEVER;

		if (p->wanted && !p->known)
			due = p->retry_ns;
		else if (needs_work(ds, d, p, NEVER))
			due = p->retry_ns > wait ? p->retry_ns : wait;
		if (due < d->due_ns)
			d->due_ns = due;
		waits |= due != NEVER && p->wanted && !policy_gave_up(p);
	}
	__atomic_store_n(&d->pending, waits, __ATOMIC_RELAXED);
	if (d->due_ns < ds->due_ns)
		ds->due_ns = d->due_ns;
}

static bool
anything_to_do(const struct domains *ds, const struct domain *d, uint64_t now)
{
	POLICY_FOREACH(number, ds, d)
		if (needs_work(ds, d, &ds->policy[number], now))
			return true;
	return false;
}

bool
domain_learn(struct domains *ds, struct domain *d)
{
	bool tried = false;

	POLICY_FOREACH(number, ds, d) {
		struct policy *p = &ds->policy[number];

		if (!p->wanted || p->known || monotonic_ns() < p->retry_ns)
			continue;
		policy_learn(ds, number, d->table);
		if (p->known && d->table->nb == 0)
			d->table = &p->info.table;
		tried = true;
	}
	return tried;
}

static void
forget_troubles(struct domains *ds, const struct domain *d)
{
	POLICY_FOREACH(number, ds, d) {
		struct policy *p = &ds->policy[number];

		if (!p->taken && (!p->wanted || (p->known && !d->decision.any)))
			policy_forget_trouble(p);
	}
}

bool
domain_decide(struct domains *ds, unsigned int number)
{
	struct domain *d = &ds->domain[number];
	bool changed = domain_learn(ds, d), was_pending = d->pending;
	uint64_t now = monotonic_ns();

	changed |= arbitrate(ds, d);
	forget_troubles(ds, d);
	if (!anything_to_do(ds, d, now)) {
		plan(ds, d);
		return changed || was_pending;
	}
	if (d->decision.any && must_wait(ds, d, now) != 0) {
		counter_add(&ds->deferred, 1);
		plan(ds, d);
		return false;
	}
	for (unsigned int i = 0; i < ROUNDS && enforce(ds, d, now); i++)
		(void)arbitrate(ds, d);
	plan(ds, d);
	return true;
}

/* ---- what is due ---------------------------------------------------------------- */

bool
domains_hint(struct domains *ds)
{
	bool any = false;

	CPUSET_FOREACH(number, &ds->policies) {
		if (!policy_differs(ds, number))
			continue;
		__atomic_store_n(&ds->policy[number].hinted, true, __ATOMIC_RELAXED);
		any = true;
	}
	if (any)
		/* Pairs with the exchange in follow_hints. */
		__atomic_store_n(&ds->hinted, true, __ATOMIC_RELEASE);
	return any;
}

bool
domains_hinted(const struct domains *ds)
{
	return __atomic_load_n(&ds->hinted, __ATOMIC_RELAXED);
}

typedef void (*changed_fn)(void *arg, unsigned int domain);

static bool
follow_hints(struct domains *ds, changed_fn changed, void *arg)
{
	if (!domains_hinted(ds) ||
	    !__atomic_exchange_n(&ds->hinted, false, __ATOMIC_ACQ_REL))
		return false;
	CPUSET_FOREACH(number, &ds->policies) {
		if (!__atomic_exchange_n(&ds->policy[number].hinted, false, __ATOMIC_RELAXED))
			continue;
		policy_look_at(ds, number);
		(void)domain_decide(ds, ds->domain_of[number]);
		changed(arg, ds->domain_of[number]);
	}
	return true;
}

/* Nobody came to say who votes: what an earlier daemon left is put back. */
static bool
end_hold(struct domains *ds)
{
	if (ds->held_end_ns == NEVER || monotonic_ns() < ds->held_end_ns)
		return false;
	FRQ_LOG(WARNING, "no map of VMs within %u s: what an earlier freqringd had set is put back",
		(unsigned int)(HELD_NS / SECOND_NS));
	ds->held_end_ns = NEVER;
	CPUSET_FOREACH(number, &ds->domains)
		(void)domain_decide(ds, number);
	return true;
}

bool
domains_work(struct domains *ds, changed_fn changed, void *arg)
{
	bool work = follow_hints(ds, changed, arg);
	uint64_t now;

	work |= end_hold(ds);
	if (ds->due_ns == NEVER)
		return work;
	now = monotonic_ns();
	if (now < ds->due_ns)
		return work;
	ds->due_ns = NEVER;
	CPUSET_FOREACH(number, &ds->domains) {
		const struct domain *d = &ds->domain[number];

		if (d->due_ns <= now && domain_decide(ds, number))
			changed(arg, number);
		if (d->due_ns < ds->due_ns)
			ds->due_ns = d->due_ns;
	}
	return true;
}

uint64_t
domains_due(const struct domains *ds)
{
	return ds->due_ns < ds->held_end_ns ? ds->due_ns : ds->held_end_ns;
}

void
domains_set_again(struct domains *ds)
{
	CPUSET_FOREACH(number, &ds->policies) {
		policy_look_at(ds, number);
		policy_set_again(ds, number);
	}
	CPUSET_FOREACH(number, &ds->domains)
		(void)domain_decide(ds, number);
}

void
domains_give_back(struct domains *ds)
{
	unsigned int left = 0;

	for (unsigned int tries = 0; tries <= RETRIES; tries++) {
		struct timespec pause = { .tv_nsec = (long)(RETRY_NS << tries) };

		left = 0;
		CPUSET_FOREACH(number, &ds->policies) {
			if (ds->policy[number].taken)
				policy_give_back(ds, number);
			left += ds->policy[number].taken;
		}
		if (left == 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
	FRQ_LOG(ERR, "%u CPUs could not be given back (see above): freqringd --restore does it when they can be",
		left);
}

/* ---- made and freed ---------------------------------------------------------------- */

struct domains *
domains_create(const struct domains_config *c)
{
	struct domains *ds = calloc(1, sizeof(*ds));
	bool held = false;

	if (ds == NULL)
		return NULL;
	ds->c = *c;
	ds->due_ns = NEVER;
	CPUSET_FOREACH(cpu, &c->managed) {
		struct cpuset policy = { 0 }, clock = { 0 };
		struct policy *p = &ds->policy[cpu];

		c->power->group(cpu, &policy, &clock);
		ds->policy_of[cpu] = (uint16_t)cpuset_next(&policy, 0);
		ds->domain_of[cpu] = (uint16_t)cpuset_next(&clock, 0);
		cpuset_add(&ds->policies, ds->policy_of[cpu]);
		cpuset_add(&ds->domains, ds->domain_of[cpu]);
		ds->domain[cpu].first = NO_POLICY;
		ds->domain[cpu].table = &no_table;
		ds->domain[cpu].due_ns = NEVER;
		p->limits = FREQ_LIMITS_NONE;
		p->index = NO_INDEX;
		p->taken = ds->policy_of[cpu] == cpu && c->power->held(cpu);
		p->control = p->taken ? CPU_HELD : CPU_FREE;
		held |= p->taken;
	}
	CPUSET_FOREACH(number, &ds->policies) {
		struct domain *d = &ds->domain[ds->domain_of[number]];

		ds->policy[number].next = d->first;
		d->first = (uint16_t)number;
	}
	ds->held_end_ns = held ? monotonic_ns() + HELD_NS : NEVER;
	return ds;
}

void
domains_free(struct domains *ds)
{
	if (ds == NULL)
		return;
	free(ds->voters);
	free(ds->votes);
	free(ds);
}

unsigned int
domain_of(const struct domains *ds, unsigned int cpu)
{
	return ds->domain_of[cpu];
}

void
domain_view(const struct domains *ds, unsigned int cpu, struct domain_view *v)
{
	const struct domain *d = &ds->domain[ds->domain_of[cpu]];
	const struct policy *p = &ds->policy[ds->policy_of[cpu]];

	*v = (struct domain_view){
		.table = p->known ? d->table : &no_table,
		.pending = d->pending,
		.problem = p->problem,
		.decision = d->decision,
	};
}

