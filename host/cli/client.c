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

#include "printable.h"

#define TIMEOUT_MS 5000
#define MAX_REPLY (64u * 1024 * 1024)

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0 when it is ready, or a negative errno. */
static int
wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline - now_ms();
		int n = left <= 0 ? 0 : poll(&p, 1, (int)left);

		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

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

/* A connected descriptor, or -1. */
static int
open_connection(const char *path, int64_t deadline, struct frq_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timespec pause = { .tv_nsec = 10000000 };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		frq_err_set(err, "%.100s...: too long for the path of a socket", path);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		frq_err_set(err, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		/* The daemon's queue is full; poll() does not wait for that. */
		if (errno == EAGAIN && now_ms() < deadline) {
			nanosleep(&pause, NULL);
			continue;
		}
		explain_connect(path, errno == EAGAIN ? ETIMEDOUT : errno, err);
		close(fd);
		return -1;
	}
	return fd;
}

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

/* The length of a line, to be freed from *line; or a negative errno. */
static ssize_t
receive_line(int fd, char **line, int64_t deadline)
{
	size_t size = 0, len = 0;

	*line = NULL;
	for (;;) {
		char *newline;
		ssize_t n;
		int ret;

		if (len == size) {
			char *grown;

			size = size == 0 ? 64 * 1024 : size * 2;
			grown = size > MAX_REPLY ? NULL : realloc(*line, size);
			if (grown == NULL)
				return -EMSGSIZE;
			*line = grown;
		}
		ret = wait_for(fd, POLLIN, deadline);
		if (ret < 0)
			return ret;
		n = recv(fd, *line + len, size - len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR)
				continue;
			return -errno;
		}
		newline = memchr(*line + len, '\n', (size_t)n);
		if (newline != NULL)
			return newline - *line;
		len += (size_t)n;
	}
}

/* What the daemon says is wrong, made fit for a terminal. */
static void
take_error(const json_t *error, struct frq_err *err)
{
	const char *message = json_string_value(json_object_get(error, "message"));

	frq_err_set(err, "%s",
		message != NULL ? message : "freqringd refused, and did not say why");
	make_printable(err->text);
}

static json_t *
take_reply(const char *line, size_t len, struct frq_err *err)
{
	json_error_t why;
	json_t *reply = json_loadb(line, len, 0, &why);
	json_t *result = NULL;

	if (reply == NULL) {
		frq_err_set(err, "freqringd's reply is not JSON: %s", why.text);
		return NULL;
	}
	if (json_object_get(reply, "error") != NULL)
		take_error(json_object_get(reply, "error"), err);
	else if (json_object_get(reply, "result") == NULL)
		frq_err_set(err, "the reply has no result; is it freqringd that listens there?");
	else
		result = json_incref(json_object_get(reply, "result"));
	json_decref(reply);
	return result;
}

static char *
make_request(const char *method, json_t *params)
{
	json_t *rq = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", 1,
		"method", method, "params", params);
	char *text = json_dumps(rq, JSON_COMPACT);

	json_decref(rq);
	return text;
}

json_t *
client_call(const char *path, const char *method, json_t *params, struct frq_err *err)
{
	int64_t deadline = now_ms() + TIMEOUT_MS;
	char *request = make_request(method, params), *line = NULL;
	json_t *result = NULL;
	ssize_t ret;
	int fd;

	if (request == NULL) {
		frq_err_set(err, "out of memory");
		return NULL;
	}
	fd = open_connection(path, deadline, err);
	if (fd < 0)
		goto out;
	ret = send_all(fd, request, strlen(request), deadline);
	if (ret == 0)
		ret = send_all(fd, "\n", 1, deadline);
	/* A client that is turned away cannot send, and is told why. */
	if (ret == 0 || ret == -EPIPE)
		ret = receive_line(fd, &line, deadline);
	if (ret >= 0)
		result = take_reply(line, (size_t)ret, err);
	else if (ret == -ETIMEDOUT)
		frq_err_set(err, "%.100s: no answer in %d s; is freqringd stuck?", path,
			TIMEOUT_MS / 1000);
	else if (ret == -EMSGSIZE)
		frq_err_set(err, "%.100s: the reply does not end", path);
	else
		frq_err_set(err, "%.100s: the connection broke: %s", path, strerror((int)-ret));
	close(fd);
out:
	free(line);
	free(request);
	return result;
}
