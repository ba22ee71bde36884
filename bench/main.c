/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - freqring-bench: its options, help and choice of a subcommand
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "report.h"

#define MAX_OPTIONS 32

void
bench_error(const char *fmt, ...)
{
	va_list ap;

	fputs("freqring-bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

bool
bench_number(const char *what, const char *text, unsigned long min, unsigned long max,
	unsigned int *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || strchr(text, '-') != NULL ||
	    n < min || n > max) {
		bench_error("%s %s: expected a number from %lu to %lu", what, text, min, max);
		return false;
	}
	*out = (unsigned int)n;
	return true;
}

static bool
set_format(struct bench *b, const char *format)
{
	b->json = strcmp(format, "json") == 0;
	if (b->json || strcmp(format, "table") == 0)
		return true;
	bench_error("-o %s: expected table or json", format);
	return false;
}

static void
print_help(const struct bench_command *only)
{
	if (only == NULL)
		printf("usage: freqring-bench [-o json] COMMAND [ARGUMENT...]\n\n");
	for (const struct bench_command *c = bench_commands; c->name != NULL; c++)
		if (only == NULL || only == c)
			printf("%s %s\n\t%s\n", c->name, c->args, c->help);
}

static bool
take_option(struct bench *b, const struct bench_option *o, int opt)
{
	const char name[] = { '-', (char)opt, '\0' };

	if (opt == 'o')
		return set_format(b, optarg);
	for (; o != NULL && o->name != 0 && o->name != opt; o++)
		;
	if (o == NULL || o->name == 0)
		return false;
	if (o->given != NULL)
		*o->given = true;
	if (o->text != NULL)
		*o->text = optarg;
	return o->number == NULL || bench_number(name, optarg, o->min, o->max, o->number);
}

bool
bench_options(struct bench *b, int argc, char **argv, const struct bench_option *options)
{
	char all[MAX_OPTIONS] = "+o:h";
	size_t len = strlen(all);
	int opt;

	for (const struct bench_option *o = options; o != NULL && o->name != 0; o++) {
		all[len++] = o->name;
		if (o->number != NULL || o->text != NULL)
			all[len++] = ':';
	}
	all[len] = '\0';
	/* What stands behind a subcommand's name is the subcommand's. */
	while ((opt = getopt(argc, argv, b->cmd == NULL ? all : all + 1)) != -1) {
		if (opt == 'h') {
			print_help(b->cmd);
			exit(BENCH_OK);
		}
		if (!take_option(b, options, opt))
			return false;
	}
	return true;
}

static const struct bench_command *
find(const char *name)
{
	for (const struct bench_command *c = bench_commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

int
main(int argc, char **argv)
{
	struct bench b = { .json = false };
	enum bench_status status;

	if (!bench_options(&b, argc, argv, NULL))
		return BENCH_USAGE;
	if (optind == argc) {
		bench_error("a command is missing, see freqring-bench -h");
		return BENCH_USAGE;
	}
	b.cmd = find(argv[optind]);
	if (b.cmd == NULL) {
		bench_error("%s: no such command, see freqring-bench -h", argv[optind]);
		return BENCH_USAGE;
	}
	argc -= optind;
	argv += optind;
	optind = 0;	/* glibc: start anew */
	tsc_calibrate(&b.tsc);
	status = b.cmd->run(&b, argc, argv);
	if (status == BENCH_USAGE)
		bench_error("usage: freqring-bench %s %s", b.cmd->name, b.cmd->args);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("freqring-bench: output");
		return BENCH_FAILED;
	}
	return (int)status;
}
