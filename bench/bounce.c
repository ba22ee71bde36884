/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bounce.c - round trips between a guest and its host, without freqring
 *
 * The host's side makes a file, or takes the one that QEMU has made, and the
 * guest's side finds it behind an ivshmem device by its magic, so a region
 * that is in use is never touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "echo_report.h"
#include "pace.h"
#include "thread.h"

#define SECONDS_MAX (7u * 24 * 3600)

/* ---- the host's side ------------------------------------------------------ */

/* A region's magic says that a VM and a daemon may be using it. */
static bool
is_region(const struct frq_region *r)
{
	return frq_load64(&frq_region_header(r)->magic) == FRQ_MAGIC;
}

enum bench_status
cmd_bounce_host(struct bench *b, int argc, char **argv)
{
	const struct frq_region_file who = { .owner = geteuid(), .group = (gid_t)-1 };
	struct frq_region r = FRQ_REGION_NONE;
	unsigned int cpu = 0, seconds = 0;
	uint64_t until = UINT64_MAX;
	struct frq_err err;
	bool made, pin = false;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu, .given = &pin },
		{ 't', 1, SECONDS_MAX, .number = &seconds },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc - optind != 1)
		return BENCH_USAGE;
	if (pin && !thread_pin(cpu))
		return BENCH_FAILED;
	if (frq_region_open(&r, argv[optind], &who, &made, &err) < 0) {
		bench_error("%s", err.text);
		return BENCH_FAILED;
	}
	if (is_region(&r)) {
		bench_error("%s: is a freqring region; give the test a file of its own",
			argv[optind]);
		frq_region_close(&r);
		return BENCH_FAILED;
	}
	if (seconds != 0)
		until = tsc_read() + (uint64_t)(seconds * 1e9 / b->tsc.ns_per_tick);
	echo_prepare(&r);
	echo_serve(&r, until);
	frq_region_close(&r);
	return BENCH_OK;
}

/* ---- the guest's side ----------------------------------------------------- */

static int
map_file(struct frq_region *r, const char *path)
{
	struct stat st;
	void *base;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < FRQ_REGION_SIZE) {
		(void)close(fd);
		return -EINVAL;
	}
	base = mmap(NULL, FRQ_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		(void)close(fd);
		return -ENOMEM;
	}
	*r = (struct frq_region){ .base = base, .fd = fd };
	return 0;
}

/* A device's folder, or a file: both as they are, for they were named. */
static bool
map_named(struct frq_region *r, const char *device)
{
	char path[512];
	struct stat st;
	int ret;

	if (strchr(device, '/') == NULL)
		(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", device);
	else if (stat(device, &st) == 0 && S_ISDIR(st.st_mode))
		(void)snprintf(path, sizeof(path), "%s/resource2", device);
	else
		(void)snprintf(path, sizeof(path), "%s", device);
	ret = map_file(r, path);
	if (ret < 0) {
		bench_error("%s: cannot be mapped: %s", path, strerror(-ret));
		return false;
	}
	if (echo_is_prepared(r))
		return true;
	bench_error("%s: bounce-host is not running on it", path);
	frq_region_close(r);
	return false;
}

static bool
attribute_is(const char *dir, const char *name, unsigned int value)
{
	unsigned int found = 0;
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fscanf(f, "%x", &found) != 1)
		found = 0;
	(void)fclose(f);
	return found == value;
}

/* The ivshmem device that holds the test's magic. */
static bool
map_found(struct frq_region *r)
{
	bool found = false;
	char path[512];
	glob_t g;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &g) != 0)
		g.gl_pathc = 0;
	for (size_t i = 0; !found && i < g.gl_pathc; i++) {
		(void)snprintf(path, sizeof(path), "%s/resource2", g.gl_pathv[i]);
		if (!attribute_is(g.gl_pathv[i], "vendor", FRQ_PCI_VENDOR) ||
		    !attribute_is(g.gl_pathv[i], "device", FRQ_PCI_DEVICE) ||
		    map_file(r, path) < 0)
			continue;
		found = echo_is_prepared(r);
		if (!found)
			frq_region_close(r);
	}
	globfree(&g);
	if (!found)
		bench_error("no ivshmem device with bounce-host on its other side");
	return found;
}

enum bench_status
cmd_bounce_guest(struct bench *b, int argc, char **argv)
{
	struct frq_region r = FRQ_REGION_NONE;
	const char *device = NULL;
	unsigned int n = ECHO_SAMPLES, rate = 0;
	enum bench_status status;
	bool all = false;
	const struct bench_option options[] = {
		{ 'a', .given = &all },
		{ 'd', .text = &device },
		{ 'r', 1, PACE_RATE_MAX, .number = &rate },
		{ 'n', 1, ECHO_SAMPLES_MAX, .number = &n },
		{ .name = 0 }
	};

	if (!bench_options(b, argc, argv, options) || argc != optind)
		return BENCH_USAGE;
	if (device != NULL ? !map_named(&r, device) : !map_found(&r))
		return BENCH_FAILED;
	status = echo_run(b, &r, "bounce_rtt", all, rate, n);
	frq_region_close(&r);
	return status;
}
