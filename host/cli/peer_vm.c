/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_vm.c - commands of vm_power_manager about a VM and its channels
 *
 * They print its lines, which scripts compare, on stdout also where they fail;
 * why stands on stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "members.h"

/* Prints nothing where it went well. @param failed  the line, for the VM's name */
static enum cli_status
call_silently(const struct cli *cli, const char *method, json_t *params, const char *failed)
{
	enum cli_status status = CLI_OK;
	json_t *reply = cli_call(cli, method, params, &status);

	if (cli->json && reply != NULL)
		cli_print_json(reply);
	else if (!cli->json && reply == NULL)
		printf("Unable to %s VM '%s'\n", failed, cli->arg[0].text);
	json_decref(reply);
	return status;
}

enum cli_status
cmd_add_vm(const struct cli *cli)
{
	return call_silently(cli, "add_vm", json_pack("{s:s}", "vm", cli->arg[0].text), "add");
}

enum cli_status
cmd_rm_vm(const struct cli *cli)
{
	return call_silently(cli, "rm_vm", json_pack("{s:s}", "vm", cli->arg[0].text), "remove");
}

enum cli_status
cmd_set_query(const struct cli *cli)
{
	bool enable = strcmp(cli->arg[1].text, "enable") == 0;

	return call_silently(cli, "set_query", json_pack("{s:s, s:b}", "vm", cli->arg[0].text,
		"enabled", (int)enable), enable ? "allow query for" : "disallow query for");
}

/* {vm, vcpu}: the channels as a number, a list, or "all". */
static json_t *
channel_params(const struct cli *cli)
{
	const struct value *channels = &cli->arg[1];
	char list[VALUE_LIST_SIZE];
	json_t *vcpu;

	if (channels->word)
		vcpu = json_string(channels->text);
	else if (channels->nb_items == 1)
		vcpu = json_integer(channels->item[0]);
	else
		vcpu = json_string(cpuset_format(&channels->set, list, sizeof(list)));
	return json_pack("{s:s, s:o}", "vm", cli->arg[0].text, "vcpu", vcpu);
}

enum cli_status
cmd_add_channels(const struct cli *cli)
{
	const struct value *channels = &cli->arg[1];
	enum cli_status status = CLI_OK;
	json_t *reply;

	for (unsigned int i = 0; !cli->json && i < channels->nb_items; i++)
		printf("[%u]: Adding channel %u\n", i, channels->item[i]);
	reply = cli_call(cli, "add_channels", channel_params(cli), &status);
	if (cli->json) {
		if (reply != NULL)
			cli_print_json(reply);
	} else if (channels->word) {
		printf("Added %jd channels for VM '%s'\n", number_of(reply, "added"),
			cli->arg[0].text);
	} else {
		printf("Enabled %jd channels for '%s'\n", number_of(reply, "added"),
			cli->arg[0].text);
	}
	json_decref(reply);
	return status;
}

enum cli_status
cmd_set_channel_status(const struct cli *cli)
{
	json_t *params = channel_params(cli), *reply;
	enum cli_status status = CLI_OK;

	(void)json_object_set_new(params, "enabled",
		json_boolean(strcmp(cli->arg[2].text, "enabled") == 0));
	reply = cli_call(cli, "set_channel_status", params, &status);
	if (!cli->json)
		printf("Updated status of %jd channels for VM '%s'\n",
			number_of(reply, "changed"), cli->arg[0].text);
	else if (reply != NULL)
		cli_print_json(reply);
	json_decref(reply);
	return status;
}
