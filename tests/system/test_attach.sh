#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# Our devices in and out of domains, running and defined, and their pinning:
# host/domain_change.h on real guests of machines pc and q35.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh" "$@"
sys_begin
program=$(sys_program change) || exit 1
VM_CMDLINE=freqring.modules=1

# change WORD...: sets $out and $status
change()
{
	run timeout --foreground 60 "$program" "$VM_URI" "$@"
}

live()
{
	vm_virsh dumpxml "$1"
}

defined()
{
	vm_virsh dumpxml --inactive "$1"
}

# without what libvirt adds for a device and leaves there
bare()
{
	defined "$1" | sed '/<controller.*[^/]>$/,/<\/controller>/d; /<controller.*\/>$/d'
}

lines()
{
	grep -cE -- "$1" || :
}

# nb_is WHICH VM N REGEX
nb_is()
{
	[ "$("$1" "$2" | lines "$4")" = "$3" ]
}

# sees VM N: so many devices of our kind, by the guest's kernel
sees()
{
	[ "$(vm_exec "$1" 'cat /sys/bus/pci/devices/*/device' | lines 0x1110)" = "$2" ]
}

ports()
{
	[ "$(vm_exec "$1" 'cat /sys/class/virtio-ports/*/name' | lines poweragent)" = "$2" ]
}

# Whether a process waits for something with a deadline (futex, with a timeout).
has_deadline()
{
	local number timeout

	{ read -r number _ _ _ timeout _ <"/proc/$1/syscall"; } 2>/dev/null || return
	[ "$number" = 202 ] && [ "$timeout" != 0x0 ]
}

# --- pc: a guest that lets go -----------------------------------------------

# Short: the path of a channel's socket has to fit into 108 bytes.
vm=p$(mktemp -u XXX)
vm_own_shm "freqring-$vm"
VM_XML_DEVICES="<controller type='virtio-serial' index='0' ports='4'/>" vm_xml "$vm" 2 | vm_define ||
	bail "a domain"
vm_start "$vm" || bail "a guest"
before=$(bare "$vm")

change attach "$vm" serial 2 print
same "print, exit status" 0 "$status"
like "... the object" "^object freqring-$vm\$" "$out"
like "... the device" "<shmem name='freqring-$vm' role='master'>" "$out"
like "... the channels" "name='virtio.serial.port.poweragent.1'" "$out"
like "... live, would be" '^live not done: shmem device .* would be attached; channels 0 to 1: would be' "$out"
same "... and nothing is changed" "$before" "$(bare "$vm")"
check "... live neither" nb_is live "$vm" 0 '<shmem|poweragent'

change attach "$vm"
same "attach, exit status" 0 "$status"
like "... live" '^live done: shmem device .*: attached$' "$out"
like "... and in the definition" '^config done: shmem device .*: attached$' "$out"
check "... one device live" nb_is live "$vm" 1 '<shmem'
check "... one in the definition" nb_is defined "$vm" 1 '<shmem'
soon "... the guest has it" sees "$vm" 1
guest "$vm" 'freqring-guest info'
like "... and finds it" '1 ivshmem device' "$out"

change attach "$vm"
same "twice, exit status" 0 "$status"
like "... there already" '^live done: .*there already$' "$out"
like "... in the definition, too" '^config done: .*there already$' "$out"
check "... still one" nb_is live "$vm" 1 '<shmem'

change attach "$vm" serial 2
same "channels, exit status" 0 "$status"
like "... live" '^live done: .*there already; channels 0 to 1: attached$' "$out"
soon "... the guest has both" ports "$vm" 2
check "... with sockets that libvirt made" nb_is live "$vm" 2 "<source mode='bind' path='/.*poweragent"

change attach "$vm" serial 5
same "more channels than ports, exit status" 1 "$status"
like "... not live" '^live not done: .*1 free ports on its virtio-serial controllers for 3 channels' "$out"
like "... in the definition" '^config done: .*channels 0 to 4: attached$' "$out"
like "... what remains" '^text in the definition, after the next start' "$out"
check "... none live beyond the two" nb_is live "$vm" 2 '<target .*poweragent'
check "... and no controller left dangling" nb_is live "$vm" 1 "<controller type='virtio-serial'"

change detach "$vm"
same "detach, exit status" 0 "$status"
like "... live" '^live done: shmem device .*: detached$' "$out"
like "... and in the definition" '^config done: shmem device .*: detached$' "$out"
check "... gone live" nb_is live "$vm" 0 '<shmem'
check "... in the guest" sees "$vm" 0
check "... the channels stay" nb_is defined "$vm" 5 "poweragent"
change detach "$vm" serial
same "detach channels, exit status" 0 "$status"
like "... live" '^live done: 2 channels: detached$' "$out"
like "... and in the definition" '^config done: 5 channels: detached$' "$out"
soon "... gone in the guest" ports "$vm" 0
same "the definition is as it was" "$(md5sum <<<"$before")" "$(bare "$vm" | md5sum)"
change detach "$vm" serial
same "detach twice, exit status" 0 "$status"
like "... nothing to do" '^live done: no device of ours and no channel$' "$out"

# --- a guest that is paused keeps it -----------------------------------------

change attach "$vm" live
same "live only, exit status" 0 "$status"
unlike "... not in the definition" '^config' "$out"
check "... not there" nb_is defined "$vm" 0 '<shmem'
soon "... the guest has it" sees "$vm" 1
vm_virsh suspend "$vm" >/dev/null
change detach "$vm" live wait 1500
same "detach from a paused guest, exit status" 1 "$status"
like "... keeps it" '^live not done: the guest has not let go of shmem device .*: still attached' "$out"
like "... says why" 'it does not run now' "$out"
check "... still there" nb_is live "$vm" 1 '<shmem'
change detach "$vm" live wait 1000
same "asked again, exit status" 1 "$status"
like "... the same" '^live not done: the guest has not let go of' "$out"
vm_virsh resume "$vm" >/dev/null
soon "resumed: it lets go" nb_is live "$vm" 0 '<shmem'
change detach "$vm"
same "... nothing is left to detach" 0 "$status"

change attach "$vm" live
soon "attached once more" sees "$vm" 1
vm_virsh suspend "$vm" >/dev/null
"$program" "$VM_URI" detach "$vm" live wait 30000 >"$VM_WORKDIR/waiting" 2>&1 &
waiting=$!
vm_own_pid "$waiting"
soon "a guest is being waited for" has_deadline "$waiting"
vm_virsh resume "$vm" >/dev/null
wait "$waiting"
same "resumed while it is waited for, exit status" 0 "$?"
like "... done" '^live done: .*detached$' "$(cat "$VM_WORKDIR/waiting")"

# --- pinning ------------------------------------------------------------------

change pin "$vm" 0 1
same "pin, exit status" 0 "$status"
like "... of a running VM: live" '^live 1 config 0$' "$out"
change pins "$vm"
like "... is read back" '^0: 1$' "$out"
like "... the other vCPU is as it was" "^1: 0-$(($(nproc) - 1))\$" "$out"
check "... not in the definition" nb_is defined "$vm" 0 '<vcpupin'
change pin "$vm" 1 0-1 live config
like "both, where it was changed" '^live 1 config 1$' "$out"
change pin "$vm" 0 0 config
like "in the definition" '^live 0 config 1$' "$out"
check "... and there only" nb_is live "$vm" 1 "<vcpupin vcpu='0' cpuset='1'/>"
change pin "$vm" 2 0 live config
like "no such vCPU" '^error EINVAL: .*no vCPU 2 .*only 0 to 1$' "$out"
change pin "$vm" 0 1023
like "no such CPU" '^error EINVAL: .*the host has no CPU 1023' "$out"

# --- a QEMU that is silent -----------------------------------------------------

pid=$(vm_qemu_pid "$vm") || bail "its QEMU"
kill -STOP "$pid"
(vm_virsh qemu-monitor-command "$vm" --hmp info status >/dev/null 2>&1 &)
# libvirt counts how long it has been waiting
_vm_silent()
{
	change attach "$vm" live print
	[ "$status" -ne 0 ]
}
soon "a silent QEMU is refused" _vm_silent
like "... says so" '^error EBUSY: .*QEMU does not answer' "$out"
kill -CONT "$pid"

vm_stop "$vm"
change pin "$vm" 0 0,1
like "pin, not running: its definition" '^live 0 config 1$' "$out"
change pins "$vm"
like "... is read back" '^0: 0-1$' "$out"
change pin "$vm" 0 0 live
like "pin live, not running" '^error EINVAL: .*does not run' "$out"
change attach "$vm" live
like "attach live, not running" '^error EINVAL: .*does not run' "$out"
change attach "nobody.$$"
like "unknown VM" "^error ENOENT: no VM nobody.$$" "$out"
uuid=$(vm_virsh domuuid "$vm")
change attach "$uuid" config
like "by UUID" "^vm $vm $uuid\$" "$out"
change detach "$uuid"
same "... and out, exit status" 0 "$status"

# --- names, and devices that are wrong -------------------------------------------

vm_xml "twin.$$" 1 "freqring-$vm" | vm_define || bail "a twin"
change attach "$vm" print
like "the object is another VM's: by UUID" "^object freqring-$uuid\$" "$out"
vm_virsh undefine "twin.$$" >/dev/null
VM_XML_DEVICES="<shmem name='freqring-$vm'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>" \
	vm_xml "$vm" 1 | sed "s|<name>|<uuid>$uuid</uuid>&|" | vm_define || bail "a wrong device"
change attach "$vm"
like "a device of the wrong size" '^error EINVAL: .*not 1 MiB in size: use' "$out"
change detach "$vm"
same "... can be detached" 0 "$status"
check "... is gone" nb_is defined "$vm" 0 '<shmem'

# --- channels: 30 a controller, which only a stopped VM gets ---------------------

vm_virsh undefine "$vm" >/dev/null
VM_XML_DEVICES="<controller type='virtio-serial' index='0'/>" vm_xml "$vm" 1 | vm_define ||
	bail "a domain with a controller"
vm_virsh start --paused "$vm" >/dev/null || bail "a VM"
change attach "$vm" live serial 31
same "31 channels, exit status" 1 "$status"
like "... one too many" '^live not done: .*30 free ports .* for 31 channels' "$out"
like "... what would help" '^text attach it in the definition' "$out"
check "... none is there" nb_is live "$vm" 0 'poweragent'
change attach "$vm" live serial 30
same "30 channels, exit status" 0 "$status"
check "... are there" nb_is live "$vm" 30 'target .*poweragent'
change attach "$vm" live serial 31
same "the 31st, exit status" 1 "$status"
check "... leaves no controller" nb_is live "$vm" 1 "<controller type='virtio-serial'"
change attach "$vm" config serial 64
same "64 in the definition, exit status" 0 "$status"
check "... on controllers that libvirt adds" nb_is defined "$vm" 3 "<controller type='virtio-serial'"
change attach "$vm" config serial 65
like "65 are too many" '^error EINVAL: .*at most 64' "$out"
vm_stop "$vm"
vm_virsh start --paused "$vm" >/dev/null || bail "a VM with 64 channels"
change attach "$vm" serial 64
same "the next start has them all, exit status" 0 "$status"
like "... live" '^live done: .*there already; channels 0 to 63: there already$' "$out"
vm_stop "$vm"
change detach "$vm" serial
same "all out of the definition, exit status" 0 "$status"
check "... none is left" nb_is defined "$vm" 0 '<shmem|poweragent'

# --- one without a definition ------------------------------------------------------

vm_virsh undefine "$vm" >/dev/null
vm_xml "$vm" 1 >"$VM_WORKDIR/transient.xml"
vm_virsh create --paused "$VM_WORKDIR/transient.xml" >/dev/null || bail "a transient VM"
change attach "$vm" config
like "transient: no definition" '^error EINVAL: .*transient' "$out"
change attach "$vm"
same "... live, exit status" 0 "$status"
unlike "... and nowhere else" '^config' "$out"
"$program" "$VM_URI" detach "$vm" wait 30000 >"$VM_WORKDIR/waiting" 2>&1 &
waiting=$!
vm_own_pid "$waiting"
soon "a guest is being waited for" has_deadline "$waiting"
vm_virsh destroy "$vm" >/dev/null
wait "$waiting"
same "... it ends meanwhile, exit status" 0 "$?"
like "... says so" '^live done: the VM ended meanwhile' "$(cat "$VM_WORKDIR/waiting")"

# --- q35 --------------------------------------------------------------------------

vm=q$(mktemp -u XXX)
vm_own_shm "freqring-$vm"
export VM_MACHINE=q35
vm_xml "$vm" 1 | vm_define || bail "a q35 domain"
vm_virsh start --paused "$vm" >/dev/null || bail "a q35 VM"
before=$(bare "$vm")
change attach "$vm" live
same "q35 without a root port, exit status" 1 "$status"
like "... says so" '^live not done: .*not while it runs: no free root port$' "$out"
change attach "$vm"
like "... not live" '^live not done: .*no free root port$' "$out"
like "... in the definition" '^config done: ' "$out"
like "... after the next start" '^text in the definition, after the next start' "$out"
vm_stop "$vm"
vm_virsh start --paused "$vm" >/dev/null || bail "a q35 VM with the device"
change attach "$vm"
like "... which has it" '^live done: .*there already$' "$out"
vm_stop "$vm"
change detach "$vm"
same "... and out again" "$(md5sum <<<"$before")" "$(bare "$vm" | md5sum)"
vm_virsh undefine "$vm" >/dev/null

VM_XML_DEVICES="<controller type='pci' index='0' model='pcie-root'/>
<controller type='pci' index='1' model='pcie-root-port'/>
<controller type='virtio-serial' index='0'><address type='pci' bus='1' slot='0'/></controller>
<controller type='pci' index='2' model='pcie-root-port'/>" vm_xml "$vm" 1 | vm_define ||
	bail "a domain with a root port"
vm_start "$vm" || bail "a q35 guest"
change attach "$vm" live
same "q35 with a free root port, exit status" 0 "$status"
like "... live" '^live done: .*attached$' "$out"
check "... behind the free one" nb_is live "$vm" 1 "<address .*bus='0x02' slot='0x00' function='0x0'/>"
soon "... the guest has it" sees "$vm" 1
change attach "$vm" live
like "... twice: there already" '^live done: .*there already$' "$out"
change detach "$vm"
same "... detached, exit status" 0 "$status"
check "... gone in the guest" sees "$vm" 0
vm_stop "$vm"
vm_virsh undefine "$vm" >/dev/null

VM_XML_DEVICES="<controller type='pci' index='0' model='pcie-root'/>
<controller type='pci' index='1' model='pcie-root-port'/>
<controller type='pci' index='2' model='pcie-to-pci-bridge'/>" vm_xml "$vm" 1 | vm_define ||
	bail "a domain with a bridge"
vm_virsh start --paused "$vm" >/dev/null || bail "a q35 VM with a bridge"
change attach "$vm"
same "q35 with a bridge, exit status" 0 "$status"
check "... in a slot of it" nb_is live "$vm" 1 "<address .*bus='0x02' slot='0x0[1-9]' function='0x0'/>"
vm_stop "$vm"
sys_end
