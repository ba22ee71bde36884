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
	bool asleep;		/* its guest is: no lease of its runs out */
	/*
	 * It woke up: who has a wish and says nothing new has the maximum until
	 * then (monotonic_ms), and, where its region forgot the wish, the one that
	 * is kept here until that. 0: neither.
	 */
	uint64_t max_until_ms, kept_until_ms;
	struct {
		enum frq_reason standing; /* why it has no vote, OK: it has one */
		struct cpuset cpus;	/* where standing is OK: not empty, all managed */
		struct wish kept;
	} vcpu[FRQ_MAX_CHANNELS];
};

struct applier_map {
	uint64_t generation;
	uint64_t resumes;	/* of the host; another number: set every CPU again */
	uint64_t host;		/* struct frq_host, for every state line */
	struct wish manual[FRQ_MAX_CPUS];	/* an operator's settings; FRQ_WISH_NONE: none */
	unsigned int nb_vms;
	struct applier_map_vm *vm[FRQ_MAX_VMS];
};

void applier_map_free(struct applier_map *m);

#endif /* FRQ_APPLIER_MAP_H */
