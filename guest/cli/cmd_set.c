/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "freqring_abi.h"

#define WAIT_MAX_S 3600u

/* What the words ask for. */
struct asked {
	enum frq_op op;
	uint32_t arg;
	const char *word, *more;	/* as they were given; more may be "" */
};

struct set_args {
	int vcpu;
	struct asked asked;
	uint32_t wait_s;
};

static bool
parse_asked(struct asked *a, int argc, char **argv)
{
	static const struct {
		const char *word;
		enum frq_op op;
	} words[] = {
		{ "up", FRQ_OP_UP }, { "down", FRQ_OP_DOWN }, { "min", FRQ_OP_MIN },
		{ "max", FRQ_OP_MAX }, { "release", FRQ_OP_RELEASE },
	};

	*a = (struct asked){ .word = argv[0], .more = argc == 2 ? argv[1] : "" };
	if (argc == 2 && strcmp(argv[0], "turbo") == 0) {
		a->op = strcmp(argv[1], "on") == 0 ? FRQ_OP_TURBO_ON : FRQ_OP_TURBO_OFF;
		return a->op == FRQ_OP_TURBO_ON || strcmp(argv[1], "off") == 0;
	}
	if (argc == 2 && strcmp(argv[0], "lease") == 0) {
		a->op = FRQ_OP_LEASE;
		return parse_number(&a->arg, argv[1], FRQ_ARG_MAX);
	}
	if (argc != 1)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(argv[0], words[i].word) == 0) {
			a->op = words[i].op;
			return true;
		}
	}
	a->op = FRQ_OP_SET;
	return parse_mhz(&a->arg, argv[0]);
}

static int
parse_args(struct cli *cli, int argc, char **argv, struct set_args *args)
{
	if (argc >= 3 && strcmp(argv[argc - 2], "-w") == 0) {
		if (!parse_number(&args->wait_s, argv[argc - 1], WAIT_MAX_S))
			return cli_usage(cli, "-w %s: not a number of seconds up to %u",
				argv[argc - 1], WAIT_MAX_S);
		argc -= 2;
	}
	if (argc < 3)
		return cli_usage(cli, "needs an LCORE and what to ask for");
	args->vcpu = parse_lcore(cli, argv[1]);
	if (args->vcpu < 0)
		return CLI_USAGE;
	if (!parse_asked(&args->asked, argc - 2, argv + 2))
		return cli_usage(cli, "\"%s%s%s\" is none of up, down, min, max, a frequency in "
			"MHz, turbo on|off, release, lease SECONDS", argv[2],
			argc > 3 ? " " : "", argc > 3 ? argv[3] : "");
	return CLI_OK;
}

static int
ask(struct freqring_channel *ch, const struct asked *a)
{
	switch (a->op) {
	case FRQ_OP_UP:
		return freqring_up(ch);
	case FRQ_OP_DOWN:
		return freqring_down(ch);
	case FRQ_OP_MIN:
		return freqring_min(ch);
	case FRQ_OP_MAX:
		return freqring_max(ch);
	case FRQ_OP_SET:
		return freqring_set(ch, a->arg);
	case FRQ_OP_RELEASE:
		return freqring_release(ch);
	case FRQ_OP_LEASE:
		return freqring_lease(ch, a->arg);
	default:
		return freqring_turbo(ch, a->op == FRQ_OP_TURBO_ON);
	}
}

static void
print_result(const struct cli *cli, const struct set_args *args,
	const struct freqring_status *st, bool refused, const char *why)
{
	char number[24], wish[32];

	if (cli->json) {
		json_open(NULL, '{');
		json_string("asked", args->asked.word);
		if (*args->asked.more != '\0')
			json_string("asked_value", args->asked.more);
		json_bool("refused", refused);
		json_string("why", why);
		json_status(cli, (unsigned int)args->vcpu, st);
		json_close('}');
		json_end();
		return;
	}
	(void)printf("asked %s%s%s: ", args->asked.word, *args->asked.more != '\0' ? " " : "",
		args->asked.more);
	if (refused)
		(void)printf("refused: %s; ", why);
	/* Over virtio-serial "granted" is what the host runs at, if it says so. */
	if (st->transport == FREQRING_TRANSPORT_SERIAL && st->khz == 0)
		(void)printf("%s", refused ? "the wish is as it was" : "done");
	else
		(void)printf("wish %s, granted %s MHz%s", wish_text(wish, st),
			mhz(number, st->granted_khz), simulated(cli));
	if (!refused && st->reason != FRQ_REASON_OK)
		(void)printf(": %s", why);
	if (st->transport == FREQRING_TRANSPORT_SERIAL) {
		(void)putchar('\n');
		return;
	}
	if (args->asked.op == FRQ_OP_TURBO_ON || args->asked.op == FRQ_OP_TURBO_OFF)
		(void)printf(", turbo %s and %s", st->turbo_allowed ? "allowed" : "forbidden",
			st->turbo_granted ? "granted" : "not granted");
	(void)putchar('\n');
}

/* A refusal that was logged meanwhile, or a reason for which there is
 * nothing to grant; who has no wish is refused nothing.
 */
static int
report(const struct cli *cli, const struct set_args *args, const struct freqring_status *before,
	const struct freqring_status *st)
{
	bool logged = st->refusals != before->refusals && st->nb_refusals != 0;
	bool standing = is_refusal(st->reason) && args->asked.op != FRQ_OP_RELEASE;
	unsigned int reason = logged ? st->refusal[0].reason : st->reason;

	print_result(cli, args, st, logged || standing, freqring_reason(reason));
	return logged || standing ? CLI_FAILED : CLI_OK;
}

int
cmd_set(struct cli *cli, int argc, char **argv)
{
	struct freqring_status before = { .refusals = 0 }, after;
	struct freqring_channel *ch;
	struct set_args args = { .wait_s = 1, .asked.more = "" };
	int ret = parse_args(cli, argc, argv, &args);

	if (ret != CLI_OK)
		return ret;
	if (!host_is_alive(cli))
		return CLI_FAILED;
	ret = freqring_attach(cli->fr, (unsigned int)args.vcpu, &ch);
	if (ret == 0)
		ret = freqring_get_status(ch, &before);
	if (ret == 0)
		ret = ask(ch, &args.asked);
	if (ret >= 0)
		ret = freqring_wait_applied(ch, args.wait_s * 1000000u);
	if (ret == 0)
		ret = freqring_get_status(ch, &after);
	return ret != 0 ? cli_library_error(cli, "set", ret) : report(cli, &args, &before, &after);
}
