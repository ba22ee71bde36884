/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * librte_power. It sets frequencies; governors are written by ourselves
 * before and after it, so that it finds its own in place and never writes
 * one: where that fails, as it may while a CPU is plugged, the library
 * leaves the lcore unusable for the rest of the process. A CPU is the lcore of
 * the same number (host/eal.c).
 *
 * The environment is chosen by the driver's name: the library's own detection
 * writes "userspace" into whatever driver there is, and then takes that for
 * the governor to restore.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_version.h>

#include "cpu_group.h"
#include "cpufreq.h"
#include "journal.h"
#include "log.h"
#include "power.h"

static struct cpu {
	struct cpufreq files;		/* open while the CPU is taken */
	bool adopted;			/* a daemon before us has taken it */
	bool inited;			/* by rte_power_init */
	bool leaving;			/* it is being given back, to `goal` */
	struct journal_entry goal;
	struct freq_table table;	/* of learn: what an index means */
	bool in_step;			/* the library's table is that one */
	uint32_t turbo_khz;		/* cpuinfo_max_freq */
	uint32_t wanted_khz;		/* written last, 0: nothing; atomic, look reads it */
} cpus[FRQ_MAX_CPUS];

static struct cpu_group groups[FRQ_MAX_CPUS];
static struct cpuset managed;
static bool yield;
static struct journal *journal;
static bool dying;	/* atomic: no write of ours may follow what abandon writes */

static int
refuse_offline(unsigned int cpu, struct frq_err *err)
{
	if (cpufreq_online(cpu))
		return 0;
	frq_err_set(err, "CPU %u is offline", cpu);
	return -ENXIO;
}

/* A failure of a CPU's file: of one that is offline the kernel says this and that. */
static int
why(unsigned int cpu, int ret, const char *what, struct frq_err *err)
{
	if (refuse_offline(cpu, err) != 0)
		return -ENXIO;
	if (ret == -EBUSY)
		frq_err_set(err, "CPU %u: %s: cpufreq is busy, as while a CPU is plugged", cpu, what);
	else
		frq_err_set(err, "CPU %u: %s: %s", cpu, what, strerror(-ret));
	return ret;
}

/* ---- start ------------------------------------------------------------------------ */

static int
check_driver(unsigned int cpu, const struct cpufreq_driver *driver, struct frq_err *err)
{
	if (driver->env == PM_ENV_NOT_SET) {
		frq_err_set(err, "CPU %u: librte_power of %s cannot drive %s; that of DPDK %s and later can. Build with that, or start the kernel with amd_pstate=disable, which leaves acpi-cpufreq",
			cpu, rte_version(), driver->name, driver->since);
		return -ENOTSUP;
	}
	if (rte_power_get_env() == PM_ENV_NOT_SET) {
		if (rte_power_set_env(driver->env) == 0)
			return 0;
		frq_err_set(err, "librte_power of %s does not start for %s", rte_version(),
			driver->name);
		return -EIO;
	}
	if (rte_power_get_env() == driver->env)
		return 0;
	frq_err_set(err, "CPU %u has the cpufreq driver %s, the first managed CPU another one: manage CPUs of one driver",
		cpu, driver->name);
	return -ENOTSUP;
}

/* One that nobody drives now may be plugged, or get a driver, later. */
static int
probe_cpu(unsigned int cpu, bool *any, struct frq_err *err)
{
	struct cpufreq c;
	int ret = cpufreq_open(&c, cpu, err);

	if (ret == -ENODEV || (ret != 0 && !cpufreq_online(cpu)))
		return 0;
	if (ret != 0)
		return ret;
	cpufreq_close(&c);
	*any = true;
	return check_driver(cpu, c.driver, err);
}

static int put_back(unsigned int cpu, struct frq_err *err);

/*
 * A daemon before us has left it. It is adopted where its governor is still
 * ours; otherwise somebody saw to it meanwhile, or that daemon did, dying.
 * Nobody would give back one that is not managed any more.
 */
static int
adopt_or_put_back(unsigned int cpu, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	struct journal_entry now;
	int ret = cpufreq_open(&s->files, cpu, err);

	if (ret != 0)
		return ret;
	ret = cpufreq_read(&s->files, &now);
	if (ret == 0 && (!cpufreq_is_ours(&s->files, now.governor) ||
	    cpuset_next(&groups[cpu].policy, 0) != cpu))
		ret = put_back(cpu, err);
	else if (ret != 0)
		ret = why(cpu, ret, "its cpufreq files cannot be read", err);
	cpufreq_close(&s->files);
	return ret;
}

static void
read_journal(unsigned int cpu)
{
	char driver[CPUFREQ_WORD];
	struct journal_entry was;
	struct frq_err err;

	if (!journal_get(journal, cpu, &was))
		return;
	if (cpufreq_word(cpu, "cpufreq/scaling_driver", driver) == 0 &&
	    strcmp(driver, was.driver) != 0) {
		FRQ_LOG(NOTICE, "CPU %u: an earlier freqringd left it with %s, it has %s now: nothing to put back",
			cpu, was.driver, driver);
		journal_clear(journal, cpu);
		return;
	}
	cpus[cpu].adopted = true;
	/* What fails can be done later. */
	if (adopt_or_put_back(cpu, &err) != 0)
		FRQ_LOG(WARNING, "%s", err.text);
}

static int
librte_start(const struct power_config *c, struct frq_err *err)
{
	bool any = false;
	int ret = 0;

	managed = c->managed;
	yield = c->yield;
	for (unsigned int cpu = 0; cpu < FRQ_MAX_CPUS; cpu++)
		cpus[cpu].files = CPUFREQ_CLOSED;
	frq_err_set(err, "no CPU is managed");
	CPUSET_FOREACH(cpu, &managed) {
		ret = probe_cpu(cpu, &any, err);
		if (ret != 0)
			return ret;
	}
	if (!any)
		return -ENODEV;
	ret = cpu_groups_read(groups, &managed, err);
	if (ret == 0)
		ret = journal_open(&journal, c->state_dir, true, err);
	for (unsigned int cpu = 0; cpu < FRQ_MAX_CPUS && ret == 0; cpu++)
		read_journal(cpu);
	return ret;
}

static void
librte_group(unsigned int cpu, struct cpuset *policy, struct cpuset *clock)
{
	*policy = groups[cpu].policy;
	*clock = groups[cpu].clock;
}

static bool
librte_held(unsigned int cpu)
{
	return cpus[cpu].adopted;
}

/* ---- its files ---------------------------------------------------------------------- */

/* Open them, unless they are. */
static int
open_files(unsigned int cpu, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	int ret;

	if (cpufreq_is_open(&s->files))
		return 0;
	ret = cpufreq_open(&s->files, cpu, err);
	if (ret == 0)
		ret = check_driver(cpu, s->files.driver, err);
	if (ret != 0)
		cpufreq_close(&s->files);
	return ret;
}

/* The driver went away with them, and another one may have come. */
static int
reopen(unsigned int cpu)
{
	struct cpufreq old = cpus[cpu].files;
	struct cpufreq files;
	struct frq_err err;
	int ret = cpufreq_open(&files, cpu, &err);

	if (ret != 0)
		return ret;
	if (files.driver != old.driver) {
		cpufreq_close(&files);
		return -ENODEV;
	}
	cpus[cpu].files = files;
	cpufreq_close(&old);
	return 0;
}

static int
read_all(unsigned int cpu, struct journal_entry *now)
{
	int ret = cpufreq_read(&cpus[cpu].files, now);

	if (ret == -ENODEV && reopen(cpu) == 0)
		ret = cpufreq_read(&cpus[cpu].files, now);
	return ret;
}

/* ---- taken, given back ---------------------------------------------------------------- */

static uint32_t
nominal_khz(unsigned int cpu)
{
	uint32_t perf;

	if (cpufreq_khz(cpu, "acpi_cppc/nominal_perf", &perf) < 0)
		return 0;
	/* As the library has it: in units of 10 MHz on some machines. */
	return perf < 10000 ? perf * 10000 : perf;
}

/* Whether librte_power's table for cppc_cpufreq has it, to the next 100 MHz. */
static bool
cppc_has(uint32_t khz, uint32_t nominal, uint32_t highest)
{
	khz = (khz + 50000) / 100000 * 100000;
	return khz == highest || (khz <= nominal && nominal % 100000 == 0);
}

/*
 * The library wants to find a frequency of its table in force, else it fails
 * for good. A driver without a table runs at any, so one is set that the
 * library knows; it goes to its highest anyway.
 */
static void
settle(unsigned int cpu)
{
	const struct cpufreq *files = &cpus[cpu].files;
	enum power_management_env env = files->driver->env;
	uint32_t khz, highest, nominal = nominal_khz(cpu);

	if (files->driver->by_limits || env == PM_ENV_ACPI_CPUFREQ ||
	    cpufreq_khz(cpu, "cpufreq/scaling_max_freq", &highest) != 0)
		return;
	if (env == PM_ENV_CPPC_CPUFREQ) {
		if (cpufreq_khz(cpu, "cpufreq/scaling_setspeed", &khz) == 0 &&
		    cppc_has(khz, nominal, highest))
			return;
		if (nominal % 100000 == 0 && nominal != 0)
			highest = nominal;
	}
	(void)cpufreq_set_khz(files, highest);
}

static void
read_table(unsigned int cpu, struct freq_table *t)
{
	struct rte_power_core_capabilities caps = { .capabilities = 0 };

	memset(t, 0, sizeof(*t));
	t->nb = rte_power_freqs(cpu, t->khz, FRQ_MAX_FREQS);
	if (t->nb > FRQ_MAX_FREQS || rte_power_get_capabilities(cpu, &caps) < 0)
		t->nb = 0;
	t->turbo = caps.turbo != 0;
}

static bool
same_table(const struct freq_table *a, const struct freq_table *b)
{
	return a->nb == b->nb && memcmp(a->khz, b->khz, a->nb * sizeof(a->khz[0])) == 0;
}

/* The library's part, under our governor. */
static int
init_library(unsigned int cpu)
{
	struct cpu *s = &cpus[cpu];
	struct freq_table t;

	if (s->inited)
		return 0;
	settle(cpu);
	if (rte_power_init(cpu) != 0)
		return -EIO;
	s->inited = true;
	read_table(cpu, &t);
	/* intel_pstate's turbo state is not to be had without. */
	if (t.turbo)
		(void)rte_power_freq_enable_turbo(cpu);
	(void)cpufreq_khz(cpu, "cpufreq/cpuinfo_max_freq", &s->turbo_khz);
	/* Some of its tables depend on the limits that are in force. */
	s->in_step = same_table(&s->table, &t);
	return 0;
}

/*
 * The library writes its governor when it ends, unless that is in force: so it
 * is made to be for a moment, where somebody else chose another one.
 */
static int
exit_library(unsigned int cpu)
{
	struct cpu *s = &cpus[cpu];
	int ret;

	if (!s->inited)
		return 0;
	ret = cpufreq_set_governor(&s->files, s->files.driver->governor);
	if (ret != 0)
		return ret;
	s->inited = false;
	(void)rte_power_exit(cpu);
	return 0;
}

/* Chosen once, before the library ends and writes over what somebody else did. */
static int
choose_goal(unsigned int cpu)
{
	struct cpu *s = &cpus[cpu];
	struct journal_entry now;
	int ret = read_all(cpu, &now);

	if (ret != 0 || s->leaving)
		return ret;
	if (!journal_get(journal, cpu, &s->goal))
		s->goal = now;
	if (yield && cpufreq_yield(&s->files, &s->goal, &now))
		FRQ_LOG(NOTICE, "CPU %u: the governor %s stays, as somebody chose it", cpu,
			now.governor);
	/* Of one that was adopted nobody knows. */
	if ((cpufreq_came_online(&s->files) || s->adopted) &&
	    cpufreq_is_ours(&s->files, now.governor))
		(void)cpufreq_unguess(&s->files);
	s->leaving = true;
	return 0;
}

static void
forget(unsigned int cpu)
{
	struct cpu *s = &cpus[cpu];

	cpufreq_close(&s->files);
	s->adopted = false;
	s->leaving = false;
	__atomic_store_n(&s->wanted_khz, 0, __ATOMIC_RELAXED);
}

/*
 * Put it back as the journal says, or as somebody else chose since. Its files
 * are open. What fails goes on with the next call.
 */
static int
put_back(unsigned int cpu, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	int ret = choose_goal(cpu);

	if (ret == 0)
		ret = exit_library(cpu);
	if (ret == 0)
		ret = cpufreq_put_back(&s->files, &s->goal);
	if (ret != 0)
		return why(cpu, ret, "cannot be put back as it was", err);
	journal_clear(journal, cpu);
	forget(cpu);
	return 0;
}

/* What it was goes to the journal, its governor becomes ours. */
static int
take_governor(unsigned int cpu, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	bool known = journal_get(journal, cpu, NULL);
	struct journal_entry now;
	int ret = read_all(cpu, &now);

	if (ret != 0)
		return why(cpu, ret, "its cpufreq files cannot be read", err);
	if (!known)
		journal_put(journal, cpu, &now);
	s->leaving = false;
	ret = cpufreq_set_governor(&s->files, s->files.driver->governor);
	if (ret == 0)
		return 0;
	/* Nothing was written: what it is may change before the next try. */
	if (!known) {
		journal_clear(journal, cpu);
		cpufreq_close(&s->files);
	}
	if (ret != -EINVAL)
		return why(cpu, ret, "its governor cannot be set", err);
	frq_err_set(err, "CPU %u: the kernel has no governor %s: load its module (modprobe cpufreq_%s)",
		cpu, s->files.driver->governor, s->files.driver->governor);
	return ret;
}

static int
refuse_dying(unsigned int cpu, struct frq_err *err)
{
	if (!__atomic_load_n(&dying, __ATOMIC_ACQUIRE))
		return 0;
	frq_err_set(err, "CPU %u: the daemon is dying", cpu);
	return -ESHUTDOWN;
}

static int
librte_take(unsigned int cpu, struct frq_err *err)
{
	struct frq_err why_not;
	int ret = refuse_dying(cpu, err);

	if (ret == 0)
		ret = refuse_offline(cpu, err);
	if (ret == 0)
		ret = open_files(cpu, err);
	if (ret == 0)
		ret = take_governor(cpu, err);
	if (ret != 0 || init_library(cpu) == 0)
		return ret;
	frq_err_set(err, "CPU %u: librte_power cannot take it, its log says why; it can be tried again when freqringd is restarted",
		cpu);
	if (put_back(cpu, &why_not) != 0)
		FRQ_LOG(WARNING, "%s", why_not.text);
	return -EIO;
}

static int
librte_give_back(unsigned int cpu, struct frq_err *err)
{
	int ret;

	if (!cpufreq_is_open(&cpus[cpu].files) && !journal_get(journal, cpu, NULL))
		return 0;
	ret = refuse_offline(cpu, err);
	if (ret == 0)
		ret = open_files(cpu, err);
	return ret == 0 ? put_back(cpu, err) : ret;
}

/* ---- what it offers -------------------------------------------------------------------- */

static int
read_offer(unsigned int cpu, struct power_cpu *p, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	struct freq_table t;

	read_table(cpu, &t);
	/* The library has scaling_max_freq here, which others move. */
	if (t.turbo && !s->files.driver->by_limits && s->files.driver->env != PM_ENV_ACPI_CPUFREQ)
		t.khz[0] = RTE_MAX(t.khz[0], s->turbo_khz);
	for (unsigned int i = 1; i < t.nb; i++)
		if (t.khz[i] >= t.khz[i - 1])
			t.nb = 0;
	if (t.nb == 0) {
		frq_err_set(err, "CPU %u: librte_power has no table of frequencies for it that can be used",
			cpu);
		return -ENODEV;
	}
	s->table = t;
	s->in_step = false;
	p->table = t;
	(void)snprintf(p->driver, sizeof(p->driver), "%s", s->files.driver->name);
	if (cpufreq_khz(cpu, "cpufreq/cpuinfo_transition_latency", &p->latency_ns) < 0 ||
	    p->latency_ns == UINT32_MAX)
		p->latency_ns = 0;
	return 0;
}

/*
 * Of a CPU that an earlier daemon took: only the library ends, which went to
 * the highest frequency, and what was in force is set again.
 */
static void
let_go(unsigned int cpu, const struct journal_entry *before)
{
	struct cpu *s = &cpus[cpu];
	struct frq_err err;
	int ret = exit_library(cpu);

	if (ret == 0)
		ret = cpufreq_put_back(&s->files, before);
	if (ret != 0) {
		(void)why(cpu, ret, "its frequency cannot be set again", &err);
		FRQ_LOG(WARNING, "%s", err.text);
	}
	if (!s->inited)
		cpufreq_close(&s->files);
}

static int
librte_learn(unsigned int cpu, struct power_cpu *p, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	struct journal_entry before = { .governor = "" };
	struct frq_err back;
	int ret, given;

	if (s->adopted && open_files(cpu, err) == 0)
		(void)read_all(cpu, &before);
	ret = librte_take(cpu, err);
	if (ret != 0)
		return ret;
	ret = read_offer(cpu, p, err);
	if (s->adopted && before.governor[0] != '\0') {
		let_go(cpu, &before);
		return ret;
	}
	given = put_back(cpu, &back);
	if (ret == 0 && given != 0) {
		*err = back;
		ret = given;
	}
	return ret;
}

/* ---- set --------------------------------------------------------------------------------- */

static uint32_t
khz_of(const struct cpu *s, unsigned int index)
{
	/* The table's word for the turbo state is not the driver's there. */
	return index == 0 && s->table.turbo && s->files.driver->by_limits ? s->turbo_khz :
		s->table.khz[index];
}

static bool
is_taken(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	if (cpufreq_is_open(&cpus[cpu].files) && index < cpus[cpu].table.nb)
		return true;
	frq_err_set(err, "CPU %u: not taken, or no index %u", cpu, index);
	return false;
}

/* To be written: with the library, which giving back in vain has ended. */
static int
make_ready(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	if (!is_taken(cpu, index, err))
		return -EINVAL;
	if (cpus[cpu].inited)
		return refuse_dying(cpu, err);
	return librte_take(cpu, err);
}

static int
read_set(unsigned int cpu, char governor[CPUFREQ_WORD], uint32_t *min_khz, uint32_t *max_khz)
{
	struct cpu *s = &cpus[cpu];
	int ret = cpufreq_read_set(&s->files, governor, min_khz, max_khz);

	if (ret == -ENODEV && reopen(cpu) == 0)
		ret = cpufreq_read_set(&s->files, governor, min_khz, max_khz);
	return ret;
}

static int
librte_set(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	int ret = make_ready(cpu, index, err);

	if (ret != 0)
		return ret;
	__atomic_store_n(&s->wanted_khz, khz_of(s, index), __ATOMIC_RELAXED);
	if (!s->in_step) {
		ret = cpufreq_set_khz(&s->files, khz_of(s, index));
		return ret == 0 ? 0 : why(cpu, ret, "its frequency cannot be set", err);
	}
	/* Unsigned since DPDK 24.11, and -1 for failure all the same. */
	if ((int)rte_power_set_freq(cpu, index) >= 0)
		return 0;
	frq_err_set(err, "CPU %u: librte_power refused index %u", cpu, index);
	return -EIO;
}

static bool
is_in_force(uint32_t khz, uint32_t min_khz, uint32_t max_khz)
{
	return min_khz == khz && max_khz == khz;
}

/* What comes of it is read back. */
static void
set_for_sure(unsigned int cpu, unsigned int index)
{
	const struct cpu *s = &cpus[cpu];
	int ret = cpufreq_unguess(&s->files);

	if (ret == 0)
		ret = cpufreq_set_khz(&s->files, khz_of(s, index));
	if (ret != 0)
		FRQ_LOG(WARNING, "CPU %u came online and cannot be set: %s", cpu, strerror(-ret));
}

static int
librte_check(unsigned int cpu, unsigned int index)
{
	struct cpu *s = &cpus[cpu];
	char governor[CPUFREQ_WORD];
	uint32_t min_khz, max_khz;
	struct frq_err err;
	int ret;

	if (!is_taken(cpu, index, &err))
		return -EINVAL;
	if (cpufreq_came_online(&s->files))
		set_for_sure(cpu, index);
	ret = read_set(cpu, governor, &min_khz, &max_khz);
	if (ret != 0)
		return cpufreq_online(cpu) ? ret : -ENXIO;
	if (!cpufreq_is_ours(&s->files, governor))
		return -ESTALE;
	if (is_in_force(khz_of(s, index), min_khz, max_khz))
		return 0;
	/* What turbo is moves when somebody switches it off or on. */
	if (index == 0 && s->files.driver->by_limits &&
	    cpufreq_khz(cpu, "cpufreq/cpuinfo_max_freq", &s->turbo_khz) == 0 &&
	    is_in_force(khz_of(s, index), min_khz, max_khz)) {
		__atomic_store_n(&s->wanted_khz, khz_of(s, index), __ATOMIC_RELAXED);
		return 0;
	}
	return cpufreq_online(cpu) ? -ESTALE : -ENXIO;
}

static int
librte_force(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	struct cpu *s = &cpus[cpu];
	struct journal_entry now;
	int ret = make_ready(cpu, index, err);

	if (ret != 0)
		return ret;
	/* Opens what is to be opened anew. */
	ret = read_all(cpu, &now);
	if (ret == 0)
		ret = cpufreq_set_governor(&s->files, s->files.driver->governor);
	if (ret != 0)
		return why(cpu, ret, "its governor cannot be set", err);
	/* The library first: whether its write was refused it does not say. */
	if (s->in_step && rte_power_get_freq(cpu) != index)
		(void)rte_power_set_freq(cpu, index);
	__atomic_store_n(&s->wanted_khz, khz_of(s, index), __ATOMIC_RELAXED);
	ret = cpufreq_set_khz(&s->files, khz_of(s, index));
	return ret == 0 ? 0 : why(cpu, ret, "its frequency cannot be set", err);
}

static int
librte_again(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	const struct cpu *s = &cpus[cpu];
	int ret = make_ready(cpu, index, err);

	if (ret != 0)
		return ret;
	/* By its files' own word it is online; what else is wrong force says. */
	(void)cpufreq_unguess(&s->files);
	return librte_force(cpu, index, err);
}

/* ---- any thread ------------------------------------------------------------------------------ */

/* What others allow where the limits are theirs. */
static struct freq_limits
look_at_limits(unsigned int cpu, uint32_t min_khz, uint32_t max_khz)
{
	struct freq_limits l = FREQ_LIMITS_NONE;
	uint32_t bios;

	l.floor_khz = min_khz;
	if (max_khz != 0)
		l.ceiling_khz = max_khz;
	if (cpufreq_khz(cpu, "cpufreq/bios_limit", &bios) == 0 && bios != 0)
		l.ceiling_khz = RTE_MIN(l.ceiling_khz, bios);
	return l;
}

/* Set by its limits: they are ours, and only the hardware's remain. */
static void
look_by_limits(unsigned int cpu, uint32_t min_khz, uint32_t max_khz, struct power_look *l)
{
	uint32_t wanted = __atomic_load_n(&cpus[cpu].wanted_khz, __ATOMIC_RELAXED);
	uint32_t highest;

	/* Either can be moved: the one that is not as we set it. */
	l->khz = wanted != 0 && max_khz == wanted ? min_khz : max_khz;
	if (cpufreq_khz(cpu, "cpufreq/cpuinfo_max_freq", &highest) == 0 && highest != 0)
		l->limits.ceiling_khz = highest;
}

static int
librte_look(unsigned int cpu, struct power_look *l)
{
	const struct cpufreq_driver *driver;
	char name[CPUFREQ_WORD];
	uint32_t min_khz, max_khz;
	int ret;

	*l = (struct power_look){ .limits = FREQ_LIMITS_NONE };
	if (!cpufreq_online(cpu))
		return -ENXIO;
	ret = cpufreq_word(cpu, "cpufreq/scaling_driver", name);
	if (ret == 0)
		ret = cpufreq_word(cpu, "cpufreq/scaling_governor", l->governor);
	if (ret != 0)
		return ret;
	driver = cpufreq_driver_find(name);
	if (driver == NULL)
		return -ENOTSUP;
	l->ours = strcmp(l->governor, driver->governor) == 0;
	(void)cpufreq_khz(cpu, "cpufreq/scaling_min_freq", &min_khz);
	(void)cpufreq_khz(cpu, "cpufreq/scaling_max_freq", &max_khz);
	if (driver->by_limits) {
		look_by_limits(cpu, min_khz, max_khz, l);
		return 0;
	}
	l->limits = look_at_limits(cpu, min_khz, max_khz);
	(void)cpufreq_khz(cpu, "cpufreq/scaling_setspeed", &l->khz);
	return 0;
}

static uint32_t
librte_get(unsigned int cpu)
{
	uint32_t khz;

	(void)cpufreq_khz(cpu, "cpufreq/scaling_cur_freq", &khz);
	return khz;
}

/*
 * The journal keeps its entries: another thread may be in the middle of a
 * write, and whoever reads the journal next makes sure.
 */
static void
librte_abandon(void)
{
	struct journal_entry was, now;

	__atomic_store_n(&dying, true, __ATOMIC_RELEASE);
	CPUSET_FOREACH(cpu, &managed) {
		const struct cpufreq *files = &cpus[cpu].files;

		if (!cpufreq_is_open(files) || !journal_get(journal, cpu, &was))
			continue;
		if (yield && cpufreq_read(files, &now) == 0)
			(void)cpufreq_yield(files, &was, &now);
		(void)cpufreq_put_back(files, &was);
	}
}

const struct power_ops power_librte = {
	.name = "librte_power",
	.start = librte_start,
	.group = librte_group,
	.learn = librte_learn,
	.held = librte_held,
	.take = librte_take,
	.set = librte_set,
	.check = librte_check,
	.force = librte_force,
	.again = librte_again,
	.give_back = librte_give_back,
	.look = librte_look,
	.get = librte_get,
	.abandon = librte_abandon,
};
