/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain_change.h - change a libvirt domain: our devices, and its pinning
 *
 * Any thread, each with a connection of its own that may write. The library
 * has to be initialised and its default event loop to run in another thread
 * (libvirt_watch.h does both); nothing here runs it.
 *
 * What may wait: libvirt queues changes of one domain, up to 30 s for one that
 * is under way; and a QEMU that stops answering in the middle of a change
 * holds the call until it answers or ends. One that has stopped answering
 * before is refused (-EBUSY). Reading waits for libvirt only.
 *
 * Messages name the VM and quote libvirt.
 */
#ifndef FRQ_DOMAIN_CHANGE_H
#define FRQ_DOMAIN_CHANGE_H

#include <limits.h>
#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "cpuset.h"
#include "domain_edit.h"

/* How long a guest may take to let go of a device. */
#define DOMAIN_DETACH_MS 10000u

/**
 * Find a domain by its UUID or its name.
 *
 * @param[out] dom  the caller's: virDomainFree()
 * @return 0, -ENOENT when libvirt knows none, -EIO
 */
int domain_lookup(virConnectPtr conn, const char *vm, virDomainPtr *dom, struct frq_err *err);

/* ---- our devices ---------------------------------------------------------- */

struct domain_change {
	const char *vm;		/* name or UUID */
	const char *prefix;	/* of shmem objects */
	/* Where. Neither: wherever it is, running, in its definition, or both. */
	bool live;
	bool config;
	unsigned int serial;	/* attach: channels 0 to serial - 1 as well */
	bool detach_serial;	/* detach: the channels as well */
	/* NULL: the shmem device. Else the vhost-user port instead of it, and for
	 * attach where its socket is to be.
	 */
	const char *port_dir;
	/* Why no port may be plugged into a running VM: QEMU would wait for whoever serves it,
	 * and the guest with it. NULL: it may.
	 */
	const char *port_not_live;
	bool print_only;	/* attach: say what would be done */
	unsigned int wait_ms;	/* detach: 0: DOMAIN_DETACH_MS */
};

struct domain_change_place {
	bool asked;
	bool done;	/* it is all there, or all gone, now */
	bool changed;	/* something was put in or taken out */
	char text[1024];
};

struct domain_change_result {
	char name[256];
	char uuid_text[VIR_UUID_STRING_BUFLEN];
	char object[NAME_MAX + 1];	/* shmem object's name; detach: "" without a device */
	char *xml;			/* the devices; domain_change_result_free() */
	struct domain_change_place live, config;
	char text[256];			/* what remains to be done, or "" */
};

/**
 * Give a domain our shmem device, and channels.
 *
 * Both places are judged before either is changed. Live is done when the
 * running domain's XML shows the device; it is not done, and nothing was
 * tried, where a device cannot be plugged into the running VM. What failed
 * half way is told in the place's text.
 *
 * @return 0: *r says what was done; else nothing was changed:
 *	-ENOENT, -EINVAL (asked for what cannot be: live of a VM that does not
 *	run, a device of ours that is wrong), -EBUSY, -EEXIST (no free name),
 *	-ENAMETOOLONG, -ENOMEM, -EIO
 */
int domain_attach(virConnectPtr conn, const struct domain_change *c,
	struct domain_change_result *r, struct frq_err *err);

/**
 * Take our devices from a domain, and nothing else; the controllers that
 * libvirt added for them stay.
 *
 * Live it is the guest that lets go; it has c->wait_ms for that. It may still
 * do so later: one that is paused does when it runs again.
 *
 * @return as domain_attach()
 */
int domain_detach(virConnectPtr conn, const struct domain_change *c,
	struct domain_change_result *r, struct frq_err *err);

void domain_change_result_free(struct domain_change_result *r);

/* ---- pinning -------------------------------------------------------------- */

struct domain_pins {
	unsigned int nb;	/* vCPUs, those that could be plugged in, too */
	bool live;		/* of the running VM; else of its definition */
	struct cpuset cpus[FRQ_MAX_CHANNELS];
};

/* Of which pins. */
enum domain_place {
	DOMAIN_CURRENT,		/* of the running VM, or the definition of one that does not run */
	DOMAIN_LIVE,
	DOMAIN_CONFIG,
};

/** @return 0, -ENOENT, -EINVAL (there is no such place), -EIO, -ENOMEM */
int domain_get_pins(virConnectPtr conn, const char *vm, enum domain_place place,
	struct domain_pins *pins, struct frq_err *err);

struct domain_pin {
	const char *vm;		/* name or UUID */
	unsigned int vcpu;
	const struct cpuset *cpus;
	/* Where. Neither: in the running VM, or the definition of one that does not run. */
	bool live;
	bool config;
};

/**
 * Pin a vCPU to CPUs of the host.
 *
 * @param[out] live, config  where it was changed; of use after a failure, too
 * @return 0, -ENOENT, -EINVAL (no such vCPU or CPU; live of a VM that does not
 *	run, config of one without definition), -EIO, -ENOMEM
 */
int domain_pin(virConnectPtr conn, const struct domain_pin *asked, bool *live, bool *config,
	struct frq_err *err);

#endif /* FRQ_DOMAIN_CHANGE_H */
