/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "events.h"
#include "log.h"

/* Number N is in record N % EVENTS_KEPT. */
static struct {
	pthread_mutex_t lock;
	uint64_t last;
	int notify_fd;		/* or -1 */
	struct event_record record[EVENTS_KEPT];
} events = { .lock = PTHREAD_MUTEX_INITIALIZER, .notify_fd = -1 };

static const struct {
	const char *name;
	bool warning;
} kinds[EVENT_KIND_COUNT] = {
	[EVENT_DRIFT] = { "drift", true },
	[EVENT_DRIFT_OVER] = { "drift-over", false },
	[EVENT_REFUSED] = { "refused", true },
	[EVENT_REFUSED_OVER] = { "refused-over", false },
	[EVENT_OFFLINE] = { "offline", true },
	[EVENT_ONLINE] = { "online", false },
	[EVENT_LEASE_EXPIRED] = { "lease-expired", true },
	[EVENT_LIBVIRT_LOST] = { "libvirt-lost", true },
	[EVENT_LIBVIRT_CONNECTED] = { "libvirt-connected", false },
	[EVENT_LIBVIRT_SYNCED] = { "libvirt-synced", false },
	[EVENT_SERVED] = { "served", false },
	[EVENT_NOT_SERVED] = { "not-served", true },
	[EVENT_QUARANTINED] = { "quarantined", true },
	[EVENT_STATE] = { "state", false },
	[EVENT_RENAMED] = { "renamed", false },
	[EVENT_PINNED] = { "pinned", false },
	[EVENT_PIN_DIFFERS] = { "pin-differs", true },
	[EVENT_VCPU] = { "vcpu", false },
	[EVENT_DEVICE] = { "device", false },
	[EVENT_PM_SUSPEND] = { "pm-suspend", false },
	[EVENT_PM_SUSPEND_DISK] = { "pm-suspend-disk", false },
	[EVENT_PM_WAKEUP] = { "pm-wakeup", false },
	[EVENT_VOTES] = { "votes", false },
	[EVENT_HOST_SUSPEND] = { "host-suspend", false },
	[EVENT_HOST_RESUMED] = { "host-resumed", false },
	[EVENT_HOST_STAYED] = { "host-stayed", true },
	[EVENT_OPERATOR] = { "operator", false },
};

/* One line: no control character, no half of a character at its end. */
static void
make_line(char *text, bool cut)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = ' ';
	if (!cut)
		return;
	/* The bytes of a character behind its first are 10xxxxxx. */
	while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
		len--;
	if (len > 0 && (unsigned char)text[len - 1] >= 0x80)
		len--;
	text[len] = '\0';
}

static int64_t
realtime_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
notify(int fd)
{
	const uint64_t one = 1;

	if (fd >= 0)
		(void)!write(fd, &one, sizeof(one));
}

void
event_raise(enum event_kind kind, const char *vm, const char *fmt, ...)
{
	struct event_record e = { .kind = kind };
	va_list ap;
	int len;

	(void)snprintf(e.vm, sizeof(e.vm), "%s", vm != NULL ? vm : "");
	va_start(ap, fmt);
	len = vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	make_line(e.text, len >= (int)sizeof(e.text));
	(void)pthread_mutex_lock(&events.lock);
	e.time_ms = realtime_ms();
	e.number = ++events.last;
	events.record[e.number % EVENTS_KEPT] = e;
	notify(events.notify_fd);
	(void)pthread_mutex_unlock(&events.lock);
	if (kinds[kind].warning)
		FRQ_LOG(WARNING, "%s", e.text);
	else
		FRQ_LOG(NOTICE, "%s", e.text);
}

void
event_notify(int fd)
{
	(void)pthread_mutex_lock(&events.lock);
	events.notify_fd = fd;
	(void)pthread_mutex_unlock(&events.lock);
}

const char *
event_kind_name(enum event_kind kind)
{
	return kinds[kind].name;
}

uint64_t
event_last(void)
{
	uint64_t last;

	(void)pthread_mutex_lock(&events.lock);
	last = events.last;
	(void)pthread_mutex_unlock(&events.lock);
	return last;
}

bool
event_next(uint64_t number, struct event_record *e)
{
	uint64_t first;
	bool any;

	(void)pthread_mutex_lock(&events.lock);
	first = events.last > EVENTS_KEPT ? events.last - EVENTS_KEPT + 1 : 1;
	any = number < events.last;
	if (any)
		*e = events.record[(number + 1 > first ? number + 1 : first) % EVENTS_KEPT];
	(void)pthread_mutex_unlock(&events.lock);
	return any;
}
