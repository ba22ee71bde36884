/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_vcpupin.c - where vCPUs may run: shown, and set in three ways
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "members.h"
#include "printable.h"

/* What both calls have; the vCPU only where one is named. */
static json_t *
make_params(const struct cli *cli, bool live, bool config)
{
	json_t *params = json_pack("{s:s}", "vm", cli->arg[0].text);

	if (cli->nb_args > 1)
		(void)json_object_set_new(params, "vcpu",
			json_integer((json_int_t)cli->arg[1].number));
	if (live)
		(void)json_object_set_new(params, "live", json_true());
	if (config)
		(void)json_object_set_new(params, "config", json_true());
	return params;
}

/* ---- vcpupin ---------------------------------------------------------------- */

static enum cli_status
show(const struct cli *cli, json_t *params)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "get_vcpupin", params, &status), *vcpus;

	if (reply == NULL)
		return status;
	vcpus = json_object_get(reply, "vcpus");
	if (cli->json) {
		cli_print_json(reply);
	} else {
		make_json_printable(reply);
		printf(" VCPU   CPU Affinity\n----------------------\n");
		for (size_t i = 0; i < json_array_size(vcpus); i++) {
			const json_t *vcpu = json_array_get(vcpus, i);

			printf(" %-4jd   %s\n", number_of(vcpu, "vcpu"),
				text_or_dash(vcpu, "cpus"));
		}
		printf("\n");
	}
	json_decref(reply);
	return CLI_OK;
}

/* NULL: it failed, stderr says why, and *status. */
static json_t *
pin(const struct cli *cli, const struct cpuset *cpus, json_t *params, enum cli_status *status)
{
	char list[VALUE_LIST_SIZE];

	(void)json_object_set_new(params, "cpus",
		json_string(cpuset_format(cpus, list, sizeof(list))));
	return cli_call(cli, "set_vcpupin", params, status);
}

static void
print_pinned(const json_t *reply, const char *vm)
{
	bool live = flag_of(reply, "live"), config = flag_of(reply, "config");

	printf("vCPU %jd of %s: CPU %s%s%s%s\n", number_of(reply, "vcpu"), vm,
		text_or_dash(reply, "cpus"), live ? ", live" : "",
		live && config ? " and" : config ? "," : "", config ? " in its definition" : "");
}

enum cli_status
cmd_vcpupin(const struct cli *cli)
{
	bool live = cli_given(cli, OPT_LIVE), config = cli_given(cli, OPT_CONFIG);
	enum cli_status status;
	json_t *reply;

	if (cli_given(cli, OPT_CURRENT) && (live || config)) {
		cli_error("--current goes with neither --live nor --config");
		return CLI_USAGE;
	}
	if (cli->nb_args < 3 && live && config) {
		cli_error("--live and --config: one of them, where it is only shown");
		return CLI_USAGE;
	}
	if (cli->nb_args < 3)
		return show(cli, make_params(cli, live, config));
	reply = pin(cli, &cli->arg[2].set, make_params(cli, live, config), &status);
	if (reply == NULL)
		return status;
	if (cli->json) {
		cli_print_json(reply);
	} else {
		make_json_printable(reply);
		print_pinned(reply, cli->arg[0].text);
	}
	json_decref(reply);
	return CLI_OK;
}

/* ---- set_pcpu, set_pcpu_mask: the lines that vm_power_manager prints ---------- */

static enum cli_status
pin_as_peer(const struct cli *cli, const char *what, const char *where)
{
	unsigned int vcpu = (unsigned int)cli->arg[1].number;
	enum cli_status status = CLI_OK;
	json_t *reply = pin(cli, &cli->arg[2].set, make_params(cli, true, true), &status);

	if (cli->json && reply != NULL)
		cli_print_json(reply);
	else if (!cli->json)
		printf("%s vCPU(%u) to pCPU core %s%s)\n",
			reply != NULL ? "Pinned" : "Unable to pin", vcpu, what, where);
	json_decref(reply);
	return status;
}

/* Its line has a bracket that nothing opens; scripts compare it. */
enum cli_status
cmd_set_pcpu(const struct cli *cli)
{
	char cpu[16];

	snprintf(cpu, sizeof(cpu), "%u", (unsigned int)cli->arg[2].number);
	return pin_as_peer(cli, "", cpu);
}

enum cli_status
cmd_set_pcpu_mask(const struct cli *cli)
{
	char mask[VALUE_MASK_SIZE];

	return pin_as_peer(cli, "mask(", value_format_mask(&cli->arg[2].set, mask));
}
