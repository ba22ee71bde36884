/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "printable.h"

#define TIMEOUT_MS 5000
#define LIBVIRT_TIMEOUT_MS 40000
#define MAX_REPLY (64u * 1024 * 1024)

/* These ask libvirt, which may take its time. */
static const char *const slow_methods[] = {
	"add_channels", "add_vm", "attach", "detach", "get_nodepm", "get_vcpupin", "list", "reload",
	"set_vcpupin",
};

static int
timeout_of(const char *method)
{
	for (size_t i = 0; i < sizeof(slow_methods) / sizeof(slow_methods[0]); i++) {
		if (strcmp(method, slow_methods[i]) == 0)
			return LIBVIRT_TIMEOUT_MS;
	}
	return TIMEOUT_MS;
}

int64_t
client_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0 when it is ready, or a negative errno. */
static int
wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p[2] = {
		{ .fd = fd, .events = events },
		{ .fd = interrupt_fd(), .events = POLLIN },
	};

	for (;;) {
		int64_t left = deadline - client_now_ms();
		int n;

		if (deadline < 0 || left > INT32_MAX)
			left = deadline < 0 ? -1 : INT32_MAX;
		else if (left <= 0)
			return -ETIMEDOUT;
		n = poll(p, 2, (int)left);
		if (n > 0 && p[1].revents != 0 && interrupt_take())
			return -EINTR;
		if (n > 0 && p[0].revents != 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* ---- connecting ------------------------------------------------------------- */

static void
explain_connect(const char *path, int error, struct frq_err *err)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		frq_err_set(err, "%.100s: %s: freqringd is not running, or listens elsewhere "
			"(-s SOCKET)", path, strerror(error));
		break;
	case EACCES:
		frq_err_set(err, "%.100s: %s: be root, or in the group of the socket (usually "
			"freqring: usermod -aG freqring USER, then log in anew)", path,
			strerror(error));
		break;
	default:
		frq_err_set(err, "%.100s: cannot connect: %s", path, strerror(error));
	}
}

/* 0, or a negative errno. */
static int
connect_to(int fd, const struct sockaddr_un *addr)
{
	int64_t deadline = client_now_ms() + TIMEOUT_MS;
	struct timespec pause = { .tv_nsec = 10000000 };

	while (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
		/* The daemon's queue is full; poll() does not wait for that. */
		if (errno != EAGAIN)
			return -errno;
		if (client_now_ms() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int
client_open(struct client *c, const char *path, struct frq_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int ret;

	*c = (struct client){ .path = path };
	if (strlen(path) >= sizeof(addr.sun_path)) {
		frq_err_set(err, "%.100s...: too long for the path of a socket", path);
		return -ENAMETOOLONG;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		ret = -errno;
		frq_err_set(err, "cannot make a socket: %s", strerror(-ret));
		return ret;
	}
	ret = connect_to(c->fd, &addr);
	if (ret < 0) {
		explain_connect(path, -ret, err);
		close(c->fd);
	}
	return ret;
}

void
client_close(struct client *c)
{
	close(c->fd);
	free(c->data);
}

/* ---- lines ------------------------------------------------------------------ */

static int
send_all(int fd, const char *text, size_t len, int64_t deadline)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			int ret = wait_for(fd, POLLOUT, deadline);

			if (ret < 0)
				return ret;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* Receive what is there now behind c->data. Some more, or a negative errno. */
static ssize_t
receive_some(struct client *c, int64_t deadline)
{
	for (;;) {
		ssize_t n;
		int ret;

		if (c->len == c->size) {
			size_t size = c->size == 0 ? 64 * 1024 : c->size * 2;
			char *grown = size > MAX_REPLY ? NULL : realloc(c->data, size);

			if (grown == NULL)
				return -EMSGSIZE;
			c->data = grown;
			c->size = size;
		}
		ret = wait_for(c->fd, POLLIN, deadline);
		if (ret < 0)
			return ret;
		n = recv(c->fd, c->data + c->len, c->size - c->len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n > 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

/* The line that starts at c->data, without its end. Its length, or a negative errno. */
static ssize_t
receive_line(struct client *c, int64_t deadline)
{
	const char *newline = c->len > 0 ? memchr(c->data, '\n', c->len) : NULL;

	while (newline == NULL) {
		ssize_t n = receive_some(c, deadline);

		if (n < 0)
			return n;
		newline = memchr(c->data + c->len, '\n', (size_t)n);
		c->len += (size_t)n;
	}
	return newline - c->data;
}

static void
explain_io(const struct client *c, int error, int timeout_ms, struct frq_err *err)
{
	switch (error) {
	case ETIMEDOUT:
		frq_err_set(err, "%.100s: no answer in %d s; is freqringd stuck?", c->path,
			timeout_ms / 1000);
		break;
	case EINTR:
		frq_err_set(err, "interrupted; what was asked for may be done nevertheless");
		break;
	case EMSGSIZE:
		frq_err_set(err, "%.100s: the reply does not end", c->path);
		break;
	default:
		frq_err_set(err, "%.100s: the connection broke: %s", c->path, strerror(error));
	}
}

/* The next message, a new reference. 0, or a negative errno with *err. */
static int
receive_message(struct client *c, int64_t deadline, int timeout_ms, json_t **message,
	struct frq_err *err)
{
	ssize_t len = receive_line(c, deadline);
	json_error_t why;

	if (len < 0) {
		explain_io(c, (int)-len, timeout_ms, err);
		return (int)len;
	}
	*message = json_loadb(c->data, (size_t)len, 0, &why);
	c->len -= (size_t)len + 1;
	memmove(c->data, c->data + len + 1, c->len);
	if (*message == NULL) {
		frq_err_set(err, "freqringd's reply is not JSON: %s", why.text);
		return -EPROTO;
	}
	return 0;
}

/* ---- calls ------------------------------------------------------------------ */

/* What the daemon says is wrong, made fit for a terminal. */
static void
take_error(const json_t *error, struct client_error *err)
{
	const char *message = json_string_value(json_object_get(error, "message"));

	err->code = (int)json_integer_value(json_object_get(error, "code"));
	frq_err_set(&err->why, "%s",
		message != NULL ? message : "freqringd refused, and did not say why");
	make_printable(err->why.text);
}

static json_t *
take_result(json_t *reply, struct client_error *err)
{
	json_t *result = json_object_get(reply, "result");

	if (json_object_get(reply, "error") != NULL) {
		take_error(json_object_get(reply, "error"), err);
		return NULL;
	}
	if (result == NULL)
		frq_err_set(&err->why,
			"the reply has no result; is it freqringd that listens there?");
	return json_incref(result);
}

static bool
is_event(const json_t *message)
{
	return json_object_get(message, "method") != NULL;
}

/* A line; NULL where memory is short. */
static char *
make_request(const char *method, json_t *params)
{
	json_t *rq = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", 1,
		"method", method, "params", params);
	char *text = json_dumps(rq, JSON_COMPACT);

	json_decref(rq);
	if (text != NULL)
		text[strlen(text)] = '\n';	/* send() needs no closing zero */
	return text;
}

json_t *
client_call(struct client *c, const char *method, json_t *params, int timeout_ms,
	struct client_error *err)
{
	int timeout = timeout_ms != 0 ? timeout_ms : timeout_of(method);
	int64_t deadline = client_now_ms() + timeout;
	char *request = make_request(method, params);
	json_t *reply = NULL, *result;
	int ret;

	err->code = 0;
	if (request == NULL) {
		frq_err_set(&err->why, "out of memory");
		return NULL;
	}
	ret = send_all(c->fd, request, strcspn(request, "\n") + 1, deadline);
	free(request);
	if (ret < 0 && ret != -EPIPE) {
		explain_io(c, -ret, timeout, &err->why);
		return NULL;
	}
	/* A client that is turned away cannot send, and is told why. */
	do {
		json_decref(reply);
		if (receive_message(c, deadline, timeout, &reply, &err->why) < 0)
			return NULL;
	} while (is_event(reply));
	result = take_result(reply, err);
	json_decref(reply);
	return result;
}

int
client_next_event(struct client *c, int64_t deadline_ms, json_t **event, struct frq_err *err)
{
	json_t *message;
	int ret;

	*event = NULL;
	while (*event == NULL) {
		ret = receive_message(c, deadline_ms, 0, &message, err);
		if (ret < 0)
			return ret;
		if (is_event(message))
			*event = json_incref(json_object_get(message, "params"));
		json_decref(message);
	}
	return 0;
}
