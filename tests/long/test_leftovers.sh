#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# The demo leaves nothing behind: no process, socket, shared memory, folder or
# domain, when it ends by itself, by Ctrl-C, or by SIGTERM.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh"

run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
demo=$sys_here/../demo.sh
vm_workdir_make || exit 1
marks=$VM_WORKDIR/own

# Others may use this machine: what is the demo's is known by its pid, by the
# folders that it made, and by a word in its environment.
mkdir "$VM_WORKDIR/own/bin"
cat >"$VM_WORKDIR/own/bin/mktemp" <<END
#!/bin/sh
made=\$($(command -v mktemp) "\$@") || exit
echo "\$made" >>$marks/made
echo "\$made"
END
chmod +x "$VM_WORKDIR/own/bin/mktemp"

# demo OPTION...: starts it in a process group of its own, as a terminal does
demo_start()
{
	: >"$marks/made"
	word=freqring_leftovers_$RANDOM$RANDOM
	set -m
	FREQRING_LEFTOVERS=$word PATH=$VM_WORKDIR/own/bin:$PATH \
		"$BASH" "$demo" "$FR_BUILD" >"$VM_WORKDIR/demo.log" 2>&1 &
	demo_pid=$!
	set +m
	vm_own_pid "$demo_pid"
}

demo_said()
{
	grep -qE -- "$1" "$VM_WORKDIR/demo.log"
}

demo_end()
{
	wait "$demo_pid" 2>/dev/null
	ended=$?
}

# Prints what of the demo is still there.
left_over()
{
	local proc pid dir

	for proc in /proc/[0-9]*; do
		pid=${proc#/proc/}
		[ "$pid" != "$$" ] && [ "$pid" != "$BASHPID" ] || continue
		! _vm_all_gone "$pid" || continue
		if grep -qsF "$word" "$proc/environ" ||
				grep -qsFf "$marks/made" "$proc/cmdline" "$proc/environ"; then
			printf 'process %s: %s\n' "$pid" "$(tr '\0' ' ' <"$proc/cmdline")"
		fi
	done 2>/dev/null
	while read -r dir; do
		[ ! -e "$dir" ] || printf 'folder %s\n' "$dir"
	done <"$marks/made"
	[ ! -s "$marks/made" ] || grep -Ff "$marks/made" /proc/net/unix | sed 's/^/socket /'
	find /dev/shm -name "*[.-]$demo_pid" -o -name "*[.-]${demo_pid}[.-]*" | sed 's/^/object /'
	return 0
}

nothing_left()
{
	[ -z "$(left_over)" ]
}

# What is not the demo's by name has to be as it was.
machine()
{
	ls -1d /run/freqring /run/freqring/* /run/dpdk/* /run/dpdk/*/* /run/libvirt/qemu/* 2>/dev/null
	sed -n 's/.* \(@.*\(freqring\|dpdk\|libvirt\).*\)/\1/p' /proc/net/unix | sort -u
	virsh -c qemu:///system -q list --all --name 2>/dev/null </dev/null
	grep -E 'freqring' /proc/mounts
	cat /proc/sys/vm/nr_hugepages /proc/sys/fs/protected_regular
}

before=$(machine)

demo_start
demo_end
same "the demo, to its end: exit status" 0 "$ended"
[ "$ended" -eq 0 ] || sed 's/^/# /' "$VM_WORKDIR/demo.log"
check "... it came to its last line" demo_said '^A store in the VM was consumed by the host'
check "... it made a folder" test -s "$marks/made"
check "... nothing is left of it" nothing_left
left_over | sed 's/^/#   /'

# interrupt NAME LINE SIGNAL STATUS: when its log has that line
interrupt()
{
	demo_start
	_vm_wait 60 demo_said "$2" || bail "$1: the demo does not come to: $2"
	sleep 0.7
	if [ "$3" = INT ]; then
		kill -INT -- "-$demo_pid"
	else
		kill "-$3" "$demo_pid"
	fi
	demo_end
	same "$1: exit status" "$4" "$ended"
	[ "$ended" = "$4" ] || tail -n 15 "$VM_WORKDIR/demo.log" | sed 's/^/# /'
	soon "$1: nothing is left" nothing_left
	left_over | sed 's/^/#   /'
}

interrupt "Ctrl-C while the VM boots" '^2\. ' INT 130
interrupt "SIGTERM while the VM boots" '^2\. ' TERM 143
interrupt "Ctrl-C while pings run" '^5\. ' INT 130
interrupt "SIGTERM while the guest asks" '^6\. ' TERM 143

same "the machine is as it was" "$(md5sum <<<"$before")" "$(md5sum <<<"$(machine)")"
diff <(printf '%s\n' "$before") <(machine) | sed 's/^/#   /'
sys_end
