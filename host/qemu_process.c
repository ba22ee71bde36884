/* SPDX-License-Identifier: BSD-3-Clause */
#include "qemu_process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* libvirt's longest command lines have some 20 KiB, and -uuid is among the first. */
#define CMDLINE_MAX 65536
/* A large VM has some thousand mappings. */
#define MAPS_LINES_MAX 65536

/* ---- the parsers --------------------------------------------------------- */

/* "qemu-system-x86_64", "qemu-kvm", "kvm": what distributions call it. */
static bool
is_qemu_name(const char *arg, size_t len)
{
	const char *slash = memrchr(arg, '/', len);
	const char *base = slash != NULL ? slash + 1 : arg;
	size_t base_len = len - (size_t)(base - arg);

	return (base_len >= 4 && memcmp(base, "qemu", 4) == 0) ||
		(base_len == 3 && memcmp(base, "kvm", 3) == 0);
}

bool
qemu_cmdline_matches(const char *cmdline, size_t len, const char *uuid)
{
	const char *end = cmdline + len, *arg = cmdline;
	bool after_flag = false;

	if (len == 0 || !is_qemu_name(cmdline, strnlen(cmdline, len)))
		return false;
	/* An argument that has no NUL after it was cut off. */
	for (const char *nul; (nul = memchr(arg, '\0', (size_t)(end - arg))) != NULL; arg = nul + 1) {
		if (after_flag && strcasecmp(arg, uuid) == 0)
			return true;
		after_flag = strcmp(arg, "-uuid") == 0;
	}
	return false;
}

uint64_t
qemu_stat_start_time(const char *text)
{
	/* "PID (NAME) S ...": NAME may hold anything, so from the last ')'. */
	const char *p = strrchr(text, ')');
	char *end;
	uint64_t start;

	/* The state is field 3, the start time field 22. */
	for (int field = 2; p != NULL && field < 22; field++) {
		p = strchr(p, ' ');
		if (p != NULL)
			p++;
	}
	if (p == NULL || !isdigit((unsigned char)*p))
		return 0;
	start = strtoull(p, &end, 10);
	return *end == ' ' ? start : 0;
}

bool
qemu_maps_line_matches(const char *line, dev_t dev, ino_t ino)
{
	unsigned int dev_major, dev_minor;
	uint64_t inode;

	/* "START-END PERMS OFFSET MAJOR:MINOR INODE   PATH" */
	return sscanf(line, "%*x-%*x %*s %*x %x:%x %" SCNu64, &dev_major, &dev_minor, &inode) == 3 &&
		makedev(dev_major, dev_minor) == dev && inode == (uint64_t)ino;
}

/* ---- /proc --------------------------------------------------------------- */

static ssize_t
read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	size_t len = 0;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += (size_t)n;
	(void)close(fd);
	return (ssize_t)len;
}

uint64_t
qemu_start_time(pid_t pid)
{
	char text[1024];
	ssize_t n;

	if (pid <= 0)
		return 0;
	n = read_proc(pid, "stat", text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return qemu_stat_start_time(text);
}

static bool
runs_as(pid_t pid, uid_t user)
{
	char path[64];
	struct stat st;

	if (user == (uid_t)-1)
		return true;
	/* The folder belongs to the effective user. */
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) == 0 && st.st_uid == user;
}

static bool
is_process_of(pid_t pid, const char *uuid, uid_t user, char *buf)
{
	ssize_t n = read_proc(pid, "cmdline", buf, CMDLINE_MAX);

	return n > 0 && qemu_cmdline_matches(buf, (size_t)n, uuid) && runs_as(pid, user);
}

static pid_t
pid_of_entry(const struct dirent *entry)
{
	char *end;
	long pid;

	if (!isdigit((unsigned char)entry->d_name[0]))
		return 0;
	pid = strtol(entry->d_name, &end, 10);
	return *end == '\0' && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* The oldest that matches: a helper that QEMU forks looks like itself until it execs. */
static void
search(struct qemu_process *p, const char *uuid, uid_t user, char *buf)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (proc == NULL)
		return;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = pid_of_entry(entry);
		uint64_t start;

		if (pid == 0 || !is_process_of(pid, uuid, user, buf))
			continue;
		start = qemu_start_time(pid);
		if (start != 0 && (p->pid == 0 || start < p->start))
			*p = (struct qemu_process){ .pid = pid, .start = start };
	}
	(void)closedir(proc);
}

void
qemu_process_find(struct qemu_process *p, const char *uuid, uid_t user)
{
	char *buf;

	/* The same process still; it cannot have become another VM's. */
	if (p->pid != 0 && qemu_start_time(p->pid) == p->start)
		return;
	*p = (struct qemu_process){ .pid = 0 };
	buf = malloc(CMDLINE_MAX);
	if (buf == NULL)
		return;
	search(p, uuid, user, buf);
	free(buf);
}

int
qemu_maps_inode(pid_t pid, dev_t dev, ino_t ino)
{
	char path[64];
	/* Longer than PATH_MAX and the fields before it, so that a line is a line. */
	char line[8192];
	int found = 0;
	FILE *maps;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		return -errno;
	for (int i = 0; i < MAPS_LINES_MAX && found == 0 && fgets(line, sizeof(line), maps) != NULL; i++)
		found = qemu_maps_line_matches(line, dev, ino);
	/* The file opens for anybody, but only who may trace the process can read it. */
	if (found == 0 && ferror(maps))
		found = -EACCES;
	(void)fclose(maps);
	return found;
}
