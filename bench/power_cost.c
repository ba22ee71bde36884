/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * power_cost.c - what the calls of librte_power cost a DPDK program that
 * libfreqring-power.so is preloaded into
 *
 * This is such a program: one lcore, and the pointers that DPDK's header
 * declares. Without the preload it has nothing to measure and says so.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include "cpufreq.h"
#include "freqring_abi.h"
#include "report.h"
#include "stand_in.h"
#include "thread.h"

#define ROUNDS		9u
#define ROUNDS_MAX	999u
#define LCORE		0u
#define CALLS		1000000u	/* repeats in a round */
#define BATCHES		1000u		/* of a ring's slots each, in a round */
#define TRIES		20000u		/* for as many */
#define STREAM		500000u		/* changes in a round */
#define DRAIN_NS	20000.0		/* in which a host takes a ring of requests */
#define FULL_MAX	(1u << 26)	/* tries in a row, then nobody takes any more */
#define WAIT_S		10.0		/* for the first repeat that is one */

static bool
is_preloaded(void)
{
	Dl_info info;
	int (*init)(unsigned int lcore) = rte_power_init;

	return dladdr(*(void **)&init, &info) != 0 && info.dli_fname != NULL &&
		strstr(info.dli_fname, "libfreqring-power") != NULL;
}

static void
spin_ns(const struct tsc *tsc, double ns)
{
	uint64_t start = tsc_read();

	while (tsc_ns(tsc, tsc_between(tsc, start, tsc_read())) < ns)
		spin_pause();
}

static int
change(unsigned int i)
{
	return (i & 1) != 0 ? rte_power_freq_max(LCORE) : rte_power_freq_min(LCORE);
}

/* Until the host has nothing to say any more to what was asked before. */
static bool
await_quiet(const struct tsc *tsc)
{
	uint64_t start = tsc_read();

	while (tsc_ns(tsc, tsc_between(tsc, start, tsc_read())) < WAIT_S * 1e9) {
		if (rte_power_freq_max(LCORE) == 0)
			return true;
		spin_ns(tsc, DRAIN_NS);
	}
	return false;
}

static bool
measure_repeat(const struct tsc *tsc, double *ns)
{
	int changed = 0;
	uint64_t start;

	if (!await_quiet(tsc))
		return false;
	start = tsc_read();
	for (unsigned int i = 0; i < CALLS; i++)
		changed |= rte_power_freq_max(LCORE);
	*ns = tsc_ns(tsc, tsc_between(tsc, start, tsc_read())) / CALLS;
	return changed == 0;
}

/* With a host that has drained the ring before; what it had no time for does not count. */
static bool
measure_change(const struct tsc *tsc, double *ns)
{
	double batch[BATCHES];
	unsigned int n = 0;

	for (unsigned int i = 0; i < TRIES && n < BATCHES; i++) {
		uint64_t start, ticks;
		int changed = 0;

		spin_ns(tsc, DRAIN_NS);
		start = tsc_read();
		for (unsigned int k = 0; k < FRQ_RING_SLOTS; k++)
			changed += change(k) == 1;
		ticks = tsc_between(tsc, start, tsc_read());
		if (changed == (int)FRQ_RING_SLOTS)
			batch[n++] = tsc_ns(tsc, ticks) / FRQ_RING_SLOTS;
	}
	if (n != 0)
		*ns = median(batch, n);
	return n == BATCHES;
}

static bool
measure_stream(const struct tsc *tsc, double *ns)
{
	uint64_t start = tsc_read();

	for (unsigned int i = 0; i < STREAM; i++) {
		unsigned int tries = 0;

		while (change(i) < 0) {
			if (++tries == FULL_MAX)
				return false;
			spin_pause();
		}
	}
	*ns = tsc_ns(tsc, tsc_between(tsc, start, tsc_read())) / STREAM;
	return true;
}

static const struct {
	const char *id;
	bool (*run)(const struct tsc *tsc, double *ns);
} measures[] = {
	{ "power_repeat", measure_repeat },
	{ "power_change", measure_change },
	{ "power_change_stream", measure_stream },
};

#define NB_MEASURES (sizeof(measures) / sizeof(measures[0]))

static enum bench_status
measure_all(const struct bench *b, unsigned int rounds)
{
	double ns, all[NB_MEASURES][ROUNDS_MAX];

	/* The first round warms up. */
	for (unsigned int r = 0; r <= rounds; r++) {
		for (size_t i = 0; i < NB_MEASURES; i++) {
			if (!measures[i].run(&b->tsc, &ns)) {
				bench_error("%s: a change was dropped or a repeat posted: does a "
					"host serve this vCPU?", measures[i].id);
				return BENCH_FAILED;
			}
			if (r != 0)
				all[i][r - 1] = ns;
		}
	}
	report_environment(b);
	for (size_t i = 0; i < NB_MEASURES; i++)
		(void)report_rounds(b, measures[i].id, "ns", all[i], rounds);
	return BENCH_OK;
}

/* @return whether this thread is the lcore, on that CPU, and has a voice */
static bool
become_lcore(unsigned int cpu)
{
	char lcores[32], prefix[32];
	char *argv[] = {
		"freqring-bench", "--lcores", lcores, "--no-huge", "-m", "16", "--no-pci",
		"--no-shconf", "--no-telemetry", "--file-prefix", prefix,
		"--log-level", "lib.eal:warning", "--log-level", "lib.power:error", NULL,
	};

	(void)snprintf(lcores, sizeof(lcores), "%u@%u", LCORE, cpu);
	(void)snprintf(prefix, sizeof(prefix), "freqring-bench.%d", (int)getpid());
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0) {
		bench_error("DPDK's EAL does not start; its own lines above say why");
		return false;
	}
	if (rte_power_init(LCORE) == 0)
		return true;
	bench_error("CPU %u: rte_power_init failed; its own lines above say why", cpu);
	(void)rte_eal_cleanup();
	return false;
}

static enum bench_status
measure_as_lcore(const struct bench *b, unsigned int cpu, unsigned int rounds)
{
	enum bench_status status;

	if (!become_lcore(cpu))
		return BENCH_FAILED;
	status = measure_all(b, rounds);
	(void)rte_power_exit(LCORE);
	(void)rte_eal_cleanup();
	return status;
}

enum bench_status
cmd_power_cost(struct bench *b, int argc, char **argv)
{
	unsigned int rounds = ROUNDS, cpu = 0, host_cpu = 0;
	enum bench_status status = BENCH_FAILED;
	bool own_host = false;
	char path[64];
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu },
		{ 'r', 1, ROUNDS_MAX, .number = &rounds },
		{ 's', 0, BENCH_CPU_MAX, .number = &host_cpu, .given = &own_host },
		{ .name = 0 }
	};

	/* The stand-in serves vCPU 0. */
	if (!bench_options(b, argc, argv, options) || argc != optind || (own_host && cpu != 0))
		return BENCH_USAGE;
	if (!is_preloaded()) {
		bench_error("nothing to measure: LD_PRELOAD has to name libfreqring-power.so");
		return BENCH_FAILED;
	}
	if (!own_host)
		return measure_as_lcore(b, cpu, rounds);
	(void)snprintf(path, sizeof(path), "/dev/shm/freqring-bench.%d", (int)getpid());
	if (setenv("FREQRING_DEVICE", path, 1) == 0 && stand_in_start(path, host_cpu, &b->tsc)) {
		status = measure_as_lcore(b, cpu, rounds);
		stand_in_stop();
	}
	(void)unlink(path);
	return status;
}
