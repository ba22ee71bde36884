/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poller, turned by hand: what it folds, refuses, mutes and quarantines,
 * what it owes to whom, and what a daemon that was killed leaves behind.
 */
#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

/* Doorbells are looked at this often, in turns, while some channel is hot. */
#define SCAN_EVERY	64u
/* A channel is muted after some empty looks. */
#define TO_BE_MUTED	(16 * SCAN_EVERY)
/* And is cold after so many turns without a request. */
#define TO_BE_COLD	(65536u + 512u)

static char dir[64];
static struct fx_queue queue;
static struct poller *poller;
static struct vm *vms[FRQ_MAX_VMS];
static int notify_fd;

static int
setup(void **state)
{
	(void)state;
	fx_dir_make(dir);
	fx_queue_make(&queue);
	notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	poller = fx_poller(&queue, FX_HZ_STILL, notify_fd);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	poller_free(poller);
	fx_queue_free(&queue);
	(void)close(notify_fd);
	for (unsigned int i = 0; i < FRQ_MAX_VMS; i++) {
		fx_vm_free(vms[i]);
		vms[i] = NULL;
	}
	fx_dir_remove(dir);
	return 0;
}

/* A placed VM that is served. */
static struct vm *
serve(unsigned int n, unsigned int nb_channels)
{
	vms[n] = fx_vm_make(dir, n, nb_channels);
	fx_vm_place(vms[n], &fx_table);
	fx_add(poller, vms[n]);
	return vms[n];
}

/* Turns until the channel was consumed up to `next`; fails after `most`. */
static unsigned int
turns_until(const struct vm *vm, unsigned int ch, uint16_t next, unsigned int most)
{
	for (unsigned int n = 0; n <= most; n++) {
		if (fx_consumed(vm, ch).next == next)
			return n;
		(void)poller_turn(poller);
	}
	fail_msg("channel %u was not consumed up to %u within %u turns", ch, next, most);
	return 0;
}

static bool
notified(void)
{
	uint64_t n;

	return read(notify_fd, &n, sizeof(n)) == sizeof(n);
}

static void
post(struct frq_producer *p, enum frq_op op, uint32_t arg)
{
	assert_int_equal(frq_producer_post(p, op, 0, arg), 0);
}

/* ---- folding ------------------------------------------------------------------- */

static void
each_operation_folds(void **state)
{
	static const struct {
		enum frq_op op;
		uint32_t arg;
		uint8_t kind;
		uint32_t khz;
		bool turbo_off;
	} steps[] = {
		{ FRQ_OP_MIN, 0, FRQ_WISH_MIN, 0, false },
		{ FRQ_OP_UP, 0, FRQ_WISH_KHZ, 1100000, false },
		{ FRQ_OP_MAX, 0, FRQ_WISH_MAX, 0, false },
		{ FRQ_OP_TURBO_OFF, 0, FRQ_WISH_MAX, 0, true },
		{ FRQ_OP_DOWN, 0, FRQ_WISH_KHZ, 2300000, true },
		{ FRQ_OP_SET, 1500000, FRQ_WISH_KHZ, 1500000, true },
		{ FRQ_OP_TURBO_ON, 0, FRQ_WISH_KHZ, 1500000, false },
		{ FRQ_OP_RELEASE, 0, FRQ_WISH_NONE, 0, false },
	};
	struct vm *vm = serve(0, 4);
	struct frq_producer p = fx_attach(vm, 2, 99);

	(void)state;
	(void)turns_until(vm, 2, p.next, 100);
	assert_true(fx_wish(vm, 2).attached);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct wish w;

		post(&p, steps[i].op, steps[i].arg);
		(void)turns_until(vm, 2, p.next, 100);
		w = fx_wish(vm, 2);
		assert_int_equal(w.kind, steps[i].kind);
		if (w.kind == FRQ_WISH_KHZ)
			assert_int_equal(w.khz, steps[i].khz);
		assert_int_equal(w.turbo_off, steps[i].turbo_off);
		assert_int_equal(w.next, p.next);
		assert_int_equal(fx_queue_drain(&queue) > 0, true);
	}
	assert_int_equal(vm->file.slot[2].requests, 1 + sizeof(steps) / sizeof(steps[0]));
	for (unsigned int r = 1; r < FRQ_REASON_COUNT; r++)
		assert_int_equal(vm->refused[r], 0);
}

static void
attach_sets_the_owner(void **state)
{
	struct vm *vm = serve(0, 1);
	struct frq_producer p = fx_producer(vm, 0);
	struct frq_request r;

	(void)state;
	frq_producer_attach(&p, vm->life, FRQ_ATTACH_UNCACHED, 0xabcdef);
	(void)turns_until(vm, 0, p.next, 100);
	r = frq_request_unpack(frq_load64(&frq_region_consumed(&vm->region, 0)->owner));
	assert_int_equal(r.op, FRQ_OP_ATTACH);
	assert_int_equal(r.arg, 0xabcdef);
	assert_int_equal(r.epoch, vm->life.epoch);
	assert_true(fx_wish(vm, 0).uncached);
	p = fx_attach(vm, 0, 5);
	(void)turns_until(vm, 0, p.next, 100);
	r = frq_request_unpack(frq_load64(&frq_region_consumed(&vm->region, 0)->owner));
	assert_int_equal(r.arg, 5);
	assert_false(fx_wish(vm, 0).uncached);
	assert_int_equal(vm->reattached, 1);
}

static void
ping_is_echoed_and_no_business_of_the_applier(void **state)
{
	struct vm *vm = serve(0, 1);
	struct frq_producer p = fx_attach(vm, 0, 1);
	uint64_t word;

	(void)state;
	(void)turns_until(vm, 0, p.next, 100);
	(void)fx_queue_drain(&queue);
	post(&p, FRQ_OP_PING, 0x123456);
	word = frq_load64(&frq_region_ring(&vm->region, 0)->slot[(p.next - 1) % 64]);
	(void)turns_until(vm, 0, p.next, 100);
	assert_int_equal(frq_load64(&frq_region_consumed(&vm->region, 0)->ping), word);
	assert_int_equal(fx_queue_drain(&queue), 0);
}

static void
burst_is_one_entry_of_the_queue(void **state)
{
	struct vm *vm = serve(0, 2);
	struct frq_producer p = fx_attach(vm, 1, 1);

	(void)state;
	for (unsigned int i = 0; i < 60; i++)
		post(&p, FRQ_OP_MIN, 0);
	(void)turns_until(vm, 1, p.next, 100);
	assert_ptr_equal(fx_queue_next(&queue), &vm->ch[1]);
	assert_null(fx_queue_next(&queue));
	post(&p, FRQ_OP_MAX, 0);
	(void)turns_until(vm, 1, p.next, 100);
	assert_int_equal(fx_queue_drain(&queue), 1);
}

static uint64_t
kicks(void)
{
	struct poller_stats st;

	poller_get_stats(poller, &st);
	return st.kicks;
}

static void
sleeping_applier_is_kicked_once(void **state)
{
	struct vm *vm = serve(0, 2);
	struct frq_producer p = fx_attach(vm, 0, 1);

	(void)state;
	(void)turns_until(vm, 0, p.next, 100);
	assert_int_equal(kicks(), 0);
	(void)fx_queue_drain(&queue);
	queue.sleeping = 1;
	post(&p, FRQ_OP_MAX, 0);
	(void)turns_until(vm, 0, p.next, 100);
	assert_int_equal(queue.sleeping, 0);
	assert_int_equal(kicks(), 1);
	(void)fx_queue_drain(&queue);
	post(&p, FRQ_OP_MIN, 0);
	(void)turns_until(vm, 0, p.next, 100);
	assert_int_equal(kicks(), 1);
}

/* A daemon that starts, or admits a VM, polls before the first map is there. */
static void
requests_before_the_first_map_are_kept(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct vm *vm = fx_vm_make(dir, 0, 1);
		struct frq_producer p = fx_attach(vm, 0, 1);

		(void)signal(SIGSEGV, SIG_DFL);
		(void)frq_producer_post(&p, FRQ_OP_SET, 0, 1400000);
		(void)frq_producer_post(&p, FRQ_OP_UP, 0, 0);
		fx_add(poller, vm);
		(void)fx_turns(poller, 1000);
		fx_vm_place(vm, &fx_table);
		(void)fx_turns(poller, 1000);
		_exit(fx_wish(vm, 0).khz == 1700000 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		fail_msg("the poller died of signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- refusals ------------------------------------------------------------------- */

static void
refused_by_cause(struct vm *vm, struct frq_producer *p, struct frq_request r,
	enum frq_reason reason)
{
	uint64_t before[FRQ_REASON_COUNT], total = vm->file.slot[0].refusals;
	struct frq_refusal last;
	struct wish w = fx_wish(vm, 0);

	memcpy(before, vm->refused, sizeof(before));
	assert_int_equal(frq_producer_post(p, (enum frq_op)r.op, r.flags, r.arg), 0);
	(void)turns_until(vm, 0, p->next, 100);
	for (unsigned int i = 0; i < FRQ_REASON_COUNT; i++)
		assert_int_equal(vm->refused[i], before[i] + (i == reason));
	assert_int_equal(vm->file.slot[0].refusals, total + 1);
	last = frq_refusal_unpack(vm->file.slot[0].refusal);
	assert_int_equal(last.seq, (uint16_t)(p->next - 1));
	assert_int_equal(last.reason, reason);
	assert_int_equal(last.op, r.op);
	assert_int_equal(last.arg, r.arg);
	/* and the wish is what it was */
	assert_int_equal(fx_wish(vm, 0).kind, w.kind);
	assert_int_equal(fx_wish(vm, 0).khz, w.khz);
	assert_int_equal(fx_queue_drain(&queue), 1);
}

static void
refusals_are_counted_by_cause(void **state)
{
	struct vm *vm = serve(0, 1);
	struct frq_producer p = fx_attach(vm, 0, 1);

	(void)state;
	post(&p, FRQ_OP_SET, 1400000);
	(void)turns_until(vm, 0, p.next, 100);
	(void)fx_queue_drain(&queue);
	refused_by_cause(vm, &p, (struct frq_request){ .op = 0 }, FRQ_REASON_BAD_OP);
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_COUNT }, FRQ_REASON_BAD_OP);
	refused_by_cause(vm, &p, (struct frq_request){ .op = 255 }, FRQ_REASON_BAD_OP);
	for (unsigned int op = FRQ_OP_UP; op < FRQ_OP_COUNT; op++)
		refused_by_cause(vm, &p, (struct frq_request){ .op = (uint8_t)op, .flags = 1,
			.arg = op == FRQ_OP_SET ? 1400000 : 0 }, FRQ_REASON_BAD_ARG);
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_MAX, .arg = 1 },
		FRQ_REASON_BAD_ARG);
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_SET }, FRQ_REASON_BAD_ARG);
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_ATTACH },
		FRQ_REASON_BAD_ARG);
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_ATTACH, .arg = 1,
		.flags = 0x80 }, FRQ_REASON_BAD_ARG);
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_SET, .arg = FRQ_ARG_MAX },
		FRQ_REASON_BAD_FREQ);
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_SET, .arg = 799999 },
		FRQ_REASON_BAD_FREQ);
	fx_vm_place(vm, &(const struct freq_table){ .nb = 0 });
	/* why there is none is the applier's to know */
	vm->ch[0].no_table = FRQ_REASON_NOT_MANAGED;
	refused_by_cause(vm, &p, (struct frq_request){ .op = FRQ_OP_UP },
		FRQ_REASON_NOT_MANAGED);
}

static void
foreign_epoch_is_refused_and_not_taken(void **state)
{
	struct vm *vm = serve(0, 1);
	struct frq_producer p = fx_attach(vm, 0, 1);
	uint16_t next;

	(void)state;
	(void)turns_until(vm, 0, p.next, 100);
	next = p.next;
	p.epoch++;
	post(&p, FRQ_OP_MIN, 0);
	(void)fx_turns(poller, TO_BE_MUTED);
	assert_int_equal(fx_consumed(vm, 0).next, next);
	assert_int_equal(vm->refused[FRQ_REASON_BAD_EPOCH], 1);
	assert_int_equal(fx_wish(vm, 0).kind, FRQ_WISH_NONE);
	/* and who comes with the right one is heard */
	p = fx_attach(vm, 0, 2);
	post(&p, FRQ_OP_MAX, 0);
	(void)turns_until(vm, 0, p.next, 2 * SCAN_EVERY);
	assert_int_equal(fx_wish(vm, 0).kind, FRQ_WISH_MAX);
}

/* A producer that does not look for credit overwrites what was not taken. */
static void
overrun_is_lost_and_said(void **state)
{
	struct vm *vm = serve(0, 1);
	struct frq_producer p = fx_attach(vm, 0, 1);

	(void)state;
	(void)turns_until(vm, 0, p.next, 100);
	p.limit = (uint16_t)(p.next - 1);
	for (unsigned int i = 0; i < 70; i++)
		post(&p, FRQ_OP_MIN, 0);
	(void)fx_turns(poller, TO_BE_MUTED);
	assert_int_equal(vm->refused[FRQ_REASON_LOST], 1);
	assert_int_equal(frq_refusal_unpack(vm->file.slot[0].refusal).reason, FRQ_REASON_LOST);
	assert_true(fx_queue_drain(&queue) > 0);
	p = fx_attach(vm, 0, 2);
	post(&p, FRQ_OP_MAX, 0);
	(void)turns_until(vm, 0, p.next, 2 * SCAN_EVERY);
	assert_int_equal(fx_wish(vm, 0).kind, FRQ_WISH_MAX);
}

/* ---- who is polled ---------------------------------------------------------------- */

static void
channel_beyond_nb_channels_is_never_polled(void **state)
{
	struct vm *vm = serve(0, 3);
	struct frq_producer p[16];

	(void)state;
	for (unsigned int ch = 3; ch < 16; ch++) {
		p[ch] = fx_attach(vm, ch, 1);
		post(&p[ch], FRQ_OP_MAX, 0);
	}
	(void)fx_turns(poller, 20000);
	for (unsigned int ch = 3; ch < 16; ch++)
		assert_int_equal(frq_load64(&frq_region_consumed(&vm->region, ch)->consumed), 0);
	assert_int_equal(vm->empty_doorbells, 0);
	assert_int_equal(fx_queue_drain(&queue), 0);
}

static void
empty_doorbells_mute_but_the_audit_finds_what_comes_later(void **state)
{
	struct vm *vm = serve(0, 16);
	struct frq_producer p = fx_attach(vm, 5, 1);
	unsigned int turns;

	(void)state;
	(void)turns_until(vm, 5, p.next, 100);
	for (unsigned int i = 0; i < 5000; i++) {
		frq_store8(frq_region_doorbell(&vm->region, 5), (uint8_t)(p.next + 1 + i % 250));
		(void)poller_turn(poller);
	}
	/* muted after a handful, not looked at 5000 times */
	assert_in_range(vm->empty_doorbells, 1, 100);
	/* long enough to be cold */
	(void)fx_turns(poller, TO_BE_COLD);
	post(&p, FRQ_OP_MAX, 0);
	turns = turns_until(vm, 5, p.next, SCAN_EVERY * 17);
	print_message("found after %u turns\n", turns);
	assert_int_equal(fx_wish(vm, 5).kind, FRQ_WISH_MAX);
	/* and the doorbell is believed again */
	(void)fx_turns(poller, TO_BE_COLD);
	post(&p, FRQ_OP_MIN, 0);
	(void)turns_until(vm, 5, p.next, 2);
}

/* The host takes a request from a hot slot before the guest rings for it: that
 * is no fault, however often it happens.
 */
static void
doorbell_that_lags_behind_a_hot_slot_is_no_fault(void **state)
{
	struct vm *vm = serve(0, 1);
	struct frq_producer p = fx_attach(vm, 0, 1);

	(void)state;
	(void)turns_until(vm, 0, p.next, 100);
	for (unsigned int i = 0; i < 100; i++) {
		/* The doorbell as it was until the poller has been around. */
		post(&p, FRQ_OP_MIN, 0);
		frq_store8(frq_region_doorbell(&vm->region, 0), (uint8_t)(p.next - 1));
		(void)turns_until(vm, 0, p.next, 2);
		(void)fx_turns(poller, SCAN_EVERY);
		frq_store8(frq_region_doorbell(&vm->region, 0), (uint8_t)p.next);
		(void)fx_turns(poller, SCAN_EVERY);
	}
	assert_int_equal(((const uint8_t *)vm->muted)[0], 0);
}

/* The doorbell was lost: it never came. */
static void
request_without_a_doorbell_is_found(void **state)
{
	struct vm *vm = serve(0, 4);
	struct frq_producer p = fx_attach(vm, 3, 1);

	(void)state;
	(void)turns_until(vm, 3, p.next, 100);
	(void)fx_turns(poller, TO_BE_COLD);
	post(&p, FRQ_OP_MAX, 0);
	frq_store8(frq_region_doorbell(&vm->region, 3), (uint8_t)(p.next - 1));
	(void)turns_until(vm, 3, p.next, SCAN_EVERY * 5);
}

/* A doorbell that reads like the cursor, by whatever accident, hides nothing. */
static void
attach_is_found_whatever_the_doorbell_says(void **state)
{
	struct vm *vm = serve(0, 4);
	struct frq_producer p = fx_attach(vm, 3, 1);
	uint16_t cursor;

	(void)state;
	(void)turns_until(vm, 3, p.next, 100);
	(void)fx_turns(poller, TO_BE_COLD);
	cursor = p.next;
	/* As after many starts while the host was away. */
	frq_store64(&frq_region_ring(&vm->region, 3)->slot[(cursor + 255) % 64],
		frq_request_pack((struct frq_request){ .seq = (uint16_t)(cursor + 255),
		.epoch = vm->life.epoch, .op = FRQ_OP_ATTACH, .arg = 7 }));
	frq_store8(frq_region_doorbell(&vm->region, 3), (uint8_t)(cursor + 256));
	(void)turns_until(vm, 3, (uint16_t)(cursor + 256), 100000);
}

static void
more_active_channels_than_hot_places(void **state)
{
	struct vm *vm = serve(0, 256);
	static struct frq_producer p[256];
	struct poller_stats st;

	(void)state;
	for (unsigned int ch = 0; ch < 256; ch++)
		p[ch] = fx_attach(vm, ch, ch + 1);
	(void)fx_turns(poller, 100);
	for (unsigned int round = 0; round < 200; round++) {
		for (unsigned int ch = 0; ch < 256; ch++)
			post(&p[ch], round % 2 == 0 ? FRQ_OP_MIN : FRQ_OP_MAX, 0);
		for (unsigned int ch = 0; ch < 256; ch++)
			(void)turns_until(vm, ch, p[ch].next, SCAN_EVERY * 2);
	}
	for (unsigned int ch = 0; ch < 256; ch++)
		assert_int_equal(vm->file.slot[ch].requests, 201);
	(void)fx_turns(poller, 256);
	poller_get_stats(poller, &st);
	assert_int_equal(st.hot, 64);
	assert_int_equal(st.requests, 256 * 201);
	/* who falls silent gives the place up */
	(void)fx_turns(poller, TO_BE_COLD);
	poller_get_stats(poller, &st);
	assert_int_equal(st.hot, 0);
}

static void
every_channel_of_every_vm_is_served(void **state)
{
	static struct frq_producer p[FRQ_MAX_VMS];

	(void)state;
	for (unsigned int n = 0; n < FRQ_MAX_VMS; n++)
		(void)serve(n, 1 + n * (FRQ_MAX_CHANNELS - 1) / (FRQ_MAX_VMS - 1));
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int n = 0; n < FRQ_MAX_VMS; n++) {
			unsigned int ch = (n * 7 * round) % vms[n]->nb_channels;

			p[n] = fx_attach(vms[n], ch, 1);
			post(&p[n], FRQ_OP_MAX, 0);
		}
		for (unsigned int n = 0; n < FRQ_MAX_VMS; n++)
			(void)turns_until(vms[n], (n * 7 * round) % vms[n]->nb_channels,
				p[n].next, SCAN_EVERY * 40);
	}
}

static void
vm_too_many_is_refused(void **state)
{
	struct vm *extra;

	(void)state;
	for (unsigned int n = 0; n < FRQ_MAX_VMS; n++)
		(void)serve(n, 1);
	extra = fx_vm_make(dir, FRQ_MAX_VMS, 1);
	fx_vm_place(extra, &fx_table);
	assert_int_equal(fx_call(poller, extra, true), -ENOSPC);
	fx_remove(poller, vms[10]);
	assert_int_equal(fx_call(poller, extra, true), 0);
	fx_remove(poller, extra);
	fx_vm_free(extra);
}

/* 256 channels of one VM post whenever they may; another asks for one thing. */
static void
flood_does_not_starve_another_vm(void **state)
{
	struct vm *flood = serve(0, 256), *quiet = serve(1, 2);
	static struct frq_producer p[256];
	struct frq_producer q = fx_attach(quiet, 1, 1);
	unsigned int worst = 0;

	(void)state;
	for (unsigned int ch = 0; ch < 256; ch++)
		p[ch] = fx_attach(flood, ch, 1);
	(void)fx_turns(poller, 100);
	for (unsigned int round = 0; round < 300; round++) {
		unsigned int turns = 0;

		post(&q, round % 2 == 0 ? FRQ_OP_MIN : FRQ_OP_MAX, 0);
		while (fx_consumed(quiet, 1).next != q.next) {
			for (unsigned int ch = 0; ch < 256; ch++)
				while (frq_producer_post(&p[ch], FRQ_OP_UP, 0, 0) == 0)
					;
			(void)poller_turn(poller);
			turns++;
			assert_in_range(turns, 1, 2 * SCAN_EVERY);
		}
		worst = turns > worst ? turns : worst;
	}
	print_message("worst: %u turns\n", worst);
}

/* ---- quarantine and rate limit -------------------------------------------------------- */

static void
violations_quarantine_the_channel_alone(void **state)
{
	struct vm *vm = serve(0, 8);
	struct frq_producer p = fx_attach(vm, 1, 1), q = fx_attach(vm, 2, 1);
	uint16_t next;

	(void)state;
	(void)turns_until(vm, 1, p.next, 100);
	(void)turns_until(vm, 2, q.next, 100);
	for (unsigned int i = 0; i < 5000 && !vm->ch[1].quarantined; i++) {
		(void)frq_producer_post(&p, FRQ_OP_NONE, 0, 0);
		(void)poller_turn(poller);
		(void)fx_queue_drain(&queue);
	}
	assert_true(vm->ch[1].quarantined);
	assert_in_range(vm->refused[FRQ_REASON_BAD_OP], 1024, 1100);
	(void)fx_turns(poller, 256);
	assert_true(notified());
	(void)fx_turns(poller, 512);
	assert_false(notified());
	next = fx_consumed(vm, 1).next;
	(void)frq_producer_post(&p, FRQ_OP_MAX, 0, 0);
	post(&q, FRQ_OP_MAX, 0);
	(void)turns_until(vm, 2, q.next, 100);
	(void)fx_turns(poller, 2000);
	assert_int_equal(fx_consumed(vm, 1).next, next);
	assert_false(vm->quarantined);
}

/* An honest guest that asks for what its host cannot give now (the vCPU
 * floats, or was pinned to a slower core) breaks no protocol.
 */
static void
honest_refusals_never_quarantine(void **state)
{
	static const struct freq_table none = { .nb = 0 };
	struct vm *vm = serve(0, 2);
	struct frq_producer p = fx_attach(vm, 0, 1), q = fx_attach(vm, 1, 1);

	(void)state;
	vm->ch[0].no_table = FRQ_REASON_UNPINNED;
	__atomic_store_n(&vm->ch[0].table, &none, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < 5000; i++) {
		(void)frq_producer_post(&p, FRQ_OP_UP, 0, 0);
		(void)frq_producer_post(&q, FRQ_OP_SET, 0, 3000000);
		(void)poller_turn(poller);
		(void)fx_queue_drain(&queue);
	}
	assert_true(vm->refused[FRQ_REASON_UNPINNED] > 1100);
	assert_true(vm->refused[FRQ_REASON_BAD_FREQ] > 1100);
	assert_false(vm->ch[0].quarantined);
	assert_false(vm->ch[1].quarantined);
}

static void
rate_limit_throttles_and_loses_nothing(void **state)
{
	struct vm *vm = fx_vm_make(dir, 0, 4);
	struct frq_producer p[4];
	uint64_t before, taken, start, ms;
	unsigned int ups = 0;

	(void)state;
	poller_free(poller);
	poller = fx_poller(&queue, fx_tsc_hz(), notify_fd);
	vms[0] = vm;
	vm->rate_limit = 20000;
	fx_vm_place(vm, &fx_table);
	fx_add(poller, vm);
	for (unsigned int ch = 0; ch < 4; ch++)
		p[ch] = fx_attach(vm, ch, 1);
	start = fx_now_ms();
	before = vm->file.slot[0].requests + vm->file.slot[1].requests +
		vm->file.slot[2].requests + vm->file.slot[3].requests;
	while (fx_now_ms() < start + 300) {
		for (unsigned int ch = 0; ch < 4; ch++)
			while (frq_producer_post(&p[ch], FRQ_OP_PING, 0, 1) == 0)
				ups++;
		(void)fx_turns(poller, 64);
	}
	ms = fx_now_ms() - start;
	taken = vm->file.slot[0].requests + vm->file.slot[1].requests +
		vm->file.slot[2].requests + vm->file.slot[3].requests - before;
	print_message("%ju taken in %ju ms\n", (uintmax_t)taken, (uintmax_t)ms);
	assert_in_range(taken, 20 * ms / 4, 20 * ms + 20 * 10 + 200);
	assert_true(vm->throttled > 0);
	/* what waits is taken as soon as it may be */
	while (fx_now_ms() < start + 2000 && (fx_consumed(vm, 0).next != p[0].next ||
	    fx_consumed(vm, 1).next != p[1].next || fx_consumed(vm, 2).next != p[2].next ||
	    fx_consumed(vm, 3).next != p[3].next))
		(void)fx_turns(poller, 64);
	taken = vm->file.slot[0].requests + vm->file.slot[1].requests +
		vm->file.slot[2].requests + vm->file.slot[3].requests;
	assert_int_equal(taken, ups + 4);
}

/* A limit that comes later, by a reload: what was taken before is not owed. */
static void
rate_limit_from_now_on(void **state)
{
	struct vm *vm = fx_vm_make(dir, 0, 1);
	struct frq_producer p;
	uint64_t start, before;

	(void)state;
	poller_free(poller);
	poller = fx_poller(&queue, fx_tsc_hz(), notify_fd);
	vms[0] = vm;
	fx_vm_place(vm, &fx_table);
	fx_add(poller, vm);
	p = fx_attach(vm, 0, 1);
	start = fx_now_ms();
	while (fx_now_ms() < start + 100) {
		while (frq_producer_post(&p, FRQ_OP_PING, 0, 1) == 0)
			;
		(void)fx_turns(poller, 64);
	}
	__atomic_store_n(&vm->rate_limit, 4000, __ATOMIC_RELAXED);
	before = vm->file.slot[0].requests;
	start = fx_now_ms();
	while (fx_now_ms() < start + 200) {
		while (frq_producer_post(&p, FRQ_OP_PING, 0, 1) == 0)
			;
		(void)fx_turns(poller, 64);
	}
	assert_true(before > 1000);
	assert_in_range(vm->file.slot[0].requests - before, 200, 4 * 400);
}

/* ---- heartbeat ----------------------------------------------------------------------- */

static uint64_t
heartbeat(const struct vm *vm)
{
	return frq_load64(&frq_region_header(&vm->region)->heartbeat);
}

static void
heartbeat_stops_only_when_the_applier_is_stuck(void **state)
{
	struct vm *vm;
	struct frq_producer p;
	struct poller_stats st;
	uint64_t beat;

	(void)state;
	poller_free(poller);
	poller = fx_poller(&queue, FX_HZ_FAST, notify_fd);
	vm = serve(0, 1);
	beat = heartbeat(vm);
	(void)fx_turns(poller, 256 * 2000);
	assert_true(heartbeat(vm) > beat + 100);
	/* work that nobody does */
	p = fx_attach(vm, 0, 1);
	(void)turns_until(vm, 0, p.next, 100);
	(void)fx_turns(poller, 256 * 2000);
	beat = heartbeat(vm);
	(void)fx_turns(poller, 256 * 2000);
	assert_int_equal(heartbeat(vm), beat);
	poller_get_stats(poller, &st);
	assert_true(st.stuck > 0);
	/* slow is not stuck */
	queue.progress++;
	(void)fx_turns(poller, 256);
	assert_true(heartbeat(vm) > beat);
	(void)fx_turns(poller, 256 * 2000);
	beat = heartbeat(vm);
	(void)fx_queue_drain(&queue);
	(void)fx_turns(poller, 256 * 100);
	assert_true(heartbeat(vm) > beat + 50);
}

/* ---- killed and started again ----------------------------------------------------------- */

/* The next daemon: another poller, another struct vm, the same two files. */
static void
kill_and_restart(unsigned int n)
{
	struct vm *dead = vms[n];

	(void)fx_queue_drain(&queue);
	vms[n] = fx_vm_again(dir, dead);
	fx_vm_free(dead);
	poller_free(poller);
	poller = fx_poller(&queue, FX_HZ_STILL, notify_fd);
	fx_vm_place(vms[n], &fx_table);
	fx_add(poller, vms[n]);
}

/* Steps up and down are what shows that one was lost or came twice. */
static void
killed_between_turns_loses_and_doubles_nothing(void **state)
{
	static const struct freq_table *t = &fx_table;
	uint64_t seed = 77, posted = 1;
	struct vm *vm = serve(0, 2);
	struct frq_producer p = fx_attach(vm, 1, 1);
	struct wish model = { .kind = FRQ_WISH_NONE };

	(void)state;
	for (unsigned int round = 0; round < 1500; round++) {
		for (unsigned int n = fx_random(&seed) % 40; n > 0; n--) {
			static const uint8_t ops[] = { FRQ_OP_UP, FRQ_OP_DOWN, FRQ_OP_DOWN,
				FRQ_OP_UP, FRQ_OP_MIN, FRQ_OP_TURBO_OFF, FRQ_OP_TURBO_ON };
			uint8_t op = ops[fx_random(&seed) % 7];
			int ret = frq_producer_post(&p, (enum frq_op)op, 0, 0);

			if (ret == -ESTALE)
				p.incarnation = fx_consumed(vms[0], 1).incarnation;
			if (ret != 0)
				continue;
			posted++;
			assert_int_equal(wish_fold(&model, op, 0, t), FRQ_REASON_OK);
		}
		(void)fx_turns(poller, fx_random(&seed) % 100);
		if (fx_random(&seed) % 4 == 0) {
			kill_and_restart(0);
			/* the guest's mapping is another and does not notice */
			p.ring = frq_region_ring(&vms[0]->region, 1);
			p.doorbell = frq_region_doorbell(&vms[0]->region, 1);
			p.consumed = frq_region_consumed(&vms[0]->region, 1);
		}
	}
	(void)turns_until(vms[0], 1, p.next, 200);
	assert_int_equal(fx_wish(vms[0], 1).kind, model.kind);
	assert_int_equal(fx_wish(vms[0], 1).khz, model.khz);
	assert_int_equal(fx_wish(vms[0], 1).turbo_off, model.turbo_off);
	assert_int_equal(vms[0]->file.slot[1].requests, posted);
	assert_int_equal(fx_consumed(vms[0], 1).total, posted);
}

/* ---- with its thread running --------------------------------------------------------------- */

static void *
run_poller(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

static void *
run_empty(void *arg)
{
	bool *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		(void)fx_queue_next(&queue);
	return NULL;
}

static void
vms_come_and_go_while_it_runs(void **state)
{
	bool stop = false;
	pthread_t t, applier;

	(void)state;
	for (unsigned int n = 0; n < 6; n++) {
		vms[n] = fx_vm_make(dir, n, 3);
		fx_vm_place(vms[n], &fx_table);
	}
	assert_int_equal(pthread_create(&applier, NULL, run_empty, &stop), 0);
	assert_int_equal(pthread_create(&t, NULL, run_poller, poller), 0);
	for (unsigned int round = 0; round < 50; round++) {
		struct frq_producer p[6];

		for (unsigned int n = 0; n < 6; n++) {
			if (n % 2 == round % 2)
				assert_int_equal(poller_add(poller, vms[n]), 0);
			p[n] = fx_attach(vms[n], round % 3, 1);
		}
		for (unsigned int n = round % 2; n < 6; n += 2) {
			uint64_t end = fx_now_ms() + 5000;

			(void)frq_producer_post(&p[n], FRQ_OP_MAX, 0, 0);
			while (fx_consumed(vms[n], round % 3).next != p[n].next)
				assert_true(fx_now_ms() < end);
			assert_int_equal(poller_remove(poller, vms[n]), 0);
			/* it is not touched any more */
			post(&p[n], FRQ_OP_MIN, 0);
		}
	}
	poller_stop(poller);
	(void)pthread_join(t, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(applier, NULL);
}

/* One that is told "no answer" and one that comes later are two questions. */
static void
answer_that_comes_late_is_not_taken_for_the_next(void **state)
{
	struct fx_call late;
	pthread_t t;
	struct poller_stats st;

	(void)state;
	vms[0] = fx_vm_make(dir, 0, 1);
	vms[1] = fx_vm_make(dir, 1, 1);
	fx_vm_place(vms[0], &fx_table);
	fx_vm_place(vms[1], &fx_table);
	/* nobody turns the poller */
	assert_int_equal(poller_add(poller, vms[0]), -ETIMEDOUT);
	(void)fx_turns(poller, 512);
	poller_get_stats(poller, &st);
	if (st.vms != 0)
		print_message("a VM whose poller_add failed is served all the same\n");
	late = (struct fx_call){ .p = poller, .vm = vms[1], .add = true };
	assert_int_equal(pthread_create(&t, NULL, fx_call_main, &late), 0);
	(void)usleep(300000);
	/* still nobody turned it, so this cannot have been answered */
	if (__atomic_load_n(&late.done, __ATOMIC_ACQUIRE)) {
		(void)pthread_join(t, NULL);
		fail_msg("poller_add returned %d before the poller looked", late.ret);
	}
	while (!__atomic_load_n(&late.done, __ATOMIC_ACQUIRE))
		(void)poller_turn(poller);
	(void)pthread_join(t, NULL);
	assert_int_equal(late.ret, 0);
	assert_int_equal(st.vms, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_operation_folds),
		T(attach_sets_the_owner),
		T(ping_is_echoed_and_no_business_of_the_applier),
		T(burst_is_one_entry_of_the_queue),
		T(sleeping_applier_is_kicked_once),
		T(requests_before_the_first_map_are_kept),
		T(refusals_are_counted_by_cause),
		T(foreign_epoch_is_refused_and_not_taken),
		T(overrun_is_lost_and_said),
		T(channel_beyond_nb_channels_is_never_polled),
		T(empty_doorbells_mute_but_the_audit_finds_what_comes_later),
		T(doorbell_that_lags_behind_a_hot_slot_is_no_fault),
		T(request_without_a_doorbell_is_found),
		T(attach_is_found_whatever_the_doorbell_says),
		T(more_active_channels_than_hot_places),
		T(every_channel_of_every_vm_is_served),
		T(vm_too_many_is_refused),
		T(flood_does_not_starve_another_vm),
		T(violations_quarantine_the_channel_alone),
		T(honest_refusals_never_quarantine),
		T(rate_limit_throttles_and_loses_nothing),
		T(rate_limit_from_now_on),
		T(heartbeat_stops_only_when_the_applier_is_stuck),
		T(killed_between_turns_loses_and_doubles_nothing),
		T(vms_come_and_go_while_it_runs),
		T(answer_that_comes_late_is_not_taken_for_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
