/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changing domains, as far as libvirt's test driver goes: it finds and pins
 * them; devices it neither attaches nor detaches, which is to be said.
 * tests/system/test_attach.sh has the rest.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>

#include "domain_change.h"

#define UUID_A "11111111-aaaa-4aaa-8aaa-00000000000a"
#define UUID_B "11111111-aaaa-4aaa-8aaa-00000000000b"
#define UUID_C "11111111-aaaa-4aaa-8aaa-00000000000c"
#define OURS(name) "<shmem name='" name "'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>"

static virConnectPtr conn;

static void
quiet(void *arg, virErrorPtr error)
{
	(void)arg, (void)error;
}

static virDomainPtr
define(const char *name, const char *uuid, const char *devices)
{
	virDomainPtr dom;
	char xml[2048];

	(void)snprintf(xml, sizeof(xml), "<domain type='test'><name>%s</name><uuid>%s</uuid>"
		"<memory>8192</memory><vcpu current='1'>2</vcpu><os><type>hvm</type></os>"
		"<devices>%s</devices></domain>", name, uuid, devices);
	dom = virDomainDefineXML(conn, xml);
	assert_non_null(dom);
	return dom;
}

static void
undefine(virDomainPtr dom)
{
	if (virDomainIsActive(dom) == 1)
		assert_int_equal(virDomainDestroy(dom), 0);
	assert_int_equal(virDomainUndefine(dom), 0);
	(void)virDomainFree(dom);
}

static void
lookup(void **state)
{
	/* Named like the other's UUID. */
	virDomainPtr a = define("a", UUID_A, ""), b = define(UUID_A, UUID_B, ""), dom;
	static const struct {
		const char *vm, *uuid;
	} cases[] = {
		{ "a", UUID_A }, { UUID_A, UUID_A }, { UUID_B, UUID_B }, { "nobody", NULL }, { "", NULL },
		{ UUID_C, NULL }, { "A", NULL },
		{ "------------------------------------", NULL },
	};
	char uuid[VIR_UUID_STRING_BUFLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frq_err err = { "" };
		int ret = domain_lookup(conn, cases[i].vm, &dom, &err);

		if (cases[i].uuid == NULL) {
			assert_int_equal(ret, -ENOENT);
			assert_null(dom);
			assert_non_null(strstr(err.text, cases[i].vm));
			continue;
		}
		assert_int_equal(ret, 0);
		assert_int_equal(virDomainGetUUIDString(dom, uuid), 0);
		assert_string_equal(uuid, cases[i].uuid);
		(void)virDomainFree(dom);
	}
	undefine(a);
	undefine(b);
}

/* ---- pinning ---------------------------------------------------------------- */

static int
pin(const char *vm, unsigned int vcpu, const char *cpus, bool live, bool config,
	bool *in_live, bool *in_config, struct frq_err *err)
{
	struct cpuset set;
	struct domain_pin p = { vm, vcpu, &set, live, config };

	assert_true(cpuset_parse(&set, cpus, err));
	return domain_pin(conn, &p, in_live, in_config, err);
}

static void
pin_and_read(void **state)
{
	struct domain_pins *pins = malloc(sizeof(*pins));
	virDomainPtr a = define("a", UUID_A, "");
	struct frq_err err = { "" };
	bool live, config;
	char text[64];

	(void)state;
	assert_non_null(pins);
	assert_int_equal(virDomainCreate(a), 0);
	assert_int_equal(pin("a", 0, "1-2", false, false, &live, &config, &err), 0);
	assert_true(live && !config);
	assert_int_equal(domain_get_pins(conn, UUID_A, DOMAIN_CURRENT, pins, &err), 0);
	assert_true(pins->live);
	/* The second could be plugged in. */
	assert_int_equal(pins->nb, 2);
	assert_string_equal(cpuset_format(&pins->cpus[0], text, sizeof(text)), "1-2");
	/* The driver knows no flags; live means the same here. */
	assert_int_equal(pin("a", 0, "3", true, false, &live, &config, &err), 0);
	assert_true(live && !config);
	assert_int_equal(domain_get_pins(conn, "a", DOMAIN_CURRENT, pins, &err), 0);
	assert_string_equal(cpuset_format(&pins->cpus[0], text, sizeof(text)), "3");
	/* In the definition does not, and nothing else is changed instead. */
	assert_int_equal(pin("a", 0, "4", false, true, &live, &config, &err), -EIO);
	assert_true(!live && !config);
	assert_non_null(strstr(err.text, "VM a: vCPU 0 cannot be pinned in its definition: "));
	assert_int_equal(domain_get_pins(conn, "a", DOMAIN_CURRENT, pins, &err), 0);
	assert_string_equal(cpuset_format(&pins->cpus[0], text, sizeof(text)), "3");
	assert_int_equal(pin("a", 0, "5", true, true, &live, &config, &err), -EIO);
	assert_true(live && !config);
	assert_non_null(strstr(err.text, "pinned live, but VM a: "));
	undefine(a);
	free(pins);
}

static void
pin_what_cannot_be(void **state)
{
	static const struct {
		const char *vm;
		unsigned int vcpu;
		const char *cpus;
		bool live, config;
		int ret;
		const char *text;
	} cases[] = {
		{ "nobody", 0, "0", false, false, -ENOENT, "no VM nobody" },
		{ "a", 2, "0", false, false, -EINVAL, "VM a has no vCPU 2 running, only 0 to 1" },
		{ "a", 4000000000u, "0", true, false, -EINVAL, "no vCPU 4000000000" },
		{ "a", 0, "0,1023", false, false, -EINVAL, "the host has no CPU 1023, only 0 to " },
		{ "off", 0, "0", true, false, -EINVAL, "VM off does not run" },
		{ "off", 0, "0", true, true, -EINVAL, "VM off does not run" },
		{ "off", 2, "0", false, false, -EINVAL, "VM off has no vCPU 2 in its definition" },
		/* Named as its owner knows it. */
		{ UUID_A, 2, "0", false, false, -EINVAL, "VM a has no vCPU 2" },
		{ UUID_A, 0, "1023", false, false, -EINVAL, "VM a: the host has no CPU 1023" },
		{ UUID_B, 0, "0", true, false, -EINVAL, "VM off does not run" },
	};
	virDomainPtr a = define("a", UUID_A, ""), off = define("off", UUID_B, "");
	struct cpuset nothing = { { 0 } };
	struct domain_pin p = { .vm = "a", .cpus = &nothing };
	struct frq_err err;
	bool live, config;

	(void)state;
	assert_int_equal(virDomainCreate(a), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(pin(cases[i].vm, cases[i].vcpu, cases[i].cpus, cases[i].live,
			cases[i].config, &live, &config, &err), cases[i].ret);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_true(!live && !config);
	}
	assert_int_equal(domain_pin(conn, &p, &live, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no CPU to pin vCPU 0 to"));
	undefine(a);
	undefine(off);
}

static void
pins_of_nobody(void **state)
{
	struct domain_pins *pins = malloc(sizeof(*pins));
	struct frq_err err = { "" };

	(void)state;
	assert_non_null(pins);
	assert_int_equal(domain_get_pins(conn, "nobody", DOMAIN_CURRENT, pins, &err), -ENOENT);
	assert_int_equal(pins->nb, 0);
	free(pins);
}

static void
no_live_pins(void **state)
{
	struct domain_pins *pins = malloc(sizeof(*pins));
	virDomainPtr a = define("a", UUID_A, "");
	struct frq_err err = { "" };

	(void)state;
	assert_non_null(pins);
	assert_int_equal(domain_get_pins(conn, UUID_A, DOMAIN_LIVE, pins, &err), -EINVAL);
	assert_string_equal(err.text, "VM a does not run: it has no live pinning");
	undefine(a);
	free(pins);
}

/* ---- devices ------------------------------------------------------------------ */

static void
not_supported(void **state)
{
	struct domain_change c = { .vm = "a", .prefix = "freqring-", .serial = 2 };
	virDomainPtr a = define("a", UUID_A, "");
	struct domain_change_result r;
	struct frq_err err = { "" };

	(void)state;
	assert_int_equal(virDomainCreate(a), 0);
	assert_int_equal(domain_attach(conn, &c, &r, &err), 0);
	assert_string_equal(r.name, "a");
	assert_string_equal(r.uuid_text, UUID_A);
	assert_string_equal(r.object, "freqring-a");
	assert_true(r.live.asked && r.config.asked && !r.live.done && !r.config.done);
	assert_non_null(strstr(r.live.text, "shmem device freqring-a cannot be attached: "));
	assert_non_null(strstr(r.live.text, "not supported"));
	assert_non_null(strstr(r.live.text, "channels 0 to 1: not while it runs: no virtio-serial controller"));
	assert_non_null(strstr(r.config.text, "channel 0 cannot be attached: "));
	assert_non_null(strstr(r.xml, "poweragent.1'"));
	domain_change_result_free(&r);
	undefine(a);
}

static void
detach_not_supported(void **state)
{
	struct domain_change c = { .vm = UUID_A, .prefix = "freqring-", .wait_ms = 1 };
	virDomainPtr a = define("a", UUID_A, OURS("freqring-x"));
	struct domain_change_result r;
	struct frq_err err = { "" };

	(void)state;
	assert_int_equal(domain_detach(conn, &c, &r, &err), 0);
	assert_string_equal(r.object, "freqring-x");
	assert_true(!r.live.asked && r.config.asked && !r.config.done);
	assert_non_null(strstr(r.config.text, "shmem device freqring-x cannot be detached: "));
	domain_change_result_free(&r);
	assert_int_equal(virDomainCreate(a), 0);
	c.live = true;
	assert_int_equal(domain_detach(conn, &c, &r, &err), 0);
	assert_true(r.live.asked && !r.config.asked && !r.live.done);
	assert_non_null(strstr(r.live.text, "shmem device freqring-x cannot be detached: "));
	assert_non_null(strstr(r.xml, "freqring-x"));
	domain_change_result_free(&r);
	undefine(a);
}

static void
nothing_to_do(void **state)
{
	struct domain_change c = { .vm = "a", .prefix = "freqring-" };
	virDomainPtr a = define("a", UUID_A, OURS("freqring-x")), b = define("b", UUID_B, "");
	struct domain_change_result r;
	struct frq_err err = { "" };

	(void)state;
	assert_int_equal(virDomainCreate(a), 0);
	assert_int_equal(domain_attach(conn, &c, &r, &err), 0);
	assert_true(r.live.done && r.config.done);
	assert_non_null(strstr(r.live.text, "freqring-x: there already"));
	assert_string_equal(r.text, "");
	domain_change_result_free(&r);
	c.vm = "b";
	c.detach_serial = true;
	assert_int_equal(domain_detach(conn, &c, &r, &err), 0);
	assert_true(!r.live.asked && r.config.asked && r.config.done);
	assert_string_equal(r.config.text, "no device of ours and no channel");
	assert_string_equal(r.object, "");
	domain_change_result_free(&r);
	undefine(a);
	undefine(b);
}

static void
refused(void **state)
{
	static const struct {
		struct domain_change c;
		int ret;
		const char *text;
	} cases[] = {
		{ { .vm = "nobody" }, -ENOENT, "no VM nobody" },
		{ { .vm = "off", .live = true }, -EINVAL, "VM off does not run" },
		{ { .vm = "off", .live = true, .config = true }, -EINVAL, "VM off does not run" },
		{ { .vm = "off", .serial = DOMAIN_SERIAL_MAX + 1 }, -EINVAL, "65 channels are too many" },
		{ { .vm = "wrong" }, -EINVAL, "VM wrong, in its definition: shmem device freqring-w: no size" },
	};
	virDomainPtr off = define("off", UUID_A, ""), wrong = define("wrong", UUID_B,
		"<shmem name='freqring-w'><model type='ivshmem-plain'/></shmem>");
	struct domain_change_result r;
	struct frq_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_change c = cases[i].c;

		c.prefix = "freqring-";
		assert_int_equal(domain_attach(conn, &c, &r, &err), cases[i].ret);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_null(r.xml);
	}
	undefine(off);
	undefine(wrong);
}

static void
names(void **state)
{
	static const struct {
		const char *name, *twin;	/* has that shmem, of ours or not */
		const char *object;
		int ret;
	} cases[] = {
		{ "a", "freqring-b", "freqring-a", 0 },
		{ "a", "freqring-a", "freqring-" UUID_A, 0 },
		{ "a b", "freqring-a", "freqring-" UUID_A, 0 },
		{ "a b", "freqring-" UUID_A, NULL, -EEXIST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_change c = { .vm = UUID_A, .prefix = "freqring-", .print_only = true };
		struct domain_change_result r;
		struct frq_err err = { "" };
		virDomainPtr a, b;
		char shmem[256];

		(void)snprintf(shmem, sizeof(shmem), OURS("%s"), cases[i].twin);
		a = define(cases[i].name, UUID_A, "");
		b = define("twin", UUID_B, shmem);
		assert_int_equal(domain_attach(conn, &c, &r, &err), cases[i].ret);
		if (cases[i].ret == 0) {
			assert_string_equal(r.object, cases[i].object);
			assert_non_null(strstr(r.config.text, "would be attached"));
			assert_false(r.config.done);
			domain_change_result_free(&r);
		} else {
			assert_non_null(strstr(err.text, "another VM has the shmem object freqring-" UUID_A));
		}
		undefine(a);
		undefine(b);
	}
}

/* Nobody would connect: QEMU would wait for that, and the guest with it. */
static void
port_of_nobody(void **state)
{
	virDomainPtr dom = virDomainDefineXML(conn, "<domain type='test'><name>a</name><uuid>" UUID_A
		"</uuid><memory>8192</memory><memoryBacking><access mode='shared'/></memoryBacking>"
		"<vcpu>1</vcpu><os><type>hvm</type></os></domain>");
	struct domain_change c = { .vm = UUID_A, .prefix = "freqring-", .port_dir = "/run",
		.port_not_live = "nobody serves it", .print_only = true };
	struct domain_change_result r;
	struct frq_err err = { "" };

	(void)state;
	assert_non_null(dom);
	assert_int_equal(domain_attach(conn, &c, &r, &err), 0);
	assert_false(r.live.asked);
	assert_non_null(strstr(r.config.text, "would be attached"));
	domain_change_result_free(&r);
	assert_int_equal(virDomainCreate(dom), 0);
	assert_int_equal(domain_attach(conn, &c, &r, &err), -EINVAL);
	assert_non_null(strstr(err.text, "VM a runs"));
	assert_non_null(strstr(err.text, "nobody serves it"));
	c.config = true;
	assert_int_equal(domain_attach(conn, &c, &r, &err), 0);
	domain_change_result_free(&r);
	undefine(dom);
}

static int
connect_to(void **state)
{
	(void)state;
	xmlInitParser();
	virSetErrorFunc(NULL, quiet);
	if (virInitialize() < 0)
		return -1;
	conn = virConnectOpen("test:///default");
	return conn != NULL ? 0 : -1;
}

static int
disconnect(void **state)
{
	(void)state;
	return virConnectClose(conn);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup),
		cmocka_unit_test(pin_and_read),
		cmocka_unit_test(pin_what_cannot_be),
		cmocka_unit_test(pins_of_nobody),
		cmocka_unit_test(no_live_pins),
		cmocka_unit_test(not_supported),
		cmocka_unit_test(detach_not_supported),
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(refused),
		cmocka_unit_test(names),
		cmocka_unit_test(port_of_nobody),
	};

	return cmocka_run_group_tests(tests, connect_to, disconnect);
}
