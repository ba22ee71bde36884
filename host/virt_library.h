/* SPDX-License-Identifier: BSD-3-Clause */
/* virt_library.h - libvirt's client library, made ready once a process */
#ifndef FRQ_VIRT_LIBRARY_H
#define FRQ_VIRT_LIBRARY_H

#include "region.h"

/**
 * Make libvirt, its event loop and libxml2 ready, any number of times. Before any
 * other call, and before threads are started that make them: where the first call
 * came from such a thread, GLib 2.74 was seen to crash.
 *
 * @return 0, or -EIO and *err
 */
int virt_library_start(struct frq_err *err);

#endif /* FRQ_VIRT_LIBRARY_H */
