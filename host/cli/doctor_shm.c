/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_shm.c - the folder of the regions' files, and each of these
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor_virt.h"
#include "members.h"

/* So that a few more VMs can be started. */
#define ROOM_WANTED (16 * FRQ_REGION_SIZE)

/* ---- the folder ----------------------------------------------------------------- */

static void
check_room(struct doctor *d, const char *path)
{
	struct statfs fs;
	uint64_t room;

	if (statfs(path, &fs) < 0)
		return;
	room = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	if (fs.f_type != TMPFS_MAGIC) {
		doctor_say(d, DOCTOR_WARN, "%s is not a tmpfs: requests would go to a disk",
			d->config.shm_dir);
		doctor_mend(d, "mount -t tmpfs -o mode=1777 tmpfs %s", d->config.shm_dir);
	}
	if (room < ROOM_WANTED) {
		doctor_say(d, room < FRQ_REGION_SIZE ? DOCTOR_FAIL : DOCTOR_WARN,
			"%s is full but for %ju KiB; a VM needs 1024", d->config.shm_dir,
			(uintmax_t)(room / 1024));
		doctor_mend(d, "remove what is not needed there, or mount -o remount,size=SIZE %s",
			d->config.shm_dir);
	}
}

static void
check_folder_mode(struct doctor *d, const struct stat *st)
{
	if ((st->st_mode & S_IWOTH) != 0 && (st->st_mode & S_ISVTX) == 0) {
		doctor_say(d, DOCTOR_FAIL, "%s has mode %04o: anybody may remove or replace a VM's "
			"file", d->config.shm_dir, st->st_mode & 07777);
		doctor_mend(d, "chmod 1777 %s", d->config.shm_dir);
	}
	if ((st->st_mode & S_IXOTH) == 0) {
		doctor_say(d, DOCTOR_WARN, "%s has mode %04o: QEMU's user may not go there",
			d->config.shm_dir, st->st_mode & 07777);
		doctor_mend(d, "chmod 1777 %s", d->config.shm_dir);
	}
}

static void
check_users(struct doctor *d)
{
	if (d->config.shm_group[0] == '\0' || getgrnam(d->config.shm_group) == NULL) {
		doctor_say(d, DOCTOR_FAIL, "QEMU's group was not found (libvirt-qemu, qemu, kvm): "
			"its VMs could not open their files");
		doctor_mend(d, "install libvirt's daemon, or name it: [shm] shm_group in %s (group "
			"in /etc/libvirt/qemu.conf)", d->file);
	}
	if (d->config.qemu_user[0] == '\0' || getpwnam(d->config.qemu_user) == NULL) {
		doctor_say(d, DOCTOR_WARN, "QEMU's user was not found (libvirt-qemu, qemu): a file "
			"that QEMU made is refused, unless QEMU runs as root");
		doctor_mend(d, "install libvirt's daemon, or name it: [shm] qemu_user in %s (user "
			"in /etc/libvirt/qemu.conf)", d->file);
	}
}

void
doctor_check_shm(struct doctor *d)
{
	size_t before = json_array_size(d->checks);
	char path[DOCTOR_PATH];
	struct stat st;

	(void)doctor_path(d, path, "%s", d->config.shm_dir);
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		doctor_say(d, DOCTOR_FAIL, "%s is not there, or is not a folder", d->config.shm_dir);
		doctor_mend(d, "mount -t tmpfs -o mode=1777 tmpfs %s", d->config.shm_dir);
		return;
	}
	check_room(d, path);
	check_folder_mode(d, &st);
	check_users(d);
	if (json_array_size(d->checks) == before)
		doctor_say(d, DOCTOR_PASS, "%s has room, QEMU's group is %s", d->config.shm_dir,
			d->config.shm_group);
}

/* ---- the files ------------------------------------------------------------------ */

static const json_t *
vm_of(const struct doctor *d, const char *object)
{
	const json_t *vms = doctor_vms(d);

	for (size_t i = 0; i < json_array_size(vms); i++) {
		if (strcmp(text_of(json_array_get(vms, i), "shmem"), object) == 0)
			return json_array_get(vms, i);
	}
	return NULL;
}

/* Why the daemon refuses it; "" when it does not. Its own user is not known: ours is as good. */
static void
find_fault(const struct doctor *d, const struct stat *st, char fault[64])
{
	const struct passwd *qemu = getpwnam(d->config.qemu_user);

	fault[0] = '\0';
	if (!S_ISREG(st->st_mode))
		(void)snprintf(fault, 64, "is %s, not a file",
			S_ISLNK(st->st_mode) ? "a symbolic link" : "something else");
	else if (st->st_nlink != 1)
		(void)snprintf(fault, 64, "has %ju links", (uintmax_t)st->st_nlink);
	else if (st->st_uid != 0 && st->st_uid != geteuid() &&
	    (qemu == NULL || st->st_uid != qemu->pw_uid))
		(void)snprintf(fault, 64, "belongs to user %u", st->st_uid);
	else if ((uint64_t)st->st_size != FRQ_REGION_SIZE)
		(void)snprintf(fault, 64, "is %jd bytes long, not 1 MiB", (intmax_t)st->st_size);
}

/* Whether there was nothing to say. */
static bool
judge_file(struct doctor *d, const char *object, const struct stat *st)
{
	const struct group *qemu = getgrnam(d->config.shm_group);
	const char *dir = d->config.shm_dir;
	char fault[64];

	find_fault(d, st, fault);
	if (fault[0] != '\0') {
		doctor_say(d, DOCTOR_FAIL, "%s/%s %s: freqringd refuses it", dir, object, fault);
		doctor_mend(d, "stop the VM, rm %s/%s, start the VM", dir, object);
		return false;
	}
	if ((st->st_mode & S_IRWXO) != 0) {
		doctor_say(d, DOCTOR_FAIL, "%s/%s has mode %04o: everybody on the host may %s it",
			dir, object, st->st_mode & 07777,
			(st->st_mode & S_IWOTH) != 0 ? "write" : "read");
		doctor_mend(d, "chmod 0660 %s/%s; freqringd does that, too, when it serves the VM",
			dir, object);
		return false;
	}
	if (qemu != NULL && st->st_gid != qemu->gr_gid) {
		doctor_say(d, DOCTOR_WARN, "%s/%s has group %u, QEMU's is %s", dir, object,
			st->st_gid, d->config.shm_group);
		doctor_mend(d, "chgrp %s %s/%s, or [shm] shm_group in %s", d->config.shm_group, dir,
			object, d->file);
		return false;
	}
	return true;
}

static void
check_leftover(struct doctor *d, const char *object)
{
	if (doctor_vms(d) == NULL || vm_of(d, object) != NULL)
		return;
	doctor_say(d, DOCTOR_PASS, "%s/%s is no VM's any more", d->config.shm_dir, object);
	doctor_mend(d, "rm %s/%s", d->config.shm_dir, object);
}

/* Returns how many files are in order. */
static unsigned int
check_files(struct doctor *d)
{
	char path[DOCTOR_PATH];
	DIR *dir = opendir(doctor_path(d, path, "%s", d->config.shm_dir));
	const struct dirent *e;
	unsigned int nb_good = 0;
	struct stat st;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, FRQ_SHMEM_PREFIX, strlen(FRQ_SHMEM_PREFIX)) != 0 ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		nb_good += judge_file(d, e->d_name, &st);
		check_leftover(d, e->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return nb_good;
}

static void
check_missing(struct doctor *d)
{
	const json_t *vms = doctor_vms(d);

	for (size_t i = 0; i < json_array_size(vms); i++) {
		const json_t *vm = json_array_get(vms, i);
		const char *object = text_of(vm, "shmem");

		/* One with a problem may have no name that could be a file's. */
		if (object[0] == '\0' || text_of(vm, "problem")[0] != '\0' ||
		    doctor_exists(d, "%s/%s", d->config.shm_dir, object))
			continue;
		if (flag_of(vm, "active")) {
			doctor_say(d, DOCTOR_FAIL, "VM %s runs, and %s/%s was removed",
				text_of(vm, "name"), d->config.shm_dir, object);
			doctor_mend(d, "virsh destroy and virsh start it: a reboot in the guest does not help");
		} else {
			doctor_say(d, DOCTOR_PASS, "%s/%s is not there yet: freqringd makes it while "
				"it runs, the hook when the VM starts", d->config.shm_dir, object);
		}
	}
}

void
doctor_check_regions(struct doctor *d)
{
	unsigned int nb_good = check_files(d);

	if (nb_good > 0)
		doctor_say(d, DOCTOR_PASS, "%u file%s in order: 1 MiB, QEMU's group, nobody else's "
			"to read", nb_good, plural(nb_good));
	check_missing(d);
}
