/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interrupt.h - Ctrl-C, where it ends what is waited for and not the program
 *
 * The descriptor becomes readable with SIGINT, so that poll() misses none.
 */
#ifndef FRQ_CLI_INTERRUPT_H
#define FRQ_CLI_INTERRUPT_H

#include <stdbool.h>

/** Catch SIGINT from now on; where it is ignored, it stays so. */
void interrupt_catch(void);

/** To poll for reading; -1 where SIGINT is not caught. */
int interrupt_fd(void);

/** Whether there was one since the last call; the descriptor is not readable any more. */
bool interrupt_take(void);

/** Whether there was one since interrupt_forget(), taken or not. */
bool interrupt_seen(void);
void interrupt_forget(void);

#endif /* FRQ_CLI_INTERRUPT_H */
