/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eal.h - DPDK's environment for the daemon
 *
 * librte_power sets the frequency of an lcore, not of a CPU, so each managed
 * CPU becomes the lcore of the same number (its thread sleeps and never
 * runs). The main lcore and the poller's have numbers above those.
 *
 * Telemetry (telemetry.h) is on where it can be: its socket is
 * dpdk_telemetry.v2 in the folder dpdk/freqring, which only this user may
 * enter, below /var/run for root, and otherwise below $RUNTIME_DIRECTORY,
 * $XDG_RUNTIME_DIR or /tmp, the first that is set. Of several daemons the
 * second has dpdk_telemetry.v2:1, and so on. Where the folder cannot be used
 * there is no telemetry, which is logged. EAL's own threads, telemetry's
 * among them, run on the control CPUs.
 *
 * EAL ends with the process. It has nothing to take away but telemetry's
 * socket, which it does itself then; and after rte_eal_cleanup() telemetry's
 * threads, which nobody can end, would look at memory that is gone.
 */
#ifndef FRQ_EAL_H
#define FRQ_EAL_H

#include "config.h"

/**
 * Which lcores there are, as EAL is told. A managed CPU has to be one where
 * librte_power sets it.
 *
 * @return 0, or -ERANGE or -E2BIG with *err: there is no lcore for some CPU
 */
int eal_lcores(const struct config *c, char *buf, size_t size, struct frq_err *err);

/**
 * Start EAL without hugepages, PCI devices or shared files. Ignores SIGPIPE, and moves
 * the calling thread to the control CPUs.
 *
 * @param[out] poller_lcore  the lcore on the poller's CPU
 * @return 0 or a negative errno and *err
 */
int eal_start(const struct config *c, unsigned int *poller_lcore, struct frq_err *err);

#endif /* FRQ_EAL_H */
