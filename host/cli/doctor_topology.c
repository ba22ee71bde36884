/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_topology.c - CPUs that share a clock, and the poller's
 */
#include <string.h>

#include "doctor_virt.h"
#include "members.h"

#define CPU "/sys/devices/system/cpu/cpu%u/"

/* "CPUs 0-1" for people */
struct cpu_list {
	char text[DOCTOR_LIST];
};

static const char *
listed(const struct cpuset *cpus, struct cpu_list *l)
{
	return cpuset_format(cpus, l->text, sizeof(l->text));
}

static bool
overlap(const struct cpuset *a, const struct cpuset *b)
{
	struct cpuset both = *a;

	cpuset_and(&both, b);
	return !cpuset_empty(&both);
}

/* ---- CPUs that share a clock ---------------------------------------------------- */

static void
judge_partly_managed(struct doctor *d, const char *what, const struct cpuset *cpus)
{
	struct cpuset managed = *cpus;
	struct cpu_list all, part;

	cpuset_and(&managed, &d->managed);
	if (cpuset_equal(&managed, cpus))
		return;
	doctor_say(d, DOCTOR_WARN, "CPUs %s %s, and only %s of them managed: what else runs there "
		"has its frequency decided, too", listed(cpus, &all), what, listed(&managed, &part));
	doctor_mend(d, "managed_cpus in %s: all of them, or none", d->file);
}

static void
judge_split(struct doctor *d, const char *what, const struct cpuset *cpus)
{
	const json_t *vms = doctor_vms(d), *first = NULL;
	struct cpu_list all;

	for (size_t i = 0; i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);
		struct cpuset pins;

		doctor_vm_pins(vm, &pins);
		if (!has_way(vm) || !overlap(&pins, cpus))
			continue;
		if (first == NULL) {
			first = vm;
			continue;
		}
		doctor_say(d, DOCTOR_WARN, "CPUs %s %s, and belong to the VMs %s and %s: each runs "
			"at what the other wants, if that is more", listed(cpus, &all), what,
			text_of(first, "name"), text_of(vm, "name"));
		doctor_mend(d, "pin one of them elsewhere: freqring vcpupin %s VCPU CPUS",
			text_of(vm, "name"));
		return;
	}
}

/* Each set of CPUs that a file of cpuN names, once; `told` are those complained of already. */
static void
judge_sets(struct doctor *d, const char *file, const char *what, struct cpuset *told)
{
	struct cpuset seen = { 0 }, set;
	size_t said;

	CPUSET_FOREACH(cpu, &d->managed) {
		if (cpuset_has(&seen, cpu))
			continue;
		doctor_read_cpus(d, &set, CPU "%s", cpu, file);
		CPUSET_FOREACH(member, &set)
			cpuset_add(&seen, member);
		if (cpuset_count(&set) < 2 || cpuset_subset(&set, told))
			continue;
		said = json_array_size(d->checks);
		judge_partly_managed(d, what, &set);
		judge_split(d, what, &set);
		CPUSET_FOREACH(member, &set) {
			if (json_array_size(d->checks) != said)
				cpuset_add(told, member);
		}
	}
}

void
doctor_check_domains(struct doctor *d)
{
	size_t before = json_array_size(d->checks);
	struct cpuset told = { 0 };

	judge_sets(d, "topology/thread_siblings_list", "are hyperthreads of one core", &told);
	judge_sets(d, "cpufreq/freqdomain_cpus", "share a clock", &told);
	judge_sets(d, "cpufreq/related_cpus", "share a cpufreq policy", &told);
	if (json_array_size(d->checks) == before)
		doctor_say(d, DOCTOR_PASS, "no CPUs that share a clock are managed in part, or "
			"split between VMs");
}

/* ---- the poller's CPU ----------------------------------------------------------- */

static bool
is_isolated(const struct doctor *d, unsigned int cpu)
{
	struct cpuset boot, cgroup;

	doctor_read_cpus(d, &boot, "/sys/devices/system/cpu/isolated");
	doctor_read_cpus(d, &cgroup, "/sys/fs/cgroup/cpuset.cpus.isolated");
	return cpuset_has(&boot, cpu) || cpuset_has(&cgroup, cpu);
}

static void
judge_vm_beside_poller(struct doctor *d, const json_t *vm, unsigned int poller,
	const struct cpuset *siblings)
{
	const char *name = text_of(vm, "name");
	struct cpuset pins;
	struct cpu_list l;

	doctor_vm_pins(vm, &pins);
	if (cpuset_has(&pins, poller)) {
		doctor_say(d, DOCTOR_WARN, "VM %s is pinned to the poller's CPU %u, which is never "
			"idle: the VM loses half of it", name, poller);
		doctor_mend(d, "freqring vcpupin %s VCPU CPUS, or another poller_cpu in %s", name,
			d->file);
	} else if (overlap(&pins, siblings)) {
		doctor_say(d, DOCTOR_WARN, "CPU %u, the poller's, is a hyperthread of a core that "
			"VM %s is pinned to (CPU %s): it slows the VM down", poller, name,
			listed(&pins, &l));
		doctor_mend(d, "another poller_cpu in %s", d->file);
	}
}

void
doctor_check_poller_cpu(struct doctor *d)
{
	const json_t *vms = doctor_vms(d);
	size_t before = json_array_size(d->checks);
	unsigned int poller = (unsigned int)d->poller_cpu;
	struct cpuset siblings;

	if (d->poller_cpu < 0)
		return;
	if (!is_isolated(d, poller)) {
		doctor_say(d, DOCTOR_WARN, "CPU %u, the poller's, is not isolated: other work there "
			"holds up requests", poller);
		doctor_mend(d, "isolcpus=%u on the kernel's command line, or a cpuset partition "
			"\"isolated\"", poller);
	}
	doctor_read_cpus(d, &siblings, CPU "topology/thread_siblings_list", poller);
	for (size_t i = 0; i < json_array_size(vms); i++)
		judge_vm_beside_poller(d, json_array_get(vms, i), poller, &siblings);
	if (json_array_size(d->checks) == before)
		doctor_say(d, DOCTOR_PASS, "CPU %u, the poller's, is isolated and no VM's", poller);
}
