#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# /init of the test host: mounts the real machine's files read-only, with an
# overlay in memory over them, and goes on as agent.sh in there. What
# host_start in lib.sh tells it is in the file "boot" of the shared folder.

# each after those it needs; image.sh reads this list
modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_console 9pnet 9pnet_virtio netfs fscache 9p overlay cpufreq_userspace cpufreq_powersave cpufreq_ondemand cpufreq_conservative acpi-cpufreq fan"

export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1

# The machine ends with process 1, and host_start says what was said last.
die()
{
	echo "freqring-host: $*"
	exit 1
}

for module in $modules; do
	# not there: built into this kernel, or part of another module
	[ ! -e "/lib/modules/$module.ko" ] || insmod "/lib/modules/$module.ko" ||
		echo "freqring-host: $module: cannot be loaded"
done

mkdir -p /lower /over /share /new
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /share ||
	die "no shared folder"
. /share/boot
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro root /lower ||
	die "no files of the machine outside"
mount -t tmpfs -o mode=755 tmpfs /over
mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work overlay /new ||
	die "no overlay"

mount -t tmpfs -o mode=1777 tmpfs /new/tmp
mount -t tmpfs -o mode=755 tmpfs /new/run
mkdir -p /new/proc /new/sys /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
mount --move /dev /new/dev
mkdir -p /new/dev/shm /new/dev/pts /new/run/lock
mount -t tmpfs -o mode=1777 tmpfs /new/dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /new/dev/pts
[ -e /new/dev/fd ] || ln -s /proc/self/fd /new/dev/fd

# The same paths as outside, also for what is below /tmp there.
mkdir -p "/new$HOST_SHARE"
mount --move /share "/new$HOST_SHARE"
for dir in "$HOST_TOP" "$HOST_BUILD"; do
	[ -e "/new$dir" ] && continue
	mkdir -p "/new$dir"
	mount --bind "/lower$dir" "/new$dir" || die "$dir cannot be seen"
done

hostname freqring-host
ip link set lo up
export HOST_SHARE HOST_TOP HOST_BUILD
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LC_ALL=C.UTF-8
exec chroot /new /bin/bash "$HOST_SHARE/agent.sh"
