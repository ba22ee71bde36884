/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "events.h"
#include "log.h"

/* Number N is in record N % EVENTS_KEPT. */
static struct {
	pthread_mutex_t lock;
	uint64_t last;
	struct event_record record[EVENTS_KEPT];
} events = { .lock = PTHREAD_MUTEX_INITIALIZER };

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

void
event_raise(enum event_kind kind, const char *fmt, ...)
{
	struct event_record e = { .kind = kind };
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	make_line(e.text, len >= (int)sizeof(e.text));
	(void)pthread_mutex_lock(&events.lock);
	e.time_ms = realtime_ms();
	e.number = ++events.last;
	events.record[e.number % EVENTS_KEPT] = e;
	(void)pthread_mutex_unlock(&events.lock);
	if (kinds[kind].warning)
		FRQ_LOG(WARNING, "%s", e.text);
	else
		FRQ_LOG(NOTICE, "%s", e.text);
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
