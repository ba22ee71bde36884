/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stalls.c - what the machine takes away from a thread that does nothing but
 * read the time: interrupts, a hypervisor, other processes
 *
 * A gap between two reads is a stall. A latency is no better than that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "histogram.h"
#include "report.h"
#include "thread.h"

#define SECONDS		2u
#define SECONDS_MAX	3600u
#define CPUS_MAX	8u
#define SHORTEST_NS	200.0	/* gap that counts; a read takes a tenth of that */

struct watch {
	pthread_t thread;
	unsigned int cpu;
	const struct tsc *tsc;
	uint64_t ticks;		/* for which it watches */
	double seconds;		/* for which it did */
	struct histogram h;
};

static void *
look(void *arg)
{
	struct watch *w = arg;
	uint64_t shortest = (uint64_t)(SHORTEST_NS / w->tsc->ns_per_tick);
	uint64_t start = tsc_read(), last = start, now;

	do {
		now = tsc_read();
		if (now - last > shortest)
			histogram_add(&w->h, tsc_ns(w->tsc, now - last), 1);
		last = now;
	} while (now - start < w->ticks);
	w->seconds = tsc_ns(w->tsc, now - start) / 1e9;
	return NULL;
}

static uint64_t
count_from(const struct histogram *h, double ns)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (histogram_bucket_ns(i) >= ns)
			n += h->count[i];
	return n;
}

static void
print(const struct bench *b, const struct watch *w)
{
	const char *comma = "";

	if (!b->json) {
		printf("CPU %u, %.1f s, stalls a second: %.0f of 1 us or more, %.1f of 10 us, "
			"%.1f of 100 us, %.2f of 1 ms; the longest %.1f us; %.3f %% of the time\n",
			w->cpu, w->seconds, (double)count_from(&w->h, 1e3) / w->seconds,
			(double)count_from(&w->h, 1e4) / w->seconds,
			(double)count_from(&w->h, 1e5) / w->seconds,
			(double)count_from(&w->h, 1e6) / w->seconds,
			(double)w->h.max / HISTOGRAM_PER_NS / 1e3, w->h.sum / w->seconds / 1e7);
		return;
	}
	printf("{\"id\":\"stalls_cpu%u\",\"seconds\":%.6f,\"max_ns\":%.1f,\"lost_share\":%.6f,"
		"\"stalls\":[", w->cpu, w->seconds, (double)w->h.max / HISTOGRAM_PER_NS,
		w->h.sum / w->seconds / 1e9);
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (w->h.count[i] == 0)
			continue;
		printf("%s[%.1f,%" PRIu64 "]", comma, histogram_bucket_ns(i), w->h.count[i]);
		comma = ",";
	}
	printf("]}\n");
}

enum bench_status
cmd_stalls(struct bench *b, int argc, char **argv)
{
	unsigned int seconds = SECONDS, nb;
	struct watch *w;
	const struct bench_option options[] = {
		{ 't', 1, SECONDS_MAX, .number = &seconds },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options))
		return BENCH_USAGE;
	nb = (unsigned int)(argc - optind);
	if (nb == 0 || nb > CPUS_MAX)
		return BENCH_USAGE;
	w = calloc(nb, sizeof(*w));
	if (w == NULL)
		return BENCH_FAILED;
	for (unsigned int i = 0; i < nb; i++) {
		w[i].tsc = &b->tsc;
		w[i].ticks = (uint64_t)(seconds * 1e9 / b->tsc.ns_per_tick);
		if (!bench_number("CPU", argv[optind + (int)i], 0, BENCH_CPU_MAX, &w[i].cpu)) {
			free(w);
			return BENCH_USAGE;
		}
	}
	for (unsigned int i = 0; i < nb; i++)
		if (!thread_start(&w[i].thread, w[i].cpu, look, &w[i]))
			return BENCH_FAILED;
	report_environment(b);
	for (unsigned int i = 0; i < nb; i++) {
		(void)pthread_join(w[i].thread, NULL);
		print(b, &w[i]);
	}
	free(w);
	return BENCH_OK;
}
