/* SPDX-License-Identifier: BSD-3-Clause */
/* thread.h - threads of the daemon beside EAL's */
#ifndef FRQ_THREAD_H
#define FRQ_THREAD_H

#include <pthread.h>

#include "cpuset.h"

/**
 * Start a thread that leaves signals to the others, but for the faults it makes
 * itself.
 *
 * @param name  at most 15 characters
 * @param affinity  where it may run; empty: where the caller may
 * @return 0 or a negative errno
 */
int frq_thread_create(pthread_t *thread, void *(*fn)(void *), void *arg, const char *name,
	const struct cpuset *affinity);

#endif /* FRQ_THREAD_H */
