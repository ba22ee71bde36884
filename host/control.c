/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.c - clients of the control socket: who they are, their lines
 *
 * What a line says is rpc.c's business.
 */
#include "control.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_socket.h"
#include "rpc.h"

#define MAX_LINE	(64u * 1024)
#define MAX_UNREAD	(1024u * 1024)
#define MAX_UNREAD_ALL	(64u * 1024 * 1024)	/* of all clients */
#define MAX_CLIENTS	256u
#define MAX_PENDING	16u	/* of a client */

/* So much of that is for those who may change something: who may only ask cannot lock them out. */
#define KEPT_UNREAD	(16u * 1024 * 1024)
#define KEPT_CLIENTS	16u

/* A line that is read ends with "\r\n" at most. */
#define MAX_INPUT	(MAX_LINE + 2)

/* How long a client that is being closed may take to read the last reply. */
static const struct timeval close_timeout = { .tv_sec = 10 };
/* How long accept() rests when it failed, for want of descriptors mostly. */
static const struct timeval accept_pause = { .tv_sec = 1 };

/* Causes of errors, beside those in rpc.h. */
enum control_cause {
	CONTROL_TOO_LONG = RPC_OUTCOME_COUNT,
	CONTROL_UNREAD,
	CONTROL_BUSY,
	CONTROL_TOO_MANY,
	CONTROL_NOT_ALLOWED,
	CONTROL_ACCEPT,
	CONTROL_CAUSE_COUNT,
};

static const char *const cause_names[CONTROL_CAUSE_COUNT] = {
	[RPC_OUTCOME_PARSE_ERROR] = "parse_error",
	[RPC_OUTCOME_INVALID_REQUEST] = "invalid_request",
	[RPC_OUTCOME_METHOD_NOT_FOUND] = "method_not_found",
	[RPC_OUTCOME_INVALID_PARAMS] = "invalid_params",
	[RPC_OUTCOME_DENIED] = "denied",
	[RPC_OUTCOME_FAILED] = "failed",
	[RPC_OUTCOME_INTERNAL] = "internal_error",
	[CONTROL_TOO_LONG] = "request_too_long",
	[CONTROL_UNREAD] = "reply_not_read",
	[CONTROL_BUSY] = "busy",
	[CONTROL_TOO_MANY] = "too_many_clients",
	[CONTROL_NOT_ALLOWED] = "client_not_allowed",
	[CONTROL_ACCEPT] = "accept_failed",
};

struct rpc_pending {
	LIST_ENTRY(rpc_pending) link;
	struct client *client;	/* NULL: it is gone */
	json_t *id;		/* NULL: it wants no answer */
};

struct client {
	LIST_ENTRY(client) link;
	struct control *ctl;
	struct bufferevent *bev;
	struct control_peer peer;
	LIST_HEAD(, rpc_pending) pending;
	unsigned int nb_pending;
	bool eof;	/* it sends no more */
	bool closing;	/* the last reply is on its way */
	bool subscribed;
};

struct control {
	struct control_config config;
	struct control_socket socket;
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *resume;	/* accept() again */
	LIST_HEAD(client_list, client) clients;
	unsigned int nb_clients;
	uint64_t nb_requests;
	uint64_t errors[CONTROL_CAUSE_COUNT];
	char path[];
};

static void
client_free(struct client *cl)
{
	struct rpc_pending *p;

	/* Whoever answers them ends them. */
	LIST_FOREACH(p, &cl->pending, link)
		p->client = NULL;
	LIST_REMOVE(cl, link);
	cl->ctl->nb_clients--;
	bufferevent_free(cl->bev);
	free(cl);
}

/* Close once it has read what is left; the client may be gone afterwards. */
static void
client_finish(struct client *cl)
{
	if (evbuffer_get_length(bufferevent_get_output(cl->bev)) == 0) {
		client_free(cl);
		return;
	}
	cl->closing = true;
	bufferevent_disable(cl->bev, EV_READ);
	bufferevent_set_timeouts(cl->bev, NULL, &close_timeout);
}

static void
client_send(struct client *cl, const char *reply)
{
	bufferevent_write(cl->bev, reply, strlen(reply));
	bufferevent_write(cl->bev, "\n", 1);
}

/* The client may be gone afterwards. */
static void
client_too_long(struct client *cl)
{
	char *reply = rpc_error_line(RPC_INVALID_REQUEST,
		"the request is longer than 65536 bytes");

	cl->ctl->errors[CONTROL_TOO_LONG]++;
	if (reply != NULL)
		client_send(cl, reply);
	free(reply);
	client_finish(cl);
}

static_assert(MAX_LINE == 65536, "a message in client_too_long says so");

static bool
is_blank(const char *line, size_t len)
{
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	return len == 0;
}

/* Replies of some megabytes, and many clients that read none. */
static bool
is_busy(const struct control *ctl, const struct control_peer *asks)
{
	size_t unread = asks->may_change ? 0 : KEPT_UNREAD;
	struct client *cl;

	LIST_FOREACH(cl, &ctl->clients, link)
		unread += evbuffer_get_length(bufferevent_get_output(cl->bev));
	return unread > MAX_UNREAD_ALL;
}

static void
client_busy(struct client *cl)
{
	char *reply = rpc_error_line(RPC_FAILED, "too many replies are not read yet, try later");

	cl->ctl->errors[CONTROL_BUSY]++;
	if (reply != NULL)
		client_send(cl, reply);
	free(reply);
}

/* Whether the client is still there. */
static bool
client_line(struct client *cl, const char *line, size_t len)
{
	struct control *ctl = cl->ctl;
	struct rpc_context ctx = {
		.methods = ctl->config.methods,
		.arg = ctl->config.arg,
		.client = cl,
		.uid = cl->peer.uid,
		.may_change = cl->peer.may_change,
	};
	enum rpc_outcome outcome;
	char *reply;

	if (len > MAX_LINE) {
		client_too_long(cl);
		return false;
	}
	if (is_blank(line, len))
		return true;
	/* One reply may be larger than that, so only what it was before counts. */
	if (evbuffer_get_length(bufferevent_get_output(cl->bev)) > MAX_UNREAD) {
		ctl->errors[CONTROL_UNREAD]++;
		client_free(cl);
		return false;
	}
	ctl->nb_requests++;
	if (is_busy(ctl, &cl->peer)) {
		client_busy(cl);
		return true;
	}
	outcome = rpc_answer(&ctx, line, len, &reply);
	if (outcome != RPC_OUTCOME_OK && outcome != RPC_OUTCOME_DEFERRED)
		ctl->errors[outcome]++;
	if (reply != NULL)
		client_send(cl, reply);
	free(reply);
	return true;
}

/* The next line, to be freed; with `all`, also one without a line end. */
static char *
take_line(struct evbuffer *in, bool all, size_t *len)
{
	char *line = evbuffer_readln(in, len, EVBUFFER_EOL_CRLF);

	if (line == NULL && all && evbuffer_get_length(in) > 0) {
		*len = evbuffer_get_length(in);
		line = malloc(*len);
		if (line != NULL)
			evbuffer_remove(in, line, *len);
	}
	return line;
}

/*
 * One line a call, so that a client that sends many at once neither keeps the
 * others waiting nor piles up replies that it had no chance to read.
 */
static void
on_read(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len;
	char *line;
	bool alive;

	if (cl->closing)
		return;
	line = take_line(in, cl->eof, &len);
	if (line == NULL) {
		if (cl->eof && LIST_EMPTY(&cl->pending))
			client_finish(cl);
		else if (evbuffer_get_length(in) >= MAX_INPUT)
			client_too_long(cl);
		return;
	}
	alive = client_line(cl, line, len);
	free(line);
	if (alive && (cl->eof || evbuffer_get_length(in) > 0))
		bufferevent_trigger(bev, EV_READ,
			BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void
on_written(struct bufferevent *bev, void *arg)
{
	struct client *cl = arg;

	if (cl->closing && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		client_free(cl);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *cl = arg;

	if ((what & BEV_EVENT_EOF) != 0 && !cl->closing) {
		/* It may have closed its sending side only, and wait for replies. */
		cl->eof = true;
		cl->subscribed = false;
		on_read(bev, cl);
		return;
	}
	if ((what & BEV_EVENT_TIMEOUT) != 0)
		cl->ctl->errors[CONTROL_UNREAD]++;
	client_free(cl);
}

/* Tell a client that is not let in, and close; it is not waited for. */
static void
turn_away(struct control *ctl, int fd, enum control_cause cause, int code, const char *message)
{
	char *reply = rpc_error_line(code, message);

	ctl->errors[cause]++;
	if (reply != NULL) {
		size_t len = strlen(reply);

		reply[len] = '\n';	/* send() needs no closing zero */
		(void)send(fd, reply, len + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	free(reply);
	close(fd);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
	int addr_len, void *arg)
{
	struct control *ctl = arg;
	struct control_peer peer;
	struct client *cl;

	(void)listener;
	(void)addr;
	(void)addr_len;
	if (!control_peer_get(&peer, fd, ctl->config.group, ctl->config.admin_group) ||
	    !peer.may_read) {
		turn_away(ctl, fd, CONTROL_NOT_ALLOWED, RPC_DENIED,
			"only root, the user that freqringd runs as, and its groups may ask");
		return;
	}
	if (ctl->nb_clients >= (peer.may_change ? MAX_CLIENTS : MAX_CLIENTS - KEPT_CLIENTS)) {
		turn_away(ctl, fd, CONTROL_TOO_MANY, RPC_FAILED, "too many clients, try later");
		return;
	}
	cl = calloc(1, sizeof(*cl));
	if (cl != NULL)
		cl->bev = bufferevent_socket_new(ctl->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (cl == NULL || cl->bev == NULL) {
		free(cl);
		turn_away(ctl, fd, CONTROL_ACCEPT, RPC_FAILED, "out of memory, try later");
		return;
	}
	cl->ctl = ctl;
	cl->peer = peer;
	LIST_INIT(&cl->pending);
	LIST_INSERT_HEAD(&ctl->clients, cl, link);
	ctl->nb_clients++;
	/* After what keeps the VMs going, where the loop has such a thing as priorities. */
	(void)bufferevent_priority_set(cl->bev, CONTROL_PRIORITY);
	bufferevent_setcb(cl->bev, on_read, on_written, on_event, cl);
	bufferevent_setwatermark(cl->bev, EV_READ, 0, MAX_INPUT);
	bufferevent_enable(cl->bev, EV_READ | EV_WRITE);
}

/* The connection stays in the queue, so trying at once again would spin. */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct control *ctl = arg;

	ctl->errors[CONTROL_ACCEPT]++;
	evconnlistener_disable(listener);
	evtimer_add(ctl->resume, &accept_pause);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct control *ctl = arg;

	(void)fd;
	(void)what;
	evconnlistener_enable(ctl->listener);
}

int
control_start(struct control **out, struct event_base *base, const struct control_config *c,
	struct frq_err *err)
{
	size_t path_len = strlen(c->path) + 1;
	struct control *ctl = calloc(1, sizeof(*ctl) + path_len);
	int ret;

	if (ctl == NULL)
		goto no_memory;
	memcpy(ctl->path, c->path, path_len);
	ctl->config = *c;
	ctl->config.path = ctl->path;
	ctl->base = base;
	LIST_INIT(&ctl->clients);
	/* There is one group on a socket: members of the other are in this one, too. */
	ret = control_socket_open(&ctl->socket, ctl->path,
		c->group != (gid_t)-1 ? c->group : c->admin_group, err);
	if (ret < 0) {
		free(ctl);
		return ret;
	}
	/* libevent writes with writev(), and a client may close at any time. */
	signal(SIGPIPE, SIG_IGN);
	ctl->resume = evtimer_new(base, on_resume, ctl);
	/* A backlog of 0 says that it listens already. */
	ctl->listener = evconnlistener_new(base, on_accept, ctl, LEV_OPT_CLOSE_ON_EXEC, 0,
		ctl->socket.fd);
	if (ctl->resume == NULL || ctl->listener == NULL) {
		control_stop(ctl);
		goto no_memory;
	}
	evconnlistener_set_error_cb(ctl->listener, on_accept_error);
	*out = ctl;
	return 0;

no_memory:
	frq_err_set(err, "control socket: out of memory");
	return -ENOMEM;
}

void
control_stop(struct control *ctl)
{
	struct client *cl;

	/* The analyzer does not see LIST_REMOVE take it off the list. */
	while ((cl = LIST_FIRST(&ctl->clients)) != NULL) {
		struct evbuffer *out = bufferevent_get_output(cl->bev);

		/* What fits goes out: the last word to whoever waits. */
		bufferevent_disable(cl->bev, EV_READ | EV_WRITE);
		/* A bufferevent lets nobody but itself take from the front of it. */
		(void)evbuffer_unfreeze(out, 1);
		(void)evbuffer_write(out, bufferevent_getfd(cl->bev));
		client_free(cl);	/* NOLINT(clang-analyzer-unix.Malloc) */
	}
	if (ctl->listener != NULL)
		evconnlistener_free(ctl->listener);
	if (ctl->resume != NULL)
		event_free(ctl->resume);
	control_socket_close(&ctl->socket, ctl->path);
	free(ctl);
}

struct rpc_pending *
control_defer(struct rpc_call *call)
{
	struct rpc_pending *p;

	if (call->client->nb_pending == MAX_PENDING) {
		call->code = RPC_FAILED;
		frq_err_set(&call->err, "%u requests of yours are under way: wait for one to end",
			MAX_PENDING);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		call->code = RPC_INTERNAL_ERROR;
		frq_err_set(&call->err, "out of memory");
		return NULL;
	}
	p->client = call->client;
	p->id = json_incref(call->id);
	LIST_INSERT_HEAD(&p->client->pending, p, link);
	p->client->nb_pending++;
	call->deferred = true;
	return p;
}

void
control_answer(struct rpc_pending *p, json_t *result, int code, const char *message)
{
	struct client *cl = p->client;
	bool failed = result == NULL;
	char *line = rpc_answer_line(p->id, result, code, message);

	if (cl != NULL) {
		LIST_REMOVE(p, link);
		cl->nb_pending--;
		if (failed)
			cl->ctl->errors[rpc_outcome_of(code)]++;
		if (p->id != NULL && line != NULL)
			client_send(cl, line);
		/* It may be its own request that is answered: it is finished by on_read. */
		if (cl->eof && !cl->closing && LIST_EMPTY(&cl->pending))
			bufferevent_trigger(cl->bev, EV_READ,
				BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
	}
	free(line);
	json_decref(p->id);
	free(p);
}

void
control_subscribe(struct rpc_call *call)
{
	call->client->subscribed = true;
}

void
control_publish(struct control *ctl, const char *method, json_t *params)
{
	char *line = rpc_notification_line(method, params);
	struct client *cl, *next;

	if (line == NULL)
		return;
	for (cl = LIST_FIRST(&ctl->clients); cl != NULL; cl = next) {
		next = LIST_NEXT(cl, link);
		if (!cl->subscribed || cl->closing)
			continue;
		if (evbuffer_get_length(bufferevent_get_output(cl->bev)) > MAX_UNREAD) {
			ctl->errors[CONTROL_UNREAD]++;
			client_free(cl);
			continue;
		}
		client_send(cl, line);
	}
	free(line);
}

json_t *
control_stats(const struct control *ctl)
{
	json_t *errors = json_object();

	for (int i = RPC_OUTCOME_DEFERRED + 1; i < CONTROL_CAUSE_COUNT; i++)
		json_object_set_new(errors, cause_names[i],
			json_integer((json_int_t)ctl->errors[i]));
	return json_pack("{s:I, s:I, s:o}", "clients", (json_int_t)ctl->nb_clients,
		"requests", (json_int_t)ctl->nb_requests, "errors", errors);
}
