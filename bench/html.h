/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * html.h - the parts of the report
 */
#ifndef FRQ_BENCH_HTML_H
#define FRQ_BENCH_HTML_H

#include <stdio.h>

#include <jansson.h>

/** Text between tags. */
void html_text(FILE *f, const char *text);

/** Complementary cumulative distributions, one picture each. */
void html_latency_plots(FILE *f, const json_t *results);

/** Latency and turn over the number of channels, with the slope. */
void html_scale_plot(FILE *f, const json_t *results);

#endif /* FRQ_BENCH_HTML_H */
