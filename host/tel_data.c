/* SPDX-License-Identifier: BSD-3-Clause */
#include "tel_data.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define TEL_UINT		RTE_TEL_U64_VAL
#define tel_add_array_uint	rte_tel_data_add_array_u64
#define tel_add_dict_uint	rte_tel_data_add_dict_u64
#else
#define TEL_UINT		RTE_TEL_UINT_VAL
#define tel_add_array_uint	rte_tel_data_add_array_uint
#define tel_add_dict_uint	rte_tel_data_add_dict_uint
#endif

/* Of an entry beside key and value: two quotes, a colon, a comma. */
#define PUNCTUATION	4u
/* The two ends of a dict or array, and "more" with its number and quotes. */
#define ENDS		2u
#define MORE		(sizeof("more") + PUNCTUATION + 10)
#define KEY_SIZE	RTE_TEL_MAX_STRING_LEN

/* ---- texts ----------------------------------------------------------------- */

size_t
tel_data_text(char out[RTE_TEL_MAX_STRING_LEN], const char *text)
{
	static const char dots[] = "...";
	size_t used = 0, fits = 0, len = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		char part[5];
		int n;

		if (*p == '\\')
			n = snprintf(part, sizeof(part), "\\\\");
		else if (*p >= 0x20 && *p < 0x7f)
			n = snprintf(part, sizeof(part), "%c", *p);
		else
			n = snprintf(part, sizeof(part), "\\x%02x", *p);
		len += (size_t)n;
		if (len < RTE_TEL_MAX_STRING_LEN) {
			memcpy(out + used, part, (size_t)n);
			used = len;
		}
		if (len <= RTE_TEL_MAX_STRING_LEN - sizeof(dots))
			fits = len;
	}
	if (len >= RTE_TEL_MAX_STRING_LEN) {
		memcpy(out + fits, dots, sizeof(dots));
		return len;
	}
	out[used] = '\0';
	return len;
}

/* In the reply quotes and backslashes take two bytes. */
static size_t
quoted_size(const char *text)
{
	size_t n = 2;

	for (; *text != '\0'; text++)
		n += *text == '"' || *text == '\\' ? 2 : 1;
	return n;
}

static void
make_key(char out[KEY_SIZE], const char *key)
{
	size_t i;

	for (i = 0; key[i] != '\0' && i < KEY_SIZE - 1; i++)
		out[i] = (char)(isalnum((unsigned char)key[i]) ? key[i] : '_');
	out[i] = '\0';
}

/* ---- what a value becomes ----------------------------------------------------- */

enum kind { KIND_NONE, KIND_UINT, KIND_INT, KIND_TEXT, KIND_ARRAY, KIND_DICT };

/* A number or a text, ready to be added. */
struct plain {
	enum kind kind;
	uint64_t u;
	int i;
	char text[RTE_TEL_MAX_STRING_LEN];
};

static enum kind
number_kind(json_int_t n)
{
	if (n >= 0)
		return KIND_UINT;
	return n >= INT_MIN ? KIND_INT : KIND_TEXT;
}

/* Of the elements of an array, if it can be an array of one type. */
static enum kind
element_kind(const json_t *array)
{
	size_t n = json_array_size(array), texts = 0, uints = 0, ints = 0, i;
	bool big = false;
	json_t *v;

	json_array_foreach(array, i, v) {
		json_int_t number = json_integer_value(v);

		texts += json_is_string(v);
		uints += json_is_integer(v) && number_kind(number) == KIND_UINT;
		ints += json_is_integer(v) && number_kind(number) == KIND_INT;
		big = big || number > INT_MAX;
	}
	if (texts == n)
		return KIND_TEXT;
	if (uints == n)
		return KIND_UINT;
	return uints + ints == n && !big ? KIND_INT : KIND_DICT;
}

static enum kind
value_kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return KIND_DICT;
	case JSON_ARRAY:
		return element_kind(v) == KIND_DICT ? KIND_DICT : KIND_ARRAY;
	case JSON_INTEGER:
		return number_kind(json_integer_value(v));
	case JSON_TRUE:
	case JSON_FALSE:
		return KIND_UINT;
	case JSON_NULL:
		return KIND_NONE;
	default:
		return KIND_TEXT;
	}
}

static void
make_plain(struct plain *p, const json_t *v)
{
	char number[64];

	*p = (struct plain){ .kind = value_kind(v) };
	switch (json_typeof(v)) {
	case JSON_INTEGER:
		p->u = (uint64_t)json_integer_value(v);
		p->i = (int)json_integer_value(v);
		(void)snprintf(p->text, sizeof(p->text), "%" JSON_INTEGER_FORMAT,
			json_integer_value(v));
		break;
	case JSON_REAL:
		(void)snprintf(number, sizeof(number), "%.15g", json_real_value(v));
		(void)tel_data_text(p->text, number);
		break;
	case JSON_STRING:
		(void)tel_data_text(p->text, json_string_value(v));
		break;
	default:
		p->u = json_is_true(v);
	}
}

/* ---- how much it takes --------------------------------------------------------- */

static size_t
plain_size(const struct plain *p)
{
	char digits[24];

	switch (p->kind) {
	case KIND_UINT:
		return (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, p->u);
	case KIND_INT:
		return (size_t)snprintf(digits, sizeof(digits), "%d", p->i);
	default:
		return quoted_size(p->text);
	}
}

/* Of a value and all in it, with the comma after each; no less than it takes. */
static size_t
whole_size(const json_t *v)
{
	struct plain p;
	size_t n = ENDS + MORE, each = PUNCTUATION + 10, i;
	const char *key;
	json_t *member;

	if (!json_is_object(v) && !json_is_array(v)) {
		make_plain(&p, v);
		return plain_size(&p);
	}
	if (value_kind(v) == KIND_ARRAY)	/* of no keys */
		each = 1;
	json_array_foreach(v, i, member)
		n += whole_size(member) + each;
	json_object_foreach((json_t *)(uintptr_t)v, key, member)
		n += whole_size(member) + strlen(key) + PUNCTUATION;
	return n;
}

/* ---- filling in ------------------------------------------------------------------ */

/* A dict that is being filled. */
struct dict {
	struct rte_tel_data *d;
	size_t *left;		/* bytes that may still be used */
	unsigned int nb;	/* entries; as many as fit, less one for "more" */
	uint64_t more;		/* left out */
};

/* There has to be room for the ends. */
static void
dict_begin(struct dict *t, struct rte_tel_data *d, size_t *left)
{
	*left -= ENDS + MORE;
	*t = (struct dict){ .d = d, .left = left };
	(void)rte_tel_data_start_dict(d);
}

static void
dict_end(struct dict *t)
{
	if (t->more != 0)
		(void)tel_add_dict_uint(t->d, "more", t->more);
	else
		*t->left += MORE;
}

/* Whether there is an entry, and room for `size` bytes of key and value; takes both. */
static bool
dict_room(struct dict *t, const char *key, size_t size)
{
	size += strlen(key) + PUNCTUATION;
	if (t->nb >= RTE_TEL_MAX_DICT_ENTRIES - 1 || size > *t->left)
		return false;
	*t->left -= size;
	t->nb++;
	return true;
}

static void
dict_add_plain(struct dict *t, const char *key, const json_t *v)
{
	struct plain p;

	make_plain(&p, v);
	if (p.kind == KIND_NONE)
		return;
	if (!dict_room(t, key, plain_size(&p)))
		t->more++;
	else if (p.kind == KIND_UINT)
		(void)tel_add_dict_uint(t->d, key, p.u);
	else if (p.kind == KIND_INT)
		(void)rte_tel_data_add_dict_int(t->d, key, p.i);
	else
		(void)rte_tel_data_add_dict_string(t->d, key, p.text);
}

/* How many of the elements did not fit. */
static uint64_t
fill_array(struct rte_tel_data *d, const json_t *array, size_t *left)
{
	enum kind kind = element_kind(array);
	struct plain p;
	size_t i;

	(void)rte_tel_data_start_array(d, kind == KIND_UINT ? TEL_UINT :
		kind == KIND_INT ? RTE_TEL_INT_VAL : RTE_TEL_STRING_VAL);
	for (i = 0; i < json_array_size(array) && i < RTE_TEL_MAX_ARRAY_ENTRIES; i++) {
		size_t size;

		make_plain(&p, json_array_get(array, i));
		size = plain_size(&p) + 1;
		if (size > *left)
			break;
		*left -= size;
		if (kind == KIND_UINT)
			(void)tel_add_array_uint(d, p.u);
		else if (kind == KIND_INT)
			(void)rte_tel_data_add_array_int(d, p.i);
		else
			(void)rte_tel_data_add_array_string(d, p.text);
	}
	return json_array_size(array) - i;
}

static void
dict_add_array(struct dict *t, const char *key, const json_t *array)
{
	char key_more[KEY_SIZE];
	size_t reserved = ENDS + MORE + strlen(key);
	struct rte_tel_data *d = NULL;
	uint64_t more;

	/* Its two entries, or none. */
	if (t->nb < RTE_TEL_MAX_DICT_ENTRIES - 2 && dict_room(t, key, reserved))
		d = rte_tel_data_alloc();
	if (d == NULL) {
		t->more++;
		return;
	}
	more = fill_array(d, array, t->left);
	(void)rte_tel_data_add_dict_container(t->d, key, d, 0);
	if (more == 0)
		return;
	(void)snprintf(key_more, sizeof(key_more), "%.*s_more", KEY_SIZE - 8, key);
	(void)tel_add_dict_uint(t->d, key_more, more);
	t->nb++;
}

static void fill_dict(struct dict *t, const json_t *v);

static void
dict_add_dict(struct dict *t, const char *key, const json_t *v)
{
	struct rte_tel_data *d = NULL;
	struct dict inner;

	if (strlen(key) + PUNCTUATION + ENDS + MORE <= *t->left && dict_room(t, key, 0))
		d = rte_tel_data_alloc();
	if (d == NULL) {
		t->more++;
		return;
	}
	dict_begin(&inner, d, t->left);
	fill_dict(&inner, v);
	dict_end(&inner);
	(void)rte_tel_data_add_dict_container(t->d, key, d, 0);
}

static bool
is_plain(const json_t *v)
{
	return !json_is_object(v) && !json_is_array(v);
}

static void
dict_add(struct dict *t, const char *key, const json_t *v)
{
	if (is_plain(v))
		dict_add_plain(t, key, v);
	else if (value_kind(v) == KIND_ARRAY && json_array_size(v) != 0)
		dict_add_array(t, key, v);
	else
		dict_add_dict(t, key, v);
}

/* An element is there whole or not at all. */
static void
fill_list(struct dict *t, const json_t *array)
{
	size_t i;
	json_t *v;

	json_array_foreach(array, i, v) {
		char key[24];

		if (json_is_null(v))
			continue;
		(void)snprintf(key, sizeof(key), "%zu", i);
		if (whole_size(v) + strlen(key) + PUNCTUATION > *t->left)
			t->more++;
		else
			dict_add(t, key, v);
	}
}

/* What may be long comes last: it cannot crowd out a number. */
static void
fill_object(struct dict *t, const json_t *object, bool plain)
{
	char name[KEY_SIZE];
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)object, key, v) {
		if (is_plain(v) != plain)
			continue;
		make_key(name, key);
		dict_add(t, name, v);
	}
}

static void
fill_dict(struct dict *t, const json_t *v)
{
	if (json_is_array(v)) {
		fill_list(t, v);
		return;
	}
	fill_object(t, v, true);
	fill_object(t, v, false);
}

int
tel_data_fill(struct rte_tel_data *d, const json_t *value, size_t room)
{
	bool array = value_kind(value) == KIND_ARRAY;
	struct dict t;

	if (is_plain(value))
		return -EINVAL;
	if (array && json_array_size(value) <= RTE_TEL_MAX_ARRAY_ENTRIES &&
	    whole_size(value) <= room) {
		(void)fill_array(d, value, &room);
		return 0;
	}
	dict_begin(&t, d, &room);
	if (array)
		dict_add_array(&t, "list", value);
	else
		fill_dict(&t, value);
	dict_end(&t);
	return 0;
}
