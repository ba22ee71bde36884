#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# Our guest against DPDK's own host: vm_power_mgr, built unmodified from
# Debian's dpdk-doc, on a simulated sysfs that only it sees, speaks to
# freqring-guest in a real guest over virtio-serial. There is no freqringd.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

[ "$(id -u)" -eq 0 ] || skip "a mount namespace is for root"
unshare -m true 2>/dev/null || skip "no mount namespace here"

# ---- the peer ---------------------------------------------------------------

peer=$FR_BUILD/peer
manager=$peer/vm_power_manager/build/vm_power_mgr

get_peer()
{
	local from=/usr/share/dpdk/examples/vm_power_manager

	mkdir -p "$peer" || return
	if [ ! -d "$from" ]; then
		from=$peer/x$from
		if [ ! -d "$from" ]; then
			command -v apt-get >/dev/null || {
				echo "no dpdk-doc, and no apt-get to download it"
				return 1
			}
			(cd "$peer" && apt-get -q download dpdk-doc) || return
			dpkg-deb -x "$peer"/dpdk-doc_*.deb "$peer/x" || return
		fi
	fi
	[ -d "$peer/vm_power_manager" ] || cp -r "$from" "$peer/" || return
	make -C "$peer/vm_power_manager"
}

# What it asks libvirt for is fixed: the system's. The test's own will do.
get_shim()
{
	cc -shared -fPIC -o "$peer/uri.so" -x c - -ldl <<-'END'
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
}

[ -x "$manager" ] || run get_peer
[ -x "$manager" ] || skip "no vm_power_mgr: $(tail -n 3 <<<"$out")"
run get_shim
[ "$status" -eq 0 ] || skip "no compiler: $out"
sys_begin

tree=$VM_WORKDIR/sys-cpu
sockets=$VM_WORKDIR/g/powermonitor
name=peer$$

make_tree()
{
	local cpu dir file

	mkdir -p "$tree"
	for file in online possible present; do
		cat "/sys/devices/system/cpu/$file" >"$tree/$file"
	done
	for ((cpu = 0; cpu < $(nproc); cpu++)); do
		dir=$tree/cpu$cpu
		mkdir -p "$dir/cpufreq" "$dir/topology" "$dir/node0"
		cp "/sys/devices/system/cpu/cpu$cpu/topology/"{core_id,physical_package_id} \
			"$dir/topology/"
		echo acpi-cpufreq >"$dir/cpufreq/scaling_driver"
		echo userspace >"$dir/cpufreq/scaling_governor"
		echo "2301000 2300000 1800000 1200000 " >"$dir/cpufreq/scaling_available_frequencies"
		echo 1800000 >"$dir/cpufreq/scaling_setspeed"
	done
}

khz()	# CPU
{
	head -c 7 "$tree/cpu$1/cpufreq/scaling_setspeed"
}

is_khz()	# CPU KHZ
{
	[ "$(khz "$1")" = "$2" ]
}

# Its commands come through a pipe, its sockets from a folder of the test.
peer_start()
{
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
		sh "$sockets" "$tree" "$peer/uri.so" "$manager" "$name" \
		<"$VM_WORKDIR/peer.in" >>"$VM_WORKDIR/peer.log" 2>&1 &
	PEER_PID=$!
	vm_own_pid "$PEER_PID"
	exec {PEER_IN}>"$VM_WORKDIR/peer.in"
	# says nothing where it succeeds
	peer_tell "add_vm $name"
	peer_tell "add_channels $name all"
	_vm_wait 20 peer_serves
}

peer_serves()
{
	peer_tell "show_vm $name"
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

channel()	# VCPU
{
	printf "<channel type='unix'><source mode='bind' path='%s'/><target type='virtio' name='%s'/></channel>" \
		"$sockets/$name.$1" "virtio.serial.port.poweragent.$1"
}

# ---- a guest with two ports and no shared memory -------------------------------

vm_at_exit "rm -rf /var/run/dpdk/$name"
make_tree
mkdir -p "$sockets"
chown "$VM_QEMU_USER:$VM_QEMU_GROUP" "$sockets"
VM_PINS="0:0 1:1" VM_CMDLINE="freqring.modules=1" VM_XML_DEVICES="$(channel 0)$(channel 1)" \
	vm_xml "$name" 2 | vm_define || bail "a domain"
vm_start "$name" || bail "a guest"

guest "$name" 'freqring-guest info'
same "info, exit status" 0 "$status"
like "the transport is found by itself" '^transport +serial, 0 moves$' "$out"
like "... with the ports" '^serial ports 0 1$' "$out"
like "... and nobody there" '^host +nobody holds the other end' "$out"
guest "$name" 'freqring-guest set 0 max'
same "set without a host: exit status" 1 "$status"
like "... and why" 'nobody on the host holds the other end of the serial port' "$out"
guest "$name" 'freqring-guest -T ivshmem info'
same "shared memory forced: exit status" 1 "$status"
like "... and why" 'ivshmem: no ivshmem device' "$out"

peer_start || bail "vm_power_mgr: $(tail -n 30 "$VM_WORKDIR/peer.log")"
guest "$name" 'freqring-guest info'
like "the host is there" '^host +alive' "$out"

# ---- each word -----------------------------------------------------------------

word()	# CPU WORD KHZ
{
	guest "$name" "freqring-guest set_cpu_freq $1 $2"
	same "set_cpu_freq $1 $2" "0 ACK received for message sent to host." "$status $out"
	same "... in sysfs" "$3" "$(khz "$1")"
}

word 0 min 1200000
word 0 up 1800000
word 0 up 2300000
word 0 down 1800000
word 0 max 2301000
word 0 disable_turbo 2300000
word 0 enable_turbo 2301000
word 1 min 1200000
same "the other CPU is as it was" 2301000 "$(khz 0)"

guest "$name" 'freqring-guest set 0 min'
like "set 0 min" '^asked min: done' "$out"
same "... exit status" 0 "$status"
same "... in sysfs" 1200000 "$(khz 0)"
guest "$name" 'freqring-guest set 0 turbo off'
same "set 0 turbo off" "0 asked turbo off: done" "$status $out"
guest "$name" 'freqring-guest set 0 turbo on'
same "set 0 turbo on" "0 asked turbo on: done" "$status $out"
for words in '0 1800' '0 release' '0 lease 5'; do
	guest "$name" "freqring-guest set $words"
	same "set $words: exit status" 1 "$status"
	like "... and why" 'virtio-serial' "$out"
done
guest "$name" 'freqring-guest ping -n 10'
like "ping" 'virtio-serial knows no ping' "$out"

# ---- each query ----------------------------------------------------------------

guest "$name" 'freqring-guest set_cpu_freq 0 min'
guest "$name" "freqring-guest -n $name query_cpu_freq 0"
same "a query that the host does not allow: exit status" 1 "$status"
like "... and why" 'the host did not answer within 20 ms|but no query' "$out"
peer_tell "set_query $name enable"
peer_may_be_asked()
{
	guest "$name" "freqring-guest -n $name query_cpu_freq 0"
	[ "$status" -eq 0 ]
}
check "allowed" _vm_wait 20 peer_may_be_asked
same "query_cpu_freq 0" "Frequency of [0] vcore is 1200000." "$out"
guest "$name" "freqring-guest --vm-name $name query_cpu_freq all"
same "query_cpu_freq all" \
	"Frequency of [0] vcore is 1200000. Frequency of [1] vcore is 1200000." \
	"$(tr '\n' ' ' <<<"$out" | sed 's/ $//')"
guest "$name" "freqring-guest -n $name query_cpu_caps 0"
same "query_cpu_caps 0" \
	"Capabilities of [0] vcore are: turbo possibility: 1, is priority core: 0." "$out"
guest "$name" "FREQRING_VM_NAME=$name freqring-guest -o json query_cpu_caps all"
like "query_cpu_caps all, JSON" '"vcore": 1, "turbo": true, "priority": false' "$out"
guest "$name" "freqring-guest query_cpu_freq 0"
same "without its name the host does not know it" 1 "$status"
guest "$name" "freqring-guest -n $name set 0 max"
same "set says what the host runs at" "0 asked max: wish max, granted 2301 MHz" "$status $out"
guest "$name" "freqring-guest -n $name get"
like "get, of all" '^0 +0 +- +2301 ' "$out"
like "... two" '^1 +1 +- +1200 ' "$out"

# ---- faster than the host, and while it comes and goes --------------------------

# Down and up in pairs: whatever is lost in between, the last word is "up".
guest "$name" 'freqring-guest set_cpu_freq 0 min'
guest "$name" --timeout 120 'keeper 0 steps 3'
same "steps as fast as it goes: exit status" 0 "$status"
like "... more than the host takes" 'pairs [0-9]{3,} again [1-9]' "$out"
same "... and the last is in force" 1800000 "$(khz 0)"

guest "$name" 'keeper 0 max >/tmp/keeper 2>&1 & sleep 0.5; cat /tmp/keeper'
like "a program that stays" '^ok .* host alive' "$out"
soon "... and its wish" is_khz 0 2301000
peer_kill
guest "$name" 'sleep 1; tail -n 1 /tmp/keeper'
like "the host is killed: it is told" '^(EAGAIN|ENOTCONN) .* host dead' "$out"
for ((cpu = 0; cpu < 2; cpu++)); do
	printf 1800000 >"$tree/cpu$cpu/cpufreq/scaling_setspeed"
done
: >"$VM_WORKDIR/peer.log"
peer_start || bail "vm_power_mgr, again"
peer_tell "set_cpu_freq 0 min"
soon "the host is back: the wish is said again" is_khz 0 2301000
guest "$name" 'killall keeper; sleep 0.2; tail -n 1 /tmp/keeper'
like "... by itself" '^end posted [0-9]+ .* restated [1-9]' "$out"
peer_kill
sys_end
