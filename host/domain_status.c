/* SPDX-License-Identifier: BSD-3-Clause */
/* domain_status.c - what other threads may know of domains; any thread */
#include <string.h>

#include "domain_pvt.h"

void
domains_get_cpu(const struct domains *ds, unsigned int cpu, struct domain_cpu_stats *st)
{
	const struct policy *p = &ds->policy[ds->policy_of[cpu]];
	const struct domain *d = &ds->domain[ds->domain_of[cpu]];
	uint64_t told = __atomic_load_n(&d->told, __ATOMIC_RELAXED);
	unsigned int index = __atomic_load_n(&p->index, __ATOMIC_RELAXED);

	memset(st, 0, sizeof(*st));
	st->managed = cpuset_has(&ds->c.managed, cpu);
	if (!st->managed)
		return;
	st->control = (enum cpu_control)__atomic_load_n(&p->control, __ATOMIC_RELAXED);
	st->problem = (enum frq_reason)__atomic_load_n(&p->problem, __ATOMIC_RELAXED);
	st->policy = ds->policy_of[cpu];
	st->domain = ds->domain_of[cpu];
	st->limits.floor_khz = __atomic_load_n(&p->limits.floor_khz, __ATOMIC_RELAXED);
	st->limits.ceiling_khz = __atomic_load_n(&p->limits.ceiling_khz, __ATOMIC_RELAXED);
	st->writes = counter_get(&p->writes);
	st->write_errors = counter_get(&p->write_errors);
	st->retries = counter_get(&p->retries);
	st->drifts = counter_get(&p->drifts);
	st->decided_khz = (uint32_t)told & FRQ_ARG_MAX;
	st->turbo = (told >> 24 & 1) != 0;
	st->manual = (told >> 25 & 1) != 0;
	st->bound = (enum decision_bound)(told >> 32);
	st->pending = __atomic_load_n(&d->pending, __ATOMIC_RELAXED);
	st->winner = __atomic_load_n(&d->winner, __ATOMIC_RELAXED);
	st->table_known = __atomic_load_n(&p->known, __ATOMIC_ACQUIRE);
	if (!st->table_known)
		return;
	st->info = p->info;
	if (index < p->info.table.nb)
		st->applied_khz = p->info.table.khz[index];
}

void
domains_get_stats(const struct domains *ds, struct domains_stats *st)
{
	*st = (struct domains_stats){
		.decisions = counter_get(&ds->decisions),
		.writes = counter_get(&ds->writes),
		.write_errors = counter_get(&ds->write_errors),
		.retries = counter_get(&ds->retries),
		.drifts = counter_get(&ds->drifts),
		.deferred = counter_get(&ds->deferred),
	};
}
