/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale.c - one active channel among many that are idle: its round trip to
 * consumed, how long a turn of the poller takes, and what memory a VM costs
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "fleet.h"
#include "pace.h"
#include "report.h"
#include "thread.h"

#define SAMPLES		200000u
#define SAMPLES_MAX	10000000u
#define WARM_UP		2000u
#define TURNS_MS	100L
#define PATIENCE	(1u << 28)	/* looks */

static bool
measure(struct frq_producer *tx, const struct tsc *tsc, unsigned int rate, struct samples *s)
{
	struct pace pace = PACE_NONE;

	for (unsigned int i = 0; i < WARM_UP + s->max; i++) {
		unsigned int looks = 0;
		uint64_t start;

		if (i == WARM_UP)
			pace = pace_begin(tsc, rate);
		start = pace_next(&pace);
		if (frq_producer_post(tx, FRQ_OP_PING, 0, i & FRQ_ARG_MAX) != 0)
			return false;
		while (!fleet_consumed(tx))
			if (++looks == PATIENCE)
				return false;
		if (i >= WARM_UP)
			samples_add(s, tsc_between(tsc, start, tsc_read()));
	}
	return true;
}

/* While nobody asks, but the channel is still hot: a turn as it was just measured. */
static double
turn_ns(const struct poller *p, const struct tsc *tsc)
{
	const struct timespec nap = { .tv_nsec = TURNS_MS * 1000000 };
	struct poller_stats before, after;
	uint64_t start;

	poller_get_stats(p, &before);
	start = tsc_read();
	(void)nanosleep(&nap, NULL);
	poller_get_stats(p, &after);
	return tsc_ns(tsc, tsc_read() - start) / (double)(after.turns - before.turns);
}

static enum bench_status
open_and_measure(const struct bench *b, const struct fleet_config *c, unsigned int rate,
	struct samples *s)
{
	enum bench_status status = BENCH_FAILED;
	double turn, bytes;
	struct frq_producer tx;
	struct fleet f;
	char id[64], name[48];

	if (!fleet_open(&f, c, &b->tsc) || !fleet_attach(&f, c->nb_channels - 1, &tx))
		goto end;
	if (!measure(&tx, &b->tsc, rate, s)) {
		bench_error("the poller does not answer");
		goto end;
	}
	turn = turn_ns(f.poller, &b->tsc);
	bytes = f.vm_bytes;
	report_environment(b);
	(void)snprintf(name, sizeof(name), "scale_%u_rtt", c->nb_channels);
	report_paced_id(id, sizeof(id), name, rate);
	(void)report_latency(b, id, s);
	if (rate == 0) {
		(void)snprintf(id, sizeof(id), "scale_%u_turn", c->nb_channels);
		(void)report_rounds(b, id, "ns", &turn, 1);
		(void)snprintf(id, sizeof(id), "scale_%u_vm_memory", c->nb_channels);
		(void)report_rounds(b, id, "bytes", &bytes, 1);
	}
	status = BENCH_OK;
end:
	fleet_close(&f);
	return status;
}

enum bench_status
cmd_scale(struct bench *b, int argc, char **argv)
{
	struct fleet_config c = { .nb_channels = FLEET_CHANNELS_MAX, .cpu = 1 };
	unsigned int cpu = 0, n = SAMPLES, rate = 0;
	enum bench_status status;
	struct samples s;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu },
		{ 'C', 0, BENCH_CPU_MAX, .number = &c.cpu },
		{ 'k', 1, FLEET_CHANNELS_MAX, .number = &c.nb_channels },
		{ 'n', 1, SAMPLES_MAX, .number = &n },
		{ 'r', 1, PACE_RATE_MAX, .number = &rate },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind || cpu == c.cpu)
		return BENCH_USAGE;
	if (!thread_pin(cpu))
		return BENCH_FAILED;
	if (samples_init(&s, n) < 0) {
		bench_error("no memory for %u samples", n);
		return BENCH_FAILED;
	}
	status = open_and_measure(b, &c, rate, &s);
	samples_free(&s);
	return status;
}
