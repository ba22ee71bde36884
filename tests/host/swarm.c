/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swarm - guests that go on asking while freqringd is killed, in the test host
 *
 *	swarm REGION PORTS KILLS SEED FREQRINGD ARGUMENT...
 *
 * REGION is the file of a region of four vCPUs, pinned to CPUs 1 to 4; PORTS the
 * folder in which the P-states come out, as a file per CPU. Speaks for all four
 * and keeps account of what each wish has to be. Starts the daemon, kills it with
 * SIGKILL at a random moment, and again: while it starts, while requests come,
 * while it gives CPUs back, because it was told to or after SIGTERM; with or
 * without `freqringd --restore` in between, which may be killed, too.
 *
 * After each start that is let come so far: same epoch, new incarnation, and
 * before anything else is asked each wish as it has to be, steps neither lost nor
 * repeated, and in force at ports and files. At the end, after SIGTERM and after
 * `--restore`: all as it was.
 *
 * Standard output: what was done, in words. The status is 0, or 1 after the first
 * thing that is not as it has to be. What freqringd writes goes to standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "freqring.h"
#include "freqring_abi.h"

#define VOICES		4u
#define FREQS		5u
#define CPUS		6u
#define PATIENCE_MS	60000u	/* for whatever has to come */
#define STEPS_MS	150u	/* how long requests come before a kill, at most */
#define CPUFREQ		"/sys/devices/system/cpu/cpu%u/cpufreq/%s"

static const uint32_t table[FREQS] = { 2301000, 2300000, 1800000, 1200000, 800000 };
static const uint8_t pstate[FREQS] = { 0x17, 0x16, 0x12, 0x0c, 0x08 };

/* What a vCPU has asked for, as docs/protocol.md says. */
static struct voice {
	struct freqring_channel *ch;
	enum frq_wish_kind kind;
	unsigned int index;	/* of FRQ_WISH_KHZ */
} voices[VOICES];

/* A cpufreq policy that they vote on: votes on a shared one go by the highest. */
static const struct policy {
	unsigned int cpu, first, last;	/* voices */
} policies[] = { { 1, 0, 0 }, { 2, 1, 2 }, { 4, 3, 3 } };
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static const char *const kept[] = {
	"scaling_governor", "scaling_setspeed", "scaling_min_freq", "scaling_max_freq",
};
#define KEPT (sizeof(kept) / sizeof(kept[0]))
static char before[CPUS][KEPT][32];

static struct freqring *fr;
static const uint8_t *region;	/* a look of our own, for what the library does not tell */
static const char *ports;
static char **command;
static uint64_t random_state;
static unsigned int kills;
static uint64_t posted, full;
static unsigned int served_ms = 3000;	/* how long a start takes, about */

/* ---- small things ------------------------------------------------------------ */

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *fmt, ...)
{
	va_list ap;

	printf("after %u kills: ", kills);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(EXIT_FAILURE);
}

/* xorshift: the same everywhere for a seed */
static unsigned int
below(unsigned int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned int)(random_state >> 33) % n;
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
sleep_us(unsigned int us)
{
	const struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	(void)nanosleep(&ts, NULL);
}

static uint64_t
look(size_t offset)
{
	return __atomic_load_n((const uint64_t *)(region + offset), __ATOMIC_ACQUIRE);
}

static struct frq_life
life(void)
{
	return frq_life_unpack(look(FRQ_OFF_HEADER + offsetof(struct frq_header, life)));
}

/* A file's text without its newline; false where it cannot be read. */
static bool
read_file(unsigned int cpu, const char *name, char text[32])
{
	char path[128];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), CPUFREQ, cpu, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, 31) : -1;
	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n - 1 : 0] = '\0';
	return n > 0;
}

static uint8_t
port(unsigned int cpu)
{
	char path[512];
	uint8_t last = 0;
	off_t end;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%u", ports, cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	end = lseek(fd, 0, SEEK_END);
	if (end < 1 || pread(fd, &last, 1, end - 1) != 1)
		last = 0;
	(void)close(fd);
	return last;
}

/* ---- the daemon ---------------------------------------------------------------- */

static pid_t
run(char *option)
{
	pid_t pid = fork();

	if (pid == 0) {
		char *argv[32];
		int n = 0;

		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		while (command[n] != NULL && n < 30) {
			argv[n] = command[n];
			n++;
		}
		argv[n++] = option;
		argv[n] = NULL;
		(void)execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	return pid;
}

static int
reap(pid_t pid, const char *what)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() > end) {
			(void)kill(pid, SIGKILL);
			fail("%s does not end", what);
		}
		sleep_us(2000);
	}
	return status;
}

static void
kill9(pid_t pid)
{
	int status;

	(void)kill(pid, SIGKILL);
	status = reap(pid, "a killed freqringd");
	/* It may have come to its end before that. */
	if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0)
		fail("freqringd ended with status %d", WEXITSTATUS(status));
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		fail("freqringd died of signal %d", WTERMSIG(status));
	kills++;
}

/* ---- what is asked, and what that comes to -------------------------------------- */

static unsigned int
index_of(const struct voice *v)
{
	return v->kind == FRQ_WISH_KHZ ? v->index : v->kind == FRQ_WISH_MIN ? FREQS - 1 : 0;
}

static bool
done(int ret)
{
	if (ret == 1)
		posted++;
	else if (ret == -EAGAIN)
		full++;
	else if (ret < 0 && ret != -ENOTCONN)
		fail("a request: %s: %s", strerror(-ret), freqring_error(fr));
	return ret >= 0;
}

static bool
step(struct voice *v, bool up)
{
	unsigned int index = index_of(v);

	if (!done(up ? freqring_up(v->ch) : freqring_down(v->ch)))
		return false;
	if (v->kind == FRQ_WISH_NONE)
		v->kind = FRQ_WISH_MAX;
	if (v->kind == (up ? FRQ_WISH_MAX : FRQ_WISH_MIN))
		return true;
	if (up)
		index -= index > 0;
	else
		index += index < FREQS - 1;
	v->kind = FRQ_WISH_KHZ;
	v->index = index;
	return true;
}

static bool
state(struct voice *v, enum frq_wish_kind kind, unsigned int index)
{
	int ret;

	switch (kind) {
	case FRQ_WISH_MIN:
		ret = freqring_min(v->ch);
		break;
	case FRQ_WISH_MAX:
		ret = freqring_max(v->ch);
		break;
	case FRQ_WISH_KHZ:
		ret = freqring_set(v->ch, table[index]);
		break;
	default:
		ret = freqring_release(v->ch);
		break;
	}
	if (!done(ret))
		return false;
	v->kind = kind;
	v->index = index;
	return true;
}

enum manner {
	ANYTHING,	/* all operations */
	STEPS,		/* none that hides a step lost or repeated */
	TAKE_AND_GIVE,	/* opinions come and go */
	MANNERS
};

static void
ask(enum manner manner)
{
	struct voice *v = &voices[below(VOICES)];
	unsigned int index = index_of(v), what = below(8);

	if (manner == STEPS && v->kind == FRQ_WISH_KHZ)
		(void)step(v, index == FREQS - 1 || (index > 0 && what < 4));
	else if (manner == STEPS)
		(void)state(v, FRQ_WISH_KHZ, 2);
	else if (manner == TAKE_AND_GIVE)
		(void)state(v, v->kind == FRQ_WISH_NONE ? FRQ_WISH_KHZ : FRQ_WISH_NONE, below(FREQS));
	else if (what < 4)
		(void)step(v, what < 2);
	else
		(void)state(v, (enum frq_wish_kind)(what - 4), below(FREQS));
}

/* One and the other way of posting, for so long. */
static void
storm(enum manner manner, unsigned int ms, unsigned int pause_us)
{
	uint64_t end = now_ms() + ms;

	do {
		for (unsigned int i = 0; i < 16; i++)
			ask(manner);
		if (pause_us != 0)
			sleep_us(pause_us);
	} while (now_ms() < end);
}

/* ---- is it so? -------------------------------------------------------------------- */

static bool
policy_right(const struct policy *p, char *what, size_t size)
{
	unsigned int highest = FREQS;
	char governor[32], khz[32];

	for (unsigned int i = p->first; i <= p->last; i++)
		if (voices[i].kind != FRQ_WISH_NONE && index_of(&voices[i]) < highest)
			highest = index_of(&voices[i]);
	(void)read_file(p->cpu, "scaling_governor", governor);
	(void)read_file(p->cpu, "scaling_setspeed", khz);
	(void)snprintf(what, size, "CPU %u: %.31s, %.31s, its port at %#x; has to be %s %u", p->cpu, governor,
		khz, port(p->cpu), highest < FREQS ? "set to" : "as it was:",
		highest < FREQS ? table[highest] : 0);
	if (highest == FREQS)
		return strcmp(governor, before[p->cpu][0]) == 0 && strcmp(khz, before[p->cpu][1]) == 0;
	return strcmp(governor, "userspace") == 0 &&
		strtoul(khz, NULL, 10) == table[highest] && port(p->cpu) == pstate[highest];
}

static void
check_policies(void)
{
	char what[256];

	for (size_t i = 0; i < POLICIES; i++) {
		uint64_t end = now_ms() + PATIENCE_MS;

		while (!policy_right(&policies[i], what, sizeof(what))) {
			if (now_ms() > end)
				fail("%s", what);
			sleep_us(2000);
		}
	}
}

static void
check_voice(unsigned int n)
{
	static const char *const words[] = { "none", "min", "max", "kHz" };
	const struct voice *v = &voices[n];
	uint32_t khz = v->kind == FRQ_WISH_NONE ? 0 : table[index_of(v)];
	struct freqring_status st;
	int ret = freqring_wait_applied(v->ch, PATIENCE_MS * 1000);

	if (ret == 0)
		ret = freqring_get_status(v->ch, &st);
	if (ret < 0)
		fail("vCPU %u: %s: %s", n, strerror(-ret), freqring_error(fr));
	if (st.refusals != 0)
		fail("vCPU %u: %" PRIu64 " refusals, the last: %s", n, st.refusals,
			freqring_reason(st.refusal[0].reason));
	if (strcmp(st.wish, words[v->kind]) != 0 || st.wish_khz != khz)
		fail("vCPU %u: its wish is %s %u kHz, and has to be %s %u kHz", n, st.wish,
			st.wish_khz, words[v->kind], khz);
}

/* Has this daemon said something about each of them? */
static bool
all_published(struct frq_life l)
{
	for (unsigned int i = 0; i < VOICES; i++) {
		struct frq_verdict v = frq_verdict_unpack(look(FRQ_OFF_STATE +
			i * sizeof(struct frq_state_line) + offsetof(struct frq_state_line, verdict)));

		if (v.epoch != l.epoch || v.incarnation != (uint16_t)l.incarnation)
			return false;
	}
	return true;
}

static void
check_all(struct frq_life was, pid_t pid)
{
	uint64_t begin = now_ms();

	while (life().incarnation == was.incarnation || !all_published(life())) {
		if (now_ms() - begin > PATIENCE_MS)
			fail("epoch %u, incarnation %#x; it was %u, %#x", life().epoch,
				life().incarnation, was.epoch, was.incarnation);
		if (waitpid(pid, NULL, WNOHANG) != 0)
			fail("freqringd ended while it started");
		sleep_us(2000);
	}
	if (life().epoch != was.epoch)
		fail("epoch %u has become %u", was.epoch, life().epoch);
	for (unsigned int i = 0; i < VOICES; i++)
		check_voice(i);
	check_policies();
}

/* @return whether all is as it was, else what is not */
static bool
all_back(char *what, size_t size)
{
	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		for (size_t i = 0; i < KEPT; i++) {
			char now[32];

			(void)read_file(cpu, kept[i], now);
			if (strcmp(now, before[cpu][i]) == 0)
				continue;
			(void)snprintf(what, size, "CPU %u: %s is %.31s and was %.31s", cpu, kept[i], now,
				before[cpu][i]);
			return false;
		}
		for (size_t i = 0; i < FREQS; i++) {
			if (strtoul(before[cpu][1], NULL, 10) != table[i] || port(cpu) == pstate[i])
				continue;
			(void)snprintf(what, size, "CPU %u: its port is at %#x", cpu, port(cpu));
			return false;
		}
	}
	return true;
}

static void
check_back(const char *by)
{
	char what[256];

	if (!all_back(what, sizeof(what)))
		fail("%s: %s", by, what);
}

/* ---- rounds -------------------------------------------------------------------------- */

static void
restore(void)
{
	int status = reap(run("--restore"), "freqringd --restore");

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("freqringd --restore ended with %#x", (unsigned int)status);
	check_back("after --restore");
}

static pid_t
start(void)
{
	struct frq_life was = life();
	uint64_t begin = now_ms();
	pid_t pid = run(NULL);

	check_all(was, pid);
	served_ms = (served_ms * 7 + (unsigned int)(now_ms() - begin)) / 8;
	return pid;
}

enum { IN_START, IN_STORM, IN_END, IN_RESTORE, WAYS };
static unsigned int count[WAYS], restores, released;

static void
one_kill(void)
{
	unsigned int way = below(10), ms;
	pid_t pid;

	if (way < 3) {
		pid = run(NULL);
		ms = below(served_ms);
		storm(ANYTHING, ms, 2000);
		count[IN_START]++;
	} else {
		pid = start();
		storm((enum manner)below(MANNERS), below(STEPS_MS), 0);
		if (way == 9) {
			(void)kill(pid, SIGTERM);
			sleep_us(below(300) * 1000);
		}
		count[way == 9 ? IN_END : IN_STORM]++;
	}
	kill9(pid);
	if (below(8) == 0) {
		pid = run("--restore");
		sleep_us(below(400) * 1000);
		kill9(pid);
		count[IN_RESTORE]++;
	}
	if (below(5) == 0) {
		restore();
		restores++;
	}
	if (below(5) == 0) {
		for (unsigned int i = 0; i < VOICES; i++)
			(void)state(&voices[i], FRQ_WISH_NONE, 0);
		released++;
	}
}

static void
stop(pid_t pid)
{
	int status;

	(void)kill(pid, SIGTERM);
	status = reap(pid, "freqringd after SIGTERM");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("freqringd ended with %#x after SIGTERM", (unsigned int)status);
	check_back("after SIGTERM");
}

static void
begin(const char *path)
{
	struct freqring_options options = { .device = path };
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	region = mmap(NULL, FRQ_REGION_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (region == MAP_FAILED)
		fail("%s: %s", path, strerror(errno));
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		for (size_t i = 0; i < KEPT; i++)
			if (!read_file(cpu, kept[i], before[cpu][i]))
				fail("CPU %u has no %s", cpu, kept[i]);
	ret = freqring_open(&fr, &options);
	for (unsigned int i = 0; i < VOICES && ret == 0; i++)
		ret = freqring_attach(fr, i, &voices[i].ch);
	if (ret < 0)
		fail("%s: %s", strerror(-ret), freqring_error(fr));
}

static void
end(void)
{
	pid_t pid = start();

	for (unsigned int i = 0; i < VOICES; i++)
		if (!state(&voices[i], FRQ_WISH_KHZ, i))
			fail("a request was not taken");
	for (unsigned int i = 0; i < VOICES; i++)
		check_voice(i);
	check_policies();
	printf("each last wish is in force\n");
	kill9(pid);
	restore();
	printf("after --restore all is as it was\n");
	stop(start());
	printf("after SIGTERM all is as it was\n");
}

int
main(int argc, char **argv)
{
	unsigned int wanted, said = 0;

	if (argc < 6) {
		fprintf(stderr, "usage: %s REGION PORTS KILLS SEED FREQRINGD ARGUMENT...\n", argv[0]);
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	ports = argv[2];
	wanted = (unsigned int)strtoul(argv[3], NULL, 10);
	random_state = strtoul(argv[4], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) + 1;
	command = argv + 5;
	begin(argv[1]);

	stop(start());
	while (kills < wanted) {
		one_kill();
		if (kills < said + 20)
			continue;
		said = kills;
		printf("%u kills; a start takes %u ms, %" PRIu64 " requests posted\n", kills, served_ms, posted);
	}
	end();
	printf("%u kills: %u in a start, %u among requests, %u while CPUs were given back, %u in --restore; "
		"%u times restored, %u times released in between; %" PRIu64 " requests, %" PRIu64
		" more found the ring full\n", kills, count[IN_START], count[IN_STORM], count[IN_END],
		count[IN_RESTORE], restores, released, posted, full);
	freqring_close(fr);
	return EXIT_SUCCESS;
}
