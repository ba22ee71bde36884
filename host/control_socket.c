/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1	/* struct ucred */
#include "control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define MAX_GROUPS 1024	/* of a client; one in more is not recognised by them */

static int
make_folder(const char *path, struct frq_err *err)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	int ret;

	if (slash == NULL || slash == path)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (mkdir(dir, 0755) < 0) {
		ret = -errno;
		if (ret == -EEXIST)
			return 0;
		frq_err_set(err, "cannot make the folder %s of the control socket: %s%s", dir,
			strerror(-ret), ret == -ENOENT ? "; its parent has to exist" : "");
		return ret;
	}
	/* mkdir() is subject to the umask. */
	if (chmod(dir, 0755) < 0) {
		ret = -errno;
		frq_err_set(err, "cannot set the mode of %s: %s", dir, strerror(-ret));
		return ret;
	}
	return 0;
}

/* Takes the path away from a dead daemon; 0 when it is free now. */
static int
clear_path(const struct sockaddr_un *addr, struct frq_err *err)
{
	const char *path = addr->sun_path;
	struct ucred cred = { .pid = 0 };
	socklen_t len = sizeof(cred);
	struct stat st;
	int fd, ret;

	if (lstat(path, &st) < 0) {
		ret = -errno;
		if (ret == -ENOENT)
			return 0;
		frq_err_set(err, "control socket %s: %s", path, strerror(-ret));
		return ret;
	}
	if (!S_ISSOCK(st.st_mode)) {
		frq_err_set(err, "control socket %s: something else is there; remove it or set "
			"another path ([daemon] socket)", path);
		return -EEXIST;
	}
	/* Not blocking: a daemon whose queue is full is alive, too (EAGAIN). */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		ret = -errno;
		frq_err_set(err, "cannot make a socket: %s", strerror(-ret));
		return ret;
	}
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
	if (ret == -ECONNREFUSED) {
		ret = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
		if (ret < 0)
			frq_err_set(err, "control socket %s: a dead daemon left it, and it cannot "
				"be removed: %s", path, strerror(-ret));
	} else if (ret == 0 || ret == -EAGAIN) {
		/* The credentials of the listener, as of its listen(). */
		if (ret == 0)
			(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
		frq_err_set(err, "control socket %s: another freqringd (pid %d) listens there",
			path, (int)cred.pid);
		ret = -EADDRINUSE;
	} else {
		frq_err_set(err, "control socket %s is there and cannot be asked who owns it: %s",
			path, strerror(-ret));
	}
	close(fd);
	return ret;
}

int
control_socket_open(struct control_socket *s, const char *path, gid_t group,
	struct frq_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *what;
	struct stat st;
	int ret;

	s->fd = -1;
	if (strlen(path) >= sizeof(addr.sun_path)) {
		frq_err_set(err, "control socket %.60s...: a path of %zu characters, the most is "
			"%zu", path, strlen(path), sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	ret = make_folder(path, err);
	if (ret == 0)
		ret = clear_path(&addr, err);
	if (ret < 0)
		return ret;

	what = "made";
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		goto fail;
	/* Linux gives the file the socket's mode, so that it is never wider
	 * than this; the umask, which other threads share, stays alone.
	 */
	if (fchmod(s->fd, 0600) < 0)
		goto fail;
	what = "bound";
	if (bind(s->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		goto fail;
	what = "given its group";
	if (group != (gid_t)-1 &&
	    (lchown(path, (uid_t)-1, group) < 0 || chmod(path, 0660) < 0))
		goto fail_bound;
	what = "listened on";
	if (lstat(path, &st) < 0 || listen(s->fd, BACKLOG) < 0)
		goto fail_bound;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;

fail_bound:
	ret = -errno;
	(void)unlink(path);
	errno = -ret;
fail:
	ret = -errno;
	frq_err_set(err, "control socket %s cannot be %s: %s", path, what, strerror(-ret));
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	return ret;
}

void
control_socket_close(struct control_socket *s, const char *path)
{
	struct stat st;

	/* Somebody may have removed ours, and another daemon made its own. */
	if (lstat(path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlink(path);
	close(s->fd);
	s->fd = -1;
}

static bool
in_group(int fd, gid_t primary, gid_t group)
{
	gid_t groups[MAX_GROUPS];
	socklen_t len = sizeof(groups);

	if (group == (gid_t)-1)
		return false;
	if (primary == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

bool
control_peer_get(struct control_peer *peer, int fd, gid_t group, gid_t admin_group)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	peer->uid = cred.uid;
	peer->may_change = cred.uid == 0 || cred.uid == geteuid() ||
		in_group(fd, cred.gid, admin_group);
	peer->may_read = peer->may_change || in_group(fd, cred.gid, group);
	return true;
}
