/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * printable.h - text of others made fit for a terminal
 *
 * A VM's name is whatever somebody called it, escape sequences included.
 */
#ifndef FRQ_PRINTABLE_H
#define FRQ_PRINTABLE_H

#include <jansson.h>

/** Replace each control character by '?', in place. */
void make_printable(char *text);

/** The same for each string value in `json`. */
void make_json_printable(json_t *json);

#endif /* FRQ_PRINTABLE_H */
