#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# Each cpufreq driver that librte_power knows, driven by a guest: on a
# simulated sysfs, a tree of plain files that only the daemon sees (a mount
# namespace of its own), laid out as the driver does it. What a kernel makes
# of the writes is tested in tests/host, for acpi-cpufreq.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

[ "$(id -u)" -eq 0 ] || skip "a mount namespace is for root"
unshare -m true 2>/dev/null || skip "no mount namespace here"
sys_begin

tree=$VM_WORKDIR/sys-cpu
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1

# The daemon as before, but below the tree.
real=$FR_BUILD
FR_BUILD=$VM_WORKDIR/below
mkdir -p "$FR_BUILD/host" "$tree"
ln -s "$real/host/freqring" "$FR_BUILD/host/freqring"
cat >"$FR_BUILD/host/freqringd" <<END
#!/bin/sh
exec unshare -m sh -c 'mount --make-rprivate / &&
	mount --bind $tree /sys/devices/system/cpu && exec "\$0" "\$@"' $real/host/freqringd "\$@"
END
chmod +x "$FR_BUILD/host/freqringd"

# ---- the tree ---------------------------------------------------------------

# librte_power writes numbers without a newline, and plain files are not cut:
# all frequencies have seven digits.
base()	# DRIVER GOVERNOR MIN MAX SETSPEED
{
	local cpu dir file

	rm -rf "${tree:?}"/*
	for file in online possible present; do
		cat "/sys/devices/system/cpu/$file" >"$tree/$file"
	done
	for ((cpu = 0; cpu < $(nproc); cpu++)); do
		dir=$tree/cpu$cpu
		mkdir -p "$dir/cpufreq" "$dir/topology" "$dir/node0"
		cp "/sys/devices/system/cpu/cpu$cpu/topology/"{core_id,physical_package_id} \
			"$dir/topology/"
		echo "$cpu" | tee "$dir/cpufreq/related_cpus" >"$dir/cpufreq/affected_cpus"
		echo "$1" >"$dir/cpufreq/scaling_driver"
		echo "$2" >"$dir/cpufreq/scaling_governor"
		echo "$3" >"$dir/cpufreq/scaling_min_freq"
		echo "$4" >"$dir/cpufreq/scaling_max_freq"
		echo "$5" >"$dir/cpufreq/scaling_setspeed"
		echo 1200000 >"$dir/cpufreq/scaling_cur_freq"
		echo 10000 >"$dir/cpufreq/cpuinfo_transition_latency"
	done
}

each()	# FILE TEXT: in the tree of each CPU
{
	local cpu

	for ((cpu = 0; cpu < $(nproc); cpu++)); do
		mkdir -p "$(dirname "$tree/cpu$cpu/$1")"
		echo "$2" >"$tree/cpu$cpu/$1"
	done
}

acpi_tree()
{
	base acpi-cpufreq ondemand 1200000 2301000 1800000
	each cpufreq/scaling_available_frequencies "2301000 2300000 1800000 1200000 "
	each cpufreq/cpuinfo_max_freq 2301000
	each cpufreq/cpuinfo_min_freq 1200000
	each cpufreq/bios_limit 2301000
}

# Turbo to 3.5 GHz, 2.3 GHz without. The limits are not the hardware's.
pstate_tree()	# DRIVER GOVERNOR
{
	base "$1" "$2" 1100000 3100000 "<unsupported>"
	each cpufreq/cpuinfo_max_freq 3500000
	each cpufreq/cpuinfo_min_freq 1000000
	each cpufreq/base_frequency 2300000
	mkdir "$tree/intel_pstate"
	echo 52 >"$tree/intel_pstate/turbo_pct"
}

# Turbo to 3 GHz, 2 GHz without. In force is what is in no table.
cppc_tree()
{
	base cppc_cpufreq schedutil 1000000 3000000 2730000
	each cpufreq/cpuinfo_max_freq 3000000
	each cpufreq/cpuinfo_min_freq 1000000
	each acpi_cppc/highest_perf 300
	each acpi_cppc/nominal_perf 200
}

# The first word of a file.
file()	# CPU NAME
{
	local word

	read -r word _ <"$tree/cpu$1/cpufreq/$2"
	printf '%s\n' "$word"
}

is_file()	# CPU NAME VALUE
{
	[ "$(file "$1" "$2")" = "$3" ]
}

# What the daemon may change, in one line.
all_of()	# CPU
{
	local name

	for name in scaling_governor scaling_setspeed scaling_min_freq scaling_max_freq; do
		printf '%s ' "$(file "$1" "$name")"
	done
}

# The names of the files below a CPU that are written from now on, as they are.
watch_writes()	# CPU
{
	rm -f "$VM_WORKDIR/written"
	"$sys_python" - "$tree/cpu$1/cpufreq" >"$VM_WORKDIR/written" <<'END' &
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, sys.argv[1].encode(), 2)
print(end="written: ", flush=True)
while True:
	data = os.read(fd, 65536)
	while data:
		length = struct.unpack_from("iIII", data)[3]
		print(data[16:16 + length].rstrip(b"\0").decode(), end=" ", flush=True)
		data = data[16 + length:]
END
	watcher=$!
	vm_own_pid "$watcher"
	_vm_wait 20 test -s "$VM_WORKDIR/written" || bail "a look at writes"
}

has_written()
{
	[ "$(<"$VM_WORKDIR/written")" = "written: $1" ]
}

same_writes()	# NAME FILES
{
	soon "$1" has_written "$2"
	{ kill "$watcher" && wait "$watcher"; } 2>/dev/null
}

# ---- the daemon ---------------------------------------------------------------

begin()
{
	FR_BACKEND=librte_power fr_start || bail "freqringd with librte_power"
	soon_st "served" "vm('power')['admitted']" true
}

# bash says "Killed" on its own
end()	# SIGNAL
{
	{ fr_stop "$1"; ended=$?; } 2>/dev/null
}

restore()
{
	run "$FR_BUILD/host/freqringd" -c "$VM_WORKDIR/freqringd.conf" --restore
}

# On a busy machine the daemon may be still for longer than the guest believes
# in it: then nothing was asked, and can be again.
set_to()	# WISH... | turbo on|off
{
	local _ patience=

	[ "$1" = turbo ] || patience="-w 30"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		guest power "freqring-guest set 0 $* $patience"
		case $out in
		*"heartbeat is still"*) sleep 0.5 ;;
		*"did not answer in time"*) [ "$1" = turbo ] || return ;;
		*) return ;;
		esac
	done
	note "set 0 $*: $out"
}

VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu vm_xml power 1 "$(sys_shm power)" | vm_define ||
	bail "a domain"
vm_start power || bail "a guest"

# ---- acpi-cpufreq --------------------------------------------------------------

note "acpi-cpufreq"
acpi_tree
before=$(all_of "$here_cpu")
begin
same "backend" librte_power "$(st "s['backend']['name']")"
same "driver" acpi-cpufreq "$(st "cpu($here_cpu)['driver']")"
same "nobody asked: the CPU is as it was" "$before" "$(all_of "$here_cpu")"

set_to max
like "set 0 max" 'granted 2301 MHz$' "$out"
same "... written" 2301000 "$(file "$here_cpu" scaling_setspeed)"
same "... under the governor that lets us" userspace "$(file "$here_cpu" scaling_governor)"
set_to turbo off
same "turbo off: the first below" 2300000 "$(file "$here_cpu" scaling_setspeed)"
set_to down
same "down" 1800000 "$(file "$here_cpu" scaling_setspeed)"
set_to min
same "min" 1200000 "$(file "$here_cpu" scaling_setspeed)"
set_to 1300
same "1300 MHz: the next that is at least that" 1800000 "$(file "$here_cpu" scaling_setspeed)"
set_to 3000
like "3000 MHz is refused" 'refused' "$out"
same "... and changes nothing" 1800000 "$(file "$here_cpu" scaling_setspeed)"
guest power 'freqring-guest get 0'
unlike "nothing is called simulated" simulated "$out"

each cpufreq/bios_limit 1200000
soon "the firmware's limit" is_file "$here_cpu" scaling_setspeed 1200000
each cpufreq/bios_limit 2301000
soon "... is lifted" is_file "$here_cpu" scaling_setspeed 1800000

vm_virsh vcpupin power 0 "$there_cpu" --live >/dev/null || bail "vcpupin"
soon_st "re-pinned" "cpu($there_cpu)['decided_khz']" 1800000
same "... the new CPU is ours" userspace "$(file "$there_cpu" scaling_governor)"
soon "... the old one has its governor back" is_file "$here_cpu" scaling_governor ondemand
same "... and all else" "$before" "$(all_of "$here_cpu")"
vm_virsh vcpupin power 0 "$here_cpu" --live >/dev/null || bail "vcpupin"
soon_st "pinned as before" "cpu($here_cpu)['decided_khz']" 1800000
end TERM
same "the daemon ends in good order" 0 "$ended"
same "... and gives the CPU back" "$before" "$(all_of "$here_cpu")"
same "... and the other" "$before" "$(all_of "$there_cpu")"
restore
same "nothing is left to restore" "0 " "$status $out"

note "killed, and restored"
begin
set_to turbo on
set_to max
same "set" 2301000 "$(file "$here_cpu" scaling_setspeed)"
restore
same "--restore beside a daemon: exit status" 1 "$status"
like "... and why" 'a freqringd works there' "$out"
end KILL
same "killed: its governor stays" userspace "$(file "$here_cpu" scaling_governor)"
restore
same "--restore" "0 CPU $here_cpu: governor ondemand, 1800000 kHz" "$status $out"
same "... all as before" "$before" "$(all_of "$here_cpu")"
restore
same "--restore again: nothing" "0 " "$status $out"

note "killed, and adopted"
begin
soon_st "the wish outlived it" "cpu($here_cpu)['decided_khz']" 2301000
set_to 1800
end KILL
begin
soon_st "adopted" "cpu($here_cpu)['control']" ours
same "... as it was" "userspace 1800000" \
	"$(file "$here_cpu" scaling_governor) $(file "$here_cpu" scaling_setspeed)"
end TERM
same "... and given back as it was before both" "$before" "$(all_of "$here_cpu")"

note "crashed"
begin
soon_st "taken" "cpu($here_cpu)['control']" ours
set_to min
end ILL
same "it died of SIGILL" 132 "$ended"
same "... and has put the CPU back" "$before" "$(all_of "$here_cpu")"
restore
same "--restore makes sure" "0 CPU $here_cpu: governor ondemand, 1800000 kHz" \
	"$status $out"
same "... and changes nothing" "$before" "$(all_of "$here_cpu")"

note "somebody else's governor"
begin
soon_st "taken" "cpu($here_cpu)['control']" ours
each cpufreq/scaling_governor schedutil
soon_st "drift: yield" "cpu($here_cpu)['control']" "foreign governor"
end TERM
same "... and it stays theirs" schedutil "$(file "$here_cpu" scaling_governor)"

acpi_tree
FR_CONFIG=$'[power]\ndrift = assert'
begin
soon_st "taken" "cpu($here_cpu)['control']" ours
echo schedutil >"$tree/cpu$here_cpu/cpufreq/scaling_governor"
soon "drift: assert" is_file "$here_cpu" scaling_governor userspace
end TERM
same "... and all as before" "$before" "$(all_of "$here_cpu")"
FR_CONFIG=

# ---- intel_pstate ---------------------------------------------------------------

limits()
{
	printf '%s' "$(file "$here_cpu" scaling_min_freq) $(file "$here_cpu" scaling_max_freq)"
}

for driver in intel_pstate:powersave intel_cpufreq:schedutil; do
	note "$driver"
	pstate_tree "${driver%:*}" "${driver#*:}"
	before=$(all_of "$here_cpu")
	begin
	soon_st "the wish is done" "cpu($here_cpu)['decided_khz']" 1000000
	same "... under the governor that lets us" performance "$(file "$here_cpu" scaling_governor)"
	same "... by both limits" "1000000 1000000" "$(limits)"
	same "its table: turbo, and 14 below" 15 "$(st "cpu($here_cpu)['nb_freqs']")"
	set_to 2000
	same "2000 MHz" "2000000 2000000" "$(limits)"
	set_to turbo on
	set_to max
	like "max" 'granted 2300\.001 MHz$' "$out"
	same "... is all that the CPU can" "3500000 3500000" "$(limits)"
	set_to turbo off
	same "turbo off" "2300000 2300000" "$(limits)"
	watch_writes "$here_cpu"
	set_to down
	same_writes "down: the minimum first" "scaling_min_freq scaling_max_freq "
	same "... written" "2200000 2200000" "$(limits)"
	echo 3500000 >"$tree/cpu$here_cpu/cpufreq/scaling_max_freq"
	soon_st "somebody else's limit" "cpu($here_cpu)['control']" "foreign frequency"
	set_to min
	same "... until something else is asked" "1000000 1000000" "$(limits)"
	end TERM
	same "given back, limits and all" "$before" "$(all_of "$here_cpu")"

	begin
	soon_st "taken" "cpu($here_cpu)['control']" ours
	echo ondemand >"$tree/cpu$here_cpu/cpufreq/scaling_governor"
	soon_st "another governor" "cpu($here_cpu)['control']" "foreign governor"
	end TERM
	same "... stays, and the limits are back" "ondemand 1100000 3100000" \
		"$(file "$here_cpu" scaling_governor) $(limits)"

	pstate_tree "${driver%:*}" "${driver#*:}"
	begin
	set_to 2000
	end KILL
	begin
	soon_st "killed, and adopted" "cpu($here_cpu)['control']" ours
	same "... as it was" "2000000 2000000" "$(limits)"
	set_to min
	end KILL
	restore
	same "killed, and restored" \
		"0 CPU $here_cpu: governor ${driver#*:}, 1100000 to 3100000 kHz" "$status $out"
	same "... all as before" "$before" "$(all_of "$here_cpu")"
done

note "intel_pstate, whose governor is the one we use"
pstate_tree intel_pstate performance
before=$(all_of "$here_cpu")
begin
soon_st "taken" "cpu($here_cpu)['control']" ours
same "... by both limits" "1000000 1000000" "$(limits)"
end KILL
begin
soon_st "adopted" "cpu($here_cpu)['control']" ours
end TERM
same "given back, limits and all" "$before" "$(all_of "$here_cpu")"

# ---- cppc_cpufreq ---------------------------------------------------------------

note "cppc_cpufreq"
cppc_tree
before=$(all_of "$here_cpu")
begin
soon_st "the wish is done" "cpu($here_cpu)['decided_khz']" 1000000
same "its table: turbo, and 11 below" 12 "$(st "cpu($here_cpu)['nb_freqs']")"
set_to turbo on
set_to max
like "max" 'granted 3000 MHz$' "$out"
same "... written" "userspace 3000000" \
	"$(file "$here_cpu" scaling_governor) $(file "$here_cpu" scaling_setspeed)"
set_to turbo off
same "turbo off" 2000000 "$(file "$here_cpu" scaling_setspeed)"
set_to turbo on
set_to max
each cpufreq/scaling_max_freq 2500000
soon "somebody else's maximum" is_file "$here_cpu" scaling_setspeed 2000000
end TERM
same "given back, and that maximum stays" "schedutil 2730000 1000000 2500000 " \
	"$(all_of "$here_cpu")"
begin
soon_st "begun under that maximum: the same table" "cpu($here_cpu)['max_khz']" 3000000
each cpufreq/scaling_max_freq 3000000
soon "... and it is used when it is lifted" is_file "$here_cpu" scaling_setspeed 3000000
end TERM
same "given back" "$before" "$(all_of "$here_cpu")"

# ---- refused ---------------------------------------------------------------------

refused()	# WHAT REGEX
{
	run "$FR_BUILD/host/freqringd" -c "$VM_WORKDIR/freqringd.conf"
	same "$1: exit status" 1 "$status"
	like "... and why" "$2" "$out"
}

note "refused"
acpi_tree
each cpufreq/scaling_driver amd-pstate
if pkg-config --atleast-version=23.11 libdpdk; then
	note "amd-pstate: this DPDK has it"
else
	refused "amd-pstate" "cannot drive amd-pstate; that of DPDK 23\.11"
fi
each cpufreq/scaling_driver amd-pstate-epp
refused "amd-pstate-epp" 'cannot drive amd-pstate-epp'

acpi_tree
echo cppc_cpufreq >"$tree/cpu1/cpufreq/scaling_driver"
refused "two drivers" 'CPU 1 has the cpufreq driver cppc_cpufreq, the first managed CPU another'

acpi_tree
each cpufreq/affected_cpus "0 1 1000"
refused "a policy that reaches beyond" 'CPU 0 shares its cpufreq policy with CPU 1000, which is not managed'

acpi_tree
echo "not a journal" >"$VM_WORKDIR/fr/cpufreq.journal"
refused "a broken journal" 'cpufreq\.journal has another size.*remove it'
restore
same "... which --restore does not believe, either" 1 "$status"
rm "$VM_WORKDIR/fr/cpufreq.journal"

# Without cpufreq it does not pretend.
rm -r "$tree"/cpu*/cpufreq
refused "no cpufreq" 'has no cpufreq driver .*backend = simulated'

# ---- more CPUs than there are lcores, and a gap: with the simulated backend --------

note "many CPUs"
acpi_tree
for file in possible present; do
	echo 0-1,130-255 >"$tree/$file"
done
echo 0-1,130-149,151-255 >"$tree/online"
FR_BACKEND=simulated fr_start --managed-cpus 0,131-200 || bail "freqringd with 71 CPUs"
run fr set_cpu_freq_mask "0x1$(printf '%032d' 0)" max # CPU 128
same "CPU 128 is in the gap, exit status" 1 "$status"
like "... and named" 'CPU 128 is not managed \(managed_cpus = 0,131-200\)' "$out"
mask="0x1$(printf '%017d' 0)8$(printf '%032d' 0)" # CPUs 200 and 131
run fr set_cpu_freq_mask "$mask" 1400
same "CPUs 131 and 200 are set, exit status" "0 " "$status $out"
run fr show_cpu_freq_mask "$mask"
same "... as they say" "Core 131: 1400000 Core 200: 1400000" "$(xargs <<<"$out")"
run fr set_cpu_freq 150 max
same "CPU 150 is offline, exit status" 1 "$status"
like "... and named" 'CPU 150 is offline \(online: 0-1,130-149,151-255\)' "$out"
run fr vcpupin any 0 150
same "... nor is pinned to, exit status" 1 "$status"
like "... and named" 'CPU 150 is offline \(online: 0-1,130-149,151-255\)' "$out"
run fr set_cpu_freq 201 max
like "CPU 201 is not managed" 'CPU 201 is not managed' "$out"
run fr release all
same "released" "released: CPU 131,200" "$out"
fr_stop

sys_end
