/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request.c - the request path
 *
 * Each call looks at the channel's verdict word, once. While that is as it
 * was, a repeat is dropped and everything else is posted. The look cannot be
 * left out of a post: it is the only thing that tells a program that asks
 * once an hour that the host started anew meanwhile. The word has a cache line
 * of its own, which stays here until the host has something to say.
 *
 * Where the mapping is uncached a load costs more than the post, so the word
 * is looked at once a millisecond. CLOCK_MONOTONIC_COARSE tells when: it
 * needs no TSC (which may be unusable in a VM) and no calibration, is read
 * in a few nanoseconds, and that it ticks at 1 to 4 ms does no harm.
 *
 * That a host which says nothing is still there is looked at each so many
 * calls (frq_look), and costs the others nothing: dropped repeats count down
 * where they would count up, and posts get no more credit than that.
 *
 * A channel that is not in shared memory has a verdict word of its own, and
 * never any credit: repeats are dropped all the same, the rest goes slowly.
 */
#include <errno.h>

#include "freqring_pvt.h"

#define LOOK_EVERY_NS UINT64_C(1000000)

static __attribute__((noinline, cold)) bool
verdict_same_uncached(struct freqring_channel *ch)
{
	uint64_t now = frq_coarse_ns();

	if (now < ch->next_look_ns)
		return true;
	if (frq_load64(ch->verdict_word) != ch->verdict)
		return false;	/* and look again at once if it cannot be mended */
	ch->next_look_ns = now + LOOK_EVERY_NS;
	return true;
}

static inline bool
verdict_same(struct freqring_channel *ch)
{
	if (frq_unlikely(ch->uncached))
		return verdict_same_uncached(ch);
	/* Pairs with the applier's store, host/state_line.c. */
	return frq_load64(ch->verdict_word) == ch->verdict;
}

/* The plain case of verdict_same. */
static inline bool
verdict_quiet(const struct freqring_channel *ch)
{
	return frq_load64(ch->quick_word) == ch->verdict;
}

/* The way to a post is free: @return 0, or why not */
static inline int
make_ready(struct freqring_channel *ch, bool same)
{
	if (frq_unlikely(ch->mute != NULL))
		return frq_fail(ch->fr, ch->mute_error, ch->mute);
	return frq_likely(same) ? 0 : frq_recover(ch);
}

/* ---- the two ways to post -------------------------------------------------
 *
 * With credit: no loads but of this channel, no calls. Without: the ring
 * looks full, or the channel may not ask at all.
 */

static inline bool
may_post_fast(const struct freqring_channel *ch)
{
	return frq_likely(ch->p.next != ch->p.limit);
}

static inline void
post_fast(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	(void)frq_producer_post(&ch->p, op, 0, arg);
	ch->posted++;
}

/* So that who posts seldom comes by here, and looks, each time. */
static void
withhold_credit(struct freqring_channel *ch)
{
	unsigned int credit = frq_producer_credit(&ch->p);

	if (credit < ch->quiet_left)
		return;
	ch->withheld = (uint16_t)(credit - (ch->quiet_left - 1));
	ch->p.limit = (uint16_t)(ch->p.limit - ch->withheld);
	ch->held_at = ch->p.limit;
}

static int
post_or_recover(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	int ret = ch->restate_due ? -ESTALE : ch->t->post(ch, op, arg);

	if (ret != -ESTALE)
		return ret;
	ret = frq_recover(ch);
	return ret < 0 ? ret : ch->t->post(ch, op, arg);
}

/* Who uses up a whole ring of credit each time comes often enough: it looks
 * each eighth time, and else only takes new credit.
 */
static inline bool
is_plain_refill(struct freqring_channel *ch)
{
	return ch->link != NULL && ch->withheld == 0 && !ch->restate_due &&
		ch->look_every >= FRQ_RING_SLOTS && ++ch->slow_posts % 8 != 0;
}

static __attribute__((noinline)) int
post_slowly(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	int ret;

	if (ch->mute != NULL)
		return frq_fail(ch->fr, ch->mute_error, ch->mute);
	if (is_plain_refill(ch)) {
		if (frq_producer_post(&ch->p, op, 0, arg) == 0) {
			ch->posted++;
			return 1;
		}
	} else {
		frq_look(ch);
	}
	ret = post_or_recover(ch, op, arg);
	if ((ret == -EAGAIN || ret == -ENOTCONN) && ch->mute == NULL && frq_fail_over(ch))
		ret = post_or_recover(ch, op, arg);
	if (ret == -ESTALE)
		return frq_fail(ch->fr, -ENOTCONN, "the host is starting anew");
	if (ret == -EAGAIN)
		return ch->t->full(ch);
	if (ret < 0)
		return ret;
	withhold_credit(ch);
	ch->posted++;
	return 1;
}

/* What is waited for as applied is whatever was posted before the pings. */
static inline void
forget_pings(struct freqring_channel *ch)
{
	if (frq_unlikely(ch->nb_pings != 0))
		ch->nb_pings = 0;
}

/* ---- what may be dropped as a repeat --------------------------------------
 *
 * Saying it twice is saying it once, so a new wish is posted first and the
 * verdict looked at afterwards, while the host is busy with it. Where that
 * finds a host that started anew, recovery states the same wish again. All
 * but the plain case ends in a tail call, so that nothing is saved first.
 */

/* Posted as `*asked`, but the host has something to say. */
static __attribute__((noinline)) int
heed_verdict(struct freqring_channel *ch, frq_ask_t *asked, frq_ask_t before)
{
	frq_ask_t a = *asked;
	int ret;

	if (verdict_same(ch))
		return 1;
	ret = frq_recover(ch);
	/* An error means that nothing was asked, now or later. */
	*asked = ret == 0 ? a : 0;
	if (ret == 0)
		return 1;
	*(asked == &ch->asked_wish ? &ch->wish : &ch->turbo) = before;
	return ret;
}

static __attribute__((noinline)) int
ask_slowly(struct freqring_channel *ch, frq_ask_t *asked, frq_ask_t a)
{
	frq_ask_t before = asked == &ch->asked_wish ? frq_wish(ch) : frq_turbo(ch);
	bool relative = ch->asked_wish == 0 && ch->relative;
	int ret = ch->restate_due ? make_ready(ch, false) : 0;

	if (ret < 0)
		return ret;
	if (*asked == a)
		return 1;	/* restated just now */
	ret = post_slowly(ch, frq_ask_op(a), frq_ask_arg(a));
	if (ret != 1)
		return ret;
	forget_pings(ch);
	*asked = a;
	ret = heed_verdict(ch, asked, before);
	if (ret < 0)
		ch->relative = relative;
	return ret;
}

/* A repeat, but the host said something since. */
static int
ask_afresh(struct freqring_channel *ch, frq_ask_t *asked, frq_ask_t a)
{
	int ret = make_ready(ch, false);

	if (ret < 0)
		return ret;
	/* Recovery may have stated just that. */
	return *asked == a ? 1 : ask_slowly(ch, asked, a);
}

/* A repeat that was dropped, and it is time for a look. */
static __attribute__((noinline)) int
look_at_repeat(struct freqring_channel *ch, frq_ask_t *asked, frq_ask_t a)
{
	frq_look(ch);
	if (*asked == a && verdict_same(ch))
		return 0;
	ch->dropped--;
	return ask_afresh(ch, asked, a);
}

/* Not the plain case of a repeat. */
static __attribute__((noinline)) int
ask_again(struct freqring_channel *ch, frq_ask_t *asked, frq_ask_t a)
{
	if (!verdict_same(ch))
		return ask_afresh(ch, asked, a);
	return --ch->quiet_left == 0 ? look_at_repeat(ch, asked, a) : 0;
}

static inline int
ask(struct freqring_channel *ch, frq_ask_t *asked, enum frq_op op, uint32_t arg)
{
	frq_ask_t a = frq_ask(op, arg), before = *asked;

	if (frq_likely(before == a)) {
		if (frq_unlikely(!verdict_quiet(ch)))
			return ask_again(ch, asked, a);
		if (frq_unlikely(--ch->quiet_left == 0))
			return look_at_repeat(ch, asked, a);
		return 0;
	}
	if (!may_post_fast(ch) || frq_unlikely(before == 0))
		return ask_slowly(ch, asked, a);
	post_fast(ch, op, arg);
	forget_pings(ch);
	*asked = a;
	return frq_likely(verdict_quiet(ch)) ? 1 : heed_verdict(ch, asked, before);
}

static inline int
wish(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	return ask(ch, &ch->asked_wish, op, arg);
}

FRQ_API int
freqring_min(struct freqring_channel *ch)
{
	return wish(ch, FRQ_OP_MIN, 0);
}

FRQ_API int
freqring_max(struct freqring_channel *ch)
{
	return wish(ch, FRQ_OP_MAX, 0);
}

FRQ_API int
freqring_set(struct freqring_channel *ch, uint32_t khz)
{
	if (khz == 0 || khz > FRQ_ARG_MAX)
		return frq_fail(ch->fr, -ERANGE, "a frequency is 1 to 16777215 kHz");
	return wish(ch, FRQ_OP_SET, khz);
}

FRQ_API int
freqring_release(struct freqring_channel *ch)
{
	return wish(ch, FRQ_OP_RELEASE, 0);
}

FRQ_API int
freqring_turbo(struct freqring_channel *ch, bool on)
{
	return ask(ch, &ch->asked_turbo, on ? FRQ_OP_TURBO_ON : FRQ_OP_TURBO_OFF, 0);
}

/* ---- what is always posted ------------------------------------------------
 *
 * A step that is said twice is two steps, so the look comes first.
 */

int
frq_post_after_look(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	int ret = make_ready(ch, verdict_same(ch));

	if (ret < 0)
		return ret;
	ret = post_slowly(ch, op, arg);
	if (ret == 1)
		forget_pings(ch);
	return ret;
}

/*
 * After a step only the host knows the wish. What it is, give or take the
 * steps under way, is in the state line, and is kept for the day when the
 * host forgets: stating that again is a step or two off, stating nothing
 * would leave a loaded core without an opinion. That load may miss the cache,
 * but nothing waits for it. A restart with the same epoch does not need it,
 * for then the host has kept the wish itself.
 */
static int
step(struct freqring_channel *ch, enum frq_op op)
{
	int ret = frq_post_after_look(ch, op, 0);

	if (ret != 1)
		return ret;
	frq_forget_asked(ch);
	if (!ch->relative)
		ch->seen_khz = 0;
	ch->relative = true;
	if (ch->region != NULL && !ch->uncached) {
		uint64_t khz = frq_load64(&frq_region_state(ch->region, ch->vcpu)->wish_khz);

		/* 0 is "no opinion" as well as a region that is being voided. */
		if (khz != 0 && khz <= FRQ_ARG_MAX)
			ch->seen_khz = (uint32_t)khz;
	}
	return 1;
}

FRQ_API int
freqring_up(struct freqring_channel *ch)
{
	return step(ch, FRQ_OP_UP);
}

FRQ_API int
freqring_down(struct freqring_channel *ch)
{
	return step(ch, FRQ_OP_DOWN);
}

FRQ_API int
freqring_lease(struct freqring_channel *ch, uint32_t seconds)
{
	if (seconds > FRQ_ARG_MAX)
		return frq_fail(ch->fr, -ERANGE, "a lease is at most 16777215 seconds");
	return frq_post_after_look(ch, FRQ_OP_LEASE, seconds);
}

static void
count_ping(struct freqring_channel *ch)
{
	/* One ping after the other, as a rule. */
	if (frq_unlikely(ch->nb_pings == 0))
		ch->before_pings = (uint16_t)(ch->p.next - 1);
	if (frq_likely(ch->nb_pings < INT16_MAX))
		ch->nb_pings++;
}

static __attribute__((noinline)) int
ping_slowly(struct freqring_channel *ch, uint32_t cookie)
{
	int ret = post_slowly(ch, FRQ_OP_PING, cookie);

	if (ret == 1)
		count_ping(ch);
	return ret;
}

/* Posted, but the host may have started anew before it saw that. */
static __attribute__((noinline)) int
ping_again(struct freqring_channel *ch, uint32_t cookie)
{
	uint64_t attach = ch->attach_word;
	int ret;

	if (verdict_same(ch))
		return 1;
	ret = frq_recover(ch);
	if (ret < 0)
		return ret;
	return ch->attach_word == attach ? 1 : ping_slowly(ch, cookie);
}

/* All but the plain case ends in a tail call, so that nothing is saved first. */
FRQ_API int
freqring_ping(struct freqring_channel *ch, uint32_t cookie)
{
	if (!may_post_fast(ch))
		return ping_slowly(ch, cookie);
	post_fast(ch, FRQ_OP_PING, cookie);
	count_ping(ch);
	return frq_likely(verdict_quiet(ch)) ? 1 : ping_again(ch, cookie);
}
