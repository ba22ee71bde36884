/* SPDX-License-Identifier: BSD-3-Clause */
/* status.h - the control socket's methods that only read, and the words they use */
#ifndef FRQ_STATUS_H
#define FRQ_STATUS_H

#include "control.h"
#include "domain.h"
#include "events.h"

struct daemon;

/* rpc_call.arg is the daemon (daemon.h). */
json_t *status_run(struct rpc_call *call);
json_t *version_run(struct rpc_call *call);

/** {"since": N}: what happened after event N, or all that is kept. */
json_t *events_run(struct rpc_call *call);

/** No parameters: each event from now on is a notification "event" to this client. */
json_t *event_subscribe_run(struct rpc_call *call);

/** An event as all of these have it. */
json_t *event_status(const struct event_record *e);

/** No parameters: every domain that libvirt knows. */
json_t *list_run(struct rpc_call *call);
/* Parts of status_run()'s. */
json_t *libvirt_status(const struct daemon *d);
json_t *poller_status(const struct daemon *d);
json_t *applier_status(const struct daemon *d);
json_t *cpu_status(const struct daemon *d, unsigned int number);

/** "free", "ours", "foreign governor", ... */
const char *cpu_control_name(enum cpu_control control);

/**
 * What keeps a CPU from being as decided, in plain words; empty where nothing does.
 *
 * @param l  zero where its files cannot be read
 */
void cpu_trouble(const struct domain_cpu_stats *st, const struct power_look *l,
	char *text, size_t size);

#endif /* FRQ_STATUS_H */
