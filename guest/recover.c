/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recover.c - the host said something: find out what, and go on
 *
 * Three words tell. The header's life is the daemon's, the consumed word the
 * poller's, the verdict the applier's; a starting daemon writes them in this
 * order. The consumed word is what the producer goes by: while that lags
 * behind the header the region is not ready.
 */
#include <errno.h>

#include "freqring_pvt.h"

int
frq_life_usable(struct freqring *fr, struct frq_life *life)
{
	const struct frq_header FRQ_SHARED *h = frq_region_header(&fr->region);
	/* Pairs with the store in publish_header, shm/region.c. */
	bool published = frq_load64(&h->magic) == FRQ_MAGIC;

	*life = frq_life_unpack(frq_load64(&h->life));
	if (!published || life->epoch == 0)
		return frq_fail(fr, -ENOTCONN, "the host is making the region anew");
	if ((life->flags & FRQ_LIFE_QUARANTINED) != 0)
		return frq_fail(fr, -ENOTCONN, "the host has this VM in quarantine and does not "
			"listen to it: its operator can lift that");
	return 0;
}

static void
mute(struct freqring_channel *ch, int error, const char *why)
{
	ch->mute = why;
	ch->mute_error = error;
	/* So that no repeat is dropped and nothing is posted, but told. */
	frq_forget_asked(ch);
	ch->p.limit = ch->p.next;
}

bool
frq_taken_over(struct freqring_channel *ch)
{
	uint64_t w = frq_load64(&ch->p.consumed->owner);
	struct frq_request owner = frq_request_unpack(w);

	/* What stood there before says only that our attach is still under way. */
	if (w == ch->owner_before || w == ch->attach_word)
		return false;
	if (owner.op != FRQ_OP_ATTACH || owner.epoch != ch->p.epoch || owner.arg == ch->nonce)
		return false;
	mute(ch, -ENOTCONN, "another program of this VM took this vCPU's channel over");
	return true;
}

void
frq_attach_post(struct freqring_channel *ch, struct frq_life life)
{
	uint8_t flags = ch->uncached ? FRQ_ATTACH_UNCACHED : 0;

	ch->owner_before = frq_load64(&ch->p.consumed->owner);
	ch->incarnation = life.incarnation;
	frq_producer_attach(&ch->p, life, flags, ch->nonce);
	ch->attach_word = frq_request_pack((struct frq_request){
		.seq = (uint16_t)(ch->p.next - 1),
		.epoch = ch->p.epoch,
		.op = FRQ_OP_ATTACH,
		.flags = flags,
		.arg = ch->nonce,
	});
	ch->nb_pings = 0;
}

static int
post_restated(struct freqring_channel *ch, frq_ask_t a)
{
	int ret = frq_producer_post(&ch->p, frq_ask_op(a), 0, frq_ask_arg(a));

	if (ret != 0)
		return ret;
	ch->restated++;
	ch->nb_pings = 0;
	return 0;
}

/* After steps up and down the wish in force is the host's to know. It has
 * kept it, unless the epoch is new; then what was last seen of it has to do,
 * and where nothing was seen, nothing is said.
 */
static void
settle_relative(struct freqring_channel *ch, bool void_contents)
{
	if (!ch->relative || !void_contents)
		return;
	ch->wish = ch->seen_khz != 0 ? frq_ask(FRQ_OP_SET, ch->seen_khz) : 0;
	ch->relative = false;
}

/* A lease is not stated again: who wants one says so within its time. */
static int
restate(struct freqring_channel *ch)
{
	int ret;

	if (ch->turbo != 0) {
		ret = post_restated(ch, ch->turbo);
		if (ret != 0)
			return ret;
		ch->asked_turbo = ch->turbo;
	}
	if (ch->wish == 0 || ch->relative)
		return 0;
	ret = post_restated(ch, ch->wish);
	if (ret == 0)
		ch->asked_wish = ch->wish;
	return ret;
}

int
frq_recover(struct freqring_channel *ch)
{
	/* First, so that what changes from here on is seen next time. */
	uint64_t verdict = frq_load64(ch->verdict_word);
	struct frq_consumed c;
	struct frq_life life;
	bool void_contents, lost;
	int ret;

	ret = frq_life_usable(ch->fr, &life);
	if (ret < 0)
		return ret;
	c = frq_consumed_unpack(frq_load64(&ch->p.consumed->consumed));
	if (c.epoch != life.epoch)
		return frq_fail(ch->fr, -ENOTCONN, "the host is making the region anew");
	if (frq_taken_over(ch))
		return frq_fail(ch->fr, ch->mute_error, ch->mute);

	frq_forget_asked(ch);
	void_contents = c.epoch != ch->p.epoch;
	lost = frq_verdict_unpack(verdict).reason == FRQ_REASON_LOST;
	if (void_contents || lost) {
		settle_relative(ch, void_contents);
		frq_attach_post(ch, life);
	} else if (c.incarnation != ch->p.incarnation || life.incarnation != ch->incarnation) {
		ch->p.incarnation = c.incarnation;
		ch->p.limit = ch->p.next;
		ch->incarnation = life.incarnation;
	} else {
		/* Refused: ask once more, for the host may think otherwise by now. */
		ch->verdict = verdict;
		return 0;
	}
	ret = restate(ch);
	if (ret == -ESTALE)
		return frq_fail(ch->fr, -ENOTCONN, "the host is starting anew");
	if (ret == -EAGAIN)
		return frq_full(ch);
	ch->verdict = verdict;
	return 0;
}

int
frq_full(struct freqring_channel *ch)
{
	struct frq_life life;
	int ret = frq_life_usable(ch->fr, &life);

	if (ret < 0)
		return ret;
	if (frq_taken_over(ch))
		return frq_fail(ch->fr, ch->mute_error, ch->mute);
	ch->full++;
	return frq_fail(ch->fr, -EAGAIN,
		"the ring is full: the host has not consumed the requests in it");
}
