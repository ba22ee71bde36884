/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_line.h"

#include <stdio.h>
#include <string.h>

void
file_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	text[0] = '\0';
	if (f == NULL)
		return;
	if (fgets(text, (int)size, f) == NULL)
		text[0] = '\0';
	(void)fclose(f);
	n = strcspn(text, "\n");
	if (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
}
