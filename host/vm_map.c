/* SPDX-License-Identifier: BSD-3-Clause */
#include "vm_map.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void
vm_map_free(struct vm_map *m)
{
	if (m == NULL)
		return;
	for (unsigned int i = 0; i < m->nb_vms; i++)
		free(m->vm[i]);
	free(m->vm);
	free(m);
}

static size_t
vm_size(const struct vm_map_vm *vm)
{
	return offsetof(struct vm_map_vm, vcpu) + vm->nb_vcpus * sizeof(vm->vcpu[0]);
}

struct vm_map_vm *
vm_map_vm_copy(const struct vm_map_vm *vm)
{
	struct vm_map_vm *copy = malloc(vm_size(vm));

	if (copy != NULL)
		memcpy(copy, vm, vm_size(vm));
	return copy;
}

void
vm_map_vm_expand(struct vm_map_vm *full, const struct vm_map_vm *vm)
{
	memset(full, 0, sizeof(*full));
	memcpy(full, vm, vm_size(vm));
}

const struct vm_map_vcpu *
vm_map_vcpu(const struct vm_map_vm *vm, unsigned int number)
{
	static const struct vm_map_vcpu none;

	return number < vm->nb_vcpus ? &vm->vcpu[number] : &none;
}

struct vm_map *
vm_map_copy(const struct vm_map *m)
{
	struct vm_map *copy = calloc(1, sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *m;
	copy->nb_vms = 0;
	copy->vm = calloc(m->nb_vms + 1, sizeof(*copy->vm));
	if (copy->vm == NULL)
		goto fail;
	for (unsigned int i = 0; i < m->nb_vms; i++) {
		struct vm_map_vm *vm = vm_map_vm_copy(m->vm[i]);

		if (vm == NULL)
			goto fail;
		copy->vm[copy->nb_vms++] = vm;
	}
	return copy;
fail:
	vm_map_free(copy);
	return NULL;
}

static bool
vcpu_equal(const struct vm_map_vcpu *a, const struct vm_map_vcpu *b)
{
	return a->present == b->present && a->pinned == b->pinned &&
		cpuset_equal(&a->pcpus, &b->pcpus) &&
		cpuset_equal(&a->libvirt_pcpus, &b->libvirt_pcpus);
}

/* Field by field: padding and what follows a string's end are no contents. */
static bool
vm_equal(const struct vm_map_vm *a, const struct vm_map_vm *b)
{
	if (memcmp(a->uuid, b->uuid, sizeof(a->uuid)) != 0 ||
	    strcmp(a->name, b->name) != 0 ||
	    a->state != b->state ||
	    a->qemu_pid != b->qemu_pid ||
	    strcmp(a->shmem, b->shmem) != 0 ||
	    a->shmem_shared != b->shmem_shared ||
	    a->shmem_usable != b->shmem_usable ||
	    strcmp(a->shmem_problem, b->shmem_problem) != 0 ||
	    a->serial != b->serial ||
	    strcmp(a->vhost, b->vhost) != 0 ||
	    a->vhost_queues != b->vhost_queues ||
	    strcmp(a->vhost_problem, b->vhost_problem) != 0 ||
	    a->nb_vcpus != b->nb_vcpus)
		return false;
	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
		if ((a->serial >> n & 1) != 0 && strcmp(a->serial_path[n], b->serial_path[n]) != 0)
			return false;
	for (unsigned int i = 0; i < a->nb_vcpus; i++)
		if (!vcpu_equal(&a->vcpu[i], &b->vcpu[i]))
			return false;
	return true;
}

bool
vm_map_equal(const struct vm_map *a, const struct vm_map *b)
{
	if (a->connected != b->connected || a->nb_vms != b->nb_vms)
		return false;
	for (unsigned int i = 0; i < a->nb_vms; i++)
		if (!vm_equal(a->vm[i], b->vm[i]))
			return false;
	return true;
}

static int
compare_uuid(const void *key, const void *element)
{
	const struct vm_map_vm *const *vm = element;

	return memcmp(key, (*vm)->uuid, sizeof((*vm)->uuid));
}

const struct vm_map_vm *
vm_map_find(const struct vm_map *m, const uint8_t uuid[16])
{
	struct vm_map_vm **found;

	if (m->nb_vms == 0)
		return NULL;
	found = bsearch(uuid, m->vm, m->nb_vms, sizeof(*m->vm), compare_uuid);
	return found != NULL ? *found : NULL;
}
