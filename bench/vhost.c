/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost.c - a request over a vhost-user port, beside a bare librte_vhost
 *
 * One process: DPDK's net_virtio_user is the guest, on one CPU; the host, on
 * another, is the daemon's poller with its port, or a loop of nothing but
 * rte_vhost_dequeue_burst (and rte_vhost_enqueue_burst, for the way back).
 * Both have a port of their own, in the same way, and take turns.
 *
 * One way is from before rte_eth_tx_burst to when the host's call that took the
 * request has returned; there and back, to when the answer came out of
 * rte_eth_rx_burst. What a port whose guest listens and asks nothing costs a turn
 * of the poller stands beside an empty rte_vhost_dequeue_burst.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "poller.h"
#include "report.h"
#include "served.h"
#include "thread.h"
#include "vhost.h"

#define SAMPLES		100000u
#define SAMPLES_MAX	100000000u
#define ROUNDS		10u
#define TURNS		1000000u	/* that are timed at once */
#define WAIT_TRIES	20000u	/* milliseconds for a port to be ready */

enum side { OURS, BARE, NB_SIDES };

struct arena {
	char dir[64], path[NB_SIDES][96];
	struct served served;
	struct vhost *vhost;
	struct vhost_port *port;
	struct rte_mempool *pool;
	uint16_t eth[NB_SIDES];
	unsigned int host_cpu;
	/* Between the two threads. */
	int bare_vid __attribute__((aligned(FRQ_LINE)));
	bool stop;
	enum side side;			/* whom the host thread plays */
	bool answers;			/* of the bare one */
	enum { TIME_NOTHING, TIME_TURNS, TIME_EMPTY } time;	/* what it is to time */
	uint64_t timed;			/* ticks of TURNS of that; 0: not yet */
	uint64_t taken_tsc __attribute__((aligned(FRQ_LINE)));	/* of the last request; 0: none yet */
	/* The guest's. */
	uint16_t seq __attribute__((aligned(FRQ_LINE)));
};

/* ---- the host ------------------------------------------------------------------ */

static struct arena *bare_arena;

static int
on_bare_ready(int vid)
{
	(void)rte_vhost_enable_guest_notification(vid, 1, 0);
	__atomic_store_n(&bare_arena->bare_vid, vid, __ATOMIC_RELEASE);
	return 0;
}

static void
on_bare_gone(int vid)
{
	(void)vid;
	__atomic_store_n(&bare_arena->bare_vid, -1, __ATOMIC_RELEASE);
}

static const struct rte_vhost_device_ops bare_ops = {
	.new_device = on_bare_ready,
	.destroy_device = on_bare_gone,
};

static unsigned int
turn_bare(struct arena *a)
{
	int vid = __atomic_load_n(&a->bare_vid, __ATOMIC_RELAXED);
	struct rte_mbuf *m[32];
	unsigned int n;

	if (vid < 0)
		return 0;
	n = rte_vhost_dequeue_burst(vid, 1, a->pool, m, 32);
	if (n != 0 && __atomic_load_n(&a->answers, __ATOMIC_RELAXED))
		(void)rte_vhost_enqueue_burst(vid, 0, m, (uint16_t)n);
	for (unsigned int i = 0; i < n; i++)
		rte_pktmbuf_free(m[i]);
	return n;
}

/* As the threads agree: what is to be timed, then how long it took, then nothing. */
static void
time_turns(struct arena *a, unsigned int what)
{
	uint64_t start = tsc_read();

	for (unsigned int i = 0; i < TURNS; i++) {
		if (what == TIME_TURNS)
			(void)poller_turn(a->served.poller);
		else
			(void)turn_bare(a);
	}
	__atomic_store_n(&a->time, TIME_NOTHING, __ATOMIC_RELAXED);
	__atomic_store_n(&a->timed, tsc_read() - start, __ATOMIC_RELEASE);
}

/* librte_vhost's thread waits for the poller now and then, so that is turned but in the
 * rounds of the bare one, when there are no messages.
 */
static void *
run_host(void *arg)
{
	struct arena *a = arg;

	while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED)) {
		unsigned int n, what = __atomic_load_n(&a->time, __ATOMIC_RELAXED);

		if (what != TIME_NOTHING)
			time_turns(a, what);
		if (__atomic_load_n(&a->side, __ATOMIC_RELAXED) == OURS)
			n = poller_turn(a->served.poller);
		else
			n = turn_bare(a);
		if (n != 0)
			__atomic_store_n(&a->taken_tsc, tsc_read(), __ATOMIC_RELEASE);
		else
			spin_pause();
	}
	return NULL;
}

/* ---- the guest ------------------------------------------------------------------ */

static struct rte_mbuf *
make_frame(struct arena *a, enum frq_vhost_kind kind, uint64_t word)
{
	struct frq_vhost_request f = {
		.head = { .to = FRQ_VHOST_MAC_PREFIX, .from = FRQ_VHOST_MAC_PREFIX,
			.ethertype = { FRQ_VHOST_ETHERTYPE >> 8, FRQ_VHOST_ETHERTYPE & 0xff },
			.version = FRQ_VHOST_VERSION, .kind = (uint8_t)kind },
		.word = word,
	};
	struct rte_mbuf *m = rte_pktmbuf_alloc(a->pool);

	if (m != NULL)
		memcpy(rte_pktmbuf_append(m, sizeof(f)), &f, sizeof(f));
	return m;
}

static struct rte_mbuf *
make_ping(struct arena *a)
{
	uint16_t seq = a->seq++;

	return make_frame(a, FRQ_VHOST_REQUEST, frq_request_pack((struct frq_request){
		.seq = seq, .epoch = a->served.vm->life.epoch, .op = FRQ_OP_PING, .arg = seq }));
}

static bool
send_frame(struct arena *a, enum side side, struct rte_mbuf *m)
{
	return m != NULL && rte_eth_tx_burst(a->eth[side], 0, &m, 1) == 1;
}

/* What came in before, so that a receive queue is not full of it. */
static void
receive_all(struct arena *a, enum side side)
{
	struct rte_mbuf *m[32];
	uint16_t n;

	while ((n = rte_eth_rx_burst(a->eth[side], 0, m, 32)) != 0)
		rte_pktmbuf_free_bulk(m, n);
}

static bool
measure_one_way(struct arena *a, const struct tsc *tsc, enum side side, struct samples *s,
	unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = side == OURS ? make_ping(a) : make_frame(a, FRQ_VHOST_REQUEST, i);
		uint64_t start, taken;

		__atomic_store_n(&a->taken_tsc, 0, __ATOMIC_RELEASE);
		start = tsc_read();
		if (!send_frame(a, side, m))
			return false;
		while ((taken = __atomic_load_n(&a->taken_tsc, __ATOMIC_ACQUIRE)) == 0)
			spin_pause();
		samples_add(s, tsc_between(tsc, start, taken));
	}
	return true;
}

/* Of ours the frame that has the ping; heartbeats come in between. */
static bool
is_answer(enum side side, const struct rte_mbuf *m, uint16_t seq)
{
	const struct frq_vhost_state *f = rte_pktmbuf_mtod(m, const void *);

	return side == BARE || (f->head.kind == FRQ_VHOST_STATE &&
		frq_request_unpack(f->ping).arg == seq);
}

static bool
measure_round_trip(struct arena *a, const struct tsc *tsc, enum side side, struct samples *s,
	unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint16_t seq = a->seq;
		struct rte_mbuf *m = side == OURS ? make_ping(a) : make_frame(a, FRQ_VHOST_REQUEST, i);
		uint64_t start = tsc_read();
		bool answered = false;

		if (!send_frame(a, side, m))
			return false;
		while (!answered) {
			if (rte_eth_rx_burst(a->eth[side], 0, &m, 1) == 0)
				continue;
			answered = is_answer(side, m, seq);
			if (answered)
				samples_add(s, tsc_between(tsc, start, tsc_read()));
			rte_pktmbuf_free(m);
		}
	}
	return true;
}

/* ---- a round of each, in turn ------------------------------------------------------ */

typedef bool (*measure_fn)(struct arena *a, const struct tsc *tsc, enum side side,
	struct samples *s, unsigned int n);

static bool
measure(struct bench *b, struct arena *a, measure_fn fn, const char *const id[NB_SIDES],
	const char *ratio_id, unsigned int n)
{
	struct samples s[NB_SIDES] = { { .v = NULL } };
	double p50[NB_SIDES];
	bool ok = samples_init(&s[OURS], n) == 0 && samples_init(&s[BARE], n) == 0;

	for (unsigned int round = 0; ok && round < ROUNDS * NB_SIDES; round++) {
		enum side side = (enum side)(round % NB_SIDES);

		__atomic_store_n(&a->side, side, __ATOMIC_RELAXED);
		receive_all(a, side);
		ok = fn(a, &b->tsc, side, &s[side], n / ROUNDS);
	}
	__atomic_store_n(&a->side, OURS, __ATOMIC_RELAXED);
	if (ok) {
		for (unsigned int i = 0; i < NB_SIDES; i++)
			p50[i] = report_latency(b, id[i], &s[i]);
		report_ratio(b, ratio_id, p50[OURS] / p50[BARE]);
	} else {
		bench_error("a frame could not be sent, or no memory");
	}
	samples_free(&s[OURS]);
	samples_free(&s[BARE]);
	return ok;
}

/* ---- nobody asks ------------------------------------------------------------------ */

/* @return ns of one */
static double
time_one(const struct bench *b, struct arena *a, unsigned int what)
{
	__atomic_store_n(&a->timed, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&a->time, what, __ATOMIC_RELAXED);
	while (__atomic_load_n(&a->timed, __ATOMIC_ACQUIRE) == 0)
		spin_pause();
	return tsc_ns(&b->tsc, a->timed) / TURNS;
}

static bool
say_hello(struct arena *a)
{
	receive_all(a, OURS);
	if (send_frame(a, OURS, make_frame(a, FRQ_VHOST_HELLO, 1)))
		return true;
	bench_error("a frame could not be sent");
	return false;
}

/* The poller with the port and without it, in turn. */
static bool
measure_idle(const struct bench *b, struct arena *a)
{
	double without[ROUNDS], with[ROUNDS], empty[ROUNDS], cost[ROUNDS];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		vhost_release(a->port);
		without[i] = time_one(b, a, TIME_TURNS);
		vhost_serve(a->port, a->served.vm);
		if (!say_hello(a))
			return false;
		with[i] = time_one(b, a, TIME_TURNS);
		empty[i] = time_one(b, a, TIME_EMPTY);
		cost[i] = with[i] - without[i];
	}
	(void)report_rounds(b, "turn", "ns", without, ROUNDS);
	(void)report_rounds(b, "turn_idle_vhost", "ns", with, ROUNDS);
	(void)report_rounds(b, "idle_vhost_cost", "ns", cost, ROUNDS);
	(void)report_rounds(b, "bare_vhost_empty", "ns", empty, ROUNDS);
	return true;
}

static bool
measure_all(struct bench *b, struct arena *a, unsigned int n)
{
	static const char *const one_way[] = { "vhost_one_way", "bare_vhost_one_way" };
	static const char *const rtt[] = { "vhost_rtt", "bare_vhost_rtt" };

	/* Nobody said hello: nothing comes back. */
	if (!measure(b, a, measure_one_way, one_way, "vhost_one_way_ratio", n))
		return false;
	__atomic_store_n(&a->answers, true, __ATOMIC_RELAXED);
	return say_hello(a) && measure(b, a, measure_round_trip, rtt, "vhost_rtt_ratio", n) &&
		measure_idle(b, a);
}

/* ---- ports ------------------------------------------------------------------------- */

static bool
start_front_end(struct arena *a, enum side side)
{
	const struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE };
	char name[32], args[160];

	(void)snprintf(name, sizeof(name), "net_virtio_user%u", side);
	(void)snprintf(args, sizeof(args), "path=%s,server=1,queues=1", a->path[side]);
	return rte_eal_hotplug_add("vdev", name, args) == 0 &&
		rte_eth_dev_get_port_by_name(name, &a->eth[side]) == 0 &&
		rte_eth_dev_configure(a->eth[side], 1, 1, &conf) == 0 &&
		rte_eth_tx_queue_setup(a->eth[side], 0, 256, 0, NULL) == 0 &&
		rte_eth_rx_queue_setup(a->eth[side], 0, 256, 0, NULL, a->pool) == 0 &&
		rte_eth_dev_start(a->eth[side]) == 0;
}

static bool
start_bare(struct arena *a)
{
	a->bare_vid = -1;
	bare_arena = a;
	return rte_vhost_driver_register(a->path[BARE], RTE_VHOST_USER_CLIENT) == 0 &&
		rte_vhost_driver_callback_register(a->path[BARE], &bare_ops) == 0 &&
		rte_vhost_driver_start(a->path[BARE]) == 0;
}

static bool
is_ready(struct arena *a)
{
	for (unsigned int i = 0; i < WAIT_TRIES; i++) {
		if (vhost_has_pair(a->port, 0) &&
		    __atomic_load_n(&a->bare_vid, __ATOMIC_ACQUIRE) >= 0)
			return true;
		(void)usleep(1000);
	}
	return false;
}

static bool
start_ports(struct bench *b, struct arena *a)
{
	const struct vhost_config c = { .poller = a->served.poller, .qemu_user = geteuid(),
		.tsc_hz = (uint64_t)(1e9 / b->tsc.ns_per_tick), .notify_fd = -1 };
	struct frq_err err = { .text = "no memory" };

	a->pool = rte_pktmbuf_pool_create("bench", 4095, 128, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	a->vhost = vhost_create(&c);
	if (a->pool == NULL || a->vhost == NULL) {
		bench_error("no memory for frames");
		return false;
	}
	a->port = vhost_open(a->vhost, a->path[OURS], "bench", &err);
	if (a->port == NULL) {
		bench_error("%s", err.text);
		return false;
	}
	vhost_serve(a->port, a->served.vm);
	if (start_bare(a) && start_front_end(a, OURS) && start_front_end(a, BARE) && is_ready(a))
		return true;
	bench_error("the two vhost-user ports cannot be set up");
	return false;
}

static void
stop_ports(struct arena *a)
{
	vhost_close(a->port);
	vhost_free(a->vhost);
	(void)rte_vhost_driver_unregister(a->path[BARE]);
}

static bool
start_eal(unsigned int cpu)
{
	char lcore[16];
	char *argv[] = { "freqring-bench", "-l", lcore, "--no-huge", "-m", "64", "--no-pci",
		"--no-shconf", "--no-telemetry", "--log-level=3", "--file-prefix", "freqring-bench" };

	(void)snprintf(lcore, sizeof(lcore), "%u", cpu);
	(void)signal(SIGPIPE, SIG_IGN);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), argv) >= 0)
		return true;
	bench_error("DPDK's EAL does not start on CPU %u", cpu);
	return false;
}

static bool
make_dir(struct arena *a)
{
	(void)snprintf(a->dir, sizeof(a->dir), "/tmp/freqring-bench-XXXXXX");
	if (mkdtemp(a->dir) == NULL) {
		bench_error("no folder in /tmp");
		return false;
	}
	for (unsigned int i = 0; i < NB_SIDES; i++)
		(void)snprintf(a->path[i], sizeof(a->path[i]), "%s/%u.sock", a->dir, i);
	return true;
}

static enum bench_status
run(struct bench *b, struct arena *a, unsigned int n)
{
	bool ok = false;
	pthread_t host;

	if (!served_open(&a->served, NULL, &b->tsc) || !make_dir(a))
		return BENCH_FAILED;
	if (thread_start(&host, a->host_cpu, run_host, a)) {
		report_environment(b);
		ok = start_ports(b, a) && measure_all(b, a, n);
		stop_ports(a);
		__atomic_store_n(&a->stop, true, __ATOMIC_RELAXED);
		(void)pthread_join(host, NULL);
	}
	for (unsigned int i = 0; i < NB_SIDES; i++)
		(void)unlink(a->path[i]);
	(void)rmdir(a->dir);
	return ok ? BENCH_OK : BENCH_FAILED;
}

enum bench_status
cmd_vhost(struct bench *b, int argc, char **argv)
{
	static struct arena arena = { .host_cpu = 1, .bare_vid = -1 };
	unsigned int cpu = 0, n = SAMPLES;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu },
		{ 'C', 0, BENCH_CPU_MAX, .number = &arena.host_cpu },
		{ 'n', ROUNDS, SAMPLES_MAX, .number = &n },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || optind != argc)
		return BENCH_USAGE;
	if (!start_eal(cpu))
		return BENCH_FAILED;
	return thread_pin(cpu) ? run(b, &arena, n) : BENCH_FAILED;
}
