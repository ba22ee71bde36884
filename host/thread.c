/* SPDX-License-Identifier: BSD-3-Clause */
#include "thread.h"

#include <sched.h>
#include <signal.h>
#include <string.h>

#include "log.h"

int
frq_thread_create(pthread_t *thread, void *(*fn)(void *), void *arg, const char *name,
	const struct cpuset *affinity)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP };
	sigset_t blocked, before;
	cpu_set_t set;
	int ret;

	(void)sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&blocked, faults[i]);
	(void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
	ret = pthread_create(thread, NULL, fn, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret != 0)
		return -ret;
	(void)pthread_setname_np(*thread, name);
	CPU_ZERO(&set);
	CPUSET_FOREACH(cpu, affinity)
		CPU_SET(cpu, &set);
	if (!cpuset_empty(affinity)) {
		ret = pthread_setaffinity_np(*thread, sizeof(set), &set);
		if (ret != 0)
			FRQ_LOG(WARNING, "thread %s cannot be put on its CPUs: %s", name,
				strerror(ret));
	}
	return 0;
}
