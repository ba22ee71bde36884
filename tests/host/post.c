/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * post - a guest's voice without a guest, on the host itself
 *
 *	post REGION VCPU WORD...
 *
 * REGION is the file of a region, such as /dev/shm/freqring-NAME. Takes the
 * channel, and for each word posts, waits until it is applied (60 s at most)
 * and prints what the host says then:
 *
 *	min, max, up, down, release, turbo-on, turbo-off
 *	KHZ		a frequency
 *	lease=SECONDS
 *	storm=N		N requests as fast as the ring takes them, min and max in
 *			turn, of which the last is awaited
 *	repeat=N	N times max, each of them posted
 *	ask=N		N requests, min and max in turn and 0.1 s apart, each of
 *			which is awaited; prints how long that took
 *	show		posts nothing
 *	wait=MS		holds the channel for so long
 *	told=N		asks to be told what the host does, and goes on asking for
 *			what it has until it was N times; a line each
 *	until=FILE	holds the channel until there is such a file
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "freqring_pvt.h"

#define WAIT_US		60000000u
#define FULL_US		50	/* a full ring is looked at again after that */
#define FULL_MAX	(WAIT_US / FULL_US)
#define ASK_US		100000u
#define LOOK_US		20000	/* a file is looked for after that */
#define TOLD_US		300000000u

static void
sleep_us(uint64_t us)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000 * 1000),
	};

	(void)nanosleep(&ts, NULL);
}

static int
storm(struct freqring_channel *ch, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		unsigned int tries = 0;
		int ret;

		while ((ret = i % 2 == 0 ? freqring_min(ch) : freqring_max(ch)) == -EAGAIN &&
		    ++tries < FULL_MAX)
			sleep_us(FULL_US);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
wait_for_file(const char *path)
{
	for (unsigned int i = 0; i < WAIT_US / LOOK_US; i++) {
		if (access(path, F_OK) == 0)
			return 0;
		sleep_us(LOOK_US);
	}
	return -ETIMEDOUT;
}

/* Past the library, which drops what says the same again. */
static int
repeat(struct freqring_channel *ch, unsigned long n)
{
	int ret = freqring_max(ch);

	for (unsigned long i = 1; i < n && ret >= 0; i++) {
		unsigned int tries = 0;

		while ((ret = frq_producer_post(&ch->p, FRQ_OP_MAX, 0, 0)) == -EAGAIN &&
		    ++tries < FULL_MAX)
			sleep_us(FULL_US);
		ch->posted += ret == 0;
	}
	return ret;
}

static uint64_t
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
ask_and_wait(struct freqring_channel *ch, unsigned long n)
{
	uint64_t *us = calloc(n + 1, sizeof(*us));
	int ret = us != NULL ? 0 : -ENOMEM;

	for (unsigned long i = 0; i < n && ret >= 0; i++) {
		uint64_t begin = now_us();

		ret = i % 2 == 0 ? freqring_min(ch) : freqring_max(ch);
		if (ret >= 0)
			ret = freqring_wait_applied(ch, WAIT_US);
		us[i] = now_us() - begin;
		sleep_us(ASK_US);
	}
	if (ret >= 0 && n != 0) {
		qsort(us, n, sizeof(*us), compare);
		printf("%lu requests, applied after p50 %" PRIu64 ", p90 %" PRIu64 ", p99 %" PRIu64
			", max %" PRIu64 " us\n", n, us[n / 2], us[n * 9 / 10], us[n * 99 / 100],
			us[n - 1]);
	}
	free(us);
	return ret;
}

static unsigned long nb_told;

static void
on_host(void *arg, unsigned int vcpu, enum freqring_host host, uint32_t ms)
{
	(void)arg;
	nb_told++;
	printf("told vCPU %u: %s %" PRIu32 "\n", vcpu, freqring_host_name(host), ms);
	(void)fflush(stdout);
}

static int
await_told(struct freqring_channel *ch, unsigned long n)
{
	int ret = freqring_tell_host(ch, true);

	for (unsigned int i = 0; i < TOLD_US / LOOK_US && ret >= 0 && nb_told < n; i++) {
		/* A repeat: so it is from the start. */
		ret = freqring_turbo(ch, true);
		/* Nobody takes them while the host is about to sleep. */
		if (ret == -EAGAIN)
			ret = 0;
		sleep_us(LOOK_US);
	}
	return ret < 0 || nb_told >= n ? ret : -ETIMEDOUT;
}

static int
ask(struct freqring_channel *ch, const char *word)
{
	static const struct {
		const char *word;
		int (*ask)(struct freqring_channel *ch);
	} words[] = {
		{ "min", freqring_min }, { "max", freqring_max }, { "up", freqring_up },
		{ "down", freqring_down }, { "release", freqring_release },
	};
	const char *value = strchr(word, '=');
	unsigned long n = strtoul(value != NULL ? value + 1 : word, NULL, 10);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i].word) == 0)
			return words[i].ask(ch);
	if (strcmp(word, "turbo-on") == 0 || strcmp(word, "turbo-off") == 0)
		return freqring_turbo(ch, strcmp(word, "turbo-on") == 0);
	if (strncmp(word, "lease=", 6) == 0)
		return freqring_lease(ch, (uint32_t)n);
	if (strncmp(word, "storm=", 6) == 0)
		return storm(ch, n);
	if (strncmp(word, "repeat=", 7) == 0)
		return repeat(ch, n);
	if (strncmp(word, "ask=", 4) == 0)
		return ask_and_wait(ch, n);
	if (strncmp(word, "told=", 5) == 0)
		return await_told(ch, n);
	if (strncmp(word, "until=", 6) == 0)
		return wait_for_file(value + 1);
	if (strncmp(word, "wait=", 5) == 0)
		sleep_us((uint64_t)n * 1000);
	else if (strcmp(word, "show") != 0)
		return value == NULL && n != 0 ? freqring_set(ch, (uint32_t)n) : -EINVAL;
	return 0;
}

static int
show(struct freqring_channel *ch, const char *word)
{
	struct freqring_status st;
	int ret = freqring_get_status(ch, &st);

	if (ret < 0)
		return ret;
	printf("%s: wish %s %" PRIu32 ", granted %" PRIu32 ", now %" PRIu32 ", pCPU %d of %u, "
		"refusals %" PRIu64 ", posted %" PRIu64 ", dropped %" PRIu64 ", full %" PRIu64
		": %s%s%s\n", word, st.wish, st.wish_khz, st.granted_khz, st.khz, st.pcpu,
		st.nb_pcpus, st.refusals, st.posted, st.dropped, st.full,
		freqring_reason(st.reason), st.host != FREQRING_HOST_AWAKE ? "; host " : "",
		st.host != FREQRING_HOST_AWAKE ? freqring_host_name(st.host) : "");
	(void)fflush(stdout);
	return 0;
}

int
main(int argc, char **argv)
{
	struct freqring_options options = { .host = on_host };
	struct freqring_channel *ch;
	struct freqring *fr;
	int ret;

	if (argc < 4) {
		fprintf(stderr, "usage: %s REGION VCPU WORD...\n", argv[0]);
		return 2;
	}
	options.device = argv[1];
	ret = freqring_open(&fr, &options);
	if (ret == 0)
		ret = freqring_attach(fr, (unsigned int)strtoul(argv[2], NULL, 10), &ch);
	for (int i = 3; i < argc && ret == 0; i++) {
		ret = ask(ch, argv[i]);
		if (ret >= 0)
			ret = freqring_wait_applied(ch, WAIT_US);
		if (ret == 0)
			ret = show(ch, argv[i]);
		else
			fprintf(stderr, "post: %s: ", argv[i]);
	}
	if (ret < 0)
		fprintf(stderr, "%s: %s\n", strerror(-ret),
			fr != NULL ? freqring_error(fr) : "out of memory");
	freqring_close(fr);
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
