#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# /init of the host that sleeps: goes on as systemd from its own disk, as a root
# from the machine outside does not survive a suspend to memory.

# each after those it needs; sleep-image.sh reads this list
modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk crc16 mbcache jbd2 crc32c_generic libcrc32c ext4 cpufreq_userspace cpufreq_powersave acpi-cpufreq"

export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
for module in $modules; do
	# not there: built into this kernel, or part of another module
	[ ! -e "/lib/modules/$module.ko" ] || insmod "/lib/modules/$module.ko" ||
		echo "freqring-host: $module: cannot be loaded"
done
mkdir -p /new
mount -t ext4 /dev/vda /new || {
	echo "freqring-host: its disk cannot be mounted"
	exit 1
}
mount --move /proc /new/proc
mount --move /sys /new/sys
mount --move /dev /new/dev
exec switch_root /new /lib/systemd/systemd
