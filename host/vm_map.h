/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm_map.h - which VMs there are, and which pCPUs each vCPU may run on
 *
 * A map is built whole by the libvirt thread, never changed after it was
 * handed over, and freed by whoever was handed it.
 */
#ifndef FRQ_VM_MAP_H
#define FRQ_VM_MAP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cpuset.h"
#include "freqring_abi.h"
#include "freqring_serial.h"

/* A shmem device is ours when its name starts with this. */
#define FRQ_SHMEM_PREFIX "freqring-"

enum vm_run_state {
	VM_DEFINED,	/* known to libvirt, not running */
	VM_RUNNING,
	VM_PAUSED,	/* running process, vCPUs stopped */
	VM_SUSPENDED,	/* S3: pmsuspended */
};

struct vm_map_vcpu {
	bool present;		/* plugged in now */
	bool pinned;		/* there is an online CPU where it may not run */
	struct cpuset pcpus;	/* where it may run, as its thread's affinity says */
	struct cpuset libvirt_pcpus;	/* the same as libvirt says */
};

/* Of a socket, as in struct sockaddr_un. */
#define VM_MAP_SERIAL_PATH 108
#define VM_MAP_VHOST_PATH 108

struct vm_map_vm {
	uint8_t uuid[16];
	char uuid_text[37];
	char name[256];
	enum vm_run_state state;
	pid_t qemu_pid;			/* 0: not running or not found */
	char shmem[NAME_MAX + 1];	/* shmem object with our prefix; "": none */
	bool shmem_shared;		/* another active VM names the same object */
	bool shmem_usable;		/* ivshmem-plain of the right size */
	char shmem_problem[128];	/* why not usable; "": usable */
	uint64_t serial;		/* bit N: it has serial channel N, with the socket */
	char serial_path[FRQ_SERIAL_MAX_PORTS][VM_MAP_SERIAL_PATH];
	char vhost[VM_MAP_VHOST_PATH];	/* socket of its vhost-user port; "": none */
	unsigned int vhost_queues;	/* pairs of them */
	char vhost_problem[192];	/* why not usable; "": usable */
	unsigned int nb_vcpus;		/* highest possible + 1, capped */
	struct vm_map_vcpu vcpu[FRQ_MAX_CHANNELS];	/* in a map only nb_vcpus are there */
};

/* Every domain that libvirt knows. */
struct vm_map {
	bool connected;		/* false: libvirt is away, the last map stays in force */
	uint64_t generation;
	uint64_t event_ns;	/* CLOCK_MONOTONIC of the event it follows, 0: of none */
	uint64_t read_ns;	/* CLOCK_MONOTONIC when it began to be read */
	unsigned int nb_vms;
	struct vm_map_vm **vm;	/* sorted by UUID */
};

void vm_map_free(struct vm_map *m);

/** A map of its own with the same contents, or NULL. */
struct vm_map *vm_map_copy(const struct vm_map *m);

/** A VM of its own, as long as its vCPUs need; free(). NULL: no memory. */
struct vm_map_vm *vm_map_vm_copy(const struct vm_map_vm *vm);

/** The whole of `vm`, which may be as long as its vCPUs need, into a full-sized one. */
void vm_map_vm_expand(struct vm_map_vm *full, const struct vm_map_vm *vm);

/** A vCPU of a VM in a map; one that is not present where the VM has none. */
const struct vm_map_vcpu *vm_map_vcpu(const struct vm_map_vm *vm, unsigned int number);

/** Whether both say the same; generation and event are not compared. */
bool vm_map_equal(const struct vm_map *a, const struct vm_map *b);

/** The VM with that UUID, or NULL. */
const struct vm_map_vm *vm_map_find(const struct vm_map *m, const uint8_t uuid[16]);

#endif /* FRQ_VM_MAP_H */
