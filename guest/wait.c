/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait.c - wait for the host
 *
 * The answer comes within a microsecond or not soon. So the first looks are
 * nothing but a load and a compare each: a pause would cost 140 cycles on
 * recent processors, and much more under TCG, which leaves the translated
 * code for it. Then it pauses, and after about 20 us it yields. That is for
 * shared memory; other transports have waits of their own.
 */
#include <errno.h>
#include <sched.h>

#include "freqring_pvt.h"

#define EAGER_LOOKS	2048u
#define LOOKS_PER_CHECK	256u
#define SPIN_NS		UINT64_C(20000)

static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/*
 * The consumed word and the applied word begin alike: sequence, then epoch.
 * Reached is `target` itself and what was posted after it; the window is kept
 * below half the sequence space, so an answer far behind is not taken for
 * one ahead.
 */
static inline bool
reached(uint64_t word, uint8_t epoch, uint16_t target, uint16_t window)
{
	return (uint8_t)(word >> 16) == epoch && (uint16_t)((uint16_t)word - target) <= window;
}

bool
frq_is_applied(const struct freqring_channel *ch)
{
	return reached(frq_load64(&frq_region_state(ch->region, ch->vcpu)->applied),
		ch->p.epoch, frq_applied_target(ch), (uint16_t)ch->nb_pings);
}

int
frq_ring_check(struct freqring_channel *ch)
{
	struct frq_life life;
	int ret = frq_life_usable(ch, &life);

	if (ret < 0)
		return ret;
	if (life.epoch != ch->p.epoch)
		return frq_fail(ch->fr, -ENOTCONN, "the host made the region anew: what was "
			"asked is void, the next request states it again");
	if (frq_taken_over(ch))
		return frq_fail(ch->fr, ch->mute_error, ch->mute);
	return 0;
}

static int
wait_slowly(struct freqring_channel *ch, const uint64_t FRQ_SHARED *word, uint16_t target,
	uint16_t window, uint64_t end_ns)
{
	const struct frq_link *link = ch->link;
	uint64_t start = frq_now_ns(), now;

	for (;;) {
		int ret;

		for (unsigned int i = 0; i < LOOKS_PER_CHECK; i++) {
			if (reached(frq_load64(word), ch->p.epoch, target, window))
				return 0;
			relax();
		}
		if (frq_fail_over(ch) || ch->link != link)
			return -EINTR;
		ret = frq_ring_check(ch);
		if (ret < 0)
			return ret;
		now = frq_now_ns();
		if (now >= end_ns)
			return frq_fail(ch->fr, -ETIMEDOUT, "the host did not answer in time");
		if (now - start > SPIN_NS)
			(void)sched_yield();
	}
}

static const uint64_t FRQ_SHARED *
what_to_wait_for(struct freqring_channel *ch, bool applied, uint16_t *target, uint16_t *window)
{
	if (!applied) {
		*target = ch->p.next;
		*window = 0;
		return &ch->p.consumed->consumed;
	}
	*target = frq_applied_target(ch);
	*window = (uint16_t)ch->nb_pings;
	return &frq_region_state(ch->region, ch->vcpu)->applied;
}

bool
frq_ring_reached(struct freqring_channel *ch, bool applied)
{
	uint16_t target, window;
	const uint64_t FRQ_SHARED *word = what_to_wait_for(ch, applied, &target, &window);

	if (!reached(frq_load64(word), ch->p.epoch, target, window))
		return false;
	if (applied)
		ch->seen_khz = (uint32_t)frq_load64(&frq_region_state(ch->region,
			ch->vcpu)->wish_khz) & FRQ_ARG_MAX;
	return true;
}

int
frq_ring_wait(struct freqring_channel *ch, bool applied, uint64_t end_ns)
{
	uint16_t target, window;
	const uint64_t FRQ_SHARED *word = what_to_wait_for(ch, applied, &target, &window);
	int ret = wait_slowly(ch, word, target, window, end_ns);

	if (ret == 0 && applied)
		ch->seen_khz = (uint32_t)frq_load64(&frq_region_state(ch->region,
			ch->vcpu)->wish_khz) & FRQ_ARG_MAX;
	return ret;
}

static __attribute__((noinline)) int
wait_by_transport(struct freqring_channel *ch, bool applied, unsigned int timeout_us)
{
	uint64_t end = frq_now_ns() + (uint64_t)timeout_us * 1000;
	int ret;

	if (ch->mute != NULL)
		return frq_fail(ch->fr, ch->mute_error, ch->mute);
	do
		ret = ch->t->wait(ch, applied, end);
	while (ret == -EINTR);
	return ret;
}

/* Just what it should be, mostly: the tightest of loops. */
static inline bool
is_soon(const uint64_t FRQ_SHARED *word, uint16_t target, uint8_t epoch)
{
	const uint32_t expected = target | (uint32_t)epoch << 16;

	for (unsigned int i = 0; i < EAGER_LOOKS; i++)
		if ((frq_load64(word) & 0xffffffu) == expected)
			return true;
	return false;
}

FRQ_API int
freqring_wait_consumed(struct freqring_channel *ch, unsigned int timeout_us)
{
	if (frq_likely(ch->link != NULL) &&
	    is_soon(&ch->p.consumed->consumed, ch->p.next, ch->p.epoch))
		return 0;
	return wait_by_transport(ch, false, timeout_us);
}

FRQ_API int
freqring_wait_applied(struct freqring_channel *ch, unsigned int timeout_us)
{
	const struct frq_state_line FRQ_SHARED *s;

	if (frq_likely(ch->link != NULL)) {
		s = frq_region_state(&ch->link->region, ch->vcpu);
		if (is_soon(&s->applied, frq_applied_target(ch), ch->p.epoch)) {
			ch->seen_khz = (uint32_t)frq_load64(&s->wish_khz) & FRQ_ARG_MAX;
			return 0;
		}
	}
	return wait_by_transport(ch, true, timeout_us);
}
