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

#define FRQ_SHMEM_PREFIX "freqring-"

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

#endif /* FRQ_VMS_H */
