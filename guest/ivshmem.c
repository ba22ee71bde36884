/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ivshmem.c - shared memory as a transport
 *
 * What the rest of the library sees of it. The way to the device is in
 * device.c and link.c, the ring in shm/ring.h, what to do when the host says
 * something in recover.c.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "freqring_pvt.h"

#define HEARTBEAT_STILL_NS	UINT64_C(100000000)
#define HEARTBEAT_LOOK_NS	1000000L
#define ANSWERS_MS		150u

/* Between the header and the consumed lines a starting daemon needs no
 * longer than this.
 */
#define READY_TRIES	50u
#define READY_PAUSE_NS	2000000L

#define UNPLUGGED "the device was unplugged"

static uint64_t
heartbeat_of(const struct frq_link *link)
{
	return frq_load64(&frq_region_header(&link->region)->heartbeat);
}

/* ---- the handle ----------------------------------------------------------- */

static int
ivshmem_find(struct freqring *fr, struct frq_err *why)
{
	return frq_link_open(fr, why);
}

/* @return whether it moved since the last look */
static bool
look_at_heartbeat(struct freqring *fr, const struct frq_link *link)
{
	uint64_t beat = heartbeat_of(link);
	uint64_t now = frq_now_ns();
	bool moved;

	/* Of another device it says nothing. */
	fr->heartbeat_seen &= fr->heartbeat_link == link->number;
	fr->heartbeat_link = link->number;
	moved = fr->heartbeat_seen && beat != fr->heartbeat;
	if (moved)
		fr->alive = true;
	else if (fr->heartbeat_seen && now - fr->heartbeat_since_ns >= HEARTBEAT_STILL_NS)
		fr->alive = false;
	if (moved || !fr->heartbeat_seen) {
		fr->heartbeat = beat;
		fr->heartbeat_since_ns = now;
		fr->heartbeat_seen = true;
	}
	return moved;
}

static void
await_heartbeat(struct freqring *fr, const struct frq_link *link, unsigned int timeout_ms)
{
	const struct timespec pause = { .tv_nsec = HEARTBEAT_LOOK_NS };
	uint64_t end = frq_now_ns() + (uint64_t)timeout_ms * 1000000;

	while (!look_at_heartbeat(fr, link) && frq_now_ns() < end)
		(void)nanosleep(&pause, NULL);
}

static bool
ivshmem_answers(struct freqring *fr, struct frq_err *why)
{
	const char *problem;
	struct frq_life life;

	problem = frq_life_problem(&fr->link->region, &life);
	if (problem == NULL && (life.flags & FRQ_LIFE_STOPPED) == 0) {
		await_heartbeat(fr, fr->link, ANSWERS_MS);
		if (fr->alive)
			return true;
	}
	frq_err_set(why, "%s", problem != NULL ? problem : "the host's heartbeat is still");
	return false;
}

static int
ivshmem_check_vcpu(struct freqring *fr, unsigned int vcpu)
{
	struct frq_link *link = frq_link_get_plugged(fr, frq_coarse_ns());
	const struct frq_header FRQ_SHARED *h;
	bool published;
	uint64_t n;

	if (link == NULL)
		return frq_fail(fr, -ENOTCONN, UNPLUGGED);
	h = frq_region_header(&link->region);
	published = frq_load64(&h->magic) == FRQ_MAGIC;
	n = frq_load64(&h->nb_channels);
	frq_link_put(fr, link);
	/* While it is made anew, nobody knows how many there are. */
	if ((vcpu < n || !published) && vcpu < FRQ_MAX_CHANNELS)
		return 0;
	frq_err_set(&fr->err, "no vCPU %u: the host serves %u of this VM, from 0", vcpu,
		n < FRQ_MAX_CHANNELS ? (unsigned int)n : FRQ_MAX_CHANNELS);
	return frq_fail(fr, -EINVAL, fr->err.text);
}

void
frq_ring_info(const struct frq_region *r, struct freqring_info *info)
{
	const struct frq_header FRQ_SHARED *h = frq_region_header(r);
	struct frq_life life = frq_life_unpack(frq_load64(&h->life));
	uint64_t features = frq_load64(&h->features);

	info->version = FRQ_ABI_VERSION;
	info->nb_channels = (unsigned int)frq_load64(&h->nb_channels);
	if (info->nb_channels > FRQ_MAX_CHANNELS)
		info->nb_channels = FRQ_MAX_CHANNELS;
	info->epoch = life.epoch;
	info->incarnation = life.incarnation;
	info->host_stopped = (life.flags & FRQ_LIFE_STOPPED) != 0;
	info->quarantined = (life.flags & FRQ_LIFE_QUARANTINED) != 0;
	info->simulated = (features & FRQ_FEATURE_SIMULATED) != 0;
	info->turbo = (features & FRQ_FEATURE_TURBO) != 0;
	for (unsigned int i = 0; i < sizeof(info->uuid); i++)
		info->uuid[i] = frq_load8(&h->uuid[i]);
}

static void
fill_info(struct freqring_info *info, const struct frq_link *link)
{
	frq_ring_info(&link->region, info);
	memcpy(info->device, link->name, sizeof(info->device));
	info->mapping = link->mapping;
	info->load_ns_x10 = link->load_ns_x10;
	info->store_ns_x10 = link->store_ns_x10;
}

static int
ivshmem_info(struct freqring *fr, struct freqring_info *info, unsigned int timeout_ms)
{
	struct frq_link *link = frq_link_get_plugged(fr, frq_coarse_ns());
	int ret;

	if (link == NULL)
		return frq_fail(fr, -ENODEV, UNPLUGGED);
	ret = frq_region_check(&link->region, &fr->err);
	if (ret < 0) {
		(void)frq_fail(fr, ret, fr->err.text);
	} else {
		await_heartbeat(fr, link, timeout_ms);
		fill_info(info, link);
		info->host_alive = fr->alive && !info->host_stopped;
	}
	frq_link_put(fr, link);
	return ret;
}

/* ---- take a channel, and leave it ----------------------------------------- */

/* A daemon that starts publishes its header and then the consumed lines. */
static const char *
ready_problem(const struct frq_link *link, unsigned int vcpu, struct frq_life *life)
{
	const char *problem = frq_life_problem(&link->region, life);
	uint64_t w;

	if (problem != NULL)
		return problem;
	w = frq_load64(&frq_region_consumed(&link->region, vcpu)->consumed);
	return frq_consumed_unpack(w).epoch == life->epoch ? NULL :
		"the host has made the region but does not serve this vCPU's ring yet";
}

static int
await_ready(struct freqring *fr, const struct frq_link *link, unsigned int vcpu,
	struct frq_life *life)
{
	const struct timespec pause = { .tv_nsec = READY_PAUSE_NS };
	const char *problem = ready_problem(link, vcpu, life);

	for (unsigned int i = 0; problem != NULL && i < READY_TRIES; i++) {
		if (frq_life_problem(&link->region, life) != NULL)
			break;
		(void)nanosleep(&pause, NULL);
		problem = ready_problem(link, vcpu, life);
	}
	return problem == NULL ? 0 : frq_fail(fr, -ENOTCONN, problem);
}

/* A second look finds the heartbeat moved; nothing here waits for that. */
static bool
is_live(struct freqring_channel *ch, const struct frq_link *link, struct frq_life *life)
{
	uint64_t beat = heartbeat_of(link);
	bool moved = ch->next_link == link->number && beat != ch->next_beat;
	struct frq_err err;

	ch->next_link = link->number;
	ch->next_beat = beat;
	return moved && frq_region_check(&link->region, &err) == 0 &&
		ready_problem(link, ch->vcpu, life) == NULL &&
		(life->flags & FRQ_LIFE_STOPPED) == 0 &&
		ch->vcpu < frq_load64(&frq_region_header(&link->region)->nb_channels);
}

static void
use_link(struct freqring_channel *ch, struct frq_link *link)
{
	const struct frq_region *r = &link->region;

	ch->link = link;
	ch->region = r;
	ch->verdict_word = &frq_region_state(r, ch->vcpu)->verdict;
	ch->now_word = &frq_region_state(r, ch->vcpu)->now;
	ch->uncached = link->mapping == FREQRING_MAPPING_UNCACHED;
	ch->never = UINT64_MAX;
	ch->quick_word = ch->uncached ?
		(const uint64_t FRQ_SHARED *)(uintptr_t)&ch->never : ch->verdict_word;
	ch->p = (struct frq_producer){
		.ring = frq_region_ring(r, ch->vcpu),
		.doorbell = frq_region_doorbell(r, ch->vcpu),
		.consumed = frq_region_consumed(r, ch->vcpu),
	};
	ch->next_link = 0;
	ch->beat = heartbeat_of(link);
	ch->beat_ns = frq_coarse_ns();
	ch->still_ns = 0;
}

static void
let_go(struct freqring_channel *ch, struct frq_link *link)
{
	/* An observer has no claim; one that was taken over has it still. */
	if (ch->mute_error != -EPERM)
		frq_unclaim(link->region.fd, ch->vcpu);
	frq_link_put(ch->fr, link);
}

static int
refuse(struct freqring_channel *ch, bool live)
{
	if (live)
		return -EBUSY;
	frq_err_set(&ch->fr->err, "vCPU %u: a program of this VM speaks for it already", ch->vcpu);
	return frq_fail(ch->fr, -EBUSY, ch->fr->err.text);
}

static int
ivshmem_attach(struct freqring_channel *ch, bool live)
{
	struct frq_link *old = ch->link, *link;
	struct frq_life life;
	bool first;
	int ret = 0;

	link = frq_link_get_plugged(ch->fr, frq_coarse_ns());
	if (link == NULL)
		return live ? -ENOTCONN : frq_fail(ch->fr, -ENOTCONN, UNPLUGGED);
	first = ch->next_link != link->number;
	if (link == old)
		ret = -ENOTCONN;
	else if (live && !is_live(ch, link, &life))
		ret = first ? -EAGAIN : -ENOTCONN;
	else if (frq_claim(link->region.fd, ch->vcpu) < 0)
		ret = refuse(ch, live);
	if (ret < 0) {
		frq_link_put(ch->fr, link);
		return ret;
	}
	if (!live)
		ret = await_ready(ch->fr, link, ch->vcpu, &life);
	if (ret < 0) {
		let_go(ch, link);
		return ret;
	}
	if (old != NULL)
		let_go(ch, old);
	use_link(ch, link);
	ch->verdict = frq_load64(ch->verdict_word);
	frq_attach_post(ch, life);
	return 0;
}

static int
ivshmem_observe(struct freqring_channel *ch)
{
	struct frq_link *link = frq_link_get_plugged(ch->fr, frq_coarse_ns());

	if (link == NULL)
		return frq_fail(ch->fr, -ENOTCONN, UNPLUGGED);
	use_link(ch, link);
	return 0;
}

/* What another transport is told later must not be undone by a host that
 * comes back and finds this. Only where it is still a region as we know them:
 * the device may be gone, and another one in its place.
 */
static void
withdraw_posts(struct freqring_channel *ch)
{
	const struct frq_header FRQ_SHARED *h = frq_region_header(&ch->link->region);

	if (frq_load64(&h->magic) != FRQ_MAGIC || frq_load64(&h->version) != FRQ_ABI_VERSION ||
	    !frq_link_plugged(ch->link))
		return;
	for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++)
		frq_store64(&frq_region_ring(&ch->link->region, ch->vcpu)->slot[i], 0);
}

static void
ivshmem_leave(struct freqring_channel *ch, bool withdraw)
{
	if (withdraw)
		withdraw_posts(ch);
	let_go(ch, ch->link);
	ch->link = NULL;
	ch->next_link = 0;
}

/* ---- the channel ---------------------------------------------------------- */

static int
ivshmem_post(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	/* A refill counts anew, so nothing may be kept back then. */
	if (ch->withheld != 0 && ch->p.limit == ch->held_at)
		ch->p.limit = (uint16_t)(ch->p.limit + ch->withheld);
	ch->withheld = 0;
	return frq_producer_post(&ch->p, op, 0, arg);
}

frq_ask_t
frq_ring_carry(frq_ask_t a)
{
	return a;
}

/* For how long it was seen to stand still. A gap counts for no more than half
 * the limit, so one look alone decides nothing: the machine may have slept,
 * and both sides with it.
 */
bool
frq_stands_still(struct freqring_channel *ch, uint64_t beat, uint64_t now)
{
	uint64_t gap = now - ch->beat_ns;

	if (beat != ch->beat) {
		ch->beat = beat;
		ch->still_ns = 0;
	} else {
		ch->still_ns += gap < ch->fr->stale_ns / 2 ? gap : ch->fr->stale_ns / 2;
	}
	ch->beat_ns = now;
	return ch->still_ns >= ch->fr->stale_ns;
}

static const char *
ivshmem_look(struct freqring_channel *ch, uint64_t now)
{
	const struct frq_header FRQ_SHARED *h = frq_region_header(&ch->link->region);
	struct frq_life life = frq_life_unpack(frq_load64(&h->life));
	bool still = frq_stands_still(ch, heartbeat_of(ch->link), now);

	if (frq_load64(&h->magic) != FRQ_MAGIC)
		return !frq_link_plugged(ch->link) ? UNPLUGGED :
			still ? "the host took the region away" : NULL;
	if (frq_load64(&h->version) != FRQ_ABI_VERSION)
		return "the host speaks another version of the region";
	if ((life.flags & FRQ_LIFE_QUARANTINED) != 0)
		return "the host has this VM in quarantine";
	if ((life.flags & FRQ_LIFE_STOPPED) != 0)
		return "the host's daemon ended";
	return still ? "the host's heartbeat is still" : NULL;
}

int
frq_ring_freqs(const struct freqring_channel *ch, struct freq_table *t)
{
	return frq_table_read(frq_region_table(ch->region, ch->vcpu), t);
}

int
frq_ring_query_khz(struct freqring_channel *ch, uint32_t *khz)
{
	struct frq_life life;
	int ret = frq_life_usable(ch, &life);

	if (ret == 0)
		*khz = freqring_get_khz(ch);
	return ret;
}

int
frq_ring_query_caps(struct freqring_channel *ch, struct freqring_caps *caps)
{
	struct freqring_status st = { .wish = NULL };
	int ret = frq_ring_status(ch, &st);

	if (ret == 0)
		*caps = (struct freqring_caps){ .turbo = st.turbo_available };
	return ret;
}

const struct frq_transport frq_ivshmem = {
	.id = FREQRING_TRANSPORT_IVSHMEM,
	.name = "ivshmem",
	.find = ivshmem_find,
	.answers = ivshmem_answers,
	.check_vcpu = ivshmem_check_vcpu,
	.attach = ivshmem_attach,
	.observe = ivshmem_observe,
	.leave = ivshmem_leave,
	.post = ivshmem_post,
	.full = frq_ring_full,
	.carry = frq_ring_carry,
	.heed = frq_ring_heed,
	.look = ivshmem_look,
	.wait = frq_ring_wait,
	.status = frq_ring_status,
	.freqs = frq_ring_freqs,
	.query_khz = frq_ring_query_khz,
	.query_caps = frq_ring_query_caps,
	.info = ivshmem_info,
};
