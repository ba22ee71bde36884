/* SPDX-License-Identifier: BSD-3-Clause */
/* What verify says of a CPU; then verify with a real applier over hardware that records. */
#include "fixture.h"

#include "daemon.h"
#include "verify.h"

static const struct freq_table table = {
	.nb = 4,
	.turbo = true,
	.khz = { 2301000, 2300000, 1800000, 1200000 },
};

/* All is well: 1800 MHz are decided, set, and in force. */
static struct verify_view
well(void)
{
	return (struct verify_view){
		.st = {
			.managed = true,
			.table_known = true,
			.control = CPU_OURS,
			.info = { .table = table, .driver = "acpi-cpufreq" },
			.decided_khz = 1800000,
			.applied_khz = 1800000,
		},
		.look = { .governor = "userspace", .ours = true, .khz = 1800000 },
		.still = true,
	};
}

static void
expect(const struct verify_view *v, bool ok, uint32_t promised_khz, const char *text)
{
	struct verify_verdict r;

	verify_judge(v, &r);
	assert_string_equal(r.text, text);
	assert_int_equal(r.ok, ok);
	assert_false(r.busy);
	assert_int_equal(r.promised_khz, promised_khz);
}

static void
expect_busy(const struct verify_view *v, const char *text)
{
	struct verify_verdict r;

	verify_judge(v, &r);
	assert_string_equal(r.text, text);
	assert_true(r.ok);
	assert_true(r.busy);
}

static void
ours(void **state)
{
	struct verify_view v = well();

	(void)state;
	expect(&v, true, 1800000, "ours, 1800 MHz, userspace");
	v.look.khz = 2300000;
	expect(&v, false, 1800000, "set to 2300 MHz, and 1800 MHz promised");
	v.look.khz = 0;
	expect(&v, false, 1800000, "what it is set to is not known; 1800 MHz promised");
	v.look = (struct power_look){ .governor = "performance", .khz = 1800000 };
	expect(&v, false, 1800000,
		"governor performance, under which freqring does not set it; 1800 MHz promised");
	v.look_error = -ENXIO;
	expect(&v, false, 1800000, "offline, and 1800 MHz promised");
	v.look_error = -EACCES;
	expect(&v, false, 1800000, "its cpufreq files cannot be read: Permission denied");
}

static void
turbo(void **state)
{
	struct verify_view v = well();

	(void)state;
	v.st.decided_khz = v.st.applied_khz = 2301000;
	v.look.khz = 2301000;
	expect(&v, true, 2301000, "ours, 2301 MHz, userspace");
	v.look.khz = 3400000;
	expect(&v, true, 2301000, "ours, 3400 MHz, userspace");
	v.look.khz = 2300000;
	expect(&v, false, 2301000, "set to 2300 MHz, and 2301 MHz promised");
	v.st.decided_khz = v.st.applied_khz = 2300000;
	v.look.khz = 2301000;
	expect(&v, false, 2300000, "set to 2301 MHz, and 2300 MHz promised");
}

static void
nothing_promised(void **state)
{
	struct verify_view v = { .still = true };

	(void)state;
	expect(&v, true, 0, "free");
	/* Somebody votes in its domain, but not on it. */
	v.st.decided_khz = 1800000;
	expect(&v, true, 0, "free");
	v.look_error = -ENXIO;
	expect(&v, true, 0, "free");
	v.st.problem = FRQ_REASON_NO_CPUFREQ;
	expect(&v, true, 0, "free");
	v.st.problem = FRQ_REASON_OK;
	v.held = true;
	expect(&v, false, 0, "nobody asks for it, and it is not given back");

	v = well();
	v.st.decided_khz = 0;
	expect(&v, false, 0, "nobody asks for it, and it is not given back");
}

static void
trouble(void **state)
{
	struct verify_view v = well();

	(void)state;
	v.st.applied_khz = 0;
	v.st.problem = FRQ_REASON_FAILED;
	expect(&v, false, 1800000,
		"the kernel does not do what it is told; wanted: 1800 MHz");
	v.st.problem = FRQ_REASON_FOREIGN;
	v.st.control = CPU_FOREIGN_FREQUENCY;
	v.look.khz = 1200000;
	expect(&v, false, 1800000, "somebody else set 1200 MHz, and is let until something else is "
		"asked for; wanted: 1800 MHz");
	v.st.control = CPU_FOREIGN_GOVERNOR;
	v.look = (struct power_look){ .governor = "performance" };
	expect(&v, false, 1800000,
		"somebody else chose the governor performance, and is let; wanted: 1800 MHz");
	v.st.problem = FRQ_REASON_OFFLINE;
	v.st.control = CPU_OFFLINE;
	expect(&v, false, 1800000, "it is offline; wanted: 1800 MHz");
	v.st.problem = FRQ_REASON_OK;
	v.st.control = CPU_HELD;
	v.st.decided_khz = 0;
	expect(&v, false, 0,
		"an earlier freqringd set it and was killed; it is not known yet who votes");
	v.st.control = CPU_FREE;
	v.st.problem = FRQ_REASON_FAILED;
	expect(&v, false, 0, "the kernel does not do what it is told");
}

static void
busy(void **state)
{
	struct verify_view v = well();

	(void)state;
	v.st.decided_khz = 2300000;
	expect(&v, false, 2300000, "2300 MHz decided, and 1800 MHz set");
	v.may_wait = true;
	expect_busy(&v, "2300 MHz decided, not set yet");
	v = well();
	v.may_wait = true;
	expect(&v, true, 1800000, "ours, 1800 MHz, userspace");
	v.still = false;
	v.look.khz = 2300000;
	expect_busy(&v, "set anew at each look");
}

/* ---- with an applier ---------------------------------------------------------- */

#define NB_CPUS 8u

static struct daemon d;
static uint64_t generation;

static int
setup(void **state)
{
	(void)state;
	recorder_reset();
	recorder.held[5] = true;
	memset(&d, 0, sizeof(d));
	d.power = &recorder_ops;
	for (unsigned int i = 0; i < NB_CPUS; i++)
		cpuset_add(&d.config.managed_cpus, i);
	d.applier = applier_create(&(const struct applier_config){
		.power = d.power, .managed = d.config.managed_cpus, .yield = true, .done_fd = -1,
	});
	return d.applier == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	applier_free(d.applier);
	assert_int_equal(recorder.misuse, 0);
	return 0;
}

/* An operator has all CPUs of the list set to that. */
static void
set_cpus(const char *list, uint8_t kind, uint32_t khz)
{
	struct applier_map *m = fx_map(++generation);
	struct cpuset cpus;
	struct frq_err err;

	assert_true(cpuset_parse(&cpus, list, &err));
	CPUSET_FOREACH(cpu, &cpus)
		m->manual[cpu] = (struct wish){ .kind = kind, .khz = khz };
	applier_set_map(d.applier, m);
}

static void
settle(void)
{
	while (applier_step(d.applier))
		;
}

static json_t *
verify(bool ok)
{
	struct rpc_call call = { .arg = &d };
	json_t *result = verify_run(&call);

	assert_non_null(result);
	assert_int_equal(json_array_size(json_object_get(result, "cpus")), NB_CPUS);
	assert_int_equal(json_is_true(json_object_get(result, "ok")), ok);
	return result;
}

/* All CPUs are all right but `cpu`, of which is said `text`. */
static void
expect_wrong(unsigned int cpu, const char *text)
{
	json_t *result = verify(false), *cpus = json_object_get(result, "cpus");

	for (unsigned int i = 0; i < NB_CPUS; i++) {
		json_t *o = json_array_get(cpus, i);

		assert_int_equal(json_integer_value(json_object_get(o, "cpu")), i);
		assert_int_equal(json_is_true(json_object_get(o, "ok")), i != cpu);
		if (i == cpu)
			assert_string_equal(json_string_value(json_object_get(o, "text")), text);
	}
	json_decref(result);
}

static void
all_of_them(void **state)
{
	json_t *result, *o;

	(void)state;
	expect_wrong(5, "an earlier freqringd set it and was killed; it is not known yet who votes");
	set_cpus("3,4", FRQ_WISH_KHZ, 1400000);
	settle();
	result = verify(true);
	o = json_array_get(json_object_get(result, "cpus"), 3);
	assert_string_equal(json_string_value(json_object_get(o, "control")), "ours");
	assert_string_equal(json_string_value(json_object_get(o, "text")), "ours, 1400 MHz, userspace");
	assert_string_equal(json_string_value(json_object_get(o, "promised_governor")), "userspace");
	assert_int_equal(json_integer_value(json_object_get(o, "promised_khz")), 1400000);
	assert_int_equal(json_integer_value(json_object_get(o, "sysfs_khz")), 1400000);
	o = json_array_get(json_object_get(result, "cpus"), 5);
	assert_string_equal(json_string_value(json_object_get(o, "control")), "free");
	assert_null(json_object_get(o, "promised_governor"));
	json_decref(result);

	/* Before the applier knows of it, and afterwards. */
	recorder.index[4] = 0;
	expect_wrong(4, "set to 2601 MHz, and 1400 MHz promised");
	applier_check_cpus(d.applier);
	settle();
	expect_wrong(4, "somebody else set 2601 MHz, and is let until something else is asked for; "
		"wanted: 1400 MHz");
	set_cpus("3,4", FRQ_WISH_MAX, 0);
	settle();
	json_decref(verify(true));
	recorder.offline[3] = true;
	expect_wrong(3, "offline, and 2601 MHz promised");
	applier_check_cpus(d.applier);
	settle();
	expect_wrong(3, "it is offline; wanted: 2601 MHz");
	recorder.offline[3] = false;
}

static void *
applier_main(void *arg)
{
	(void)applier_run(arg);
	return NULL;
}

/* What is on its way is no difference, whenever it is looked at. */
static void
meanwhile(void **state)
{
	static const char *const lists[] = { "0-7", "1,3", "2-5", "7" };
	uint64_t seed = 4711;
	pthread_t t;

	(void)state;
	set_cpus("0", FRQ_WISH_MAX, 0);
	settle();
	assert_int_equal(pthread_create(&t, NULL, applier_main, d.applier), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		uint32_t r = fx_random(&seed);

		set_cpus(lists[r % 4], FRQ_WISH_KHZ, fx_table.khz[r / 4 % fx_table.nb]);
		json_decref(verify(true));
	}
	applier_stop(d.applier);
	(void)pthread_join(t, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours),
		cmocka_unit_test(turbo),
		cmocka_unit_test(nothing_promised),
		cmocka_unit_test(trouble),
		cmocka_unit_test(busy),
		cmocka_unit_test_setup_teardown(all_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(meanwhile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
