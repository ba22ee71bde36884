#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# A real guest with a ring, a vhost-user port and a serial channel: which one a
# program asks over while they come and go under it; and the same where the ring is
# slow to reach.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh"

rush=$(sys_program rush) || skip "no rush"
IMAGE_MODULES="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
	virtio_console failover net_failover virtio_net"
export IMAGE_MODULES
SYS_IMAGE=$FR_BUILD/vm-vhost
bash "$sys_here/../vm/image.sh" "$FR_BUILD" "$SYS_IMAGE" "$FR_BUILD/guest/freqring-guest" "$rush" ||
	exit 1
VM_ACCEL=tcg
sys_begin
VM_PINS="0:0" VM_EMULATORPIN=0
# QEMU 7.2 without KVM crashes where a vhost-user device gets MSI-X vectors.
VM_CMDLINE="freqring.modules=1 pci=nomsi"
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

shared="<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"

begin()	# VM: defined and started, its ring and its serial channel served
{
	vm=$1
	VM_XML_DEVICES="<channel type='unix'><source mode='bind' path='$VM_WORKDIR/g/$vm/port.0'/>
		<target type='virtio' name='virtio.serial.port.poweragent.0'/></channel>" \
		vm_xml "$vm" 1 "$(sys_shm "$vm")" | vm_define || bail "a domain"
	vm_start "$vm" || bail "a guest"
	# shellcheck disable=SC2016
	guest "$vm" 'for m in failover net_failover virtio_net; do
		[ ! -e /lib/modules/$m.ko ] || insmod /lib/modules/$m.ko; done'
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

moved()	# REGEX: the last move
{
	guest "$vm" 'grep ^moved /tmp/rush | tail -n 1'
	grep -qE "$1" <<<"$out"
}

requests()	# on a busy machine the daemon may not answer at once
{
	for _ in 1 2 3 4 5; do
		! st "ch('$vm', 0)['requests']" 2>/dev/null || break
	done
}

asks_on()	# REQUESTS: there were more by now
{
	local n

	n=$(st "ch('$vm', 0)['requests']" 2>/dev/null) && [ "$n" -gt "$1" ]
}

asks_over()	# NAME
{
	soon_st "... as the daemon sees it" "$transport" "$1"
	soon "... it asks on" asks_on "$(requests)"
	same "... with one vote" 1 "$(st "len(cpu(0)['votes'])")"
}

program_begins()
{
	guest "$vm" 'rush 0 min >/tmp/rush 2>&1 & echo $! >/tmp/pid'
}

# shellcheck disable=SC2016
program_ends()
{
	guest "$vm" --timeout 60 'kill -TERM "$(cat /tmp/pid)"
		while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do usleep 100000; done; tail -n 1 /tmp/rush'
	note "$out"
	soon_st "the last wish is in force" "$here" 800000
}

fr_start || bail "freqringd"

# --- from one to the next, and back -------------------------------------------------

VM_XML_DOMAIN=$shared begin a
# Its slot may be the port's by the time it is plugged in again.
vm_virsh dumpxml a | sed -n '/<shmem/,/<\/shmem>/p' | grep -v '<address' >"$VM_WORKDIR/shmem.xml"
port attach
soon_st "... and its port" "vm('a')['vhost']['queues']" 1
guest a 'freqring-guest info'
like "shared memory comes first" '^transport +ivshmem' "$out"
program_begins
asks_over ring
unplug_ring
# On a busy machine by way of the serial channel.
soon "the ring is unplugged: over the port" moved 'to vhost-user: '
asks_over vhost-user
port detach
soon "the port, too: over the serial channel" moved 'from vhost-user to serial: '
asks_over serial
port attach
soon "the port is plugged in: over that" moved 'from serial to vhost-user: its host answers again'
asks_over vhost-user
plug_ring
soon "the ring, too: over that" moved 'from vhost-user to ivshmem: its host answers again'
asks_over ring
{ fr_kill9; } 2>/dev/null
fr_start || bail "freqringd, again"
soon_st "the daemon killed and started: the port is there again" "vm('a')['vhost']['queues']" 1
soon "... over the ring in the end" moved 'to ivshmem: its host answers again$'
asks_over ring
program_ends

vm_stop a || bail "the guest's end"

# --- where the ring is slow to reach -----------------------------------------------------

# Simulated by the guest's clock, which goes on by 32 ns with each instruction: a load
# takes as long as one that no cache answers.
VM_XML_DOMAIN="$shared<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
	<qemu:arg value='-icount'/><qemu:arg value='shift=5'/></qemu:commandline>" begin b
guest b 'freqring-guest info'
like "a ring, slow as it is, before the serial channel" '^transport +ivshmem' "$out"
like "... and known to be" '^mapping +uncached' "$out"
note "$(grep '^mapping' <<<"$out")"
program_begins
asks_over ring
port attach
soon "a port is plugged in: over that" moved 'from ivshmem to vhost-user: its host answers again'
asks_over vhost-user
port detach
soon "... unplugged: over the ring" moved 'to ivshmem: '
asks_over ring
port attach
soon "... plugged in again: over that" moved 'from ivshmem to vhost-user: its host answers again'
asks_over vhost-user
program_ends
soon_st "the port is ready" "vm('b')['vhost']['queues']" 1
guest b 'freqring-guest info'
like "who begins now begins there" '^transport +vhost-user' "$out"
vm_stop b || bail "the guest's end"
sys_end
