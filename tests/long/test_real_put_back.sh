#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 800
# CPUs are given back as they were: when a vCPU moves, a VM is paused or ends,
# and when freqringd ends, by any signal but KILL.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/real.sh
. "$sys_here/../host/real.sh"

real_begin
real_daemon

# --- vCPUs move -------------------------------------------------------------

h 'post web 0 1800000'
mark
h 'virt vcpupin web 0 2 --live'
soon "a vCPU moves to another CPU: its wish goes along" port 2 1800000
soon "... and the old CPU is given back" port 1 1200000
same "... which is all" "1: 1200000; 2: 2301000 1800000" "$(since)"
mark
h 'virt vcpupin web 0 1-2 --live'
soon "pinned to two CPUs it votes on both" port 1 1800000
h 'post web 0 show 1200000'
like "... of which it is told" '^show: .*pCPU 1 of 2' "$out"
same "... and both are set" "1: 2301000 1800000 1200000; 2: 1200000" "$(since)"
mark
h 'virt vcpupin web 0 0-5 --live'
soon "pinned to all CPUs it has no say" port 2 800000
h 'post web 0 max'
like "... of which it is told" '^max: .*granted 0, .*not pinned to physical CPUs of its own' "$out"
same "... and nothing is set" "2: 800000" "$(since)"
h 'virt vcpupin web 0 0-1 --live'
soon_st "so it is with a CPU that is not managed" "ch('web', 0)['reason']" not_managed
mark
h 'virt vcpupin web 0 1 --live'
soon "pinned to one again, what it asked for last is in force" port 1 2301000
same "... and nothing else is written" "1: 2301000" "$(since)"

# --- a VM is paused, ends, starts -------------------------------------------

h 'post web 3 1800000; post web 1 1800000; post db 0 1200000'
mark
h 'virt suspend web; until_is 20 performance get 4 scaling_governor; post web 0 show'
like "a VM that is paused is told so" '^show: .*the VM is not running' "$out"
same "... and has no votes; those of others hold" "1: 1200000; 2: 1200000; 4: 2301000; 5: 800000" \
	"$(since)"
mark
h 'virt resume web; until_is 20 1800000 get 4 scaling_setspeed; post web 0 show'
like "when it goes on its wishes are in force again" '^show: wish max 2301000, granted 2301000' "$out"
same "... at the ports" "1: 2301000; 2: 1800000; 4: 1800000; 5: 2301000 1800000" "$(since)"
epoch=$(st "vm('web')['epoch']")
mark
h 'virt destroy web; until_is 20 performance get 4 scaling_governor'
soon "a VM that ends has none" port 5 800000
same "... and what only it wanted is given back" "1: 1200000; 2: 1200000; 4: 2301000; 5: 800000" \
	"$(since)"
mark
h 'virt start web'
soon_st "it is started again, and served" "vm('web')['admitted']" true
soon_st "... in a new epoch" "vm('web')['epoch'] != $epoch" true
h 'post web 0 show'
like "... without an opinion" '^show: wish none 0, granted 0, .*: granted' "$out"
same "... and nothing is written" "" "$(since)"
h 'post db 0 release'
as_before "all is as it was"

# --- freqringd ends, and is started again -----------------------------------

in_force="1: 800000; 2: 2300000; 4: 1800000; 5: 1800000"
h 'post web 0 min; post web 1 2300000; post web 3 1800000'
same "wishes on all CPUs" "$in_force" "$(real_at_ports)"
ends()	# SIGNAL STATUS
{
	real_ends "$1"
	same "SIG$1 ends it" "$2" "$status"
	as_before "... and all is as it was"
}
ends TERM 0
for signal in "INT 0" "HUP 0" "SEGV 139" "ABRT 134" "QUIT 131"; do
	mark
	real_daemon
	same "started again, all wishes are in force" "$in_force" "$(real_at_ports)"
	# shellcheck disable=SC2086
	ends $signal
done

# --- ended while a CPU is offline -------------------------------------------

real_daemon
h 'online 1 0; until_is 20 1 eval "fr status | grep -c \"^CPU 1: it is offline\""'
real_ends TERM
same "ended while a CPU is offline" 0 "$status"
like "it says what is left to do" '1 CPUs? could not be given back .*freqringd --restore' \
	"$(<"$(host_log "$daemon")")"
restore="$FR_BUILD/host/freqringd -c /tmp/in/freqringd.conf --restore"
h "$restore"
same "--restore cannot yet" 1 "$status"
like "... and says why" 'CPU 1 is offline: it stays in the journal' "$out"
h "online 1 1; $restore"
same "it can when the CPU is back" "0 CPU 1: governor userspace, 1200000 kHz" "$status $out"
as_before "all is as it was"

real_end
