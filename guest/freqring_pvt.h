/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring_pvt.h - what the parts of libfreqring share
 *
 * For the library's own files and its unit tests; not installed. The hot path
 * is request.c; whatever is not a plain repeat or a plain post goes through
 * the channel's transport.
 */
#ifndef FREQRING_PVT_H
#define FREQRING_PVT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "freqring.h"
#include "freqring_serial.h"
#include "region.h"
#include "ring.h"

#define FRQ_API __attribute__((visibility("default")))

#define frq_likely(x) __builtin_expect(!!(x), 1)
#define frq_unlikely(x) __builtin_expect(!!(x), 0)

struct frq_transport;
struct frq_serial;
struct frq_vhost;

/* Where the system keeps its things; elsewhere in tests. */
struct frq_places {
	const char *sysfs;	/* "/sys" */
	const char *dev;	/* "/dev" */
};

/* A region as it is mapped, for as long as somebody uses it. */
struct frq_link {
	struct frq_region region;
	char name[64];		/* PCI address, or the end of a path */
	char dir[256];		/* the device's folder in sysfs; "" for a file */
	enum freqring_mapping mapping;
	unsigned int load_ns_x10, store_ns_x10;
	unsigned int users;
	unsigned int number;	/* no two of a handle have the same */
};

struct freqring {
	struct frq_places places;
	char *device;		/* of the options, or NULL */
	char *port;		/* likewise */
	unsigned int which_port;	/* of those that look like ours, where none is named */
	char vm_name[FRQ_SERIAL_NAME_SIZE];
	enum freqring_transport forced;
	uint64_t stale_ns;
	void (*moved)(void *arg, enum freqring_transport from, enum freqring_transport to,
		const char *why);
	void *moved_arg;
	void (*host)(void *arg, unsigned int vcpu, enum freqring_host host, uint32_t ms);
	void *host_arg;

	const struct frq_transport *chosen;	/* by freqring_open */

	/* Channels of several threads come for it after they moved away. */
	pthread_mutex_t link_lock;
	struct frq_link *link;		/* the newest; NULL: none */
	unsigned int nb_links;
	uint64_t link_retry_ns;		/* when a device is looked for again */
	bool uncached;			/* the newest link is */

	unsigned int transport;		/* enum freqring_transport, of who moved last */
	uint64_t moves;

	/* The heartbeat as freqring_get_info saw it, and since when it was that. */
	uint64_t heartbeat, heartbeat_since_ns;
	unsigned int heartbeat_link;	/* the number of the link it is of */
	bool heartbeat_seen, alive;

	struct freqring_channel *channels;	/* a list */

	/* What freqring_error() answers. Channels of several threads store
	 * here, so they store sentences that never change; err is for the
	 * calls that must not run at the same time.
	 */
	const char *error;
	struct frq_err err;
	char tried[640];	/* by freqring_open, in vain */
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
	const uint64_t FRQ_SHARED *quick_word; /* verdict_word; uncached: &never */
	uint64_t verdict;		/* the word as it was when last dealt with */
	frq_ask_t asked_wish;		/* a repeat of it is dropped; 0: nothing is */
	frq_ask_t asked_turbo;
	uint64_t quiet_left;		/* calls until the next look at the host */
	uint64_t quiet_given;		/* those dropped so far are the difference */
	uint64_t dropped;		/* before that */
	bool uncached;

	/* What the host says a verdict is; a verdict is never all ones. */
	const uint64_t FRQ_SHARED *verdict_word;
	uint64_t never;
	uint64_t next_look_ns;		/* uncached: when the word is due */

	struct frq_producer p __attribute__((aligned(64)));
	uint64_t posted;
	uint32_t nb_pings;		/* since the last request that is applied */
	uint16_t before_pings;		/* sequence after that request, if there are pings */

	/* Credit that is kept back, so that a post comes by and looks. */
	uint16_t withheld, held_at;

	/* What is stated again when the host has lost it, while asked_wish and
	 * asked_turbo are 0; else that is these (frq_wish, frq_turbo).
	 */
	bool relative;			/* the last wish was a step up or down */
	bool restate_due;		/* the host has not been told yet */
	frq_ask_t wish, turbo;
	bool tell_host;			/* it is to be told what the host does */
	uint64_t host_word;		/* as last told */
	uint32_t seen_khz;		/* the host's idea of the wish, 0: not seen */

	const char *mute;		/* why it may not ask (any more), or NULL */
	int mute_error;
	uint64_t full, restated, moves;
	unsigned int vcpu;
	struct freqring *fr;
	struct freqring_channel *next;

	const struct frq_transport *t;	/* NULL while it is being made */
	const uint64_t FRQ_SHARED *now_word; /* struct frq_now */
	uint32_t look_every;		/* calls */
	uint32_t slow_posts;
	uint64_t looked_ns, failed_ns;	/* coarse clock */
	uint64_t retry_ns;		/* when another transport may be tried again */
	unsigned int awaited;		/* transports that had their second look, bit by id */
	uint64_t settle_ns;		/* when to say all again after a move; 0: not */

	/* What recover.c, wait.c and status.c look at: the link's region, or
	 * vhost.c's copy of what the host says; NULL: there is nothing like it.
	 */
	const struct frq_region *region;

	/* Shared memory; link is NULL where the channel is elsewhere. */
	struct frq_link *link;
	uint32_t incarnation;		/* whole; the producer has the low byte */
	uint32_t nonce;
	uint64_t owner_before;		/* owner word when we attached */
	uint64_t attach_word;		/* our attach, as it was posted */
	uint64_t beat, beat_ns;		/* the heartbeat, and when it was last looked at */
	uint64_t still_ns;		/* for how long it was seen to stand */
	uint64_t next_beat;		/* of a link that may be used next */
	unsigned int next_link;		/* its number; 0: none was looked at */

	struct frq_serial *serial;	/* NULL: never was there */
	struct frq_vhost *vhost;	/* likewise */
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

/**
 * Drop the wish `a` if it is the plain case of a repeat: what the request path
 * does first, for who has no call to spare.
 *
 * @return false: nothing was done; ask
 */
static inline bool
frq_drop_repeat(struct freqring_channel *ch, frq_ask_t a)
{
	/* Pairs with the applier's store, host/state_line.c. */
	if (frq_unlikely(ch->asked_wish != a || ch->quiet_left <= 1 ||
	    frq_load64(ch->quick_word) != ch->verdict))
		return false;
	ch->quiet_left--;
	return true;
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

/* ---- a transport ----------------------------------------------------------
 *
 * The slow paths. A transport gives a channel its verdict_word and now_word;
 * the fast paths post into the ring as long as p has credit, so one without
 * a ring never gives any. To add one: a file with such a table, and a row in
 * transport.c.
 */
struct frq_transport {
	enum freqring_transport id;
	const char *name;

	/** Is it there? @return 0; else *why says what is missing */
	int (*find)(struct freqring *fr, struct frq_err *why);

	/** Whether the host answers; waits for that 150 ms at most. */
	bool (*answers)(struct freqring *fr, struct frq_err *why);

	/** Whether it has this vCPU. @return 0 or -EINVAL */
	int (*check_vcpu)(struct freqring *fr, unsigned int vcpu);

	/**
	 * Take the vCPU's channel. Unless it returns 0, the channel is as it was.
	 *
	 * @param live  only if the host answers now; without, the sentence of
	 *	frq_fail() says what failed
	 * @return 0; live, -EAGAIN: a second look, soon, will tell
	 */
	int (*attach)(struct freqring_channel *ch, bool live);

	/** Only look at it. */
	int (*observe)(struct freqring_channel *ch);

	/**
	 * Give it back; the channel may be elsewhere already.
	 *
	 * @param withdraw  also what the host has not consumed yet
	 */
	void (*leave)(struct freqring_channel *ch, bool withdraw);

	/** @return 0; -EAGAIN, -ESTALE (heed first), -ENOTCONN, -EOPNOTSUPP */
	int (*post)(struct freqring_channel *ch, enum frq_op op, uint32_t arg);

	/** -EAGAIN was the answer: count it and say why. @return the error */
	int (*full)(struct freqring_channel *ch);

	/** What is posted to state `a` again; 0: that cannot be said here. */
	frq_ask_t (*carry)(frq_ask_t a);

	/**
	 * The verdict word changed: find out why, and whether the wish has to
	 * be stated again.
	 *
	 * @param[out] verdict  what it was dealt with as
	 */
	int (*heed)(struct freqring_channel *ch, uint64_t *verdict);

	/** Look after the channel. @return why to leave, or NULL */
	const char *(*look)(struct freqring_channel *ch, uint64_t now_ns);

	/** @return 0, -ETIMEDOUT, ...; -EINTR: looked at, call again */
	int (*wait)(struct freqring_channel *ch, bool applied, uint64_t end_ns);

	int (*status)(struct freqring_channel *ch, struct freqring_status *st);
	int (*freqs)(const struct freqring_channel *ch, struct freq_table *t);
	int (*query_khz)(struct freqring_channel *ch, uint32_t *khz);
	int (*query_caps)(struct freqring_channel *ch, struct freqring_caps *caps);
	int (*info)(struct freqring *fr, struct freqring_info *info, unsigned int timeout_ms);
};

extern const struct frq_transport frq_ivshmem;	/* ivshmem.c */
extern const struct frq_transport frq_vhost;	/* vhost.c */
extern const struct frq_transport frq_serial;	/* serial.c */

/* ---- transport.c ---------------------------------------------------------- */

/** The transport with that number; one that is in use, or chosen. */
const struct frq_transport *frq_transport_of(unsigned int id);

/** Attach a channel that the chosen transport did not take to another that answers now. */
bool frq_take_elsewhere(struct freqring_channel *ch);

/** Find and choose. @return 0, or what freqring_open returns */
int frq_choose(struct freqring *fr);

/** The wish and turbo once more. @return 0, or what post returned */
int frq_restate(struct freqring_channel *ch);

/**
 * The verdict word changed, or the host has to be told again: put that right,
 * if need be on another transport.
 *
 * @return 0; -ENOTCONN; -EAGAIN
 */
int frq_recover(struct freqring_channel *ch);

/**
 * Look after the channel unless that was done a few milliseconds ago, and
 * decide after how many calls to come again. The channel may have moved, and
 * its verdict changed.
 */
void frq_look(struct freqring_channel *ch);

/** A call failed: is there a better place? @return whether the channel moved */
bool frq_fail_over(struct freqring_channel *ch);

/* ---- link.c --------------------------------------------------------------- */

/** Map what the options say, as the handle's newest link. */
int frq_link_open(struct freqring *fr, struct frq_err *err);

/**
 * The newest link, with one more user, of a device that is still plugged in;
 * looks for it. NULL: there is none.
 */
struct frq_link *frq_link_get_plugged(struct freqring *fr, uint64_t now_ns);

void frq_link_put(struct freqring *fr, struct frq_link *link);

/** Whether the device that was mapped is still there. */
bool frq_link_plugged(const struct frq_link *link);

/* ---- sigbus.c ------------------------------------------------------------- */

/** From now on a fault in this region reads as zero. */
void frq_sigbus_watch(const struct frq_region *r);
void frq_sigbus_unwatch(const struct frq_region *r);

/* ---- device.c ------------------------------------------------------------- */

/**
 * Map the device or file `device`, or look for one.
 *
 * @param sysfs  where sysfs is; "/sys" outside tests
 * @param[out] link  region, name and dir
 */
int frq_device_open(struct frq_link *link, const char *device, const char *sysfs,
	struct frq_err *err);

/* ---- handle.c ------------------------------------------------------------- */

/** freqring_open with the system's things elsewhere. */
int frq_open(struct freqring **fr, const struct freqring_options *options,
	const struct frq_places *places);

/** Note what went wrong, in a sentence that lives for ever. @return ret */
int frq_fail(struct freqring *fr, int ret, const char *sentence);

/* ---- clock.c -------------------------------------------------------------- */

/** CLOCK_MONOTONIC in ns. */
uint64_t frq_now_ns(void);

/** CLOCK_MONOTONIC_COARSE in ns: a few ns to read, 1 to 4 ms behind. */
uint64_t frq_coarse_ns(void);

/* ---- mapping.c ------------------------------------------------------------ */

/** Time loads and stores of the region; sets mapping, load_ns_x10, store_ns_x10. */
void frq_mapping_measure(struct frq_link *link);

/** What one access takes, in 0.1 ns, by n (> 0) rounds with accesses and n without, in ns. */
unsigned int frq_mapping_cost(const uint32_t *round_ns, const uint32_t *empty_ns, unsigned int n);

/** The rule. */
enum freqring_mapping frq_mapping_judge(unsigned int load_ns_x10);

/* ---- claim.c -------------------------------------------------------------- */

/** @return 0, or -EBUSY: another open file of the same device has the vCPU */
int frq_claim(int fd, unsigned int vcpu);
void frq_unclaim(int fd, unsigned int vcpu);

/* ---- recover.c: shared memory --------------------------------------------- */

/** The region's header as a channel may use it. @return NULL, or why not */
const char *frq_life_problem(const struct frq_region *r, struct frq_life *life);

/** The same, noted. @return 0, or -ENOTCONN */
int frq_life_usable(const struct freqring_channel *ch, struct frq_life *life);

/** Withdraw what is in the ring, start on a free slot, post an attach. */
void frq_attach_post(struct freqring_channel *ch, struct frq_life life);

int frq_ring_heed(struct freqring_channel *ch, uint64_t *verdict);

/** Why the ring is full: -EAGAIN, or -ENOTCONN when nobody will ever drain it. */
int frq_ring_full(struct freqring_channel *ch);

/** Whether another program attached after us; mutes the channel if so. */
bool frq_taken_over(struct freqring_channel *ch);

/* ---- wait.c --------------------------------------------------------------- */

/** Whether the host has applied everything that was posted. */
bool frq_is_applied(const struct freqring_channel *ch);

int frq_ring_wait(struct freqring_channel *ch, bool applied, uint64_t end_ns);

/** Whether all that was posted is consumed or applied; one look. */
bool frq_ring_reached(struct freqring_channel *ch, bool applied);

/** Whether what is waited for may still come. @return 0, or why not */
int frq_ring_check(struct freqring_channel *ch);

/* ---- request.c ------------------------------------------------------------ */

/** Post what must not be said twice. @return 1, or a negative errno */
int frq_post_after_look(struct freqring_channel *ch, enum frq_op op, uint32_t arg);

/* ---- host.c --------------------------------------------------------------- */

/** The host word, if the host has one; 0: not. */
uint64_t frq_host_word(const struct freqring_channel *ch);

/** Tell the program what the host does, where that is news to it. */
void frq_host_look(struct freqring_channel *ch);

/** Ask to be told once more. @return 0, or what post returned */
int frq_host_restate(struct freqring_channel *ch);

/* ---- status.c ------------------------------------------------------------- */

int frq_ring_status(struct freqring_channel *ch, struct freqring_status *st);
int frq_ring_freqs(const struct freqring_channel *ch, struct freq_table *t);
int frq_ring_query_khz(struct freqring_channel *ch, uint32_t *khz);
int frq_ring_query_caps(struct freqring_channel *ch, struct freqring_caps *caps);
frq_ask_t frq_ring_carry(frq_ask_t a);

/** What a header says. */
void frq_ring_info(const struct frq_region *r, struct freqring_info *info);

/** Whether a heartbeat has stood still for too long, by the looks there were. */
bool frq_stands_still(struct freqring_channel *ch, uint64_t beat, uint64_t now_ns);

/* ---- vhost.c -------------------------------------------------------------- */

void frq_vhost_free(struct freqring_channel *ch);

/* ---- a port's frames ------------------------------------------------------
 *
 * vhost_packet.c sends them through the kernel, and a module of its own
 * (guest/ethdev/) through DPDK. Frame N belongs on queue N.
 */
struct frq_frames {
	/**
	 * @param device  as in freqring_options.port, or NULL: look for one
	 * @param which  of those that look like ours, from 0; where device names
	 *	one there is no other
	 * @param claim  keep others of this VM off the vCPU's queue
	 * @param[out] port  the module's
	 * @return 0; -ENODEV; -EACCES, -EPERM; -EBUSY; -EINVAL no such queue
	 */
	int (*open)(void **port, const struct frq_places *places, const char *device,
		unsigned int which, unsigned int vcpu, bool claim, struct frq_err *why);
	void (*close)(void *port);
	/** The port is still what was opened. */
	bool (*there)(const void *port);
	/** @return 0; -EAGAIN not now; -ENOTCONN never again */
	int (*send)(void *port, const void *frame, size_t len);
	/** @return length of the next frame, 0: there is none, -ENOTCONN */
	int (*receive)(void *port, void *frame, size_t size);
	/** Sleep until there may be a frame, that long at most. */
	void (*wait)(void *port, uint64_t ns);
	void (*name)(const void *port, char *name, size_t size);
	void (*address)(const void *port, uint8_t mac[6]);
};

extern const struct frq_frames frq_packet_frames;	/* vhost_packet.c */

/* ---- port.c --------------------------------------------------------------- */

/** The ports of this VM: bit N is vCPU N's. */
uint64_t frq_port_list(const struct frq_places *places);

/** The device node of vCPU N's port. @return 0, or -ENOENT */
int frq_port_path(const struct frq_places *places, unsigned int vcpu, char *path, size_t size);

/* ---- wire.c --------------------------------------------------------------- */

/* A port that is open: packets out, replies in, neither ever waits. */
struct frq_wire {
	int fd;				/* -1: closed */
	unsigned int tx_left;		/* of the packet under way, at the end of tx */
	unsigned int rx_len;
	uint8_t tx[sizeof(struct frq_serial_packet)];
	uint8_t rx[sizeof(struct frq_serial_packet)];
};

/** What may come in; `command` says which. */
union frq_wire_reply {
	struct frq_serial_packet packet;
	struct frq_serial_freq_list freqs;
	struct frq_serial_caps_list caps;
};

typedef void (*frq_wire_reply_fn)(void *arg, uint32_t command,
	const union frq_wire_reply *reply);

/** @return 0, or -errno of open() */
int frq_wire_open(struct frq_wire *w, const char *path);
void frq_wire_close(struct frq_wire *w);

/**
 * Send the rest of the packet under way.
 *
 * @return 0; -EAGAIN there is still some left; else the port is broken
 */
int frq_wire_flush(struct frq_wire *w);

/** Send a packet, all or nothing as the caller sees it. @return as frq_wire_flush */
int frq_wire_send(struct frq_wire *w, const struct frq_serial_packet *packet);

/**
 * Take in what there is and hand each whole reply on.
 *
 * @return 0; -ENOTCONN the other end is closed; -EPROTO these are no replies
 */
int frq_wire_read(struct frq_wire *w, frq_wire_reply_fn handle, void *arg);

/** Whether somebody holds the other end; waits for input that long. */
bool frq_wire_poll(const struct frq_wire *w, uint64_t wait_ns);

/** Nothing is under way any more, in neither direction. */
void frq_wire_reset(struct frq_wire *w);

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
