/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_vs_rte.c - throughput of shm/ring.h beside DPDK's rte_ring
 *
 * One thread gives, another takes, both as fast as they can; each side pauses
 * where the other is too slow. The request ring is filled one at a time and
 * taken from by a bare loop and by the daemon's poller; rte_ring is filled and
 * emptied one at a time, in a ring as large, and in bursts in a large one. The
 * four take turns, so that what else the machine does hits all of them.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "drain.h"
#include "poller.h"
#include "report.h"
#include "served.h"
#include "thread.h"

#define ROUNDS		9u
#define ROUNDS_MAX	999u
#define REQUESTS	2000000u
#define REQUESTS_MAX	1000000000u
#define SLOTS		FRQ_RING_SLOTS	/* of which rte_ring can use all but one */
#define BURST		32u
#define BURST_SLOTS	1024u

struct arena {
	struct served served;	/* its region is used in both ways, in turn */
	struct rte_ring *rte, *rte_large;
	unsigned int n;		/* requests of a round */
	uint64_t sum;		/* of their arguments */
	int ready;		/* the taker runs */
	/* A line of its own: it changes with each request, and the taker reads
	 * the above.
	 */
	struct frq_producer tx __attribute__((aligned(FRQ_LINE)));
};

struct contestant {
	const char *id;
	void (*give)(struct arena *a);
	bool (*take)(struct arena *a);	/* whether all came as it was given */
};

/* Of request i; never 0, which is no frequency. */
static inline uint32_t
argument(unsigned int i)
{
	return i % FRQ_ARG_MAX + 1;
}

/* ---- shm/ring.h ----------------------------------------------------------- */

static void
give_freqring(struct arena *a)
{
	for (unsigned int i = 0; i < a->n; i++)
		while (frq_producer_post(&a->tx, FRQ_OP_SET, 0, argument(i)) != 0)
			spin_pause();
}

static bool
take_freqring(struct arena *a)
{
	struct frq_consumer *rx = &a->served.vm->ch[0].rx;
	uint64_t sum = 0;

	for (unsigned int n = 0, got; n < a->n; n += got) {
		got = drain_batch(rx, &sum);
		if (got == 0)
			spin_pause();
	}
	return sum == a->sum;
}

/* ---- shm/ring.h and host/poller.c ----------------------------------------- */

static bool
take_poller(struct arena *a)
{
	for (unsigned int n = 0, got; n < a->n; n += got) {
		got = poller_turn(a->served.poller);
		if (got == 0)
			spin_pause();
	}
	return a->served.vm->ch[0].wish.khz == argument(a->n - 1);
}

/* ---- rte_ring ------------------------------------------------------------- */

static void
give_rte(struct arena *a)
{
	for (unsigned int i = 0; i < a->n; i++) {
		uint64_t word = argument(i);

		while (rte_ring_sp_enqueue_elem(a->rte, &word, sizeof(word)) != 0)
			spin_pause();
	}
}

static bool
take_rte(struct arena *a)
{
	uint64_t sum = 0;

	for (unsigned int n = 0; n < a->n; n++) {
		uint64_t word;

		while (rte_ring_sc_dequeue_elem(a->rte, &word, sizeof(word)) != 0)
			spin_pause();
		sum += word;
	}
	return sum == a->sum;
}

static void
give_rte_bursts(struct arena *a)
{
	uint64_t word[BURST];

	for (unsigned int i = 0, n, done; i < a->n; i += n) {
		n = a->n - i < BURST ? a->n - i : BURST;
		for (unsigned int k = 0; k < n; k++)
			word[k] = argument(i + k);
		for (done = 0; done < n;) {
			unsigned int got = rte_ring_sp_enqueue_burst_elem(a->rte_large, &word[done],
				sizeof(word[0]), n - done, NULL);

			if (got == 0)
				spin_pause();
			done += got;
		}
	}
}

static bool
take_rte_bursts(struct arena *a)
{
	uint64_t sum = 0;

	for (unsigned int n = 0, got; n < a->n; n += got) {
		uint64_t word[BURST];

		got = rte_ring_sc_dequeue_burst_elem(a->rte_large, word, sizeof(word[0]), BURST, NULL);
		for (unsigned int i = 0; i < got; i++)
			sum += word[i];
		if (got == 0)
			spin_pause();
	}
	return sum == a->sum;
}

enum { FREQRING, FREQRING_POLLER, RTE_RING, RTE_RING_BURSTS, NB_CONTESTANTS };

static const struct contestant contestants[NB_CONTESTANTS] = {
	[FREQRING] = { "freqring", give_freqring, take_freqring },
	[FREQRING_POLLER] = { "freqring_poller", give_freqring, take_poller },
	[RTE_RING] = { "rte_ring", give_rte, take_rte },
	[RTE_RING_BURSTS] = { "rte_ring_bursts", give_rte_bursts, take_rte_bursts },
};

/* ---- a round -------------------------------------------------------------- */

struct job {
	struct arena *arena;
	const struct contestant *c;
	bool ok;
};

static void *
taker(void *arg)
{
	struct job *job = arg;

	__atomic_store_n(&job->arena->ready, 1, __ATOMIC_RELEASE);
	job->ok = job->c->take(job->arena);
	return NULL;
}

/* @return million requests a second, or 0 after a sentence */
static double
play(const struct bench *b, struct arena *a, const struct contestant *c, unsigned int cpu)
{
	struct job job = { .arena = a, .c = c };
	uint64_t start, ticks;
	pthread_t t;

	a->ready = 0;
	if (!thread_start(&t, cpu, taker, &job))
		return 0;
	while (__atomic_load_n(&a->ready, __ATOMIC_ACQUIRE) == 0)
		spin_pause();
	start = tsc_read();
	c->give(a);
	(void)pthread_join(t, NULL);
	ticks = tsc_read() - start;
	if (!job.ok) {
		bench_error("%s: what was taken is not what was given", c->id);
		return 0;
	}
	return a->n * 1e3 / tsc_ns(&b->tsc, ticks);
}

static struct rte_ring *
make_rte(unsigned int slots)
{
	struct rte_ring *r = aligned_alloc(FRQ_LINE,
		(size_t)rte_ring_get_memsize_elem(sizeof(uint64_t), slots));

	if (r == NULL || rte_ring_init(r, "bench", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		bench_error("no memory for an rte_ring");
		free(r);
		return NULL;
	}
	return r;
}

static bool
make_arena(struct arena *a, const struct tsc *tsc, unsigned int n)
{
	const struct frq_consumer *rx;

	a->n = n;
	for (unsigned int i = 0; i < n; i++)
		a->sum += argument(i);
	a->rte = make_rte(SLOTS);
	a->rte_large = make_rte(BURST_SLOTS);
	if (a->rte == NULL || a->rte_large == NULL)
		return false;
	if (!served_open(&a->served, NULL, tsc))
		return false;
	rx = &a->served.vm->ch[0].rx;
	a->tx = (struct frq_producer){
		.ring = rx->ring,
		.doorbell = frq_region_doorbell(&a->served.vm->region, 0),
		.consumed = rx->line,
		.next = rx->next,
		.epoch = rx->epoch,
		.incarnation = rx->incarnation,
	};
	return true;
}

/* Of the rounds, for what disturbs one contestant may last into the next's. */
static double
ratio(const double *rate, const double *other, unsigned int rounds)
{
	double r[ROUNDS_MAX];

	for (unsigned int i = 0; i < rounds; i++)
		r[i] = rate[i] / other[i];
	return median(r, rounds);
}

static enum bench_status
compete(const struct bench *b, struct arena *a, unsigned int cpu, unsigned int rounds)
{
	double rate[NB_CONTESTANTS][ROUNDS_MAX], to_one, poller_to_one, to_bursts;

	/* The first round warms up. */
	for (unsigned int r = 0; r <= rounds; r++) {
		for (size_t i = 0; i < NB_CONTESTANTS; i++) {
			double x = play(b, a, &contestants[i], cpu);

			if (x == 0)
				return BENCH_FAILED;
			if (r != 0)
				rate[i][r - 1] = x;
		}
	}
	to_one = ratio(rate[FREQRING], rate[RTE_RING], rounds);
	poller_to_one = ratio(rate[FREQRING_POLLER], rate[RTE_RING], rounds);
	to_bursts = ratio(rate[FREQRING], rate[RTE_RING_BURSTS], rounds);
	report_environment(b);
	for (size_t i = 0; i < NB_CONTESTANTS; i++)
		(void)report_rounds(b, contestants[i].id, "Mreq/s", rate[i], rounds);
	report_ratio(b, "freqring_to_rte_ring", to_one);
	report_ratio(b, "freqring_poller_to_rte_ring", poller_to_one);
	report_ratio(b, "freqring_to_rte_ring_bursts", to_bursts);
	return BENCH_OK;
}

enum bench_status
cmd_ring_vs_rte(struct bench *b, int argc, char **argv)
{
	unsigned int giver_cpu = 0, taker_cpu = 1, rounds = ROUNDS, n = REQUESTS;
	struct arena a = { .n = 0 };
	enum bench_status status = BENCH_FAILED;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &giver_cpu },
		{ 'C', 0, BENCH_CPU_MAX, .number = &taker_cpu },
		{ 'n', 1, REQUESTS_MAX, .number = &n },
		{ 'r', 1, ROUNDS_MAX, .number = &rounds },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind || giver_cpu == taker_cpu)
		return BENCH_USAGE;
	if (thread_pin(giver_cpu) && make_arena(&a, &b->tsc, n))
		status = compete(b, &a, taker_cpu, rounds);
	free(a.rte);
	free(a.rte_large);
	served_close(&a.served);
	return status;
}
