/* SPDX-License-Identifier: BSD-3-Clause */
#include "domain_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virt_error.h"

/* Some drivers know no flags: what they have is what is current. */
static bool
flags_unknown(void)
{
	int code = virt_error_code();

	return code == VIR_ERR_INVALID_ARG || code == VIR_ERR_ARGUMENT_UNSUPPORTED;
}

static bool
looks_like_uuid(const char *text)
{
	return strlen(text) == VIR_UUID_STRING_BUFLEN - 1 &&
		strspn(text, "0123456789abcdefABCDEF-") == VIR_UUID_STRING_BUFLEN - 1;
}

/* A UUID first: a domain may be named like another's. */
int
domain_lookup(virConnectPtr conn, const char *vm, virDomainPtr *dom, struct frq_err *err)
{
	*dom = NULL;
	virResetLastError();
	if (looks_like_uuid(vm))
		*dom = virDomainLookupByUUIDString(conn, vm);
	if (*dom == NULL)
		*dom = virDomainLookupByName(conn, vm);
	if (*dom != NULL)
		return 0;
	if (virt_error_code() == VIR_ERR_NO_DOMAIN) {
		frq_err_set(err, "no VM %.128s: libvirt knows none of that name or UUID", vm);
		return -ENOENT;
	}
	frq_err_set(err, "VM %.64s cannot be looked up: %s", vm, virt_error_text());
	return -EIO;
}

/* CPUs of the host, capped; 0 or -EIO. */
static int
host_cpus(virConnectPtr conn, unsigned int *nb, struct frq_err *err)
{
	int n = virNodeGetCPUMap(conn, NULL, NULL, 0);

	if (n <= 0) {
		frq_err_set(err, "the host's CPUs: %s", virt_error_text());
		return -EIO;
	}
	*nb = (unsigned int)n < FRQ_MAX_CPUS ? (unsigned int)n : FRQ_MAX_CPUS;
	return 0;
}

/* The vCPUs that a domain has or could have plugged in; 0 or -EIO. */
static int
max_vcpus(virDomainPtr dom, const char *vm, unsigned int place, unsigned int *nb,
	struct frq_err *err)
{
	int n = virDomainGetVcpusFlags(dom, VIR_DOMAIN_VCPU_MAXIMUM | place);

	if (n < 0 && flags_unknown())
		n = virDomainGetVcpusFlags(dom, VIR_DOMAIN_VCPU_MAXIMUM);
	if (n <= 0) {
		frq_err_set(err, "VM %.64s: its vCPUs: %s", vm, virt_error_text());
		return -EIO;
	}
	*nb = (unsigned int)n;
	return 0;
}

static int
is_active(virDomainPtr dom, const char *vm, bool *active, struct frq_err *err)
{
	int n = virDomainIsActive(dom);

	if (n < 0) {
		frq_err_set(err, "VM %.64s: whether it runs: %s", vm, virt_error_text());
		return -EIO;
	}
	*active = n == 1;
	return 0;
}

/* ---- reading -------------------------------------------------------------- */

static int
read_pins(virDomainPtr dom, const char *vm, unsigned int nb_cpus, struct domain_pins *pins,
	struct frq_err *err)
{
	size_t maplen = VIR_CPU_MAPLEN(nb_cpus);
	unsigned char *maps = calloc(pins->nb, maplen);
	unsigned int flags = pins->live ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;
	int n;

	if (maps == NULL) {
		frq_err_set(err, "no memory for the pinning of VM %.64s", vm);
		return -ENOMEM;
	}
	n = virDomainGetVcpuPinInfo(dom, (int)pins->nb, maps, (int)maplen, flags);
	if (n < 0 && flags_unknown())
		n = virDomainGetVcpuPinInfo(dom, (int)pins->nb, maps, (int)maplen,
			VIR_DOMAIN_AFFECT_CURRENT);
	if (n < 0)
		frq_err_set(err, "VM %.64s: its pinning: %s", vm, virt_error_text());
	for (unsigned int i = 0; n >= 0 && i < pins->nb; i++)
		for (unsigned int cpu = 0; i < (unsigned int)n && cpu < nb_cpus; cpu++)
			if (VIR_CPU_USABLE(maps, maplen, i, cpu))
				cpuset_add(&pins->cpus[i], cpu);
	free(maps);
	return n < 0 ? -EIO : 0;
}

/* @param active  whether it runs; @return whether it has the place asked for */
static int
check_place(virDomainPtr dom, const char *vm, enum domain_place place, bool active,
	struct frq_err *err)
{
	if (place == DOMAIN_LIVE && !active) {
		frq_err_set(err, "VM %.64s does not run: it has no live pinning", vm);
		return -EINVAL;
	}
	if (place == DOMAIN_CONFIG && virDomainIsPersistent(dom) == 0) {
		frq_err_set(err, "VM %.64s has no definition (it is transient)", vm);
		return -EINVAL;
	}
	return 0;
}

int
domain_get_pins(virConnectPtr conn, const char *vm, enum domain_place place,
	struct domain_pins *pins, struct frq_err *err)
{
	unsigned int nb_cpus;
	virDomainPtr dom;
	int ret;

	memset(pins, 0, sizeof(*pins));
	ret = domain_lookup(conn, vm, &dom, err);
	if (ret < 0)
		return ret;
	/* For people: it may have been asked for by its UUID. */
	vm = virDomainGetName(dom);
	ret = host_cpus(conn, &nb_cpus, err);
	if (ret == 0)
		ret = is_active(dom, vm, &pins->live, err);
	if (ret == 0)
		ret = check_place(dom, vm, place, pins->live, err);
	pins->live = pins->live && place != DOMAIN_CONFIG;
	if (ret == 0)
		ret = max_vcpus(dom, vm, pins->live ? VIR_DOMAIN_AFFECT_LIVE :
			VIR_DOMAIN_AFFECT_CONFIG, &pins->nb, err);
	if (pins->nb > FRQ_MAX_CHANNELS)
		pins->nb = FRQ_MAX_CHANNELS;
	if (ret == 0)
		ret = read_pins(dom, vm, nb_cpus, pins, err);
	(void)virDomainFree(dom);
	return ret;
}

/* ---- changing ------------------------------------------------------------- */

static int
check_cpus(const struct domain_pin *p, unsigned int nb_cpus, struct frq_err *err)
{
	if (cpuset_empty(p->cpus)) {
		frq_err_set(err, "VM %.64s: no CPU to pin vCPU %u to", p->vm, p->vcpu);
		return -EINVAL;
	}
	CPUSET_FOREACH(cpu, p->cpus) {
		if (cpu >= nb_cpus) {
			frq_err_set(err, "VM %.64s: the host has no CPU %u, only 0 to %u", p->vm, cpu,
				nb_cpus - 1);
			return -EINVAL;
		}
	}
	return 0;
}

static const char *
place_name(unsigned int place)
{
	return place == VIR_DOMAIN_AFFECT_LIVE ? "running" : "in its definition";
}

static int
check_vcpu(virDomainPtr dom, const struct domain_pin *p, unsigned int place, struct frq_err *err)
{
	unsigned int nb = 0;
	int ret = max_vcpus(dom, p->vm, place, &nb, err);

	if (ret < 0 || p->vcpu < nb)
		return ret;
	frq_err_set(err, "VM %.64s has no vCPU %u %s, only 0 to %u", p->vm, p->vcpu,
		place_name(place), nb - 1);
	return -EINVAL;
}

/* `current`: what a driver without flags would change is this place. */
static int
pin_at(virDomainPtr dom, const struct domain_pin *p, unsigned int nb_cpus, unsigned int place,
	bool current, struct frq_err *err)
{
	unsigned char map[VIR_CPU_MAPLEN(FRQ_MAX_CPUS)] = { 0 };
	int ret, maplen = VIR_CPU_MAPLEN((int)nb_cpus);

	CPUSET_FOREACH(cpu, p->cpus)
		VIR_USE_CPU(map, cpu);
	ret = virDomainPinVcpuFlags(dom, p->vcpu, map, maplen, place);
	if (ret < 0 && current && flags_unknown())
		ret = virDomainPinVcpu(dom, p->vcpu, map, maplen);
	if (ret < 0) {
		frq_err_set(err, "VM %.64s: vCPU %u cannot be pinned %s: %s", p->vm, p->vcpu,
			place_name(place), virt_error_text());
		return -EIO;
	}
	return 0;
}

static int
check_places(virDomainPtr dom, const struct domain_pin *p, bool active, struct frq_err *err)
{
	if (p->live && !active) {
		frq_err_set(err, "VM %.64s does not run: it can be pinned in its definition only", p->vm);
		return -EINVAL;
	}
	if (p->config && virDomainIsPersistent(dom) == 0) {
		frq_err_set(err, "VM %.64s has no definition (it is transient): it can be pinned live only",
			p->vm);
		return -EINVAL;
	}
	return 0;
}

/* One place, one call: it is known which of them failed. */
static int
pin_places(virDomainPtr dom, const struct domain_pin *p, unsigned int nb_cpus, bool active,
	bool *live, bool *config, struct frq_err *err)
{
	bool current = !p->live && !p->config;
	bool in_live = p->live || (current && active), in_config = p->config || (current && !active);
	struct frq_err why;
	int ret = 0;

	if (in_live)
		ret = check_vcpu(dom, p, VIR_DOMAIN_AFFECT_LIVE, err);
	if (ret == 0 && in_config)
		ret = check_vcpu(dom, p, VIR_DOMAIN_AFFECT_CONFIG, err);
	if (ret == 0 && in_live) {
		ret = pin_at(dom, p, nb_cpus, VIR_DOMAIN_AFFECT_LIVE, active, err);
		*live = ret == 0;
	}
	if (ret == 0 && in_config) {
		ret = pin_at(dom, p, nb_cpus, VIR_DOMAIN_AFFECT_CONFIG, !active, &why);
		*config = ret == 0;
		if (ret < 0)
			frq_err_set(err, "%s%s", *live ? "pinned live, but " : "", why.text);
	}
	return ret;
}

int
domain_pin(virConnectPtr conn, const struct domain_pin *asked, bool *live, bool *config,
	struct frq_err *err)
{
	struct domain_pin p = *asked;
	unsigned int nb_cpus = 0;
	bool active = false;
	virDomainPtr dom;
	int ret;

	*live = *config = false;
	ret = domain_lookup(conn, p.vm, &dom, err);
	if (ret < 0)
		return ret;
	p.vm = virDomainGetName(dom);
	ret = host_cpus(conn, &nb_cpus, err);
	if (ret == 0)
		ret = check_cpus(&p, nb_cpus, err);
	if (ret == 0)
		ret = is_active(dom, p.vm, &active, err);
	if (ret == 0)
		ret = check_places(dom, &p, active, err);
	if (ret == 0)
		ret = pin_places(dom, &p, nb_cpus, active, live, config, err);
	(void)virDomainFree(dom);
	return ret;
}
