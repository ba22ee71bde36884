/* SPDX-License-Identifier: BSD-3-Clause */
#include "operator_node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "daemon.h"
#include "events.h"
#include "log.h"
#include "node_pm.h"
#include "node_sleep.h"
#include "rpc_params.h"
#include "virt_error.h"
#include "wake_alarm.h"

#define APPLIED_MS	5000u	/* for the applier to have a map in force; then it goes on without */
#define SECONDS_MAX	31536000

struct node_power {
	struct daemon *d;
	struct node_sleep sleep;
	struct sleep_clock clock;
	int clock_fd;			/* timerfd that a change of CLOCK_REALTIME cancels, as a resume is */
	struct event *on_clock, *on_due;
	struct rpc_pending *pending;	/* of who waits for the answer, or NULL */
	bool verify;			/* it is the verdict that is waited for */
	int64_t alarm;			/* that libvirt armed, 0: none */
	uint16_t count;			/* of sleeps */
	uint64_t wanted;		/* generation of the applier's map that is waited for */
	uint64_t wanted_until_ms;	/* 0: none is */
	bool parked;
	json_t *verdict;		/* to be told when all is as before */
};

static uint8_t
told_sleep(enum pm_target target)
{
	static const uint8_t sleep[PM_TARGET_COUNT] = {
		[PM_TARGET_MEM] = FRQ_HOST_SLEEP_MEM,
		[PM_TARGET_DISK] = FRQ_HOST_SLEEP_DISK,
		[PM_TARGET_HYBRID] = FRQ_HOST_SLEEP_HYBRID,
	};

	return sleep[target];
}

static uint32_t
told_ms(uint64_t ms)
{
	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* ---- answers ---------------------------------------------------------------------- */

static void
answer(struct node_power *n, json_t *result, const char *why)
{
	if (n->pending != NULL)
		control_answer(n->pending, result, RPC_FAILED, why);
	else
		json_decref(result);
	n->pending = NULL;
}

/* It comes to nothing before libvirt took it. */
static void
give_up(struct node_power *n, const char *why)
{
	if (n->sleep.phase > NODE_CHECKING)
		(void)vms_tell_host(n->d->vms, (struct frq_host){ .state = FRQ_HOST_STAYED,
			.sleep = told_sleep(n->sleep.target), .count = n->count });
	n->sleep.phase = NODE_IDLE;
	answer(n, NULL, why);
}

/* ---- the poller --------------------------------------------------------------------- */

static void
park(struct node_power *n, bool parked)
{
	if (n->parked == parked)
		return;
	if (poller_park(n->d->poller, parked) < 0)
		FRQ_LOG(ERR, "the poller does not answer: it is not %s", parked ? "parked" : "let go on");
	else
		n->parked = parked;
}

/* ---- what is waited for --------------------------------------------------------------- */

static void
set_due(struct node_power *n)
{
	uint64_t due = node_sleep_due_ms(&n->sleep), now = monotonic_ms();
	struct timeval tv;

	(void)event_del(n->on_due);
	if (n->wanted_until_ms != 0 && n->wanted_until_ms < due)
		due = n->wanted_until_ms;
	if (due == UINT64_MAX)
		return;
	due = due > now ? due - now : 0;
	tv = (struct timeval){ .tv_sec = (time_t)(due / 1000), .tv_usec = (long)(due % 1000) * 1000 };
	(void)event_add(n->on_due, &tv);
}

static void
want_applied(struct node_power *n, uint64_t generation)
{
	n->wanted = generation;
	n->wanted_until_ms = monotonic_ms() + APPLIED_MS;
}

/* ---- after a sleep, or none -------------------------------------------------------------- */

static void
end_with(struct node_power *n, uint64_t slept_ms, const char *why)
{
	bool cleared = wake_alarm_clear(n->alarm);

	n->alarm = 0;
	json_decref(n->verdict);
	n->verdict = json_pack("{s:s, s:i, s:b, s:I, s:s, s:b}",
		"target", pm_target_name(n->sleep.target), "seconds", (int)n->sleep.seconds,
		"slept", (int)(slept_ms != 0), "slept_ms", (json_int_t)slept_ms, "why", why,
		"alarm_cleared", (int)cleared);
	if (cleared)
		FRQ_LOG(NOTICE, "the alarm that was to wake the host up is cleared");
}

static void
resumed(struct node_power *n, bool ours, uint64_t slept_ms)
{
	struct daemon *d = n->d;

	/* Before anything else: no request is taken until the CPUs are as they were. */
	park(n, true);
	/* Once libvirt is asked it may sleep again: that libvirt answers is waited for. */
	if (n->sleep.phase == NODE_CHECKING || n->sleep.phase == NODE_TELLING)
		give_up(n, "the host just slept, not by freqring's doing: try again");
	n->count++;
	want_applied(n, vms_host_resumed(d->vms, (struct frq_host){ .state = FRQ_HOST_RESUMED,
		.sleep = ours ? told_sleep(n->sleep.target) : FRQ_HOST_SLEEP_UNKNOWN,
		.count = n->count, .ms = told_ms(slept_ms) }));
	libvirt_watch_refresh(d->watch);
	/* After somebody else's, the verdict on ours may still have to be told. */
	if (ours)
		end_with(n, slept_ms, "");
	event_raise(EVENT_HOST_RESUMED, NULL, "the host slept for %" PRIu64 ".%" PRIu64 " s%s: every CPU is set again",
		slept_ms / 1000, slept_ms % 1000 / 100, ours ? "" : ", not by freqring's doing");
}

static void
stayed(struct node_power *n, uint64_t failed)
{
	char detail[160], why[240];

	suspend_failure_text(detail, sizeof(detail));
	if (failed != n->sleep.failed)
		(void)snprintf(why, sizeof(why), "the kernel gave it up%s%s (dmesg)",
			detail[0] != '\0' ? ": " : "", detail);
	else
		(void)snprintf(why, sizeof(why), "libvirt said yes, and nothing happened within %" PRIu64 " s; it only logs why %s failed (see its log, and /var/log/pm-suspend.log)",
			node_sleep_patience_ms(n->sleep.target) / 1000, node_pm_tool(n->sleep.target));
	event_raise(EVENT_HOST_STAYED, NULL, "the host did not sleep: %s", why);
	end_with(n, 0, why);
	want_applied(n, vms_tell_host(n->d->vms, (struct frq_host){ .state = FRQ_HOST_STAYED,
		.sleep = told_sleep(n->sleep.target), .count = n->count }));
}

/* The CPUs are set and the guests told, or it takes too long. */
static void
go_on(struct node_power *n)
{
	park(n, false);
	if (n->verify && n->verdict != NULL)
		answer(n, json_incref(n->verdict), NULL);
	json_decref(n->verdict);
	n->verdict = NULL;
}

static void ask_libvirt(struct node_power *n);

static void
look_for_applied(struct node_power *n)
{
	if (n->wanted_until_ms == 0 || (applier_generation(n->d->applier) < n->wanted &&
	    monotonic_ms() < n->wanted_until_ms))
		return;
	n->wanted_until_ms = 0;
	if (n->sleep.phase == NODE_TELLING)
		ask_libvirt(n);
	else
		go_on(n);
}

static uint64_t
slept_ms(struct node_power *n)
{
	struct timespec boot;

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	return sleep_clock_slept_ms(&n->clock,
		(uint64_t)boot.tv_sec * 1000000000 + (uint64_t)boot.tv_nsec, monotonic_ns());
}

static void
look(struct node_power *n)
{
	bool pending = n->sleep.phase == NODE_WAITING || n->sleep.phase == NODE_PARKED;
	uint64_t slept = slept_ms(n), failed = pending ? suspend_failures() : 0;

	switch (node_sleep_look(&n->sleep, monotonic_ms(), slept != 0, failed)) {
	case NODE_STEP_PARK:
		event_raise(EVENT_HOST_SUSPEND, NULL, "the host is about to sleep: requests wait until it is back");
		park(n, true);
		break;
	case NODE_STEP_RESUMED:
		resumed(n, pending, slept);
		break;
	case NODE_STEP_STAYED:
		stayed(n, failed);
		break;
	case NODE_STEP_NONE:
		break;
	}
	look_for_applied(n);
	set_due(n);
}

void
node_power_tick(struct node_power *n)
{
	look(n);
	/* The poller did not answer when it was to go on. */
	if (n->wanted_until_ms == 0 && n->sleep.phase != NODE_PARKED)
		park(n, false);
}

void
node_power_applied(struct node_power *n)
{
	look_for_applied(n);
	set_due(n);
}

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	look(arg);
}

/* ---- clocks --------------------------------------------------------------------------- */

/* Far away: what is waited for is that somebody sets the clock, as a resume does. */
static int
arm_clock(const struct node_power *n)
{
	const struct itimerspec never = { .it_value = { .tv_sec = INT32_MAX } };

	return timerfd_settime(n->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
		NULL);
}

static void
on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct node_power *n = arg;
	uint64_t expired;

	(void)what;
	(void)!read(fd, &expired, sizeof(expired));
	(void)arm_clock(n);
	look(n);
}

static int
start_clock(struct node_power *n)
{
	struct timespec boot;
	uint64_t mono = monotonic_ns();

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	sleep_clock_start(&n->clock, mono,
		(uint64_t)boot.tv_sec * 1000000000 + (uint64_t)boot.tv_nsec);
	n->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (n->clock_fd < 0 || arm_clock(n) < 0)
		return -errno;
	n->on_clock = event_new(n->d->base, n->clock_fd, EV_READ | EV_PERSIST, on_clock, n);
	if (n->on_clock == NULL)
		return -ENOMEM;
	/* Before any client, whose request would be decided on CPUs that forgot. */
	(void)event_priority_set(n->on_clock, 0);
	return event_add(n->on_clock, NULL) == 0 ? 0 : -ENOMEM;
}

struct node_power *
node_power_create(struct daemon *d, struct frq_err *err)
{
	struct node_power *n = calloc(1, sizeof(*n));

	if (n != NULL) {
		n->d = d;
		n->clock_fd = -1;
		n->on_due = event_new(d->base, -1, 0, on_due, n);
	}
	if (n != NULL && n->on_due != NULL && start_clock(n) == 0)
		return n;
	frq_err_set(err, "whether the host sleeps cannot be watched: %s", strerror(errno));
	node_power_free(n);
	return NULL;
}

void
node_power_free(struct node_power *n)
{
	if (n == NULL)
		return;
	answer(n, NULL, "freqringd ends, and does not see any more whether the host sleeps");
	json_decref(n->verdict);
	if (n->on_clock != NULL)
		event_free(n->on_clock);
	if (n->on_due != NULL)
		event_free(n->on_due);
	if (n->clock_fd >= 0)
		(void)close(n->clock_fd);
	free(n);
}

/* ---- jobs ------------------------------------------------------------------------------ */

struct task {
	unsigned int target;
	unsigned long long seconds;
};

static json_t *
run_look(virConnectPtr conn, void *arg, struct frq_err *err)
{
	const struct task *t = arg;
	struct node_judgement j;
	struct node_pm_seen *s = malloc(sizeof(*s));
	json_t *result;

	if (s == NULL) {
		frq_err_set(err, "out of memory");
		return NULL;
	}
	node_pm_look(conn, err, s);
	result = node_pm_json(s);
	if (t != NULL) {
		j = node_pm_judge(s, t->target);
		if (j.verdict == NODE_PM_NO || j.verdict == NODE_PM_BROKEN) {
			frq_err_set(err, "this host cannot sleep so (%s): %.200s",
				pm_target_name(t->target), j.why);
			json_decref(result);
			result = NULL;
		}
	}
	free(s);
	return result;
}

static json_t *
run_suspend(virConnectPtr conn, void *arg, struct frq_err *err)
{
	static const unsigned int targets[PM_TARGET_COUNT] = {
		[PM_TARGET_MEM] = VIR_NODE_SUSPEND_TARGET_MEM,
		[PM_TARGET_DISK] = VIR_NODE_SUSPEND_TARGET_DISK,
		[PM_TARGET_HYBRID] = VIR_NODE_SUSPEND_TARGET_HYBRID,
	};
	const struct task *t = arg;

	virResetLastError();
	if (virNodeSuspendForDuration(conn, targets[t->target], t->seconds, 0) == 0)
		return json_true();
	frq_err_set(err, "libvirt refused: %.200s", virt_error_text());
	return NULL;
}

/* @return 0, or a negative errno and *err */
static int
start_job(struct node_power *n, json_t *(*run)(virConnectPtr conn, void *arg, struct frq_err *err),
	void (*done)(json_t *result, const struct frq_err *err, void *arg), bool changes,
	struct frq_err *err)
{
	struct libvirt_job job = { .what = "nodesuspend", .changes = changes, .run = run,
		.done = done, .done_arg = n };
	struct task *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		frq_err_set(err, "out of memory");
		return -ENOMEM;
	}
	t->target = n->sleep.target;
	t->seconds = n->sleep.seconds;
	job.arg = t;
	(void)snprintf(job.vm, sizeof(job.vm), "(the host)");
	return libvirt_job_start(n->d->jobs, &job, err);
}

static void
accepted(json_t *result, const struct frq_err *err, void *arg)
{
	struct node_power *n = arg;
	const struct daemon *d = n->d;

	json_decref(result);
	if (n->sleep.phase != NODE_ASKING)
		return;
	if (result == NULL) {
		give_up(n, err->text);
		return;
	}
	node_sleep_accepted(&n->sleep, monotonic_ms(), suspend_failures());
	n->alarm = wake_alarm_get();
	event_raise(EVENT_HOST_SUSPEND, NULL, "an operator suspends the host (%s, for %u s): it sleeps in %u s",
		pm_target_name(n->sleep.target), n->sleep.seconds, NODE_SUSPEND_DELAY_S);
	if (!n->verify)
		answer(n, json_pack("{s:s, s:i, s:i, s:i}", "target",
			pm_target_name(n->sleep.target), "seconds", (int)n->sleep.seconds,
			"sleeps_in_ms", (int)NODE_SUSPEND_DELAY_S * 1000,
			"told", (int)vms_nb_served(d->vms)), NULL);
	set_due(n);
}

static void
ask_libvirt(struct node_power *n)
{
	struct frq_err err;

	n->sleep.phase = NODE_ASKING;
	if (start_job(n, run_suspend, accepted, true, &err) < 0)
		give_up(n, err.text);
}

static void
checked(json_t *result, const struct frq_err *err, void *arg)
{
	struct node_power *n = arg;

	json_decref(result);
	if (n->sleep.phase != NODE_CHECKING)
		return;
	if (result == NULL) {
		give_up(n, err->text);
		return;
	}
	n->sleep.phase = NODE_TELLING;
	want_applied(n, vms_tell_host(n->d->vms, (struct frq_host){ .state = FRQ_HOST_SUSPENDING,
		.sleep = told_sleep(n->sleep.target), .count = n->count,
		.ms = NODE_SUSPEND_DELAY_S * 1000 }));
	set_due(n);
}

/* ---- the methods -------------------------------------------------------------------------- */

static void
answer_look(json_t *result, const struct frq_err *err, void *arg)
{
	control_answer(arg, result, RPC_FAILED, result == NULL ? err->text : NULL);
}

json_t *
get_nodepm_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	struct libvirt_job job = { .vm = "(the host)", .what = "nodepm", .without = true,
		.run = run_look, .done = answer_look };
	struct rpc_pending *pending = control_defer(call);
	struct frq_err err;

	job.done_arg = pending;
	if (pending != NULL && libvirt_job_start(d->jobs, &job, &err) < 0)
		control_answer(pending, NULL, RPC_FAILED, err.text);
	return NULL;
}

json_t *
nodesuspend_run(struct rpc_call *call)
{
	struct daemon *d = call->arg;
	struct node_power *n = d->node;
	const char *target = json_string_value(json_object_get(call->params, "target"));
	const json_t *seconds = json_object_get(call->params, "seconds");
	json_int_t s = json_integer_value(seconds);
	enum pm_target t = target != NULL ? pm_target_of(target) : PM_TARGET_COUNT;
	struct frq_err err;
	bool verify;

	if (t == PM_TARGET_COUNT)
		return rpc_refuse(call, "\"target\": \"mem\", \"disk\" or \"hybrid\"");
	if (!json_is_integer(seconds) || s < 0 || s > SECONDS_MAX)
		return rpc_refuse(call, "\"seconds\": a number, up to a year");
	if (!rpc_param_flag(call, "verify", &verify))
		return NULL;
	call->code = RPC_FAILED;
	if (n->sleep.phase == NODE_IDLE && n->wanted_until_ms != 0) {
		frq_err_set(&call->err, "the host is just back, and its CPUs are being set: try again");
		return NULL;
	}
	if (!node_sleep_begin(&n->sleep, t, (unsigned int)s, monotonic_ms(), &call->err))
		return NULL;
	n->pending = control_defer(call);
	if (n->pending == NULL) {
		n->sleep.phase = NODE_IDLE;
		return NULL;
	}
	call->code = 0;
	n->verify = verify;
	n->alarm = 0;
	if (start_job(n, run_look, checked, true, &err) < 0)
		give_up(n, err.text);
	return NULL;
}
