/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring alone: one producer and one consumer on one thread, in every order
 * of steps that matters. The consumer's steps (copy, step over, remember,
 * publish) are apart here, as they are when the poller is interrupted between
 * two of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring.h"

#define EPOCH 3

static struct {
	struct frq_ring ring;
	struct frq_consumed_line line;
	uint8_t doorbell;
} shared __attribute__((aligned(64)));

static const struct frq_life life = { .epoch = EPOCH, .incarnation = 5 };

static struct frq_consumer
consumer_at(uint16_t next)
{
	struct frq_consumer c = {
		.ring = &shared.ring, .line = &shared.line,
		.next = next, .epoch = EPOCH, .incarnation = 5,
	};

	frq_consumer_publish(&c);
	return c;
}

static struct frq_producer
producer(void)
{
	return (struct frq_producer){
		.ring = &shared.ring, .doorbell = &shared.doorbell, .consumed = &shared.line,
	};
}

static int
setup(void **state)
{
	(void)state;
	memset(&shared, 0, sizeof(shared));
	return 0;
}

/* Whatever the doorbell says, as the poller's audit does. */
static bool
next_request(struct frq_consumer *c, struct frq_request *r)
{
	uint64_t word;
	bool found = frq_consumer_peek(c, &word) ||
		frq_consumer_find_attach(c, word, shared.doorbell, &word);

	if (!found)
		return false;
	frq_consumer_advance(c);
	*r = frq_request_unpack(word);
	return true;
}

static void
requests_come_in_order(void **state)
{
	struct frq_consumer c = consumer_at(0);
	struct frq_producer p = producer();
	struct frq_request r;

	(void)state;
	frq_producer_attach(&p, life, FRQ_ATTACH_UNCACHED, 77);
	for (uint32_t i = 0; i < 63; i++)
		assert_int_equal(frq_producer_post(&p, FRQ_OP_SET, 0, 1000 + i), 0);
	assert_true(next_request(&c, &r));
	assert_int_equal(r.op, FRQ_OP_ATTACH);
	assert_int_equal(r.arg, 77);
	assert_int_equal(r.flags, FRQ_ATTACH_UNCACHED);
	for (uint32_t i = 0; i < 63; i++) {
		assert_true(next_request(&c, &r));
		assert_int_equal(r.op, FRQ_OP_SET);
		assert_int_equal(r.arg, 1000 + i);
	}
	assert_false(next_request(&c, &r));
	assert_int_equal(c.total, 64);
}

static void
sequence_wraps(void **state)
{
	struct frq_consumer c = consumer_at(65500);
	struct frq_producer p = producer();
	struct frq_request r;

	(void)state;
	frq_producer_attach(&p, life, 0, 1);
	assert_true(next_request(&c, &r));
	frq_consumer_publish(&c);
	for (uint32_t i = 0; i < 3 * 65536; i++) {
		assert_int_equal(frq_producer_post(&p, FRQ_OP_SET, 0, i & FRQ_ARG_MAX), 0);
		assert_true(next_request(&c, &r));
		assert_int_equal(r.arg, i & FRQ_ARG_MAX);
		assert_false(next_request(&c, &r));
		frq_consumer_publish(&c);
	}
}

static void
full_ring_is_eagain_and_recovers(void **state)
{
	struct frq_consumer c = consumer_at(9);
	struct frq_producer p = producer();
	struct frq_ring before;
	struct frq_request r;

	(void)state;
	frq_producer_attach(&p, life, 0, 1);
	for (uint32_t i = 0; i < 63; i++)
		assert_int_equal(frq_producer_post(&p, FRQ_OP_UP, 0, 0), 0);
	before = shared.ring;
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MAX, 0, 0), -EAGAIN);
	/* nothing was posted, and the next try is as good as the first */
	assert_memory_equal(&before, &shared.ring, sizeof(before));
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MAX, 0, 0), -EAGAIN);
	assert_true(next_request(&c, &r));
	/* taken, but the guest is not told yet */
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MAX, 0, 0), -EAGAIN);
	frq_consumer_publish(&c);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MAX, 0, 0), 0);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MIN, 0, 0), -EAGAIN);
	for (uint32_t i = 0; i < 63; i++) {
		assert_true(next_request(&c, &r));
		assert_int_equal(r.op, FRQ_OP_UP);
	}
	assert_true(next_request(&c, &r));
	assert_int_equal(r.op, FRQ_OP_MAX);
	assert_false(next_request(&c, &r));
}

static void
credit_is_what_is_free(void **state)
{
	struct frq_consumer c = consumer_at(0);
	struct frq_producer p = producer();
	struct frq_request r;

	(void)state;
	frq_producer_attach(&p, life, 0, 1);
	assert_int_equal(frq_producer_credit(&p), 63);
	for (unsigned int taken = 1; taken <= 64; taken++) {
		while (frq_producer_credit(&p) != 0)
			assert_int_equal(frq_producer_post(&p, FRQ_OP_UP, 0, 0), 0);
		for (unsigned int i = 0; i < taken; i++)
			assert_true(next_request(&c, &r));
		frq_consumer_publish(&c);
		assert_int_equal(frq_producer_refill(&p), 0);
		assert_int_equal(frq_producer_credit(&p), taken);
		while (frq_producer_credit(&p) != 0)
			assert_int_equal(frq_producer_post(&p, FRQ_OP_UP, 0, 0), 0);
		while (next_request(&c, &r))
			;
		frq_consumer_publish(&c);
		assert_int_equal(frq_producer_refill(&p), 0);
	}
}

static void
new_life_is_estale(void **state)
{
	struct frq_consumer c = consumer_at(0);
	struct frq_producer p = producer();

	(void)state;
	frq_producer_attach(&p, life, 0, 1);
	while (frq_producer_post(&p, FRQ_OP_UP, 0, 0) == 0)
		;
	c.incarnation++;
	frq_consumer_publish(&c);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_UP, 0, 0), -ESTALE);
	c.incarnation--;
	c.epoch++;
	frq_consumer_publish(&c);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_UP, 0, 0), -ESTALE);
}

static void
other_epoch_and_other_sequence_are_not_taken(void **state)
{
	struct frq_consumer c = consumer_at(10);
	uint64_t word;

	(void)state;
	for (unsigned int epoch = 0; epoch < 256; epoch++) {
		for (int off = -128; off <= 128; off++) {
			shared.ring.slot[10] = frq_request_pack((struct frq_request){
				.seq = (uint16_t)(10 + off), .epoch = (uint8_t)epoch,
				.op = FRQ_OP_MAX,
			});
			assert_int_equal(frq_consumer_peek(&c, &word), epoch == EPOCH && off == 0);
		}
	}
	shared.ring.slot[10] = 0;
	assert_false(frq_consumer_peek(&c, &word));
}

/* From every residue of the cursor, with every number of old requests in the
 * ring, some of them taken.
 */
static void
attach_from_any_state(void **state)
{
	(void)state;
	for (unsigned int start = 0; start < 65536; start += 4093) {
		for (unsigned int pending = 0; pending <= 63; pending++) {
			for (unsigned int taken = 0; taken <= pending; taken += 7) {
				struct frq_consumer c = consumer_at((uint16_t)start);
				struct frq_producer p = producer();
				struct frq_request r;

				frq_producer_attach(&p, life, 0, 1);
				assert_true(next_request(&c, &r));
				frq_consumer_publish(&c);
				for (unsigned int i = 0; i < pending; i++)
					(void)frq_producer_post(&p, FRQ_OP_UP, 0, 0);
				/* the last batch, 32 at most, may be unpublished */
				for (unsigned int i = 0; i < taken; i++) {
					assert_true(next_request(&c, &r));
					if (taken % 2 == 0 || i == 31)
						frq_consumer_publish(&c);
				}
				frq_producer_attach(&p, life, 0, 2);
				assert_int_equal(frq_producer_post(&p, FRQ_OP_DOWN, 0, 0), 0);
				assert_true(next_request(&c, &r));
				assert_int_equal(r.op, FRQ_OP_ATTACH);
				assert_int_equal(r.arg, 2);
				assert_true(next_request(&c, &r));
				assert_int_equal(r.op, FRQ_OP_DOWN);
				assert_false(next_request(&c, &r));
			}
		}
	}
}

/* However many the new program posts before the host looks, and from
 * wherever: the doorbell is not what the cursor's low end is.
 */
static void
doorbell_does_not_alias(void **state)
{
	(void)state;
	for (unsigned int start = 0; start < 65536; start += 251) {
		struct frq_consumer c = consumer_at((uint16_t)start);
		struct frq_producer p = producer();

		for (unsigned int generation = 1; generation <= 8; generation++) {
			frq_producer_attach(&p, life, 0, generation);
			do
				assert_int_not_equal(shared.doorbell, (uint8_t)c.next);
			while (frq_producer_post(&p, FRQ_OP_UP, 0, 0) == 0);
		}
	}
}

static void
host_restart_goes_on_from_the_remembered_cursor(void **state)
{
	struct frq_consumer c = consumer_at(100);
	struct frq_producer p = producer();
	struct frq_request r;

	(void)state;
	frq_producer_attach(&p, life, 0, 1);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(frq_producer_post(&p, FRQ_OP_SET, 0, i + 1), 0);
	for (unsigned int i = 0; i < 11; i++)
		assert_true(next_request(&c, &r));
	/* killed after the wish was stored and before "consumed" was published */
	c = (struct frq_consumer){
		.ring = &shared.ring, .line = &shared.line, .next = c.next, .epoch = EPOCH,
		.incarnation = 6,
	};
	frq_consumer_publish(&c);
	for (uint32_t i = 10; i < 20; i++) {
		assert_true(next_request(&c, &r));
		assert_int_equal(r.arg, i + 1);
	}
	assert_false(next_request(&c, &r));
}

static void
guest_restarts_while_the_host_is_dead(void **state)
{
	(void)state;
	for (unsigned int restarts = 1; restarts <= 40; restarts++) {
		for (unsigned int unpublished = 0; unpublished <= 32; unpublished += 8) {
			struct frq_consumer c;
			struct frq_producer p = producer();
			struct frq_request r;

			memset(&shared, 0, sizeof(shared));
			c = consumer_at(65530);
			frq_producer_attach(&p, life, 0, 1);
			assert_true(next_request(&c, &r));
			frq_consumer_publish(&c);
			for (unsigned int i = 0; i < unpublished; i++) {
				assert_int_equal(frq_producer_post(&p, FRQ_OP_UP, 0, 0), 0);
				assert_true(next_request(&c, &r));
			}
			for (unsigned int g = 0; g < restarts; g++) {
				p = producer();
				frq_producer_attach(&p, life, 0, 100 + g);
				for (unsigned int i = 0; i < (g * 13) % 64; i++)
					assert_int_equal(frq_producer_post(&p, FRQ_OP_SET, 0,
						g * 100 + i), 0);
			}
			/* the next daemon: the cursor comes from the wish file */
			frq_consumer_publish(&c);
			assert_true(next_request(&c, &r));
			assert_int_equal(r.op, FRQ_OP_ATTACH);
			assert_int_equal(r.arg, 100 + restarts - 1);
			for (unsigned int i = 0; i < ((restarts - 1) * 13) % 64; i++) {
				assert_true(next_request(&c, &r));
				assert_int_equal(r.arg, (restarts - 1) * 100 + i);
			}
			assert_false(next_request(&c, &r));
		}
	}
}

/* The host has copied the attach of one program and is interrupted before it
 * publishes; the next program starts just then.
 */
static void
attach_while_the_last_attach_is_being_taken(void **state)
{
	struct frq_consumer c = consumer_at(0);
	struct frq_producer p = producer();
	struct frq_request r;

	(void)state;
	frq_producer_attach(&p, life, 0, 1);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MIN, 0, 0), 0);
	assert_true(next_request(&c, &r));
	assert_int_equal(r.arg, 1);
	assert_true(next_request(&c, &r));
	/* not published */
	p = producer();
	frq_producer_attach(&p, life, 0, 2);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MAX, 0, 0), 0);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_UP, 0, 0), 0);
	frq_consumer_publish(&c);
	assert_true(next_request(&c, &r));
	assert_int_equal(r.op, FRQ_OP_ATTACH);
	assert_int_equal(r.arg, 2);
	assert_true(next_request(&c, &r));
	assert_int_equal(r.op, FRQ_OP_MAX);
	assert_true(next_request(&c, &r));
	assert_int_equal(r.op, FRQ_OP_UP);
	assert_false(next_request(&c, &r));
}

/* ---- random interleavings against a plain model ------------------------------- */

/*
 * The model: every request posted has a number of its own, in its argument;
 * `taken` says it was consumed. The producer's calls are single steps, as the
 * consumer cannot tell when between two of its own they came; the consumer's
 * are split.
 */
struct model {
	uint64_t seed;
	struct frq_consumer c;
	struct frq_producer p;
	uint16_t remembered;		/* the wish file */
	unsigned int batch;		/* consumed, not remembered yet */
	bool unpublished;		/* remembered, but the guest is not told yet */
	uint32_t batch_last;		/* newest of what was consumed, kept or not */
	uint32_t posted;		/* the number of the newest request */
	uint32_t current;		/* the number of the current program's attach */
	uint32_t last;			/* the newest that was remembered as consumed */
	uint64_t consumed, attaches, restarts, full;
};

static uint32_t
chance(struct model *m, uint32_t below)
{
	m->seed ^= m->seed >> 12;
	m->seed ^= m->seed << 25;
	m->seed ^= m->seed >> 27;
	return (uint32_t)(m->seed * UINT64_C(2685821657736338717) >> 32) % below;
}

static void
model_attach(struct model *m)
{
	struct frq_life l = life;

	l.incarnation = m->c.incarnation;
	m->p = producer();
	m->current = ++m->posted;
	m->attaches++;
	frq_producer_attach(&m->p, l, 0, m->current);
}

static void
model_post(struct model *m)
{
	for (uint32_t n = chance(m, 8) == 0 ? chance(m, 80) : 1; n > 0; n--) {
		int ret = frq_producer_post(&m->p, FRQ_OP_SET, 0, m->posted + 1);

		if (ret == -ESTALE) {
			m->p.incarnation = m->c.incarnation;
			continue;
		}
		m->full += ret == -EAGAIN;
		m->posted += ret == 0;
	}
}

/* Copy, check the order, step over. */
static bool
model_take(struct model *m)
{
	struct frq_request r;

	if (m->batch == 32 || m->unpublished || !next_request(&m->c, &r))
		return false;
	m->batch++;
	/* once, in order, and nothing that nobody posted */
	assert_true(r.arg > m->batch_last);
	assert_true(r.arg <= m->posted);
	/* of one program's requests none is left out */
	if (r.op == FRQ_OP_SET)
		assert_int_equal(r.arg, m->batch_last + 1);
	m->batch_last = r.arg;
	m->consumed++;
	return true;
}

static void
model_commit(struct model *m)
{
	m->remembered = m->c.next;
	m->last = m->batch_last;
	m->batch = 0;
	m->unpublished = true;
}

static void
model_publish(struct model *m)
{
	/* only what was remembered */
	if (m->batch != 0)
		model_commit(m);
	frq_consumer_publish(&m->c);
	m->unpublished = false;
}

/* kill -9: what was not remembered never happened. */
static void
model_restart(struct model *m)
{
	m->c.next = m->remembered;
	m->c.incarnation++;
	m->batch_last = m->last;
	m->batch = 0;
	m->restarts++;
	model_publish(m);
}

/* Left alone, the host takes all that the current program posted. */
static void
model_settle(struct model *m)
{
	do {
		model_publish(m);
		while (model_take(m))
			;
	} while (m->batch != 0);
	assert_int_equal(m->batch_last, m->posted);
}

static void
model_step(struct model *m)
{
	uint32_t what = chance(m, 100);

	if (what < 40)
		model_post(m);
	else if (what < 80)
		(void)model_take(m);
	else if (what < 86)
		model_commit(m);
	else if (what < 94)
		model_publish(m);
	else if (what < 97)
		model_attach(m);
	else if (what < 99)
		model_restart(m);
	else
		model_settle(m);
}

static void
random_interleavings(void **state)
{
	static const uint64_t seeds[] = { 1, 20240229, 0xfeedface, 0x123456789abcdef };
	const unsigned int steps = 1000000;

	(void)state;
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		struct model m = { .seed = seeds[i] };

		memset(&shared, 0, sizeof(shared));
		m.c = consumer_at((uint16_t)chance(&m, 65536));
		m.remembered = m.c.next;
		model_attach(&m);
		print_message("seed %#jx\n", (uintmax_t)seeds[i]);
		for (unsigned int s = 0; s < steps; s++) {
			model_step(&m);
			/* the argument has 24 bits */
			assert_true(m.posted < FRQ_ARG_MAX);
		}
		model_settle(&m);
		assert_true(m.consumed > steps / 10);
		print_message("%ju consumed, %ju attaches, %ju restarts, %ju times full\n",
			(uintmax_t)m.consumed, (uintmax_t)m.attaches, (uintmax_t)m.restarts,
			(uintmax_t)m.full);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(requests_come_in_order, setup),
		cmocka_unit_test_setup(sequence_wraps, setup),
		cmocka_unit_test_setup(full_ring_is_eagain_and_recovers, setup),
		cmocka_unit_test_setup(credit_is_what_is_free, setup),
		cmocka_unit_test_setup(new_life_is_estale, setup),
		cmocka_unit_test_setup(other_epoch_and_other_sequence_are_not_taken, setup),
		cmocka_unit_test_setup(attach_from_any_state, setup),
		cmocka_unit_test_setup(doorbell_does_not_alias, setup),
		cmocka_unit_test_setup(host_restart_goes_on_from_the_remembered_cursor, setup),
		cmocka_unit_test_setup(guest_restarts_while_the_host_is_dead, setup),
		cmocka_unit_test_setup(attach_while_the_last_attach_is_being_taken, setup),
		cmocka_unit_test_setup(random_interleavings, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
