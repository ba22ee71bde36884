/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who holds which CPU, whatever VMs, libvirt and operators do: poller and
 * applier stepped by hand, on a clock that only moves when the test says so.
 */
#include <inttypes.h>

#include "fixture.h"
#include "still_clock.h"

#include <rte_log.h>

#define NB_VMS		3u
#define NB_CHANNELS	4u
#define NB_CPUS		8u

/* CPU 4 and 5 are slower, 6 and 7 have no turbo and another top. */
static const struct freq_table slow = { .nb = 2, .khz = { 1000000, 500000 } };
static const struct freq_table mid = { .nb = 3, .khz = { 2000000, 1500000, 1000000 } };

enum vm_state { VM_GONE, VM_RUNNING, VM_PAUSED };

/* What is true, as the test made it; found again in hardware and state lines. */
static struct model {
	struct {
		enum vm_state state;
		struct vote_rule rule;
		bool fresh;			/* no map with it is in force: not drained */
		bool placed;			/* it is in the map that is on the way */
		struct {
			bool removed, disabled, quarantined;
			struct cpuset cpus;	/* empty: floats */
			struct wish wish;	/* as asked */
			uint64_t lease_end_ms;
			enum frq_reason fault;	/* of the last request itself */
			const struct freq_table *table;	/* in force */
			const struct freq_table *next_table;	/* of the map on the way */
			struct frq_producer p;
		} ch[NB_CHANNELS];
	} vm[NB_VMS];
	struct wish manual[NB_CPUS];
	enum config_failsafe failsafe;
} model;

static char dir[64];
static struct applier *applier;
static struct poller *poller;
static struct vm *vms[NB_VMS], *dead[64];
static unsigned int nb_dead;
static uint64_t generation;
static uint64_t seed;

static const struct freq_table *
table_of(unsigned int cpu)
{
	return &recorder.table[cpu];
}

static void
begin(enum config_failsafe failsafe, uint32_t write_limit)
{
	struct applier_config c = { .power = &recorder_ops, .yield = true, .done_fd = -1,
		.failsafe = failsafe, .write_limit = write_limit };
	struct cpuset pair = { { 0x3 } };

	recorder_reset();
	recorder.table[4] = recorder.table[5] = slow;
	recorder.table[6] = recorder.table[7] = mid;
	recorder_tie(&pair, false);
	memset(&model, 0, sizeof(model));
	model.failsafe = failsafe;
	for (unsigned int i = 0; i < NB_CPUS; i++)
		cpuset_add(&c.managed, i);
	applier = applier_create(&c);
	assert_non_null(applier);
	poller = poller_create(&(const struct poller_config){
		.queue = applier_queue(applier), .tsc_hz = FX_HZ_STILL, .notify_fd = -1,
	});
	assert_non_null(poller);
}

static int
setup(void **state)
{
	(void)state;
	fx_dir_make(dir);
	generation = 0;
	return 0;
}

static void
bury(void)
{
	while (nb_dead != 0)
		fx_vm_free(dead[--nb_dead]);
}

static void
end(void)
{
	poller_free(poller);
	applier_free(applier);
	poller = NULL;
	applier = NULL;
	bury();
	for (unsigned int n = 0; n < NB_VMS; n++) {
		fx_vm_free(vms[n]);
		vms[n] = NULL;
	}
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(recorder.misuse, 0);
	end();
	fx_dir_remove(dir);
	return 0;
}

/* ---- what is to be true ---------------------------------------------------------- */

static enum frq_reason
standing_of(unsigned int n, unsigned int ch)
{
	if (model.vm[n].state == VM_PAUSED)
		return FRQ_REASON_PAUSED;
	if (model.vm[n].ch[ch].removed)
		return FRQ_REASON_NO_VCPU;
	if (model.vm[n].ch[ch].disabled)
		return FRQ_REASON_DISABLED;
	return cpuset_empty(&model.vm[n].ch[ch].cpus) ? FRQ_REASON_UNPINNED : FRQ_REASON_OK;
}

static bool
expired(unsigned int n, unsigned int ch)
{
	uint64_t lease_end = model.vm[n].ch[ch].lease_end_ms;

	return lease_end != 0 && still_ns / MS >= lease_end;
}

/* The wish that counts. */
static struct wish
wish_of(unsigned int n, unsigned int ch)
{
	struct wish w = model.vm[n].ch[ch].wish;

	if (w.kind == FRQ_WISH_NONE || !(expired(n, ch) || model.vm[n].ch[ch].quarantined))
		return w;
	if (model.failsafe == CONFIG_FAILSAFE_MAX)
		w.kind = FRQ_WISH_MAX;
	else if (model.failsafe == CONFIG_FAILSAFE_RELEASE)
		w.kind = FRQ_WISH_NONE;
	return w;
}

static bool
votes_on(unsigned int n, unsigned int ch, unsigned int cpu)
{
	return model.vm[n].state == VM_RUNNING && standing_of(n, ch) == FRQ_REASON_OK &&
		cpuset_has(&model.vm[n].ch[ch].cpus, cpu);
}

static bool
same_domain(unsigned int a, unsigned int b)
{
	return a == b || (a < 2 && b < 2);
}

static bool
is_wanted(unsigned int cpu)
{
	if (model.manual[cpu].kind != FRQ_WISH_NONE)
		return true;
	for (unsigned int n = 0; n < NB_VMS; n++)
		for (unsigned int ch = 0; ch < NB_CHANNELS; ch++)
			if (votes_on(n, ch, cpu))
				return true;
	return false;
}

static struct decision
expected(unsigned int cpu)
{
	struct vote vote[64];
	unsigned int nb = 0;

	for (unsigned int other = 0; other < NB_CPUS; other++) {
		if (!same_domain(cpu, other))
			continue;
		if (model.manual[other].kind != FRQ_WISH_NONE)
			vote[nb++] = (struct vote){ model.manual[other], { .max_khz = UINT32_MAX,
				.turbo = true, .priority = VOTE_PRIORITY_OPERATOR } };
		for (unsigned int n = 0; n < NB_VMS; n++)
			for (unsigned int ch = 0; ch < NB_CHANNELS; ch++)
				if (votes_on(n, ch, other))
					vote[nb++] = (struct vote){ wish_of(n, ch),
						model.vm[n].rule };
	}
	return arbiter_decide(table_of(cpu), vote, nb, FREQ_LIMITS_NONE);
}

static enum frq_reason
reason_of(unsigned int n, unsigned int ch)
{
	const struct vote v = { .wish = wish_of(n, ch), .rule = model.vm[n].rule };
	enum frq_reason reason = standing_of(n, ch);

	CPUSET_FOREACH(cpu, &model.vm[n].ch[ch].cpus)
		if (reason == FRQ_REASON_OK)
			reason = arbiter_explain(table_of(cpu), &v, expected(cpu));
	if (reason == FRQ_REASON_OK && expired(n, ch) &&
	    model.vm[n].ch[ch].wish.kind != FRQ_WISH_NONE)
		reason = FRQ_REASON_LEASE_EXPIRED;
	if (model.vm[n].ch[ch].quarantined)
		reason = FRQ_REASON_QUARANTINED;
	return reason;
}

static uint32_t
granted_of(unsigned int n, unsigned int ch)
{
	uint32_t khz = UINT32_MAX;

	if (standing_of(n, ch) != FRQ_REASON_OK)
		return 0;
	CPUSET_FOREACH(cpu, &model.vm[n].ch[ch].cpus) {
		struct decision d = expected(cpu);

		if (!d.any)
			return 0;
		if (table_of(cpu)->khz[d.index] < khz)
			khz = table_of(cpu)->khz[d.index];
	}
	return khz;
}

static void
check_guest(unsigned int n, unsigned int ch)
{
	struct frq_applied a = fx_applied(vms[n], ch);
	enum frq_reason fault = model.vm[n].ch[ch].fault;
	struct wish asked = fx_wish(vms[n], ch);

	assert_int_equal(asked.kind, model.vm[n].ch[ch].wish.kind);
	if (asked.kind == FRQ_WISH_KHZ)
		assert_int_equal(asked.khz, model.vm[n].ch[ch].wish.khz);
	assert_int_equal(a.wish, wish_of(n, ch).kind);
	assert_int_equal(a.granted_khz, granted_of(n, ch));
	assert_int_equal(a.reason, fault != FRQ_REASON_OK && !model.vm[n].ch[ch].quarantined ?
		fault : reason_of(n, ch));
	if (!model.vm[n].ch[ch].quarantined)
		assert_int_equal(a.next, model.vm[n].ch[ch].p.next);
}

static void
check_all(void)
{
	for (unsigned int cpu = 0; cpu < NB_CPUS; cpu++) {
		struct decision d = expected(cpu);
		int index = d.any && is_wanted(cpu) ? (int)d.index : -1;

		assert_int_equal(recorder.index[cpu], index);
		assert_int_equal(recorder.taken[cpu], index >= 0);
	}
	for (unsigned int n = 0; n < NB_VMS; n++)
		for (unsigned int ch = 0; ch < NB_CHANNELS && model.vm[n].state != VM_GONE; ch++)
			check_guest(n, ch);
	assert_int_equal(recorder.misuse, 0);
}

/* ---- what happens ------------------------------------------------------------------ */

/* A map came into force, and the tables with it. */
static void
move_tables(void)
{
	if (applier_generation(applier) != generation)
		return;
	for (unsigned int n = 0; n < NB_VMS; n++) {
		if (!model.vm[n].placed)
			continue;
		model.vm[n].fresh = false;
		for (unsigned int ch = 0; ch < NB_CHANNELS; ch++)
			model.vm[n].ch[ch].table = model.vm[n].ch[ch].next_table;
	}
}

static void
hand_over(void)
{
	struct applier_map *m = fx_map(++generation);

	for (unsigned int n = 0; n < NB_VMS; n++) {
		struct applier_map_vm *mv;

		if (model.vm[n].state == VM_GONE)
			continue;
		mv = fx_map_vm(m, vms[n]);
		mv->rule = model.vm[n].rule;
		model.vm[n].placed = true;
		for (unsigned int ch = 0; ch < NB_CHANNELS; ch++) {
			mv->vcpu[ch].standing = standing_of(n, ch);
			model.vm[n].ch[ch].next_table = NULL;
			if (mv->vcpu[ch].standing != FRQ_REASON_OK)
				continue;
			mv->vcpu[ch].cpus = model.vm[n].ch[ch].cpus;
			model.vm[n].ch[ch].next_table = table_of(cpuset_next(&mv->vcpu[ch].cpus, 0));
		}
	}
	for (unsigned int cpu = 0; cpu < NB_CPUS; cpu++)
		m->manual[cpu] = model.manual[cpu];
	applier_set_map(applier, m);
}

static void
steps(void)
{
	unsigned int n = 0;

	(void)fx_turns(poller, 200);
	while (applier_step(applier))
		assert_true(++n < 10000);
}

/* The last map is in force, and all that waits for time has had it. */
static void
settle(void)
{
	hand_over();
	for (unsigned int i = 0; i < 20; i++) {
		steps();
		still_pass(i < 2 ? 60000 : 2 * MS);
	}
	steps();
	assert_int_equal(applier_generation(applier), generation);
	bury();
	move_tables();
}

static void
settle_and_check(void)
{
	settle();
	check_all();
}

/* A machine starts; its vCPUs float. */
static void
start(unsigned int n)
{
	assert_int_equal(model.vm[n].state, VM_GONE);
	memset(&model.vm[n], 0, sizeof(model.vm[n]));
	model.vm[n].state = VM_RUNNING;
	model.vm[n].rule = VOTE_RULE_NONE;
	model.vm[n].fresh = true;
	vms[n] = fx_vm_make(dir, n, NB_CHANNELS);
	fx_add(poller, vms[n]);
	for (unsigned int ch = 0; ch < NB_CHANNELS; ch++) {
		model.vm[n].ch[ch].p = fx_attach(vms[n], ch, 1);
	}
}

/* The poller first, as the daemon does; its memory goes with the next map in force. */
static void
stop(unsigned int n)
{
	fx_remove(poller, vms[n]);
	if (nb_dead == 64)
		settle();
	dead[nb_dead++] = vms[n];
	vms[n] = NULL;
	model.vm[n].state = VM_GONE;
}

static void
pin(unsigned int n, unsigned int ch, unsigned int cpu)
{
	model.vm[n].ch[ch].cpus = (struct cpuset){ { 0 } };
	cpuset_add(&model.vm[n].ch[ch].cpus, cpu);
}

/* Folded by the poller at once; not applied yet. */
static void
ask(unsigned int n, unsigned int ch, enum frq_op op, uint32_t arg)
{
	static const struct freq_table none;
	struct wish *w = &model.vm[n].ch[ch].wish;
	const struct freq_table *t = model.vm[n].ch[ch].table;
	enum frq_reason reason = FRQ_REASON_OK;

	if (model.vm[n].ch[ch].quarantined)
		return;
	assert_int_equal(frq_producer_post(&model.vm[n].ch[ch].p, op, 0, arg), 0);
	(void)fx_turns(poller, 200);
	assert_int_equal(fx_consumed(vms[n], ch).next, model.vm[n].ch[ch].p.next);
	if (op == FRQ_OP_LEASE)
		model.vm[n].ch[ch].lease_end_ms = arg == 0 ? 0 : still_ns / MS + arg * 1000;
	else
		reason = wish_fold(w, op, arg, t == NULL ? &none : t);
	if (op == FRQ_OP_RELEASE)
		model.vm[n].ch[ch].lease_end_ms = 0;
	model.vm[n].ch[ch].fault = reason == FRQ_REASON_BAD_FREQ ? reason : FRQ_REASON_OK;
}

/* It breaks the protocol until nobody listens any more. */
static void
break_protocol(unsigned int n, unsigned int ch)
{
	struct channel *c = &vms[n]->ch[ch];
	unsigned int posts = 0;

	while (!__atomic_load_n(&c->quarantined, __ATOMIC_RELAXED)) {
		(void)frq_producer_post(&model.vm[n].ch[ch].p, 200, 0, 0);
		(void)fx_turns(poller, 3);
		assert_true(++posts < 20000);
	}
	model.vm[n].ch[ch].quarantined = true;
	/* what it said last was wrong in itself, and that is what it reads */
	model.vm[n].ch[ch].fault = FRQ_REASON_BAD_OP;
}

/* VM 0's first vCPU on a CPU, with a wish. */
static void
usual(unsigned int cpu, uint32_t khz)
{
	start(0);
	pin(0, 0, cpu);
	settle_and_check();
	ask(0, 0, FRQ_OP_SET, khz);
	settle_and_check();
	assert_int_equal(recorder_get(cpu), khz);
}

static struct frq_applied
applied(void)
{
	return fx_applied(vms[0], 0);
}

/* ---- one thing at a time ------------------------------------------------------------ */

static void
paused_and_resumed(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	usual(3, 1400000);
	for (unsigned int i = 0; i < 3; i++) {
		model.vm[0].state = VM_PAUSED;
		settle_and_check();
		assert_int_equal(recorder.index[3], -1);
		assert_int_equal(applied().reason, FRQ_REASON_PAUSED);
		model.vm[0].state = VM_RUNNING;
		settle_and_check();
		assert_int_equal(recorder.index[3], 5);
		assert_int_equal(applied().reason, FRQ_REASON_OK);
	}
}

static void
repinned_to_slower_and_back(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	usual(3, 2300000);
	pin(0, 0, 4);
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
	assert_int_equal(recorder.index[4], 0);
	assert_int_equal(applied().granted_khz, 1000000);
	assert_int_equal(applied().reason, FRQ_REASON_LIMITED);
	pin(0, 0, 6);
	settle_and_check();
	assert_int_equal(recorder.index[4], -1);
	assert_int_equal(recorder_get(6), 2000000);
	pin(0, 0, 3);
	settle_and_check();
	assert_int_equal(recorder_get(3), 2300000);
	assert_int_equal(applied().reason, FRQ_REASON_OK);
}

static void
disabled_and_enabled(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	usual(3, 1400000);
	model.vm[0].ch[0].disabled = true;
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
	assert_int_equal(applied().reason, FRQ_REASON_DISABLED);
	assert_int_equal(fx_verdict(vms[0], 0).reason, FRQ_REASON_DISABLED);
	/* what it asks meanwhile is kept */
	ask(0, 0, FRQ_OP_SET, 1100000);
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
	model.vm[0].ch[0].disabled = false;
	settle_and_check();
	assert_int_equal(recorder_get(3), 1100000);
	assert_int_equal(applied().reason, FRQ_REASON_OK);
}

static void
manual_setting_is_told(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	usual(3, 1400000);
	model.manual[3] = (struct wish){ .kind = FRQ_WISH_KHZ, .khz = 800000 };
	settle_and_check();
	assert_int_equal(recorder_get(3), 800000);
	assert_int_equal(applied().reason, FRQ_REASON_MANUAL);
	assert_int_equal(applied().granted_khz, 800000);
	/* no refusal: nothing to repeat */
	assert_int_equal(fx_verdict(vms[0], 0).changes, 0);
	/* of the operator's mind */
	ask(0, 0, FRQ_OP_MIN, 0);
	settle_and_check();
	assert_int_equal(applied().reason, FRQ_REASON_OK);
	/* the VM goes, the setting stays */
	stop(0);
	settle_and_check();
	assert_int_equal(recorder_get(3), 800000);
	model.manual[3].kind = FRQ_WISH_NONE;
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
}

static void
gone_is_given_back(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	usual(3, 1400000);
	stop(0);
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
	/* the next machine of that name inherits nothing */
	start(0);
	pin(0, 0, 3);
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
}

static void
superseded_map(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	usual(3, 1400000);
	pin(0, 0, 5);
	hand_over();
	model.vm[0].state = VM_PAUSED;
	hand_over();
	pin(0, 0, 2);
	model.vm[0].state = VM_RUNNING;
	settle_and_check();
	assert_int_equal(recorder_get(2), 1400000);
	assert_int_equal(recorder.count[RECORDED_TAKE], 2);
}

/* Each fail-safe: the highest wins over a neighbour or not, nothing, as it was. */
static const struct {
	enum config_failsafe failsafe;
	int index;
} failsafes[] = {
	{ CONFIG_FAILSAFE_MAX, 0 },
	{ CONFIG_FAILSAFE_HOLD, 5 },
	{ CONFIG_FAILSAFE_RELEASE, -1 },
};

static void
lease_runs_out(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct applier_stats st;

		begin(failsafes[i].failsafe, 0);
		usual(3, 1400000);
		ask(0, 0, FRQ_OP_LEASE, 5);
		settle_and_check();
		still_pass(4900 * MS - still_ns % (5 * MS));
		steps();
		assert_int_equal(recorder.index[3], 5);
		/* nobody says anything any more */
		still_pass(200 * MS);
		while (applier_step(applier))
			;
		assert_int_equal(recorder.index[3], failsafes[i].index);
		check_all();
		assert_int_equal(applied().reason, FRQ_REASON_LEASE_EXPIRED);
		applier_get_stats(applier, &st);
		assert_int_equal(st.leases_expired, 1);
		ask(0, 0, FRQ_OP_LEASE, 5);
		settle_and_check();
		assert_int_equal(recorder.index[3], 5);
		assert_int_equal(applied().reason, FRQ_REASON_OK);
		end();
	}
}

static void
quarantined(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		begin(failsafes[i].failsafe, 0);
		usual(3, 1400000);
		break_protocol(0, 0);
		settle_and_check();
		assert_int_equal(recorder.index[3], failsafes[i].index);
		/* its VM has to run for that */
		model.vm[0].state = VM_PAUSED;
		settle_and_check();
		assert_int_equal(recorder.index[3], -1);
		model.vm[0].state = VM_RUNNING;
		settle_and_check();
		assert_int_equal(recorder.index[3], failsafes[i].index);
		stop(0);
		settle_and_check();
		end();
	}
}

/* Had it no opinion, it has none in quarantine. */
static void
quarantined_without_a_wish(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	start(0);
	pin(0, 0, 3);
	settle_and_check();
	break_protocol(0, 0);
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
}

/* It cannot renew it while it stands still. */
static void
lease_runs_out_while_paused(void **state)
{
	(void)state;
	begin(CONFIG_FAILSAFE_MAX, 0);
	usual(3, 1400000);
	ask(0, 0, FRQ_OP_LEASE, 1);
	model.vm[0].state = VM_PAUSED;
	settle_and_check();
	still_pass(3 * S);
	settle_and_check();
	assert_int_equal(recorder.index[3], -1);
	model.vm[0].state = VM_RUNNING;
	settle_and_check();
	assert_int_equal(recorder.index[3], 0);
	ask(0, 0, FRQ_OP_LEASE, 1);
	steps();
	assert_int_equal(recorder.index[3], 5);
}

/* ---- chance ----------------------------------------------------------------------------- */

static unsigned int
pick(unsigned int n)
{
	return fx_random(&seed) % n;
}

static void
ask_anything(void)
{
	static const uint32_t khz[] = { 2601000, 2600000, 2300000, 2000000, 1500000, 1400000,
		1000000, 900000, 800000, 500000 };
	unsigned int n = pick(NB_VMS), ch = pick(NB_CHANNELS);

	if (model.vm[n].state == VM_GONE || model.vm[n].fresh)
		return;
	switch (pick(12)) {
	case 0:
		ask(n, ch, FRQ_OP_MAX, 0);
		break;
	case 1:
		ask(n, ch, FRQ_OP_MIN, 0);
		break;
	case 2:
		ask(n, ch, FRQ_OP_RELEASE, 0);
		break;
	case 3:
		ask(n, ch, pick(2) == 0 ? FRQ_OP_TURBO_OFF : FRQ_OP_TURBO_ON, 0);
		break;
	case 4:
		ask(n, ch, FRQ_OP_LEASE, pick(3));
		break;
	case 5:
		ask(n, ch, FRQ_OP_UP, 0);
		break;
	case 6:
		ask(n, ch, FRQ_OP_DOWN, 0);
		break;
	case 7:
		if (pick(20) == 0)
			break_protocol(n, ch);
		break;
	default:
		ask(n, ch, FRQ_OP_SET, khz[pick(10)]);
	}
}

static void
something_happens_to(unsigned int n)
{
	unsigned int ch = pick(NB_CHANNELS);

	switch (pick(9)) {
	case 0:
		if (pick(4) == 0)
			stop(n);
		break;
	case 1:
	case 2:
		model.vm[n].state = pick(3) == 0 ? VM_PAUSED : VM_RUNNING;
		break;
	case 3:
		model.vm[n].ch[ch].removed = pick(3) == 0;
		break;
	case 4:
		model.vm[n].ch[ch].disabled = pick(3) == 0;
		break;
	case 5:
		model.vm[n].rule = (struct vote_rule){
			.min_khz = pick(3) == 0 ? 1400000 : 0,
			.max_khz = pick(3) == 0 ? 2000000 : UINT32_MAX,
			.turbo = pick(4) != 0, .priority = (int)pick(2),
		};
		break;
	case 6:
		model.vm[n].ch[ch].cpus = (struct cpuset){ { 0 } };
		break;
	default:
		pin(n, ch, pick(NB_CPUS));
		if (pick(4) == 0)
			cpuset_add(&model.vm[n].ch[ch].cpus, pick(NB_CPUS));
	}
}

static void
something_happens(void)
{
	unsigned int n = pick(NB_VMS), cpu = pick(NB_CPUS);

	if (pick(12) == 0)
		model.manual[cpu] = (struct wish){
			.kind = pick(2) == 0 ? FRQ_WISH_NONE : FRQ_WISH_KHZ,
			.khz = table_of(cpu)->khz[pick(table_of(cpu)->nb)],
		};
	else if (model.vm[n].state == VM_GONE)
		start(n);
	else
		something_happens_to(n);
	/* libvirt may say it at once, later, or not at all before the next thing */
	if (pick(2) == 0)
		hand_over();
}

/* Until all who voted first and asked later are where they should be. */
static void
chance_round(void)
{
	for (unsigned int i = pick(12); i > 0; i--) {
		switch (pick(6)) {
		case 0:
			something_happens();
			break;
		case 1:
			for (unsigned int n = pick(4); n > 0; n--)
				(void)applier_step(applier);
			break;
		case 2:
			still_pass(pick(3000) * MS / 2);
			break;
		default:
			ask_anything();
		}
		move_tables();
	}
	settle_and_check();
}

static void
anything_may_happen(void **state)
{
	static const uint32_t limits[] = { 0, 1000, 100 };
	const char *text = getenv("TEST_SEED");

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct timespec ts;

		(void)clock_gettime(CLOCK_REALTIME, &ts);
		seed = text != NULL ? strtoull(text, NULL, 0) :
			((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec) | 1;
		print_message("TEST_SEED=%#" PRIx64 " with fail-safe %u\n", seed, i);
		begin(failsafes[i].failsafe, limits[pick(3)]);
		for (unsigned int round = 0; round < 400; round++)
			chance_round();
		for (unsigned int n = 0; n < NB_VMS; n++)
			if (model.vm[n].state != VM_GONE)
				stop(n);
		memset(model.manual, 0, sizeof(model.manual));
		settle_and_check();
		end();
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(paused_and_resumed),
		T(repinned_to_slower_and_back),
		T(disabled_and_enabled),
		T(manual_setting_is_told),
		T(gone_is_given_back),
		T(superseded_map),
		T(lease_runs_out),
		T(quarantined),
		T(quarantined_without_a_wish),
		T(lease_runs_out_while_paused),
		T(anything_may_happen),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
