/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "percentiles.h"
#include "results.h"

#define SPREAD_LIMIT		0.5
#define SPREAD_LIMIT_TAIL	2.0	/* p99 and beyond: few samples, each from a stall */

static const char *const first_figures[] = { "p50_ns", "per_second", "cpu_share", "bytes",
	"instructions" };

json_t *
results_load(const char *path)
{
	json_error_t error;
	json_t *r = json_load_file(path, 0, &error);

	if (r == NULL) {
		bench_error("%s: line %d: %s", path, error.line, error.text);
		return NULL;
	}
	if (json_is_object(json_object_get(r, "measures")) &&
	    json_is_object(json_object_get(r, "environment")))
		return r;
	bench_error("%s: no results of freqring-bench: no \"environment\" and \"measures\"", path);
	json_decref(r);
	return NULL;
}

const json_t *
results_measure(const json_t *results, const char *id)
{
	return json_object_get(json_object_get(results, "measures"), id);
}

const char *
results_skipped(const json_t *measure)
{
	return json_string_value(json_object_get(measure, "skipped"));
}

bool
results_figure(const json_t *measure, const char *name, double *value)
{
	const json_t *v = json_object_get(measure, name);

	if (!json_is_number(v))
		return false;
	*value = json_number_value(v);
	return true;
}

size_t
results_runs(const json_t *measure, const char *name, double *v, size_t n)
{
	const json_t *runs = json_object_get(json_object_get(measure, "run_values"), name);
	size_t nb = json_array_size(runs);

	if (nb > n)
		nb = n;
	for (size_t i = 0; i < nb; i++)
		v[i] = json_number_value(json_array_get(runs, i));
	return nb;
}

const char *
results_first_figure(const json_t *measure)
{
	for (size_t i = 0; i < sizeof(first_figures) / sizeof(first_figures[0]); i++)
		if (json_object_get(measure, first_figures[i]) != NULL)
			return first_figures[i];
	return NULL;
}

double
spread_of(double *v, size_t n)
{
	double m;

	if (n < 3)
		return NAN;
	m = median(v, n);
	return m != 0 ? (v[n - 1 - n / 4] - v[n / 4]) / fabs(m) : 0;
}

double
spread_limit(const char *figure)
{
	if (strcmp(figure, "p50_ns") == 0 || strcmp(figure, "p90_ns") == 0 ||
	    strncmp(figure, "p9", 2) != 0)
		return SPREAD_LIMIT;
	return SPREAD_LIMIT_TAIL;
}

static void
scaled(char *text, size_t size, double value, const char *const *unit)
{
	int digits = 0;

	while (unit[1] != NULL && fabs(value) >= 999.5) {
		value /= 1000;
		unit++;
	}
	if (value != 0 && fabs(value) < 99.95)
		digits = fabs(value) < 9.995 ? 2 : 1;
	(void)snprintf(text, size, "%.*f %s", digits, value, *unit);
}

void
figure_text(char *text, size_t size, const char *figure, double value)
{
	static const char *const time[] = { "ns", "µs", "ms", "s", NULL };
	static const char *const rate[] = { "/s", "k/s", "M/s", "G/s", NULL };
	static const char *const bytes[] = { "B", "kB", "MB", "GB", NULL };
	size_t n = strlen(figure);

	if (n > 3 && strcmp(figure + n - 3, "_ns") == 0)
		scaled(text, size, value, time);
	else if (strcmp(figure, "per_second") == 0)
		scaled(text, size, value, rate);
	else if (strcmp(figure, "bytes") == 0)
		scaled(text, size, value, bytes);
	else if (strcmp(figure, "cpu_share") == 0)
		(void)snprintf(text, size, "%.1f %%", 100 * value);
	else
		(void)snprintf(text, size, "%.1f", value);
}

void
measure_text(char *text, size_t size, const json_t *measure, const char *figure)
{
	double v[RESULTS_RUNS_MAX], value;
	char low[32], high[32];
	size_t n;

	if (results_figure(measure, figure, &value)) {
		figure_text(text, size, figure, value);
		return;
	}
	n = results_runs(measure, figure, v, RESULTS_RUNS_MAX);
	if (n == 0) {
		(void)snprintf(text, size, "–");
		return;
	}
	(void)median(v, n);	/* sorts */
	figure_text(low, sizeof(low), figure, v[0]);
	figure_text(high, sizeof(high), figure, v[n - 1]);
	(void)snprintf(text, size, "too wide: %s to %s", low, high);
}
