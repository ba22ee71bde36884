/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * operator.h - methods of the control socket with which an operator decides
 *
 * What they change ends with the daemon. "vm" is a name or UUID, "vcpu" a
 * number, a list like "0,2-5" or "all". rpc_call.arg is the daemon (daemon.h).
 */
#ifndef FRQ_OPERATOR_H
#define FRQ_OPERATOR_H

#include "control.h"

/** {"vm", "vcpu", "enabled": BOOL}. Gives {"changed": how many}. */
json_t *set_channel_status_run(struct rpc_call *call);

/** {"vm", "vcpu"}: how many of these channels are in service. Gives {"added"}. */
json_t *add_channels_run(struct rpc_call *call);

/** {"vm"}: serve it, or do not, whatever the configuration says. */
json_t *add_vm_run(struct rpc_call *call);
json_t *rm_vm_run(struct rpc_call *call);

/** {"vm", "enabled": BOOL}: may it ask for frequencies over virtio-serial? */
json_t *set_query_run(struct rpc_call *call);

/** No parameters: read the configuration again. Gives {"changed", "restart"}. */
json_t *reload_run(struct rpc_call *call);

#endif /* FRQ_OPERATOR_H */
