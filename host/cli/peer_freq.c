/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_freq.c - commands of vm_power_manager about CPUs, and `release`
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "members.h"

/* ---- setting ---------------------------------------------------------------- */

static json_t *
freq_of(const struct value *freq)
{
	return freq->word ? json_string(freq->text) : json_integer((json_int_t)freq->number);
}

/* NULL: it failed, stderr says why, and *status. Takes the reference to `freq`. */
static json_t *
set_cpus(const struct cli *cli, const struct cpuset *cpus, json_t *freq,
	enum cli_status *status)
{
	char list[VALUE_LIST_SIZE];

	return cli_call(cli, "set_cpu_freq", json_pack("{s:s, s:o}",
		"cpus", cpuset_format(cpus, list, sizeof(list)), "freq", freq), status);
}

enum cli_status
cmd_set_cpu_freq(const struct cli *cli)
{
	enum cli_status status = CLI_OK;
	json_t *reply = cli_call(cli, "set_cpu_freq", json_pack("{s:I, s:o}",
		"cpu", (json_int_t)cli->arg[0].number, "freq", freq_of(&cli->arg[1])), &status);

	if (cli->json && reply != NULL)
		cli_print_json(reply);
	else if (!cli->json && reply == NULL)
		printf("Error scaling core(%ju) '%s'\n", (uintmax_t)cli->arg[0].number,
			cli->arg[1].text);
	json_decref(reply);
	return status;
}

enum cli_status
cmd_set_cpu_freq_mask(const struct cli *cli)
{
	enum cli_status status = CLI_OK;
	json_t *reply = set_cpus(cli, &cli->arg[0].set, freq_of(&cli->arg[1]), &status);
	char mask[VALUE_MASK_SIZE];

	if (cli->json && reply != NULL)
		cli_print_json(reply);
	else if (!cli->json && reply == NULL)
		printf("Error scaling core_mask(%s) '%s' , not all cores specified have been "
			"scaled\n", value_format_mask(&cli->arg[0].set, mask), cli->arg[1].text);
	json_decref(reply);
	return status;
}

/* What the status says of these CPUs, and of no VM; NULL: it failed, and *status. */
static json_t *
get_cpus(const struct cli *cli, const struct cpuset *cpus, enum cli_status *status)
{
	char list[VALUE_LIST_SIZE];

	return cli_call(cli, "status", json_pack("{s:s}", "cpus",
		cpuset_format(cpus, list, sizeof(list))), status);
}

/* ---- release ---------------------------------------------------------------- */

/* The CPUs that somebody set by hand. */
static bool
get_manual(const struct cli *cli, struct cpuset *cpus, enum cli_status *status)
{
	struct cpuset all;
	json_t *reply, *list;

	memset(&all, 0xff, sizeof(all));
	reply = get_cpus(cli, &all, status);
	if (reply == NULL)
		return false;
	list = json_object_get(reply, "cpus");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *cpu = json_array_get(list, i);
		intmax_t n = number_of(cpu, "cpu");

		if (is_set_by_hand(cpu) && n >= 0 && n < (intmax_t)FRQ_MAX_CPUS)
			cpuset_add(cpus, (unsigned int)n);
	}
	json_decref(reply);
	return true;
}

enum cli_status
cmd_release(const struct cli *cli)
{
	struct cpuset cpus = cli->arg[0].set;
	enum cli_status status;
	char list[VALUE_LIST_SIZE];
	json_t *reply;

	if (cli->arg[0].word && !get_manual(cli, &cpus, &status))
		return status;
	if (cpuset_empty(&cpus)) {
		reply = json_pack("{s:i}", "cpus", 0);
	} else {
		reply = set_cpus(cli, &cpus, json_string("release"), &status);
		if (reply == NULL)
			return status;
	}
	if (cli->json)
		cli_print_json(reply);
	else if (cpuset_empty(&cpus))
		printf("no CPU is set by hand\n");
	else
		printf("released: CPU %s\n", cpuset_format(&cpus, list, sizeof(list)));
	json_decref(reply);
	return CLI_OK;
}

/* ---- showing ---------------------------------------------------------------- */

/* kHz; 0: it is not managed, or nobody knows. */
static intmax_t
khz_of(const json_t *status, unsigned int cpu)
{
	const json_t *cpus = json_object_get(status, "cpus");

	for (size_t i = 0; i < json_array_size(cpus); i++) {
		const json_t *c = json_array_get(cpus, i);

		if (number_of(c, "cpu") == (intmax_t)cpu)
			return number_of(c, "khz");
	}
	return 0;
}

static void
say_unknown(unsigned int cpu)
{
	cli_error("CPU %u: freqringd does not manage it, or knows no frequency of it; see "
		"freqring status", cpu);
}

enum cli_status
cmd_show_cpu_freq(const struct cli *cli)
{
	unsigned int cpu = (unsigned int)cli->arg[0].number;
	enum cli_status status;
	json_t *reply = get_cpus(cli, &cli->arg[0].set, &status), *out;
	intmax_t khz = reply != NULL ? khz_of(reply, cpu) : 0;

	if (reply != NULL && khz == 0) {
		status = CLI_FAILED;
		say_unknown(cpu);
	}
	json_decref(reply);
	if (khz == 0) {
		if (!cli->json)
			printf("Unable to get frequency for core %u\n", cpu);
		return status;
	}
	if (cli->json) {
		out = json_pack("{s:i, s:I}", "cpu", (int)cpu, "khz", (json_int_t)khz);
		cli_print_json(out);
		json_decref(out);
	} else {
		printf("Core %u frequency: %jd\n", cpu, khz);
	}
	return CLI_OK;
}

/* As vm_power_manager had it: no line for a core that has no frequency. */
enum cli_status
cmd_show_cpu_freq_mask(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = get_cpus(cli, &cli->arg[0].set, &status), *out;

	if (reply == NULL)
		return status;
	status = CLI_OK;
	out = json_array();
	CPUSET_FOREACH(cpu, &cli->arg[0].set) {
		intmax_t khz = khz_of(reply, cpu);

		if (khz == 0) {
			status = CLI_FAILED;
			say_unknown(cpu);
			continue;
		}
		if (!cli->json)
			printf("Core %u: %jd\n", cpu, khz);
		(void)json_array_append_new(out, json_pack("{s:i, s:I}",
			"cpu", (int)cpu, "khz", (json_int_t)khz));
	}
	if (cli->json)
		cli_print_json(out);
	json_decref(out);
	json_decref(reply);
	return status;
}
