/* SPDX-License-Identifier: BSD-3-Clause */
/* test_top.c - what freqring top makes of two statuses */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "members.h"
#include "top_page.h"

static json_t *
status_of(int pid, int epoch, int writes, int first, int second)
{
	json_t *s = json_pack("{s:i, s:s, s:i, s:{s:s, s:b}, s:{s:b}, s:{s:i, s:s, s:i}, s:{s:i},"
		" s:[{s:s, s:s, s:i, s:[{s:i, s:s, s:s, s:s, s:i, s:s, s:i, s:i},"
		" {s:i, s:s, s:s, s:s, s:i, s:i, s:s, s:i, s:i}]}],"
		" s:[{s:i, s:i, s:i, s:s, s:s, s:i, s:{s:s, s:i}, s:[i]}, {s:i, s:b}]}",
		"pid", pid, "version", "1.2", "uptime_s", 3725,
		"backend", "name", "simulated", "simulated", 1,
		"libvirt", "connected", 1,
		"poller", "cpu", 3, "stage", "spinning", "requests", first + second,
		"applier", "writes", writes,
		"vms", "name", "web\033", "uuid", "u", "epoch", epoch, "channels",
		"vcpu", 0, "pcpus", "4", "wish", "max", "transport", "vhost-user", "granted_khz", 2601000,
		"reason", "ok", "requests", first, "refusals", 7,
		"vcpu", 1, "pcpus", "5", "wish", "kHz", "transport", "serial", "wish_khz", 1800000,
		"granted_khz", 0, "reason", "unpinned", "requests", second, "refusals", 0,
		"cpus", "cpu", 4, "khz", 2601000, "wanted_khz", 2601000, "governor", "userspace",
		"bound", "ceiling", "writes", writes, "winner", "vm", "web", "vcpu", 0, "votes", 1,
		"cpu", 5, "manual", 1);

	assert_non_null(s);
	return s;
}

static const json_t *
at(const json_t *page, const char *key, size_t i)
{
	return json_array_get(json_object_get(page, key), i);
}

static void
free_all(json_t *a, json_t *b, json_t *page)
{
	json_decref(a);
	json_decref(b);
	json_decref(page);
}

static void
rates(void **state)
{
	json_t *before = status_of(1, 1, 10, 100, 200), *now = status_of(1, 1, 15, 1100, 204);
	json_t *page = top_page(now, before, 2000);

	(void)state;
	assert_int_equal(number_of(page, "requests_per_second"), 502);
	assert_int_equal(number_of(page, "writes_per_second"), 2);
	assert_int_equal(number_of(page, "interval_ms"), 2000);
	assert_int_equal(number_of(at(page, "channels", 0), "requests_per_second"), 500);
	assert_int_equal(number_of(at(page, "channels", 1), "requests_per_second"), 2);
	assert_int_equal(number_of(at(page, "channels", 0), "refusals_per_second"), 0);
	assert_int_equal(number_of(at(page, "cpus", 0), "writes_per_second"), 2);
	assert_string_equal(text_of(at(page, "cpus", 0), "by"), "web/0");
	assert_string_equal(text_of(at(page, "cpus", 1), "by"), "operator");
	assert_string_equal(text_of(at(page, "channels", 0), "transport"), "vhost-user");
	assert_string_equal(text_of(at(page, "channels", 1), "transport"), "serial");
	free_all(before, now, page);
}

static void
is_unknown(json_t *now, json_t *before, const char *key, size_t i, const char *rate)
{
	json_t *page = top_page(now, before, 1000);

	assert_true(json_is_null(json_object_get(key != NULL ? at(page, key, i) : page, rate)));
	free_all(now, before, page);
}

/* What cannot be compared is no rate of zero, and none of millions either. */
static void
nothing_to_compare(void **state)
{
	(void)state;
	is_unknown(status_of(1, 1, 5, 50, 60), NULL, NULL, 0, "requests_per_second");
	is_unknown(status_of(1, 1, 5, 50, 60), NULL, "channels", 0, "requests_per_second");
	is_unknown(status_of(1, 1, 5, 50, 60), NULL, "cpus", 0, "writes_per_second");
	/* Another daemon; a region made anew; a counter that went back. */
	is_unknown(status_of(2, 1, 5, 50, 60), status_of(1, 1, 1, 1, 1), NULL, 0, "writes_per_second");
	is_unknown(status_of(1, 2, 5, 50, 60), status_of(1, 1, 1, 1, 1), "channels", 0,
		"requests_per_second");
	is_unknown(status_of(1, 1, 5, 50, 60), status_of(1, 1, 9, 1, 1), "cpus", 0, "writes_per_second");
}

static char *
print(json_t *page, enum top_order order)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	top_print(f, page, order);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void
printed(void **state)
{
	json_t *before = status_of(1, 1, 10, 100, 200), *now = status_of(1, 1, 14, 102, 400);
	json_t *page = top_page(now, before, 2000);
	char *rate = print(page, TOP_BY_RATE), *name = print(page, TOP_BY_NAME);

	(void)state;
	assert_non_null(strstr(rate, "freqringd 1.2, up 1:02:05, backend simulated: no frequency is "
		"really set, libvirt connected\npoller on CPU 3 spinning, 101 requests/s, 2 writes/s\n"));
	assert_non_null(strstr(rate, "\n4    2601  2601     web/0     ceiling  userspace  1      2\n"));
	assert_non_null(strstr(rate, "VM    VCPU  PCPU  OVER        WISH  GRANTED  REQUESTS/s  REFUSED/s  REASON\n"
		"web?  1     5     serial      1800  -        100         0          unpinned\n"
		"web?  0     4     vhost-user  max   2601     1           0          ok\n"));
	assert_true(strstr(name, "web?  0") < strstr(name, "web?  1"));
	free(rate);
	free(name);
	free_all(before, now, page);
}

/* One of another version, or none at all. */
static void
empty(void **state)
{
	json_t *now = json_object(), *page = top_page(now, NULL, 0);
	char *text = print(page, TOP_BY_RATE);

	(void)state;
	assert_non_null(strstr(text, "no VM has a freqring device or serial channels\n"));
	free(text);
	free_all(now, NULL, page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates),
		cmocka_unit_test(nothing_to_compare),
		cmocka_unit_test(printed),
		cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
