/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * throughput.c - requests a second through the daemon's poller, of many channels
 *
 * One thread plays all guests: it posts to each channel in turn and passes over
 * the rings that are full.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fleet.h"
#include "report.h"
#include "thread.h"

#define ROUNDS		9u
#define ROUNDS_MAX	99u
#define REQUESTS	4000000u
#define REQUESTS_MAX	1000000000u

/* @return million requests a second, the last one consumed */
static double
play(const struct tsc *tsc, struct frq_producer *tx, unsigned int nb, unsigned int n)
{
	uint64_t start = tsc_read();

	for (unsigned int posted = 0, i = 0; posted < n; i = i + 1 < nb ? i + 1 : 0) {
		if (frq_producer_post(&tx[i], FRQ_OP_SET, 0, (posted & 0xffff) + 1) == 0)
			posted++;
		else if (nb == 1)
			spin_pause();
	}
	for (unsigned int i = 0; i < nb; i++)
		while (!fleet_consumed(&tx[i]))
			spin_pause();
	return n * 1e3 / tsc_ns(tsc, tsc_read() - start);
}

static enum bench_status
measure(const struct bench *b, const struct fleet_config *c, unsigned int n, unsigned int rounds)
{
	struct frq_producer *tx = aligned_alloc(FRQ_LINE, c->nb_channels * sizeof(*tx) + FRQ_LINE -
		c->nb_channels * sizeof(*tx) % FRQ_LINE);
	enum bench_status status = BENCH_FAILED;
	double rate[ROUNDS_MAX];
	struct fleet f;
	char id[64];

	if (!fleet_open(&f, c, &b->tsc) || tx == NULL)
		goto end;
	for (unsigned int i = 0; i < c->nb_channels; i++)
		if (!fleet_attach(&f, i, &tx[i]))
			goto end;
	/* The first round warms up. */
	for (unsigned int r = 0; r <= rounds; r++) {
		double x = play(&b->tsc, tx, c->nb_channels, n);

		if (r != 0)
			rate[r - 1] = x;
	}
	report_environment(b);
	(void)snprintf(id, sizeof(id), "ring_throughput_%u", c->nb_channels);
	(void)report_rounds(b, id, "Mreq/s", rate, rounds);
	status = BENCH_OK;
end:
	fleet_close(&f);
	free(tx);
	return status;
}

enum bench_status
cmd_throughput(struct bench *b, int argc, char **argv)
{
	struct fleet_config c = { .nb_channels = FLEET_CHANNELS_MAX, .cpu = 1 };
	unsigned int cpu = 0, n = REQUESTS, rounds = ROUNDS;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu },
		{ 'C', 0, BENCH_CPU_MAX, .number = &c.cpu },
		{ 'k', 1, FLEET_CHANNELS_MAX, .number = &c.nb_channels },
		{ 'n', 1, REQUESTS_MAX, .number = &n },
		{ 'r', 1, ROUNDS_MAX, .number = &rounds },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind || cpu == c.cpu)
		return BENCH_USAGE;
	return thread_pin(cpu) ? measure(b, &c, n, rounds) : BENCH_FAILED;
}
