/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The applier, stepped by hand over hardware that only records: when it
 * writes, what it gives back, and what it tells the guest.
 */
#include "fixture.h"

static char dir[64];
static struct applier *applier;
static struct poller *poller;
static struct vm *vms[4];
static uint64_t generation;

static int
setup(void **state)
{
	struct applier_config c = { .power = &recorder_ops, .yield = true, .done_fd = -1 };

	(void)state;
	recorder_reset();
	fx_dir_make(dir);
	for (unsigned int i = 0; i < 8; i++)
		cpuset_add(&c.managed, i);
	applier = applier_create(&c);
	if (applier == NULL)
		return -1;
	poller = poller_create(&(const struct poller_config){
		.queue = applier_queue(applier), .tsc_hz = FX_HZ_STILL, .notify_fd = -1,
	});
	generation = 0;
	return poller == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(recorder.misuse, 0);
	poller_free(poller);
	applier_free(applier);
	for (unsigned int i = 0; i < 4; i++) {
		fx_vm_free(vms[i]);
		vms[i] = NULL;
	}
	fx_dir_remove(dir);
	return 0;
}

/* ---- a world ------------------------------------------------------------------- */

static void
settle(void)
{
	(void)fx_turns(poller, 200);
	while (applier_step(applier))
		;
}

/* Polled first and placed afterwards, as the daemon does. */
static struct vm *
serve(unsigned int n, unsigned int nb_channels)
{
	vms[n] = fx_vm_make(dir, n, nb_channels);
	fx_add(poller, vms[n]);
	return vms[n];
}

static struct applier_map *
new_map(void)
{
	return fx_map(++generation);
}

static void
hand_over(struct applier_map *m)
{
	applier_set_map(applier, m);
	settle();
	assert_int_equal(applier_generation(applier), m->generation);
}

/* Channel 0 of one VM on one CPU: the usual case. */
static struct frq_producer
usual(unsigned int n, unsigned int cpu)
{
	struct applier_map *m = new_map();

	(void)serve(n, 2);
	fx_pin(fx_map_vm(m, vms[n]), 0, cpu);
	hand_over(m);
	return fx_attach(vms[n], 0, 1);
}

static void
post(struct frq_producer *p, enum frq_op op, uint32_t arg)
{
	assert_int_equal(frq_producer_post(p, op, 0, arg), 0);
}

static void
ask(struct frq_producer *p, enum frq_op op, uint32_t arg)
{
	post(p, op, arg);
	settle();
}

static bool
applied_becomes(unsigned int n, uint32_t khz, unsigned int ms)
{
	uint64_t end = fx_now_ms() + ms;

	do {
		(void)fx_turns(poller, 64);
		while (applier_step(applier))
			;
		if (fx_applied(vms[n], 0).granted_khz == khz)
			return true;
		(void)usleep(2000);
	} while (fx_now_ms() < end);
	return false;
}

/* ---- decisions ----------------------------------------------------------------- */

static void
burst_costs_one_write(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct applier_stats st;

	(void)state;
	for (unsigned int i = 0; i < 30; i++)
		post(&p, i % 2 == 0 ? FRQ_OP_MIN : FRQ_OP_MAX, 0);
	post(&p, FRQ_OP_SET, 1400000);
	settle();
	assert_int_equal(recorder.count[RECORDED_TAKE], 1);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	assert_int_equal(recorder.index[3], 5);
	/* the same again is no write */
	ask(&p, FRQ_OP_SET, 1400000);
	ask(&p, FRQ_OP_SET, 1300000);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	applier_get_stats(applier, &st);
	assert_int_equal(st.domains.writes, 1);
	assert_int_equal(st.domains.write_errors, 0);
}

static void
nobody_asked_nothing_is_taken(void **state)
{
	struct frq_producer p = usual(0, 3);

	(void)state;
	settle();
	ask(&p, FRQ_OP_PING, 1);
	ask(&p, FRQ_OP_TURBO_OFF, 0);
	assert_int_equal(recorder.count[RECORDED_TAKE], 0);
	assert_int_equal(recorder.count[RECORDED_SET], 0);
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 0);
	assert_int_equal(fx_applied(vms[0], 0).wish, FRQ_WISH_NONE);
}

static void
release_gives_the_cpu_back(void **state)
{
	struct frq_producer p = usual(0, 3);

	(void)state;
	ask(&p, FRQ_OP_MAX, 0);
	assert_int_equal(recorder.index[3], 0);
	ask(&p, FRQ_OP_RELEASE, 0);
	assert_int_equal(recorder.index[3], -1);
	assert_false(recorder.taken[3]);
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 0);
	ask(&p, FRQ_OP_MIN, 0);
	assert_int_equal(recorder.index[3], 7);
}

static void
turbo_off_is_the_first_below(void **state)
{
	struct frq_producer p = usual(0, 1);

	(void)state;
	ask(&p, FRQ_OP_MAX, 0);
	assert_int_equal(recorder.index[1], 0);
	assert_int_equal(fx_applied(vms[0], 0).turbo,
		FRQ_TURBO_ALLOWED | FRQ_TURBO_AVAILABLE | FRQ_TURBO_GRANTED);
	ask(&p, FRQ_OP_TURBO_OFF, 0);
	assert_int_equal(recorder.index[1], 1);
	assert_int_equal(fx_applied(vms[0], 0).turbo, FRQ_TURBO_AVAILABLE);
	ask(&p, FRQ_OP_SET, 2601000);
	assert_int_equal(recorder.index[1], 1);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_LIMITED);
}

static void
highest_vote_of_all_vms_wins(void **state)
{
	struct applier_map *m = new_map();
	struct frq_producer p[3];
	struct frq_applied a;

	(void)state;
	for (unsigned int n = 0; n < 3; n++)
		fx_pin(fx_map_vm(m, serve(n, 2)), 1, 4);
	hand_over(m);
	for (unsigned int n = 0; n < 3; n++) {
		p[n] = fx_attach(vms[n], 1, 1);
	}
	ask(&p[0], FRQ_OP_MIN, 0);
	assert_int_equal(recorder.index[4], 7);
	ask(&p[1], FRQ_OP_SET, 2000000);
	assert_int_equal(recorder.index[4], 3);
	/* the first is told though it said nothing */
	a = fx_applied(vms[0], 1);
	assert_int_equal(a.reason, FRQ_REASON_ARBITRATED);
	assert_int_equal(a.granted_khz, 2000000);
	assert_int_equal(fx_verdict(vms[0], 1).changes, 0);
	ask(&p[2], FRQ_OP_MAX, 0);
	assert_int_equal(recorder.index[4], 0);
	ask(&p[2], FRQ_OP_RELEASE, 0);
	assert_int_equal(recorder.index[4], 3);
	ask(&p[1], FRQ_OP_RELEASE, 0);
	assert_int_equal(recorder.index[4], 7);
	assert_int_equal(fx_applied(vms[0], 1).reason, FRQ_REASON_OK);
	assert_int_equal(recorder.count[RECORDED_TAKE], 1);
}

static void
several_cpus_of_one_vcpu(void **state)
{
	struct applier_map *m = new_map();
	struct applier_map_vm *mv = fx_map_vm(m, serve(0, 2));
	struct frq_producer p, q;

	(void)state;
	fx_pin(mv, 0, 2);
	fx_pin(mv, 0, 5);
	fx_pin(mv, 1, 5);
	hand_over(m);
	p = fx_attach(vms[0], 0, 1);
	q = fx_attach(vms[0], 1, 1);
	ask(&p, FRQ_OP_MIN, 0);
	assert_int_equal(recorder.index[2], 7);
	assert_int_equal(recorder.index[5], 7);
	ask(&q, FRQ_OP_MAX, 0);
	assert_int_equal(recorder.index[2], 7);
	assert_int_equal(recorder.index[5], 0);
	/* granted is what it can count on */
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 800000);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_ARBITRATED);
	assert_int_equal(frq_now_unpack(frq_load64(
		&frq_region_state(&vms[0]->region, 0)->now)).nb_pcpus, 2);
}

/* ---- where the votes go ---------------------------------------------------------- */

static void
repinned_vote_moves_and_the_old_cpu_is_given_back(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct applier_map *m;
	struct frq_now now;

	(void)state;
	ask(&p, FRQ_OP_SET, 1100000);
	m = new_map();
	fx_pin(fx_map_vm(m, vms[0]), 0, 6);
	hand_over(m);
	assert_int_equal(recorder.index[3], -1);
	assert_int_equal(recorder.index[6], 6);
	now = frq_now_unpack(frq_load64(&frq_region_state(&vms[0]->region, 0)->now));
	assert_int_equal(now.pcpu, 6);
	assert_int_equal(now.khz, 1100000);
	assert_int_equal(now.index, 6);
	/* nothing was refused, so nothing has to be said again */
	assert_int_equal(fx_verdict(vms[0], 0).changes, 0);
}

static void
repinned_wish_is_read_against_the_new_table(void **state)
{
	static const struct freq_table slow = { .nb = 2, .khz = { 1000000, 500000 } };
	struct frq_producer p;
	struct applier_map *m;
	struct freq_table t;

	(void)state;
	recorder.table[6] = slow;
	p = usual(0, 3);
	ask(&p, FRQ_OP_SET, 2300000);
	m = new_map();
	fx_pin(fx_map_vm(m, vms[0]), 0, 6);
	hand_over(m);
	assert_int_equal(recorder.index[6], 0);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_LIMITED);
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 1000000);
	assert_int_equal(frq_table_read(frq_region_table(&vms[0]->region, 0), &t), 0);
	assert_int_equal(t.nb, 2);
	assert_int_equal(t.khz[1], 500000);
	ask(&p, FRQ_OP_DOWN, 0);
	assert_int_equal(recorder.index[6], 1);
}

static void
dropped_vm_gives_back(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct applier_map *m;

	(void)state;
	ask(&p, FRQ_OP_MAX, 0);
	fx_remove(poller, vms[0]);
	m = new_map();
	applier_set_map(applier, m);
	while (applier_step(applier))
		;
	assert_int_equal(recorder.index[3], -1);
	/* and it is not touched any more: its memory may go */
	fx_vm_free(vms[0]);
	vms[0] = NULL;
	settle();
	m = new_map();
	hand_over(m);
}

static void
dropped_with_a_change_on_the_queue(void **state)
{
	struct frq_producer p = usual(0, 3);

	(void)state;
	ask(&p, FRQ_OP_MAX, 0);
	post(&p, FRQ_OP_MIN, 0);
	(void)fx_turns(poller, 10);
	fx_remove(poller, vms[0]);
	applier_set_map(applier, new_map());
	while (applier_step(applier))
		;
	fx_vm_free(vms[0]);
	vms[0] = NULL;
	while (applier_step(applier))
		;
	assert_int_equal(recorder.index[3], -1);
}

/* Polled, and with work on the queue, before any map names it. */
static void
vm_before_its_first_map(void **state)
{
	struct applier_map *m = new_map();
	struct frq_producer p;

	(void)state;
	(void)serve(0, 1);
	p = fx_attach(vms[0], 0, 1);
	post(&p, FRQ_OP_MAX, 0);
	settle();
	assert_int_equal(recorder.count[RECORDED_TAKE], 0);
	fx_pin(fx_map_vm(m, vms[0]), 0, 2);
	hand_over(m);
	settle();
	assert_int_equal(recorder.index[2], 0);
	assert_int_equal(fx_applied(vms[0], 0).next, p.next);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
}

static void
standing_is_visible_and_said_once(void **state)
{
	static const enum frq_reason reasons[] = {
		FRQ_REASON_UNPINNED, FRQ_REASON_NOT_MANAGED, FRQ_REASON_PAUSED,
		FRQ_REASON_NO_VCPU,
	};
	struct frq_producer p = usual(0, 3);

	(void)state;
	ask(&p, FRQ_OP_MAX, 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct applier_map *m = new_map();
		uint32_t changes = fx_verdict(vms[0], 0).changes;

		fx_map_vm(m, vms[0])->vcpu[0].standing = reasons[i];
		hand_over(m);
		assert_int_equal(recorder.index[3], -1);
		assert_int_equal(fx_applied(vms[0], 0).reason, reasons[i]);
		assert_int_equal(fx_applied(vms[0], 0).granted_khz, 0);
		assert_int_equal(fx_verdict(vms[0], 0).reason, reasons[i]);
		assert_int_equal(fx_verdict(vms[0], 0).changes, changes + 1);
		for (unsigned int n = 0; n < 5; n++) {
			ask(&p, FRQ_OP_UP, 0);
			ask(&p, n % 2 == 0 ? FRQ_OP_MIN : FRQ_OP_MAX, 0);
		}
		assert_int_equal(fx_verdict(vms[0], 0).changes, changes + 1);
		assert_int_equal(fx_verdict(vms[0], 0).reason, reasons[i]);
	}
	assert_int_equal(frq_now_unpack(frq_load64(
		&frq_region_state(&vms[0]->region, 0)->now)).pcpu, FRQ_NO_PCPU);
}

/* A step that was refused for want of a core is history once there is one. */
static void
refusal_for_a_standing_ends_with_it(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct applier_map *m = new_map();

	(void)state;
	ask(&p, FRQ_OP_MIN, 0);
	(void)fx_map_vm(m, vms[0]);
	hand_over(m);
	ask(&p, FRQ_OP_UP, 0);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_UNPINNED);
	m = new_map();
	fx_pin(fx_map_vm(m, vms[0]), 0, 3);
	hand_over(m);
	assert_int_equal(recorder.index[3], 7);
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 800000);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
}

/* Unpinned, pinned, unpinned: that is two pieces of news. */
static void
standing_that_comes_again_is_said_again(void **state)
{
	struct frq_producer p = usual(0, 3);
	uint32_t changes;

	(void)state;
	ask(&p, FRQ_OP_MAX, 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct applier_map *m = new_map();

		changes = fx_verdict(vms[0], 0).changes;
		(void)fx_map_vm(m, vms[0]);
		hand_over(m);
		assert_int_equal(fx_verdict(vms[0], 0).reason, FRQ_REASON_UNPINNED);
		assert_int_equal(fx_verdict(vms[0], 0).changes, changes + 1);
		m = new_map();
		fx_pin(fx_map_vm(m, vms[0]), 0, 3);
		hand_over(m);
		assert_int_equal(recorder.index[3], 0);
		assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
	}
}

static void
refusal_after_a_good_request_is_said_again(void **state)
{
	struct frq_producer p = usual(0, 3);
	uint32_t changes;

	(void)state;
	ask(&p, FRQ_OP_SET, 9000000);
	assert_int_equal(fx_verdict(vms[0], 0).reason, FRQ_REASON_BAD_FREQ);
	changes = fx_verdict(vms[0], 0).changes;
	assert_int_equal(changes, 1);
	/* the repeat that this provokes is no news */
	ask(&p, FRQ_OP_SET, 9000000);
	assert_int_equal(fx_verdict(vms[0], 0).changes, changes);
	ask(&p, FRQ_OP_SET, 1400000);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
	ask(&p, FRQ_OP_SET, 9000000);
	assert_int_equal(fx_verdict(vms[0], 0).changes, changes + 1);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_BAD_FREQ);
	/* what was in force stays so */
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 1400000);
}

static void
refusals_go_into_the_log(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct frq_state_line FRQ_SHARED *line = frq_region_state(&vms[0]->region, 0);

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		struct frq_refusal r;

		ask(&p, FRQ_OP_SET, 9000000 + i);
		assert_int_equal(frq_load64(&line->refusals), i + 1);
		r = frq_refusal_unpack(frq_load64(&line->refusal[i % FRQ_REFUSAL_LOG]));
		assert_int_equal(r.seq, (uint16_t)(p.next - 1));
		assert_int_equal(r.reason, FRQ_REASON_BAD_FREQ);
		assert_int_equal(r.op, FRQ_OP_SET);
		assert_int_equal(r.arg, 9000000 + i);
	}
	/* of a burst the last */
	for (unsigned int i = 0; i < 30; i++)
		post(&p, FRQ_OP_SET, 8000000 + i);
	settle();
	assert_int_equal(frq_load64(&line->refusals), 50);
	assert_int_equal(frq_refusal_unpack(frq_load64(
		&line->refusal[49 % FRQ_REFUSAL_LOG])).arg, 8000029);
}

/* What a dead daemon's guest was told is not told again as news. */
static void
old_refusals_are_no_news_to_the_next_daemon(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct applier_map *m;
	struct vm *dead;

	(void)state;
	ask(&p, FRQ_OP_SET, 9000000);
	ask(&p, FRQ_OP_SET, 1400000);
	dead = vms[0];
	fx_remove(poller, dead);
	vms[0] = fx_vm_again(dir, dead);
	fx_add(poller, vms[0]);
	m = new_map();
	fx_pin(fx_map_vm(m, vms[0]), 0, 3);
	hand_over(m);
	fx_vm_free(dead);
	assert_int_equal(fx_verdict(vms[0], 0).incarnation, vms[0]->life.incarnation);
	assert_int_equal(fx_verdict(vms[0], 0).reason, FRQ_REASON_OK);
	assert_int_equal(fx_verdict(vms[0], 0).changes, 0);
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 1400000);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
}

/* ---- what is published ------------------------------------------------------------- */

static void
applied_word_follows_the_sequence(void **state)
{
	struct frq_producer p = usual(0, 3);

	(void)state;
	settle();
	for (unsigned int i = 0; i < 200; i++) {
		struct frq_applied a;

		ask(&p, i % 2 == 0 ? FRQ_OP_MIN : FRQ_OP_MAX, 0);
		a = fx_applied(vms[0], 0);
		assert_int_equal(a.next, p.next);
		assert_int_equal(a.epoch, vms[0]->life.epoch);
		assert_int_equal(a.reason, FRQ_REASON_OK);
		assert_int_equal(a.wish, i % 2 == 0 ? FRQ_WISH_MIN : FRQ_WISH_MAX);
		assert_int_equal(a.granted_khz, i % 2 == 0 ? 800000 : 2601000);
		assert_int_equal(frq_load64(&frq_region_state(&vms[0]->region, 0)->wish_khz),
			a.granted_khz);
	}
}

/* Somebody else's decision must not make an older state look newer. */
static void
applied_never_runs_ahead_of_the_decision(void **state)
{
	struct applier_map *m = new_map();
	struct frq_producer p[2];
	struct frq_applied a;

	(void)state;
	for (unsigned int n = 0; n < 2; n++)
		fx_pin(fx_map_vm(m, serve(n, 1)), 0, 2);
	fx_pin(m->vm[1], 0, 3);
	hand_over(m);
	for (unsigned int n = 0; n < 2; n++) {
		p[n] = fx_attach(vms[n], 0, 1);
		ask(&p[n], FRQ_OP_MIN, 0);
	}
	/* Both change; only the first is looked at. */
	post(&p[0], FRQ_OP_SET, 1400000);
	(void)fx_turns(poller, 100);
	post(&p[1], FRQ_OP_MAX, 0);
	(void)fx_turns(poller, 100);
	assert_true(applier_step(applier));
	a = fx_applied(vms[1], 0);
	if (a.next == p[1].next) {
		assert_int_equal(a.granted_khz, 2601000);
		assert_int_equal(recorder.index[3], 0);
	}
	settle();
	a = fx_applied(vms[1], 0);
	assert_int_equal(a.next, p[1].next);
	assert_int_equal(a.granted_khz, 2601000);
}

static void
table_is_published_and_taken_away(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct freq_table t;
	struct applier_map *m;

	(void)state;
	(void)p;
	settle();
	assert_int_equal(frq_table_read(frq_region_table(&vms[0]->region, 0), &t), 0);
	assert_int_equal(t.nb, fx_table.nb);
	assert_true(t.turbo);
	assert_memory_equal(t.khz, fx_table.khz, t.nb * sizeof(t.khz[0]));
	m = new_map();
	(void)fx_map_vm(m, vms[0]);
	hand_over(m);
	assert_int_equal(frq_table_read(frq_region_table(&vms[0]->region, 0), &t), 0);
	assert_int_equal(t.nb, 0);
	assert_int_equal(recorder.count[RECORDED_LEARN], 1);
}

/* ---- failures ---------------------------------------------------------------------- */

static void
failing_set_is_counted_and_told(void **state)
{
	struct frq_producer p;
	struct applier_stats st;
	struct domain_cpu_stats cpu;

	(void)state;
	recorder.set_error[3] = recorder.force_error[3] = -EIO;
	p = usual(0, 3);
	ask(&p, FRQ_OP_MAX, 0);
	applier_get_stats(applier, &st);
	assert_true(st.domains.write_errors > 0);
	applier_get_cpu(applier, 3, &cpu);
	assert_int_equal(cpu.problem, FRQ_REASON_FAILED);
	assert_int_equal(cpu.write_errors, st.domains.write_errors);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_FAILED);
	assert_int_equal(fx_verdict(vms[0], 0).reason, FRQ_REASON_FAILED);
	assert_int_equal(fx_verdict(vms[0], 0).changes, 1);
	/* what was not set is neither granted nor applied */
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 0);
	assert_int_equal(cpu.applied_khz, 0);
	/* the kernel relents */
	recorder.set_error[3] = recorder.force_error[3] = 0;
	ask(&p, FRQ_OP_MIN, 0);
	assert_true(applied_becomes(0, 800000, 5000));
	assert_int_equal(recorder.index[3], 7);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 800000);
}

static void
failing_take_is_counted_and_told(void **state)
{
	struct frq_producer p;
	struct applier_stats st;

	(void)state;
	recorder.take_error[3] = -EIO;
	p = usual(0, 3);
	ask(&p, FRQ_OP_MAX, 0);
	applier_get_stats(applier, &st);
	assert_true(st.domains.write_errors > 0);
	assert_int_equal(recorder.count[RECORDED_SET], 0);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_FAILED);
	assert_int_equal(fx_applied(vms[0], 0).granted_khz, 0);
	recorder.take_error[3] = 0;
	ask(&p, FRQ_OP_MIN, 0);
	assert_true(applied_becomes(0, 800000, 5000));
	assert_int_equal(recorder.index[3], 7);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
}

/* A guest that repeats itself must not make the host hammer a broken core. */
static void
failing_core_is_not_hammered(void **state)
{
	struct frq_producer p;

	(void)state;
	recorder.set_error[3] = recorder.force_error[3] = -EIO;
	p = usual(0, 3);
	for (unsigned int i = 0; i < 500; i++)
		ask(&p, FRQ_OP_MAX, 0);
	print_message("%u writes for 500 repeats\n", recorder.count[RECORDED_SET]);
	assert_in_range(recorder.count[RECORDED_SET], 1, 50);
}

static void
core_without_cpufreq_or_offline(void **state)
{
	struct frq_producer p;

	(void)state;
	recorder.learn_error[3] = -ENODEV;
	p = usual(0, 3);
	ask(&p, FRQ_OP_MAX, 0);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_NO_CPUFREQ);
	assert_int_equal(fx_verdict(vms[0], 0).reason, FRQ_REASON_NO_CPUFREQ);
	ask(&p, FRQ_OP_UP, 0);
	assert_int_equal(fx_verdict(vms[0], 0).changes, 1);
	assert_int_equal(recorder.count[RECORDED_TAKE], 0);
}

/* ---- leases ------------------------------------------------------------------------- */

static void
lease_that_runs_out_is_max(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct applier_stats st;
	uint64_t start;

	(void)state;
	post(&p, FRQ_OP_MIN, 0);
	start = fx_now_ms();
	ask(&p, FRQ_OP_LEASE, 1);
	assert_int_equal(recorder.index[3], 7);
	assert_in_range(frq_load64(&frq_region_state(&vms[0]->region, 0)->lease_left_ms),
		500, 1000);
	/* meanwhile nothing happens */
	assert_false(applied_becomes(0, 2601000, 300));
	assert_true(applied_becomes(0, 2601000, 5000));
	assert_in_range(fx_now_ms() - start, 990, 6000);
	assert_int_equal(recorder.index[3], 0);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_LEASE_EXPIRED);
	assert_int_equal(fx_verdict(vms[0], 0).reason, FRQ_REASON_LEASE_EXPIRED);
	applier_get_stats(applier, &st);
	assert_int_equal(st.leases_expired, 1);
	/* a new lease: what it asked for is in force again */
	ask(&p, FRQ_OP_LEASE, 100);
	assert_int_equal(recorder.index[3], 7);
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
	ask(&p, FRQ_OP_LEASE, 0);
	assert_int_equal(frq_load64(&frq_region_state(&vms[0]->region, 0)->lease_left_ms), 0);
	/* released: no fail-safe for who has no opinion */
	post(&p, FRQ_OP_LEASE, 1);
	ask(&p, FRQ_OP_RELEASE, 0);
	assert_false(applied_becomes(0, 2601000, 1100));
	assert_int_equal(recorder.index[3], -1);
}

/* A neighbour's decision at the wrong moment must not hide that it ran out. */
static void
lease_that_runs_out_is_counted_whoever_looks_first(void **state)
{
	struct applier_map *m = new_map();
	struct frq_producer p[2];
	struct applier_stats st;

	(void)state;
	for (unsigned int n = 0; n < 2; n++)
		fx_pin(fx_map_vm(m, serve(n, 1)), 0, 2);
	hand_over(m);
	for (unsigned int n = 0; n < 2; n++) {
		p[n] = fx_attach(vms[n], 0, 1);
		ask(&p[n], FRQ_OP_MIN, 0);
	}
	ask(&p[0], FRQ_OP_LEASE, 1);
	(void)usleep(1050000);
	/* The map has every channel looked at before leases are. */
	m = new_map();
	for (unsigned int n = 0; n < 2; n++)
		fx_pin(fx_map_vm(m, vms[n]), 0, 2);
	hand_over(m);
	assert_int_equal(recorder.index[2], 0);
	applier_get_stats(applier, &st);
	assert_int_equal(st.leases_expired, 1);
}

/* The lease of a program that died is not its successor's. */
static void
lease_ends_with_the_next_program(void **state)
{
	struct frq_producer p = usual(0, 3);

	(void)state;
	post(&p, FRQ_OP_MIN, 0);
	ask(&p, FRQ_OP_LEASE, 1);
	assert_true(applied_becomes(0, 2601000, 5000));
	p = fx_attach(vms[0], 0, 2);
	ask(&p, FRQ_OP_MIN, 0);
	settle();
	assert_int_equal(fx_applied(vms[0], 0).reason, FRQ_REASON_OK);
	assert_int_equal(recorder.index[3], 7);
}

/* ---- the queue, the end ----------------------------------------------------------------- */

static void
queue_never_overflows(void **state)
{
	struct applier_map *m = new_map();
	static struct frq_producer p[4][256];

	(void)state;
	for (unsigned int n = 0; n < 4; n++) {
		struct applier_map_vm *mv = fx_map_vm(m, serve(n, 256));

		for (unsigned int ch = 0; ch < 256; ch++)
			fx_pin(mv, ch, ch % 8);
	}
	hand_over(m);
	for (unsigned int n = 0; n < 4; n++) {
		for (unsigned int ch = 0; ch < 256; ch++)
			p[n][ch] = fx_attach(vms[n], ch, 1);
	}
	/* nobody applies, everybody asks */
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int n = 0; n < 4; n++)
			for (unsigned int ch = 0; ch < 256; ch++)
				(void)frq_producer_post(&p[n][ch], FRQ_OP_SET, 0,
					800000 + ch * 1000 + n);
		(void)fx_turns(poller, 256);
	}
	settle();
	for (unsigned int n = 0; n < 4; n++)
		for (unsigned int ch = 0; ch < 256; ch++)
			assert_int_equal(fx_applied(vms[n], ch).next, p[n][ch].next);
}

static void *
run(void *arg)
{
	(void)applier_run(arg);
	return NULL;
}

static void
stop_gives_everything_back(void **state)
{
	struct applier_map *m = new_map();
	struct applier_map_vm *mv = fx_map_vm(m, serve(0, 8));
	pthread_t t;

	(void)state;
	for (unsigned int ch = 0; ch < 8; ch++)
		fx_pin(mv, ch, ch);
	hand_over(m);
	for (unsigned int ch = 0; ch < 8; ch++) {
		struct frq_producer p = fx_attach(vms[0], ch, 1);

		post(&p, ch % 2 == 0 ? FRQ_OP_MAX : FRQ_OP_MIN, 0);
	}
	settle();
	for (unsigned int cpu = 0; cpu < 8; cpu++)
		assert_true(recorder.taken[cpu]);
	/* from its sleep, too */
	assert_int_equal(pthread_create(&t, NULL, run, applier), 0);
	(void)usleep(20000);
	applier_stop(applier);
	(void)pthread_join(t, NULL);
	for (unsigned int cpu = 0; cpu < RECORDER_CPUS; cpu++)
		assert_false(recorder.taken[cpu]);
	assert_int_equal(recorder.count[RECORDED_GIVE_BACK], 8);
}

static void
sleeping_applier_wakes_for_a_request_and_for_a_map(void **state)
{
	struct frq_producer p = usual(0, 3);
	struct applier_map *m;
	uint64_t end = fx_now_ms() + 2000;
	pthread_t t;

	(void)state;
	settle();
	assert_int_equal(pthread_create(&t, NULL, run, applier), 0);
	(void)usleep(20000);
	post(&p, FRQ_OP_MAX, 0);
	(void)fx_turns(poller, 100);
	while (recorder_get(3) != 2601000 && fx_now_ms() < end)
		(void)fx_turns(poller, 10);
	(void)usleep(20000);
	m = new_map();
	applier_set_map(applier, m);
	while (applier_generation(applier) != generation && fx_now_ms() < end)
		;
	applier_stop(applier);
	(void)pthread_join(t, NULL);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	assert_int_equal(applier_generation(applier), generation);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(burst_costs_one_write),
		T(nobody_asked_nothing_is_taken),
		T(release_gives_the_cpu_back),
		T(turbo_off_is_the_first_below),
		T(highest_vote_of_all_vms_wins),
		T(several_cpus_of_one_vcpu),
		T(repinned_vote_moves_and_the_old_cpu_is_given_back),
		T(repinned_wish_is_read_against_the_new_table),
		T(dropped_vm_gives_back),
		T(dropped_with_a_change_on_the_queue),
		T(vm_before_its_first_map),
		T(standing_is_visible_and_said_once),
		T(refusal_for_a_standing_ends_with_it),
		T(standing_that_comes_again_is_said_again),
		T(refusal_after_a_good_request_is_said_again),
		T(refusals_go_into_the_log),
		T(old_refusals_are_no_news_to_the_next_daemon),
		T(applied_word_follows_the_sequence),
		T(applied_never_runs_ahead_of_the_decision),
		T(table_is_published_and_taken_away),
		T(failing_set_is_counted_and_told),
		T(failing_take_is_counted_and_told),
		T(failing_core_is_not_hammered),
		T(core_without_cpufreq_or_offline),
		T(lease_that_runs_out_is_max),
		T(lease_that_runs_out_is_counted_whoever_looks_first),
		T(lease_ends_with_the_next_program),
		T(queue_never_overflows),
		T(stop_gives_everything_back),
		T(sleeping_applier_wakes_for_a_request_and_for_a_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
