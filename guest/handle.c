/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.c - open and close the transport, and what is known of it
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "freqring_pvt.h"

#define HEARTBEAT_STILL_NS	UINT64_C(100000000)
#define HEARTBEAT_LOOK_NS	1000000L

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

int
frq_open(struct freqring **fr, const struct freqring_options *options, const char *sysfs)
{
	struct freqring *f = calloc(1, sizeof(*f));
	int ret;

	*fr = f;
	if (f == NULL)
		return -ENOMEM;
	f->region = FRQ_REGION_NONE;
	f->error = "no error";
	ret = frq_device_open(&f->region, options != NULL ? options->device : NULL, sysfs,
		f->device, &f->err);
	if (ret < 0)
		return frq_fail(f, ret, f->err.text);
	frq_mapping_measure(f);
	return 0;
}

FRQ_API int
freqring_open(struct freqring **fr, const struct freqring_options *options)
{
	return frq_open(fr, options, "/sys");
}

FRQ_API void
freqring_close(struct freqring *fr)
{
	if (fr == NULL)
		return;
	while (fr->channels != NULL)
		freqring_detach(fr->channels);
	frq_region_close(&fr->region);
	free(fr);
}

/* @return whether it moved since the last look */
static bool
look_at_heartbeat(struct freqring *fr)
{
	uint64_t beat = frq_load64(&frq_region_header(&fr->region)->heartbeat);
	uint64_t now = frq_now_ns();
	bool moved = fr->heartbeat_seen && beat != fr->heartbeat;

	if (moved)
		fr->alive = true;
	else if (fr->heartbeat_seen && now - fr->heartbeat_since_ns >= HEARTBEAT_STILL_NS)
		fr->alive = false;
	if (moved || !fr->heartbeat_seen) {
		fr->heartbeat = beat;
		fr->heartbeat_since_ns = now;
		fr->heartbeat_seen = true;
	}
	return moved;
}

static void
await_heartbeat(struct freqring *fr, unsigned int timeout_ms)
{
	const struct timespec pause = { .tv_nsec = HEARTBEAT_LOOK_NS };
	uint64_t end = frq_now_ns() + (uint64_t)timeout_ms * 1000000;

	while (!look_at_heartbeat(fr) && frq_now_ns() < end)
		(void)nanosleep(&pause, NULL);
}

FRQ_API int
freqring_get_info(struct freqring *fr, struct freqring_info *info, unsigned int timeout_ms)
{
	const struct frq_header FRQ_SHARED *h = frq_region_header(&fr->region);
	struct frq_life life;
	uint64_t features;
	int ret;

	memset(info, 0, sizeof(*info));
	ret = frq_region_check(&fr->region, &fr->err);
	if (ret < 0)
		return frq_fail(fr, ret, fr->err.text);
	await_heartbeat(fr, timeout_ms);
	life = frq_life_unpack(frq_load64(&h->life));
	features = frq_load64(&h->features);
	memcpy(info->device, fr->device, sizeof(info->device));
	info->version = FRQ_ABI_VERSION;
	info->nb_channels = (unsigned int)frq_load64(&h->nb_channels);
	if (info->nb_channels > FRQ_MAX_CHANNELS)
		info->nb_channels = FRQ_MAX_CHANNELS;
	info->epoch = life.epoch;
	info->incarnation = life.incarnation;
	info->host_stopped = (life.flags & FRQ_LIFE_STOPPED) != 0;
	info->host_alive = fr->alive && !info->host_stopped;
	info->quarantined = (life.flags & FRQ_LIFE_QUARANTINED) != 0;
	info->simulated = (features & FRQ_FEATURE_SIMULATED) != 0;
	info->turbo = (features & FRQ_FEATURE_TURBO) != 0;
	info->mapping = fr->mapping;
	info->load_ns_x10 = fr->load_ns_x10;
	info->store_ns_x10 = fr->store_ns_x10;
	for (unsigned int i = 0; i < sizeof(info->uuid); i++)
		info->uuid[i] = frq_load8(&h->uuid[i]);
	return 0;
}
