/* SPDX-License-Identifier: BSD-3-Clause */
/* members.h - members of what the daemon sent, which may be absent */
#ifndef FRQ_MEMBERS_H
#define FRQ_MEMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/** "" where there is none. */
const char *text_of(const json_t *o, const char *key);
const char *text_or_dash(const json_t *o, const char *key);

#define LIST_START_SIZE 40u

/** For a table: a list of CPUs, of a long one the start and "...". @return it, or `text` */
const char *list_start(const json_t *o, const char *key, char text[LIST_START_SIZE]);

/** 0 where there is none. */
intmax_t number_of(const json_t *o, const char *key);
bool flag_of(const json_t *o, const char *key);

/** In an array of VMs, by name or UUID; borrowed, NULL where there is none. */
json_t *find_vm(const json_t *vms, const char *wanted);

/** Whether the backend of this reply sets nothing. */
bool is_simulated(const json_t *reply);
/** Goes behind a frequency that no hardware runs at. */
const char *mark(bool simulated);

intmax_t mhz(intmax_t khz);
const char *plural(intmax_t n);

/**
 * Whether an operator set this CPU of the status, in force or not. Its "manual"
 * says that such a setting decided, which may be that of another CPU of its domain.
 */
bool is_set_by_hand(const json_t *cpu);

/** Whether a VM has a device or serial channels. */
bool has_way(const json_t *vm);

#define WAYS_SIZE 320u

/** Which: "freqring-a", "2 serial channels", both, or "-". @return text */
const char *ways_of(const json_t *vm, char text[WAYS_SIZE]);

#endif /* FRQ_MEMBERS_H */
