#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# Requests over a vhost-user port in a real guest, through the kernel's
# virtio-net and a packet socket: each vCPU by its queue; the daemon killed and
# started, the port unplugged, QEMU killed, while requests flow.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"
# shellcheck source=tests/system/rush.sh
. "$(dirname "$0")/rush.sh"
# shellcheck source=tests/vm/vhost.sh
. "$sys_here/../vm/vhost.sh"

rush=$(sys_program rush) || skip "no rush"
SYS_IMAGE=$FR_BUILD/vm-vhost
IMAGE_MODULES=$VHOST_MODULES bash "$sys_here/../vm/image.sh" "$FR_BUILD" "$SYS_IMAGE" "$FR_BUILD/guest/freqring-guest" "$rush" ||
	exit 1
sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu 1:$there_cpu" VM_EMULATORPIN=$here_cpu
VM_CMDLINE="freqring.modules=1 $VHOST_CMDLINE"
VM_MEMORY=160
export VM_PINS VM_EMULATORPIN VM_CMDLINE VM_MEMORY

here="cpu($here_cpu)['decided_khz']"
there="cpu($there_cpu)['decided_khz']"

# A program that begins before that has 150 ms for an answer.
load_modules()	# VM
{
	guest "$1" "$VHOST_INSMOD"
	soon_st "both queues are looked at" "vm('$1')['vhost']['queues']" 2
}

# --- served, each vCPU by its own queue ------------------------------------------

VM_XML_DOMAIN=$VHOST_DOMAIN VM_XML_DEVICES=$(vhost_port "$VM_WORKDIR/g/a/freqring-a.sock" 01 2) vm_xml a 2 | vm_define || bail "a domain"
FR_CONFIG="[vms]
allow = a, b, clone"
fr_start || bail "freqringd"
# QEMU waits at its start until the daemon has connected.
vm_start a || bail "a guest"
soon_st "served by its port alone" "vm('a')['admitted']" true
load_modules a
guest a 'freqring-guest -T vhost-user info'
like "info" '^transport +vhost-user' "$out"
like "... of a host that is alive" 'host +alive' "$out"
guest a 'freqring-guest set 0 max && freqring-guest set 1 min'
soon_st "a vCPU's wish" "$here" 2601000
soon_st "the other one's" "$there" 800000
same "transport" "vhost-user vhost-user" "$(st "' '.join(c['transport'] for c in vm('a')['channels'])")"
same "no frame was dropped" "{}" "$(st "{k: v for k, v in vm('a')['vhost']['dropped'].items() if k not in ('length', 'ethertype')}")"
guest a 'freqring-guest set 0 1400000 && freqring-guest get 0'
like "get" '1400000' "$out"
run fr status a
like "status has the port" 'vhost-user' "$out"

# --- a clone of it, with the same socket ------------------------------------------------

vm_virsh dumpxml a --inactive | sed '/<uuid>/d; s|<name>a</name>|<name>clone</name>|' >"$VM_WORKDIR/clone.xml"
vm_virsh define "$VM_WORKDIR/clone.xml" >/dev/null || bail "a clone"
soon_st "a clone that is off does not get the socket" \
	"'has the same socket' in vm('clone')['vhost_problem']" true
guest a 'freqring-guest set 0 min'
soon_st "... and whose it is is served" "$here" 800000
vm_virsh undefine clone >/dev/null || bail "undefine"

# --- the daemon comes and goes while a program asks ----------------------------------

rush_begin a min
soon "it asks" asks_on a 100
fr_kill9
fr_start || bail "freqringd, again"
soon_st "killed and started: connected again" "vm('a')['vhost']['queues']" 2
goes_on "... and asked on" a
fr_stop
fr_start || bail "freqringd, a third time"
goes_on "stopped and started: asked on" a

# --- the port comes and goes -----------------------------------------------------------

vm_virsh dumpxml a | sed -n "/<interface type='vhostuser'/,/<\/interface>/p" >"$VM_WORKDIR/port.xml"
vm_virsh detach-device a "$VM_WORKDIR/port.xml" --live >/dev/null || bail "detach-device"
soon_st "unplugged: not served" "len([v for v in s['vms'] if v['admitted']])" 0
soon_st "... and no vote" "$here" 0
check "the daemon is alive" fr version

# --- QEMU is killed ---------------------------------------------------------------------

vm_stop a || bail "the guest's end"
vm_start a || bail "the guest, again"
load_modules a
rush_begin a min
soon "it asks again" asks_on a 100
kill -KILL "$(vm_qemu_pid a)"
soon_st "QEMU killed: not served" "vm('a')['admitted']" false
soon_st "... and no vote" "$here" 0
check "the daemon is alive" fr version
vm_start a || bail "the guest, a third time"
load_modules a
guest a 'freqring-guest set 0 max'
soon_st "it is served again" "$here" 2601000
vm_stop a || bail "the guest's end"
fr_stop

# --- beside a ring: attached while it runs, and what a program then does ----------------

sockets=$VM_WORKDIR/sockets
mkdir -m 755 "$sockets"
[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER:$VM_QEMU_GROUP" "$sockets"
FR_CONFIG="$FR_CONFIG
[vhost]
dir = $sockets"
VM_XML_DOMAIN=$VHOST_DOMAIN vm_xml b 2 "$(sys_shm b)" | vm_define || bail "a domain with a ring"
fr_start || bail "freqringd"
vm_start b || bail "a guest with a ring"
soon_st "served by its ring" "vm('b')['epoch'] > 0" true
run fr attach b --transport vhost-user --print
like "attach --print" "path='$sockets/freqring-b.sock' mode='server'" "$out"
fr rm_vm b >/dev/null || bail "rm_vm"
run fr attach b --transport vhost-user --live
like "of a VM that is not to be served it is refused: QEMU would wait, and the guest with it" \
	'VM b runs, .*: freqring add_vm b' "$out"
fr add_vm b >/dev/null || bail "add_vm"
soon_st "served again" "vm('b')['epoch'] > 0" true
run fr attach b --transport vhost-user --live
same "attach --live, exit status" 0 "$status"
like "... and what it says" 'live: vhost-user port: attached' "$out"
run fr attach b --transport vhost-user --live
like "... again: it is there" 'there already' "$out"
load_modules b
soon_st "... beside the ring" "vm('b')['epoch'] > 0" true

guest b 'freqring-guest info'
like "shared memory comes first" '^transport +ivshmem' "$out"
rush_begin b min
soon_st "a program asks over the ring" "ch('b', 0)['transport']" ring
vm_virsh dumpxml b | sed -n '/<shmem/,/<\/shmem>/p' >"$VM_WORKDIR/shmem.xml"
vm_virsh detach-device b "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "detach-device"
# On a busy machine it may have gone there before that.
soon "the device is unplugged: over the port" moved b 'to vhost-user: '
soon_st "... as the daemon sees it" "ch('b', 0)['transport']" vhost-user
same "... with one vote" 1 "$(st "len(cpu($here_cpu)['votes'])")"
vm_virsh attach-device b "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "attach-device"
soon "... is plugged in: over the ring" moved b 'to ivshmem: its host answers again'
soon_st "... as the daemon sees it" "ch('b', 0)['transport']" ring
run fr detach b --transport vhost-user --live
same "detach, exit status" 0 "$status"
soon_st "the port is gone" "vm('b')['vhost']" None
same "... the ring is not" true "$(st "vm('b')['epoch'] > 0")"
vm_stop b || bail "the guest's end"
sys_end
