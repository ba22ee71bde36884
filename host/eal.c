/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "eal.h"
#include "log.h"

#define MAIN_LCORE	(RTE_MAX_LCORE - 1)
#define POLLER_LCORE	(RTE_MAX_LCORE - 2)

/* "0@0,1@1,...": EAL panics on a CPU it may not use, so config.c checked them. */
static int
lcores_option(const struct config *c, char *buf, size_t size, struct frq_err *err)
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

int
eal_start(const struct config *c, unsigned int *poller_lcore, struct frq_err *err)
{
	char lcores[4096], main_lcore[16], level[32];
	char *argv[] = {
		"freqringd", "--lcores", lcores, "--main-lcore", main_lcore,
		"--no-huge", "-m", "16", "--no-pci", "--no-shconf", "--no-telemetry",
		"--log-level", "lib.eal:warning", "--log-level", "lib.power:warning",
		"--log-level", level, NULL,
	};
	int ret = lcores_option(c, lcores, sizeof(lcores), err);

	if (ret < 0)
		return ret;
	(void)snprintf(main_lcore, sizeof(main_lcore), "%u", MAIN_LCORE);
	(void)snprintf(level, sizeof(level), "freqring:%s", c->log_level);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0) {
		frq_err_set(err, "DPDK's EAL does not start (%s); its own lines above say why",
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	*poller_lcore = POLLER_LCORE;
	return 0;
}

void
eal_stop(void)
{
	(void)rte_eal_cleanup();
}
