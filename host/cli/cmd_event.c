/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_event.c - wait for events, as virsh event does
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "interrupt.h"
#include "members.h"
#include "printable.h"
#include "suggest.h"

struct listener {
	const struct cli *cli;
	struct client client;
	char *vm;		/* its name, or NULL: of all */
	intmax_t last;		/* number of the last one that was looked at */
	unsigned int nb_printed;
};

/* ---- which ones, and how ---------------------------------------------------- */

static bool
in_list(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; ; p++) {
		size_t n = strcspn(p, ",");

		if (n == len && strncmp(p, word, n) == 0)
			return true;
		p += n;
		if (*p == '\0')
			return false;
	}
}

static bool
is_wanted(const struct listener *l, const json_t *event)
{
	const char *kinds = l->cli->opt[OPT_KIND].text;

	if (l->vm != NULL && strcmp(text_of(event, "vm"), l->vm) != 0)
		return false;
	return kinds == NULL || in_list(kinds, text_of(event, "kind"));
}

static void
print_event(const struct cli *cli, json_t *event)
{
	const char *vm;

	if (cli->json) {
		json_dumpf(event, stdout, JSON_COMPACT);
		printf("\n");
	} else {
		make_json_printable(event);
		vm = text_of(event, "vm");
		if (cli_given(cli, OPT_TIMESTAMP))
			printf("%s: ", text_or_dash(event, "time"));
		printf("event '%s'%s%s%s: %s\n", text_or_dash(event, "kind"),
			vm[0] != '\0' ? " for domain '" : "", vm, vm[0] != '\0' ? "'" : "",
			text_or_dash(event, "text"));
	}
	(void)fflush(stdout);
}

/* Whether it was the last one to wait for. */
static bool
take_event(struct listener *l, json_t *event)
{
	/* One may come twice: in what is kept, and by itself. */
	if (number_of(event, "number") <= l->last)
		return false;
	l->last = number_of(event, "number");
	if (!is_wanted(l, event))
		return false;
	print_event(l->cli, event);
	l->nb_printed++;
	return !cli_given(l->cli, OPT_LOOP) || ferror(stdout) != 0;
}

/* A kind may be newer than this command, so that one is only asked about. */
static void
doubt_kinds(const struct cli *cli)
{
	const char *const *known = cli_options[OPT_KIND].value.words;
	char kinds[200], *rest = kinds, *kind;

	(void)snprintf(kinds, sizeof(kinds), "%s", cli->opt[OPT_KIND].text);
	while ((kind = strsep(&rest, ",")) != NULL) {
		struct suggest s = SUGGEST_INIT(kind);

		for (size_t i = 0; known[i] != NULL; i++)
			suggest_offer(&s, known[i]);
		if (s.best != NULL && s.distance != 0)
			cli_error("--kind %s: did you mean %s?", kind, s.best);
	}
}

/* ---- the connection --------------------------------------------------------- */

static json_t *
call(struct listener *l, const char *method, json_t *params, enum cli_status *status)
{
	struct client_error err;
	json_t *result = client_call(&l->client, method, params, 0, &err);

	if (result == NULL)
		*status = cli_call_failed(&err);
	return result;
}

/* Events have the VM's name: find that of a UUID, and that there is one. */
static bool
find_name(struct listener *l, const char *wanted, enum cli_status *status)
{
	json_t *list = call(l, "list", NULL, status);
	const json_t *vm;

	if (list == NULL)
		return false;
	vm = find_vm(json_object_get(list, "vms"), wanted);
	if (vm != NULL)
		l->vm = strdup(text_of(vm, "name"));
	else
		cli_error("%s: libvirt knows no VM of that name or UUID; see freqring list",
			wanted);
	json_decref(list);
	*status = CLI_FAILED;
	return l->vm != NULL;
}

/*
 * Those after --since that are kept. The daemon replies after it sent what
 * happened meanwhile, so that what client_call() drops is among them.
 */
static bool
take_kept(struct listener *l, bool *done, enum cli_status *status)
{
	json_t *reply, *events, *event;
	intmax_t lost;
	size_t i;

	l->last = (intmax_t)l->cli->opt[OPT_SINCE].number;
	reply = call(l, "events", json_pack("{s:I}", "since", (json_int_t)l->last), status);
	if (reply == NULL)
		return false;
	lost = number_of(reply, "lost");
	if (lost != 0)
		cli_error("%jd event%s before these %s not kept any more", lost, plural(lost),
			lost == 1 ? "is" : "are");
	events = json_object_get(reply, "events");
	json_array_foreach(events, i, event) {
		*done = take_event(l, event);
		if (*done)
			break;
	}
	if (l->last > number_of(reply, "last"))
		l->last = number_of(reply, "last");
	json_decref(reply);
	return true;
}

static bool
subscribe(struct listener *l, bool *done, enum cli_status *status)
{
	const struct cli *cli = l->cli;
	json_t *reply;

	if (cli->nb_args > 0 && !find_name(l, cli->arg[0].text, status))
		return false;
	reply = call(l, "event_subscribe", NULL, status);
	if (reply == NULL)
		return false;
	l->last = number_of(reply, "last");
	json_decref(reply);
	return !cli_given(cli, OPT_SINCE) || take_kept(l, done, status);
}

/* How virsh says it; a program that reads JSON need not. */
static enum cli_status
finish(const struct listener *l, const char *why)
{
	if (why != NULL && !l->cli->json)
		printf("event loop %s\n", why);
	if (!l->cli->json)
		printf("events received: %u\n", l->nb_printed);
	return l->nb_printed > 0 ? CLI_OK : CLI_FAILED;
}

static enum cli_status
listen_on(struct listener *l, int64_t deadline)
{
	enum cli_status status = CLI_FAILED;
	bool done = false;
	struct frq_err err;
	json_t *event;

	if (!subscribe(l, &done, &status))
		return status;
	while (!done) {
		int ret = client_next_event(&l->client, deadline, &event, &err);

		if (ret == -ETIMEDOUT)
			return finish(l, "timed out");
		if (ret == -EINTR)
			return finish(l, "interrupted");
		if (ret < 0) {
			cli_error("%s", err.text);
			return CLI_FAILED;
		}
		done = take_event(l, event);
		json_decref(event);
	}
	return finish(l, NULL);
}

enum cli_status
cmd_event(const struct cli *cli)
{
	struct listener l = { .cli = cli };
	int64_t deadline = -1;
	enum cli_status status;
	struct frq_err err;

	if (cli_given(cli, OPT_KIND))
		doubt_kinds(cli);
	if (cli_given(cli, OPT_TIMEOUT))
		deadline = client_now_ms() + (int64_t)cli->opt[OPT_TIMEOUT].number * 1000;
	interrupt_catch();
	if (client_open(&l.client, cli->socket, &err) < 0) {
		cli_error("%s", err.text);
		return CLI_FAILED;
	}
	status = listen_on(&l, deadline);
	client_close(&l.client);
	free(l.vm);
	return status;
}
