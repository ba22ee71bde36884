/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUs that an operator sets, by the real control socket, with the real
 * applier over hardware that records: when he is answered, and what.
 */
#include "fixture.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "control.h"
#include "daemon.h"
#include "operator_cpu.h"

#define LINE_SIZE	1024

static struct daemon d;
static char dir[64];
static char path[96];
static int client = -1;

static const struct rpc_method methods[] = {
	{ "set", true, set_cpu_freq_run },
	{ NULL, false, NULL },
};

/* ---- a daemon, of which the test is each thread ----------------------------- */

static int
setup(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct frq_err err = { "" };

	(void)state;
	fx_dir_make(dir);
	recorder_reset();
	memset(&d, 0, sizeof(d));
	d.power = &recorder_ops;
	cpuset_add(&d.config.managed_cpus, 0);
	cpuset_add(&d.config.managed_cpus, 1);
	(void)snprintf(d.config.state_dir, sizeof(d.config.state_dir), "%s", dir);
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	d.base = event_base_new();
	d.applier_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d.applier = applier_create(&(const struct applier_config){
		.power = d.power, .managed = d.config.managed_cpus, .yield = true,
		.done_fd = d.applier_fd,
	});
	assert_non_null(d.applier);
	d.vms = vms_create(&(const struct vms_config){
		.config = &d.config, .applier = d.applier, .power = d.power,
	}, &err);
	assert_non_null(d.vms);
	d.cpu_orders = cpu_orders_create(&d, &err);
	assert_non_null(d.cpu_orders);
	assert_int_equal(control_start(&d.control, d.base, &(const struct control_config){
		.path = path, .group = (gid_t)-1, .admin_group = (gid_t)-1, .methods = methods,
		.arg = &d }, &err), 0);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (client >= 0)
		(void)close(client);
	cpu_orders_free(d.cpu_orders);
	control_stop(d.control);
	vms_free(d.vms);
	applier_free(d.applier);
	(void)close(d.applier_fd);
	event_base_free(d.base);
	fx_dir_remove(dir);
	assert_int_equal(recorder.misuse, 0);
	return 0;
}

/* The control thread, as far as it has something to do. */
static void
turn(void)
{
	uint64_t n;

	(void)event_base_loop(d.base, EVLOOP_NONBLOCK);
	if (read(d.applier_fd, &n, sizeof(n)) == sizeof(n))
		cpu_orders_follow(d.cpu_orders);
	(void)event_base_loop(d.base, EVLOOP_NONBLOCK);
}

static void
apply(void)
{
	while (applier_step(d.applier))
		turn();
}

static void
ask(const char *cpus, const char *freq)
{
	char line[LINE_SIZE];
	int n = snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"set\","
		"\"params\":{\"cpus\":\"%s\",\"freq\":%s}}\n", cpus, freq);

	assert_int_equal(send(client, line, (size_t)n, 0), n);
	for (unsigned int i = 0; i < 10; i++)
		turn();
}

/* What came by now. */
static const char *
heard(void)
{
	static char line[LINE_SIZE];
	ssize_t n = recv(client, line, sizeof(line) - 1, 0);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* Both threads work until there is an answer, `ms` at most. */
static const char *
wait_for_answer(unsigned int ms)
{
	uint64_t end = fx_now_ms() + ms;
	const char *line = "";

	while (line[0] == '\0' && fx_now_ms() < end) {
		const struct timespec pause = { .tv_nsec = 1000000 };

		apply();
		turn();
		line = heard();
		if (line[0] == '\0')
			(void)nanosleep(&pause, NULL);
	}
	return line;
}

static void
expect_done(const char *line, unsigned int cpus)
{
	char expected[80];

	(void)snprintf(expected, sizeof(expected), "\"result\":{\"cpus\":%u}}\n", cpus);
	assert_non_null(strstr(line, expected));
}

static void
expect_failed(const char *line, const char *text)
{
	assert_non_null(strstr(line, "\"code\":-32000,"));
	if (strstr(line, text) == NULL)
		fail_msg("%s is not in %s", text, line);
}

/* ---- tests ------------------------------------------------------------------- */

static void
answered_when_set(void **state)
{
	(void)state;
	ask("0-1", "\"max\"");
	assert_string_equal(heard(), "");
	assert_int_equal(recorder_get(0), 0);
	apply();
	assert_int_equal(recorder_get(1), 2601000);
	expect_done(heard(), 2);
	ask("1", "1400000");
	apply();
	assert_int_equal(recorder_get(1), 1400000);
	expect_done(heard(), 1);
	/* Nothing is changed by it, and that is in force at once. */
	ask("1", "1400000");
	apply();
	expect_done(heard(), 1);
	ask("0-1", "\"release\"");
	assert_string_equal(heard(), "");
	apply();
	assert_int_equal(recorder_get(0), 0);
	expect_done(heard(), 2);
	ask("all", "\"release\"");
	expect_done(heard(), 0);
}

/* Two settings, of which the applier sees one map. */
static void
overtaken(void **state)
{
	(void)state;
	ask("0", "\"min\"");
	ask("0", "\"max\"");
	assert_string_equal(heard(), "");
	apply();
	assert_int_equal(recorder_get(0), 2601000);
	expect_done(heard(), 1);
}

/* As while the CPU is being plugged. */
static void
busy_for_a_while(void **state)
{
	(void)state;
	recorder.force_error[0] = recorder.set_error[0] = -EBUSY;
	ask("0", "\"max\"");
	apply();
	assert_string_equal(heard(), "");
	assert_string_equal(wait_for_answer(20), "");
	recorder.force_error[0] = recorder.set_error[0] = 0;
	expect_done(wait_for_answer(2000), 1);
	assert_int_equal(recorder_get(0), 2601000);
}

static void
refused(void **state)
{
	uint64_t began = fx_now_ms();

	(void)state;
	recorder.force_error[1] = recorder.set_error[1] = -EIO;
	ask("0-1", "\"max\"");
	expect_failed(wait_for_answer(2000), "CPU 1: not in force: the kernel does not do what it is told; "
		"wanted: 2601 MHz (it stands until freqring release 1)");
	assert_true(fx_now_ms() - began < 2000);
	assert_int_equal(recorder_get(0), 2601000);
	/* It passes within the time that such a thing is waited for. */
	ask("1", "\"min\"");
	apply();
	assert_string_equal(heard(), "");
	recorder.force_error[1] = recorder.set_error[1] = 0;
	expect_done(wait_for_answer(2000), 1);
	assert_int_equal(recorder_get(1), 800000);
}

static void
in_the_way(void **state)
{
	(void)state;
	ask("0", "\"max\"");
	apply();
	expect_done(heard(), 1);
	recorder.offline[0] = true;
	ask("0", "\"min\"");
	expect_failed(wait_for_answer(6000), "CPU 0: not in force: it is offline; wanted: 800 MHz");
	ask("0", "\"release\"");
	expect_failed(wait_for_answer(2000), "CPU 0: released, but not as the votes say yet: it is offline");
	/* It is back, which the applier does not know yet. */
	recorder.offline[0] = false;
	ask("0", "\"max\"");
	expect_done(wait_for_answer(6000), 1);
	recorder.foreign[0] = true;
	applier_check_cpus(d.applier);
	apply();
	ask("0", "\"min\"");
	expect_failed(wait_for_answer(2000),
		"CPU 0: not in force: somebody else chose the governor performance, and is let; wanted: 800 MHz");
	recorder.foreign[0] = false;
	applier_check_cpus(d.applier);
	apply();
	assert_int_equal(recorder_get(0), 800000);
	ask("0", "\"release\"");
	apply();
	expect_done(heard(), 1);
}

/* It is not waited for without an end. */
static void
no_applier(void **state)
{
	uint64_t end = fx_now_ms() + 6000;
	const char *line = "";

	(void)state;
	ask("0", "\"max\"");
	while (line[0] == '\0' && fx_now_ms() < end) {
		(void)event_base_loop(d.base, EVLOOP_ONCE);
		line = heard();
	}
	expect_failed(line, "CPU 0: not in force: the applier does not get to it");
	apply();
	assert_int_equal(recorder_get(0), 2601000);
}

static void
what_is_wrong_waits_for_nothing(void **state)
{
	(void)state;
	ask("0,7", "\"max\"");
	expect_failed(heard(), "CPU 7 is not managed (managed_cpus = 0-1)");
	ask("0", "5000000");
	assert_string_equal(heard(), "");
	apply();
	expect_done(heard(), 1);
	ask("0", "5000000");
	expect_failed(heard(), "CPU 0: 5000000 kHz is not within 800000 to 2601000");
	ask("0", "\"faster\"");
	assert_non_null(strstr(heard(), "\"code\":-32602,"));
	apply();
	assert_int_equal(recorder_get(0), 2601000);
}

static void
gone_meanwhile(void **state)
{
	(void)state;
	ask("0", "\"max\"");
	(void)close(client);
	client = -1;
	turn();
	apply();
	assert_int_equal(recorder_get(0), 2601000);
}

/* Whoever waits when the daemon ends is told. */
static void
ends_meanwhile(void **state)
{
	(void)state;
	ask("0", "\"max\"");
	cpu_orders_free(d.cpu_orders);
	d.cpu_orders = NULL;
	turn();
	expect_failed(heard(), "freqringd ends");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answered_when_set),
		T(overtaken),
		T(busy_for_a_while),
		T(refused),
		T(in_the_way),
		T(no_applier),
		T(what_is_wrong_waits_for_nothing),
		T(gone_meanwhile),
		T(ends_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
