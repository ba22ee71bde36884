/* SPDX-License-Identifier: BSD-3-Clause */
/* status_cpus.h - the CPUs in the daemon's status, as a table */
#ifndef FRQ_STATUS_CPUS_H
#define FRQ_STATUS_CPUS_H

#include <jansson.h>
#include <stdbool.h>

/** Those in trouble are named below the table. */
void print_cpus(json_t *cpus, bool simulated);

#define MISHAPS_SIZE 128

/** ", 2 FAILED, 1 retried": what went wrong with the writes, of a CPU or in all. */
void format_mishaps(const json_t *o, char text[MISHAPS_SIZE]);

#endif /* FRQ_STATUS_CPUS_H */
