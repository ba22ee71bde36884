/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "cpu_group.h"
#include "cpufreq.h"

static void
add_all(struct cpuset *to, const struct cpuset *from)
{
	CPUSET_FOREACH(cpu, from)
		cpuset_add(to, cpu);
}

/* Of the CPUs that are online: one that is not may be left out. */
static int
check_policy(unsigned int cpu, const struct cpuset *managed, struct frq_err *err)
{
	struct cpuset affected;

	(void)cpufreq_cpus(cpu, "cpufreq/affected_cpus", &affected);
	CPUSET_FOREACH(other, &affected) {
		if (cpuset_has(managed, other))
			continue;
		frq_err_set(err, "CPU %u shares its cpufreq policy with CPU %u, which is not managed: add it to managed_cpus, or leave both out",
			cpu, other);
		return -EINVAL;
	}
	return 0;
}

static void
read_one(struct cpu_group *g, unsigned int cpu, const struct cpuset *managed)
{
	static const char *const tied[] = {
		"cpufreq/freqdomain_cpus", "topology/thread_siblings_list",
	};
	struct cpuset with;

	(void)cpufreq_cpus(cpu, "cpufreq/related_cpus", &g->policy);
	cpuset_add(&g->policy, cpu);
	g->clock = g->policy;
	for (size_t i = 0; i < sizeof(tied) / sizeof(tied[0]); i++) {
		(void)cpufreq_cpus(cpu, tied[i], &with);
		add_all(&g->clock, &with);
	}
	cpuset_and(&g->policy, managed);
	cpuset_and(&g->clock, managed);
}

/* Make what two of a clock know what both know. @return whether one did not */
static bool
join(struct cpuset *a, struct cpuset *b)
{
	if (cpuset_equal(a, b))
		return false;
	add_all(a, b);
	*b = *a;
	return true;
}

int
cpu_groups_read(struct cpu_group *group, const struct cpuset *managed, struct frq_err *err)
{
	bool grown = true;

	CPUSET_FOREACH(cpu, managed) {
		int ret = check_policy(cpu, managed, err);

		if (ret != 0)
			return ret;
		read_one(&group[cpu], cpu, managed);
	}
	while (grown) {
		grown = false;
		CPUSET_FOREACH(cpu, managed) {
			const struct cpuset tied = group[cpu].clock;

			CPUSET_FOREACH(other, &tied)
				grown |= join(&group[cpu].clock, &group[other].clock);
		}
	}
	return 0;
}
