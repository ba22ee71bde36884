/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_top.c - who asks, and what comes of it, drawn anew each few seconds
 *
 * On a terminal it fills the screen until q; elsewhere, and with --batch, the
 * pages follow one another, as soon as there are two statuses to compare.
 */
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "interrupt.h"
#include "top_page.h"

#define DELAY_S		2u
#define ITERATIONS_MAX	UINT64_MAX

struct top {
	const struct cli *cli;
	uint64_t delay_ms, left;	/* pages to show yet */
	enum top_order order;
	json_t *before;			/* status, and when */
	int64_t before_ms;
	json_t *page;			/* the newest; NULL: none yet */
	char trouble[512];		/* why there is no newer one */
	SCREEN *screen;			/* NULL: one page after another */
};

/* ---- pages ------------------------------------------------------------------------ */

static json_t *
ask(struct top *t)
{
	struct client_error err = { .code = 0 };
	json_t *status = NULL;
	struct client c;

	if (client_open(&c, t->cli->socket, &err.why) == 0) {
		status = client_call(&c, "status", NULL, 0, &err);
		client_close(&c);
	}
	(void)snprintf(t->trouble, sizeof(t->trouble), "%s", status == NULL ? err.why.text : "");
	return status;
}

static void
take_sample(struct top *t)
{
	json_t *now = ask(t);
	int64_t now_ms = client_now_ms();

	if (now == NULL)
		return;
	json_decref(t->page);
	t->page = top_page(now, t->before, (uint64_t)(now_ms - t->before_ms));
	json_decref(t->before);
	t->before = now;
	t->before_ms = now_ms;
}

/* ---- waiting ------------------------------------------------------------------------ */

enum wake {
	WAKE_DUE,
	WAKE_KEY,
	WAKE_INTERRUPT,
};

static enum wake
wait_until(const struct top *t, int64_t due_ms)
{
	struct pollfd fds[] = {
		{ .fd = interrupt_fd(), .events = POLLIN },
		{ .fd = t->screen != NULL ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int64_t left = due_ms - client_now_ms();
	int n = poll(fds, 2, left > 0 ? (int)left : 0);

	if (interrupt_take())
		return WAKE_INTERRUPT;
	/* A signal: the window has another size, which is a key to curses. */
	if (n < 0)
		return WAKE_KEY;
	return fds[1].revents != 0 ? WAKE_KEY : WAKE_DUE;
}

/* ---- one page after another ----------------------------------------------------------- */

static enum cli_status
print_pages(struct top *t)
{
	for (take_sample(t); t->trouble[0] == '\0' && t->left > 0; t->left--) {
		int64_t due = t->before_ms + (int64_t)t->delay_ms;
		enum wake wake;

		while ((wake = wait_until(t, due)) == WAKE_KEY)
			;
		if (wake == WAKE_INTERRUPT)
			return CLI_OK;
		take_sample(t);
		if (t->trouble[0] != '\0')
			break;
		if (t->cli->json)
			json_dumpf(t->page, stdout, JSON_COMPACT);
		else
			top_print(stdout, t->page, t->order);
		(void)fputc('\n', stdout);
		if (fflush(stdout) != 0)
			return CLI_FAILED;
	}
	if (t->trouble[0] == '\0')
		return CLI_OK;
	cli_error("%s", t->trouble);
	return CLI_FAILED;
}

/* ---- a screen --------------------------------------------------------------------------- */

/* What does not fit is cut off; the last line says how much, or what went wrong. */
static void
draw_lines(const struct top *t, char *text)
{
	int line = 0, more = 0;
	char *rest = text, *one;

	erase();
	while ((one = strsep(&rest, "\n")) != NULL) {
		if (line < LINES - 1)
			(void)mvaddnstr(line++, 0, one, COLS);
		else if (*one != '\0')
			more++;
	}
	attron(A_REVERSE);
	if (t->trouble[0] != '\0')
		(void)mvprintw(LINES - 1, 0, "%s; tried again", t->trouble);
	else if (more != 0)
		(void)mvprintw(LINES - 1, 0, "q: quit  s: sort  space: now  (%d more lines)", more);
	else
		(void)mvaddstr(LINES - 1, 0, "q: quit  s: sort  space: now");
	attroff(A_REVERSE);
	(void)refresh();
}

static void
draw(const struct top *t)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		abort();
	if (t->page != NULL)
		top_print(f, t->page, t->order);
	(void)fclose(f);
	draw_lines(t, text);
	free(text);
}

/* @return whether to go on */
static bool
obey_keys(struct top *t, int64_t *due_ms)
{
	int key;

	while ((key = getch()) != ERR) {
		switch (key) {
		case 'q':
		case 'Q':
			return false;
		case 's':
			t->order = t->order == TOP_BY_RATE ? TOP_BY_NAME : TOP_BY_RATE;
			break;
		case ' ':
			*due_ms = 0;
			break;
		default:
			break;
		}
	}
	return true;
}

static enum cli_status
fill_screen(struct top *t)
{
	int64_t due = 0;
	enum wake wake = WAKE_DUE;

	(void)cbreak();
	(void)noecho();
	(void)nodelay(stdscr, TRUE);
	(void)curs_set(0);
	while (wake != WAKE_INTERRUPT && obey_keys(t, &due)) {
		if (client_now_ms() >= due) {
			if (t->left-- == 0)
				break;
			take_sample(t);
			due = client_now_ms() + (int64_t)t->delay_ms;
		}
		draw(t);
		wake = wait_until(t, due);
	}
	return CLI_OK;
}

/* ---- the command ------------------------------------------------------------------------- */

static bool
wants_screen(const struct cli *cli)
{
	return !cli->json && !cli_given(cli, OPT_BATCH) && isatty(STDIN_FILENO) != 0 &&
		isatty(STDOUT_FILENO) != 0;
}

/* Where it is not, pages are better than nothing; newterm() would lose memory over it. */
static bool
is_known_terminal(void)
{
	int error;

	if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return false;
	(void)del_curterm(cur_term);
	return true;
}

static uint64_t
number_or(const struct cli *cli, enum cli_opt opt, uint64_t otherwise)
{
	return cli_given(cli, opt) ? cli->opt[opt].number : otherwise;
}

enum cli_status
cmd_top(const struct cli *cli)
{
	struct top t = {
		.cli = cli,
		.delay_ms = number_or(cli, OPT_DELAY, DELAY_S) * 1000,
		.left = number_or(cli, OPT_ITERATIONS, ITERATIONS_MAX),
	};
	enum cli_status status;

	interrupt_catch();
	if (wants_screen(cli) && is_known_terminal())
		t.screen = newterm(NULL, stdout, stdin);
	if (t.screen != NULL) {
		status = fill_screen(&t);
		(void)endwin();
		delscreen(t.screen);
	} else {
		status = print_pages(&t);
	}
	json_decref(t.page);
	json_decref(t.before);
	return status;
}
