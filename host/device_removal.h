/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_removal.h - wait for a guest to let go of devices
 *
 * libvirt tells in an event, which comes in the thread of its event loop.
 * What is gone the domain's XML says; here is only when to look again.
 */
#ifndef FRQ_DEVICE_REMOVAL_H
#define FRQ_DEVICE_REMOVAL_H

#include <stdbool.h>

#include <libvirt/libvirt.h>

struct device_removal;

/**
 * Watch a domain from now on; before the guest is asked, or what it does at
 * once is missed.
 *
 * @param ms  how long there is for it, from now
 * @return NULL: no memory
 */
struct device_removal *device_removal_watch(virDomainPtr dom, unsigned int ms);

/**
 * Wait until there is something to look at: an event, or a while has passed
 * without one.
 *
 * @return false, and at once, when the time is over and was before this call,
 *	or when the guest has refused
 */
bool device_removal_wait(struct device_removal *w);

/** Whether the guest said no to one of them. */
bool device_removal_refused(struct device_removal *w);

void device_removal_end(struct device_removal *w);

#endif /* FRQ_DEVICE_REMOVAL_H */
