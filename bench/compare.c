/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * compare.c - two results.json side by side: is something worse than it was?
 *
 * Compared are p50 and p99 of latencies and the figure of all else, each where both
 * files give a number. Tails beyond that are the machine's as a rule, and not judged.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "results.h"

#define THRESHOLD	20u	/* percent */
#define THRESHOLD_MAX	1000u

struct tally {
	double threshold;	/* ratio */
	unsigned int compared, worse, better, not;
};

static const char *const figures[] = { "p50_ns", "p99_ns", "per_second", "cpu_share", "bytes",
	"instructions" };

/* @return above 1: worse */
static double
worsening(const char *figure, double old, double new)
{
	return strcmp(figure, "per_second") == 0 ? old / new : new / old;
}

static void
compare_figure(struct tally *t, const char *id, const char *figure, const json_t *old,
	const json_t *new)
{
	const char *verdict = "";
	char was[64], is[64];
	double a, b, worse;

	if (!results_figure(old, figure, &a) || !results_figure(new, figure, &b) || a <= 0 || b <= 0) {
		if (json_object_get(old, figure) == NULL && json_object_get(new, figure) == NULL)
			return;
		t->not++;
		measure_text(was, sizeof(was), old, figure);
		measure_text(is, sizeof(is), new, figure);
		printf("%-32s %-12s %12s %12s  not compared\n", id, figure, was, is);
		return;
	}
	worse = worsening(figure, a, b);
	t->compared++;
	if (worse > t->threshold) {
		verdict = "WORSE";
		t->worse++;
	} else if (worse < 1 / t->threshold) {
		verdict = "better";
		t->better++;
	}
	figure_text(was, sizeof(was), figure, a);
	figure_text(is, sizeof(is), figure, b);
	printf("%-32s %-12s %12s %12s %7.2f  %s\n", id, figure, was, is, b / a, verdict);
}

static void
compare_all(struct tally *t, const json_t *old, json_t *new)
{
	json_t *is;
	const char *id;

	printf("%-32s %-12s %12s %12s %7s\n", "measure", "figure", "old", "new", "new/old");
	json_object_foreach(json_object_get(new, "measures"), id, is) {
		const json_t *was = results_measure(old, id);

		if (was == NULL || results_skipped(was) != NULL || results_skipped(is) != NULL) {
			t->not++;
			continue;
		}
		for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
			compare_figure(t, id, figures[i], was, is);
	}
}

static void
warn_of_differences(const json_t *old, const json_t *new)
{
	static const char *const keys[] = { "cpu", "cpus", "virtualised", "kernel", "accelerator",
		"governor" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *a = json_object_get(json_object_get(old, "environment"), keys[i]);
		const json_t *b = json_object_get(json_object_get(new, "environment"), keys[i]);

		if (a != NULL && b != NULL && !json_equal(a, b))
			printf("the machines differ: %s\n", keys[i]);
	}
}

enum bench_status
cmd_compare(struct bench *b, int argc, char **argv)
{
	unsigned int percent = THRESHOLD;
	struct tally t = { 0 };
	json_t *old, *new;
	const struct bench_option options[] = {
		{ 't', 1, THRESHOLD_MAX, .number = &percent },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc - optind != 2)
		return BENCH_USAGE;
	t.threshold = 1 + percent / 100.0;
	old = results_load(argv[optind]);
	new = results_load(argv[optind + 1]);
	if (old != NULL && new != NULL) {
		warn_of_differences(old, new);
		compare_all(&t, old, new);
		printf("%u figures: %u worse by more than %u %%, %u better; %u could not be compared\n",
			t.compared, t.worse, percent, t.better, t.not);
	}
	json_decref(old);
	json_decref(new);
	return old != NULL && new != NULL && t.worse == 0 ? BENCH_OK : BENCH_FAILED;
}
