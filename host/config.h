/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - what the operator configured
 *
 * One table of settings (config_setting.c) serves the INI file, the command line and
 * both help texts. Read at the start; a reload changes those settings that the table
 * calls live, which belong to the control thread.
 */
#ifndef FRQ_CONFIG_H
#define FRQ_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arbiter.h"
#include "cpuset.h"

#define CONFIG_DEFAULT_FILE "/etc/freqring/freqringd.conf"
#define CONFIG_MAX_VMS 64u

enum config_backend {
	CONFIG_BACKEND_LIBRTE_POWER,
	CONFIG_BACKEND_SIMULATED,
};

/* When somebody else sets a CPU that the daemon drives. */
enum config_drift {
	CONFIG_DRIFT_YIELD,	/* leave it to them */
	CONFIG_DRIFT_ASSERT,	/* set it again */
};

/* What counts as the wish of a vCPU whose guest cannot be believed any more. */
enum config_failsafe {
	CONFIG_FAILSAFE_MAX,
	CONFIG_FAILSAFE_HOLD,	/* the last that it had */
	CONFIG_FAILSAFE_RELEASE, /* none */
};

/* A section [vm PATTERN], as written; config_rule says what it means. */
struct config_vm {
	char pattern[128];		/* a name, UUID or fnmatch(3) pattern */
	uint32_t min_mhz, max_mhz;	/* 0: none */
	bool turbo;
	int priority;
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
	char group[64];			/* may read from the control socket: freqring */
	char admin_group[64];		/* may change things by it, too; "": nobody */
	char log_level[16];		/* rte_log name: debug info notice warning error */
	/* [power] */
	enum config_drift drift;	/* yield */
	uint32_t write_limit;		/* how often a second a domain is set at most: 1000 */
	enum config_failsafe failsafe;	/* max: lost packets cost more than watts */
	/* [libvirt] */
	char uri[256];			/* qemu:///system */
	/* [shm] */
	char shm_dir[256];		/* /dev/shm */
	char shm_group[64];		/* of the region files; "": QEMU's, see config_check.c */
	char qemu_user[64];		/* owner accepted beside root; "": QEMU's */
	/* [vms] */
	char allow[1024];		/* comma-separated names, UUIDs or fnmatch(3) patterns: * */
	uint32_t rate_limit;		/* requests a second and VM, 0: none */
	/* [serial] */
	char serial_dir[256];		/* where DPDK's host looks: /tmp/powermonitor; "": nowhere */
	bool serial_physical;		/* a packet may name a CPU of the host: no */
	/* [vhost] */
	char vhost_dir[80];		/* of sockets, for freqring attach: /run/freqring/vhost */
	/* [vm PATTERN], in the order of the file */
	struct config_vm vm[CONFIG_MAX_VMS];
	unsigned int nb_vms;
	/* the command line alone */
	bool restore;			/* put back what a killed freqringd left, and end */
	bool from_file;			/* there was a file */
};

/**
 * Defaults, then the file, then the command line, then a check of what is
 * there against the machine (CPUs online, allowed by this process' affinity);
 * to restore needs none, and leaves the CPUs as they were given.
 *
 * @return 0: go on; 1: help or version was printed, exit 0; -1: a message
 *	that quotes the line or the word at fault was printed, exit 2
 */
int config_load(struct config *c, int argc, char **argv);

/**
 * The same without a word printed and without the check: for a reload, which
 * looks only at what was given. *err says what is wrong with it.
 */
bool config_read(struct config *c, int argc, char **argv, struct frq_err *err);

/** Whether the allow-list names this VM. */
bool config_allows(const struct config *c, const char *name, const char *uuid);

/** What the first section [vm PATTERN] that matches this VM allows it. */
struct vote_rule config_rule(const struct config *c, const char *name, const char *uuid);

#endif /* FRQ_CONFIG_H */
