/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain_pm.h - put a guest to sleep through libvirt, and wake it up
 *
 * As domain_change.h: any thread, with a connection of its own that may write.
 * That a call succeeded says only that libvirt took it: what the guest did
 * comes as an event.
 */
#ifndef FRQ_DOMAIN_PM_H
#define FRQ_DOMAIN_PM_H

#include <libvirt/libvirt.h>

#include "region.h"

/* How something sleeps; for guests and hosts. */
enum pm_target {
	PM_TARGET_MEM,
	PM_TARGET_DISK,
	PM_TARGET_HYBRID,
	PM_TARGET_COUNT,
};

/** "mem", "disk", "hybrid" */
const char *pm_target_name(enum pm_target target);

/** @return PM_TARGET_COUNT where it is none */
enum pm_target pm_target_of(const char *name);

/**
 * Ask a guest, through its agent, to suspend.
 *
 * @return 0, -ENOENT, -EOPNOTSUPP (no agent, no such state), -EIO
 */
int domain_pm_suspend(virConnectPtr conn, const char *vm, enum pm_target target,
	struct frq_err *err);

/** Wake one that suspended to memory. @return 0, -ENOENT, -EIO */
int domain_pm_wakeup(virConnectPtr conn, const char *vm, struct frq_err *err);

/** Start one that suspended to disk. Likewise. */
int domain_pm_start(virConnectPtr conn, const char *vm, struct frq_err *err);

#endif /* FRQ_DOMAIN_PM_H */
