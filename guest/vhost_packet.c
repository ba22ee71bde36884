/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_packet.c - a port's frames through the kernel's virtio-net driver
 *
 * A packet socket on the interface, past the queueing discipline. Which queue
 * a frame leaves by the kernel decides by the CPU that sends it (XPS, else its
 * number), and no socket option changes that. So each frame is sent while the
 * thread can run on nothing but a CPU of its queue: for a thread that is pinned
 * there anyway, as that of an lcore is, this is one cheap system call more;
 * any other is moved there and back. The frame names the channel it is meant
 * for, and one that comes out elsewhere all the same is dropped by the host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>

#include "freqring_pvt.h"
#include "freqring_vhost.h"

/* Of 1024 CPUs each: the kernel refuses less than it may have. */
#define CPU_SETS 8

struct packet_port {
	int fd;
	int claim_fd;		/* -1: not claimed */
	char name[IFNAMSIZ];
	char sysfs[128];
	unsigned int index;
	uint8_t mac[6];
	bool one_queue;		/* whatever CPU sends */
	cpu_set_t cpus[CPU_SETS]; /* that lead to the queue */
};

/* ---- which interface --------------------------------------------------------- */

static bool
read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	(void)close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

static bool
read_mac(const char *sysfs, const char *name, uint8_t mac[6])
{
	char path[256], text[32];
	unsigned int m[6];

	(void)snprintf(path, sizeof(path), "%s/class/net/%s/address", sysfs, name);
	if (!read_text(path, text, sizeof(text)) ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		return false;
	for (unsigned int i = 0; i < 6; i++)
		mac[i] = (uint8_t)m[i];
	return true;
}

static int
look_for_ours(struct packet_port *p, unsigned int which, struct frq_err *why)
{
	static const uint8_t prefix[] = FRQ_VHOST_MAC_PREFIX;
	char path[256];
	const struct dirent *e;
	bool found = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/class/net", p->sysfs);
	dir = opendir(path);
	while (!found && dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof(p->name) ||
		    !read_mac(p->sysfs, e->d_name, p->mac) ||
		    memcmp(p->mac, prefix, sizeof(prefix)) != 0 || which-- != 0)
			continue;
		memcpy(p->name, e->d_name, strlen(e->d_name) + 1);
		found = true;
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (found)
		return 0;
	frq_err_set(why, "no network interface with an address that begins with 02:66:72:71: the VM "
		"needs an <interface type='vhostuser'> with one, and the module virtio_net");
	return -ENODEV;
}

static int
find_interface(struct packet_port *p, const char *device, unsigned int which, struct frq_err *why)
{
	if (device == NULL)
		return look_for_ours(p, which, why);
	if (which != 0 || strlen(device) >= sizeof(p->name) || strchr(device, '/') != NULL ||
	    !read_mac(p->sysfs, device, p->mac)) {
		frq_err_set(why, "no network interface %.32s", device);
		return -ENODEV;
	}
	memcpy(p->name, device, strlen(device) + 1);
	return 0;
}

/* ---- its queues ----------------------------------------------------------------- */

/* "00000000,0000000f", the highest CPUs first. */
static void
parse_cpus(const char *text, cpu_set_t *cpus)
{
	unsigned int cpu = 0;

	for (size_t i = strlen(text); i-- > 0;) {
		char digit[2] = { text[i], '\0' };
		unsigned long v;

		if (text[i] == ',' || text[i] == '\n')
			continue;
		v = strtoul(digit, NULL, 16);
		for (unsigned int bit = 0; bit < 4; bit++, cpu++)
			if ((v >> bit & 1) != 0)
				CPU_SET_S(cpu, CPU_SETS * sizeof(*cpus), cpus);
	}
}

/* Without XPS the kernel takes the CPU's number, modulo that of queues. */
static int
find_queue(struct packet_port *p, unsigned int vcpu, struct frq_err *why)
{
	char path[320], text[4096];

	(void)snprintf(path, sizeof(path), "%s/class/net/%s/queues/tx-1", p->sysfs, p->name);
	p->one_queue = access(path, F_OK) != 0;
	(void)snprintf(path, sizeof(path), "%s/class/net/%s/queues/tx-%u", p->sysfs, p->name, vcpu);
	if (access(path, F_OK) != 0) {
		frq_err_set(why, "no vCPU %u: the interface %s has no queue for it (queues='N' in its XML; ethtool -L)",
			vcpu, p->name);
		return -EINVAL;
	}
	(void)snprintf(path, sizeof(path), "%s/class/net/%s/queues/tx-%u/xps_cpus", p->sysfs,
		p->name, vcpu);
	if (read_text(path, text, sizeof(text)))
		parse_cpus(text, p->cpus);
	if (CPU_COUNT_S(sizeof(p->cpus), p->cpus) == 0)
		CPU_SET_S(vcpu, sizeof(p->cpus), p->cpus);
	return 0;
}

/* A lock on the queue's folder: whoever may open that, and it goes with the process. */
static int
claim(struct packet_port *p, unsigned int vcpu, struct frq_err *why)
{
	char path[320];

	(void)snprintf(path, sizeof(path), "%s/class/net/%s/queues/tx-%u", p->sysfs, p->name, vcpu);
	p->claim_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->claim_fd < 0 || flock(p->claim_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	frq_err_set(why, "vCPU %u: a program of this VM speaks for it already", vcpu);
	return -EBUSY;
}

/* ---- the socket ------------------------------------------------------------------- */

static int
bring_up(const struct packet_port *p, struct frq_err *why)
{
	struct ifreq ifr = { .ifr_flags = 0 };

	memcpy(ifr.ifr_name, p->name, sizeof(ifr.ifr_name));
	if (ioctl(p->fd, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) != 0)
		return 0;
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
	if (ioctl(p->fd, SIOCSIFFLAGS, &ifr) == 0)
		return 0;
	frq_err_set(why, "the interface %s is down, and this program may not change that: ip link set %s up",
		p->name, p->name);
	return -EACCES;
}

/* Answers to other channels come by on the same interface. */
static void
attach_filter(const struct packet_port *p, unsigned int vcpu)
{
	const uint16_t channel = htons((uint16_t)vcpu);	/* little-endian in the frame */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct frq_vhost_state, channel)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, channel, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, sizeof(struct frq_vhost_table)),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	(void)setsockopt(p->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static int
open_socket(struct packet_port *p, unsigned int vcpu, struct frq_err *why)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
		.sll_protocol = htons(FRQ_VHOST_ETHERTYPE) };
	const int on = 1;
	int ret;

	p->index = if_nametoindex(p->name);
	addr.sll_ifindex = (int)p->index;
	/* No protocol before it is bound: else frames of other interfaces come in. */
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0) {
		ret = -errno;
		frq_err_set(why, ret == -EPERM ? "packet sockets are for root (CAP_NET_RAW)" :
			"no packet socket (%s): is the module af_packet there?", strerror(-ret));
		return ret == -EPERM ? -EACCES : ret;
	}
	attach_filter(p, vcpu);
	(void)setsockopt(p->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	ret = bring_up(p, why);
	if (ret < 0)
		return ret;
	if (bind(p->fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return 0;
	ret = -errno;
	frq_err_set(why, "the interface %s: %s", p->name, strerror(-ret));
	return ret;
}

static void
packet_close(void *port)
{
	struct packet_port *p = port;

	if (p == NULL)
		return;
	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->claim_fd >= 0)
		(void)close(p->claim_fd);
	free(p);
}

static int
packet_open(void **port, const struct frq_places *places, const char *device,
	unsigned int which, unsigned int vcpu, bool with_claim, struct frq_err *why)
{
	struct packet_port *p = calloc(1, sizeof(*p));
	int ret;

	*port = NULL;
	if (p == NULL) {
		frq_err_set(why, "out of memory");
		return -ENOMEM;
	}
	p->fd = p->claim_fd = -1;
	(void)snprintf(p->sysfs, sizeof(p->sysfs), "%s", places->sysfs);
	ret = find_interface(p, device, which, why);
	if (ret == 0)
		ret = find_queue(p, vcpu, why);
	if (ret == 0 && with_claim)
		ret = claim(p, vcpu, why);
	if (ret == 0)
		ret = open_socket(p, vcpu, why);
	if (ret < 0)
		packet_close(p);
	else
		*port = p;
	return ret;
}

/* One that is plugged in again is another one, whatever its name. */
static bool
packet_there(const void *port)
{
	const struct packet_port *p = port;

	return if_nametoindex(p->name) == p->index && p->index != 0;
}

/* ---- frames ---------------------------------------------------------------------------- */

static int
send_here(const struct packet_port *p, const void *frame, size_t len)
{
	if (send(p->fd, frame, len, MSG_DONTWAIT) >= 0)
		return 0;
	/* No carrier while the host's daemon is away, or the queue is full. */
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENETDOWN || errno == EINTR)
		return -EAGAIN;
	return -ENOTCONN;
}

/* Can it run on CPUs of the queue only? */
static bool
is_on_queue(const struct packet_port *p, const cpu_set_t *may)
{
	cpu_set_t both[CPU_SETS];

	CPU_AND_S(sizeof(both), both, may, p->cpus);
	return CPU_EQUAL_S(sizeof(both), both, may);
}

static int
packet_send(void *port, const void *frame, size_t len)
{
	const struct packet_port *p = port;
	cpu_set_t may[CPU_SETS];
	int ret;

	if (p->one_queue)
		return send_here(p, frame, len);
	if (sched_getaffinity(0, sizeof(may), may) < 0)
		return -EAGAIN;
	if (is_on_queue(p, may))
		return send_here(p, frame, len);
	if (sched_setaffinity(0, sizeof(p->cpus), p->cpus) < 0)
		return -EAGAIN;
	ret = send_here(p, frame, len);
	(void)sched_setaffinity(0, sizeof(may), may);
	return ret;
}

static int
packet_receive(void *port, void *frame, size_t size)
{
	const struct packet_port *p = port;
	ssize_t n = recv(p->fd, frame, size, MSG_DONTWAIT);

	if (n >= 0)
		return (int)n;
	/* The carrier went: it may come back. */
	return errno == EAGAIN || errno == EINTR || errno == ENETDOWN ? 0 : -ENOTCONN;
}

static void
packet_wait(void *port, uint64_t ns)
{
	const struct packet_port *p = port;
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
		.tv_nsec = (long)(ns % 1000000000) };

	(void)ppoll(&pfd, 1, &t, NULL);
}

static void
packet_name(const void *port, char *name, size_t size)
{
	(void)snprintf(name, size, "%s", ((const struct packet_port *)port)->name);
}

static void
packet_address(const void *port, uint8_t mac[6])
{
	memcpy(mac, ((const struct packet_port *)port)->mac, 6);
}

const struct frq_frames frq_packet_frames = {
	.open = packet_open,
	.close = packet_close,
	.there = packet_there,
	.send = packet_send,
	.receive = packet_receive,
	.wait = packet_wait,
	.name = packet_name,
	.address = packet_address,
};
