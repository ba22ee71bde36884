/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "latency.h"

static void
none(void **state)
{
	struct latency l = { .samples = 0 };
	struct latency_figures f;

	(void)state;
	latency_get(&l, &f);
	assert_int_equal(f.samples, 0);
	assert_int_equal(f.p50_us, 0);
	assert_int_equal(f.max_us, 0);
}

static void
percentiles(void **state)
{
	struct latency l = { .samples = 0 };
	struct latency_figures f;

	(void)state;
	latency_add(&l, 1);
	latency_get(&l, &f);
	assert_int_equal(f.p50_us, 1);
	assert_int_equal(f.p99_us, 1);
	/* 1 to 100 us in no order. */
	for (unsigned int i = 1; i < 100; i++)
		latency_add(&l, (uint64_t)(i * 37 % 100 + 1) * 1000);
	latency_get(&l, &f);
	assert_int_equal(f.samples, 100);
	assert_int_equal(f.p50_us, 50);
	assert_int_equal(f.p99_us, 99);
	assert_int_equal(f.max_us, 100);
}

/* The old ones do not count any more, but are counted. */
static void
the_last_ones(void **state)
{
	struct latency l = { .samples = 0 };
	struct latency_figures f;

	(void)state;
	latency_add(&l, UINT64_MAX / 2);
	latency_get(&l, &f);
	assert_int_equal(f.max_us, UINT32_MAX);
	for (unsigned int i = 0; i < LATENCY_KEPT; i++)
		latency_add(&l, 5000);
	latency_get(&l, &f);
	assert_int_equal(f.max_us, 5);
	assert_int_equal(f.samples, LATENCY_KEPT + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),
		cmocka_unit_test(percentiles),
		cmocka_unit_test(the_last_ones),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
