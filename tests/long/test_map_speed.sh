#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# From an event of libvirt to the new map in force, measured by the daemon: a vCPU is
# pinned to and fro, one event at a time, while the guests are silent, while they change
# their wishes twice a second, and while one of them asks without a pause. The figures are
# printed; asserted is p99 below 10 ms, in one of three tries, on a machine that does
# nothing else.
#
#	EVENTS=N	so many for each, 1100 by default
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"

events=${EVENTS:-1100}
sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_EMULATORPIN=$here_cpu
export VM_EMULATORPIN
for name in a b; do
	VM_PINS="0:$here_cpu" vm_xml "$name" 1 "$(sys_shm "$name")" | vm_define || bail "a domain"
	vm_start "$name" || bail "a guest"
done

latency()
{
	st "s['libvirt']['map_latency_us']['$1']"
}

# All events by one client of libvirt, which would merge with the next at full speed.
pin_to_and_fro()
{
	local i

	for ((i = 0; i < events / 2; i++)); do
		echo "vcpupin a 0 $there_cpu --live"
		sleep 0.015
		echo "vcpupin a 0 $here_cpu --live"
		sleep 0.015
	done | virsh -c "$VM_URI" -q >/dev/null
}

# Hundredths of a second that the machine's CPUs were in use.
busy()
{
	local words

	read -r _ words </proc/stat
	# shellcheck disable=SC2086
	set -- $words
	echo $(($1 + $2 + $3 + $6 + $7))
}

# ... by this test: daemon, libvirtd, guests, and what this script has waited for.
ours()
{
	local pid stat sum=0

	for pid in $(_vm_pids) "$FR_PID" $$; do
		{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
		# shellcheck disable=SC2086
		set -- ${stat##*) }
		sum=$((sum + ${12} + ${13}))
		[ "$pid" != $$ ] || sum=$((sum + ${14} + ${15}))
	done
	echo "$sum"
}

# measure NAME: with a daemon that has no figures yet; sets $p99, and $others to
# what other programs used of a CPU, in percent
measure()
{
	local began used samples

	fr_start --log-level warning || bail "freqringd"
	soon_st "$1: both are served" "[vm('a')['admitted'], vm('b')['admitted']]" '[true, true]'
	_vm_now began
	used=$(($(busy) - $(ours)))
	pin_to_and_fro
	used=$(($(busy) - $(ours) - used))
	_vm_now others
	others=$((used * 1000000 / (others - began)))
	soon_st "$1: the last one is in force" "vm('a')['vcpus'][0]['pcpus']" "$here_cpu"
	samples=$(latency samples) p99=$(latency p99)
	check "$1: nearly each event was one of its own" test "$samples" -ge $((events * 9 / 10))
	note "$1: $samples maps, us: p50 $(latency p50), p99 $p99, max $(latency max); others used $others % of a CPU"
	fr_stop
}

# Others on this machine can spoil a try, and cannot mend one.
fast()
{
	local try

	for try in 1 2 3; do
		measure "$1, try $try"
		[ "$p99" -ge 10000 ] || break
	done
	if [ "$p99" -ge 10000 ] && [ "$others" -gt 10 ]; then
		note "$1: not judged, the machine is not ours alone"
	else
		check "$1: p99 is below 10 ms" test "$p99" -lt 10000
	fi
}

fast "silent guests"
for name in a b; do
	vm_exec "$name" 'keeper 0 alternate >/dev/null 2>&1 & echo $! >/tmp/keeper.pid' >/dev/null
done
fast "guests that ask"
vm_exec b 'kill "$(cat /tmp/keeper.pid)"
	while :; do freqring-guest ping -n 20000; done >/dev/null 2>&1 & echo $! >/tmp/flood.pid' >/dev/null
fast "a guest that never rests"
sys_end
