/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which calls: a QEMU that hangs must not hold up the map of the others.
 * In libvirt's QEMU driver virDomainGetState, virDomainGetXMLDesc and
 * virDomainGetVcpuPinInfo answer from libvirt's own copy of the domain; they
 * take its lock, which is let go while a command to QEMU is under way, and no
 * job. virConnectGetAllDomainStats would be one call for all, but its vCPU
 * part takes a job where one is free, also with NOWAIT, and then waits for
 * QEMU without end. virDomainGetVcpus and virDomainGetInfo read /proc for
 * times that nobody here wants.
 */
#include "libvirt_snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain_xml.h"
#include "log.h"
#include "qemu_process.h"
#include "vcpu_threads.h"
#include "virt_error.h"

/* What is known of a domain. */
struct known {
	uint8_t uuid[VIR_UUID_BUFLEN];
	unsigned int id;	/* libvirt's number of this run */
	bool complete;		/* was read at least once */
	bool seen;		/* listed by this read */
	bool failed;		/* said so in the log */
	uid_t qemu_user;
	struct qemu_process qemu;
	struct vcpu_threads threads;
	/* vCPUs that run elsewhere because a CPU of theirs went offline */
	uint64_t thrown_off[FRQ_MAX_CHANNELS / 64];
	struct vm_map_vm *vm;	/* NULL: not read yet */
};

struct libvirt_snapshot {
	const char *prefix;
	struct known **known;
	unsigned int nb_known;
	struct cpuset online;
	size_t maplen;			/* bytes of a vCPU's pin map */
	struct vm_map_vm scratch;	/* the domain being read */
	unsigned char pins[FRQ_MAX_CHANNELS * VIR_CPU_MAPLEN(FRQ_MAX_CPUS)];
};

/* How closely a domain is looked at. */
enum depth {
	LOOK_PINS,	/* its pinning alone */
	LOOK,		/* its state; where it is ours and runs, all but its process */
	LOOK_CLOSELY,	/* all of it */
};

struct libvirt_snapshot *
libvirt_snapshot_create(const char *prefix)
{
	struct libvirt_snapshot *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->prefix = prefix;
	return s;
}

static void
free_known(struct known *k)
{
	free(k->vm);
	free(k);
}

void
libvirt_snapshot_free(struct libvirt_snapshot *s)
{
	if (s == NULL)
		return;
	for (unsigned int i = 0; i < s->nb_known; i++)
		free_known(s->known[i]);
	free(s->known);
	free(s);
}

static struct known *
find_known(struct libvirt_snapshot *s, const uint8_t *uuid)
{
	struct known **grown, *k;

	for (unsigned int i = 0; i < s->nb_known; i++)
		if (memcmp(s->known[i]->uuid, uuid, sizeof(s->known[i]->uuid)) == 0)
			return s->known[i];
	grown = reallocarray(s->known, s->nb_known + 1, sizeof(*grown));
	if (grown == NULL)
		return NULL;
	s->known = grown;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	memcpy(k->uuid, uuid, sizeof(k->uuid));
	k->qemu_user = (uid_t)-1;
	s->known[s->nb_known++] = k;
	return k;
}

static void
forget_unseen(struct libvirt_snapshot *s)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < s->nb_known; i++) {
		if (s->known[i]->seen)
			s->known[kept++] = s->known[i];
		else
			free_known(s->known[i]);
	}
	s->nb_known = kept;
}

/* ---- CPUs ---------------------------------------------------------------- */

static void
take_cpu_bits(struct cpuset *set, const unsigned char *bits, size_t len)
{
	memset(set, 0, sizeof(*set));
	for (unsigned int cpu = 0; cpu < FRQ_MAX_CPUS && cpu / 8 < len; cpu++)
		if (VIR_CPU_USED(bits, cpu))
			cpuset_add(set, cpu);
}

static int
read_host_cpus(struct libvirt_snapshot *s, virConnectPtr conn, struct frq_err *err)
{
	unsigned char *online = NULL;
	int nb = virNodeGetCPUMap(conn, &online, NULL, 0);

	if (nb <= 0) {
		frq_err_set(err, "the host's CPUs: %s", virt_error_text());
		return -EIO;
	}
	take_cpu_bits(&s->online, online, VIR_CPU_MAPLEN((unsigned int)nb));
	free(online);
	s->maplen = VIR_CPU_MAPLEN((unsigned int)nb < FRQ_MAX_CPUS ? (unsigned int)nb :
		FRQ_MAX_CPUS);
	return 0;
}

static int
get_pins(struct libvirt_snapshot *s, virDomainPtr dom, unsigned int nb, bool active)
{
	int n = virDomainGetVcpuPinInfo(dom, (int)nb, s->pins, (int)s->maplen,
		active ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG);

	/* Some drivers know no flags: that means the same. */
	if (n < 0 && (virt_error_code() == VIR_ERR_INVALID_ARG ||
	    virt_error_code() == VIR_ERR_ARGUMENT_UNSUPPORTED))
		n = virDomainGetVcpuPinInfo(dom, (int)nb, s->pins, (int)s->maplen,
			VIR_DOMAIN_AFFECT_CURRENT);
	return n;
}

static int
read_pins(struct libvirt_snapshot *s, virDomainPtr dom, struct vm_map_vm *vm)
{
	int n;

	memset(s->pins, 0, sizeof(s->pins));
	n = get_pins(s, dom, vm->nb_vcpus, vm->state != VM_DEFINED);
	if (n < 0)
		return -EIO;
	for (unsigned int i = 0; i < vm->nb_vcpus; i++)
		take_cpu_bits(&vm->vcpu[i].libvirt_pcpus, s->pins + i * s->maplen,
			i < (unsigned int)n ? s->maplen : 0);
	return 0;
}

/*
 * The kernel has the last word, but where it took away the CPU that libvirt
 * pinned the vCPU to: then it lets the thread run anywhere, for good, and what
 * was pinned is what the operator wants.
 */
static void
place_vcpu(struct libvirt_snapshot *s, struct known *k, struct vm_map_vcpu *vcpu, unsigned int n)
{
	uint64_t *thrown_off = &k->thrown_off[n / 64], bit = UINT64_C(1) << n % 64;
	struct cpuset thread;

	vcpu->pcpus = vcpu->libvirt_pcpus;
	if (!vcpu_threads_affinity(&k->threads, n, &thread))
		return;
	if (cpuset_subset(&thread, &vcpu->libvirt_pcpus))
		*thrown_off &= ~bit;
	else if (!cpuset_subset(&vcpu->libvirt_pcpus, &s->online))
		*thrown_off |= bit;
	if ((*thrown_off & bit) == 0)
		vcpu->pcpus = thread;
}

/*
 * A thread that is not pinned may run on every CPU that is online, and so says
 * libvirt: pinned means that there is an online CPU where it may not run.
 */
static void
place_vcpus(struct libvirt_snapshot *s, struct known *k, struct vm_map_vm *vm)
{
	for (unsigned int i = 0; i < vm->nb_vcpus; i++) {
		struct vm_map_vcpu *vcpu = &vm->vcpu[i];

		place_vcpu(s, k, vcpu, i);
		vcpu->pinned = !cpuset_empty(&vcpu->pcpus) &&
			!cpuset_subset(&s->online, &vcpu->pcpus);
	}
}

/* ---- a domain ------------------------------------------------------------ */

/* Its memory is still on its way: QEMU fails when a page is there before it. */
static bool
is_postcopy(int reason)
{
#if LIBVIR_VERSION_NUMBER >= 8005000
	/* The way broke, and may be mended. */
	if (reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED)
		return true;
#endif
	return reason == VIR_DOMAIN_RUNNING_POSTCOPY;
}

static int
read_state(virDomainPtr dom, enum vm_run_state *run)
{
	int state, reason;

	if (virDomainGetState(dom, &state, &reason, 0) < 0)
		return -EIO;
	switch (state) {
	case VIR_DOMAIN_RUNNING:
		*run = is_postcopy(reason) ? VM_DEFINED : VM_RUNNING;
		break;
	case VIR_DOMAIN_BLOCKED:
		*run = VM_RUNNING;
		break;
	case VIR_DOMAIN_PAUSED:
		/*
		 * Not yet: QEMU may not be there, or not have mapped its
		 * memory. The event that ends the start comes after.
		 */
		*run = reason == VIR_DOMAIN_PAUSED_STARTING_UP ? VM_DEFINED : VM_PAUSED;
		break;
	case VIR_DOMAIN_SHUTDOWN:
		/* The guest is down, QEMU is not. */
		*run = VM_PAUSED;
		break;
	case VIR_DOMAIN_PMSUSPENDED:
		*run = VM_SUSPENDED;
		break;
	default:
		*run = VM_DEFINED;
	}
	return 0;
}

static int
read_xml(struct libvirt_snapshot *s, virDomainPtr dom, uid_t *qemu_user, struct frq_err *err)
{
	char *xml = virDomainGetXMLDesc(dom, 0);
	int ret;

	if (xml == NULL) {
		frq_err_set(err, "its XML: %s", virt_error_text());
		return -EIO;
	}
	ret = domain_xml_parse(xml, strlen(xml), s->prefix, &s->scratch, qemu_user, err);
	free(xml);
	return ret;
}

static void
find_qemu(struct known *k, struct vm_map_vm *vm, bool search)
{
	if (vm->state == VM_DEFINED)
		k->qemu = (struct qemu_process){ .pid = 0 };
	else if (search || k->qemu.pid != 0)
		qemu_process_find(&k->qemu, vm->uuid_text, k->qemu_user);
	vm->qemu_pid = k->qemu.pid;
}

/* Where no process was found, not each second anew through all of /proc. */
static void
find_threads(struct known *k, struct vm_map_vm *vm, bool search)
{
	pid_t last = k->threads.pid;

	find_qemu(k, vm, search);
	if (search || vm->qemu_pid != last)
		vcpu_threads_find(&k->threads, vm->qemu_pid);
}

static bool
is_ours(const struct vm_map_vm *vm)
{
	return vm->shmem[0] != '\0' || vm->serial != 0 || vm->vhost[0] != '\0';
}

static int
read_cpus(struct libvirt_snapshot *s, struct known *k, virDomainPtr dom, bool search,
	struct frq_err *err)
{
	struct vm_map_vm *vm = &s->scratch;

	if (read_pins(s, dom, vm) < 0) {
		frq_err_set(err, "its pinning: %s", virt_error_text());
		return -EIO;
	}
	if (is_ours(vm))
		find_threads(k, vm, search);
	place_vcpus(s, k, vm);
	return 0;
}

static bool
presence_changed(const struct vm_map_vm *was, const struct vm_map_vm *is)
{
	for (unsigned int i = 0; i < is->nb_vcpus; i++)
		if (vm_map_vcpu(was, i)->present != is->vcpu[i].present)
			return true;
	return false;
}

/* Fill in s->scratch, and k but for k->vm. */
static int
read_domain(struct libvirt_snapshot *s, struct known *k, virDomainPtr dom, enum depth depth,
	struct frq_err *err)
{
	struct vm_map_vm *vm = &s->scratch;
	unsigned int id = virDomainGetID(dom);
	const char *name = virDomainGetName(dom);
	bool full = depth == LOOK_CLOSELY, follow;
	enum vm_run_state last;
	int ret = 0;

	if (k->vm != NULL)
		vm_map_vm_expand(vm, k->vm);
	else
		memset(vm, 0, sizeof(*vm));
	if (depth == LOOK_PINS && k->complete && id == k->id)
		return read_cpus(s, k, dom, false, err);
	last = vm->state;
	if (id != k->id)
		k->qemu = (struct qemu_process){ .pid = 0 };
	memcpy(vm->uuid, k->uuid, sizeof(vm->uuid));
	virDomainGetUUIDString(dom, vm->uuid_text);
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name != NULL ? name : "");
	if (read_state(dom, &vm->state) < 0) {
		frq_err_set(err, "its state: %s", virt_error_text());
		return -EIO;
	}
	full |= !k->complete || id != k->id || (last == VM_DEFINED) != (vm->state == VM_DEFINED);
	/* Plugging a vCPU in or out sends no event, nor does taskset: each time for a VM of ours. */
	follow = full || (is_ours(vm) && vm->state != VM_DEFINED);
	if (follow)
		ret = read_xml(s, dom, &k->qemu_user, err);
	if (follow && ret == 0)
		ret = read_cpus(s, k, dom, full || k->vm == NULL || presence_changed(k->vm, vm), err);
	if (ret < 0)
		return ret;
	k->id = id;
	k->complete = true;
	return 0;
}

static void
keep(struct libvirt_snapshot *s, struct known *k)
{
	struct vm_map_vm *vm = vm_map_vm_copy(&s->scratch);

	if (vm == NULL) {
		k->complete = false;
		return;
	}
	free(k->vm);
	k->vm = vm;
}

static void
follow_domain(struct libvirt_snapshot *s, virDomainPtr dom, enum depth depth)
{
	uint8_t uuid[VIR_UUID_BUFLEN];
	struct frq_err err = { .text = "" };
	struct known *k;

	if (virDomainGetUUID(dom, uuid) < 0)
		return;
	k = find_known(s, uuid);
	if (k == NULL) {
		FRQ_LOG(ERR, "VM %s: no memory to follow it", virDomainGetName(dom));
		return;
	}
	k->seen = true;
	virResetLastError();
	if (read_domain(s, k, dom, depth, &err) == 0) {
		keep(s, k);
		if (k->failed)
			FRQ_LOG(NOTICE, "VM %s: libvirt can be asked about it again", virDomainGetName(dom));
		k->failed = false;
		return;
	}
	/* Next time from scratch. */
	k->complete = false;
	if (virt_error_code() == VIR_ERR_NO_DOMAIN) {
		k->seen = false;
		return;
	}
	/* It stopped between two calls: its event is on the way. */
	if (virt_error_code() == VIR_ERR_OPERATION_INVALID || k->failed)
		return;
	/* Not the VM's fault, and said once for all of them. */
	if (virConnectIsAlive(virDomainGetConnect(dom)) != 1)
		return;
	k->failed = true;
	FRQ_LOG(WARNING, "VM %s cannot be read from libvirt, what was known of it stays in force: %s",
		virDomainGetName(dom), err.text);
}

/* ---- the map ------------------------------------------------------------- */

static int
compare_vms(const void *a, const void *b)
{
	const struct vm_map_vm *const *x = a, *const *y = b;

	return memcmp((*x)->uuid, (*y)->uuid, sizeof((*x)->uuid));
}

static void
mark_shared(struct vm_map *map)
{
	for (unsigned int i = 0; i < map->nb_vms; i++) {
		for (unsigned int j = 0; j < i; j++) {
			struct vm_map_vm *a = map->vm[i], *b = map->vm[j];

			if (a->state != VM_DEFINED && b->state != VM_DEFINED &&
			    a->shmem[0] != '\0' && strcmp(a->shmem, b->shmem) == 0)
				a->shmem_shared = b->shmem_shared = true;
		}
	}
}

static struct vm_map *
make_map(const struct libvirt_snapshot *s)
{
	struct vm_map *map = calloc(1, sizeof(*map));

	if (map == NULL)
		return NULL;
	map->connected = true;
	map->vm = calloc(s->nb_known + 1, sizeof(struct vm_map_vm *));
	for (unsigned int i = 0; map->vm != NULL && i < s->nb_known; i++) {
		struct vm_map_vm *vm;

		if (s->known[i]->vm == NULL)
			continue;
		vm = vm_map_vm_copy(s->known[i]->vm);
		if (vm == NULL)
			goto fail;
		map->vm[map->nb_vms++] = vm;
	}
	if (map->vm == NULL)
		goto fail;
	qsort(map->vm, map->nb_vms, sizeof(struct vm_map_vm *), compare_vms);
	mark_shared(map);
	return map;
fail:
	vm_map_free(map);
	return NULL;
}

static int
finish_read(struct libvirt_snapshot *s, virConnectPtr conn, struct vm_map **map,
	struct frq_err *err)
{
	if (virConnectIsAlive(conn) != 1) {
		frq_err_set(err, "the connection was lost while reading");
		return -EIO;
	}
	forget_unseen(s);
	*map = make_map(s);
	if (*map == NULL) {
		frq_err_set(err, "no memory for a map");
		return -ENOMEM;
	}
	return 0;
}

static void
set_seen(struct libvirt_snapshot *s, bool seen)
{
	for (unsigned int i = 0; i < s->nb_known; i++)
		s->known[i]->seen = seen;
}

int
libvirt_snapshot_read(struct libvirt_snapshot *s, virConnectPtr conn, bool full,
	struct vm_map **map, struct frq_err *err)
{
	virDomainPtr *doms = NULL;
	int nb, ret;

	ret = read_host_cpus(s, conn, err);
	if (ret < 0)
		return ret;
	nb = virConnectListAllDomains(conn, &doms, 0);
	if (nb < 0) {
		frq_err_set(err, "the list of domains: %s", virt_error_text());
		return -EIO;
	}
	set_seen(s, false);
	for (int i = 0; i < nb; i++) {
		if (virConnectIsAlive(conn) == 1)
			follow_domain(s, doms[i], full ? LOOK_CLOSELY : LOOK);
		virDomainFree(doms[i]);
	}
	free(doms);
	return finish_read(s, conn, map, err);
}

int
libvirt_snapshot_read_some(struct libvirt_snapshot *s, virConnectPtr conn,
	const struct libvirt_news *news, unsigned int nb,
	struct vm_map **map, struct frq_err *err)
{
	set_seen(s, true);
	for (unsigned int i = 0; i < nb; i++) {
		struct known *k = find_known(s, news[i].uuid);
		virDomainPtr dom;

		if (k == NULL)
			continue;
		virResetLastError();
		dom = virDomainLookupByUUID(conn, news[i].uuid);
		if (dom != NULL)
			follow_domain(s, dom, news[i].pins_only ? LOOK_PINS : LOOK_CLOSELY);
		else if (virt_error_code() == VIR_ERR_NO_DOMAIN)
			k->seen = false;
		if (dom != NULL)
			virDomainFree(dom);
	}
	return finish_read(s, conn, map, err);
}
