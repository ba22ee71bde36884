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

const char *
frq_life_problem(const struct frq_region *r, struct frq_life *life)
{
	const struct frq_header FRQ_SHARED *h = frq_region_header(r);
	/* Pairs with the store in publish_header, shm/region.c. */
	bool published = frq_load64(&h->magic) == FRQ_MAGIC;

	*life = frq_life_unpack(frq_load64(&h->life));
	if (!published || life->epoch == 0)
		return "the host is making the region anew";
	if (frq_load64(&h->version) != FRQ_ABI_VERSION)
		return "the host speaks another version of the region";
	if ((life->flags & FRQ_LIFE_QUARANTINED) != 0)
		return "the host has this VM in quarantine and does not listen to it: its "
			"operator can lift that";
	return NULL;
}

int
frq_life_usable(const struct freqring_channel *ch, struct frq_life *life)
{
	const char *problem = frq_life_problem(ch->region, life);

	return problem == NULL ? 0 : frq_fail(ch->fr, -ENOTCONN, problem);
}

static void
mute(struct freqring_channel *ch, int error, const char *why)
{
	ch->mute = why;
	ch->mute_error = error;
	/* So that no repeat is dropped and nothing is posted, but told. */
	frq_forget_asked(ch);
	ch->p.limit = ch->p.next;
	ch->withheld = 0;
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
	ch->withheld = 0;
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

int
frq_ring_heed(struct freqring_channel *ch, uint64_t *verdict)
{
	struct frq_consumed c;
	struct frq_life life;
	bool void_contents, lost;
	int ret;

	/* First, so that what changes from here on is seen next time. */
	*verdict = frq_load64(ch->verdict_word);
	ret = frq_life_usable(ch, &life);
	if (ret < 0)
		return ret;
	c = frq_consumed_unpack(frq_load64(&ch->p.consumed->consumed));
	if (c.epoch != life.epoch)
		return frq_fail(ch->fr, -ENOTCONN, "the host is making the region anew");
	if (frq_taken_over(ch))
		return frq_fail(ch->fr, ch->mute_error, ch->mute);

	frq_host_look(ch);
	frq_forget_asked(ch);
	void_contents = c.epoch != ch->p.epoch;
	lost = frq_verdict_unpack(*verdict).reason == FRQ_REASON_LOST;
	if (void_contents || lost) {
		settle_relative(ch, void_contents);
		frq_attach_post(ch, life);
		ch->restate_due = true;
	} else if (c.incarnation != ch->p.incarnation || life.incarnation != ch->incarnation) {
		ch->p.incarnation = c.incarnation;
		ch->p.limit = ch->p.next;
		ch->withheld = 0;
		ch->incarnation = life.incarnation;
		ch->restate_due = true;
	}
	/* Else refused: ask once more, for the host may think otherwise by now. */
	return 0;
}

int
frq_ring_full(struct freqring_channel *ch)
{
	struct frq_life life;
	int ret = frq_life_usable(ch, &life);

	if (ret < 0)
		return ret;
	if (frq_taken_over(ch))
		return frq_fail(ch->fr, ch->mute_error, ch->mute);
	ch->full++;
	return frq_fail(ch->fr, -EAGAIN,
		"the ring is full: the host has not consumed the requests in it");
}
