/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * events.h - what happened that an operator may want to know of
 *
 * The last EVENTS_KEPT of them, numbered from 1 on since the daemon started.
 * Any thread but the poller may raise one: it takes a lock, and writes a line
 * to the log.
 */
#ifndef FRQ_EVENTS_H
#define FRQ_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#define EVENTS_KEPT 256u

enum event_kind {
	EVENT_DRIFT,		/* somebody else changed governor or frequency of a CPU */
	EVENT_DRIFT_OVER,
	EVENT_REFUSED,		/* the kernel does not do what a CPU was set to */
	EVENT_REFUSED_OVER,
	EVENT_OFFLINE,		/* a CPU with votes on it */
	EVENT_ONLINE,
	EVENT_LEASE_EXPIRED,
	EVENT_LIBVIRT_LOST,
	EVENT_LIBVIRT_CONNECTED,
	EVENT_LIBVIRT_SYNCED,	/* everything was read anew */
	EVENT_SERVED,		/* a VM */
	EVENT_NOT_SERVED,	/* and why */
	EVENT_QUARANTINED,	/* a VM or some of its channels */
	EVENT_STATE,		/* a VM runs, is paused, suspended or off */
	EVENT_RENAMED,
	EVENT_PINNED,		/* a vCPU went to other CPUs */
	EVENT_PIN_DIFFERS,	/* a vCPU runs elsewhere than libvirt says */
	EVENT_VCPU,		/* plugged in or out */
	EVENT_DEVICE,		/* added to a domain or removed */
	EVENT_PM_SUSPEND,	/* a guest's S3 */
	EVENT_PM_SUSPEND_DISK,	/* S4 */
	EVENT_PM_WAKEUP,
	EVENT_VOTES,		/* given up by a guest that falls asleep, or back */
	EVENT_HOST_SUSPEND,	/* the host is about to sleep */
	EVENT_HOST_RESUMED,	/* it slept */
	EVENT_HOST_STAYED,	/* it was to sleep, and did not */
	EVENT_OPERATOR,		/* what an operator changed */
	EVENT_KIND_COUNT,
};

struct event_record {
	uint64_t number;
	int64_t time_ms;	/* CLOCK_REALTIME */
	enum event_kind kind;
	char vm[256];		/* name of the VM it is about; "": none */
	char text[200];
};

/** @param vm  name of the VM it is about, or NULL. Text without line end, cut to size. */
void event_raise(enum event_kind kind, const char *vm, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** An eventfd that each event is told to from now on; -1: none. */
void event_notify(int fd);

/** As users see it: "drift", "drift-over", ... */
const char *event_kind_name(enum event_kind kind);

/** How many there were so far: the number of the last one. */
uint64_t event_last(void);

/** A copy of the first one after `number` that is still kept. @return whether there is one */
bool event_next(uint64_t number, struct event_record *e);

#endif /* FRQ_EVENTS_H */
