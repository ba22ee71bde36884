/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"
#include "html.h"
#include "plot.h"
#include "results.h"

#define RAREST 1e-7

static void
label_ns(char *text, size_t size, double v)
{
	figure_text(text, size, "p50_ns", v);
	/* "100 ns", not "1.00 µs": ticks are round. */
	for (char *dot = strstr(text, ".0"); dot != NULL; dot = NULL) {
		size_t n = strspn(dot + 1, "0") + 1;

		memmove(dot, dot + n, strlen(dot + n) + 1);
	}
}

static void
label_share(char *text, size_t size, double v)
{
	if (v > 1e-3)
		(void)snprintf(text, size, "%g %%", 100 * v);
	else
		(void)snprintf(text, size, "10<tspan class='up' dy='-5'>%.0f</tspan>", log10(v));
}

static void
label_count(char *text, size_t size, double v)
{
	(void)snprintf(text, size, "%.0f", v);
}

/* ---- distributions --------------------------------------------------------------- */

/* How many were above each value. */
static void
draw_distribution(struct plot *p, const char *name, const json_t *pairs)
{
	size_t n = json_array_size(pairs), i;
	double *x = calloc(n + 1, sizeof(*x)), *y = calloc(n + 1, sizeof(*y));
	double total = 0, left;
	const json_t *pair;

	if (x == NULL || y == NULL || n == 0)
		goto end;
	json_array_foreach(pairs, i, pair)
		total += json_number_value(json_array_get(pair, 1));
	left = total;
	x[0] = p->x.from;
	y[0] = 1;
	json_array_foreach(pairs, i, pair) {
		x[i + 1] = json_number_value(json_array_get(pair, 0));
		left -= json_number_value(json_array_get(pair, 1));
		y[i + 1] = fmax(left / total, RAREST);
	}
	plot_line(p, name, x, y, n + 1, true, false);
end:
	free(x);
	free(y);
}

/*
 * The share of moments from which on a stall lasts longer than x: what a request
 * that takes no time at all would see, if it came at any moment.
 */
static void
draw_stalls(struct plot *p, const json_t *results)
{
	const json_t *m, *pair;
	double x[128], y[128], seconds;
	const char *id;
	char name[64];
	size_t i;

	json_object_foreach(json_object_get(results, "measures"), id, m) {
		if (!results_figure(m, "seconds", &seconds) || seconds <= 0)
			continue;
		for (unsigned int k = 0; k < 128; k++) {
			x[k] = 100 * pow(10, k / 127.0 * log10(p->x.to / 100));
			y[k] = 0;
			json_array_foreach(json_object_get(m, "stalls"), i, pair) {
				double over = json_number_value(json_array_get(pair, 0)) - x[k];

				if (over > 0)
					y[k] += over * json_number_value(json_array_get(pair, 1)) /
						(seconds * 1e9);
			}
		}
		(void)snprintf(name, sizeof(name), "the machine's own stalls, CPU %s", id + strlen("stalls_cpu"));
		plot_line(p, name, x, y, 128, false, true);
	}
}

static void
plot_distributions(FILE *f, const json_t *results, const char *const *ids, const char *const *names,
	bool stalls)
{
	struct plot p = {
		.out = f,
		.x = { 10, 1e8, 10, "longer than", label_ns },
		.y = { RAREST, 1, 10, "share of requests", label_share },
	};

	plot_begin(&p);
	for (size_t i = 0; ids[i] != NULL; i++) {
		const json_t *m = results_measure(results, ids[i]);

		if (m != NULL && json_array_size(json_object_get(m, "histogram")) != 0)
			draw_distribution(&p, names[i], json_object_get(m, "histogram"));
	}
	if (stalls)
		draw_stalls(&p, results);
	plot_end(&p);
}

void
html_latency_plots(FILE *f, const json_t *results)
{
	static const char *const transports[] = { "ring_host_rtt", "ring_rtt", "bare_vhost_rtt",
		"vhost_rtt", "vhost_guest_rtt", "bare_serial_rtt", "serial_rtt", NULL };
	static const char *const transport_names[] = { "ring, on the host itself", "ring, from the guest",
		"vhost-user, a bare librte_vhost, on the host itself",
		"vhost-user, on the host itself", "vhost-user, from the guest",
		"virtio-serial, a bare process", "virtio-serial, from the guest" };
	static const char *const closed[] = { "pingpong_rtt", "ring_host_rtt", "bare_word_guest_rtt", "ring_rtt",
		"ring_wish_rtt", "ring_applied_rtt", "eventfd_wake", "serial_rtt", "peer_rtt_no_delay",
		"peer_rtt", NULL };
	static const char *const closed_names[] = { "cache line, two CPUs of the host",
		"freqring on the host itself", "bare word from the guest", "freqring: to consumed",
		"freqring: a wish, to consumed",
		"freqring: to applied", "eventfd wake-up (one way)", "virtio-serial: freqringd",
		"vm_power_mgr without its delay", "vm_power_mgr" };
	static const char *const open[] = { "bare_word_guest_rtt_open_10000",
		"ring_rtt_open_10000", "ring_rtt_open_1000", "ring_applied_rtt_open_1000",
		"storm_neighbour_rtt", "storm_64_neighbour_rtt", "scale_4096_rtt_open_200",
		"serial_rtt_open_1000", "peer_rtt_open_100", NULL };
	static const char *const open_names[] = { "bare word, 10000 a second",
		"freqring: consumed, 10000 a second", "freqring: consumed, 1000 a second",
		"freqring: applied, 1000 a second", "neighbour of one that floods",
		"neighbour of 64 that flood", "one of 4096, 200 a second",
		"serial: freqringd, 1000 a second", "vm_power_mgr, 100 a second" };

	(void)fprintf(f, "<h3>Ring, vhost-user, virtio-serial: a request and its answer</h3>\n"
		"<p>On the host itself DPDK's net_virtio_user is the guest's end of the port; in the guest "
		"it is the kernel's driver, with a system call and an exit for each request.</p>\n");
	plot_distributions(f, results, transports, transport_names, false);
	(void)fprintf(f, "<h3>One after another</h3>\n");
	plot_distributions(f, results, closed, closed_names, true);
	(void)fprintf(f, "<h3>At a fixed rate, each measured from when it was due</h3>\n");
	plot_distributions(f, results, open, open_names, true);
}

/* ---- scale ------------------------------------------------------------------------ */

struct points {
	double x[16], p50[16], p99[16], turn[16];
	size_t n, nb_turns;
	double turn_x[16];
	double top;
};

static void
collect(struct points *p, const json_t *results)
{
	for (unsigned int k = 1; k <= 4096; k *= 2) {
		const json_t *m;
		char id[32];

		(void)snprintf(id, sizeof(id), "scale_%u_turn", k);
		m = results_measure(results, id);
		if (results_figure(m, "p50_ns", &p->turn[p->nb_turns])) {
			p->top = fmax(p->top, p->turn[p->nb_turns]);
			p->turn_x[p->nb_turns++] = k;
		}
		(void)snprintf(id, sizeof(id), "scale_%u_rtt", k);
		m = results_measure(results, id);
		if (!results_figure(m, "p50_ns", &p->p50[p->n]) ||
		    !results_figure(m, "p99_ns", &p->p99[p->n]))
			continue;
		p->top = fmax(p->top, p->p99[p->n]);
		p->x[p->n++] = k;
	}
}

/* By least squares. */
static void
fit(const double *x, const double *y, size_t n, double *at_0, double *slope)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, d = (double)n;

	for (size_t i = 0; i < n; i++) {
		sx += x[i];
		sy += y[i];
		sxx += x[i] * x[i];
		sxy += x[i] * y[i];
	}
	*slope = (d * sxy - sx * sy) / (d * sxx - sx * sx);
	*at_0 = (sy - *slope * sx) / d;
}

static void
draw_fit(struct plot *plot, double at_0, double slope)
{
	double x[64], y[64];

	for (unsigned int i = 0; i < 64; i++) {
		x[i] = pow(4096, i / 63.0);
		y[i] = at_0 + slope * x[i];
	}
	plot_line(plot, "straight line through the p50", x, y, 64, false, true);
}

void
html_scale_plot(FILE *f, const json_t *results)
{
	struct plot plot = {
		.out = f,
		.x = { 1, 4096, 2, "channels, all but one of them idle", label_count },
		.y = { 0, 1, 0, "ns", label_count },
	};
	struct points p = { .n = 0 };
	double at_0, slope;

	collect(&p, results);
	if (p.n < 2) {
		(void)fprintf(f, "<p>Not measured, or the spread of the runs is too wide.</p>\n");
		return;
	}
	plot.y.to = 1.1 * p.top;
	fit(p.x, p.p50, p.n, &at_0, &slope);
	plot_begin(&plot);
	plot_line(&plot, "round trip, p50", p.x, p.p50, p.n, false, false);
	plot_line(&plot, "round trip, p99", p.x, p.p99, p.n, false, false);
	if (p.nb_turns != 0)
		plot_line(&plot, "turn of the poller", p.turn_x, p.turn, p.nb_turns, false, false);
	draw_fit(&plot, at_0, slope);
	plot_end(&plot);
	(void)fprintf(f, "<p>The slope of the p50: %.1f ns for 1000 idle channels, from %.0f ns on.</p>\n",
		1000 * slope, at_0);
}
