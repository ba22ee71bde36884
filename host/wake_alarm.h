/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wake_alarm.h - the clock that wakes the host, and what the kernel says of
 * suspends that failed. Files of sysfs; any thread.
 */
#ifndef FRQ_WAKE_ALARM_H
#define FRQ_WAKE_ALARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Seconds of the epoch for which it is armed; 0: it is not, or there is none. */
int64_t wake_alarm_get(void);

/** Disarm it where it is still armed for just that. @return whether it was, and is not any more */
bool wake_alarm_clear(int64_t at);

/** How many suspends failed since boot; 0 also where the kernel does not say. */
uint64_t suspend_failures(void);

/** Why the last one failed: "device rtc_cmos, error -16, step suspend"; "" not known. */
void suspend_failure_text(char *text, size_t size);

#endif /* FRQ_WAKE_ALARM_H */
