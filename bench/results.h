/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * results.h - results.json: what a whole run of the suite measured
 *
 *	{ "environment": {...}, "measures": { ID: {...}, ... } }
 *
 * A measure has figures (p50_ns ... max_ns, per_second, cpu_share, bytes), each the
 * median of its runs but max_ns, which is the longest of all; `runs`, how many;
 * `run_values`, each run's figures; `spreads`, for each figure the distance of the
 * quartiles of its runs over their median; `spread`, that of the first figure; and
 * for latencies `samples` and `histogram`, [ns, count] of all runs. A figure whose
 * spread is too wide is null. What could not be measured has "skipped": why.
 */
#ifndef FRQ_BENCH_RESULTS_H
#define FRQ_BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define RESULTS_RUNS_MAX 64u

/* What is measured, in the order in which it is shown. */
struct measure {
	const char *id;
	const char *title;
	const char *section;	/* of the report; NULL: not in a table */
	bool required;		/* has to be in results.json, skipped or not */
};

extern const struct measure measures[];	/* ends with id == NULL */

/** NULL where the id is not in the list. */
const struct measure *measure_find(const char *id);

/** @return the whole, to be json_decref()ed, or NULL after a sentence */
json_t *results_load(const char *path);

/** The measure, or NULL where it is not there. */
const json_t *results_measure(const json_t *results, const char *id);

/** Why it was not measured, or NULL. */
const char *results_skipped(const json_t *measure);

/** One of its figures; false where it has none, or its spread is too wide. */
bool results_figure(const json_t *measure, const char *name, double *value);

/** The runs of a figure, in their order. @return how many, at most n */
size_t results_runs(const json_t *measure, const char *name, double *v, size_t n);

/** The figure that stands for the measure: "p50_ns", "per_second", ... or NULL. */
const char *results_first_figure(const json_t *measure);

/** Distance of the quartiles over the median; sorts. NAN for less than three. */
double spread_of(double *v, size_t n);

/** The spread from which on no number is given: tails may differ more. */
double spread_limit(const char *figure);

/** A value as people read it: "130 ns", "1.05 ms", "161 M/s", "99.8 %". */
void figure_text(char *text, size_t size, const char *figure, double value);

/** The same of a measure's figure, or that it is too wide, and from where to where. */
void measure_text(char *text, size_t size, const json_t *measure, const char *figure);

#endif /* FRQ_BENCH_RESULTS_H */
