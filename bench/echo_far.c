/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo_far.c - the side that answers
 */
#include "echo_pvt.h"
#include "ring.h"

#define TURNS_PER_LOOK	256u
#define DRAIN_MAX	16u

void
echo_prepare(struct frq_region *r)
{
	uint64_t FRQ_SHARED *word = (uint64_t FRQ_SHARED *)r->base;

	for (size_t i = 0; i < FRQ_REGION_SIZE / sizeof(*word); i++)
		frq_store64(&word[i], 0);
	/* Pairs with the load in echo_is_prepared. */
	frq_store64(echo_magic(r), ECHO_MAGIC);
}

/* The near side's line; it changes between measurements only. */
static bool
goes_on(const struct frq_region *r, enum echo_mode mode, uint64_t until)
{
	/* Pairs with the store in say, echo_near.c. */
	return frq_load64(&echo_lines(r)->said.word) == mode && tsc_read() < until;
}

static void
serve_word(const struct frq_region *r, uint64_t until)
{
	struct echo_lines FRQ_SHARED *l = echo_lines(r);
	/* Not what is out now: the near side may have begun. */
	uint64_t last = frq_load64(&l->back.word);

	while (goes_on(r, ECHO_WORD, until)) {
		for (unsigned int i = 0; i < TURNS_PER_LOOK; i++) {
			/* Pairs with the store in measure_word, echo_near.c. */
			uint64_t w = frq_load64(&l->out.word);

			if (w == last)
				continue;
			frq_store64(&l->back.word, w);
			last = w;
		}
	}
}

static inline unsigned int
drain(struct frq_consumer *rx)
{
	unsigned int n = 0;
	uint64_t word;

	while (n < DRAIN_MAX && frq_consumer_peek(rx, &word)) {
		frq_consumer_advance(rx);
		n++;
	}
	if (n != 0)
		frq_consumer_publish(rx);
	return n;
}

/* Inline, so that each mode is a loop of its own. */
static inline __attribute__((always_inline)) void
serve_ring(const struct frq_region *r, struct frq_consumer *rx, enum echo_mode mode,
	uint64_t until, bool slot, unsigned int bell_every, bool pause)
{
	const uint64_t FRQ_SHARED *bells = frq_region_doorbell_words(r);

	while (goes_on(r, mode, until)) {
		for (unsigned int i = 0; i < TURNS_PER_LOOK; i++) {
			unsigned int n = slot ? drain(rx) : 0;

			if (bell_every != 0 && i % bell_every == 0 &&
			    (uint8_t)frq_load64(bells) != (uint8_t)rx->next)
				n += drain(rx);
			if (pause && n == 0)
				spin_pause();
		}
	}
}

static void
serve_ring_mode(const struct frq_region *r, struct frq_consumer *rx, enum echo_mode mode,
	uint64_t until)
{
	switch (mode) {
	case ECHO_SLOT:
		serve_ring(r, rx, mode, until, true, 0, false);
		break;
	case ECHO_SLOT_BELL:
		serve_ring(r, rx, mode, until, true, 1, false);
		break;
	case ECHO_SLOT_BELL8:
		serve_ring(r, rx, mode, until, true, 8, false);
		break;
	case ECHO_SLOT_BELL64:
		serve_ring(r, rx, mode, until, true, 64, false);
		break;
	case ECHO_SLOT_PAUSE:
		serve_ring(r, rx, mode, until, true, 0, true);
		break;
	case ECHO_SLOT_PAUSE_BELL64:
		serve_ring(r, rx, mode, until, true, 64, true);
		break;
	case ECHO_BELL:
		serve_ring(r, rx, mode, until, false, 1, false);
		break;
	default:
		break;
	}
}

void
echo_serve(struct frq_region *r, uint64_t until)
{
	struct frq_consumer rx = {
		.ring = frq_region_ring(r, 0),
		.line = frq_region_consumed(r, 0),
		.epoch = ECHO_EPOCH,
		.incarnation = ECHO_INCARNATION,
	};

	frq_consumer_publish(&rx);
	while (tsc_read() < until) {
		uint64_t mode = frq_load64(&echo_lines(r)->said.word);

		/* Pairs with the load in say, echo_near.c. */
		frq_store64(&echo_lines(r)->heard.word, mode);
		if (mode == ECHO_END)
			break;
		if (mode == ECHO_WORD)
			serve_word(r, until);
		else
			serve_ring_mode(r, &rx, (enum echo_mode)mode, until);
	}
	frq_store64(echo_magic(r), 0);
}
