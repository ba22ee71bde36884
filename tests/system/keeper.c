/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keeper - a guest program that lives on while the host's daemon comes and goes
 *
 *	keeper VCPU max|min|KHZ		says the same again, each 20 ms
 *	keeper VCPU max|min|KHZ told	and asks to be told what the host does: a line each
 *	keeper VCPU alternate		max and min by turns
 *	keeper VCPU steps SECONDS	down and up in pairs as fast as it goes; the
 *					last line says which wish is left
 *
 * Prints a line whenever what it sees changed: what the call returned, the
 * host's life, what was granted. SIGTERM ends it with a line of counters.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "freqring.h"

#define PAUSE_MS	20
#define SETTLE_S	60	/* for a daemon that is away to come back */

static volatile sig_atomic_t stop;

static void
on_stop(int sig)
{
	(void)sig;
	stop = 1;
}

static void
pause_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static time_t
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* A line that differs from the last one. */
static void
say(struct freqring *fr, struct freqring_channel *ch, int ret)
{
	static char last[256];
	struct freqring_info info = { .epoch = 0 };
	struct freqring_status st = { .wish = "?" };
	char line[256];

	(void)freqring_get_info(fr, &info, 150);
	(void)freqring_get_status(ch, &st);
	(void)snprintf(line, sizeof(line), "%s epoch %u incarnation %u host %s granted %" PRIu32
		" pcpu %d reason %u restated %" PRIu64,
		ret >= 0 ? "ok" : strerrorname_np(-ret), info.epoch, info.incarnation,
		info.host_alive ? "alive" : info.host_stopped ? "stopped" : "dead",
		st.granted_khz, st.pcpu, st.reason, st.restated);
	if (strcmp(line, last) == 0)
		return;
	(void)snprintf(last, sizeof(last), "%s", line);
	(void)puts(line);
	(void)fflush(stdout);
}

static int
ask(struct freqring_channel *ch, const char *what, unsigned long turn)
{
	if (strcmp(what, "alternate") == 0)
		what = turn / 25 % 2 == 0 ? "max" : "min";
	if (strcmp(what, "max") == 0)
		return freqring_max(ch);
	if (strcmp(what, "min") == 0)
		return freqring_min(ch);
	return freqring_set(ch, (uint32_t)strtoul(what, NULL, 10));
}

static int
keep(struct freqring *fr, struct freqring_channel *ch, const char *what)
{
	struct freqring_status st;

	for (unsigned long turn = 0; stop == 0; turn++) {
		int ret = ask(ch, what, turn);

		if (ret == 1)
			(void)freqring_wait_applied(ch, 200000);
		say(fr, ch, ret);
		pause_ms(PAUSE_MS);
	}
	if (freqring_get_status(ch, &st) == 0)
		printf("end posted %" PRIu64 " dropped %" PRIu64 " restated %" PRIu64 "\n",
			st.posted, st.dropped, st.restated);
	return EXIT_SUCCESS;
}

/* A step that is not posted now is posted later; none is given up. */
static bool
insist(struct freqring_channel *ch, int (*step)(struct freqring_channel *), uint64_t *again)
{
	const time_t end = now_s() + SETTLE_S;

	for (;;) {
		int ret = step(ch);

		if (ret == 1)
			return true;
		if ((ret != -EAGAIN && ret != -ENOTCONN) || now_s() > end)
			return false;
		(*again)++;
		if (*again % 16 == 0)
			pause_ms(1);
	}
}

static int
steps(struct freqring *fr, struct freqring_channel *ch, long seconds)
{
	const time_t end = now_s() + seconds;
	struct freqring_status st;
	uint64_t pairs = 0, again = 0;
	int ret;

	while (stop == 0 && now_s() < end) {
		for (int i = 0; i < 64; i++, pairs++) {
			if (insist(ch, freqring_down, &again) && insist(ch, freqring_up, &again))
				continue;
			printf("given up: %s\n", freqring_error(fr));
			return EXIT_FAILURE;
		}
	}
	ret = freqring_wait_applied(ch, SETTLE_S * 1000000u);
	if (ret == 0)
		ret = freqring_get_status(ch, &st);
	if (ret < 0) {
		printf("not applied: %s\n", freqring_error(fr));
		return EXIT_FAILURE;
	}
	printf("pairs %" PRIu64 " again %" PRIu64 " restated %" PRIu64 " wish_khz %" PRIu32 "\n",
		pairs, again, st.restated, st.wish_khz);
	return EXIT_SUCCESS;
}

static void
host(void *arg, unsigned int vcpu, enum freqring_host what, uint32_t ms)
{
	(void)arg;
	printf("vCPU %u told: host %s %" PRIu32 "\n", vcpu, freqring_host_name(what), ms);
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	const struct freqring_options options = { .host = host };
	struct freqring *fr = NULL;
	struct freqring_channel *ch;
	int ret;

	if (argc < 3) {
		fprintf(stderr, "usage: keeper VCPU max|min|KHZ|alternate, or VCPU steps SECONDS\n");
		return 2;
	}
	(void)signal(SIGTERM, on_stop);
	ret = freqring_open(&fr, &options);
	if (ret == 0)
		ret = freqring_attach(fr, (unsigned int)strtoul(argv[1], NULL, 10), &ch);
	if (ret == 0 && argc > 3 && strcmp(argv[3], "told") == 0)
		ret = freqring_tell_host(ch, true);
	if (ret < 0) {
		printf("%s: %s\n", strerrorname_np(-ret), freqring_error(fr));
		ret = EXIT_FAILURE;
	} else if (argc > 3 && strcmp(argv[2], "steps") == 0) {
		ret = steps(fr, ch, strtol(argv[3], NULL, 10));
	} else {
		ret = keep(fr, ch, argv[2]);
	}
	freqring_close(fr);
	return ret;
}
