/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* Those of one command, or all. */
static void
print_options(const char *command)
{
	printf("\nOptions, before or after the command:\n");
	for (const struct cli_option *o = cli_options; o->name != NULL; o++) {
		char left[40], letter[5] = "    ";

		if (command != NULL && o->command != NULL && strcmp(o->command, command) != 0)
			continue;
		if (o->letter < 256)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s %s", letter, o->name,
			o->arg != NULL ? o->arg : "");
		printf("  %-22s %s\n", left, o->help);
	}
}

void
cli_print_help(void)
{
	printf("Usage: freqring [OPTION]... COMMAND [ARGUMENT]...\n"
		"Ask and steer freqringd, which sets CPU frequencies for VMs.\n\n"
		"Commands:\n");
	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++) {
		char left[40];

		snprintf(left, sizeof(left), "%s %s", cmd->name, cmd->args);
		printf("  %-22s %s\n", left, cmd->help);
	}
	print_options(NULL);
	printf("\nExit status: 0 done, 1 failed (verify: a difference), 2 called wrongly.\n");
}

void
cli_print_command_help(const struct cli_command *cmd)
{
	printf("Usage: freqring %s%s%s\n  %s\n", cmd->name, cmd->args[0] != '\0' ? " " : "",
		cmd->args, cmd->help);
	print_options(cmd->name);
}

enum cli_status
cmd_help(const struct cli *cli, int argc, char **argv)
{
	const struct cli_command *cmd;

	(void)cli;
	if (argc < 2) {
		cli_print_help();
		return CLI_OK;
	}
	cmd = cli_find(argv[1]);
	if (cmd == NULL)
		return CLI_USAGE;
	cli_print_command_help(cmd);
	return CLI_OK;
}
