/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_qemu.c - a QEMU that was taken over
 *
 * The test is at QEMU's end of a vhost-user socket, with messages of its own making;
 * librte_vhost, vhost.c and a poller that runs are at the other one. Whatever it says,
 * nothing outside of its memory is touched, the poller is not held up for long, and the
 * process lives.
 */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/virtio_ring.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_vhost.h>

#include "sigbus.h"
#include "vhost.h"

#define PAIRS		2u
#define QUEUES		(2 * PAIRS)
#define SIZE		4u		/* of a virtqueue */
#define MEMORY		65536u
#define DEADLINE_MS	20000u

/* docs/interop/vhost-user in QEMU. */
enum { GET_FEATURES = 1, SET_FEATURES = 2, RESET_OWNER = 4, SET_MEM_TABLE = 5, SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9, SET_VRING_BASE = 10, SET_VRING_KICK = 12, SET_VRING_CALL = 13,
	SET_PROTOCOL_FEATURES = 16, SET_VRING_ENABLE = 18 };
#define VERSION		1u
#define NEED_REPLY	(1u << 3)
#define FEATURES	(UINT64_C(1) << 32 | UINT64_C(1) << 22 | UINT64_C(1) << 30)
#define PROTOCOL_FEATURES (UINT64_C(1) << 0 | UINT64_C(1) << 3)

struct message {
	uint32_t number, flags, size;
	uint8_t payload[264];
} __attribute__((packed));

/* Where the rings of a queue are. */
struct queue {
	struct vring_desc desc[SIZE];
	uint16_t avail[3 + SIZE];
	uint8_t pad[64];
	uint16_t used[2 + 4 * SIZE + 1] __attribute__((aligned(64)));
	uint8_t buffer[2048];
} __attribute__((aligned(4096)));

struct qemu {
	char dir[64], path[108];
	int listener, conn, fd;
	struct queue *queue;		/* the guest's memory begins with them */
	int call[QUEUES];
	struct fx_queue to_applier;
	struct poller *p;
	pthread_t thread;
	struct vhost *v;
	struct vhost_port *port;
	struct vm *vm;
};

/* ---- what vhost.c does meanwhile --------------------------------------------- */

/* Whether the poller has the device, and how often its memory was made anew then. */
static bool fed;
static unsigned int made_anew;

int __real_poller_add_feeder(struct poller *p, const struct poller_feeder *f);
int __real_poller_remove_feeder(struct poller *p, const struct poller_feeder *f);
int __real_rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **mem);
int __wrap_poller_add_feeder(struct poller *p, const struct poller_feeder *f);
int __wrap_poller_remove_feeder(struct poller *p, const struct poller_feeder *f);
int __wrap_rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **mem);

int
__wrap_poller_add_feeder(struct poller *p, const struct poller_feeder *f)
{
	__atomic_store_n(&fed, true, __ATOMIC_RELAXED);
	return __real_poller_add_feeder(p, f);
}

int
__wrap_poller_remove_feeder(struct poller *p, const struct poller_feeder *f)
{
	int ret = __real_poller_remove_feeder(p, f);

	__atomic_store_n(&fed, ret != 0, __ATOMIC_RELAXED);
	return ret;
}

int
__wrap_rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **mem)
{
	if (__atomic_load_n(&fed, __ATOMIC_RELAXED))
		__atomic_fetch_add(&made_anew, 1, __ATOMIC_RELAXED);
	return __real_rte_vhost_get_mem_table(vid, mem);
}

/* ---- messages ------------------------------------------------------------------ */

static void
say(const struct qemu *q, uint32_t number, uint32_t flags, const void *payload, uint32_t size,
	const int *fds, unsigned int nb_fds)
{
	char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct message m = { .number = number, .flags = VERSION | flags, .size = size };
	struct iovec iov = { &m, offsetof(struct message, payload) + size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert_in_range(size, 0, sizeof(m.payload));
	if (size != 0)
		memcpy(m.payload, payload, size);
	if (nb_fds != 0) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)control;

		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(nb_fds * sizeof(int));
		c->cmsg_len = CMSG_LEN(nb_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), fds, nb_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(q->conn, &h, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
}

static void
say_u64(const struct qemu *q, uint32_t number, uint64_t v, int fd)
{
	say(q, number, 0, &v, sizeof(v), &fd, fd >= 0);
}

static void
say_state(const struct qemu *q, uint32_t number, uint32_t queue, uint32_t n)
{
	say(q, number, 0, (const uint32_t[]){ queue, n }, 8, NULL, 0);
}

/* @return whether there was one; the connection may be gone */
static bool
hear(const struct qemu *q)
{
	struct timeval limit = { .tv_sec = DEADLINE_MS / 1000 };
	uint8_t reply[20];

	assert_int_equal(setsockopt(q->conn, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return recv(q->conn, reply, sizeof(reply), MSG_WAITALL) == (ssize_t)sizeof(reply);
}

/* All that was said before has been handled when the answer to this is there. */
static bool
is_handled(const struct qemu *q)
{
	struct message m = { .number = GET_FEATURES, .flags = VERSION };
	size_t len = offsetof(struct message, payload);

	return send(q->conn, &m, len, MSG_NOSIGNAL) == (ssize_t)len && hear(q);
}

static void
say_memory(const struct qemu *q, uint32_t flags, uint64_t size, const int *fds, uint32_t nb)
{
	uint64_t base = (uintptr_t)q->queue;
	struct {
		uint32_t nb, pad;
		struct {
			uint64_t guest, size, user, offset;
		} region[2];
	} p = { .nb = nb, .region = { { 0, size, base, 0 }, { 1u << 30, 4096, base + (1u << 30), 0 } } };

	say(q, SET_MEM_TABLE, flags, &p, (uint32_t)(8 + nb * sizeof(p.region[0])), fds, nb);
}

static void
say_ring(const struct qemu *q, uint32_t n)
{
	const struct queue *at = &q->queue[n];
	const struct {
		uint32_t queue, flags;
		uint64_t desc, used, avail, log;
	} p = { n, 0, (uintptr_t)at->desc, (uintptr_t)at->used, (uintptr_t)at->avail, 0 };
	int kick = eventfd(0, 0);

	say_state(q, SET_VRING_NUM, n, SIZE);
	say_state(q, SET_VRING_BASE, n, 0);
	say(q, SET_VRING_ADDR, 0, &p, sizeof(p), NULL, 0);
	say_u64(q, SET_VRING_KICK, n, kick);
	say_u64(q, SET_VRING_CALL, n, q->call[n]);
	say_state(q, SET_VRING_ENABLE, n, 1);
	(void)close(kick);
}

/* ---- an honest one, to begin with ------------------------------------------------ */

static void *
turn_poller(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

static void
await_pairs(const struct qemu *q, unsigned int nb)
{
	uint64_t end = fx_now_ms() + DEADLINE_MS;

	for (;;) {
		unsigned int has = 0;

		for (unsigned int n = 0; n < PAIRS; n++)
			has += vhost_has_pair(q->port, n);
		if (has == nb)
			return;
		assert_true(fx_now_ms() < end);
		(void)usleep(1000);
	}
}

static int
setup(void **state)
{
	struct qemu *q = calloc(1, sizeof(*q));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct frq_err err;

	assert_non_null(q);
	fx_dir_make(q->dir);
	(void)snprintf(q->path, sizeof(q->path), "%s/freqring-port.sock", q->dir);
	memcpy(addr.sun_path, q->path, sizeof(addr.sun_path));
	q->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(q->listener, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(q->listener, 4), 0);
	q->fd = memfd_create("qemu", 0);
	assert_int_equal(ftruncate(q->fd, MEMORY), 0);
	q->queue = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, q->fd, 0);
	assert_true(q->queue != MAP_FAILED);
	fx_queue_make(&q->to_applier);
	q->p = fx_poller(&q->to_applier, fx_tsc_hz(), -1);
	assert_int_equal(pthread_create(&q->thread, NULL, turn_poller, q->p), 0);
	q->v = vhost_create(&(struct vhost_config){ .poller = q->p, .tsc_hz = rte_get_tsc_hz(),
		.qemu_user = geteuid(), .notify_fd = -1 });
	q->port = vhost_open(q->v, q->path, "test", &err);
	assert_non_null(q->port);
	q->conn = accept(q->listener, NULL, NULL);
	assert_true(q->conn >= 0);
	q->vm = fx_vm_make(q->dir, 2, PAIRS);
	assert_int_equal(poller_add(q->p, q->vm), 0);
	fx_vm_place(q->vm, &fx_table);
	vhost_serve(q->port, q->vm);

	say_u64(q, SET_FEATURES, FEATURES, -1);
	say_u64(q, SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES, -1);
	say_memory(q, 0, MEMORY, &q->fd, 1);
	for (uint32_t n = 0; n < QUEUES; n++) {
		q->call[n] = eventfd(0, 0);
		say_ring(q, n);
	}
	assert_true(is_handled(q));
	await_pairs(q, PAIRS);
	made_anew = 0;
	*state = q;
	return 0;
}

static int
teardown(void **state)
{
	struct qemu *q = *state;

	vhost_release(q->port);
	vhost_close(q->port);
	vhost_free(q->v);
	assert_int_equal(poller_remove(q->p, q->vm), 0);
	poller_stop(q->p);
	(void)pthread_join(q->thread, NULL);
	poller_free(q->p);
	fx_vm_free(q->vm);
	fx_queue_free(&q->to_applier);
	for (unsigned int n = 0; n < QUEUES; n++)
		(void)close(q->call[n]);
	(void)munmap(q->queue, MEMORY);
	(void)close(q->fd);
	(void)close(q->conn);
	(void)close(q->listener);
	(void)unlink(q->path);
	fx_dir_remove(q->dir);
	free(q);
	return 0;
}

/* ---- what it says ------------------------------------------------------------------ */

/* A new eventfd for one queue, as for each change of a guest's interrupts: all go on. */
static void
test_new_call(void **state)
{
	const struct qemu *q = *state;

	for (unsigned int i = 0; i < 50; i++) {
		int fd = eventfd(0, 0);

		say_u64(q, SET_VRING_CALL, i % QUEUES, fd);
		(void)close(fd);
	}
	assert_true(is_handled(q));
	await_pairs(q, PAIRS);
	assert_null(vhost_fault(q->port));
	/* Memory never changes under the poller. */
	assert_int_equal(__atomic_load_n(&made_anew, __ATOMIC_RELAXED), 0);
}

/* The ring is made larger where it stands: it would end beyond the memory. */
static void
test_larger_ring(void **state)
{
	const struct qemu *q = *state;

	say_state(q, SET_VRING_NUM, 1, 32768);
	assert_true(is_handled(q));
	await_pairs(q, PAIRS - 1);
	assert_false(vhost_has_pair(q->port, 0));
}

/* The second region is no memory: librte_vhost has let go of the first by then. */
static void
test_refused_memory(void **state)
{
	const struct qemu *q = *state;
	int pipes[2], fds[2];

	assert_int_equal(pipe(pipes), 0);
	fds[0] = memfd_create("larger", 0);
	fds[1] = pipes[0];
	assert_int_equal(ftruncate(fds[0], 2 * MEMORY), 0);
	say_memory(q, NEED_REPLY, 2 * MEMORY, fds, 2);
	assert_true(hear(q));
	say_state(q, SET_VRING_ENABLE, 3, 1);
	assert_true(is_handled(q));
	await_pairs(q, 0);
	/* What is good is good. */
	say_memory(q, 0, MEMORY, &q->fd, 1);
	assert_true(is_handled(q));
	await_pairs(q, PAIRS);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	(void)close(fds[0]);
}

static void
test_reset_owner(void **state)
{
	const struct qemu *q = *state;

	say(q, RESET_OWNER, 0, NULL, 0, NULL, 0);
	(void)is_handled(q);
	await_pairs(q, 0);
}

/* librte_vhost itself looks into it. */
static void
test_empty_memory(void **state)
{
	const struct qemu *q = *state;
	uint64_t end = fx_now_ms() + DEADLINE_MS;
	int fd = memfd_create("empty", 0);

	/* Instead of cmocka's. */
	assert_int_equal(sigbus_install(), 0);
	say_memory(q, 0, 32 * MEMORY, &fd, 1);
	while (vhost_fault(q->port) == NULL) {
		assert_true(fx_now_ms() < end);
		(void)usleep(1000);
	}
	assert_string_equal(vhost_fault(q->port), "the memory of the VM was cut short");
	await_pairs(q, 0);
	(void)close(fd);
}

/* The rest never comes: teardown would wait for ever. */
static void
test_half_a_message(void **state)
{
	const struct qemu *q = *state;
	const struct message m = { .number = SET_FEATURES, .flags = VERSION, .size = 8 };

	assert_int_equal(send(q->conn, &m, offsetof(struct message, payload), MSG_NOSIGNAL),
		(ssize_t)offsetof(struct message, payload));
}

static uint64_t
heartbeats(const struct qemu *q)
{
	struct poller_stats st;

	poller_get_stats(q->p, &st);
	return st.heartbeats;
}

/* It is full, and the poller waits in it for a reader that does not come. @return its last heartbeat */
static uint64_t
block_poller(const struct qemu *q)
{
	struct queue *tx = &q->queue[1];
	const uint64_t full = UINT64_MAX - 1;
	uint64_t end = fx_now_ms() + DEADLINE_MS, n, before;

	(void)!read(q->call[1], &n, sizeof(n));
	assert_int_equal(write(q->call[1], &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(q->call[1], F_SETFL, 0), 0);
	tx->desc[0] = (struct vring_desc){ .addr = offsetof(struct queue, buffer) };
	__atomic_store_n(&tx->avail[1], 1, __ATOMIC_RELEASE);
	do {
		assert_true(fx_now_ms() < end);
		before = heartbeats(q);
		(void)usleep(100000);
	} while (heartbeats(q) != before);
	return before;
}

static void
await_given_up(const struct qemu *q, uint64_t before)
{
	uint64_t end = fx_now_ms() + DEADLINE_MS;

	while (vhost_fault(q->port) == NULL || heartbeats(q) == before) {
		assert_true(fx_now_ms() < end);
		(void)usleep(1000);
	}
	assert_string_equal(vhost_fault(q->port), "QEMU had its eventfd block");
}

static void
test_eventfd_blocks(void **state)
{
	const struct qemu *q = *state;
	uint64_t before = block_poller(q);

	/* As once a second. */
	for (unsigned int i = 0; i < 2; i++)
		vhost_tick(q->port);
	await_given_up(q, before);
}

/* librte_vhost's thread asks for the device meanwhile, and no second goes by. */
static void
test_eventfd_blocks_a_message(void **state)
{
	const struct qemu *q = *state;
	uint64_t before = block_poller(q);

	assert_true(is_handled(q));
	await_given_up(q, before);
}

/* A pipe would be as full as it likes. */
static void
test_no_eventfd(void **state)
{
	const struct qemu *q = *state;
	uint64_t end = fx_now_ms() + DEADLINE_MS;
	uint8_t byte;
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	say_u64(q, SET_VRING_CALL, 1, pipes[1]);
	assert_true(is_handled(q));
	await_pairs(q, PAIRS);
	q->queue[1].desc[0] = (struct vring_desc){ .addr = offsetof(struct queue, buffer) };
	__atomic_store_n(&q->queue[1].avail[1], 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&q->queue[1].used[1], __ATOMIC_ACQUIRE) == 0) {
		assert_true(fx_now_ms() < end);
		(void)usleep(1000);
	}
	/* A pair's buffers are told of within a millisecond. */
	(void)usleep(20000);
	assert_int_equal(read(pipes[0], &byte, 1), -1);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

static void
test_same_socket(void **state)
{
	const struct qemu *q = *state;
	struct frq_err err;

	assert_null(vhost_open(q->v, q->path, "another", &err));
	assert_non_null(strstr(err.text, "another VM has the same socket"));
	assert_true(is_handled(q));
	await_pairs(q, PAIRS);
}

int
main(void)
{
	static char *eal[] = { "test_vhost_qemu", "--no-huge", "-m", "64", "--no-pci", "--no-shconf", "-l", "0",
		"--no-telemetry", "--log-level=3", "--file-prefix", "freqring-test-qemu" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new_call, setup, teardown),
		cmocka_unit_test_setup_teardown(test_larger_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_a_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd_blocks_a_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_eventfd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_socket, setup, teardown),
	};

	if (rte_eal_init((int)(sizeof(eal) / sizeof(eal[0])), eal) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
