#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# Our guest against DPDK's own host: vm_power_mgr, built unmodified from
# Debian's dpdk-doc, on a simulated sysfs that only it sees, speaks to
# freqring-guest in a real guest over virtio-serial. Then there is a freqringd,
# too, and a program in the guest goes from one to the other and back.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh"
# shellcheck source=tests/system/rush.sh
. "$(dirname "$0")/../system/rush.sh"
# shellcheck source=tests/vm/peer.sh
. "$sys_here/../vm/peer.sh"

[ "$(id -u)" -eq 0 ] || skip "a mount namespace is for root"
unshare -m true 2>/dev/null || skip "no mount namespace here"

# ---- the peer ---------------------------------------------------------------

run peer_build "$FR_BUILD" vm_power_mgr
[ "$status" -eq 0 ] || skip "$out"
manager=$out

run peer_shim "$FR_BUILD"
[ "$status" -eq 0 ] || skip "no compiler: $out"
shim=$out
sys_begin

tree=$VM_WORKDIR/sys-cpu
sockets=$VM_WORKDIR/g/powermonitor
vm=peer$$

khz()	# CPU
{
	head -c 7 "$tree/cpu$1/cpufreq/scaling_setspeed"
}

is_khz()	# CPU KHZ
{
	[ "$(khz "$1")" = "$2" ]
}

peer_start()
{
	peer_run "$vm" "$manager" "$shim" "$tree" "$sockets"
}

channel()	# VCPU
{
	peer_channel "$vm" "$sockets" "$1"
}

# ---- a guest with two ports and no shared memory -------------------------------

vm_at_exit "rm -rf /var/run/dpdk/$vm"
peer_tree "$tree"
mkdir -p "$sockets"
chown "$VM_QEMU_USER:$VM_QEMU_GROUP" "$sockets"
VM_PINS="0:0 1:1" VM_CMDLINE="freqring.modules=1" VM_XML_DEVICES="$(channel 0)$(channel 1)" \
	vm_xml "$vm" 2 | vm_define || bail "a domain"
vm_start "$vm" || bail "a guest"

guest "$vm" 'freqring-guest info'
same "info, exit status" 0 "$status"
like "the transport is found by itself" '^transport +serial, 0 moves$' "$out"
like "... with the ports" '^serial ports 0 1$' "$out"
like "... and nobody there" '^host +nobody holds the other end' "$out"
guest "$vm" 'freqring-guest set 0 max'
same "set without a host: exit status" 1 "$status"
like "... and why" 'nobody on the host holds the other end of the serial port' "$out"
guest "$vm" 'freqring-guest -T ivshmem info'
same "shared memory forced: exit status" 1 "$status"
like "... and why" 'ivshmem: no ivshmem device' "$out"

peer_start || bail "vm_power_mgr: $(tail -n 30 "$VM_WORKDIR/peer.log")"
guest "$vm" 'freqring-guest info'
like "the host is there" '^host +alive' "$out"

# ---- each word -----------------------------------------------------------------

word()	# CPU WORD KHZ
{
	guest "$vm" "freqring-guest set_cpu_freq $1 $2"
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

guest "$vm" 'freqring-guest set 0 min'
like "set 0 min" '^asked min: done' "$out"
same "... exit status" 0 "$status"
same "... in sysfs" 1200000 "$(khz 0)"
guest "$vm" 'freqring-guest set 0 turbo off'
same "set 0 turbo off" "0 asked turbo off: done" "$status $out"
guest "$vm" 'freqring-guest set 0 turbo on'
same "set 0 turbo on" "0 asked turbo on: done" "$status $out"
for words in '0 1800' '0 release' '0 lease 5'; do
	guest "$vm" "freqring-guest set $words"
	same "set $words: exit status" 1 "$status"
	like "... and why" 'virtio-serial' "$out"
done
guest "$vm" 'freqring-guest ping -n 10'
like "ping" 'virtio-serial knows no ping' "$out"

# ---- each query ----------------------------------------------------------------

guest "$vm" 'freqring-guest set_cpu_freq 0 min'
guest "$vm" "freqring-guest -n $vm query_cpu_freq 0"
same "a query that the host does not allow: exit status" 1 "$status"
like "... and why" 'the host did not answer within 20 ms|but no query' "$out"
peer_tell "set_query $vm enable"
peer_may_be_asked()
{
	guest "$vm" "freqring-guest -n $vm query_cpu_freq 0"
	[ "$status" -eq 0 ]
}
check "allowed" _vm_wait 20 peer_may_be_asked
same "query_cpu_freq 0" "Frequency of [0] vcore is 1200000." "$out"
guest "$vm" "freqring-guest --vm-name $vm query_cpu_freq all"
same "query_cpu_freq all" \
	"Frequency of [0] vcore is 1200000. Frequency of [1] vcore is 1200000." \
	"$(tr '\n' ' ' <<<"$out" | sed 's/ $//')"
guest "$vm" "freqring-guest -n $vm query_cpu_caps 0"
same "query_cpu_caps 0" \
	"Capabilities of [0] vcore are: turbo possibility: 1, is priority core: 0." "$out"
guest "$vm" "FREQRING_VM_NAME=$vm freqring-guest -o json query_cpu_caps all"
like "query_cpu_caps all, JSON" '"vcore": 1, "turbo": true, "priority": false' "$out"
guest "$vm" "freqring-guest query_cpu_freq 0"
same "without its name the host does not know it" 1 "$status"
guest "$vm" "freqring-guest -n $vm set 0 max"
same "set says what the host runs at" "0 asked max: wish max, granted 2301 MHz" "$status $out"
guest "$vm" "freqring-guest -n $vm get"
like "get, of all" '^0 +0 +- +2301 ' "$out"
like "... two" '^1 +1 +- +1200 ' "$out"

# ---- faster than the host, and while it comes and goes --------------------------

# Down and up in pairs: whatever is lost in between, the last word is "up".
guest "$vm" 'freqring-guest set_cpu_freq 0 min'
guest "$vm" --timeout 120 'keeper 0 steps 3'
same "steps as fast as it goes: exit status" 0 "$status"
like "... more than the host takes" 'pairs [0-9]{3,} again [1-9]' "$out"
same "... and the last is in force" 1800000 "$(khz 0)"

guest "$vm" 'keeper 0 max >/tmp/keeper 2>&1 & sleep 0.5; cat /tmp/keeper'
like "a program that stays" '^ok .* host alive' "$out"
soon "... and its wish" is_khz 0 2301000
peer_kill
guest "$vm" 'sleep 1; tail -n 1 /tmp/keeper'
like "the host is killed: it is told" '^(EAGAIN|ENOTCONN) .* host dead' "$out"
for ((cpu = 0; cpu < 2; cpu++)); do
	printf 1800000 >"$tree/cpu$cpu/cpufreq/scaling_setspeed"
done
: >"$VM_WORKDIR/peer.log"
peer_start || bail "vm_power_mgr, again"
peer_tell "set_cpu_freq 0 min"
soon "the host is back: the wish is said again" is_khz 0 2301000
guest "$vm" 'killall keeper; sleep 0.2; tail -n 1 /tmp/keeper'
like "... by itself" '^end posted [0-9]+ .* restated [1-9]' "$out"
peer_kill
vm_stop "$vm"

# ---- between freqringd and vm_power_mgr ------------------------------------------

note "shared memory and a port"
vm=both$$
object=$(sys_shm "$vm")
VM_PINS="0:0" VM_EMULATORPIN=0 VM_CMDLINE="freqring.modules=1" VM_XML_DEVICES="$(channel 0)" \
	vm_xml "$vm" 1 "$object" | vm_define || bail "a domain"
vm_start "$vm" || bail "a guest"
# First come, first served: QEMU lets one at a time have the port.
: >"$VM_WORKDIR/peer.log"
peer_start || bail "vm_power_mgr, for another VM"
fr_start || bail "freqringd"
soon_st "served by freqringd" "vm('$vm')['epoch']" 1
guest "$vm" 'freqring-guest info'
like "shared memory goes first" '^transport +ivshmem' "$out"
guest "$vm" 'freqring-guest -T serial info'
like "... unless the port is forced" '^transport +serial' "$out"
guest "$vm" 'FREQRING_TRANSPORT=serial freqring-guest set 0 min'
same "... in the environment" "0 asked min: done" "$status $out"
same "... where it is applied" 1200000 "$(khz 0)"

rush=$(sys_program rush) || bail "rush"
vm_copy_in "$vm" "$rush" /bin/rush || bail "rush, into the guest"

decided_min()
{
	sys_st_is "cpu(0)['decided_khz']" "$(st "cpu(0)['min_khz']")"
}

rush_begin "$vm" min
goes_on "it asks" "$vm"
{ fr_kill9; } 2>/dev/null
soon "freqringd is killed: over the port" moved "$vm" 'to serial: .*heartbeat is still'
fr_start || bail "freqringd, again"
soon "... is back: over the ring" moved "$vm" 'to ivshmem: its host answers again'
cat >"$VM_WORKDIR/shmem.xml" <<END
<shmem name='$object' role='master'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>
END
vm_virsh detach-device "$vm" "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "detach-device"
soon "the device is unplugged: over the port" moved "$vm" 'to serial: '
vm_virsh attach-device "$vm" "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "attach-device"
soon "... is plugged in: over the ring" moved "$vm" 'to ivshmem: its host answers again'
rush_end "$vm"
like "what was asked last is applied" '^end over (ivshmem|serial): .* moves [4-9]' "$out"
soon "... as freqringd sees it" decided_min

rush_begin "$vm" max
goes_on "it asks" "$vm"
{ fr_kill9; } 2>/dev/null
soon "freqringd is killed once more" moved "$vm" 'to serial'
rush_end "$vm"
like "the last is asked over the port" '^end over serial' "$out"
soon "... and applied there" is_khz 0 2301000

# ---- how fast, in the same guest: noted, not judged ----------------------------------

figures()	# HOST
{
	guest "$vm" --timeout 60 'port 0 measure 2000'
	like "$1: 2000 requests, one after another" '^2000 answered' "$out"
	note "$1: $(tr '\n' ' ' <<<"$out")"
	guest "$vm" 'port 0 rate 3'
	like "$1: 32 under way" '^[0-9]+ answered' "$out"
	note "$1, 32 under way: $out"
}

figures vm_power_mgr
peer_kill
FR_CONFIG="[power]
write_limit = 100000"
fr_start || bail "freqringd, alone"
soon_st "freqringd has the channel" "vm('$vm')['serial']['ports'][0]['connected']" true
figures freqringd
sys_end
