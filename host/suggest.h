/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * suggest.h - which of the known words somebody who mistyped one has meant
 *
 * Plain functions without state; any thread.
 */
#ifndef FRQ_SUGGEST_H
#define FRQ_SUGGEST_H

#include <stddef.h>

struct suggest {
	const char *word;	/* as typed */
	const char *best;	/* the nearest so far, NULL: none is near */
	size_t distance;	/* of best */
};

#define SUGGEST_INIT(typed) ((struct suggest){ .word = (typed) })

/** Offer one of the known words. */
void suggest_offer(struct suggest *s, const char *known);

#endif /* FRQ_SUGGEST_H */
