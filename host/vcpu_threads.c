/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1	/* CPU_ALLOC */
#include "vcpu_threads.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Threads of QEMU: a vCPU each, and some tens. */
#define MAX_THREADS 4096
/* The kernel refuses a mask that is shorter than its own (8192 is its most on x86). */
#define KERNEL_CPUS 8192

int
vcpu_of_thread_name(const char *name)
{
	static const char prefix[] = "CPU ";
	unsigned int n = 0;

	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return -1;
	name += sizeof(prefix) - 1;
	if (!isdigit((unsigned char)*name))
		return -1;
	for (; isdigit((unsigned char)*name); name++) {
		n = n * 10 + (unsigned int)(*name - '0');
		if (n >= FRQ_MAX_CHANNELS)
			return -1;
	}
	return *name == '/' ? (int)n : -1;
}

static int
vcpu_of_thread(int folder, const char *tid)
{
	char path[32], name[32];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%.16s/comm", tid);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, name, sizeof(name) - 1);
	(void)close(fd);
	if (n <= 0)
		return -1;
	name[n] = '\0';
	return vcpu_of_thread_name(name);
}

void
vcpu_threads_find(struct vcpu_threads *t, pid_t pid)
{
	struct dirent *entry;
	char path[32];
	DIR *folder;

	memset(t, 0, sizeof(*t));
	if (pid == 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	folder = opendir(path);
	if (folder == NULL)
		return;
	t->pid = pid;
	for (unsigned int i = 0; i < MAX_THREADS && (entry = readdir(folder)) != NULL; i++) {
		int vcpu = isdigit((unsigned char)entry->d_name[0]) ?
			vcpu_of_thread(dirfd(folder), entry->d_name) : -1;

		if (vcpu >= 0)
			t->tid[vcpu] = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	(void)closedir(folder);
}

bool
vcpu_threads_affinity(const struct vcpu_threads *t, unsigned int vcpu, struct cpuset *cpus)
{
	size_t size = CPU_ALLOC_SIZE(KERNEL_CPUS);
	cpu_set_t *mask;
	bool ok;

	memset(cpus, 0, sizeof(*cpus));
	if (t->pid == 0 || t->tid[vcpu] == 0)
		return false;
	mask = CPU_ALLOC(KERNEL_CPUS);
	if (mask == NULL)
		return false;
	CPU_ZERO_S(size, mask);
	ok = sched_getaffinity(t->tid[vcpu], size, mask) == 0 &&
		/* The number may be another process's thread by now. */
		(tgkill(t->pid, t->tid[vcpu], 0) == 0 || errno == EPERM);
	for (unsigned int cpu = 0; ok && cpu < FRQ_MAX_CPUS; cpu++)
		if (CPU_ISSET_S(cpu, size, mask))
			cpuset_add(cpus, cpu);
	CPU_FREE(mask);
	return ok && !cpuset_empty(cpus);
}
