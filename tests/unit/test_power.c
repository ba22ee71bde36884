/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_power.c - librte_power's calls over a region's file, and between that and
 * virtio-serial, with the test as the host
 *
 * DPDK is played, too: lcore N runs on CPU cpu_of[N], and what would go to its
 * log is kept. vCPUs are the test machine's own numbers of its CPUs, as they are
 * in a VM; where that is not the number itself the test asks the library.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest_host.h"
#include "lcores.h"
#include "ops.h"

#define LCORE 3u		/* on CPU 0 */

/* ---- DPDK ------------------------------------------------------------------- */

static char logged[4096];
static cpu_set_t cpus_of[8];

static bool
fake_cpus(unsigned int lcore, cpu_set_t *cpus)
{
	if (lcore >= 8)
		return false;
	*cpus = cpus_of[lcore];
	return true;
}

static void
fake_log(enum lcores_log_level level, const char *line)
{
	size_t n = strlen(logged);

	(void)snprintf(logged + n, sizeof(logged) - n, "%d %s\n", (int)level, line);
}

static const struct lcores_dpdk fake = { .cpus = fake_cpus, .log = fake_log };

static void
map_lcore(unsigned int lcore, unsigned int cpu)
{
	CPU_ZERO(&cpus_of[lcore]);
	CPU_SET(cpu, &cpus_of[lcore]);
}

#define assert_logged(part) \
	do { \
		if (strstr(logged, (part)) == NULL) \
			fail_msg("\"%s\" is not in \"%s\"", (part), logged); \
	} while (0)

/* ---- the host --------------------------------------------------------------- */

static const struct freq_table with_turbo = {
	.nb = 5, .turbo = true, .khz = { 2601000, 2600000, 2000000, 1400000, 800000 },
};

static const struct freq_table no_turbo = {
	.nb = 3, .turbo = false, .khz = { 2000000, 1500000, 1000000 },
};

struct rig {
	struct host h;
	uint64_t table_version;
	pthread_t thread;
	int stop;
};

static unsigned int
vcpu_of(unsigned int cpu)
{
	return (unsigned int)freqring_vcpu_of_cpu(cpu);
}

static void
give_table(struct rig *r, unsigned int vcpu, const struct freq_table *t)
{
	frq_table_write(frq_region_table(&r->h.region, vcpu), &r->table_version, t);
}

/* Its heart beats while the guest looks for it. */
static void *
beat(void *arg)
{
	struct rig *r = arg;
	uint64_t beats = 0;

	while (__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE) == 0) {
		frq_store64(&frq_region_header(&r->h.region)->heartbeat, ++beats);
		(void)usleep(1000);
	}
	return NULL;
}

static void
start_heart(struct rig *r)
{
	r->stop = 0;
	assert_int_equal(pthread_create(&r->thread, NULL, beat, r), 0);
}

static void
stop_heart(struct rig *r)
{
	if (r->stop != 0)
		return;
	__atomic_store_n(&r->stop, 1, __ATOMIC_RELEASE);
	(void)pthread_join(r->thread, NULL);
}

/* The state line after everything taken so far was applied. */
static void
apply_index(struct rig *r, unsigned int vcpu, const struct freq_table *t, unsigned int index)
{
	host_apply(&r->h, vcpu, t->khz[index]);
	frq_store64(&frq_region_state(&r->h.region, vcpu)->now,
		frq_now_pack((struct frq_now){
			.khz = t->khz[index], .index = (uint8_t)index, .nb_pcpus = 1 }));
}

static int
set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (r == NULL || host_make(&r->h) < 0 || setenv("FREQRING_DEVICE", r->h.path, 1) != 0)
		return -1;
	/* Under a sanitizer the times of an uncached mapping would be seen. */
	for (unsigned int i = 0; i < 8; i++)
		map_lcore(i, 0);
	logged[0] = '\0';
	r->stop = 1;
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	struct rig *r = *state;

	lcores_forget();
	stop_heart(r);
	(void)unsetenv("FREQRING_DEVICE");
	frq_region_close(&r->h.region);
	(void)unlink(r->h.path);
	(void)rmdir(r->h.dir);
	free(r);
	return 0;
}

/* The requests that came in, by their names; pings and attaches are not told. */
static const char *
taken(struct rig *r, unsigned int vcpu)
{
	static const char *const names[] = {
		[FRQ_OP_UP] = "up", [FRQ_OP_DOWN] = "down", [FRQ_OP_MIN] = "min",
		[FRQ_OP_MAX] = "max", [FRQ_OP_SET] = "set", [FRQ_OP_RELEASE] = "release",
		[FRQ_OP_TURBO_ON] = "turbo-on", [FRQ_OP_TURBO_OFF] = "turbo-off",
	};
	static char text[256];
	struct frq_request q;

	text[0] = '\0';
	while ((q = host_take(&r->h, vcpu)).op != FRQ_OP_NONE) {
		size_t n = strlen(text);

		if (q.op == FRQ_OP_ATTACH)
			continue;
		(void)snprintf(text + n, sizeof(text) - n, "%s%s", n != 0 ? " " : "",
			names[q.op]);
		n = strlen(text);
		if (q.op == FRQ_OP_SET)
			(void)snprintf(text + n, sizeof(text) - n, " %u", (unsigned int)q.arg);
	}
	return text;
}

/* A host that answers at once, in another thread, while power_init waits. */
struct answer {
	struct rig *r;
	const struct freq_table *t;
	unsigned int vcpu;
	int stop;
};

static void *
answer(void *arg)
{
	struct answer *a = arg;

	while (__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE) == 0) {
		if (host_take(&a->r->h, a->vcpu).op == FRQ_OP_NONE)
			continue;
		if (a->t != NULL)
			apply_index(a->r, a->vcpu, a->t, 0);
	}
	return NULL;
}

static int
init_lcore(struct rig *r, unsigned int lcore, const struct freq_table *t)
{
	int cpu = 0;
	struct answer a = { .r = r, .t = t };
	pthread_t thread;
	int ret;

	while (!CPU_ISSET(cpu, &cpus_of[lcore]))
		cpu++;
	a.vcpu = vcpu_of((unsigned int)cpu);
	if (t != NULL)
		give_table(r, a.vcpu, t);
	assert_int_equal(pthread_create(&thread, NULL, answer, &a), 0);
	ret = power_init(lcore);
	__atomic_store_n(&a.stop, 1, __ATOMIC_RELEASE);
	(void)pthread_join(thread, NULL);
	return ret;
}

/* Standing in, LCORE taken, its requests consumed. */
static struct rig *
begin(void **state, const struct freq_table *t)
{
	struct rig *r = *state;

	start_heart(r);
	assert_true(lcores_stand_in(&fake));
	assert_int_equal(init_lcore(r, LCORE, t), 0);
	return r;
}

/* ---- decide ------------------------------------------------------------------ */

static void
test_host_dead(void **state)
{
	(void)state;
	assert_false(lcores_stand_in(&fake));
	assert_logged("7 freqring: ivshmem region: no host answers; frequencies are left");
}

static void
test_decided_once(void **state)
{
	assert_false(lcores_stand_in(&fake));
	start_heart(*state);
	assert_false(lcores_stand_in(&fake));
	lcores_forget();
	assert_true(lcores_stand_in(&fake));
	assert_logged("7 freqring stands in for librte_power: ivshmem region (simulated)");
}

static void
test_no_device(void **state)
{
	(void)state;
	assert_int_equal(setenv("FREQRING_DEVICE", "/nonexistent/region", 1), 0);
	assert_false(lcores_stand_in(&fake));
	assert_string_equal(logged, "");
}

static void
test_broken_device(void **state)
{
	struct rig *r = *state;

	frq_store64(&frq_region_header(&r->h.region)->version, 2);
	assert_false(lcores_stand_in(&fake));
	assert_logged("version 2");
	assert_logged("are left to librte_power");
}

/* ---- lcores -------------------------------------------------------------------- */

static void
test_remapped(void **state)
{
	struct rig *r = *state;
	int vcpu = freqring_vcpu_of_cpu(1);

	if (vcpu < 0)
		skip();
	/* lcore 0 is CPU 1 and the other way round. */
	map_lcore(0, 1);
	map_lcore(1, 0);
	start_heart(r);
	assert_true(lcores_stand_in(&fake));
	assert_int_equal(init_lcore(r, 0, &with_turbo), 0);
	assert_int_equal(init_lcore(r, 1, &with_turbo), 0);
	assert_int_equal(power_freq_min(0), 1);
	assert_string_equal(taken(r, (unsigned int)vcpu), "min");
	assert_string_equal(taken(r, vcpu_of(0)), "");
	assert_int_equal(power_freq_min(1), 1);
	assert_string_equal(taken(r, vcpu_of(0)), "min");
	assert_logged("lcore 0 is CPU 1, vCPU");
}

static void
test_refused(void **state)
{
	CPU_SET(1, &cpus_of[5]);
	start_heart(*state);
	assert_true(lcores_stand_in(&fake));
	assert_int_equal(power_init(5), -1);
	assert_logged("4 freqring: lcore 5 may run on 2 CPUs");
	assert_logged("--lcores 5@CPU");
	assert_int_equal(power_init(8), -1);
	assert_logged("there is no lcore 8");
	assert_int_equal(power_init(LCORES_MAX), -1);
	assert_logged("only those below 1024");
	map_lcore(6, 1000);
	assert_int_equal(power_init(6), -1);
	assert_logged("this Linux has no CPU 1000");
}

static void
test_not_initialised(void **state)
{
	uint32_t khz[64];
	bool turbo;

	start_heart(*state);
	assert_true(lcores_stand_in(&fake));
	assert_int_equal(power_freq_max(LCORE), -1);
	assert_int_equal(power_freq_min(LCORE), -1);
	assert_int_equal(power_freq_up(LCORE), -1);
	assert_int_equal(power_freq_down(LCORE), -1);
	assert_int_equal(power_set_freq(LCORE, 0), -1);
	assert_int_equal(power_freqs(LCORE, khz, 64), 0);
	assert_int_equal(power_get_freq(LCORE), POWER_INVALID_INDEX);
	assert_int_equal(power_turbo_status(LCORE), -1);
	assert_int_equal(power_enable_turbo(LCORE), -1);
	assert_int_equal(power_disable_turbo(LCORE), -1);
	assert_int_equal(power_capabilities(LCORE, &turbo), -1);
	assert_int_equal(power_exit(LCORE), -1);
	assert_int_equal(power_freq_max(UINT32_MAX), -1);
	assert_logged("lcore 3 is not initialised");
}

static void
test_init_and_exit(void **state)
{
	struct rig *r = begin(state, &with_turbo);

	assert_int_equal(power_init(LCORE), -1);
	assert_logged("lcore 3 is in use already");
	/* The same CPU under another number is the same vCPU. */
	assert_int_equal(power_init(4), -1);
	assert_logged("lcore 4, CPU 0, vCPU");
	assert_int_equal(power_exit(LCORE), 0);
	assert_string_equal(taken(r, vcpu_of(0)), "release");
	assert_int_equal(power_exit(LCORE), -1);
	assert_int_equal(init_lcore(r, LCORE, &with_turbo), 0);
}

/* ---- ask ------------------------------------------------------------------------ */

static void
test_max_and_min(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	unsigned int vcpu = vcpu_of(0);

	/* It was asked for by init. */
	for (int i = 0; i < 5000; i++)
		assert_int_equal(power_freq_max(LCORE), 0);
	assert_string_equal(taken(r, vcpu), "");
	assert_int_equal(power_freq_min(LCORE), 1);
	assert_int_equal(power_freq_min(LCORE), 0);
	assert_int_equal(power_freq_max(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "min max");
}

static void
test_steps(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	unsigned int vcpu = vcpu_of(0);

	assert_int_equal(power_freq_up(LCORE), 0);
	assert_string_equal(taken(r, vcpu), "");
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "set 2600000 set 2000000 set 1400000");
	/* The lowest is the minimum, so that its repeat is one. */
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_int_equal(power_freq_down(LCORE), 0);
	assert_int_equal(power_freq_min(LCORE), 0);
	assert_string_equal(taken(r, vcpu), "min");
	assert_int_equal(power_freq_up(LCORE), 1);
	assert_int_equal(power_set_freq(LCORE, 1), 1);
	assert_int_equal(power_set_freq(LCORE, 1), 0);
	assert_int_equal(power_freq_up(LCORE), 1);
	assert_int_equal(power_freq_up(LCORE), 0);
	assert_int_equal(power_set_freq(LCORE, 0), 0);
	assert_int_equal(power_freq_max(LCORE), 0);
	assert_string_equal(taken(r, vcpu), "set 1400000 set 2600000 max");
	assert_int_equal(power_set_freq(LCORE, 5), -1);
	assert_logged("index 5, and there are 5 frequencies");
}

static void
test_turbo(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	unsigned int vcpu = vcpu_of(0);
	bool turbo = false;

	assert_int_equal(power_capabilities(LCORE, &turbo), 0);
	assert_true(turbo);
	assert_int_equal(power_turbo_status(LCORE), 1);
	assert_int_equal(power_disable_turbo(LCORE), 0);
	assert_int_equal(power_turbo_status(LCORE), 0);
	/* The maximum is another one, and is in force. */
	assert_string_equal(taken(r, vcpu), "turbo-off");
	assert_int_equal(power_freq_up(LCORE), 0);
	assert_int_equal(power_set_freq(LCORE, 0), 0);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "set 2000000");
	assert_int_equal(power_freq_up(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "max");
	assert_int_equal(power_freq_min(LCORE), 1);
	assert_int_equal(power_enable_turbo(LCORE), 0);
	assert_int_equal(power_turbo_status(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "min turbo-on max");
	/* Below turbo nothing moves when it is forbidden. */
	assert_int_equal(power_freq_min(LCORE), 1);
	assert_int_equal(power_disable_turbo(LCORE), 0);
	assert_string_equal(taken(r, vcpu), "min turbo-off");
	/* ... but the first below is where turbo may have been. */
	assert_int_equal(power_enable_turbo(LCORE), 0);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_int_equal(power_disable_turbo(LCORE), 0);
	assert_string_equal(taken(r, vcpu), "turbo-on max set 2600000 turbo-off max");
}

static void
test_no_turbo(void **state)
{
	struct rig *r = begin(state, &no_turbo);
	bool turbo = true;

	assert_int_equal(power_capabilities(LCORE, &turbo), 0);
	assert_false(turbo);
	assert_int_equal(power_turbo_status(LCORE), 0);
	assert_int_equal(power_enable_turbo(LCORE), -1);
	assert_logged("has no turbo");
	assert_int_equal(power_disable_turbo(LCORE), 0);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_string_equal(taken(r, vcpu_of(0)), "turbo-off set 1500000");
}

static void
test_table(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	unsigned int vcpu = vcpu_of(0);
	uint32_t khz[64];

	assert_int_equal(power_freqs(LCORE, khz, 64), 5);
	assert_memory_equal(khz, with_turbo.khz, 5 * sizeof(khz[0]));
	assert_int_equal(power_freqs(LCORE, khz, 4), 0);
	assert_logged("5 frequencies, room is for 4");
	assert_int_equal(power_freqs(LCORE, NULL, 64), 0);
	/* What is in force, not what was asked. */
	apply_index(r, vcpu, &with_turbo, 2);
	assert_int_equal(power_get_freq(LCORE), 2);
}

/* A host that does not answer is waited for, but not again and again. */
static void
test_not_applied(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	uint64_t start = frq_now_ns(), first;

	apply_index(r, vcpu_of(0), &with_turbo, 0);
	assert_int_equal(power_freq_min(LCORE), 1);
	assert_int_equal(power_get_freq(LCORE), 0);
	first = frq_now_ns() - start;
	assert_true(first >= 100000000);
	start = frq_now_ns();
	assert_int_equal(power_get_freq(LCORE), 0);
	assert_true(frq_now_ns() - start < first / 2);
	assert_string_equal(taken(r, vcpu_of(0)), "min");
	apply_index(r, vcpu_of(0), &with_turbo, 4);
	assert_int_equal(power_get_freq(LCORE), 4);
}

/* A port's frames: what the host says is seen by who takes them in. */
static struct rig *framed;
static unsigned int taken_in;

static int
frames_status(struct freqring_channel *ch, struct freqring_status *st)
{
	if (++taken_in == 3)
		apply_index(framed, ch->vcpu, &with_turbo, 2);
	return frq_ring_status(ch, st);
}

static void
test_over_frames(void **state)
{
	static const struct frq_transport frames = { .id = FREQRING_TRANSPORT_VHOST,
		.freqs = frq_ring_freqs, .status = frames_status };
	struct rig *r = begin(state, &with_turbo);
	struct freqring_channel *ch = lcores[LCORE].ch;
	const struct frq_transport *t = ch->t;
	struct frq_link *link = ch->link;
	uint32_t index;

	assert_int_equal(power_set_freq(LCORE, 2), 1);
	assert_string_equal(taken(r, vcpu_of(0)), "set 2000000");
	framed = r;
	taken_in = 0;
	ch->t = &frames;
	ch->link = NULL;
	index = power_get_freq(LCORE);
	ch->t = t;
	ch->link = link;
	assert_int_equal(index, 2);
}

/* Pinned elsewhere: what was asked holds, its index is another one. */
static void
test_table_changes(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	unsigned int vcpu = vcpu_of(0);
	uint32_t khz[64];

	assert_int_equal(power_set_freq(LCORE, 3), 1);
	assert_string_equal(taken(r, vcpu), "set 1400000");
	give_table(r, vcpu, &no_turbo);
	assert_int_equal(power_freqs(LCORE, khz, 64), 3);
	assert_int_equal(khz[0], 2000000);
	/* 1400000 is the host's 1500000 there. */
	assert_int_equal(power_freq_up(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "max");
	give_table(r, vcpu, &with_turbo);
	assert_int_equal(power_freq_up(LCORE), 0);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "set 2600000");
	assert_int_equal(power_freq_min(LCORE), 1);
	give_table(r, vcpu, &no_turbo);
	assert_int_equal(power_freq_down(LCORE), 0);
	assert_int_equal(power_freq_up(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "min set 1500000");
}

/* The vCPU has no CPU of its own (yet). */
static void
test_no_table(void **state)
{
	struct rig *r = begin(state, NULL);
	unsigned int vcpu = vcpu_of(0);
	uint32_t khz[64];
	bool turbo = true;

	assert_logged("5 freqring: lcore 3, CPU 0");
	assert_logged("has not set the frequency yet");
	assert_int_equal(power_freqs(LCORE, khz, 64), 0);
	assert_int_equal(power_get_freq(LCORE), POWER_INVALID_INDEX);
	assert_int_equal(power_set_freq(LCORE, 0), -ENOTSUP);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_int_equal(power_freq_up(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "down up");
	assert_int_equal(power_capabilities(LCORE, &turbo), 0);
	assert_false(turbo);
	/* Now it has; the host says where the steps led. */
	give_table(r, vcpu, &with_turbo);
	frq_store64(&frq_region_state(&r->h.region, vcpu)->applied, 0);
	apply_index(r, vcpu, &with_turbo, 2);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_string_equal(taken(r, vcpu), "set 1400000");
}

/* ---- a host that comes and goes --------------------------------------------------- */

static void
test_restart(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	unsigned int vcpu = vcpu_of(0);

	assert_int_equal(power_freq_min(LCORE), 1);
	(void)taken(r, vcpu);
	/* A new daemon with the same epoch: the repeat is what finds out. */
	host_set_life(&r->h, (struct frq_life){ .epoch = EPOCH, .incarnation = INCARNATION + 1 });
	host_publish_channels(&r->h, false);
	host_verdict(&r->h, vcpu, FRQ_REASON_OK);
	assert_int_equal(power_freq_down(LCORE), 0);
	assert_string_equal(taken(r, vcpu), "turbo-on min");
}

static void
test_ring_full(void **state)
{
	struct rig *r = begin(state, &with_turbo);
	int ret = 0;

	for (unsigned int i = 0; i <= FRQ_RING_SLOTS && ret >= 0; i++)
		ret = (i & 1) != 0 ? power_freq_max(LCORE) : power_freq_min(LCORE);
	assert_int_equal(ret, -EAGAIN);
	assert_logged("4 freqring: lcore 3, CPU 0");
	assert_logged("the ring is full");
	/* Said once a second. */
	logged[0] = '\0';
	assert_int_equal(power_set_freq(LCORE, 2), -EAGAIN);
	assert_string_equal(logged, "");
	(void)taken(r, vcpu_of(0));
	assert_int_equal(power_set_freq(LCORE, 2), 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_host_dead), T(test_decided_once), T(test_no_device), T(test_broken_device),
		T(test_remapped), T(test_refused), T(test_not_initialised), T(test_init_and_exit),
		T(test_max_and_min), T(test_steps), T(test_turbo), T(test_no_turbo), T(test_table),
		T(test_not_applied), T(test_over_frames),
		T(test_table_changes), T(test_no_table), T(test_restart), T(test_ring_full),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
