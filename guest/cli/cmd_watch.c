/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define DEFAULT_INTERVAL_MS	100u
#define MAX_INTERVAL_MS		3600000u

/* What a line shows; padding is zero, so that two compare as bytes. */
struct seen {
	char wish[8];
	uint32_t wish_khz, granted_khz, khz;
	int32_t pcpu;
	uint32_t reason, turbo;
	uint32_t host, host_ms;
};

struct watch {
	struct freqring_channel **ch;
	struct seen *seen;
	uint32_t lines_left;	/* 0: no end */
	uint32_t interval_ms;
};

static struct seen
seen_of(const struct freqring_status *st)
{
	struct seen s;

	memset(&s, 0, sizeof(s));
	(void)snprintf(s.wish, sizeof(s.wish), "%s", st->wish);
	s.wish_khz = st->wish_khz;
	s.granted_khz = st->granted_khz;
	s.khz = st->khz;
	s.pcpu = st->pcpu;
	s.reason = st->reason;
	s.turbo = (uint32_t)st->turbo_allowed | (uint32_t)st->turbo_granted << 1;
	s.host = (uint32_t)st->host;
	s.host_ms = st->host_ms;
	return s;
}

static const char *
time_stamp(char buf[40])
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)localtime_r(&ts.tv_sec, &tm);
	n = strftime(buf, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(buf + n, 40 - n, ".%03ld", ts.tv_nsec / 1000000);
	(void)strftime(buf + n, 40 - n, "%z", &tm);
	return buf;
}

static void
print_change(const struct cli *cli, unsigned int vcpu, const struct freqring_status *st)
{
	char stamp[40], now[24], granted[24], wish[32], host[48];

	if (cli->json) {
		json_open(NULL, '{');
		json_string("time", time_stamp(stamp));
		json_status(cli, vcpu, st);
		json_close('}');
		json_end();
		return;
	}
	(void)printf("%s CPU %d vCPU %u pCPU %d: %s MHz%s, wish %s, granted %s MHz%s: %s%s%s\n",
		time_stamp(stamp), cpu_of_vcpu(vcpu), vcpu, st->pcpu, mhz(now, st->khz),
		simulated(cli), wish_text(wish, st), mhz(granted, st->granted_khz), simulated(cli),
		freqring_reason(st->reason),
		st->host != FREQRING_HOST_AWAKE ? "; host " : "",
		st->host != FREQRING_HOST_AWAKE ? sleep_text(host, st) : "");
	(void)fflush(stdout);
}

/* @return 1: enough lines; 0; or what the library returned */
static int
look(const struct cli *cli, struct watch *w, bool first)
{
	for (unsigned int vcpu = 0; vcpu < cli->info.nb_channels; vcpu++) {
		struct freqring_status st;
		struct seen s;
		int ret;

		if (w->ch[vcpu] == NULL)
			continue;
		ret = freqring_get_status(w->ch[vcpu], &st);
		if (ret != 0)
			return ret;
		s = seen_of(&st);
		if (!first && memcmp(&s, &w->seen[vcpu], sizeof(s)) == 0)
			continue;
		w->seen[vcpu] = s;
		print_change(cli, vcpu, &st);
		if (w->lines_left != 0 && --w->lines_left == 0)
			return 1;
	}
	return 0;
}

static int
watch(struct cli *cli, struct watch *w)
{
	const struct timespec pause = {
		.tv_sec = (time_t)(w->interval_ms / 1000),
		.tv_nsec = (long)(w->interval_ms % 1000) * 1000000,
	};
	int ret = 0;

	for (unsigned int i = 0; i < cli->info.nb_channels && ret == 0; i++)
		if (cli_has_vcpu(cli, i))
			ret = freqring_observe(cli->fr, i, &w->ch[i]);
	if (ret == 0)
		ret = look(cli, w, true);
	while (ret == 0) {
		(void)nanosleep(&pause, NULL);
		ret = look(cli, w, false);
	}
	return ret < 0 ? cli_library_error(cli, "watch", ret) : CLI_OK;
}

/* Seconds with at most three decimals: as MHz with kHz. */
static bool
parse_interval(uint32_t *ms, const char *text)
{
	return parse_mhz(ms, text) && *ms <= MAX_INTERVAL_MS;
}

int
cmd_watch(struct cli *cli, int argc, char **argv)
{
	struct watch w = { .interval_ms = DEFAULT_INTERVAL_MS };
	int opt, ret;

	while ((opt = getopt(argc, argv, "n:i:")) != -1) {
		switch (opt) {
		case 'n':
			if (!parse_number(&w.lines_left, optarg, UINT32_MAX) || w.lines_left == 0)
				return cli_usage(cli, "-n %s: not a number of lines", optarg);
			break;
		case 'i':
			if (!parse_interval(&w.interval_ms, optarg))
				return cli_usage(cli, "-i %s: not 0.001 to 3600 seconds", optarg);
			break;
		default:
			return cli_usage(cli, "unknown option, or one without its value");
		}
	}
	if (optind < argc)
		return cli_usage(cli, "takes options only, but got \"%s\"", argv[optind]);
	w.ch = calloc(cli->info.nb_channels + 1, sizeof(struct freqring_channel *));
	w.seen = calloc(cli->info.nb_channels + 1, sizeof(w.seen[0]));
	ret = w.ch == NULL || w.seen == NULL ? cli_error("watch", "out of memory", NULL) :
		watch(cli, &w);
	free((void *)w.ch);
	free(w.seen);
	return ret;
}
