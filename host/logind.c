/* SPDX-License-Identifier: BSD-3-Clause */
#include "logind.h"

#include <stdio.h>
#include <string.h>

#ifdef HAVE_SYSTEMD

#include <systemd/sd-bus.h>

#define ANSWER_US 1000000u

static enum logind_answer
answer_of(const char *text)
{
	static const struct {
		const char *text;
		enum logind_answer answer;
	} answers[] = {
		{ "yes", LOGIND_YES },
		{ "challenge", LOGIND_CHALLENGE },
		{ "no", LOGIND_NO },
		{ "na", LOGIND_NA },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (strcmp(text, answers[i].text) == 0)
			return answers[i].answer;
	return LOGIND_UNKNOWN;
}

static int
ask(sd_bus *bus, const char *method, enum logind_answer *answer, struct node_pm_seen *s)
{
	sd_bus_message *call = NULL, *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *text;
	int ret = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.login1",
		"/org/freedesktop/login1", "org.freedesktop.login1.Manager", method);

	if (ret >= 0)
		ret = sd_bus_call(bus, call, ANSWER_US, &error, &reply);
	if (ret >= 0)
		ret = sd_bus_message_read(reply, "s", &text);
	if (ret >= 0)
		*answer = answer_of(text);
	else
		(void)snprintf(s->logind_error, sizeof(s->logind_error), "%s",
			error.message != NULL ? error.message : strerror(-ret));
	sd_bus_error_free(&error);
	(void)sd_bus_message_unref(call);
	(void)sd_bus_message_unref(reply);
	return ret;
}

void
logind_ask(struct node_pm_seen *s)
{
	static const char *const methods[PM_TARGET_COUNT] = {
		[PM_TARGET_MEM] = "CanSuspend",
		[PM_TARGET_DISK] = "CanHibernate",
		[PM_TARGET_HYBRID] = "CanHybridSleep",
	};
	sd_bus *bus = NULL;
	int ret = sd_bus_open_system(&bus);

	if (ret < 0)
		(void)snprintf(s->logind_error, sizeof(s->logind_error),
			"the system bus cannot be reached: %s", strerror(-ret));
	for (unsigned int t = 0; t < PM_TARGET_COUNT && ret >= 0; t++)
		ret = ask(bus, methods[t], &s->logind[t], s);
	(void)sd_bus_flush_close_unref(bus);
}

#else

void
logind_ask(struct node_pm_seen *s)
{
	(void)snprintf(s->logind_error, sizeof(s->logind_error),
		"freqringd was built without libsystemd");
}

#endif
