/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * banner.h - what has to be said before any figure of a run
 */
#ifndef FRQ_BENCH_BANNER_H
#define FRQ_BENCH_BANNER_H

#include <jansson.h>

/** Set environment.banner, a list of sentences, by what the results say of the machine. */
void banner_set(json_t *results);

#endif /* FRQ_BENCH_BANNER_H */
