/* SPDX-License-Identifier: BSD-3-Clause */
/* What vms.c and vms_status.c share. Control thread only. */
#ifndef FRQ_VMS_PVT_H
#define FRQ_VMS_PVT_H

#include "vms.h"

/* A VM that libvirt knows and that has a device of ours. */
struct entry {
	uint8_t uuid[16];
	char name[256];
	enum vm_run_state state;
	bool allowed;		/* by the configuration */
	char shmem[NAME_MAX + 1];
	bool ours;		/* its file was found to be a region's, or made */
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
	unsigned int nb_entries;
	struct entry **entry;
	struct vm *retired;	/* not served, but the applier may still look */
	struct wish manual[FRQ_MAX_CPUS];	/* an operator's settings */
};

#endif /* FRQ_VMS_PVT_H */
