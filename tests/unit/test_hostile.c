/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer that changes any word of its region between any two steps of the
 * host, and a daemon that is killed there. Build with
 * -include tests/unit/hooked_shared.h, for this file and for what it tests.
 */
#include "fixture.h"

#define NB_CHANNELS	40u
/* Requests of a channel and turn, channels that are hot, doorbell words a turn:
 * what host/poller.c promises.
 */
#define DRAIN_MAX	32u
#define HOT_MAX		64u
#define WORDS_PER_TURN	64u
/* A look at one channel: its slots once for an attach, and a drain. */
#define LOADS_A_CHANNEL	(FRQ_RING_SLOTS + DRAIN_MAX + 1u)
#define LOADS_A_TURN	(HOT_MAX * (DRAIN_MAX + 1u) + \
	WORDS_PER_TURN * (1u + 8u * LOADS_A_CHANNEL) + 1u + LOADS_A_CHANNEL)

enum mode { MODE_OFF, MODE_HOSTILE, MODE_TWICE, MODE_KILL };

static struct {
	enum mode mode;
	uint8_t *base;		/* of the hostile region */
	uint64_t seed;
	uint64_t loads, stores;	/* since the counters were cleared */
	uint64_t outside;	/* accesses to no region at all */
	uint64_t host_owned;	/* loads of words that the host writes */
	uint32_t slot_loads[NB_CHANNELS][FRQ_RING_SLOTS];
	uint64_t first[NB_CHANNELS][FRQ_RING_SLOTS];	/* as first loaded */
	/* how often the slot had been loaded when its request was "consumed" */
	uint32_t drained_after[NB_CHANNELS][FRQ_RING_SLOTS];
	uint8_t *other;		/* base of the other VM's region */
	unsigned int kill_at;	/* the access at which the daemon ends */
	jmp_buf killed;
} hook;

static char dir[64];
static struct fx_queue queue;
static struct poller *poller;
static struct vm *hostile, *honest;

/* ---- the peer -------------------------------------------------------------------- */

static uint64_t
random64(void)
{
	uint64_t high = fx_random(&hook.seed);

	return high << 32 | fx_random(&hook.seed);
}

/* A request that is nearly right, so that it gets far. */
static uint64_t
plausible(unsigned int ch)
{
	struct channel *c = &hostile->ch[ch];
	struct frq_request r = {
		.seq = (uint16_t)(c->rx.next + fx_random(&hook.seed) % 3 * 64 -
			fx_random(&hook.seed) % 2 * 64 + fx_random(&hook.seed) % 4),
		.epoch = (uint8_t)(hostile->life.epoch + (fx_random(&hook.seed) % 8 == 0)),
		.op = (uint8_t)(fx_random(&hook.seed) % (FRQ_OP_COUNT + 2)),
		.flags = (uint8_t)(fx_random(&hook.seed) % 8 == 0),
		.arg = fx_random(&hook.seed) % 2 == 0 ? 0 : fx_random(&hook.seed),
	};

	return frq_request_pack(r);
}

static void
scribble(void)
{
	unsigned int ch = fx_random(&hook.seed) % NB_CHANNELS;
	uint64_t *ring = (uint64_t *)(hook.base + FRQ_OFF_RING) + FRQ_RING_SLOTS * ch;
	uint16_t next = hostile->ch[ch].rx.next;

	switch (fx_random(&hook.seed) % 8) {
	case 0:
		hook.base[FRQ_OFF_DOORBELL + ch] = (uint8_t)fx_random(&hook.seed);
		break;
	case 1:
		hook.base[FRQ_OFF_DOORBELL + ch] = (uint8_t)(next + 1);
		break;
	case 2:
		ring[fx_random(&hook.seed) % FRQ_RING_SLOTS] = random64();
		break;
	case 3:
	case 4:
		ring[(next + fx_random(&hook.seed) % 4) % FRQ_RING_SLOTS] = plausible(ch);
		break;
	case 5:	/* the next few, in order */
		for (unsigned int i = 0; i < fx_random(&hook.seed) % 64; i++)
			ring[(next + i) % FRQ_RING_SLOTS] = (plausible(ch) & ~UINT64_C(0xffffff)) |
				(uint16_t)(next + i) | (uint64_t)hostile->life.epoch << 16;
		hook.base[FRQ_OFF_DOORBELL + ch] = (uint8_t)(next + 64);
		break;
	default: /* what is the host's: header, consumed, state, tables */
		*(uint64_t *)(hook.base + (fx_random(&hook.seed) % (FRQ_OFF_END / 8)) * 8) =
			random64();
		break;
	}
}

static bool
in_region(const uint8_t *base, const volatile void *p, unsigned int size)
{
	return base != NULL && (uintptr_t)p >= (uintptr_t)base &&
		(uintptr_t)p + size <= (uintptr_t)base + FRQ_REGION_SIZE;
}

static void
die_here(void)
{
	if (hook.mode == MODE_KILL && hook.kill_at != 0 && --hook.kill_at == 0) {
		hook.mode = MODE_OFF;
		longjmp(hook.killed, 1);
	}
}

static void
note_slot(uintptr_t offset)
{
	unsigned int n = (unsigned int)(offset - FRQ_OFF_RING) / 8;
	unsigned int ch = n / FRQ_RING_SLOTS, slot = n % FRQ_RING_SLOTS;

	if (ch >= NB_CHANNELS) {
		hook.outside++;
		return;
	}
	if (hook.slot_loads[ch][slot]++ == 0)
		hook.first[ch][slot] = *(uint64_t *)(hook.base + offset);
	else if (hook.mode == MODE_TWICE) /* the second look sees something else */
		*(uint64_t *)(hook.base + offset) = random64();
}

static void
note_consumed(uintptr_t offset, uint64_t v)
{
	uintptr_t at = offset - FRQ_OFF_CONSUMED;
	unsigned int slot = (unsigned int)(v - 1) % FRQ_RING_SLOTS;

	if (offset >= FRQ_OFF_CONSUMED && offset < FRQ_OFF_STATE && at % FRQ_LINE == 0 &&
	    at / FRQ_LINE < NB_CHANNELS)
		hook.drained_after[at / FRQ_LINE][slot] = hook.slot_loads[at / FRQ_LINE][slot];
}

void
hook_load(const volatile void *p, unsigned int size)
{
	uintptr_t offset;

	if (hook.mode == MODE_OFF)
		return;
	die_here();
	if (in_region(hook.other, p, size))
		return;
	if (!in_region(hook.base, p, size)) {
		hook.outside++;
		return;
	}
	hook.loads++;
	offset = (uintptr_t)p - (uintptr_t)hook.base;
	if (hook.mode == MODE_HOSTILE)
		scribble();
	if (offset >= FRQ_OFF_RING && offset < FRQ_OFF_TABLE)
		note_slot(offset);
	else if (offset < FRQ_OFF_DOORBELL || offset >= FRQ_OFF_CONSUMED)
		hook.host_owned++;
}

void
hook_store(volatile void *p, unsigned int size, uint64_t v)
{
	if (hook.mode == MODE_OFF)
		return;
	die_here();
	if (in_region(hook.other, p, size))
		return;
	if (!in_region(hook.base, p, size)) {
		hook.outside++;
		return;
	}
	hook.stores++;
	note_consumed((uintptr_t)p - (uintptr_t)hook.base, v);
	if (hook.mode == MODE_HOSTILE)
		scribble();
}

static void
clear_counts(void)
{
	hook.loads = hook.stores = 0;
	memset(hook.slot_loads, 0, sizeof(hook.slot_loads));
	memset(hook.drained_after, 0, sizeof(hook.drained_after));
}

/* One turn with the peer awake. */
static unsigned int
turn_in(enum mode mode)
{
	unsigned int n;

	clear_counts();
	hook.mode = mode;
	n = poller_turn(poller);
	hook.mode = MODE_OFF;
	return n;
}

/* ---- a world -------------------------------------------------------------------- */

static int
setup(void **state)
{
	(void)state;
	memset(&hook, 0, sizeof(hook));
	hook.seed = 0x5eed;
	fx_dir_make(dir);
	fx_queue_make(&queue);
	poller = fx_poller(&queue, FX_HZ_FAST, -1);
	hostile = fx_vm_make(dir, 1, NB_CHANNELS);
	honest = fx_vm_make(dir, 2, 4);
	fx_vm_place(hostile, &fx_table);
	fx_vm_place(honest, &fx_table);
	fx_add(poller, hostile);
	fx_add(poller, honest);
	hook.base = (uint8_t *)(uintptr_t)hostile->region.base;
	hook.other = (uint8_t *)(uintptr_t)honest->region.base;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	hook.mode = MODE_OFF;
	poller_free(poller);
	fx_queue_free(&queue);
	fx_vm_free(hostile);
	fx_vm_free(honest);
	fx_dir_remove(dir);
	return 0;
}

/* ---- what holds whatever it does --------------------------------------------------- */

static uint64_t
refused(const struct vm *vm)
{
	uint64_t n = 0;

	for (unsigned int r = 0; r < FRQ_REASON_COUNT; r++)
		n += vm->refused[r];
	return n;
}

static uint64_t
consumed(const struct vm *vm)
{
	uint64_t n = 0;

	for (unsigned int ch = 0; ch < vm->nb_channels; ch++)
		n += vm->file.slot[ch].requests;
	return n;
}

static void
check_wishes(void)
{
	for (unsigned int ch = 0; ch < NB_CHANNELS; ch++) {
		struct wish w = fx_wish(hostile, ch);

		/* what is remembered is the host's own view */
		assert_int_equal(w.next, hostile->ch[ch].rx.next);
		if (w.epoch != 0)
			assert_int_equal(w.epoch, hostile->life.epoch);
		if (w.kind == FRQ_WISH_KHZ)
			assert_in_range(w.khz, 800000, 2601000);
	}
}

static void
any_word_changes_at_any_time(void **state)
{
	struct frq_producer p = fx_attach(honest, 3, 1);
	struct wish model = { .kind = FRQ_WISH_NONE };
	uint64_t n = 0, most = 0;

	(void)state;
	print_message("seed %#jx\n", (uintmax_t)hook.seed);
	for (unsigned int turn = 0; turn < 40000; turn++) {
		uint8_t op = turn % 3 == 0 ? FRQ_OP_UP : FRQ_OP_DOWN;

		/* new channels where the old ones were put away */
		for (unsigned int ch = 0; ch < NB_CHANNELS; ch++)
			if (turn % 1000 == 0)
				hostile->ch[ch].quarantined = false;
		if (frq_producer_post(&p, (enum frq_op)op, 0, 0) == 0)
			(void)wish_fold(&model, op, 0, &fx_table);
		scribble();
		n += turn_in(MODE_HOSTILE);
		most = hook.loads > most ? hook.loads : most;
		assert_in_range(hook.loads, 0, LOADS_A_TURN);
		assert_int_equal(hook.outside, 0);
		/* it never reads back what is its own */
		assert_int_equal(hook.host_owned, 0);
		if (turn % 64 == 0) {
			struct channel *ch;

			check_wishes();
			while ((ch = fx_queue_next(&queue)) != NULL)
				assert_true(ch->vm == honest || (ch->vm == hostile &&
					ch->number < NB_CHANNELS));
		}
	}
	for (unsigned int i = 0; i < 1000; i++)
		n += turn_in(MODE_OFF);
	print_message("%ju requests, %ju refused, %ju empty doorbells, at most %ju loads a turn\n",
		(uintmax_t)consumed(hostile), (uintmax_t)refused(hostile),
		(uintmax_t)hostile->empty_doorbells, (uintmax_t)most);
	assert_true(consumed(hostile) > 10000);
	assert_int_equal(n, consumed(hostile) + consumed(honest));
	/* every refusal is of a request, or of one that was lost or foreign */
	assert_true(refused(hostile) <= consumed(hostile) +
		hostile->refused[FRQ_REASON_LOST] + hostile->refused[FRQ_REASON_BAD_EPOCH]);
	/* the other VM never noticed */
	assert_int_equal(refused(honest), 0);
	assert_int_equal(honest->empty_doorbells, 0);
	assert_int_equal(fx_consumed(honest, 3).next, p.next);
	assert_int_equal(fx_wish(honest, 3).kind, model.kind);
	assert_int_equal(fx_wish(honest, 3).khz, model.khz);
	assert_false(honest->ch[3].quarantined);
}

/*
 * Every slot that is looked at a second time in a turn reads as something
 * else. What the host makes of a drained request must follow from the value
 * it saw first; each drained slot is loaded once.
 */
static void
each_request_is_loaded_once(void **state)
{
	struct frq_producer p = fx_attach(hostile, 7, 1);
	struct wish model = { .kind = FRQ_WISH_NONE };
	uint64_t refusals = 0;

	(void)state;
	while (turn_in(MODE_OFF) == 0)
		;
	for (unsigned int round = 0; round < 5000; round++) {
		uint16_t from = hostile->ch[7].rx.next, to;
		unsigned int nb = 1 + fx_random(&hook.seed) % 30;

		for (unsigned int i = 0; i < nb; i++) {
			uint8_t op = (uint8_t)(FRQ_OP_UP + fx_random(&hook.seed) % 8);
			uint32_t arg = op == FRQ_OP_SET ? fx_random(&hook.seed) % 3000000 : 0;

			assert_int_equal(frq_producer_post(&p, (enum frq_op)op, 0, arg), 0);
		}
		while (turn_in(MODE_TWICE) == 0)
			;
		to = hostile->ch[7].rx.next;
		assert_int_equal((uint16_t)(to - from), nb);
		for (uint16_t seq = from; seq != to; seq++) {
			struct frq_request r = frq_request_unpack(
				hook.first[7][seq % FRQ_RING_SLOTS]);

			/* known of those that were published one by one */
			assert_in_range(hook.drained_after[7][seq % FRQ_RING_SLOTS],
				seq == (uint16_t)(to - 1), 1);
			assert_int_equal(r.seq, seq);
			refusals += wish_fold(&model, r.op, r.arg, &fx_table) != FRQ_REASON_OK;
		}
		assert_int_equal(fx_wish(hostile, 7).kind, model.kind);
		assert_int_equal(fx_wish(hostile, 7).khz, model.khz);
		assert_int_equal(fx_wish(hostile, 7).turbo_off, model.turbo_off);
		assert_int_equal(refused(hostile), refusals);
		(void)fx_queue_drain(&queue);
	}
}

/* All channels ring for nothing, all the time, each time differently. */
static void
doorbell_storm_is_bounded(void **state)
{
	struct frq_producer p = fx_attach(honest, 0, 1);
	uint64_t loads = 0;

	(void)state;
	for (unsigned int turn = 0; turn < 20000; turn++) {
		for (unsigned int ch = 0; ch < NB_CHANNELS; ch++)
			hook.base[FRQ_OFF_DOORBELL + ch] = (uint8_t)(1 + turn % 255);
		(void)turn_in(MODE_TWICE);
		assert_in_range(hook.loads, 0, LOADS_A_TURN);
		loads += hook.loads;
	}
	/* after the first of them nearly nothing */
	print_message("%ju loads in 20000 turns\n", (uintmax_t)loads);
	assert_true(loads < 20000 * (NB_CHANNELS / 8 + 1 + LOADS_A_CHANNEL));
	assert_int_equal(consumed(hostile), 0);
	assert_int_equal(fx_consumed(honest, 0).next, p.next);
}

/* Every channel claims a full ring in each turn. */
static void
flood_is_bounded(void **state)
{
	(void)state;
	for (unsigned int turn = 0; turn < 300; turn++) {
		unsigned int n;

		for (unsigned int ch = 0; ch < NB_CHANNELS; ch++) {
			uint64_t *ring = (uint64_t *)(hook.base + FRQ_OFF_RING) +
				FRQ_RING_SLOTS * ch;
			uint16_t next = hostile->ch[ch].rx.next;

			for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++)
				ring[(next + i) % FRQ_RING_SLOTS] = frq_request_pack(
					(struct frq_request){ .seq = (uint16_t)(next + i),
					.epoch = hostile->life.epoch, .op = FRQ_OP_MAX });
			hook.base[FRQ_OFF_DOORBELL + ch] = (uint8_t)(next + 64);
		}
		n = turn_in(MODE_TWICE);
		assert_in_range(hook.loads, 0, LOADS_A_TURN);
		/* by its slot, by its doorbell, and one of them by the audit */
		assert_in_range(n, 0, (2 * NB_CHANNELS + 1) * DRAIN_MAX);
		for (unsigned int ch = 0; ch < NB_CHANNELS; ch++)
			assert_in_range(hook.slot_loads[ch][hostile->ch[ch].rx.next %
				FRQ_RING_SLOTS], 0, 4);
	}
}

/* ---- killed between any two steps --------------------------------------------------- */

static void
start_again(void)
{
	struct vm *dead[2] = { hostile, honest };

	(void)fx_queue_drain(&queue);
	hostile = fx_vm_again(dir, dead[0]);
	honest = fx_vm_again(dir, dead[1]);
	fx_vm_free(dead[0]);
	fx_vm_free(dead[1]);
	poller_free(poller);
	poller = fx_poller(&queue, FX_HZ_FAST, -1);
	fx_vm_place(hostile, &fx_table);
	fx_vm_place(honest, &fx_table);
	hook.mode = MODE_OFF;
	fx_add(poller, hostile);
	fx_add(poller, honest);
	hook.base = (uint8_t *)(uintptr_t)hostile->region.base;
	hook.other = (uint8_t *)(uintptr_t)honest->region.base;
}

static void
move_producer(struct frq_producer *p)
{
	p->ring = frq_region_ring(&hostile->region, 5);
	p->doorbell = frq_region_doorbell(&hostile->region, 5);
	p->consumed = frq_region_consumed(&hostile->region, 5);
	p->incarnation = fx_consumed(hostile, 5).incarnation;
}

static void
killed_between_any_two_steps(void **state)
{
	static struct frq_producer p;	/* not in a register across longjmp */
	static struct wish model;
	static uint64_t posted, kills;
	static unsigned int round;

	(void)state;
	p = fx_attach(hostile, 5, 1);
	posted = 1;
	for (round = 0; round < 4000; round++) {
		for (unsigned int n = fx_random(&hook.seed) % 20; n > 0; n--) {
			static const uint8_t ops[] = { FRQ_OP_UP, FRQ_OP_DOWN, FRQ_OP_DOWN,
				FRQ_OP_UP, FRQ_OP_MIN, FRQ_OP_TURBO_OFF, FRQ_OP_TURBO_ON };
			uint8_t op = ops[fx_random(&hook.seed) % 7];

			if (frq_producer_post(&p, (enum frq_op)op, 0, 0) != 0)
				break;
			posted++;
			assert_int_equal(wish_fold(&model, op, 0, &fx_table), FRQ_REASON_OK);
		}
		if (setjmp(hook.killed) == 0) {
			hook.kill_at = 1 + fx_random(&hook.seed) % 100;
			hook.mode = MODE_KILL;
			(void)fx_turns(poller, 20);
			hook.mode = MODE_OFF;
		} else {
			kills++;
			start_again();
			move_producer(&p);
		}
	}
	for (unsigned int i = 0; i < 2000; i++)
		(void)poller_turn(poller);
	print_message("%ju requests, killed %ju times\n", (uintmax_t)posted, (uintmax_t)kills);
	assert_true(kills > 1000);
	assert_int_equal(fx_consumed(hostile, 5).next, p.next);
	assert_int_equal(fx_wish(hostile, 5).kind, model.kind);
	assert_int_equal(fx_wish(hostile, 5).khz, model.khz);
	assert_int_equal(fx_wish(hostile, 5).turbo_off, model.turbo_off);
	assert_int_equal(refused(hostile), 0);
}

/* The same, for the figure that the guest is shown: two words, so a kill may
 * make it one too few or too many, but not a batch.
 */
static void
count_of_requests_survives_a_kill(void **state)
{
	static struct frq_producer p;
	static uint64_t posted, kills;
	static unsigned int round;

	(void)state;
	p = fx_attach(hostile, 5, 1);
	posted = 1;
	for (round = 0; round < 500; round++) {
		for (unsigned int n = 0; n < 10; n++)
			posted += frq_producer_post(&p, FRQ_OP_MIN, 0, 0) == 0;
		if (setjmp(hook.killed) == 0) {
			hook.kill_at = 1 + fx_random(&hook.seed) % 60;
			hook.mode = MODE_KILL;
			(void)fx_turns(poller, 20);
			hook.mode = MODE_OFF;
		} else {
			kills++;
			start_again();
			move_producer(&p);
		}
	}
	for (unsigned int i = 0; i < 2000; i++)
		(void)poller_turn(poller);
	assert_int_equal(fx_consumed(hostile, 5).next, p.next);
	assert_in_range(fx_consumed(hostile, 5).total, posted - kills, posted + kills);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_word_changes_at_any_time),
		T(each_request_is_loaded_once),
		T(doorbell_storm_is_bounded),
		T(flood_is_bounded),
		T(killed_between_any_two_steps),
		T(count_of_requests_survives_a_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
