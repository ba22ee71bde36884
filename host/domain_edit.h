/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain_edit.h - what has to be done to a domain so that it has our devices,
 * or has them no more
 *
 * Pure: a domain's XML in, a verdict and the XML of single devices out. Ours
 * are the <shmem> whose name starts with a prefix, and the virtio-serial
 * channels named virtio.serial.port.poweragent.N. The text is judged like any
 * input, as in domain_xml.h.
 *
 * libvirt refuses too little by itself. A second shmem device of the same
 * name goes into a running VM without a word. A channel that finds no free
 * port fails and leaves a controller behind that QEMU knows nothing of. So
 * what is free is counted here first, and a channel is given its port.
 *
 * Any thread; one at a time for one struct domain_edit.
 */
#ifndef FRQ_DOMAIN_EDIT_H
#define FRQ_DOMAIN_EDIT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "region.h"

/* Channels that are asked for in one go. */
#define DOMAIN_SERIAL_MAX 64u

enum domain_edit_verdict {
	DOMAIN_EDIT_FINE,	/* nothing to do */
	DOMAIN_EDIT_CHANGE,	/* each device is to be handed to libvirt */
	DOMAIN_EDIT_NO_ROOM,	/* not while it runs: text says why */
	DOMAIN_EDIT_WRONG,	/* what is there has to be mended first: text says how */
};

struct domain_edit_device {
	char *xml;		/* one element */
	char alias[64];		/* libvirt's name of it in a running domain, or "" */
	char what[96];		/* for messages: "channel 3" */
};

struct domain_edit_part {
	enum domain_edit_verdict verdict;
	unsigned int nb;
	struct domain_edit_device *device;
	char text[256];		/* "" for FINE and CHANGE */
};

struct domain_edit;

/**
 * Read a domain's XML.
 *
 * @param prefix  what names of shmem devices of ours start with; has to live
 *	as long as *out
 * @param live  the text is of the running domain: there is only so much room
 * @return 0, -ENOMEM, or -EINVAL for text that is no domain XML
 */
int domain_edit_open(struct domain_edit **out, const char *text, size_t len,
	const char *prefix, bool live, struct frq_err *err);
void domain_edit_close(struct domain_edit *e);

/** The name of the first shmem device of ours, "" without one. */
const char *domain_edit_object(const struct domain_edit *e);

/** Whether a shmem device, of ours or not, has that name. */
bool domain_edit_has_object(const struct domain_edit *e, const char *object);

/**
 * What to do for a shmem device of ours to be there. One that is there keeps
 * its name, whatever `object` is.
 *
 * These four return 0 or -ENOMEM. *p is the caller's then:
 * domain_edit_part_free().
 */
int domain_edit_attach_shmem(struct domain_edit *e, const char *object,
	struct domain_edit_part *p);
/** ... for the channels 0 to nb - 1; nb is at most DOMAIN_SERIAL_MAX. */
int domain_edit_attach_serial(struct domain_edit *e, unsigned int nb,
	struct domain_edit_part *p);
/** ... for no shmem device of ours to be there, right or wrong. */
int domain_edit_detach_shmem(struct domain_edit *e, struct domain_edit_part *p);
/** ... for no channel of that name to be there, whoever put it there. */
int domain_edit_detach_serial(struct domain_edit *e, struct domain_edit_part *p);

/**
 * ... for a vhost-user port to be there, with a queue pair for each vCPU. One
 * that is there stays as it is. The VM's memory has to be shared already.
 *
 * @param path  of its socket, whose last part starts with the prefix
 */
int domain_edit_attach_port(struct domain_edit *e, const char *path, struct domain_edit_part *p);
/** ... for no such port to be there. */
int domain_edit_detach_port(struct domain_edit *e, struct domain_edit_part *p);

void domain_edit_part_free(struct domain_edit_part *p);

/**
 * The XML of the device and of `nb` channels, without addresses.
 *
 * @return the caller's: free(); NULL: no memory
 */
char *domain_edit_xml(const char *object, unsigned int nb);

/** The XML of the port, likewise. */
char *domain_edit_port_xml(const struct domain_edit *e, const char *path);

/**
 * Make a name for an object: the prefix and the domain's name, or its UUID
 * where the name is too long or has characters in it that mean something to
 * a file system, to QEMU's command line or to a security profile.
 *
 * @param[out] by_name  whether it has the domain's name in it
 * @return 0, or -ENAMETOOLONG when not even the UUID fits
 */
int domain_edit_make_object(const char *prefix, const char *name, const char *uuid,
	char object[NAME_MAX + 1], bool *by_name);

#endif /* FRQ_DOMAIN_EDIT_H */
