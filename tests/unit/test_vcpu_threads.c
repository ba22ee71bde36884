/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vcpu_threads.c - threads of this process by the names that QEMU gives */
#define _GNU_SOURCE 1
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vcpu_threads.h"

static void
names(void **state)
{
	static const struct {
		const char *name;
		int vcpu;
	} cases[] = {
		{ "CPU 0/KVM\n", 0 }, { "CPU 12/TCG", 12 }, { "CPU 255/KVM", 255 },
		{ "CPU 256/KVM", -1 }, { "CPU 99999999999/KVM", -1 }, { "CPU /KVM", -1 },
		{ "CPU -1/KVM", -1 }, { "CPU 1", -1 }, { "CPU 1x/KVM", -1 }, { "CPU", -1 },
		{ "ALL CPUs/TCG", -1 }, { "qemu-system-x86", -1 }, { "", -1 }, { " CPU 1/KVM", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(vcpu_of_thread_name(cases[i].name), cases[i].vcpu);
}

/* A thread that is called so until it is let go. */
struct false_vcpu {
	pthread_t thread;
	pthread_barrier_t there, go;
	const char *name;
};

static void *
be_vcpu(void *arg)
{
	struct false_vcpu *v = arg;

	(void)pthread_setname_np(pthread_self(), v->name);
	(void)pthread_barrier_wait(&v->there);
	(void)pthread_barrier_wait(&v->go);
	return NULL;
}

static void
start(struct false_vcpu *v, const char *name)
{
	v->name = name;
	assert_int_equal(pthread_barrier_init(&v->there, NULL, 2), 0);
	assert_int_equal(pthread_barrier_init(&v->go, NULL, 2), 0);
	assert_int_equal(pthread_create(&v->thread, NULL, be_vcpu, v), 0);
	(void)pthread_barrier_wait(&v->there);
}

static void
end(struct false_vcpu *v)
{
	(void)pthread_barrier_wait(&v->go);
	assert_int_equal(pthread_join(v->thread, NULL), 0);
	(void)pthread_barrier_destroy(&v->there);
	(void)pthread_barrier_destroy(&v->go);
}

/* A thread is joined a moment before the kernel has done with it, and nothing
 * tells when that is.
 */
static void
wait_gone(pid_t tid)
{
	for (unsigned int i = 0; tgkill(getpid(), tid, 0) == 0; i++) {
		assert_int_not_equal(i, 1000000);
		(void)sched_yield();
	}
}

static void
threads(void **state)
{
	struct false_vcpu a, b;
	struct vcpu_threads t;
	struct cpuset cpus, all = { 0 };
	cpu_set_t mine, one;
	int last = -1;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && cpu < (int)FRQ_MAX_CPUS; cpu++) {
		if (!CPU_ISSET((size_t)cpu, &mine))
			continue;
		cpuset_add(&all, (unsigned int)cpu);
		last = cpu;
	}
	start(&a, "CPU 0/TCG");
	start(&b, "CPU 200/KVM");
	vcpu_threads_find(&t, getpid());
	assert_int_equal(t.pid, getpid());
	assert_true(vcpu_threads_affinity(&t, 0, &cpus));
	assert_true(cpuset_equal(&cpus, &all));
	assert_false(vcpu_threads_affinity(&t, 1, &cpus));
	assert_true(cpuset_empty(&cpus));
	/* As taskset does. */
	CPU_ZERO(&one);
	CPU_SET((size_t)last, &one);
	assert_int_equal(sched_setaffinity(t.tid[200], sizeof(one), &one), 0);
	assert_true(vcpu_threads_affinity(&t, 200, &cpus));
	assert_int_equal(cpuset_count(&cpus), 1);
	assert_true(cpuset_has(&cpus, (unsigned int)last));
	end(&b);
	wait_gone(t.tid[200]);
	assert_false(vcpu_threads_affinity(&t, 200, &cpus));
	assert_true(vcpu_threads_affinity(&t, 0, &cpus));
	/* A number that is a thread of somebody else by now. */
	t.tid[1] = t.tid[0];
	t.pid = getppid();
	assert_false(vcpu_threads_affinity(&t, 1, &cpus));
	end(&a);
}

static void
no_process(void **state)
{
	struct vcpu_threads t;
	struct cpuset cpus;

	(void)state;
	vcpu_threads_find(&t, 0);
	assert_false(vcpu_threads_affinity(&t, 0, &cpus));
	vcpu_threads_find(&t, INT_MAX);
	assert_int_equal(t.pid, 0);
	assert_false(vcpu_threads_affinity(&t, 0, &cpus));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(threads),
		cmocka_unit_test(no_process),
	};

	return cmocka_run_group_tests_name("vcpu_threads", tests, NULL, NULL);
}
