/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * operator_domain.h - methods of the control socket that ask libvirt to do something
 *
 * They are answered when libvirt is done (libvirt_job.h). "vm" is a name or
 * UUID; "live" and "config" say where: the running VM, its definition.
 * rpc_call.arg is the daemon (daemon.h).
 */
#ifndef FRQ_OPERATOR_DOMAIN_H
#define FRQ_OPERATOR_DOMAIN_H

#include "control.h"

/** {"vm", "vcpu"?: N}. Gives {"name", "live", "vcpus": [{"vcpu", "cpus"}]}. */
json_t *get_vcpupin_run(struct rpc_call *call);

/**
 * {"vm", "vcpu": N, "cpus": LIST, "live"?, "config"?}: CPUs that are online and
 * managed. Without a place: the running VM, or the definition of one that is off.
 * Gives {"name", "vcpu", "cpus", "live", "config"}: where it was changed.
 */
json_t *set_vcpupin_run(struct rpc_call *call);

/**
 * {"vm", "live"?, "config"?, "serial"?: N, "print"?}: our shmem device, and N
 * virtio-serial channels. Without a place: both, as far as the VM is there.
 * Gives {"name", "object", "xml", "live": PLACE, "config": PLACE, "text"}, PLACE
 * being {"asked", "done", "text"}.
 */
json_t *attach_run(struct rpc_call *call);

/** {"vm", "live"?, "config"?, "serial"?: BOOL}: takes them out again. Likewise. */
json_t *detach_run(struct rpc_call *call);

#endif /* FRQ_OPERATOR_DOMAIN_H */
