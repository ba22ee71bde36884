/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo_near.c - the side that asks and measures
 */
#include <errno.h>

#include "echo_pvt.h"
#include "pace.h"
#include "ring.h"

#define WARM_UP		2000u
#define PATIENCE	(1u << 30)	/* looks; a second natively, some under TCG */

bool
echo_is_prepared(const struct frq_region *r)
{
	/* Pairs with the store in echo_prepare, echo_far.c. */
	return frq_load64(echo_magic(r)) == ECHO_MAGIC;
}

static inline bool
await(const uint64_t FRQ_SHARED *p, uint64_t mask, uint64_t value)
{
	for (unsigned int i = 0; i < PATIENCE; i++)
		if ((frq_load64(p) & mask) == value)
			return true;
	return false;
}

static int
say(const struct frq_region *r, enum echo_mode mode)
{
	struct echo_lines FRQ_SHARED *l = echo_lines(r);

	/* Pairs with the load in goes_on, echo_far.c. */
	frq_store64(&l->said.word, mode);
	return await(&l->heard.word, UINT64_MAX, mode) ? 0 : -ETIMEDOUT;
}

static int
measure_word(const struct frq_region *r, const struct tsc *tsc, unsigned int rate,
	struct samples *s, size_t n)
{
	struct echo_lines FRQ_SHARED *l = echo_lines(r);
	uint64_t word = frq_load64(&l->out.word);
	struct pace pace = PACE_NONE;

	for (size_t i = 0; i < WARM_UP + n; i++) {
		uint64_t start;

		if (i == WARM_UP)
			pace = pace_begin(tsc, rate);
		start = pace_next(&pace);
		/* Pairs with the load in serve_word, echo_far.c. */
		frq_store64(&l->out.word, ++word);
		if (!await(&l->back.word, UINT64_MAX, word))
			return -ETIMEDOUT;
		if (i >= WARM_UP)
			samples_add(s, tsc_between(tsc, start, tsc_read()));
	}
	return 0;
}

static int
measure_ring(struct frq_producer *p, const struct tsc *tsc, unsigned int rate,
	struct samples *s, size_t n)
{
	struct pace pace = PACE_NONE;

	for (size_t i = 0; i < WARM_UP + n; i++) {
		uint64_t start;

		if (i == WARM_UP)
			pace = pace_begin(tsc, rate);
		start = pace_next(&pace);
		if (frq_producer_post(p, FRQ_OP_PING, 0, (uint32_t)i & FRQ_ARG_MAX) != 0 ||
		    !await(&p->consumed->consumed, UINT16_MAX, p->next))
			return -ETIMEDOUT;
		if (i >= WARM_UP)
			samples_add(s, tsc_between(tsc, start, tsc_read()));
	}
	return 0;
}

int
echo_measure(struct frq_region *r, const struct tsc *tsc, bool all, unsigned int rate,
	struct samples *s, size_t n, unsigned int rounds)
{
	struct frq_producer p = {
		.ring = frq_region_ring(r, 0),
		.doorbell = frq_region_doorbell(r, 0),
		.consumed = frq_region_consumed(r, 0),
		.epoch = ECHO_EPOCH,
		.incarnation = ECHO_INCARNATION,
	};
	enum echo_mode end = all ? ECHO_MODES : ECHO_SLOT;
	int ret = 0;

	for (unsigned int round = 0; ret == 0 && round < rounds; round++) {
		for (enum echo_mode m = ECHO_WORD; ret == 0 && m < end; m++) {
			ret = say(r, m);
			if (ret == 0)
				ret = m == ECHO_WORD ? measure_word(r, tsc, rate, &s[m], n) :
					measure_ring(&p, tsc, rate, &s[m], n);
		}
	}
	return ret < 0 ? ret : say(r, ECHO_END);
}
