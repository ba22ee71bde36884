/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sigbus.c - memory that is mapped and no longer there
 *
 * Where a device is unplugged, kernels before 5.12 take the pages of its
 * memory away, and the next access is a SIGBUS; later ones leave the mapping,
 * which then reads as zero. A region's file that is cut short faults, too. The
 * access finds zeroes instead: no magic, and so no host. A SIGBUS of anything
 * else goes to whoever had the signal before.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "freqring_pvt.h"

/* Of a process; those beyond go without. */
#define WATCHED_MAX 64u

static uintptr_t watched[WATCHED_MAX];	/* 0: free */
static struct sigaction before;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool
put_zeroes(uintptr_t at)
{
	for (unsigned int i = 0; i < WATCHED_MAX; i++) {
		uintptr_t base = __atomic_load_n(&watched[i], __ATOMIC_ACQUIRE);

		if (base == 0 || at < base || at - base >= FRQ_REGION_SIZE)
			continue;
		/* A bare system call, and so allowed here. */
		return mmap((void *)base, FRQ_REGION_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
	}
	return false;
}

static void
pass_on(int sig, siginfo_t *info, void *context)
{
	static __thread bool passing;

	/* One that came after us may pass on to us in turn. */
	if (passing || (!(before.sa_flags & SA_SIGINFO) &&
	    (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN))) {
		/* The access is repeated and has its usual end. */
		(void)signal(sig, SIG_DFL);
		if (info->si_code <= 0)
			(void)raise(sig);
		return;
	}
	passing = true;
	if ((before.sa_flags & SA_SIGINFO) != 0)
		before.sa_sigaction(sig, info, context);
	else
		before.sa_handler(sig);
	passing = false;
}

static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	int error = errno;

	if (info->si_code <= 0 || !put_zeroes((uintptr_t)info->si_addr))
		pass_on(sig, info, context);
	errno = error;
}

/* Again for each region: somebody else may have taken the signal since. */
static void
install(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK,
	}, now;

	(void)sigemptyset(&sa.sa_mask);
	(void)pthread_mutex_lock(&lock);
	if (sigaction(SIGBUS, NULL, &now) == 0 &&
	    ((now.sa_flags & SA_SIGINFO) == 0 || now.sa_sigaction != on_sigbus)) {
		before = now;
		(void)sigaction(SIGBUS, &sa, NULL);
	}
	(void)pthread_mutex_unlock(&lock);
}

void
frq_sigbus_watch(const struct frq_region *r)
{
	install();
	for (unsigned int i = 0; i < WATCHED_MAX; i++) {
		uintptr_t none = 0;

		if (__atomic_compare_exchange_n(&watched[i], &none, (uintptr_t)r->base, false,
		    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return;
	}
}

void
frq_sigbus_unwatch(const struct frq_region *r)
{
	for (unsigned int i = 0; i < WATCHED_MAX; i++)
		if (__atomic_load_n(&watched[i], __ATOMIC_RELAXED) == (uintptr_t)r->base)
			__atomic_store_n(&watched[i], 0, __ATOMIC_RELEASE);
}
