/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port.c - find this VM's virtio-serial ports
 *
 * The kernel knows a port by its controller and number (vport0p1); its name is
 * an attribute in sysfs. udev makes links by name, where there is udev.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "freqring_pvt.h"

#define NAME_SIZE (sizeof(FRQ_SERIAL_PORT_PREFIX) + 8)

/* The vCPU of a port by its name, or -1: it is for something else. */
static int
vcpu_of_name(const char *name)
{
	const size_t n = strlen(FRQ_SERIAL_PORT_PREFIX);
	unsigned long vcpu;
	char *end;

	if (strncmp(name, FRQ_SERIAL_PORT_PREFIX, n) != 0 || name[n] < '0' || name[n] > '9' ||
	    (name[n] == '0' && name[n + 1] != '\0'))
		return -1;
	vcpu = strtoul(name + n, &end, 10);
	return *end == '\0' && vcpu < FRQ_SERIAL_MAX_PORTS ? (int)vcpu : -1;
}

static int
vcpu_of_port(const char *sysfs, const char *port)
{
	char path[512], name[NAME_SIZE];
	ssize_t n;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/class/virtio-ports/%s/name", sysfs, port) >=
	    sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, name, sizeof(name) - 1);
	(void)close(fd);
	if (n < 0)
		return -1;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return vcpu_of_name(name);
}

/* Ports of ours, until `want` is found, whose node's name is then in *node. */
static uint64_t
walk(const char *sysfs, int want, char node[64])
{
	char path[256];
	uint64_t ports = 0;
	struct dirent *e;
	DIR *dir;

	if ((size_t)snprintf(path, sizeof(path), "%s/class/virtio-ports", sysfs) >= sizeof(path))
		return 0;
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL) {
		int vcpu = e->d_name[0] == '.' ? -1 : vcpu_of_port(sysfs, e->d_name);

		if (vcpu < 0)
			continue;
		ports |= UINT64_C(1) << vcpu;
		if (vcpu == want) {
			(void)snprintf(node, 64, "%.63s", e->d_name);
			break;
		}
	}
	(void)closedir(dir);
	return ports;
}

uint64_t
frq_port_list(const struct frq_places *places)
{
	char node[64];

	return walk(places->sysfs, -1, node);
}

int
frq_port_path(const struct frq_places *places, unsigned int vcpu, char *path, size_t size)
{
	char node[64] = "";

	(void)walk(places->sysfs, (int)vcpu, node);
	if (*node != '\0' && (size_t)snprintf(path, size, "%s/%s", places->dev, node) < size)
		return 0;
	/* A container may have the nodes and not the class. */
	if ((size_t)snprintf(path, size, "%s/virtio-ports/%s%u", places->dev,
	    FRQ_SERIAL_PORT_PREFIX, vcpu) < size && access(path, F_OK) == 0)
		return 0;
	return -ENOENT;
}
