/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_cpufreq.c - can the frequency of the managed CPUs be set at all?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

#define CPUFREQ "/sys/devices/system/cpu/cpu%u/cpufreq/"
#define MAX_GROUPS 16u
#define WORD 32

/* Managed CPUs of which a file says the same. */
struct alike {
	char word[WORD];	/* "": there is no such file */
	struct cpuset cpus;
};

static void
read_word(const struct doctor *d, unsigned int cpu, const char *file, char word[WORD])
{
	char text[256];

	(void)doctor_read(d, text, sizeof(text), CPUFREQ "%s", cpu, file);
	text[strcspn(text, " \t\n")] = '\0';
	(void)snprintf(word, WORD, "%.*s", WORD - 1, text);
}

/* Returns how many there are; what does not fit counts to the last. */
static unsigned int
group_by(const struct doctor *d, const char *file, const struct cpuset *cpus,
	struct alike alike[MAX_GROUPS])
{
	unsigned int nb = 0, i;
	char word[WORD];

	CPUSET_FOREACH(cpu, cpus) {
		read_word(d, cpu, file, word);
		for (i = 0; i < nb && strcmp(alike[i].word, word) != 0; i++)
			;
		if (i == nb && nb < MAX_GROUPS) {
			memset(&alike[i], 0, sizeof(alike[i]));
			(void)snprintf(alike[i].word, WORD, "%s", word);
			nb++;
		}
		cpuset_add(&alike[i < MAX_GROUPS ? i : MAX_GROUPS - 1].cpus, cpu);
	}
	return nb;
}

/* The kernel says nothing of the cpufreq of a CPU that is offline. */
static void
online_managed(const struct doctor *d, struct cpuset *cpus)
{
	*cpus = d->managed;
	cpuset_and(cpus, &d->online);
}

/* ---- the driver ----------------------------------------------------------------- */

/* The flag that hypervisors set for their guests: "hypervisor" among the CPU's. */
static bool
is_vm(const struct doctor *d)
{
	char text[8192];
	char *flags, *word, *rest;

	(void)doctor_read(d, text, sizeof(text), "/proc/cpuinfo");
	flags = strstr(text, "\nflags");
	if (flags == NULL)
		return false;
	flags++;
	flags[strcspn(flags, "\n")] = '\0';
	for (rest = flags; (word = strsep(&rest, " \t:")) != NULL; ) {
		if (strcmp(word, "hypervisor") == 0)
			return true;
	}
	return false;
}

static void
explain_missing(struct doctor *d, const struct alike *a)
{
	char list[DOCTOR_LIST];

	(void)doctor_cpus(&a->cpus, list);
	if (is_vm(d)) {
		doctor_say(d, doctor_fail_if_real(d), "no cpufreq on %s: this machine is a VM, "
			"and its hypervisor keeps frequencies to itself", list);
		doctor_mend(d, "run on the host itself; to try freqring: backend = simulated in %s",
			d->file);
	} else {
		doctor_say(d, doctor_fail_if_real(d), "no cpufreq on %s: P-states are off in the "
			"firmware, or no driver is loaded", list);
		doctor_mend(d, "firmware set-up: P-states, SpeedStep, Cool'n'Quiet or \"OS control\" "
			"on; then modprobe acpi-cpufreq. To try freqring: backend = simulated in %s",
			d->file);
	}
}

static void
judge_driver(struct doctor *d, const struct alike *a)
{
	static const char *const usable[] = { "acpi-cpufreq", "cppc_cpufreq", "intel_pstate",
		"intel_cpufreq", NULL };
	char list[DOCTOR_LIST];

	(void)doctor_cpus(&a->cpus, list);
	if (a->word[0] == '\0') {
		explain_missing(d, a);
		return;
	}
	for (const char *const *u = usable; *u != NULL; u++) {
		if (strcmp(*u, a->word) == 0) {
			doctor_say(d, DOCTOR_PASS, "%s: %s", list, a->word);
			return;
		}
	}
	doctor_say(d, doctor_fail_if_real(d), "%s: librte_power of DPDK 22.11 cannot use %s",
		list, a->word);
	if (strncmp(a->word, "amd-pstate", strlen("amd-pstate")) == 0 ||
	    strncmp(a->word, "amd_pstate", strlen("amd_pstate")) == 0)
		doctor_mend(d, "amd_pstate=disable on the kernel's command line leaves acpi-cpufreq; "
			"or build with DPDK 23.11");
	else
		doctor_mend(d, "another driver, by the kernel's command line (intel_pstate=, "
			"amd_pstate=) or firmware set-up");
}

void
doctor_check_driver(struct doctor *d)
{
	struct alike alike[MAX_GROUPS];
	struct cpuset cpus, offline = d->managed;
	unsigned int nb, nb_drivers = 0;
	char list[DOCTOR_LIST];

	online_managed(d, &cpus);
	nb = group_by(d, "scaling_driver", &cpus, alike);
	for (unsigned int i = 0; i < nb; i++) {
		judge_driver(d, &alike[i]);
		nb_drivers += alike[i].word[0] != '\0';
	}
	if (nb_drivers > 1) {
		doctor_say(d, doctor_fail_if_real(d), "the managed CPUs have %u different drivers",
			nb_drivers);
		doctor_mend(d, "managed_cpus in %s: those of one driver", d->file);
	}
	for (size_t i = 0; i < sizeof(offline.bits) / sizeof(offline.bits[0]); i++)
		offline.bits[i] &= ~d->online.bits[i];
	if (!cpuset_empty(&offline)) {
		cpuset_format(&offline, list, sizeof(list));
		doctor_say(d, DOCTOR_WARN, "managed, and not online: CPU %s", list);
		doctor_mend(d, "chcpu -e %s, or leave them out of managed_cpus in %s", list, d->file);
	}
}

/* ---- the governor --------------------------------------------------------------- */

/* Whether one of the words in the CPU's file is this. */
static bool
offers(const struct doctor *d, unsigned int cpu, const char *file, const char *wanted)
{
	char text[2048], *rest = text, *word;

	(void)doctor_read(d, text, sizeof(text), CPUFREQ "%s", cpu, file);
	while ((word = strsep(&rest, " \t\n")) != NULL) {
		if (word[0] != '\0' && (wanted == NULL || strcmp(word, wanted) == 0))
			return true;
	}
	return false;
}

/* librte_power sets these two by scaling_setspeed, which is the governor userspace's. */
static bool
needs_userspace(const char *driver)
{
	return strcmp(driver, "acpi-cpufreq") == 0 || strcmp(driver, "cppc_cpufreq") == 0;
}

static void
check_needs(struct doctor *d, const struct cpuset *cpus)
{
	struct cpuset no_governor = { 0 }, no_table = { 0 };
	char driver[WORD], list[DOCTOR_LIST];

	CPUSET_FOREACH(cpu, cpus) {
		read_word(d, cpu, "scaling_driver", driver);
		if (needs_userspace(driver) &&
		    !offers(d, cpu, "scaling_available_governors", "userspace"))
			cpuset_add(&no_governor, cpu);
		if (strcmp(driver, "acpi-cpufreq") == 0 &&
		    !offers(d, cpu, "scaling_available_frequencies", NULL))
			cpuset_add(&no_table, cpu);
	}
	if (!cpuset_empty(&no_governor)) {
		doctor_say(d, doctor_fail_if_real(d), "%s: the governor userspace, by which "
			"frequencies are set, is not there",
			doctor_cpus(&no_governor, list));
		doctor_mend(d, "modprobe cpufreq_userspace; for each boot: "
			"echo cpufreq_userspace >/etc/modules-load.d/freqring.conf");
	}
	if (!cpuset_empty(&no_table)) {
		doctor_say(d, doctor_fail_if_real(d), "%s: no scaling_available_frequencies",
			doctor_cpus(&no_table, list));
		doctor_mend(d, "the firmware gives the kernel no table of P-states (_PSS): "
			"look for P-states in its set-up");
	}
}

void
doctor_check_governor(struct doctor *d)
{
	struct alike alike[MAX_GROUPS];
	struct cpuset cpus;
	char list[DOCTOR_LIST];
	unsigned int nb;

	online_managed(d, &cpus);
	nb = group_by(d, "scaling_governor", &cpus, alike);
	for (unsigned int i = 0; i < nb; i++) {
		if (alike[i].word[0] != '\0')
			doctor_say(d, DOCTOR_PASS, "%s: %s",
				doctor_cpus(&alike[i].cpus, list), alike[i].word);
	}
	check_needs(d, &cpus);
}

/* ---- turbo ---------------------------------------------------------------------- */

void
doctor_check_turbo(struct doctor *d)
{
	char text[WORD];

	if (doctor_read(d, text, sizeof(text), "/sys/devices/system/cpu/cpufreq/boost") == 0 &&
	    strcmp(text, "0") == 0) {
		doctor_say(d, DOCTOR_PASS, "turbo is off: max is the highest frequency without it");
		doctor_mend(d, "if it is wanted: echo 1 >/sys/devices/system/cpu/cpufreq/boost");
	} else if (doctor_read(d, text, sizeof(text),
	    "/sys/devices/system/cpu/intel_pstate/no_turbo") == 0 && strcmp(text, "1") == 0) {
		doctor_say(d, DOCTOR_PASS, "turbo is off: max is the highest frequency without it");
		doctor_mend(d, "if it is wanted: echo 0 >/sys/devices/system/cpu/intel_pstate/no_turbo");
	}
}
