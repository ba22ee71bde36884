/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1	/* vasprintf */
#include "columns.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 16

void
columns_init(struct columns *c, const char *const *heads)
{
	memset(c, 0, sizeof(*c));
	for (; heads[c->nb_columns] != NULL && c->nb_columns < MAX_COLUMNS; c->nb_columns++)
		columns_add(c, "%s", heads[c->nb_columns]);
}

void
columns_add(struct columns *c, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	if (c->nb_cells == c->size) {
		c->size = c->size == 0 ? 64 : 2 * c->size;
		c->cell = realloc(c->cell, c->size * sizeof(c->cell[0]));
		if (c->cell == NULL)
			abort();
	}
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		abort();
	c->cell[c->nb_cells++] = text;
}

void
columns_finish_to(struct columns *c, FILE *f, int indent)
{
	int width[MAX_COLUMNS] = { 0 };

	for (size_t i = 0; i < c->nb_cells; i++) {
		int len = (int)strlen(c->cell[i]);

		if (len > width[i % c->nb_columns])
			width[i % c->nb_columns] = len;
	}
	for (size_t i = 0; i < c->nb_cells; i++) {
		unsigned int column = (unsigned int)(i % c->nb_columns);
		const char *text = c->cell[i][0] != '\0' ? c->cell[i] : "-";

		if (column + 1 == c->nb_columns)
			(void)fprintf(f, "%s\n", text);
		else
			(void)fprintf(f, "%*s%-*s  ", column == 0 ? indent : 0, "", width[column], text);
		free(c->cell[i]);
	}
	free(c->cell);
	memset(c, 0, sizeof(*c));
}

void
columns_finish(struct columns *c, int indent)
{
	columns_finish_to(c, stdout, indent);
}
