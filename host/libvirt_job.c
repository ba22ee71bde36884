/* SPDX-License-Identifier: BSD-3-Clause */
#include "libvirt_job.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "events.h"
#include "log.h"
#include "thread.h"
#include "virt_error.h"
#include "virt_library.h"

/* A daemon that does not answer for 20 s ends the job's connection, and so the job. */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 3
#define STOP_SECONDS 2

/* What jobs and the control thread share; it outlives a job that is left behind. */
struct shared {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int fd;			/* eventfd: a job has ended; -1: nobody reads it any more */
	unsigned int users;	/* jobs, and libvirt_jobs */
	char uri[];
};

struct running {
	LIST_ENTRY(running) link;
	struct libvirt_jobs *jobs;	/* control */
	struct event *deadline;		/* control */
	bool answered;			/* control */
	struct libvirt_job job;
	struct shared *shared;
	pthread_t thread;
	/* under the lock */
	bool ended;			/* the thread does not touch it any more */
	bool left;			/* nobody waits: the thread frees it */
	/* the thread, until `ended` */
	json_t *result;
	struct frq_err err;
};

struct libvirt_jobs {
	struct libvirt_jobs_config c;
	struct shared *shared;
	struct event *on_ended;
	LIST_HEAD(, running) running;
	unsigned int nb_running;
};

static void
put_shared(struct shared *s)
{
	bool last;

	(void)pthread_mutex_lock(&s->lock);
	last = --s->users == 0;
	(void)pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	(void)pthread_cond_destroy(&s->ended);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static void
free_running(struct running *r)
{
	if (r->deadline != NULL)
		event_free(r->deadline);
	json_decref(r->result);
	free(r->job.arg);
	put_shared(r->shared);
	free(r);
}

/* ---- the job's thread ------------------------------------------------------ */

static void
run(struct running *r)
{
	const char *uri = r->shared->uri;
	virConnectPtr conn;

	virResetLastError();
	conn = r->job.changes ? virConnectOpen(uri) : virConnectOpenReadOnly(uri);
	if (conn == NULL) {
		frq_err_set(&r->err, "%s: libvirt at %.100s cannot be reached: %s", r->job.what,
			uri, virt_error_text());
		if (r->job.without)
			r->result = r->job.run(NULL, r->job.arg, &r->err);
		return;
	}
	/* A driver inside our process has no connection to lose, and refuses. */
	(void)virConnectSetKeepAlive(conn, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
	r->result = r->job.run(conn, r->job.arg, &r->err);
	(void)virConnectClose(conn);
}

static void *
job_main(void *arg)
{
	const uint64_t one = 1;
	struct running *r = arg;
	struct shared *s = r->shared;
	bool left;

	run(r);
	(void)pthread_mutex_lock(&s->lock);
	left = r->left;
	r->ended = true;
	if (s->fd >= 0)
		(void)!write(s->fd, &one, sizeof(one));
	(void)pthread_cond_broadcast(&s->ended);
	(void)pthread_mutex_unlock(&s->lock);
	if (left)
		free_running(r);
	return NULL;
}

/* ---- the control thread ---------------------------------------------------- */

static bool
has_ended(const struct running *r)
{
	bool ended;

	(void)pthread_mutex_lock(&r->shared->lock);
	ended = r->ended;
	(void)pthread_mutex_unlock(&r->shared->lock);
	return ended;
}

static void
answer(struct running *r, json_t *result, const struct frq_err *err)
{
	if (r->answered)
		json_decref(result);
	else
		r->job.done(result, err, r->job.done_arg);
	r->answered = true;
}

static void
finish(struct running *r)
{
	json_t *result = r->result;

	(void)pthread_join(r->thread, NULL);
	LIST_REMOVE(r, link);
	r->jobs->nb_running--;
	if (r->answered && r->job.changes)
		event_raise(EVENT_OPERATOR, r->job.vm, "VM %s: %s, which took too long to wait for, %s%s",
			r->job.vm, r->job.what, result != NULL ? "was done" : "failed: ",
			result != NULL ? "" : r->err.text);
	r->result = NULL;
	answer(r, result, &r->err);
	free_running(r);
}

static void
on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct libvirt_jobs *jobs = arg;
	struct running *r, *next;
	uint64_t n;

	(void)what;
	(void)!read(fd, &n, sizeof(n));
	for (r = LIST_FIRST(&jobs->running); r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		if (has_ended(r))
			finish(r);
	}
}

static unsigned int
seconds_of(const struct libvirt_jobs *jobs, const struct libvirt_job *job)
{
	return job->seconds != 0 ? job->seconds : jobs->c.seconds;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct running *r = arg;
	struct frq_err err;

	(void)fd, (void)what;
	frq_err_set(&err, "VM %.80s: %s is still under way in libvirt after %u s; it may yet be done: see freqring event, and whether its QEMU answers",
		r->job.vm, r->job.what, seconds_of(r->jobs, &r->job));
	answer(r, NULL, &err);
}

/* Whether it may start now. */
static bool
may_start(const struct libvirt_jobs *jobs, const struct libvirt_job *job, struct frq_err *err)
{
	const struct running *r;
	unsigned int readers = 0;

	LIST_FOREACH(r, &jobs->running, link)
		readers += !r->job.changes;
	if (jobs->nb_running == LIBVIRT_JOBS_MAX ||
	    (!job->changes && readers == LIBVIRT_JOBS_MAX / 2)) {
		frq_err_set(err, "%s: %u operations are under way in libvirt already, try again",
			job->what, jobs->nb_running);
		return false;
	}
	LIST_FOREACH(r, &jobs->running, link) {
		if (!job->changes || !r->job.changes || strcmp(r->job.vm, job->vm) != 0)
			continue;
		frq_err_set(err, "VM %.80s: another operator's %s is under way, try again when it is done",
			job->vm, r->job.what);
		return false;
	}
	return true;
}

static struct running *
make_running(struct libvirt_jobs *jobs, const struct libvirt_job *job)
{
	const struct timeval deadline = { .tv_sec = seconds_of(jobs, job) };
	struct running *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->deadline = event_new(jobs->c.base, -1, 0, on_deadline, r);
	if (r->deadline == NULL || event_add(r->deadline, &deadline) < 0) {
		if (r->deadline != NULL)
			event_free(r->deadline);
		free(r);
		return NULL;
	}
	r->jobs = jobs;
	r->job = *job;
	r->shared = jobs->shared;
	(void)pthread_mutex_lock(&r->shared->lock);
	r->shared->users++;
	(void)pthread_mutex_unlock(&r->shared->lock);
	return r;
}

int
libvirt_job_start(struct libvirt_jobs *jobs, const struct libvirt_job *job, struct frq_err *err)
{
	struct running *r;
	int ret;

	if (!may_start(jobs, job, err)) {
		free(job->arg);
		return -EBUSY;
	}
	r = make_running(jobs, job);
	if (r == NULL) {
		frq_err_set(err, "%s: out of memory", job->what);
		free(job->arg);
		return -ENOMEM;
	}
	ret = frq_thread_create(&r->thread, job_main, r, "frq-libvirt-job", &jobs->c.affinity);
	if (ret < 0) {
		frq_err_set(err, "%s: no thread for it: %s", job->what, strerror(-ret));
		free_running(r);
		return ret;
	}
	LIST_INSERT_HEAD(&jobs->running, r, link);
	jobs->nb_running++;
	return 0;
}

static struct shared *
make_shared(const char *uri)
{
	size_t size = strlen(uri) + 1;
	struct shared *s = calloc(1, sizeof(*s) + size);
	pthread_condattr_t monotonic;

	if (s == NULL)
		return NULL;
	memcpy(s->uri, uri, size);
	s->users = 1;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->ended, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd >= 0)
		return s;
	put_shared(s);
	return NULL;
}

struct libvirt_jobs *
libvirt_jobs_create(const struct libvirt_jobs_config *c, struct frq_err *err)
{
	struct libvirt_jobs *jobs;

	if (virt_library_start(err) < 0)
		return NULL;
	jobs = calloc(1, sizeof(*jobs));
	if (jobs == NULL)
		goto fail;
	jobs->c = *c;
	LIST_INIT(&jobs->running);
	jobs->shared = make_shared(c->uri);
	if (jobs->shared == NULL)
		goto fail;
	jobs->on_ended = event_new(c->base, jobs->shared->fd, EV_READ | EV_PERSIST, on_ended, jobs);
	if (jobs->on_ended != NULL && event_add(jobs->on_ended, NULL) == 0)
		return jobs;
fail:
	frq_err_set(err, "no memory or no file number for operations on libvirt");
	if (jobs != NULL && jobs->shared != NULL)
		libvirt_jobs_free(jobs);
	else
		free(jobs);
	return NULL;
}

/* Whether the thread is done with it before that time. */
static bool
wait_for(struct running *r, const struct timespec *end)
{
	struct shared *s = r->shared;
	bool ended;
	int ret = 0;

	(void)pthread_mutex_lock(&s->lock);
	while (!r->ended && ret == 0)
		ret = pthread_cond_timedwait(&s->ended, &s->lock, end);
	ended = r->ended;
	r->left = !ended;
	if (r->left)
		(void)pthread_detach(r->thread);
	(void)pthread_mutex_unlock(&s->lock);
	return ended;
}

void
libvirt_jobs_free(struct libvirt_jobs *jobs)
{
	struct running *r, *next;
	struct timespec end;
	int fd;

	if (jobs == NULL)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += STOP_SECONDS;
	for (r = LIST_FIRST(&jobs->running); r != NULL; r = next) {
		const struct libvirt_job job = r->job;
		bool answered = r->answered;
		struct frq_err err;

		next = LIST_NEXT(r, link);
		/* Here, for a thread that is left behind frees the rest. */
		event_free(r->deadline);
		r->deadline = NULL;
		frq_err_set(&err, "VM %.80s: freqringd ends while %s is under way in libvirt",
			job.vm, job.what);
		if (wait_for(r, &end)) {
			json_t *result = r->result;

			(void)pthread_join(r->thread, NULL);
			r->result = NULL;
			answer(r, result, &r->err);
			free_running(r);
		} else {
			/* Its thread frees it, at any moment. */
			if (!answered)
				job.done(NULL, &err, job.done_arg);
			FRQ_LOG(WARNING, "VM %s: %s is left behind in libvirt", job.vm, job.what);
		}
	}
	if (jobs->on_ended != NULL)
		event_free(jobs->on_ended);
	(void)pthread_mutex_lock(&jobs->shared->lock);
	fd = jobs->shared->fd;
	jobs->shared->fd = -1;
	(void)pthread_mutex_unlock(&jobs->shared->lock);
	if (fd >= 0)
		(void)close(fd);
	put_shared(jobs->shared);
	free(jobs);
}
