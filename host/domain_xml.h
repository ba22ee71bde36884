/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain_xml.h - what a domain's XML says about our device and its vCPUs
 *
 * Pure: text in, fields out. The text comes from libvirt, but parts of it
 * were typed by whoever defined the domain, so it is judged like any input:
 * bounded, no network, no DTD, no entities of its own.
 */
#ifndef FRQ_DOMAIN_XML_H
#define FRQ_DOMAIN_XML_H

#include <stddef.h>
#include <sys/types.h>

#include "vm_map.h"

/* Real ones have 2 to 50 KiB. */
#define DOMAIN_XML_MAX (4u << 20)

/**
 * Fill in shmem, shmem_usable, shmem_problem, serial, serial_path, vhost,
 * vhost_queues, vhost_problem, nb_vcpus and vcpu[].present of `vm`; its other fields are left alone.
 *
 * A <shmem> element counts as ours when its name starts with `prefix`; a
 * domain without one comes out with shmem "" and is no error. One that
 * cannot be served has a sentence in shmem_problem. A serial channel is one of
 * DPDK's ports with a socket that QEMU listens on; a domain that does not run
 * may have no path for it yet, and then none. An interface of type vhostuser
 * counts as ours when the last part of its socket's path starts with `prefix`.
 *
 * @param[out] qemu_user  the user QEMU runs as, where the XML says so with a
 *	numeric DAC label (libvirt does for its system instance), else (uid_t)-1
 * @return 0, or -EINVAL for text that is no domain XML: only *err is written
 */
int domain_xml_parse(const char *text, size_t len, const char *prefix,
	struct vm_map_vm *vm, uid_t *qemu_user, struct frq_err *err);

#endif /* FRQ_DOMAIN_XML_H */
