/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring of events is one for the whole process: each test goes on where the last ended. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_log.h>

#include "events.h"
#include "log.h"

#define TO_RAISE 2000u

static void
numbers(void **state)
{
	uint64_t last = event_last();
	struct event_record e;
	int64_t now = (int64_t)time(NULL);

	(void)state;
	assert_false(event_next(last, &e));
	event_raise(EVENT_DRIFT, NULL, "CPU %u: %s", 3, "performance");
	event_raise(EVENT_ONLINE, NULL, "CPU %u is back", 4);
	assert_int_equal(event_last(), last + 2);

	assert_true(event_next(last, &e));
	assert_int_equal(e.number, last + 1);
	assert_int_equal(e.kind, EVENT_DRIFT);
	assert_string_equal(e.text, "CPU 3: performance");
	assert_in_range(e.time_ms / 1000, now - 1, now + 60);
	assert_true(event_next(e.number, &e));
	assert_int_equal(e.number, last + 2);
	assert_string_equal(e.text, "CPU 4 is back");
	assert_false(event_next(e.number, &e));
	assert_false(event_next(e.number + 1, &e));
	assert_false(event_next(UINT64_MAX, &e));
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(event_kind_name(EVENT_DRIFT), "drift");
	assert_string_equal(event_kind_name(EVENT_DRIFT_OVER), "drift-over");
	assert_string_equal(event_kind_name(EVENT_REFUSED), "refused");
	assert_string_equal(event_kind_name(EVENT_REFUSED_OVER), "refused-over");
	assert_string_equal(event_kind_name(EVENT_OFFLINE), "offline");
	assert_string_equal(event_kind_name(EVENT_ONLINE), "online");
	assert_string_equal(event_kind_name(EVENT_LEASE_EXPIRED), "lease-expired");
}

/* A reader that is behind finds the oldest that is kept, then all after it. */
static void
wraps(void **state)
{
	uint64_t before = event_last(), number = before, nb = 0;
	struct event_record e;

	(void)state;
	for (unsigned int i = 1; i <= 3 * EVENTS_KEPT + 7; i++)
		event_raise(EVENT_REFUSED, NULL, "%u", i);
	while (event_next(number, &e)) {
		char text[16];

		if (nb == 0)
			assert_int_equal(e.number, event_last() - EVENTS_KEPT + 1);
		else
			assert_int_equal(e.number, number + 1);
		(void)snprintf(text, sizeof(text), "%u", (unsigned int)(e.number - before));
		assert_string_equal(e.text, text);
		number = e.number;
		nb++;
	}
	assert_int_equal(nb, EVENTS_KEPT);
	assert_int_equal(number, event_last());
}

static void
last_text(char text[sizeof(((struct event_record *)0)->text)])
{
	struct event_record e;

	assert_true(event_next(event_last() - 1, &e));
	memcpy(text, e.text, sizeof(e.text));
}

static void
is_one_line(void **state)
{
	char text[sizeof(((struct event_record *)0)->text)], is[512], wide[512];

	(void)state;
	event_raise(EVENT_REFUSED, NULL, "a\nb\r\x1b[2J\x7f.\n");
	last_text(text);
	assert_string_equal(text, "a b  [2J . ");

	memset(is, 'x', sizeof(is));
	is[sizeof(is) - 1] = '\0';
	event_raise(EVENT_REFUSED, NULL, "%s", is);
	last_text(text);
	assert_int_equal(strlen(text), sizeof(text) - 1);

	/* A character of two bytes is cut as a whole. */
	for (size_t i = 0; i < sizeof(wide) - 1; i += 2)
		memcpy(wide + i, "\xc3\xa9", 2);
	wide[sizeof(wide) - 2] = '\0';
	event_raise(EVENT_REFUSED, NULL, "%s", wide);
	last_text(text);
	assert_int_equal(strlen(text), sizeof(text) - 2);
	event_raise(EVENT_REFUSED, NULL, "%.10s", wide);
	last_text(text);
	assert_string_equal(text, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
}

static void *
raise_many(void *arg)
{
	for (unsigned int i = 0; i < TO_RAISE; i++)
		event_raise(EVENT_OFFLINE, NULL, "%u %u", *(const unsigned int *)arg, i);
	return NULL;
}

/* Two that raise, one that reads: nothing twice, nothing torn, each in its order. */
static void
threads(void **state)
{
	static unsigned int ids[2] = { 0, 1 };
	uint64_t number = event_last(), end = number + (uint64_t)2 * TO_RAISE;
	unsigned int next[2] = { 0, 0 }, who, what;
	struct event_record e;
	pthread_t t[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, raise_many, &ids[i]), 0);
	while (number < end) {
		if (!event_next(number, &e))
			continue;
		assert_true(e.number > number);
		number = e.number;
		assert_int_equal(sscanf(e.text, "%u %u", &who, &what), 2);
		assert_in_range(who, 0, 1);
		assert_true(what >= next[who]);
		next[who] = what + 1;
	}
	for (unsigned int i = 0; i < 2; i++)
		(void)pthread_join(t[i], NULL);
	assert_int_equal(event_last(), end);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(names),
		cmocka_unit_test(wraps),
		cmocka_unit_test(is_one_line),
		cmocka_unit_test(threads),
	};

	(void)rte_log_set_level(frq_logtype, RTE_LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
