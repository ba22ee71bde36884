/* SPDX-License-Identifier: BSD-3-Clause */
#include "question.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum question_state {
	QUESTION_WAITING,	/* in the queue */
	QUESTION_TAKEN,		/* being answered */
	QUESTION_ABANDONED,	/* being answered, and nobody waits any more */
	QUESTION_ANSWERED,
};

/* Freed by who asked, but where it is abandoned: by who answers. */
struct question {
	enum question_state state;
	const void *what;
	char *param;
	int ret;
	json_t *answer;
	pthread_cond_t answered;
};

static void
question_free(struct question *qn)
{
	json_decref(qn->answer);
	(void)pthread_cond_destroy(&qn->answered);
	free(qn->param);
	free(qn);
}

static struct question *
question_make(const void *what, const char *param)
{
	struct question *qn = calloc(1, sizeof(*qn));

	if (qn == NULL)
		return NULL;
	(void)pthread_cond_init(&qn->answered, NULL);
	qn->what = what;
	if (param != NULL) {
		qn->param = strdup(param);
		if (qn->param == NULL) {
			question_free(qn);
			return NULL;
		}
	}
	return qn;
}

/* ---- under the lock -------------------------------------------------------- */

static int
put(struct questions *q, struct question *qn)
{
	const uint64_t one = 1;

	if (!q->open)
		return -ESHUTDOWN;
	if (q->nb == QUESTIONS_MAX)
		return -EBUSY;
	q->waiting[q->nb++] = qn;
	(void)!write(q->fd, &one, sizeof(one));
	return 0;
}

static void
take_out(struct questions *q, const struct question *qn)
{
	unsigned int i = 0;

	while (q->waiting[i] != qn)
		i++;
	q->nb--;
	memmove(&q->waiting[i], &q->waiting[i + 1], (q->nb - i) * sizeof(q->waiting[0]));
}

static struct question *
take_next(struct questions *q)
{
	struct question *qn;

	if (q->nb == 0)
		return NULL;
	qn = q->waiting[0];
	take_out(q, qn);
	qn->state = QUESTION_TAKEN;
	return qn;
}

static void
give(struct question *qn, int ret, json_t *answer)
{
	qn->ret = ret;
	qn->answer = answer;
	qn->state = QUESTION_ANSWERED;
	(void)pthread_cond_signal(&qn->answered);
}

/* ---- the control thread ------------------------------------------------------ */

/* The eventfd counts, so what else the loop has to do comes in between. */
static void
on_asked(evutil_socket_t fd, short what, void *arg)
{
	struct questions *q = arg;
	struct question *qn;
	json_t *answer = NULL;
	uint64_t n;
	bool late;
	int ret;

	(void)what;
	(void)!read(fd, &n, sizeof(n));
	(void)pthread_mutex_lock(&q->lock);
	qn = take_next(q);
	(void)pthread_mutex_unlock(&q->lock);
	if (qn == NULL)		/* who asked gave up */
		return;
	ret = q->fn(qn->what, qn->param, &answer, q->arg);
	(void)pthread_mutex_lock(&q->lock);
	late = qn->state == QUESTION_ABANDONED;
	give(qn, ret, answer);
	(void)pthread_mutex_unlock(&q->lock);
	if (late)
		question_free(qn);
}

int
questions_open(struct questions *q, struct event_base *base, question_fn fn, void *arg)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);

	if (fd < 0)
		return -errno;
	q->asked = event_new(base, fd, EV_READ | EV_PERSIST, on_asked, q);
	if (q->asked == NULL || event_add(q->asked, NULL) != 0) {
		if (q->asked != NULL)
			event_free(q->asked);
		(void)close(fd);
		return -ENOMEM;
	}
	q->fn = fn;
	q->arg = arg;
	(void)pthread_mutex_lock(&q->lock);
	q->fd = fd;
	q->open = true;
	(void)pthread_mutex_unlock(&q->lock);
	return 0;
}

void
questions_close(struct questions *q)
{
	struct question *qn;

	(void)pthread_mutex_lock(&q->lock);
	if (q->open) {
		q->open = false;
		while ((qn = take_next(q)) != NULL)
			give(qn, -ESHUTDOWN, NULL);
		event_free(q->asked);
		(void)close(q->fd);
		q->fd = -1;
	}
	(void)pthread_mutex_unlock(&q->lock);
}

/* ---- who asks ------------------------------------------------------------------ */

static struct timespec
after(unsigned int ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	return t;
}

/* Under the lock, which is let go meanwhile. Whether the question is the caller's to free. */
static bool
wait_for(struct questions *q, struct question *qn, unsigned int timeout_ms)
{
	struct timespec end = after(timeout_ms);
	int ret = 0;

	while (qn->state != QUESTION_ANSWERED && ret == 0)
		ret = pthread_cond_clockwait(&qn->answered, &q->lock, CLOCK_MONOTONIC, &end);
	switch (qn->state) {
	case QUESTION_WAITING:
		take_out(q, qn);
		qn->ret = -ETIMEDOUT;
		return true;
	case QUESTION_TAKEN:
		qn->state = QUESTION_ABANDONED;
		return false;
	default:
		return true;
	}
}

int
questions_ask(struct questions *q, const void *what, const char *param,
	unsigned int timeout_ms, json_t **answer)
{
	struct question *qn = question_make(what, param);
	bool ours = true;
	int ret;

	if (qn == NULL)
		return -ENOMEM;
	(void)pthread_mutex_lock(&q->lock);
	qn->ret = put(q, qn);
	if (qn->ret == 0)
		ours = wait_for(q, qn, timeout_ms);
	(void)pthread_mutex_unlock(&q->lock);
	if (!ours)
		return -ETIMEDOUT;
	ret = qn->ret;
	if (ret == 0) {
		*answer = qn->answer;
		qn->answer = NULL;
	}
	question_free(qn);
	return ret;
}
