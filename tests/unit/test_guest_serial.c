/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_guest_serial.c - libfreqring over virtio-serial, and between that and
 * shared memory
 */
#include "guest_rig.h"

#include <sys/ioctl.h>

/* Attached over the port, and greeted by the first request. */
static void
begin_serial(struct rig *r)
{
	plug_port(r);
	assert_int_equal(open_guest(r), 0);
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_SERIAL);
	assert_int_equal(freqring_max(r->ch), 1);
	expect_connect(r);
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
}

/* Attached to a ring whose heart beats, with a port beside it. */
static void
begin_ring(struct rig *r)
{
	uint64_t end = frq_now_ns() + PATIENCE_NS;
	struct beater b;

	plug_device(r);
	plug_port(r);
	beater_start(&b, r);
	/* Where the machine is busy, the heart may stand still for too long. */
	do {
		freqring_close(r->fr);
		assert_int_equal(open_guest(r), 0);
	} while (r->fr->chosen != &frq_ivshmem && frq_now_ns() < end);
	beater_stop(&b);
	r->fr->link->mapping = FREQRING_MAPPING_CACHED;
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_IVSHMEM);
	assert_takes(&r->h, VCPU, FRQ_OP_ATTACH);
}

/* The same call again, until the channel is there or for that long. */
static void
repeat(struct rig *r, int (*call)(struct freqring_channel *), enum freqring_transport to,
	bool alive, uint64_t at_most_ns)
{
	uint64_t end = frq_now_ns() + at_most_ns;

	while (transport_of(r) != to && frq_now_ns() < end) {
		if (alive)
			beat(r);
		(void)call(r->ch);
		pause_ms(2);
	}
}

static void
expect_move(struct rig *r, enum freqring_transport to, const char *why)
{
	const struct move *m = &r->moves[(r->nb_moves - 1) % 64];

	assert_int_equal(transport_of(r), to);
	assert_true(r->nb_moves > 0);
	assert_int_equal(m->to, to);
	if (strstr(m->why, why) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", why, m->why);
}

/* ---- choose --------------------------------------------------------------- */

static void
expect_open(struct rig *r, int ret, const char *part)
{
	assert_int_equal(open_guest(r), ret);
	if (strstr(freqring_error(r->fr), part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, freqring_error(r->fr));
	freqring_close(r->fr);
	r->fr = NULL;
}

static void
expect_choice(struct rig *r, enum freqring_transport t)
{
	assert_int_equal(open_guest(r), 0);
	assert_int_equal(r->fr->chosen->id, t);
	freqring_close(r->fr);
	r->fr = NULL;
}

static void
test_nothing_there(void **state)
{
	struct rig *r = *state;

	expect_open(r, -ENODEV, "ivshmem: no ivshmem device");
	expect_open(r, -ENODEV, "; serial: no port virtio.serial.port.poweragent.N");
	r->options.transport = FREQRING_TRANSPORT_SERIAL;
	expect_open(r, -ENODEV, "serial: no port");
	r->options.transport = (enum freqring_transport)9;
	expect_open(r, -EINVAL, "no such transport");
	r->options.transport = FREQRING_TRANSPORT_AUTO;
	r->options.vm_name = "a name that is longer than 31 characters";
	expect_open(r, -EINVAL, "31 characters");
	r->options.vm_name = NULL;

	/* Another one's port, and names that are nearly ours. */
	assert_int_equal(mkdir(r->port, 0755), 0);
	write_text(r->port, "name", "org.qemu.guest_agent.0\n");
	expect_open(r, -ENODEV, "serial: no port");
	write_text(r->port, "name", "virtio.serial.port.poweragent.\n");
	expect_open(r, -ENODEV, "serial: no port");
	write_text(r->port, "name", "virtio.serial.port.poweragent.64\n");
	expect_open(r, -ENODEV, "serial: no port");
	write_text(r->port, "name", "virtio.serial.port.poweragent.01\n");
	expect_open(r, -ENODEV, "serial: no port");
	/* A name without a node. */
	write_text(r->port, "name", "virtio.serial.port.poweragent.1\n");
	expect_open(r, -ENODEV, "serial: ");
}

static void
test_choice(void **state)
{
	struct rig *r = *state;
	struct beater b;

	/* A region whose host is away is better than nothing. */
	plug_device(r);
	expect_choice(r, FREQRING_TRANSPORT_IVSHMEM);
	plug_port(r);
	expect_choice(r, FREQRING_TRANSPORT_SERIAL);
	r->options.transport = FREQRING_TRANSPORT_IVSHMEM;
	expect_choice(r, FREQRING_TRANSPORT_IVSHMEM);
	r->options.transport = FREQRING_TRANSPORT_AUTO;

	beater_start(&b, r);
	expect_choice(r, FREQRING_TRANSPORT_IVSHMEM);
	r->options.transport = FREQRING_TRANSPORT_SERIAL;
	expect_choice(r, FREQRING_TRANSPORT_SERIAL);
	r->options.transport = FREQRING_TRANSPORT_AUTO;
	assert_int_equal(setenv("FREQRING_TRANSPORT", "serial", 1), 0);
	expect_choice(r, FREQRING_TRANSPORT_SERIAL);
	/* The program's own word goes first. */
	r->options.transport = FREQRING_TRANSPORT_IVSHMEM;
	expect_choice(r, FREQRING_TRANSPORT_IVSHMEM);
	r->options.transport = FREQRING_TRANSPORT_AUTO;
	assert_int_equal(setenv("FREQRING_TRANSPORT", "auto", 1), 0);
	expect_choice(r, FREQRING_TRANSPORT_IVSHMEM);
	assert_int_equal(setenv("FREQRING_TRANSPORT", "pigeon", 1), 0);
	expect_open(r, -EINVAL, "FREQRING_TRANSPORT=pigeon");
	assert_int_equal(unsetenv("FREQRING_TRANSPORT"), 0);

	/* It beats, and says that it does not listen. */
	host_set_life(&r->h, (struct frq_life){ .epoch = EPOCH, .incarnation = INCARNATION,
		.flags = FRQ_LIFE_QUARANTINED });
	expect_choice(r, FREQRING_TRANSPORT_SERIAL);
	beater_stop(&b);
	assert_string_equal(freqring_transport_name(FREQRING_TRANSPORT_AUTO), "auto");
	assert_string_equal(freqring_transport_name(FREQRING_TRANSPORT_IVSHMEM), "ivshmem");
	assert_string_equal(freqring_transport_name(FREQRING_TRANSPORT_SERIAL), "serial");
}

static void
test_info(void **state)
{
	struct rig *r = *state;
	struct freqring_info i;

	begin_serial(r);
	assert_int_equal(freqring_get_info(r->fr, &i, 0), 0);
	assert_int_equal(i.transport, FREQRING_TRANSPORT_SERIAL);
	assert_string_equal(i.device, "vport0p1");
	assert_int_equal(i.ports, 1u << VCPU);
	assert_int_equal(i.nb_channels, VCPU + 1);
	assert_true(i.host_alive);
	assert_int_equal(i.moves, 0);
	assert_int_equal(freqring_attach(r->fr, 0, &r->ch), -EINVAL);
	assert_non_null(strstr(freqring_error(r->fr), "poweragent.0"));
}

/* ---- requests ------------------------------------------------------------- */

static void
test_words(void **state)
{
	struct rig *r = *state;
	struct frq_serial_packet p, zero;

	r->options.vm_name = "a-vm";
	begin_serial(r);
	assert_int_equal(freqring_min(r->ch), 1);
	p = host_await(r);
	/* Nothing in it but what has a meaning there. */
	memset(&zero, 0, sizeof(zero));
	zero.resource_id = VCPU;
	zero.unit = FRQ_SERIAL_MIN;
	zero.command = FRQ_SERIAL_CPU_POWER;
	memcpy(zero.vm_name, "a-vm", 4);
	zero.vfid[0] = p.vfid[0];
	assert_memory_equal(&p, &zero, sizeof(p));
	assert_int_equal(freqring_up(r->ch), 1);
	expect_unit(r, FRQ_SERIAL_UP);
	assert_int_equal(freqring_down(r->ch), 1);
	expect_unit(r, FRQ_SERIAL_DOWN);
	assert_int_equal(freqring_max(r->ch), 1);
	expect_unit(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_turbo(r->ch, true), 1);
	expect_unit(r, FRQ_SERIAL_ENABLE_TURBO);
	assert_int_equal(freqring_turbo(r->ch, false), 1);
	expect_unit(r, FRQ_SERIAL_DISABLE_TURBO);

	assert_int_equal(freqring_set(r->ch, 1500000), -EOPNOTSUPP);
	assert_non_null(strstr(freqring_error(r->fr), "no kHz"));
	assert_int_equal(freqring_release(r->ch), -EOPNOTSUPP);
	assert_non_null(strstr(freqring_error(r->fr), "withdrawn"));
	assert_int_equal(freqring_lease(r->ch, 1), -EOPNOTSUPP);
	assert_non_null(strstr(freqring_error(r->fr), "lease"));
	assert_int_equal(freqring_ping(r->ch, 1), -EOPNOTSUPP);
	assert_non_null(strstr(freqring_error(r->fr), "ping"));
	expect_nothing(r);
	/* And changed nothing: this is still a repeat. */
	assert_int_equal(freqring_max(r->ch), 0);
	assert_int_equal(freqring_freqs(r->ch, NULL, 0, NULL), 0);
}

static void
test_repeats(void **state)
{
	struct rig *r = *state;
	struct freqring_status st;

	begin_serial(r);
	for (unsigned int i = 0; i < 5000; i++)
		assert_int_equal(freqring_max(r->ch), 0);
	assert_int_equal(freqring_turbo(r->ch, true), 1);
	assert_int_equal(freqring_turbo(r->ch, true), 0);
	assert_int_equal(freqring_max(r->ch), 0);
	ack(r, FRQ_SERIAL_ENABLE_TURBO);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(freqring_down(r->ch), 1);
		ack(r, FRQ_SERIAL_DOWN);
	}
	expect_nothing(r);
	/* A step makes the last wish another one. */
	assert_int_equal(freqring_max(r->ch), 1);
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.dropped, 5002);
	assert_int_equal(st.posted, 6);
	assert_int_equal(st.refusals, 0);
	assert_int_equal(st.transport, FREQRING_TRANSPORT_SERIAL);
	assert_string_equal(st.wish, "max");
	assert_int_equal(st.reason, 0);
	assert_true(st.turbo_allowed);
}

/* The host may be another one since, and there would be no sign of it. */
static void
test_said_again_after_a_second(void **state)
{
	struct rig *r = *state;
	uint64_t start, end;
	int ret = 0;

	begin_serial(r);
	start = frq_now_ns();
	end = start + PATIENCE_NS;
	while (ret == 0 && frq_now_ns() < end)
		ret = freqring_max(r->ch);
	assert_int_equal(ret, 1);
	assert_true(frq_now_ns() - start > 800000000);
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_max(r->ch), 0);
	expect_nothing(r);
}

/* Not answered is not delivered. */
static void
test_unanswered(void **state)
{
	struct rig *r = *state;
	struct freqring_status st;
	uint64_t end;

	begin_serial(r);
	assert_int_equal(freqring_turbo(r->ch, false), 1);
	ack(r, FRQ_SERIAL_DISABLE_TURBO);
	assert_int_equal(freqring_min(r->ch), 1);
	expect_unit(r, FRQ_SERIAL_MIN);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.reason, FREQRING_REASON_NO_ANSWER);
	(void)host_await(r);	/* the query that status asked */
	end = frq_now_ns() + PATIENCE_NS;
	while (st.restated == 0 && frq_now_ns() < end) {
		pause_ms(50);
		/* Another word brings it along. */
		assert_int_equal(freqring_turbo(r->ch, false), 0);
		st.restated = r->ch->restated;
	}
	assert_int_equal(st.restated, 2);
	ack(r, FRQ_SERIAL_DISABLE_TURBO);
	ack(r, FRQ_SERIAL_MIN);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.reason, 0);
}

/* Whether a step that was not answered was taken nobody knows: rather too much. */
static void
test_unanswered_step(void **state)
{
	struct rig *r = *state;
	struct freqring_status st = { .restated = 0 };
	uint64_t end = frq_now_ns() + PATIENCE_NS;

	begin_serial(r);
	assert_int_equal(freqring_min(r->ch), 1);
	ack(r, FRQ_SERIAL_MIN);
	assert_int_equal(freqring_up(r->ch), 1);
	expect_unit(r, FRQ_SERIAL_UP);
	while (st.restated == 0 && frq_now_ns() < end) {
		pause_ms(50);
		(void)freqring_turbo(r->ch, true);
		st.restated = r->ch->restated;
	}
	expect_unit(r, FRQ_SERIAL_ENABLE_TURBO);
	expect_unit(r, FRQ_SERIAL_ENABLE_TURBO);
	ack(r, FRQ_SERIAL_MAX);
}

static void
test_nack(void **state)
{
	struct rig *r = *state;
	struct freqring_status st;

	begin_serial(r);
	assert_int_equal(freqring_min(r->ch), 1);
	host_answer(r, host_await(r), FRQ_SERIAL_NACK);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.reason, FREQRING_REASON_NACK);
	assert_int_equal(st.refusals, 1);
	assert_int_equal(st.nb_refusals, 1);
	assert_int_equal(st.refusal[0].reason, FREQRING_REASON_NACK);
	assert_int_equal(st.refusal[0].op, FRQ_OP_MIN);
	assert_non_null(strstr(freqring_reason(st.reason), "refused"));
	(void)host_await(r);	/* the query that status asked */

	/* Once more, and then no more. */
	assert_int_equal(freqring_min(r->ch), 1);
	host_answer(r, host_await(r), FRQ_SERIAL_NACK);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(freqring_min(r->ch), 0);
	expect_nothing(r);
	/* Granted meanwhile: the next refusal is news again. */
	assert_int_equal(freqring_max(r->ch), 1);
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.reason, 0);
	assert_int_equal(st.refusals, 2);
}

static void
test_split_replies(void **state)
{
	struct rig *r = *state;
	struct frq_serial_packet p[3];
	uint8_t bytes[sizeof(p)];

	begin_serial(r);
	assert_int_equal(freqring_up(r->ch), 1);
	p[0] = host_await(r);
	p[0].command = FRQ_SERIAL_ACK;
	/* In every two parts. */
	for (size_t at = 1; at < sizeof(p[0]); at += 1 + at / 8) {
		host_write(r, &p[0], at);
		assert_int_equal(freqring_wait_applied(r->ch, 1000), -ETIMEDOUT);
		host_write(r, (const uint8_t *)&p[0] + at, sizeof(p[0]) - at);
		assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
		assert_int_equal(freqring_up(r->ch), 1);
		p[0] = host_await(r);
		p[0].command = FRQ_SERIAL_ACK;
	}
	/* Several in one piece. */
	assert_int_equal(freqring_up(r->ch), 1);
	assert_int_equal(freqring_down(r->ch), 1);
	p[1] = host_await(r);
	p[2] = host_await(r);
	p[1].command = p[2].command = FRQ_SERIAL_ACK;
	memcpy(bytes, p, sizeof(p));
	host_write(r, bytes, sizeof(bytes) - 1);
	assert_int_equal(freqring_wait_applied(r->ch, 20000), -ETIMEDOUT);
	host_write(r, bytes + sizeof(bytes) - 1, 1);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
}

static void
test_answers_in_order(void **state)
{
	struct rig *r = *state;
	struct frq_serial_packet p;

	begin_serial(r);
	/* The first is never answered; the answer to the second says so. */
	assert_int_equal(freqring_up(r->ch), 1);
	assert_int_equal(freqring_wait_applied(r->ch, 20000), -ETIMEDOUT);
	assert_int_equal(freqring_up(r->ch), 1);
	(void)host_await(r);
	p = host_await(r);
	host_answer(r, p, FRQ_SERIAL_ACK);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	/* Twice the same answer is one. */
	assert_int_equal(freqring_up(r->ch), 1);
	host_answer(r, p, FRQ_SERIAL_ACK);
	assert_int_equal(freqring_wait_applied(r->ch, 20000), -ETIMEDOUT);
	host_answer(r, host_await(r), FRQ_SERIAL_ACK);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	/* A host that does not keep the number answers in order. */
	assert_int_equal(freqring_up(r->ch), 1);
	assert_int_equal(freqring_up(r->ch), 1);
	for (unsigned int i = 0; i < 2; i++) {
		p = host_await(r);
		p.vfid[0] = 0;
		assert_int_equal(freqring_wait_applied(r->ch, 1000), -ETIMEDOUT);
		host_answer(r, p, FRQ_SERIAL_ACK);
	}
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	/* One that nobody asked for changes nothing. */
	host_answer(r, p, FRQ_SERIAL_NACK);
	assert_int_equal(freqring_up(r->ch), 1);
	assert_int_equal(freqring_wait_applied(r->ch, 1000), -ETIMEDOUT);
	ack(r, FRQ_SERIAL_UP);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
}

/* What the host still had to say to the program before is no answer to this one. */
static void
test_answers_of_another(void **state)
{
	struct rig *r = *state;
	struct frq_serial_packet before;

	plug_port(r);
	assert_int_equal(open_guest(r), 0);
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(freqring_max(r->ch), 1);
	expect_connect(r);
	before = host_await(r);
	freqring_detach(r->ch);

	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(freqring_min(r->ch), 1);
	host_answer(r, before, FRQ_SERIAL_ACK);
	assert_int_equal(freqring_wait_applied(r->ch, 20000), -ETIMEDOUT);
	expect_connect(r);
	ack(r, FRQ_SERIAL_MIN);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
}

/* A host that does not read: nothing waits, and the stream keeps its place. */
static void
test_full(void **state)
{
	struct rig *r = *state;
	struct freqring_status st;
	unsigned int posted = 0;
	uint64_t start;
	int ret;

	begin_serial(r);
	start = frq_now_ns();
	while ((ret = (posted & 1) != 0 ? freqring_max(r->ch) : freqring_min(r->ch)) == 1)
		posted++;
	assert_int_equal(ret, -EAGAIN);
	assert_non_null(strstr(freqring_error(r->fr), "full"));
	assert_true(posted > 4);
	/* Not remembered as asked: said again, it is no repeat. */
	ret = (posted & 1) != 0 ? freqring_max(r->ch) : freqring_min(r->ch);
	assert_true(ret == -EAGAIN || ret == 1);
	posted += ret == 1;
	assert_true(frq_now_ns() - start < PATIENCE_NS / 2);
	/* All that was posted arrives whole, though the last went out in part. */
	for (unsigned int i = 0; i + 1 < posted; i++)
		expect_unit(r, (i & 1) != 0 ? FRQ_SERIAL_MAX : FRQ_SERIAL_MIN);
	assert_int_equal(freqring_up(r->ch), 1);
	expect_unit(r, (posted & 1) == 0 ? FRQ_SERIAL_MAX : FRQ_SERIAL_MIN);
	expect_unit(r, FRQ_SERIAL_UP);
	expect_nothing(r);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_true(st.full >= 1);
	assert_int_equal(st.posted, posted + 2);
}

/* A program that never looks at an answer does not make the host wait. */
static void
test_replies_are_drained(void **state)
{
	struct rig *r = *state;

	begin_serial(r);
	for (unsigned int i = 0; i < 2000; i++) {
		struct frq_serial_packet p;

		assert_int_equal(freqring_up(r->ch), 1);
		p = host_await(r);
		p.command = FRQ_SERIAL_ACK;
		assert_int_equal(write(r->master, &p, sizeof(p)), sizeof(p));
	}
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
}

/* ---- the host comes and goes ---------------------------------------------- */

static void
test_reconnect(void **state)
{
	struct rig *r = *state;
	struct freqring_info i;
	uint64_t end;
	int ret;

	begin_serial(r);
	assert_int_equal(freqring_turbo(r->ch, false), 1);
	ack(r, FRQ_SERIAL_DISABLE_TURBO);
	drop_port(r);
	/* It is noticed, and said. */
	end = frq_now_ns() + PATIENCE_NS;
	do
		ret = freqring_max(r->ch);
	while (ret >= 0 && frq_now_ns() < end);
	assert_true(ret == -ENOTCONN || ret == -EAGAIN);
	assert_int_equal(freqring_get_info(r->fr, &i, 0), 0);
	assert_false(i.host_alive);
	assert_int_equal(freqring_wait_applied(r->ch, 1000), -ENOTCONN);

	plug_port(r);
	while ((ret = freqring_max(r->ch)) < 0 && frq_now_ns() < end)
		pause_ms(1);
	assert_true(ret >= 0);
	expect_connect(r);
	ack(r, FRQ_SERIAL_DISABLE_TURBO);
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	expect_nothing(r);
	assert_int_equal(freqring_max(r->ch), 0);
}

/* Until so much of what the host wrote is there for the guest to read. */
static void
await_input(struct rig *r, int n)
{
	uint64_t end = frq_now_ns() + PATIENCE_NS;
	int there = 0;

	while (there < n && frq_now_ns() < end) {
		assert_int_equal(ioctl(r->slave, FIONREAD, &there), 0);
		pause_ms(1);
	}
	assert_true(there >= n);
}

/* What is no reply: the place in the stream is lost, the port opened anew. */
static void
test_garbage(void **state)
{
	struct rig *r = *state;
	uint8_t garbage[1000];

	begin_serial(r);
	memset(garbage, 0xee, sizeof(garbage));
	host_write(r, garbage, sizeof(garbage));
	await_input(r, sizeof(struct frq_serial_freq_list));
	assert_int_equal(freqring_min(r->ch), -ENOTCONN);
	for (unsigned int i = 0; i < 1000 && freqring_min(r->ch) < 0; i++)
		pause_ms(1);
	expect_connect(r);
	/* The last that was asked, and then what was asked now. */
	ack(r, FRQ_SERIAL_MAX);
	ack(r, FRQ_SERIAL_MIN);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
}

/* ---- questions ------------------------------------------------------------ */

/* The host has 20 ms for an answer, which a busy machine may need for less: time
 * goes more slowly then. It is changed where nobody waits for it.
 */
static uint64_t clock_real, clock_ours, clock_slow = 1;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

static uint64_t
real_ns(void)
{
	struct timespec ts;

	(void)__real_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ns = clock_ours + (real_ns() - clock_real) / clock_slow;

	if (id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

/* From now on time goes so many times more slowly, after a jump. */
static void
set_clock(uint64_t slow, uint64_t jump_ns)
{
	uint64_t ours = frq_now_ns();

	clock_real = real_ns();
	clock_ours = ours + jump_ns;
	clock_slow = slow;
}

/* Takes queries and answers what `say` has, one a query; 0: nothing. */
struct answerer {
	struct rig *r;
	const uint32_t *say;
	pthread_t thread;
};

static void *
answer_queries(void *arg)
{
	struct answerer *a = arg;

	for (const uint32_t *say = a->say; *say != UINT32_MAX; say++) {
		struct frq_serial_packet p = host_await(a->r);

		if (p.command == FRQ_SERIAL_QUERY_CAPS) {
			struct frq_serial_caps_list c;

			memset(&c, 0xa5, sizeof(c));
			c.command = FRQ_SERIAL_CAPS_LIST;
			c.turbo[VCPU] = *say & 1;
			c.priority[VCPU] = *say >> 1 & 1;
			host_write(a->r, &c, sizeof(c));
		} else if (*say != 0) {
			/* One that is late comes with the next. */
			for (uint32_t late = *say % 1000; late != 0; late--)
				host_say_khz(a->r, 1000);
			host_say_khz(a->r, *say - *say % 1000);
		}
	}
	return NULL;
}

static void
test_queries(void **state)
{
	static const uint32_t say[] = { 1800000, 3, 2, 0, 2000001, UINT32_MAX };
	static const uint32_t say_then[] = { 2100000, UINT32_MAX };
	struct rig *r = *state;
	struct answerer a = { .r = r, .say = say };
	struct freqring_caps caps;
	struct freqring_status st;
	uint32_t khz = 7;

	set_clock(10, 0);
	plug_port(r);
	assert_int_equal(open_guest(r), 0);
	assert_int_equal(freqring_observe(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(freqring_max(r->ch), -EPERM);
	/* Nobody answers anything. */
	assert_int_equal(freqring_query_khz(r->ch, &khz), -ETIMEDOUT);
	assert_int_equal(khz, 7);
	freqring_detach(r->ch);
	expect_connect(r);
	(void)host_await(r);

	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(freqring_max(r->ch), 1);
	expect_connect(r);
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_wait_applied(r->ch, 1000000), 0);
	assert_int_equal(freqring_get_khz(r->ch), 0);
	assert_int_equal(pthread_create(&a.thread, NULL, answer_queries, &a), 0);
	assert_int_equal(freqring_query_khz(r->ch, &khz), 0);
	assert_int_equal(khz, 1800000);
	assert_int_equal(freqring_get_khz(r->ch), 1800000);
	assert_int_equal(freqring_query_caps(r->ch, &caps), 0);
	assert_true(caps.turbo);
	assert_true(caps.priority);
	assert_int_equal(freqring_query_caps(r->ch, &caps), 0);
	assert_false(caps.turbo);
	/* Requests it answers, this it does not. */
	assert_int_equal(freqring_query_khz(r->ch, &khz), -EACCES);
	assert_non_null(strstr(freqring_error(r->fr), "no query"));
	/* The answer to that comes late, and is not taken for the next. */
	assert_int_equal(freqring_query_khz(r->ch, &khz), 0);
	assert_int_equal(khz, 2000000);
	assert_int_equal(pthread_join(a.thread, NULL), 0);
	set_clock(10, 1100000000);
	a.say = say_then;
	assert_int_equal(pthread_create(&a.thread, NULL, answer_queries, &a), 0);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.khz, 2100000);
	assert_int_equal(st.granted_khz, 2100000);
	assert_int_equal(pthread_join(a.thread, NULL), 0);
}

static int
tear_down_clock(void **state)
{
	set_clock(1, 0);
	return tear_down(state);
}

/* ---- to virtio-serial and back -------------------------------------------- */

static void
go_to_serial(struct rig *r, int (*call)(struct freqring_channel *), const char *why)
{
	repeat(r, call, FREQRING_TRANSPORT_SERIAL, false, PATIENCE_NS);
	expect_move(r, FREQRING_TRANSPORT_SERIAL, why);
	expect_connect(r);
}

static void
go_to_ring(struct rig *r, int (*call)(struct freqring_channel *))
{
	repeat(r, call, FREQRING_TRANSPORT_IVSHMEM, true, PATIENCE_NS);
	expect_move(r, FREQRING_TRANSPORT_IVSHMEM, "answers again");
	host_skip(r);
}

static void
test_heartbeat_stops(void **state)
{
	struct rig *r = *state;
	struct freqring_status st;
	struct freqring_info i;
	uint64_t start;

	begin_ring(r);
	assert_int_equal(freqring_max(r->ch), 1);
	assert_int_equal(freqring_turbo(r->ch, false), 1);
	/* While it beats, it stays. */
	repeat(r, freqring_max, FREQRING_TRANSPORT_SERIAL, true, 300000000);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_IVSHMEM);
	/* From a beat on that nobody has looked at, however long the last pause was. */
	start = frq_now_ns();
	beat(r);
	go_to_serial(r, freqring_max, "heartbeat is still");
	assert_true(frq_now_ns() - start >= STALE_MS * 1000000ull * 9 / 10);
	/* What is said once more has its turn below. */
	r->ch->settle_ns = 0;
	expect_unit(r, FRQ_SERIAL_DISABLE_TURBO);
	expect_unit(r, FRQ_SERIAL_MAX);
	expect_nothing(r);
	/* A repeat here, too. */
	assert_int_equal(freqring_max(r->ch), 0);
	assert_int_equal(freqring_turbo(r->ch, false), 0);
	assert_int_equal(freqring_min(r->ch), 1);
	ack(r, FRQ_SERIAL_MIN);

	go_to_ring(r, freqring_min);
	/* What nobody took before is withdrawn. */
	assert_takes(&r->h, VCPU, FRQ_OP_ATTACH);
	assert_takes(&r->h, VCPU, FRQ_OP_TURBO_OFF);
	assert_takes(&r->h, VCPU, FRQ_OP_MIN);
	assert_takes(&r->h, VCPU, FRQ_OP_NONE);
	assert_int_equal(freqring_min(r->ch), 0);
	/* Said once more, for what may still have been under way. */
	repeat(r, freqring_min, FREQRING_TRANSPORT_SERIAL, true, 300000000);
	assert_takes(&r->h, VCPU, FRQ_OP_TURBO_OFF);
	assert_takes(&r->h, VCPU, FRQ_OP_MIN);
	assert_takes(&r->h, VCPU, FRQ_OP_NONE);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.moves, 2);
	assert_true(st.restated >= 4);
	assert_int_equal(st.transport, FREQRING_TRANSPORT_IVSHMEM);
	assert_int_equal(freqring_get_info(r->fr, &i, 0), 0);
	assert_int_equal(i.moves, 2);
	assert_int_equal(i.transport, FREQRING_TRANSPORT_IVSHMEM);
	assert_int_equal(r->nb_moves, 2);
	assert_int_equal(r->moves[0].from, FREQRING_TRANSPORT_IVSHMEM);
}

static int
set_1500(struct freqring_channel *ch)
{
	return freqring_set(ch, 1500000);
}

static void
test_what_is_carried(void **state)
{
	struct rig *r = *state;
	struct frq_request q;

	begin_ring(r);
	/* kHz: max there, kHz again here. */
	assert_int_equal(set_1500(r->ch), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_SET);
	go_to_serial(r, set_1500, "still");
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(set_1500(r->ch), 0);
	assert_int_equal(freqring_set(r->ch, 1600000), -EOPNOTSUPP);
	go_to_ring(r, set_1500);
	assert_takes(&r->h, VCPU, FRQ_OP_ATTACH);
	q = host_take(&r->h, VCPU);
	assert_int_equal(q.op, FRQ_OP_SET);
	assert_int_equal(q.arg, 1500000);

	/* Steps: the host knew where they had led. */
	assert_int_equal(freqring_down(r->ch), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_DOWN);
	repeat(r, freqring_up, FREQRING_TRANSPORT_SERIAL, false, PATIENCE_NS);
	expect_connect(r);
	expect_unit(r, FRQ_SERIAL_MAX);
	expect_unit(r, FRQ_SERIAL_UP);
	go_to_ring(r, freqring_max);
	host_skip(r);

	/* No opinion: nothing is said, and that is a repeat. */
	while (host_take(&r->h, VCPU).op != FRQ_OP_NONE)
		;
	assert_int_equal(freqring_release(r->ch), 1);
	while (transport_of(r) == FREQRING_TRANSPORT_IVSHMEM) {
		assert_true(freqring_release(r->ch) >= 0);
		pause_ms(2);
	}
	assert_int_equal(freqring_release(r->ch), 0);
	expect_connect(r);
	expect_nothing(r);
	assert_int_equal(freqring_min(r->ch), 1);
	ack(r, FRQ_SERIAL_MIN);
}

static void
end_of(struct rig *r, uint8_t flags)
{
	r->h.life.flags = flags;
	host_set_life(&r->h, r->h.life);
}

static void
test_other_ways_to_go(void **state)
{
	struct rig *r = *state;

	begin_ring(r);
	assert_int_equal(freqring_max(r->ch), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_MAX);

	end_of(r, FRQ_LIFE_QUARANTINED);
	host_verdict(&r->h, VCPU, FRQ_REASON_QUARANTINED);
	/* With the first call, and none of them fails. */
	assert_true(freqring_max(r->ch) >= 0);
	expect_move(r, FREQRING_TRANSPORT_SERIAL, "quarantine");
	expect_connect(r);
	ack(r, FRQ_SERIAL_MAX);
	/* It beats, but that is not enough. */
	repeat(r, freqring_max, FREQRING_TRANSPORT_IVSHMEM, true, 400000000);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_SERIAL);
	host_skip(r);
	end_of(r, 0);
	go_to_ring(r, freqring_max);

	end_of(r, FRQ_LIFE_STOPPED);
	go_to_serial(r, freqring_max, "daemon ended");
	ack(r, FRQ_SERIAL_MAX);
	end_of(r, 0);
	go_to_ring(r, freqring_max);

	frq_store64(&frq_region_header(&r->h.region)->version, 9);
	go_to_serial(r, freqring_max, "another version");
	ack(r, FRQ_SERIAL_MAX);
	frq_store64(&frq_region_header(&r->h.region)->version, FRQ_ABI_VERSION);
	go_to_ring(r, freqring_max);
	assert_int_equal(r->nb_moves, 6);
}

/* What another version has where this one has rings is not ours to write to. */
static void
test_other_version(void **state)
{
	struct rig *r = *state;
	struct frq_header FRQ_SHARED *h = frq_region_header(&r->h.region);
	struct frq_ring FRQ_SHARED *theirs = frq_region_ring(&r->h.region, VCPU);
	struct freqring_channel *ch;

	begin_ring(r);
	assert_int_equal(freqring_max(r->ch), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_MAX);
	frq_store64(&h->version, 9);
	host_init(&r->h, EPOCH + 1, INCARNATION + 1);
	frq_store64(&h->version, 9);
	for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++)
		frq_store64(&theirs->slot[i], UINT64_MAX);
	/* It is seen with the first call, by the verdict. */
	go_to_serial(r, freqring_max, "another version");
	ack(r, FRQ_SERIAL_MAX);
	assert_int_equal(freqring_attach(r->fr, 0, &ch), -ENOTCONN);
	assert_non_null(strstr(freqring_error(r->fr), "version"));
	for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++)
		assert_int_equal(frq_load64(&theirs->slot[i]), UINT64_MAX);
	assert_int_equal(frq_load8(frq_region_doorbell(&r->h.region, 0)), 0);
}

/* The device is plugged in again, and its memory is not what was mapped. */
static void
plug_another_device(struct rig *r)
{
	const struct frq_region_file who = { .owner = 0, .group = (gid_t)-1 };
	struct frq_err err;
	bool made;

	assert_int_equal(unlink(r->h.path), 0);
	frq_region_close(&r->h.region);
	assert_int_equal(frq_region_open(&r->h.region, r->h.path, &who, &made, &err), 0);
	host_init(&r->h, EPOCH + 1, INCARNATION + 1);
	plug_device(r);
}

static void
test_unplugged(void **state)
{
	struct rig *r = *state;
	struct frq_header FRQ_SHARED *h = frq_region_header(&r->h.region);
	struct freqring_status st;

	begin_ring(r);
	assert_int_equal(freqring_min(r->ch), 1);
	/* As the real thing: the folder goes, and what was mapped reads as zero. */
	unplug_device(r);
	frq_store64(&h->magic, 0);
	frq_store64(&frq_region_state(&r->h.region, VCPU)->verdict, 0);
	assert_true(freqring_min(r->ch) >= 0);
	expect_move(r, FREQRING_TRANSPORT_SERIAL, "unplugged");
	expect_connect(r);
	ack(r, FRQ_SERIAL_MIN);
	/* Nothing there to go back to. */
	repeat(r, freqring_min, FREQRING_TRANSPORT_IVSHMEM, true, 400000000);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_SERIAL);
	plug_another_device(r);
	go_to_ring(r, freqring_min);
	assert_takes(&r->h, VCPU, FRQ_OP_ATTACH);
	assert_takes(&r->h, VCPU, FRQ_OP_MIN);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.moves, 2);
}

/* Without a port it waits for the device, which is another one then. */
static void
test_unplugged_without_a_port(void **state)
{
	struct rig *r = *state;
	struct frq_header FRQ_SHARED *h = frq_region_header(&r->h.region);
	const struct frq_link *before;
	uint64_t end;

	plug_device(r);
	assert_int_equal(open_guest(r), 0);
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(freqring_min(r->ch), 1);
	before = r->ch->link;
	unplug_device(r);
	frq_store64(&h->magic, 0);
	frq_store64(&frq_region_state(&r->h.region, VCPU)->verdict, 0);
	assert_int_equal(freqring_min(r->ch), -ENOTCONN);
	plug_another_device(r);
	end = frq_now_ns() + PATIENCE_NS;
	while (r->ch->link == before && frq_now_ns() < end) {
		beat(r);
		(void)freqring_min(r->ch);
		pause_ms(2);
	}
	assert_ptr_not_equal(r->ch->link, before);
	assert_takes(&r->h, VCPU, FRQ_OP_ATTACH);
	assert_takes(&r->h, VCPU, FRQ_OP_MIN);
}

/* As the real thing: the folder goes, and what was mapped reads as zero. */
static void
unplug_whole_device(struct rig *r)
{
	unplug_device(r);
	for (uint64_t at = 0; at < FRQ_REGION_SIZE; at += sizeof(uint64_t))
		frq_store64((uint64_t FRQ_SHARED *)((uintptr_t)r->h.region.base + at), 0);
}

/* Attached when the device that open found is gone, or is another one. */
static void
test_attach_unplugged(void **state)
{
	struct rig *r = *state;
	uint64_t end = frq_now_ns() + PATIENCE_NS;
	struct freqring_info i;

	begin_ring(r);
	freqring_detach(r->ch);
	unplug_whole_device(r);
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_SERIAL);
	assert_int_equal(freqring_min(r->ch), 1);
	expect_connect(r);
	ack(r, FRQ_SERIAL_MIN);
	freqring_detach(r->ch);

	/* Without a port there is nothing, until it is plugged in again. */
	drop_port(r);
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), -ENOTCONN);
	assert_non_null(strstr(freqring_error(r->fr), "unplugged"));
	plug_another_device(r);
	while (freqring_attach(r->fr, VCPU, &r->ch) < 0 && frq_now_ns() < end)
		pause_ms(10);
	assert_non_null(r->ch);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_IVSHMEM);
	assert_int_equal(freqring_min(r->ch), 1);
	assert_takes(&r->h, VCPU, FRQ_OP_ATTACH);
	assert_takes(&r->h, VCPU, FRQ_OP_MIN);
	assert_int_equal(frq_ivshmem.info(r->fr, &i, 0), 0);
	assert_int_equal(i.epoch, EPOCH + 1);
}

/* As with an unplugged device under an older kernel: an access faults. */
static void
test_memory_is_taken_away(void **state)
{
	struct rig *r = *state;
	uint64_t end = frq_now_ns() + PATIENCE_NS;

	begin_ring(r);
	assert_int_equal(freqring_max(r->ch), 1);
	assert_int_equal(truncate(r->h.path, 0), 0);
	while (transport_of(r) != FREQRING_TRANSPORT_SERIAL && frq_now_ns() < end) {
		(void)freqring_max(r->ch);
		(void)freqring_get_khz(r->ch);
		pause_ms(2);
	}
	expect_move(r, FREQRING_TRANSPORT_SERIAL, "took the region away");
	expect_connect(r);
	ack(r, FRQ_SERIAL_MAX);
}

/* A port whose other end nobody holds is no better place. */
static void
test_nowhere_to_go(void **state)
{
	struct rig *r = *state;

	begin_ring(r);
	drop_port(r);
	assert_int_equal(freqring_max(r->ch), 1);
	repeat(r, freqring_max, FREQRING_TRANSPORT_SERIAL, false, 500000000);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_IVSHMEM);
	assert_int_equal(freqring_min(r->ch), 1);
	/* Now there is somebody. */
	plug_port(r);
	go_to_serial(r, freqring_min, "still");
	ack(r, FRQ_SERIAL_MIN);
}

static void
test_forced_stays(void **state)
{
	struct rig *r = *state;

	r->options.transport = FREQRING_TRANSPORT_IVSHMEM;
	begin_ring(r);
	assert_int_equal(freqring_max(r->ch), 1);
	repeat(r, freqring_max, FREQRING_TRANSPORT_SERIAL, false, 400000000);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_IVSHMEM);
	freqring_close(r->fr);
	r->fr = NULL;
	drop_port(r);
	r->options.transport = FREQRING_TRANSPORT_SERIAL;
	begin_serial(r);
	repeat(r, freqring_max, FREQRING_TRANSPORT_IVSHMEM, true, 400000000);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_SERIAL);
	assert_int_equal(r->nb_moves, 0);
}

/* Attached where the host listens, whatever open had found. */
static void
test_attach_elsewhere(void **state)
{
	struct rig *r = *state;
	struct freqring_info i;
	struct beater b;

	plug_device(r);
	plug_port(r);
	beater_start(&b, r);
	assert_int_equal(open_guest(r), 0);
	beater_stop(&b);
	end_of(r, FRQ_LIFE_QUARANTINED);
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), 0);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_SERIAL);
	assert_int_equal(freqring_min(r->ch), 1);
	expect_connect(r);
	ack(r, FRQ_SERIAL_MIN);
	assert_int_equal(freqring_get_info(r->fr, &i, 0), 0);
	assert_int_equal(i.transport, FREQRING_TRANSPORT_SERIAL);
	end_of(r, 0);
	go_to_ring(r, freqring_min);
	freqring_detach(r->ch);

	/* Not where one transport is forced. */
	freqring_close(r->fr);
	r->options.transport = FREQRING_TRANSPORT_IVSHMEM;
	assert_int_equal(open_guest(r), 0);
	end_of(r, FRQ_LIFE_QUARANTINED);
	assert_int_equal(freqring_attach(r->fr, VCPU, &r->ch), -ENOTCONN);
}

/* A wait whose host dies goes on where the channel goes. */
static void *
answer_all(void *arg)
{
	struct rig *r = arg;
	struct frq_serial_packet p;

	do {
		p = host_await(r);
		if (p.command == FRQ_SERIAL_CPU_POWER)
			host_answer(r, p, FRQ_SERIAL_ACK);
	} while (p.unit != FRQ_SERIAL_MIN);
	return NULL;
}

static void
test_wait_moves(void **state)
{
	struct rig *r = *state;
	pthread_t thread;

	begin_ring(r);
	assert_int_equal(pthread_create(&thread, NULL, answer_all, r), 0);
	assert_int_equal(freqring_min(r->ch), 1);
	assert_int_equal(freqring_wait_applied(r->ch, 5000000), 0);
	assert_int_equal(transport_of(r), FREQRING_TRANSPORT_SERIAL);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- storm ---------------------------------------------------------------- */

/* A host with both, which folds what arrives. Its ring comes and goes. */
struct folder {
	struct rig *r;
	bool stop, alive;
	uint8_t wish;		/* the last that arrived on either */
	uint64_t ring, serial;	/* requests */
	/* Of an answer that the guest has not taken in whole. */
	uint8_t rest[sizeof(struct frq_serial_packet)];
	size_t left;
	pthread_t thread;
};

/* What the guest does not take is dropped, but never half of it. */
static void
fold_answer(struct folder *f, const struct frq_serial_packet *p)
{
	if (f->left == 0 && p != NULL) {
		memcpy(f->rest, p, sizeof(*p));
		f->left = sizeof(f->rest);
	}
	while (f->left != 0) {
		ssize_t n = write(f->r->master, f->rest + sizeof(f->rest) - f->left, f->left);

		if (n <= 0)
			return;
		f->left -= (size_t)n;
	}
}

static void
fold_ring(struct folder *f)
{
	for (;;) {
		struct frq_request q = host_take(&f->r->h, VCPU);

		if (q.op == FRQ_OP_NONE)
			return;
		if (q.op != FRQ_OP_MIN && q.op != FRQ_OP_MAX)
			continue;
		f->ring++;
		__atomic_store_n(&f->wish, q.op, __ATOMIC_RELEASE);
	}
}

static void
fold_serial(struct folder *f)
{
	struct frq_serial_packet p;

	fold_answer(f, NULL);
	while (host_read(f->r, &p)) {
		if (p.command != FRQ_SERIAL_CPU_POWER)
			continue;
		f->serial++;
		__atomic_store_n(&f->wish, p.unit == FRQ_SERIAL_MIN ? FRQ_OP_MIN : FRQ_OP_MAX,
			__ATOMIC_RELEASE);
		p.command = FRQ_SERIAL_ACK;
		fold_answer(f, &p);
	}
}

static void *
fold_all(void *arg)
{
	struct folder *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		/* The port first: what is in the ring came after it. */
		fold_serial(f);
		if (__atomic_load_n(&f->alive, __ATOMIC_ACQUIRE)) {
			beat(f->r);
			fold_ring(f);
		}
		pause_ms(1);
	}
	return NULL;
}

#define STORM_MOVES 8u

static int
say(struct rig *r, uint8_t wish)
{
	return wish == FRQ_OP_MIN ? freqring_min(r->ch) : freqring_max(r->ch);
}

/* What was under way on the other transport may come last, and is then put right by
 * the calls that come 0.2 seconds after the move: here they are repeats.
 */
static void
expect_folded(struct folder *f, uint8_t wish)
{
	uint64_t start = frq_now_ns(), now = start;

	while (__atomic_load_n(&f->wish, __ATOMIC_ACQUIRE) != wish && now - start < PATIENCE_NS) {
		for (unsigned int i = 0; now - start > 300000000 && i < 20; i++)
			(void)say(f->r, wish);
		pause_ms(1);
		now = frq_now_ns();
	}
	assert_int_equal(__atomic_load_n(&f->wish, __ATOMIC_ACQUIRE), wish);
}

/* Of the calls that said 1 or 0, the last is what the host has in the end. */
static void
test_storm(void **state)
{
	struct rig *r = *state;
	struct folder f = { .r = r, .alive = true };
	uint64_t calls = 0, said = 0, end = frq_now_ns() + 6 * PATIENCE_NS;
	struct freqring_status st;

	begin_ring(r);
	assert_int_equal(pthread_create(&f.thread, NULL, fold_all, &f), 0);
	while (r->nb_moves < STORM_MOVES && frq_now_ns() < end) {
		unsigned int before = r->nb_moves;
		uint8_t last = 0;

		/* Some hundred milliseconds on each, and over the move. */
		for (unsigned int burst = 0; burst < 50 || r->nb_moves == before; burst++) {
			if (burst == 20)
				__atomic_store_n(&f.alive, before % 2 != 0, __ATOMIC_RELEASE);
			if (frq_now_ns() >= end)
				break;
			for (unsigned int i = 0; i < 8; i++, calls++) {
				bool low = (calls / 7 + calls / 3) % 2 == 0;

				if (say(r, low ? FRQ_OP_MIN : FRQ_OP_MAX) < 0)
					continue;
				said++;
				last = low ? FRQ_OP_MIN : FRQ_OP_MAX;
			}
			/* A terminal that is full takes half a packet, as no port does;
			 * when the channel leaves, its host would lose its place.
			 */
			if (transport_of(r) == FREQRING_TRANSPORT_SERIAL)
				(void)freqring_wait_consumed(r->ch, 1000000);
			pause_ms(2);
		}
		/* Let what was posted come to rest, and see that none is lost. */
		assert_int_not_equal(last, 0);
		(void)freqring_wait_consumed(r->ch, 2000000);
		expect_folded(&f, last);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(f.thread, NULL), 0);
	assert_true(r->nb_moves >= STORM_MOVES);
	assert_int_equal(freqring_get_status(r->ch, &st), 0);
	assert_int_equal(st.moves, r->nb_moves);
	assert_true(f.ring > 100);
	assert_true(f.serial > 100);
	assert_true(said > calls / 2);
}

#define test_of(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test_of(test_nothing_there),
		test_of(test_choice),
		test_of(test_info),
		test_of(test_words),
		test_of(test_repeats),
		test_of(test_said_again_after_a_second),
		test_of(test_unanswered),
		test_of(test_unanswered_step),
		test_of(test_nack),
		test_of(test_split_replies),
		test_of(test_answers_in_order),
		test_of(test_answers_of_another),
		test_of(test_full),
		test_of(test_replies_are_drained),
		test_of(test_reconnect),
		test_of(test_garbage),
		cmocka_unit_test_setup_teardown(test_queries, set_up, tear_down_clock),
		test_of(test_heartbeat_stops),
		test_of(test_what_is_carried),
		test_of(test_other_ways_to_go),
		test_of(test_other_version),
		test_of(test_unplugged),
		test_of(test_unplugged_without_a_port),
		test_of(test_attach_unplugged),
		test_of(test_memory_is_taken_away),
		test_of(test_nowhere_to_go),
		test_of(test_forced_stays),
		test_of(test_attach_elsewhere),
		test_of(test_wait_moves),
		test_of(test_storm),
	};

	return cmocka_run_group_tests_name("guest_serial", tests, NULL, NULL);
}
