/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_dpdk.c - a DPDK program in a guest, which asks over its virtio port
 *
 *	port_dpdk EAL-OPTIONS... -- PORT
 *
 * PORT is freqring_options.port. All ports of DPDK's are started. Each lcore N
 * takes vCPU N's channel, asks for min and max in turn as fast as they are applied,
 * until SIGTERM, and then for max (lcore 0) or min. Prints which port it is, and a
 * line for each lcore: how often it was applied, how often it had to ask again,
 * and what the host has granted at the end.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "freqring.h"

#define QUEUE_SIZE 256u
#define LAST_SECONDS 10u
#define PAUSE_US	500
#define FIRST_SECONDS 5u	/* the port was started just now, the host may be busy */

struct asker {
	struct freqring_channel *ch;
	uint64_t applied, again;
	bool done;
	struct freqring_status status;
};

static struct asker askers[RTE_MAX_LCORE];

static volatile sig_atomic_t ended;

static void
end(int sig)
{
	(void)sig;
	ended = 1;
}

/* Another port may have fewer queues. */
static bool
start_port(uint16_t port, uint16_t nb_wanted, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE };
	struct rte_eth_dev_info info;
	uint16_t nb_queues;

	if (rte_eth_dev_info_get(port, &info) != 0)
		return false;
	nb_queues = RTE_MIN(nb_wanted, info.max_tx_queues);
	if (rte_eth_dev_configure(port, nb_queues, nb_queues, &conf) != 0)
		return false;
	for (uint16_t q = 0; q < nb_queues; q++)
		if (rte_eth_tx_queue_setup(port, q, QUEUE_SIZE, 0, NULL) != 0 ||
		    rte_eth_rx_queue_setup(port, q, QUEUE_SIZE, 0, NULL, pool) != 0)
			return false;
	return rte_eth_dev_start(port) == 0;
}

static bool
start_ports(uint16_t nb_queues)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("rx", 4095, 0, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	uint16_t port;

	if (pool == NULL || rte_eth_dev_count_avail() == 0)
		return false;
	RTE_ETH_FOREACH_DEV(port)
		if (!start_port(port, nb_queues, pool))
			return false;
	return true;
}

/* The daemon may be away: asked again until it is not. */
static bool
ask(struct asker *a, int (*what)(struct freqring_channel *ch))
{
	if (what(a->ch) >= 0 && freqring_wait_applied(a->ch, 1000000) == 0) {
		a->applied++;
		return true;
	}
	a->again++;
	return false;
}

static int
run(void *arg)
{
	struct asker *a = arg;
	int (*last)(struct freqring_channel *) = rte_lcore_id() == 0 ? freqring_max : freqring_min;
	uint64_t until;

	while (!ended) {
		while (!ask(a, freqring_min) && !ended)
			;
		while (!ask(a, freqring_max) && !ended)
			;
		/* The lcores may have all CPUs of the host, and the daemon is to answer. */
		(void)usleep(PAUSE_US);
	}
	until = rte_rdtsc() + LAST_SECONDS * rte_get_tsc_hz();
	while (!a->done && rte_rdtsc() < until)
		a->done = ask(a, last) && freqring_get_status(a->ch, &a->status) == 0;
	return 0;
}

static bool
attach_all(struct freqring *fr)
{
	uint64_t until = rte_rdtsc() + FIRST_SECONDS * rte_get_tsc_hz();
	unsigned int lcore;

	RTE_LCORE_FOREACH(lcore)
		while (freqring_attach(fr, lcore, &askers[lcore].ch) != 0)
			if (rte_rdtsc() >= until)
				return false;
	return true;
}

static bool
begin(struct freqring **fr, const char *port)
{
	struct freqring_info info;

	if (freqring_open(fr, &(struct freqring_options){ .port = port,
	    .transport = FREQRING_TRANSPORT_VHOST }) != 0 || !attach_all(*fr) ||
	    freqring_get_info(*fr, &info, 1000) != 0) {
		printf("failed: %s\n", freqring_error(*fr));
		return false;
	}
	printf("asks over %s\n", info.device);
	(void)fflush(stdout);
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
	(void)signal(SIGTERM, end);
	if (!start_ports((uint16_t)rte_lcore_count())) {
		printf("no port\n");
		return 1;
	}
	if (!begin(&fr, argv[used + 1]))
		return 1;
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
