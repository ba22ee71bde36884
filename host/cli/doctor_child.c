/* SPDX-License-Identifier: BSD-3-Clause */
#include "doctor_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ANSWER (16u << 20)

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void __attribute__((noreturn))
be_child(json_t *(*ask)(const void *arg), const void *arg, int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	json_t *answer;

	/* What it starts, ssh for one, can neither ask nor talk, and ends with it. */
	(void)setsid();
	for (int i = STDIN_FILENO; null >= 0 && i <= STDERR_FILENO; i++)
		(void)dup2(null, i);
	answer = ask(arg);
	_exit(answer == NULL || json_dumpfd(answer, fd, JSON_COMPACT) < 0);
}

/* Until it ends; whether all of it came in time. */
static bool
read_all(int fd, char **text, size_t *len, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t size = 0;

	for (;;) {
		int64_t left = deadline - now_ms();
		ssize_t n;

		if (left <= 0)
			return false;
		if (*len == size) {
			char *grown;

			size = size == 0 ? 64 * 1024 : size * 2;
			grown = size > MAX_ANSWER ? NULL : realloc(*text, size);
			if (grown == NULL)
				return false;
			*text = grown;
		}
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, *text + *len, size - *len);
		if (n == 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		*len += n > 0 ? (size_t)n : 0;
	}
}

/* One that the kernel does not let go of yet is left to init. */
static void
end_child(pid_t pid)
{
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	for (int i = 0; i < 100 && waitpid(pid, NULL, WNOHANG) == 0; i++)
		(void)poll(NULL, 0, 5);
}

json_t *
doctor_ask_bounded(json_t *(*ask)(const void *arg), const void *arg, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	json_t *answer = NULL;
	char *text = NULL;
	size_t len = 0;
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return NULL;
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		be_child(ask, arg, fd[1]);
	}
	close(fd[1]);
	if (pid > 0) {
		if (read_all(fd[0], &text, &len, deadline))
			answer = json_loadb(text, len, 0, NULL);
		end_child(pid);
	}
	close(fd[0]);
	free(text);
	return answer;
}
