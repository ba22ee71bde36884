/* SPDX-License-Identifier: BSD-3-Clause */
/* operator.h - methods of the control socket with which an operator decides */
#ifndef FRQ_OPERATOR_H
#define FRQ_OPERATOR_H

#include "control.h"

/** {"cpu": N, "freq": "up" | "down" | "min" | "max" | "release" | kHz} */
json_t *set_cpu_freq_run(struct rpc_call *call);

/** {"vm": NAME, "vcpu": N | "all", "enabled": BOOL} */
json_t *set_channel_status_run(struct rpc_call *call);

#endif /* FRQ_OPERATOR_H */
