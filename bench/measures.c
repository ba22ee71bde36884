/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * measures.c - the list of measures: ids, which do not change between versions,
 * and what they are called in the report
 */
#include <string.h>

#include "results.h"

#define LATENCY		"Round trips"
#define OPEN		"Round trips at a fixed rate"
#define APPLIED		"Request to applied"
#define COST		"Cost of a call"
#define THROUGHPUT	"Throughput"
#define SCALE		"Scale"
#define STORM		"Storm"
#define IDLE		"Nobody asks"
#define L3FWD		"What l3fwd-power sees"

const struct measure measures[] = {
	{ "pingpong_rtt", "cache line between two CPUs of the host", LATENCY, true },
	{ "ring_host_rtt", "freqring on the host itself, to consumed", LATENCY, false },
	{ "bare_word_guest_rtt", "bare word from the guest to a bare process", LATENCY, true },
	{ "ring_rtt", "freqring, to consumed (ping)", LATENCY, true },
	{ "ring_wish_rtt", "freqring, to consumed (wish)", LATENCY, false },
	{ "ring_applied_rtt", "freqring, to applied", LATENCY, true },
	{ "eventfd_wake", "eventfd, write to sleeper awake, one way", LATENCY, true },
	{ "serial_rtt", "virtio-serial to freqringd, to applied", LATENCY, true },
	{ "bare_serial_rtt", "virtio-serial to a bare process that only acknowledges", LATENCY, true },
	{ "peer_rtt", "virtio-serial to vm_power_mgr, unmodified", LATENCY, true },
	{ "peer_rtt_no_delay", "... with its 1 ms delay taken out", LATENCY, true },
	{ "bare_vhost_rtt", "vhost-user on the host itself, bare", LATENCY, false },
	{ "vhost_rtt", "vhost-user on the host itself, to freqringd", LATENCY, false },
	{ "vhost_guest_rtt", "vhost-user to freqringd, from the guest, to consumed (ping)", LATENCY, false },
	{ "vhost_guest_applied_rtt", "vhost-user to freqringd, from the guest, to applied", LATENCY, false },
	{ "bare_vhost_one_way", "vhost-user, bare, one way", LATENCY, false },
	{ "vhost_one_way", "vhost-user to freqringd, one way", LATENCY, false },
	{ "bare_word_guest_rtt_open_10000", "bare word, 10000 a second", OPEN, false },
	{ "ring_rtt_open_1000", "freqring, to consumed, 1000 a second", OPEN, false },
	{ "ring_rtt_open_10000", "freqring, to consumed, 10000 a second", OPEN, false },
	{ "ring_applied_rtt_open_1000", "freqring, to applied, 1000 a second", OPEN, false },
	{ "serial_rtt_open_1000", "virtio-serial to freqringd, 1000 a second", OPEN, false },
	{ "peer_rtt_open_100", "vm_power_mgr, 100 a second", OPEN, false },
	{ "ring_applied", "request to write returned, librte_power on simulated sysfs", APPLIED, true },
	{ "bare_power_call", "bare librte_power call, likewise", APPLIED, true },
	{ "ring_applied_simulated", "request to write returned, backend simulated", APPLIED, false },
	{ "ring_applied_real", "request to write returned, acpi-cpufreq of the test host", APPLIED, false },
	{ "bare_power_call_real", "bare librte_power call, likewise", APPLIED, false },
	{ "post_cost", "post, on the host itself", COST, true },
	{ "post_stream_cost", "post, as fast as it goes", COST, false },
	{ "repeat_cost", "repeat that is dropped", COST, true },
	{ "query_cost", "query", COST, true },
	{ "post_cost_tcg", "post, in the TCG guest", COST, true },
	{ "post_stream_cost_tcg", "post, as fast as it goes, in the TCG guest", COST, false },
	{ "repeat_cost_tcg", "repeat that is dropped, in the TCG guest", COST, true },
	{ "query_cost_tcg", "query, in the TCG guest", COST, true },
	{ "post_cost_kvm", "post, in the KVM guest", COST, false },
	{ "repeat_cost_kvm", "repeat that is dropped, in the KVM guest", COST, false },
	{ "query_cost_kvm", "query, in the KVM guest", COST, false },
	{ "serial_write_cost", "write() to the serial port, in the guest", COST, true },
	{ "post_instructions", "post, instructions", COST, false },
	{ "repeat_instructions", "repeat that is dropped, instructions", COST, false },
	{ "query_instructions", "query, instructions", COST, false },
	{ "poll_empty_instructions", "turn of the poller, hot channel, ring empty, instructions", COST, false },
	{ "poll_full_instructions", "the poller, for each request of a full ring, instructions", COST, false },
	{ "arbitrate_instructions", "arbitration of one vote, instructions", COST, false },
	{ "ring_throughput", "one channel, through the poller", THROUGHPUT, true },
	{ "ring_bare_throughput", "one channel, taken by a bare loop", THROUGHPUT, false },
	{ "rte_ring_throughput_1", "rte_ring, one at a time", THROUGHPUT, true },
	{ "rte_ring_throughput_32", "rte_ring, bursts of 32", THROUGHPUT, true },
	{ "ring_throughput_64", "64 channels of a VM, through the poller", THROUGHPUT, false },
	{ "ring_throughput_4096", "64 VMs of 64 channels, through the poller", THROUGHPUT, true },
	{ "serial_throughput", "virtio-serial to freqringd, 32 under way, each applied", THROUGHPUT, false },
	{ "bare_serial_throughput", "virtio-serial to a bare process, 32 under way", THROUGHPUT, false },
	{ "peer_throughput", "vm_power_mgr, unmodified, 32 under way", THROUGHPUT, false },
	{ "scale_1_rtt", "1 channel", SCALE, true },
	{ "scale_4_rtt", "4 channels, one active", SCALE, false },
	{ "scale_16_rtt", "16 channels, one active", SCALE, false },
	{ "scale_64_rtt", "64 channels, one active", SCALE, true },
	{ "scale_256_rtt", "256 channels, one active", SCALE, false },
	{ "scale_1024_rtt", "1024 channels, one active", SCALE, true },
	{ "scale_4096_rtt", "4096 channels, one active", SCALE, true },
	{ "scale_1_rtt_open_200", "1 channel, asks 200 times a second", SCALE, false },
	{ "scale_4096_rtt_open_200", "4096 channels, one asks 200 times a second", SCALE, false },
	{ "scale_1_turn", "turn of the poller, 1 channel", SCALE, false },
	{ "scale_4096_turn", "turn of the poller, 4096 channels", SCALE, false },
	{ "scale_4096_vm_memory", "memory of a VM with 64 channels", SCALE, false },
	{ "calm_neighbour_rtt", "asks once a millisecond, to consumed, nobody floods", STORM, false },
	{ "storm_neighbour_rtt", "... while a vCPU of another VM floods", STORM, true },
	{ "storm_64_neighbour_rtt", "... while 64 vCPUs of another VM flood", STORM, false },
	{ "storm_neighbour_rtt_no_applier", "one floods, and there is no applier", STORM, false },
	{ "storm_64_neighbour_rtt_no_applier", "64 flood, and there is no applier", STORM, false },
	{ "storm_flood", "requests of the one that floods", STORM, false },
	{ "storm_64_flood", "requests of the 64 that flood", STORM, false },
	{ "idle_cpu", "freqringd, polling", IDLE, true },
	{ "peer_idle_cpu", "vm_power_mgr, unmodified", IDLE, true },
	{ "peer_idle_cpu_no_delay", "... with its 1 ms delay taken out", IDLE, false },
	{ "vhost_turn", "turn of the poller, one VM", IDLE, false },
	{ "vhost_turn_idle", "... whose vhost-user port is looked at, too", IDLE, false },
	{ "idle_vhost_cost", "... what that port costs a turn", IDLE, false },
	{ "bare_vhost_empty", "an empty rte_vhost_dequeue_burst", IDLE, false },
	{ "freq_max_freqring", "rte_power_freq_max through freqring, a repeat", L3FWD, false },
	{ "freq_change_freqring", "... a change", L3FWD, false },
	{ "freq_max_native", "native, its index cached", L3FWD, false },
	{ "freq_max_kvm_vm", "through DPDK's VM channel, in the guest, call after call", L3FWD, false },
	{ .id = NULL }
};

const struct measure *
measure_find(const char *id)
{
	for (const struct measure *m = measures; m->id != NULL; m++)
		if (strcmp(m->id, id) == 0)
			return m;
	return NULL;
}
