/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_packet.c - frames through a packet socket: who sends one is where it
 * was afterwards, also on a kernel with more CPUs than a cpu_set_t has; and a host
 * that takes its time
 *
 * The loopback interface with a made-up sysfs that gives it two queues; that
 * kernel is simulated (--wrap).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>

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

/* ---- a host whose every answer takes longer than the guest takes to ask again ------ */

#define LATE_NS		UINT64_C(50000000)
#define HELLOS_MAX	64u
#define GRANTED		1000000u	/* kHz, by its answers */

struct late_host {
	int fd;
	struct sockaddr_ll lo;
	uint64_t late_ns;
	bool ended;
	pthread_t thread;
	unsigned int nb, said;
	struct {
		uint64_t word, due_ns;
	} hello[HELLOS_MAX];
};

static void
note_hello(struct late_host *h)
{
	struct frq_vhost_request f;
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);

	/* On this interface a frame goes out and comes in. */
	if (recvfrom(h->fd, &f, sizeof(f), MSG_DONTWAIT, (struct sockaddr *)&from, &len) !=
	    sizeof(f) || from.sll_pkttype == PACKET_OUTGOING ||
	    f.head.kind != FRQ_VHOST_HELLO || h->nb == HELLOS_MAX)
		return;
	h->hello[h->nb].word = f.word;
	h->hello[h->nb++].due_ns = frq_now_ns() + h->late_ns;
}

static void *
answer_late(void *arg)
{
	struct late_host *h = arg;
	struct pollfd pfd = { .fd = h->fd, .events = POLLIN };
	struct frq_vhost_state f = {
		.head = { .ethertype = { FRQ_VHOST_ETHERTYPE >> 8, FRQ_VHOST_ETHERTYPE & 0xff },
			.version = FRQ_VHOST_VERSION, .kind = FRQ_VHOST_STATE },
		.nb_channels = 1,
		.life = frq_life_pack((struct frq_life){ .epoch = 1, .incarnation = 1 }),
		.applied = frq_applied_pack((struct frq_applied){ .epoch = 1,
			.granted_khz = GRANTED }),
		.now = frq_now_pack((struct frq_now){ .khz = GRANTED, .nb_pcpus = 1 }),
	};

	while (!__atomic_load_n(&h->ended, __ATOMIC_RELAXED)) {
		if (poll(&pfd, 1, 1) > 0)
			note_hello(h);
		for (; h->said < h->nb && frq_now_ns() >= h->hello[h->said].due_ns; h->said++) {
			f.hello = h->hello[h->said].word;
			(void)sendto(h->fd, &f, sizeof(f), 0, (const struct sockaddr *)&h->lo,
				sizeof(h->lo));
		}
	}
	return NULL;
}

static void
start_late_host(struct late_host *h, uint64_t late_ns)
{
	*h = (struct late_host){ .late_ns = late_ns, .lo = { .sll_family = AF_PACKET,
		.sll_protocol = htons(FRQ_VHOST_ETHERTYPE), .sll_halen = 6,
		.sll_ifindex = (int)if_nametoindex("lo") } };
	frq_packet_frames.close(open_queue(0));
	h->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(FRQ_VHOST_ETHERTYPE));
	assert_true(h->fd >= 0);
	assert_int_equal(bind(h->fd, (const struct sockaddr *)&h->lo, sizeof(h->lo)), 0);
	assert_int_equal(pthread_create(&h->thread, NULL, answer_late, h), 0);
}

static void
stop_late_host(struct late_host *h)
{
	__atomic_store_n(&h->ended, true, __ATOMIC_RELAXED);
	(void)pthread_join(h->thread, NULL);
}

static struct freqring *
attach_late(struct freqring_channel **ch)
{
	const struct frq_places places = { .sysfs = sysfs, .dev = "/dev" };
	const struct freqring_options o = { .port = "lo", .transport = FREQRING_TRANSPORT_VHOST };
	struct freqring *fr;
	int ret;

	assert_int_equal(frq_open(&fr, &o, &places), 0);
	ret = freqring_attach(fr, 0, ch);
	if (ret != 0)
		print_error("%s\n", freqring_error(fr));
	assert_int_equal(ret, 0);
	return fr;
}

/* An answer to what was asked before the last time is one. */
static void
late_answers(void **state)
{
	struct freqring_channel *ch;
	struct late_host h;

	(void)state;
	start_late_host(&h, LATE_NS);
	freqring_close(attach_late(&ch));
	stop_late_host(&h);
	(void)close(h.fd);
}

/* The kernel drops what is newest where a socket is full: status asks again. */
static void
status_after_idle(void **state)
{
	struct frq_vhost_state f = {
		.head = { .ethertype = { FRQ_VHOST_ETHERTYPE >> 8, FRQ_VHOST_ETHERTYPE & 0xff },
			.version = FRQ_VHOST_VERSION, .kind = FRQ_VHOST_STATE },
		.nb_channels = 1,
		.life = frq_life_pack((struct frq_life){ .epoch = 1, .incarnation = 1 }),
	};
	const struct timespec idle = { .tv_nsec = 60000000 };
	struct freqring_channel *ch;
	struct freqring_status st;
	struct late_host h;
	struct freqring *fr;
	uint32_t khz;

	(void)state;
	start_late_host(&h, 1000000);
	fr = attach_late(&ch);
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int n = 0; n < 3000; n++)
			assert_int_equal(sendto(h.fd, &f, sizeof(f), 0,
				(const struct sockaddr *)&h.lo, sizeof(h.lo)), sizeof(f));
		(void)nanosleep(&idle, NULL);
		if (i == 0) {
			assert_int_equal(freqring_get_status(ch, &st), 0);
			assert_int_equal(st.granted_khz, GRANTED);
		} else {
			assert_int_equal(freqring_query_khz(ch, &khz), 0);
			assert_int_equal(khz, GRANTED);
		}
	}
	stop_late_host(&h);
	freqring_close(fr);
	(void)close(h.fd);
}

/* Who was idle has all that came in meanwhile to get through, and then the newest. */
static void
newest_after_idle(void **state)
{
	struct frq_vhost_state f = {
		.head = { .ethertype = { FRQ_VHOST_ETHERTYPE >> 8, FRQ_VHOST_ETHERTYPE & 0xff },
			.version = FRQ_VHOST_VERSION, .kind = FRQ_VHOST_STATE },
		.nb_channels = 1,
		.life = frq_life_pack((struct frq_life){ .epoch = 1, .incarnation = 1 }),
	};
	const uint32_t last = 200;
	struct freqring_channel *ch;
	struct freqring_status st;
	struct late_host h;
	struct freqring *fr;

	(void)state;
	start_late_host(&h, LATE_NS);
	fr = attach_late(&ch);
	stop_late_host(&h);
	for (uint32_t khz = 1; khz <= last; khz++) {
		f.applied = frq_applied_pack((struct frq_applied){ .epoch = 1, .granted_khz = khz });
		assert_int_equal(sendto(h.fd, &f, sizeof(f), 0, (const struct sockaddr *)&h.lo,
			sizeof(h.lo)), sizeof(f));
	}
	assert_int_equal(freqring_get_status(ch, &st), 0);
	assert_int_equal(st.granted_khz, last);
	freqring_close(fr);
	(void)close(h.fd);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(moved_there_and_back),
		T(queue_without_cpus),
		T(kernel_with_4096_cpus),
		T(late_answers),
		T(newest_after_idle),
		T(status_after_idle),
	};
#undef T

	/* A loopback interface of its own; who may not have one has no packet sockets either. */
	(void)unshare(CLONE_NEWNET);
	return cmocka_run_group_tests_name("vhost_packet", tests, NULL, NULL);
}
