/* SPDX-License-Identifier: BSD-3-Clause */
#include "status_cpus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "members.h"

void
format_mishaps(const json_t *o, char text[MISHAPS_SIZE])
{
	static const struct {
		const char *key, *word;
	} mishaps[] = {
		{ "write_errors", "FAILED" },
		{ "retries", "retried" },
		{ "drifts", "drifted" },
		{ "deferred", "deferred" },
	};
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(mishaps) / sizeof(mishaps[0]); i++) {
		intmax_t n = number_of(o, mishaps[i].key);

		if (n != 0)
			used += (size_t)snprintf(text + used, MISHAPS_SIZE - used, ", %jd %s",
				n, mishaps[i].word);
	}
}

/* "operator=1800", "operator=max, no turbo": it stands before the votes. */
static size_t
format_manual(const json_t *cpu, char *text, size_t size)
{
	const char *wish = text_of(cpu, "manual_wish");
	const json_t *turbo = json_object_get(cpu, "manual_turbo");
	const char *no_turbo = json_is_false(turbo) ? ", no turbo" : "";

	if (!is_set_by_hand(cpu))
		return 0;
	if (strcmp(wish, "kHz") == 0)
		return (size_t)snprintf(text, size, "operator=%jd%s",
			mhz(number_of(cpu, "manual_khz")), no_turbo);
	return (size_t)snprintf(text, size, "operator=%.8s%s", wish, no_turbo);
}

static void
add_votes(struct columns *c, const json_t *cpu)
{
	json_t *votes = json_object_get(cpu, "votes"), *vote;
	char text[256] = "";
	size_t used = format_manual(cpu, text, sizeof(text)), i;

	json_array_foreach(votes, i, vote) {
		intmax_t khz = number_of(vote, "khz");
		char value[24];
		int n;

		/* Max and min are no number before the CPU's table is known. */
		if (khz != 0)
			(void)snprintf(value, sizeof(value), "%jd", mhz(khz));
		else
			(void)snprintf(value, sizeof(value), "%.8s", text_or_dash(vote, "wish"));
		n = snprintf(text + used, sizeof(text) - used, "%s%s/%jd=%s",
			used == 0 ? "" : " ", text_or_dash(vote, "vm"), number_of(vote, "vcpu"), value);
		if (n < 0 || (size_t)n >= sizeof(text) - used) {
			text[used] = '\0';
			columns_add(c, "%s and %zu more", text, json_array_size(votes) - i);
			return;
		}
		used += (size_t)n;
	}
	columns_add(c, "%s", text);
}

static void
add_khz(struct columns *c, intmax_t khz, bool simulated)
{
	if (khz == 0)
		columns_add(c, "-");
	else
		columns_add(c, "%jd%s", mhz(khz), mark(simulated));
}

/* "1800 web/0, ceiling" */
static void
add_decision(struct columns *c, const json_t *cpu)
{
	const json_t *winner = json_object_get(cpu, "winner");
	const char *bound = text_of(cpu, "bound");
	intmax_t khz = number_of(cpu, "wanted_khz");
	char who[300] = "";

	if (khz == 0) {
		columns_add(c, "-");
		return;
	}
	if (flag_of(cpu, "manual"))
		(void)snprintf(who, sizeof(who), " operator");
	else if (json_is_object(winner))
		(void)snprintf(who, sizeof(who), " %.255s/%jd", text_or_dash(winner, "vm"),
			number_of(winner, "vcpu"));
	columns_add(c, "%jd%s%s%s", mhz(khz), who, bound[0] != '\0' ? ", " : "", bound);
}

/* Of "foreign governor" the first word: the line below the table says the rest. */
static void
add_control(struct columns *c, const char *control)
{
	columns_add(c, "%.*s", (int)strcspn(control, " "), control);
}

static void
add_cpu(struct columns *c, const json_t *cpu, bool simulated)
{
	char mishaps[MISHAPS_SIZE];

	format_mishaps(cpu, mishaps);
	columns_add(c, "%jd", number_of(cpu, "cpu"));
	columns_add(c, "%jd", number_of(cpu, "policy"));
	columns_add(c, "%jd", number_of(cpu, "domain"));
	columns_add(c, "%s", text_of(cpu, "driver"));
	columns_add(c, "%s", text_of(cpu, "governor"));
	add_control(c, text_of(cpu, "control"));
	add_khz(c, number_of(cpu, "khz"), simulated);
	add_khz(c, number_of(cpu, "applied_khz"), false);
	add_khz(c, number_of(cpu, "readback_khz"), false);
	add_decision(c, cpu);
	columns_add(c, "%jd%s", number_of(cpu, "writes"), mishaps);
	add_votes(c, cpu);
}

void
print_cpus(json_t *cpus, bool simulated)
{
	static const char *const heads[] = { "CPU", "POL", "DOM", "DRIVER", "GOVERNOR", "CONTROL",
		"MHz", "SET", "READ", "DECIDED", "WRITES", "VOTES", NULL };
	struct columns c;
	json_t *cpu;
	size_t i;

	if (json_array_size(cpus) == 0)
		return;
	printf("\n");
	columns_init(&c, heads);
	json_array_foreach(cpus, i, cpu)
		add_cpu(&c, cpu, simulated || strcmp(text_of(cpu, "backend"), "simulated") == 0);
	columns_finish(&c, 0);
	json_array_foreach(cpus, i, cpu) {
		if (text_of(cpu, "trouble")[0] != '\0')
			printf("CPU %jd: %s\n", number_of(cpu, "cpu"), text_of(cpu, "trouble"));
	}
}
