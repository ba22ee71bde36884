/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "percentiles.h"

int
samples_init(struct samples *s, size_t max)
{
	*s = (struct samples){ .v = malloc(max * sizeof(*s->v)), .max = max };
	if (s->v == NULL)
		return -ENOMEM;
	/* No page fault while something is measured. */
	memset(s->v, 0xff, max * sizeof(*s->v));
	return 0;
}

void
samples_free(struct samples *s)
{
	free(s->v);
	*s = (struct samples){ .v = NULL };
}

static int
by_ticks(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint64_t
samples_percentile(struct samples *s, double percent)
{
	size_t rank = (size_t)((double)s->n * percent / 100);

	if (s->n == 0)
		return 0;
	if (s->sorted != s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_ticks);
	s->sorted = s->n;
	return s->v[rank < s->n ? rank : s->n - 1];
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double
median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}
