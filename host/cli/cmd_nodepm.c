/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_nodepm.c - nodepm and nodesuspend: the host's own sleep
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "columns.h"
#include "members.h"
#include "printable.h"

/* The daemon waits for a verdict that long while awake: see host/node_sleep.c. */
#define MEM_VERDICT_S	(10 + 40)
#define DISK_VERDICT_S	(10 + 300)
#define MORE_S		30

static const struct {
	const char *key, *name;
} ways[] = {
	{ "mem", "S3 (mem)" },
	{ "disk", "S4 (disk)" },
	{ "hybrid", "both (hybrid)" },
};

#define NB_WAYS (sizeof(ways) / sizeof(ways[0]))

static const char *
verdict_text(const char *verdict)
{
	return strcmp(verdict, "broken") == 0 ? "yes, but it will not work" : verdict;
}

static void
print_ways(json_t *reply)
{
	static const char *const heads[] = { "SLEEP", "VERDICT", "LIBVIRT", "LOGIND", "WHY", NULL };
	const json_t *kernel = json_object_get(reply, "kernel");
	struct columns c;

	make_json_printable(reply);
	columns_init(&c, heads);
	for (size_t i = 0; i < NB_WAYS; i++) {
		const json_t *way = json_object_get(reply, ways[i].key);

		columns_add(&c, "%s", ways[i].name);
		columns_add(&c, "%s", verdict_text(text_of(way, "verdict")));
		columns_add(&c, "%s", text_of(way, "libvirt"));
		columns_add(&c, "%s", text_of(way, "logind"));
		columns_add(&c, "%s", text_of(way, "why"));
	}
	columns_finish(&c, 0);
	printf("kernel  state: %s; mem_sleep: %s; disk: %s\n", text_or_dash(kernel, "state"),
		text_or_dash(kernel, "mem_sleep"), text_or_dash(kernel, "disk"));
}

/* A way that libvirt has, and nothing speaks against. */
static bool
any_works(const json_t *reply)
{
	bool any = false;

	for (size_t i = 0; i < NB_WAYS; i++)
		any |= strcmp(text_of(json_object_get(reply, ways[i].key), "verdict"), "yes") == 0;
	return any;
}

enum cli_status
cmd_nodepm(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "get_nodepm", NULL, &status);

	if (reply == NULL)
		return status;
	status = any_works(reply) ? CLI_OK : CLI_FAILED;
	if (cli->json)
		cli_print_json(reply);
	else
		print_ways(reply);
	json_decref(reply);
	return status;
}

/* ---- nodesuspend ------------------------------------------------------------- */

static void
print_accepted(const json_t *reply)
{
	intmax_t told = number_of(reply, "told");

	printf("the host sleeps in %jd s, for %jd s (%s); %jd VM%s told\n",
		number_of(reply, "sleeps_in_ms") / 1000, number_of(reply, "seconds"),
		text_of(reply, "target"), told, plural(told));
}

static void
print_verdict(const json_t *reply)
{
	intmax_t ms = number_of(reply, "slept_ms");

	if (flag_of(reply, "slept"))
		printf("the host slept for %jd.%jd s\n", ms / 1000, ms % 1000 / 100);
	else
		printf("the host did not sleep: %s\n", text_of(reply, "why"));
	if (flag_of(reply, "alarm_cleared"))
		printf("the alarm that was to wake it up was still set, and is cleared\n");
}

enum cli_status
cmd_nodesuspend(const struct cli *cli)
{
	bool verify = cli_given(cli, OPT_VERIFY);
	enum cli_status status;
	const char *target = cli_target(cli, 0, &status);
	json_t *params, *reply;
	int timeout;

	if (status != CLI_OK)
		return status;
	if (cli->nb_args < 2 && !cli_given(cli, OPT_DURATION)) {
		cli_error("nodesuspend: for how many SECONDS?");
		return CLI_USAGE;
	}
	timeout = MORE_S + (!verify ? 0 : strcmp(target, "mem") == 0 ? MEM_VERDICT_S :
		DISK_VERDICT_S);
	params = json_pack("{s:s, s:I, s:b}", "target", target, "seconds",
		(json_int_t)cli_duration(cli, 1), "verify", (int)verify);
	reply = cli_call_within(cli, "nodesuspend", params, timeout * 1000, &status);
	if (reply == NULL)
		return status;
	status = !verify || flag_of(reply, "slept") ? CLI_OK : CLI_FAILED;
	if (!cli->json)
		make_json_printable(reply);
	if (cli->json)
		cli_print_json(reply);
	else if (verify)
		print_verdict(reply);
	else
		print_accepted(reply);
	json_decref(reply);
	return status;
}
