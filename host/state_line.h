/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state_line.h - what the applier tells a guest about a channel
 *
 * Writes the state line and the frequency table of the region, and keeps a
 * private copy of what status shows. Applier's thread only.
 */
#ifndef FRQ_STATE_LINE_H
#define FRQ_STATE_LINE_H

#include "vm.h"

struct state_line_update {
	struct wish wish;		/* in force */
	enum frq_reason reason;		/* why not the whole of it */
	uint32_t granted_khz;
	unsigned int nb_cpus, pcpu;
	const struct freq_table *table;	/* of pcpu; nb == 0: none */
	bool decided;			/* index and turbo are in force on pcpu */
	unsigned int index;
	bool turbo;
};

/**
 * Publish. The applied word comes last, so that a guest which waits for it
 * finds everything else in place.
 */
void state_line_publish(struct channel *ch, const struct state_line_update *u);

/**
 * What the host does as a whole (struct frq_host), where that is news. A guest that asked to be
 * told finds its verdict changed by the next state_line_publish.
 */
void state_line_host(struct channel *ch, uint64_t host);

/** The channel is not served any more: whatever the guest wished is void. */
void state_line_dismiss(struct channel *ch);

#endif /* FRQ_STATE_LINE_H */
