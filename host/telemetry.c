/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "question.h"
#include "status.h"
#include "tel_data.h"

#define ANSWER_MS 2000u

struct command {
	const char *name;
	const char *help;
	/* On the control thread. 0, or -EINVAL: the parameter is wrong, or -ENOMEM. */
	int (*answer)(struct daemon *d, const char *param, json_t **reply);
};

/* What became of questions. Counted by telemetry's threads. */
enum outcome { ANSWERED, WRONG_PARAMETER, TIMED_OUT, FAILED, OUTCOME_COUNT };

/* Telemetry has no argument for its callbacks, and its threads do not end. */
static struct questions questions = QUESTIONS_CLOSED;
static uint64_t outcomes[OUTCOME_COUNT];

/* Takes the reference; NULL stands for no memory. */
static int
reply_with(json_t **reply, json_t *value)
{
	*reply = value;
	return value != NULL ? 0 : -ENOMEM;
}

/* Decimal digits, all of the text. */
static bool
parse_number(const char *text, uint64_t max, uint64_t *n)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 18 || text[len] != '\0')
		return false;
	*n = strtoull(text, NULL, 10);
	return *n <= max;
}

/* ---- the daemon ---------------------------------------------------------------- */

/* Members of members become PARENT_NAME. Takes the reference, returns one. */
static json_t *
flatten(json_t *object)
{
	json_t *flat = json_object(), *value, *inner;
	const char *key, *inner_key;
	char name[128];

	json_object_foreach(object, key, value) {
		if (!json_is_object(value))
			(void)json_object_set(flat, key, value);
		json_object_foreach(value, inner_key, inner) {
			(void)snprintf(name, sizeof(name), "%s_%s", key, inner_key);
			(void)json_object_set(flat, name, inner);
		}
	}
	json_decref(object);
	return flat;
}

static json_t *
telemetry_status(void)
{
	return json_pack("{s:I, s:I, s:I, s:I}",
		"answered", (json_int_t)counter_get(&outcomes[ANSWERED]),
		"wrong_parameters", (json_int_t)counter_get(&outcomes[WRONG_PARAMETER]),
		"timed_out", (json_int_t)counter_get(&outcomes[TIMED_OUT]),
		"failed", (json_int_t)counter_get(&outcomes[FAILED]));
}

static int
answer_info(struct daemon *d, const char *param, json_t **reply)
{
	struct timespec now;

	if (param != NULL)
		return -EINVAL;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return reply_with(reply, json_pack(
		"{s:s, s:i, s:I, s:s, s:b, s:o, s:o, s:o, s:o, s:o}",
		"version", FREQRING_VERSION,
		"pid", (int)getpid(),
		"uptime_s", (json_int_t)(now.tv_sec - d->started.tv_sec),
		"backend", d->power->name,
		"simulated", (int)d->power->simulated,
		"libvirt", flatten(libvirt_status(d)),
		"poller", flatten(poller_status(d)),
		"applier", flatten(applier_status(d)),
		"control", flatten(control_stats(d->control)),
		"telemetry", telemetry_status()));
}

/* ---- VMs --------------------------------------------------------------------------- */

static const char *
string_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

static bool
is_text(const char *text, const char *given, size_t len)
{
	return strlen(text) == len && memcmp(text, given, len) == 0;
}

/* How a VM is listed: by its UUID if its name is too long for a reply. */
static const char *
handle_of(const json_t *vm, char text[RTE_TEL_MAX_STRING_LEN])
{
	bool fits = tel_data_text(text, string_of(vm, "name")) < RTE_TEL_MAX_STRING_LEN;

	return string_of(vm, fits ? "name" : "uuid");
}

/* Whether it is given as the reply writes it. */
static bool
is_listed_as(const json_t *vm, const char *given, size_t len)
{
	char text[RTE_TEL_MAX_STRING_LEN];

	(void)tel_data_text(text, handle_of(vm, text));
	return is_text(text, given, len);
}

/* Borrowed from `vms`; NULL: there is none. What is listed beats what only looks like it. */
static json_t *
find_vm(const json_t *vms, const char *given, size_t len)
{
	json_t *vm;
	size_t i;

	if (len == 0)
		return NULL;
	json_array_foreach(vms, i, vm)
		if (is_listed_as(vm, given, len))
			return vm;
	json_array_foreach(vms, i, vm)
		if (is_text(string_of(vm, "name"), given, len) ||
		    is_text(string_of(vm, "uuid"), given, len))
			return vm;
	return NULL;
}

static int
answer_vm_list(struct daemon *d, const char *param, json_t **reply)
{
	char text[RTE_TEL_MAX_STRING_LEN];
	json_t *vms, *names, *vm;
	size_t i;

	if (param != NULL)
		return -EINVAL;
	vms = vms_shown(d->vms);
	names = json_array();
	json_array_foreach(vms, i, vm)
		(void)json_array_append_new(names, json_string(handle_of(vm, text)));
	json_decref(vms);
	return reply_with(reply, names);
}

/* What status says of a VM, a new reference; NULL: there is none. */
static json_t *
status_of_vm(const struct daemon *d, const char *given, size_t len)
{
	json_t *vms = vms_shown(d->vms), *status = NULL;
	const json_t *vm = find_vm(vms, given, len);
	struct frq_err err;

	if (vm != NULL)
		status = vms_one(d->vms, string_of(vm, "uuid"), &err);
	json_decref(vms);
	return status;
}

/* All but its lists. */
static int
answer_vm_info(struct daemon *d, const char *param, json_t **reply)
{
	json_t *vm, *info, *value;
	const char *key;

	if (param == NULL)
		return -EINVAL;
	vm = status_of_vm(d, param, strlen(param));
	if (vm == NULL)
		return -EINVAL;
	info = json_pack("{s:I}", "nb_channels",
		(json_int_t)json_array_size(json_object_get(vm, "channels")));
	json_object_foreach(vm, key, value)
		if (!json_is_array(value))
			(void)json_object_set(info, key, value);
	json_decref(vm);
	return reply_with(reply, info);
}

static json_t *
find_channel(const json_t *vm, uint64_t number)
{
	json_t *ch;
	size_t i;

	json_array_foreach(json_object_get(vm, "channels"), i, ch)
		if (json_integer_value(json_object_get(ch, "vcpu")) == (json_int_t)number)
			return ch;
	return NULL;
}

/* A name may have commas; the last one is before the number. */
static int
answer_vcpu_info(struct daemon *d, const char *param, json_t **reply)
{
	const char *comma = param != NULL ? strrchr(param, ',') : NULL;
	json_t *vm, *channel;
	uint64_t number;

	if (comma == NULL || !parse_number(comma + 1, FRQ_MAX_CHANNELS - 1, &number))
		return -EINVAL;
	vm = status_of_vm(d, param, (size_t)(comma - param));
	channel = find_channel(vm, number);
	*reply = json_incref(channel);
	json_decref(vm);
	return channel != NULL ? 0 : -EINVAL;
}

/* ---- CPUs and events ------------------------------------------------------------------ */

static int
answer_cpu_list(struct daemon *d, const char *param, json_t **reply)
{
	json_t *cpus;

	if (param != NULL)
		return -EINVAL;
	cpus = json_array();
	CPUSET_FOREACH(cpu, &d->config.managed_cpus)
		(void)json_array_append_new(cpus, json_integer(cpu));
	return reply_with(reply, cpus);
}

static int
answer_cpu_info(struct daemon *d, const char *param, json_t **reply)
{
	uint64_t cpu;

	if (param == NULL || !parse_number(param, FRQ_MAX_CPUS - 1, &cpu) ||
	    !cpuset_has(&d->config.managed_cpus, (unsigned int)cpu))
		return -EINVAL;
	return reply_with(reply, cpu_status(d, (unsigned int)cpu));
}

/* The newest first: what does not fit are the oldest. */
static void
reverse(json_t *array)
{
	json_t *turned = json_array();

	for (size_t i = json_array_size(array); i > 0; i--)
		(void)json_array_append(turned, json_array_get(array, i - 1));
	(void)json_array_clear(array);
	(void)json_array_extend(array, turned);
	json_decref(turned);
}

static int
answer_events(struct daemon *d, const char *param, json_t **reply)
{
	struct rpc_call call = { .arg = d };
	uint64_t since = 0;

	if (param != NULL && !parse_number(param, INT64_MAX, &since))
		return -EINVAL;
	call.params = json_pack("{s:I}", "since", (json_int_t)since);
	*reply = events_run(&call);
	json_decref(call.params);
	reverse(json_object_get(*reply, "events"));
	return *reply != NULL ? 0 : -ENOMEM;
}

/* ---- telemetry's threads ----------------------------------------------------------------- */

static const struct command commands[] = {
	{ "/freqring/info", "The daemon and what its parts count. No parameter", answer_info },
	{ "/freqring/vm/list", "VMs that have a device or channels. No parameter", answer_vm_list },
	{ "/freqring/vm/info", "A VM. Parameter: its name or UUID", answer_vm_info },
	{ "/freqring/vcpu/info", "A vCPU. Parameters: name or UUID of its VM, its number",
		answer_vcpu_info },
	{ "/freqring/cpu/list", "The managed CPUs. No parameter", answer_cpu_list },
	{ "/freqring/cpu/info", "A managed CPU. Parameter: its number", answer_cpu_info },
	{ "/freqring/events", "Events, the newest first. Parameter: none, or those after this number",
		answer_events },
};

#define NB_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Control thread. */
static int
answer(const void *what, const char *param, json_t **reply, void *arg)
{
	const struct command *c = what;

	return c->answer(arg, param, reply);
}

static enum outcome
outcome_of(int ret)
{
	switch (ret) {
	case 0:
		return ANSWERED;
	case -EINVAL:
		return WRONG_PARAMETER;
	case -ETIMEDOUT:
		return TIMED_OUT;
	default:
		return FAILED;
	}
}

/* Every command; on a thread of telemetry's. */
static int
asked(const char *cmd, const char *param, struct rte_tel_data *data)
{
	const struct command *c = commands;
	json_t *reply;
	int ret;

	while (strcmp(c->name, cmd) != 0)
		c++;
	ret = questions_ask(&questions, c, param, ANSWER_MS, &reply);
	if (ret == 0) {
		(void)tel_data_fill(data, reply, TEL_ROOM);
		json_decref(reply);
	}
	(void)__atomic_add_fetch(&outcomes[outcome_of(ret)], 1, __ATOMIC_RELAXED);
	return ret;
}

int
telemetry_start(struct daemon *d, struct frq_err *err)
{
	int ret = questions_open(&questions, d->base, answer, d);

	for (size_t i = 0; i < NB_COMMANDS && ret == 0; i++)
		ret = rte_telemetry_register_cmd(commands[i].name, asked, commands[i].help);
	if (ret != 0)
		frq_err_set(err, "the commands of DPDK's telemetry cannot be set up: %s",
			strerror(-ret));
	return ret;
}

void
telemetry_stop(void)
{
	questions_close(&questions);
}
