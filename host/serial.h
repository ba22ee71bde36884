/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serial.h - virtio-serial channels: DPDK's power packets, answered in order
 *
 * A VM's serial channels are a `struct vm` of their own, over a region that
 * nobody but the daemon has mapped (vms_serial.c). A packet is read from
 * QEMU's socket, checked, and posted into that region's ring: the poller
 * folds it and the applier sets it like any other request, and what was
 * consumed outlives the daemon. The answer goes out when the applier has
 * published that it is applied, or why not.
 *
 * Control thread only, in its event loop; nothing here blocks. A guest that
 * does not read its answers loses them; one that sends faster than is applied
 * is not read from meanwhile.
 */
#ifndef FRQ_SERIAL_H
#define FRQ_SERIAL_H

#include <event2/event.h>
#include <jansson.h>

#include "serial_packet.h"
#include "vm.h"
#include "vm_map.h"

struct serial;
struct serial_vm;

/* What a port has to know of its VM, and may do to it. */
struct serial_ops {
	/** A request comes: may the serial transport speak for that vCPU from now on? */
	bool (*claim)(void *arg, unsigned int vcpu);
	/** May the VM ask for frequencies (set_query)? */
	bool (*may_query)(void *arg);
	/** What a vCPU's CPU runs at, in kHz; 0: unknown. */
	uint32_t (*khz)(void *arg, unsigned int vcpu);
	/** The one CPU that a vCPU is pinned to, or UINT_MAX. */
	unsigned int (*pcpu)(void *arg, unsigned int vcpu);
};

struct serial_config {
	struct event_base *base;
	uid_t qemu_user;	/* who may have made a socket, beside root and us */
	bool physical;		/* a packet may name the CPU that its vCPU is pinned to */
};

struct serial *serial_create(const struct serial_config *c);
void serial_free(struct serial *s);

/**
 * Serve the channels of a VM.
 *
 * @param vm  over a region of ours alone; freed after serial_detach
 * @param name  for messages; copied
 */
struct serial_vm *serial_attach(struct serial *s, struct vm *vm, const char *name,
	const struct serial_ops *ops, void *arg);

/** Which ports there are now: bit N of `there`, at path[N]. Connects, and lets go. */
void serial_set_ports(struct serial_vm *sv, uint64_t there, char (*path)[VM_MAP_SERIAL_PATH]);

void serial_detach(struct serial_vm *sv);

/** The applier has published something: answer who waits for it. */
void serial_applied(struct serial *s);

/** Try again what is not connected; once a second. */
void serial_retry(struct serial *s);

/** {"ports": [...], and counters} */
json_t *serial_status(const struct serial_vm *sv);

/** Path of the socket of a port, "" where there is none. */
const char *serial_path(const struct serial_vm *sv, unsigned int port);
bool serial_connected(const struct serial_vm *sv, unsigned int port);

#endif /* FRQ_SERIAL_H */
