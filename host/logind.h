/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * logind.h - may this host sleep? As logind says, which libvirt goes by
 *
 * By sd-bus of libsystemd: the bus's own library where there is a logind, so
 * nothing has to be written or kept. Without it at build time the answer is
 * "unknown". Any thread that may wait; a second at the most.
 */
#ifndef FRQ_LOGIND_H
#define FRQ_LOGIND_H

#include "node_pm.h"

/** Sets s->logind and, where it cannot be asked, s->logind_error. */
void logind_ask(struct node_pm_seen *s);

#endif /* FRQ_LOGIND_H */
