/* SPDX-License-Identifier: BSD-3-Clause */
/* status.h - the control socket's methods that only read */
#ifndef FRQ_STATUS_H
#define FRQ_STATUS_H

#include "control.h"

/* rpc_call.arg is the daemon (daemon.h). */
json_t *status_run(struct rpc_call *call);
json_t *version_run(struct rpc_call *call);

#endif /* FRQ_STATUS_H */
