#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# Guests that sleep: one without an operating system, whose keys are S3 and S4,
# and real Linux guests with the guest agent, one with swap and one without.
# What a guest votes before, meanwhile and after; what operators are told.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

SYS_PROGRAMS=$(command -v qemu-ga) || skip "qemu-ga is missing: install the package qemu-guest-agent (make setup)"
export SYS_PROGRAMS
sys_begin
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
here_cpu=0
there="cpu($there_cpu)['decided_khz']"
VM_EMULATORPIN=$here_cpu
export VM_EMULATORPIN
events=$VM_WORKDIR/events

# told KIND REGEX: an event, as the one who listens saw it
told()
{
	grep -qE "event '$1'.*$2" "$events"
}

# power VM: its state, in the words of freqring
power()
{
	fr powerstate "$1" -o json | "$sys_python" -c 'import json, sys; print(json.load(sys.stdin)["state"])'
}

power_is()
{
	[ "$(power "$1" 2>/dev/null)" = "$2" ]
}

# A boot sector: each key is S3 (0x2400 to port 0x604), the 4 is S4 (0x2800).
#	xor ax, ax; int 0x16; cmp al, '4'; mov dx, 0x604; mov ax, 0x2400
#	jne 1f; mov ax, 0x2800; 1: out dx, ax; jmp 0
{
	printf '\x31\xc0\xcd\x16\x3c\x34\xba\x04\x06\xb8\x00\x24\x75\x03\xb8\x00\x28\xef\xeb\xec'
	head -c 490 /dev/zero
	printf '\x55\xaa'
} >"$VM_WORKDIR/g/keys.img"
chmod 644 "$VM_WORKDIR/g/keys.img"
[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER" "$VM_WORKDIR/g/keys.img"
pm="<pm><suspend-to-mem enabled='yes'/><suspend-to-disk enabled='yes'/></pm>"
VM_PINS="0:$there_cpu" VM_XML_DOMAIN=$pm VM_XML_DEVICES="<disk type='file' device='disk'>
	<driver name='qemu' type='raw'/><source file='$VM_WORKDIR/g/keys.img'/><target dev='hda' bus='ide'/></disk>" \
	vm_xml keys 1 "$(sys_shm keys)" |
	sed "/<kernel>/d; /<initrd>/d; /<cmdline>/d; s/<on_reboot>destroy/<on_reboot>restart/" | vm_define ||
	bail "a domain whose keys make it sleep"

post()
{
	"$FR_BUILD/tests/host/post" "/dev/shm/$(sys_shm keys)" "$@"
}

# asleep KEY STATE: its BIOS swallows what comes too early
asleep()
{
	power_is keys "$2" || { vm_virsh send-key keys "$1" >/dev/null; sleep 0.2; power_is keys "$2"; }
}

fr_start || bail "freqringd"
fr event --loop --timestamp >"$events" 2>&1 &
vm_own_pid $!
vm_virsh start keys >/dev/null || bail "start keys"
soon_st "the guest with keys is served" "vm('keys')['admitted']" true
run post 0 1400000
like "it votes" '^1400000: .*granted 1400000' "$out"
same "... on its CPU" 1400000 "$(st "$there")"
run fr domstate keys
like "domstate: it runs" '^running$' "$out"
like "... and holds a vote" "^0 +$there_cpu +1400 MHz +yes +1400 MHz +ok" "$out"

# --- S3 ---------------------------------------------------------------------

run fr dompmwakeup keys
same "one that runs is not woken up, exit status" 1 "$status"
like "... and why" 'keys is not suspended: it runs' "$out"
post 0 lease=600 >/dev/null
soon "S3: suspended to memory" asleep KEY_M "suspended to memory"
soon_st "... its vote is given up" "$there" 0
soon "... told" told votes 'VM keys: suspended to memory: 1 vote given up'
run fr domstate keys
like "domstate says since when" '^since +2.*, for [0-9]+ s$' "$out"
like "... and what is given up" "^0 +$there_cpu +1400 MHz +no" "$out"
same "its wish is kept" kHz "$(st "ch('keys', 0)['wish']")"
run fr dompmsuspend keys mem
same "who sleeps is not suspended, exit status" 1 "$status"
like "... and why" 'is suspended to memory already' "$out"

fr_stop
since=$(grep -o '"since_ms":[0-9]*' "$VM_WORKDIR/fr/sleep.json")
fr_start || bail "freqringd, again"
fr event --loop --timestamp >>"$events" 2>&1 &
vm_own_pid $!
soon "freqringd is restarted: the guest sleeps" power_is keys "suspended to memory"
same "... since the same time" "$since" \
	"\"since_ms\":$(fr powerstate keys -o json | "$sys_python" -c 'import json, sys; print(json.load(sys.stdin)["since_ms"])')"
soon_st "... and has no vote" "[vm('keys')['admitted'], $there]" '[true, 0]'

: >"$events"
run fr dompmwakeup keys
same "dompmwakeup, exit status" 0 "$status"
like "... says what came of it" '^VM keys: running after [0-9.]+ s$' "$out"
soon "... told" told votes 'VM keys: awake after .*: 1 vote back, at the maximum for 1 s'
same "the maximum first" '2601000' "$(st "$there")"
soon_st "... then its own vote, before it asks" "$there" 1400000
same "... and its lease goes on" true "$(st "590000 < ch('keys', 0)['lease_left_ms'] <= 600000")"

vm_virsh reset keys >/dev/null
soon "S3 again" asleep KEY_M "suspended to memory"
run fr powerstate keys running
same "powerstate sets it running, exit status" 0 "$status"
run post 0 800000
like "a request right after" '^800000: .*granted 800000' "$out"
same "... ends the maximum" 800000 "$(st "$there")"


# --- S4 ---------------------------------------------------------------------

vm_virsh reset keys >/dev/null
post 0 1400000 >/dev/null
: >"$events"
soon "S4: suspended to disk" asleep KEY_4 "suspended to disk"
soon_st "... its QEMU is gone, and its vote" "[vm('keys')['state'], $there]" '["defined", 0]'
soon "... told" told votes 'VM keys: suspended to disk: 1 vote given up'
same "libvirt shows it as any that is off" "shut off" "$(vm_virsh domstate keys)"
run fr domstate keys
like "domstate does not" '^suspended to disk$' "$out"
like "... with its vote" "^0 +$there_cpu +1400 MHz +no" "$out"
like "the list knows it, too" '^keys +suspended to disk +no ' "$(fr list)"
fr_kill9
fr_start || bail "freqringd, after kill -9"
fr event --loop --timestamp >>"$events" 2>&1 &
vm_own_pid $!
soon "freqringd is killed and started: it is suspended to disk" power_is keys "suspended to disk"
run fr dompmwakeup keys
same "dompmwakeup starts it, exit status" 0 "$status"
soon_st "... it is served, at the maximum" "[vm('keys')['admitted'], $there]" '[true, 2601000]'
soon "... told" told votes 'VM keys: awake after .*: 1 vote back, at the maximum for 30 s'
run post 0 2000000
same "what it asks ends that" 2000000 "$(st "$there")"
vm_stop keys
soon "stopped it is off, and nothing else" power_is keys "shut off"
vm_virsh start keys >/dev/null
soon_st "started afresh it has no vote" "[vm('keys')['admitted'], $there]" '[true, 0]'

# --- remembered for no longer than there is something to remember ---------

soon "S4 again" asleep KEY_4 "suspended to disk"
soon_st "... and off" "vm('keys')['state']" defined
vm_virsh dumpxml keys >"$VM_WORKDIR/keys.xml"
vm_virsh undefine keys >/dev/null || bail "undefine"
soon "undefined: forgotten" test ! -e "$VM_WORKDIR/fr/sleep.json"
vm_virsh define "$VM_WORKDIR/keys.xml" >/dev/null || bail "define"
soon "... defined again it is off" power_is keys "shut off"
vm_virsh undefine keys >/dev/null


# --- Linux, with the guest agent --------------------------------------------

# linux NAME DEVICES: a guest with the agent's channel
linux()
{
	VM_PINS="0:$there_cpu" VM_CMDLINE="freqring.modules=1 ${3:-}" \
		VM_XML_DOMAIN="$pm${4:-}" VM_XML_DEVICES="<channel type='unix'>
		<target type='virtio' name='org.qemu.guest_agent.0'/></channel>$2" \
		vm_xml "$1" 1 "$(sys_shm "$1")" | vm_define
}

# agent VM: starts it, as a distribution's init would
agent()
{
	vm_exec "$1" 'for p in /sys/class/virtio-ports/*; do
		[ "$(cat $p/name)" != org.qemu.guest_agent.0 ] ||
			qemu-ga -d -m virtio-serial -p /dev/${p##*/} -f /run/qga.pid -t /run || exit
	done
	keeper 0 1400000 >/tmp/keeper 2>&1 &' >/dev/null
}

agent_answers()
{
	vm_virsh qemu-agent-command "$1" '{"execute":"guest-ping"}' >/dev/null 2>&1
}

# timed COMMAND...: run, and the log has what it said
timed()
{
	run "$@"
	note "$out"
}

linux plain "" || bail "a Linux domain"
vm_start plain || bail "a Linux guest"
run fr dompmsuspend plain mem
same "no agent in the guest, exit status" 1 "$status"
like "... says so" 'is qemu-guest-agent started in the guest' "$out"
agent plain || bail "the agent in the guest"
soon "the agent answers" agent_answers plain
soon_st "a program in the guest asks" "$there" 1400000
timed fr dompmsuspend plain mem
same "dompmsuspend mem, exit status" 0 "$status"
like "... says what came of it" '^VM plain: suspended to memory after' "$out"
same "... its vote is given up by then" 0 "$(st "$there")"
timed fr dompmwakeup plain
same "dompmwakeup, exit status" 0 "$status"
soon_st "... it asks on" "$there" 1400000
same "... its ring is the same" "epoch 1" "$(vm_exec plain 'grep -o "epoch [0-9]*" /tmp/keeper | tail -n 1')"
timed fr dompmsuspend plain --target mem --duration 2
same "for two seconds, exit status" 0 "$status"
like "... of which domstate knows" '^wakes +in [0-2] s$' "$(fr domstate plain)"
soon "... then it is woken up" power_is plain running
soon "... told" told operator 'VM plain: woken up at the time that was asked for'
soon_st "... and asks" "$there" 1400000
timed fr powerstate plain disk --timeout 20
same "to disk without swap, exit status" 1 "$status"
like "... says what is missing" 'has the guest swap of its own' "$out"
same "... it runs" running "$(power plain)"
# What a distribution's tool may do, too: say yes, and nothing more.
vm_exec plain 'for f in pm-is-supported pm-hibernate; do printf "#!/bin/sh\n" >/bin/$f; chmod 755 /bin/$f; done'
timed fr dompmsuspend plain disk --timeout 3
same "a guest that only says yes, exit status" 1 "$status"
like "... is not believed" 'did not suspend within 3 s, though libvirt' "$out"
same "... it runs, with its vote" "running 1400000" "$(power plain) $(st "$there")"
vm_stop plain

truncate -s 256M "$VM_WORKDIR/g/swap.img"
chmod 600 "$VM_WORKDIR/g/swap.img"
mkswap "$VM_WORKDIR/g/swap.img" >/dev/null 2>&1 || bail "mkswap"
[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER" "$VM_WORKDIR/g/swap.img"
# The kernel reads its image back before it comes to the initramfs, so the disk
# has to be one that it can do without: NVMe, which libvirt has no word for.
VM_MEMORY=256 linux swap "" "resume=/dev/nvme0n1 resumewait" \
	"<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
	<qemu:arg value='-drive'/><qemu:arg value='file=$VM_WORKDIR/g/swap.img,format=raw,if=none,id=swap'/>
	<qemu:arg value='-device'/><qemu:arg value='nvme,drive=swap,serial=swap,addr=0x1d'/></qemu:commandline>" ||
	bail "a Linux domain with swap"
vm_start swap || bail "a Linux guest with swap"
agent swap && vm_exec swap 'swapon /dev/nvme0n1' || bail "agent and swap in the guest"
soon "the agent of the other answers" agent_answers swap
soon_st "a program in it asks" "$there" 1400000
timed fr dompmsuspend swap hybrid
same "both at once, which this guest's agent cannot, exit status" 1 "$status"
like "... and why" 'takes systemd or pm-utils in the guest' "$out"
: >"$events"
timed fr dompmsuspend swap disk
same "dompmsuspend disk, exit status" 0 "$status"
like "... says what came of it" '^VM swap: suspended to disk after' "$out"
soon_st "... its QEMU is gone, and its vote" "[vm('swap')['state'], $there]" '["defined", 0]'
timed fr powerstate swap running
same "started, exit status" 0 "$status"
like "... says what came of it" '^VM swap: running after' "$out"
soon "... told" told votes 'VM swap: awake after .*: 1 vote back, at the maximum for 30 s'
soon_st "... its program goes on where it was, and asks" "$there" 1400000
like "... of a ring that began anew" "^epoch 1\$" \
	"$(vm_exec swap 'grep -o "epoch [0-9]*" /tmp/keeper | head -n 1')"
like "... which it has seen" "epoch [2-9].* granted 1400000 .*restated 1" \
	"$(vm_exec swap 'tail -n 1 /tmp/keeper')"
like "... because its kernel read its memory back" 'hibernation: Read [0-9]+ kbytes' \
	"$(tr -cd '[:print:]\n' <"$VM_WORKDIR/g/swap/console.log")"
vm_stop swap

fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
