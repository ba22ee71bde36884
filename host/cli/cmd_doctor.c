/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_doctor.c - what is missing for freqring to work on this machine
 *
 * Works without a daemon, and for any user. What was said goes to a JSON array
 * first, which is printed either way.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "doctor.h"
#include "doctor_virt.h"
#include "members.h"
#include "printable.h"

static const struct {
	const char *name;
	void (*run)(struct doctor *d);
} checks[] = {
	{ "config", doctor_check_config },
	{ "daemon", doctor_check_daemon },
	{ "unit", doctor_check_unit },
	{ "driver", doctor_check_driver },
	{ "governor", doctor_check_governor },
	{ "turbo", doctor_check_turbo },
	{ "rivals", doctor_check_rivals },
	{ "libvirt", doctor_check_libvirt },
	{ "hook", doctor_check_hook },
	{ "vms", doctor_check_vms },
	{ "domains", doctor_check_domains },
	{ "poller", doctor_check_poller_cpu },
	{ "shm", doctor_check_shm },
	{ "regions", doctor_check_regions },
	{ "vhost", doctor_check_vhost },
	{ "apparmor", doctor_check_apparmor },
	{ "selinux", doctor_check_selinux },
	{ "served", doctor_check_served },
	{ "kvm", doctor_check_kvm },
};

static const char *const grade_names[] = {
	[DOCTOR_PASS] = "PASS",
	[DOCTOR_WARN] = "WARN",
	[DOCTOR_FAIL] = "FAIL",
};

const char *
doctor_grade_name(enum doctor_grade grade)
{
	return grade_names[grade];
}

/* ---- saying --------------------------------------------------------------------- */

/* File names need not be UTF-8, which JSON has to be. */
static json_t * __attribute__((format(printf, 1, 0)))
make_text(const char *fmt, va_list ap)
{
	char *text = NULL;
	json_t *json;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	make_printable(text);
	json = json_string(text);
	if (json == NULL) {
		for (char *p = text; *p != '\0'; p++)
			*p = (unsigned char)*p < 0x80 ? *p : '?';
		json = json_string(text);
	}
	free(text);
	return json;
}

void
doctor_say(struct doctor *d, enum doctor_grade grade, const char *fmt, ...)
{
	json_t *check;
	va_list ap;

	va_start(ap, fmt);
	check = json_pack("{s:s, s:s, s:o, s:s}", "name", d->check,
		"status", doctor_grade_name(grade), "text", make_text(fmt, ap), "mend", "");
	va_end(ap);
	(void)json_array_append_new(d->checks, check);
	if (grade > d->worst)
		d->worst = grade;
}

void
doctor_mend(struct doctor *d, const char *fmt, ...)
{
	json_t *last = json_array_get(d->checks, json_array_size(d->checks) - 1);
	va_list ap;

	va_start(ap, fmt);
	(void)json_object_set_new(last, "mend", make_text(fmt, ap));
	va_end(ap);
}

bool
doctor_is_simulated(const struct doctor *d)
{
	return d->status != NULL ? is_simulated(d->status) :
		d->config.backend == CONFIG_BACKEND_SIMULATED;
}

enum doctor_grade
doctor_fail_if_real(const struct doctor *d)
{
	return doctor_is_simulated(d) ? DOCTOR_WARN : DOCTOR_FAIL;
}

/* ---- the command ---------------------------------------------------------------- */

static void
print_checks(const struct doctor *d)
{
	unsigned int nb[DOCTOR_FAIL + 1] = { 0 };
	json_t *check;
	size_t i;

	json_array_foreach(d->checks, i, check) {
		const char *mend = text_of(check, "mend"), *status = text_of(check, "status");

		printf("%s  %-8s  %s\n", status, text_of(check, "name"), text_of(check, "text"));
		if (mend[0] != '\0')
			printf("          %s\n", mend);
		for (size_t g = 0; g <= DOCTOR_FAIL; g++)
			nb[g] += strcmp(status, grade_names[g]) == 0;
	}
	printf("%u in order, %u to be looked at, %u that fail%s\n", nb[DOCTOR_PASS],
		nb[DOCTOR_WARN], nb[DOCTOR_FAIL], nb[DOCTOR_FAIL] == 1 ? "s" : "");
}

enum cli_status
cmd_doctor(const struct cli *cli)
{
	const char *root = getenv("FREQRING_DOCTOR_ROOT");
	struct doctor d = {
		.root = root != NULL ? root : "",
		.checks = json_array(),
	};

	doctor_gather(&d, cli->socket, cli->nb_args > 0 ? cli->arg[0].text : NULL);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		d.check = checks[i].name;
		checks[i].run(&d);
	}
	if (cli->json) {
		json_t *out = json_pack("{s:O, s:s}", "checks", d.checks,
			"worst", doctor_grade_name(d.worst));

		cli_print_json(out);
		json_decref(out);
	} else {
		print_checks(&d);
	}
	json_decref(d.checks);
	json_decref(d.status);
	json_decref(d.libvirt);
	return d.worst == DOCTOR_FAIL ? CLI_FAILED : CLI_OK;
}
