/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * question.h - what other threads ask the control thread, and wait for
 *
 * VMs, CPUs and counters are the control thread's to look at. Another thread
 * puts a question into a bounded queue and sleeps until it is answered, the
 * time is over, or the daemon stops. An answer that comes too late is dropped.
 */
#ifndef FRQ_QUESTION_H
#define FRQ_QUESTION_H

#include <pthread.h>
#include <stdbool.h>

#include <event2/event.h>
#include <jansson.h>

#define QUESTIONS_MAX 16u	/* that wait; more are refused */

struct question;

/**
 * Answers on the control thread.
 *
 * @param what, param  as asked; valid during the call
 * @param[out] answer  a new reference that nobody else holds
 * @return 0 or a negative errno
 */
typedef int (*question_fn)(const void *what, const char *param, json_t **answer, void *arg);

/*
 * Outlives every thread that may ask, also after questions_close(): threads
 * of DPDK's telemetry only end with the process.
 */
struct questions {
	pthread_mutex_t lock;	/* around all that follows */
	bool open;
	int fd;			/* an eventfd: how many were put in */
	struct event *asked;
	question_fn fn;
	void *arg;
	unsigned int nb;
	struct question *waiting[QUESTIONS_MAX];	/* the first one is the next */
};

#define QUESTIONS_CLOSED { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 }

/** Control thread: answer from now on, one question a turn of the loop. 0 or a negative errno. */
int questions_open(struct questions *q, struct event_base *base, question_fn fn, void *arg);

/** Control thread, its loop having ended: whoever waits is let go, and nobody waits again. */
void questions_close(struct questions *q);

/**
 * Ask, on any other thread.
 *
 * @param param  copied; NULL: none
 * @param[out] answer  a reference, on success
 * @return 0, what the answering function returned, -ETIMEDOUT, -EBUSY (too
 *	many wait), -ESHUTDOWN (not open) or -ENOMEM
 */
int questions_ask(struct questions *q, const void *what, const char *param,
	unsigned int timeout_ms, json_t **answer);

#endif /* FRQ_QUESTION_H */
