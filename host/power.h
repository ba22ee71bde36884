/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * power.h - the ways to set the frequency of a pCPU
 *
 * Only the applier's thread calls these, but for probe, which runs once
 * before it starts, and get, which any thread may call. Frequencies are indices into the CPU's table, highest
 * first, as in librte_power.
 */
#ifndef FRQ_POWER_H
#define FRQ_POWER_H

#include <stdbool.h>

#include "cpuset.h"
#include "region.h"

struct power_ops {
	const char *name;	/* as the configuration spells it */
	bool simulated;		/* sets nothing: a stand-in for machines without cpufreq */

	/** Can the managed CPUs be driven at all? 0 or a negative errno and *err. */
	int (*probe)(const struct cpuset *managed, struct frq_err *err);
	/**
	 * Make the table of a CPU known. May touch the CPU, and puts it back.
	 * @return 0; -ENODEV no cpufreq there; -ENXIO the CPU is offline
	 */
	int (*table)(unsigned int cpu, struct freq_table *t, struct frq_err *err);
	/** Take the CPU over: its governor becomes ours. 0 or a negative errno. */
	int (*take)(unsigned int cpu, struct frq_err *err);
	/** Set a frequency; the CPU is taken. 0 or a negative errno. */
	int (*set)(unsigned int cpu, unsigned int index, struct frq_err *err);
	/** Give the CPU back as it was when it was taken. */
	void (*give_back)(unsigned int cpu);
	/** kHz now, 0: unknown */
	uint32_t (*get)(unsigned int cpu);
};

extern const struct power_ops power_librte;
extern const struct power_ops power_simulated;

#endif /* FRQ_POWER_H */
