/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc.h"

#include <string.h>

/* A request, taken apart; everything is borrowed from the parsed text. */
struct request {
	json_t *id;	/* NULL: a notification */
	const char *method;
	json_t *params;	/* NULL: none */
};

enum rpc_outcome
rpc_outcome_of(int code)
{
	switch (code) {
	case RPC_PARSE_ERROR:
		return RPC_OUTCOME_PARSE_ERROR;
	case RPC_INVALID_REQUEST:
		return RPC_OUTCOME_INVALID_REQUEST;
	case RPC_METHOD_NOT_FOUND:
		return RPC_OUTCOME_METHOD_NOT_FOUND;
	case RPC_INVALID_PARAMS:
		return RPC_OUTCOME_INVALID_PARAMS;
	case RPC_DENIED:
		return RPC_OUTCOME_DENIED;
	case RPC_FAILED:
		return RPC_OUTCOME_FAILED;
	default:
		return RPC_OUTCOME_INTERNAL;
	}
}

json_t *
rpc_text(const char *text)
{
	json_t *s = json_string(text);
	char plain[1024];
	size_t i;

	if (s != NULL)
		return s;
	for (i = 0; text[i] != '\0' && i < sizeof(plain) - 1; i++)
		plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	plain[i] = '\0';
	return json_string(plain);
}

static json_t *
make_error(int code, const char *message)
{
	return json_pack("{s:i, s:o}", "code", code, "message", rpc_text(message));
}

/* Takes the reference to `value`, which may be NULL: out of memory. */
static char *
make_reply(json_t *id, const char *key, json_t *value)
{
	json_t *reply = json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0",
		"id", id, key, value);
	char *text;

	if (reply == NULL)
		return NULL;
	text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	return text;
}

char *
rpc_error_line(int code, const char *message)
{
	return make_reply(NULL, "error", make_error(code, message));
}

char *
rpc_answer_line(json_t *id, json_t *result, int code, const char *message)
{
	return result != NULL ? make_reply(id, "result", result) :
		make_reply(id, "error", make_error(code, message));
}

char *
rpc_notification_line(const char *method, json_t *params)
{
	json_t *line = json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method,
		"params", params);
	char *text;

	if (line == NULL)
		return NULL;
	text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	return text;
}

static bool
is_id(const json_t *id)
{
	return json_is_string(id) || json_is_number(id) || json_is_null(id);
}

/* 0, or the code of the error. An id that makes no sense is answered as null. */
static int
take_apart(json_t *root, struct request *rq, struct frq_err *err)
{
	const json_t *version, *method;

	if (json_is_array(root)) {
		frq_err_set(err, "batches are not supported, send one object a line");
		return RPC_INVALID_REQUEST;
	}
	if (!json_is_object(root)) {
		frq_err_set(err, "a request is an object");
		return RPC_INVALID_REQUEST;
	}
	rq->id = json_object_get(root, "id");
	if (rq->id != NULL && !is_id(rq->id)) {
		rq->id = NULL;
		frq_err_set(err, "\"id\" has to be a string, a number or null");
		return RPC_INVALID_REQUEST;
	}
	version = json_object_get(root, "jsonrpc");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0) {
		frq_err_set(err, "\"jsonrpc\" has to be \"2.0\"");
		return RPC_INVALID_REQUEST;
	}
	method = json_object_get(root, "method");
	if (!json_is_string(method)) {
		frq_err_set(err, "\"method\" has to be a string");
		return RPC_INVALID_REQUEST;
	}
	rq->method = json_string_value(method);
	rq->params = json_object_get(root, "params");
	if (rq->params != NULL && !json_is_object(rq->params) && !json_is_array(rq->params)) {
		frq_err_set(err, "\"params\" has to be an object");
		return RPC_INVALID_REQUEST;
	}
	return 0;
}

static const struct rpc_method *
find_method(const struct rpc_method *methods, const char *name)
{
	for (; methods->name != NULL; methods++) {
		if (strcmp(methods->name, name) == 0)
			return methods;
	}
	return NULL;
}

/* The result, or NULL with call->code and ->err set. */
static json_t *
run(const struct rpc_context *ctx, const struct request *rq, struct rpc_call *call)
{
	const struct rpc_method *m = find_method(ctx->methods, rq->method);
	json_t *result;

	if (m == NULL) {
		call->code = RPC_METHOD_NOT_FOUND;
		frq_err_set(&call->err, "no such method: %.60s", rq->method);
		return NULL;
	}
	if (json_is_array(rq->params)) {
		call->code = RPC_INVALID_PARAMS;
		frq_err_set(&call->err, "parameters have names: \"params\" has to be an object");
		return NULL;
	}
	if (m->changes && !ctx->may_change) {
		call->code = RPC_DENIED;
		frq_err_set(&call->err, "%s changes something, which takes root or the user "
			"that freqringd runs as, or a member of [daemon] admin_group; you are uid %u",
			m->name, (unsigned int)ctx->uid);
		return NULL;
	}
	call->params = rq->params;
	call->id = rq->id;
	result = m->run(call);
	if (result == NULL && call->code == 0 && !call->deferred) {
		call->code = RPC_INTERNAL_ERROR;
		frq_err_set(&call->err, "%s failed and did not say why", m->name);
	}
	return result;
}

enum rpc_outcome
rpc_answer(const struct rpc_context *ctx, const char *line, size_t len, char **reply)
{
	struct rpc_call call = { .uid = ctx->uid, .arg = ctx->arg, .client = ctx->client };
	struct request rq = { 0 };
	json_t *root, *result;
	json_error_t why;

	*reply = NULL;
	root = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (root == NULL) {
		frq_err_set(&call.err, "not JSON: %s (column %d)", why.text, why.column);
		*reply = rpc_error_line(RPC_PARSE_ERROR, call.err.text);
		return RPC_OUTCOME_PARSE_ERROR;
	}
	call.code = take_apart(root, &rq, &call.err);
	if (call.code != 0) {
		/* Answered even without an id: it is no notification, either. */
		*reply = make_reply(rq.id, "error", make_error(call.code, call.err.text));
		json_decref(root);
		return RPC_OUTCOME_INVALID_REQUEST;
	}
	result = run(ctx, &rq, &call);
	if (call.deferred) {
		json_decref(root);
		return RPC_OUTCOME_DEFERRED;
	}
	if (rq.id == NULL)
		json_decref(result);
	else
		*reply = rpc_answer_line(rq.id, result, call.code, call.err.text);
	if (*reply == NULL && rq.id != NULL)
		call.code = RPC_INTERNAL_ERROR;
	json_decref(root);
	return result != NULL && call.code == 0 ? RPC_OUTCOME_OK : rpc_outcome_of(call.code);
}
