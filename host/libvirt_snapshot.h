/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libvirt_snapshot.h - reads libvirt once and makes a map of it
 *
 * Keeps what it read, so that the next read asks for less, and so that a
 * domain that cannot be read just now stays in the map as it was: leaving it
 * out would tell everybody that it is gone. Libvirt thread only.
 */
#ifndef FRQ_LIBVIRT_SNAPSHOT_H
#define FRQ_LIBVIRT_SNAPSHOT_H

#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "vm_map.h"

struct libvirt_snapshot;

/** `prefix` has to live as long. NULL: no memory. */
struct libvirt_snapshot *libvirt_snapshot_create(const char *prefix);
void libvirt_snapshot_free(struct libvirt_snapshot *s);

/**
 * Read the domains.
 *
 * @param full  look at each domain's XML; otherwise only at that of running
 *	ones with a device of ours, and of those that changed visibly
 * @param[out] map  the caller's; generation 0
 * @return 0 or a negative errno; nothing of the map is known then
 */
int libvirt_snapshot_read(struct libvirt_snapshot *s, virConnectPtr conn, bool full,
	struct vm_map **map, struct frq_err *err);

/* A domain that there is news of. */
struct libvirt_news {
	uint8_t uuid[VIR_UUID_BUFLEN];
	bool pins_only;		/* nothing else of it has changed */
};

/**
 * Read some domains, and leave the others as they were read last; so what CPUs
 * the host has.
 *
 * @param news  of `nb` domains; one that libvirt does not know any more is forgotten
 */
int libvirt_snapshot_read_some(struct libvirt_snapshot *s, virConnectPtr conn,
	const struct libvirt_news *news, unsigned int nb,
	struct vm_map **map, struct frq_err *err);

#endif /* FRQ_LIBVIRT_SNAPSHOT_H */
