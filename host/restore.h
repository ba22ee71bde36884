/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * restore.h - put back what a freqringd that was killed left: --restore
 *
 * Needs no EAL and no librte_power: reads the journal, writes sysfs. Can be
 * repeated; what is done is void in the journal.
 */
#ifndef FRQ_RESTORE_H
#define FRQ_RESTORE_H

#include <stdbool.h>

#include "region.h"

/**
 * Put every CPU of the journal back; a line on stdout for each.
 *
 * @param yield  a governor that somebody else chose meanwhile stays
 * @return 0, also where there is nothing to put back; -EBUSY: a daemon works
 *	there, or cpufreq stayed busy; -ESTALE: the journal is from before this
 *	boot; -ENXIO: of CPUs that are offline the entries stay; another
 *	negative errno
 */
int restore_run(const char *state_dir, bool yield, struct frq_err *err);

#endif /* FRQ_RESTORE_H */
