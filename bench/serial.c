/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serial.c - round trips of DPDK's power packets over a virtio-serial port
 *
 * Whoever holds the other end: freqringd or DPDK's vm_power_mgr, which both
 * answer after they have set the frequency. The lowest and the highest in turn;
 * stands on the wire format alone, so that nothing of libfreqring is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "freqring_serial.h"
#include "pace.h"
#include "report.h"

#define SAMPLES		2000u
#define SAMPLES_MAX	1000000u
#define WARM_UP		20u
#define ANSWER_MS	2000
#define WINDOW_MAX	32u	/* more than a guest's port takes is lost at some hosts */

struct port {
	unsigned int number;
	int fd;
};

static bool
name_is(const char *path, const char *wanted)
{
	char name[64] = "";
	FILE *f = fopen(path, "r");

	if (f == NULL)
		return false;
	if (fgets(name, sizeof(name), f) == NULL)
		name[0] = '\0';
	(void)fclose(f);
	return strcmp(name, wanted) == 0;
}

/* By its name in sysfs: udev makes links, but is not everywhere. */
static bool
open_port(struct port *p)
{
	char wanted[64], device[32], path[64];
	glob_t g;

	(void)snprintf(wanted, sizeof(wanted), FRQ_SERIAL_PORT_PREFIX "%u\n", p->number);
	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &g) != 0)
		g.gl_pathc = 0;
	p->fd = -1;
	errno = ENOENT;
	for (size_t i = 0; i < g.gl_pathc && p->fd < 0; i++) {
		if (!name_is(g.gl_pathv[i], wanted) ||
		    sscanf(g.gl_pathv[i], "/sys/class/virtio-ports/%31[a-z0-9]", device) != 1)
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", device);
		p->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	globfree(&g);
	if (p->fd < 0)
		bench_error("serial port %u: %s", p->number, strerror(errno));
	return p->fd >= 0;
}

/* One that was not read yet is still on its way: the ring of the port is not full. */
static bool
put(const struct port *p, const struct frq_serial_packet *packet)
{
	return write(p->fd, packet, sizeof(*packet)) == (ssize_t)sizeof(*packet);
}

static bool
get(const struct port *p, struct frq_serial_packet *packet)
{
	char *at = (char *)packet;
	size_t left = sizeof(*packet);

	while (left > 0) {
		struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
		ssize_t n;

		if (poll(&pfd, 1, ANSWER_MS) <= 0)
			return false;
		n = read(p->fd, at, left);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
	return true;
}

static bool
measure(const struct port *p, const struct tsc *tsc, unsigned int rate, struct samples *trips,
	struct samples *writes)
{
	struct frq_serial_packet ask = { .resource_id = p->number,
		.command = FRQ_SERIAL_CPU_POWER }, answer;
	struct pace pace = PACE_NONE;

	for (unsigned int i = 0; i < WARM_UP + trips->max; i++) {
		uint64_t start, begin, end;

		ask.unit = (i & 1) != 0 ? FRQ_SERIAL_MAX : FRQ_SERIAL_MIN;
		if (i == WARM_UP)
			pace = pace_begin(tsc, rate);
		start = pace_next(&pace);
		begin = tsc_read();
		if (!put(p, &ask)) {
			bench_error("serial port %u: nobody reads at the other end", p->number);
			return false;
		}
		end = tsc_read();
		if (!get(p, &answer) || answer.command != FRQ_SERIAL_ACK) {
			bench_error("serial port %u: request %u was not acknowledged", p->number, i);
			return false;
		}
		if (i < WARM_UP)
			continue;
		samples_add(trips, tsc_between(tsc, start, tsc_read()));
		samples_add(writes, tsc_between(tsc, begin, end));
	}
	return true;
}

/* Rounds of n requests, of which `window` are under way. */
static bool
measure_rate(const struct port *p, const struct tsc *tsc, unsigned int n, unsigned int window,
	double *rate)
{
	struct frq_serial_packet ask = { .resource_id = p->number,
		.command = FRQ_SERIAL_CPU_POWER }, answer;
	uint64_t begin = tsc_read();

	for (unsigned int sent = 0, answered = 0; answered < n;) {
		for (; sent < n && sent - answered < window; sent++) {
			ask.unit = (sent & 1) != 0 ? FRQ_SERIAL_MAX : FRQ_SERIAL_MIN;
			if (!put(p, &ask))
				break;
		}
		if (sent == answered) {
			bench_error("serial port %u: nobody reads at the other end", p->number);
			return false;
		}
		if (!get(p, &answer) || answer.command != FRQ_SERIAL_ACK) {
			bench_error("serial port %u: request %u was not acknowledged", p->number,
				answered);
			return false;
		}
		answered++;
	}
	*rate = n * 1e9 / tsc_ns(tsc, tsc_between(tsc, begin, tsc_read()));
	return true;
}

/* What was meant for a program before this one. */
static void
forget_answers(const struct port *p)
{
	struct frq_serial_packet answer;

	while (read(p->fd, &answer, sizeof(answer)) > 0)
		;
}

static enum bench_status
open_and_measure(const struct bench *b, struct port *p, unsigned int rate, struct samples *trips,
	struct samples *writes)
{
	char id[64];
	bool ok;

	if (!open_port(p))
		return BENCH_FAILED;
	forget_answers(p);
	ok = measure(p, &b->tsc, rate, trips, writes);
	(void)close(p->fd);
	if (!ok)
		return BENCH_FAILED;
	report_environment(b);
	report_paced_id(id, sizeof(id), "serial_rtt", rate);
	(void)report_latency(b, id, trips);
	if (rate == 0)
		(void)report_latency(b, "serial_write_cost", writes);
	return BENCH_OK;
}

static enum bench_status
open_and_measure_rate(const struct bench *b, struct port *p, unsigned int n, unsigned int window)
{
	double rate;
	bool ok;

	if (!open_port(p))
		return BENCH_FAILED;
	forget_answers(p);
	ok = measure_rate(p, &b->tsc, n, window, &rate);
	(void)close(p->fd);
	if (!ok)
		return BENCH_FAILED;
	report_environment(b);
	(void)report_rounds(b, "serial_throughput", "req/s", &rate, 1);
	return BENCH_OK;
}

enum bench_status
cmd_serial(struct bench *b, int argc, char **argv)
{
	struct port p = { .number = 0 };
	struct samples trips = { .v = NULL }, writes = { .v = NULL };
	unsigned int n = SAMPLES, rate = 0, window = 0;
	enum bench_status status = BENCH_FAILED;
	const struct bench_option options[] = {
		{ 'n', 1, SAMPLES_MAX, .number = &n },
		{ 'p', 0, FRQ_SERIAL_MAX_PORTS - 1, .number = &p.number },
		{ 'r', 1, PACE_RATE_MAX, .number = &rate },
		{ 'w', 1, WINDOW_MAX, .number = &window },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind)
		return BENCH_USAGE;
	if (window != 0)
		return open_and_measure_rate(b, &p, n, window);
	if (samples_init(&trips, n) == 0 && samples_init(&writes, n) == 0)
		status = open_and_measure(b, &p, rate, &trips, &writes);
	else
		bench_error("no memory for %u samples", n);
	samples_free(&trips);
	samples_free(&writes);
	return status;
}
