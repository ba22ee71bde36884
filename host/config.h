/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - what the operator configured
 *
 * One table of settings (config_setting.c) serves the INI file, the command line and
 * both help texts. Read once at start, constant afterwards.
 */
#ifndef FRQ_CONFIG_H
#define FRQ_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cpuset.h"

#define CONFIG_DEFAULT_FILE "/etc/freqring/freqringd.conf"

enum config_backend {
	CONFIG_BACKEND_LIBRTE_POWER,
	CONFIG_BACKEND_SIMULATED,
};

struct config {
	/* [daemon] */
	enum config_backend backend;	/* librte_power */
	int poller_cpu;			/* the highest one online */
	int applier_cpu;		/* the same: they share it */
	struct cpuset control_cpus;	/* empty: every online CPU but the poller's */
	struct cpuset managed_cpus;	/* empty: every online CPU */
	char socket[256];		/* /run/freqring/control.sock */
	char state_dir[256];		/* /run/freqring */
	char group[64];			/* may talk to the control socket: freqring */
	char log_level[16];		/* rte_log name: debug info notice warning error */
	/* [libvirt] */
	char uri[256];			/* qemu:///system */
	/* [shm] */
	char shm_dir[256];		/* /dev/shm */
	char shm_group[64];		/* of the region files; "": QEMU's, see config_check.c */
	char qemu_user[64];		/* owner accepted beside root; "": QEMU's */
	/* [vms] */
	char allow[1024];		/* comma-separated names, UUIDs or fnmatch(3) patterns: * */
	uint32_t rate_limit;		/* requests a second and VM, 0: none */
};

/**
 * Defaults, then the file, then the command line, then a check of what is
 * there against the machine (CPUs online, allowed by this process' affinity).
 *
 * @return 0: go on; 1: help or version was printed, exit 0; -1: a message
 *	that quotes the line or the word at fault was printed, exit 2
 */
int config_load(struct config *c, int argc, char **argv);

/** Whether the allow-list names this VM. */
bool config_allows(const struct config *c, const char *name, const char *uuid);

#endif /* FRQ_CONFIG_H */
