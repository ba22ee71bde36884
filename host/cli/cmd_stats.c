/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_stats.c - the counters in the daemon's status, under flat names
 *
 * As virsh domstats has them: a block for the daemon and one for each VM.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "members.h"
#include "printable.h"

/* Keys of counters; one that the daemon does not send is left out. */
static const char *const libvirt_keys[] = { "events", "maps_read", "maps_changed", "connects",
	"disconnects", "errors", NULL };
static const char *const poller_keys[] = { "turns", "requests", "kicks", "heartbeats",
	"applier_stuck", NULL };
static const char *const applier_keys[] = { "wakeups", "decisions", "writes", "write_errors",
	"retries", "drifts", "deferred", "leases_expired", NULL };
static const char *const control_keys[] = { "requests", NULL };
static const char *const cpu_keys[] = { "writes", "write_errors", "retries", "drifts", NULL };
static const char *const vm_keys[] = { "requests", "throttled", "empty_doorbells",
	"reattached", NULL };
static const char *const channel_keys[] = { "requests", "refusals", NULL };

static void
add(json_t *out, const char *group, const char *key, json_t *value)
{
	char name[100];

	if (!json_is_integer(value))
		return;
	(void)snprintf(name, sizeof(name), "%s%s%s", group, group[0] != '\0' ? "." : "", key);
	(void)json_object_set(out, name, value);
}

static void
add_keys(json_t *out, const char *group, const json_t *from, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		add(out, group, *keys, json_object_get(from, *keys));
}

/* Every member is a counter. */
static void
add_all(json_t *out, const char *group, json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach(from, key, value)
		add(out, group, key, value);
}

/* Of each in an array: "cpu.3.writes". @param number  the key of its number */
static void
add_each(json_t *out, const char *number, json_t *array, const char *const *keys)
{
	char group[40];
	json_t *member;
	size_t i;

	json_array_foreach(array, i, member) {
		(void)snprintf(group, sizeof(group), "%s.%jd", number, number_of(member, number));
		add_keys(out, group, member, keys);
	}
}

static json_t *
daemon_stats(const json_t *st)
{
	const json_t *control = json_object_get(st, "control");
	json_t *out = json_object();

	add_keys(out, "libvirt", json_object_get(st, "libvirt"), libvirt_keys);
	add_keys(out, "poller", json_object_get(st, "poller"), poller_keys);
	add_keys(out, "applier", json_object_get(st, "applier"), applier_keys);
	add_keys(out, "control", control, control_keys);
	add_all(out, "control.errors", json_object_get(control, "errors"));
	add_all(out, "refusals", json_object_get(st, "refusals"));
	add_each(out, "cpu", json_object_get(st, "cpus"), cpu_keys);
	return out;
}

static json_t *
vm_stats(const json_t *vm)
{
	json_t *out = json_object();

	add_keys(out, "", vm, vm_keys);
	add_all(out, "refusals", json_object_get(vm, "refusals"));
	add_each(out, "vcpu", json_object_get(vm, "channels"), channel_keys);
	return out;
}

/* {"daemon": {...}, "vms": {NAME: {...}}}; with a VM only that, NULL where there is none. */
static json_t *
make_stats(const json_t *st, const char *wanted)
{
	const json_t *vms = json_object_get(st, "vms"), *vm = NULL;
	json_t *blocks;

	if (wanted != NULL) {
		vm = find_vm(vms, wanted);
		return vm == NULL ? NULL : json_pack("{s:{s:o}}", "vms",
			text_of(vm, "name"), vm_stats(vm));
	}
	blocks = json_object();
	for (size_t i = 0; i < json_array_size(vms); i++) {
		vm = json_array_get(vms, i);
		(void)json_object_set_new(blocks, text_of(vm, "name"), vm_stats(vm));
	}
	return json_pack("{s:o, s:o}", "daemon", daemon_stats(st), "vms", blocks);
}

static void
print_block(json_t *block)
{
	const char *key;
	json_t *value;

	json_object_foreach(block, key, value)
		printf("  %s=%jd\n", key, (intmax_t)json_integer_value(value));
	printf("\n");
}

static void
print_stats(json_t *stats)
{
	json_t *block;
	const char *key;

	block = json_object_get(stats, "daemon");
	if (block != NULL) {
		printf("Daemon:\n");
		print_block(block);
	}
	json_object_foreach(json_object_get(stats, "vms"), key, block) {
		printf("Domain: '%s'\n", key);
		print_block(block);
	}
}

enum cli_status
cmd_stats(const struct cli *cli)
{
	const char *wanted = cli->nb_args > 0 ? cli->arg[0].text : NULL;
	enum cli_status status;
	json_t *reply = cli_call(cli, "status", NULL, &status), *stats;

	if (reply == NULL)
		return status;
	if (!cli->json)
		make_json_printable(reply);
	stats = make_stats(reply, wanted);
	if (stats == NULL) {
		cli_error("%s: freqringd knows no VM of that name or UUID; see freqring status",
			wanted);
		status = CLI_FAILED;
	} else {
		status = CLI_OK;
		if (cli->json)
			cli_print_json(stats);
		else
			print_stats(stats);
	}
	json_decref(stats);
	json_decref(reply);
	return status;
}
