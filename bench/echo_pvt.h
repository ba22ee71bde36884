/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo_pvt.h - what the two sides of echo.h agree on
 */
#ifndef FRQ_BENCH_ECHO_PVT_H
#define FRQ_BENCH_ECHO_PVT_H

#include "echo.h"

#define ECHO_MAGIC	UINT64_C(0x484e454251455246) /* "FREQBENH" in memory */
#define ECHO_EPOCH	1u
#define ECHO_INCARNATION 1u

struct echo_line {
	uint64_t word;
	uint64_t alone[7];
};

/* In the reserved part of a region's layout. */
struct echo_lines {
	struct echo_line said;	/* near side: the mode */
	struct echo_line heard;	/* far side: the mode it is in */
	struct echo_line out;	/* near side: the bare word */
	struct echo_line back;	/* far side: the bare word */
};

static inline uint64_t FRQ_SHARED *
echo_magic(const struct frq_region *r)
{
	return &frq_region_header(r)->magic;
}

static inline struct echo_lines FRQ_SHARED *
echo_lines(const struct frq_region *r)
{
	return (struct echo_lines FRQ_SHARED *)(r->base + FRQ_OFF_END);
}

#endif /* FRQ_BENCH_ECHO_PVT_H */
