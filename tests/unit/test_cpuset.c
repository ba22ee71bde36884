/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpuset.h"

static void
well_formed(void **state)
{
	static const struct {
		const char *in, *out;
		unsigned int count;
	} cases[] = {
		{ "0", "0", 1 },
		{ "0,2-5,9", "0,2-5,9", 6 },
		{ " 9 , 2 - 5,0\n", "0,2-5,9", 6 },
		{ "3,3,3", "3", 1 },
		{ "1-4,2-6", "1-6", 6 },
		{ "5-5", "5", 1 },
		{ "0007", "7", 1 },
		{ "63,64", "63-64", 2 },
		{ "1023", "1023", 1 },
		{ "0-1023", "0-1023", 1024 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpuset s, again;
		struct frq_err err;
		char buf[64];

		assert_true(cpuset_parse(&s, cases[i].in, &err));
		assert_int_equal(cpuset_count(&s), cases[i].count);
		assert_string_equal(cpuset_format(&s, buf, sizeof(buf)), cases[i].out);
		assert_true(cpuset_parse(&again, buf, &err));
		assert_true(cpuset_equal(&s, &again));
	}
}

static void
malformed(void **state)
{
	static const struct {
		const char *in, *message;
	} cases[] = {
		{ "", "the list of CPUs is empty" },
		{ " \t", "the list of CPUs is empty" },
		{ "0,,1", "\"\" in the list of CPUs is empty" },
		{ "0,", "\"\" in the list of CPUs is empty" },
		{ ",", "\"\" in the list of CPUs is empty" },
		{ "a", "\"a\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "0,1x", "\"1x\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "1 2", "\"1 2\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "-1", "\"-1\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "+1", "\"+1\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "0x1", "\"0x1\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "^3", "\"^3\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "2-", "\"2-\" in the list of CPUs is not a range like 2-5" },
		{ "2--3", "\"2--3\" in the list of CPUs is not a range like 2-5" },
		{ "2-3-4", "\"2-3-4\" in the list of CPUs is not a CPU number or a range like 2-5" },
		{ "1,5-2", "\"5-2\" in the list of CPUs runs backwards" },
		{ "1024", "\"1024\" in the list of CPUs is beyond the highest CPU number, 1023" },
		{ "0-1024", "\"0-1024\" in the list of CPUs is beyond the highest CPU number, 1023" },
		{ "4294967296", "\"4294967296\" in the list of CPUs is beyond the highest CPU number, 1023" },
		{ "99999999999999999999", "\"99999999999999999999\" in the list of CPUs is beyond the highest CPU number, 1023" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpuset s;
		struct frq_err err = { "" };

		memset(&s, 0xff, sizeof(s));
		assert_false(cpuset_parse(&s, cases[i].in, &err));
		assert_string_equal(err.text, cases[i].message);
		assert_true(cpuset_empty(&s));
	}
}

static void
sets(void **state)
{
	struct cpuset a, b, none = { 0 };
	struct frq_err err;

	(void)state;
	assert_true(cpuset_parse(&a, "1,64,1023", &err));
	assert_true(cpuset_parse(&b, "0-64,1023", &err));
	assert_true(cpuset_subset(&a, &b));
	assert_false(cpuset_subset(&b, &a));
	assert_true(cpuset_subset(&none, &a));
	assert_true(cpuset_empty(&none));
	assert_false(cpuset_empty(&a));
	assert_false(cpuset_equal(&a, &b));
	assert_false(cpuset_has(&a, 1024));
	assert_false(cpuset_has(&a, UINT32_MAX));
	cpuset_and(&b, &a);
	assert_true(cpuset_equal(&a, &b));
	cpuset_and(&b, &none);
	assert_true(cpuset_empty(&b));
}

static void
walk(void **state)
{
	static const unsigned int expected[] = { 0, 63, 64, 127, 1023 };
	struct cpuset s = { 0 };
	unsigned int n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		cpuset_add(&s, expected[i]);
	CPUSET_FOREACH(cpu, &s)
		assert_int_equal(cpu, expected[n++]);
	assert_int_equal(n, 5);
	assert_int_equal(cpuset_next(&s, 1), 63);
	assert_int_equal(cpuset_next(&s, 128), 1023);
	assert_int_equal(cpuset_next(&s, 1024), FRQ_MAX_CPUS);
	assert_int_equal(cpuset_next(&s, UINT32_MAX), FRQ_MAX_CPUS);
}

static void
format_is_cut_between_parts(void **state)
{
	struct cpuset s;
	struct frq_err err;
	char buf[8];

	(void)state;
	assert_true(cpuset_parse(&s, "10,20-21,300", &err));
	assert_string_equal(cpuset_format(&s, buf, 8), "10");
	assert_string_equal(cpuset_format(&s, buf, 1), "");
	assert_ptr_equal(cpuset_format(&s, buf, 0), buf);
	memset(&s, 0, sizeof(s));
	assert_string_equal(cpuset_format(&s, buf, 8), "");
}

static void
online(void **state)
{
	struct cpuset s;
	struct frq_err err;

	(void)state;
	assert_int_equal(cpuset_online(&s, &err), 0);
	assert_false(cpuset_empty(&s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed),
		cmocka_unit_test(malformed),
		cmocka_unit_test(sets),
		cmocka_unit_test(walk),
		cmocka_unit_test(format_is_cut_between_parts),
		cmocka_unit_test(online),
	};

	return cmocka_run_group_tests_name("cpuset", tests, NULL, NULL);
}
