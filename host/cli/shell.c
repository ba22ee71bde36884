/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shell.c - freqring shell: lines from a terminal or a script, each run as a
 * command
 */
#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "shell_edit.h"
#include "shell_line.h"

struct shell {
	struct cli cli;		/* what holds where a line says nothing */
	Tokenizer *tokenizer;
	unsigned long line;	/* in a script; 0: on a terminal */
	enum cli_status failed;	/* of the last one that failed */
	bool quit;
};

void
shell_quit(struct shell *sh)
{
	sh->quit = true;
}

static void
note(struct shell *sh, enum cli_status status)
{
	if (status != CLI_OK)
		sh->failed = status;
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		cli_error("output: %s", strerror(errno));
		sh->failed = CLI_FAILED;
		sh->quit = true;
	}
}

static enum cli_status
run_words(struct shell *sh, int nb_words, const char **words)
{
	/* getopt() names it in its messages, and sorts the words. */
	char name[40] = "freqring";
	char **argv = calloc((size_t)nb_words + 2, sizeof(*argv));
	enum cli_status status;

	if (argv == NULL)
		abort();
	if (sh->line != 0)
		(void)snprintf(name, sizeof(name), "freqring: line %lu", sh->line);
	argv[0] = name;
	memcpy(argv + 1, words, (size_t)nb_words * sizeof(*words));
	status = cli_run(&sh->cli, nb_words + 1, argv);
	free(argv);
	return status;
}

static void
run_command(struct shell *sh, const char *command)
{
	const char **words;
	int nb_words;

	tok_reset(sh->tokenizer);
	if (tok_str(sh->tokenizer, command, &nb_words, &words) != 0) {
		cli_error("a quote or a backslash has no end: %.60s", command);
		note(sh, CLI_USAGE);
	} else if (nb_words > 0) {
		note(sh, run_words(sh, nb_words, words));
	}
}

/* A script may have been written elsewhere: its lines end with "\r\n" then. */
static void
cut_end(char *line)
{
	size_t len = strcspn(line, "\n");

	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
}

static void
run_line(struct shell *sh, char *line)
{
	cut_end(line);
	interrupt_forget();
	/* Ctrl-C ends the line, not only the command in it. */
	while (line != NULL && !sh->quit && !interrupt_seen())
		run_command(sh, shell_line_next(&line));
}

static void
run_script(struct shell *sh)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while (!sh->quit && (len = getline(&line, &size, stdin)) >= 0) {
		cli_error_line(++sh->line);
		if (strlen(line) == (size_t)len) {
			run_line(sh, line);
		} else {
			cli_error("a line of text has no zero bytes");
			note(sh, CLI_USAGE);
		}
	}
	cli_error_line(0);
	if (ferror(stdin)) {
		cli_error("input: %s", strerror(errno));
		sh->failed = CLI_FAILED;
	}
	free(line);
}

/* Whether the terminal can be edited on. */
static bool
run_terminal(struct shell *sh)
{
	struct editor *e = editor_open(&sh->cli);
	const char *line;

	if (e == NULL)
		return false;
	while (!sh->quit && (line = editor_read(e)) != NULL) {
		char *copy = strdup(line);

		if (copy == NULL)
			abort();
		run_line(sh, copy);
		free(copy);
	}
	editor_close(e);
	return true;
}

enum cli_status
cmd_shell(const struct cli *cli)
{
	struct shell sh = { .cli = { .socket = cli->socket, .json = cli->json, .shell = &sh } };

	if (cli->shell != NULL) {
		cli_error("shell: this is one");
		return CLI_USAGE;
	}
	sh.tokenizer = tok_init(NULL);
	if (sh.tokenizer == NULL)
		abort();
	interrupt_catch();
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !run_terminal(&sh))
		run_script(&sh);
	tok_end(sh.tokenizer);
	return sh.failed;
}
