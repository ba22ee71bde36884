/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_sleep.h - whether a guest sleeps, and since when
 *
 * libvirt shows a guest in S3, but not since when; one in S4 it shows as shut
 * off. Its events say both, once. So what is known is folded from events and
 * maps, each with the time at which it was true: a map that began to be read
 * before the last event of the guest is not heard about its sleep.
 *
 * Pure functions on plain data.
 */
#ifndef FRQ_GUEST_SLEEP_H
#define FRQ_GUEST_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "vm_map.h"

enum sleep_kind {
	SLEEP_NONE,
	SLEEP_MEM,	/* S3, or both: its QEMU is there, its vCPUs stand still */
	SLEEP_DISK,	/* S4: its QEMU ended or is about to */
};

/* Of libvirt, about one guest. */
enum guest_pm {
	GUEST_PM_SUSPEND,
	GUEST_PM_SUSPEND_DISK,
	GUEST_PM_WAKEUP,
	GUEST_PM_STARTED,	/* a QEMU was started for it */
};

/* A moment, by the clocks that are needed. */
struct sleep_time {
	uint64_t mono_ns;	/* CLOCK_MONOTONIC */
	int64_t real_ms;	/* CLOCK_REALTIME */
};

struct guest_sleep {
	enum sleep_kind kind;
	int64_t since_ms;	/* CLOCK_REALTIME, 0: before we looked */
	uint64_t since_ns;	/* CLOCK_MONOTONIC, likewise */
	uint64_t event_ns;	/* CLOCK_MONOTONIC of the last event, 0: none yet */
	uint64_t wake_at_ms;	/* CLOCK_BOOTTIME, when it is to be woken; 0: it is not */
};

/* What a guest woke up from, with the rest still as it was. */
struct guest_woke {
	enum sleep_kind from;	/* SLEEP_NONE: it did not */
	int64_t since_ms;
	uint64_t since_ns;
};

/** An event of libvirt's. */
struct guest_woke guest_sleep_event(struct guest_sleep *g, enum guest_pm pm,
	struct sleep_time at);

/**
 * What a map says of it.
 *
 * @param read_ns  CLOCK_MONOTONIC when the map began to be read
 */
struct guest_woke guest_sleep_map(struct guest_sleep *g, enum vm_run_state state,
	uint64_t read_ns);

#endif /* FRQ_GUEST_SLEEP_H */
