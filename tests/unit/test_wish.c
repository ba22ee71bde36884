/* SPDX-License-Identifier: BSD-3-Clause */
/* Folding requests into a wish, against a table walked the slow way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wish.h"

static const struct freq_table none = { .nb = 0 };
static const struct freq_table single = { .nb = 1, .khz = { 2000000 } };
static const struct freq_table single_turbo = { .nb = 1, .turbo = true, .khz = { 2000000 } };
static const struct freq_table plain = {
	.nb = 4, .khz = { 2600000, 2000000, 1400000, 800000 },
};
static const struct freq_table turbo = {
	.nb = 5, .turbo = true, .khz = { 2601000, 2600000, 2000000, 1400000, 800000 },
};
static const struct freq_table slow = { .nb = 3, .khz = { 1800000, 1500000, 1200000 } };
static struct freq_table longest = { .nb = FRQ_MAX_FREQS, .turbo = true };

static const struct freq_table *const tables[] = {
	&none, &single, &single_turbo, &plain, &turbo, &slow, &longest,
};

#define NB_TABLES (sizeof(tables) / sizeof(tables[0]))

static int
setup(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < FRQ_MAX_FREQS; i++)
		longest.khz[i] = 5000000 - i * 50000;
	return 0;
}

static struct wish
wish_of(enum frq_wish_kind kind, uint32_t khz)
{
	return (struct wish){ .next = 77, .epoch = 5, .kind = (uint8_t)kind, .khz = khz,
		.attached = true };
}

/* Fold, and see that nothing but the opinion changes. */
static void
folds(struct wish *w, uint8_t op, uint32_t arg, const struct freq_table *t,
	enum frq_reason reason)
{
	struct wish before = *w;

	assert_int_equal(wish_fold(w, op, arg, t), reason);
	assert_int_equal(w->next, before.next);
	assert_int_equal(w->epoch, before.epoch);
	assert_int_equal(w->attached, before.attached);
	if (reason != FRQ_REASON_OK)
		assert_memory_equal(w, &before, sizeof(before));
}

static void
min_max_release_need_no_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < NB_TABLES; i++) {
		struct wish w = wish_of(FRQ_WISH_NONE, 0);

		folds(&w, FRQ_OP_MIN, 0, tables[i], FRQ_REASON_OK);
		assert_int_equal(w.kind, FRQ_WISH_MIN);
		folds(&w, FRQ_OP_MAX, 0, tables[i], FRQ_REASON_OK);
		assert_int_equal(w.kind, FRQ_WISH_MAX);
		folds(&w, FRQ_OP_RELEASE, 0, tables[i], FRQ_REASON_OK);
		assert_int_equal(w.kind, FRQ_WISH_NONE);
	}
}

static void
turbo_is_apart_from_the_opinion(void **state)
{
	struct wish w = wish_of(FRQ_WISH_KHZ, 1400000);

	(void)state;
	folds(&w, FRQ_OP_TURBO_OFF, 0, &turbo, FRQ_REASON_OK);
	assert_true(w.turbo_off);
	assert_int_equal(w.kind, FRQ_WISH_KHZ);
	assert_int_equal(w.khz, 1400000);
	folds(&w, FRQ_OP_RELEASE, 0, &turbo, FRQ_REASON_OK);
	assert_true(w.turbo_off);
	folds(&w, FRQ_OP_TURBO_ON, 0, &none, FRQ_REASON_OK);
	assert_false(w.turbo_off);
}

static void
up_and_down_walk_the_table(void **state)
{
	struct wish w = wish_of(FRQ_WISH_MIN, 0);

	(void)state;
	for (unsigned int i = turbo.nb - 1; i-- > 0;) {
		folds(&w, FRQ_OP_UP, 0, &turbo, FRQ_REASON_OK);
		assert_int_equal(turbo.khz[wish_index(&w, &turbo)], turbo.khz[i]);
	}
	for (unsigned int i = 1; i < turbo.nb; i++) {
		folds(&w, FRQ_OP_DOWN, 0, &turbo, FRQ_REASON_OK);
		assert_int_equal(turbo.khz[wish_index(&w, &turbo)], turbo.khz[i]);
	}
}

static void
up_and_down_stop_at_the_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < NB_TABLES; i++) {
		const struct freq_table *t = tables[i];
		struct wish w = wish_of(FRQ_WISH_KHZ, 1400000);

		if (t->nb == 0)
			continue;
		for (unsigned int n = 0; n < 100; n++)
			folds(&w, FRQ_OP_UP, 0, t, FRQ_REASON_OK);
		assert_int_equal(wish_index(&w, t), 0);
		for (unsigned int n = 0; n < 100; n++)
			folds(&w, FRQ_OP_DOWN, 0, t, FRQ_REASON_OK);
		assert_int_equal(wish_index(&w, t), t->nb - 1);
		w.turbo_off = true;
		for (unsigned int n = 0; n < 100; n++)
			folds(&w, FRQ_OP_UP, 0, t, FRQ_REASON_OK);
		assert_int_equal(wish_index(&w, t), t->turbo && t->nb > 1 ? 1 : 0);
	}
}

static void
no_opinion_counts_as_the_top(void **state)
{
	struct wish w = wish_of(FRQ_WISH_NONE, 0);

	(void)state;
	folds(&w, FRQ_OP_UP, 0, &plain, FRQ_REASON_OK);
	assert_int_equal(w.kind, FRQ_WISH_MAX);
	w = wish_of(FRQ_WISH_NONE, 0);
	folds(&w, FRQ_OP_DOWN, 0, &plain, FRQ_REASON_OK);
	assert_int_equal(w.kind, FRQ_WISH_KHZ);
	assert_int_equal(w.khz, 2000000);
	/* below the top that it allows itself */
	w = wish_of(FRQ_WISH_NONE, 0);
	w.turbo_off = true;
	folds(&w, FRQ_OP_DOWN, 0, &turbo, FRQ_REASON_OK);
	assert_int_equal(w.khz, 2000000);
}

static void
symbolic_ends_survive_steps_past_them(void **state)
{
	struct wish w = wish_of(FRQ_WISH_MAX, 0);

	(void)state;
	folds(&w, FRQ_OP_UP, 0, &plain, FRQ_REASON_OK);
	assert_int_equal(w.kind, FRQ_WISH_MAX);
	w = wish_of(FRQ_WISH_MIN, 0);
	folds(&w, FRQ_OP_DOWN, 0, &plain, FRQ_REASON_OK);
	assert_int_equal(w.kind, FRQ_WISH_MIN);
}

static void
steps_without_a_table_are_refused(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < 4; kind++) {
		struct wish w = wish_of((enum frq_wish_kind)kind, 1400000);

		folds(&w, FRQ_OP_UP, 0, &none, FRQ_REASON_NO_CPUFREQ);
		folds(&w, FRQ_OP_DOWN, 0, &none, FRQ_REASON_NO_CPUFREQ);
	}
}

static void
set_between_entries_is_rounded_up(void **state)
{
	struct wish w = wish_of(FRQ_WISH_NONE, 0);

	(void)state;
	folds(&w, FRQ_OP_SET, 1400001, &plain, FRQ_REASON_OK);
	assert_int_equal(w.khz, 1400001);
	assert_int_equal(wish_index(&w, &plain), 1);
	folds(&w, FRQ_OP_DOWN, 0, &plain, FRQ_REASON_OK);
	assert_int_equal(w.khz, 1400000);
	folds(&w, FRQ_OP_SET, 1400000, &plain, FRQ_REASON_OK);
	assert_int_equal(wish_index(&w, &plain), 2);
	folds(&w, FRQ_OP_SET, 1399999, &plain, FRQ_REASON_OK);
	assert_int_equal(wish_index(&w, &plain), 2);
	folds(&w, FRQ_OP_UP, 0, &plain, FRQ_REASON_OK);
	assert_int_equal(w.khz, 2000000);
}

static void
set_outside_the_table_is_refused(void **state)
{
	struct wish w = wish_of(FRQ_WISH_MIN, 0);

	(void)state;
	folds(&w, FRQ_OP_SET, 2600001, &plain, FRQ_REASON_BAD_FREQ);
	folds(&w, FRQ_OP_SET, 799999, &plain, FRQ_REASON_BAD_FREQ);
	folds(&w, FRQ_OP_SET, FRQ_ARG_MAX, &plain, FRQ_REASON_BAD_FREQ);
	folds(&w, FRQ_OP_SET, 0, &plain, FRQ_REASON_BAD_ARG);
	folds(&w, FRQ_OP_SET, 0, &none, FRQ_REASON_BAD_ARG);
	folds(&w, FRQ_OP_SET, 2600000, &plain, FRQ_REASON_OK);
	folds(&w, FRQ_OP_SET, 800000, &plain, FRQ_REASON_OK);
	/* where no table is known yet, it is remembered */
	folds(&w, FRQ_OP_SET, FRQ_ARG_MAX, &none, FRQ_REASON_OK);
	assert_int_equal(w.khz, FRQ_ARG_MAX);
}

static void
arguments_and_operations_are_checked(void **state)
{
	(void)state;
	for (unsigned int op = 0; op < 256; op++) {
		struct wish w = wish_of(FRQ_WISH_KHZ, 1400000);
		bool known = (op >= FRQ_OP_UP && op <= FRQ_OP_RELEASE) || op == FRQ_OP_TELL;

		if (op != FRQ_OP_SET && op != FRQ_OP_TELL)
			folds(&w, (uint8_t)op, 1, &plain, FRQ_REASON_BAD_ARG);
		if (!known)
			folds(&w, (uint8_t)op, 0, &plain, FRQ_REASON_BAD_OP);
	}
}

static void
tell_is_apart_from_the_opinion(void **state)
{
	struct wish w = wish_of(FRQ_WISH_KHZ, 1400000);

	(void)state;
	folds(&w, FRQ_OP_TELL, FRQ_TELL_HOST, &plain, FRQ_REASON_OK);
	assert_true(w.told);
	assert_int_equal(w.kind, FRQ_WISH_KHZ);
	assert_int_equal(w.khz, 1400000);
	folds(&w, FRQ_OP_TELL, FRQ_TELL_HOST << 1, &plain, FRQ_REASON_BAD_ARG);
	folds(&w, FRQ_OP_TELL, FRQ_ARG_MAX, &plain, FRQ_REASON_BAD_ARG);
	assert_true(w.told);
	folds(&w, FRQ_OP_RELEASE, 0, &plain, FRQ_REASON_OK);
	assert_true(w.told);
	folds(&w, FRQ_OP_TELL, 0, &none, FRQ_REASON_OK);
	assert_false(w.told);
}

static void
wish_on_another_table(void **state)
{
	struct wish w = wish_of(FRQ_WISH_NONE, 0);

	(void)state;
	folds(&w, FRQ_OP_SET, 2600000, &plain, FRQ_REASON_OK);
	/* more than the new core can: its top, and the wish is kept */
	assert_int_equal(wish_index(&w, &slow), 0);
	assert_int_equal(w.khz, 2600000);
	folds(&w, FRQ_OP_DOWN, 0, &slow, FRQ_REASON_OK);
	assert_int_equal(w.khz, 1500000);
	/* a step up never asks for less */
	w = wish_of(FRQ_WISH_KHZ, 2600000);
	folds(&w, FRQ_OP_UP, 0, &slow, FRQ_REASON_OK);
	assert_int_equal(wish_index(&w, &slow), 0);
	assert_true(w.kind == FRQ_WISH_MAX || w.khz >= 2600000);
	/* less than the new core can: its lowest */
	w = wish_of(FRQ_WISH_KHZ, 800000);
	assert_int_equal(wish_index(&w, &slow), 2);
	folds(&w, FRQ_OP_UP, 0, &slow, FRQ_REASON_OK);
	assert_int_equal(w.khz, 1500000);
	w = wish_of(FRQ_WISH_MIN, 0);
	assert_int_equal(wish_index(&w, &slow), 2);
	assert_int_equal(wish_index(&w, &longest), FRQ_MAX_FREQS - 1);
}

static void
steps_after_the_vcpu_was_pinned_anew(void **state)
{
	struct wish w = wish_of(FRQ_WISH_NONE, 0);

	(void)state;
	/* from an entry of the slow core to the next of the fast one, which has it not */
	folds(&w, FRQ_OP_DOWN, 0, &slow, FRQ_REASON_OK);
	assert_int_equal(w.khz, 1500000);
	folds(&w, FRQ_OP_UP, 0, &turbo, FRQ_REASON_OK);
	assert_int_equal(w.khz, 2600000);
	/* and from one far above the slow core's table down into it */
	folds(&w, FRQ_OP_DOWN, 0, &slow, FRQ_REASON_OK);
	assert_int_equal(w.khz, 1500000);
	/* the ends are those of each core */
	w = wish_of(FRQ_WISH_MAX, 0);
	folds(&w, FRQ_OP_UP, 0, &slow, FRQ_REASON_OK);
	assert_int_equal(wish_index(&w, &turbo), 0);
	w = wish_of(FRQ_WISH_MIN, 0);
	folds(&w, FRQ_OP_DOWN, 0, &slow, FRQ_REASON_OK);
	assert_int_equal(turbo.khz[wish_index(&w, &turbo)], 800000);
	/* a core without a table changes nothing */
	w = wish_of(FRQ_WISH_KHZ, 1400000);
	folds(&w, FRQ_OP_DOWN, 0, &none, FRQ_REASON_NO_CPUFREQ);
	folds(&w, FRQ_OP_DOWN, 0, &plain, FRQ_REASON_OK);
	assert_int_equal(w.khz, 800000);
}

static void
table_lookup_at_the_edges(void **state)
{
	(void)state;
	for (size_t n = 1; n < NB_TABLES; n++) {
		const struct freq_table *t = tables[n];

		for (unsigned int i = 0; i < t->nb; i++) {
			assert_int_equal(freq_table_at_least(t, t->khz[i]), i);
			assert_int_equal(freq_table_at_least(t, t->khz[i] + 1), i > 0 ? i - 1 : 0);
			assert_int_equal(freq_table_at_least(t, t->khz[i] - 1), i);
		}
		assert_int_equal(freq_table_at_least(t, 0), t->nb - 1);
		assert_int_equal(freq_table_at_least(t, UINT32_MAX), 0);
	}
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

/* The frequency a wish means, found by looking at every entry. */
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

/* The next entry in one direction, `khz` itself when there is none. */
static uint32_t
model_neighbour(uint32_t khz, bool up, bool turbo_off, const struct freq_table *t)
{
	uint32_t best = khz;

	for (unsigned int i = 0; i < t->nb; i++) {
		uint32_t k = t->khz[i];

		if (i == 0 && t->turbo && turbo_off && t->nb > 1)
			continue;
		if (up && k > khz && (best == khz || k < best))
			best = k;
		if (!up && k < khz && (best == khz || k > best))
			best = k;
	}
	return best;
}

static enum frq_reason
model_fold(struct wish *w, uint8_t op, uint32_t arg, const struct freq_table *t)
{
	bool up = op == FRQ_OP_UP;

	if (op == FRQ_OP_SET) {
		if (arg == 0)
			return FRQ_REASON_BAD_ARG;
		for (unsigned int i = 0, over = 0, under = 0; i < t->nb; i++) {
			over += arg > t->khz[i];
			under += arg < t->khz[i];
			if (over == t->nb || under == t->nb)
				return FRQ_REASON_BAD_FREQ;
		}
		w->kind = FRQ_WISH_KHZ;
		w->khz = arg;
		return FRQ_REASON_OK;
	}
	if (op == FRQ_OP_TELL) {
		if (arg > FRQ_TELL_HOST)
			return FRQ_REASON_BAD_ARG;
		w->told = arg != 0;
		return FRQ_REASON_OK;
	}
	if (arg != 0)
		return FRQ_REASON_BAD_ARG;
	if (op == FRQ_OP_MIN || op == FRQ_OP_MAX || op == FRQ_OP_RELEASE) {
		w->kind = op == FRQ_OP_MIN ? FRQ_WISH_MIN :
			op == FRQ_OP_MAX ? FRQ_WISH_MAX : FRQ_WISH_NONE;
		return FRQ_REASON_OK;
	}
	if (op == FRQ_OP_TURBO_ON || op == FRQ_OP_TURBO_OFF) {
		w->turbo_off = op == FRQ_OP_TURBO_OFF;
		return FRQ_REASON_OK;
	}
	if (op != FRQ_OP_UP && op != FRQ_OP_DOWN)
		return FRQ_REASON_BAD_OP;
	if (t->nb == 0)
		return FRQ_REASON_NO_CPUFREQ;
	if (w->kind == FRQ_WISH_NONE)
		w->kind = FRQ_WISH_MAX;
	if (w->kind != (up ? FRQ_WISH_MAX : FRQ_WISH_MIN)) {
		w->khz = model_neighbour(model_khz(w, t), up, w->turbo_off, t);
		w->kind = FRQ_WISH_KHZ;
	}
	return FRQ_REASON_OK;
}

/* The core changes now and then. */
static void
random_requests_against_the_model(void **state)
{
	uint64_t seed = 20240501;

	(void)state;
	print_message("seed %#jx\n", (uintmax_t)seed);
	for (unsigned int round = 0; round < 20000; round++) {
		const struct freq_table *t = tables[chance(&seed, NB_TABLES)];
		struct wish w = wish_of(FRQ_WISH_NONE, 0), m = w;

		for (unsigned int step = 0; step < 60; step++) {
			uint8_t op = (uint8_t)chance(&seed, FRQ_OP_COUNT + 1);
			uint32_t arg = op == FRQ_OP_SET ? chance(&seed, 5200000) :
				chance(&seed, 50) == 0;
			enum frq_reason a, b;

			if (chance(&seed, 20) == 0)
				t = tables[chance(&seed, NB_TABLES)];
			/* What "up" means above the top has a test of its own. */
			if (op == FRQ_OP_UP && t->nb != 0 && w.kind == FRQ_WISH_KHZ &&
			    w.khz > t->khz[freq_table_top(t, !w.turbo_off)])
				continue;
			a = wish_fold(&w, op, arg, t);
			b = model_fold(&m, op, arg, t);
			assert_int_equal(a, b);
			assert_int_equal(w.kind, m.kind);
			assert_int_equal(w.turbo_off, m.turbo_off);
			assert_int_equal(w.told, m.told);
			if (w.kind == FRQ_WISH_KHZ)
				assert_int_equal(w.khz, m.khz);
			if (t->nb != 0 && w.kind != FRQ_WISH_NONE)
				assert_int_equal(t->khz[wish_index(&w, t)], model_khz(&m, t));
		}
	}
}

static uint8_t
random_request(uint64_t *seed, uint32_t *arg)
{
	static const uint8_t often[] = { FRQ_OP_UP, FRQ_OP_DOWN, FRQ_OP_SET };
	uint8_t op = chance(seed, 2) == 0 ? often[chance(seed, sizeof(often))] :
		(uint8_t)chance(seed, FRQ_OP_COUNT + 1);

	*arg = op == FRQ_OP_SET ? chance(seed, 5200000) : chance(seed, 50) == 0;
	return op;
}

/*
 * The poller folds what it finds at once and stores the wish after the last;
 * when a request comes alone, the wish was stored and loaded before it.
 */
static void
a_burst_folds_as_one_by_one(void **state)
{
	uint64_t seed = 20240502;
	struct wish burst = wish_of(FRQ_WISH_NONE, 0), alone = burst;

	(void)state;
	for (unsigned int round = 0; round < 50000; round++) {
		const struct freq_table *t = tables[chance(&seed, NB_TABLES)];
		unsigned int nb = 1 + chance(&seed, 32);

		for (unsigned int i = 0; i < nb; i++) {
			uint32_t arg;
			uint8_t op = random_request(&seed, &arg);

			alone = wish_unpack(wish_pack(alone));
			assert_int_equal(wish_fold(&burst, op, arg, t),
				wish_fold(&alone, op, arg, t));
		}
		assert_int_equal(wish_pack(burst), wish_pack(alone));
	}
}

/* From any wish, on any core: what comes of a step is the entry next to it. */
static void
a_step_is_one_entry_or_none(void **state)
{
	uint64_t seed = 20240503;
	struct wish w = wish_of(FRQ_WISH_NONE, 0);

	(void)state;
	for (unsigned int round = 0; round < 500000; round++) {
		const struct freq_table *t = tables[1 + chance(&seed, NB_TABLES - 1)];
		unsigned int top = t->turbo && t->nb > 1 && w.turbo_off ? 1 : 0;
		unsigned int before = wish_index(&w, t), after;
		uint32_t arg;
		uint8_t op = random_request(&seed, &arg);
		enum frq_reason reason = wish_fold(&w, op, arg, t);

		if (reason != FRQ_REASON_OK || (op != FRQ_OP_UP && op != FRQ_OP_DOWN))
			continue;
		after = wish_index(&w, t);
		if (op == FRQ_OP_UP)
			assert_int_equal(after, before > top ? before - 1 : top);
		else
			assert_int_equal(after, before < t->nb - 1 ? before + 1 : before);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(min_max_release_need_no_table),
		cmocka_unit_test(turbo_is_apart_from_the_opinion),
		cmocka_unit_test(up_and_down_walk_the_table),
		cmocka_unit_test(up_and_down_stop_at_the_ends),
		cmocka_unit_test(no_opinion_counts_as_the_top),
		cmocka_unit_test(symbolic_ends_survive_steps_past_them),
		cmocka_unit_test(steps_without_a_table_are_refused),
		cmocka_unit_test(set_between_entries_is_rounded_up),
		cmocka_unit_test(set_outside_the_table_is_refused),
		cmocka_unit_test(arguments_and_operations_are_checked),
		cmocka_unit_test(tell_is_apart_from_the_opinion),
		cmocka_unit_test(wish_on_another_table),
		cmocka_unit_test(steps_after_the_vcpu_was_pinned_anew),
		cmocka_unit_test(table_lookup_at_the_edges),
		cmocka_unit_test(random_requests_against_the_model),
		cmocka_unit_test(a_burst_folds_as_one_by_one),
		cmocka_unit_test(a_step_is_one_entry_or_none),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
