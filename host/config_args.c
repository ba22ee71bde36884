/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_args.c - the daemon's command line, and its help
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config_pvt.h"
#include "suggest.h"

/* Values of getopt_long() beyond any character. */
enum {
	OPTION_RESTORE = 256,
	OPTION_SETTING,		/* and one more for each setting */
};

static const struct {
	const char *option;
	int short_option;	/* -o, or 0 */
	int val;		/* of getopt_long() */
	const char *arg;	/* NULL: takes none */
	const char *help;
} commands[] = {
	{ "config", 'c', 'c', "FILE", "read FILE, not " CONFIG_DEFAULT_FILE },
	{ "restore", 0, OPTION_RESTORE, NULL, "put back what a killed freqringd left, and end" },
	{ "help", 'h', 'h', NULL, "print this and exit" },
	{ "version", 'V', 'V', NULL, "print the version and exit" },
};
#define NB_COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct getopt_tables {
	struct option longs[NB_COMMANDS + CONFIG_NB_SETTINGS + 1];
	char shorts[2 * (NB_COMMANDS + CONFIG_NB_SETTINGS) + 2];
};

static void
add_option(struct getopt_tables *t, unsigned int *n, const char *name, int short_option,
	bool has_arg, int val)
{
	t->longs[(*n)++] = (struct option){
		.name = name,
		.has_arg = has_arg ? required_argument : no_argument,
		.val = val,
	};
	if (short_option != 0) {
		size_t len = strlen(t->shorts);

		t->shorts[len] = (char)short_option;
		t->shorts[len + 1] = has_arg ? ':' : '\0';
	}
}

static void
make_tables(struct getopt_tables *t)
{
	unsigned int n = 0;

	memset(t, 0, sizeof(*t));
	/* A missing value is then ':' and not '?'. */
	t->shorts[0] = ':';
	for (unsigned int i = 0; i < NB_COMMANDS; i++)
		add_option(t, &n, commands[i].option, commands[i].short_option,
			commands[i].arg != NULL, commands[i].val);
	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++)
		add_option(t, &n, config_settings[i].option, config_settings[i].short_option,
			true, OPTION_SETTING + (int)i);
}

static void
explain_unknown(const struct getopt_tables *t, const char *word, struct frq_err *err)
{
	char name[64];
	struct suggest s = SUGGEST_INIT(name);

	for (const struct option *o = t->longs; o->name != NULL; o++) {
		/* A known option, long or short, is only at fault for its value. */
		if (optopt != 0 && o->val == optopt) {
			frq_err_set(err, "%.60s: --%s takes no value", word, o->name);
			return;
		}
	}
	if (optopt != 0) {
		frq_err_set(err, "-%c: no such option, see freqringd --help", optopt);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (const struct option *o = t->longs; o->name != NULL; o++)
		suggest_offer(&s, o->name);
	if (s.best != NULL)
		frq_err_set(err, "%.60s: no such option (did you mean --%s?)", word, s.best);
	else
		frq_err_set(err, "%.60s: no such option, see freqringd --help", word);
}

static bool
take_setting(struct config *c, const struct config_setting *s, const char *value,
	struct frq_err *err)
{
	struct frq_err why;

	if (c == NULL || config_set(c, s, value, &why))
		return true;
	frq_err_set(err, "--%s=%.60s: %s", s->option, value, why.text);
	return false;
}

/* A short option has val == its character, but the table knows it by index. */
static const struct config_setting *
find_short(int opt)
{
	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++) {
		if (config_settings[i].short_option == opt)
			return &config_settings[i];
	}
	return NULL;
}

bool
config_parse_args(struct config *c, struct config_args *args, int argc, char **argv,
	struct frq_err *err)
{
	struct getopt_tables t;
	const struct config_setting *s;
	int opt;

	make_tables(&t);
	memset(args, 0, sizeof(*args));
	opterr = 0;
	optind = 0;	/* glibc: start anew, the command line is walked twice */
	while ((opt = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			args->file = optarg;
			break;
		case 'h':
			args->help = true;
			break;
		case 'V':
			args->version = true;
			break;
		case OPTION_RESTORE:
			args->restore = true;
			break;
		case ':':
			frq_err_set(err, "%.60s: a value is missing", argv[optind - 1]);
			return false;
		case '?':
			explain_unknown(&t, argv[optind - 1], err);
			return false;
		default:
			s = opt >= OPTION_SETTING ?
				&config_settings[opt - OPTION_SETTING] : find_short(opt);
			if (!take_setting(c, s, optarg, err))
				return false;
		}
	}
	if (optind < argc) {
		frq_err_set(err, "%.60s: freqringd takes options only, see freqringd --help",
			argv[optind]);
		return false;
	}
	return true;
}

static void
print_option(int short_option, const char *name, const char *arg, const char *help)
{
	char left[48], dash[5] = "    ";

	if (short_option != 0)
		snprintf(dash, sizeof(dash), "-%c, ", short_option);
	snprintf(left, sizeof(left), "%s--%s %s", dash, name, arg != NULL ? arg : "");
	printf("  %-26s %s", left, help);
}

void
config_print_help(void)
{
	const char *section = "";

	printf("Usage: freqringd [OPTION]...\n"
		"Set the frequency of host CPUs as the VMs on them ask.\n\n");
	for (unsigned int i = 0; i < NB_COMMANDS; i++) {
		print_option(commands[i].short_option, commands[i].option, commands[i].arg,
			commands[i].help);
		printf("\n");
	}
	printf("\nEach setting of the file is an option, too; the option wins.\n");
	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++) {
		const struct config_setting *s = &config_settings[i];

		if (strcmp(section, s->section) != 0)
			printf("\n[%s]\n", s->section);
		section = s->section;
		print_option(s->short_option, s->option, s->arg, s->help);
		if (s->def[0] != '\0')
			printf(" [%s]", s->def);
		printf("\n");
	}
	printf("\nCPUS is a list like 0,2-5. The file may also have sections [vm PATTERN], "
		"with what\na VM may have: see freqringd.conf(5).\n");
}
