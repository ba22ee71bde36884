#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# Which VMs the daemon serves, what it makes of the files behind their
# regions, and what it says about those that it refuses.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_EMULATORPIN=$here_cpu
export VM_EMULATORPIN

# define NAME CPU [OBJECT]
define()
{
	VM_PINS="0:$2" vm_xml "$1" 1 "${3:-$(sys_shm "$1")}" | vm_define || bail "domain $1"
}

object()
{
	printf '/dev/shm/%s' "$(sys_shm "$1")"
}

# Never mind when it was read.
file_of()
{
	stat -c '%i %s %a %U %G %Y' "$1" && md5sum <"$1"
}

# problem NAME REGEX: status says that it is not served, and why
problem_of()
{
	st "vm('$1')['problem']" 2>/dev/null | grep -qE -- "$2" && [ "$(st "vm('$1')['admitted']")" = false ]
}

# daemon OPTION...: one that is expected to end by itself
daemon()
{
	run timeout 20 "$FR_BUILD/host/freqringd" "$@"
}

# --- wrong configurations ---
conf=$VM_WORKDIR/wrong.conf
printf '[daemon]\nbackend = simulated\npoler_cpu = 1\n' >"$conf"
daemon -c "$conf"
same "a misspelt key, exit status" 2 "$status"
like "... file, line, what it says, and what may be meant" \
	"$conf:3: .*poler_cpu = 1.*did you mean poller_cpu" "$out"
printf '[deamon]\nbackend = simulated\n' >"$conf"
daemon -c "$conf"
same "a misspelt section, exit status" 2 "$status"
like "... quoted, with its line" "$conf:1: \[deamon\].*did you mean \[daemon\]" "$out"
printf '[daemon]\nbackend = simulated\npoller_cpu = 987\n' >"$conf"
daemon -c "$conf"
same "a CPU that is not there, exit status" 2 "$status"
like "... named" 'poller_cpu = 987: ' "$out"
printf '[daemon]\nbackend = simulated\n[shm]\nshm_group = no-such-group\n' >"$conf"
daemon -c "$conf"
same "a group that is not there, exit status" 2 "$status"
like "... named" 'shm_group = no-such-group: no such group' "$out"
daemon -c "$VM_WORKDIR/no-such.conf"
same "no such file, exit status" 2 "$status"
daemon --no-such-option
same "no such option, exit status" 2 "$status"

# --- VMs before the daemon: what QEMU and others made ---
define a "$here_cpu"
define b "$there_cpu"
define c "$here_cpu"
define short "$here_cpu"
define long "$here_cpu"
define link "$here_cpu"
define linked "$here_cpu"
define fifo "$here_cpu"
truncate -s 4096 "$(object short)"
truncate -s 2M "$(object long)"
truncate -s 1M "$VM_WORKDIR/target"
ln -s "$VM_WORKDIR/target" "$(object link)"
vm_own_shm "$(sys_shm other-name)"
truncate -s 1M "$(object linked)"
ln "$(object linked)" "$(object other-name)"
mkfifo "$(object fifo)"
files="short long linked"
if [ "$(id -u)" -eq 0 ]; then
	files="$files stranger"
	define stranger "$here_cpu"
	truncate -s 1M "$(object stranger)"
	chown 54321:54321 "$(object stranger)"
	protected=$(cat /proc/sys/fs/protected_regular 2>/dev/null)
	if [ -n "$protected" ] && [ "$protected" != 2 ]; then
		vm_at_exit "echo $protected >/proc/sys/fs/protected_regular"
		{ echo 2 >/proc/sys/fs/protected_regular; } 2>/dev/null ||
			note "fs.protected_regular cannot be set here"
	fi
	note "fs.protected_regular is $(cat /proc/sys/fs/protected_regular)"
fi
vm_start a || bail "a guest before the daemon"
vm_virsh start c >/dev/null || bail "a guest that is not allowed"
same "QEMU made the object, as QEMU does" "644 $VM_QEMU_USER" "$(stat -c '%a %U' "$(object a)")"
for name in $files; do
	file_of "$(object "$name")"
done >"$VM_WORKDIR/before"
file_of "$VM_WORKDIR/target" >>"$VM_WORKDIR/before"
c_before=$(file_of "$(object c)")

FR_CONFIG="[vms]
allow = a, b, s*, l*, fifo, e, f"
fr_start || bail "freqringd"

# --- served ---
soon_st "a VM that was there first is served" "vm('a')['admitted']" true
same "its object is nobody else's to read, now" "660 $VM_QEMU_USER $VM_QEMU_GROUP" \
	"$(stat -c '%a %U %G' "$(object a)")"
guest a 'freqring-guest set 0 1400'
same "... and it asks" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"

# --- refused ---
soon "not allowed: the problem says so" problem_of c 'not in the configured list'
same "... its object is as it was" "$c_before" "$(file_of "$(object c)")"
soon "an object too short" problem_of short 'is 4096 bytes long, a region is 1048576'
soon "an object too long" problem_of long 'is 2097152 bytes long, a region is 1048576'
soon "a symbolic link" problem_of link 'symbolic link'
soon "a file with two names" problem_of linked 'has 2 links'
soon "a FIFO" problem_of fifo 'not a regular file'
[ "$(id -u)" -ne 0 ] || soon "somebody else's file" problem_of stranger 'belongs to user 54321'
for name in $files; do
	file_of "$(object "$name")"
done >"$VM_WORKDIR/after"
file_of "$VM_WORKDIR/target" >>"$VM_WORKDIR/after"
same "none of these files was touched" "$(md5sum <"$VM_WORKDIR/before")" "$(md5sum <"$VM_WORKDIR/after")"
for name in $files link fifo; do
	vm_virsh undefine "$name" >/dev/null || bail "undefine $name"
done
soon_st "undefined: forgotten" "sorted(v['name'] for v in s['vms'])" '["a", "b", "c"]'
check "... and their files left alone" test -e "$(object short)" -a -e "$(object long)" \
	-a -L "$(object link)" -a -p "$(object fifo)" -a -e "$(object linked)"

# --- made ahead ---
soon "a defined VM's object is made before QEMU can" test -e "$(object b)"
made=$(stat -c '%i' "$(object b)")
same "... for its group, and nobody else" "660 1048576 $VM_QEMU_GROUP" \
	"$(stat -c '%a %s %G' "$(object b)")"
vm_start b || bail "guest b"
soon_st "started on it: served" "vm('b')['admitted']" true
guest b 'freqring-guest set 0 max'
same "... and it asks" 2601000 "$(st "cpu($there_cpu)['decided_khz']")"
vm_stop b
soon_st "stopped: not served" "vm('b')['admitted']" false
same "... its object stays while it is defined" "$made" "$(stat -c '%i' "$(object b)")"
vm_start b || bail "guest b, again"
soon_st "started again: served" "vm('b')['admitted']" true
same "... on the same object" "$made" "$(stat -c '%i' "$(object b)")"
fr_stop
same "stopping the daemon removes no object" "$made" "$(stat -c '%i' "$(object b)")"
fr_start || bail "freqringd, again"
soon_st "served by the next daemon" "vm('b')['admitted']" true
soon_st "... as is the other, with its wish" "cpu($here_cpu)['decided_khz']" 1400000

# --- a second daemon ---
daemon -c "$VM_WORKDIR/freqringd.conf"
same "a second daemon in the same state folder, exit status" 1 "$status"
like "... says why" 'another freqringd works there' "$out"
daemon -c "$VM_WORKDIR/freqringd.conf" --state-dir "$VM_WORKDIR/fr2"
same "a second daemon on the same socket, exit status" 1 "$status"
like "... names the first" "another freqringd \(pid $FR_PID\) listens" "$out"
same "the first goes on" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
guest a 'freqring-guest set 0 1100'
same "... serving" 1100000 "$(st "cpu($here_cpu)['decided_khz']")"

# --- two VMs on one object ---
guest b 'freqring-guest set 0 1700'
define e "$here_cpu" "$(sys_shm a)"
same "a VM that only names it disturbs nobody" true "$(st "vm('a')['admitted']")"
vm_virsh start e >/dev/null || bail "a second VM on the object"
soon "two that run: the one is refused" problem_of a 'another running VM has the same object'
soon "... and the other" problem_of e 'another running VM has the same object'
soon_st "... the CPU is given back" "cpu($here_cpu)['decided_khz']" 0
guest a 'freqring-guest set 0 max'
same "... the guest's set, exit status" 1 "$status"
like "... is told that it is not heard" 'quarantine' "$out"
same "the third VM is not disturbed" 1700000 "$(st "cpu($there_cpu)['decided_khz']")"
guest b 'freqring-guest set 0 2000'
same "... and served" 2000000 "$(st "cpu($there_cpu)['decided_khz']")"
vm_virsh destroy e >/dev/null
soon_st "one stops: the other is served" "vm('a')['admitted']" true
soon_st "... with the wish it had" "cpu($here_cpu)['decided_khz']" 1100000
guest a 'freqring-guest set 0 1400'
same "... and heard" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
vm_virsh undefine e >/dev/null
soon_st "the other is undefined" "sorted(v['name'] for v in s['vms'])" '["a", "b", "c"]'
check "... the object stays for who still names it" test -e "$(object a)"

# --- the allow-list changes ---
fr_stop
FR_CONFIG=
fr_start || bail "freqringd that allows everybody"
soon_st "allowed now: served" "vm('c')['admitted']" true
soon_st "... beside the one on the same CPU" "vm('a')['admitted']" true
vm_virsh destroy c >/dev/null
soon_st "stopped" "vm('c')['state']" defined
vm_virsh undefine c >/dev/null
soon "undefined: its object is removed" test ! -e "$(object c)"

# --- undefined while it runs ---
vm_virsh undefine b >/dev/null || bail "undefine b"
sleep 1.5
same "undefined while it runs: served" true "$(st "vm('b')['admitted']")"
check "... on its object" test -e "$(object b)"
vm_virsh destroy b >/dev/null
soon "and stopped: the object is removed" test ! -e "$(object b)"
soon_st "... the CPU given back" "cpu($there_cpu)['decided_khz']" 0

# --- removed and made anew behind QEMU's back ---
define b "$there_cpu"
vm_start b || bail "guest b, defined anew"
soon_st "served" "vm('b')['admitted']" true
{ fr_kill9; } 2>/dev/null
rm -f "$(object b)"
fr_start || bail "freqringd"
soon "another file than QEMU's" problem_of b 'not the file that QEMU .*removed and made anew; restart the VM'
vm_stop b
vm_start b || bail "guest b, restarted"
soon_st "restarted: served" "vm('b')['admitted']" true

# --- cut short while it is polled ---
guest b 'freqring-guest set 0 1700'
soon_st "served" "cpu($there_cpu)['decided_khz']" 1700000
soon_st "as is the other" "cpu($here_cpu)['decided_khz']" 1400000
log_mark
truncate -c -s 0 "$(object b)" || bail "truncate"
soon "truncated: quarantined, and said so" log_has 'VM b: quarantined: .*was truncated'
same "the daemon lives" true "$(st "vm('b')['quarantined']")"
soon_st "... the fail-safe is in force" "cpu($there_cpu)['decided_khz']" 2601000
same "the other VM is not disturbed" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
guest a 'freqring-guest set 0 2000'
same "... and served" 2000000 "$(st "cpu($here_cpu)['decided_khz']")"
vm_stop b
soon_st "the VM stops: its vote is gone" "cpu($there_cpu)['decided_khz']" 0
rm -f "$(object b)"
vm_start b || bail "guest b, after the cut"
soon_st "file removed, VM started: served" "vm('b')['admitted']" true
guest b 'freqring-guest set 0 max'
same "... and heard" 2601000 "$(st "cpu($there_cpu)['decided_khz']")"

# --- a part of it: the header stays, the rings are gone ---
truncate -c -s 32K "$(object a)" || bail "truncate"
sleep 1
same "cut to a part: the daemon lives" 2601000 "$(st "cpu($there_cpu)['decided_khz']")"
soon_st "... and sees it" "vm('a')['quarantined']" true
guest b 'freqring-guest set 0 1100'
same "... and serves the other" 1100000 "$(st "cpu($there_cpu)['decided_khz']")"

fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
