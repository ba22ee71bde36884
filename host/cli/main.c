/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - freqring, the operator's command
 */
#include <locale.h>
#include <stdio.h>

#include "cli.h"

int
main(int argc, char **argv)
{
	static const struct cli cli = { .socket = DEFAULT_SOCKET };
	enum cli_status status;

	/* For the shell, where names in UTF-8 are typed. */
	(void)setlocale(LC_CTYPE, "");
	status = cli_run(&cli, argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("freqring: output");
		return CLI_FAILED;
	}
	return (int)status;
}
