/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - freqring, the operator's command: its options and subcommands
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "suggest.h"

#define DEFAULT_SOCKET "/run/freqring/control.sock"
#define MAX_OPTIONS 8

/* Beyond any character: an option without a letter. */
enum { OPTION_WITHOUT_LETTER = 256, OPTION_SINCE = OPTION_WITHOUT_LETTER, OPTION_VERSION };

const struct cli_command cli_commands[] = {
	{ "doctor", "[CONFIG-FILE]", 1, "what is missing for freqring on this machine, and how to mend it",
	  cmd_doctor },
	{ "events", "[--since N]", 0, "what happened to the CPUs and to leases, the last 256",
	  cmd_events },
	{ "help", "[COMMAND]", 1, "what commands there are, or what one does", cmd_help },
	{ "status", "[VM]", 1, "the daemon, its VMs (or one, by name or UUID) and their CPUs",
	  cmd_status },
	{ "verify", "", 0, "compare what was promised of each CPU with what its files say",
	  cmd_verify },
	{ "version", "", 0, "versions of this command and of the daemon", cmd_version },
	{ .name = NULL }
};

const struct cli_option cli_options[] = {
	{ "socket", 's', "SOCKET", "the daemon's control socket [" DEFAULT_SOCKET "]", NULL },
	{ "output", 'o', "FORMAT", "table or json [table]", NULL },
	{ "since", OPTION_SINCE, "N", "events: those after number N only", "events" },
	{ "help", 'h', NULL, "print help, also after a command", NULL },
	{ "version", OPTION_VERSION, NULL, "print the version of this command", NULL },
	{ .name = NULL }
};

static_assert(sizeof(cli_options) / sizeof(cli_options[0]) <= MAX_OPTIONS, "MAX_OPTIONS");

void
cli_error(const char *fmt, ...)
{
	va_list ap;

	fputs("freqring: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

json_t *
cli_call(const struct cli *cli, const char *method, json_t *params)
{
	struct frq_err err;
	json_t *result = client_call(cli->socket, method, params, &err);

	if (result == NULL)
		cli_error("%s", err.text);
	return result;
}

void
cli_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	printf("\n");
}

const struct cli_command *
cli_find(const char *name)
{
	struct suggest s = SUGGEST_INIT(name);

	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++) {
		if (strcmp(cmd->name, name) == 0)
			return cmd;
		suggest_offer(&s, cmd->name);
	}
	if (s.best != NULL)
		cli_error("%s: no such command (did you mean %s?)", name, s.best);
	else
		cli_error("%s: no such command, see freqring help", name);
	return NULL;
}

static void
make_getopt_tables(struct option longs[MAX_OPTIONS], char shorts[2 * MAX_OPTIONS + 1])
{
	size_t len = 0;

	memset(longs, 0, MAX_OPTIONS * sizeof(longs[0]));
	for (size_t i = 0; cli_options[i].name != NULL; i++) {
		const struct cli_option *o = &cli_options[i];

		longs[i] = (struct option){
			.name = o->name,
			.has_arg = o->arg != NULL ? required_argument : no_argument,
			.val = o->letter,
		};
		if (o->letter >= OPTION_WITHOUT_LETTER)
			continue;
		shorts[len++] = (char)o->letter;
		if (o->arg != NULL)
			shorts[len++] = ':';
	}
	shorts[len] = '\0';
}

/* NULL: what getopt says where there is none. */
static const struct cli_option *
find_option(int letter)
{
	for (const struct cli_option *o = cli_options; o->name != NULL; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

static bool
set_format(struct cli *cli, const char *format)
{
	cli->json = strcmp(format, "json") == 0;
	if (cli->json || strcmp(format, "table") == 0)
		return true;
	cli_error("-o %s: expected table or json", format);
	return false;
}

static bool
set_since(struct cli *cli, const char *number)
{
	char *end;

	errno = 0;
	cli->since = strtoll(number, &end, 10);
	if (errno == 0 && end != number && *end == '\0' && cli->since >= 0)
		return true;
	cli_error("--since %s: expected the number of an event", number);
	return false;
}

/* @param only  an option that was given and goes with one command only, or NULL */
static enum cli_status
run(const struct cli *cli, bool help, const struct cli_option *only, int argc, char **argv)
{
	const struct cli_command *cmd;

	if (argc == 0) {
		if (help) {
			cli_print_help();
			return CLI_OK;
		}
		cli_error("a command is missing, see freqring help");
		return CLI_USAGE;
	}
	cmd = cli_find(argv[0]);
	if (cmd == NULL)
		return CLI_USAGE;
	if (help) {
		cli_print_command_help(cmd);
		return CLI_OK;
	}
	if (only != NULL && strcmp(only->command, cmd->name) != 0) {
		cli_error("--%s goes with freqring %s", only->name, only->command);
		return CLI_USAGE;
	}
	if (argc - 1 > cmd->max_args) {
		cli_error("%s: one argument too many; usage: freqring %s %s",
			argv[cmd->max_args + 1], cmd->name, cmd->args);
		return CLI_USAGE;
	}
	return cmd->run(cli, argc, argv);
}

int
main(int argc, char **argv)
{
	struct cli cli = { .socket = DEFAULT_SOCKET };
	struct option longs[MAX_OPTIONS];
	char shorts[2 * MAX_OPTIONS + 1];
	const struct cli_option *o, *only = NULL;
	enum cli_status status;
	bool help = false;
	int opt;

	make_getopt_tables(longs, shorts);
	/* getopt_long() takes options out of the words after the command, too. */
	while ((opt = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		o = find_option(opt);
		if (o != NULL && o->command != NULL)
			only = o;
		switch (opt) {
		case 's':
			cli.socket = optarg;
			break;
		case 'o':
			if (!set_format(&cli, optarg))
				return CLI_USAGE;
			break;
		case OPTION_SINCE:
			if (!set_since(&cli, optarg))
				return CLI_USAGE;
			break;
		case 'h':
			help = true;
			break;
		case OPTION_VERSION:
			printf("freqring %s\n", FREQRING_VERSION);
			return CLI_OK;
		default:
			cli_error("see freqring help");
			return CLI_USAGE;
		}
	}
	status = run(&cli, help, only, argc - optind, argv + optind);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("freqring: output");
		return CLI_FAILED;
	}
	return (int)status;
}
