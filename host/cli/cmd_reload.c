/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli.h"
#include "printable.h"

static size_t
print_settings(const char *label, json_t *settings)
{
	size_t i;
	json_t *name;

	json_array_foreach(settings, i, name)
		printf("%s%s\n", label, json_string_value(name));
	return json_array_size(settings);
}

enum cli_status
cmd_reload(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "reload", NULL, &status);
	size_t n;

	if (reply == NULL)
		return status;
	if (cli->json) {
		cli_print_json(reply);
	} else {
		make_json_printable(reply);
		n = print_settings("changed           ", json_object_get(reply, "changed"));
		n += print_settings("needs a restart   ", json_object_get(reply, "restart"));
		if (n == 0)
			printf("nothing changed\n");
	}
	json_decref(reply);
	return CLI_OK;
}
