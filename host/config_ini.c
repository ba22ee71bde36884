/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_ini.c - the configuration file
 *
 * inih does the syntax. It cuts a line at its buffer's size and goes on with
 * the rest as if that were a line of its own, ends a section's name at the
 * first ']' or after 49 characters, ignores what follows, and numbers no lines
 * for the handler; so the reader below hands it one line at a time, refuses
 * those first that inih would misread, and knows the section by itself.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config_pvt.h"
#include "suggest.h"

/* Of an input that is quoted in a message. */
#define QUOTE "%.60s"
/* What inih skips at the start of a line. */
#define WHITE_SPACE " \t\v\f\r"

struct ini_state {
	struct config *c;
	struct frq_err *err;
	const char *next;	/* not read yet */
	const char *end;
	unsigned int line;	/* number of the line read last */
	unsigned int bad_line;	/* number of the line at fault, 0: none */
	bool indented;		/* the line read last starts with white space */
	char title[200];	/* what stands in the section's brackets; "": no section yet */
	struct config_vm *vm;	/* whose section it is, NULL: nobody's */
	const struct config_setting *last;	/* set last in this section */
	unsigned int set_in[CONFIG_NB_ROWS];	/* line, 0: not set */
	unsigned int vm_line[CONFIG_MAX_VMS];	/* where that section begins */
};

static bool
is_section(const char *name)
{
	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++) {
		if (strcmp(config_settings[i].section, name) == 0)
			return true;
	}
	return false;
}

static bool
check_section(const char *name, struct frq_err *err)
{
	struct suggest s = SUGGEST_INIT(name);

	if (is_section(name))
		return true;
	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++)
		suggest_offer(&s, config_settings[i].section);
	if (s.best == NULL && strncasecmp(name, CONFIG_VM_SECTION, 2) == 0)
		s.best = CONFIG_VM_SECTION " PATTERN";
	if (s.best != NULL)
		frq_err_set(err, "[" QUOTE "]: no such section (did you mean [%s]?)",
			name, s.best);
	else
		frq_err_set(err, "[" QUOTE "]: no such section", name);
	return false;
}

static bool
add_vm(struct ini_state *st, const char *pattern, struct frq_err *why)
{
	for (unsigned int i = 0; i < st->c->nb_vms; i++) {
		if (strcmp(st->c->vm[i].pattern, pattern) == 0) {
			frq_err_set(why, "already in line %u", st->vm_line[i]);
			return false;
		}
	}
	st->vm = config_add_vm(st->c, pattern, why);
	if (st->vm == NULL)
		return false;
	st->vm_line[st->vm - st->c->vm] = st->line;
	memset(&st->set_in[CONFIG_NB_SETTINGS], 0,
		CONFIG_NB_VM_SETTINGS * sizeof(st->set_in[0]));
	return true;
}

/* The section that st->title names. */
static bool
begin_section(struct ini_state *st)
{
	size_t word = strcspn(st->title, WHITE_SPACE);
	size_t len = strlen(st->title);
	const char *pattern = st->title + word + strspn(st->title + word, WHITE_SPACE);
	struct frq_err why;

	st->vm = NULL;
	st->last = NULL;
	if (word != strlen(CONFIG_VM_SECTION) || memcmp(st->title, CONFIG_VM_SECTION, word) != 0)
		return check_section(st->title, st->err);
	while (len > word && strchr(WHITE_SPACE, st->title[len - 1]) != NULL)
		st->title[--len] = '\0';
	if (add_vm(st, pattern, &why))
		return true;
	frq_err_set(st->err, "[" QUOTE "]: %s", st->title, why.text);
	return false;
}

/* The ] that ends a section's name: a pattern may have brackets of its own. */
static const char *
closing_bracket(const char *line)
{
	for (unsigned int depth = 0; *line != '\0'; line++) {
		depth += *line == '[';
		if (*line == ']' && --depth == 0)
			return line;
	}
	return NULL;
}

/* `line` starts with '[', white space before it is gone. */
static bool
take_head(struct ini_state *st, const char *line)
{
	const char *end = closing_bracket(line);
	const char *rest;

	if (st->indented && st->last != NULL) {
		frq_err_set(st->err, QUOTE ": an indented line goes on with %s; start the "
			"section at the margin", line, st->last->key);
		return false;
	}
	if (end == NULL) {
		frq_err_set(st->err, QUOTE ": the closing ] is missing", line);
		return false;
	}
	rest = end + 1 + strspn(end + 1, WHITE_SPACE);
	if (*rest != '\0' && *rest != ';' && *rest != '#') {
		frq_err_set(st->err, QUOTE ": nothing may follow the ]", line);
		return false;
	}
	snprintf(st->title, sizeof(st->title), "%.*s", (int)(end - line - 1), line + 1);
	return begin_section(st);
}

/* inih takes a comment behind a value off, but not in a line that goes on. */
static size_t
cut_comment(const char *line, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		if (line[i] == ';' && isblank((unsigned char)line[i - 1]))
			return i;
	}
	return len;
}

/* As the rows have it. */
static const char *
section_of(const struct ini_state *st)
{
	return st->vm != NULL ? CONFIG_VM_SECTION : st->title;
}

/* One line for inih, or NULL at the end or when the line is refused. */
static char *
read_line(char *buf, int size, void *stream)
{
	struct ini_state *st = stream;
	const char *start = st->next;
	const char *newline;
	size_t len, max = (size_t)size - 3;
	const char *text;

	if (start == st->end || st->bad_line != 0)
		return NULL;
	newline = memchr(start, '\n', (size_t)(st->end - start));
	len = (size_t)((newline != NULL ? newline : st->end) - start);
	st->next = newline != NULL ? newline + 1 : st->end;
	st->line++;

	if (memchr(start, '\0', len) != NULL) {
		frq_err_set(st->err, "a zero byte, this is not a text file");
		goto refuse;
	}
	if (len > max) {
		frq_err_set(st->err, "%.30s...: %zu characters in a line, the most is %zu",
			start, len, max);
		goto refuse;
	}
	memcpy(buf, start, len);
	len = cut_comment(buf, len);
	buf[len] = '\0';
	text = buf + strspn(buf, WHITE_SPACE);
	st->indented = text != buf;
	if (*text == '[' && !take_head(st, text))
		goto refuse;
	buf[len] = '\n';
	buf[len + 1] = '\0';
	return buf;

refuse:
	st->bad_line = st->line;
	return NULL;
}

static void
explain_unknown(const struct ini_state *st, const char *key, const char *value)
{
	const char *section = section_of(st);
	struct suggest s = SUGGEST_INIT(key);

	for (unsigned int i = 0; i < CONFIG_NB_ROWS; i++) {
		const struct config_setting *other = &config_settings[i];

		if (strcmp(other->key, key) == 0) {
			frq_err_set(st->err, "[" QUOTE "] %s = " QUOTE ": no such setting "
				"(it belongs in [%s%s])", st->title, key, value, other->section,
				i < CONFIG_NB_SETTINGS ? "" : " PATTERN");
			return;
		}
		if (strcmp(other->section, section) == 0)
			suggest_offer(&s, other->key);
	}
	if (s.best != NULL)
		frq_err_set(st->err, "[" QUOTE "] " QUOTE " = " QUOTE ": no such setting "
			"(did you mean %s?)", st->title, key, value, s.best);
	else
		frq_err_set(st->err, "[" QUOTE "] " QUOTE " = " QUOTE ": no such setting",
			st->title, key, value);
}

/* The value goes on: inih calls again with the same key. */
static bool
append(struct ini_state *st, const struct config_setting *s, const char *more,
	struct frq_err *why)
{
	char joined[2048];

	if (s->kind != CONFIG_LIST) {
		frq_err_set(why, "this indented line goes on with %s, which is one value; "
			"start it at the margin", s->key);
		return false;
	}
	snprintf(joined, sizeof(joined), "%s,%s", (char *)st->c + s->offset, more);
	return config_set(st->c, s, joined, why);
}

/* Of the two bounds the one set last is at fault. */
static bool
check_vm(const struct config_vm *vm, const struct config_setting *s, struct frq_err *why)
{
	if (vm->max_mhz == 0 || vm->min_mhz <= vm->max_mhz)
		return true;
	if (s->offset == offsetof(struct config_vm, min_mhz))
		frq_err_set(why, "above max_mhz = %" PRIu32, vm->max_mhz);
	else
		frq_err_set(why, "below min_mhz = %" PRIu32, vm->min_mhz);
	return false;
}

static bool
set_value(struct ini_state *st, const struct config_setting *s, const char *value,
	struct frq_err *why)
{
	unsigned int *set_in = &st->set_in[s - config_settings];

	if (st->indented && st->last == s)
		return append(st, s, value, why);
	if (*set_in != 0) {
		frq_err_set(why, "already set in line %u", *set_in);
		return false;
	}
	*set_in = st->line;
	st->last = s;
	if (st->vm != NULL)
		return config_set(st->vm, s, value, why) && check_vm(st->vm, s, why);
	return config_set(st->c, s, value, why);
}

/* inih's handler: not 0 is success. */
static int
take_value(void *user, const char *section, const char *key, const char *value)
{
	struct ini_state *st = user;
	const struct config_setting *s = config_find(section_of(st), key);
	struct frq_err why;

	(void)section;
	if (st->bad_line != 0)
		return 0;
	if (st->title[0] == '\0')
		frq_err_set(st->err, QUOTE " = " QUOTE ": stands before the first [section]",
			key, value);
	else if (s == NULL)
		explain_unknown(st, key, value);
	else if (set_value(st, s, value, &why))
		return 1;
	else
		frq_err_set(st->err, "[" QUOTE "] %s = " QUOTE ": %s", st->title, key, value,
			why.text);
	st->bad_line = st->line;
	return 0;
}

static void
quote_line(const char *text, size_t len, unsigned int number, struct frq_err *err)
{
	const char *end = text + len;
	const char *line = text;
	size_t n;

	while (--number > 0)
		line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
	while (line < end && isblank((unsigned char)*line))
		line++;
	for (n = 0; line + n < end && n < 60 && line[n] != '\n' && line[n] != '\r'; n++)
		;
	frq_err_set(err, "%.*s: neither a [section] nor key = value", (int)n, line);
}

unsigned int
config_parse_buffer(struct config *c, const char *text, size_t len, struct frq_err *err)
{
	struct ini_state st = { .c = c, .err = err };
	int ret;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	st.next = text;
	st.end = text + len;
	ret = ini_parse_stream(read_line, &st, take_value, &st);
	if (ret < 0) {
		frq_err_set(err, "out of memory");
		return st.line + 1;
	}
	/* inih goes on after a line that it cannot read, we stop at the first. */
	if (ret > 0 && (st.bad_line == 0 || (unsigned int)ret < st.bad_line)) {
		quote_line(text, len, (unsigned int)ret, err);
		return (unsigned int)ret;
	}
	return st.bad_line;
}

/* Up to CONFIG_MAX_FILE + 1 bytes, or a negative errno. */
static ssize_t
read_file(const char *path, char *buf)
{
	size_t len = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (n > 0 && len < CONFIG_MAX_FILE + 1) {
		n = read(fd, buf + len, CONFIG_MAX_FILE + 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : (ssize_t)len;
}

int
config_parse_file(struct config *c, const char *path, struct frq_err *err)
{
	char *buf = malloc(CONFIG_MAX_FILE + 1);
	struct frq_err why;
	unsigned int line;
	ssize_t len;
	int ret = -EINVAL;

	if (buf == NULL) {
		frq_err_set(err, "out of memory");
		return -ENOMEM;
	}
	len = read_file(path, buf);
	if (len < 0) {
		frq_err_set(err, "%s: %s", path, strerror((int)-len));
		ret = (int)len;
	} else if (len > CONFIG_MAX_FILE) {
		frq_err_set(err, "%s: larger than %u KiB, this is not a configuration file",
			path, CONFIG_MAX_FILE / 1024);
	} else {
		line = config_parse_buffer(c, buf, (size_t)len, &why);
		if (line != 0)
			frq_err_set(err, "%s:%u: %s", path, line, why.text);
		else
			ret = 0;
	}
	free(buf);
	return ret;
}
