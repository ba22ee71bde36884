/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libvirt_watch_probe URI - each map of the libvirt thread as lines of text,
 * until SIGTERM or SIGINT. A time is in seconds of the wall clock, so that a
 * script can compare it with its own.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libvirt_watch.h"
#include "vms.h"

static const char *const state_name[] = {
	[VM_DEFINED] = "defined",
	[VM_RUNNING] = "running",
	[VM_PAUSED] = "paused",
	[VM_SUSPENDED] = "suspended",
};

static double
now(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
print_vm(const struct vm_map_vm *vm)
{
	char pcpus[256];

	printf(" vm %s %s pid=%d shmem=%s usable=%d shared=%d problem=\"%s\"", vm->name,
		state_name[vm->state], (int)vm->qemu_pid, vm->shmem, vm->shmem_usable,
		vm->shmem_shared, vm->shmem_problem);
	for (unsigned int i = 0; i < vm->nb_vcpus; i++)
		printf(" %u:%s%s%s", i, vm->vcpu[i].present ? "" : "absent,",
			vm->vcpu[i].pinned ? "pinned," : "",
			cpuset_format(&vm->vcpu[i].pcpus, pcpus, sizeof(pcpus)));
}

/* One line a map: a reader never sees half of one. */
static void
changed(struct vm_map *map, void *arg)
{
	(void)arg;
	printf("%.4f map %u %s", now(CLOCK_REALTIME), (unsigned int)map->generation,
		map->connected ? "connected" : "away");
	for (unsigned int i = 0; i < map->nb_vms; i++)
		print_vm(map->vm[i]);
	printf("\n");
	(void)fflush(stdout);
	vm_map_free(map);
}

int
main(int argc, char **argv)
{
	struct libvirt_watch_config config = {
		.uri = argc == 2 ? argv[1] : "",
		.shmem_prefix = FRQ_SHMEM_PREFIX,
		.changed = changed,
	};
	struct libvirt_watch_stats st;
	struct libvirt_watch *w;
	struct frq_err err;
	sigset_t set;
	double before;
	int sig;

	if (argc != 2) {
		fprintf(stderr, "usage: libvirt_watch_probe URI\n");
		return 2;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (libvirt_watch_start(&w, &config, &err) < 0) {
		fprintf(stderr, "libvirt_watch_probe: %s\n", err.text);
		return EXIT_FAILURE;
	}
	(void)sigwait(&set, &sig);
	libvirt_watch_get_stats(w, &st);
	before = now(CLOCK_MONOTONIC);
	libvirt_watch_stop(w);
	printf("stopped in %.1f ms: %lu events, %lu maps read, %lu changed, %lu connects, %lu disconnects, %lu errors\n",
		(now(CLOCK_MONOTONIC) - before) * 1e3, (unsigned long)st.events,
		(unsigned long)st.maps_read, (unsigned long)st.maps_changed,
		(unsigned long)st.connects, (unsigned long)st.disconnects,
		(unsigned long)st.errors);
	return EXIT_SUCCESS;
}
