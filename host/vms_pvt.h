/* SPDX-License-Identifier: BSD-3-Clause */
/* What vms*.c share. Control thread only. */
#ifndef FRQ_VMS_PVT_H
#define FRQ_VMS_PVT_H

#include "guest_sleep.h"
#include "latency.h"
#include "serial.h"
#include "vhost.h"
#include "vms.h"

/* Of the longest list of CPUs, each second one: a list that is cut is another one. */
#define VMS_LIST_SIZE (FRQ_MAX_CPUS / 2 * 5)

/* What a VM does, as people see it. */
enum vms_power {
	VMS_POWER_UNKNOWN,
	VMS_RUNNING,
	VMS_PAUSED,
	VMS_SUSPENDED_MEM,
	VMS_SUSPENDED_DISK,
	VMS_OFF,
};

/* The best first: what speaks for a vCPU of which nobody has asked anything. */
enum vms_transport {
	VMS_RING,
	VMS_VHOST,
	VMS_SERIAL,
	VMS_NB_TRANSPORTS,
};

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
	bool may_be_served;	/* nothing known speaks against it */
	char former[NAME_MAX + 1];	/* one of ours that it named before, "": none */
	char problem[768];	/* why it is not served, or was quarantined */
	unsigned int nb_quarantined;	/* channels, as last reported */
	bool truncated;			/* the file was, and that is reported */
	uint64_t disabled[FRQ_MAX_CHANNELS / 64];	/* vCPUs, by an operator */
	pid_t qemu_pid;		/* of the machine that is served */
	struct vm *vm;		/* over its device; NULL: not served by one */
	/* vms_serial.c */
	struct vms *vms;
	struct vm *serial;	/* over a region of ours; NULL: no serial channel is served */
	struct serial_vm *ports;
	pid_t serial_pid;	/* of the machine whose channels these are */
	char serial_problem[256];
	/* vms_vhost.c */
	struct vm *vhost;	/* over a region of ours; NULL: no vhost-user port is served */
	struct vhost_port *port; /* NULL: it has none */
	pid_t vhost_pid;
	bool vhost_wanted;	/* the map has one, and it may be connected to */
	bool vhost_told;	/* that it was quarantined */
	char expected[VM_MAP_VHOST_PATH];	/* socket of a port that is being plugged in */
	unsigned int expected_s;	/* for how many ticks yet */
	char vhost_problem[384];
	/* vms_speaker.c */
	uint8_t asked[FRQ_MAX_CHANNELS];	/* last over which transport + 1; 0: none */
	unsigned int changes;	/* of who speaks, in this second */
	/* vms_sleep.c */
	struct guest_sleep sleep;
	bool started;			/* libvirt said so, and the map does not yet */
	int64_t state_since_ms;		/* CLOCK_REALTIME, of `power`; 0: not known */
	enum vms_power power;		/* as last looked at */
	enum { KEPT_NONE, KEPT_ASLEEP, KEPT_BACK } keeps;	/* wishes of a machine that is gone */
	struct wish kept[FRQ_MAX_CHANNELS];
	uint64_t kept_set[FRQ_MAX_CHANNELS / 64];	/* of the machine that is, or went last */
	uint64_t max_until_ms, kept_until_ms;	/* monotonic_ms, since it woke up */
};

struct vms {
	struct vms_config c;
	struct frq_region_file owner;
	uint64_t generation;	/* of the last map handed to the applier */
	uint64_t resumes;	/* of the host, that the applier is told of */
	struct frq_host host;	/* what every guest is told */
	json_t *remembered;	/* of guests that slept when the last daemon ended; or NULL */
	bool sleep_changed;	/* what is to be remembered is another now */
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

/** Whether its machine has all of its memory, and may be served. */
bool vms_has_memory(const struct vm_map_vm *m);

/** Whether an operator disabled a channel. */
bool vms_is_disabled(const struct entry *e, unsigned int n);

/* ---- vms.c, for vms_serial.c ------------------------------------------------ */

/** A VM without region and file; NULL: no memory. */
struct vm *vms_alloc_vm(const struct vms *v, const struct vm_map_vm *m, struct frq_err *err);

/**
 * Open the file `name` of its wishes, and set its life.
 *
 * @return 1: it goes on from there, 0: it begins anew, or a negative errno
 */
int vms_open_wishes(const struct vms *v, struct vm *vm, const char *name,
	const struct wish_file_identity *id, struct frq_err *err);

/** Take it from the poller, and free it when no map has it any more. @param gone  its machine */
void vms_retire(struct vms *v, const char *name, struct vm *vm, bool gone);

void vms_free_vm(struct vm *vm);

/* ---- vms_serial.c ------------------------------------------------------------ */

/** Follow the serial channels of a VM: serve those that there are, or none. */
void vms_serial_follow(struct vms *v, struct entry *e, const struct vm_map_vm *m);

/** Its channels are not served any more. @param gone  nor is there its machine */
void vms_serial_drop(struct vms *v, struct entry *e, bool gone);

/** Whether it has serial channels, in its XML or in the folder of DPDK's host. */
bool vms_has_serial(const struct vms *v, const struct vm_map_vm *m);

/** A folder in which nobody but root, QEMU and its owner could put a socket of his. */
bool vms_is_safe_dir(const struct vms *v, const char *dir);

/** Whether a socket in such a folder was made by who may. */
bool vms_is_safe_socket(const struct vms *v, const char *path);

/**
 * A VM over memory that only we have.
 *
 * @param what  "serial" or "vhost"
 */
struct vm *vms_make_private(const struct vms *v, const struct vm_map_vm *m, const char *what,
	struct frq_err *err);

/* ---- vms_vhost.c --------------------------------------------------------------- */

/** What of a VM's vhost-user port has to go, goes: the ports of others come after it. */
void vms_vhost_leave(struct vms *v, struct entry *e, const struct vm_map_vm *m);

/** Then: connect to it, serve it, or neither. */
void vms_vhost_follow(struct vms *v, struct entry *e, const struct vm_map_vm *m);

/** It is not served any more, nor connected to. @param gone  nor is there its machine */
void vms_vhost_drop(struct vms *v, struct entry *e, bool gone);

/** Once a second. */
void vms_vhost_tick(struct vms *v, struct entry *e);

/** The poller gave up something: was it this port? */
void vms_vhost_quarantined(struct entry *e);

/* ---- vms_speaker.c -------------------------------------------------------------- */

/** A VM's channels over a transport, or NULL. */
struct vm *vms_over(const struct entry *e, enum vms_transport t);

/** Whether it is served, over whatever. */
bool vms_is_served(const struct entry *e);

/** Which transport speaks for a vCPU. */
enum vms_transport vms_speaks(const struct entry *e, unsigned int n);

/** A request came over a transport. @return whether it speaks for the vCPU now */
bool vms_claim(struct entry *e, unsigned int n, enum vms_transport t, bool *changed);

/** Rings that were asked again get their vCPUs back. @return whether any did */
bool vms_give_back(struct entry *e);

/** A transport is served from now on: it may have been the last that asked. */
void vms_recall_speaker(struct entry *e, enum vms_transport t);

/** A transport is about to be served no more. */
void vms_forget_speaker(struct entry *e, enum vms_transport t);

/** The channel that speaks for a vCPU, or NULL. */
const struct channel *vms_speaker(const struct entry *e, unsigned int n);

/* ---- vms_sleep.c -------------------------------------------------------------- */

/** A VM that is new to us: was its guest asleep when the last daemon ended? */
void vms_sleep_remember(struct vms *v, struct entry *e);

/** libvirt does not know it any more. */
void vms_sleep_forget(struct vms *v, struct entry *e);

/** The map was followed as to its state. */
void vms_sleep_follow(struct vms *v, struct entry *e);

/** Its machine is gone: what it wished counts again where its guest suspended to disk. */
void vms_sleep_keep(struct entry *e, const struct vm *vm);

/** It is served from now on, by a machine that may have woken up. */
void vms_sleep_served(struct entry *e);

/** What the applier has to know: all but standing and CPUs. */
void vms_sleep_place(const struct entry *e, struct applier_map_vm *am);

/** Write down who sleeps, where that changed. */
void vms_sleep_save(struct vms *v);

/** "running", "suspended to disk", ... */
const char *vms_power_name(enum vms_power power);

/** Serve VMs or not, as the map, the configuration and the operator say, and tell the applier. */
void vms_follow_all(struct vms *v);

/** Tell the applier who votes where, what an operator set and disabled. */
void vms_hand_over_map(struct vms *v);

/** Raise events of what differs between two maps. */
void vms_tell_news(const struct vms *v, const struct vm_map *was, const struct vm_map *is);

/** The VM of that name or UUID, or NULL and *err. */
struct entry *vms_find(const struct vms *v, const char *name, struct frq_err *err);

#endif /* FRQ_VMS_PVT_H */
