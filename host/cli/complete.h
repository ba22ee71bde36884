/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * complete.h - what a word of a command may become, for the shell's TAB
 *
 * From the tables of commands and options; VMs are asked of the daemon.
 */
#ifndef FRQ_CLI_COMPLETE_H
#define FRQ_CLI_COMPLETE_H

#include "cli.h"

struct candidates {
	size_t nb;
	char **word;
};

/**
 * All that start with the last of the words, which may be empty.
 *
 * @param words  of one command, without the program's name
 */
void complete(const struct cli *cli, int nb_words, const char **words, struct candidates *c);

void candidates_free(struct candidates *c);

/** How many characters all of them start with. */
size_t candidates_common(const struct candidates *c);

#endif /* FRQ_CLI_COMPLETE_H */
