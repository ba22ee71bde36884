/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpu_share.c - the share of a CPU that a process takes, all its threads together
 *
 * From the scheduler's own count of nanoseconds (/proc/PID/task/TID/schedstat):
 * the ticks in /proc/PID/stat are too coarse for what sleeps nearly always.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

#define ROUNDS		5u
#define ROUNDS_MAX	99u
#define MS		1000u
#define MS_MAX		60000u

/* @return false where the process is gone, or the kernel does not count */
static bool
run_ns(unsigned int pid, uint64_t *ns)
{
	char pattern[64];
	bool any = false;
	glob_t g;

	*ns = 0;
	(void)snprintf(pattern, sizeof(pattern), "/proc/%u/task/*/schedstat", pid);
	if (glob(pattern, 0, NULL, &g) != 0)
		g.gl_pathc = 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");
		uint64_t n;

		/* A thread may end meanwhile. */
		if (f == NULL)
			continue;
		if (fscanf(f, "%" SCNu64, &n) == 1) {
			*ns += n;
			any = true;
		}
		(void)fclose(f);
	}
	globfree(&g);
	return any;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

enum bench_status
cmd_cpu_share(struct bench *b, int argc, char **argv)
{
	unsigned int rounds = ROUNDS, ms = MS, pid;
	double share[ROUNDS_MAX];
	struct timespec nap;
	const struct bench_option options[] = {
		{ 'r', 1, ROUNDS_MAX, .number = &rounds },
		{ 't', 10, MS_MAX, .number = &ms },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc - optind != 1 ||
	    !bench_number("PID", argv[optind], 1, 4194304, &pid))
		return BENCH_USAGE;
	nap = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	for (unsigned int r = 0; r < rounds; r++) {
		uint64_t start = now_ns(), before, after;
		bool ok = run_ns(pid, &before);

		(void)nanosleep(&nap, NULL);
		if (!ok || !run_ns(pid, &after)) {
			bench_error("process %u: gone, or the kernel does not count its time", pid);
			return BENCH_FAILED;
		}
		share[r] = (double)(after - before) / (double)(now_ns() - start);
	}
	report_environment(b);
	(void)report_rounds(b, "idle_cpu", "share", share, rounds);
	return BENCH_OK;
}
