/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * method_server.c - a daemon that answers what a file says, for test_cli.sh
 *
 *	method_server SOCKET TABLE RECORD
 *
 * TABLE is read anew for each request: {"METHOD": {"result": ...}, ...}, or
 * "error" in place of "result". Beside it there may be "delay_ms", to wait
 * before the reply; "before" and "then", arrays of messages to send before and
 * after it; "close", to close the connection after that. RECORD gets a line for
 * each request: METHOD PARAMS.
 *
 * One connection at a time, which is all that freqring needs. Says "ready" on
 * stdout when it listens, and runs until it is killed.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int
listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return -1;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		return -1;
	return fd;
}

static void
record(const char *path, const json_t *request)
{
	FILE *f = fopen(path, "a");
	const json_t *params = json_object_get(request, "params");

	if (f == NULL)
		abort();
	fprintf(f, "%s ", json_string_value(json_object_get(request, "method")));
	if (params != NULL)
		json_dumpf(params, f, JSON_COMPACT | JSON_SORT_KEYS);
	fprintf(f, "\n");
	(void)fclose(f);
}

static bool
send_line(int fd, const json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	size_t len = strlen(text);
	ssize_t n;

	text[len] = '\n';	/* send() needs no closing zero */
	n = send(fd, text, len + 1, MSG_NOSIGNAL);
	free(text);
	return n == (ssize_t)len + 1;
}

static bool
send_all(int fd, const json_t *messages)
{
	for (size_t i = 0; i < json_array_size(messages); i++) {
		if (!send_line(fd, json_array_get(messages, i)))
			return false;
	}
	return true;
}

static void
rest(json_int_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* Whether the connection stays. */
static bool
answer(int fd, const char *table_path, const json_t *request)
{
	json_t *table = json_load_file(table_path, 0, NULL);
	const json_t *row = json_object_get(table,
		json_string_value(json_object_get(request, "method")));
	json_t *reply = json_pack("{s:s, s:i}", "jsonrpc", "2.0", "id", 1);
	bool stays;

	if (json_object_get(row, "result") != NULL)
		json_object_set(reply, "result", json_object_get(row, "result"));
	else if (json_object_get(row, "error") != NULL)
		json_object_set(reply, "error", json_object_get(row, "error"));
	else
		json_object_set_new(reply, "error",
			json_pack("{s:i, s:s}", "code", -32601, "message", "no such method"));
	rest(json_integer_value(json_object_get(row, "delay_ms")));
	stays = send_all(fd, json_object_get(row, "before")) && send_line(fd, reply) &&
		send_all(fd, json_object_get(row, "then")) &&
		!json_is_true(json_object_get(row, "close"));
	json_decref(reply);
	json_decref(table);
	return stays;
}

static void
serve(int fd, const char *table_path, const char *record_path)
{
	FILE *in = fdopen(dup(fd), "r");
	char *line = NULL;
	size_t size = 0;
	bool stays = true;

	while (stays && in != NULL && getline(&line, &size, in) > 0) {
		json_t *request = json_loads(line, 0, NULL);

		record(record_path, request);
		stays = answer(fd, table_path, request);
		json_decref(request);
	}
	free(line);
	if (in != NULL)
		(void)fclose(in);
	close(fd);
}

int
main(int argc, char **argv)
{
	int listener, fd;

	if (argc != 4) {
		fprintf(stderr, "usage: method_server SOCKET TABLE RECORD\n");
		return 2;
	}
	listener = listen_at(argv[1]);
	if (listener < 0) {
		perror(argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		serve(fd, argv[2], argv[3]);
	perror("accept");
	return 1;
}
