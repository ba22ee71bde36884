/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"
#include "log.h"

#define JOURNAL_NAME	"cpufreq.journal"
#define JOURNAL_MAGIC	UINT64_C(0x4c4e524a51455246)	/* "FREQJRNL" */
#define JOURNAL_VERSION	1u
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE	40

enum slot_state { SLOT_VOID, SLOT_SET };

struct journal_slot {
	uint32_t state;		/* stored last */
	struct journal_entry entry;
	uint8_t reserved[128 - sizeof(uint32_t) - sizeof(struct journal_entry)];
};

struct journal_file {
	uint64_t magic;
	uint32_t version;
	char boot_id[BOOT_ID_SIZE];
	uint8_t reserved[4096 - 12 - BOOT_ID_SIZE];
	struct journal_slot slot[FRQ_MAX_CPUS];
};

static_assert(sizeof(struct journal_slot) == 128, "two cache lines a CPU");
static_assert(offsetof(struct journal_file, slot) == 4096, "the header is a page");

struct journal {
	struct journal_file *file;
	char path[512];
};

/* ---- the file ---------------------------------------------------------------- */

static int
fail(struct frq_err *err, const char *path)
{
	int ret = -errno;

	frq_err_set(err, "%s: %s", path, strerror(errno));
	return ret;
}

static int
refuse(struct frq_err *err, const char *path, const char *why)
{
	frq_err_set(err, "%s %s, so it is not a journal of freqringd: find out who made it, set governors by hand where needed, and remove it",
		path, why);
	return -EINVAL;
}

static int
read_boot_id(char id[BOOT_ID_SIZE], struct frq_err *err)
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	memset(id, 0, BOOT_ID_SIZE);
	if (fd < 0)
		return fail(err, BOOT_ID);
	n = read(fd, id, BOOT_ID_SIZE - 1);
	ret = n > 0 ? 0 : fail(err, BOOT_ID);
	(void)close(fd);
	return ret;
}

static int
map(struct journal *j, int fd, struct frq_err *err)
{
	void *base = mmap(NULL, sizeof(*j->file), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, fd, 0);

	if (base == MAP_FAILED)
		return fail(err, j->path);
	j->file = base;
	return 0;
}

/*
 * A new one, whole before it has its name: a daemon that is killed here
 * leaves nothing that the next one would have to doubt.
 */
static int
make_file(struct journal *j, const char *boot_id, struct frq_err *err)
{
	char path[sizeof(j->path) + 8];
	int fd, ret;

	(void)snprintf(path, sizeof(path), "%s.new", j->path);
	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(err, path);
	/* All of it now: a full tmpfs later on would be a SIGBUS. */
	errno = posix_fallocate(fd, 0, (off_t)sizeof(*j->file));
	ret = errno == 0 ? map(j, fd, err) : fail(err, path);
	(void)close(fd);
	if (ret == 0) {
		j->file->magic = JOURNAL_MAGIC;
		j->file->version = JOURNAL_VERSION;
		memcpy(j->file->boot_id, boot_id, BOOT_ID_SIZE);
		if (rename(path, j->path) == 0)
			return 0;
		ret = fail(err, j->path);
	}
	(void)unlink(path);
	return ret;
}

static int
check_file(const char *path, const struct stat *st, struct frq_err *err)
{
	if (!S_ISREG(st->st_mode))
		return refuse(err, path, "is not a regular file");
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(err, path, "belongs to another user");
	if ((st->st_mode & 0077) != 0)
		return refuse(err, path, "may be read or written by others");
	if (st->st_nlink != 1)
		return refuse(err, path, "has more than one name");
	if (st->st_size != (off_t)sizeof(struct journal_file))
		return refuse(err, path, "has another size");
	return 0;
}

static int
check_contents(const struct journal *j, struct frq_err *err)
{
	if (j->file->magic != JOURNAL_MAGIC)
		return refuse(err, j->path, "does not begin like one");
	if (j->file->version != JOURNAL_VERSION) {
		frq_err_set(err, "%s was written by another version of freqringd (%u, not %u): run that one with --restore, then remove the file",
			j->path, j->file->version, JOURNAL_VERSION);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < FRQ_MAX_CPUS; i++)
		if (j->file->slot[i].state != SLOT_VOID && j->file->slot[i].state != SLOT_SET)
			return refuse(err, j->path, "has an entry that makes no sense");
	return 0;
}

static int
open_file(struct journal *j, struct frq_err *err)
{
	int fd = open(j->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int ret;

	if (fd < 0)
		return errno == ELOOP ? refuse(err, j->path, "is a symbolic link") :
			fail(err, j->path);
	ret = fstat(fd, &st) < 0 ? fail(err, j->path) : check_file(j->path, &st, err);
	if (ret == 0)
		ret = map(j, fd, err);
	(void)close(fd);
	return ret == 0 ? check_contents(j, err) : ret;
}

static void
unmap(struct journal *j)
{
	if (j->file != NULL)
		(void)munmap(j->file, sizeof(*j->file));
	j->file = NULL;
}

static int
open_or_make(struct journal *j, bool make, struct frq_err *err)
{
	char boot_id[BOOT_ID_SIZE];
	int ret = read_boot_id(boot_id, err);

	if (ret < 0)
		return ret;
	ret = open_file(j, err);
	if (ret == -ENOENT && make)
		return make_file(j, boot_id, err);
	if (ret < 0 || memcmp(j->file->boot_id, boot_id, BOOT_ID_SIZE) == 0)
		return ret;
	if (!make) {
		frq_err_set(err, "%s is from before this boot, and what it says is not in force any more: it may be removed",
			j->path);
		return -ESTALE;
	}
	FRQ_LOG(NOTICE, "%s is from before this boot: begun anew", j->path);
	unmap(j);
	return make_file(j, boot_id, err);
}

int
journal_open(struct journal **j, const char *state_dir, bool make, struct frq_err *err)
{
	struct journal *n = calloc(1, sizeof(*n));
	int ret;

	if (n == NULL) {
		frq_err_set(err, "no memory for the journal");
		return -ENOMEM;
	}
	if ((size_t)snprintf(n->path, sizeof(n->path), "%s/" JOURNAL_NAME, state_dir) >=
	    sizeof(n->path)) {
		frq_err_set(err, "%.64s...: the state folder's path is too long", state_dir);
		ret = -ENAMETOOLONG;
	} else {
		ret = open_or_make(n, make, err);
	}
	if (ret == 0)
		*j = n;
	else
		journal_close(n);
	return ret;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	unmap(j);
	free(j);
}

/* ---- its entries --------------------------------------------------------------- */

bool
journal_get(const struct journal *j, unsigned int cpu, struct journal_entry *e)
{
	const struct journal_slot *s = &j->file->slot[cpu];

	if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != SLOT_SET)
		return false;
	if (e == NULL)
		return true;
	*e = s->entry;
	e->driver[sizeof(e->driver) - 1] = '\0';
	e->governor[sizeof(e->governor) - 1] = '\0';
	return true;
}

void
journal_put(struct journal *j, unsigned int cpu, const struct journal_entry *e)
{
	struct journal_slot *s = &j->file->slot[cpu];

	__atomic_store_n(&s->state, SLOT_VOID, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	s->entry = *e;
	__atomic_store_n(&s->state, SLOT_SET, __ATOMIC_RELEASE);
}

void
journal_clear(struct journal *j, unsigned int cpu)
{
	__atomic_store_n(&j->file->slot[cpu].state, SLOT_VOID, __ATOMIC_RELEASE);
}
