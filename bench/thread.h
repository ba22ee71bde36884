/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread.h - where a thread of the suite runs
 */
#ifndef FRQ_BENCH_THREAD_H
#define FRQ_BENCH_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/** Pin the calling thread; false, and a sentence, where there is no such CPU. */
bool thread_pin(unsigned int cpu);

/** Start a thread on a CPU; false, and a sentence, where that fails. */
bool thread_start(pthread_t *t, unsigned int cpu, void *(*run)(void *arg), void *arg);

#endif /* FRQ_BENCH_THREAD_H */
