/* SPDX-License-Identifier: BSD-3-Clause */
/* latency.h - the last times that something took. One thread. */
#ifndef FRQ_LATENCY_H
#define FRQ_LATENCY_H

#include <stdint.h>

#define LATENCY_KEPT 1024u

struct latency {
	uint64_t samples;		/* ever */
	uint32_t us[LATENCY_KEPT];	/* of the last ones */
};

struct latency_figures {
	uint32_t p50_us, p99_us, max_us;	/* of those kept */
	uint64_t samples;			/* ever */
};

void latency_add(struct latency *l, uint64_t ns);
void latency_get(const struct latency *l, struct latency_figures *f);

#endif /* FRQ_LATENCY_H */
