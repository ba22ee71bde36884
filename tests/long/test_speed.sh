#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 900
# From a request in the ring to the write to sysfs having returned, beside
# librte_power called directly, in the same run: freqring-bench applied, in the
# test host, whose CPUs 0 to 5 are threads of QEMU. For each way to place them
# the figures are printed. Asserted is only that it ran, and what came out at the
# P-state port of CPU 1.
#
#	SAMPLES=N	so many of each kind, 2000 by default
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/lib.sh
. "$sys_here/../host/lib.sh"

samples=${SAMPLES:-2000}
bench=$FR_BUILD/bench/freqring-bench

run host_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
command -v taskset >/dev/null || skip "taskset is missing: install util-linux"
[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
vm_workdir_make || exit 1
host_start "$FR_BUILD" || bail "the host boots"
host_governor powersave

# place CORE CPU...: those CPUs of the host run on that real one
place()
{
	local task core=$1 cpu

	shift
	for task in /proc/"$_host_pid"/task/*; do
		for cpu; do
			[ "$(<"$task/comm")" != "CPU $cpu/TCG" ] ||
				taskset -pc "$core" "${task##*/}" >/dev/null
		done
	done
}

# Each value differs from the last, and is one of two.
alternates()
{
	awk '$1 == last || ($1 != 800000 && $1 != 2301000) { print NR ": " $1; exit 1 } { last = $1 }' <<<"$came"
}

# measure NAME OPTION...
measure()
{
	local name=$1 mark came

	shift
	mark=$(host_pstates_count 1)
	run host_run --timeout 100 "exec $bench applied $* -k 1 -n $samples -s"
	note "$name (applied $*): without librte_power and sysfs"
	sed 's/^/#   /' <<<"$out"
	run host_run --timeout 200 "exec $bench applied $* -k 1 -n $samples"
	note "with them:"
	sed 's/^/#   /' <<<"$out"
	same "$name: it ran" 0 "$status"
	like "$name: both were measured" '^to_bare_call +[0-9.]+$' "$out"
	came=$(host_pstates 1 "$mark")
	check "$name: the lowest and the highest came to the port in turn" alternates
	check "$name: as often as was asked" test "$(wc -w <<<"$came")" -ge $((2 * samples))
	same "$name: the CPU is as it was" "powersave 800000" \
		"$(host_run 'cat /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor') $(tail -n 1 <<<"$came")"
}

# The poller spins on CPU 0, which has a real core to itself where it can be.
mapfile -t real < <(taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' |
	while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done)
place "${real[0]}" 0
place "${real[1]}" 1 2 3 4 5
measure "the applier on the poller's CPU" -c 2 -C 0
measure "the applier on a CPU of its own, beside the client" -c 2 -C 0 -A 3
place "${real[0]}" 0 2
place "${real[1]}" 1 3 4 5
measure "the applier on a CPU and a real core of its own" -c 2 -C 0 -A 3
host_stop
sys_end
