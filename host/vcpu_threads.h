/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcpu_threads.h - where the threads behind vCPUs may run, as the kernel says
 *
 * libvirt knows what it pinned. taskset, a cgroup, or a CPU that goes offline
 * move a thread without libvirt's doing, and without an event. QEMU names its
 * threads "CPU N/KVM" or "CPU N/TCG" (QEMU 7.2, accel/kvm and accel/tcg, with
 * debug-threads=on, which libvirt sets).
 *
 * Any thread, each with its own struct.
 */
#ifndef FRQ_VCPU_THREADS_H
#define FRQ_VCPU_THREADS_H

#include <sys/types.h>

#include "cpuset.h"
#include "freqring_abi.h"

struct vcpu_threads {
	pid_t pid;			/* of QEMU; 0: nothing is known */
	pid_t tid[FRQ_MAX_CHANNELS];	/* 0: none was found */
};

/**
 * Look for the threads of a process.
 *
 * @param pid  of QEMU, or 0
 */
void vcpu_threads_find(struct vcpu_threads *t, pid_t pid);

/**
 * Where a vCPU's thread may run now.
 *
 * @return whether it was found, and still is a thread of that process
 */
bool vcpu_threads_affinity(const struct vcpu_threads *t, unsigned int vcpu, struct cpuset *cpus);

/** The vCPU's number in a thread's name ("CPU 3/KVM"), or -1. For tests, too. */
int vcpu_of_thread_name(const char *name);

#endif /* FRQ_VCPU_THREADS_H */
