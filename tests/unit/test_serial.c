/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_serial.c - packets on serial channels: what each is taken for, and a
 * port against a socket whose other end is the test, with the real poller and
 * applier on the simulated backend
 */
#include "fixture.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "power.h"
#include "serial.h"

/* ---- packets ------------------------------------------------------------------ */

static const struct serial_who who = { .vcpu = 3, .pcpu = 7 };

static struct frq_serial_packet
packet(uint32_t command, uint32_t unit, uint64_t resource)
{
	return (struct frq_serial_packet){ .command = command, .unit = unit, .resource_id = resource };
}

static void
judged(void **state)
{
	static const struct {
		uint32_t command, unit;
		uint64_t resource;
		uint8_t core_type;
		enum serial_action action;
		enum serial_cause cause;
		uint8_t op;
	} cases[] = {
		{ 1, 1, 3, 0, SERIAL_POWER, SERIAL_GOOD, FRQ_OP_UP },
		{ 1, 2, 3, 0, SERIAL_POWER, SERIAL_GOOD, FRQ_OP_DOWN },
		{ 1, 3, 3, 0, SERIAL_POWER, SERIAL_GOOD, FRQ_OP_MAX },
		{ 1, 4, 3, 0, SERIAL_POWER, SERIAL_GOOD, FRQ_OP_MIN },
		{ 1, 5, 3, 0, SERIAL_POWER, SERIAL_GOOD, FRQ_OP_TURBO_ON },
		{ 1, 6, 3, 0, SERIAL_POWER, SERIAL_GOOD, FRQ_OP_TURBO_OFF },
		{ 1, 0, 3, 0, SERIAL_IGNORE, SERIAL_BAD_UNIT, 0 },
		{ 1, 7, 3, 0, SERIAL_IGNORE, SERIAL_BAD_UNIT, 0 },
		{ 1, UINT32_MAX, 3, 0, SERIAL_IGNORE, SERIAL_BAD_UNIT, 0 },
		{ 1, 3, 2, 0, SERIAL_REFUSE, SERIAL_WRONG_VCPU, 0 },
		{ 1, 3, 0x7fffffff, 0, SERIAL_REFUSE, SERIAL_WRONG_VCPU, 0 },
		{ 1, 3, UINT64_C(1) << 32 | 3, 0, SERIAL_REFUSE, SERIAL_WRONG_VCPU, 0 },
		{ 1, 3, 7, 1, SERIAL_REFUSE, SERIAL_PHYSICAL, 0 },
		{ 1, 3, 3, 1, SERIAL_REFUSE, SERIAL_PHYSICAL, 0 },
		{ 1, 3, 3, 255, SERIAL_REFUSE, SERIAL_PHYSICAL, 0 },
		{ 2, 99, 99, 9, SERIAL_IGNORE, SERIAL_CONNECT, 0 },
		{ 3, 0, 0, 0, SERIAL_REFUSE, SERIAL_POLICY, 0 },
		{ 4, 0, 0, 0, SERIAL_IGNORE, SERIAL_POLICY_REMOVED, 0 },
		{ 7, 0, 1000, 0, SERIAL_TELL_FREQS, SERIAL_GOOD, 0 },
		{ 8, 0, 3, 0, SERIAL_TELL_FREQS, SERIAL_GOOD, 0 },
		{ 8, 0, 4, 0, SERIAL_IGNORE, SERIAL_WRONG_VCPU, 0 },
		{ 9, 0, 1000, 0, SERIAL_TELL_CAPS, SERIAL_GOOD, 0 },
		{ 10, 0, 3, 0, SERIAL_TELL_CAPS, SERIAL_GOOD, 0 },
		{ 10, 0, 3000000000, 0, SERIAL_IGNORE, SERIAL_WRONG_VCPU, 0 },
		{ 0, 3, 3, 0, SERIAL_IGNORE, SERIAL_BAD_COMMAND, 0 },
		{ 5, 3, 3, 0, SERIAL_IGNORE, SERIAL_BAD_COMMAND, 0 },
		{ 11, 3, 3, 0, SERIAL_IGNORE, SERIAL_BAD_COMMAND, 0 },
		{ UINT32_MAX, 3, 3, 0, SERIAL_IGNORE, SERIAL_BAD_COMMAND, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frq_serial_packet p = packet(cases[i].command, cases[i].unit, cases[i].resource);
		struct serial_request r;

		p.core_type = cases[i].core_type;
		/* Whatever else is in it, names and counts beyond its arrays included. */
		memset(p.vm_name, 'x', sizeof(p.vm_name));
		p.num_vcpu = 255;
		p.nb_mac_to_monitor = INT32_MIN;
		serial_judge(&p, &who, &r);
		assert_int_equal(r.action, cases[i].action);
		assert_int_equal(r.cause, cases[i].cause);
		if (r.action == SERIAL_POWER)
			assert_int_equal(r.op[0], cases[i].op);
		else
			assert_int_equal(r.nb_ops, 0);
	}
}

static void
physical(void **state)
{
	struct serial_who allowed = who;
	struct frq_serial_packet p = packet(1, 3, 7);
	struct serial_request r;

	(void)state;
	allowed.physical = true;
	p.core_type = FRQ_SERIAL_CORE_PHYSICAL;
	serial_judge(&p, &allowed, &r);
	assert_int_equal(r.action, SERIAL_POWER);
	p.resource_id = 8;
	serial_judge(&p, &allowed, &r);
	assert_int_equal(r.cause, SERIAL_PHYSICAL);
	/* Pinned to several, none is its own. */
	allowed.pcpu = UINT_MAX;
	serial_judge(&p, &allowed, &r);
	assert_int_equal(r.cause, SERIAL_PHYSICAL);
}

/* An answer has room for eight vCPUs. */
static void
queries_beyond(void **state)
{
	const struct serial_who far = { .vcpu = 8, .pcpu = UINT_MAX };
	struct frq_serial_packet p = packet(FRQ_SERIAL_QUERY_FREQ, 0, 8);
	struct serial_request r;

	(void)state;
	serial_judge(&p, &far, &r);
	assert_int_equal(r.action, SERIAL_IGNORE);
	p.command = FRQ_SERIAL_QUERY_FREQ_LIST;
	serial_judge(&p, &far, &r);
	assert_int_equal(r.action, SERIAL_TELL_FREQS);
	assert_true(r.all);
}

/* ---- a port --------------------------------------------------------------------- */

#define NB_VCPUS 3u
#define SIZE sizeof(struct frq_serial_packet)

static struct {
	char dir[64];
	char path[FRQ_SERIAL_MAX_PORTS][VM_MAP_SERIAL_PATH];
	int listener, guest;
	struct event_base *base;
	struct applier *applier;
	struct poller *poller;
	struct serial *serial;
	struct serial_vm *sv;
	struct vm *vm;
	bool may_query, may_claim;
	uint64_t generation;
	struct applier_map *claimed;	/* handed over with the next claim */
	void (*at_look)(void);		/* when the applier looks at a CPU */
} t;

static bool
claim(void *arg, unsigned int vcpu)
{
	(void)arg, (void)vcpu;
	if (t.claimed != NULL)
		applier_set_map(t.applier, t.claimed);
	t.claimed = NULL;
	return t.may_claim;
}

static bool may_query(void *arg) { (void)arg; return t.may_query; }
static uint32_t khz(void *arg, unsigned int vcpu) { (void)arg; return 1000000 + vcpu; }
static unsigned int pcpu(void *arg, unsigned int vcpu) { (void)arg; return vcpu; }

static const struct serial_ops ops = { .claim = claim, .may_query = may_query, .khz = khz,
	.pcpu = pcpu };

/* All parts take some turns, as in the daemon they do on threads of their own. */
static void
turn(void)
{
	(void)event_base_loop(t.base, EVLOOP_NONBLOCK);
	(void)fx_turns(t.poller, 64);
	for (unsigned int i = 0; i < 64 && applier_step(t.applier); i++)
		;
	serial_applied(t.serial);
}

/* Channel n on CPU n; channel 0 with the reason why not. */
static struct applier_map *
make_map(enum frq_reason standing)
{
	struct applier_map *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->generation = ++t.generation;
	m->vm[0] = calloc(1, sizeof(*m->vm[0]));
	assert_non_null(m->vm[0]);
	m->nb_vms = 1;
	m->vm[0]->vm = t.vm;
	m->vm[0]->rule = VOTE_RULE_NONE;
	for (unsigned int n = 0; n < NB_VCPUS; n++) {
		m->vm[0]->vcpu[n].standing = n == 0 ? standing : FRQ_REASON_OK;
		cpuset_add(&m->vm[0]->vcpu[n].cpus, n);
	}
	return m;
}

static void
place(enum frq_reason standing)
{
	applier_set_map(t.applier, make_map(standing));
	while (applier_generation(t.applier) != t.generation)
		(void)applier_step(t.applier);
}

static int
take_connection(void)
{
	int fd = -1;

	for (unsigned int i = 0; i < 1000 && fd < 0; i++) {
		turn();
		fd = accept4(t.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	assert_true(fd >= 0);
	return fd;
}

static void
attach(void)
{
	fx_add(t.poller, t.vm);
	t.sv = serial_attach(t.serial, t.vm, "a", &ops, NULL);
	assert_non_null(t.sv);
	place(FRQ_REASON_OK);
	serial_set_ports(t.sv, 1, t.path);
	t.guest = take_connection();
}

static int
look(unsigned int cpu, struct power_look *l)
{
	int ret = power_simulated.look(cpu, l);

	if (t.at_look != NULL)
		t.at_look();
	return ret;
}

static int
set_up(void **state)
{
	static struct power_ops power;
	struct power_config pc = { .state_dir = "/tmp" };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct applier_config ac = { .power = &power, .done_fd = -1 };
	struct serial_config sc = { .qemu_user = 0 };
	struct frq_err err;

	(void)state;
	memset(&t, 0, sizeof(t));
	power = power_simulated;
	power.look = look;
	t.may_claim = true;
	fx_dir_make(t.dir);
	for (unsigned int n = 0; n < NB_VCPUS; n++) {
		cpuset_add(&pc.managed, n);
		(void)snprintf(t.path[n], sizeof(t.path[n]), "%s/s.%u", t.dir, n);
	}
	ac.managed = pc.managed;
	assert_int_equal(power_simulated.start(&pc, &err), 0);
	t.base = event_base_new();
	t.applier = applier_create(&ac);
	t.poller = poller_create(&(struct poller_config){ .queue = applier_queue(t.applier),
		.tsc_hz = fx_tsc_hz(), .notify_fd = -1 });
	sc.base = t.base;
	t.serial = serial_create(&sc);
	t.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, t.path[0], sizeof(addr.sun_path));
	assert_int_equal(bind(t.listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(t.listener, 4), 0);
	t.vm = fx_vm_make(t.dir, 1, NB_VCPUS);
	t.vm->serial = true;
	attach();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	if (t.guest >= 0)
		(void)close(t.guest);
	(void)close(t.listener);
	serial_free(t.serial);
	poller_free(t.poller);
	applier_free(t.applier);
	fx_vm_free(t.vm);
	event_base_free(t.base);
	fx_dir_remove(t.dir);
	return 0;
}

static void
put(const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(t.guest, p, len, MSG_NOSIGNAL);

		if (n < 0)
			assert_int_equal(errno, EAGAIN);
		else
			p += n, len -= (size_t)n;
		turn();
	}
}

/* `len` bytes of an answer; fails after ten seconds. */
static void
get(void *data, size_t len)
{
	uint64_t end = fx_now_ms() + 10000;
	char *p = data;

	while (len > 0) {
		ssize_t n = recv(t.guest, p, len, 0);

		if (n > 0)
			p += n, len -= (size_t)n;
		else
			turn();
		assert_true(fx_now_ms() < end);
	}
}

static void
expect_silence(void)
{
	char c;

	for (unsigned int i = 0; i < 200; i++)
		turn();
	assert_int_equal(recv(t.guest, &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Asks, and takes the answer. */
static uint32_t
ask(uint32_t command, uint32_t unit, uint64_t resource)
{
	struct frq_serial_packet p = packet(command, unit, resource), answer;

	memset(p.vm_name, 'n', sizeof(p.vm_name));
	p.workload = 77;
	put(&p, SIZE);
	get(&answer, SIZE);
	assert_int_equal(answer.resource_id, resource);
	assert_int_equal(answer.unit, unit);
	p.command = answer.command;
	/* It is the request but for that. */
	assert_memory_equal(&p, &answer, SIZE);
	return answer.command;
}

static uint32_t
decided(unsigned int cpu)
{
	struct domain_cpu_stats st;

	applier_get_cpu(t.applier, cpu, &st);
	return st.decided_khz;
}

static json_int_t
counted(const char *key)
{
	json_t *st = serial_status(t.sv), *value = json_object_get(st, key);
	json_int_t n = json_integer_value(value != NULL ? value :
		json_object_get(json_object_get(st, "other"), key));

	json_decref(st);
	return n;
}

static void
units(void **state)
{
	(void)state;
	assert_int_equal(ask(1, FRQ_SERIAL_MAX, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 2601000);
	assert_int_equal(ask(1, FRQ_SERIAL_DISABLE_TURBO, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 2600000);
	assert_int_equal(ask(1, FRQ_SERIAL_DOWN, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 2300000);
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 800000);
	assert_int_equal(ask(1, FRQ_SERIAL_UP, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 1100000);
	assert_int_equal(ask(1, FRQ_SERIAL_ENABLE_TURBO, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 2601000);
	assert_int_equal(counted("acks"), 6);
	assert_int_equal(counted("nacks"), 0);
}

/* Refused, not answered, and nothing set: whatever it says. */
static void
strange(void **state)
{
	static const uint64_t resources[] = { 1, 2, 3, 0x7fffffff, UINT64_MAX };
	struct frq_serial_packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		assert_int_equal(ask(1, FRQ_SERIAL_MAX, resources[i]), FRQ_SERIAL_NACK);
	assert_int_equal(counted("wrong_vcpu"), 5);
	assert_int_equal(ask(FRQ_SERIAL_POLICY, 0, 0), FRQ_SERIAL_NACK);
	assert_int_equal(counted("policy"), 1);
	for (uint32_t command = 0; command < 20; command++) {
		if (command == 1 || command == 3)
			continue;
		p = packet(command, 3, 0);
		put(&p, SIZE);
	}
	p = packet(1, 9, 0);
	put(&p, SIZE);
	expect_silence();
	assert_int_equal(counted("queries_denied"), 4);
	assert_int_equal(counted("bad_unit"), 1);
	assert_int_equal(counted("connect"), 1);
	assert_int_equal(decided(0), 0);
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
}

static void
split_and_glued(void **state)
{
	struct frq_serial_packet p[20], answer;
	char bytes[sizeof(p)];

	(void)state;
	for (unsigned int i = 0; i < 20; i++)
		p[i] = packet(1, i % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX, 0);
	memcpy(bytes, p, sizeof(p));
	for (size_t at = 0, len = 1; at < sizeof(bytes); at += len, len = len * 3 % 701 + 1)
		put(bytes + at, len < sizeof(bytes) - at ? len : sizeof(bytes) - at);
	for (unsigned int i = 0; i < 20; i++) {
		get(&answer, SIZE);
		assert_int_equal(answer.unit, p[i].unit);
		assert_int_equal(answer.command, FRQ_SERIAL_ACK);
	}
	put(bytes, sizeof(bytes));
	for (unsigned int i = 0; i < 20; i++)
		get(&answer, SIZE);
	expect_silence();
	assert_int_equal(decided(0), 2601000);
}

static void
queries(void **state)
{
	struct frq_serial_packet p = packet(FRQ_SERIAL_QUERY_FREQ, 0, 0);
	struct frq_serial_freq_list f;
	struct frq_serial_caps_list c;

	(void)state;
	put(&p, SIZE);
	expect_silence();
	t.may_query = true;
	assert_int_equal(ask(1, FRQ_SERIAL_MAX, 0), FRQ_SERIAL_ACK);
	put(&p, SIZE);
	get(&f, sizeof(f));
	assert_int_equal(f.command, FRQ_SERIAL_FREQ_LIST);
	assert_int_equal(f.num_vcpu, NB_VCPUS);
	assert_int_equal(f.khz[0], 1000000);
	/* Of the one asked for only: DPDK's host leaves its stack in the others. */
	assert_int_equal(f.khz[1], 0);
	p.command = FRQ_SERIAL_QUERY_FREQ_LIST;
	put(&p, SIZE);
	get(&f, sizeof(f));
	assert_int_equal(f.khz[2], 1000002);
	assert_int_equal(f.khz[3], 0);
	p.command = FRQ_SERIAL_QUERY_CAPS;
	put(&p, SIZE);
	get(&c, sizeof(c));
	assert_int_equal(c.command, FRQ_SERIAL_CAPS_LIST);
	assert_int_equal(c.turbo[0], 1);
	assert_int_equal(c.turbo[1], 0);
	p.command = FRQ_SERIAL_QUERY_CAPS_LIST;
	put(&p, SIZE);
	get(&c, sizeof(c));
	assert_int_equal(c.num_vcpu, NB_VCPUS);
	assert_int_equal(counted("queries"), 4);
}

/* Why it is not done is a NACK, and nobody is told "done" before it is. */
static void
refused(void **state)
{
	(void)state;
	place(FRQ_REASON_UNPINNED);
	assert_int_equal(ask(1, FRQ_SERIAL_MAX, 0), FRQ_SERIAL_NACK);
	place(FRQ_REASON_DISABLED);
	assert_int_equal(ask(1, FRQ_SERIAL_MAX, 0), FRQ_SERIAL_NACK);
	place(FRQ_REASON_OK);
	assert_int_equal(decided(0), 2601000);
	t.may_claim = false;
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_NACK);
	assert_int_equal(decided(0), 2601000);
	t.may_claim = true;
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
}

/* A ring got the vCPU after the packet was taken, and before it was looked at. */
static void
elsewhere(void **state)
{
	(void)state;
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
	place(FRQ_REASON_ELSEWHERE);
	assert_int_equal(ask(1, FRQ_SERIAL_MAX, 0), FRQ_SERIAL_NACK);
	assert_false(__atomic_load_n(&t.vm->ch[0].a.reclaims, __ATOMIC_RELAXED));
	place(FRQ_REASON_OK);
	assert_int_equal(decided(0), 2601000);
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 800000);
}

/* The same, and the map comes first: the packet is found when it is taken. */
static void
elsewhere_by_the_map(void **state)
{
	struct frq_serial_packet p = packet(1, FRQ_SERIAL_MAX, 0), answer;

	(void)state;
	assert_int_equal(send(t.guest, &p, SIZE, MSG_NOSIGNAL), SIZE);
	for (unsigned int i = 0; i < 1000 && counted("packets") == 0; i++) {
		(void)event_base_loop(t.base, EVLOOP_NONBLOCK);
		(void)fx_turns(t.poller, 64);
	}
	assert_int_equal(counted("packets"), 1);
	place(FRQ_REASON_ELSEWHERE);
	get(&answer, SIZE);
	assert_int_equal(answer.command, FRQ_SERIAL_NACK);
}

/* A packet is taken and folded while the applier is at something else. */
static void
send_and_fold(void)
{
	struct frq_serial_packet p = packet(1, FRQ_SERIAL_MAX, 0);

	t.at_look = NULL;
	assert_int_equal(send(t.guest, &p, SIZE, MSG_NOSIGNAL), SIZE);
	for (unsigned int i = 0; i < 1000 && counted("packets") == 0; i++)
		(void)event_base_loop(t.base, EVLOOP_NONBLOCK);
	(void)fx_turns(t.poller, 64);
}

/* It speaks for the vCPU again, and the applier has looked for a map just before. */
static void
back_from_elsewhere(void **state)
{
	struct frq_producer other = fx_attach(t.vm, 1, 1);
	struct frq_serial_packet answer;

	(void)state;
	assert_int_equal(frq_producer_post(&other, FRQ_OP_MIN, 0, 0), 0);
	turn();
	assert_int_equal(decided(1), 800000);
	place(FRQ_REASON_ELSEWHERE);
	t.claimed = make_map(FRQ_REASON_OK);
	/* Somebody meddles with the other CPU, so that the applier looks there. */
	assert_int_equal(power_simulated.set(1, 0, NULL), 0);
	applier_check_cpus(t.applier);
	t.at_look = send_and_fold;
	(void)applier_step(t.applier);
	assert_null(t.at_look);
	serial_applied(t.serial);
	get(&answer, SIZE);
	assert_int_equal(answer.command, FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 2601000);
}

/* A guest that sends and does not read: it loses answers, and nobody waits for it. */
static void
deaf(void **state)
{
	struct frq_serial_packet p = packet(1, FRQ_SERIAL_MIN, 0);

	(void)state;
	for (unsigned int i = 0; i < 20000 && counted("answers_dropped") == 0; i++)
		put(&p, SIZE);
	assert_true(counted("answers_dropped") > 0);
	p.unit = FRQ_SERIAL_MAX;
	put(&p, SIZE);
	for (unsigned int i = 0; i < 1000 && decided(0) != 2601000; i++)
		turn();
	assert_int_equal(decided(0), 2601000);
}

/* Nothing is applied: so much is taken, the rest stays with the guest, none is lost. */
static void
stuck_applier(void **state)
{
	struct frq_serial_packet p, answer;
	unsigned int sent = 0;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		ssize_t n;

		p = packet(1, sent % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX, 0);
		n = send(t.guest, &p, SIZE, MSG_NOSIGNAL);
		(void)event_base_loop(t.base, EVLOOP_NONBLOCK);
		(void)fx_turns(t.poller, 16);
		if (n < 0)
			break;
		assert_int_equal(n, SIZE);
		sent++;
	}
	assert_true(sent > 32);
	assert_true(counted("packets") <= 40);
	for (unsigned int i = 0; i < sent; i++) {
		get(&answer, SIZE);
		assert_int_equal(answer.unit, i % 2 == 0 ? FRQ_SERIAL_MIN : FRQ_SERIAL_MAX);
		assert_int_equal(answer.command, FRQ_SERIAL_ACK);
	}
	assert_int_equal(counted("packets"), sent);
	assert_int_equal(decided(0), sent % 2 == 0 ? 2601000 : 800000);
}

/* QEMU closes it: the wish holds a moment, then the fail-safe does, until the guest is back. */
static void
closed(void **state)
{
	uint64_t end;

	(void)state;
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
	(void)close(t.guest);
	t.guest = -1;
	turn();
	assert_int_equal(decided(0), 800000);
	for (end = fx_now_ms() + 10000; decided(0) != 2601000 && fx_now_ms() < end;)
		turn();
	assert_int_equal(decided(0), 2601000);
	serial_retry(t.serial);
	t.guest = take_connection();
	assert_int_equal(decided(0), 2601000);
	assert_int_equal(ask(1, FRQ_SERIAL_DOWN, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 800000);
	assert_int_equal(counted("connects"), 2);
}

/* QEMU closes it before the poller has seen what was asked last. */
static void
closed_at_once(void **state)
{
	struct frq_serial_packet p = packet(1, FRQ_SERIAL_MIN, 0);

	(void)state;
	assert_int_equal(send(t.guest, &p, SIZE, MSG_NOSIGNAL), SIZE);
	for (unsigned int i = 0; i < 1000 && counted("packets") == 0; i++)
		(void)event_base_loop(t.base, EVLOOP_NONBLOCK);
	assert_int_equal(counted("packets"), 1);
	(void)close(t.guest);
	t.guest = -1;
	while (serial_connected(t.sv, 0))
		(void)event_base_loop(t.base, EVLOOP_ONCE);
	turn();
	assert_int_equal(decided(0), 800000);
	assert_int_not_equal(t.vm->file.slot[0].lease_end_ms, 0);
}

/* It sends no more, and may still read: the socket is of no use to it. */
static void
half_closed(void **state)
{
	char c;

	(void)state;
	assert_int_equal(shutdown(t.guest, SHUT_WR), 0);
	for (unsigned int i = 0; i < 100; i++)
		turn();
	assert_int_equal(recv(t.guest, &c, 1, 0), 0);
	(void)close(t.guest);
	serial_retry(t.serial);
	t.guest = take_connection();
	assert_int_equal(ask(1, FRQ_SERIAL_MAX, 0), FRQ_SERIAL_ACK);
}

/* What was consumed outlives the daemon, and the next packet goes on from there. */
static void
restarted(void **state)
{
	struct vm *dead = t.vm;

	(void)state;
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
	assert_int_equal(ask(1, FRQ_SERIAL_UP, 0), FRQ_SERIAL_ACK);
	serial_detach(t.sv);
	(void)close(t.guest);
	fx_remove(t.poller, dead);
	t.vm = fx_vm_again(t.dir, dead);
	t.vm->serial = true;
	/* Its memory is new. */
	frq_region_init(&t.vm->region, &t.vm->info, t.vm->life);
	attach();
	assert_int_equal(decided(0), 1100000);
	assert_int_equal(ask(1, FRQ_SERIAL_UP, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 1400000);
	fx_vm_free(dead);
}

/* QEMU closed it before the daemon ended: the lease that runs since is not for ever. */
static void
restarted_while_closed(void **state)
{
	struct vm *dead = t.vm;

	(void)state;
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
	(void)close(t.guest);
	turn();
	turn();
	assert_int_not_equal(dead->file.slot[0].lease_end_ms, 0);
	serial_detach(t.sv);
	fx_remove(t.poller, dead);
	/* It ran out meanwhile. */
	dead->file.slot[0].lease_end_ms = 1;
	t.vm = fx_vm_again(t.dir, dead);
	t.vm->serial = true;
	frq_region_init(&t.vm->region, &t.vm->info, t.vm->life);
	attach();
	assert_int_equal(decided(0), 2601000);
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
	assert_int_equal(decided(0), 800000);
	assert_int_equal(t.vm->file.slot[0].lease_end_ms, 0);
	fx_vm_free(dead);
}

static void
no_socket(void **state)
{
	(void)state;
	/* Of three, one is there. */
	serial_set_ports(t.sv, 7 | UINT64_C(1) << 63, t.path);
	turn();
	assert_true(serial_connected(t.sv, 0));
	assert_false(serial_connected(t.sv, 1));
	assert_string_equal(serial_path(t.sv, 1), t.path[1]);
	/* Beyond the VM's vCPUs there is none. */
	assert_string_equal(serial_path(t.sv, 63), "");
	serial_set_ports(t.sv, 0, t.path);
	assert_false(serial_connected(t.sv, 0));
	serial_set_ports(t.sv, 1, t.path);
	(void)close(t.guest);
	t.guest = take_connection();
	assert_int_equal(ask(1, FRQ_SERIAL_MAX, 0), FRQ_SERIAL_ACK);
}

/* Bytes of chance, for a while: an answer to what means something, and no harm. */
static void
garbage(void **state)
{
	uint64_t seed = 12345;

	(void)state;
	t.may_query = true;
	for (unsigned int i = 0; i < 2000; i++) {
		struct frq_serial_packet p;
		char sink[4096];

		for (size_t n = 0; n < SIZE; n += 4)
			memcpy((char *)&p + n, &(uint32_t){ fx_random(&seed) }, 4);
		if (i % 2 == 0)
			p.command = fx_random(&seed) % 12;
		if (i % 4 == 0)
			p.unit = fx_random(&seed) % 8;
		if (i % 3 == 0)
			p.resource_id = fx_random(&seed) % 5;
		put(&p, SIZE);
		while (recv(t.guest, sink, sizeof(sink), 0) > 0)
			;
	}
	assert_int_equal(counted("packets"), 2000);
	(void)close(t.guest);
	turn();
	serial_retry(t.serial);
	t.guest = take_connection();
	assert_int_equal(ask(1, FRQ_SERIAL_MIN, 0), FRQ_SERIAL_ACK);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judged),
		cmocka_unit_test(physical),
		cmocka_unit_test(queries_beyond),
		T(units),
		T(strange),
		T(split_and_glued),
		T(queries),
		T(refused),
		T(elsewhere),
		T(elsewhere_by_the_map),
		T(back_from_elsewhere),
		T(deaf),
		T(stuck_applier),
		T(closed),
		T(closed_at_once),
		T(half_closed),
		T(restarted),
		T(restarted_while_closed),
		T(no_socket),
		T(garbage),
	};

	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
