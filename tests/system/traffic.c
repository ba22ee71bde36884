/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic.c - packets into a network interface, for guests
 *
 *	traffic INTERFACE SECONDS
 *
 * As many as the kernel takes, in bursts, until the time is up; whoever reads
 * the interface, a DPDK port behind a tap as a rule, sees a queue that is never
 * empty. Prints how many were sent.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST		256u
#define PAUSE_NS	200000L

/* An Ethernet frame with an IPv4 header, and nothing that is worth an answer. */
static const uint8_t frame[64] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00,
	0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
};

static double
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	uint64_t sent = 0;
	double end;
	int fd;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: traffic INTERFACE SECONDS\n");
		return 2;
	}
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
	if (to.sll_ifindex == 0 || fd < 0) {
		perror(argv[1]);
		return 1;
	}
	end = now() + atof(argv[2]);
	while (now() < end) {
		for (unsigned int i = 0; i < BURST; i++)
			sent += sendto(fd, frame, sizeof(frame), MSG_DONTWAIT,
				(const struct sockaddr *)&to, sizeof(to)) == (ssize_t)sizeof(frame);
		(void)nanosleep(&pause, NULL);
	}
	(void)close(fd);
	(void)printf("%" PRIu64 " sent\n", sent);
	return sent == 0;
}
