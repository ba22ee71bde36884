/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show.c - results.json as a screenful of text
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "results.h"
#include "targets.h"

/* What a screen has room for; the report has all. */
static const char *const latencies[] = { "pingpong_rtt", "bare_word_guest_rtt", "ring_rtt",
	"ring_applied_rtt", "eventfd_wake", "serial_rtt", "peer_rtt", "peer_rtt_no_delay",
	"scale_1_rtt", "scale_4096_rtt", "storm_neighbour_rtt", "storm_64_neighbour_rtt",
	"ring_applied", "bare_power_call" };

static const char *const others[] = { "post_cost", "repeat_cost", "query_cost", "post_cost_tcg",
	"repeat_cost_tcg", "serial_write_cost", "ring_throughput", "ring_throughput_4096",
	"rte_ring_throughput_1", "rte_ring_throughput_32", "idle_cpu", "peer_idle_cpu",
	"freq_max_freqring", "freq_max_native" };

/* Columns are counted in characters, not in the bytes of a "µ". */
static void
put_cell(const char *text, int width)
{
	int n = 0;

	for (const char *c = text; *c != '\0'; c++)
		n += ((unsigned char)*c & 0xc0) != 0x80;
	printf("%*s%s", n < width ? width - n : 1, "", text);
}

static void
show_latency(const json_t *results, const char *id)
{
	static const char *const figure[] = { "p50_ns", "p99_ns", "p999_ns", "max_ns" };
	const json_t *m = results_measure(results, id);
	char text[64];

	if (m == NULL)
		return;
	printf("%-24s", id);
	if (results_skipped(m) != NULL) {
		printf("  skipped: %s\n", results_skipped(m));
		return;
	}
	for (size_t i = 0; i < sizeof(figure) / sizeof(figure[0]); i++) {
		measure_text(text, sizeof(text), m, figure[i]);
		put_cell(strncmp(text, "too wide", 8) == 0 && i != 0 ? "too wide" : text, 11);
	}
	putchar('\n');
}

static void
show_other(const json_t *results, const char *id)
{
	const json_t *m = results_measure(results, id);
	char text[64];

	if (m == NULL)
		return;
	printf("%-24s", id);
	if (results_skipped(m) == NULL && results_first_figure(m) != NULL) {
		measure_text(text, sizeof(text), m, results_first_figure(m));
		put_cell(text, 11);
		putchar('\n');
	} else {
		printf("  skipped: %s\n", results_skipped(m) != NULL ? results_skipped(m) : "no figure");
	}
}

static void
show_targets(const json_t *results)
{
	struct target_state st;

	for (size_t i = 0; i < targets_count(); i++) {
		targets_get(i, results, &st);
		printf("%-7s %s: %s\n", target_verdict_text(st.verdict), st.text, st.measured);
	}
}

enum bench_status
cmd_show(struct bench *b, int argc, char **argv)
{
	const json_t *banner;
	json_t *results;
	size_t i;

	if (!bench_options(b, argc, argv, NULL) || argc - optind != 1)
		return BENCH_USAGE;
	results = results_load(argv[optind]);
	if (results == NULL)
		return BENCH_FAILED;
	json_array_foreach(json_object_get(json_object_get(results, "environment"), "banner"), i, banner)
		printf("** %s\n", json_string_value(banner));
	printf("%-24s", "");
	put_cell("p50", 11);
	put_cell("p99", 11);
	put_cell("p99.9", 11);
	put_cell("max", 11);
	putchar('\n');
	for (i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++)
		show_latency(results, latencies[i]);
	putchar('\n');
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		show_other(results, others[i]);
	putchar('\n');
	show_targets(results);
	json_decref(results);
	return BENCH_OK;
}
