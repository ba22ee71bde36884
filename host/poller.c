/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include "clock.h"
#include "poller.h"
#include "wake.h"

/*
 * A turn is: the slots of channels that were active lately; some of the
 * doorbell words; the slot of one channel, so that nothing is ever stranded
 * behind a doorbell that was not believed. The figures were measured with
 * bench/: a hot slot costs a nanosecond or two while nothing comes, a
 * doorbell word of a busy VM a cache miss.
 */
#define DRAIN_MAX		32u	/* requests of a channel and turn */
#define HOT_MAX			64u
#define HOT_TURNS		65536u	/* a channel stays hot after its last request */
#define WORDS_PER_TURN		64u	/* doorbell words looked at */
#define DOORBELL_EVERY		64u	/* turns, while there are hot channels */
#define AUDIT_ALL_EVERY		64u	/* laps of the audit that do not ask the doorbell */
#define HOUSEKEEPING_EVERY	256u	/* turns */
#define EMPTY_DOORBELLS_MAX	8u	/* in a row, then the doorbell is muted */
#define VIOLATIONS_MAX		1024u	/* a second, then the channel is quarantined */
#define STUCK_MS		100u	/* applier without progress: no heartbeat */
#define BURST_MS		10u	/* of the rate limit */
#define ANSWER_MS		500	/* then it is interrupted, and waited for again */
#define ANSWER_WAITS		10u
#define PARKED_NS		1000000	/* between two heartbeats of a parked one */

enum park { PARK_SAME, PARK, UNPARK };

/* What another thread wants: one of these. */
struct letter {
	struct vm *add, *remove, *extend;
	uint64_t extend_ms;
	const struct poller_feeder *add_feeder, *remove_feeder;
	enum park park;
};

struct poller {
	struct poller_config c;
	uint64_t turn;
	unsigned int nb_hot;
	struct channel *hot[HOT_MAX];
	unsigned int nb_vms;
	struct vm *vm[FRQ_MAX_VMS];
	unsigned int scan_vm, scan_word;	/* where the next doorbell word is */
	unsigned int audit_vm, audit_ch;	/* whose slot is looked at next */
	unsigned int audit_lap;
	unsigned int nb_feeders;
	const struct poller_feeder *feeder[FRQ_MAX_VMS];

	uint64_t tsc_ms;			/* TSC ticks a millisecond */
	uint64_t next_ms, next_second;		/* TSC */
	uint64_t applier_progress;		/* as last seen */
	unsigned int applier_still_ms;

	/* Mailbox: the control thread fills it, the poller empties it. What the
	 * poller has not begun to read the control thread may take back. One at a
	 * time: librte_vhost's thread sends letters, too.
	 */
	pthread_mutex_t mail_lock;
	struct letter letter;
	struct {
		int result;
		int done_fd;
		enum { MAIL_NONE, MAIL_POSTED, MAIL_READ } state;
	} mail;
	pthread_t thread;			/* while it runs */
	bool runs;
	bool stop;
	bool parked;

	uint64_t turns, hot_channels, channels, requests, kicks, heartbeats, stuck; /* counters */
};

/* ---- one channel --------------------------------------------------------- */

static void
make_hot(struct poller *p, struct channel *ch)
{
	ch->last_turn = p->turn;
	if (ch->hot || p->nb_hot == HOT_MAX)
		return;
	ch->hot = true;
	p->hot[p->nb_hot++] = ch;
}

static void
cool_down(struct poller *p, unsigned int i)
{
	p->hot[i]->hot = false;
	p->hot[i] = p->hot[--p->nb_hot];
}

static void
mute(struct channel *ch, bool on)
{
	((uint8_t *)ch->vm->muted)[ch->number] = on ? 0xff : 0;
	ch->empty_doorbells = 0;
}

static void
quarantine_channel(struct channel *ch)
{
	__atomic_store_n(&ch->quarantined, true, __ATOMIC_RELAXED);
	ch->vm->channel_quarantined = true;
	mute(ch, true);
}

/* What no honest guest posts, as opposed to what it cannot know. */
static bool
is_violation(enum frq_reason reason)
{
	return reason == FRQ_REASON_BAD_OP || reason == FRQ_REASON_BAD_ARG ||
		reason == FRQ_REASON_BAD_EPOCH || reason == FRQ_REASON_LOST;
}

/* Count it, and leave a note for the applier, which tells the guest. */
static void
refuse(struct channel *ch, struct frq_request r, enum frq_reason reason)
{
	counter_add(&ch->vm->refused[reason], 1);
	__atomic_store_n(&ch->slot->refusal, frq_refusal_pack((struct frq_refusal){
		.seq = r.seq, .reason = (uint8_t)reason, .op = r.op, .arg = r.arg,
	}), __ATOMIC_RELAXED);
	/* Pairs with the load in take_refusals, host/state_line.c. */
	__atomic_store_n(&ch->slot->refusals, ch->slot->refusals + 1, __ATOMIC_RELEASE);
	if (is_violation(reason) && ++ch->violations > VIOLATIONS_MAX)
		quarantine_channel(ch);
}

static enum frq_reason
take_attach(struct channel *ch, struct frq_request r, uint64_t word)
{
	if (r.arg == 0 || (r.flags & ~FRQ_ATTACH_UNCACHED) != 0)
		return FRQ_REASON_BAD_ARG;
	if (ch->wish.attached)
		counter_add(&ch->vm->reattached, 1);
	ch->wish.attached = true;
	ch->wish.uncached = (r.flags & FRQ_ATTACH_UNCACHED) != 0;
	ch->wish.told = false;
	frq_store64(&ch->rx.line->owner, word);
	/* The lease was the last program's. */
	__atomic_store_n(&ch->slot->lease_end_ms, 0, __ATOMIC_RELAXED);
	return FRQ_REASON_OK;
}

static enum frq_reason
take_lease(struct channel *ch, uint32_t seconds)
{
	uint64_t end = seconds == 0 ? 0 : monotonic_ms() + (uint64_t)seconds * 1000;

	__atomic_store_n(&ch->slot->lease_end_ms, end, __ATOMIC_RELAXED);
	return FRQ_REASON_OK;
}

/* @return whether the applier has to look at the channel */
static bool
take(struct channel *ch, uint64_t word)
{
	struct frq_request r = frq_request_unpack(word);
	enum frq_reason reason;

	if (r.op == FRQ_OP_PING && r.flags == 0) {
		frq_store64(&ch->rx.line->ping, word);
		return false;
	}
	if (r.op == FRQ_OP_ATTACH)
		reason = take_attach(ch, r, word);
	else if (r.flags != 0)
		reason = FRQ_REASON_BAD_ARG;
	else if (r.op == FRQ_OP_LEASE)
		reason = take_lease(ch, r.arg);
	else
		reason = wish_fold(&ch->wish, r.op, r.arg,
			__atomic_load_n(&ch->table, __ATOMIC_ACQUIRE));
	if (reason == FRQ_REASON_NO_CPUFREQ)
		reason = __atomic_load_n(&ch->no_table, __ATOMIC_RELAXED);
	if (reason != FRQ_REASON_OK)
		refuse(ch, r, reason);
	else if (r.op == FRQ_OP_RELEASE)
		(void)take_lease(ch, 0);
	return true;
}

static void
notify_applier(struct poller *p, struct channel *ch)
{
	/* Pairs with the exchange in applier_next, host/applier.c: either it
	 * finds the channel queued and loads the wish stored before this, or
	 * we find it not queued and queue it.
	 */
	if (__atomic_exchange_n(&ch->queued, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	(void)rte_ring_sp_enqueue(p->c.queue.ring, ch);
	/* It sees the queue not empty, or we see it sleeping. */
	if (wake_sleeper(p->c.queue.sleeping))
		counter_add(&p->kicks, 1);
}

/* Ours first, then the guest is told: what was consumed is not forgotten. */
static void
remember(struct channel *ch)
{
	ch->wish.next = ch->rx.next;
	__atomic_store_n(&ch->slot->wish, wish_pack(ch->wish), __ATOMIC_RELEASE);
	frq_consumer_publish(&ch->rx);
	counter_add(&ch->slot->requests, (uint32_t)(ch->rx.total - (uint32_t)ch->slot->requests));
}

/* @param word  the slot at the cursor, found to be a request */
static unsigned int
drain_from(struct poller *p, struct channel *ch, uint64_t word)
{
	unsigned int n = 0;
	bool changed = false;

	/* A guest that waits, waits for the first; the others come in a burst. */
	do {
		changed |= take(ch, word);
		frq_consumer_advance(&ch->rx);
		if (++n == 1)
			remember(ch);
	} while (n < DRAIN_MAX && frq_consumer_peek(&ch->rx, &word));
	if (n > 1)
		remember(ch);
	ch->vm->cursor.byte[ch->number] = (uint8_t)ch->rx.next;
	ch->vm->tokens -= (int64_t)n * 1000;
	counter_add(&p->requests, n);
	if (changed)
		notify_applier(p, ch);
	return n;
}

/* @param there  whether a request waits, for the counter only */
static bool
may_drain(struct channel *ch, bool there)
{
	if (ch->quarantined)
		return false;
	/* Its map is still on the way: the ring keeps what is in it. Pairs with
	 * the store in place_channel, host/applier.c.
	 */
	if (__atomic_load_n(&ch->table, __ATOMIC_ACQUIRE) == NULL)
		return false;
	if (counter_get(&ch->vm->rate_limit) != 0 && ch->vm->tokens <= 0) {
		counter_add(&ch->vm->throttled, there);
		return false;
	}
	return true;
}

static unsigned int
drain(struct poller *p, struct channel *ch)
{
	uint64_t word;

	if (!frq_consumer_peek(&ch->rx, &word) || !may_drain(ch, true))
		return 0;
	ch->last_turn = p->turn;
	mute(ch, false);
	return drain_from(p, ch, word);
}

/* A channel that was cold, or muted, has a request. */
static unsigned int
warm_up(struct poller *p, struct channel *ch, uint64_t word)
{
	mute(ch, false);
	make_hot(p, ch);
	return drain_from(p, ch, word);
}

/* The doorbell says there is something, the slot at the cursor says no. */
static unsigned int
look_closer(struct poller *p, struct channel *ch, uint64_t seen, uint8_t doorbell)
{
	struct frq_request r = frq_request_unpack(seen);
	uint64_t word;

	/* A hot slot was taken before the guest came round to ringing for it. */
	if ((uint8_t)((uint8_t)ch->rx.next - doorbell) <= FRQ_RING_SLOTS)
		return 0;
	if (frq_consumer_find_attach(&ch->rx, seen, doorbell, &word))
		return warm_up(p, ch, word);
	counter_add(&ch->vm->empty_doorbells, 1);
	if (++ch->empty_doorbells < EMPTY_DOORBELLS_MAX)
		return 0;
	/* It will be found by the audit when it mends its ways. */
	mute(ch, true);
	if (seen != 0 && r.seq == ch->rx.next)
		refuse(ch, r, FRQ_REASON_BAD_EPOCH);
	else if (seen != 0 && r.epoch == ch->rx.epoch && r.seq % FRQ_RING_SLOTS ==
		 ch->rx.next % FRQ_RING_SLOTS && (int16_t)(r.seq - ch->rx.next) > 0)
		refuse(ch, r, FRQ_REASON_LOST);
	else
		return 0;
	notify_applier(p, ch);
	return 0;
}

static unsigned int
answer_doorbell(struct poller *p, struct channel *ch, uint8_t doorbell)
{
	uint64_t word;
	bool there = frq_consumer_peek(&ch->rx, &word);

	if (!may_drain(ch, there))
		return 0;
	return there ? warm_up(p, ch, word) : look_closer(p, ch, word, doorbell);
}

bool
poller_may_serve(struct channel *ch)
{
	return may_drain(ch, true);
}

unsigned int
poller_serve(struct poller *p, struct channel *ch)
{
	uint8_t bell = frq_load8(frq_region_doorbell(&ch->vm->region, ch->number));
	uint64_t word;

	if (!frq_consumer_peek(&ch->rx, &word))
		return look_closer(p, ch, word, bell);
	mute(ch, false);
	return drain_from(p, ch, word);
}

/* ---- a turn -------------------------------------------------------------- */

static unsigned int
poll_hot(struct poller *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->nb_hot; i++)
		n += drain(p, p->hot[i]);
	return n;
}

/* Eight doorbells at once, against the cursors they should be. */
static unsigned int
poller_scan_word(struct poller *p, struct vm *vm, unsigned int w)
{
	/* Pairs with the store of the doorbell in frq_producer_post, shm/ring.h. */
	uint64_t bells = frq_load64(&frq_region_doorbell_words(&vm->region)[w]);
	uint64_t diff = (bells ^ vm->cursor.word[w]) & ~vm->muted[w];
	unsigned int n = 0;

	while (diff != 0) {
		unsigned int byte = (unsigned int)__builtin_ctzll(diff) / 8;
		unsigned int ch = 8 * w + byte;

		if (ch < vm->nb_channels)
			n += answer_doorbell(p, &vm->ch[ch], (uint8_t)(bells >> 8 * byte));
		diff &= ~(UINT64_C(0xff) << 8 * byte);
	}
	return n;
}

static unsigned int
poll_doorbells(struct poller *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < WORDS_PER_TURN; i++) {
		struct vm *vm = p->vm[p->scan_vm];

		n += poller_scan_word(p, vm, p->scan_word);
		if (8 * ++p->scan_word < vm->nb_channels)
			continue;
		p->scan_word = 0;
		if (++p->scan_vm < p->nb_vms)
			continue;
		p->scan_vm = 0;
		break;	/* once around is enough */
	}
	return n;
}

/* One channel a turn is looked at whatever its doorbell says. */
static unsigned int
audit(struct poller *p)
{
	struct vm *vm = p->vm[p->audit_vm];
	struct channel *ch = &vm->ch[p->audit_ch];
	uint8_t bell = frq_load8(frq_region_doorbell(&vm->region, ch->number));
	uint64_t word;
	bool there = frq_consumer_peek(&ch->rx, &word);

	if (++p->audit_ch >= vm->nb_channels) {
		p->audit_ch = 0;
		p->audit_vm = p->audit_vm + 1 < p->nb_vms ? p->audit_vm + 1 : 0;
		p->audit_lap += p->audit_vm == 0;
	}
	if (!may_drain(ch, there))
		return 0;
	if (there)
		return warm_up(p, ch, word);
	/* After many starts without a host the doorbell may read like the
	 * cursor, so now and then it is not asked.
	 */
	if ((bell != (uint8_t)ch->rx.next || p->audit_lap % AUDIT_ALL_EVERY == 0) &&
	    frq_consumer_find_attach(&ch->rx, word, bell, &word))
		return warm_up(p, ch, word);
	return 0;
}

/* ---- housekeeping -------------------------------------------------------- */

static void
forget_channels(struct poller *p, const struct vm *vm)
{
	for (unsigned int i = 0; i < p->nb_hot;) {
		if (p->hot[i]->vm == vm)
			cool_down(p, i);
		else
			i++;
	}
}

static void
drop_vm(struct poller *p, const struct vm *vm)
{
	forget_channels(p, vm);
	for (unsigned int i = 0; i < p->nb_vms; i++) {
		if (p->vm[i] != vm)
			continue;
		counter_add(&p->channels, -(uint64_t)vm->nb_channels);
		memmove(&p->vm[i], &p->vm[i + 1], (p->nb_vms - i - 1) * sizeof(p->vm[0]));
		__atomic_store_n(&p->nb_vms, p->nb_vms - 1, __ATOMIC_RELAXED);
		break;
	}
	p->scan_vm = p->scan_word = p->audit_vm = p->audit_ch = 0;
}

static void
tell_control(struct poller *p)
{
	const uint64_t one = 1;

	if (p->c.notify_fd >= 0)
		(void)!write(p->c.notify_fd, &one, sizeof(one));
}

static void
report_quarantines(struct poller *p)
{
	for (unsigned int i = 0; i < p->nb_vms;) {
		struct vm *vm = p->vm[i];

		if (vm->channel_quarantined) {
			vm->channel_quarantined = false;
			tell_control(p);
		}
		if (!__atomic_load_n(&vm->broken, __ATOMIC_ACQUIRE)) {
			i++;
			continue;
		}
		drop_vm(p, vm);
		__atomic_store_n(&vm->quarantined, true, __ATOMIC_RELEASE);
		tell_control(p);
	}
}

static bool
mail_moves(struct poller *p, unsigned int from, unsigned int to)
{
	if (__atomic_load_n(&p->mail.state, __ATOMIC_RELAXED) != from)
		return false;
	return __atomic_compare_exchange_n(&p->mail.state, &from, to, false,
		__ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static int
take_vm(struct poller *p, struct vm *vm)
{
	if (p->nb_vms == FRQ_MAX_VMS)
		return -ENOSPC;
	p->vm[p->nb_vms] = vm;
	counter_add(&p->channels, vm->nb_channels);
	__atomic_store_n(&p->nb_vms, p->nb_vms + 1, __ATOMIC_RELAXED);
	return 0;
}

static int
take_feeder(struct poller *p, const struct poller_feeder *f)
{
	if (p->nb_feeders == FRQ_MAX_VMS)
		return -ENOSPC;
	p->feeder[p->nb_feeders++] = f;
	return 0;
}

static void
drop_feeder(struct poller *p, const struct poller_feeder *f)
{
	for (unsigned int i = 0; i < p->nb_feeders; i++)
		if (p->feeder[i] == f) {
			p->feeder[i] = p->feeder[--p->nb_feeders];
			break;
		}
}

static void
extend_leases(const struct vm *vm, uint64_t ms)
{
	for (unsigned int i = 0; i < vm->nb_channels; i++) {
		struct wish_slot *slot = vm->ch[i].slot;

		if (slot->lease_end_ms != 0)
			__atomic_store_n(&slot->lease_end_ms, slot->lease_end_ms + ms,
				__ATOMIC_RELAXED);
	}
}

static void
read_mail(struct poller *p)
{
	const uint64_t one = 1;

	if (!mail_moves(p, MAIL_POSTED, MAIL_READ))
		return;
	p->mail.result = 0;
	if (p->letter.remove != NULL)
		drop_vm(p, p->letter.remove);
	if (p->letter.remove_feeder != NULL)
		drop_feeder(p, p->letter.remove_feeder);
	if (p->letter.add != NULL)
		p->mail.result = take_vm(p, p->letter.add);
	if (p->letter.add_feeder != NULL)
		p->mail.result = take_feeder(p, p->letter.add_feeder);
	if (p->letter.extend != NULL)
		extend_leases(p->letter.extend, p->letter.extend_ms);
	if (p->letter.park != PARK_SAME)
		p->parked = p->letter.park == PARK;
	__atomic_store_n(&p->mail.state, MAIL_NONE, __ATOMIC_RELEASE);
	(void)!write(p->mail.done_fd, &one, sizeof(one));
}

static void
cool_channels(struct poller *p)
{
	for (unsigned int i = 0; i < p->nb_hot;) {
		if (p->turn - p->hot[i]->last_turn > HOT_TURNS)
			cool_down(p, i);
		else
			i++;
	}
}

/* The heartbeat is the daemon's word that requests are served to the end. */
static bool
applier_moves(struct poller *p, unsigned int ms)
{
	uint64_t progress = __atomic_load_n(p->c.queue.progress, __ATOMIC_RELAXED);

	if (progress != p->applier_progress || rte_ring_empty(p->c.queue.ring))
		p->applier_still_ms = 0;
	else
		p->applier_still_ms += ms;
	p->applier_progress = progress;
	if (p->applier_still_ms <= STUCK_MS)
		return true;
	counter_add(&p->stuck, 1);
	return false;
}

static void
every_millisecond(struct poller *p, unsigned int ms)
{
	bool alive = applier_moves(p, ms);

	for (unsigned int i = 0; i < p->nb_vms; i++) {
		struct vm *vm = p->vm[i];
		int64_t rate = (int64_t)counter_get(&vm->rate_limit);
		int64_t burst = rate * BURST_MS + DRAIN_MAX * 1000;
		/* The most that a limit lets them take at once: what was taken without one is not owed. */
		int64_t owed = (int64_t)vm->nb_channels * DRAIN_MAX * 1000;

		if (vm->tokens < -owed)
			vm->tokens = -owed;
		vm->tokens += rate * ms;
		if (vm->tokens > burst)
			vm->tokens = burst;
		if (alive)
			frq_store64(&frq_region_header(&vm->region)->heartbeat, ++vm->heartbeat);
	}
	counter_add(&p->heartbeats, alive);
}

static void
every_second(struct poller *p)
{
	for (unsigned int i = 0; i < p->nb_vms; i++)
		for (unsigned int ch = 0; ch < p->vm[i]->nb_channels; ch++)
			p->vm[i]->ch[ch].violations = 0;
}

/*
 * In here, so that a turn does not ask for it. The counter of the CPU may start
 * anew while the host sleeps: it is not gone by.
 */
static void
stay_parked(struct poller *p)
{
	const struct timespec pause = { .tv_nsec = PARKED_NS };

	while (p->parked && !__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		(void)nanosleep(&pause, NULL);
		read_mail(p);
		report_quarantines(p);
		every_millisecond(p, 1);
	}
	p->next_ms = rte_rdtsc();
	p->next_second = p->next_ms;
}

static void
keep_house(struct poller *p)
{
	uint64_t now = rte_rdtsc();

	__atomic_store_n(&p->turns, p->turn, __ATOMIC_RELAXED);
	__atomic_store_n(&p->hot_channels, p->nb_hot, __ATOMIC_RELAXED);
	read_mail(p);
	if (p->parked) {
		stay_parked(p);
		return;
	}
	report_quarantines(p);
	cool_channels(p);
	if (now >= p->next_ms) {
		uint64_t ms = (now - p->next_ms) / p->tsc_ms + 1;

		/* A poller that was stopped for long owes no more than a second. */
		every_millisecond(p, ms < 1000 ? (unsigned int)ms : 1000);
		p->next_ms = now + p->tsc_ms;
	}
	if (now >= p->next_second) {
		every_second(p);
		p->next_second = now + 1000 * p->tsc_ms;
	}
}

unsigned int
poller_turn(struct poller *p)
{
	unsigned int n = poll_hot(p);

	for (unsigned int i = 0; i < p->nb_feeders; i++)
		n += p->feeder[i]->poll(p, p->feeder[i]->arg);
	p->turn++;
	if (p->nb_vms != 0 && (p->nb_hot == 0 || p->turn % DOORBELL_EVERY == 0)) {
		n += poll_doorbells(p);
		n += audit(p);
	}
	if (p->turn % HOUSEKEEPING_EVERY == 0)
		keep_house(p);
	return n;
}

/* Without it the signal would not end a system call. */
static void
on_interrupt(int sig)
{
	(void)sig;
}

int
poller_run(void *arg)
{
	const struct sigaction sa = { .sa_handler = on_interrupt };
	struct poller *p = arg;

	(void)sigaction(SIGURG, &sa, NULL);
	p->thread = pthread_self();
	__atomic_store_n(&p->runs, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		if (poller_turn(p) == 0)
			rte_pause();
	}
	__atomic_store_n(&p->runs, false, __ATOMIC_RELEASE);
	return 0;
}

/* ---- for the control thread ---------------------------------------------- */

struct poller *
poller_create(const struct poller_config *c)
{
	struct poller *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->c = *c;
	p->tsc_ms = c->tsc_hz / 1000;
	p->next_ms = rte_rdtsc();
	p->next_second = p->next_ms;
	p->mail.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->mail.done_fd < 0) {
		free(p);
		return NULL;
	}
	(void)pthread_mutex_init(&p->mail_lock, NULL);
	return p;
}

void
poller_free(struct poller *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_destroy(&p->mail_lock);
	(void)close(p->mail.done_fd);
	free(p);
}

void
poller_stop(struct poller *p)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
}

void
poller_prepare(struct vm *vm)
{
	memset(vm->muted, 0, sizeof(vm->muted));
	vm->tokens = (int64_t)(counter_get(&vm->rate_limit) * BURST_MS);
	for (unsigned int i = 0; i < vm->nb_channels; i++) {
		struct channel *ch = &vm->ch[i];
		struct wish_slot *slot = &vm->file.slot[i];

		ch->vm = vm;
		ch->number = (uint16_t)i;
		ch->slot = slot;
		ch->wish = wish_unpack(slot->wish);
		ch->wish.epoch = vm->life.epoch;
		ch->rx = (struct frq_consumer){
			.ring = frq_region_ring(&vm->region, i),
			.line = frq_region_consumed(&vm->region, i),
			.next = ch->wish.next,
			.epoch = vm->life.epoch,
			.incarnation = (uint8_t)vm->life.incarnation,
			.total = (uint32_t)slot->requests,
		};
		/* The last daemon has told them. */
		ch->a.refusals_seen = slot->refusals;
		vm->cursor.byte[i] = (uint8_t)ch->rx.next;
		frq_consumer_publish(&ch->rx);
	}
}

void
poller_interrupt(struct poller *p)
{
	if (__atomic_load_n(&p->runs, __ATOMIC_ACQUIRE))
		(void)pthread_kill(p->thread, SIGURG);
}

static int
await_answer(struct poller *p)
{
	struct pollfd pfd = { .fd = p->mail.done_fd, .events = POLLIN, .revents = 0 };
	unsigned int waits = 0;
	uint64_t n;

	do {
		int ret = poll(&pfd, 1, ANSWER_MS);

		if (ret < 0 && errno != EINTR)
			return -errno;
		if (ret != 0)
			continue;
		poller_interrupt(p);
		/* Taken back unread: it never happens. Otherwise it is being read. */
		if (++waits >= ANSWER_WAITS && mail_moves(p, MAIL_POSTED, MAIL_NONE))
			return -ETIMEDOUT;
	} while ((pfd.revents & POLLIN) == 0);
	(void)!read(p->mail.done_fd, &n, sizeof(n));
	return p->mail.result;
}

static int
send_mail(struct poller *p, struct letter letter)
{
	int ret;

	(void)pthread_mutex_lock(&p->mail_lock);
	p->letter = letter;
	__atomic_store_n(&p->mail.state, MAIL_POSTED, __ATOMIC_RELEASE);
	ret = await_answer(p);
	(void)pthread_mutex_unlock(&p->mail_lock);
	return ret;
}

int
poller_add(struct poller *p, struct vm *vm)
{
	poller_prepare(vm);
	return send_mail(p, (struct letter){ .add = vm });
}

int
poller_remove(struct poller *p, struct vm *vm)
{
	return send_mail(p, (struct letter){ .remove = vm });
}

int
poller_add_feeder(struct poller *p, const struct poller_feeder *f)
{
	return send_mail(p, (struct letter){ .add_feeder = f });
}

int
poller_remove_feeder(struct poller *p, const struct poller_feeder *f)
{
	return send_mail(p, (struct letter){ .remove_feeder = f });
}

int
poller_extend_leases(struct poller *p, struct vm *vm, uint64_t ms)
{
	return send_mail(p, (struct letter){ .extend = vm, .extend_ms = ms });
}

int
poller_park(struct poller *p, bool parked)
{
	return send_mail(p, (struct letter){ .park = parked ? PARK : UNPARK });
}

void
poller_get_stats(const struct poller *p, struct poller_stats *st)
{
	*st = (struct poller_stats){
		.turns = counter_get(&p->turns),
		.requests = counter_get(&p->requests),
		.kicks = counter_get(&p->kicks),
		.heartbeats = counter_get(&p->heartbeats),
		.stuck = counter_get(&p->stuck),
		.vms = __atomic_load_n(&p->nb_vms, __ATOMIC_RELAXED),
		.channels = counter_get(&p->channels),
		.hot = counter_get(&p->hot_channels),
	};
}
