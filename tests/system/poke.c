/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poke - a hostile guest: writes what it likes into its region
 *
 *	poke OFFSET=VALUE...		64-bit words; 8:OFFSET=VALUE a byte
 *	poke -r OFFSET...		prints words
 *	poke post VCPU COUNT OP FLAGS ARG
 *			attaches as the protocol says and posts COUNT such requests
 *	poke epoch VCPU			a request with an epoch that is not the region's
 *	poke ahead VCPU			a request a ring ahead of the cursor
 *	poke scribble SECONDS SEED [FROM TO]
 *			random words, bytes and half-right requests
 *
 * Stands on the contract alone, not on the library: it has to break rules.
 */
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring.h"

#define FULL_S 2	/* a ring that stays full that long is not served */

static struct frq_region region;

static uint64_t
number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static bool
is_ivshmem(const char *dir)
{
	char path[512], text[32] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/uevent", dir);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	while (fgets(text, sizeof(text), f) != NULL && strncmp(text, "PCI_ID=", 7) != 0)
		;
	(void)fclose(f);
	return strncmp(text, "PCI_ID=1AF4:1110", 16) == 0;
}

static bool
open_region(void)
{
	struct frq_err err = { .text = "no ivshmem device" };
	glob_t found;
	bool ok = false;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc && !ok; i++)
		ok = is_ivshmem(found.gl_pathv[i]) &&
			frq_region_bar(&region, found.gl_pathv[i], &err) == 0;
	globfree(&found);
	if (!ok)
		fprintf(stderr, "poke: %s\n", err.text);
	return ok;
}

static uint64_t FRQ_SHARED *
word_at(uint64_t offset)
{
	return (uint64_t FRQ_SHARED *)(region.base + (offset & (FRQ_REGION_SIZE - 8)));
}

static time_t
now_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void
set_word(const char *arg)
{
	const char *value = strchr(arg, '=');

	if (value == NULL)
		return;
	if (strncmp(arg, "8:", 2) == 0)
		frq_store8(region.base + number(arg + 2) % FRQ_REGION_SIZE,
			(uint8_t)number(value + 1));
	else
		frq_store64(word_at(number(arg)), number(value + 1));
}

static struct frq_producer
attach(unsigned int vcpu)
{
	struct frq_producer p = {
		.ring = frq_region_ring(&region, vcpu),
		.doorbell = frq_region_doorbell(&region, vcpu),
		.consumed = frq_region_consumed(&region, vcpu),
	};

	frq_producer_attach(&p, frq_life_unpack(frq_load64(&frq_region_header(&region)->life)),
		0, 0x666);
	return p;
}

static bool
wait_consumed(const struct frq_producer *p)
{
	const time_t end = now_s() + FULL_S;

	while (now_s() <= end) {
		if (frq_consumed_unpack(frq_load64(&p->consumed->consumed)).next == p->next)
			return true;
	}
	return false;
}

static int
post(unsigned int vcpu, uint64_t count, char **argv)
{
	struct frq_producer p = attach(vcpu);
	time_t end = now_s() + FULL_S;
	uint64_t done = 0;

	while (done < count && now_s() <= end) {
		if (frq_producer_post(&p, (enum frq_op)number(argv[0]), (uint8_t)number(argv[1]),
		    (uint32_t)number(argv[2])) != 0)
			continue;
		done++;
		end = now_s() + FULL_S;
	}
	printf("posted %" PRIu64 ", %s\n", done,
		wait_consumed(&p) ? "consumed" : "not consumed");
	return EXIT_SUCCESS;
}

/* What stands at the cursor, with a doorbell that says so. */
static int
post_wrong(unsigned int vcpu, uint8_t more_epoch, uint16_t ahead)
{
	struct frq_producer p = attach(vcpu);
	bool ok = wait_consumed(&p);

	p.next = (uint16_t)(p.next + ahead);
	p.epoch = (uint8_t)(p.epoch + more_epoch);
	(void)frq_producer_post(&p, FRQ_OP_MAX, 0, 0);
	printf("attach %s\n", ok ? "consumed" : "not consumed");
	return EXIT_SUCCESS;
}

static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* A request that the host would believe, in all but a few bits. */
static void
half_right(uint64_t *x)
{
	uint64_t r = next_random(x);
	unsigned int vcpu = r % 4;
	uint64_t life = frq_load64(&frq_region_header(&region)->life);
	struct frq_consumed c = frq_consumed_unpack(
		frq_load64(&frq_region_consumed(&region, vcpu)->consumed));
	uint16_t seq = (uint16_t)(c.next + (r >> 8) % 80);

	frq_store64(&frq_region_ring(&region, vcpu)->slot[seq % FRQ_RING_SLOTS],
		seq | (life & 0xff) << FRQ_REQ_EPOCH_SHIFT |
		(r >> 16) % 14 << FRQ_REQ_OP_SHIFT | (r >> 24 & 1) << FRQ_REQ_FLAGS_SHIFT |
		r << FRQ_REQ_ARG_SHIFT);
	frq_store8(frq_region_doorbell(&region, vcpu), (uint8_t)(seq + 1));
}

static int
scribble(time_t seconds, uint64_t seed, uint64_t from, uint64_t to)
{
	const time_t end = now_s() + seconds;
	uint64_t x = seed * 2 + 1, n = 0;

	while (now_s() < end) {
		for (unsigned int i = 0; i < 1000; i++, n++) {
			uint64_t r = next_random(&x), at = from + r % (to - from);

			if (i % 4 == 0 && from == 0)
				half_right(&x);
			else if (i % 4 == 1)
				frq_store8(region.base + at, (uint8_t)(r >> 40));
			else
				frq_store64(word_at(at), next_random(&x));
		}
	}
	printf("scribbled %" PRIu64 "\n", n);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!open_region())
		return EXIT_FAILURE;
	if (argc == 7 && strcmp(what, "post") == 0)
		return post((unsigned int)number(argv[2]), number(argv[3]), &argv[4]);
	if (argc == 3 && strcmp(what, "epoch") == 0)
		return post_wrong((unsigned int)number(argv[2]), 1, 0);
	if (argc == 3 && strcmp(what, "ahead") == 0)
		return post_wrong((unsigned int)number(argv[2]), 0, FRQ_RING_SLOTS);
	if ((argc == 4 || argc == 6) && strcmp(what, "scribble") == 0)
		return scribble((time_t)number(argv[2]), number(argv[3]),
			argc == 6 ? number(argv[4]) : 0,
			argc == 6 ? number(argv[5]) : FRQ_REGION_SIZE);
	for (int i = 1; i < argc; i++) {
		if (strcmp(what, "-r") != 0)
			set_word(argv[i]);
		else if (i > 1)
			printf("%016" PRIx64 "\n", frq_load64(word_at(number(argv[i]))));
	}
	return EXIT_SUCCESS;
}
