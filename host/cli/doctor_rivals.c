/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_rivals.c - other programs that set the frequencies of CPUs
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

static const struct {
	const char *name;
	bool ceilings_only;
	const char *mend;
} rivals[] = {
	{ "power-profiles-daemon", false, "systemctl disable --now power-profiles-daemon" },
	{ "tuned", false, "systemctl disable --now tuned, or a profile without governor= and "
	  "energy settings" },
	{ "auto-cpufreq", false, "auto-cpufreq --remove" },
	{ "cpufreqd", false, "systemctl disable --now cpufreqd" },
	{ "thermald", true, "it only lowers ceilings when it gets hot, which freqring heeds" },
};
#define NB_RIVALS (sizeof(rivals) / sizeof(rivals[0]))

/* ---- processes ------------------------------------------------------------------ */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/*
 * What a process runs: its program, or the script that an interpreter runs. The
 * kernel's own short name (comm) does for processes that hide their arguments.
 */
static void
program_of(const struct doctor *d, const char *pid, char *name, size_t size)
{
	char text[512];
	const char *word = text, *end;

	memset(text, 0, sizeof(text));
	(void)doctor_read(d, text, sizeof(text), "/proc/%s/cmdline", pid);
	end = text + sizeof(text) - 1;
	if (strncmp(base_name(word), "python", strlen("python")) == 0) {
		do
			word += strlen(word) + 1;
		while (word < end && word[0] == '-');
	}
	if (word < end && word[0] != '\0')
		(void)snprintf(name, size, "%.*s", (int)size - 1, base_name(word));
	else
		(void)doctor_read(d, name, size, "/proc/%s/comm", pid);
}

/* The kernel cuts comm at 15 characters. */
static bool
is_rival(const char *name, const char *rival)
{
	return strcmp(name, rival) == 0 ||
		(strlen(rival) > 15 && strlen(name) == 15 && strncmp(name, rival, 15) == 0);
}

static void
look_at_processes(const struct doctor *d, char pids[NB_RIVALS][16])
{
	char path[DOCTOR_PATH], name[64];
	DIR *proc = opendir(doctor_path(d, path, "/proc"));
	const struct dirent *e;

	while (proc != NULL && (e = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]) || strlen(e->d_name) >= sizeof(pids[0]))
			continue;
		program_of(d, e->d_name, name, sizeof(name));
		for (size_t i = 0; i < NB_RIVALS; i++) {
			if (pids[i][0] == '\0' && is_rival(name, rivals[i].name))
				(void)snprintf(pids[i], sizeof(pids[i]), "%s", e->d_name);
		}
	}
	if (proc != NULL)
		closedir(proc);
}

/* ---- units that run and end ----------------------------------------------------- */

static bool
is_enabled(const struct doctor *d, const char *unit)
{
	return doctor_exists(d, "/etc/systemd/system/multi-user.target.wants/%s", unit);
}

static void
look_at_units(struct doctor *d)
{
	if (doctor_exists(d, "/run/tlp") || is_enabled(d, "tlp.service")) {
		doctor_say(d, DOCTOR_WARN, "TLP is active, and sets governors and limits");
		doctor_mend(d, "systemctl disable --now tlp, or no CPU_ settings in /etc/tlp.conf");
	}
	if (is_enabled(d, "cpupower.service")) {
		doctor_say(d, DOCTOR_WARN, "cpupower.service sets a governor or limits at boot");
		doctor_mend(d, "systemctl disable cpupower, or start it before freqringd only");
	}
}

void
doctor_check_rivals(struct doctor *d)
{
	size_t before = json_array_size(d->checks);
	char pids[NB_RIVALS][16] = { 0 };

	look_at_processes(d, pids);
	for (size_t i = 0; i < NB_RIVALS; i++) {
		if (pids[i][0] == '\0')
			continue;
		doctor_say(d, rivals[i].ceilings_only ? DOCTOR_PASS : DOCTOR_WARN,
			"%s runs (pid %s)", rivals[i].name, pids[i]);
		doctor_mend(d, "%s", rivals[i].mend);
	}
	look_at_units(d);
	if (!doctor_exists(d, "/proc/1/comm")) {
		doctor_say(d, DOCTOR_WARN, "processes of others are hidden from this user (hidepid)");
		doctor_mend(d, "run freqring doctor as root");
	}
	if (json_array_size(d->checks) == before)
		doctor_say(d, DOCTOR_PASS, "no other program that sets frequencies was found");
}
