/* SPDX-License-Identifier: BSD-3-Clause */
#include "latency.h"

#include <stdlib.h>
#include <string.h>

void
latency_add(struct latency *l, uint64_t ns)
{
	uint64_t us = (ns + 999) / 1000;

	l->us[l->samples++ % LATENCY_KEPT] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The smallest that is not below `percent` of them. */
static uint32_t
percentile(const uint32_t *sorted, unsigned int nb, unsigned int percent)
{
	return sorted[(nb * percent + 99) / 100 - 1];
}

void
latency_get(const struct latency *l, struct latency_figures *f)
{
	unsigned int nb = l->samples < LATENCY_KEPT ? (unsigned int)l->samples : LATENCY_KEPT;
	uint32_t sorted[LATENCY_KEPT];

	*f = (struct latency_figures){ .samples = l->samples };
	if (nb == 0)
		return;
	memcpy(sorted, l->us, nb * sizeof(sorted[0]));
	qsort(sorted, nb, sizeof(sorted[0]), compare);
	f->p50_us = percentile(sorted, nb, 50);
	f->p99_us = percentile(sorted, nb, 99);
	f->max_us = sorted[nb - 1];
}
