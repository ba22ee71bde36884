#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs the Debian packages that the build, the demo, the tests and the
# linters stand on. Says nothing and takes no time where all are there.
#
#	tools/setup.sh [build|demo|test|bench|lint]...	(no word: all of them)
#
# NO_SETUP=1 forbids installing: what is missing is named and the status is 1.
# The guests' kernel is not among the packages: tests/vm/image.sh takes the one
# in /boot, or unpacks a downloaded one below the build folder, so that no demo
# changes what this machine boots.

set -u

# One line each: groups, package, what it is there for.
packages=(
	"build gcc               the compiler, with its address and thread sanitizers"
	"build libc6-dev         headers of the C library"
	"build make              the words people type: make demo, make test, ..."
	"build meson             the build"
	"build ninja-build       runs what meson plans"
	"build pkg-config        finds the libraries below"
	"build libdpdk-dev       librte_eal, librte_ring, librte_power, librte_vhost"
	"build libvirt-dev       who runs where: vCPUs and their pinning"
	"build libjansson-dev    JSON on the control socket"
	"build libevent-dev      event loop of the control thread"
	"build libinih-dev       the configuration file"
	"build libxml2-dev       the domain XML"
	"build libncurses-dev   freqring top: a screen that is drawn anew"
	"build libsystemd-dev    logind: whether the host may sleep"
	"build libedit-dev      freqring shell: lines with history and completion"
	"build scdoc             man pages"
	"demo  qemu-system-x86   runs the guests"
	"demo  libvirt-daemon    libvirtd, started privately for the demo and tests"
	"demo  libvirt-daemon-driver-qemu  its QEMU driver"
	"demo  libvirt-clients   virsh"
	"demo  busybox-static    the guests' user space"
	"demo  cpio              packs it"
	"demo  xz-utils          unpacks kernel modules"
	"demo  socat             talks to the guests' serial line"
	"demo  util-linux        setpriv, setsid, flock, taskset"
	"test  libcmocka-dev     unit tests"
	"test  clang             a second compiler, and libFuzzer"
	"test  libclang-rt-14-dev  its sanitizers and libFuzzer"
	"test  libvirt-daemon-system  the one test with the system's own libvirt"
	"test  qemu-guest-agent  suspends Linux guests"
	"test  procps            pgrep, in the test host"
	"test  pm-utils          suspends the test host, as libvirt has it done"
	"test  dbus-daemon       the way to logind, in the test host"
	"test,bench dpdk-doc     sources of DPDK's own programs, which tests build as the peer"
	"test,bench acpica-tools      iasl, for the P-states of the test host"
	"test,bench valgrind     counts the instructions of the request path"
	"lint  clang-format      layout of the C code"
	"lint  clang-tidy        static analysis"
	"lint  cppcheck          static analysis"
	"lint  shellcheck        the scripts"
)

die()
{
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

groups=" $* "
[ $# -gt 0 ] || groups=" build demo test bench lint "
for group in $groups; do
	case $group in
	build | demo | test | bench | lint) ;;
	*)
		printf 'usage: %s [build|demo|test|bench|lint]...\n' "$0" >&2
		exit 2
		;;
	esac
done

names=()
for entry in "${packages[@]}"; do
	read -r of name _ <<<"$entry"
	for group in ${of//,/ }; do
		[[ $groups == *" $group "* ]] || continue
		names+=("$name")
		break
	done
done

describe()
{
	local entry group name why wanted

	for wanted in "$@"; do
		for entry in "${packages[@]}"; do
			read -r group name why <<<"$entry"
			[ "$name" = "$wanted" ] &&
				printf '  %-28s %s\n' "$name" "$why" >&2
		done
	done
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	printf 'setup: not a Debian system: nothing can be installed from here.\n' >&2
	printf 'setup: what freqring needs goes by these names in Debian 12:\n' >&2
	describe "${names[@]}"
	exit 1
fi

# The second letter of the status is the state: i is installed.
installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package} \n' "${names[@]}" \
	2>/dev/null | sed -n 's/^.i. *//p')
missing=()
for name in "${names[@]}"; do
	[[ $'\n'$installed == *$'\n'"$name "* ]] || missing+=("$name")
done

# A guest's kernel that is not in /boot is downloaded by name, for which
# apt needs its package lists. Those for clouds do not do for the test host.
lists=
if [[ $groups == *" demo "* || $groups == *" test "* ]]; then
	lists=needed
	for kernel in /boot/vmlinuz-*-amd64; do
		[[ $groups =~ " test "|" bench " && $kernel == *-cloud-amd64 ]] && continue
		[ -r "$kernel" ] && lists=
	done
	[ -n "$lists" ] && apt-cache show linux-image-cloud-amd64 2>/dev/null |
		grep -q '^Package:' && lists=
fi

[ ${#missing[@]} -gt 0 ] || [ -n "$lists" ] || exit 0

if [ ${#missing[@]} -gt 0 ]; then
	printf 'setup: %d of %d packages missing:\n' "${#missing[@]}" "${#names[@]}" >&2
	describe "${missing[@]}"
fi
if [ -n "$lists" ]; then
	printf 'setup: no kernel for guests in /boot, and no package lists to download one by\n' >&2
fi

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
if [ -n "${NO_SETUP:-}" ] && [ "$NO_SETUP" != 0 ]; then
	printf 'setup: NO_SETUP is set, nothing installed. To install:\n' >&2
	printf '  %sapt-get update\n' "${sudo:+$sudo }" >&2
	[ ${#missing[@]} -eq 0 ] ||
		printf '  %sapt-get install --no-install-recommends %s\n' \
			"${sudo:+$sudo }" "${missing[*]}" >&2
	exit 1
fi

root=()
if [ -n "$sudo" ]; then
	command -v sudo >/dev/null ||
		die "not root and no sudo: run as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
	printf 'setup: not root: using sudo, which may ask for your password\n' >&2
	root=(sudo)
fi
root+=(env DEBIAN_FRONTEND=noninteractive)

printf 'setup: apt-get update\n' >&2
"${root[@]}" apt-get -q update >&2 ||
	printf 'setup: apt-get update failed, trying with the lists that are there\n' >&2
if [ ${#missing[@]} -gt 0 ]; then
	printf 'setup: apt-get install %s\n' "${missing[*]}" >&2
	"${root[@]}" apt-get -q -y install --no-install-recommends "${missing[@]}" >&2 ||
		die "apt-get install failed (see above)"
fi
printf 'setup: done\n' >&2
