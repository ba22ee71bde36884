/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * power_api.c - a program that makes every call of librte_power, for guests
 *
 *	power_api EAL-OPTION... -- all		each call on the main lcore, a line each
 *	power_api EAL-OPTION... -- governor	the calls of SPDK's governor in its order,
 *						on all lcores
 *	power_api EAL-OPTION... -- kvm		a program that insists on PM_ENV_KVM_VM
 *	power_api EAL-OPTION... -- hold		init, then a line for each line that comes
 *						in: max, min, up, down, or where it stands
 *
 * Linked to librte_power and to nothing of freqring: who serves it is seen in
 * what it prints.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_power.h>

#define FREQS_MAX 64u

static void
print_freqs(unsigned int lcore)
{
	uint32_t khz[FREQS_MAX], n = rte_power_freqs(lcore, khz, FREQS_MAX);

	(void)printf("freqs %" PRIu32 ":", n);
	for (uint32_t i = 0; i < n && i < FREQS_MAX; i++)
		(void)printf(" %" PRIu32, khz[i]);
	(void)printf("\n");
}

/* As a program sees it: the index that is in force, and what that means. */
static void
print_where(unsigned int lcore, const char *what, int ret)
{
	uint32_t khz[FREQS_MAX], n = rte_power_freqs(lcore, khz, FREQS_MAX);
	uint32_t index = rte_power_get_freq(lcore);

	if (index < n)
		(void)printf("%s %d, %" PRIu32 " is %" PRIu32 "\n", what, ret, index, khz[index]);
	else
		(void)printf("%s %d, unknown\n", what, ret);
}

static void
print_supported(void)
{
	(void)printf("supported");
	for (int env = PM_ENV_ACPI_CPUFREQ; env <= PM_ENV_CPPC_CPUFREQ; env++)
		(void)printf(" %d", rte_power_check_env_supported((enum power_management_env)env));
	(void)printf("\n");
}

static void
print_capabilities(unsigned int lcore)
{
	struct rte_power_core_capabilities caps = { .capabilities = 0 };
	int ret = rte_power_get_capabilities(lcore, &caps);

	(void)printf("capabilities %d, turbo %u, priority %u\n", ret, (unsigned int)caps.turbo,
		(unsigned int)caps.priority);
}

static int
run_all(unsigned int lcore)
{
	print_supported();
	(void)printf("env %d\n", (int)rte_power_get_env());
	(void)printf("pointers %s\n", rte_power_freq_max == NULL ? "unset" : "set");
	(void)printf("init %d\n", rte_power_init(lcore));
	(void)printf("env %d\n", (int)rte_power_get_env());
	if (rte_power_freq_max == NULL)
		return 1;
	(void)printf("init again %d\n", rte_power_init(lcore));
	(void)printf("set_env again %d\n", rte_power_set_env(PM_ENV_ACPI_CPUFREQ));
	print_freqs(lcore);
	print_where(lcore, "start", 0);
	print_capabilities(lcore);
	print_where(lcore, "max", rte_power_freq_max(lcore));
	print_where(lcore, "up", rte_power_freq_up(lcore));
	print_where(lcore, "down", rte_power_freq_down(lcore));
	print_where(lcore, "down", rte_power_freq_down(lcore));
	print_where(lcore, "set 5", rte_power_set_freq(lcore, 5));
	print_where(lcore, "set 5", rte_power_set_freq(lcore, 5));
	print_where(lcore, "set 64", rte_power_set_freq(lcore, 64));
	print_where(lcore, "min", rte_power_freq_min(lcore));
	print_where(lcore, "min", rte_power_freq_min(lcore));
	print_where(lcore, "down", rte_power_freq_down(lcore));
	print_where(lcore, "up", rte_power_freq_up(lcore));
	(void)printf("turbo_status %d\n", rte_power_turbo_status(lcore));
	print_where(lcore, "disable_turbo", rte_power_freq_disable_turbo(lcore));
	(void)printf("turbo_status %d\n", rte_power_turbo_status(lcore));
	print_where(lcore, "max", rte_power_freq_max(lcore));
	print_where(lcore, "disable_turbo", rte_power_freq_disable_turbo(lcore));
	print_where(lcore, "enable_turbo", rte_power_freq_enable_turbo(lcore));
	(void)printf("turbo_status %d\n", rte_power_turbo_status(lcore));
	(void)printf("exit %d\n", rte_power_exit(lcore));
	(void)printf("exit again %d\n", rte_power_exit(lcore));
	rte_power_unset_env();
	(void)printf("env %d\n", (int)rte_power_get_env());
	(void)printf("pointers %s\n", rte_power_freq_max == NULL ? "unset" : "set");
	return 0;
}

static int
run_governor_core(unsigned int lcore)
{
	struct rte_power_core_capabilities caps;

	if (rte_power_init(lcore) != 0 || rte_power_get_capabilities(lcore, &caps) != 0)
		return -1;
	return caps.turbo != 0 ? rte_power_freq_enable_turbo(lcore) : 0;
}

static int
run_governor(void)
{
	unsigned int lcore;

	for (int env = PM_ENV_ACPI_CPUFREQ; env <= PM_ENV_CPPC_CPUFREQ; env++) {
		if (rte_power_check_env_supported((enum power_management_env)env) == 1) {
			(void)printf("set_env %d %d\n", env,
				rte_power_set_env((enum power_management_env)env));
			break;
		}
	}
	RTE_LCORE_FOREACH(lcore)
		(void)printf("core %u %d\n", lcore, run_governor_core(lcore));
	RTE_LCORE_FOREACH(lcore) {
		print_where(lcore, "governor", 0);
		print_where(lcore, "down", rte_power_freq_down(lcore));
		print_where(lcore, "min", rte_power_freq_min(lcore));
		print_where(lcore, "up", rte_power_freq_up(lcore));
		print_where(lcore, "max", rte_power_freq_max(lcore));
	}
	RTE_LCORE_FOREACH(lcore)
		(void)printf("exit %d\n", rte_power_exit(lcore));
	rte_power_unset_env();
	return 0;
}

static int
run_kvm(unsigned int lcore)
{
	(void)printf("set_env pstate %d\n", rte_power_set_env(PM_ENV_PSTATE_CPUFREQ));
	(void)printf("set_env kvm %d\n", rte_power_set_env(PM_ENV_KVM_VM));
	(void)printf("env %d\n", (int)rte_power_get_env());
	(void)printf("init %d\n", rte_power_init(lcore));
	print_where(lcore, "min", rte_power_freq_min(lcore));
	(void)printf("exit %d\n", rte_power_exit(lcore));
	return 0;
}

static int
run_hold(unsigned int lcore)
{
	char line[64];

	(void)printf("init %d\n", rte_power_init(lcore));
	while (fgets(line, sizeof(line), stdin) != NULL) {
		int ret = 0;

		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "max") == 0)
			ret = rte_power_freq_max(lcore);
		else if (strcmp(line, "min") == 0)
			ret = rte_power_freq_min(lcore);
		else if (strcmp(line, "up") == 0)
			ret = rte_power_freq_up(lcore);
		else if (strcmp(line, "down") == 0)
			ret = rte_power_freq_down(lcore);
		print_where(lcore, line, ret);
		(void)fflush(stdout);
	}
	return rte_power_exit(lcore);
}

int
main(int argc, char **argv)
{
	int n = rte_eal_init(argc, argv), ret;
	const char *what;

	if (n < 0)
		return 1;
	what = n + 1 < argc ? argv[n + 1] : "all";
	if (strcmp(what, "governor") == 0)
		ret = run_governor();
	else if (strcmp(what, "kvm") == 0)
		ret = run_kvm(rte_get_main_lcore());
	else if (strcmp(what, "hold") == 0)
		ret = run_hold(rte_get_main_lcore());
	else
		ret = run_all(rte_get_main_lcore());
	(void)rte_eal_cleanup();
	return ret;
}
