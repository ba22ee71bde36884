/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcpu.c - libvirt's number of a CPU
 *
 * Linux numbers CPUs in the order they came up. The firmware's MADT lists the
 * processors the machine may ever have in the order QEMU, and libvirt with
 * it, numbers them. The APIC id ties the two together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "freqring_pvt.h"

#define FILE_MAX	(4u << 20)

/* Layout by the ACPI specification, "Multiple APIC Description Table". */
#define MADT_LENGTH	4u	/* 32 bits */
#define MADT_ENTRIES	44u	/* each begins with a byte of type and one of length */
#define LOCAL_APIC	0u	/* APIC id: byte 3 */
#define LOCAL_APIC_SIZE	8u
#define LOCAL_X2APIC	9u	/* APIC id: 32 bits at 4 */
#define LOCAL_X2APIC_SIZE 16u

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int
frq_madt_position(const uint8_t *table, size_t len, uint32_t apic_id)
{
	int position = 0;
	size_t end;

	if (len < MADT_ENTRIES || memcmp(table, "APIC", 4) != 0)
		return -EPROTO;
	end = le32(table + MADT_LENGTH);
	if (end > len || end < MADT_ENTRIES)
		return -EPROTO;
	for (size_t at = MADT_ENTRIES; at < end;) {
		const uint8_t *e = table + at;
		size_t size;

		if (end - at < 2 || e[1] < 2 || e[1] > end - at)
			return -EPROTO;
		size = e[1];
		/* A disabled entry counts: it is a vCPU not plugged in yet. */
		if (e[0] == LOCAL_APIC && size >= LOCAL_APIC_SIZE) {
			if (e[3] == apic_id)
				return position;
			position++;
		} else if (e[0] == LOCAL_X2APIC && size >= LOCAL_X2APIC_SIZE) {
			if (le32(e + 4) == apic_id)
				return position;
			position++;
		}
		at += size;
	}
	return -ENOENT;
}

/* The number behind "name<blanks>: " when `line` begins with name. */
static bool
field(const char *line, const char *name, unsigned long *value)
{
	size_t n = strlen(name);
	char *end;

	if (strncmp(line, name, n) != 0)
		return false;
	line += n + strspn(line + n, " \t");
	if (*line != ':')
		return false;
	*value = strtoul(line + 1, &end, 10);
	return end != line + 1;
}

int
frq_cpuinfo_apic_id(const char *text, unsigned int cpu, uint32_t *apic_id)
{
	bool ours = false, found = false;
	unsigned long value;

	for (const char *line = text; line != NULL && *line != '\0';) {
		if (field(line, "processor", &value)) {
			if (found)
				break;
			ours = value == cpu;
		} else if (ours && field(line, "initial apicid", &value)) {
			/* The kernel may have renumbered the other one. */
			*apic_id = (uint32_t)value;
			return 0;
		} else if (ours && field(line, "apicid", &value)) {
			*apic_id = (uint32_t)value;
			found = true;
		}
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return found ? 0 : -ENOENT;
}

/* A file of /proc or /sys as a string; NULL where it cannot be read. */
static char *
read_file(const char *path, size_t *len)
{
	size_t size = 4096, used = 0;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	for (;;) {
		char *more = realloc(text, size + 1);
		ssize_t n;

		if (more == NULL)
			break;
		text = more;
		n = read(fd, text + used, size - used);
		if (n < 0)
			break;
		used += (size_t)n;
		if (n == 0 || (used == size && size >= FILE_MAX)) {
			(void)close(fd);
			text[used] = '\0';
			*len = used;
			return text;
		}
		if (used == size)
			size *= 2;
	}
	free(text);
	(void)close(fd);
	return NULL;
}

static bool
cpu_exists(unsigned int cpu, const char *sysfs)
{
	char path[256];

	if ((size_t)snprintf(path, sizeof(path), "%s/devices/system/cpu/cpu%u", sysfs, cpu) >=
	    sizeof(path))
		return false;
	return access(path, F_OK) == 0;
}

int
frq_vcpu_lookup(unsigned int cpu, const char *cpuinfo, const char *madt, const char *sysfs)
{
	int vcpu = (int)cpu, position = -ENOENT;
	char *info, *table;
	uint32_t apic_id;
	size_t len;

	if (cpu > INT16_MAX || !cpu_exists(cpu, sysfs))
		return -EINVAL;
	info = read_file(cpuinfo, &len);
	table = read_file(madt, &len);
	if (info != NULL && table != NULL && frq_cpuinfo_apic_id(info, cpu, &apic_id) == 0)
		position = frq_madt_position((const uint8_t *)table, len, apic_id);
	if (position >= 0)
		vcpu = position;
	free(info);
	free(table);
	return vcpu;
}

FRQ_API int
freqring_vcpu_of_cpu(unsigned int cpu)
{
	return frq_vcpu_lookup(cpu, "/proc/cpuinfo", "/sys/firmware/acpi/tables/APIC", "/sys");
}
