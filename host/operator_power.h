/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * operator_power.h - power states of guests: asked for, set, waited for
 *
 * An order to suspend or wake a guest is two things: a job (libvirt_job.h) that
 * tells libvirt, and the wait for what the guest does, which its events say
 * (vms_sleep.c). It is answered when the guest is as it was asked for, or when
 * libvirt refused, or at a deadline. Control thread.
 */
#ifndef FRQ_OPERATOR_POWER_H
#define FRQ_OPERATOR_POWER_H

#include "control.h"

struct daemon;
struct power_orders;

struct power_orders *power_orders_create(struct daemon *d, struct frq_err *err);

/** Answers whoever waits. The jobs have ended. */
void power_orders_free(struct power_orders *o);

/** An event or a map may have fulfilled some. */
void power_orders_follow(struct power_orders *o);

/** Once a second: guests that are to be woken up by now. */
void power_orders_tick(struct power_orders *o);

/**
 * {"vm"}: gives {"name", "uuid", "state": "running" | "paused" | "suspended to
 * memory" | "suspended to disk" | "shut off", "since_ms": of the epoch, 0: not
 * known, "for_ms", "wake_in_ms": -1: nobody wakes it, "served", "votes":
 * [{"vcpu", "cpus", "wish", "khz", "holds", "granted_khz", "reason"}]}
 */
json_t *get_powerstate_run(struct rpc_call *call);

/**
 * {"vm", "state": "mem" | "disk" | "hybrid" | "running", "seconds": after which
 * it is woken up, or none, "timeout": seconds to wait for the guest, or none}:
 * answered as get_powerstate, with "took_ms", when it is so.
 */
json_t *set_powerstate_run(struct rpc_call *call);

#endif /* FRQ_OPERATOR_POWER_H */
