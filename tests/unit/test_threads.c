/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The request path with its real threads on one mapping: guests, poller,
 * applier and control. For ThreadSanitizer above all; without it the checks
 * are that nothing is lost and the last wish is what the hardware was told.
 */
#include "fixture.h"

#if defined(__SANITIZE_THREAD__)
#define REQUESTS 50000u
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define REQUESTS 50000u
#endif
#endif
#ifndef REQUESTS
#define REQUESTS 200000u
#endif

#define PATIENCE_MS 60000

static char dir[64];
static struct applier *applier;
static struct poller *poller;
static pthread_t applier_thread, poller_thread;
static struct vm *vms[3];

static void *
applier_main(void *arg)
{
	(void)applier_run(arg);
	return NULL;
}

static void *
poller_main(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

static int
setup(void **state)
{
	struct applier_config c = { .power = &recorder_ops, .done_fd = -1 };

	(void)state;
	recorder_reset();
	fx_dir_make(dir);
	for (unsigned int i = 0; i < 8; i++)
		cpuset_add(&c.managed, i);
	applier = applier_create(&c);
	poller = poller_create(&(const struct poller_config){
		.queue = applier_queue(applier), .tsc_hz = fx_tsc_hz(), .notify_fd = -1,
	});
	for (unsigned int n = 0; n < 3; n++)
		vms[n] = fx_vm_make(dir, n, 4);
	return pthread_create(&applier_thread, NULL, applier_main, applier) +
		pthread_create(&poller_thread, NULL, poller_main, poller);
}

static int
teardown(void **state)
{
	(void)state;
	poller_stop(poller);
	(void)pthread_join(poller_thread, NULL);
	applier_stop(applier);
	(void)pthread_join(applier_thread, NULL);
	assert_int_equal(recorder.misuse, 0);
	for (unsigned int cpu = 0; cpu < RECORDER_CPUS; cpu++)
		assert_false(recorder.taken[cpu]);
	poller_free(poller);
	applier_free(applier);
	for (unsigned int n = 0; n < 3; n++)
		fx_vm_free(vms[n]);
	fx_dir_remove(dir);
	return 0;
}

/* Wait until the applier has taken a map over; the control thread's part. */
static void
hand_over(struct applier_map *m)
{
	uint64_t generation = m->generation;

	applier_set_map(applier, m);
	while (applier_generation(applier) < generation)
		(void)usleep(100);
}

/* VM 0 stays where it is, VM 1 is re-pinned, VM 2 comes and goes. */
static struct applier_map *
map_number(uint64_t n, bool with_third)
{
	struct applier_map *m = fx_map(n);

	for (unsigned int v = 0; v < 2U + with_third; v++) {
		struct applier_map_vm *mv = fx_map_vm(m, vms[v]);

		for (unsigned int ch = 0; ch < 4; ch++)
			fx_pin(mv, ch, v == 0 ? ch : 4 + (ch + (unsigned int)n) % 4);
	}
	return m;
}

struct guest {
	unsigned int vm, ch;
	uint64_t seed;
	struct wish model;		/* after its last request */
	uint16_t next;
	bool failed;
};

/* Post them all, waiting where the ring is full. */
static void *
guest_main(void *arg)
{
	static const uint8_t ops[] = { FRQ_OP_UP, FRQ_OP_DOWN, FRQ_OP_MIN, FRQ_OP_MAX,
		FRQ_OP_UP, FRQ_OP_DOWN };
	struct guest *g = arg;
	uint64_t end = fx_now_ms() + PATIENCE_MS;
	struct frq_producer p = fx_attach(vms[g->vm], g->ch, 1);

	for (unsigned int i = 0; i < REQUESTS;) {
		uint8_t op = ops[fx_random(&g->seed) % 6];
		int ret = frq_producer_post(&p, (enum frq_op)op, 0, 0);

		if (ret == 0) {
			i++;
			(void)wish_fold(&g->model, op, 0, &fx_table);
		} else if (ret != -EAGAIN || fx_now_ms() > end) {
			g->failed = true;
			return NULL;
		}
	}
	g->next = p.next;
	return NULL;
}

static bool
comes_true(const struct guest *g)
{
	uint64_t end = fx_now_ms() + PATIENCE_MS;

	while (fx_applied(vms[g->vm], g->ch).next != g->next)
		if (fx_now_ms() > end)
			return false;
	return true;
}

static void
check_guest(const struct guest *g)
{
	struct wish w;

	assert_false(g->failed);
	assert_true(comes_true(g));
	w = fx_wish(vms[g->vm], g->ch);
	/* every step up and down, once and in order */
	assert_int_equal(w.kind, g->model.kind);
	if (w.kind == FRQ_WISH_KHZ)
		assert_int_equal(w.khz, g->model.khz);
	assert_int_equal(fx_consumed(vms[g->vm], g->ch).total, REQUESTS + 1);
	for (unsigned int r = 1; r < FRQ_REASON_COUNT; r++)
		assert_int_equal(counter_get(&vms[g->vm]->refused[r]), 0);
}

static void
one_guest_nothing_else(void **state)
{
	struct guest g = { .vm = 0, .ch = 2, .seed = 11 };
	pthread_t t;

	(void)state;
	assert_int_equal(poller_add(poller, vms[0]), 0);
	assert_int_equal(poller_add(poller, vms[1]), 0);
	hand_over(map_number(1, false));
	assert_int_equal(pthread_create(&t, NULL, guest_main, &g), 0);
	(void)pthread_join(t, NULL);
	check_guest(&g);
	assert_int_equal(recorder_get(2), fx_table.khz[wish_index(&g.model, &fx_table)]);
	assert_int_equal(fx_applied(vms[0], 2).granted_khz, recorder_get(2));
	/* An honest guest's doorbells are believed to the end. */
	assert_int_equal(((const uint8_t *)vms[0]->muted)[2], 0);
}

static void
guests_while_vms_and_maps_come_and_go(void **state)
{
	struct guest g[2] = { { .vm = 0, .ch = 1, .seed = 5 }, { .vm = 1, .ch = 3, .seed = 6 } };
	uint64_t generation = 0;
	bool third = false;
	pthread_t t[2];

	(void)state;
	assert_int_equal(poller_add(poller, vms[0]), 0);
	assert_int_equal(poller_add(poller, vms[1]), 0);
	hand_over(map_number(++generation, false));
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, guest_main, &g[i]), 0);
	for (unsigned int round = 0; round < 60; round++) {
		struct frq_producer p;

		third = !third;
		if (third) {
			assert_int_equal(poller_add(poller, vms[2]), 0);
			p = fx_attach(vms[2], round % 4, 1);
			(void)frq_producer_post(&p, FRQ_OP_UP, 0, 0);
			(void)frq_producer_post(&p, FRQ_OP_SET, 0, 1400000);
		} else {
			assert_int_equal(poller_remove(poller, vms[2]), 0);
		}
		hand_over(map_number(++generation, third));
		if (!third) {
			/* nobody has it any more: made anew, as the daemon would */
			fx_vm_free(vms[2]);
			vms[2] = fx_vm_make(dir, 2, 4);
		}
		(void)usleep(1000);
	}
	for (unsigned int i = 0; i < 2; i++)
		(void)pthread_join(t[i], NULL);
	for (unsigned int i = 0; i < 2; i++)
		check_guest(&g[i]);
	assert_int_equal(recorder_get(1), fx_table.khz[wish_index(&g[0].model, &fx_table)]);
	assert_int_equal(recorder_get(4 + (3 + (unsigned int)generation) % 4),
		fx_table.khz[wish_index(&g[1].model, &fx_table)]);
}

struct reader {
	bool stop;
	uint64_t reads;
};

/* What the control thread reads for status, and a guest that only looks. */
static void *
reader_main(void *arg)
{
	struct reader *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		struct domain_cpu_stats cpu;
		struct applier_stats a;
		struct poller_stats p;
		struct freq_table t;

		applier_get_stats(applier, &a);
		poller_get_stats(poller, &p);
		for (unsigned int i = 0; i < 8; i++)
			applier_get_cpu(applier, i, &cpu);
		(void)fx_applied(vms[0], 1);
		(void)fx_verdict(vms[0], 1);
		(void)frq_table_read(frq_region_table(&vms[0]->region, 1), &t);
		r->reads++;
	}
	return NULL;
}

static void
status_is_read_meanwhile(void **state)
{
	struct guest g = { .vm = 0, .ch = 1, .seed = 3 };
	struct reader r = { .stop = false };
	pthread_t t, reader;

	(void)state;
	assert_int_equal(poller_add(poller, vms[0]), 0);
	assert_int_equal(poller_add(poller, vms[1]), 0);
	assert_int_equal(pthread_create(&reader, NULL, reader_main, &r), 0);
	hand_over(map_number(1, false));
	assert_int_equal(pthread_create(&t, NULL, guest_main, &g), 0);
	(void)pthread_join(t, NULL);
	check_guest(&g);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(reader, NULL);
	assert_true(r.reads > 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_guest_nothing_else),
		T(guests_while_vms_and_maps_come_and_go),
		T(status_is_read_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
