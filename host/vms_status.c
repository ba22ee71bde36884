/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "rpc.h"
#include "vms_pvt.h"

static const char *const reason_name[FRQ_REASON_COUNT] = {
	[FRQ_REASON_OK] = "ok",
	[FRQ_REASON_BAD_OP] = "bad_op",
	[FRQ_REASON_BAD_ARG] = "bad_arg",
	[FRQ_REASON_BAD_FREQ] = "bad_freq",
	[FRQ_REASON_BAD_EPOCH] = "bad_epoch",
	[FRQ_REASON_LOST] = "lost",
	[FRQ_REASON_NO_VCPU] = "no_vcpu",
	[FRQ_REASON_UNPINNED] = "unpinned",
	[FRQ_REASON_NOT_MANAGED] = "not_managed",
	[FRQ_REASON_NO_CPUFREQ] = "no_cpufreq",
	[FRQ_REASON_OFFLINE] = "offline",
	[FRQ_REASON_FAILED] = "failed",
	[FRQ_REASON_ARBITRATED] = "arbitrated",
	[FRQ_REASON_LIMITED] = "limited",
	[FRQ_REASON_LEASE_EXPIRED] = "lease_expired",
	[FRQ_REASON_QUARANTINED] = "quarantined",
	[FRQ_REASON_PAUSED] = "paused",
	[FRQ_REASON_FOREIGN] = "foreign",
	[FRQ_REASON_DISABLED] = "disabled",
	[FRQ_REASON_MANUAL] = "manual",
	[FRQ_REASON_ELSEWHERE] = "elsewhere",
};

static const char *const wish_name[] = { "none", "min", "max", "kHz" };

static const char *const state_name[] = {
	[VM_DEFINED] = "defined",
	[VM_RUNNING] = "running",
	[VM_PAUSED] = "paused",
	[VM_SUSPENDED] = "suspended",
};

static void
set_counter(json_t *object, const char *key, uint64_t value)
{
	(void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Causes that never happened are left out. */
static void
add_refusals(json_t *by_cause, const struct vm *vm)
{
	for (unsigned int i = 1; i < FRQ_REASON_COUNT; i++) {
		uint64_t n = counter_get(&vm->refused[i]) + counter_get(&vm->refused_applier[i]);
		json_int_t before = json_integer_value(json_object_get(by_cause, reason_name[i]));

		if (n != 0)
			set_counter(by_cause, reason_name[i], n + (uint64_t)before);
	}
}

static void
add_all_refusals(json_t *by_cause, const struct entry *e)
{
	for (unsigned int t = 0; t < VMS_NB_TRANSPORTS; t++)
		if (vms_over(e, (enum vms_transport)t) != NULL)
			add_refusals(by_cause, vms_over(e, (enum vms_transport)t));
}

static const char *
mapping_name(struct wish w)
{
	if (!w.attached)
		return "unknown";
	return w.uncached ? "uncached" : "cached";
}

/* Where requests come in: the region's file and the channel, or a socket; as DPDK's host names them. */
static json_t *
channel_path(const struct entry *e, const struct channel *ch)
{
	if (ch->vm->serial)
		return rpc_text(serial_path(e->ports, ch->number));
	return json_sprintf("%s.%u", ch->vm->vhost ? vhost_path(e->port) : ch->vm->shmem_path,
		ch->number);
}

static bool
is_connected(const struct entry *e, const struct channel *ch)
{
	if (ch->vm->serial)
		return serial_connected(e->ports, ch->number);
	if (ch->vm->vhost && !vhost_has_pair(e->port, ch->number))
		return false;
	return !__atomic_load_n(&ch->vm->quarantined, __ATOMIC_RELAXED) &&
		!__atomic_load_n(&ch->quarantined, __ATOMIC_RELAXED);
}

static json_t *
channel_status(const struct entry *e, const struct channel *ch, const struct vm_map_vm *m)
{
	struct wish w = wish_unpack(__atomic_load_n(&ch->slot->wish, __ATOMIC_ACQUIRE));
	struct frq_applied applied = frq_applied_unpack(counter_get(&ch->a.applied));
	char pcpus[VMS_LIST_SIZE] = "";

	if (m != NULL)
		(void)cpuset_format(&vm_map_vcpu(m, ch->number)->pcpus, pcpus, sizeof(pcpus));
	return json_pack("{s:i, s:s, s:o, s:b, s:b, s:b, s:s, s:s, s:s, s:I, s:s, s:i, s:i, s:b, s:I, s:I, s:b}",
		"vcpu", (int)ch->number,
		"transport", ch->vm->serial ? "serial" : ch->vm->vhost ? "vhost-user" : "ring",
		"path", channel_path(e, ch),
		"connected", (int)is_connected(e, ch),
		"disabled", (int)vms_is_disabled(e, ch->number),
		"attached", (int)w.attached,
		"mapping", mapping_name(w),
		"pcpus", pcpus,
		"reason", applied.reason < FRQ_REASON_COUNT ? reason_name[applied.reason] : "?",
		"requests", (json_int_t)counter_get(&ch->slot->requests),
		"wish", wish_name[w.kind],
		"wish_khz", (int)counter_get(&ch->a.wish_khz),
		"granted_khz", (int)applied.granted_khz,
		"turbo_allowed", (int)!w.turbo_off,
		"refusals", (json_int_t)counter_get(&ch->slot->refusals),
		"lease_left_ms", (json_int_t)counter_get(&ch->a.lease_left_ms),
		"quarantined", (int)__atomic_load_n(&ch->quarantined, __ATOMIC_RELAXED));
}

static json_t *
vcpus_status(const struct vm_map_vm *m)
{
	json_t *vcpus = json_array();

	for (unsigned int n = 0; m != NULL && n < m->nb_vcpus; n++) {
		char pcpus[VMS_LIST_SIZE], libvirt_pcpus[VMS_LIST_SIZE];

		(void)cpuset_format(&m->vcpu[n].pcpus, pcpus, sizeof(pcpus));
		(void)cpuset_format(&m->vcpu[n].libvirt_pcpus, libvirt_pcpus, sizeof(libvirt_pcpus));
		(void)json_array_append_new(vcpus, json_pack("{s:i, s:b, s:s, s:s}", "vcpu", (int)n,
			"present", (int)m->vcpu[n].present, "pcpus", pcpus,
			"libvirt_pcpus", libvirt_pcpus));
	}
	return vcpus;
}

static uint64_t
count_requests(const struct entry *e)
{
	uint64_t requests = 0;

	for (unsigned int t = 0; t < VMS_NB_TRANSPORTS; t++) {
		const struct vm *vm = vms_over(e, (enum vms_transport)t);

		for (unsigned int n = 0; vm != NULL && n < vm->nb_channels; n++)
			requests += counter_get(&vm->ch[n].slot->requests);
	}
	return requests;
}

/* Of each vCPU the channel that speaks for it, where there is a port or a queue for it. */
static json_t *
channels_status(const struct entry *e, const struct vm_map_vm *m)
{
	json_t *channels = json_array();

	for (unsigned int n = 0; n < FRQ_MAX_CHANNELS; n++) {
		const struct channel *ch = vms_speaker(e, n);

		if (ch != NULL && (!ch->vm->serial || serial_path(e->ports, n)[0] != '\0') &&
		    (!ch->vm->vhost || m == NULL || n < m->vhost_queues))
			(void)json_array_append_new(channels, channel_status(e, ch, m));
	}
	return channels;
}

static json_t *
vm_status(const struct vms *v, const struct entry *e)
{
	const struct vm_map_vm *m = vm_map_find(v->map, e->uuid);
	const struct vm *vm = e->vm;
	json_t *refusals = json_object();

	add_all_refusals(refusals, e);
	return json_pack("{s:o, s:s, s:i, s:b, s:b, s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
		"name", rpc_text(e->name),
		"uuid", m != NULL ? m->uuid_text : "",
		"nb_vcpus", m != NULL ? (int)m->nb_vcpus : 0,
		"added", (int)e->added,
		"query", (int)e->query,
		"state", state_name[e->state],
		"power", vms_power_name(e->power),
		"shmem", rpc_text(e->shmem),
		"admitted", (int)vms_is_served(e),
		"problem", rpc_text(e->problem),
		"serial", e->ports != NULL ? serial_status(e->ports) : json_null(),
		"serial_problem", rpc_text(e->serial_problem),
		"vhost", e->port != NULL ? vhost_status(e->port) : json_null(),
		"vhost_problem", rpc_text(e->vhost_problem),
		"epoch", vm != NULL ? (int)vm->life.epoch : 0,
		"incarnation", vm != NULL ? (int)vm->life.incarnation : 0,
		"quarantined", vm != NULL && __atomic_load_n(&vm->quarantined, __ATOMIC_RELAXED),
		"requests", (json_int_t)count_requests(e),
		"throttled", (json_int_t)(vm != NULL ? counter_get(&vm->throttled) : 0),
		"empty_doorbells", (json_int_t)(vm != NULL ? counter_get(&vm->empty_doorbells) : 0),
		"reattached", (json_int_t)(vm != NULL ? counter_get(&vm->reattached) : 0),
		"refusals", refusals,
		"channels", channels_status(e, m),
		"vcpus", vcpus_status(m));
}

/* Of VMs that have nothing to do with us only vms_list tells. */
static bool
is_shown(const struct vms *v, const struct entry *e)
{
	return vm_map_find(v->map, e->uuid) != NULL &&
		(e->shmem[0] != '\0' || e->port != NULL || vms_is_served(e) || e->added ||
		e->vhost_problem[0] != '\0');
}

json_t *
vms_status(const struct vms *v)
{
	json_t *vms = json_array(), *refusals = json_object();

	for (unsigned int i = 0; i < v->nb_entries; i++) {
		if (is_shown(v, v->entry[i]))
			(void)json_array_append_new(vms, vm_status(v, v->entry[i]));
		add_all_refusals(refusals, v->entry[i]);
	}
	return json_pack("{s:o, s:o}", "vms", vms, "refusals", refusals);
}

json_t *
vms_shown(const struct vms *v)
{
	json_t *vms = json_array();

	for (unsigned int i = 0; i < v->nb_entries; i++)
		if (is_shown(v, v->entry[i]))
			(void)json_array_append_new(vms, json_pack("{s:o, s:s}",
				"name", rpc_text(v->entry[i]->name),
				"uuid", vm_map_find(v->map, v->entry[i]->uuid)->uuid_text));
	return vms;
}

json_t *
vms_votes(const struct vms *v, unsigned int cpu)
{
	json_t *votes = json_array();

	for (unsigned int i = 0; i < v->nb_entries; i++) {
		const struct entry *e = v->entry[i];
		const struct vm_map_vm *m = vm_map_find(v->map, e->uuid);

		if (m == NULL)
			continue;
		for (unsigned int n = 0; n < FRQ_MAX_CHANNELS; n++) {
			const struct channel *ch = vms_speaker(e, n);
			struct frq_applied applied;
			struct frq_now now;

			if (ch == NULL)
				continue;
			applied = frq_applied_unpack(counter_get(&ch->a.applied));
			now = frq_now_unpack(counter_get(&ch->a.now));

			/* Without standing it votes on no CPU, wherever it is pinned. */
			if (applied.wish == FRQ_WISH_NONE || now.nb_pcpus == 0 ||
			    !cpuset_has(&vm_map_vcpu(m, n)->pcpus, cpu))
				continue;
			(void)json_array_append_new(votes, json_pack("{s:s, s:i, s:s, s:I}",
				"vm", e->name, "vcpu", (int)n, "wish", wish_name[applied.wish],
				"khz", (json_int_t)counter_get(&ch->a.wish_khz)));
		}
	}
	return votes;
}

json_t *
vms_one(const struct vms *v, const char *name, struct frq_err *err)
{
	const struct entry *e = vms_find(v, name, err);

	return e != NULL ? vm_status(v, e) : NULL;
}

static json_t *
serial_numbers(const struct vm_map_vm *m)
{
	json_t *ports = json_array();

	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
		if ((m->serial >> n & 1) != 0)
			(void)json_array_append_new(ports, json_integer((json_int_t)n));
	return ports;
}

json_t *
vms_list(const struct vms *v)
{
	json_t *vms = json_array();

	for (unsigned int i = 0; i < v->nb_entries; i++) {
		const struct entry *e = v->entry[i];
		const struct vm_map_vm *m = vm_map_find(v->map, e->uuid);

		if (m == NULL)
			continue;
		(void)json_array_append_new(vms, json_pack("{s:o, s:s, s:s, s:s, s:o, s:{s:o}, s:o, s:b, s:b, s:b, s:i, s:I, s:o}",
			"name", rpc_text(e->name), "uuid", m->uuid_text, "state", state_name[e->state],
			"power", vms_power_name(e->power),
			"shmem", rpc_text(m->shmem), "serial", "ports", serial_numbers(m),
			"vhost", rpc_text(m->vhost), "served", (int)vms_is_served(e),
			"allowed", (int)e->allowed, "added", (int)e->added, "nb_vcpus", (int)m->nb_vcpus,
			"requests", (json_int_t)count_requests(e), "problem", rpc_text(e->problem)));
	}
	return json_pack("{s:b, s:o}", "connected", (int)v->connected, "vms", vms);
}

json_t *
vms_manual(const struct vms *v, unsigned int cpu)
{
	struct wish w = v->manual[cpu];

	return json_pack("{s:s, s:I, s:b}", "manual_wish", wish_name[w.kind],
		"manual_khz", (json_int_t)(w.kind == FRQ_WISH_KHZ ? w.khz : 0),
		"manual_turbo", (int)!w.turbo_off);
}

json_t *
vms_latency(const struct vms *v)
{
	struct latency_figures f;

	latency_get(&v->latency, &f);
	return json_pack("{s:I, s:I, s:I, s:I}", "p50", (json_int_t)f.p50_us, "p99",
		(json_int_t)f.p99_us, "max", (json_int_t)f.max_us, "samples", (json_int_t)f.samples);
}

const char *
vms_run_state_name(enum vm_run_state state)
{
	return state_name[state];
}

const char *
vms_name(const struct vms *v, const struct vm *vm)
{
	for (unsigned int i = 0; i < v->nb_entries; i++)
		for (unsigned int t = 0; t < VMS_NB_TRANSPORTS; t++)
			if (vms_over(v->entry[i], (enum vms_transport)t) == vm)
				return v->entry[i]->name;
	return NULL;
}

const char *
vms_reason_name(enum frq_reason reason)
{
	return reason_name[reason];
}
