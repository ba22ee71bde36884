/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor.h - what the checks of `freqring doctor` share
 *
 * A check is a function and a row in the table of cmd_doctor.c: it looks at one
 * subject and says what it saw, a line for each thing, nothing where there is
 * nothing to say. Nothing here changes the machine, and nothing waits longer than
 * a few seconds: what may hang is asked in a process of its own (doctor_child.h).
 *
 * For tests: the environment's FREQRING_DOCTOR_ROOT is put before each path that
 * is read below /sys, /proc, /dev, /etc, /run and /usr/lib. The socket and libvirt
 * are as named.
 */
#ifndef FRQ_DOCTOR_H
#define FRQ_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define DOCTOR_PATH 512
#define DOCTOR_LIST 128	/* room for a list of CPUs, for people */

enum doctor_grade {
	DOCTOR_PASS,	/* in order, or only to be known */
	DOCTOR_WARN,	/* works, but not as it could, or it could not be looked at */
	DOCTOR_FAIL,	/* something does not work */
};

struct doctor {
	const char *root;
	const char *socket;
	char file[DOCTOR_PATH];	/* of the configuration */
	int config_ret;		/* 0; -ERANGE: not for the CPUs of this machine; another
				 * negative errno: the defaults are looked at ... */
	struct frq_err config_err;	/* ... and a sentence */
	struct config config;
	json_t *status;		/* the daemon's, or NULL ... */
	struct frq_err status_err;	/* ... for this reason */
	json_t *libvirt;	/* see doctor_virt.h */
	struct cpuset online;
	struct cpuset managed;	/* the daemon's, else the configured ones, else all online */
	int poller_cpu;		/* likewise */
	/* What was said: [{name, status, text, mend}] */
	json_t *checks;
	const char *check;	/* the one that runs */
	enum doctor_grade worst;
};

const char *doctor_grade_name(enum doctor_grade grade);

/* ---- saying --------------------------------------------------------------------- */

/** A line of the check that runs: what was seen. Made fit for a terminal. */
void doctor_say(struct doctor *d, enum doctor_grade grade, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** How to mend what was said last. */
void doctor_mend(struct doctor *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** FAIL; only WARN where the backend sets no frequency anyhow. */
enum doctor_grade doctor_fail_if_real(const struct doctor *d);

/** The backend of the daemon that runs, else of the configuration. */
bool doctor_is_simulated(const struct doctor *d);

/* ---- reading -------------------------------------------------------------------- */

/** The path below the root, cut to size; returns `path`. */
char *doctor_path(const struct doctor *d, char path[DOCTOR_PATH], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * Read the begin of a file, without white space at its end.
 *
 * @param[out] text  "" where it cannot be read
 * @return 0 or a negative errno
 */
int doctor_read(const struct doctor *d, char *text, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** A list of CPUs with commas or blanks; an empty set where there is none. */
void doctor_read_cpus(const struct doctor *d, struct cpuset *cpus, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** "CPU 3" or "CPUs 0-2,4", cut to size; returns `text`. */
const char *doctor_cpus(const struct cpuset *cpus, char text[DOCTOR_LIST]);

bool doctor_exists(const struct doctor *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- the checks ----------------------------------------------------------------- */

void doctor_check_driver(struct doctor *d);
void doctor_check_governor(struct doctor *d);
void doctor_check_turbo(struct doctor *d);
void doctor_check_domains(struct doctor *d);
void doctor_check_poller_cpu(struct doctor *d);
void doctor_check_rivals(struct doctor *d);
void doctor_check_shm(struct doctor *d);
void doctor_check_regions(struct doctor *d);
void doctor_check_vhost(struct doctor *d);
void doctor_check_apparmor(struct doctor *d);
void doctor_check_selinux(struct doctor *d);
void doctor_check_libvirt(struct doctor *d);
void doctor_check_hook(struct doctor *d);
void doctor_check_vms(struct doctor *d);
void doctor_check_config(struct doctor *d);
void doctor_check_daemon(struct doctor *d);
void doctor_check_unit(struct doctor *d);
void doctor_check_served(struct doctor *d);
void doctor_check_kvm(struct doctor *d);

#endif /* FRQ_DOCTOR_H */
