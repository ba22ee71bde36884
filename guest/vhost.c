/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost.c - frames of a virtio-net port as a transport
 *
 * The same protocol as in shared memory, at one remove: what the host would
 * store into a region comes in frames and is put into a copy of that region,
 * which recover.c, wait.c and status.c look at as if it were the region; what
 * this side would store into the ring goes out, a word a frame. The copy is
 * the channel's own, and only its thread touches it.
 *
 * A host talks to a queue that said hello. A daemon that was started anew has
 * not heard it, so it is said again whenever the host is silent.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "freqring_pvt.h"
#include "freqring_vhost.h"

#define ANSWERS_NS	UINT64_C(150000000)
#define SILENT_NS	UINT64_C(30000000)	/* then hello is said again */
#define REOPEN_NS	UINT64_C(100000000)
#define CATCH_UP_NS	UINT64_C(20000000)
#define LOST_NS		UINT64_C(500000000)	/* what is not consumed by then never will be */
#define SPIN_NS		UINT64_C(50000)
#define STEP_NS		UINT64_C(1000000)	/* of a wait, between two looks */
/* Taken in at once: as many as lie there after an idle time, in a socket or a ring of QEMU's. */
#define FRAMES_MAX	1024u

#define NO_PORT		"the virtio-net port is gone"
#define NO_ANSWER	"nobody answers at the other end of the virtio-net port"

struct frq_vhost {
	const struct frq_frames *frames;
	void *port;			/* NULL: not open */
	struct frq_region copy;
	uint64_t hello;			/* word of the last one */
	bool answered;			/* the last one was */
	uint64_t hello_ns, heard_ns, posted_ns, reopen_ns;
	uint64_t table_version;
	uint16_t limit;			/* the producer's; that has none, see hide_credit */
};

/* ---- the way to send frames --------------------------------------------------- */

#define MODULE		"libfreqring-ethdev.so"
#define MODULE_SYMBOL	"freqring_ethdev_frames"

/* DPDK's, which the program has anyway; for whoever has none it is never loaded. */
static const struct frq_frames *
load_module(struct frq_err *why)
{
	static const struct frq_frames *frames;
	void *module;

	if (__atomic_load_n(&frames, __ATOMIC_ACQUIRE) != NULL)
		return frames;
	module = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
	if (module == NULL) {
		frq_err_set(why, "%.200s", dlerror());
		return NULL;
	}
	__atomic_store_n(&frames, (const struct frq_frames *)dlsym(module, MODULE_SYMBOL),
		__ATOMIC_RELEASE);
	if (frames == NULL)
		frq_err_set(why, MODULE " is not of this version");
	return frames;
}

static const struct frq_frames *
frames_for(const struct freqring *fr, struct frq_err *why)
{
	if (fr->port != NULL && strncmp(fr->port, "ethdev", strlen("ethdev")) == 0)
		return load_module(why);
	return &frq_packet_frames;
}

/* ---- frames --------------------------------------------------------------------- */

static int
send_frame(struct freqring_channel *ch, enum frq_vhost_kind kind, uint64_t word)
{
	struct frq_vhost *v = ch->vhost;
	struct frq_vhost_request f = {
		.head = {
			.to = FRQ_VHOST_MAC_PREFIX,
			.ethertype = { FRQ_VHOST_ETHERTYPE >> 8, FRQ_VHOST_ETHERTYPE & 0xff },
			.version = FRQ_VHOST_VERSION,
			.kind = (uint8_t)kind,
		},
		.word = word,
		.channel = (uint16_t)ch->vcpu,
	};

	if (v->port == NULL)
		return -ENOTCONN;
	v->frames->address(v->port, f.head.from);
	return v->frames->send(v->port, &f, sizeof(f));
}

static void
send_hello(struct freqring_channel *ch, uint64_t now)
{
	struct frq_vhost *v = ch->vhost;

	v->hello_ns = now;
	(void)send_frame(ch, FRQ_VHOST_HELLO, v->hello);
}

/* Only an answer to this one counts from now on. */
static void
say_hello(struct freqring_channel *ch, uint64_t now)
{
	struct frq_vhost *v = ch->vhost;

	v->answered = false;
	if (getrandom(&v->hello, sizeof(v->hello), GRND_NONBLOCK) != (ssize_t)sizeof(v->hello) ||
	    v->hello == 0)
		v->hello = now | 1;
	send_hello(ch, now);
}

/* The magic last: from then on there is something to be read. */
static void
take_state(struct freqring_channel *ch, const struct frq_vhost_state *f)
{
	struct frq_vhost *v = ch->vhost;
	struct frq_header FRQ_SHARED *h = frq_region_header(&v->copy);
	struct frq_consumed_line FRQ_SHARED *c = frq_region_consumed(&v->copy, ch->vcpu);
	struct frq_state_line FRQ_SHARED *s = frq_region_state(&v->copy, ch->vcpu);

	frq_store64(&s->now, f->now);
	frq_store64(&s->wish_khz, f->wish_khz);
	frq_store64(&s->lease_left_ms, f->lease_left_ms);
	frq_store64(&s->refusals, f->refusals);
	for (unsigned int i = 0; i < FRQ_REFUSAL_LOG; i++)
		frq_store64(&s->refusal[i], f->refusal[i]);
	frq_store64(&s->applied, f->applied);
	frq_store64(&c->ping, f->ping);
	frq_store64(&c->owner, f->owner);
	frq_store64(&c->consumed, f->consumed);
	frq_store64(&s->verdict, f->verdict);
	for (unsigned int i = 0; i < sizeof(f->uuid); i++)
		frq_store8(&h->uuid[i], f->uuid[i]);
	frq_store64(&h->version, FRQ_ABI_VERSION);
	frq_store64(&h->nb_channels, f->nb_channels);
	frq_store64(&h->features, f->features);
	frq_store64(&h->heartbeat, f->heartbeat);
	frq_store64(&h->life, f->life);
	frq_store64(&h->magic, FRQ_MAGIC);
	__atomic_store_n(&v->heard_ns, frq_coarse_ns(), __ATOMIC_RELAXED);
	v->answered |= f->hello == v->hello;
}

static void
take_table(struct freqring_channel *ch, const struct frq_vhost_table *f)
{
	struct frq_vhost *v = ch->vhost;
	struct freq_table t = { .nb = f->nb_freqs, .turbo = f->turbo != 0 };

	if (f->nb_freqs > FRQ_MAX_FREQS)
		return;
	memcpy(t.khz, f->khz, t.nb * sizeof(t.khz[0]));
	frq_table_write(frq_region_table(&v->copy, ch->vcpu), &v->table_version, &t);
}

union frame {
	struct frq_vhost_head head;
	struct frq_vhost_state state;
	struct frq_vhost_table table;
};

static bool
is_for(const struct freqring_channel *ch, const union frame *f, size_t len)
{
	return len >= sizeof(f->head) && f->head.version == FRQ_VHOST_VERSION &&
		f->head.ethertype[0] == FRQ_VHOST_ETHERTYPE >> 8 &&
		f->head.ethertype[1] == (FRQ_VHOST_ETHERTYPE & 0xff) &&
		f->state.channel == ch->vcpu;
}

/* Take in what there is. @return 0, or -ENOTCONN */
static int
pump(struct freqring_channel *ch)
{
	struct frq_vhost *v = ch->vhost;
	union frame f;

	for (unsigned int i = 0; v->port != NULL && i < FRAMES_MAX; i++) {
		int len = v->frames->receive(v->port, &f, sizeof(f));

		if (len <= 0)
			return len;
		if (!is_for(ch, &f, (size_t)len))
			continue;
		if (f.head.kind == FRQ_VHOST_STATE && (size_t)len == sizeof(f.state))
			take_state(ch, &f.state);
		else if (f.head.kind == FRQ_VHOST_TABLE && (size_t)len == sizeof(f.table))
			take_table(ch, &f.table);
	}
	return v->port != NULL ? 0 : -ENOTCONN;
}

/* ---- the port ---------------------------------------------------------------------- */

static struct frq_vhost *
new_vhost(void)
{
	struct frq_vhost *v = calloc(1, sizeof(*v));
	void *base;

	if (v == NULL)
		return NULL;
	base = mmap(NULL, FRQ_REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	if (base == MAP_FAILED) {
		free(v);
		return NULL;
	}
	v->copy = (struct frq_region){ .base = base, .fd = -1 };
	return v;
}

static void
close_port(struct frq_vhost *v)
{
	if (v->port != NULL)
		v->frames->close(v->port);
	v->port = NULL;
	v->answered = false;
}

static int
open_port(struct freqring_channel *ch, bool claim, struct frq_err *why)
{
	struct frq_vhost *v = ch->vhost;

	if (v->port != NULL && v->frames->there(v->port))
		return 0;
	close_port(v);
	v->frames = frames_for(ch->fr, why);
	if (v->frames == NULL)
		return -ENODEV;
	return v->frames->open(&v->port, &ch->fr->places, ch->fr->port, ch->fr->which_port, ch->vcpu,
		claim, why);
}

void
frq_vhost_free(struct freqring_channel *ch)
{
	if (ch->vhost == NULL)
		return;
	close_port(ch->vhost);
	frq_region_close(&ch->vhost->copy);
	free(ch->vhost);
	ch->vhost = NULL;
}

/* Say hello and wait for the answer. */
static bool
is_answered(struct freqring_channel *ch, uint64_t wait_ns)
{
	struct frq_vhost *v = ch->vhost;
	uint64_t end = frq_now_ns() + wait_ns, now;

	say_hello(ch, frq_coarse_ns());
	while (pump(ch) == 0 && !v->answered) {
		now = frq_now_ns();
		if (now >= end)
			return false;
		/* It may have been lost with the carrier, or the answer be under way. */
		if (frq_coarse_ns() - v->hello_ns >= SILENT_NS)
			send_hello(ch, frq_coarse_ns());
		v->frames->wait(v->port, end - now < STEP_NS ? end - now : STEP_NS);
	}
	return v->answered;
}

/* ---- the handle ----------------------------------------------------------------------- */

/* A channel for a question: that of the first vCPU, which nobody need have taken. */
static int
open_probe(struct freqring *fr, struct freqring_channel *probe, struct frq_err *why)
{
	int ret;

	*probe = (struct freqring_channel){ .fr = fr, .vhost = new_vhost() };
	if (probe->vhost == NULL) {
		frq_err_set(why, "out of memory");
		return -ENOMEM;
	}
	ret = open_port(probe, false, why);
	if (ret < 0)
		frq_vhost_free(probe);
	return ret;
}

/* From now on that one of those that look like ours is the port. @return 0, or why not */
static int
take_port(struct freqring *fr, unsigned int which, struct frq_err *why)
{
	struct freqring_channel probe;
	int ret;

	fr->which_port = which;
	ret = open_probe(fr, &probe, why);
	if (ret == 0)
		frq_vhost_free(&probe);
	return ret;
}

static bool
vhost_answers(struct freqring *fr, struct frq_err *why)
{
	struct freqring_channel probe;
	bool answers;

	if (open_probe(fr, &probe, why) < 0)
		return false;
	answers = is_answered(&probe, ANSWERS_NS);
	if (!answers)
		frq_err_set(why, NO_ANSWER);
	frq_vhost_free(&probe);
	return answers;
}

/* Where several look like ours, the one whose other end answers; else the first. */
static int
vhost_find(struct freqring *fr, struct frq_err *why)
{
	struct frq_err none;

	if (take_port(fr, 1, &none) == 0)
		for (unsigned int which = 0; take_port(fr, which, &none) == 0; which++)
			if (vhost_answers(fr, &none))
				return 0;
	return take_port(fr, 0, why);
}

static int
vhost_check_vcpu(struct freqring *fr, unsigned int vcpu)
{
	struct freqring_channel probe = { .fr = fr, .vcpu = vcpu, .vhost = new_vhost() };
	int ret;

	if (probe.vhost == NULL)
		return frq_fail(fr, -ENOMEM, "out of memory");
	ret = vcpu < FRQ_VHOST_MAX_PAIRS ? open_port(&probe, false, &fr->err) : -EINVAL;
	if (vcpu >= FRQ_VHOST_MAX_PAIRS)
		frq_err_set(&fr->err, "no vCPU %u: a virtio-net port has at most %u", vcpu,
			FRQ_VHOST_MAX_PAIRS);
	frq_vhost_free(&probe);
	return ret == 0 ? 0 : frq_fail(fr, ret, fr->err.text);
}

/* From a channel that has the port: its queue is nobody else's to ask over. */
static bool
info_of_channel(const struct freqring *fr, struct freqring_info *info)
{
	for (const struct freqring_channel *c = fr->channels; c != NULL; c = c->next) {
		/* Pairs with the store in move_to, transport.c. */
		if (__atomic_load_n(&c->t, __ATOMIC_ACQUIRE) != &frq_vhost)
			continue;
		frq_ring_info(&c->vhost->copy, info);
		info->host_alive = !info->host_stopped && frq_coarse_ns() -
			__atomic_load_n(&c->vhost->heard_ns, __ATOMIC_RELAXED) < fr->stale_ns;
		return true;
	}
	return false;
}

static int
vhost_info(struct freqring *fr, struct freqring_info *info, unsigned int timeout_ms)
{
	uint64_t wait = (uint64_t)timeout_ms * 1000000;
	struct freqring_channel probe;
	int ret = open_probe(fr, &probe, &fr->err);

	if (ret < 0)
		return frq_fail(fr, ret, fr->err.text);
	if (!info_of_channel(fr, info)) {
		info->host_alive = is_answered(&probe, wait > ANSWERS_NS ? wait : ANSWERS_NS);
		if (info->host_alive)
			frq_ring_info(&probe.vhost->copy, info);
		info->host_alive &= !info->host_stopped;
	}
	probe.vhost->frames->name(probe.vhost->port, info->device, sizeof(info->device));
	frq_vhost_free(&probe);
	return 0;
}

/* ---- take a channel, and leave it --------------------------------------------------------- */

static void
use_copy(struct freqring_channel *ch)
{
	const struct frq_region *r = &ch->vhost->copy;

	ch->region = r;
	ch->verdict_word = &frq_region_state(r, ch->vcpu)->verdict;
	ch->now_word = &frq_region_state(r, ch->vcpu)->now;
	ch->quick_word = ch->verdict_word;
	ch->verdict = frq_load64(ch->verdict_word);
	ch->uncached = false;
	ch->p = (struct frq_producer){
		.ring = frq_region_ring(r, ch->vcpu),
		.doorbell = frq_region_doorbell(r, ch->vcpu),
		.consumed = frq_region_consumed(r, ch->vcpu),
	};
	ch->beat = frq_load64(&frq_region_header(r)->heartbeat);
	ch->beat_ns = frq_coarse_ns();
	ch->still_ns = 0;
}

/* The fast path posts while there is credit, and would not send a frame. */
static void
hide_credit(struct freqring_channel *ch)
{
	ch->vhost->limit = ch->p.limit;
	ch->p.limit = ch->p.next;
}

static void
show_credit(struct freqring_channel *ch)
{
	ch->p.limit = ch->vhost->limit;
}

/* Its word is in the copy's ring already. One that cannot be sent now
 * counts as lost: see mend_loss.
 */
static void
send_attach(struct freqring_channel *ch)
{
	hide_credit(ch);
	ch->vhost->posted_ns = frq_coarse_ns();
	(void)send_frame(ch, FRQ_VHOST_REQUEST, ch->attach_word);
}

static void
post_attach(struct freqring_channel *ch, struct frq_life life)
{
	/* Past all that another program may have under way: a ring of it. */
	frq_store8(ch->p.doorbell, (uint8_t)(frq_consumed_unpack(
		frq_load64(&ch->p.consumed->consumed)).next + FRQ_RING_SLOTS));
	frq_attach_post(ch, life);
	send_attach(ch);
}

/* @return 0; -ENOTCONN: nobody; live, -EAGAIN: not yet, or nobody */
static int
await_host(struct freqring_channel *ch, bool live)
{
	struct frq_vhost *v = ch->vhost;
	uint64_t now = frq_coarse_ns();

	if (!live)
		return is_answered(ch, ANSWERS_NS) ? 0 : frq_fail(ch->fr, -ENOTCONN, NO_ANSWER);
	/* What was asked at the last look is answered by now, or nobody is there. */
	if (pump(ch) == 0 && v->answered && now - v->heard_ns < ch->fr->stale_ns)
		return 0;
	say_hello(ch, now);
	return -EAGAIN;
}

static int
open_for(struct freqring_channel *ch, bool live, bool claim)
{
	uint64_t now = frq_coarse_ns();
	struct frq_err why;
	int ret;

	if (ch->vhost == NULL)
		ch->vhost = new_vhost();
	if (ch->vhost == NULL)
		return live ? -ENOMEM : frq_fail(ch->fr, -ENOMEM, "out of memory");
	/* A look through the interfaces is some tens of system calls. */
	if (live && ch->vhost->port == NULL && now < ch->vhost->reopen_ns)
		return -ENOTCONN;
	ch->vhost->reopen_ns = now + REOPEN_NS;
	ret = open_port(ch, claim, live ? &why : &ch->fr->err);
	return ret == 0 || live ? ret : frq_fail(ch->fr, ret, ch->fr->err.text);
}

static int
vhost_attach(struct freqring_channel *ch, bool live)
{
	const char *problem;
	struct frq_life life;
	int ret;

	if (ch->t == &frq_vhost)
		return -ENOTCONN;
	ret = open_for(ch, live, true);
	if (ret == 0)
		ret = await_host(ch, live);
	if (ret < 0)
		return ret;
	problem = frq_life_problem(&ch->vhost->copy, &life);
	if (problem != NULL)
		return live ? -ENOTCONN : frq_fail(ch->fr, -ENOTCONN, problem);
	use_copy(ch);
	post_attach(ch, life);
	return 0;
}

static int
vhost_observe(struct freqring_channel *ch)
{
	int ret = open_for(ch, false, false);

	if (ret == 0)
		ret = await_host(ch, false);
	if (ret == 0)
		use_copy(ch);
	return ret;
}

/* What is under way in the queue the host still takes. */
static void
vhost_leave(struct freqring_channel *ch, bool withdraw)
{
	(void)withdraw;
	close_port(ch->vhost);
}

/* ---- the channel ------------------------------------------------------------------------------ */

static int
vhost_post(struct freqring_channel *ch, enum frq_op op, uint32_t arg)
{
	struct frq_vhost *v = ch->vhost;
	int ret = pump(ch);

	show_credit(ch);
	if (ret == 0 && frq_producer_credit(&ch->p) == 0)
		ret = frq_producer_refill(&ch->p);
	hide_credit(ch);
	if (ret == 0)
		ret = send_frame(ch, FRQ_VHOST_REQUEST, frq_request_pack((struct frq_request){
			.seq = ch->p.next, .epoch = ch->p.epoch, .op = (uint8_t)op, .arg = arg }));
	if (ret == -ENOTCONN)
		return frq_fail(ch->fr, -ENOTCONN, NO_PORT);
	if (ret < 0)
		return ret;
	show_credit(ch);
	ch->p.next++;
	hide_credit(ch);
	frq_store8(ch->p.doorbell, (uint8_t)ch->p.next);
	v->posted_ns = frq_coarse_ns();
	return 0;
}

static int
vhost_heed(struct freqring_channel *ch, uint64_t *verdict)
{
	uint64_t attach = ch->attach_word;
	int ret;

	(void)pump(ch);
	show_credit(ch);
	ret = frq_ring_heed(ch, verdict);
	if (ch->attach_word == attach)
		hide_credit(ch);
	if (ret == 0 && ch->attach_word != attach)
		send_attach(ch);
	return ret;
}

/* A frame that the kernel or the device lost: the host will wait for it for ever. */
static void
mend_loss(struct freqring_channel *ch, uint64_t now)
{
	struct frq_vhost *v = ch->vhost;
	struct frq_consumed c = frq_consumed_unpack(frq_load64(&ch->p.consumed->consumed));

	struct frq_life life;

	if (ch->mute != NULL || c.next == ch->p.next || c.epoch != ch->p.epoch ||
	    now - v->posted_ns < LOST_NS || now - v->heard_ns >= SILENT_NS ||
	    frq_life_problem(&v->copy, &life) != NULL)
		return;
	post_attach(ch, life);
	frq_forget_asked(ch);
	if (ch->relative)
		ch->wish = ch->seen_khz != 0 ? frq_ask(FRQ_OP_SET, ch->seen_khz) : 0;
	ch->relative = false;
	ch->restate_due = true;
}

static const char *
reopen(struct freqring_channel *ch, uint64_t now)
{
	struct frq_err why;

	if (now < ch->vhost->reopen_ns)
		return NO_PORT;
	ch->vhost->reopen_ns = now + REOPEN_NS;
	if (open_port(ch, true, &why) < 0)
		return NO_PORT;
	say_hello(ch, now);
	return NULL;
}

static const char *
vhost_look(struct freqring_channel *ch, uint64_t now)
{
	struct frq_vhost *v = ch->vhost;
	const struct frq_header FRQ_SHARED *h = frq_region_header(&v->copy);
	struct frq_life life;
	const char *why = NULL;
	bool still;

	if (pump(ch) < 0 || !v->frames->there(v->port))
		why = reopen(ch, now);
	else if (now - v->heard_ns >= SILENT_NS && now - v->hello_ns >= SILENT_NS)
		say_hello(ch, now);
	still = frq_stands_still(ch, frq_load64(&h->heartbeat), now);
	life = frq_life_unpack(frq_load64(&h->life));
	if (why != NULL)
		return why;
	if ((life.flags & FRQ_LIFE_QUARANTINED) != 0)
		return "the host has this VM in quarantine";
	if (still)
		return NO_ANSWER;
	mend_loss(ch, now);
	return NULL;
}

static int
vhost_wait(struct freqring_channel *ch, bool applied, uint64_t end_ns)
{
	struct frq_vhost *v = ch->vhost;
	uint64_t start = frq_now_ns(), now;
	int ret;

	for (;;) {
		(void)pump(ch);
		if (frq_ring_reached(ch, applied))
			return ch->restate_due ? frq_fail(ch->fr, -ENOTCONN, NO_ANSWER) : 0;
		if (frq_fail_over(ch))
			return -EINTR;
		ret = frq_ring_check(ch);
		if (ret < 0)
			return ret;
		now = frq_now_ns();
		if (now >= end_ns)
			return frq_fail(ch->fr, -ETIMEDOUT, "the host did not answer in time");
		if (now - start > SPIN_NS && v->port != NULL)
			v->frames->wait(v->port, end_ns - now < STEP_NS ? end_ns - now : STEP_NS);
	}
}

/* After an idle time what came in is old: where a socket is full the newest is lost. */
static void
catch_up(struct freqring_channel *ch)
{
	bool idle = frq_coarse_ns() - ch->vhost->heard_ns >= SILENT_NS;

	if (pump(ch) == 0 && idle)
		(void)is_answered(ch, CATCH_UP_NS);
}

static int
vhost_status(struct freqring_channel *ch, struct freqring_status *st)
{
	catch_up(ch);
	return frq_ring_status(ch, st);
}

static int
vhost_query_khz(struct freqring_channel *ch, uint32_t *khz)
{
	catch_up(ch);
	return frq_ring_query_khz(ch, khz);
}

static int
vhost_query_caps(struct freqring_channel *ch, struct freqring_caps *caps)
{
	catch_up(ch);
	return frq_ring_query_caps(ch, caps);
}

const struct frq_transport frq_vhost = {
	.id = FREQRING_TRANSPORT_VHOST,
	.name = "vhost-user",
	.find = vhost_find,
	.answers = vhost_answers,
	.check_vcpu = vhost_check_vcpu,
	.attach = vhost_attach,
	.observe = vhost_observe,
	.leave = vhost_leave,
	.post = vhost_post,
	.full = frq_ring_full,
	.carry = frq_ring_carry,
	.heed = vhost_heed,
	.look = vhost_look,
	.wait = vhost_wait,
	.status = vhost_status,
	.freqs = frq_ring_freqs,
	.query_khz = vhost_query_khz,
	.query_caps = vhost_query_caps,
	.info = vhost_info,
};
