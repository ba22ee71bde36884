/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crash.h - the last thing that is done when the program dies by a signal
 *
 * On SIGSEGV and its like, on whatever thread, a function is called once,
 * and then the signal has its usual end. Not for signals that ask the
 * program to end (SIGTERM, ...), and nothing helps against SIGKILL.
 */
#ifndef FRQ_CRASH_H
#define FRQ_CRASH_H

/**
 * Install the handlers. The calling thread gets a stack of its own for them,
 * so that it may also have run out of stack.
 *
 * @param abandon  runs in a signal handler
 */
void crash_install(void (*abandon)(void));

/**
 * Call that function, unless it was, or none is installed. For the handler of
 * a fatal signal that somebody else owns (SIGBUS, see sigbus.h).
 */
void crash_abandon(void);

#endif /* FRQ_CRASH_H */
