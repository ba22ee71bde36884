/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link.c - the region that is mapped now, and those that were
 *
 * A device that is plugged in again is another one: its memory may be
 * elsewhere, and a mapping of the old one reaches whatever is there by now. So
 * each channel holds on to the region it uses, and the handle to the newest;
 * the last to let go unmaps it. Channels of several threads come here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "freqring_pvt.h"

/* A look through the VM's PCI devices is some hundred system calls. */
#define SEARCH_AGAIN_NS UINT64_C(1000000000)

static struct frq_link *
map_link(struct freqring *fr, struct frq_err *err, int *ret)
{
	struct frq_link *link = calloc(1, sizeof(*link));

	if (link == NULL) {
		frq_err_set(err, "out of memory");
		*ret = -ENOMEM;
		return NULL;
	}
	link->region = FRQ_REGION_NONE;
	*ret = frq_device_open(link, fr->device, fr->places.sysfs, err);
	if (*ret < 0) {
		free(link);
		return NULL;
	}
	frq_sigbus_watch(&link->region);
	frq_mapping_measure(link);
	__atomic_store_n(&fr->uncached, link->mapping == FREQRING_MAPPING_UNCACHED,
		__ATOMIC_RELAXED);
	link->users = 1;
	link->number = ++fr->nb_links;
	return link;
}

static void
put_locked(struct frq_link *link)
{
	if (--link->users != 0)
		return;
	frq_sigbus_unwatch(&link->region);
	frq_region_close(&link->region);
	free(link);
}

int
frq_link_open(struct freqring *fr, struct frq_err *err)
{
	int ret;

	fr->link = map_link(fr, err, &ret);
	return ret;
}

void
frq_link_put(struct freqring *fr, struct frq_link *link)
{
	if (link == NULL)
		return;
	(void)pthread_mutex_lock(&fr->link_lock);
	put_locked(link);
	(void)pthread_mutex_unlock(&fr->link_lock);
}

/* The file in sysfs is another one after the device was plugged in again. */
bool
frq_link_plugged(const struct frq_link *link)
{
	char path[sizeof(link->dir) + 16];
	struct stat now, then;

	if (link->dir[0] == '\0')
		return true;
	(void)snprintf(path, sizeof(path), "%s/resource2", link->dir);
	return stat(path, &now) == 0 && fstat(link->region.fd, &then) == 0 &&
		now.st_ino == then.st_ino && now.st_dev == then.st_dev;
}

struct frq_link *
frq_link_get_plugged(struct freqring *fr, uint64_t now_ns)
{
	struct frq_link *link;
	struct frq_err err;
	int ret;

	(void)pthread_mutex_lock(&fr->link_lock);
	if (fr->link != NULL && !frq_link_plugged(fr->link)) {
		put_locked(fr->link);
		fr->link = NULL;
	}
	if (fr->link == NULL && now_ns >= fr->link_retry_ns) {
		fr->link_retry_ns = now_ns + SEARCH_AGAIN_NS;
		fr->link = map_link(fr, &err, &ret);
	}
	link = fr->link;
	if (link != NULL)
		link->users++;
	(void)pthread_mutex_unlock(&fr->link_lock);
	return link;
}
