#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# libvirt runs the hook before QEMU: the region's file is there in time, whatever
# else is there does not keep a VM from starting. The folder of hooks is the
# system's, so ours is put over it in a mount namespace, for a private libvirtd.
set -u

if [ -z "${HOOK_NAMESPACE:-}" ] && unshare -m true 2>/dev/null; then
	HOOK_NAMESPACE=1 exec unshare -m "$BASH" "$0" "$@"
fi
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

[ -n "${HOOK_NAMESPACE:-}" ] || skip "no mount namespace here: the folder of hooks is the system's"
[ -d /etc/libvirt/hooks ] || skip "no folder /etc/libvirt/hooks (libvirt-daemon)"
run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
vm_workdir_make || exit 1

# The hook of the build, with a configuration of its own, and what libvirt did.
place=$VM_WORKDIR/g
install -m 755 "$FR_BUILD/host/hook/freqring" "$place/hook" || exit 1
cat >"$place/hook.conf" <<END
[daemon]
group =
[shm]
shm_group = $VM_QEMU_GROUP
qemu_user = $VM_QEMU_USER
END
mkdir -p "$place/hooks/qemu.d" "$place/seen"
chmod 777 "$place/seen"
cat >"$place/hooks/qemu.d/freqring" <<END
#!/bin/sh
"$place/hook" -c "$place/hook.conf" "\$@" >"$place/seen/out" 2>>"$place/seen/err.\$1"
status=\$?
echo "\$1 \$2 \$3 status \$status" >>"$place/seen/calls"
[ "\$2" != prepare ] || {
	stat -c '%a %U %G %s' "/dev/shm/freqring-\$1.$$" >"$place/seen/file.\$1" 2>&1
	pgrep -f "guest=\$1,.*$VM_WORKDIR" >"$place/seen/qemu.\$1"
}
[ ! -s "$place/seen/out" ] || echo "\$1 \$2" >>"$place/seen/talks"
exit \$status
END
chmod 755 "$place/hooks/qemu.d/freqring"
mount --bind "$place/hooks" /etc/libvirt/hooks || skip "nothing can be mounted here"
vm_libvirt_start || exit 1

# A machine with nothing to boot: QEMU maps the object all the same.
domain()	# NAME [MODEL]
{
	cat <<-END
		<domain type='qemu'>
		  <name>$1</name>
		  <memory unit='MiB'>32</memory>
		  <vcpu>1</vcpu>
		  <os><type arch='x86_64' machine='pc'>hvm</type></os>
		  <devices>
		    <emulator>$(command -v qemu-system-x86_64)</emulator>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    <shmem name='$(sys_shm "$1")' role='master'>
		      <model type='ivshmem-plain'/><size unit='M'>1</size>
		    </shmem>
		  </devices>
		</domain>
	END
}

# Defined and started in one step, as by something that makes its XML anew each time.
create()	# NAME
{
	domain "$1" >"$place/$1.xml"
	vm_own_shm "$(sys_shm "$1")"
	run vm_virsh create "$place/$1.xml"
	[ "$status" -eq 0 ] || note "$out"
}

object()
{
	printf '/dev/shm/%s' "$(sys_shm "$1")"
}

seen()
{
	cat "$place/seen/$1" 2>/dev/null
}

state()
{
	vm_virsh domstate "$1" 2>&1 | head -n 1
}

in_order="660 $VM_QEMU_USER $VM_QEMU_GROUP 1048576"

# --- no freqringd runs ---
create early
same "created without a daemon" running "$(state early)"
same "... the file was there when the hook ended" "$in_order" "$(seen file.early)"
same "... and no QEMU yet" "" "$(seen qemu.early)"
same "... QEMU left it as it was" "$in_order" "$(stat -c '%a %U %G %s' "$(object early)")"
check "... and has it mapped" grep -qF "$(object early)" "/proc/$(vm_qemu_pid early)/maps"
same "... nothing was wrong" "" "$(seen err.early)"
made=$(stat -c %i "$(object early)")
vm_virsh destroy early >/dev/null
soon "stopped: libvirt told the hook" grep -qx 'early release end status 0' "$place/seen/calls"
same "... which left the file" "$made" "$(stat -c %i "$(object early)")"

domain defined | vm_define || bail "a domain"
vm_own_shm "$(sys_shm defined)"
run vm_virsh start defined
same "defined and started" running "$(state defined)"
same "... its file" "$in_order" "$(stat -c '%a %U %G %s' "$(object defined)")"
run vm_virsh save defined "$place/seen/saved"
same "saved" "shut off" "$(state defined)"
run vm_virsh restore "$place/seen/saved"
same "restored: the hook did not get in between" running "$(state defined)"
check "... though it was asked" grep -qx 'defined restore begin status 0' "$place/seen/calls"
vm_virsh destroy defined >/dev/null

# --- what is there is not ours ---
install -m 600 -o "$VM_QEMU_USER" /dev/null "$place/target"
truncate -s 1M "$place/target"
vm_own_shm "$(sys_shm linked)"
ln -s "$place/target" "$(object linked)"
create linked
like "a symbolic link is refused" "VM linked will not be served: .*cannot be opened" "$(seen err.linked)"
same "... its target is as it was" 600 "$(stat -c %a "$place/target")"
same "... and the VM starts" running "$(state linked)"
vm_virsh destroy linked >/dev/null

vm_own_shm "$(sys_shm foreign)"
truncate -s 1M "$(object foreign)"
chown 1 "$(object foreign)"
chmod 666 "$(object foreign)"
create foreign
like "a foreign file is refused" "VM foreign will not be served: .*belongs to user 1," "$(seen err.foreign)"
same "... and left as it was" 666 "$(stat -c %a "$(object foreign)")"
same "... and the VM starts" running "$(state foreign)"
vm_virsh destroy foreign >/dev/null

# --- a configuration with a mistake ---
cp "$place/hook.conf" "$place/right.conf"
echo "[nonsense]" >>"$place/hook.conf"
create mistaken
like "a mistake in the configuration is said" "nonsense.*the defaults are used" "$(seen err.mistaken)"
same "... and the VM starts" running "$(state mistaken)"
vm_virsh destroy mistaken >/dev/null
mv "$place/right.conf" "$place/hook.conf"

# --- freqringd runs ---
FR_BACKEND=simulated fr_start || bail "freqringd"
soon_st "freqringd is connected" "s['libvirt']['connected']" true
create late
same "created while it runs" "$in_order" "$(seen file.late)"
soon_st "... and served" "vm('late')['admitted']" true
same "... on the hook's file" "$in_order" "$(stat -c '%a %U %G %s' "$(object late)")"
run fr doctor "$VM_WORKDIR/freqringd.conf"
like "the doctor finds its file in order" 'PASS  regions +[0-9]+ files? in order' "$out"
vm_virsh destroy late >/dev/null
soon "gone: freqringd removes the file" test ! -e "$(object late)"
fr_stop
same "freqringd ends in good order" 0 "$?"

same "the hook has never said a word on stdout" "" "$(seen talks)"
same "... nor vetoed anything" "" "$(grep -v ' status 0$' "$place/seen/calls")"
vm_virsh undefine defined >/dev/null
sys_end
