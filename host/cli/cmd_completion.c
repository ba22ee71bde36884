/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_completion.c - a script for bash that completes the words of freqring
 *
 * Made of the tables of commands and options. VMs are asked of the daemon
 * when TAB is pressed.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char head[] =
	"# bash completion of freqring, made by: freqring completion bash\n"
	"\n"
	"# Those VMs whose name, quoted, starts with what was typed.\n"
	"_freqring_vms()\n"
	"{\n"
	"\tlocal name\n"
	"\n"
	"\twhile IFS= read -r name; do\n"
	"\t\tprintf -v name %q \"$name\"\n"
	"\t\t[[ $name == \"$cur\"* ]] && COMPREPLY+=(\"$name\")\n"
	"\tdone < <(timeout 2 \"$program\" ${socket:+-s \"$socket\"} list --name 2>/dev/null)\n"
	"}\n"
	"\n";

static const char tail[] =
	"\n"
	"_freqring()\n"
	"{\n"
	"\tlocal program=$1 cur=${COMP_WORDS[COMP_CWORD]} word i n=0\n"
	"\tlocal command='' value='' socket=''\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ -n $value ]]; then\n"
	"\t\t\t[[ $value == --socket ]] && socket=$word\n"
	"\t\t\tvalue=\n"
	"\t\telif [[ $word == -* ]]; then\n"
	"\t\t\tvalue=$(_freqring_value \"$command\" \"$word\")\n"
	"\t\telif [[ -z $command ]]; then\n"
	"\t\t\tcommand=$word\n"
	"\t\telse\n"
	"\t\t\t((n++))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ -n $value ]]; then\n"
	"\t\tcommand=$value n=value\n"
	"\telif [[ $cur == -* ]]; then\n"
	"\t\tn=options\n"
	"\tfi\n"
	"\tcase $(_freqring_words \"$command\" \"$n\") in\n"
	"\tVM) _freqring_vms ;;\n"
	"\tFILE) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	"\t*) mapfile -t COMPREPLY < <(compgen -W \"$(_freqring_words \"$command\" \"$n\")\" "
		"-- \"$cur\") ;;\n"
	"\tesac\n"
	"}\n"
	"complete -F _freqring freqring\n";

static void
print_commands(void)
{
	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++)
		printf("%s%s", cmd == cli_commands ? "" : " ", cmd->name);
}

/* What a value of that type may be: words, or VM or FILE for what is asked then. */
static void
print_values(const struct value_type *type)
{
	if (type->kind == VALUE_VM)
		printf("VM");
	if (type->kind == VALUE_TEXT)
		printf("FILE");
	if (type->kind == VALUE_COMMAND)
		print_commands();
	for (size_t i = 0; type->words != NULL && type->words[i] != NULL; i++)
		printf("%s%s", i == 0 ? "" : " ", type->words[i]);
}

static bool
has_values(const struct value_type *type)
{
	return type->kind == VALUE_VM || type->kind == VALUE_TEXT ||
		type->kind == VALUE_COMMAND || type->words != NULL;
}

/* _freqring_value COMMAND OPTION: the long name of one that takes a value. */
static void
print_value_function(void)
{
	printf("_freqring_value()\n{\n\tcase $1:$2 in\n");
	for (unsigned int i = 0; i < OPT_COUNT; i++) {
		const struct cli_option *o = &cli_options[i];

		if (o->value.kind == VALUE_NONE)
			continue;
		if ((CLI_GLOBAL_OPTIONS >> i & 1) != 0) {
			printf("\t*:--%s | *:-%c) echo --%s ;;\n", o->name, o->letter, o->name);
			continue;
		}
		for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++) {
			if ((cmd->options >> i & 1) != 0)
				printf("\t%s:--%s) echo --%s ;;\n", cmd->name, o->name, o->name);
		}
	}
	printf("\tesac\n}\n\n");
}

static void
print_options(const char *command, unsigned int options)
{
	printf("\t%s:options) echo \"", command);
	for (unsigned int i = 0; i < OPT_COUNT; i++) {
		if (((options | CLI_GLOBAL_OPTIONS) >> i & 1) != 0)
			printf("--%s ", cli_options[i].name);
	}
	printf("\" ;;\n");
}

/* _freqring_words COMMAND N: what its Nth argument, or its options, may be. */
static void
print_words_function(void)
{
	printf("_freqring_words()\n{\n\tcase $1:$2 in\n\t:0) echo \"");
	print_commands();
	printf("\" ;;\n");
	print_options("", 0);
	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++) {
		print_options(cmd->name, cmd->options);
		for (unsigned int i = 0; i < cli_max_args(cmd); i++) {
			if (!has_values(&cmd->arg[i]))
				continue;
			printf("\t%s:%u) echo \"", cmd->name, i);
			print_values(&cmd->arg[i]);
			printf("\" ;;\n");
		}
	}
	for (unsigned int i = 0; i < OPT_COUNT; i++) {
		if (!has_values(&cli_options[i].value))
			continue;
		printf("\t--%s:value) echo \"", cli_options[i].name);
		print_values(&cli_options[i].value);
		printf("\" ;;\n");
	}
	printf("\tesac\n}\n");
}

enum cli_status
cmd_completion(const struct cli *cli)
{
	(void)cli;
	fputs(head, stdout);
	print_value_function();
	print_words_function();
	fputs(tail, stdout);
	return CLI_OK;
}
