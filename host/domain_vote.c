/* SPDX-License-Identifier: BSD-3-Clause */
/* domain_vote.c - who votes in which domain */
#include <errno.h>
#include <stdlib.h>

#include "domain_pvt.h"

void
applier_map_free(struct applier_map *m)
{
	if (m == NULL)
		return;
	for (unsigned int i = 0; i < m->nb_vms; i++)
		free(m->vm[i]);
	free(m);
}

typedef void (*vote_fn)(struct domains *ds, struct domain *d, const struct applier_map_vm *mv,
	struct channel *ch);

/* Call `fn` for every channel of the map and each domain it votes in. */
static void
for_each_vote(struct domains *ds, const struct applier_map *m, vote_fn fn)
{
	for (unsigned int i = 0; i < m->nb_vms; i++) {
		const struct applier_map_vm *mv = m->vm[i];

		for (unsigned int n = 0; n < mv->vm->nb_channels; n++) {
			struct cpuset done = { 0 };

			if (mv->vcpu[n].standing != FRQ_REASON_OK)
				continue;
			CPUSET_FOREACH(cpu, &mv->vcpu[n].cpus) {
				unsigned int number = ds->domain_of[cpu];

				ds->policy[ds->policy_of[cpu]].wanted = true;
				if (!cpuset_has(&done, number))
					fn(ds, &ds->domain[number], mv, &mv->vm->ch[n]);
				cpuset_add(&done, number);
			}
		}
	}
}

static void
count_voter(struct domains *ds, struct domain *d, const struct applier_map_vm *mv,
	struct channel *ch)
{
	(void)ds;
	(void)mv;
	(void)ch;
	d->nb_voters++;
}

static void
add_voter(struct domains *ds, struct domain *d, const struct applier_map_vm *mv,
	struct channel *ch)
{
	(void)ds;
	d->vote[d->nb_voters].rule = mv->rule;
	d->voter[d->nb_voters++] = ch;
}

static void
count_manual(struct domains *ds, const struct applier_map *m)
{
	CPUSET_FOREACH(cpu, &ds->c.managed) {
		if (m->manual[cpu].kind == FRQ_WISH_NONE)
			continue;
		ds->policy[ds->policy_of[cpu]].wanted = true;
		ds->domain[ds->domain_of[cpu]].nb_manual++;
	}
}

/* Behind the voters, which are all there. */
static void
add_manual(struct domains *ds, const struct applier_map *m)
{
	CPUSET_FOREACH(cpu, &ds->c.managed) {
		struct domain *d = &ds->domain[ds->domain_of[cpu]];

		if (m->manual[cpu].kind == FRQ_WISH_NONE)
			continue;
		d->vote[d->nb_voters + d->nb_manual++] = (struct vote){
			.wish = m->manual[cpu],
			.rule = { .max_khz = UINT32_MAX, .turbo = true,
				.priority = VOTE_PRIORITY_OPERATOR },
		};
	}
}

/* Voters and votes of each domain one after the other. */
static int
lay_out(struct domains *ds)
{
	size_t voters = 0, votes = 0;

	free(ds->voters);
	free(ds->votes);
	CPUSET_FOREACH(number, &ds->domains) {
		voters += ds->domain[number].nb_voters;
		votes += ds->domain[number].nb_voters + ds->domain[number].nb_manual;
	}
	ds->voters = calloc(voters + 1, sizeof(*ds->voters));
	ds->votes = calloc(votes + 1, sizeof(*ds->votes));
	voters = votes = 0;
	CPUSET_FOREACH(number, &ds->domains) {
		struct domain *d = &ds->domain[number];
		unsigned int nb = d->nb_voters, nb_manual = d->nb_manual;

		d->nb_voters = d->nb_manual = 0;
		if (ds->voters == NULL || ds->votes == NULL)
			continue;
		d->voter = ds->voters + voters;
		d->vote = ds->votes + votes;
		voters += nb;
		votes += nb + nb_manual;
	}
	return ds->voters == NULL || ds->votes == NULL ? -ENOMEM : 0;
}

int
domains_vote(struct domains *ds, const struct applier_map *m)
{
	int ret;

	CPUSET_FOREACH(number, &ds->policies)
		ds->policy[number].wanted = false;
	CPUSET_FOREACH(number, &ds->domains)
		ds->domain[number].nb_voters = ds->domain[number].nb_manual = 0;
	for_each_vote(ds, m, count_voter);
	count_manual(ds, m);
	ret = lay_out(ds);
	if (ret == 0) {
		for_each_vote(ds, m, add_voter);
		add_manual(ds, m);
	}
	ds->held_end_ns = NEVER;
	CPUSET_FOREACH(number, &ds->domains)
		(void)domain_learn(ds, &ds->domain[number]);
	return ret;
}

unsigned int
domain_voters(const struct domains *ds, unsigned int domain, struct channel *const **voter)
{
	*voter = ds->domain[domain].voter;
	return ds->domain[domain].nb_voters;
}
