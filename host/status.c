/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "status.h"

static json_t *
libvirt_status(const struct daemon *d)
{
	struct libvirt_watch_stats st;

	libvirt_watch_get_stats(d->watch, &st);
	return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}",
		"uri", d->config.uri,
		"connected", (int)st.connected,
		"events", (json_int_t)st.events,
		"maps_read", (json_int_t)st.maps_read,
		"maps_changed", (json_int_t)st.maps_changed,
		"connects", (json_int_t)st.connects,
		"disconnects", (json_int_t)st.disconnects,
		"errors", (json_int_t)st.errors);
}

static json_t *
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

static json_t *
applier_status(const struct daemon *d)
{
	struct applier_stats st;

	applier_get_stats(d->applier, &st);
	return json_pack("{s:i, s:b, s:I, s:I, s:I, s:I, s:I}",
		"cpu", d->config.applier_cpu,
		"shares_poller_cpu", d->config.applier_cpu == d->config.poller_cpu,
		"wakeups", (json_int_t)st.wakeups,
		"decisions", (json_int_t)st.decisions,
		"writes", (json_int_t)st.writes,
		"write_errors", (json_int_t)st.write_errors,
		"leases_expired", (json_int_t)st.leases_expired);
}

static json_t *
cpus_status(const struct daemon *d)
{
	json_t *cpus = json_array();

	CPUSET_FOREACH(cpu, &d->config.managed_cpus) {
		struct applier_cpu_stats st;

		applier_get_cpu(d->applier, cpu, &st);
		(void)json_array_append_new(cpus, json_pack(
			"{s:i, s:s, s:I, s:I, s:i, s:I, s:I, s:b, s:I, s:I, s:o}",
			"cpu", (int)cpu,
			"backend", d->power->name,
			"khz", (json_int_t)d->power->get(cpu),
			"decided_khz", (json_int_t)st.decided_khz,
			"nb_freqs", (int)st.nb_freqs,
			"min_khz", (json_int_t)st.min_khz,
			"max_khz", (json_int_t)st.max_khz,
			"turbo_available", (int)st.turbo_available,
			"writes", (json_int_t)st.writes,
			"write_errors", (json_int_t)st.write_errors,
			"votes", vms_votes(d->vms, cpu)));
	}
	return cpus;
}

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
	json_t *status;

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
		"cpus", cpus_status(d));
	if (status == NULL || json_object_update_new(status, vms_status(d->vms)) != 0) {
		json_decref(status);
		call->code = RPC_INTERNAL_ERROR;
		frq_err_set(&call->err, "the status could not be put together");
		return NULL;
	}
	return status;
}
