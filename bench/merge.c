/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * merge.c - results.json out of the lines that the subcommands printed with -o json
 *
 * A line is one run of a latency, or some rounds of a figure, each of which is a run.
 * Lines of one id are put together. Others that are understood: {"id": ID,
 * "skipped": why}, counts only where ID has no run; {"id": "environment", ...},
 * whose members are put together, and the same with "guest_environment", which
 * becomes "guest" in there.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banner.h"
#include "bench.h"
#include "histogram.h"
#include "percentiles.h"
#include "results.h"

#define PRINT_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(7))

static const char *const percentiles[] = { "p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns" };

/* What a unit of rounds is called as a figure. */
static const struct {
	const char *unit, *figure;
	double factor;
} units[] = {
	{ "ns", "p50_ns", 1 },
	{ "Mreq/s", "per_second", 1e6 },
	{ "req/s", "per_second", 1 },
	{ "share", "cpu_share", 1 },
	{ "bytes", "bytes", 1 },
	{ "instructions", "instructions", 1 },
};

/* ---- lines ----------------------------------------------------------------------- */

static json_t *
child(json_t *parent, const char *name, json_t *(*make)(void))
{
	json_t *c = json_object_get(parent, name);

	if (c == NULL) {
		c = make();
		(void)json_object_set_new(parent, name, c);
	}
	return c;
}

static void
add_run(json_t *measure, const char *figure, double value)
{
	json_t *runs = child(child(measure, "run_values", json_object), figure, json_array);

	(void)json_array_append_new(runs, json_real(value));
}

static bool
add_rounds(json_t *measure, const json_t *line)
{
	const char *unit = json_string_value(json_object_get(line, "unit"));
	const json_t *value;
	size_t i, u;

	for (u = 0; u < sizeof(units) / sizeof(units[0]); u++)
		if (unit != NULL && strcmp(unit, units[u].unit) == 0)
			break;
	if (u == sizeof(units) / sizeof(units[0]))
		return false;
	json_array_foreach(json_object_get(line, "values"), i, value)
		add_run(measure, units[u].figure, json_number_value(value) * units[u].factor);
	return true;
}

static bool
add_latency(json_t *measure, const json_t *line)
{
	json_t *samples = json_object_get(line, "samples");
	json_t *all = child(measure, "histogram", json_array);
	json_int_t sum = json_integer_value(json_object_get(measure, "samples"));

	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		add_run(measure, percentiles[i],
			json_number_value(json_object_get(line, percentiles[i])));
	add_run(measure, "max_ns", json_number_value(json_object_get(line, "max_ns")));
	(void)json_object_set_new(measure, "samples",
		json_integer(sum + json_integer_value(samples)));
	return json_array_extend(all, json_object_get(line, "histogram")) == 0;
}

static bool
add_measure(json_t *measures_, const char *id, json_t *line)
{
	json_t *measure = child(measures_, id, json_object);

	if (json_object_get(line, "skipped") != NULL)
		return json_object_set(measure, "skipped", json_object_get(line, "skipped")) == 0;
	if (json_object_get(line, "values") != NULL)
		return add_rounds(measure, line);
	if (json_object_get(line, "stalls") != NULL) {
		(void)json_object_del(line, "id");
		return json_object_update(measure, line) == 0;
	}
	return add_latency(measure, line);
}

static bool
add_line(json_t *results, const char *text)
{
	json_t *environment = child(results, "environment", json_object);
	json_t *line = json_loads(text, 0, NULL);
	char id[64];
	bool ok;

	if (line == NULL || json_string_value(json_object_get(line, "id")) == NULL) {
		json_decref(line);
		return false;
	}
	(void)snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(line, "id")));
	if (strcmp(id, "environment") != 0 && strcmp(id, "guest_environment") != 0) {
		ok = add_measure(child(results, "measures", json_object), id, line);
	} else {
		(void)json_object_del(line, "id");
		ok = json_object_update(strcmp(id, "environment") == 0 ? environment :
			child(environment, "guest", json_object), line) == 0;
	}
	json_decref(line);
	return ok;
}

static bool
read_lines(json_t *results, FILE *f)
{
	size_t size = 0, number = 0;
	char *text = NULL;
	bool ok = true;

	while (getline(&text, &size, f) > 0) {
		number++;
		if (text[0] == '\n' || add_line(results, text))
			continue;
		bench_error("line %zu: no measure as freqring-bench -o json prints it", number);
		ok = false;
	}
	free(text);
	return ok;
}

/* ---- figures out of runs ------------------------------------------------------------ */

/* Of buckets that came in several runs, one each. */
static bool
put_together(json_t *measure, struct histogram *h)
{
	const json_t *all = json_object_get(measure, "histogram"), *pair;
	json_t *one = json_array();
	size_t i;

	*h = (struct histogram){ .total = 0 };
	json_array_foreach(all, i, pair)
		histogram_add(h, json_number_value(json_array_get(pair, 0)),
			(uint64_t)json_integer_value(json_array_get(pair, 1)));
	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (h->count[i] != 0)
			(void)json_array_append_new(one, json_pack("[f,I]",
				histogram_bucket_ns((unsigned int)i), (json_int_t)h->count[i]));
	return json_object_set_new(measure, "histogram", one) == 0;
}

static void
set_figure(json_t *measure, const char *name, json_t *spreads)
{
	double v[RESULTS_RUNS_MAX], m, spread;
	size_t n = results_runs(measure, name, v, RESULTS_RUNS_MAX);
	bool is_max = strcmp(name, "max_ns") == 0;

	m = median(v, n);
	spread = spread_of(v, n);
	(void)json_object_set_new(spreads, name, isnan(spread) ? json_null() : json_real(spread));
	if (is_max)
		m = v[n - 1];
	(void)json_object_set_new(measure, name, !is_max && spread > spread_limit(name) ?
		json_null() : json_real(m));
}

static void
set_figures(json_t *measure)
{
	json_t *runs = json_object_get(measure, "run_values"), *each, *spreads = json_object();
	const char *name;
	size_t n = 0;

	json_object_foreach(runs, name, each) {
		n = json_array_size(each);
		set_figure(measure, name, spreads);
	}
	(void)json_object_set_new(measure, "runs", json_integer((json_int_t)n));
	name = results_first_figure(measure);
	if (name != NULL)
		(void)json_object_set(measure, "spread", json_object_get(spreads, name));
	(void)json_object_set_new(measure, "spreads", spreads);
}

static bool
write_hgrm(const char *dir, const char *id, const struct histogram *h)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.hgrm", dir, id);
	f = fopen(path, "w");
	if (f != NULL) {
		histogram_write(h, f);
		if (fclose(f) == 0)
			return true;
	}
	bench_error("%s: %s", path, strerror(errno));
	return false;
}

static bool
finish_measure(const char *id, json_t *measure, const char *dir)
{
	static struct histogram h;
	const struct measure *known = measure_find(id);

	if (known != NULL)
		(void)json_object_set_new(measure, "title", json_string(known->title));
	if (json_object_get(measure, "run_values") == NULL)
		return true;
	(void)json_object_del(measure, "skipped");
	set_figures(measure);
	if (json_object_get(measure, "histogram") == NULL)
		return true;
	return put_together(measure, &h) && (dir == NULL || write_hgrm(dir, id, &h));
}

static bool
finish(json_t *results, const char *dir)
{
	json_t *all = child(results, "measures", json_object), *measure;
	const char *id;
	bool ok = true;

	(void)child(results, "environment", json_object);
	for (const struct measure *m = measures; m->id != NULL; m++)
		if (m->required && json_object_get(all, m->id) == NULL)
			(void)json_object_set_new(all, m->id,
				json_pack("{s:s}", "skipped", "not measured in this run"));
	json_object_foreach(all, id, measure)
		ok &= finish_measure(id, measure, dir);
	banner_set(results);
	return ok;
}

/* ---- the file ------------------------------------------------------------------------ */

static void
print_member(const char *name, const json_t *value, const char *comma)
{
	char *text = json_dumps(value, PRINT_FLAGS);

	printf("%s\n\"%s\":%s", comma, name, text != NULL ? text : "null");
	free(text);
}

/* A line each, so that people and diff can read it. */
static void
print_results(json_t *results)
{
	json_t *all = json_object_get(results, "measures"), *measure;
	const char *comma = "", *id;

	printf("{");
	print_member("environment", json_object_get(results, "environment"), "");
	printf(",\n\"measures\":{");
	for (const struct measure *m = measures; m->id != NULL; m++) {
		measure = json_object_get(all, m->id);
		if (measure == NULL)
			continue;
		print_member(m->id, measure, comma);
		comma = ",";
	}
	json_object_foreach(all, id, measure) {
		if (measure_find(id) != NULL)
			continue;
		print_member(id, measure, comma);
		comma = ",";
	}
	printf("\n}}\n");
}

enum bench_status
cmd_merge(struct bench *b, int argc, char **argv)
{
	const char *dir = NULL;
	json_t *results;
	FILE *f;
	bool ok;
	const struct bench_option options[] = {
		{ 'd', .text = &dir },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc - optind != 1)
		return BENCH_USAGE;
	f = fopen(argv[optind], "r");
	if (f == NULL) {
		bench_error("%s: %s", argv[optind], strerror(errno));
		return BENCH_FAILED;
	}
	results = json_object();
	ok = read_lines(results, f) && finish(results, dir);
	(void)fclose(f);
	if (ok)
		print_results(results);
	json_decref(results);
	return ok ? BENCH_OK : BENCH_FAILED;
}
