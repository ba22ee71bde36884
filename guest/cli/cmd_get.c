/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "freqring_abi.h"

struct table {
	uint32_t khz[FRQ_MAX_FREQS];
	int nb;
	bool turbo;
};

static void
print_refusals(const struct freqring_status *st)
{
	(void)printf("refusals     %" PRIu64 "\n", st->refusals);
	for (unsigned int i = 0; i < st->nb_refusals; i++)
		(void)printf("             request %u, operation %u, argument %" PRIu32 ": %s\n",
			st->refusal[i].seq, st->refusal[i].op, st->refusal[i].arg,
			freqring_reason(st->refusal[i].reason));
}

static void
print_one(const struct cli *cli, unsigned int vcpu, const struct freqring_status *st,
	const struct table *t)
{
	char buf[32], number[24], host[48];

	(void)printf("vCPU         %u\n", vcpu);
	if (st->pcpu < 0)
		(void)printf("pCPU         -\n");
	else
		(void)printf("pCPU         %d (of %u)\n", st->pcpu, st->nb_pcpus);
	(void)printf("frequency    %s MHz%s\n", mhz(number, st->khz), simulated(cli));
	(void)printf("wish         %s\n", wish_text(buf, st));
	(void)printf("granted      %s MHz%s: %s\n", mhz(number, st->granted_khz), simulated(cli),
		freqring_reason(st->reason));
	(void)printf("turbo        %s, %s, %s\n", st->turbo_allowed ? "allowed" : "forbidden",
		st->turbo_available ? "available" : "not available",
		st->turbo_granted ? "granted" : "not granted");
	if (st->lease_left_ms != 0)
		(void)printf("lease        %" PRIu32 ".%03" PRIu32 " s left\n",
			st->lease_left_ms / 1000, st->lease_left_ms % 1000);
	if (st->host != FREQRING_HOST_AWAKE)
		(void)printf("host         %s\n", sleep_text(host, st));
	(void)printf("table%s ", simulated(cli));
	for (int i = 0; i < t->nb; i++)
		(void)printf(" %s%s", mhz(number, t->khz[i]), i == 0 && t->turbo ? " (turbo)" : "");
	(void)printf("%s\n", t->nb > 0 ? " MHz" : " -");
	print_refusals(st);
}

static void
print_one_json(const struct cli *cli, unsigned int vcpu, const struct freqring_status *st,
	const struct table *t)
{
	json_open(NULL, '{');
	json_status(cli, vcpu, st);
	json_open("table_khz", '[');
	for (int i = 0; i < t->nb; i++)
		json_number(NULL, t->khz[i]);
	json_close(']');
	json_bool("table_turbo", t->turbo);
	json_open("refusal_log", '[');
	for (unsigned int i = 0; i < st->nb_refusals; i++) {
		json_open(NULL, '{');
		json_number("sequence", st->refusal[i].seq);
		json_number("operation", st->refusal[i].op);
		json_number("argument", st->refusal[i].arg);
		json_string("reason_text", freqring_reason(st->refusal[i].reason));
		json_close('}');
	}
	json_close(']');
	json_close('}');
	json_end();
}

static int
get_one(struct cli *cli, unsigned int vcpu)
{
	struct freqring_channel *ch;
	struct freqring_status st;
	struct table t;
	int ret = freqring_observe(cli->fr, vcpu, &ch);

	if (ret == 0)
		ret = freqring_get_status(ch, &st);
	if (ret != 0)
		return cli_library_error(cli, "get", ret);
	t.nb = freqring_freqs(ch, t.khz, FRQ_MAX_FREQS, &t.turbo);
	if (t.nb < 0)
		return cli_library_error(cli, "get", t.nb);
	if (cli->json)
		print_one_json(cli, vcpu, &st, &t);
	else
		print_one(cli, vcpu, &st, &t);
	return CLI_OK;
}

static void
print_line(const struct cli *cli, unsigned int vcpu, const struct freqring_status *st)
{
	char cpu[16] = "-", pcpu[16] = "-", now[24], granted[24], wish[32];
	int c = cpu_of_vcpu(vcpu);

	if (c >= 0)
		(void)snprintf(cpu, sizeof(cpu), "%d", c);
	if (st->pcpu >= 0)
		(void)snprintf(pcpu, sizeof(pcpu), "%d", st->pcpu);
	(void)printf("%-4s %-5u %-5s %-9s %-10s %-9s %s%s\n", cpu, vcpu, pcpu,
		mhz(now, st->khz), wish_text(wish, st), mhz(granted, st->granted_khz),
		freqring_reason(st->reason), simulated(cli));
}

static int
get_all(struct cli *cli)
{
	if (cli->json)
		json_open(NULL, '[');
	else
		(void)printf("%-4s %-5s %-5s %-9s %-10s %-9s %s\n", "CPU", "vCPU", "pCPU", "MHz",
			"wish", "granted", "");
	for (unsigned int vcpu = 0; vcpu < cli->info.nb_channels; vcpu++) {
		struct freqring_channel *ch;
		struct freqring_status st;
		int ret;

		if (!cli_has_vcpu(cli, vcpu))
			continue;
		ret = freqring_observe(cli->fr, vcpu, &ch);
		if (ret == 0)
			ret = freqring_get_status(ch, &st);
		if (ret != 0)
			return cli_library_error(cli, "get", ret);
		if (cli->json) {
			json_open(NULL, '{');
			json_status(cli, vcpu, &st);
			json_close('}');
		} else {
			print_line(cli, vcpu, &st);
		}
		freqring_detach(ch);
	}
	if (cli->json) {
		json_close(']');
		json_end();
	}
	return CLI_OK;
}

int
cmd_get(struct cli *cli, int argc, char **argv)
{
	int vcpu;

	if (argc > 2)
		return cli_usage(cli, "one LCORE at most, but got \"%s\", too", argv[2]);
	if (argc == 1)
		return get_all(cli);
	vcpu = parse_lcore(cli, argv[1]);
	return vcpu < 0 ? CLI_USAGE : get_one(cli, (unsigned int)vcpu);
}
