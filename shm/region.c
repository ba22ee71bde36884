/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

#define REGION_MODE 0660

static int
map_fd(struct frq_region *r, int fd, const char *path, struct frq_err *err)
{
	void *base = mmap(NULL, FRQ_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED) {
		int ret = -errno;

		frq_err_set(err, "%s: cannot be mapped: %s", path, strerror(errno));
		return ret;
	}
	r->base = base;
	r->fd = fd;
	return 0;
}

static int
check_file(int fd, const char *path, const struct frq_region_file *who, struct frq_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int ret = -errno;

		frq_err_set(err, "%s: %s", path, strerror(errno));
		return ret;
	}
	if (!S_ISREG(st.st_mode)) {
		frq_err_set(err, "%s: is not a regular file", path);
		return -EINVAL;
	}
	if (st.st_nlink != 1) {
		frq_err_set(err, "%s: has %ju links, a region's file has one", path,
			(uintmax_t)st.st_nlink);
		return -EINVAL;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != who->owner) {
		frq_err_set(err, "%s: belongs to user %u, not to root, QEMU's user or the daemon's",
			path, st.st_uid);
		return -EINVAL;
	}
	if ((uint64_t)st.st_size != FRQ_REGION_SIZE) {
		frq_err_set(err, "%s: is %jd bytes long, a region is %" PRIu64, path,
			(intmax_t)st.st_size, FRQ_REGION_SIZE);
		return -EINVAL;
	}
	return 0;
}

/* QEMU makes the file 0644 where it finds none: nobody else may read it. */
static void
restrict_file(int fd, const struct frq_region_file *who)
{
	/* Only its owner and root may: a file of QEMU's user stays as it is
	 * under an unprivileged daemon.
	 */
	if (who->group == (gid_t)-1 || fchown(fd, (uid_t)-1, who->group) == 0)
		(void)fchmod(fd, REGION_MODE);
}

/* Made by a daemon that was killed before it gave it its size. */
static bool
is_own_and_empty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
		st.st_uid == geteuid() && st.st_size == 0;
}

int
frq_region_open(struct frq_region *r, const char *path, const struct frq_region_file *who,
	bool *made, struct frq_err *err)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd, ret;

	*made = false;
	fd = open(path, flags);
	if (fd < 0 && errno == ENOENT) {
		fd = open(path, flags | O_CREAT | O_EXCL, REGION_MODE);
		*made = fd >= 0;
		/* Somebody, QEMU for one, was faster. */
		if (fd < 0 && errno == EEXIST)
			fd = open(path, flags);
	}
	if (fd < 0) {
		ret = -errno;
		frq_err_set(err, "%s: cannot be opened: %s%s", path, strerror(errno),
			ret == -ELOOP ? " (a symbolic link)" : "");
		return ret;
	}
	/* All of it now: a full tmpfs later on would be a SIGBUS. */
	ret = *made || is_own_and_empty(fd) ? -posix_fallocate(fd, 0, (off_t)FRQ_REGION_SIZE) : 0;
	if (ret < 0) {
		frq_err_set(err, "%s: cannot be given its size: %s", path, strerror(-ret));
		if (*made)
			(void)unlink(path);
		goto fail;
	}
	ret = check_file(fd, path, who, err);
	if (ret < 0)
		goto fail;
	restrict_file(fd, who);
	ret = map_fd(r, fd, path, err);
	if (ret == 0)
		return 0;
fail:
	(void)close(fd);
	return ret;
}

int
frq_region_memfd(struct frq_region *r, const char *name, struct frq_err *err)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd, ret;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		ret = -errno;
		frq_err_set(err, "memfd %s: %s", name, strerror(errno));
		return ret;
	}
	if (ftruncate(fd, (off_t)FRQ_REGION_SIZE) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0) {
		ret = -errno;
		frq_err_set(err, "memfd %s: cannot be sized and sealed: %s", name, strerror(errno));
		goto fail;
	}
	ret = map_fd(r, fd, name, err);
	if (ret == 0)
		return 0;
fail:
	(void)close(fd);
	return ret;
}

int
frq_region_bar(struct frq_region *r, const char *dir, struct frq_err *err)
{
	char path[512];
	struct stat st;
	int fd, ret;

	if ((size_t)snprintf(path, sizeof(path), "%s/resource2", dir) >= sizeof(path)) {
		frq_err_set(err, "%.64s...: the path is too long", dir);
		return -ENAMETOOLONG;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		frq_err_set(err, "%s: cannot be opened: %s", path, strerror(errno));
		return ret;
	}
	/* sysfs gives the file the size of the BAR. */
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < FRQ_REGION_SIZE) {
		frq_err_set(err, "%s: the BAR is smaller than a region", path);
		ret = -ENODEV;
		goto fail;
	}
	ret = map_fd(r, fd, path, err);
	if (ret == 0)
		return 0;
fail:
	(void)close(fd);
	return ret;
}

void
frq_region_close(struct frq_region *r)
{
	if (r->base != NULL)
		(void)munmap((void *)(uintptr_t)r->base, FRQ_REGION_SIZE);
	if (r->fd >= 0)
		(void)close(r->fd);
	*r = FRQ_REGION_NONE;
}

static void
publish_header(struct frq_region *r, const struct frq_region_info *info, struct frq_life life)
{
	struct frq_header FRQ_SHARED *h = frq_region_header(r);

	frq_store64(&h->version, FRQ_ABI_VERSION);
	frq_store64(&h->region_size, FRQ_REGION_SIZE);
	frq_store64(&h->nb_channels, info->nb_channels);
	frq_store64(&h->nb_slots, FRQ_RING_SLOTS);
	frq_store64(&h->features, info->features);
	for (unsigned int i = 0; i < sizeof(info->uuid); i++)
		frq_store8(&h->uuid[i], info->uuid[i]);
	frq_store64(&h->life, frq_life_pack(life));
	/* Pairs with the load in frq_region_check. */
	frq_store64(&h->magic, FRQ_MAGIC);
}

void
frq_region_init(struct frq_region *r, const struct frq_region_info *info, struct frq_life life)
{
	uint64_t FRQ_SHARED *word = (uint64_t FRQ_SHARED *)r->base;

	frq_store64(&frq_region_header(r)->magic, 0);
	for (size_t i = 0; i < FRQ_REGION_SIZE / sizeof(*word); i++)
		frq_store64(&word[i], 0);
	publish_header(r, info, life);
}

void
frq_region_resume(struct frq_region *r, const struct frq_region_info *info, struct frq_life life)
{
	publish_header(r, info, life);
}

int
frq_region_check(const struct frq_region *r, struct frq_err *err)
{
	const struct frq_header FRQ_SHARED *h = frq_region_header(r);
	uint64_t version, size, slots, channels;

	/* Pairs with the store in publish_header. */
	if (frq_load64(&h->magic) != FRQ_MAGIC) {
		frq_err_set(err, "no freqring region there (yet)");
		return -ENOENT;
	}
	version = frq_load64(&h->version);
	if (version != FRQ_ABI_VERSION) {
		frq_err_set(err, "the host speaks version %" PRIu64 " of the region, this program %u",
			version, FRQ_ABI_VERSION);
		return -EPROTO;
	}
	size = frq_load64(&h->region_size);
	slots = frq_load64(&h->nb_slots);
	channels = frq_load64(&h->nb_channels);
	if (size != FRQ_REGION_SIZE || slots != FRQ_RING_SLOTS || channels > FRQ_MAX_CHANNELS) {
		frq_err_set(err, "a region of %" PRIu64 " bytes, %" PRIu64 " channels and %" PRIu64
			" slots a ring is not one of version %u", size, channels, slots,
			FRQ_ABI_VERSION);
		return -EPROTO;
	}
	return 0;
}

void
frq_table_write(struct frq_freq_table FRQ_SHARED *shared, uint64_t *version,
	const struct freq_table *t)
{
	unsigned int nb = t->nb < FRQ_MAX_FREQS ? t->nb : FRQ_MAX_FREQS;

	/* Odd while it changes; stores are not reordered, each releases. */
	frq_store64(&shared->version, *version + 1);
	frq_store32(&shared->nb_freqs, nb);
	frq_store32(&shared->turbo, t->turbo);
	for (unsigned int i = 0; i < nb; i++)
		frq_store32(&shared->khz[i], t->khz[i]);
	*version += 2;
	frq_store64(&shared->version, *version);
}

int
frq_table_read(const struct frq_freq_table FRQ_SHARED *shared, struct freq_table *t)
{
	for (unsigned int tries = 0; tries < 64; tries++) {
		uint64_t before = frq_load64(&shared->version);
		uint32_t nb = frq_load32(&shared->nb_freqs);

		if ((before & 1) != 0)
			continue;
		if (nb > FRQ_MAX_FREQS)
			return -EPROTO;
		t->nb = nb;
		t->turbo = frq_load32(&shared->turbo) != 0;
		for (unsigned int i = 0; i < nb; i++)
			t->khz[i] = frq_load32(&shared->khz[i]);
		if (frq_load64(&shared->version) == before)
			return 0;
	}
	return -EAGAIN;
}
