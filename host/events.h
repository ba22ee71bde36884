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
	EVENT_KIND_COUNT,
};

struct event_record {
	uint64_t number;
	int64_t time_ms;	/* CLOCK_REALTIME */
	enum event_kind kind;
	char text[200];
};

/** Text without line end, cut to size. */
void event_raise(enum event_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** As users see it: "drift", "drift-over", ... */
const char *event_kind_name(enum event_kind kind);

/** How many there were so far: the number of the last one. */
uint64_t event_last(void);

/** A copy of the first one after `number` that is still kept. @return whether there is one */
bool event_next(uint64_t number, struct event_record *e);

#endif /* FRQ_EVENTS_H */
