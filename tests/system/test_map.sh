#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# libvirt is the map: two VMs whose guests ask all the time are re-pinned by
# libvirt and behind its back, get vCPUs plugged in, are paused, saved,
# killed, renamed, suspended; a QEMU hangs; libvirtd is killed under load. Each
# step is an event.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_EMULATORPIN=$here_cpu
export VM_EMULATORPIN
VM_PINS="0:$here_cpu 1:$there_cpu" vm_xml a 2 "$(sys_shm a)" |
	sed "s/<vcpu>2</<vcpu current='1'>2</" | vm_define || bail "a domain"
VM_PINS="0:$there_cpu" vm_xml b 1 "$(sys_shm b)" | vm_define || bail "a second domain"
vm_start a || bail "a guest"
vm_start b || bail "a second guest"
fr_start || bail "freqringd"
soon_st "both are served" "[vm('a')['admitted'], vm('b')['admitted']]" '[true, true]'

fr event --loop --timestamp >"$VM_WORKDIR/events" 2>&1 &
vm_own_pid $!

# told KIND REGEX: an event, as the one who listens saw it
told()
{
	grep -qE "event '$1'.*$2" "$VM_WORKDIR/events"
}

forget_told()
{
	: >"$VM_WORKDIR/events"
}

# keep VM WORDS: a program in the guest that asks for the same all the time
keep()
{
	vm_exec "$1" ": >/tmp/keeper; keeper ${*:2} >>/tmp/keeper 2>&1 & echo \$! >/tmp/keeper.pid" >/dev/null
}

# flood VM: many requests, without an end
flood()
{
	vm_exec "$1" 'rm -f /tmp/flood.bad; while :; do freqring-guest ping -n 20000 >/dev/null 2>/tmp/flood.err ||
		cat /tmp/flood.err >>/tmp/flood.bad; done & echo $! >/tmp/flood.pid' >/dev/null
}

here="cpu($here_cpu)['decided_khz']"
there="cpu($there_cpu)['decided_khz']"
guest a 'freqring-guest set 0 1400'
guest b 'freqring-guest set 0 1100'
flood b
keep a 0 1400000
same "each on its CPU" '[1400000, 1100000]' "$(st "[$here, $there]")"

# --- every domain is in the list ---
run fr list
like "the list has both" "^a +running +yes" "$out"
like "... with their devices" "^b +running +yes .*$(sys_shm b)" "$out"

# --- taskset: behind libvirt's back ---
tid=$(vm_vcpu_tid a 0) || bail "the thread of vCPU 0"
taskset -pc "$there_cpu" "$tid" >/dev/null || bail "taskset"
soon_st "taskset: the CPU that it runs on has the vote" "$there" 1400000
same "... the other is given back" 0 "$(st "$here")"
soon "... an event says that it moved" told pinned "VM a, vCPU 0: pinned to CPUs $there_cpu, was $here_cpu"
soon "... and that libvirt says otherwise" told pin-differs "runs on CPUs $there_cpu, but libvirt says $here_cpu"
same "... as does the status" "[\"$there_cpu\", \"$here_cpu\"]" \
	"$(st "[vm('a')['vcpus'][0]['pcpus'], vm('a')['vcpus'][0]['libvirt_pcpus']]")"
taskset -pc "0-$(($(nproc) - 1))" "$tid" >/dev/null || bail "taskset"
soon_st "taskset to all CPUs: no vote" "ch('a', 0)['reason']" unpinned
same "... the slower one of the other VM is left" 1100000 "$(st "$there")"
run fr vcpupin a 0 "$here_cpu"
same "freqring vcpupin, exit status" 0 "$status"
soon_st "... puts it right" "[$here, $there]" '[1400000, 1100000]'
run fr vcpupin a
like "... and shows it" "^ *0 +$here_cpu\$" "$out"

# --- a vCPU that is plugged ---
same "a vCPU that is not plugged in" no_vcpu "$(st "ch('a', 1)['reason']")"
vm_virsh setvcpus a 2 --live >/dev/null || bail "setvcpus"
soon_st "plugged in, without an event of libvirt" "vm('a')['vcpus'][1]['present']" true
soon "... which is one of ours" told vcpu 'VM a: vCPU 1 was plugged in'
vm_exec a 'echo 1 >/sys/devices/system/cpu/cpu1/online 2>/dev/null
	while [ "$(cat /sys/devices/system/cpu/cpu1/online)" != 1 ]; do usleep 50000; done' >/dev/null
guest a 'freqring-guest set 1 2000'
same "... its program asks, exit status" 0 "$status"
soon_st "... and is heard" "$there" 2000000
# QEMU 7.2 under TCG never tells that a vCPU was let go of, so the VM is started anew.
vm_stop a
soon_st "stopped: the CPU is the other VM's" "$there" 1100000
vm_start a || bail "the guest, with one vCPU"
soon_st "started: no vCPU 1" "vm('a')['vcpus'][1]['present']" false
same "... and no vote of its" no_vcpu "$(st "ch('a', 1)['reason']")"
keep a 0 1400000
soon_st "... the other asks" "$here" 1400000

# --- pinned and pinned again, as fast as libvirt does it ---
for _ in $(seq 100); do
	echo "vcpupin a 0 $there_cpu --live"
	echo "vcpupin a 0 $here_cpu --live"
done >"$VM_WORKDIR/pins"
before=$(st "s['libvirt']['map_latency_us']['samples']")
timeout 60 virsh -c "$VM_URI" -q <"$VM_WORKDIR/pins" >/dev/null
same "200 moves, exit status" 0 "$?"
soon_st "after 200 moves the last one is in force" "[$here, $there]" '[1400000, 1100000]'
check "their time to the map in force is measured" \
	test "$(st "s['libvirt']['map_latency_us']['samples']")" -gt "$before"
note "from libvirt's event to the new map in force, us: $(st "s['libvirt']['map_latency_us']")"

# --- paused ---
forget_told
vm_virsh suspend a >/dev/null || bail "virsh suspend"
soon_st "paused: no vote" "$here" 0
soon "... told" told state 'VM a: paused, was running'
vm_virsh resume a >/dev/null || bail "virsh resume"
soon_st "resumed: the vote is back" "$here" 1400000
soon "... told" told state 'VM a: running, was paused'

# --- a QEMU that hangs ---
kill -STOP "$(vm_qemu_pid b)" || bail "SIGSTOP"
fr detach b --live >"$VM_WORKDIR/detach" 2>&1 &
detach=$!
vm_own_pid "$detach"
for cpu in "$there_cpu" "$here_cpu"; do
	run fr vcpupin a 0 "$cpu"
	same "one QEMU hangs: the other VM is moved to CPU $cpu" 0 "$status"
	soon_st "... and followed" "cpu($cpu)['decided_khz']" 1400000
done
run fr vcpupin b
like "... what it is pinned to is known" "^ *0 +$there_cpu\$" "$out"
run fr detach b --live
same "... a second operator is refused, exit status" 1 "$status"
like "... and told why" "another operator's detach is under way" "$out"
kill -CONT "$(vm_qemu_pid b)"
wait "$detach"
note "detach from a QEMU that hung: $(tail -n 1 "$VM_WORKDIR/detach")"
run fr attach b
soon_st "it goes on: served" "vm('b')['admitted']" true

# --- its device goes and comes while its programs ask ---
forget_told
run fr detach b --live
same "detached while its guest asks, exit status" 0 "$status"
like "... it let go" '^live: .*detached$' "$out"
unlike "... really" '<shmem' "$(vm_virsh dumpxml b)"
soon_st "... not served any more" "'b' in [v['name'] for v in s['vms']]" false
soon_st "... its vote is gone" "$there" 0
same "... the other VM's is not" 1400000 "$(st "$here")"
run fr attach b --live
same "attached while its guest runs, exit status" 0 "$status"
soon_st "... served" "vm('b')['admitted']" true
soon "... both told" told device 'VM b: device shmem0 was removed'
soon "... the second one, too" told device 'VM b: device shmem0 was added'
requests=$(st "vm('b')['requests']")
soon "... and its program asks again" sys_st_is "vm('b')['requests'] > $requests" true
vm_exec b 'kill $(cat /tmp/flood.pid); killall freqring-guest' >/dev/null 2>&1
guest b 'freqring-guest set 0 1100'
same "... and heard" 1100000 "$(st "$there")"

# --- saved and restored, which is a migration to the same place ---
image=$VM_WORKDIR/lv/a.save
forget_told
vm_virsh save a "$image" >/dev/null || bail "virsh save"
soon_st "saved: not served" "vm('a')['admitted']" false
soon_st "... the CPU is given back" "$here" 0
epoch=$(st "vm('a')['epoch']")
vm_virsh restore "$image" >/dev/null || bail "virsh restore"
soon_st "restored: served" "vm('a')['admitted']" true
soon_st "... and the guest's program says again what it wants" "$here" 1400000
same "... in a new epoch" true "$(st "vm('a')['epoch'] != ${epoch:-0}")"
soon "... told" told served 'VM a: served'

# --- QEMU is killed ---
kill -KILL "$(vm_qemu_pid a)"
soon_st "QEMU is killed: not served" "vm('a')['admitted']" false
soon_st "... the CPU is given back" "$here" 0
soon "... told" told state 'VM a: defined, was running'
vm_start a || bail "the guest, again"
soon_st "started again: served" "vm('a')['admitted']" true

# --- renamed ---
VM_PINS="0:$here_cpu" vm_xml c 1 "$(sys_shm c)" | vm_define || bail "a third domain"
soon_st "a third domain is known" "'c' in [v['name'] for v in s['vms']]" true
vm_virsh domrename c d >/dev/null || bail "domrename"
soon_st "renamed" "[v['name'] for v in s['vms'] if v['shmem'] == '$(sys_shm c)']" '["d"]'
soon "... told" told renamed 'VM c: is now called d'
check "... its object is kept" test -e "/dev/shm/$(sys_shm c)"

# --- given another object ---
vm_own_shm "$(sys_shm d)"
vm_virsh dumpxml d | sed "s/$(sys_shm c)/$(sys_shm d)/" | vm_define || bail "a domain, anew"
soon "another object: made ahead" test -e "/dev/shm/$(sys_shm d)"
vm_virsh undefine d >/dev/null
soon "... undefined: removed" test ! -e "/dev/shm/$(sys_shm d)"
soon "... and so is the one before" test ! -e "/dev/shm/$(sys_shm c)"

# --- asleep: a guest without an operating system that suspends itself ---
# mov dx, 0x604; mov ax, SLEEP; out dx, ax; hlt; and again
sleeper()	# NAME SLEEP: 24 is S3, 28 is S4
{
	{
		printf "\xba\x04\x06\xb8\x00\x$2\xef\xf4\xeb\xfd"
		head -c 500 /dev/zero
		printf '\x55\xaa'
	} >"$VM_WORKDIR/g/$1.img"
	chmod 644 "$VM_WORKDIR/g/$1.img"
	[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER" "$VM_WORKDIR/g/$1.img"
	VM_PINS="0:$there_cpu" VM_XML_DEVICES="<disk type='file' device='disk'><driver name='qemu' type='raw'/>
		<source file='$VM_WORKDIR/g/$1.img'/><target dev='hda' bus='ide'/></disk>" \
		VM_XML_DOMAIN="<pm><suspend-to-mem enabled='yes'/><suspend-to-disk enabled='yes'/></pm>" \
		vm_xml "$1" 1 "$(sys_shm "$1")" |
		sed '/<kernel>/d; /<initrd>/d; /<cmdline>/d' | vm_define
}
forget_told
sleeper s3 24 || bail "a domain that suspends to memory"
vm_virsh start s3 >/dev/null || bail "start s3"
soon_st "suspended to memory" "vm('s3')['state']" suspended
soon "... told" told pm-suspend 'VM s3: its guest suspended to memory'
vm_virsh dompmwakeup s3 >/dev/null || bail "dompmwakeup"
soon "woken up: told" told pm-wakeup 'VM s3: its guest woke up'
vm_stop s3
sleeper s4 28 || bail "a domain that suspends to disk"
vm_virsh start s4 >/dev/null || bail "start s4"
soon "suspended to disk: told" told pm-suspend-disk 'VM s4: its guest suspended to disk'
soon_st "... and off" "vm('s4')['state']" defined
vm_virsh undefine s3 >/dev/null
vm_virsh undefine s4 >/dev/null

# --- libvirtd is killed under load ---
keep a 0 1400000
flood b
soon_st "both ask" "[$here, $there]" '[1400000, 1100000]'
forget_told
timeout 60 virsh -c "$VM_URI" -q <"$VM_WORKDIR/pins" >/dev/null 2>&1 &
pinner=$!
vm_libvirt_kill9 || bail "no libvirtd to kill"
wait "$pinner"
soon_st "libvirtd is killed: known" "s['libvirt']['connected']" false
soon "... told" told libvirt-lost 'the last map stays in force, no VM is admitted'
run fr list
like "... the list says so" 'libvirt' "$out"
requests=$(st "vm('b')['requests']")
soon "... requests are served all along" sys_st_is "vm('b')['requests'] > $requests" true
run fr vcpupin a 0 "$here_cpu"
same "... vcpupin, exit status" 1 "$status"
like "... says why" 'cannot be reached' "$out"
same "... the last map is in force" true "$(st "1400000 in ($here, $there)")"
run fr rm_vm a
run fr add_vm a
same "... a VM that is added, exit status" 0 "$status"
same "... is not admitted" false "$(st "vm('a')['admitted']")"
vm_libvirt_start || bail "libvirtd again"
soon_st "it is back: connected" "s['libvirt']['connected']" true
soon "... told" told libvirt-connected 'connected, its events are on'
soon_st "... the VM that was added is admitted" "vm('a')['admitted']" true
soon "... and that all was read anew" told libvirt-synced 'all [0-9]+ domains read'
events=$(st "s['libvirt']['events']")
vm_virsh vcpupin a 0 "$here_cpu" --live >/dev/null || bail "vcpupin"
soon "... its events come again" sys_st_is "s['libvirt']['events'] > $events" true
soon_st "... and followed" "[$here, $there]" '[1400000, 1100000]'
guest b 'kill $(cat /tmp/flood.pid); killall freqring-guest 2>/dev/null; sleep 0.2; cat /tmp/flood.bad 2>/dev/null'
same "no request of the other VM failed since it was started" "" "$out"

fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
