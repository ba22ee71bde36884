/* SPDX-License-Identifier: BSD-3-Clause */
/* What vms*.c share. Control thread only. */
#ifndef FRQ_VMS_PVT_H
#define FRQ_VMS_PVT_H

#include "latency.h"
#include "vms.h"

/* A VM that libvirt knows. */
struct entry {
	uint8_t uuid[16];
	char name[256];
	enum vm_run_state state;
	bool allowed;		/* by the configuration or an operator */
	bool added, removed;	/* by an operator */
	bool query;		/* an operator lets it ask for frequencies (virtio-serial) */
	char shmem[NAME_MAX + 1];
	bool ours;		/* its file was found to be a region's, or made */
	char former[NAME_MAX + 1];	/* one of ours that it named before, "": none */
	char problem[768];	/* why it is not served, or was quarantined */
	unsigned int nb_quarantined;	/* channels, as last reported */
	bool truncated;			/* the file was, and that is reported */
	uint64_t disabled[FRQ_MAX_CHANNELS / 64];	/* vCPUs, by an operator */
	pid_t qemu_pid;		/* of the machine that is served */
	struct vm *vm;		/* NULL: not served */
};

struct vms {
	struct vms_config c;
	struct frq_region_file owner;
	uint64_t generation;	/* of the last map handed to the applier */
	struct vm_map *map;	/* the last one of libvirt, never NULL */
	bool connected;		/* libvirt can be asked now */
	unsigned int nb_entries;
	struct entry **entry;
	struct vm *retired;	/* not served, but the applier may still look */
	struct wish manual[FRQ_MAX_CPUS];	/* an operator's settings */
	uint64_t event_ns;		/* of an event of libvirt that is not in force, 0: none */
	uint64_t event_generation;	/* of the applier's map that has it */
	struct latency latency;		/* from such an event to that */
};

/** Whether an operator wants to hear of it: it has a device of ours, or was added. */
bool vms_is_ours(const struct vms *v, const struct vm_map_vm *m);

/** Whether an operator disabled a channel. */
bool vms_is_disabled(const struct entry *e, unsigned int n);

/** Serve a VM or not, as the map, the configuration and the operator say. */
void vms_follow_vm(struct vms *v, const struct vm_map_vm *m);

/** Tell the applier who votes where, what an operator set and disabled. */
void vms_hand_over_map(struct vms *v);

/** Raise events of what differs between two maps. */
void vms_tell_news(const struct vms *v, const struct vm_map *was, const struct vm_map *is);

/** The VM of that name or UUID, or NULL and *err. */
struct entry *vms_find(const struct vms *v, const char *name, struct frq_err *err);

#endif /* FRQ_VMS_PVT_H */
