/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

static bool first = true;	/* nothing stands before, at this level */

static void
print_string(const char *s)
{
	(void)putchar('"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			(void)printf("\\%c", c);
		else if (c < 0x20)
			(void)printf("\\u%04x", c);
		else
			(void)putchar(c);
	}
	(void)putchar('"');
}

static void
print_key(const char *key)
{
	if (!first)
		(void)fputs(", ", stdout);
	first = false;
	if (key != NULL) {
		print_string(key);
		(void)fputs(": ", stdout);
	}
}

void
json_open(const char *key, char bracket)
{
	print_key(key);
	(void)putchar(bracket);
	first = true;
}

void
json_close(char bracket)
{
	(void)putchar(bracket);
	first = false;
}

void
json_string(const char *key, const char *value)
{
	print_key(key);
	print_string(value);
}

void
json_number(const char *key, uint64_t value)
{
	print_key(key);
	(void)printf("%" PRIu64, value);
}

void
json_integer(const char *key, int64_t value)
{
	print_key(key);
	(void)printf("%" PRId64, value);
}

void
json_tenths(const char *key, uint64_t value_x10)
{
	print_key(key);
	(void)printf("%" PRIu64 ".%" PRIu64, value_x10 / 10, value_x10 % 10);
}

void
json_bool(const char *key, bool value)
{
	print_key(key);
	(void)fputs(value ? "true" : "false", stdout);
}

void
json_end(void)
{
	(void)putchar('\n');
	(void)fflush(stdout);
	first = true;
}

void
json_status(const struct cli *cli, unsigned int vcpu, const struct freqring_status *st)
{
	json_integer("cpu", cpu_of_vcpu(vcpu));
	json_number("vcpu", vcpu);
	json_integer("pcpu", st->pcpu);
	json_number("pcpus", st->nb_pcpus);
	json_number("freq_khz", st->khz);
	json_string("wish", st->wish);
	json_number("wish_khz", st->wish_khz);
	json_number("granted_khz", st->granted_khz);
	json_number("reason", st->reason);
	json_string("reason_text", freqring_reason(st->reason));
	json_bool("turbo_allowed", st->turbo_allowed);
	json_bool("turbo_available", st->turbo_available);
	json_bool("turbo_granted", st->turbo_granted);
	json_number("lease_left_ms", st->lease_left_ms);
	json_number("refusals", st->refusals);
	json_string("host", freqring_host_name(st->host));
	json_number("host_ms", st->host_ms);
	json_number("host_sleeps", st->host_sleeps);
	json_string("transport", freqring_transport_name(st->transport));
	json_number("moves", st->moves);
	json_bool("simulated", cli->info.simulated);
}
