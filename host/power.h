/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * power.h - the ways to set the frequency of a pCPU
 *
 * Calls are by CPU; of CPUs that share a cpufreq policy only one is ever
 * named (the lowest managed one, see group). Frequencies are indices into the
 * CPU's table, highest first, as in librte_power.
 *
 * Only the applier's thread calls these, but for: start and group, before it
 * runs; look, get and held, on any thread; abandon, in a signal handler.
 */
#ifndef FRQ_POWER_H
#define FRQ_POWER_H

#include <stdbool.h>

#include "arbiter.h"
#include "cpuset.h"
#include "region.h"

struct power_config {
	struct cpuset managed;
	const char *state_dir;	/* for the journal of what has to be put back */
	bool yield;		/* a governor that somebody else chose is left in place */
};

/* What a CPU offers; constant. */
struct power_cpu {
	struct freq_table table;
	char driver[24];	/* scaling_driver */
	uint32_t latency_ns;	/* cpuinfo_transition_latency, 0: unknown */
};

/* What is in force on a CPU, as its sysfs files say. */
struct power_look {
	char governor[24];
	bool ours;		/* it is the governor under which we set frequencies */
	uint32_t khz;		/* as it was set last by whomever, 0: unknown; of limits
				 * that we set as one, the one that differs from that */
	struct freq_limits limits;	/* that others set */
};

struct power_ops {
	const char *name;	/* as the configuration spells it */
	bool simulated;		/* sets nothing: a stand-in for machines without cpufreq */

	/**
	 * Can the managed CPUs be driven at all? Opens the journal, and sees to
	 * what an earlier daemon left: a CPU that still is as it took it is held,
	 * every other one is put back.
	 * @return 0 or a negative errno and *err
	 */
	int (*start)(const struct power_config *c, struct frq_err *err);
	/**
	 * Who else changes when this CPU is set.
	 * @param[out] policy  the managed CPUs that share its cpufreq policy, with it
	 * @param[out] clock  the managed CPUs that share its clock: the policy's,
	 *	and those that the firmware or a common core ties to it
	 */
	void (*group)(unsigned int cpu, struct cpuset *policy, struct cpuset *clock);
	/**
	 * Make known what a CPU offers. May touch the CPU, and puts it back.
	 * @return 0; -ENODEV no cpufreq there; -ENXIO the CPU is offline; -EBUSY
	 *	try again; another negative errno and *err
	 */
	int (*learn)(unsigned int cpu, struct power_cpu *p, struct frq_err *err);
	/** Whether a daemon before this one took the CPU and did not give it back. */
	bool (*held)(unsigned int cpu);
	/**
	 * Take the CPU over: what it was set to goes to the journal, unless that
	 * has it already (held), its governor becomes ours.
	 * @return 0; -EBUSY try again; -ENXIO offline; another negative errno
	 */
	int (*take)(unsigned int cpu, struct frq_err *err);
	/** Set a frequency; the CPU is taken. What came of it says check. */
	int (*set)(unsigned int cpu, unsigned int index, struct frq_err *err);
	/**
	 * Read back: is that index in force? The CPU is taken.
	 * @return 0; -ESTALE another frequency or governor is; -ENXIO offline;
	 *	another negative errno
	 */
	int (*check)(unsigned int cpu, unsigned int index);
	/**
	 * Set governor and frequency past the library and its cache, which is
	 * brought in step. The CPU is taken.
	 * @return 0, or the kernel's refusal: -EBUSY, -EINVAL, ...
	 */
	int (*force)(unsigned int cpu, unsigned int index, struct frq_err *err);
	/**
	 * The same after the host slept: also where the kernel believes that it
	 * is set, and would swallow the write.
	 */
	int (*again)(unsigned int cpu, unsigned int index, struct frq_err *err);
	/**
	 * Give the CPU back as it was, taken or held; the journal forgets it. With
	 * yield, what somebody else chose meanwhile stays: a governor, and limits
	 * where they are ours otherwise.
	 * @return 0; -EBUSY, -ENXIO or another negative errno: it stays taken, try
	 *	again
	 */
	int (*give_back)(unsigned int cpu, struct frq_err *err);
	/** What its files say now. 0; -ENXIO offline; another negative errno. */
	int (*look)(unsigned int cpu, struct power_look *l);
	/** kHz that it runs at now, as far as the kernel knows; 0: unknown */
	uint32_t (*get)(unsigned int cpu);
	/**
	 * Put back whatever is taken, with pwrite(2) alone: the process is dying.
	 * The journal keeps it, since another thread may be in the middle of a
	 * write; whoever reads the journal next makes sure.
	 */
	void (*abandon)(void);
};

extern const struct power_ops power_librte;
extern const struct power_ops power_simulated;

#endif /* FRQ_POWER_H */
