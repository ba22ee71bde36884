/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * commands.c - the subcommands of freqring-bench
 */
#include <stddef.h>

#include "bench.h"

const struct bench_command bench_commands[] = {
	{ "pingpong", "[-a] [-n SAMPLES] CPU_A CPU_B",
	  "round trip of a bare cache line between two CPUs; -a: and of a ring, by host loop",
	  cmd_pingpong },
	{ "bounce-host", "[-c CPU] [-t SECONDS] FILE",
	  "the host's side of bounce-guest, in a file of its own, never a live region",
	  cmd_bounce_host },
	{ "bounce-guest", "[-a] [-d DEVICE|FILE] [-n SAMPLES]",
	  "round trip of a bare word to bounce-host; -a: and of a ring, by host loop",
	  cmd_bounce_guest },
	{ "post-cost", "[-c CPU] [-d DEVICE|FILE] [-v VCPU] [-p] [-s CPU] [-r ROUNDS]",
	  "what a call of libfreqring costs; -p: pings only, -s: host stand-in on that CPU",
	  cmd_post_cost },
	{ "ring-vs-rte", "[-c CPU] [-C CPU] [-n REQUESTS] [-r ROUNDS]",
	  "throughput of the request ring and of DPDK's rte_ring, one thread to another",
	  cmd_ring_vs_rte },
	{ "applied", "[-c CPU] [-C CPU] [-A CPU] [-k CPU] [-n SAMPLES] [-s]",
	  "from a request to CPU -k having been set, beside librte_power; -C, -A: poller, applier; -s: simulated",
	  cmd_applied },
	{ "vhost", "[-c CPU] [-C CPU] [-n SAMPLES]",
	  "a request over a vhost-user port and its answer, beside a bare librte_vhost; -C: the host's CPU",
	  cmd_vhost },
	{ .name = NULL }
};
