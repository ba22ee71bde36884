/* SPDX-License-Identifier: BSD-3-Clause */
#include "domain_change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_removal.h"
#include "virt_error.h"

/* A QEMU that has been silent for that long is not asked for anything more. */
#define SILENT_MS	5000u

/* The running domain, or its definition, as far as there is such a thing. */
struct place {
	bool there;
	bool live;
	unsigned int affect;
	struct domain_edit *edit;
	struct domain_edit_part shmem, serial;	/* shmem: or the port */
	struct domain_change_place *result;
};

struct change {
	const struct domain_change *c;
	struct domain_change_result *r;
	struct frq_err *err;
	virDomainPtr dom;
	struct place live, config;
};

static void __attribute__((format(printf, 2, 3)))
say(struct place *p, const char *fmt, ...)
{
	char *text = p->result->text;
	size_t len = strlen(text), size = sizeof(p->result->text);
	va_list ap;

	if (len > 0)
		(void)snprintf(text + len, size - len, "; ");
	len = strlen(text);
	va_start(ap, fmt);
	(void)vsnprintf(text + len, size - len, fmt, ap);
	va_end(ap);
}

/* ---- the two places ------------------------------------------------------- */

static int
fail(struct change *g, const char *what)
{
	frq_err_set(g->err, "VM %.64s: %s: %s", g->r->name, what, virt_error_text());
	return virt_error_code() == VIR_ERR_NO_DOMAIN ? -ENOENT : -EIO;
}

static int
read_edit(struct change *g, bool live, struct domain_edit **edit)
{
	char *xml = virDomainGetXMLDesc(g->dom, live ? 0 : VIR_DOMAIN_XML_INACTIVE);
	struct frq_err why;
	int ret;

	if (xml == NULL)
		return fail(g, "its XML");
	ret = domain_edit_open(edit, xml, strlen(xml), g->c->prefix, live, &why);
	free(xml);
	if (ret < 0)
		frq_err_set(g->err, "VM %.64s: %s", g->r->name, why.text);
	return ret;
}

static int
find_places(struct change *g)
{
	const struct domain_change *c = g->c;
	int active = virDomainIsActive(g->dom);
	int persistent = active < 0 ? -1 : virDomainIsPersistent(g->dom);
	int ret = 0;

	if (persistent < 0)
		return fail(g, "its state");
	g->live.there = active == 1;
	g->config.there = persistent == 1;
	g->live.live = true;
	g->live.affect = VIR_DOMAIN_AFFECT_LIVE;
	g->config.affect = VIR_DOMAIN_AFFECT_CONFIG;
	g->live.result = &g->r->live;
	g->config.result = &g->r->config;
	if (c->live && !g->live.there) {
		frq_err_set(g->err, "VM %.64s does not run: only its definition can be changed",
			g->r->name);
		return -EINVAL;
	}
	if (c->config && !g->config.there) {
		frq_err_set(g->err, "VM %.64s has no definition (it is transient): it can be changed live only",
			g->r->name);
		return -EINVAL;
	}
	g->r->live.asked = c->live || (!c->config && g->live.there);
	g->r->config.asked = c->config || (!c->live && g->config.there);
	if (g->live.there)
		ret = read_edit(g, true, &g->live.edit);
	if (ret == 0 && g->config.there)
		ret = read_edit(g, false, &g->config.edit);
	return ret;
}

/*
 * A change asks QEMU, and waits for the answer without end. What libvirt
 * knows of a QEMU that is silent already it tells at once.
 */
static int
check_qemu(struct change *g)
{
	virDomainControlInfo info;

	if (!g->r->live.asked || virDomainGetControlInfo(g->dom, &info, 0) < 0)
		return 0;
	if (info.state != VIR_DOMAIN_CONTROL_ERROR &&
	    (info.state != VIR_DOMAIN_CONTROL_OCCUPIED || info.stateTime < SILENT_MS))
		return 0;
	frq_err_set(g->err, "VM %.64s: its QEMU does not answer libvirt (for %lld s): nothing was changed",
		g->r->name, info.stateTime / 1000);
	return -EBUSY;
}

static void
close_place(struct place *p)
{
	domain_edit_part_free(&p->shmem);
	domain_edit_part_free(&p->serial);
	domain_edit_close(p->edit);
	p->edit = NULL;
}

static int
begin(struct change *g, virConnectPtr conn)
{
	const char *name;
	int ret;

	memset(g->r, 0, sizeof(*g->r));
	ret = domain_lookup(conn, g->c->vm, &g->dom, g->err);
	if (ret < 0)
		return ret;
	name = virDomainGetName(g->dom);
	(void)snprintf(g->r->name, sizeof(g->r->name), "%s", name != NULL ? name : "");
	(void)virDomainGetUUIDString(g->dom, g->r->uuid_text);
	ret = find_places(g);
	return ret < 0 ? ret : check_qemu(g);
}

static int
end(struct change *g, int ret)
{
	close_place(&g->live);
	close_place(&g->config);
	if (g->dom != NULL)
		(void)virDomainFree(g->dom);
	if (ret < 0)
		domain_change_result_free(g->r);
	return ret;
}

void
domain_change_result_free(struct domain_change_result *r)
{
	free(r->xml);
	r->xml = NULL;
}

static int
no_memory(struct change *g)
{
	frq_err_set(g->err, "VM %.64s: no memory for its devices", g->r->name);
	return -ENOMEM;
}

/* ---- the object's name ---------------------------------------------------- */

static bool
xml_has_object(virDomainPtr dom, unsigned int flags, const char *object)
{
	char *xml = virDomainGetXMLDesc(dom, flags);
	struct domain_edit *e;
	struct frq_err why;
	bool has = false;

	/* Most XML need not be looked at any closer. */
	if (xml != NULL && strstr(xml, object) != NULL &&
	    domain_edit_open(&e, xml, strlen(xml), "", false, &why) == 0) {
		has = domain_edit_has_object(e, object);
		domain_edit_close(e);
	}
	free(xml);
	return has;
}

/* Whether another domain has that object, running or in its definition. */
static int
object_taken(struct change *g, const char *object, bool *taken)
{
	virConnectPtr conn = virDomainGetConnect(g->dom);
	char uuid[VIR_UUID_STRING_BUFLEN];
	virDomainPtr *doms = NULL;
	int nb = virConnectListAllDomains(conn, &doms, 0);

	*taken = false;
	if (nb < 0)
		return fail(g, "the list of the other VMs");
	for (int i = 0; i < nb; i++) {
		if (!*taken && virDomainGetUUIDString(doms[i], uuid) == 0 &&
		    strcmp(uuid, g->r->uuid_text) != 0)
			*taken = xml_has_object(doms[i], 0, object) ||
				xml_has_object(doms[i], VIR_DOMAIN_XML_INACTIVE, object);
		(void)virDomainFree(doms[i]);
	}
	free(doms);
	return 0;
}

/* What it has in the one place it gets in the other. */
static bool
take_object(struct change *g)
{
	const char *object = "";

	if (g->live.edit != NULL)
		object = domain_edit_object(g->live.edit);
	if (object[0] == '\0' && g->config.edit != NULL)
		object = domain_edit_object(g->config.edit);
	(void)snprintf(g->r->object, sizeof(g->r->object), "%s", object);
	return object[0] != '\0';
}

static int
choose_object(struct change *g)
{
	bool by_name, taken;
	int ret;

	if (g->c->port_dir == NULL && take_object(g))
		return 0;
	ret = domain_edit_make_object(g->c->prefix, g->r->name, g->r->uuid_text, g->r->object,
		&by_name);
	if (ret < 0) {
		frq_err_set(g->err, "VM %.64s: an object's name of prefix %.64s and UUID is too long",
			g->r->name, g->c->prefix);
		return ret;
	}
	/* A socket has the VM's own name: vms_expect_port, host/vms_vhost.c. */
	if (g->c->port_dir != NULL)
		return 0;
	ret = object_taken(g, g->r->object, &taken);
	if (ret == 0 && taken && by_name) {
		ret = domain_edit_make_object(g->c->prefix, "", g->r->uuid_text, g->r->object,
			&by_name);
		if (ret == 0)
			ret = object_taken(g, g->r->object, &taken);
	}
	if (ret == 0 && taken) {
		frq_err_set(g->err, "VM %.64s: another VM has the shmem object %.128s", g->r->name,
			g->r->object);
		ret = -EEXIST;
	}
	return ret;
}

/* ---- attach --------------------------------------------------------------- */

static void
port_path(const struct change *g, char path[PATH_MAX])
{
	(void)snprintf(path, PATH_MAX, "%s/%s.sock", g->c->port_dir, g->r->object);
}

static int
plan_port(struct change *g, struct place *p)
{
	char path[PATH_MAX];

	port_path(g, path);
	return domain_edit_attach_port(p->edit, path, &p->shmem);
}

static int
plan_attach(struct change *g, struct place *p)
{
	const struct domain_edit_part *wrong = NULL;
	int ret;

	domain_edit_part_free(&p->shmem);
	domain_edit_part_free(&p->serial);
	ret = g->c->port_dir != NULL ? plan_port(g, p) :
		domain_edit_attach_shmem(p->edit, g->r->object, &p->shmem);
	if (ret == 0)
		ret = domain_edit_attach_serial(p->edit, g->c->serial, &p->serial);
	if (ret < 0)
		return no_memory(g);
	if (p->shmem.verdict == DOMAIN_EDIT_WRONG)
		wrong = &p->shmem;
	else if (p->serial.verdict == DOMAIN_EDIT_WRONG)
		wrong = &p->serial;
	if (wrong == NULL)
		return 0;
	frq_err_set(g->err, "VM %.64s, %s: %s", g->r->name, p->live ? "running" : "in its definition",
		wrong->text);
	return -EINVAL;
}

/* Returns whether all of it was taken. */
static bool
attach_devices(struct change *g, struct place *p, const struct domain_edit_part *part)
{
	for (unsigned int i = 0; i < part->nb; i++) {
		const struct domain_edit_device *d = &part->device[i];

		if (virDomainAttachDeviceFlags(g->dom, d->xml, p->affect) == 0) {
			p->result->changed = true;
			continue;
		}
		say(p, "%s cannot be attached: %s", d->what, virt_error_text());
		if (i > 0)
			say(p, "%u before it %s", i, i == 1 ? "is attached" : "are attached");
		return false;
	}
	return true;
}

/* "shmem device freqring-a", "channels 0 to 3", "channel 0". */
static const char *
part_name(const struct change *g, const struct place *p, const struct domain_edit_part *part,
	char name[128])
{
	if (part == &p->shmem && g->c->port_dir != NULL)
		(void)snprintf(name, 128, "vhost-user port");
	else if (part == &p->shmem)
		(void)snprintf(name, 128, "shmem device %.96s", g->r->object);
	else if (g->c->serial == 1)
		(void)snprintf(name, 128, "channel 0");
	else
		(void)snprintf(name, 128, "channels 0 to %u", g->c->serial - 1);
	return name;
}

/* Returns whether it is there. */
static bool
attach_part(struct change *g, struct place *p, const struct domain_edit_part *part)
{
	char name[128];

	(void)part_name(g, p, part, name);
	switch (part->verdict) {
	case DOMAIN_EDIT_FINE:
		say(p, "%s: there already", name);
		return true;
	case DOMAIN_EDIT_CHANGE:
		if (g->c->print_only)
			say(p, "%s: would be attached", name);
		else if (attach_devices(g, p, part))
			say(p, "%s: attached", name);
		else
			return false;
		return !g->c->print_only;
	default:
		say(p, "%s: not while it runs: %s", name, part->text);
		return false;
	}
}

/* libvirt said yes; what counts is what the VM has now. */
static void
verify_attached(struct change *g, struct place *p)
{
	struct frq_err before = *g->err;

	domain_edit_close(p->edit);
	p->edit = NULL;
	p->result->done = read_edit(g, p->live, &p->edit) == 0 && plan_attach(g, p) == 0 &&
		p->shmem.verdict == DOMAIN_EDIT_FINE && p->serial.verdict == DOMAIN_EDIT_FINE;
	if (!p->result->done)
		say(p, "libvirt took it, but its XML does not show it: %s",
			g->err->text[0] != '\0' ? g->err->text : "gone again");
	*g->err = before;
}

static void
attach_at(struct change *g, struct place *p)
{
	bool all;

	if (!p->result->asked)
		return;
	all = attach_part(g, p, &p->shmem);
	if (g->c->serial > 0)
		all &= attach_part(g, p, &p->serial);
	if (all && !g->c->print_only)
		verify_attached(g, p);
	else
		p->result->done = all;
}

/* Where it is to be live and cannot. */
static void
say_what_remains(struct change *g)
{
	struct domain_change_result *r = g->r;

	if (!r->live.asked || r->live.done)
		return;
	if (g->live.shmem.verdict != DOMAIN_EDIT_NO_ROOM &&
	    g->live.serial.verdict != DOMAIN_EDIT_NO_ROOM)
		return;
	if (r->config.asked && (r->config.done || g->c->print_only))
		(void)snprintf(r->text, sizeof(r->text),
			"in the definition, after the next start: shut %.64s down and start it", r->name);
	else if (g->config.there)
		(void)snprintf(r->text, sizeof(r->text),
			"attach it in the definition: it is there after the next start");
}

static int
check_attach(struct change *g)
{
	if (g->c->serial <= DOMAIN_SERIAL_MAX)
		return 0;
	frq_err_set(g->err, "VM %.64s: %u channels are too many: at most %u", g->c->vm, g->c->serial,
		DOMAIN_SERIAL_MAX);
	return -EINVAL;
}

/* Of a port that is there already nobody waits. */
static int
check_port_live(struct change *g)
{
	if (g->c->port_not_live == NULL || !g->r->live.asked ||
	    g->live.shmem.verdict != DOMAIN_EDIT_CHANGE)
		return 0;
	frq_err_set(g->err, "VM %.64s runs, and would stand still while QEMU waits for somebody at the port: %s",
		g->r->name, g->c->port_not_live);
	return -EINVAL;
}

static char *
port_xml(const struct change *g)
{
	char path[PATH_MAX];

	port_path(g, path);
	return domain_edit_port_xml(g->live.edit != NULL ? g->live.edit : g->config.edit, path);
}

int
domain_attach(virConnectPtr conn, const struct domain_change *c, struct domain_change_result *r,
	struct frq_err *err)
{
	struct change g = { .c = c, .r = r, .err = err };
	int ret;

	err->text[0] = '\0';
	ret = begin(&g, conn);
	if (ret == 0)
		ret = check_attach(&g);
	if (ret == 0)
		ret = choose_object(&g);
	if (ret == 0 && r->live.asked)
		ret = plan_attach(&g, &g.live);
	if (ret == 0 && r->config.asked)
		ret = plan_attach(&g, &g.config);
	if (ret == 0)
		ret = check_port_live(&g);
	if (ret == 0) {
		r->xml = c->port_dir != NULL ? port_xml(&g) : domain_edit_xml(r->object, c->serial);
		if (r->xml == NULL)
			ret = no_memory(&g);
	}
	if (ret == 0) {
		attach_at(&g, &g.live);
		attach_at(&g, &g.config);
		say_what_remains(&g);
	}
	return end(&g, ret);
}

/* ---- detach --------------------------------------------------------------- */

static int
plan_detach(struct change *g, struct place *p)
{
	int ret;

	domain_edit_part_free(&p->shmem);
	domain_edit_part_free(&p->serial);
	ret = g->c->port_dir != NULL ? domain_edit_detach_port(p->edit, &p->shmem) :
		domain_edit_detach_shmem(p->edit, &p->shmem);
	if (ret == 0 && g->c->detach_serial)
		ret = domain_edit_detach_serial(p->edit, &p->serial);
	return ret < 0 ? no_memory(g) : 0;
}

static unsigned int
nb_left(const struct place *p)
{
	return p->shmem.nb + p->serial.nb;
}

static const struct domain_edit_device *
device_at(const struct place *p, unsigned int i)
{
	return i < p->shmem.nb ? &p->shmem.device[i] : &p->serial.device[i - p->shmem.nb];
}

/* "shmem device freqring-a", "... and 3 channels"; before anything is gone. */
static void
name_devices(const struct place *p, char *name, size_t size)
{
	char shmem[128] = "", serial[128] = "";

	if (p->shmem.nb == 1)
		(void)snprintf(shmem, sizeof(shmem), "%s", p->shmem.device[0].what);
	else if (p->shmem.nb > 1)
		(void)snprintf(shmem, sizeof(shmem), "%u devices", p->shmem.nb);
	if (p->serial.nb == 1)
		(void)snprintf(serial, sizeof(serial), "%s", p->serial.device[0].what);
	else if (p->serial.nb > 1)
		(void)snprintf(serial, sizeof(serial), "%u channels", p->serial.nb);
	(void)snprintf(name, size, "%s%s%s", shmem,
		shmem[0] != '\0' && serial[0] != '\0' ? " and " : "", serial);
}

/* Read again what is left; false where it cannot be read. */
static bool
look_again(struct change *g, struct place *p)
{
	domain_edit_close(p->edit);
	p->edit = NULL;
	return read_edit(g, p->live, &p->edit) == 0 && plan_detach(g, p) == 0;
}

/*
 * By alias libvirt asks QEMU and returns; by XML it would wait 5 s for the
 * guest, for each of them, and then say that all is well.
 */
static int
ask_for_release(struct change *g, const struct domain_edit_device *d)
{
	if (d->alias[0] != '\0')
		return virDomainDetachDeviceAlias(g->dom, d->alias, VIR_DOMAIN_AFFECT_LIVE);
	return virDomainDetachDeviceFlags(g->dom, d->xml, VIR_DOMAIN_AFFECT_LIVE);
}

/* Returns how many were asked for. */
static unsigned int
ask_for_all(struct change *g, struct place *p)
{
	unsigned int asked = 0;

	for (unsigned int i = 0; i < nb_left(p); i++) {
		if (ask_for_release(g, device_at(p, i)) == 0)
			asked++;
		else
			say(p, "%s cannot be detached: %s", device_at(p, i)->what, virt_error_text());
	}
	return asked;
}

static void
say_still_there(struct change *g, struct place *p, bool refused)
{
	char name[256];
	int state, reason;

	name_devices(p, name, sizeof(name));
	say(p, "the guest %s %s: still attached", refused ? "refused to let go of" :
		"has not let go of", name);
	if (!refused && virDomainGetState(g->dom, &state, &reason, 0) == 0 &&
	    state != VIR_DOMAIN_RUNNING && state != VIR_DOMAIN_BLOCKED)
		say(p, "it does not run now, and may let go when it does");
}

/* The XML of one that ended would be that of its definition, or none. */
static bool
has_ended(const struct change *g)
{
	int active = virDomainIsActive(g->dom);

	return active == 0 || (active < 0 && virt_error_code() == VIR_ERR_NO_DOMAIN);
}

/* Until no more than `keep` are left. Returns whether that came to be. */
static bool
wait_for_release(struct change *g, struct place *p, struct device_removal *w, unsigned int keep)
{
	bool seen;

	do {
		seen = look_again(g, p);
		/* After the look: an end in between is no failure of it. */
		if (has_ended(g)) {
			say(p, "the VM ended meanwhile");
			return true;
		}
		if (!seen) {
			say(p, "%s", g->err->text);
			return false;
		}
		if (nb_left(p) <= keep)
			return true;
	} while (device_removal_wait(w));
	say_still_there(g, p, device_removal_refused(w));
	return false;
}

static void
detach_live(struct change *g, struct place *p)
{
	unsigned int all = nb_left(p), asked;
	struct device_removal *w = device_removal_watch(g->dom, g->c->wait_ms != 0 ?
		g->c->wait_ms : DOMAIN_DETACH_MS);
	char name[256];

	if (w == NULL) {
		say(p, "no memory to wait for the guest");
		return;
	}
	name_devices(p, name, sizeof(name));
	asked = ask_for_all(g, p);
	if (asked > 0 && wait_for_release(g, p, w, all - asked)) {
		p->result->changed = true;
		p->result->done = asked == all;
		if (asked == all)
			say(p, "%s: detached", name);
		else
			say(p, "%u of %u are detached", asked, all);
	}
	device_removal_end(w);
}

static void
detach_config(struct change *g, struct place *p)
{
	char name[256];

	name_devices(p, name, sizeof(name));
	for (unsigned int i = 0; i < nb_left(p); i++) {
		const struct domain_edit_device *d = device_at(p, i);

		if (virDomainDetachDeviceFlags(g->dom, d->xml, VIR_DOMAIN_AFFECT_CONFIG) == 0) {
			p->result->changed = true;
			continue;
		}
		say(p, "%s cannot be detached: %s", d->what, virt_error_text());
		if (i > 0)
			say(p, "%u before it %s", i, i == 1 ? "is detached" : "are detached");
		return;
	}
	p->result->done = true;
	say(p, "%s: detached", name);
}

static void
detach_at(struct change *g, struct place *p)
{
	if (!p->result->asked)
		return;
	if (nb_left(p) == 0) {
		p->result->done = true;
		say(p, "no device of ours%s", g->c->detach_serial ? " and no channel" : "");
	} else if (p->live) {
		detach_live(g, p);
	} else {
		detach_config(g, p);
	}
}

/* Those of the definition where both are asked: the same, but for addresses. */
static int
take_xml(struct change *g)
{
	const struct place *p = g->r->config.asked ? &g->config : &g->live;
	size_t size;
	FILE *f = open_memstream(&g->r->xml, &size);

	if (f == NULL)
		return no_memory(g);
	for (unsigned int i = 0; i < nb_left(p); i++)
		(void)fprintf(f, "%s\n", device_at(p, i)->xml);
	return fclose(f) == 0 ? 0 : no_memory(g);
}

int
domain_detach(virConnectPtr conn, const struct domain_change *c, struct domain_change_result *r,
	struct frq_err *err)
{
	struct change g = { .c = c, .r = r, .err = err };
	int ret;

	err->text[0] = '\0';
	ret = begin(&g, conn);
	if (ret == 0)
		(void)take_object(&g);
	if (ret == 0 && r->live.asked)
		ret = plan_detach(&g, &g.live);
	if (ret == 0 && r->config.asked)
		ret = plan_detach(&g, &g.config);
	if (ret == 0)
		ret = take_xml(&g);
	if (ret == 0) {
		detach_at(&g, &g.live);
		detach_at(&g, &g.config);
	}
	return end(&g, ret);
}
