/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_pause.h>
#include <rte_ring.h>

#include "applier.h"
#include "arbiter.h"
#include "clock.h"
#include "log.h"
#include "state_line.h"

#define QUEUE_SIZE	(FRQ_MAX_VMS * FRQ_MAX_CHANNELS)	/* every channel fits */
#define VOTERS_MAX	(FRQ_MAX_VMS * FRQ_MAX_CHANNELS)
#define SPINS		100000u	/* empty looks before the applier sleeps, where it spins */
#define RETRY_MS	1000u	/* a CPU whose write failed is left alone for that long */
#define NO_LEASE	UINT64_MAX
#define STORM		16u	/* requests folded at once: the guest does not wait for each */
#define STORM_NS	50000	/* then that channel is left alone until more are folded */

struct cpu {
	bool managed;
	bool table_known;
	bool taken;
	enum frq_reason problem;	/* why it cannot be driven, OK: it can */
	struct freq_table table;	/* constant once known */
	struct decision decision;	/* in force */
	uint64_t retry_ms;		/* when a write that failed is tried again */
	uint32_t decided_khz;		/* the same for other threads, 0: given back */
	unsigned int nb_voters;
	struct channel **voter;		/* a slice of applier.voters */
	uint64_t writes, write_errors;	/* counters */
};

struct applier {
	struct applier_config c;
	struct rte_ring *queue;
	int kick_fd;
	uint32_t sleeping;		/* 1 before it sleeps; the poller takes it back */
	uint64_t progress;
	bool stop;
	struct channel **storming;	/* post faster than it can be applied; not queued */
	unsigned int nb_storming;
	uint64_t storm_end_ns;		/* when those are looked at again */
	struct applier_map *next_map;	/* handed over, not in force yet */
	struct applier_map *map;
	uint64_t generation;
	uint64_t lease_end_ms;		/* the earliest, or NO_LEASE */
	struct channel **voters;
	struct wish *votes;		/* scratch of decide() */
	struct cpu cpu[FRQ_MAX_CPUS];
	uint64_t wakeups, decisions, writes, write_errors, leases_expired; /* counters */
};

static const struct freq_table no_table;

/* ---- hardware ------------------------------------------------------------ */

static enum frq_reason
reason_of(int error)
{
	switch (error) {
	case 0:
		return FRQ_REASON_OK;
	case -ENODEV:
	case -ENOTSUP:
		return FRQ_REASON_NO_CPUFREQ;
	case -ENXIO:
		return FRQ_REASON_OFFLINE;
	default:
		return FRQ_REASON_FAILED;
	}
}

static void
learn_table(struct applier *a, unsigned int number)
{
	struct cpu *cpu = &a->cpu[number];
	enum frq_reason before = cpu->problem;
	struct frq_err err;
	int ret;

	if (cpu->table_known)
		return;
	ret = a->c.power->table(number, &cpu->table, &err);
	__atomic_store_n(&cpu->problem, reason_of(ret), __ATOMIC_RELAXED);
	__atomic_store_n(&cpu->table_known, ret == 0, __ATOMIC_RELEASE);
	if (cpu->problem != FRQ_REASON_OK && cpu->problem != before)
		FRQ_LOG(WARNING, "%s", err.text);
}

static void
count_write(struct applier *a, struct cpu *cpu, int ret, const struct frq_err *err)
{
	enum frq_reason before = cpu->problem;

	__atomic_store_n(&cpu->problem, reason_of(ret), __ATOMIC_RELAXED);
	counter_add(&cpu->writes, 1);
	counter_add(&a->writes, 1);
	if (ret == 0)
		return;
	cpu->retry_ms = monotonic_ms() + RETRY_MS;
	counter_add(&cpu->write_errors, 1);
	counter_add(&a->write_errors, 1);
	if (cpu->problem != before)
		FRQ_LOG(WARNING, "%s", err->text);
}

static void
enforce(struct applier *a, unsigned int number, struct decision d)
{
	struct cpu *cpu = &a->cpu[number];
	struct frq_err err;
	int ret = 0;

	if (!d.any) {
		if (cpu->taken)
			a->c.power->give_back(number);
		cpu->taken = false;
		/* What was refused to somebody is no trouble of nobody. */
		if (cpu->table_known)
			__atomic_store_n(&cpu->problem, FRQ_REASON_OK, __ATOMIC_RELAXED);
		return;
	}
	if (!cpu->taken) {
		ret = a->c.power->take(number, &err);
		cpu->taken = ret == 0;
	}
	if (ret == 0)
		ret = a->c.power->set(number, d.index, &err);
	count_write(a, cpu, ret, &err);
}

/* ---- what a channel is told ---------------------------------------------- */

static const struct cpu *
first_cpu(const struct applier *a, const struct channel *ch)
{
	return ch->a.nb_cpus == 0 ? NULL : &a->cpu[cpuset_next(ch->a.cpus, 0)];
}

/* The lowest frequency that its CPUs were decided to run at, 0: nothing. */
static uint32_t
granted_khz(const struct applier *a, const struct channel *ch)
{
	uint32_t khz = 0;

	if (ch->a.nb_cpus == 0)
		return 0;
	CPUSET_FOREACH(number, ch->a.cpus) {
		const struct cpu *cpu = &a->cpu[number];

		if (!cpu->decision.any || !cpu->taken || cpu->problem != FRQ_REASON_OK)
			return 0;
		if (khz == 0 || cpu->table.khz[cpu->decision.index] < khz)
			khz = cpu->table.khz[cpu->decision.index];
	}
	return khz;
}

/* Why not the whole wish: the standing, the hardware, or another vote. */
static enum frq_reason
explain(const struct applier *a, const struct channel *ch)
{
	if (__atomic_load_n(&ch->quarantined, __ATOMIC_RELAXED))
		return FRQ_REASON_QUARANTINED;
	if (ch->a.standing != FRQ_REASON_OK)
		return ch->a.standing;
	CPUSET_FOREACH(number, ch->a.cpus) {
		const struct cpu *cpu = &a->cpu[number];
		enum frq_reason reason;

		if (cpu->problem != FRQ_REASON_OK)
			return cpu->problem;
		reason = arbiter_explain(&cpu->table, &ch->a.wish, cpu->decision);
		if (reason != FRQ_REASON_OK)
			return reason;
	}
	return ch->a.expired && ch->a.wish.kind != FRQ_WISH_NONE ? FRQ_REASON_LEASE_EXPIRED :
		FRQ_REASON_OK;
}

static void
publish(struct applier *a, struct channel *ch)
{
	const struct cpu *cpu = first_cpu(a, ch);
	bool decided = cpu != NULL && cpu->decision.any && cpu->taken &&
		cpu->problem == FRQ_REASON_OK;
	struct state_line_update u = {
		.wish = ch->a.wish,
		.reason = explain(a, ch),
		.granted_khz = granted_khz(a, ch),
		.nb_cpus = ch->a.nb_cpus,
		.pcpu = ch->a.nb_cpus != 0 ? cpuset_next(ch->a.cpus, 0) : FRQ_NO_PCPU,
		.table = cpu != NULL && cpu->table_known ? &cpu->table : &no_table,
		.decided = decided,
		.index = decided ? cpu->decision.index : 0,
		.turbo = decided && cpu->decision.turbo,
	};

	state_line_publish(ch, &u);
}

/* ---- decisions ----------------------------------------------------------- */

/* @return whether anything changed for the voters */
static bool
decide(struct applier *a, unsigned int number)
{
	struct cpu *cpu = &a->cpu[number];
	struct decision d = { .any = false };

	if (cpu->table_known) {
		for (unsigned int i = 0; i < cpu->nb_voters; i++)
			a->votes[i] = cpu->voter[i]->a.wish;
		d = arbiter_decide(&cpu->table, a->votes, cpu->nb_voters);
	}
	counter_add(&a->decisions, 1);
	if (d.any == cpu->decision.any && (!d.any || (d.index == cpu->decision.index &&
	    (cpu->problem == FRQ_REASON_OK || monotonic_ms() < cpu->retry_ms))))
		return false;
	enforce(a, number, d);
	cpu->decision = d;
	__atomic_store_n(&cpu->decided_khz, d.any && cpu->taken && cpu->problem == FRQ_REASON_OK ?
		cpu->table.khz[d.index] : 0,
		__ATOMIC_RELAXED);
	return true;
}

/*
 * The wish in force: what the guest asked, or, when it cannot be believed
 * any more while its VM runs, the fail-safe: lost packets cost more than
 * watts.
 */
static void
load_wish(struct applier *a, struct channel *ch)
{
	uint64_t end = __atomic_load_n(&ch->slot->lease_end_ms, __ATOMIC_RELAXED);
	uint64_t now = end != 0 ? monotonic_ms() : 0;
	bool expired = end != 0 && now >= end;

	/* Pairs with the store in remember, host/poller.c. */
	ch->a.wish = wish_unpack(__atomic_load_n(&ch->slot->wish, __ATOMIC_ACQUIRE));
	if (ch->a.wish.kind != FRQ_WISH_NONE &&
	    (expired || __atomic_load_n(&ch->quarantined, __ATOMIC_RELAXED)))
		ch->a.wish.kind = FRQ_WISH_MAX;
	__atomic_store_n(&ch->a.lease_left_ms, end == 0 || expired ? 0 : end - now, __ATOMIC_RELAXED);
	if (end != 0 && !expired && end < a->lease_end_ms)
		a->lease_end_ms = end;
	if (expired && !ch->a.expired && ch->a.wish.kind != FRQ_WISH_NONE) {
		counter_add(&a->leases_expired, 1);
		FRQ_LOG(NOTICE, "VM %s, vCPU %u: its lease ran out, the fail-safe (max) is in force",
			ch->vm->uuid_text, ch->number);
	}
	ch->a.expired = expired;
}

static void
publish_voters(struct applier *a, unsigned int number, const struct channel *but)
{
	const struct cpu *cpu = &a->cpu[number];

	for (unsigned int i = 0; i < cpu->nb_voters; i++) {
		struct channel *other = cpu->voter[i];

		if (other != but)
			publish(a, other);
	}
}

static void
look_at(struct applier *a, struct channel *ch)
{
	uint16_t seen = ch->a.wish.next;

	/* Polled already, but its map is still on the way. */
	if (ch->a.cpus == NULL)
		return;
	load_wish(a, ch);
	if (ch->a.standing != FRQ_REASON_OK && ch->a.wish.kind != FRQ_WISH_NONE &&
	    ch->a.wish.next != seen)
		counter_add(&ch->vm->refused_applier[ch->a.standing], 1);
	if (ch->a.nb_cpus != 0) {
		CPUSET_FOREACH(number, ch->a.cpus) {
			if (decide(a, number))
				publish_voters(a, number, ch);
		}
	}
	publish(a, ch);
}

/* ---- storms --------------------------------------------------------------
 *
 * A guest that posts without a pause would wake us for every few requests,
 * on the CPU where the poller wants to fold them. Its channel stays marked as
 * queued, so that the poller does not queue it again, and is looked at when
 * STORM_NS have passed. The others are served meanwhile.
 */

static void
set_aside(struct applier *a, struct channel *ch)
{
	uint64_t requests = counter_get(&ch->slot->requests);
	bool storms = requests - ch->a.requests > STORM;

	ch->a.requests = requests;
	if (!storms || __atomic_exchange_n(&ch->queued, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	if (a->nb_storming == 0)
		a->storm_end_ns = monotonic_ns() + STORM_NS;
	a->storming[a->nb_storming++] = ch;
}

/* Back on the way: @return whether there were any. */
static bool
end_storm(struct applier *a)
{
	unsigned int nb = a->nb_storming;

	if (nb == 0 || monotonic_ns() < a->storm_end_ns)
		return false;
	a->nb_storming = 0;
	for (unsigned int i = 0; i < nb; i++) {
		struct channel *ch = a->storming[i];

		/* As in applier_next: taken off first, loaded afterwards. */
		(void)__atomic_exchange_n(&ch->queued, 0, __ATOMIC_SEQ_CST);
		look_at(a, ch);
		set_aside(a, ch);
	}
	return true;
}

/* ---- the queue ------------------------------------------------------------ */

/* A channel that changed, or NULL. */
static struct channel *
applier_next(struct applier *a)
{
	void *obj;

	if (rte_ring_sc_dequeue(a->queue, &obj) != 0)
		return NULL;
	/* Pairs with the exchange in notify_applier, host/poller.c: taken off
	 * first, loaded afterwards.
	 */
	(void)__atomic_exchange_n(&((struct channel *)obj)->queued, 0, __ATOMIC_SEQ_CST);
	return obj;
}

/* ---- leases of guests ---------------------------------------------------- */

static void
check_leases(struct applier *a)
{
	if (a->lease_end_ms == NO_LEASE || monotonic_ms() < a->lease_end_ms)
		return;
	a->lease_end_ms = NO_LEASE;
	for (unsigned int i = 0; i < a->map->nb_vms; i++) {
		struct vm *vm = a->map->vm[i]->vm;

		for (unsigned int n = 0; n < vm->nb_channels; n++) {
			struct channel *ch = &vm->ch[n];
			uint64_t end = __atomic_load_n(&ch->slot->lease_end_ms, __ATOMIC_RELAXED);

			if (end == 0)
				continue;
			look_at(a, ch);
		}
	}
}

/* ---- maps ---------------------------------------------------------------- */

void
applier_map_free(struct applier_map *m)
{
	if (m == NULL)
		return;
	for (unsigned int i = 0; i < m->nb_vms; i++)
		free(m->vm[i]);
	free(m);
}

/* Call `fn` for every channel of the map and each CPU it votes on. */
static void
for_each_vote(struct applier *a, const struct applier_map *m,
	void (*fn)(struct applier *a, struct cpu *cpu, struct channel *ch))
{
	for (unsigned int i = 0; i < m->nb_vms; i++) {
		struct vm *vm = m->vm[i]->vm;

		for (unsigned int n = 0; n < vm->nb_channels; n++) {
			if (m->vm[i]->vcpu[n].standing != FRQ_REASON_OK)
				continue;
			CPUSET_FOREACH(number, &m->vm[i]->vcpu[n].cpus)
				fn(a, &a->cpu[number], &vm->ch[n]);
		}
	}
}

static void
count_voter(struct applier *a, struct cpu *cpu, struct channel *ch)
{
	(void)a;
	(void)ch;
	cpu->nb_voters++;
}

static void
add_voter(struct applier *a, struct cpu *cpu, struct channel *ch)
{
	(void)a;
	cpu->voter[cpu->nb_voters++] = ch;
}

/* Lay out the voters of each CPU one after the other. */
static int
lay_out_voters(struct applier *a, const struct applier_map *m)
{
	size_t total = 0, most = 0;
	struct channel **voters;
	struct wish *votes;

	for (unsigned int i = 0; i < FRQ_MAX_CPUS; i++)
		a->cpu[i].nb_voters = 0;
	for_each_vote(a, m, count_voter);
	for (unsigned int i = 0; i < FRQ_MAX_CPUS; i++) {
		total += a->cpu[i].nb_voters;
		if (a->cpu[i].nb_voters > most)
			most = a->cpu[i].nb_voters;
	}
	voters = calloc(total + 1, sizeof(*voters));
	votes = calloc(most + 1, sizeof(*votes));
	free(a->voters);
	free(a->votes);
	a->voters = voters;
	a->votes = votes;
	total = 0;
	for (unsigned int i = 0; i < FRQ_MAX_CPUS; i++) {
		a->cpu[i].voter = voters + total;
		total += a->cpu[i].nb_voters;
		a->cpu[i].nb_voters = 0;
	}
	if (voters == NULL || votes == NULL)
		return -ENOMEM;
	for_each_vote(a, m, add_voter);
	return 0;
}

static void
place_channel(struct applier *a, struct applier_map_vm *mv, unsigned int n)
{
	struct channel *ch = &mv->vm->ch[n];
	const struct freq_table *table = &no_table;

	ch->a.standing = mv->vcpu[n].standing;
	ch->a.cpus = &mv->vcpu[n].cpus;
	ch->a.nb_cpus = ch->a.standing == FRQ_REASON_OK ? cpuset_count(ch->a.cpus) : 0;
	if (ch->a.nb_cpus != 0) {
		CPUSET_FOREACH(number, ch->a.cpus)
			learn_table(a, number);
		if (first_cpu(a, ch)->table_known)
			table = &first_cpu(a, ch)->table;
	}
	__atomic_store_n(&ch->no_table, ch->a.standing != FRQ_REASON_OK ? ch->a.standing :
		FRQ_REASON_NO_CPUFREQ, __ATOMIC_RELAXED);
	/* Pairs with the load in take, host/poller.c. Tables are never freed. */
	__atomic_store_n(&ch->table, table, __ATOMIC_RELEASE);
	load_wish(a, ch);
}

/*
 * A new map: first where everybody stands, then what that means for each
 * CPU (those that lost their last vote are given back), then all are told.
 */
static bool
take_map(struct applier *a)
{
	struct applier_map *m = __atomic_exchange_n(&a->next_map, NULL, __ATOMIC_ACQ_REL);
	struct applier_map *old = a->map;
	const uint64_t one = 1;

	if (m == NULL)
		return false;
	/* What is queued may be about a VM that is gone from the map; all
	 * channels that are in it are looked at below. What the poller queues
	 * from here on is about VMs that it still serves.
	 */
	for (unsigned int i = 0; i < a->nb_storming; i++)
		(void)__atomic_exchange_n(&a->storming[i]->queued, 0, __ATOMIC_SEQ_CST);
	a->nb_storming = 0;
	for (unsigned int nb = rte_ring_count(a->queue); nb > 0; nb--)
		(void)applier_next(a);
	if (lay_out_voters(a, m) < 0)
		FRQ_LOG(ERR, "no memory for the votes of %u VMs: CPUs are given back", m->nb_vms);
	a->map = m;
	for (unsigned int i = 0; i < old->nb_vms; i++)
		for (unsigned int n = 0; n < old->vm[i]->vm->nb_channels; n++)
			old->vm[i]->vm->ch[n].a.cpus = NULL;
	for (unsigned int i = 0; i < m->nb_vms; i++)
		for (unsigned int n = 0; n < m->vm[i]->vm->nb_channels; n++)
			place_channel(a, m->vm[i], n);
	for (unsigned int i = 0; i < old->nb_vms; i++)
		for (unsigned int n = 0; n < old->vm[i]->vm->nb_channels; n++)
			if (old->vm[i]->vm->ch[n].a.cpus == NULL)
				state_line_dismiss(&old->vm[i]->vm->ch[n]);
	for (unsigned int number = 0; number < FRQ_MAX_CPUS; number++)
		if (a->cpu[number].managed)
			(void)decide(a, number);
	for (unsigned int i = 0; i < m->nb_vms; i++)
		for (unsigned int n = 0; n < m->vm[i]->vm->nb_channels; n++)
			publish(a, &m->vm[i]->vm->ch[n]);
	applier_map_free(old);
	__atomic_store_n(&a->generation, m->generation, __ATOMIC_RELEASE);
	if (a->c.done_fd >= 0)
		(void)!write(a->c.done_fd, &one, sizeof(one));
	return true;
}

void
applier_set_map(struct applier *a, struct applier_map *map)
{
	const uint64_t one = 1;

	/* One that was not even looked at is superseded. */
	applier_map_free(__atomic_exchange_n(&a->next_map, map, __ATOMIC_ACQ_REL));
	(void)!write(a->kick_fd, &one, sizeof(one));
}

uint64_t
applier_generation(const struct applier *a)
{
	return __atomic_load_n(&a->generation, __ATOMIC_ACQUIRE);
}

/* ---- the loop ------------------------------------------------------------ */

bool
applier_step(struct applier *a)
{
	struct channel *ch;
	bool work = take_map(a);

	check_leases(a);
	work |= end_storm(a);
	ch = applier_next(a);
	if (ch == NULL)
		return work;
	look_at(a, ch);
	set_aside(a, ch);
	__atomic_store_n(&a->progress, a->progress + 1, __ATOMIC_RELAXED);
	return true;
}

/* Until the next lease or storm ends; NULL: until somebody kicks. */
static const struct timespec *
sleep_time(const struct applier *a, struct timespec *ts)
{
	uint64_t now = monotonic_ns(), end = UINT64_MAX;

	if (a->lease_end_ms != NO_LEASE)
		end = a->lease_end_ms * 1000000;
	if (a->nb_storming != 0 && a->storm_end_ns < end)
		end = a->storm_end_ns;
	if (end == UINT64_MAX)
		return NULL;
	end = end > now ? end - now : 0;
	ts->tv_sec = (time_t)(end / 1000000000);
	ts->tv_nsec = (long)(end % 1000000000);
	return ts;
}

static void
applier_sleep(struct applier *a)
{
	struct pollfd pfd = { .fd = a->kick_fd, .events = POLLIN };
	struct timespec ts;
	uint64_t n;

	__atomic_store_n(&a->sleeping, 1, __ATOMIC_RELAXED);
	/* Pairs with the kick fence in notify_applier, host/poller.c. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (rte_ring_empty(a->queue) && ppoll(&pfd, 1, sleep_time(a, &ts), NULL) > 0)
		(void)!read(a->kick_fd, &n, sizeof(n));
	__atomic_store_n(&a->sleeping, 0, __ATOMIC_RELAXED);
	counter_add(&a->wakeups, 1);
}

int
applier_run(void *arg)
{
	struct applier *a = arg;
	unsigned int idle = 0;

	while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED)) {
		if (applier_step(a)) {
			idle = 0;
		} else if (a->c.spin && ++idle < SPINS) {
			rte_pause();
		} else {
			applier_sleep(a);
			idle = 0;
		}
	}
	for (unsigned int number = 0; number < FRQ_MAX_CPUS; number++)
		enforce(a, number, (struct decision){ .any = false });
	return 0;
}

void
applier_stop(struct applier *a)
{
	const uint64_t one = 1;

	__atomic_store_n(&a->stop, true, __ATOMIC_RELAXED);
	(void)!write(a->kick_fd, &one, sizeof(one));
}

/* ---- made and freed ------------------------------------------------------ */

struct applier *
applier_create(const struct applier_config *c)
{
	struct applier *a = calloc(1, sizeof(*a));
	ssize_t size;

	if (a == NULL)
		return NULL;
	a->c = *c;
	a->lease_end_ms = NO_LEASE;
	for (unsigned int i = 0; i < FRQ_MAX_CPUS; i++)
		a->cpu[i].managed = cpuset_has(&c->managed, i);
	a->kick_fd = eventfd(0, EFD_CLOEXEC);
	a->map = calloc(1, sizeof(*a->map));
	a->storming = calloc(QUEUE_SIZE, sizeof(*a->storming));
	size = rte_ring_get_memsize(2 * QUEUE_SIZE);
	if (size > 0)
		a->queue = aligned_alloc(64, ((size_t)size + 63) & ~(size_t)63);
	if (a->kick_fd < 0 || a->map == NULL || a->storming == NULL || a->queue == NULL ||
	    rte_ring_init(a->queue, "applier", 2 * QUEUE_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		applier_free(a);
		return NULL;
	}
	return a;
}

void
applier_free(struct applier *a)
{
	if (a == NULL)
		return;
	if (a->kick_fd >= 0)
		(void)close(a->kick_fd);
	applier_map_free(a->next_map);
	applier_map_free(a->map);
	free(a->queue);
	free(a->storming);
	free(a->voters);
	free(a->votes);
	free(a);
}

struct poller_queue
applier_queue(struct applier *a)
{
	return (struct poller_queue){
		.ring = a->queue,
		.sleeping = &a->sleeping,
		.progress = &a->progress,
		.kick_fd = a->kick_fd,
	};
}

void
applier_get_cpu(const struct applier *a, unsigned int number, struct applier_cpu_stats *st)
{
	const struct cpu *cpu = &a->cpu[number];

	*st = (struct applier_cpu_stats){
		.managed = cpu->managed,
		.table_known = __atomic_load_n(&cpu->table_known, __ATOMIC_ACQUIRE),
		.problem = (enum frq_reason)__atomic_load_n(&cpu->problem, __ATOMIC_RELAXED),
		.decided_khz = __atomic_load_n(&cpu->decided_khz, __ATOMIC_RELAXED),
		.writes = counter_get(&cpu->writes),
		.write_errors = counter_get(&cpu->write_errors),
	};
	if (!st->table_known)
		return;
	st->nb_freqs = cpu->table.nb;
	st->max_khz = cpu->table.khz[0];
	st->min_khz = cpu->table.khz[cpu->table.nb - 1];
	st->turbo_available = cpu->table.turbo;
}

void
applier_get_stats(const struct applier *a, struct applier_stats *st)
{
	*st = (struct applier_stats){
		.wakeups = counter_get(&a->wakeups),
		.decisions = counter_get(&a->decisions),
		.writes = counter_get(&a->writes),
		.write_errors = counter_get(&a->write_errors),
		.leases_expired = counter_get(&a->leases_expired),
	};
}
