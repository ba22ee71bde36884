/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring_serial.h - DPDK's power packets, as they go over virtio-serial
 *
 * Nothing but the wire: the layout of DPDK 22.11's
 * struct rte_power_channel_packet, _freq_list and _caps_list
 * (lib/power/rte_power_guest_channel.h), native-endian and unpadded as an
 * x86-64 compiler lays them out, so that DPDK's own host and guest are the
 * other end.
 *
 * There is no length, version or sequence number: a packet is known by its
 * size and its place in the stream, a reply by its order. Values of `command`
 * mean one thing towards the host and another one towards the guest.
 *
 *	 0      8     12       16         48                      444   464
 *	+------+------+---------+----------+-----------------------+-----+
 *	| res. | unit | command | vm_name  | policy (not for power)| ... |
 *	+------+------+---------+----------+-----------------------+-----+
 */
#ifndef FREQRING_SERIAL_H
#define FREQRING_SERIAL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Of the port in the guest, and of the channel's target in the domain XML; N follows. */
#define FRQ_SERIAL_PORT_PREFIX	"virtio.serial.port.poweragent."

#define FRQ_SERIAL_MAX_PORTS	64u	/* of a VM */
#define FRQ_SERIAL_MAX_VCPUS	8u	/* in a list */
#define FRQ_SERIAL_NAME_SIZE	32u

/* Guest to host. */
enum frq_serial_command {
	FRQ_SERIAL_CPU_POWER = 1,
	FRQ_SERIAL_CPU_POWER_CONNECT = 2,
	FRQ_SERIAL_POLICY = 3,
	FRQ_SERIAL_POLICY_REMOVE = 4,
	FRQ_SERIAL_QUERY_FREQ_LIST = 7,
	FRQ_SERIAL_QUERY_FREQ = 8,
	FRQ_SERIAL_QUERY_CAPS_LIST = 9,
	FRQ_SERIAL_QUERY_CAPS = 10,
};

/* Host to guest. */
enum frq_serial_reply {
	FRQ_SERIAL_ACK = 1,
	FRQ_SERIAL_NACK = 2,
	FRQ_SERIAL_FREQ_LIST = 3,
	FRQ_SERIAL_CAPS_LIST = 4,
};

/* Of CPU_POWER. */
enum frq_serial_unit {
	FRQ_SERIAL_UP = 1,
	FRQ_SERIAL_DOWN = 2,
	FRQ_SERIAL_MAX = 3,
	FRQ_SERIAL_MIN = 4,
	FRQ_SERIAL_ENABLE_TURBO = 5,
	FRQ_SERIAL_DISABLE_TURBO = 6,
};

/* What resource_id is the number of. */
enum frq_serial_core_type {
	FRQ_SERIAL_CORE_VIRTUAL = 0,
	FRQ_SERIAL_CORE_PHYSICAL = 1,
};

/* Each way: requests, and their ACK or NACK, which is the request with another command. */
struct frq_serial_packet {
	uint64_t resource_id;		/* of a vCPU */
	uint32_t unit;
	uint32_t command;
	char vm_name[FRQ_SERIAL_NAME_SIZE];
	uint64_t vfid[10];		/* from here to core_type: policies only */
	int32_t nb_mac_to_monitor;
	uint32_t traffic_policy[3];
	uint8_t vcpu_to_control[FRQ_SERIAL_MAX_VCPUS];
	uint8_t num_vcpu;
	uint8_t pad0[3];
	int32_t busy_hours[24];
	int32_t quiet_hours[24];
	int32_t hours_to_use_traffic_profile[24];
	uint8_t core_type;
	uint8_t pad1[3];
	uint32_t workload;
	uint32_t policy_to_use;
	uint8_t turbo_enabled;
	uint8_t pad2[7];
};

/* The answer to a query of frequencies: of the vCPU asked for, or of all. */
struct frq_serial_freq_list {
	uint64_t resource_id;
	uint32_t unit;
	uint32_t command;
	char vm_name[FRQ_SERIAL_NAME_SIZE];
	uint32_t khz[FRQ_SERIAL_MAX_VCPUS];
	uint8_t num_vcpu;
	uint8_t pad[7];
};

/* ... of capabilities. */
struct frq_serial_caps_list {
	uint64_t resource_id;
	uint32_t unit;
	uint32_t command;
	char vm_name[FRQ_SERIAL_NAME_SIZE];
	uint64_t turbo[FRQ_SERIAL_MAX_VCPUS];
	uint64_t priority[FRQ_SERIAL_MAX_VCPUS];
	uint8_t num_vcpu;
	uint8_t pad[7];
};

static_assert(sizeof(struct frq_serial_packet) == 464, "packet");
static_assert(offsetof(struct frq_serial_packet, resource_id) == 0, "packet.resource_id");
static_assert(offsetof(struct frq_serial_packet, unit) == 8, "packet.unit");
static_assert(offsetof(struct frq_serial_packet, command) == 12, "packet.command");
static_assert(offsetof(struct frq_serial_packet, vm_name) == 16, "packet.vm_name");
static_assert(offsetof(struct frq_serial_packet, vfid) == 48, "packet.vfid");
static_assert(offsetof(struct frq_serial_packet, nb_mac_to_monitor) == 128, "packet.nb_mac_to_monitor");
static_assert(offsetof(struct frq_serial_packet, traffic_policy) == 132, "packet.traffic_policy");
static_assert(offsetof(struct frq_serial_packet, vcpu_to_control) == 144, "packet.vcpu_to_control");
static_assert(offsetof(struct frq_serial_packet, num_vcpu) == 152, "packet.num_vcpu");
static_assert(offsetof(struct frq_serial_packet, busy_hours) == 156, "packet.busy_hours");
static_assert(offsetof(struct frq_serial_packet, quiet_hours) == 252, "packet.quiet_hours");
static_assert(offsetof(struct frq_serial_packet, hours_to_use_traffic_profile) == 348,
	"packet.hours_to_use_traffic_profile");
static_assert(offsetof(struct frq_serial_packet, core_type) == 444, "packet.core_type");
static_assert(offsetof(struct frq_serial_packet, workload) == 448, "packet.workload");
static_assert(offsetof(struct frq_serial_packet, policy_to_use) == 452, "packet.policy_to_use");
static_assert(offsetof(struct frq_serial_packet, turbo_enabled) == 456, "packet.turbo_enabled");
static_assert(sizeof(struct frq_serial_freq_list) == 88, "freq_list");
static_assert(offsetof(struct frq_serial_freq_list, khz) == 48, "freq_list.khz");
static_assert(offsetof(struct frq_serial_freq_list, num_vcpu) == 80, "freq_list.num_vcpu");
static_assert(sizeof(struct frq_serial_caps_list) == 184, "caps_list");
static_assert(offsetof(struct frq_serial_caps_list, turbo) == 48, "caps_list.turbo");
static_assert(offsetof(struct frq_serial_caps_list, priority) == 112, "caps_list.priority");
static_assert(offsetof(struct frq_serial_caps_list, num_vcpu) == 176, "caps_list.num_vcpu");

#endif /* FREQRING_SERIAL_H */
