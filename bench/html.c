/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * html.c - results.json as one page that needs nothing else
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "html.h"
#include "results.h"
#include "targets.h"

static const char style[] =
	"body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;max-width:70rem;margin:2rem auto;"
	"padding:0 1rem}"
	"h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.25rem;margin-top:2.2rem;"
	"border-bottom:1px solid #ccc}h3{font-size:1rem;margin:1.2rem 0 .3rem}"
	"table{border-collapse:collapse;width:100%;margin:.6rem 0}"
	"th,td{padding:.25rem .5rem;border-bottom:1px solid #e4e4e4;text-align:right;"
	"vertical-align:top;white-space:nowrap}"
	"th{font-weight:600;border-bottom:2px solid #999}"
	"th:first-child,td:first-child,td.text{text-align:left;white-space:normal}"
	"td.why{text-align:left;color:#555;white-space:normal}"
	"td.measured{white-space:normal;max-width:26rem}"
	"td.wide{color:#8a5a00;font-size:.85em;white-space:normal}"
	"code{font-size:.85em;color:#666}"
	".banner{background:#fff3cd;border:1px solid #e0a100;padding:.5rem .8rem;margin:.5rem 0}"
	".met{color:#1b6e3c;font-weight:600}.missed{color:#b3261e;font-weight:600}"
	".open{color:#8a5a00;font-weight:600}"
	"svg{width:100%;height:auto;font:12px system-ui,sans-serif}svg .grid{stroke:#e4e4e4}"
	"svg .frame{fill:none;stroke:#999}svg .line{fill:none;stroke-width:1.8}"
	"svg .up{font-size:9px}"
	"@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}"
	"table,svg{break-inside:avoid}}";

static const char *const percentiles[] = { "p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns",
	"max_ns" };
#define NB_PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

void
html_text(FILE *f, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '<')
			(void)fputs("&lt;", f);
		else if (*text == '>')
			(void)fputs("&gt;", f);
		else if (*text == '&')
			(void)fputs("&amp;", f);
		else
			(void)fputc(*text, f);
	}
}

/* ---- head ------------------------------------------------------------------------- */

static void
put_json(FILE *f, const json_t *v)
{
	const json_t *each;
	const char *name;
	size_t i;

	if (json_is_string(v)) {
		html_text(f, json_string_value(v));
	} else if (json_is_boolean(v)) {
		(void)fputs(json_is_true(v) ? "yes" : "no", f);
	} else if (json_is_number(v)) {
		(void)fprintf(f, "%.10g", json_number_value(v));
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, each) {
			put_json(f, each);
			(void)fputs("<br>", f);
		}
	} else {
		json_object_foreach((json_t *)(uintptr_t)v, name, each) {
			html_text(f, name);
			(void)fputs(": ", f);
			put_json(f, each);
			(void)fputs("<br>", f);
		}
	}
}

static void
put_head(FILE *f, const json_t *results)
{
	const json_t *e = json_object_get(results, "environment"), *banner;
	size_t i;

	(void)fprintf(f, "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
		"<meta name='viewport' content='width=device-width'>"
		"<title>freqring: measurements</title><style>%s</style></head><body>\n"
		"<h1>freqring: measurements</h1>\n<p>", style);
	put_json(f, json_object_get(e, "cpu"));
	(void)fputs(", Linux ", f);
	put_json(f, json_object_get(e, "kernel"));
	if (json_object_get(e, "accelerator") != NULL) {
		(void)fputs(", the guest under ", f);
		put_json(f, json_object_get(e, "accelerator"));
	}
	if (json_object_get(e, "date") != NULL) {
		(void)fputs(", ", f);
		put_json(f, json_object_get(e, "date"));
	}
	(void)fputs("</p>\n", f);
	json_array_foreach(json_object_get(e, "banner"), i, banner) {
		(void)fputs("<p class='banner'>", f);
		put_json(f, banner);
		(void)fputs("</p>\n", f);
	}
}

static void
put_environment(FILE *f, const json_t *results)
{
	json_t *e = json_object_get(results, "environment");
	const json_t *v;
	const char *name;

	(void)fputs("<h2>Where</h2>\n<table>", f);
	json_object_foreach(e, name, v) {
		if (strcmp(name, "banner") == 0)
			continue;
		(void)fputs("<tr><td>", f);
		html_text(f, name);
		(void)fputs("</td><td class='text'>", f);
		put_json(f, v);
		(void)fputs("</td></tr>\n", f);
	}
	(void)fputs("</table>\n", f);
}

/* ---- targets ------------------------------------------------------------------------ */

static void
put_targets(FILE *f, const json_t *results)
{
	struct target_state st;

	(void)fputs("<h2>Targets</h2>\n<table><tr><th>target</th><th>measured</th><th></th></tr>\n", f);
	for (size_t i = 0; i < targets_count(); i++) {
		const char *verdict;

		targets_get(i, results, &st);
		verdict = target_verdict_text(st.verdict);
		(void)fputs("<tr><td>", f);
		html_text(f, st.text);
		(void)fputs("</td><td class='measured'>", f);
		html_text(f, st.measured);
		(void)fprintf(f, "</td><td class='%s'>%s</td></tr>\n", verdict, verdict);
		if (st.verdict == TARGET_MET || st.finding == NULL)
			continue;
		(void)fputs("<tr><td colspan='3' class='why'>", f);
		html_text(f, st.finding);
		(void)fputs("</td></tr>\n", f);
	}
	(void)fputs("</table>\n", f);
}

/* ---- tables of measures ---------------------------------------------------------------- */

static void
put_name(FILE *f, const struct measure *m)
{
	(void)fputs("<tr><td>", f);
	html_text(f, m->title);
	(void)fprintf(f, "<br><code>%s</code></td>", m->id);
}

static void
put_cell(FILE *f, const json_t *measure, const char *figure)
{
	char text[96];

	measure_text(text, sizeof(text), measure, figure);
	(void)fprintf(f, "<td%s>%s</td>", strncmp(text, "too wide", 8) == 0 ? " class='wide'" : "", text);
}

static void
put_spread(FILE *f, const json_t *measure)
{
	double spread;

	if (results_figure(measure, "spread", &spread))
		(void)fprintf(f, "<td>%.0f %%</td>", 100 * spread);
	else
		(void)fputs("<td>–</td>", f);
	(void)fprintf(f, "<td>%" JSON_INTEGER_FORMAT "</td>",
		json_integer_value(json_object_get(measure, "runs")));
}

static void
put_skipped(FILE *f, const struct measure *m, const json_t *measure, size_t columns)
{
	put_name(f, m);
	(void)fprintf(f, "<td class='why' colspan='%zu'>", columns);
	html_text(f, results_skipped(measure) != NULL ? results_skipped(measure) : "no figure");
	(void)fputs("</td></tr>\n", f);
}

static bool
is_latency(const json_t *measure)
{
	return json_object_get(measure, "histogram") != NULL;
}

static bool
is_in(const struct measure *m, const json_t *measure, const char *section)
{
	return measure != NULL && strcmp(m->section, section) == 0;
}

static void
put_latencies(FILE *f, const json_t *results, const char *section)
{
	bool any = false;

	for (const struct measure *m = measures; m->id != NULL; m++) {
		const json_t *measure = results_measure(results, m->id);

		if (!is_in(m, measure, section) || !is_latency(measure))
			continue;
		if (!any)
			(void)fputs("<table><tr><th></th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th>"
				"<th>p99.99</th><th>max</th><th>spread</th><th>runs</th><th>samples</th></tr>\n", f);
		any = true;
		put_name(f, m);
		for (size_t i = 0; i < NB_PERCENTILES; i++)
			put_cell(f, measure, percentiles[i]);
		put_spread(f, measure);
		(void)fprintf(f, "<td>%" JSON_INTEGER_FORMAT "</td></tr>\n",
			json_integer_value(json_object_get(measure, "samples")));
	}
	if (any)
		(void)fputs("</table>\n", f);
}

static void
put_others(FILE *f, const json_t *results, const char *section)
{
	bool any = false;

	for (const struct measure *m = measures; m->id != NULL; m++) {
		const json_t *measure = results_measure(results, m->id);

		if (!is_in(m, measure, section) || is_latency(measure))
			continue;
		if (!any)
			(void)fputs("<table><tr><th></th><th>median</th><th>spread</th><th>runs</th></tr>\n", f);
		any = true;
		if (results_first_figure(measure) == NULL) {
			put_skipped(f, m, measure, 3);
			continue;
		}
		put_name(f, m);
		put_cell(f, measure, results_first_figure(measure));
		put_spread(f, measure);
		(void)fputs("</tr>\n", f);
	}
	if (any)
		(void)fputs("</table>\n", f);
}

static void
put_stalls(FILE *f, const json_t *results)
{
	static const double from[] = { 1e3, 1e4, 1e5, 1e6, 1e7 };
	const json_t *m, *pair;
	double seconds, longest;
	const char *id;
	char text[32];
	size_t i;

	(void)fputs("<h2>The machine's own stalls</h2>\n<p>A thread that does nothing but read the time: "
		"how often a second that took longer.</p>\n<table><tr><th></th><th>1 µs</th><th>10 µs</th>"
		"<th>100 µs</th><th>1 ms</th><th>10 ms</th><th>longest</th><th>of the time</th></tr>\n", f);
	json_object_foreach(json_object_get(results, "measures"), id, m) {
		if (!results_figure(m, "seconds", &seconds) || seconds <= 0)
			continue;
		(void)fprintf(f, "<tr><td>CPU %s</td>", id + strlen("stalls_cpu"));
		for (size_t k = 0; k < sizeof(from) / sizeof(from[0]); k++) {
			double n = 0;

			json_array_foreach(json_object_get(m, "stalls"), i, pair)
				if (json_number_value(json_array_get(pair, 0)) >= from[k])
					n += json_number_value(json_array_get(pair, 1));
			(void)fprintf(f, "<td>%.3g</td>", n / seconds);
		}
		longest = json_number_value(json_object_get(m, "max_ns"));
		figure_text(text, sizeof(text), "max_ns", longest);
		(void)fprintf(f, "<td>%s</td><td>%.3f %%</td></tr>\n", text,
			100 * json_number_value(json_object_get(m, "lost_share")));
	}
	(void)fputs("</table>\n", f);
}

static void
put_sections(FILE *f, const json_t *results)
{
	const char *last = NULL;

	for (const struct measure *m = measures; m->id != NULL; m++) {
		if (last != NULL && strcmp(m->section, last) == 0)
			continue;
		last = m->section;
		(void)fprintf(f, "<h2>%s</h2>\n", last);
		put_latencies(f, results, last);
		put_others(f, results, last);
		if (strcmp(last, "Scale") == 0)
			html_scale_plot(f, results);
	}
}

static void
put_notes(FILE *f)
{
	(void)fputs("<h2>How to read this</h2>\n<p>Time stamps are the TSC's, without what reading it "
		"costs. A figure is the median of the runs, max the longest of all. Spread is the distance "
		"between the quartiles of the runs' p50 (or of the figure) over their median; where it is "
		"above 50 % (of p99 and beyond: 200 %) there is no number but the range. The peer answers "
		"after its sysfs write, so it stands beside our round trip to applied; to consumed stands "
		"beside the bare word. vm_power_mgr spends its millisecond after each look: who asks right "
		"after an answer waits for it, who asks now and then does not. At a fixed rate a request "
		"counts from when it was due, so a stall counts for each that it delayed. freqringd's "
		"backend in the guest's measures is <code>simulated</code> where the machine has no cpufreq; "
		"vm_power_mgr always writes to a sysfs of plain files.</p>\n", f);
}

enum bench_status
cmd_report(struct bench *b, int argc, char **argv)
{
	json_t *results;

	if (!bench_options(b, argc, argv, NULL) || argc - optind != 1)
		return BENCH_USAGE;
	results = results_load(argv[optind]);
	if (results == NULL)
		return BENCH_FAILED;
	put_head(stdout, results);
	put_targets(stdout, results);
	(void)fputs("<h2>Distributions</h2>\n", stdout);
	html_latency_plots(stdout, results);
	put_stalls(stdout, results);
	put_sections(stdout, results);
	put_environment(stdout, results);
	put_notes(stdout);
	(void)fputs("</body></html>\n", stdout);
	json_decref(results);
	return BENCH_OK;
}
