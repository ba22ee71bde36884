/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * operator_cpu.h - CPUs that an operator sets by hand: asked, and waited for
 *
 * A setting goes to the applier with a map (vms_set_cpus) and is answered when
 * the CPUs are as it says, or why they are not. It stands in either case, and
 * ends with the daemon. Control thread.
 */
#ifndef FRQ_OPERATOR_CPU_H
#define FRQ_OPERATOR_CPU_H

#include "control.h"

struct daemon;
struct cpu_orders;

struct cpu_orders *cpu_orders_create(struct daemon *d, struct frq_err *err);

/** Answers whoever waits. */
void cpu_orders_free(struct cpu_orders *o);

/** The applier did something, or a second is over: some may be done. */
void cpu_orders_follow(struct cpu_orders *o);

/**
 * {"cpu": N or "cpus": LIST, "freq": "up" | "down" | "min" | "max" |
 * "enable_turbo" | "disable_turbo" | "release" | kHz}; "cpus": "all" goes with
 * release alone. Gives {"cpus": how many}, when it is in force.
 */
json_t *set_cpu_freq_run(struct rpc_call *call);

#endif /* FRQ_OPERATOR_CPU_H */
