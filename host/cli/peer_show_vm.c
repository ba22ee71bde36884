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
channel_status(const json_t *vm, const json_t *ch)
{
	if (flag_of(ch, "disabled"))
		return "DISABLED";
	if (!flag_of(vm, "admitted") || flag_of(vm, "quarantined") || flag_of(ch, "quarantined"))
		return "DISCONNECTED";
	return "CONNECTED";
}

static void
print_channels(const json_t *vm)
{
	json_t *channels = json_object_get(vm, "channels"), *ch;
	size_t i;

	printf("Channels %zu\n", json_array_size(channels));
	json_array_foreach(channels, i, ch)
		printf("  [%zu]: /dev/shm/%s.%jd, status = %s\n", i, text_of(vm, "shmem"),
			number_of(ch, "vcpu"), channel_status(vm, ch));
}

/* @param key  of the list of CPUs that libvirt says */
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

static void
print_head(json_t *vm)
{
	bool active = strcmp(text_of(vm, "state"), "defined") != 0;

	make_json_printable(vm);
	printf("VM: '%s', status = %s\n", text_of(vm, "name"), active ? "ACTIVE" : "INACTIVE");
	print_channels(vm);
}

/* One that has no device of ours: libvirt knows it nevertheless. */
static enum cli_status
show_other(const struct cli *cli)
{
	const char *name = cli->arg[0].text;
	enum cli_status status;
	json_t *list = cli_call(cli, "list", NULL, &status), *vm, *pins;

	if (list == NULL)
		return status;
	vm = find_vm(json_object_get(list, "vms"), name);
	if (vm == NULL) {
		cli_error("%s: libvirt knows no VM of that name or UUID; see freqring list", name);
		json_decref(list);
		return CLI_FAILED;
	}
	pins = cli_call(cli, "get_vcpupin", json_pack("{s:s}", "vm", text_of(vm, "name")),
		&status);
	if (pins != NULL) {
		status = CLI_OK;
		if (cli->json)
			cli_print_json(vm);
		else {
			print_head(vm);
			print_vcpus(json_object_get(pins, "vcpus"), "cpus");
		}
	}
	json_decref(pins);
	json_decref(list);
	return status;
}

enum cli_status
cmd_show_vm(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "status", NULL, &status), *vm;

	if (reply == NULL)
		return status;
	vm = find_vm(json_object_get(reply, "vms"), cli->arg[0].text);
	if (vm == NULL) {
		status = show_other(cli);
	} else {
		status = CLI_OK;
		if (cli->json)
			cli_print_json(vm);
		else {
			print_head(vm);
			print_vcpus(json_object_get(vm, "vcpus"), "libvirt_pcpus");
		}
	}
	json_decref(reply);
	return status;
}
