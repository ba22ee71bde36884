/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plot.h - line plots as inline SVG
 */
#ifndef FRQ_BENCH_PLOT_H
#define FRQ_BENCH_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct plot_axis {
	double from, to;	/* where log: powers of `base` */
	double base;		/* 10 or 2: logarithmic; 0: linear */
	const char *title;
	/* The text at a tick. */
	void (*label)(char *text, size_t size, double value);
};

struct plot {
	FILE *out;
	struct plot_axis x, y;
	unsigned int nb_lines;	/* drawn, for colours and the legend */
};

/** Frame, grid, labels. */
void plot_begin(const struct plot *p);

/**
 * A line through points, and its row in the legend. Points outside are moved to the edge.
 *
 * @param steps  between two points first along x, then along y
 */
void plot_line(struct plot *p, const char *name, const double *x, const double *y, size_t n,
	bool steps, bool dashed);

void plot_end(const struct plot *p);

#endif /* FRQ_BENCH_PLOT_H */
