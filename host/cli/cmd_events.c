/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "members.h"
#include "printable.h"

static void
print_events(json_t *reply)
{
	json_t *events = json_object_get(reply, "events"), *e;
	intmax_t lost = number_of(reply, "lost");
	size_t i;

	make_json_printable(reply);
	if (lost != 0)
		printf("%jd event%s before these %s not kept any more\n", lost, plural(lost),
			lost == 1 ? "is" : "are");
	json_array_foreach(events, i, e)
		printf("%s  %-13s  %s\n", text_or_dash(e, "time"), text_or_dash(e, "kind"),
			text_or_dash(e, "text"));
}

enum cli_status
cmd_events(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "events", json_pack("{s:I}", "since",
		(json_int_t)cli->opt[OPT_SINCE].number), &status);

	if (reply == NULL)
		return status;
	if (cli->json)
		cli_print_json(reply);
	else
		print_events(reply);
	json_decref(reply);
	return CLI_OK;
}
