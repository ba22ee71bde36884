/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.h - one call of a method of the daemon
 */
#ifndef FRQ_CLIENT_H
#define FRQ_CLIENT_H

#include <jansson.h>

#include "region.h"

/**
 * Connect, call, and disconnect; 5 seconds are the most it takes.
 *
 * @param params  an object, or NULL; the reference is taken
 * @return the result (a new reference), or NULL with a sentence that says
 *	what to do where that is known
 */
json_t *client_call(const char *socket, const char *method, json_t *params,
	struct frq_err *err);

#endif /* FRQ_CLIENT_H */
