#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# Shows that the test host can be trusted: its P-states, the history of each
# outside, commands in it, and libvirt, a domain and freqringd in there. Prints
# how long each step took.
#
#	tests/long/test_host_selftest.sh BUILDDIR
#
# 0 all is well, 1 something is not, 77 a tool is missing.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/lib.sh
. "$sys_here/../host/lib.sh"

began=0

# step [WHAT]: says how long it is since the last step.
step()
{
	local now

	_vm_now now
	[ $# -eq 0 ] || note "$((((now - began) + 500) / 1000)) ms: $1"
	began=$now
}

# What came to the ports since `mark`, a line for each that anything came to.
mark()
{
	local cpu

	for ((cpu = 0; cpu < host_cpus; cpu++)); do
		marks[cpu]=$(host_pstates_count "$cpu")
	done
}

since()
{
	local cpu text

	for ((cpu = 0; cpu < host_cpus; cpu++)); do
		text=$(host_pstates "$cpu" "${marks[cpu]}")
		[ -z "$text" ] || printf '%s: %s\n' "$cpu" "${text//$'\n'/ }"
	done
}

marks=()
cpus=/sys/devices/system/cpu

run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
run host_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
vm_workdir_make || exit 1
step
host_start "$FR_BUILD" || bail "the host boots"
step "the host is ready"

# --- commands ---------------------------------------------------------------

run host_run true
same "a command" "0 " "$status $out"
step "a command"
run host_run 'echo out; echo err >&2; exit 7'
same "output and status" "7 out err" "$status ${out//$'\n'/ }"
step
pids=()
for i in 1 2 3 4; do
	host_run "sleep 1; echo $i" >"$VM_WORKDIR/out.$i" &
	pids+=($!)
done
wait "${pids[@]}"
same "four at a time" "1 2 3 4" "$(cat "$VM_WORKDIR"/out.* | tr '\n' ' ' | sed 's/ $//')"
step "four commands that take a second"
run host_run --timeout 1 'echo begun; sleep 60'
same "a deadline" 124 "$status"
like "what it wrote until then" '^begun$' "$out"
host_spawn napper 'echo here; sleep 60'
soon "a command in the background writes" grep -qsx here "$(host_log napper)"
check "it runs" host_alive napper
host_signal napper TERM
host_wait napper 10
same "it ends by the signal" 143 "$?"
same "the build is visible" 0 "$(host_run "test -x $FR_BUILD/host/freqringd; echo \$?")"
step "more commands"

# --- P-states ---------------------------------------------------------------

run host_run "cat $cpus/cpu?/cpufreq/scaling_driver | sort | uniq -c"
like "the driver of all six" '^ *6 acpi-cpufreq$' "$out"
run host_run "cat $cpus/cpu?/cpufreq/scaling_available_governors | sort -u"
same "governors" "conservative ondemand powersave userspace performance schedutil" "${out% }"
run host_run "cat $cpus/cpu?/cpufreq/scaling_available_frequencies | sort -u"
same "frequencies" "2301000 2300000 1800000 1200000 800000" "${out% }"
run host_run "cat $cpus/cpu?/cpufreq/related_cpus | tr '\n' ,"
same "CPUs of one policy" "0,1,2 3,2 3,4,5," "$out"
run host_run "cat $cpus/cpu?/cpufreq/freqdomain_cpus | tr '\n' ,"
same "CPUs of one domain" "0,1,2 3,2 3,4 5,4 5," "$out"

host_governor powersave
host_governor userspace
same "the lowest is set" "800000 800000 800000 800000 800000" \
	"$(for i in 0 1 2 4 5; do host_pstate "$i"; done | tr '\n' ' ' | sed 's/ $//')"
mark
host_run "for khz in 2301000 2300000 1800000 1200000; do
	echo \$khz >$cpus/cpu1/cpufreq/scaling_setspeed
done"
same "what CPU 1 was set to, at its port only" "1: 2301000 2300000 1800000 1200000" "$(since)"
mark
host_run "echo 1800000 >$cpus/cpu3/cpufreq/scaling_setspeed"
same "the policy of CPUs 2 and 3 is set at CPU 2" "2: 1800000" "$(since)"
same "and is in force for both" "1800000 1800000" \
	"$(host_run "cat $cpus/cpu[23]/cpufreq/scaling_cur_freq" | tr '\n' ' ' | sed 's/ $//')"
mark
host_run "echo 1200000 >$cpus/cpu4/cpufreq/scaling_setspeed"
same "CPU 4 without CPU 5" "4: 1200000" "$(since)"
mark
host_run "echo 1200000 >$cpus/cpu4/cpufreq/scaling_max_freq
	echo 2300000 >$cpus/cpu4/cpufreq/scaling_setspeed"
same "scaling_max_freq bounds the speed" 1200000 \
	"$(host_run "cat $cpus/cpu4/cpufreq/scaling_cur_freq")"
host_run "echo 2301000 >$cpus/cpu4/cpufreq/scaling_max_freq"
step "P-states"

host_run "echo 2301000 >$cpus/cpu1/cpufreq/scaling_setspeed"
mark
host_ceiling 2
same "the firmware's ceiling, and no more when more is asked for" "1800000 1800000 1800000" \
	"$(host_run "cat $cpus/cpu1/cpufreq/bios_limit $cpus/cpu1/cpufreq/scaling_max_freq
		echo 2300000 >$cpus/cpu1/cpufreq/scaling_setspeed
		cat $cpus/cpu1/cpufreq/scaling_setspeed" | tr '\n' ' ' | sed 's/ $//')"
same "it is kept" 1800000 "$(host_pstate 1)"
host_ceiling 0
same "the ceiling lifted" 2301000 "$(host_run "cat $cpus/cpu1/cpufreq/bios_limit")"
same "and the speed is again what was asked for" 2300000 "$(host_pstate 1)"
step "the ceiling"

# --- hotplug ----------------------------------------------------------------

host_run "echo 1200000 >$cpus/cpu1/cpufreq/scaling_setspeed; echo 0 >$cpus/cpu1/online"
run host_run "echo 800000 >$cpus/cpu1/cpufreq/scaling_setspeed"
like "a CPU that is offline cannot be set" 'resource busy' "$out"
host_run "echo 1 >$cpus/cpu1/online"
run host_run "cd $cpus/cpu1/cpufreq; cat scaling_driver scaling_governor scaling_setspeed"
like "online again, its governor is kept" '^userspace$' "$out"
note "the kernel takes its speed for ${out##*$'\n'}, its port was last set to $(host_pstate 1)"
run host_script <<-END
	cd $cpus/cpu1
	exec 3>cpufreq/scaling_setspeed
	(for i in 1 2 3 4 5 6 7 8; do echo 0 >online; echo 1 >online; done) &
	ok=0 busy=0 other=0 khz=800000
	while kill -0 \$! 2>/dev/null; do
		if error=\$( { echo \$khz >&3; } 2>&1); then
			ok=\$((ok + 1))
		elif [[ \$error == *'resource busy'* ]]; then
			busy=\$((busy + 1))
		else
			other=\$((other + 1))
		fi
	done
	echo "\$ok \$busy \$other"
END
read -r _ busy other <<<"$out"
note "while CPU 1 goes and comes 8 times: $out writes were done, busy, and else"
check "EBUSY can be provoked" test "${busy:-0}" -gt 0
same "no other failure" 0 "${other:-}"
step "hotplug"

# --- libvirt, a domain, freqringd -------------------------------------------

in='. tests/host/inside.sh;'
host_governor schedutil
step
run host_run "$in in_libvirt"
same "libvirt in there" "0 " "$status $out"
step "libvirt answers"
run host_run "$in in_domain vm 4 && vm_virsh domstate vm"
same "a domain" running "$out"
step "a domain runs"
run host_run "$in vm_virsh vcpupin vm 3 5 --live && vm_virsh vcpupin vm 3"
like "vcpupin" '3 +5' "$out"
step "vcpupin"
host_spawn freqringd "$in in_freqringd"
check "freqringd answers" host_run "$in in_ready"
step "freqringd answers"
run host_run "$in fr_wait 30 'vm +running' && fr status"
like "it serves the domain" '^ +3 +5 ' "$out"
step "the domain is served"
host_governor powersave
mark
run host_run "$in in_post vm 0 max min 1200000 up"
like "requests are granted" '^up: wish kHz 1800000, granted 1800000' "$out"
step "four requests"
same "they came out at port 1, and nothing else anywhere" \
	"1: 2301000 800000 1200000 1800000" "$(since)"
run host_run "$in in_post vm 3 storm=10000"
like "a storm" '^storm=10000: wish max 2301000, granted 2301000' "$out"
same "it ends at the top" 2301000 "$(host_pstate 5)"
step "a storm of 10000"
run host_run "$in in_post vm 0 release && in_post vm 3 release; cat $cpus/cpu[15]/cpufreq/scaling_governor"
like "released CPUs have their governor again" '^powersave$' "$out"
host_signal freqringd TERM
host_wait freqringd 30
same "freqringd ends" 0 "$?"
step "freqringd ends"
if [ "$sys_failed" -ne 0 ]; then
	note "what freqringd wrote:"
	cat "$(host_log freqringd)"
fi

check "the host is switched off" host_stop
step "the host is off"
sys_end
