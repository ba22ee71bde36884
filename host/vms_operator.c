/* SPDX-License-Identifier: BSD-3-Clause */
/* vms_operator.c - the operator's word about VMs and CPUs; it ends with the daemon */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "events.h"
#include "vms_pvt.h"

/* Room for a list of CPUs in a sentence. */
#define LIST_SIZE 80

/* ---- CPUs ------------------------------------------------------------------ */

/* What librte_power's turbo calls do to a lcore, as requests to fold. */
static enum frq_reason
fold(struct wish *w, uint8_t op, uint32_t khz, const struct domain_cpu_stats *st)
{
	const struct freq_table *t = &st->info.table;

	if (op == FRQ_OP_TURBO_ON)
		(void)wish_fold(w, FRQ_OP_MAX, 0, t);
	/* Without a setting of his own the CPU stays where it is, but for turbo. */
	if (op == FRQ_OP_TURBO_OFF && w->kind == FRQ_WISH_NONE && st->decided_khz != 0)
		(void)wish_fold(w, FRQ_OP_SET, st->decided_khz, t);
	else if (op == FRQ_OP_TURBO_OFF && w->kind == FRQ_WISH_NONE)
		(void)wish_fold(w, FRQ_OP_MAX, 0, t);
	if (op == FRQ_OP_RELEASE)
		w->turbo_off = false;
	return wish_fold(w, op, khz, t);
}

static int
fold_cpu(const struct vms *v, unsigned int cpu, uint8_t op, uint32_t khz, struct wish *w,
	struct frq_err *err)
{
	struct domain_cpu_stats st;
	const struct freq_table *t = &st.info.table;
	enum frq_reason reason;

	applier_get_cpu(v->c.applier, cpu, &st);
	*w = v->manual[cpu];
	/* Where nobody voted yet its table is not known, and zero: anything goes. */
	reason = fold(w, op, khz, &st);
	if (reason == FRQ_REASON_OK)
		return 0;
	if (reason == FRQ_REASON_NO_CPUFREQ)
		frq_err_set(err, "CPU %u: its frequencies are not known before it is set once: min, max or MHz", cpu);
	else
		frq_err_set(err, "CPU %u: %" PRIu32 " kHz is not within %" PRIu32 " to %" PRIu32, cpu, khz,
			t->nb != 0 ? t->khz[t->nb - 1] : 1, t->nb != 0 ? t->khz[0] : FRQ_ARG_MAX);
	return -EINVAL;
}

/* @return whether it may be set: managed, and there */
static bool
check_cpu(const struct vms *v, unsigned int cpu, const struct cpuset *online, struct frq_err *err)
{
	char list[LIST_SIZE];

	if (!cpuset_has(&v->c.config->managed_cpus, cpu))
		frq_err_set(err, "CPU %u is not managed (managed_cpus = %s)", cpu,
			cpuset_format(&v->c.config->managed_cpus, list, sizeof(list)));
	else if (!cpuset_has(online, cpu))
		frq_err_set(err, "CPU %u is offline (online: %s)", cpu,
			cpuset_format(online, list, sizeof(list)));
	else
		return true;
	return false;
}

static void
tell_set(const struct cpuset *cpus, uint8_t op, uint32_t khz)
{
	const char *s = cpuset_count(cpus) == 1 ? "" : "s";
	static const char *const words[] = {
		[FRQ_OP_UP] = "one step up", [FRQ_OP_DOWN] = "one step down",
		[FRQ_OP_MIN] = "the minimum", [FRQ_OP_MAX] = "the maximum",
		[FRQ_OP_TURBO_ON] = "the maximum, turbo allowed",
		[FRQ_OP_TURBO_OFF] = "no turbo",
	};
	char list[LIST_SIZE];

	(void)cpuset_format(cpus, list, sizeof(list));
	if (op == FRQ_OP_RELEASE)
		event_raise(EVENT_OPERATOR, NULL, "CPU%s %s: released by an operator", s, list);
	else if (op == FRQ_OP_SET)
		event_raise(EVENT_OPERATOR, NULL, "CPU%s %s: set to %" PRIu32 " MHz by an operator", s, list,
			(khz + 500) / 1000);
	else
		event_raise(EVENT_OPERATOR, NULL, "CPU%s %s: set to %s by an operator", s, list, words[op]);
}

int
vms_set_cpus(struct vms *v, const struct cpuset *cpus, uint8_t op, uint32_t khz,
	struct frq_err *err)
{
	struct wish w[FRQ_MAX_CPUS];
	struct cpuset online = *cpus;

	/* One that went offline is released all the same. */
	if (op != FRQ_OP_RELEASE && cpuset_online(&online, err) < 0)
		return -EINVAL;
	CPUSET_FOREACH(cpu, cpus)
		if (!check_cpu(v, cpu, &online, err) || fold_cpu(v, cpu, op, khz, &w[cpu], err) < 0)
			return -EINVAL;
	CPUSET_FOREACH(cpu, cpus)
		v->manual[cpu] = w[cpu];
	tell_set(cpus, op, khz);
	vms_hand_over_map(v);
	return 0;
}

uint64_t
vms_generation(const struct vms *v)
{
	return v->generation;
}

void
vms_manual_cpus(const struct vms *v, struct cpuset *cpus)
{
	memset(cpus, 0, sizeof(*cpus));
	CPUSET_FOREACH(cpu, &v->c.config->managed_cpus)
		if (v->manual[cpu].kind != FRQ_WISH_NONE)
			cpuset_add(cpus, cpu);
}

/* ---- VMs ------------------------------------------------------------------- */

bool
vms_is_ours(const struct vms *v, const struct vm_map_vm *m)
{
	if (m->shmem[0] != '\0' || m->serial != 0 || m->vhost[0] != '\0')
		return true;
	for (unsigned int i = 0; i < v->nb_entries; i++)
		if (memcmp(v->entry[i]->uuid, m->uuid, sizeof(m->uuid)) == 0)
			return v->entry[i]->added;
	return false;
}

/* A UUID goes before a name: libvirt lets one VM be called as another one's UUID. */
const struct vm_map_vm *
vms_domain(const struct vms *v, const char *name, struct frq_err *err)
{
	const struct vm_map_vm *found = NULL;

	for (unsigned int i = 0; i < v->map->nb_vms; i++) {
		if (strcasecmp(v->map->vm[i]->uuid_text, name) == 0)
			return v->map->vm[i];
		if (strcmp(v->map->vm[i]->name, name) == 0)
			found = v->map->vm[i];
	}
	if (found == NULL)
		frq_err_set(err, "%.100s: libvirt knows no VM of that name or UUID%s", name,
			v->connected ? "" : " (as far as is known: libvirt is away)");
	return found;
}

struct entry *
vms_find(const struct vms *v, const char *name, struct frq_err *err)
{
	const struct vm_map_vm *m = vms_domain(v, name, err);

	for (unsigned int i = 0; m != NULL && i < v->nb_entries; i++)
		if (memcmp(v->entry[i]->uuid, m->uuid, sizeof(m->uuid)) == 0)
			return v->entry[i];
	if (m != NULL)
		frq_err_set(err, "VM %.100s: no memory to follow it", name);
	return NULL;
}

static unsigned int
highest(const struct cpuset *s)
{
	unsigned int last = 0;

	CPUSET_FOREACH(n, s)
		last = n;
	return last;
}

/* The VM, if all these are vCPUs of it. */
static struct entry *
find_vcpus(const struct vms *v, const char *name, const struct cpuset *vcpus, unsigned int *nb,
	struct frq_err *err)
{
	struct entry *e = vms_find(v, name, err);
	const struct vm_map_vm *m = e != NULL ? vm_map_find(v->map, e->uuid) : NULL;

	if (m == NULL)
		return NULL;
	*nb = m->nb_vcpus;
	if (vcpus == NULL || highest(vcpus) < m->nb_vcpus)
		return e;
	frq_err_set(err, "VM %.100s: no channel %u, its vCPUs are 0 to %u", e->name, highest(vcpus),
		m->nb_vcpus - 1);
	return NULL;
}

bool
vms_is_disabled(const struct entry *e, unsigned int n)
{
	return (e->disabled[n / 64] >> n % 64 & 1) != 0;
}

int
vms_enable_channels(struct vms *v, const char *name, const struct cpuset *vcpus, bool enabled,
	struct frq_err *err)
{
	unsigned int nb;
	struct entry *e = find_vcpus(v, name, vcpus, &nb, err);
	int changed = 0;

	if (e == NULL)
		return -EINVAL;
	for (unsigned int n = 0; n < nb; n++) {
		if ((vcpus != NULL && !cpuset_has(vcpus, n)) || vms_is_disabled(e, n) != enabled)
			continue;
		e->disabled[n / 64] ^= UINT64_C(1) << n % 64;
		changed++;
	}
	if (changed != 0)
		event_raise(EVENT_OPERATOR, e->name, "VM %s: %d channel%s %s by an operator", e->name,
			changed, changed == 1 ? "" : "s", enabled ? "enabled" : "disabled");
	vms_hand_over_map(v);
	return changed;
}

int
vms_count_channels(const struct vms *v, const char *name, const struct cpuset *vcpus,
	struct frq_err *err)
{
	unsigned int nb;
	const struct entry *e = find_vcpus(v, name, vcpus, &nb, err);
	int served = 0;

	if (e == NULL)
		return -EINVAL;
	if (!vms_is_served(e)) {
		frq_err_set(err, "VM %.100s is not served%s%s", e->name,
			e->problem[0] != '\0' ? ": " : ": it does not run", e->problem);
		return -EINVAL;
	}
	for (unsigned int n = 0; n < FRQ_MAX_CHANNELS; n++) {
		const struct channel *ch = vms_speaker(e, n);

		served += ch != NULL && (vcpus == NULL || cpuset_has(vcpus, n)) &&
			(!ch->vm->serial || serial_connected(e->ports, n)) &&
			(!ch->vm->vhost || vhost_has_pair(e->port, n));
	}
	return served;
}

/* Both as the operator says it: an earlier word of his does not count any more. */
static int
allow(struct vms *v, const char *name, bool add, struct frq_err *err)
{
	struct entry *e = vms_find(v, name, err);

	if (e == NULL)
		return -ENOENT;
	e->added = add;
	e->removed = !add;
	event_raise(EVENT_OPERATOR, e->name, "VM %s: %s by an operator", e->name,
		add ? "added" : "removed");
	vms_reconfigure(v);
	return 0;
}

int
vms_add(struct vms *v, const char *name, struct frq_err *err)
{
	return allow(v, name, true, err);
}

int
vms_remove(struct vms *v, const char *name, struct frq_err *err)
{
	return allow(v, name, false, err);
}

int
vms_set_query(struct vms *v, const char *name, bool enabled, struct frq_err *err)
{
	struct entry *e = vms_find(v, name, err);

	if (e == NULL)
		return -ENOENT;
	if (e->query != enabled)
		event_raise(EVENT_OPERATOR, e->name, "VM %s: queries %s by an operator", e->name,
			enabled ? "allowed" : "forbidden");
	e->query = enabled;
	return 0;
}

void
vms_reconfigure(struct vms *v)
{
	for (unsigned int i = 0; i < v->nb_entries; i++)
		for (unsigned int t = 0; t < VMS_NB_TRANSPORTS; t++) {
			struct vm *vm = vms_over(v->entry[i], (enum vms_transport)t);

			if (vm != NULL)
				__atomic_store_n(&vm->rate_limit, v->c.config->rate_limit,
					__ATOMIC_RELAXED);
		}
	vms_follow_all(v);
}
