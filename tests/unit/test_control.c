/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_control.c - hostile and honest clients against a real socket
 *
 * The server runs in this process; each wait turns its loop.
 */
#define _GNU_SOURCE 1
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control.h"

#define NOBODY 65534
#define SKIPPED 77

static char dir[] = "/tmp/test_control.XXXXXX";
static char path[128];
static struct event_base *base;
static struct control *ctl;
static unsigned int nb_changes;
#define MAX_LATER 16u
static struct rpc_pending *later[MAX_LATER];
static unsigned int nb_later;
static gid_t admin_group = (gid_t)-1;

/* ---- the server ------------------------------------------------------------ */

static json_t *
run_echo(struct rpc_call *call)
{
	return call->params != NULL ? json_incref(call->params) : json_null();
}

static json_t *
run_big(struct rpc_call *call)
{
	json_int_t size = json_integer_value(json_object_get(call->params, "size"));
	char *text = calloc(1, (size_t)size + 1);
	json_t *s;

	assert_non_null(text);
	memset(text, 'x', (size_t)size);
	s = json_string(text);
	free(text);
	return s;
}

static json_t *
run_change(struct rpc_call *call)
{
	(void)call;
	nb_changes++;
	return json_true();
}

static json_t *
run_fail(struct rpc_call *call)
{
	call->code = RPC_FAILED;
	frq_err_set(&call->err, "no VM \xff\xfe");
	return NULL;
}

static json_t *
run_mute(struct rpc_call *call)
{
	(void)call;
	return NULL;
}

static json_t *
run_later(struct rpc_call *call)
{
	struct rpc_pending *p = control_defer(call);

	if (p != NULL && nb_later < MAX_LATER)
		later[nb_later++] = p;
	return NULL;
}

/* Deferred, and answered before the method returns. */
static json_t *
run_refused(struct rpc_call *call)
{
	struct rpc_pending *p = control_defer(call);

	if (p != NULL)
		control_answer(p, NULL, RPC_FAILED, "not now");
	return NULL;
}

static json_t *
run_subscribe(struct rpc_call *call)
{
	control_subscribe(call);
	return json_true();
}

static const struct rpc_method methods[] = {
	{ "echo", false, run_echo },
	{ "later", false, run_later },
	{ "refused", false, run_refused },
	{ "subscribe", false, run_subscribe },
	{ "big", false, run_big },
	{ "change", true, run_change },
	{ "fail", false, run_fail },
	{ "mute", false, run_mute },
	{ .name = NULL }
};

static struct control *
start(gid_t group)
{
	struct control_config c = { .path = path, .group = group, .admin_group = admin_group,
		.methods = methods };
	struct control *started = NULL;
	struct frq_err err = { "" };

	if (control_start(&started, base, &c, &err) < 0)
		fail_msg("%s", err.text);
	return started;
}

static int
set_up(void **state)
{
	(void)state;
	base = event_base_new();
	assert_non_null(base);
	nb_changes = nb_later = 0;
	ctl = start(getuid() == 0 ? NOBODY : (gid_t)-1);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	if (ctl != NULL)
		control_stop(ctl);
	ctl = NULL;
	event_base_free(base);
	assert_int_equal(access(path, F_OK), -1);
	return 0;
}

static int
make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/run/control.sock", dir);
	return chmod(dir, 0755);
}

static int
remove_dir(void **state)
{
	char sub[128];

	(void)state;
	snprintf(sub, sizeof(sub), "%s/run", dir);
	(void)rmdir(sub);
	return rmdir(dir);
}

static void
turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static json_int_t
stat_of(const char *cause)
{
	json_t *st = control_stats(ctl);
	json_t *from = cause[0] == '.' ? st : json_object_get(st, "errors");
	json_t *value = json_object_get(from, cause[0] == '.' ? cause + 1 : cause);
	json_int_t n;

	assert_true(json_is_integer(value));
	n = json_integer_value(value);
	json_decref(st);
	return n;
}

/* ---- a client -------------------------------------------------------------- */

static int
dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		assert_int_equal(errno, EAGAIN);
		turn();
	}
	turn();
	return fd;
}

static void
put(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			n = 0;
		}
		data += n;
		len -= (size_t)n;
		turn();
	}
}

static void
puts_to(int fd, const char *text)
{
	put(fd, text, strlen(text));
}

/* The next line, or NULL at the end of the connection. 5 s are the most. */
static char *
get(int fd)
{
	static char line[3 * 1024 * 1024];
	time_t end = time(NULL) + 5;
	size_t len = 0;

	while (time(NULL) <= end) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return len == 0 ? NULL : line;
		if (n < 0) {
			turn();
			continue;
		}
		if (line[len] == '\n') {
			line[len] = '\0';
			return line;
		}
		len++;
	}
	fail_msg("no line within 5 s");
	return NULL;
}

static void
expect_line(int fd, const char *expected)
{
	char *line = get(fd);

	assert_non_null(line);
	assert_string_equal(line, expected);
}

static void
expect_end(int fd)
{
	assert_null(get(fd));
	close(fd);
}

/* Nothing comes: what is asked next is answered next. */
static void
expect_in_order(int fd)
{
	puts_to(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"mark\",\"method\":\"echo\"}\n");
	expect_line(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"mark\",\"result\":null}");
}

#define RQ(id, rest) "{\"jsonrpc\":\"2.0\",\"id\":" id "," rest "}\n"
#define OK(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define ERR(id, code, message) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code \
	",\"message\":\"" message "\"}}"

/* ---- requests -------------------------------------------------------------- */

static void
requests(void **state)
{
	static const struct {
		const char *request, *reply, *cause;
	} cases[] = {
		{ RQ("1", "\"method\":\"echo\""), OK("1", "null"), NULL },
		{ RQ("\"a\\\"b\"", "\"method\":\"echo\",\"params\":{\"k\":[1,2.5]}"),
		  OK("\"a\\\"b\"", "{\"k\":[1,2.5]}"), NULL },
		{ RQ("null", "\"method\":\"echo\""), OK("null", "null"), NULL },
		{ RQ("1.5", "\"method\":\"echo\""), OK("1.5", "null"), NULL },
		{ "\r\n \t\n" RQ("2", "\"method\":\"echo\""), OK("2", "null"), NULL },
		{ "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"echo\"}\r\n", OK("3", "null"), NULL },
		{ RQ("4", "\"method\":\"change\""), OK("4", "true"), NULL },
		{ RQ("5", "\"method\":\"none\""), ERR("5", "-32601", "no such method: none"),
		  "method_not_found" },
		{ RQ("6", "\"method\":\"echo\",\"params\":[1]"), ERR("6", "-32602",
		  "parameters have names: \\\"params\\\" has to be an object"), "invalid_params" },
		{ RQ("7", "\"method\":\"echo\",\"params\":1"), ERR("7", "-32600",
		  "\\\"params\\\" has to be an object"), "invalid_request" },
		{ RQ("8", "\"method\":5"), ERR("8", "-32600",
		  "\\\"method\\\" has to be a string"), "invalid_request" },
		{ RQ("9", "\"x\":5"), ERR("9", "-32600",
		  "\\\"method\\\" has to be a string"), "invalid_request" },
		{ RQ("{}", "\"method\":\"echo\""), ERR("null", "-32600",
		  "\\\"id\\\" has to be a string, a number or null"), "invalid_request" },
		{ RQ("true", "\"method\":\"echo\""), ERR("null", "-32600",
		  "\\\"id\\\" has to be a string, a number or null"), "invalid_request" },
		{ "{\"id\":10,\"method\":\"echo\"}\n", ERR("10", "-32600",
		  "\\\"jsonrpc\\\" has to be \\\"2.0\\\""), "invalid_request" },
		{ "{\"jsonrpc\":2.0,\"id\":11,\"method\":\"echo\"}\n", ERR("11", "-32600",
		  "\\\"jsonrpc\\\" has to be \\\"2.0\\\""), "invalid_request" },
		{ "{\"jsonrpc\":\"1.0\",\"method\":\"echo\"}\n", ERR("null", "-32600",
		  "\\\"jsonrpc\\\" has to be \\\"2.0\\\""), "invalid_request" },
		{ "[" "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}]\n", ERR("null", "-32600",
		  "batches are not supported, send one object a line"), "invalid_request" },
		{ "[]\n", ERR("null", "-32600",
		  "batches are not supported, send one object a line"), "invalid_request" },
		{ "5\n", ERR("null", "-32600", "a request is an object"), "invalid_request" },
		{ RQ("12", "\"method\":\"fail\""), ERR("12", "-32000", "no VM ??"), "failed" },
		{ RQ("13", "\"method\":\"mute\""), ERR("13", "-32603",
		  "mute failed and did not say why"), "internal_error" },
	};
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_int_t before = cases[i].cause != NULL ? stat_of(cases[i].cause) : 0;

		puts_to(fd, cases[i].request);
		expect_line(fd, cases[i].reply);
		if (cases[i].cause != NULL)
			assert_int_equal(stat_of(cases[i].cause), before + 1);
	}
	assert_int_equal(stat_of(".requests"), sizeof(cases) / sizeof(cases[0]));
	assert_int_equal(stat_of(".clients"), 1);
	assert_int_equal(nb_changes, 1);
	close(fd);
	turn();
	turn();
	assert_int_equal(stat_of(".clients"), 0);
}

#define BYTES(text) { text, sizeof(text) - 1 }

static void
garbage(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} cases[] = {
		BYTES("hello\n"),
		BYTES("{\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"echo\"}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\0\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ec\0ho\"}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0000\",\"method\":\"echo\"}\n"),
		BYTES("\0\n"),
		BYTES("\xff\xfe\xfd\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"echo\"}\n"),
		BYTES("{}{}\n"),
	};
	int fd = dial();
	char *deep = malloc(60001);

	(void)state;
	assert_non_null(deep);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *line;

		put(fd, cases[i].data, cases[i].len);
		line = get(fd);
		assert_non_null(line);
		assert_non_null(strstr(line, "\"id\":null,\"error\":{\"code\":-32700,\"message\":\"not "
			"JSON: "));
	}
	memset(deep, '[', 60000);
	deep[60000] = '\n';
	put(fd, deep, 60001);
	free(deep);
	assert_non_null(strstr(get(fd), "maximum parsing depth reached"));
	assert_int_equal(stat_of("parse_error"), sizeof(cases) / sizeof(cases[0]) + 1);
	expect_in_order(fd);
	close(fd);
}

static void
split_anywhere(void **state)
{
	static const char rq[] = RQ("1", "\"method\":\"echo\",\"params\":{\"a\":1}");
	int fd = dial();

	(void)state;
	for (size_t cut = 1; cut < sizeof(rq) - 1; cut++) {
		put(fd, rq, cut);
		put(fd, rq + cut, sizeof(rq) - 1 - cut);
		expect_line(fd, OK("1", "{\"a\":1}"));
	}
	for (size_t i = 0; i < sizeof(rq) - 1; i++)
		put(fd, rq + i, 1);
	expect_line(fd, OK("1", "{\"a\":1}"));
	close(fd);
}

static void
glued(void **state)
{
	char text[64 * 1024] = "", expected[64];
	int fd = dial();

	(void)state;
	for (int i = 0; i < 1000; i++)
		snprintf(text + strlen(text), 64, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"echo\"}\n",
			i);
	/* The end comes with the next packet. */
	text[strlen(text) - 1] = '\0';
	puts_to(fd, text);
	puts_to(fd, "\n");
	for (int i = 0; i < 1000; i++) {
		snprintf(expected, sizeof(expected), OK("%d", "null"), i);
		expect_line(fd, expected);
	}
	close(fd);
}

static void
notifications(void **state)
{
	int fd = dial();

	(void)state;
	puts_to(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"change\"}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"none\"}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"fail\"}\n"
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[]}\n");
	expect_in_order(fd);
	assert_int_equal(nb_changes, 1);
	assert_int_equal(stat_of("method_not_found"), 1);
	close(fd);
}

static void
half_closed(void **state)
{
	int fd = dial();

	(void)state;
	puts_to(fd, RQ("1", "\"method\":\"echo\""));
	/* The last line may lack its end. */
	puts_to(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"big\",\"params\":{\"size\":500000}}");
	shutdown(fd, SHUT_WR);
	expect_line(fd, OK("1", "null"));
	assert_int_equal(strlen(get(fd)), 500000 + strlen(OK("2", "\"\"")));
	expect_end(fd);
	assert_int_equal(stat_of(".clients"), 0);
}

/* ---- limits ----------------------------------------------------------------- */

static void
longest_line(void **state)
{
	static const char head[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"s\":\"";
	char *rq = malloc(65536 + 3);
	int fd = dial();

	(void)state;
	assert_non_null(rq);
	memset(rq, 'x', 65536);
	memcpy(rq, head, strlen(head));
	memcpy(rq + 65536 - 3, "\"}}\r\n", 5);
	put(fd, rq, 65536 + 2);
	assert_int_equal(strncmp(get(fd), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"s\":\"xxx", 40), 0);
	expect_in_order(fd);

	/* One byte more, with its end in sight. */
	memset(rq + 65536 - 3, 'x', 6);
	memcpy(rq + 65537 - 3, "\"}}\n", 4);
	put(fd, rq, 65537 + 1);
	expect_line(fd, ERR("null", "-32600", "the request is longer than 65536 bytes"));
	expect_end(fd);
	assert_int_equal(stat_of("request_too_long"), 1);
	free(rq);
}

static void
endless_line(void **state)
{
	static char x[4096];
	int fd = dial();
	ssize_t n;

	(void)state;
	memset(x, 'x', sizeof(x));
	do {
		n = send(fd, x, sizeof(x), MSG_NOSIGNAL);
		turn();
	} while (n > 0 || errno == EAGAIN);
	assert_int_equal(errno, EPIPE);
	expect_line(fd, ERR("null", "-32600", "the request is longer than 65536 bytes"));
	expect_end(fd);
	assert_int_equal(stat_of("request_too_long"), 1);
	assert_int_equal(stat_of(".clients"), 0);
}

static void
slow_reader(void **state)
{
	static const char rq[] = RQ("1", "\"method\":\"big\",\"params\":{\"size\":100000}");
	int fd = dial(), other = dial();
	int n;

	(void)state;
	for (n = 0; n < 1000; n++) {
		if (send(fd, rq, sizeof(rq) - 1, MSG_NOSIGNAL) < 0)
			break;
		turn();
		turn();
	}
	assert_int_equal(errno, EPIPE);
	assert_in_range(n, 10, 20);
	assert_int_equal(stat_of("reply_not_read"), 1);
	/* Nobody else is hurt. */
	expect_in_order(other);
	close(other);
	close(fd);
}

static void
one_large_reply(void **state)
{
	int fd = dial();

	(void)state;
	puts_to(fd, RQ("1", "\"method\":\"big\",\"params\":{\"size\":2500000}"));
	assert_int_equal(strlen(get(fd)), 2500000 + strlen(OK("1", "\"\"")));
	expect_in_order(fd);
	assert_int_equal(stat_of("reply_not_read"), 0);
	close(fd);
}

static void
many_clients(void **state)
{
	int fd[300];

	(void)state;
	for (int i = 0; i < 300; i++)
		fd[i] = dial();
	turn();
	assert_int_equal(stat_of(".clients"), 256);
	assert_int_equal(stat_of("too_many_clients"), 44);
	for (int i = 256; i < 300; i++) {
		expect_line(fd[i], ERR("null", "-32000", "too many clients, try later"));
		expect_end(fd[i]);
	}
	for (int i = 0; i < 256; i++)
		expect_in_order(fd[i]);
	close(fd[0]);
	turn();
	turn();
	fd[0] = dial();
	expect_in_order(fd[0]);
	for (int i = 0; i < 256; i++)
		close(fd[i]);
	turn();
	turn();
	assert_int_equal(stat_of(".clients"), 0);
}

static void
no_descriptors_left(void **state)
{
	struct rlimit saved, none;
	int fd[2];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	fd[0] = dial();
	fd[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	none = saved;
	none.rlim_cur = (rlim_t)fd[1] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	{
		struct sockaddr_un addr = { .sun_family = AF_UNIX };

		snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
		assert_int_equal(connect(fd[1], (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	for (int i = 0; i < 1000; i++)
		turn();
	/* accept() failed once and then rested; those who are in are served. */
	assert_int_equal(stat_of("accept_failed"), 1);
	expect_in_order(fd[0]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	expect_in_order(fd[1]);
	close(fd[0]);
	close(fd[1]);
}

/* ---- who may ---------------------------------------------------------------- */

/* Runs in a child that is no longer root. 0: as expected. */
static int
as_member(void)
{
	static const char rq[] = RQ("1", "\"method\":\"echo\"") RQ("2", "\"method\":\"change\"");
	static const char expected[] = OK("1", "null") "\n" ERR("2", "-32001",
		"change changes something, which takes root or the user that freqringd runs as, "
		"or a member of [daemon] admin_group; you are uid 65534") "\n";
	static const char as_admin[] = OK("1", "null") "\n" OK("2", "true") "\n";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char got[sizeof(expected) + 16] = "";
	size_t len = 0;
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == EACCES ? 10 : 11;
	/* One that is turned away may be so before it sends. */
	if (send(fd, rq, strlen(rq), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return 12;
	while (len < strlen(expected) && strcmp(got, as_admin) != 0) {
		n = recv(fd, got + len, sizeof(got) - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (strcmp(got, expected) == 0)
		return 0;
	if (strcmp(got, as_admin) == 0)
		return 1;
	return strstr(got, "only root, the user that freqringd runs as") != NULL ? 13 : 14;
}

static pid_t
begin_as_nobody(int (*run)(void), gid_t primary, int nb_groups, const gid_t *groups)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups((size_t)nb_groups, groups) < 0 || setgid(primary) < 0 ||
		    setuid(NOBODY) < 0)
			_exit(20);
		_exit(run());
	}
	return pid;
}

static int
run_as_nobody(gid_t primary, int nb_groups, const gid_t *groups)
{
	pid_t pid = begin_as_nobody(as_member, primary, nb_groups, groups);
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0)
		turn();
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
rights(void **state)
{
	static const gid_t group = NOBODY;
	struct stat st;

	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, NOBODY);
	assert_int_equal(run_as_nobody(NOBODY, 0, NULL), 0);
	/* Membership as a supplementary group counts as well. */
	assert_int_equal(run_as_nobody(12345, 1, &group), 0);
	assert_int_equal(stat_of("denied"), 2);
	assert_int_equal(nb_changes, 0);
	/* The mode keeps the others out ... */
	assert_int_equal(run_as_nobody(12345, 0, NULL), 10);
	/* ... and where somebody widened it, the credentials do. */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(run_as_nobody(12345, 0, NULL), 13);
	assert_int_equal(stat_of("client_not_allowed"), 1);
}

static void
admins(void **state)
{
	static const gid_t both[] = { NOBODY, 12345 };

	(void)state;
	if (getuid() != 0)
		skip();
	control_stop(ctl);
	admin_group = 12345;
	ctl = start(NOBODY);
	admin_group = (gid_t)-1;
	assert_int_equal(run_as_nobody(NOBODY, 0, NULL), 0);
	assert_int_equal(nb_changes, 0);
	assert_int_equal(run_as_nobody(NOBODY, 2, both), 1);
	assert_int_equal(run_as_nobody(12345, 1, both), 1);
	assert_int_equal(nb_changes, 2);
	/* Without a group that reads, the socket is theirs. */
	control_stop(ctl);
	admin_group = 12345;
	ctl = start((gid_t)-1);
	admin_group = (gid_t)-1;
	assert_int_equal(run_as_nobody(12345, 0, NULL), 1);
	assert_int_equal(run_as_nobody(NOBODY, 0, NULL), 10);
}

/* In a child, too: connects until it is killed, and asks for what it does not read. */
static int
crowd(void)
{
	static const char rq[] = RQ("1", "\"method\":\"big\",\"params\":{\"size\":900000}");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	/* Also where a check fails. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return 10;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	for (int i = 0; i < 300; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
			return 11;
		(void)send(fd, rq, strlen(rq), MSG_NOSIGNAL);
	}
	for (;;)
		(void)pause();
}

/* Who may only ask takes all it can get: root is served all the same. */
static void
places_are_kept(void **state)
{
	time_t end = time(NULL) + 20;
	int status, fd;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	pid = begin_as_nobody(crowd, NOBODY, 0, NULL);
	while ((stat_of("too_many_clients") < 60 || stat_of("busy") == 0) && time(NULL) <= end)
		turn();
	assert_int_equal(stat_of(".clients"), 240);
	assert_int_equal(stat_of("too_many_clients"), 60);
	assert_true(stat_of("busy") > 0);
	fd = dial();
	expect_in_order(fd);
	puts_to(fd, RQ("1", "\"method\":\"change\""));
	expect_line(fd, OK("1", "true"));
	close(fd);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* ---- answers that come later ------------------------------------------------- */

static void
answer_later(void **state)
{
	int fd = dial(), other = dial();

	(void)state;
	puts_to(fd, RQ("1", "\"method\":\"later\"") RQ("2", "\"method\":\"later\"")
		RQ("3", "\"method\":\"echo\""));
	/* Who comes after them does not wait for them. */
	expect_line(fd, OK("3", "null"));
	assert_int_equal(nb_later, 2);
	puts_to(other, RQ("1", "\"method\":\"echo\""));
	expect_line(other, OK("1", "null"));
	control_answer(later[1], json_string("second"), 0, NULL);
	expect_line(fd, OK("2", "\"second\""));
	control_answer(later[0], NULL, RPC_FAILED, "it did not \xff");
	expect_line(fd, ERR("1", "-32000", "it did not ?"));
	assert_int_equal(stat_of("failed"), 1);
	/* A notification wants no answer, and can be a long one all the same. */
	puts_to(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"later\"}\n");
	assert_int_equal(nb_later, 3);
	control_answer(later[2], json_true(), 0, NULL);
	expect_in_order(fd);
	close(fd);
	close(other);
}

static void
answer_too_late(void **state)
{
	int fd = dial(), half = dial();

	(void)state;
	puts_to(fd, RQ("1", "\"method\":\"later\""));
	assert_int_equal(nb_later, 1);
	close(fd);
	turn();
	turn();
	/* It may have closed its sending side only. */
	assert_int_equal(stat_of(".clients"), 2);
	control_answer(later[0], json_true(), 0, NULL);
	turn();
	turn();
	assert_int_equal(stat_of(".clients"), 1);
	/* One that only listens any more is closed after the answer, and not before. */
	puts_to(half, RQ("2", "\"method\":\"later\""));
	assert_int_equal(shutdown(half, SHUT_WR), 0);
	turn();
	turn();
	assert_int_equal(stat_of(".clients"), 1);
	control_answer(later[1], json_true(), 0, NULL);
	expect_line(half, OK("2", "true"));
	expect_end(half);
	/* Nor does it matter that the server is gone. */
	fd = dial();
	puts_to(fd, RQ("3", "\"method\":\"later\""));
	assert_int_equal(nb_later, 3);
	control_stop(ctl);
	ctl = NULL;
	control_answer(later[2], NULL, RPC_FAILED, "over");
	close(fd);
}

/* Refused at once, by who has closed its side and wants no answer: freed once, and later. */
static void
answer_within_the_call(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		int fd = dial();

		puts_to(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"refused\"}\n");
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		put(fd, "", 0);
		expect_end(fd);
	}
	{
		int fd = dial();
		static const char rq[] = "{\"jsonrpc\":\"2.0\",\"method\":\"refused\"}\n"
			"{\"jsonrpc\":\"2.0\",\"method\":\"refused\"}";

		assert_int_equal(send(fd, rq, strlen(rq), 0), strlen(rq));
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		expect_end(fd);
	}
	assert_int_equal(stat_of(".clients"), 0);
}

static void
too_many_later(void **state)
{
	int fd = dial();
	char rq[128];

	(void)state;
	for (unsigned int i = 0; i < MAX_LATER; i++) {
		snprintf(rq, sizeof(rq), RQ("%u", "\"method\":\"later\""), i);
		puts_to(fd, rq);
	}
	while (nb_later < MAX_LATER)
		turn();
	puts_to(fd, RQ("99", "\"method\":\"later\""));
	expect_line(fd, ERR("99", "-32000", "16 requests of yours are under way: wait for one to end"));
	for (unsigned int i = 0; i < nb_later; i++) {
		control_answer(later[i], json_true(), 0, NULL);
		snprintf(rq, sizeof(rq), OK("%u", "true"), i);
		expect_line(fd, rq);
	}
	nb_later = 0;
	puts_to(fd, RQ("100", "\"method\":\"later\""));
	assert_int_equal(nb_later, 1);
	control_answer(later[0], json_true(), 0, NULL);
	expect_line(fd, OK("100", "true"));
	close(fd);
}

/* ---- subscriptions ------------------------------------------------------------ */

#define NOTE(n) "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"n\":" n "}}"

static void
publish(int n)
{
	control_publish(ctl, "event", json_pack("{s:i}", "n", n));
	turn();
}

static void
subscribers(void **state)
{
	int fd = dial(), other = dial();

	(void)state;
	publish(1);
	puts_to(fd, RQ("1", "\"method\":\"subscribe\""));
	expect_line(fd, OK("1", "true"));
	publish(2);
	publish(3);
	expect_line(fd, NOTE("2"));
	expect_line(fd, NOTE("3"));
	/* It may go on to ask; and who did not subscribe hears nothing. */
	expect_in_order(fd);
	expect_in_order(other);
	close(fd);
	publish(4);
	expect_in_order(other);
	close(other);
}

static void
deaf_subscriber(void **state)
{
	char text[1000];
	int fd = dial();

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	puts_to(fd, RQ("1", "\"method\":\"subscribe\""));
	for (unsigned int i = 0; i < 4000 && stat_of("reply_not_read") == 0; i++) {
		control_publish(ctl, "event", json_string(text));
		turn();
	}
	assert_int_equal(stat_of("reply_not_read"), 1);
	assert_int_equal(stat_of(".clients"), 0);
	close(fd);
}

/* ---- the path ---------------------------------------------------------------- */

static int
try_start(const char *at, struct frq_err *err)
{
	struct control_config c = { .path = at, .group = (gid_t)-1, .admin_group = (gid_t)-1,
		.methods = methods };
	struct control *second = NULL;
	int ret = control_start(&second, base, &c, err);

	assert_null(second);
	return ret;
}

static void
live_socket(void **state)
{
	struct frq_err err;
	char expected[256];
	int fd;

	(void)state;
	assert_int_equal(try_start(path, &err), -EADDRINUSE);
	snprintf(expected, sizeof(expected), "control socket %s: another freqringd (pid %d) "
		"listens there", path, (int)getpid());
	assert_string_equal(err.text, expected);
	fd = dial();
	expect_in_order(fd);
	close(fd);
}

static void
stale_socket(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask = umask(0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	control_stop(ctl);
	ctl = NULL;
	assert_int_equal(access(path, F_OK), -1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(access(path, F_OK), 0);
	ctl = start((gid_t)-1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = dial();
	expect_in_order(fd);
	close(fd);
	umask(mask);
}

static void
not_ours_any_more(void **state)
{
	struct control *first = ctl;
	int fd;

	(void)state;
	assert_int_equal(unlink(path), 0);
	ctl = start((gid_t)-1);
	control_stop(first);
	fd = dial();
	expect_in_order(fd);
	close(fd);
}

static void
bad_paths(void **state)
{
	struct frq_err err;
	char at[256], expected[512];
	FILE *f;

	(void)state;
	snprintf(at, sizeof(at), "%s/run/file", dir);
	f = fopen(at, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(try_start(at, &err), -EEXIST);
	snprintf(expected, sizeof(expected), "control socket %s: something else is there; remove "
		"it or set another path ([daemon] socket)", at);
	assert_string_equal(err.text, expected);
	assert_int_equal(unlink(at), 0);

	snprintf(at, sizeof(at), "%s/a/b/sock", dir);
	assert_int_equal(try_start(at, &err), -ENOENT);
	snprintf(expected, sizeof(expected), "cannot make the folder %s/a/b of the control socket: "
		"No such file or directory; its parent has to exist", dir);
	assert_string_equal(err.text, expected);

	memset(at, 'x', 120);
	at[0] = '/';
	at[120] = '\0';
	assert_int_equal(try_start(at, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "...: a path of 120 characters, the most is 107"));
}

static void
folder(void **state)
{
	struct stat st;
	char sub[128];
	mode_t mask;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/run", dir);
	control_stop(ctl);
	assert_int_equal(rmdir(sub), 0);
	mask = umask(0077);
	ctl = start((gid_t)-1);
	umask(mask);
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void
stop_with_clients(void **state)
{
	int fd = dial();

	(void)state;
	puts_to(fd, RQ("1", "\"method\":\"big\",\"params\":{\"size\":500000}"));
	control_stop(ctl);
	ctl = NULL;
	turn();
	close(fd);
}

/* Who waits is told why nothing comes any more, though the loop does not turn again. */
static void
stop_with_last_word(void **state)
{
	int fd = dial();

	(void)state;
	puts_to(fd, RQ("1", "\"method\":\"later\""));
	while (nb_later == 0)
		turn();
	control_answer(later[0], NULL, RPC_FAILED, "freqringd ends");
	control_stop(ctl);
	ctl = NULL;
	expect_line(fd, ERR("1", "-32000", "freqringd ends"));
	expect_end(fd);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(requests),
		TEST(garbage),
		TEST(split_anywhere),
		TEST(glued),
		TEST(notifications),
		TEST(half_closed),
		TEST(longest_line),
		TEST(endless_line),
		TEST(slow_reader),
		TEST(one_large_reply),
		TEST(many_clients),
		TEST(no_descriptors_left),
		TEST(rights),
		TEST(admins),
		TEST(places_are_kept),
		TEST(answer_later),
		TEST(answer_too_late),
		TEST(answer_within_the_call),
		TEST(too_many_later),
		TEST(subscribers),
		TEST(deaf_subscriber),
		TEST(live_socket),
		TEST(stale_socket),
		TEST(not_ours_any_more),
		TEST(bad_paths),
		TEST(folder),
		TEST(stop_with_clients),
		TEST(stop_with_last_word),
	};
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1;
	files.rlim_cur = files.rlim_max < 1024 ? files.rlim_max : 1024;
	if (files.rlim_cur < 700) {
		printf("skipped: needs 700 descriptors, the limit is %u\n",
			(unsigned int)files.rlim_cur);
		return SKIPPED;
	}
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return 1;
	return cmocka_run_group_tests_name("control", tests, make_dir, remove_dir);
}
