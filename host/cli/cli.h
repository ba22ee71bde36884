/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cli.h - the operator's command: what its subcommands share
 *
 * A subcommand is a row in main.c's table and a file of its own.
 */
#ifndef FRQ_CLI_H
#define FRQ_CLI_H

#include <jansson.h>
#include <stdbool.h>

/* Exit statuses. */
enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

struct cli {
	const char *socket;
	bool json;
	json_int_t since;	/* of events */
};

struct cli_command {
	const char *name;
	const char *args;	/* as help shows them */
	int max_args;
	const char *help;
	/* argv[0] is the name; argc is checked already. */
	enum cli_status (*run)(const struct cli *cli, int argc, char **argv);
};

struct cli_option {
	const char *name;
	int letter;
	const char *arg;	/* NULL: takes none */
	const char *help;
	const char *command;	/* the only one it goes with; NULL: any */
};

extern const struct cli_command cli_commands[];	/* ends with name == NULL */
extern const struct cli_option cli_options[];	/* likewise */

/** NULL: there is none, and stderr says so. */
const struct cli_command *cli_find(const char *name);

/** To stderr, after the program's name. */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** The result, a new reference; NULL: it failed, and stderr says why. */
json_t *cli_call(const struct cli *cli, const char *method, json_t *params);
void cli_print_json(const json_t *json);

void cli_print_help(void);
void cli_print_command_help(const struct cli_command *cmd);

enum cli_status cmd_doctor(const struct cli *cli, int argc, char **argv);
enum cli_status cmd_events(const struct cli *cli, int argc, char **argv);
enum cli_status cmd_help(const struct cli *cli, int argc, char **argv);
enum cli_status cmd_status(const struct cli *cli, int argc, char **argv);
enum cli_status cmd_verify(const struct cli *cli, int argc, char **argv);
enum cli_status cmd_version(const struct cli *cli, int argc, char **argv);

#endif /* FRQ_CLI_H */
