/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vms_sleep.c - guests that sleep, and a host that does. Control thread only.
 *
 * A guest that sleeps has no votes; its wishes stay where they are. One that
 * suspended to disk comes back in another QEMU over an empty region, so its
 * wishes are kept here, for a while: whether it is the same guest that goes on,
 * or one that boots afresh, nobody says.
 */
#include <string.h>

#include "clock.h"
#include "events.h"
#include "rpc.h"
#include "sleep_file.h"
#include "vms_pvt.h"

#define MEM_MAX_MS	1000u		/* at the maximum after S3, unless it asks */
#define DISK_MAX_MS	30000u		/* after S4: it reads its memory back first */
#define KEPT_MS		600000u		/* then its wishes are those of nobody */

static const char *const power_name[] = {
	[VMS_POWER_UNKNOWN] = "not known",
	[VMS_RUNNING] = "running",
	[VMS_PAUSED] = "paused",
	[VMS_SUSPENDED_MEM] = "suspended to memory",
	[VMS_SUSPENDED_DISK] = "suspended to disk",
	[VMS_OFF] = "shut off",
};

const char *
vms_power_name(enum vms_power power)
{
	return power_name[power];
}

static int64_t
realtime_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint64_t
boottime_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- wishes --------------------------------------------------------------------- */

static struct wish
wish_of(const struct channel *ch)
{
	return wish_unpack(__atomic_load_n(&ch->slot->wish, __ATOMIC_ACQUIRE));
}

/* A vCPU of which nobody asked anything is spoken for by the best that is left; those
 * that went before it, of the same machine, were better.
 */
static bool
has_said(const struct entry *e, unsigned int n, const struct vm *vm)
{
	bool kept = (e->kept_set[n / 64] >> n % 64 & 1) != 0;

	return vms_over(e, vms_speaks(e, n)) == vm && (!kept || e->asked[n] != 0);
}

void
vms_sleep_keep(struct entry *e, const struct vm *vm)
{
	bool still = e->keeps == KEPT_BACK && monotonic_ms() < e->kept_until_ms;

	for (unsigned int n = 0; n < vm->nb_channels; n++) {
		struct wish w = wish_of(&vm->ch[n]);

		if (!has_said(e, n, vm))
			continue;
		e->kept_set[n / 64] |= UINT64_C(1) << n % 64;
		/* It has said nothing since it came back: what was kept is its word. */
		if (!still || w.attached || w.kind != FRQ_WISH_NONE)
			e->kept[n] = w;
	}
	e->keeps = KEPT_ASLEEP;
}

void
vms_sleep_served(struct entry *e)
{
	uint64_t now = monotonic_ms();

	memset(e->kept_set, 0, sizeof(e->kept_set));
	/* Served once more, long after it woke up. */
	if (e->keeps == KEPT_BACK && e->kept_until_ms <= now)
		e->keeps = KEPT_NONE;
	if (e->keeps != KEPT_BACK || e->max_until_ms > now)
		return;
	e->max_until_ms = now + DISK_MAX_MS;
	e->kept_until_ms = now + KEPT_MS;
}

void
vms_sleep_place(const struct entry *e, struct applier_map_vm *am)
{
	am->asleep = e->sleep.kind != SLEEP_NONE;
	am->max_until_ms = e->max_until_ms;
	if (e->keeps != KEPT_BACK)
		return;
	am->kept_until_ms = e->kept_until_ms;
	for (unsigned int n = 0; n < am->vm->nb_channels; n++)
		am->vcpu[n].kept = e->kept[n];
}

/* Those of any machine that is gone are kept; they count where its guest sleeps. */
static bool
has_kept(const struct entry *e)
{
	return e->keeps == KEPT_BACK || (e->keeps == KEPT_ASLEEP && e->sleep.kind == SLEEP_DISK);
}

/* Of its vCPUs that have an opinion: those that voted until now, or will again. */
static unsigned int
count_wishes(const struct entry *e)
{
	bool kept = has_kept(e);
	unsigned int nb = 0;

	for (unsigned int n = 0; n < FRQ_MAX_CHANNELS; n++) {
		const struct channel *ch = vms_speaker(e, n);

		if (ch != NULL)
			nb += wish_of(ch).kind != FRQ_WISH_NONE;
		else if (kept)
			nb += e->kept[n].kind != FRQ_WISH_NONE;
	}
	return nb;
}

/* ---- asleep and awake ------------------------------------------------------------ */

static const char *
plural(unsigned int n)
{
	return n == 1 ? "" : "s";
}

static void
fell_asleep(struct entry *e)
{
	unsigned int nb;

	memset(e->kept_set, 0, sizeof(e->kept_set));
	for (unsigned int t = 0; t < VMS_NB_TRANSPORTS && e->sleep.kind == SLEEP_DISK; t++)
		if (vms_over(e, (enum vms_transport)t) != NULL)
			vms_sleep_keep(e, vms_over(e, (enum vms_transport)t));
	nb = count_wishes(e);
	if (vms_is_served(e))
		event_raise(EVENT_VOTES, e->name, "VM %s: %s: %u vote%s given up until it wakes up",
			e->name, e->sleep.kind == SLEEP_DISK ? "suspended to disk" : "suspended to memory",
			nb, plural(nb));
}

/* A lease counts the guest's time, which stood still. */
static void
extend_leases(const struct entry *e, uint64_t since_ns)
{
	uint64_t ms = since_ns != 0 ? (monotonic_ns() - since_ns) / 1000000 : 0;

	for (unsigned int t = 0; t < VMS_NB_TRANSPORTS && ms != 0; t++)
		if (vms_over(e, (enum vms_transport)t) != NULL)
			(void)poller_extend_leases(e->vms->c.poller,
				vms_over(e, (enum vms_transport)t), ms);
}

static void
woke_up(struct entry *e, struct guest_woke woke)
{
	unsigned int nb;
	int64_t slept_ms = woke.since_ms != 0 ? realtime_ms() - woke.since_ms : 0;
	char slept[48] = "";

	if (woke.from == SLEEP_DISK) {
		e->keeps = e->keeps == KEPT_ASLEEP ? KEPT_BACK : KEPT_NONE;
		e->max_until_ms = monotonic_ms() + DISK_MAX_MS;
		e->kept_until_ms = monotonic_ms() + KEPT_MS;
	} else {
		extend_leases(e, woke.since_ns);
		e->max_until_ms = monotonic_ms() + MEM_MAX_MS;
	}
	nb = count_wishes(e);
	if (slept_ms > 0)
		(void)snprintf(slept, sizeof(slept), " after %lld.%lld s",
			(long long)slept_ms / 1000, (long long)slept_ms % 1000 / 100);
	if (vms_is_served(e) || nb != 0)
		event_raise(EVENT_VOTES, e->name,
			"VM %s: awake%s: %u vote%s back, at the maximum for %u s or until it asks",
			e->name, slept, nb, plural(nb),
			(woke.from == SLEEP_DISK ? DISK_MAX_MS : MEM_MAX_MS) / 1000);
}

static enum vms_power
power_of(const struct entry *e)
{
	if (e->sleep.kind == SLEEP_DISK)
		return VMS_SUSPENDED_DISK;
	if (e->sleep.kind == SLEEP_MEM)
		return VMS_SUSPENDED_MEM;
	switch (e->state) {
	case VM_RUNNING:
		return VMS_RUNNING;
	case VM_PAUSED:
		return VMS_PAUSED;
	case VM_SUSPENDED:
		/* It woke up; the map that says so is on its way. */
		return VMS_RUNNING;
	case VM_DEFINED:
		break;
	}
	return e->started ? VMS_RUNNING : VMS_OFF;
}

static void
note_power(struct entry *e)
{
	enum vms_power power = power_of(e);

	if (power == e->power)
		return;
	if (e->sleep.kind != SLEEP_NONE)
		e->state_since_ms = e->sleep.since_ms;
	else
		e->state_since_ms = e->power == VMS_POWER_UNKNOWN ? 0 : realtime_ms();
	e->power = power;
}

/* @return whether the applier has to know */
static bool
follow_sleep(struct vms *v, struct entry *e, enum sleep_kind was, struct guest_woke woke)
{
	if (woke.from != SLEEP_NONE)
		woke_up(e, woke);
	else if (was == SLEEP_NONE && e->sleep.kind != SLEEP_NONE)
		fell_asleep(e);
	note_power(e);
	if (was == e->sleep.kind)
		return false;
	v->sleep_changed = true;
	return true;
}

static struct entry *
find_entry(const struct vms *v, const uint8_t uuid[16])
{
	for (unsigned int i = 0; i < v->nb_entries; i++)
		if (memcmp(v->entry[i]->uuid, uuid, 16) == 0)
			return v->entry[i];
	return NULL;
}

void
vms_pm(struct vms *v, const uint8_t uuid[16], enum guest_pm pm, struct sleep_time at)
{
	struct entry *e = find_entry(v, uuid);
	enum sleep_kind was;
	struct guest_woke woke;

	if (e == NULL)
		return;
	was = e->sleep.kind;
	woke = guest_sleep_event(&e->sleep, pm, at);
	e->started = pm == GUEST_PM_STARTED;
	/* Not the guest that suspended to disk: an operator's fresh start of one that was off. */
	if (pm == GUEST_PM_STARTED && was == SLEEP_NONE && e->keeps == KEPT_ASLEEP)
		e->keeps = KEPT_NONE;
	if (follow_sleep(v, e, was, woke))
		vms_hand_over_map(v);
	vms_sleep_save(v);
}

/* vms_follow_all hands a map over in any case. */
void
vms_sleep_follow(struct vms *v, struct entry *e)
{
	enum sleep_kind was = e->sleep.kind;

	e->started &= v->map->read_ns < e->sleep.event_ns;
	(void)follow_sleep(v, e, was, guest_sleep_map(&e->sleep, e->state, v->map->read_ns));
}

struct guest_sleep
vms_sleep(const struct vms *v, const uint8_t uuid[16])
{
	const struct entry *e = find_entry(v, uuid);

	return e != NULL ? e->sleep : (struct guest_sleep){ .kind = SLEEP_NONE };
}

/* ---- to be woken up ---------------------------------------------------------------- */

void
vms_set_wake(struct vms *v, const uint8_t uuid[16], uint64_t at_ms)
{
	struct entry *e = find_entry(v, uuid);

	if (e == NULL || e->sleep.kind == SLEEP_NONE)
		return;
	e->sleep.wake_at_ms = at_ms;
	v->sleep_changed = true;
	vms_sleep_save(v);
}

const struct vm_map_vm *
vms_wake_due(const struct vms *v, uint64_t boot_ms)
{
	for (unsigned int i = 0; i < v->nb_entries; i++) {
		const struct guest_sleep *g = &v->entry[i]->sleep;

		if (g->kind != SLEEP_NONE && g->wake_at_ms != 0 && g->wake_at_ms <= boot_ms)
			return vm_map_find(v->map, v->entry[i]->uuid);
	}
	return NULL;
}

/* ---- remembered ---------------------------------------------------------------------- */

static json_t *
kept_json(const struct entry *e)
{
	json_t *kept = json_object();
	char key[16];

	for (unsigned int n = 0; e->keeps == KEPT_ASLEEP && n < FRQ_MAX_CHANNELS; n++) {
		if (e->kept[n].kind == FRQ_WISH_NONE)
			continue;
		(void)snprintf(key, sizeof(key), "%u", n);
		(void)json_object_set_new(kept, key,
			json_integer((json_int_t)wish_pack(e->kept[n])));
	}
	return kept;
}

void
vms_sleep_save(struct vms *v)
{
	json_t *guests;

	if (!v->sleep_changed)
		return;
	v->sleep_changed = false;
	guests = json_array();
	for (unsigned int i = 0; i < v->nb_entries; i++) {
		const struct entry *e = v->entry[i];
		const struct vm_map_vm *m = vm_map_find(v->map, e->uuid);

		if (m == NULL || e->sleep.kind == SLEEP_NONE)
			continue;
		(void)json_array_append_new(guests, json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}",
			"uuid", m->uuid_text, "disk", e->sleep.kind == SLEEP_DISK,
			"since_ms", (json_int_t)e->sleep.since_ms,
			"since_ns", (json_int_t)e->sleep.since_ns,
			"wake_at_ms", (json_int_t)e->sleep.wake_at_ms, "wishes", kept_json(e)));
	}
	sleep_file_write(v->c.config->state_dir, guests);
}

static const json_t *
find_remembered(const struct vms *v, const struct entry *e)
{
	const struct vm_map_vm *m = vm_map_find(v->map, e->uuid);
	const json_t *guest;
	size_t i;

	json_array_foreach(v->remembered, i, guest) {
		const char *uuid = json_string_value(json_object_get(guest, "uuid"));

		if (m != NULL && uuid != NULL && strcmp(uuid, m->uuid_text) == 0)
			return guest;
	}
	return NULL;
}

void
vms_sleep_remember(struct vms *v, struct entry *e)
{
	const json_t *guest = find_remembered(v, e), *kept;
	uint64_t now = monotonic_ns();

	if (guest == NULL)
		return;
	e->sleep = (struct guest_sleep){
		.kind = json_is_true(json_object_get(guest, "disk")) ? SLEEP_DISK : SLEEP_MEM,
		.since_ms = json_integer_value(json_object_get(guest, "since_ms")),
		.since_ns = (uint64_t)json_integer_value(json_object_get(guest, "since_ns")),
		.wake_at_ms = (uint64_t)json_integer_value(json_object_get(guest, "wake_at_ms")),
	};
	/* What is not from this boot says nothing about these clocks. */
	if (e->sleep.since_ns > now)
		e->sleep.since_ns = 0;
	kept = json_object_get(guest, "wishes");
	for (unsigned int n = 0; json_object_size(kept) != 0 && n < FRQ_MAX_CHANNELS; n++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "%u", n);
		e->kept[n] = wish_unpack((uint64_t)json_integer_value(json_object_get(kept, key)));
		e->keeps = KEPT_ASLEEP;
	}
}

void
vms_sleep_forget(struct vms *v, struct entry *e)
{
	v->sleep_changed |= e->sleep.kind != SLEEP_NONE;
	e->sleep = (struct guest_sleep){ .kind = SLEEP_NONE };
	e->power = VMS_POWER_UNKNOWN;
	e->keeps = KEPT_NONE;
}

/* ---- told ------------------------------------------------------------------------------ */

static json_t *
vote_json(const struct entry *e, const struct vm_map_vm *m, unsigned int n)
{
	static const char *const wish_name[] = { "none", "min", "max", "kHz" };
	const struct channel *ch = vms_speaker(e, n);
	bool holds = ch != NULL && frq_now_unpack(counter_get(&ch->a.now)).nb_pcpus != 0;
	struct frq_applied applied = { .granted_khz = 0 };
	struct wish w = ch != NULL ? wish_of(ch) : e->kept[n];
	char cpus[VMS_LIST_SIZE];

	if (ch == NULL && !has_kept(e))
		return NULL;
	if (ch != NULL)
		applied = frq_applied_unpack(counter_get(&ch->a.applied));
	/* As it counts: at the maximum for a while, or the fail-safe. */
	if (holds)
		w.kind = applied.wish;
	if (w.kind == FRQ_WISH_NONE)
		return NULL;
	return json_pack("{s:i, s:s, s:s, s:i, s:b, s:i, s:s}", "vcpu", (int)n,
		"cpus", cpuset_format(&vm_map_vcpu(m, n)->pcpus, cpus, sizeof(cpus)),
		"wish", wish_name[w.kind], "khz", w.kind == FRQ_WISH_KHZ ? (int)w.khz : 0,
		"holds", (int)holds, "granted_khz", (int)(holds ? applied.granted_khz : 0),
		"reason", holds ? vms_reason_name(applied.reason) : "");
}

json_t *
vms_powerstate(const struct vms *v, const char *name, struct frq_err *err)
{
	const struct entry *e = vms_find(v, name, err);
	const struct vm_map_vm *m = e != NULL ? vm_map_find(v->map, e->uuid) : NULL;
	json_t *votes, *vote;
	int64_t since, wake_in = -1;

	if (m == NULL)
		return NULL;
	votes = json_array();
	for (unsigned int n = 0; n < m->nb_vcpus; n++) {
		vote = vote_json(e, m, n);
		if (vote != NULL)
			(void)json_array_append_new(votes, vote);
	}
	since = e->state_since_ms;
	if (e->sleep.wake_at_ms != 0)
		wake_in = (int64_t)e->sleep.wake_at_ms - (int64_t)boottime_ms();
	return json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:b, s:o}", "name", rpc_text(e->name),
		"uuid", m->uuid_text, "state", power_name[e->power], "since_ms", (json_int_t)since,
		"for_ms", (json_int_t)(since != 0 ? realtime_ms() - since : 0),
		"wake_in_ms", (json_int_t)wake_in, "served", (int)vms_is_served(e),
		"votes", votes);
}

/* ---- the host -------------------------------------------------------------------------- */

unsigned int
vms_nb_served(const struct vms *v)
{
	unsigned int nb = 0;

	for (unsigned int i = 0; i < v->nb_entries; i++)
		nb += vms_is_served(v->entry[i]);
	return nb;
}

uint64_t
vms_tell_host(struct vms *v, struct frq_host host)
{
	v->host = host;
	vms_hand_over_map(v);
	return v->generation;
}

uint64_t
vms_host_resumed(struct vms *v, struct frq_host host)
{
	v->resumes++;
	return vms_tell_host(v, host);
}
