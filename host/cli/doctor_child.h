/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_child.h - ask what may hang in a process that can be left behind
 */
#ifndef FRQ_DOCTOR_CHILD_H
#define FRQ_DOCTOR_CHILD_H

#include <jansson.h>

/**
 * Run `ask` in a forked process, in a session of its own, with no terminal.
 *
 * @param ask  its result is an object (the reference is taken) or NULL
 * @param timeout_ms  after this the process is killed
 * @return a new reference to what it found, or NULL: it found nothing, died, or
 *	took too long
 */
json_t *doctor_ask_bounded(json_t *(*ask)(const void *arg), const void *arg, int timeout_ms);

#endif /* FRQ_DOCTOR_CHILD_H */
