/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wins in a frequency domain, against a model that filters kilohertz. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arbiter.h"

#define DECIDE(...) decide(__VA_ARGS__, FREQ_LIMITS_NONE)

static const struct freq_table table = {
	.nb = 5, .turbo = true, .khz = { 2601000, 2600000, 2000000, 1400000, 800000 },
};
static const struct freq_table plain = {
	.nb = 4, .khz = { 2600000, 2000000, 1400000, 800000 },
};

static struct vote
none(void)
{
	return (struct vote){ .rule = VOTE_RULE_NONE };
}

static struct vote
wants(enum frq_wish_kind kind)
{
	return (struct vote){ .wish.kind = (uint8_t)kind, .rule = VOTE_RULE_NONE };
}

static struct vote
khz(uint32_t n)
{
	return (struct vote){ .wish = { .kind = FRQ_WISH_KHZ, .khz = n }, .rule = VOTE_RULE_NONE };
}

static struct vote
within_rule(struct vote v, uint32_t min_khz, uint32_t max_khz)
{
	v.rule.min_khz = min_khz;
	v.rule.max_khz = max_khz;
	return v;
}

static struct vote
of_priority(struct vote v, int priority)
{
	v.rule.priority = priority;
	return v;
}

static struct vote
forbids_itself_turbo(struct vote v)
{
	v.wish.turbo_off = true;
	return v;
}

static struct vote
may_not_turbo(struct vote v)
{
	v.rule.turbo = false;
	return v;
}

static struct decision
decide(const struct vote *v, unsigned int nb, struct freq_limits limits)
{
	return arbiter_decide(&table, v, nb, limits);
}

static void
decided(struct decision d, uint32_t expected, enum decision_bound bound)
{
	assert_true(d.any);
	assert_int_equal(table.khz[d.index], expected);
	assert_int_equal(d.bound, bound);
	assert_int_equal(d.turbo, expected == table.khz[0]);
}

static enum frq_reason
told(struct vote v, struct decision d)
{
	return arbiter_explain(&table, &v, d);
}

/* ---- who counts ------------------------------------------------------------ */

static void
nobody_has_an_opinion(void **state)
{
	struct vote v[3] = { none(), of_priority(none(), 7), none() };

	(void)state;
	assert_false(DECIDE(v, 0).any);
	assert_false(DECIDE(v, 3).any);
	assert_false(DECIDE(v, 3).turbo);
	assert_false(DECIDE(v, 3).manual);
	/* no limit takes the CPUs for nobody */
	assert_false(decide(v, 3, (struct freq_limits){ 1400000, 2000000 }).any);
	assert_int_equal(told(v[0], DECIDE(v, 3)), FRQ_REASON_OK);
}

static void
without_a_table_nothing_is_decided(void **state)
{
	static const struct freq_table empty = { .nb = 0 };
	struct vote v[] = { wants(FRQ_WISH_MIN), khz(1400000),
		of_priority(wants(FRQ_WISH_MAX), VOTE_PRIORITY_OPERATOR) };
	struct decision d = arbiter_decide(&empty, v, 3, (struct freq_limits){ 1, 2 });

	(void)state;
	assert_false(d.any);
	assert_false(d.manual);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(arbiter_explain(&empty, &v[i], d), FRQ_REASON_OK);
}

static void
the_highest_wins(void **state)
{
	struct vote v[] = { wants(FRQ_WISH_MIN), khz(1900000), none(), khz(1000000), khz(2000000) };
	struct decision d = DECIDE(v, 5);

	(void)state;
	decided(d, 2000000, BOUND_NONE);
	assert_false(d.manual);
	assert_int_equal(d.winner, 1);	/* the first of two */
	assert_int_equal(d.priority, 0);
	assert_int_equal(told(v[0], d), FRQ_REASON_ARBITRATED);
	assert_int_equal(told(v[1], d), FRQ_REASON_OK);
	assert_int_equal(told(v[2], d), FRQ_REASON_OK);
	assert_int_equal(told(v[3], d), FRQ_REASON_ARBITRATED);
	assert_int_equal(told(v[4], d), FRQ_REASON_OK);
}

static void
the_highest_priority_counts(void **state)
{
	struct vote v[] = {
		of_priority(wants(FRQ_WISH_MAX), -5), wants(FRQ_WISH_MAX),
		of_priority(khz(1400000), 3), of_priority(wants(FRQ_WISH_MIN), 3),
		/* who has no opinion has no say */
		of_priority(none(), 9),
	};
	struct decision d = DECIDE(v, 5);

	(void)state;
	decided(d, 1400000, BOUND_NONE);
	assert_int_equal(d.winner, 2);
	assert_int_equal(d.priority, 3);
	assert_int_equal(told(v[0], d), FRQ_REASON_ARBITRATED);
	assert_int_equal(told(v[1], d), FRQ_REASON_ARBITRATED);
	assert_int_equal(told(v[2], d), FRQ_REASON_OK);
	assert_int_equal(told(v[3], d), FRQ_REASON_ARBITRATED);
	/* below all the others, and alone */
	d = DECIDE(v, 1);
	decided(d, 2601000, BOUND_NONE);
	assert_int_equal(d.priority, -5);
}

static void
a_higher_priority_may_ask_for_more(void **state)
{
	struct vote v[] = { khz(1400000), of_priority(khz(2000000), 1) };

	(void)state;
	decided(DECIDE(v, 2), 2000000, BOUND_NONE);
	assert_int_equal(told(v[0], DECIDE(v, 2)), FRQ_REASON_ARBITRATED);
}

/* ---- rules ----------------------------------------------------------------- */

static void
a_rule_lifts_a_wish_to_its_min(void **state)
{
	struct vote v = within_rule(wants(FRQ_WISH_MIN), 1400000, UINT32_MAX);
	struct decision d = DECIDE(&v, 1);

	(void)state;
	decided(d, 1400000, BOUND_RULE_MIN);
	assert_int_equal(told(v, d), FRQ_REASON_LIMITED);
	/* to an entry that is no less */
	v.rule.min_khz = 1400001;
	decided(DECIDE(&v, 1), 2000000, BOUND_RULE_MIN);
	/* what asks for as much stays */
	v = within_rule(khz(1400000), 1400000, UINT32_MAX);
	decided(DECIDE(&v, 1), 1400000, BOUND_NONE);
	assert_int_equal(told(v, DECIDE(&v, 1)), FRQ_REASON_OK);
}

static void
a_min_above_the_table_is_its_top(void **state)
{
	struct vote v = within_rule(wants(FRQ_WISH_MIN), 9000000, UINT32_MAX);

	(void)state;
	decided(DECIDE(&v, 1), 2601000, BOUND_RULE_MIN);
	/* but not the turbo state for who forbids itself that */
	v = forbids_itself_turbo(v);
	decided(DECIDE(&v, 1), 2600000, BOUND_RULE_MIN);
	v.rule.min_khz = 2600001;
	decided(DECIDE(&v, 1), 2600000, BOUND_RULE_MIN);
}

static void
a_rule_cuts_a_wish_to_its_max(void **state)
{
	struct vote v = within_rule(wants(FRQ_WISH_MAX), 0, 2000000);
	struct decision d = DECIDE(&v, 1);

	(void)state;
	decided(d, 2000000, BOUND_RULE_MAX);
	assert_int_equal(told(v, d), FRQ_REASON_LIMITED);
	v.rule.max_khz = 1999999;
	decided(DECIDE(&v, 1), 1400000, BOUND_RULE_MAX);
	v.rule.max_khz = 1;	/* below the table: the last entry */
	decided(DECIDE(&v, 1), 800000, BOUND_RULE_MAX);
	v = within_rule(khz(1400000), 0, 2000000);
	decided(DECIDE(&v, 1), 1400000, BOUND_NONE);
	assert_int_equal(told(v, DECIDE(&v, 1)), FRQ_REASON_OK);
}

static void
max_wins_over_min(void **state)
{
	struct vote v = within_rule(khz(2000000), 2600000, 1400000);

	(void)state;
	decided(DECIDE(&v, 1), 1400000, BOUND_RULE_MAX);
}

static void
a_rule_binds_its_vm_alone(void **state)
{
	struct vote v[] = { within_rule(wants(FRQ_WISH_MAX), 0, 1400000), khz(2000000) };
	struct decision d = DECIDE(v, 2);

	(void)state;
	decided(d, 2000000, BOUND_NONE);
	assert_int_equal(d.winner, 1);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
	/* the wish that counts for less does not win */
	v[1] = khz(1400000);
	d = DECIDE(v, 2);
	decided(d, 1400000, BOUND_RULE_MAX);
	assert_int_equal(d.winner, 0);
	assert_int_equal(told(v[1], d), FRQ_REASON_OK);
	/* a min is nothing that others notice but by the outcome */
	v[0] = within_rule(wants(FRQ_WISH_MIN), 2000000, UINT32_MAX);
	d = DECIDE(v, 2);
	decided(d, 2000000, BOUND_RULE_MIN);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
	assert_int_equal(told(v[1], d), FRQ_REASON_ARBITRATED);
}

static void
more_than_a_rule_lifts_to_is_another_votes_doing(void **state)
{
	struct vote v[] = { within_rule(wants(FRQ_WISH_MIN), 1400000, UINT32_MAX), khz(2000000) };

	(void)state;
	assert_int_equal(told(v[0], DECIDE(v, 2)), FRQ_REASON_ARBITRATED);
	/* and so is all that a vote gets which does not count */
	v[1] = of_priority(khz(1400000), 1);
	assert_int_equal(told(v[0], DECIDE(v, 2)), FRQ_REASON_ARBITRATED);
}

/* ---- turbo ----------------------------------------------------------------- */

static void
turbo_is_for_who_allows_it(void **state)
{
	struct vote v[] = { forbids_itself_turbo(wants(FRQ_WISH_MAX)), wants(FRQ_WISH_MAX) };

	(void)state;
	decided(DECIDE(v, 1), 2600000, BOUND_NONE);
	assert_int_equal(told(v[0], DECIDE(v, 1)), FRQ_REASON_OK);
	decided(DECIDE(v, 2), 2601000, BOUND_NONE);
	assert_int_equal(told(v[0], DECIDE(v, 2)), FRQ_REASON_ARBITRATED);
}

static void
turbo_asked_for_and_forbidden_is_limited(void **state)
{
	struct vote v = forbids_itself_turbo(khz(2601000));

	(void)state;
	decided(DECIDE(&v, 1), 2600000, BOUND_NONE);
	assert_int_equal(told(v, DECIDE(&v, 1)), FRQ_REASON_LIMITED);
}

static void
more_than_the_table_has_is_limited(void **state)
{
	struct vote v = khz(2601001);

	(void)state;
	decided(DECIDE(&v, 1), 2601000, BOUND_NONE);
	assert_int_equal(told(v, DECIDE(&v, 1)), FRQ_REASON_LIMITED);
}

static void
one_rule_keeps_the_domain_out_of_turbo(void **state)
{
	/* whatever its priority, and with no opinion, too */
	struct vote v[] = { wants(FRQ_WISH_MAX), of_priority(may_not_turbo(none()), -3) };
	struct decision d = DECIDE(v, 2);

	(void)state;
	decided(d, 2600000, BOUND_RULE_TURBO);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
	/* nothing to forbid */
	v[0] = khz(2600000);
	decided(DECIDE(v, 2), 2600000, BOUND_NONE);
	v[0] = wants(FRQ_WISH_MAX);
	assert_int_equal(arbiter_decide(&plain, v, 2, FREQ_LIMITS_NONE).index, 0);
	assert_int_equal(arbiter_decide(&plain, v, 2, FREQ_LIMITS_NONE).bound, BOUND_NONE);
	/* a min does not open turbo */
	v[0] = may_not_turbo(within_rule(wants(FRQ_WISH_MIN), 2601000, UINT32_MAX));
	d = DECIDE(v, 1);
	decided(d, 2600000, BOUND_RULE_TURBO);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
}

static void
table_of_one_entry(void **state)
{
	static const struct freq_table one = { .nb = 1, .turbo = true, .khz = { 2000000 } };
	struct vote v = may_not_turbo(forbids_itself_turbo(wants(FRQ_WISH_MIN)));
	struct decision d = arbiter_decide(&one, &v, 1, (struct freq_limits){ 3000000, 1000000 });

	(void)state;
	assert_true(d.any);
	assert_true(d.turbo);
	assert_int_equal(d.index, 0);
	assert_int_equal(d.bound, BOUND_NONE);
	assert_int_equal(arbiter_explain(&one, &v, d), FRQ_REASON_OK);
}

/* ---- limits of others ------------------------------------------------------- */

static void
a_floor_lifts_the_outcome(void **state)
{
	struct vote v[] = { wants(FRQ_WISH_MIN), of_priority(wants(FRQ_WISH_MIN), -1) };
	struct decision d = decide(v, 2, (struct freq_limits){ 1400000, UINT32_MAX });

	(void)state;
	decided(d, 1400000, BOUND_FLOOR);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
	assert_int_equal(told(v[1], d), FRQ_REASON_LIMITED);
	decided(decide(v, 1, (struct freq_limits){ 1400001, UINT32_MAX }), 2000000, BOUND_FLOOR);
	decided(decide(v, 1, (struct freq_limits){ 9000000, UINT32_MAX }), 2601000, BOUND_FLOOR);
	v[0] = khz(1400000);
	decided(decide(v, 1, (struct freq_limits){ 1400000, UINT32_MAX }), 1400000, BOUND_NONE);
}

static void
a_floor_lifts_into_turbo_unless_a_rule_forbids_it(void **state)
{
	const struct freq_limits limits = { 2601000, UINT32_MAX };
	struct vote v[] = { forbids_itself_turbo(wants(FRQ_WISH_MIN)), may_not_turbo(none()) };

	(void)state;
	decided(decide(v, 1, limits), 2601000, BOUND_FLOOR);
	decided(decide(v, 2, limits), 2600000, BOUND_FLOOR);
	v[0] = khz(2600000);
	decided(decide(v, 2, limits), 2600000, BOUND_NONE);
}

static void
a_ceiling_cuts_the_outcome(void **state)
{
	struct vote v[] = { wants(FRQ_WISH_MAX), khz(2000000), of_priority(khz(2000000), -1) };
	struct decision d = decide(v, 3, (struct freq_limits){ 0, 1999999 });

	(void)state;
	decided(d, 1400000, BOUND_CEILING);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
	assert_int_equal(told(v[1], d), FRQ_REASON_LIMITED);
	assert_int_equal(told(v[2], d), FRQ_REASON_ARBITRATED);
	decided(decide(v, 1, (struct freq_limits){ 0, 2600000 }), 2600000, BOUND_CEILING);
	decided(decide(v, 1, (struct freq_limits){ 0, 2601000 }), 2601000, BOUND_NONE);
	/* below the table */
	decided(decide(v, 1, (struct freq_limits){ 0, 1 }), 800000, BOUND_CEILING);
}

static void
the_ceiling_is_above_all(void **state)
{
	struct vote v = within_rule(khz(1400000), 2000000, UINT32_MAX);

	(void)state;
	decided(decide(&v, 1, (struct freq_limits){ 2600000, 800000 }), 800000, BOUND_CEILING);
	/* what nothing lies between lifts and cuts: it counts where that ends */
	v = wants(FRQ_WISH_MIN);
	decided(decide(&v, 1, (struct freq_limits){ 1500000, 1600000 }), 1400000, BOUND_FLOOR);
	assert_int_equal(told(v, decide(&v, 1, (struct freq_limits){ 1500000, 1600000 })),
		FRQ_REASON_LIMITED);
	v = khz(1400000);
	decided(decide(&v, 1, (struct freq_limits){ 1500000, 1600000 }), 1400000, BOUND_NONE);
}

static void
a_limit_is_named_after_the_rule(void **state)
{
	struct vote v = within_rule(wants(FRQ_WISH_MAX), 0, 2000000);

	(void)state;
	decided(decide(&v, 1, (struct freq_limits){ 0, 1400000 }), 1400000, BOUND_CEILING);
	decided(decide(&v, 1, (struct freq_limits){ 2600000, UINT32_MAX }), 2600000, BOUND_FLOOR);
	v = may_not_turbo(wants(FRQ_WISH_MAX));
	decided(decide(&v, 1, (struct freq_limits){ 0, 2000000 }), 2000000, BOUND_CEILING);
}

/* ---- operators ------------------------------------------------------------- */

static void
an_operator_beats_every_vote_and_rule(void **state)
{
	struct vote v[] = {
		of_priority(wants(FRQ_WISH_MAX), 1000),
		may_not_turbo(within_rule(of_priority(wants(FRQ_WISH_MIN), VOTE_PRIORITY_OPERATOR),
			1400000, 1400000)),
		wants(FRQ_WISH_MIN),
	};
	struct decision d = DECIDE(v, 3);

	(void)state;
	decided(d, 800000, BOUND_NONE);
	assert_true(d.manual);
	assert_int_equal(d.winner, 1);
	assert_int_equal(told(v[0], d), FRQ_REASON_MANUAL);
	assert_int_equal(told(v[1], d), FRQ_REASON_OK);
	assert_int_equal(told(v[2], d), FRQ_REASON_OK);
	/* turbo, too: whoever may not have it */
	v[1].wish.kind = FRQ_WISH_MAX;
	v[2] = may_not_turbo(v[2]);
	d = DECIDE(v, 3);
	decided(d, 2601000, BOUND_NONE);
	assert_int_equal(told(v[0], d), FRQ_REASON_OK);
	assert_int_equal(told(v[1], d), FRQ_REASON_OK);
	assert_int_equal(told(v[2], d), FRQ_REASON_MANUAL);
}

static void
limits_of_others_bind_an_operator(void **state)
{
	struct vote v[] = { of_priority(wants(FRQ_WISH_MAX), VOTE_PRIORITY_OPERATOR),
		wants(FRQ_WISH_MAX) };
	struct decision d = decide(v, 2, (struct freq_limits){ 0, 1400000 });

	(void)state;
	decided(d, 1400000, BOUND_CEILING);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
	assert_int_equal(told(v[1], d), FRQ_REASON_MANUAL);
	v[0].wish.kind = FRQ_WISH_MIN;
	d = decide(v, 2, (struct freq_limits){ 1400000, UINT32_MAX });
	decided(d, 1400000, BOUND_FLOOR);
	assert_int_equal(told(v[0], d), FRQ_REASON_LIMITED);
	/* into turbo, past a rule that an operator does not ask */
	v[1] = may_not_turbo(v[1]);
	decided(decide(v, 2, (struct freq_limits){ 2601000, UINT32_MAX }), 2601000, BOUND_FLOOR);
}

static void
the_higher_of_two_operators_wins(void **state)
{
	struct vote v[] = { of_priority(khz(1400000), VOTE_PRIORITY_OPERATOR),
		of_priority(khz(2000000), VOTE_PRIORITY_OPERATOR) };

	(void)state;
	decided(DECIDE(v, 2), 2000000, BOUND_NONE);
	assert_int_equal(told(v[0], DECIDE(v, 2)), FRQ_REASON_ARBITRATED);
}

static void
an_operator_without_an_opinion_is_nobody(void **state)
{
	struct vote v[] = { of_priority(none(), VOTE_PRIORITY_OPERATOR),
		within_rule(wants(FRQ_WISH_MAX), 0, 1400000) };

	(void)state;
	decided(DECIDE(v, 2), 1400000, BOUND_RULE_MAX);
	assert_false(DECIDE(v, 2).manual);
}

/* ---- a model -------------------------------------------------------------- */

/* Frequencies that are still possible, in no order that matters. */
struct choice {
	unsigned int nb;
	uint32_t khz[FRQ_MAX_FREQS];
};

static struct choice
all_of(const struct freq_table *t, bool turbo)
{
	struct choice c = { .nb = 0 };

	for (unsigned int i = 0; i < t->nb; i++)
		if (turbo || !t->turbo || i != 0 || t->nb == 1)
			c.khz[c.nb++] = t->khz[i];
	return c;
}

static struct choice
between(struct choice c, uint32_t from, uint32_t to)
{
	struct choice kept = { .nb = 0 };

	for (unsigned int i = 0; i < c.nb; i++)
		if (c.khz[i] >= from && c.khz[i] <= to)
			kept.khz[kept.nb++] = c.khz[i];
	return kept;
}

static uint32_t
least(const struct choice *c)
{
	uint32_t n = UINT32_MAX;

	for (unsigned int i = 0; i < c->nb; i++)
		n = c->khz[i] < n ? c->khz[i] : n;
	return n;
}

static uint32_t
most(const struct choice *c)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < c->nb; i++)
		n = c->khz[i] > n ? c->khz[i] : n;
	return n;
}

/* The least that is at least `n`, or the most that there is. */
static uint32_t
lifted(struct choice c, uint32_t n)
{
	struct choice above = between(c, n, UINT32_MAX);

	return above.nb != 0 ? least(&above) : most(&c);
}

/* The most that is at most `n`, or the least that there is. */
static uint32_t
cut(struct choice c, uint32_t n)
{
	struct choice below = between(c, 0, n);

	return below.nb != 0 ? most(&below) : least(&c);
}

static bool
model_is_operator(const struct vote *v)
{
	return v->rule.priority == INT_MAX;
}

static uint32_t
model_asks(const struct freq_table *t, const struct vote *v)
{
	struct choice any = all_of(t, true), allowed = all_of(t, !v->wish.turbo_off);

	if (v->wish.kind == FRQ_WISH_MIN)
		return least(&any);
	return v->wish.kind == FRQ_WISH_MAX ? most(&allowed) : lifted(allowed, v->wish.khz);
}

static uint32_t
model_counts_as(const struct freq_table *t, const struct vote *v)
{
	uint32_t n = model_asks(t, v);

	if (model_is_operator(v))
		return n;
	if (n < v->rule.min_khz) {
		uint32_t up = lifted(all_of(t, !v->wish.turbo_off), v->rule.min_khz);

		n = up > n ? up : n;
	}
	return n > v->rule.max_khz ? cut(all_of(t, true), v->rule.max_khz) : n;
}

struct outcome {
	bool any, manual;
	unsigned int winner;
	int priority;
	uint32_t voted, khz;	/* before and after the limits of others */
	enum decision_bound bound;
};

static struct outcome
model_decide(const struct freq_table *t, const struct vote *v, unsigned int nb,
	struct freq_limits limits)
{
	struct outcome o = { .any = false, .priority = INT_MIN };
	bool turbo = true;
	uint32_t asks;

	for (unsigned int i = 0; i < nb; i++) {
		turbo = turbo && v[i].rule.turbo;
		if (v[i].wish.kind != FRQ_WISH_NONE && v[i].rule.priority > o.priority)
			o.priority = v[i].rule.priority;
	}
	for (unsigned int i = 0; i < nb; i++) {
		if (v[i].wish.kind == FRQ_WISH_NONE || v[i].rule.priority != o.priority)
			continue;
		if (model_counts_as(t, &v[i]) > o.voted) {
			o.any = true;
			o.winner = i;
			o.voted = model_counts_as(t, &v[i]);
		}
	}
	if (!o.any)
		return o;
	o.manual = model_is_operator(&v[o.winner]);
	turbo = turbo || o.manual;
	asks = model_asks(t, &v[o.winner]);
	if (o.voted != asks)
		o.bound = o.voted > asks ? BOUND_RULE_MIN : BOUND_RULE_MAX;
	if (between(all_of(t, turbo), o.voted, o.voted).nb == 0) {
		o.voted = cut(all_of(t, turbo), o.voted);
		o.bound = BOUND_RULE_TURBO;
	}
	o.khz = o.voted;
	if (o.khz < limits.floor_khz)
		o.khz = lifted(all_of(t, turbo), limits.floor_khz);
	if (o.khz > limits.ceiling_khz)
		o.khz = cut(all_of(t, true), limits.ceiling_khz);
	if (o.khz != o.voted)
		o.bound = o.khz > o.voted ? BOUND_FLOOR : BOUND_CEILING;
	return o;
}

static enum frq_reason
model_explain(const struct freq_table *t, const struct vote *v, const struct outcome *o)
{
	bool counted = v->rule.priority == o->priority;
	uint32_t asks;

	if (v->wish.kind == FRQ_WISH_NONE)
		return FRQ_REASON_OK;
	asks = model_asks(t, v);
	if (o->khz == asks)
		return v->wish.kind != FRQ_WISH_KHZ || v->wish.khz <= asks ? FRQ_REASON_OK :
			FRQ_REASON_LIMITED;
	if (o->manual && !model_is_operator(v))
		return FRQ_REASON_MANUAL;
	if (o->khz < asks)
		return counted ? FRQ_REASON_LIMITED : FRQ_REASON_ARBITRATED;
	if (o->khz > o->voted || (counted && model_counts_as(t, v) >= o->khz))
		return FRQ_REASON_LIMITED;
	return FRQ_REASON_ARBITRATED;
}

/* ---- random votes ---------------------------------------------------------- */

#define VOTES 12u

static uint32_t
chance(uint64_t *seed, uint32_t below)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t)(*seed * UINT64_C(2685821657736338717) >> 32) % below;
}

static void
random_table(uint64_t *seed, struct freq_table *t)
{
	unsigned int most_entries = chance(seed, 10) == 0 ? FRQ_MAX_FREQS : 6;
	uint32_t n = 900000 + chance(seed, 4000000);

	*t = (struct freq_table){ .nb = 1 + chance(seed, most_entries), .turbo = chance(seed, 2) };
	for (unsigned int i = 0; i < t->nb; i++) {
		t->khz[i] = n;
		n -= 1 + chance(seed, n / (t->nb - i) / 2 + 1);
	}
}

/* As a rule on an entry of the table or beside one, where the mistakes are. */
static uint32_t
random_khz(uint64_t *seed, const struct freq_table *t)
{
	if (chance(seed, 8) == 0)
		return chance(seed, 6000000);
	return t->khz[chance(seed, t->nb)] - 1 + chance(seed, 3);
}

static struct vote
random_vote(uint64_t *seed, const struct freq_table *t)
{
	struct vote v = { .rule = VOTE_RULE_NONE };

	v.wish.kind = (uint8_t)chance(seed, 4);
	v.wish.khz = random_khz(seed, t);
	v.wish.turbo_off = chance(seed, 3) == 0;
	if (chance(seed, 3) == 0)
		v.rule.min_khz = random_khz(seed, t);
	if (chance(seed, 3) == 0)
		v.rule.max_khz = random_khz(seed, t);
	v.rule.turbo = chance(seed, 12) != 0;
	v.rule.priority = (int)chance(seed, 5) / 2 - 1;
	if (chance(seed, 40) == 0)
		v.rule.priority = VOTE_PRIORITY_OPERATOR;
	return v;
}

static struct freq_limits
random_limits(uint64_t *seed, const struct freq_table *t)
{
	struct freq_limits l = FREQ_LIMITS_NONE;

	if (chance(seed, 3) == 0)
		l.floor_khz = random_khz(seed, t);
	if (chance(seed, 3) == 0)
		l.ceiling_khz = random_khz(seed, t);
	return l;
}

struct sample {
	struct freq_table t;
	struct vote v[VOTES];
	unsigned int nb;
	struct freq_limits limits;
};

/* One more thing is another. */
static void
vary(uint64_t *seed, struct sample *s, unsigned int step)
{
	if (step % 500 == 0) {
		random_table(seed, &s->t);
		for (unsigned int i = 0; i < VOTES; i++)
			s->v[i] = random_vote(seed, &s->t);
	}
	s->v[chance(seed, VOTES)] = random_vote(seed, &s->t);
	s->nb = chance(seed, 3) == 0 ? chance(seed, 3) : chance(seed, VOTES + 1);
	s->limits = random_limits(seed, &s->t);
}

static struct decision
sample_decide(const struct sample *s)
{
	return arbiter_decide(&s->t, s->v, s->nb, s->limits);
}

static void
a_million_random_steps_against_the_model(void **state)
{
	unsigned int bounds[BOUND_COUNT] = { 0 }, reasons[FRQ_REASON_COUNT] = { 0 };
	uint64_t seed = 4242;
	struct sample s;

	(void)state;
	print_message("seed %#jx\n", (uintmax_t)seed);
	for (unsigned int step = 0; step < 1000000; step++) {
		struct decision d;
		struct outcome o;

		vary(&seed, &s, step);
		d = sample_decide(&s);
		o = model_decide(&s.t, s.v, s.nb, s.limits);
		assert_int_equal(d.any, o.any);
		if (d.any) {
			assert_in_range(d.index, 0, s.t.nb - 1);
			assert_int_equal(s.t.khz[d.index], o.khz);
			assert_int_equal(d.turbo, s.t.turbo && o.khz == s.t.khz[0]);
			assert_int_equal(d.manual, o.manual);
			assert_int_equal(d.bound, o.bound);
			assert_int_equal(d.winner, o.winner);
			assert_int_equal(d.priority, o.priority);
			bounds[d.bound]++;
		}
		for (unsigned int i = 0; i < s.nb; i++) {
			enum frq_reason r = arbiter_explain(&s.t, &s.v[i], d);

			assert_int_equal(r, model_explain(&s.t, &s.v[i], &o));
			reasons[r]++;
		}
	}
	/* and all of it happened */
	for (unsigned int i = 0; i < BOUND_COUNT; i++)
		assert_in_range(bounds[i], 5000, 1000000);
	assert_in_range(reasons[FRQ_REASON_ARBITRATED], 5000, UINT32_MAX);
	assert_in_range(reasons[FRQ_REASON_LIMITED], 5000, UINT32_MAX);
	assert_in_range(reasons[FRQ_REASON_MANUAL], 5000, UINT32_MAX);
}

/* ---- what holds for all votes ------------------------------------------------ */

/* Another opinion of the same VM that asks for no less. */
static void
raise_wish(uint64_t *seed, struct wish *w)
{
	w->turbo_off = w->turbo_off && chance(seed, 2) == 0;
	if (chance(seed, 3) == 0)
		w->kind = FRQ_WISH_MAX;
	else if (w->kind == FRQ_WISH_KHZ)
		w->khz += chance(seed, 1000000);
	else if (w->kind == FRQ_WISH_MIN)
		w->kind = FRQ_WISH_KHZ;
}

static void
asking_for_more_never_gets_less(void **state)
{
	uint64_t seed = 77;
	struct sample s;

	(void)state;
	for (unsigned int step = 0; step < 200000; step++) {
		struct decision before, after;
		struct wish *w;

		vary(&seed, &s, step);
		w = &s.v[chance(&seed, VOTES)].wish;
		if (w->kind == FRQ_WISH_NONE)
			continue;
		before = sample_decide(&s);
		raise_wish(&seed, w);
		after = sample_decide(&s);
		assert_true(after.index <= before.index);
		/* nor does room to move */
		s.limits.floor_khz += chance(&seed, 1000000);
		if (s.limits.ceiling_khz != UINT32_MAX)
			s.limits.ceiling_khz += chance(&seed, 1000000);
		assert_true(sample_decide(&s).index <= after.index);
	}
}

static void
the_order_of_votes_decides_nothing(void **state)
{
	uint64_t seed = 78;
	struct sample s, r;

	(void)state;
	for (unsigned int step = 0; step < 100000; step++) {
		struct decision d, e;

		vary(&seed, &s, step);
		r = s;
		for (unsigned int i = 0; i < s.nb; i++)
			r.v[i] = s.v[s.nb - 1 - i];
		d = sample_decide(&s);
		e = sample_decide(&r);
		assert_int_equal(d.any, e.any);
		assert_int_equal(d.index, e.index);
		assert_int_equal(d.turbo, e.turbo);
		assert_int_equal(d.manual, e.manual);
		assert_int_equal(d.priority, e.priority);
	}
}

/* A vote that is withdrawn (an operator disabled it) is as if it were not there. */
static void
a_vote_withdrawn_is_not_there(void **state)
{
	uint64_t seed = 79;
	struct sample s, r;

	(void)state;
	for (unsigned int step = 0; step < 100000; step++) {
		struct decision d, e;
		unsigned int gone;

		vary(&seed, &s, step);
		if (s.nb == 0)
			continue;
		gone = chance(&seed, s.nb);
		s.v[gone].wish.kind = FRQ_WISH_NONE;
		s.v[gone].rule.turbo = true;
		r = s;
		r.nb--;
		memmove(&r.v[gone], &r.v[gone + 1], (r.nb - gone) * sizeof(r.v[0]));
		d = sample_decide(&s);
		e = sample_decide(&r);
		if (e.any && e.winner >= gone)
			e.winner++;
		assert_int_equal(d.any, e.any);
		assert_int_equal(d.index, e.index);
		assert_int_equal(d.turbo, e.turbo);
		assert_int_equal(d.manual, e.manual);
		assert_int_equal(d.bound, e.bound);
		assert_int_equal(d.winner, e.winner);
		assert_int_equal(d.priority, e.priority);
		assert_int_equal(arbiter_explain(&s.t, &s.v[gone], d), FRQ_REASON_OK);
	}
}

/* Who alone has an opinion is never told that somebody else decided. */
static void
who_is_alone_was_not_outvoted(void **state)
{
	uint64_t seed = 80;
	struct sample s;

	(void)state;
	for (unsigned int step = 0; step < 200000; step++) {
		enum frq_reason r;
		unsigned int one;

		vary(&seed, &s, step);
		one = chance(&seed, VOTES);
		for (unsigned int i = 0; i < VOTES; i++)
			if (i != one)
				s.v[i].wish.kind = FRQ_WISH_NONE;
		s.nb = VOTES;
		r = arbiter_explain(&s.t, &s.v[one], sample_decide(&s));
		assert_true(r == FRQ_REASON_OK || r == FRQ_REASON_LIMITED);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_has_an_opinion),
		cmocka_unit_test(without_a_table_nothing_is_decided),
		cmocka_unit_test(the_highest_wins),
		cmocka_unit_test(the_highest_priority_counts),
		cmocka_unit_test(a_higher_priority_may_ask_for_more),
		cmocka_unit_test(a_rule_lifts_a_wish_to_its_min),
		cmocka_unit_test(a_min_above_the_table_is_its_top),
		cmocka_unit_test(a_rule_cuts_a_wish_to_its_max),
		cmocka_unit_test(max_wins_over_min),
		cmocka_unit_test(a_rule_binds_its_vm_alone),
		cmocka_unit_test(more_than_a_rule_lifts_to_is_another_votes_doing),
		cmocka_unit_test(turbo_is_for_who_allows_it),
		cmocka_unit_test(turbo_asked_for_and_forbidden_is_limited),
		cmocka_unit_test(more_than_the_table_has_is_limited),
		cmocka_unit_test(one_rule_keeps_the_domain_out_of_turbo),
		cmocka_unit_test(table_of_one_entry),
		cmocka_unit_test(a_floor_lifts_the_outcome),
		cmocka_unit_test(a_floor_lifts_into_turbo_unless_a_rule_forbids_it),
		cmocka_unit_test(a_ceiling_cuts_the_outcome),
		cmocka_unit_test(the_ceiling_is_above_all),
		cmocka_unit_test(a_limit_is_named_after_the_rule),
		cmocka_unit_test(an_operator_beats_every_vote_and_rule),
		cmocka_unit_test(limits_of_others_bind_an_operator),
		cmocka_unit_test(the_higher_of_two_operators_wins),
		cmocka_unit_test(an_operator_without_an_opinion_is_nobody),
		cmocka_unit_test(a_million_random_steps_against_the_model),
		cmocka_unit_test(asking_for_more_never_gets_less),
		cmocka_unit_test(the_order_of_votes_decides_nothing),
		cmocka_unit_test(a_vote_withdrawn_is_not_there),
		cmocka_unit_test(who_is_alone_was_not_outvoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
