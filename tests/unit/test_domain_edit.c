/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is to be done to a domain, from its XML alone: room for a device,
 * ports for channels, and which devices are ours.
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

#include "domain_edit.h"
#include "domain_xml.h"

#define PREFIX "freqring-"
#define UUID "11111111-aaaa-4aaa-8aaa-000000000001"

#define DOMAIN(devices) "<domain><devices>" devices "</devices></domain>"
#define SHMEM(name, inside) "<shmem name='" name "'>" inside "</shmem>"
#define OURS SHMEM("freqring-a", "<model type='ivshmem-plain'/><size unit='M'>1</size>")

#define BUS(index, model) "<controller type='pci' index='" index "' model='" model "'>" \
	"<alias name='pci." index "'/></controller>"
#define AT(bus, slot) "<disk><address type='pci' domain='0x0000' bus='" bus "' slot='" slot "' function='0x0'/></disk>"
#define PORT(index, at) "<controller type='pci' index='" index "' model='pcie-root-port'>" \
	"<alias name='pci." index "'/><address type='pci' domain='0x0000' bus='0x00' " at "/></controller>"

#define CONTROLLER(index, more) "<controller type='virtio-serial' index='" index "' " more ">" \
	"<alias name='virtio-serial" index "'/></controller>"
#define CHANNEL(n, controller, port) "<channel type='unix'><source mode='bind'/>" \
	"<target type='virtio' name='virtio.serial.port.poweragent." n "'/>" \
	"<address type='virtio-serial' controller='" controller "' bus='0' port='" port "'/></channel>"

#define SHARED "<memoryBacking><access mode='shared'/></memoryBacking>"
#define OUR_PORT "<interface type='vhostuser'><source type='unix' path='/d/freqring-a.sock' mode='server'/>" \
	"<model type='virtio'/><alias name='net3'/></interface>"
#define NOT_OURS "<interface type='vhostuser'><source type='unix' path='/d/ovs' mode='server'/></interface>"

/* An allocation of its exact size: a read beyond it shows. */
static int
open_edit(const char *text, bool live, struct domain_edit **e, struct frq_err *err)
{
	size_t len = strlen(text);
	char *copy = malloc(len + 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, text, len);
	ret = domain_edit_open(e, copy, len, PREFIX, live, err);
	free(copy);
	return ret;
}

static struct domain_edit *
edit_of(const char *text, bool live)
{
	struct frq_err err = { "" };
	struct domain_edit *e;

	assert_int_equal(open_edit(text, live, &e, &err), 0);
	return e;
}

/* ---- the shared memory ----------------------------------------------------- */

#define SLOTS_0_15 AT("0", "0x0") AT("0", "0x1") AT("0", "0x2") AT("0", "0x3") AT("0", "0x4") \
	AT("0", "0x5") AT("0", "0x6") AT("0", "0x7") AT("0", "0x8") AT("0", "0x9") AT("0", "0xa") \
	AT("0", "0xb") AT("0", "0xc") AT("0", "0xd") AT("0", "0xe") AT("0", "0xf")
#define SLOTS_16_30 AT("0", "16") AT("0", "17") AT("0", "18") AT("0", "19") AT("0", "20") \
	AT("0", "21") AT("0", "22") AT("0", "23") AT("0", "24") AT("0", "25") AT("0", "26") \
	AT("0", "27") AT("0", "28") AT("0", "29") AT("0", "0x1e")
#define PC BUS("0", "pci-root")
#define Q35 BUS("0", "pcie-root")

static void
room_for_the_device(void **state)
{
	static const struct {
		const char *xml;
		enum domain_edit_verdict verdict;
		const char *text;	/* NO_ROOM: why; else the address, "": libvirt's choice */
	} cases[] = {
		{ DOMAIN(PC), DOMAIN_EDIT_CHANGE, "" },
		{ DOMAIN(PC SLOTS_0_15 SLOTS_16_30), DOMAIN_EDIT_CHANGE, "" },
		{ DOMAIN(PC SLOTS_0_15 SLOTS_16_30 AT("0x00", "0x1f")), DOMAIN_EDIT_NO_ROOM,
			"no free PCI slot" },
		/* Another domain's slot, and one that is no number, take none. */
		{ DOMAIN(PC SLOTS_0_15 SLOTS_16_30 "<disk><address type='pci' domain='0x0001' bus='0' slot='31'/>"
			"</disk>" AT("0", "thirty-one") AT("0", "32") AT("-0", "31")), DOMAIN_EDIT_CHANGE, "" },
		{ DOMAIN(PC SLOTS_0_15 SLOTS_16_30 AT("0", "31") BUS("1", "pci-bridge")), DOMAIN_EDIT_CHANGE, "" },
		{ DOMAIN(Q35), DOMAIN_EDIT_NO_ROOM, "no free root port" },
		{ DOMAIN(Q35 PORT("1", "slot='0x01' function='0x0' multifunction='on'")), DOMAIN_EDIT_CHANGE,
			"bus='0x01' slot='0x00'" },
		{ DOMAIN(Q35 PORT("1", "slot='1' function='0x0' multifunction='on'")
			PORT("2", "slot='1' function='0x1'") AT("0x01", "0x00")), DOMAIN_EDIT_CHANGE,
			"bus='0x02' slot='0x00'" },
		{ DOMAIN(Q35 PORT("1", "slot='1'") PORT("2", "slot='2'") AT("0x01", "0x00") AT("0x02", "0x00")),
			DOMAIN_EDIT_NO_ROOM, "no free root port" },
		/* Bus 0x10 is not bus 10. */
		{ DOMAIN(Q35 PORT("10", "slot='1'") PORT("16", "slot='2'") AT("0x10", "0x00")), DOMAIN_EDIT_CHANGE,
			"bus='0x0a' slot='0x00'" },
		{ DOMAIN(Q35 PORT("255", "slot='1'")), DOMAIN_EDIT_CHANGE, "bus='0xff' slot='0x00'" },
		{ DOMAIN(Q35 PORT("256", "slot='1'")), DOMAIN_EDIT_NO_ROOM, "no free root port" },
		{ DOMAIN(Q35 BUS("1", "pcie-switch-downstream-port")), DOMAIN_EDIT_CHANGE, "bus='0x01' slot='0x00'" },
		{ DOMAIN(Q35 BUS("1", "pcie-switch-upstream-port")), DOMAIN_EDIT_NO_ROOM, "no free root port" },
		{ DOMAIN(Q35 "<controller type='pci' index='1' model='pcie-root-port'>"
			"<target chassis='1' hotplug='off'/><alias name='pci.1'/></controller>"),
			DOMAIN_EDIT_NO_ROOM, "no free root port" },
		/* No alias: QEMU does not have it. */
		{ DOMAIN(Q35 "<controller type='pci' index='1' model='pcie-root-port'/>"), DOMAIN_EDIT_NO_ROOM,
			"no free root port" },
		/* libvirt finds a slot of a bridge by itself, and a root port is left to others. */
		{ DOMAIN(Q35 PORT("1", "slot='1'") BUS("2", "pcie-to-pci-bridge") AT("0x01", "0x00")),
			DOMAIN_EDIT_CHANGE, "" },
		{ DOMAIN(Q35 PORT("1", "slot='1'") BUS("2", "pcie-to-pci-bridge")), DOMAIN_EDIT_CHANGE, "" },
		{ DOMAIN(Q35 BUS("1", "dmi-to-pci-bridge")), DOMAIN_EDIT_NO_ROOM, "no free root port" },
		{ DOMAIN(Q35 BUS("1", "dmi-to-pci-bridge") BUS("2", "pci-bridge")), DOMAIN_EDIT_CHANGE, "" },
		/* A machine of another kind: libvirt is asked. */
		{ DOMAIN(""), DOMAIN_EDIT_CHANGE, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_edit *e = edit_of(cases[i].xml, true);
		struct domain_edit_part p;

		assert_int_equal(domain_edit_attach_shmem(e, "freqring-a", &p), 0);
		assert_int_equal(p.verdict, cases[i].verdict);
		if (p.verdict == DOMAIN_EDIT_CHANGE) {
			assert_int_equal(p.nb, 1);
			assert_non_null(strstr(p.device[0].xml, "<shmem name='freqring-a' role='master'>"));
			assert_int_equal(strstr(p.device[0].xml, "<address") != NULL, cases[i].text[0] != '\0');
			assert_non_null(strstr(p.device[0].xml, cases[i].text));
		} else {
			assert_int_equal(p.nb, 0);
			assert_string_equal(p.text, cases[i].text);
		}
		domain_edit_part_free(&p);
		/* In a definition there is room for everything. */
		domain_edit_close(e);
		e = edit_of(cases[i].xml, false);
		assert_int_equal(domain_edit_attach_shmem(e, "freqring-a", &p), 0);
		assert_int_equal(p.verdict, DOMAIN_EDIT_CHANGE);
		assert_null(strstr(p.device[0].xml, "<address"));
		domain_edit_part_free(&p);
		domain_edit_close(e);
	}
}

static void
full_bridge(void **state)
{
	char xml[8192] = "<domain><devices>" BUS("0", "pcie-root") BUS("7", "pcie-to-pci-bridge");
	struct domain_edit_part p;
	struct domain_edit *e;

	(void)state;
	for (unsigned int slot = 1; slot < 32; slot++)
		(void)snprintf(xml + strlen(xml), sizeof(xml) - strlen(xml),
			"<disk><address type='pci' bus='0x07' slot='0x%02x'/></disk>", slot);
	(void)snprintf(xml + strlen(xml), sizeof(xml) - strlen(xml), "</devices></domain>");
	e = edit_of(xml, true);
	assert_int_equal(domain_edit_attach_shmem(e, "freqring-a", &p), 0);
	assert_int_equal(p.verdict, DOMAIN_EDIT_NO_ROOM);
	domain_edit_close(e);
}

static void
device_there(void **state)
{
	static const struct {
		const char *xml;
		enum domain_edit_verdict verdict;
		const char *object, *text;
	} cases[] = {
		{ DOMAIN(OURS), DOMAIN_EDIT_FINE, "freqring-a", "" },
		{ DOMAIN(SHMEM("other", "") OURS), DOMAIN_EDIT_FINE, "freqring-a", "" },
		{ DOMAIN(SHMEM("freqring-a", "<model type='ivshmem-doorbell'/>")), DOMAIN_EDIT_WRONG,
			"freqring-a", "use ivshmem-plain; change it, or detach it" },
		{ DOMAIN(SHMEM("freqring-a", "<model type='ivshmem-plain'/><size unit='M'>4</size>")),
			DOMAIN_EDIT_WRONG, "freqring-a", "use <size unit='M'>1</size>" },
		{ DOMAIN(SHMEM("freqring-a", "<model type='ivshmem-plain'/>")), DOMAIN_EDIT_WRONG,
			"freqring-a", "no size" },
		{ DOMAIN(OURS SHMEM("freqring-b", "")), DOMAIN_EDIT_WRONG, "freqring-a", "keep one" },
		{ DOMAIN(SHMEM("freqring-a/b", "")), DOMAIN_EDIT_WRONG, "?", "slash" },
		{ DOMAIN(SHMEM("other", "")), DOMAIN_EDIT_CHANGE, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_edit *e = edit_of(cases[i].xml, i % 2 == 0);
		struct domain_edit_part p;

		assert_int_equal(domain_edit_attach_shmem(e, "freqring-x", &p), 0);
		assert_int_equal(p.verdict, cases[i].verdict);
		assert_string_equal(domain_edit_object(e), cases[i].object);
		assert_non_null(strstr(p.text, cases[i].text));
		domain_edit_part_free(&p);
		domain_edit_close(e);
	}
}

static void
names_in_xml(void **state)
{
	struct domain_edit *e = edit_of(DOMAIN(SHMEM("a&apos;b&lt;c&amp;", "") OURS), false);
	struct domain_edit_part p;
	char *xml;

	(void)state;
	assert_true(domain_edit_has_object(e, "freqring-a"));
	assert_true(domain_edit_has_object(e, "a'b<c&"));
	assert_false(domain_edit_has_object(e, "freqring-"));
	domain_edit_close(e);
	xml = domain_edit_xml("freqring-'<&>", 0);
	assert_non_null(xml);
	assert_non_null(strstr(xml, "name='freqring-&apos;&lt;&amp;>'"));
	e = edit_of(DOMAIN(""), false);
	assert_int_equal(domain_edit_attach_shmem(e, "freqring-'<&>", &p), 0);
	assert_string_equal(p.device[0].xml, xml);
	domain_edit_part_free(&p);
	domain_edit_close(e);
	free(xml);
}

/* ---- channels --------------------------------------------------------------- */

static void
ports_for_channels(void **state)
{
	static const struct {
		const char *xml;
		unsigned int nb;
		enum domain_edit_verdict verdict;
		const char *text;	/* "c.p c.p ..." of what is added, or why not */
	} cases[] = {
		{ DOMAIN(""), 0, DOMAIN_EDIT_FINE, "" },
		{ DOMAIN(""), 1, DOMAIN_EDIT_NO_ROOM, "no virtio-serial controller" },
		{ DOMAIN("<controller type='virtio-serial' index='0'/>"), 1, DOMAIN_EDIT_NO_ROOM,
			"no virtio-serial controller" },
		{ DOMAIN(CONTROLLER("0", "")), 2, DOMAIN_EDIT_CHANGE, "0.1 0.2 " },
		{ DOMAIN(CONTROLLER("0", "") CHANNEL("0", "0", "1")), 1, DOMAIN_EDIT_FINE, "" },
		{ DOMAIN(CONTROLLER("0", "") CHANNEL("1", "0", "1")), 2, DOMAIN_EDIT_CHANGE, "0.2 " },
		{ DOMAIN(CONTROLLER("0", "") CHANNEL("0", "0", "1") CHANNEL("2", "0", "3")), 4,
			DOMAIN_EDIT_CHANGE, "0.2 0.4 " },
		{ DOMAIN(CONTROLLER("0", "ports='3'")), 2, DOMAIN_EDIT_CHANGE, "0.1 0.2 " },
		{ DOMAIN(CONTROLLER("0", "ports='3'")), 3, DOMAIN_EDIT_NO_ROOM,
			"2 free ports on its virtio-serial controllers for 3 channels" },
		{ DOMAIN(CONTROLLER("0", "ports='1'")), 1, DOMAIN_EDIT_NO_ROOM, "0 free ports" },
		{ DOMAIN(CONTROLLER("0", "ports='0'")), 1, DOMAIN_EDIT_NO_ROOM, "0 free ports" },
		{ DOMAIN(CONTROLLER("0", "ports='-1'")), 1, DOMAIN_EDIT_CHANGE, "0.1 " },
		{ DOMAIN(CONTROLLER("0", "")), 30, DOMAIN_EDIT_CHANGE, NULL },
		{ DOMAIN(CONTROLLER("0", "")), 31, DOMAIN_EDIT_NO_ROOM, "30 free ports" },
		{ DOMAIN(CONTROLLER("0", "ports='99999999'")), 64, DOMAIN_EDIT_CHANGE, NULL },
		{ DOMAIN(CONTROLLER("0", "ports='3'") CONTROLLER("5", "ports='0x3'")), 4, DOMAIN_EDIT_CHANGE,
			"0.1 0.2 5.1 5.2 " },
		/* QEMU has no controller 1: the one that libvirt left dangling. */
		{ DOMAIN(CONTROLLER("0", "ports='2'") "<controller type='virtio-serial' index='1'/>"), 2,
			DOMAIN_EDIT_NO_ROOM, "1 free ports" },
		/* Other people's, on our controllers. */
		{ DOMAIN(CONTROLLER("0", "ports='4'")
			"<channel type='spicevmc'><address type='virtio-serial' controller='0' port='0x2'/></channel>"
			"<console><address type='virtio-serial' bus='0' port='1'/></console>"), 2,
			DOMAIN_EDIT_NO_ROOM, "1 free ports" },
		{ DOMAIN(CONTROLLER("0", "") "<channel type='pty'><target type='virtio' "
			"name='virtio.serial.port.poweragent.1'/></channel>"), 2, DOMAIN_EDIT_WRONG,
			"channel 1 is not a UNIX socket" },
		{ DOMAIN("<channel type='unix'><source mode='connect' path='/x'/><target type='virtio' "
			"name='virtio.serial.port.poweragent.0'/></channel>"), 1, DOMAIN_EDIT_WRONG,
			"channel 0 is not a UNIX socket of mode bind" },
		/* Not asked for. */
		{ DOMAIN(CONTROLLER("0", "") "<channel type='pty'><target type='virtio' "
			"name='virtio.serial.port.poweragent.1'/></channel>"), 1, DOMAIN_EDIT_CHANGE, "0.1 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_edit *e = edit_of(cases[i].xml, true);
		struct domain_edit_part p;
		char places[1024] = "";

		assert_int_equal(domain_edit_attach_serial(e, cases[i].nb, &p), 0);
		assert_int_equal(p.verdict, cases[i].verdict);
		for (unsigned int n = 0; n < p.nb; n++) {
			const char *at = strstr(p.device[n].xml, "controller='");
			unsigned int controller, port;

			assert_non_null(at);
			assert_int_equal(sscanf(at, "controller='%u' bus='0' port='%u'", &controller, &port), 2);
			assert_in_range(port, 1, 510);
			(void)snprintf(places + strlen(places), sizeof(places) - strlen(places), "%u.%u ",
				controller, port);
		}
		if (p.verdict == DOMAIN_EDIT_CHANGE && cases[i].text != NULL)
			assert_string_equal(places, cases[i].text);
		else if (cases[i].text != NULL)
			assert_non_null(strstr(p.text, cases[i].text));
		else
			assert_int_equal(p.nb, cases[i].nb);
		domain_edit_part_free(&p);
		domain_edit_close(e);
	}
}

static void
channels_of_a_definition(void **state)
{
	struct domain_edit *e = edit_of(DOMAIN(CHANNEL("3", "0", "1")), false);
	struct domain_edit_part p;
	char *all;

	(void)state;
	assert_int_equal(domain_edit_attach_serial(e, DOMAIN_SERIAL_MAX, &p), 0);
	assert_int_equal(p.nb, DOMAIN_SERIAL_MAX - 1);
	for (unsigned int n = 0; n < p.nb; n++)
		assert_null(strstr(p.device[n].xml, "<address"));
	assert_string_equal(p.device[3].what, "channel 4");
	assert_non_null(strstr(p.device[3].xml, "name='virtio.serial.port.poweragent.4'"));
	domain_edit_part_free(&p);
	domain_edit_close(e);
	/* All of it together is what a definition may have. */
	all = domain_edit_xml("freqring-a", 2);
	assert_non_null(all);
	assert_non_null(strstr(all, "poweragent.1'"));
	assert_null(strstr(all, "poweragent.2'"));
	free(all);
}

/* ---- detach ------------------------------------------------------------------ */

static void
ours_alone(void **state)
{
	struct domain_edit *e = edit_of(DOMAIN(
		"<shmem name='freqring-a' role='master'><model type='ivshmem-plain'/><alias name='shmem1'/></shmem>"
		SHMEM("other", "") SHMEM("xfreqring-a", "") SHMEM("freqring-b", "")
		CHANNEL("0", "0", "1") CHANNEL("17", "0", "2") CHANNEL("", "0", "3") CHANNEL("1x", "0", "4")
		CHANNEL("007", "0", "5") CHANNEL("-1", "0", "6")
		"<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
		"<channel type='unix'><target type='guestfwd' name='virtio.serial.port.poweragent.4'/></channel>"
		"<channel type='pty'><target type='virtio' name='virtio.serial.port.poweragent.5'/></channel>"
		"<channel/>"), true);
	struct domain_edit_part p;

	(void)state;
	assert_int_equal(domain_edit_detach_shmem(e, &p), 0);
	assert_int_equal(p.verdict, DOMAIN_EDIT_CHANGE);
	assert_int_equal(p.nb, 2);
	assert_string_equal(p.device[0].alias, "shmem1");
	assert_string_equal(p.device[0].xml, "<shmem name=\"freqring-a\" role=\"master\">\n"
		"  <model type=\"ivshmem-plain\"/>\n  <alias name=\"shmem1\"/>\n</shmem>");
	assert_string_equal(p.device[1].alias, "");
	assert_string_equal(p.device[1].what, "shmem device freqring-b");
	domain_edit_part_free(&p);
	assert_int_equal(domain_edit_detach_serial(e, &p), 0);
	assert_int_equal(p.nb, 3);
	assert_string_equal(p.device[0].what, "channel 0");
	assert_string_equal(p.device[1].what, "channel 17");
	assert_string_equal(p.device[2].what, "channel 5");
	domain_edit_part_free(&p);
	domain_edit_close(e);
	e = edit_of(DOMAIN(SHMEM("other", "")), false);
	assert_int_equal(domain_edit_detach_shmem(e, &p), 0);
	assert_int_equal(p.verdict, DOMAIN_EDIT_FINE);
	assert_int_equal(domain_edit_detach_serial(e, &p), 0);
	assert_int_equal(p.verdict, DOMAIN_EDIT_FINE);
	domain_edit_close(e);
}

/* ---- names ---------------------------------------------------------------------- */

static void
object_names(void **state)
{
	static const struct {
		const char *name;
		bool by_name;
	} cases[] = {
		{ "demo", true }, { "a.b-c_d+e@f=g:1", true }, { "", false }, { "a b", false },
		{ "a/b", false }, { "a,b", false }, { "a'b", false }, { "a*", false }, { "{a}", false },
		{ "b\xc3\xbc", false }, { "a\nb", false },
	};
	char object[NAME_MAX + 1], name[NAME_MAX + 1];
	bool by_name;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(domain_edit_make_object(PREFIX, cases[i].name, UUID, object, &by_name), 0);
		assert_int_equal(by_name, cases[i].by_name);
		(void)snprintf(name, sizeof(name), PREFIX "%s", by_name ? cases[i].name : UUID);
		assert_string_equal(object, name);
	}
	memset(name, 'x', sizeof(name));
	name[NAME_MAX - strlen(PREFIX)] = '\0';
	assert_int_equal(domain_edit_make_object(PREFIX, name, UUID, object, &by_name), 0);
	assert_true(by_name);
	assert_int_equal(strlen(object), NAME_MAX);
	name[NAME_MAX - strlen(PREFIX)] = 'x';
	name[NAME_MAX - strlen(PREFIX) + 1] = '\0';
	assert_int_equal(domain_edit_make_object(PREFIX, name, UUID, object, &by_name), 0);
	assert_false(by_name);
	name[NAME_MAX - strlen(PREFIX)] = '\0';
	assert_int_equal(domain_edit_make_object(name, "a b", UUID, object, &by_name), -ENAMETOOLONG);
}

/* ---- hostile text ----------------------------------------------------------------- */

static void
no_domain_xml(void **state)
{
	static const char *const cases[] = {
		"", "garbage", "<domain>", "<domains/>", "<!DOCTYPE domain><domain/>",
		"<!DOCTYPE domain [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain>&e;</domain>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_edit *e = NULL;
		struct frq_err err = { "" };

		assert_int_equal(open_edit(cases[i], true, &e, &err), -EINVAL);
		assert_null(e);
		assert_string_not_equal(err.text, "");
	}
}

static void
try_all(struct domain_edit *e)
{
	struct domain_edit_part p;

	assert_int_equal(domain_edit_attach_shmem(e, "freqring-x", &p), 0);
	domain_edit_part_free(&p);
	assert_int_equal(domain_edit_attach_serial(e, 5, &p), 0);
	assert_in_range(p.nb, 0, 5);
	domain_edit_part_free(&p);
	assert_int_equal(domain_edit_detach_shmem(e, &p), 0);
	domain_edit_part_free(&p);
	assert_int_equal(domain_edit_detach_serial(e, &p), 0);
	domain_edit_part_free(&p);
	(void)domain_edit_has_object(e, "freqring-x");
}

/* Whatever comes: an answer, and nothing that a sanitizer objects to. */
static void
scrambled_xml(void **state)
{
	static const char whole[] = DOMAIN(Q35 PORT("1", "slot='0x01' function='0x0'") BUS("2", "pcie-to-pci-bridge")
		AT("0x01", "0x00") OURS CONTROLLER("0", "ports='4'") CHANNEL("0", "0", "1") CHANNEL("1", "0", "0x3"));
	char text[sizeof(whole)];
	uint32_t random = 1;
	unsigned int read = 0;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		struct frq_err err = { "" };
		struct domain_edit *e;

		memcpy(text, whole, sizeof(whole));
		for (unsigned int n = 0; n <= i % 4; n++) {
			random = random * 1664525 + 1013904223;
			text[(random >> 8) % (sizeof(whole) - 1)] =
				(char)(i % 2 ? "<>&'/=;0 "[random >> 24 & 7] : (int)(random >> 24 | 1));
		}
		if (open_edit(text, i % 3 != 0, &e, &err) < 0)
			continue;
		read++;
		try_all(e);
		domain_edit_close(e);
	}
	/* Or nothing was tried. */
	assert_true(read > 1000);
}

/* ---- the vhost-user port ---------------------------------------------------- */

static void
attach_port(void **state)
{
	static const struct {
		const char *xml;
		bool live;
		enum domain_edit_verdict verdict;
		const char *text;	/* part of what is to be handed over, or of why not */
	} cases[] = {
		{ "<domain><vcpu>3</vcpu>" SHARED "<devices/></domain>", false, DOMAIN_EDIT_CHANGE,
			"<driver queues='3'/>" },
		{ "<domain><vcpu>3</vcpu>" SHARED "<devices/></domain>", false, DOMAIN_EDIT_CHANGE,
			"path='/d/it&apos;s &lt;&amp;.sock' mode='server'/>" },
		{ "<domain>" SHARED "<devices>" NOT_OURS "</devices></domain>", false, DOMAIN_EDIT_CHANGE,
			"<mac address='02:66:72:71:" },
		{ "<domain><vcpu>900</vcpu>" SHARED "<devices/></domain>", false, DOMAIN_EDIT_CHANGE,
			"<driver queues='64'/>" },
		{ "<domain>" SHARED "<devices>" OUR_PORT "</devices></domain>", false, DOMAIN_EDIT_FINE, "" },
		{ "<domain><devices/></domain>", false, DOMAIN_EDIT_WRONG, "memory is not shared" },
		{ "<domain><devices>" OUR_PORT "</devices></domain>", false, DOMAIN_EDIT_WRONG,
			"memory is not shared" },
		{ "<domain>" SHARED "<devices>" Q35 PORT("1", "slot='1'") "</devices></domain>", true,
			DOMAIN_EDIT_CHANGE, "bus='0x01'" },
		{ "<domain>" SHARED "<devices>" Q35 "</devices></domain>", true, DOMAIN_EDIT_NO_ROOM,
			"no free root port" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct domain_edit *e = edit_of(cases[i].xml, cases[i].live);
		struct domain_edit_part p;

		assert_int_equal(domain_edit_attach_port(e, "/d/it's <&.sock", &p), 0);
		assert_int_equal(p.verdict, cases[i].verdict);
		assert_int_equal(p.nb, p.verdict == DOMAIN_EDIT_CHANGE);
		assert_non_null(strstr(p.nb != 0 ? p.device[0].xml : p.text, cases[i].text));
		domain_edit_part_free(&p);
		domain_edit_close(e);
	}
}

static void
detach_port(void **state)
{
	struct domain_edit *e = edit_of("<domain><devices>" NOT_OURS OUR_PORT "</devices></domain>", true);
	struct domain_edit_part p;

	(void)state;
	assert_int_equal(domain_edit_detach_port(e, &p), 0);
	assert_int_equal(p.nb, 1);
	assert_string_equal(p.device[0].alias, "net3");
	assert_non_null(strstr(p.device[0].xml, "freqring-a.sock"));
	domain_edit_part_free(&p);
	domain_edit_close(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_for_the_device),
		cmocka_unit_test(full_bridge),
		cmocka_unit_test(device_there),
		cmocka_unit_test(names_in_xml),
		cmocka_unit_test(ports_for_channels),
		cmocka_unit_test(attach_port),
		cmocka_unit_test(detach_port),
		cmocka_unit_test(channels_of_a_definition),
		cmocka_unit_test(ours_alone),
		cmocka_unit_test(object_names),
		cmocka_unit_test(no_domain_xml),
		cmocka_unit_test(scrambled_xml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
