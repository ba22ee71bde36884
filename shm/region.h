/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * region.h - make, open, map and address a region
 *
 * Mechanism only: which VM a region belongs to is the caller's business.
 * Not thread-safe for one region; the words inside are (shared.h). Calls
 * return 0 or a negative errno; those that can fail for a reason a person
 * has to mend also write one sentence into *err.
 */
#ifndef FRQ_REGION_H
#define FRQ_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "freqring_abi.h"
#include "shared.h"

/* A sentence about a failure, cut to size. */
struct frq_err {
	char text[256];
};

void frq_err_set(struct frq_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

struct frq_region {
	uint8_t FRQ_SHARED *base;	/* FRQ_REGION_SIZE bytes, or NULL */
	int fd;				/* the file behind it, or -1 */
};

#define FRQ_REGION_NONE ((struct frq_region){ .base = NULL, .fd = -1 })

/* Who may own the file behind a region, and what it gets when it is made. */
struct frq_region_file {
	uid_t owner;	/* accepted beside root and the caller's own user */
	gid_t group;	/* given to the file; (gid_t)-1: leave as it is */
};

/**
 * Open the file `path` of a region, or make it where there is none.
 *
 * A file that exists is opened without O_CREAT (fs.protected_regular refuses
 * that to root in a sticky directory) and accepted only when it is regular,
 * has one link, the exact size, and an owner that `who` allows; its mode
 * becomes 0660 and its group who->group where the caller may change them.
 *
 * @param[out] made  whether the file was made now
 * @return 0, -EINVAL (not such a file), or the errno of a call that failed
 */
int frq_region_open(struct frq_region *r, const char *path,
	const struct frq_region_file *who, bool *made, struct frq_err *err);

/** A region in a sealed memfd: nobody can shrink it. `name` is for people. */
int frq_region_memfd(struct frq_region *r, const char *name, struct frq_err *err);

/**
 * Map a PCI BAR through sysfs.
 *
 * @param dir  the device's folder below /sys/bus/pci/devices; its `resource2`
 *	is mapped, never `resource2_wc`, whose stores are unordered
 * @return 0; -EPERM where the kernel is locked down or the caller may not;
 *	-ENODEV where the BAR is smaller than a region
 */
int frq_region_bar(struct frq_region *r, const char *dir, struct frq_err *err);

/** Unmap and close; nothing is removed from the file system. */
void frq_region_close(struct frq_region *r);

/** What the host says about itself in a header. */
struct frq_region_info {
	unsigned int nb_channels;
	uint64_t features;
	uint8_t uuid[16];
};

/**
 * Host: void the contents and publish a header. The magic is taken away
 * first and stored last, so a guest never sees half of it.
 */
void frq_region_init(struct frq_region *r, const struct frq_region_info *info,
	struct frq_life life);

/** Host: publish a header over contents that stay valid (a restart). */
void frq_region_resume(struct frq_region *r, const struct frq_region_info *info,
	struct frq_life life);

/**
 * Guest: is this a region of our version?
 *
 * @return 0; -ENOENT no magic (no host yet, or another device); -EPROTO
 *	another version or geometry
 */
int frq_region_check(const struct frq_region *r, struct frq_err *err);

/* ---- addresses in a region; `ch` is below FRQ_MAX_CHANNELS -------------- */

static inline struct frq_header FRQ_SHARED *
frq_region_header(const struct frq_region *r)
{
	return (struct frq_header FRQ_SHARED *)(r->base + FRQ_OFF_HEADER);
}

/* Eight doorbell bytes at once; word 8 * L is the start of line L. */
static inline uint64_t FRQ_SHARED *
frq_region_doorbell_words(const struct frq_region *r)
{
	return (uint64_t FRQ_SHARED *)(r->base + FRQ_OFF_DOORBELL);
}

static inline uint8_t FRQ_SHARED *
frq_region_doorbell(const struct frq_region *r, unsigned int ch)
{
	return r->base + FRQ_OFF_DOORBELL + ch;
}

static inline struct frq_ring FRQ_SHARED *
frq_region_ring(const struct frq_region *r, unsigned int ch)
{
	return (struct frq_ring FRQ_SHARED *)(r->base + FRQ_OFF_RING) + ch;
}

static inline struct frq_consumed_line FRQ_SHARED *
frq_region_consumed(const struct frq_region *r, unsigned int ch)
{
	return (struct frq_consumed_line FRQ_SHARED *)(r->base + FRQ_OFF_CONSUMED) + ch;
}

static inline struct frq_state_line FRQ_SHARED *
frq_region_state(const struct frq_region *r, unsigned int ch)
{
	return (struct frq_state_line FRQ_SHARED *)(r->base + FRQ_OFF_STATE) + ch;
}

static inline struct frq_freq_table FRQ_SHARED *
frq_region_table(const struct frq_region *r, unsigned int ch)
{
	return (struct frq_freq_table FRQ_SHARED *)(r->base + FRQ_OFF_TABLE) + ch;
}

/* ---- frequency table ----------------------------------------------------- */

/* A frequency table in private memory, highest first. */
struct freq_table {
	unsigned int nb;	/* 0: none */
	bool turbo;		/* khz[0] is the turbo state */
	uint32_t khz[FRQ_MAX_FREQS];
};

/** Host: publish `t` as the table of a channel. One writer a table. */
void frq_table_write(struct frq_freq_table FRQ_SHARED *shared, uint64_t *version,
	const struct freq_table *t);

/**
 * Guest: copy the table of a channel.
 *
 * @return 0; -EAGAIN when it kept changing; -EPROTO when its size is absurd
 */
int frq_table_read(const struct frq_freq_table FRQ_SHARED *shared, struct freq_table *t);

#endif /* FRQ_REGION_H */
