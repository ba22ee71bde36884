/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vms_speaker.c - which transport speaks for a vCPU
 *
 * A VM may have a region, a vhost-user port, serial channels, or several of
 * them. A vCPU has one vote: the transport that asked last speaks for it, and
 * the wishes of the others wait. Who that is stands in the transports' wish files,
 * too: the next daemon goes on from there. Control thread only.
 */
#include <string.h>

#include "vms_pvt.h"

/* How often a second the vCPUs of a VM may change between transports; of a VM with more
 * of them, as often as it has: all move at once when a device is unplugged.
 */
#define MAX_CHANGES 32u

struct vm *
vms_over(const struct entry *e, enum vms_transport t)
{
	switch (t) {
	case VMS_RING:
		return e->vm;
	case VMS_VHOST:
		return e->vhost;
	case VMS_SERIAL:
		return e->serial;
	default:
		return NULL;
	}
}

bool
vms_is_served(const struct entry *e)
{
	return e->vm != NULL || e->vhost != NULL || e->serial != NULL;
}

enum vms_transport
vms_speaks(const struct entry *e, unsigned int n)
{
	if (e->asked[n] != 0)
		return (enum vms_transport)(e->asked[n] - 1);
	for (unsigned int t = 0; t < VMS_NB_TRANSPORTS; t++)
		if (vms_over(e, (enum vms_transport)t) != NULL)
			return (enum vms_transport)t;
	return VMS_RING;
}

static void
write_down(const struct vm *vm, unsigned int n, bool speaks)
{
	uint64_t *w = &vm->file.header->speaks[n / 64];

	if (speaks)
		*w |= UINT64_C(1) << n % 64;
	else
		*w &= ~(UINT64_C(1) << n % 64);
}

static void
note(struct entry *e, unsigned int n, enum vms_transport t)
{
	e->asked[n] = (uint8_t)(t + 1);
	for (unsigned int i = 0; i < VMS_NB_TRANSPORTS; i++) {
		const struct vm *vm = vms_over(e, (enum vms_transport)i);

		if (vm != NULL)
			write_down(vm, n, i == t);
	}
}

static bool
may_change(const struct entry *e, enum vms_transport t)
{
	unsigned int nb = vms_over(e, t)->nb_channels;

	return e->changes < (nb > MAX_CHANGES ? nb : MAX_CHANGES);
}

bool
vms_claim(struct entry *e, unsigned int n, enum vms_transport t, bool *changed)
{
	*changed = vms_speaks(e, n) != t;
	if (*changed && !may_change(e, t)) {
		*changed = false;
		return false;
	}
	e->changes += *changed;
	/* Also where it spoke because there was no other: one may be plugged in. */
	if (e->asked[n] != t + 1)
		note(e, n, t);
	return true;
}

/* Those whose requests the poller takes: the applier notes who asked. */
bool
vms_give_back(struct entry *e)
{
	static const enum vms_transport polled[] = { VMS_RING, VMS_VHOST };
	bool any = false, changed;

	for (unsigned int i = 0; i < sizeof(polled) / sizeof(polled[0]); i++) {
		const struct vm *vm = vms_over(e, polled[i]);

		for (unsigned int n = 0; vm != NULL && n < vm->nb_channels; n++)
			/* Pairs with the store in note_reclaim, host/applier.c. */
			if (__atomic_load_n(&vm->ch[n].a.reclaims, __ATOMIC_ACQUIRE))
				any |= vms_claim(e, n, polled[i], &changed) && changed;
	}
	return any;
}

void
vms_recall_speaker(struct entry *e, enum vms_transport t)
{
	const struct vm *vm = vms_over(e, t);

	for (unsigned int n = 0; n < vm->nb_channels; n++) {
		if ((vm->file.header->speaks[n / 64] >> n % 64 & 1) == 0)
			continue;
		if (e->asked[n] == 0)
			e->asked[n] = (uint8_t)(t + 1);
		else
			write_down(vm, n, false);
	}
}

void
vms_forget_speaker(struct entry *e, enum vms_transport t)
{
	const struct vm *vm = vms_over(e, t);

	memset(vm->file.header->speaks, 0, sizeof(vm->file.header->speaks));
	for (unsigned int n = 0; n < FRQ_MAX_CHANNELS; n++)
		if (e->asked[n] == t + 1)
			e->asked[n] = 0;
}

const struct channel *
vms_speaker(const struct entry *e, unsigned int n)
{
	const struct vm *vm = vms_over(e, vms_speaks(e, n));

	return vm != NULL && n < vm->nb_channels ? &vm->ch[n] : NULL;
}
