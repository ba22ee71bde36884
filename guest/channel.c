/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel.c - take a vCPU's channel and give it back
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "freqring_pvt.h"

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

static struct freqring_channel *
new_channel(struct freqring *fr, unsigned int vcpu)
{
	struct freqring_channel *ch = aligned_alloc(_Alignof(struct freqring_channel),
		sizeof(*ch));

	if (ch == NULL)
		return NULL;
	*ch = (struct freqring_channel){
		.fr = fr,
		.vcpu = vcpu,
		.nonce = random_nonce(),
		.looked_ns = frq_coarse_ns(),
		.look_every = 1,
		.quiet_given = 1,
		.quiet_left = 1,
		.next = fr->channels,
	};
	fr->channels = ch;
	return ch;
}

/* Where the handle chose to be, else wherever the host answers. */
static int
take(struct freqring_channel *ch)
{
	int ret = ch->fr->chosen->attach(ch, false);

	if (ret == 0) {
		ch->t = ch->fr->chosen;
		return 0;
	}
	if (ret == -EBUSY || ret == -ENOMEM || ch->fr->forced != FREQRING_TRANSPORT_AUTO ||
	    !frq_take_elsewhere(ch))
		return ret;
	__atomic_store_n(&ch->fr->transport, ch->t->id, __ATOMIC_RELAXED);
	return 0;
}

FRQ_API int
freqring_attach(struct freqring *fr, unsigned int vcpu, struct freqring_channel **ch)
{
	struct freqring_channel *c;
	int ret;

	*ch = NULL;
	ret = fr->chosen->check_vcpu(fr, vcpu);
	/* What is unplugged has none; another transport may. */
	if (ret < 0 && (ret != -ENOTCONN || fr->forced != FREQRING_TRANSPORT_AUTO))
		return ret;
	if (has_channel(fr, vcpu)) {
		frq_err_set(&fr->err, "vCPU %u: a program of this VM speaks for it already", vcpu);
		return frq_fail(fr, -EBUSY, fr->err.text);
	}
	c = new_channel(fr, vcpu);
	if (c == NULL)
		return frq_fail(fr, -ENOMEM, "out of memory");
	ret = take(c);
	if (ret < 0) {
		freqring_detach(c);
		return ret;
	}
	*ch = c;
	return 0;
}

FRQ_API int
freqring_observe(struct freqring *fr, unsigned int vcpu, struct freqring_channel **ch)
{
	struct freqring_channel *c;
	int ret;

	*ch = NULL;
	ret = fr->chosen->check_vcpu(fr, vcpu);
	if (ret < 0)
		return ret;
	c = new_channel(fr, vcpu);
	if (c == NULL)
		return frq_fail(fr, -ENOMEM, "out of memory");
	c->mute = "this channel is only observed, not attached";
	c->mute_error = -EPERM;
	ret = fr->chosen->observe(c);
	if (ret < 0) {
		freqring_detach(c);
		return ret;
	}
	c->t = fr->chosen;
	*ch = c;
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
	if (ch->t != NULL)
		ch->t->leave(ch, false);
	free(ch->serial);
	frq_vhost_free(ch);
	free(ch);
}
