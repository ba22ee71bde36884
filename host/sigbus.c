/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "crash.h"
#include "sigbus.h"

/* base is stored last and taken away first: a handler on another thread
 * sees an entry whole or not at all.
 */
static struct {
	uintptr_t base;
	size_t size;
	bool *broken;
} watched[SIGBUS_MAX];

/* Between those who watch; the handler does without. */
static pthread_mutex_t watched_lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local bool guarded, guard_hit;

/*
 * What is mapped there may have larger pages: then part of one is refused with EINVAL.
 * After any other failure a larger piece would cover what is mapped beside it.
 */
static bool
put_zero_page(uintptr_t at)
{
	static const size_t sizes[] = { 4096, 2u << 20, 1u << 30 };
	int before = errno;
	void *page = MAP_FAILED;

	for (size_t i = 0; page == MAP_FAILED && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		page = mmap((void *)(at & ~(sizes[i] - 1)), sizes[i], PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
		if (page == MAP_FAILED && errno != EINVAL)
			break;
	}
	errno = before;
	return page != MAP_FAILED;
}

static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)context;
	if (info->si_code <= 0) {
		/* Somebody sent it: there is no access to repeat. */
		crash_abandon();
		(void)signal(sig, SIG_DFL);
		(void)raise(sig);
		return;
	}
	for (unsigned int i = 0; i < SIGBUS_MAX; i++) {
		uintptr_t base = __atomic_load_n(&watched[i].base, __ATOMIC_ACQUIRE);

		if (base == 0 || at < base || at - base >= watched[i].size)
			continue;
		/* mmap is a bare system call, and nothing else here needs more. */
		if (mmap((void *)base, watched[i].size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
		__atomic_store_n(watched[i].broken, true, __ATOMIC_RELEASE);
		return;
	}
	if (guarded && put_zero_page(at)) {
		guard_hit = true;
		return;
	}
	/* Not ours: the access is repeated and has its usual end. */
	crash_abandon();
	(void)signal(sig, SIG_DFL);
}

int
sigbus_install(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	(void)sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) == 0 ? 0 : -errno;
}

int
sigbus_watch(void *base, size_t size, bool *broken)
{
	int ret = -ENOSPC;

	(void)pthread_mutex_lock(&watched_lock);
	for (unsigned int i = 0; i < SIGBUS_MAX; i++) {
		if (watched[i].base != 0)
			continue;
		watched[i].size = size;
		watched[i].broken = broken;
		__atomic_store_n(&watched[i].base, (uintptr_t)base, __ATOMIC_RELEASE);
		ret = 0;
		break;
	}
	(void)pthread_mutex_unlock(&watched_lock);
	return ret;
}

void
sigbus_unwatch(void *base)
{
	(void)pthread_mutex_lock(&watched_lock);
	for (unsigned int i = 0; i < SIGBUS_MAX; i++)
		if (watched[i].base == (uintptr_t)base)
			__atomic_store_n(&watched[i].base, 0, __ATOMIC_RELEASE);
	(void)pthread_mutex_unlock(&watched_lock);
}

void
sigbus_guard(void)
{
	guard_hit = false;
	guarded = true;
}

bool
sigbus_unguard(void)
{
	guarded = false;
	return guard_hit;
}
