/* SPDX-License-Identifier: BSD-3-Clause */
/* shell_line.h - a line of the shell, cut into commands */
#ifndef FRQ_CLI_SHELL_LINE_H
#define FRQ_CLI_SHELL_LINE_H

/**
 * Cut the first command off the line: up to a ";" or a comment that is not
 * quoted.
 *
 * @param rest  the line, written to; moved behind the command, NULL at its end
 */
char *shell_line_next(char **rest);

#endif /* FRQ_CLI_SHELL_LINE_H */
