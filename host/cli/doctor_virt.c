/* SPDX-License-Identifier: BSD-3-Clause */
#include "doctor_virt.h"

#include <stdlib.h>
#include <string.h>

#include <libvirt/libvirt.h>

#include "doctor_child.h"
#include "domain_xml.h"
#include "members.h"
#include "virt_error.h"

#define TIMEOUT_MS 5000
#define ALL_CPUS 4096	/* room for a list that is not for people */

static void
quiet(void *arg, virErrorPtr error)
{
	(void)arg, (void)error;
}

static json_t *
make_error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

static void
take_bits(struct cpuset *set, const unsigned char *bits, size_t len)
{
	memset(set, 0, sizeof(*set));
	for (unsigned int cpu = 0; cpu < FRQ_MAX_CPUS && cpu / 8 < len; cpu++)
		if (VIR_CPU_USED(bits, cpu))
			cpuset_add(set, cpu);
}

/* What is plugged in, and where it may run. libvirt says "everywhere" of one not pinned. */
static json_t *
read_vcpus(virDomainPtr dom, const struct vm_map_vm *vm, const struct cpuset *online, int maplen)
{
	unsigned char *pins = calloc(vm->nb_vcpus + 1, (size_t)maplen);
	json_t *vcpus = json_array();
	int nb = pins == NULL ? -1 : virDomainGetVcpuPinInfo(dom, (int)vm->nb_vcpus, pins, maplen,
		VIR_DOMAIN_AFFECT_CURRENT);

	for (int i = 0; i < nb; i++) {
		struct cpuset cpus;
		char list[ALL_CPUS];

		if (!vm->vcpu[i].present)
			continue;
		take_bits(&cpus, pins + (size_t)i * (size_t)maplen, (size_t)maplen);
		(void)json_array_append_new(vcpus, json_pack("{s:i, s:b, s:s}", "vcpu", i,
			"pinned", !cpuset_empty(&cpus) && !cpuset_subset(online, &cpus),
			"cpus", cpuset_format(&cpus, list, sizeof(list))));
	}
	free(pins);
	return vcpus;
}

static json_t *
read_domain(virDomainPtr dom, const struct cpuset *online, int maplen, struct vm_map_vm *vm)
{
	char uuid[VIR_UUID_STRING_BUFLEN] = "", *xml = virDomainGetXMLDesc(dom, 0);
	const char *name = virDomainGetName(dom);
	struct frq_err err = { .text = "" };
	json_t *vcpus = json_array(), *ports = json_array();
	uid_t user;

	memset(vm, 0, sizeof(*vm));
	(void)virDomainGetUUIDString(dom, uuid);
	if (xml == NULL) {
		frq_err_set(&err, "its XML cannot be read: %s", virt_error_text());
	} else if (domain_xml_parse(xml, strlen(xml), FRQ_SHMEM_PREFIX, vm, &user, &err) == 0) {
		json_decref(vcpus);
		vcpus = read_vcpus(dom, vm, online, maplen);
		if (vm->shmem[0] != '\0' && !vm->shmem_usable)
			frq_err_set(&err, "%s", vm->shmem_problem);
	}
	for (unsigned int n = 0; n < FRQ_SERIAL_MAX_PORTS; n++)
		if ((vm->serial >> n & 1) != 0)
			(void)json_array_append_new(ports, json_integer((json_int_t)n));
	free(xml);
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:i, s:o, s:{s:o}}", "name", name != NULL ? name : "",
		"uuid", uuid, "active", virDomainIsActive(dom) == 1, "shmem", vm->shmem,
		"problem", err.text, "vhost", vm->vhost, "vhost_problem", vm->vhost_problem,
		"vhost_queues", (int)vm->vhost_queues, "vcpus", vcpus, "serial", "ports", ports);
}

/* libvirt has them in another order each time. */
static int
compare_names(const void *a, const void *b)
{
	const virDomainPtr *x = a, *y = b;
	const char *nx = virDomainGetName(*x), *ny = virDomainGetName(*y);

	return nx != NULL && ny != NULL ? strcmp(nx, ny) : 0;
}

static json_t *
read_domains(virConnectPtr conn)
{
	struct vm_map_vm *vm = malloc(sizeof(*vm));
	unsigned char *bits = NULL;
	virDomainPtr *doms = NULL;
	json_t *vms = json_array();
	struct cpuset online;
	int nb_cpus = virNodeGetCPUMap(conn, &bits, NULL, 0);
	int nb = nb_cpus > 0 && vm != NULL ? virConnectListAllDomains(conn, &doms, 0) : -1;

	if (nb < 0) {
		json_decref(vms);
		vms = NULL;
	} else {
		take_bits(&online, bits, VIR_CPU_MAPLEN((size_t)nb_cpus));
	}
	if (nb > 1)
		qsort(doms, (size_t)nb, sizeof(virDomainPtr), compare_names);
	for (int i = 0; i < nb; i++) {
		(void)json_array_append_new(vms, read_domain(doms[i], &online,
			VIR_CPU_MAPLEN(nb_cpus), vm));
		virDomainFree(doms[i]);
	}
	free(doms);
	free(bits);
	free(vm);
	return vms;
}

/* In a process of its own. */
static json_t *
ask(const void *uri)
{
	unsigned long version = 0;
	virConnectPtr conn;
	json_t *vms;

	/* A look must not start a daemon for this user. */
	(void)setenv("LIBVIRT_AUTOSTART", "0", 1);
	virSetErrorFunc(NULL, quiet);
	conn = virConnectOpenAuth(uri, NULL, VIR_CONNECT_RO);
	if (conn == NULL)
		return make_error(virt_error_text());
	(void)virConnectGetLibVersion(conn, &version);
	vms = read_domains(conn);
	if (vms == NULL)
		return make_error(virt_error_text());
	return json_pack("{s:I, s:o}", "version", (json_int_t)version, "vms", vms);
}

json_t *
doctor_virt_read(const char *uri)
{
	json_t *found = doctor_ask_bounded(ask, uri, TIMEOUT_MS);

	return found != NULL ? found : make_error("no answer in 5 s, it hangs");
}

const json_t *
doctor_vms(const struct doctor *d)
{
	return json_object_get(d->libvirt, "vms");
}

void
doctor_vm_pins(const json_t *vm, struct cpuset *cpus)
{
	const json_t *vcpus = json_object_get(vm, "vcpus");

	memset(cpus, 0, sizeof(*cpus));
	for (size_t i = 0; i < json_array_size(vcpus); i++) {
		const json_t *vcpu = json_array_get(vcpus, i);
		struct cpuset one;
		struct frq_err err;

		if (!flag_of(vcpu, "pinned") || !cpuset_parse(&one, text_of(vcpu, "cpus"), &err))
			continue;
		CPUSET_FOREACH(cpu, &one)
			cpuset_add(cpus, cpu);
	}
}
