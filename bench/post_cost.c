/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * post_cost.c - what the calls of libfreqring cost their caller
 *
 * Against a daemon this asks for the lowest and the highest frequency in turn
 * and gives up its opinion in the end; with -p it only pings, which changes
 * nothing on the host.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "freqring.h"
#include "freqring_abi.h"
#include "report.h"
#include "stand_in.h"
#include "thread.h"

#define ROUNDS		9u
#define ROUNDS_MAX	999u
#define BATCHES		2000u	/* of a ring's slots each, in a round */
#define STREAM		500000u	/* posts in a round */
#define CALLS		1000000u /* that post nothing, in a round */
#define ROUND_TRIPS	20000u	/* in a round */
#define WAIT_US		1000000u
#define FULL_MAX	(1u << 26)	/* tries in a row, then nobody takes any more */

struct target {
	struct freqring_channel *ch;
	bool ping;
	const struct tsc *tsc;
};

/* Never a repeat, so it is posted; i tells neighbours apart. */
static inline int
post(const struct target *t, unsigned int i)
{
	if (t->ping)
		return freqring_ping(t->ch, i);
	return (i & 1) != 0 ? freqring_max(t->ch) : freqring_min(t->ch);
}

static int
measure_credit(const struct target *t, double *ns)
{
	double batch[BATCHES];

	for (unsigned int i = 0; i < BATCHES; i++) {
		uint64_t start, ticks;
		int posted = 0, ret;

		start = tsc_read();
		for (unsigned int k = 0; k < FRQ_RING_SLOTS; k++)
			posted += post(t, k) == 1;
		ticks = tsc_between(t->tsc, start, tsc_read());
		if (posted != (int)FRQ_RING_SLOTS)
			return -EPROTO;
		batch[i] = tsc_ns(t->tsc, ticks) / FRQ_RING_SLOTS;
		ret = freqring_wait_consumed(t->ch, WAIT_US);
		if (ret < 0)
			return ret;
	}
	*ns = median(batch, BATCHES);
	return 0;
}

static int
measure_stream(const struct target *t, double *ns)
{
	uint64_t start = tsc_read();

	for (unsigned int i = 0; i < STREAM; i++) {
		unsigned int tries = 0;
		int ret;

		while ((ret = post(t, i)) == -EAGAIN && ++tries < FULL_MAX)
			spin_pause();
		if (ret < 0)
			return ret;
	}
	*ns = tsc_ns(t->tsc, tsc_between(t->tsc, start, tsc_read())) / STREAM;
	return freqring_wait_consumed(t->ch, WAIT_US);
}

static int
measure_repeat(const struct target *t, double *ns)
{
	int posted = freqring_max(t->ch);
	uint64_t start;

	if (posted >= 0)
		posted = freqring_wait_consumed(t->ch, WAIT_US);
	if (posted < 0)
		return posted;
	start = tsc_read();
	for (unsigned int i = 0; i < CALLS; i++)
		posted |= freqring_max(t->ch);
	*ns = tsc_ns(t->tsc, tsc_between(t->tsc, start, tsc_read())) / CALLS;
	/* Posted again where the host refused it: then this is not its cost. */
	return posted == 0 ? 0 : -EPROTO;
}

static int
measure_query(const struct target *t, double *ns)
{
	uint32_t khz = 0;
	uint64_t start = tsc_read();

	for (unsigned int i = 0; i < CALLS; i++) {
		khz ^= freqring_get_khz(t->ch);
		/* Each call counts, whatever the compiler knows of it. */
		__asm__ volatile("" : "+r"(khz));
	}
	*ns = tsc_ns(t->tsc, tsc_between(t->tsc, start, tsc_read())) / CALLS;
	return 0;
}

/* Until the host has taken it: posted alone, and awaited. */
static int
measure_round_trip(const struct target *t, struct samples *s)
{
	for (unsigned int i = 0; i < ROUND_TRIPS; i++) {
		uint64_t start = tsc_read();
		int ret = post(t, i);

		if (ret >= 0)
			ret = freqring_wait_consumed(t->ch, WAIT_US);
		if (ret < 0)
			return ret;
		samples_add(s, tsc_between(t->tsc, start, tsc_read()));
	}
	return 0;
}

static const struct {
	const char *id;
	int (*run)(const struct target *t, double *ns);
	bool wish;		/* asks for a frequency */
} measures[] = {
	{ "post_credit", measure_credit, false },
	{ "post_stream", measure_stream, false },
	{ "post_repeat", measure_repeat, true },
	{ "query", measure_query, false },
};

#define ROUND_TRIP_ID "consumed_rtt"
#define NB_MEASURES (sizeof(measures) / sizeof(measures[0]))

/* @return 0, or the errno of the call that failed, named in *what */
static int
measure_round(const struct target *t, double ns[NB_MEASURES], struct samples *trips,
	const char **what)
{
	int ret;

	for (size_t i = 0; i < NB_MEASURES; i++) {
		if (measures[i].wish && t->ping)
			continue;
		*what = measures[i].id;
		ret = measures[i].run(t, &ns[i]);
		if (ret < 0)
			return ret;
	}
	*what = ROUND_TRIP_ID;
	return measure_round_trip(t, trips);
}

static enum bench_status
measure_all(const struct bench *b, const struct freqring *fr, const struct target *t,
	unsigned int rounds)
{
	double ns[NB_MEASURES], all[NB_MEASURES][ROUNDS_MAX];
	struct samples trips;
	const char *what;
	int ret;

	if (samples_init(&trips, (size_t)rounds * ROUND_TRIPS) < 0) {
		bench_error("no memory for the samples");
		return BENCH_FAILED;
	}
	/* The first round warms up. */
	for (unsigned int r = 0; r <= rounds; r++) {
		if (r == 1)
			samples_clear(&trips);
		ret = measure_round(t, ns, &trips, &what);
		if (ret < 0) {
			bench_error("%s: %s", what, ret == -EPROTO ?
				"a post was dropped or a repeat posted: does the host refuse "
				"this vCPU?" : freqring_error(fr));
			samples_free(&trips);
			return BENCH_FAILED;
		}
		for (size_t i = 0; r != 0 && i < NB_MEASURES; i++)
			all[i][r - 1] = ns[i];
	}
	report_environment(b);
	for (size_t i = 0; i < NB_MEASURES; i++)
		if (!measures[i].wish || !t->ping)
			(void)report_rounds(b, measures[i].id, "ns", all[i], rounds);
	(void)report_latency(b, ROUND_TRIP_ID, &trips);
	samples_free(&trips);
	return BENCH_OK;
}

static enum bench_status
attach_and_measure(const struct bench *b, const char *device, unsigned int vcpu, bool ping,
	unsigned int rounds)
{
	const struct freqring_options o = { .device = device };
	struct target t = { .ping = ping, .tsc = &b->tsc };
	enum bench_status status = BENCH_FAILED;
	struct freqring *fr;

	if (freqring_open(&fr, &o) < 0 || freqring_attach(fr, vcpu, &t.ch) < 0) {
		bench_error("%s", fr != NULL ? freqring_error(fr) : "out of memory");
		freqring_close(fr);
		return BENCH_FAILED;
	}
	if (freqring_wait_consumed(t.ch, WAIT_US) < 0) {
		bench_error("vCPU %u: the host does not take requests: %s", vcpu,
			freqring_error(fr));
	} else {
		status = measure_all(b, fr, &t, rounds);
		if (!ping)
			(void)freqring_release(t.ch);
	}
	freqring_close(fr);
	return status;
}

enum bench_status
cmd_post_cost(struct bench *b, int argc, char **argv)
{
	unsigned int vcpu = 0, rounds = ROUNDS, cpu = 0, host_cpu = 0;
	bool ping = false, pin = false, own_host = false;
	const char *device = NULL;
	enum bench_status status;
	char path[64];
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu, .given = &pin },
		{ 'd', .text = &device },
		{ 'p', .given = &ping },
		{ 'v', 0, FRQ_MAX_CHANNELS - 1, .number = &vcpu },
		{ 'r', 1, ROUNDS_MAX, .number = &rounds },
		{ 's', 0, BENCH_CPU_MAX, .number = &host_cpu, .given = &own_host },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind ||
	    (own_host && (device != NULL || vcpu != 0)))
		return BENCH_USAGE;
	if (pin && !thread_pin(cpu))
		return BENCH_FAILED;
	if (!own_host)
		return attach_and_measure(b, device, vcpu, ping, rounds);
	(void)snprintf(path, sizeof(path), "/dev/shm/freqring-bench.%d", (int)getpid());
	status = BENCH_FAILED;
	if (stand_in_start(path, host_cpu, &b->tsc)) {
		status = attach_and_measure(b, path, vcpu, ping, rounds);
		stand_in_stop();
	}
	(void)unlink(path);
	return status;
}
