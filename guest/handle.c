/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.c - open and close, and what is known of the host
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freqring_pvt.h"

#define STALE_MS 100u

int
frq_fail(struct freqring *fr, int ret, const char *sentence)
{
	/* Not stored when it is there already: other channels share the line. */
	if (__atomic_load_n(&fr->error, __ATOMIC_RELAXED) != sentence)
		__atomic_store_n(&fr->error, sentence, __ATOMIC_RELAXED);
	return ret;
}

FRQ_API const char *
freqring_error(const struct freqring *fr)
{
	return fr == NULL ? "out of memory" : __atomic_load_n(&fr->error, __ATOMIC_RELAXED);
}

static int
take_options(struct freqring *fr, const struct freqring_options *o)
{
	const char *name = o->vm_name != NULL ? o->vm_name : getenv("FREQRING_VM_NAME");

	if (o->transport > FREQRING_TRANSPORT_VHOST)
		return frq_fail(fr, -EINVAL, "no such transport");
	fr->forced = o->transport;
	fr->stale_ns = (uint64_t)(o->stale_ms != 0 ? o->stale_ms : STALE_MS) * 1000000;
	fr->moved = o->moved;
	fr->moved_arg = o->moved_arg;
	fr->host = o->host;
	fr->host_arg = o->host_arg;
	if (name != NULL && strlen(name) >= sizeof(fr->vm_name))
		return frq_fail(fr, -EINVAL, "the VM's name is longer than 31 characters");
	if (name != NULL)
		(void)snprintf(fr->vm_name, sizeof(fr->vm_name), "%s", name);
	if (o->device != NULL)
		fr->device = strdup(o->device);
	if (o->port != NULL)
		fr->port = strdup(o->port);
	return (o->device == NULL) == (fr->device == NULL) &&
		(o->port == NULL) == (fr->port == NULL) ? 0 : frq_fail(fr, -ENOMEM, "out of memory");
}

int
frq_open(struct freqring **fr, const struct freqring_options *options,
	const struct frq_places *places)
{
	const struct freqring_options none = { .device = NULL };
	struct freqring *f = calloc(1, sizeof(*f));
	int ret;

	*fr = f;
	if (f == NULL)
		return -ENOMEM;
	(void)pthread_mutex_init(&f->link_lock, NULL);
	f->places = *places;
	f->error = "no error";
	ret = take_options(f, options != NULL ? options : &none);
	return ret < 0 ? ret : frq_choose(f);
}

FRQ_API int
freqring_open(struct freqring **fr, const struct freqring_options *options)
{
	static const struct frq_places here = { .sysfs = "/sys", .dev = "/dev" };

	return frq_open(fr, options, &here);
}

FRQ_API void
freqring_close(struct freqring *fr)
{
	if (fr == NULL)
		return;
	while (fr->channels != NULL)
		freqring_detach(fr->channels);
	frq_link_put(fr, fr->link);
	(void)pthread_mutex_destroy(&fr->link_lock);
	free(fr->device);
	free(fr->port);
	free(fr);
}

FRQ_API int
freqring_get_info(struct freqring *fr, struct freqring_info *info, unsigned int timeout_ms)
{
	/* What the program's channels use; without one, what it would get. */
	const struct frq_transport *t = frq_transport_of(__atomic_load_n(&fr->transport,
		__ATOMIC_RELAXED));

	memset(info, 0, sizeof(*info));
	info->transport = t->id;
	info->ports = frq_port_list(&fr->places);
	info->moves = __atomic_load_n(&fr->moves, __ATOMIC_RELAXED);
	return t->info(fr, info, timeout_ms);
}
