/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qemu_process.h - the QEMU process behind a domain, by what /proc says
 *
 * libvirt's API does not tell a process number. Any user may start a program
 * with any command line, so what is found is a hint: whether it is the VM
 * whose region we opened is for qemu_maps_inode() to say.
 *
 * Reads are bounded; any thread may call.
 */
#ifndef FRQ_QEMU_PROCESS_H
#define FRQ_QEMU_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct qemu_process {
	pid_t pid;		/* 0: none */
	uint64_t start;		/* in clock ticks since boot: tells a reused pid apart */
};

/**
 * Find the QEMU process with "-uuid", `uuid` on its command line.
 *
 * @param p  what was found the last time, looked at first; {0} at first.
 *	Where nothing is found it becomes {0}.
 * @param user  that it has to run as; (uid_t)-1: any
 */
void qemu_process_find(struct qemu_process *p, const char *uuid, uid_t user);

/** When a process started, in clock ticks since boot; 0: there is none. */
uint64_t qemu_start_time(pid_t pid);

/**
 * Has the process mapped that file?
 *
 * @return 1 yes, 0 no, or a negative errno where that cannot be known
 */
int qemu_maps_inode(pid_t pid, dev_t dev, ino_t ino);

/* ---- the parsers, for tests ---------------------------------------------- */

/** Is it QEMU's command line (NUL after each argument) for that domain? */
bool qemu_cmdline_matches(const char *cmdline, size_t len, const char *uuid);

/** The start time in the text of /proc/PID/stat, 0 where there is none. */
uint64_t qemu_stat_start_time(const char *text);

/** Is this line of /proc/PID/maps a mapping of that file? */
bool qemu_maps_line_matches(const char *line, dev_t dev, ino_t ino);

#endif /* FRQ_QEMU_PROCESS_H */
