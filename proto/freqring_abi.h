/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring_abi.h - the contract between guest and host, version 1
 *
 * One region of shared memory per VM. Everything in it is little-endian and
 * made of naturally aligned 64-bit words, each of which is consistent by
 * itself: one store publishes it, one load copies it, whatever memory type
 * the mapping has. docs/protocol.md draws the same contract; this header is
 * for C programs on either side and depends on nothing but the compiler.
 *
 *	offset    size     what                                written by
 *	0x000000  4 KiB    header                              host
 *	0x001000  4 KiB    doorbell lines, 1 byte a channel    guest
 *	0x002000  16 KiB   consumed lines, 64 B a channel      host, poller
 *	0x008000  32 KiB   state lines, 128 B a channel        host, applier
 *	0x010000  128 KiB  request rings, 512 B a channel      guest
 *	0x040000  128 KiB  frequency tables, 512 B a channel   host, applier
 *	0x060000  640 KiB  zero, reserved
 *
 * Channel N belongs to libvirt's vCPU N. The host relies on nothing that it
 * wrote here itself, and a guest has to take what the host wrote as advice:
 * another program in the same guest could have changed it.
 */
#ifndef FREQRING_ABI_H
#define FREQRING_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define FRQ_MAGIC		UINT64_C(0x474e495251455246) /* "FREQRING" in memory */
#define FRQ_ABI_VERSION		1u
#define FRQ_REGION_SIZE		UINT64_C(0x100000)

#define FRQ_MAX_CHANNELS	256u
#define FRQ_RING_SLOTS		64u	/* a power of two below 256 */
#define FRQ_LINE		64u
#define FRQ_MAX_FREQS		63u
#define FRQ_REFUSAL_LOG		4u	/* a power of two */

#define FRQ_OFF_HEADER		0x000000u
#define FRQ_OFF_DOORBELL	0x001000u
#define FRQ_OFF_CONSUMED	0x002000u
#define FRQ_OFF_STATE		0x008000u
#define FRQ_OFF_RING		0x010000u
#define FRQ_OFF_TABLE		0x040000u
#define FRQ_OFF_END		0x060000u

/* PCI identity of QEMU's ivshmem device (docs/specs/ivshmem-spec in QEMU). */
#define FRQ_PCI_VENDOR		0x1af4u
#define FRQ_PCI_DEVICE		0x1110u

/* ---- request word ------------------------------------------------------
 *
 *	63            40 39      32 31      24 23      16 15             0
 *	+---------------+----------+----------+----------+---------------+
 *	|   argument    |  flags   | operation|  epoch   |   sequence    |
 *	+---------------+----------+----------+----------+---------------+
 *
 * A word of zero is no request, whatever the cursor.
 */
#define FRQ_REQ_SEQ_SHIFT	0
#define FRQ_REQ_EPOCH_SHIFT	16
#define FRQ_REQ_OP_SHIFT	24
#define FRQ_REQ_FLAGS_SHIFT	32
#define FRQ_REQ_ARG_SHIFT	40
#define FRQ_ARG_MAX		0xffffffu

enum frq_op {
	FRQ_OP_NONE = 0,	/* never valid */
	FRQ_OP_ATTACH = 1,	/* argument: nonce of the attaching program, not 0 */
	FRQ_OP_UP = 2,
	FRQ_OP_DOWN = 3,
	FRQ_OP_MIN = 4,
	FRQ_OP_MAX = 5,
	FRQ_OP_SET = 6,		/* argument: kHz */
	FRQ_OP_TURBO_ON = 7,
	FRQ_OP_TURBO_OFF = 8,
	FRQ_OP_RELEASE = 9,	/* no opinion any more; a lease ends, too */
	FRQ_OP_LEASE = 10,	/* argument: seconds, 0 ends the lease */
	FRQ_OP_PING = 11,	/* argument: any, echoed in the consumed line */
	FRQ_OP_TELL = 12,	/* argument: FRQ_TELL_*, what a change of the verdict tells, too */
	FRQ_OP_COUNT = 13,
};

/* Argument of FRQ_OP_TELL; an attach ends it. */
#define FRQ_TELL_HOST		0x01u	/* that the host word changed */

/* Flags of FRQ_OP_ATTACH; for every other operation flags are zero. */
#define FRQ_ATTACH_UNCACHED	0x01u	/* the guest measured an uncached mapping */

struct frq_request {
	uint16_t seq;
	uint8_t epoch;
	uint8_t op;
	uint8_t flags;
	uint32_t arg;		/* 24 bits */
};

static inline uint64_t
frq_request_pack(struct frq_request r)
{
	return (uint64_t)r.seq << FRQ_REQ_SEQ_SHIFT |
		(uint64_t)r.epoch << FRQ_REQ_EPOCH_SHIFT |
		(uint64_t)r.op << FRQ_REQ_OP_SHIFT |
		(uint64_t)r.flags << FRQ_REQ_FLAGS_SHIFT |
		(uint64_t)(r.arg & FRQ_ARG_MAX) << FRQ_REQ_ARG_SHIFT;
}

static inline struct frq_request
frq_request_unpack(uint64_t w)
{
	return (struct frq_request){
		.seq = (uint16_t)(w >> FRQ_REQ_SEQ_SHIFT),
		.epoch = (uint8_t)(w >> FRQ_REQ_EPOCH_SHIFT),
		.op = (uint8_t)(w >> FRQ_REQ_OP_SHIFT),
		.flags = (uint8_t)(w >> FRQ_REQ_FLAGS_SHIFT),
		.arg = (uint32_t)(w >> FRQ_REQ_ARG_SHIFT),
	};
}

/* ---- header (host) ----------------------------------------------------- */

/*
 * Life word: epoch (bits 0-7), incarnation (8-31), flags (32-39).
 * The epoch changes when the contents of the region are void; the guest
 * attaches anew and states its wish again. The incarnation changes with
 * each start of the daemon, and when it serves a VM again that it had
 * dropped; contents and sequences stay valid.
 */
#define FRQ_LIFE_QUARANTINED	0x01u	/* dropped while it runs: not served */
#define FRQ_LIFE_STOPPED	0x02u	/* the daemon ended in good order */

struct frq_life {
	uint8_t epoch;		/* never 0 in a live region */
	uint32_t incarnation;	/* 24 bits, never 0 in a live region */
	uint8_t flags;
};

static inline uint64_t
frq_life_pack(struct frq_life l)
{
	return (uint64_t)l.epoch | (uint64_t)(l.incarnation & 0xffffffu) << 8 |
		(uint64_t)l.flags << 32;
}

static inline struct frq_life
frq_life_unpack(uint64_t w)
{
	return (struct frq_life){
		.epoch = (uint8_t)w,
		.incarnation = (uint32_t)(w >> 8) & 0xffffffu,
		.flags = (uint8_t)(w >> 32),
	};
}

#define FRQ_FEATURE_TURBO	UINT64_C(0x1)	/* operations 7 and 8 */
#define FRQ_FEATURE_LEASE	UINT64_C(0x2)	/* operation 10 */
#define FRQ_FEATURE_SIMULATED	UINT64_C(0x4)	/* no cpufreq behind it: a stand-in */
#define FRQ_FEATURE_HOST	UINT64_C(0x8)	/* operation 12, and the host word */

struct frq_header {
	uint64_t magic;		/* FRQ_MAGIC; stored last, so all else is there */
	uint64_t version;	/* FRQ_ABI_VERSION */
	uint64_t region_size;	/* bytes */
	uint64_t nb_channels;	/* vCPUs of the VM; a channel beyond is not polled */
	uint64_t nb_slots;	/* FRQ_RING_SLOTS */
	uint64_t features;	/* FRQ_FEATURE_* */
	uint64_t reserved0[2];
	uint64_t life;		/* struct frq_life */
	uint64_t heartbeat;	/* grows by one a millisecond, about */
	uint64_t reserved1[6];
	uint8_t uuid[16];	/* the VM, as libvirt names it */
	uint64_t reserved2[6];
};

/* ---- doorbell lines (guest) --------------------------------------------
 * Byte N is the low end of the sequence that channel N posts next.
 */

/* ---- request ring (guest) ----------------------------------------------
 * Request with sequence S is in slot S % FRQ_RING_SLOTS.
 */
struct frq_ring {
	uint64_t slot[FRQ_RING_SLOTS];
};

/* ---- consumed line (host, poller) --------------------------------------
 * Consumed word: the sequence the host expects next (bits 0-15), epoch
 * (16-23), low byte of the incarnation (24-31), number of requests consumed
 * in this epoch (32-63, wraps).
 */
struct frq_consumed {
	uint16_t next;
	uint8_t epoch;
	uint8_t incarnation;
	uint32_t total;
};

static inline uint64_t
frq_consumed_pack(struct frq_consumed c)
{
	return (uint64_t)c.next | (uint64_t)c.epoch << 16 |
		(uint64_t)c.incarnation << 24 | (uint64_t)c.total << 32;
}

static inline struct frq_consumed
frq_consumed_unpack(uint64_t w)
{
	return (struct frq_consumed){
		.next = (uint16_t)w,
		.epoch = (uint8_t)(w >> 16),
		.incarnation = (uint8_t)(w >> 24),
		.total = (uint32_t)(w >> 32),
	};
}

struct frq_consumed_line {
	uint64_t consumed;	/* struct frq_consumed */
	uint64_t ping;		/* the last FRQ_OP_PING, as it was posted */
	uint64_t owner;		/* the last FRQ_OP_ATTACH, as it was posted */
	uint64_t reserved[5];
};

/* ---- state line (host, applier) ---------------------------------------- */

/* Why a request was refused, or why less than the wish was granted. */
enum frq_reason {
	FRQ_REASON_OK = 0,
	FRQ_REASON_BAD_OP = 1,		/* unknown operation */
	FRQ_REASON_BAD_ARG = 2,		/* argument or flags outside their range */
	FRQ_REASON_BAD_FREQ = 3,	/* kHz outside the frequency table */
	FRQ_REASON_BAD_EPOCH = 4,	/* posted for another life of the region */
	FRQ_REASON_LOST = 5,		/* overwritten before it was consumed */
	FRQ_REASON_NO_VCPU = 6,		/* the VM has no such vCPU (any more) */
	FRQ_REASON_UNPINNED = 7,	/* the vCPU floats: no pCPU of its own */
	FRQ_REASON_NOT_MANAGED = 8,	/* its pCPU is not in the configured set */
	FRQ_REASON_NO_CPUFREQ = 9,	/* the pCPU has no usable cpufreq */
	FRQ_REASON_OFFLINE = 10,	/* the pCPU is offline */
	FRQ_REASON_FAILED = 11,		/* the host's kernel refused the write */
	FRQ_REASON_ARBITRATED = 12,	/* another vote decided (not a refusal) */
	FRQ_REASON_LIMITED = 13,	/* a rule, a limit or the table is in the way (not a refusal) */
	FRQ_REASON_LEASE_EXPIRED = 14,	/* the lease ran out: fail-safe in force */
	FRQ_REASON_QUARANTINED = 15,	/* this channel is not listened to, or its VM not served */
	FRQ_REASON_PAUSED = 16,		/* the VM is not running */
	FRQ_REASON_FOREIGN = 17,	/* somebody else on the host set the pCPU, and is let */
	FRQ_REASON_DISABLED = 18,	/* an operator disabled the channel */
	FRQ_REASON_MANUAL = 19,		/* an operator set the pCPU (not a refusal) */
	FRQ_REASON_ELSEWHERE = 20,	/* another transport of the VM speaks for the vCPU */
	FRQ_REASON_COUNT = 21,
};

/* What a vCPU wants. */
enum frq_wish_kind {
	FRQ_WISH_NONE = 0,	/* no opinion */
	FRQ_WISH_MIN = 1,
	FRQ_WISH_MAX = 2,
	FRQ_WISH_KHZ = 3,
};

#define FRQ_TURBO_ALLOWED	0x01u	/* the guest allows turbo (from the start) */
#define FRQ_TURBO_AVAILABLE	0x02u	/* the pCPU has turbo */
#define FRQ_TURBO_GRANTED	0x04u	/* it may run there now */

/*
 * Applied word: the sequence the applier has not seen yet (bits 0-15), epoch
 * (16-23), reason why not the whole wish was granted (24-31), kind of the
 * wish in force (32-33), turbo bits (34-39), granted kHz (40-63, 0: nothing).
 */
struct frq_applied {
	uint16_t next;
	uint8_t epoch;
	uint8_t reason;		/* enum frq_reason */
	uint8_t wish;		/* enum frq_wish_kind */
	uint8_t turbo;		/* FRQ_TURBO_* */
	uint32_t granted_khz;
};

static inline uint64_t
frq_applied_pack(struct frq_applied a)
{
	return (uint64_t)a.next | (uint64_t)a.epoch << 16 |
		(uint64_t)a.reason << 24 | (uint64_t)(a.wish & 0x3u) << 32 |
		(uint64_t)(a.turbo & 0x3fu) << 34 |
		(uint64_t)(a.granted_khz & FRQ_ARG_MAX) << 40;
}

static inline struct frq_applied
frq_applied_unpack(uint64_t w)
{
	return (struct frq_applied){
		.next = (uint16_t)w,
		.epoch = (uint8_t)(w >> 16),
		.reason = (uint8_t)(w >> 24),
		.wish = (uint8_t)(w >> 32) & 0x3u,
		.turbo = (uint8_t)(w >> 34) & 0x3fu,
		.granted_khz = (uint32_t)(w >> 40),
	};
}

/*
 * Now word: what the pCPU runs at by the host's last decision (kHz, bits
 * 0-23), the number of the pCPU (24-39, FRQ_NO_PCPU when there is none),
 * index of that frequency in the table (40-47, FRQ_NO_INDEX), how many pCPUs
 * the vCPU is pinned to (48-63).
 */
#define FRQ_NO_PCPU		0xffffu
#define FRQ_NO_INDEX		0xffu

struct frq_now {
	uint32_t khz;
	uint16_t pcpu;
	uint8_t index;
	uint16_t nb_pcpus;
};

static inline uint64_t
frq_now_pack(struct frq_now n)
{
	return (uint64_t)(n.khz & FRQ_ARG_MAX) | (uint64_t)n.pcpu << 24 |
		(uint64_t)n.index << 40 | (uint64_t)n.nb_pcpus << 48;
}

static inline struct frq_now
frq_now_unpack(uint64_t w)
{
	return (struct frq_now){
		.khz = (uint32_t)w & FRQ_ARG_MAX,
		.pcpu = (uint16_t)(w >> 24),
		.index = (uint8_t)(w >> 40),
		.nb_pcpus = (uint16_t)(w >> 48),
	};
}

/*
 * Verdict word: changes only when the host has news of a refusal, a loss or a
 * standing reason, when a frequency that was refused may be good by now, or
 * when the host started anew; never because another vote won. A guest that
 * repeats itself drops the repeat while this word is as it was.
 * Reason told last (bits 0-7), epoch (8-15), low half of the incarnation
 * (16-31), number of changes in this incarnation (32-63).
 */
struct frq_verdict {
	uint8_t reason;		/* enum frq_reason */
	uint8_t epoch;
	uint16_t incarnation;
	uint32_t changes;
};

static inline uint64_t
frq_verdict_pack(struct frq_verdict v)
{
	return (uint64_t)v.reason | (uint64_t)v.epoch << 8 |
		(uint64_t)v.incarnation << 16 | (uint64_t)v.changes << 32;
}

static inline struct frq_verdict
frq_verdict_unpack(uint64_t w)
{
	return (struct frq_verdict){
		.reason = (uint8_t)w,
		.epoch = (uint8_t)(w >> 8),
		.incarnation = (uint16_t)(w >> 16),
		.changes = (uint32_t)(w >> 32),
	};
}

/* Refusal: sequence (bits 0-15), reason (16-23), operation (24-31),
 * argument (40-63). Refusal number N, counted from 0, is in entry
 * N % FRQ_REFUSAL_LOG; of a burst only the last may be recorded.
 */
struct frq_refusal {
	uint16_t seq;
	uint8_t reason;
	uint8_t op;
	uint32_t arg;
};

static inline uint64_t
frq_refusal_pack(struct frq_refusal r)
{
	return (uint64_t)r.seq | (uint64_t)r.reason << 16 |
		(uint64_t)r.op << 24 | (uint64_t)(r.arg & FRQ_ARG_MAX) << 40;
}

static inline struct frq_refusal
frq_refusal_unpack(uint64_t w)
{
	return (struct frq_refusal){
		.seq = (uint16_t)w,
		.reason = (uint8_t)(w >> 16),
		.op = (uint8_t)(w >> 24),
		.arg = (uint32_t)(w >> 40),
	};
}

/*
 * Host word: what the host as a whole is about to do or did (bits 0-7), how it
 * sleeps (8-15), how often it slept since the daemon started (16-31, wraps),
 * milliseconds (32-63): until it sleeps, about, as of when that was written; or
 * for how long it slept.
 */
enum frq_host_state {
	FRQ_HOST_AWAKE = 0,		/* nothing to tell */
	FRQ_HOST_SUSPENDING = 1,	/* goes to sleep soon */
	FRQ_HOST_RESUMED = 2,		/* slept */
	FRQ_HOST_STAYED = 3,		/* was to sleep, and did not */
};

enum frq_host_sleep {
	FRQ_HOST_SLEEP_UNKNOWN = 0,	/* somebody else's doing */
	FRQ_HOST_SLEEP_MEM = 1,
	FRQ_HOST_SLEEP_DISK = 2,
	FRQ_HOST_SLEEP_HYBRID = 3,
};

struct frq_host {
	uint8_t state;		/* enum frq_host_state */
	uint8_t sleep;		/* enum frq_host_sleep */
	uint16_t count;
	uint32_t ms;
};

static inline uint64_t
frq_host_pack(struct frq_host h)
{
	return (uint64_t)h.state | (uint64_t)h.sleep << 8 | (uint64_t)h.count << 16 |
		(uint64_t)h.ms << 32;
}

static inline struct frq_host
frq_host_unpack(uint64_t w)
{
	return (struct frq_host){
		.state = (uint8_t)w,
		.sleep = (uint8_t)(w >> 8),
		.count = (uint16_t)(w >> 16),
		.ms = (uint32_t)(w >> 32),
	};
}

/*
 * Two cache lines: the first changes with each request, the second only when
 * there is something to tell, so that a guest which looks at the verdict with
 * each post finds it in its own cache.
 */
struct frq_state_line {
	uint64_t applied;	/* struct frq_applied */
	uint64_t now;		/* struct frq_now */
	uint64_t wish_khz;	/* wish in force in kHz, 0: no opinion, or no figure yet */
	uint64_t lease_left_ms;	/* 0: no lease; as of the applier's last look */
	uint64_t reserved0[4];
	uint64_t verdict;	/* struct frq_verdict */
	uint64_t refusals;	/* total of this channel in this epoch */
	uint64_t host;		/* struct frq_host; with FRQ_FEATURE_HOST, else 0 */
	uint64_t reserved1;
	uint64_t refusal[FRQ_REFUSAL_LOG]; /* struct frq_refusal */
};

/* ---- frequency table (host, applier) ------------------------------------
 * version is odd while the table changes; a reader copies, and tries again
 * when version was odd or is not what it was. Highest frequency first.
 */
struct frq_freq_table {
	uint64_t version;
	uint32_t nb_freqs;	/* at most FRQ_MAX_FREQS; 0: no table */
	uint32_t turbo;		/* 1: khz[0] is the turbo state */
	uint32_t khz[FRQ_MAX_FREQS + 1];
	uint64_t reserved[30];
};

/* ---- pinned ------------------------------------------------------------- */

static_assert(sizeof(struct frq_header) == 192, "header");
static_assert(offsetof(struct frq_header, magic) == 0, "header.magic");
static_assert(offsetof(struct frq_header, version) == 8, "header.version");
static_assert(offsetof(struct frq_header, region_size) == 16, "header.region_size");
static_assert(offsetof(struct frq_header, nb_channels) == 24, "header.nb_channels");
static_assert(offsetof(struct frq_header, nb_slots) == 32, "header.nb_slots");
static_assert(offsetof(struct frq_header, features) == 40, "header.features");
static_assert(offsetof(struct frq_header, life) == 64, "header.life");
static_assert(offsetof(struct frq_header, heartbeat) == 72, "header.heartbeat");
static_assert(offsetof(struct frq_header, uuid) == 128, "header.uuid");

static_assert(sizeof(struct frq_ring) == 512, "ring");
static_assert(sizeof(struct frq_consumed_line) == 64, "consumed line");
static_assert(offsetof(struct frq_consumed_line, consumed) == 0, "consumed");
static_assert(offsetof(struct frq_consumed_line, ping) == 8, "ping");
static_assert(offsetof(struct frq_consumed_line, owner) == 16, "owner");

static_assert(sizeof(struct frq_state_line) == 128, "state line");
static_assert(offsetof(struct frq_state_line, applied) == 0, "applied");
static_assert(offsetof(struct frq_state_line, now) == 8, "now");
static_assert(offsetof(struct frq_state_line, wish_khz) == 16, "wish_khz");
static_assert(offsetof(struct frq_state_line, lease_left_ms) == 24, "lease_left_ms");
static_assert(offsetof(struct frq_state_line, verdict) == 64, "verdict");
static_assert(offsetof(struct frq_state_line, refusals) == 72, "refusals");
static_assert(offsetof(struct frq_state_line, host) == 80, "host");
static_assert(offsetof(struct frq_state_line, refusal) == 96, "refusal");

static_assert(sizeof(struct frq_freq_table) == 512, "frequency table");
static_assert(offsetof(struct frq_freq_table, version) == 0, "table.version");
static_assert(offsetof(struct frq_freq_table, nb_freqs) == 8, "table.nb_freqs");
static_assert(offsetof(struct frq_freq_table, turbo) == 12, "table.turbo");
static_assert(offsetof(struct frq_freq_table, khz) == 16, "table.khz");
static_assert(offsetof(struct frq_freq_table, reserved) == 272, "table.reserved");

static_assert((FRQ_RING_SLOTS & (FRQ_RING_SLOTS - 1)) == 0 && FRQ_RING_SLOTS < 256,
	"a doorbell byte must not alias");
static_assert(FRQ_OFF_HEADER + sizeof(struct frq_header) <= FRQ_OFF_DOORBELL, "layout");
static_assert(FRQ_OFF_DOORBELL + FRQ_MAX_CHANNELS <= FRQ_OFF_CONSUMED, "layout");
static_assert(FRQ_OFF_CONSUMED + FRQ_MAX_CHANNELS * sizeof(struct frq_consumed_line)
	<= FRQ_OFF_STATE, "layout");
static_assert(FRQ_OFF_STATE + FRQ_MAX_CHANNELS * sizeof(struct frq_state_line)
	<= FRQ_OFF_RING, "layout");
static_assert(FRQ_OFF_RING + FRQ_MAX_CHANNELS * sizeof(struct frq_ring)
	<= FRQ_OFF_TABLE, "layout");
static_assert(FRQ_OFF_TABLE + FRQ_MAX_CHANNELS * sizeof(struct frq_freq_table)
	<= FRQ_OFF_END, "layout");
static_assert(FRQ_OFF_END <= FRQ_REGION_SIZE, "layout");

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the region is little-endian and this code does not convert"
#endif

#endif /* FREQRING_ABI_H */
