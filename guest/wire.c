/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.c - whole packets over a port that may take and give them in pieces
 *
 * There is nothing in the stream to find its place again by. So a packet that
 * went out in part is finished before anything else, and what comes in is
 * known by its command, which stands at the same place in all three replies.
 * A port that shows anything else is closed and opened anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "freqring_pvt.h"

/* Replies that nobody waited for come many at a time. */
#define READ_SIZE	(8 * sizeof(struct frq_serial_packet))

/* A peer that never stops talking does not keep the caller. */
#define READS_MAX	64u

#define COMMAND_END	(offsetof(struct frq_serial_packet, command) + sizeof(uint32_t))

_Static_assert(offsetof(struct frq_serial_freq_list, command) ==
	offsetof(struct frq_serial_packet, command), "the command tells replies apart");
_Static_assert(offsetof(struct frq_serial_caps_list, command) ==
	offsetof(struct frq_serial_packet, command), "the command tells replies apart");

void
frq_wire_reset(struct frq_wire *w)
{
	w->tx_left = 0;
	w->rx_len = 0;
}

int
frq_wire_open(struct frq_wire *w, const char *path)
{
	frq_wire_reset(w);
	w->fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return w->fd < 0 ? -errno : 0;
}

void
frq_wire_close(struct frq_wire *w)
{
	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = -1;
	frq_wire_reset(w);
}

/* @return bytes written; -EAGAIN; -ENOTCONN */
static ssize_t
write_some(int fd, const void *from, size_t n)
{
	ssize_t ret;

	do
		ret = write(fd, from, n);
	while (ret < 0 && errno == EINTR);
	if (ret >= 0)
		return ret;
	return errno == EAGAIN || errno == ENOSPC ? -EAGAIN : -ENOTCONN;
}

int
frq_wire_flush(struct frq_wire *w)
{
	while (w->tx_left != 0) {
		ssize_t n = write_some(w->fd, w->tx + sizeof(w->tx) - w->tx_left, w->tx_left);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EAGAIN;
		w->tx_left -= (unsigned int)n;
	}
	return 0;
}

int
frq_wire_send(struct frq_wire *w, const struct frq_serial_packet *packet)
{
	int ret = frq_wire_flush(w);
	ssize_t n;

	if (ret < 0)
		return ret;
	n = write_some(w->fd, packet, sizeof(*packet));
	if (n <= 0)
		return n < 0 ? (int)n : -EAGAIN;
	/* Sent, then; the rest follows when there is room. */
	memcpy(w->tx, packet, sizeof(w->tx));
	w->tx_left = (unsigned int)(sizeof(w->tx) - (size_t)n);
	return 0;
}

/* Of a reply by its command; 0: no such reply. */
static unsigned int
reply_size(uint32_t command)
{
	switch (command) {
	case FRQ_SERIAL_ACK:
	case FRQ_SERIAL_NACK:
		return sizeof(struct frq_serial_packet);
	case FRQ_SERIAL_FREQ_LIST:
		return sizeof(struct frq_serial_freq_list);
	case FRQ_SERIAL_CAPS_LIST:
		return sizeof(struct frq_serial_caps_list);
	default:
		return 0;
	}
}

static uint32_t
command_of(const uint8_t *reply)
{
	uint32_t command;

	memcpy(&command, reply + offsetof(struct frq_serial_packet, command), sizeof(command));
	return command;
}

static int
take_in(struct frq_wire *w, const uint8_t *from, size_t n, frq_wire_reply_fn handle, void *arg)
{
	while (n != 0) {
		unsigned int wanted = COMMAND_END, part;
		union frq_wire_reply reply;

		if (w->rx_len >= COMMAND_END)
			wanted = reply_size(command_of(w->rx));
		part = wanted - w->rx_len < n ? wanted - w->rx_len : (unsigned int)n;
		memcpy(w->rx + w->rx_len, from, part);
		w->rx_len += part;
		from += part;
		n -= part;
		if (w->rx_len < wanted)
			continue;
		if (wanted == COMMAND_END) {
			if (reply_size(command_of(w->rx)) == 0)
				return -EPROTO;
			continue;
		}
		w->rx_len = 0;
		memcpy(&reply, w->rx, wanted);
		handle(arg, command_of(w->rx), &reply);
	}
	return 0;
}

int
frq_wire_read(struct frq_wire *w, frq_wire_reply_fn handle, void *arg)
{
	for (unsigned int i = 0; i < READS_MAX; i++) {
		uint8_t some[READ_SIZE];
		ssize_t n = read(w->fd, some, sizeof(some));
		int ret;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -ENOTCONN;
		/* Also what a port says whose other end nobody holds. */
		if (n == 0)
			return 0;
		ret = take_in(w, some, (size_t)n, handle, arg);
		if (ret < 0)
			return ret;
		if ((size_t)n < sizeof(some))
			return 0;
	}
	return 0;
}

bool
frq_wire_poll(const struct frq_wire *w, uint64_t wait_ns)
{
	const short out = w->tx_left != 0 ? POLLOUT : 0;
	struct pollfd p = { .fd = w->fd, .events = (short)(POLLIN | out) };
	const struct timespec wait = {
		.tv_sec = (time_t)(wait_ns / 1000000000),
		.tv_nsec = (long)(wait_ns % 1000000000),
	};
	int n = ppoll(&p, 1, &wait, NULL);

	return n <= 0 || (p.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}
