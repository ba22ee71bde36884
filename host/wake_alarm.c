/* SPDX-License-Identifier: BSD-3-Clause */
#include "wake_alarm.h"

#include <stdio.h>
#include <stdlib.h>

#include "file_line.h"

#define ALARM "/sys/class/rtc/rtc0/wakealarm"
#define STATS "/sys/power/suspend_stats/"

int64_t
wake_alarm_get(void)
{
	char text[32];

	file_line(ALARM, text, sizeof(text));
	return strtoll(text, NULL, 10);
}

bool
wake_alarm_clear(int64_t at)
{
	FILE *f;

	if (at == 0 || wake_alarm_get() != at)
		return false;
	f = fopen(ALARM, "we");
	if (f == NULL)
		return false;
	(void)fputs("0\n", f);
	/* That is when it is written. */
	return fclose(f) == 0;
}

uint64_t
suspend_failures(void)
{
	char text[32];

	file_line(STATS "fail", text, sizeof(text));
	return strtoull(text, NULL, 10);
}

void
suspend_failure_text(char *text, size_t size)
{
	char device[64], error[32], step[32];

	file_line(STATS "last_failed_dev", device, sizeof(device));
	file_line(STATS "last_failed_errno", error, sizeof(error));
	file_line(STATS "last_failed_step", step, sizeof(step));
	text[0] = '\0';
	if (error[0] != '\0' || step[0] != '\0')
		(void)snprintf(text, size, "%s%s%serror %s, step %s",
			device[0] != '\0' ? "device " : "", device, device[0] != '\0' ? ", " : "",
			error[0] != '\0' ? error : "?", step[0] != '\0' ? step : "?");
}
