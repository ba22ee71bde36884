/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring_vhost.h - requests as frames of a virtio-net port, version 1
 *
 * The port carries nothing else. A guest sends on its transmit queue N what
 * it would store into ring N of a region (freqring_abi.h), one request word a
 * frame; the host sends on receive queue N what it would store into the lines
 * of channel N. The queue decides the channel and the channel the vCPU: a
 * frame that names another channel than its queue's came out of the wrong
 * queue, and is dropped.
 *
 * All is little-endian but the EtherType, as Ethernet has it. The frames
 * have a fixed length, without the 12 bytes of virtio's header in front of
 * them (struct virtio_net_hdr_mrg_rxbuf, zero). docs/protocol.md has it in
 * words.
 */
#ifndef FREQRING_VHOST_H
#define FREQRING_VHOST_H

#include "freqring_abi.h"

/* IEEE 802, local experimental EtherType 1. */
#define FRQ_VHOST_ETHERTYPE	0x88b5u
#define FRQ_VHOST_VERSION	1u

/* Hardware addresses that start so are ports of ours ("frq", locally administered). */
#define FRQ_VHOST_MAC_PREFIX	{ 0x02, 0x66, 0x72, 0x71 }
#define FRQ_VHOST_MAC_PREFIX_LEN 4u

/* Of virtio 1: what stands before each frame in a buffer. */
#define FRQ_VHOST_NET_HEADER	12u

/* Queue pairs of a port: a vCPU beyond has none. */
#define FRQ_VHOST_MAX_PAIRS	64u

enum frq_vhost_kind {
	FRQ_VHOST_REQUEST = 1,	/* guest: word is a request */
	FRQ_VHOST_HELLO = 2,	/* guest: word is any, comes back with the answer */
	FRQ_VHOST_STATE = 3,	/* host */
	FRQ_VHOST_TABLE = 4,	/* host */
};

struct frq_vhost_head {
	uint8_t to[6];
	uint8_t from[6];
	uint8_t ethertype[2];	/* 0x88, 0xb5 */
	uint8_t version;	/* FRQ_VHOST_VERSION */
	uint8_t kind;		/* enum frq_vhost_kind */
};

/* From the guest. */
struct frq_vhost_request {
	struct frq_vhost_head head;
	uint64_t word;
	uint16_t channel;	/* that it is meant for; the queue decides */
	uint8_t zero[38];
};

/*
 * From the host: the words of a channel. Sent after a hello, when one of them
 * has changed since the last frame, and else some tens of times a second for
 * the heartbeat, to queues that said hello.
 */
struct frq_vhost_state {
	struct frq_vhost_head head;
	uint16_t channel;
	uint16_t nb_channels;
	uint32_t zero0;
	uint64_t life;		/* the header's, as the four after it */
	uint64_t heartbeat;
	uint64_t features;
	uint8_t uuid[16];
	uint64_t hello;		/* word of the last hello on this queue; 0: none */
	uint64_t consumed;	/* the consumed line's, as the two after it */
	uint64_t ping;
	uint64_t owner;
	uint64_t applied;	/* the state line's, from here on */
	uint64_t now;
	uint64_t wish_khz;
	uint64_t lease_left_ms;
	uint64_t verdict;
	uint64_t refusals;
	uint64_t refusal[FRQ_REFUSAL_LOG];
	uint8_t zero1[16];
};

/* From the host: a channel's frequency table, after a hello and when it changed. */
struct frq_vhost_table {
	struct frq_vhost_head head;
	uint16_t channel;
	uint8_t zero0[6];
	uint64_t version;
	uint32_t nb_freqs;
	uint32_t turbo;
	uint32_t khz[FRQ_MAX_FREQS + 1];
	uint8_t zero1[24];
};

static_assert(sizeof(struct frq_vhost_head) == 16, "head");
static_assert(offsetof(struct frq_vhost_head, ethertype) == 12, "head.ethertype");
static_assert(offsetof(struct frq_vhost_head, version) == 14, "head.version");
static_assert(offsetof(struct frq_vhost_head, kind) == 15, "head.kind");

static_assert(sizeof(struct frq_vhost_request) == 64, "request");
static_assert(offsetof(struct frq_vhost_request, word) == 16, "request.word");
static_assert(offsetof(struct frq_vhost_request, channel) == 24, "request.channel");

static_assert(sizeof(struct frq_vhost_state) == 192, "state");
static_assert(offsetof(struct frq_vhost_state, channel) == 16, "state.channel");
static_assert(offsetof(struct frq_vhost_state, life) == 24, "state.life");
static_assert(offsetof(struct frq_vhost_state, uuid) == 48, "state.uuid");
static_assert(offsetof(struct frq_vhost_state, hello) == 64, "state.hello");
static_assert(offsetof(struct frq_vhost_state, consumed) == 72, "state.consumed");
static_assert(offsetof(struct frq_vhost_state, applied) == 96, "state.applied");
static_assert(offsetof(struct frq_vhost_state, verdict) == 128, "state.verdict");
static_assert(offsetof(struct frq_vhost_state, refusal) == 144, "state.refusal");

static_assert(sizeof(struct frq_vhost_table) == 320, "table");
static_assert(offsetof(struct frq_vhost_table, version) == 24, "table.version");
static_assert(offsetof(struct frq_vhost_table, khz) == 40, "table.khz");

#endif /* FREQRING_VHOST_H */
