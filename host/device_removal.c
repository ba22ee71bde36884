/* SPDX-License-Identifier: BSD-3-Clause */
#include "device_removal.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* Where no event comes: libvirt may have been restarted. */
#define LOOK_MS	1000u

/*
 * A callback may still be under way when its registration is taken back, so
 * whoever is last out frees it.
 */
struct device_removal {
	virDomainPtr dom;
	uint64_t end_ms;
	int removed_id, failed_id;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	unsigned int users;
	bool event;	/* one that nobody looked at yet */
	bool refused;
};

static void
put(void *arg)
{
	struct device_removal *w = arg;
	bool last;

	(void)pthread_mutex_lock(&w->lock);
	last = --w->users == 0;
	(void)pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	(void)pthread_cond_destroy(&w->wake);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}

static void
tell(struct device_removal *w, bool refused)
{
	(void)pthread_mutex_lock(&w->lock);
	w->event = true;
	w->refused |= refused;
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
}

static void
on_removed(virConnectPtr conn, virDomainPtr dom, const char *alias, void *arg)
{
	(void)conn, (void)dom, (void)alias;
	tell(arg, false);
}

static void
on_refused(virConnectPtr conn, virDomainPtr dom, const char *alias, void *arg)
{
	(void)conn, (void)dom, (void)alias;
	tell(arg, true);
}

static int
add_callback(struct device_removal *w, int event, virConnectDomainEventGenericCallback fn)
{
	int id;

	(void)pthread_mutex_lock(&w->lock);
	w->users++;
	(void)pthread_mutex_unlock(&w->lock);
	id = virConnectDomainEventRegisterAny(virDomainGetConnect(w->dom), w->dom, event, fn, w, put);
	if (id >= 0)
		return id;
	/* Nobody calls put() then. */
	(void)pthread_mutex_lock(&w->lock);
	w->users--;
	(void)pthread_mutex_unlock(&w->lock);
	return id;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct device_removal *
device_removal_watch(virDomainPtr dom, unsigned int ms)
{
	struct device_removal *w = calloc(1, sizeof(*w));
	pthread_condattr_t monotonic;

	if (w == NULL)
		return NULL;
	w->dom = dom;
	w->end_ms = now_ms() + ms;
	w->users = 1;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->wake, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	w->removed_id = add_callback(w, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
		VIR_DOMAIN_EVENT_CALLBACK(on_removed));
	w->failed_id = add_callback(w, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
		VIR_DOMAIN_EVENT_CALLBACK(on_refused));
	return w;
}

void
device_removal_end(struct device_removal *w)
{
	virConnectPtr conn = virDomainGetConnect(w->dom);

	if (w->removed_id >= 0)
		(void)virConnectDomainEventDeregisterAny(conn, w->removed_id);
	if (w->failed_id >= 0)
		(void)virConnectDomainEventDeregisterAny(conn, w->failed_id);
	put(w);
}

bool
device_removal_wait(struct device_removal *w)
{
	uint64_t now = now_ms(), until = now + LOOK_MS < w->end_ms ? now + LOOK_MS : w->end_ms;
	const struct timespec end = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};
	bool go_on;
	int ret = 0;

	(void)pthread_mutex_lock(&w->lock);
	go_on = !w->refused && now < w->end_ms;
	while (go_on && !w->event && ret == 0)
		ret = pthread_cond_timedwait(&w->wake, &w->lock, &end);
	w->event = false;
	(void)pthread_mutex_unlock(&w->lock);
	return go_on;
}

bool
device_removal_refused(struct device_removal *w)
{
	bool refused;

	(void)pthread_mutex_lock(&w->lock);
	refused = w->refused;
	(void)pthread_mutex_unlock(&w->lock);
	return refused;
}
