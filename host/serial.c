/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1	/* struct ucred */
#include "serial.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <rte_pause.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "wake.h"

/* Packets of a port that wait for their answer; above that it is not read from. */
#define MAX_WAITING	32u
/* Packets of a port that are read before it is another's turn. */
#define MAX_AT_ONCE	8u
#define MAX_READ	(MAX_AT_ONCE * sizeof(struct frq_serial_packet))
/* How long this thread looks for what it posted to be applied, before it sleeps:
 * that takes some microseconds as a rule (30 on a VM), to be woken from another CPU some
 * tens (80 between two CPUs of a VM). Once in vain, it is not done for a while.
 */
#define LOOK_NS		UINT64_C(50000)
#define SKIP_LOOKS	16u
/* Answers that a guest did not read. */
#define MAX_UNREAD	(64u * 1024)
/* How long a vCPU keeps its wish when the socket was closed; then the fail-safe. */
#define CLOSED_LEASE_S	5u	/* libvirt says sooner when the VM has ended */

/* An answer in its place behind those to earlier packets. */
struct answer {
	bool waits;		/* until `next` is applied; then ACK or NACK */
	uint16_t next;		/* the sequence behind its last request */
	size_t len;
	union {
		struct frq_serial_packet packet;
		struct frq_serial_freq_list freqs;
		struct frq_serial_caps_list caps;
	} u;
};

struct port {
	struct serial_vm *sv;
	unsigned int number;
	bool there;
	char path[VM_MAP_SERIAL_PATH];
	struct bufferevent *bev;	/* NULL: not connected */
	int said;			/* errno of the failure that was logged */
	bool closed;			/* and a lease runs */
	struct frq_producer tx;
	unsigned int skip_looks;	/* how often yet not to look for what is applied */
	unsigned int first, nb_waiting;
	struct answer waiting[MAX_WAITING];
};

struct serial_vm {
	LIST_ENTRY(serial_vm) link;
	struct serial *serial;
	struct vm *vm;
	char name[256];
	const struct serial_ops *ops;
	void *arg;
	uint64_t packets, acks, nacks, queries, denied, dropped, connects;
	uint64_t causes[SERIAL_CAUSE_COUNT];
	struct port port[FRQ_SERIAL_MAX_PORTS];
};

struct serial {
	struct serial_config c;
	LIST_HEAD(, serial_vm) vms;
};

/* ---- answers --------------------------------------------------------------- */

/* At once if it can be; the event loop has the rest, and what is wrong with the socket. */
static void
send_answer(struct port *p, const void *data, size_t len)
{
	size_t unread = evbuffer_get_length(bufferevent_get_output(p->bev));
	ssize_t sent = 0;

	if (unread > MAX_UNREAD) {
		p->sv->dropped++;
		return;
	}
	if (unread == 0)
		sent = send(bufferevent_getfd(p->bev), data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		sent = 0;
	if ((size_t)sent < len)
		bufferevent_write(p->bev, (const char *)data + sent, len - (size_t)sent);
}

/* Whether what was asked is in force: another vote, a rule or an operator may still be above it. */
static bool
is_granted(enum frq_reason reason)
{
	return reason == FRQ_REASON_OK || reason == FRQ_REASON_ARBITRATED ||
		reason == FRQ_REASON_LIMITED || reason == FRQ_REASON_MANUAL;
}

/* Whether the applier has come that far, and with what. */
static bool
is_applied(const struct port *p, uint16_t next, enum frq_reason *reason)
{
	const struct channel *ch = &p->sv->vm->ch[p->number];
	struct frq_applied a = frq_applied_unpack(counter_get(&ch->a.applied));

	*reason = (enum frq_reason)a.reason;
	return a.epoch == p->sv->vm->life.epoch && (int16_t)(a.next - next) >= 0;
}

/* The last that waits for it has been applied, or it takes longer than to be woken. */
static void
look_for_applied(struct port *p)
{
	const struct answer *last = &p->waiting[(p->first + p->nb_waiting - 1) % MAX_WAITING];
	enum frq_reason reason;
	uint64_t end;

	if (p->nb_waiting == 0 || !last->waits)
		return;
	if (p->skip_looks > 0) {
		p->skip_looks--;
		return;
	}
	end = monotonic_ns() + LOOK_NS;
	while (!is_applied(p, last->next, &reason)) {
		if (monotonic_ns() >= end) {
			p->skip_looks = SKIP_LOOKS;
			return;
		}
		rte_pause();
	}
}

/* Those whose turn has come. */
static void
answer_waiting(struct port *p)
{
	unsigned int before = p->nb_waiting;

	while (p->nb_waiting > 0) {
		struct answer *a = &p->waiting[p->first];
		enum frq_reason reason;

		if (a->waits) {
			if (!is_applied(p, a->next, &reason))
				break;
			a->u.packet.command = is_granted(reason) ? FRQ_SERIAL_ACK : FRQ_SERIAL_NACK;
			if (is_granted(reason))
				p->sv->acks++;
			else
				p->sv->nacks++;
		}
		send_answer(p, &a->u, a->len);
		p->first = (p->first + 1) % MAX_WAITING;
		p->nb_waiting--;
	}
	if (before == MAX_WAITING && p->nb_waiting < MAX_WAITING) {
		bufferevent_enable(p->bev, EV_READ);
		bufferevent_trigger(p->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
	}
}

/* What waits still is answered when the applier wakes this thread (vms_applier_done). */
static void
answer_or_wait(struct port *p)
{
	answer_waiting(p);
	if (p->nb_waiting == 0)
		return;
	wake_prepare(&p->sv->vm->answers_wait);
	answer_waiting(p);
}

/* There is room: nothing is read where there is none. */
static struct answer *
add_answer(struct port *p, size_t len)
{
	struct answer *a = &p->waiting[(p->first + p->nb_waiting++) % MAX_WAITING];

	memset(a, 0, sizeof(*a));
	a->len = len;
	return a;
}

static void
answer_packet(struct port *p, const struct frq_serial_packet *packet, bool waits, uint16_t next)
{
	struct answer *a = add_answer(p, sizeof(*packet));

	a->u.packet = *packet;
	a->u.packet.command = FRQ_SERIAL_NACK;
	a->waits = waits;
	a->next = next;
}

static unsigned int
nb_listed(const struct port *p)
{
	return p->sv->vm->nb_channels < FRQ_SERIAL_MAX_VCPUS ? p->sv->vm->nb_channels :
		FRQ_SERIAL_MAX_VCPUS;
}

static void
answer_freqs(struct port *p, bool all)
{
	struct frq_serial_freq_list *l = &add_answer(p, sizeof(*l))->u.freqs;

	l->command = FRQ_SERIAL_FREQ_LIST;
	l->num_vcpu = (uint8_t)nb_listed(p);
	for (unsigned int n = 0; n < nb_listed(p); n++)
		if (all || n == p->number)
			l->khz[n] = p->sv->ops->khz(p->sv->arg, n);
}

static void
answer_caps(struct port *p, bool all)
{
	struct frq_serial_caps_list *l = &add_answer(p, sizeof(*l))->u.caps;

	l->command = FRQ_SERIAL_CAPS_LIST;
	l->num_vcpu = (uint8_t)nb_listed(p);
	for (unsigned int n = 0; n < nb_listed(p); n++) {
		struct frq_applied a = frq_applied_unpack(counter_get(&p->sv->vm->ch[n].a.applied));

		if (all || n == p->number)
			l->turbo[n] = (a.turbo & FRQ_TURBO_AVAILABLE) != 0;
	}
}

/* ---- requests ---------------------------------------------------------------- */

/* @return whether it went into the ring */
static bool
post(struct port *p, uint8_t op, uint32_t arg)
{
	return frq_producer_post(&p->tx, (enum frq_op)op, 0, arg) == 0;
}

static void
handle_power(struct port *p, const struct frq_serial_packet *packet, const struct serial_request *r)
{
	bool ok = p->sv->ops->claim(p->sv->arg, p->number);

	/* The guest is there again. */
	if (ok && p->closed) {
		ok = post(p, FRQ_OP_LEASE, 0);
		p->closed = !ok;
	}
	for (unsigned int i = 0; ok && i < r->nb_ops; i++)
		ok = post(p, r->op[i], 0);
	if (!ok)
		p->sv->nacks++;
	answer_packet(p, packet, ok, p->tx.next);
}

static void
handle_query(struct port *p, const struct serial_request *r)
{
	/* No answer, as from DPDK's host. */
	if (!p->sv->ops->may_query(p->sv->arg)) {
		p->sv->denied++;
		return;
	}
	p->sv->queries++;
	if (r->action == SERIAL_TELL_FREQS)
		answer_freqs(p, r->all);
	else
		answer_caps(p, r->all);
}

static void
handle_packet(struct port *p, const struct frq_serial_packet *packet)
{
	const struct serial_who who = {
		.vcpu = p->number,
		.pcpu = p->sv->ops->pcpu(p->sv->arg, p->number),
		.physical = p->sv->serial->c.physical,
	};
	struct serial_request r;

	serial_judge(packet, &who, &r);
	p->sv->packets++;
	p->sv->causes[r.cause]++;
	switch (r.action) {
	case SERIAL_POWER:
		handle_power(p, packet, &r);
		break;
	case SERIAL_REFUSE:
		p->sv->nacks++;
		answer_packet(p, packet, false, 0);
		break;
	case SERIAL_TELL_FREQS:
	case SERIAL_TELL_CAPS:
		handle_query(p, &r);
		break;
	case SERIAL_IGNORE:
		break;
	}
}

/* A few, then it is another's turn: more come with the next turn of the loop. */
static void
on_read(struct bufferevent *bev, void *arg)
{
	struct port *p = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct frq_serial_packet packet;

	for (unsigned int i = 0; i < MAX_AT_ONCE && p->nb_waiting < MAX_WAITING &&
	     evbuffer_get_length(in) >= sizeof(packet); i++) {
		(void)evbuffer_remove(in, &packet, sizeof(packet));
		handle_packet(p, &packet);
	}
	look_for_applied(p);
	answer_or_wait(p);
	if (p->nb_waiting == MAX_WAITING)
		bufferevent_disable(bev, EV_READ);
	else if (evbuffer_get_length(in) >= sizeof(packet))
		bufferevent_trigger(bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

/* ---- connections ---------------------------------------------------------------- */

/*
 * QEMU has let go of it while the VM is served: lost packets cost more than
 * watts, so the wish counts as the fail-safe says unless it is there again soon.
 */
static void
let_go(struct port *p)
{
	if (p->bev == NULL)
		return;
	bufferevent_free(p->bev);
	p->bev = NULL;
	p->first = p->nb_waiting = 0;
	/* Whatever it wishes: the poller may not have seen that yet. */
	if (!p->closed)
		p->closed = post(p, FRQ_OP_LEASE, CLOSED_LEASE_S);
	FRQ_LOG(NOTICE, "VM %s: serial channel %u was closed by its other end", p->sv->name, p->number);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	let_go(arg);
}

static void
say_failure(struct port *p, int error, const char *why)
{
	if (p->said != error)
		FRQ_LOG(WARNING, "VM %s: serial channel %u, %s: %s; tried again each second",
			p->sv->name, p->number, p->path, why);
	p->said = error;
}

/* Who listens there says which VM it is: root (libvirt), or QEMU's user. */
static bool
is_qemu(const struct serial *s, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
		(cred.uid == 0 || cred.uid == s->c.qemu_user || cred.uid == geteuid());
}

static int
dial(struct port *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret = 0;

	memcpy(addr.sun_path, p->path, strlen(p->path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		ret = -errno;
	else if (!is_qemu(p->sv->serial, fd))
		ret = -EPERM;
	if (ret == 0)
		return fd;
	(void)close(fd);
	return ret;
}

static void
connect_port(struct port *p)
{
	int fd;

	if (!p->there || p->bev != NULL)
		return;
	fd = dial(p);
	if (fd < 0) {
		say_failure(p, fd, fd == -EPERM ? "who listens there is neither root nor QEMU's user" :
			strerror(-fd));
		return;
	}
	p->bev = bufferevent_socket_new(p->sv->serial->c.base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (p->bev == NULL) {
		(void)close(fd);
		return;
	}
	p->said = 0;
	p->sv->connects++;
	bufferevent_setcb(p->bev, on_read, NULL, on_event, p);
	bufferevent_setwatermark(p->bev, EV_READ, sizeof(struct frq_serial_packet), MAX_READ);
	bufferevent_enable(p->bev, EV_READ | EV_WRITE);
	FRQ_LOG(INFO, "VM %s: serial channel %u connected, %s", p->sv->name, p->number, p->path);
}

void
serial_set_ports(struct serial_vm *sv, uint64_t there, char (*path)[VM_MAP_SERIAL_PATH])
{
	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++) {
		struct port *p = &sv->port[n];
		bool is = (there >> n & 1) != 0 && n < sv->vm->nb_channels;

		if (p->there && (!is || strcmp(p->path, path[n]) != 0))
			let_go(p);
		p->there = is;
		if (!is)
			continue;
		memcpy(p->path, path[n], sizeof(p->path));
		connect_port(p);
	}
}

/* ---- VMs --------------------------------------------------------------------- */

/* The ring is ours on both ends: it goes on where the poller's cursor stands. */
static void
init_port(struct port *p, struct serial_vm *sv, unsigned int number)
{
	const struct vm *vm = sv->vm;

	p->sv = sv;
	p->number = number;
	if (number >= vm->nb_channels)
		return;
	p->tx = (struct frq_producer){
		.ring = frq_region_ring(&vm->region, number),
		.doorbell = frq_region_doorbell(&vm->region, number),
		.consumed = frq_region_consumed(&vm->region, number),
		.next = vm->ch[number].wish.next,
		.limit = (uint16_t)(vm->ch[number].wish.next + FRQ_RING_SLOTS),
		.epoch = vm->life.epoch,
		.incarnation = (uint8_t)vm->life.incarnation,
	};
	/* Only let_go gives one, which outlives the daemon and the port. */
	p->closed = __atomic_load_n(&vm->file.slot[number].lease_end_ms, __ATOMIC_RELAXED) != 0;
	/* The region is new, the cursor may not be. */
	frq_store8(p->tx.doorbell, (uint8_t)p->tx.next);
}

struct serial_vm *
serial_attach(struct serial *s, struct vm *vm, const char *name, const struct serial_ops *ops,
	void *arg)
{
	struct serial_vm *sv = calloc(1, sizeof(*sv));

	if (sv == NULL)
		return NULL;
	sv->serial = s;
	sv->vm = vm;
	(void)snprintf(sv->name, sizeof(sv->name), "%s", name);
	sv->ops = ops;
	sv->arg = arg;
	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
		init_port(&sv->port[n], sv, n);
	LIST_INSERT_HEAD(&s->vms, sv, link);
	return sv;
}

void
serial_detach(struct serial_vm *sv)
{
	if (sv == NULL)
		return;
	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
		if (sv->port[n].bev != NULL)
			bufferevent_free(sv->port[n].bev);
	LIST_REMOVE(sv, link);
	free(sv);
}

void
serial_applied(struct serial *s)
{
	struct serial_vm *sv;

	LIST_FOREACH(sv, &s->vms, link)
		for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
			if (sv->port[n].bev != NULL && sv->port[n].nb_waiting > 0)
				answer_or_wait(&sv->port[n]);
}

void
serial_retry(struct serial *s)
{
	struct serial_vm *sv;

	LIST_FOREACH(sv, &s->vms, link)
		for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
			connect_port(&sv->port[n]);
}

struct serial *
serial_create(const struct serial_config *c)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->c = *c;
	LIST_INIT(&s->vms);
	return s;
}

void
serial_free(struct serial *s)
{
	if (s == NULL)
		return;
	/* The analyzer does not see LIST_REMOVE take it off the list. */
	while (!LIST_EMPTY(&s->vms))
		serial_detach(LIST_FIRST(&s->vms));	/* NOLINT(clang-analyzer-unix.Malloc) */
	free(s);
}

/* ---- for status ---------------------------------------------------------------- */

const char *
serial_path(const struct serial_vm *sv, unsigned int port)
{
	return port < FRQ_SERIAL_MAX_PORTS && sv->port[port].there ? sv->port[port].path : "";
}

bool
serial_connected(const struct serial_vm *sv, unsigned int port)
{
	return port < FRQ_SERIAL_MAX_PORTS && sv->port[port].bev != NULL;
}

json_t *
serial_status(const struct serial_vm *sv)
{
	json_t *ports = json_array(), *causes = json_object();

	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
		if (sv->port[n].there)
			(void)json_array_append_new(ports, json_pack("{s:i, s:s, s:b}", "port", (int)n,
				"path", sv->port[n].path, "connected", sv->port[n].bev != NULL));
	for (unsigned int i = SERIAL_GOOD + 1; i < SERIAL_CAUSE_COUNT; i++)
		if (sv->causes[i] != 0)
			(void)json_object_set_new(causes, serial_cause_name((enum serial_cause)i),
				json_integer((json_int_t)sv->causes[i]));
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "ports", ports,
		"packets", (json_int_t)sv->packets,
		"acks", (json_int_t)sv->acks,
		"nacks", (json_int_t)sv->nacks,
		"queries", (json_int_t)sv->queries,
		"queries_denied", (json_int_t)sv->denied,
		"answers_dropped", (json_int_t)sv->dropped,
		"connects", (json_int_t)sv->connects,
		"other", causes);
}
