/* SPDX-License-Identifier: BSD-3-Clause */
/* node_pm_look.c - what node_pm_judge is told: libvirt, logind, files */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "file_line.h"
#include "logind.h"
#include "node_pm.h"
#include "virt_error.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- libvirt ---------------------------------------------------------------------- */

static bool
has_element(xmlXPathContextPtr xpath, const char *expression)
{
	xmlXPathObjectPtr o = xmlXPathEvalExpression((const xmlChar *)expression, xpath);
	bool any = o != NULL && o->nodesetval != NULL && o->nodesetval->nodeNr > 0;

	xmlXPathFreeObject(o);
	return any;
}

/* An element for each way; libvirt leaves out what it could not find out, too. */
static bool
take_capabilities(const char *xml, struct node_pm_seen *s)
{
	static const char *const elements[PM_TARGET_COUNT] = {
		[PM_TARGET_MEM] = "/capabilities/host/power_management/suspend_mem",
		[PM_TARGET_DISK] = "/capabilities/host/power_management/suspend_disk",
		[PM_TARGET_HYBRID] = "/capabilities/host/power_management/suspend_hybrid",
	};
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), "capabilities", NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlXPathContextPtr xpath = doc != NULL ? xmlXPathNewContext(doc) : NULL;
	bool known = xpath != NULL && has_element(xpath, "/capabilities/host/power_management");

	for (unsigned int t = 0; known && t < PM_TARGET_COUNT; t++)
		s->libvirt[t] = has_element(xpath, elements[t]) ? NODE_YES : NODE_NO;
	xmlXPathFreeContext(xpath);
	xmlFreeDoc(doc);
	return known;
}

static bool
is_local(virConnectPtr conn)
{
	char *name = virConnectGetHostname(conn), here[256];
	/* Only one that runs elsewhere has another name. */
	bool local = name == NULL || gethostname(here, sizeof(here)) != 0 ||
		node_pm_same_host(name, here);

	free(name);
	return local;
}

static void
ask_libvirt(virConnectPtr conn, const struct frq_err *err, struct node_pm_seen *s)
{
	char *xml;

	s->local = true;
	if (conn == NULL) {
		(void)snprintf(s->libvirt_error, sizeof(s->libvirt_error), "%.150s", err->text);
		return;
	}
	s->local = is_local(conn);
	virResetLastError();
	xml = virConnectGetCapabilities(conn);
	if (xml == NULL)
		(void)snprintf(s->libvirt_error, sizeof(s->libvirt_error), "%.150s",
			virt_error_text());
	else if (!take_capabilities(xml, s))
		(void)snprintf(s->libvirt_error, sizeof(s->libvirt_error),
			"its capabilities say nothing of power management");
	free(xml);
}

/* ---- files ------------------------------------------------------------------------ */

static void
read_swaps(struct node_pm_seen *s)
{
	FILE *f = fopen("/proc/swaps", "re");
	unsigned long long kib;
	char line[512];

	if (f == NULL)
		return;
	s->swap_known = fgets(line, sizeof(line), f) != NULL;
	while (fgets(line, sizeof(line), f) != NULL)
		/* Compressed memory is none to wake up from. */
		if (strncmp(line, "/dev/zram", 9) != 0 &&
		    sscanf(line, "%*s %*s %llu", &kib) == 1)
			s->swap_kib += kib;
	(void)fclose(f);
}

static bool
is_container(void)
{
	char text[64];

	file_line("/run/systemd/container", text, sizeof(text));
	return text[0] != '\0' || access("/.dockerenv", F_OK) == 0 ||
		access("/run/.containerenv", F_OK) == 0;
}

/* The PATH of the daemon that would run it, where it can be seen; else the usual one. */
static void
find_path(char *path, size_t size)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	char file[300], name[32];
	char *environ_text = NULL;
	size_t room = 0;

	(void)snprintf(path, size, "%s", DEFAULT_PATH);
	while (proc != NULL && (e = readdir(proc)) != NULL) {
		FILE *f;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		(void)snprintf(file, sizeof(file), "/proc/%s/comm", e->d_name);
		file_line(file, name, sizeof(name));
		if (strcmp(name, "libvirtd") != 0 && strcmp(name, "virtqemud") != 0)
			continue;
		(void)snprintf(file, sizeof(file), "/proc/%s/environ", e->d_name);
		f = fopen(file, "re");
		while (f != NULL && getdelim(&environ_text, &room, '\0', f) > 0)
			if (strncmp(environ_text, "PATH=", 5) == 0)
				(void)snprintf(path, size, "%s", environ_text + 5);
		if (f != NULL)
			(void)fclose(f);
	}
	if (proc != NULL)
		(void)closedir(proc);
	free(environ_text);
}

static bool
in_path(const char *path, const char *tool)
{
	char file[512];
	size_t len;

	for (; *path != '\0'; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (len != 0 && (size_t)snprintf(file, sizeof(file), "%.*s/%s", (int)len, path,
		    tool) < sizeof(file) && access(file, X_OK) == 0)
			return true;
	}
	return false;
}

void
node_pm_look(virConnectPtr conn, const struct frq_err *err, struct node_pm_seen *s)
{
	char path[1024];

	memset(s, 0, sizeof(*s));
	ask_libvirt(conn, err, s);
	logind_ask(s);
	file_line("/sys/power/state", s->state, sizeof(s->state));
	file_line("/sys/power/mem_sleep", s->mem_sleep, sizeof(s->mem_sleep));
	file_line("/sys/power/disk", s->disk, sizeof(s->disk));
	file_line("/sys/power/resume", s->resume, sizeof(s->resume));
	read_swaps(s);
	find_path(path, sizeof(path));
	for (unsigned int t = 0; t < PM_TARGET_COUNT; t++)
		s->tool[t] = in_path(path, node_pm_tool(t));
	s->rtcwake = in_path(path, "rtcwake");
	s->alarm = access("/sys/class/rtc/rtc0/wakealarm", F_OK) == 0;
	s->container = is_container();
}
