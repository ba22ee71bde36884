/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc_params.h - parameters of methods that several of them have
 *
 * Each returns false with call->code and ->err set, where the parameter is
 * missing or is not what it has to be.
 */
#ifndef FRQ_RPC_PARAMS_H
#define FRQ_RPC_PARAMS_H

#include "control.h"
#include "cpuset.h"

/** Fail with "expected ...". @return NULL, as the method's result */
json_t *rpc_refuse(struct rpc_call *call, const char *expected);

/** "vm": the name or UUID of a VM; borrowed. */
bool rpc_param_vm(struct rpc_call *call, const char **vm);

/** "vcpu": a number, a list or "all" (*all). */
bool rpc_param_vcpus(struct rpc_call *call, struct cpuset *vcpus, bool *all);

/** A boolean that has to be there. */
bool rpc_param_bool(struct rpc_call *call, const char *key, bool *value);

/** A boolean that is false where it is not there. */
bool rpc_param_flag(struct rpc_call *call, const char *key, bool *value);

#endif /* FRQ_RPC_PARAMS_H */
