#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# The real librte_power, driven by a guest, on a simulated sysfs: a tree of
# plain files that only the daemon sees (a mount namespace of its own), laid
# out as acpi-cpufreq does it. What a kernel would make of it is not tested.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

[ "$(id -u)" -eq 0 ] || skip "a mount namespace is for root"
unshare -m true 2>/dev/null || skip "no mount namespace here"
sys_begin

# Plain files are not cut when they are written: values of one width, and
# names compared by their beginning.
tree=$VM_WORKDIR/sys-cpu
mkdir -p "$tree"
for file in online possible present; do
	cat "/sys/devices/system/cpu/$file" >"$tree/$file"
done
for ((cpu = 0; cpu < $(nproc); cpu++)); do
	mkdir -p "$tree/cpu$cpu/cpufreq" "$tree/cpu$cpu/topology" "$tree/cpu$cpu/node0"
	cp "/sys/devices/system/cpu/cpu$cpu/topology/"{core_id,physical_package_id} \
		"$tree/cpu$cpu/topology/"
	echo acpi-cpufreq >"$tree/cpu$cpu/cpufreq/scaling_driver"
	echo ondemand >"$tree/cpu$cpu/cpufreq/scaling_governor"
	echo "2301000 2300000 1800000 1200000 " \
		>"$tree/cpu$cpu/cpufreq/scaling_available_frequencies"
	echo 1800000 >"$tree/cpu$cpu/cpufreq/scaling_setspeed"
	echo 1800000 >"$tree/cpu$cpu/cpufreq/scaling_cur_freq"
done

# The daemon as before, but below the tree.
real=$FR_BUILD
FR_BUILD=$VM_WORKDIR/below
mkdir -p "$FR_BUILD/host"
ln -s "$real/host/freqring" "$FR_BUILD/host/freqring"
cat >"$FR_BUILD/host/freqringd" <<END
#!/bin/sh
exec unshare -m sh -c 'mount --make-rprivate / &&
	mount --bind $tree /sys/devices/system/cpu && exec "\$0" "\$@"' $real/host/freqringd "\$@"
END
chmod +x "$FR_BUILD/host/freqringd"

file()	# CPU NAME: the first seven characters
{
	head -c 7 "$tree/cpu$1/cpufreq/$2"
}

here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu vm_xml power 1 "$(sys_shm power)" | vm_define ||
	bail "a domain"
vm_start power || bail "a guest"
FR_BACKEND=librte_power fr_start || bail "freqringd with librte_power"
soon_st "served" "vm('power')['admitted']" true
same "backend" librte_power "$(st "s['backend']['name']")"
same "nobody asked: the governor is as it was" ondeman "$(file "$here_cpu" scaling_governor)"

guest power 'freqring-guest set 0 max'
like "set 0 max" 'granted 2301 MHz$' "$out"
same "... written" 2301000 "$(file "$here_cpu" scaling_setspeed)"
same "... under the governor that lets us" userspa "$(file "$here_cpu" scaling_governor)"
guest power 'freqring-guest set 0 turbo off'
same "turbo off: the first below" 2300000 "$(file "$here_cpu" scaling_setspeed)"
guest power 'freqring-guest set 0 down'
same "down" 1800000 "$(file "$here_cpu" scaling_setspeed)"
guest power 'freqring-guest set 0 min'
same "min" 1200000 "$(file "$here_cpu" scaling_setspeed)"
guest power 'freqring-guest set 0 1300'
same "1300 MHz: the next that is at least that" 1800000 "$(file "$here_cpu" scaling_setspeed)"
guest power 'freqring-guest set 0 3000'
like "3000 MHz is refused" 'refused' "$out"
same "... and changes nothing" 1800000 "$(file "$here_cpu" scaling_setspeed)"
guest power 'freqring-guest get 0'
unlike "nothing is called simulated" simulated "$out"

vm_virsh vcpupin power 0 "$there_cpu" --live >/dev/null || bail "vcpupin"
soon_st "re-pinned" "cpu($there_cpu)['decided_khz']" 1800000
same "... the new CPU is ours" userspa "$(file "$there_cpu" scaling_governor)"
same "... the old one has its governor back" ondeman "$(file "$here_cpu" scaling_governor)"

fr_stop
same "the daemon ends in good order" 0 "$?"
same "... and gives the CPU back" ondeman "$(file "$there_cpu" scaling_governor)"

# Without cpufreq it does not pretend.
rm -r "$tree"/cpu*/cpufreq
run "$FR_BUILD/host/freqringd" -c "$VM_WORKDIR/freqringd.conf"
same "no cpufreq: exit status" 1 "$status"
like "... and why" 'has no cpufreq driver .*backend = simulated' "$out"

sys_end
