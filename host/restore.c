/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cpufreq.h"
#include "journal.h"
#include "restore.h"

#define RETRIES		5	/* while cpufreq is busy, as when a CPU is plugged */
#define FIRST_PAUSE_NS	1000000

/* As the daemon locks it. @return a descriptor, or a negative errno */
static int
lock_state(const char *dir, struct frq_err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	ret = -errno;
	if (ret == -EWOULDBLOCK)
		frq_err_set(err, "%s: a freqringd works there; it gives its CPUs back itself when it ends",
			dir);
	else
		frq_err_set(err, "%s: %s", dir, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return ret == -EWOULDBLOCK ? -EBUSY : ret;
}

static int
put_back(const struct cpufreq *c, struct journal_entry *was, bool yield, bool *yielded)
{
	struct journal_entry now;
	int ret = cpufreq_read(c, &now);

	if (ret == 0)
		*yielded = yield && cpufreq_yield(c, was, &now);
	/* It may have been offline since it was set. */
	if (ret == 0 && cpufreq_is_ours(c, now.governor))
		ret = cpufreq_unguess(c);
	return ret == 0 ? cpufreq_put_back(c, was) : ret;
}

static int
put_back_patiently(const struct cpufreq *c, const struct journal_entry *was, bool yield,
	bool *yielded)
{
	struct timespec pause = { .tv_nsec = FIRST_PAUSE_NS };
	struct journal_entry goal = *was;
	int ret = put_back(c, &goal, yield, yielded);

	for (unsigned int i = 0; i < RETRIES && ret == -EBUSY; i++) {
		(void)nanosleep(&pause, NULL);
		pause.tv_nsec *= 2;
		goal = *was;
		ret = put_back(c, &goal, yield, yielded);
	}
	return ret;
}

/* What its files say after it. */
static void
tell(const struct cpufreq *c, bool yielded)
{
	struct journal_entry now;

	if (cpufreq_read(c, &now) != 0)
		return;
	printf("CPU %u: governor %s", c->cpu, now.governor);
	if (yielded)
		printf(", as somebody chose since");
	if (now.setspeed_khz != 0)
		printf(", %u kHz", now.setspeed_khz);
	if (c->driver->by_limits)
		printf(", %u to %u kHz", now.min_khz, now.max_khz);
	printf("\n");
}

static int
restore_cpu(unsigned int cpu, const struct journal_entry *was, bool yield, struct frq_err *err)
{
	struct cpufreq c = CPUFREQ_CLOSED;
	bool yielded = false;
	int ret;

	if (!cpufreq_online(cpu)) {
		frq_err_set(err, "CPU %u is offline: it stays in the journal; put it online and repeat this",
			cpu);
		return -ENXIO;
	}
	ret = cpufreq_open(&c, cpu, err);
	if (ret != 0)
		return ret;
	if (strcmp(c.driver->name, was->driver) != 0) {
		printf("CPU %u: it had the driver %s, and has %s now: nothing to put back\n", cpu,
			was->driver, c.driver->name);
	} else {
		ret = put_back_patiently(&c, was, yield, &yielded);
		if (ret == 0)
			tell(&c, yielded);
		else
			frq_err_set(err, "CPU %u cannot be put back under the governor %s: %s", cpu,
				was->governor, strerror(-ret));
	}
	cpufreq_close(&c);
	return ret;
}

/* All that can be; the first failure is told. */
static int
restore_all(struct journal *j, bool yield, struct frq_err *err)
{
	struct journal_entry was;
	struct frq_err this_err;
	int first = 0;

	for (unsigned int cpu = 0; cpu < FRQ_MAX_CPUS; cpu++) {
		int ret;

		if (!journal_get(j, cpu, &was))
			continue;
		ret = restore_cpu(cpu, &was, yield, &this_err);
		if (ret == 0)
			journal_clear(j, cpu);
		else if (first == 0)
			*err = this_err;
		first = first != 0 ? first : ret;
	}
	return first;
}

int
restore_run(const char *state_dir, bool yield, struct frq_err *err)
{
	struct journal *j;
	int fd = lock_state(state_dir, err);
	int ret;

	/* Without the folder no daemon ever ran. */
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ret = journal_open(&j, state_dir, false, err);
	if (ret == 0) {
		ret = restore_all(j, yield, err);
		journal_close(j);
	} else if (ret == -ENOENT) {
		ret = 0;
	}
	(void)close(fd);
	return ret;
}
