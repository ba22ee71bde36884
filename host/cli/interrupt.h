/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interrupt.h - Ctrl-C, where it ends what is waited for and not the program
 *
 * The descriptor becomes readable with SIGINT, so that poll() misses none.
 */
#ifndef FRQ_CLI_INTERRUPT_H
#define FRQ_CLI_INTERRUPT_H

#include <stdbool.h>

/** Catch SIGINT from now on. */
void interrupt_catch(void);

/** To poll for reading; -1 where SIGINT is not caught. */
int interrupt_fd(void);

/** Whether there was one since the last call. */
bool interrupt_take(void);

#endif /* FRQ_CLI_INTERRUPT_H */
