/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * help.c - help, from the tables of commands and options
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* Columns: of commands in the list, and of arguments behind "Usage: freqring COMMAND". */
#define LEFT 28
#define MAX_ARGS 55

char *
cli_format_args(const struct cli_command *cmd, char *text, size_t size)
{
	unsigned int max = cli_max_args(cmd), optional = 0;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < max && used < size; i++) {
		bool may_miss = i >= cmd->min_args;

		optional += may_miss;
		used += (size_t)snprintf(text + used, size - used, "%s%s%s", i == 0 ? "" : " ",
			may_miss ? "[" : "", cmd->arg[i].name);
	}
	while (optional-- > 0 && used < size)
		used += (size_t)snprintf(text + used, size - used, "]");
	for (unsigned int i = 0; i < OPT_COUNT && used < size; i++) {
		const struct cli_option *o = &cli_options[i];
		bool value = o->value.kind != VALUE_NONE;

		if ((cmd->options >> i & 1) != 0)
			used += (size_t)snprintf(text + used, size - used, "%s[--%s%s%s]",
				used == 0 ? "" : " ", o->name, value ? " " : "",
				value ? o->value.name : "");
	}
	return text;
}

/* Arguments without options. */
static char *
format_plain(const struct cli_command *cmd, char *text, size_t size)
{
	struct cli_command plain = *cmd;

	plain.options = 0;
	return cli_format_args(&plain, text, size);
}

static void
print_options(unsigned int options)
{
	for (unsigned int i = 0; i < OPT_COUNT; i++) {
		const struct cli_option *o = &cli_options[i];
		char left[40], letter[5] = "    ";

		if ((options >> i & 1) == 0)
			continue;
		if (o->letter != '\0')
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s %s", letter, o->name,
			o->value.kind != VALUE_NONE ? o->value.name : "");
		printf("  %-22s %s\n", left, o->help);
	}
}

void
cli_print_help(void)
{
	printf("Usage: freqring [OPTION]... COMMAND [ARGUMENT]...\n"
		"Ask and steer freqringd, which sets CPU frequencies for VMs.\n\n"
		"Commands (freqring help COMMAND says more):\n");
	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++) {
		char left[80], args[60];

		(void)snprintf(left, sizeof(left), "%s %s", cmd->name,
			format_plain(cmd, args, sizeof(args)));
		if (strcmp(cmd->name, CLI_FIRST_OF_PEER) == 0)
			printf("\nCommands of DPDK's vm_power_manager:\n");
		/* A long one has a line of its own. */
		printf("  %-*s%s%-*s %s\n", LEFT, left, strlen(left) > LEFT ? "\n  " : "",
			strlen(left) > LEFT ? LEFT : 0, "", cmd->help);
	}
	printf("\nOptions, before or after the command:\n");
	print_options(CLI_GLOBAL_OPTIONS);
	printf("\nExit status: 0 done, 1 failed (verify: a difference), 2 called wrongly.\n");
}

/* "STATUS: enabled, disabled" */
static void
print_words(const struct value_type *type)
{
	if (type->words == NULL)
		return;
	printf("  %s:", type->name);
	for (size_t i = 0; type->words[i] != NULL; i++)
		printf("%s %s", i == 0 ? "" : ",", type->words[i]);
	printf("\n");
}

void
cli_print_command_help(const struct cli_command *cmd)
{
	char args[100], plain[60];

	cli_format_args(cmd, args, sizeof(args));
	if (strlen(args) > MAX_ARGS)
		(void)snprintf(args, sizeof(args), "%s [OPTION]...",
			format_plain(cmd, plain, sizeof(plain)));
	printf("Usage: freqring %s%s%s\n  %s\n", cmd->name, args[0] != '\0' ? " " : "", args,
		cmd->help);
	if (cmd->more[0] != '\0')
		printf("\n%s", cmd->more);
	for (unsigned int i = 0; i < cli_max_args(cmd); i++) {
		if (cmd->arg[i].kind == VALUE_WORD)
			print_words(&cmd->arg[i]);
	}
	printf("\nOptions, before or after the command:\n");
	print_options(cmd->options);
	print_options(CLI_GLOBAL_OPTIONS);
}

static json_t *
make_json(const struct cli_command *cmd)
{
	char args[100];

	return json_pack("{s:s, s:s, s:s, s:s}", "command", cmd->name,
		"args", cli_format_args(cmd, args, sizeof(args)), "help", cmd->help,
		"more", cmd->more);
}

static void
print_json(const struct cli_command *only)
{
	json_t *out = only != NULL ? make_json(only) : json_array();

	for (const struct cli_command *cmd = cli_commands; only == NULL && cmd->name != NULL; cmd++)
		(void)json_array_append_new(out, make_json(cmd));
	cli_print_json(out);
	json_decref(out);
}

enum cli_status
cmd_help(const struct cli *cli)
{
	const struct cli_command *cmd = NULL;

	if (cli->nb_args > 0) {
		cmd = cli_find(cli->arg[0].text);
		if (cmd == NULL)
			return CLI_USAGE;
	}
	if (cli->json)
		print_json(cmd);
	else if (cmd != NULL)
		cli_print_command_help(cmd);
	else
		cli_print_help();
	return CLI_OK;
}
