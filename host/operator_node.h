/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * operator_node.h - the host's sleep: what it can, having it, and after it
 *
 * Who asks libvirt to suspend the host is told before it sleeps, or afterwards
 * whether it slept. After any sleep of the host, whoever wanted it, every CPU is
 * set again before the poller takes the next request. Control thread.
 */
#ifndef FRQ_OPERATOR_NODE_H
#define FRQ_OPERATOR_NODE_H

#include "control.h"

struct daemon;
struct node_power;

struct node_power *node_power_create(struct daemon *d, struct frq_err *err);
/** Answers who waits. The jobs have ended. */
void node_power_free(struct node_power *n);

/** Once a second. */
void node_power_tick(struct node_power *n);

/** The applier has a map in force. */
void node_power_applied(struct node_power *n);

/** No parameters; gives what node_pm_json says. */
json_t *get_nodepm_run(struct rpc_call *call);

/**
 * {"target": "mem" | "disk" | "hybrid", "seconds", "verify": BOOL or none}. Gives
 * {"target", "seconds", "sleeps_in_ms", "told": guests}, before the host
 * sleeps; with "verify" {"target", "seconds", "slept": BOOL, "slept_ms", "why",
 * "alarm_cleared": BOOL} when it is back or stayed awake.
 */
json_t *nodesuspend_run(struct rpc_call *call);

#endif /* FRQ_OPERATOR_NODE_H */
