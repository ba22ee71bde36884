/* SPDX-License-Identifier: BSD-3-Clause */
#include "operator_power.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "daemon.h"
#include "domain_pm.h"
#include "events.h"
#include "rpc_params.h"

/* How long a guest may take, unless the operator says otherwise. */
#define MEM_S		30u
#define DISK_S		120u	/* its memory has to be written first */
#define TIMEOUT_MAX_S	3600
#define SECONDS_MAX	31536000
#define WAKE_AGAIN_MS	5000u

struct order {
	LIST_ENTRY(order) link;
	struct power_orders *orders;
	struct rpc_pending *pending;	/* NULL: nobody waits, it is time to wake up */
	uint8_t uuid[16];
	char name[256];
	bool wake;			/* else: suspend */
	enum pm_target target;
	unsigned int seconds;		/* of sleep, 0: until somebody wakes it */
	unsigned int timeout_s;
	uint64_t began_ms;
	struct event *deadline;
	bool under_way;			/* its job has not come back yet */
	bool over;			/* answered: freed when the job comes back */
};

struct power_orders {
	struct daemon *d;
	LIST_HEAD(, order) list;
};

static uint64_t
boottime_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- its end --------------------------------------------------------------------- */

static void
free_order(struct order *w)
{
	LIST_REMOVE(w, link);
	if (w->deadline != NULL)
		event_free(w->deadline);
	free(w);
}

static void
end_order(struct order *w)
{
	w->over = true;
	if (w->deadline != NULL)
		(void)event_del(w->deadline);
	if (!w->under_way)
		free_order(w);
}

static void
fail_order(struct order *w, const char *why)
{
	if (w->pending != NULL)
		control_answer(w->pending, NULL, RPC_FAILED, why);
	else
		event_raise(EVENT_OPERATOR, w->name,
			"VM %.80s: its time to wake up has come, and it cannot be: %s", w->name, why);
	w->pending = NULL;
	end_order(w);
}

static void
fulfil_order(struct order *w)
{
	struct daemon *d = w->orders->d;
	json_t *result;
	struct frq_err err;

	if (w->seconds != 0)
		vms_set_wake(d->vms, w->uuid, boottime_ms() + (uint64_t)w->seconds * 1000);
	if (w->wake)
		event_raise(EVENT_OPERATOR, w->name, "VM %s: woken up %s", w->name,
			w->pending != NULL ? "by an operator" : "at the time that was asked for");
	else
		event_raise(EVENT_OPERATOR, w->name, w->seconds != 0 ?
			"VM %s: suspended by an operator, for %u s" :
			"VM %s: suspended by an operator", w->name, w->seconds);
	result = vms_powerstate(d->vms, w->name, &err);
	if (result != NULL)
		(void)json_object_set_new(result, "took_ms",
			json_integer((json_int_t)(monotonic_ms() - w->began_ms)));
	if (w->pending != NULL)
		control_answer(w->pending, result, RPC_FAILED, result == NULL ? err.text : NULL);
	else
		json_decref(result);
	w->pending = NULL;
	end_order(w);
}

static bool
is_fulfilled(const struct order *w)
{
	bool asleep = vms_sleep(w->orders->d->vms, w->uuid).kind != SLEEP_NONE;

	return !w->over && asleep != w->wake;
}

void
power_orders_follow(struct power_orders *o)
{
	struct order *w, *next;

	for (w = LIST_FIRST(&o->list); w != NULL; w = next) {
		next = LIST_NEXT(w, link);
		if (is_fulfilled(w))
			fulfil_order(w);
	}
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct order *w = arg;
	struct frq_err err;

	(void)fd, (void)what;
	if (w->wake)
		frq_err_set(&err, "VM %.64s: not awake within %u s%s; see its console", w->name,
			w->timeout_s, w->under_way ? ", and libvirt has not answered yet" : "");
	else
		frq_err_set(&err, "VM %.64s: its guest did not suspend within %u s, though libvirt %s: it goes on running%s",
			w->name, w->timeout_s, w->under_way ? "was asked" : "said that all is well",
			w->target == PM_TARGET_MEM ? "; see the guest's kernel log" :
			"; has it swap as large as its memory in use? See its kernel log");
	fail_order(w, err.text);
}

/* ---- its job --------------------------------------------------------------------- */

struct task {
	char vm[37];		/* UUID */
	enum pm_target target;
};

static json_t *
run_suspend(virConnectPtr conn, void *arg, struct frq_err *err)
{
	const struct task *t = arg;

	return domain_pm_suspend(conn, t->vm, t->target, err) == 0 ? json_true() : NULL;
}

static json_t *
run_wakeup(virConnectPtr conn, void *arg, struct frq_err *err)
{
	const struct task *t = arg;

	return domain_pm_wakeup(conn, t->vm, err) == 0 ? json_true() : NULL;
}

static json_t *
run_start(virConnectPtr conn, void *arg, struct frq_err *err)
{
	const struct task *t = arg;

	return domain_pm_start(conn, t->vm, err) == 0 ? json_true() : NULL;
}

/* That libvirt took it is not what was asked for; that it did not, is the end. */
static void
job_done(json_t *result, const struct frq_err *err, void *arg)
{
	struct order *w = arg;

	w->under_way = false;
	if (w->over)
		free_order(w);
	else if (result == NULL && is_fulfilled(w))
		fulfil_order(w);
	else if (result == NULL)
		fail_order(w, err->text);
	json_decref(result);
}

static int
start_job(struct order *w, const struct vm_map_vm *m, struct frq_err *err)
{
	struct daemon *d = w->orders->d;
	bool off = vms_sleep(d->vms, w->uuid).kind == SLEEP_DISK;
	struct libvirt_job job = { .what = w->wake ? "dompmwakeup" : "dompmsuspend", .changes = true,
		.run = !w->wake ? run_suspend : off ? run_start : run_wakeup,
		.done = job_done, .done_arg = w,
		/* Ours is the deadline that counts. */
		.seconds = w->timeout_s + LIBVIRT_JOB_SECONDS };
	struct task *t = calloc(1, sizeof(*t));
	int ret;

	if (t == NULL) {
		frq_err_set(err, "out of memory");
		return -ENOMEM;
	}
	memcpy(t->vm, m->uuid_text, sizeof(t->vm));
	t->target = w->target;
	job.arg = t;
	memcpy(job.vm, m->name, sizeof(job.vm));
	ret = libvirt_job_start(d->jobs, &job, err);
	w->under_way = ret == 0;
	return ret;
}

/* ---- orders ---------------------------------------------------------------------- */

static struct order *
make_order(struct power_orders *o, const struct vm_map_vm *m)
{
	struct order *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->orders = o;
	w->began_ms = monotonic_ms();
	memcpy(w->uuid, m->uuid, sizeof(w->uuid));
	memcpy(w->name, m->name, sizeof(w->name));
	w->deadline = event_new(o->d->base, -1, 0, on_deadline, w);
	if (w->deadline == NULL) {
		free(w);
		return NULL;
	}
	LIST_INSERT_HEAD(&o->list, w, link);
	return w;
}

/* Takes the order, in any case. @return 0 or a negative errno and *err */
static int
give_order(struct order *w, const struct vm_map_vm *m, struct frq_err *err)
{
	const struct timeval deadline = { .tv_sec = w->timeout_s };
	int ret = start_job(w, m, err);

	if (ret == 0 && event_add(w->deadline, &deadline) == 0)
		return 0;
	if (ret == 0)
		frq_err_set(err, "out of memory");
	end_order(w);
	return ret < 0 ? ret : -ENOMEM;
}

static bool
is_ordered(const struct power_orders *o, const uint8_t uuid[16])
{
	const struct order *w;

	LIST_FOREACH(w, &o->list, link)
		if (memcmp(w->uuid, uuid, sizeof(w->uuid)) == 0)
			return true;
	return false;
}

/* For who needs no client. */
static void
wake_now(struct power_orders *o, const struct vm_map_vm *m)
{
	struct order *w = make_order(o, m);
	struct frq_err err;

	/* If that does not do it, there is another time. */
	vms_set_wake(o->d->vms, m->uuid, boottime_ms() + WAKE_AGAIN_MS);
	if (w == NULL)
		return;
	w->wake = true;
	w->timeout_s = MEM_S;
	(void)give_order(w, m, &err);
}

void
power_orders_tick(struct power_orders *o)
{
	const struct vm_map_vm *m;

	while ((m = vms_wake_due(o->d->vms, boottime_ms())) != NULL) {
		if (is_ordered(o, m->uuid))
			vms_set_wake(o->d->vms, m->uuid, boottime_ms() + WAKE_AGAIN_MS);
		else
			wake_now(o, m);
	}
}

struct power_orders *
power_orders_create(struct daemon *d, struct frq_err *err)
{
	struct power_orders *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		frq_err_set(err, "no memory for power states");
		return NULL;
	}
	o->d = d;
	LIST_INIT(&o->list);
	return o;
}

void
power_orders_free(struct power_orders *o)
{
	struct order *w;

	if (o == NULL)
		return;
	/*
	 * Those whose job is left behind in libvirt were told so, and are over.
	 * The analyzer does not see LIST_REMOVE take one off the list.
	 */
	while ((w = LIST_FIRST(&o->list)) != NULL) {
		if (!w->over && w->pending != NULL) /* NOLINT(clang-analyzer-unix.Malloc) */
			control_answer(w->pending, NULL, RPC_FAILED,
				"freqringd ends, and does not wait any more for what the guest does");
		free_order(w);
	}
	free(o);
}

/* ---- the methods ----------------------------------------------------------------- */

json_t *
get_powerstate_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	const char *vm;
	json_t *result;

	if (!rpc_param_vm(call, &vm))
		return NULL;
	result = vms_powerstate(d->vms, vm, &call->err);
	if (result == NULL)
		call->code = RPC_FAILED;
	return result;
}

/* What is asked for, as it came. */
struct wanted {
	const char *vm;
	bool wake;
	enum pm_target target;
	unsigned int seconds, timeout_s;
};

static bool
take_number(struct rpc_call *call, const char *key, json_int_t most, unsigned int *number)
{
	const json_t *json = json_object_get(call->params, key);
	json_int_t n = json_integer_value(json);
	char expected[80];

	*number = 0;
	if (json == NULL)
		return true;
	*number = (unsigned int)n;
	if (json_is_integer(json) && n >= 1 && n <= most)
		return true;
	(void)snprintf(expected, sizeof(expected), "\"%s\": a number of seconds, 1 to %lld", key,
		(long long)most);
	(void)rpc_refuse(call, expected);
	return false;
}

static bool
take_params(struct rpc_call *call, struct wanted *w)
{
	const char *state = json_string_value(json_object_get(call->params, "state"));

	if (!rpc_param_vm(call, &w->vm) ||
	    !take_number(call, "seconds", SECONDS_MAX, &w->seconds) ||
	    !take_number(call, "timeout", TIMEOUT_MAX_S, &w->timeout_s))
		return false;
	w->wake = state != NULL && strcmp(state, "running") == 0;
	w->target = state != NULL ? pm_target_of(state) : PM_TARGET_COUNT;
	if (!w->wake && w->target == PM_TARGET_COUNT) {
		(void)rpc_refuse(call, "\"state\": \"mem\", \"disk\", \"hybrid\" or \"running\"");
		return false;
	}
	if (w->wake && w->seconds != 0) {
		(void)rpc_refuse(call, "no \"seconds\" for a VM that is to run");
		return false;
	}
	if (w->timeout_s == 0)
		w->timeout_s = w->wake || w->target == PM_TARGET_MEM ? MEM_S : DISK_S;
	return true;
}

/* Whether that can be asked of it now. */
static bool
may_ask(const struct daemon *d, const struct wanted *w, const struct vm_map_vm *m,
	struct frq_err *err)
{
	enum sleep_kind kind = vms_sleep(d->vms, m->uuid).kind;
	const char *how = kind == SLEEP_DISK ? "disk" : "memory";

	if (is_ordered(d->orders, m->uuid))
		frq_err_set(err, "VM %.80s: another operator's dompmsuspend or dompmwakeup is under way",
			m->name);
	else if (!w->wake && kind != SLEEP_NONE)
		frq_err_set(err, "VM %.80s is suspended to %s already (freqring dompmwakeup)", m->name,
			how);
	else if (!w->wake && m->state != VM_RUNNING)
		frq_err_set(err, "VM %.80s does not run: it is %s", m->name,
			m->state == VM_PAUSED ? "paused" : "shut off");
	else if (w->wake && kind == SLEEP_NONE)
		frq_err_set(err, "VM %.80s is not suspended: it %s", m->name,
			m->state == VM_RUNNING ? "runs" : m->state == VM_PAUSED ?
			"is paused (virsh resume)" : "is shut off (virsh start)");
	else
		return true;
	return false;
}

json_t *
set_powerstate_run(struct rpc_call *call)
{
	struct daemon *d = call->arg;
	struct wanted wanted;
	const struct vm_map_vm *m;
	struct rpc_pending *pending;
	struct order *w;
	struct frq_err err;

	if (!take_params(call, &wanted))
		return NULL;
	call->code = RPC_FAILED;
	m = vms_domain(d->vms, wanted.vm, &call->err);
	if (m == NULL || !may_ask(d, &wanted, m, &call->err))
		return NULL;
	w = make_order(d->orders, m);
	if (w == NULL) {
		frq_err_set(&call->err, "out of memory");
		return NULL;
	}
	w->wake = wanted.wake;
	w->target = wanted.target;
	w->seconds = wanted.seconds;
	w->timeout_s = wanted.timeout_s;
	call->code = 0;
	pending = w->pending = control_defer(call);
	if (pending == NULL) {
		free_order(w);
		return NULL;
	}
	if (give_order(w, m, &err) < 0)
		control_answer(pending, NULL, RPC_FAILED, err.text);
	return NULL;
}
