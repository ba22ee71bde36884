/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doctor_read.c - the only way to files for the checks of `freqring doctor`
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

static void __attribute__((format(printf, 3, 0)))
format_path(const struct doctor *d, char path[DOCTOR_PATH], const char *fmt, va_list ap)
{
	int n = snprintf(path, DOCTOR_PATH, "%s", d->root);

	if (n < 0 || n >= DOCTOR_PATH)
		n = DOCTOR_PATH - 1;
	(void)vsnprintf(path + n, (size_t)(DOCTOR_PATH - n), fmt, ap);
}

char *
doctor_path(const struct doctor *d, char path[DOCTOR_PATH], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_path(d, path, fmt, ap);
	va_end(ap);
	return path;
}

/* O_NONBLOCK: a FIFO in the place of a file must not hold us up. */
static int
read_begin(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t n;
	int ret = 0;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) != 0) {
		if (n < 0 && errno != EINTR) {
			ret = -errno;
			break;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	text[ret == 0 ? len : 0] = '\0';
	return ret;
}

int
doctor_read(const struct doctor *d, char *text, size_t size, const char *fmt, ...)
{
	char path[DOCTOR_PATH];
	va_list ap;

	va_start(ap, fmt);
	format_path(d, path, fmt, ap);
	va_end(ap);
	return read_begin(path, text, size);
}

void
doctor_read_cpus(const struct doctor *d, struct cpuset *cpus, const char *fmt, ...)
{
	char path[DOCTOR_PATH], text[8192];
	struct frq_err err;
	va_list ap;

	memset(cpus, 0, sizeof(*cpus));
	va_start(ap, fmt);
	format_path(d, path, fmt, ap);
	va_end(ap);
	if (read_begin(path, text, sizeof(text)) < 0)
		return;
	for (char *p = text; *p != '\0'; p++) {
		if (isspace((unsigned char)*p))
			*p = ',';
	}
	(void)cpuset_parse(cpus, text, &err);
}

bool
doctor_exists(const struct doctor *d, const char *fmt, ...)
{
	char path[DOCTOR_PATH];
	va_list ap;

	va_start(ap, fmt);
	format_path(d, path, fmt, ap);
	va_end(ap);
	/* Not access(): a link into a folder that is not there counts, as systemd sees it. */
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

const char *
doctor_cpus(const struct cpuset *cpus, char text[DOCTOR_LIST])
{
	int n = snprintf(text, DOCTOR_LIST, "CPU%s ", cpuset_count(cpus) == 1 ? "" : "s");

	(void)cpuset_format(cpus, text + n, (size_t)(DOCTOR_LIST - n));
	return text;
}
