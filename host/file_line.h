/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_line.h - one line of a file of sysfs or proc
 */
#ifndef FRQ_FILE_LINE_H
#define FRQ_FILE_LINE_H

#include <stddef.h>

/** The first line, without what ends it and without a blank before that; "": none. Any thread. */
void file_line(const char *path, char *text, size_t size);

#endif /* FRQ_FILE_LINE_H */
