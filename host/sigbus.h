/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sigbus.h - survive the file behind a region being cut short
 *
 * A guest's QEMU, or anybody who may write the file, can truncate it while
 * it is mapped; the next access raises SIGBUS. The handler puts zeroed
 * private memory where the region was, which reads as "no request", and
 * sets the flag that was registered with it. So it is with the memory of a
 * guest behind a vhost-user port; and while a thread lets a library map such
 * memory, wherever that is. A SIGBUS from anywhere else ends the program as it
 * would have without us, after crash_abandon().
 */
#ifndef FRQ_SIGBUS_H
#define FRQ_SIGBUS_H

#include <stdbool.h>
#include <stddef.h>

/* Regions, and the memory of VMs with a vhost-user port. */
#define SIGBUS_MAX 640u

/** Install the handler. Once, before the first region is watched. */
int sigbus_install(void);

/**
 * Watch a mapping. Any thread.
 *
 * @param broken  stored to atomically by the handler, on whatever thread
 * @return 0 or -ENOSPC
 */
int sigbus_watch(void *base, size_t size, bool *broken);

/** Before the mapping goes away. Any thread. */
void sigbus_unwatch(void *base);

/** From now on a page that this thread faults on becomes one of zeroes, if nobody watches it. */
void sigbus_guard(void);

/** @return whether that happened since sigbus_guard() */
bool sigbus_unguard(void);

#endif /* FRQ_SIGBUS_H */
