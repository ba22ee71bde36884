/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * program.c - see program.h; the file's format is in elf(5)
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "program.h"

extern char **environ;

/* Part of a message in all versions of librte_power, stripped or not. */
#define POWER_MARK "Power Management Environment"

#define POWER_LIBRARY "librte_power.so."

/* ---- find ------------------------------------------------------------------- */

static bool
is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool
find_in_path(char *path, size_t size, const char *name)
{
	const char *dirs = getenv("PATH");

	if (dirs == NULL)
		dirs = "/bin:/usr/bin";
	for (const char *d = dirs; d != NULL; d = strchr(d, ':')) {
		size_t n;

		if (*d == ':')
			d++;
		n = strcspn(d, ":");
		/* An empty one is the folder we are in. */
		if ((size_t)snprintf(path, size, "%.*s/%s", n != 0 ? (int)n : 1,
			n != 0 ? d : ".", name) < size && is_executable(path))
			return true;
	}
	return false;
}

static int
find(struct program *p, const char *name, char *why, size_t size)
{
	if (strchr(name, '/') == NULL) {
		if (find_in_path(p->path, sizeof(p->path), name))
			return 0;
		(void)snprintf(why, size, "no such program in PATH");
		return -ENOENT;
	}
	if ((size_t)snprintf(p->path, sizeof(p->path), "%s", name) >= sizeof(p->path)) {
		(void)snprintf(why, size, "too long a path");
		return -ENAMETOOLONG;
	}
	if (is_executable(name))
		return 0;
	(void)snprintf(why, size, "%s", access(name, F_OK) < 0 ? strerror(errno) :
		"not a file that may be executed");
	return -ENOENT;
}

/* ---- the file ---------------------------------------------------------------- */

/* As the kernel decides that the loader must not trust the environment. */
static bool
gives_rights(int fd, const struct stat *st)
{
	if ((st->st_mode & S_ISUID) != 0 && st->st_uid != geteuid())
		return true;
	if ((st->st_mode & S_ISGID) != 0 && st->st_gid != getegid())
		return true;
	return geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static bool
is_ours(const ElfW(Ehdr) *e, size_t size)
{
	ElfW(Ehdr) self;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool ours;

	if (fd < 0 || size < sizeof(*e))
		return false;
	ours = read(fd, &self, sizeof(self)) == (ssize_t)sizeof(self) &&
		memcmp(e->e_ident, ELFMAG, SELFMAG) == 0 &&
		e->e_ident[EI_CLASS] == self.e_ident[EI_CLASS] && e->e_machine == self.e_machine;
	(void)close(fd);
	return ours;
}

/* @return whether there is one that fits */
static bool
find_loader(struct program *p, const uint8_t *file, size_t size)
{
	const ElfW(Ehdr) *e = (const void *)file;

	for (unsigned int i = 0; i < e->e_phnum; i++) {
		uint64_t at = e->e_phoff + (uint64_t)i * e->e_phentsize;
		ElfW(Phdr) ph;

		if (at > size || size - at < sizeof(ph))
			return false;
		memcpy(&ph, file + at, sizeof(ph));
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz == 0 || ph.p_filesz > sizeof(p->loader) || ph.p_offset > size ||
		    size - ph.p_offset < ph.p_filesz)
			return false;
		memcpy(p->loader, file + ph.p_offset, ph.p_filesz);
		p->loader[ph.p_filesz - 1] = '\0';
		return true;
	}
	return false;
}

static void
look(struct program *p, const uint8_t *file, size_t size)
{
	if (size >= 2 && memcmp(file, "#!", 2) == 0) {
		p->kind = PROGRAM_SCRIPT;
		return;
	}
	if (!is_ours((const void *)file, size)) {
		p->kind = PROGRAM_FOREIGN;
		return;
	}
	p->kind = find_loader(p, file, size) ? PROGRAM_DYNAMIC : PROGRAM_STATIC;
	p->has_power = memmem(file, size, POWER_MARK, strlen(POWER_MARK)) != NULL;
}

static int
look_at_file(struct program *p, char *why, size_t size)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *file;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
		int ret = fd >= 0 ? -ENOEXEC : -errno;

		(void)snprintf(why, size, "%s", strerror(-ret));
		if (fd >= 0)
			(void)close(fd);
		return ret;
	}
	p->privileged = gives_rights(fd, &st);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	if (file == MAP_FAILED) {
		(void)snprintf(why, size, "cannot be read: %s", strerror(errno));
		return -EIO;
	}
	look(p, file, (size_t)st.st_size);
	(void)munmap(file, (size_t)st.st_size);
	return 0;
}

/* ---- its libraries ------------------------------------------------------------ */

/* Lines are "NAME => PATH (ADDRESS)", or the like. */
static void
read_libraries(struct program *p, FILE *f)
{
	char line[4096];

	while (fgets(line, sizeof(line), f) != NULL) {
		const char *name = strstr(line, POWER_LIBRARY);

		if (name != NULL && p->power_soname == 0)
			p->power_soname = (int)strtol(name + strlen(POWER_LIBRARY), NULL, 10);
	}
}

/* By the loader itself, so that its paths and the libraries' own count. */
static int
list_libraries(struct program *p)
{
	char *argv[] = { p->loader, (char[]){ "--list" }, p->path, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], status = 0, ret;
	pid_t pid;
	FILE *f;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	ret = posix_spawn(&pid, p->loader, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(fds[1]);
	f = ret == 0 ? fdopen(fds[0], "r") : NULL;
	if (f == NULL) {
		(void)close(fds[0]);
	} else {
		read_libraries(p, f);
		(void)fclose(f);
	}
	if (ret != 0)
		return -ret;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

int
program_inspect(struct program *p, const char *name, char *why, size_t size)
{
	int ret;

	memset(p, 0, sizeof(*p));
	ret = find(p, name, why, size);
	if (ret == 0)
		ret = look_at_file(p, why, size);
	if (ret < 0 || p->kind != PROGRAM_DYNAMIC)
		return ret;
	ret = list_libraries(p);
	if (ret < 0)
		(void)snprintf(why, size, "%s does not find all its libraries: ldd shows them",
			p->loader);
	return ret;
}
