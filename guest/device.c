/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.c - find the ivshmem device and map its memory
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "freqring_pvt.h"

/* An attribute of a device, without the newline; false where there is none. */
static bool
read_attribute(const char *dir, const char *name, char *text, size_t size)
{
	char path[512];
	ssize_t n;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	(void)close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static bool
attribute_is(const char *dir, const char *name, unsigned long value)
{
	char text[32], *end;

	if (!read_attribute(dir, name, text, sizeof(text)))
		return false;
	return strtoul(text, &end, 16) == value && end != text && *end == '\0';
}

/* A device that no driver ever enabled does not decode its memory. Only root
 * may say so; where it cannot be said, the magic will be missing.
 */
static void
enable_device(const char *dir)
{
	char path[512];
	int fd;

	if (!attribute_is(dir, "enable", 0) ||
	    (size_t)snprintf(path, sizeof(path), "%s/enable", dir) >= sizeof(path))
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "1", 1);
	(void)close(fd);
}

static int
explain_locked_down(const char *dir, const char *sysfs, struct frq_err *err)
{
	char security[512], mode[64] = "unknown";

	if ((size_t)snprintf(security, sizeof(security), "%s/kernel/security", sysfs) <
	    sizeof(security))
		(void)read_attribute(security, "lockdown", mode, sizeof(mode));
	frq_err_set(err, "%.64s: the kernel lets no program map the device's memory: it is "
		"locked down, as with Secure Boot (%.64s/lockdown: %s)", dir, security, mode);
	return -EPERM;
}

static int
explain_not_allowed(const char *dir, struct frq_err *err)
{
	frq_err_set(err, "%.128s/resource2: not allowed: be root, or install freqring's udev "
		"rule (60-freqring.rules) and join the group freqring", dir);
	return -EACCES;
}

static int
explain_too_long(struct frq_err *err)
{
	frq_err_set(err, "the path of the device's folder is too long");
	return -ENAMETOOLONG;
}

static int
map_device(struct frq_region *r, const char *dir, const char *sysfs, struct frq_err *err)
{
	int ret;

	enable_device(dir);
	ret = frq_region_bar(r, dir, err);
	if (ret == -EPERM)
		return explain_locked_down(dir, sysfs, err);
	if (ret == -EACCES)
		return explain_not_allowed(dir, err);
	return ret;
}

static int
check_device(struct frq_region *r, struct frq_err *err)
{
	int ret = frq_region_check(r, err);

	if (ret < 0)
		frq_region_close(r);
	return ret;
}

static int
is_address(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Which failure says most, when several devices failed. */
static int
weight(int ret)
{
	switch (ret) {
	case -EPROTO:
		return 4;
	case -EPERM:
		return 3;
	case -EACCES:
		return 2;
	case -ENOENT:
	case -ENODEV:
		return 0;
	default:
		return 1;
	}
}

/* One candidate: 0 if it is the one, else why not; notes the best reason. */
static int
try_device(struct frq_region *r, const char *dir, const char *sysfs, int *best,
	struct frq_err *err)
{
	struct frq_err why;
	int ret = map_device(r, dir, sysfs, &why);

	if (ret == 0)
		ret = check_device(r, &why);
	if (ret < 0 && (*best == 0 || weight(ret) > weight(*best))) {
		*best = ret;
		*err = why;
	}
	return ret;
}

static int
find_device(struct frq_link *link, const char *sysfs, struct frq_err *err)
{
	char devices[128], dir[sizeof(link->dir)];
	unsigned int found = 0;
	struct dirent **e;
	int n, best = 0, ret = -ENODEV;

	if ((size_t)snprintf(devices, sizeof(devices), "%s/bus/pci/devices", sysfs) >=
	    sizeof(devices))
		return explain_too_long(err);
	n = scandir(devices, &e, is_address, by_name);
	for (int i = 0; i < n; i++) {
		bool fits = (size_t)snprintf(dir, sizeof(dir), "%s/%s", devices,
			e[i]->d_name) < sizeof(dir);

		if (fits && ret != 0 && attribute_is(dir, "vendor", FRQ_PCI_VENDOR) &&
		    attribute_is(dir, "device", FRQ_PCI_DEVICE)) {
			found++;
			ret = try_device(&link->region, dir, sysfs, &best, err);
			if (ret == 0) {
				(void)snprintf(link->name, sizeof(link->name), "%.63s",
					e[i]->d_name);
				memcpy(link->dir, dir, sizeof(dir));
			}
		}
		free(e[i]);
	}
	if (n >= 0)
		free(e);
	if (ret == 0)
		return 0;
	if (found == 0) {
		frq_err_set(err, "no ivshmem device (PCI %04x:%04x) in this VM: it needs a "
			"<shmem> element in its libvirt XML", FRQ_PCI_VENDOR, FRQ_PCI_DEVICE);
		return -ENODEV;
	}
	if (weight(best) == 0) {
		frq_err_set(err, "%u ivshmem device%s, none with freqring's magic: is freqringd "
			"running on the host and does it admit this VM?", found,
			found == 1 ? "" : "s");
		return -ENOENT;
	}
	return best;
}

/* The file behind a region, on the host itself. It is never made here. */
static int
map_file(struct frq_region *r, const char *path, struct frq_err *err)
{
	struct stat st;
	void *base;
	int fd, ret;

	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		ret = errno == ENOENT ? -ENODEV : -errno;
		frq_err_set(err, "%.128s: cannot be opened: %s%s", path, strerror(errno),
			errno == ELOOP ? " (a symbolic link)" : "");
		return ret;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != FRQ_REGION_SIZE) {
		frq_err_set(err, "%.128s: not a file of %" PRIu64 " bytes, so not a region's",
			path, FRQ_REGION_SIZE);
		ret = -EINVAL;
		goto fail;
	}
	base = mmap(NULL, FRQ_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		ret = -errno;
		frq_err_set(err, "%.128s: cannot be mapped: %s", path, strerror(errno));
		goto fail;
	}
	r->base = base;
	r->fd = fd;
	return 0;
fail:
	(void)close(fd);
	return ret;
}

/* The last component of a path, or its end where that is too long. */
static void
name_of_path(const char *path, char name[64])
{
	size_t end = strlen(path), start;

	while (end > 1 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (end - start > 63)
		start = end - 63;
	(void)snprintf(name, 64, "%.*s", (int)(end - start), path + start);
}

int
frq_device_open(struct frq_link *link, const char *device, const char *sysfs,
	struct frq_err *err)
{
	struct frq_region *r = &link->region;
	struct stat st;
	int ret;

	link->dir[0] = '\0';
	if (device == NULL)
		return find_device(link, sysfs, err);
	name_of_path(device, link->name);
	if (stat(device, &st) == 0 && S_ISDIR(st.st_mode)) {
		if ((size_t)snprintf(link->dir, sizeof(link->dir), "%s", device) >=
		    sizeof(link->dir))
			return explain_too_long(err);
		ret = map_device(r, device, sysfs, err);
	} else {
		ret = map_file(r, device, err);
	}
	return ret < 0 ? ret : check_device(r, err);
}
