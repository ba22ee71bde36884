/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport.c - which way to the host, and when to change it
 *
 * freqring_open chooses for the handle. Afterwards each channel moves by
 * itself, in the thread that has it. All of it is off the fast paths: they
 * come by here each so many calls (frq_look), when the verdict changed
 * (frq_recover), and when a call failed (frq_fail_over).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freqring_pvt.h"

/* The best first. */
static const struct frq_transport *const transports[] = { &frq_ivshmem, &frq_vhost, &frq_serial };

#define NB_TRANSPORTS (sizeof(transports) / sizeof(transports[0]))

/* A look costs some 100 ns, or a few system calls, and takes place this
 * often; how many calls lie in between is found out from how they come.
 */
#define LOOK_NS		UINT64_C(5000000)
#define CALLS_MAX	1024u

/* Another transport is tried this often: it may be some 20 system calls. */
#define RETRY_NS	UINT64_C(100000000)

/* A transport that sees by a second look only whether its host is there is given
 * this long, once, before one that is not preferred to it is taken.
 */
#define ANSWER_NS	UINT64_C(50000000)

/* What was under way on the other transport may arrive after what is said on
 * this one, so that is said once more, this long after a move.
 */
#define SETTLE_NS	UINT64_C(200000000)

FRQ_API const char *
freqring_transport_name(enum freqring_transport transport)
{
	for (size_t i = 0; i < NB_TRANSPORTS; i++)
		if (transports[i]->id == transport)
			return transports[i]->name;
	return "auto";
}

/* ---- preference ----------------------------------------------------------- */

/* The lower the better. Where shared memory is slow to reach, a port's frames
 * lie in memory of the VM's own.
 */
static unsigned int
rank(const struct freqring *fr, const struct frq_transport *t)
{
	if (t == &frq_ivshmem)
		return __atomic_load_n(&fr->uncached, __ATOMIC_RELAXED) ? 2 : 0;
	return t == &frq_vhost ? 1 : 3;
}

/* The best first. */
static void
sort_transports(const struct freqring *fr, const struct frq_transport *sorted[NB_TRANSPORTS])
{
	for (size_t i = 0; i < NB_TRANSPORTS; i++) {
		size_t at = i;

		for (; at > 0 && rank(fr, sorted[at - 1]) > rank(fr, transports[i]); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = transports[i];
	}
}

const struct frq_transport *
frq_transport_of(unsigned int id)
{
	for (size_t i = 0; i < NB_TRANSPORTS; i++)
		if (transports[i]->id == id)
			return transports[i];
	return transports[0];
}

/* ---- choose --------------------------------------------------------------- */

static bool
may_use(const struct freqring *fr, const struct frq_transport *t)
{
	return fr->forced == FREQRING_TRANSPORT_AUTO || fr->forced == t->id;
}

static int
obey_environment(struct freqring *fr)
{
	const char *name = getenv("FREQRING_TRANSPORT");

	if (fr->forced != FREQRING_TRANSPORT_AUTO || name == NULL || *name == '\0' ||
	    strcmp(name, "auto") == 0)
		return 0;
	for (size_t i = 0; i < NB_TRANSPORTS; i++)
		if (strcmp(name, transports[i]->name) == 0)
			fr->forced = transports[i]->id;
	if (fr->forced != FREQRING_TRANSPORT_AUTO)
		return 0;
	frq_err_set(&fr->err, "FREQRING_TRANSPORT=%.32s: none of ivshmem, vhost-user, serial, auto", name);
	return frq_fail(fr, -EINVAL, fr->err.text);
}

static void
note_failure(struct freqring *fr, const struct frq_transport *t, const struct frq_err *why)
{
	size_t n = strlen(fr->tried);

	(void)snprintf(fr->tried + n, sizeof(fr->tried) - n, "%s%s: %s", n != 0 ? "; " : "",
		t->name, why->text);
}

static void
choose_found(struct freqring *fr, const struct frq_transport *const *found, size_t n)
{
	const struct frq_transport *sorted[NB_TRANSPORTS];

	sort_transports(fr, sorted);
	fr->chosen = found[0];
	for (size_t i = 0; n > 1 && i < NB_TRANSPORTS; i++)
		for (size_t k = 0; k < n; k++) {
			struct frq_err why;

			if (found[k] != sorted[i] || !found[k]->answers(fr, &why))
				continue;
			fr->chosen = found[k];
			return;
		}
}

/* What is there, in order of preference; the last resort is what does not
 * answer yet.
 */
int
frq_choose(struct freqring *fr)
{
	const struct frq_transport *found[NB_TRANSPORTS];
	int ret = obey_environment(fr), failed = 0;
	size_t n = 0;

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < NB_TRANSPORTS; i++) {
		struct frq_err why = { "" };

		if (!may_use(fr, transports[i]))
			continue;
		ret = transports[i]->find(fr, &why);
		if (ret == 0) {
			found[n++] = transports[i];
			continue;
		}
		note_failure(fr, transports[i], &why);
		/* Of a preferred one it says more. */
		if (failed == 0)
			failed = ret;
	}
	if (failed == 0 && n == 0)
		failed = -EINVAL;
	if (n == 0)
		return frq_fail(fr, failed, fr->tried);
	choose_found(fr, found, n);
	fr->transport = fr->chosen->id;
	return 0;
}

/* ---- move ----------------------------------------------------------------- */

/* What this transport carries of it; 0: nothing. */
static int
state_again(struct freqring_channel *ch, frq_ask_t ask)
{
	frq_ask_t a = ask != 0 ? ch->t->carry(ask) : 0;
	int ret;

	if (a == 0)
		return 0;
	ret = ch->t->post(ch, frq_ask_op(a), frq_ask_arg(a));
	if (ret == 0) {
		ch->restated++;
		ch->nb_pings = 0;
	}
	return ret;
}

int
frq_restate(struct freqring_channel *ch)
{
	frq_ask_t turbo = ch->turbo, wish = ch->relative ? 0 : ch->wish;
	int ret;

	/* Turbo first: it moves what max means. A lease is not stated again:
	 * who wants one says so within its time.
	 */
	ret = state_again(ch, turbo);
	if (ret != 0)
		return ret;
	ch->asked_turbo = turbo;
	ret = state_again(ch, wish);
	if (ret != 0)
		return ret;
	if (wish != 0)
		ch->asked_wish = wish;
	ret = frq_host_restate(ch);
	if (ret != 0)
		return ret;
	ch->restate_due = false;
	return 0;
}

static void
tell(struct freqring_channel *ch, enum freqring_transport from, const char *why)
{
	struct freqring *fr = ch->fr;

	ch->moves++;
	(void)__atomic_add_fetch(&fr->moves, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&fr->transport, ch->t->id, __ATOMIC_RELAXED);
	if (fr->moved != NULL)
		fr->moved(fr->moved_arg, from, ch->t->id, why);
}

/* Whatever was posted here and not consumed counts as not said. @return as attach */
static int
move_to(struct freqring_channel *ch, const struct frq_transport *to, const char *why)
{
	const struct frq_transport *from = ch->t;
	int ret = to->attach(ch, true);

	if (ret != 0)
		return ret;
	if (from != to)
		from->leave(ch, true);
	/* Pairs with the load in serial_info, serial.c. */
	__atomic_store_n(&ch->t, to, __ATOMIC_RELEASE);
	frq_forget_asked(ch);
	/* Where the steps had led, only the other host knows: too much is
	 * better than too little.
	 */
	if (ch->relative)
		ch->wish = frq_ask(FRQ_OP_MAX, 0);
	ch->relative = false;
	ch->seen_khz = 0;
	ch->restate_due = true;
	ch->look_every = 1;
	ch->awaited = 0;
	ch->retry_ns = frq_coarse_ns() + RETRY_NS;
	ch->settle_ns = frq_coarse_ns() + SETTLE_NS;
	(void)frq_restate(ch);
	tell(ch, from->id, why);
	return 0;
}

static bool
may_move(struct freqring_channel *ch, uint64_t now)
{
	if (ch->fr->forced == FREQRING_TRANSPORT_SERIAL ||
	    ch->fr->forced == FREQRING_TRANSPORT_VHOST || ch->mute != NULL ||
	    now < ch->retry_ns)
		return false;
	ch->retry_ns = now + RETRY_NS;
	return true;
}

/* To the first that answers now; that may be this one, plugged in again. */
static bool
leave(struct freqring_channel *ch, const char *why, uint64_t now)
{
	const struct frq_transport *sorted[NB_TRANSPORTS];

	if (!may_move(ch, now))
		return false;
	sort_transports(ch->fr, sorted);
	for (size_t i = 0; i < NB_TRANSPORTS; i++) {
		int ret = may_use(ch->fr, sorted[i]) ? move_to(ch, sorted[i], why) : -ENODEV;

		if (ret == 0)
			return true;
		if (ret != -EAGAIN || (ch->awaited & 1u << sorted[i]->id) != 0)
			continue;
		ch->awaited |= 1u << sorted[i]->id;
		ch->retry_ns = now + ANSWER_NS;
		break;
	}
	return false;
}

bool
frq_take_elsewhere(struct freqring_channel *ch)
{
	const struct frq_transport *sorted[NB_TRANSPORTS];

	sort_transports(ch->fr, sorted);
	for (size_t i = 0; i < NB_TRANSPORTS; i++) {
		int ret = sorted[i] != ch->fr->chosen ? sorted[i]->attach(ch, true) : -ENOTCONN;

		if (ret == -EAGAIN)
			ret = sorted[i]->attach(ch, false);
		if (ret != 0)
			continue;
		ch->t = sorted[i];
		return true;
	}
	return false;
}

/* To one that is preferred to where it is. */
static bool
go_back(struct freqring_channel *ch, uint64_t now)
{
	const struct frq_transport *sorted[NB_TRANSPORTS];

	if (rank(ch->fr, ch->t) == 0 || !may_move(ch, now))
		return false;
	sort_transports(ch->fr, sorted);
	for (size_t i = 0; i < NB_TRANSPORTS && sorted[i] != ch->t; i++)
		if (may_use(ch->fr, sorted[i]) &&
		    move_to(ch, sorted[i], "its host answers again") == 0)
			return true;
	return false;
}

/* ---- when ----------------------------------------------------------------- */

static void
set_pace(struct freqring_channel *ch, uint64_t elapsed)
{
	if (elapsed < LOOK_NS && ch->look_every < CALLS_MAX)
		ch->look_every *= 2;
	else if (elapsed > 16 * LOOK_NS)
		ch->look_every = 1;
	else if (elapsed > 4 * LOOK_NS && ch->look_every > 1)
		ch->look_every /= 2;
}

static bool
look_now(struct freqring_channel *ch, uint64_t now)
{
	const char *why;
	bool moved;

	ch->looked_ns = now;
	if (ch->mute != NULL)
		return false;
	why = ch->t->look(ch, now);
	moved = why != NULL ? leave(ch, why, now) : go_back(ch, now);
	if (ch->settle_ns != 0 && now >= ch->settle_ns) {
		ch->settle_ns = 0;
		frq_forget_asked(ch);
		ch->restate_due = true;
	}
	if (ch->restate_due)
		(void)frq_restate(ch);
	return moved;
}

void
frq_look(struct freqring_channel *ch)
{
	uint64_t now = frq_coarse_ns(), elapsed = now - ch->looked_ns;

	set_pace(ch, elapsed);
	if (elapsed >= LOOK_NS)
		(void)look_now(ch, now);
	ch->dropped += ch->quiet_given - ch->quiet_left;
	ch->quiet_given = ch->look_every;
	ch->quiet_left = ch->look_every;
}

bool
frq_fail_over(struct freqring_channel *ch)
{
	uint64_t now = frq_coarse_ns();

	/* Tried in a loop as a rule, so not each time. */
	if (now - ch->failed_ns < LOOK_NS)
		return false;
	ch->failed_ns = now;
	return look_now(ch, now);
}

int
frq_recover(struct freqring_channel *ch)
{
	uint64_t verdict = 0;
	int ret = ch->t->heed(ch, &verdict);

	if (ret == 0 && ch->restate_due)
		ret = frq_restate(ch);
	if (ret == 0) {
		ch->verdict = verdict;
		return 0;
	}
	if (ch->mute != NULL)
		return ret;
	if (frq_fail_over(ch))
		return ch->restate_due ? frq_restate(ch) : 0;
	if (ret == -ESTALE)
		return frq_fail(ch->fr, -ENOTCONN, "the host is starting anew");
	return ret == -EAGAIN ? ch->t->full(ch) : ret;
}
