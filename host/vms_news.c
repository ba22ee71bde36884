/* SPDX-License-Identifier: BSD-3-Clause */
/* vms_news.c - what is different in a new map, as events */
#include <string.h>

#include "events.h"
#include "vms_pvt.h"

#define LIST_SIZE 64
/* Of one VM at once: a large one must not push all else out of the list of events. */
#define MOVES_TOLD 8u

/* @param tell  otherwise it is only counted. @return whether it runs elsewhere now */
static bool
tell_place(const struct vm_map_vm *is, unsigned int n, const struct vm_map_vcpu *was_vcpu,
	bool tell)
{
	const struct vm_map_vcpu *vcpu = &is->vcpu[n];
	bool moved = !cpuset_equal(&was_vcpu->pcpus, &vcpu->pcpus);
	bool differs = !cpuset_equal(&vcpu->pcpus, &vcpu->libvirt_pcpus) &&
		cpuset_equal(&was_vcpu->pcpus, &was_vcpu->libvirt_pcpus);
	char from[LIST_SIZE], to[LIST_SIZE], libvirt[LIST_SIZE];

	if ((!moved && !differs) || cpuset_empty(&was_vcpu->pcpus) || cpuset_empty(&vcpu->pcpus))
		return false;
	if (!tell)
		return true;
	(void)cpuset_format(&was_vcpu->pcpus, from, sizeof(from));
	(void)cpuset_format(&vcpu->pcpus, to, sizeof(to));
	(void)cpuset_format(&vcpu->libvirt_pcpus, libvirt, sizeof(libvirt));
	if (moved)
		event_raise(EVENT_PINNED, is->name, "VM %s, vCPU %u: pinned to CPUs %s, was %s",
			is->name, n, to, from);
	if (differs)
		event_raise(EVENT_PIN_DIFFERS, is->name,
			"VM %s, vCPU %u: runs on CPUs %s, but libvirt says %s; where it runs counts (freqring vcpupin puts it right)",
			is->name, n, to, libvirt);
	return true;
}

static void
tell_vcpus(const struct vm_map_vm *was, const struct vm_map_vm *is)
{
	unsigned int moved = 0;

	for (unsigned int n = 0; n < is->nb_vcpus; n++) {
		const struct vm_map_vcpu *was_vcpu = vm_map_vcpu(was, n);

		if (was_vcpu->present != is->vcpu[n].present)
			event_raise(EVENT_VCPU, is->name, "VM %s: vCPU %u was plugged %s", is->name, n,
				is->vcpu[n].present ? "in" : "out");
		moved += tell_place(is, n, was_vcpu, moved < MOVES_TOLD);
	}
	if (moved > MOVES_TOLD)
		event_raise(EVENT_PINNED, is->name, "VM %s: and %u vCPUs more", is->name,
			moved - MOVES_TOLD);
}

static void
tell_vm(const struct vm_map_vm *was, const struct vm_map_vm *is)
{
	if (strcmp(was->name, is->name) != 0)
		event_raise(EVENT_RENAMED, is->name, "VM %s: is now called %s", was->name, is->name);
	if (was->state != is->state)
		event_raise(EVENT_STATE, is->name, "VM %s: %s, was %s", is->name,
			vms_run_state_name(is->state), vms_run_state_name(was->state));
	/* What a machine that is off will have says nothing about one that ran. */
	if (was->state != VM_DEFINED && is->state != VM_DEFINED)
		tell_vcpus(was, is);
}

void
vms_tell_news(const struct vms *v, const struct vm_map *was, const struct vm_map *is)
{
	for (unsigned int i = 0; i < is->nb_vms; i++) {
		const struct vm_map_vm *before = vm_map_find(was, is->vm[i]->uuid);

		if (before != NULL && (vms_is_ours(v, before) || vms_is_ours(v, is->vm[i])))
			tell_vm(before, is->vm[i]);
	}
}
