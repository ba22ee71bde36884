/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * targets.h - what the suite's figures are meant to be, and whether they are
 */
#ifndef FRQ_BENCH_TARGETS_H
#define FRQ_BENCH_TARGETS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum target_verdict { TARGET_MET, TARGET_MISSED, TARGET_OPEN };

struct target_state {
	enum target_verdict verdict;
	double value, limit;
	const char *text;	/* what is wanted */
	const char *finding;	/* why it is missed where it is, or NULL */
	char measured[256];	/* for people; where it is open, why */
};

/** How many there are. */
size_t targets_count(void);

/** Look at target i of them. */
void targets_get(size_t i, const json_t *results, struct target_state *st);

const char *target_verdict_text(enum target_verdict v);

/** The machine's own stalls from `ns` on, a second, on the worst CPU; false: not measured. */
bool stalls_per_second(const json_t *results, double ns, double *rate);

#endif /* FRQ_BENCH_TARGETS_H */
