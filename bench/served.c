/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ring.h>

#include "bench.h"
#include "poller.h"
#include "served.h"
#include "thread.h"

#define QUEUE_SIZE 8u

static const struct frq_life life = { .epoch = 1, .incarnation = 1 };
static const struct freq_table no_table = { .nb = 0 };

static bool
open_region(struct vm *vm, const char *path)
{
	const struct frq_region_file who = { .owner = geteuid(), .group = (gid_t)-1 };
	struct frq_err err;
	bool made;
	int ret;

	vm->info.nb_channels = vm->nb_channels = 1;
	vm->life = life;
	vm->ch[0].table = &no_table;
	ret = path == NULL ? frq_region_memfd(&vm->region, "freqring-bench", &err) :
		frq_region_open(&vm->region, path, &who, &made, &err);
	if (ret < 0) {
		bench_error("%s", err.text);
		return false;
	}
	frq_region_init(&vm->region, &vm->info, life);
	return true;
}

static void *
run(void *arg)
{
	(void)poller_run(arg);
	return NULL;
}

/* The poller takes a VM while it runs only. */
static bool
introduce(struct served *s)
{
	pthread_t t;
	int ret;

	if (pthread_create(&t, NULL, run, s->poller) != 0)
		return false;
	ret = poller_add(s->poller, s->vm);
	poller_stop(s->poller);
	(void)pthread_join(t, NULL);
	return ret == 0;
}

bool
served_open(struct served *s, const char *path, const struct tsc *tsc)
{
	struct poller_config c = {
		.tsc_hz = (uint64_t)(1e9 / tsc->ns_per_tick),
		.queue = { .sleeping = &s->sleeping, .progress = &s->progress },
		.notify_fd = -1,
	};

	*s = (struct served){ .vm = NULL };
	c.queue.ring = s->queue = aligned_alloc(FRQ_LINE, (size_t)rte_ring_get_memsize(QUEUE_SIZE));
	s->vm = aligned_alloc(_Alignof(struct vm), sizeof(*s->vm));
	if (s->vm != NULL) {
		memset(s->vm, 0, sizeof(*s->vm));
		s->vm->region = FRQ_REGION_NONE;
		s->vm->file.slot = calloc(FRQ_MAX_CHANNELS, sizeof(struct wish_slot));
	}
	s->poller = poller_create(&c);
	if (s->queue == NULL || s->vm == NULL || s->vm->file.slot == NULL || s->poller == NULL ||
	    rte_ring_init(s->queue, "bench", QUEUE_SIZE, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		bench_error("no memory for a poller");
		return false;
	}
	if (!open_region(s->vm, path))
		return false;
	if (introduce(s))
		return true;
	bench_error("the poller does not take the VM");
	return false;
}

void
served_close(struct served *s)
{
	poller_free(s->poller);
	if (s->vm != NULL) {
		frq_region_close(&s->vm->region);
		free(s->vm->file.slot);
	}
	free(s->vm);
	free(s->queue);
	*s = (struct served){ .vm = NULL };
}
