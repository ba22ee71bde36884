/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wins on a CPU, against a model that compares kilohertz. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arbiter.h"

static const struct freq_table table = {
	.nb = 5, .turbo = true, .khz = { 2601000, 2600000, 2000000, 1400000, 800000 },
};

static struct wish
vote(enum frq_wish_kind kind, uint32_t khz, bool turbo_off)
{
	return (struct wish){ .kind = (uint8_t)kind, .khz = khz, .turbo_off = turbo_off };
}

static void
nobody_has_an_opinion(void **state)
{
	struct wish w[3] = { vote(FRQ_WISH_NONE, 0, false) };

	(void)state;
	assert_false(arbiter_decide(&table, w, 0).any);
	assert_false(arbiter_decide(&table, w, 3).any);
	assert_false(arbiter_decide(&table, w, 3).turbo);
	assert_int_equal(arbiter_explain(&table, &w[0], arbiter_decide(&table, w, 3)),
		FRQ_REASON_OK);
}

static void
the_highest_wins(void **state)
{
	struct wish w[] = {
		vote(FRQ_WISH_MIN, 0, false), vote(FRQ_WISH_KHZ, 1900000, false),
		vote(FRQ_WISH_NONE, 0, false), vote(FRQ_WISH_KHZ, 1000000, false),
	};
	struct decision d = arbiter_decide(&table, w, 4);

	(void)state;
	assert_true(d.any);
	assert_int_equal(d.index, 2);
	assert_false(d.turbo);
	assert_int_equal(arbiter_explain(&table, &w[0], d), FRQ_REASON_ARBITRATED);
	assert_int_equal(arbiter_explain(&table, &w[1], d), FRQ_REASON_OK);
	assert_int_equal(arbiter_explain(&table, &w[2], d), FRQ_REASON_OK);
	assert_int_equal(arbiter_explain(&table, &w[3], d), FRQ_REASON_ARBITRATED);
}

static void
turbo_is_for_who_allows_it(void **state)
{
	struct wish w[] = { vote(FRQ_WISH_MAX, 0, true), vote(FRQ_WISH_MAX, 0, false) };

	(void)state;
	assert_int_equal(arbiter_decide(&table, w, 1).index, 1);
	assert_false(arbiter_decide(&table, w, 1).turbo);
	assert_int_equal(arbiter_explain(&table, &w[0], arbiter_decide(&table, w, 1)),
		FRQ_REASON_OK);
	assert_int_equal(arbiter_decide(&table, w, 2).index, 0);
	assert_true(arbiter_decide(&table, w, 2).turbo);
}

static void
turbo_asked_for_and_forbidden_is_limited(void **state)
{
	struct wish w = vote(FRQ_WISH_KHZ, 2601000, true);
	struct decision d = arbiter_decide(&table, &w, 1);

	(void)state;
	assert_int_equal(d.index, 1);
	assert_int_equal(arbiter_explain(&table, &w, d), FRQ_REASON_LIMITED);
}

static void
table_of_one_entry(void **state)
{
	static const struct freq_table one = { .nb = 1, .turbo = true, .khz = { 2000000 } };
	struct wish w = vote(FRQ_WISH_MIN, 0, true);

	(void)state;
	assert_int_equal(arbiter_decide(&one, &w, 1).index, 0);
	assert_int_equal(arbiter_explain(&one, &w, arbiter_decide(&one, &w, 1)),
		FRQ_REASON_OK);
}

/* ---- against a model ------------------------------------------------------------ */

static uint32_t
chance(uint64_t *seed, uint32_t below)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t)(*seed * UINT64_C(2685821657736338717) >> 32) % below;
}

static uint32_t
model_khz(const struct wish *w, const struct freq_table *t)
{
	uint32_t lowest = UINT32_MAX, best = UINT32_MAX, top = 0;

	for (unsigned int i = 0; i < t->nb; i++) {
		if (i == 0 && t->turbo && w->turbo_off && t->nb > 1)
			continue;
		top = t->khz[i] > top ? t->khz[i] : top;
		lowest = t->khz[i] < lowest ? t->khz[i] : lowest;
		if (t->khz[i] >= w->khz && t->khz[i] < best)
			best = t->khz[i];
	}
	if (w->kind == FRQ_WISH_MIN)
		return lowest;
	if (w->kind == FRQ_WISH_KHZ)
		return best == UINT32_MAX ? top : best;
	return top;
}

static void
random_table(uint64_t *seed, struct freq_table *t)
{
	uint32_t khz = 900000 + chance(seed, 4000000);

	*t = (struct freq_table){ .nb = 1 + chance(seed, FRQ_MAX_FREQS), .turbo = chance(seed, 2) };
	for (unsigned int i = 0; i < t->nb; i++) {
		t->khz[i] = khz;
		khz -= 1 + chance(seed, khz / (t->nb - i) / 2 + 1);
	}
}

static void
check_decision(const struct freq_table *t, const struct wish *w, unsigned int nb)
{
	struct decision d = arbiter_decide(t, w, nb);
	uint32_t khz = 0;

	for (unsigned int i = 0; i < nb; i++)
		if (w[i].kind != FRQ_WISH_NONE && model_khz(&w[i], t) > khz)
			khz = model_khz(&w[i], t);
	assert_int_equal(d.any, khz != 0);
	if (!d.any)
		return;
	assert_in_range(d.index, 0, t->nb - 1);
	assert_int_equal(t->khz[d.index], khz);
	assert_int_equal(d.turbo, t->turbo && khz == t->khz[0]);
	for (unsigned int i = 0; i < nb; i++) {
		enum frq_reason r = arbiter_explain(t, &w[i], d);

		if (w[i].kind == FRQ_WISH_NONE)
			assert_int_equal(r, FRQ_REASON_OK);
		else if (model_khz(&w[i], t) != khz)
			assert_int_equal(r, FRQ_REASON_ARBITRATED);
		else if (w[i].kind == FRQ_WISH_KHZ && w[i].khz > khz)
			assert_int_equal(r, FRQ_REASON_LIMITED);
		else
			assert_int_equal(r, FRQ_REASON_OK);
	}
}

static void
a_million_random_steps_against_the_model(void **state)
{
	uint64_t seed = 4242;
	struct wish w[12];
	struct freq_table t;

	(void)state;
	print_message("seed %#jx\n", (uintmax_t)seed);
	memset(w, 0, sizeof(w));
	random_table(&seed, &t);
	for (unsigned int step = 0; step < 1000000; step++) {
		struct wish *one = &w[chance(&seed, 12)];

		if (chance(&seed, 500) == 0)
			random_table(&seed, &t);
		*one = vote((enum frq_wish_kind)chance(&seed, 4), chance(&seed, 6000000),
			chance(&seed, 2) == 1);
		check_decision(&t, w, chance(&seed, 13));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_has_an_opinion),
		cmocka_unit_test(the_highest_wins),
		cmocka_unit_test(turbo_is_for_who_allows_it),
		cmocka_unit_test(turbo_asked_for_and_forbidden_is_limited),
		cmocka_unit_test(table_of_one_entry),
		cmocka_unit_test(a_million_random_steps_against_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
