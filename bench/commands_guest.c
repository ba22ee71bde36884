/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * commands_guest.c - the subcommands of freqring-bench-guest, which is linked
 * statically and without DPDK, to run in a VM's initramfs
 */
#include <stddef.h>

#include "bench.h"

const struct bench_command bench_commands[] = {
	{ "pingpong", "[-a] [-n SAMPLES] CPU_A CPU_B",
	  "round trip of a bare cache line between two CPUs; -a: and of a ring, by host loop",
	  cmd_pingpong },
	{ "bounce-guest", "[-a] [-d DEVICE|FILE] [-n SAMPLES] [-r RATE]",
	  "round trip of a bare word to bounce-host; -a: and of a ring, by host loop",
	  cmd_bounce_guest },
	{ "post-cost", "[-c CPU] [-d DEVICE|FILE] [-v VCPU] [-p] [-s CPU] [-r ROUNDS]",
	  "what a call of libfreqring costs; -p: pings only, -s: host stand-in on that CPU",
	  cmd_post_cost },
	{ "rtt", "[-c CPU] [-d DEVICE|FILE] [-m ping|wish|applied] [-n SAMPLES] [-r RATE] [-T ivshmem|vhost-user] [-v VCPU]",
	  "round trip of a request to freqringd, consumed or applied; -r: due so often a second",
	  cmd_rtt },
	{ "serial", "[-n SAMPLES] [-p PORT] [-r RATE] [-w WINDOW]",
	  "round trip of DPDK's packets over virtio-serial, what the write alone costs; -w: rate, with so many under way",
	  cmd_serial },
	{ "stalls", "[-t SECONDS] CPU...",
	  "what the machine takes away from a thread that only reads the time",
	  cmd_stalls },
	{ .name = NULL }
};
