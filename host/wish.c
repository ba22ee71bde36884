/* SPDX-License-Identifier: BSD-3-Clause */
#include "wish.h"

unsigned int
freq_table_at_least(const struct freq_table *t, uint32_t khz)
{
	unsigned int i = 0;

	while (i + 1 < t->nb && t->khz[i + 1] >= khz)
		i++;
	return i;
}

unsigned int
wish_index(const struct wish *w, const struct freq_table *t)
{
	unsigned int top = freq_table_top(t, !w->turbo_off);
	unsigned int i;

	switch (w->kind) {
	case FRQ_WISH_MIN:
		return t->nb - 1;
	case FRQ_WISH_KHZ:
		i = freq_table_at_least(t, w->khz);
		return i > top ? i : top;
	default:
		return top;
	}
}

/* Up and down from "no opinion" start at the top. */
static enum frq_reason
fold_step(struct wish *w, bool up, const struct freq_table *t)
{
	unsigned int top, i;

	if (t->nb == 0)
		return FRQ_REASON_NO_CPUFREQ;
	if (w->kind == FRQ_WISH_NONE)
		w->kind = FRQ_WISH_MAX;
	/* The symbolic ends stay what they are, whatever table comes next. */
	if ((up && w->kind == FRQ_WISH_MAX) || (!up && w->kind == FRQ_WISH_MIN))
		return FRQ_REASON_OK;
	top = freq_table_top(t, !w->turbo_off);
	i = wish_index(w, t);
	if (up && i > top)
		i--;
	else if (!up && i + 1 < t->nb)
		i++;
	/* Above a slower core's table already: a step up asks for no less. */
	if (up && w->kind == FRQ_WISH_KHZ && w->khz > t->khz[i])
		return FRQ_REASON_OK;
	w->kind = FRQ_WISH_KHZ;
	w->khz = t->khz[i];
	return FRQ_REASON_OK;
}

static enum frq_reason
fold_set(struct wish *w, uint32_t khz, const struct freq_table *t)
{
	if (khz == 0)
		return FRQ_REASON_BAD_ARG;
	if (t->nb != 0 && (khz > t->khz[0] || khz < t->khz[t->nb - 1]))
		return FRQ_REASON_BAD_FREQ;
	w->kind = FRQ_WISH_KHZ;
	w->khz = khz;
	return FRQ_REASON_OK;
}

static enum frq_reason
fold_tell(struct wish *w, uint32_t what)
{
	if ((what & ~FRQ_TELL_HOST) != 0)
		return FRQ_REASON_BAD_ARG;
	w->told = (what & FRQ_TELL_HOST) != 0;
	return FRQ_REASON_OK;
}

enum frq_reason
wish_fold(struct wish *w, uint8_t op, uint32_t arg, const struct freq_table *t)
{
	if (arg != 0 && op != FRQ_OP_SET && op != FRQ_OP_TELL)
		return FRQ_REASON_BAD_ARG;
	switch (op) {
	case FRQ_OP_UP:
		return fold_step(w, true, t);
	case FRQ_OP_DOWN:
		return fold_step(w, false, t);
	case FRQ_OP_MIN:
		w->kind = FRQ_WISH_MIN;
		return FRQ_REASON_OK;
	case FRQ_OP_MAX:
		w->kind = FRQ_WISH_MAX;
		return FRQ_REASON_OK;
	case FRQ_OP_SET:
		return fold_set(w, arg, t);
	case FRQ_OP_TURBO_ON:
	case FRQ_OP_TURBO_OFF:
		w->turbo_off = op == FRQ_OP_TURBO_OFF;
		return FRQ_REASON_OK;
	case FRQ_OP_RELEASE:
		w->kind = FRQ_WISH_NONE;
		return FRQ_REASON_OK;
	case FRQ_OP_TELL:
		return fold_tell(w, arg);
	default:
		return FRQ_REASON_BAD_OP;
	}
}
