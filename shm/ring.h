/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.h - post to and drain a request ring
 *
 * One producer (a guest lcore) and one consumer (the host's poller) a ring.
 * A request carries its own sequence, so there is no index to trust: the
 * consumer compares the slot at its private cursor with the one word it
 * waits for. All of it is inline because it is the request path.
 */
#ifndef FRQ_RING_H
#define FRQ_RING_H

#include <errno.h>
#include <stdbool.h>

#include "region.h"

/* ---- producer: the guest's thread that owns the channel ------------------ */

struct frq_producer {
	struct frq_ring FRQ_SHARED *ring;
	uint8_t FRQ_SHARED *doorbell;
	const struct frq_consumed_line FRQ_SHARED *consumed;
	uint16_t next;		/* sequence of the next request */
	uint16_t limit;		/* the first that has no slot free, as far as is known */
	uint8_t epoch;
	uint8_t incarnation;	/* low byte */
};

/** How many requests may be posted without a look at the host. */
static inline unsigned int
frq_producer_credit(const struct frq_producer *p)
{
	return (uint16_t)(p->limit - p->next);
}

/**
 * Look at what the host has consumed, and count the free slots anew.
 *
 * @return 0; -EAGAIN the ring is full; -ESTALE the region has another epoch
 *	or the daemon another incarnation than the producer knows
 */
static inline int
frq_producer_refill(struct frq_producer *p)
{
	struct frq_consumed c = frq_consumed_unpack(frq_load64(&p->consumed->consumed));
	uint16_t used = (uint16_t)(p->next - c.next);

	if (c.epoch != p->epoch || c.incarnation != p->incarnation)
		return -ESTALE;
	/* More than a ring in flight: the host has not taken our attach yet. */
	if (used >= FRQ_RING_SLOTS)
		return -EAGAIN;
	p->limit = (uint16_t)(c.next + FRQ_RING_SLOTS);
	return 0;
}

/**
 * Post one request: a store to its slot and one to the doorbell, no load of
 * shared memory while credit lasts.
 *
 * @return 0, or what frq_producer_refill returned; then nothing was posted
 */
static inline int
frq_producer_post(struct frq_producer *p, enum frq_op op, uint8_t flags, uint32_t arg)
{
	uint16_t next = p->next;

	if (__builtin_expect(next == p->limit, 0)) {
		int ret = frq_producer_refill(p);

		if (ret != 0)
			return ret;
	}
	/* Pairs with the load in frq_consumer_peek. */
	frq_store64(&p->ring->slot[next % FRQ_RING_SLOTS],
		frq_request_pack((struct frq_request){
			.seq = next,
			.epoch = p->epoch,
			.op = (uint8_t)op,
			.flags = flags,
			.arg = arg,
		}));
	p->next = ++next;
	/* Pairs with the load in poller_scan_word, host/poller.c. */
	frq_store8(p->doorbell, (uint8_t)next);
	return 0;
}

/**
 * Start on a ring that somebody may have used before: withdraw what is in
 * it, step past every sequence that could still be taken, and post an attach.
 * The attach needs no credit.
 *
 * @param nonce  tells this producer from others, 1 to FRQ_ARG_MAX
 */
static inline void
frq_producer_attach(struct frq_producer *p, struct frq_life life, uint8_t flags,
	uint32_t nonce)
{
	struct frq_consumed c = frq_consumed_unpack(frq_load64(&p->consumed->consumed));
	/* What the last producer posted, counted from there. The host may have
	 * copied any of it, its attach included, and not published that yet.
	 */
	uint16_t ahead = (uint8_t)(frq_load8(p->doorbell) - (uint8_t)c.next);

	for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++) {
		struct frq_request r = frq_request_unpack(frq_load64(&p->ring->slot[i]));
		uint16_t after = (uint16_t)(r.seq + 1 - c.next);

		if (r.epoch == life.epoch && r.seq % FRQ_RING_SLOTS == i &&
		    after > ahead && after <= INT16_MAX - 2 * UINT8_MAX)
			ahead = after;
		frq_store64(&p->ring->slot[i], 0);
	}
	/* Past all that, and so that a ring's worth of doorbells does not read
	 * like the cursor.
	 */
	ahead++;
	while (ahead % 256 == 0 || ahead % 256 >= 256 - FRQ_RING_SLOTS)
		ahead++;
	p->next = (uint16_t)(c.next + ahead);
	p->epoch = life.epoch;
	p->incarnation = (uint8_t)life.incarnation;
	p->limit = (uint16_t)(p->next + FRQ_RING_SLOTS);
	(void)frq_producer_post(p, FRQ_OP_ATTACH, flags, nonce);
}

/* ---- consumer: the host's poller ----------------------------------------- */

struct frq_consumer {
	struct frq_ring FRQ_SHARED *ring;
	struct frq_consumed_line FRQ_SHARED *line;
	uint16_t next;		/* sequence of the next request */
	uint8_t epoch;
	uint8_t incarnation;	/* low byte */
	uint32_t total;		/* consumed since the region was made */
};

/**
 * Load the slot at the cursor, once.
 *
 * @param[out] word  the private copy
 * @return whether it holds the next request; its operation and argument are
 *	not checked yet
 */
static inline bool
frq_consumer_peek(const struct frq_consumer *c, uint64_t *word)
{
	uint64_t expected = (uint64_t)c->next << FRQ_REQ_SEQ_SHIFT |
		(uint64_t)c->epoch << FRQ_REQ_EPOCH_SHIFT;

	/* Pairs with the store in frq_producer_post. An epoch is never 0, so
	 * neither is what is expected, and a zero word never matches.
	 */
	*word = frq_load64(&c->ring->slot[c->next % FRQ_RING_SLOTS]);
	return (*word & 0xffffffu) == expected;
}

/** Step over the request that frq_consumer_peek found. */
static inline void
frq_consumer_advance(struct frq_consumer *c)
{
	c->next++;
	c->total++;
}

/** Tell the guest how far the host has come. */
static inline void
frq_consumer_publish(const struct frq_consumer *c)
{
	/* Pairs with the load in frq_producer_refill. */
	frq_store64(&c->line->consumed, frq_consumed_pack((struct frq_consumed){
		.next = c->next,
		.epoch = c->epoch,
		.incarnation = c->incarnation,
		.total = c->total,
	}));
}

/**
 * Look for an attach ahead of the cursor: a producer that started anew has
 * stepped past it. Loads each slot once, but for the one at the cursor, of
 * which the caller has the copy.
 *
 * @param seen  the word that frq_consumer_peek loaded
 * @param doorbell  low end of the sequence the producer posts next
 * @param[out] word  the attach
 * @return whether there is one; the cursor then stands on it
 */
static inline bool
frq_consumer_find_attach(struct frq_consumer *c, uint64_t seen, uint8_t doorbell,
	uint64_t *word)
{
	for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++) {
		uint64_t w = i == c->next % FRQ_RING_SLOTS ? seen :
			frq_load64(&c->ring->slot[i]);
		struct frq_request r = frq_request_unpack(w);
		uint16_t ahead = (uint16_t)(r.seq - c->next);
		uint8_t behind_doorbell = (uint8_t)(doorbell - (uint8_t)r.seq);

		if (r.op != FRQ_OP_ATTACH || r.epoch != c->epoch ||
		    r.seq % FRQ_RING_SLOTS != i || ahead == 0 || ahead > INT16_MAX ||
		    behind_doorbell == 0 || behind_doorbell > FRQ_RING_SLOTS)
			continue;
		c->next = r.seq;
		*word = w;
		return true;
	}
	return false;
}

#endif /* FRQ_RING_H */
