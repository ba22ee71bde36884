/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port - a guest program that speaks DPDK's power packets to a serial port,
 * right ones and wrong ones
 *
 *	port N say COMMAND UNIT RESOURCE [CORE_TYPE [NAME]]
 *				one packet; prints the answer, or "none"
 *	port N measure COUNT	min and max by turns, each after the answer to the
 *				last; prints percentiles of request to answer
 *	port N rate SECONDS	the same with 32 under way
 *	port N glue COUNT	as many in one write; prints how many were answered
 *	port N split COUNT	a byte a write
 *	port N deaf SECONDS	asks as fast as it goes and reads no answer
 *	port N garbage SECONDS SEED
 *				random packets and parts of such
 *
 * Stands on the wire format alone: it has to break rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "freqring_serial.h"

#define ANSWER_MS	3000
#define NO_ANSWER_MS	300
#define IN_FLIGHT	32u
#define MAX_SAMPLES	100000u
#define SIZE		sizeof(struct frq_serial_packet)

static unsigned int port;
static int fd;

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

/* By its name in sysfs: udev makes links, but is not everywhere. */
static void
open_port(void)
{
	char wanted[64], name[64], path[64];
	glob_t g;
	FILE *f;

	(void)snprintf(wanted, sizeof(wanted), FRQ_SERIAL_PORT_PREFIX "%u\n", port);
	if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &g) != 0)
		g.gl_pathc = 0;
	fd = -1;
	for (size_t i = 0; i < g.gl_pathc && fd < 0; i++) {
		name[0] = '\0';
		f = fopen(g.gl_pathv[i], "r");
		if (f != NULL) {
			if (fgets(name, sizeof(name), f) == NULL)
				name[0] = '\0';
			(void)fclose(f);
		}
		if (strcmp(name, wanted) != 0 ||
		    sscanf(g.gl_pathv[i], "/sys/class/virtio-ports/%15[a-z0-9]", name) != 1)
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", name);
		fd = open(path, O_RDWR | O_NONBLOCK);
	}
	globfree(&g);
	if (fd < 0)
		fail("the port");
}

/* All of it, however long the host takes to read. */
static void
put(const void *bytes, size_t size)
{
	const char *at = bytes;
	ssize_t n;

	while (size > 0) {
		n = write(fd, at, size);
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			if (poll(&p, 1, ANSWER_MS) == 0)
				fail("the host does not read");
		} else {
			fail("write");
		}
	}
}

static bool
get(void *bytes, size_t size, int ms)
{
	char *at = bytes;
	ssize_t n;

	while (size > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, ms) == 0)
			return false;
		n = read(fd, at, size);
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		} else if (n == 0 || errno != EAGAIN) {
			fail("read");
		}
	}
	return true;
}

static struct frq_serial_packet
power(uint32_t unit)
{
	return (struct frq_serial_packet){ .resource_id = port, .unit = unit,
		.command = FRQ_SERIAL_CPU_POWER };
}

static void
say(int argc, char **argv)
{
	struct frq_serial_packet p = { .command = (uint32_t)strtoul(argv[0], NULL, 0) };

	p.unit = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 0;
	p.resource_id = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	p.core_type = argc > 3 ? (uint8_t)strtoul(argv[3], NULL, 0) : 0;
	if (argc > 4)
		(void)snprintf(p.vm_name, sizeof(p.vm_name), "%s", argv[4]);
	put(&p, sizeof(p));
	if (!get(&p, sizeof(p), NO_ANSWER_MS))
		puts("none");
	else
		puts(p.command == FRQ_SERIAL_ACK ? "ACK" :
			p.command == FRQ_SERIAL_NACK ? "NACK" : "something else");
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The answer to a request, which is the request with another command. */
static void
expect_ack(uint32_t unit)
{
	struct frq_serial_packet p;

	if (!get(&p, sizeof(p), ANSWER_MS)) {
		errno = ETIMEDOUT;
		fail("no answer");
	}
	if (p.command != FRQ_SERIAL_ACK || p.unit != unit || p.resource_id != port) {
		printf("an answer to another request, or a refusal: command %" PRIu32 " unit %" PRIu32 "\n",
			p.command, p.unit);
		exit(1);
	}
}

static void
measure(unsigned int count)
{
	static uint64_t ns[MAX_SAMPLES];
	struct frq_serial_packet p;
	uint64_t start = now_ns(), before;

	if (count == 0 || count > MAX_SAMPLES)
		count = MAX_SAMPLES;
	for (unsigned int i = 0; i < count; i++) {
		p = power(i % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX);
		before = now_ns();
		put(&p, sizeof(p));
		expect_ack(p.unit);
		ns[i] = now_ns() - before;
	}
	printf("%u answered, %" PRIu64 " a second\n", count,
		(uint64_t)count * 1000000000 / (now_ns() - start));
	qsort(ns, count, sizeof(ns[0]), compare);
	printf("p50 %" PRIu64 " us p99 %" PRIu64 " us max %" PRIu64 " us\n", ns[count / 2] / 1000,
		ns[count * 99 / 100] / 1000, ns[count - 1] / 1000);
}

static void
rate(unsigned int seconds)
{
	uint64_t start = now_ns(), end = start + seconds * UINT64_C(1000000000);
	uint64_t sent = 0, answered = 0;
	struct frq_serial_packet p;

	while (now_ns() < end || answered < sent) {
		while (sent - answered < IN_FLIGHT && now_ns() < end) {
			p = power(sent++ % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX);
			put(&p, sizeof(p));
		}
		if (answered < sent)
			expect_ack(answered++ % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX);
	}
	printf("%" PRIu64 " answered, %" PRIu64 " a second\n", answered,
		answered * 1000000000 / (now_ns() - start));
}

static void
glue(unsigned int count)
{
	struct frq_serial_packet *p = calloc(count, SIZE);

	if (p == NULL)
		fail("memory");
	for (unsigned int i = 0; i < count; i++)
		p[i] = power(i % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX);
	put(p, count * SIZE);
	for (unsigned int i = 0; i < count; i++)
		expect_ack(p[i].unit);
	printf("%u answered\n", count);
	free(p);
}

static void
split(unsigned int count)
{
	struct frq_serial_packet p;

	for (unsigned int i = 0; i < count; i++) {
		p = power(i % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX);
		for (size_t byte = 0; byte < sizeof(p); byte++)
			put((const char *)&p + byte, 1);
		expect_ack(p.unit);
	}
	printf("%u answered\n", count);
}

static void
deaf(unsigned int seconds)
{
	uint64_t end = now_ns() + seconds * UINT64_C(1000000000), bytes = 0;
	const struct frq_serial_packet p = power(FRQ_SERIAL_MIN);
	ssize_t n;

	while (now_ns() < end) {
		n = write(fd, (const char *)&p + bytes % SIZE, SIZE - bytes % SIZE);
		if (n > 0)
			bytes += (uint64_t)n;
	}
	printf("%" PRIu64 " sent\n", bytes / SIZE);
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

static void
garbage(unsigned int seconds, uint64_t seed)
{
	uint64_t end = now_ns() + seconds * UINT64_C(1000000000), count = 0;
	unsigned char bytes[2 * SIZE];
	size_t size;

	seed |= 1;
	while (now_ns() < end) {
		struct frq_serial_packet *p = (struct frq_serial_packet *)(void *)bytes;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)next_random(&seed);
		/* Half of them with fields that come near to what is right. */
		if (count++ % 2 == 0) {
			p->command = (uint32_t)(next_random(&seed) % 12);
			p->unit = (uint32_t)(next_random(&seed) % 8);
			p->resource_id = next_random(&seed) % 3;
			p->core_type = (uint8_t)(next_random(&seed) % 3);
		}
		size = count % 4 == 0 ? 1 + next_random(&seed) % sizeof(bytes) : SIZE;
		put(bytes, size);
		while (read(fd, bytes, sizeof(bytes)) > 0)
			;
	}
	printf("%" PRIu64 " sent\n", count);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[2] : "";
	unsigned int n;

	if (argc < 4) {
		fputs("usage: port N say|measure|rate|glue|split|deaf|garbage ARG...\n", stderr);
		return 2;
	}
	port = (unsigned int)strtoul(argv[1], NULL, 0);
	n = (unsigned int)strtoul(argv[3], NULL, 0);
	open_port();
	if (strcmp(what, "say") == 0)
		say(argc - 3, argv + 3);
	else if (strcmp(what, "measure") == 0)
		measure(n);
	else if (strcmp(what, "rate") == 0)
		rate(n);
	else if (strcmp(what, "glue") == 0)
		glue(n);
	else if (strcmp(what, "split") == 0)
		split(n);
	else if (strcmp(what, "deaf") == 0)
		deaf(n);
	else if (strcmp(what, "garbage") == 0)
		garbage(n, argc > 4 ? strtoull(argv[4], NULL, 0) : 1);
	else
		return 2;
	return 0;
}
