#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# As on a real host: the system's libvirt, QEMU as the user that libvirt chose,
# a root daemon that finds out by itself who that is. An operator attaches,
# detaches and pins, the doctor has nothing against a VM that is served, and
# libvirt runs the hook. Its folder is the system's, so ours is put over it in a
# mount namespace, which a libvirtd that is started here shares.
set -u

if [ -z "${SYSTEM_NAMESPACE:-}" ] && unshare -m true 2>/dev/null; then
	SYSTEM_NAMESPACE=1 exec unshare -m "$BASH" "$0" "$@"
fi
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

# Its first look at QEMU was seen to take 32 s where there is no udev or D-Bus.
VM_VIRSH_SECONDS=120
sys_wait=120

[ "$(id -u)" -eq 0 ] || skip "the system's libvirt is for root"
[ -n "${SYSTEM_NAMESPACE:-}" ] || skip "no mount namespace here: libvirt's QEMU driver needs one"
getent passwd libvirt-qemu >/dev/null || skip "no user libvirt-qemu (libvirt-daemon-system)"
sys_begin --no-libvirt
# libvirtd looks for hooks once, when it starts: one of them has to be there.
hook_dir=$VM_WORKDIR/g/hooks
mkdir -p "$hook_dir/qemu.d"
install -m 755 "$FR_BUILD/host/hook/freqring" "$hook_dir/qemu.d/freqring" || exit 1
[ ! -d /etc/libvirt/hooks ] || mount --bind "$hook_dir" /etc/libvirt/hooks || skip "nothing can be mounted here"
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
sys_wait=30
mv "$hook_dir/qemu.d/freqring" "$hook_dir/freqring" || bail "the hook, not yet"
VM_CMDLINE=freqring.modules=1	# among them what PCI needs for plugging
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

# --- the doctor, on a host with a VM that is served ---
sound()	# WHEN: it says nothing against libvirt, the VM and its region
{
	run fr doctor "$VM_WORKDIR/freqringd.conf"
	unlike "$1: the doctor fails nothing about VMs" \
		'^ *FAIL +(config|daemon|libvirt|hook|vms|domains|shm|regions|served) ' "$out"
	like "$1: ... is content with the region" 'PASS +regions +[0-9]+ files? in order' "$out"
	like "$1: ... and that it is served" 'PASS +served ' "$out"
	same "$1: ... its exit status says whether it failed anything" \
		"$(grep -cE '^ *FAIL ' <<<"$out" | sed 's/[1-9].*/1/')" "$status"
}
sound "served"
grep -E 'FAIL|WARN' <<<"$out" | sed 's/^/# /'

# --- pinned by the operator ---
run fr vcpupin "$name" 0 "$there_cpu" --config --live
same "freqring vcpupin --config --live, exit status" 0 "$status"
soon_st "... the new CPU has the vote" "cpu($there_cpu)['decided_khz']" 1100000
same "... the old one is given back" 0 "$(st "cpu($here_cpu)['decided_khz']")"
like "... live" "^ *0 +$there_cpu\$" "$(vm_virsh vcpupin "$name" --live)"
like "... and in the definition" "^ *0 +$there_cpu\$" "$(vm_virsh vcpupin "$name" --config)"

# --- detached and attached by the operator ---
run fr detach "$name"
same "freqring detach, exit status" 0 "$status"
like "... live" '^live: .*detached' "$out"
like "... and in the definition" '^in its definition: .*detached' "$out"
soon_st "... not served" "'$name' in [v['name'] for v in s['vms']]" false
soon_st "... the CPU is given back" "cpu($there_cpu)['decided_khz']" 0
unlike "... libvirt has it no more" '<shmem' "$(vm_virsh dumpxml "$name")"

# Under another name, which is the one that attach chooses.
object=/dev/shm/freqring-$name
vm_own_shm "freqring-$name"
run fr attach "$name"
same "freqring attach, exit status" 0 "$status"
like "... live" '^live: .*attached' "$out"
like "... and in the definition" '^in its definition: .*attached' "$out"
same "... on an object that the daemon made, before QEMU" "660 root $group" \
	"$(stat -c '%a %U %G' "$object")"
check "... and that QEMU has mapped" grep -qF "$object" "/proc/$(vm_qemu_pid "$name")/maps"
soon_st "... served" "vm('$name')['admitted']" true
finds()	# VM
{
	vm_exec "$1" 'freqring-guest set 0 1400' >/dev/null 2>&1
}
soon "... the guest finds it" finds "$name"
soon_st "... and is heard" "cpu($there_cpu)['decided_khz']" 1400000
sound "attached"
vm_stop "$name"

# --- the hook ---
if [ -e "$VM_WORKDIR/own/libvirtd.pid" ]; then
	fr_stop
	same "the daemon ends in good order" 0 "$?"
	mv "$hook_dir/freqring" "$hook_dir/qemu.d/freqring" || bail "the hook"
	rm -f "$object"
	vm_virsh start --paused "$name" >/dev/null || bail "the VM, with the hook"
	same "the hook made the object" "660 root $group 1048576" "$(stat -c '%a %U %G %s' "$object")"
	check "... and QEMU has it mapped" grep -qF "$object" "/proc/$(vm_qemu_pid "$name")/maps"
	fr_start || bail "freqringd, with the hook"
	vm_virsh resume "$name" >/dev/null || bail "virsh resume"
	soon_st "... and it is served on it" "vm('$name')['admitted']" true
	sound "hooked"
	like "... and with the hook" 'PASS +hook ' "$out"
	vm_stop "$name"
else
	note "the system's libvirt ran already, and looks elsewhere for hooks: not tested"
fi
vm_virsh undefine "$name" >/dev/null || bail "undefine"
soon "undefined: the object is removed" test ! -e "$object"
fr_stop
same "no domain of ours is left" "$domains" "$(vm_virsh list --all --name | sort)"
sys_end
