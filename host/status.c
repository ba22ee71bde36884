/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "events.h"
#include "rpc.h"
#include "status.h"

json_t *
libvirt_status(const struct daemon *d)
{
	struct libvirt_watch_stats st;

	libvirt_watch_get_stats(d->watch, &st);
	return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
		"uri", d->config.uri,
		"connected", (int)st.connected,
		"events", (json_int_t)st.events,
		"maps_read", (json_int_t)st.maps_read,
		"maps_changed", (json_int_t)st.maps_changed,
		"connects", (json_int_t)st.connects,
		"disconnects", (json_int_t)st.disconnects,
		"errors", (json_int_t)st.errors,
		"last_error", rpc_text(st.last_error),
		"map_latency_us", vms_latency(d->vms));
}

json_t *
poller_status(const struct daemon *d)
{
	struct poller_stats st;

	poller_get_stats(d->poller, &st);
	return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}",
		"cpu", d->config.poller_cpu,
		"turns", (json_int_t)st.turns,
		"requests", (json_int_t)st.requests,
		"kicks", (json_int_t)st.kicks,
		"vms", (json_int_t)st.vms,
		"channels", (json_int_t)st.channels,
		"hot", (json_int_t)st.hot,
		"heartbeats", (json_int_t)st.heartbeats,
		"applier_stuck", (json_int_t)st.stuck,
		"stage", "spinning");
}

json_t *
applier_status(const struct daemon *d)
{
	struct applier_stats st;

	applier_get_stats(d->applier, &st);
	return json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"cpu", d->config.applier_cpu,
		"shares_poller_cpu", d->config.applier_cpu == d->config.poller_cpu,
		"wakeups", (json_int_t)st.wakeups,
		"decisions", (json_int_t)st.domains.decisions,
		"writes", (json_int_t)st.domains.writes,
		"write_errors", (json_int_t)st.domains.write_errors,
		"retries", (json_int_t)st.domains.retries,
		"drifts", (json_int_t)st.domains.drifts,
		"deferred", (json_int_t)st.domains.deferred,
		"leases_expired", (json_int_t)st.leases_expired);
}

/* ---- CPUs ----------------------------------------------------------------- */

static const char *const control_name[CPU_CONTROL_COUNT] = {
	[CPU_FREE] = "free",
	[CPU_OURS] = "ours",
	[CPU_FOREIGN_GOVERNOR] = "foreign governor",
	[CPU_FOREIGN_FREQUENCY] = "foreign frequency",
	[CPU_OFFLINE] = "offline",
	[CPU_HELD] = "held",
};

/* The first two as the configuration spells them. */
static const char *const bound_name[BOUND_COUNT] = {
	[BOUND_RULE_MIN] = "min_mhz",
	[BOUND_RULE_MAX] = "max_mhz",
	[BOUND_RULE_TURBO] = "turbo rule",
	[BOUND_FLOOR] = "floor",
	[BOUND_CEILING] = "ceiling",
};

const char *
cpu_control_name(enum cpu_control control)
{
	return control_name[control];
}

static void
say_problem(enum frq_reason problem, char *text, size_t size)
{
	const char *words = "the kernel does not do what it is told";

	if (problem == FRQ_REASON_OK)
		words = "";
	else if (problem == FRQ_REASON_OFFLINE)
		words = "it is offline";
	else if (problem == FRQ_REASON_NO_CPUFREQ)
		words = "it has no cpufreq that could be used";
	else if (problem == FRQ_REASON_FOREIGN)
		words = "somebody else set it, and it is not ours again yet";
	(void)snprintf(text, size, "%s", words);
}

void
cpu_trouble(const struct domain_cpu_stats *st, const struct power_look *l,
	char *text, size_t size)
{
	size_t used;

	switch (st->control) {
	case CPU_FOREIGN_GOVERNOR:
		(void)snprintf(text, size, "somebody else chose the governor %s, and is let",
			l->governor[0] != '\0' ? l->governor : "(unknown)");
		break;
	case CPU_FOREIGN_FREQUENCY:
		(void)snprintf(text, size, "somebody else set %" PRIu32
			" MHz, and is let until something else is asked for", (l->khz + 500) / 1000);
		break;
	case CPU_OFFLINE:
		say_problem(FRQ_REASON_OFFLINE, text, size);
		break;
	case CPU_HELD:
		(void)snprintf(text, size, "an earlier freqringd set it and was killed; %s",
			st->problem == FRQ_REASON_OK ? "it is not known yet who votes" :
			"it cannot be put back, which is tried again");
		break;
	default:
		say_problem(st->problem, text, size);
	}
	used = strlen(text);
	if (used != 0 && st->decided_khz != 0)
		(void)snprintf(text + used, size - used, "; wanted: %" PRIu32 " MHz",
			(st->decided_khz + 500) / 1000);
}

/* The vote that decided, or null: an operator did, or nobody. */
static json_t *
winner(const struct daemon *d, const struct domain_cpu_stats *st)
{
	const char *name = st->winner != NULL ? vms_name(d->vms, st->winner->vm) : NULL;

	return name == NULL ? json_null() :
		json_pack("{s:s, s:i}", "vm", name, "vcpu", (int)st->winner->number);
}

/* What was decided, why, and what came of it. */
static json_t *
decision_status(const struct daemon *d, const struct domain_cpu_stats *st,
	const struct power_look *l)
{
	bool asked = st->control != CPU_FREE || st->problem != FRQ_REASON_OK;
	bool in_force = st->control == CPU_OURS && st->problem == FRQ_REASON_OK &&
		st->applied_khz != 0;
	uint32_t wanted_khz = asked ? st->decided_khz : 0;
	char trouble[200];

	cpu_trouble(st, l, trouble, sizeof(trouble));
	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:b, s:s?, s:s, s:s, s:s}",
		"decided_khz", (json_int_t)(in_force ? wanted_khz : 0),
		"wanted_khz", (json_int_t)wanted_khz,
		"applied_khz", (json_int_t)st->applied_khz,
		"readback_khz", (json_int_t)l->khz,
		"winner", wanted_khz != 0 ? winner(d, st) : json_null(),
		"manual", wanted_khz != 0 && st->manual,
		"bound", wanted_khz != 0 ? bound_name[st->bound] : NULL,
		"control", control_name[st->control],
		"problem", vms_reason_name(st->problem),
		"trouble", trouble);
}

static json_t *
counters_status(const struct domain_cpu_stats *st)
{
	return json_pack("{s:I, s:I, s:I, s:I}",
		"writes", (json_int_t)st->writes,
		"write_errors", (json_int_t)st->write_errors,
		"retries", (json_int_t)st->retries,
		"drifts", (json_int_t)st->drifts);
}

/* What it is, and what its files say. */
static json_t *
hardware_status(const struct domain_cpu_stats *st, const struct power_look *l)
{
	const struct freq_table *t = &st->info.table;

	return json_pack("{s:i, s:i, s:s, s:s, s:i, s:I, s:I, s:b, s:I, s:I, s:I}",
		"policy", (int)st->policy,
		"domain", (int)st->domain,
		"driver", st->info.driver,
		"governor", l->governor,
		"nb_freqs", (int)t->nb,
		"min_khz", (json_int_t)(t->nb != 0 ? t->khz[t->nb - 1] : 0),
		"max_khz", (json_int_t)(t->nb != 0 ? t->khz[0] : 0),
		"turbo_available", (int)t->turbo,
		"floor_khz", (json_int_t)l->limits.floor_khz,
		"ceiling_khz", (json_int_t)(l->limits.ceiling_khz != UINT32_MAX ?
			l->limits.ceiling_khz : 0),
		"latency_ns", (json_int_t)st->info.latency_ns);
}

json_t *
cpu_status(const struct daemon *d, unsigned int number)
{
	struct domain_cpu_stats st;
	struct power_look l;
	json_t *cpu;

	applier_get_cpu(d->applier, number, &st);
	if (d->power->look(st.policy, &l) != 0)
		l = (struct power_look){ .limits = st.limits };
	cpu = json_pack("{s:i, s:s, s:I, s:o}",
		"cpu", (int)number,
		"backend", d->power->name,
		"khz", (json_int_t)d->power->get(st.policy),
		"votes", vms_votes(d->vms, number));
	if (json_object_update_new(cpu, vms_manual(d->vms, number)) == 0 &&
	    json_object_update_new(cpu, hardware_status(&st, &l)) == 0 &&
	    json_object_update_new(cpu, decision_status(d, &st, &l)) == 0 &&
	    json_object_update_new(cpu, counters_status(&st)) == 0)
		return cpu;
	json_decref(cpu);
	return NULL;
}

static json_t *
cpus_status(const struct daemon *d, const struct cpuset *which)
{
	json_t *cpus = json_array();

	CPUSET_FOREACH(cpu, &d->config.managed_cpus)
		if (cpuset_has(which, cpu))
			(void)json_array_append_new(cpus, cpu_status(d, cpu));
	return cpus;
}

/*
 * All of it may be megabytes: who wants to know of one VM or of some CPUs says
 * so. @return whether the parameters are right
 */
static bool
choose_parts(struct rpc_call *call, const struct daemon *d, json_t **vms, json_t **cpus)
{
	const char *vm = json_string_value(json_object_get(call->params, "vm"));
	const char *list = json_string_value(json_object_get(call->params, "cpus"));
	struct cpuset which = d->config.managed_cpus;
	json_t *one;

	if (list != NULL && !cpuset_parse(&which, list, &call->err)) {
		call->code = RPC_INVALID_PARAMS;
		return false;
	}
	if (vm != NULL) {
		one = vms_one(d->vms, vm, &call->err);
		if (one == NULL) {
			call->code = RPC_FAILED;
			return false;
		}
		*vms = json_pack("{s:[o]}", "vms", one);
	} else {
		*vms = list != NULL ? json_object() : vms_status(d->vms);
	}
	*cpus = cpus_status(d, &which);
	return true;
}

/* ---- the methods ----------------------------------------------------------- */

json_t *
version_run(struct rpc_call *call)
{
	(void)call;
	return json_pack("{s:s, s:i}", "version", FREQRING_VERSION, "abi", (int)FRQ_ABI_VERSION);
}

json_t *
status_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	struct timespec now;
	json_t *status, *vms, *cpus;

	if (!choose_parts(call, d, &vms, &cpus))
		return NULL;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	status = json_pack("{s:s, s:i, s:I, s:{s:s, s:b}, s:o, s:o, s:o, s:o, s:o}",
		"version", FREQRING_VERSION,
		"pid", (int)getpid(),
		"uptime_s", (json_int_t)(now.tv_sec - d->started.tv_sec),
		"backend", "name", d->power->name, "simulated", (int)d->power->simulated,
		"libvirt", libvirt_status(d),
		"poller", poller_status(d),
		"applier", applier_status(d),
		"control", control_stats(d->control),
		"cpus", cpus);
	if (status == NULL || json_object_update_new(status, vms) != 0) {
		json_decref(status);
		call->code = RPC_INTERNAL_ERROR;
		frq_err_set(&call->err, "the status could not be put together");
		return NULL;
	}
	return status;
}

/* ISO 8601 */
static void
format_time(int64_t ms, char text[32])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));

	(void)snprintf(text + n, 32 - n, ".%03dZ", (int)(ms % 1000));
}

json_t *
event_status(const struct event_record *e)
{
	char time[32];

	format_time(e->time_ms, time);
	return json_pack("{s:I, s:s, s:s, s:o, s:o}", "number", (json_int_t)e->number,
		"time", time, "kind", event_kind_name(e->kind),
		"vm", e->vm[0] != '\0' ? rpc_text(e->vm) : json_null(),
		"text", rpc_text(e->text));
}

json_t *
event_subscribe_run(struct rpc_call *call)
{
	control_subscribe(call);
	return json_pack("{s:I}", "last", (json_int_t)event_last());
}

json_t *
list_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;

	return vms_list(d->vms);
}

json_t *
events_run(struct rpc_call *call)
{
	uint64_t number, last = event_last(), lost = 0;
	json_int_t since = 0;
	json_error_t why;
	struct event_record e;
	json_t *events;

	if (call->params != NULL && (json_unpack_ex(call->params, &why, 0, "{s?I!}", "since",
	    &since) != 0 || since < 0)) {
		call->code = RPC_INVALID_PARAMS;
		frq_err_set(&call->err, "expected no parameter but \"since\": the number of an event");
		return NULL;
	}
	events = json_array();
	for (number = (uint64_t)since; event_next(number, &e); number = last = e.number) {
		lost += e.number - number - 1;
		(void)json_array_append_new(events, event_status(&e));
	}
	return json_pack("{s:I, s:I, s:o}", "last", (json_int_t)last,
		"lost", (json_int_t)lost, "events", events);
}
