/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serial.c - DPDK's power packets over virtio-serial as a transport
 *
 * A request is one packet, its answer that packet with another command. The
 * host may answer late, out of patience or not at all, so nothing waits for it
 * but the waits. Each packet has a number where only policies have something,
 * which comes back with the answer; an answer without it is the next one's.
 *
 * Replies that nobody reads would fill the host's socket, and DPDK's
 * vm_power_mgr stalls then: they are taken in with each post and each look.
 *
 * There is no word from the host that it was started anew. So a repeat is
 * dropped for a second, and is then said again; and so is what was not
 * answered within a second, whatever the next call is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "freqring_pvt.h"

#define REFRESH_NS	UINT64_C(1000000000)
#define REOPEN_NS	UINT64_C(100000000)
#define QUERY_NS	UINT64_C(20000000)
#define STEP_NS		UINT64_C(20000000)	/* of a wait, between two looks */
#define UNANSWERED_NS	UINT64_C(1000000000)	/* then a query is not repeated */

/* In the upper half of the word that carries the number. */
#define NUMBER_TAG	(UINT64_C(0x51524651) << 32)

#define NO_PORT_HOST	"nobody on the host holds the other end of the serial port"
#define NO_PORT		"the serial port of this vCPU is gone"

struct answer {
	unsigned int owed;		/* queries without one */
	unsigned int got;		/* since the last query */
	uint64_t asked_ns, failed_ns;
	uint64_t value;			/* kHz, or FRQ_CAP_* */
};

#define CAP_TURBO	1u
#define CAP_PRIORITY	2u

struct frq_serial {
	struct frq_wire wire;
	bool connected;		/* somebody held the other end at the last look */
	bool hello_due;
	uint64_t verdict;	/* changes when a request was refused, or the host is another */
	uint64_t now;		/* struct frq_now: what the host said */
	uint64_t said_ns;	/* when something was last posted */
	uint64_t reopen_ns;
	uint32_t sent, answered;	/* numbers of requests */
	bool ever_answered;
	uint32_t last_unit;	/* of the last answer */
	bool refused;		/* that was a NACK */
	uint64_t refusals;
	struct {
		uint32_t number;
		uint8_t op;
	} log[FREQRING_REFUSALS];
	struct answer khz, caps;
};

/* ---- words ---------------------------------------------------------------- */

static const struct {
	enum frq_op op;
	enum frq_serial_unit unit;
} units[] = {
	{ FRQ_OP_UP, FRQ_SERIAL_UP },
	{ FRQ_OP_DOWN, FRQ_SERIAL_DOWN },
	{ FRQ_OP_MAX, FRQ_SERIAL_MAX },
	{ FRQ_OP_MIN, FRQ_SERIAL_MIN },
	{ FRQ_OP_TURBO_ON, FRQ_SERIAL_ENABLE_TURBO },
	{ FRQ_OP_TURBO_OFF, FRQ_SERIAL_DISABLE_TURBO },
};

#define NB_UNITS (sizeof(units) / sizeof(units[0]))

/* 0: there is no such unit. */
static uint32_t
unit_of(enum frq_op op)
{
	for (size_t i = 0; i < NB_UNITS; i++)
		if (units[i].op == op)
			return units[i].unit;
	return 0;
}

static uint8_t
op_of(uint32_t unit)
{
	for (size_t i = 0; i < NB_UNITS; i++)
		if (units[i].unit == unit)
			return (uint8_t)units[i].op;
	return FRQ_OP_NONE;
}

static const char *
why_no_unit(enum frq_op op)
{
	switch (op) {
	case FRQ_OP_SET:
		return "virtio-serial knows no kHz, only min, max, up and down";
	case FRQ_OP_RELEASE:
		return "over virtio-serial a wish cannot be withdrawn, only changed";
	case FRQ_OP_LEASE:
		return "virtio-serial knows no lease";
	default:
		return "virtio-serial knows no ping";
	}
}

/* Rather too much than too little; "no opinion" cannot be said at all. */
static frq_ask_t
serial_carry(frq_ask_t a)
{
	if (frq_ask_op(a) == FRQ_OP_SET)
		return frq_ask(FRQ_OP_MAX, 0);
	return unit_of(frq_ask_op(a)) != 0 ? a : 0;
}

/* ---- replies -------------------------------------------------------------- */

static void
new_verdict(struct frq_serial *s)
{
	__atomic_store_n(&s->verdict, s->verdict + 1, __ATOMIC_RELAXED);
}

static void
note_refusal(struct frq_serial *s, uint32_t number, uint32_t unit)
{
	s->log[s->refusals % FREQRING_REFUSALS].number = number;
	s->log[s->refusals % FREQRING_REFUSALS].op = op_of(unit);
	s->refusals++;
	/* Once more, for the host may think otherwise by now; not again and again. */
	if (!s->refused || s->last_unit != unit)
		new_verdict(s);
}

static void
on_answer(struct frq_serial *s, const struct frq_serial_packet *p, bool refused)
{
	uint32_t number = s->answered + 1;

	if (p->vfid[0] >> 32 == NUMBER_TAG >> 32)
		number = (uint32_t)p->vfid[0];
	/* Not of what was asked since the port was opened. */
	if (number - s->answered - 1 >= s->sent - s->answered)
		return;
	s->answered = number;
	s->ever_answered = true;
	if (refused)
		note_refusal(s, number, p->unit);
	s->refused = refused;
	s->last_unit = p->unit;
}

static void
on_value(struct answer *a, uint64_t value)
{
	a->value = value;
	a->got++;
	if (a->owed != 0)
		a->owed--;
}

static void
on_khz(struct frq_serial *s, unsigned int vcpu, const struct frq_serial_freq_list *f)
{
	on_value(&s->khz, f->khz[vcpu]);
	__atomic_store_n(&s->now, frq_now_pack((struct frq_now){
		.khz = f->khz[vcpu] <= FRQ_ARG_MAX ? f->khz[vcpu] : 0,
		.pcpu = FRQ_NO_PCPU,
		.index = FRQ_NO_INDEX,
	}), __ATOMIC_RELAXED);
}

static void
on_caps(struct frq_serial *s, unsigned int vcpu, const struct frq_serial_caps_list *c)
{
	on_value(&s->caps, (c->turbo[vcpu] != 0 ? CAP_TURBO : 0) |
		(c->priority[vcpu] != 0 ? CAP_PRIORITY : 0));
}

static void
on_reply(void *arg, uint32_t command, const union frq_wire_reply *r)
{
	struct freqring_channel *ch = arg;
	struct frq_serial *s = ch->serial;

	if (command == FRQ_SERIAL_ACK || command == FRQ_SERIAL_NACK)
		on_answer(s, &r->packet, command == FRQ_SERIAL_NACK);
	else if (ch->vcpu >= FRQ_SERIAL_MAX_VCPUS)
		return;
	else if (command == FRQ_SERIAL_FREQ_LIST)
		on_khz(s, ch->vcpu, &r->freqs);
	else
		on_caps(s, ch->vcpu, &r->caps);
}

/* freqring_get_info reads it in another thread. */
static void
set_connected(struct frq_serial *s, bool connected)
{
	__atomic_store_n(&s->connected, connected, __ATOMIC_RELAXED);
}

/* ---- the port ------------------------------------------------------------- */

static void
fill_packet(const struct freqring_channel *ch, struct frq_serial_packet *p, uint32_t command)
{
	memset(p, 0, sizeof(*p));
	p->resource_id = ch->vcpu;
	p->command = command;
	p->core_type = FRQ_SERIAL_CORE_VIRTUAL;
	memcpy(p->vm_name, ch->fr->vm_name, sizeof(p->vm_name));
}

/* All has to be said again. Where steps had led nobody here knows: rather too much. */
static void
say_again(struct freqring_channel *ch)
{
	frq_forget_asked(ch);
	if (ch->relative)
		ch->wish = frq_ask(FRQ_OP_MAX, 0);
	ch->relative = false;
	ch->restate_due = true;
}

/* Whoever comes next at the other end knows nothing of what was said. */
static void
lose_host(struct freqring_channel *ch)
{
	struct frq_serial *s = ch->serial;

	if (!s->connected && s->hello_due)
		return;
	set_connected(s, false);
	s->hello_due = true;
	s->answered = s->sent;
	s->khz.owed = s->caps.owed = 0;
	frq_wire_reset(&s->wire);
	if (ch->mute != NULL || ch->t != &frq_serial)
		return;
	say_again(ch);
	new_verdict(s);
}

static void
close_port(struct freqring_channel *ch)
{
	frq_wire_close(&ch->serial->wire);
	lose_host(ch);
}

/* The node may be another one by now, of a port plugged in again. */
static bool
is_same_node(const struct frq_wire *w, const char *path)
{
	struct stat now, then;

	return stat(path, &now) == 0 && fstat(w->fd, &then) == 0 && now.st_rdev == then.st_rdev &&
		now.st_ino == then.st_ino && now.st_dev == then.st_dev;
}

/* @return 0, -ENOENT, or -errno of open() */
static int
open_port(struct freqring_channel *ch)
{
	struct frq_serial *s = ch->serial;
	char path[320];
	int ret = frq_port_path(&ch->fr->places, ch->vcpu, path, sizeof(path));

	if (ret == 0 && s->wire.fd >= 0 && is_same_node(&s->wire, path))
		return 0;
	if (s->wire.fd >= 0)
		close_port(ch);
	if (ret == 0)
		ret = frq_wire_open(&s->wire, path);
	if (ret == 0)
		s->hello_due = true;
	return ret;
}

/* Send what is left, take in what there is. @return 0, -EAGAIN or -ENOTCONN */
static int
pump(struct freqring_channel *ch)
{
	struct frq_serial *s = ch->serial;
	int sent, read;

	if (s->wire.fd < 0)
		return -ENOTCONN;
	sent = frq_wire_flush(&s->wire);
	read = frq_wire_read(&s->wire, on_reply, ch);
	if (read < 0 || sent == -ENOTCONN) {
		close_port(ch);
		return -ENOTCONN;
	}
	return sent;
}

/* Nothing went out: is there anybody? */
static int
nothing_sent(struct freqring_channel *ch, int ret)
{
	if (ret == -ENOTCONN)
		close_port(ch);
	else if (!frq_wire_poll(&ch->serial->wire, 0))
		lose_host(ch);
	return ret == -ENOTCONN ? frq_fail(ch->fr, -ENOTCONN, NO_PORT) : ret;
}

/* The first packet for each host. */
static int
say_hello(struct freqring_channel *ch)
{
	struct frq_serial *s = ch->serial;
	struct frq_serial_packet hello;
	int ret;

	if (!s->hello_due)
		return 0;
	fill_packet(ch, &hello, FRQ_SERIAL_CPU_POWER_CONNECT);
	ret = frq_wire_send(&s->wire, &hello);
	if (ret < 0)
		return ret;
	s->hello_due = false;
	set_connected(s, true);
	return 0;
}

static int
send_packet(struct freqring_channel *ch, const struct frq_serial_packet *p)
{
	int ret = pump(ch);

	if (ret == 0)
		ret = say_hello(ch);
	if (ret == 0)
		ret = frq_wire_send(&ch->serial->wire, p);
	return ret < 0 ? nothing_sent(ch, ret) : 0;
}

/* Once each tenth of a second: is there somebody, and is it still this port? */
static bool
find_host(struct freqring_channel *ch, uint64_t now)
{
	struct frq_serial *s = ch->serial;

	if (now < s->reopen_ns)
		return s->connected;
	s->reopen_ns = now + REOPEN_NS;
	if (open_port(ch) < 0)
		return false;
	if (frq_wire_poll(&s->wire, 0))
		set_connected(s, true);
	else
		lose_host(ch);
	return s->connected;
}

/* ---- the handle ----------------------------------------------------------- */

static int
serial_find(struct freqring *fr, struct frq_err *why)
{
	uint64_t ports = frq_port_list(&fr->places);
	int ret = -ENODEV;
	char path[320];

	for (unsigned int vcpu = 0; vcpu < FRQ_SERIAL_MAX_PORTS; vcpu++) {
		if ((ports == 0 && vcpu != 0) || (ports != 0 && (ports >> vcpu & 1) == 0) ||
		    frq_port_path(&fr->places, vcpu, path, sizeof(path)) < 0)
			continue;
		if (access(path, R_OK | W_OK) == 0)
			return 0;
		ret = errno == ENOENT ? ret : -EACCES;
		frq_err_set(why, "%.128s: %s", path, errno == EACCES ? "not allowed: be root, or "
			"install freqring's udev rule (60-freqring.rules) and join the group "
			"freqring" : "cannot be opened");
	}
	if (ret == -ENODEV)
		frq_err_set(why, "no port " FRQ_SERIAL_PORT_PREFIX "N in this VM: it needs a "
			"<channel> element in its libvirt XML, and the module virtio_console");
	return ret;
}

/* That is each port's own question. */
static bool
serial_answers(struct freqring *fr, struct frq_err *why)
{
	(void)fr;
	(void)why;
	return true;
}

static int
serial_check_vcpu(struct freqring *fr, unsigned int vcpu)
{
	char path[320];

	if (vcpu < FRQ_SERIAL_MAX_PORTS &&
	    frq_port_path(&fr->places, vcpu, path, sizeof(path)) == 0)
		return 0;
	frq_err_set(&fr->err, "no vCPU %u: the VM has no serial port " FRQ_SERIAL_PORT_PREFIX "%u",
		vcpu, vcpu);
	return frq_fail(fr, -EINVAL, fr->err.text);
}

/* A port that another program has open has a user, and so a use. */
static bool
port_has_host(const char *path)
{
	struct frq_wire w;
	bool has;
	int ret = frq_wire_open(&w, path);

	if (ret < 0)
		return ret == -EBUSY;
	has = frq_wire_poll(&w, 0);
	frq_wire_close(&w);
	return has;
}

static int
serial_info(struct freqring *fr, struct freqring_info *info, unsigned int timeout_ms)
{
	uint64_t ports = frq_port_list(&fr->places);
	const char *node;
	bool used = false;
	char path[320];

	(void)timeout_ms;
	for (const struct freqring_channel *c = fr->channels; c != NULL; c = c->next) {
		/* Pairs with the store in move_to, transport.c. */
		if (__atomic_load_n(&c->t, __ATOMIC_ACQUIRE) != &frq_serial)
			continue;
		used = true;
		info->host_alive |= __atomic_load_n(&c->serial->connected, __ATOMIC_RELAXED);
	}
	if (ports == 0)
		ports = 1;	/* of a node without a class, at most */
	info->nb_channels = 64u - (unsigned int)__builtin_clzll(ports);
	if (frq_port_path(&fr->places, (unsigned int)__builtin_ctzll(ports), path,
	    sizeof(path)) < 0)
		return frq_fail(fr, -ENODEV, "the serial ports are gone");
	node = strrchr(path, '/') + 1;
	memcpy(info->device, node, strnlen(node, sizeof(info->device) - 1));
	info->turbo = true;
	if (!used)
		info->host_alive = port_has_host(path);
	return 0;
}

/* ---- take a channel, and leave it ----------------------------------------- */

static struct frq_serial *
new_serial(const struct freqring_channel *ch)
{
	struct frq_serial *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->wire.fd = -1;
	s->verdict = 1;
	s->hello_due = true;
	/* The port may have answers yet to who had it before: not with these numbers. */
	s->sent = s->answered = ch->nonce << 8;
	return s;
}

static void
explain_open(struct freqring_channel *ch, int ret)
{
	struct frq_err *err = &ch->fr->err;

	if (ret == -EBUSY)
		frq_err_set(err, "vCPU %u: a program of this VM has its serial port", ch->vcpu);
	else
		frq_err_set(err, "vCPU %u: its serial port cannot be opened: %s", ch->vcpu,
			strerror(-ret));
	(void)frq_fail(ch->fr, ret, err->text);
}

static void
use_port(struct freqring_channel *ch)
{
	struct frq_serial *s = ch->serial;

	ch->verdict_word = (const uint64_t FRQ_SHARED *)(uintptr_t)&s->verdict;
	ch->now_word = (const uint64_t FRQ_SHARED *)(uintptr_t)&s->now;
	ch->quick_word = ch->verdict_word;
	ch->verdict = s->verdict;
	ch->uncached = false;
	ch->p = (struct frq_producer){ .ring = NULL };
	ch->region = NULL;
	ch->withheld = 0;
	s->said_ns = frq_coarse_ns();
}

static int
serial_attach(struct freqring_channel *ch, bool live)
{
	int ret;

	if (ch->t == &frq_serial)
		return -ENOTCONN;
	if (ch->serial == NULL)
		ch->serial = new_serial(ch);
	if (ch->serial == NULL)
		return live ? -ENOMEM : frq_fail(ch->fr, -ENOMEM, "out of memory");
	ret = open_port(ch);
	if (ret == 0) {
		set_connected(ch->serial, frq_wire_poll(&ch->serial->wire, 0));
		if (live && !ch->serial->connected)
			ret = -ENOTCONN;
	} else if (!live) {
		explain_open(ch, ret);
	}
	if (ret < 0) {
		frq_wire_close(&ch->serial->wire);
		return ret;
	}
	ch->serial->reopen_ns = frq_coarse_ns() + REOPEN_NS;
	use_port(ch);
	/* Else the first request does. */
	if (ch->serial->connected)
		(void)say_hello(ch);
	return 0;
}

static int
serial_observe(struct freqring_channel *ch)
{
	return serial_attach(ch, false);
}

static void
serial_leave(struct freqring_channel *ch, bool withdraw)
{
	/* Who wrote it cannot take it back. */
	(void)withdraw;
	frq_wire_close(&ch->serial->wire);
	set_connected(ch->serial, false);
	ch->serial->hello_due = true;
	ch->serial->answered = ch->serial->sent;
}

/* ---- the channel ---------------------------------------------------------- */

static int
serial_post(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	struct frq_serial *s = ch->serial;
	struct frq_serial_packet p;
	int ret;

	(void)arg;
	fill_packet(ch, &p, FRQ_SERIAL_CPU_POWER);
	p.unit = unit_of(op);
	p.vfid[0] = NUMBER_TAG | (uint32_t)(s->sent + 1);
	if (p.unit == 0)
		return frq_fail(ch->fr, -EOPNOTSUPP, why_no_unit(op));
	ret = send_packet(ch, &p);
	if (ret < 0)
		return ret;
	s->sent++;
	s->said_ns = frq_coarse_ns();
	return 0;
}

static int
serial_full(struct freqring_channel *ch)
{
	ch->full++;
	return frq_fail(ch->fr, -EAGAIN, ch->serial->connected ?
		"the serial port is full: the host does not read what was asked" : NO_PORT_HOST);
}

static int
serial_heed(struct freqring_channel *ch, uint64_t *verdict)
{
	struct frq_serial *s = ch->serial;

	if (s->wire.fd < 0)
		(void)find_host(ch, frq_coarse_ns());
	*verdict = s->verdict;
	frq_forget_asked(ch);
	return s->wire.fd >= 0 ? 0 : frq_fail(ch->fr, -ENOTCONN, NO_PORT);
}

static const char *
serial_look(struct freqring_channel *ch, uint64_t now)
{
	struct frq_serial *s = ch->serial;

	(void)pump(ch);
	if (!find_host(ch, now))
		return s->wire.fd < 0 ? NO_PORT : NO_PORT_HOST;
	if (now - s->said_ns < REFRESH_NS)
		return NULL;
	s->said_ns = now;
	if (s->answered != s->sent) {
		/* Not known to have arrived, so it has not. */
		say_again(ch);
	} else if (ch->asked_wish != 0 || ch->asked_turbo != 0) {
		new_verdict(s);
	}
	return NULL;
}

/* Sleep until something comes, or the end of the step. */
static int
sleep_step(struct freqring_channel *ch, uint64_t end_ns)
{
	struct frq_serial *s = ch->serial;
	uint64_t now = frq_now_ns(), left = end_ns > now ? end_ns - now : 0;

	if (s->wire.fd < 0 || !frq_wire_poll(&s->wire, left < STEP_NS ? left : STEP_NS)) {
		if (s->wire.fd >= 0)
			lose_host(ch);
		return frq_fail(ch->fr, -ENOTCONN, s->wire.fd < 0 ? NO_PORT : NO_PORT_HOST);
	}
	return pump(ch) == -ENOTCONN ? frq_fail(ch->fr, -ENOTCONN, NO_PORT) : 0;
}

static int
serial_wait(struct freqring_channel *ch, bool applied, uint64_t end_ns)
{
	struct frq_serial *s = ch->serial;
	int ret = pump(ch) == -ENOTCONN ? frq_fail(ch->fr, -ENOTCONN, NO_PORT) : 0;

	/* The host answers once it has been done. */
	(void)applied;
	while (ret == 0) {
		if (s->answered == s->sent && s->wire.tx_left == 0)
			return ch->restate_due ?
				frq_fail(ch->fr, -ENOTCONN, NO_PORT_HOST) : 0;
		if (frq_now_ns() >= end_ns)
			return frq_fail(ch->fr, -ETIMEDOUT, "the host did not answer in time");
		ret = sleep_step(ch, end_ns);
	}
	/* Where else it goes, there it is stated again, and waited for. */
	return frq_fail_over(ch) && ch->t != &frq_serial ? -EINTR : ret;
}

/* ---- questions ------------------------------------------------------------ */

/*
 * A reply has no number. One that is late came before this question, or is the
 * answer to one before it; so there is one more to wait for than were left
 * unanswered, unless the time is up: then the last that came is the newest.
 */
static int
ask_host(struct freqring_channel *ch, uint32_t command, struct answer *a)
{
	uint64_t start = frq_now_ns();
	struct frq_serial_packet p;
	int ret;

	if (ch->vcpu >= FRQ_SERIAL_MAX_VCPUS)
		return frq_fail(ch->fr, -EOPNOTSUPP, "virtio-serial has no answer for a vCPU "
			"beyond the eighth");
	if (start - a->asked_ns >= UNANSWERED_NS)
		a->owed = 0;
	fill_packet(ch, &p, command);
	ret = send_packet(ch, &p);
	if (ret == -EAGAIN)
		return ch->t->full(ch);
	if (ret < 0)
		return ret;
	a->asked_ns = start;
	a->owed++;
	a->got = 0;
	while (a->owed != 0 && ret == 0 && frq_now_ns() - start < QUERY_NS)
		ret = sleep_step(ch, start + QUERY_NS);
	if (ret < 0)
		return ret;
	if (a->got != 0)
		return 0;
	a->failed_ns = frq_now_ns();
	if (!ch->serial->ever_answered)
		return frq_fail(ch->fr, -ETIMEDOUT, "the host did not answer within 20 ms");
	return frq_fail(ch->fr, -EACCES, "the host answers requests, but no query: it does not "
		"allow them, or needs the VM's name");
}

static int
serial_query_khz(struct freqring_channel *ch, uint32_t *khz)
{
	int ret = ask_host(ch, FRQ_SERIAL_QUERY_FREQ, &ch->serial->khz);

	if (ret == 0)
		*khz = freqring_get_khz(ch);
	return ret;
}

static int
serial_query_caps(struct freqring_channel *ch, struct freqring_caps *caps)
{
	struct answer *a = &ch->serial->caps;
	int ret = ask_host(ch, FRQ_SERIAL_QUERY_CAPS, a);

	if (ret == 0)
		*caps = (struct freqring_caps){
			.turbo = (a->value & CAP_TURBO) != 0,
			.priority = (a->value & CAP_PRIORITY) != 0,
		};
	return ret;
}

static const char *
wish_word(const struct freqring_channel *ch)
{
	if (ch->relative && ch->asked_wish == 0)
		return "none";
	switch (frq_ask_op(serial_carry(frq_wish(ch)))) {
	case FRQ_OP_MIN:
		return "min";
	case FRQ_OP_MAX:
		return "max";
	default:
		return "none";
	}
}

static void
read_refusals(const struct frq_serial *s, struct freqring_status *st)
{
	st->refusals = s->refusals;
	st->nb_refusals = s->refusals < FREQRING_REFUSALS ? (unsigned int)s->refusals :
		FREQRING_REFUSALS;
	for (unsigned int i = 0; i < st->nb_refusals; i++) {
		st->refusal[i].seq = (uint16_t)s->log[(s->refusals - 1 - i) % FREQRING_REFUSALS].number;
		st->refusal[i].op = s->log[(s->refusals - 1 - i) % FREQRING_REFUSALS].op;
		st->refusal[i].reason = FREQRING_REASON_NACK;
	}
}

static int
serial_status(struct freqring_channel *ch, struct freqring_status *st)
{
	struct frq_serial *s = ch->serial;
	uint64_t now = frq_now_ns();

	(void)pump(ch);
	if (ch->vcpu < FRQ_SERIAL_MAX_VCPUS && s->wire.fd >= 0 &&
	    (s->khz.failed_ns == 0 || now - s->khz.failed_ns >= UNANSWERED_NS)) {
		uint32_t khz;

		if (serial_query_khz(ch, &khz) == 0) {
			st->khz = khz;
			s->khz.failed_ns = 0;
		}
	}
	st->wish = wish_word(ch);
	st->index = -1;
	st->pcpu = -1;
	if (s->answered != s->sent)
		st->reason = FREQRING_REASON_NO_ANSWER;
	else if (s->refused)
		st->reason = FREQRING_REASON_NACK;
	else
		st->granted_khz = st->khz;
	st->turbo_allowed = frq_ask_op(frq_turbo(ch)) != FRQ_OP_TURBO_OFF;
	st->turbo_available = (s->caps.value & CAP_TURBO) != 0;
	read_refusals(s, st);
	return 0;
}

static int
serial_freqs(const struct freqring_channel *ch, struct freq_table *t)
{
	(void)ch;
	*t = (struct freq_table){ .nb = 0 };
	return 0;
}

const struct frq_transport frq_serial = {
	.id = FREQRING_TRANSPORT_SERIAL,
	.name = "serial",
	.find = serial_find,
	.answers = serial_answers,
	.check_vcpu = serial_check_vcpu,
	.attach = serial_attach,
	.observe = serial_observe,
	.leave = serial_leave,
	.post = serial_post,
	.full = serial_full,
	.carry = serial_carry,
	.heed = serial_heed,
	.look = serial_look,
	.wait = serial_wait,
	.status = serial_status,
	.freqs = serial_freqs,
	.query_khz = serial_query_khz,
	.query_caps = serial_query_caps,
	.info = serial_info,
};
