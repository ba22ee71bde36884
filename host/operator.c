/* SPDX-License-Identifier: BSD-3-Clause */
#include "operator.h"

#include <errno.h>
#include <string.h>

#include "config_pvt.h"
#include "daemon.h"
#include "events.h"
#include "log.h"
#include "rpc_params.h"

/* ---- CPUs ------------------------------------------------------------------ */

static const struct {
	const char *word;
	uint8_t op;
} words[] = {
	{ "up", FRQ_OP_UP },
	{ "down", FRQ_OP_DOWN },
	{ "min", FRQ_OP_MIN },
	{ "max", FRQ_OP_MAX },
	{ "enable_turbo", FRQ_OP_TURBO_ON },
	{ "disable_turbo", FRQ_OP_TURBO_OFF },
	{ "release", FRQ_OP_RELEASE },
};

/* @return whether it is one that can be */
static bool
parse_freq(const json_t *freq, uint8_t *op, uint32_t *khz)
{
	json_int_t n = json_integer_value(freq);

	*khz = 0;
	if (json_is_integer(freq)) {
		*op = FRQ_OP_SET;
		*khz = (uint32_t)n;
		return n > 0 && n <= FRQ_ARG_MAX;
	}
	for (size_t i = 0; json_is_string(freq) && i < sizeof(words) / sizeof(words[0]); i++) {
		*op = words[i].op;
		if (strcmp(words[i].word, json_string_value(freq)) == 0)
			return true;
	}
	return false;
}

/* @return whether it is well-formed; otherwise the call has failed */
static bool
parse_cpus(struct rpc_call *call, const struct daemon *d, uint8_t op, struct cpuset *cpus)
{
	const json_t *cpu = json_object_get(call->params, "cpu");
	const char *list = json_string_value(json_object_get(call->params, "cpus"));
	json_int_t number = json_integer_value(cpu);
	struct frq_err err;

	memset(cpus, 0, sizeof(*cpus));
	if (list != NULL && strcmp(list, "all") == 0 && op == FRQ_OP_RELEASE) {
		vms_manual_cpus(d->vms, cpus);
		return true;
	}
	if (list != NULL && cpuset_parse(cpus, list, &err))
		return true;
	if (list == NULL && json_is_integer(cpu) && number >= 0 && number < FRQ_MAX_CPUS) {
		cpuset_add(cpus, (unsigned int)number);
		return true;
	}
	if (list == NULL) {
		(void)rpc_refuse(call, "\"cpu\": the number of a CPU, or \"cpus\": a list like 0,2-5");
	} else {
		call->code = RPC_INVALID_PARAMS;
		frq_err_set(&call->err, "\"cpus\": %.200s", err.text);
	}
	return false;
}

json_t *
set_cpu_freq_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	struct cpuset cpus;
	uint8_t op = 0;
	uint32_t khz;

	if (!parse_freq(json_object_get(call->params, "freq"), &op, &khz))
		return rpc_refuse(call, "\"freq\": up, down, min, max, enable_turbo, disable_turbo, release or a number of kHz");
	if (!parse_cpus(call, d, op, &cpus))
		return NULL;
	if (!cpuset_empty(&cpus) && vms_set_cpus(d->vms, &cpus, op, khz, &call->err) < 0) {
		call->code = RPC_FAILED;
		return NULL;
	}
	return json_pack("{s:i}", "cpus", (int)cpuset_count(&cpus));
}

/* ---- VMs ------------------------------------------------------------------- */

/* @param number  of what came of it, or a negative errno */
static json_t *
number_result(struct rpc_call *call, const char *key, int number)
{
	if (number >= 0)
		return json_pack("{s:i}", key, number);
	call->code = RPC_FAILED;
	return NULL;
}

json_t *
set_channel_status_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	struct cpuset vcpus;
	const char *vm;
	bool all, enabled;

	if (!rpc_param_vm(call, &vm) || !rpc_param_vcpus(call, &vcpus, &all) ||
	    !rpc_param_bool(call, "enabled", &enabled))
		return NULL;
	return number_result(call, "changed",
		vms_enable_channels(d->vms, vm, all ? NULL : &vcpus, enabled, &call->err));
}

json_t *
add_channels_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	struct cpuset vcpus;
	const char *vm;
	bool all;

	if (!rpc_param_vm(call, &vm) || !rpc_param_vcpus(call, &vcpus, &all))
		return NULL;
	return number_result(call, "added",
		vms_count_channels(d->vms, vm, all ? NULL : &vcpus, &call->err));
}

static json_t *
change_vm(struct rpc_call *call, int (*change)(struct vms *v, const char *name, struct frq_err *err))
{
	const struct daemon *d = call->arg;
	const struct vm_map_vm *m;
	const char *vm;

	if (!rpc_param_vm(call, &vm))
		return NULL;
	m = vms_domain(d->vms, vm, &call->err);
	if (m == NULL || change(d->vms, vm, &call->err) < 0) {
		call->code = RPC_FAILED;
		return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:b}", "name", m->name, "uuid", m->uuid_text,
		"state", vms_run_state_name(m->state), "device", m->shmem[0] != '\0');
}

json_t *
add_vm_run(struct rpc_call *call)
{
	return change_vm(call, vms_add);
}

json_t *
rm_vm_run(struct rpc_call *call)
{
	return change_vm(call, vms_remove);
}

json_t *
set_query_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	const char *vm;
	bool enabled;

	if (!rpc_param_vm(call, &vm) || !rpc_param_bool(call, "enabled", &enabled))
		return NULL;
	if (vms_set_query(d->vms, vm, enabled, &call->err) < 0) {
		call->code = RPC_FAILED;
		return NULL;
	}
	return json_true();
}

/* ---- the configuration ------------------------------------------------------- */

static void
append_name(json_t *names, const struct config_setting *s)
{
	(void)json_array_append_new(names, json_sprintf("[%s] %s", s->section, s->key));
}

/* Behind the end of a text there is what was there before. */
static bool
is_same(const struct config_setting *s, const char *a, const char *b)
{
	switch (s->kind) {
	case CONFIG_WORD:
	case CONFIG_PATH:
	case CONFIG_TEXT:
	case CONFIG_LIST:
		return strcmp(a, b) == 0;
	default:
		return memcmp(a, b, s->size) == 0;
	}
}

static bool
same_vms(const struct config *a, const struct config *b)
{
	for (unsigned int i = 0; i < a->nb_vms && i < b->nb_vms; i++) {
		const struct config_vm *x = &a->vm[i], *y = &b->vm[i];

		if (strcmp(x->pattern, y->pattern) != 0 || x->min_mhz != y->min_mhz ||
		    x->max_mhz != y->max_mhz || x->turbo != y->turbo || x->priority != y->priority)
			return false;
	}
	return a->nb_vms == b->nb_vms;
}

/* Take over what may change; name what did, and what would take a restart. */
static void
take_settings(struct config *c, struct config *given, const struct config *fresh,
	json_t *changed, json_t *restart)
{
	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++) {
		const struct config_setting *s = &config_settings[i];
		const char *value = (const char *)fresh + s->offset;

		if (is_same(s, (const char *)given + s->offset, value))
			continue;
		append_name(s->live ? changed : restart, s);
		if (!s->live)
			continue;
		memcpy((char *)given + s->offset, value, s->size);
		memcpy((char *)c + s->offset, value, s->size);
	}
	if (same_vms(given, fresh))
		return;
	(void)json_array_append_new(changed, json_string("[vm PATTERN]"));
	given->nb_vms = c->nb_vms = fresh->nb_vms;
	memcpy(given->vm, fresh->vm, sizeof(fresh->vm));
	memcpy(c->vm, fresh->vm, sizeof(fresh->vm));
}

json_t *
reload_run(struct rpc_call *call)
{
	struct daemon *d = call->arg;
	json_t *changed, *restart;
	struct config fresh;

	if (!config_read(&fresh, d->argc, d->argv, &call->err)) {
		call->code = RPC_FAILED;
		return NULL;
	}
	if (d->config_given.from_file && !fresh.from_file) {
		call->code = RPC_FAILED;
		frq_err_set(&call->err, CONFIG_DEFAULT_FILE " is gone: nothing is changed; a restart would go back to the defaults");
		return NULL;
	}
	changed = json_array();
	restart = json_array();
	take_settings(&d->config, &d->config_given, &fresh, changed, restart);
	log_set_level(d->config.log_level);
	vms_reconfigure(d->vms);
	event_raise(EVENT_OPERATOR, NULL, "configuration read again: %zu settings changed, %zu wait for a restart",
		json_array_size(changed), json_array_size(restart));
	return json_pack("{s:o, s:o}", "changed", changed, "restart", restart);
}
