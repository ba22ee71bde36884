/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shell_edit.h - lines from a terminal: prompt, history, completion (libedit)
 */
#ifndef FRQ_CLI_SHELL_EDIT_H
#define FRQ_CLI_SHELL_EDIT_H

#include "cli.h"

struct editor;

/** NULL: libedit does not work on this terminal. `cli` is borrowed. */
struct editor *editor_open(const struct cli *cli);
void editor_close(struct editor *e);

/** A line, borrowed until the next call; NULL at the end of input. */
const char *editor_read(struct editor *e);

#endif /* FRQ_CLI_SHELL_EDIT_H */
