/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * columns.h - a table for people, each column as wide as its widest cell
 *
 * Ends the program where memory runs out.
 */
#ifndef FRQ_COLUMNS_H
#define FRQ_COLUMNS_H

#include <stddef.h>
#include <stdio.h>

struct columns {
	unsigned int nb_columns;
	size_t nb_cells, size;
	char **cell;	/* row by row, the heads first */
};

/** @param heads  ends with NULL */
void columns_init(struct columns *c, const char *const *heads);

/** The next cell, left to right; an empty one shows as "-". */
void columns_add(struct columns *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** Print all rows and free them. */
void columns_finish_to(struct columns *c, FILE *f, int indent);

/** Likewise, to stdout. */
void columns_finish(struct columns *c, int indent);

#endif /* FRQ_COLUMNS_H */
