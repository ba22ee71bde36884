/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * serial_echo.c - the limit of virtio-serial: a process at QEMU's end of the channel
 * that acknowledges each packet as it comes, and does nothing else
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "freqring_serial.h"
#include "report.h"
#include "thread.h"

static int
dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
	} else {
		memcpy(addr.sun_path, path, strlen(path) + 1);
		if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
			return fd;
	}
	bench_error("%s: %s; QEMU has to listen there, and nobody else be connected", path,
		strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* Until QEMU closes it. */
static void
echo(int fd)
{
	struct frq_serial_packet packet;

	while (recv(fd, &packet, sizeof(packet), MSG_WAITALL) == (ssize_t)sizeof(packet)) {
		packet.command = FRQ_SERIAL_ACK;
		if (send(fd, &packet, sizeof(packet), MSG_NOSIGNAL) != (ssize_t)sizeof(packet))
			return;
	}
}

enum bench_status
cmd_serial_echo(struct bench *b, int argc, char **argv)
{
	unsigned int cpu = 0;
	bool pin = false;
	const struct bench_option options[] = {
		{ 'c', 0, BENCH_CPU_MAX, .number = &cpu, .given = &pin },
		{ .name = 0 }
	};
	int fd;

	if (!bench_options(b, argc, argv, options) || argc - optind != 1)
		return BENCH_USAGE;
	if (pin && !thread_pin(cpu))
		return BENCH_FAILED;
	fd = dial(argv[optind]);
	if (fd < 0)
		return BENCH_FAILED;
	echo(fd);
	(void)close(fd);
	return BENCH_OK;
}
