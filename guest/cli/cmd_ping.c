/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ping - time the way to the host and back
 *
 * Three figures: a round trip from the post to the host's "consumed", what a
 * post alone costs, and what a repeat costs that the library drops. None
 * changes what the vCPU asks for: pings change nothing, and what is repeated
 * is the wish in force.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define DEFAULT_COUNT	100000u
#define MAX_COUNT	10000000u
#define WARM_UP		1000u
#define TIMEOUT_US	1000000u
#define BURST		32u	/* half a ring, so that a post never waits */
#define BURSTS		500u
#define REPEATS		100000u

struct result {
	uint32_t count;
	uint64_t *ticks;		/* of each round trip, sorted in the end */
	uint64_t post_ticks, repeat_ticks;	/* of all of them */
	uint32_t posts, repeats;	/* 0: not measured */
	double ns_per_tick;
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t
tick(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#else
	return now_ns();
#endif
}

static int
round_trip(struct freqring_channel *ch, uint32_t i)
{
	int ret = freqring_ping(ch, i);

	return ret < 0 ? ret : freqring_wait_consumed(ch, TIMEOUT_US);
}

static int
measure_round_trips(struct freqring_channel *ch, struct result *r)
{
	for (uint32_t i = 0; i < WARM_UP; i++) {
		int ret = round_trip(ch, i);

		if (ret < 0)
			return ret;
	}
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t start = tick();
		int ret = round_trip(ch, i);

		r->ticks[i] = tick() - start;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
measure_posts(struct freqring_channel *ch, struct result *r)
{
	for (uint32_t b = 0; b < BURSTS; b++) {
		uint64_t start = tick();
		int ret = 0;

		for (uint32_t i = 0; i < BURST && ret >= 0; i++)
			ret = freqring_ping(ch, i);
		r->post_ticks += tick() - start;
		if (ret >= 0)
			ret = freqring_wait_consumed(ch, TIMEOUT_US);
		if (ret < 0)
			return ret;
	}
	r->posts = BURSTS * BURST;
	return 0;
}

/* The call that says the wish in force again. */
static int (*
again(const struct freqring_status *st))(struct freqring_channel *)
{
	if (strcmp(st->wish, "min") == 0)
		return freqring_min;
	if (strcmp(st->wish, "max") == 0)
		return freqring_max;
	return strcmp(st->wish, "none") == 0 ? freqring_release : NULL;
}

static int
say_again(struct freqring_channel *ch, int (*call)(struct freqring_channel *), uint32_t khz)
{
	return call != NULL ? call(ch) : freqring_set(ch, khz);
}

static int
measure_repeats(struct freqring_channel *ch, struct result *r)
{
	int (*call)(struct freqring_channel *);
	struct freqring_status st;
	uint64_t start;
	int ret = freqring_get_status(ch, &st);

	if (ret != 0)
		return ret;
	call = again(&st);
	/* A release would end a lease that is in force without a wish. */
	if (st.lease_left_ms != 0)
		return 0;
	for (uint32_t i = 0; i < WARM_UP && ret >= 0; i++)
		ret = say_again(ch, call, st.wish_khz);
	if (ret >= 0)
		ret = freqring_wait_applied(ch, TIMEOUT_US);
	start = tick();
	for (uint32_t i = 0; i < REPEATS && ret >= 0; i++)
		ret = say_again(ch, call, st.wish_khz);
	r->repeat_ticks = tick() - start;
	r->repeats = REPEATS;
	return ret < 0 ? ret : 0;
}

static int
measure(struct freqring_channel *ch, struct result *r)
{
	uint64_t ns = now_ns(), ticks = tick();
	int ret = measure_round_trips(ch, r);

	if (ret == 0)
		ret = measure_posts(ch, r);
	if (ret == 0)
		ret = measure_repeats(ch, r);
	/* The run itself is what the TSC is calibrated with. */
	ticks = tick() - ticks;
	r->ns_per_tick = ticks != 0 ? (double)(now_ns() - ns) / (double)ticks : 1.0;
	return ret;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Nearest rank; `of_10000` is the percentile times 100. */
static uint64_t
percentile_ns(const struct result *r, uint64_t of_10000)
{
	uint64_t rank = (of_10000 * r->count + 9999) / 10000;

	return (uint64_t)((double)r->ticks[rank - 1] * r->ns_per_tick);
}

static uint64_t
each_ns_x10(const struct result *r, uint64_t ticks, uint32_t n)
{
	return (uint64_t)((double)ticks * r->ns_per_tick * 10 / n);
}

static void
print_result(const struct cli *cli, const struct result *r)
{
	static const struct {
		const char *name;
		uint64_t of_10000;
	} row[] = {
		{ "p50", 5000 }, { "p90", 9000 }, { "p99", 9900 }, { "p99.9", 9990 },
		{ "max", 10000 },
	};
	const size_t n = sizeof(row) / sizeof(row[0]);
	uint64_t post = each_ns_x10(r, r->post_ticks, r->posts);
	uint64_t repeat = r->repeats != 0 ? each_ns_x10(r, r->repeat_ticks, r->repeats) : 0;

	if (cli->json) {
		json_open(NULL, '{');
		json_number("count", r->count);
		json_open("round_trip_ns", '{');
		for (size_t i = 0; i < n; i++)
			json_number(row[i].name, percentile_ns(r, row[i].of_10000));
		json_close('}');
		json_tenths("post_ns", post);
		if (r->repeats != 0)
			json_tenths("repeat_ns", repeat);
		json_close('}');
		json_end();
		return;
	}
	(void)printf("%" PRIu32 " round trips, ns:", r->count);
	for (size_t i = 0; i < n; i++)
		(void)printf(" %s %" PRIu64, row[i].name, percentile_ns(r, row[i].of_10000));
	(void)printf("\na post alone %" PRIu64 ".%" PRIu64 " ns", post / 10, post % 10);
	if (r->repeats != 0)
		(void)printf(", a repeat that is dropped %" PRIu64 ".%" PRIu64 " ns", repeat / 10,
			repeat % 10);
	(void)putchar('\n');
}

int
cmd_ping(struct cli *cli, int argc, char **argv)
{
	struct result r = { .count = DEFAULT_COUNT };
	struct freqring_channel *ch;
	const char *lcore = "0";
	int opt, vcpu, ret;

	while ((opt = getopt(argc, argv, "n:l:")) != -1) {
		if (opt == 'l')
			lcore = optarg;
		else if (opt != 'n')
			return cli_usage(cli, "unknown option, or one without its value");
		else if (!parse_number(&r.count, optarg, MAX_COUNT) || r.count == 0)
			return cli_usage(cli, "-n %s: not a number from 1 to %u", optarg,
				MAX_COUNT);
	}
	if (optind < argc)
		return cli_usage(cli, "takes options only, but got \"%s\"", argv[optind]);
	vcpu = parse_lcore(cli, lcore);
	if (vcpu < 0)
		return CLI_USAGE;
	if (!host_is_alive(cli))
		return CLI_FAILED;
	r.ticks = calloc(r.count, sizeof(r.ticks[0]));
	if (r.ticks == NULL)
		return cli_error("ping", "out of memory", "a smaller -n");
	ret = freqring_attach(cli->fr, (unsigned int)vcpu, &ch);
	if (ret == 0)
		ret = measure(ch, &r);
	if (ret == 0) {
		qsort(r.ticks, r.count, sizeof(r.ticks[0]), compare);
		print_result(cli, &r);
	}
	free(r.ticks);
	return ret < 0 ? cli_library_error(cli, "ping", ret) : CLI_OK;
}
