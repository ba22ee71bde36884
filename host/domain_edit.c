/* SPDX-License-Identifier: BSD-3-Clause */
#include "domain_edit.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "domain_xml.h"
#include "freqring_vhost.h"

#define SERIAL_NAME	"virtio.serial.port.poweragent."

/* Of a PCI bus; bus numbers are bytes. */
#define NB_BUSES	256u
#define NB_SLOTS	32u

/* QEMU gives a controller 31 ports unless told otherwise, 511 at most. */
#define PORTS_DEFAULT	31u
#define PORTS_MAX	511u
#define CONTROLLERS_MAX	64u

struct domain_edit {
	const char *prefix;
	bool live;
	xmlDocPtr doc;
	xmlXPathContextPtr ctx;
	char object[NAME_MAX + 1];
	char problem[128];	/* of that device; "": it is right */
};

/* ---- the document -------------------------------------------------------- */

/* Owned by the caller: xmlFree(). NULL without the attribute. */
static char *
attribute(xmlNodePtr node, const char *name)
{
	return node != NULL ? (char *)xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
}

static bool
attribute_is(xmlNodePtr node, const char *name, const char *value)
{
	char *text = attribute(node, name);
	bool is = text != NULL && strcmp(text, value) == 0;

	xmlFree(text);
	return is;
}

/* As libvirt reads a number here: decimal, or hexadecimal after 0x. */
static bool
number_attribute(xmlNodePtr node, const char *name, unsigned int *n)
{
	char *text = attribute(node, name), *end;
	unsigned long value = 0;
	bool ok = text != NULL && isdigit((unsigned char)text[0]);

	if (ok) {
		errno = 0;
		value = strtoul(text, &end, 0);
		ok = errno == 0 && *end == '\0' && value <= UINT_MAX;
	}
	xmlFree(text);
	*n = (unsigned int)value;
	return ok;
}

static xmlNodePtr
child(xmlNodePtr node, const char *name)
{
	for (xmlNodePtr c = node->children; c != NULL; c = c->next)
		if (c->type == XML_ELEMENT_NODE && xmlStrEqual(c->name, (const xmlChar *)name))
			return c;
	return NULL;
}

static xmlXPathObjectPtr
select_nodes(const struct domain_edit *e, const char *path)
{
	return xmlXPathEvalExpression((const xmlChar *)path, e->ctx);
}

static int
count_nodes(const xmlXPathObject *found)
{
	return found != NULL && found->nodesetval != NULL ? found->nodesetval->nodeNr : 0;
}

/* What the running domain has and QEMU knows has an alias. */
static bool
is_real(const struct domain_edit *e, xmlNodePtr device)
{
	char *name;
	bool real;

	if (!e->live)
		return true;
	name = attribute(child(device, "alias"), "name");
	real = name != NULL;
	xmlFree(name);
	return real;
}

/* Judges the text as well; whether it can be read safely is decided there. */
static int
read_object(struct domain_edit *e, const char *text, size_t len, struct frq_err *err)
{
	struct vm_map_vm *vm = calloc(1, sizeof(*vm));
	uid_t user;
	int ret;

	if (vm == NULL) {
		frq_err_set(err, "no memory for a domain's XML");
		return -ENOMEM;
	}
	ret = domain_xml_parse(text, len, e->prefix, vm, &user, err);
	if (ret == 0) {
		(void)snprintf(e->object, sizeof(e->object), "%s", vm->shmem);
		(void)snprintf(e->problem, sizeof(e->problem), "%s", vm->shmem_problem);
	}
	free(vm);
	return ret;
}

int
domain_edit_open(struct domain_edit **out, const char *text, size_t len, const char *prefix,
	bool live, struct frq_err *err)
{
	struct domain_edit *e = calloc(1, sizeof(*e));
	int ret;

	if (e == NULL) {
		frq_err_set(err, "no memory for a domain's XML");
		return -ENOMEM;
	}
	e->prefix = prefix;
	e->live = live;
	ret = read_object(e, text, len, err);
	if (ret == 0) {
		e->doc = xmlReadMemory(text, (int)len, "domain.xml", NULL, XML_PARSE_NONET |
			XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA |
			XML_PARSE_NOBLANKS);
		e->ctx = e->doc != NULL ? xmlXPathNewContext(e->doc) : NULL;
		if (e->ctx == NULL) {
			frq_err_set(err, "no memory for a domain's XML");
			ret = -ENOMEM;
		}
	}
	if (ret < 0) {
		domain_edit_close(e);
		return ret;
	}
	*out = e;
	return 0;
}

void
domain_edit_close(struct domain_edit *e)
{
	if (e == NULL)
		return;
	xmlXPathFreeContext(e->ctx);
	xmlFreeDoc(e->doc);
	free(e);
}

const char *
domain_edit_object(const struct domain_edit *e)
{
	return e->object;
}

bool
domain_edit_has_object(const struct domain_edit *e, const char *object)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/devices/shmem");
	bool has = false;

	for (int i = 0; i < count_nodes(found) && !has; i++)
		has = attribute_is(found->nodesetval->nodeTab[i], "name", object);
	xmlXPathFreeObject(found);
	return has;
}

/* ---- devices to hand over ------------------------------------------------- */

/* As an attribute's value in single quotes. */
static void
put_escaped(FILE *f, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			(void)fputs("&amp;", f);
			break;
		case '<':
			(void)fputs("&lt;", f);
			break;
		case '\'':
			(void)fputs("&apos;", f);
			break;
		default:
			(void)fputc(*text, f);
		}
	}
}

/* Where on a PCI bus; bus -1: libvirt finds a place. */
struct pci_place {
	int bus;
	unsigned int slot;
};

static void
put_shmem(FILE *f, const char *object, struct pci_place at)
{
	(void)fputs("<shmem name='", f);
	put_escaped(f, object);
	(void)fputs("' role='master'>\n"
		"  <model type='ivshmem-plain'/>\n"
		"  <size unit='M'>1</size>\n", f);
	if (at.bus >= 0)
		(void)fprintf(f, "  <address type='pci' domain='0x0000' bus='0x%02x' slot='0x%02x' function='0x0'/>\n",
			(unsigned int)at.bus, at.slot);
	(void)fputs("</shmem>\n", f);
}

/* Of a virtio-serial controller; port 0 (reserved): libvirt finds one. */
struct serial_place {
	unsigned int controller, port;
};

/* Without a path libvirt makes one where QEMU may, and labels it. */
static void
put_channel(FILE *f, unsigned int number, struct serial_place at)
{
	(void)fprintf(f, "<channel type='unix'>\n"
		"  <source mode='bind'/>\n"
		"  <target type='virtio' name='" SERIAL_NAME "%u'/>\n", number);
	if (at.port != 0)
		(void)fprintf(f, "  <address type='virtio-serial' controller='%u' bus='0' port='%u'/>\n",
			at.controller, at.port);
	(void)fputs("</channel>\n", f);
}

char *
domain_edit_xml(const char *object, unsigned int nb)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	bool failed;

	if (f == NULL)
		return NULL;
	put_shmem(f, object, (struct pci_place){ .bus = -1 });
	for (unsigned int n = 0; n < nb; n++)
		put_channel(f, n, (struct serial_place){ .port = 0 });
	failed = ferror(f) != 0;
	if (fclose(f) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}

/* The next device, or NULL. */
static struct domain_edit_device *
add_device(struct domain_edit_part *p)
{
	struct domain_edit_device *grown = reallocarray(p->device, p->nb + 1, sizeof(*grown));

	if (grown == NULL)
		return NULL;
	p->device = grown;
	grown += p->nb++;
	memset(grown, 0, sizeof(*grown));
	p->verdict = DOMAIN_EDIT_CHANGE;
	return grown;
}

static void
part_clear(struct domain_edit_part *p)
{
	memset(p, 0, sizeof(*p));
	p->verdict = DOMAIN_EDIT_FINE;
}

void
domain_edit_part_free(struct domain_edit_part *p)
{
	for (unsigned int i = 0; i < p->nb; i++)
		free(p->device[i].xml);
	free(p->device);
	part_clear(p);
}

static int
add_shmem(struct domain_edit_part *p, const char *object, struct pci_place at)
{
	struct domain_edit_device *d = add_device(p);
	size_t size;
	FILE *f;

	if (d == NULL)
		return -ENOMEM;
	f = open_memstream(&d->xml, &size);
	if (f == NULL)
		return -ENOMEM;
	put_shmem(f, object, at);
	(void)snprintf(d->what, sizeof(d->what), "shmem device %.64s", object);
	return fclose(f) == 0 ? 0 : -ENOMEM;
}

static int
add_channel(struct domain_edit_part *p, unsigned int number, struct serial_place at)
{
	struct domain_edit_device *d = add_device(p);
	size_t size;
	FILE *f;

	if (d == NULL)
		return -ENOMEM;
	f = open_memstream(&d->xml, &size);
	if (f == NULL)
		return -ENOMEM;
	put_channel(f, number, at);
	(void)snprintf(d->what, sizeof(d->what), "channel %u", number);
	return fclose(f) == 0 ? 0 : -ENOMEM;
}

/* Exactly as it stands: libvirt finds a device by what it was told of it. */
static int
add_node(struct domain_edit_part *p, xmlNodePtr node, const char *kind, const char *name)
{
	struct domain_edit_device *d = add_device(p);
	xmlBufferPtr buffer = xmlBufferCreate();
	char *alias = attribute(child(node, "alias"), "name");

	if (d != NULL && buffer != NULL && xmlNodeDump(buffer, node->doc, node, 0, 1) > 0)
		d->xml = strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	if (d != NULL && alias != NULL && strlen(alias) < sizeof(d->alias))
		(void)snprintf(d->alias, sizeof(d->alias), "%s", alias);
	xmlFree(alias);
	if (d == NULL || d->xml == NULL)
		return -ENOMEM;
	(void)snprintf(d->what, sizeof(d->what), "%s %.64s", kind, name);
	return 0;
}

/* Nothing half. */
static int
end_part(struct domain_edit_part *p, int ret)
{
	if (ret < 0)
		domain_edit_part_free(p);
	return ret;
}

/* ---- room for a PCI device ------------------------------------------------ */

struct pci_buses {
	enum {
		BUS_NONE,	/* or one where nothing can be plugged in */
		BUS_ROOT,	/* pci-root */
		BUS_PORT,	/* of a root port: one slot */
		BUS_BRIDGE,
	} kind[NB_BUSES];
	uint32_t used[NB_BUSES];	/* a bit a slot */
	bool pcie;			/* the machine's root is */
	bool any;			/* there is a PCI controller at all */
};

static void
take_controller(struct pci_buses *b, xmlNodePtr node)
{
	unsigned int index;
	char *model;

	if (!number_attribute(node, "index", &index) || index >= NB_BUSES)
		return;
	model = attribute(node, "model");
	if (model == NULL || attribute_is(child(node, "target"), "hotplug", "off"))
		b->kind[index] = BUS_NONE;
	else if (strcmp(model, "pci-root") == 0)
		b->kind[index] = BUS_ROOT;
	else if (strcmp(model, "pcie-root-port") == 0 ||
	    strcmp(model, "pcie-switch-downstream-port") == 0)
		b->kind[index] = BUS_PORT;
	else if (strcmp(model, "pci-bridge") == 0 || strcmp(model, "pcie-to-pci-bridge") == 0)
		b->kind[index] = BUS_BRIDGE;
	b->pcie |= model != NULL && strcmp(model, "pcie-root") == 0;
	b->any = true;
	xmlFree(model);
}

static void
take_address(struct pci_buses *b, xmlNodePtr node)
{
	unsigned int domain, bus, slot;

	if (number_attribute(node, "domain", &domain) && domain != 0)
		return;
	if (number_attribute(node, "bus", &bus) && bus < NB_BUSES &&
	    number_attribute(node, "slot", &slot) && slot < NB_SLOTS)
		b->used[bus] |= UINT32_C(1) << slot;
}

static void
read_buses(const struct domain_edit *e, struct pci_buses *b)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/devices/controller[@type='pci']");

	memset(b, 0, sizeof(*b));
	for (int i = 0; i < count_nodes(found); i++)
		if (is_real(e, found->nodesetval->nodeTab[i]))
			take_controller(b, found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
	found = select_nodes(e, "/domain/devices/*/address[@type='pci']");
	for (int i = 0; i < count_nodes(found); i++)
		take_address(b, found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
}

/* Slot 0 of a bridge is its own, and slot 0 and 1 of pci-root the chipset's. */
static bool
free_slot(const struct pci_buses *b, unsigned int bus, unsigned int *slot)
{
	unsigned int from = b->kind[bus] == BUS_ROOT ? 2 : 1;

	for (*slot = from; *slot < NB_SLOTS; (*slot)++)
		if ((b->used[bus] >> *slot & 1) == 0)
			return true;
	return false;
}

/*
 * The device is a conventional one, but behind a root port it works, too.
 * libvirt puts it there only where it is told the address.
 */
static bool
find_pci_place(const struct pci_buses *b, struct pci_place *at)
{
	unsigned int slot;

	at->bus = -1;
	at->slot = 0;
	/* Not of the kind that is known here: libvirt may know better. */
	if (!b->any)
		return true;
	for (unsigned int bus = 0; bus < NB_BUSES; bus++) {
		if ((b->kind[bus] == BUS_ROOT || b->kind[bus] == BUS_BRIDGE) &&
		    free_slot(b, bus, &slot))
			return true;
	}
	for (unsigned int bus = 0; bus < NB_BUSES; bus++) {
		if (b->kind[bus] == BUS_PORT && b->used[bus] == 0) {
			at->bus = (int)bus;
			return true;
		}
	}
	return false;
}

/* ---- the shared memory ---------------------------------------------------- */

int
domain_edit_attach_shmem(struct domain_edit *e, const char *object, struct domain_edit_part *p)
{
	struct pci_place at = { .bus = -1 };
	struct pci_buses *b;
	bool room;

	part_clear(p);
	if (e->problem[0] != '\0') {
		p->verdict = DOMAIN_EDIT_WRONG;
		(void)snprintf(p->text, sizeof(p->text), "shmem device %.64s: %s; change it, or detach it first",
			e->object, e->problem);
		return 0;
	}
	if (e->object[0] != '\0')
		return 0;
	if (!e->live)
		return end_part(p, add_shmem(p, object, at));
	b = malloc(sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	read_buses(e, b);
	room = find_pci_place(b, &at);
	if (!room) {
		p->verdict = DOMAIN_EDIT_NO_ROOM;
		(void)snprintf(p->text, sizeof(p->text), "%s", b->pcie ?
			"no free root port" : "no free PCI slot");
	}
	free(b);
	return room ? end_part(p, add_shmem(p, object, at)) : 0;
}

int
domain_edit_detach_shmem(struct domain_edit *e, struct domain_edit_part *p)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/devices/shmem");
	int ret = 0;

	part_clear(p);
	for (int i = 0; i < count_nodes(found) && ret == 0; i++) {
		xmlNodePtr node = found->nodesetval->nodeTab[i];
		char *name = attribute(node, "name");

		if (name != NULL && strncmp(name, e->prefix, strlen(e->prefix)) == 0)
			ret = add_node(p, node, "shmem device", name);
		xmlFree(name);
	}
	xmlXPathFreeObject(found);
	return end_part(p, ret);
}

/* ---- channels ------------------------------------------------------------- */

/* Whether the channel is ours; `tail` of its name, to be freed, is a number then. */
static char *
channel_tail(xmlNodePtr channel)
{
	xmlNodePtr target = child(channel, "target");
	char *name, *tail = NULL;
	size_t digits;

	if (target == NULL || !attribute_is(target, "type", "virtio"))
		return NULL;
	name = attribute(target, "name");
	if (name != NULL && strncmp(name, SERIAL_NAME, strlen(SERIAL_NAME)) == 0)
		tail = name + strlen(SERIAL_NAME);
	digits = tail != NULL ? strspn(tail, "0123456789") : 0;
	if (digits == 0 || tail[digits] != '\0' || (tail[0] == '0' && digits > 1))
		tail = NULL;
	else
		tail = strdup(tail);
	xmlFree(name);
	return tail;
}

/* Which of the first `nb` are there; the first that is wrong goes into *p. */
static void
look_at_channels(const struct domain_edit *e, unsigned int nb, bool *there,
	struct domain_edit_part *p)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/devices/channel");

	for (int i = 0; i < count_nodes(found); i++) {
		xmlNodePtr node = found->nodesetval->nodeTab[i];
		char *tail = channel_tail(node);
		unsigned long n = tail != NULL ? strtoul(tail, NULL, 10) : ULONG_MAX;

		free(tail);
		if (n >= nb)
			continue;
		there[n] = true;
		if (attribute_is(node, "type", "unix") &&
		    !attribute_is(child(node, "source"), "mode", "connect"))
			continue;
		p->verdict = DOMAIN_EDIT_WRONG;
		(void)snprintf(p->text, sizeof(p->text), "channel %lu is not a UNIX socket of mode bind: "
			"change it, or detach it first", n);
		break;
	}
	xmlXPathFreeObject(found);
}

struct serial_ports {
	unsigned int nb;
	struct {
		unsigned int index, ports;
		bool used[PORTS_MAX];
	} c[CONTROLLERS_MAX];
};

static void
take_serial_controller(struct serial_ports *s, xmlNodePtr node)
{
	unsigned int index, ports;

	if (s->nb == CONTROLLERS_MAX || !number_attribute(node, "index", &index))
		return;
	if (!number_attribute(node, "ports", &ports))
		ports = PORTS_DEFAULT;
	s->c[s->nb].index = index;
	s->c[s->nb].ports = ports < PORTS_MAX ? ports : PORTS_MAX;
	s->nb++;
}

/* Consoles and other people's channels have ports of the same controllers. */
static void
take_serial_address(struct serial_ports *s, xmlNodePtr node)
{
	unsigned int index, port;

	if (!number_attribute(node, "controller", &index))
		index = 0;
	if (!number_attribute(node, "port", &port) || port >= PORTS_MAX)
		return;
	for (unsigned int i = 0; i < s->nb; i++)
		if (s->c[i].index == index)
			s->c[i].used[port] = true;
}

static void
read_serial_ports(const struct domain_edit *e, struct serial_ports *s)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/devices/controller[@type='virtio-serial']");

	memset(s, 0, sizeof(*s));
	for (int i = 0; i < count_nodes(found); i++)
		if (is_real(e, found->nodesetval->nodeTab[i]))
			take_serial_controller(s, found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
	found = select_nodes(e, "/domain/devices/*/address[@type='virtio-serial']");
	for (int i = 0; i < count_nodes(found); i++)
		take_serial_address(s, found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
}

static unsigned int
count_free_ports(const struct serial_ports *s)
{
	unsigned int nb = 0;

	for (unsigned int i = 0; i < s->nb; i++)
		for (unsigned int port = 1; port < s->c[i].ports; port++)
			nb += !s->c[i].used[port];
	return nb;
}

/* There is one: they were counted. */
static struct serial_place
take_free_port(struct serial_ports *s)
{
	for (unsigned int i = 0; i < s->nb; i++) {
		for (unsigned int port = 1; port < s->c[i].ports; port++) {
			if (!s->c[i].used[port]) {
				s->c[i].used[port] = true;
				return (struct serial_place){ s->c[i].index, port };
			}
		}
	}
	return (struct serial_place){ .port = 0 };
}

static int
add_live_channels(struct domain_edit *e, const bool *there, unsigned int nb, unsigned int missing,
	struct domain_edit_part *p)
{
	struct serial_ports *s = malloc(sizeof(*s));
	unsigned int room;
	int ret = 0;

	if (s == NULL)
		return -ENOMEM;
	read_serial_ports(e, s);
	room = count_free_ports(s);
	if (s->nb == 0) {
		p->verdict = DOMAIN_EDIT_NO_ROOM;
		(void)snprintf(p->text, sizeof(p->text), "no virtio-serial controller, and none can be plugged in");
	} else if (room < missing) {
		p->verdict = DOMAIN_EDIT_NO_ROOM;
		(void)snprintf(p->text, sizeof(p->text), "%u free ports on its virtio-serial controllers for "
			"%u channels, and no controller can be plugged in", room, missing);
	} else {
		for (unsigned int n = 0; n < nb && ret == 0; n++)
			if (!there[n])
				ret = add_channel(p, n, take_free_port(s));
	}
	free(s);
	return ret;
}

int
domain_edit_attach_serial(struct domain_edit *e, unsigned int nb, struct domain_edit_part *p)
{
	bool there[DOMAIN_SERIAL_MAX] = { false };
	unsigned int missing = 0;
	int ret = 0;

	part_clear(p);
	if (nb > DOMAIN_SERIAL_MAX)
		nb = DOMAIN_SERIAL_MAX;
	look_at_channels(e, nb, there, p);
	if (p->verdict == DOMAIN_EDIT_WRONG)
		return 0;
	for (unsigned int n = 0; n < nb; n++)
		missing += !there[n];
	if (missing == 0)
		return 0;
	if (e->live)
		return end_part(p, add_live_channels(e, there, nb, missing, p));
	for (unsigned int n = 0; n < nb && ret == 0; n++)
		if (!there[n])
			ret = add_channel(p, n, (struct serial_place){ .port = 0 });
	return end_part(p, ret);
}

int
domain_edit_detach_serial(struct domain_edit *e, struct domain_edit_part *p)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/devices/channel");
	int ret = 0;

	part_clear(p);
	for (int i = 0; i < count_nodes(found) && ret == 0; i++) {
		char *tail = channel_tail(found->nodesetval->nodeTab[i]);

		if (tail != NULL)
			ret = add_node(p, found->nodesetval->nodeTab[i], "channel", tail);
		free(tail);
	}
	xmlXPathFreeObject(found);
	return end_part(p, ret);
}

/* ---- the vhost-user port --------------------------------------------------- */

/* One that libvirt makes would not be found by the guest. The last two bytes
 * tell the ports of a host apart, for whoever looks at frames.
 */
static void
put_mac(FILE *f, const char *path)
{
	static const uint8_t prefix[] = FRQ_VHOST_MAC_PREFIX;
	uint32_t hash = 2166136261u;	/* FNV-1a */

	for (const char *p = path; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	(void)fprintf(f, "  <mac address='%02x:%02x:%02x:%02x:%02x:%02x'/>\n", prefix[0], prefix[1],
		prefix[2], prefix[3], hash >> 8 & 0xff, hash & 0xff);
}

static unsigned int
count_vcpus(const struct domain_edit *e)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/vcpu");
	char *text = count_nodes(found) > 0 ?
		(char *)xmlNodeGetContent(found->nodesetval->nodeTab[0]) : NULL;
	unsigned long nb = text != NULL ? strtoul(text, NULL, 10) : 1;

	xmlFree(text);
	xmlXPathFreeObject(found);
	return nb == 0 ? 1 : nb < FRQ_VHOST_MAX_PAIRS ? (unsigned int)nb : FRQ_VHOST_MAX_PAIRS;
}

static void
put_port(FILE *f, const struct domain_edit *e, const char *path, struct pci_place at)
{
	(void)fputs("<interface type='vhostuser'>\n", f);
	put_mac(f, path);
	(void)fputs("  <source type='unix' path='", f);
	put_escaped(f, path);
	(void)fprintf(f, "' mode='server'/>\n"
		"  <model type='virtio'/>\n"
		"  <driver queues='%u'/>\n", count_vcpus(e));
	if (at.bus >= 0)
		(void)fprintf(f, "  <address type='pci' domain='0x0000' bus='0x%02x' slot='0x%02x' function='0x0'/>\n",
			(unsigned int)at.bus, at.slot);
	(void)fputs("</interface>\n", f);
}

char *
domain_edit_port_xml(const struct domain_edit *e, const char *path)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	put_port(f, e, path, (struct pci_place){ .bus = -1 });
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static int
add_port(struct domain_edit *e, const char *path, struct pci_place at, struct domain_edit_part *p)
{
	struct domain_edit_device *d = add_device(p);
	size_t size;
	FILE *f = d != NULL ? open_memstream(&d->xml, &size) : NULL;

	if (f == NULL)
		return -ENOMEM;
	put_port(f, e, path, at);
	(void)snprintf(d->what, sizeof(d->what), "vhost-user port");
	return fclose(f) == 0 ? 0 : -ENOMEM;
}

/* As domain_xml.c, which also judges it. */
static bool
read_port(const struct domain_edit *e, struct vm_map_vm *vm)
{
	xmlChar *text = NULL;
	struct frq_err err;
	uid_t user;
	int len = 0;
	bool ok;

	xmlDocDumpMemory(e->doc, &text, &len);
	ok = text != NULL && domain_xml_parse((const char *)text, (size_t)len, e->prefix, vm, &user,
		&err) == 0;
	xmlFree(text);
	return ok;
}

static bool
memory_is_shared(const struct domain_edit *e)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/memoryBacking/access[@mode='shared'] | "
		"/domain/cpu/numa/cell[@memAccess='shared']");
	bool shared = count_nodes(found) > 0;

	xmlXPathFreeObject(found);
	return shared;
}

static void __attribute__((format(printf, 3, 4)))
set_verdict(struct domain_edit_part *p, enum domain_edit_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	p->verdict = verdict;
	va_start(ap, fmt);
	(void)vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
}

static int
attach_live_port(struct domain_edit *e, const char *path, struct domain_edit_part *p)
{
	struct pci_place at = { .bus = -1 };
	struct pci_buses *b = malloc(sizeof(*b));
	int ret = 0;

	if (b == NULL)
		return -ENOMEM;
	read_buses(e, b);
	if (find_pci_place(b, &at))
		ret = end_part(p, add_port(e, path, at, p));
	else
		set_verdict(p, DOMAIN_EDIT_NO_ROOM, "%s", b->pcie ? "no free root port" :
			"no free PCI slot");
	free(b);
	return ret;
}

int
domain_edit_attach_port(struct domain_edit *e, const char *path, struct domain_edit_part *p)
{
	struct vm_map_vm *vm = calloc(1, sizeof(*vm));
	bool there;

	part_clear(p);
	if (vm == NULL || !read_port(e, vm)) {
		free(vm);
		return -ENOMEM;
	}
	there = vm->vhost[0] != '\0';
	if (there && vm->vhost_problem[0] != '\0')
		set_verdict(p, DOMAIN_EDIT_WRONG, "vhost-user port: %.180s", vm->vhost_problem);
	free(vm);
	if (there)
		return 0;
	if (!memory_is_shared(e)) {
		set_verdict(p, DOMAIN_EDIT_WRONG, "its memory is not shared: <memoryBacking>"
			"<source type='memfd'/><access mode='shared'/></memoryBacking> in its definition, and a start");
		return 0;
	}
	return e->live ? attach_live_port(e, path, p) :
		end_part(p, add_port(e, path, (struct pci_place){ .bus = -1 }, p));
}

static bool
is_our_port(const struct domain_edit *e, xmlNodePtr interface)
{
	xmlNodePtr source = child(interface, "source");
	char *path = source != NULL ? attribute(source, "path") : NULL;
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	bool ours = slash != NULL && strncmp(slash + 1, e->prefix, strlen(e->prefix)) == 0;

	xmlFree(path);
	return ours;
}

int
domain_edit_detach_port(struct domain_edit *e, struct domain_edit_part *p)
{
	xmlXPathObjectPtr found = select_nodes(e, "/domain/devices/interface[@type='vhostuser']");
	int ret = 0;

	part_clear(p);
	for (int i = 0; i < count_nodes(found) && ret == 0; i++)
		if (is_our_port(e, found->nodesetval->nodeTab[i]))
			ret = add_node(p, found->nodesetval->nodeTab[i], "vhost-user", "port");
	xmlXPathFreeObject(found);
	return end_part(p, ret);
}

/* ---- names ---------------------------------------------------------------- */

static bool
is_object_name(const char *name)
{
	if (name[0] == '\0')
		return false;
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) && strchr("._+:@=-", *name) == NULL)
			return false;
	return true;
}

int
domain_edit_make_object(const char *prefix, const char *name, const char *uuid,
	char object[NAME_MAX + 1], bool *by_name)
{
	*by_name = is_object_name(name) && strlen(prefix) + strlen(name) <= NAME_MAX;
	if (strlen(prefix) + strlen(uuid) > NAME_MAX && !*by_name)
		return -ENAMETOOLONG;
	(void)snprintf(object, NAME_MAX + 1, "%s%s", prefix, *by_name ? name : uuid);
	return 0;
}
