/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli.h"
#include "printable.h"

enum cli_status
cmd_version(const struct cli *cli, int argc, char **argv)
{
	json_t *status;
	const char *daemon;

	(void)argc;
	(void)argv;
	if (!cli->json)
		printf("freqring   %s\n", FREQRING_VERSION);
	fflush(stdout);
	status = cli_call(cli, "status", NULL);
	if (status == NULL)
		return CLI_FAILED;
	make_json_printable(status);
	daemon = json_string_value(json_object_get(status, "version"));
	if (cli->json) {
		json_t *out = json_pack("{s:s, s:s?}", "freqring", FREQRING_VERSION,
			"freqringd", daemon);

		cli_print_json(out);
		json_decref(out);
	} else {
		printf("freqringd  %s\n", daemon != NULL ? daemon : "unknown");
	}
	json_decref(status);
	return CLI_OK;
}
