#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# A real guest with a ring, a vhost-user port and a serial channel: which one a
# program asks over while they come and go under it; and the same where the ring is
# slow to reach.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh"
# shellcheck source=tests/system/rush.sh
. "$(dirname "$0")/../system/rush.sh"
# shellcheck source=tests/vm/vhost.sh
. "$sys_here/../vm/vhost.sh"

rush=$(sys_program rush) || skip "no rush"
SYS_IMAGE=$FR_BUILD/vm-vhost
IMAGE_MODULES=$VHOST_MODULES bash "$sys_here/../vm/image.sh" "$FR_BUILD" "$SYS_IMAGE" "$FR_BUILD/guest/freqring-guest" "$rush" ||
	exit 1
VM_ACCEL=tcg
sys_begin
VM_PINS="0:0" VM_EMULATORPIN=0
VM_CMDLINE="freqring.modules=1 $VHOST_CMDLINE"
VM_MEMORY=160
export VM_ACCEL VM_PINS VM_EMULATORPIN VM_CMDLINE VM_MEMORY
sockets=$VM_WORKDIR/sockets
mkdir -m 755 "$sockets"
[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER:$VM_QEMU_GROUP" "$sockets"
FR_CONFIG="[vms]
allow = a, b
[vhost]
dir = $sockets"
here="cpu(0)['decided_khz']"

begin()	# VM: defined and started, its ring and its serial channel served
{
	vm=$1
	VM_XML_DEVICES="<channel type='unix'><source mode='bind' path='$VM_WORKDIR/g/$vm/port.0'/>
		<target type='virtio' name='virtio.serial.port.poweragent.0'/></channel>" \
		vm_xml "$vm" 1 "$(sys_shm "$vm")" | vm_define || bail "a domain"
	vm_start "$vm" || bail "a guest"
	guest "$vm" "$VHOST_INSMOD"
	soon_st "$vm is served by its ring" "vm('$vm')['epoch'] > 0" true
	soon_st "... and its serial channel" "[p['connected'] for p in vm('$vm')['serial']['ports']]" "[true]"
	transport="ch('$vm', 0)['transport']"
}

plug_ring()
{
	vm_virsh attach-device a "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "attach-device"
}

unplug_ring()
{
	vm_virsh detach-device a "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "detach-device"
}

port()	# attach|detach
{
	run fr "$1" "$vm" --transport vhost-user --live
	[ "$status" -eq 0 ] || bail "$1: $out"
}

asks_over()	# NAME
{
	soon_st "... as the daemon sees it" "$transport" "$1"
	goes_on "... it asks on" "$vm"
	same "... with one vote" 1 "$(st "len(cpu(0)['votes'])")"
}

program_ends()
{
	rush_end "$vm"
	soon_st "the last wish is in force" "$here" 800000
}

fr_start || bail "freqringd"

# --- from one to the next, and back -------------------------------------------------

VM_XML_DOMAIN=$VHOST_DOMAIN begin a
# Its slot may be the port's by the time it is plugged in again.
vm_virsh dumpxml a | sed -n '/<shmem/,/<\/shmem>/p' | grep -v '<address' >"$VM_WORKDIR/shmem.xml"
port attach
soon_st "... and its port" "vm('a')['vhost']['queues']" 1
guest a 'freqring-guest info'
like "shared memory comes first" '^transport +ivshmem' "$out"
rush_begin "$vm" min
asks_over ring
unplug_ring
# On a busy machine by way of the serial channel.
soon "the ring is unplugged: over the port" moved "$vm" 'to vhost-user: '
asks_over vhost-user
port detach
soon "the port, too: over the serial channel" moved "$vm" 'from vhost-user to serial: '
asks_over serial
port attach
soon "the port is plugged in: over that" moved "$vm" 'from serial to vhost-user: its host answers again'
asks_over vhost-user
plug_ring
soon "the ring, too: over that" moved "$vm" 'from vhost-user to ivshmem: its host answers again'
asks_over ring
{ fr_kill9; } 2>/dev/null
fr_start || bail "freqringd, again"
soon_st "the daemon killed and started: the port is there again" "vm('a')['vhost']['queues']" 1
soon "... over the ring in the end" moved "$vm" 'to ivshmem: its host answers again$'
asks_over ring
program_ends

vm_stop a || bail "the guest's end"

# --- where the ring is slow to reach -----------------------------------------------------

# Simulated by the guest's clock, which goes on by 32 ns with each instruction: a load
# takes as long as one that no cache answers.
VM_XML_DOMAIN="$VHOST_DOMAIN<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
	<qemu:arg value='-icount'/><qemu:arg value='shift=5'/></qemu:commandline>" begin b
guest b 'freqring-guest info'
like "a ring, slow as it is, before the serial channel" '^transport +ivshmem' "$out"
like "... and known to be" '^mapping +uncached' "$out"
note "$(grep '^mapping' <<<"$out")"
rush_begin "$vm" min
asks_over ring
port attach
soon "a port is plugged in: over that" moved "$vm" 'from ivshmem to vhost-user: its host answers again'
asks_over vhost-user
port detach
soon "... unplugged: over the ring" moved "$vm" 'to ivshmem: '
asks_over ring
port attach
soon "... plugged in again: over that" moved "$vm" 'from ivshmem to vhost-user: its host answers again'
asks_over vhost-user
program_ends
soon_st "the port is ready" "vm('b')['vhost']['queues']" 1
guest b 'freqring-guest info'
like "who begins now begins there" '^transport +vhost-user' "$out"
vm_stop b || bail "the guest's end"
sys_end
