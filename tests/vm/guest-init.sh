#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# /init of the test guests: mounts what a guest needs, says so on the console
# (ttyS0), then runs the commands that come in on ttyS1. The other end of that
# line is vm_exec in lib.sh.
#
# A line from the host is one of
#	FQRUN TOKEN BASE64	run this shell command
#	FQKILL TOKEN		kill what is running
# The answer to the first is a line "TOKEN begin", what the command writes, as
# it writes it, and "TOKEN end STATUS". A newline goes before each of these
# two lines, so that they stand alone whatever was written before them.
#
# With the argument "serve" it only does that: in a machine that systemd set up.

export PATH=/bin:/sbin HOME=/root TERM=dumb
if [ "${1:-}" != serve ]; then
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	mkdir -p /dev/shm /dev/pts
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	mount -t tmpfs -o mode=1777 tmpfs /tmp
	mount -t tmpfs -o mode=755 tmpfs /run
	exec </dev/console >/dev/console 2>&1
	hostname guest
	ip link set lo up 2>/dev/null
fi

case " $(cat /proc/cmdline) " in
*" freqring.modules=1 "*)
	for module in virtio_ring virtio virtio_pci_modern_dev \
			virtio_pci_legacy_dev virtio_pci virtio_console; do
		# not there: built into this kernel
		[ ! -e "/lib/modules/$module.ko" ] ||
			insmod "/lib/modules/$module.ko" ||
			echo "freqring-guest: $module: cannot be loaded"
	done
	;;
esac

# In the background, one at a time; /run/command holds its process group from
# before it is started until the end is about to be told.
run()
{
	command=$(printf %s "$2" | base64 -d && printf x)
	printf '\n%s begin\n' "$1" >&3
	setsid sh -c "${command%x}" </dev/null >&3 2>&3 3>&- &
	echo "$!" >/run/command
	wait "$!"
	status=$?
	rm -f /run/command
	printf '\n%s end %d\n' "$1" "$status" >&3
}

# Without a command, the status of one that ended on its own is lost with it.
stop()
{
	tries=0
	while [ -e /run/command ] && [ "$tries" -lt 100 ]; do
		if read -r pid </run/command && [ -n "$pid" ]; then
			kill -9 -- "-$pid" 2>/dev/null
		fi
		tries=$((tries + 1))
		usleep 20000
	done
	rm -f /run/command
}

# No child of this shell may end while it reads: busybox's read starts anew
# after SIGCHLD and forgets the half line it has. So what runs is a child of
# process 1, which is another shell and does not read.
serve()
{
	exec 3<>/dev/ttyS1
	stty -F /dev/ttyS1 raw -echo clocal || return
	echo "freqring-guest: ready"
	while IFS=' ' read -r word token text <&3; do
		case $word in
		FQRUN)
			stop
			: >/run/command
			(run "$token" "$text" &)
			;;
		FQKILL)
			stop
			printf '\n%s end 137\n' "$token" >&3
			;;
		esac
	done
}

while :; do
	(serve)
	echo "freqring-guest: ttyS1 failed, opening it again"
	sleep 1
done
