/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_kvm.c - can a VM be made with KVM?
 *
 * What is made is gone when its descriptors are closed. In a process of its own:
 * there are machines below which KVM_CREATE_VM hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_child.h"
#include "members.h"

#define TIMEOUT_MS 5000
#define API_VERSION 12

static json_t *
failed(const char *step)
{
	return json_pack("{s:s, s:s, s:i}", "step", step, "why", strerror(errno), "errno", errno);
}

static json_t *
make_vcpu(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;

	if (vm < 0)
		return failed("KVM_CREATE_VM");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return failed("KVM_CREATE_VCPU");
	close(vcpu);
	close(vm);
	return json_object();
}

static json_t *
try_kvm(const void *path)
{
	int kvm = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK), version;

	if (kvm < 0)
		return failed("open");
	version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return failed("KVM_GET_API_VERSION");
	if (version != API_VERSION)
		return json_pack("{s:s, s:s}", "step", "KVM_GET_API_VERSION",
			"why", "the version is not 12");
	return make_vcpu(kvm);
}

static void
explain(struct doctor *d, const json_t *found)
{
	const char *step = text_of(found, "step"), *why = text_of(found, "why");
	intmax_t error = number_of(found, "errno");

	if (strcmp(step, "open") != 0) {
		doctor_say(d, DOCTOR_FAIL, "/dev/kvm is there and cannot be used: %s: %s", step, why);
		doctor_mend(d, "dmesg | grep -i kvm; another hypervisor may have the hardware");
	} else if (error == ENOENT) {
		doctor_say(d, DOCTOR_WARN, "/dev/kvm is not there: VMs are emulated, and slow");
		doctor_mend(d, "modprobe kvm_intel (or kvm_amd); VT-x or AMD-V on in the firmware; "
			"below another hypervisor its nested virtualisation");
	} else if (error == EACCES || error == EPERM) {
		doctor_say(d, DOCTOR_WARN, "/dev/kvm: %s, not looked at", why);
		doctor_mend(d, "run as root, or usermod -aG kvm USER and log in anew");
	} else {
		doctor_say(d, DOCTOR_FAIL, "/dev/kvm cannot be opened: %s", why);
		doctor_mend(d, "modprobe kvm_intel (or kvm_amd), and see dmesg | grep -i kvm");
	}
}

void
doctor_check_kvm(struct doctor *d)
{
	char path[DOCTOR_PATH];
	json_t *found = doctor_ask_bounded(try_kvm, doctor_path(d, path, "/dev/kvm"), TIMEOUT_MS);

	if (found == NULL) {
		doctor_say(d, DOCTOR_FAIL, "KVM does not answer in 5 s");
		doctor_mend(d, "dmesg | grep -i kvm; below another hypervisor its nested "
			"virtualisation may be broken");
	} else if (text_of(found, "step")[0] != '\0') {
		explain(d, found);
	} else {
		doctor_say(d, DOCTOR_PASS, "KVM makes a VM and a vCPU; only a guest that boots proves "
			"more");
	}
	json_decref(found);
}
