/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.c - librte_power_freqring.so: a power driver for DPDK 24.11 and later,
 * loaded by EAL's -d
 *
 * librte_power finds a driver by the name of its environment, from a list that
 * it has built in, and programs accept only those that set frequencies of real
 * CPUs. So this one calls itself "acpi", and as EAL loads what -d names first, it
 * is found before the driver of that name. Where no host answers it does not
 * register at all: librte_power would call the other one's init and then take
 * this one for who succeeded.
 */
#include <rte_lcore.h>
#include <rte_log.h>

#include <power_cpufreq.h>

#include "lcores.h"
#include "ops.h"

static int logtype;	/* librte_power's own */

static bool
cpus_of(unsigned int lcore, cpu_set_t *cpus)
{
	if (rte_eal_lcore_role(lcore) == ROLE_OFF)
		return false;
	*cpus = rte_lcore_cpuset(lcore);
	return true;
}

static void
log_line(enum lcores_log_level level, const char *line)
{
	(void)rte_log((uint32_t)level, (uint32_t)logtype, "POWER: %s\n", line);
}

static int
supported(void)
{
	return 1;
}

static int
capabilities(unsigned int lcore, struct rte_power_core_capabilities *caps)
{
	bool turbo;

	if (caps == NULL || power_capabilities(lcore, &turbo) < 0)
		return -1;
	caps->capabilities = 0;
	caps->turbo = turbo;
	return 0;
}

static struct rte_power_cpufreq_ops ops = {
	.name = "acpi",
	.init = power_init,
	.exit = power_exit,
	.check_env_support = supported,
	.get_avail_freqs = power_freqs,
	.get_freq = power_get_freq,
	.set_freq = power_set_freq,
	.freq_up = power_freq_up,
	.freq_down = power_freq_down,
	.freq_max = power_freq_max,
	.freq_min = power_freq_min,
	.turbo_status = power_turbo_status,
	.enable_turbo = power_enable_turbo,
	.disable_turbo = power_disable_turbo,
	.get_caps = capabilities,
};

RTE_INIT(freqring_register)
{
	static const struct lcores_dpdk here = { .cpus = cpus_of, .log = log_line };

	logtype = rte_log_register("lib.power");
	if (logtype < 0)
		logtype = RTE_LOGTYPE_USER1;
	if (lcores_stand_in(&here))
		(void)rte_power_register_cpufreq_ops(&ops);
}
