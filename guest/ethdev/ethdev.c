/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ethdev.c - a port's frames through DPDK, for programs that have the port there
 *
 * A module that libfreqring loads when freqring_options.port says "ethdev", and
 * only then: the library itself needs no DPDK. The program has initialised
 * EAL, configured the port with a queue pair for each vCPU that asks, and
 * started it. Queue pair N is used by whoever has the channel of vCPU N, and by
 * nobody else: that is what makes it safe, as with any queue of DPDK's.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "freqring_pvt.h"
#include "freqring_vhost.h"

#define RING_MAX	1024u	/* of QEMU; virtio's driver does not say what it has */
#define FRAME_ROOM	(RTE_PKTMBUF_HEADROOM + 384u)

/* Found by its name. */
extern const struct frq_frames freqring_ethdev_frames;

struct ethdev_port {
	uint16_t port, queue;
	struct rte_mempool *pool;
	struct rte_ether_addr mac;
};

/* ---- which port --------------------------------------------------------------- */

/* Nobody else's ports are written to: ours can be told by their address. */
static int
look_for_ours(uint16_t *port, unsigned int which, struct frq_err *why)
{
	static const uint8_t prefix[] = FRQ_VHOST_MAC_PREFIX;
	struct rte_ether_addr mac;
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id) {
		if (rte_eth_macaddr_get(id, &mac) != 0 ||
		    memcmp(mac.addr_bytes, prefix, sizeof(prefix)) != 0 || which-- != 0)
			continue;
		*port = id;
		return 0;
	}
	frq_err_set(why, "none of DPDK's %u ports has an address that begins with 02:66:72:71",
		rte_eth_dev_count_avail());
	return -ENODEV;
}

/* @param device  "ethdev" or "ethdev:N" */
static int
find_port(const char *device, unsigned int which, uint16_t *port, struct frq_err *why)
{
	const char *colon = strchr(device, ':');
	unsigned long n;
	char *end;

	if (colon == NULL)
		return look_for_ours(port, which, why);
	n = strtoul(colon + 1, &end, 10);
	if (which != 0 || colon[1] < '0' || colon[1] > '9' || *end != '\0' || n > UINT16_MAX ||
	    !rte_eth_dev_is_valid_port((uint16_t)n)) {
		frq_err_set(why, "DPDK has no port %.16s", colon + 1);
		return -ENODEV;
	}
	*port = (uint16_t)n;
	return 0;
}

static int
check_queue(uint16_t port, unsigned int vcpu, struct frq_err *why)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port, &info) == 0 && vcpu < info.nb_tx_queues &&
	    vcpu < info.nb_rx_queues)
		return 0;
	frq_err_set(why, "no vCPU %u: DPDK's port %u was configured with fewer queue pairs", vcpu, port);
	return -EINVAL;
}

/*
 * A queue gives sent frames back when another is sent, and only once its ring is
 * nearly full of them. So it has a pool of its own, with one more than a full ring.
 */
static struct rte_mempool *
get_pool(uint16_t port, uint16_t queue)
{
	struct rte_eth_txq_info info;
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;

	(void)snprintf(name, sizeof(name), "freqring-%u-%u", port, queue);
	pool = rte_mempool_lookup(name);
	if (pool != NULL)
		return pool;
	if (rte_eth_tx_queue_info_get(port, queue, &info) != 0)
		info.nb_desc = RING_MAX;
	return rte_pktmbuf_pool_create(name, info.nb_desc + 1u, 0, 0, FRAME_ROOM,
		rte_eth_dev_socket_id(port));
}

static int
ethdev_open(void **opened, const struct frq_places *places, const char *device,
	unsigned int which, unsigned int vcpu, bool claim, struct frq_err *why)
{
	struct ethdev_port *p = calloc(1, sizeof(*p));
	int ret;

	/* The port is the program's alone, and it knows which channels it has. */
	(void)places, (void)claim;
	*opened = NULL;
	if (p == NULL) {
		frq_err_set(why, "out of memory");
		return -ENOMEM;
	}
	ret = find_port(device, which, &p->port, why);
	if (ret == 0)
		ret = check_queue(p->port, vcpu, why);
	if (ret == 0) {
		p->queue = (uint16_t)vcpu;
		p->pool = get_pool(p->port, p->queue);
		(void)rte_eth_macaddr_get(p->port, &p->mac);
		if (p->pool == NULL) {
			frq_err_set(why, "no memory of DPDK's for frames: %s", rte_strerror(rte_errno));
			ret = -ENOMEM;
		}
	}
	if (ret < 0)
		free(p);
	else
		*opened = p;
	return ret;
}

static void
ethdev_close(void *port)
{
	free(port);
}

static bool
ethdev_there(const void *port)
{
	return rte_eth_dev_is_valid_port(((const struct ethdev_port *)port)->port) != 0;
}

/* ---- frames --------------------------------------------------------------------- */

static int
ethdev_send(void *port, const void *frame, size_t len)
{
	const struct ethdev_port *p = port;
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);

	if (m == NULL)
		return -EAGAIN;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	if (rte_eth_tx_burst(p->port, p->queue, &m, 1) == 1)
		return 0;
	rte_pktmbuf_free(m);
	return -EAGAIN;
}

static int
ethdev_receive(void *port, void *frame, size_t size)
{
	const struct ethdev_port *p = port;
	struct rte_mbuf *m;
	size_t len;

	if (rte_eth_rx_burst(p->port, p->queue, &m, 1) == 0)
		return 0;
	/* None of ours has more than one segment. */
	len = rte_pktmbuf_data_len(m) < size ? rte_pktmbuf_data_len(m) : size;
	memcpy(frame, rte_pktmbuf_mtod(m, const void *), len);
	rte_pktmbuf_free(m);
	return (int)len;
}

/* Nothing wakes who polls. */
static void
ethdev_wait(void *port, uint64_t ns)
{
	(void)port, (void)ns;
	(void)sched_yield();
}

static void
ethdev_name(const void *port, char *name, size_t size)
{
	(void)snprintf(name, size, "ethdev:%u", ((const struct ethdev_port *)port)->port);
}

static void
ethdev_address(const void *port, uint8_t mac[6])
{
	memcpy(mac, ((const struct ethdev_port *)port)->mac.addr_bytes, 6);
}

__attribute__((visibility("default")))
const struct frq_frames freqring_ethdev_frames = {
	.open = ethdev_open,
	.close = ethdev_close,
	.there = ethdev_there,
	.send = ethdev_send,
	.receive = ethdev_receive,
	.wait = ethdev_wait,
	.name = ethdev_name,
	.address = ethdev_address,
};
