/* SPDX-License-Identifier: BSD-3-Clause */
#include "suggest.h"

#include <string.h>

#define MAX_WORD 48

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance, one row at a time. */
static size_t
edit_distance(const char *a, size_t la, const char *b, size_t lb)
{
	size_t row[MAX_WORD + 1];

	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t changed = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, changed);
		}
	}
	return row[lb];
}

void
suggest_offer(struct suggest *s, const char *known)
{
	size_t lw = strlen(s->word), lk = strlen(known);
	size_t d;

	if (lw > MAX_WORD || lk > MAX_WORD)
		return;
	d = edit_distance(s->word, lw, known, lk);
	/* A third of the letters wrong is a typing error, more is another word. */
	if (d * 3 > lk || (s->best != NULL && d >= s->distance))
		return;
	s->best = known;
	s->distance = d;
}
