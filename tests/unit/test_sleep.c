/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who sleeps, as events and maps say; what a host that says it can sleep is
 * worth; and a host's sleep, step by step. Pure functions, all of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest_sleep.h"
#include "node_pm.h"
#include "node_sleep.h"
#include "sleep_file.h"

/* ---- guests --------------------------------------------------------------------- */

static struct sleep_time
at(uint64_t ns)
{
	return (struct sleep_time){ .mono_ns = ns, .real_ms = (int64_t)ns + 5000 };
}

static void
suspended_to_memory_and_woken(void **state)
{
	struct guest_sleep g = { .kind = SLEEP_NONE };
	struct guest_woke w;

	(void)state;
	assert_int_equal(guest_sleep_event(&g, GUEST_PM_SUSPEND, at(100)).from, SLEEP_NONE);
	assert_int_equal(g.kind, SLEEP_MEM);
	assert_int_equal(g.since_ms, 5100);
	assert_int_equal(guest_sleep_map(&g, VM_SUSPENDED, 200).from, SLEEP_NONE);
	g.wake_at_ms = 77;
	w = guest_sleep_event(&g, GUEST_PM_WAKEUP, at(300));
	assert_int_equal(w.from, SLEEP_MEM);
	assert_int_equal(w.since_ns, 100);
	assert_int_equal(g.kind, SLEEP_NONE);
	assert_int_equal(g.wake_at_ms, 0);
	/* libvirt says it in two ways: it wakes up once */
	assert_int_equal(guest_sleep_event(&g, GUEST_PM_STARTED, at(301)).from, SLEEP_NONE);
	assert_int_equal(guest_sleep_map(&g, VM_RUNNING, 400).from, SLEEP_NONE);
}

static void
map_from_before_the_event_says_nothing(void **state)
{
	struct guest_sleep g = { .kind = SLEEP_NONE };

	(void)state;
	(void)guest_sleep_event(&g, GUEST_PM_SUSPEND, at(100));
	assert_int_equal(guest_sleep_map(&g, VM_RUNNING, 99).from, SLEEP_NONE);
	assert_int_equal(g.kind, SLEEP_MEM);
	assert_int_equal(g.since_ms, 5100);
	(void)guest_sleep_event(&g, GUEST_PM_WAKEUP, at(200));
	(void)guest_sleep_map(&g, VM_SUSPENDED, 199);
	assert_int_equal(g.kind, SLEEP_NONE);
}

static void
map_alone_says_that_it_sleeps_but_not_since_when(void **state)
{
	struct guest_sleep g = { .kind = SLEEP_NONE };

	(void)state;
	(void)guest_sleep_map(&g, VM_SUSPENDED, 100);
	assert_int_equal(g.kind, SLEEP_MEM);
	assert_int_equal(g.since_ms, 0);
	assert_int_equal(guest_sleep_map(&g, VM_RUNNING, 200).from, SLEEP_MEM);
	assert_int_equal(g.kind, SLEEP_NONE);
}

static void
suspended_to_disk_is_remembered_while_it_is_off(void **state)
{
	static const enum vm_run_state on_the_way[] = { VM_SUSPENDED, VM_PAUSED, VM_DEFINED };
	struct guest_sleep g = { .kind = SLEEP_NONE };

	(void)state;
	(void)guest_sleep_event(&g, GUEST_PM_SUSPEND_DISK, at(100));
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(guest_sleep_map(&g, on_the_way[i], 200 + i).from, SLEEP_NONE);
		assert_int_equal(g.kind, SLEEP_DISK);
	}
	assert_int_equal(guest_sleep_event(&g, GUEST_PM_STARTED, at(300)).from, SLEEP_DISK);
	assert_int_equal(g.kind, SLEEP_NONE);
	/* ... and off by itself it is off */
	(void)guest_sleep_map(&g, VM_DEFINED, 400);
	assert_int_equal(g.kind, SLEEP_NONE);
}

static void
started_without_an_event_has_woken_up(void **state)
{
	struct guest_sleep g = { .kind = SLEEP_NONE };

	(void)state;
	(void)guest_sleep_event(&g, GUEST_PM_SUSPEND_DISK, at(100));
	(void)guest_sleep_map(&g, VM_DEFINED, 150);
	assert_int_equal(guest_sleep_map(&g, VM_RUNNING, 200).from, SLEEP_DISK);
}

static void
destroyed_while_it_sleeps_is_off(void **state)
{
	struct guest_sleep g = { .kind = SLEEP_NONE };

	(void)state;
	(void)guest_sleep_event(&g, GUEST_PM_SUSPEND, at(100));
	assert_int_equal(guest_sleep_map(&g, VM_DEFINED, 200).from, SLEEP_NONE);
	assert_int_equal(g.kind, SLEEP_NONE);
}

/* Both: to memory first, and to disk when the battery ends. */
static void
memory_becomes_disk_since_the_first(void **state)
{
	struct guest_sleep g = { .kind = SLEEP_NONE };

	(void)state;
	(void)guest_sleep_event(&g, GUEST_PM_SUSPEND, at(100));
	(void)guest_sleep_event(&g, GUEST_PM_SUSPEND_DISK, at(300));
	assert_int_equal(g.kind, SLEEP_DISK);
	assert_int_equal(g.since_ms, 5100);
}

static void
file_keeps_what_was_written(void **state)
{
	char dir[] = "/tmp/test_sleep.XXXXXX", path[64];
	json_t *guests;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/sleep.json", dir);
	assert_null(sleep_file_read(dir));
	sleep_file_write(dir, json_pack("[{s:s}]", "uuid", "u"));
	guests = sleep_file_read(dir);
	assert_int_equal(json_array_size(guests), 1);
	json_decref(guests);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs("{\"half\":", f);
	(void)fclose(f);
	assert_null(sleep_file_read(dir));
	sleep_file_write(dir, json_array());
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- what a host can do ------------------------------------------------------------ */

/* One that can do everything. */
static struct node_pm_seen
able(void)
{
	struct node_pm_seen s = {
		.state = "freeze mem disk",
		.mem_sleep = "s2idle [deep]",
		.disk = "[platform] shutdown reboot suspend test_resume",
		.resume = "8:3",
		.swap_known = true, .swap_kib = 4000000,
		.rtcwake = true, .alarm = true, .local = true,
	};

	for (unsigned int t = 0; t < PM_TARGET_COUNT; t++) {
		s.libvirt[t] = NODE_YES;
		s.logind[t] = LOGIND_YES;
		s.tool[t] = true;
	}
	return s;
}

static void
judged(const struct node_pm_seen *s, enum pm_target t, enum node_verdict verdict, const char *why)
{
	struct node_judgement j = node_pm_judge(s, t);

	if (j.verdict != verdict || strstr(j.why, why) == NULL || (*why == '\0' && j.why[0] != '\0'))
		fail_msg("%s: %s, \"%s\"; expected %s, \"%s\"", pm_target_name(t),
			node_verdict_name(j.verdict), j.why, node_verdict_name(verdict), why);
}

static void
all_agree(void **state)
{
	struct node_pm_seen s = able();

	(void)state;
	for (unsigned int t = 0; t < PM_TARGET_COUNT; t++)
		judged(&s, t, NODE_PM_YES, "");
}

static void
yes_that_does_not_work(void **state)
{
	struct node_pm_seen s = able();

	(void)state;
	s.tool[PM_TARGET_MEM] = false;
	judged(&s, PM_TARGET_MEM, NODE_PM_BROKEN, "pm-suspend, which is not there");
	judged(&s, PM_TARGET_DISK, NODE_PM_YES, "");
	s = able();
	s.rtcwake = false;
	judged(&s, PM_TARGET_MEM, NODE_PM_BROKEN, "rtcwake");
	s = able();
	s.alarm = false;
	judged(&s, PM_TARGET_HYBRID, NODE_PM_BROKEN, "wakealarm");
	s = able();
	(void)snprintf(s.state, sizeof(s.state), "freeze disk");
	judged(&s, PM_TARGET_MEM, NODE_PM_BROKEN, "offers \"freeze disk\" and not mem");
	s = able();
	(void)snprintf(s.disk, sizeof(s.disk), "[disabled]");
	judged(&s, PM_TARGET_DISK, NODE_PM_BROKEN, "disabled");
	judged(&s, PM_TARGET_MEM, NODE_PM_YES, "");
	s = able();
	(void)snprintf(s.disk, sizeof(s.disk), "[platform] shutdown");
	judged(&s, PM_TARGET_HYBRID, NODE_PM_BROKEN, "both at once");
	judged(&s, PM_TARGET_DISK, NODE_PM_YES, "");
	s = able();
	s.swap_kib = 0;
	judged(&s, PM_TARGET_DISK, NODE_PM_BROKEN, "no swap");
	judged(&s, PM_TARGET_MEM, NODE_PM_YES, "");
}

static void
yes_with_a_word_to_say(void **state)
{
	struct node_pm_seen s = able();

	(void)state;
	(void)snprintf(s.mem_sleep, sizeof(s.mem_sleep), "[s2idle] deep");
	judged(&s, PM_TARGET_MEM, NODE_PM_YES, "echo deep");
	(void)snprintf(s.mem_sleep, sizeof(s.mem_sleep), "[s2idle]");
	judged(&s, PM_TARGET_MEM, NODE_PM_YES, "there is no S3");
	(void)snprintf(s.resume, sizeof(s.resume), "0:0");
	judged(&s, PM_TARGET_DISK, NODE_PM_YES, "no resume device");
	s.logind[PM_TARGET_MEM] = LOGIND_NO;
	judged(&s, PM_TARGET_MEM, NODE_PM_YES, "does not ask again");
}

static void
no_and_why(void **state)
{
	struct node_pm_seen s = able();

	(void)state;
	for (unsigned int t = 0; t < PM_TARGET_COUNT; t++)
		s.libvirt[t] = NODE_NO;
	judged(&s, PM_TARGET_MEM, NODE_PM_NO, "restart that");
	s.logind[PM_TARGET_MEM] = LOGIND_NA;
	judged(&s, PM_TARGET_MEM, NODE_PM_NO, "logind says na");
	s.logind[PM_TARGET_MEM] = LOGIND_UNKNOWN;
	(void)snprintf(s.logind_error, sizeof(s.logind_error), "no bus");
	judged(&s, PM_TARGET_MEM, NODE_PM_NO, "does not answer: no bus");
	(void)snprintf(s.state, sizeof(s.state), "freeze");
	judged(&s, PM_TARGET_MEM, NODE_PM_NO, "offers \"freeze\"");
	s.container = true;
	judged(&s, PM_TARGET_MEM, NODE_PM_NO, "container");
	s.local = false;
	judged(&s, PM_TARGET_MEM, NODE_PM_NO, "the host it is on");
}

static void
nobody_knows(void **state)
{
	struct node_pm_seen s = able();

	(void)state;
	s.libvirt[PM_TARGET_MEM] = s.libvirt[PM_TARGET_DISK] = NODE_UNKNOWN;
	(void)snprintf(s.libvirt_error, sizeof(s.libvirt_error), "gone");
	judged(&s, PM_TARGET_MEM, NODE_PM_UNKNOWN, "cannot be asked: gone");
	/* but what the kernel does not have nobody has */
	s.swap_kib = 0;
	judged(&s, PM_TARGET_DISK, NODE_PM_NO, "no swap");
	/* and what could not be read says nothing */
	s.state[0] = s.disk[0] = '\0';
	s.swap_known = false;
	judged(&s, PM_TARGET_DISK, NODE_PM_UNKNOWN, "gone");
	s.libvirt[PM_TARGET_DISK] = NODE_YES;
	judged(&s, PM_TARGET_DISK, NODE_PM_YES, "");
}

/* Of a host that is somebody else's the files here say nothing. */
static void
libvirt_elsewhere(void **state)
{
	struct node_pm_seen s = able();

	(void)state;
	s.local = false;
	s.tool[PM_TARGET_MEM] = s.rtcwake = false;
	judged(&s, PM_TARGET_MEM, NODE_PM_YES, "");
}

static void
words_are_whole_words(void **state)
{
	(void)state;
	assert_true(node_pm_has_word("freeze mem disk", "mem"));
	assert_true(node_pm_has_word("[mem]", "mem"));
	assert_true(node_pm_has_word("memory mem", "mem"));
	assert_false(node_pm_has_word("memory", "mem"));
	assert_false(node_pm_has_word("tmem", "mem"));
	assert_false(node_pm_has_word("", "mem"));
}

static void
hosts_are_told_apart_by_whole_names(void **state)
{
	(void)state;
	assert_true(node_pm_same_host("host1", "host1"));
	assert_true(node_pm_same_host("host1.example.org", "host1"));
	assert_true(node_pm_same_host("host1", "host1.example.org"));
	assert_false(node_pm_same_host("host10", "host1"));
	assert_false(node_pm_same_host("host1", "host10.example.org"));
	assert_false(node_pm_same_host("host10.example.org", "host1.example.org"));
}

/* ---- a host's sleep -------------------------------------------------------------------- */

#define T0 UINT64_C(1000000)

static struct node_sleep
accepted(enum pm_target target)
{
	struct node_sleep n = { .phase = NODE_IDLE };
	struct frq_err err;

	assert_true(node_sleep_begin(&n, target, 60, T0 - 500, &err));
	assert_int_equal(n.phase, NODE_CHECKING);
	assert_int_equal(node_sleep_look(&n, T0, false, 3), NODE_STEP_NONE);
	assert_int_equal(node_sleep_due_ms(&n), UINT64_MAX);
	node_sleep_accepted(&n, T0, 3);
	return n;
}

static void
parked_a_second_before_it_sleeps(void **state)
{
	struct node_sleep n = accepted(PM_TARGET_MEM);

	(void)state;
	assert_int_equal(node_sleep_look(&n, T0 + 8999, false, 3), NODE_STEP_NONE);
	assert_int_equal(node_sleep_due_ms(&n), T0 + 9000);
	assert_int_equal(node_sleep_look(&n, T0 + 9000, false, 3), NODE_STEP_PARK);
	assert_int_equal(node_sleep_look(&n, T0 + 9001, false, 3), NODE_STEP_NONE);
	assert_int_equal(n.phase, NODE_PARKED);
	assert_int_equal(node_sleep_look(&n, T0 + 11000, true, 3), NODE_STEP_RESUMED);
	assert_int_equal(n.phase, NODE_IDLE);
}

static void
what_does_not_sleep_is_said(void **state)
{
	struct node_sleep n = accepted(PM_TARGET_MEM);
	uint64_t end = T0 + node_sleep_patience_ms(PM_TARGET_MEM);

	(void)state;
	assert_int_equal(node_sleep_look(&n, T0 + 9000, false, 3), NODE_STEP_PARK);
	assert_int_equal(node_sleep_due_ms(&n), end);
	assert_int_equal(node_sleep_look(&n, end - 1, false, 3), NODE_STEP_NONE);
	assert_int_equal(node_sleep_look(&n, end, false, 3), NODE_STEP_STAYED);
	assert_int_equal(n.phase, NODE_IDLE);
	assert_int_equal(node_sleep_look(&n, end + 1, false, 3), NODE_STEP_NONE);
	assert_true(node_sleep_patience_ms(PM_TARGET_DISK) > node_sleep_patience_ms(PM_TARGET_MEM));
}

static void
what_the_kernel_gives_up_is_said_at_once(void **state)
{
	struct node_sleep n = accepted(PM_TARGET_HYBRID);

	(void)state;
	assert_int_equal(node_sleep_look(&n, T0 + 9000, false, 3), NODE_STEP_PARK);
	assert_int_equal(node_sleep_look(&n, T0 + 12000, false, 4), NODE_STEP_STAYED);
	assert_int_equal(n.phase, NODE_IDLE);
}

/* A failed try and a sleep since the last look: it slept. */
static void
sleep_counts_more_than_a_failure(void **state)
{
	struct node_sleep n = accepted(PM_TARGET_MEM);

	(void)state;
	assert_int_equal(node_sleep_look(&n, T0 + 11000, true, 4), NODE_STEP_RESUMED);
}

static void
somebody_else_puts_it_to_sleep(void **state)
{
	struct node_sleep n = { .phase = NODE_IDLE };

	(void)state;
	assert_int_equal(node_sleep_look(&n, T0, true, 0), NODE_STEP_RESUMED);
	assert_int_equal(n.phase, NODE_IDLE);
	assert_int_equal(node_sleep_look(&n, T0 + 1000, false, 0), NODE_STEP_NONE);
}

static void
too_short_and_twice(void **state)
{
	struct node_sleep n = { .phase = NODE_IDLE };
	struct frq_err err;

	(void)state;
	assert_false(node_sleep_begin(&n, PM_TARGET_MEM, 59, T0, &err));
	assert_non_null(strstr(err.text, "60 s at least"));
	assert_int_equal(n.phase, NODE_IDLE);
	assert_true(node_sleep_begin(&n, PM_TARGET_MEM, 60, T0, &err));
	assert_false(node_sleep_begin(&n, PM_TARGET_DISK, 90, T0 + 4000, &err));
	assert_non_null(strstr(err.text, "already (mem, for 60 s)"));
	assert_non_null(strstr(err.text, "4 s ago"));
	node_sleep_accepted(&n, T0, 0);
	assert_false(node_sleep_begin(&n, PM_TARGET_MEM, 60, T0 + 5000, &err));
}

static void
clocks_part_while_it_sleeps(void **state)
{
	const uint64_t s = UINT64_C(1000000000);
	struct sleep_clock c;

	(void)state;
	/* read with 30 us between, the other way round later */
	sleep_clock_start(&c, 100 * s, 500 * s + 30000);
	assert_int_equal(sleep_clock_slept_ms(&c, 600 * s, 200 * s), 0);
	/* interrupted between the two readings for long: no sleep */
	assert_int_equal(sleep_clock_slept_ms(&c, 610 * s, 215 * s), 0);
	assert_in_range(sleep_clock_slept_ms(&c, 670 * s, 220 * s), 49900, 50000);
	assert_int_equal(sleep_clock_slept_ms(&c, 671 * s, 221 * s), 0);
	assert_in_range(sleep_clock_slept_ms(&c, 673 * s, 222 * s), 900, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suspended_to_memory_and_woken),
		cmocka_unit_test(map_from_before_the_event_says_nothing),
		cmocka_unit_test(map_alone_says_that_it_sleeps_but_not_since_when),
		cmocka_unit_test(suspended_to_disk_is_remembered_while_it_is_off),
		cmocka_unit_test(started_without_an_event_has_woken_up),
		cmocka_unit_test(destroyed_while_it_sleeps_is_off),
		cmocka_unit_test(memory_becomes_disk_since_the_first),
		cmocka_unit_test(file_keeps_what_was_written),
		cmocka_unit_test(all_agree),
		cmocka_unit_test(yes_that_does_not_work),
		cmocka_unit_test(yes_with_a_word_to_say),
		cmocka_unit_test(no_and_why),
		cmocka_unit_test(nobody_knows),
		cmocka_unit_test(libvirt_elsewhere),
		cmocka_unit_test(words_are_whole_words),
		cmocka_unit_test(hosts_are_told_apart_by_whole_names),
		cmocka_unit_test(parked_a_second_before_it_sleeps),
		cmocka_unit_test(what_does_not_sleep_is_said),
		cmocka_unit_test(what_the_kernel_gives_up_is_said_at_once),
		cmocka_unit_test(sleep_counts_more_than_a_failure),
		cmocka_unit_test(somebody_else_puts_it_to_sleep),
		cmocka_unit_test(too_short_and_twice),
		cmocka_unit_test(clocks_part_while_it_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
