/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * status_server.c - a daemon that only reads, for test_cli.sh
 *
 *	status_server SOCKET FILE	answer `status`, `verify` and `version` with
 *					the JSON in FILE; 300 events have happened
 *	status_server SOCKET --fail	answer with an error; no event has happened
 *	status_server SOCKET --stuck	take connections, answer nothing
 *
 * Says "ready" on stdout when it listens, and runs until it is killed.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "events.h"
#include "log.h"
#include "status.h"

#define NB_EVENTS 300u

static json_t *
run_file(struct rpc_call *call)
{
	if (call->arg != NULL)
		return json_incref(call->arg);
	call->code = RPC_FAILED;
	frq_err_set(&call->err, "the status is not to be had\033[2J");
	return NULL;
}

static const struct rpc_method methods[] = {
	{ "events", false, events_run },
	{ "status", false, run_file },
	{ "verify", false, run_file },
	{ "version", false, run_file },
	{ .name = NULL }
};

static void
raise_events(void)
{
	(void)rte_log_set_level(frq_logtype, RTE_LOG_ERR);
	for (unsigned int i = 1; i < NB_EVENTS; i++)
		event_raise(EVENT_DRIFT, NULL, "CPU 3: somebody set %u kHz\n", i);
	event_raise(EVENT_LEASE_EXPIRED, NULL, "VM \xc2\x9b[2J, vCPU 0");
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

static int
be_stuck(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return 1;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		return 1;
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

int
main(int argc, char **argv)
{
	struct control_config c = { .group = (gid_t)-1, .admin_group = (gid_t)-1, .methods = methods };
	struct event_base *base;
	struct event *term;
	struct control *ctl;
	json_t *status = NULL;
	json_error_t why;
	struct frq_err err;

	if (argc != 3) {
		fprintf(stderr, "usage: status_server SOCKET FILE|--fail|--stuck\n");
		return 2;
	}
	if (strcmp(argv[2], "--stuck") == 0)
		return be_stuck(argv[1]);
	if (strcmp(argv[2], "--fail") != 0) {
		status = json_load_file(argv[2], 0, &why);
		if (status == NULL) {
			fprintf(stderr, "%s:%d: %s\n", argv[2], why.line, why.text);
			return 1;
		}
		raise_events();
	}
	base = event_base_new();
	if (base == NULL)
		return 1;
	term = evsignal_new(base, SIGTERM, on_signal, base);
	if (term == NULL || event_add(term, NULL) < 0)
		return 1;
	c.path = argv[1];
	c.arg = status;
	if (control_start(&ctl, base, &c, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	event_base_dispatch(base);
	control_stop(ctl);
	event_free(term);
	event_base_free(base);
	json_decref(status);
	return 0;
}
