/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serial_packet.h - what a packet from a guest asks for, and answers to it
 *
 * Pure functions on a private copy of the packet; any thread. The format is
 * proto/freqring_serial.h's. Of its fields only those are looked at that the
 * command has; the VM's name never is: the socket says which VM it is.
 */
#ifndef FRQ_SERIAL_PACKET_H
#define FRQ_SERIAL_PACKET_H

#include <stdbool.h>

#include "freqring_abi.h"
#include "freqring_serial.h"

enum serial_action {
	SERIAL_POWER,		/* fold the operations, then ACK or NACK */
	SERIAL_REFUSE,		/* NACK */
	SERIAL_IGNORE,		/* as DPDK's host does: no answer */
	SERIAL_TELL_FREQS,	/* where the VM may ask */
	SERIAL_TELL_CAPS,
};

/* Causes, each of them a counter. */
enum serial_cause {
	SERIAL_GOOD,
	SERIAL_CONNECT,		/* a greeting */
	SERIAL_BAD_UNIT,
	SERIAL_BAD_COMMAND,
	SERIAL_WRONG_VCPU,	/* another one than the channel's */
	SERIAL_PHYSICAL,	/* a CPU of the host, which is not allowed or not its own */
	SERIAL_POLICY,
	SERIAL_POLICY_REMOVED,
	SERIAL_CAUSE_COUNT,
};

struct serial_request {
	enum serial_action action;
	enum serial_cause cause;
	unsigned int nb_ops;
	uint8_t op[2];		/* of SERIAL_POWER: enum frq_op */
	bool all;		/* of a query: all vCPUs, not only the channel's */
};

/* What the channel is. */
struct serial_who {
	unsigned int vcpu;	/* its number */
	unsigned int pcpu;	/* the one CPU it is pinned to, or UINT_MAX */
	bool physical;		/* a packet may name that CPU */
};

void serial_judge(const struct frq_serial_packet *p, const struct serial_who *who,
	struct serial_request *r);

/** As users see it: "bad_unit", ... */
const char *serial_cause_name(enum serial_cause cause);

#endif /* FRQ_SERIAL_PACKET_H */
