/* SPDX-License-Identifier: BSD-3-Clause */
#include "members.h"

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
