/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1	/* asprintf */
#include "shell_edit.h"

#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "complete.h"
#include "printable.h"
#include "shell_line.h"

#define HISTORY_SIZE 1000
/* What has a meaning to the shell, in a name that is completed. */
#define SPECIAL " \t\\'\";#"

struct editor {
	const struct cli *cli;
	EditLine *el;
	History *history;
	Tokenizer *tokenizer;
	char *history_file;	/* NULL: there is no place for one */
	bool dropped;		/* Ctrl-C in the line */
};

/* ---- history ---------------------------------------------------------------- */

/* Each folder of the path that is missing. */
static bool
make_folders(char *path)
{
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			*p = '/';
			return false;
		}
		*p = '/';
	}
	return true;
}

static char *
history_path(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path;
	int len;

	if (state != NULL && state[0] == '/')
		len = asprintf(&path, "%s/freqring/history", state);
	else if (home != NULL && home[0] == '/')
		len = asprintf(&path, "%s/.local/state/freqring/history", home);
	else
		return NULL;
	if (len < 0)
		return NULL;
	if (make_folders(path))
		return path;
	free(path);
	return NULL;
}

static void
remember(struct editor *e, const char *line)
{
	HistEvent ev;

	if (line[strspn(line, " \t\n")] == '\0')
		return;
	(void)history(e->history, &ev, H_ENTER, line);
	if (e->history_file != NULL)
		(void)history(e->history, &ev, H_SAVE, e->history_file);
}

/* ---- completion ------------------------------------------------------------- */

/* What is behind the cursor's word is typed for it, quoted. */
static void
insert(EditLine *el, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c[3] = { '\\', text[i], '\0' };

		(void)el_insertstr(el, strchr(SPECIAL, text[i]) != NULL ? c : c + 1);
	}
}

static void
print_candidates(const struct candidates *c)
{
	printf("\n");
	for (size_t i = 0; i < c->nb; i++) {
		make_printable(c->word[i]);
		printf("%s%s", c->word[i], i + 1 < c->nb ? "  " : "\n");
	}
	(void)fflush(stdout);
}

/* @param typed  how much of the word is there */
static unsigned char
extend(EditLine *el, const struct candidates *c, size_t typed)
{
	size_t common = candidates_common(c);

	if (c->nb == 0)
		return CC_ERROR;
	if (common > typed)
		insert(el, c->word[0] + typed, common - typed);
	if (c->nb == 1)
		(void)el_insertstr(el, " ");
	else if (common == typed) {
		print_candidates(c);
		return CC_REDISPLAY;
	}
	return CC_REFRESH;
}

/* The last command in the line up to the cursor, to be freed; NULL: no memory. */
static char *
command_before(const LineInfo *li, const char **command)
{
	char *line = strndup(li->buffer, (size_t)(li->cursor - li->buffer)), *rest = line;

	*command = line;
	while (line != NULL && rest != NULL)
		*command = shell_line_next(&rest);
	return line;
}

static unsigned char
on_tab(EditLine *el, int ch)
{
	struct editor *e;
	struct candidates c;
	const char *command, **argv, **words;
	unsigned char ret = CC_ERROR;
	int argc, word, offset;
	LineInfo part;
	char *line;

	(void)ch;
	(void)el_get(el, EL_CLIENTDATA, &e);
	line = command_before(el_line(el), &command);
	if (line == NULL)
		return CC_ERROR;
	part = (LineInfo){ .buffer = command, .cursor = command + strlen(command),
		.lastchar = command + strlen(command) };
	tok_reset(e->tokenizer);
	if (tok_line(e->tokenizer, &part, &argc, &argv, &word, &offset) == 0) {
		words = calloc((size_t)word + 1, sizeof(*words));
		if (words == NULL)
			abort();
		for (int i = 0; i <= word; i++)
			words[i] = i < argc ? argv[i] : "";
		complete(e->cli, word + 1, words, &c);
		ret = extend(el, &c, (size_t)offset);
		candidates_free(&c);
		free(words);
	}
	free(line);
	return ret;
}

/* Ctrl-C comes as a key while a line is edited. */
static unsigned char
on_drop(EditLine *el, int ch)
{
	struct editor *e;

	(void)ch;
	(void)el_get(el, EL_CLIENTDATA, &e);
	e->dropped = true;
	return CC_NEWLINE;
}

/* ---- lines ------------------------------------------------------------------ */

static char *
prompt(EditLine *el)
{
	static char text[] = "freqring> ";

	(void)el;
	return text;
}

static void
set_up(struct editor *e)
{
	HistEvent ev;

	(void)el_set(e->el, EL_CLIENTDATA, e);
	(void)el_set(e->el, EL_PROMPT, prompt);
	(void)el_set(e->el, EL_EDITOR, "emacs");
	(void)el_set(e->el, EL_HIST, history, e->history);
	/* el_set() makes copies of the names, and never frees them. */
	(void)el_wset(e->el, EL_ADDFN, L"freqring-complete", L"complete the word", on_tab);
	(void)el_set(e->el, EL_BIND, "^I", "freqring-complete", NULL);
	(void)el_wset(e->el, EL_ADDFN, L"freqring-drop", L"drop the line", on_drop);
	(void)el_set(e->el, EL_BIND, "^C", "freqring-drop", NULL);
	(void)el_set(e->el, EL_SETTY, "-d", "-isig", NULL);
	(void)el_source(e->el, NULL);
	(void)history(e->history, &ev, H_SETSIZE, HISTORY_SIZE);
	(void)history(e->history, &ev, H_SETUNIQUE, 1);
	e->history_file = history_path();
	if (e->history_file != NULL)
		(void)history(e->history, &ev, H_LOAD, e->history_file);
}

struct editor *
editor_open(const struct cli *cli)
{
	struct editor *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->cli = cli;
	e->el = el_init("freqring", stdin, stdout, stderr);
	e->history = history_init();
	e->tokenizer = tok_init(NULL);
	if (e->el == NULL || e->history == NULL || e->tokenizer == NULL) {
		editor_close(e);
		return NULL;
	}
	set_up(e);
	return e;
}

void
editor_close(struct editor *e)
{
	if (e->el != NULL)
		el_end(e->el);
	if (e->history != NULL)
		history_end(e->history);
	if (e->tokenizer != NULL)
		tok_end(e->tokenizer);
	free(e->history_file);
	free(e);
}

const char *
editor_read(struct editor *e)
{
	const char *line;
	int len;

	e->dropped = false;
	/* el_gets() would print the prompt before keys are its own. */
	(void)el_set(e->el, EL_PREP_TERM, 1);
	line = el_gets(e->el, &len);
	if (line == NULL || len <= 0) {
		printf("\n");
		return NULL;
	}
	if (e->dropped)
		return "";
	remember(e, line);
	return line;
}
