/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest that wakes up, and a host that does: what applier and poller make of
 * that, stepped by hand on a clock that only moves when the test says so.
 */
#include "fixture.h"
#include "still_clock.h"

static char dir[64];
static struct applier *applier;
static struct poller *poller;
static struct vm *vm;
static uint64_t generation;

static int
setup(void **state)
{
	struct applier_config c = { .power = &recorder_ops, .yield = true, .done_fd = -1 };

	(void)state;
	recorder_reset();
	fx_dir_make(dir);
	for (unsigned int i = 0; i < 4; i++)
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
	fx_vm_free(vm);
	vm = NULL;
	fx_dir_remove(dir);
	return 0;
}

static void
settle(void)
{
	(void)fx_turns(poller, 200);
	while (applier_step(applier))
		;
}

static uint64_t
now_ms(void)
{
	return still_ns / MS;
}

/* Channel 0 on CPU 1; `change` is made to the map first. */
static void
hand_over(void (*change)(struct applier_map *m, struct applier_map_vm *mv))
{
	struct applier_map *m = fx_map(++generation);
	struct applier_map_vm *mv = fx_map_vm(m, vm);

	fx_pin(mv, 0, 1);
	if (change != NULL)
		change(m, mv);
	applier_set_map(applier, m);
	settle();
}

static struct frq_producer
begin(void)
{
	vm = fx_vm_make(dir, 0, 1);
	fx_add(poller, vm);
	hand_over(NULL);
	return fx_attach(vm, 0, 1);
}

static void
ask(struct frq_producer *p, enum frq_op op, uint32_t arg)
{
	assert_int_equal(frq_producer_post(p, op, 0, arg), 0);
	settle();
}

/* Its index in the table that CPU 1 is set to. */
static unsigned int
set_to(void)
{
	return recorder.index[1];
}

static void
sleep_now(struct applier_map *m, struct applier_map_vm *mv)
{
	(void)m;
	mv->asleep = true;
	mv->vcpu[0].standing = FRQ_REASON_PAUSED;
}

static void
wake_for_a_second(struct applier_map *m, struct applier_map_vm *mv)
{
	(void)m;
	mv->max_until_ms = now_ms() + 1000;
}

static uint64_t woke_until;

static void
still_awake(struct applier_map *m, struct applier_map_vm *mv)
{
	(void)m;
	mv->max_until_ms = woke_until;
}

/* ---- a guest ---------------------------------------------------------------------- */

static void
maximum_first_and_then_its_own(void **state)
{
	struct frq_producer p = begin();

	(void)state;
	ask(&p, FRQ_OP_SET, 1400000);
	assert_int_equal(set_to(), 5);
	hand_over(sleep_now);
	assert_false(recorder.taken[1]);
	still_pass(60 * S);
	woke_until = now_ms() + 1000;
	hand_over(wake_for_a_second);
	assert_int_equal(set_to(), 0);
	/* any other map meanwhile, that says the same of it */
	still_pass(500 * MS);
	hand_over(still_awake);
	assert_int_equal(set_to(), 0);
	still_pass(500 * MS);
	settle();
	assert_int_equal(set_to(), 5);
	hand_over(still_awake);
	assert_int_equal(set_to(), 5);
}

static void
what_it_asks_ends_the_maximum(void **state)
{
	struct frq_producer p = begin();

	(void)state;
	ask(&p, FRQ_OP_SET, 1400000);
	hand_over(sleep_now);
	hand_over(wake_for_a_second);
	assert_int_equal(set_to(), 0);
	ask(&p, FRQ_OP_MIN, 0);
	assert_int_equal(set_to(), 7);
	still_pass(2 * S);
	settle();
	assert_int_equal(set_to(), 7);
}

static void
no_opinion_stays_none(void **state)
{
	struct frq_producer p = begin();

	(void)state;
	ask(&p, FRQ_OP_MIN, 0);
	ask(&p, FRQ_OP_RELEASE, 0);
	hand_over(sleep_now);
	hand_over(wake_for_a_second);
	assert_false(recorder.taken[1]);
}

static void
with_kept_wishes(struct applier_map *m, struct applier_map_vm *mv)
{
	wake_for_a_second(m, mv);
	mv->kept_until_ms = now_ms() + 10000;
	mv->vcpu[0].kept = (struct wish){ .kind = FRQ_WISH_KHZ, .khz = 1400000 };
}

/* Over a region that is new, as after S4. */
static void
kept_wish_counts_for_a_while(void **state)
{
	(void)state;
	vm = fx_vm_make(dir, 0, 1);
	fx_add(poller, vm);
	hand_over(with_kept_wishes);
	assert_int_equal(set_to(), 0);
	still_pass(1 * S);
	settle();
	assert_int_equal(set_to(), 5);
	still_pass(8 * S);
	settle();
	assert_int_equal(set_to(), 5);
	still_pass(1 * S);
	settle();
	assert_false(recorder.taken[1]);
}

static void
kept_wish_ends_with_the_first_word(void **state)
{
	struct frq_producer p;

	(void)state;
	vm = fx_vm_make(dir, 0, 1);
	fx_add(poller, vm);
	hand_over(with_kept_wishes);
	assert_int_equal(set_to(), 0);
	p = fx_attach(vm, 0, 1);
	settle();
	assert_false(recorder.taken[1]);
	ask(&p, FRQ_OP_MIN, 0);
	assert_int_equal(set_to(), 7);
}

static void
extend(uint64_t ms)
{
	struct fx_call call = { .p = poller, .vm = vm, .extend_ms = ms };
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fx_call_main, &call), 0);
	while (!__atomic_load_n(&call.done, __ATOMIC_ACQUIRE))
		(void)poller_turn(poller);
	(void)pthread_join(t, NULL);
	assert_int_equal(call.ret, 0);
}

static void
lease_does_not_run_out_in_its_sleep(void **state)
{
	struct frq_producer p = begin();
	struct applier_stats st;

	(void)state;
	ask(&p, FRQ_OP_SET, 1400000);
	ask(&p, FRQ_OP_LEASE, 10);
	still_pass(4 * S);
	hand_over(sleep_now);
	still_pass(60 * S);
	settle();
	applier_get_stats(applier, &st);
	assert_int_equal(st.leases_expired, 0);
	extend(60000);
	hand_over(wake_for_a_second);
	still_pass(2 * S);
	settle();
	assert_int_equal(set_to(), 5);
	assert_int_equal(vm->ch[0].a.lease_left_ms, 4000);
	/* its own time goes on */
	still_pass(4 * S);
	settle();
	assert_int_equal(set_to(), 0);
	applier_get_stats(applier, &st);
	assert_int_equal(st.leases_expired, 1);
}

/* ---- the host ----------------------------------------------------------------------- */

static struct frq_host host;

static void
with_host(struct applier_map *m, struct applier_map_vm *mv)
{
	(void)mv;
	m->host = frq_host_pack(host);
}

static void
host_resumes(struct applier_map *m, struct applier_map_vm *mv)
{
	with_host(m, mv);
	m->resumes = 1;
}

static uint32_t
verdict_changes(void)
{
	return frq_verdict_unpack(frq_load64(&frq_region_state(&vm->region, 0)->verdict)).changes;
}

static void
host_word_is_in_the_state_line(void **state)
{
	struct frq_producer p = begin();
	uint32_t changes;

	(void)state;
	ask(&p, FRQ_OP_SET, 1400000);
	changes = verdict_changes();
	host = (struct frq_host){ .state = FRQ_HOST_SUSPENDING, .sleep = FRQ_HOST_SLEEP_MEM,
		.ms = 10000 };
	hand_over(with_host);
	assert_int_equal(frq_load64(&frq_region_state(&vm->region, 0)->host), frq_host_pack(host));
	/* who did not ask is not woken up by it */
	assert_int_equal(verdict_changes(), changes);
	ask(&p, FRQ_OP_TELL, FRQ_TELL_HOST);
	assert_int_equal(verdict_changes(), changes);
	host.state = FRQ_HOST_STAYED;
	hand_over(with_host);
	assert_int_equal(verdict_changes(), changes + 1);
	/* once */
	hand_over(with_host);
	assert_int_equal(verdict_changes(), changes + 1);
	ask(&p, FRQ_OP_TELL, 0);
	host.state = FRQ_HOST_SUSPENDING;
	hand_over(with_host);
	assert_int_equal(verdict_changes(), changes + 1);
	assert_int_equal(set_to(), 5);
}

static void
word_of_another_daemon_is_wiped_out(void **state)
{
	(void)state;
	vm = fx_vm_make(dir, 0, 1);
	frq_store64(&frq_region_state(&vm->region, 0)->host, 0x1234);
	fx_add(poller, vm);
	hand_over(NULL);
	assert_int_equal(frq_load64(&frq_region_state(&vm->region, 0)->host), 0);
}

static void
attach_ends_what_was_asked_to_be_told(void **state)
{
	struct frq_producer p = begin();
	uint32_t changes;

	(void)state;
	ask(&p, FRQ_OP_TELL, FRQ_TELL_HOST);
	(void)fx_attach(vm, 0, 2);
	settle();
	changes = verdict_changes();
	host = (struct frq_host){ .state = FRQ_HOST_SUSPENDING };
	hand_over(with_host);
	assert_int_equal(verdict_changes(), changes);
}

static void
every_cpu_is_set_again_once(void **state)
{
	struct frq_producer p = begin();
	unsigned int before;

	(void)state;
	ask(&p, FRQ_OP_SET, 1400000);
	before = recorder.count[RECORDED_FORCE];
	host = (struct frq_host){ .state = FRQ_HOST_RESUMED, .count = 1, .ms = 12300 };
	hand_over(host_resumes);
	assert_int_equal(recorder.count[RECORDED_FORCE], before + 1);
	assert_int_equal(set_to(), 5);
	hand_over(host_resumes);
	assert_int_equal(recorder.count[RECORDED_FORCE], before + 1);
}

static void
what_cannot_be_set_again_is_told(void **state)
{
	struct frq_producer p = begin();

	(void)state;
	ask(&p, FRQ_OP_SET, 1400000);
	recorder.force_error[1] = -EIO;
	hand_over(host_resumes);
	assert_int_equal(fx_applied(vm, 0).reason, FRQ_REASON_FAILED);
	assert_int_equal(fx_applied(vm, 0).granted_khz, 0);
	recorder.force_error[1] = 0;
	still_pass(2 * S);
	settle();
	assert_int_equal(fx_applied(vm, 0).granted_khz, 1400000);
}

static void *
poller_main(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

static void
parked_poller_beats_and_serves_nobody(void **state)
{
	struct frq_producer p = begin();
	struct poller_stats before, after;
	pthread_t t;
	uint64_t beat;

	(void)state;
	/* or the applier, which nobody steps any more, counts as stuck */
	settle();
	poller_get_stats(poller, &before);
	assert_int_equal(pthread_create(&t, NULL, poller_main, poller), 0);
	assert_int_equal(poller_park(poller, true), 0);
	assert_int_equal(frq_producer_post(&p, FRQ_OP_MIN, 0, 0), 0);
	beat = frq_load64(&frq_region_header(&vm->region)->heartbeat);
	while (frq_load64(&frq_region_header(&vm->region)->heartbeat) < beat + 20)
		(void)usleep(1000);
	poller_get_stats(poller, &after);
	assert_int_equal(after.requests, before.requests);
	/* mail is read all the same */
	assert_int_equal(poller_extend_leases(poller, vm, 1), 0);
	assert_int_equal(poller_park(poller, false), 0);
	do {
		(void)usleep(1000);
		poller_get_stats(poller, &after);
	} while (after.requests == before.requests);
	assert_int_equal(after.requests, before.requests + 1);
	/* it ends while it is parked, too */
	assert_int_equal(poller_park(poller, true), 0);
	poller_stop(poller);
	assert_int_equal(pthread_join(t, NULL), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(maximum_first_and_then_its_own),
		T(what_it_asks_ends_the_maximum),
		T(no_opinion_stays_none),
		T(kept_wish_counts_for_a_while),
		T(kept_wish_ends_with_the_first_word),
		T(lease_does_not_run_out_in_its_sleep),
		T(host_word_is_in_the_state_line),
		T(word_of_another_daemon_is_wiped_out),
		T(attach_ends_what_was_asked_to_be_told),
		T(every_cpu_is_set_again_once),
		T(what_cannot_be_set_again_is_told),
		T(parked_poller_beats_and_serves_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
