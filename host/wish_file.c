/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wish_file.h"

#define WISH_FILE_MAGIC		UINT64_C(0x3148534957515246) /* "FRQWISH1" */
#define WISH_FILE_SLOTS_AT	4096u
#define WISH_FILE_SIZE	(WISH_FILE_SLOTS_AT + FRQ_MAX_CHANNELS * sizeof(struct wish_slot))

static_assert(sizeof(struct wish_slot) == 64, "a cache line a channel");
static_assert(sizeof(struct wish_file_header) <= WISH_FILE_SLOTS_AT, "header fits");

static bool
is_complete(const struct wish_file *f)
{
	return f->header->magic == WISH_FILE_MAGIC && f->header->complete == WISH_FILE_MAGIC &&
		f->header->epoch != 0 && f->header->epoch <= UINT8_MAX;
}

void
wish_file_begin(struct wish_file *f, const struct wish_file_identity *id, struct frq_life life)
{
	__atomic_store_n(&f->header->complete, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memset(f->slot, 0, FRQ_MAX_CHANNELS * sizeof(*f->slot));
	memset(f->header->speaks, 0, sizeof(f->header->speaks));
	f->header->magic = WISH_FILE_MAGIC;
	f->header->identity = *id;
	f->header->epoch = life.epoch;
	f->header->incarnation = life.incarnation;
	__atomic_store_n(&f->header->complete, WISH_FILE_MAGIC, __ATOMIC_RELEASE);
}

int
wish_file_open(struct wish_file *f, const char *state_dir, const char *uuid_text,
	const struct wish_file_identity *id, bool *same, struct frq_err *err)
{
	struct stat st;
	void *base;
	int fd, ret;

	if ((size_t)snprintf(f->path, sizeof(f->path), "%s/%s.wish", state_dir, uuid_text) >=
	    sizeof(f->path)) {
		frq_err_set(err, "%.64s...: the state folder's path is too long", state_dir);
		return -ENAMETOOLONG;
	}
	fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		goto fail_errno;
	if (fstat(fd, &st) < 0 || (st.st_size != (off_t)WISH_FILE_SIZE && ftruncate(fd, 0) < 0))
		goto fail_errno;
	/* All of it now: a full tmpfs later on would be a SIGBUS. */
	errno = posix_fallocate(fd, 0, (off_t)WISH_FILE_SIZE);
	if (errno != 0)
		goto fail_errno;
	base = mmap(NULL, WISH_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (base == MAP_FAILED)
		goto fail_errno;
	(void)close(fd);
	f->header = base;
	f->slot = (struct wish_slot *)((uint8_t *)base + WISH_FILE_SLOTS_AT);
	*same = is_complete(f) && memcmp(&f->header->identity, id, sizeof(*id)) == 0;
	return 0;
fail_errno:
	ret = -errno;
	frq_err_set(err, "%s: %s", f->path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return ret;
}

void
wish_file_remove(const struct wish_file *f)
{
	(void)unlink(f->path);
}

void
wish_file_close(struct wish_file *f)
{
	if (f->header != NULL)
		(void)munmap(f->header, WISH_FILE_SIZE);
	f->header = NULL;
	f->slot = NULL;
}
