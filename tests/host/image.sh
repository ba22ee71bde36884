#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes what the test host boots from: OUTDIR/vmlinuz, OUTDIR/initramfs.cpio.gz
# and OUTDIR/pstate.aml.
#
#	tests/host/image.sh BUILDDIR OUTDIR
#
# As tests/vm/image.sh does it, but the kernel has to have 9p and acpi-cpufreq,
# as those of linux-image-amd64 do, and those for clouds do not.
# FREQRING_HOST_KERNEL=FILE names one.

set -eu -o pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
if [ $# -ne 2 ]; then
	printf 'usage: %s BUILDDIR OUTDIR\n' "$0" >&2
	exit 2
fi

# Prints the newest in /boot whose modules are there, too, else "download".
kernel()
{
	local file version found=download

	while read -r file; do
		version=${file##*/vmlinuz-}
		[ ! -r "$file" ] || [ ! -d "/lib/modules/$version/kernel/fs/9p" ] ||
			! compgen -G "/lib/modules/$version/kernel/drivers/cpufreq/acpi-cpufreq.ko*" >/dev/null ||
			found=$file
	done < <(compgen -G '/boot/vmlinuz-*-amd64' | sort -V)
	printf '%s\n' "$found"
}

command -v iasl >/dev/null || {
	echo "image: iasl is missing: install the package acpica-tools (make setup)" >&2
	exit 1
}
export FREQRING_KERNEL=${FREQRING_HOST_KERNEL:-$(kernel)}
export IMAGE_INIT=$here/init.sh
export IMAGE_PACKAGE=linux-image-amd64
IMAGE_MODULES=$(sed -n 's/^modules="\(.*\)"$/\1/p' "$here/init.sh")
export IMAGE_MODULES
bash "$here/../vm/image.sh" "$1" "$2"

exec 9>"$2/.lock"
flock 9
if [ ! -e "$2/pstate.aml" ] || [ "$here/pstate.asl" -nt "$2/pstate.aml" ]; then
	log=$(iasl -p "$2/pstate-new" "$here/pstate.asl" 2>&1) || {
		printf '%s\n' "$log" >&2
		exit 1
	}
	mv "$2/pstate-new.aml" "$2/pstate.aml"
fi
