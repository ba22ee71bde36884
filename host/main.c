/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqringd - sets the frequency of the cores that VMs run on, as they ask
 *
 * main() starts the parts in the order in which they need each other and
 * ends them in the reverse one. Its threads: the poller (an EAL lcore), the
 * applier, two of the libvirt side, and this one, which runs one event loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>
#include <grp.h>
#include <pwd.h>
#include <rte_cycles.h>
#include <rte_launch.h>

#include "crash.h"
#include "daemon.h"
#include "eal.h"
#include "events.h"
#include "log.h"
#include "operator.h"
#include "operator_cpu.h"
#include "operator_domain.h"
#include "operator_node.h"
#include "operator_power.h"
#include "restore.h"
#include "serial.h"
#include "sigbus.h"
#include "status.h"
#include "telemetry.h"
#include "verify.h"
#include "vhost.h"

#define CHECK_CPUS_S 1	/* how often the CPUs' files are compared with what was set */

static const struct rpc_method methods[] = {
	{ "add_channels", true, add_channels_run },
	{ "add_vm", true, add_vm_run },
	{ "attach", true, attach_run },
	{ "detach", true, detach_run },
	{ "event_subscribe", false, event_subscribe_run },
	{ "events", false, events_run },
	{ "get_nodepm", false, get_nodepm_run },
	{ "get_powerstate", false, get_powerstate_run },
	{ "get_vcpupin", false, get_vcpupin_run },
	{ "list", false, list_run },
	{ "nodesuspend", true, nodesuspend_run },
	{ "reload", true, reload_run },
	{ "rm_vm", true, rm_vm_run },
	{ "set_channel_status", true, set_channel_status_run },
	{ "set_cpu_freq", true, set_cpu_freq_run },
	{ "set_powerstate", true, set_powerstate_run },
	{ "set_query", true, set_query_run },
	{ "set_vcpupin", true, set_vcpupin_run },
	{ "status", false, status_run },
	{ "verify", false, verify_run },
	{ "version", false, version_run },
	{ NULL, false, NULL },
};

/* ---- the control thread's events ----------------------------------------- */

static void
take_fd(int fd)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
}

static void
on_applier(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	take_fd(fd);
	vms_applier_done(d->vms);
	node_power_applied(d->node);
	cpu_orders_follow(d->cpu_orders);
}

static void
on_poller(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	take_fd(fd);
	vms_quarantined(d->vms);
}

/* What goes through the pipe, in one piece. */
struct pm_record {
	uint8_t uuid[16];
	enum guest_pm pm;
	struct sleep_time at;
};

static void
take_pm(struct daemon *d)
{
	struct pm_record r;

	while (read(d->pm_fd[0], &r, sizeof(r)) == sizeof(r)) {
		vms_pm(d->vms, r.uuid, r.pm, r.at);
		power_orders_follow(d->orders);
	}
}

static void
on_map(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct vm_map *map;

	(void)what;
	take_fd(fd);
	map = __atomic_exchange_n(&d->new_map, NULL, __ATOMIC_ACQ_REL);
	if (map == NULL)
		return;
	/* What happened before it was read comes first. */
	take_pm(d);
	vms_follow(d->vms, map);
	power_orders_follow(d->orders);
}

static void
on_pm(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	take_pm(arg);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct event_record e;

	(void)what;
	take_fd(fd);
	for (; event_next(d->event_published, &e); d->event_published = e.number)
		control_publish(d->control, "event", event_status(&e));
}

static void
on_check(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	node_power_tick(d->node);
	applier_check_cpus(d->applier);
	vms_tick(d->vms);
	power_orders_tick(d->orders);
	cpu_orders_follow(d->cpu_orders);
}

static void
on_stop_signal(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	FRQ_LOG(NOTICE, "SIG%s: stopping", sigabbrev_np((int)sig));
	(void)event_base_loopbreak(d->base);
}

/* On the libvirt thread. A map that nobody took yet is superseded, but not its event. */
static void
map_changed(struct vm_map *map, void *arg)
{
	struct daemon *d = arg;
	struct vm_map *last = __atomic_exchange_n(&d->new_map, NULL, __ATOMIC_ACQ_REL);
	const uint64_t one = 1;

	if (last != NULL && last->event_ns != 0)
		map->event_ns = last->event_ns;
	vm_map_free(last);
	__atomic_store_n(&d->new_map, map, __ATOMIC_RELEASE);
	(void)!write(d->map_fd, &one, sizeof(one));
}

/* On the thread of libvirt's loop. Where the pipe is full the next map says what is left to say. */
static void
guest_pm(const uint8_t uuid[16], enum guest_pm pm, struct sleep_time at, void *arg)
{
	const struct daemon *d = arg;
	struct pm_record r = { .pm = pm, .at = at };

	memcpy(r.uuid, uuid, sizeof(r.uuid));
	if (write(d->pm_fd[1], &r, sizeof(r)) != sizeof(r))
		FRQ_LOG(ERR, "what libvirt says of guests that sleep comes too fast: one event is lost");
}

/* Before any client of the control socket: see make_base. */
static int
watch_read(struct daemon *d, int fd, struct event **ev, event_callback_fn fn)
{
	*ev = event_new(d->base, fd, EV_READ | EV_PERSIST, fn, d);
	if (*ev != NULL)
		(void)event_priority_set(*ev, 0);
	return *ev != NULL && event_add(*ev, NULL) == 0 ? 0 : -ENOMEM;
}

static int
watch_pm(struct daemon *d)
{
	if (pipe2(d->pm_fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	return watch_read(d, d->pm_fd[0], &d->on_pm, on_pm);
}

static int
watch_fd(struct daemon *d, int *fd, struct event **ev, event_callback_fn fn)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return -errno;
	return watch_read(d, *fd, ev, fn);
}

static int
watch_signal(struct daemon *d, int sig, struct event **ev)
{
	*ev = evsignal_new(d->base, sig, on_stop_signal, d);
	return *ev != NULL && event_add(*ev, NULL) == 0 ? 0 : -ENOMEM;
}

static int
watch_cpus(struct daemon *d)
{
	const struct timeval every = { .tv_sec = CHECK_CPUS_S };

	d->on_check = event_new(d->base, -1, EV_PERSIST, on_check, d);
	return d->on_check != NULL && event_add(d->on_check, &every) == 0 ? 0 : -ENOMEM;
}

/*
 * Maps and what poller and applier tell come before clients: between two of
 * these, of which one may take a while, the others are looked for.
 */
static struct event_base *
make_base(void)
{
	struct event_config *c = event_config_new();
	struct event_base *base = NULL;

	if (c != NULL && event_config_set_max_dispatch_interval(c, NULL, 1, CONTROL_PRIORITY) == 0)
		base = event_base_new_with_config(c);
	if (c != NULL)
		event_config_free(c);
	if (base != NULL)
		(void)event_base_priority_init(base, CONTROL_PRIORITY + 1);
	return base;
}

static int
start_events(struct daemon *d, struct frq_err *err)
{
	(void)signal(SIGPIPE, SIG_IGN);
	d->base = make_base();
	if (d->base != NULL &&
	    watch_fd(d, &d->applier_fd, &d->on_applier, on_applier) == 0 &&
	    watch_fd(d, &d->poller_fd, &d->on_poller, on_poller) == 0 &&
	    watch_fd(d, &d->map_fd, &d->on_map, on_map) == 0 &&
	    watch_fd(d, &d->event_fd, &d->on_event, on_event) == 0 &&
	    watch_pm(d) == 0 &&
	    watch_signal(d, SIGTERM, &d->on_term) == 0 &&
	    watch_signal(d, SIGINT, &d->on_int) == 0 &&
	    watch_signal(d, SIGHUP, &d->on_hup) == 0 &&
	    watch_cpus(d) == 0)
		return 0;
	frq_err_set(err, "the event loop cannot be set up: %s", strerror(errno));
	return -ENOMEM;
}

static void
stop_events(struct daemon *d)
{
	struct event *events[] = {
		d->on_applier, d->on_poller, d->on_map, d->on_term, d->on_int, d->on_hup,
		d->on_check, d->on_event, d->on_pm,
	};
	int fds[] = { d->applier_fd, d->poller_fd, d->map_fd, d->event_fd, d->pm_fd[0], d->pm_fd[1] };

	event_notify(-1);

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	if (d->base != NULL)
		event_base_free(d->base);
	vm_map_free(d->new_map);
}

/* ---- the parts ------------------------------------------------------------ */

static int
start_power(struct daemon *d, struct frq_err *err)
{
	const struct power_config c = {
		.managed = d->config.managed_cpus,
		.state_dir = d->config.state_dir,
		.yield = d->config.drift == CONFIG_DRIFT_YIELD,
	};
	int ret;

	d->power = d->config.backend == CONFIG_BACKEND_SIMULATED ? &power_simulated :
		&power_librte;
	if (d->power->simulated)
		FRQ_LOG(WARNING, "backend simulated: frequencies are only pretended, nothing is set");
	ret = d->power->start(&c, err);
	if (ret == 0)
		crash_install(d->power->abandon);
	return ret;
}

static void *
applier_main(void *arg)
{
	(void)applier_run(arg);
	return NULL;
}

static int
start_applier(struct daemon *d, struct frq_err *err)
{
	const struct applier_config c = {
		.power = d->power,
		.managed = d->config.managed_cpus,
		.yield = d->config.drift == CONFIG_DRIFT_YIELD,
		.write_limit = d->config.write_limit,
		.failsafe = d->config.failsafe,
		.spin = d->config.applier_cpu != d->config.poller_cpu,
		.done_fd = d->applier_fd,
	};
	int cpu = d->config.applier_cpu;
	cpu_set_t set;
	int ret;

	d->applier = applier_create(&c);
	if (d->applier == NULL) {
		frq_err_set(err, "no memory for the applier");
		return -ENOMEM;
	}
	ret = pthread_create(&d->applier_thread, NULL, applier_main, d->applier);
	if (ret != 0) {
		frq_err_set(err, "no thread for the applier: %s", strerror(ret));
		return -ret;
	}
	d->applier_running = true;
	(void)pthread_setname_np(d->applier_thread, "frq-applier");
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	ret = pthread_setaffinity_np(d->applier_thread, sizeof(set), &set);
	if (ret != 0)
		FRQ_LOG(WARNING, "the applier cannot be put on CPU %d: %s", cpu, strerror(ret));
	return 0;
}

static int
start_poller(struct daemon *d, struct frq_err *err)
{
	const struct poller_config c = {
		.queue = applier_queue(d->applier),
		.tsc_hz = rte_get_tsc_hz(),
		.notify_fd = d->poller_fd,
	};
	int ret;

	d->poller = poller_create(&c);
	if (d->poller == NULL) {
		frq_err_set(err, "no memory for the poller");
		return -ENOMEM;
	}
	ret = rte_eal_remote_launch(poller_run, d->poller, d->poller_lcore);
	if (ret != 0) {
		frq_err_set(err, "lcore %u does not take the poller: %s", d->poller_lcore,
			strerror(-ret));
		return ret;
	}
	d->poller_running = true;
	return 0;
}

/* The folder is locked as long as we live: two daemons cannot share it. */
static int
start_state(struct daemon *d, struct frq_err *err)
{
	const char *dir = d->config.state_dir;
	int ret;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		goto fail;
	d->state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->state_fd < 0)
		goto fail;
	if (flock(d->state_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK) {
		frq_err_set(err, "[daemon] state_dir = %s: another freqringd works there", dir);
		return -EBUSY;
	}
fail:
	ret = -errno;
	frq_err_set(err, "[daemon] state_dir = %s: %s", dir, strerror(errno));
	return ret;
}

static int
start_serial(struct daemon *d, struct frq_err *err)
{
	const struct passwd *user = getpwnam(d->config.qemu_user);
	const struct serial_config c = {
		.base = d->base,
		.qemu_user = user != NULL ? user->pw_uid : 0,
		.physical = d->config.serial_physical,
	};

	d->serial = serial_create(&c);
	if (d->serial != NULL)
		return 0;
	frq_err_set(err, "no memory for serial channels");
	return -ENOMEM;
}

static int
start_vhost(struct daemon *d, struct frq_err *err)
{
	const struct passwd *user = getpwnam(d->config.qemu_user);
	const struct vhost_config c = {
		.poller = d->poller,
		.tsc_hz = rte_get_tsc_hz(),
		.qemu_user = user != NULL ? user->pw_uid : 0,
		.notify_fd = d->poller_fd,
	};

	/* QEMU makes its sockets there. One that is there is somebody's to keep. */
	if (mkdir(d->config.vhost_dir, 0755) == 0 && user != NULL && geteuid() == 0)
		(void)!chown(d->config.vhost_dir, user->pw_uid, user->pw_gid);
	d->vhost = vhost_create(&c);
	if (d->vhost != NULL)
		return 0;
	frq_err_set(err, "no memory for vhost-user ports");
	return -ENOMEM;
}

static int
start_vms(struct daemon *d, struct frq_err *err)
{
	const struct vms_config c = {
		.config = &d->config,
		.poller = d->poller,
		.applier = d->applier,
		.power = d->power,
		.serial = d->serial,
		.vhost = d->vhost,
	};

	d->vms = vms_create(&c, err);
	return d->vms != NULL ? 0 : -ENOMEM;
}

static gid_t
group_number(const char *name)
{
	const struct group *group = getgrnam(name);

	return group != NULL ? group->gr_gid : (gid_t)-1;
}

static int
start_control(struct daemon *d, struct frq_err *err)
{
	const struct control_config c = {
		.path = d->config.socket,
		.group = group_number(d->config.group),
		.admin_group = group_number(d->config.admin_group),
		.methods = methods,
		.arg = d,
	};
	int ret = control_start(&d->control, d->base, &c, err);

	if (ret == 0)
		event_notify(d->event_fd);
	return ret;
}

static int
start_jobs(struct daemon *d, struct frq_err *err)
{
	const struct libvirt_jobs_config c = {
		.base = d->base,
		.uri = d->config.uri,
		.affinity = d->config.control_cpus,
		.seconds = LIBVIRT_JOB_SECONDS,
	};

	d->jobs = libvirt_jobs_create(&c, err);
	return d->jobs != NULL ? 0 : -ENOMEM;
}

static int
start_orders(struct daemon *d, struct frq_err *err)
{
	d->orders = power_orders_create(d, err);
	return d->orders != NULL ? 0 : -ENOMEM;
}

static int
start_cpu_orders(struct daemon *d, struct frq_err *err)
{
	d->cpu_orders = cpu_orders_create(d, err);
	return d->cpu_orders != NULL ? 0 : -ENOMEM;
}

static int
start_node(struct daemon *d, struct frq_err *err)
{
	d->node = node_power_create(d, err);
	return d->node != NULL ? 0 : -ENOMEM;
}

static int
start_libvirt(struct daemon *d, struct frq_err *err)
{
	const struct libvirt_watch_config c = {
		.uri = d->config.uri,
		.shmem_prefix = FRQ_SHMEM_PREFIX,
		.affinity = d->config.control_cpus,
		.changed = map_changed,
		.pm = guest_pm,
		.arg = d,
	};

	return libvirt_watch_start(&d->watch, &c, err);
}

static int
start_dpdk(struct daemon *d, struct frq_err *err)
{
	int ret = sigbus_install();

	if (ret < 0) {
		frq_err_set(err, "no handler for SIGBUS: %s", strerror(-ret));
		return ret;
	}
	return eal_start(&d->config, &d->poller_lcore, err);
}

/* Each stands on those before it. */
static int (*const parts[])(struct daemon *d, struct frq_err *err) = {
	start_state,
	start_dpdk,
	start_power,
	start_events,
	start_applier,
	start_poller,
	start_serial,
	start_vhost,
	start_vms,
	start_jobs,
	start_orders,
	start_cpu_orders,
	start_node,
	start_control,
	start_libvirt,
	telemetry_start,
};

static int
start(struct daemon *d, struct frq_err *err)
{
	int ret = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && ret == 0; i++)
		ret = parts[i](d, err);
	return ret;
}

static void
stop(struct daemon *d)
{
	telemetry_stop();
	libvirt_jobs_free(d->jobs);
	power_orders_free(d->orders);
	cpu_orders_free(d->cpu_orders);
	node_power_free(d->node);
	if (d->watch != NULL)
		libvirt_watch_stop(d->watch);
	if (d->control != NULL)
		control_stop(d->control);
	vms_disconnect(d->vms);
	if (d->poller_running) {
		poller_stop(d->poller);
		(void)rte_eal_wait_lcore(d->poller_lcore);
	}
	if (d->applier_running) {
		applier_stop(d->applier);
		(void)pthread_join(d->applier_thread, NULL);
	}
	vms_free(d->vms);
	serial_free(d->serial);
	vhost_free(d->vhost);
	poller_free(d->poller);
	applier_free(d->applier);
	stop_events(d);
	if (d->state_fd >= 0)
		(void)close(d->state_fd);
}

/* freqringd --restore */
static int
restore(const struct config *c)
{
	struct frq_err err;

	if (restore_run(c->state_dir, c->drift == CONFIG_DRIFT_YIELD, &err) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "freqringd: %s\n", err.text);
	return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	static struct daemon d = {
		.power = &power_librte,
		.state_fd = -1, .applier_fd = -1, .poller_fd = -1, .map_fd = -1, .event_fd = -1,
		.pm_fd = { -1, -1 },
	};
	struct frq_err err = { .text = "" };
	int ret;

	d.argc = argc;
	d.argv = argv;
	ret = config_load(&d.config, argc, argv);
	if (ret != 0)
		return ret < 0 ? 2 : EXIT_SUCCESS;
	if (!config_read(&d.config_given, argc, argv, &err)) {
		fprintf(stderr, "freqringd: %s\n", err.text);
		return 2;
	}
	if (d.config.restore)
		return restore(&d.config);
	(void)clock_gettime(CLOCK_MONOTONIC, &d.started);
	ret = start(&d, &err);
	if (ret == 0) {
		FRQ_LOG(NOTICE, "ready: poller on CPU %d, backend %s, libvirt %s, control socket %s",
			d.config.poller_cpu, d.power->name, d.config.uri, d.config.socket);
		(void)event_base_dispatch(d.base);
	} else {
		fprintf(stderr, "freqringd: %s\n", err.text);
	}
	stop(&d);
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
