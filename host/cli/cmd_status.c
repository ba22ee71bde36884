/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_status.c - the daemon's status, as a table or as it came
 *
 * A key that the daemon does not send shows as "-" or 0: the two may be of
 * different versions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "columns.h"
#include "members.h"
#include "printable.h"
#include "status_cpus.h"

/* ---- the daemon ---------------------------------------------------------- */

static void
print_uptime(intmax_t s)
{
	if (s >= 86400)
		printf("%jd d %jd h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		printf("%jd h %jd min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		printf("%jd min %jd s", s / 60, s % 60);
	else
		printf("%jd s", s);
}

static void
print_libvirt(const json_t *l)
{
	const json_t *latency = json_object_get(l, "map_latency_us");
	intmax_t errors = number_of(l, "errors");

	printf("libvirt    %s, %s, %jd event%s, map read %jd times and changed %jd",
		text_or_dash(l, "uri"), flag_of(l, "connected") ? "connected" : "NOT CONNECTED",
		number_of(l, "events"), plural(number_of(l, "events")),
		number_of(l, "maps_read"), number_of(l, "maps_changed"));
	if (number_of(latency, "samples") != 0)
		printf(", p99 %jd.%jd ms", number_of(latency, "p99") / 1000,
			number_of(latency, "p99") / 100 % 10);
	if (errors != 0)
		printf(", %jd error%s", errors, plural(errors));
	printf("\n");
	if (text_of(l, "last_error")[0] != '\0' && !flag_of(l, "connected"))
		printf("           %s\n", text_of(l, "last_error"));
}

static void
print_poller(const json_t *p)
{
	printf("poller     CPU %jd, %s, %jd request%s in %jd turns, %jd VM%s, %jd channel%s "
		"(%jd hot)\n",
		number_of(p, "cpu"), text_or_dash(p, "stage"),
		number_of(p, "requests"), plural(number_of(p, "requests")),
		number_of(p, "turns"),
		number_of(p, "vms"), plural(number_of(p, "vms")),
		number_of(p, "channels"), plural(number_of(p, "channels")),
		number_of(p, "hot"));
}

static void
print_applier(const json_t *a)
{
	char mishaps[MISHAPS_SIZE];

	format_mishaps(a, mishaps);
	printf("applier    CPU %jd%s, %jd wakeup%s, %jd decision%s, %jd write%s%s\n",
		number_of(a, "cpu"), flag_of(a, "shares_poller_cpu") ? " (the poller's)" : "",
		number_of(a, "wakeups"), plural(number_of(a, "wakeups")),
		number_of(a, "decisions"), plural(number_of(a, "decisions")),
		number_of(a, "writes"), plural(number_of(a, "writes")), mishaps);
}

/* "<label>bad_op 1, bad_arg 3"; nothing where all are zero. */
static void
print_causes(const char *label, json_t *causes)
{
	const char *key, *before = label;
	json_t *n;

	json_object_foreach(causes, key, n) {
		if (json_integer_value(n) == 0)
			continue;
		printf("%s%s %jd", before, key, (intmax_t)json_integer_value(n));
		before = ", ";
	}
	if (before != label)
		printf("\n");
}

static void
print_daemon(const json_t *st)
{
	const json_t *control = json_object_get(st, "control");

	printf("freqringd  %s, pid %jd, up ", text_or_dash(st, "version"), number_of(st, "pid"));
	print_uptime(number_of(st, "uptime_s"));
	printf("\n");
	printf("backend    %s%s\n", text_or_dash(json_object_get(st, "backend"), "name"),
		is_simulated(st) ? ": no frequency is really set" : "");
	print_libvirt(json_object_get(st, "libvirt"));
	print_poller(json_object_get(st, "poller"));
	print_applier(json_object_get(st, "applier"));
	printf("control    %jd client%s, %jd request%s\n",
		number_of(control, "clients"), plural(number_of(control, "clients")),
		number_of(control, "requests"), plural(number_of(control, "requests")));
	print_causes("  errors   ", json_object_get(control, "errors"));
	print_causes("refused    ", json_object_get(st, "refusals"));
}

/* ---- VMs ------------------------------------------------------------------ */

static void
add_wish(struct columns *c, const json_t *ch)
{
	const char *wish = text_of(ch, "wish");
	const json_t *turbo = json_object_get(ch, "turbo_allowed");
	const char *no_turbo = json_is_false(turbo) ? ", no turbo" : "";

	if (strcmp(wish, "kHz") == 0)
		columns_add(c, "%jd MHz%s", mhz(number_of(ch, "wish_khz")), no_turbo);
	else if (strcmp(wish, "none") == 0)
		columns_add(c, "-");
	else
		columns_add(c, "%s%s", wish, no_turbo);
}

static void
add_lease(struct columns *c, intmax_t left_ms)
{
	if (left_ms == 0)
		columns_add(c, "-");
	else
		columns_add(c, "%jd.%jd s", left_ms / 1000, left_ms / 100 % 10);
}

static void
add_reason(struct columns *c, const json_t *ch)
{
	if (flag_of(ch, "disabled"))
		columns_add(c, "disabled");
	else if (flag_of(ch, "quarantined"))
		columns_add(c, "quarantined");
	else
		columns_add(c, "%s", text_of(ch, "reason"));
}

/* A port has nobody who takes it: what there is to know is whether it is held. */
static void
add_attached(struct columns *c, const json_t *ch)
{
	const char *transport = text_of(ch, "transport");

	if (strcmp(transport, "serial") == 0 || strcmp(transport, "vhost-user") == 0)
		columns_add(c, "%s%s", transport, flag_of(ch, "connected") ? "" : ", closed");
	else
		columns_add(c, "%s%s", flag_of(ch, "attached") ? "yes" : "no",
			strcmp(text_of(ch, "mapping"), "uncached") == 0 ? ", uncached" : "");
}

static void
add_channel(struct columns *c, const json_t *ch, bool simulated)
{
	intmax_t granted = number_of(ch, "granted_khz");
	char list[LIST_START_SIZE];

	columns_add(c, "%jd", number_of(ch, "vcpu"));
	columns_add(c, "%s", list_start(ch, "pcpus", list));
	add_attached(c, ch);
	add_wish(c, ch);
	if (granted == 0)
		columns_add(c, "-");
	else
		columns_add(c, "%jd MHz%s", mhz(granted), mark(simulated));
	add_reason(c, ch);
	columns_add(c, "%jd", number_of(ch, "requests"));
	columns_add(c, "%jd", number_of(ch, "refusals"));
	add_lease(c, number_of(ch, "lease_left_ms"));
}

static void
print_vm(const json_t *vm, bool simulated)
{
	static const char *const heads[] = { "VCPU", "PCPU", "ATTACHED", "WISH", "GRANTED",
		"REASON", "REQUESTS", "REFUSED", "LEASE", NULL };
	json_t *channels = json_object_get(vm, "channels"), *ch;
	char ways[WAYS_SIZE];
	struct columns c;
	size_t i;

	printf("\n%s  %s, %s, epoch %jd, %jd request%s%s%s\n", text_or_dash(vm, "name"),
		text_or_dash(vm, "state"), ways_of(vm, ways), number_of(vm, "epoch"),
		number_of(vm, "requests"), plural(number_of(vm, "requests")),
		flag_of(vm, "admitted") ? "" : ", NOT ADMITTED",
		flag_of(vm, "quarantined") ? ", QUARANTINED" : "");
	printf("    UUID %s\n", text_or_dash(vm, "uuid"));
	if (text_of(vm, "problem")[0] != '\0')
		printf("    problem: %s\n", text_of(vm, "problem"));
	if (text_of(vm, "serial_problem")[0] != '\0')
		printf("    problem: serial channels: %s\n", text_of(vm, "serial_problem"));
	if (text_of(vm, "vhost_problem")[0] != '\0')
		printf("    problem: vhost-user port: %s\n", text_of(vm, "vhost_problem"));
	else if (text_of(json_object_get(vm, "vhost"), "fault")[0] != '\0')
		printf("    problem: vhost-user port: %s\n",
			text_of(json_object_get(vm, "vhost"), "fault"));
	print_causes("    frames dropped: ", json_object_get(json_object_get(vm, "vhost"), "dropped"));
	print_causes("    refused: ", json_object_get(vm, "refusals"));
	if (json_array_size(channels) == 0)
		return;
	columns_init(&c, heads);
	json_array_foreach(channels, i, ch)
		add_channel(&c, ch, simulated);
	columns_finish(&c, 4);
}

/* ---- the command ---------------------------------------------------------- */

static bool
has_vote_of(const json_t *cpu, const char *vm)
{
	const json_t *votes = json_object_get(cpu, "votes");

	for (size_t i = 0; i < json_array_size(votes); i++) {
		if (strcmp(text_of(json_array_get(votes, i), "vm"), vm) == 0)
			return true;
	}
	return false;
}

/* Leave only that VM, and the CPUs it has a say in. Whether there is one. */
static bool
keep_one(json_t *status, const char *wanted)
{
	json_t *vms = json_object_get(status, "vms");
	json_t *cpus = json_object_get(status, "cpus");
	json_t *vm = json_incref(find_vm(vms, wanted));

	if (vm == NULL)
		return false;
	json_array_clear(vms);
	json_array_append_new(vms, vm);
	for (size_t i = json_array_size(cpus); i-- > 0; ) {
		if (!has_vote_of(json_array_get(cpus, i), text_of(vm, "name")))
			json_array_remove(cpus, i);
	}
	return true;
}

static void
print_tables(json_t *status)
{
	bool simulated = is_simulated(status);
	json_t *vms = json_object_get(status, "vms"), *vm;
	size_t i;

	make_json_printable(status);
	print_daemon(status);
	if (json_array_size(vms) == 0)
		printf("\nno VM has a freqring device or serial channels\n");
	json_array_foreach(vms, i, vm)
		print_vm(vm, simulated);
	print_cpus(json_object_get(status, "cpus"), simulated);
}

enum cli_status
cmd_status(const struct cli *cli)
{
	enum cli_status status;
	json_t *one = cli->nb_args > 0 ? json_pack("{s:s}", "vm", cli->arg[0].text) : NULL;
	json_t *reply = cli_call(cli, "status", one, &status);

	if (reply == NULL)
		return status;
	if (cli->nb_args > 0 && !keep_one(reply, cli->arg[0].text)) {
		cli_error("%s: freqringd knows no VM of that name or UUID; see freqring status",
			cli->arg[0].text);
		json_decref(reply);
		return CLI_FAILED;
	}
	if (cli->json)
		cli_print_json(reply);
	else
		print_tables(reply);
	json_decref(reply);
	return CLI_OK;
}
