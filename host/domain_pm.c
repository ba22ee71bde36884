/* SPDX-License-Identifier: BSD-3-Clause */
#include "domain_pm.h"

#include <errno.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "domain_change.h"
#include "virt_error.h"

static const char *const names[PM_TARGET_COUNT] = {
	[PM_TARGET_MEM] = "mem",
	[PM_TARGET_DISK] = "disk",
	[PM_TARGET_HYBRID] = "hybrid",
};

const char *
pm_target_name(enum pm_target target)
{
	return names[target];
}

enum pm_target
pm_target_of(const char *name)
{
	unsigned int i = 0;

	while (i < PM_TARGET_COUNT && strcmp(names[i], name) != 0)
		i++;
	return (enum pm_target)i;
}

/* What to do about it, where that is known. */
static const char *
advice(enum pm_target target)
{
	switch (virt_error_code()) {
	case VIR_ERR_AGENT_UNRESPONSIVE:
		return "; is qemu-guest-agent started in the guest?";
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
	case VIR_ERR_CONFIG_UNSUPPORTED:
		return "; it needs <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>, and qemu-guest-agent in the guest";
	case VIR_ERR_OPERATION_UNSUPPORTED:
	case VIR_ERR_OPERATION_INVALID:
		return "; see <pm> of its definition, and whether it runs";
	case VIR_ERR_INTERNAL_ERROR:
		if (target == PM_TARGET_HYBRID)
			return "; it takes systemd or pm-utils in the guest, and swap";
		return target == PM_TARGET_MEM ? "; the guest's kernel has no suspend to memory?" :
			"; has the guest swap of its own, as large as its memory in use, and resume= on its command line?";
	default:
		return "";
	}
}

static int
error_of(void)
{
	switch (virt_error_code()) {
	case VIR_ERR_AGENT_UNRESPONSIVE:
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_OPERATION_UNSUPPORTED:
		return -EOPNOTSUPP;
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	default:
		return -EIO;
	}
}

int
domain_pm_suspend(virConnectPtr conn, const char *vm, enum pm_target target, struct frq_err *err)
{
	static const unsigned int targets[PM_TARGET_COUNT] = {
		[PM_TARGET_MEM] = VIR_NODE_SUSPEND_TARGET_MEM,
		[PM_TARGET_DISK] = VIR_NODE_SUSPEND_TARGET_DISK,
		[PM_TARGET_HYBRID] = VIR_NODE_SUSPEND_TARGET_HYBRID,
	};
	const char *name;
	virDomainPtr dom;
	int ret = domain_lookup(conn, vm, &dom, err);

	if (ret < 0)
		return ret;
	/* Before, for it forgets what the last error was. */
	name = virDomainGetName(dom);
	/* Of a duration libvirt knows nothing here. */
	if (virDomainPMSuspendForDuration(dom, targets[target], 0, 0) < 0) {
		ret = error_of();
		frq_err_set(err, "VM %.64s: %.120s%s", name, virt_error_text(), advice(target));
	}
	(void)virDomainFree(dom);
	return ret;
}

static int
call(virConnectPtr conn, const char *vm, int (*fn)(virDomainPtr dom), struct frq_err *err)
{
	const char *name;
	virDomainPtr dom;
	int ret = domain_lookup(conn, vm, &dom, err);

	if (ret < 0)
		return ret;
	name = virDomainGetName(dom);
	if (fn(dom) < 0) {
		ret = error_of();
		frq_err_set(err, "VM %.64s: %.160s", name, virt_error_text());
	}
	(void)virDomainFree(dom);
	return ret;
}

static int
wakeup(virDomainPtr dom)
{
	return virDomainPMWakeup(dom, 0);
}

int
domain_pm_wakeup(virConnectPtr conn, const char *vm, struct frq_err *err)
{
	return call(conn, vm, wakeup, err);
}

int
domain_pm_start(virConnectPtr conn, const char *vm, struct frq_err *err)
{
	return call(conn, vm, virDomainCreate, err);
}
