/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "members.h"
#include "printable.h"

/* Nothing is promised for a CPU that is free: it is only counted. */
static void
print_verdicts(json_t *reply)
{
	json_t *cpus = json_object_get(reply, "cpus"), *cpu;
	unsigned int nb_free = 0, nb_wrong = 0, nb_busy = 0;
	size_t i;

	make_json_printable(reply);
	if (is_simulated(reply))
		printf("backend simulated: no frequency is really set\n");
	json_array_foreach(cpus, i, cpu) {
		const char *verdict = flag_of(cpu, "busy") ? "busy" : "ok";
		bool ok = flag_of(cpu, "ok");

		nb_wrong += !ok;
		nb_busy += ok && flag_of(cpu, "busy");
		if (ok && strcmp(text_of(cpu, "control"), "free") == 0)
			nb_free++;
		else
			printf("CPU %jd: %s: %s\n", number_of(cpu, "cpu"), text_or_dash(cpu, "text"),
				ok ? verdict : "WRONG");
	}
	printf("%zu CPU%s managed, %u free, %u wrong", json_array_size(cpus),
		plural((intmax_t)json_array_size(cpus)), nb_free, nb_wrong);
	if (nb_busy != 0)
		printf(", %u busy and not compared", nb_busy);
	if (nb_wrong == 0)
		printf(": %s", nb_busy == 0 ? "all is as promised" : "no difference");
	printf("\n");
}

enum cli_status
cmd_verify(const struct cli *cli)
{
	enum cli_status status;
	json_t *reply = cli_call(cli, "verify", NULL, &status);

	if (reply == NULL)
		return status;
	status = flag_of(reply, "ok") ? CLI_OK : CLI_FAILED;
	if (cli->json)
		cli_print_json(reply);
	else
		print_verdicts(reply);
	json_decref(reply);
	return status;
}
