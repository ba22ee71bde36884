/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "percentiles.h"
#include "results.h"
#include "targets.h"

/* A figure, or its ratio to another measure's, against a limit. */
struct target {
	const char *text;
	const char *figure;
	const char *id, *to;	/* to: NULL for the figure itself */
	enum { AT_MOST, AT_LEAST } sense;
	double limit;
	const char *beside;	/* a measure that says whose doing it is, or NULL */
	const char *finding;
};

static const struct target targets[] = {
	{ "round trip to consumed in the guest: p50 at most 1.15 times the bare word's",
	  "p50_ns", "ring_rtt", "bare_word_guest_rtt", AT_MOST, 1.15, "post_cost_tcg",
	  "The difference is the guest's own as far as TCG makes it: the instructions of a post take "
	  "post_cost_tcg, a bare word is one store. Compare ring_host_rtt with pingpong_rtt for the same "
	  "without a guest." },
	{ "... its p99.9 under 1 µs",
	  "p999_ns", "ring_rtt", NULL, AT_MOST, 1000, "bare_word_guest_rtt",
	  "A round trip takes so long where an interrupt or the hypervisor takes one of the two CPUs "
	  "away meanwhile: the table of stalls says how often, and the bare word has such a tail, too "
	  "(see the picture). Of the ring more is exposed to it: its p99.9 was 1 to 2 times the bare "
	  "word's. What else there is of it was not found out." },
	{ "round trip to consumed at least 1000 times better than the peer's answer",
	  "p50_ns", "peer_rtt", "ring_rtt", AT_LEAST, 1000, NULL, NULL },
	{ "... at least 100 times better than our own virtio-serial",
	  "p50_ns", "serial_rtt", "ring_rtt", AT_LEAST, 100, NULL, NULL },
	{ "virtio-serial, to applied: p50 at least 5 times better than the unmodified peer's",
	  "p50_ns", "peer_rtt", "serial_rtt", AT_LEAST, 5, "bare_serial_rtt",
	  "A process that only acknowledges is the limit: what it takes is QEMU's and the guest's. "
	  "Where that alone is a fifth of the peer's there is nothing left to win." },
	{ "... at most 1.5 times that of a bare process that only acknowledges",
	  "p50_ns", "serial_rtt", "bare_serial_rtt", AT_MOST, 1.5, NULL, NULL },
	{ "... 32 under way: at least 10 times the peer's rate",
	  "per_second", "serial_throughput", "peer_throughput", AT_LEAST, 10, NULL, NULL },
	{ "round trip to applied at least 50 times better than the unmodified peer",
	  "p50_ns", "peer_rtt", "ring_applied_rtt", AT_LEAST, 50, NULL, NULL },
	{ "... better than the peer without its delay",
	  "p50_ns", "peer_rtt_no_delay", "ring_applied_rtt", AT_LEAST, 1, NULL, NULL },
	{ "4096 channels, one of them active: p99 under 1 µs",
	  "p99_ns", "scale_4096_rtt", NULL, AT_MOST, 1000, NULL, NULL },
	{ "... p50 at most 1.5 times a single channel's",
	  "p50_ns", "scale_4096_rtt", "scale_1_rtt", AT_MOST, 1.5, NULL, NULL },
	{ "vhost-user, one way: p50 at most 1.2 times a bare rte_vhost_dequeue_burst's",
	  "p50_ns", "vhost_one_way", "bare_vhost_one_way", AT_MOST, 1.2, NULL, NULL },
	{ "... there and back: p50 under 2 µs, where the bare one allows it",
	  "p50_ns", "vhost_rtt", NULL, AT_MOST, 2000, "bare_vhost_rtt", NULL },
	{ "... a port that asks nothing costs a turn of the poller no more than an empty "
	  "rte_vhost_dequeue_burst",
	  "p50_ns", "idle_vhost_cost", "bare_vhost_empty", AT_MOST, 1, NULL, NULL },
	{ "one channel through the poller not slower than rte_ring one at a time",
	  "per_second", "ring_throughput", "rte_ring_throughput_1", AT_LEAST, 1, NULL, NULL },
	{ "... the bare ring 1.3 times rte_ring one at a time",
	  "per_second", "ring_bare_throughput", "rte_ring_throughput_1", AT_LEAST, 1.3, NULL, NULL },
	{ "the flooded neighbour's p99 under 5 µs, one vCPU floods",
	  "p99_ns", "storm_neighbour_rtt", NULL, AT_MOST, 5000, "storm_neighbour_rtt_no_applier",
	  "What is missed without an applier, too, is the machine's doing. Beyond that: the applier "
	  "shares the poller's CPU, and while it runs, a wake-up by a timer and a sleep included (29 µs "
	  "seen on a virtual machine), the poller does not. It looks at a storm that goes on each "
	  "6.4 ms; each 50 µs, as before, made the neighbour's p90 30 µs where it is below 1 µs now." },
	{ "... 64 vCPUs flood",
	  "p99_ns", "storm_64_neighbour_rtt", NULL, AT_MOST, 5000, "storm_64_neighbour_rtt_no_applier",
	  "What is missed without an applier, too, is a turn of the poller, all 64 rings drained: "
	  "some µs. Beyond that it is as with one vCPU. Before the sum over channels counted as a storm, "
	  "each alone was below it: the applier was woken 16000 times a second, "
	  "and the neighbour's p50 was 13 to 400 µs." },
};

size_t
targets_count(void)
{
	return sizeof(targets) / sizeof(targets[0]);
}

const char *
target_verdict_text(enum target_verdict v)
{
	return v == TARGET_MET ? "met" : v == TARGET_MISSED ? "missed" : "open";
}

bool
stalls_per_second(const json_t *results, double ns, double *rate)
{
	bool any = false;
	const json_t *measure, *pair;
	const char *id;
	size_t i;

	*rate = 0;
	json_object_foreach(json_object_get(results, "measures"), id, measure) {
		double n = 0, seconds;

		if (!results_figure(measure, "seconds", &seconds) || seconds <= 0)
			continue;
		any = true;
		json_array_foreach(json_object_get(measure, "stalls"), i, pair)
			if (json_number_value(json_array_get(pair, 0)) >= ns)
				n += json_number_value(json_array_get(pair, 1));
		*rate = fmax(*rate, n / seconds);
	}
	return any;
}

/* Run by run where both were measured as often, for then they took turns. */
static bool
ratio(const json_t *a, const json_t *b, const char *figure, double *value, double *spread)
{
	double x[RESULTS_RUNS_MAX], y[RESULTS_RUNS_MAX];
	size_t n = results_runs(a, figure, x, RESULTS_RUNS_MAX);

	if (n != 0 && n == results_runs(b, figure, y, RESULTS_RUNS_MAX)) {
		for (size_t i = 0; i < n; i++)
			x[i] /= y[i];
		*spread = spread_of(x, n);
		*value = median(x, n);
		return true;
	}
	*spread = 0;
	if (!results_figure(a, figure, &x[0]) || !results_figure(b, figure, &y[0]))
		return false;
	*value = x[0] / y[0];
	return true;
}

static const char *
why_not(const json_t *m)
{
	if (m == NULL)
		return "not measured";
	return results_skipped(m) != NULL ? results_skipped(m) : "its spread is too wide";
}

/* A tail cannot be shorter than what the machine itself takes away. */
static void
add_stalls(const struct target *t, const json_t *results, struct target_state *st)
{
	const json_t *beside = t->beside != NULL ? results_measure(results, t->beside) : NULL;
	size_t n = strlen(st->measured);
	char text[64];
	double rate;

	if (beside != NULL && results_skipped(beside) == NULL) {
		measure_text(text, sizeof(text), beside, t->figure);
		n += (size_t)snprintf(st->measured + n, sizeof(st->measured) - n, "; %s: %s", t->beside,
			text);
	}
	if (stalls_per_second(results, t->limit, &rate))
		(void)snprintf(st->measured + n, sizeof(st->measured) - n,
			" (the machine itself: %.0f such stalls a second)", rate);
}

static bool
evaluate(const struct target *t, const json_t *results, struct target_state *st)
{
	const json_t *m = results_measure(results, t->id);
	const json_t *to = t->to != NULL ? results_measure(results, t->to) : NULL;
	double spread = 0;

	if (t->to == NULL) {
		if (!results_figure(m, t->figure, &st->value)) {
			(void)snprintf(st->measured, sizeof(st->measured), "%s: %s", t->id, why_not(m));
			return false;
		}
		figure_text(st->measured, sizeof(st->measured), t->figure, st->value);
		add_stalls(t, results, st);
		return true;
	}
	if (!ratio(m, to, t->figure, &st->value, &spread)) {
		const json_t *bad = m == NULL || json_object_get(m, "run_values") == NULL ? m : to;

		(void)snprintf(st->measured, sizeof(st->measured), "%s: %s", bad == m ? t->id : t->to,
			why_not(bad));
		return false;
	}
	if (spread > spread_limit(t->figure)) {
		(void)snprintf(st->measured, sizeof(st->measured),
			"about %.3g times, but its spread is too wide", st->value);
		return false;
	}
	(void)snprintf(st->measured, sizeof(st->measured), st->value < 10 ? "%.3f times" :
		"%.0f times", st->value);
	return true;
}

void
targets_get(size_t i, const json_t *results, struct target_state *st)
{
	const struct target *t = &targets[i];

	*st = (struct target_state){ .verdict = TARGET_OPEN, .limit = t->limit, .text = t->text,
		.finding = t->finding };
	if (!evaluate(t, results, st))
		return;
	st->verdict = (t->sense == AT_MOST ? st->value <= t->limit : st->value >= t->limit) ?
		TARGET_MET : TARGET_MISSED;
}
