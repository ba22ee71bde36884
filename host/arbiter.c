/* SPDX-License-Identifier: BSD-3-Clause */
#include "arbiter.h"

/* Index of the highest frequency that is at most `khz`; the lowest when none is. */
static unsigned int
at_most(const struct freq_table *t, uint32_t khz)
{
	unsigned int i = 0;

	while (i + 1 < t->nb && t->khz[i] > khz)
		i++;
	return i;
}

/* The entry nearest to `index` within the bounds and not above `top`; max_khz above all. */
static unsigned int
within(const struct freq_table *t, unsigned int index, uint32_t min_khz, uint32_t max_khz,
	unsigned int top)
{
	unsigned int lowest = freq_table_at_least(t, min_khz);
	unsigned int highest = at_most(t, max_khz);

	if (lowest < top)
		lowest = top;
	if (index > lowest)
		index = lowest;
	return index > highest ? index : highest;
}

static bool
is_operator(const struct vote *v)
{
	return v->rule.priority == VOTE_PRIORITY_OPERATOR;
}

/* What a vote with an opinion counts as, its own rule applied. */
static unsigned int
vote_index(const struct vote *v, const struct freq_table *t)
{
	unsigned int asked = wish_index(&v->wish, t);

	return is_operator(v) ? asked : within(t, asked, v->rule.min_khz, v->rule.max_khz,
		freq_table_top(t, !v->wish.turbo_off));
}

/* The index goes to `to`, if that is another: why it does depends on where it goes. */
static void
move(struct decision *d, unsigned int to, enum decision_bound up, enum decision_bound down)
{
	if (to != d->index)
		d->bound = to < d->index ? up : down;
	d->index = to;
}

/* A vote with an opinion against the best one so far. */
static void
count(struct decision *d, const struct freq_table *t, const struct vote *v, unsigned int number)
{
	unsigned int index;

	if (d->any && v->rule.priority < d->priority)
		return;
	index = vote_index(v, t);
	if (d->any && v->rule.priority == d->priority && index >= d->index)
		return;
	d->any = true;
	d->index = index;
	d->winner = number;
	d->priority = v->rule.priority;
}

struct decision
arbiter_decide(const struct freq_table *t, const struct vote *vote, unsigned int nb,
	struct freq_limits limits)
{
	struct decision d = { .any = false };
	bool turbo = true;
	unsigned int top;

	if (t->nb == 0)
		return d;
	for (unsigned int i = 0; i < nb; i++) {
		turbo = turbo && vote[i].rule.turbo;
		if (vote[i].wish.kind != FRQ_WISH_NONE)
			count(&d, t, &vote[i], i);
	}
	if (!d.any)
		return d;
	d.manual = is_operator(&vote[d.winner]);
	top = freq_table_top(t, turbo || d.manual);

	d.index = wish_index(&vote[d.winner].wish, t);
	move(&d, vote_index(&vote[d.winner], t), BOUND_RULE_MIN, BOUND_RULE_MAX);
	if (d.index < top) {
		d.index = top;
		d.bound = BOUND_RULE_TURBO;
	}
	move(&d, within(t, d.index, limits.floor_khz, limits.ceiling_khz, top),
		BOUND_FLOOR, BOUND_CEILING);
	d.turbo = t->turbo && d.index == 0;
	return d;
}

enum frq_reason
arbiter_explain(const struct freq_table *t, const struct vote *v, struct decision d)
{
	unsigned int asked;
	bool more;

	if (v->wish.kind == FRQ_WISH_NONE || !d.any)
		return FRQ_REASON_OK;
	asked = wish_index(&v->wish, t);
	if (asked == d.index)
		return v->wish.kind == FRQ_WISH_KHZ && v->wish.khz > t->khz[asked] ?
			FRQ_REASON_LIMITED : FRQ_REASON_OK;
	if (d.manual && !is_operator(v))
		return FRQ_REASON_MANUAL;
	more = d.index < asked;
	if (more && d.bound == BOUND_FLOOR)
		return FRQ_REASON_LIMITED;
	if (v->rule.priority < d.priority)
		return FRQ_REASON_ARBITRATED;
	/* It counted. More than it counted as is somebody else's doing. */
	return more && d.index < vote_index(v, t) ? FRQ_REASON_ARBITRATED : FRQ_REASON_LIMITED;
}
