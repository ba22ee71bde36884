/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_pair.h - requests and answers over the virtqueues of a vhost-user port
 *
 * What a guest sends on transmit queue N goes, checked, into ring N of a region
 * that nobody but the daemon maps, and the poller takes it from there like any
 * other request. What the host has to say of channel N goes out on receive
 * queue N. A frame is handed back to the guest only when the poller has taken
 * what was in it: one that a killed daemon did not hand back comes again, and
 * has a sequence that was taken already.
 *
 * The poller's thread runs this as a feeder; whoever makes a device hands it
 * over whole, and touches it again when it was taken back, but for counters.
 * Nothing here blocks or allocates. All of the guest's words are loaded once,
 * into private copies, and only these are judged and used.
 */
#ifndef FRQ_VHOST_PAIR_H
#define FRQ_VHOST_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "freqring_vhost.h"
#include "poller.h"
#include "vm.h"

#define VHOST_MAX_REGIONS 8u	/* of a guest's memory, as librte_vhost has it */

/* The guest's memory as it is mapped here. */
struct guest_memory {
	unsigned int nb;
	struct guest_region {
		uint64_t guest, size;	/* bytes */
		uint8_t *host;
	} region[VHOST_MAX_REGIONS];
};

/* A split virtqueue. */
struct vhost_ring {
	bool ready;
	uint16_t size;			/* a power of two */
	uint16_t next;			/* of avail, to be taken */
	uint16_t used_next;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	int call_fd;			/* eventfd, or -1 */
	bool call_due;			/* used was moved, and the guest not told */
};

/* What became of a frame. */
enum vhost_cause {
	VHOST_GOOD,
	VHOST_CHAINED,		/* more than one descriptor */
	VHOST_INDIRECT,
	VHOST_LENGTH,
	VHOST_ETHERTYPE,
	VHOST_VERSION,
	VHOST_KIND,
	VHOST_MISROUTED,	/* out of another channel's queue */
	VHOST_CAUSE_COUNT,
};

/** As status spells it. */
const char *vhost_cause_name(enum vhost_cause cause);

struct vhost_pair {
	struct vhost_ring tx, rx;	/* as the guest calls them */
	struct channel *ch;
	bool listens;			/* it said hello */
	bool hello_due, table_due;	/* answers to it */
	bool drop_told;			/* what is to be sent was counted as dropped */
	uint8_t mac[6];			/* the guest's */
	uint64_t hello;
	uint64_t said[6];		/* words of the last answer that change */
	uint64_t table_version;		/* of the last table that was sent */
	uint64_t said_tsc;
};

struct vhost_device {
	struct poller_feeder feeder;
	struct vm *vm;
	struct guest_memory memory;
	unsigned int nb_pairs;
	unsigned int next_pair, hot_pair;	/* whose turn it is; who asked last */
	uint64_t tsc_us;			/* TSC ticks a microsecond */
	uint64_t now;				/* TSC, some turns ago at most */
	unsigned int nb_turns;
	uint64_t next_call_tsc;
	bool broken;			/* memory was cut short: the handler of SIGBUS stores it */
	uint64_t calling;		/* the number of the write to an eventfd under way, 0: none */
	/* counters; any thread may read them */
	struct vhost_stats {
		uint64_t frames, hellos, answers, answers_dropped, calls;
		uint64_t causes[VHOST_CAUSE_COUNT];
	} stats;
	const char *fault;		/* why it is not served any more; NULL: it is */
	int notify_fd;			/* eventfd: there is a fault; or -1 */
	struct vhost_pair pair[FRQ_VHOST_MAX_PAIRS];
};

/**
 * Make a device that is not given to the poller. The pairs' rings are not
 * ready; channel N of the VM becomes pair N's.
 */
void vhost_device_init(struct vhost_device *d, struct vm *vm, uint64_t tsc_hz, int notify_fd);

/**
 * Set up a ring.
 *
 * @param base  where avail is looked at, and used goes on
 * @return whether size and alignment are those of a virtqueue, and all of it is in the
 * guest's memory
 */
bool vhost_ring_init(struct vhost_ring *r, const struct guest_memory *m,
	const struct vhost_ring *as, uint16_t avail_base, uint16_t used_base);

/**
 * Do not serve it any more, because its rings cannot be told from garbage.
 *
 * @param why  a sentence that lives for ever
 */
void vhost_device_give_up(struct vhost_device *d, const char *why);

/** One turn; the feeder. */
unsigned int vhost_device_poll(struct poller *p, void *arg);

/** Host address of guest memory, NULL where that is not all in one region. */
uint8_t *guest_memory_at(const struct guest_memory *m, uint64_t guest, uint64_t len);

#endif /* FRQ_VHOST_PAIR_H */
