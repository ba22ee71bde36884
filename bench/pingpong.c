/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pingpong.c - round trips between two CPUs of one machine
 */
#include <unistd.h>

#include "echo_report.h"
#include "thread.h"

static void *
answer(void *arg)
{
	echo_serve(arg, UINT64_MAX);
	return NULL;
}

enum bench_status
cmd_pingpong(struct bench *b, int argc, char **argv)
{
	struct frq_region r = FRQ_REGION_NONE;
	unsigned int near_cpu, far_cpu, n = ECHO_SAMPLES;
	enum bench_status status;
	struct frq_err err;
	bool all = false;
	pthread_t far;
	const struct bench_option options[] = {
		{ 'a', .given = &all },
		{ 'n', 1, ECHO_SAMPLES_MAX, .number = &n },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc - optind != 2 ||
	    !bench_number("CPU", argv[optind], 0, BENCH_CPU_MAX, &near_cpu) ||
	    !bench_number("CPU", argv[optind + 1], 0, BENCH_CPU_MAX, &far_cpu))
		return BENCH_USAGE;
	if (near_cpu == far_cpu) {
		bench_error("the CPUs have to be two");
		return BENCH_USAGE;
	}
	if (frq_region_memfd(&r, "freqring-bench", &err) < 0) {
		bench_error("%s", err.text);
		return BENCH_FAILED;
	}
	echo_prepare(&r);
	if (!thread_pin(near_cpu) || !thread_start(&far, far_cpu, answer, &r)) {
		frq_region_close(&r);
		return BENCH_FAILED;
	}
	status = echo_run(b, &r, "pingpong_rtt", all, 0, n);
	/* One that never answered is not waited for: the process ends. */
	if (status == BENCH_OK) {
		(void)pthread_join(far, NULL);
		frq_region_close(&r);
	}
	return status;
}
