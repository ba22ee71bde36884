/* SPDX-License-Identifier: BSD-3-Clause */
#include "operator.h"

#include <errno.h>
#include <string.h>

#include "config_pvt.h"
#include "daemon.h"
#include "events.h"
#include "log.h"
#include "rpc_params.h"

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
