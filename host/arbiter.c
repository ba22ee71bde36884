/* SPDX-License-Identifier: BSD-3-Clause */
#include "arbiter.h"

struct decision
arbiter_decide(const struct freq_table *t, const struct wish *wish, unsigned int nb)
{
	struct decision d = { .any = false, .index = t->nb - 1 };

	for (unsigned int i = 0; i < nb; i++) {
		unsigned int index;

		if (wish[i].kind == FRQ_WISH_NONE)
			continue;
		index = wish_index(&wish[i], t);
		if (!d.any || index < d.index)
			d.index = index;
		d.any = true;
	}
	d.turbo = d.any && t->turbo && d.index == 0;
	return d;
}

enum frq_reason
arbiter_explain(const struct freq_table *t, const struct wish *w, struct decision d)
{
	if (w->kind == FRQ_WISH_NONE)
		return FRQ_REASON_OK;
	if (wish_index(w, t) != d.index)
		return FRQ_REASON_ARBITRATED;
	if (w->kind == FRQ_WISH_KHZ && w->khz > t->khz[d.index])
		return FRQ_REASON_LIMITED;
	return FRQ_REASON_OK;
}
