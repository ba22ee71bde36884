/* SPDX-License-Identifier: BSD-3-Clause */
#include "node_pm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const verdict_name[NODE_PM_VERDICT_COUNT] = {
	[NODE_PM_UNKNOWN] = "unknown",
	[NODE_PM_NO] = "no",
	[NODE_PM_YES] = "yes",
	[NODE_PM_BROKEN] = "broken",
};

static const char *const tools[PM_TARGET_COUNT] = {
	[PM_TARGET_MEM] = "pm-suspend",
	[PM_TARGET_DISK] = "pm-hibernate",
	[PM_TARGET_HYBRID] = "pm-suspend-hybrid",
};

static const char *const logind_name[] = {
	[LOGIND_UNKNOWN] = "unknown",
	[LOGIND_YES] = "yes",
	[LOGIND_CHALLENGE] = "challenge",
	[LOGIND_NO] = "no",
	[LOGIND_NA] = "na",
};

static const char *const answer_name[] = {
	[NODE_UNKNOWN] = "unknown",
	[NODE_NO] = "no",
	[NODE_YES] = "yes",
};

const char *
node_verdict_name(enum node_verdict verdict)
{
	return verdict_name[verdict];
}

const char *
node_pm_tool(enum pm_target target)
{
	return tools[target];
}

bool
node_pm_has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(words, word); p != NULL; p = strstr(p + 1, word)) {
		bool begins = p == words || p[-1] == ' ' || p[-1] == '[';

		if (begins && (p[len] == '\0' || p[len] == ' ' || p[len] == ']'))
			return true;
	}
	return false;
}

bool
node_pm_same_host(const char *a, const char *b)
{
	size_t len = strcspn(a, ".");

	return len == strcspn(b, ".") && strncmp(a, b, len) == 0;
}

static struct node_judgement __attribute__((format(printf, 2, 3)))
judge(enum node_verdict verdict, const char *fmt, ...)
{
	struct node_judgement j = { .verdict = verdict };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(j.why, sizeof(j.why), fmt, ap);
	va_end(ap);
	return j;
}

/* Why the kernel would not; "" where nothing is known against it. */
static void
kernel_problem(const struct node_pm_seen *s, enum pm_target target, char *why, size_t size)
{
	bool to_disk = target != PM_TARGET_MEM;
	const char *word = to_disk ? "disk" : "mem";

	why[0] = '\0';
	if (s->state[0] == '\0')
		return;
	if (!node_pm_has_word(s->state, word))
		(void)snprintf(why, size, "the kernel offers \"%s\" and not %s (/sys/power/state)",
			s->state, word);
	else if (to_disk && node_pm_has_word(s->disk, "disabled"))
		(void)snprintf(why, size, "the kernel has it disabled (/sys/power/disk): locked down by Secure Boot, or memory that is encrypted?");
	else if (target == PM_TARGET_HYBRID && s->disk[0] != '\0' &&
		 !node_pm_has_word(s->disk, "suspend"))
		(void)snprintf(why, size, "the kernel cannot do both at once (/sys/power/disk: %s)",
			s->disk);
	else if (to_disk && s->swap_known && s->swap_kib == 0)
		(void)snprintf(why, size, "there is no swap to write the memory to (/proc/swaps)");
}

/* What libvirt's yes does not think of; "" where there is nothing. */
static void
way_problem(const struct node_pm_seen *s, enum pm_target target, char *why, size_t size)
{
	why[0] = '\0';
	if (!s->local)
		return;
	if (!s->tool[target])
		(void)snprintf(why, size, "libvirt would run %s, which is not there (package pm-utils)",
			tools[target]);
	else if (!s->rtcwake)
		(void)snprintf(why, size, "libvirt would run rtcwake first, which is not there (package util-linux-extra or util-linux)");
	else if (!s->alarm)
		(void)snprintf(why, size, "no clock could wake it up: there is no /sys/class/rtc/rtc0/wakealarm");
	else
		kernel_problem(s, target, why, size);
}

static const char *
sleep_note(const struct node_pm_seen *s, enum pm_target target)
{
	if (target == PM_TARGET_MEM && s->mem_sleep[0] != '\0' &&
	    strstr(s->mem_sleep, "[deep]") == NULL)
		return node_pm_has_word(s->mem_sleep, "deep") ?
			"suspend-to-idle is chosen; for S3: echo deep >/sys/power/mem_sleep" :
			"suspend-to-idle, there is no S3";
	if (target != PM_TARGET_MEM && strcmp(s->resume, "0:0") == 0)
		return "no resume device is set: see resume= of the kernel";
	return "";
}

static struct node_judgement
judge_yes(const struct node_pm_seen *s, enum pm_target target)
{
	char why[200];

	way_problem(s, target, why, sizeof(why));
	if (why[0] != '\0')
		return judge(NODE_PM_BROKEN, "%s", why);
	/* It is not asked again when it comes to it. */
	if (s->local && (s->logind[target] == LOGIND_NO || s->logind[target] == LOGIND_NA))
		return judge(NODE_PM_YES, "logind would say %s by now; libvirt does not ask again",
			logind_name[s->logind[target]]);
	return judge(NODE_PM_YES, "%s", sleep_note(s, target));
}

static struct node_judgement
judge_no(const struct node_pm_seen *s, enum pm_target target)
{
	enum logind_answer logind = s->logind[target];
	char why[200];

	if (!s->local)
		return judge(NODE_PM_NO, "so says libvirt of the host it is on");
	if (s->container)
		return judge(NODE_PM_NO, "this is a container");
	kernel_problem(s, target, why, sizeof(why));
	if (why[0] != '\0')
		return judge(NODE_PM_NO, "%s", why);
	if (logind == LOGIND_NO || logind == LOGIND_NA)
		return judge(NODE_PM_NO, "logind says %s, and libvirt goes by that",
			logind_name[logind]);
	if (logind == LOGIND_UNKNOWN)
		return judge(NODE_PM_NO, "libvirt goes by logind, which does not answer%s%s",
			s->logind_error[0] != '\0' ? ": " : "", s->logind_error);
	return judge(NODE_PM_NO, "logind says %s by now; libvirt asked it when it was started: restart that",
		logind_name[logind]);
}

struct node_judgement
node_pm_judge(const struct node_pm_seen *s, enum pm_target target)
{
	char why[200];

	switch (s->libvirt[target]) {
	case NODE_YES:
		return judge_yes(s, target);
	case NODE_NO:
		return judge_no(s, target);
	case NODE_UNKNOWN:
		break;
	}
	kernel_problem(s, target, why, sizeof(why));
	if (why[0] != '\0' && s->local)
		return judge(NODE_PM_NO, "%s", why);
	return judge(NODE_PM_UNKNOWN, "libvirt cannot be asked%s%s",
		s->libvirt_error[0] != '\0' ? ": " : "", s->libvirt_error);
}

static json_t *
target_json(const struct node_pm_seen *s, enum pm_target target)
{
	struct node_judgement j = node_pm_judge(s, target);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "verdict", verdict_name[j.verdict],
		"why", j.why, "libvirt", answer_name[s->libvirt[target]],
		"logind", logind_name[s->logind[target]], "tool", tools[target],
		"tool_there", (int)s->tool[target]);
}

json_t *
node_pm_json(const struct node_pm_seen *s)
{
	json_t *o = json_object();

	for (unsigned int t = 0; t < PM_TARGET_COUNT; t++)
		(void)json_object_set_new(o, pm_target_name(t), target_json(s, t));
	(void)json_object_update_new(o, json_pack(
		"{s:{s:s, s:s, s:s, s:s}, s:I, s:b, s:b, s:s, s:s}",
		"kernel", "state", s->state, "mem_sleep", s->mem_sleep, "disk", s->disk,
		"resume", s->resume,
		"swap_kib", (json_int_t)(s->swap_known ? (json_int_t)s->swap_kib : -1),
		"rtcwake", (int)s->rtcwake, "alarm", (int)s->alarm,
		"libvirt_error", s->libvirt_error, "logind_error", s->logind_error));
	return o;
}
