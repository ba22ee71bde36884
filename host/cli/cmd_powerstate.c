/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_powerstate.c - power states of guests: shown, set, and waited for
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "columns.h"
#include "members.h"
#include "printable.h"

/* How long the daemon waits where nobody says, and what an answer may take beyond. */
#define MEM_S	30
#define DISK_S	120
#define MORE_S	10

/* ---- shown ------------------------------------------------------------------- */

/* "5 s", "3 min 20 s", "2 h 5 min", "4 d 2 h" */
static const char *
duration(intmax_t ms, char text[48])
{
	intmax_t s = ms / 1000;

	if (s < 60)
		(void)snprintf(text, 48, "%jd s", s);
	else if (s < 3600)
		(void)snprintf(text, 48, "%jd min %jd s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(text, 48, "%jd h %jd min", s / 3600, s / 60 % 60);
	else
		(void)snprintf(text, 48, "%jd d %jd h", s / 86400, s / 3600 % 24);
	return text;
}

static void
print_since(const json_t *reply)
{
	time_t since = (time_t)(number_of(reply, "since_ms") / 1000);
	char text[48], at[32] = "";
	struct tm tm;

	if (since == 0) {
		printf("since   before freqringd looked\n");
		return;
	}
	if (localtime_r(&since, &tm) != NULL)
		(void)strftime(at, sizeof(at), "%F %T", &tm);
	printf("since   %s, for %s\n", at, duration(number_of(reply, "for_ms"), text));
}

static void
print_votes(const json_t *votes)
{
	static const char *const heads[] = { "VCPU", "CPUS", "WISH", "HOLDS", "GRANTED", "REASON",
		NULL };
	struct columns c;
	const json_t *vote;
	size_t i;

	if (json_array_size(votes) == 0) {
		printf("votes   none\n");
		return;
	}
	columns_init(&c, heads);
	json_array_foreach(votes, i, vote) {
		intmax_t khz = number_of(vote, "khz"), granted = number_of(vote, "granted_khz");
		char list[LIST_START_SIZE];

		columns_add(&c, "%jd", number_of(vote, "vcpu"));
		columns_add(&c, "%s", list_start(vote, "cpus", list));
		if (khz != 0)
			columns_add(&c, "%jd MHz", mhz(khz));
		else
			columns_add(&c, "%s", text_of(vote, "wish"));
		columns_add(&c, "%s", flag_of(vote, "holds") ? "yes" : "no");
		if (granted != 0)
			columns_add(&c, "%jd MHz", mhz(granted));
		else
			columns_add(&c, "%s", "");
		columns_add(&c, "%s", text_of(vote, "reason"));
	}
	columns_finish(&c, 0);
}

static void
print_state(json_t *reply)
{
	intmax_t wake = number_of(reply, "wake_in_ms");
	char text[48];

	make_json_printable(reply);
	printf("%s\n", text_of(reply, "state"));
	print_since(reply);
	if (wake >= 0)
		printf("wakes   in %s\n", duration(wake, text));
	print_votes(json_object_get(reply, "votes"));
}

static enum cli_status
show(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "get_powerstate", json_pack("{s:s}", "vm", cli->arg[0].text),
		&status);

	if (reply == NULL)
		return status;
	if (cli->json)
		cli_print_json(reply);
	else
		print_state(reply);
	json_decref(reply);
	return CLI_OK;
}

enum cli_status
cmd_domstate(const struct cli *cli)
{
	return show(cli);
}

/* ---- set --------------------------------------------------------------------- */

static enum cli_status
set(const struct cli *cli, const char *state, uint64_t seconds)
{
	bool to_memory = strcmp(state, "mem") == 0 || strcmp(state, "running") == 0;
	uint64_t timeout = cli_given(cli, OPT_TIMEOUT) ? cli->opt[OPT_TIMEOUT].number :
		to_memory ? MEM_S : DISK_S;
	json_t *params = json_pack("{s:s, s:s, s:I}", "vm", cli->arg[0].text, "state", state,
		"timeout", (json_int_t)timeout), *reply;
	enum cli_status status;

	if (seconds != 0)
		(void)json_object_set_new(params, "seconds", json_integer((json_int_t)seconds));
	/* The daemon refuses what is too long to wait for. */
	reply = cli_call_within(cli, "set_powerstate", params,
		(int)(timeout < 3600 ? timeout + MORE_S : 3600 + MORE_S) * 1000, &status);
	if (reply == NULL)
		return status;
	if (cli->json) {
		cli_print_json(reply);
	} else {
		make_json_printable(reply);
		printf("VM %s: %s after %jd.%jd s\n", text_of(reply, "name"), text_of(reply, "state"),
			number_of(reply, "took_ms") / 1000, number_of(reply, "took_ms") % 1000 / 100);
	}
	json_decref(reply);
	return CLI_OK;
}

const char *
cli_target(const struct cli *cli, unsigned int arg, enum cli_status *status)
{
	bool given = cli->nb_args > arg, option = cli_given(cli, OPT_TARGET);

	*status = CLI_USAGE;
	if (given && option)
		cli_error("%s: --target or the argument TARGET, not both", cli->cmd->name);
	else if (!given && !option)
		cli_error("%s: mem, disk or hybrid?", cli->cmd->name);
	else
		*status = CLI_OK;
	return given ? cli->arg[arg].text : cli->opt[OPT_TARGET].text;
}

uint64_t
cli_duration(const struct cli *cli, unsigned int arg)
{
	return cli->nb_args > arg ? cli->arg[arg].number : cli->opt[OPT_DURATION].number;
}

enum cli_status
cmd_dompmsuspend(const struct cli *cli)
{
	enum cli_status status;
	const char *target = cli_target(cli, 1, &status);

	return status == CLI_OK ? set(cli, target, cli_duration(cli, 2)) : status;
}

enum cli_status
cmd_dompmwakeup(const struct cli *cli)
{
	return set(cli, "running", 0);
}

enum cli_status
cmd_powerstate(const struct cli *cli)
{
	if (cli->nb_args < 2)
		return show(cli);
	return set(cli, cli->arg[1].text, cli_duration(cli, 2));
}
