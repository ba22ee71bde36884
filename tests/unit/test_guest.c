/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_guest.c - libfreqring over a region's file, with the test as the host
 *
 * The host's poller is played with frq_consumer_*, its applier with plain
 * stores to the state line. Nothing runs at the same time, so each test says
 * exactly what the host has seen when.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "freqring_pvt.h"
#include "guest_host.h"

/* ---- set-up --------------------------------------------------------------- */

static int
set_up_file(void **state)
{
	struct host *h = calloc(1, sizeof(*h));

	if (h == NULL || host_make(h) < 0)
		return -1;
	*state = h;
	return 0;
}

static int
open_guest(const struct host *h, struct freqring **fr)
{
	const struct freqring_options o = { .device = h->path };

	return freqring_open(fr, &o);
}

/* ... and attached to vCPU 1, which the host has seen. */
static int
set_up(void **state)
{
	struct host *h;

	if (set_up_file(state) < 0)
		return -1;
	h = *state;
	if (open_guest(h, &h->fr) < 0)
		return -1;
	/* Under a sanitizer a load may take as long as an uncached one. */
	h->fr->link->mapping = FREQRING_MAPPING_CACHED;
	if (freqring_attach(h->fr, 1, &h->ch) < 0)
		return -1;
	return host_take(h, 1).op == FRQ_OP_ATTACH ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct host *h = *state;

	freqring_close(h->fr);
	frq_region_close(&h->region);
	(void)unlink(h->path);
	(void)rmdir(h->dir);
	free(h);
	return 0;
}

/* ---- open ----------------------------------------------------------------- */

static void
expect_open_error(const struct host *h, int ret, const char *part)
{
	struct freqring *fr;

	assert_int_equal(open_guest(h, &fr), ret);
	assert_non_null(fr);
	if (strstr(freqring_error(fr), part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, freqring_error(fr));
	freqring_close(fr);
}

static void
test_open_errors(void **state)
{
	struct host *h = *state;
	struct frq_header FRQ_SHARED *hd = frq_region_header(&h->region);
	char link[128], was[96];

	frq_store64(&hd->version, 2);
	expect_open_error(h, -EPROTO, "version 2");
	frq_store64(&hd->version, FRQ_ABI_VERSION);
	frq_store64(&hd->nb_slots, 128);
	expect_open_error(h, -EPROTO, "128 slots");
	frq_store64(&hd->nb_slots, FRQ_RING_SLOTS);
	frq_store64(&hd->magic, 1);
	expect_open_error(h, -ENOENT, "no freqring region");
	frq_store64(&hd->magic, FRQ_MAGIC);

	(void)snprintf(link, sizeof(link), "%s/link", h->dir);
	assert_int_equal(symlink(h->path, link), 0);
	memcpy(was, h->path, sizeof(was));
	(void)snprintf(h->path, sizeof(h->path), "%s/link", h->dir);
	expect_open_error(h, -ELOOP, "symbolic link");
	(void)unlink(link);
	expect_open_error(h, -ENODEV, "cannot be opened");
	memcpy(h->path, was, sizeof(was));

	assert_int_equal(truncate(h->path, FRQ_REGION_SIZE - 4096), 0);
	expect_open_error(h, -EINVAL, "not a file of 1048576 bytes");
	assert_int_equal(truncate(h->path, FRQ_REGION_SIZE), 0);
}

static void
test_info(void **state)
{
	struct host *h = *state;
	struct freqring_info i;

	assert_int_equal(freqring_get_info(h->fr, &i, 0), 0);
	assert_string_equal(i.device, "region");
	assert_int_equal(i.nb_channels, NB_VCPUS);
	assert_int_equal(i.epoch, EPOCH);
	assert_int_equal(i.incarnation, INCARNATION);
	assert_int_equal(i.uuid[0], 0xab);
	assert_true(i.turbo);
	assert_true(i.simulated);
	assert_false(i.quarantined);
	assert_false(i.host_alive);

	frq_store64(&frq_region_header(&h->region)->heartbeat, 5);
	assert_int_equal(freqring_get_info(h->fr, &i, 0), 0);
	assert_true(i.host_alive);
	/* Once more at once: it has not been still for long enough. */
	assert_int_equal(freqring_get_info(h->fr, &i, 0), 0);
	assert_true(i.host_alive);
	assert_int_equal(freqring_get_info(h->fr, &i, 150), 0);
	assert_false(i.host_alive);

	frq_store64(&frq_region_header(&h->region)->heartbeat, 6);
	host_set_life(h, (struct frq_life){ .epoch = EPOCH, .incarnation = INCARNATION,
		.flags = FRQ_LIFE_STOPPED });
	assert_int_equal(freqring_get_info(h->fr, &i, 0), 0);
	assert_true(i.host_stopped);
	assert_false(i.host_alive);

	frq_store64(&frq_region_header(&h->region)->magic, 0);
	assert_int_equal(freqring_get_info(h->fr, &i, 0), -ENOENT);
}

/* ---- what the host does ---------------------------------------------------- */

static struct told {
	unsigned int times, vcpu;
	enum freqring_host host;
	uint32_t ms;
} told;

static void
on_host(void *arg, unsigned int vcpu, enum freqring_host host, uint32_t ms)
{
	(void)arg;
	told = (struct told){ .times = told.times + 1, .vcpu = vcpu, .host = host, .ms = ms };
}

static void
host_says(struct host *h, enum frq_host_state state, uint32_t ms)
{
	frq_store64(&frq_region_state(&h->region, 1)->host, frq_host_pack((struct frq_host){
		.state = (uint8_t)state, .ms = ms, .count = 3 }));
}

static void
can_tell(struct host *h)
{
	frq_store64(&frq_region_header(&h->region)->features, FRQ_FEATURE_TURBO | FRQ_FEATURE_HOST);
	h->fr->host = on_host;
	told = (struct told){ .times = 0 };
}

static void
test_tell_host_old_host(void **state)
{
	struct host *h = *state;
	struct freqring_status st;

	assert_int_equal(freqring_tell_host(h->ch, true), -EOPNOTSUPP);
	assert_non_null(strstr(freqring_error(h->fr), "too old"));
	assert_takes(h, 1, FRQ_OP_NONE);
	/* whatever is in that word then */
	host_says(h, FRQ_HOST_SUSPENDING, 1);
	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_int_equal(st.host, FREQRING_HOST_AWAKE);
}

static void
test_tell_host(void **state)
{
	struct host *h = *state;
	struct freqring_status st;
	struct frq_request r;

	can_tell(h);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_MAX);
	host_says(h, FRQ_HOST_RESUMED, 5);
	assert_int_equal(freqring_tell_host(h->ch, true), 1);
	r = host_take(h, 1);
	assert_int_equal(r.op, FRQ_OP_TELL);
	assert_int_equal(r.arg, FRQ_TELL_HOST);
	/* what is over is no news */
	assert_int_equal(told.times, 0);
	host_says(h, FRQ_HOST_SUSPENDING, 10000);
	assert_int_equal(freqring_max(h->ch), 0);
	assert_int_equal(told.times, 0);
	host_verdict(h, 1, FRQ_REASON_OK);
	assert_true(freqring_max(h->ch) >= 0);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.vcpu, 1);
	assert_int_equal(told.host, FREQRING_HOST_SUSPENDING);
	assert_int_equal(told.ms, 10000);
	/* a verdict about something else */
	host_verdict(h, 1, FRQ_REASON_OK);
	(void)freqring_max(h->ch);
	assert_int_equal(told.times, 1);
	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_int_equal(st.host, FREQRING_HOST_SUSPENDING);
	assert_int_equal(st.host_ms, 10000);
	assert_int_equal(st.host_sleeps, 3);
	/* what it does not know it does not hand on */
	host_says(h, (enum frq_host_state)77, 1);
	host_verdict(h, 1, FRQ_REASON_OK);
	(void)freqring_max(h->ch);
	assert_int_equal(told.times, 1);
	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_int_equal(st.host, FREQRING_HOST_AWAKE);
}

static void
test_tell_host_no_more(void **state)
{
	struct host *h = *state;

	can_tell(h);
	assert_int_equal(freqring_tell_host(h->ch, true), 1);
	assert_takes(h, 1, FRQ_OP_TELL);
	assert_int_equal(freqring_tell_host(h->ch, false), 1);
	assert_int_equal(host_take(h, 1).arg, 0);
	host_says(h, FRQ_HOST_SUSPENDING, 1);
	host_verdict(h, 1, FRQ_REASON_OK);
	assert_int_equal(freqring_min(h->ch), 1);
	assert_int_equal(told.times, 0);
}

/* Asked while it is about to: that is told at once. */
static void
test_tell_host_late(void **state)
{
	struct host *h = *state;

	can_tell(h);
	host_says(h, FRQ_HOST_SUSPENDING, 3000);
	assert_int_equal(freqring_tell_host(h->ch, true), 1);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.ms, 3000);
}

static void
test_tell_host_new_epoch(void **state)
{
	struct host *h = *state;

	can_tell(h);
	assert_int_equal(freqring_min(h->ch), 1);
	assert_int_equal(freqring_tell_host(h->ch, true), 1);
	host_init(h, EPOCH + 1, INCARNATION + 1);
	can_tell(h);
	assert_int_equal(freqring_min(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_MIN);
	assert_takes(h, 1, FRQ_OP_TELL);
	assert_takes(h, 1, FRQ_OP_NONE);
}

/* ---- the device, in a made-up sysfs --------------------------------------- */

static void
write_text(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
make_device(const char *sysfs, const char *address, const char *vendor, const char *memory)
{
	char dir[160], path[224];

	(void)snprintf(dir, sizeof(dir), "%s/bus/pci/devices/%s", sysfs, address);
	assert_int_equal(mkdir(dir, 0755), 0);
	write_text(dir, "vendor", vendor);
	write_text(dir, "device", "0x1110\n");
	write_text(dir, "enable", "0\n");
	(void)snprintf(path, sizeof(path), "%s/resource2", dir);
	if (memory != NULL) {
		assert_int_equal(symlink(memory, path), 0);
	} else {
		write_text(dir, "resource2", "");
		assert_int_equal(truncate(path, FRQ_REGION_SIZE), 0);
	}
}

static void
expect_device(const char *sysfs, int ret, const char *part)
{
	const struct frq_places places = { .sysfs = sysfs, .dev = sysfs };
	struct freqring *fr;
	const char *said;

	assert_int_equal(frq_open(&fr, NULL, &places), ret);
	said = ret == 0 ? fr->link->name : freqring_error(fr);
	if (strstr(said, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, said);
	freqring_close(fr);
}

static void
test_find_device(void **state)
{
	struct host *h = *state;
	char sysfs[128], command[256], path[256], enabled[4] = "";
	FILE *f;

	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", h->dir);
	expect_device(sysfs, -ENODEV, "no ivshmem device");
	(void)snprintf(command, sizeof(command), "mkdir -p %s/bus/pci/devices", sysfs);
	assert_int_equal(system(command), 0);
	make_device(sysfs, "0000:00:02.0", "0x8086\n", h->path);
	expect_device(sysfs, -ENODEV, "no ivshmem device");
	make_device(sysfs, "0000:00:03.0", "0x1af4\n", NULL);
	expect_device(sysfs, -ENOENT, "1 ivshmem device, none with freqring's magic");
	make_device(sysfs, "0000:00:04.0", "0x1af4\n", NULL);
	expect_device(sysfs, -ENOENT, "2 ivshmem devices, none");
	make_device(sysfs, "0000:00:05.0", "0x1af4\n", h->path);
	expect_device(sysfs, 0, "0000:00:05.0");
	frq_store64(&frq_region_header(&h->region)->version, 9);
	expect_device(sysfs, -EPROTO, "version 9");

	(void)snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:00:05.0/enable", sysfs);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(enabled, sizeof(enabled), f));
	assert_int_equal(enabled[0], '1');
	(void)fclose(f);
	(void)snprintf(command, sizeof(command), "rm -r %s", sysfs);
	assert_int_equal(system(command), 0);
}

/* ---- attach --------------------------------------------------------------- */

static void
test_attach(void **state)
{
	struct host *h = *state;
	struct freqring_channel *ch;
	struct frq_request r;

	assert_int_equal(freqring_attach(h->fr, NB_VCPUS, &ch), -EINVAL);
	assert_null(ch);
	assert_non_null(strstr(freqring_error(h->fr), "no vCPU 4"));
	assert_int_equal(freqring_attach(h->fr, UINT32_MAX, &ch), -EINVAL);

	assert_int_equal(freqring_attach(h->fr, 3, &ch), 0);
	r = host_take(h, 3);
	assert_int_equal(r.op, FRQ_OP_ATTACH);
	assert_int_not_equal(r.arg, 0);
	assert_int_equal(r.flags, 0);
	assert_takes(h, 3, FRQ_OP_NONE);
	freqring_detach(ch);
	assert_takes(h, 3, FRQ_OP_NONE);
}

static void
test_one_program_a_channel(void **state)
{
	struct host *h = *state;
	struct freqring_channel *ch;
	struct freqring *other;
	int status;
	pid_t pid;

	assert_int_equal(freqring_attach(h->fr, 1, &ch), -EBUSY);
	assert_non_null(strstr(freqring_error(h->fr), "vCPU 1"));
	assert_int_equal(open_guest(h, &other), 0);
	assert_int_equal(freqring_attach(other, 1, &ch), -EBUSY);
	assert_int_equal(freqring_attach(other, 2, &ch), 0);

	pid = fork();
	if (pid == 0) {
		struct freqring_channel *c;
		struct freqring *third;

		if (open_guest(h, &third) != 0)
			_exit(1);
		if (freqring_attach(third, 1, &c) != -EBUSY)
			_exit(2);
		/* And one that nobody has; it goes with this process. */
		_exit(freqring_attach(third, 3, &c) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(freqring_attach(other, 3, &ch), 0);

	freqring_detach(h->ch);
	assert_int_equal(freqring_attach(other, 1, &ch), 0);
	assert_int_equal(freqring_attach(h->fr, 1, &h->ch), -EBUSY);
	freqring_close(other);
	assert_int_equal(freqring_attach(h->fr, 1, &h->ch), 0);
}

static void
test_observe(void **state)
{
	struct host *h = *state;
	struct freqring_channel *eye;
	struct freqring_status st;
	struct freqring *other;

	assert_int_equal(freqring_observe(h->fr, NB_VCPUS, &eye), -EINVAL);
	assert_int_equal(freqring_observe(h->fr, 1, &eye), 0);
	host_apply(h, 1, 1800000);
	assert_int_equal(freqring_get_status(eye, &st), 0);
	assert_int_equal(st.granted_khz, 1800000);
	assert_int_equal(freqring_max(eye), -EPERM);
	assert_int_equal(freqring_ping(eye, 1), -EPERM);
	assert_int_equal(freqring_up(eye), -EPERM);
	assert_int_equal(freqring_turbo(eye, true), -EPERM);
	assert_int_equal(freqring_wait_consumed(eye, 0), -EPERM);
	freqring_detach(eye);
	/* It had no claim to give back. */
	assert_int_equal(freqring_attach(h->fr, 1, &eye), -EBUSY);
	assert_int_equal(open_guest(h, &other), 0);
	assert_int_equal(freqring_attach(other, 1, &eye), -EBUSY);
	freqring_close(other);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_MAX);
}

static void
test_attach_before_ready(void **state)
{
	struct host *h = *state;
	struct freqring_channel *ch;

	h->life.epoch++;
	host_set_life(h, h->life);
	assert_int_equal(freqring_attach(h->fr, 2, &ch), -ENOTCONN);
	assert_non_null(strstr(freqring_error(h->fr), "does not serve"));
	host_publish_channels(h, true);
	assert_int_equal(freqring_attach(h->fr, 2, &ch), 0);
}

/* ---- requests ------------------------------------------------------------- */

static void
test_operations(void **state)
{
	struct host *h = *state;
	struct frq_request r;

	assert_int_equal(freqring_up(h->ch), 1);
	assert_int_equal(freqring_down(h->ch), 1);
	assert_int_equal(freqring_min(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_int_equal(freqring_set(h->ch, 0xffffff), 1);
	assert_int_equal(freqring_turbo(h->ch, false), 1);
	assert_int_equal(freqring_turbo(h->ch, true), 1);
	assert_int_equal(freqring_release(h->ch), 1);
	assert_int_equal(freqring_lease(h->ch, 10), 1);
	assert_int_equal(freqring_ping(h->ch, 0x1234567), 1);
	assert_takes(h, 1, FRQ_OP_UP);
	assert_takes(h, 1, FRQ_OP_DOWN);
	assert_takes(h, 1, FRQ_OP_MIN);
	assert_takes(h, 1, FRQ_OP_MAX);
	r = host_take(h, 1);
	assert_int_equal(r.op, FRQ_OP_SET);
	assert_int_equal(r.arg, 0xffffff);
	assert_takes(h, 1, FRQ_OP_TURBO_OFF);
	assert_takes(h, 1, FRQ_OP_TURBO_ON);
	assert_takes(h, 1, FRQ_OP_RELEASE);
	r = host_take(h, 1);
	assert_int_equal(r.op, FRQ_OP_LEASE);
	assert_int_equal(r.arg, 10);
	r = host_take(h, 1);
	assert_int_equal(r.op, FRQ_OP_PING);
	assert_int_equal(r.arg, 0x234567);
	assert_takes(h, 1, FRQ_OP_NONE);

	assert_int_equal(freqring_set(h->ch, 0), -ERANGE);
	assert_int_equal(freqring_set(h->ch, 0x1000000), -ERANGE);
	assert_int_equal(freqring_lease(h->ch, 0x1000000), -ERANGE);
	assert_takes(h, 1, FRQ_OP_NONE);
}

static void
test_repeats_are_dropped(void **state)
{
	struct host *h = *state;
	struct freqring_status st;

	assert_int_equal(freqring_max(h->ch), 1);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(freqring_max(h->ch), 0);
	assert_int_equal(freqring_turbo(h->ch, true), 1);
	assert_int_equal(freqring_turbo(h->ch, true), 0);
	/* Turbo is another question, a frequency another wish. */
	assert_int_equal(freqring_max(h->ch), 0);
	assert_int_equal(freqring_set(h->ch, 1000), 1);
	assert_int_equal(freqring_set(h->ch, 1000), 0);
	assert_int_equal(freqring_set(h->ch, 1001), 1);
	assert_int_equal(freqring_max(h->ch), 1);
	/* A step makes the last wish another one. */
	assert_int_equal(freqring_down(h->ch), 1);
	assert_int_equal(freqring_down(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_int_equal(freqring_lease(h->ch, 5), 1);
	assert_int_equal(freqring_lease(h->ch, 5), 1);
	assert_int_equal(freqring_max(h->ch), 0);

	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_int_equal(st.posted, 10);
	assert_int_equal(st.dropped, 1004);
	assert_int_equal(st.full, 0);
	assert_int_equal(st.restated, 0);
}

static void
test_arbitration_does_not_wake_repeats(void **state)
{
	struct host *h = *state;

	assert_int_equal(freqring_max(h->ch), 1);
	host_apply(h, 1, 1200000);
	assert_int_equal(freqring_max(h->ch), 0);
	/* A refusal lets it through once, and then no more. */
	host_verdict(h, 1, FRQ_REASON_UNPINNED);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 0);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_NONE);
}

static void
test_full_ring(void **state)
{
	struct host *h = *state;
	struct freqring_status st;

	/* The attach took a credit that the host has given back by now. */
	for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++)
		assert_int_equal(freqring_up(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), -EAGAIN);
	assert_non_null(strstr(freqring_error(h->fr), "full"));
	/* Not remembered as asked. */
	assert_int_equal(freqring_max(h->ch), -EAGAIN);
	assert_takes(h, 1, FRQ_OP_UP);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 0);
	assert_int_equal(freqring_ping(h->ch, 0), -EAGAIN);
	for (unsigned int i = 1; i < FRQ_RING_SLOTS; i++)
		assert_takes(h, 1, FRQ_OP_UP);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_NONE);
	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_int_equal(st.full, 3);
	assert_int_equal(st.posted, FRQ_RING_SLOTS + 1);
}

static void
test_host_dead_at_attach(void **state)
{
	struct host *h = *state;
	struct freqring_channel *ch;

	/* 63 beside the attach, and not one over it. */
	assert_int_equal(freqring_attach(h->fr, 2, &ch), 0);
	for (unsigned int i = 1; i < FRQ_RING_SLOTS; i++)
		assert_int_equal(freqring_down(ch), 1);
	assert_int_equal(freqring_down(ch), -EAGAIN);
	assert_takes(h, 2, FRQ_OP_ATTACH);
	for (unsigned int i = 1; i < FRQ_RING_SLOTS; i++)
		assert_takes(h, 2, FRQ_OP_DOWN);
	assert_takes(h, 2, FRQ_OP_NONE);
	assert_int_equal(freqring_down(ch), 1);
}

static void
test_sequence_wraps(void **state)
{
	struct host *h = *state;

	for (unsigned int i = 0; i < 3 * 65536; i++) {
		assert_int_equal(freqring_ping(h->ch, i), 1);
		assert_int_equal(host_take(h, 1).arg, i & FRQ_ARG_MAX);
		assert_int_equal(freqring_wait_consumed(h->ch, 0), 0);
	}
}

/* ---- waits ---------------------------------------------------------------- */

static void
test_waits(void **state)
{
	struct host *h = *state;
	uint64_t start;

	assert_int_equal(freqring_wait_consumed(h->ch, 0), 0);
	assert_int_equal(freqring_max(h->ch), 1);
	start = frq_now_ns();
	assert_int_equal(freqring_wait_consumed(h->ch, 20000), -ETIMEDOUT);
	assert_true(frq_now_ns() - start >= 20000000);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_int_equal(freqring_wait_consumed(h->ch, 0), 0);
	assert_int_equal(freqring_wait_applied(h->ch, 1000), -ETIMEDOUT);
	host_apply(h, 1, 2000000);
	assert_int_equal(freqring_wait_applied(h->ch, 0), 0);

	/* Pings are consumed, never applied. */
	for (unsigned int i = 0; i < 40000; i++) {
		assert_int_equal(freqring_ping(h->ch, i), 1);
		assert_takes(h, 1, FRQ_OP_PING);
	}
	assert_int_equal(freqring_wait_applied(h->ch, 0), 0);
	/* The answer to what came 40000 requests ago is not one to this. */
	assert_int_equal(freqring_min(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_MIN);
	assert_int_equal(freqring_wait_applied(h->ch, 1000), -ETIMEDOUT);
	assert_int_equal(freqring_ping(h->ch, 1), 1);
	assert_takes(h, 1, FRQ_OP_PING);
	host_apply(h, 1, 800000);
	assert_int_equal(freqring_wait_applied(h->ch, 0), 0);
}

static void
test_wait_sees_new_epoch(void **state)
{
	struct host *h = *state;

	assert_int_equal(freqring_max(h->ch), 1);
	host_init(h, EPOCH + 1, INCARNATION);
	assert_int_equal(freqring_wait_consumed(h->ch, 1000000), -ENOTCONN);
	assert_non_null(strstr(freqring_error(h->fr), "anew"));
}

/* ---- the host starts anew ------------------------------------------------- */

static void
test_new_epoch(void **state)
{
	struct host *h = *state;
	struct freqring_status st;
	struct frq_request r;

	assert_int_equal(freqring_set(h->ch, 1500000), 1);
	assert_int_equal(freqring_turbo(h->ch, false), 1);
	host_init(h, EPOCH + 1, INCARNATION + 1);
	/* A repeat is enough to say everything again, and once. */
	assert_int_equal(freqring_set(h->ch, 1500000), 1);
	assert_int_equal(freqring_set(h->ch, 1500000), 0);
	assert_int_equal(freqring_turbo(h->ch, false), 0);
	r = host_take(h, 1);
	assert_int_equal(r.op, FRQ_OP_ATTACH);
	assert_int_equal(r.epoch, EPOCH + 1);
	assert_takes(h, 1, FRQ_OP_TURBO_OFF);
	r = host_take(h, 1);
	assert_int_equal(r.op, FRQ_OP_SET);
	assert_int_equal(r.arg, 1500000);
	assert_takes(h, 1, FRQ_OP_NONE);
	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_int_equal(st.restated, 2);

	/* Turbo, too, is said again by its own repeat, and once. */
	host_init(h, EPOCH + 2, INCARNATION + 1);
	assert_int_equal(freqring_turbo(h->ch, false), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_TURBO_OFF);
	assert_takes(h, 1, FRQ_OP_SET);
	assert_takes(h, 1, FRQ_OP_NONE);

	/* Any other call does the same before its own. */
	host_init(h, EPOCH + 3, INCARNATION + 1);
	assert_int_equal(freqring_ping(h->ch, 1), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_TURBO_OFF);
	assert_takes(h, 1, FRQ_OP_SET);
	assert_takes(h, 1, FRQ_OP_PING);
	assert_takes(h, 1, FRQ_OP_NONE);
}

static void
test_new_epoch_half_made(void **state)
{
	struct host *h = *state;

	assert_int_equal(freqring_max(h->ch), 1);
	host_init(h, EPOCH + 1, INCARNATION);
	frq_store64(&frq_region_header(&h->region)->magic, 0);
	assert_int_equal(freqring_max(h->ch), -ENOTCONN);
	frq_store64(&frq_region_header(&h->region)->magic, FRQ_MAGIC);
	/* The header is there, the poller has not begun. */
	frq_store64(&h->rx[1].line->consumed, 0);
	assert_int_equal(freqring_max(h->ch), -ENOTCONN);
	frq_consumer_publish(&h->rx[1]);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_NONE);
}

/* The consumed line tells when the verdict does not (yet). */
static void
test_new_epoch_seen_at_refill(void **state)
{
	struct host *h = *state;

	for (unsigned int i = 0; i < FRQ_RING_SLOTS / 2; i++)
		assert_int_equal(freqring_min(h->ch) + freqring_max(h->ch), 2);
	h->life.epoch++;
	host_set_life(h, h->life);
	host_publish_channels(h, true);
	assert_int_equal(freqring_min(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_MIN);
	assert_takes(h, 1, FRQ_OP_NONE);
}

static void
test_steps_over_new_epoch(void **state)
{
	struct host *h = *state;
	struct frq_request r;

	/* Nothing seen of the wish: nothing said. */
	assert_int_equal(freqring_down(h->ch), 1);
	host_init(h, EPOCH + 1, INCARNATION);
	assert_int_equal(freqring_down(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_DOWN);
	assert_takes(h, 1, FRQ_OP_NONE);
	/* The host's idea of it, seen by the wait. */
	host_apply(h, 1, 1400000);
	assert_int_equal(freqring_wait_applied(h->ch, 0), 0);
	host_init(h, EPOCH + 2, INCARNATION);
	assert_int_equal(freqring_up(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	r = host_take(h, 1);
	assert_int_equal(r.op, FRQ_OP_SET);
	assert_int_equal(r.arg, 1400000);
	assert_takes(h, 1, FRQ_OP_UP);
	/* ... and by the step itself. */
	host_apply(h, 1, 1500000);
	assert_int_equal(freqring_up(h->ch), 1);
	host_init(h, EPOCH + 3, INCARNATION);
	assert_int_equal(freqring_up(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_int_equal(host_take(h, 1).arg, 1500000);
	assert_takes(h, 1, FRQ_OP_UP);
	assert_takes(h, 1, FRQ_OP_NONE);
}

static void
new_incarnation(struct host *h)
{
	h->life.incarnation++;
	host_set_life(h, h->life);
	host_publish_channels(h, false);
	host_verdict(h, 1, FRQ_REASON_OK);
}

static void
test_new_incarnation(void **state)
{
	struct host *h = *state;

	assert_int_equal(freqring_min(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 1);
	/* What is in the ring stays valid; the wish is said again behind it. */
	new_incarnation(h);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 0);
	/* The credit was counted anew: three are in flight. */
	assert_int_equal(frq_producer_credit(&h->ch->p), FRQ_RING_SLOTS - 3);
	assert_takes(h, 1, FRQ_OP_MIN);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_NONE);
	/* A step is not: the host has kept what came of it. */
	assert_int_equal(freqring_down(h->ch), 1);
	host_apply(h, 1, 1400000);
	assert_int_equal(freqring_wait_applied(h->ch, 0), -ETIMEDOUT);
	new_incarnation(h);
	assert_int_equal(freqring_ping(h->ch, 0), 1);
	assert_takes(h, 1, FRQ_OP_DOWN);
	assert_takes(h, 1, FRQ_OP_PING);
	assert_takes(h, 1, FRQ_OP_NONE);
}

static void
test_new_incarnation_full_ring(void **state)
{
	struct host *h = *state;

	assert_int_equal(freqring_max(h->ch), 1);
	for (unsigned int i = 1; i < FRQ_RING_SLOTS; i++)
		assert_int_equal(freqring_ping(h->ch, i), 1);
	new_incarnation(h);
	assert_int_equal(freqring_max(h->ch), -EAGAIN);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 0);
}

static void
test_lost(void **state)
{
	struct host *h = *state;

	assert_int_equal(freqring_max(h->ch), 1);
	/* Somebody wrote over it. */
	frq_store64(&frq_region_ring(&h->region, 1)->slot[h->rx[1].next % FRQ_RING_SLOTS], 0);
	assert_takes(h, 1, FRQ_OP_NONE);
	host_verdict(h, 1, FRQ_REASON_LOST);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_int_equal(freqring_max(h->ch), 0);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_takes(h, 1, FRQ_OP_NONE);
	assert_int_equal(freqring_wait_consumed(h->ch, 0), 0);
}

/* The host has kept what the steps before came to: it is not told. */
static void
test_lost_step(void **state)
{
	struct host *h = *state;

	host_apply(h, 1, 1400000);
	assert_int_equal(freqring_down(h->ch), 1);
	host_verdict(h, 1, FRQ_REASON_LOST);
	assert_int_equal(freqring_down(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_DOWN);
	assert_takes(h, 1, FRQ_OP_NONE);
}

static void
test_quarantine(void **state)
{
	struct host *h = *state;
	struct freqring_channel *ch;
	struct freqring_status st;

	assert_int_equal(freqring_max(h->ch), 1);
	h->life.flags = FRQ_LIFE_QUARANTINED;
	host_set_life(h, h->life);
	host_verdict(h, 1, FRQ_REASON_QUARANTINED);
	assert_int_equal(freqring_max(h->ch), -ENOTCONN);
	assert_non_null(strstr(freqring_error(h->fr), "quarantine"));
	assert_int_equal(freqring_turbo(h->ch, true), -ENOTCONN);
	assert_int_equal(freqring_wait_applied(h->ch, 1000), -ENOTCONN);
	assert_int_equal(freqring_get_status(h->ch, &st), -ENOTCONN);
	assert_int_equal(freqring_attach(h->fr, 2, &ch), -ENOTCONN);
	/* Lifted, under a new epoch. */
	host_init(h, EPOCH + 1, INCARNATION);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_MAX);
	assert_int_equal(freqring_attach(h->fr, 2, &ch), 0);
}

/* With no word in the verdict it shows when the ring is full. */
static void
test_quarantine_full_ring(void **state)
{
	struct host *h = *state;

	h->life.flags = FRQ_LIFE_QUARANTINED;
	host_set_life(h, h->life);
	for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++)
		assert_int_equal(freqring_up(h->ch), 1);
	assert_int_equal(freqring_up(h->ch), -ENOTCONN);
}

static void
test_taken_over(void **state)
{
	struct host *h = *state;
	struct frq_producer thief = {
		.ring = frq_region_ring(&h->region, 1),
		.doorbell = frq_region_doorbell(&h->region, 1),
		.consumed = frq_region_consumed(&h->region, 1),
	};

	assert_int_equal(freqring_max(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_MAX);
	frq_producer_attach(&thief, h->life, 0, h->ch->nonce ^ 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_int_equal(freqring_wait_consumed(h->ch, 1000000), -ENOTCONN);
	assert_non_null(strstr(freqring_error(h->fr), "took"));
	assert_int_equal(freqring_max(h->ch), -ENOTCONN);
	assert_int_equal(freqring_min(h->ch), -ENOTCONN);
	assert_takes(h, 1, FRQ_OP_NONE);
	/* Who wants it back attaches anew. */
	freqring_detach(h->ch);
	assert_int_equal(freqring_attach(h->fr, 1, &h->ch), 0);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_MAX);
}

/* The attach before ours, still to be seen there, is no takeover. */
static void
test_owner_before(void **state)
{
	struct host *h = *state;

	freqring_detach(h->ch);
	assert_int_equal(freqring_attach(h->fr, 1, &h->ch), 0);
	host_verdict(h, 1, FRQ_REASON_FAILED);
	assert_int_equal(freqring_max(h->ch), 1);
	assert_takes(h, 1, FRQ_OP_ATTACH);
	assert_takes(h, 1, FRQ_OP_MAX);
}

/* ---- uncached ------------------------------------------------------------- */

static void
test_mapping_rule(void **state)
{
	(void)state;
	assert_int_equal(frq_mapping_judge(10), FREQRING_MAPPING_CACHED);
	assert_int_equal(frq_mapping_judge(100), FREQRING_MAPPING_CACHED);
	assert_int_equal(frq_mapping_judge(600), FREQRING_MAPPING_CACHED);
	assert_int_equal(frq_mapping_judge(601), FREQRING_MAPPING_UNCACHED);
	assert_int_equal(frq_mapping_judge(3000), FREQRING_MAPPING_UNCACHED);
}

/* Rounds of 100 accesses. A clock of 9 us a look, and a hypervisor that was busy for
 * nearly all of the time, are no slow memory.
 */
static void
test_mapping_cost(void **state)
{
	const uint32_t quick[] = { 30, 25, 500000 }, clock[] = { 25, 70000, 30 };
	const uint32_t busy[] = { 9400, 300000, 20000 }, slow_clock[] = { 9000, 9100, 250000 };
	const uint32_t uncached[] = { 39000, 41000, 500000 };
	const uint32_t none[] = { 20, 20, 20 };

	(void)state;
	assert_int_equal(frq_mapping_cost(quick, none, 3), 0);
	assert_int_equal(frq_mapping_cost(quick, clock, 3), 0);
	assert_int_equal(frq_mapping_cost(none, clock, 3), 0);
	assert_int_equal(frq_mapping_cost(busy, slow_clock, 3), 40);
	assert_int_equal(frq_mapping_cost(uncached, slow_clock, 3), 3000);
	assert_int_equal(frq_mapping_cost((const uint32_t[]){ UINT32_MAX }, none, 1), 429496727);
}

static void
test_mapping_measured(void **state)
{
	struct host *h = *state;
	struct freqring *fr;

	assert_int_equal(open_guest(h, &fr), 0);
	assert_int_equal(fr->link->mapping, FREQRING_MAPPING_CACHED);
	assert_int_equal(frq_mapping_judge(fr->link->load_ns_x10), FREQRING_MAPPING_CACHED);
	freqring_close(fr);
}

/* Simulated: each look at the clock takes 10 us more, as where that is an exit of the VM. */
static bool clock_is_slow;
uint64_t __real_frq_now_ns(void);
uint64_t __wrap_frq_now_ns(void);

uint64_t
__wrap_frq_now_ns(void)
{
	static uint64_t added;

	if (__atomic_load_n(&clock_is_slow, __ATOMIC_RELAXED))
		(void)__atomic_add_fetch(&added, 10000, __ATOMIC_RELAXED);
	return __real_frq_now_ns() + __atomic_load_n(&added, __ATOMIC_RELAXED);
}

static void
test_mapping_slow_clock(void **state)
{
	struct host *h = *state;
	struct freqring *fr;
	int ret;

	__atomic_store_n(&clock_is_slow, true, __ATOMIC_RELAXED);
	ret = open_guest(h, &fr);
	__atomic_store_n(&clock_is_slow, false, __ATOMIC_RELAXED);
	assert_int_equal(ret, 0);
	assert_int_equal(fr->link->mapping, FREQRING_MAPPING_CACHED);
	freqring_close(fr);
}

static void
test_uncached_channel(void **state)
{
	struct host *h = *state;
	struct freqring_channel *ch;
	struct frq_request r;
	unsigned int dropped = 0;
	uint64_t start;

	h->fr->link->mapping = FREQRING_MAPPING_UNCACHED;
	assert_int_equal(freqring_attach(h->fr, 2, &ch), 0);
	r = host_take(h, 2);
	assert_int_equal(r.op, FRQ_OP_ATTACH);
	assert_int_equal(r.flags, FRQ_ATTACH_UNCACHED);
	assert_int_equal(freqring_max(ch), 1);
	assert_takes(h, 2, FRQ_OP_MAX);
	/* Just looked; what the host says now is seen at the next look ... */
	ch->next_look_ns = UINT64_MAX;
	host_verdict(h, 2, FRQ_REASON_FAILED);
	assert_int_equal(freqring_max(ch), 0);
	assert_int_equal(freqring_max(ch), 0);
	/* ... and that comes within some milliseconds. */
	ch->next_look_ns = frq_coarse_ns() + 1000000;
	start = frq_now_ns();
	while (freqring_max(ch) == 0)
		dropped++;
	assert_true(frq_now_ns() - start < 1000000000);
	assert_int_not_equal(dropped, 0);
	assert_takes(h, 2, FRQ_OP_MAX);
	/* What cannot be mended is tried again at once, not dropped. */
	ch->next_look_ns = 0;
	h->life.flags = FRQ_LIFE_QUARANTINED;
	host_set_life(h, h->life);
	host_verdict(h, 2, FRQ_REASON_QUARANTINED);
	assert_int_equal(freqring_max(ch), -ENOTCONN);
	assert_int_equal(freqring_max(ch), -ENOTCONN);
}

/* ---- status --------------------------------------------------------------- */

static void
test_status(void **state)
{
	struct host *h = *state;
	struct frq_state_line FRQ_SHARED *s = frq_region_state(&h->region, 1);
	struct freqring_status st;

	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_int_equal(st.pcpu, -1);
	assert_int_equal(st.index, -1);
	assert_string_equal(st.wish, "none");
	assert_int_equal(st.nb_refusals, 0);

	frq_store64(&s->applied, frq_applied_pack((struct frq_applied){
		.epoch = EPOCH, .reason = FRQ_REASON_ARBITRATED, .wish = FRQ_WISH_MAX,
		.turbo = FRQ_TURBO_ALLOWED | FRQ_TURBO_AVAILABLE, .granted_khz = 1700000 }));
	frq_store64(&s->now, frq_now_pack((struct frq_now){
		.khz = 1600000, .pcpu = 300, .index = 5, .nb_pcpus = 2 }));
	frq_store64(&s->wish_khz, 2400000);
	frq_store64(&s->lease_left_ms, 1234);
	frq_store64(&s->refusals, 11);
	for (unsigned int n = 11 - FRQ_REFUSAL_LOG; n < 11; n++)
		frq_store64(&s->refusal[n % FRQ_REFUSAL_LOG], n == 9 ? 0 :
			frq_refusal_pack((struct frq_refusal){ .seq = (uint16_t)n,
				.reason = FRQ_REASON_BAD_FREQ, .op = FRQ_OP_SET, .arg = n }));
	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_string_equal(st.wish, "max");
	assert_int_equal(st.wish_khz, 2400000);
	assert_int_equal(st.granted_khz, 1700000);
	assert_int_equal(st.khz, 1600000);
	assert_int_equal(freqring_get_khz(h->ch), 1600000);
	assert_int_equal(st.index, 5);
	assert_int_equal(st.pcpu, 300);
	assert_int_equal(st.nb_pcpus, 2);
	assert_int_equal(st.reason, FRQ_REASON_ARBITRATED);
	assert_true(st.turbo_allowed);
	assert_true(st.turbo_available);
	assert_false(st.turbo_granted);
	assert_int_equal(st.lease_left_ms, 1234);
	assert_int_equal(st.refusals, 11);
	assert_int_equal(st.nb_refusals, FRQ_REFUSAL_LOG - 1);
	assert_int_equal(st.refusal[0].seq, 10);
	assert_int_equal(st.refusal[0].reason, FRQ_REASON_BAD_FREQ);
	assert_int_equal(st.refusal[0].op, FRQ_OP_SET);
	assert_int_equal(st.refusal[1].seq, 8);
	assert_int_equal(st.refusal[FRQ_REFUSAL_LOG - 2].seq, 11 - FRQ_REFUSAL_LOG);
	/* Whatever is written there, it stays within the tables. */
	frq_store64(&s->applied, UINT64_MAX);
	frq_store64(&s->now, UINT64_MAX);
	frq_store64(&s->refusals, UINT64_MAX);
	assert_int_equal(freqring_get_status(h->ch, &st), 0);
	assert_non_null(freqring_reason(st.reason));
	assert_int_equal(st.pcpu, -1);
	assert_true(st.nb_refusals <= FREQRING_REFUSALS);
}

static void
test_reasons(void **state)
{
	(void)state;
	for (unsigned int r = 0; r < FRQ_REASON_COUNT; r++) {
		assert_non_null(freqring_reason(r));
		for (unsigned int o = 0; o < r; o++)
			assert_string_not_equal(freqring_reason(r), freqring_reason(o));
	}
	assert_non_null(freqring_reason(FRQ_REASON_COUNT));
	assert_non_null(freqring_reason(UINT32_MAX));
}

static void
test_freqs(void **state)
{
	struct host *h = *state;
	const struct freq_table t = { .nb = 3, .turbo = true, .khz = { 2401000, 2400000, 800000 } };
	uint64_t version = 0;
	uint32_t khz[3] = { 0 };
	bool turbo = false;

	assert_int_equal(freqring_freqs(h->ch, khz, 3, NULL), 0);
	frq_table_write(frq_region_table(&h->region, 1), &version, &t);
	assert_int_equal(freqring_freqs(h->ch, khz, 2, &turbo), 3);
	assert_true(turbo);
	assert_int_equal(khz[0], 2401000);
	assert_int_equal(khz[1], 2400000);
	assert_int_equal(khz[2], 0);
	frq_store64(&frq_region_table(&h->region, 1)->version, 7);
	assert_int_equal(freqring_freqs(h->ch, khz, 3, NULL), -EAGAIN);
}

/* ---- vCPU numbers --------------------------------------------------------- */

static const uint8_t madt[] = {
	'A', 'P', 'I', 'C', 96, 0, 0, 0, 1, 0, 'B', 'O', 'C', 'H', 'S', ' ',
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0xe0, 0xfe, 1, 0, 0, 0,
	0, 8, 0, 0, 1, 0, 0, 0,					/* APIC 0 */
	0, 8, 1, 2, 0, 0, 0, 0,					/* APIC 2, not plugged in */
	1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,		/* an I/O APIC */
	9, 16, 0, 0, 0x01, 0x02, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,	/* x2APIC 0x201 */
	0, 8, 3, 4, 1, 0, 0, 0,					/* APIC 4 */
};

static void
test_madt(void **state)
{
	uint8_t t[sizeof(madt)];

	(void)state;
	assert_int_equal(sizeof(madt), 96);
	assert_int_equal(frq_madt_position(madt, sizeof(madt), 0), 0);
	assert_int_equal(frq_madt_position(madt, sizeof(madt), 2), 1);
	assert_int_equal(frq_madt_position(madt, sizeof(madt), 0x201), 2);
	assert_int_equal(frq_madt_position(madt, sizeof(madt), 4), 3);
	assert_int_equal(frq_madt_position(madt, sizeof(madt), 1), -ENOENT);
	/* Its own length counts, and may not exceed what is there. */
	memcpy(t, madt, sizeof(t));
	t[4] = 88;
	assert_int_equal(frq_madt_position(t, sizeof(t), 4), -ENOENT);
	t[4] = 97;
	assert_int_equal(frq_madt_position(t, sizeof(t), 0), -EPROTO);
	t[4] = 43;
	assert_int_equal(frq_madt_position(t, sizeof(t), 0), -EPROTO);
	memcpy(t, madt, sizeof(t));
	t[0] = 'B';
	assert_int_equal(frq_madt_position(t, sizeof(t), 0), -EPROTO);
	/* An entry of no length would never end, a long one run over. */
	memcpy(t, madt, sizeof(t));
	t[53] = 0;
	assert_int_equal(frq_madt_position(t, sizeof(t), 4), -EPROTO);
	t[53] = 255;
	assert_int_equal(frq_madt_position(t, sizeof(t), 4), -EPROTO);
	/* A processor entry too short for an APIC id is none. */
	memcpy(t, madt, sizeof(t));
	t[53] = 3;
	assert_int_equal(frq_madt_position(t, sizeof(t), 2), -EPROTO);
}

/* Every cut and every single wrong byte: an answer, and no byte beyond. */
static void
test_madt_hostile(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(madt); len++) {
		uint8_t *t = malloc(len + (len == 0));

		assert_non_null(t);
		memcpy(t, madt, len);
		assert_int_equal(frq_madt_position(t, len, 4), -EPROTO);
		free(t);
	}
	for (size_t at = 0; at < sizeof(madt); at++) {
		uint8_t *t = malloc(sizeof(madt));

		assert_non_null(t);
		memcpy(t, madt, sizeof(madt));
		for (unsigned int v = 0; v < 256; v++) {
			int ret;

			t[at] = (uint8_t)v;
			ret = frq_madt_position(t, sizeof(madt), 4);
			assert_true(ret == -EPROTO || ret == -ENOENT || (ret >= 0 && ret < 30));
		}
		free(t);
	}
}

static const char cpuinfo[] =
	"processor\t: 0\nvendor_id\t: AuthenticAMD\napicid\t\t: 9\ninitial apicid\t: 0\n\n"
	"processor\t: 1\napicid\t\t: 4\n\n"
	"processor\t: 10\napicid\t\t: 7\ninitial apicid\t: 2";

static void
test_cpuinfo(void **state)
{
	uint32_t id = 99;

	(void)state;
	assert_int_equal(frq_cpuinfo_apic_id(cpuinfo, 0, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(frq_cpuinfo_apic_id(cpuinfo, 1, &id), 0);
	assert_int_equal(id, 4);
	assert_int_equal(frq_cpuinfo_apic_id(cpuinfo, 10, &id), 0);
	assert_int_equal(id, 2);
	assert_int_equal(frq_cpuinfo_apic_id(cpuinfo, 2, &id), -ENOENT);
	assert_int_equal(frq_cpuinfo_apic_id("", 0, &id), -ENOENT);
	assert_int_equal(frq_cpuinfo_apic_id("processor : x\napicid :\n", 0, &id), -ENOENT);
}

static void
test_vcpu_lookup(void **state)
{
	struct host *h = *state;
	char command[512], info[128], table[128], sysfs[128];
	FILE *f;

	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", h->dir);
	(void)snprintf(info, sizeof(info), "%s/cpuinfo", h->dir);
	(void)snprintf(table, sizeof(table), "%s/APIC", h->dir);
	(void)snprintf(command, sizeof(command),
		"mkdir -p %s/devices/system/cpu/cpu0 %s/devices/system/cpu/cpu1 "
		"%s/devices/system/cpu/cpu2", sysfs, sysfs, sysfs);
	assert_int_equal(system(command), 0);
	write_text(h->dir, "cpuinfo", cpuinfo);
	/* Without the table, and for a CPU that is not up, its own number. */
	assert_int_equal(frq_vcpu_lookup(1, info, table, sysfs), 1);
	f = fopen(table, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(madt, 1, sizeof(madt), f), sizeof(madt));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(frq_vcpu_lookup(0, info, table, sysfs), 0);
	assert_int_equal(frq_vcpu_lookup(1, info, table, sysfs), 3);
	assert_int_equal(frq_vcpu_lookup(2, info, table, sysfs), 2);
	assert_int_equal(frq_vcpu_lookup(3, info, table, sysfs), -EINVAL);
	assert_int_equal(frq_vcpu_lookup(UINT32_MAX, info, table, sysfs), -EINVAL);
	(void)snprintf(command, sizeof(command), "rm -r %s %s %s", sysfs, info, table);
	assert_int_equal(system(command), 0);
}

#define test_of(f, up) cmocka_unit_test_setup_teardown(f, up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test_of(test_open_errors, set_up_file),
		test_of(test_info, set_up),
		test_of(test_tell_host_old_host, set_up),
		test_of(test_tell_host, set_up),
		test_of(test_tell_host_no_more, set_up),
		test_of(test_tell_host_late, set_up),
		test_of(test_tell_host_new_epoch, set_up),
		test_of(test_find_device, set_up_file),
		test_of(test_attach, set_up),
		test_of(test_one_program_a_channel, set_up),
		test_of(test_observe, set_up),
		test_of(test_attach_before_ready, set_up),
		test_of(test_operations, set_up),
		test_of(test_repeats_are_dropped, set_up),
		test_of(test_arbitration_does_not_wake_repeats, set_up),
		test_of(test_full_ring, set_up),
		test_of(test_host_dead_at_attach, set_up),
		test_of(test_sequence_wraps, set_up),
		test_of(test_waits, set_up),
		test_of(test_wait_sees_new_epoch, set_up),
		test_of(test_new_epoch, set_up),
		test_of(test_new_epoch_half_made, set_up),
		test_of(test_new_epoch_seen_at_refill, set_up),
		test_of(test_steps_over_new_epoch, set_up),
		test_of(test_new_incarnation, set_up),
		test_of(test_new_incarnation_full_ring, set_up),
		test_of(test_lost, set_up),
		test_of(test_lost_step, set_up),
		test_of(test_quarantine, set_up),
		test_of(test_quarantine_full_ring, set_up),
		test_of(test_taken_over, set_up),
		test_of(test_owner_before, set_up),
		cmocka_unit_test(test_mapping_rule),
		cmocka_unit_test(test_mapping_cost),
		test_of(test_mapping_measured, set_up_file),
		test_of(test_mapping_slow_clock, set_up_file),
		test_of(test_uncached_channel, set_up),
		test_of(test_status, set_up),
		cmocka_unit_test(test_reasons),
		test_of(test_freqs, set_up),
		cmocka_unit_test(test_madt),
		cmocka_unit_test(test_madt_hostile),
		cmocka_unit_test(test_cpuinfo),
		test_of(test_vcpu_lookup, set_up_file),
	};

	return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
