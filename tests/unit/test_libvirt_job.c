/* SPDX-License-Identifier: BSD-3-Clause */
/* test_libvirt_job.c - operations with threads of their own, on libvirt's test driver */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "libvirt_job.h"

static struct event_base *base;

/* What done was told. */
struct outcome {
	unsigned int nb;
	json_t *result;
	char err[sizeof(struct frq_err)];
};

static void
take(json_t *result, const struct frq_err *err, void *arg)
{
	struct outcome *o = arg;

	o->nb++;
	o->result = result;
	(void)snprintf(o->err, sizeof(o->err), "%s", result == NULL ? err->text : "");
}

static struct libvirt_jobs *
create(const char *uri, unsigned int seconds)
{
	struct libvirt_jobs_config c = { .uri = uri, .seconds = seconds };
	struct libvirt_jobs *jobs;
	struct frq_err err;

	c.base = base = event_base_new();
	assert_non_null(base);
	jobs = libvirt_jobs_create(&c, &err);
	assert_non_null(jobs);
	return jobs;
}

static void
destroy(struct libvirt_jobs *jobs)
{
	libvirt_jobs_free(jobs);
	event_base_free(base);
}

/* Until so many were told, ten seconds at the most. */
static void
wait_for(const struct outcome *o, unsigned int nb)
{
	time_t end = time(NULL) + 10;

	while (o->nb < nb && time(NULL) < end)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(o->nb, nb);
}

static json_t *
count_domains(virConnectPtr conn, void *arg, struct frq_err *err)
{
	(void)arg, (void)err;
	return json_integer(virConnectNumOfDomains(conn));
}

static json_t *
fails(virConnectPtr conn, void *arg, struct frq_err *err)
{
	(void)conn;
	frq_err_set(err, "%s is not to be had", (const char *)arg);
	return NULL;
}

/* A gate that a job waits at. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static json_t *
pass_gate(virConnectPtr conn, void *arg, struct frq_err *err)
{
	(void)conn, (void)arg, (void)err;
	(void)pthread_mutex_lock(&gate);
	(void)pthread_mutex_unlock(&gate);
	return json_true();
}

static struct libvirt_job
job(const char *vm, bool changes, json_t *(*run)(virConnectPtr, void *, struct frq_err *),
	struct outcome *o)
{
	struct libvirt_job j = { .what = "attach", .changes = changes, .run = run, .done = take,
		.done_arg = o };

	(void)snprintf(j.vm, sizeof(j.vm), "%s", vm);
	return j;
}

static void
results(void **state)
{
	struct libvirt_jobs *jobs = create("test:///default", 30);
	struct outcome good = { .nb = 0 }, bad = { .nb = 0 };
	struct libvirt_job j;
	struct frq_err err;

	(void)state;
	j = job("a", false, count_domains, &good);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	wait_for(&good, 1);
	assert_int_equal(json_integer_value(good.result), 1);
	json_decref(good.result);
	j = job("a", true, fails, &bad);
	j.arg = strdup("it");
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	wait_for(&bad, 1);
	assert_null(bad.result);
	assert_string_equal(bad.err, "it is not to be had");
	destroy(jobs);
}

static void
no_libvirt(void **state)
{
	struct libvirt_jobs *jobs = create("qemu+unix:///system?socket=/nonexistent/sock", 30);
	struct outcome o = { .nb = 0 };
	struct libvirt_job j = job("a", true, count_domains, &o);
	struct frq_err err;

	(void)state;
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	wait_for(&o, 1);
	assert_non_null(strstr(o.err, "attach: libvirt at qemu+unix:///system?socket=/nonexistent/sock cannot be reached: "));
	destroy(jobs);
}

static void
one_a_vm(void **state)
{
	struct libvirt_jobs *jobs = create("test:///default", 30);
	struct outcome first = { .nb = 0 }, other = { .nb = 0 };
	struct libvirt_job j = job("a", true, pass_gate, &first);
	struct frq_err err;

	(void)state;
	(void)pthread_mutex_lock(&gate);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	j.arg = malloc(1);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), -EBUSY);
	assert_string_equal(err.text, "VM a: another operator's attach is under way, try again when it is done");
	/* Who only looks, or means another one, does not wait. */
	j = job("a", false, count_domains, &other);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	wait_for(&other, 1);
	json_decref(other.result);
	j = job("b", true, count_domains, &other);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	wait_for(&other, 2);
	json_decref(other.result);
	assert_int_equal(first.nb, 0);
	(void)pthread_mutex_unlock(&gate);
	wait_for(&first, 1);
	assert_true(json_is_true(first.result));
	j = job("a", true, pass_gate, &first);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	wait_for(&first, 2);
	destroy(jobs);
}

static void
too_many(void **state)
{
	struct libvirt_jobs *jobs = create("test:///default", 30);
	struct outcome o = { .nb = 0 };
	struct libvirt_job j;
	struct frq_err err;
	char vm[8];

	(void)state;
	(void)pthread_mutex_lock(&gate);
	/* Who only looks leaves room for those who change something. */
	j = job("a", false, pass_gate, &o);
	for (unsigned int i = 0; i < LIBVIRT_JOBS_MAX / 2; i++)
		assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), -EBUSY);
	for (unsigned int i = 0; i < LIBVIRT_JOBS_MAX / 2; i++) {
		(void)snprintf(vm, sizeof(vm), "%u", i);
		j = job(vm, true, pass_gate, &o);
		assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	}
	j = job("b", true, pass_gate, &o);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), -EBUSY);
	assert_string_equal(err.text, "attach: 8 operations are under way in libvirt already, try again");
	(void)pthread_mutex_unlock(&gate);
	wait_for(&o, LIBVIRT_JOBS_MAX);
	destroy(jobs);
}

/* The answer comes in time, the job goes on, and nobody is told twice. */
static void
takes_too_long(void **state)
{
	struct libvirt_jobs *jobs = create("test:///default", 1);
	struct outcome o = { .nb = 0 }, next = { .nb = 0 };
	struct libvirt_job j = job("a", true, pass_gate, &o);
	struct frq_err err;

	(void)state;
	(void)pthread_mutex_lock(&gate);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	wait_for(&o, 1);
	assert_null(o.result);
	assert_non_null(strstr(o.err, "VM a: attach is still under way in libvirt after 1 s"));
	assert_int_equal(libvirt_job_start(jobs, &j, &err), -EBUSY);
	(void)pthread_mutex_unlock(&gate);
	j = job("a", true, count_domains, &next);
	while (libvirt_job_start(jobs, &j, &err) == -EBUSY)
		(void)event_base_loop(base, EVLOOP_ONCE);
	wait_for(&next, 1);
	json_decref(next.result);
	assert_int_equal(o.nb, 1);
	destroy(jobs);
}

/* One that does not end is left behind, told so, and frees what it has later. */
static void
left_behind(void **state)
{
	struct libvirt_jobs *jobs = create("test:///default", 30);
	struct outcome o = { .nb = 0 }, quick = { .nb = 0 };
	struct libvirt_job j = job("a", true, pass_gate, &o);
	struct timespec a, b;
	struct frq_err err;

	(void)state;
	(void)pthread_mutex_lock(&gate);
	j.arg = malloc(1);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	j = job("b", false, count_domains, &quick);
	assert_int_equal(libvirt_job_start(jobs, &j, &err), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	destroy(jobs);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	assert_in_range((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 1500, 4000);
	assert_int_equal(o.nb, 1);
	assert_string_equal(o.err, "VM a: freqringd ends while attach is under way in libvirt");
	assert_int_equal(quick.nb, 1);
	json_decref(quick.result);
	(void)pthread_mutex_unlock(&gate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results),
		cmocka_unit_test(no_libvirt),
		cmocka_unit_test(one_a_vm),
		cmocka_unit_test(too_many),
		cmocka_unit_test(takes_too_long),
		cmocka_unit_test(left_behind),
	};

	return cmocka_run_group_tests_name("libvirt_job", tests, NULL, NULL);
}
