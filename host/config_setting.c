/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_setting.c - the table of settings, and taking a value for one
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config_pvt.h"

#define FIELD(member) \
	.offset = offsetof(struct config, member), .size = sizeof(((struct config *)0)->member)
#define VM_FIELD(member) \
	.offset = offsetof(struct config_vm, member), \
	.size = sizeof(((struct config_vm *)0)->member)
#define MAX_MHZ (FRQ_ARG_MAX / 1000)	/* that a request could ask for */

static const char *const backends[] = {
	[CONFIG_BACKEND_LIBRTE_POWER] = "librte_power",
	[CONFIG_BACKEND_SIMULATED] = "simulated",
	NULL
};

static const char *const drifts[] = {
	[CONFIG_DRIFT_YIELD] = "yield",
	[CONFIG_DRIFT_ASSERT] = "assert",
	NULL
};

static const char *const failsafes[] = {
	[CONFIG_FAILSAFE_MAX] = "max",
	[CONFIG_FAILSAFE_HOLD] = "hold",
	[CONFIG_FAILSAFE_RELEASE] = "release",
	NULL
};

static const char *const no_yes[] = { [false] = "no", [true] = "yes", NULL };

static const char *const log_levels[] = {
	"debug", "info", "notice", "warning", "error", NULL
};

const struct config_setting config_settings[CONFIG_NB_ROWS] = {
	{ "daemon", "backend", "backend", 0, CONFIG_CHOICE, FIELD(backend),
	  .choices = backends, .def = "librte_power", .arg = "NAME",
	  .help = "what sets frequencies: librte_power, or simulated (changes nothing)" },
	{ "daemon", "poller_cpu", "poller-cpu", 0, CONFIG_CPU, FIELD(poller_cpu),
	  .def = "auto", .arg = "CPU",
	  .help = "the poller's CPU; auto: the highest that may be used" },
	{ "daemon", "applier_cpu", "applier-cpu", 0, CONFIG_CPU, FIELD(applier_cpu),
	  .def = "auto", .arg = "CPU",
	  .help = "the applier's CPU; auto: it shares the poller's" },
	{ "daemon", "control_cpus", "control-cpus", 0, CONFIG_CPUS, FIELD(control_cpus),
	  .def = "auto", .arg = "CPUS",
	  .help = "CPUs of all other threads; auto: all but the poller's" },
	{ "daemon", "managed_cpus", "managed-cpus", 0, CONFIG_CPUS, FIELD(managed_cpus),
	  .def = "auto", .arg = "CPUS",
	  .help = "CPUs whose frequency may be set; auto: every online one" },
	{ "daemon", "socket", "socket", 's', CONFIG_PATH,
	  .offset = offsetof(struct config, socket),
	  .size = sizeof(((struct sockaddr_un *)0)->sun_path),
	  .def = "/run/freqring/control.sock", .arg = "PATH",
	  .help = "the control socket" },
	{ "daemon", "state_dir", "state-dir", 0, CONFIG_PATH, FIELD(state_dir),
	  .def = "/run/freqring", .arg = "DIR",
	  .help = "state that outlives the daemon, on a tmpfs" },
	{ "daemon", "group", "group", 0, CONFIG_TEXT, FIELD(group),
	  .def = CONFIG_DEFAULT_GROUP, .arg = "GROUP",
	  .help = "who may read from the control socket; empty: only root" },
	{ "daemon", "admin_group", "admin-group", 0, CONFIG_TEXT, FIELD(admin_group),
	  .def = "", .arg = "GROUP",
	  .help = "who may change things by it, too; empty: only root" },
	{ "daemon", "log_level", "log-level", 0, CONFIG_WORD, FIELD(log_level),
	  .choices = log_levels, .def = "info", .arg = "LEVEL",
	  .help = "debug, info, notice, warning or error", .live = true },
	{ "power", "drift", "drift", 0, CONFIG_CHOICE, FIELD(drift),
	  .choices = drifts, .def = "yield", .arg = "HOW",
	  .help = "when somebody else sets a CPU: yield to them, or assert what was decided" },
	{ "power", "write_limit", "write-limit", 0, CONFIG_COUNT, FIELD(write_limit),
	  .min = 1, .max = 100000, .def = "1000", .arg = "N",
	  .help = "how often a second a frequency domain is set at most" },
	{ "power", "failsafe", "failsafe", 0, CONFIG_CHOICE, FIELD(failsafe),
	  .choices = failsafes, .def = "max", .arg = "WISH",
	  .help = "where a lease ran out or a guest is in quarantine: max, hold or release" },
	{ "libvirt", "uri", "connect", 0, CONFIG_TEXT, FIELD(uri),
	  .def = "qemu:///system", .arg = "URI",
	  .help = "where libvirt listens, as for virsh" },
	{ "shm", "shm_dir", "shm-dir", 0, CONFIG_PATH, FIELD(shm_dir),
	  .def = "/dev/shm", .arg = "DIR",
	  .help = "where the regions' files are" },
	{ "shm", "shm_group", "shm-group", 0, CONFIG_TEXT, FIELD(shm_group),
	  .def = "", .arg = "GROUP",
	  .help = "their group; empty: libvirt-qemu, qemu or kvm" },
	{ "shm", "qemu_user", "qemu-user", 0, CONFIG_TEXT, FIELD(qemu_user),
	  .def = "", .arg = "USER",
	  .help = "their owner beside root; empty: libvirt-qemu or qemu" },
	{ "vms", "allow", "allow", 0, CONFIG_LIST, FIELD(allow),
	  .def = "*", .arg = "LIST",
	  .help = "VMs to serve: names, UUIDs or patterns, with commas", .live = true },
	{ "vms", "rate_limit", "rate-limit", 0, CONFIG_COUNT, FIELD(rate_limit),
	  .max = UINT32_MAX, .def = "0", .arg = "N",
	  .help = "requests a second that a VM may post; 0: any number", .live = true },
	{ "vhost", "dir", "vhost-dir", 0, CONFIG_PATH, FIELD(vhost_dir),
	  .def = "/run/freqring/vhost", .arg = "DIR",
	  .help = "where attach puts sockets of vhost-user ports" },
	{ "serial", "dir", "serial-dir", 0, CONFIG_TEXT, FIELD(serial_dir),
	  .def = "/tmp/powermonitor", .arg = "DIR",
	  .help = "sockets of VMs whose XML names none, as DPDK's host has them; empty: none" },
	{ "serial", "physical", "serial-physical", 0, CONFIG_BOOL, FIELD(serial_physical),
	  .choices = no_yes, .def = "no", .arg = "YES|NO",
	  .help = "whether a packet may name the CPU that its vCPU is pinned to" },
	{ CONFIG_VM_SECTION, "min_mhz", .kind = CONFIG_COUNT, VM_FIELD(min_mhz),
	  .max = MAX_MHZ, .def = "0" },
	{ CONFIG_VM_SECTION, "max_mhz", .kind = CONFIG_COUNT, VM_FIELD(max_mhz),
	  .max = MAX_MHZ, .def = "0" },
	{ CONFIG_VM_SECTION, "turbo", .kind = CONFIG_BOOL, VM_FIELD(turbo),
	  .choices = no_yes, .def = "yes" },
	{ CONFIG_VM_SECTION, "priority", .kind = CONFIG_INT, VM_FIELD(priority),
	  .min = -1000, .max = 1000, .def = "0" },
};

const struct config_setting *
config_find(const char *section, const char *key)
{
	for (unsigned int i = 0; i < CONFIG_NB_ROWS; i++) {
		const struct config_setting *s = &config_settings[i];

		if (strcmp(s->section, section) == 0 && strcmp(s->key, key) == 0)
			return s;
	}
	return NULL;
}

static bool
find_choice(const struct config_setting *s, const char *text, unsigned int *index,
	struct frq_err *err)
{
	char list[128] = "";
	size_t used = 0;

	for (*index = 0; s->choices[*index] != NULL; (*index)++) {
		if (strcmp(s->choices[*index], text) == 0)
			return true;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
			used == 0 ? "" : ", ", s->choices[*index]);
	}
	frq_err_set(err, "expected one of %s", list);
	return false;
}

/* Digits only: strtol() would take white space and a plus sign, too. */
static bool
parse_number(const char *text, int64_t min, int64_t max, int64_t *n)
{
	bool minus = min < 0 && *text == '-';

	*n = 0;
	text += minus;
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*n = *n * 10 + (*text - '0');
		if (*n > (minus ? -min : max))
			return false;
	}
	if (minus)
		*n = -*n;
	return *n >= min;
}

static bool
set_cpu(int *cpu, const char *text, struct frq_err *err)
{
	int64_t n;

	if (strcmp(text, "auto") == 0) {
		*cpu = -1;
		return true;
	}
	if (!parse_number(text, 0, FRQ_MAX_CPUS - 1, &n)) {
		frq_err_set(err, "expected a CPU number from 0 to %u, or auto",
			FRQ_MAX_CPUS - 1);
		return false;
	}
	*cpu = (int)n;
	return true;
}

static bool
set_cpus(struct cpuset *cpus, const char *text, struct frq_err *err)
{
	struct cpuset parsed = { 0 };
	struct frq_err why;

	if (strcmp(text, "auto") != 0 && !cpuset_parse(&parsed, text, &why)) {
		frq_err_set(err, "%.160s; expected CPUs like 0,2-5, or auto", why.text);
		return false;
	}
	*cpus = parsed;
	return true;
}

static bool
set_text(char *field, const struct config_setting *s, const char *text, struct frq_err *err)
{
	if (strlen(text) >= s->size) {
		frq_err_set(err, "expected at most %zu characters", s->size - 1);
		return false;
	}
	memcpy(field, text, strlen(text) + 1);
	return true;
}

static bool
set_number(void *field, const struct config_setting *s, const char *text, struct frq_err *err)
{
	int64_t n;

	if (!parse_number(text, s->min, s->max, &n)) {
		frq_err_set(err, "expected a number from %" PRId64 " to %" PRId64,
			s->min, s->max);
		return false;
	}
	if (s->kind == CONFIG_INT)
		*(int *)field = (int)n;
	else
		*(uint32_t *)field = (uint32_t)n;
	return true;
}

static bool
set_choice(void *field, const struct config_setting *s, const char *text, struct frq_err *err)
{
	unsigned int index;

	if (!find_choice(s, text, &index, err))
		return false;
	/* Without a value below zero an enum is an unsigned int. */
	if (s->kind == CONFIG_CHOICE)
		*(unsigned int *)field = index;
	else
		*(bool *)field = index;
	return true;
}

bool
config_set(void *base, const struct config_setting *s, const char *text, struct frq_err *err)
{
	void *field = (char *)base + s->offset;
	unsigned int index;

	switch (s->kind) {
	case CONFIG_CHOICE:
	case CONFIG_BOOL:
		return set_choice(field, s, text, err);
	case CONFIG_WORD:
		return find_choice(s, text, &index, err) && set_text(field, s, text, err);
	case CONFIG_CPU:
		return set_cpu(field, text, err);
	case CONFIG_CPUS:
		return set_cpus(field, text, err);
	case CONFIG_PATH:
		if (text[0] != '/') {
			frq_err_set(err, "expected an absolute path");
			return false;
		}
		return set_text(field, s, text, err);
	case CONFIG_TEXT:
	case CONFIG_LIST:
		return set_text(field, s, text, err);
	case CONFIG_COUNT:
	case CONFIG_INT:
		return set_number(field, s, text, err);
	}
	abort();
}

static void
set_defaults(void *base, unsigned int first, unsigned int nb)
{
	struct frq_err err;

	for (unsigned int i = first; i < first + nb; i++) {
		if (!config_set(base, &config_settings[i], config_settings[i].def, &err))
			abort();
	}
}

void
config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	set_defaults(c, 0, CONFIG_NB_SETTINGS);
}

struct config_vm *
config_add_vm(struct config *c, const char *pattern, struct frq_err *err)
{
	struct config_vm *vm = &c->vm[c->nb_vms];

	if (*pattern == '\0') {
		frq_err_set(err, "a name, UUID or pattern is missing");
		return NULL;
	}
	if (strlen(pattern) >= sizeof(vm->pattern)) {
		frq_err_set(err, "expected a pattern of at most %zu characters",
			sizeof(vm->pattern) - 1);
		return NULL;
	}
	if (c->nb_vms == CONFIG_MAX_VMS) {
		frq_err_set(err, "more than %u sections [vm PATTERN]", CONFIG_MAX_VMS);
		return NULL;
	}
	snprintf(vm->pattern, sizeof(vm->pattern), "%s", pattern);
	set_defaults(vm, CONFIG_NB_SETTINGS, CONFIG_NB_VM_SETTINGS);
	c->nb_vms++;
	return vm;
}
