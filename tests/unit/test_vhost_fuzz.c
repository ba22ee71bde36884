/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_fuzz.c - a hostile front end, with descriptors of its own making
 *
 * It writes what it likes into its virtqueues, between the poller's turns and
 * during them. Nothing outside its memory may be touched (there are pages
 * around it that fault), the poller's work of a turn is bounded, and an honest
 * front end beside it is served as if it were alone.
 *
 * FREQRING_FUZZ_SEED and FREQRING_FUZZ_ROUNDS change what is played; a failure
 * says which seed it was.
 */
#include "front_end.h"

#define ROUNDS		1000000u
#define RACE_MS		3000u
#define WORK_MAX	(FE_PAIRS * 64u)	/* requests of a device and turn */

static uint64_t seed;

static uint64_t
from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

/* Mostly near what means something. */
static uint64_t
random_address(const struct front_end *f)
{
	switch (fx_random(&seed) % 6) {
	case 0:
		return FE_GUEST + fx_random(&seed) % (2 * sizeof(*f->m));
	case 1:
		return FE_GUEST + sizeof(*f->m) - fx_random(&seed) % 400;
	case 2:
		return FE_GUEST - fx_random(&seed) % 400;
	case 3:
		return UINT64_MAX - fx_random(&seed) % 400;
	case 4:
		return (uint64_t)fx_random(&seed) << 32 | fx_random(&seed);
	default:
		return fe_guest(f, f->m->tx[fx_random(&seed) % FE_PAIRS].buffer[fx_random(&seed) % FE_SIZE]);
	}
}

static uint32_t
random_length(void)
{
	static const uint32_t usual[] = { 0, 1, 12, 75, 76, 77, 203, 204, 332, 2048, UINT32_MAX };

	return fx_random(&seed) % 4 == 0 ? fx_random(&seed) :
		usual[fx_random(&seed) % (sizeof(usual) / sizeof(usual[0]))];
}

static struct fe_ring *
random_ring(struct front_end *f)
{
	unsigned int pair = fx_random(&seed) % FE_PAIRS;

	return fx_random(&seed) % 2 == 0 ? &f->m->tx[pair] : &f->m->rx[pair];
}

static void
spoil_descriptor(struct front_end *f)
{
	struct vring_desc *d = &random_ring(f)->desc[fx_random(&seed) % FE_SIZE];

	switch (fx_random(&seed) % 4) {
	case 0:
		d->addr = random_address(f);
		break;
	case 1:
		d->len = random_length();
		break;
	case 2:
		d->flags = (uint16_t)fx_random(&seed);
		break;
	default:
		d->next = (uint16_t)fx_random(&seed);
	}
}

static void
send_something(struct front_end *f)
{
	unsigned int pair = fx_random(&seed) % FE_PAIRS;
	struct frq_vhost_request r = fe_frame(fx_random(&seed) % 3 == 0 ? FRQ_VHOST_HELLO :
		FRQ_VHOST_REQUEST, pair, fe_word(f, (uint16_t)fx_random(&seed),
		(enum frq_op)(fx_random(&seed) % (FRQ_OP_COUNT + 1)), fx_random(&seed)));

	if (fx_random(&seed) % 4 == 0)
		((uint8_t *)&r)[fx_random(&seed) % sizeof(r)] ^= (uint8_t)fx_random(&seed);
	(void)fe_put(f, pair, &r, fx_random(&seed) % 8 == 0 ? fx_random(&seed) % 1500 % sizeof(r) :
		sizeof(r));
}

static void
play(struct front_end *f)
{
	struct fe_ring *ring = random_ring(f);

	switch (fx_random(&seed) % 16) {
	case 0:
		ring->avail[1] = (uint16_t)fx_random(&seed);
		break;
	case 1:
		ring->avail[2 + fx_random(&seed) % FE_SIZE] = (uint16_t)fx_random(&seed);
		break;
	case 2:
		ring->avail[0] = (uint16_t)fx_random(&seed);
		break;
	case 3:
	case 4:
		spoil_descriptor(f);
		break;
	case 5:
		ring->used.idx = (uint16_t)fx_random(&seed);
		break;
	case 6:
		ring->avail[1]++;
		break;
	default:
		send_something(f);
	}
}

/* As after a reset of its device: the rings are good once more. */
static void
mend(struct front_end *f)
{
	int call[2 * FE_PAIRS];

	memset(f->m, 0, sizeof(*f->m));
	f->d.fault = NULL;
	for (unsigned int i = 0; i < FE_PAIRS; i++) {
		call[2 * i] = f->call[2 * i];
		call[2 * i + 1] = f->call[2 * i + 1];
		fe_ring_set(f, &f->m->tx[i], &f->d.pair[i].tx, &f->call[2 * i]);
		fe_ring_set(f, &f->m->rx[i], &f->d.pair[i].rx, &f->call[2 * i + 1]);
		(void)close(call[2 * i]);
		(void)close(call[2 * i + 1]);
		f->tx_next[i] = f->rx_seen[i] = 0;
		for (unsigned int b = 0; b < FE_SIZE; b++) {
			f->m->rx[i].desc[b].flags = VRING_DESC_F_WRITE;
			f->m->rx[i].avail[2 + b] = (uint16_t)b;
		}
		f->m->rx[i].avail[1] = FE_SIZE;
		f->vm->ch[i].quarantined = false;
		f->vm->ch[i].violations = 0;
	}
}

static void
ask_honestly(struct front_end *honest, uint16_t *seq)
{
	struct frq_vhost_state s;

	fe_send(honest, 0, FRQ_VHOST_REQUEST, fe_word(honest, *seq, FRQ_OP_PING, *seq));
	assert_int_equal(fe_turn(honest), 1);
	assert_int_equal(fx_consumed(honest->vm, 0).next, ++*seq);
	assert_null(honest->d.fault);
	(void)fe_state(honest, 0, &s);
}

static void
test_fuzz(void **state)
{
	uint64_t rounds = from_environment("FREQRING_FUZZ_ROUNDS", ROUNDS), faults = 0, served = 0;
	struct front_end *f = fe_make(), *honest = fe_make();
	uint16_t seq = 0;

	(void)state;
	for (uint64_t i = 0; i < rounds; i++) {
		unsigned int n = 0;

		play(f);
		if (fx_random(&seed) % 4 == 0)
			n = fe_turn(f);
		assert_in_range(n, 0, WORK_MAX);
		served += n;
		if (i % 16 == 0)
			ask_honestly(honest, &seq);
		if (f->d.fault != NULL) {
			faults++;
			mend(f);
		}
		(void)fx_queue_drain(&f->queue);
		(void)fx_queue_drain(&honest->queue);
	}
	/* It did reach what it was to reach. */
	assert_true(faults > rounds / 10000);
	assert_true(served > rounds / 1000);
	for (unsigned int c = VHOST_CHAINED; c < VHOST_CAUSE_COUNT; c++)
		assert_true(f->d.stats.causes[c] != 0);
	fe_free(f);
	fe_free(honest);
}

/* ---- while the poller looks ------------------------------------------------- */

struct racer {
	struct fe_memory *m;
	uint64_t seed;
	bool stop;
};

/* Rings and frames, not the buffers behind them. */
__attribute__((no_sanitize("thread")))
static void *
race(void *arg)
{
	struct racer *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		struct fe_ring *ring = fx_random(&r->seed) % 2 == 0 ?
			&r->m->tx[fx_random(&r->seed) % FE_PAIRS] :
			&r->m->rx[fx_random(&r->seed) % FE_PAIRS];
		uint8_t *at = (uint8_t *)ring + fx_random(&r->seed) % (offsetof(struct fe_ring, buffer) + 96);

		__atomic_store_n(at, (uint8_t)fx_random(&r->seed), __ATOMIC_RELAXED);
	}
	return NULL;
}

static void
test_race(void **state)
{
	struct front_end *f = fe_make(), *honest = fe_make();
	struct racer r = { .m = f->m, .seed = seed | 1 };
	uint64_t end = fx_now_ms() + RACE_MS, turns = 0;
	uint16_t seq = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, race, &r), 0);
	for (; fx_now_ms() < end; turns++) {
		assert_in_range(fe_turn(f), 0, WORK_MAX);
		send_something(f);
		if (turns % 16 == 0)
			ask_honestly(honest, &seq);
		if (f->d.fault != NULL)
			mend(f);
		(void)fx_queue_drain(&f->queue);
		(void)fx_queue_drain(&honest->queue);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(t, NULL);
	assert_true(turns > 100);
	fe_free(f);
	fe_free(honest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fuzz),
		cmocka_unit_test(test_race),
	};

	seed = from_environment("FREQRING_FUZZ_SEED", (uint64_t)getpid() << 20 | fx_now_ms()) | 1;
	printf("FREQRING_FUZZ_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
