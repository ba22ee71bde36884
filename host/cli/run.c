/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run.c - from the words of a command to its function
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "printable.h"
#include "suggest.h"

/* Beyond any character: what getopt_long() returns for an option is this and its row. */
#define OPTION_BASE 256

/* Of JSON-RPC: the daemon found what this command could not see. */
#define INVALID_PARAMS (-32602)

/* getopt()'s own form of the options, for one command. */
struct getopt_tables {
	struct option longs[OPT_COUNT + 1];
	char shorts[2 * OPT_COUNT + 2];
};

/* ---- messages --------------------------------------------------------------- */

static unsigned long error_line;

void
cli_error_line(unsigned long line)
{
	error_line = line;
}

void
cli_error(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		abort();
	/* It quotes words that may hold anything. */
	make_printable(text);
	/* What was printed before it comes before it. */
	(void)fflush(stdout);
	if (error_line != 0)
		fprintf(stderr, "freqring: line %lu: %s\n", error_line, text);
	else
		fprintf(stderr, "freqring: %s\n", text);
	free(text);
}

void
cli_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	printf("\n");
}

/* ---- calls ------------------------------------------------------------------ */

enum cli_status
cli_call_failed(const struct client_error *err)
{
	cli_error("%s", err->why.text);
	return err->code == INVALID_PARAMS ? CLI_USAGE : CLI_FAILED;
}

json_t *
cli_call(const struct cli *cli, const char *method, json_t *params, enum cli_status *status)
{
	return cli_call_within(cli, method, params, 0, status);
}

json_t *
cli_call_within(const struct cli *cli, const char *method, json_t *params, int timeout_ms,
	enum cli_status *status)
{
	struct client_error err = { .code = 0 };
	json_t *result = NULL;
	struct client c;

	if (client_open(&c, cli->socket, &err.why) == 0) {
		result = client_call(&c, method, params, timeout_ms, &err);
		client_close(&c);
	} else {
		json_decref(params);
	}
	if (result == NULL)
		*status = cli_call_failed(&err);
	return result;
}

/* ---- options ---------------------------------------------------------------- */

static bool
takes_value(const struct cli_option *o)
{
	return o->value.kind != VALUE_NONE;
}

static bool
goes_with(const struct cli_command *cmd, unsigned int row)
{
	return ((CLI_GLOBAL_OPTIONS | (cmd != NULL ? cmd->options : 0)) >> row & 1) != 0;
}

static bool
has_name(const struct getopt_tables *t, const char *name)
{
	for (const struct option *o = t->longs; o->name != NULL; o++) {
		if (strcmp(o->name, name) == 0)
			return true;
	}
	return false;
}

static void
add_row(struct getopt_tables *t, unsigned int row)
{
	const struct cli_option *o = &cli_options[row];
	size_t nb = 0, len = strlen(t->shorts);

	if (has_name(t, o->name))
		return;
	while (t->longs[nb].name != NULL)
		nb++;
	t->longs[nb] = (struct option){
		.name = o->name,
		.has_arg = takes_value(o) ? required_argument : no_argument,
		.val = OPTION_BASE + (int)row,
	};
	if (o->letter == '\0')
		return;
	t->shorts[len++] = o->letter;
	if (takes_value(o))
		t->shorts[len] = ':';
}

/*
 * Two options may have one name: the command's own comes first. Those of
 * other commands are there for a message that says so.
 *
 * @param turned  of two with one name, none of them the command's, the last one
 */
static void
make_tables(struct getopt_tables *t, const struct cli_command *cmd, bool turned)
{
	memset(t, 0, sizeof(*t));
	/* Until the command is known: stop at the first word that is no option. */
	if (cmd == NULL)
		t->shorts[0] = '+';
	for (unsigned int i = 0; i < OPT_COUNT; i++)
		if (goes_with(cmd, i))
			add_row(t, i);
	for (unsigned int i = 0; i < OPT_COUNT; i++)
		add_row(t, turned ? OPT_COUNT - 1 - i : i);
}

static const char *
word_after_options(int argc, char **argv, bool turned)
{
	struct getopt_tables t;

	make_tables(&t, NULL, turned);
	opterr = 0;
	optind = 0;	/* anew: a shell calls this once a line */
	while (getopt_long(argc, argv, t.shorts, t.longs, NULL) != -1)
		;
	opterr = 1;
	return optind < argc ? argv[optind] : NULL;
}

static bool
is_command(const char *name)
{
	const struct cli_command *cmd = cli_commands;

	while (cmd->name != NULL && strcmp(cmd->name, name) != 0)
		cmd++;
	return cmd->name != NULL;
}

/*
 * The word that names the command, NULL where there is none. Whether the word
 * after an option before it is that option's may depend on the command.
 */
static const char *
command_word(int argc, char **argv)
{
	const char *word = word_after_options(argc, argv, false), *other;

	if (word != NULL && is_command(word))
		return word;
	other = word_after_options(argc, argv, true);
	return other != NULL && is_command(other) ? other : word;
}

static int
row_of(int opt)
{
	for (int i = 0; opt < OPTION_BASE && i < OPT_COUNT; i++) {
		if (cli_options[i].letter == opt && opt != '\0')
			return i;
	}
	return opt - OPTION_BASE;
}

static void
say_wrong_command(unsigned int row)
{
	char names[100] = "";
	size_t used = 0;

	for (const struct cli_command *cmd = cli_commands; cmd->name != NULL; cmd++) {
		if ((cmd->options >> row & 1) != 0 && used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
				used == 0 ? "" : ", ", cmd->name);
	}
	cli_error("--%s goes with freqring %s", cli_options[row].name, names);
}

static bool
take_option(struct cli *cli, unsigned int row, const char *text)
{
	const struct cli_option *o = &cli_options[row];
	struct frq_err err;

	if (!goes_with(cli->cmd, row)) {
		say_wrong_command(row);
		return false;
	}
	if (value_parse(&cli->opt[row], &o->value, text != NULL ? text : "", &err))
		return true;
	cli_error("--%s %s", o->name, err.text);
	return false;
}

/* Leaves optind at the command, all words but options behind it. */
static bool
take_options(struct cli *cli, int argc, char **argv)
{
	struct getopt_tables t;
	int opt;

	make_tables(&t, cli->cmd, false);
	optind = 0;
	/* getopt_long() takes options out of the words after the command, too. */
	while ((opt = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		if (opt == '?') {
			cli_error("see freqring help%s%s", cli->cmd != NULL ? " " : "",
				cli->cmd != NULL ? cli->cmd->name : "");
			return false;
		}
		if (!take_option(cli, (unsigned int)row_of(opt), optarg))
			return false;
	}
	if (cli_given(cli, OPT_SOCKET))
		cli->socket = cli->opt[OPT_SOCKET].text;
	if (cli_given(cli, OPT_OUTPUT))
		cli->json = strcmp(cli->opt[OPT_OUTPUT].text, "json") == 0;
	return true;
}

/* ---- arguments -------------------------------------------------------------- */

unsigned int
cli_max_args(const struct cli_command *cmd)
{
	unsigned int n = 0;

	while (n < CLI_MAX_ARGS && cmd->arg[n].kind != VALUE_NONE)
		n++;
	return n;
}

static bool
take_args(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *cmd = cli->cmd;
	struct frq_err err;
	char args[80];

	cli_format_args(cmd, args, sizeof(args));
	if ((unsigned int)argc > cli_max_args(cmd)) {
		cli_error("%s: one argument too many; usage: freqring %s %s",
			argv[cli_max_args(cmd)], cmd->name, args);
		return false;
	}
	if ((unsigned int)argc < cmd->min_args) {
		cli_error("%s: %s is missing; usage: freqring %s %s", cmd->name,
			cmd->arg[argc].name, cmd->name, args);
		return false;
	}
	cli->nb_args = (unsigned int)argc;
	for (int i = 0; i < argc; i++) {
		if (!value_parse(&cli->arg[i], &cmd->arg[i], argv[i], &err)) {
			cli_error("%s", err.text);
			return false;
		}
	}
	return true;
}

/* ---- commands --------------------------------------------------------------- */

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

/* What needs no command. */
static enum cli_status
run_bare(const struct cli *cli)
{
	if (cli_given(cli, OPT_HELP)) {
		cli_print_help();
		return CLI_OK;
	}
	cli_error("a command is missing, see freqring help");
	return CLI_USAGE;
}

enum cli_status
cli_run(const struct cli *outer, int argc, char **argv)
{
	struct cli cli = { .socket = outer->socket, .json = outer->json, .shell = outer->shell };
	const char *name = command_word(argc, argv);

	if (name != NULL) {
		cli.cmd = cli_find(name);
		if (cli.cmd == NULL)
			return CLI_USAGE;
	}
	if (!take_options(&cli, argc, argv))
		return CLI_USAGE;
	if (cli_given(&cli, OPT_VERSION)) {
		printf("freqring %s\n", FREQRING_VERSION);
		return CLI_OK;
	}
	if (cli.cmd == NULL)
		return run_bare(&cli);
	if (cli_given(&cli, OPT_HELP)) {
		cli_print_command_help(cli.cmd);
		return CLI_OK;
	}
	if (!take_args(&cli, argc - optind - 1, argv + optind + 1))
		return CLI_USAGE;
	return cli.cmd->run(&cli);
}
