/* SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "suggest.h"

#define MAX_VCPU 65535u
#define MAX_MHZ 100000u
#define NB_WORDS (FRQ_MAX_CPUS / 64)

/* So much of what was typed is quoted. */
#define QUOTED 100

#define BAD(err, text, ...) (bad(err, text, __VA_ARGS__), false)

static void bad(struct frq_err *err, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void
bad(struct frq_err *err, const char *text, const char *fmt, ...)
{
	char why[sizeof(err->text) - QUOTED - 8];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	frq_err_set(err, "%.*s%s: %s", QUOTED, text, strlen(text) > QUOTED ? "..." : "", why);
}

/* ---- numbers ---------------------------------------------------------------- */

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* The first digit, and the base of what starts there. */
static const char *
skip_prefix(const char *p, unsigned int *base)
{
	bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');

	*base = hex ? 16 : 10;
	return hex ? p + 2 : p;
}

/* One at *p, moved behind it. Too large a one comes out as UINT64_MAX. */
static bool
scan_number(const char **p, uint64_t *n)
{
	unsigned int base;
	const char *start = skip_prefix(*p, &base);

	*n = 0;
	for (*p = start; (unsigned int)digit(**p) < base; (*p)++) {
		if (__builtin_mul_overflow(*n, base, n) ||
		    __builtin_add_overflow(*n, (unsigned int)digit(**p), n))
			*n = UINT64_MAX;
	}
	return *p != start;
}

static bool
parse_number(struct value *v, const char *text, const char *what, uint64_t min, uint64_t max,
	struct frq_err *err)
{
	const char *p = text;

	if (!scan_number(&p, &v->number) || *p != '\0')
		return BAD(err, text, "expected %s, decimal or 0x", what);
	if (v->number < min)
		return BAD(err, text, "%s is %ju at least", what, (uintmax_t)min);
	if (v->number > max)
		return BAD(err, text, "%s is %ju at most", what, (uintmax_t)max);
	return true;
}

static bool
parse_cpu(struct value *v, const char *text, struct frq_err *err)
{
	if (!parse_number(v, text, "the number of a CPU", 0, FRQ_MAX_CPUS - 1, err))
		return false;
	cpuset_add(&v->set, (unsigned int)v->number);
	return true;
}

/* ---- lists and masks -------------------------------------------------------- */

static void
add_items(struct value *v, uint64_t first, uint64_t last)
{
	for (unsigned int i = (unsigned int)first; i <= last; i++) {
		if (cpuset_has(&v->set, i))
			continue;
		cpuset_add(&v->set, i);
		v->item[v->nb_items++] = (uint16_t)i;
	}
}

/* A part of a list, `len` bytes at `part`. What is wrong with it, or NULL. */
static const char *
parse_part(struct value *v, const char *part, size_t len, unsigned int limit)
{
	const char *p = part;
	uint64_t first, last;

	if (len == 0)
		return "is empty";
	if (!scan_number(&p, &first))
		return "is no number";
	last = first;
	if (*p == '-') {
		p++;
		if (!scan_number(&p, &last))
			return "does not say where it ends";
	}
	if (p != part + len)
		return "is neither a number nor a range like 2-5";
	if (first >= limit || last >= limit)
		return "is too high";
	if (first > last)
		return "runs backwards";
	add_items(v, first, last);
	return NULL;
}

/* @param what  the list is of, for messages */
static bool
parse_list(struct value *v, const char *text, const char *what, unsigned int limit,
	struct frq_err *err)
{
	for (const char *part = text; ; part++) {
		size_t len = strcspn(part, ",");
		const char *problem = parse_part(v, part, len, limit);

		if (problem != NULL)
			return BAD(err, text, "\"%.*s\" %s; expected %s from 0 to %u, like 0,2-5,9",
				(int)(len > 20 ? 20 : len), part, problem, what, limit - 1);
		part += len;
		if (*part == '\0')
			return true;
	}
}

/* set = set * base + n. Whether it fits. */
static bool
multiply_add(struct cpuset *set, unsigned int base, unsigned int n)
{
	__extension__ unsigned __int128 carry = n;

	for (unsigned int i = 0; i < NB_WORDS; i++) {
		carry += (__extension__ (unsigned __int128)set->bits[i]) * base;
		set->bits[i] = (uint64_t)carry;
		carry >>= 64;
	}
	return carry == 0;
}

static bool
parse_mask(struct value *v, const char *text, struct frq_err *err)
{
	unsigned int base;
	const char *start = skip_prefix(text, &base), *p = start;

	for (; (unsigned int)digit(*p) < base; p++) {
		if (!multiply_add(&v->set, base, (unsigned int)digit(*p)))
			return BAD(err, text, "the mask names CPUs beyond %u", FRQ_MAX_CPUS - 1);
	}
	if (p == start || *p != '\0')
		return BAD(err, text, "expected a mask of CPUs, like 0x2c (decimal is read too)");
	if (cpuset_empty(&v->set))
		return BAD(err, text, "the mask names no CPU");
	return true;
}

char *
value_format_mask(const struct cpuset *set, char *text)
{
	unsigned int top = NB_WORDS - 1;
	int len;

	while (top > 0 && set->bits[top] == 0)
		top--;
	len = sprintf(text, "0x%jx", (uintmax_t)set->bits[top]);
	while (top-- > 0)
		len += sprintf(text + len, "%016jx", (uintmax_t)set->bits[top]);
	return text;
}

/* ---- words ------------------------------------------------------------------ */

static bool
is_word(const char *const *words, const char *text)
{
	for (; words != NULL && *words != NULL; words++) {
		if (strcmp(*words, text) == 0)
			return true;
	}
	return false;
}

/* "up, down or a figure in MHz" */
static void
format_words(const struct value_type *type, char *text, size_t size)
{
	bool more = type->kind == VALUE_FREQ;
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; type->words[i] != NULL && used < size; i++) {
		bool last = type->words[i + 1] == NULL && !more;

		used += (size_t)snprintf(text + used, size - used, "%s%s",
			i == 0 ? "" : last ? " or " : ", ", type->words[i]);
	}
	if (more && used < size)
		(void)snprintf(text + used, size - used, " or a figure in MHz");
}

static bool
parse_word(struct value *v, const struct value_type *type, const char *text,
	struct frq_err *err)
{
	struct suggest s = SUGGEST_INIT(text);
	char words[120];

	v->word = is_word(type->words, text);
	if (v->word)
		return true;
	for (size_t i = 0; type->words[i] != NULL; i++)
		suggest_offer(&s, type->words[i]);
	if (s.best != NULL)
		return BAD(err, text, "no such %s (did you mean %s?)", type->name, s.best);
	format_words(type, words, sizeof(words));
	return BAD(err, text, "expected %s", words);
}

static bool
parse_words(const struct value_type *type, const char *text, struct frq_err *err)
{
	for (const char *p = text; ; p++) {
		size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-_");

		if (len == 0 || (p[len] != ',' && p[len] != '\0'))
			return BAD(err, text, "expected words like %s,%s", type->words[0],
				type->words[1]);
		p += len;
		if (*p == '\0')
			return true;
	}
}

static bool
parse_freq(struct value *v, const struct value_type *type, const char *text,
	struct frq_err *err)
{
	if (!isdigit((unsigned char)text[0]))
		return parse_word(v, type, text, err);
	if (!parse_number(v, text, "a figure in MHz", 1, MAX_MHZ, err))
		return false;
	v->number *= 1000;
	return true;
}

/* ---- names ------------------------------------------------------------------ */

static bool
parse_vm(const char *text, struct frq_err *err)
{
	json_t *utf8;

	if (text[0] == '\0')
		return BAD(err, text, "an empty name of a VM");
	if (strchr(text, '/') != NULL)
		return BAD(err, text, "the name of a VM has no slash");
	for (const char *p = text; *p != '\0'; p++) {
		if (iscntrl((unsigned char)*p))
			return BAD(err, text, "the name of a VM has no control characters");
	}
	utf8 = json_string(text);
	if (utf8 == NULL)
		return BAD(err, text, "the name of a VM is UTF-8");
	json_decref(utf8);
	return true;
}

bool
value_parse(struct value *v, const struct value_type *type, const char *text,
	struct frq_err *err)
{
	memset(v, 0, sizeof(*v));
	v->text = text;
	switch (type->kind) {
	case VALUE_NONE:
	case VALUE_TEXT:
	case VALUE_COMMAND:
		return true;
	case VALUE_VM:
		return parse_vm(text, err);
	case VALUE_NUMBER:
		return parse_number(v, text, "a number", 0, INT64_MAX, err);
	case VALUE_COUNT:
		return parse_number(v, text, "a number", 1, INT32_MAX / 1000, err);
	case VALUE_VCPU:
		return parse_number(v, text, "the number of a vCPU", 0, MAX_VCPU, err);
	case VALUE_CPU:
		return parse_cpu(v, text, err);
	case VALUE_CPULIST:
		v->word = is_word(type->words, text);
		return v->word || parse_list(v, text, "CPUs", FRQ_MAX_CPUS, err);
	case VALUE_CHANNELS:
		v->word = is_word(type->words, text);
		return v->word || parse_list(v, text, "channels", FRQ_MAX_CHANNELS, err);
	case VALUE_MASK:
		return parse_mask(v, text, err);
	case VALUE_WORD:
		return parse_word(v, type, text, err);
	case VALUE_WORDS:
		return parse_words(type, text, err);
	case VALUE_FREQ:
		return parse_freq(v, type, text, err);
	}
	return false;
}
