/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libvirt_job.h - one operation on libvirt that an operator waits for
 *
 * Each job has a thread and a connection of its own, opened for it and closed
 * after it: a QEMU that hangs holds up the job that asks it and nothing else,
 * and nobody holds a read-write connection who does not need one just now.
 * All calls are for the control thread, in whose event loop answers arrive.
 */
#ifndef FRQ_LIBVIRT_JOB_H
#define FRQ_LIBVIRT_JOB_H

#include <event2/event.h>
#include <jansson.h>
#include <libvirt/libvirt.h>

#include "cpuset.h"

/* More at once are refused; who only reads has half of them. */
#define LIBVIRT_JOBS_MAX 8u
#define LIBVIRT_JOB_SECONDS 30

struct libvirt_jobs;

struct libvirt_jobs_config {
	struct event_base *base;
	const char *uri;
	struct cpuset affinity;	/* where the threads may run; empty: as it is */
	unsigned int seconds;	/* after that the answer is that it is still under way */
};

struct libvirt_job {
	char vm[256];		/* that it is about: one job that changes something a VM */
	const char *what;	/* for messages: "attach"; static text */
	bool changes;		/* needs the connection read-write */
	bool without;		/* is run also where libvirt cannot be reached: with NULL and *err */
	unsigned int seconds;	/* as in the configuration, for this job; 0: that */
	/**
	 * The operation, on the job's thread; it waits as long as it has to.
	 *
	 * @return its result (a new reference), or NULL with *err
	 */
	json_t *(*run)(virConnectPtr conn, void *arg, struct frq_err *err);
	void *arg;		/* freed with free(), when `run` has ended */
	/**
	 * On the control thread, once: when `run` has ended, or when it took too
	 * long; then it may go on.
	 *
	 * @param result  to be taken, or NULL with *err
	 */
	void (*done)(json_t *result, const struct frq_err *err, void *done_arg);
	void *done_arg;
};

struct libvirt_jobs *libvirt_jobs_create(const struct libvirt_jobs_config *c, struct frq_err *err);

/**
 * Start a job.
 *
 * @param job  copied; its arg is freed in any case
 * @return 0, or a negative errno and *err, where done is not called: -EBUSY
 *	another job changes that VM, or too many are under way
 */
int libvirt_job_start(struct libvirt_jobs *jobs, const struct libvirt_job *job,
	struct frq_err *err);

/**
 * Wait two seconds at the most for what is under way, call done for all that is
 * not answered yet, and free. A job that libvirt does not let go of is left
 * behind with what it uses.
 */
void libvirt_jobs_free(struct libvirt_jobs *jobs);

#endif /* FRQ_LIBVIRT_JOB_H */
