/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_host.h - the host's side of a region, played by a test of libfreqring
 *
 * Its poller is frq_consumer_*, its applier plain stores to the state line.
 */
#ifndef GUEST_HOST_H
#define GUEST_HOST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "freqring_pvt.h"

#define NB_VCPUS 4u
#define EPOCH 7u
#define INCARNATION 0x30001u

struct host {
	char dir[64], path[96];
	struct frq_region region;
	struct frq_life life;
	struct frq_consumer rx[NB_VCPUS];
	uint32_t verdict_changes;
	struct freqring *fr;
	struct freqring_channel *ch;
};

static inline void
host_publish_channels(struct host *h, bool anew)
{
	for (unsigned int i = 0; i < NB_VCPUS; i++) {
		h->rx[i] = (struct frq_consumer){
			.ring = frq_region_ring(&h->region, i),
			.line = frq_region_consumed(&h->region, i),
			.next = anew ? 0 : h->rx[i].next,
			.epoch = h->life.epoch,
			.incarnation = (uint8_t)h->life.incarnation,
		};
		frq_consumer_publish(&h->rx[i]);
	}
}

static inline void
host_set_life(struct host *h, struct frq_life life)
{
	h->life = life;
	frq_store64(&frq_region_header(&h->region)->life, frq_life_pack(life));
}

static inline void
host_verdict(struct host *h, unsigned int ch, enum frq_reason reason)
{
	frq_store64(&frq_region_state(&h->region, ch)->verdict,
		frq_verdict_pack((struct frq_verdict){
			.reason = (uint8_t)reason,
			.epoch = h->life.epoch,
			.incarnation = (uint16_t)h->life.incarnation,
			.changes = ++h->verdict_changes,
		}));
}

static inline void
host_init(struct host *h, uint8_t epoch, uint32_t incarnation)
{
	const struct frq_region_info info = {
		.nb_channels = NB_VCPUS,
		.features = FRQ_FEATURE_TURBO | FRQ_FEATURE_SIMULATED,
		.uuid = { 0xab, 1, 2, 3 },
	};

	h->life = (struct frq_life){ .epoch = epoch, .incarnation = incarnation };
	frq_region_init(&h->region, &info, h->life);
	host_publish_channels(h, true);
	for (unsigned int i = 0; i < NB_VCPUS; i++)
		host_verdict(h, i, FRQ_REASON_OK);
}

/* Take the next request of a channel, as the poller does; op 0: there is none. */
static inline struct frq_request
host_take(struct host *h, unsigned int ch)
{
	uint8_t bell = frq_load8(frq_region_doorbell(&h->region, ch));
	struct frq_consumer *rx = &h->rx[ch];
	struct frq_request r;
	uint64_t word;

	if (!frq_consumer_peek(rx, &word) && !frq_consumer_find_attach(rx, word, bell, &word))
		return (struct frq_request){ .op = FRQ_OP_NONE };
	r = frq_request_unpack(word);
	if (r.op == FRQ_OP_ATTACH)
		frq_store64(&rx->line->owner, word);
	frq_consumer_advance(rx);
	frq_consumer_publish(rx);
	return r;
}

static inline void
host_apply(struct host *h, unsigned int ch, uint32_t khz)
{
	frq_store64(&frq_region_state(&h->region, ch)->wish_khz, khz);
	frq_store64(&frq_region_state(&h->region, ch)->applied,
		frq_applied_pack((struct frq_applied){
			.next = h->rx[ch].next,
			.epoch = h->life.epoch,
			.wish = FRQ_WISH_KHZ,
			.granted_khz = khz,
		}));
}

/* A region in a file, in a folder of its own, freshly made. */
static inline int
host_make(struct host *h)
{
	const struct frq_region_file who = { .owner = 0, .group = (gid_t)-1 };
	struct frq_err err;
	bool made;

	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/test_guest.XXXXXX");
	if (mkdtemp(h->dir) == NULL)
		return -1;
	(void)snprintf(h->path, sizeof(h->path), "%s/region", h->dir);
	if (frq_region_open(&h->region, h->path, &who, &made, &err) < 0)
		return -1;
	host_init(h, EPOCH, INCARNATION);
	return 0;
}

#define assert_takes(h, ch, wanted_op) \
	assert_int_equal(host_take((h), (ch)).op, (wanted_op))

#endif /* GUEST_HOST_H */
