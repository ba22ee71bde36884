/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_gather.c - what several checks look at: the configuration, the daemon's
 * status, libvirt's domains, and which CPUs all of it is about
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "config_pvt.h"
#include "doctor_virt.h"
#include "members.h"

/* With a mistake in it the daemon would not start; the defaults are looked at. */
static void
read_config(struct doctor *d, const char *file)
{
	struct frq_err ignored;

	if (file != NULL)
		(void)snprintf(d->file, sizeof(d->file), "%s", file);
	else
		(void)doctor_path(d, d->file, CONFIG_DEFAULT_FILE);
	config_defaults(&d->config);
	d->config_ret = config_parse_file(&d->config, d->file, &d->config_err);
	if (d->config_ret == -ENOENT && file == NULL)
		d->config_ret = 0;
	if (d->config_ret == 0 && !config_check_users(&d->config, &d->config_err)) {
		d->config_ret = -EINVAL;
	} else if (d->config_ret != 0) {
		config_defaults(&d->config);
		(void)config_check_users(&d->config, &ignored);
	}
}

/*
 * What keeps the daemon from starting although each setting is well-formed. Its
 * affinity is not known here: all CPUs that are online.
 */
static void
check_config_cpus(struct doctor *d)
{
	struct config c = d->config;
	struct config_machine m = { .online = d->online, .affinity = d->online };

	doctor_read_cpus(d, &m.present, "/sys/devices/system/cpu/present");
	if (d->config_ret == 0 && !cpuset_empty(&d->online) &&
	    !config_check_cpus(&c, &m, &d->config_err))
		d->config_ret = -ERANGE;
}

/* The default socket gives way to the configured one. */
static void
ask_daemon(struct doctor *d, const char *socket)
{
	const struct config_setting *s = config_find("daemon", "socket");
	struct client_error err;
	struct client client;

	d->socket = s != NULL && strcmp(socket, s->def) == 0 ? d->config.socket : socket;
	if (client_open(&client, d->socket, &d->status_err) < 0)
		return;
	d->status = client_call(&client, "status", NULL, 0, &err);
	if (d->status == NULL)
		d->status_err = err.why;
	client_close(&client);
}

static void
find_cpus(struct doctor *d)
{
	const json_t *cpus = json_object_get(d->status, "cpus");

	for (size_t i = 0; i < json_array_size(cpus); i++) {
		intmax_t cpu = number_of(json_array_get(cpus, i), "cpu");

		if (cpu >= 0 && cpu < (intmax_t)FRQ_MAX_CPUS)
			cpuset_add(&d->managed, (unsigned int)cpu);
	}
	if (cpuset_empty(&d->managed))
		d->managed = cpuset_empty(&d->config.managed_cpus) ? d->online :
			d->config.managed_cpus;
	d->poller_cpu = d->config.poller_cpu;
	if (json_object_get(d->status, "poller") != NULL)
		d->poller_cpu = (int)number_of(json_object_get(d->status, "poller"), "cpu");
	if (d->poller_cpu >= 0)
		return;
	CPUSET_FOREACH(cpu, &d->online)
		d->poller_cpu = (int)cpu;
}

void
doctor_gather(struct doctor *d, const char *socket, const char *file)
{
	const char *uri;

	doctor_read_cpus(d, &d->online, "/sys/devices/system/cpu/online");
	read_config(d, file);
	check_config_cpus(d);
	ask_daemon(d, socket);
	find_cpus(d);
	uri = text_of(json_object_get(d->status, "libvirt"), "uri");
	if (uri[0] != '\0')
		(void)snprintf(d->config.uri, sizeof(d->config.uri), "%s", uri);
	d->libvirt = doctor_virt_read(d->config.uri);
}
