/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_pvt.h"
#include "eal.h"

static struct cpuset
cpus(const char *list)
{
	struct cpuset s;
	struct frq_err err;

	assert_true(cpuset_parse(&s, list, &err));
	return s;
}

static unsigned int
parse(struct config *c, const char *text, struct frq_err *err)
{
	/* Out of a block of its exact size, so that a sanitizer sees a read beyond. */
	size_t len = strlen(text);
	char *copy = malloc(len + 1);
	unsigned int line;

	assert_non_null(copy);
	memcpy(copy, text, len);
	copy = realloc(copy, len > 0 ? len : 1);
	config_defaults(c);
	err->text[0] = '\0';
	line = config_parse_buffer(c, copy, len, err);
	free(copy);
	return line;
}

static void
defaults(void **state)
{
	struct config c;

	(void)state;
	config_defaults(&c);
	assert_int_equal(c.backend, CONFIG_BACKEND_LIBRTE_POWER);
	assert_int_equal(c.poller_cpu, -1);
	assert_int_equal(c.applier_cpu, -1);
	assert_true(cpuset_empty(&c.control_cpus));
	assert_true(cpuset_empty(&c.managed_cpus));
	assert_string_equal(c.socket, "/run/freqring/control.sock");
	assert_string_equal(c.state_dir, "/run/freqring");
	assert_string_equal(c.group, "freqring");
	assert_string_equal(c.log_level, "info");
	assert_string_equal(c.uri, "qemu:///system");
	assert_string_equal(c.shm_dir, "/dev/shm");
	assert_string_equal(c.shm_group, "");
	assert_string_equal(c.qemu_user, "");
	assert_string_equal(c.allow, "*");
	assert_int_equal(c.rate_limit, 0);
	assert_int_equal(c.drift, CONFIG_DRIFT_YIELD);
	assert_int_equal(c.write_limit, 1000);
	assert_int_equal(c.failsafe, CONFIG_FAILSAFE_MAX);
	assert_int_equal(c.nb_vms, 0);
	assert_false(c.restore);
}

static void
a_whole_file(void **state)
{
	struct config c;
	struct frq_err err;
	struct cpuset expected = cpus("1-3,7");

	(void)state;
	assert_int_equal(parse(&c,
		"\xef\xbb\xbf# a comment\r\n"
		"[daemon] ; another\r\n"
		"backend = simulated\r\n"
		"  poller_cpu=3 ; and one here\n"
		"applier_cpu : 2\n", &err), 4);
	/* Line 4 is indented, so it goes on with line 3. */
	assert_string_equal(err.text, "[daemon] backend = poller_cpu=3: this indented line goes "
		"on with backend, which is one value; start it at the margin");

	assert_int_equal(parse(&c,
		"\xef\xbb\xbf# a comment\r\n"
		"[daemon] ; another\r\n"
		"  backend = simulated\r\n"
		"poller_cpu=3 ; and one here\n"
		"applier_cpu : 2\n"
		"control_cpus = auto\n"
		"managed_cpus = 1-3, 7\n"
		"socket = /tmp/a b.sock\n"
		"group =\n"
		"log_level = debug\n"
		"\n"
		"[power]\n"
		"drift = assert\n"
		"write_limit = 1\n"
		"failsafe = hold\n"
		"[libvirt]\n"
		"uri = test:///default\n"
		"[shm]\n"
		"shm_dir=/tmp\nshm_group=g\nqemu_user=u\n"
		"[vms]\n"
		"allow = nf1,\n"
		"\tnf2 ; and here\n"
		"  ; a comment\n"
		"  web-*\n"
		"rate_limit = 4294967295\n"
		"[daemon]\n"
		"state_dir = /x", &err), 0);
	assert_int_equal(c.backend, CONFIG_BACKEND_SIMULATED);
	assert_int_equal(c.poller_cpu, 3);
	assert_int_equal(c.applier_cpu, 2);
	assert_true(cpuset_empty(&c.control_cpus));
	assert_true(cpuset_equal(&c.managed_cpus, &expected));
	assert_string_equal(c.socket, "/tmp/a b.sock");
	assert_string_equal(c.group, "");
	assert_string_equal(c.log_level, "debug");
	assert_int_equal(c.drift, CONFIG_DRIFT_ASSERT);
	assert_int_equal(c.write_limit, 1);
	assert_int_equal(c.failsafe, CONFIG_FAILSAFE_HOLD);
	assert_string_equal(c.uri, "test:///default");
	assert_string_equal(c.shm_dir, "/tmp");
	assert_string_equal(c.shm_group, "g");
	assert_string_equal(c.qemu_user, "u");
	assert_string_equal(c.allow, "nf1,,nf2,web-*");
	assert_int_equal(c.rate_limit, UINT32_MAX);
	assert_string_equal(c.state_dir, "/x");
	assert_int_equal(parse(&c, "", &err), 0);
	assert_int_equal(parse(&c, "\n\n  \n", &err), 0);
}

static void
errors_in_a_file(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *message;
	} cases[] = {
		{ "[daemon]\npollr_cpu = 3\n", 2,
		  "[daemon] pollr_cpu = 3: no such setting (did you mean poller_cpu?)" },
		{ "[daemon]\nxyzzy = 3\n", 2, "[daemon] xyzzy = 3: no such setting" },
		{ "[daemon]\nuri = x\n", 2,
		  "[daemon] uri = x: no such setting (it belongs in [libvirt])" },
		{ "[demon]\n", 1, "[demon]: no such section (did you mean [daemon]?)" },
		{ "\n[network]\nx=1\n", 2, "[network]: no such section" },
		{ "[]\n", 1, "[]: no such section" },
		{ "[daemon] x\n", 1, "[daemon] x: nothing may follow the ]" },
		{ "[daemon\n", 1, "[daemon: the closing ] is missing" },
		{ "poller_cpu = 1\n", 1, "poller_cpu = 1: stands before the first [section]" },
		{ "[daemon]\npoller_cpu\n", 2, "poller_cpu: neither a [section] nor key = value" },
		{ "[daemon]\n= 3\n", 2, "[daemon]  = 3: no such setting" },
		{ "[daemon]\npoller_cpu = 3\n\npoller_cpu = 3\n", 4,
		  "[daemon] poller_cpu = 3: already set in line 2" },
		{ "[vms]\nallow=a\n[vms]\n  allow=b\n", 4, "[vms] allow = b: already set in line 2" },
		/* The first error counts, whoever finds it. */
		{ "[daemon]\nfoo\npoller_cpu = x\n", 2, "foo: neither a [section] nor key = value" },
		{ "[daemon]\npoller_cpu = x\nfoo\n", 2,
		  "[daemon] poller_cpu = x: expected a CPU number from 0 to 1023, or auto" },
		{ "[daemon]\npoller_cpu = -1\n", 2,
		  "[daemon] poller_cpu = -1: expected a CPU number from 0 to 1023, or auto" },
		{ "[daemon]\npoller_cpu =\n", 2,
		  "[daemon] poller_cpu = : expected a CPU number from 0 to 1023, or auto" },
		{ "[daemon]\napplier_cpu = 1024\n", 2,
		  "[daemon] applier_cpu = 1024: expected a CPU number from 0 to 1023, or auto" },
		{ "[daemon]\npoller_cpu = 1 # the last\n", 2,
		  "[daemon] poller_cpu = 1 # the last: expected a CPU number from 0 to 1023, or auto" },
		{ "[daemon]\nmanaged_cpus = 0,z\n", 2,
		  "[daemon] managed_cpus = 0,z: \"z\" in the list of CPUs is not a CPU number or a "
		  "range like 2-5; expected CPUs like 0,2-5, or auto" },
		{ "[daemon]\nmanaged_cpus =\n", 2,
		  "[daemon] managed_cpus = : the list of CPUs is empty; expected CPUs like 0,2-5, "
		  "or auto" },
		{ "[daemon]\nbackend = power\n", 2,
		  "[daemon] backend = power: expected one of librte_power, simulated" },
		{ "[daemon]\nlog_level = loud\n", 2,
		  "[daemon] log_level = loud: expected one of debug, info, notice, warning, error" },
		{ "[daemon]\nsocket = control.sock\n", 2,
		  "[daemon] socket = control.sock: expected an absolute path" },
		{ "[vms]\nrate_limit = 4294967296\n", 2,
		  "[vms] rate_limit = 4294967296: expected a number from 0 to 4294967295" },
		{ "[vms]\nrate_limit = many\n", 2,
		  "[vms] rate_limit = many: expected a number from 0 to 4294967295" },
		{ "[power]\nwrite_limit = 0\n", 2,
		  "[power] write_limit = 0: expected a number from 1 to 100000" },
		{ "[power]\nwrite_limit = 100001\n", 2,
		  "[power] write_limit = 100001: expected a number from 1 to 100000" },
		{ "[power]\ndrift = off\n", 2, "[power] drift = off: expected one of yield, assert" },
		{ "[power]\nfailsafe = min\n", 2,
		  "[power] failsafe = min: expected one of max, hold, release" },
		{ "[power]\nfail_safe = max\n", 2,
		  "[power] fail_safe = max: no such setting (did you mean failsafe?)" },
		{ "[daemon]\ndrift = yield\n", 2,
		  "[daemon] drift = yield: no such setting (it belongs in [power])" },
		{ "[pover]\n", 1, "[pover]: no such section (did you mean [power]?)" },
		/* To inih that goes on with the value. */
		{ "[vms]\nallow = a\n  [shm]\n", 3,
		  "[shm]: an indented line goes on with allow; start the section at the margin" },
		{ "[daemon]\ngroup = 0123456789012345678901234567890123456789012345678901234567890123\n",
		  2, "[daemon] group = 012345678901234567890123456789012345678901234567890123456789: "
		  "expected at most 63 characters" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		struct frq_err err;

		assert_int_equal(parse(&c, cases[i].text, &err), cases[i].line);
		assert_string_equal(err.text, cases[i].message);
	}
}

/* ---- sections of VMs ------------------------------------------------------ */

static const char uuid[] = "c7a5fdbd-cdaf-9455-926a-d65c16db1809";

static void
rule_is(struct vote_rule r, uint32_t min_khz, uint32_t max_khz, bool turbo, int priority)
{
	assert_int_equal(r.min_khz, min_khz);
	assert_int_equal(r.max_khz, max_khz);
	assert_int_equal(r.turbo, turbo);
	assert_int_equal(r.priority, priority);
}

static void
rules_of_vms(void **state)
{
	struct config c;
	struct frq_err err;

	(void)state;
	assert_int_equal(parse(&c,
		"[vm web-1]\n"			/* an exception, with the defaults */
		"[vm  web-* ] ; a comment\n"
		"min_mhz = 1200\n"
		"max_mhz = 2400 ; and here\n"
		"turbo = no\n"
		"priority = -1000\n"
		"[vms]\n"
		"rate_limit = 5\n"
		"[vm nf[0-9]] # another\n"
		"max_mhz = 16777\n"
		"priority = 1000\n"
		"  [vm C7A5FDBD-cdaf-9455-926a-d65c16db1809]\n", &err), 12);
	assert_int_equal(parse(&c,
		"[vm web-1]\n"
		"[vm  web-* ] ; a comment\n"
		"min_mhz = 1200\n"
		"max_mhz = 2400 ; and here\n"
		"turbo = no\n"
		"priority = -1000\n"
		"[vms]\n"
		"rate_limit = 5\n"
		"[vm nf[0-9]] # another\n"
		"max_mhz = 16777\n"
		"priority = 1000\n"
		"[vm C7A5FDBD-cdaf-9455-926a-d65c16db1809]\n"
		"priority = -0\n"
		"min_mhz = 2000\n"
		"[vm late*]\n"
		"turbo = yes\n", &err), 0);
	assert_int_equal(c.nb_vms, 5);
	assert_string_equal(c.vm[1].pattern, "web-*");
	assert_string_equal(c.vm[2].pattern, "nf[0-9]");
	assert_int_equal(c.rate_limit, 5);

	rule_is(config_rule(&c, "web-1", uuid), 0, UINT32_MAX, true, 0);
	rule_is(config_rule(&c, "web-2", uuid), 1200000, 2400000, false, -1000);
	rule_is(config_rule(&c, "nf7", uuid), 0, 16777000, true, 1000);
	/* The first in the file that matches, by name or UUID. */
	rule_is(config_rule(&c, "nf10", uuid), 2000000, UINT32_MAX, true, 0);
	rule_is(config_rule(&c, "late", uuid), 2000000, UINT32_MAX, true, 0);
	rule_is(config_rule(&c, "other", "c7a5fdbd-cdaf-9455-926a-d65c16db1800"),
		0, UINT32_MAX, true, 0);
	rule_is(config_rule(&c, "WEB-1", "c7a5fdbd-cdaf-9455-926a-d65c16db1800"),
		0, UINT32_MAX, true, 0);
	config_defaults(&c);
	rule_is(config_rule(&c, "web-1", uuid), 0, UINT32_MAX, true, 0);
}

static void
errors_in_rules_of_vms(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *message;
	} cases[] = {
		{ "[vm a]\nprioritty = 3\n", 2,
		  "[vm a] prioritty = 3: no such setting (did you mean priority?)" },
		{ "[vm a]\nxyzzy = 3\n", 2, "[vm a] xyzzy = 3: no such setting" },
		{ "[vm a]\nrate_limit = 3\n", 2,
		  "[vm a] rate_limit = 3: no such setting (it belongs in [vms])" },
		{ "[vms]\nmax_mhz = 3\n", 2,
		  "[vms] max_mhz = 3: no such setting (it belongs in [vm PATTERN])" },
		{ "[vm]\n", 1, "[vm]: a name, UUID or pattern is missing" },
		{ "[vm \t]\nturbo = no\n", 1, "[vm]: a name, UUID or pattern is missing" },
		{ "[vm-a]\n", 1, "[vm-a]: no such section (did you mean [vm PATTERN]?)" },
		{ "[vms a]\n", 1, "[vms a]: no such section (did you mean [vm PATTERN]?)" },
		{ "[VM a]\n", 1, "[VM a]: no such section (did you mean [vm PATTERN]?)" },
		{ "[vm a]\n\n[vm b]\n[vm  a ]\n", 4, "[vm  a]: already in line 1" },
		{ "[vm nf[0-9]\n", 1, "[vm nf[0-9]: the closing ] is missing" },
		{ "[vm a ; b]\n", 1, "[vm a : the closing ] is missing" },
		{ "[vm a]]\n", 1, "[vm a]]: nothing may follow the ]" },
		{ "[vm a] b\n", 1, "[vm a] b: nothing may follow the ]" },
		{ "[vm a]\nturbo = no\nturbo = no\n", 3,
		  "[vm a] turbo = no: already set in line 2" },
		{ "[vm a]\nturbo = no\n[vms]\n[vm b]\nturbo = no\n\nturbo = yes\n", 7,
		  "[vm b] turbo = yes: already set in line 5" },
		{ "[vm a]\nturbo = on\n", 2, "[vm a] turbo = on: expected one of no, yes" },
		{ "[vm a]\nturbo =\n", 2, "[vm a] turbo = : expected one of no, yes" },
		{ "[vm a]\nmin_mhz = 16778\n", 2,
		  "[vm a] min_mhz = 16778: expected a number from 0 to 16777" },
		{ "[vm a]\nmax_mhz = -1\n", 2,
		  "[vm a] max_mhz = -1: expected a number from 0 to 16777" },
		{ "[vm a]\nmax_mhz = 2.5\n", 2,
		  "[vm a] max_mhz = 2.5: expected a number from 0 to 16777" },
		{ "[vm a]\npriority = 1001\n", 2,
		  "[vm a] priority = 1001: expected a number from -1000 to 1000" },
		{ "[vm a]\npriority = -1001\n", 2,
		  "[vm a] priority = -1001: expected a number from -1000 to 1000" },
		{ "[vm a]\npriority = -\n", 2,
		  "[vm a] priority = -: expected a number from -1000 to 1000" },
		{ "[vm a]\npriority = --1\n", 2,
		  "[vm a] priority = --1: expected a number from -1000 to 1000" },
		{ "[vm a]\npriority = +1\n", 2,
		  "[vm a] priority = +1: expected a number from -1000 to 1000" },
		{ "[vm a]\nmin_mhz = 2000\nmax_mhz = 1999\n", 3,
		  "[vm a] max_mhz = 1999: below min_mhz = 2000" },
		{ "[vm a]\nmax_mhz = 1999\nmin_mhz = 2000\n", 3,
		  "[vm a] min_mhz = 2000: above max_mhz = 1999" },
		{ "[vm a]\nturbo = no\n yes\n", 3, "[vm a] turbo = yes: this indented line goes on "
		  "with turbo, which is one value; start it at the margin" },
		{ "[vm a]\nturbo = no\n\v[vm b]\n", 3, "[vm b]: an indented line goes on with "
		  "turbo; start the section at the margin" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		struct frq_err err;

		assert_int_equal(parse(&c, cases[i].text, &err), cases[i].line);
		assert_string_equal(err.text, cases[i].message);
	}
}

static void
bounds_that_go_together(void **state)
{
	struct config c;
	struct frq_err err;

	(void)state;
	assert_int_equal(parse(&c, "[vm a]\nmin_mhz = 2000\nmax_mhz = 2000\n", &err), 0);
	rule_is(config_rule(&c, "a", uuid), 2000000, 2000000, true, 0);
	/* 0 is no bound, not one of 0 MHz */
	assert_int_equal(parse(&c, "[vm a]\nmin_mhz = 2000\nmax_mhz = 0\n", &err), 0);
	rule_is(config_rule(&c, "a", uuid), 2000000, UINT32_MAX, true, 0);
	assert_int_equal(parse(&c, "[vm a]\nmax_mhz = 0\nmin_mhz = 2000\n", &err), 0);
	rule_is(config_rule(&c, "a", uuid), 2000000, UINT32_MAX, true, 0);
}

static void
as_many_sections_of_vms_as_fit(void **state)
{
	struct config c;
	struct frq_err err;
	char text[8192] = "";

	(void)state;
	for (unsigned int i = 0; i < CONFIG_MAX_VMS; i++)
		sprintf(text + strlen(text), "[vm nf%u]\nmin_mhz = %u\n", i, i + 1);
	assert_int_equal(parse(&c, text, &err), 0);
	assert_int_equal(c.nb_vms, CONFIG_MAX_VMS);
	assert_int_equal(config_rule(&c, "nf63", uuid).min_khz, 64000);
	strcat(text, "[vm one-more]\n");
	assert_int_equal(parse(&c, text, &err), 2 * CONFIG_MAX_VMS + 1);
	assert_string_equal(err.text, "[vm one-more]: more than 64 sections [vm PATTERN]");
}

static void
a_long_pattern_is_not_cut(void **state)
{
	struct config c;
	struct frq_err err;
	char text[256] = "[vm ";

	(void)state;
	memset(text + 4, 'x', 127);
	strcpy(text + 4 + 127, "]\nturbo = no\n");
	assert_int_equal(parse(&c, text, &err), 0);
	assert_int_equal(strlen(c.vm[0].pattern), 127);
	/* Longer than inih's own names of sections, and two that begin alike. */
	text[4 + 126] = 'y';
	assert_false(config_rule(&c, c.vm[0].pattern, uuid).turbo);
	text[4 + 127] = '\0';
	assert_true(config_rule(&c, text + 4, uuid).turbo);
	strcpy(text + 4 + 127, "y]\n");
	assert_int_equal(parse(&c, text, &err), 1);
	assert_string_equal(err.text, "[vm xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]: "
		"expected a pattern of at most 127 characters");
}

static void
a_long_line_is_not_cut(void **state)
{
	struct config c;
	struct frq_err err;
	char text[512] = "[vms]\nallow = ";
	size_t head = strlen("[vms]\n");

	(void)state;
	/* The longest that inih takes whole, and one character more. */
	memset(text + strlen(text), 'x', 184);
	assert_int_equal(strlen(text) - head, 197 - 5);
	memcpy(text + strlen(text), "12345\n", 7);
	assert_int_equal(parse(&c, text, &err), 0);
	assert_int_equal(strlen(c.allow), 189);
	memcpy(text + strlen(text) - 1, "6\n", 3);
	assert_int_equal(parse(&c, text, &err), 2);
	assert_string_equal(err.text, "allow = xxxxxxxxxxxxxxxxxxxxxx...: 198 characters in a "
		"line, the most is 197");
}

static void
a_list_that_goes_on_too_far(void **state)
{
	struct config c;
	struct frq_err err;
	char text[2048] = "[vms]\nallow = a\n";

	(void)state;
	for (int i = 0; i < 11; i++) {
		size_t len = strlen(text);

		text[len] = ' ';
		memset(text + len + 1, 'b', 100);
		text[len + 101] = '\n';
		text[len + 102] = '\0';
	}
	assert_int_equal(parse(&c, text, &err), 13);
	assert_non_null(strstr(err.text, ": expected at most 1023 characters"));
}

static void
a_zero_byte(void **state)
{
	static const char zero[] = "[daemon]\nsocket = /a\0b\n";
	struct config c;
	struct frq_err err;

	(void)state;
	config_defaults(&c);
	assert_int_equal(config_parse_buffer(&c, zero, sizeof(zero) - 1, &err), 2);
	assert_string_equal(err.text, "a zero byte, this is not a text file");
}

/* ---- files and the command line ------------------------------------------- */

static char dir[] = "/tmp/test_config.XXXXXX";

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/f.conf", dir);
	(void)unlink(path);
	return rmdir(dir);
}

static const char *
write_file(const char *text, size_t len)
{
	static char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/f.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	return path;
}

static void
files(void **state)
{
	struct config c;
	struct frq_err err;
	const char *path;
	char message[256];
	char *big = malloc(CONFIG_MAX_FILE + 1);

	(void)state;
	assert_non_null(big);
	config_defaults(&c);
	path = write_file("[daemon]\n\npollr_cpu = 3\n", 24);
	assert_int_equal(config_parse_file(&c, path, &err), -EINVAL);
	snprintf(message, sizeof(message), "%s:3: [daemon] pollr_cpu = 3: no such setting (did "
		"you mean poller_cpu?)", path);
	assert_string_equal(err.text, message);

	memset(big, '\n', CONFIG_MAX_FILE + 1);
	path = write_file(big, CONFIG_MAX_FILE);
	assert_int_equal(config_parse_file(&c, path, &err), 0);
	path = write_file(big, CONFIG_MAX_FILE + 1);
	assert_int_equal(config_parse_file(&c, path, &err), -EINVAL);
	snprintf(message, sizeof(message),
		"%s: larger than 64 KiB, this is not a configuration file", path);
	assert_string_equal(err.text, message);
	free(big);

	assert_int_equal(config_parse_file(&c, "/nonexistent/f", &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/f: No such file or directory");
	assert_int_equal(config_parse_file(&c, "/", &err), -EISDIR);
	assert_string_equal(err.text, "/: Is a directory");
}

/* Runs `call` with stdout and stderr in *output. */
static int
load(struct config *c, char *output, size_t size, char **argv)
{
	int argc = 0, ret, fd, saved_out, saved_err;
	FILE *f = tmpfile();
	size_t n;

	assert_non_null(f);
	while (argv[argc] != NULL)
		argc++;
	fflush(stdout);
	fflush(stderr);
	fd = fileno(f);
	saved_out = dup(1);
	saved_err = dup(2);
	assert_true(saved_out >= 0 && saved_err >= 0);
	dup2(fd, 1);
	dup2(fd, 2);
	ret = config_load(c, argc, argv);
	fflush(stdout);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	rewind(f);
	n = fread(output, 1, size - 1, f);
	output[n] = '\0';
	fclose(f);
	return ret;
}

#define LOAD(...) load(&c, output, sizeof(output), (char *[]){ "freqringd", __VA_ARGS__, NULL })

static void
command_line(void **state)
{
	struct config c;
	char output[8192];
	char *path = (char *)(uintptr_t)write_file("[daemon]\nbackend = simulated\n"
		"socket = /tmp/x\n", 45);

	(void)state;
	assert_int_equal(LOAD("-c", path), 0);
	assert_int_equal(c.backend, CONFIG_BACKEND_SIMULATED);
	assert_string_equal(c.socket, "/tmp/x");
	assert_string_equal(output, "");
	assert_true(c.poller_cpu >= 0);
	assert_int_equal(c.applier_cpu, c.poller_cpu);
	assert_false(cpuset_empty(&c.control_cpus));
	assert_false(cpuset_has(&c.control_cpus, (unsigned int)c.poller_cpu));

	/* The command line wins, wherever -c stands. */
	assert_int_equal(LOAD("--backend=librte_power", "-s", "/tmp/y", "--connect",
		"test:///default", "-c", path), 0);
	assert_int_equal(c.backend, CONFIG_BACKEND_LIBRTE_POWER);
	assert_string_equal(c.socket, "/tmp/y");
	assert_string_equal(c.uri, "test:///default");

	assert_int_equal(LOAD("-c", "/nonexistent/f"), -1);
	assert_string_equal(output, "freqringd: /nonexistent/f: No such file or directory\n");
	assert_int_equal(LOAD("--backed=simulated"), -1);
	assert_string_equal(output, "freqringd: --backed=simulated: no such option (did you mean "
		"--backend?)\n");
	assert_int_equal(LOAD("--frobnicate"), -1);
	assert_string_equal(output, "freqringd: --frobnicate: no such option, see freqringd "
		"--help\n");
	assert_int_equal(LOAD("word", "-x"), -1);
	assert_string_equal(output, "freqringd: -x: no such option, see freqringd --help\n");
	assert_int_equal(LOAD("--backend=fast"), -1);
	assert_string_equal(output, "freqringd: --backend=fast: expected one of librte_power, "
		"simulated\n");
	assert_int_equal(LOAD("--backend"), -1);
	assert_string_equal(output, "freqringd: --backend: a value is missing\n");
	assert_int_equal(LOAD("-c"), -1);
	assert_string_equal(output, "freqringd: -c: a value is missing\n");
	assert_int_equal(LOAD("--help=x"), -1);
	assert_string_equal(output, "freqringd: --help=x: --help takes no value\n");
	assert_int_equal(LOAD("start"), -1);
	assert_string_equal(output, "freqringd: start: freqringd takes options only, see freqringd "
		"--help\n");
	assert_int_equal(LOAD("--poller-cpu=1023"), -1);
	assert_non_null(strstr(output, "[daemon] poller_cpu = 1023: CPU 1023 is not online; name "
		"CPUs of 0"));

	assert_int_equal(LOAD("-c", path, "--drift=assert", "--write-limit=20", "--failsafe",
		"release"), 0);
	assert_int_equal(c.drift, CONFIG_DRIFT_ASSERT);
	assert_int_equal(c.write_limit, 20);
	assert_int_equal(c.failsafe, CONFIG_FAILSAFE_RELEASE);
	assert_false(c.restore);
	assert_int_equal(LOAD("--write-limit=0"), -1);
	assert_string_equal(output, "freqringd: --write-limit=0: expected a number from 1 to "
		"100000\n");
	/* What a VM may have is in the file only. */
	assert_int_equal(LOAD("--turbo=no"), -1);
	assert_string_equal(output, "freqringd: --turbo=no: no such option, see freqringd "
		"--help\n");

	assert_int_equal(LOAD("--version"), 1);
	assert_string_equal(output, "freqringd " FREQRING_VERSION "\n");
	assert_int_equal(LOAD("-h"), 1);
	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++) {
		assert_non_null(strstr(output, config_settings[i].option));
		assert_non_null(strstr(output, config_settings[i].help));
	}
	assert_non_null(strstr(output, "      --restore              put back what a killed freqringd "
		"left, and end\n"));
	assert_non_null(strstr(output, "[vm PATTERN]"));
}

static void
restore_asks_nothing_of_the_machine(void **state)
{
	struct config c;
	char output[8192];
	static const char text[] = "[daemon]\nstate_dir = /tmp/x\npoller_cpu = 1023\n"
		"managed_cpus = 1022\ngroup = no-such\n";
	char *path = (char *)(uintptr_t)write_file(text, sizeof(text) - 1);

	(void)state;
	assert_int_equal(LOAD("-c", path), -1);
	assert_int_equal(LOAD("-c", path, "--restore"), 0);
	assert_string_equal(output, "");
	assert_true(c.restore);
	assert_string_equal(c.state_dir, "/tmp/x");
	assert_true(cpuset_has(&c.managed_cpus, 1022));
	assert_int_equal(LOAD("--restore", "-c", path, "--state-dir=/tmp/y"), 0);
	assert_string_equal(c.state_dir, "/tmp/y");
	/* But the rest has to be well-formed. */
	assert_int_equal(LOAD("--restore", "--state-dir=y"), -1);
	assert_string_equal(output, "freqringd: --state-dir=y: expected an absolute path\n");
	assert_int_equal(LOAD("--restore=yes"), -1);
	assert_string_equal(output, "freqringd: --restore=yes: --restore takes no value\n");
	assert_int_equal(LOAD("--retsore"), -1);
	assert_string_equal(output, "freqringd: --retsore: no such option (did you mean "
		"--restore?)\n");
	assert_int_equal(LOAD("--restore", "--help"), 1);
}

/* ---- against a machine ----------------------------------------------------- */

static bool
check(struct config *c, const char *text, const char *online, const char *affinity,
	struct frq_err *err)
{
	struct config_machine m = {
		.online = cpus(online),
		.present = cpus("0-7"),
		.affinity = cpus(affinity),
	};

	assert_int_equal(parse(c, text, err), 0);
	return config_check_cpus(c, &m, err);
}

static void
cpus_left_to_the_daemon(void **state)
{
	struct config c;
	struct frq_err err;
	struct cpuset control = cpus("1-4"), managed = cpus("0-6");

	(void)state;
	/* librte_power needs an lcore on each, a simulated one does not. */
	assert_true(check(&c, "", "0-6", "1-5,7", &err));
	managed = cpus("1-5");
	assert_true(cpuset_equal(&c.managed_cpus, &managed));
	managed = cpus("0-6");
	assert_true(check(&c, "[daemon]\nbackend=simulated\n", "0-6", "1-5,7", &err));
	assert_int_equal(c.poller_cpu, 5);
	assert_int_equal(c.applier_cpu, 5);
	assert_true(cpuset_equal(&c.control_cpus, &control));
	assert_true(cpuset_equal(&c.managed_cpus, &managed));

	assert_true(check(&c, "[daemon]\npoller_cpu=2\napplier_cpu=3\ncontrol_cpus=1,2\n"
		"managed_cpus=7\nbackend=simulated\n", "0-6", "0-6", &err));
	assert_int_equal(c.poller_cpu, 2);
	assert_int_equal(c.applier_cpu, 3);
	control = cpus("1");
	managed = cpus("7");
	assert_true(cpuset_equal(&c.control_cpus, &control));
	assert_true(cpuset_equal(&c.managed_cpus, &managed));
}

static void
lcores_of_cpus(void **state)
{
	struct config c = { .backend = CONFIG_BACKEND_LIBRTE_POWER, .poller_cpu = 1 };
	char text[4096], expected[200];
	struct frq_err err;

	(void)state;
	c.control_cpus = cpus("0,2");
	c.managed_cpus = cpus("3,9");
	(void)snprintf(expected, sizeof(expected), "%u@(0,2),%u@1,3@3,9@9", RTE_MAX_LCORE - 1,
		RTE_MAX_LCORE - 2);
	assert_int_equal(eal_lcores(&c, text, sizeof(text), &err), 0);
	assert_string_equal(text, expected);
	/* The last one that librte_power can have, and the first that it cannot. */
	cpuset_add(&c.managed_cpus, RTE_MAX_LCORE - 3);
	assert_int_equal(eal_lcores(&c, text, sizeof(text), &err), 0);
	cpuset_add(&c.managed_cpus, RTE_MAX_LCORE - 2);
	assert_int_equal(eal_lcores(&c, text, sizeof(text), &err), -ERANGE);
	(void)snprintf(expected, sizeof(expected),
		"CPU %u cannot be managed: librte_power of this DPDK knows lcores below %u, of which the daemon needs two",
		RTE_MAX_LCORE - 2, RTE_MAX_LCORE);
	assert_string_equal(err.text, expected);
	c.backend = CONFIG_BACKEND_SIMULATED;
	assert_int_equal(eal_lcores(&c, text, sizeof(text), &err), 0);
}

static void
cpus_that_do_not_fit(void **state)
{
	static const struct {
		const char *text, *online, *affinity, *message;
	} cases[] = {
		{ "[daemon]\npoller_cpu = 5\n", "0-3", "0-3",
		  "[daemon] poller_cpu = 5: CPU 5 is not online; name CPUs of 0-3" },
		{ "[daemon]\npoller_cpu = 3\n", "0-3", "0-1",
		  "[daemon] poller_cpu = 3: this process may not run on CPU 3; name CPUs of 0-1 or "
		  "widen CPUAffinity, taskset or the cgroup" },
		{ "[daemon]\napplier_cpu = 5\n", "0-3", "0-3",
		  "[daemon] applier_cpu = 5: CPU 5 is not online; name CPUs of 0-3" },
		{ "[daemon]\ncontrol_cpus = 0,5\n", "0-3", "0-3",
		  "[daemon] control_cpus = 0,5: CPU 5 is not online; name CPUs of 0-3" },
		{ "[daemon]\ncontrol_cpus = 3\n", "0-3", "0-3",
		  "[daemon] control_cpus = 3: this is the poller's CPU and it is not shared; add "
		  "another CPU or choose another poller_cpu" },
		{ "", "0-3", "2",
		  "[daemon] poller_cpu = 2: no CPU is left for the other threads (usable: 2); "
		  "freqringd needs two" },
		{ "[daemon]\nmanaged_cpus = 1,5\n", "0-3", "0-3",
		  "[daemon] managed_cpus = 1,5: CPU 5 is not online; name CPUs of 0-3" },
		{ "[daemon]\nmanaged_cpus = 1,3\n", "0-3", "0-1",
		  "[daemon] managed_cpus = 1,3: this process may not run on CPU 3; name CPUs of 0-1 or "
		  "widen CPUAffinity, taskset or the cgroup" },
		{ "[daemon]\nmanaged_cpus = 1,9\nbackend = simulated\n", "0-3", "0-3",
		  "[daemon] managed_cpus = 1,9: this machine has no CPU 9; name CPUs of 0-7" },
		{ "", "0-3", "4", "no CPU that this process may run on is online" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		struct frq_err err;

		assert_false(check(&c, cases[i].text, cases[i].online, cases[i].affinity, &err));
		assert_string_equal(err.text, cases[i].message);
	}
}

static void
users(void **state)
{
	struct config c;
	struct frq_err err;

	(void)state;
	assert_int_equal(parse(&c, "[daemon]\ngroup = no-such\n", &err), 0);
	assert_false(config_check_users(&c, &err));
	assert_string_equal(err.text, "[daemon] group = no-such: no such group; make it with "
		"groupadd -r no-such or name another");
	assert_int_equal(parse(&c, "[shm]\nshm_group = no-such\n", &err), 0);
	assert_false(config_check_users(&c, &err));
	assert_string_equal(err.text, "[shm] shm_group = no-such: no such group; name the one "
		"that QEMU runs as (group in /etc/libvirt/qemu.conf)");
	assert_int_equal(parse(&c, "[shm]\nqemu_user = no-such\n", &err), 0);
	assert_false(config_check_users(&c, &err));
	assert_string_equal(err.text, "[shm] qemu_user = no-such: no such user; name the one "
		"that QEMU runs as (user in /etc/libvirt/qemu.conf)");
	assert_int_equal(parse(&c, "[daemon]\ngroup = root\n[shm]\nshm_group = root\n"
		"qemu_user = root\n", &err), 0);
	assert_true(config_check_users(&c, &err));
	assert_string_equal(c.group, "root");
	assert_string_equal(c.shm_group, "root");
	assert_string_equal(c.qemu_user, "root");
}

static void
allowed(void **state)
{
	static const struct {
		const char *allow, *name;
		bool yes;
	} cases[] = {
		{ "*", "nf1", true },
		{ "", "nf1", false },
		{ " , ,", "nf1", false },
		{ "nf1", "nf1", true },
		{ "nf1", "nf10", false },
		{ "a, nf? ,b", "nf1", true },
		{ "nf[2-3]", "nf1", false },
		{ "NF1", "nf1", false },
		{ "x,c7a5fdbd-cdaf-9455-926a-d65c16db1809", "nf1", true },
		{ "C7A5FDBD-*", "nf1", true },
		{ "c7a5", "nf1", false },
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(c.allow, sizeof(c.allow), "%s", cases[i].allow);
		assert_int_equal(config_allows(&c, cases[i].name, uuid), cases[i].yes);
	}
	memset(c.allow, '*', sizeof(c.allow) - 1);
	c.allow[sizeof(c.allow) - 1] = '\0';
	assert_true(config_allows(&c, "nf1", uuid));
}

/* The sample names every setting with its default, and is well-formed without the marks. */
static void
sample_file(void **state)
{
	const char *source = getenv("FREQRING_SOURCE");
	char path[512], bare[16384], line[128];
	struct config c, plain;
	struct frq_err err;
	size_t n = 0;
	int ch;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/host/freqringd.conf", source != NULL ? source : ".");
	f = fopen(path, "r");
	if (f == NULL)
		skip();
	config_defaults(&plain);
	c = plain;
	assert_int_equal(config_parse_file(&c, path, &err), 0);
	assert_memory_equal(&c, &plain, sizeof(c));
	/* "#key" is a setting, "# text" is prose. */
	while ((ch = fgetc(f)) != EOF && n < sizeof(bare) - 2) {
		if (ch == '#' && (n == 0 || bare[n - 1] == '\n')) {
			ch = fgetc(f);
			if (ch == ' ')
				bare[n++] = '#';
		}
		bare[n++] = (char)ch;
	}
	fclose(f);
	bare[n] = '\0';
	assert_int_equal(parse(&c, bare, &err), 0);
	/* One section for VMs, which says what holds without it. */
	assert_int_equal(c.nb_vms, 1);
	rule_is(config_rule(&c, "nf1", uuid), 0, UINT32_MAX, true, 0);
	memset(&c.vm[0], 0, sizeof(c.vm[0]));
	c.nb_vms = 0;
	assert_memory_equal(&c, &plain, sizeof(c));
	for (unsigned int i = 0; i < CONFIG_NB_ROWS; i++) {
		const struct config_setting *s = &config_settings[i];

		snprintf(line, sizeof(line), "\n%s =%s%s\n", s->key, s->def[0] != '\0' ? " " : "",
			s->def);
		assert_non_null(strstr(bare, line));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(a_whole_file),
		cmocka_unit_test(errors_in_a_file),
		cmocka_unit_test(rules_of_vms),
		cmocka_unit_test(errors_in_rules_of_vms),
		cmocka_unit_test(bounds_that_go_together),
		cmocka_unit_test(as_many_sections_of_vms_as_fit),
		cmocka_unit_test(a_long_pattern_is_not_cut),
		cmocka_unit_test(a_long_line_is_not_cut),
		cmocka_unit_test(a_list_that_goes_on_too_far),
		cmocka_unit_test(a_zero_byte),
		cmocka_unit_test(files),
		cmocka_unit_test(command_line),
		cmocka_unit_test(restore_asks_nothing_of_the_machine),
		cmocka_unit_test(cpus_left_to_the_daemon),
		cmocka_unit_test(lcores_of_cpus),
		cmocka_unit_test(cpus_that_do_not_fit),
		cmocka_unit_test(users),
		cmocka_unit_test(allowed),
		cmocka_unit_test(sample_file),
	};

	return cmocka_run_group_tests_name("config", tests, make_dir, remove_dir);
}
