/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * commands_vm_channel.c - the one command of freqring-bench-vm-channel, which is a
 * program of its own because it takes DPDK into a guest
 */
#include <stddef.h>

#include "bench.h"

const struct bench_command bench_commands[] = {
	{ "vm-channel", "[-n CALLS]",
	  "what rte_power_freq_max costs in a guest through the port of vCPU 0",
	  cmd_vm_channel },
	{ .name = NULL }
};
