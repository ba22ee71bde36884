# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# DPDK's own vm_power_manager, unmodified, to be sourced after lib.sh.
#
#	peer_build BUILDDIR vm_power_mgr	its host
#	peer_build BUILDDIR guest_vm_power_mgr	its guest's command line
#
# Builds it from Debian's dpdk-doc, installed or else downloaded and unpacked
# below BUILDDIR/peer, and prints its path. What is there is not built anew.

_peer_sources()	# DIR
{
	local from=/usr/share/dpdk/examples/vm_power_manager

	if [ ! -d "$from" ]; then
		command -v apt-get >/dev/null || {
			_vm_error "no $from: install the package dpdk-doc"
			return 1
		}
		(cd "$1" && apt-get -q download dpdk-doc && dpkg-deb -x dpdk-doc_*.deb x) || return
		from=$1/x$from
	fi
	cp -r "$from" "$1/"
}

peer_build()
{
	local dir=$1/peer sub=. program

	[ "$2" != guest_vm_power_mgr ] || sub=guest_cli
	program=$dir/vm_power_manager/$sub/build/$2
	mkdir -p "$dir" || return
	if [ ! -x "$program" ]; then
		{
			{ [ -d "$dir/vm_power_manager" ] || _peer_sources "$dir"; } &&
				make -C "$dir/vm_power_manager/$sub"
		} >"$dir/$2.log" 2>&1 || {
			_vm_error "$2 cannot be built: $(tail -n 1 "$dir/$2.log") (all in $dir/$2.log)"
			return 1
		}
	fi
	printf '%s\n' "$program"
}
