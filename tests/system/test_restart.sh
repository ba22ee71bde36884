#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# Everything that can come and go does so, by SIGTERM and by SIGKILL: the
# daemon, the guest's program, the VM, QEMU, libvirtd. Wishes stay with who
# has them, and CPUs go back when nobody has one.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu
export VM_PINS VM_EMULATORPIN
vm_xml a 1 "$(sys_shm a)" | vm_define || bail "a domain"
vm_start a || bail "a guest"
fr_start || bail "freqringd"
soon_st "the VM is admitted" "vm('a')['admitted']" true

decided="cpu($here_cpu)['decided_khz']"

# keep WORDS: a program in the guest that runs on
keep()
{
	vm_exec a ": >/tmp/keeper; keeper $* >>/tmp/keeper 2>&1 & echo \$! >/tmp/keeper.pid" >/dev/null
}

kept_says()
{
	vm_exec a 'tail -n 1 /tmp/keeper' | grep -qE -- "$1"
}

unkeep()
{
	vm_exec a "kill -${1:-TERM} \$(cat /tmp/keeper.pid)
		while kill -0 \$(cat /tmp/keeper.pid) 2>/dev/null; do usleep 20000; done
		cat /tmp/keeper"
}

# bash says "Killed" on its own
end_daemon()
{
	{ fr_stop "$1"; ended=$?; } 2>/dev/null
}

incarnation()
{
	st "vm('a')['incarnation']"
}

# --- a program that lives through restarts of the daemon ---
keep 0 max
soon_st "a program in the guest is served" "$decided" 2601000
same "its attach and its wish, however often it says it" 2 "$(st "vm('a')['requests']")"
first=$(incarnation)
requests=2
for signal in TERM KILL; do
	end_daemon "$signal"
	same "SIG$signal: the daemon ends with" "$([ "$signal" = TERM ] && echo 0 || echo 137)" "$ended"
	word=$([ "$signal" = TERM ] && echo 'it said good-bye' || echo 'stopped without a word')
	guest a 'freqring-guest info'
	like "SIG$signal: info in the guest" "$word" "$out"
	guest a 'freqring-guest set 0 min'
	same "SIG$signal: set in the guest, exit status" 1 "$status"
	like "SIG$signal: ... says that the daemon is away" "freqringd is not running.*$word" "$out"
	soon "SIG$signal: the program sees it" kept_says "host ($([ "$signal" = TERM ] && echo stopped || echo dead))"
	fr_start || bail "freqringd after SIG$signal"
	soon_st "SIG$signal: after the restart the vote is in force" "$decided" 2601000
	soon "SIG$signal: the program goes on" kept_says '^ok .* host alive granted 2601000 '
	next=$(incarnation)
	same "SIG$signal: one incarnation more" "$(((first + 1) & 0xffffff))" "$next"
	same "SIG$signal: the same epoch" 1 "$(st "vm('a')['epoch']")"
	requests=$((requests + 1))
	soon_st "SIG$signal: the wish was stated once more, nothing else" "vm('a')['requests']" "$requests"
	first=$next
done
run unkeep
like "the program counted the same" '^end posted 1 dropped [0-9]+ restated 2$' "$out"

# --- a wish that nobody repeats ---
guest a 'freqring-guest set 0 2000 && freqring-guest set 0 down'
same "set 2000, then down" 1700000 "$(st "$decided")"
requests=$(st "vm('a')['requests']")
for signal in KILL TERM KILL; do
	end_daemon "$signal"
	fr_start || bail "freqringd after SIG$signal"
	soon_st "SIG$signal: in force without a word from the guest" "$decided" 1700000
	same "SIG$signal: no request was made up" "$requests" "$(st "vm('a')['requests']")"
done

# --- killed in the middle of steps: each counts once ---
keep 0 steps 10
soon "steps run" sys_st_is "vm('a')['requests'] > $requests" true
for turn in 1 2 3; do
	sleep 0.7
	end_daemon KILL
	sleep 0.2
	fr_start || bail "freqringd, in the middle of steps"
	soon_st "kill $turn: served again" "vm('a')['admitted']" true
	count=$(st "vm('a')['requests']")
	soon "kill $turn: the steps go on" sys_st_is "vm('a')['requests'] > $count" true
done
soon "the steps end" kept_says '^pairs|^given|^not'
guest a 'cat /tmp/keeper'
note "$out"
like "as many down as up: the wish is where it was" '^pairs [0-9]+ .* wish_khz 1700000$' "$out"
like "... and was never stated anew" ' restated 0 ' "$out"
same "... for the host, too" 1700000 "$(st "$decided")"

# --- the guest's program dies, and another comes, while the daemon is away ---
guest a 'freqring-guest set 0 1400'
requests=$(st "vm('a')['requests']")
end_daemon KILL
keep 0 alternate
sleep 1.5
run unkeep KILL
keep 0 2000000
sleep 0.3
fr_start || bail "freqringd"
soon_st "who came last has the vote" "$decided" 2000000
run unkeep
restated=$(sed -n 's/^end posted 1 dropped [0-9]* restated //p' <<<"$out")
same "what the dead program had left in the ring was withdrawn" $((requests + 2 + ${restated:-100})) \
	"$(st "vm('a')['requests']")"

# --- a program dies while the daemon lives ---
keep 0 alternate
soon_st "an alternating program" "$decided" 800000
soon_st "... alternates" "$decided" 2601000
vm_exec a 'kill -9 $(cat /tmp/keeper.pid)' >/dev/null
guest a 'freqring-guest set 0 1100'
same "its end frees the vCPU at once, exit status" 0 "$status"
same "... and the new wish is in force" 1100000 "$(st "$decided")"

# --- the VM ---
epoch=$(st "vm('a')['epoch']")
vm_stop a || bail "virsh destroy"
soon_st "destroyed: the CPU is given back" "$decided" 0
soon_st "... not served" "vm('a')['admitted']" false
vm_start a || bail "the guest, a second time"
soon_st "started again: served" "vm('a')['admitted']" true
same "... under a new epoch" $((epoch + 1)) "$(st "vm('a')['epoch']")"
same "... without the wish of the one before" none "$(st "ch('a', 0)['wish']")"
same "... which asked for nothing yet" 0 "$(st "vm('a')['requests']")"
guest a 'freqring-guest set 0 1400'
same "... and asks" 1400000 "$(st "$decided")"

kill -KILL "$(vm_qemu_pid a)"
soon_st "QEMU is killed: the CPU is given back" "$decided" 0
soon_st "... not served" "vm('a')['state']" defined
vm_start a || bail "the guest, a third time"
soon_st "a third start: served" "vm('a')['admitted']" true
same "... under a new epoch" $((epoch + 2)) "$(st "vm('a')['epoch']")"

# --- the VM, while the daemon is away ---
guest a 'freqring-guest set 0 max'
end_daemon KILL
vm_stop a
vm_start a || bail "the guest, a fourth time"
guest a 'freqring-guest set 0 max'
same "no daemon since the start, set's exit status" 1 "$status"
fr_start || bail "freqringd"
soon_st "the daemon is back: another VM process, another epoch" "vm('a')['epoch']" $((epoch + 3))
same "... and the wish of the one before is void" 0 "$(st "$decided")"
guest a 'freqring-guest set 0 1400'
end_daemon KILL
vm_stop a
fr_start || bail "freqringd"
soon_st "VM gone while the daemon was: no vote" "vm('a')['state']" defined
same "... the CPU is nobody's" 0 "$(st "$decided")"
vm_start a || bail "the guest, a fifth time"
soon_st "served" "vm('a')['admitted']" true

# --- libvirtd ---
VM_PINS="0:$there_cpu" vm_xml b 1 "$(sys_shm b)" | vm_define || bail "a second domain"
soon_st "a second VM is known" "vm('b')['state']" defined
guest a 'freqring-guest set 0 max'
vm_libvirt_kill9 || bail "no libvirtd to kill"
soon_st "libvirtd is killed: status says so" "s['libvirt']['connected']" false
like "... to people, too" 'NOT CONNECTED' "$(fr status)"
same "... the last table stays in force" 2601000 "$(st "$decided")"
guest a 'freqring-guest set 0 1400'
same "... requests are served, exit status" 0 "$status"
same "... and decided" 1400000 "$(st "$decided")"
fr_stop
fr_start || bail "freqringd without libvirt"
same "a daemon that starts now serves nobody" '[]' "$(st "[v['name'] for v in s['vms'] if v['admitted']]")"
vm_libvirt_start || bail "libvirtd again"
vm_start b || bail "a second guest"
soon_st "libvirtd is back: connected" "s['libvirt']['connected']" true
soon_st "... the VM that went on is served, with its wish" "$decided" 1400000
soon_st "... and the VM that was started meanwhile" "vm('b')['admitted']" true
vm_libvirt_kill9 || bail "no libvirtd to kill"
soon_st "killed again" "s['libvirt']['connected']" false
kill -KILL "$(vm_qemu_pid b)"
vm_libvirt_start || bail "libvirtd again"
vm_virsh vcpupin a 0 "$there_cpu" --live >/dev/null || bail "vcpupin"
soon_st "back again: the new pin is followed" "cpu($there_cpu)['decided_khz']" 1400000
same "... the old CPU given back" 0 "$(st "$decided")"
soon_st "... the VM that died meanwhile is not served" "vm('b')['admitted']" false
guest a 'freqring-guest set 0 min'
same "... and requests are served" 800000 "$(st "cpu($there_cpu)['decided_khz']")"

# --- the end ---
fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
