/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpufreq.h - a CPU's cpufreq files in sysfs
 *
 * librte_power ignores what the kernel says to a write, and remembers what it
 * believes to have set; so the daemon has its own way to these files, to read
 * back, to write again, and to put back. The first word of a file counts.
 *
 * What takes a struct cpufreq uses nothing but pread(2) and pwrite(2) on
 * descriptors that are open, but for open, reopen and close: it may be called
 * in a signal handler. One thread a struct.
 */
#ifndef FRQ_CPUFREQ_H
#define FRQ_CPUFREQ_H

#include <stdbool.h>
#include <stdint.h>

#if __has_include(<rte_power_cpufreq.h>)
#include <rte_power_cpufreq.h>
#else
#include <rte_power.h>
#endif

#include "cpuset.h"
#include "journal.h"
#include "region.h"

#define CPUFREQ_WORD	24	/* a name with its NUL: the kernel's have at most 15 */

/* What we have to know of a kernel's driver. */
struct cpufreq_driver {
	const char *name;	/* scaling_driver */
	const char *governor;	/* under which frequencies are set from here */
	bool by_limits;		/* by scaling_max_freq and scaling_min_freq, else by scaling_setspeed */
	enum power_management_env env;	/* librte_power's, PM_ENV_NOT_SET: not in this DPDK */
	const char *since;	/* ... but in this one */
};

/** NULL: unknown */
const struct cpufreq_driver *cpufreq_driver_find(const char *name);

/* ---- by path: any thread -------------------------------------------------------- */

/* `file` is below /sys/devices/system/cpu/cpuN. 0 or a negative errno. */
int cpufreq_word(unsigned int cpu, const char *file, char word[CPUFREQ_WORD]);
/** A number; 0 where the file says anything else, as "<unsupported>". */
int cpufreq_khz(unsigned int cpu, const char *file, uint32_t *khz);
/** A list of CPUs, separated by blanks or commas. */
int cpufreq_cpus(unsigned int cpu, const char *file, struct cpuset *cpus);
/** Whether the CPU is online, or another one keeps its policy in force. */
bool cpufreq_online(unsigned int cpu);

/* ---- by descriptors ------------------------------------------------------------- */

struct cpufreq {
	unsigned int cpu;
	const struct cpufreq_driver *driver;
	int governor_fd, setspeed_fd, min_fd, max_fd;	/* -1: not there */
	int topology_fd;	/* of a file that is another one each time it comes online */
};

#define CPUFREQ_CLOSED ((struct cpufreq){ \
	.governor_fd = -1, .setspeed_fd = -1, .min_fd = -1, .max_fd = -1, .topology_fd = -1 })

/**
 * Open a CPU's files.
 * @return 0; -ENODEV: no cpufreq there; -ENOTSUP: a driver that we do not
 *	know; another negative errno; with *err
 */
int cpufreq_open(struct cpufreq *c, unsigned int cpu, struct frq_err *err);
void cpufreq_close(struct cpufreq *c);
static inline bool
cpufreq_is_open(const struct cpufreq *c)
{
	return c->governor_fd >= 0;
}

/** All that is in force, as the journal keeps it. 0 or a negative errno. */
int cpufreq_read(const struct cpufreq *c, struct journal_entry *e);
/**
 * Only what we set: the governor and, for a driver that is set by
 * scaling_setspeed, that as both minimum and maximum.
 */
int cpufreq_read_set(const struct cpufreq *c, char governor[CPUFREQ_WORD],
	uint32_t *min_khz, uint32_t *max_khz);
bool cpufreq_is_ours(const struct cpufreq *c, const char *governor);

/* 0, or the kernel's refusal: -EBUSY, -EINVAL, ... */
int cpufreq_set_governor(const struct cpufreq *c, const char *governor);
/** The one frequency to run at, in the driver's way. */
int cpufreq_set_khz(const struct cpufreq *c, uint32_t khz);

/**
 * Whether the CPU was offline since it was opened, or since this was true last.
 * Then the kernel only guesses at what it runs, and does not write what it
 * believes to be in force (seen with acpi-cpufreq of Linux 6.1).
 * @return true once it is online again
 */
bool cpufreq_came_online(struct cpufreq *c);
/** Set what it is not, so that what comes next is written, whatever the kernel guesses. */
int cpufreq_unguess(const struct cpufreq *c);

/**
 * Make `was` what should be put back where somebody else has chosen another
 * governor since: that governor stays, and limits that are not pinned, as we
 * leave them, do.
 *
 * @return whether that governor is not the one from before either
 */
bool cpufreq_yield(const struct cpufreq *c, struct journal_entry *was,
	const struct journal_entry *now);
/**
 * Put back what was, of which only what we change: all that can be, even
 * where something fails. The governor is read back; a frequency or a limit
 * that the kernel accepted it may still bound.
 *
 * @return 0 or the first refusal
 */
int cpufreq_put_back(const struct cpufreq *c, const struct journal_entry *was);

#endif /* FRQ_CPUFREQ_H */
