/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * telemetry.h - the daemon's figures as commands of DPDK's telemetry
 *
 *	/freqring/info			the daemon, and what its parts count
 *	/freqring/vm/list		names of the VMs that the status has
 *	/freqring/vm/info,VM		one of them
 *	/freqring/vcpu/info,VM,N	a channel
 *	/freqring/cpu/list		managed CPUs
 *	/freqring/cpu/info,N		one of them
 *	/freqring/events[,SINCE]	events, the newest first
 *
 * All only read. Members are those of `status` and `events` on the control
 * socket, put as tel_data.h says. VM is a name as it is listed, as it is, or a
 * UUID. A wrong parameter is answered by null, as telemetry has it, and so is
 * a question that the control thread does not answer within 2 s.
 *
 * The socket is dpdk_telemetry.v2 in EAL's runtime folder (eal.h).
 */
#ifndef FRQ_TELEMETRY_H
#define FRQ_TELEMETRY_H

#include "daemon.h"

/** Control thread: the commands are there from now on. 0 or a negative errno and *err. */
int telemetry_start(struct daemon *d, struct frq_err *err);

/**
 * Control thread, its loop having ended. Commands of DPDK cannot be taken
 * back: from now on they are answered by null.
 */
void telemetry_stop(void);

#endif /* FRQ_TELEMETRY_H */
