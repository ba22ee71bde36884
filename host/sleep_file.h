/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sleep_file.h - which guests sleep, for the next daemon
 *
 * libvirt does not say since when a guest is in S3, and shows one in S4 as shut
 * off. One file in the state folder, STATE_DIR/sleep.json: an array of objects
 * as vms_sleep.c makes them, written anew whenever one falls asleep or wakes
 * up. It goes with the host when that reboots. Control thread.
 */
#ifndef FRQ_SLEEP_FILE_H
#define FRQ_SLEEP_FILE_H

#include <jansson.h>

/** An array, a new reference; NULL: there is none that can be read. */
json_t *sleep_file_read(const char *state_dir);

/** @param guests  an array, taken; where it is empty the file is removed */
void sleep_file_write(const char *state_dir, json_t *guests);

#endif /* FRQ_SLEEP_FILE_H */
