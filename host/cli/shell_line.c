/* SPDX-License-Identifier: BSD-3-Clause */
#include "shell_line.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>

/* As libedit's tokenizer has them, which takes the command apart. */
static char
next_quote(char quote, char c)
{
	if (quote == c)
		return '\0';
	if (quote == '\0' && (c == '\'' || c == '"'))
		return c;
	return quote;
}

char *
shell_line_next(char **rest)
{
	char *command = *rest, *p = command;
	char quote = '\0';
	bool word_starts = true;

	for (; *p != '\0'; p++) {
		if (quote == '\0' && (*p == ';' || (*p == '#' && word_starts)))
			break;
		if (*p == '\\' && quote != '\'' && p[1] != '\0')
			p++;
		else
			quote = next_quote(quote, *p);
		word_starts = isspace((unsigned char)*p) != 0;
	}
	*rest = *p == ';' ? p + 1 : NULL;
	*p = '\0';
	return command;
}
