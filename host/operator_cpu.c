/* SPDX-License-Identifier: BSD-3-Clause */
#include "operator_cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "daemon.h"
#include "rpc_params.h"
#include "status.h"

/* A kernel that is busy has a quarter of a second to think better of it, and the
 * applier a moment to look at a CPU again that was in trouble before.
 */
#define PATIENCE_MS	300u
#define DEADLINE_MS	3000u	/* the lowest write_limit is once a second */

struct order {
	LIST_ENTRY(order) link;
	struct cpu_orders *orders;
	struct rpc_pending *pending;
	struct cpuset cpus;
	bool release;
	uint64_t generation;	/* of the map that has it */
	bool patient;		/* trouble may pass yet */
	struct event *timer;
};

struct cpu_orders {
	struct daemon *d;
	LIST_HEAD(, order) list;
};

/* ---- what came of it --------------------------------------------------------- */

enum outcome {
	OUTCOME_DONE,
	OUTCOME_WAITS,
	OUTCOME_TROUBLE,	/* which may pass */
};

/*
 * The applier may be in the middle of deciding: only what agrees is done, and
 * whatever does not is looked at again when it tells.
 */
static enum outcome
look_at_cpu(const struct order *o, const struct domain_cpu_stats *st)
{
	bool ours = st->control == CPU_OURS && st->applied_khz != 0 &&
		st->applied_khz == st->decided_khz;

	/* It was online when it was asked for: the applier looks for it once a second. */
	if (st->problem == FRQ_REASON_OFFLINE && !o->release)
		return OUTCOME_WAITS;
	if (st->problem != FRQ_REASON_OK)
		return st->pending ? OUTCOME_WAITS : OUTCOME_TROUBLE;
	return ours || (o->release && st->control == CPU_FREE) ? OUTCOME_DONE : OUTCOME_WAITS;
}

/* Of all its CPUs the worst. @param[out] cpu  the first that is as bad as that */
static enum outcome
look_at(const struct order *o, unsigned int *cpu)
{
	const struct daemon *d = o->orders->d;
	enum outcome worst = OUTCOME_DONE;

	*cpu = cpuset_next(&o->cpus, 0);
	if (applier_generation(d->applier) < o->generation)
		return OUTCOME_WAITS;
	CPUSET_FOREACH(n, &o->cpus) {
		struct domain_cpu_stats st;
		enum outcome outcome;

		applier_get_cpu(d->applier, n, &st);
		outcome = look_at_cpu(o, &st);
		if (outcome <= worst)
			continue;
		worst = outcome;
		*cpu = n;
	}
	return worst;
}

static void
say_why(const struct order *o, unsigned int cpu, char *why, size_t size)
{
	const struct daemon *d = o->orders->d;
	struct domain_cpu_stats st;
	struct power_look l;

	if (applier_generation(d->applier) < o->generation) {
		(void)snprintf(why, size, "the applier does not get to it");
		return;
	}
	applier_get_cpu(d->applier, cpu, &st);
	if (d->power->look(st.policy, &l) != 0)
		l = (struct power_look){ .limits = st.limits };
	cpu_trouble(&st, &l, why, size);
	if (why[0] == '\0')
		(void)snprintf(why, size, "not within %u s: write_limit, or a kernel that is busy, holds it back",
			DEADLINE_MS / 1000);
}

/* ---- its end ------------------------------------------------------------------ */

static void
free_order(struct order *o)
{
	LIST_REMOVE(o, link);
	if (o->timer != NULL)
		event_free(o->timer);
	free(o);
}

static void
fail_order(struct order *o, unsigned int cpu)
{
	struct frq_err err;
	char why[200];

	say_why(o, cpu, why, sizeof(why));
	if (o->release)
		frq_err_set(&err, "CPU %u: released, but not as the votes say yet: %.200s", cpu, why);
	else
		frq_err_set(&err, "CPU %u: not in force: %.200s (it stands until freqring release %u)",
			cpu, why, cpu);
	control_answer(o->pending, NULL, RPC_FAILED, err.text);
	free_order(o);
}

/* @param late  it is not waited for any more. @return whether it is over */
static bool
try_to_end(struct order *o, bool late)
{
	unsigned int cpu;
	enum outcome outcome = look_at(o, &cpu);

	if (outcome == OUTCOME_DONE) {
		control_answer(o->pending, json_pack("{s:i}", "cpus", (int)cpuset_count(&o->cpus)), 0,
			NULL);
		free_order(o);
	} else if (late || (outcome == OUTCOME_TROUBLE && !o->patient)) {
		fail_order(o, cpu);
	} else {
		return false;
	}
	return true;
}

void
cpu_orders_follow(struct cpu_orders *orders)
{
	struct order *o, *next;

	/* Before the look, so that what is done during it is told. */
	if (!LIST_EMPTY(&orders->list))
		applier_watch(orders->d->applier);
	for (o = LIST_FIRST(&orders->list); o != NULL; o = next) {
		next = LIST_NEXT(o, link);
		(void)try_to_end(o, false);
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval rest = { .tv_sec = (DEADLINE_MS - PATIENCE_MS) / 1000,
		.tv_usec = (long)((DEADLINE_MS - PATIENCE_MS) % 1000) * 1000 };
	struct order *o = arg;
	bool late = !o->patient;

	(void)fd, (void)what;
	o->patient = false;
	if (!try_to_end(o, late))
		(void)event_add(o->timer, &rest);
}

/* ---- the parameters ------------------------------------------------------------ */

static const struct {
	const char *word;
	uint8_t op;
} words[] = {
	{ "up", FRQ_OP_UP },
	{ "down", FRQ_OP_DOWN },
	{ "min", FRQ_OP_MIN },
	{ "max", FRQ_OP_MAX },
	{ "enable_turbo", FRQ_OP_TURBO_ON },
	{ "disable_turbo", FRQ_OP_TURBO_OFF },
	{ "release", FRQ_OP_RELEASE },
};

/* @return whether it is one that can be */
static bool
parse_freq(const json_t *freq, uint8_t *op, uint32_t *khz)
{
	json_int_t n = json_integer_value(freq);

	*khz = 0;
	if (json_is_integer(freq)) {
		*op = FRQ_OP_SET;
		*khz = (uint32_t)n;
		return n > 0 && n <= FRQ_ARG_MAX;
	}
	for (size_t i = 0; json_is_string(freq) && i < sizeof(words) / sizeof(words[0]); i++) {
		*op = words[i].op;
		if (strcmp(words[i].word, json_string_value(freq)) == 0)
			return true;
	}
	return false;
}

/* @return whether it is well-formed; otherwise the call has failed */
static bool
parse_cpus(struct rpc_call *call, const struct daemon *d, uint8_t op, struct cpuset *cpus)
{
	const json_t *cpu = json_object_get(call->params, "cpu");
	const char *list = json_string_value(json_object_get(call->params, "cpus"));
	json_int_t number = json_integer_value(cpu);
	struct frq_err err;

	memset(cpus, 0, sizeof(*cpus));
	if (list != NULL && strcmp(list, "all") == 0 && op == FRQ_OP_RELEASE) {
		vms_manual_cpus(d->vms, cpus);
		return true;
	}
	if (list != NULL && cpuset_parse(cpus, list, &err))
		return true;
	if (list == NULL && json_is_integer(cpu) && number >= 0 && number < FRQ_MAX_CPUS) {
		cpuset_add(cpus, (unsigned int)number);
		return true;
	}
	if (list == NULL) {
		(void)rpc_refuse(call, "\"cpu\": the number of a CPU, or \"cpus\": a list like 0,2-5");
	} else {
		call->code = RPC_INVALID_PARAMS;
		frq_err_set(&call->err, "\"cpus\": %.200s", err.text);
	}
	return false;
}

/* ---- the method ---------------------------------------------------------------- */

static struct order *
make_order(struct cpu_orders *orders, struct rpc_call *call)
{
	static const struct timeval patience = { .tv_usec = PATIENCE_MS * 1000L };
	struct order *o = calloc(1, sizeof(*o));

	if (o != NULL)
		o->timer = event_new(orders->d->base, -1, 0, on_timer, o);
	if (o == NULL || o->timer == NULL || event_add(o->timer, &patience) < 0) {
		if (o != NULL && o->timer != NULL)
			event_free(o->timer);
		free(o);
		call->code = RPC_INTERNAL_ERROR;
		frq_err_set(&call->err, "out of memory");
		return NULL;
	}
	o->orders = orders;
	o->patient = true;
	LIST_INSERT_HEAD(&orders->list, o, link);
	o->pending = control_defer(call);
	if (o->pending != NULL)
		return o;
	free_order(o);
	return NULL;
}

json_t *
set_cpu_freq_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	struct cpuset cpus;
	struct frq_err err;
	struct order *o;
	uint8_t op = 0;
	uint32_t khz;

	if (!parse_freq(json_object_get(call->params, "freq"), &op, &khz))
		return rpc_refuse(call, "\"freq\": up, down, min, max, enable_turbo, disable_turbo, release or a number of kHz");
	if (!parse_cpus(call, d, op, &cpus))
		return NULL;
	if (cpuset_empty(&cpus))
		return json_pack("{s:i}", "cpus", 0);
	o = make_order(d->cpu_orders, call);
	if (o == NULL)
		return NULL;
	o->cpus = cpus;
	o->release = op == FRQ_OP_RELEASE;
	applier_watch(d->applier);
	if (vms_set_cpus(d->vms, &cpus, op, khz, &err) < 0) {
		control_answer(o->pending, NULL, RPC_FAILED, err.text);
		free_order(o);
		return NULL;
	}
	o->generation = vms_generation(d->vms);
	return NULL;
}

/* ---- made and freed -------------------------------------------------------------- */

struct cpu_orders *
cpu_orders_create(struct daemon *d, struct frq_err *err)
{
	struct cpu_orders *orders = calloc(1, sizeof(*orders));

	if (orders == NULL) {
		frq_err_set(err, "no memory for settings by hand");
		return NULL;
	}
	orders->d = d;
	LIST_INIT(&orders->list);
	return orders;
}

void
cpu_orders_free(struct cpu_orders *orders)
{
	struct order *o;

	if (orders == NULL)
		return;
	/* The analyzer does not see LIST_REMOVE take one off the list. */
	while ((o = LIST_FIRST(&orders->list)) != NULL) {
		control_answer(o->pending, NULL, RPC_FAILED, /* NOLINT(clang-analyzer-unix.Malloc) */
			"freqringd ends, and does not wait any more for the CPUs");
		free_order(o);
	}
	free(orders);
}
