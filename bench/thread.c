/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "bench.h"
#include "thread.h"

static void
one_cpu(cpu_set_t *set, unsigned int cpu)
{
	CPU_ZERO(set);
	CPU_SET(cpu, set);
}

bool
thread_pin(unsigned int cpu)
{
	cpu_set_t set;

	one_cpu(&set, cpu);
	if (sched_setaffinity(0, sizeof(set), &set) == 0)
		return true;
	bench_error("CPU %u: cannot run there: %s", cpu, strerror(errno));
	return false;
}

bool
thread_start(pthread_t *t, unsigned int cpu, void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	one_cpu(&set, cpu);
	(void)pthread_attr_init(&attr);
	ret = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (ret == 0)
		ret = pthread_create(t, &attr, run, arg);
	(void)pthread_attr_destroy(&attr);
	if (ret != 0)
		bench_error("CPU %u: cannot start a thread there: %s", cpu, strerror(ret));
	return ret == 0;
}
