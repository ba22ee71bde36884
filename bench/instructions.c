/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * instructions.c - the calls of the request path, for valgrind to count
 *
 *	freqring-instructions post|repeat|query|poll_empty|poll_full|arbitrate
 *
 * Only what is called from counted() is what instructions.sh has counted. Prints
 * how many calls, or requests, that were.
 *
 * The library looks at its host by the coarse clock, which stands still here: how often
 * it does that is the machine's pace under valgrind and nothing of the call's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "freqring.h"
#include "poller.h"
#include "served.h"
#include "stand_in.h"
#include "thread.h"

#define BATCHES	100u
#define CALLS	1000u
#define WAIT_US	10000000u

enum op { POST, REPEAT, QUERY, POLL_EMPTY, POLL_FULL, ARBITRATE, NB_OPS };

static const char *const names[NB_OPS] = { "post", "repeat", "query", "poll_empty", "poll_full",
	"arbitrate" };

struct subject {
	struct freqring_channel *ch;
	struct served served;
	struct frq_producer tx;
};

static unsigned long kept;	/* what came out, so that it is not left out */

void
bench_error(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("freqring-instructions: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

/* In place of libc's, also for libfreqring. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, id, ts);
	*ts = (struct timespec){ .tv_sec = 1 };
	return 0;
}

void counted(struct subject *s, enum op op);

/* Known to valgrind by its name. */
__attribute__((noinline)) void
counted(struct subject *s, enum op op)
{
	static const struct freq_table table = { .nb = 4, .khz = { 2400000, 2000000, 1600000, 800000 } };
	const struct vote vote = { .wish = { .kind = FRQ_WISH_MAX }, .rule = VOTE_RULE_NONE };

	if (op == POST)
		for (unsigned int i = 0; i < FRQ_RING_SLOTS; i++)
			kept += (unsigned long)((i & 1) != 0 ? freqring_max(s->ch) : freqring_min(s->ch));
	else if (op == POLL_FULL)
		for (unsigned int n = 0; n < FRQ_RING_SLOTS;)
			n += poller_turn(s->served.poller);
	else
		for (unsigned int i = 0; i < CALLS; i++) {
			if (op == REPEAT)
				kept += (unsigned long)freqring_max(s->ch);
			else if (op == QUERY)
				kept += freqring_get_khz(s->ch);
			else if (op == POLL_EMPTY)
				kept += poller_turn(s->served.poller);
			else
				kept += arbiter_decide(&table, &vote, 1, FREQ_LIMITS_NONE).index;
		}
}

/* ---- libfreqring, against a poller on another thread --------------------------- */

static bool
count_calls(struct subject *s, enum op op, const char *path)
{
	const struct freqring_options o = { .device = path };
	struct freqring *fr;
	int ret = freqring_open(&fr, &o);

	if (ret == 0)
		ret = freqring_attach(fr, 0, &s->ch);
	if (ret == 0)
		ret = freqring_max(s->ch);
	if (ret >= 0)
		ret = freqring_wait_consumed(s->ch, WAIT_US);
	for (unsigned int i = 0; ret == 0 && i < (op == POST ? BATCHES : 1); i++) {
		counted(s, op);
		ret = freqring_wait_consumed(s->ch, WAIT_US);
	}
	if (ret < 0)
		bench_error("%s", freqring_error(fr));
	else
		printf("%u\n", op == POST ? BATCHES * FRQ_RING_SLOTS : CALLS);
	freqring_close(fr);
	return ret == 0;
}

static bool
with_stand_in(struct subject *s, enum op op)
{
	struct tsc tsc;
	char path[64];
	bool ok;

	tsc_calibrate(&tsc);
	(void)snprintf(path, sizeof(path), "/dev/shm/freqring-bench.%d", (int)getpid());
	ok = stand_in_start(path, 0, &tsc);
	if (ok) {
		ok = count_calls(s, op, path);
		stand_in_stop();
	}
	(void)unlink(path);
	return ok;
}

/* ---- the host's side, alone ------------------------------------------------------ */

static bool
fill(struct subject *s)
{
	unsigned int n = 0;

	while (n < FRQ_RING_SLOTS && frq_producer_post(&s->tx, FRQ_OP_SET, 0, n + 1) == 0)
		n++;
	return n == FRQ_RING_SLOTS;
}

static bool
count_turns(struct subject *s, enum op op)
{
	const struct frq_consumer *rx = &s->served.vm->ch[0].rx;

	s->tx = (struct frq_producer){
		.ring = rx->ring,
		.doorbell = frq_region_doorbell(&s->served.vm->region, 0),
		.consumed = rx->line,
		.next = rx->next,
		.limit = rx->next,
		.epoch = rx->epoch,
		.incarnation = rx->incarnation,
	};
	/* A channel that was busy lately, as it is while somebody asks. */
	if (frq_producer_post(&s->tx, FRQ_OP_SET, 0, 1) != 0)
		return false;
	while (rx->next != s->tx.next)
		(void)poller_turn(s->served.poller);
	for (unsigned int i = 0; i < (op == POLL_FULL ? BATCHES : 1); i++) {
		if (op == POLL_FULL && !fill(s))
			return false;
		counted(s, op);
	}
	printf("%u\n", op == POLL_FULL ? BATCHES * FRQ_RING_SLOTS : CALLS);
	return true;
}

static bool
with_poller(struct subject *s, enum op op)
{
	struct tsc tsc;
	bool ok;

	tsc_calibrate(&tsc);
	ok = served_open(&s->served, NULL, &tsc) && count_turns(s, op);
	served_close(&s->served);
	return ok;
}

int
main(int argc, char **argv)
{
	struct subject s = { .ch = NULL };
	enum op op = POST;

	while (argc == 2 && op < NB_OPS && strcmp(argv[1], names[op]) != 0)
		op++;
	if (argc != 2 || op == NB_OPS) {
		(void)fprintf(stderr, "usage: freqring-instructions post|repeat|query|poll_empty|poll_full|arbitrate\n");
		return 2;
	}
	if (op == ARBITRATE) {
		counted(&s, op);
		printf("%u\n", CALLS);
		return 0;
	}
	return (op < POLL_EMPTY ? with_stand_in(&s, op) : with_poller(&s, op)) ? 0 : 1;
}
