#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 1500
# CPUs are plugged while the vCPUs on them ask: CPU 1, and CPU 2, which shares its
# cpufreq policy with CPU 3. Then freqringd ends while one is offline.
#
#	LOOPS=N		so often, 60 by default
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/lib.sh
. "$sys_here/../host/lib.sh"

loops=${LOOPS:-60}
in='. tests/host/inside.sh;'
cpus=/sys/devices/system/cpu

run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
run host_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
vm_workdir_make || exit 1
host_start "$FR_BUILD" || bail "the host boots"
host_governor powersave
run host_run --timeout 300 "$in in_libvirt && in_domain vm 2 && vm_virsh domstate vm"
same "a domain" running "$out"
host_spawn freqringd "$in in_freqringd"
check "freqringd answers" host_run "$in in_ready && fr_wait 60 'vm +running'"
run host_run "$in in_post vm 0 max min && in_post vm 1 max min; pgrep freqringd"
like "both vCPUs are served" '^min: wish min 800000, granted 800000' "$out"
pid=${out##*$'\n'}
like "its process is known" '^[0-9]+$' "$pid"

# Of each thread but the poller, which spins: hundredths of a second that it used.
used()
{
	host_script <<-END
		for t in /proc/$pid/task/*; do
			read -r name <"\$t/comm"
			[ "\$name" != rte-worker-126 ] || continue
			read -r line <"\$t/stat"
			read -r -a f <<<"\${line##*) }"
			echo "\$name \$((f[11] + f[12]))"
		done
	END
}

# busy NAME PERCENT COMMAND...: that command makes no thread use more of a CPU
busy()
{
	local name=$1 percent=$2 before begin now spent ms

	shift 2
	before=$(used)
	_vm_now begin
	"$@"
	spent=$(join <(sort <<<"$before") <(used | sort) | awk '$3 > $2 { print $3 - $2, $1 }' | sort -rn)
	_vm_now now
	ms=$(((now - begin) / 1000))
	note "in $ms ms, threads used hundredths of a second: $(tr '\n' ' ' <<<"$spent")"
	check "$name" test $((${spent%%[!0-9]*}0 * 100)) -le $((ms * percent))
}

at_port()	# CPU KHZ
{
	[ "$(host_pstate "$1")" = "$2" ]
}

verified()
{
	host_run "$in fr verify" >/dev/null
}

plug()
{
	run host_script --timeout 900 <<-END
		cd $cpus
		for ((i = 1; i <= $loops; i++)); do
			for cpu in 1 2; do
				[ \$cpu = 1 ] || [ \$((i % 3)) = 0 ] || continue
				echo 0 >cpu\$cpu/online || echo "CPU \$cpu cannot be unplugged"
				sleep 0.\$((i % 4))
				echo 1 >cpu\$cpu/online || echo "CPU \$cpu cannot be plugged"
				sleep 0.\$((i % 3))
			done
		done
	END
}

# --- plugged again and again ----------------------------------------------------

host_spawn one "$in while :; do in_post vm 0 ask=20 || exit; done"
host_spawn two "$in while :; do in_post vm 1 ask=20 || exit; done"
busy "no thread is busy while CPUs are plugged" 60 plug
same "CPU 1 was plugged $loops times, CPU 2 a third of that" "0 " "$status $out"
check "the vCPU on CPU 1 was answered all the time" host_alive one
check "the vCPU on CPU 2 was answered all the time" host_alive two
host_signal one KILL
host_signal two KILL
sed 's/^/# /' "$(host_log one)" | grep applied | tail -n 2
sed 's/^/# /' "$(host_log two)" | grep applied | tail -n 2
same "freqringd is the same process" "$pid" "$(host_run pgrep freqringd)"

# --- asked while it is offline ----------------------------------------------------

for cpu in 1 2; do
	host_run "echo 0 >$cpus/cpu$cpu/online"
done
run host_run "$in in_post vm 0 1200000"
like "a vCPU is told that its CPU is offline" 'granted 0,.* the physical CPU is offline$' "$out"
run host_run "$in in_post vm 1 1800000"
note "CPU 2 offline, CPU 3 of its policy not: $out"
busy "no thread is busy while CPUs are offline" 30 sleep 5
for cpu in 1 2; do
	host_run "echo 1 >$cpus/cpu$cpu/online"
done
soon "the wish is in force on CPU 1 once it is back" at_port 1 1200000
soon "the wish is in force on CPU 2 once it is back" at_port 2 1800000
soon "freqring verify finds no difference" verified
busy "no thread is busy afterwards" 30 sleep 5
run host_run "$in in_post vm 0 max && in_post vm 1 max"
same "both go on being served" 2 "$(grep -c 'granted 2301000.*: granted$' <<<"$out")"
same "at their ports, too" "2301000 2301000" "$(host_pstate 1) $(host_pstate 2)"

# --- the end comes while it is offline --------------------------------------------

journal()
{
	host_run 'od -An -v -tx4 -w128 -j4096 /tmp/in/fr/cpufreq.journal | cut -c2-9 | grep -n -v 00000000 | xargs'
}

host_run "echo 0 >$cpus/cpu1/online"
host_signal freqringd TERM
host_wait freqringd 60
note "freqringd ended with status $?"
out=$(<"$(host_log freqringd)")
like "it says which CPU it could not give back" 'CPU 1 .*offline' "$(tail -n 5 <<<"$out")"
like "and what to do" 'could not be given back .*--restore' "$out"
same "the journal keeps CPU 1, and no other" 2:00000001 "$(journal)"
same "CPU 2 is as it was" powersave "$(host_run "cat $cpus/cpu2/cpufreq/scaling_governor")"
run host_run "$in in_freqringd --restore"
same "--restore cannot help while it is offline" 1 "$status"
like "and says so" 'CPU 1 is offline' "$out"
host_run "echo 1 >$cpus/cpu1/online"
run host_run "$in in_freqringd --restore"
same "once it is online --restore puts it back" "0 CPU 1: governor powersave" "$status $out"
same "it is as it was" "powersave 800000" \
	"$(host_run "cat $cpus/cpu1/cpufreq/scaling_governor") $(host_pstate 1)"
same "the journal is empty" "" "$(journal)"
if [ "$sys_failed" -ne 0 ]; then
	note "what freqringd wrote:"
	sed 's/^/#   /' "$(host_log freqringd)" | tail -n 80
fi
host_stop
sys_end
