/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * claim.c - one program a channel
 *
 * A claim is a write lock on byte N of the device's resource2 (or of the
 * region's file), owned by the open file and not by the process, so it tells
 * two handles of one process apart and goes when the program dies. sysfs has
 * no lock operation of its own, so the kernel's generic one serves it. It
 * keeps honest programs apart that see the same sysfs; those of another
 * network namespace have a sysfs, and so locks, of their own, and there only
 * the owner word tells (frq_taken_over).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "freqring_pvt.h"

static int
set_lock(int fd, unsigned int vcpu, short type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)vcpu,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

int
frq_claim(int fd, unsigned int vcpu)
{
	int ret = set_lock(fd, vcpu, F_WRLCK);

	/* Any other failure means that there are no such locks (a kernel
	 * without file locking, or out of them): do without.
	 */
	return ret == -EAGAIN || ret == -EACCES ? -EBUSY : 0;
}

void
frq_unclaim(int fd, unsigned int vcpu)
{
	(void)set_lock(fd, vcpu, F_UNLCK);
}
