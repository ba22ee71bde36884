/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "crash.h"

static const int fatal[] = {
	SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGSYS, SIGTRAP,
};

#define NB_FATAL (sizeof(fatal) / sizeof(fatal[0]))

static struct sigaction before[NB_FATAL];
static void (*abandon_fn)(void);
static pid_t abandoner;	/* the thread that came first */
static char stack[65536] __attribute__((aligned(64)));

void
crash_abandon(void)
{
	void (*fn)(void) = __atomic_load_n(&abandon_fn, __ATOMIC_ACQUIRE);
	pid_t me = gettid(), first = 0;

	if (fn == NULL)
		return;
	if (__atomic_compare_exchange_n(&abandoner, &first, me, false, __ATOMIC_ACQ_REL,
	    __ATOMIC_ACQUIRE))
		fn();
	else if (first != me)
		/* To go on would end the process while that thread is at it. */
		for (;;)
			(void)pause();
}

static void
on_fatal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	crash_abandon();
	for (size_t i = 0; i < NB_FATAL; i++)
		if (fatal[i] == sig)
			(void)sigaction(sig, &before[i], NULL);
	/* An instruction that failed is repeated, and fails again. */
	if (info->si_code <= 0 || sig == SIGTRAP || sig == SIGSYS)
		(void)raise(sig);
}

void
crash_install(void (*abandon)(void))
{
	const stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = {
		.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK,
	};

	__atomic_store_n(&abandon_fn, abandon, __ATOMIC_RELEASE);
	(void)sigaltstack(&ss, NULL);
	/* A second one while the function runs ends the process there and then. */
	(void)sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < NB_FATAL; i++) {
		(void)sigaction(fatal[i], &sa, &before[i]);
		/* Whoever started us in the background may have it ignored. */
		if (before[i].sa_handler == SIG_IGN)
			(void)sigaction(fatal[i], &before[i], NULL);
	}
}
