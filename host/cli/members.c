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

json_t *
find_vm(const json_t *vms, const char *wanted)
{
	for (size_t i = 0; i < json_array_size(vms); i++) {
		json_t *vm = json_array_get(vms, i);

		if (strcmp(text_of(vm, "name"), wanted) == 0 ||
		    strcasecmp(text_of(vm, "uuid"), wanted) == 0)
			return vm;
	}
	return NULL;
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

static size_t
nb_serial(const json_t *vm)
{
	return json_array_size(json_object_get(json_object_get(vm, "serial"), "ports"));
}

bool
has_way(const json_t *vm)
{
	return text_of(vm, "shmem")[0] != '\0' || nb_serial(vm) > 0;
}

const char *
ways_of(const json_t *vm, char text[WAYS_SIZE])
{
	const char *shmem = text_of(vm, "shmem");
	size_t nb = nb_serial(vm);
	char serial[40] = "";

	if (nb > 0)
		(void)snprintf(serial, sizeof(serial), "%zu serial channel%s", nb,
			plural((intmax_t)nb));
	(void)snprintf(text, WAYS_SIZE, "%.255s%s%s", shmem,
		shmem[0] != '\0' && nb > 0 ? " and " : "",
		nb > 0 ? serial : shmem[0] != '\0' ? "" : "-");
	return text;
}
