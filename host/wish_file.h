/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wish_file.h - what the daemon must not forget when it is killed
 *
 * One file per VM below the state folder, on tmpfs, mapped and private to
 * the host. The poller stores a channel's wish and cursor there as one word
 * before it tells the guest "consumed"; what was consumed survives kill -9
 * of the daemon, and goes with the host when that reboots. Only the poller
 * writes the slots while it polls the VM.
 */
#ifndef FRQ_WISH_FILE_H
#define FRQ_WISH_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "freqring_abi.h"
#include "region.h"

/* A channel's slot: words, each stored at once. */
struct wish_slot {
	uint64_t wish;		/* struct wish */
	uint64_t lease_end_ms;	/* CLOCK_MONOTONIC, 0: no lease */
	uint64_t refusal;	/* the last one, struct frq_refusal */
	uint64_t refusals;	/* their total */
	uint64_t requests;	/* consumed since the region was made */
	uint64_t reserved[3];
};

/* What has to be the same for the slots to be about the same region. */
struct wish_file_identity {
	uint8_t uuid[16];
	uint64_t region_dev, region_ino;
	uint64_t qemu_pid;
	uint64_t qemu_start;	/* start time, so a reused pid is another process */
};

struct wish_file_header {
	uint64_t magic;
	struct wish_file_identity identity;
	uint64_t epoch;
	uint64_t incarnation;
	uint64_t speaks[FRQ_MAX_CHANNELS / 64];	/* see vms_speaker.c; the control thread's */
	uint64_t reserved[2];
	uint64_t complete;	/* magic again, stored last */
};

struct wish_file {
	struct wish_file_header *header;
	struct wish_slot *slot;		/* FRQ_MAX_CHANNELS of them */
	char path[512];
};

/**
 * Open the file of a VM, or make it.
 *
 * @param[out] same  whether it was there and is complete and made for `id`;
 *	if not, wish_file_begin() has to void it
 */
int wish_file_open(struct wish_file *f, const char *state_dir, const char *uuid_text,
	const struct wish_file_identity *id, bool *same, struct frq_err *err);

/** Void the slots and remember a new life. */
void wish_file_begin(struct wish_file *f, const struct wish_file_identity *id,
	struct frq_life life);

/** Remove it from the folder; the mapping stays usable. */
void wish_file_remove(const struct wish_file *f);

/** Unmap; the file stays. */
void wish_file_close(struct wish_file *f);

#endif /* FRQ_WISH_FILE_H */
