/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frequency domains and policies over hardware that records, on a clock that
 * only moves when the test says so.
 */
#include "fixture.h"
#include "domain_pvt.h"
#include "events.h"
#include "still_clock.h"

#include <inttypes.h>

#include <rte_log.h>

#define NB_VMS 3u

static struct domains *ds;
static struct vm *vms[NB_VMS];
static struct applier_map *map;		/* in force */
static struct cpuset told;		/* domains whose voters had something to read */
static uint64_t first_event;


/* ---- a world --------------------------------------------------------------- */

static struct domains_config
usual(void)
{
	struct domains_config c = { .power = &recorder_ops, .yield = true };

	for (unsigned int cpu = 0; cpu < 16; cpu++)
		cpuset_add(&c.managed, cpu);
	return c;
}

/* After this the hardware does not change its groups and what is held. */
static void
begin_with(struct domains_config c)
{
	domains_free(ds);
	ds = domains_create(&c);
	assert_non_null(ds);
	first_event = event_last();
}

static void
begin(void)
{
	begin_with(usual());
}

static int
setup(void **state)
{
	(void)state;
	recorder_reset();
	for (unsigned int n = 0; n < NB_VMS; n++)
		vms[n] = fx_vm_blank(n, 4);

	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(recorder.misuse, 0);
	domains_free(ds);
	ds = NULL;
	applier_map_free(map);
	map = NULL;
	for (unsigned int n = 0; n < NB_VMS; n++)
		fx_vm_free(vms[n]);
	return 0;
}

static void
tie(unsigned int from, unsigned int to, bool policy)
{
	struct cpuset cpus = { 0 };

	for (unsigned int cpu = from; cpu <= to; cpu++)
		cpuset_add(&cpus, cpu);
	recorder_tie(&cpus, policy);
}

static void
note_change(void *arg, unsigned int domain)
{
	assert_ptr_equal(arg, &told);
	assert_true(cpuset_has(&ds->domains, domain));
	cpuset_add(&told, domain);
}

/* What holds after every step, whatever happened. */
static void
check_counters(void)
{
	struct domain_cpu_stats cpu;
	struct domains_stats st;
	uint64_t writes = 0, errors = 0, retries = 0, drifts = 0;

	domains_get_stats(ds, &st);
	assert_int_equal(st.writes, recorder.count[RECORDED_SET]);
	assert_int_equal(st.retries, recorder.count[RECORDED_FORCE]);
	CPUSET_FOREACH(number, &ds->policies) {
		domains_get_cpu(ds, number, &cpu);
		writes += cpu.writes;
		errors += cpu.write_errors;
		retries += cpu.retries;
		drifts += cpu.drifts;
	}
	assert_int_equal(st.writes, writes);
	assert_int_equal(st.write_errors, errors);
	assert_int_equal(st.retries, retries);
	assert_int_equal(st.drifts, drifts);
}

static void
work(void)
{
	(void)domains_work(ds, note_change, &told);
	assert_int_equal(recorder.misuse, 0);
	/* Else the applier would never sleep again. */
	assert_true(domains_due(ds) > still_ns);
	assert_false(domains_work(ds, note_change, &told));
	check_counters();
}

/* Go to where something is due, again and again, for so long. */
static void
pass(uint64_t ns)
{
	uint64_t end = still_ns + ns;

	work();
	while (domains_due(ds) <= end) {
		still_pass(domains_due(ds) - still_ns);
		work();
	}
	still_pass(end - still_ns);
	work();
}

/* The control thread looks at all CPUs. @return whether it saw something */
static bool
hint(void)
{
	bool seen = domains_hint(ds);

	work();
	return seen;
}

static struct applier_map *
new_map(void)
{
	return fx_map(map == NULL ? 1 : map->generation + 1);
}

/* As the applier does with a map. */
static void
vote(struct applier_map *m)
{
	assert_int_equal(domains_vote(ds, m), 0);
	applier_map_free(map);
	map = m;
	CPUSET_FOREACH(number, &ds->domains)
		(void)domain_decide(ds, number);
	work();
}

static void
decide_of(unsigned int n, unsigned int ch)
{
	for (unsigned int i = 0; i < map->nb_vms; i++) {
		if (map->vm[i]->vm != vms[n] || map->vm[i]->vcpu[ch].standing != FRQ_REASON_OK)
			continue;
		CPUSET_FOREACH(cpu, &map->vm[i]->vcpu[ch].cpus)
			if (domain_decide(ds, domain_of(ds, cpu)))
				cpuset_add(&told, domain_of(ds, cpu));
	}
}

static void
ask_without_work(unsigned int n, unsigned int ch, enum frq_wish_kind kind, uint32_t khz)
{
	vms[n]->ch[ch].a.wish = (struct wish){ .kind = (uint8_t)kind, .khz = khz };
	memset(&told, 0, sizeof(told));
	decide_of(n, ch);
}

static void
ask(unsigned int n, unsigned int ch, enum frq_wish_kind kind, uint32_t khz)
{
	ask_without_work(n, ch, kind, khz);
	work();
}

#define ask_khz(n, ch, khz) ask(n, ch, FRQ_WISH_KHZ, khz)
#define ask_max(n, ch) ask(n, ch, FRQ_WISH_MAX, 0)
#define ask_min(n, ch) ask(n, ch, FRQ_WISH_MIN, 0)
#define ask_nothing(n, ch) ask(n, ch, FRQ_WISH_NONE, 0)

/* Channel 0 of VM 0 on one CPU. */
static void
pin_one(unsigned int cpu)
{
	struct applier_map *m = new_map();

	fx_pin(fx_map_vm(m, vms[0]), 0, cpu);
	vote(m);
}

static void
pin_nobody(void)
{
	vote(new_map());
}

static struct domain_cpu_stats
cpu_of(unsigned int cpu)
{
	struct domain_cpu_stats st;

	domains_get_cpu(ds, cpu, &st);
	return st;
}

static struct domain_view
view_of(unsigned int cpu)
{
	struct domain_view v;

	domain_view(ds, cpu, &v);
	return v;
}

static unsigned int
events_of(enum event_kind kind)
{
	struct event_record e = { .number = first_event };
	unsigned int n = 0;

	while (event_next(e.number, &e))
		n += e.kind == kind;
	return n;
}

static unsigned int
calls_for(enum recorder_what what, unsigned int cpu)
{
	unsigned int n = 0;

	assert_true(recorder.nb_calls < RECORDER_CALLS);
	for (unsigned int i = 0; i < recorder.nb_calls; i++)
		n += recorder.call[i].what == what && recorder.call[i].cpu == cpu;
	return n;
}

/* As the kernel does when limits move: it keeps the frequency within them. */
static void
limit(unsigned int cpu, uint32_t floor_khz, uint32_t ceiling_khz)
{
	const struct freq_table *t = &recorder.table[cpu];
	int i = recorder.index[cpu];

	recorder.limits[cpu] = (struct freq_limits){ floor_khz, ceiling_khz };
	if (i < 0)
		return;
	while (i + 1 < (int)t->nb && t->khz[i] > ceiling_khz)
		i++;
	while (i > 0 && t->khz[i] < floor_khz)
		i--;
	recorder.index[cpu] = i;
}

static void
check_decided(unsigned int cpu, int index, enum decision_bound bound)
{
	struct domain_cpu_stats st = cpu_of(cpu);

	assert_int_equal(recorder.index[st.policy], index);
	assert_int_equal(st.decided_khz, recorder.table[cpu].khz[index]);
	assert_int_equal(st.applied_khz, st.decided_khz);
	assert_int_equal(st.bound, bound);
	assert_int_equal(st.problem, FRQ_REASON_OK);
	assert_int_equal(st.control, CPU_OURS);
	assert_false(view_of(cpu).pending);
}

/* ---- domains and policies ---------------------------------------------------- */

static void
policy_of_two_cpus_is_one_write(void **state)
{
	(void)state;
	tie(2, 3, true);
	begin();
	pin_one(3);
	assert_int_equal(recorder.count[RECORDED_TAKE], 0);
	ask_khz(0, 0, 1400000);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	assert_int_equal(calls_for(RECORDED_TAKE, 2), 1);
	assert_int_equal(calls_for(RECORDED_SET, 2), 1);
	check_decided(3, 5, BOUND_NONE);
	check_decided(2, 5, BOUND_NONE);
	assert_int_equal(cpu_of(3).policy, 2);
	assert_int_equal(cpu_of(3).domain, 2);
	assert_ptr_equal(cpu_of(3).winner, &vms[0]->ch[0]);
	ask_nothing(0, 0);
	assert_int_equal(calls_for(RECORDED_GIVE_BACK, 2), 1);
	assert_int_equal(recorder.count[RECORDED_GIVE_BACK], 1);
	assert_null(cpu_of(3).winner);
	assert_int_equal(cpu_of(3).decided_khz, 0);
	assert_int_equal(cpu_of(3).control, CPU_FREE);
}

static void
policies_of_one_clock_are_decided_together(void **state)
{
	struct domains_stats before, after;
	struct applier_map *m;

	(void)state;
	tie(4, 6, false);
	begin();
	pin_one(5);
	domains_get_stats(ds, &before);
	ask_khz(0, 0, 2000000);
	domains_get_stats(ds, &after);
	assert_int_equal(after.decisions, before.decisions + 1);
	/* nobody votes on the others: they are left alone */
	check_decided(5, 3, BOUND_NONE);
	assert_int_equal(recorder.count[RECORDED_TAKE], 1);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	assert_int_equal(recorder.index[4], -1);
	assert_int_equal(cpu_of(4).control, CPU_FREE);
	assert_int_equal(cpu_of(4).decided_khz, 2000000);
	assert_int_equal(cpu_of(4).applied_khz, 0);

	m = new_map();
	fx_pin(fx_map_vm(m, vms[0]), 0, 5);
	fx_pin(fx_map_vm(m, vms[1]), 0, 6);
	vms[1]->ch[0].a.wish = (struct wish){ .kind = FRQ_WISH_MAX };
	vote(m);
	check_decided(5, 0, BOUND_NONE);
	check_decided(6, 0, BOUND_NONE);
	assert_ptr_equal(cpu_of(5).winner, &vms[1]->ch[0]);
	assert_int_equal(recorder.index[4], -1);
	/* one that says nothing has its policy set, as the clock is one */
	ask_nothing(1, 0);
	check_decided(6, 3, BOUND_NONE);
	/* who leaves gives back its own alone */
	pin_one(5);
	assert_int_equal(recorder.index[6], -1);
	check_decided(5, 3, BOUND_NONE);
}

static void
vcpu_on_two_cpus_of_a_domain_votes_once(void **state)
{
	struct applier_map *m = new_map();
	struct applier_map_vm *mv = fx_map_vm(m, vms[0]);
	struct channel *const *voter;

	(void)state;
	tie(0, 3, false);
	begin();
	fx_pin(mv, 0, 1);
	fx_pin(mv, 0, 2);
	fx_pin(mv, 0, 9);
	vote(m);
	assert_int_equal(domain_voters(ds, domain_of(ds, 1), &voter), 1);
	assert_ptr_equal(voter[0], &vms[0]->ch[0]);
	assert_int_equal(domain_voters(ds, domain_of(ds, 9), &voter), 1);
	assert_ptr_equal(voter[0], &vms[0]->ch[0]);
	assert_int_equal(domain_voters(ds, domain_of(ds, 5), &voter), 0);
	ask_khz(0, 0, 1100000);
	check_decided(1, 6, BOUND_NONE);
	check_decided(2, 6, BOUND_NONE);
	check_decided(9, 6, BOUND_NONE);
	assert_int_equal(recorder.count[RECORDED_SET], 3);
}

static void
rule_against_turbo_holds_for_the_domain(void **state)
{
	struct applier_map *m = new_map();

	(void)state;
	tie(0, 1, false);
	begin();
	fx_pin(fx_map_vm(m, vms[0]), 0, 0);
	fx_pin(fx_map_vm(m, vms[1]), 0, 1);
	m->vm[1]->rule.turbo = false;
	vote(m);
	ask_max(0, 0);
	check_decided(0, 1, BOUND_RULE_TURBO);
	check_decided(1, 1, BOUND_RULE_TURBO);
	assert_false(cpu_of(0).turbo);
	pin_one(0);
	check_decided(0, 0, BOUND_NONE);
	assert_true(cpu_of(0).turbo);
	assert_int_equal(recorder.index[1], -1);
}

static void
different_tables_in_a_domain_are_refused(void **state)
{
	static const struct freq_table other = { .nb = 2, .khz = { 1000000, 500000 } };
	struct applier_map *m = new_map();
	unsigned int good, bad;

	(void)state;
	tie(0, 1, false);
	recorder.table[1] = other;
	begin();
	fx_pin(fx_map_vm(m, vms[0]), 0, 0);
	fx_pin(m->vm[0], 1, 1);
	vote(m);
	ask_max(0, 0);
	good = cpu_of(0).problem == FRQ_REASON_OK ? 0 : 1;
	bad = 1 - good;
	assert_int_equal(cpu_of(bad).problem, FRQ_REASON_NO_CPUFREQ);
	assert_int_equal(events_of(EVENT_REFUSED), 1);
	check_decided(good, 0, BOUND_NONE);
	assert_int_equal(recorder.index[bad], -1);
	assert_false(recorder.taken[bad]);
	assert_int_equal(view_of(bad).table->nb, 0);
	pass(100 * S);
	assert_false(recorder.taken[bad]);
	assert_int_equal(events_of(EVENT_REFUSED), 1);
	assert_true(calls_for(RECORDED_LEARN, bad) < 12);
}

/* ---- limits of others ----------------------------------------------------------- */

static void
ceiling_below_the_decision(void **state)
{
	(void)state;
	begin();
	recorder.limits[3].ceiling_khz = 1999999;
	pin_one(3);
	ask_khz(0, 0, 2300000);
	check_decided(3, 4, BOUND_CEILING);
	assert_int_equal(cpu_of(3).limits.ceiling_khz, 1999999);
	assert_int_equal(cpu_of(3).drifts, 0);
	assert_int_equal(cpu_of(3).write_errors, 0);
	assert_int_equal(cpu_of(3).retries, 0);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	assert_int_equal(event_last(), first_event);
	/* a wish below it is not its business */
	ask_khz(0, 0, 1100000);
	check_decided(3, 6, BOUND_NONE);
}

static void
ceiling_that_moves_while_nobody_asks(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 2300000);
	check_decided(3, 2, BOUND_NONE);
	assert_false(hint());
	memset(&told, 0, sizeof(told));
	limit(3, 0, 1500000);
	assert_true(hint());
	check_decided(3, 5, BOUND_CEILING);
	assert_true(cpuset_has(&told, 3));
	assert_false(hint());
	limit(3, 0, 2000000);
	assert_true(hint());
	check_decided(3, 3, BOUND_CEILING);
	/* above the wish: that it moved is all there is to it */
	limit(3, 0, UINT32_MAX);
	assert_true(hint());
	check_decided(3, 2, BOUND_NONE);
	limit(3, 0, 2600000);
	assert_true(hint());
	check_decided(3, 2, BOUND_NONE);
	assert_int_equal(cpu_of(3).drifts, 0);
	assert_int_equal(cpu_of(3).write_errors, 0);
	assert_int_equal(event_last(), first_event);
}

/* The same, found at a write and not by a hint. */
static void
ceiling_found_at_a_write(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_min(0, 0);
	recorder.limits[3].ceiling_khz = 1700000;
	ask_max(0, 0);
	check_decided(3, 4, BOUND_CEILING);
	assert_int_equal(cpu_of(3).drifts, 0);
	assert_int_equal(cpu_of(3).write_errors, 0);
	assert_int_equal(cpu_of(3).retries, 0);
}

static void
ceiling_of_one_policy_binds_its_domain(void **state)
{
	struct applier_map *m = new_map();

	(void)state;
	tie(0, 1, false);
	begin();
	fx_pin(fx_map_vm(m, vms[0]), 0, 0);
	fx_pin(m->vm[0], 1, 1);
	vote(m);
	ask_max(0, 0);
	limit(1, 0, 1400000);
	assert_true(hint());
	check_decided(0, 5, BOUND_CEILING);
	check_decided(1, 5, BOUND_CEILING);
	/* it does not count once nobody votes there */
	pin_one(0);
	check_decided(0, 0, BOUND_NONE);
}

/* What a policy was bound to is nothing while it is not ours. */
static void
ceiling_of_a_policy_that_cannot_be_taken(void **state)
{
	struct applier_map *m = new_map();

	(void)state;
	tie(0, 1, false);
	begin();
	recorder.limits[1].ceiling_khz = 1400000;
	fx_pin(fx_map_vm(m, vms[0]), 0, 0);
	fx_pin(m->vm[0], 0, 1);
	vote(m);
	ask_max(0, 0);
	check_decided(0, 5, BOUND_CEILING);
	pin_one(0);
	recorder.limits[1].ceiling_khz = UINT32_MAX;
	recorder.take_error[1] = -EIO;
	m = new_map();
	fx_pin(fx_map_vm(m, vms[0]), 0, 0);
	fx_pin(m->vm[0], 0, 1);
	vote(m);
	check_decided(0, 0, BOUND_NONE);
	assert_int_equal(cpu_of(1).problem, FRQ_REASON_FAILED);
}

static int
higher_look(unsigned int cpu, struct power_look *l)
{
	int ret = recorder_look(cpu, l);

	if (ret == 0 && recorder.index[cpu] == 0)
		l->khz = 3900000;
	return ret;
}

/* The driver's word for the turbo state is not the table's. */
static void
turbo_that_reads_higher(void **state)
{
	struct power_ops ops = recorder_ops;
	struct domains_config c = usual();

	(void)state;
	ops.look = higher_look;
	c.power = &ops;
	begin_with(c);
	pin_one(3);
	ask_max(0, 0);
	assert_false(hint());
	check_decided(3, 0, BOUND_NONE);
	recorder.index[3] = 1;
	assert_true(hint());
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_FREQUENCY);
	domains_free(ds);
	ds = NULL;
}

static void
floor_lifts(void **state)
{
	(void)state;
	begin();
	recorder.limits[3].floor_khz = 1400000;
	pin_one(3);
	ask_min(0, 0);
	check_decided(3, 5, BOUND_FLOOR);
	limit(3, 2000000, UINT32_MAX);
	assert_true(hint());
	check_decided(3, 3, BOUND_FLOOR);
	limit(3, 0, UINT32_MAX);
	assert_true(hint());
	check_decided(3, 7, BOUND_NONE);
	assert_int_equal(cpu_of(3).drifts, 0);
	assert_int_equal(event_last(), first_event);
}

/* ---- an operator ------------------------------------------------------------------ */

static struct applier_map *
manual_map(unsigned int cpu, uint32_t khz)
{
	struct applier_map *m = new_map();

	m->manual[cpu] = (struct wish){ .kind = FRQ_WISH_KHZ, .khz = khz };
	return m;
}

static void
manual_setting_overrides_and_is_released(void **state)
{
	struct applier_map *m;

	(void)state;
	begin();
	pin_one(3);
	ask_max(0, 0);
	m = manual_map(3, 1100000);
	fx_pin(fx_map_vm(m, vms[0]), 0, 3);
	m->vm[0]->rule.min_khz = 2000000;
	vote(m);
	check_decided(3, 6, BOUND_NONE);
	assert_true(cpu_of(3).manual);
	assert_null(cpu_of(3).winner);
	assert_true(view_of(3).decision.manual);
	ask_khz(0, 0, 2300000);
	check_decided(3, 6, BOUND_NONE);
	pin_one(3);
	check_decided(3, 2, BOUND_NONE);
	assert_false(cpu_of(3).manual);
	assert_ptr_equal(cpu_of(3).winner, &vms[0]->ch[0]);
	assert_int_equal(recorder.count[RECORDED_TAKE], 1);
}

static void
manual_setting_takes_a_cpu_without_votes(void **state)
{
	(void)state;
	tie(2, 3, true);
	begin();
	vote(manual_map(3, 1700000));
	check_decided(3, 4, BOUND_NONE);
	assert_int_equal(calls_for(RECORDED_SET, 2), 1);
	assert_true(cpu_of(2).manual);
	pin_nobody();
	assert_int_equal(recorder.index[2], -1);
	assert_false(recorder.taken[2]);
	assert_int_equal(cpu_of(3).decided_khz, 0);
}

/* ---- drift ---------------------------------------------------------------------------- */

static void
begin_asserting(void)
{
	struct domains_config c = usual();

	c.yield = false;
	begin_with(c);
}

static void
foreign_governor_is_let(void **state)
{
	unsigned int sets;

	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.foreign[3] = true;
	memset(&told, 0, sizeof(told));
	assert_true(hint());
	assert_true(cpuset_has(&told, 3));
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_FOREIGN);
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_GOVERNOR);
	assert_int_equal(cpu_of(3).applied_khz, 0);
	assert_int_equal(cpu_of(3).drifts, 1);
	assert_int_equal(events_of(EVENT_DRIFT), 1);
	assert_false(view_of(3).pending);
	sets = recorder.count[RECORDED_SET];
	for (unsigned int i = 0; i < 20; i++) {
		ask_khz(0, 0, i % 2 == 0 ? 2300000 : 800000);
		assert_false(hint());
		pass(10 * S);
		assert_false(view_of(3).pending);
	}
	assert_int_equal(recorder.count[RECORDED_SET], sets);
	assert_int_equal(recorder.count[RECORDED_FORCE], 0);
	assert_int_equal(cpu_of(3).drifts, 1);
	assert_int_equal(event_last(), first_event + 1);
	recorder.foreign[3] = false;
	assert_true(hint());
	check_decided(3, 7, BOUND_NONE);
	assert_int_equal(events_of(EVENT_DRIFT_OVER), 1);
	/* and once more is once more */
	recorder.foreign[3] = true;
	assert_true(hint());
	assert_int_equal(cpu_of(3).drifts, 2);
	assert_int_equal(events_of(EVENT_DRIFT), 2);
	/* given back all the same when nobody asks any more */
	ask_nothing(0, 0);
	assert_int_equal(calls_for(RECORDED_GIVE_BACK, 3), 1);
	assert_int_equal(cpu_of(3).control, CPU_FREE);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_OK);
}

static void
foreign_governor_is_taken_back(void **state)
{
	(void)state;
	begin_asserting();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	for (unsigned int i = 1; i <= 3; i++) {
		recorder.foreign[3] = true;
		recorder.index[3] = 0;
		assert_true(hint());
		check_decided(3, 5, BOUND_NONE);
		assert_false(recorder.foreign[3]);
		assert_int_equal(cpu_of(3).drifts, i);
		assert_int_equal(cpu_of(3).retries, i);
		assert_int_equal(events_of(EVENT_DRIFT), i);
		assert_int_equal(recorder.count[RECORDED_SET], 1);
		assert_false(hint());
	}
}

static void
foreign_frequency_is_let_until_another_decision(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.index[3] = 0;
	assert_true(hint());
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_FOREIGN);
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_FREQUENCY);
	assert_int_equal(cpu_of(3).drifts, 1);
	assert_false(view_of(3).pending);
	/* the same again is no other decision */
	ask_khz(0, 0, 1400000);
	pass(10 * S);
	assert_false(hint());
	assert_int_equal(recorder.index[3], 0);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	ask_khz(0, 0, 1700000);
	check_decided(3, 4, BOUND_NONE);
	assert_int_equal(events_of(EVENT_DRIFT), 1);
	assert_int_equal(events_of(EVENT_DRIFT_OVER), 1);
}

static void
foreign_frequency_is_set_again(void **state)
{
	(void)state;
	begin_asserting();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.index[3] = 0;
	assert_true(hint());
	check_decided(3, 5, BOUND_NONE);
	assert_int_equal(cpu_of(3).drifts, 1);
	assert_int_equal(cpu_of(3).retries, 1);
	assert_false(hint());
}

/* Nobody hinted: the write finds it. */
static void
foreign_governor_found_at_the_write(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.foreign[3] = true;
	ask_khz(0, 0, 2000000);
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_GOVERNOR);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_FOREIGN);
	assert_int_equal(cpu_of(3).drifts, 1);
	assert_int_equal(recorder.count[RECORDED_FORCE], 0);
	assert_int_equal(recorder.count[RECORDED_SET], 2);
	pass(10 * S);
	assert_int_equal(recorder.count[RECORDED_SET], 2);
	recorder.foreign[3] = false;
	assert_true(hint());
	check_decided(3, 3, BOUND_NONE);

	begin_asserting();
	recorder_reset();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.foreign[3] = true;
	ask_khz(0, 0, 2000000);
	check_decided(3, 3, BOUND_NONE);
	assert_int_equal(cpu_of(3).drifts, 1);
	assert_int_equal(cpu_of(3).retries, 1);
}

/* Somebody sets a frequency, then chooses a governor, then we are asked. */
static void
foreign_frequency_then_governor(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.index[3] = 0;
	assert_true(hint());
	recorder.foreign[3] = true;
	ask_khz(0, 0, 2000000);
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_GOVERNOR);
	assert_int_equal(recorder.count[RECORDED_SET], 2);
	assert_false(view_of(3).pending);
	pass(10 * S);
	assert_int_equal(recorder.count[RECORDED_SET], 2);
	recorder.foreign[3] = false;
	assert_true(hint());
	check_decided(3, 3, BOUND_NONE);
	/* or the hint comes before the request */
	recorder.index[3] = 0;
	assert_true(hint());
	recorder.foreign[3] = true;
	assert_true(hint());
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_GOVERNOR);
	ask_khz(0, 0, 1100000);
	assert_int_equal(recorder.count[RECORDED_SET], 3);
	recorder.foreign[3] = false;
	assert_true(hint());
	check_decided(3, 6, BOUND_NONE);
}

/* Ours again when looked at, theirs again when written. */
static void
foreign_governor_that_comes_and_goes(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.foreign[3] = true;
	assert_true(hint());
	recorder.foreign[3] = false;
	policy_look_at(ds, 3);
	recorder.foreign[3] = true;
	(void)domain_decide(ds, 3);
	work();
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_GOVERNOR);
	pass(S);
	assert_int_equal(recorder.count[RECORDED_SET], 2);
	recorder.foreign[3] = false;
	assert_true(hint());
	check_decided(3, 5, BOUND_NONE);
}

/* A governor somebody chose, and a give-back that had to be tried again. */
static void
foreign_governor_and_a_stubborn_give_back(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.foreign[3] = true;
	assert_true(hint());
	recorder.give_back_error[3] = -EBUSY;
	ask_nothing(0, 0);
	ask_khz(0, 0, 1100000);
	pass(S);
	assert_false(view_of(3).pending);
	recorder.give_back_error[3] = 0;
	recorder.foreign[3] = false;
	(void)hint();
	pass(100 * S);
	check_decided(3, 6, BOUND_NONE);
}

/* In one look: another governor, and a ceiling below what is set. */
static void
foreign_governor_with_a_new_ceiling(void **state)
{
	(void)state;
	begin_asserting();
	pin_one(3);
	ask_khz(0, 0, 2300000);
	recorder.foreign[3] = true;
	limit(3, 0, 1400000);
	assert_true(hint());
	check_decided(3, 5, BOUND_CEILING);
	assert_int_equal(cpu_of(3).drifts, 1);
	assert_int_equal(events_of(EVENT_REFUSED), 0);

	begin();
	recorder_reset();
	vms[0]->ch[0].a.wish = (struct wish){ 0 };
	pin_one(3);
	ask_khz(0, 0, 2300000);
	recorder.foreign[3] = true;
	limit(3, 0, 1400000);
	assert_true(hint());
	assert_int_equal(cpu_of(3).control, CPU_FOREIGN_GOVERNOR);
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	recorder.foreign[3] = false;
	assert_true(hint());
	check_decided(3, 5, BOUND_CEILING);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void
lost_write_is_forced(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_min(0, 0);
	recorder.deaf[3] = 1;
	ask_max(0, 0);
	check_decided(3, 0, BOUND_NONE);
	assert_int_equal(recorder.count[RECORDED_SET], 2);
	assert_int_equal(recorder.count[RECORDED_FORCE], 1);
	assert_int_equal(cpu_of(3).retries, 1);
	assert_int_equal(cpu_of(3).write_errors, 0);
	assert_int_equal(event_last(), first_event);
}

static void
refused_write_is_told_and_tried_again(void **state)
{
	unsigned int tries = 0, sets;
	uint64_t start;

	(void)state;
	begin();
	pin_one(3);
	recorder.deaf[3] = UINT32_MAX;
	ask_max(0, 0);
	/* what was written twice and is not in force does not pass by itself */
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_FAILED);
	assert_false(view_of(3).pending);
	assert_int_equal(cpu_of(3).applied_khz, 0);
	assert_int_equal(cpu_of(3).decided_khz, 2601000);
	assert_int_equal(events_of(EVENT_REFUSED), 1);
	/* 1, 2, 4, ... 64 s */
	for (unsigned int i = 0; i < 9; i++) {
		start = still_ns;
		sets = recorder.count[RECORDED_SET];
		still_pass(domains_due(ds) - still_ns);
		work();
		assert_int_equal(recorder.count[RECORDED_SET], sets + 1);
		assert_int_equal(still_ns - start, i < 6 ? S << i : 64 * S);
		tries++;
	}
	assert_int_equal(recorder.count[RECORDED_FORCE], tries + 1);
	assert_int_equal(events_of(EVENT_REFUSED), 1);
	/* sooner when something else is asked, but not at once for ever */
	start = still_ns;
	sets = recorder.count[RECORDED_SET];
	for (unsigned int i = 0; i < 1000; i++) {
		ask_khz(0, 0, i % 2 == 0 ? 1100000 : 1400000);
		pass(MS);
	}
	assert_in_range(recorder.count[RECORDED_SET] - sets, 50, 70);
	/* and when it relents */
	recorder.deaf[3] = 0;
	ask_khz(0, 0, 2000000);
	memset(&told, 0, sizeof(told));
	pass(20 * MS);
	check_decided(3, 3, BOUND_NONE);
	assert_true(cpuset_has(&told, 3));
	assert_int_equal(events_of(EVENT_REFUSED_OVER), 1);
}

/* A library that says no is passed by. */
static void
refusing_library_is_passed_by(void **state)
{
	(void)state;
	begin();
	recorder.set_error[3] = -EIO;
	pin_one(3);
	ask_max(0, 0);
	check_decided(3, 0, BOUND_NONE);
	assert_int_equal(recorder.count[RECORDED_FORCE], 1);
}

/* EBUSY: cpufreq says so while any CPU is plugged. */
static void
busy_for(int *error, uint64_t ns, bool passes)
{
	uint64_t end = still_ns + ns;
	bool done;

	assert_true(view_of(3).pending);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_OK);
	memset(&told, 0, sizeof(told));
	for (;;) {
		if (domains_due(ds) > end)
			break;
		still_pass(domains_due(ds) - still_ns);
		work();
		/* pending, or told why not: nothing between */
		done = !view_of(3).pending;
		assert_true(done == (cpu_of(3).problem == FRQ_REASON_FAILED));
		assert_true(!done || cpuset_has(&told, 3));
	}
	assert_true(view_of(3).pending == passes);
	assert_int_equal(events_of(EVENT_REFUSED), passes ? 0 : 1);
	*error = 0;
	pass(2 * S);
}

static void
busy_take(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		begin();
		recorder_reset();
		recorder.take_error[3] = -EBUSY;
		pin_one(3);
		ask_khz(0, 0, 1400000);
		busy_for(&recorder.take_error[3], i == 0 ? 100 * MS : 400 * MS, i == 0);
		check_decided(3, 5, BOUND_NONE);
		assert_int_equal(events_of(EVENT_REFUSED_OVER), i);
		vms[0]->ch[0].a.wish = (struct wish){ 0 };
	}
}

static void
busy_force(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		begin();
		recorder_reset();
		recorder.set_error[3] = recorder.force_error[3] = -EBUSY;
		pin_one(3);
		ask_khz(0, 0, 1400000);
		busy_for(&recorder.force_error[3], i == 0 ? 200 * MS : 300 * MS, i == 0);
		check_decided(3, 5, BOUND_NONE);
		vms[0]->ch[0].a.wish = (struct wish){ 0 };
	}
}

static void
busy_learn(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		begin();
		recorder_reset();
		recorder.learn_error[3] = -EBUSY;
		pin_one(3);
		ask_khz(0, 0, 1400000);
		assert_false(cpu_of(3).table_known);
		assert_int_equal(recorder.count[RECORDED_TAKE], 0);
		busy_for(&recorder.learn_error[3], i == 0 ? 100 * MS : 300 * MS, i == 0);
		check_decided(3, 5, BOUND_NONE);
		assert_true(cpu_of(3).table_known);
		assert_int_equal(events_of(EVENT_REFUSED_OVER), i);
		vms[0]->ch[0].a.wish = (struct wish){ 0 };
	}
}

static void
busy_give_back(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		begin();
		recorder_reset();
		pin_one(3);
		ask_khz(0, 0, 1400000);
		recorder.give_back_error[3] = -EBUSY;
		ask_nothing(0, 0);
		assert_true(recorder.taken[3]);
		busy_for(&recorder.give_back_error[3], i == 0 ? 100 * MS : 300 * MS, i == 0);
		assert_false(recorder.taken[3]);
		assert_int_equal(cpu_of(3).control, CPU_FREE);
		assert_int_equal(cpu_of(3).problem, FRQ_REASON_OK);
		assert_int_equal(domains_due(ds), NEVER);
	}
}

/* Asked for again before it could be given back: it still is ours. */
static void
stubborn_give_back_that_is_not_wanted_any_more(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.give_back_error[3] = -EBUSY;
	ask_nothing(0, 0);
	ask_khz(0, 0, 1100000);
	pass(10 * MS);
	check_decided(3, 6, BOUND_NONE);
	assert_int_equal(recorder.count[RECORDED_TAKE], 1);
}

/* A policy that nobody votes on any more is nothing its domain waits for. */
static void
stubborn_give_back_holds_up_nobody(void **state)
{
	struct applier_map *m = new_map();

	(void)state;
	tie(0, 1, false);
	begin();
	fx_pin(fx_map_vm(m, vms[0]), 0, 0);
	fx_pin(m->vm[0], 1, 1);
	vote(m);
	ask_max(0, 0);
	recorder.give_back_error[1] = -EBUSY;
	pin_one(0);
	ask_min(0, 0);
	assert_false(view_of(0).pending);
	check_decided(0, 7, BOUND_NONE);
	recorder.give_back_error[1] = 0;
	pass(S);
	assert_false(recorder.taken[1]);
}

static void
core_without_cpufreq(void **state)
{
	(void)state;
	begin();
	recorder.learn_error[3] = -ENODEV;
	pin_one(3);
	ask_max(0, 0);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_NO_CPUFREQ);
	assert_false(view_of(3).pending);
	pass(300 * S);
	assert_in_range(recorder.count[RECORDED_LEARN], 2, 12);
	assert_int_equal(events_of(EVENT_REFUSED), 1);
	assert_int_equal(recorder.count[RECORDED_TAKE], 0);
	/* its driver is loaded, and unloaded before anybody asks again */
	recorder.learn_error[3] = 0;
	pass(64 * S);
	check_decided(3, 0, BOUND_NONE);
	assert_int_equal(events_of(EVENT_REFUSED_OVER), 1);
	recorder_reset();
	begin();
	recorder.learn_error[3] = -ENODEV;
	pin_one(3);
	pin_nobody();
	pass(100 * S);
	assert_int_equal(domains_due(ds), NEVER);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_OK);
	assert_int_equal(cpu_of(3).control, CPU_FREE);
}

/* ---- offline --------------------------------------------------------------------------------- */

static void
check_offline(void)
{
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_OFFLINE);
	assert_int_equal(cpu_of(3).control, CPU_OFFLINE);
	assert_int_equal(cpu_of(3).applied_khz, 0);
	assert_false(view_of(3).pending);
	assert_int_equal(events_of(EVENT_OFFLINE), 1);
	pass(100 * S);
	assert_int_equal(events_of(EVENT_OFFLINE), 1);
	assert_int_equal(event_last(), first_event + 1);
}

/* It is found within 1 s, and comes back as the kernel likes. */
static void
check_return(int index)
{
	recorder.offline[3] = false;
	pass(S + MS);
	check_decided(3, index, BOUND_NONE);
	assert_int_equal(events_of(EVENT_ONLINE), 1);
	assert_int_equal(events_of(EVENT_DRIFT), 0);
	assert_int_equal(cpu_of(3).drifts, 0);
}

static void
offline_before_it_is_known(void **state)
{
	(void)state;
	begin();
	recorder.offline[3] = true;
	pin_one(3);
	ask_khz(0, 0, 1400000);
	check_offline();
	check_return(5);
}

static void
offline_when_taken(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	recorder.offline[3] = true;
	ask_khz(0, 0, 1400000);
	check_offline();
	ask_khz(0, 0, 1100000);
	check_return(6);
}

static void
offline_when_written(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.offline[3] = true;
	ask_khz(0, 0, 1100000);
	check_offline();
	/* the governor is the kernel's choice then, and nobody's drift */
	recorder.foreign[3] = true;
	recorder.index[3] = 0;
	check_return(6);
}

static void
offline_while_idle(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.offline[3] = true;
	memset(&told, 0, sizeof(told));
	assert_true(hint());
	assert_true(cpuset_has(&told, 3));
	check_offline();
	assert_false(hint());
	recorder.foreign[3] = true;
	check_return(5);
}

/* Seen to be offline, but no longer ours when that is looked into. */
static void
hint_that_comes_too_late(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.offline[3] = true;
	assert_true(domains_hint(ds));
	recorder.offline[3] = false;
	ask_without_work(0, 0, FRQ_WISH_NONE, 0);
	recorder.offline[3] = true;
	work();
	assert_int_equal(cpu_of(3).control, CPU_FREE);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_OK);
	assert_int_equal(event_last(), first_event);
}

static void
given_back_when_it_returns(void **state)
{
	(void)state;
	begin();
	pin_one(3);
	ask_khz(0, 0, 1400000);
	recorder.offline[3] = true;
	pin_nobody();
	assert_true(recorder.taken[3]);
	pass(30 * S);
	assert_true(recorder.taken[3]);
	assert_in_range(recorder.count[RECORDED_GIVE_BACK], 25, 35);
	recorder.offline[3] = false;
	pass(S + MS);
	assert_false(recorder.taken[3]);
	assert_int_equal(recorder.index[3], -1);
	assert_int_equal(cpu_of(3).control, CPU_FREE);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_OK);
	assert_int_equal(domains_due(ds), NEVER);
	/* what was said to be gone is said to be back */
	assert_int_equal(events_of(EVENT_OFFLINE), 1);
	assert_int_equal(events_of(EVENT_ONLINE), 1);
}

/* ---- held by an earlier daemon ------------------------------------------------------------------ */

static void
begin_held(void)
{
	recorder.held[3] = true;
	recorder.index[3] = 2;
	begin();
	assert_int_equal(cpu_of(3).control, CPU_HELD);
}

static void
held_waits_for_a_vote(void **state)
{
	(void)state;
	begin_held();
	pass(9 * S);
	(void)hint();
	(void)domain_decide(ds, 3);
	assert_int_equal(recorder.nb_calls, 0);
	assert_int_equal(cpu_of(3).control, CPU_HELD);
	vms[0]->ch[0].a.wish = (struct wish){ .kind = FRQ_WISH_MAX };
	pin_one(3);
	check_decided(3, 0, BOUND_NONE);
	assert_int_equal(calls_for(RECORDED_TAKE, 3), 1);
	assert_int_equal(recorder.count[RECORDED_GIVE_BACK], 0);
	pass(20 * S);
	check_decided(3, 0, BOUND_NONE);
	ask_nothing(0, 0);
	assert_int_equal(recorder.index[3], -1);
	assert_false(recorder.held[3]);
}

static void
held_and_claimed_by_nobody(void **state)
{
	(void)state;
	begin_held();
	pin_one(4);
	assert_int_equal(calls_for(RECORDED_GIVE_BACK, 3), 1);
	assert_int_equal(recorder.count[RECORDED_TAKE], 0);
	assert_false(recorder.held[3]);
	assert_int_equal(cpu_of(3).control, CPU_FREE);
}

static void
held_and_claimed_without_opinion(void **state)
{
	(void)state;
	begin_held();
	pin_one(3);
	assert_int_equal(calls_for(RECORDED_GIVE_BACK, 3), 1);
	assert_false(recorder.held[3]);
	ask_max(0, 0);
	check_decided(3, 0, BOUND_NONE);
}

static void
held_without_any_map(void **state)
{
	(void)state;
	begin_held();
	assert_int_equal(domains_due(ds), still_ns + 10 * S);
	pass(10 * S - 1);
	assert_true(recorder.held[3]);
	pass(1);
	assert_false(recorder.held[3]);
	assert_int_equal(recorder.count[RECORDED_GIVE_BACK], 1);
	assert_int_equal(domains_due(ds), NEVER);
	vms[0]->ch[0].a.wish = (struct wish){ .kind = FRQ_WISH_MAX };
	pin_one(3);
	check_decided(3, 0, BOUND_NONE);
}

static void
held_without_any_map_and_stubborn(void **state)
{
	(void)state;
	begin_held();
	recorder.give_back_error[3] = -EBUSY;
	pass(11 * S);
	assert_true(recorder.held[3]);
	recorder.give_back_error[3] = 0;
	pass(64 * S);
	assert_false(recorder.held[3]);
}

/* Set by nobody but who took it: also where it is offline first. */
static void
held_and_offline(void **state)
{
	(void)state;
	vms[0]->ch[0].a.wish = (struct wish){ .kind = FRQ_WISH_MAX };
	for (unsigned int i = 0; i < 3; i++) {
		recorder_reset();
		begin_held();
		if (i == 0)
			recorder.offline[3] = true;	/* not known */
		if (i == 1)
			recorder.take_error[3] = -ENXIO;
		if (i == 2) {
			recorder.give_back_error[3] = -ENXIO;
			vms[0]->ch[0].a.wish.kind = FRQ_WISH_NONE;
		}
		pin_one(3);
		assert_int_equal(cpu_of(3).problem, FRQ_REASON_OFFLINE);
		assert_int_equal(cpu_of(3).control, CPU_HELD);
		pass(5 * S);
		recorder.offline[3] = false;
		recorder.take_error[3] = recorder.give_back_error[3] = 0;
		ask_max(0, 0);
		pass(2 * S);
		check_decided(3, 0, BOUND_NONE);
		assert_true(recorder.taken[3]);
	}
}

/* The daemon ends before it knows who votes. */
static void
held_at_the_end(void **state)
{
	(void)state;
	begin_held();
	domains_give_back(ds);
	assert_false(recorder.held[3]);
}

/* ---- the write limit ------------------------------------------------------------------------------ */

static void
begin_limited(uint32_t write_limit)
{
	struct domains_config c = usual();

	c.write_limit = write_limit;
	begin_with(c);
}

/* 10,000 requests, `step` apart. @return the writes; no second has more than the limit */
static unsigned int
storm(uint32_t write_limit, uint64_t step)
{
	static uint64_t at[20000];
	unsigned int before = recorder.count[RECORDED_SET], n = 0;

	for (unsigned int i = 0; i < 10000; i++) {
		unsigned int sets = recorder.count[RECORDED_SET];

		ask(0, 0, i % 2 == 0 ? FRQ_WISH_MIN : FRQ_WISH_MAX, 0);
		still_pass(step);
		work();
		for (; sets < recorder.count[RECORDED_SET]; sets++)
			at[n++] = still_ns;
	}
	ask_khz(0, 0, 1400000);
	pass(write_limit == 1 || write_limit == 2 ? S : 200 * MS);
	check_decided(3, 5, BOUND_NONE);
	assert_int_equal(domains_due(ds), NEVER);
	if (write_limit != 0)
		for (unsigned int i = write_limit; i < n; i++)
			assert_true(at[i] - at[i - write_limit] + step >= S);
	return recorder.count[RECORDED_SET] - before;
}

static void
write_limit_holds_in_every_second(void **state)
{
	static const uint32_t limits[] = { 0, 1, 2, 15, 16, 100, 1000 };

	(void)state;
	for (unsigned int i = 0; i < 7; i++) {
		for (uint64_t step = 10000; step <= 3 * MS; step *= 15) {
			unsigned int writes;
			struct domains_stats st;

			recorder_reset();
			begin_limited(limits[i]);
			pin_one(3);
			writes = storm(limits[i], step);
			domains_get_stats(ds, &st);
			if (limits[i] == 0)
				assert_int_equal(writes, 10001);
			else
				assert_in_range(writes, 2, 10000 * step * limits[i] / S + 1 +
					limits[i] / 16 + 2);
			assert_true((st.deferred != 0) == (limits[i] != 0 &&
				step < S / limits[i]));
			ask_nothing(0, 0);
			assert_int_equal(recorder.index[3], -1);
		}
	}
}

static void
equal_decisions_cost_one_write(void **state)
{
	struct domains_stats st;

	(void)state;
	begin_limited(1);
	pin_one(3);
	for (unsigned int i = 0; i < 10000; i++) {
		ask_khz(0, 0, 1400000 - i % 2);
		assert_true(cpuset_has(&told, 3) == (i == 0));
	}
	assert_int_equal(recorder.count[RECORDED_SET], 1);
	domains_get_stats(ds, &st);
	assert_int_equal(st.deferred, 0);
	assert_int_equal(domains_due(ds), NEVER);
}

/* What waits is pending, and is not when it became needless. */
static void
deferred_is_pending(void **state)
{
	(void)state;
	begin_limited(1);
	pin_one(3);
	ask_min(0, 0);
	ask_max(0, 0);
	assert_true(view_of(3).pending);
	assert_int_equal(cpu_of(3).applied_khz, 800000);
	assert_int_equal(cpu_of(3).decided_khz, 2601000);
	assert_false(cpuset_has(&told, 3));
	ask_min(0, 0);
	assert_false(view_of(3).pending);
	assert_true(cpuset_has(&told, 3));
	ask_max(0, 0);
	memset(&told, 0, sizeof(told));
	pass(S);
	check_decided(3, 0, BOUND_NONE);
	assert_true(cpuset_has(&told, 3));
	/* what is given back needs not wait */
	ask_nothing(0, 0);
	assert_int_equal(recorder.index[3], -1);
}

/* A domain is set once, however many policies it has. */
static void
write_limit_counts_a_domain_once(void **state)
{
	struct applier_map *m = new_map();

	(void)state;
	tie(0, 7, false);
	begin_limited(10);
	(void)fx_map_vm(m, vms[0]);
	for (unsigned int cpu = 0; cpu < 8; cpu++)
		fx_pin(m->vm[0], 0, cpu);
	vote(m);
	ask_min(0, 0);
	pass(200 * MS);
	ask_max(0, 0);
	assert_false(view_of(0).pending);
	for (unsigned int cpu = 0; cpu < 8; cpu++)
		check_decided(cpu, 0, BOUND_NONE);
}

/* What is to be tried again must wait, too, and that is no busy loop. */
static void
retry_under_a_write_limit(void **state)
{
	(void)state;
	begin_limited(1);
	pin_one(3);
	ask_min(0, 0);
	recorder.set_error[3] = recorder.force_error[3] = -EBUSY;
	pass(S);
	ask_max(0, 0);
	pass(30 * S);
	assert_int_equal(cpu_of(3).problem, FRQ_REASON_FAILED);
	recorder.set_error[3] = recorder.force_error[3] = 0;
	pass(64 * S);
	check_decided(3, 0, BOUND_NONE);
}

/* Released and asked for again and again: each time it is tried anew. */
static void
untakable_core_under_a_write_limit(void **state)
{
	(void)state;
	begin_limited(100);
	pin_one(3);
	recorder.take_error[3] = -EIO;
	for (unsigned int i = 0; i < 10000; i++) {
		ask(0, 0, i % 2 == 0 ? FRQ_WISH_MAX : FRQ_WISH_NONE, 0);
		still_pass(100000);
		work();
	}
	assert_in_range(recorder.count[RECORDED_TAKE], 2, 100);
	/* nor does it fill the list of events: one a second */
	assert_in_range(events_of(EVENT_REFUSED), 1, 2);
}

/* ---- the end --------------------------------------------------------------------------------------- */

static void
end_is_bounded(void **state)
{
	struct applier_map *m = new_map();
	uint64_t start;

	(void)state;
	begin();
	(void)fx_map_vm(m, vms[0]);
	for (unsigned int cpu = 0; cpu < 8; cpu++)
		fx_pin(m->vm[0], 0, cpu);
	vote(m);
	ask_max(0, 0);
	recorder.give_back_error[2] = -EBUSY;
	recorder.offline[5] = true;
	start = still_ns;
	domains_give_back(ds);
	assert_in_range(still_ns - start, 100 * MS, 2 * S);
	for (unsigned int cpu = 0; cpu < 8; cpu++)
		assert_int_equal(recorder.taken[cpu], cpu == 2 || cpu == 5);
	assert_int_equal(calls_for(RECORDED_GIVE_BACK, 0), 1);
	recorder.give_back_error[2] = 0;
	recorder.offline[5] = false;
	start = still_ns;
	domains_give_back(ds);
	assert_int_equal(still_ns, start);
	for (unsigned int cpu = 0; cpu < 8; cpu++)
		assert_false(recorder.taken[cpu]);
}

/* ---- chance ------------------------------------------------------------------------------------------ */

static struct chance {
	uint64_t seed;
	uint32_t write_limit;
	struct {
		uint64_t at[64];	/* of the last writes, each moment once */
		unsigned int n;
	} domain[16];
} chance;

static unsigned int
pick(unsigned int n)
{
	return fx_random(&chance.seed) % n;
}

/* Does anybody vote on a CPU of that policy, with or without an opinion? */
static bool
is_wanted(unsigned int policy)
{
	CPUSET_FOREACH(cpu, &ds->c.managed) {
		if (ds->policy_of[cpu] != policy)
			continue;
		if (map->manual[cpu].kind != FRQ_WISH_NONE)
			return true;
		for (unsigned int i = 0; i < map->nb_vms; i++)
			for (unsigned int ch = 0; ch < 4; ch++)
				if (map->vm[i]->vcpu[ch].standing == FRQ_REASON_OK &&
				    cpuset_has(&map->vm[i]->vcpu[ch].cpus, cpu))
					return true;
	}
	return false;
}

/* What the domain has to come to, found without what is tested. */
static struct decision
expected(unsigned int domain)
{
	struct freq_limits limits = FREQ_LIMITS_NONE;
	struct vote votes[64];
	unsigned int nb = 0;

	CPUSET_FOREACH(cpu, &ds->c.managed) {
		if (ds->domain_of[cpu] != domain)
			continue;
		if (map->manual[cpu].kind != FRQ_WISH_NONE)
			votes[nb++] = (struct vote){ map->manual[cpu], { .max_khz = UINT32_MAX,
				.turbo = true, .priority = VOTE_PRIORITY_OPERATOR } };
		if (ds->policy_of[cpu] != cpu || !is_wanted(cpu))
			continue;
		if (recorder.limits[cpu].floor_khz > limits.floor_khz)
			limits.floor_khz = recorder.limits[cpu].floor_khz;
		if (recorder.limits[cpu].ceiling_khz < limits.ceiling_khz)
			limits.ceiling_khz = recorder.limits[cpu].ceiling_khz;
	}
	for (unsigned int i = 0; i < map->nb_vms; i++) {
		for (unsigned int ch = 0; ch < 4; ch++) {
			bool here = false;

			CPUSET_FOREACH(cpu, &map->vm[i]->vcpu[ch].cpus)
				here |= ds->domain_of[cpu] == domain;
			if (here && map->vm[i]->vcpu[ch].standing == FRQ_REASON_OK)
				votes[nb++] = (struct vote){ map->vm[i]->vm->ch[ch].a.wish,
					map->vm[i]->rule };
		}
	}
	return arbiter_decide(&fx_table, votes, nb, limits);
}

static int
chance_set(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	unsigned int domain = domain_of(ds, cpu), n = chance.domain[domain].n;
	uint64_t *at = chance.domain[domain].at;
	uint32_t l = chance.write_limit;

	assert_true(is_wanted(cpu));
	assert_true(expected(domain).any);
	if (n == 0 || at[(n - 1) % 64] != still_ns) {
		if (l != 0 && n >= l)
			assert_true(still_ns - at[(n - l) % 64] >= S);
		at[n % 64] = still_ns;
		chance.domain[domain].n++;
	}
	return recorder_set(cpu, index, err);
}

/* A policy: all that fails names its lowest CPU. */
static unsigned int
pick_policy(void)
{
	unsigned int cpu;

	do
		cpu = pick(16);
	while (ds->policy_of[cpu] != cpu);
	return cpu;
}

static struct wish
pick_wish(void)
{
	static const uint8_t kinds[] = { FRQ_WISH_NONE, FRQ_WISH_MIN, FRQ_WISH_MAX,
		FRQ_WISH_KHZ, FRQ_WISH_KHZ, FRQ_WISH_KHZ };

	return (struct wish){ .kind = kinds[pick(6)], .khz = fx_table.khz[pick(8)],
		.turbo_off = pick(8) == 0 };
}

static struct applier_map *
pick_map(void)
{
	struct applier_map *m = new_map();

	for (unsigned int n = 0; n < NB_VMS; n++) {
		struct applier_map_vm *mv;

		if (pick(4) == 0)
			continue;
		mv = fx_map_vm(m, vms[n]);
		mv->rule.turbo = pick(8) != 0;
		mv->rule.priority = (int)pick(2);
		mv->rule.min_khz = pick(4) == 0 ? 1400000 : 0;
		for (unsigned int ch = 0; ch < 4; ch++)
			for (unsigned int i = pick(4); i > 0; i--)
				fx_pin(mv, ch, pick(16));
	}
	for (unsigned int i = pick(3); i > 0; i--)
		m->manual[pick(16)] = pick(3) == 0 ? pick_wish() : (struct wish){ 0 };
	return m;
}

static int
pick_error(void)
{
	static const int errors[] = { 0, 0, 0, -EBUSY, -EBUSY, -EIO, -EINVAL };

	return errors[pick(7)];
}

static void
trouble(void)
{
	static const uint32_t ceilings[] = { UINT32_MAX, UINT32_MAX, 2300000, 1700000 };
	static const uint32_t floors[] = { 0, 0, 1100000, 1400000 };
	unsigned int cpu = pick_policy();

	switch (pick(10)) {
	case 0:
		limit(cpu, floors[pick(4)], ceilings[pick(4)]);
		break;
	case 1:
		recorder.foreign[cpu] = recorder.taken[cpu] && pick(2) == 0;
		break;
	case 2:
		if (recorder.taken[cpu] && recorder.index[cpu] >= 0)
			recorder.index[cpu] = (int)pick(8);
		limit(cpu, recorder.limits[cpu].floor_khz, recorder.limits[cpu].ceiling_khz);
		break;
	case 3:
		recorder.offline[cpu] = !recorder.offline[cpu];
		break;
	case 4:
		recorder.deaf[cpu] = pick(3) == 0 ? 1000 : pick(3);
		break;
	case 5:
		recorder.take_error[cpu] = pick_error();
		break;
	case 6:
		recorder.set_error[cpu] = pick_error();
		break;
	case 7:
		recorder.force_error[cpu] = pick_error();
		break;
	case 8:
		recorder.give_back_error[cpu] = pick_error();
		break;
	default:
		recorder.learn_error[cpu] = pick_error();
	}
}

static void
no_trouble(void)
{
	for (unsigned int cpu = 0; cpu < 16; cpu++) {
		recorder.foreign[cpu] = recorder.offline[cpu] = false;
		recorder.deaf[cpu] = 0;
		recorder.learn_error[cpu] = recorder.take_error[cpu] = 0;
		recorder.set_error[cpu] = recorder.force_error[cpu] = 0;
		recorder.give_back_error[cpu] = 0;
	}
}

static void
nobody_waits(void)
{
	for (unsigned int cpu = 0; cpu < 16; cpu++)
		assert_false(view_of(cpu).pending);
}

/* Let time pass until all is as decided. */
static void
check_settled(void)
{
	no_trouble();
	(void)hint();
	pass(70 * S);
	(void)hint();
	pass(70 * S);
	nobody_waits();
	assert_false(hint());
	assert_int_equal(domains_due(ds), NEVER);
	CPUSET_FOREACH(cpu, &ds->policies) {
		struct decision d = expected(ds->domain_of[cpu]);
		struct domain_cpu_stats st = cpu_of(cpu);
		bool here = is_wanted(cpu) && d.any;

		assert_int_equal(st.decided_khz, d.any ? fx_table.khz[d.index] : 0);
		assert_int_equal(recorder.taken[cpu], here);
		assert_false(recorder.held[cpu] && !recorder.taken[cpu]);
		if (!here) {
			assert_int_equal(recorder.index[cpu], -1);
			assert_int_equal(st.control, CPU_FREE);
			assert_int_equal(st.problem, FRQ_REASON_OK);
			continue;
		}
		/* until something else is asked, see below */
		if (st.control == CPU_FOREIGN_FREQUENCY && ds->c.yield)
			continue;
		assert_int_equal(st.control, CPU_OURS);
		assert_int_equal(st.problem, FRQ_REASON_OK);
		assert_int_equal(recorder.index[cpu], d.index);
		assert_int_equal(st.applied_khz, fx_table.khz[d.index]);
		assert_int_equal(st.bound, d.bound);
		assert_int_equal(st.turbo, d.turbo);
		assert_int_equal(st.manual, d.manual);
	}
}

static void
chance_step(void)
{
	unsigned int what = pick(100), n = pick(NB_VMS), ch = pick(4);

	if (what < 45) {
		vms[n]->ch[ch].a.wish = pick_wish();
		decide_of(n, ch);
	} else if (what < 50) {
		vote(pick_map());
	} else if (what < 65) {
		trouble();
	} else if (what < 70) {
		(void)domains_hint(ds);
	} else if (what < 97) {
		still_pass(pick(2 * (unsigned int)MS));
	} else if (what < 99) {
		still_pass(pick(200) * MS);
	} else {
		still_pass(pick(5) * S);
	}
	work();
}

static void
chance_world(uint64_t seed, unsigned int steps)
{
	static const uint32_t limits[] = { 0, 1, 7, 50 };
	struct power_ops ops = recorder_ops;
	struct domains_config c = usual();

	recorder_reset();
	memset(&chance, 0, sizeof(chance));
	chance.seed = seed;
	tie(2, 4, false);
	tie(8, 11, false);
	tie(0, 1, true);
	recorder.policy[2] = recorder.policy[3] = (struct cpuset){ { 0xc } };
	recorder.policy[8] = recorder.policy[9] = (struct cpuset){ { 0x300 } };
	ops.set = chance_set;
	c.power = &ops;
	c.yield = pick(2) == 0;
	c.write_limit = chance.write_limit = limits[pick(4)];
	for (unsigned int cpu = 5; cpu < 9; cpu++)
		if (pick(3) == 0)
			recorder.held[cpu] = true;
	begin_with(c);
	if (pick(2) == 0)
		still_pass(11 * S);
	work();
	vote(pick_map());
	for (unsigned int i = 0; i < steps; i++) {
		chance_step();
		if (i % 500 == 499) {
			pass(15 * S);
			nobody_waits();
		}
		if (i % 1000 == 999)
			check_settled();
		if (i % 2000 == 1999) {
			vote(pick_map());
			check_settled();
		}
	}
	pin_nobody();
	check_settled();
	for (unsigned int cpu = 0; cpu < 16; cpu++)
		assert_false(recorder.taken[cpu]);
	domains_free(ds);
	ds = NULL;
}

static void
anything_may_happen(void **state)
{
	const char *text = getenv("TEST_SEED");
	struct timespec ts;
	uint64_t seed;

	(void)state;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	seed = text != NULL ? strtoull(text, NULL, 0) :
		(uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	for (unsigned int i = 0; i < 40; i++) {
		uint64_t s = text != NULL ? seed : seed + i * UINT64_C(0x9e3779b97f4a7c15);

		print_message("TEST_SEED=%#" PRIx64 "\n", s | 1);
		chance_world(s | 1, 5000);
		if (text != NULL)
			break;
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(policy_of_two_cpus_is_one_write),
		T(policies_of_one_clock_are_decided_together),
		T(vcpu_on_two_cpus_of_a_domain_votes_once),
		T(rule_against_turbo_holds_for_the_domain),
		T(different_tables_in_a_domain_are_refused),
		T(ceiling_below_the_decision),
		T(ceiling_that_moves_while_nobody_asks),
		T(ceiling_found_at_a_write),
		T(ceiling_of_one_policy_binds_its_domain),
		T(ceiling_of_a_policy_that_cannot_be_taken),
		T(turbo_that_reads_higher),
		T(floor_lifts),
		T(manual_setting_overrides_and_is_released),
		T(manual_setting_takes_a_cpu_without_votes),
		T(foreign_governor_is_let),
		T(foreign_governor_is_taken_back),
		T(foreign_frequency_is_let_until_another_decision),
		T(foreign_frequency_is_set_again),
		T(foreign_governor_found_at_the_write),
		T(foreign_frequency_then_governor),
		T(foreign_governor_that_comes_and_goes),
		T(foreign_governor_and_a_stubborn_give_back),
		T(foreign_governor_with_a_new_ceiling),
		T(lost_write_is_forced),
		T(refused_write_is_told_and_tried_again),
		T(refusing_library_is_passed_by),
		T(busy_take),
		T(busy_force),
		T(busy_learn),
		T(busy_give_back),
		T(stubborn_give_back_that_is_not_wanted_any_more),
		T(stubborn_give_back_holds_up_nobody),
		T(core_without_cpufreq),
		T(offline_before_it_is_known),
		T(offline_when_taken),
		T(offline_when_written),
		T(offline_while_idle),
		T(hint_that_comes_too_late),
		T(given_back_when_it_returns),
		T(held_waits_for_a_vote),
		T(held_and_claimed_by_nobody),
		T(held_and_claimed_without_opinion),
		T(held_without_any_map),
		T(held_without_any_map_and_stubborn),
		T(held_and_offline),
		T(held_at_the_end),
		T(write_limit_holds_in_every_second),
		T(equal_decisions_cost_one_write),
		T(deferred_is_pending),
		T(write_limit_counts_a_domain_once),
		T(retry_under_a_write_limit),
		T(untakable_core_under_a_write_limit),
		T(end_is_bounded),
		T(anything_may_happen),
	};

	rte_log_set_global_level(RTE_LOG_EMERG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
