/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_show_vm.c - show_vm: a VM in the lines of vm_power_manager
 *
 * In those of the older ones, which print a vCPU's CPUs as a bit mask.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "members.h"
#include "printable.h"

static const char *
channel_status(const json_t *ch)
{
	if (flag_of(ch, "disabled"))
		return "DISABLED";
	return flag_of(ch, "connected") ? "CONNECTED" : "DISCONNECTED";
}

static void
print_channels(const json_t *vm)
{
	json_t *channels = json_object_get(vm, "channels"), *ch;
	size_t i;

	printf("Channels %zu\n", json_array_size(channels));
	json_array_foreach(channels, i, ch)
		printf("  [%zu]: %s, status = %s\n", i, text_or_dash(ch, "path"),
			channel_status(ch));
}

/* @param key  of the list of CPUs in a member of `vcpus` */
static void
print_vcpus(json_t *vcpus, const char *key)
{
	char mask[VALUE_MASK_SIZE];
	size_t i, nb = 0;
	json_t *vcpu;

	json_array_foreach(vcpus, i, vcpu)
		nb += !json_is_false(json_object_get(vcpu, "present"));
	printf("Virtual CPU(s): %zu\n", nb);
	json_array_foreach(vcpus, i, vcpu) {
		struct cpuset cpus;
		struct frq_err err;

		if (json_is_false(json_object_get(vcpu, "present")))
			continue;
		/* Where that fails, the set is empty: 0x0. */
		(void)cpuset_parse(&cpus, text_of(vcpu, key), &err);
		printf("  [%jd]: Physical CPU Mask %s\n", number_of(vcpu, "vcpu"),
			value_format_mask(&cpus, mask));
	}
}

/* @param key  as print_vcpus has it */
static void
print_vm(json_t *vm, json_t *vcpus, const char *key)
{
	bool active = strcmp(text_of(vm, "state"), "defined") != 0;

	make_json_printable(vm);
	printf("VM: '%s', status = %s\n", text_of(vm, "name"), active ? "ACTIVE" : "INACTIVE");
	print_channels(vm);
	print_vcpus(vcpus, key);
}

/* The pinning is asked of libvirt where the daemon does not follow it. */
static enum cli_status
show(const struct cli *cli, json_t *vm)
{
	json_t *vcpus = json_object_get(vm, "vcpus"), *pins;
	enum cli_status status;

	if (cli->json) {
		cli_print_json(vm);
		return CLI_OK;
	}
	if (json_array_size(vcpus) > 0) {
		print_vm(vm, vcpus, "libvirt_pcpus");
		return CLI_OK;
	}
	pins = cli_call(cli, "get_vcpupin", json_pack("{s:s}", "vm", text_of(vm, "uuid")),
		&status);
	if (pins == NULL)
		return status;
	print_vm(vm, json_object_get(pins, "vcpus"), "cpus");
	json_decref(pins);
	return CLI_OK;
}

/* A new reference; NULL: that failed or there is none, and *status. */
static json_t *
ask_for_vm(const struct cli *cli, const char *method, enum cli_status *status)
{
	json_t *reply = cli_call(cli, method, NULL, status), *vm;

	if (reply == NULL)
		return NULL;
	*status = CLI_OK;
	vm = json_incref(find_vm(json_object_get(reply, "vms"), cli->arg[0].text));
	json_decref(reply);
	return vm;
}

enum cli_status
cmd_show_vm(const struct cli *cli)
{
	enum cli_status status;
	json_t *vm = ask_for_vm(cli, "status", &status);

	/* One that has no device of ours: libvirt knows it nevertheless. */
	if (vm == NULL && status == CLI_OK)
		vm = ask_for_vm(cli, "list", &status);
	if (vm != NULL) {
		status = show(cli, vm);
	} else if (status == CLI_OK) {
		cli_error("%s: libvirt knows no VM of that name or UUID; see freqring list",
			cli->arg[0].text);
		status = CLI_FAILED;
	}
	json_decref(vm);
	return status;
}
