/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_storms.c - guests that ask faster than can be applied, and those beside
 * them, on a clock that only moves when the test says so
 */
#include "fixture.h"
#include "still_clock.h"

#define NB_CHANNELS	66u
#define US		UINT64_C(1000)

static char dir[64];
static struct applier *applier;
static struct poller *poller;
static struct vm *vm;
static struct frq_producer p[NB_CHANNELS];

static void
run(void)
{
	(void)fx_turns(poller, 200);
	while (applier_step(applier))
		;
}

static int
setup(void **state)
{
	struct applier_config c = { .power = &recorder_ops, .yield = true, .done_fd = -1 };
	struct applier_map *m = fx_map(1);
	struct applier_map_vm *mv;

	(void)state;
	fx_dir_make(dir);
	recorder_reset();
	cpuset_add(&c.managed, 0);
	cpuset_add(&c.managed, 1);
	applier = applier_create(&c);
	assert_non_null(applier);
	poller = poller_create(&(const struct poller_config){
		.queue = applier_queue(applier), .tsc_hz = FX_HZ_STILL, .notify_fd = -1,
	});
	assert_non_null(poller);
	vm = fx_vm_make(dir, 1, NB_CHANNELS);
	fx_add(poller, vm);
	mv = fx_map_vm(m, vm);
	for (unsigned int i = 0; i < NB_CHANNELS; i++)
		fx_pin(mv, i, i % 2);
	applier_set_map(applier, m);
	run();
	for (unsigned int i = 0; i < NB_CHANNELS; i++)
		p[i] = fx_attach(vm, i, i + 1);
	run();
	still_pass(S);
	run();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	poller_free(poller);
	applier_free(applier);
	fx_vm_free(vm);
	fx_dir_remove(dir);
	return 0;
}

static void
post(unsigned int ch, unsigned int nb)
{
	for (unsigned int i = 0; i < nb; i++)
		assert_int_equal(frq_producer_post(&p[ch], i % 2 == 0 ? FRQ_OP_MIN : FRQ_OP_MAX, 0, 0), 0);
}

static bool
all_applied(unsigned int ch)
{
	return fx_applied(vm, ch).next == p[ch].next;
}

/* It goes on, is left alone for exactly that long, and seen once then. */
static void
expect_pause(unsigned int ch, uint64_t ns)
{
	post(ch, 20);
	run();
	assert_int_equal(fx_consumed(vm, ch).next, p[ch].next);
	assert_false(all_applied(ch));
	still_pass(ns - 1);
	run();
	assert_false(all_applied(ch));
	still_pass(1);
	run();
	assert_true(all_applied(ch));
}

static void
one_storms(void **state)
{
	uint64_t ns = 50 * US;

	(void)state;
	/* The first of it is served at once. */
	post(0, 20);
	run();
	assert_true(all_applied(0));
	for (; ns < 6400 * US; ns *= 2)
		expect_pause(0, ns);
	expect_pause(0, ns);
	expect_pause(0, ns);
	/* Who asks now and then does not feel it. */
	post(0, 20);
	post(1, 1);
	run();
	assert_false(all_applied(0));
	assert_true(all_applied(1));
	still_pass(ns);
	run();
	assert_true(all_applied(0));
	/* It is over, and the next one begins as the first did. */
	still_pass(ns);
	run();
	post(0, 20);
	run();
	assert_true(all_applied(0));
	expect_pause(0, 50 * US);
}

static void
crowd_posts(unsigned int each)
{
	for (unsigned int i = 0; i < 64; i++)
		post(i, each);
	run();
}

static bool
crowd_applied(void)
{
	for (unsigned int i = 0; i < 64; i++)
		if (!all_applied(i))
			return false;
	return true;
}

/* 64 that ask for little each, and too much together. */
static void
many_storm(void **state)
{
	(void)state;
	crowd_posts(8);
	assert_true(crowd_applied());
	crowd_posts(8);
	post(65, 1);
	run();
	assert_false(crowd_applied());
	assert_true(all_applied(65));
	still_pass(50 * US);
	run();
	assert_true(crowd_applied());
}

/* As many that ask once each are no storm. */
static void
many_ask(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 10; i++) {
		crowd_posts(1);
		assert_true(crowd_applied());
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_storms, setup, teardown),
		cmocka_unit_test_setup_teardown(many_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(many_ask, setup, teardown),
	};

	return cmocka_run_group_tests_name("storms", tests, NULL, NULL);
}
