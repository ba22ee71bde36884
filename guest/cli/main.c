/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring-guest - ask the host for core frequencies from a shell in the VM
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define HEARTBEAT_TIMEOUT_MS 150u

struct command {
	const char *name;
	const char *args;
	const char *help;
	int (*run)(struct cli *cli, int argc, char **argv);
	bool raw;		/* its arguments are another program's, and it opens no transport */
};

static const struct command commands[] = {
	{ "info", "",
	  "what is known of the host and of the shared memory", cmd_info, false },
	{ "set", "LCORE up|down|min|max|MHZ|release [-w SECONDS]\n"
		"       freqring-guest set LCORE turbo on|off\n"
		"       freqring-guest set LCORE lease SECONDS",
	  "ask for a frequency, wait (1 s) until it is applied, say what was granted", cmd_set, false },
	{ "get", "[LCORE]",
	  "frequencies, wishes and what was granted, of one CPU or of all", cmd_get, false },
	{ "ping", "[-n COUNT] [-l LCORE]",
	  "time COUNT (100000) round trips to the host; changes nothing", cmd_ping, false },
	{ "watch", "[-n LINES] [-i SECONDS]",
	  "a line for each change of a CPU's state, looked for every 0.1 s", cmd_watch, false },
	{ "run", "[--] PROGRAM [ARGUMENT...]",
	  "start a DPDK program so that its librte_power speaks to the host", cmd_run, true },
	{ "set_cpu_freq", "LCORE up|down|min|max|enable_turbo|disable_turbo",
	  "as in DPDK's guest_cli", cmd_set_cpu_freq, false },
	{ "query_cpu_freq", "LCORE|all",
	  "as in DPDK's guest_cli", cmd_query_cpu_freq, false },
	{ "query_cpu_caps", "LCORE|all",
	  "as in DPDK's guest_cli", cmd_query_cpu_caps, false },
};

#define NB_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *to)
{
	(void)fputs("usage: freqring-guest [-d DEVICE] [-T TRANSPORT] [-n NAME] [-o json]\n"
		"                      COMMAND [ARGUMENT...]\n\n"
		"Ask the host for the frequency of the cores this VM runs on.\n\n"
		"  -d DEVICE    a PCI device's folder in sysfs, or the file of a region;\n"
		"               without it the device is looked for\n"
		"  -T, --transport ivshmem|vhost-user|serial|auto\n"
		"               auto: shared memory where the host is alive there, else\n"
		"               virtio-serial\n"
		"  -n, --vm-name NAME\n"
		"               of this VM on the host: DPDK's vm_power_manager wants it\n"
		"               with queries\n"
		"  -o json      print JSON\n"
		"  -h, --help   this text, or after a command that command's\n"
		"  --version    the version\n\n", to);
	for (size_t i = 0; i < NB_COMMANDS; i++)
		(void)fprintf(to, "  %-15s %s\n", commands[i].name, commands[i].help);
	(void)fputs("\nLCORE is the number of a CPU of this Linux. Exit status: 0 done, 1 failed, "
		"2 usage.\n", to);
}

static void
print_command_help(const struct command *c)
{
	(void)printf("usage: freqring-guest %s%s%s\n\n%s\n", c->name, *c->args != '\0' ? " " : "",
		c->args, c->help);
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < NB_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static bool
wants_help(const struct command *c, int argc, char **argv)
{
	if (c->raw && argc > 2)
		argc = 2;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* "-o json" may stand behind the command, too. */
static int
take_output_option(struct cli *cli, int argc, char **argv)
{
	int n = 1;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-o") == 0 && i + 1 < argc &&
		    strcmp(argv[i + 1], "json") == 0) {
			cli->json = true;
			i++;
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	return n;
}

static int
run(struct cli *cli, const struct command *c, const struct freqring_options *options, int argc,
	char **argv)
{
	int ret;

	/* The command's own options, from the start, with our own complaints. */
	optind = 0;
	opterr = 0;
	cli->name = c->name;
	cli->options = options;
	if (c->raw)
		return c->run(cli, argc, argv);
	argc = take_output_option(cli, argc, argv);
	ret = freqring_open(&cli->fr, options);
	if (ret == 0)
		ret = freqring_get_info(cli->fr, &cli->info, HEARTBEAT_TIMEOUT_MS);
	ret = ret < 0 ? cli_library_error(cli, c->name, ret) : c->run(cli, argc, argv);
	freqring_close(cli->fr);
	return ret;
}

static bool
parse_transport(enum freqring_transport *t, const char *name)
{
	static const enum freqring_transport all[] = {
		FREQRING_TRANSPORT_AUTO, FREQRING_TRANSPORT_IVSHMEM, FREQRING_TRANSPORT_VHOST,
		FREQRING_TRANSPORT_SERIAL,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(name, freqring_transport_name(all[i])) == 0) {
			*t = all[i];
			return true;
		}
	}
	(void)fprintf(stderr, "freqring-guest: -T %s: none of ivshmem, serial, auto\n", name);
	return false;
}

int
main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "transport", required_argument, NULL, 'T' },
		{ "version", no_argument, NULL, 'V' },
		{ "vm-name", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	const struct command *c;
	struct freqring_options options = { .device = NULL };
	struct cli cli = { .json = false };
	int opt;

	while ((opt = getopt_long(argc, argv, "+d:n:o:hT:", long_options, NULL)) != -1) {
		switch (opt) {
		case 'd':
			options.device = optarg;
			break;
		case 'T':
			if (!parse_transport(&options.transport, optarg))
				return CLI_USAGE;
			break;
		case 'n':
			options.vm_name = optarg;
			break;
		case 'o':
			if (strcmp(optarg, "json") != 0) {
				(void)fprintf(stderr, "freqring-guest: -o %s: only json is "
					"known\n", optarg);
				return CLI_USAGE;
			}
			cli.json = true;
			break;
		case 'h':
			print_help(stdout);
			return CLI_OK;
		case 'V':
			(void)printf("freqring-guest %d.%d\n", FREQRING_VERSION_MAJOR,
				FREQRING_VERSION_MINOR);
			return CLI_OK;
		default:
			(void)fputs("hint: freqring-guest --help\n", stderr);
			return CLI_USAGE;
		}
	}
	if (optind == argc) {
		print_help(stderr);
		return CLI_USAGE;
	}
	c = find_command(argv[optind]);
	if (c == NULL) {
		(void)fprintf(stderr, "freqring-guest: no command \"%s\"\n"
			"hint: freqring-guest --help\n", argv[optind]);
		return CLI_USAGE;
	}
	argc -= optind;
	argv += optind;
	if (wants_help(c, argc, argv)) {
		print_command_help(c);
		return CLI_OK;
	}
	return run(&cli, c, &options, argc, argv);
}
