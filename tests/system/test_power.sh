#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 480
# Programs that use librte_power, unmodified, in a real guest with two vCPUs:
# every call of the API, then DPDK's l3fwd-power in each of its modes between two
# interfaces, one of which goes from silence to load and back. What they want is
# looked at on the host.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"
# shellcheck source=tests/system/power.sh
. "$sys_here/power.sh"

power_programs
sys_begin
vm=$power_vm
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:0 1:$there_cpu" VM_EMULATORPIN=0 VM_CMDLINE="freqring.modules=1"
export VM_PINS VM_EMULATORPIN VM_CMDLINE
quiet="cpu(0)['decided_khz']"
busy="cpu($there_cpu)['decided_khz']"
top=2601000 bottom=800000

channels()
{
	local n

	for n in 0 1; do
		printf "<channel type='unix'><source mode='bind' path='%s'/><target type='virtio' name='%s'/></channel>" \
			"$VM_WORKDIR/g/$vm/port.$n" "virtio.serial.port.poweragent.$n"
	done
}

vm_xml "$vm" 2 "$(sys_shm "$vm")" | vm_define || bail "a domain"
vm_start "$vm" || bail "a guest"
power_guest

# --- nobody answers: librte_power as it is ----------------------------------------

api -l 0 -- all
like "without a host it is said that librte_power is left alone" 'librte_power is left alone' "$out"
like "... which sees nothing to set here" '^supported 0 0 0 0$' "$out"
with=$(grep -E '^(supported|env|pointers|init)' <<<"$out")
guest "$vm" "power_api $power_eal -l 0 -- all 2>/dev/null"
same "... and says the same without the preload" "$(grep -E '^(supported|env|pointers|init)' <<<"$out")" "$with"

# --- every call --------------------------------------------------------------------

fr_start || bail "freqringd"
soon_st "served" "vm('$vm')['epoch']" 1
api -l 0 -- all
like "who stands in, and over what" '^freqring-guest: run: ivshmem .*: the host answers \(simulated\)$' "$out"
like "the program's log says so, too" '^POWER: freqring stands in for librte_power: ivshmem' "$out"
same "every call, and what is in force after it" "supported 1 1 0 0
env 0
pointers unset
init 0
env 1
init again -1
set_env again -1
freqs 8: 2601000 2600000 2300000 2000000 1700000 1400000 1100000 800000
start 0, 0 is 2601000
capabilities 0, turbo 1, priority 0
max 0, 0 is 2601000
up 0, 0 is 2601000
down 1, 1 is 2600000
down 1, 2 is 2300000
set 5 1, 5 is 1400000
set 5 0, 5 is 1400000
set 64 -1, 5 is 1400000
min 1, 7 is 800000
min 0, 7 is 800000
down 0, 7 is 800000
up 1, 6 is 1100000
turbo_status 1
disable_turbo 0, 6 is 1100000
turbo_status 0
max 1, 1 is 2600000
disable_turbo 0, 1 is 2600000
enable_turbo 0, 0 is 2601000
turbo_status 1
exit 0
exit again -1
env 0
pointers unset" "$(grep -vE '^(POWER|EAL|freqring-guest):|^$' <<<"$out")"
soon_st "what it asked is withdrawn" "$quiet" 0

api -l 0,1 -- governor
like "SPDK's governor takes the first that is supported" '^set_env 1 0$' "$out"
same "... both cores" "core 0 0, core 1 0, governor 0, 0 is 2601000, governor 0, 0 is 2601000, exit 0, exit 0" \
	"$(grep -E '^(core|governor|exit)' <<<"$out" | paste -sd, | sed 's/,\([a-z]\)/, \1/g')"
api -l 0 -- kvm
same "a program that insists on KVM_VM" "set_env pstate -1; set_env kvm 0; env 2; init 0; min 1, 7 is 800000; exit 0" \
	"$(grep -E '^(set_env|env|init|min|exit)' <<<"$out" | paste -sd';' | sed 's/;/; /g')"

# --- lcores are not CPUs -------------------------------------------------------------

before=$(st "[c['requests'] for c in vm('$vm')['channels']]")
api "--lcores 5@1 -- all"
like "lcore 5 on CPU 1 is vCPU 1" '^POWER: freqring: lcore 5 is CPU 1, vCPU 1$' "$out"
same "... whose requests came in, and no other's" "[true, false]" \
	"$(st "[ch('$vm', 1)['requests'] > (${before})[1] + 10, ch('$vm', 0)['requests'] > (${before})[0]]")"
api "--lcores '0@(0-1)' -- all"
like "an lcore that floats is refused" '^POWER: freqring: lcore 0 may run on 2 CPUs' "$out"
like "... by its init" '^init -1$' "$out"

# --- what the program believes is what the host applied ---------------------------------

guest "$vm" "(for word in max down down; do echo \$word; usleep 300000; done
	until [ -e /tmp/go ]; do usleep 50000; done; echo where; echo up; usleep 300000; echo min; usleep 300000) |
	freqring-guest run power_api $power_eal -l 1 -- hold >/tmp/hold 2>&1 &"
soon_st "two steps down from the top" "$busy" 2300000
run fr set_cpu_freq "$there_cpu" 1400
soon_st "an operator sets the CPU" "$busy" 1400000
guest "$vm" 'touch /tmp/go; while pidof power_api >/dev/null; do usleep 100000; done; grep -E "^(max|down|where|up|min)" /tmp/hold'
same "the program sees what is in force, and goes on from what it asked" \
	"max 0, 0 is 2601000; down 1, 1 is 2600000; down 1, 2 is 2300000; where 0, 5 is 1400000; up 1, 5 is 1400000; min 1, 5 is 1400000" \
	"$(paste -sd';' <<<"$out" | sed 's/;/; /g')"
run fr release all

# --- l3fwd-power, mode by mode ------------------------------------------------------------

# silence, load, silence
loads()	# NAME
{
	soon_st "$1, silence: the busy lcore's CPU is at the bottom" "$busy" "$bottom"
	traffic_begin
	soon_st "$1, load: at the top" "$busy" "$top"
	traffic_end
	soon_st "$1, silence again: at the bottom" "$busy" "$bottom"
}

idles()	# NAME
{
	soon_st "$1: the silent lcore's CPU is at the bottom" "$quiet" "$bottom"
	same "$1: ... and never left it meanwhile" "$idle_requests" "$(st "ch('$vm', 0)['requests']")"
}

ends()	# NAME
{
	l3fwd_end
	unlike "$1: ends in good order" 'Segmentation|Abort|failed' "$out"
	soon_st "$1: both CPUs are given back" "$quiet + $busy" 0
}

note "the default choice"
l3fwd_begin 0
like "default: the mode it chooses" 'Selected operation mode: legacy' "$out"
soon_st "default: the silent lcore steps down" "$quiet" "$bottom"
idle_requests=$(st "ch('$vm', 0)['requests']")
loads default
idles default
ends default

note "legacy, and a daemon that is started anew under it"
l3fwd_begin 0 --legacy
like "legacy: the mode" 'Selected operation mode: legacy' "$out"
soon_st "legacy: at the bottom" "$busy" "$bottom"
{ fr_kill9; } 2>/dev/null
fr_start || bail "freqringd, again"
soon_st "legacy: served again" "vm('$vm')['admitted']" true
loads "legacy, after a restart"
ends legacy

note "pmd-mgmt scale"
# Traffic has to share a vCPU with a poll loop, so it comes with gaps.
l3fwd_begin 0 --pmd-mgmt scale --max-empty-polls 50000
like "scale: the mode" 'Selected operation mode: pmd mgmt' "$out"
unlike "scale: it is not refused" 'Error|err=' "$out"
loads scale
soon_st "scale: the silent lcore's CPU is at the bottom" "$quiet" "$bottom"
l3fwd_end
unlike "scale: ends in good order" 'Segmentation|Abort|failed' "$out"
soon_st "scale: both CPUs are given back" "$quiet + $busy" 0

note "telemetry and interrupt-only, which set nothing"
for mode in telemetry interrupt-only; do
	lcore=1
	[ "$mode" = telemetry ] || lcore=0
	before=$(st "vm('$vm')['requests']")
	l3fwd_begin "$lcore" "--$mode"
	like "$mode: the mode" "Selected operation mode: $mode" "$out"
	unlike "$mode: it starts" 'Cause:' "$out"
	traffic_begin 1
	l3fwd_end
	same "$mode: the host is asked for nothing" "$before" "$(st "vm('$vm')['requests']")"
done

# How many polls of 10 ms find nothing is chance here, so thresholds are given that
# call every interval quiet, or busy.
note "empty polls, with indices that the table has"
l3fwd_begin 1 "--empty-poll=0,1,1 -l 7 -m 4 -h 1"
like "empty-poll: the mode" 'Selected operation mode: empty poll' "$out"
like "empty-poll: it sees the table" 'total avail freq is 8 , lcoreid 1' "$out"
soon_st "empty-poll, normal: the medium index" "$busy" 1700000
l3fwd_end
l3fwd_begin 1 "--empty-poll=0,100000000,100000000 -l 7 -m 4 -h 1"
soon_st "empty-poll, busy: the high index" "$busy" 2600000
l3fwd_end
unlike "empty-poll: ends in good order" 'Segmentation|Abort|failed' "$out"
vm_stop "$vm" || bail "the guest's end"

# --- over virtio-serial alone -----------------------------------------------------------------

vm_virsh undefine "$vm" >/dev/null
VM_XML_DEVICES=$(channels) vm_xml "$vm" 2 | vm_define || bail "a domain with channels alone"
vm_start "$vm" || bail "a guest with channels alone"
power_guest
soon_st "the ports are connected" "[p['connected'] for p in vm('$vm')['serial']['ports']]" "[true, true]"
api -l 0 -- all
like "over virtio-serial: who answers" '^freqring-guest: run: serial .*: the host answers$' "$out"
like "... no table" '^freqs 0:$' "$out"
like "... no index" '^set 5 -95, unknown$' "$out"
like "... steps and the ends" '^min 1, unknown$' "$out"
l3fwd_begin 0 --legacy
like "legacy over virtio-serial: the mode" 'Selected operation mode: legacy' "$out"
loads "legacy over virtio-serial"
soon_st "legacy over virtio-serial: the silent lcore's CPU is at the bottom" "$quiet" "$bottom"
l3fwd_end
unlike "legacy over virtio-serial: ends in good order" 'Segmentation|Abort|failed' "$out"

sys_end
