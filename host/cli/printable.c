/* SPDX-License-Identifier: BSD-3-Clause */
#include "printable.h"

#include <stdlib.h>
#include <string.h>

void
make_printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			*p = '?';
		} else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			/* U+0080 to U+009F: control characters in two bytes. */
			*p++ = '?';
			*p = '?';
		}
	}
}

static void
make_string_printable(json_t *string)
{
	char *copy = strdup(json_string_value(string));

	if (copy == NULL)
		abort();
	make_printable(copy);
	json_string_set(string, copy);
	free(copy);
}

void
make_json_printable(json_t *json)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(json))
		make_string_printable(json);
	json_array_foreach(json, i, value)
		make_json_printable(value);
	json_object_foreach(json, key, value)
		make_json_printable(value);
}
