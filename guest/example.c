/* SPDX-License-Identifier: BSD-3-Clause */
/* example.c - run this CPU as fast as the host lets it, then let go */
#include <sched.h>
#include <stdio.h>

#include <freqring.h>

int
main(void)
{
	struct freqring *fr = NULL;
	struct freqring_channel *ch;
	struct freqring_status st;
	int ret = freqring_open(&fr, NULL);

	if (ret == 0)
		ret = freqring_attach(fr, (unsigned int)freqring_vcpu_of_cpu((unsigned int)sched_getcpu()), &ch);
	if (ret == 0 && (ret = freqring_max(ch)) >= 0 &&
	    (ret = freqring_wait_applied(ch, 1000000)) == 0 &&
	    (ret = freqring_get_status(ch, &st)) == 0) {
		printf("granted %u MHz: %s\n", st.granted_khz / 1000, freqring_reason(st.reason));
		freqring_release(ch);
	}
	if (ret < 0)
		fprintf(stderr, "example: %s\n", freqring_error(fr));
	freqring_close(fr);
	return ret < 0;
}
