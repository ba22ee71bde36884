/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A CPU's cpufreq files, and what --restore does with them: on a tree of
 * plain files. Every write is seen, and may be refused, by a pwrite of the
 * test's own (-Wl,--wrap).
 */
#include "fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cpu_group.h"
#include "cpufreq.h"
#include "cpufreq_pvt.h"
#include "journal.h"
#include "restore.h"

static char dir[64], root[80], state_dir[80];

/* ---- the tree --------------------------------------------------------------- */

static void
put(unsigned int cpu, const char *file, const char *text)
{
	char path[200];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/cpu%u/%s", root, cpu, file);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
drop(unsigned int cpu, const char *file)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/cpu%u/%s", root, cpu, file);
	assert_int_equal(unlink(path), 0);
}

static void
is(unsigned int cpu, const char *file, const char *expected)
{
	char word[CPUFREQ_WORD];

	assert_int_equal(cpufreq_word(cpu, file, word), 0);
	assert_string_equal(word, expected);
}

static void
make_cpu(unsigned int cpu, const char *driver, const char *governor)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/cpu%u", root, cpu);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/cpu%u/cpufreq", root, cpu);
	assert_int_equal(mkdir(path, 0700), 0);
	put(cpu, "cpufreq/scaling_driver", driver);
	put(cpu, "cpufreq/scaling_governor", governor);
	put(cpu, "cpufreq/scaling_setspeed", "<unsupported>\n");
	put(cpu, "cpufreq/scaling_min_freq", "800000\n");
	put(cpu, "cpufreq/scaling_max_freq", "3500000\n");
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* ---- writes ------------------------------------------------------------------ */

static char written[1024];	/* "scaling_governor=powersave ..." */
static const char *refused_file;
static int refused_errno;
static unsigned int refused_times;
static bool crossed;		/* the minimum was above the maximum */

static void
reset_writes(void)
{
	written[0] = '\0';
	refused_file = NULL;
	crossed = false;
}

static void
refuse(const char *file, int error, unsigned int times)
{
	refused_file = file;
	refused_errno = error;
	refused_times = times;
}

static void
look_at_limits(const char *path)
{
	char file[300];
	unsigned int khz[2] = { 0, UINT32_MAX };

	for (unsigned int i = 0; i < 2; i++) {
		FILE *f;

		(void)snprintf(file, sizeof(file), "%.*s/%s", (int)(strrchr(path, '/') - path),
			path, i == 0 ? "scaling_min_freq" : "scaling_max_freq");
		f = fopen(file, "re");
		if (f == NULL)
			return;
		(void)!fscanf(f, "%u", &khz[i]);
		(void)fclose(f);
	}
	crossed |= khz[0] > khz[1];
}

ssize_t __real_pwrite64(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t at);

ssize_t
__wrap_pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	char link[64], path[300];
	const char *file;
	ssize_t len, ret;
	size_t used = strlen(written);
	int error;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	file = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	if (refused_file != NULL && strcmp(file, refused_file) == 0 && refused_times != 0) {
		refused_times--;
		errno = refused_errno;
		return -1;
	}
	(void)snprintf(written + used, sizeof(written) - used, "%s=%.*s ", file, (int)n - 1,
		(const char *)buf);
	ret = __real_pwrite64(fd, buf, n, at);
	error = errno;
	look_at_limits(path);
	errno = error;
	return ret;
}

/* ---- fixture ------------------------------------------------------------------- */

static int
setup(void **state)
{
	(void)state;
	fx_dir_make(dir);
	(void)snprintf(root, sizeof(root), "%s/cpu", dir);
	(void)snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(mkdir(state_dir, 0700), 0);
	cpufreq_set_root(root);
	reset_writes();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct cpufreq
open_cpu(unsigned int cpu)
{
	struct frq_err err = { .text = "" };
	struct cpufreq c;
	int ret = cpufreq_open(&c, cpu, &err);

	if (ret != 0)
		fail_msg("%d: %s", ret, err.text);
	return c;
}

/* ---- files ---------------------------------------------------------------------- */

static void
test_words(void **state)
{
	char word[CPUFREQ_WORD];
	uint32_t khz;

	(void)state;
	make_cpu(3, "acpi-cpufreq\n", "ondemand");
	is(3, "cpufreq/scaling_driver", "acpi-cpufreq");
	is(3, "cpufreq/scaling_governor", "ondemand");
	assert_int_equal(cpufreq_word(3, "cpufreq/nothing", word), -ENOENT);
	assert_string_equal(word, "");
	put(3, "f", "");
	assert_int_equal(cpufreq_word(3, "f", word), -EIO);
	put(3, "f", "a_name_that_is_longer_than_any_of_the_kernel\n");
	assert_int_equal(cpufreq_word(3, "f", word), 0);
	assert_int_equal(strlen(word), CPUFREQ_WORD - 1);

	put(3, "f", "2301000\n");
	assert_int_equal(cpufreq_khz(3, "f", &khz), 0);
	assert_int_equal(khz, 2301000);
	put(3, "f", "4294967295\n");
	assert_int_equal(cpufreq_khz(3, "f", &khz), 0);
	assert_int_equal(khz, UINT32_MAX);
	put(3, "f", "4294967296\n");
	assert_int_equal(cpufreq_khz(3, "f", &khz), 0);
	assert_int_equal(khz, 0);
	assert_int_equal(cpufreq_khz(3, "cpufreq/scaling_setspeed", &khz), 0);
	assert_int_equal(khz, 0);
	assert_int_equal(cpufreq_khz(4, "cpufreq/scaling_setspeed", &khz), -ENOENT);
	assert_int_equal(khz, 0);
}

static void
test_cpus(void **state)
{
	static const struct {
		const char *text, *list;
		int ret;
	} t[] = {
		{ "0 2 3\n", "0,2-3", 0 },
		{ "0-1,5\n", "0-1,5", 0 },
		{ "7\n", "7", 0 },
		{ "\n", "", 0 },
		{ "", "", 0 },
		{ "none\n", "", -EIO },
	};
	struct cpuset cpus;
	char list[64];

	(void)state;
	make_cpu(0, "acpi-cpufreq", "ondemand");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		put(0, "cpufreq/related_cpus", t[i].text);
		assert_int_equal(cpufreq_cpus(0, "cpufreq/related_cpus", &cpus), t[i].ret);
		assert_string_equal(cpuset_format(&cpus, list, sizeof(list)), t[i].list);
	}
	assert_int_equal(cpufreq_cpus(0, "nothing", &cpus), -ENOENT);
}

static void
test_online(void **state)
{
	(void)state;
	make_cpu(1, "acpi-cpufreq", "ondemand");
	assert_true(cpufreq_online(1));
	put(1, "online", "1\n");
	assert_true(cpufreq_online(1));
	put(1, "online", "0\n");
	assert_false(cpufreq_online(1));
	/* Its policy is in force for another one, and can be set. */
	put(1, "cpufreq/affected_cpus", "2\n");
	assert_true(cpufreq_online(1));
	put(1, "cpufreq/affected_cpus", "\n");
	assert_false(cpufreq_online(1));
}

static void
test_drivers(void **state)
{
	static const struct {
		const char *name, *governor;
		bool by_limits;
	} t[] = {
		{ "acpi-cpufreq", "userspace", false },
		{ "cppc_cpufreq", "userspace", false },
		{ "amd-pstate", "userspace", false },
		{ "intel_pstate", "performance", true },
		{ "intel_cpufreq", "performance", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const struct cpufreq_driver *d = cpufreq_driver_find(t[i].name);

		assert_non_null(d);
		assert_string_equal(d->governor, t[i].governor);
		assert_int_equal(d->by_limits, t[i].by_limits);
		assert_true(d->env != PM_ENV_NOT_SET || d->since != NULL);
	}
	assert_null(cpufreq_driver_find("amd-pstate-epp"));
	assert_null(cpufreq_driver_find(""));
}

static void
open_fails(unsigned int cpu, int expected, const char *says)
{
	struct frq_err err = { .text = "" };
	struct cpufreq c;

	assert_int_equal(cpufreq_open(&c, cpu, &err), expected);
	assert_false(cpufreq_is_open(&c));
	if (strstr(err.text, says) == NULL)
		fail_msg("says: %s", err.text);
}

static void
test_open(void **state)
{
	struct cpufreq c;

	(void)state;
	open_fails(0, -ENODEV, "CPU 0 has no cpufreq driver");
	make_cpu(0, "intel_pstate", "powersave");
	drop(0, "cpufreq/scaling_setspeed");
	c = open_cpu(0);
	cpufreq_close(&c);
	assert_false(cpufreq_is_open(&c));
	drop(0, "cpufreq/scaling_max_freq");
	open_fails(0, -ENOENT, "scaling_max_freq: No such file");

	make_cpu(1, "acpi-cpufreq", "ondemand");
	drop(1, "cpufreq/scaling_max_freq");
	drop(1, "cpufreq/scaling_min_freq");
	c = open_cpu(1);
	cpufreq_close(&c);
	drop(1, "cpufreq/scaling_setspeed");
	open_fails(1, -ENOENT, "scaling_setspeed: No such file");
	drop(1, "cpufreq/scaling_governor");
	open_fails(1, -ENOENT, "scaling_governor: No such file");

	make_cpu(2, "amd-pstate-epp", "powersave");
	open_fails(2, -ENOTSUP, "cannot drive amd-pstate-epp");
}

/* ---- written ---------------------------------------------------------------------- */

/* Plain files are not cut: a shorter word over a longer one has to be the first. */
static void
test_short_over_long(void **state)
{
	struct journal_entry e;
	struct cpufreq c;

	(void)state;
	make_cpu(0, "acpi-cpufreq\n", "performance\n");
	put(0, "cpufreq/scaling_setspeed", "2301000\n");
	c = open_cpu(0);
	assert_int_equal(cpufreq_set_governor(&c, "userspace"), 0);
	assert_int_equal(cpufreq_set_khz(&c, 800000), 0);
	is(0, "cpufreq/scaling_governor", "userspace");
	is(0, "cpufreq/scaling_setspeed", "800000");
	assert_int_equal(cpufreq_read(&c, &e), 0);
	assert_string_equal(e.driver, "acpi-cpufreq");
	assert_string_equal(e.governor, "userspace");
	assert_int_equal(e.setspeed_khz, 800000);
	assert_int_equal(e.min_khz, 800000);
	assert_int_equal(e.max_khz, 3500000);
	/* Not again: the kernel would refuse it while a CPU is plugged. */
	reset_writes();
	assert_int_equal(cpufreq_set_governor(&c, "userspace"), 0);
	assert_string_equal(written, "");
	cpufreq_close(&c);
}

static void
test_read_set(void **state)
{
	char governor[CPUFREQ_WORD];
	uint32_t min_khz, max_khz;
	struct cpufreq c;

	(void)state;
	make_cpu(0, "intel_cpufreq", "performance");
	c = open_cpu(0);
	assert_int_equal(cpufreq_read_set(&c, governor, &min_khz, &max_khz), 0);
	assert_true(cpufreq_is_ours(&c, governor));
	assert_int_equal(min_khz, 800000);
	assert_int_equal(max_khz, 3500000);
	cpufreq_close(&c);

	make_cpu(1, "cppc_cpufreq", "schedutil");
	c = open_cpu(1);
	assert_int_equal(cpufreq_read_set(&c, governor, &min_khz, &max_khz), 0);
	assert_false(cpufreq_is_ours(&c, governor));
	assert_int_equal(min_khz, 0);
	assert_int_equal(max_khz, 0);
	put(1, "cpufreq/scaling_setspeed", "1500000\n");
	assert_int_equal(cpufreq_read_set(&c, governor, &min_khz, &max_khz), 0);
	assert_int_equal(min_khz, 1500000);
	assert_int_equal(max_khz, 1500000);
	cpufreq_close(&c);
}

/* Whatever is in force and whatever comes, the minimum never passes the maximum. */
static void
test_order_of_limits(void **state)
{
	static const uint32_t khz[] = { 800000, 1200000, 2300000, 3500000 };
	struct journal_entry was = { .driver = "intel_pstate", .governor = "powersave" };
	struct cpufreq c;
	char text[32];

	(void)state;
	make_cpu(0, "intel_pstate", "powersave");
	c = open_cpu(0);
	for (unsigned int i = 0; i < 256; i++) {
		uint32_t min_now = khz[i & 3], max_now = khz[i >> 2 & 3];

		was.min_khz = khz[i >> 4 & 3];
		was.max_khz = khz[i >> 6];
		if (min_now > max_now || was.min_khz > was.max_khz)
			continue;
		(void)snprintf(text, sizeof(text), "%u\n", min_now);
		put(0, "cpufreq/scaling_min_freq", text);
		(void)snprintf(text, sizeof(text), "%u\n", max_now);
		put(0, "cpufreq/scaling_max_freq", text);
		assert_int_equal(cpufreq_put_back(&c, &was), 0);
		assert_false(crossed);
		(void)snprintf(text, sizeof(text), "%u", was.min_khz);
		is(0, "cpufreq/scaling_min_freq", text);
		(void)snprintf(text, sizeof(text), "%u", was.max_khz);
		is(0, "cpufreq/scaling_max_freq", text);
	}
	reset_writes();
	assert_int_equal(cpufreq_set_khz(&c, 3500000), 0);
	assert_int_equal(cpufreq_set_khz(&c, 1200000), 0);
	assert_int_equal(cpufreq_set_khz(&c, 2300000), 0);
	assert_string_equal(written,
		"scaling_max_freq=3500000 scaling_min_freq=3500000 "
		"scaling_min_freq=1200000 scaling_max_freq=1200000 "
		"scaling_max_freq=2300000 scaling_min_freq=2300000 ");
	cpufreq_close(&c);
}

/* Only what librte_power changes under that driver. */
static void
test_put_back(void **state)
{
	struct journal_entry was = {
		.governor = "ondemand", .min_khz = 1000000, .max_khz = 2000000,
	};
	struct cpufreq c;

	(void)state;
	make_cpu(0, "acpi-cpufreq", "userspace");
	c = open_cpu(0);
	assert_int_equal(cpufreq_put_back(&c, &was), 0);
	assert_string_equal(written, "scaling_governor=ondemand ");
	was.setspeed_khz = 1800000;
	(void)snprintf(was.governor, sizeof(was.governor), "userspace");
	reset_writes();
	assert_int_equal(cpufreq_put_back(&c, &was), 0);
	assert_string_equal(written, "scaling_governor=userspace scaling_setspeed=1800000 ");
	cpufreq_close(&c);

	make_cpu(1, "intel_pstate", "performance");
	put(1, "cpufreq/scaling_min_freq", "3500000\n");
	c = open_cpu(1);
	was.setspeed_khz = 0;
	(void)snprintf(was.governor, sizeof(was.governor), "powersave");
	reset_writes();
	assert_int_equal(cpufreq_put_back(&c, &was), 0);
	assert_string_equal(written,
		"scaling_governor=powersave scaling_min_freq=1000000 scaling_max_freq=2000000 ");
	cpufreq_close(&c);
}

/* What can be put back is, and the first refusal is told. */
static void
test_put_back_in_part(void **state)
{
	const struct journal_entry was = {
		.governor = "powersave", .min_khz = 1000000, .max_khz = 2000000,
	};
	struct cpufreq c;
	char path[200];
	int max_fd;

	(void)state;
	make_cpu(0, "intel_pstate", "performance");
	c = open_cpu(0);
	refuse("scaling_governor", EBUSY, 1);
	assert_int_equal(cpufreq_put_back(&c, &was), -EBUSY);
	is(0, "cpufreq/scaling_governor", "performance");
	is(0, "cpufreq/scaling_max_freq", "2000000");
	is(0, "cpufreq/scaling_min_freq", "1000000");
	assert_int_equal(cpufreq_put_back(&c, &was), 0);
	is(0, "cpufreq/scaling_governor", "powersave");

	put(0, "cpufreq/scaling_max_freq", "3500000\n");
	put(0, "cpufreq/scaling_min_freq", "800000\n");
	refuse("scaling_max_freq", EINVAL, 1);
	assert_int_equal(cpufreq_put_back(&c, &was), -EINVAL);
	is(0, "cpufreq/scaling_min_freq", "1000000");

	/* One that is not open for writing. */
	max_fd = c.max_fd;
	(void)snprintf(path, sizeof(path), "%s/cpu0/cpufreq/scaling_max_freq", root);
	c.max_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(cpufreq_put_back(&c, &was), -EBADF);
	(void)close(c.max_fd);
	c.max_fd = max_fd;
	cpufreq_close(&c);
	assert_int_equal(cpufreq_put_back(&c, &was), -ENODEV);
}

/* Two writes of which the kernel does at least one; none where it does not guess. */
static void
test_unguess(void **state)
{
	struct cpufreq c;

	(void)state;
	make_cpu(0, "acpi-cpufreq", "userspace");
	c = open_cpu(0);
	assert_int_equal(cpufreq_unguess(&c), 0);
	assert_string_equal(written, "");
	put(0, "cpufreq/cpuinfo_min_freq", "800000\n");
	put(0, "cpufreq/cpuinfo_max_freq", "2301000\n");
	assert_int_equal(cpufreq_unguess(&c), 0);
	assert_string_equal(written, "scaling_setspeed=800000 scaling_setspeed=2301000 ");
	refuse("scaling_setspeed", EBUSY, 1);
	assert_int_equal(cpufreq_unguess(&c), -EBUSY);
	assert_false(cpufreq_came_online(&c));
	cpufreq_close(&c);

	make_cpu(1, "intel_pstate", "performance");
	put(1, "cpufreq/cpuinfo_min_freq", "800000\n");
	put(1, "cpufreq/cpuinfo_max_freq", "3500000\n");
	c = open_cpu(1);
	reset_writes();
	assert_int_equal(cpufreq_unguess(&c), 0);
	assert_string_equal(written, "");
	cpufreq_close(&c);
}

static void
test_yield(void **state)
{
	const struct journal_entry was = {
		.governor = "powersave", .min_khz = 800000, .max_khz = 3500000,
	};
	struct journal_entry goal = was, now = {
		.governor = "performance", .min_khz = 2000000, .max_khz = 2000000,
	};
	struct cpufreq c;

	(void)state;
	make_cpu(0, "intel_pstate", "performance");
	c = open_cpu(0);
	assert_false(cpufreq_yield(&c, &goal, &now));
	assert_memory_equal(&goal, &was, sizeof(goal));

	/* Another governor; the limits are as we left them. */
	(void)snprintf(now.governor, sizeof(now.governor), "schedutil");
	assert_true(cpufreq_yield(&c, &goal, &now));
	assert_string_equal(goal.governor, "schedutil");
	assert_int_equal(goal.min_khz, 800000);
	assert_int_equal(goal.max_khz, 3500000);

	/* And other limits; of the governor it is told once. */
	now.min_khz = 1500000;
	now.setspeed_khz = 1700000;
	assert_false(cpufreq_yield(&c, &goal, &now));
	assert_int_equal(goal.min_khz, 1500000);
	assert_int_equal(goal.max_khz, 2000000);
	assert_int_equal(goal.setspeed_khz, 1700000);
	cpufreq_close(&c);
}

/* ---- who changes together ------------------------------------------------------------ */

static struct cpu_group groups[FRQ_MAX_CPUS];

static int
read_groups(const char *managed, struct frq_err *err)
{
	struct cpuset set;

	memset(groups, 0, sizeof(groups));
	assert_true(cpuset_parse(&set, managed, err));
	return cpu_groups_read(groups, &set, err);
}

static void
group_is(unsigned int cpu, const char *policy, const char *clock)
{
	char list[64];

	assert_string_equal(cpuset_format(&groups[cpu].policy, list, sizeof(list)), policy);
	assert_string_equal(cpuset_format(&groups[cpu].clock, list, sizeof(list)), clock);
}

static void
make_topology(unsigned int cpu, const char *siblings)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/cpu%u/topology", root, cpu);
	assert_int_equal(mkdir(path, 0700), 0);
	put(cpu, "topology/thread_siblings_list", siblings);
}

/* One alone, without a word; a policy of two; two of a domain; hyperthreads of both. */
static void
test_groups(void **state)
{
	static const char *const siblings[] = { "", "", "2,6\n", "3\n", "4-5\n", "4-5\n", "2,6\n" };
	struct frq_err err;

	(void)state;
	for (unsigned int cpu = 0; cpu < 7; cpu++) {
		make_cpu(cpu, "acpi-cpufreq", "ondemand");
		if (siblings[cpu][0] != '\0')
			make_topology(cpu, siblings[cpu]);
	}
	put(2, "cpufreq/related_cpus", "2 3\n");
	put(3, "cpufreq/related_cpus", "2 3\n");
	put(2, "cpufreq/affected_cpus", "2 3\n");
	put(3, "cpufreq/affected_cpus", "2 3\n");
	put(6, "cpufreq/freqdomain_cpus", "5 6\n");
	assert_int_equal(read_groups("0-6", &err), 0);
	group_is(0, "0", "0");
	group_is(1, "1", "1");
	group_is(2, "2-3", "2-6");
	group_is(3, "2-3", "2-6");
	group_is(4, "4", "2-6");
	group_is(5, "5", "2-6");
	group_is(6, "6", "2-6");

	/* What ties two is not managed, and so does not: nobody votes there. */
	assert_int_equal(read_groups("2-5", &err), 0);
	group_is(2, "2-3", "2-3");
	group_is(5, "5", "4-5");

	assert_int_equal(read_groups("0-2,4", &err), -EINVAL);
	assert_non_null(strstr(err.text,
		"CPU 2 shares its cpufreq policy with CPU 3, which is not managed: add it"));
	/* Offline it is set with nobody. */
	put(2, "cpufreq/affected_cpus", "2\n");
	assert_int_equal(read_groups("0-2,4", &err), 0);
	group_is(2, "2", "2");
}

/* A chain of which each knows the next only, from the far end on. */
static void
test_chain(void **state)
{
	struct frq_err err;
	char next[32];

	(void)state;
	for (unsigned int cpu = 0; cpu < 12; cpu++) {
		make_cpu(cpu, "acpi-cpufreq", "ondemand");
		(void)snprintf(next, sizeof(next), "%u %u\n", cpu, cpu == 11 ? 11 : cpu + 1);
		put(cpu, "cpufreq/freqdomain_cpus", next);
	}
	assert_int_equal(read_groups("0-11", &err), 0);
	for (unsigned int cpu = 0; cpu < 12; cpu++)
		assert_true(cpuset_equal(&groups[cpu].clock, &groups[0].clock));
	group_is(11, "11", "0-11");
}

/* ---- restore ------------------------------------------------------------------------ */

static void
remember(unsigned int cpu, const struct journal_entry *e)
{
	struct frq_err err;
	struct journal *j;

	assert_int_equal(journal_open(&j, state_dir, true, &err), 0);
	journal_put(j, cpu, e);
	journal_close(j);
}

static bool
remembered(unsigned int cpu)
{
	struct frq_err err;
	struct journal *j;
	bool has;

	assert_int_equal(journal_open(&j, state_dir, false, &err), 0);
	has = journal_get(j, cpu, NULL);
	journal_close(j);
	return has;
}

static char said[4096];

/* What it says on stdout is in `said`. */
static int
restore(bool yield, struct frq_err *err)
{
	int out[2], stdout_fd = dup(STDOUT_FILENO), ret;
	ssize_t n;

	err->text[0] = '\0';
	assert_int_equal(pipe(out), 0);
	(void)fflush(stdout);
	(void)dup2(out[1], STDOUT_FILENO);
	ret = restore_run(state_dir, yield, err);
	(void)fflush(stdout);
	(void)dup2(stdout_fd, STDOUT_FILENO);
	(void)close(out[1]);
	n = read(out[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	(void)close(out[0]);
	(void)close(stdout_fd);
	return ret;
}

static const struct journal_entry acpi = {
	.driver = "acpi-cpufreq", .governor = "ondemand", .min_khz = 800000, .max_khz = 3500000,
};
static const struct journal_entry pstate = {
	.driver = "intel_pstate", .governor = "powersave", .min_khz = 800000, .max_khz = 3500000,
};

static void
test_nothing_to_restore(void **state)
{
	struct frq_err err;
	struct journal *j;

	(void)state;
	assert_int_equal(restore(true, &err), 0);
	assert_int_equal(journal_open(&j, state_dir, true, &err), 0);
	journal_close(j);
	assert_int_equal(restore(true, &err), 0);
	assert_string_equal(said, "");
	(void)snprintf(state_dir, sizeof(state_dir), "%s/never", dir);
	assert_int_equal(restore(true, &err), 0);
}

static void
test_restore(void **state)
{
	struct frq_err err;

	(void)state;
	make_cpu(0, "acpi-cpufreq", "userspace");
	make_cpu(6, "acpi-cpufreq", "userspace");
	remember(0, &acpi);
	remember(6, &acpi);
	assert_int_equal(restore(true, &err), 0);
	is(0, "cpufreq/scaling_governor", "ondemand");
	is(6, "cpufreq/scaling_governor", "ondemand");
	assert_string_equal(said, "CPU 0: governor ondemand\nCPU 6: governor ondemand\n");
	assert_false(remembered(0));
	reset_writes();
	assert_int_equal(restore(true, &err), 0);
	assert_string_equal(said, "");
	assert_string_equal(written, "");
}

static void
test_restore_limits(void **state)
{
	struct frq_err err;

	(void)state;
	make_cpu(1, "intel_pstate", "performance");
	put(1, "cpufreq/scaling_min_freq", "2300000\n");
	put(1, "cpufreq/scaling_max_freq", "2300000\n");
	remember(1, &pstate);
	assert_int_equal(restore(false, &err), 0);
	assert_string_equal(said, "CPU 1: governor powersave, 800000 to 3500000 kHz\n");
	assert_false(crossed);
}

static void
test_restore_yields(void **state)
{
	struct frq_err err;

	(void)state;
	make_cpu(1, "acpi-cpufreq", "schedutil");
	remember(1, &acpi);
	assert_int_equal(restore(true, &err), 0);
	assert_string_equal(said, "CPU 1: governor schedutil, as somebody chose since\n");
	assert_false(remembered(1));
	remember(1, &acpi);
	assert_int_equal(restore(false, &err), 0);
	assert_string_equal(said, "CPU 1: governor ondemand\n");
}

static void
test_restore_while_busy(void **state)
{
	struct frq_err err;

	(void)state;
	make_cpu(1, "acpi-cpufreq", "userspace");
	remember(1, &acpi);
	refuse("scaling_governor", EBUSY, 5);
	assert_int_equal(restore(true, &err), 0);
	is(1, "cpufreq/scaling_governor", "ondemand");

	put(1, "cpufreq/scaling_governor", "userspace");
	remember(1, &acpi);
	refuse("scaling_governor", EBUSY, 6);
	assert_int_equal(restore(true, &err), -EBUSY);
	assert_non_null(strstr(err.text, "CPU 1 cannot be put back under the governor ondemand"));
	assert_true(remembered(1));
	assert_int_equal(restore(true, &err), 0);
}

/* One CPU's trouble is not the others'. */
static void
test_restore_in_part(void **state)
{
	struct frq_err err;

	(void)state;
	for (unsigned int cpu = 0; cpu < 4; cpu++) {
		make_cpu(cpu, "acpi-cpufreq", "userspace");
		remember(cpu, &acpi);
	}
	remember(9, &acpi);
	put(0, "online", "0\n");
	put(2, "cpufreq/scaling_driver", "intel_cpufreq");
	assert_int_equal(restore(true, &err), -ENXIO);
	assert_non_null(strstr(err.text, "CPU 0 is offline"));
	assert_non_null(strstr(said, "CPU 1: governor ondemand"));
	assert_non_null(strstr(said, "CPU 2: it had the driver acpi-cpufreq, and has intel_cpufreq"));
	assert_non_null(strstr(said, "CPU 3: governor ondemand"));
	assert_true(remembered(0));
	assert_false(remembered(2));
	assert_true(remembered(9));
	is(0, "cpufreq/scaling_governor", "userspace");
	is(2, "cpufreq/scaling_governor", "userspace");
	put(0, "online", "1\n");
	assert_int_equal(restore(true, &err), -ENODEV);
	assert_non_null(strstr(err.text, "CPU 9"));
	assert_string_equal(said, "CPU 0: governor ondemand\n");
}

static void
test_restore_refuses(void **state)
{
	struct frq_err err;
	char path[128];
	int fd;

	(void)state;
	make_cpu(1, "acpi-cpufreq", "userspace");
	remember(1, &acpi);
	fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(restore(true, &err), -EBUSY);
	assert_non_null(strstr(err.text, "a freqringd works there"));
	(void)close(fd);

	(void)snprintf(path, sizeof(path), "%s/cpufreq.journal", state_dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "00000000", 9, 12), 9);
	(void)close(fd);
	assert_int_equal(restore(true, &err), -ESTALE);
	assert_non_null(strstr(err.text, "may be removed"));
	is(1, "cpufreq/scaling_governor", "userspace");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_online, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drivers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_over_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_of_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_back_in_part, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unguess, setup, teardown),
		cmocka_unit_test_setup_teardown(test_yield, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_to_restore, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore_yields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore_while_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore_in_part, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore_refuses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
