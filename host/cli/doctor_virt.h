/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_virt.h - what libvirt says, read once for all checks
 *
 * struct doctor's `libvirt` is {"error": text}, or
 *
 *	{"version": N, "vms": [{"name", "uuid", "active", "shmem", "problem",
 *	  "vcpus": [{"vcpu": N, "pinned": bool, "cpus": "0,2-5"}]}]}
 *
 * of all domains. shmem is "" where a domain has no device of ours; problem is
 * not "" where it has one that cannot be served, or where it could not be read;
 * vcpus are those that are plugged in, and none where libvirt would not say.
 */
#ifndef FRQ_DOCTOR_VIRT_H
#define FRQ_DOCTOR_VIRT_H

#include "doctor.h"
#include "vm_map.h"

/** Ask, over a read-only connection, for at most 5 s. A new reference. */
json_t *doctor_virt_read(const char *uri);

/** {"vms": ...} of it, NULL where libvirt could not be asked. */
const json_t *doctor_vms(const struct doctor *d);

/** The union of where this VM's vCPUs are pinned; those that are not do not count. */
void doctor_vm_pins(const json_t *vm, struct cpuset *cpus);

/**
 * Read the configuration, ask the daemon and libvirt, look which CPUs there are.
 *
 * @param socket  as named on the command line, or its default
 * @param file  the configuration; NULL: the default one
 */
void doctor_gather(struct doctor *d, const char *socket, const char *file);

#endif /* FRQ_DOCTOR_VIRT_H */
