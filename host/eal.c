/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "eal.h"
#include "log.h"

#define MAIN_LCORE	(RTE_MAX_LCORE - 1)
#define POLLER_LCORE	(RTE_MAX_LCORE - 2)

/* Names EAL's runtime folder. */
#define FILE_PREFIX	"freqring"

/* "0@0,1@1,...": EAL panics on a CPU it may not use, so config.c checked them. */
int
eal_lcores(const struct config *c, char *buf, size_t size, struct frq_err *err)
{
	char control[1024];
	int n;

	(void)cpuset_format(&c->control_cpus, control, sizeof(control));
	n = snprintf(buf, size, "%u@(%s),%u@%d", MAIN_LCORE, control, POLLER_LCORE, c->poller_cpu);
	if (c->backend == CONFIG_BACKEND_SIMULATED)
		return 0;
	CPUSET_FOREACH(cpu, &c->managed_cpus) {
		if (cpu >= POLLER_LCORE) {
			frq_err_set(err, "CPU %u cannot be managed: librte_power of this DPDK knows lcores below %u, of which the daemon needs two",
				cpu, RTE_MAX_LCORE);
			return -ERANGE;
		}
		n += snprintf(buf + n, size - (size_t)n, ",%u@%u", cpu, cpu);
		if ((size_t)n >= size) {
			frq_err_set(err, "too many managed CPUs");
			return -E2BIG;
		}
	}
	return 0;
}

/* ---- telemetry's folder ------------------------------------------------------- */

/* EAL of DPDK 22.11 goes on below it to dpdk/PREFIX. */
static const char *
runtime_base(void)
{
	const char *dir;

	if (getuid() == 0) {
		/* systemd's word for our own folder, where nobody looks for DPDK's sockets. */
		(void)unsetenv("RUNTIME_DIRECTORY");
		return "/var/run";
	}
	dir = getenv("RUNTIME_DIRECTORY");
	if (dir == NULL)
		dir = getenv("XDG_RUNTIME_DIR");
	return dir != NULL ? dir : "/tmp";
}

/* Nobody else may put sockets there, or take ours away. */
static bool
make_private(const char *dir, struct frq_err *err)
{
	struct stat st;

	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || lstat(dir, &st) < 0) {
		frq_err_set(err, "%s: %s", dir, strerror(errno));
		return false;
	}
	if (S_ISDIR(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return true;
	frq_err_set(err, "%s is not a folder that only this user writes to", dir);
	return false;
}

/* Nothing but doing it tells whether a socket can be made. */
static bool
try_socket(const char *dir, struct frq_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int n, fd, ret;

	/* No shorter than the name of telemetry's, "dpdk_telemetry.v2:1" at most. */
	n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dpdk_telemetry.try.%d", dir, getpid());
	if ((size_t)n >= sizeof(sun.sun_path)) {
		frq_err_set(err, "too long a path for a socket: %s", dir);
		return false;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ret = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	if (ret < 0)
		frq_err_set(err, "no socket in %s: %s", dir, strerror(errno));
	else
		(void)unlink(sun.sun_path);
	if (fd >= 0)
		(void)close(fd);
	return ret == 0;
}

/* EAL makes the folders itself, but does not start where it then gets no socket. */
static bool
telemetry_possible(struct frq_err *why)
{
	const char *base = runtime_base();
	char dir[PATH_MAX];

	(void)snprintf(dir, sizeof(dir), "%s/dpdk", base);
	if (!make_private(dir, why))
		return false;
	(void)snprintf(dir, sizeof(dir), "%s/dpdk/" FILE_PREFIX, base);
	return make_private(dir, why) && try_socket(dir, why);
}

/* EAL gives threads of its own all CPUs that we may use and that no lcore has. */
static void
stay_on(const struct cpuset *cpus)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPUSET_FOREACH(cpu, cpus)
		CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

int
eal_start(const struct config *c, unsigned int *poller_lcore, struct frq_err *err)
{
	char lcores[4096], main_lcore[16], level[32];
	struct frq_err why;
	bool telemetry = telemetry_possible(&why);
	char *argv[] = {
		"freqringd", "--lcores", lcores, "--main-lcore", main_lcore,
		"--no-huge", "-m", "64", "--no-pci", "--no-shconf", "--file-prefix", FILE_PREFIX,
		telemetry ? "--telemetry" : "--no-telemetry",
		"--log-level", "lib.eal:warning", "--log-level", "lib.power:warning",
		/* A socket that is not there yet is no news. */
		"--log-level", "lib.vhost.config:error", "--log-level", "lib.vhost.data:error",
		/* It warns of an older protocol that nothing here speaks. */
		"--log-level", "lib.telemetry:error",
		"--log-level", level, NULL,
	};
	int ret = eal_lcores(c, lcores, sizeof(lcores), err);

	if (ret < 0)
		return ret;
	(void)snprintf(main_lcore, sizeof(main_lcore), "%u", MAIN_LCORE);
	(void)snprintf(level, sizeof(level), "freqring:%s", c->log_level);
	stay_on(&c->control_cpus);
	/* Telemetry writes to clients that may be gone. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0) {
		frq_err_set(err, "DPDK's EAL does not start (%s); its own lines above say why",
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	if (telemetry)
		FRQ_LOG(INFO, "DPDK's telemetry is in %s", rte_eal_get_runtime_dir());
	else
		FRQ_LOG(WARNING, "no telemetry: %s", why.text);
	*poller_lcore = POLLER_LCORE;
	return 0;
}
