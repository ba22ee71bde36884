/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * journal.h - what the CPUs were set to before the daemon took them
 *
 * A file on tmpfs, mapped; an entry a CPU, stored whole before the first
 * write to that CPU, void after the last. It outlives a daemon that was
 * killed; it means nothing after the host booted anew, and says which boot it
 * is from. One thread writes at a time.
 */
#ifndef FRQ_JOURNAL_H
#define FRQ_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "cpuset.h"
#include "region.h"

/* Of /sys/devices/system/cpu/cpuN/cpufreq (Documentation/admin-guide/pm/cpufreq.rst). */
struct journal_entry {
	char driver[24];	/* scaling_driver */
	char governor[24];	/* scaling_governor */
	uint32_t min_khz;	/* scaling_min_freq */
	uint32_t max_khz;	/* scaling_max_freq */
	uint32_t setspeed_khz;	/* scaling_setspeed, 0: the governor takes none */
};

struct journal;

/**
 * Open STATE_DIR/cpufreq.journal.
 *
 * @param make  make it where there is none, and void one of another boot
 *	(with a line in the log); otherwise these are -ENOENT and -ESTALE
 * @return 0; -EINVAL: not a journal, or not ours: *err names the file and
 *	what to do; another negative errno, with *err
 */
int journal_open(struct journal **j, const char *state_dir, bool make, struct frq_err *err);
void journal_close(struct journal *j);

/** Whether the CPU has an entry; a copy of it in *e, unless NULL. Also in a signal handler. */
bool journal_get(const struct journal *j, unsigned int cpu, struct journal_entry *e);
/** Remember, before the CPU is written. */
void journal_put(struct journal *j, unsigned int cpu, const struct journal_entry *e);
/** It is as it was. */
void journal_clear(struct journal *j, unsigned int cpu);

#endif /* FRQ_JOURNAL_H */
