/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_vhost.c - can requests come in over vhost-user ports?
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_virt.h"
#include "members.h"

#define MEND_XML "virsh edit %s: see qemu-config/libvirt-vhost.xml; then shut it down and start it"

/* Whom the daemon lets make a socket. Its own user is not known: ours is as good. */
static bool
is_trusted(const struct doctor *d, uid_t uid)
{
	const struct passwd *qemu = getpwnam(d->config.qemu_user);

	return uid == 0 || uid == geteuid() || (qemu != NULL && uid == qemu->pw_uid);
}

/* Whether there was nothing to say. */
static bool
check_folder(struct doctor *d, const char *name, const char *socket)
{
	const char *slash = strrchr(socket, '/');
	char path[DOCTOR_PATH];
	struct stat st;

	(void)doctor_path(d, path, "%.*s", slash == socket ? 1 : (int)(slash - socket), socket);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		doctor_say(d, DOCTOR_FAIL, "VM %s: the folder of %s is not there: QEMU does not start",
			name, socket);
		doctor_mend(d, "systemctl restart freqringd, which makes the one of its configuration");
		return false;
	}
	if (is_trusted(d, st.st_uid) && (st.st_mode & 022) == 0)
		return true;
	doctor_say(d, DOCTOR_FAIL, "VM %s: in the folder of %s somebody else could put a socket: freqringd does not connect",
		name, socket);
	doctor_mend(d, "chown %s and chmod 0755 that folder", d->config.qemu_user);
	return false;
}

static bool
check_socket(struct doctor *d, const char *name, const char *socket, bool active)
{
	char path[DOCTOR_PATH];
	struct stat st;

	if (lstat(doctor_path(d, path, "%s", socket), &st) < 0) {
		if (!active)
			return true;
		doctor_say(d, DOCTOR_FAIL, "VM %s runs, and its socket %s was removed", name, socket);
		doctor_mend(d, "virsh destroy and virsh start it");
		return false;
	}
	if (S_ISSOCK(st.st_mode) && is_trusted(d, st.st_uid))
		return true;
	doctor_say(d, DOCTOR_FAIL, "VM %s: %s belongs to user %u, who is neither root nor QEMU's: freqringd does not connect",
		name, socket, st.st_uid);
	doctor_mend(d, "find out who made it; rm it while the VM is off");
	return false;
}

/* Whether it is in order. */
static bool
check_port(struct doctor *d, const json_t *vm)
{
	const char *name = text_of(vm, "name"), *socket = text_of(vm, "vhost");
	intmax_t queues = number_of(vm, "vhost_queues");
	size_t vcpus = json_array_size(json_object_get(vm, "vcpus"));

	if (text_of(vm, "vhost_problem")[0] != '\0') {
		doctor_say(d, DOCTOR_FAIL, "VM %s: its vhost-user port: %s", name,
			text_of(vm, "vhost_problem"));
		doctor_mend(d, MEND_XML, name);
		return false;
	}
	if (!check_folder(d, name, socket) || !check_socket(d, name, socket, flag_of(vm, "active")))
		return false;
	if (queues >= 0 && (size_t)queues >= vcpus)
		return true;
	doctor_say(d, DOCTOR_WARN, "VM %s: its vhost-user port has %jd queue%s for %zu vCPUs: the others cannot ask",
		name, queues, plural(queues), vcpus);
	doctor_mend(d, MEND_XML, name);
	return false;
}

/* QEMU waits for the daemon at its start. */
static void
check_daemon(struct doctor *d, unsigned int nb)
{
	if (d->status != NULL)
		return;
	doctor_say(d, DOCTOR_WARN, "%u VM%s with a vhost-user port: %s not start while freqringd does not run",
		nb, plural(nb), nb == 1 ? "it does" : "they do");
	doctor_mend(d, "systemctl enable --now freqringd");
}

void
doctor_check_vhost(struct doctor *d)
{
	const json_t *vms = doctor_vms(d);
	unsigned int nb = 0, nb_good = 0;

	for (size_t i = 0; i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);

		if (text_of(vm, "vhost")[0] == '\0')
			continue;
		nb++;
		nb_good += check_port(d, vm);
	}
	if (nb == 0)
		return;
	check_daemon(d, nb);
	if (nb_good > 0)
		doctor_say(d, DOCTOR_PASS, "%u vhost-user port%s in order: shared memory, QEMU listens, a safe folder",
			nb_good, plural(nb_good));
}
