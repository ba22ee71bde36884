#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes what the host that sleeps boots from: OUTDIR/vmlinuz,
# OUTDIR/initramfs.cpio.gz, OUTDIR/pstate.aml and its disk, OUTDIR/root.ext4, with
# systemd, logind, libvirt, QEMU and pm-utils of this machine and the programs of
# the build at their own paths.
#
#	tests/host/sleep-image.sh BUILDDIR OUTDIR

set -eu -o pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
PATH=$PATH:/usr/sbin:/sbin

export FREQRING_KERNEL=${FREQRING_HOST_KERNEL:-}
if [ -z "$FREQRING_KERNEL" ]; then
	FREQRING_KERNEL=$(compgen -G '/boot/vmlinuz-*[0-9]-amd64' | sort -V | tail -n 1 || :)
	FREQRING_KERNEL=${FREQRING_KERNEL:-download}
fi
export IMAGE_INIT=$here/sleep-init.sh
export IMAGE_PACKAGE=linux-image-amd64
IMAGE_MODULES=$(sed -n 's/^modules="\(.*\)"$/\1/p' "$here/sleep-init.sh")
export IMAGE_MODULES
bash "$here/../vm/image.sh" "$build" "$out"
iasl -p "$out/pstate" "$here/pstate.asl" >"$out/iasl.log" 2>&1 || {
	cat "$out/iasl.log" >&2
	exit 1
}

programs=(bash dash sh cat ls cp mv rm ln mkdir rmdir chmod chown touch head tail cut tr sort
	uniq wc sed grep awk mawk gawk find xargs basename dirname id env printf date sleep stat
	readlink uname getent mount umount setsid setpriv flock base64 od stty install tee seq
	nproc lsmod modprobe hwclock free sync timeout kill ps pgrep dmesg busybox hostname taskset logger mktemp test expr truncate
	systemctl systemd loginctl journalctl busctl dbus-daemon dbus-send rtcwake ip
	fsfreeze libvirtd virsh virtlogd qemu-system-x86_64 qemu-img socat
	pm-suspend pm-hibernate pm-suspend-hybrid pm-is-supported pm-powersave)
# What the dynamic loader opens by name comes with its folder.
folders=(/usr/lib/systemd /usr/lib/dbus-1.0 /usr/share/dbus-1 /usr/lib/pm-utils /usr/share/libvirt
	/usr/share/qemu /usr/share/seabios /usr/lib/ipxe/qemu /usr/lib/x86_64-linux-gnu/libvirt
	/usr/lib/x86_64-linux-gnu/dpdk /usr/lib/libvirt /etc/dbus-1
	/etc/pam.d /etc/security /usr/lib/x86_64-linux-gnu/security)
files=(/etc/passwd /etc/group /etc/shadow /etc/nsswitch.conf /etc/login.defs /etc/ld.so.conf
	/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so
	/usr/lib/x86_64-linux-gnu/libnss_files.so.2 /usr/lib/x86_64-linux-gnu/libvirt.so.0)
ours=("$build/host/freqringd" "$build/host/freqring" "$build/tests/host/post")

for program in "${programs[@]}"; do
	file=$(type -P "$program") || continue
	files+=("$file")
done

inputs=$(stat -L -c '%n %s %Y' "$0" "$here/pstate.asl" "${files[@]}" "${ours[@]}" \
	"$top/tests/vm/"*.sh "$here/"*.sh)
if [ -e "$out/root.ext4" ] && [ "$(cat "$out/root.inputs" 2>/dev/null)" = "$inputs" ]; then
	exit 0
fi
rm -f "$out/root.inputs"
root=$(mktemp -d "$out/.root.XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{dev,proc,sys,run,tmp,root,var/log,var/lib,var/cache,etc/systemd/system,usr/bin,usr/sbin,usr/lib,usr/lib64}
chmod 755 "$root"
for dir in bin sbin lib lib64; do
	ln -s "usr/$dir" "$root/$dir"
done
ln -s /run "$root/var/run"

# Each with the libraries it is linked to, where the loader looks for them.
with_libraries()
{
	local file

	for file in "$@"; do
		printf '%s\n' "$file"
		ldd "$file" 2>/dev/null | sed -n -e 's/.* => \(\/[^ ]*\) (.*/\1/p' \
			-e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' || :
	done
}

mapfile -t objects < <(find "${folders[@]}" -type f \( -name '*.so*' -o -perm -u+x \) 2>/dev/null)
{
	with_libraries "${files[@]}" "${ours[@]}" "${objects[@]}"
	find "${folders[@]}" \( -type f -o -type l \) 2>/dev/null
} | sort -u | while read -r file; do
	# A link, and what it ends at: two files of one library would be two libraries.
	printf '%s\n' "$file"
	readlink -e "$file" || :
done | sed -e 's,^/bin/,/usr/bin/,' -e 's,^/sbin/,/usr/sbin/,' -e 's,^/lib,/usr/lib,' |
	sort -u >"$out/root.list"
# Awk and the like are links by way of /etc/alternatives.
find /etc/alternatives -type l >>"$out/root.list"
tar -C / -c -T <(sed 's,^/,,' "$out/root.list") --ignore-failed-read 2>/dev/null |
	tar -C "$root" -x
mkdir -p "$root$top" && cp -r "$top/tests" "$root$top/"
cp /bin/busybox "$root/usr/bin/busybox" 2>/dev/null || :
ln -sf busybox "$root/usr/bin/usleep"
/sbin/ldconfig -r "$root" 2>/dev/null || ldconfig -r "$root"

# As little of systemd as logind needs, and the line to commands.
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
echo freqring-sleeper >"$root/etc/hostname"
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
		systemd-udevd-kernel.socket systemd-tmpfiles-setup.service \
		systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.timer \
		systemd-random-seed.service systemd-update-utmp.service systemd-sysusers.service \
		systemd-modules-load.service systemd-networkd.service systemd-resolved.service \
		systemd-timesyncd.service systemd-remount-fs.service systemd-machine-id-commit.service \
		systemd-journal-flush.service systemd-sysctl.service systemd-binfmt.service \
		systemd-hwdb-update.service systemd-firstboot.service systemd-pcrphase.service \
		systemd-pcrphase-sysinit.service systemd-boot-system-token.service \
		dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
		dev-mqueue.mount sys-kernel-config.mount sys-fs-fuse-connections.mount; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
cat >"$root/etc/systemd/system/freqring.target" <<-END
	[Unit]
	Requires=basic.target
	Wants=dbus.socket dbus.service systemd-logind.service freqring-line.service
	After=basic.target
	AllowIsolate=yes
END
cat >"$root/etc/systemd/system/freqring-line.service" <<-END
	[Unit]
	After=dbus.service systemd-logind.service
	[Service]
	ExecStart=/usr/bin/busybox sh $top/tests/vm/guest-init.sh serve
	Environment=HOST_TOP=$top HOST_BUILD=$build
	StandardInput=null
	StandardOutput=file:/dev/ttyS0
	StandardError=file:/dev/ttyS0
	KillMode=process
	Delegate=yes
END
rm -f "$out/root.ext4"
size=$(($(du -sm "$root" | cut -f1) * 5 / 4 + 200))
mke2fs -q -t ext4 -d "$root" -O ^metadata_csum "$out/root.ext4" "${size}M"
printf '%s\n' "$inputs" >"$out/root.inputs"
printf 'sleep-image: made %s, %s MiB\n' "$out/root.ext4" "$size" >&2
