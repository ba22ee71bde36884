/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The applier goes on meanwhile: a CPU that looks wrong is looked at again a
 * few times, and what changed under a look is not compared.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "status.h"
#include "verify.h"

#define LOOKS		8u
#define PAUSE_NS	1000000L	/* after the first, then twice that: 127 ms in all */
/* With a lower write limit a decision may wait as long as all looks take. */
#define SOON_ENOUGH	50u

static unsigned int
mhz(uint32_t khz)
{
	return (khz + 500) / 1000;
}

/* ---- one CPU --------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
wrong(struct verify_verdict *r, const char *fmt, ...)
{
	va_list ap;

	r->ok = false;
	va_start(ap, fmt);
	(void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

/* The table's word for the turbo state need not be the driver's. */
static bool
is_set_to(const struct verify_view *v)
{
	const struct freq_table *t = &v->st.info.table;

	return t->turbo && v->st.applied_khz == t->khz[0] ? v->look.khz >= t->khz[0] :
		v->look.khz == v->st.applied_khz;
}

/* What was decided is written: is it what its files say? */
static void
judge_files(const struct verify_view *v, struct verify_verdict *r)
{
	if (v->look_error == -ENXIO)
		wrong(r, "offline, and %u MHz promised", mhz(r->promised_khz));
	else if (v->look_error != 0)
		wrong(r, "its cpufreq files cannot be read: %s", strerror(-v->look_error));
	else if (!v->look.ours)
		wrong(r, "governor %s, under which freqring does not set it; %u MHz promised",
			v->look.governor, mhz(r->promised_khz));
	else if (v->look.khz == 0)
		wrong(r, "what it is set to is not known; %u MHz promised", mhz(r->promised_khz));
	else if (!is_set_to(v))
		wrong(r, "set to %u MHz, and %u MHz promised", mhz(v->look.khz),
			mhz(r->promised_khz));
	else
		(void)snprintf(r->text, sizeof(r->text), "ours, %u MHz, %s",
			mhz(v->look.khz), v->look.governor);
}

void
verify_judge(const struct verify_view *v, struct verify_verdict *r)
{
	const struct domain_cpu_stats *st = &v->st;
	bool is_free = st->control == CPU_FREE &&
		(st->problem == FRQ_REASON_OK || st->problem == FRQ_REASON_NO_CPUFREQ);

	*r = (struct verify_verdict){ .ok = true };
	if (!is_free)
		r->promised_khz = st->decided_khz;
	if (!v->still) {
		r->busy = true;
		(void)snprintf(r->text, sizeof(r->text), "set anew at each look");
	} else if (is_free && !v->held) {
		(void)snprintf(r->text, sizeof(r->text), "free");
	} else if (!is_free && (st->control != CPU_OURS || st->problem != FRQ_REASON_OK)) {
		r->ok = false;
		cpu_trouble(st, &v->look, r->text, sizeof(r->text));
	} else if (r->promised_khz == 0) {
		wrong(r, "nobody asks for it, and it is not given back");
	} else if (st->decided_khz == st->applied_khz) {
		judge_files(v, r);
	} else if (v->may_wait) {
		r->busy = true;
		(void)snprintf(r->text, sizeof(r->text), "%u MHz decided, not set yet",
			mhz(st->decided_khz));
	} else {
		wrong(r, "%u MHz decided, and %u MHz set", mhz(st->decided_khz),
			mhz(st->applied_khz));
	}
}

/* ---- all of them ------------------------------------------------------------- */

struct looked_at {
	struct verify_view v;
	struct verify_verdict verdict;
	uint64_t first_writes;		/* at the first look */
};

static bool
is_same(const struct domain_cpu_stats *a, const struct domain_cpu_stats *b)
{
	return a->control == b->control && a->problem == b->problem &&
		a->decided_khz == b->decided_khz && a->applied_khz == b->applied_khz &&
		a->writes == b->writes && a->write_errors == b->write_errors &&
		a->retries == b->retries && a->drifts == b->drifts;
}

static void
look_at(const struct daemon *d, unsigned int cpu, bool first, struct looked_at *l)
{
	uint32_t limit = d->config.write_limit;
	struct domain_cpu_stats after;
	struct verify_view *v = &l->v;

	memset(v, 0, sizeof(*v));
	applier_get_cpu(d->applier, cpu, &v->st);
	v->look_error = d->power->look(v->st.policy, &v->look);
	v->held = v->st.control == CPU_FREE && d->power->held(v->st.policy);
	applier_get_cpu(d->applier, cpu, &after);
	v->still = is_same(&v->st, &after);
	if (first)
		l->first_writes = v->st.writes;
	v->may_wait = (limit != 0 && limit < SOON_ENOUGH) || v->st.writes != l->first_writes;
	verify_judge(v, &l->verdict);
}

static void
look_at_all(const struct daemon *d, struct looked_at *l)
{
	struct cpuset left = d->config.managed_cpus;

	for (unsigned int i = 0; i < LOOKS && !cpuset_empty(&left); i++) {
		struct timespec pause = { .tv_nsec = PAUSE_NS << i >> 1 };
		struct cpuset again = { 0 };

		if (i != 0)
			(void)nanosleep(&pause, NULL);
		CPUSET_FOREACH(cpu, &left) {
			look_at(d, cpu, i == 0, &l[cpu]);
			if (!l[cpu].verdict.ok || l[cpu].verdict.busy)
				cpuset_add(&again, cpu);
		}
		left = again;
	}
}

static json_t *
cpu_verdict(unsigned int cpu, const struct looked_at *l)
{
	json_t *o = json_pack("{s:i, s:s, s:b, s:b, s:I, s:I, s:s, s:s}",
		"cpu", (int)cpu,
		"control", cpu_control_name(l->v.st.control),
		"ok", (int)l->verdict.ok,
		"busy", (int)l->verdict.busy,
		"promised_khz", (json_int_t)l->verdict.promised_khz,
		"sysfs_khz", (json_int_t)l->v.look.khz,
		"governor", l->v.look.governor,
		"text", l->verdict.text);

	if (l->verdict.promised_khz != 0 && l->v.look.ours)
		(void)json_object_set_new(o, "promised_governor", json_string(l->v.look.governor));
	return o;
}

json_t *
verify_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	struct looked_at *l = calloc(FRQ_MAX_CPUS, sizeof(*l));
	json_t *cpus;
	bool ok = true;

	if (l == NULL) {
		call->code = RPC_INTERNAL_ERROR;
		frq_err_set(&call->err, "no memory");
		return NULL;
	}
	look_at_all(d, l);
	cpus = json_array();
	CPUSET_FOREACH(cpu, &d->config.managed_cpus) {
		ok &= l[cpu].verdict.ok;
		(void)json_array_append_new(cpus, cpu_verdict(cpu, &l[cpu]));
	}
	free(l);
	return json_pack("{s:b, s:{s:s, s:b}, s:o}", "ok", (int)ok,
		"backend", "name", d->power->name, "simulated", (int)d->power->simulated,
		"cpus", cpus);
}
