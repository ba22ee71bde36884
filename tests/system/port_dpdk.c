/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_dpdk.c - a DPDK program in a guest, which asks over its virtio port
 *
 *	port_dpdk EAL-OPTIONS... -- SECONDS
 *
 * Each lcore N takes vCPU N's channel, asks for min and max in turn as fast as
 * they are applied, for so many seconds, and then for max (lcore 0) or min. Prints
 * a line for each: how often it was applied, how often it had to ask again, and
 * what the host has granted at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "freqring.h"

#define QUEUE_SIZE 256u

struct asker {
	struct freqring_channel *ch;
	unsigned int seconds;
	uint64_t applied, again;
	bool done;
	struct freqring_status status;
};

static struct asker askers[RTE_MAX_LCORE];

static bool
start_port(uint16_t nb_queues)
{
	const struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE };
	struct rte_mempool *pool = rte_pktmbuf_pool_create("rx", 2047, 0, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, 0);

	if (pool == NULL || rte_eth_dev_count_avail() == 0 ||
	    rte_eth_dev_configure(0, nb_queues, nb_queues, &conf) != 0)
		return false;
	for (uint16_t q = 0; q < nb_queues; q++)
		if (rte_eth_tx_queue_setup(0, q, QUEUE_SIZE, 0, NULL) != 0 ||
		    rte_eth_rx_queue_setup(0, q, QUEUE_SIZE, 0, NULL, pool) != 0)
			return false;
	return rte_eth_dev_start(0) == 0;
}

/* The daemon may be away: asked again until it is not. */
static void
ask_until_applied(struct asker *a, int (*what)(struct freqring_channel *ch), uint64_t end)
{
	while (rte_rdtsc() < end) {
		if (what(a->ch) >= 0 && freqring_wait_applied(a->ch, 1000000) == 0) {
			a->applied++;
			return;
		}
		a->again++;
	}
}

static int
run(void *arg)
{
	struct asker *a = arg;
	uint64_t hz = rte_get_tsc_hz(), end = rte_rdtsc() + a->seconds * hz;
	uint64_t before;

	while (rte_rdtsc() < end) {
		ask_until_applied(a, freqring_min, end);
		ask_until_applied(a, freqring_max, end);
	}
	before = a->applied;
	ask_until_applied(a, rte_lcore_id() == 0 ? freqring_max : freqring_min,
		rte_rdtsc() + 10 * hz);
	a->done = a->applied != before && freqring_get_status(a->ch, &a->status) == 0;
	return 0;
}

static bool
attach_all(struct freqring *fr, unsigned int seconds)
{
	unsigned int lcore;

	RTE_LCORE_FOREACH(lcore) {
		askers[lcore].seconds = seconds;
		if (freqring_attach(fr, lcore, &askers[lcore].ch) != 0)
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	struct freqring *fr;
	unsigned int lcore;

	if (used < 0 || argc - used != 2)
		return 2;
	if (!start_port((uint16_t)rte_lcore_count())) {
		printf("no port\n");
		return 1;
	}
	if (freqring_open(&fr, &(struct freqring_options){ .port = "ethdev",
	    .transport = FREQRING_TRANSPORT_VHOST }) != 0 ||
	    !attach_all(fr, (unsigned int)atoi(argv[used + 1]))) {
		printf("failed: %s\n", freqring_error(fr));
		return 1;
	}
	printf("attached\n");
	(void)fflush(stdout);
	RTE_LCORE_FOREACH_WORKER(lcore)
		(void)rte_eal_remote_launch(run, &askers[lcore], lcore);
	(void)run(&askers[rte_lcore_id()]);
	rte_eal_mp_wait_lcore();
	RTE_LCORE_FOREACH(lcore) {
		const struct asker *a = &askers[lcore];

		printf("lcore %u: %s, %" PRIu64 " applied, %" PRIu64 " again, %s, granted %u\n", lcore,
			a->done ? "done" : "not done", a->applied, a->again,
			freqring_transport_name(a->status.transport), a->status.granted_khz);
	}
	freqring_close(fr);
	return 0;
}
