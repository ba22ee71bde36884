/* SPDX-License-Identifier: BSD-3-Clause */
#include "domain_xml.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

/* Highest number in any libvirt XML that we look at; keeps sums from wrapping. */
#define NUMBER_MAX (UINT64_C(1) << 40)

/* Owned by the caller: xmlFree(). NULL without the attribute. */
static char *
attribute(xmlNodePtr node, const char *name)
{
	return (char *)xmlGetNoNsProp(node, (const xmlChar *)name);
}

/* Decimal digits and nothing else, as libvirt prints a number. */
static bool
parse_number(const char *text, uint64_t *n)
{
	*n = 0;
	if (!isdigit((unsigned char)text[0]))
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		*n = *n * 10 + (uint64_t)(*text - '0');
		if (*n > NUMBER_MAX)
			return false;
	}
	return *text == '\0';
}

static bool
number_attribute(xmlNodePtr node, const char *name, uint64_t *n)
{
	char *text = attribute(node, name);
	bool ok = text != NULL && parse_number(text, n);

	xmlFree(text);
	return ok;
}

static bool
number_content(xmlNodePtr node, uint64_t *n)
{
	char *text = (char *)xmlNodeGetContent(node);
	bool ok = text != NULL && parse_number(text, n);

	xmlFree(text);
	return ok;
}

static xmlXPathObjectPtr
select_nodes(xmlXPathContextPtr ctx, const char *path)
{
	return xmlXPathEvalExpression((const xmlChar *)path, ctx);
}

static int
count_nodes(const xmlXPathObject *found)
{
	return found != NULL && found->nodesetval != NULL ? found->nodesetval->nodeNr : 0;
}

static xmlNodePtr
child(xmlNodePtr node, const char *name)
{
	for (xmlNodePtr c = node->children; c != NULL; c = c->next)
		if (c->type == XML_ELEMENT_NODE && xmlStrEqual(c->name, (const xmlChar *)name))
			return c;
	return NULL;
}

/* ---- the shared memory --------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
problem(struct vm_map_vm *vm, const char *fmt, ...)
{
	va_list ap;

	vm->shmem_usable = false;
	va_start(ap, fmt);
	(void)vsnprintf(vm->shmem_problem, sizeof(vm->shmem_problem), fmt, ap);
	va_end(ap);
}

/* As libvirt scales: K, KiB are 1024, KB is 1000; bytes where no unit is. */
static bool
unit_scale(const char *unit, uint64_t *scale)
{
	static const char powers[] = "kmgtpe";
	const char *at;
	uint64_t base;

	*scale = 1;
	if (unit[0] == '\0' || strcasecmp(unit, "b") == 0 || strcasecmp(unit, "byte") == 0 ||
	    strcasecmp(unit, "bytes") == 0)
		return true;
	at = strchr(powers, tolower((unsigned char)unit[0]));
	if (at == NULL)
		return false;
	if (unit[1] == '\0' || strcasecmp(unit + 1, "ib") == 0)
		base = 1024;
	else if (strcasecmp(unit + 1, "b") == 0)
		base = 1000;
	else
		return false;
	for (; at >= powers; at--)
		*scale *= base;
	return true;
}

static bool
size_is_region(xmlNodePtr size)
{
	char *unit = attribute(size, "unit");
	uint64_t n, scale;
	bool ok = number_content(size, &n) && unit_scale(unit != NULL ? unit : "", &scale) &&
		n <= FRQ_REGION_SIZE && scale <= FRQ_REGION_SIZE && n * scale == FRQ_REGION_SIZE;

	xmlFree(unit);
	return ok;
}

static void
judge_shmem(struct vm_map_vm *vm, xmlNodePtr shmem)
{
	xmlNodePtr model = child(shmem, "model"), size = child(shmem, "size");
	char *type = model != NULL ? attribute(model, "type") : NULL;

	vm->shmem_usable = true;
	if (type != NULL && strcmp(type, "ivshmem-doorbell") == 0)
		problem(vm, "model ivshmem-doorbell is not supported yet: use ivshmem-plain");
	else if (type == NULL || strcmp(type, "ivshmem-plain") != 0)
		problem(vm, "model %.32s: use <model type='ivshmem-plain'/>",
			type != NULL ? type : "none");
	else if (size == NULL)
		problem(vm, "no size, so libvirt takes 4 MiB: use <size unit='M'>1</size>");
	else if (!size_is_region(size))
		problem(vm, "not 1 MiB in size: use <size unit='M'>1</size>");
	xmlFree(type);
}

/* libvirt refuses only '/'; the name goes into log lines, too. */
static bool
is_plain_name(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (*p == '/' || (unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static void
take_shmem(struct vm_map_vm *vm, xmlNodePtr shmem, const char *name)
{
	if (!is_plain_name(name)) {
		/* Not to be used as a file's name, whatever happens to the rest. */
		(void)snprintf(vm->shmem, sizeof(vm->shmem), "?");
		problem(vm, "its name has a slash or a control character in it");
	} else if (strlen(name) >= sizeof(vm->shmem)) {
		(void)snprintf(vm->shmem, sizeof(vm->shmem), "?");
		problem(vm, "its name is longer than %zu bytes", sizeof(vm->shmem) - 1);
	} else {
		(void)snprintf(vm->shmem, sizeof(vm->shmem), "%s", name);
		judge_shmem(vm, shmem);
	}
}

static void
read_shmem(struct vm_map_vm *vm, xmlXPathContextPtr ctx, const char *prefix)
{
	xmlXPathObjectPtr found = select_nodes(ctx, "/domain/devices/shmem");
	unsigned int nb = 0;

	vm->shmem[0] = '\0';
	vm->shmem_problem[0] = '\0';
	vm->shmem_usable = false;
	for (int i = 0; i < count_nodes(found); i++) {
		char *name = attribute(found->nodesetval->nodeTab[i], "name");

		if (name != NULL && strncmp(name, prefix, strlen(prefix)) == 0 && nb++ == 0)
			take_shmem(vm, found->nodesetval->nodeTab[i], name);
		xmlFree(name);
	}
	if (nb > 1)
		problem(vm, "%u shmem devices have names that start with %.32s: keep one", nb, prefix);
	xmlXPathFreeObject(found);
}

/* ---- serial channels ------------------------------------------------------- */

/* "virtio.serial.port.poweragent.N", N as libvirt's users write it. */
static bool
is_port(const char *name, uint64_t *n)
{
	size_t len = strlen(FRQ_SERIAL_PORT_PREFIX);

	return strncmp(name, FRQ_SERIAL_PORT_PREFIX, len) == 0 && parse_number(name + len, n) &&
		*n < FRQ_SERIAL_MAX_PORTS && (name[len] != '0' || name[len + 1] == '\0');
}

static void
take_channel(struct vm_map_vm *vm, xmlNodePtr channel)
{
	xmlNodePtr source = child(channel, "source"), target = child(channel, "target");
	char *name = target != NULL ? attribute(target, "name") : NULL;
	char *path = source != NULL ? attribute(source, "path") : NULL;
	char *mode = source != NULL ? attribute(source, "mode") : NULL;
	uint64_t n;

	/* Where QEMU is the client somebody else is the host. */
	if (name != NULL && path != NULL && path[0] == '/' && is_port(name, &n) &&
	    strlen(path) < VM_MAP_SERIAL_PATH && (mode == NULL || strcmp(mode, "bind") == 0)) {
		vm->serial |= UINT64_C(1) << n;
		(void)snprintf(vm->serial_path[n], sizeof(vm->serial_path[n]), "%s", path);
	}
	xmlFree(name);
	xmlFree(path);
	xmlFree(mode);
}

static void
read_channels(struct vm_map_vm *vm, xmlXPathContextPtr ctx)
{
	xmlXPathObjectPtr found = select_nodes(ctx, "/domain/devices/channel[@type='unix']");

	vm->serial = 0;
	for (int i = 0; i < count_nodes(found); i++)
		take_channel(vm, found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
}

/* ---- the vhost-user port ----------------------------------------------------- */

/* QEMU hands librte_vhost descriptors of it, or there is nothing to map. */
static bool
memory_is_shared(xmlXPathContextPtr ctx)
{
	static const char *const ways[] = {
		"/domain/memoryBacking/access[@mode='shared']",
		"/domain/cpu/numa/cell[@memAccess='shared']",
	};
	bool shared = false;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		xmlXPathObjectPtr found = select_nodes(ctx, ways[i]);

		shared |= count_nodes(found) > 0;
		xmlXPathFreeObject(found);
	}
	return shared;
}

/* @return the path of its socket if it is a port of ours, else NULL; xmlFree() */
static char *
port_path(xmlNodePtr interface, const char *prefix)
{
	xmlNodePtr source = child(interface, "source");
	char *path = source != NULL ? attribute(source, "path") : NULL;
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (slash != NULL && path[0] == '/' && strncmp(slash + 1, prefix, strlen(prefix)) == 0)
		return path;
	xmlFree(path);
	return NULL;
}

static const char *
judge_port(xmlXPathContextPtr ctx, xmlNodePtr interface, const char *path)
{
	xmlNodePtr model = child(interface, "model"), source = child(interface, "source");
	char *type = model != NULL ? attribute(model, "type") : NULL;
	char *mode = attribute(source, "mode");
	const char *fault = NULL;

	if (mode == NULL || strcmp(mode, "server") != 0)
		fault = "QEMU is the client of its socket, which cannot come back after the daemon "
			"was restarted: use <source type='unix' path='...' mode='server'/>";
	else if (type == NULL || strcmp(type, "virtio") != 0)
		fault = "use <model type='virtio'/>";
	else if (strlen(path) >= VM_MAP_VHOST_PATH)
		fault = "the path of its socket is longer than 107 bytes";
	else if (!memory_is_shared(ctx))
		fault = "the VM's memory is not shared: <memoryBacking><source type='memfd'/>"
			"<access mode='shared'/></memoryBacking>";
	xmlFree(type);
	xmlFree(mode);
	return fault;
}

static void
take_port(struct vm_map_vm *vm, xmlXPathContextPtr ctx, xmlNodePtr interface, const char *path)
{
	const char *fault = judge_port(ctx, interface, path);
	xmlNodePtr driver = child(interface, "driver");
	uint64_t queues;

	(void)snprintf(vm->vhost, sizeof(vm->vhost), "%s", path);
	(void)snprintf(vm->vhost_problem, sizeof(vm->vhost_problem), "%s", fault != NULL ? fault : "");
	vm->vhost_queues = driver != NULL && number_attribute(driver, "queues", &queues) &&
		queues <= FRQ_MAX_CHANNELS ? (unsigned int)queues : 1;
}

static void
read_ports(struct vm_map_vm *vm, xmlXPathContextPtr ctx, const char *prefix)
{
	xmlXPathObjectPtr found = select_nodes(ctx, "/domain/devices/interface[@type='vhostuser']");
	unsigned int nb = 0;

	vm->vhost[0] = vm->vhost_problem[0] = '\0';
	vm->vhost_queues = 0;
	for (int i = 0; i < count_nodes(found); i++) {
		char *path = port_path(found->nodesetval->nodeTab[i], prefix);

		if (path != NULL && nb++ == 0)
			take_port(vm, ctx, found->nodesetval->nodeTab[i], path);
		xmlFree(path);
	}
	if (nb > 1)
		(void)snprintf(vm->vhost_problem, sizeof(vm->vhost_problem),
			"%u vhost-user interfaces have sockets that start with %.32s: keep one", nb, prefix);
	xmlXPathFreeObject(found);
}

/* ---- vCPUs --------------------------------------------------------------- */

/* <vcpu current='2'>4</vcpu>: the first two, unless <vcpus> says otherwise. */
static void
read_vcpu_count(struct vm_map_vm *vm, xmlXPathContextPtr ctx)
{
	xmlXPathObjectPtr found = select_nodes(ctx, "/domain/vcpu");
	uint64_t max = 1, current = 1;

	if (count_nodes(found) > 0) {
		xmlNodePtr node = found->nodesetval->nodeTab[0];

		if (!number_content(node, &max))
			max = 1;
		if (!number_attribute(node, "current", &current))
			current = max;
	}
	vm->nb_vcpus = max < FRQ_MAX_CHANNELS ? (unsigned int)max : FRQ_MAX_CHANNELS;
	for (unsigned int i = 0; i < FRQ_MAX_CHANNELS; i++)
		vm->vcpu[i].present = i < vm->nb_vcpus && i < current;
	xmlXPathFreeObject(found);
}

static void
read_vcpus(struct vm_map_vm *vm, xmlXPathContextPtr ctx)
{
	xmlXPathObjectPtr found = select_nodes(ctx, "/domain/vcpus/vcpu");

	for (int i = 0; i < count_nodes(found); i++) {
		xmlNodePtr node = found->nodesetval->nodeTab[i];
		char *enabled = attribute(node, "enabled");
		uint64_t id;

		if (enabled != NULL && number_attribute(node, "id", &id) && id < vm->nb_vcpus)
			vm->vcpu[id].present = strcmp(enabled, "yes") == 0;
		xmlFree(enabled);
	}
	xmlXPathFreeObject(found);
}

/* ---- who QEMU runs as ---------------------------------------------------- */

/* "+64055:+64055". A name instead of a number would need the user database. */
static uid_t
read_qemu_user(xmlXPathContextPtr ctx)
{
	xmlXPathObjectPtr found = select_nodes(ctx, "/domain/seclabel[@model='dac']/label");
	uid_t user = (uid_t)-1;
	uint64_t n;

	if (count_nodes(found) > 0) {
		char *text = (char *)xmlNodeGetContent(found->nodesetval->nodeTab[0]);
		char *colon = text != NULL ? strchr(text, ':') : NULL;

		if (colon != NULL) {
			*colon = '\0';
			if (parse_number(text[0] == '+' ? text + 1 : text, &n) && n < (uid_t)-1)
				user = (uid_t)n;
		}
		xmlFree(text);
	}
	xmlXPathFreeObject(found);
	return user;
}

/* ---- the document -------------------------------------------------------- */

static const char *
check_document(const xmlDoc *doc)
{
	const xmlNode *root;

	if (doc == NULL)
		return "not well-formed XML";
	/* Entities can only be declared in one; libvirt never writes one. */
	if (doc->intSubset != NULL || doc->extSubset != NULL)
		return "has a DTD";
	root = xmlDocGetRootElement(doc);
	if (root == NULL || !xmlStrEqual(root->name, (const xmlChar *)"domain"))
		return "its root is not <domain>";
	return NULL;
}

int
domain_xml_parse(const char *text, size_t len, const char *prefix,
	struct vm_map_vm *vm, uid_t *qemu_user, struct frq_err *err)
{
	xmlXPathContextPtr ctx;
	const char *fault;
	xmlDocPtr doc;

	if (len == 0 || len > DOMAIN_XML_MAX) {
		frq_err_set(err, "domain XML has %zu bytes, not 1 to %u", len, DOMAIN_XML_MAX);
		return -EINVAL;
	}
	doc = xmlReadMemory(text, (int)len, "domain.xml", NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
	fault = check_document(doc);
	ctx = fault == NULL ? xmlXPathNewContext(doc) : NULL;
	if (ctx == NULL) {
		frq_err_set(err, "domain XML: %s", fault != NULL ? fault : "no memory");
		xmlFreeDoc(doc);
		return -EINVAL;
	}
	read_shmem(vm, ctx, prefix);
	read_channels(vm, ctx);
	read_ports(vm, ctx, prefix);
	read_vcpu_count(vm, ctx);
	read_vcpus(vm, ctx);
	*qemu_user = read_qemu_user(ctx);
	xmlXPathFreeContext(ctx);
	xmlFreeDoc(doc);
	return 0;
}
