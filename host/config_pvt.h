/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_pvt.h - the parts that config_load is made of
 *
 * For host/config*.c, their unit tests and fuzz targets. Nothing here prints;
 * a failure is a sentence in *err that says where in the input it is, but not
 * in which file. Plain functions of their arguments, but for config_machine_read
 * and config_check_users, which ask the machine.
 */
#ifndef FRQ_CONFIG_PVT_H
#define FRQ_CONFIG_PVT_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define CONFIG_MAX_FILE (64u * 1024)
#define CONFIG_DEFAULT_GROUP "freqring"

enum config_kind {
	CONFIG_CHOICE,	/* enum: index into choices */
	CONFIG_WORD,	/* char[]: one of choices */
	CONFIG_CPU,	/* int; "auto" is -1 */
	CONFIG_CPUS,	/* struct cpuset; "auto" is the empty set */
	CONFIG_PATH,	/* char[]: absolute */
	CONFIG_TEXT,	/* char[] */
	CONFIG_LIST,	/* char[], may go on in indented lines */
	CONFIG_COUNT,	/* uint32_t: min to max */
	CONFIG_INT,	/* int: min to max */
	CONFIG_BOOL,	/* bool: yes or no */
};

/* One row for each member of struct config and of struct config_vm. */
struct config_setting {
	const char *section;	/* its first word */
	const char *key;
	const char *option;	/* --option; NULL: in the file only */
	int short_option;	/* -o, or 0 */
	enum config_kind kind;
	size_t offset;
	size_t size;		/* room for text, the closing zero included */
	int64_t min, max;	/* of a number */
	const char *const *choices;	/* ends with NULL */
	const char *def;
	const char *arg;	/* what help calls the value */
	const char *help;
	bool live;		/* a reload puts it in force; others need a restart */
};

/* Those of struct config, then those of struct config_vm, which are no options. */
#define CONFIG_NB_SETTINGS 22u
#define CONFIG_NB_VM_SETTINGS 4u
#define CONFIG_NB_ROWS (CONFIG_NB_SETTINGS + CONFIG_NB_VM_SETTINGS)
#define CONFIG_VM_SECTION "vm"
extern const struct config_setting config_settings[CONFIG_NB_ROWS];

/** The setting, or NULL. */
const struct config_setting *config_find(const char *section, const char *key);

/**
 * Take `text` as the value.
 *
 * @param base  the struct of which the setting is a member; as it was on failure
 * @return whether it can be one; if not, *err says what is expected
 */
bool config_set(void *base, const struct config_setting *s, const char *text,
	struct frq_err *err);

void config_defaults(struct config *c);

/**
 * Begin a section [vm PATTERN], with its defaults.
 *
 * @return it, or NULL and what is wrong with the pattern in *err
 */
struct config_vm *config_add_vm(struct config *c, const char *pattern, struct frq_err *err);

/**
 * Take an INI file's text.
 *
 * @param text  `len` bytes, need not end with a zero
 * @return 0, or the number of the line at fault; then `c` is of no use
 */
unsigned int config_parse_buffer(struct config *c, const char *text, size_t len,
	struct frq_err *err);

/**
 * Read and take an INI file; *err starts with its name.
 *
 * @return 0; -ENOENT, -EINVAL, or the errno of a call that failed
 */
int config_parse_file(struct config *c, const char *path, struct frq_err *err);

/* What the command line asks for beside settings. */
struct config_args {
	const char *file;	/* NULL: the default one */
	bool help, version, restore;
};

/**
 * Walk the command line.
 *
 * @param c  takes the settings; NULL: only look at what goes to `args`
 */
bool config_parse_args(struct config *c, struct config_args *args, int argc, char **argv,
	struct frq_err *err);

/* Prints to stdout. */
void config_print_help(void);

/* What a configuration is checked against. */
struct config_machine {
	struct cpuset online;
	struct cpuset present;
	struct cpuset affinity;	/* where this process may run */
};

int config_machine_read(struct config_machine *m, struct frq_err *err);

/**
 * Check the CPUs against the machine, and fill in those left to the daemon:
 * afterwards poller_cpu and applier_cpu are CPUs (the same one when they
 * share) and neither set is empty.
 */
bool config_check_cpus(struct config *c, const struct config_machine *m, struct frq_err *err);

/** Check users and groups, and fill in those that were left to the daemon. */
bool config_check_users(struct config *c, struct frq_err *err);

#endif /* FRQ_CONFIG_PVT_H */
