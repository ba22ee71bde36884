/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpu_group.h - which CPUs change together
 *
 * Read once from sysfs. Any thread.
 */
#ifndef FRQ_CPU_GROUP_H
#define FRQ_CPU_GROUP_H

#include "cpuset.h"
#include "region.h"

/* Of a managed CPU, managed ones only, itself among them. */
struct cpu_group {
	struct cpuset policy;	/* set by one cpufreq policy */
	struct cpuset clock;	/* ... or tied by the firmware or a common core */
};

/**
 * Read the groups of the managed CPUs.
 *
 * @param[out] group  FRQ_MAX_CPUS of them, by CPU
 * @return 0; -EINVAL and *err: a policy has a CPU that is not managed, which
 *	would be set with the others
 */
int cpu_groups_read(struct cpu_group *group, const struct cpuset *managed, struct frq_err *err);

#endif /* FRQ_CPU_GROUP_H */
