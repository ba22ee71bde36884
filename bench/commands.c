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
	{ "bounce-guest", "[-a] [-d DEVICE|FILE] [-n SAMPLES] [-r RATE]",
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
	{ "rtt", "[-c CPU] [-d DEVICE|FILE] [-m ping|wish|applied] [-n SAMPLES] [-r RATE] [-v VCPU]",
	  "round trip of a request to freqringd, consumed or applied; -r: due so often a second",
	  cmd_rtt },
	{ "serial", "[-n SAMPLES] [-p PORT] [-r RATE]",
	  "round trip of DPDK's packets over virtio-serial, and what the write alone costs",
	  cmd_serial },
	{ "stalls", "[-t SECONDS] CPU...",
	  "what the machine takes away from a thread that only reads the time",
	  cmd_stalls },
	{ "eventfd", "[-n SAMPLES] CPU_A CPU_B",
	  "from a write to an eventfd on one CPU to a sleeper awake on another",
	  cmd_eventfd },
	{ "throughput", "[-c CPU] [-C CPU] [-k CHANNELS] [-n REQUESTS] [-r ROUNDS]",
	  "requests a second through the poller on CPU -C, of many channels",
	  cmd_throughput },
	{ "scale", "[-c CPU] [-C CPU] [-k CHANNELS] [-n SAMPLES] [-r RATE]",
	  "round trip of one active channel among many idle ones, the poller on CPU -C",
	  cmd_scale },
	{ "storm", "[-c CPU] [-C CPU] [-n SAMPLES] [-q]",
	  "one VM floods, another asks once a millisecond; -q: without the flood",
	  cmd_storm },
	{ "cpu-share", "[-r ROUNDS] [-t MS] PID",
	  "what share of a CPU a process takes",
	  cmd_cpu_share },
	{ .name = NULL }
};
