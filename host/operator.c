/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "daemon.h"
#include "operator.h"

static const struct {
	const char *word;
	uint8_t op;
} words[] = {
	{ "up", FRQ_OP_UP },
	{ "down", FRQ_OP_DOWN },
	{ "min", FRQ_OP_MIN },
	{ "max", FRQ_OP_MAX },
	{ "release", FRQ_OP_RELEASE },
};

static json_t *
refuse(struct rpc_call *call, const char *expected)
{
	call->code = RPC_INVALID_PARAMS;
	frq_err_set(&call->err, "expected %s", expected);
	return NULL;
}

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

json_t *
set_cpu_freq_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	const json_t *cpu = json_object_get(call->params, "cpu");
	json_int_t number = json_integer_value(cpu);
	uint8_t op = 0;
	uint32_t khz;

	if (!json_is_integer(cpu) || number < 0 || number >= FRQ_MAX_CPUS)
		return refuse(call, "\"cpu\": the number of a CPU");
	if (!parse_freq(json_object_get(call->params, "freq"), &op, &khz))
		return refuse(call, "\"freq\": up, down, min, max, release or a number of kHz");
	if (vms_set_cpu(d->vms, (unsigned int)number, op, khz, &call->err) < 0) {
		call->code = RPC_FAILED;
		return NULL;
	}
	return json_true();
}

json_t *
set_channel_status_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	const char *vm = json_string_value(json_object_get(call->params, "vm"));
	const json_t *vcpu = json_object_get(call->params, "vcpu");
	const json_t *enabled = json_object_get(call->params, "enabled");
	const char *word = json_string_value(vcpu);
	json_int_t number = json_integer_value(vcpu);
	bool all = word != NULL && strcmp(word, "all") == 0;

	if (vm == NULL)
		return refuse(call, "\"vm\": the name of a VM");
	if (!all && (!json_is_integer(vcpu) || number < 0 || number >= FRQ_MAX_CHANNELS))
		return refuse(call, "\"vcpu\": the number of a vCPU, or all");
	if (!json_is_boolean(enabled))
		return refuse(call, "\"enabled\": true or false");
	if (vms_enable_channel(d->vms, vm, all ? FRQ_ALL_VCPUS : (unsigned int)number,
	    json_is_true(enabled), &call->err) < 0) {
		call->code = RPC_FAILED;
		return NULL;
	}
	return json_true();
}
