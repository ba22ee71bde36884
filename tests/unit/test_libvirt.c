/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The libvirt side: domain XML, maps, QEMU's process, and the watch itself
 * against libvirt's test driver, whose domains live in this process.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>

#include "domain_xml.h"
#include "libvirt_watch.h"
#include "qemu_process.h"

#define PREFIX "freqring-"
#define UUID_A "11111111-aaaa-4aaa-8aaa-000000000001"
#define UUID_B "11111111-aaaa-4aaa-8aaa-000000000002"

/* ---- domain XML ----------------------------------------------------------- */

#define SHMEM(name, inside) "<shmem name='" name "'>" inside "</shmem>"
#define PLAIN "<model type='ivshmem-plain'/>"
#define MIB "<size unit='M'>1</size>"
#define DOMAIN(devices) "<domain><vcpu>2</vcpu><devices>" devices "</devices></domain>"

static int
parse(const char *text, struct vm_map_vm *vm, uid_t *user, struct frq_err *err)
{
	/* An allocation of its exact size: a read beyond it shows. */
	size_t len = strlen(text);
	char *copy = malloc(len + 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(vm, 0xff, sizeof(*vm));
	ret = domain_xml_parse(copy, len, PREFIX, vm, user, err);
	free(copy);
	return ret;
}

#define SHARED "<memoryBacking><access mode='shared'/></memoryBacking>"
#define NUMA_SHARED "<cpu><numa><cell memAccess='shared'/></numa></cpu>"
#define PORT_OF(path, mode, more) "<interface type='vhostuser'><source type='unix' path='" path \
	"' mode='" mode "'/><model type='virtio'/>" more "</interface>"
#define WITH_PORT(memory, port) "<domain>" memory "<devices>" port "</devices></domain>"

static void
vhost_ports(void **state)
{
	static const struct {
		const char *xml, *path;
		unsigned int queues;
		const char *problem;	/* part of it; "": usable */
	} cases[] = {
		{ WITH_PORT(SHARED, PORT_OF("/d/freqring-a.sock", "server", "<driver queues='4'/>")),
			"/d/freqring-a.sock", 4, "" },
		{ WITH_PORT(NUMA_SHARED, PORT_OF("/d/freqring-a", "server", "")), "/d/freqring-a", 1, "" },
		{ WITH_PORT(SHARED, PORT_OF("/d/freqring-a", "server", "<driver queues='9999'/>")),
			"/d/freqring-a", 1, "" },
		{ WITH_PORT("", PORT_OF("/d/freqring-a", "server", "")), "/d/freqring-a", 1,
			"memory is not shared" },
		{ WITH_PORT("<memoryBacking><access mode='private'/></memoryBacking>",
			PORT_OF("/d/freqring-a", "server", "")), "/d/freqring-a", 1, "memory is not shared" },
		{ WITH_PORT(SHARED, PORT_OF("/d/freqring-a", "client", "")), "/d/freqring-a", 1,
			"QEMU is the client" },
		{ WITH_PORT(SHARED, "<interface type='vhostuser'><source path='/d/freqring-a' mode='server'/>"
			"<model type='e1000'/></interface>"), "/d/freqring-a", 1, "<model type='virtio'/>" },
		{ WITH_PORT(SHARED, PORT_OF("/d/freqring-a", "server", "") PORT_OF("/d/freqring-b", "server", "")),
			"/d/freqring-a", 1, "2 vhost-user interfaces" },
		/* Not ours. */
		{ WITH_PORT(SHARED, PORT_OF("/d/other", "server", "")), "", 0, "" },
		{ WITH_PORT(SHARED, PORT_OF("/freqring-d/ovs0", "server", "")), "", 0, "" },
		{ WITH_PORT(SHARED, PORT_OF("freqring-a", "server", "")), "", 0, "" },
		{ WITH_PORT(SHARED, "<interface type='vhostuser'/>"), "", 0, "" },
		{ WITH_PORT(SHARED, "<interface type='bridge'><source path='/d/freqring-a' mode='server'/>"
			"</interface>"), "", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frq_err err = { "" };
		struct vm_map_vm vm;
		uid_t user;

		assert_int_equal(parse(cases[i].xml, &vm, &user, &err), 0);
		assert_string_equal(vm.vhost, cases[i].path);
		assert_int_equal(vm.vhost_queues, cases[i].queues);
		assert_non_null(strstr(vm.vhost_problem, cases[i].problem));
		assert_true((vm.vhost_problem[0] == '\0') == (cases[i].problem[0] == '\0'));
	}
}

static void
shmem_devices(void **state)
{
	static const struct {
		const char *xml, *shmem;
		const char *problem;	/* part of it; NULL: usable */
	} cases[] = {
		{ DOMAIN(SHMEM("freqring-a", PLAIN MIB)), "freqring-a", NULL },
		{ DOMAIN(SHMEM("freqring-a", MIB PLAIN)), "freqring-a", NULL },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='MiB'>1</size>")), "freqring-a", NULL },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='k'>1024</size>")), "freqring-a", NULL },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='KiB'>1024</size>")), "freqring-a", NULL },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='bytes'>1048576</size>")), "freqring-a", NULL },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size>1048576</size>")), "freqring-a", NULL },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size>1</size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='MB'>1</size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='M'>2</size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='M'>-1</size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='M'>1x</size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='M'></size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='furlong'>1</size>")), "freqring-a", "not 1 MiB" },
		/* 2^20 * 2^60 and 2^64 + 1 would come out right where they wrap. */
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='E'>1048576</size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN "<size unit='M'>18446744073709551617</size>")), "freqring-a", "not 1 MiB" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN)), "freqring-a", "4 MiB" },
		{ DOMAIN(SHMEM("freqring-a", MIB)), "freqring-a", "ivshmem-plain" },
		{ DOMAIN(SHMEM("freqring-a", "<model/>" MIB)), "freqring-a", "ivshmem-plain" },
		{ DOMAIN(SHMEM("freqring-a", "<model type='ivshmem'/>" MIB)), "freqring-a", "model ivshmem:" },
		{ DOMAIN(SHMEM("freqring-a", "<model type='ivshmem-doorbell'/>" MIB)), "freqring-a",
			"not supported yet: use ivshmem-plain" },
		{ DOMAIN(SHMEM("freqring-a", PLAIN MIB) SHMEM("freqring-b", PLAIN MIB)), "freqring-a",
			"2 shmem devices" },
		{ DOMAIN(SHMEM("other", PLAIN MIB) SHMEM("freqring-b", PLAIN MIB)), "freqring-b", NULL },
		{ DOMAIN(SHMEM("freqring-../x", PLAIN MIB)), "?", "slash" },
		{ DOMAIN(SHMEM("freqring-&#10;x", PLAIN MIB)), "?", "control character" },
		{ DOMAIN(SHMEM("other", PLAIN MIB)), "", "" },
		{ DOMAIN(SHMEM("xfreqring-a", PLAIN MIB)), "", "" },
		{ DOMAIN("<shmem/>"), "", "" },
		{ DOMAIN(""), "", "" },
		{ "<domain/>", "", "" },
		/* Somewhere else in the tree it is no device. */
		{ "<domain><metadata>" SHMEM("freqring-a", PLAIN MIB) "</metadata></domain>", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frq_err err = { "" };
		struct vm_map_vm vm;
		uid_t user;

		assert_int_equal(parse(cases[i].xml, &vm, &user, &err), 0);
		assert_string_equal(vm.shmem, cases[i].shmem);
		assert_int_equal(vm.shmem_usable, cases[i].problem == NULL);
		if (cases[i].problem == NULL)
			assert_string_equal(vm.shmem_problem, "");
		else
			assert_non_null(strstr(vm.shmem_problem, cases[i].problem));
	}
}

static void
shmem_name_length(void **state)
{
	char name[NAME_MAX + 2], xml[1024];
	struct frq_err err = { "" };
	struct vm_map_vm vm;
	uid_t user;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	memcpy(name, PREFIX, strlen(PREFIX));
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(xml, sizeof(xml), DOMAIN(SHMEM("%s", PLAIN MIB)), name);
	assert_int_equal(parse(xml, &vm, &user, &err), 0);
	assert_false(vm.shmem_usable);
	assert_non_null(strstr(vm.shmem_problem, "longer than 255"));
	name[NAME_MAX] = '\0';
	(void)snprintf(xml, sizeof(xml), DOMAIN(SHMEM("%s", PLAIN MIB)), name);
	assert_int_equal(parse(xml, &vm, &user, &err), 0);
	assert_true(vm.shmem_usable);
	assert_string_equal(vm.shmem, name);
}

static void
vcpus(void **state)
{
	static const struct {
		const char *xml;
		unsigned int nb;
		const char *present;	/* a digit a vCPU, the first eight */
	} cases[] = {
		{ "<domain/>", 1, "1" },
		{ "<domain><vcpu>3</vcpu></domain>", 3, "111" },
		{ "<domain><vcpu placement='static' current='2'>4</vcpu></domain>", 4, "1100" },
		{ "<domain><vcpu current='9'>2</vcpu></domain>", 2, "11" },
		{ "<domain><vcpu>-1</vcpu></domain>", 1, "1" },
		{ "<domain><vcpu>lots</vcpu></domain>", 1, "1" },
		{ "<domain><vcpu>99999999999999999999</vcpu></domain>", 1, "1" },
		{ "<domain><vcpu>100000</vcpu></domain>", FRQ_MAX_CHANNELS, "11111111" },
		{ "<domain><vcpu current='2'>3</vcpu><vcpus><vcpu id='0' enabled='yes'/>"
			"<vcpu id='1' enabled='no'/><vcpu id='2' enabled='yes' order='2'/></vcpus></domain>",
			3, "101" },
		{ "<domain><vcpu>2</vcpu><vcpus><vcpu id='7' enabled='no'/><vcpu id='-1' enabled='no'/>"
			"<vcpu enabled='no'/><vcpu id='1'/></vcpus></domain>", 2, "11" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frq_err err = { "" };
		struct vm_map_vm vm;
		uid_t user;

		assert_int_equal(parse(cases[i].xml, &vm, &user, &err), 0);
		assert_int_equal(vm.nb_vcpus, cases[i].nb);
		for (unsigned int n = 0; cases[i].present[n] != '\0'; n++)
			assert_int_equal(vm.vcpu[n].present, cases[i].present[n] == '1');
	}
}

static void
qemu_user(void **state)
{
	static const struct {
		const char *xml;
		uid_t user;
	} cases[] = {
		{ "<domain/>", (uid_t)-1 },
		{ "<domain><seclabel type='dynamic' model='dac' relabel='yes'>"
			"<label>+64055:+64055</label></seclabel></domain>", 64055 },
		{ "<domain><seclabel model='dac'><label>0:0</label></seclabel></domain>", 0 },
		{ "<domain><seclabel model='dac'><label>qemu:qemu</label></seclabel></domain>", (uid_t)-1 },
		{ "<domain><seclabel model='dac'><label>+1</label></seclabel></domain>", (uid_t)-1 },
		{ "<domain><seclabel model='dac'><label>4294967295:0</label></seclabel></domain>", (uid_t)-1 },
		{ "<domain><seclabel model='apparmor'><label>+1:+1</label></seclabel></domain>", (uid_t)-1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frq_err err = { "" };
		struct vm_map_vm vm;
		uid_t user = 7;

		assert_int_equal(parse(cases[i].xml, &vm, &user, &err), 0);
		assert_int_equal(user, cases[i].user);
	}
}

static void
no_domain_xml(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"garbage",
		"<",
		"<domain>",
		"<domain></notdomain>",
		"<domain/><domain/>",
		"<domains/>",
		"<domain>&undefined;</domain>",
		"<domain name='\xff\xfe'/>",
		"<!DOCTYPE domain><domain/>",
		"<!DOCTYPE domain [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain><vcpu>&e;</vcpu></domain>",
		"<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/x.dtd'><domain/>",
		"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
			"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;'>]>"
			"<domain><vcpu>&d;</vcpu></domain>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frq_err err = { "" };
		struct vm_map_vm vm, before;
		uid_t user = 7;

		memset(&before, 0xff, sizeof(before));
		assert_int_equal(parse(cases[i], &vm, &user, &err), -EINVAL);
		assert_string_not_equal(err.text, "");
		assert_memory_equal(&vm, &before, sizeof(vm));
		assert_int_equal(user, 7);
	}
}

static void
too_much_xml(void **state)
{
	char *text = malloc(DOMAIN_XML_MAX + 2);
	struct frq_err err = { "" };
	struct vm_map_vm vm;
	uid_t user;
	size_t depth;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', DOMAIN_XML_MAX + 1);
	text[DOMAIN_XML_MAX + 1] = '\0';
	memcpy(text, "<domain/>", 9);
	assert_int_equal(parse(text, &vm, &user, &err), -EINVAL);
	text[DOMAIN_XML_MAX] = '\0';
	assert_int_equal(parse(text, &vm, &user, &err), 0);
	for (depth = 0; depth < 100000; depth++)
		memcpy(text + depth * 8, "<domain>", 8);
	text[depth * 8] = '\0';
	assert_int_equal(parse(text, &vm, &user, &err), -EINVAL);
	free(text);
}

/* Whatever comes: an answer, and nothing that a sanitizer objects to. */
static void
scrambled_xml(void **state)
{
	static const char whole[] = "<domain type='kvm' id='1'><vcpu placement='static' current='2'>4</vcpu>"
		"<vcpus><vcpu id='0' enabled='yes'/><vcpu id='3' enabled='no'/></vcpus><devices>"
		SHMEM("freqring-a", PLAIN MIB) "</devices><seclabel model='dac'><label>+1:+1</label></seclabel></domain>";
	char text[sizeof(whole)];
	uint32_t random = 1;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		struct frq_err err = { "" };
		struct vm_map_vm vm;
		uid_t user;

		memcpy(text, whole, sizeof(whole));
		for (unsigned int n = 0; n <= i % 4; n++) {
			random = random * 1664525 + 1013904223;
			text[random >> 8 & 0x1ff ? (random >> 8) % (sizeof(whole) - 1) : 0] =
				(char)(i % 2 ? "<>&'/=;0 "[random >> 24 & 7] : (int)(random >> 24 | 1));
		}
		if (parse(text, &vm, &user, &err) == 0)
			assert_true(vm.nb_vcpus <= FRQ_MAX_CHANNELS && strlen(vm.shmem) <= NAME_MAX);
	}
}

/* ---- maps ------------------------------------------------------------------ */

static struct vm_map *
map_of(unsigned int nb)
{
	struct vm_map *map = calloc(1, sizeof(*map));

	assert_non_null(map);
	map->connected = true;
	map->vm = calloc(nb + 1, sizeof(*map->vm));
	for (unsigned int i = 0; i < nb; i++) {
		map->vm[i] = calloc(1, sizeof(struct vm_map_vm));
		assert_non_null(map->vm[i]);
		map->vm[i]->uuid[0] = (uint8_t)(i + 1);
		map->vm[i]->nb_vcpus = 2;
		map->nb_vms++;
	}
	return map;
}

static void
compare_maps(void **state)
{
	struct vm_map *a = map_of(3), *b = vm_map_copy(a), *c = map_of(2);
	struct vm_map_vm *vm = b->vm[1];

	(void)state;
	assert_true(vm_map_equal(a, b));
	assert_false(vm_map_equal(a, c));
	b->generation = 7;
	memset(vm->name, 'x', sizeof(vm->name));
	vm->name[0] = '\0';
	assert_true(vm_map_equal(a, b));
#define DIFFERS(change, back) do { change; assert_false(vm_map_equal(a, b)); \
	back; assert_true(vm_map_equal(a, b)); } while (0)
	DIFFERS(b->connected = false, b->connected = true);
	DIFFERS(vm->uuid[15] = 1, vm->uuid[15] = 0);
	DIFFERS(vm->name[0] = 'x', vm->name[0] = '\0');
	DIFFERS(vm->state = VM_PAUSED, vm->state = VM_DEFINED);
	DIFFERS(vm->qemu_pid = 1, vm->qemu_pid = 0);
	DIFFERS(vm->shmem[0] = 'x', vm->shmem[0] = '\0');
	DIFFERS(vm->shmem_shared = true, vm->shmem_shared = false);
	DIFFERS(vm->shmem_usable = true, vm->shmem_usable = false);
	DIFFERS(vm->shmem_problem[0] = 'x', vm->shmem_problem[0] = '\0');
	DIFFERS(vm->nb_vcpus = 3, vm->nb_vcpus = 2);
	DIFFERS(vm->vcpu[1].present = true, vm->vcpu[1].present = false);
	DIFFERS(vm->vcpu[1].pinned = true, vm->vcpu[1].pinned = false);
	DIFFERS(cpuset_add(&vm->vcpu[1].pcpus, 999),
		memset(&vm->vcpu[1].pcpus, 0, sizeof(vm->vcpu[1].pcpus)));
	vm_map_free(a);
	vm_map_free(b);
	vm_map_free(c);
	vm_map_free(NULL);
}

static void
find_in_map(void **state)
{
	struct vm_map *map = map_of(5), *empty = map_of(0);
	uint8_t uuid[16] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		assert_ptr_equal(vm_map_find(map, map->vm[i]->uuid), map->vm[i]);
	assert_null(vm_map_find(map, uuid));
	uuid[0] = 9;
	assert_null(vm_map_find(map, uuid));
	assert_null(vm_map_find(empty, uuid));
	vm_map_free(map);
	vm_map_free(empty);
}

/* ---- QEMU's process -------------------------------------------------------- */

static void
command_lines(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool match;
	} cases[] = {
#define CMDLINE(text, match) { text, sizeof(text) - 1, match }
		CMDLINE("/usr/bin/qemu-system-x86_64\0-name\0x\0-uuid\0" UUID_A "\0-S\0", true),
		CMDLINE("qemu-kvm\0-uuid\0" UUID_A "\0", true),
		CMDLINE("/usr/libexec/qemu-kvm\0-uuid\0" UUID_A "\0", true),
		CMDLINE("/usr/bin/kvm\0-uuid\0" "11111111-AAAA-4aaa-8aaa-000000000001\0", true),
		CMDLINE("/usr/bin/qemu-system-x86_64\0-uuid\0" UUID_B "\0", false),
		CMDLINE("/usr/bin/qemu-system-x86_64\0-name\0" UUID_A "\0", false),
		CMDLINE("/usr/bin/qemu-system-x86_64\0-uuid\0", false),
		CMDLINE("/usr/bin/qemu-system-x86_64\0-uuid\0" UUID_A, false),
		CMDLINE("/usr/bin/qemu-system-x86_64\0-uuid\0" UUID_A "x\0", false),
		CMDLINE("/qemu/bin/sh\0-uuid\0" UUID_A "\0", false),
		CMDLINE("grep\0-uuid\0" UUID_A "\0", false),
		CMDLINE("kvmtool\0-uuid\0" UUID_A "\0", false),
		CMDLINE("qemu", false),
		CMDLINE("\0", false),
		CMDLINE("", false),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *copy = malloc(cases[i].len + 1);

		assert_non_null(copy);
		memcpy(copy, cases[i].text, cases[i].len);
		/* What follows the bounds must not matter. */
		copy[cases[i].len] = '-';
		assert_int_equal(qemu_cmdline_matches(copy, cases[i].len, UUID_A), cases[i].match);
		free(copy);
	}
}

static void
start_times(void **state)
{
	(void)state;
	assert_int_equal(qemu_stat_start_time("12 (qemu-system-x86) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"), 4711);
	assert_int_equal(qemu_stat_start_time("12 (a) 1 (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"), 4711);
	assert_int_equal(qemu_stat_start_time("12 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711"), 0);
	assert_int_equal(qemu_stat_start_time("12 (x) S 1 2 3"), 0);
	assert_int_equal(qemu_stat_start_time("12 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20\n"), 0);
	assert_int_equal(qemu_stat_start_time("nothing"), 0);
	assert_int_equal(qemu_stat_start_time(""), 0);
	assert_int_not_equal(qemu_start_time(getpid()), 0);
	assert_int_equal(qemu_start_time(0), 0);
	assert_int_equal(qemu_start_time(-1), 0);
	assert_int_equal(qemu_start_time(INT32_MAX), 0);
}

static void
map_lines(void **state)
{
	static const char line[] = "7f00-7f80 rw-s 00000000 00:19 42                 /dev/shm/freqring-a\n";
	dev_t dev = makedev(0, 0x19);

	(void)state;
	assert_true(qemu_maps_line_matches(line, dev, 42));
	assert_false(qemu_maps_line_matches(line, dev, 43));
	assert_false(qemu_maps_line_matches(line, makedev(0, 0x1a), 42));
	assert_false(qemu_maps_line_matches(line, makedev(1, 0x19), 42));
	assert_true(qemu_maps_line_matches("0-1 r--p 0 00:19 42", dev, 42));
	assert_false(qemu_maps_line_matches("7f00-7f80 rw-s 00000000 00:19", dev, 42));
	assert_false(qemu_maps_line_matches("x 00:19 42", dev, 42));
	assert_false(qemu_maps_line_matches("", dev, 42));
}

static void
mapped_files(void **state)
{
	int mapped = memfd_create("test", MFD_CLOEXEC), other = memfd_create("test", MFD_CLOEXEC);
	struct stat st;
	void *p;

	(void)state;
	assert_int_equal(ftruncate(mapped, 4096), 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mapped, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(fstat(mapped, &st), 0);
	assert_int_equal(qemu_maps_inode(getpid(), st.st_dev, st.st_ino), 1);
	assert_int_equal(fstat(other, &st), 0);
	assert_int_equal(qemu_maps_inode(getpid(), st.st_dev, st.st_ino), 0);
	assert_int_equal(qemu_maps_inode(INT32_MAX, st.st_dev, st.st_ino), -ENOENT);
	(void)munmap(p, 4096);
	(void)close(mapped);
	(void)close(other);
}

/* A shell by the name of qemu that lives until its standard input is closed. */
static pid_t
start_false_qemu(int *alive)
{
	int in[2], exec_done[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(exec_done, O_CLOEXEC), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)execl("/bin/sh", "/usr/bin/qemu-system-x86_64", "-c", "read line; exit 0",
			"name", "-uuid", UUID_A, (char *)NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(exec_done[1]);
	/* Its end of this pipe is closed by exec. */
	(void)!read(exec_done[0], &c, 1);
	(void)close(exec_done[0]);
	*alive = in[1];
	return pid;
}

static void
find_process(void **state)
{
	struct qemu_process p = { .pid = 0 }, reused;
	int alive;
	pid_t pid = start_false_qemu(&alive);

	(void)state;
	qemu_process_find(&p, UUID_B, (uid_t)-1);
	assert_int_equal(p.pid, 0);
	qemu_process_find(&p, UUID_A, geteuid() + 1);
	assert_int_equal(p.pid, 0);
	qemu_process_find(&p, UUID_A, geteuid());
	assert_int_equal(p.pid, pid);
	assert_int_equal(p.start, qemu_start_time(pid));
	/* A pid that another process has now. */
	reused = (struct qemu_process){ .pid = getpid(), .start = 1 };
	qemu_process_find(&reused, UUID_A, (uid_t)-1);
	assert_int_equal(reused.pid, pid);
	(void)close(alive);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	qemu_process_find(&p, UUID_A, (uid_t)-1);
	assert_int_equal(p.pid, 0);
}

/* ---- the watch ------------------------------------------------------------- */

struct follower {
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct vm_map *map;		/* the last one */
	unsigned int nb_maps;
};

static void
take_map(struct vm_map *map, void *arg)
{
	struct follower *f = arg;

	(void)pthread_mutex_lock(&f->lock);
	assert_true(f->map == NULL || map->generation > f->map->generation);
	vm_map_free(f->map);
	f->map = map;
	f->nb_maps++;
	(void)pthread_cond_signal(&f->arrived);
	(void)pthread_mutex_unlock(&f->lock);
}

typedef bool (*expected)(const struct vm_map *map);

/* Until there is such a map; fails after ten seconds. */
static void
wait_map(struct follower *f, expected is)
{
	struct timespec end;
	int ret = 0;
	bool ok;

	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 10;
	(void)pthread_mutex_lock(&f->lock);
	while ((f->map == NULL || !is(f->map)) && ret == 0)
		ret = pthread_cond_timedwait(&f->arrived, &f->lock, &end);
	ok = f->map != NULL && is(f->map);
	(void)pthread_mutex_unlock(&f->lock);
	assert_true(ok);
}

static struct libvirt_watch *
follow(struct follower *f, const char *uri)
{
	struct libvirt_watch_config c = {
		.uri = uri,
		.shmem_prefix = PREFIX,
		.changed = take_map,
		.arg = f,
	};
	struct libvirt_watch *w = NULL;
	struct frq_err err;

	memset(f, 0, sizeof(*f));
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->arrived, NULL);
	assert_int_equal(libvirt_watch_start(&w, &c, &err), 0);
	return w;
}

/* Returns how long it took, in ms. */
static unsigned int
unfollow(struct follower *f, struct libvirt_watch *w)
{
	struct timespec a, b;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	libvirt_watch_stop(w);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	vm_map_free(f->map);
	(void)pthread_cond_destroy(&f->arrived);
	(void)pthread_mutex_destroy(&f->lock);
	return (unsigned int)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
}

/* Of those with a device of ours the one with that number, or NULL. */
static const struct vm_map_vm *
ours(const struct vm_map *m, unsigned int number)
{
	for (unsigned int i = 0; i < m->nb_vms; i++)
		if (m->vm[i]->shmem[0] != '\0' && number-- == 0)
			return m->vm[i];
	return NULL;
}

static bool
has_ours(const struct vm_map *m, unsigned int nb)
{
	return m->connected && (nb == 0 || ours(m, nb - 1) != NULL) && ours(m, nb) == NULL;
}

/* But for libvirt's own domain, where the driver has one. */
static bool
is_empty(const struct vm_map *m)
{
	return has_ours(m, 0);
}

static bool
is_away(const struct vm_map *m)
{
	return !m->connected && m->nb_vms == 0;
}

/* libvirt's own test domain has no device of ours, and is in the map all the same. */
static void
watch_default(void **state)
{
	struct libvirt_watch_stats st;
	struct follower f;
	struct libvirt_watch *w = follow(&f, "test:///default");

	(void)state;
	wait_map(&f, is_empty);
	assert_int_equal(f.map->nb_vms, 1);
	assert_string_equal(f.map->vm[0]->name, "test");
	assert_string_equal(f.map->vm[0]->shmem, "");
	assert_int_equal(f.map->vm[0]->state, VM_RUNNING);
	assert_int_equal(f.map->vm[0]->nb_vcpus, 2);
	libvirt_watch_get_stats(w, &st);
	assert_string_equal(st.last_error, "");
	assert_true(st.connected);
	assert_int_equal(st.connects, 1);
	assert_int_equal(st.errors, 0);
	assert_int_equal(f.nb_maps, 1);
	assert_in_range(unfollow(&f, w), 0, 1900);
}

/* One VM, in that state. */
static bool
is_one(const struct vm_map *m, enum vm_run_state state)
{
	return has_ours(m, 1) && ours(m, 0)->state == state;
}

static bool is_defined(const struct vm_map *m) { return is_one(m, VM_DEFINED); }
static bool is_running(const struct vm_map *m) { return is_one(m, VM_RUNNING); }
static bool is_paused(const struct vm_map *m) { return is_one(m, VM_PAUSED); }

static bool
is_pinned(const struct vm_map *m)
{
	const struct vm_map_vm *vm = ours(m, 0);

	return is_one(m, VM_RUNNING) && vm->vcpu[0].pinned &&
		cpuset_count(&vm->vcpu[0].pcpus) == 1 &&
		cpuset_has(&vm->vcpu[0].pcpus, 2) && !vm->vcpu[1].pinned &&
		cpuset_equal(&vm->vcpu[0].pcpus, &vm->vcpu[0].libvirt_pcpus);
}

static bool
is_shared(const struct vm_map *m)
{
	return has_ours(m, 2) && ours(m, 0)->shmem_shared && ours(m, 1)->shmem_shared;
}

static bool
is_not_shared(const struct vm_map *m)
{
	return has_ours(m, 2) && !ours(m, 0)->shmem_shared && !ours(m, 1)->shmem_shared;
}

static virDomainPtr
define(virConnectPtr conn, const char *name, const char *uuid)
{
	virDomainPtr dom;
	char xml[1024];

	(void)snprintf(xml, sizeof(xml), "<domain type='test'><name>%s</name><uuid>%s</uuid>"
		"<memory>8192</memory><vcpu>2</vcpu><os><type>hvm</type></os><devices>"
		SHMEM("freqring-same", PLAIN MIB) "</devices></domain>", name, uuid);
	dom = virDomainDefineXML(conn, xml);
	assert_non_null(dom);
	return dom;
}

/* Domains of test:///default are common to the connections of a process. */
static void
watch_changes(void **state)
{
	struct follower f;
	struct libvirt_watch *w = follow(&f, "test:///default");
	struct libvirt_watch_stats st;
	virConnectPtr conn;
	virDomainPtr a, b;
	unsigned char cpu2 = 1 << 2;

	(void)state;
	wait_map(&f, is_empty);
	conn = virConnectOpen("test:///default");
	assert_non_null(conn);
	a = define(conn, "a", UUID_A);
	wait_map(&f, is_defined);
	assert_int_equal(virDomainCreate(a), 0);
	wait_map(&f, is_running);
	assert_string_equal(ours(f.map, 0)->uuid_text, UUID_A);
	assert_string_equal(ours(f.map, 0)->name, "a");
	assert_true(ours(f.map, 0)->shmem_usable);
	assert_false(ours(f.map, 0)->vcpu[0].pinned);
	/* It is an event that brought this map. */
	assert_true(f.map->event_ns != 0);
	/* No event for this one here: the next timed read finds it. */
	assert_int_equal(virDomainPinVcpu(a, 0, &cpu2, 1), 0);
	wait_map(&f, is_pinned);
	assert_int_equal(virDomainSuspend(a), 0);
	wait_map(&f, is_paused);
	assert_int_equal(virDomainResume(a), 0);
	wait_map(&f, is_running);
	b = define(conn, "b", UUID_B);
	wait_map(&f, is_not_shared);
	assert_int_equal(virDomainCreate(b), 0);
	wait_map(&f, is_shared);
	assert_int_equal(virDomainDestroy(a), 0);
	wait_map(&f, is_not_shared);
	assert_int_equal(virDomainUndefine(a), 0);
	wait_map(&f, is_running);
	assert_string_equal(ours(f.map, 0)->uuid_text, UUID_B);
	assert_int_equal(virDomainDestroy(b), 0);
	assert_int_equal(virDomainUndefine(b), 0);
	wait_map(&f, is_empty);
	libvirt_watch_get_stats(w, &st);
	assert_true(st.events >= 9);
	assert_int_equal(st.errors, 0);
	(void)virDomainFree(a);
	(void)virDomainFree(b);
	(void)virConnectClose(conn);
	(void)unfollow(&f, w);
}

/* Why a domain runs, where it is not as the test driver has it; -1: as that has it. */
static int running_reason = -1;

int
virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned int flags)
{
	int (*real)(virDomainPtr dom, int *state, int *reason, unsigned int flags);
	int other = __atomic_load_n(&running_reason, __ATOMIC_ACQUIRE), ret;

	*(void **)&real = dlsym(RTLD_NEXT, "virDomainGetState");
	ret = real(dom, state, reason, flags);
	if (ret == 0 && *state == VIR_DOMAIN_RUNNING && other >= 0)
		*reason = other;
	return ret;
}

/* Until libvirt was read from now on. */
static void
wait_read(struct libvirt_watch *w)
{
	struct libvirt_watch_stats st;
	uint64_t before;

	libvirt_watch_get_stats(w, &st);
	before = st.maps_read;
	libvirt_watch_refresh(w);
	/* The first may have begun before. */
	for (int tries = 0; st.maps_read < before + 2 && tries < 1000; tries++) {
		(void)usleep(5000);
		libvirt_watch_get_stats(w, &st);
	}
	assert_true(st.maps_read >= before + 2);
}

/* Post-copy migration: a domain runs before its memory is there. */
static void
watch_postcopy(void **state)
{
	static const int reasons[] = { VIR_DOMAIN_RUNNING_POSTCOPY,
		VIR_DOMAIN_RUNNING_POSTCOPY_FAILED, VIR_DOMAIN_RUNNING_POSTCOPY };
	struct follower f;
	struct libvirt_watch *w;
	virConnectPtr conn;
	virDomainPtr a;

	(void)state;
	conn = virConnectOpen("test:///default");
	assert_non_null(conn);
	a = define(conn, "a", UUID_A);
	__atomic_store_n(&running_reason, reasons[0], __ATOMIC_RELEASE);
	assert_int_equal(virDomainCreate(a), 0);
	w = follow(&f, "test:///default");
	wait_map(&f, is_defined);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		__atomic_store_n(&running_reason, reasons[i], __ATOMIC_RELEASE);
		wait_read(w);
		wait_map(&f, is_defined);
	}
	__atomic_store_n(&running_reason, VIR_DOMAIN_RUNNING_MIGRATED, __ATOMIC_RELEASE);
	libvirt_watch_refresh(w);
	wait_map(&f, is_running);
	__atomic_store_n(&running_reason, -1, __ATOMIC_RELEASE);
	(void)unfollow(&f, w);
	assert_int_equal(virDomainDestroy(a), 0);
	assert_int_equal(virDomainUndefine(a), 0);
	(void)virDomainFree(a);
	(void)virConnectClose(conn);
}

static bool
is_node(const struct vm_map *m)
{
	return m->connected && m->nb_vms == 4 && has_ours(m, 3);
}

static void
check_node(const struct vm_map *m)
{
	const struct vm_map_vm *a = ours(m, 0), *b = ours(m, 1), *c = ours(m, 2);

	assert_string_equal(a->name, "pinned");
	assert_int_equal(a->state, VM_RUNNING);
	assert_int_equal(a->nb_vcpus, 4);
	assert_true(a->shmem_usable);
	assert_true(a->vcpu[0].present && a->vcpu[1].present && !a->vcpu[2].present);
	assert_true(a->vcpu[0].pinned && a->vcpu[1].pinned && !a->vcpu[2].pinned);
	assert_true(cpuset_has(&a->vcpu[1].pcpus, 2) && cpuset_has(&a->vcpu[1].pcpus, 3));
	assert_int_equal(cpuset_count(&a->vcpu[1].pcpus), 2);
	assert_int_equal(a->qemu_pid, 0);
	assert_string_equal(b->name, "asleep");
	assert_int_equal(b->state, VM_SUSPENDED);
	assert_false(b->shmem_usable);
	assert_string_equal(c->name, "off");
	assert_int_equal(c->state, VM_DEFINED);
	/* Where it will run. */
	assert_true(cpuset_has(&c->vcpu[0].pcpus, 1) && c->vcpu[0].pinned);
	assert_ptr_equal(vm_map_find(m, b->uuid), b);
}

static void
watch_node_file(void **state)
{
	static const char node[] =
		"<node><domain type='test'><name>off</name><uuid>33333333-aaaa-4aaa-8aaa-000000000003</uuid>"
		"<memory>8192</memory><vcpu>2</vcpu><cputune><vcpupin vcpu='0' cpuset='1'/></cputune>"
		"<os><type>hvm</type></os><devices>" SHMEM("freqring-off", PLAIN MIB) "</devices>"
		"<runstate xmlns='http://libvirt.org/schemas/domain/test/1.0'>5</runstate></domain>"
		"<domain type='test'><name>pinned</name><uuid>" UUID_A "</uuid><memory>8192</memory>"
		"<vcpu current='2'>4</vcpu><cputune><vcpupin vcpu='0' cpuset='1'/>"
		"<vcpupin vcpu='1' cpuset='2-3'/></cputune><os><type>hvm</type></os>"
		"<devices>" SHMEM("freqring-a", PLAIN MIB) "</devices></domain>"
		"<domain type='test'><name>asleep</name><uuid>" UUID_B "</uuid><memory>8192</memory>"
		"<vcpu>1</vcpu><os><type>hvm</type></os><devices>" SHMEM("freqring-b", PLAIN) "</devices>"
		"<runstate xmlns='http://libvirt.org/schemas/domain/test/1.0'>7</runstate></domain>"
		"<domain type='test'><name>other</name><memory>8192</memory><vcpu>1</vcpu>"
		"<os><type>hvm</type></os></domain></node>";
	char path[] = "/tmp/freqring-node-XXXXXX", uri[64];
	int fd = mkstemp(path);
	struct libvirt_watch *w;
	struct follower f;

	(void)state;
	assert_int_equal(write(fd, node, strlen(node)), strlen(node));
	(void)close(fd);
	(void)snprintf(uri, sizeof(uri), "test://%s", path);
	w = follow(&f, uri);
	wait_map(&f, is_node);
	check_node(f.map);
	assert_in_range(unfollow(&f, w), 0, 1900);
	(void)unlink(path);
}

static void
watch_nothing(void **state)
{
	static const char *const uris[] = {
		"qemu+unix:///system?socket=/nonexistent/libvirt-sock",
		"test:///nonexistent/node.xml",
		"no uri at all",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		struct libvirt_watch_stats st = { .errors = 0 };
		struct follower f;
		struct libvirt_watch *w = follow(&f, uris[i]);

		wait_map(&f, is_away);
		for (int tries = 0; st.errors < 2 && tries < 500; tries++) {
			(void)usleep(10000);
			libvirt_watch_get_stats(w, &st);
		}
		assert_in_range(st.errors, 2, 3);
		assert_false(st.connected);
		assert_int_equal(st.connects, 0);
		assert_int_equal(f.nb_maps, 1);
		assert_in_range(unfollow(&f, w), 0, 1900);
	}
}

/*
 * A daemon that takes each connection and ends it: news of the connection that
 * was lost must not make it forget to wait.
 */
static void
watch_hanging_up(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/freqring-hang-XXXXXX", uri[256];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), conn;
	struct libvirt_watch_stats st;
	struct timespec end, now;
	struct libvirt_watch *w;
	struct follower f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	(void)snprintf(uri, sizeof(uri), "qemu+unix:///system?socket=%s", addr.sun_path);
	w = follow(&f, uri);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 2;
	do {
		conn = accept(fd, NULL, NULL);
		if (conn >= 0)
			(void)close(conn);
		(void)usleep(1000);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	libvirt_watch_get_stats(w, &st);
	/* 0.25, 0.5, 1 s, each a quarter less at the most. */
	assert_in_range(st.errors, 1, 6);
	assert_string_not_equal(st.last_error, "");
	(void)unfollow(&f, w);
	(void)close(fd);
	(void)unlink(addr.sun_path);
	(void)rmdir(dir);
}

/* A daemon that takes the connection and then says nothing. */
static void
watch_mute(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/freqring-mute-XXXXXX", uri[256];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), conn;
	struct libvirt_watch *w;
	struct follower f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 4), 0);
	(void)snprintf(uri, sizeof(uri), "qemu+unix:///system?socket=%s", addr.sun_path);
	w = follow(&f, uri);
	conn = accept(fd, NULL, NULL);
	assert_true(conn >= 0);
	assert_in_range(unfollow(&f, w), 1000, 4000);
	(void)close(conn);
	(void)close(fd);
	(void)unlink(addr.sun_path);
	(void)rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shmem_devices),
		cmocka_unit_test(vhost_ports),
		cmocka_unit_test(shmem_name_length),
		cmocka_unit_test(vcpus),
		cmocka_unit_test(qemu_user),
		cmocka_unit_test(no_domain_xml),
		cmocka_unit_test(too_much_xml),
		cmocka_unit_test(scrambled_xml),
		cmocka_unit_test(compare_maps),
		cmocka_unit_test(find_in_map),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(start_times),
		cmocka_unit_test(map_lines),
		cmocka_unit_test(mapped_files),
		cmocka_unit_test(find_process),
		cmocka_unit_test(watch_default),
		cmocka_unit_test(watch_changes),
		cmocka_unit_test(watch_postcopy),
		cmocka_unit_test(watch_node_file),
		cmocka_unit_test(watch_nothing),
		cmocka_unit_test(watch_hanging_up),
		/* Last: it leaves threads behind. */
		cmocka_unit_test(watch_mute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
