/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc_params.h"

#include <string.h>

#include "freqring_abi.h"

json_t *
rpc_refuse(struct rpc_call *call, const char *expected)
{
	call->code = RPC_INVALID_PARAMS;
	frq_err_set(&call->err, "expected %s", expected);
	return NULL;
}

bool
rpc_param_vm(struct rpc_call *call, const char **vm)
{
	*vm = json_string_value(json_object_get(call->params, "vm"));
	if (*vm != NULL && **vm != '\0')
		return true;
	(void)rpc_refuse(call, "\"vm\": the name or UUID of a VM");
	return false;
}

bool
rpc_param_vcpus(struct rpc_call *call, struct cpuset *vcpus, bool *all)
{
	const json_t *vcpu = json_object_get(call->params, "vcpu");
	const char *list = json_string_value(vcpu);
	json_int_t number = json_integer_value(vcpu);
	struct frq_err err;

	memset(vcpus, 0, sizeof(*vcpus));
	*all = list != NULL && strcmp(list, "all") == 0;
	if (*all)
		return true;
	if (json_is_integer(vcpu) && number >= 0 && number < FRQ_MAX_CHANNELS) {
		cpuset_add(vcpus, (unsigned int)number);
		return true;
	}
	if (list != NULL && cpuset_parse(vcpus, list, &err))
		return true;
	if (list != NULL) {
		call->code = RPC_INVALID_PARAMS;
		frq_err_set(&call->err, "\"vcpu\": %.200s", err.text);
	} else {
		(void)rpc_refuse(call, "\"vcpu\": the number of a vCPU, a list like 0,2-5, or all");
	}
	return false;
}

static bool
take_bool(struct rpc_call *call, const char *key, const json_t *json, bool *value)
{
	char expected[64];

	*value = json_is_true(json);
	if (json_is_boolean(json))
		return true;
	(void)snprintf(expected, sizeof(expected), "\"%s\": true or false", key);
	(void)rpc_refuse(call, expected);
	return false;
}

bool
rpc_param_bool(struct rpc_call *call, const char *key, bool *value)
{
	return take_bool(call, key, json_object_get(call->params, key), value);
}

bool
rpc_param_flag(struct rpc_call *call, const char *key, bool *value)
{
	const json_t *json = json_object_get(call->params, key);

	*value = false;
	return json == NULL || take_bool(call, key, json, value);
}
