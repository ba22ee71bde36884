/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_attach.c - attach and detach: the device in a domain of libvirt's
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "members.h"
#include "printable.h"

static json_t *
make_params(const struct cli *cli)
{
	static const struct {
		enum cli_opt opt;
		const char *key;
	} flags[] = {
		{ OPT_LIVE, "live" },
		{ OPT_CONFIG, "config" },
		{ OPT_PRINT, "print" },
		{ OPT_SERIAL, "serial" },
	};
	json_t *params = json_pack("{s:s}", "vm", cli->arg[0].text);

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (cli_given(cli, flags[i].opt))
			(void)json_object_set_new(params, flags[i].key, json_true());
	}
	if (cli_given(cli, OPT_SERIAL_PORTS))
		(void)json_object_set_new(params, "serial",
			json_integer((json_int_t)cli->opt[OPT_SERIAL_PORTS].number));
	if (cli_given(cli, OPT_TRANSPORT))
		(void)json_object_set_new(params, "transport",
			json_string(cli->opt[OPT_TRANSPORT].text));
	return params;
}

static void
print_text(const char *label, const char *text)
{
	if (text[0] != '\0')
		printf("%s%s\n", label, text);
}

static void
print_reply(json_t *reply, bool print)
{
	/* The lines of it, which are not of a VM's making. */
	json_t *xml = json_incref(json_object_get(reply, "xml"));

	(void)json_object_del(reply, "xml");
	make_json_printable(reply);
	if (print && json_string_length(xml) > 0)
		printf("%s%s", json_string_value(xml),
			json_string_value(xml)[json_string_length(xml) - 1] == '\n' ? "" : "\n");
	print_text("live: ", text_of(json_object_get(reply, "live"), "text"));
	print_text("in its definition: ", text_of(json_object_get(reply, "config"), "text"));
	print_text("", text_of(reply, "text"));
	json_decref(xml);
}

/* Whether what was asked for is done; where nothing in particular was, any of it. */
static bool
is_done(const struct cli *cli, const json_t *reply)
{
	bool live = flag_of(json_object_get(reply, "live"), "done");
	bool config = flag_of(json_object_get(reply, "config"), "done");

	if (cli_given(cli, OPT_PRINT))
		return true;
	if (!cli_given(cli, OPT_LIVE) && !cli_given(cli, OPT_CONFIG))
		return live || config;
	return (live || !cli_given(cli, OPT_LIVE)) && (config || !cli_given(cli, OPT_CONFIG));
}

static enum cli_status
change(const struct cli *cli, const char *method)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, method, make_params(cli), &status);

	if (reply == NULL)
		return status;
	status = is_done(cli, reply) ? CLI_OK : CLI_FAILED;
	if (cli->json)
		cli_print_json(reply);
	else
		print_reply(reply, cli_given(cli, OPT_PRINT));
	json_decref(reply);
	return status;
}

enum cli_status
cmd_attach(const struct cli *cli)
{
	return change(cli, "attach");
}

enum cli_status
cmd_detach(const struct cli *cli)
{
	return change(cli, "detach");
}
