#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 2700
# freqringd is killed with SIGKILL at 200 random moments, while four vCPUs go on
# asking: tests/host/swarm.c does that in the test host, and says how.
#
#	KILLS=N		so many instead
#	SEED=N		the random moments and requests of an earlier run
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/lib.sh
. "$sys_here/../host/lib.sh"

kills=${KILLS:-200}
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
in='. tests/host/inside.sh;'

run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
run host_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
note "SEED=$seed KILLS=$kills"
vm_workdir_make || exit 1
host_start "$FR_BUILD" || bail "the host boots"

# Governors of each kind: one that goes by the load, one that stays where it is,
# and the one that freqringd itself sets frequencies under.
run host_script <<-'END'
	cd /sys/devices/system/cpu
	echo schedutil >cpu0/cpufreq/scaling_governor
	echo powersave >cpu1/cpufreq/scaling_governor
	echo schedutil >cpu2/cpufreq/scaling_governor
	echo userspace >cpu4/cpufreq/scaling_governor
	echo 1200000 >cpu4/cpufreq/scaling_setspeed
	echo powersave >cpu5/cpufreq/scaling_governor
END
same "governors are set" "0 " "$status $out"
# EAL loads all drivers of DPDK that it finds, which costs two thirds of a start.
host_run 'for d in /usr/lib/*/dpdk/pmds-*; do mount -t tmpfs none "$d"; done' >/dev/null
run host_run --timeout 300 "$in in_libvirt && in_domain vm 4 && vm_virsh domstate vm"
same "a domain" running "$out"

# What there is after a run in good order is all there may be.
files='find /tmp/in/fr /dev/shm /run /var/run/dpdk /tmp -maxdepth 1 ! -name "vmnet*" 2>/dev/null | sort'
host_spawn freqringd "$in in_freqringd"
check "freqringd answers" host_run "$in in_ready"
check "it serves the domain" host_run "$in fr_wait 60 'vm +running'"
host_signal freqringd TERM
host_wait freqringd 60
same "it ends" 0 "$?"
first=$(host_run "$files")
note "it took $SECONDS s until here"

host_spawn swarm "$in exec \$FR_BUILD/tests/host/swarm /dev/shm/freqring-vm \$HOST_SHARE/ports \
	$kills $seed \$FR_BUILD/host/freqringd -c \$VM_WORKDIR/freqringd.conf 2>\$HOST_SHARE/freqringd.log"
host_wait swarm $((kills * 12 + 240))
same "after each kill the next start goes on where the last one was" 0 "$?"
sed 's/^/# /' "$(host_log swarm)"
out=$(<"$(host_log swarm)")
like "at the end each last wish is in force" '^each last wish is in force$' "$out"
like "SIGTERM leaves nothing behind" '^after SIGTERM all is as it was$' "$out"
like "freqringd --restore leaves nothing behind" '^after --restore all is as it was$' "$out"
same "no entry of the journal is left" "00000000" \
	"$(host_run 'od -An -v -tx4 -w128 -j4096 /tmp/in/fr/cpufreq.journal | cut -c2-9 | sort -u')"
run diff <(printf "%s\n" "$first") <(host_run "$files")
same "no file is left, nor is one missing" "" "$out"
same "nor a process" "" "$(host_run 'pgrep freqringd')"
if [ "$sys_failed" -ne 0 ]; then
	note "what freqringd wrote last:"
	sed "s,^,#   ," "$HOST_SHARE/freqringd.log" | tail -n 60
fi
host_stop
sys_end
