/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.h - the control socket: JSON-RPC 2.0, one object a line
 *
 * Runs on the control thread's event loop. A client is known by its peer
 * credentials; a request line, a reply that is not read, requests that are
 * answered later and the number of clients are bounded.
 */
#ifndef FRQ_CONTROL_H
#define FRQ_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include <sys/types.h>

#include "region.h"

/* JSON-RPC error codes: those of the specification, then ours. */
#define RPC_PARSE_ERROR		(-32700)
#define RPC_INVALID_REQUEST	(-32600)
#define RPC_METHOD_NOT_FOUND	(-32601)
#define RPC_INVALID_PARAMS	(-32602)
#define RPC_INTERNAL_ERROR	(-32603)
#define RPC_DENIED		(-32001)
#define RPC_FAILED		(-32000)

/* A request that is answered later (control_defer). */
struct rpc_pending;

struct rpc_call {
	json_t *params;		/* object, or NULL; borrowed */
	json_t *id;		/* of the request, NULL: nobody waits for an answer; borrowed */
	uid_t uid;		/* of the client */
	void *arg;		/* control_config.arg */
	struct client *client;	/* for control.c */
	bool deferred;		/* the answer comes later; the result is NULL then */
	int code;		/* on failure: RPC_* */
	struct frq_err err;	/* on failure: the message */
};

struct rpc_method {
	const char *name;
	bool changes;		/* asks for the right to change, not only to read */
	/*
	 * The result (a new reference), or NULL with call->code and ->err set,
	 * or NULL after control_defer.
	 */
	json_t *(*run)(struct rpc_call *call);
};

/* Of its clients, in a loop that has two priorities. */
#define CONTROL_PRIORITY 1

struct control_config {
	const char *path;
	gid_t group;		/* may read; (gid_t)-1: root and the daemon's user only */
	gid_t admin_group;	/* may read and change; (gid_t)-1: likewise */
	const struct rpc_method *methods;	/* ends with name == NULL */
	void *arg;
};

struct control;

int control_start(struct control **ctl, struct event_base *base,
	const struct control_config *c, struct frq_err *err);
void control_stop(struct control *ctl);	/* removes the socket, closes clients */

/**
 * Answer this call later, with control_answer; the method returns NULL.
 *
 * @return what to answer it by, or NULL with call->code and ->err set: the
 *	client has too many of them
 */
struct rpc_pending *control_defer(struct rpc_call *call);

/**
 * The answer to a deferred call; ends `p`, whether the client is still there
 * or not.
 *
 * @param result  taken; NULL: it failed
 * @param code  of a failure: RPC_*
 */
void control_answer(struct rpc_pending *p, json_t *result, int code, const char *message);

/** From now on the client of this call gets what control_publish says. */
void control_subscribe(struct rpc_call *call);

/** A JSON-RPC notification to all who subscribed. @param params  taken */
void control_publish(struct control *ctl, const char *method, json_t *params);

/** {"clients": n, "requests": n, "errors": {...by cause}} */
json_t *control_stats(const struct control *ctl);

#endif /* FRQ_CONTROL_H */
