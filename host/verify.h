/* SPDX-License-Identifier: BSD-3-Clause */
/* verify.h - is each CPU as it was promised to be? */
#ifndef FRQ_VERIFY_H
#define FRQ_VERIFY_H

#include "control.h"
#include "domain.h"

/* What is known of a CPU, and what its files say. */
struct verify_view {
	struct domain_cpu_stats st;
	struct power_look look;
	int look_error;		/* 0: `look` is there; or a negative errno */
	bool still;		/* the applier did nothing to it while it was looked at */
	bool may_wait;		/* what was decided may rightly be not written yet */
	bool held;		/* not given back by the daemon before us */
};

struct verify_verdict {
	bool ok;		/* no difference was found */
	bool busy;		/* ... because nothing could be compared */
	uint32_t promised_khz;	/* 0: nothing */
	char text[200];		/* both, or what is wrong, in plain words */
};

void verify_judge(const struct verify_view *v, struct verify_verdict *r);

/** No parameters. rpc_call.arg is the daemon (daemon.h). */
json_t *verify_run(struct rpc_call *call);

#endif /* FRQ_VERIFY_H */
