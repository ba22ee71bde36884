/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ops.c - see ops.h
 *
 * Also where nothing changes the library is called, with what was asked before:
 * it drops that as a repeat, and notices by it that the host was started anew or
 * is gone.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "freqring_abi.h"
#include "freqring_pvt.h"
#include "lcores.h"
#include "ops.h"

#define START_US	1000000u
#define SETTLE_US	1000u
#define APPLIED_NS	UINT64_C(100000000)
#define COMPLAIN_NS	UINT64_C(1000000000)

struct table {
	uint32_t khz[FRQ_MAX_FREQS];
	unsigned int nb;
	unsigned int top;	/* index of the maximum this lcore may ask for */
	bool turbo;
};

/* ---- failures ----------------------------------------------------------------- */

static unsigned int
number_of(const struct lcore *l)
{
	return (unsigned int)(l - lcores);
}

/* Once a second and lcore: poll loops ask on every turn. */
static __attribute__((noinline, cold)) int
failed(struct lcore *l, int ret)
{
	uint64_t now = frq_coarse_ns();

	if (l->complained_ns == 0 || now - l->complained_ns >= COMPLAIN_NS) {
		l->complained_ns = now;
		lcores_log(LCORES_ERR, "freqring: lcore %u, CPU %u, vCPU %u: %s", number_of(l),
			l->cpu, l->vcpu, lcores_error());
	}
	return ret;
}

static __attribute__((noinline, cold)) int
not_taken(unsigned int lcore)
{
	lcores_log(LCORES_ERR, "freqring: lcore %u is not initialised: rte_power_init comes first",
		lcore);
	return -1;
}

/* ---- ask ---------------------------------------------------------------------- */

static int
say(struct lcore *l, enum lcores_asked what, uint32_t khz)
{
	int ret;

	switch (what) {
	case LCORES_ASKED_MAX:
		ret = freqring_max(l->ch);
		break;
	case LCORES_ASKED_MIN:
		ret = freqring_min(l->ch);
		break;
	default:
		ret = freqring_set(l->ch, khz);
		break;
	}
	if (ret < 0)
		return ret;
	l->asked = (uint8_t)what;
	l->khz = khz;
	return ret;
}

static inline int
asked(struct lcore *l, enum lcores_asked what, int ret)
{
	if (frq_unlikely(ret < 0))
		return failed(l, ret);
	l->asked = (uint8_t)what;
	return ret;
}

/* Not what poll loops do as a rule: functions of their own, so that a repeat saves nothing. */
static __attribute__((noinline)) int
ask_max(struct lcore *l)
{
	return asked(l, LCORES_ASKED_MAX, freqring_max(l->ch));
}

static __attribute__((noinline)) int
ask_min(struct lcore *l)
{
	return asked(l, LCORES_ASKED_MIN, freqring_min(l->ch));
}

static int
step(struct lcore *l, int (*freqring_step)(struct freqring_channel *ch))
{
	int ret = freqring_step(l->ch);

	if (ret < 0)
		return failed(l, ret);
	l->asked = LCORES_ASKED_STEPS;
	return ret;
}

/* ---- table and index ------------------------------------------------------------ */

/* @return whether there is one */
static bool
read_table(const struct lcore *l, struct table *t)
{
	int nb = freqring_freqs(l->ch, t->khz, FRQ_MAX_FREQS, &t->turbo);

	t->nb = nb > 0 ? (unsigned int)nb : 0;
	t->top = t->turbo && l->turbo_forbidden && t->nb > 1 ? 1 : 0;
	return t->nb != 0;
}

/* After steps that the host took, over virtio-serial or while it knew no table. */
static void
learn_what_was_asked(struct lcore *l)
{
	struct freqring_status st;

	l->asked = LCORES_ASKED_MAX;
	if (freqring_wait_applied(l->ch, SETTLE_US) < 0 || freqring_get_status(l->ch, &st) < 0)
		return;
	l->khz = st.wish_khz;
	if (strcmp(st.wish, "kHz") == 0)
		l->asked = LCORES_ASKED_KHZ;
	else if (strcmp(st.wish, "min") == 0)
		l->asked = LCORES_ASKED_MIN;
}

static unsigned int
index_asked(struct lcore *l, const struct table *t)
{
	unsigned int i = t->nb - 1;

	if (l->asked == LCORES_ASKED_STEPS)
		learn_what_was_asked(l);
	if (l->asked == LCORES_ASKED_MAX)
		return t->top;
	if (l->asked == LCORES_ASKED_MIN)
		return i;
	/* Between two the host takes the higher. */
	while (i > t->top && t->khz[i] < l->khz)
		i--;
	return i;
}

/* The same index is always the same request, so that its repeat is one. */
static int
say_index(struct lcore *l, const struct table *t, unsigned int index)
{
	if (index <= t->top)
		return say(l, LCORES_ASKED_MAX, 0);
	if (index == t->nb - 1)
		return say(l, LCORES_ASKED_MIN, 0);
	return say(l, LCORES_ASKED_KHZ, t->khz[index]);
}

/* At the end of the table; 0 whatever was said again for the host's sake. */
static int
stay(struct lcore *l, const struct table *t, unsigned int index)
{
	int ret = say_index(l, t, index);

	return ret < 0 ? failed(l, ret) : 0;
}

static int
move(struct lcore *l, int by, int (*freqring_step)(struct freqring_channel *ch))
{
	struct table t;
	unsigned int index;
	int ret;

	if (!read_table(l, &t))
		return step(l, freqring_step);
	index = index_asked(l, &t);
	if (by < 0 ? index <= t.top : index == t.nb - 1)
		return stay(l, &t, index);
	ret = say_index(l, &t, (unsigned int)((int)index + by));
	/* The channel moved to virtio-serial just now. */
	if (ret == -EOPNOTSUPP)
		return step(l, freqring_step);
	return ret < 0 ? failed(l, ret) : ret;
}

/* ---- librte_power's calls --------------------------------------------------------- */

/* It counts all the same from when the host grants it. */
static void
warn_if_refused(struct lcore *l)
{
	struct freqring_status st;
	int ret = freqring_wait_applied(l->ch, START_US);

	if (ret < 0 || freqring_get_status(l->ch, &st) < 0) {
		lcores_log(LCORES_WARNING, "freqring: lcore %u, CPU %u, vCPU %u: the host has not "
			"set the frequency yet: %s. On the host: freqring status", number_of(l),
			l->cpu, l->vcpu, lcores_error());
		return;
	}
	if (st.granted_khz == 0 && st.transport != FREQRING_TRANSPORT_SERIAL)
		lcores_log(LCORES_WARNING, "freqring: lcore %u, CPU %u, vCPU %u: the host sets no "
			"frequency: %s. On the host: freqring status", number_of(l), l->cpu,
			l->vcpu, freqring_reason(st.reason));
}

int
power_init(unsigned int lcore)
{
	struct lcore *l = lcores_take(lcore);
	int ret;

	if (l == NULL)
		return -1;
	/* The program before this one may have forbidden it. */
	ret = freqring_turbo(l->ch, true);
	if (ret >= 0)
		ret = say(l, LCORES_ASKED_MAX, 0);
	if (ret < 0) {
		(void)failed(l, ret);
		(void)lcores_give_back(lcore);
		return -1;
	}
	warn_if_refused(l);
	lcores_log(LCORES_INFO, "freqring: lcore %u is CPU %u, vCPU %u", lcore, l->cpu, l->vcpu);
	return 0;
}

int
power_exit(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);
	int ret;

	if (l == NULL)
		return not_taken(lcore);
	ret = freqring_release(l->ch);
	/* Over virtio-serial nothing can be withdrawn. */
	if (ret < 0 && ret != -EOPNOTSUPP)
		(void)failed(l, ret);
	(void)lcores_give_back(lcore);
	return 0;
}

uint32_t
power_freqs(unsigned int lcore, uint32_t *khz, uint32_t n)
{
	struct lcore *l = lcores_taken(lcore);
	struct table t;

	if (l == NULL || khz == NULL) {
		(void)not_taken(lcore);
		return 0;
	}
	if (!read_table(l, &t))
		return 0;
	if (t.nb > n) {
		lcores_log(LCORES_ERR, "freqring: lcore %u has %u frequencies, room is for %" PRIu32,
			lcore, t.nb, n);
		return 0;
	}
	for (unsigned int i = 0; i < t.nb; i++)
		khz[i] = t.khz[i];
	return t.nb;
}

/*
 * Looks only: a program may ask this from another thread than the one that polls.
 * Not over a port, whose frames have to be taken in. A host that does not answer
 * is waited for once for each request.
 */
static void
await_applied(struct lcore *l)
{
	uint16_t next = l->ch->p.next;
	struct freqring_status st;
	uint64_t end = 0;

	while (l->ch->region != NULL && !frq_is_applied(l->ch)) {
		uint64_t now = frq_now_ns();

		if (end == 0)
			end = now + (l->given_up && l->given_up_at == next ? 0 : APPLIED_NS);
		if (now >= end) {
			l->given_up = true;
			l->given_up_at = next;
			return;
		}
		if (l->ch->link == NULL)
			(void)freqring_get_status(l->ch, &st);
		(void)sched_yield();
	}
	l->given_up = false;
}

uint32_t
power_get_freq(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);
	struct freqring_status st;
	struct table t;

	if (l == NULL) {
		(void)not_taken(lcore);
		return POWER_INVALID_INDEX;
	}
	/* Over virtio-serial the status is a question to the host. */
	if (!read_table(l, &t))
		return POWER_INVALID_INDEX;
	await_applied(l);
	if (freqring_get_status(l->ch, &st) < 0 || st.index < 0)
		return POWER_INVALID_INDEX;
	return (uint32_t)st.index;
}

int
power_set_freq(unsigned int lcore, uint32_t index)
{
	struct lcore *l = lcores_taken(lcore);
	struct table t;
	int ret;

	if (l == NULL)
		return not_taken(lcore);
	if (!read_table(l, &t)) {
		lcores_log(LCORES_ERR, "freqring: lcore %u: there is no table of frequencies, so no "
			"index %" PRIu32, lcore, index);
		return -ENOTSUP;
	}
	if (index >= t.nb) {
		lcores_log(LCORES_ERR, "freqring: lcore %u: index %" PRIu32 ", and there are %u "
			"frequencies", lcore, index, t.nb);
		return -1;
	}
	ret = say_index(l, &t, index);
	if (ret == -EOPNOTSUPP)
		return -ENOTSUP;
	return ret < 0 ? failed(l, ret) : ret;
}

int
power_freq_up(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);

	return l == NULL ? not_taken(lcore) : move(l, -1, freqring_up);
}

int
power_freq_down(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);

	return l == NULL ? not_taken(lcore) : move(l, 1, freqring_down);
}

int
power_freq_max(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);

	if (frq_unlikely(l == NULL))
		return not_taken(lcore);
	return frq_drop_repeat(l->ch, frq_ask(FRQ_OP_MAX, 0)) ? 0 : ask_max(l);
}

int
power_freq_min(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);

	if (frq_unlikely(l == NULL))
		return not_taken(lcore);
	return frq_drop_repeat(l->ch, frq_ask(FRQ_OP_MIN, 0)) ? 0 : ask_min(l);
}

int
power_turbo_status(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);
	struct table t;

	if (l == NULL)
		return not_taken(lcore);
	if (read_table(l, &t) && !t.turbo)
		return 0;
	return l->turbo_forbidden ? 0 : 1;
}

static int
set_turbo(struct lcore *l, bool on)
{
	int ret = freqring_turbo(l->ch, on);

	if (ret < 0)
		return failed(l, ret);
	l->turbo_forbidden = !on;
	return 0;
}

int
power_enable_turbo(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);
	struct table t;
	int ret;

	if (l == NULL)
		return not_taken(lcore);
	if (read_table(l, &t) && !t.turbo) {
		lcores_log(LCORES_ERR, "freqring: lcore %u: the physical CPU has no turbo", lcore);
		return -1;
	}
	ret = set_turbo(l, true);
	if (ret == 0)
		ret = ask_max(l);
	return ret < 0 ? ret : 0;
}

int
power_disable_turbo(unsigned int lcore)
{
	struct lcore *l = lcores_taken(lcore);
	struct table t;
	int ret;

	if (l == NULL)
		return not_taken(lcore);
	ret = set_turbo(l, false);
	if (ret == 0 && read_table(l, &t) && t.turbo && index_asked(l, &t) <= 1)
		ret = ask_max(l);
	return ret < 0 ? ret : 0;
}

int
power_capabilities(unsigned int lcore, bool *turbo)
{
	struct lcore *l = lcores_taken(lcore);
	struct freqring_caps caps = { .turbo = false };
	struct table t;

	if (l == NULL)
		return not_taken(lcore);
	*turbo = false;
	if (read_table(l, &t))
		*turbo = t.turbo;
	else if (freqring_query_caps(l->ch, &caps) == 0)
		*turbo = caps.turbo;
	return 0;
}
