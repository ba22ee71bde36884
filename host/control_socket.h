/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_socket.h - the control socket in the file system, and who connects
 *
 * For control.c only; the thread of control_start.
 */
#ifndef FRQ_CONTROL_SOCKET_H
#define FRQ_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "region.h"

struct control_socket {
	int fd;		/* listening, not blocking */
	dev_t dev;	/* what was made at the path */
	ino_t ino;
};

/**
 * Make and listen on the socket `path`: mode 0660 and the group from the
 * moment others can reach it. Its folder is made, 0755, where only that is
 * missing. A socket that a dead daemon left is removed.
 *
 * @param group  (gid_t)-1: leave it, and mode 0600
 * @return 0; -EADDRINUSE another daemon listens there; -EEXIST something is
 *	there that is not a socket; or the errno of a call that failed
 */
int control_socket_open(struct control_socket *s, const char *path, gid_t group,
	struct frq_err *err);

/** Stop listening; remove the socket where it is still ours. */
void control_socket_close(struct control_socket *s, const char *path);

/* What the kernel says of a client, as of its connect(). */
struct control_peer {
	uid_t uid;
	bool may_read;
	bool may_change;
};

/**
 * Who is at the other end, and what it may: members of `group` read, those of
 * `admin_group` change as well; (gid_t)-1: no group.
 *
 * @return whether the kernel says it
 */
bool control_peer_get(struct control_peer *peer, int fd, gid_t group, gid_t admin_group);

#endif /* FRQ_CONTROL_SOCKET_H */
