/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vms_vhost.c - vhost-user ports of VMs
 *
 * A port is connected to as soon as a VM with one is known and allowed, also
 * while it is off: QEMU waits for that before it starts the machine. It is
 * served when libvirt says that the VM runs. Control thread only.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "domain_edit.h"
#include "events.h"
#include "log.h"
#include "vms_pvt.h"

/* How long libvirt and QEMU may take to plug a port in. */
#define EXPECT_S 60u

static void
say_problem(struct entry *e, const char *problem)
{
	if (strcmp(e->vhost_problem, problem) == 0)
		return;
	(void)snprintf(e->vhost_problem, sizeof(e->vhost_problem), "%s", problem);
	if (problem[0] != '\0')
		event_raise(EVENT_NOT_SERVED, e->name, "VM %s: its vhost-user port is not served: %s",
			e->name, problem);
}

/* Who could put a socket of his there could play the VM's guest. */
static bool
is_safe(const struct vms *v, const struct vm_map_vm *m, char *problem, size_t size)
{
	char dir[sizeof(m->vhost)];
	size_t len = (size_t)(strrchr(m->vhost, '/') - m->vhost);

	(void)snprintf(dir, sizeof(dir), "%.*s", len != 0 ? (int)len : 1, m->vhost);
	if (vms_is_safe_dir(v, dir))
		return true;
	(void)snprintf(problem, size, "%s, where its socket is, has to be a folder of root's or QEMU's user's that nobody else writes to",
		dir);
	return false;
}

/* A clone's that is off: QEMU's socket is that of the VM that runs. */
static bool
is_another_s(const struct vms *v, const struct vm_map_vm *m)
{
	for (unsigned int i = 0; i < v->map->nb_vms; i++) {
		const struct vm_map_vm *other = v->map->vm[i];

		if (other != m && other->state != VM_DEFINED && strcmp(other->vhost, m->vhost) == 0)
			return m->state == VM_DEFINED;
	}
	return false;
}

/* @return whether there is one that may be connected to; else why not */
static bool
judge(const struct vms *v, const struct entry *e, const struct vm_map_vm *m, char *problem,
	size_t size)
{
	problem[0] = '\0';
	if (m->vhost[0] == '\0' || !e->allowed)
		return false;
	if (m->vhost_problem[0] != '\0') {
		(void)snprintf(problem, size, "%s", m->vhost_problem);
		return false;
	}
	if (is_another_s(v, m)) {
		(void)snprintf(problem, size, "another VM, which runs, has the same socket: give one of them a path of its own");
		return false;
	}
	return is_safe(v, m, problem, size);
}

static void
admit(struct vms *v, struct entry *e, const struct vm_map_vm *m)
{
	struct frq_err err;
	struct vm *vm = vms_make_private(v, m, "vhost", &err);
	int ret;

	if (vm == NULL) {
		say_problem(e, err.text);
		return;
	}
	vm->vhost = true;
	ret = poller_add(v->c.poller, vm);
	if (ret < 0) {
		say_problem(e, ret == -ENOSPC ? "too many VMs" : "the poller does not answer");
		vms_free_vm(vm);
		return;
	}
	e->vhost = vm;
	vms_recall_speaker(e, VMS_VHOST);
	e->vhost_pid = m->qemu_pid;
	e->vhost_told = false;
	vms_sleep_served(e);
	say_problem(e, "");
	vhost_serve(e->port, vm);
	event_raise(EVENT_SERVED, e->name, "VM %s: its vhost-user port is served, epoch %u", e->name,
		vm->life.epoch);
}

/* The port stays connected. */
static void
stop_serving(struct vms *v, struct entry *e, bool gone)
{
	if (e->vhost == NULL)
		return;
	if (gone)
		vms_sleep_keep(e, e->vhost);
	vhost_release(e->port);
	vms_forget_speaker(e, VMS_VHOST);
	vms_retire(v, e->name, e->vhost, gone);
	e->vhost = NULL;
	FRQ_LOG(INFO, "VM %s: its vhost-user port is not served any more", e->name);
}

void
vms_vhost_drop(struct vms *v, struct entry *e, bool gone)
{
	stop_serving(v, e, gone);
	vhost_close(e->port);
	e->port = NULL;
}

void
vms_vhost_leave(struct vms *v, struct entry *e, const struct vm_map_vm *m)
{
	char problem[sizeof(e->vhost_problem)];
	bool wanted = judge(v, e, m, problem, sizeof(problem));
	bool gone = m->state == VM_DEFINED || e->vhost_pid != m->qemu_pid;

	e->vhost_wanted = wanted;
	/* Not there yet: the port that it is to be stays as it is. */
	if (m->vhost[0] == '\0' && e->expected_s != 0)
		return;
	e->expected_s = 0;
	if (!wanted)
		say_problem(e, problem);
	if (!wanted && e->vhost != NULL && e->vm == NULL && e->serial == NULL)
		event_raise(EVENT_NOT_SERVED, e->name, "VM %s: not served any more", e->name);
	if (!wanted || (e->port != NULL && strcmp(vhost_path(e->port), m->vhost) != 0))
		vms_vhost_drop(v, e, gone);
	else if (gone)
		stop_serving(v, e, true);
}

void
vms_vhost_follow(struct vms *v, struct entry *e, const struct vm_map_vm *m)
{
	struct frq_err err;

	if (!e->vhost_wanted)
		return;
	if (e->port == NULL)
		e->port = vhost_open(v->c.vhost, m->vhost, m->name, &err);
	if (e->port == NULL)
		say_problem(e, err.text);
	else if (e->vhost == NULL && vms_has_memory(m) && v->connected)
		admit(v, e, m);
}

int
vms_expect_port(struct vms *v, const char *name, struct frq_err *err)
{
	struct entry *e = vms_find(v, name, err);
	const struct vm_map_vm *m = e != NULL ? vm_map_find(v->map, e->uuid) : NULL;
	char object[NAME_MAX + 1];
	bool by_name;

	if (m == NULL) {
		frq_err_set(err, "freqringd does not know it, or not yet: freqring list");
		return -ENOENT;
	}
	if (!e->allowed) {
		frq_err_set(err, "freqringd is not to serve it: freqring add_vm %s, or [vms] allow",
			m->name);
		return -EACCES;
	}
	if (e->port != NULL || m->vhost[0] != '\0')
		return 0;
	if (domain_edit_make_object(FRQ_SHMEM_PREFIX, m->name, m->uuid_text, object, &by_name) < 0 ||
	    (size_t)snprintf(e->expected, sizeof(e->expected), "%s/%s.sock", v->c.config->vhost_dir,
	    object) >= sizeof(e->expected)) {
		frq_err_set(err, "the path of its socket would be too long: [vhost] dir");
		return -EIO;
	}
	e->port = vhost_open(v->c.vhost, e->expected, m->name, err);
	e->expected_s = e->port != NULL ? EXPECT_S : 0;
	return e->port != NULL ? 0 : -EIO;
}

void
vms_vhost_tick(struct vms *v, struct entry *e)
{
	if (e->expected_s != 0 && --e->expected_s == 0 && e->vhost == NULL)
		vms_vhost_drop(v, e, false);
	if (e->port != NULL)
		vhost_tick(e->port);
}

void
vms_vhost_quarantined(struct entry *e)
{
	const char *fault = e->vhost != NULL ? vhost_fault(e->port) : NULL;

	if (fault == NULL || e->vhost_told)
		return;
	e->vhost_told = true;
	/* What it wants cannot be known any more; who wanted something gets the fail-safe. */
	for (unsigned int n = 0; n < e->vhost->nb_channels; n++)
		__atomic_store_n(&e->vhost->ch[n].quarantined, true, __ATOMIC_RELAXED);
	(void)snprintf(e->vhost_problem, sizeof(e->vhost_problem),
		"quarantined: %s; restart the VM, or take the port out and put it back", fault);
	event_raise(EVENT_QUARANTINED, e->name, "VM %s: its vhost-user port is %s", e->name,
		e->vhost_problem);
}
