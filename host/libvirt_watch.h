/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libvirt_watch.h - a thread that keeps the map of VMs true
 *
 * Opens a read-only connection, registers for events of domains, and builds a
 * new map when one comes (then it reads that domain only), at every change of
 * the connection, and once a second (vCPU hotplug and taskset send no event).
 * When libvirt goes away it says so, tries again with backoff, registers
 * everything anew and reads everything again; VMs are not dropped meanwhile.
 */
#ifndef FRQ_LIBVIRT_WATCH_H
#define FRQ_LIBVIRT_WATCH_H

#include "cpuset.h"
#include "guest_sleep.h"
#include "vm_map.h"

struct libvirt_watch;

struct libvirt_watch_config {
	const char *uri;
	const char *shmem_prefix;	/* "freqring-" */
	struct cpuset affinity;		/* where its threads may run; empty: as it is */
	/*
	 * Called on the libvirt thread with a map that differs from the one
	 * before (and with the first); the callee owns it. A map with
	 * connected == false has no VMs in it and says only that.
	 */
	void (*changed)(struct vm_map *map, void *arg);
	/*
	 * Called on the thread of libvirt's loop with each event that says how a
	 * guest sleeps, before the map that shows it.
	 */
	void (*pm)(const uint8_t uuid[16], enum guest_pm pm, struct sleep_time at, void *arg);
	void *arg;
};

/** Counters; any thread may read them. */
struct libvirt_watch_stats {
	uint64_t events, maps_read, maps_changed, connects, disconnects, errors;
	bool connected;
	char last_error[200];	/* "": there was none since it connected */
};

/** Read everything anew, now. Any thread. */
void libvirt_watch_refresh(struct libvirt_watch *w);

/** @return 0 or a negative errno; the connection itself is made later, on the thread */
int libvirt_watch_start(struct libvirt_watch **w, const struct libvirt_watch_config *c,
	struct frq_err *err);
void libvirt_watch_get_stats(struct libvirt_watch *w, struct libvirt_watch_stats *st);
/**
 * Stops its threads, closes the connection, waits for both; after it nothing
 * is handed over any more. A call that a daemon does not answer cannot be
 * taken back: after two seconds the threads are left behind instead.
 */
void libvirt_watch_stop(struct libvirt_watch *w);

#endif /* FRQ_LIBVIRT_WATCH_H */
