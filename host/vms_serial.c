/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vms_serial.c - serial channels of VMs
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events.h"
#include "log.h"
#include "qemu_process.h"
#include "vms_pvt.h"

/* ---- what a port asks -------------------------------------------------------------- */

static bool
claim(void *arg, unsigned int vcpu)
{
	struct entry *e = arg;
	bool changed, ok = vms_claim(e, vcpu, VMS_SERIAL, &changed);

	if (changed)
		vms_hand_over_map(e->vms);
	return ok;
}

static bool
may_query(void *arg)
{
	const struct entry *e = arg;

	return e->query;
}

static const struct vm_map_vcpu *
place_of(const struct entry *e, unsigned int vcpu)
{
	const struct vm_map_vm *m = vm_map_find(e->vms->map, e->uuid);

	return m != NULL ? vm_map_vcpu(m, vcpu) : NULL;
}

static unsigned int
pcpu(void *arg, unsigned int vcpu)
{
	const struct vm_map_vcpu *place = place_of(arg, vcpu);

	return place != NULL && cpuset_count(&place->pcpus) == 1 ?
		cpuset_next(&place->pcpus, 0) : UINT_MAX;
}

/* Of the lowest CPU it may run on, whoever decides that. */
static uint32_t
khz(void *arg, unsigned int vcpu)
{
	const struct entry *e = arg;
	const struct vm_map_vcpu *place = place_of(e, vcpu);
	struct domain_cpu_stats st;
	unsigned int cpu = place != NULL ? cpuset_next(&place->pcpus, 0) : FRQ_MAX_CPUS;

	if (!cpuset_has(&e->vms->c.config->managed_cpus, cpu))
		return 0;
	applier_get_cpu(e->vms->c.applier, cpu, &st);
	return e->vms->c.power->get(st.policy);
}

static const struct serial_ops ops = {
	.claim = claim,
	.may_query = may_query,
	.khz = khz,
	.pcpu = pcpu,
};

/* ---- where the sockets are --------------------------------------------------------- */

bool
vms_is_safe_dir(const struct vms *v, const char *dir)
{
	struct stat st;

	return dir[0] != '\0' && lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
		(st.st_uid == 0 || st.st_uid == v->owner.owner) && (st.st_mode & 022) == 0;
}

bool
vms_is_safe_socket(const struct vms *v, const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		(st.st_uid == 0 || st.st_uid == v->owner.owner || st.st_uid == geteuid());
}

static uint64_t
find_sockets(const struct vms *v, const struct vm_map_vm *m, char (*path)[VM_MAP_SERIAL_PATH])
{
	const char *dir = v->c.config->serial_dir;
	uint64_t there = 0;
	struct stat st;

	if (strchr(m->name, '/') != NULL || !vms_is_safe_dir(v, dir))
		return 0;
	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS && n < m->nb_vcpus; n++)
		if ((size_t)snprintf(path[n], VM_MAP_SERIAL_PATH, "%s/%s.%u", dir, m->name, n) <
		    VM_MAP_SERIAL_PATH && lstat(path[n], &st) == 0 && S_ISSOCK(st.st_mode))
			there |= UINT64_C(1) << n;
	return there;
}

/* Those its XML names, else those in the folder of DPDK's host. */
static uint64_t
find_ports(const struct vms *v, const struct vm_map_vm *m, char (*path)[VM_MAP_SERIAL_PATH])
{
	if (m->serial == 0)
		return m->state != VM_DEFINED ? find_sockets(v, m, path) : 0;
	memcpy(path, m->serial_path, sizeof(m->serial_path));
	return m->serial;
}

bool
vms_has_serial(const struct vms *v, const struct vm_map_vm *m)
{
	char path[FRQ_SERIAL_MAX_PORTS][VM_MAP_SERIAL_PATH];

	return find_ports(v, m, path) != 0;
}

/* ---- served or not ----------------------------------------------------------------- */

/* Memory that is new has doorbells that are not; the cursors may be old. */
static void
set_doorbells(struct vm *vm)
{
	for (unsigned int n = 0; n < vm->nb_channels; n++)
		frq_store8(frq_region_doorbell(&vm->region, n),
			(uint8_t)wish_unpack(vm->file.slot[n].wish).next);
}

struct vm *
vms_make_private(const struct vms *v, const struct vm_map_vm *m, const char *what,
	struct frq_err *err)
{
	struct wish_file_identity id = { .qemu_pid = (uint64_t)m->qemu_pid,
		.qemu_start = qemu_start_time(m->qemu_pid) };
	struct vm *vm = vms_alloc_vm(v, m, err);
	char name[64];

	if (vm == NULL)
		return NULL;
	(void)snprintf(name, sizeof(name), "%s-%s", m->uuid_text, what);
	memcpy(id.uuid, m->uuid, sizeof(id.uuid));
	if (frq_region_memfd(&vm->region, name, err) < 0 ||
	    vms_open_wishes(v, vm, name, &id, err) < 0) {
		vms_free_vm(vm);
		return NULL;
	}
	frq_region_init(&vm->region, &vm->info, vm->life);
	set_doorbells(vm);
	return vm;
}

/* QEMU's sockets are all that the guest sees. */
static struct vm *
make_vm(const struct vms *v, const struct vm_map_vm *m, struct frq_err *err)
{
	struct vm *vm = vms_make_private(v, m, "serial", err);

	if (vm != NULL)
		vm->serial = true;
	return vm;
}

static void
say_problem(struct entry *e, const char *problem)
{
	if (strcmp(e->serial_problem, problem) == 0)
		return;
	(void)snprintf(e->serial_problem, sizeof(e->serial_problem), "%s", problem);
	event_raise(EVENT_NOT_SERVED, e->name, "VM %s: its serial channels are not served: %s",
		e->name, problem);
}

static void
admit(struct vms *v, struct entry *e, const struct vm_map_vm *m)
{
	struct frq_err err;
	struct vm *vm = make_vm(v, m, &err);
	int ret;

	if (vm == NULL) {
		say_problem(e, err.text);
		return;
	}
	ret = poller_add(v->c.poller, vm);
	if (ret == 0)
		e->ports = serial_attach(v->c.serial, vm, m->name, &ops, e);
	if (ret < 0 || e->ports == NULL) {
		say_problem(e, ret == -ENOSPC ? "too many VMs" : "the poller does not answer, or no memory");
		if (ret == 0)
			vms_retire(v, e->name, vm, true);
		else
			vms_free_vm(vm);
		return;
	}
	e->serial = vm;
	vms_recall_speaker(e, VMS_SERIAL);
	e->serial_pid = m->qemu_pid;
	vms_sleep_served(e);
	e->serial_problem[0] = '\0';
	event_raise(EVENT_SERVED, e->name, "VM %s: its serial channels are served, epoch %u", e->name,
		vm->life.epoch);
}

void
vms_serial_drop(struct vms *v, struct entry *e, bool gone)
{
	if (e->serial == NULL)
		return;
	if (gone)
		vms_sleep_keep(e, e->serial);
	serial_detach(e->ports);
	vms_forget_speaker(e, VMS_SERIAL);
	vms_retire(v, e->name, e->serial, gone);
	e->serial = NULL;
	e->ports = NULL;
	FRQ_LOG(INFO, "VM %s: its serial channels are not served any more", e->name);
}

void
vms_serial_follow(struct vms *v, struct entry *e, const struct vm_map_vm *m)
{
	char path[FRQ_SERIAL_MAX_PORTS][VM_MAP_SERIAL_PATH];
	uint64_t there = m->state != VM_DEFINED && e->allowed ? find_ports(v, m, path) : 0;
	bool gone = m->state == VM_DEFINED || e->serial_pid != m->qemu_pid;

	if (there == 0 || gone) {
		if (there == 0 && e->vm == NULL && e->vhost == NULL && e->serial != NULL)
			event_raise(EVENT_NOT_SERVED, e->name, "VM %s: not served any more", e->name);
		vms_serial_drop(v, e, gone);
	}
	if (there != 0 && e->serial == NULL && vms_has_memory(m) && v->connected)
		admit(v, e, m);
	if (e->serial != NULL)
		serial_set_ports(e->ports, there, path);
}
