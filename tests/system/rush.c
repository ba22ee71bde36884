/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rush - a guest program that asks ten thousand times a second, whatever comes, or
 * as often as half of its CPU is enough for: the guest has other things to do, too
 *
 *	rush VCPU min|max
 *
 * Asks for max and min by turns and prints a line for each move between
 * transports. SIGTERM makes it ask for what was named, until that is said and
 * done, and end with a line of counters.
 */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "freqring.h"

/* Ten thousand a second by a thousand timers: more would be all that a guest under TCG does. */
#define PAUSE_NS	900000
#define CALLS		10u
#define SETTLE_S	30

static volatile sig_atomic_t stop;

static void
on_stop(int sig)
{
	(void)sig;
	stop = 1;
}

static void
on_move(void *arg, enum freqring_transport from, enum freqring_transport to, const char *why)
{
	(void)arg;
	printf("moved from %s to %s: %s\n", freqring_transport_name(from),
		freqring_transport_name(to), why);
	(void)fflush(stdout);
}

static long
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
rush(struct freqring_channel *ch, uint64_t *calls, uint64_t *refused)
{
	while (stop == 0) {
		struct timespec pause = { .tv_nsec = PAUSE_NS };
		long start = now_ns(), spent;

		for (unsigned int i = 0; i < CALLS; i += 2) {
			*refused += freqring_max(ch) < 0;
			*refused += freqring_min(ch) < 0;
		}
		*calls += CALLS;
		spent = now_ns() - start;
		if (spent > PAUSE_NS && spent < 1000000000)
			pause.tv_nsec = spent;
		(void)nanosleep(&pause, NULL);
	}
}

/* Said, and answered for. */
static bool
settle(struct freqring_channel *ch, const char *last)
{
	const time_t end = time(NULL) + SETTLE_S;
	const struct timespec pause = { .tv_nsec = 20000000 };

	while (time(NULL) < end) {
		int ret = strcmp(last, "max") == 0 ? freqring_max(ch) : freqring_min(ch);

		if (ret >= 0 && freqring_wait_applied(ch, 1000000) == 0)
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

int
main(int argc, char **argv)
{
	const struct freqring_options options = { .moved = on_move };
	struct freqring *fr = NULL;
	struct freqring_channel *ch = NULL;
	struct freqring_status st = { .posted = 0 };
	uint64_t calls = 0, refused = 0;
	cpu_set_t own;
	int ret;

	if (argc != 3) {
		fprintf(stderr, "usage: rush VCPU min|max\n");
		return 2;
	}
	(void)signal(SIGTERM, on_stop);
	/* As an lcore is: over a port each frame would move it to the vCPU's queue and back. */
	CPU_ZERO(&own);
	CPU_SET((unsigned int)strtoul(argv[1], NULL, 10), &own);
	(void)sched_setaffinity(0, sizeof(own), &own);
	ret = freqring_open(&fr, &options);
	if (ret == 0)
		ret = freqring_attach(fr, (unsigned int)strtoul(argv[1], NULL, 10), &ch);
	if (ret < 0) {
		printf("%s: %s\n", strerrorname_np(-ret), freqring_error(fr));
		freqring_close(fr);
		return EXIT_FAILURE;
	}
	rush(ch, &calls, &refused);
	if (settle(ch, argv[2])) {
		(void)freqring_get_status(ch, &st);
		printf("end over %s: calls %" PRIu64 " refused %" PRIu64 " posted %" PRIu64
			" full %" PRIu64 " restated %" PRIu64 " moves %" PRIu64 "\n",
			freqring_transport_name(st.transport), calls, refused, st.posted, st.full,
			st.restated, st.moves);
	} else {
		printf("never done: %s\n", freqring_error(fr));
		ret = EXIT_FAILURE;
	}
	freqring_close(fr);
	return ret;
}
