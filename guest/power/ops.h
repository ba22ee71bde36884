/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops.h - what librte_power's calls mean, with channels behind them
 *
 * Whatever DPDK calls them: preload.c and driver.c give them their names. The
 * return values are librte_power's: 1 changed, 0 unchanged, negative an error,
 * unless said otherwise.
 *
 * A frequency has an index in the table of the physical CPU that the lcore's
 * vCPU runs on, 0 the highest. What an lcore asks is remembered as maximum,
 * minimum or kHz and not as an index: the table becomes another one when the
 * vCPU is pinned elsewhere. It is read anew by the calls that need it; maximum
 * and minimum, which poll loops ask for all the time, do not.
 *
 * Over virtio-serial there is no table, so no index: up and down are steps that
 * the host takes, power_freqs is empty, power_get_freq unknown, power_set_freq
 * -ENOTSUP.
 *
 * Threads: an lcore's calls from one thread at a time, as with librte_power.
 */
#ifndef FRQ_POWER_OPS_H
#define FRQ_POWER_OPS_H

#include <stdbool.h>
#include <stdint.h>

#define POWER_INVALID_INDEX UINT32_MAX

/** Take the lcore's channel, allow turbo, go to the maximum. @return 0 or -1 */
int power_init(unsigned int lcore);

/** Withdraw what was asked and give the channel back. @return 0 or -1 */
int power_exit(unsigned int lcore);

/** The table in kHz, highest first. @return how many; 0: none, or more than n */
uint32_t power_freqs(unsigned int lcore, uint32_t *khz, uint32_t n);

/**
 * The index that is in force on the host, which is a lower frequency than asked
 * where others have a say. Waits until what was asked last is applied, 100 ms at
 * most, and that once for each request.
 *
 * @return POWER_INVALID_INDEX: not known
 */
uint32_t power_get_freq(unsigned int lcore);

int power_set_freq(unsigned int lcore, uint32_t index);

/** One step from what this lcore asked last; 0 at the ends. */
int power_freq_up(unsigned int lcore);
int power_freq_down(unsigned int lcore);

int power_freq_max(unsigned int lcore);
int power_freq_min(unsigned int lcore);

/** Whether the program has turbo allowed. @return 1, 0 or negative */
int power_turbo_status(unsigned int lcore);

/** Allow turbo and go to the maximum. @return 0; negative also where there is none */
int power_enable_turbo(unsigned int lcore);

/** Forbid turbo; whoever is in it goes to the maximum without. @return 0 or negative */
int power_disable_turbo(unsigned int lcore);

/** @param[out] turbo  the CPU has it; false where the host does not say. @return 0 or -1 */
int power_capabilities(unsigned int lcore, bool *turbo);

#endif /* FRQ_POWER_OPS_H */
