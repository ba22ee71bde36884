/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc.h - one JSON-RPC 2.0 request: checked, run, answered
 *
 * Knows nothing of sockets; any thread on which the methods may run.
 */
#ifndef FRQ_RPC_H
#define FRQ_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "control.h"

/* What a request came to; each but the first two is a cause of failure. */
enum rpc_outcome {
	RPC_OUTCOME_OK,
	RPC_OUTCOME_DEFERRED,	/* the answer comes later */
	RPC_OUTCOME_PARSE_ERROR,
	RPC_OUTCOME_INVALID_REQUEST,
	RPC_OUTCOME_METHOD_NOT_FOUND,
	RPC_OUTCOME_INVALID_PARAMS,
	RPC_OUTCOME_DENIED,
	RPC_OUTCOME_FAILED,
	RPC_OUTCOME_INTERNAL,
	RPC_OUTCOME_COUNT,
};

struct rpc_context {
	const struct rpc_method *methods;	/* ends with name == NULL */
	void *arg;	/* for the method */
	struct client *client;	/* likewise */
	uid_t uid;	/* of the client */
	bool may_change;
};

/**
 * Answer a request.
 *
 * @param line  `len` bytes, anything
 * @param[out] reply  without line end, to be freed; NULL: a notification,
 *	deferred, or out of memory (then the outcome is RPC_OUTCOME_INTERNAL)
 */
enum rpc_outcome rpc_answer(const struct rpc_context *ctx, const char *line, size_t len,
	char **reply);

/**
 * The line that answers a request: with `result`, which is taken, or where that
 * is NULL with an error. To be freed; NULL: out of memory.
 */
char *rpc_answer_line(json_t *id, json_t *result, int code, const char *message);

/** A notification; `params` is taken. To be freed; NULL: out of memory. */
char *rpc_notification_line(const char *method, json_t *params);

/** A string of JSON, new; in text that is not UTF-8 (cut, or somebody's) '?' stands for the rest. */
json_t *rpc_text(const char *text);

/** What an error's code is counted as. */
enum rpc_outcome rpc_outcome_of(int code);

/** An error that answers no request in particular; to be freed, NULL: out of memory. */
char *rpc_error_line(int code, const char *message);

#endif /* FRQ_RPC_H */
