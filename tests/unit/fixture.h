/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fixture.h - what the tests of the request path have in common
 *
 * A VM over a memfd region with its wish file in a folder of its own, a queue
 * that stands where the applier's does, a poller that the test turns by hand,
 * and fake hardware that only records what it was told (recorder_ops). Only
 * the test's main thread may assert.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_ring.h>

#include "applier.h"
#include "poller.h"
#include "ring.h"
#include "vm.h"

#define FX_UNUSED __attribute__((unused))

/* Of the poller: no millisecond passes but the one at the start. */
#define FX_HZ_STILL	(UINT64_C(1000) << 45)
/* A "millisecond" is over before the next housekeeping. */
#define FX_HZ_FAST	UINT64_C(100000)

/* As acpi-cpufreq would show it; without turbo: the same from the second on. */
static const struct freq_table fx_table FX_UNUSED = {
	.nb = 8,
	.turbo = true,
	.khz = { 2601000, 2600000, 2300000, 2000000, 1700000, 1400000, 1100000, 800000 },
};

/* ---- time, chance, folders ----------------------------------------------- */

FX_UNUSED static uint64_t
fx_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* TSC ticks a second, near enough. */
FX_UNUSED static uint64_t
fx_tsc_hz(void)
{
	uint64_t ms = fx_now_ms(), start;

	while (fx_now_ms() == ms)
		;
	start = rte_rdtsc();
	ms = fx_now_ms();
	while (fx_now_ms() < ms + 20)
		;
	return (rte_rdtsc() - start) * 50;
}

/* xorshift64*: small, fast, the same everywhere. */
FX_UNUSED static uint32_t
fx_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (uint32_t)(*seed * UINT64_C(2685821657736338717) >> 32);
}

FX_UNUSED static void
fx_dir_make(char dir[64])
{
	(void)snprintf(dir, 64, "/tmp/freqring-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

FX_UNUSED static void
fx_dir_remove(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[400];

	while (d != NULL && (e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.' && unlink(path) != 0)
			(void)rmdir(path);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(dir);
}

/* ---- a VM ------------------------------------------------------------------ */

FX_UNUSED static struct vm *
fx_vm_blank(unsigned int tag, unsigned int nb_channels)
{
	struct vm *vm = aligned_alloc(64, sizeof(*vm));

	assert_non_null(vm);
	memset(vm, 0, sizeof(*vm));
	vm->region = FRQ_REGION_NONE;
	vm->uuid[0] = (uint8_t)tag;
	(void)snprintf(vm->uuid_text, sizeof(vm->uuid_text),
		"%08x-0000-4000-8000-000000000000", tag);
	vm->nb_channels = nb_channels;
	vm->info.nb_channels = nb_channels;
	vm->info.features = FRQ_FEATURE_TURBO | FRQ_FEATURE_LEASE;
	return vm;
}

FX_UNUSED static void
fx_vm_identity(const struct vm *vm, struct wish_file_identity *id)
{
	memset(id, 0, sizeof(*id));
	memcpy(id->uuid, vm->uuid, sizeof(id->uuid));
	id->qemu_pid = 1;
}

/* Over a region that is mapped already; it starts a new life. */
FX_UNUSED static struct vm *
fx_vm_over(const char *dir, unsigned int tag, unsigned int nb_channels,
	struct frq_region region)
{
	struct vm *vm = fx_vm_blank(tag, nb_channels);
	struct wish_file_identity id;
	struct frq_err err;
	bool same;

	vm->region = region;
	vm->life = (struct frq_life){ .epoch = 1, .incarnation = 7 };
	fx_vm_identity(vm, &id);
	assert_int_equal(wish_file_open(&vm->file, dir, vm->uuid_text, &id, &same, &err), 0);
	wish_file_begin(&vm->file, &id, vm->life);
	frq_region_init(&vm->region, &vm->info, vm->life);
	return vm;
}

FX_UNUSED static struct vm *
fx_vm_make(const char *dir, unsigned int tag, unsigned int nb_channels)
{
	struct frq_region region = FRQ_REGION_NONE;
	struct frq_err err;

	assert_int_equal(frq_region_memfd(&region, "freqring-test", &err), 0);
	return fx_vm_over(dir, tag, nb_channels, region);
}

/* What a daemon that was killed leaves is the region and the wish file: the
 * same VM as the next daemon makes it. `dead` stays the caller's to free.
 */
FX_UNUSED static struct vm *
fx_vm_again(const char *dir, const struct vm *dead)
{
	struct vm *vm = fx_vm_blank(dead->uuid[0], dead->nb_channels);
	struct wish_file_identity id;
	struct frq_err err;
	bool same;
	void *base;

	vm->rate_limit = dead->rate_limit;
	vm->region.fd = dup(dead->region.fd);
	base = mmap(NULL, FRQ_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->region.fd, 0);
	assert_true(base != MAP_FAILED);
	vm->region.base = base;
	fx_vm_identity(vm, &id);
	assert_int_equal(wish_file_open(&vm->file, dir, vm->uuid_text, &id, &same, &err), 0);
	assert_true(same);
	vm->life.epoch = (uint8_t)vm->file.header->epoch;
	vm->life.incarnation = (uint32_t)vm->file.header->incarnation + 1;
	vm->file.header->incarnation = vm->life.incarnation;
	frq_region_resume(&vm->region, &vm->info, vm->life);
	return vm;
}

FX_UNUSED static void
fx_vm_free(struct vm *vm)
{
	if (vm == NULL)
		return;
	frq_region_close(&vm->region);
	wish_file_close(&vm->file);
	free(vm);
}

/* What the applier does when a map places the channels. */
FX_UNUSED static void
fx_vm_place(struct vm *vm, const struct freq_table *t)
{
	for (unsigned int i = 0; i < vm->nb_channels; i++)
		__atomic_store_n(&vm->ch[i].table, t, __ATOMIC_RELEASE);
}

/* ---- the guest ------------------------------------------------------------- */

FX_UNUSED static struct frq_producer
fx_producer(const struct vm *vm, unsigned int ch)
{
	return (struct frq_producer){
		.ring = frq_region_ring(&vm->region, ch),
		.doorbell = frq_region_doorbell(&vm->region, ch),
		.consumed = frq_region_consumed(&vm->region, ch),
	};
}

FX_UNUSED static struct frq_producer
fx_attach(const struct vm *vm, unsigned int ch, uint32_t nonce)
{
	struct frq_producer p = fx_producer(vm, ch);
	struct frq_life life = frq_life_unpack(frq_load64(&frq_region_header(&vm->region)->life));

	frq_producer_attach(&p, life, 0, nonce);
	return p;
}

FX_UNUSED static struct frq_consumed
fx_consumed(const struct vm *vm, unsigned int ch)
{
	return frq_consumed_unpack(frq_load64(&frq_region_consumed(&vm->region, ch)->consumed));
}

FX_UNUSED static struct frq_applied
fx_applied(const struct vm *vm, unsigned int ch)
{
	return frq_applied_unpack(frq_load64(&frq_region_state(&vm->region, ch)->applied));
}

FX_UNUSED static struct frq_verdict
fx_verdict(const struct vm *vm, unsigned int ch)
{
	return frq_verdict_unpack(frq_load64(&frq_region_state(&vm->region, ch)->verdict));
}

FX_UNUSED static struct wish
fx_wish(const struct vm *vm, unsigned int ch)
{
	return wish_unpack(__atomic_load_n(&vm->file.slot[ch].wish, __ATOMIC_ACQUIRE));
}

/* ---- the poller, with nobody behind it --------------------------------------- */

struct fx_queue {
	struct rte_ring *ring;
	uint32_t sleeping;
	uint64_t progress;
};

#define FX_QUEUE_SIZE (2 * FRQ_MAX_VMS * FRQ_MAX_CHANNELS)

FX_UNUSED static void
fx_queue_make(struct fx_queue *q)
{
	ssize_t size = rte_ring_get_memsize(FX_QUEUE_SIZE);

	memset(q, 0, sizeof(*q));
	assert_true(size > 0);
	q->ring = aligned_alloc(64, ((size_t)size + 63) & ~(size_t)63);
	assert_non_null(q->ring);
	assert_int_equal(rte_ring_init(q->ring, "test", FX_QUEUE_SIZE,
		RING_F_SP_ENQ | RING_F_SC_DEQ), 0);
}

FX_UNUSED static void
fx_queue_free(struct fx_queue *q)
{
	free(q->ring);
}

/* Take a channel off, as the applier does. */
FX_UNUSED static struct channel *
fx_queue_next(struct fx_queue *q)
{
	void *obj;

	if (rte_ring_sc_dequeue(q->ring, &obj) != 0)
		return NULL;
	(void)__atomic_exchange_n(&((struct channel *)obj)->queued, 0, __ATOMIC_SEQ_CST);
	q->progress++;
	return obj;
}

FX_UNUSED static unsigned int
fx_queue_drain(struct fx_queue *q)
{
	unsigned int n = 0;

	while (fx_queue_next(q) != NULL)
		n++;
	return n;
}

FX_UNUSED static struct poller *
fx_poller(struct fx_queue *q, uint64_t hz, int notify_fd)
{
	const struct poller_config c = {
		.queue = {
			.ring = q->ring, .sleeping = &q->sleeping,
			.progress = &q->progress,
		},
		.tsc_hz = hz,
		.notify_fd = notify_fd,
	};
	struct poller *p = poller_create(&c);

	assert_non_null(p);
	return p;
}

FX_UNUSED static unsigned int
fx_turns(struct poller *p, unsigned int turns)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < turns; i++)
		n += poller_turn(p);
	return n;
}

struct fx_call {
	struct poller *p;
	struct vm *vm;
	bool add;
	uint64_t extend_ms;	/* of its leases; 0: it is added or removed */
	int ret;
	bool done;
};

FX_UNUSED static void *
fx_call_main(void *arg)
{
	struct fx_call *c = arg;

	if (c->extend_ms != 0)
		c->ret = poller_extend_leases(c->p, c->vm, c->extend_ms);
	else
		c->ret = c->add ? poller_add(c->p, c->vm) : poller_remove(c->p, c->vm);
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* poller_add and poller_remove wait for the poller, which is this thread. */
FX_UNUSED static int
fx_call(struct poller *p, struct vm *vm, bool add)
{
	struct fx_call c = { .p = p, .vm = vm, .add = add };
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fx_call_main, &c), 0);
	while (!__atomic_load_n(&c.done, __ATOMIC_ACQUIRE))
		(void)poller_turn(p);
	(void)pthread_join(t, NULL);
	return c.ret;
}

FX_UNUSED static void
fx_add(struct poller *p, struct vm *vm)
{
	assert_int_equal(fx_call(p, vm, true), 0);
}

FX_UNUSED static void
fx_remove(struct poller *p, struct vm *vm)
{
	assert_int_equal(fx_call(p, vm, false), 0);
}

/* ---- hardware that records --------------------------------------------------- */

#define RECORDER_CPUS	64u
#define RECORDER_CALLS	4096u

enum recorder_what {
	RECORDED_LEARN, RECORDED_TAKE, RECORDED_SET, RECORDED_FORCE, RECORDED_GIVE_BACK,
	RECORDED_COUNT
};

/*
 * Behaves as a cpufreq driver below librte_power: what is set is kept within
 * the limits, a governor that is not ours takes nothing, and the library says
 * yes whatever becomes of it. Set up and looked at by the test; what other
 * threads may look at meanwhile is stored atomically.
 */
static struct recorder {
	struct {
		enum recorder_what what;
		unsigned int cpu, index;
	} call[RECORDER_CALLS];
	unsigned int nb_calls, count[RECORDED_COUNT];	/* count goes on when call is full */
	struct freq_table table[RECORDER_CPUS];
	struct cpuset policy[RECORDER_CPUS], clock[RECORDER_CPUS]; /* empty: itself alone */
	struct freq_limits limits[RECORDER_CPUS];
	int learn_error[RECORDER_CPUS], take_error[RECORDER_CPUS], set_error[RECORDER_CPUS];
	int force_error[RECORDER_CPUS], give_back_error[RECORDER_CPUS];
	unsigned int deaf[RECORDER_CPUS];	/* writes that the kernel refuses from now on */
	bool held[RECORDER_CPUS], offline[RECORDER_CPUS], foreign[RECORDER_CPUS];
	bool taken[RECORDER_CPUS];
	int index[RECORDER_CPUS];		/* in force, -1: given back */
	unsigned int misuse;			/* calls that the contract does not allow */
} recorder FX_UNUSED;

FX_UNUSED static void
recorder_reset(void)
{
	memset(&recorder, 0, sizeof(recorder));
	for (unsigned int i = 0; i < RECORDER_CPUS; i++) {
		recorder.table[i] = fx_table;
		recorder.limits[i] = FREQ_LIMITS_NONE;
		recorder.index[i] = -1;
	}
}

/* CPUs that share a clock; and, where `policy`, one cpufreq policy. */
FX_UNUSED static void
recorder_tie(const struct cpuset *cpus, bool policy)
{
	CPUSET_FOREACH(cpu, cpus) {
		recorder.clock[cpu] = *cpus;
		if (policy)
			recorder.policy[cpu] = *cpus;
	}
}

static inline void
recorder_note(enum recorder_what what, unsigned int cpu, unsigned int index)
{
	recorder.count[what]++;
	if (recorder.nb_calls == RECORDER_CALLS)
		return;
	recorder.call[recorder.nb_calls].what = what;
	recorder.call[recorder.nb_calls].cpu = cpu;
	recorder.call[recorder.nb_calls++].index = index;
}

static inline int
recorder_fail(unsigned int cpu, const char *what, int error, struct frq_err *err)
{
	if (error == 0 && recorder.offline[cpu])
		error = -ENXIO;
	if (error != 0)
		frq_err_set(err, "CPU %u (recorder): %s fails as told", cpu, what);
	return error;
}

static inline int
recorder_start(const struct power_config *c, struct frq_err *err)
{
	(void)c;
	(void)err;
	return 0;
}

static inline void
recorder_group(unsigned int cpu, struct cpuset *policy, struct cpuset *clock)
{
	*policy = recorder.policy[cpu];
	*clock = recorder.clock[cpu];
	cpuset_add(policy, cpu);
	cpuset_add(clock, cpu);
}

static inline int
recorder_learn(unsigned int cpu, struct power_cpu *p, struct frq_err *err)
{
	int ret = recorder_fail(cpu, "learn", recorder.learn_error[cpu], err);

	recorder_note(RECORDED_LEARN, cpu, 0);
	if (ret == 0)
		*p = (struct power_cpu){ .table = recorder.table[cpu], .driver = "recorder" };
	return ret;
}

static inline bool
recorder_held(unsigned int cpu)
{
	return recorder.held[cpu];
}

static inline int
recorder_take(unsigned int cpu, struct frq_err *err)
{
	int ret = recorder_fail(cpu, "take", recorder.take_error[cpu], err);

	recorder_note(RECORDED_TAKE, cpu, 0);
	recorder.misuse += recorder.taken[cpu];
	recorder.taken[cpu] = ret == 0;
	if (ret == 0)
		recorder.foreign[cpu] = false;
	return ret;
}

static inline void
recorder_write(unsigned int cpu, unsigned int index)
{
	const struct freq_table *t = &recorder.table[cpu];
	unsigned int i = index;

	while (i + 1 < t->nb && t->khz[i] > recorder.limits[cpu].ceiling_khz)
		i++;
	while (i > 0 && t->khz[i] < recorder.limits[cpu].floor_khz)
		i--;
	if (recorder.deaf[cpu] != 0)
		recorder.deaf[cpu]--;
	else if (!recorder.foreign[cpu] && !recorder.offline[cpu])
		__atomic_store_n(&recorder.index[cpu], (int)i, __ATOMIC_RELEASE);
}

static inline int
recorder_set(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	recorder_note(RECORDED_SET, cpu, index);
	recorder.misuse += !recorder.taken[cpu] || index >= recorder.table[cpu].nb;
	if (recorder.set_error[cpu] == 0)
		recorder_write(cpu, index);
	else
		frq_err_set(err, "CPU %u (recorder): set fails as told", cpu);
	return recorder.set_error[cpu];
}

static inline int
recorder_check(unsigned int cpu, unsigned int index)
{
	recorder.misuse += !recorder.taken[cpu];
	if (recorder.offline[cpu])
		return -ENXIO;
	return !recorder.foreign[cpu] && recorder.index[cpu] == (int)index ? 0 : -ESTALE;
}

static inline int
recorder_force(unsigned int cpu, unsigned int index, struct frq_err *err)
{
	int ret = recorder_fail(cpu, "force", recorder.force_error[cpu], err);

	recorder_note(RECORDED_FORCE, cpu, index);
	recorder.misuse += !recorder.taken[cpu] || index >= recorder.table[cpu].nb;
	if (ret != 0)
		return ret;
	recorder.foreign[cpu] = false;
	recorder_write(cpu, index);
	return 0;
}

static inline int
recorder_give_back(unsigned int cpu, struct frq_err *err)
{
	int ret = recorder_fail(cpu, "give back", recorder.give_back_error[cpu], err);

	recorder_note(RECORDED_GIVE_BACK, cpu, 0);
	recorder.misuse += !recorder.taken[cpu] && !recorder.held[cpu];
	if (ret != 0)
		return ret;
	recorder.taken[cpu] = recorder.held[cpu] = false;
	__atomic_store_n(&recorder.index[cpu], -1, __ATOMIC_RELEASE);
	return 0;
}

static inline uint32_t
recorder_get(unsigned int cpu)
{
	int index = __atomic_load_n(&recorder.index[cpu], __ATOMIC_ACQUIRE);

	return index < 0 ? 0 : recorder.table[cpu].khz[index];
}

static inline int
recorder_look(unsigned int cpu, struct power_look *l)
{
	if (recorder.offline[cpu])
		return -ENXIO;
	*l = (struct power_look){ .ours = !recorder.foreign[cpu], .khz = recorder_get(cpu),
		.limits = recorder.limits[cpu] };
	(void)snprintf(l->governor, sizeof(l->governor), "%s",
		recorder.foreign[cpu] ? "performance" : "userspace");
	return 0;
}

static const struct power_ops recorder_ops FX_UNUSED = {
	.name = "recorder",
	.simulated = true,
	.start = recorder_start,
	.group = recorder_group,
	.learn = recorder_learn,
	.held = recorder_held,
	.take = recorder_take,
	.set = recorder_set,
	.check = recorder_check,
	.force = recorder_force,
	.again = recorder_force,
	.give_back = recorder_give_back,
	.look = recorder_look,
	.get = recorder_get,
};

/* ---- maps --------------------------------------------------------------------- */

/* Every vCPU floats until it is pinned. */
FX_UNUSED static struct applier_map *
fx_map(uint64_t generation)
{
	struct applier_map *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->generation = generation;
	return m;
}

FX_UNUSED static struct applier_map_vm *
fx_map_vm(struct applier_map *m, struct vm *vm)
{
	struct applier_map_vm *mv = calloc(1, sizeof(*mv));

	assert_non_null(mv);
	mv->vm = vm;
	mv->rule = VOTE_RULE_NONE;
	for (unsigned int i = 0; i < FRQ_MAX_CHANNELS; i++)
		mv->vcpu[i].standing = FRQ_REASON_UNPINNED;
	m->vm[m->nb_vms++] = mv;
	return mv;
}

FX_UNUSED static void
fx_pin(struct applier_map_vm *mv, unsigned int vcpu, unsigned int cpu)
{
	mv->vcpu[vcpu].standing = FRQ_REASON_OK;
	cpuset_add(&mv->vcpu[vcpu].cpus, cpu);
}

#endif /* TEST_FIXTURE_H */
