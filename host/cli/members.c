/* SPDX-License-Identifier: BSD-3-Clause */
#include "members.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

const char *
text_or_dash(const json_t *o, const char *key)
{
	const char *s = text_of(o, key);

	return s[0] != '\0' ? s : "-";
}

const char *
list_start(const json_t *o, const char *key, char text[LIST_START_SIZE])
{
	const char *list = text_of(o, key);
	size_t len = strlen(list), room = LIST_START_SIZE - sizeof("...");

	if (len <= room)
		return list;
	/* Half a number would be another one. */
	while (room > 0 && list[room - 1] != ',')
		room--;
	(void)snprintf(text, LIST_START_SIZE, "%.*s...", (int)room, list);
	return text;
}

intmax_t
number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

bool
flag_of(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

/* A UUID goes before a name, as in the daemon: libvirt lets one VM be called as another one's. */
json_t *
find_vm(const json_t *vms, const char *wanted)
{
	json_t *found = NULL;

	for (size_t i = 0; i < json_array_size(vms); i++) {
		json_t *vm = json_array_get(vms, i);

		if (strcasecmp(text_of(vm, "uuid"), wanted) == 0)
			return vm;
		if (found == NULL && strcmp(text_of(vm, "name"), wanted) == 0)
			found = vm;
	}
	return found;
}

bool
is_simulated(const json_t *reply)
{
	const json_t *backend = json_object_get(reply, "backend");

	return flag_of(backend, "simulated") || strcmp(text_of(backend, "name"), "simulated") == 0;
}

const char *
mark(bool simulated)
{
	return simulated ? " (simulated)" : "";
}

intmax_t
mhz(intmax_t khz)
{
	return (khz + 500) / 1000;
}

const char *
plural(intmax_t n)
{
	return n == 1 ? "" : "s";
}

bool
is_set_by_hand(const json_t *cpu)
{
	const char *wish = text_of(cpu, "manual_wish");

	return wish[0] != '\0' && strcmp(wish, "none") != 0;
}

static size_t
nb_serial(const json_t *vm)
{
	return json_array_size(json_object_get(json_object_get(vm, "serial"), "ports"));
}

/* In the daemon's status an object, in what doctor found a path. */
static bool
has_port(const json_t *vm)
{
	const json_t *port = json_object_get(vm, "vhost");

	return json_is_object(port) || json_string_length(port) > 0;
}

bool
has_way(const json_t *vm)
{
	return text_of(vm, "shmem")[0] != '\0' || nb_serial(vm) > 0 || has_port(vm);
}

const char *
ways_of(const json_t *vm, char text[WAYS_SIZE])
{
	size_t nb = nb_serial(vm), n;

	n = (size_t)snprintf(text, WAYS_SIZE, "%.255s", text_of(vm, "shmem"));
	if (has_port(vm))
		n += (size_t)snprintf(text + n, WAYS_SIZE - n, "%svhost-user port", n > 0 ? " and " : "");
	if (nb > 0)
		n += (size_t)snprintf(text + n, WAYS_SIZE - n, "%s%zu serial channel%s",
			n > 0 ? " and " : "", nb, plural((intmax_t)nb));
	if (n == 0)
		(void)snprintf(text, WAYS_SIZE, "-");
	return text;
}
