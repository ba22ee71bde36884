/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file behind a region is cut while the daemon has it mapped: the VM is
 * given up, the others and the process are not.
 */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "sigbus.h"

static char dir[64], path[128];

/* Everything runs in a child: a signal that is not survived ends only that. */
static int
status_of(int (*fn)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		(void)signal(SIGBUS, SIG_DFL);
		(void)signal(SIGSEGV, SIG_DFL);
		(void)alarm(30);
		_exit(fn());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int
setup(void **state)
{
	(void)state;
	fx_dir_make(dir);
	(void)snprintf(path, sizeof(path), "%s/freqring-vm", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fx_dir_remove(dir);
	return 0;
}

static struct frq_region
file_region(void)
{
	const struct frq_region_file who = { .owner = geteuid(), .group = (gid_t)-1 };
	struct frq_region r = FRQ_REGION_NONE;
	struct frq_err err;
	bool made;

	if (frq_region_open(&r, path, &who, &made, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(90);
	}
	return r;
}

static void *
run_poller(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

static bool
served(struct vm *vm, struct frq_producer *p, struct fx_queue *q)
{
	uint64_t end = fx_now_ms() + 2000;

	if (frq_producer_post(p, FRQ_OP_MAX, 0, 0) != 0)
		return false;
	while (fx_consumed(vm, 0).next != p->next && fx_now_ms() < end)
		(void)fx_queue_drain(q);
	return fx_consumed(vm, 0).next == p->next;
}

#define CHECK(cond, code) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
		_exit(code); \
	} \
} while (0)

static off_t cut_to;

static int
cut_while_polled(void)
{
	int notify_fd = eventfd(0, EFD_CLOEXEC);
	struct pollfd pfd = { .fd = notify_fd, .events = POLLIN };
	struct frq_producer good, bad;
	struct fx_queue queue;
	struct poller *poller;
	struct vm *vm[2];
	pthread_t t;

	CHECK(sigbus_install() == 0, 1);
	fx_queue_make(&queue);
	poller = fx_poller(&queue, fx_tsc_hz(), notify_fd);
	vm[0] = fx_vm_make(dir, 0, 4);
	vm[1] = fx_vm_over(dir, 1, 4, file_region());
	for (unsigned int i = 0; i < 2; i++) {
		fx_vm_place(vm[i], &fx_table);
		CHECK(sigbus_watch((void *)(uintptr_t)vm[i]->region.base, FRQ_REGION_SIZE,
			&vm[i]->broken) == 0, 2);
	}
	CHECK(pthread_create(&t, NULL, run_poller, poller) == 0, 3);
	CHECK(poller_add(poller, vm[0]) == 0 && poller_add(poller, vm[1]) == 0, 4);
	good = fx_attach(vm[0], 0, 1);
	bad = fx_attach(vm[1], 0, 1);
	CHECK(served(vm[0], &good, &queue) && served(vm[1], &bad, &queue), 5);
	CHECK(truncate(path, cut_to) == 0, 6);
	CHECK(poll(&pfd, 1, 5000) == 1, 7);
	CHECK(__atomic_load_n(&vm[1]->quarantined, __ATOMIC_ACQUIRE), 8);
	CHECK(__atomic_load_n(&vm[1]->broken, __ATOMIC_ACQUIRE), 9);
	CHECK(!__atomic_load_n(&vm[0]->broken, __ATOMIC_ACQUIRE), 10);
	/* the other one is served as before */
	for (unsigned int i = 0; i < 100; i++)
		CHECK(served(vm[0], &good, &queue), 11);
	/* what it wished for is not forgotten */
	CHECK(fx_wish(vm[1], 0).kind == FRQ_WISH_MAX, 12);
	/* removed by the control thread all the same */
	CHECK(poller_remove(poller, vm[1]) == 0, 13);
	sigbus_unwatch((void *)(uintptr_t)vm[1]->region.base);
	fx_vm_free(vm[1]);
	CHECK(served(vm[0], &good, &queue), 14);
	poller_stop(poller);
	(void)pthread_join(t, NULL);
	return 0;
}

static void
cut_to_nothing_while_polled(void **state)
{
	int status;

	(void)state;
	cut_to = 0;
	status = status_of(cut_while_polled);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
cut_to_the_rings_while_polled(void **state)
{
	int status;

	(void)state;
	/* header, doorbells and state are still there */
	cut_to = FRQ_OFF_RING;
	status = status_of(cut_while_polled);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* By whatever address of it, load or store; and what was there is gone. */
static int
any_page(void)
{
	struct frq_region r = file_region();
	bool broken = false;

	CHECK(sigbus_install() == 0, 1);
	CHECK(sigbus_watch((void *)(uintptr_t)r.base, FRQ_REGION_SIZE, &broken) == 0, 2);
	frq_store64((uint64_t FRQ_SHARED *)(r.base + FRQ_OFF_RING), 42);
	CHECK(truncate(path, 0) == 0, 3);
	CHECK(!broken, 4);
	frq_store64((uint64_t FRQ_SHARED *)(r.base + FRQ_REGION_SIZE - 8), 7);
	CHECK(__atomic_load_n(&broken, __ATOMIC_ACQUIRE), 5);
	CHECK(frq_load64((uint64_t FRQ_SHARED *)(r.base + FRQ_REGION_SIZE - 8)) == 7, 6);
	CHECK(frq_load64((uint64_t FRQ_SHARED *)(r.base + FRQ_OFF_RING)) == 0, 7);
	return 0;
}

static void
any_page_of_it_will_do(void **state)
{
	int status = status_of(any_page);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int
elsewhere(void)
{
	struct frq_region r = file_region();
	static bool broken;
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	volatile char *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(sigbus_install() == 0, 1);
	CHECK(sigbus_watch((void *)(uintptr_t)r.base, FRQ_REGION_SIZE, &broken) == 0, 2);
	CHECK(fd >= 0 && other != MAP_FAILED, 3);
	(void)other[0];	/* an empty file: nothing is there */
	return 4;
}

static void
sigbus_elsewhere_still_kills(void **state)
{
	int status = status_of(elsewhere);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

static int
unwatched(void)
{
	struct frq_region r = file_region();
	static bool broken;

	CHECK(sigbus_install() == 0, 1);
	CHECK(sigbus_watch((void *)(uintptr_t)r.base, FRQ_REGION_SIZE, &broken) == 0, 2);
	sigbus_unwatch((void *)(uintptr_t)r.base);
	CHECK(truncate(path, 0) == 0, 3);
	(void)frq_load64((uint64_t FRQ_SHARED *)r.base);
	return 4;
}

static void
unwatched_region_still_kills(void **state)
{
	int status = status_of(unwatched);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

/* Somebody sends it: that is no access to repeat, but it has to kill, too. */
static int
sent(void)
{
	struct timespec pause = { .tv_nsec = 100000000 };

	CHECK(sigbus_install() == 0, 1);
	(void)kill(getpid(), SIGBUS);
	(void)nanosleep(&pause, NULL);
	return 4;
}

static void
sigbus_that_was_sent_kills(void **state)
{
	int status = status_of(sent);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void
watches_are_as_many_as_vms(void **state)
{
	static char places[SIGBUS_MAX + 1];
	static bool broken;

	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < SIGBUS_MAX; i++)
			assert_int_equal(sigbus_watch(&places[i], 1, &broken), 0);
		assert_int_equal(sigbus_watch(&places[SIGBUS_MAX], 1, &broken), -ENOSPC);
		for (unsigned int i = 0; i < SIGBUS_MAX; i++)
			sigbus_unwatch(&places[i]);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(cut_to_nothing_while_polled),
		T(cut_to_the_rings_while_polled),
		T(any_page_of_it_will_do),
		T(sigbus_elsewhere_still_kills),
		T(unwatched_region_still_kills),
		T(sigbus_that_was_sent_kills),
		T(watches_are_as_many_as_vms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
