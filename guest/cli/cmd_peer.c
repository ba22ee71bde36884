/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of the guest command line of DPDK's vm_power_manager, with the
 * lines it prints, so that a script written for that one runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define WAIT_US 1000000u

static int
send_word(struct freqring_channel *ch, const char *word)
{
	if (strcmp(word, "up") == 0)
		return freqring_up(ch);
	if (strcmp(word, "down") == 0)
		return freqring_down(ch);
	if (strcmp(word, "min") == 0)
		return freqring_min(ch);
	if (strcmp(word, "max") == 0)
		return freqring_max(ch);
	return freqring_turbo(ch, strcmp(word, "enable_turbo") == 0);
}

static bool
is_word(const char *word)
{
	static const char *const words[] = {
		"up", "down", "min", "max", "enable_turbo", "disable_turbo",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static int
print_answer(const struct cli *cli, bool ack, const char *why)
{
	if (cli->json) {
		json_open(NULL, '{');
		json_bool("ack", ack);
		json_string("why", why);
		json_close('}');
		json_end();
	} else {
		(void)printf("%s received for message sent to host.\n", ack ? "ACK" : "NACK");
		if (!ack)
			(void)cli_error(cli->name, why, NULL);
	}
	return ack ? CLI_OK : CLI_FAILED;
}

int
cmd_set_cpu_freq(struct cli *cli, int argc, char **argv)
{
	struct freqring_status before = { .refusals = 0 }, after;
	struct freqring_channel *ch;
	unsigned int reason;
	int vcpu, ret;

	if (argc != 3 || !is_word(argv[2]))
		return cli_usage(cli, "needs an LCORE and one of up, down, min, max, enable_turbo, "
			"disable_turbo");
	vcpu = parse_lcore(cli, argv[1]);
	if (vcpu < 0)
		return CLI_USAGE;
	if (!host_is_alive(cli))
		return CLI_FAILED;
	ret = freqring_attach(cli->fr, (unsigned int)vcpu, &ch);
	if (ret == 0)
		ret = freqring_get_status(ch, &before);
	if (ret == 0)
		ret = send_word(ch, argv[2]);
	if (ret >= 0)
		ret = freqring_wait_applied(ch, WAIT_US);
	if (ret == 0)
		ret = freqring_get_status(ch, &after);
	if (ret != 0)
		return cli_library_error(cli, cli->name, ret);
	reason = after.refusals != before.refusals && after.nb_refusals != 0 ?
		after.refusal[0].reason : after.reason;
	return print_answer(cli, !is_refusal(reason), freqring_reason(reason));
}

/* Ask, and print the answer. @return 0, or what failed */
typedef int (*query_fn)(const struct cli *cli, struct freqring_channel *ch, unsigned int number);

static int
query_freq(const struct cli *cli, struct freqring_channel *ch, unsigned int number)
{
	uint32_t khz = 0;
	int ret = freqring_query_khz(ch, &khz);

	if (ret < 0)
		return ret;
	if (cli->json) {
		json_open(NULL, '{');
		json_number("vcore", number);
		json_number("freq_khz", khz);
		json_bool("simulated", cli->info.simulated);
		json_close('}');
	} else {
		(void)printf("Frequency of [%u] vcore is %" PRIu32 "%s.\n", number, khz,
			simulated(cli));
	}
	return 0;
}

static int
query_caps(const struct cli *cli, struct freqring_channel *ch, unsigned int number)
{
	struct freqring_caps caps;
	int ret = freqring_query_caps(ch, &caps);

	if (ret < 0)
		return ret;
	if (cli->json) {
		json_open(NULL, '{');
		json_number("vcore", number);
		json_bool("turbo", caps.turbo);
		json_bool("priority", caps.priority);
		json_close('}');
	} else {
		(void)printf("Capabilities of [%u] vcore are: turbo possibility: %d, "
			"is priority core: %d.\n", number, caps.turbo, caps.priority);
	}
	return 0;
}

static int
query_one(const struct cli *cli, unsigned int vcpu, unsigned int number, query_fn ask)
{
	struct freqring_channel *ch;
	int ret = freqring_observe(cli->fr, vcpu, &ch);

	if (ret == 0)
		ret = ask(cli, ch, number);
	if (ret != 0)
		return cli_library_error(cli, cli->name, ret);
	freqring_detach(ch);
	return CLI_OK;
}

static int
query(const struct cli *cli, int argc, char **argv, query_fn ask)
{
	int vcpu, ret = CLI_OK;

	if (argc != 2)
		return cli_usage(cli, "needs an LCORE, or all");
	if (strcmp(argv[1], "all") != 0) {
		vcpu = parse_lcore(cli, argv[1]);
		if (vcpu < 0)
			return CLI_USAGE;
		ret = query_one(cli, (unsigned int)vcpu, (unsigned int)strtoul(argv[1], NULL, 10),
			ask);
	} else {
		if (cli->json)
			json_open(NULL, '[');
		for (unsigned int i = 0; i < cli->info.nb_channels && ret == CLI_OK; i++)
			if (cli_has_vcpu(cli, i))
				ret = query_one(cli, i, i, ask);
		if (cli->json)
			json_close(']');
	}
	if (cli->json)
		json_end();
	return ret;
}

int
cmd_query_cpu_freq(struct cli *cli, int argc, char **argv)
{
	return query(cli, argc, argv, query_freq);
}

int
cmd_query_cpu_caps(struct cli *cli, int argc, char **argv)
{
	return query(cli, argc, argv, query_caps);
}
