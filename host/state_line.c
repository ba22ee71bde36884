/* SPDX-License-Identifier: BSD-3-Clause */
#include "state_line.h"

/* Reasons for which the guest has to say again what it wants. */
static bool
was_lost(enum frq_reason reason)
{
	return reason == FRQ_REASON_LOST || reason == FRQ_REASON_BAD_EPOCH;
}

/* What is wrong with the request itself, whatever the host can do now. */
static bool
is_request_fault(enum frq_reason reason)
{
	return reason == FRQ_REASON_BAD_OP || reason == FRQ_REASON_BAD_ARG ||
		reason == FRQ_REASON_BAD_FREQ;
}

struct refused {
	enum frq_reason last;	/* why the last request was refused, OK: it was not */
	enum frq_reason news;	/* the last refusal, where there are new ones */
};

/* The refusals the poller noted since the last look go into the log. */
static struct refused
take_refusals(struct channel *ch, uint16_t next, struct frq_state_line FRQ_SHARED *line)
{
	/* Pairs with the store in refuse, host/poller.c. */
	uint64_t total = __atomic_load_n(&ch->slot->refusals, __ATOMIC_ACQUIRE);
	uint64_t word = __atomic_load_n(&ch->slot->refusal, __ATOMIC_RELAXED);
	uint64_t missed = total - ch->a.refusals_seen;
	struct frq_refusal r = frq_refusal_unpack(word);
	struct refused refused = { .last = FRQ_REASON_OK, .news = FRQ_REASON_OK };

	if (total != 0 && r.seq == (uint16_t)(next - 1) && is_request_fault(r.reason))
		refused.last = r.reason;
	if (missed == 0)
		return refused;
	/* Of a burst only the last is known; the entries between say nothing. */
	for (uint64_t i = missed < FRQ_REFUSAL_LOG ? missed : FRQ_REFUSAL_LOG; i > 1; i--)
		frq_store64(&line->refusal[(total - i) % FRQ_REFUSAL_LOG], 0);
	frq_store64(&line->refusal[(total - 1) % FRQ_REFUSAL_LOG], word);
	frq_store64(&line->refusals, total);
	ch->a.refusals_seen = total;
	refused.news = r.reason;
	return refused;
}

static bool
is_refusal(enum frq_reason reason)
{
	return reason != FRQ_REASON_OK && reason != FRQ_REASON_ARBITRATED &&
		reason != FRQ_REASON_LIMITED && reason != FRQ_REASON_MANUAL;
}

/*
 * The same refusal again is no news: a guest that repeats a request which is
 * refused each time must not be told to repeat it once more. And no news is
 * not stored: the guest's copy of the line stays where it is.
 */
static void
give_verdict(struct channel *ch, struct frq_state_line FRQ_SHARED *line,
	struct refused refused, enum frq_reason standing)
{
	enum frq_reason reason = refused.news != FRQ_REASON_OK ? refused.news : standing;
	uint64_t verdict;

	if (is_refusal(reason) && (reason != ch->a.told || was_lost(reason))) {
		ch->a.told = ch->a.said = reason;
		ch->a.verdict_changes++;
	}
	/* Over: the next one is news again, though this is not worth a change. */
	if (!is_refusal(reason) && refused.last == FRQ_REASON_OK)
		ch->a.told = FRQ_REASON_OK;
	verdict = frq_verdict_pack((struct frq_verdict){
		.reason = (uint8_t)ch->a.said,
		.epoch = ch->vm->life.epoch,
		.incarnation = (uint16_t)ch->vm->life.incarnation,
		.changes = ch->a.verdict_changes,
	});
	if (verdict != ch->a.verdict)
		frq_store64(&line->verdict, verdict);
	ch->a.verdict = verdict;
}

static uint32_t
wish_khz(const struct state_line_update *u)
{
	if (u->wish.kind == FRQ_WISH_NONE)
		return 0;
	if (u->table->nb == 0)
		return u->wish.kind == FRQ_WISH_KHZ ? u->wish.khz : 0;
	return u->table->khz[wish_index(&u->wish, u->table)];
}

void
state_line_publish(struct channel *ch, const struct state_line_update *u)
{
	struct frq_state_line FRQ_SHARED *line = frq_region_state(&ch->vm->region, ch->number);
	struct refused refused = take_refusals(ch, u->wish.next, line);
	uint64_t applied, now, khz = wish_khz(u);

	/* Whatever was wrong with its requests: none is listened to any more. */
	if (u->reason == FRQ_REASON_QUARANTINED)
		refused = (struct refused){ .last = FRQ_REASON_OK, .news = FRQ_REASON_OK };

	if (ch->a.table_published != u->table) {
		/* What this core could not do the next one may. */
		if (refused.last == FRQ_REASON_BAD_FREQ)
			ch->a.verdict_changes++;
		/* Another daemon may have been here: no version comes twice. */
		if (ch->a.table_version == 0)
			ch->a.table_version = (uint64_t)ch->vm->life.incarnation << 32;
		frq_table_write(frq_region_table(&ch->vm->region, ch->number),
			&ch->a.table_version, u->table);
		ch->a.table_published = u->table;
	}
	give_verdict(ch, line, refused, u->reason);
	now = frq_now_pack((struct frq_now){
		.khz = u->decided ? u->table->khz[u->index] : 0,
		.pcpu = (uint16_t)u->pcpu,
		.index = u->decided ? (uint8_t)u->index : FRQ_NO_INDEX,
		.nb_pcpus = (uint16_t)u->nb_cpus,
	});
	applied = frq_applied_pack((struct frq_applied){
		.next = u->wish.next,
		.epoch = ch->vm->life.epoch,
		.reason = (uint8_t)(refused.last != FRQ_REASON_OK ? refused.last : u->reason),
		.wish = u->wish.kind,
		.turbo = (uint8_t)((u->wish.turbo_off ? 0 : FRQ_TURBO_ALLOWED) |
			(u->table->turbo ? FRQ_TURBO_AVAILABLE : 0) |
			(u->turbo ? FRQ_TURBO_GRANTED : 0)),
		.granted_khz = u->granted_khz,
	});
	frq_store64(&line->wish_khz, khz);
	frq_store64(&line->lease_left_ms, ch->a.lease_left_ms);
	frq_store64(&line->now, now);
	frq_store64(&line->applied, applied);
	__atomic_store_n(&ch->a.now, now, __ATOMIC_RELAXED);
	__atomic_store_n(&ch->a.wish_khz, khz, __ATOMIC_RELAXED);
	__atomic_store_n(&ch->a.applied, applied, __ATOMIC_RELAXED);
}

void
state_line_host(struct channel *ch, uint64_t host)
{
	struct frq_state_line FRQ_SHARED *line = frq_region_state(&ch->vm->region, ch->number);
	/* What another daemon left there says nothing now. */
	bool first = ch->a.verdict == 0;

	if (host == ch->a.host && !first)
		return;
	frq_store64(&line->host, host);
	ch->a.host = host;
	if (!first && ch->a.wish.told)
		ch->a.verdict_changes++;
}

void
state_line_dismiss(struct channel *ch)
{
	struct frq_state_line FRQ_SHARED *line = frq_region_state(&ch->vm->region, ch->number);

	give_verdict(ch, line, (struct refused){ .news = FRQ_REASON_QUARANTINED },
		FRQ_REASON_OK);
}
