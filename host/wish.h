/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wish.h - what a vCPU wants, and how a request changes that
 *
 * Pure functions on plain data. A wish together with the ring's cursor is
 * one 64-bit word, so that both are stored at once (host/wish_file.h).
 */
#ifndef FRQ_WISH_H
#define FRQ_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "freqring_abi.h"
#include "region.h"

struct wish {
	uint16_t next;		/* sequence of the next request of the ring */
	uint8_t epoch;
	uint8_t kind;		/* enum frq_wish_kind */
	bool turbo_off;		/* the guest forbade itself the turbo state */
	bool attached;		/* a guest program attached in this epoch */
	bool uncached;		/* and measured an uncached mapping */
	bool told;		/* and asked to be told when the host sleeps */
	uint32_t khz;		/* FRQ_WISH_KHZ: 24 bits */
};

static inline uint64_t
wish_pack(struct wish w)
{
	return (uint64_t)w.next | (uint64_t)w.epoch << 16 |
		(uint64_t)(w.kind & 0x3u) << 24 | (uint64_t)w.turbo_off << 26 |
		(uint64_t)w.attached << 27 | (uint64_t)w.uncached << 28 |
		(uint64_t)w.told << 29 |
		(uint64_t)(w.khz & FRQ_ARG_MAX) << 40;
}

static inline struct wish
wish_unpack(uint64_t v)
{
	return (struct wish){
		.next = (uint16_t)v,
		.epoch = (uint8_t)(v >> 16),
		.kind = (uint8_t)(v >> 24) & 0x3u,
		.turbo_off = (v >> 26 & 1) != 0,
		.attached = (v >> 27 & 1) != 0,
		.uncached = (v >> 28 & 1) != 0,
		.told = (v >> 29 & 1) != 0,
		.khz = (uint32_t)(v >> 40),
	};
}

/**
 * Index of the highest frequency a wish may ask for: the first, or the
 * second where the first is turbo and forbidden.
 */
static inline unsigned int
freq_table_top(const struct freq_table *t, bool turbo)
{
	return t->turbo && !turbo && t->nb > 1 ? 1 : 0;
}

/** Index of the lowest frequency that is at least `khz`; the top when none is. */
unsigned int freq_table_at_least(const struct freq_table *t, uint32_t khz);

/**
 * Fold one request into a wish. Only the operations that state or change a
 * wish: up, down, min, max, set, turbo on and off, release; and tell.
 *
 * Up and down move the wish itself, not the frequency granted, along the
 * table, and stop at its ends, as librte_power does. "No opinion" counts as
 * the top there (where librte_power starts, too): up gives max, down the
 * entry below the top.
 *
 * @param t  the table of the core the vCPU runs on; nb == 0 where none is
 *	known: then up, down and set are taken as far as they make sense
 * @return FRQ_REASON_OK; otherwise the wish is unchanged:
 *	FRQ_REASON_BAD_FREQ kHz outside the table, FRQ_REASON_NO_CPUFREQ up
 *	or down with no table to move along, FRQ_REASON_BAD_ARG an argument where
 *	there is none, FRQ_REASON_BAD_OP another operation
 */
enum frq_reason wish_fold(struct wish *w, uint8_t op, uint32_t arg,
	const struct freq_table *t);

/** Index in the table of what a wish with an opinion asks for. */
unsigned int wish_index(const struct wish *w, const struct freq_table *t);

#endif /* FRQ_WISH_H */
