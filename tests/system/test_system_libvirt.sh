#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# As on a real host: the system's libvirt, QEMU as the user that libvirt chose,
# a root daemon that finds out by itself who that is.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

# Its first look at QEMU was seen to take 32 s where there is no udev or D-Bus.
VM_VIRSH_SECONDS=120
sys_wait=120

[ "$(id -u)" -eq 0 ] || skip "the system's libvirt is for root"
unshare -m true 2>/dev/null || skip "no mount namespace here: libvirt's QEMU driver needs one"
getent passwd libvirt-qemu >/dev/null || skip "no user libvirt-qemu (libvirt-daemon-system)"
sys_begin --no-libvirt
run vm_libvirt_system_start
if [ "$status" -ne 0 ]; then
	note "$out"
	skip "the system's libvirt cannot be started here"
fi
vm_libvirt_system_start || bail "the system's libvirt"
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
name=fqsys$$
object=/dev/shm/$(sys_shm "$name")
domains=$(vm_virsh list --all --name | sort)

FR_DEFAULT_USERS=1
fr_start || bail "freqringd"
soon_st "the daemon is connected to the system's libvirt" "s['libvirt']['connected']" true
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu vm_xml "$name" 1 "$(sys_shm "$name")" |
	vm_define || bail "a domain"
soon "its object is made ahead" test -e "$object"
group=
for group in libvirt-qemu qemu kvm; do
	getent group "$group" >/dev/null && break
done
same "... for QEMU's group" "660 root $group 1048576" "$(stat -c '%a %U %G %s' "$object")"
made=$(stat -c %i "$object")
vm_start "$name" || bail "a guest"
same "QEMU runs as" libvirt-qemu "$(stat -c %U "/proc/$(vm_qemu_pid "$name")")"
soon_st "served" "vm('$name')['admitted']" true
same "... on the object that was made" "$made" "$(stat -c %i "$object")"
guest "$name" 'freqring-guest set 0 1400'
same "set, exit status" 0 "$status"
same "... decided" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
vm_virsh vcpupin "$name" 0 "$there_cpu" --live >/dev/null || bail "vcpupin"
soon_st "re-pinned: the new CPU has the vote" "cpu($there_cpu)['decided_khz']" 1400000
same "... the old one is given back" 0 "$(st "cpu($here_cpu)['decided_khz']")"
{ fr_kill9; } 2>/dev/null
fr_start || bail "freqringd, after SIGKILL"
soon_st "killed and restarted: in force" "cpu($there_cpu)['decided_khz']" 1400000
guest "$name" 'freqring-guest set 0 max'
same "... and served" 2601000 "$(st "cpu($there_cpu)['decided_khz']")"
vm_stop "$name"
soon_st "stopped: given back" "cpu($there_cpu)['decided_khz']" 0

# --- a VM that QEMU made the object for, while there was no daemon ---
fr_stop
same "the daemon ends in good order" 0 "$?"
rm -f "$object"
vm_start "$name" || bail "the guest, without a daemon"
same "QEMU made the object" libvirt-qemu "$(stat -c %U "$object")"
fr_start || bail "freqringd, later"
soon_st "daemon last: served" "vm('$name')['admitted']" true
same "... its object is nobody else's to read" 660 "$(stat -c %a "$object")"
guest "$name" 'freqring-guest set 0 1100'
same "... and asks" 1100000 "$(st "cpu($here_cpu)['decided_khz']")"
vm_stop "$name"
vm_virsh undefine "$name" >/dev/null || bail "undefine"
soon "undefined: the object is removed" test ! -e "$object"
fr_stop
same "no domain of ours is left" "$domains" "$(vm_virsh list --all --name | sort)"
sys_end
