/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring_pvt.h - what the parts of libfreqring share
 *
 * For the library's own files and its unit test; not installed. The hot path
 * is request.c; whatever is not a plain repeat or a plain post ends up in
 * recover.c.
 */
#ifndef FREQRING_PVT_H
#define FREQRING_PVT_H

#include <stdbool.h>
#include <stdint.h>

#include "freqring.h"
#include "region.h"
#include "ring.h"

#define FRQ_API __attribute__((visibility("default")))

#define frq_likely(x) __builtin_expect(!!(x), 1)
#define frq_unlikely(x) __builtin_expect(!!(x), 0)

struct freqring {
	struct frq_region region;
	char device[64];
	enum freqring_mapping mapping;
	unsigned int load_ns_x10, store_ns_x10;

	/* The heartbeat as last seen, and since when it has been that. */
	uint64_t heartbeat, heartbeat_since_ns;
	bool heartbeat_seen, alive;

	struct freqring_channel *channels;	/* a list */

	/* What freqring_error() answers. Channels of several threads store
	 * here, so they store sentences that never change; err is for the
	 * calls that must not run at the same time.
	 */
	const char *error;
	struct frq_err err;
};

/* One operation with its argument; 0 is none, as FRQ_OP_NONE is. */
typedef uint32_t frq_ask_t;

static inline frq_ask_t
frq_ask(enum frq_op op, uint32_t arg)
{
	return (uint32_t)op | arg << 8;
}

static inline enum frq_op
frq_ask_op(frq_ask_t a)
{
	return (enum frq_op)(a & 0xff);
}

static inline uint32_t
frq_ask_arg(frq_ask_t a)
{
	return a >> 8;
}

struct freqring_channel {
	/* All that a repeat needs, in one cache line. */
	const uint64_t FRQ_SHARED *verdict_word;
	uint64_t verdict;		/* the word as it was when last dealt with */
	frq_ask_t asked_wish;		/* a repeat of it is dropped; 0: nothing is */
	frq_ask_t asked_turbo;
	uint64_t dropped;
	uint64_t next_look_ns;		/* uncached: when the word is due */
	bool uncached;

	struct frq_producer p __attribute__((aligned(64)));
	uint64_t posted;
	uint32_t nb_pings;		/* since the last request that is applied */
	uint16_t before_pings;		/* sequence after that request, if there are pings */

	/* What is stated again when the host has lost it, while asked_wish and
	 * asked_turbo are 0; else that is these (frq_wish, frq_turbo).
	 */
	bool relative;			/* the last wish was a step up or down */
	frq_ask_t wish, turbo;
	uint32_t seen_khz;		/* the host's idea of the wish, 0: not seen */

	const char *mute;		/* why it may not ask (any more), or NULL */
	int mute_error;
	uint32_t incarnation;		/* whole; the producer has the low byte */
	uint32_t nonce;
	uint64_t owner_before;		/* owner word when we attached */
	uint64_t attach_word;		/* our attach, as it was posted */
	uint64_t full, restated;
	unsigned int vcpu;
	struct freqring *fr;
	struct freqring_channel *next;
};

/* The last wish, and the last word on turbo; 0: there was none. */
static inline frq_ask_t
frq_wish(const struct freqring_channel *ch)
{
	return ch->asked_wish != 0 ? ch->asked_wish : ch->wish;
}

static inline frq_ask_t
frq_turbo(const struct freqring_channel *ch)
{
	return ch->asked_turbo != 0 ? ch->asked_turbo : ch->turbo;
}

/* From now on nothing is a repeat. */
static inline void
frq_forget_asked(struct freqring_channel *ch)
{
	if (ch->asked_wish != 0)
		ch->relative = false;
	ch->wish = frq_wish(ch);
	ch->turbo = frq_turbo(ch);
	ch->asked_wish = 0;
	ch->asked_turbo = 0;
}

/* The sequence that the applied word shows once all was applied: pings are not. */
static inline uint16_t
frq_applied_target(const struct freqring_channel *ch)
{
	return ch->nb_pings != 0 ? ch->before_pings : ch->p.next;
}

/* ---- device.c ------------------------------------------------------------- */

/**
 * Map the device or file `device`, or look for one.
 *
 * @param sysfs  where sysfs is; "/sys" outside tests
 * @param[out] name  the PCI address, or the end of the path
 */
int frq_device_open(struct frq_region *r, const char *device, const char *sysfs,
	char name[64], struct frq_err *err);

/* ---- handle.c ------------------------------------------------------------- */

/** freqring_open with sysfs elsewhere. */
int frq_open(struct freqring **fr, const struct freqring_options *options,
	const char *sysfs);

/** Note what went wrong, in a sentence that lives for ever. @return ret */
int frq_fail(struct freqring *fr, int ret, const char *sentence);

/* ---- clock.c -------------------------------------------------------------- */

/** CLOCK_MONOTONIC in ns. */
uint64_t frq_now_ns(void);

/** CLOCK_MONOTONIC_COARSE in ns: a few ns to read, 1 to 4 ms behind. */
uint64_t frq_coarse_ns(void);

/* ---- mapping.c ------------------------------------------------------------ */

/** Time loads and stores of the region; sets mapping, load_ns_x10, store_ns_x10. */
void frq_mapping_measure(struct freqring *fr);

/** The rule: the median of n (> 0) times of a load in 0.1 ns, which are sorted. */
enum freqring_mapping frq_mapping_judge(unsigned int *load_ns_x10, unsigned int n);

/* ---- claim.c -------------------------------------------------------------- */

/** @return 0, or -EBUSY: another open file of the same device has the vCPU */
int frq_claim(int fd, unsigned int vcpu);
void frq_unclaim(int fd, unsigned int vcpu);

/* ---- recover.c ------------------------------------------------------------ */

/** The region's header as a channel may use it. @return 0, or -ENOTCONN */
int frq_life_usable(struct freqring *fr, struct frq_life *life);

/** Withdraw what is in the ring, start on a free slot, post an attach. */
void frq_attach_post(struct freqring_channel *ch, struct frq_life life);

/**
 * The verdict word changed or the producer is stale: find out why, attach
 * anew or state the wish again where that is needed.
 *
 * @return 0; -ENOTCONN; -EAGAIN (the ring is full)
 */
int frq_recover(struct freqring_channel *ch);

/** Why the ring is full: -EAGAIN, or -ENOTCONN when nobody will ever drain it. */
int frq_full(struct freqring_channel *ch);

/** Whether another program attached after us; mutes the channel if so. */
bool frq_taken_over(struct freqring_channel *ch);

/* ---- wait.c --------------------------------------------------------------- */

/** Whether the host has applied everything that was posted. */
bool frq_is_applied(const struct freqring_channel *ch);

/* ---- vcpu.c --------------------------------------------------------------- */

/** freqring_vcpu_of_cpu with its files elsewhere. */
int frq_vcpu_lookup(unsigned int cpu, const char *cpuinfo, const char *madt,
	const char *sysfs);

/**
 * Position of an APIC id among the processors of an ACPI MADT.
 *
 * @param table  any bytes; nothing beyond `len` is looked at
 * @return position; -ENOENT not there; -EPROTO not a MADT, or broken before
 *	the APIC id was found
 */
int frq_madt_position(const uint8_t *table, size_t len, uint32_t apic_id);

/**
 * APIC id of a CPU from the text of /proc/cpuinfo.
 *
 * @return 0, or -ENOENT
 */
int frq_cpuinfo_apic_id(const char *text, unsigned int cpu, uint32_t *apic_id);

#endif /* FREQRING_PVT_H */
