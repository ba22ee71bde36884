/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon.h - the parts of freqringd, as main() puts them together */
#ifndef FRQ_DAEMON_H
#define FRQ_DAEMON_H

#include <pthread.h>
#include <time.h>

#include "applier.h"
#include "config.h"
#include "control.h"
#include "libvirt_job.h"
#include "libvirt_watch.h"
#include "poller.h"
#include "power.h"
#include "vms.h"

struct daemon {
	int argc;
	char **argv;
	struct config config;		/* in force */
	struct config config_given;	/* as it was given, for a reload to compare with */
	const struct power_ops *power;
	struct applier *applier;
	struct poller *poller;
	struct serial *serial;
	struct vhost *vhost;
	struct vms *vms;
	struct libvirt_watch *watch;
	struct libvirt_jobs *jobs;
	struct power_orders *orders;
	struct cpu_orders *cpu_orders;
	struct node_power *node;
	struct control *control;

	struct event_base *base;	/* of the control thread */
	struct event *on_applier, *on_poller, *on_map, *on_term, *on_int, *on_hup, *on_check, *on_event,
		*on_pm;
	int state_fd;			/* the locked state folder */
	/* eventfds that wake the control thread */
	int applier_fd, poller_fd, map_fd, event_fd;
	int pm_fd[2];			/* pipe: what guests' power management did */
	uint64_t event_published;	/* number of the last event that subscribers got */
	struct vm_map *new_map;		/* the libvirt thread stores, the control thread takes */

	unsigned int poller_lcore;
	bool poller_running, applier_running;
	pthread_t applier_thread;
	struct timespec started;
};

#endif /* FRQ_DAEMON_H */
