/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench.h - what the subcommands of freqring-bench share
 *
 * A subcommand is a row in commands.c and a file of its own.
 */
#ifndef FRQ_BENCH_H
#define FRQ_BENCH_H

#include <stdbool.h>

#include "tsc.h"

enum bench_status {
	BENCH_OK = 0,
	BENCH_FAILED = 1,
	BENCH_USAGE = 2,
};

struct bench_command;

struct bench {
	bool json;			/* one object a line instead of sentences */
	struct tsc tsc;
	const struct bench_command *cmd;	/* the one that runs */
};

struct bench_command {
	const char *name;
	const char *args;	/* as help shows them */
	const char *help;
	/* argv[0] is the name; bench_options() takes the rest. */
	enum bench_status (*run)(struct bench *b, int argc, char **argv);
};

extern const struct bench_command bench_commands[];	/* ends with name == NULL */

/** To stderr, after the program's name. */
void bench_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define BENCH_CPU_MAX 1023u

/* What may stand behind a subcommand's name; a list ends with name == 0. */
struct bench_option {
	char name;
	unsigned int min, max;	/* of *number */
	unsigned int *number;	/* where its argument is one */
	const char **text;	/* ... is not */
	bool *given;		/* or NULL */
};

/**
 * Those of a subcommand, beside -o and -h, which all have. optind is at the first
 * argument behind them.
 *
 * @param options  NULL: no others
 * @return false after a sentence about what is wrong: BENCH_USAGE
 */
bool bench_options(struct bench *b, int argc, char **argv, const struct bench_option *options);

/** A number between min and max, or false and a sentence about `what`. */
bool bench_number(const char *what, const char *text, unsigned long min, unsigned long max,
	unsigned int *out);

enum bench_status cmd_applied(struct bench *b, int argc, char **argv);
enum bench_status cmd_bounce_guest(struct bench *b, int argc, char **argv);
enum bench_status cmd_bounce_host(struct bench *b, int argc, char **argv);
enum bench_status cmd_compare(struct bench *b, int argc, char **argv);
enum bench_status cmd_cpu_share(struct bench *b, int argc, char **argv);
enum bench_status cmd_eventfd(struct bench *b, int argc, char **argv);
enum bench_status cmd_merge(struct bench *b, int argc, char **argv);
enum bench_status cmd_pingpong(struct bench *b, int argc, char **argv);
enum bench_status cmd_post_cost(struct bench *b, int argc, char **argv);
enum bench_status cmd_power_cost(struct bench *b, int argc, char **argv);
enum bench_status cmd_report(struct bench *b, int argc, char **argv);
enum bench_status cmd_ring_vs_rte(struct bench *b, int argc, char **argv);
enum bench_status cmd_rtt(struct bench *b, int argc, char **argv);
enum bench_status cmd_scale(struct bench *b, int argc, char **argv);
enum bench_status cmd_serial(struct bench *b, int argc, char **argv);
enum bench_status cmd_serial_echo(struct bench *b, int argc, char **argv);
enum bench_status cmd_show(struct bench *b, int argc, char **argv);
enum bench_status cmd_stalls(struct bench *b, int argc, char **argv);
enum bench_status cmd_storm(struct bench *b, int argc, char **argv);
enum bench_status cmd_throughput(struct bench *b, int argc, char **argv);
enum bench_status cmd_vhost(struct bench *b, int argc, char **argv);
enum bench_status cmd_vm_channel(struct bench *b, int argc, char **argv);

#endif /* FRQ_BENCH_H */
