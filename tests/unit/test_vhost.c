/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost.c - frames of a vhost-user port: each kind, each fault
 *
 * First over virtqueues that the test itself writes; then librte_vhost with
 * DPDK's net_virtio_user as front end, in this process. That a daemon comes back
 * under a front end that stays is for tests/system/test_vhost.sh: when its
 * backend goes, net_virtio_user of DPDK 22.11 closes a descriptor that EAL's
 * interrupt thread still waits on, and that panics; or it runs its own handler
 * there after the port was closed, and crashes (which cmocka makes exit status
 * 255 of).
 */
#include "front_end.h"

#include <sched.h>
#include <signal.h>

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "freqring_pvt.h"
#include "sigbus.h"
#include "vhost.h"

static int
setup(void **state)
{
	*state = fe_make();
	return 0;
}

static int
teardown(void **state)
{
	fe_free(*state);
	return 0;
}

static uint64_t
cause(const struct front_end *f, enum vhost_cause c)
{
	return f->d.stats.causes[c];
}

/* ---- requests --------------------------------------------------------------- */

static void
test_request(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0));
	assert_int_equal(fe_turn(f), 1);
	assert_int_equal(fx_wish(f->vm, 0).kind, FRQ_WISH_MAX);
	assert_int_equal(fx_consumed(f->vm, 0).next, 1);
	assert_int_equal(f->m->tx[0].used.idx, 1);
	assert_int_equal(f->m->tx[0].used.ring[0].id, 0);
	assert_ptr_equal(fx_queue_next(&f->queue), &f->vm->ch[0]);
	/* Nothing goes out to who did not say hello. */
	assert_int_equal(f->m->rx[0].used.idx, 0);
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 1, FRQ_OP_SET, 1400000));
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 2, FRQ_OP_MIN, 0));
	assert_int_equal(fe_turn(f), 2);
	assert_int_equal(fx_wish(f->vm, 0).kind, FRQ_WISH_MIN);
	assert_int_equal(fx_wish(f->vm, 1).kind, FRQ_WISH_NONE);
}

/* A queue is a channel, also where that is not the one that asked last. */
static void
test_queue_is_channel(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 1, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0));
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MIN, 0));
	assert_int_equal(fe_turn(f) + fe_turn(f), 2);
	assert_int_equal(fx_wish(f->vm, 0).kind, FRQ_WISH_MIN);
	assert_int_equal(fx_wish(f->vm, 1).kind, FRQ_WISH_MAX);
}

/* More than a turn takes, and around the virtqueue several times. */
static void
test_burst(void **state)
{
	struct front_end *f = *state;
	uint16_t seq = 0;

	for (unsigned int round = 0; round < 40; round++) {
		for (unsigned int i = 0; i < 50; i++, seq++)
			fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, seq, FRQ_OP_PING, seq));
		assert_int_equal(fe_turn(f), 32);
		assert_int_equal(fe_turn(f), 18);
		assert_int_equal(f->m->tx[0].used.idx, seq);
	}
	assert_int_equal(fx_consumed(f->vm, 0).total, seq);
}

/* One that a killed daemon took and did not hand back. */
static void
test_again(void **state)
{
	struct front_end *f = *state;
	struct wish w;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0));
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 1, FRQ_OP_DOWN, 0));
	(void)fe_turn(f);
	w = fx_wish(f->vm, 0);
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 1, FRQ_OP_DOWN, 0));
	assert_int_equal(fe_turn(f), 0);
	assert_int_equal(fx_wish(f->vm, 0).khz, w.khz);
	assert_int_equal(f->m->tx[0].used.idx, 3);
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 2, FRQ_OP_DOWN, 0));
	assert_int_equal(fe_turn(f), 1);
	assert_true(fx_wish(f->vm, 0).khz < w.khz);
}

/* Who starts anew steps ahead and attaches. */
static void
test_attach(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 70, FRQ_OP_ATTACH, 77));
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 71, FRQ_OP_MAX, 0));
	assert_int_equal(fe_turn(f), 2);
	assert_int_equal(fx_consumed(f->vm, 0).next, 72);
	assert_true(fx_wish(f->vm, 0).attached);
}

/* Before the map of its vCPUs is there, what was asked waits in the queue. */
static void
test_waits_for_map(void **state)
{
	struct front_end *f = *state;

	fx_vm_place(f->vm, NULL);
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0));
	assert_int_equal(fe_turn(f), 0);
	assert_int_equal(f->m->tx[0].used.idx, 0);
	fx_vm_place(f->vm, &fx_table);
	assert_int_equal(fe_turn(f), 1);
	assert_int_equal(f->m->tx[0].used.idx, 1);
}

/* ---- frames that are none ----------------------------------------------------- */

/* Each costs its sender the frame, and nothing else. */
static void
expect_dropped(struct front_end *f, enum vhost_cause c)
{
	uint64_t before = cause(f, c);
	uint16_t used = f->m->tx[0].used.idx;

	assert_int_equal(fe_turn(f), 0);
	assert_int_equal(cause(f, c), before + 1);
	assert_int_equal(f->m->tx[0].used.idx, used + 1);
	assert_null(f->d.fault);
	assert_int_equal(fx_consumed(f->vm, 0).total, 0);
}

static void
test_wrong_frames(void **state)
{
	struct front_end *f = *state;
	struct frq_vhost_request r;
	uint8_t longer[2 * sizeof(r)] = { 0 };

	for (unsigned int byte = 12; byte < 14; byte++) {
		r = fe_frame(FRQ_VHOST_REQUEST, 0, fe_word(f, 0, FRQ_OP_MAX, 0));
		((uint8_t *)&r)[byte] ^= 1;
		(void)fe_put(f, 0, &r, sizeof(r));
		expect_dropped(f, VHOST_ETHERTYPE);
	}
	r = fe_frame(FRQ_VHOST_REQUEST, 0, fe_word(f, 0, FRQ_OP_MAX, 0));
	r.head.version++;
	(void)fe_put(f, 0, &r, sizeof(r));
	expect_dropped(f, VHOST_VERSION);
	r = fe_frame(FRQ_VHOST_STATE, 0, fe_word(f, 0, FRQ_OP_MAX, 0));
	(void)fe_put(f, 0, &r, sizeof(r));
	expect_dropped(f, VHOST_KIND);
	r = fe_frame(FRQ_VHOST_REQUEST, 1, fe_word(f, 0, FRQ_OP_MAX, 0));
	(void)fe_put(f, 0, &r, sizeof(r));
	expect_dropped(f, VHOST_MISROUTED);
	r = fe_frame(FRQ_VHOST_REQUEST, 0, fe_word(f, 0, FRQ_OP_MAX, 0));
	memcpy(longer, &r, sizeof(r));
	for (size_t len = 0; len <= sizeof(longer); len++) {
		if (len == sizeof(r))
			continue;
		(void)fe_put(f, 0, longer, len);
		expect_dropped(f, VHOST_LENGTH);
	}
	(void)fe_put(f, 0, &r, sizeof(r));
	assert_int_equal(fe_turn(f), 1);
}

static void
test_descriptors(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0))->flags =
		VRING_DESC_F_NEXT;
	expect_dropped(f, VHOST_CHAINED);
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0))->flags =
		VRING_DESC_F_INDIRECT;
	expect_dropped(f, VHOST_INDIRECT);
}

/* A word with an operation that there is not goes the way of the ring's. */
static void
test_bad_request(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_COUNT, 0));
	assert_int_equal(fe_turn(f), 1);
	assert_int_equal(f->vm->refused[FRQ_REASON_BAD_OP], 1);
	for (unsigned int i = 1; i <= 1200; i++) {
		fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, (uint16_t)i, FRQ_OP_COUNT, 0));
		(void)fe_turn(f);
	}
	assert_true(f->vm->ch[0].quarantined);
	assert_false(f->vm->ch[1].quarantined);
}

/* ---- rings that are broken ------------------------------------------------------ */

static void
expect_quarantine(struct front_end *f)
{
	struct frq_vhost_request r = fe_frame(FRQ_VHOST_REQUEST, 1, fe_word(f, 0, FRQ_OP_MAX, 0));

	for (unsigned int i = 0; i < 4; i++)
		(void)fe_turn(f);
	assert_non_null(f->d.fault);
	/* Nor is the other pair looked at any more. */
	(void)fe_put(f, 1, &r, sizeof(r));
	assert_int_equal(fe_turn(f), 0);
	assert_int_equal(fx_wish(f->vm, 1).kind, FRQ_WISH_NONE);
}

static void
test_index_ahead(void **state)
{
	struct front_end *f = *state;

	f->m->tx[0].avail[1] = FE_SIZE + 1;
	expect_quarantine(f);
}

static void
test_no_such_descriptor(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0));
	f->m->tx[0].avail[2] = FE_SIZE;
	expect_quarantine(f);
}

static void
test_address_outside(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0))->addr =
		FE_GUEST + sizeof(*f->m) - FRQ_VHOST_NET_HEADER;
	expect_quarantine(f);
}

static void
test_address_wraps(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0))->addr = UINT64_MAX - 8;
	expect_quarantine(f);
}

static void
test_write_only(void **state)
{
	struct front_end *f = *state;

	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0))->flags =
		VRING_DESC_F_WRITE;
	expect_quarantine(f);
}

static void
test_receive_read_only(void **state)
{
	struct front_end *f = *state;

	f->m->rx[0].desc[0].flags = 0;
	fe_send(f, 0, FRQ_VHOST_HELLO, 5);
	expect_quarantine(f);
}

static void
test_memory_table(void **state)
{
	const struct guest_memory m = { .nb = 2, .region = {
		{ .guest = 0x1000, .size = 0x1000, .host = (uint8_t *)0x10000 },
		{ .guest = 0x2000, .size = 0x1000, .host = (uint8_t *)0x20000 },
	} };

	(void)state;
	assert_ptr_equal(guest_memory_at(&m, 0x1000, 1), (uint8_t *)0x10000);
	assert_ptr_equal(guest_memory_at(&m, 0x1fff, 1), (uint8_t *)0x10fff);
	assert_null(guest_memory_at(&m, 0xfff, 1));
	/* In one piece or not at all. */
	assert_null(guest_memory_at(&m, 0x1fff, 2));
	assert_ptr_equal(guest_memory_at(&m, 0x2000, 0x1000), (uint8_t *)0x20000);
	assert_null(guest_memory_at(&m, 0x2000, 0x1001));
	assert_null(guest_memory_at(&m, 0x2800, UINT64_MAX));
	assert_null(guest_memory_at(&m, UINT64_MAX, 2));
}

static void
test_ring_shape(void **state)
{
	struct front_end *f = *state;
	struct vhost_ring as = f->d.pair[0].tx, r;

	assert_true(vhost_ring_init(&r, &f->d.memory, &as, 5, 5));
	as.size = 0;
	assert_false(vhost_ring_init(&r, &f->d.memory, &as, 0, 0));
	as.size = 48;
	assert_false(vhost_ring_init(&r, &f->d.memory, &as, 0, 0));
	as.size = FE_SIZE;
	as.desc = (struct vring_desc *)(void *)((uint8_t *)as.desc + 8);
	assert_false(vhost_ring_init(&r, &f->d.memory, &as, 0, 0));
	as.desc = NULL;
	assert_false(vhost_ring_init(&r, &f->d.memory, &as, 0, 0));
}

/* QEMU's file shrinks under the poller: that device is out, the process lives. */
static void
test_cut_short(void **state)
{
	struct front_end *f = *state;

	assert_int_equal(sigbus_install(), 0);
	assert_int_equal(sigbus_watch(f->m, sizeof(*f->m), &f->d.broken), 0);
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_MAX, 0));
	assert_int_equal(fe_turn(f), 1);
	assert_int_equal(ftruncate(f->fd, 0), 0);
	(void)fe_turn(f);
	assert_true(f->d.broken);
	assert_non_null(f->d.fault);
	assert_int_equal(fe_turn(f), 0);
	sigbus_unwatch(f->m);
}

/* ---- answers ------------------------------------------------------------------------ */

static void
test_hello(void **state)
{
	struct front_end *f = *state;
	struct frq_vhost_state s;
	struct frq_vhost_table t;
	uint64_t version = 0;
	const void *frame;
	uint32_t len;

	frq_table_write(frq_region_table(&f->vm->region, 1), &version, &fx_table);
	fe_send(f, 1, FRQ_VHOST_HELLO, 0x1234);
	(void)fe_turn(f);
	frame = fe_receive(f, 1, &len);
	assert_non_null(frame);
	assert_int_equal(len, sizeof(s));
	memcpy(&s, frame, sizeof(s));
	assert_int_equal(s.head.kind, FRQ_VHOST_STATE);
	assert_int_equal(s.head.to[5], 9);
	assert_int_equal(s.channel, 1);
	assert_int_equal(s.nb_channels, FE_PAIRS);
	assert_int_equal(s.hello, 0x1234);
	assert_int_equal(s.life, frq_life_pack(f->vm->life));
	assert_int_equal(s.uuid[0], f->vm->uuid[0]);
	frame = fe_receive(f, 1, &len);
	assert_non_null(frame);
	assert_int_equal(len, sizeof(t));
	memcpy(&t, frame, sizeof(t));
	assert_int_equal(t.head.kind, FRQ_VHOST_TABLE);
	assert_int_equal(t.nb_freqs, fx_table.nb);
	assert_int_equal(t.khz[7], fx_table.khz[7]);
	assert_int_equal(t.turbo, 1);
	assert_int_equal(f->m->rx[0].used.idx, 0);
}

static void
listen_to(struct front_end *f)
{
	struct frq_vhost_state s;

	fe_send(f, 0, FRQ_VHOST_HELLO, 1);
	(void)fe_turn(f);
	assert_true(fe_state(f, 0, &s));
	/* A guest that polls: no interrupts, and an answer at once. */
	f->m->rx[0].avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
}

static void
test_answers(void **state)
{
	struct front_end *f = *state;
	struct frq_vhost_state s;

	/* So that nothing is said for the heartbeat alone. */
	f->d.tsc_us = UINT64_C(1) << 40;
	listen_to(f);
	(void)fe_turn(f);
	assert_false(fe_state(f, 0, &s));
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_PING, 42));
	(void)fe_turn(f);
	assert_true(fe_state(f, 0, &s));
	assert_int_equal(frq_consumed_unpack(s.consumed).next, 1);
	assert_int_equal(frq_request_unpack(s.ping).arg, 42);
	frq_store64(&frq_region_state(&f->vm->region, 0)->applied, 7);
	(void)fe_turn(f);
	assert_true(fe_state(f, 0, &s));
	assert_int_equal(s.applied, 7);
	/* One frame for whatever changed. */
	for (unsigned int i = 1; i < 20; i++)
		fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, (uint16_t)i, FRQ_OP_PING, i));
	(void)fe_turn(f);
	assert_int_equal(f->m->rx[0].used.idx, (uint16_t)(f->rx_seen[0] + 1));
	assert_true(fe_state(f, 0, &s));
	assert_int_equal(frq_consumed_unpack(s.consumed).next, 20);
}

static void
test_heartbeat(void **state)
{
	struct front_end *f = *state;
	struct frq_vhost_state s;

	listen_to(f);
	frq_store64(&frq_region_header(&f->vm->region)->heartbeat, 99);
	for (unsigned int i = 0; !fe_state(f, 0, &s); i++) {
		assert_true(i < 1000000);
		(void)fe_turn(f);
	}
	assert_int_equal(s.heartbeat, 99);
}

static void
test_interrupts(void **state)
{
	struct front_end *f = *state;
	struct frq_vhost_state s;
	uint64_t n;

	f->d.tsc_us = UINT64_C(1) << 40;
	fe_send(f, 0, FRQ_VHOST_HELLO, 1);
	(void)fe_turn(f);
	assert_int_equal(read(f->call[1], &n, sizeof(n)), sizeof(n));
	assert_true(fe_state(f, 0, &s));
	/* It wants one for each: not more often than that. */
	fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, 0, FRQ_OP_PING, 1));
	(void)fe_turn(f);
	assert_false(fe_state(f, 0, &s));
	f->m->rx[0].avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	(void)fe_turn(f);
	assert_true(fe_state(f, 0, &s));
	assert_int_equal(read(f->call[1], &n, sizeof(n)), -1);
}

/* A guest that reads no answers loses them, and gets the newest when it does. */
static void
test_no_buffers(void **state)
{
	struct front_end *f = *state;
	struct frq_vhost_state s;
	uint16_t there;

	f->d.tsc_us = UINT64_C(1) << 40;
	listen_to(f);
	there = f->m->rx[0].avail[1];
	f->m->rx[0].avail[1] = f->m->rx[0].used.idx;
	for (unsigned int i = 0; i < 10; i++) {
		fe_send(f, 0, FRQ_VHOST_REQUEST, fe_word(f, (uint16_t)i, FRQ_OP_PING, i));
		assert_int_equal(fe_turn(f), 1);
	}
	assert_false(fe_state(f, 0, &s));
	assert_int_equal(f->d.stats.answers_dropped, 1);
	f->m->rx[0].avail[1] = there;
	(void)fe_turn(f);
	assert_true(fe_state(f, 0, &s));
	assert_int_equal(frq_consumed_unpack(s.consumed).next, 10);
}

/* A buffer that is too short for an answer goes back empty. */
static void
test_short_buffer(void **state)
{
	struct front_end *f = *state;
	struct frq_vhost_state s;

	f->m->rx[0].desc[0].len = FRQ_VHOST_NET_HEADER + sizeof(s) - 1;
	fe_send(f, 0, FRQ_VHOST_HELLO, 1);
	(void)fe_turn(f);
	assert_int_equal(f->m->rx[0].used.ring[0].len, 0);
	assert_int_equal(cause(f, VHOST_LENGTH), 1);
	(void)fe_turn(f);
	f->rx_seen[0] = 1;
	assert_true(fe_state(f, 0, &s));
	assert_null(f->d.fault);
}

/* ---- librte_vhost and net_virtio_user ------------------------------------------------- */

#define DPDK_PAIRS 2u
#define DPDK_RING 1024u		/* the most that QEMU has */

struct real {
	char dir[64], path[100];
	struct fx_queue queue;
	struct poller *p;
	pthread_t thread;
	struct vhost *v;
	struct vhost_port *port;
	struct vm *vm;
	struct rte_mempool *pool;
	uint16_t eth;
};

static void *
turn_poller(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

static bool
has_pairs(void *arg)
{
	struct real *r = arg;
	struct rte_eth_link link;

	/* This is when net_virtio_user looks whether the other end is there. */
	(void)rte_eth_link_get_nowait(r->eth, &link);
	return vhost_has_pair(r->port, 0) && vhost_has_pair(r->port, 1);
}

static bool
has_none(void *arg)
{
	return !vhost_has_pair(((struct real *)arg)->port, 0);
}

static void
await(bool (*cond)(void *), void *arg)
{
	uint64_t end = fx_now_ms() + 20000;

	while (!cond(arg)) {
		assert_true(fx_now_ms() < end);
		(void)usleep(1000);
	}
}

/* @return DPDK's port; its address is one of ours */
static uint16_t
start_port(const char *name, const char *path, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE };
	char args[250];
	uint16_t eth;

	(void)snprintf(args, sizeof(args),
		"path=%s,server=1,queues=%u,cq=1,queue_size=%u,mac=02:66:72:71:00:%02x", path,
		DPDK_PAIRS, DPDK_RING, (unsigned int)(uint8_t)name[strlen(name) - 1]);
	assert_int_equal(rte_eal_hotplug_add("vdev", name, args), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &eth), 0);
	assert_int_equal(rte_eth_dev_configure(eth, DPDK_PAIRS, DPDK_PAIRS, &conf), 0);
	for (uint16_t q = 0; q < DPDK_PAIRS; q++) {
		assert_int_equal(rte_eth_tx_queue_setup(eth, q, DPDK_RING, 0, NULL), 0);
		assert_int_equal(rte_eth_rx_queue_setup(eth, q, DPDK_RING, 0, NULL, pool), 0);
	}
	assert_int_equal(rte_eth_dev_start(eth), 0);
	return eth;
}

static void
stop_port(const char *name, const char *path, uint16_t eth)
{
	assert_int_equal(rte_eth_dev_stop(eth), 0);
	assert_int_equal(rte_eth_dev_close(eth), 0);
	(void)rte_eal_hotplug_remove("vdev", name);
	(void)unlink(path);
}

static int
setup_real(void **state)
{
	struct real *r = calloc(1, sizeof(*r));
	struct frq_err err;

	assert_non_null(r);
	fx_dir_make(r->dir);
	(void)snprintf(r->path, sizeof(r->path), "%s/freqring-port.sock", r->dir);
	fx_queue_make(&r->queue);
	r->p = fx_poller(&r->queue, fx_tsc_hz(), -1);
	assert_int_equal(pthread_create(&r->thread, NULL, turn_poller, r->p), 0);
	r->v = vhost_create(&(struct vhost_config){ .poller = r->p, .tsc_hz = rte_get_tsc_hz(),
		.qemu_user = geteuid(), .notify_fd = -1 });
	assert_non_null(r->v);
	r->port = vhost_open(r->v, r->path, "test", &err);
	assert_non_null(r->port);
	r->vm = fx_vm_make(r->dir, 2, DPDK_PAIRS);
	assert_int_equal(poller_add(r->p, r->vm), 0);
	fx_vm_place(r->vm, &fx_table);
	vhost_serve(r->port, r->vm);
	r->pool = rte_mempool_lookup("test");
	if (r->pool == NULL)
		r->pool = rte_pktmbuf_pool_create("test", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	assert_non_null(r->pool);
	r->eth = start_port("net_virtio_user0", r->path, r->pool);
	await(has_pairs, r);
	*state = r;
	return 0;
}

static int
teardown_real(void **state)
{
	struct real *r = *state;

	stop_port("net_virtio_user0", r->path, r->eth);
	await(has_none, r);
	vhost_release(r->port);
	vhost_close(r->port);
	vhost_free(r->v);
	assert_int_equal(poller_remove(r->p, r->vm), 0);
	poller_stop(r->p);
	(void)pthread_join(r->thread, NULL);
	poller_free(r->p);
	fx_vm_free(r->vm);
	fx_queue_free(&r->queue);
	fx_dir_remove(r->dir);
	free(r);
	return 0;
}

static void
dpdk_send(const struct real *r, uint16_t queue, enum frq_vhost_kind kind, uint64_t word)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
	struct frq_vhost_request f = fe_frame(kind, queue, word);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, sizeof(f)), &f, sizeof(f));
	assert_int_equal(rte_eth_tx_burst(r->eth, queue, &m, 1), 1);
}

/* The next state frame of a queue whose hello is that. */
static void
dpdk_await_state(const struct real *r, uint16_t queue, uint64_t hello, struct frq_vhost_state *s)
{
	uint64_t end = fx_now_ms() + 20000;
	struct rte_mbuf *m;

	for (;;) {
		assert_true(fx_now_ms() < end);
		if (rte_eth_rx_burst(r->eth, queue, &m, 1) == 0)
			continue;
		if (rte_pktmbuf_data_len(m) == sizeof(*s)) {
			memcpy(s, rte_pktmbuf_mtod(m, const void *), sizeof(*s));
			if (s->hello == hello) {
				rte_pktmbuf_free(m);
				return;
			}
		}
		rte_pktmbuf_free(m);
	}
}

static uint64_t
real_word(const struct real *r, uint16_t seq, enum frq_op op, uint32_t arg)
{
	return frq_request_pack((struct frq_request){ .seq = seq, .epoch = r->vm->life.epoch,
		.op = (uint8_t)op, .arg = arg });
}

static bool
is_max(void *arg)
{
	return fx_wish(arg, 1).kind == FRQ_WISH_MAX;
}

static void
test_virtio_user(void **state)
{
	struct real *r = *state;
	struct frq_vhost_state s;

	dpdk_send(r, 1, FRQ_VHOST_HELLO, 9);
	dpdk_await_state(r, 1, 9, &s);
	assert_int_equal(s.channel, 1);
	dpdk_send(r, 1, FRQ_VHOST_REQUEST, real_word(r, 0, FRQ_OP_MAX, 0));
	await(is_max, r->vm);
	assert_int_equal(fx_wish(r->vm, 0).kind, FRQ_WISH_NONE);
	for (unsigned int i = 1; i < 2000; i++) {
		dpdk_send(r, 1, FRQ_VHOST_REQUEST, real_word(r, (uint16_t)i, FRQ_OP_PING, i));
		do
			dpdk_await_state(r, 1, 9, &s);
		while (frq_request_unpack(s.ping).arg != i);
	}
}

/* The other end goes and comes back: librte_vhost connects again, sequences go on. */
static void
test_reconnect(void **state)
{
	struct real *r = *state;
	struct frq_vhost_state s;

	dpdk_send(r, 1, FRQ_VHOST_REQUEST, real_word(r, 0, FRQ_OP_MAX, 0));
	await(is_max, r->vm);
	stop_port("net_virtio_user0", r->path, r->eth);
	await(has_none, r);
	r->eth = start_port("net_virtio_user0", r->path, r->pool);
	await(has_pairs, r);
	dpdk_send(r, 0, FRQ_VHOST_HELLO, 11);
	dpdk_await_state(r, 0, 11, &s);
	dpdk_send(r, 1, FRQ_VHOST_HELLO, 12);
	dpdk_await_state(r, 1, 12, &s);
	assert_int_equal(frq_consumed_unpack(s.consumed).next, 1);
}

/* ---- libfreqring over DPDK's port --------------------------------------------------- */

static struct freqring *
open_library(const struct real *r)
{
	char port[32];
	struct freqring *fr;
	int ret;

	(void)snprintf(port, sizeof(port), "ethdev:%u", r->eth);
	ret = freqring_open(&fr, &(struct freqring_options){ .port = port,
		.transport = FREQRING_TRANSPORT_VHOST });
	if (ret != 0)
		print_error("%s\n", freqring_error(fr));
	assert_int_equal(ret, 0);
	return fr;
}

static bool
is_1400(void *arg)
{
	return fx_wish(arg, 1).kind == FRQ_WISH_KHZ && fx_wish(arg, 1).khz == 1400000;
}

static void
test_library(void **state)
{
	struct real *r = *state;
	struct freqring *fr = open_library(r);
	struct freqring_channel *ch;
	struct freqring_info info;
	struct freqring_status st;

	assert_int_equal(freqring_get_info(fr, &info, 500), 0);
	assert_true(info.host_alive);
	assert_int_equal(info.nb_channels, DPDK_PAIRS);
	assert_int_equal(freqring_attach(fr, DPDK_PAIRS, &ch), -EINVAL);
	assert_int_equal(freqring_attach(fr, 1, &ch), 0);
	assert_int_equal(freqring_set(ch, 1400000), 1);
	assert_int_equal(freqring_wait_consumed(ch, 2000000), 0);
	assert_true(is_1400(r->vm));
	/* A repeat is dropped, and nothing more. */
	assert_int_equal(freqring_set(ch, 1400000), 0);
	/* More than a ring of them. */
	for (unsigned int i = 0; i < 1000; i++) {
		int ret;

		while ((ret = freqring_ping(ch, i)) == -EAGAIN)
			;
		assert_int_equal(ret, 1);
	}
	assert_int_equal(freqring_wait_consumed(ch, 2000000), 0);
	assert_int_equal(freqring_get_status(ch, &st), 0);
	assert_int_equal(st.transport, FREQRING_TRANSPORT_VHOST);
	assert_int_equal(freqring_get_info(fr, &info, 0), 0);
	assert_true(info.host_alive);
	assert_int_equal(fx_wish(r->vm, 0).kind, FRQ_WISH_NONE);
	freqring_close(fr);
}

/* A ring gives sent frames back only when it is nearly full of them: each holds its share. */
static void
test_library_all_queues(void **state)
{
	struct real *r = *state;
	struct freqring *fr = open_library(r);
	struct freqring_channel *ch[DPDK_PAIRS];
	uint64_t end = fx_now_ms() + 20000;

	for (unsigned int n = 0; n < DPDK_PAIRS; n++)
		assert_int_equal(freqring_attach(fr, n, &ch[n]), 0);
	for (unsigned int i = 0; i < 3 * DPDK_RING; i++) {
		int ret;

		while ((ret = freqring_ping(ch[i % DPDK_PAIRS], i)) == -EAGAIN)
			assert_true(fx_now_ms() < end);
		assert_int_equal(ret, 1);
	}
	for (unsigned int n = 0; n < DPDK_PAIRS; n++)
		assert_int_equal(freqring_wait_consumed(ch[n], 2000000), 0);
	freqring_close(fr);
}

/* Two look like ours, and behind the first is nobody. */
static void
test_library_finds(void **state)
{
	struct real *r = *state;
	const struct freqring_options o = { .port = "ethdev",
		.transport = FREQRING_TRANSPORT_VHOST };
	struct freqring_channel *ch;
	struct freqring *fr;
	struct vhost_port *other;
	struct frq_err err;
	char path[120];
	uint16_t eth;

	(void)snprintf(path, sizeof(path), "%s/other.sock", r->dir);
	other = vhost_open(r->v, path, "other", &err);
	assert_non_null(other);
	eth = start_port("net_virtio_user1", path, r->pool);
	assert_true(eth > r->eth);
	vhost_release(r->port);
	vhost_serve(other, r->vm);
	assert_int_equal(freqring_open(&fr, &o), 0);
	assert_int_equal(freqring_attach(fr, 1, &ch), 0);
	assert_int_equal(freqring_set(ch, 1400000), 1);
	assert_int_equal(freqring_wait_consumed(ch, 2000000), 0);
	assert_true(is_1400(r->vm));
	freqring_close(fr);
	stop_port("net_virtio_user1", path, eth);
	vhost_release(other);
	vhost_close(other);
	vhost_serve(r->port, r->vm);
	await(has_pairs, r);
}

/* ---- beside shared memory ------------------------------------------------------------ */

/* No machine of ours maps memory uncached, so that is simulated: the library's
 * measurement, but its verdict is the test's.
 */
static bool is_slow;
void __real_frq_mapping_measure(struct frq_link *link);
void __wrap_frq_mapping_measure(struct frq_link *link);

void
__wrap_frq_mapping_measure(struct frq_link *link)
{
	__real_frq_mapping_measure(link);
	link->mapping = is_slow ? FREQRING_MAPPING_UNCACHED : FREQRING_MAPPING_CACHED;
}

/* A VM that has a ring beside its port; each is a VM of its own to this host. */
struct both {
	struct real *r;
	struct vm *ring;
	char path[100];
	pthread_t applier;
	bool ended;
	struct freqring *fr;
	struct freqring_channel *ch;
	enum freqring_transport from, to;	/* of the last move */
	char why[96];
};

/* Takes what is queued, no more: without anybody the poller says that it is dead. */
static void *
take_queued(void *arg)
{
	struct both *b = arg;

	while (!__atomic_load_n(&b->ended, __ATOMIC_RELAXED)) {
		(void)fx_queue_drain(&b->r->queue);
		(void)usleep(1000);
	}
	return NULL;
}

static void
note_move(void *arg, enum freqring_transport from, enum freqring_transport to, const char *why)
{
	struct both *b = arg;

	b->from = from;
	b->to = to;
	(void)snprintf(b->why, sizeof(b->why), "%s", why);
}

static struct both *
make_both(struct real *r, bool slow)
{
	const struct frq_region_file who = { .owner = geteuid(), .group = getegid() };
	struct both *b = calloc(1, sizeof(*b));
	struct frq_region region = FRQ_REGION_NONE;
	struct frq_err err;
	bool made;

	assert_non_null(b);
	is_slow = slow;
	b->r = r;
	(void)snprintf(b->path, sizeof(b->path), "%s/ring", r->dir);
	assert_int_equal(frq_region_open(&region, b->path, &who, &made, &err), 0);
	b->ring = fx_vm_over(r->dir, 3, DPDK_PAIRS, region);
	fx_vm_place(b->ring, &fx_table);
	assert_int_equal(poller_add(r->p, b->ring), 0);
	assert_int_equal(pthread_create(&b->applier, NULL, take_queued, b), 0);
	return b;
}

static void
open_both(struct both *b, enum freqring_transport expected)
{
	char port[32];
	struct freqring_options o = { .port = port, .device = b->path, .moved = note_move,
		.moved_arg = b };

	(void)snprintf(port, sizeof(port), "ethdev:%u", b->r->eth);
	assert_int_equal(freqring_open(&b->fr, &o), 0);
	assert_int_equal(freqring_attach(b->fr, 1, &b->ch), 0);
	assert_int_equal(b->ch->t->id, expected);
}

static void
free_both(struct both *b)
{
	freqring_close(b->fr);
	assert_int_equal(poller_remove(b->r->p, b->ring), 0);
	__atomic_store_n(&b->ended, true, __ATOMIC_RELAXED);
	(void)pthread_join(b->applier, NULL);
	fx_vm_free(b->ring);
	(void)unlink(b->path);
	is_slow = false;
	free(b);
}

/* Until the channel is there, and what is asked arrives. */
static void
ask_until(struct both *b, enum freqring_transport t, enum frq_wish_kind kind)
{
	const struct vm *vm = t == FREQRING_TRANSPORT_VHOST ? b->r->vm : b->ring;
	uint64_t end = fx_now_ms() + 20000;

	while (b->ch->t->id != t || fx_wish(vm, 1).kind != kind) {
		assert_true(fx_now_ms() < end);
		(void)(kind == FRQ_WISH_MAX ? freqring_max(b->ch) : freqring_min(b->ch));
		(void)freqring_wait_consumed(b->ch, 10000);
	}
}

static void
assert_moved(const struct both *b, enum freqring_transport from, enum freqring_transport to,
	const char *why)
{
	assert_int_equal(b->from, from);
	assert_int_equal(b->to, to);
	assert_string_equal(b->why, why);
}

/* Cached: the ring, the port when its host is silent, and the ring again. */
static void
test_ring_first(void **state)
{
	struct real *r = *state;
	struct both *b = make_both(r, false);

	open_both(b, FREQRING_TRANSPORT_IVSHMEM);
	ask_until(b, FREQRING_TRANSPORT_IVSHMEM, FRQ_WISH_MAX);
	assert_int_equal(fx_wish(r->vm, 1).kind, FRQ_WISH_NONE);
	assert_int_equal(poller_remove(r->p, b->ring), 0);
	ask_until(b, FREQRING_TRANSPORT_VHOST, FRQ_WISH_MIN);
	assert_moved(b, FREQRING_TRANSPORT_IVSHMEM, FREQRING_TRANSPORT_VHOST,
		"the host's heartbeat is still");
	assert_int_equal(poller_add(r->p, b->ring), 0);
	ask_until(b, FREQRING_TRANSPORT_IVSHMEM, FRQ_WISH_MIN);
	assert_moved(b, FREQRING_TRANSPORT_VHOST, FREQRING_TRANSPORT_IVSHMEM,
		"its host answers again");
	free_both(b);
}

/* Uncached: the port, the ring when the port's host is silent, and the port again. */
static void
test_port_first(void **state)
{
	struct real *r = *state;
	struct both *b = make_both(r, true);

	open_both(b, FREQRING_TRANSPORT_VHOST);
	ask_until(b, FREQRING_TRANSPORT_VHOST, FRQ_WISH_MAX);
	assert_int_equal(fx_wish(b->ring, 1).kind, FRQ_WISH_NONE);
	vhost_release(r->port);
	ask_until(b, FREQRING_TRANSPORT_IVSHMEM, FRQ_WISH_MIN);
	assert_moved(b, FREQRING_TRANSPORT_VHOST, FREQRING_TRANSPORT_IVSHMEM,
		"nobody answers at the other end of the virtio-net port");
	vhost_serve(r->port, r->vm);
	ask_until(b, FREQRING_TRANSPORT_VHOST, FRQ_WISH_MIN);
	assert_moved(b, FREQRING_TRANSPORT_IVSHMEM, FREQRING_TRANSPORT_VHOST,
		"its host answers again");
	free_both(b);
}

/* Uncached, but nobody answers over the port: the ring, slow as it is. */
static void
test_port_silent(void **state)
{
	struct real *r = *state;
	struct both *b = make_both(r, true);

	vhost_release(r->port);
	open_both(b, FREQRING_TRANSPORT_IVSHMEM);
	ask_until(b, FREQRING_TRANSPORT_IVSHMEM, FRQ_WISH_MAX);
	free_both(b);
	vhost_serve(r->port, r->vm);
	await(has_pairs, r);
}

int
main(void)
{
	char *eal[] = { "test_vhost", "--no-huge", "-m", "64", "--no-pci", "--no-shconf", "-l", "0",
		"--no-telemetry", "--log-level=3", "--file-prefix", "freqring-test-vhost" };
	const struct CMUnitTest frames[] = {
		cmocka_unit_test_setup_teardown(test_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_is_channel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits_for_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_index_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_address_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_address_wraps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_receive_read_only, setup, teardown),
		cmocka_unit_test(test_memory_table),
		cmocka_unit_test_setup_teardown(test_ring_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heartbeat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_buffer, setup, teardown),
	};
	const struct CMUnitTest real[] = {
		cmocka_unit_test_setup_teardown(test_virtio_user, setup_real, teardown_real),
		cmocka_unit_test_setup_teardown(test_reconnect, setup_real, teardown_real),
		cmocka_unit_test_setup_teardown(test_library, setup_real, teardown_real),
		cmocka_unit_test_setup_teardown(test_library_all_queues, setup_real, teardown_real),
		cmocka_unit_test_setup_teardown(test_library_finds, setup_real, teardown_real),
		cmocka_unit_test_setup_teardown(test_ring_first, setup_real, teardown_real),
		cmocka_unit_test_setup_teardown(test_port_first, setup_real, teardown_real),
		cmocka_unit_test_setup_teardown(test_port_silent, setup_real, teardown_real),
	};
	int failed = cmocka_run_group_tests(frames, NULL, NULL);
	cpu_set_t cpus;

	/* net_virtio_user writes to sockets that are closed. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* EAL keeps this thread on one CPU, and those that it starts: the poller spins, too. */
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ||
	    rte_eal_init((int)(sizeof(eal) / sizeof(eal[0])), eal) < 0 ||
	    sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		return 1;
	return failed + cmocka_run_group_tests(real, NULL, NULL);
}
