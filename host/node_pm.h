/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node_pm.h - which ways to sleep this host has, and whether they work
 *
 * libvirt asks logind once, when it is started, and says yes; when it is to be
 * done it runs a tool of pm-utils, ten seconds later, and tells nobody when
 * that is not there or fails. So its word is compared with what the kernel,
 * logind and the file system say.
 *
 * node_pm_judge is a pure function; node_pm_look gathers what it needs, on any
 * thread that may wait.
 */
#ifndef FRQ_NODE_PM_H
#define FRQ_NODE_PM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include <libvirt/libvirt.h>

#include "domain_pm.h"

/* libvirt refuses less, and runs the tool that much later (src/util/virnodesuspend.c there). */
#define NODE_SUSPEND_MIN_S	60u
#define NODE_SUSPEND_DELAY_S	10u

enum node_answer {
	NODE_UNKNOWN,
	NODE_NO,
	NODE_YES,
};

/* As org.freedesktop.login1 has them. */
enum logind_answer {
	LOGIND_UNKNOWN,		/* not there, or no answer */
	LOGIND_YES,
	LOGIND_CHALLENGE,	/* to who says a password */
	LOGIND_NO,
	LOGIND_NA,		/* not available */
};

/* What was seen; text of files without the newline, "": could not be read. */
struct node_pm_seen {
	enum node_answer libvirt[PM_TARGET_COUNT];
	char libvirt_error[160];	/* why it is not known; "" */
	enum logind_answer logind[PM_TARGET_COUNT];
	char logind_error[120];
	char state[64];		/* /sys/power/state: "freeze mem disk" */
	char mem_sleep[64];	/* /sys/power/mem_sleep: "s2idle [deep]" */
	char disk[96];		/* /sys/power/disk: "[platform] shutdown reboot suspend" */
	char resume[32];	/* /sys/power/resume: "8:3", "0:0": none */
	bool swap_known;
	uint64_t swap_kib;	/* active in all */
	bool tool[PM_TARGET_COUNT];	/* what libvirt runs is there */
	bool rtcwake;			/* likewise */
	bool alarm;		/* a clock that can wake the machine */
	bool local;		/* libvirt is that of this host */
	bool container;		/* this is no machine of its own */
};

enum node_verdict {
	NODE_PM_UNKNOWN,
	NODE_PM_NO,
	NODE_PM_YES,
	NODE_PM_BROKEN,		/* libvirt says yes, and it will not work */
	NODE_PM_VERDICT_COUNT,
};

struct node_judgement {
	enum node_verdict verdict;
	char why[240];		/* a sentence; "" where there is nothing to say */
};

struct node_judgement node_pm_judge(const struct node_pm_seen *s, enum pm_target target);

/** "yes", "no", "unknown", "broken" */
const char *node_verdict_name(enum node_verdict verdict);

/** The tool that libvirt runs. */
const char *node_pm_tool(enum pm_target target);

/** Whether a list of words, one of them perhaps in brackets, has that word. */
bool node_pm_has_word(const char *words, const char *word);

/** Whether two names are one host's, whatever domain they are given with, if any. */
bool node_pm_same_host(const char *a, const char *b);

/** Look at everything. @param conn  of libvirt, or NULL: it cannot be reached, see *err */
void node_pm_look(virConnectPtr conn, const struct frq_err *err, struct node_pm_seen *s);

/**
 * {"mem" | "disk" | "hybrid": {"verdict", "why", "libvirt", "logind", "tool"},
 * "kernel": {"state", "mem_sleep", "disk", "resume"}, "swap_kib": -1: not known,
 * "rtcwake", "alarm", "libvirt_error", "logind_error"}
 */
json_t *node_pm_json(const struct node_pm_seen *s);

#endif /* FRQ_NODE_PM_H */
