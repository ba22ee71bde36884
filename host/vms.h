/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vms.h - which VMs are served
 *
 * Follows the maps of the libvirt thread: admits VMs that have a device of
 * ours and that the configuration allows, opens their regions, hands them to
 * the poller and the applier, and takes them back in the order in which
 * nobody touches what is gone. Control thread only.
 */
#ifndef FRQ_VMS_H
#define FRQ_VMS_H

#include <jansson.h>

#include "applier.h"
#include "config.h"
#include "poller.h"
#include "vm_map.h"

struct vms;

struct vms_config {
	const struct config *config;
	struct poller *poller;
	struct applier *applier;
	bool simulated;
};

struct vms *vms_create(const struct vms_config *c, struct frq_err *err);

/** Follow a new map; takes it over. */
void vms_follow(struct vms *v, struct vm_map *map);

/* ---- the operator's word; it ends with the daemon ------------------------- */

/**
 * Fold a request of the operator's into the manual setting of a managed CPU:
 * it decides the CPU's domain, whatever VMs ask for, until it is released.
 *
 * @param op  FRQ_OP_UP, _DOWN, _MIN, _MAX, _SET or _RELEASE
 * @param khz  of _SET, otherwise 0
 * @return 0, or -EINVAL with *err
 */
int vms_set_cpu(struct vms *v, unsigned int cpu, uint8_t op, uint32_t khz, struct frq_err *err);

/**
 * Withdraw the vote of a vCPU, or of all, or give it back.
 *
 * @param name  of a VM that is known
 * @param vcpu  its number, or FRQ_ALL_VCPUS
 * @return 0, or -ENOENT with *err
 */
int vms_enable_channel(struct vms *v, const char *name, unsigned int vcpu, bool enabled,
	struct frq_err *err);

#define FRQ_ALL_VCPUS UINT_MAX

/** The applier has a new map in force: free what is not used any more. */
void vms_applier_done(struct vms *v);

/** The poller gave up a VM. */
void vms_quarantined(struct vms *v);

/**
 * The daemon ends: tell the guests, free everything. Poller and applier have
 * ended. The wish files stay: the next start goes on from them.
 */
void vms_free(struct vms *v);

/** {"vms": [...], "refusals": {...}} for status (docs of the schema: freqring(1)). */
json_t *vms_status(const struct vms *v);
/** The votes on a CPU, for status. */
json_t *vms_votes(const struct vms *v, unsigned int cpu);
/** The name of a VM that is served; NULL: it is not any more. */
const char *vms_name(const struct vms *v, const struct vm *vm);
/** A reason as status spells it: "ok", "unpinned", ... */
const char *vms_reason_name(enum frq_reason reason);

#endif /* FRQ_VMS_H */
