/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cli.h - the operator's command: what its subcommands share
 *
 * A subcommand is a row in table.c, and a function in a file of its own that
 * finds its arguments parsed: what is written wrongly is refused before
 * anything is sent. One thread.
 */
#ifndef FRQ_CLI_H
#define FRQ_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "value.h"

/* Exit statuses. */
enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

/* Options, in the order of cli_options. */
enum cli_opt {
	OPT_SOCKET,
	OPT_OUTPUT,
	OPT_HELP,
	OPT_VERSION,
	OPT_BATCH,
	OPT_CONFIG,
	OPT_CURRENT,
	OPT_DELAY,
	OPT_DURATION,
	OPT_ITERATIONS,
	OPT_KIND,
	OPT_LIVE,
	OPT_LOOP,
	OPT_NAME,
	OPT_PRINT,
	OPT_SERIAL_PORTS,
	OPT_SERIAL,
	OPT_SINCE,
	OPT_TARGET,
	OPT_TIMEOUT,
	OPT_TRANSPORT,
	OPT_TIMESTAMP,
	OPT_VERIFY,
	OPT_COUNT,
};

#define OPT(name) (1u << OPT_##name)

/* These go with every command. */
#define CLI_GLOBAL_OPTIONS \
	(1u << OPT_SOCKET | 1u << OPT_OUTPUT | 1u << OPT_HELP | 1u << OPT_VERSION)

struct cli_option {
	const char *name;
	char letter;		/* '\0': none */
	struct value_type value;	/* of kind VALUE_NONE: takes none */
	const char *help;
};

#define CLI_MAX_ARGS 3

struct cli_command;
struct client_error;
struct shell;

struct cli {
	const char *socket;
	bool json;
	struct shell *shell;	/* that it runs in, or NULL */
	const struct cli_command *cmd;
	unsigned int nb_args;
	struct value arg[CLI_MAX_ARGS];
	struct value opt[OPT_COUNT];
};

struct cli_command {
	const char *name;
	struct value_type arg[CLI_MAX_ARGS];	/* those it has come first */
	unsigned int min_args;
	unsigned int options;	/* OPT(...), beside the global ones */
	const char *help;	/* one line */
	const char *more;	/* lines, with an example */
	enum cli_status (*run)(const struct cli *cli);
};

extern const struct cli_command cli_commands[];	/* ends with name == NULL */
extern const struct cli_option cli_options[OPT_COUNT];

/* Where the second part of the table starts: the words of vm_power_manager. */
#define CLI_FIRST_OF_PEER "add_channels"

#define DEFAULT_SOCKET "/run/freqring/control.sock"

/** How many arguments it takes at most. */
unsigned int cli_max_args(const struct cli_command *cmd);

/** NULL: there is none, and stderr says so. */
const struct cli_command *cli_find(const char *name);

/**
 * Parse the words of a command and run it.
 *
 * @param outer  socket, format and shell that hold where the words say nothing
 * @param argv  argv[0] is the program's name, for getopt(); reordered
 */
enum cli_status cli_run(const struct cli *outer, int argc, char **argv);

static inline bool
cli_given(const struct cli *cli, enum cli_opt opt)
{
	return cli->opt[opt].text != NULL;
}

/** To stderr as one line, after the program's name. */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** What cli_error() names from now on; 0: no line. */
void cli_error_line(unsigned long line);

/**
 * Call a method of the daemon.
 *
 * @param params  an object, or NULL; the reference is taken
 * @param[out] status  written only where it failed
 * @return the result, a new reference; NULL: it failed, and stderr says why
 */
json_t *cli_call(const struct cli *cli, const char *method, json_t *params,
	enum cli_status *status);

/** The same, and wait that long for the answer. */
json_t *cli_call_within(const struct cli *cli, const char *method, json_t *params,
	int timeout_ms, enum cli_status *status);

/** Say why a call failed. @return the status that says whose fault it is */
enum cli_status cli_call_failed(const struct client_error *err);

void cli_print_json(const json_t *json);

/** TARGET, or --target as virsh has it. */
const char *cli_target(const struct cli *cli, unsigned int arg, enum cli_status *status);
/** SECONDS, or --duration; 0: neither. */
uint64_t cli_duration(const struct cli *cli, unsigned int arg);

/** Whether this one ends the shell; shell.c. */
void shell_quit(struct shell *shell);

/* ---- help.c ---------------------------------------------------------------- */

/** "VM [VCPU [CPULIST]]" */
char *cli_format_args(const struct cli_command *cmd, char *text, size_t size);
void cli_print_help(void);
void cli_print_command_help(const struct cli_command *cmd);

/* ---- commands -------------------------------------------------------------- */

enum cli_status cmd_add_channels(const struct cli *cli);
enum cli_status cmd_add_vm(const struct cli *cli);
enum cli_status cmd_attach(const struct cli *cli);
enum cli_status cmd_completion(const struct cli *cli);
enum cli_status cmd_detach(const struct cli *cli);
enum cli_status cmd_doctor(const struct cli *cli);
enum cli_status cmd_dompmsuspend(const struct cli *cli);
enum cli_status cmd_dompmwakeup(const struct cli *cli);
enum cli_status cmd_domstate(const struct cli *cli);
enum cli_status cmd_event(const struct cli *cli);
enum cli_status cmd_events(const struct cli *cli);
enum cli_status cmd_help(const struct cli *cli);
enum cli_status cmd_list(const struct cli *cli);
enum cli_status cmd_nodepm(const struct cli *cli);
enum cli_status cmd_nodesuspend(const struct cli *cli);
enum cli_status cmd_powerstate(const struct cli *cli);
enum cli_status cmd_quit(const struct cli *cli);
enum cli_status cmd_release(const struct cli *cli);
enum cli_status cmd_reload(const struct cli *cli);
enum cli_status cmd_rm_vm(const struct cli *cli);
enum cli_status cmd_set_channel_status(const struct cli *cli);
enum cli_status cmd_set_cpu_freq(const struct cli *cli);
enum cli_status cmd_set_cpu_freq_mask(const struct cli *cli);
enum cli_status cmd_set_pcpu(const struct cli *cli);
enum cli_status cmd_set_pcpu_mask(const struct cli *cli);
enum cli_status cmd_set_query(const struct cli *cli);
enum cli_status cmd_shell(const struct cli *cli);
enum cli_status cmd_show_cpu_freq(const struct cli *cli);
enum cli_status cmd_show_cpu_freq_mask(const struct cli *cli);
enum cli_status cmd_show_vm(const struct cli *cli);
enum cli_status cmd_stats(const struct cli *cli);
enum cli_status cmd_status(const struct cli *cli);
enum cli_status cmd_top(const struct cli *cli);
enum cli_status cmd_vcpupin(const struct cli *cli);
enum cli_status cmd_verify(const struct cli *cli);
enum cli_status cmd_version(const struct cli *cli);

#endif /* FRQ_CLI_H */
