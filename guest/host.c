/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host.c - what the host as a whole does, which a program may ask to be told
 *
 * The host changes the verdict of a channel that asked, so whoever posts or
 * repeats finds it as it finds everything else the host has to say: not one
 * load more on the way of a request.
 */
#include <errno.h>

#include "freqring_pvt.h"

_Static_assert((int)FREQRING_HOST_SUSPENDING == FRQ_HOST_SUSPENDING &&
	(int)FREQRING_HOST_RESUMED == FRQ_HOST_RESUMED &&
	(int)FREQRING_HOST_STAYED == FRQ_HOST_STAYED, "the public header has the numbers, too");

FRQ_API const char *
freqring_host_name(enum freqring_host host)
{
	switch (host) {
	case FREQRING_HOST_SUSPENDING:
		return "suspending";
	case FREQRING_HOST_RESUMED:
		return "resumed";
	case FREQRING_HOST_STAYED:
		return "stayed awake";
	case FREQRING_HOST_AWAKE:
		break;
	}
	return "awake";
}

static bool
host_tells(const struct freqring_channel *ch)
{
	return ch->link != NULL && (frq_load64(&frq_region_header(&ch->link->region)->features) &
		FRQ_FEATURE_HOST) != 0;
}

uint64_t
frq_host_word(const struct freqring_channel *ch)
{
	return host_tells(ch) ?
		frq_load64(&frq_region_state(&ch->link->region, ch->vcpu)->host) : 0;
}

void
frq_host_look(struct freqring_channel *ch)
{
	uint64_t w = ch->tell_host ? frq_host_word(ch) : 0;
	struct frq_host h = frq_host_unpack(w);

	if (!ch->tell_host || w == ch->host_word)
		return;
	ch->host_word = w;
	/* What a newer host may say is nothing this one knows. */
	if (ch->fr->host != NULL && h.state != FRQ_HOST_AWAKE && h.state <= FRQ_HOST_STAYED)
		ch->fr->host(ch->fr->host_arg, ch->vcpu, (enum freqring_host)h.state, h.ms);
}

int
frq_host_restate(struct freqring_channel *ch)
{
	if (!ch->tell_host || !host_tells(ch))
		return 0;
	ch->nb_pings = 0;
	return ch->t->post(ch, FRQ_OP_TELL, FRQ_TELL_HOST);
}

FRQ_API int
freqring_tell_host(struct freqring_channel *ch, bool on)
{
	uint64_t w = frq_host_word(ch);
	int ret;

	if (ch->mute == NULL && !host_tells(ch))
		return frq_fail(ch->fr, -EOPNOTSUPP, ch->link != NULL ?
			"the host does not tell when it sleeps: it is too old" :
			"virtio-serial does not tell when the host sleeps");
	ret = frq_post_after_look(ch, FRQ_OP_TELL, on ? FRQ_TELL_HOST : 0);
	if (ret != 1)
		return ret;
	ch->tell_host = on;
	/* What is over is no news. */
	ch->host_word = frq_host_unpack(w).state == FRQ_HOST_SUSPENDING ? 0 : w;
	frq_host_look(ch);
	return 1;
}
