/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.h - a connection to the daemon: calls of methods, and its events
 *
 * A method that asks libvirt is given 40 seconds, another one 5.
 */
#ifndef FRQ_CLIENT_H
#define FRQ_CLIENT_H

#include <jansson.h>

#include "region.h"

struct client {
	const char *path;
	int fd;
	char *data;		/* received, and not taken yet */
	size_t len, size;
};

/* Why a call failed. */
struct client_error {
	struct frq_err why;	/* with what to do where that is known */
	int code;		/* of JSON-RPC; 0: the daemon did not answer */
};

/** @param path  borrowed. @return 0, or a negative errno with *err */
int client_open(struct client *c, const char *path, struct frq_err *err);
void client_close(struct client *c);

/**
 * Call a method; events that come before the reply are dropped.
 *
 * @param params  an object, or NULL; the reference is taken
 * @param timeout_ms  0: what is usual for the method
 * @return the result (a new reference), or NULL with *err
 */
json_t *client_call(struct client *c, const char *method, json_t *params, int timeout_ms,
	struct client_error *err);

/**
 * Wait for an event, where the connection has subscribed.
 *
 * @param deadline_ms  by client_now_ms(); negative: for ever
 * @param[out] event  its params, a new reference
 * @return 0; -ETIMEDOUT; -EINTR (Ctrl-C); another errno with *err
 */
int client_next_event(struct client *c, int64_t deadline_ms, json_t **event,
	struct frq_err *err);

int64_t client_now_ms(void);

#endif /* FRQ_CLIENT_H */
