/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_security.c - what confines QEMU beside users and groups
 */
#include <stdio.h>
#include <string.h>

#include "doctor.h"

#define RULE "/dev/shm/freqring-* rw,"
#define LOCAL_RULES "/etc/apparmor.d/local/abstractions/libvirt-qemu"

/* Whether one line of AppArmor's lets QEMU read and write our objects. */
static bool
is_our_rule(char *line)
{
	char *rest = line, *path, *what;

	line[strcspn(line, "#")] = '\0';
	do
		path = strsep(&rest, " \t\"");
	while (path != NULL && (path[0] == '\0' || strcmp(path, "owner") == 0));
	do
		what = strsep(&rest, " \t\"");
	while (what != NULL && what[0] == '\0');
	if (path == NULL || what == NULL || strchr(what, 'r') == NULL || strchr(what, 'w') == NULL)
		return false;
	return strncmp(path, "/dev/shm/freqring-", strlen("/dev/shm/freqring-")) == 0 ||
		strncmp(path, "/{dev,run}/shm/freqring-", strlen("/{dev,run}/shm/freqring-")) == 0 ||
		strncmp(path, "/dev/shm/*", strlen("/dev/shm/*")) == 0;
}

static bool
has_rule(const struct doctor *d, const char *file)
{
	char text[32768], *rest = text, *line;

	(void)doctor_read(d, text, sizeof(text), "%s", file);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (is_our_rule(line))
			return true;
	}
	return false;
}

void
doctor_check_apparmor(struct doctor *d)
{
	char enabled[8];

	(void)doctor_read(d, enabled, sizeof(enabled), "/sys/module/apparmor/parameters/enabled");
	if (enabled[0] != 'Y')
		return;
	if (has_rule(d, LOCAL_RULES) || has_rule(d, "/etc/apparmor.d/abstractions/libvirt-qemu")) {
		doctor_say(d, DOCTOR_PASS, "AppArmor lets a device be attached to a running VM");
		return;
	}
	doctor_say(d, DOCTOR_WARN, "AppArmor: libvirt allows a VM the device that it starts with, "
		"not one that is attached while it runs");
	doctor_mend(d, "echo '%s' >>%s, then restart the VM; or attach with --config only", RULE,
		LOCAL_RULES);
}

void
doctor_check_selinux(struct doctor *d)
{
	char enforcing[8];

	(void)doctor_read(d, enforcing, sizeof(enforcing), "/sys/fs/selinux/enforce");
	if (enforcing[0] != '1')
		return;
	doctor_say(d, DOCTOR_WARN, "SELinux is enforcing, with which freqring was not tried");
	doctor_mend(d, "if QEMU cannot open its file: ausearch -m avc -ts recent");
}
