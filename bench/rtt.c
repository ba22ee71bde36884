/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtt.c - round trips of libfreqring to a daemon, as an application sees them,
 * over shared memory or a vhost-user port
 *
 * A ping is consumed and changes nothing; a wish (the lowest and the highest
 * frequency in turn) wakes the applier, too; "applied" waits until the host has
 * set what was asked, and asks again a little later, for otherwise the daemon's
 * write_limit would be what is measured. The last wish is given up in the end.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "freqring.h"
#include "freqring_abi.h"
#include "pace.h"
#include "report.h"
#include "thread.h"

#define SAMPLES		200000u
#define SAMPLES_MAX	10000000u
#define WARM_UP		1000u
#define WAIT_US		1000000u
#define APPLIED_GAP_NS	20000.0	/* more than the highest write_limit asks for */

enum what { PINGS, WISHES, APPLIED, NB_WHAT };

static const struct {
	const char *name, *id, *port_id;
} kinds[NB_WHAT] = {
	[PINGS] = { "ping", "ring_rtt", "vhost_guest_rtt" },
	[WISHES] = { "wish", "ring_wish_rtt", "vhost_guest_wish_rtt" },
	[APPLIED] = { "applied", "ring_applied_rtt", "vhost_guest_applied_rtt" },
};

static void
spin_ns(const struct tsc *tsc, double ns)
{
	uint64_t start = tsc_read();

	while (tsc_ns(tsc, tsc_read() - start) < ns)
		spin_pause();
}

/* Its kind is constant where this is inlined, so each is a loop of its own. */
static inline __attribute__((always_inline)) int
once(struct freqring_channel *ch, enum what what, unsigned int i)
{
	int ret;

	if (what == PINGS)
		ret = freqring_ping(ch, i & FRQ_ARG_MAX);
	else
		ret = (i & 1) != 0 ? freqring_max(ch) : freqring_min(ch);
	if (ret < 0)
		return ret;
	return what == APPLIED ? freqring_wait_applied(ch, WAIT_US) :
		freqring_wait_consumed(ch, WAIT_US);
}

static inline __attribute__((always_inline)) int
measure(struct freqring_channel *ch, enum what what, const struct tsc *tsc, unsigned int rate,
	struct samples *s)
{
	struct pace pace = PACE_NONE;

	for (unsigned int i = 0; i < WARM_UP + s->max; i++) {
		uint64_t start;
		int ret;

		if (i == WARM_UP)
			pace = pace_begin(tsc, rate);
		if (what == APPLIED && rate == 0)
			spin_ns(tsc, APPLIED_GAP_NS);
		start = pace_next(&pace);
		ret = once(ch, what, i);
		if (ret < 0)
			return ret;
		if (i >= WARM_UP)
			samples_add(s, tsc_between(tsc, start, tsc_read()));
	}
	return 0;
}

static int
measure_kind(struct freqring_channel *ch, enum what what, const struct tsc *tsc,
	unsigned int rate, struct samples *s)
{
	if (what == PINGS)
		return measure(ch, PINGS, tsc, rate, s);
	if (what == WISHES)
		return measure(ch, WISHES, tsc, rate, s);
	return measure(ch, APPLIED, tsc, rate, s);
}

static enum bench_status
attach_and_measure(const struct bench *b, const struct freqring_options *o, unsigned int vcpu,
	enum what what, unsigned int rate, struct samples *s)
{
	struct freqring *fr;
	struct freqring_channel *ch;
	char id[64];
	int ret = freqring_open(&fr, o);

	if (ret == 0)
		ret = freqring_attach(fr, vcpu, &ch);
	if (ret == 0) {
		ret = freqring_wait_consumed(ch, WAIT_US);
		if (ret == 0)
			ret = measure_kind(ch, what, &b->tsc, rate, s);
		if (what != PINGS)
			(void)freqring_release(ch);
	}
	if (ret < 0)
		bench_error("%s", fr != NULL ? freqring_error(fr) : "out of memory");
	freqring_close(fr);
	if (ret < 0)
		return BENCH_FAILED;
	report_environment(b);
	report_paced_id(id, sizeof(id), o->transport == FREQRING_TRANSPORT_VHOST ?
		kinds[what].port_id : kinds[what].id, rate);
	(void)report_latency(b, id, s);
	return BENCH_OK;
}

static bool
parse_kind(const char *text, enum what *what)
{
	for (*what = PINGS; *what < NB_WHAT; (*what)++)
		if (strcmp(text, kinds[*what].name) == 0)
			return true;
	bench_error("-m %s: expected ping, wish or applied", text);
	return false;
}

static bool
parse_transport(const char *text, enum freqring_transport *transport)
{
	static const enum freqring_transport known[] = { FREQRING_TRANSPORT_IVSHMEM,
		FREQRING_TRANSPORT_VHOST };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		*transport = known[i];
		if (strcmp(text, freqring_transport_name(known[i])) == 0)
			return true;
	}
	bench_error("-T %s: expected ivshmem or vhost-user", text);
	return false;
}

enum bench_status
cmd_rtt(struct bench *b, int argc, char **argv)
{
	struct freqring_options o = { .device = NULL };
	unsigned int vcpu = 0, n = SAMPLES, rate = 0, cpu = 0;
	struct samples s;
	enum what what = PINGS;
	const char *kind = "ping", *transport = "ivshmem";
	enum bench_status status;
	bool pin = false;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu, .given = &pin },
		{ 'd', .text = &o.device },
		{ 'm', .text = &kind },
		{ 'n', 1, SAMPLES_MAX, .number = &n },
		{ 'r', 1, PACE_RATE_MAX, .number = &rate },
		{ 'T', .text = &transport },
		{ 'v', 0, FRQ_MAX_CHANNELS - 1, .number = &vcpu },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind ||
	    !parse_kind(kind, &what) || !parse_transport(transport, &o.transport))
		return BENCH_USAGE;
	if (pin && !thread_pin(cpu))
		return BENCH_FAILED;
	if (samples_init(&s, n) < 0) {
		bench_error("no memory for %u samples", n);
		return BENCH_FAILED;
	}
	status = attach_and_measure(b, &o, vcpu, what, rate, &s);
	samples_free(&s);
	return status;
}
