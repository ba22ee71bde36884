/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_check.c - does the configuration fit this machine?
 */
#define _GNU_SOURCE 1	/* sched_getaffinity */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "config_pvt.h"

#define SYSFS_CPU_PRESENT "/sys/devices/system/cpu/present"
#define LIST_LEN 80

static int
read_present(struct cpuset *s, struct frq_err *err)
{
	char text[4096] = "";
	FILE *f = fopen(SYSFS_CPU_PRESENT, "re");
	bool ok;

	if (f == NULL) {
		int ret = -errno;

		frq_err_set(err, "cannot open " SYSFS_CPU_PRESENT ": %s", strerror(errno));
		return ret;
	}
	ok = fgets(text, sizeof(text), f) != NULL;
	fclose(f);
	if (!ok) {
		frq_err_set(err, "cannot read " SYSFS_CPU_PRESENT);
		return -EIO;
	}
	return cpuset_parse(s, text, err) ? 0 : -EINVAL;
}

int
config_machine_read(struct config_machine *m, struct frq_err *err)
{
	cpu_set_t mask;
	int ret;

	memset(m, 0, sizeof(*m));
	ret = cpuset_online(&m->online, err);
	if (ret == 0)
		ret = read_present(&m->present, err);
	if (ret < 0)
		return ret;
	if (sched_getaffinity(0, sizeof(mask), &mask) < 0) {
		ret = -errno;
		frq_err_set(err, "cannot read the CPUs this process may use: %s",
			strerror(errno));
		return ret;
	}
	for (unsigned int cpu = 0; cpu < FRQ_MAX_CPUS && cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &mask))
			cpuset_add(&m->affinity, cpu);
	}
	return 0;
}

static unsigned int
highest(const struct cpuset *s)
{
	unsigned int last = FRQ_MAX_CPUS;

	CPUSET_FOREACH(cpu, s)
		last = cpu;
	return last;
}

/* The first CPU of `a` that is not in `b`, FRQ_MAX_CPUS: none. */
static unsigned int
first_beyond(const struct cpuset *a, const struct cpuset *b)
{
	CPUSET_FOREACH(cpu, a) {
		if (!cpuset_has(b, cpu))
			return cpu;
	}
	return FRQ_MAX_CPUS;
}

/* Whether threads can be put on these CPUs. */
static bool
check_usable(const char *key, const struct cpuset *cpus, const struct config_machine *m,
	struct frq_err *err)
{
	char value[LIST_LEN], list[LIST_LEN];
	unsigned int cpu = first_beyond(cpus, &m->online);

	cpuset_format(cpus, value, sizeof(value));
	if (cpu != FRQ_MAX_CPUS) {
		frq_err_set(err, "[daemon] %s = %s: CPU %u is not online; name CPUs of %s",
			key, value, cpu, cpuset_format(&m->online, list, sizeof(list)));
		return false;
	}
	cpu = first_beyond(cpus, &m->affinity);
	if (cpu != FRQ_MAX_CPUS) {
		frq_err_set(err, "[daemon] %s = %s: this process may not run on CPU %u; "
			"name CPUs of %s or widen CPUAffinity, taskset or the cgroup",
			key, value, cpu, cpuset_format(&m->affinity, list, sizeof(list)));
		return false;
	}
	return true;
}

static bool
check_cpu(const char *key, int cpu, const struct config_machine *m, struct frq_err *err)
{
	struct cpuset one = { 0 };

	cpuset_add(&one, (unsigned int)cpu);
	return check_usable(key, &one, m, err);
}

static bool
check_control(struct config *c, const struct config_machine *m, const struct cpuset *usable,
	struct frq_err *err)
{
	unsigned int poller = (unsigned int)c->poller_cpu;
	bool given = !cpuset_empty(&c->control_cpus);
	char list[LIST_LEN];

	if (!given)
		c->control_cpus = *usable;
	else if (!check_usable("control_cpus", &c->control_cpus, m, err))
		return false;
	/* The poller does not share its CPU with threads that sleep and wake. */
	c->control_cpus.bits[poller / 64] &= ~(UINT64_C(1) << (poller % 64));
	if (!cpuset_empty(&c->control_cpus))
		return true;
	if (given)
		frq_err_set(err, "[daemon] control_cpus = %u: this is the poller's CPU and it is "
			"not shared; add another CPU or choose another poller_cpu", poller);
	else
		frq_err_set(err, "[daemon] poller_cpu = %u: no CPU is left for the other threads "
			"(usable: %s); freqringd needs two", poller,
			cpuset_format(usable, list, sizeof(list)));
	return false;
}

static bool
check_managed(struct config *c, const struct config_machine *m, const struct cpuset *usable,
	struct frq_err *err)
{
	bool lcores = c->backend == CONFIG_BACKEND_LIBRTE_POWER;
	char value[LIST_LEN], list[LIST_LEN];
	unsigned int cpu;

	if (cpuset_empty(&c->managed_cpus)) {
		c->managed_cpus = lcores ? *usable : m->online;
		return true;
	}
	/* Each becomes an lcore (eal.c), and EAL panics on one it cannot pin. */
	if (lcores)
		return check_usable("managed_cpus", &c->managed_cpus, m, err);
	/* One that is present but offline may come back. */
	cpu = first_beyond(&c->managed_cpus, &m->present);
	if (cpu == FRQ_MAX_CPUS || cpuset_has(&m->online, cpu))
		return true;
	frq_err_set(err, "[daemon] managed_cpus = %s: this machine has no CPU %u; name CPUs of %s",
		cpuset_format(&c->managed_cpus, value, sizeof(value)), cpu,
		cpuset_format(&m->present, list, sizeof(list)));
	return false;
}

bool
config_check_cpus(struct config *c, const struct config_machine *m, struct frq_err *err)
{
	struct cpuset usable = m->online;

	cpuset_and(&usable, &m->affinity);
	if (cpuset_empty(&usable)) {
		frq_err_set(err, "no CPU that this process may run on is online");
		return false;
	}
	if (c->poller_cpu < 0)
		c->poller_cpu = (int)highest(&usable);
	else if (!check_cpu("poller_cpu", c->poller_cpu, m, err))
		return false;
	if (c->applier_cpu < 0)
		c->applier_cpu = c->poller_cpu;
	else if (!check_cpu("applier_cpu", c->applier_cpu, m, err))
		return false;
	return check_control(c, m, &usable, err) && check_managed(c, m, &usable, err);
}

static bool
group_exists(const char *name)
{
	return getgrnam(name) != NULL;
}

static bool
user_exists(const char *name)
{
	return getpwnam(name) != NULL;
}

/* Of the names, the first that exists; none does: "". */
static void
choose(char *field, size_t size, const char *const *names, bool (*exists)(const char *))
{
	for (; *names != NULL; names++) {
		if (exists(*names)) {
			snprintf(field, size, "%s", *names);
			return;
		}
	}
}

bool
config_check_users(struct config *c, struct frq_err *err)
{
	static const char *const groups[] = { "libvirt-qemu", "qemu", "kvm", NULL };
	static const char *const users[] = { "libvirt-qemu", "qemu", NULL };

	if (c->group[0] != '\0' && !group_exists(c->group)) {
		/* Out of a build tree nobody has made our own group yet. */
		if (strcmp(c->group, CONFIG_DEFAULT_GROUP) != 0) {
			frq_err_set(err, "[daemon] group = %s: no such group; make it with "
				"groupadd -r %s or name another", c->group, c->group);
			return false;
		}
		c->group[0] = '\0';
	}
	if (c->admin_group[0] != '\0' && !group_exists(c->admin_group)) {
		frq_err_set(err, "[daemon] admin_group = %s: no such group; make it with "
			"groupadd -r %s or name another", c->admin_group, c->admin_group);
		return false;
	}
	if (c->shm_group[0] == '\0') {
		choose(c->shm_group, sizeof(c->shm_group), groups, group_exists);
	} else if (!group_exists(c->shm_group)) {
		frq_err_set(err, "[shm] shm_group = %s: no such group; name the one that QEMU "
			"runs as (group in /etc/libvirt/qemu.conf)", c->shm_group);
		return false;
	}
	if (c->qemu_user[0] == '\0') {
		choose(c->qemu_user, sizeof(c->qemu_user), users, user_exists);
	} else if (!user_exists(c->qemu_user)) {
		frq_err_set(err, "[shm] qemu_user = %s: no such user; name the one that QEMU "
			"runs as (user in /etc/libvirt/qemu.conf)", c->qemu_user);
		return false;
	}
	return true;
}
