/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * status.c - what the host says about a channel, in shared memory
 *
 * Each word is loaded once and then decoded. The words are consistent in
 * themselves, not with one another.
 */
#include <errno.h>
#include <string.h>

#include "freqring_pvt.h"

_Static_assert(FREQRING_REFUSALS == FRQ_REFUSAL_LOG, "the public header has the number, too");

static const char *const reasons[FRQ_REASON_COUNT] = {
	[FRQ_REASON_OK] = "granted",
	[FRQ_REASON_BAD_OP] = "the host does not know this operation",
	[FRQ_REASON_BAD_ARG] = "argument or flags out of range",
	[FRQ_REASON_BAD_FREQ] = "frequency outside the core's frequency table",
	[FRQ_REASON_BAD_EPOCH] = "asked of an earlier life of the region",
	[FRQ_REASON_LOST] = "overwritten before the host saw it",
	[FRQ_REASON_NO_VCPU] = "the VM has no such vCPU",
	[FRQ_REASON_UNPINNED] = "the vCPU is not pinned to physical CPUs of its own",
	[FRQ_REASON_NOT_MANAGED] = "the vCPU's physical CPU is not in the host's configured set",
	[FRQ_REASON_NO_CPUFREQ] = "the physical CPU's frequency cannot be set",
	[FRQ_REASON_OFFLINE] = "the physical CPU is offline",
	[FRQ_REASON_FAILED] = "the host's kernel refused to set the frequency",
	[FRQ_REASON_ARBITRATED] = "another vote decided",
	[FRQ_REASON_LIMITED] = "a limit of the host is in force",
	[FRQ_REASON_LEASE_EXPIRED] = "the lease ran out, the host's fail-safe is in force",
	[FRQ_REASON_QUARANTINED] = "the host does not listen to this vCPU: it broke the protocol",
	[FRQ_REASON_PAUSED] = "the VM is not running",
	[FRQ_REASON_FOREIGN] = "somebody else on the host set the physical CPU's frequency",
	[FRQ_REASON_DISABLED] = "an operator of the host disabled this vCPU",
	[FRQ_REASON_MANUAL] = "an operator of the host set the physical CPU's frequency",
	[FRQ_REASON_ELSEWHERE] = "another transport of this VM speaks for the vCPU",
};

static const char *const wishes[] = {
	[FRQ_WISH_NONE] = "none",
	[FRQ_WISH_MIN] = "min",
	[FRQ_WISH_MAX] = "max",
	[FRQ_WISH_KHZ] = "kHz",
};

FRQ_API const char *
freqring_reason(unsigned int reason)
{
	if (reason == FREQRING_REASON_NACK)
		return "the host refused; virtio-serial does not say why";
	if (reason == FREQRING_REASON_NO_ANSWER)
		return "the host has not answered";
	return reason < FRQ_REASON_COUNT ? reasons[reason] : "a reason this program does not know";
}

static void
read_refusals(const struct frq_state_line FRQ_SHARED *s, struct freqring_status *st)
{
	uint64_t total = frq_load64(&s->refusals);
	unsigned int n = total < FRQ_REFUSAL_LOG ? (unsigned int)total : FRQ_REFUSAL_LOG;

	st->refusals = total;
	for (unsigned int i = 0; i < n; i++) {
		uint64_t w = frq_load64(&s->refusal[(total - 1 - i) % FRQ_REFUSAL_LOG]);
		struct frq_refusal r = frq_refusal_unpack(w);

		if (r.reason == FRQ_REASON_OK)
			continue;	/* of a burst only the last is recorded */
		st->refusal[st->nb_refusals].seq = r.seq;
		st->refusal[st->nb_refusals].reason = r.reason;
		st->refusal[st->nb_refusals].op = r.op;
		st->refusal[st->nb_refusals].arg = r.arg;
		st->nb_refusals++;
	}
}

int
frq_ring_status(struct freqring_channel *ch, struct freqring_status *st)
{
	const struct frq_state_line FRQ_SHARED *s = frq_region_state(ch->region, ch->vcpu);
	struct frq_applied applied;
	struct frq_host host;
	struct frq_life life;
	struct frq_now now;
	int ret = frq_life_usable(ch, &life);

	if (ret < 0)
		return ret;
	applied = frq_applied_unpack(frq_load64(&s->applied));
	now = frq_now_unpack(frq_load64(&s->now));
	st->wish = wishes[applied.wish];
	st->wish_khz = (uint32_t)frq_load64(&s->wish_khz) & FRQ_ARG_MAX;
	st->granted_khz = applied.granted_khz;
	st->khz = now.khz;
	st->index = now.khz == 0 || now.index == FRQ_NO_INDEX ? -1 : now.index;
	st->nb_pcpus = now.nb_pcpus;
	/* The host has said nothing yet about a channel whose line is zero. */
	st->pcpu = now.nb_pcpus == 0 || now.pcpu == FRQ_NO_PCPU ? -1 : now.pcpu;
	st->reason = applied.reason;
	st->turbo_allowed = (applied.turbo & FRQ_TURBO_ALLOWED) != 0;
	st->turbo_available = (applied.turbo & FRQ_TURBO_AVAILABLE) != 0;
	st->turbo_granted = (applied.turbo & FRQ_TURBO_GRANTED) != 0;
	st->lease_left_ms = (uint32_t)frq_load64(&s->lease_left_ms);
	host = frq_host_unpack(frq_host_word(ch));
	st->host = host.state <= FRQ_HOST_STAYED ? (enum freqring_host)host.state :
		FREQRING_HOST_AWAKE;
	st->host_ms = host.ms;
	st->host_sleeps = host.count;
	read_refusals(s, st);
	if (frq_is_applied(ch))
		ch->seen_khz = st->wish_khz;
	return 0;
}

FRQ_API int
freqring_get_status(struct freqring_channel *ch, struct freqring_status *st)
{
	int ret;

	memset(st, 0, sizeof(*st));
	ret = ch->t->status(ch, st);
	if (ret < 0)
		return ret;
	st->posted = ch->posted;
	st->dropped = ch->dropped + (ch->quiet_given - ch->quiet_left);
	st->full = ch->full;
	st->restated = ch->restated;
	st->transport = ch->t->id;
	st->moves = ch->moves;
	return 0;
}

FRQ_API uint32_t
freqring_get_khz(const struct freqring_channel *ch)
{
	return frq_now_unpack(frq_load64(ch->now_word)).khz;
}

FRQ_API int
freqring_query_khz(struct freqring_channel *ch, uint32_t *khz)
{
	return ch->t->query_khz(ch, khz);
}

FRQ_API int
freqring_query_caps(struct freqring_channel *ch, struct freqring_caps *caps)
{
	return ch->t->query_caps(ch, caps);
}

FRQ_API int
freqring_freqs(const struct freqring_channel *ch, uint32_t *khz, unsigned int n, bool *turbo)
{
	struct freq_table t;
	int ret = ch->t->freqs(ch, &t);

	if (ret < 0)
		return frq_fail(ch->fr, ret, ret == -EAGAIN ?
			"the host keeps changing the frequency table" :
			"the frequency table in the region is absurd");
	for (unsigned int i = 0; i < n && i < t.nb; i++)
		khz[i] = t.khz[i];
	if (turbo != NULL)
		*turbo = t.turbo;
	return (int)t.nb;
}
