/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wake.h - a thread that sleeps until there is something new
 *
 * The word is 1 while the sleeper sleeps or is about to. It stores 1, then
 * looks whether there is something new, and sleeps if not; others store what
 * is new, then look at the word. Both have a full fence in between, so one of
 * the two sees the other. One system call each (futex(2)). A sleeper that sleeps
 * in an event loop is woken otherwise, by who was told so by wake_take.
 */
#ifndef FRQ_WAKE_H
#define FRQ_WAKE_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/** Announce sleep; look for what is new after it. */
static inline void
wake_prepare(uint32_t *sleeping)
{
	__atomic_store_n(sleeping, 1, __ATOMIC_RELAXED);
	/* Pairs with the fence in wake_take. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/** Sleep, unless somebody woke us since. @param timeout  NULL: none */
static inline void
wake_wait(uint32_t *sleeping, const struct timespec *timeout)
{
	(void)syscall(SYS_futex, sleeping, FUTEX_WAIT_PRIVATE, 1, timeout, NULL, 0);
}

/** It is awake, whyever. */
static inline void
wake_done(uint32_t *sleeping)
{
	__atomic_store_n(sleeping, 0, __ATOMIC_RELAXED);
}

/** After something new was stored. @return whether it sleeps, and is to be woken by who asks */
static inline bool
wake_take(uint32_t *sleeping)
{
	/* Pairs with the fence in wake_prepare. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(sleeping, __ATOMIC_RELAXED) != 0 &&
		__atomic_exchange_n(sleeping, 0, __ATOMIC_RELAXED) != 0;
}

/** After something new was stored. @return whether a system call was needed */
static inline bool
wake_sleeper(uint32_t *sleeping)
{
	if (!wake_take(sleeping))
		return false;
	(void)syscall(SYS_futex, sleeping, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return true;
}

#endif /* FRQ_WAKE_H */
