/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_power_serial.c - librte_power's calls over virtio-serial, and while the
 * channel moves between that and shared memory
 */
#include "guest_rig.h"
#include "lcores.h"
#include "ops.h"

#define LCORE 5u

static struct rig *rig;
static char logged[4096];

/* Where the test's own /sys and /dev are. */
int __wrap_freqring_open(struct freqring **fr, const struct freqring_options *options);

int
__wrap_freqring_open(struct freqring **fr, const struct freqring_options *options)
{
	return frq_open(fr, options, &rig->places);
}

static bool
fake_cpus(unsigned int lcore, cpu_set_t *cpus)
{
	(void)lcore;
	CPU_ZERO(cpus);
	CPU_SET(VCPU, cpus);
	return true;
}

static void
fake_log(enum lcores_log_level level, const char *line)
{
	size_t n = strlen(logged);

	(void)snprintf(logged + n, sizeof(logged) - n, "%d %s\n", (int)level, line);
}

static const struct lcores_dpdk fake = { .cpus = fake_cpus, .log = fake_log };

static const struct freq_table table = {
	.nb = 4, .turbo = true, .khz = { 2001000, 2000000, 1500000, 1000000 },
};

static int
set_up_power(void **state)
{
	logged[0] = '\0';
	if (set_up(state) != 0)
		return -1;
	rig = *state;
	return 0;
}

static int
tear_down_power(void **state)
{
	lcores_forget();
	return tear_down(state);
}

static void
assert_logged(const char *part)
{
	if (strstr(logged, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, logged);
}

/* The host at the port's other end, which answers all; or the ring's. */
struct answerer {
	struct rig *r;
	bool ring, stop;
	pthread_t thread;
};

static void *
answer(void *arg)
{
	struct answerer *a = arg;

	while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED)) {
		struct frq_serial_packet p;

		beat(a->r);
		if (a->ring)
			while (host_take(&a->r->h, VCPU).op != FRQ_OP_NONE)
				host_apply(&a->r->h, VCPU, table.khz[0]);
		else if (host_read(a->r, &p) && p.command == FRQ_SERIAL_CPU_POWER)
			host_answer(a->r, p, FRQ_SERIAL_ACK);
		pause_ms(1);
	}
	return NULL;
}

static void
begin(struct rig *r, bool ring)
{
	struct answerer a = { .r = r, .ring = ring };

	if (freqring_vcpu_of_cpu(VCPU) != (int)VCPU)
		skip();
	plug_port(r);
	if (ring) {
		plug_device(r);
		frq_table_write(frq_region_table(&r->h.region, VCPU), &(uint64_t){ 0 }, &table);
	}
	assert_int_equal(pthread_create(&a.thread, NULL, answer, &a), 0);
	assert_true(lcores_stand_in(&fake));
	assert_int_equal(power_init(LCORE), 0);
	__atomic_store_n(&a.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(a.thread, NULL);
	r->ch = lcores[LCORE].ch;
}

static void
test_alone(void **state)
{
	struct rig *r = *state;
	uint32_t khz[64];
	bool turbo = true;

	begin(r, false);
	assert_logged("7 freqring stands in for librte_power: serial");
	assert_int_equal(power_freq_max(LCORE), 0);
	assert_int_equal(power_freq_min(LCORE), 1);
	expect_unit(r, FRQ_SERIAL_MIN);
	assert_int_equal(power_freq_min(LCORE), 0);
	/* Steps are the host's, at the ends, too. */
	assert_int_equal(power_freq_up(LCORE), 1);
	expect_unit(r, FRQ_SERIAL_UP);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_int_equal(power_freq_down(LCORE), 1);
	expect_unit(r, FRQ_SERIAL_DOWN);
	expect_unit(r, FRQ_SERIAL_DOWN);
	assert_int_equal(power_freqs(LCORE, khz, 64), 0);
	assert_int_equal(power_get_freq(LCORE), POWER_INVALID_INDEX);
	assert_int_equal(power_set_freq(LCORE, 0), -ENOTSUP);
	assert_logged("there is no table of frequencies");
	expect_nothing(r);
	assert_int_equal(power_turbo_status(LCORE), 1);
	assert_int_equal(power_disable_turbo(LCORE), 0);
	expect_unit(r, FRQ_SERIAL_DISABLE_TURBO);
	assert_int_equal(power_turbo_status(LCORE), 0);
	assert_int_equal(power_enable_turbo(LCORE), 0);
	expect_unit(r, FRQ_SERIAL_ENABLE_TURBO);
	expect_unit(r, FRQ_SERIAL_MAX);
	/* Nobody answers the question: nothing is known, and that is no error. */
	assert_int_equal(power_capabilities(LCORE, &turbo), 0);
	assert_false(turbo);
	host_skip(r);
	assert_int_equal(power_exit(LCORE), 0);
	expect_nothing(r);
}

/* The program goes on asking, until its channel is there. */
static void
ask_until(struct rig *r, enum freqring_transport to, int (*call)(unsigned int lcore))
{
	uint64_t end = frq_now_ns() + PATIENCE_NS;

	while (r->ch->t->id != to && frq_now_ns() < end) {
		if (to == FREQRING_TRANSPORT_IVSHMEM)
			beat(r);
		assert_true(call(LCORE) >= 0);
		pause_ms(2);
	}
	assert_int_equal(r->ch->t->id, to);
}

static void
test_there_and_back(void **state)
{
	struct rig *r = *state;
	uint32_t khz[64];

	begin(r, true);
	assert_int_equal(power_set_freq(LCORE, 2), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_SET);
	/* The host dies: what is a repeat notices, and kHz are carried as more. */
	assert_int_equal(power_freq_min(LCORE), 1);
	ask_until(r, FREQRING_TRANSPORT_SERIAL, power_freq_min);
	assert_logged("5 freqring: a channel moved from ivshmem to serial");
	host_skip(r);
	assert_int_equal(power_freqs(LCORE, khz, 64), 0);
	assert_int_equal(power_freq_up(LCORE), 1);
	expect_unit(r, FRQ_SERIAL_UP);
	assert_int_equal(power_freq_min(LCORE), 1);
	expect_unit(r, FRQ_SERIAL_MIN);

	ask_until(r, FREQRING_TRANSPORT_IVSHMEM, power_freq_min);
	assert_logged("5 freqring: a channel moved from serial to ivshmem");
	assert_int_equal(power_freqs(LCORE, khz, 64), 4);
	while (host_take(&r->h, VCPU).op != FRQ_OP_NONE)
		;
	assert_int_equal(power_freq_down(LCORE), 0);
	assert_int_equal(power_freq_up(LCORE), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_SET);
}

/* In the middle of the table when the ring's host dies, and stepping on. */
static void
test_steps_on_the_way(void **state)
{
	struct rig *r = *state;

	begin(r, true);
	assert_int_equal(power_set_freq(LCORE, 1), 1);
	ask_until(r, FREQRING_TRANSPORT_SERIAL, power_freq_up);
	host_skip(r);
	assert_int_equal(power_freq_down(LCORE), 1);
	expect_unit(r, FRQ_SERIAL_DOWN);
	/* Back: where the steps led is taken for the maximum. */
	ask_until(r, FREQRING_TRANSPORT_IVSHMEM, power_freq_max);
	while (host_take(&r->h, VCPU).op != FRQ_OP_NONE)
		;
	assert_int_equal(power_freq_up(LCORE), 0);
	assert_int_equal(power_freq_down(LCORE), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_SET);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_power, tear_down_power)
	const struct CMUnitTest tests[] = {
		T(test_alone), T(test_there_and_back), T(test_steps_on_the_way),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
