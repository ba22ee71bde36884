/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm.h - a VM that is served, and its channels
 *
 * Made and freed by the control thread (vms.c). In between each part has one
 * writing thread, named with it; others read counters only, with
 * counter_get(). Nothing here lies in memory that the guest can write, but
 * what `region` points at.
 */
#ifndef FRQ_VM_H
#define FRQ_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "arbiter.h"
#include "cpuset.h"
#include "freqring_abi.h"
#include "region.h"
#include "ring.h"
#include "wish.h"
#include "wish_file.h"

/* Regions: of 64 VMs, each with two of ring, vhost-user port and serial channels. */
#define FRQ_MAX_VMS 128u

/* A counter with one writer; readers on other threads get a whole value. */
static inline void
counter_add(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

static inline uint64_t
counter_get(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}

struct vm;

/* What the poller needs on each look comes first. */
struct channel {
	/* poller */
	struct frq_consumer rx;
	struct wish_slot *slot;
	struct wish wish;		/* private copy of slot->wish */
	struct vm *vm;			/* constant */
	uint16_t number;		/* constant: the vCPU */
	uint8_t empty_doorbells;	/* in a row */
	bool hot;
	bool quarantined;		/* read by others, atomically */
	uint32_t violations;		/* in this second */
	uint64_t last_turn;		/* in which it had a request */

	/* poller and applier */
	uint8_t queued;			/* on the queue to the applier */
	const struct freq_table *table;	/* of its core; applier stores, poller loads */
	enum frq_reason no_table;	/* why that is empty, likewise */

	/* applier; the words are as in the state line, other threads load them */
	struct {
		bool placed;			/* it was in a map */
		const struct cpuset *cpus;	/* that it votes on, part of the map */
		unsigned int nb_cpus;		/* 0: none, standing says why */
		enum frq_reason standing;	/* why it has no vote; OK: it has one */
		struct vote_rule rule;
		struct wish wish;		/* in force: as asked, or the fail-safe */
		uint64_t applied, now, wish_khz, lease_left_ms;
		enum frq_reason told;		/* the refusal that is no news; OK: any is */
		enum frq_reason said;		/* the reason in the verdict */
		bool reclaims;			/* asked though another transport speaks for it; the
						 * control thread takes it away, atomically */
		bool expired;			/* the lease ran out: fail-safe */
		bool asleep;			/* as in the map */
		bool woke;			/* the guest woke up and said nothing since */
		uint16_t woke_next;		/* wish.next then */
		uint64_t max_until_ms, kept_until_ms;	/* as in the map */
		struct wish kept;
		uint64_t host;			/* as published in the state line */
		uint32_t verdict_changes;
		uint64_t verdict;		/* as published, 0: not yet */
		uint64_t requests;		/* of slot->requests, as last looked at */
		uint64_t refusals_seen;		/* of slot->refusals */
		uint64_t table_version;
		const struct freq_table *table_published;
	} a;
} __attribute__((aligned(64)));

struct vm {
	/* control; constant while the VM is served */
	uint8_t uuid[16];
	char uuid_text[37];
	char name[256];			/* libvirt renames none that runs */
	struct frq_region region;
	struct wish_file file;
	struct frq_life life;
	unsigned int nb_channels;
	/* Nobody but the daemon maps its region: see serial.h, vhost.h */
	bool serial, vhost;
	struct frq_region_info info;
	char shmem_path[512];
	/* control stores, poller loads */
	uint64_t rate_limit;		/* requests a second, 0: none */
	/* control sets, applier takes: answers on serial channels wait, see wake.h */
	uint32_t answers_wait;
	/* control; once it is not served any more */
	struct vm *next_retired;
	uint64_t retired_in;		/* generation of the first map without it */

	/* poller */
	union {
		uint8_t byte[FRQ_MAX_CHANNELS];
		uint64_t word[FRQ_MAX_CHANNELS / 8];
	} cursor;			/* low ends, as the doorbells should be */
	uint64_t muted[FRQ_MAX_CHANNELS / 8]; /* 0xff in the byte of a muted channel */
	int64_t tokens;			/* of the rate limit, in thousandths of a request */
	uint64_t heartbeat;
	uint64_t throttled;		/* counter: looks skipped by the rate limit */
	uint64_t refused[FRQ_REASON_COUNT]; /* counters by cause */
	uint64_t empty_doorbells;	/* counter */
	uint64_t reattached;		/* counter: attaches after the first */
	bool channel_quarantined;	/* the control thread is not told yet */

	/* applier */
	uint64_t refused_applier[FRQ_REASON_COUNT];
	uint64_t lease_told_ms;		/* when the last lease that ran out was told of */

	/* signal handler stores, poller loads: the file was cut under us */
	bool broken;
	/* poller stores, control loads: it is not polled any more */
	bool quarantined;

	struct channel ch[FRQ_MAX_CHANNELS];
};

#endif /* FRQ_VM_H */
