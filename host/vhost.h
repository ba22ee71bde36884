/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost.h - vhost-user ports: QEMU's socket to rings that the poller looks at
 *
 * A port is a socket that QEMU listens on and librte_vhost connects to, again
 * and again, so that either side may start anew. librte_vhost speaks the
 * protocol, maps the guest's memory and says where the virtqueues are; frames
 * are read and written by vhost_pair.h alone, on the poller's thread.
 *
 * Its messages come on a thread of librte_vhost's. Each takes the rings back
 * from the poller before it is handled, and gives them again afterwards: no
 * mapping goes away under the poller. Whoever is QEMU there may be taken over: what it
 * says is judged, what it leaves unsaid is not waited for. The calls below are the
 * control thread's.
 *
 * QEMU waits at its start, and while a port is plugged in, until somebody has
 * connected. So a port is opened as soon as a VM is known that has it, and
 * before one is plugged in; served it is when the VM is admitted.
 */
#ifndef FRQ_VHOST_H
#define FRQ_VHOST_H

#include <jansson.h>
#include <sys/types.h>

#include "vhost_pair.h"

struct vhost;
struct vhost_port;

struct vhost_config {
	struct poller *poller;
	uint64_t tsc_hz;
	uid_t qemu_user;	/* who may have made a socket, beside root and us */
	int notify_fd;		/* eventfd: a device was given up; or -1 */
};

struct vhost *vhost_create(const struct vhost_config *c);

/** All ports are closed. */
void vhost_free(struct vhost *v);

/**
 * Connect to the socket `path` when it is there.
 *
 * @param name  of the VM, for messages; copied
 * @return NULL and *err: another port has that socket, librte_vhost does not take it, or no
 * memory
 */
struct vhost_port *vhost_open(struct vhost *v, const char *path, const char *name,
	struct frq_err *err);

/** The poller has to run. NULL is allowed. */
void vhost_close(struct vhost_port *p);

/** From now on requests go to channels of `vm`, over a region of ours alone; the poller has it. */
void vhost_serve(struct vhost_port *p, struct vm *vm);

/** Afterwards nobody but the caller uses the VM. */
void vhost_release(struct vhost_port *p);

/**
 * Once a second: connect again where the other end was not let in, and get the poller
 * out of a write that blocks.
 */
void vhost_tick(struct vhost_port *p);

const char *vhost_path(const struct vhost_port *p);

/** Whether the poller looks at queue pair `n`. */
bool vhost_has_pair(struct vhost_port *p, unsigned int n);

/** Why it is not served although it is connected; NULL: it is. A sentence that lives for ever. */
const char *vhost_fault(const struct vhost_port *p);

/** {"path", "connected", "queues", "fault", and counters} */
json_t *vhost_status(struct vhost_port *p);

#endif /* FRQ_VHOST_H */
