/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_libvirt.c - libvirt, our hook in it, and each VM's device and pinning
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor_virt.h"
#include "members.h"

#define HOOK "/etc/libvirt/hooks/qemu.d/freqring"
#define HOOK_SINCE 6005000	/* libvirt 6.5.0 runs what is in qemu.d */

void
doctor_check_libvirt(struct doctor *d)
{
	const char *error = text_of(d->libvirt, "error");
	intmax_t version = number_of(d->libvirt, "version");

	if (error[0] != '\0') {
		doctor_say(d, DOCTOR_FAIL, "%s: %s", d->config.uri, error);
		doctor_mend(d, "systemctl start libvirtd (or virtqemud.socket); as another user than "
			"root: usermod -aG libvirt USER and log in anew; or [libvirt] uri in %s",
			d->file);
		return;
	}
	doctor_say(d, DOCTOR_PASS, "%s answers: libvirt %jd.%jd.%jd, %zu VM%s", d->config.uri,
		version / 1000000, version / 1000 % 1000, version % 1000,
		json_array_size(doctor_vms(d)), plural((intmax_t)json_array_size(doctor_vms(d))));
}

void
doctor_check_hook(struct doctor *d)
{
	intmax_t version = number_of(d->libvirt, "version");
	char path[DOCTOR_PATH];
	struct stat st;

	if (stat(doctor_path(d, path, HOOK), &st) < 0 && errno == EACCES) {
		doctor_say(d, DOCTOR_WARN, "this user may not look for %s", HOOK);
		doctor_mend(d, "run freqring doctor as root");
	} else if (stat(path, &st) < 0) {
		doctor_say(d, DOCTOR_WARN, "%s is not there: a VM that starts without freqringd, or "
			"that is defined and started at once, gets a file everybody may read", HOOK);
		doctor_mend(d, "ninja -C build install puts it there; then restart libvirt's daemon");
	} else if (!S_ISREG(st.st_mode) || (st.st_mode & S_IXUSR) == 0) {
		doctor_say(d, DOCTOR_WARN, "%s is not a program: libvirt does not run it", HOOK);
		doctor_mend(d, "chmod 755 %s, then restart libvirt's daemon", HOOK);
	} else if (version != 0 && version < HOOK_SINCE) {
		doctor_say(d, DOCTOR_WARN, "libvirt before 6.5 does not run %s", HOOK);
		doctor_mend(d, "call it from /etc/libvirt/hooks/qemu: exec %s \"$@\"", HOOK);
	} else {
		doctor_say(d, DOCTOR_PASS, "%s is installed", HOOK);
	}
}

/* ---- VMs ------------------------------------------------------------------------ */

/* vCPUs by what keeps them from voting; as place_vcpu() of host/vms.c has it. */
struct voteless {
	struct cpuset unpinned, outside;
};

static void
judge_vcpu(const struct doctor *d, const json_t *vcpu, struct voteless *v)
{
	unsigned int n = (unsigned int)number_of(vcpu, "vcpu");
	struct cpuset cpus;
	struct frq_err err;

	if (!cpuset_parse(&cpus, text_of(vcpu, "cpus"), &err) || n >= FRQ_MAX_CPUS)
		return;
	if (!flag_of(vcpu, "pinned") ||
	    (cpuset_count(&d->managed) > 1 && cpuset_subset(&d->managed, &cpus)))
		cpuset_add(&v->unpinned, n);
	else if (!cpuset_subset(&cpus, &d->managed))
		cpuset_add(&v->outside, n);
}

static void
say_voteless(struct doctor *d, const char *name, const struct cpuset *vcpus, const char *what)
{
	char list[DOCTOR_LIST], managed[DOCTOR_LIST];

	if (cpuset_empty(vcpus))
		return;
	cpuset_format(vcpus, list, sizeof(list));
	doctor_say(d, DOCTOR_WARN, "VM %s: vCPU %s %s and so has no say", name, list, what);
	doctor_mend(d, "freqring vcpupin %s %u CPU%s, with a CPU of %s", name,
		cpuset_next(vcpus, 0), cpuset_count(vcpus) > 1 ? ", and so on" : "",
		cpuset_format(&d->managed, managed, sizeof(managed)));
}

static void
check_pinning(struct doctor *d, const json_t *vm)
{
	const json_t *vcpus = json_object_get(vm, "vcpus");
	struct voteless v = { 0 };
	const char *name = text_of(vm, "name");
	char ways[WAYS_SIZE];

	for (size_t i = 0; i < json_array_size(vcpus); i++)
		judge_vcpu(d, json_array_get(vcpus, i), &v);
	say_voteless(d, name, &v.unpinned, "is not pinned");
	say_voteless(d, name, &v.outside, "is pinned to a CPU that is not managed");
	if (json_array_size(vcpus) == 0) {
		doctor_say(d, DOCTOR_WARN, "VM %s: libvirt does not say where its vCPUs are pinned",
			name);
		doctor_mend(d, "virsh vcpupin %s", name);
	} else if (cpuset_empty(&v.unpinned) && cpuset_empty(&v.outside)) {
		doctor_say(d, DOCTOR_PASS, "VM %s: %s, %zu vCPU%s pinned", name,
			ways_of(vm, ways), json_array_size(vcpus),
			plural((intmax_t)json_array_size(vcpus)));
	}
}

static void
check_vm(struct doctor *d, const json_t *vm)
{
	const char *name = text_of(vm, "name"), *problem = text_of(vm, "problem");
	char ways[WAYS_SIZE];

	if (problem[0] != '\0') {
		doctor_say(d, DOCTOR_FAIL, "VM %s: %s", name, problem);
		doctor_mend(d, "virsh edit %s: the device as in libvirt-shmem.xml, then shut the VM "
			"down and start it", name);
	} else if (!config_allows(&d->config, name, text_of(vm, "uuid"))) {
		doctor_say(d, DOCTOR_PASS, "VM %s has %s, and is not among those to serve",
			name, ways_of(vm, ways));
		doctor_mend(d, "if it is to be: [vms] allow in %s", d->file);
	} else {
		check_pinning(d, vm);
	}
}

/* Often most VMs of a host: one line for all. */
static void
say_without_device(struct doctor *d, size_t nb, const char *first, const char *names)
{
	if (nb == 0)
		return;
	doctor_say(d, DOCTOR_PASS, "%zu VM%s without a device: %s", nb, plural((intmax_t)nb), names);
	doctor_mend(d, "freqring attach %s", nb == 1 ? first : "NAME");
}

void
doctor_check_vms(struct doctor *d)
{
	const json_t *vms = doctor_vms(d);
	const char *first = NULL;
	char names[256] = "";
	size_t nb = 0, used = 0;

	for (size_t i = 0; i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);
		const char *name = text_of(vm, "name");
		int n;

		if (has_way(vm) || text_of(vm, "problem")[0] != '\0') {
			check_vm(d, vm);
			continue;
		}
		if (nb++ == 0)
			first = name;
		n = snprintf(names + used, sizeof(names) - used, "%s%s", used != 0 ? ", " : "", name);
		if (n > 0 && (size_t)n < sizeof(names) - used)
			used += (size_t)n;
	}
	say_without_device(d, nb, first, names);
}
