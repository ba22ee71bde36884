/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lcores.h - which lcores of a DPDK program have a voice on the host
 *
 * lcore -> the one CPU it runs on -> vCPU -> channel of libfreqring. Neither
 * the lcore's number nor the CPU's is the vCPU's: DPDK's --lcores maps the one,
 * CPU hotplug the other.
 *
 * Whether freqring stands in for librte_power at all is decided once a process,
 * by a host that answers. DPDK itself is reached through struct lcores_dpdk
 * alone: the preloaded library has to find it, the driver is linked to it, and
 * unit tests have none.
 *
 * Threads: lcores_stand_in, lcores_take and lcores_give_back take a lock. What
 * is in a struct lcore belongs to who may use the lcore's frequency, one thread
 * at a time, as librte_power has it.
 */
#ifndef FRQ_POWER_LCORES_H
#define FRQ_POWER_LCORES_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "freqring.h"

/* More than any DPDK is built with by default (RTE_MAX_LCORE). */
#define LCORES_MAX 1024u

/* As rte_log numbers them. */
enum lcores_log_level {
	LCORES_ERR = 4,
	LCORES_WARNING = 5,
	LCORES_INFO = 7,
};

struct lcores_dpdk {
	/** The CPUs that an lcore may run on; false: there is no such lcore. */
	bool (*cpus)(unsigned int lcore, cpu_set_t *cpus);

	/** A line, without a newline, to DPDK's log as librte_power's. */
	void (*log)(enum lcores_log_level level, const char *line);
};

/* What an lcore asked for last. */
enum lcores_asked {
	LCORES_ASKED_MAX,
	LCORES_ASKED_MIN,
	LCORES_ASKED_KHZ,
	LCORES_ASKED_STEPS,	/* where they led, only the host knows */
};

struct lcore {
	struct freqring_channel *ch;	/* NULL: not taken */
	uint32_t khz;			/* with LCORES_ASKED_KHZ */
	uint8_t asked;			/* enum lcores_asked */
	bool turbo_forbidden;		/* by the program */
	bool given_up;			/* waiting for the request before this sequence: */
	uint16_t given_up_at;
	unsigned int cpu, vcpu;
	uint64_t complained_ns;
} __attribute__((aligned(64)));

extern struct lcore lcores[LCORES_MAX] __attribute__((visibility("hidden")));

/** @return the lcore, or NULL: it is not taken */
static inline struct lcore *
lcores_taken(unsigned int lcore)
{
	if (__builtin_expect(lcore >= LCORES_MAX || lcores[lcore].ch == NULL, 0))
		return NULL;
	return &lcores[lcore];
}

/**
 * Whether freqring stands in for librte_power in this process. The first call
 * looks for a host, which takes 0.15 s at most, and says in the log what it
 * found; where there is no device at all it says nothing.
 *
 * @param dpdk  as of the first call; has to stay
 */
bool lcores_stand_in(const struct lcores_dpdk *dpdk);

/**
 * Take the channel of the vCPU that an lcore runs on. Where this fails, the log
 * says why.
 *
 * @return the lcore, or NULL
 */
struct lcore *lcores_take(unsigned int lcore);

/** Give the channel back; the wish stays as it is. @return false: it was not taken */
bool lcores_give_back(unsigned int lcore);

/** Why the last call of libfreqring failed. */
const char *lcores_error(void);

/** To DPDK's log. */
void lcores_log(enum lcores_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** Give all back, and let the next lcores_stand_in decide anew: for tests. */
void lcores_forget(void);

#endif /* FRQ_POWER_LCORES_H */
