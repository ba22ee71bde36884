/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo_report.h - measure from the near side and print, for its subcommands
 */
#ifndef FRQ_BENCH_ECHO_REPORT_H
#define FRQ_BENCH_ECHO_REPORT_H

#include "bench.h"
#include "echo.h"

#define ECHO_SAMPLES		200000u
#define ECHO_SAMPLES_MAX	100000000u

/**
 * @param word_id  the id of the bare word's measure
 * @param all  the ring modes as well, and their ratios to the bare word
 * @param rate  a second at which they are due; 0: one after another
 * @param n  samples of each, about
 */
enum bench_status echo_run(struct bench *b, struct frq_region *r, const char *word_id,
	bool all, unsigned int rate, unsigned int n);

#endif /* FRQ_BENCH_ECHO_REPORT_H */
