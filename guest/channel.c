/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel.c - take a vCPU's channel and give it back
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "freqring_pvt.h"

/* Between the header and the consumed lines a starting daemon needs no
 * longer than this.
 */
#define READY_TRIES	50u
#define READY_PAUSE_NS	2000000L

static uint32_t
random_nonce(void)
{
	uint32_t nonce = 0;

	/* Without entropy the clock has to do: it tells programs apart, it
	 * keeps no secret.
	 */
	if (getrandom(&nonce, sizeof(nonce), GRND_NONBLOCK) != (ssize_t)sizeof(nonce))
		nonce = (uint32_t)frq_now_ns();
	nonce &= FRQ_ARG_MAX;
	return nonce != 0 ? nonce : 1;
}

static bool
has_channel(const struct freqring *fr, unsigned int vcpu)
{
	for (const struct freqring_channel *c = fr->channels; c != NULL; c = c->next)
		if (c->vcpu == vcpu && c->mute_error != -EPERM)
			return true;
	return false;
}

static int
check_vcpu(struct freqring *fr, unsigned int vcpu)
{
	uint64_t n = frq_load64(&frq_region_header(&fr->region)->nb_channels);

	if (vcpu < n && vcpu < FRQ_MAX_CHANNELS)
		return 0;
	frq_err_set(&fr->err, "no vCPU %u: the host serves %u of this VM, from 0", vcpu,
		n < FRQ_MAX_CHANNELS ? (unsigned int)n : FRQ_MAX_CHANNELS);
	return frq_fail(fr, -EINVAL, fr->err.text);
}

static struct freqring_channel *
new_channel(struct freqring *fr, unsigned int vcpu)
{
	const struct frq_region *r = &fr->region;
	struct freqring_channel *ch = aligned_alloc(_Alignof(struct freqring_channel),
		sizeof(*ch));

	if (ch == NULL)
		return NULL;
	*ch = (struct freqring_channel){
		.fr = fr,
		.vcpu = vcpu,
		.next = fr->channels,
		.verdict_word = &frq_region_state(r, vcpu)->verdict,
		.uncached = fr->mapping == FREQRING_MAPPING_UNCACHED,
		.p = {
			.ring = frq_region_ring(r, vcpu),
			.doorbell = frq_region_doorbell(r, vcpu),
			.consumed = frq_region_consumed(r, vcpu),
		},
	};
	fr->channels = ch;
	return ch;
}

/* A daemon that starts publishes its header and then the consumed lines. */
static int
await_ready(struct freqring_channel *ch, struct frq_life *life)
{
	const struct timespec pause = { .tv_nsec = READY_PAUSE_NS };
	int ret = frq_life_usable(ch->fr, life);

	for (unsigned int i = 0; ret == 0 && i < READY_TRIES; i++) {
		uint64_t w = frq_load64(&ch->p.consumed->consumed);

		if (frq_consumed_unpack(w).epoch == life->epoch)
			return 0;
		(void)nanosleep(&pause, NULL);
		ret = frq_life_usable(ch->fr, life);
	}
	return ret < 0 ? ret : frq_fail(ch->fr, -ENOTCONN,
		"the host has made the region but does not serve this vCPU's ring yet");
}

FRQ_API int
freqring_attach(struct freqring *fr, unsigned int vcpu, struct freqring_channel **ch)
{
	struct freqring_channel *c;
	struct frq_life life;
	int ret;

	*ch = NULL;
	ret = check_vcpu(fr, vcpu);
	if (ret < 0)
		return ret;
	if (has_channel(fr, vcpu) || frq_claim(fr->region.fd, vcpu) < 0) {
		frq_err_set(&fr->err, "vCPU %u: a program of this VM speaks for it already", vcpu);
		return frq_fail(fr, -EBUSY, fr->err.text);
	}
	c = new_channel(fr, vcpu);
	if (c == NULL) {
		frq_unclaim(fr->region.fd, vcpu);
		return frq_fail(fr, -ENOMEM, "out of memory");
	}
	ret = await_ready(c, &life);
	if (ret < 0) {
		freqring_detach(c);
		return ret;
	}
	c->nonce = random_nonce();
	c->verdict = frq_load64(c->verdict_word);
	frq_attach_post(c, life);
	*ch = c;
	return 0;
}

FRQ_API int
freqring_observe(struct freqring *fr, unsigned int vcpu, struct freqring_channel **ch)
{
	int ret;

	*ch = NULL;
	ret = check_vcpu(fr, vcpu);
	if (ret < 0)
		return ret;
	*ch = new_channel(fr, vcpu);
	if (*ch == NULL)
		return frq_fail(fr, -ENOMEM, "out of memory");
	(*ch)->mute = "this channel is only observed, not attached";
	(*ch)->mute_error = -EPERM;
	return 0;
}

FRQ_API void
freqring_detach(struct freqring_channel *ch)
{
	struct freqring_channel **link;

	if (ch == NULL)
		return;
	link = &ch->fr->channels;
	while (*link != ch)
		link = &(*link)->next;
	*link = ch->next;
	/* An observer has no claim; one that was taken over has it still. */
	if (ch->mute_error != -EPERM)
		frq_unclaim(ch->fr->region.fd, ch->vcpu);
	free(ch);
}
