/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * histogram.h - counts by value, with the buckets and the text of HdrHistogram
 *
 * Two significant digits: a value is kept to less than a hundredth. Values are
 * tenths of a nanosecond up to two minutes; a longer one counts as that. Debian 12
 * has no package of HdrHistogram, and this is all that is needed of it: what its
 * plotters read is what histogram_write() writes. Samples come here after they were
 * taken, see percentiles.h.
 */
#ifndef FRQ_BENCH_HISTOGRAM_H
#define FRQ_BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_HALF		128u	/* buckets in a doubling of the value */
#define HISTOGRAM_DOUBLINGS	33u
#define HISTOGRAM_BUCKETS	((HISTOGRAM_DOUBLINGS + 1) * HISTOGRAM_HALF)
#define HISTOGRAM_PER_NS	10u

struct histogram {
	uint64_t total;
	uint64_t max;		/* the largest that came, in tenths of ns */
	double sum, squares;	/* of ns */
	uint64_t count[HISTOGRAM_BUCKETS];
};

/** Count a value in ns `n` times. */
void histogram_add(struct histogram *h, double ns, uint64_t n);

/** The largest value, in ns, that counts in the same bucket as others of bucket i. */
double histogram_bucket_ns(unsigned int i);

/** The value in ns that `percent` of all values are not above. 0 where there are none. */
double histogram_percentile(const struct histogram *h, double percent);

/** HdrHistogram's percentile distribution, in ns: value, share, count, 1/(1-share). */
void histogram_write(const struct histogram *h, FILE *f);

#endif /* FRQ_BENCH_HISTOGRAM_H */
