/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * storm.c - one VM floods from some of its channels, another asks for something
 * once a millisecond: how long that takes to be consumed
 *
 * One thread plays both, so that no scheduler stands between them: it fills the
 * flooder's rings in turn and looks after each post whether the neighbour's
 * request is due, or was consumed. Poller and applier are the daemon's, on one CPU;
 * without the applier it shows what of that is the poller's doing.
 */
#include <stdio.h>
#include <unistd.h>

#include "fleet.h"
#include "pace.h"
#include "report.h"
#include "thread.h"

#define SAMPLES		2000u
#define SAMPLES_MAX	1000000u
#define WARM_UP		50u
#define RATE		1000u	/* of the neighbour, a second */
#define FLOODERS_MAX	FLEET_VM_CHANNELS

struct guests {
	unsigned int nb_flood;	/* 0: nobody floods */
	struct frq_producer flood[FLOODERS_MAX];
	struct frq_producer neighbour;
	uint64_t flooded;	/* requests */
};

/* Each is another wish than the one before, so each is work. */
static inline void
flood(struct guests *g, unsigned int i)
{
	struct frq_producer *tx = &g->flood[i];

	g->flooded += frq_producer_post(tx, tx->next % 2 != 0 ? FRQ_OP_MAX : FRQ_OP_MIN, 0, 0) == 0;
}

static bool
measure(struct guests *g, const struct tsc *tsc, struct samples *s)
{
	struct pace pace = pace_begin(tsc, RATE);
	unsigned int asked = 0, turn = 0;
	bool waits = false;
	uint64_t now;

	while (asked < WARM_UP + s->max) {
		if (g->nb_flood != 0) {
			flood(g, turn);
			turn = turn + 1 < g->nb_flood ? turn + 1 : 0;
		}
		now = tsc_read();
		if (waits && fleet_consumed(&g->neighbour)) {
			if (asked >= WARM_UP)
				samples_add(s, tsc_between(tsc, pace.due, now));
			pace.due += pace.period;
			waits = false;
			asked++;
		}
		if (waits || (int64_t)(now - pace.due) < 0)
			continue;
		if (frq_producer_post(&g->neighbour, asked % 2 != 0 ? FRQ_OP_MAX : FRQ_OP_MIN, 0, 0) != 0)
			return false;
		waits = true;
	}
	return true;
}

static void
report(const struct bench *b, const struct fleet_config *c, const struct guests *g, double ns,
	struct samples *s)
{
	const char *without = c->applier ? "" : "_no_applier";
	double rate = (double)g->flooded / ns * 1e3;
	char id[64];

	report_environment(b);
	(void)snprintf(id, sizeof(id), "storm_%u_neighbour_rtt%s", g->nb_flood, without);
	(void)report_latency(b, id, s);
	if (g->nb_flood == 0)
		return;
	(void)snprintf(id, sizeof(id), "storm_%u_flood%s", g->nb_flood, without);
	(void)report_rounds(b, id, "Mreq/s", &rate, 1);
}

static enum bench_status
open_and_measure(const struct bench *b, const struct fleet_config *c, struct guests *g,
	struct samples *s)
{
	enum bench_status status = BENCH_FAILED;
	uint64_t start;
	struct fleet f;

	if (!fleet_open(&f, c, &b->tsc) || !fleet_attach(&f, FLOODERS_MAX, &g->neighbour))
		goto end;
	for (unsigned int i = 0; i < g->nb_flood; i++)
		if (!fleet_attach(&f, i, &g->flood[i]))
			goto end;
	start = tsc_read();
	if (measure(g, &b->tsc, s)) {
		report(b, c, g, tsc_ns(&b->tsc, tsc_read() - start), s);
		status = BENCH_OK;
	} else {
		bench_error("the neighbour's ring is full");
	}
end:
	fleet_close(&f);
	return status;
}

enum bench_status
cmd_storm(struct bench *b, int argc, char **argv)
{
	struct fleet_config c = { .nb_channels = FLOODERS_MAX + 1, .cpu = 1 };
	unsigned int cpu = 0, n = SAMPLES;
	struct guests g = { .nb_flood = 1 };
	bool bare = false;
	enum bench_status status;
	struct samples s;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu },
		{ 'C', 0, BENCH_CPU_MAX, .number = &c.cpu },
		{ 'f', 0, FLOODERS_MAX, .number = &g.nb_flood },
		{ 'n', 1, SAMPLES_MAX, .number = &n },
		{ 'w', .given = &bare },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind || cpu == c.cpu)
		return BENCH_USAGE;
	c.applier = !bare;
	if (!thread_pin(cpu))
		return BENCH_FAILED;
	if (samples_init(&s, n) < 0) {
		bench_error("no memory for %u samples", n);
		return BENCH_FAILED;
	}
	status = open_and_measure(b, &c, &g, &s);
	samples_free(&s);
	return status;
}
