/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli.h"
#include "printable.h"

enum cli_status
cmd_version(const struct cli *cli)
{
	enum cli_status status;
	const char *daemon;
	json_t *reply;

	if (!cli->json)
		printf("freqring   %s\n", FREQRING_VERSION);
	reply = cli_call(cli, "version", NULL, &status);
	if (reply == NULL)
		return status;
	make_json_printable(reply);
	daemon = json_string_value(json_object_get(reply, "version"));
	if (cli->json) {
		json_t *out = json_pack("{s:s, s:s?, s:O?}", "freqring", FREQRING_VERSION,
			"freqringd", daemon, "abi", json_object_get(reply, "abi"));

		cli_print_json(out);
		json_decref(out);
	} else {
		printf("freqringd  %s\n", daemon != NULL ? daemon : "unknown");
	}
	json_decref(reply);
	return CLI_OK;
}
