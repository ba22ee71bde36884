/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process that dies by a signal: what was installed ran, once, and the
 * signal ended it as it would have without.
 */
#include "fixture.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "crash.h"
#include "sigbus.h"

static int told[2];	/* a pipe: a byte for each time that abandon ran */

static void
abandon(void)
{
	(void)!write(told[1], "a", 1);
}

/* Longer than the other thread needs to get there, too. */
static void
abandon_slowly(void)
{
	const struct timespec pause = { .tv_nsec = 200000000 };

	abandon();
	(void)nanosleep(&pause, NULL);
	(void)!write(told[1], "b", 1);
}

static void
abandon_badly(void)
{
	abandon();
	(void)raise(SIGILL);
	__builtin_trap();
}

static char *volatile nowhere = (char *)64;

static void
segfault(void)
{
	*nowhere = 1;
}

static void
trap(void)
{
	__builtin_trap();
}

static void
kill_segv(void)
{
	(void)kill(getpid(), SIGSEGV);
}

static void
kill_quit(void)
{
	(void)kill(getpid(), SIGQUIT);
}

static void
kill_trap(void)
{
	(void)kill(getpid(), SIGTRAP);
}

static void
kill_bus(void)
{
	(void)kill(getpid(), SIGBUS);
}

static void
real_bus(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_create("cut", 0), 0);

	*p = 1;
}

static void *
segfault_main(void *arg)
{
	(void)arg;
	segfault();
	return NULL;
}

static void
two_threads(void)
{
	pthread_t t[2];

	for (unsigned int i = 0; i < 2; i++)
		(void)pthread_create(&t[i], NULL, segfault_main, NULL);
	for (unsigned int i = 0; i < 2; i++)
		(void)pthread_join(t[i], NULL);
}

static volatile int enough = INT_MAX;

/* Until the stack is out. */
static int __attribute__((noinline))
recurse(int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth == enough ? 0 : recurse(depth + 1) + frame[0];
}

static void
overflow(void)
{
	(void)recurse(0);
}

/* What a child did before it died of `signal`. */
static void
dies(void (*fn)(void), void (*abandon_fn)(void), int signal, const char *expected)
{
	const struct rlimit none = { .rlim_cur = 0 };
	char seen[8] = "";
	pid_t child;
	int status;

	assert_int_equal(pipe(told), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)alarm(60);
		/* Not the sanitizer's: it would exit with a report. */
		(void)sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		(void)sigaction(SIGBUS, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		(void)sigaction(SIGILL, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		(void)sigaction(SIGABRT, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		/* Ignored where the tests run in the background of a script. */
		(void)sigaction(SIGQUIT, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		if (sigbus_install() == 0)
			crash_install(abandon_fn);
		fn();
		_exit(0);
	}
	(void)close(told[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(read(told[0], seen, sizeof(seen) - 1) >= 0);
	(void)close(told[0]);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal);
	assert_string_equal(seen, expected);
}

static void
test_own_fault(void **state)
{
	(void)state;
	dies(segfault, abandon, SIGSEGV, "a");
	dies(trap, abandon, SIGILL, "a");
	dies(abort, abandon, SIGABRT, "a");
	dies(real_bus, abandon, SIGBUS, "a");
}

static void
test_sent(void **state)
{
	(void)state;
	dies(kill_segv, abandon, SIGSEGV, "a");
	dies(kill_quit, abandon, SIGQUIT, "a");
	dies(kill_trap, abandon, SIGTRAP, "a");
	dies(kill_bus, abandon, SIGBUS, "a");
}

/* Started in the background, say: it stays ignored. */
static void
test_ignored(void **state)
{
	struct sigaction sa;

	(void)state;
	(void)signal(SIGQUIT, SIG_IGN);
	crash_install(abandon);
	(void)sigaction(SIGQUIT, NULL, &sa);
	assert_ptr_equal(sa.sa_handler, SIG_IGN);
	for (int i = 1; i < NSIG; i++)
		if (i == SIGSEGV || i == SIGILL || i == SIGFPE || i == SIGABRT || i == SIGQUIT)
			(void)signal(i, SIG_DFL);
}

static void
test_two_threads(void **state)
{
	(void)state;
	dies(two_threads, abandon_slowly, SIGSEGV, "ab");
}

static void
test_no_stack(void **state)
{
	(void)state;
	dies(overflow, abandon, SIGSEGV, "a");
}

/* It does not come back for more. */
static void
test_fault_in_abandon(void **state)
{
	(void)state;
	dies(segfault, abandon_badly, SIGILL, "a");
	dies(kill_bus, abandon_badly, SIGILL, "a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_fault),
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_ignored),
		cmocka_unit_test(test_no_stack),
		cmocka_unit_test(test_fault_in_abandon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
