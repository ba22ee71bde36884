/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload.c - libfreqring-power.so: stands in for librte_power of DPDK before
 * 24.11, whose calls for frequencies are function pointers
 *
 * Preloaded, it comes before librte_power in the order of symbols, so it is
 * asked first who serves this process, also by librte_power itself, which calls
 * its own functions as anybody does. Where no host answers, each call goes on to
 * the next definition: librte_power's.
 *
 * Nothing of DPDK is linked to: what is needed is looked up at the first call, so
 * the library does no harm in programs that have none, nor in one that opens
 * DPDK later.
 *
 * l3fwd-power, and librte_power before it scales, accept only environments that
 * set frequencies of real CPUs. So the one that is detected is ACPI_CPUFREQ. A
 * program that asks for KVM_VM by name is served as well.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_power.h>

#include "lcores.h"
#include "ops.h"

#define STANDIN_API __attribute__((visibility("default")))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* NOT_SET as long as librte_power is in charge, or nobody yet. */
static enum power_management_env served;

/* ---- DPDK, as this process has it -------------------------------------------- */

static struct {
	pthread_once_t once;
	void *library;		/* librte_power, where it is not in the global scope */
	rte_cpuset_t (*cpuset)(unsigned int lcore);
	enum rte_lcore_role_t (*role)(unsigned int lcore);
	int (*log)(uint32_t level, uint32_t logtype, const char *format, ...);
	uint32_t logtype;
} dpdk = { .once = PTHREAD_ONCE_INIT };

/* What the program itself would get for this name. */
static void *
find(const char *name)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);

	if (symbol == NULL && dpdk.library != NULL)
		symbol = dlsym(dpdk.library, name);
	return symbol;
}

/* What it would get without this library. */
static void *
find_next(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (symbol == NULL && dpdk.library != NULL)
		symbol = dlsym(dpdk.library, name);
	return symbol;
}

static void
look_up(void)
{
	static const char *const sonames[] = { "librte_power.so.23", "librte_power.so.24" };
	int (*log_register)(const char *name);
	int logtype;

	for (size_t i = 0; i < sizeof(sonames) / sizeof(sonames[0]) && dpdk.library == NULL; i++)
		dpdk.library = dlopen(sonames[i], RTLD_LAZY | RTLD_NOLOAD);
	*(void **)&dpdk.cpuset = find("rte_lcore_cpuset");
	*(void **)&dpdk.role = find("rte_eal_lcore_role");
	*(void **)&dpdk.log = find("rte_log");
	*(void **)&log_register = find("rte_log_register");
	/* The number it has already, as a rule. */
	logtype = log_register != NULL ? log_register("lib.power") : -1;
	dpdk.logtype = logtype >= 0 ? (uint32_t)logtype : RTE_LOGTYPE_USER1;
}

static bool
cpus_of(unsigned int lcore, cpu_set_t *cpus)
{
	if (dpdk.cpuset == NULL || dpdk.role == NULL || dpdk.role(lcore) == ROLE_OFF)
		return false;
	*cpus = dpdk.cpuset(lcore);
	return true;
}

static void
log_line(enum lcores_log_level level, const char *line)
{
	if (dpdk.log != NULL)
		(void)dpdk.log((uint32_t)level, dpdk.logtype, "POWER: %s\n", line);
}

static bool
stands_in(void)
{
	static const struct lcores_dpdk here = { .cpus = cpus_of, .log = log_line };

	(void)pthread_once(&dpdk.once, look_up);
	return lcores_stand_in(&here);
}

/* ---- the eleven pointers ------------------------------------------------------- */

static int
capabilities(unsigned int lcore, struct rte_power_core_capabilities *caps)
{
	bool turbo;

	if (caps == NULL) {
		lcores_log(LCORES_ERR, "freqring: rte_power_get_capabilities: no room for them");
		return -1;
	}
	if (power_capabilities(lcore, &turbo) < 0)
		return -1;
	caps->capabilities = 0;
	caps->turbo = turbo;
	return 0;
}

union pointer {
	rte_power_freqs_t freqs;
	rte_power_get_freq_t get_freq;
	rte_power_set_freq_t set_freq;
	rte_power_freq_change_t change;
	rte_power_get_capabilities_t capabilities;
};

static const struct {
	const char *name;
	union pointer ours;
} pointers[] = {
	{ "rte_power_freqs", { .freqs = power_freqs } },
	{ "rte_power_get_freq", { .get_freq = power_get_freq } },
	{ "rte_power_set_freq", { .set_freq = power_set_freq } },
	{ "rte_power_freq_up", { .change = power_freq_up } },
	{ "rte_power_freq_down", { .change = power_freq_down } },
	{ "rte_power_freq_max", { .change = power_freq_max } },
	{ "rte_power_freq_min", { .change = power_freq_min } },
	{ "rte_power_turbo_status", { .change = power_turbo_status } },
	{ "rte_power_freq_enable_turbo", { .change = power_enable_turbo } },
	{ "rte_power_freq_disable_turbo", { .change = power_disable_turbo } },
	{ "rte_power_get_capabilities", { .capabilities = capabilities } },
};

/* The program's copies, where it was linked so that it has some. */
static void
set_pointers(bool ours)
{
	static const union pointer none;

	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		union pointer *p = find(pointers[i].name);

		if (p != NULL)
			*p = ours ? pointers[i].ours : none;
	}
}

/* ---- what librte_power has as functions ------------------------------------------ */

static bool
may_serve(enum power_management_env env)
{
	return env == PM_ENV_ACPI_CPUFREQ || env == PM_ENV_KVM_VM;
}

static int
serve(enum power_management_env env)
{
	int ret = -1;

	(void)pthread_mutex_lock(&lock);
	if (served != PM_ENV_NOT_SET) {
		lcores_log(LCORES_ERR, "freqring: the environment is set already; "
			"rte_power_unset_env comes first");
	} else if (!may_serve(env)) {
		lcores_log(LCORES_ERR, "freqring: environment %d is not served in a VM: only "
			"ACPI_CPUFREQ and KVM_VM, or none, to have one detected", (int)env);
	} else {
		set_pointers(true);
		__atomic_store_n(&served, env, __ATOMIC_RELEASE);
		ret = 0;
	}
	(void)pthread_mutex_unlock(&lock);
	return ret;
}

static enum power_management_env
environment(void)
{
	return __atomic_load_n(&served, __ATOMIC_ACQUIRE);
}

STANDIN_API int
rte_power_check_env_supported(enum power_management_env env)
{
	int (*next)(enum power_management_env env);

	if (stands_in())
		return may_serve(env) ? 1 : 0;
	*(void **)&next = find_next("rte_power_check_env_supported");
	return next != NULL ? next(env) : 0;
}

STANDIN_API int
rte_power_set_env(enum power_management_env env)
{
	int (*next)(enum power_management_env env);

	if (stands_in())
		return serve(env);
	*(void **)&next = find_next("rte_power_set_env");
	return next != NULL ? next(env) : -1;
}

STANDIN_API void
rte_power_unset_env(void)
{
	void (*next)(void);

	if (stands_in()) {
		(void)pthread_mutex_lock(&lock);
		__atomic_store_n(&served, PM_ENV_NOT_SET, __ATOMIC_RELEASE);
		set_pointers(false);
		(void)pthread_mutex_unlock(&lock);
		return;
	}
	*(void **)&next = find_next("rte_power_unset_env");
	if (next != NULL)
		next();
}

STANDIN_API enum power_management_env
rte_power_get_env(void)
{
	enum power_management_env (*next)(void);

	if (stands_in())
		return environment();
	*(void **)&next = find_next("rte_power_get_env");
	return next != NULL ? next() : PM_ENV_NOT_SET;
}

STANDIN_API int
rte_power_init(unsigned int lcore_id)
{
	int (*next)(unsigned int lcore_id);

	if (!stands_in()) {
		*(void **)&next = find_next("rte_power_init");
		return next != NULL ? next(lcore_id) : -1;
	}
	if (power_init(lcore_id) < 0)
		return -1;
	/* Another thread may have been the first meanwhile. */
	if (environment() == PM_ENV_NOT_SET)
		(void)serve(PM_ENV_ACPI_CPUFREQ);
	return 0;
}

STANDIN_API int
rte_power_exit(unsigned int lcore_id)
{
	int (*next)(unsigned int lcore_id);

	if (stands_in())
		return power_exit(lcore_id);
	*(void **)&next = find_next("rte_power_exit");
	return next != NULL ? next(lcore_id) : -1;
}
