/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpuset.h - a set of host CPUs, and the list form people type (0,2-5,9)
 *
 * Plain data, no allocation; any thread may use its own.
 */
#ifndef FRQ_CPUSET_H
#define FRQ_CPUSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "region.h"

#define FRQ_MAX_CPUS 1024u

struct cpuset {
	uint64_t bits[FRQ_MAX_CPUS / 64];
};

static inline void
cpuset_add(struct cpuset *s, unsigned int cpu)
{
	s->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

static inline bool
cpuset_has(const struct cpuset *s, unsigned int cpu)
{
	return cpu < FRQ_MAX_CPUS && (s->bits[cpu / 64] >> (cpu % 64) & 1) != 0;
}

unsigned int cpuset_count(const struct cpuset *s);
bool cpuset_empty(const struct cpuset *s);
bool cpuset_equal(const struct cpuset *a, const struct cpuset *b);
/** Whether every CPU of `a` is in `b`. */
bool cpuset_subset(const struct cpuset *a, const struct cpuset *b);
void cpuset_and(struct cpuset *a, const struct cpuset *b);
/** The first CPU at or after `from`, FRQ_MAX_CPUS when there is none. */
unsigned int cpuset_next(const struct cpuset *s, unsigned int from);

#define CPUSET_FOREACH(cpu, s) \
	for (unsigned int cpu = cpuset_next((s), 0); cpu < FRQ_MAX_CPUS; \
	     cpu = cpuset_next((s), cpu + 1))

/**
 * Parse "0,2-5,9". White space around a part is allowed, an empty list is
 * not.
 *
 * @return whether it is well-formed; if not, *err quotes the part at fault
 *	and `s` is empty
 */
bool cpuset_parse(struct cpuset *s, const char *text, struct frq_err *err);

/** The canonical list, cut to size; returns buf. */
char *cpuset_format(const struct cpuset *s, char *buf, size_t size);

/** The CPUs that are online now, from sysfs. 0 or a negative errno. */
int cpuset_online(struct cpuset *s, struct frq_err *err);

#endif /* FRQ_CPUSET_H */
