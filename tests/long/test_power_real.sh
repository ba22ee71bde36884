#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 1500
# From a packet in a guest to the P-state port of the machine: DPDK's l3fwd-power,
# unmodified, in a guest, inside the test host, whose kernel's acpi-cpufreq
# librte_power drives for freqringd. vCPU 0 is on CPU 1, vCPU 1 on CPU 2.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/real.sh
. "$sys_here/../host/real.sh"
power_start_seconds=400
# shellcheck source=tests/system/power.sh
. "$sys_here/power.sh"

# One machine inside the other takes its time.
sys_wait=120

run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
run host_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
power_programs
vm_workdir_make || exit 1
sys_image || exit 1
HOST_MEMORY=3072 host_start "$FR_BUILD" || real_bail "the host boots"

# In the guest inside the host.
guest()	# VM [--timeout SECONDS] COMMAND...
{
	local seconds=120

	[ "$2" != --timeout ] || seconds=$3
	run host_run --timeout $((seconds + 60)) \
		". tests/host/inside.sh; VM_EXEC_SECONDS=$seconds vm_exec $(printf '%q ' "$@")"
}

run host_run --timeout 500 ". tests/host/inside.sh
	cp \$HOST_BUILD/vm-system/vmlinuz \$HOST_BUILD/vm-system/initramfs.cpio.gz \$VM_WORKDIR/g/
	for p in 0 1 2 4 5; do
		echo powersave >/sys/devices/system/cpu/cpufreq/policy\$p/scaling_governor
	done
	export VM_MEMORY=$VM_MEMORY VM_PINS='0:1 1:2' VM_EMULATORPIN=3 VM_READY_SECONDS=400
	in_libvirt && vm_xml $power_vm 2 freqring-$power_vm | vm_define && vm_start $power_vm"
[ "$status" -eq 0 ] || real_bail "libvirt and a guest in it: $out"
power_guest
host_spawn freqringd '. tests/host/inside.sh; in_freqringd'
soon_st "served" "vm('$power_vm')['admitted']" true

# Whether what came to a port since mark matches.
seen()	# CPU REGEX
{
	local text

	text=$(host_pstates "$1" "${marks[$1]}")
	grep -qE -- "$2" <<<"${text//$'\n'/ }"
}

mark
# The bottom is where the governor had them, too: only the way there tells.
l3fwd_begin 0 --legacy
like "l3fwd-power, legacy" 'Selected operation mode: legacy' "$out"
like "... over shared memory" '^POWER: freqring stands in for librte_power: ivshmem' "$out"
unlike "... which is no stand-in's" 'simulated' "$out"
soon "its init went to the top, and silence steps down from there, each P-state in turn" \
	seen 2 '2301000 2300000 1800000 1200000 800000$'
soon "... of the other lcore's CPU as well" seen 1 '2301000 2300000 1800000 1200000 800000$'
mark
traffic_begin 8
soon "packets: the busy lcore's CPU goes to the top in one step" seen 2 '^2301000'
soon "they end: down again, each P-state in turn" seen 2 '2300000 1800000 1200000 800000$'
same "the silent lcore's CPU was not touched meanwhile" "" "$(host_pstates 1 "${marks[1]}")"
same "what is in force is what the status says" "[800000, 800000]" "$(st "[cpu(1)['khz'], cpu(2)['khz']]")"
guest "$power_vm" 'freqring-guest get'
like "... and what the guest sees" '^1 +1 +2 +800 ' "$out"
l3fwd_end
unlike "it ends in good order" 'Segmentation|Abort|failed' "$out"
soon_st "both CPUs are given back" "cpu(1)['decided_khz'] + cpu(2)['decided_khz']" 0
real_daemons=1
host_signal freqringd TERM
host_wait freqringd 60
cp "$(host_log freqringd)" "$(host_log freqringd1)"
real_end
