/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_pause.h>
#include <rte_ring.h>

#include "applier.h"
#include "clock.h"
#include "events.h"
#include "log.h"
#include "state_line.h"
#include "wake.h"

#define QUEUE_SIZE	(FRQ_MAX_VMS * FRQ_MAX_CHANNELS)	/* every channel fits */
#define SPINS		100000u	/* empty looks before the applier sleeps, where it spins */
#define NO_LEASE	UINT64_MAX
#define STORM		16u	/* requests folded at once: the guest does not wait for each */
#define STORM_NS	50000u	/* then that channel is left alone until more are folded */
#define STORM_MAX_NS	6400000u /* at last, while it goes on */
#define CROWD		64u	/* requests of all the others before the queue was empty */
#define CROWD_STORM	4u	/* then so many of one are a storm */

struct applier {
	struct applier_config c;
	struct rte_ring *queue;
	uint32_t sleeping;		/* see wake.h */
	uint64_t progress;
	bool stop;
	struct channel **storming;	/* post faster than it can be applied; not queued */
	unsigned int nb_storming;
	uint64_t storm_ns, storm_end_ns; /* how long they are left alone, until when */
	uint64_t folded;		/* of who does not storm, since the queue was empty */
	bool crowded;			/* that was, or is, more than CROWD */
	struct applier_map *next_map;	/* handed over, not in force yet */
	struct applier_map *map;
	uint64_t resumes;		/* of the map in force */
	uint64_t generation;
	uint64_t lease_end_ms;		/* the earliest, or NO_LEASE */
	bool tell;			/* the control thread, at the end of this step */
	bool watched;			/* it wants to be told, see applier_watch */
	struct domains *domains;
	uint64_t wakeups, leases_expired; /* counters */
};

static const struct freq_table no_table;

/* ---- what a channel is told ---------------------------------------------- */

/* What its CPUs come to, for the channel. */
struct outcome {
	bool pending;			/* it is told when that is done */
	enum frq_reason reason;		/* why not the whole wish */
	uint32_t granted_khz;		/* the lowest of its CPUs, 0: not all are as decided */
	struct domain_view first;	/* of its first CPU */
};

/* Why not the whole wish on that CPU: the hardware, or another vote. */
static enum frq_reason
explain(const struct channel *ch, const struct domain_view *v)
{
	const struct vote vote = { .wish = ch->a.wish, .rule = ch->a.rule };

	if (v->problem != FRQ_REASON_OK)
		return v->problem;
	return v->table->nb == 0 ? FRQ_REASON_OK : arbiter_explain(v->table, &vote, v->decision);
}

static void
look_at_cpus(const struct applier *a, const struct channel *ch, struct outcome *o)
{
	unsigned int first = cpuset_next(ch->a.cpus, 0);
	bool granted = true;

	CPUSET_FOREACH(cpu, ch->a.cpus) {
		struct domain_view v;
		uint32_t khz;

		domain_view(a->domains, cpu, &v);
		if (cpu == first)
			o->first = v;
		o->pending |= v.pending;
		if (o->reason == FRQ_REASON_OK)
			o->reason = explain(ch, &v);
		granted &= v.decision.any && v.problem == FRQ_REASON_OK;
		khz = v.decision.any ? v.table->khz[v.decision.index] : 0;
		if (o->granted_khz == 0 || khz < o->granted_khz)
			o->granted_khz = khz;
	}
	if (!granted)
		o->granted_khz = 0;
}

static void
find_outcome(const struct applier *a, const struct channel *ch, struct outcome *o)
{
	*o = (struct outcome){ .first.table = &no_table };
	if (ch->a.nb_cpus != 0)
		look_at_cpus(a, ch, o);
	else
		o->reason = ch->a.standing;
	if (o->reason == FRQ_REASON_OK && ch->a.expired)
		o->reason = FRQ_REASON_LEASE_EXPIRED;
	if (__atomic_load_n(&ch->quarantined, __ATOMIC_RELAXED))
		o->reason = FRQ_REASON_QUARANTINED;
}

/* Up, down and set move along the table of its first CPU. */
static void
point_table(struct channel *ch, const struct freq_table *table)
{
	__atomic_store_n(&ch->no_table, ch->a.standing != FRQ_REASON_OK ? ch->a.standing :
		FRQ_REASON_NO_CPUFREQ, __ATOMIC_RELAXED);
	/* Pairs with the load in take, host/poller.c. Tables are never freed. */
	__atomic_store_n(&ch->table, table, __ATOMIC_RELEASE);
}

static void
publish(struct applier *a, struct channel *ch)
{
	struct outcome o;
	bool decided;

	find_outcome(a, ch, &o);
	point_table(ch, o.first.table);
	/* Nor is anybody told who is about to speak for his vCPU again. */
	if (o.pending || __atomic_load_n(&ch->a.reclaims, __ATOMIC_RELAXED))
		return;
	decided = o.first.decision.any && o.first.problem == FRQ_REASON_OK;
	state_line_publish(ch, &(struct state_line_update){
		.wish = ch->a.wish,
		.reason = o.reason,
		.granted_khz = o.granted_khz,
		.nb_cpus = ch->a.nb_cpus,
		.pcpu = ch->a.nb_cpus != 0 ? cpuset_next(ch->a.cpus, 0) : FRQ_NO_PCPU,
		.table = o.first.table,
		.decided = decided,
		.index = decided ? o.first.decision.index : 0,
		.turbo = decided && o.first.decision.turbo,
	});
	a->tell |= ch->vm->serial && wake_take(&ch->vm->answers_wait);
}

static void
publish_voters(struct applier *a, unsigned int domain, const struct channel *but)
{
	struct channel *const *voter;
	unsigned int nb = domain_voters(a->domains, domain, &voter);

	for (unsigned int i = 0; i < nb; i++)
		if (voter[i] != but)
			publish(a, voter[i]);
}

/* ---- what a channel wants ------------------------------------------------ */

static const char *const failsafe_name[] = {
	[CONFIG_FAILSAFE_MAX] = "max",
	[CONFIG_FAILSAFE_HOLD] = "hold",
	[CONFIG_FAILSAFE_RELEASE] = "release",
};

static void
fail_safe(const struct applier *a, struct wish *w)
{
	if (a->c.failsafe == CONFIG_FAILSAFE_MAX)
		w->kind = FRQ_WISH_MAX;
	else if (a->c.failsafe == CONFIG_FAILSAFE_RELEASE)
		w->kind = FRQ_WISH_NONE;
}

static void
look_again_at(struct applier *a, uint64_t ms)
{
	if (ms < a->lease_end_ms)
		a->lease_end_ms = ms;
}

/*
 * A guest that woke up works its way back at the maximum, and then has the
 * wish again that it had, until it says something itself.
 */
static void
help_up(struct applier *a, struct channel *ch)
{
	struct wish *w = &ch->a.wish;
	uint64_t now = monotonic_ms(), end = 0;

	if (w->next == ch->a.woke_next && !w->attached && now < ch->a.kept_until_ms &&
	    ch->a.kept.kind != FRQ_WISH_NONE) {
		w->kind = ch->a.kept.kind;
		w->khz = ch->a.kept.khz;
		w->turbo_off = ch->a.kept.turbo_off;
		end = ch->a.kept_until_ms;
	}
	if (w->next == ch->a.woke_next && w->kind != FRQ_WISH_NONE && now < ch->a.max_until_ms) {
		w->kind = FRQ_WISH_MAX;
		end = ch->a.max_until_ms;
	}
	ch->a.woke = end != 0;
	if (end != 0)
		look_again_at(a, end);
}

/*
 * The wish in force: what the guest asked, or, when it cannot be believed
 * any more while its VM runs, the fail-safe.
 */
static void
load_wish(struct applier *a, struct channel *ch)
{
	uint64_t end = __atomic_load_n(&ch->slot->lease_end_ms, __ATOMIC_RELAXED);
	uint64_t now = end != 0 ? monotonic_ms() : 0;
	bool expired = end != 0 && now >= end && !ch->a.asleep, wishes;

	/* Pairs with the store in remember, host/poller.c. */
	ch->a.wish = wish_unpack(__atomic_load_n(&ch->slot->wish, __ATOMIC_ACQUIRE));
	if (ch->a.woke)
		help_up(a, ch);
	wishes = ch->a.wish.kind != FRQ_WISH_NONE;
	if (wishes && (expired || __atomic_load_n(&ch->quarantined, __ATOMIC_RELAXED)))
		fail_safe(a, &ch->a.wish);
	__atomic_store_n(&ch->a.lease_left_ms, end == 0 || expired ? 0 : end - now, __ATOMIC_RELAXED);
	if (end != 0 && !expired && !ch->a.asleep)
		look_again_at(a, end);
	if (expired && wishes && !ch->a.expired) {
		counter_add(&a->leases_expired, 1);
	}
	/* Guests choose when: once a second and VM is news, more is noise. */
	if (expired && wishes && !ch->a.expired && now - ch->vm->lease_told_ms >= 1000) {
		ch->vm->lease_told_ms = now;
		event_raise(EVENT_LEASE_EXPIRED, ch->vm->name,
			"VM %s, vCPU %u: its lease ran out, the fail-safe (%s) is in force",
			ch->vm->name, ch->number, failsafe_name[a->c.failsafe]);
	}
	ch->a.expired = expired && wishes;
}

/*
 * A request on a ring whose vCPU spoke elsewhere last: it is here now. The
 * control thread decides that, by the next map. For a serial channel it has
 * decided so already, when it took the packet: one that is elsewhere again by
 * now is refused.
 */
static void
note_reclaim(struct applier *a, struct channel *ch, uint16_t seen)
{
	if (ch->vm->serial || ch->a.standing != FRQ_REASON_ELSEWHERE || ch->a.wish.next == seen)
		return;
	__atomic_store_n(&ch->a.reclaims, true, __ATOMIC_RELEASE);
	a->tell = true;
}

static void
look_at(struct applier *a, struct channel *ch)
{
	uint16_t seen = ch->a.wish.next;

	/* Polled already, but its map is still on the way. */
	if (ch->a.cpus == NULL)
		return;
	load_wish(a, ch);
	note_reclaim(a, ch, seen);
	if (ch->a.standing != FRQ_REASON_OK && ch->a.wish.kind != FRQ_WISH_NONE &&
	    ch->a.wish.next != seen)
		counter_add(&ch->vm->refused_applier[ch->a.standing], 1);
	if (ch->a.nb_cpus != 0) {
		CPUSET_FOREACH(cpu, ch->a.cpus) {
			if (domain_decide(a->domains, domain_of(a->domains, cpu)))
				publish_voters(a, domain_of(a->domains, cpu), ch);
		}
	}
	publish(a, ch);
}

/* A domain did what it could not do at once. */
static void
domain_changed(void *arg, unsigned int domain)
{
	publish_voters(arg, domain, NULL);
}

/* ---- storms --------------------------------------------------------------
 *
 * A guest that posts without a pause would wake us for every few requests,
 * on the CPU where the poller wants to fold them. Its channel stays marked as
 * queued, so that the poller does not queue it again, and is looked at when
 * storm_ns have passed: longer each time, as long as it goes on. The others are
 * served meanwhile. Many such channels share what one thread can fold, so each
 * has few requests; it is their sum that tells.
 */

static void
set_aside(struct applier *a, struct channel *ch)
{
	uint64_t requests = counter_get(&ch->slot->requests), n = requests - ch->a.requests;
	bool storms = n > (a->crowded ? CROWD_STORM : STORM);

	ch->a.requests = requests;
	if (n <= STORM)
		a->folded += n;
	a->crowded |= a->folded > CROWD;
	if (!storms || __atomic_exchange_n(&ch->queued, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	if (a->nb_storming == 0)
		a->storm_end_ns = monotonic_ns() + a->storm_ns;
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
	if (a->storm_ns < STORM_MAX_NS)
		a->storm_ns *= 2;
	for (unsigned int i = 0; i < nb; i++) {
		struct channel *ch = a->storming[i];

		/* As in applier_next: taken off first, loaded afterwards. */
		(void)__atomic_exchange_n(&ch->queued, 0, __ATOMIC_SEQ_CST);
		look_at(a, ch);
		set_aside(a, ch);
	}
	if (a->nb_storming == 0)
		a->storm_ns = STORM_NS;
	return true;
}

static void
queue_is_empty(struct applier *a)
{
	a->crowded = a->folded > CROWD;
	a->folded = 0;
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

			if (end == 0 && !ch->a.woke)
				continue;
			look_at(a, ch);
		}
	}
}

/* ---- maps ---------------------------------------------------------------- */

/* Once for each wake-up: each has a time of its own. */
static void
note_wake(struct channel *ch, const struct applier_map_vm *mv, unsigned int n)
{
	if (mv->max_until_ms == ch->a.max_until_ms)
		return;
	ch->a.woke = true;
	ch->a.woke_next = wish_unpack(__atomic_load_n(&ch->slot->wish, __ATOMIC_ACQUIRE)).next;
	ch->a.max_until_ms = mv->max_until_ms;
	ch->a.kept_until_ms = mv->kept_until_ms;
	ch->a.kept = mv->vcpu[n].kept;
}

static void
place_channel(struct applier *a, const struct applier_map_vm *mv, unsigned int n)
{
	struct channel *ch = &mv->vm->ch[n];
	uint16_t seen = ch->a.wish.next;
	bool known = ch->a.placed;

	ch->a.placed = true;
	ch->a.standing = mv->vcpu[n].standing;
	ch->a.cpus = &mv->vcpu[n].cpus;
	ch->a.nb_cpus = ch->a.standing == FRQ_REASON_OK ? cpuset_count(ch->a.cpus) : 0;
	ch->a.rule = mv->rule;
	ch->a.asleep = mv->asleep;
	note_wake(ch, mv, n);
	if (ch->a.standing != FRQ_REASON_ELSEWHERE)
		__atomic_store_n(&ch->a.reclaims, false, __ATOMIC_RELAXED);
	load_wish(a, ch);
	if (known)
		note_reclaim(a, ch, seen);
}

static void
tell_all(struct applier *a, struct channel *ch)
{
	state_line_host(ch, a->map->host);
	publish(a, ch);
}

/*
 * A new map: first where everybody stands, then what that means for each
 * CPU (those that lost their last vote are given back), then all are told.
 */
static bool
take_map(struct applier *a)
{
	struct applier_map *m, *old = a->map;

	if (__atomic_load_n(&a->next_map, __ATOMIC_RELAXED) == NULL)
		return false;
	m = __atomic_exchange_n(&a->next_map, NULL, __ATOMIC_ACQ_REL);
	/* What is queued may be about a VM that is gone from the map; all
	 * channels that are in it are looked at below. What the poller queues
	 * from here on is about VMs that it still serves.
	 */
	for (unsigned int i = 0; i < a->nb_storming; i++)
		(void)__atomic_exchange_n(&a->storming[i]->queued, 0, __ATOMIC_SEQ_CST);
	a->nb_storming = 0;
	a->storm_ns = STORM_NS;
	for (unsigned int nb = rte_ring_count(a->queue); nb > 0; nb--)
		(void)applier_next(a);
	if (domains_vote(a->domains, m) < 0)
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
	CPUSET_FOREACH(cpu, &a->c.managed)
		if (domain_of(a->domains, cpu) == cpu)
			(void)domain_decide(a->domains, cpu);
	if (m->resumes != a->resumes)
		domains_set_again(a->domains);
	a->resumes = m->resumes;
	for (unsigned int i = 0; i < m->nb_vms; i++)
		for (unsigned int n = 0; n < m->vm[i]->vm->nb_channels; n++)
			tell_all(a, &m->vm[i]->vm->ch[n]);
	applier_map_free(old);
	__atomic_store_n(&a->generation, m->generation, __ATOMIC_RELEASE);
	a->tell = true;
	return true;
}

void
applier_set_map(struct applier *a, struct applier_map *map)
{
	/* One that was not even looked at is superseded. */
	applier_map_free(__atomic_exchange_n(&a->next_map, map, __ATOMIC_ACQ_REL));
	(void)wake_sleeper(&a->sleeping);
}

uint64_t
applier_generation(const struct applier *a)
{
	return __atomic_load_n(&a->generation, __ATOMIC_ACQUIRE);
}

/* ---- the loop ------------------------------------------------------------ */

/* Once a step: a map is in force, or there is something to be told on a serial channel. */
static void
tell_control(struct applier *a)
{
	const uint64_t one = 1;

	if (a->tell && a->c.done_fd >= 0)
		(void)!write(a->c.done_fd, &one, sizeof(one));
	a->tell = false;
}

static bool
step(struct applier *a)
{
	struct channel *ch;
	bool work = take_map(a);

	check_leases(a);
	work |= domains_work(a->domains, domain_changed, a);
	work |= end_storm(a);
	ch = applier_next(a);
	if (ch == NULL) {
		queue_is_empty(a);
		return work;
	}
	/*
	 * A serial channel hands over the map that lets it speak, and posts then:
	 * what was posted must not be judged by the map before. A map looks at all.
	 */
	if (!take_map(a)) {
		look_at(a, ch);
		set_aside(a, ch);
	}
	__atomic_store_n(&a->progress, a->progress + 1, __ATOMIC_RELAXED);
	return true;
}

bool
applier_step(struct applier *a)
{
	bool work = step(a);

	/* No fence: who began to watch just now may be missed, and looks once a second. */
	if (work && __atomic_load_n(&a->watched, __ATOMIC_RELAXED)) {
		__atomic_store_n(&a->watched, false, __ATOMIC_RELAXED);
		a->tell = true;
	}
	tell_control(a);
	return work;
}

/* Until a lease or storm ends, or a write is due; NULL: until somebody kicks. */
static const struct timespec *
sleep_time(const struct applier *a, struct timespec *ts)
{
	uint64_t now = monotonic_ns(), end = domains_due(a->domains);

	if (a->lease_end_ms != NO_LEASE && a->lease_end_ms * 1000000 < end)
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

static bool
anything_new(const struct applier *a)
{
	return !rte_ring_empty(a->queue) || domains_hinted(a->domains) ||
		__atomic_load_n(&a->next_map, __ATOMIC_RELAXED) != NULL ||
		__atomic_load_n(&a->stop, __ATOMIC_RELAXED);
}

static void
applier_sleep(struct applier *a)
{
	struct timespec ts;

	wake_prepare(&a->sleeping);
	if (!anything_new(a))
		wake_wait(&a->sleeping, sleep_time(a, &ts));
	wake_done(&a->sleeping);
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
	domains_give_back(a->domains);
	return 0;
}

void
applier_watch(struct applier *a)
{
	__atomic_store_n(&a->watched, true, __ATOMIC_SEQ_CST);
}

void
applier_stop(struct applier *a)
{
	__atomic_store_n(&a->stop, true, __ATOMIC_RELAXED);
	(void)wake_sleeper(&a->sleeping);
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
	a->storm_ns = STORM_NS;
	a->domains = domains_create(&(struct domains_config){
		.power = c->power,
		.managed = c->managed,
		.yield = c->yield,
		.write_limit = c->write_limit,
	});
	a->map = calloc(1, sizeof(*a->map));
	a->storming = calloc(QUEUE_SIZE, sizeof(*a->storming));
	size = rte_ring_get_memsize(2 * QUEUE_SIZE);
	if (size > 0)
		a->queue = aligned_alloc(64, ((size_t)size + 63) & ~(size_t)63);
	if (a->domains == NULL || a->map == NULL || a->storming == NULL ||
	    a->queue == NULL ||
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
	applier_map_free(a->next_map);
	applier_map_free(a->map);
	free(a->queue);
	free(a->storming);
	domains_free(a->domains);
	free(a);
}

struct poller_queue
applier_queue(struct applier *a)
{
	return (struct poller_queue){
		.ring = a->queue,
		.sleeping = &a->sleeping,
		.progress = &a->progress,
	};
}

void
applier_check_cpus(struct applier *a)
{
	if (domains_hint(a->domains))
		(void)wake_sleeper(&a->sleeping);
}

void
applier_get_cpu(const struct applier *a, unsigned int cpu, struct domain_cpu_stats *st)
{
	domains_get_cpu(a->domains, cpu, st);
}

void
applier_get_stats(const struct applier *a, struct applier_stats *st)
{
	domains_get_stats(a->domains, &st->domains);
	st->wakeups = counter_get(&a->wakeups);
	st->leases_expired = counter_get(&a->leases_expired);
}
