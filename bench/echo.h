/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo.h - round trips through an area of shared memory
 *
 * The near side (a guest, or a thread) says how, and measures; the far side
 * (bounce-host, or a thread) answers as fast as it can. The area is laid out
 * as a region is, so that a ring lies as it will lie, but its magic is
 * another: no daemon and no libfreqring takes it for a region.
 *
 * The bare word is the limit of a machine, or of a guest: nothing can be
 * answered faster. The ring modes differ in what the far side looks at in a
 * turn of its loop.
 */
#ifndef FRQ_BENCH_ECHO_H
#define FRQ_BENCH_ECHO_H

#include "percentiles.h"
#include "region.h"
#include "tsc.h"

enum echo_mode {
	ECHO_NONE,		/* the far side waits for something to do */
	ECHO_WORD,		/* one word out, the same word back */
	ECHO_SLOT,		/* ring: the slot at the cursor */
	ECHO_SLOT_BELL,		/* and the doorbell, each turn */
	ECHO_SLOT_BELL8,	/* and the doorbell, each 8th turn */
	ECHO_SLOT_BELL64,	/* and the doorbell, each 64th turn */
	ECHO_SLOT_PAUSE,	/* the slot, and a pause in an empty turn */
	ECHO_SLOT_PAUSE_BELL64,	/* and the doorbell, each 64th turn */
	ECHO_BELL,		/* ring: the doorbell only, then the slot */
	ECHO_MODES,
	ECHO_END = ECHO_MODES,	/* the far side returns */
};

/** Far side: make the area ready for a near side. */
void echo_prepare(struct frq_region *r);

/** Far side: answer until the near side says ECHO_END, or `until` (TSC). */
void echo_serve(struct frq_region *r, uint64_t until);

/** Near side: whether somebody has prepared the area. */
bool echo_is_prepared(const struct frq_region *r);

/**
 * Near side: `rounds` rounds of `n` samples of the bare word and, with `all`,
 * of each ring mode, in turn; then end the far side.
 *
 * @param rate  a second at which they are due, see pace.h; 0: one after another
 * @param s  ECHO_MODES of them
 * @return 0; -ETIMEDOUT nobody answers
 */
int echo_measure(struct frq_region *r, const struct tsc *tsc, bool all, unsigned int rate,
	struct samples *s, size_t n, unsigned int rounds);

#endif /* FRQ_BENCH_ECHO_H */
