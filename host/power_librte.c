/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * librte_power, DPDK 22.11. The environment is chosen by the driver's name
 * before the library is asked: its own detection writes "userspace" into
 * scaling_governor of whatever driver there is, and then takes that for the
 * governor to restore. A CPU is the lcore of the same number (host/eal.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_power.h>

#include "power.h"

#define CPU_DIR "/sys/devices/system/cpu/cpu%u/"

static const struct {
	const char *driver;
	enum power_management_env env;
} environments[] = {
	{ "acpi-cpufreq", PM_ENV_ACPI_CPUFREQ },
	{ "intel_pstate", PM_ENV_PSTATE_CPUFREQ },
	{ "intel_cpufreq", PM_ENV_PSTATE_CPUFREQ },
	{ "cppc_cpufreq", PM_ENV_CPPC_CPUFREQ },
};

/* The first word of a CPU's sysfs file. @return 0 or a negative errno */
static int
read_word(unsigned int cpu, const char *file, char word[32])
{
	char path[128];
	FILE *f;
	int n;

	(void)snprintf(path, sizeof(path), CPU_DIR "%s", cpu, file);
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	n = fscanf(f, "%31s", word);
	(void)fclose(f);
	return n == 1 ? 0 : -EIO;
}

static int
choose_environment(unsigned int cpu, enum power_management_env *env, struct frq_err *err)
{
	char driver[32];
	int ret = read_word(cpu, "cpufreq/scaling_driver", driver);

	if (ret < 0) {
		frq_err_set(err, "CPU %u has no cpufreq driver (" CPU_DIR
			"cpufreq/scaling_driver: %s): switch P-states on in the firmware, or try freqring without them: backend = simulated",
			cpu, cpu, strerror(-ret));
		return -ENODEV;
	}
	for (size_t i = 0; i < sizeof(environments) / sizeof(environments[0]); i++) {
		if (strcmp(driver, environments[i].driver) == 0) {
			*env = environments[i].env;
			return 0;
		}
	}
	frq_err_set(err, "CPU %u: librte_power of DPDK 22.11 cannot drive %s", cpu, driver);
	return -ENOTSUP;
}

static int
librte_probe(const struct cpuset *managed, struct frq_err *err)
{
	enum power_management_env env;
	int ret = -ENODEV;

	frq_err_set(err, "no CPU is managed");
	CPUSET_FOREACH(cpu, managed) {
		ret = choose_environment(cpu, &env, err);
		if (ret == 0)
			return rte_power_set_env(env) == 0 ? 0 : -EBUSY;
	}
	return ret;
}

static int
librte_take(unsigned int cpu, struct frq_err *err)
{
	enum power_management_env env;
	char online[32];
	int ret;

	/* CPU 0 of most machines has no such file and is always online. */
	if (read_word(cpu, "online", online) == 0 && strcmp(online, "1") != 0) {
		frq_err_set(err, "CPU %u is offline", cpu);
		return -ENXIO;
	}
	ret = choose_environment(cpu, &env, err);
	if (ret < 0)
		return ret;
	if (env != rte_power_get_env()) {
		frq_err_set(err, "CPU %u has another cpufreq driver than the first managed CPU", cpu);
		return -ENOTSUP;
	}
	if (rte_power_init(cpu) != 0) {
		frq_err_set(err, "CPU %u: librte_power cannot take it (its log says why)", cpu);
		return -EIO;
	}
	return 0;
}

static void
librte_give_back(unsigned int cpu)
{
	(void)rte_power_exit(cpu);
}

static int
librte_table(unsigned int cpu, struct freq_table *t, struct frq_err *err)
{
	struct rte_power_core_capabilities caps = { .capabilities = 0 };
	uint32_t khz[RTE_MAX_LCORE_FREQS];
	uint32_t nb;
	int ret = librte_take(cpu, err);

	if (ret < 0)
		return ret;
	nb = rte_power_freqs(cpu, khz, RTE_MAX_LCORE_FREQS);
	ret = rte_power_get_capabilities(cpu, &caps);
	librte_give_back(cpu);
	if (nb == 0 || nb > FRQ_MAX_FREQS || ret < 0) {
		frq_err_set(err, "CPU %u: a table of %u frequencies cannot be used", cpu, nb);
		return -ENODEV;
	}
	t->nb = nb;
	t->turbo = caps.turbo != 0;
	memcpy(t->khz, khz, nb * sizeof(khz[0]));
	return 0;
}

static int
librte_set(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	if (rte_power_set_freq(cpu, index) < 0) {
		frq_err_set(err, "CPU %u: librte_power refused index %u", cpu, index);
		return -EIO;
	}
	return 0;
}

static uint32_t
librte_get(unsigned int cpu)
{
	char khz[32];
	unsigned int v = 0;

	if (read_word(cpu, "cpufreq/scaling_cur_freq", khz) == 0)
		(void)sscanf(khz, "%u", &v);
	return v;
}

const struct power_ops power_librte = {
	.name = "librte_power",
	.probe = librte_probe,
	.table = librte_table,
	.take = librte_take,
	.set = librte_set,
	.give_back = librte_give_back,
	.get = librte_get,
};
