#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes what a test guest boots from: OUTDIR/vmlinuz and
# OUTDIR/initramfs.cpio.gz.
#
#	tests/vm/image.sh BUILDDIR OUTDIR [PROGRAM...]
#
# The kernel is the newest in /boot that this user may read, else the one that
# Debian's linux-image-cloud-amd64 stands for: downloaded and unpacked below
# OUTDIR, not installed. FREQRING_KERNEL=download insists on the latter,
# FREQRING_KERNEL=FILE names one. The initramfs holds busybox, guest-init.sh as
# /init, the modules of that kernel for virtio-serial and veth, and each PROGRAM (a path, or
# one relative to BUILDDIR) in /bin, or in /lib if it is a shared library, with
# the libraries that it is linked to.
#
# tests/host/image.sh, whose guest is another, sets
#	IMAGE_INIT	its /init
#	IMAGE_PACKAGE	the package that stands for its kernel
#	IMAGE_MODULES	that kernel's modules, each after those it needs
#
# The same inputs give the same bytes; nothing is made anew unless an input
# changed. Two at once on one OUTDIR wait for each other.

set -eu -o pipefail
umask 022
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
init=${IMAGE_INIT:-$here/guest-init.sh}
stands_for=${IMAGE_PACKAGE:-linux-image-cloud-amd64}
modules=${IMAGE_MODULES:-virtio_ring virtio virtio_pci_modern_dev
	virtio_pci_legacy_dev virtio_pci virtio_console veth}

die()
{
	printf 'image: %s\n' "$*" >&2
	exit 1
}

say()
{
	printf 'image: %s\n' "$*" >&2
}

if [ $# -lt 2 ]; then
	printf 'usage: %s BUILDDIR OUTDIR [PROGRAM...]\n' "$0" >&2
	exit 2
fi
builddir=$1
outdir=$2
shift 2
[ -d "$builddir" ] || die "$builddir: no such build folder"
mkdir -p "$outdir"
outdir=$(cd "$outdir" && pwd)

PATH=$PATH:/usr/sbin:/sbin
for tool in busybox:busybox-static cpio:cpio flock:util-linux ldd:libc-bin; do
	command -v "${tool%%:*}" >/dev/null ||
		die "${tool%%:*} is missing: install the package ${tool#*:} (make setup)"
done
busybox=$(command -v busybox)
if ldd "$busybox" >/dev/null 2>&1; then
	die "$busybox needs shared libraries: install the package busybox-static"
fi

exec 9>"$outdir/.lock"
flock 9

stage=
trap '[ -z "$stage" ] || rm -rf "$stage"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- the kernel -----------------------------------------------------------

# Prints the newest readable of the files given.
newest()
{
	local file

	for file in "$@"; do
		if [ -f "$file" ] && [ -r "$file" ]; then
			printf '%s\n' "$file"
		fi
	done | sort -V | tail -n 1
}

# Prints the package with the kernel itself.
kernel_package()
{
	apt-cache depends --important "$stands_for" 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1
}

# Leaves the unpacked kernel package in $outdir/kernel.
download_kernel()
{
	local package module wanted

	command -v apt-get >/dev/null ||
		die "no readable kernel in /boot and no apt-get to download one: name one with FREQRING_KERNEL=FILE"
	package=$(kernel_package)
	[ -n "$package" ] || [ ! -f "$outdir/kernel/package" ] || return 0
	[ -n "$package" ] ||
		die "$stands_for is in no package list: run apt-get update (make setup)"
	# with other modules it is unpacked anew
	wanted=$package$'\n'${modules//[[:space:]]/ }
	[ "$(cat "$outdir/kernel/package" 2>/dev/null)" = "$wanted" ] && return 0
	say "downloading $package (some 20 to 70 MB, parts kept in $outdir)"
	stage=$(mktemp -d "$outdir/.kernel.XXXXXX")
	# Where apt's own user may not write there, it only says so.
	(cd "$stage" && apt-get -q download "$package" >apt.log 2>&1) || {
		cat "$stage/apt.log" >&2
		die "apt-get download $package failed (see above)"
	}
	mkdir "$stage/root"
	dpkg-deb -x "$stage"/*.deb "$stage/root"
	mkdir "$stage/kernel"
	mv "$stage"/root/boot/vmlinuz-* "$stage/kernel/"
	for module in $modules; do
		find "$stage/root" -name "$module.ko*" -exec mv {} "$stage/kernel/" \;
	done
	printf '%s\n' "$wanted" >"$stage/kernel/package"
	rm -rf "$outdir/kernel"
	mv "$stage/kernel" "$outdir/kernel"
	rm -rf "$stage"
	stage=
}

moddir=
case ${FREQRING_KERNEL:-} in
"")
	kernel=$(newest /boot/vmlinuz-*-cloud-amd64)
	[ -n "$kernel" ] || kernel=$(newest /boot/vmlinuz-*-amd64)
	;;
download) kernel= ;;
*)
	kernel=$FREQRING_KERNEL
	[ -r "$kernel" ] || die "$kernel: cannot be read (FREQRING_KERNEL)"
	;;
esac
if [ -n "$kernel" ]; then
	version=${kernel##*/vmlinuz-}
	moddir=/lib/modules/$version
else
	download_kernel
	kernel=$(newest "$outdir"/kernel/vmlinuz-*)
	moddir=$outdir/kernel
fi

# --- what goes into the initramfs -----------------------------------------

# Parallel arrays: a file here, and its path in the guest.
from=("$busybox" "$init")
to=(bin/busybox init)
notes=

add()
{
	local i

	for i in "${!to[@]}"; do
		[ "${to[$i]}" = "$2" ] && return
	done
	from+=("$1")
	to+=("$2")
}

for module in $modules; do
	file=
	[ ! -d "$moddir" ] || file=$(find "$moddir" -name "$module.ko*" | head -n 1)
	if [ -n "$file" ]; then
		add "$file" "lib/modules/$module.ko"
	elif ! grep -qs "/$module.ko" "$moddir/modules.builtin"; then
		notes="$notes $module"
	fi
done

for program in "$@"; do
	if [ ! -f "$program" ]; then
		[ -f "$builddir/$program" ] || die "$program: no such program"
		program=$builddir/$program
	fi
	name=${program##*/}
	case $name in
	*.so | *.so.*) add "$program" "lib/$name" ;;
	*) add "$program" "bin/$name" ;;
	esac
	# "not a dynamic executable" is a failure to ldd, and fine
	libraries=$(ldd "$program" 2>/dev/null) || continue
	if [[ $libraries == *"not found"* ]]; then
		printf '%s\n' "$libraries" | grep 'not found' >&2
		die "$program: a shared library is missing"
	fi
	while read -r library; do
		# The system's own stay where the loader looks for them.
		case $library in
		/lib/* | /lib64/* | /usr/lib/* | /usr/lib64/*) add "$library" "${library#/}" ;;
		*) add "$library" "lib/${library##*/}" ;;
		esac
	done < <(sed -n -e 's/.* => \(\/[^ ]*\) (.*/\1/p' \
		-e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' <<<"$libraries")
done

# --- is there anything to do? ---------------------------------------------

inputs=$(
	stat -L -c '%n %s %y' "$kernel" "$0" "${from[@]}"
	printf '%s\n' "${to[@]}"
)
if [ -f "$outdir/vmlinuz" ] && [ -f "$outdir/initramfs.cpio.gz" ] &&
		[ "$(cat "$outdir/inputs" 2>/dev/null)" = "$inputs" ]; then
	exit 0
fi
rm -f "$outdir/inputs"
[ -z "$notes" ] || say "modules not found, $outdir goes without:$notes"

# --- make it --------------------------------------------------------------

stage=$(mktemp -d "$outdir/.stage.XXXXXX")
chmod 755 "$stage"
root=$stage/root
mkdir -p "$root"/{bin,dev,etc,lib,proc,root,run,sys,tmp}
ln -s bin "$root/sbin"
for i in "${!from[@]}"; do
	file=${from[$i]}
	target=$root/${to[$i]}
	mkdir -p "${target%/*}"
	case $file in
	*.ko.xz) xz -dc "$file" >"$target" ;;
	*.ko.gz) gzip -dc "$file" >"$target" ;;
	*.ko.zst) zstd -qdc "$file" >"$target" ;;
	*) cat "$file" >"$target" ;;
	esac || die "$file: cannot be copied"
	chmod 755 "$target"
done
for applet in $("$busybox" --list); do
	[ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done

find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -print0 | sort -z |
	cpio --null --quiet --reproducible -R +0:+0 -H newc -o) |
	gzip -n -6 >"$stage/initramfs.cpio.gz"
cat "$kernel" >"$stage/vmlinuz"
chmod 644 "$stage/vmlinuz" "$stage/initramfs.cpio.gz"
mv "$stage/vmlinuz" "$stage/initramfs.cpio.gz" "$outdir/"
printf '%s\n' "$inputs" >"$outdir/inputs"
say "made $outdir/initramfs.cpio.gz with ${kernel##*/}"
