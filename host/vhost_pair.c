/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_pair.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#define FRAMES_MAX	32u	/* of a pair and turn */
#define SERVES_MAX	2u	/* what was before an attach, then the attach and what follows */
#define CLOCK_TURNS	16u	/* between two looks at the time */
#define COLD_PAIRS	4u	/* looked at in a turn beside the one that asked last */
#define HEARTBEAT_US	10000u	/* between two answers to who listens */
#define CALL_US		1000u	/* between two interrupts for frames that were taken */
/* Between two answers to a guest that wants an interrupt for each. */
#define INTERRUPT_US	50u

static const char *const cause_name[VHOST_CAUSE_COUNT] = {
	[VHOST_GOOD] = "good",
	[VHOST_CHAINED] = "chained",
	[VHOST_INDIRECT] = "indirect",
	[VHOST_LENGTH] = "length",
	[VHOST_ETHERTYPE] = "ethertype",
	[VHOST_VERSION] = "version",
	[VHOST_KIND] = "kind",
	[VHOST_MISROUTED] = "misrouted",
};

const char *
vhost_cause_name(enum vhost_cause cause)
{
	return cause_name[cause];
}

/* ---- virtqueues ---------------------------------------------------------- */

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
};

/* One buffer. */
struct buffer {
	uint16_t head;
	struct descriptor d;
};

uint8_t *
guest_memory_at(const struct guest_memory *m, uint64_t guest, uint64_t len)
{
	for (unsigned int i = 0; i < m->nb; i++) {
		const struct guest_region *r = &m->region[i];

		if (guest >= r->guest && guest - r->guest < r->size &&
		    len <= r->size - (guest - r->guest))
			return r->host + (guest - r->guest);
	}
	return NULL;
}

static bool
is_aligned(const void *p, uintptr_t to)
{
	return p != NULL && (uintptr_t)p % to == 0;
}

/* By addresses of ours. */
static bool
is_mapped(const struct guest_memory *m, const void *at, uint64_t len)
{
	for (unsigned int i = 0; i < m->nb; i++) {
		const struct guest_region *r = &m->region[i];
		uintptr_t begin = (uintptr_t)r->host, p = (uintptr_t)at;

		if (p >= begin && p - begin < r->size && len <= r->size - (p - begin))
			return true;
	}
	return false;
}

bool
vhost_ring_init(struct vhost_ring *r, const struct guest_memory *m,
	const struct vhost_ring *as, uint16_t avail_base, uint16_t used_base)
{
	uint64_t size = as->size;

	*r = *as;
	r->next = avail_base;
	r->used_next = used_base;
	/* As virtio demands of a split ring. */
	r->ready = r->size != 0 && (r->size & (r->size - 1)) == 0 && is_aligned(r->desc, 16) &&
		is_aligned(r->avail, 2) && is_aligned(r->used, 4) &&
		is_mapped(m, r->desc, size * sizeof(r->desc[0])) &&
		is_mapped(m, r->avail, sizeof(*r->avail) + size * sizeof(r->avail->ring[0])) &&
		is_mapped(m, r->used, sizeof(*r->used) + size * sizeof(r->used->ring[0]));
	return r->ready;
}

/* @return 1: there is one; 0: none; -EPROTO: the guest broke the ring */
static int
next_buffer(const struct vhost_ring *r, struct buffer *b)
{
	/* Pairs with the guest's barrier before it moves the index. */
	uint16_t waiting = (uint16_t)(__atomic_load_n(&r->avail->idx, __ATOMIC_ACQUIRE) - r->next);
	const struct vring_desc *d;

	if (waiting == 0)
		return 0;
	if (waiting > r->size)
		return -EPROTO;
	b->head = __atomic_load_n(&r->avail->ring[r->next & (r->size - 1)], __ATOMIC_RELAXED);
	if (b->head >= r->size)
		return -EPROTO;
	d = &r->desc[b->head];
	b->d.addr = __atomic_load_n(&d->addr, __ATOMIC_RELAXED);
	b->d.len = __atomic_load_n(&d->len, __ATOMIC_RELAXED);
	b->d.flags = __atomic_load_n(&d->flags, __ATOMIC_RELAXED);
	return 1;
}

static void
hand_back(struct vhost_ring *r, uint16_t head, uint32_t len)
{
	struct vring_used_elem *u = &r->used->ring[r->used_next & (r->size - 1)];

	__atomic_store_n(&u->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&u->len, len, __ATOMIC_RELAXED);
	r->used_next++;
}

/* Pairs with the guest's load of the index. */
static void
publish_used(struct vhost_ring *r)
{
	__atomic_store_n(&r->used->idx, r->used_next, __ATOMIC_RELEASE);
	r->call_due = true;
}

static bool
wants_call(const struct vhost_ring *r)
{
	return (__atomic_load_n(&r->avail->flags, __ATOMIC_RELAXED) &
		VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

/* librte_vhost's thread may say so, too. */
static bool
is_given_up(const struct vhost_device *d)
{
	return __atomic_load_n(&d->fault, __ATOMIC_RELAXED) != NULL;
}

void
vhost_device_give_up(struct vhost_device *d, const char *why)
{
	const uint64_t one = 1;

	__atomic_store_n(&d->fault, why, __ATOMIC_RELEASE);
	if (d->notify_fd >= 0)
		(void)!write(d->notify_fd, &one, sizeof(one));
}

/*
 * It must not block, and does not as long as QEMU leaves the flag alone, which it
 * shares. If it does we are interrupted (vhost_tick), and the guest has had its day.
 */
static void
call(struct vhost_device *d, struct vhost_ring *r)
{
	const uint64_t one = 1;
	ssize_t n;

	r->call_due = false;
	/* The guest asks for interrupts and then looks at the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->call_fd < 0 || is_given_up(d) || !wants_call(r))
		return;
	__atomic_store_n(&d->calling, counter_get(&d->stats.calls) + 1, __ATOMIC_RELAXED);
	n = write(r->call_fd, &one, sizeof(one));
	__atomic_store_n(&d->calling, 0, __ATOMIC_RELAXED);
	if (n < 0 && errno == EINTR)
		vhost_device_give_up(d, "QEMU had its eventfd block");
	counter_add(&d->stats.calls, 1);
}

/* ---- requests ------------------------------------------------------------ */

#define SENT_SIZE (FRQ_VHOST_NET_HEADER + sizeof(struct frq_vhost_request))

static enum vhost_cause
judge_buffer(const struct descriptor *d)
{
	if ((d->flags & VRING_DESC_F_INDIRECT) != 0)
		return VHOST_INDIRECT;
	if ((d->flags & VRING_DESC_F_NEXT) != 0)
		return VHOST_CHAINED;
	return d->len == SENT_SIZE ? VHOST_GOOD : VHOST_LENGTH;
}

static enum vhost_cause
judge_frame(const struct frq_vhost_request *f, unsigned int channel)
{
	if (f->head.ethertype[0] != FRQ_VHOST_ETHERTYPE >> 8 ||
	    f->head.ethertype[1] != (FRQ_VHOST_ETHERTYPE & 0xff))
		return VHOST_ETHERTYPE;
	if (f->head.version != FRQ_VHOST_VERSION)
		return VHOST_VERSION;
	if (f->head.kind != FRQ_VHOST_REQUEST && f->head.kind != FRQ_VHOST_HELLO)
		return VHOST_KIND;
	return f->channel == channel ? VHOST_GOOD : VHOST_MISROUTED;
}

/* As the guest itself does in a region that it maps. */
static void
put_into_ring(const struct channel *ch, uint64_t word)
{
	uint16_t seq = frq_request_unpack(word).seq;

	frq_store64(&ch->rx.ring->slot[seq % FRQ_RING_SLOTS], word);
	frq_store8(frq_region_doorbell(&ch->vm->region, ch->number), (uint8_t)(seq + 1));
}

static void
take_hello(struct vhost_device *d, struct vhost_pair *pair, const struct frq_vhost_request *f)
{
	memcpy(pair->mac, f->head.from, sizeof(pair->mac));
	pair->hello = f->word;
	pair->listens = pair->hello_due = pair->table_due = true;
	counter_add(&d->stats.hellos, 1);
}

/* @return -EPROTO: the guest broke the ring */
static int
take_buffer(struct vhost_device *d, struct vhost_pair *pair, const struct descriptor *desc,
	bool *request)
{
	enum vhost_cause cause = judge_buffer(desc);
	struct frq_vhost_request f;
	const uint8_t *at;

	*request = false;
	if (cause == VHOST_GOOD) {
		at = guest_memory_at(&d->memory, desc->addr, SENT_SIZE);
		if (at == NULL || (desc->flags & VRING_DESC_F_WRITE) != 0)
			return -EPROTO;
		memcpy(&f, at + FRQ_VHOST_NET_HEADER, sizeof(f));
		cause = judge_frame(&f, pair->ch->number);
	}
	counter_add(&d->stats.causes[cause], 1);
	if (cause != VHOST_GOOD)
		return 0;
	counter_add(&d->stats.frames, 1);
	*request = f.head.kind == FRQ_VHOST_REQUEST;
	if (*request)
		put_into_ring(pair->ch, f.word);
	else
		take_hello(d, pair, &f);
	return 0;
}

static unsigned int
take_frames(struct poller *p, struct vhost_device *d, struct vhost_pair *pair)
{
	unsigned int n = 0, requests = 0, served = 0;
	struct buffer b;
	bool request;
	int ret = 0;

	for (; n < FRAMES_MAX; n++) {
		ret = next_buffer(&pair->tx, &b);
		if (ret != 1)
			break;
		/* Until then it waits where it is. */
		if (n == 0 && !poller_may_serve(pair->ch))
			return 0;
		ret = take_buffer(d, pair, &b.d, &request);
		if (ret < 0)
			break;
		pair->tx.next++;
		requests += request;
		hand_back(&pair->tx, b.head, 0);
	}
	if (ret < 0)
		vhost_device_give_up(d, "the guest broke a transmit queue");
	if (n == 0)
		return 0;
	/* Taken and remembered before the guest has the buffers back. */
	for (unsigned int i = 0; requests != 0 && i < SERVES_MAX; i++)
		served += poller_serve(p, pair->ch);
	publish_used(&pair->tx);
	return served;
}

/* ---- answers ------------------------------------------------------------- */

static void
fill_head(struct frq_vhost_head *h, const struct vhost_pair *pair, uint8_t kind)
{
	static const uint8_t host[6] = FRQ_VHOST_MAC_PREFIX;

	memcpy(h->to, pair->mac, sizeof(h->to));
	memcpy(h->from, host, sizeof(h->from));
	h->ethertype[0] = FRQ_VHOST_ETHERTYPE >> 8;
	h->ethertype[1] = FRQ_VHOST_ETHERTYPE & 0xff;
	h->version = FRQ_VHOST_VERSION;
	h->kind = kind;
}

/* @return 1: sent; 0: the guest has no buffer for it; -EPROTO: it broke the ring */
static int
send_frame(struct vhost_device *d, struct vhost_pair *pair, const void *frame, uint32_t len)
{
	struct buffer b;
	uint8_t *at;
	int ret;

	if (!pair->rx.ready)
		return 0;
	ret = next_buffer(&pair->rx, &b);
	if (ret != 1)
		return ret;
	if ((b.d.flags & VRING_DESC_F_WRITE) == 0)
		return -EPROTO;
	/* A buffer of another kind than we were promised is given back empty. */
	if ((b.d.flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) != 0 ||
	    b.d.len < FRQ_VHOST_NET_HEADER + len) {
		counter_add(&d->stats.causes[(b.d.flags & VRING_DESC_F_INDIRECT) != 0 ?
			VHOST_INDIRECT : (b.d.flags & VRING_DESC_F_NEXT) != 0 ?
			VHOST_CHAINED : VHOST_LENGTH], 1);
		len = 0;
	}
	at = guest_memory_at(&d->memory, b.d.addr, FRQ_VHOST_NET_HEADER + len);
	if (at == NULL)
		return -EPROTO;
	if (len != 0) {
		memset(at, 0, FRQ_VHOST_NET_HEADER);
		at[10] = 1;	/* num_buffers */
		memcpy(at + FRQ_VHOST_NET_HEADER, frame, len);
	}
	pair->rx.next++;
	hand_back(&pair->rx, b.head, len != 0 ? FRQ_VHOST_NET_HEADER + len : 0);
	publish_used(&pair->rx);
	call(d, &pair->rx);
	return len != 0;
}

static int
send_state(struct vhost_device *d, struct vhost_pair *pair)
{
	const struct frq_region *r = &d->vm->region;
	const struct frq_header FRQ_SHARED *h = frq_region_header(r);
	const struct frq_consumed_line FRQ_SHARED *c = frq_region_consumed(r, pair->ch->number);
	const struct frq_state_line FRQ_SHARED *s = frq_region_state(r, pair->ch->number);
	struct frq_vhost_state f = {
		.channel = pair->ch->number,
		.nb_channels = (uint16_t)d->vm->nb_channels,
		.life = frq_load64(&h->life),
		.heartbeat = frq_load64(&h->heartbeat),
		.features = frq_load64(&h->features),
		.hello = pair->hello,
		.consumed = frq_load64(&c->consumed),
		.ping = frq_load64(&c->ping),
		.owner = frq_load64(&c->owner),
		/* First: what the others say is no older. */
		.applied = frq_load64(&s->applied),
		.now = frq_load64(&s->now),
		.wish_khz = frq_load64(&s->wish_khz),
		.lease_left_ms = frq_load64(&s->lease_left_ms),
		.verdict = frq_load64(&s->verdict),
		.refusals = frq_load64(&s->refusals),
	};

	fill_head(&f.head, pair, FRQ_VHOST_STATE);
	memcpy(f.uuid, d->vm->uuid, sizeof(f.uuid));
	for (unsigned int i = 0; i < FRQ_REFUSAL_LOG; i++)
		f.refusal[i] = frq_load64(&s->refusal[i]);
	memcpy(pair->said, (const uint64_t[]){ f.life, f.consumed, f.ping, f.applied, f.now,
		f.verdict }, sizeof(pair->said));
	return send_frame(d, pair, &f, sizeof(f));
}

static int
send_table(struct vhost_device *d, struct vhost_pair *pair, uint64_t version)
{
	struct freq_table t;
	struct frq_vhost_table f = { .channel = pair->ch->number, .version = version };

	if (frq_table_read(frq_region_table(&d->vm->region, pair->ch->number), &t) < 0)
		return 0;
	fill_head(&f.head, pair, FRQ_VHOST_TABLE);
	f.nb_freqs = t.nb;
	f.turbo = t.turbo;
	memcpy(f.khz, t.khz, t.nb * sizeof(f.khz[0]));
	return send_frame(d, pair, &f, sizeof(f));
}

static bool
has_news(const struct vhost_device *d, const struct vhost_pair *pair)
{
	const struct frq_region *r = &d->vm->region;
	const struct frq_consumed_line FRQ_SHARED *c = frq_region_consumed(r, pair->ch->number);
	const struct frq_state_line FRQ_SHARED *s = frq_region_state(r, pair->ch->number);

	return pair->said[1] != frq_load64(&c->consumed) ||
		pair->said[3] != frq_load64(&s->applied) ||
		pair->said[4] != frq_load64(&s->now) ||
		pair->said[5] != frq_load64(&s->verdict) ||
		pair->said[0] != frq_load64(&frq_region_header(r)->life);
}

static void
note_sent(struct vhost_device *d, struct vhost_pair *pair, int ret)
{
	if (ret < 0) {
		vhost_device_give_up(d, "the guest broke a receive queue");
	} else if (ret > 0) {
		counter_add(&d->stats.answers, 1);
		pair->drop_told = false;
	} else if (!pair->drop_told) {
		/* The newest words go out once there is a buffer. */
		counter_add(&d->stats.answers_dropped, 1);
		pair->drop_told = true;
	}
}

/* The words go out once for all that changed; a table only when there is a new one. */
static void
answer(struct vhost_device *d, struct vhost_pair *pair)
{
	bool due = pair->hello_due || d->now - pair->said_tsc >= HEARTBEAT_US * d->tsc_us;
	uint64_t said[6], version;
	int ret;

	if (!due && !has_news(d, pair))
		return;
	d->now = rte_rdtsc();
	if (!due && d->now - pair->said_tsc < INTERRUPT_US * d->tsc_us && wants_call(&pair->rx))
		return;
	memcpy(said, pair->said, sizeof(said));
	ret = send_state(d, pair);
	note_sent(d, pair, ret);
	if (ret <= 0) {
		memcpy(pair->said, said, sizeof(said));
		return;
	}
	pair->said_tsc = d->now;
	pair->hello_due = false;
	version = frq_load64(&frq_region_table(&d->vm->region, pair->ch->number)->version);
	if (!pair->table_due && version == pair->table_version)
		return;
	ret = send_table(d, pair, version);
	note_sent(d, pair, ret);
	if (ret > 0) {
		pair->table_due = false;
		pair->table_version = version;
	}
}

/* ---- a turn -------------------------------------------------------------- */

static unsigned int
poll_pair(struct poller *p, struct vhost_device *d, unsigned int i)
{
	struct vhost_pair *pair = &d->pair[i];
	unsigned int n;

	if (!pair->tx.ready)
		return 0;
	n = take_frames(p, d, pair);
	if (n != 0)
		d->hot_pair = i;
	if (pair->listens && pair->rx.ready)
		answer(d, pair);
	return n;
}

/* That its buffers were taken, a guest that counts its requests need not know soon. */
static void
call_for_taken(struct vhost_device *d)
{
	if (d->now < d->next_call_tsc)
		return;
	d->next_call_tsc = d->now + CALL_US * d->tsc_us;
	for (unsigned int i = 0; i < d->nb_pairs; i++)
		if (d->pair[i].tx.ready && d->pair[i].tx.call_due)
			call(d, &d->pair[i].tx);
}

unsigned int
vhost_device_poll(struct poller *p, void *arg)
{
	struct vhost_device *d = arg;
	unsigned int n;

	if (is_given_up(d) || d->nb_pairs == 0)
		return 0;
	/* It costs as much as all the rest of a turn in which nobody asks. */
	if (d->nb_turns++ % CLOCK_TURNS == 0)
		d->now = rte_rdtsc();
	n = poll_pair(p, d, d->hot_pair);
	for (unsigned int i = 0; i < COLD_PAIRS && i + 1 < d->nb_pairs; i++) {
		d->next_pair = d->next_pair + 1 < d->nb_pairs ? d->next_pair + 1 : 0;
		if (d->next_pair != d->hot_pair)
			n += poll_pair(p, d, d->next_pair);
	}
	call_for_taken(d);
	/* Zeroes were mapped over it, so nothing of what was done reached anybody else. */
	if (__atomic_load_n(&d->broken, __ATOMIC_ACQUIRE))
		vhost_device_give_up(d, "the memory of the VM was cut short");
	return n;
}

void
vhost_device_init(struct vhost_device *d, struct vm *vm, uint64_t tsc_hz, int notify_fd)
{
	memset(d, 0, sizeof(*d));
	d->feeder = (struct poller_feeder){ .poll = vhost_device_poll, .arg = d };
	d->vm = vm;
	d->tsc_us = tsc_hz / 1000000;
	d->notify_fd = notify_fd;
	d->nb_pairs = vm->nb_channels < FRQ_VHOST_MAX_PAIRS ? vm->nb_channels : FRQ_VHOST_MAX_PAIRS;
	for (unsigned int i = 0; i < FRQ_VHOST_MAX_PAIRS; i++) {
		d->pair[i].tx.call_fd = d->pair[i].rx.call_fd = -1;
		if (i < d->nb_pairs)
			d->pair[i].ch = &vm->ch[i];
	}
}
