/* SPDX-License-Identifier: BSD-3-Clause */
/* The file behind a region, and what is checked in it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "region.h"

#define NOBODY 65534
#define PROTECTED_REGULAR "/proc/sys/fs/protected_regular"

static char dir[64], path[128];
static struct frq_region region;
static struct frq_region_file who;
static struct frq_err err;
static bool made;

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/freqring-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/freqring-vm", dir);
	region = FRQ_REGION_NONE;
	who = (struct frq_region_file){ .owner = geteuid(), .group = (gid_t)-1 };
	memset(&err, 0, sizeof(err));
	made = false;
	return 0;
}

static int
teardown(void **state)
{
	char other[160];

	(void)state;
	frq_region_close(&region);
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	(void)unlink(other);
	if (unlink(path) < 0)
		(void)rmdir(path);
	(void)rmdir(dir);
	return 0;
}

static void
make_file(off_t size, mode_t mode)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(ftruncate(fd, size), 0);
	(void)close(fd);
}

static void
refused(int error, const char *words)
{
	assert_int_equal(frq_region_open(&region, path, &who, &made, &err), error);
	assert_null(region.base);
	assert_int_equal(region.fd, -1);
	assert_false(made);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	assert_non_null(strstr(err.text, path));
}

static void
missing_file_is_made(void **state)
{
	mode_t mask = umask(077);
	struct stat st;
	int ret = frq_region_open(&region, path, &who, &made, &err);

	(void)state;
	(void)umask(mask);
	assert_int_equal(ret, 0);
	assert_true(made);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, FRQ_REGION_SIZE);
	assert_int_equal(st.st_mode, S_IFREG | 0660);
	assert_int_equal(frq_load64((uint64_t FRQ_SHARED *)region.base), 0);
	assert_int_equal(fcntl(region.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void
made_file_gets_the_group(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root: skipped\n");
		skip();
	}
	who.group = NOBODY;
	assert_int_equal(frq_region_open(&region, path, &who, &made, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, NOBODY);
	assert_int_equal(st.st_mode, S_IFREG | 0660);
}

static void
existing_file_keeps_its_contents(void **state)
{
	struct frq_region again = FRQ_REGION_NONE;
	struct stat st;

	(void)state;
	make_file((off_t)FRQ_REGION_SIZE, 0644);
	assert_int_equal(frq_region_open(&region, path, &who, &made, &err), 0);
	assert_false(made);
	assert_int_equal(stat(path, &st), 0);
	/* QEMU's 0644 is mended */
	assert_int_equal(st.st_mode, S_IFREG | 0660);
	frq_store64((uint64_t FRQ_SHARED *)(region.base + FRQ_REGION_SIZE - 8), 4711);
	assert_int_equal(frq_region_open(&again, path, &who, &made, &err), 0);
	assert_int_equal(frq_load64((uint64_t FRQ_SHARED *)(again.base + FRQ_REGION_SIZE - 8)),
		4711);
	frq_region_close(&again);
	assert_null(again.base);
	frq_region_close(&again);
}

static int
read_sysctl(void)
{
	FILE *f = fopen(PROTECTED_REGULAR, "re");
	int v = -1;

	if (f != NULL && fscanf(f, "%d", &v) != 1)
		v = -1;
	if (f != NULL)
		(void)fclose(f);
	return v;
}

static bool
write_sysctl(int v)
{
	FILE *f = fopen(PROTECTED_REGULAR, "we");
	bool ok = f != NULL && fprintf(f, "%d\n", v) > 0;

	if (f != NULL)
		ok = fclose(f) == 0 && ok;
	return ok;
}

/* With fs.protected_regular = 2 even root may not open this with O_CREAT. */
static void
foreign_file_in_a_sticky_directory(void **state)
{
	int before = read_sysctl();
	int ret, fd;

	(void)state;
	if (geteuid() != 0 || before < 0) {
		print_message("not root, or no fs.protected_regular: skipped\n");
		skip();
	}
	assert_int_equal(chmod(dir, 01777), 0);
	make_file((off_t)FRQ_REGION_SIZE, 0660);
	assert_int_equal(chown(path, NOBODY, (gid_t)-1), 0);
	who.owner = NOBODY;
	/* Nothing asserts until it is as it was. */
	if (before != 2 && !write_sysctl(2)) {
		print_message("fs.protected_regular cannot be set: skipped\n");
		skip();
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
	if (fd >= 0)
		(void)close(fd);
	ret = frq_region_open(&region, path, &who, &made, &err);
	if (before != 2)
		(void)write_sysctl(before);
	if (fd >= 0)
		print_message("this kernel lets root open it with O_CREAT anyway\n");
	if (ret != 0)
		fail_msg("%s", err.text);
	assert_false(made);
}

static void
wrong_owner(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("not root: skipped\n");
		skip();
	}
	make_file((off_t)FRQ_REGION_SIZE, 0666);
	assert_int_equal(chown(path, NOBODY, (gid_t)-1), 0);
	refused(-EINVAL, "belongs to user 65534");
	who.owner = NOBODY;
	assert_int_equal(frq_region_open(&region, path, &who, &made, &err), 0);
}

static void
wrong_size(void **state)
{
	static const off_t sizes[] = {
		1, 4096, (off_t)FRQ_REGION_SIZE - 1, (off_t)FRQ_REGION_SIZE + 1,
		2 * (off_t)FRQ_REGION_SIZE,
	};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_file(sizes[i], 0660);
		refused(-EINVAL, "bytes long");
		/* and it is left as it was */
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, sizes[i]);
		assert_int_equal(unlink(path), 0);
	}
}

/* What a daemon leaves that was killed between making the file and sizing it. */
static void
our_own_empty_file_is_mended(void **state)
{
	(void)state;
	make_file(0, 0660);
	if (frq_region_open(&region, path, &who, &made, &err) != 0)
		fail_msg("%s", err.text);
}

static void
symlink_is_refused(void **state)
{
	char other[160];
	int fd;

	(void)state;
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	fd = open(other, O_RDWR | O_CREAT | O_EXCL, 0660);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)FRQ_REGION_SIZE), 0);
	(void)close(fd);
	assert_int_equal(symlink(other, path), 0);
	refused(-ELOOP, "symbolic link");
}

static void
dangling_symlink_makes_nothing(void **state)
{
	char other[160];

	(void)state;
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(symlink(other, path), 0);
	refused(-ELOOP, "symbolic link");
	assert_int_equal(access(other, F_OK), -1);
}

static void
hard_link_is_refused(void **state)
{
	char other[160];

	(void)state;
	make_file((off_t)FRQ_REGION_SIZE, 0660);
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(link(path, other), 0);
	refused(-EINVAL, "2 links");
}

static void
directory_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0770), 0);
	refused(-EISDIR, "cannot be opened");
}

/* And nobody waits for a reader. */
static void
fifo_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0660), 0);
	refused(-EINVAL, "not a regular file");
}

static void
missing_directory_is_named(void **state)
{
	(void)state;
	(void)rmdir(dir);
	refused(-ENOENT, "No such file");
}

struct churn {
	bool stop;
	unsigned int rounds;
};

static void *
churn_main(void *arg)
{
	struct churn *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

		if (fd >= 0) {
			(void)!ftruncate(fd, (off_t)FRQ_REGION_SIZE);
			(void)close(fd);
		}
		(void)unlink(path);
		__atomic_store_n(&c->rounds, c->rounds + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Somebody makes and removes the file all the time: a region or an error. */
static void
made_and_removed_by_another(void **state)
{
	struct churn c = { .stop = false };
	unsigned int good = 0, bad = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, churn_main, &c), 0);
	for (unsigned int i = 0; i < 5000 || (good == 0 && i < 100000); i++) {
		struct frq_region r = FRQ_REGION_NONE;
		int ret = frq_region_open(&r, path, &who, &made, &err);

		if (ret == 0) {
			good++;
			assert_non_null((void *)(uintptr_t)r.base);
			frq_region_close(&r);
		} else {
			bad++;
			assert_true(ret == -ENOENT || ret == -EINVAL);
			assert_true(strlen(err.text) > 10);
		}
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(t, NULL);
	print_message("%u opened, %u refused\n", good, bad);
	assert_true(good > 0);
}

static void
memfd_is_sealed(void **state)
{
	(void)state;
	assert_int_equal(frq_region_memfd(&region, "freqring-test", &err), 0);
	assert_int_equal(ftruncate(region.fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(region.fd, 2 * (off_t)FRQ_REGION_SIZE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(region.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	frq_store64((uint64_t FRQ_SHARED *)region.base, 1);
}

/* ---- header ---------------------------------------------------------------- */

static const struct frq_life life = { .epoch = 9, .incarnation = 0x123456 };

static void
live_region(void)
{
	struct frq_region_info info = { .nb_channels = 12, .features = FRQ_FEATURE_LEASE };

	for (unsigned int i = 0; i < 16; i++)
		info.uuid[i] = (uint8_t)(0xa0 + i);
	assert_int_equal(frq_region_memfd(&region, "freqring-test", &err), 0);
	frq_region_init(&region, &info, life);
}

static void
init_publishes_a_header_and_voids_the_rest(void **state)
{
	struct frq_region_info info = { .nb_channels = 1 };
	struct frq_header FRQ_SHARED *h;

	(void)state;
	live_region();
	h = frq_region_header(&region);
	assert_int_equal(frq_load64(&h->magic), FRQ_MAGIC);
	assert_int_equal(frq_load64(&h->nb_channels), 12);
	assert_int_equal(frq_load64(&h->nb_slots), 64);
	assert_int_equal(frq_load64(&h->features), FRQ_FEATURE_LEASE);
	assert_int_equal(frq_load64(&h->life), frq_life_pack(life));
	assert_int_equal(frq_load8(&h->uuid[15]), 0xaf);
	assert_int_equal(frq_region_check(&region, &err), 0);
	frq_store64(&frq_region_ring(&region, 255)->slot[63], 1);
	frq_store8(frq_region_doorbell(&region, 255), 1);
	frq_region_resume(&region, &info, life);
	assert_int_equal(frq_load64(&frq_region_ring(&region, 255)->slot[63]), 1);
	frq_region_init(&region, &info, life);
	assert_int_equal(frq_load64(&frq_region_ring(&region, 255)->slot[63]), 0);
	assert_int_equal(frq_load8(frq_region_doorbell(&region, 255)), 0);
}

static void
addresses_are_where_the_layout_says(void **state)
{
	const uint8_t *base;

	(void)state;
	live_region();
	base = (const uint8_t *)(uintptr_t)region.base;
	assert_ptr_equal((void *)(uintptr_t)frq_region_ring(&region, 255), base + 0x2fe00);
	assert_ptr_equal((void *)(uintptr_t)frq_region_state(&region, 255), base + 0xff80);
	assert_ptr_equal((void *)(uintptr_t)frq_region_consumed(&region, 255), base + 0x5fc0);
	assert_ptr_equal((void *)(uintptr_t)frq_region_table(&region, 255), base + 0x5fe00);
	assert_ptr_equal((void *)(uintptr_t)frq_region_doorbell(&region, 255), base + 0x10ff);
}

static void
check_refuses(size_t offset, uint64_t value, int error, const char *words)
{
	uint64_t FRQ_SHARED *w = (uint64_t FRQ_SHARED *)(region.base + offset);
	uint64_t before = frq_load64(w);

	frq_store64(w, value);
	assert_int_equal(frq_region_check(&region, &err), error);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	frq_store64(w, before);
	assert_int_equal(frq_region_check(&region, &err), 0);
}

static void
check_is_about_magic_version_and_geometry(void **state)
{
	(void)state;
	live_region();
	check_refuses(offsetof(struct frq_header, magic), 0, -ENOENT, "no freqring region");
	check_refuses(offsetof(struct frq_header, magic), FRQ_MAGIC + 1, -ENOENT, "no freqring");
	check_refuses(offsetof(struct frq_header, version), 0, -EPROTO, "version 0");
	check_refuses(offsetof(struct frq_header, version), 2, -EPROTO, "version 2");
	check_refuses(offsetof(struct frq_header, version), UINT64_MAX, -EPROTO, "version 1844");
	check_refuses(offsetof(struct frq_header, region_size), 1, -EPROTO, "of 1 bytes");
	check_refuses(offsetof(struct frq_header, nb_slots), 32, -EPROTO, "32 slots");
	check_refuses(offsetof(struct frq_header, nb_channels), 257, -EPROTO, "257 channels");
	check_refuses(offsetof(struct frq_header, nb_channels), UINT64_MAX, -EPROTO, "channels");
}

/* ---- frequency table --------------------------------------------------------- */

static void
table_round_trip(void **state)
{
	struct frq_freq_table FRQ_SHARED *shared;
	struct freq_table t = { .nb = FRQ_MAX_FREQS, .turbo = true }, back;
	uint64_t version = 0;

	(void)state;
	live_region();
	shared = frq_region_table(&region, 3);
	for (unsigned int i = 0; i < FRQ_MAX_FREQS; i++)
		t.khz[i] = 5000000 - i * 1000;
	for (unsigned int nb = 0; nb <= FRQ_MAX_FREQS; nb++) {
		t.nb = nb;
		t.turbo = nb % 2 == 1;
		frq_table_write(shared, &version, &t);
		assert_int_equal(version, 2 * (nb + 1));
		assert_int_equal(frq_load64(&shared->version), version);
		memset(&back, 0xff, sizeof(back));
		assert_int_equal(frq_table_read(shared, &back), 0);
		assert_int_equal(back.nb, nb);
		assert_int_equal(back.turbo, t.turbo);
		assert_memory_equal(back.khz, t.khz, nb * sizeof(t.khz[0]));
	}
	/* more than fits is cut */
	t.nb = FRQ_MAX_FREQS + 1;
	frq_table_write(shared, &version, &t);
	assert_int_equal(frq_table_read(shared, &back), 0);
	assert_int_equal(back.nb, FRQ_MAX_FREQS);
}

static void
table_that_keeps_changing_is_eagain(void **state)
{
	struct frq_freq_table FRQ_SHARED *shared;
	struct freq_table t = { .nb = 0 };

	(void)state;
	live_region();
	shared = frq_region_table(&region, 0);
	frq_store64(&shared->version, 7);
	assert_int_equal(frq_table_read(shared, &t), -EAGAIN);
	frq_store64(&shared->version, 8);
	assert_int_equal(frq_table_read(shared, &t), 0);
}

static void
table_of_absurd_size_is_eproto(void **state)
{
	struct frq_freq_table FRQ_SHARED *shared;
	struct freq_table t;

	(void)state;
	live_region();
	shared = frq_region_table(&region, 0);
	frq_store32(&shared->nb_freqs, FRQ_MAX_FREQS + 1);
	assert_int_equal(frq_table_read(shared, &t), -EPROTO);
	frq_store32(&shared->nb_freqs, UINT32_MAX);
	assert_int_equal(frq_table_read(shared, &t), -EPROTO);
}

struct tear {
	struct frq_freq_table FRQ_SHARED *shared;
	bool stop;
};

/* Tables whose every entry tells which table it is of. */
static void *
tear_main(void *arg)
{
	struct tear *w = arg;
	uint64_t version = 0;
	struct freq_table t;

	for (uint32_t n = 0; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); n++) {
		t.nb = 1 + n % FRQ_MAX_FREQS;
		t.turbo = t.nb % 2 == 1;
		for (unsigned int i = 0; i < t.nb; i++)
			t.khz[i] = t.nb;
		frq_table_write(w->shared, &version, &t);
	}
	return NULL;
}

static void
table_is_never_torn(void **state)
{
	struct tear w = { .stop = false };
	unsigned int good = 0, tries = 0;
	struct freq_table t;
	pthread_t thread;

	(void)state;
	live_region();
	w.shared = frq_region_table(&region, 0);
	assert_int_equal(pthread_create(&thread, NULL, tear_main, &w), 0);
	while (good < 20000 && tries++ < 10000000) {
		if (frq_table_read(w.shared, &t) != 0 || t.nb == 0)
			continue;
		good++;
		assert_int_equal(t.turbo, t.nb % 2);
		for (unsigned int i = 0; i < t.nb; i++)
			assert_int_equal(t.khz[i], t.nb);
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(thread, NULL);
	assert_int_equal(good, 20000);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(missing_file_is_made),
		T(made_file_gets_the_group),
		T(existing_file_keeps_its_contents),
		T(foreign_file_in_a_sticky_directory),
		T(wrong_owner),
		T(wrong_size),
		T(our_own_empty_file_is_mended),
		T(symlink_is_refused),
		T(dangling_symlink_makes_nothing),
		T(hard_link_is_refused),
		T(directory_is_refused),
		T(fifo_is_refused),
		T(missing_directory_is_named),
		T(made_and_removed_by_another),
		T(memfd_is_sealed),
		T(init_publishes_a_header_and_voids_the_rest),
		T(addresses_are_where_the_layout_says),
		T(check_is_about_magic_version_and_geometry),
		T(table_round_trip),
		T(table_that_keeps_changing_is_eagain),
		T(table_of_absurd_size_is_eproto),
		T(table_is_never_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
