/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "echo_report.h"
#include "report.h"

#define ROUNDS 10u

static const char *const ring_ids[ECHO_MODES] = {
	[ECHO_SLOT] = "ring_slot",
	[ECHO_SLOT_BELL] = "ring_slot_bell",
	[ECHO_SLOT_BELL8] = "ring_slot_bell8",
	[ECHO_SLOT_BELL64] = "ring_slot_bell64",
	[ECHO_SLOT_PAUSE] = "ring_slot_pause",
	[ECHO_SLOT_PAUSE_BELL64] = "ring_slot_pause_bell64",
	[ECHO_BELL] = "ring_bell",
};

static void
report(const struct bench *b, const char *word_id, unsigned int rate, struct samples *s)
{
	double word, ring;
	char id[64];

	report_paced_id(id, sizeof(id), word_id, rate);
	word = report_latency(b, id, &s[ECHO_WORD]);

	for (unsigned int m = ECHO_SLOT; m < ECHO_MODES; m++) {
		if (s[m].n == 0)
			continue;
		(void)snprintf(id, sizeof(id), "%s_rtt", ring_ids[m]);
		ring = report_latency(b, id, &s[m]);
		(void)snprintf(id, sizeof(id), "%s_ratio", ring_ids[m]);
		report_ratio(b, id, ring / word);
	}
}

enum bench_status
echo_run(struct bench *b, struct frq_region *r, const char *word_id, bool all, unsigned int rate,
	unsigned int n)
{
	struct samples s[ECHO_MODES] = { 0 };
	unsigned int per_round = n / ROUNDS + 1;
	int ret = 0;

	for (unsigned int m = ECHO_WORD; ret == 0 && m < ECHO_MODES; m++)
		ret = samples_init(&s[m], (size_t)per_round * ROUNDS);
	if (ret == 0) {
		ret = echo_measure(r, &b->tsc, all, rate, s, per_round, ROUNDS);
		if (ret < 0)
			bench_error("nobody answers from the other side");
	} else {
		bench_error("no memory for %u samples", n);
	}
	if (ret == 0) {
		report_environment(b);
		report(b, word_id, rate, s);
	}
	for (unsigned int m = ECHO_WORD; m < ECHO_MODES; m++)
		samples_free(&s[m]);
	return ret == 0 ? BENCH_OK : BENCH_FAILED;
}
