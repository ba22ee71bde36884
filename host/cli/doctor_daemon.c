/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_daemon.c - freqringd: its configuration, whether it runs, and what it says
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "members.h"

void
doctor_check_config(struct doctor *d)
{
	if (d->config_ret == -EACCES) {
		doctor_say(d, DOCTOR_WARN, "%s; the defaults are looked at", d->config_err.text);
		doctor_mend(d, "run freqring doctor as root");
	} else if (d->config_ret == -ERANGE && d->status != NULL) {
		doctor_say(d, DOCTOR_WARN, "%s", d->config_err.text);
		doctor_mend(d, "mend %s; freqringd would not start again with it", d->file);
	} else if (d->config_ret != 0) {
		doctor_say(d, DOCTOR_FAIL, "%s", d->config_err.text);
		doctor_mend(d, "mend %s; freqringd does not start with it", d->file);
	} else if (access(d->file, F_OK) != 0) {
		doctor_say(d, DOCTOR_PASS, "%s is not there, the defaults hold", d->file);
	} else {
		doctor_say(d, DOCTOR_PASS, "%s has no mistake", d->file);
	}
}

/* ---- running -------------------------------------------------------------------- */

static void
explain_no_entry(struct doctor *d)
{
	const char *group = d->config.group[0] != '\0' ? d->config.group : "freqring";

	doctor_say(d, DOCTOR_WARN, "%s: this user may not ask freqringd", d->socket);
	if (getgrnam(group) == NULL)
		doctor_mend(d, "run as root, or make the group %s (systemd-sysusers), restart "
			"freqringd, and usermod -aG %s USER", group, group);
	else
		doctor_mend(d, "run as root, or usermod -aG %s USER and log in anew", group);
}

static void
explain_silence(struct doctor *d)
{
	if (access(d->socket, F_OK) == 0 && access(d->socket, W_OK) != 0 && errno == EACCES) {
		explain_no_entry(d);
		return;
	}
	doctor_say(d, DOCTOR_FAIL, "%s", d->status_err.text);
	if (access(d->socket, F_OK) != 0)
		doctor_mend(d, "systemctl start freqringd, and see journalctl -u freqringd");
	else
		doctor_mend(d, "systemctl restart freqringd, and see journalctl -u freqringd");
}

static void
check_backend(struct doctor *d)
{
	if (!doctor_is_simulated(d))
		return;
	doctor_say(d, DOCTOR_WARN, "the backend is simulated: no frequency is really set");
	doctor_mend(d, "where the machine has cpufreq: backend = librte_power in %s", d->file);
}

void
doctor_check_daemon(struct doctor *d)
{
	const char *version = text_of(d->status, "version");

	if (d->status == NULL) {
		explain_silence(d);
	} else if (strcmp(version, FREQRING_VERSION) != 0) {
		doctor_say(d, DOCTOR_WARN, "freqringd is version %s, this command %s", version,
			FREQRING_VERSION);
		doctor_mend(d, "systemctl restart freqringd, or install both anew");
	} else {
		doctor_say(d, DOCTOR_PASS, "freqringd %s runs, pid %jd", version,
			number_of(d->status, "pid"));
	}
	check_backend(d);
	if (geteuid() == 0 && d->config.group[0] == '\0') {
		doctor_say(d, DOCTOR_PASS, "no group may ask freqringd, root only");
		doctor_mend(d, "for other users: systemd-sysusers makes the group freqring");
	}
}

void
doctor_check_unit(struct doctor *d)
{
	static const char *const folders[] = { "/etc/systemd/system", "/lib/systemd/system",
		"/usr/lib/systemd/system", "/usr/local/lib/systemd/system", NULL };

	for (const char *const *f = folders; *f != NULL; f++) {
		if (!doctor_exists(d, "%s/freqringd.service", *f))
			continue;
		doctor_say(d, DOCTOR_PASS, "%s/freqringd.service is installed", *f);
		if (!doctor_exists(d,
		    "/etc/systemd/system/multi-user.target.wants/freqringd.service"))
			doctor_mend(d, "it does not start with the machine: systemctl enable freqringd");
		return;
	}
	doctor_say(d, DOCTOR_PASS, "no systemd unit freqringd.service is installed");
	doctor_mend(d, "ninja -C build install, then systemctl daemon-reload");
}

/* ---- what it says --------------------------------------------------------------- */

static void
check_channels(struct doctor *d, const json_t *vm)
{
	const json_t *channels = json_object_get(vm, "channels");
	struct cpuset quarantined = { 0 }, uncached = { 0 };
	const char *name = text_of(vm, "name");
	char list[DOCTOR_LIST];

	for (size_t i = 0; i < json_array_size(channels); i++) {
		const json_t *ch = json_array_get(channels, i);
		intmax_t vcpu = number_of(ch, "vcpu");

		if (vcpu < 0 || vcpu >= (intmax_t)FRQ_MAX_CPUS)
			continue;
		if (flag_of(ch, "quarantined"))
			cpuset_add(&quarantined, (unsigned int)vcpu);
		if (strcmp(text_of(ch, "mapping"), "uncached") == 0)
			cpuset_add(&uncached, (unsigned int)vcpu);
	}
	if (!cpuset_empty(&quarantined)) {
		doctor_say(d, DOCTOR_FAIL, "VM %s: vCPU %s in quarantine for breaking the protocol",
			name, cpuset_format(&quarantined, list, sizeof(list)));
		doctor_mend(d, "look at what the guest runs, then stop and start the VM");
	}
	if (!cpuset_empty(&uncached)) {
		doctor_say(d, DOCTOR_WARN, "VM %s: the guest maps the memory uncached (vCPU %s): "
			"a request takes microseconds", name,
			cpuset_format(&uncached, list, sizeof(list)));
		doctor_mend(d, "in the guest map resource2 of the device, not through uio or VFIO");
	}
}

static void
check_vm(struct doctor *d, const json_t *vm)
{
	const char *name = text_of(vm, "name"), *problem = text_of(vm, "problem");

	/* One that is left out on purpose, or only defined, is the vms check's. */
	if (!config_allows(&d->config, name, text_of(vm, "uuid")) ||
	    strcmp(text_of(vm, "state"), "defined") == 0)
		return;
	if (flag_of(vm, "quarantined") || problem[0] != '\0') {
		doctor_say(d, DOCTOR_FAIL, "VM %s is not served: %s", name,
			problem[0] != '\0' ? problem : "in quarantine");
		doctor_mend(d, "freqring status %s, and \"Messages\" in docs/operating.md", name);
	} else if (!flag_of(vm, "admitted") && strcmp(text_of(vm, "state"), "running") == 0) {
		doctor_say(d, DOCTOR_FAIL, "VM %s is not served although it runs", name);
		doctor_mend(d, "journalctl -u freqringd says why");
	}
	check_channels(d, vm);
}

static void
check_cpus(struct doctor *d)
{
	const json_t *cpus = json_object_get(d->status, "cpus");

	for (size_t i = 0; i < json_array_size(cpus); i++) {
		const json_t *cpu = json_array_get(cpus, i);

		if (text_of(cpu, "trouble")[0] == '\0')
			continue;
		doctor_say(d, DOCTOR_WARN, "CPU %jd: %s", number_of(cpu, "cpu"),
			text_of(cpu, "trouble"));
		doctor_mend(d, "freqring events says since when");
	}
}

void
doctor_check_served(struct doctor *d)
{
	const json_t *vms = json_object_get(d->status, "vms");
	const json_t *libvirt = json_object_get(d->status, "libvirt");
	intmax_t stuck = number_of(json_object_get(d->status, "poller"), "applier_stuck");
	size_t before = json_array_size(d->checks), nb_served = 0;

	if (d->status == NULL)
		return;
	if (libvirt != NULL && !flag_of(libvirt, "connected")) {
		doctor_say(d, DOCTOR_FAIL, "freqringd is not connected to libvirt at %s",
			text_of(libvirt, "uri"));
		doctor_mend(d, "it tries again by itself; see what is said of libvirt above");
	}
	if (stuck > 0) {
		doctor_say(d, DOCTOR_WARN, "the applier stood still at %jd looks since the start",
			stuck);
		doctor_mend(d, "nothing of higher priority may run on its CPU (applier_cpu)");
	}
	for (size_t i = 0; i < json_array_size(vms); i++) {
		check_vm(d, json_array_get(vms, i));
		nb_served += flag_of(json_array_get(vms, i), "admitted");
	}
	check_cpus(d);
	if (json_array_size(d->checks) == before)
		doctor_say(d, DOCTOR_PASS, "%zu VM%s served, nothing is wrong with them", nb_served,
			plural((intmax_t)nb_served));
}
