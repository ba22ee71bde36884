/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * applied.c - from a request in the ring to the write to sysfs having returned,
 * beside librte_power called directly
 *
 * The daemon's own poller, applier and backend, in this process, serve one
 * vCPU of a region; this thread is the guest. It alternates min and max and
 * waits for each. The bare calls of the same thread to the same CPU take
 * turns with that, at the same pace, and once more without a pause.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_launch.h>

#include "applier.h"
#include "cpufreq.h"
#include "eal.h"
#include "report.h"
#include "ring.h"
#include "thread.h"

#define ROUNDS	10u	/* of each kind in turn */
#define SAMPLES	2000u	/* of each kind in all */
#define SLOW_S	5u	/* for which one answer is waited for */
#define NAP_NS	50000L	/* between looks for it */
#define REPEAT_ROUNDS 9u
#define REPEATS	1000000u /* of librte_power's own, in a round */

struct stage {
	struct config config;
	unsigned int target, client;	/* CPUs */
	bool simulated;
	struct vm *vm;
	struct poller *poller;
	struct applier *applier;
	unsigned int poller_lcore;
	pthread_t applier_thread;
	struct frq_producer tx;
	char state_dir[64];
};

/* ---- the backend, with a look at the clock behind each write ------------------- */

static const struct power_ops *backend;
static uint64_t written_at;	/* the applier stores, this thread takes it back */

static int
timed_set(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	int ret = backend->set(cpu, index, err);

	__atomic_store_n(&written_at, tsc_read(), __ATOMIC_RELEASE);
	return ret;
}

static struct power_ops timed;

/* ---- the stage ------------------------------------------------------------------ */

static void *
run_applier(void *arg)
{
	(void)applier_run(arg);
	return NULL;
}

static bool
make_vm(struct stage *s)
{
	struct frq_err err;

	s->vm = aligned_alloc(_Alignof(struct vm), sizeof(*s->vm));
	if (s->vm == NULL)
		return false;
	memset(s->vm, 0, sizeof(*s->vm));
	s->vm->info.nb_channels = s->vm->nb_channels = 1;
	s->vm->life = (struct frq_life){ .epoch = 1, .incarnation = 1 };
	s->vm->file.slot = calloc(FRQ_MAX_CHANNELS, sizeof(struct wish_slot));
	if (s->vm->file.slot == NULL ||
	    frq_region_memfd(&s->vm->region, "freqring-bench", &err) < 0)
		return false;
	frq_region_init(&s->vm->region, &s->vm->info, s->vm->life);
	s->vm->file.slot[0].wish = wish_pack((struct wish){ .epoch = 1 });
	return true;
}

static bool
pin_vcpu(struct stage *s)
{
	struct applier_map *m = calloc(1, sizeof(*m));
	struct applier_map_vm *mv = calloc(1, sizeof(*mv));

	if (m == NULL || mv == NULL) {
		free(m);
		free(mv);
		return false;
	}
	mv->vm = s->vm;
	mv->rule = VOTE_RULE_NONE;
	cpuset_add(&mv->vcpu[0].cpus, s->target);
	m->generation = 1;
	m->vm[m->nb_vms++] = mv;
	applier_set_map(s->applier, m);
	while (applier_generation(s->applier) != 1)
		spin_pause();
	return true;
}

static bool
start_backend(struct stage *s)
{
	struct power_config c = { .managed = s->config.managed_cpus, .state_dir = s->state_dir };
	struct frq_err err;

	if (eal_start(&s->config, &s->poller_lcore, &err) < 0) {
		bench_error("%s", err.text);
		return false;
	}
	backend = s->simulated ? &power_simulated : &power_librte;
	timed = *backend;
	timed.set = timed_set;
	if (backend->start(&c, &err) == 0)
		return true;
	bench_error("%s", err.text);
	return false;
}

static bool
start_daemon(struct stage *s, const struct tsc *tsc)
{
	struct applier_config ac = { .power = &timed, .managed = s->config.managed_cpus,
		.spin = s->config.applier_cpu != s->config.poller_cpu, .done_fd = -1 };
	struct poller_config pc = { .tsc_hz = (uint64_t)(1e9 / tsc->ns_per_tick), .notify_fd = -1 };

	s->applier = applier_create(&ac);
	if (s->applier == NULL)
		return false;
	pc.queue = applier_queue(s->applier);
	s->poller = poller_create(&pc);
	if (s->poller == NULL || !thread_start(&s->applier_thread,
	    (unsigned int)s->config.applier_cpu, run_applier, s->applier) ||
	    rte_eal_remote_launch(poller_run, s->poller, s->poller_lcore) != 0)
		return false;
	return poller_add(s->poller, s->vm) == 0 && pin_vcpu(s);
}

static bool
start(struct stage *s, const struct tsc *tsc)
{
	(void)snprintf(s->state_dir, sizeof(s->state_dir), "/dev/shm/freqring-bench-XXXXXX");
	if (mkdtemp(s->state_dir) == NULL) {
		bench_error("%s: %s", s->state_dir, strerror(errno));
		return false;
	}
	if (!start_backend(s))
		return false;
	if (!make_vm(s) || !start_daemon(s, tsc)) {
		bench_error("poller and applier cannot be started");
		return false;
	}
	s->tx = (struct frq_producer){
		.ring = frq_region_ring(&s->vm->region, 0),
		.doorbell = frq_region_doorbell(&s->vm->region, 0),
		.consumed = frq_region_consumed(&s->vm->region, 0),
	};
	frq_producer_attach(&s->tx, s->vm->life, 0, 1);
	return true;
}

static void
stop(struct stage *s)
{
	char journal[128];

	if (s->poller != NULL) {
		poller_stop(s->poller);
		(void)rte_eal_wait_lcore(s->poller_lcore);
	}
	if (s->applier_thread != 0) {
		applier_stop(s->applier);
		(void)pthread_join(s->applier_thread, NULL);
	}
	(void)snprintf(journal, sizeof(journal), "%s/cpufreq.journal", s->state_dir);
	(void)unlink(journal);
	(void)rmdir(s->state_dir);
}

/* ---- what is measured -------------------------------------------------------------- */

/*
 * This thread waits asleep: the end is taken where it happens, and where there are
 * fewer cores than threads that spin it would be in the way of what is measured.
 */
static void
nap(void)
{
	const struct timespec ts = { .tv_nsec = NAP_NS };

	(void)nanosleep(&ts, NULL);
}

static bool
is_applied(const struct stage *s)
{
	const struct frq_state_line FRQ_SHARED *line = frq_region_state(&s->vm->region, 0);

	return frq_applied_unpack(frq_load64(&line->applied)).next == s->tx.next;
}

/*
 * A request and its write. Returns when it is published, too, so that the next one
 * finds the applier idle. @return ticks, or 0 where no write came
 */
static uint64_t
ask(const struct bench *b, struct stage *s, enum frq_op op)
{
	uint64_t start, patience = (uint64_t)(SLOW_S * 1e9 / b->tsc.ns_per_tick), end;

	__atomic_store_n(&written_at, 0, __ATOMIC_RELAXED);
	start = tsc_read();
	if (frq_producer_post(&s->tx, op, 0, 0) != 0)
		return 0;
	do {
		nap();
		/* Pairs with the store in timed_set. */
		end = __atomic_load_n(&written_at, __ATOMIC_ACQUIRE);
	} while ((end == 0 || !is_applied(s)) && tsc_read() - start < patience);
	return end == 0 || !is_applied(s) ? 0 : tsc_between(&b->tsc, start, end);
}

static bool
measure_ring(const struct bench *b, struct stage *s, struct samples *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t ticks = ask(b, s, i % 2 == 0 ? FRQ_OP_MIN : FRQ_OP_MAX);

		if (ticks == 0) {
			bench_error("request %u was not applied within %u s", i, SLOW_S);
			return false;
		}
		samples_add(out, ticks);
	}
	return true;
}

static bool
measure_bare(const struct bench *b, const struct stage *s, struct samples *out, unsigned int n,
	bool paced)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t start = tsc_read();
		int ret = i % 2 == 0 ? rte_power_freq_min(s->target) : rte_power_freq_max(s->target);

		samples_add(out, tsc_between(&b->tsc, start, tsc_read()));
		/* At the pace of requests the CPU that is set goes to sleep in between. */
		if (paced)
			nap();
		if (ret != 1) {
			bench_error("rte_power_freq_%s(%u) returned %d", i % 2 == 0 ? "min" : "max",
				s->target, ret);
			return false;
		}
	}
	return true;
}

/* What librte_power drops by itself: it knows the index in force. */
static bool
measure_repeats(const struct bench *b, const struct stage *s)
{
	double ns[REPEAT_ROUNDS];
	int changed = rte_power_freq_max(s->target) < 0;

	for (unsigned int r = 0; r < REPEAT_ROUNDS; r++) {
		uint64_t start = tsc_read();

		for (unsigned int i = 0; i < REPEATS; i++)
			changed |= rte_power_freq_max(s->target);
		ns[r] = tsc_ns(&b->tsc, tsc_between(&b->tsc, start, tsc_read())) / REPEATS;
	}
	if (changed != 0) {
		bench_error("rte_power_freq_max(%u): a repeat was no repeat", s->target);
		return false;
	}
	(void)report_rounds(b, "rte_power_repeat", "ns", ns, REPEAT_ROUNDS);
	return true;
}

static enum bench_status
measure(const struct bench *b, struct stage *s, unsigned int n)
{
	struct samples ring = { 0 }, bare = { 0 }, rushed = { 0 };
	enum bench_status status = BENCH_FAILED;
	unsigned int each = (n / ROUNDS + 1) & ~1u;
	double ring_ns;

	if (samples_init(&ring, (size_t)each * ROUNDS) < 0 ||
	    samples_init(&bare, (size_t)each * ROUNDS) < 0 ||
	    samples_init(&rushed, (size_t)each * ROUNDS) < 0) {
		bench_error("no memory for %u samples", n);
		goto end;
	}
	/* The CPU is taken with the first write; and this warms up. */
	if (!measure_ring(b, s, &ring, 20))
		goto end;
	samples_clear(&ring);
	for (unsigned int r = 0; r < ROUNDS; r++)
		if (!measure_ring(b, s, &ring, each) ||
		    (!s->simulated && (!measure_bare(b, s, &bare, each, true) ||
		    !measure_bare(b, s, &rushed, each, false))))
			goto end;
	report_environment(b);
	ring_ns = report_latency(b, "request_to_written", &ring);
	if (!s->simulated) {
		report_ratio(b, "to_bare_call", ring_ns / report_latency(b, "rte_power_min_max", &bare));
		(void)report_latency(b, "rte_power_back_to_back", &rushed);
	}
	if (s->simulated || measure_repeats(b, s))
		status = BENCH_OK;
end:
	samples_free(&ring);
	samples_free(&bare);
	samples_free(&rushed);
	return status;
}

enum bench_status
cmd_applied(struct bench *b, int argc, char **argv)
{
	struct stage s = { .target = 1 };
	unsigned int poller = 0, applier = UINT32_MAX, n = SAMPLES;
	enum bench_status status = BENCH_FAILED;
	const struct bench_option options[] = {
		{ 's', .given = &s.simulated },
		{ 'c', 0, FRQ_MAX_CPUS - 1, .number = &s.client },
		{ 'C', 0, FRQ_MAX_CPUS - 1, .number = &poller },
		{ 'A', 0, FRQ_MAX_CPUS - 1, .number = &applier },
		{ 'k', 0, FRQ_MAX_CPUS - 1, .number = &s.target },
		{ 'n', 2, 10000000, .number = &n },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind || s.client == poller)
		return BENCH_USAGE;
	s.config.backend = s.simulated ? CONFIG_BACKEND_SIMULATED : CONFIG_BACKEND_LIBRTE_POWER;
	s.config.poller_cpu = (int)poller;
	s.config.applier_cpu = applier == UINT32_MAX ? (int)poller : (int)applier;
	(void)snprintf(s.config.log_level, sizeof(s.config.log_level), "warning");
	cpuset_add(&s.config.control_cpus, s.client);
	cpuset_add(&s.config.managed_cpus, s.target);
	if (start(&s, &b->tsc))
		status = measure(b, &s, n);
	stop(&s);
	return status;
}
