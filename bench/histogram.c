/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <math.h>

#include "histogram.h"

#define TICKS_PER_HALF	5	/* lines each time that half of the rest is passed */

/* The first 256 values have a bucket each; then 128 buckets for each doubling. */
static unsigned int
bucket_of(uint64_t tenths)
{
	unsigned int doubling = 0;

	if (tenths >= UINT64_C(1) << (HISTOGRAM_DOUBLINGS + 7))
		return HISTOGRAM_BUCKETS - 1;
	while (tenths >> doubling >= 2 * HISTOGRAM_HALF)
		doubling++;
	return doubling * HISTOGRAM_HALF + (unsigned int)(tenths >> doubling);
}

double
histogram_bucket_ns(unsigned int i)
{
	unsigned int doubling = i < 2 * HISTOGRAM_HALF ? 0 : i / HISTOGRAM_HALF - 1;
	uint64_t low = (uint64_t)(i - doubling * HISTOGRAM_HALF) << doubling;

	return (double)(low + (UINT64_C(1) << doubling) - 1) / HISTOGRAM_PER_NS;
}

void
histogram_add(struct histogram *h, double ns, uint64_t n)
{
	uint64_t tenths = ns > 0 ? (uint64_t)(ns * HISTOGRAM_PER_NS + 0.5) : 0;

	h->count[bucket_of(tenths)] += n;
	h->total += n;
	h->sum += ns * (double)n;
	h->squares += ns * ns * (double)n;
	if (tenths > h->max)
		h->max = tenths;
}

/* What a bucket says can be above what came. */
static double
no_more_than_max(const struct histogram *h, double ns)
{
	double max = (double)h->max / HISTOGRAM_PER_NS;

	return ns < max ? ns : max;
}

double
histogram_percentile(const struct histogram *h, double percent)
{
	double wanted = ceil(percent / 100 * (double)h->total);
	uint64_t seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->count[i];
		if (seen != 0 && (double)seen >= wanted)
			return no_more_than_max(h, histogram_bucket_ns(i));
	}
	return 0;
}

/* The next percentile to write a line at: the nearer to 100, the finer. */
static double
next_level(double percent)
{
	double halvings = floor(log2(100 / (100 - percent))) + 1;

	return percent + 100 / (TICKS_PER_HALF * pow(2, halvings));
}

void
histogram_write(const struct histogram *h, FILE *f)
{
	double level = 0, n = (double)h->total, mean = h->total != 0 ? h->sum / n : 0, share;
	double variance = h->total != 0 ? h->squares / n - mean * mean : 0;
	uint64_t seen = 0;

	(void)fprintf(f, "%12s %12s %12s %12s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS && seen < h->total; i++) {
		double value = no_more_than_max(h, histogram_bucket_ns(i));

		if (h->count[i] == 0)
			continue;
		seen += h->count[i];
		share = (double)seen / n;
		for (; level <= 100 * share && level < 100 && seen < h->total; level = next_level(level))
			(void)fprintf(f, "%12.3f %12f %12" PRIu64 " %12.2f\n", value, level / 100, seen,
				100 / (100 - level));
	}
	if (h->total != 0)
		(void)fprintf(f, "%12.3f %12f %12" PRIu64 "\n", (double)h->max / HISTOGRAM_PER_NS,
			1.0, h->total);
	(void)fprintf(f, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean,
		variance > 0 ? sqrt(variance) : 0);
	(void)fprintf(f, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
		(double)h->max / HISTOGRAM_PER_NS, h->total);
	(void)fprintf(f, "#[Buckets = %12u, SubBuckets     = %12u]\n", HISTOGRAM_DOUBLINGS,
		2 * HISTOGRAM_HALF);
}
