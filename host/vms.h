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
#include "guest_sleep.h"
#include "poller.h"
#include "vm_map.h"

struct vms;

struct vms_config {
	const struct config *config;
	struct poller *poller;
	struct applier *applier;
	const struct power_ops *power;
	struct serial *serial;
	struct vhost *vhost;
};

struct vms *vms_create(const struct vms_config *c, struct frq_err *err);

/** Follow a new map; takes it over. */
void vms_follow(struct vms *v, struct vm_map *map);

/* ---- the operator's word; it ends with the daemon ------------------------- */

/**
 * Fold a request of the operator's into the manual setting of managed CPUs:
 * it decides their domains, whatever VMs ask for, until it is released. Where
 * one of them cannot be set so, none is.
 *
 * @param op  FRQ_OP_UP, _DOWN, _MIN, _MAX, _SET, _RELEASE, or as librte_power has
 *	them: _TURBO_ON, which also goes to the maximum, and _TURBO_OFF, which ends
 *	below the turbo state and otherwise stays where the CPU is
 * @param khz  of _SET, otherwise 0
 * @return 0, or -EINVAL with *err
 */
int vms_set_cpus(struct vms *v, const struct cpuset *cpus, uint8_t op, uint32_t khz,
	struct frq_err *err);

/** Of the last map handed to the applier: what was changed before is in it. */
uint64_t vms_generation(const struct vms *v);

/** The CPUs that an operator has set. */
void vms_manual_cpus(const struct vms *v, struct cpuset *cpus);

/**
 * Withdraw the votes of vCPUs, or give them back: all of them or none.
 *
 * @param name  or UUID of a VM that is known
 * @param vcpus  their numbers; NULL: all
 * @return how many changed, or -ENOENT or -EINVAL with *err
 */
int vms_enable_channels(struct vms *v, const char *name, const struct cpuset *vcpus, bool enabled,
	struct frq_err *err);

/** How many of those vCPUs have a channel that is in service. Likewise. */
int vms_count_channels(const struct vms *v, const char *name, const struct cpuset *vcpus,
	struct frq_err *err);

/**
 * Serve a VM although the configuration does not allow it, or do not although
 * it does. @return 0, or -ENOENT with *err
 */
int vms_add(struct vms *v, const char *name, struct frq_err *err);
int vms_remove(struct vms *v, const char *name, struct frq_err *err);

/** Let a VM ask for frequencies over virtio-serial. @return 0, or -ENOENT with *err */
int vms_set_query(struct vms *v, const char *name, bool enabled, struct frq_err *err);

/** The configuration has changed in what a reload may change. */
void vms_reconfigure(struct vms *v);

/* ---- sleep ------------------------------------------------------------------- */

/** libvirt says that a guest falls asleep or wakes up. */
void vms_pm(struct vms *v, const uint8_t uuid[16], enum guest_pm pm, struct sleep_time at);

/** Whether a guest sleeps, and how. SLEEP_NONE for one that is not known. */
struct guest_sleep vms_sleep(const struct vms *v, const uint8_t uuid[16]);

/** Have it woken up at that time (CLOCK_BOOTTIME, ms; 0: no more). */
void vms_set_wake(struct vms *v, const uint8_t uuid[16], uint64_t at_ms);

/** The first guest that should have been woken up by now; NULL: there is none. */
const struct vm_map_vm *vms_wake_due(const struct vms *v, uint64_t boot_ms);

/** How many VMs are served, by any transport. */
unsigned int vms_nb_served(const struct vms *v);

/** A VM's state, since when, and its votes. NULL: there is none, *err says so. */
json_t *vms_powerstate(const struct vms *v, const char *name, struct frq_err *err);

/**
 * Tell every guest what the host does. @return the generation of the applier's
 * map with which they are told
 */
uint64_t vms_tell_host(struct vms *v, struct frq_host host);

/** The host slept: have every CPU set again, and tell. Likewise. */
uint64_t vms_host_resumed(struct vms *v, struct frq_host host);

/** The applier has a new map in force: free what is not used any more. */
void vms_applier_done(struct vms *v);

/** Once a second: serial channels that could not be reached, and who speaks for whom. */
void vms_tick(struct vms *v);

/** The poller gave up a VM. */
void vms_quarantined(struct vms *v);

/**
 * A vhost-user port is about to be plugged into a running VM: connect to it as
 * freqring attach names it.
 *
 * @return 0: done, or there is one; else nobody will, and *err says why and what to do:
 * -ENOENT, -EACCES the VM is not to be served, -EIO
 */
int vms_expect_port(struct vms *v, const char *name, struct frq_err *err);

/** The daemon ends: let go of vhost-user ports, while the poller still runs. NULL is allowed. */
void vms_disconnect(struct vms *v);

/**
 * The daemon ends: tell the guests, free everything. Poller and applier have
 * ended. The wish files stay: the next start goes on from them.
 */
void vms_free(struct vms *v);

/** What libvirt says of a VM, by name or UUID; or NULL and *err. Until the next map. */
const struct vm_map_vm *vms_domain(const struct vms *v, const char *name, struct frq_err *err);

/** Who the file behind a region has to belong to. */
struct frq_region_file vms_region_file(const struct vms *v);

/** All that libvirt knows, a line each, and whether it can be asked now. */
json_t *vms_list(const struct vms *v);
/** Name and UUID of each VM that the status has. */
json_t *vms_shown(const struct vms *v);
/** One VM, for those who ask for one. NULL: there is none, *err says so. */
json_t *vms_one(const struct vms *v, const char *name, struct frq_err *err);
/** An operator's setting of a CPU: {"manual_wish", "manual_khz", "manual_turbo"}. */
json_t *vms_manual(const struct vms *v, unsigned int cpu);
/** From an event of libvirt to the map in force: {"p50", "p99", "max", "samples"}. */
json_t *vms_latency(const struct vms *v);
/** {"vms": [...], "refusals": {...}} for status (docs of the schema: freqring(1)). */
json_t *vms_status(const struct vms *v);
/** The votes on a CPU, for status. */
json_t *vms_votes(const struct vms *v, unsigned int cpu);
/** The name of a VM that is served; NULL: it is not any more. */
const char *vms_name(const struct vms *v, const struct vm *vm);
/** As status spells it: "running", ... */
const char *vms_run_state_name(enum vm_run_state state);
/** A reason as status spells it: "ok", "unpinned", ... */
const char *vms_reason_name(enum frq_reason reason);

#endif /* FRQ_VMS_H */
