/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_rig.h - a VM with a device and a serial port, or one of them, played by
 * a test
 *
 * The port is a pseudo-terminal in a made-up /sys and /dev, the host at its
 * other end the test, which plays the host of a region, too.
 */
#ifndef GUEST_RIG_H
#define GUEST_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "freqring_pvt.h"
#include "guest_host.h"

#define VCPU 1u
#define PATIENCE_NS UINT64_C(10000000000)
#define STALE_MS 100u

/* ---- the rig: a VM with a device and a port, or one of them --------------- */

struct move {
	enum freqring_transport from, to;
	char why[96];
};

struct rig {
	struct host h;
	char sysfs[96], device[128], port[128], node[128];
	struct frq_places places;
	struct freqring_options options;
	struct freqring *fr;
	struct freqring_channel *ch;
	int master, slave;
	uint64_t beat;
	struct move moves[64];
	unsigned int nb_moves;
	/* What came in at the other end of the port. */
	uint8_t rx[sizeof(struct frq_serial_packet)];
	unsigned int rx_len;
};

static inline void
pause_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static inline void
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

static inline void
plug_device(struct rig *r)
{
	char path[256];

	assert_int_equal(mkdir(r->device, 0755), 0);
	write_text(r->device, "vendor", "0x1af4\n");
	write_text(r->device, "device", "0x1110\n");
	write_text(r->device, "enable", "1\n");
	(void)snprintf(path, sizeof(path), "%s/resource2", r->device);
	assert_int_equal(link(r->h.path, path), 0);
}

static inline void
unplug_device(struct rig *r)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -r %s", r->device);
	assert_int_equal(system(command), 0);
}

/* A port whose other end is held. The slave is kept, or it would forget that
 * it is raw when the guest closes it.
 */
static inline void
plug_port(struct rig *r)
{
	struct termios raw;
	char *name;

	r->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(r->master >= 0);
	assert_int_equal(grantpt(r->master), 0);
	assert_int_equal(unlockpt(r->master), 0);
	name = ptsname(r->master);
	assert_non_null(name);
	r->slave = open(name, O_RDWR | O_NOCTTY);
	assert_true(r->slave >= 0);
	assert_int_equal(tcgetattr(r->slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(r->slave, TCSANOW, &raw), 0);
	(void)mkdir(r->port, 0755);
	write_text(r->port, "name", "virtio.serial.port.poweragent.1\n");
	(void)unlink(r->node);
	assert_int_equal(symlink(name, r->node), 0);
	r->rx_len = 0;
}

/* The host goes, the port stays. The terminal's name may be another test's next. */
static inline void
drop_port(struct rig *r)
{
	(void)unlink(r->node);
	assert_int_equal(close(r->slave), 0);
	assert_int_equal(close(r->master), 0);
	r->master = -1;
	r->rx_len = 0;
}

static inline void
on_move(void *arg, enum freqring_transport from, enum freqring_transport to, const char *why)
{
	struct rig *r = arg;
	struct move *m = &r->moves[r->nb_moves++ % 64];

	m->from = from;
	m->to = to;
	(void)snprintf(m->why, sizeof(m->why), "%s", why);
}

static inline int
set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	char command[512];

	if (r == NULL || host_make(&r->h) < 0)
		return -1;
	(void)unsetenv("FREQRING_TRANSPORT");
	(void)snprintf(r->sysfs, sizeof(r->sysfs), "%s/sys", r->h.dir);
	(void)snprintf(r->device, sizeof(r->device), "%s/bus/pci/devices/0000:00:05.0", r->sysfs);
	(void)snprintf(r->port, sizeof(r->port), "%s/class/virtio-ports/vport0p1", r->sysfs);
	(void)snprintf(r->node, sizeof(r->node), "%s/vport0p1", r->h.dir);
	(void)snprintf(command, sizeof(command), "mkdir -p %s/bus/pci/devices "
		"%s/class/virtio-ports", r->sysfs, r->sysfs);
	if (system(command) != 0)
		return -1;
	r->places = (struct frq_places){ .sysfs = r->sysfs, .dev = r->h.dir };
	r->options.moved = on_move;
	r->options.moved_arg = r;
	r->options.stale_ms = STALE_MS;
	r->master = -1;
	*state = r;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct rig *r = *state;
	char command[256];

	freqring_close(r->fr);
	if (r->master >= 0)
		drop_port(r);
	frq_region_close(&r->h.region);
	(void)snprintf(command, sizeof(command), "rm -r %s", r->h.dir);
	if (system(command) != 0)
		return -1;
	free(r);
	return 0;
}

static inline void
beat(struct rig *r)
{
	frq_store64(&frq_region_header(&r->h.region)->heartbeat, ++r->beat);
}

/* A program that the host's heart beats for until it has opened. */
struct beater {
	struct rig *r;
	bool stop;
	pthread_t thread;
};

static inline void *
keep_beating(void *arg)
{
	struct beater *b = arg;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		beat(b->r);
		pause_ms(1);
	}
	return NULL;
}

static inline void
beater_start(struct beater *b, struct rig *r)
{
	*b = (struct beater){ .r = r };
	assert_int_equal(pthread_create(&b->thread, NULL, keep_beating, b), 0);
}

static inline void
beater_stop(struct beater *b)
{
	__atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
}

static inline int
open_guest(struct rig *r)
{
	return frq_open(&r->fr, &r->options, &r->places);
}

static inline enum freqring_transport
transport_of(struct rig *r)
{
	return r->ch->t->id;
}

/* ---- the other end of the port -------------------------------------------- */

/* The next whole packet that is there; @return whether there is one. */
static inline bool
host_read(struct rig *r, struct frq_serial_packet *p)
{
	ssize_t n = read(r->master, r->rx + r->rx_len, sizeof(r->rx) - r->rx_len);

	if (n > 0)
		r->rx_len += (unsigned int)n;
	/* A terminal gives less than it has. */
	if (n > 0 && r->rx_len < sizeof(r->rx))
		return host_read(r, p);
	if (r->rx_len < sizeof(r->rx))
		return false;
	memcpy(p, r->rx, sizeof(*p));
	r->rx_len = 0;
	return true;
}

/* What is written at one end is at the other a moment later. */
static inline struct frq_serial_packet
host_await(struct rig *r)
{
	uint64_t end = frq_now_ns() + PATIENCE_NS;
	struct frq_serial_packet p;

	while (!host_read(r, &p)) {
		struct pollfd in = { .fd = r->master, .events = POLLIN };

		assert_true(frq_now_ns() < end);
		(void)poll(&in, 1, 10);
	}
	return p;
}

static inline void
host_write(struct rig *r, const void *from, size_t n)
{
	const uint8_t *p = from;
	uint64_t end = frq_now_ns() + PATIENCE_NS;

	while (n != 0) {
		ssize_t done = write(r->master, p, n);

		assert_true(done >= 0 || errno == EAGAIN);
		assert_true(frq_now_ns() < end);
		if (done <= 0)
			continue;
		p += done;
		n -= (size_t)done;
	}
}

static inline void
host_answer(struct rig *r, struct frq_serial_packet p, enum frq_serial_reply command)
{
	p.command = command;
	host_write(r, &p, sizeof(p));
}

static inline void
host_say_khz(struct rig *r, uint32_t khz)
{
	struct frq_serial_freq_list f;

	/* As the peer does it: what it does not fill is whatever was there. */
	memset(&f, 0xa5, sizeof(f));
	f.command = FRQ_SERIAL_FREQ_LIST;
	f.khz[VCPU] = khz;
	f.num_vcpu = 2;
	host_write(r, &f, sizeof(f));
}

static inline void
expect_unit(struct rig *r, enum frq_serial_unit unit)
{
	struct frq_serial_packet p = host_await(r);

	assert_int_equal(p.command, FRQ_SERIAL_CPU_POWER);
	assert_int_equal(p.unit, unit);
	assert_int_equal(p.resource_id, VCPU);
	assert_int_equal(p.core_type, FRQ_SERIAL_CORE_VIRTUAL);
}

static inline void
expect_connect(struct rig *r)
{
	struct frq_serial_packet p = host_await(r);

	assert_int_equal(p.command, FRQ_SERIAL_CPU_POWER_CONNECT);
	assert_int_equal(p.resource_id, VCPU);
}

static inline void
expect_nothing(struct rig *r)
{
	struct frq_serial_packet p;

	pause_ms(2);
	assert_false(host_read(r, &p));
	assert_int_equal(r->rx_len, 0);
}

/* What was said meanwhile. */
static inline void
host_skip(struct rig *r)
{
	struct frq_serial_packet p;

	pause_ms(5);
	while (host_read(r, &p))
		;
}

static inline void
ack(struct rig *r, enum frq_serial_unit unit)
{
	struct frq_serial_packet p = host_await(r);

	assert_int_equal(p.unit, unit);
	host_answer(r, p, FRQ_SERIAL_ACK);
}

#endif /* GUEST_RIG_H */
