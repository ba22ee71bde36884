/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: what is in it after it was opened again, and files that are
 * not a journal, or not ours.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "journal.h"

#define BOOT_ID_AT	12	/* in the header, after magic and version */
#define SLOTS_AT	4096
#define SLOT_SIZE	128
#define FILE_SIZE	(SLOTS_AT + 1024 * SLOT_SIZE)

static char dir[64], path[128];

static const struct journal_entry entry = {
	.driver = "intel_pstate", .governor = "powersave",
	.min_khz = 1000000, .max_khz = 3500000,
};

static int
setup(void **state)
{
	(void)state;
	fx_dir_make(dir);
	(void)snprintf(path, sizeof(path), "%s/cpufreq.journal", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fx_dir_remove(dir);
	return 0;
}

static struct journal *
open_it(bool make)
{
	struct journal *j = NULL;
	struct frq_err err = { .text = "" };
	int ret = journal_open(&j, dir, make, &err);

	if (ret != 0)
		fail_msg("%d: %s", ret, err.text);
	return j;
}

/* It is refused, and the message has all of these in it. */
static void
refused(bool make, int expected, const char *a, const char *b)
{
	struct journal *j = NULL;
	struct frq_err err = { .text = "" };

	assert_int_equal(journal_open(&j, dir, make, &err), expected);
	assert_null(j);
	if (strstr(err.text, path) == NULL || strstr(err.text, a) == NULL ||
	    strstr(err.text, b) == NULL)
		fail_msg("says: %s", err.text);
}

static void
patch(off_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	assert_int_equal(close(fd), 0);
}

static void
make_with_entry(void)
{
	struct journal *j = open_it(true);

	journal_put(j, 5, &entry);
	journal_close(j);
}

static void
test_new(void **state)
{
	struct stat st;

	(void)state;
	refused(false, -ENOENT, "No such file", "");
	journal_close(open_it(true));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, FILE_SIZE);
	/* All of it has memory: no hole is left that would be a SIGBUS. */
	assert_true(st.st_blocks * 512 >= FILE_SIZE);
	journal_close(open_it(false));
}

static void
test_entries(void **state)
{
	struct journal *j = open_it(true);
	struct journal_entry e, other = entry;

	(void)state;
	assert_false(journal_get(j, 5, NULL));
	journal_put(j, 5, &entry);
	other.min_khz = 7;
	journal_put(j, 0, &other);
	journal_put(j, 1023, &other);
	journal_clear(j, 0);
	journal_close(j);

	j = open_it(true);
	assert_true(journal_get(j, 5, &e));
	assert_memory_equal(&e, &entry, sizeof(e));
	assert_true(journal_get(j, 1023, &e));
	assert_int_equal(e.min_khz, 7);
	assert_false(journal_get(j, 0, &e));
	journal_put(j, 5, &other);
	assert_true(journal_get(j, 5, &e));
	assert_int_equal(e.min_khz, 7);
	journal_close(j);
}

/* Killed between void and set: the slot's words may be anything. */
static void
test_torn_slot(void **state)
{
	const uint32_t none = 0;
	char junk[80];
	struct journal *j;

	(void)state;
	make_with_entry();
	memset(junk, 'x', sizeof(junk));
	patch(SLOTS_AT + 5 * SLOT_SIZE + 4, junk, sizeof(junk));
	patch(SLOTS_AT + 5 * SLOT_SIZE, &none, sizeof(none));
	j = open_it(true);
	assert_false(journal_get(j, 5, NULL));
	journal_close(j);
}

static void
test_unterminated(void **state)
{
	struct journal_entry e;
	struct journal *j;
	char junk[48];

	(void)state;
	make_with_entry();
	memset(junk, 'x', sizeof(junk));
	patch(SLOTS_AT + 5 * SLOT_SIZE + 4, junk, sizeof(junk));
	j = open_it(false);
	assert_true(journal_get(j, 5, &e));
	assert_int_equal(strlen(e.driver), sizeof(e.driver) - 1);
	assert_int_equal(strlen(e.governor), sizeof(e.governor) - 1);
	journal_close(j);
}

static void
test_bad_slot(void **state)
{
	const uint32_t absurd = 77;

	(void)state;
	make_with_entry();
	patch(SLOTS_AT + 9 * SLOT_SIZE, &absurd, sizeof(absurd));
	refused(true, -EINVAL, "makes no sense", "remove it");
}

static void
test_other_boot(void **state)
{
	struct journal *j;

	(void)state;
	make_with_entry();
	patch(BOOT_ID_AT, "00000000", 8);
	refused(false, -ESTALE, "before this boot", "removed");
	j = open_it(true);
	assert_false(journal_get(j, 5, NULL));
	journal_close(j);
	journal_close(open_it(false));
}

static void
test_not_a_journal(void **state)
{
	const uint32_t version = 99;

	(void)state;
	make_with_entry();
	assert_int_equal(truncate(path, FILE_SIZE - 1), 0);
	refused(true, -EINVAL, "another size", "remove it");
	assert_int_equal(truncate(path, 0), 0);
	refused(true, -EINVAL, "another size", "remove it");
	assert_int_equal(truncate(path, FILE_SIZE), 0);
	refused(false, -EINVAL, "does not begin", "remove it");
	assert_int_equal(unlink(path), 0);

	make_with_entry();
	patch(8, &version, sizeof(version));
	refused(true, -EINVAL, "another version", "99");
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkdir(path, 0700), 0);
	refused(true, -EISDIR, "directory", "");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(true, -EINVAL, "not a regular file", "remove it");
}

static void
test_not_ours(void **state)
{
	char other[160];

	(void)state;
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	make_with_entry();
	assert_int_equal(chmod(path, 0640), 0);
	refused(true, -EINVAL, "by others", "remove it");
	assert_int_equal(chmod(path, 0600), 0);

	assert_int_equal(link(path, other), 0);
	refused(true, -EINVAL, "more than one name", "remove it");
	assert_int_equal(unlink(other), 0);

	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	refused(true, -EINVAL, "symbolic link", "remove it");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(other, path), 0);

	if (geteuid() != 0)
		return;
	assert_int_equal(chown(path, 4711, 4711), 0);
	refused(true, -EINVAL, "another user", "remove it");
}

/* One that was killed while it made the file left only the temporary name. */
static void
test_left_over(void **state)
{
	char half[160];
	int fd;

	(void)state;
	(void)snprintf(half, sizeof(half), "%s.new", path);
	fd = open(half, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	journal_close(open_it(true));
	assert_int_equal(access(half, F_OK), -1);
}

static void
test_no_room(void **state)
{
	struct journal *j = NULL;
	struct frq_err err = { .text = "" };
	char longest[600];

	(void)state;
	memset(longest, 'd', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(journal_open(&j, longest, true, &err), -ENAMETOOLONG);
	assert_int_equal(journal_open(&j, "/does/not/exist", true, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/does/not/exist"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unterminated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
