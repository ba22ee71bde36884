/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * applier_map.h - who votes where
 *
 * Built whole by the control thread (vms.c), constant after it was handed
 * over, freed by the applier.
 */
#ifndef FRQ_APPLIER_MAP_H
#define FRQ_APPLIER_MAP_H

#include "arbiter.h"
#include "cpuset.h"
#include "vm.h"

/* Which CPUs each channel votes on. */
struct applier_map_vm {
	struct vm *vm;
	struct vote_rule rule;
	struct {
		enum frq_reason standing; /* why it has no vote, OK: it has one */
		struct cpuset cpus;	/* where standing is OK: not empty, all managed */
	} vcpu[FRQ_MAX_CHANNELS];
};

struct applier_map {
	uint64_t generation;
	struct wish manual[FRQ_MAX_CPUS];	/* an operator's settings; FRQ_WISH_NONE: none */
	unsigned int nb_vms;
	struct applier_map_vm *vm[FRQ_MAX_VMS];
};

void applier_map_free(struct applier_map *m);

#endif /* FRQ_APPLIER_MAP_H */
