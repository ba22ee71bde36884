/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lcores.c - see lcores.h
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lcores.h"

#define HEARTBEAT_TIMEOUT_MS 150u

struct lcore lcores[LCORES_MAX];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	const struct lcores_dpdk *dpdk;
	struct freqring *fr;
	bool decided;
	bool stands_in;
} self;

void
lcores_log(enum lcores_log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	self.dpdk->log(level, line);
}

const char *
lcores_error(void)
{
	return freqring_error(self.fr);
}

/* ---- decide ---------------------------------------------------------------- */

/* From the thread of an lcore whose channel moved. */
static void
say_moved(void *arg, enum freqring_transport from, enum freqring_transport to, const char *why)
{
	(void)arg;
	lcores_log(LCORES_WARNING, "freqring: a channel moved from %s to %s: %s",
		freqring_transport_name(from), freqring_transport_name(to), why);
}

static void
say_not_open(int ret)
{
	/* On a host there is nothing of this, and nobody needs to hear of it. */
	if (ret != -ENODEV)
		lcores_log(LCORES_INFO, "freqring: %s; frequencies are left to librte_power",
			lcores_error());
}

static void
say_nobody(const struct freqring_info *info)
{
	lcores_log(LCORES_INFO, "freqring: %s %s: %s; frequencies are left to librte_power. "
		"On the host: systemctl start freqringd; freqring status",
		freqring_transport_name(info->transport), info->device,
		info->quarantined ? "the host has this VM in quarantine" : "no host answers");
}

static bool
decide(void)
{
	const struct freqring_options options = {
		.device = getenv("FREQRING_DEVICE"),
		.moved = say_moved,
	};
	struct freqring_info info = { .host_alive = false };
	int ret = freqring_open(&self.fr, &options);

	if (ret == 0)
		ret = freqring_get_info(self.fr, &info, HEARTBEAT_TIMEOUT_MS);
	if (ret < 0) {
		say_not_open(ret);
		return false;
	}
	if (!info.host_alive || info.quarantined) {
		say_nobody(&info);
		return false;
	}
	lcores_log(LCORES_INFO, "freqring stands in for librte_power: %s %s%s",
		freqring_transport_name(info.transport), info.device,
		info.simulated ? " (simulated)" : "");
	return true;
}

bool
lcores_stand_in(const struct lcores_dpdk *dpdk)
{
	bool stands_in;

	(void)pthread_mutex_lock(&lock);
	if (!self.decided) {
		self.dpdk = dpdk;
		self.stands_in = decide();
		self.decided = true;
		if (!self.stands_in) {
			freqring_close(self.fr);
			self.fr = NULL;
		}
	}
	stands_in = self.stands_in;
	(void)pthread_mutex_unlock(&lock);
	return stands_in;
}

void
lcores_forget(void)
{
	for (unsigned int i = 0; i < LCORES_MAX; i++)
		lcores[i].ch = NULL;
	freqring_close(self.fr);
	self.fr = NULL;
	self.decided = false;
}

/* ---- take and give back ----------------------------------------------------- */

static int
only_cpu(const cpu_set_t *cpus)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, cpus))
			return cpu;
	return -1;
}

/* @return whether the lcore has a vCPU, which is noted */
static bool
find_vcpu(struct lcore *l, unsigned int lcore)
{
	cpu_set_t cpus;
	int vcpu, n;

	CPU_ZERO(&cpus);
	if (!self.dpdk->cpus(lcore, &cpus)) {
		lcores_log(LCORES_ERR, "freqring: there is no lcore %u", lcore);
		return false;
	}
	n = CPU_COUNT(&cpus);
	if (n != 1) {
		lcores_log(LCORES_ERR, "freqring: lcore %u may run on %d CPUs, so none of them is "
			"its own to set: give it one, as --lcores %u@CPU does", lcore, n, lcore);
		return false;
	}
	l->cpu = (unsigned int)only_cpu(&cpus);
	vcpu = freqring_vcpu_of_cpu(l->cpu);
	if (vcpu < 0) {
		lcores_log(LCORES_ERR, "freqring: lcore %u: this Linux has no CPU %u", lcore, l->cpu);
		return false;
	}
	l->vcpu = (unsigned int)vcpu;
	return true;
}

static struct lcore *
take(unsigned int lcore)
{
	struct lcore fresh = { .asked = LCORES_ASKED_STEPS };

	if (lcore >= LCORES_MAX) {
		lcores_log(LCORES_ERR, "freqring: lcore %u: only those below %u are known", lcore,
			LCORES_MAX);
		return NULL;
	}
	if (lcores[lcore].ch != NULL) {
		lcores_log(LCORES_INFO, "freqring: lcore %u is in use already", lcore);
		return NULL;
	}
	if (!find_vcpu(&fresh, lcore))
		return NULL;
	if (freqring_attach(self.fr, fresh.vcpu, &fresh.ch) < 0) {
		lcores_log(LCORES_ERR, "freqring: lcore %u, CPU %u, vCPU %u: %s", lcore, fresh.cpu,
			fresh.vcpu, lcores_error());
		return NULL;
	}
	lcores[lcore] = fresh;
	return &lcores[lcore];
}

struct lcore *
lcores_take(unsigned int lcore)
{
	struct lcore *l;

	(void)pthread_mutex_lock(&lock);
	l = take(lcore);
	(void)pthread_mutex_unlock(&lock);
	return l;
}

bool
lcores_give_back(unsigned int lcore)
{
	struct freqring_channel *ch = NULL;

	(void)pthread_mutex_lock(&lock);
	if (lcore < LCORES_MAX) {
		ch = lcores[lcore].ch;
		lcores[lcore].ch = NULL;
	}
	freqring_detach(ch);
	(void)pthread_mutex_unlock(&lock);
	return ch != NULL;
}
