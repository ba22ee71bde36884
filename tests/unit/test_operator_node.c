/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_operator_node.c - a host that is to sleep, and one that just does: who is
 * answered, and that the poller goes on
 *
 * operator_node.c with clocks that the test sets, and a poller, an applier and
 * libvirt that are the test's (--wrap).
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon.h"
#include "node_pm.h"
#include "operator_node.h"

#define S UINT64_C(1000000000)

static struct {
	struct daemon d;
	uint64_t awake_ns, asleep_ns;	/* since boot */
	bool parked, mute;		/* the poller; it does not answer */
	uint64_t generation, in_force;	/* of the applier's map */
	unsigned int jobs;
	void (*done)(json_t *result, const struct frq_err *err, void *arg);
	unsigned int answers;
	json_t *result;			/* of the last one, or NULL: failed, and why */
	char why[256];
} t;

/* ---- what stands around it ---------------------------------------------------- */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_poller_park(struct poller *p, bool parked);
uint64_t __wrap_vms_tell_host(struct vms *v, struct frq_host host);
uint64_t __wrap_vms_host_resumed(struct vms *v, struct frq_host host);
unsigned int __wrap_vms_nb_served(const struct vms *v);
uint64_t __wrap_applier_generation(const struct applier *a);
void __wrap_libvirt_watch_refresh(struct libvirt_watch *w);
int __wrap_libvirt_job_start(struct libvirt_jobs *jobs, const struct libvirt_job *job,
	struct frq_err *err);
struct rpc_pending *__wrap_control_defer(struct rpc_call *call);
void __wrap_control_answer(struct rpc_pending *pending, json_t *result, int code,
	const char *message);
int64_t __wrap_wake_alarm_get(void);
uint64_t __wrap_suspend_failures(void);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ns = t.awake_ns + (id == CLOCK_BOOTTIME ? t.asleep_ns : 0);

	if (id != CLOCK_MONOTONIC && id != CLOCK_BOOTTIME)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = (time_t)(ns / S);
	ts->tv_nsec = (long)(ns % S);
	return 0;
}

int
__wrap_poller_park(struct poller *p, bool parked)
{
	(void)p;
	if (t.mute)
		return -ETIMEDOUT;
	t.parked = parked;
	return 0;
}

uint64_t
__wrap_vms_tell_host(struct vms *v, struct frq_host host)
{
	(void)v, (void)host;
	return ++t.generation;
}

uint64_t
__wrap_vms_host_resumed(struct vms *v, struct frq_host host)
{
	(void)v, (void)host;
	return ++t.generation;
}

unsigned int
__wrap_vms_nb_served(const struct vms *v)
{
	(void)v;
	return 3;
}

uint64_t
__wrap_applier_generation(const struct applier *a)
{
	(void)a;
	return t.in_force;
}

void
__wrap_libvirt_watch_refresh(struct libvirt_watch *w)
{
	(void)w;
}

int
__wrap_libvirt_job_start(struct libvirt_jobs *jobs, const struct libvirt_job *job,
	struct frq_err *err)
{
	(void)jobs, (void)err;
	free(job->arg);
	t.jobs++;
	t.done = job->done;
	return 0;
}

struct rpc_pending *
__wrap_control_defer(struct rpc_call *call)
{
	(void)call;
	return (struct rpc_pending *)&t;
}

void
__wrap_control_answer(struct rpc_pending *pending, json_t *result, int code, const char *message)
{
	(void)pending, (void)code;
	json_decref(t.result);
	t.result = result;
	t.answers++;
	(void)snprintf(t.why, sizeof(t.why), "%s", message != NULL ? message : "");
}

int64_t
__wrap_wake_alarm_get(void)
{
	return 0;
}

uint64_t
__wrap_suspend_failures(void)
{
	return 0;
}

/* ---- what happens --------------------------------------------------------------- */

static int
set_up(void **state)
{
	struct frq_err err;

	(void)state;
	memset(&t, 0, sizeof(t));
	t.awake_ns = 1000 * S;
	t.d.base = event_base_new();
	assert_non_null(t.d.base);
	t.d.node = node_power_create(&t.d, &err);
	assert_non_null(t.d.node);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	node_power_free(t.d.node);
	event_base_free(t.d.base);
	json_decref(t.result);
	return 0;
}

static void
ask(bool verify)
{
	struct rpc_call call = { .arg = &t.d, .params = json_pack("{s:s, s:i, s:b}", "target",
		"mem", "seconds", 60, "verify", (int)verify) };

	t.answers = t.jobs = 0;
	assert_null(nodesuspend_run(&call));
	assert_int_equal(call.code, 0);
	json_decref(call.params);
}

static void
job_is_done(void)
{
	t.done(json_true(), NULL, t.d.node);
}

static void
job_fails(void)
{
	struct frq_err err;

	frq_err_set(&err, "refused");
	t.done(NULL, &err, t.d.node);
}

static void
map_is_in_force(void)
{
	t.in_force = t.generation;
	node_power_applied(t.d.node);
}

static void
pass(uint64_t seconds)
{
	t.awake_ns += seconds * S;
	node_power_tick(t.d.node);
}

static void
sleep_for(uint64_t seconds)
{
	t.asleep_ns += seconds * S;
	node_power_tick(t.d.node);
}

static void
assert_failed(const char *part)
{
	assert_int_equal(t.answers, 1);
	assert_null(t.result);
	if (strstr(t.why, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, t.why);
}

/* ---- a sleep of ours --------------------------------------------------------------- */

static void
asked_and_slept(bool verify)
{
	ask(verify);
	job_is_done();
	map_is_in_force();
	assert_int_equal(t.jobs, 2);
	job_is_done();
	assert_int_equal(t.answers, verify ? 0 : 1);
	assert_false(t.parked);
	pass(NODE_SUSPEND_DELAY_S - 1);
	assert_true(t.parked);
	sleep_for(30);
	assert_true(t.parked);
}

static void
goes_on_when_all_is_set(void **state)
{
	(void)state;
	asked_and_slept(false);
	map_is_in_force();
	assert_false(t.parked);
	assert_int_equal(t.answers, 1);
	assert_int_equal(json_integer_value(json_object_get(t.result, "told")), 3);
}

static void
verdict_survives_the_next_sleep(void **state)
{
	(void)state;
	asked_and_slept(true);
	sleep_for(7);
	map_is_in_force();
	assert_false(t.parked);
	assert_int_equal(t.answers, 1);
	assert_int_equal(json_integer_value(json_object_get(t.result, "slept_ms")), 30000);
	/* ... and is told once. */
	sleep_for(7);
	map_is_in_force();
	assert_int_equal(t.answers, 1);
}

/* ---- somebody else's, while one of ours is being asked for ------------------------------ */

static void
sleeps_while_it_is_checked(void **state)
{
	(void)state;
	ask(false);
	sleep_for(5);
	assert_true(t.parked);
	assert_failed("slept");
	/* What the check came to is nobody's any more. */
	job_fails();
	map_is_in_force();
	assert_false(t.parked);
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.jobs, 1);
}

static void
sleeps_while_guests_are_told(void **state)
{
	(void)state;
	ask(true);
	job_is_done();
	sleep_for(5);
	assert_failed("slept");
	map_is_in_force();
	assert_false(t.parked);
	/* libvirt is not asked. */
	assert_int_equal(t.jobs, 1);
	asked_and_slept(false);
}

static void
sleeps_while_libvirt_is_asked(void **state)
{
	(void)state;
	ask(true);
	job_is_done();
	map_is_in_force();
	sleep_for(5);
	assert_true(t.parked);
	/* It may have said yes already: that is heard first. */
	assert_int_equal(t.answers, 0);
	job_fails();
	assert_failed("refused");
	assert_true(t.parked);
	map_is_in_force();
	assert_false(t.parked);
}

static void
sleeps_before_libvirt_says_yes(void **state)
{
	(void)state;
	ask(true);
	job_is_done();
	map_is_in_force();
	sleep_for(5);
	job_is_done();
	map_is_in_force();
	assert_false(t.parked);
	assert_int_equal(t.answers, 0);
	pass(NODE_SUSPEND_DELAY_S - 1);
	assert_true(t.parked);
	sleep_for(40);
	map_is_in_force();
	assert_false(t.parked);
	assert_int_equal(json_integer_value(json_object_get(t.result, "slept_ms")), 40000);
}

/* ---- who does not answer ---------------------------------------------------------------- */

static void
poller_that_did_not_hear_is_told_again(void **state)
{
	(void)state;
	sleep_for(5);
	assert_true(t.parked);
	t.mute = true;
	map_is_in_force();
	pass(1);
	assert_true(t.parked);
	t.mute = false;
	pass(1);
	assert_false(t.parked);
	/* Before a sleep it stays as it is. */
	asked_and_slept(false);
	map_is_in_force();
	assert_false(t.parked);
}

static void
applier_that_hangs_keeps_nobody_waiting(void **state)
{
	(void)state;
	sleep_for(5);
	pass(1);
	assert_true(t.parked);
	pass(5);
	assert_false(t.parked);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(goes_on_when_all_is_set),
		T(verdict_survives_the_next_sleep),
		T(sleeps_while_it_is_checked),
		T(sleeps_while_guests_are_told),
		T(sleeps_while_libvirt_is_asked),
		T(sleeps_before_libvirt_says_yes),
		T(poller_that_did_not_hear_is_told_again),
		T(applier_that_hangs_keeps_nobody_waiting),
	};
#undef T

	return cmocka_run_group_tests_name("operator_node", tests, NULL, NULL);
}
