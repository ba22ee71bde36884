/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two threads. One runs libvirt's event loop and does nothing else: that loop
 * also drives keepalive, so a thread that called libvirt and ran the loop,
 * too, would wait for ever for a daemon that hangs (seen with libvirt 9.0).
 * The other, the reader, makes every call: it opens the connection, reads
 * once a second, or at once when the loop saw an event, and hands maps over.
 * However many events came while it was busy, they cost one read.
 *
 * libvirt's event loop is one per process, so there can be one watch at a
 * time.
 */
#include "libvirt_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <libvirt/libvirt.h>

#include "events.h"
#include "libvirt_snapshot.h"
#include "log.h"
#include "thread.h"
#include "virt_error.h"
#include "virt_library.h"

#define READ_MS 1000
/* Each so many timed reads one that looks at everything. */
#define FULL_EVERY 10
#define BACKOFF_MIN_MS 250u
#define BACKOFF_MAX_MS 10000u
/* A daemon that does not answer for 20 s is as good as gone. */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3
#define STOP_MS 2000

#define NB_EVENTS 7
/* Domains of which there was news; of more, all are read. */
#define MAX_DIRTY 16u

/* Devices that were added before their domain was known as one of ours. */
#define MAX_ADDED 8u

/* What there is to read. */
struct news {
	bool any, all;
	unsigned int nb;
	struct libvirt_news of[MAX_DIRTY];
	uint64_t event_ns;		/* CLOCK_MONOTONIC of the first event, 0: none */
	unsigned int nb_added;
	struct added {
		uint8_t uuid[VIR_UUID_BUFLEN];
		char vm[256], alias[64];
	} added[MAX_ADDED];
};

struct libvirt_watch {
	struct libvirt_watch_config c;
	char *uri, *prefix;
	pthread_t loop, reader;
	struct libvirt_watch_stats stats;	/* each word atomically */

	/* the loop */
	int stop_fd, stop_watch;
	bool loop_stop;

	/* both, under the lock; `wake` says that one of them changed */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;			/* nobody wants maps any more */
	bool reader_done;
	struct news news;		/* since the last read began */
	const char *lost;		/* why the connection is no good any more */
	char last_error[200];
	uint8_t (*ours)[VIR_UUID_BUFLEN];	/* domains with a device of ours */
	unsigned int nb_ours;

	/* the reader */
	virConnectPtr conn;
	int event_id[NB_EVENTS];
	unsigned int timed_reads;
	uint64_t next_timed_ns;
	bool synced;			/* everything was read on this connection */
	unsigned int backoff_ms;
	int said;			/* code of the failure that was logged */
	struct libvirt_snapshot *snapshot;
	struct vm_map *last;		/* as handed over */
	uint64_t generation;
};

static void
count(uint64_t *counter)
{
	(void)__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* ---- maps ---------------------------------------------------------------- */

static void
note_ours(struct libvirt_watch *w, const struct vm_map *map)
{
	uint8_t (*ours)[VIR_UUID_BUFLEN] = calloc(map->nb_vms + 1, sizeof(*ours));
	unsigned int nb = 0;

	for (unsigned int i = 0; ours != NULL && i < map->nb_vms; i++)
		if (map->vm[i]->shmem[0] != '\0' || map->vm[i]->serial != 0 ||
		    map->vm[i]->vhost[0] != '\0')
			memcpy(ours[nb++], map->vm[i]->uuid, VIR_UUID_BUFLEN);
	(void)pthread_mutex_lock(&w->lock);
	free(w->ours);
	w->ours = ours;
	w->nb_ours = nb;
	(void)pthread_mutex_unlock(&w->lock);
}

/* Takes the map. */
static void
publish(struct libvirt_watch *w, struct vm_map *map)
{
	struct vm_map *copy;

	if (w->last != NULL && vm_map_equal(w->last, map)) {
		vm_map_free(map);
		return;
	}
	map->generation = w->generation + 1;
	copy = vm_map_copy(map);
	if (copy == NULL) {
		FRQ_LOG(ERR, "no memory for a map of the VMs: the last one stays in force");
		vm_map_free(map);
		return;
	}
	w->generation++;
	count(&w->stats.maps_changed);
	if (map->connected)
		note_ours(w, map);
	vm_map_free(w->last);
	w->last = map;
	(void)pthread_mutex_lock(&w->lock);
	if (w->stopping)
		vm_map_free(copy);
	else
		w->c.changed(copy, w->c.arg);
	(void)pthread_mutex_unlock(&w->lock);
}

static void
publish_disconnected(struct libvirt_watch *w)
{
	struct vm_map *map = calloc(1, sizeof(*map));

	if (map != NULL)
		publish(w, map);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
note_error(struct libvirt_watch *w, const char *what, const char *why)
{
	(void)pthread_mutex_lock(&w->lock);
	(void)snprintf(w->last_error, sizeof(w->last_error), "%s%s%s", what,
		why[0] != '\0' ? ": " : "", why);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Once for each cause, however often it is met. */
static void
say_failure(struct libvirt_watch *w, int code, const char *what, const char *why)
{
	count(&w->stats.errors);
	note_error(w, what, why);
	if (w->said == code)
		return;
	w->said = code;
	FRQ_LOG(WARNING, "libvirt at %s: %s: %s; trying again until it works",
		w->uri, what, why);
}

/* ---- what the loop tells the reader --------------------------------------- */

static void
tell_lost(struct libvirt_watch *w, const char *why)
{
	(void)pthread_mutex_lock(&w->lock);
	if (w->lost == NULL)
		w->lost = why;
	(void)pthread_cond_broadcast(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
}

/* @param uuid  of the domain there is news of; NULL: all */
static void
tell_news(struct libvirt_watch *w, const uint8_t *uuid, bool pins_only)
{
	struct news *n = &w->news;
	bool known = false;

	(void)pthread_mutex_lock(&w->lock);
	n->any = true;
	if (n->event_ns == 0 && uuid != NULL)
		n->event_ns = now_ns();
	for (unsigned int i = 0; uuid != NULL && i < n->nb; i++) {
		if (memcmp(n->of[i].uuid, uuid, VIR_UUID_BUFLEN) != 0)
			continue;
		known = true;
		n->of[i].pins_only &= pins_only;
	}
	if (uuid == NULL || (!known && n->nb == MAX_DIRTY)) {
		n->all = true;
	} else if (!known) {
		memcpy(n->of[n->nb].uuid, uuid, VIR_UUID_BUFLEN);
		n->of[n->nb++].pins_only = pins_only;
	}
	(void)pthread_cond_broadcast(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
}

static const char *
take_lost(struct libvirt_watch *w)
{
	const char *why;

	(void)pthread_mutex_lock(&w->lock);
	why = w->lost;
	w->lost = NULL;
	(void)pthread_mutex_unlock(&w->lock);
	return why;
}

static struct news
take_news(struct libvirt_watch *w)
{
	struct news n;

	(void)pthread_mutex_lock(&w->lock);
	n = w->news;
	w->news = (struct news){ .any = false };
	(void)pthread_mutex_unlock(&w->lock);
	return n;
}

static struct timespec
in_ms(unsigned int ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/*
 * Until there is something to do; without a connection news of the last one is
 * nothing. Returns whether there is any more.
 */
static bool
wait_for_work(struct libvirt_watch *w, unsigned int ms)
{
	bool connected = w->conn != NULL;
	const struct timespec end = in_ms(ms);
	int ret = 0;
	bool go_on;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->stopping && !(connected && (w->news.any || w->lost != NULL)) && ret == 0)
		ret = pthread_cond_timedwait(&w->wake, &w->lock, &end);
	go_on = !w->stopping;
	(void)pthread_mutex_unlock(&w->lock);
	return go_on;
}

/* ---- events --------------------------------------------------------------- */

static void
on_news(struct libvirt_watch *w, virDomainPtr dom, bool pins_only)
{
	uint8_t uuid[VIR_UUID_BUFLEN];

	count(&w->stats.events);
	tell_news(w, virDomainGetUUID(dom, uuid) == 0 ? uuid : NULL, pins_only);
}

static void
on_event(struct libvirt_watch *w, virDomainPtr dom)
{
	on_news(w, dom, false);
}

/* Not when it is done: what happened meanwhile is no news of this event. */
static void
tell_pm(struct libvirt_watch *w, virDomainPtr dom, enum guest_pm pm)
{
	uint8_t uuid[VIR_UUID_BUFLEN];
	struct timespec real;
	struct sleep_time at;

	if (w->c.pm == NULL || virDomainGetUUID(dom, uuid) < 0)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &real);
	at.mono_ns = now_ns();
	at.real_ms = (int64_t)real.tv_sec * 1000 + real.tv_nsec / 1000000;
	(void)pthread_mutex_lock(&w->lock);
	if (!w->stopping)
		w->c.pm(uuid, pm, at, w->c.arg);
	(void)pthread_mutex_unlock(&w->lock);
}

static int
on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
	(void)conn, (void)detail;
	if (event == VIR_DOMAIN_EVENT_STARTED)
		tell_pm(arg, dom, GUEST_PM_STARTED);
	on_event(arg, dom);
	return 0;
}

static void
on_tunable(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params, int nb, void *arg)
{
	(void)conn, (void)params, (void)nb;
	on_news(arg, dom, true);
}

/* Most domains of a host may have nothing to do with us. */
static bool
has_ours(struct libvirt_watch *w, const uint8_t *uuid)
{
	bool ours = false;

	(void)pthread_mutex_lock(&w->lock);
	for (unsigned int i = 0; i < w->nb_ours; i++)
		ours |= memcmp(w->ours[i], uuid, VIR_UUID_BUFLEN) == 0;
	(void)pthread_mutex_unlock(&w->lock);
	return ours;
}

static bool
is_ours(struct libvirt_watch *w, virDomainPtr dom)
{
	uint8_t uuid[VIR_UUID_BUFLEN];

	return virDomainGetUUID(dom, uuid) == 0 && has_ours(w, uuid);
}

static void __attribute__((format(printf, 4, 5)))
tell_event(struct libvirt_watch *w, virDomainPtr dom, enum event_kind kind, const char *fmt, ...)
{
	const char *vm = virDomainGetName(dom);
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (vm != NULL && is_ours(w, dom))
		event_raise(kind, vm, "VM %s: %s", vm, text);
	on_event(w, dom);
}

/* It may be what makes the domain ours, which the next read finds out. */
static void
remember_added(struct libvirt_watch *w, virDomainPtr dom, const char *alias)
{
	const char *vm = virDomainGetName(dom);
	struct added a;

	if (vm == NULL || virDomainGetUUID(dom, a.uuid) < 0)
		return;
	(void)snprintf(a.vm, sizeof(a.vm), "%s", vm);
	(void)snprintf(a.alias, sizeof(a.alias), "%s", alias);
	(void)pthread_mutex_lock(&w->lock);
	if (w->news.nb_added < MAX_ADDED)
		w->news.added[w->news.nb_added++] = a;
	(void)pthread_mutex_unlock(&w->lock);
}

static void
on_device_added(virConnectPtr conn, virDomainPtr dom, const char *alias, void *arg)
{
	struct libvirt_watch *w = arg;

	(void)conn;
	if (is_ours(w, dom)) {
		tell_event(w, dom, EVENT_DEVICE, "device %s was added", alias);
		return;
	}
	/* In this order: it stays until a read that began after the news. */
	on_event(w, dom);
	remember_added(w, dom, alias);
}

static void
on_device_removed(virConnectPtr conn, virDomainPtr dom, const char *alias, void *arg)
{
	(void)conn;
	tell_event(arg, dom, EVENT_DEVICE, "device %s was removed", alias);
}

static void
on_pm_suspend(virConnectPtr conn, virDomainPtr dom, int reason, void *arg)
{
	(void)conn, (void)reason;
	tell_pm(arg, dom, GUEST_PM_SUSPEND);
	tell_event(arg, dom, EVENT_PM_SUSPEND, "its guest suspended to memory");
}

static void
on_pm_suspend_disk(virConnectPtr conn, virDomainPtr dom, int reason, void *arg)
{
	(void)conn, (void)reason;
	tell_pm(arg, dom, GUEST_PM_SUSPEND_DISK);
	tell_event(arg, dom, EVENT_PM_SUSPEND_DISK, "its guest suspended to disk");
}

static void
on_pm_wakeup(virConnectPtr conn, virDomainPtr dom, int reason, void *arg)
{
	(void)conn, (void)reason;
	tell_pm(arg, dom, GUEST_PM_WAKEUP);
	tell_event(arg, dom, EVENT_PM_WAKEUP, "its guest woke up");
}

/*
 * Their order says nothing (RESUMED may come before STARTED): each makes the
 * reader look at the domain as it is by then.
 */
static const struct {
	int id;
	virConnectDomainEventGenericCallback fn;
} events[NB_EVENTS] = {
	{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
	{ VIR_DOMAIN_EVENT_ID_TUNABLE, VIR_DOMAIN_EVENT_CALLBACK(on_tunable) },
	{ VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device_added) },
	{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device_removed) },
	{ VIR_DOMAIN_EVENT_ID_PMSUSPEND, VIR_DOMAIN_EVENT_CALLBACK(on_pm_suspend) },
	{ VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK, VIR_DOMAIN_EVENT_CALLBACK(on_pm_suspend_disk) },
	{ VIR_DOMAIN_EVENT_ID_PMWAKEUP, VIR_DOMAIN_EVENT_CALLBACK(on_pm_wakeup) },
};

static void
on_close(virConnectPtr conn, int reason, void *arg)
{
	static const char *const text[] = {
		[VIR_CONNECT_CLOSE_REASON_ERROR] = "an error on the connection",
		[VIR_CONNECT_CLOSE_REASON_EOF] = "the daemon ended",
		[VIR_CONNECT_CLOSE_REASON_KEEPALIVE] = "the daemon does not answer any more",
		[VIR_CONNECT_CLOSE_REASON_CLIENT] = "closed on our side",
	};

	(void)conn;
	tell_lost(arg, reason >= 0 && (size_t)reason < sizeof(text) / sizeof(text[0]) ?
		text[reason] : "closed");
}

/* ---- the connection ------------------------------------------------------ */

static void
register_events(struct libvirt_watch *w)
{
	bool missing = false;

	for (unsigned int i = 0; i < NB_EVENTS; i++) {
		w->event_id[i] = virConnectDomainEventRegisterAny(w->conn, NULL, events[i].id,
			events[i].fn, w, NULL);
		missing |= w->event_id[i] < 0;
	}
	if (missing)
		FRQ_LOG(WARNING, "libvirt at %s does not send all events (%s): changes are seen within a second",
			w->uri, virt_error_text());
}

static void
disconnect(struct libvirt_watch *w)
{
	if (w->conn == NULL)
		return;
	for (unsigned int i = 0; i < NB_EVENTS; i++)
		if (w->event_id[i] >= 0)
			(void)virConnectDomainEventDeregisterAny(w->conn, w->event_id[i]);
	(void)virConnectUnregisterCloseCallback(w->conn, on_close);
	(void)virConnectClose(w->conn);
	w->conn = NULL;
	count(&w->stats.disconnects);
	__atomic_store_n(&w->stats.connected, false, __ATOMIC_RELAXED);
}

static void
connect_now(struct libvirt_watch *w)
{
	virResetLastError();
	w->conn = virConnectOpenReadOnly(w->uri);
	if (w->conn == NULL) {
		int code = virt_error_code();

		say_failure(w, code, code == VIR_ERR_SYSTEM_ERROR ?
			"no connection (is libvirtd or virtqemud running?)" : "no connection",
			virt_error_text());
		publish_disconnected(w);
		return;
	}
	/* What the last connection left behind says nothing about this one. */
	(void)take_lost(w);
	/*
	 * A driver inside our process has no connection to lose: it refuses
	 * either call, and that is all right.
	 */
	(void)virConnectSetKeepAlive(w->conn, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
	(void)virConnectRegisterCloseCallback(w->conn, on_close, w, NULL);
	register_events(w);
	tell_news(w, NULL, false);
	w->synced = false;
	count(&w->stats.connects);
	__atomic_store_n(&w->stats.connected, true, __ATOMIC_RELAXED);
	note_error(w, "", "");
	event_raise(EVENT_LIBVIRT_CONNECTED, NULL,
		"libvirt at %s: connected, its events are on, reading all domains", w->uri);
}

/* Spread by a quarter either way: not all of a host's clients at once. */
static unsigned int
next_backoff(struct libvirt_watch *w)
{
	unsigned int ms = w->backoff_ms;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	w->backoff_ms = ms * 2 < BACKOFF_MAX_MS ? ms * 2 : BACKOFF_MAX_MS;
	return ms - ms / 4 + (unsigned int)(now.tv_nsec / 1000) % (ms / 2 + 1);
}

/* ---- the reader ----------------------------------------------------------- */

/* What an event was about at once; everything when it is time for that. */
static int
read_news(struct libvirt_watch *w, const struct news *n, struct vm_map **map, struct frq_err *err)
{
	uint64_t now = now_ns();
	bool full = n->all || w->timed_reads % FULL_EVERY == 0;

	if (!n->all && now < w->next_timed_ns)
		return libvirt_snapshot_read_some(w->snapshot, w->conn, n->of, n->nb, map, err);
	w->next_timed_ns = now + READ_MS * UINT64_C(1000000);
	w->timed_reads++;
	/* The others may have to be looked at less closely. */
	if (!full && n->nb > 0) {
		int ret = libvirt_snapshot_read_some(w->snapshot, w->conn, n->of, n->nb, map, err);

		if (ret < 0)
			return ret;
		vm_map_free(*map);
	}
	return libvirt_snapshot_read(w->snapshot, w->conn, full, map, err);
}

static void
tell_added(struct libvirt_watch *w, const struct news *n)
{
	for (unsigned int i = 0; i < n->nb_added; i++)
		if (has_ours(w, n->added[i].uuid))
			event_raise(EVENT_DEVICE, n->added[i].vm, "VM %s: device %s was added",
				n->added[i].vm, n->added[i].alias);
}

static void
read_map(struct libvirt_watch *w)
{
	uint64_t began = now_ns();
	struct news n = take_news(w);
	struct vm_map *map;
	struct frq_err err;

	if (read_news(w, &n, &map, &err) < 0) {
		if (virConnectIsAlive(w->conn) != 1)
			tell_lost(w, "the connection broke");
		else
			say_failure(w, -1, "cannot be read", err.text);
		return;
	}
	count(&w->stats.maps_read);
	w->backoff_ms = BACKOFF_MIN_MS;
	w->said = VIR_ERR_OK;
	map->event_ns = n.event_ns;
	map->read_ns = began;
	if (!w->synced)
		event_raise(EVENT_LIBVIRT_SYNCED, NULL, "libvirt at %s: all %u domains read",
			w->uri, map->nb_vms);
	w->synced = true;
	publish(w, map);
	tell_added(w, &n);
}

static unsigned int
until_timed_ms(const struct libvirt_watch *w)
{
	uint64_t now = now_ns();

	return now < w->next_timed_ns ? (unsigned int)((w->next_timed_ns - now) / 1000000) + 1 : 0;
}

/* Returns how long there is nothing to do unless something happens. */
static unsigned int
reader_turn(struct libvirt_watch *w)
{
	const char *lost;

	if (w->conn == NULL)
		connect_now(w);
	if (w->conn == NULL)
		return next_backoff(w);
	read_map(w);
	lost = take_lost(w);
	if (lost == NULL)
		return until_timed_ms(w);
	note_error(w, lost, "");
	event_raise(EVENT_LIBVIRT_LOST, NULL,
		"libvirt at %s is lost: %s; the last map stays in force, no VM is admitted; trying again every %g to %u s",
		w->uri, lost, BACKOFF_MIN_MS / 1000.0, BACKOFF_MAX_MS / 1000);
	disconnect(w);
	publish_disconnected(w);
	return next_backoff(w);
}

static void *
reader_main(void *arg)
{
	struct libvirt_watch *w = arg;
	unsigned int ms;

	do {
		ms = reader_turn(w);
	} while (wait_for_work(w, ms));
	disconnect(w);
	(void)pthread_mutex_lock(&w->lock);
	w->reader_done = true;
	(void)pthread_cond_broadcast(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- the loop ------------------------------------------------------------- */

static void
on_stop(int watch, int fd, int what, void *arg)
{
	struct libvirt_watch *w = arg;

	(void)watch, (void)fd, (void)what;
	w->loop_stop = true;
}

static void
on_drained(int timer, void *arg)
{
	bool *drained = arg;

	(void)timer;
	*drained = true;
}

/*
 * libvirt's loop frees what was taken out of it when it is idle; a socket is
 * closed only then. A short timer says that it has been.
 */
static void
drain_loop(void)
{
	bool drained = false;
	int timer = virEventAddTimeout(5, on_drained, &drained, NULL);

	while (timer >= 0 && !drained && virEventRunDefaultImpl() == 0)
		;
	if (timer >= 0)
		(void)virEventRemoveTimeout(timer);
}

static void *
loop_main(void *arg)
{
	struct libvirt_watch *w = arg;

	while (!w->loop_stop) {
		if (virEventRunDefaultImpl() < 0) {
			FRQ_LOG(ERR, "libvirt's event loop ended (%s): changes of VMs are seen within a second",
				virt_error_text());
			return NULL;
		}
	}
	(void)virEventRemoveHandle(w->stop_watch);
	drain_loop();
	return NULL;
}

/* ---- start and stop ------------------------------------------------------- */

static void
free_watch(struct libvirt_watch *w)
{
	if (w->stop_fd >= 0)
		(void)close(w->stop_fd);
	(void)pthread_cond_destroy(&w->wake);
	(void)pthread_mutex_destroy(&w->lock);
	libvirt_snapshot_free(w->snapshot);
	vm_map_free(w->last);
	free(w->ours);
	free(w->uri);
	free(w->prefix);
	free(w);
}

static void
init_lock(struct libvirt_watch *w)
{
	pthread_condattr_t monotonic;

	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->wake, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

static struct libvirt_watch *
make_watch(const struct libvirt_watch_config *c)
{
	struct libvirt_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->c = *c;
	w->backoff_ms = BACKOFF_MIN_MS;
	init_lock(w);
	w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->uri = strdup(c->uri);
	w->prefix = strdup(c->shmem_prefix);
	if (w->prefix != NULL)
		w->snapshot = libvirt_snapshot_create(w->prefix);
	if (w->stop_fd < 0 || w->uri == NULL || w->snapshot == NULL) {
		free_watch(w);
		return NULL;
	}
	return w;
}

static void
stop_loop(struct libvirt_watch *w)
{
	const uint64_t one = 1;

	(void)!write(w->stop_fd, &one, sizeof(one));
	(void)pthread_join(w->loop, NULL);
}

static int
start_threads(struct libvirt_watch *w, struct frq_err *err)
{
	int ret;

	w->stop_watch = virEventAddHandle(w->stop_fd, VIR_EVENT_HANDLE_READABLE, on_stop, w, NULL);
	if (w->stop_watch < 0) {
		frq_err_set(err, "libvirt's event loop cannot be used: %s", virt_error_text());
		return -EIO;
	}
	ret = frq_thread_create(&w->loop, loop_main, w, "frq-libvirt-ev", &w->c.affinity);
	if (ret < 0) {
		(void)virEventRemoveHandle(w->stop_watch);
	} else {
		ret = frq_thread_create(&w->reader, reader_main, w, "frq-libvirt", &w->c.affinity);
		if (ret < 0)
			stop_loop(w);
	}
	if (ret < 0)
		frq_err_set(err, "no thread for watching libvirt: %s", strerror(-ret));
	return ret;
}

int
libvirt_watch_start(struct libvirt_watch **out, const struct libvirt_watch_config *c,
	struct frq_err *err)
{
	struct libvirt_watch *w;
	int ret;

	ret = virt_library_start(err);
	if (ret < 0)
		return ret;
	w = make_watch(c);
	if (w == NULL) {
		frq_err_set(err, "no memory or no file number for watching libvirt");
		return -ENOMEM;
	}
	ret = start_threads(w, err);
	if (ret < 0) {
		free_watch(w);
		return ret;
	}
	*out = w;
	return 0;
}

void
libvirt_watch_refresh(struct libvirt_watch *w)
{
	tell_news(w, NULL, false);
}

void
libvirt_watch_get_stats(struct libvirt_watch *w, struct libvirt_watch_stats *st)
{
	*st = (struct libvirt_watch_stats){
		.events = __atomic_load_n(&w->stats.events, __ATOMIC_RELAXED),
		.maps_read = __atomic_load_n(&w->stats.maps_read, __ATOMIC_RELAXED),
		.maps_changed = __atomic_load_n(&w->stats.maps_changed, __ATOMIC_RELAXED),
		.connects = __atomic_load_n(&w->stats.connects, __ATOMIC_RELAXED),
		.disconnects = __atomic_load_n(&w->stats.disconnects, __ATOMIC_RELAXED),
		.errors = __atomic_load_n(&w->stats.errors, __ATOMIC_RELAXED),
		.connected = __atomic_load_n(&w->stats.connected, __ATOMIC_RELAXED),
	};
	(void)pthread_mutex_lock(&w->lock);
	(void)snprintf(st->last_error, sizeof(st->last_error), "%s", w->last_error);
	(void)pthread_mutex_unlock(&w->lock);
}

static bool
wait_for_reader(struct libvirt_watch *w)
{
	const struct timespec end = in_ms(STOP_MS);
	bool done;
	int ret = 0;

	(void)pthread_mutex_lock(&w->lock);
	w->stopping = true;
	(void)pthread_cond_broadcast(&w->wake);
	while (!w->reader_done && ret == 0)
		ret = pthread_cond_timedwait(&w->wake, &w->lock, &end);
	done = w->reader_done;
	(void)pthread_mutex_unlock(&w->lock);
	return done;
}

void
libvirt_watch_stop(struct libvirt_watch *w)
{
	if (!wait_for_reader(w)) {
		/*
		 * It waits in a call for a daemon that hangs, and libvirt has
		 * no way to take a call back. What it uses stays with it.
		 */
		FRQ_LOG(WARNING, "libvirt at %s does not answer: its threads are left behind", w->uri);
		(void)pthread_detach(w->reader);
		(void)pthread_detach(w->loop);
		return;
	}
	(void)pthread_join(w->reader, NULL);
	stop_loop(w);
	free_watch(w);
}
