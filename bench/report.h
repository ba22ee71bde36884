/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * report.h - print what was measured: a line for people, or a JSON object
 *
 * `id` names the measure for programs and does not change between versions;
 * it is the `label` in the line for people.
 */
#ifndef FRQ_BENCH_REPORT_H
#define FRQ_BENCH_REPORT_H

#include <stddef.h>

#include "bench.h"
#include "percentiles.h"

/** Where this was measured: processor, virtualised by what, kernel. */
void report_environment(const struct bench *b);

/** Percentiles of samples in ticks; sorts them. @return the median in ns */
double report_latency(const struct bench *b, const char *id, struct samples *s);

/** Rounds of one figure; sorts them. @return the median */
double report_rounds(const struct bench *b, const char *id, const char *unit, double *v,
	size_t n);

/** `name`, and where requests came at a fixed rate "_open_RATE" behind it. */
void report_paced_id(char *id, size_t size, const char *name, unsigned int rate);

void report_ratio(const struct bench *b, const char *id, double ratio);

#endif /* FRQ_BENCH_REPORT_H */
