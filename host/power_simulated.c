/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stand-in for machines without cpufreq: remembers what it was told and
 * sets nothing. For demonstrations and tests; never chosen by itself.
 */
#include <errno.h>

#include "power.h"

/* A table as acpi-cpufreq would show it: turbo is 1 MHz above the rest. */
static const struct freq_table simulated_table = {
	.nb = 8,
	.turbo = true,
	.khz = { 2601000, 2600000, 2300000, 2000000, 1700000, 1400000, 1100000, 800000 },
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
simulated_probe(const struct cpuset *managed, struct frq_err *err)
{
	(void)managed;
	(void)err;
	return 0;
}

static int
simulated_get_table(unsigned int cpu, struct freq_table *t, struct frq_err *err)
{
	(void)cpu;
	(void)err;
	*t = simulated_table;
	return 0;
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
	if (simulated_load(cpu) == NOT_TAKEN || index >= simulated_table.nb) {
		frq_err_set(err, "CPU %u (simulated): index %u", cpu, index);
		return -EINVAL;
	}
	simulated_store(cpu, (int)index);
	return 0;
}

static void
simulated_give_back(unsigned int cpu)
{
	simulated_store(cpu, NOT_TAKEN);
}

static uint32_t
simulated_get(unsigned int cpu)
{
	int index = simulated_load(cpu);

	return simulated_table.khz[index == NOT_TAKEN ? SIMULATED_BEFORE : index];
}

const struct power_ops power_simulated = {
	.name = "simulated",
	.simulated = true,
	.probe = simulated_probe,
	.table = simulated_get_table,
	.take = simulated_take,
	.set = simulated_set,
	.give_back = simulated_give_back,
	.get = simulated_get,
};
