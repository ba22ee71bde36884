/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run - start a DPDK program so that its librte_power speaks to the host
 *
 * How depends on the DPDK that the program is linked to: the library is preloaded
 * into those whose librte_power has function pointers, and named as a driver to
 * EAL of later ones. The program is started also where no host answers: then the
 * library leaves everything to librte_power.
 */
#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "program.h"

#define PRELOAD_LIBRARY	"libfreqring-power.so"
#define DRIVER_LIBRARY	"librte_power_freqring.so"

/* librte_power.so.N of DPDK 22.11, and of 24.11. */
#define FIRST_SONAME	23
#define FIRST_DRIVERS	25

#define HEARTBEAT_TIMEOUT_MS 150u

struct plan {
	struct program program;
	char library[4096];	/* PATH_MAX, for realpath */
	bool driver;		/* -d LIBRARY, else LD_PRELOAD */
};

static void
say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("freqring-guest: run: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

/* ---- what to do ---------------------------------------------------------------- */

/* @return whether there is one, which is noted */
static bool
try_library(struct plan *plan, const char *dir, const char *sub, const char *name)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s", dir, sub, name) >= sizeof(path) ||
	    access(path, R_OK) < 0)
		return false;
	return realpath(path, plan->library) != NULL;
}

/* Where it was built or copied to counts before where one was installed. */
static bool
find_library(struct plan *plan, const char *name)
{
	static const char *const beside[] = { ".", "power", "../lib" };
	const char *named = getenv("FREQRING_POWER_LIB");
	char self[2048];
	ssize_t n;

	if (named != NULL && *named != '\0') {
		(void)snprintf(plan->library, sizeof(plan->library), "%s", named);
		return access(named, R_OK) == 0;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		const char *dir;

		self[n] = '\0';
		dir = dirname(self);
		for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
			if (try_library(plan, dir, beside[i], name))
				return true;
	}
	if (try_library(plan, FREQRING_LIBDIR, ".", name))
		return true;
	(void)snprintf(plan->library, sizeof(plan->library), FREQRING_LIBDIR "/%s", name);
	return false;
}

static int
cannot(const struct plan *plan, const char *why, const char *hint)
{
	char what[4200];

	(void)snprintf(what, sizeof(what), "run: %s", plan->program.path);
	return cli_error(what, why, hint);
}

/* @return CLI_OK, or what was said */
static int
check_program(struct plan *plan)
{
	const struct program *p = &plan->program;

	if (p->kind == PROGRAM_FOREIGN)
		return cannot(plan, "neither a program for this processor nor a script", NULL);
	if (p->kind == PROGRAM_STATIC)
		return cannot(plan, "statically linked: there is no loader that could preload "
			"anything", "link it with DPDK's shared libraries");
	if (p->has_power && p->power_soname == 0)
		return cannot(plan, "librte_power is linked into it statically: nothing can stand "
			"in for that", "link it with DPDK's shared libraries");
	if (p->power_soname != 0 && p->power_soname < FIRST_SONAME)
		return cannot(plan, "its librte_power is older than that of DPDK 22.11", NULL);
	plan->driver = p->power_soname >= FIRST_DRIVERS;
	if (p->privileged && !plan->driver)
		return cannot(plan, "set-uid, set-gid or with file capabilities: the loader ignores "
			"LD_PRELOAD there", "start it as the user whose rights it would get");
	return CLI_OK;
}

static int
make_plan(struct cli *cli, struct plan *plan, const char *name)
{
	char why[512];
	int ret;

	if (program_inspect(&plan->program, name, why, sizeof(why)) < 0) {
		char what[512];

		(void)snprintf(what, sizeof(what), "%s: %.400s", cli->name, name);
		return cli_error(what, why, NULL);
	}
	ret = check_program(plan);
	if (ret != CLI_OK)
		return ret;
	if (!find_library(plan, plan->driver ? DRIVER_LIBRARY : PRELOAD_LIBRARY))
		return cli_error(plan->library, "cannot be read", plan->driver ?
			"build freqring with that DPDK and -Denable_driver_sdk=true in it; "
			"FREQRING_POWER_LIB names the file" : "FREQRING_POWER_LIB names the file");
	if (!plan->driver && strpbrk(plan->library, ": ") != NULL)
		return cli_error(plan->library, "LD_PRELOAD takes no path with a colon or a blank",
			NULL);
	return CLI_OK;
}

static void
say_plan(const struct plan *plan)
{
	const struct program *p = &plan->program;

	if (plan->driver)
		say("%s is linked to librte_power.so.%d: starts with -d %s", p->path,
			p->power_soname, plan->library);
	else if (p->kind == PROGRAM_SCRIPT)
		say("%s is a script: %s is preloaded into all that it starts", p->path,
			plan->library);
	else if (p->power_soname == 0)
		say("%s is not linked to librte_power: %s is preloaded, for what it loads or starts",
			p->path, plan->library);
	else
		say("%s is linked to librte_power.so.%d: %s is preloaded", p->path,
			p->power_soname, plan->library);
}

/* ---- who answers ------------------------------------------------------------------ */

static void
say_transport(struct cli *cli)
{
	int ret = freqring_open(&cli->fr, cli->options);

	if (ret == 0)
		ret = freqring_get_info(cli->fr, &cli->info, HEARTBEAT_TIMEOUT_MS);
	if (ret < 0)
		say("no host: %s; librte_power is left alone", freqring_error(cli->fr));
	else if (!cli->info.host_alive || cli->info.quarantined)
		say("%s %s: %s; librte_power is left alone",
			freqring_transport_name(cli->info.transport), cli->info.device,
			cli->info.quarantined ? "the host has this VM in quarantine" :
			"no host answers");
	else
		say("%s %s: the host answers%s", freqring_transport_name(cli->info.transport),
			cli->info.device, simulated(cli));
	freqring_close(cli->fr);
	cli->fr = NULL;
}

/* What was said by options goes on in the environment. */
static bool
pass_on(const struct freqring_options *o)
{
	return (o->device == NULL || setenv("FREQRING_DEVICE", o->device, 1) == 0) &&
		(o->transport == FREQRING_TRANSPORT_AUTO ||
		 setenv("FREQRING_TRANSPORT", freqring_transport_name(o->transport), 1) == 0) &&
		(o->vm_name == NULL || setenv("FREQRING_VM_NAME", o->vm_name, 1) == 0);
}

/* ---- start ------------------------------------------------------------------------ */

/* Before what is preloaded already. */
static bool
set_preload(const char *library)
{
	const char *before = getenv("LD_PRELOAD");
	bool set = before != NULL && *before != '\0';
	size_t size = strlen(library) + (set ? strlen(before) : 0) + 2;
	char *value = malloc(size);
	bool ok;

	if (value == NULL)
		return false;
	(void)snprintf(value, size, "%s%s%s", library, set ? ":" : "", set ? before : "");
	ok = setenv("LD_PRELOAD", value, 1) == 0;
	free(value);
	return ok;
}

/* The program's name, -d LIBRARY, its arguments. */
static char **
with_driver(char *library, int argc, char **argv)
{
	static char option[] = "-d";
	char **v = calloc((size_t)argc + 3, sizeof(*v));

	if (v == NULL)
		return NULL;
	v[0] = argv[0];
	v[1] = option;
	v[2] = library;
	for (int i = 1; i < argc; i++)
		v[i + 2] = argv[i];
	return v;
}

static int
start(struct plan *plan, int argc, char **argv)
{
	char **v = argv, **with = NULL;
	int ret;

	if (plan->driver)
		v = with = with_driver(plan->library, argc, argv);
	if (v == NULL || (!plan->driver && !set_preload(plan->library)))
		return cannot(plan, strerror(ENOMEM), NULL);
	(void)execv(plan->program.path, v);
	ret = cannot(plan, strerror(errno), NULL);
	free(with);
	return ret;
}

int
cmd_run(struct cli *cli, int argc, char **argv)
{
	struct plan plan = { .driver = false };
	int first = 1, ret;

	if (argc > 1 && strcmp(argv[1], "--") == 0)
		first = 2;
	else if (argc > 1 && argv[1][0] == '-')
		return cli_usage(cli, "%s: no such option; -- ends the options", argv[1]);
	if (first >= argc)
		return cli_usage(cli, "needs a PROGRAM");
	if (!pass_on(cli->options))
		return cli_error(cli->name, strerror(ENOMEM), NULL);
	ret = make_plan(cli, &plan, argv[first]);
	if (ret != CLI_OK)
		return ret;
	say_plan(&plan);
	say_transport(cli);
	return start(&plan, argc - first, argv + first);
}
