/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.c - the order in which the sources of the configuration are taken
 */
#define _GNU_SOURCE 1	/* FNM_CASEFOLD */
#include "config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "config_pvt.h"

static bool
take_file(struct config *c, const char *given, struct frq_err *err)
{
	int ret = config_parse_file(c, given != NULL ? given : CONFIG_DEFAULT_FILE, err);

	c->from_file = ret == 0;
	/* The defaults do; but a file that somebody names has to be there. */
	return ret == 0 || (ret == -ENOENT && given == NULL);
}

static bool
check(struct config *c, struct frq_err *err)
{
	struct config_machine m;

	return config_machine_read(&m, err) == 0 && config_check_cpus(c, &m, err) &&
		config_check_users(c, err);
}

bool
config_read(struct config *c, int argc, char **argv, struct frq_err *err)
{
	struct config_args args;

	config_defaults(c);
	if (!config_parse_args(NULL, &args, argc, argv, err) ||
	    !take_file(c, args.file, err) || !config_parse_args(c, &args, argc, argv, err))
		return false;
	c->restore = args.restore;
	return true;
}

int
config_load(struct config *c, int argc, char **argv)
{
	struct config_args args;
	struct frq_err err;

	if (!config_parse_args(NULL, &args, argc, argv, &err))
		goto fail;
	if (args.help) {
		config_print_help();
		return 1;
	}
	if (args.version) {
		printf("freqringd %s\n", FREQRING_VERSION);
		return 1;
	}
	if (!config_read(c, argc, argv, &err))
		goto fail;
	/* CPUs that a dead daemon took may be offline by now. */
	if (!c->restore && !check(c, &err))
		goto fail;
	return 0;

fail:
	fprintf(stderr, "freqringd: %s\n", err.text);
	return -1;
}

static bool
matches(const char *pattern, const char *name, const char *uuid)
{
	return fnmatch(pattern, name, 0) == 0 || fnmatch(pattern, uuid, FNM_CASEFOLD) == 0;
}

bool
config_allows(const struct config *c, const char *name, const char *uuid)
{
	static const char space[] = " \t";
	char list[sizeof(c->allow)];
	char *rest = list, *part;

	memcpy(list, c->allow, sizeof(list));
	while ((part = strsep(&rest, ",")) != NULL) {
		size_t len;

		part += strspn(part, space);
		for (len = strlen(part); len > 0 && strchr(space, part[len - 1]) != NULL; len--)
			part[len - 1] = '\0';
		if (len > 0 && matches(part, name, uuid))
			return true;
	}
	return false;
}

struct vote_rule
config_rule(const struct config *c, const char *name, const char *uuid)
{
	struct vote_rule rule = VOTE_RULE_NONE;

	for (unsigned int i = 0; i < c->nb_vms; i++) {
		const struct config_vm *vm = &c->vm[i];

		if (!matches(vm->pattern, name, uuid))
			continue;
		rule.min_khz = vm->min_mhz * 1000;
		if (vm->max_mhz != 0)
			rule.max_khz = vm->max_mhz * 1000;
		rule.turbo = vm->turbo;
		rule.priority = vm->priority;
		break;
	}
	return rule;
}
