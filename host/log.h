/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - one line a call through rte_log, type "freqring"
 *
 * Not for the poller's request path.
 */
#ifndef FRQ_LOG_H
#define FRQ_LOG_H

#include <rte_log.h>

extern int frq_logtype;

/** As the configuration spells it: debug, info, notice, warning or error. */
void log_set_level(const char *name);

#define FRQ_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, frq_logtype, "freqringd: " fmt "\n", ##__VA_ARGS__)

#endif /* FRQ_LOG_H */
