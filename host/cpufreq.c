/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_version.h>

#include "cpufreq.h"
#include "cpufreq_pvt.h"

#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
#define AMD_PSTATE_ENV	PM_ENV_AMD_PSTATE_CPUFREQ
#else
#define AMD_PSTATE_ENV	PM_ENV_NOT_SET
#endif

static const struct cpufreq_driver drivers[] = {
	{ "acpi-cpufreq", "userspace", false, PM_ENV_ACPI_CPUFREQ, NULL },
	{ "cppc_cpufreq", "userspace", false, PM_ENV_CPPC_CPUFREQ, NULL },
	{ "amd-pstate", "userspace", false, AMD_PSTATE_ENV, "23.11" },
	{ "intel_pstate", "performance", true, PM_ENV_PSTATE_CPUFREQ, NULL },
	{ "intel_cpufreq", "performance", true, PM_ENV_PSTATE_CPUFREQ, NULL },
};

static const char *cpu_root = "/sys/devices/system/cpu";

void
cpufreq_set_root(const char *root)
{
	cpu_root = root;
}

const struct cpufreq_driver *
cpufreq_driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i].name, name) == 0)
			return &drivers[i];
	return NULL;
}

/* ---- words and numbers: no stdio, a signal handler comes here ------------------- */

static bool
ends_word(char c)
{
	return c == '\0' || c == ' ' || c == '\t' || c == '\n';
}

/* The first word at the beginning of a file that is open. */
static int
read_word(int fd, char word[CPUFREQ_WORD])
{
	ssize_t got = pread(fd, word, CPUFREQ_WORD - 1, 0);
	size_t n = 0;

	if (got < 0) {
		word[0] = '\0';
		return -errno;
	}
	word[got] = '\0';
	while (!ends_word(word[n]))
		n++;
	word[n] = '\0';
	return n > 0 ? 0 : -EIO;
}

static uint32_t
number(const char *word)
{
	uint64_t n = 0;

	for (; *word != '\0'; word++) {
		if (*word < '0' || *word > '9')
			return 0;
		n = n * 10 + (uint64_t)(*word - '0');
		if (n > UINT32_MAX)
			return 0;
	}
	return (uint32_t)n;
}

static int
read_number(int fd, uint32_t *khz)
{
	char word[CPUFREQ_WORD];
	int ret;

	*khz = 0;
	if (fd < 0)
		return 0;
	ret = read_word(fd, word);
	if (ret == 0)
		*khz = number(word);
	return ret;
}

/*
 * With its newline: the kernel does not need it, and a plain file that is not
 * cut, as tests use it, has the word as its first line.
 */
static int
write_word(int fd, const char *word)
{
	char line[CPUFREQ_WORD + 1];
	size_t n = strnlen(word, CPUFREQ_WORD - 1);
	ssize_t done;

	if (fd < 0)
		return -ENODEV;
	memcpy(line, word, n);
	line[n++] = '\n';
	done = pwrite(fd, line, n, 0);
	if (done < 0)
		return -errno;
	return done == (ssize_t)n ? 0 : -EIO;
}

static int
write_number(int fd, uint32_t khz)
{
	char word[CPUFREQ_WORD], *p = word + sizeof(word) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + khz % 10);
		khz /= 10;
	} while (khz != 0);
	return write_word(fd, p);
}

/* ---- by path -------------------------------------------------------------------- */

static int
open_file(unsigned int cpu, const char *file, int flags)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/cpu%u/%s", cpu_root, cpu, file);
	fd = open(path, flags | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int
cpufreq_word(unsigned int cpu, const char *file, char word[CPUFREQ_WORD])
{
	int fd = open_file(cpu, file, O_RDONLY);
	int ret;

	word[0] = '\0';
	if (fd < 0)
		return fd;
	ret = read_word(fd, word);
	(void)close(fd);
	return ret;
}

int
cpufreq_khz(unsigned int cpu, const char *file, uint32_t *khz)
{
	char word[CPUFREQ_WORD];
	int ret = cpufreq_word(cpu, file, word);

	*khz = ret == 0 ? number(word) : 0;
	return ret;
}

int
cpufreq_cpus(unsigned int cpu, const char *file, struct cpuset *cpus)
{
	int fd = open_file(cpu, file, O_RDONLY);
	struct frq_err err;
	char text[8192];
	ssize_t n;
	int ret;

	memset(cpus, 0, sizeof(*cpus));
	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	ret = n < 0 ? -errno : 0;
	(void)close(fd);
	if (ret < 0)
		return ret;
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == ' ')
			text[i] = ',';
	/* Nobody: of a policy that is not in force. */
	return n == 0 || cpuset_parse(cpus, text, &err) ? 0 : -EIO;
}

bool
cpufreq_online(unsigned int cpu)
{
	struct cpuset affected;
	char word[CPUFREQ_WORD];

	/* CPU 0 of most machines has no such file. */
	if (cpufreq_word(cpu, "online", word) < 0 || strcmp(word, "0") != 0)
		return true;
	return cpufreq_cpus(cpu, "cpufreq/affected_cpus", &affected) == 0 &&
		!cpuset_empty(&affected);
}

/* ---- by descriptors ------------------------------------------------------------- */

static int
find_driver(struct cpufreq *c, struct frq_err *err)
{
	char name[CPUFREQ_WORD];
	int ret = cpufreq_word(c->cpu, "cpufreq/scaling_driver", name);

	if (ret < 0) {
		frq_err_set(err, "CPU %u has no cpufreq driver (%s/cpu%u/cpufreq/scaling_driver: %s): switch P-states on in the firmware, or try freqring without them: backend = simulated",
			c->cpu, cpu_root, c->cpu, strerror(-ret));
		return -ENODEV;
	}
	c->driver = cpufreq_driver_find(name);
	if (c->driver != NULL)
		return 0;
	frq_err_set(err, "CPU %u: freqring cannot drive %s, librte_power does not know it; see what the kernel offers instead (intel_pstate=, amd_pstate= on its command line)",
		c->cpu, name);
	return -ENOTSUP;
}

/* @param needed  the driver cannot be set without it */
static int
open_one(struct cpufreq *c, const char *file, bool needed, int *fd, struct frq_err *err)
{
	int ret = open_file(c->cpu, file, O_RDWR);

	*fd = ret >= 0 ? ret : -1;
	if (ret >= 0 || (!needed && ret == -ENOENT))
		return 0;
	frq_err_set(err, "%s/cpu%u/%s: %s", cpu_root, c->cpu, file, strerror(-ret));
	return ret;
}

/* Without it nothing is known of CPUs that come and go. */
static int
open_topology(unsigned int cpu)
{
	int fd = open_file(cpu, "topology/core_id", O_RDONLY);

	return fd >= 0 ? fd : -1;
}

int
cpufreq_open(struct cpufreq *c, unsigned int cpu, struct frq_err *err)
{
	int ret;

	*c = CPUFREQ_CLOSED;
	c->cpu = cpu;
	ret = find_driver(c, err);
	if (ret == 0)
		ret = open_one(c, "cpufreq/scaling_governor", true, &c->governor_fd, err);
	if (ret == 0)
		ret = open_one(c, "cpufreq/scaling_setspeed", !c->driver->by_limits,
			&c->setspeed_fd, err);
	if (ret == 0)
		ret = open_one(c, "cpufreq/scaling_min_freq", c->driver->by_limits, &c->min_fd, err);
	if (ret == 0)
		ret = open_one(c, "cpufreq/scaling_max_freq", c->driver->by_limits, &c->max_fd, err);
	if (ret != 0)
		cpufreq_close(c);
	else
		c->topology_fd = open_topology(cpu);
	return ret;
}

void
cpufreq_close(struct cpufreq *c)
{
	const int fds[] = { c->governor_fd, c->setspeed_fd, c->min_fd, c->max_fd, c->topology_fd };

	c->governor_fd = c->setspeed_fd = c->min_fd = c->max_fd = c->topology_fd = -1;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

int
cpufreq_read(const struct cpufreq *c, struct journal_entry *e)
{
	int ret;

	memset(e, 0, sizeof(*e));
	memcpy(e->driver, c->driver->name, strlen(c->driver->name) + 1);
	ret = read_word(c->governor_fd, e->governor);
	if (ret == 0)
		ret = read_number(c->setspeed_fd, &e->setspeed_khz);
	if (ret == 0)
		ret = read_number(c->min_fd, &e->min_khz);
	if (ret == 0)
		ret = read_number(c->max_fd, &e->max_khz);
	return ret;
}

int
cpufreq_read_set(const struct cpufreq *c, char governor[CPUFREQ_WORD],
	uint32_t *min_khz, uint32_t *max_khz)
{
	int ret = read_word(c->governor_fd, governor);

	if (ret == 0)
		ret = read_number(c->driver->by_limits ? c->max_fd : c->setspeed_fd, max_khz);
	if (ret == 0 && c->driver->by_limits)
		return read_number(c->min_fd, min_khz);
	*min_khz = *max_khz;
	return ret;
}

bool
cpufreq_is_ours(const struct cpufreq *c, const char *governor)
{
	return strcmp(governor, c->driver->governor) == 0;
}

int
cpufreq_set_governor(const struct cpufreq *c, const char *governor)
{
	char now[CPUFREQ_WORD];

	if (read_word(c->governor_fd, now) == 0 && strcmp(now, governor) == 0)
		return 0;
	return write_word(c->governor_fd, governor);
}

/* In the order in which the minimum is never above the maximum. */
static int
set_limits(const struct cpufreq *c, uint32_t min_khz, uint32_t max_khz)
{
	uint32_t min_now;
	bool min_first;
	int first, second;

	min_first = read_number(c->min_fd, &min_now) == 0 && max_khz < min_now;
	first = min_first ? write_number(c->min_fd, min_khz) : write_number(c->max_fd, max_khz);
	second = min_first ? write_number(c->max_fd, max_khz) : write_number(c->min_fd, min_khz);
	return first != 0 ? first : second;
}

int
cpufreq_set_khz(const struct cpufreq *c, uint32_t khz)
{
	return c->driver->by_limits ? set_limits(c, khz, khz) :
		write_number(c->setspeed_fd, khz);
}

bool
cpufreq_yield(const struct cpufreq *c, struct journal_entry *was,
	const struct journal_entry *now)
{
	bool other = strcmp(was->governor, now->governor) != 0;

	if (cpufreq_is_ours(c, now->governor))
		return false;
	memcpy(was->governor, now->governor, sizeof(was->governor));
	was->setspeed_khz = now->setspeed_khz;
	if (now->min_khz != now->max_khz) {
		was->min_khz = now->min_khz;
		was->max_khz = now->max_khz;
	}
	return other;
}

bool
cpufreq_came_online(struct cpufreq *c)
{
	char byte;
	int fd;

	/* The file goes with the CPU, a new one comes with it. */
	if (c->topology_fd < 0 || pread(c->topology_fd, &byte, 1, 0) >= 0 || errno != ENODEV)
		return false;
	fd = open_topology(c->cpu);
	if (fd < 0)
		return false;
	(void)close(c->topology_fd);
	c->topology_fd = fd;
	return true;
}

int
cpufreq_unguess(const struct cpufreq *c)
{
	uint32_t min_khz, max_khz;
	int ret;

	if (c->driver->by_limits ||
	    cpufreq_khz(c->cpu, "cpufreq/cpuinfo_min_freq", &min_khz) != 0 ||
	    cpufreq_khz(c->cpu, "cpufreq/cpuinfo_max_freq", &max_khz) != 0)
		return 0;
	/* One of the two is not what it guesses. */
	ret = cpufreq_set_khz(c, min_khz);
	return ret == 0 ? cpufreq_set_khz(c, max_khz) : ret;
}

int
cpufreq_put_back(const struct cpufreq *c, const struct journal_entry *was)
{
	char governor[CPUFREQ_WORD];
	int ret, first;

	first = cpufreq_set_governor(c, was->governor);
	if (was->setspeed_khz != 0) {
		ret = write_number(c->setspeed_fd, was->setspeed_khz);
		first = first != 0 ? first : ret;
	}
	if (c->driver->by_limits) {
		ret = set_limits(c, was->min_khz, was->max_khz);
		first = first != 0 ? first : ret;
	}
	if (first != 0)
		return first;
	ret = read_word(c->governor_fd, governor);
	if (ret != 0)
		return ret;
	return strcmp(governor, was->governor) == 0 ? 0 : -EIO;
}
