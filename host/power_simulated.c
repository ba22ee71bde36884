/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stand-in for machines without cpufreq: remembers what it was told and
 * sets nothing. For demonstrations and tests; never chosen by itself.
 */
#include <errno.h>
#include <string.h>

#include "power.h"

/* As acpi-cpufreq would show it: turbo is 1 MHz above the rest. */
static const struct power_cpu simulated_cpu = {
	.table = {
		.nb = 8,
		.turbo = true,
		.khz = { 2601000, 2600000, 2300000, 2000000, 1700000, 1400000, 1100000, 800000 },
	},
	.driver = "simulated",
	.latency_ns = 10000,
};

#define SIMULATED_BEFORE 4	/* index before anybody takes the CPU */

#define NOT_TAKEN -1

/* One more than the index in force, so that zero is "not taken". */
static int simulated_index[FRQ_MAX_CPUS];

static void
simulated_store(unsigned int cpu, int index)
{
	__atomic_store_n(&simulated_index[cpu], index + 1, __ATOMIC_RELAXED);
}

static int
simulated_load(unsigned int cpu)
{
	return __atomic_load_n(&simulated_index[cpu], __ATOMIC_RELAXED) - 1;
}

static int
simulated_start(const struct power_config *c, struct frq_err *err)
{
	(void)c;
	(void)err;
	return 0;
}

static void
simulated_group(unsigned int cpu, struct cpuset *policy, struct cpuset *clock)
{
	memset(policy, 0, sizeof(*policy));
	cpuset_add(policy, cpu);
	*clock = *policy;
}

static int
simulated_learn(unsigned int cpu, struct power_cpu *p, struct frq_err *err)
{
	(void)cpu;
	(void)err;
	*p = simulated_cpu;
	return 0;
}

static bool
simulated_held(unsigned int cpu)
{
	(void)cpu;
	return false;
}

static int
simulated_take(unsigned int cpu, struct frq_err *err)
{
	(void)err;
	simulated_store(cpu, SIMULATED_BEFORE);
	return 0;
}

static int
simulated_set(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	if (simulated_load(cpu) == NOT_TAKEN || index >= simulated_cpu.table.nb) {
		frq_err_set(err, "CPU %u (simulated): index %u", cpu, index);
		return -EINVAL;
	}
	simulated_store(cpu, (int)index);
	return 0;
}

static int
simulated_check(unsigned int cpu, unsigned int index)
{
	return simulated_load(cpu) == (int)index ? 0 : -ESTALE;
}

static int
simulated_give_back(unsigned int cpu, struct frq_err *err)
{
	(void)err;
	simulated_store(cpu, NOT_TAKEN);
	return 0;
}

static uint32_t
simulated_get(unsigned int cpu)
{
	int index = simulated_load(cpu);

	return simulated_cpu.table.khz[index == NOT_TAKEN ? SIMULATED_BEFORE : index];
}

static int
simulated_look(unsigned int cpu, struct power_look *l)
{
	*l = (struct power_look){
		.governor = "simulated",
		.ours = true,
		.khz = simulated_get(cpu),
		.limits = FREQ_LIMITS_NONE,
	};
	return 0;
}

static void
simulated_abandon(void)
{
}

const struct power_ops power_simulated = {
	.name = "simulated",
	.simulated = true,
	.start = simulated_start,
	.group = simulated_group,
	.learn = simulated_learn,
	.held = simulated_held,
	.take = simulated_take,
	.set = simulated_set,
	.check = simulated_check,
	.force = simulated_set,
	.again = simulated_set,
	.give_back = simulated_give_back,
	.look = simulated_look,
	.get = simulated_get,
	.abandon = simulated_abandon,
};
