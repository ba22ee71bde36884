/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "events.h"
#include "log.h"
#include "qemu_process.h"
#include "sigbus.h"
#include "sleep_file.h"
#include "vms_pvt.h"

/* ---- a served VM --------------------------------------------------------- */

static uint32_t
random_incarnation(void)
{
	uint32_t v = 0;

	/* Without entropy the time would do as well: it only has to differ. */
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != sizeof(v))
		v = (uint32_t)getpid();
	return (v & 0xfffffeu) + 1;
}

/*
 * A region that was used before says which epoch its guest may still post
 * for. This is the one word we read back; whatever a guest made of it, the
 * next number is one that differs from it.
 */
static struct frq_life
next_life(const struct frq_region *r)
{
	struct frq_life last = frq_life_unpack(frq_load64(&frq_region_header(r)->life));

	return (struct frq_life){
		.epoch = last.epoch == UINT8_MAX ? 1 : (uint8_t)(last.epoch + 1),
		.incarnation = random_incarnation(),
	};
}

static int
open_region(const struct vms *v, struct vm *vm, const char *object, struct frq_err *err)
{
	bool made;

	if ((size_t)snprintf(vm->shmem_path, sizeof(vm->shmem_path), "%s/%s",
	    v->c.config->shm_dir, object) >= sizeof(vm->shmem_path)) {
		frq_err_set(err, "the path of object %.64s... is too long", object);
		return -ENAMETOOLONG;
	}
	return frq_region_open(&vm->region, vm->shmem_path, &v->owner, &made, err);
}

/* Is the file we opened the one that the VM sees? */
static int
check_mapped(const struct vm *vm, const struct vm_map_vm *m, const struct stat *st,
	struct frq_err *err)
{
	if (m->qemu_pid == 0 || qemu_maps_inode(m->qemu_pid, st->st_dev, st->st_ino) != 0)
		return 0;
	frq_err_set(err, "%s is not the file that QEMU (pid %d) has mapped: it was removed and made anew; restart the VM",
		vm->shmem_path, (int)m->qemu_pid);
	return -ESTALE;
}

int
vms_open_wishes(const struct vms *v, struct vm *vm, const char *name,
	const struct wish_file_identity *id, struct frq_err *err)
{
	bool same;
	int ret = wish_file_open(&vm->file, v->c.config->state_dir, name, id, &same, err);

	if (ret < 0)
		return ret;
	if (same) {
		vm->life.epoch = (uint8_t)vm->file.header->epoch;
		vm->life.incarnation = (uint32_t)(vm->file.header->incarnation + 1) & 0xffffffu;
		if (vm->life.incarnation == 0)
			vm->life.incarnation = 1;
		vm->file.header->incarnation = vm->life.incarnation;
		return 1;
	}
	vm->life = next_life(&vm->region);
	wish_file_begin(&vm->file, id, vm->life);
	return 0;
}

static int
begin_or_resume(const struct vms *v, struct vm *vm, const struct vm_map_vm *m,
	struct frq_err *err)
{
	struct wish_file_identity id = { .qemu_pid = (uint64_t)m->qemu_pid };
	struct stat st;
	int ret;

	if (fstat(vm->region.fd, &st) < 0) {
		ret = -errno;
		frq_err_set(err, "%s: %s", vm->shmem_path, strerror(errno));
		return ret;
	}
	ret = check_mapped(vm, m, &st, err);
	if (ret < 0)
		return ret;
	memcpy(id.uuid, m->uuid, sizeof(id.uuid));
	id.region_dev = st.st_dev;
	id.region_ino = st.st_ino;
	id.qemu_start = qemu_start_time(m->qemu_pid);
	return vms_open_wishes(v, vm, m->uuid_text, &id, err);
}

void
vms_free_vm(struct vm *vm)
{
	sigbus_unwatch((void *)(uintptr_t)vm->region.base);
	frq_region_close(&vm->region);
	wish_file_close(&vm->file);
	free(vm);
}

struct vm *
vms_alloc_vm(const struct vms *v, const struct vm_map_vm *m, struct frq_err *err)
{
	struct vm *vm = aligned_alloc(64, sizeof(*vm));

	if (vm == NULL || m->nb_vcpus == 0) {
		frq_err_set(err, vm == NULL ? "no memory" : "it has no vCPU");
		free(vm);
		return NULL;
	}
	memset(vm, 0, sizeof(*vm));
	vm->region = FRQ_REGION_NONE;
	memcpy(vm->uuid, m->uuid, sizeof(vm->uuid));
	(void)snprintf(vm->uuid_text, sizeof(vm->uuid_text), "%s", m->uuid_text);
	(void)snprintf(vm->name, sizeof(vm->name), "%s", m->name);
	vm->nb_channels = m->nb_vcpus < FRQ_MAX_CHANNELS ? m->nb_vcpus : FRQ_MAX_CHANNELS;
	vm->rate_limit = v->c.config->rate_limit;
	vm->info.nb_channels = vm->nb_channels;
	vm->info.features = FRQ_FEATURE_TURBO | FRQ_FEATURE_LEASE | FRQ_FEATURE_HOST |
		(v->c.power->simulated ? FRQ_FEATURE_SIMULATED : 0);
	memcpy(vm->info.uuid, m->uuid, sizeof(vm->info.uuid));
	return vm;
}

static struct vm *
make_vm(const struct vms *v, const struct vm_map_vm *m, struct frq_err *err)
{
	struct vm *vm = vms_alloc_vm(v, m, err);
	int ret;

	if (vm == NULL)
		return NULL;
	if (open_region(v, vm, m->shmem, err) < 0) {
		free(vm);
		return NULL;
	}
	if (sigbus_watch((void *)(uintptr_t)vm->region.base, FRQ_REGION_SIZE, &vm->broken) < 0) {
		frq_err_set(err, "%u VMs are served already, that is all", FRQ_MAX_VMS);
		vms_free_vm(vm);
		return NULL;
	}
	ret = begin_or_resume(v, vm, m, err);
	if (ret < 0) {
		vms_free_vm(vm);
		return NULL;
	}
	if (ret > 0)
		frq_region_resume(&vm->region, &vm->info, vm->life);
	else
		frq_region_init(&vm->region, &vm->info, vm->life);
	return vm;
}

/* ---- admitting and dropping ---------------------------------------------- */

static struct entry *
find_entry(struct vms *v, const uint8_t uuid[16])
{
	for (unsigned int i = 0; i < v->nb_entries; i++)
		if (memcmp(v->entry[i]->uuid, uuid, 16) == 0)
			return v->entry[i];
	return NULL;
}

static struct entry *
add_entry(struct vms *v, const struct vm_map_vm *m)
{
	struct entry **grown = reallocarray(v->entry, v->nb_entries + 1, sizeof(*grown));
	struct entry *e;

	if (grown == NULL)
		return NULL;
	v->entry = grown;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	memcpy(e->uuid, m->uuid, sizeof(e->uuid));
	e->vms = v;
	vms_sleep_remember(v, e);
	v->entry[v->nb_entries++] = e;
	return e;
}

static void
say_life(struct vm *vm, uint8_t flags)
{
	vm->life.flags = flags;
	frq_store64(&frq_region_header(&vm->region)->life, frq_life_pack(vm->life));
}

/* The poller stops at once; the applier when the next map is in force. */
void
vms_retire(struct vms *v, const char *name, struct vm *vm, bool gone)
{
	int ret;

	if (!__atomic_load_n(&vm->quarantined, __ATOMIC_ACQUIRE)) {
		ret = poller_remove(v->c.poller, vm);
		if (ret < 0) {
			/* It may still look: better to lose the memory. */
			FRQ_LOG(ERR, "VM %s: the poller does not answer: %s", name, strerror(-ret));
			return;
		}
	}
	if (gone) {
		/* A guest that comes next waits for a new magic. */
		frq_store64(&frq_region_header(&vm->region)->magic, 0);
		wish_file_remove(&vm->file);
	} else {
		/* One that still runs is told. */
		say_life(vm, FRQ_LIFE_QUARANTINED);
	}
	vm->retired_in = v->generation + 1;
	vm->next_retired = v->retired;
	v->retired = vm;
}

static void
drop(struct vms *v, struct entry *e, bool gone)
{
	if (e->vm == NULL)
		return;
	if (gone)
		vms_sleep_keep(e, e->vm);
	vms_forget_speaker(e, VMS_RING);
	vms_retire(v, e->name, e->vm, gone);
	e->vm = NULL;
	FRQ_LOG(INFO, "VM %s: not served any more by its device", e->name);
}

/*
 * A VM that comes in by migration or from a saved image is paused until its
 * memory, the region included, is there: it is admitted when it runs, or its
 * guest sleeps.
 */
static bool
is_active(const struct vm_map_vm *m)
{
	return m->state != VM_DEFINED;
}

bool
vms_has_memory(const struct vm_map_vm *m)
{
	return m->state == VM_RUNNING || m->state == VM_SUSPENDED;
}

static void
say_problem(struct entry *e, const char *problem)
{
	if (strcmp(e->problem, problem) == 0)
		return;
	(void)snprintf(e->problem, sizeof(e->problem), "%s", problem);
	/* Most VMs of a host may have nothing to do with us. */
	if (problem[0] != '\0' && (e->shmem[0] != '\0' || e->added))
		event_raise(EVENT_NOT_SERVED, e->name, "VM %s is not served: %s", e->name, problem);
}

/* Before QEMU does: it would make the file readable by everybody. */
static void
make_ahead(const struct vms *v, struct entry *e)
{
	struct frq_region region = FRQ_REGION_NONE;
	struct frq_err err;
	char path[512];
	bool made;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", v->c.config->shm_dir, e->shmem) >=
	    sizeof(path) || (e->ours && access(path, F_OK) == 0))
		return;
	if (frq_region_open(&region, path, &v->owner, &made, &err) < 0) {
		say_problem(e, err.text);
		return;
	}
	frq_region_close(&region);
	e->ours = true;
	say_problem(e, "");
	if (made)
		FRQ_LOG(INFO, "VM %s: made %s", e->name, path);
}

/* Why a VM is not served; "" when it may be. */
static void
judge(const struct entry *e, const struct vm_map_vm *m, char *problem, size_t size)
{
	problem[0] = '\0';
	if (m->shmem[0] == '\0' && m->vhost[0] == '\0' && !vms_has_serial(e->vms, m))
		(void)snprintf(problem, size, "it has no device of ours: freqring attach %s", m->name);
	else if (e->removed)
		(void)snprintf(problem, size, "an operator removed it (freqring add_vm %s)", m->name);
	else if (!e->allowed)
		(void)snprintf(problem, size, "not in the configured list ([vms] allow)");
	else if (m->shmem[0] != '\0' && !m->shmem_usable)
		(void)snprintf(problem, size, "%s", m->shmem_problem);
	else if (m->shmem_shared)
		(void)snprintf(problem, size, "another running VM has the same object %s: give one of them a name of its own",
			m->shmem);
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
	if (ret < 0) {
		say_problem(e, ret == -ENOSPC ? "too many VMs" : "the poller does not answer");
		vms_free_vm(vm);
		return;
	}
	e->vm = vm;
	vms_recall_speaker(e, VMS_RING);
	e->problem[0] = '\0';
	e->nb_quarantined = 0;
	e->truncated = false;
	e->ours = true;
	e->qemu_pid = m->qemu_pid;
	vms_sleep_served(e);
	(void)snprintf(e->shmem, sizeof(e->shmem), "%s", m->shmem);
	event_raise(EVENT_SERVED, e->name, "VM %s: served, %u vCPUs, %s, epoch %u", e->name,
		vm->nb_channels, vm->shmem_path, vm->life.epoch);
}

static bool
is_other_machine(const struct entry *e, const struct vm_map_vm *m)
{
	return strcmp(e->shmem, m->shmem) != 0 || e->qemu_pid != m->qemu_pid;
}

/*
 * As the map, the configuration and the operator say; whom that admits serve_vm does.
 * @return its entry, NULL: no memory for one
 */
static struct entry *
follow_vm(struct vms *v, const struct vm_map_vm *m)
{
	struct entry *e = find_entry(v, m->uuid);
	char problem[512];

	if (e == NULL)
		e = add_entry(v, m);
	if (e == NULL)
		return NULL;
	e->state = m->state;
	(void)snprintf(e->name, sizeof(e->name), "%s", m->name);
	vms_sleep_follow(v, e);
	e->allowed = !e->removed &&
		(e->added || config_allows(v->c.config, m->name, m->uuid_text));
	judge(e, m, problem, sizeof(problem));
	if (e->vm != NULL && (!is_active(m) || problem[0] != '\0' || is_other_machine(e, m))) {
		drop(v, e, !is_active(m) || is_other_machine(e, m));
		/* Where its channels end with it, that is one event, and theirs. */
		if (problem[0] == '\0' && (!vms_is_served(e) || is_active(m)))
			event_raise(EVENT_NOT_SERVED, e->name, "VM %s: not served any more%s%s",
				e->name, !vms_is_served(e) ? "" : " by its device, only over its ",
				!vms_is_served(e) ? "" : e->vhost != NULL ? "vhost-user port" :
				"serial channels");
	}
	if (e->vm != NULL)
		return e;
	if (strcmp(e->shmem, m->shmem) != 0) {
		if (e->ours)
			memcpy(e->former, e->shmem, sizeof(e->former));
		e->ours = false;
	}
	if (strcmp(e->former, m->shmem) == 0)
		e->former[0] = '\0';
	(void)snprintf(e->shmem, sizeof(e->shmem), "%s", m->shmem);
	if (problem[0] != '\0' || m->shmem[0] == '\0')
		say_problem(e, problem);
	e->may_be_served = problem[0] == '\0';
	return e;
}

static void
serve_vm(struct vms *v, const struct vm_map_vm *m)
{
	struct entry *e = find_entry(v, m->uuid);

	if (e == NULL)
		return;
	vms_vhost_follow(v, e, m);
	vms_serial_follow(v, e, m);
	if (e->vm != NULL || !e->may_be_served || m->shmem[0] == '\0')
		return;
	if (vms_has_memory(m) && v->connected)
		admit(v, e, m);
	else if (!is_active(m))
		make_ahead(v, e);
}

/* First who goes, so that an object is free for whoever comes. */
void
vms_follow_all(struct vms *v)
{
	for (unsigned int i = 0; i < v->map->nb_vms; i++) {
		struct entry *e = follow_vm(v, v->map->vm[i]);

		if (e != NULL)
			vms_vhost_leave(v, e, v->map->vm[i]);
	}
	for (unsigned int i = 0; i < v->map->nb_vms; i++)
		serve_vm(v, v->map->vm[i]);
	vms_hand_over_map(v);
}

/* What an operator said of it holds until the daemon ends, also of a transient VM. */
static bool
has_word(const struct entry *e)
{
	bool any = e->added || e->removed || e->query;

	for (unsigned int w = 0; w < FRQ_MAX_CHANNELS / 64; w++)
		any |= e->disabled[w] != 0;
	return any;
}

/* Unless another VM names it, too. */
static void
remove_object(const struct vms *v, const struct entry *e, const char *shmem)
{
	char path[512];

	for (unsigned int i = 0; i < v->nb_entries; i++)
		if (v->entry[i] != e && strcmp(v->entry[i]->shmem, shmem) == 0)
			return;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", v->c.config->shm_dir, shmem) <
	    sizeof(path) && unlink(path) == 0)
		FRQ_LOG(INFO, "VM %s is gone: removed %s", e->name, path);
}

/* Neither defined nor running: its objects are nobody's. @return whether the entry is gone, too */
static bool
forget(struct vms *v, unsigned int i)
{
	struct entry *e = v->entry[i];

	if (vms_is_served(e))
		event_raise(EVENT_NOT_SERVED, e->name, "VM %s: not served any more", e->name);
	drop(v, e, true);
	vms_vhost_drop(v, e, true);
	vms_serial_drop(v, e, true);
	if (e->ours && e->shmem[0] != '\0')
		remove_object(v, e, e->shmem);
	if (e->former[0] != '\0')
		remove_object(v, e, e->former);
	e->shmem[0] = e->former[0] = '\0';
	vms_sleep_forget(v, e);
	if (has_word(e))
		return false;
	free(e);
	v->entry[i] = v->entry[--v->nb_entries];
	return true;
}

/* ---- where the votes go -------------------------------------------------- */

/*
 * A vCPU votes where it is pinned, if that is less than everywhere: on a
 * proper subset of the managed CPUs, or on the only one there is.
 */
static enum frq_reason
place_vcpu(const struct cpuset *managed, const struct vm_map_vm *m, bool asleep, unsigned int n,
	struct cpuset *cpus)
{
	const struct vm_map_vcpu *vcpu = vm_map_vcpu(m, n);

	if (m->state != VM_RUNNING || asleep)
		return FRQ_REASON_PAUSED;
	if (!vcpu->present)
		return FRQ_REASON_NO_VCPU;
	if (!vcpu->pinned || (cpuset_count(managed) > 1 &&
	    cpuset_subset(managed, &vcpu->pcpus)))
		return FRQ_REASON_UNPINNED;
	if (!cpuset_subset(&vcpu->pcpus, managed))
		return FRQ_REASON_NOT_MANAGED;
	*cpus = vcpu->pcpus;
	return FRQ_REASON_OK;
}

/* @param vm  over one of its transports */
static struct applier_map_vm *
place_vm(const struct vms *v, const struct entry *e, struct vm *vm, const struct vm_map_vm *m)
{
	struct applier_map_vm *am = calloc(1, sizeof(*am));

	if (am == NULL)
		return NULL;
	am->vm = vm;
	am->rule = config_rule(v->c.config, m->name, m->uuid_text);
	vms_sleep_place(e, am);
	for (unsigned int n = 0; n < vm->nb_channels; n++) {
		am->vcpu[n].standing = place_vcpu(&v->c.config->managed_cpus, m, am->asleep, n,
			&am->vcpu[n].cpus);
		/* One vote a vCPU. */
		if (vms_over(e, vms_speaks(e, n)) != vm)
			am->vcpu[n].standing = FRQ_REASON_ELSEWHERE;
		if (am->vcpu[n].standing == FRQ_REASON_OK && vms_is_disabled(e, n))
			am->vcpu[n].standing = FRQ_REASON_DISABLED;
	}
	return am;
}

static void
place_transport(const struct vms *v, struct applier_map *am, const struct entry *e,
	struct vm *vm, const struct vm_map_vm *m)
{
	if (vm == NULL)
		return;
	am->vm[am->nb_vms] = place_vm(v, e, vm, m);
	if (am->vm[am->nb_vms] == NULL)
		FRQ_LOG(ERR, "VM %s: no memory for its votes", e->name);
	else
		am->nb_vms++;
}

void
vms_hand_over_map(struct vms *v)
{
	struct applier_map *am = calloc(1, sizeof(*am));

	if (am == NULL) {
		FRQ_LOG(ERR, "no memory for a new map: the last one stays in force");
		return;
	}
	am->generation = ++v->generation;
	am->resumes = v->resumes;
	am->host = frq_host_pack(v->host);
	memcpy(am->manual, v->manual, sizeof(am->manual));
	for (unsigned int i = 0; i < v->nb_entries; i++) {
		const struct entry *e = v->entry[i];
		const struct vm_map_vm *m = vm_map_find(v->map, e->uuid);

		if (m == NULL)
			continue;
		for (unsigned int t = 0; t < VMS_NB_TRANSPORTS; t++)
			place_transport(v, am, e, vms_over(e, (enum vms_transport)t), m);
	}
	applier_set_map(v->c.applier, am);
}

void
vms_follow(struct vms *v, struct vm_map *map)
{
	/* While libvirt is away the last map stays in force, and no VM is admitted. */
	v->connected = map->connected;
	if (!map->connected) {
		vm_map_free(map);
		return;
	}
	vms_tell_news(v, v->map, map);
	vm_map_free(v->map);
	v->map = map;
	if (map->event_ns != 0 && v->event_ns == 0) {
		v->event_ns = map->event_ns;
		v->event_generation = v->generation + 1;
	}
	for (unsigned int i = 0; i < v->nb_entries;) {
		if (vm_map_find(map, v->entry[i]->uuid) != NULL || !forget(v, i))
			i++;
	}
	vms_follow_all(v);
	/* All that was known to libvirt then is in this map. */
	json_decref(v->remembered);
	v->remembered = NULL;
	vms_sleep_save(v);
}

void
vms_tick(struct vms *v)
{
	for (unsigned int i = 0; i < v->nb_entries; i++) {
		v->entry[i]->changes = 0;
		vms_vhost_tick(v, v->entry[i]);
	}
	/* The folder of DPDK's host sends no event; and who waited for his turn has it. */
	for (unsigned int i = 0; v->connected && i < v->map->nb_vms; i++)
		if (v->map->vm[i]->serial == 0 && v->map->vm[i]->state == VM_RUNNING &&
		    vms_has_serial(v, v->map->vm[i])) {
			vms_follow_all(v);
			break;
		}
	serial_retry(v->c.serial);
	vms_applier_done(v);
}

void
vms_applier_done(struct vms *v)
{
	uint64_t generation = applier_generation(v->c.applier);
	struct vm **at = &v->retired;

	bool any = false;

	for (unsigned int i = 0; i < v->nb_entries; i++)
		any |= vms_give_back(v->entry[i]);
	if (any)
		vms_hand_over_map(v);
	serial_applied(v->c.serial);
	if (v->event_ns != 0 && generation >= v->event_generation) {
		latency_add(&v->latency, monotonic_ns() - v->event_ns);
		v->event_ns = 0;
	}

	while (*at != NULL) {
		struct vm *vm = *at;

		if (vm->retired_in > generation) {
			at = &vm->next_retired;
			continue;
		}
		*at = vm->next_retired;
		vms_free_vm(vm);
	}
}

/* Its wishes cannot be trusted any more; those who had one get the fail-safe. */
static void
quarantine_channels(struct vm *vm)
{
	for (unsigned int n = 0; n < vm->nb_channels; n++)
		__atomic_store_n(&vm->ch[n].quarantined, true, __ATOMIC_RELAXED);
}

void
vms_quarantined(struct vms *v)
{
	for (unsigned int i = 0; i < v->nb_entries; i++) {
		struct entry *e = v->entry[i];
		unsigned int nb = 0;

		vms_vhost_quarantined(e);
		/* In the rings of serial channels nobody but us writes. */
		if (e->vm == NULL)
			continue;
		if (__atomic_load_n(&e->vm->quarantined, __ATOMIC_ACQUIRE)) {
			if (e->truncated)
				continue;
			e->truncated = true;
			quarantine_channels(e->vm);
			(void)snprintf(e->problem, sizeof(e->problem),
				"quarantined: %s was truncated; stop the VM, remove the file, start it",
				e->vm->shmem_path);
		} else {
			for (unsigned int n = 0; n < e->vm->nb_channels; n++)
				nb += __atomic_load_n(&e->vm->ch[n].quarantined, __ATOMIC_RELAXED);
			if (nb == e->nb_quarantined)
				continue;
			e->nb_quarantined = nb;
			(void)snprintf(e->problem, sizeof(e->problem),
				"%u vCPUs quarantined for breaking the protocol; restart the VM", nb);
		}
		event_raise(EVENT_QUARANTINED, e->name, "VM %s: %s", e->name, e->problem);
	}
	vms_hand_over_map(v);
}

struct frq_region_file
vms_region_file(const struct vms *v)
{
	return v->owner;
}

/* ---- made and freed ------------------------------------------------------ */

struct vms *
vms_create(const struct vms_config *c, struct frq_err *err)
{
	const struct passwd *user = getpwnam(c->config->qemu_user);
	const struct group *group = getgrnam(c->config->shm_group);
	struct vms *v = calloc(1, sizeof(*v));

	if (v == NULL) {
		frq_err_set(err, "no memory");
		return NULL;
	}
	v->c = *c;
	v->remembered = sleep_file_read(c->config->state_dir);
	v->owner.owner = user != NULL ? user->pw_uid : 0;
	v->owner.group = group != NULL ? group->gr_gid : (gid_t)-1;
	v->map = calloc(1, sizeof(*v->map));
	if (v->map == NULL) {
		frq_err_set(err, "no memory");
		json_decref(v->remembered);
		free(v);
		return NULL;
	}
	return v;
}

void
vms_disconnect(struct vms *v)
{
	for (unsigned int i = 0; v != NULL && i < v->nb_entries; i++) {
		vhost_close(v->entry[i]->port);
		v->entry[i]->port = NULL;
	}
}

void
vms_free(struct vms *v)
{
	if (v == NULL)
		return;
	for (unsigned int i = 0; i < v->nb_entries; i++) {
		struct vm *vm = v->entry[i]->vm;

		if (vm != NULL) {
			/* The next daemon goes on from the wish file. */
			say_life(vm, FRQ_LIFE_STOPPED);
			vms_free_vm(vm);
		}
		serial_detach(v->entry[i]->ports);
		for (unsigned int t = VMS_RING + 1; t < VMS_NB_TRANSPORTS; t++)
			if (vms_over(v->entry[i], (enum vms_transport)t) != NULL)
				vms_free_vm(vms_over(v->entry[i], (enum vms_transport)t));
		free(v->entry[i]);
	}
	while (v->retired != NULL) {
		struct vm *vm = v->retired;

		v->retired = vm->next_retired;
		vms_free_vm(vm);
	}
	free(v->entry);
	json_decref(v->remembered);
	vm_map_free(v->map);
	free(v);
}
