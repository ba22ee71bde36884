# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# DPDK's own programs, unmodified, to be sourced after lib.sh.
#
#	peer_build BUILDDIR vm_power_mgr	vm_power_manager, the host
#	peer_build BUILDDIR guest_vm_power_mgr	its guest's command line
#	peer_build_no_delay BUILDDIR		its host, but without the millisecond that
#						it spends doing nothing after each look
#	peer_build BUILDDIR l3fwd-power		packets forwarded as thriftily as may be
#	peer_drivers		the libraries that EAL has to be given with -d in a
#				guest without Debian's folder for them
#
# Builds it from Debian's dpdk-doc, installed or else downloaded and unpacked
# below BUILDDIR/peer, and prints its path. What is there is not built anew.
#
#	peer_shim BUILDDIR			prints a library by which it asks the
#						caller's libvirtd
#	peer_tree DIR				a sysfs of plain files, as acpi-cpufreq's
#	peer_channel VM DIR VCPU		XML of a serial port, its socket in DIR
#	peer_run VM PROGRAM SHIM TREE DIR	start it for a running VM, on a sysfs that
#						only it sees; returns when it serves
#	peer_tell COMMAND			a line to it, as an operator types it
#	peer_kill
#
# PEER_PID is its process, $VM_WORKDIR/peer.log what it says.

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

# The copy differs in that line only, and the name of the program says so.
peer_build_no_delay()
{
	local dir=$1/peer/no-delay

	peer_build "$1" vm_power_mgr >/dev/null || return
	if [ ! -x "$dir/build/vm_power_mgr" ]; then
		rm -rf "$dir"
		cp -r "$1/peer/vm_power_manager" "$dir" || return
		rm -rf "$dir/build"
		sed -i 's/^\t\trte_delay_us(time_period_ms\*1000);$//' "$dir/channel_monitor.c"
		! cmp -s "$dir/channel_monitor.c" "$1/peer/vm_power_manager/channel_monitor.c" || {
			_vm_error "vm_power_mgr has no such delay any more"
			return 1
		}
		make -C "$dir" >"$1/peer/no-delay.log" 2>&1 || {
			_vm_error "vm_power_mgr without its delay cannot be built (see $1/peer/no-delay.log)"
			return 1
		}
	fi
	printf '%s\n' "$dir/build/vm_power_mgr"
}

# What it asks libvirt for is fixed: the system's. The caller's own will do.
peer_shim()
{
	cc -shared -fPIC -o "$1/peer/uri.so" -x c - -ldl <<-'END' || return
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stdlib.h>
		void *virConnectOpen(const char *name);
		void *virConnectOpen(const char *name)
		{
			void *(*real)(const char *);
			const char *uri = getenv("TEST_LIBVIRT_URI");

			*(void **)&real = dlsym(RTLD_NEXT, "virConnectOpen");
			return real(uri != NULL ? uri : name);
		}
	END
	printf '%s\n' "$1/peer/uri.so"
}

# Plain files are not cut: all frequencies have seven digits.
peer_tree()
{
	local cpu dir file

	mkdir -p "$1"
	for file in online possible present; do
		cat "/sys/devices/system/cpu/$file" >"$1/$file"
	done
	for ((cpu = 0; cpu < $(nproc); cpu++)); do
		dir=$1/cpu$cpu
		mkdir -p "$dir/cpufreq" "$dir/topology" "$dir/node0"
		cp "/sys/devices/system/cpu/cpu$cpu/topology/"{core_id,physical_package_id} \
			"$dir/topology/"
		echo "$cpu" | tee "$dir/cpufreq/related_cpus" >"$dir/cpufreq/affected_cpus"
		echo acpi-cpufreq >"$dir/cpufreq/scaling_driver"
		echo userspace >"$dir/cpufreq/scaling_governor"
		echo "2301000 2300000 1800000 1200000 " >"$dir/cpufreq/scaling_available_frequencies"
		echo 1800000 >"$dir/cpufreq/scaling_setspeed"
		echo 1200000 >"$dir/cpufreq/scaling_min_freq"
		echo 2301000 >"$dir/cpufreq/scaling_max_freq"
		echo 10000 >"$dir/cpufreq/cpuinfo_transition_latency"
	done
}

peer_channel()
{
	printf "<channel type='unix'><source mode='bind' path='%s'/><target type='virtio' name='%s'/></channel>" \
		"$2/$1.$3" "virtio.serial.port.poweragent.$3"
}

# Its commands come through a pipe, its sockets from a folder of the caller's.
peer_run()
{
	PEER_VM=$1
	[ -d /tmp/powermonitor ] || {
		mkdir /tmp/powermonitor && vm_at_exit 'rmdir /tmp/powermonitor'
	}
	rm -f "$VM_WORKDIR/peer.in"
	mkfifo "$VM_WORKDIR/peer.in"
	# shellcheck disable=SC2016
	TEST_LIBVIRT_URI=$VM_URI setsid unshare -m sh -c 'mount --make-rprivate / &&
		mount --bind "$1" /tmp/powermonitor &&
		mount --bind "$2" /sys/devices/system/cpu &&
		LD_PRELOAD=$3 exec "$4" --lcores "0@0,1@1,2@1" --no-huge -m 64 --no-pci \
			--file-prefix "$5" --no-telemetry' \
		sh "$5" "$4" "$3" "$2" "$PEER_VM" \
		<"$VM_WORKDIR/peer.in" >>"$VM_WORKDIR/peer.log" 2>&1 &
	PEER_PID=$!
	vm_own_pid "$PEER_PID"
	exec {PEER_IN}>"$VM_WORKDIR/peer.in"
	# says nothing where it succeeds
	peer_tell "add_vm $PEER_VM"
	peer_tell "add_channels $PEER_VM all"
	_vm_wait 20 _peer_serves
}

_peer_serves()
{
	peer_tell "show_vm $PEER_VM"
	grep -q 'CONNECTED' "$VM_WORKDIR/peer.log"
}

peer_tell()
{
	printf '%s\n' "$1" >&"$PEER_IN"
}

peer_kill()
{
	{ kill -KILL "$PEER_PID" && wait "$PEER_PID"; } 2>/dev/null
	exec {PEER_IN}>&-
}
peer_drivers()
{
	local dir name

	dir=$(pkg-config --variable=libdir libdpdk) || return
	for name in bus_vdev mempool_ring net_af_packet; do
		readlink -e "$dir/librte_$name.so"
	done
}
