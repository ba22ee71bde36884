/* SPDX-License-Identifier: BSD-3-Clause */
#include "operator_domain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "domain_change.h"
#include "events.h"
#include "rpc.h"
#include "rpc_params.h"

/* Of the longest list of CPUs, each second one: a list that is cut is another one. */
#define LIST_SIZE (FRQ_MAX_CPUS / 2 * 5)

/* What a job gets; plain memory, freed with the job. */
struct order {
	char vm[256];			/* what libvirt is asked by: the UUID where it is known */
	char name[256];			/* for people */
	bool live, config;
	/* pinning */
	bool one;			/* vCPU, not all */
	unsigned int vcpu;
	struct cpuset cpus;
	/* devices */
	unsigned int serial;
	bool detach_serial, print;
	struct frq_region_file owner;	/* of the region's file */
	char shm_dir[256];
	bool port;			/* the vhost-user port instead of the shmem device */
	char port_dir[256];
	struct frq_err port_not_live;	/* why none may be plugged in; "": it may */
};

/* ---- the answer ------------------------------------------------------------ */

struct waiting {
	struct rpc_pending *pending;
	const char *did;	/* for the event: "device attached"; NULL: nothing changed */
	char vm[256];
};

/* Of a pin the place is a flag, of a device an object. */
static bool
is_changed(const json_t *result, const char *place)
{
	const json_t *p = json_object_get(result, place);

	return json_is_true(p) || json_is_true(json_object_get(p, "changed"));
}

static void
answer(json_t *result, const struct frq_err *err, void *arg)
{
	struct waiting *w = arg;
	bool live = is_changed(result, "live"), config = is_changed(result, "config");

	if (w->did != NULL && (live || config))
		event_raise(EVENT_OPERATOR, w->vm, "VM %s: %s by an operator (%s%s%s)", w->vm, w->did,
			live ? "running VM" : "", live && config ? ", " : "",
			config ? "definition" : "");
	control_answer(w->pending, result, RPC_FAILED, result == NULL ? err->text : NULL);
	free(w);
}

typedef json_t *(*job_fn)(virConnectPtr conn, void *arg, struct frq_err *err);

/* Takes the order; NULL, as the method's result. */
static json_t *
give_job(struct rpc_call *call, struct order *o, const char *what, const char *did, job_fn run)
{
	const struct daemon *d = call->arg;
	struct libvirt_job job = { .what = what, .changes = did != NULL && !o->print, .run = run, .arg = o,
		.done = answer };
	const struct vm_map_vm *m = vms_domain(d->vms, o->vm, &call->err);
	struct waiting *w = calloc(1, sizeof(*w));
	struct frq_err err;

	/* One that libvirt learnt of just now is not in the map yet: libvirt is asked. */
	(void)snprintf(o->name, sizeof(o->name), "%s", m != NULL ? m->name : o->vm);
	if (m != NULL)
		(void)snprintf(o->vm, sizeof(o->vm), "%s", m->uuid_text);
	memcpy(job.vm, o->name, sizeof(job.vm));
	if (w != NULL)
		w->pending = control_defer(call);
	if (w == NULL || w->pending == NULL) {
		if (w == NULL)
			call->code = RPC_INTERNAL_ERROR;
		free(w);
		free(o);
		return NULL;
	}
	w->did = did;
	memcpy(w->vm, job.vm, sizeof(w->vm));
	job.done_arg = w;
	if (libvirt_job_start(d->jobs, &job, &err) < 0)
		answer(NULL, &err, w);
	return NULL;
}

static struct order *
make_order(struct rpc_call *call)
{
	struct order *o = calloc(1, sizeof(*o));
	const char *vm;

	if (o == NULL) {
		call->code = RPC_INTERNAL_ERROR;
		frq_err_set(&call->err, "out of memory");
		return NULL;
	}
	if (rpc_param_vm(call, &vm) && rpc_param_flag(call, "live", &o->live) &&
	    rpc_param_flag(call, "config", &o->config)) {
		if (strlen(vm) < sizeof(o->vm)) {
			memcpy(o->vm, vm, strlen(vm) + 1);
			return o;
		}
		(void)rpc_refuse(call, "\"vm\": a name of at most 255 bytes");
	}
	free(o);
	return NULL;
}

/* ---- pinning ----------------------------------------------------------------- */

static enum domain_place
place_of(const struct order *o)
{
	if (o->live)
		return DOMAIN_LIVE;
	return o->config ? DOMAIN_CONFIG : DOMAIN_CURRENT;
}

static json_t *
run_get_pins(virConnectPtr conn, void *arg, struct frq_err *err)
{
	struct domain_pins *pins = malloc(sizeof(*pins));
	const struct order *o = arg;
	char list[LIST_SIZE];
	json_t *vcpus;

	if (pins == NULL) {
		frq_err_set(err, "out of memory");
		return NULL;
	}
	if (domain_get_pins(conn, o->vm, place_of(o), pins, err) < 0) {
		free(pins);
		return NULL;
	}
	if (o->one && o->vcpu >= pins->nb) {
		frq_err_set(err, "VM %.80s: no vCPU %u, it has %u", o->name, o->vcpu, pins->nb);
		free(pins);
		return NULL;
	}
	vcpus = json_array();
	for (unsigned int n = 0; n < pins->nb; n++) {
		if (o->one && n != o->vcpu)
			continue;
		(void)json_array_append_new(vcpus, json_pack("{s:i, s:s}", "vcpu", (int)n, "cpus",
			cpuset_format(&pins->cpus[n], list, sizeof(list))));
	}
	vcpus = json_pack("{s:s, s:b, s:o}", "name", o->name, "live", (int)pins->live,
		"vcpus", vcpus);
	free(pins);
	return vcpus;
}

/* "vcpu" as one number. @return whether it is there and is one */
static bool
take_vcpu(struct rpc_call *call, struct order *o)
{
	const json_t *vcpu = json_object_get(call->params, "vcpu");
	json_int_t n = json_integer_value(vcpu);

	o->one = json_is_integer(vcpu) && n >= 0 && n < FRQ_MAX_CHANNELS;
	o->vcpu = o->one ? (unsigned int)n : 0;
	return o->one;
}

json_t *
get_vcpupin_run(struct rpc_call *call)
{
	struct order *o = make_order(call);

	if (o == NULL)
		return NULL;
	if (json_object_get(call->params, "vcpu") != NULL && !take_vcpu(call, o)) {
		free(o);
		return rpc_refuse(call, "\"vcpu\": the number of a vCPU");
	}
	if (o->live && o->config) {
		free(o);
		return rpc_refuse(call, "\"live\" or \"config\", not both");
	}
	return give_job(call, o, "vcpupin", NULL, run_get_pins);
}

static json_t *
run_set_pin(virConnectPtr conn, void *arg, struct frq_err *err)
{
	const struct order *o = arg;
	const struct domain_pin p = { .vm = o->vm, .vcpu = o->vcpu, .cpus = &o->cpus,
		.live = o->live, .config = o->config };
	bool live = false, config = false;
	char list[LIST_SIZE];

	if (domain_pin(conn, &p, &live, &config, err) < 0) {
		if (live)
			event_raise(EVENT_OPERATOR, o->name, "VM %s: vCPU %u pinned by an operator (running VM alone, its definition could not be changed)",
				o->name, o->vcpu);
		return NULL;
	}
	return json_pack("{s:s, s:i, s:s, s:b, s:b}", "name", o->name, "vcpu", (int)o->vcpu,
		"cpus", cpuset_format(&o->cpus, list, sizeof(list)), "live", (int)live,
		"config", (int)config);
}

/* Only where a vote could go: elsewhere it would be lost without a word. */
static bool
check_pcpus(struct rpc_call *call, const struct daemon *d, const struct cpuset *cpus)
{
	const struct cpuset *managed = &d->config.managed_cpus;
	struct cpuset online;
	char list[LIST_SIZE];

	call->code = RPC_FAILED;
	if (cpuset_online(&online, &call->err) < 0)
		return false;
	CPUSET_FOREACH(cpu, cpus) {
		if (!cpuset_has(managed, cpu))
			frq_err_set(&call->err, "CPU %u is not managed (managed_cpus = %s); virsh vcpupin pins there all the same",
				cpu, cpuset_format(managed, list, 80));
		else if (!cpuset_has(&online, cpu))
			frq_err_set(&call->err, "CPU %u is offline (online: %s)", cpu,
				cpuset_format(&online, list, 80));
		else
			continue;
		return false;
	}
	call->code = 0;
	return true;
}

json_t *
set_vcpupin_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	const char *list = json_string_value(json_object_get(call->params, "cpus"));
	struct order *o = make_order(call);
	struct frq_err err;

	if (o == NULL)
		return NULL;
	if (!take_vcpu(call, o)) {
		(void)rpc_refuse(call, "\"vcpu\": the number of a vCPU");
	} else if (list == NULL) {
		(void)rpc_refuse(call, "\"cpus\": a list like 0,2-5");
	} else if (!cpuset_parse(&o->cpus, list, &err)) {
		call->code = RPC_INVALID_PARAMS;
		frq_err_set(&call->err, "\"cpus\": %.200s", err.text);
	} else if (check_pcpus(call, d, &o->cpus)) {
		return give_job(call, o, "vcpupin", "vCPU pinned", run_set_pin);
	}
	free(o);
	return NULL;
}

/* ---- devices ------------------------------------------------------------------- */

static json_t *
place_json(const struct domain_change_place *p)
{
	/* Names in it may be cut in the middle of a character. */
	return json_pack("{s:b, s:b, s:b, s:o}", "asked", (int)p->asked, "done", (int)p->done,
		"changed", (int)p->changed, "text", rpc_text(p->text));
}

static json_t *
change_json(const struct domain_change_result *r)
{
	return json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "name", rpc_text(r->name),
		"uuid", r->uuid_text, "object", r->object, "xml", r->xml != NULL ? r->xml : "",
		"live", place_json(&r->live), "config", place_json(&r->config),
		"text", rpc_text(r->text));
}

static struct domain_change
change_of(const struct order *o, bool print)
{
	return (struct domain_change){
		.vm = o->vm, .prefix = FRQ_SHMEM_PREFIX, .live = o->live, .config = o->config,
		.serial = o->serial, .detach_serial = o->detach_serial, .print_only = print,
		.port_dir = o->port ? o->port_dir : NULL,
		.port_not_live = o->port_not_live.text[0] != '\0' ? o->port_not_live.text : NULL,
	};
}

/*
 * The region's file, before QEMU would make it readable by everybody.
 * @return whether it was made just now
 */
static bool
make_file(const struct order *o, const char *object, char *path, size_t size)
{
	struct frq_region region = FRQ_REGION_NONE;
	struct frq_err err;
	bool made = false;

	/* Where it cannot be: the daemon says why when it is to serve the VM. */
	if ((size_t)snprintf(path, size, "%s/%s", o->shm_dir, object) < size &&
	    frq_region_open(&region, path, &o->owner, &made, &err) == 0)
		frq_region_close(&region);
	return made;
}

static json_t *
run_attach(virConnectPtr conn, void *arg, struct frq_err *err)
{
	const struct order *o = arg;
	struct domain_change_result r = { .xml = NULL };
	struct domain_change c = change_of(o, true);
	char path[sizeof(o->shm_dir) + NAME_MAX + 2];
	json_t *result;
	bool made;
	int ret;

	ret = domain_attach(conn, &c, &r, err);
	if (ret == 0 && !o->print) {
		made = !o->port && make_file(o, r.object, path, sizeof(path));
		domain_change_result_free(&r);
		c.print_only = false;
		ret = domain_attach(conn, &c, &r, err);
		/* Where the device went in and its channels did not, QEMU has it mapped. */
		if (made && (ret < 0 || (!r.live.changed && !r.config.changed)))
			(void)unlink(path);
	}
	if (ret < 0)
		return NULL;
	result = change_json(&r);
	domain_change_result_free(&r);
	return result;
}

static json_t *
run_detach(virConnectPtr conn, void *arg, struct frq_err *err)
{
	const struct order *o = arg;
	struct domain_change_result r = { .xml = NULL };
	struct domain_change c = change_of(o, false);
	json_t *result;

	if (domain_detach(conn, &c, &r, err) < 0)
		return NULL;
	result = change_json(&r);
	domain_change_result_free(&r);
	return result;
}

/* @return whether what there is says "ivshmem" or "vhost-user" */
static bool
take_transport(struct rpc_call *call, struct order *o)
{
	const struct daemon *d = call->arg;
	const json_t *transport = json_object_get(call->params, "transport");
	const char *word = json_string_value(transport);

	o->port = word != NULL && strcmp(word, "vhost-user") == 0;
	(void)snprintf(o->port_dir, sizeof(o->port_dir), "%s", d->config.vhost_dir);
	if (transport == NULL || o->port || (word != NULL && strcmp(word, "ivshmem") == 0))
		return true;
	(void)rpc_refuse(call, "\"transport\": ivshmem or vhost-user");
	return false;
}

json_t *
attach_run(struct rpc_call *call)
{
	const struct daemon *d = call->arg;
	const json_t *serial = json_object_get(call->params, "serial");
	json_int_t nb = json_integer_value(serial);
	struct order *o = make_order(call);

	if (o == NULL)
		return NULL;
	o->owner = vms_region_file(d->vms);
	(void)snprintf(o->shm_dir, sizeof(o->shm_dir), "%s", d->config.shm_dir);
	o->serial = (unsigned int)nb;
	if (serial != NULL && (!json_is_integer(serial) || nb < 0 || nb > DOMAIN_SERIAL_MAX)) {
		(void)rpc_refuse(call, "\"serial\": a number of channels up to 64");
	} else if (rpc_param_flag(call, "print", &o->print) && take_transport(call, o)) {
		/* QEMU waits for it while the port is plugged in. */
		if (o->port && !o->print && vms_expect_port(d->vms, o->vm, &o->port_not_live) == 0)
			o->port_not_live.text[0] = '\0';
		return give_job(call, o, "attach", "device attached", run_attach);
	}
	free(o);
	return NULL;
}

json_t *
detach_run(struct rpc_call *call)
{
	struct order *o = make_order(call);

	if (o == NULL)
		return NULL;
	if (rpc_param_flag(call, "serial", &o->detach_serial) && take_transport(call, o))
		return give_job(call, o, "detach", "device detached", run_detach);
	free(o);
	return NULL;
}
