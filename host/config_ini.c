/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_ini.c - the configuration file
 *
 * inih does the syntax. It cuts a line at its buffer's size and goes on with
 * the rest as if that were a line of its own, ignores what follows a ']', and
 * numbers no lines for the handler; so the reader below hands it one line at
 * a time, and refuses those first that inih would misread.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_pvt.h"
#include "suggest.h"

/* Of an input that is quoted in a message. */
#define QUOTE "%.60s"

struct ini_state {
	struct config *c;
	struct frq_err *err;
	const char *next;	/* not read yet */
	const char *end;
	unsigned int line;	/* number of the line read last */
	unsigned int bad_line;	/* number of the line at fault, 0: none */
	bool indented;		/* the line read last starts with white space */
	const struct config_setting *last;	/* set last in this section */
	unsigned int set_in[CONFIG_NB_SETTINGS];	/* line, 0: not set */
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
	if (s.best != NULL)
		frq_err_set(err, "[" QUOTE "]: no such section (did you mean [%s]?)",
			name, s.best);
	else
		frq_err_set(err, "[" QUOTE "]: no such section", name);
	return false;
}

/* `line` starts with '[', white space before it is gone. */
static bool
check_head(const char *line, struct frq_err *err)
{
	char name[64];
	size_t len = strcspn(line + 1, "]");
	const char *rest;

	if (line[1 + len] == '\0') {
		frq_err_set(err, QUOTE ": the closing ] is missing", line);
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)len, line + 1);
	rest = line + 1 + len + 1;
	rest += strspn(rest, " \t\r");
	if (*rest != '\0' && *rest != ';' && *rest != '#') {
		frq_err_set(err, QUOTE ": nothing may follow the ]", line);
		return false;
	}
	return check_section(name, err);
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
	buf[len] = '\0';
	text = buf + strspn(buf, " \t");
	st->indented = text != buf;
	if (*text == '[') {
		st->last = NULL;
		if (!check_head(text, st->err))
			goto refuse;
	}
	len = cut_comment(buf, len);
	buf[len] = '\n';
	buf[len + 1] = '\0';
	return buf;

refuse:
	st->bad_line = st->line;
	return NULL;
}

static void
explain_unknown(const char *section, const char *key, const char *value, struct frq_err *err)
{
	struct suggest s = SUGGEST_INIT(key);

	for (unsigned int i = 0; i < CONFIG_NB_SETTINGS; i++) {
		const struct config_setting *other = &config_settings[i];

		if (strcmp(other->key, key) == 0) {
			frq_err_set(err, "[%s] %s = " QUOTE ": no such setting "
				"(it belongs in [%s])", section, key, value, other->section);
			return;
		}
		if (strcmp(other->section, section) == 0)
			suggest_offer(&s, other->key);
	}
	if (s.best != NULL)
		frq_err_set(err, "[%s] " QUOTE " = " QUOTE ": no such setting (did you mean %s?)",
			section, key, value, s.best);
	else
		frq_err_set(err, "[%s] " QUOTE " = " QUOTE ": no such setting",
			section, key, value);
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

/* inih's handler: not 0 is success. */
static int
take_value(void *user, const char *section, const char *key, const char *value)
{
	struct ini_state *st = user;
	const struct config_setting *s = config_find(section, key);
	unsigned int *set_in;
	struct frq_err why;

	if (st->bad_line != 0)
		return 0;
	if (section[0] == '\0') {
		frq_err_set(st->err, QUOTE " = " QUOTE ": stands before the first [section]",
			key, value);
		goto refuse;
	}
	if (s == NULL) {
		explain_unknown(section, key, value, st->err);
		goto refuse;
	}
	set_in = &st->set_in[s - config_settings];
	if (st->indented && st->last == s) {
		if (append(st, s, value, &why))
			return 1;
	} else if (*set_in != 0) {
		frq_err_set(&why, "already set in line %u", *set_in);
	} else if (config_set(st->c, s, value, &why)) {
		*set_in = st->line;
		st->last = s;
		return 1;
	}
	frq_err_set(st->err, "[%s] %s = " QUOTE ": %s", section, key, value, why.text);
refuse:
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
