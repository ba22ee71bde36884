/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "columns.h"
#include "members.h"
#include "printable.h"

static const char *
served(const json_t *vm)
{
	if (flag_of(vm, "served"))
		return flag_of(vm, "added") ? "yes, added" : "yes";
	return flag_of(vm, "allowed") ? "no" : "not allowed";
}

/* "defined" is also whoever suspended to disk, which libvirt does not know. */
static const char *
state_of(const json_t *vm)
{
	const char *power = text_of(vm, "power");

	return strcmp(power, "suspended to disk") == 0 ? power : text_of(vm, "state");
}

static void
print_table(const json_t *vms)
{
	static const char *const heads[] = { "NAME", "STATE", "SERVED", "VCPUS", "REQUESTS",
		"DEVICE", "PROBLEM", NULL };
	struct columns c;

	columns_init(&c, heads);
	for (size_t i = 0; i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);
		char ways[WAYS_SIZE];

		columns_add(&c, "%s", text_of(vm, "name"));
		columns_add(&c, "%s", state_of(vm));
		columns_add(&c, "%s", served(vm));
		columns_add(&c, "%jd", number_of(vm, "nb_vcpus"));
		columns_add(&c, "%jd", number_of(vm, "requests"));
		columns_add(&c, "%s", ways_of(vm, ways));
		columns_add(&c, "%s", text_of(vm, "problem"));
	}
	columns_finish(&c, 0);
}

static void
print_names(const json_t *vms, bool json)
{
	json_t *names = json_array();

	for (size_t i = 0; i < json_array_size(vms); i++) {
		json_t *name = json_object_get(json_array_get(vms, i), "name");

		(void)json_array_append(names, name);
		if (!json)
			printf("%s\n", json_string_value(name));
	}
	if (json)
		cli_print_json(names);
	json_decref(names);
}

enum cli_status
cmd_list(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "list", NULL, &status), *vms;

	if (reply == NULL)
		return status;
	vms = json_object_get(reply, "vms");
	if (!cli->json)
		make_json_printable(reply);
	if (cli_given(cli, OPT_NAME))
		print_names(vms, cli->json);
	else if (cli->json)
		cli_print_json(reply);
	else
		print_table(vms);
	if (!flag_of(reply, "connected"))
		cli_error("libvirt is not connected: this is what was known of it last");
	json_decref(reply);
	return CLI_OK;
}
