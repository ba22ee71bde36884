# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# DPDK's own programs, unmodified, to be sourced after lib.sh.
#
#	peer_build BUILDDIR vm_power_mgr	vm_power_manager, the host
#	peer_build BUILDDIR guest_vm_power_mgr	its guest's command line
#	peer_build BUILDDIR l3fwd-power		packets forwarded as thriftily as may be
#	peer_drivers		the libraries that EAL has to be given with -d in a
#				guest without Debian's folder for them
#
# Builds it from Debian's dpdk-doc, installed or else downloaded and unpacked
# below BUILDDIR/peer, and prints its path. What is there is not built anew.

_peer_sources()	# DIR EXAMPLE
{
	local from=/usr/share/dpdk/examples/$2

	if [ ! -d "$from" ]; then
		command -v apt-get >/dev/null || {
			_vm_error "no $from: install the package dpdk-doc"
			return 1
		}
		[ -d "$1/x" ] || (cd "$1" && apt-get -q download dpdk-doc && dpkg-deb -x dpdk-doc_*.deb x) || return
		from=$1/x$from
	fi
	cp -r "$from" "$1/"
}

peer_build()
{
	local dir=$1/peer example=vm_power_manager sub=. program

	case $2 in
	guest_vm_power_mgr) sub=guest_cli ;;
	l3fwd-power) example=l3fwd-power ;;
	esac
	program=$dir/$example/$sub/build/$2
	mkdir -p "$dir" || return
	if [ ! -x "$program" ]; then
		{
			{ [ -d "$dir/$example" ] || _peer_sources "$dir" "$example"; } &&
				make -C "$dir/$example/$sub"
		} >"$dir/$2.log" 2>&1 || {
			_vm_error "$2 cannot be built: $(tail -n 1 "$dir/$2.log") (all in $dir/$2.log)"
			return 1
		}
	fi
	printf '%s\n' "$program"
}

peer_drivers()
{
	local dir name

	dir=$(pkg-config --variable=libdir libdpdk) || return
	for name in bus_vdev mempool_ring net_af_packet; do
		readlink -e "$dir/librte_$name.so"
	done
}
