/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm_channel.c - what rte_power_freq_max costs in a guest with DPDK's own way out
 * of it, a packet over virtio-serial
 *
 * The call returns when the packet is written; what the host answers is not read.
 */
#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_power.h>

#include "report.h"

#define LCORE		0u
#define CALLS		1000u
#define CALLS_MAX	1000000u
#define WARM_UP		20u
#define TRIES_MAX	(1u << 20)	/* in a row, then nobody reads any more */

/* @return whether this thread is lcore 0, which has the port of vCPU 0 */
static bool
become_lcore(void)
{
	char *argv[] = { "freqring-bench", "--lcores", "0@0", "--no-huge", "-m", "16", "--no-pci",
		"--no-shconf", "--no-telemetry", "--log-level", "lib.eal:error", NULL };

	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0) {
		bench_error("DPDK's EAL does not start; its own lines above say why");
		return false;
	}
	if (rte_power_set_env(PM_ENV_KVM_VM) == 0 && rte_power_init(LCORE) == 0)
		return true;
	bench_error("rte_power_init failed; its own lines above say why");
	return false;
}

/* One that does not fit into the port is tried again, and only the last try counts. */
static bool
measure(const struct tsc *tsc, struct samples *s)
{
	for (unsigned int i = 0; i < WARM_UP + s->max; i++) {
		unsigned int tries = 0;
		uint64_t start, end;

		do {
			start = tsc_read();
			if (rte_power_freq_max(LCORE) == 1)
				break;
		} while (++tries < TRIES_MAX);
		end = tsc_read();
		if (tries == TRIES_MAX)
			return false;
		if (i >= WARM_UP)
			samples_add(s, tsc_between(tsc, start, end));
	}
	return true;
}

enum bench_status
cmd_vm_channel(struct bench *b, int argc, char **argv)
{
	enum bench_status status = BENCH_FAILED;
	unsigned int n = CALLS;
	struct samples s;
	const struct bench_option options[] = {
		{ 'n', 1, CALLS_MAX, .number = &n },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind)
		return BENCH_USAGE;
	if (samples_init(&s, n) < 0)
		return BENCH_FAILED;
	if (become_lcore()) {
		if (measure(&b->tsc, &s)) {
			report_environment(b);
			(void)report_latency(b, "vm_channel", &s);
			status = BENCH_OK;
		} else {
			bench_error("nobody reads at the other end of the port");
		}
		(void)rte_power_exit(LCORE);
		(void)rte_eal_cleanup();
	}
	samples_free(&s);
	return status;
}
