/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eventfd.c - what a bare wake-up costs: from before write() to an eventfd to
 * after read() of it in a thread that slept on another CPU
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "report.h"
#include "thread.h"

#define SAMPLES		2000u
#define SAMPLES_MAX	1000000u
#define WARM_UP		20u
#define NAP_NS		100000L	/* in which the other one goes to sleep */

struct pair {
	int fd;
	unsigned int n;
	const struct tsc *tsc;
	uint64_t start;		/* before the write; the eventfd orders it */
	unsigned int taken;	/* wake-ups that are measured */
	struct samples s;
};

static void *
sleeper(void *arg)
{
	struct pair *p = arg;

	for (unsigned int i = 0; i < WARM_UP + p->n; i++) {
		uint64_t one, now;

		if (read(p->fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
			break;
		now = tsc_read();
		if (i >= WARM_UP)
			samples_add(&p->s, tsc_between(p->tsc, p->start, now));
		/* Pairs with the load in wake. */
		__atomic_store_n(&p->taken, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool
wake(struct pair *p)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	const uint64_t one = 1;

	for (unsigned int i = 0; i < WARM_UP + p->n; i++) {
		(void)nanosleep(&nap, NULL);
		p->start = tsc_read();
		if (write(p->fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
			return false;
		/* Pairs with the store in sleeper. */
		while (__atomic_load_n(&p->taken, __ATOMIC_ACQUIRE) != i + 1)
			(void)nanosleep(&nap, NULL);
	}
	return true;
}

enum bench_status
cmd_eventfd(struct bench *b, int argc, char **argv)
{
	struct pair p = { .n = SAMPLES, .tsc = &b->tsc };
	unsigned int near_cpu, far_cpu;
	pthread_t far;
	bool ok;
	const struct bench_option options[] = {
		{ 'n', 1, SAMPLES_MAX, .number = &p.n },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc - optind != 2 ||
	    !bench_number("CPU", argv[optind], 0, BENCH_CPU_MAX, &near_cpu) ||
	    !bench_number("CPU", argv[optind + 1], 0, BENCH_CPU_MAX, &far_cpu))
		return BENCH_USAGE;
	p.fd = eventfd(0, EFD_CLOEXEC);
	if (p.fd < 0 || samples_init(&p.s, p.n) < 0) {
		bench_error("no eventfd, or no memory: %s", strerror(errno));
		return BENCH_FAILED;
	}
	ok = thread_pin(near_cpu) && thread_start(&far, far_cpu, sleeper, &p);
	if (ok && wake(&p)) {
		(void)pthread_join(far, NULL);
		report_environment(b);
		(void)report_latency(b, "eventfd_wake", &p.s);
	} else if (ok) {
		bench_error("write to an eventfd: %s", strerror(errno));
		/* The sleeper still uses it: the process ends. */
		return BENCH_FAILED;
	}
	samples_free(&p.s);
	(void)close(p.fd);
	return ok ? BENCH_OK : BENCH_FAILED;
}
