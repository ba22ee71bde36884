/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ring.h>

#include "applier.h"
#include "bench.h"
#include "fleet.h"
#include "thread.h"

#define QUEUE_SIZE	(2 * FLEET_CHANNELS_MAX)
#define WRITE_LIMIT	1000u	/* the daemon's default */
#define PATIENCE	(1u << 30)	/* looks */

static const struct frq_life life = { .epoch = 1, .incarnation = 1 };
static const struct freq_table no_table = { .nb = 0 };

static void *
run_poller(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

static void *
run_applier(void *arg)
{
	(void)applier_run(arg);
	return NULL;
}

/* ---- VMs ---------------------------------------------------------------------- */

static struct vm *
make_vm(unsigned int nb_channels, bool applier)
{
	struct vm *vm = aligned_alloc(_Alignof(struct vm), sizeof(*vm));
	struct frq_err err;

	if (vm == NULL)
		return NULL;
	memset(vm, 0, sizeof(*vm));
	vm->region = FRQ_REGION_NONE;
	vm->info.nb_channels = vm->nb_channels = nb_channels;
	vm->life = life;
	vm->file.slot = calloc(FRQ_MAX_CHANNELS, sizeof(struct wish_slot));
	if (vm->file.slot == NULL || frq_region_memfd(&vm->region, "freqring-bench", &err) < 0) {
		free(vm->file.slot);
		free(vm);
		return NULL;
	}
	frq_region_init(&vm->region, &vm->info, life);
	for (unsigned int i = 0; i < nb_channels; i++) {
		vm->file.slot[i].wish = wish_pack((struct wish){ .epoch = life.epoch });
		/* With an applier it comes with the map. */
		if (!applier)
			vm->ch[i].table = &no_table;
	}
	return vm;
}

static double
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long total, resident = 0;

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &total, &resident) != 2)
			resident = 0;
		(void)fclose(f);
	}
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static bool
add_vms(struct fleet *f, bool applier)
{
	double before = resident_bytes();

	for (unsigned int left = f->nb_channels; left > 0;) {
		unsigned int n = left < FLEET_VM_CHANNELS ? left : FLEET_VM_CHANNELS;
		struct vm *vm = make_vm(n, applier);

		if (vm == NULL) {
			bench_error("no memory for VM %u", f->nb_vms);
			return false;
		}
		f->vm[f->nb_vms++] = vm;
		if (poller_add(f->poller, vm) != 0) {
			bench_error("the poller does not take VM %u", f->nb_vms - 1);
			return false;
		}
		left -= n;
	}
	f->vm_bytes = (resident_bytes() - before) / f->nb_vms;
	return true;
}

/* ---- the applier ---------------------------------------------------------------- */

/* All on one CPU: the applier has to decide between them. */
static bool
set_map(struct fleet *f, unsigned int cpu)
{
	struct applier_map *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return false;
	m->generation = 1;
	for (; m->nb_vms < f->nb_vms; m->nb_vms++) {
		struct applier_map_vm *mv = calloc(1, sizeof(*mv));

		if (mv == NULL) {
			applier_map_free(m);
			return false;
		}
		mv->vm = f->vm[m->nb_vms];
		mv->rule = VOTE_RULE_NONE;
		for (unsigned int i = 0; i < mv->vm->nb_channels; i++)
			cpuset_add(&mv->vcpu[i].cpus, cpu);
		m->vm[m->nb_vms] = mv;
	}
	applier_set_map(f->applier, m);
	while (applier_generation(f->applier) != 1)
		spin_pause();
	return true;
}

static bool
make_applier(struct fleet *f, unsigned int cpu)
{
	struct applier_config c = { .power = &power_simulated, .write_limit = WRITE_LIMIT,
		.done_fd = -1 };

	cpuset_add(&c.managed, 0);
	f->applier = applier_create(&c);
	f->applies = f->applier != NULL &&
		thread_start(&f->applier_thread, cpu, run_applier, f->applier);
	return f->applies;
}

static bool
make_queue(struct fleet *f)
{
	f->queue = aligned_alloc(FRQ_LINE, (size_t)rte_ring_get_memsize(QUEUE_SIZE));
	return f->queue != NULL &&
		rte_ring_init(f->queue, "bench", QUEUE_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ) == 0;
}

/* ---- the whole -------------------------------------------------------------------- */

bool
fleet_open(struct fleet *f, const struct fleet_config *c, const struct tsc *tsc)
{
	struct poller_config pc = { .tsc_hz = (uint64_t)(1e9 / tsc->ns_per_tick), .notify_fd = -1 };

	*f = (struct fleet){ .nb_channels = c->nb_channels };
	if (c->applier ? !make_applier(f, c->cpu) : !make_queue(f)) {
		bench_error("no memory for a queue, or no applier");
		return false;
	}
	pc.queue = c->applier ? applier_queue(f->applier) :
		(struct poller_queue){ f->queue, &f->sleeping, &f->progress };
	f->poller = poller_create(&pc);
	f->polls = f->poller != NULL &&
		thread_start(&f->poller_thread, c->cpu, run_poller, f->poller);
	if (!f->polls) {
		bench_error("no poller");
		return false;
	}
	return add_vms(f, c->applier) && (!c->applier || set_map(f, 0));
}

void
fleet_close(struct fleet *f)
{
	if (f->polls) {
		poller_stop(f->poller);
		(void)pthread_join(f->poller_thread, NULL);
	}
	if (f->applies) {
		applier_stop(f->applier);
		(void)pthread_join(f->applier_thread, NULL);
	}
	poller_free(f->poller);
	applier_free(f->applier);
	for (unsigned int i = 0; i < f->nb_vms; i++) {
		frq_region_close(&f->vm[i]->region);
		free(f->vm[i]->file.slot);
		free(f->vm[i]);
	}
	free(f->queue);
	*f = (struct fleet){ .nb_vms = 0 };
}

bool
fleet_attach(const struct fleet *f, unsigned int i, struct frq_producer *tx)
{
	const struct frq_region *r = &f->vm[i / FLEET_VM_CHANNELS]->region;
	unsigned int ch = i % FLEET_VM_CHANNELS;

	*tx = (struct frq_producer){
		.ring = frq_region_ring(r, ch),
		.doorbell = frq_region_doorbell(r, ch),
		.consumed = frq_region_consumed(r, ch),
	};
	frq_producer_attach(tx, life, 0, 1);
	for (unsigned int k = 0; k < PATIENCE; k++)
		if (fleet_consumed(tx))
			return true;
	bench_error("channel %u: the poller does not take requests", i);
	return false;
}
