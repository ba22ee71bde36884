/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eal.h - DPDK's environment for the daemon
 *
 * librte_power sets the frequency of an lcore, not of a CPU, so each managed
 * CPU becomes the lcore of the same number (its thread sleeps and never
 * runs). The main lcore and the poller's have numbers above those.
 */
#ifndef FRQ_EAL_H
#define FRQ_EAL_H

#include "config.h"

/**
 * Start EAL without hugepages, PCI devices or files.
 *
 * @param[out] poller_lcore  the lcore on the poller's CPU
 * @return 0 or a negative errno and *err
 */
int eal_start(const struct config *c, unsigned int *poller_lcore, struct frq_err *err);

void eal_stop(void);

#endif /* FRQ_EAL_H */
