/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_packet.c - frames through a packet socket: who sends one is where it
 * was afterwards, also on a kernel with more CPUs than a cpu_set_t has
 *
 * The loopback interface with a made-up sysfs that gives it two queues; that
 * kernel is simulated (--wrap).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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

#include "freqring_pvt.h"
#include "freqring_vhost.h"

static size_t least;		/* bytes that the kernel's masks have */
static unsigned int moved;	/* calls that change where we may run */

int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);
int __real_sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *cpus);
int __wrap_sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *cpus);

int
__wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus)
{
	if (size >= least)
		return __real_sched_getaffinity(pid, size, cpus);
	errno = EINVAL;
	return -1;
}

int
__wrap_sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *cpus)
{
	moved++;
	return __real_sched_setaffinity(pid, size, cpus);
}

/* ---- an interface with two queues --------------------------------------------- */

static char sysfs[64];

static void
put(const char *name, const char *text)
{
	char path[200], *slash;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", sysfs, name);
	for (slash = strchr(path + strlen(sysfs) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(sysfs, sizeof(sysfs), "/tmp/freqring-test-XXXXXX");
	assert_non_null(mkdtemp(sysfs));
	put("class/net/lo/address", "02:66:72:71:00:01\n");
	put("class/net/lo/queues/tx-0/xps_cpus", "0\n");
	put("class/net/lo/queues/tx-1/xps_cpus", "00000000,00000002\n");
	least = moved = 0;
	return 0;
}

static int
tear_down(void **state)
{
	char command[100];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", sysfs);
	return system(command);
}

static void *
open_queue(unsigned int vcpu)
{
	const struct frq_places places = { .sysfs = sysfs, .dev = "/dev" };
	struct frq_err why;
	void *port;
	int ret = frq_packet_frames.open(&port, &places, "lo", 0, vcpu, true, &why);

	/* Packet sockets are for root. */
	if (ret == -EACCES || ret == -EPERM)
		skip();
	assert_int_equal(ret, 0);
	return port;
}

/* From CPUs 0 and 1, of which queue N has N; it comes in again, as the host's would. */
static void
send_and_look(unsigned int vcpu)
{
	const struct frq_vhost_state f = { .head = {
		.ethertype = { FRQ_VHOST_ETHERTYPE >> 8, FRQ_VHOST_ETHERTYPE & 0xff } },
		.hello = 77, .channel = (uint16_t)vcpu };
	struct frq_vhost_state in = { .hello = 0 };
	cpu_set_t before, two, after;
	void *port;
	int ret;

	CPU_ZERO(&two);
	CPU_SET(0, &two);
	CPU_SET(1, &two);
	assert_int_equal(__real_sched_getaffinity(0, sizeof(before), &before), 0);
	if (!CPU_ISSET(0, &before) || !CPU_ISSET(1, &before))
		skip();
	port = open_queue(vcpu);
	assert_int_equal(__real_sched_setaffinity(0, sizeof(two), &two), 0);
	ret = frq_packet_frames.send(port, &f, sizeof(f));
	assert_int_equal(__real_sched_getaffinity(0, sizeof(after), &after), 0);
	assert_int_equal(__real_sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(ret, 0);
	assert_int_equal(moved, 2);
	assert_true(CPU_EQUAL(&after, &two));
	frq_packet_frames.wait(port, 1000000000);
	assert_int_equal(frq_packet_frames.receive(port, &in, sizeof(in)), sizeof(in));
	assert_int_equal(in.hello, 77);
	frq_packet_frames.close(port);
}

static void
moved_there_and_back(void **state)
{
	(void)state;
	send_and_look(1);
}

/* No CPU is said to lead to it: that of its number does. */
static void
queue_without_cpus(void **state)
{
	(void)state;
	send_and_look(0);
}

static void
kernel_with_4096_cpus(void **state)
{
	(void)state;
	least = 512;
	send_and_look(1);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(moved_there_and_back),
		T(queue_without_cpus),
		T(kernel_with_4096_cpus),
	};
#undef T

	return cmocka_run_group_tests_name("vhost_packet", tests, NULL, NULL);
}
