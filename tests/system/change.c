/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * change - what the daemon does to a domain on request, from the command line
 *
 *	change URI attach VM [live] [config] [serial N] [print]
 *	change URI detach VM [live] [config] [serial] [wait MS]
 *	change URI pin VM VCPU CPUS [live] [config]
 *	change URI pins VM
 *
 * Prints what came out, and ends with 0 where all that was asked for is done,
 * 1 where not, 2 for words it does not know.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>

#include "domain_change.h"

struct words {
	char **word;
	int nb;
};

static void
quiet(void *arg, virErrorPtr error)
{
	(void)arg, (void)error;
}

/* As in the daemon: for as long as the process lives. */
static void *
run_loop(void *arg)
{
	while (virEventRunDefaultImpl() == 0)
		;
	return arg;
}

static const char *
next_word(struct words *w)
{
	if (w->nb == 0)
		return NULL;
	w->nb--;
	return *w->word++;
}

static unsigned int
number(struct words *w)
{
	const char *word = next_word(w);

	return word != NULL ? (unsigned int)strtoul(word, NULL, 10) : 0;
}

static int
failed(int ret, const struct frq_err *err)
{
	printf("error %s: %s\n", strerrorname_np(-ret), err->text);
	return 1;
}

static void
print_place(const char *name, const struct domain_change_place *p)
{
	if (p->asked)
		printf("%s %s: %s\n", name, p->done ? "done" : "not done", p->text);
}

static int
print_result(const struct domain_change_result *r, bool print_only)
{
	printf("vm %s %s\nobject %s\n", r->name, r->uuid_text, r->object);
	print_place("live", &r->live);
	print_place("config", &r->config);
	if (r->text[0] != '\0')
		printf("text %s\n", r->text);
	printf("%s", r->xml);
	return print_only || (r->live.done >= r->live.asked && r->config.done >= r->config.asked) ?
		0 : 1;
}

static int
change(virConnectPtr conn, const char *what, struct words *w)
{
	bool attach = strcmp(what, "attach") == 0;
	struct domain_change c = { .prefix = "freqring-", .vm = next_word(w) };
	struct domain_change_result r;
	struct frq_err err = { "" };
	const char *word;
	int ret;

	while ((word = next_word(w)) != NULL) {
		if (strcmp(word, "live") == 0)
			c.live = true;
		else if (strcmp(word, "config") == 0)
			c.config = true;
		else if (strcmp(word, "print") == 0)
			c.print_only = true;
		else if (strcmp(word, "wait") == 0)
			c.wait_ms = number(w);
		else if (strcmp(word, "serial") == 0 && attach)
			c.serial = number(w);
		else if (strcmp(word, "serial") == 0)
			c.detach_serial = true;
		else
			return 2;
	}
	if (c.vm == NULL)
		return 2;
	ret = attach ? domain_attach(conn, &c, &r, &err) : domain_detach(conn, &c, &r, &err);
	if (ret < 0)
		return failed(ret, &err);
	ret = print_result(&r, c.print_only);
	domain_change_result_free(&r);
	return ret;
}

static int
pin(virConnectPtr conn, struct words *w)
{
	struct domain_pin p = { .vm = next_word(w) };
	struct frq_err err = { "" };
	const char *cpus, *word;
	bool live, config;
	struct cpuset set;
	int ret;

	p.vcpu = number(w);
	cpus = next_word(w);
	if (p.vm == NULL || cpus == NULL || !cpuset_parse(&set, cpus, &err))
		return 2;
	p.cpus = &set;
	while ((word = next_word(w)) != NULL) {
		p.live |= strcmp(word, "live") == 0;
		p.config |= strcmp(word, "config") == 0;
	}
	ret = domain_pin(conn, &p, &live, &config, &err);
	printf("live %d config %d\n", live, config);
	return ret < 0 ? failed(ret, &err) : 0;
}

static int
pins(virConnectPtr conn, struct words *w)
{
	struct domain_pins *p = malloc(sizeof(*p));
	const char *vm = next_word(w);
	struct frq_err err = { "" };
	char text[256];
	int ret;

	if (vm == NULL || p == NULL) {
		free(p);
		return 2;
	}
	ret = domain_get_pins(conn, vm, DOMAIN_CURRENT, p, &err);
	for (unsigned int i = 0; ret == 0 && i < p->nb; i++)
		printf("%u: %s\n", i, cpuset_format(&p->cpus[i], text, sizeof(text)));
	free(p);
	return ret < 0 ? failed(ret, &err) : 0;
}

static int
run(const char *uri, const char *what, struct words *w)
{
	virConnectPtr conn = virConnectOpen(uri);
	int ret = 2;

	if (conn == NULL) {
		printf("no connection to %s\n", uri);
		return 1;
	}
	if (strcmp(what, "attach") == 0 || strcmp(what, "detach") == 0)
		ret = change(conn, what, w);
	else if (strcmp(what, "pin") == 0)
		ret = pin(conn, w);
	else if (strcmp(what, "pins") == 0)
		ret = pins(conn, w);
	(void)virConnectClose(conn);
	return ret;
}

int
main(int argc, char **argv)
{
	struct words w = { argv + 3, argc - 3 };
	pthread_t loop;
	int ret = 2;

	xmlInitParser();
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0 ||
	    pthread_create(&loop, NULL, run_loop, NULL) != 0)
		return 1;
	virSetErrorFunc(NULL, quiet);
	if (argc >= 4)
		ret = run(argv[1], argv[2], &w);
	if (ret == 2)
		(void)fprintf(stderr, "usage: change URI attach|detach|pin|pins VM ...\n");
	return ret;
}
