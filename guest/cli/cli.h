/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cli.h - what the subcommands of freqring-guest share
 *
 * A subcommand is a row of the table in main.c and a file of its own. It
 * gets an open transport, unless its row says that it needs none, and its
 * own arguments, and returns the program's exit status.
 */
#ifndef FREQRING_GUEST_CLI_H
#define FREQRING_GUEST_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "freqring.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

struct cli {
	struct freqring *fr;
	struct freqring_info info;	/* as of the start */
	const struct freqring_options *options;	/* it was opened with, or is to be */
	const char *name;		/* of the subcommand */
	bool json;
};

int cmd_info(struct cli *cli, int argc, char **argv);
int cmd_set(struct cli *cli, int argc, char **argv);
int cmd_get(struct cli *cli, int argc, char **argv);
int cmd_ping(struct cli *cli, int argc, char **argv);
int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);
int cmd_set_cpu_freq(struct cli *cli, int argc, char **argv);
int cmd_query_cpu_freq(struct cli *cli, int argc, char **argv);
int cmd_query_cpu_caps(struct cli *cli, int argc, char **argv);

/* ---- common.c ------------------------------------------------------------- */

/** Print "freqring-guest: WHAT: WHY" and, unless NULL, a hint. @return CLI_FAILED */
int cli_error(const char *what, const char *why, const char *hint);

/** Whether the host is spoken to over virtio-serial. */
bool cli_is_serial(const struct cli *cli);

/** Whether the host can be asked about this vCPU, below info.nb_channels. */
bool cli_has_vcpu(const struct cli *cli, unsigned int vcpu);

/** The same as cli_error for a failed call of the library, with the hint that fits. */
int cli_library_error(const struct cli *cli, const char *what, int ret);

/** Print what is wrong with the arguments. @return CLI_USAGE */
int cli_usage(const struct cli *cli, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** A whole decimal number of at most `max`; nothing before or after it. */
bool parse_number(uint32_t *out, const char *text, uint32_t max);

/** MHz with at most three decimals, as kHz. */
bool parse_mhz(uint32_t *khz, const char *text);

/** The vCPU of the CPU that `text` names; complains. @return vCPU or -1 */
int parse_lcore(const struct cli *cli, const char *text);

/**
 * Complain unless the host's heartbeat moves.
 *
 * @return whether it does
 */
bool host_is_alive(struct cli *cli);

/** The reason is one for which nothing is granted. */
bool is_refusal(unsigned int reason);

/** CPU of this Linux that has a vCPU, or -1. */
int cpu_of_vcpu(unsigned int vcpu);

/** " (simulated)" or "". */
const char *simulated(const struct cli *cli);

/** MHz without trailing zeros, "-" for 0. @return buf */
const char *mhz(char buf[24], uint32_t khz);

/** The wish as people say it: "max", "1800 MHz", ... @return buf */
const char *wish_text(char buf[32], const struct freqring_status *st);

/** What the host does: "resumed after 12.3 s". @return buf */
const char *sleep_text(char buf[48], const struct freqring_status *st);

/* ---- json.c --------------------------------------------------------------- */

/* Prints JSON to stdout; key is NULL inside an array and at the top. */
void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_string(const char *key, const char *value);
void json_number(const char *key, uint64_t value);
void json_integer(const char *key, int64_t value);
void json_tenths(const char *key, uint64_t value_x10);
void json_bool(const char *key, bool value);
/** End a document: a newline, and the next one starts afresh. */
void json_end(void);

/** The fields of a channel's status that get and watch have in common. */
void json_status(const struct cli *cli, unsigned int vcpu, const struct freqring_status *st);

#endif /* FREQRING_GUEST_CLI_H */
