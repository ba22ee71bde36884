/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli.h"

enum cli_status
cmd_quit(const struct cli *cli)
{
	if (cli->shell != NULL)
		shell_quit(cli->shell);
	return CLI_OK;
}
