/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * top_page.h - from two statuses of the daemon to what freqring top shows
 *
 * Rates are differences of its counters over the time between the two, which
 * is all this does: the daemon is asked for nothing but its status.
 */
#ifndef FRQ_TOP_PAGE_H
#define FRQ_TOP_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What comes first among the channels. */
enum top_order {
	TOP_BY_RATE,	/* who asks most */
	TOP_BY_NAME,	/* as status has them */
};

/**
 * @param now  a status
 * @param before  an earlier one of the same daemon, or NULL: rates are null
 * @param ms  between the two
 * @return {"interval_ms", "version", "pid", "uptime_s", "backend", "simulated",
 *	"connected", "poller_cpu", "stage", "requests_per_second",
 *	"writes_per_second", "channels": [{"vm", "vcpu", "pcpus", "transport",
 *	"wish", "wish_khz", "granted_khz", "reason", "requests_per_second",
 *	"refusals_per_second"}], "cpus": [{"cpu", "khz", "wanted_khz", "governor",
 *	"bound", "by", "votes", "writes_per_second"}]}, a new reference
 */
json_t *top_page(const json_t *now, const json_t *before, uint64_t ms);

/** For people: a line about the daemon, the CPUs, the channels. Changes its texts
 * to printable ones.
 */
void top_print(FILE *f, json_t *page, enum top_order order);

#endif /* FRQ_TOP_PAGE_H */
