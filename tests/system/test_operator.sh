#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# The operator's command against a real daemon and a real VM: a script of
# vm_power_manager's commands, as it is; manual settings and disabled channels
# against a guest that asks; what is wrong is named and changes nothing; two
# operators at once; who may what.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu
export VM_PINS VM_EMULATORPIN
vm_xml a 1 "$(sys_shm a)" | vm_define || bail "a domain"
vm_xml off 2 "$(sys_shm off)" | vm_define || bail "a domain that does not run"
vm_xml bare 1 | vm_define || bail "a domain without a device"
vm_start a || bail "a guest"
FR_CONFIG="[vms]
allow = a"
fr_start || bail "freqringd"
soon_st "the VM is served" "vm('a')['admitted']" true

here="cpu($here_cpu)['decided_khz']"
there="cpu($there_cpu)['decided_khz']"

mask_of()
{
	printf '0x%x' $((1 << $1))
}

# shell TEXT: a script for freqring shell
shell()
{
	status=0
	out=$(fr shell 2>"$VM_WORKDIR/err" <<<"$1") || status=$?
	err=$(cat "$VM_WORKDIR/err")
}

# refused STATUS REGEX WORDS...: a command that fails so, and says why
refused()
{
	run fr "${@:3}"
	same "freqring ${*:3}: exit status" "$1" "$status"
	like "... says why" "$2" "$out"
}

# --- vm_power_manager's words, one after the other ---
shell "add_vm a
add_channels a all
set_channel_status a all enabled
show_vm a
set_pcpu a 0 $there_cpu
set_pcpu_mask a 0 $(mask_of "$here_cpu")
set_query a enable
set_cpu_freq $here_cpu max
show_cpu_freq $here_cpu
set_cpu_freq_mask $(printf '0x%x' $((1 << here_cpu | 1 << there_cpu))) min
show_cpu_freq_mask $(printf '%d' $((1 << here_cpu | 1 << there_cpu)))
set_cpu_freq $here_cpu up
show_cpu_freq $here_cpu
set_cpu_freq $here_cpu down
set_cpu_freq $here_cpu enable_turbo
show_cpu_freq $here_cpu
set_cpu_freq $here_cpu disable_turbo
show_cpu_freq $here_cpu
add_channels a 0
set_query a disable
quit
show_cpu_freq $here_cpu"
same "a script of vm_power_manager's commands, exit status" 0 "$status"
same "... no word on standard error" "" "$err"
same "... prints vm_power_manager's lines" "Added 1 channels for VM 'a'
Updated status of 0 channels for VM 'a'
VM: 'a', status = ACTIVE
Channels 1
  [0]: /dev/shm/$(sys_shm a).0, status = CONNECTED
Virtual CPU(s): 1
  [0]: Physical CPU Mask $(mask_of "$here_cpu")
Pinned vCPU(0) to pCPU core $there_cpu)
Pinned vCPU(0) to pCPU core mask($(mask_of "$here_cpu"))
Core $here_cpu frequency: 2601000
Core $here_cpu: 800000
Core $there_cpu: 800000
Core $here_cpu frequency: 1100000
Core $here_cpu frequency: 2601000
Core $here_cpu frequency: 2600000
[0]: Adding channel 0
Enabled 1 channels for 'a'" "$out"
soon_st "... the pin stands" "vm('a')['vcpus'][0]['libvirt_pcpus']" "$here_cpu"
like "... in the definition as well" "vcpupin vcpu='0' cpuset='$here_cpu'" "$(vm_virsh dumpxml --inactive a)"
same "... what was set by hand is held" '[true, true]' "$(st "[cpu($here_cpu)['manual'], cpu($there_cpu)['manual']]")"

# --- a manual setting against a guest ---
guest a 'freqring-guest set 0 1400'
same "an operator's setting beats the guest's wish" 2600000 "$(st "$here")"
like "... which is told" 'operator|by hand|manual' "$out"
like "... the status shows it" 'operator' "$(fr status)"
run fr set_cpu_freq "$here_cpu" 1700
same "a figure in MHz, exit status" 0 "$status"
same "... is set by then" 1700000 "$(st "$here")"
run fr release "$here_cpu"
same "released, exit status" 0 "$status"
same "... the guest's wish decides again" 1400000 "$(st "$here")"
same "... the other CPU is held still" 800000 "$(st "$there")"
run fr release all
same "all released" 0 "$(st "$there")"
run fr release all
same "... again, exit status" 0 "$status"

# --- a disabled channel ---
run fr set_channel_status a 0 disabled
same "set_channel_status" "Updated status of 1 channels for VM 'a'" "$out"
soon_st "disabled: the vote is withdrawn" "$here" 0
requests=$(st "vm('a')['requests']")
guest a 'freqring-guest set 0 max'
same "... the guest's request, exit status" 1 "$status"
like "... is told why" 'disabled' "$out"
check "... it was received" test "$(st "vm('a')['requests']")" -gt "$requests"
same "... ignored" 0 "$(st "$here")"
check "... and counted" test "$(st "vm('a')['refusals'].get('disabled', 0)")" -ge 1
like "... show_vm" 'status = DISABLED' "$(fr show_vm a)"
run fr set_channel_status a all enabled
soon_st "enabled: the last wish is in force" "$here" 2601000
like "each was an event" 'operator.*VM a: 1 channel disabled by an operator' "$(fr events)"

# --- VMs that the configuration does not allow ---
same "a VM that is not allowed" false "$(st "vm('off')['admitted']")"
like "... the list says why" '^off .*not in the configured list' "$(fr list)"
like "... and of one without a device" '^bare .*freqring attach bare' "$(fr list)"
run fr add_vm off
same "add_vm of a VM that does not run, exit status" 0 "$status"
same "... says nothing" "" "$out"
like "show_vm of it" "^VM: 'off', status = INACTIVE" "$(fr show_vm off)"
same "... with where it will be pinned" "  [0]: Physical CPU Mask $(mask_of "$here_cpu")" \
	"$(fr show_vm off | grep '\[0\]')"
vm_virsh start off >/dev/null || bail "start"
soon_st "started: served" "vm('off')['admitted']" true
run fr rm_vm off
same "rm_vm, exit status" 0 "$status"
soon_st "... not served any more" "vm('off')['admitted']" false
vm_stop off

# --- a new configuration ---
sed -i 's/^allow = a$/allow = */; s/^\[vms\]$/[vms]\nrate_limit = 100000/' "$VM_WORKDIR/freqringd.conf"
printf '[vm a]\nmax_mhz = 1700\n' >>"$VM_WORKDIR/freqringd.conf"
sed -i "s/^state_dir = .*/state_dir = \/tmp/" "$VM_WORKDIR/freqringd.conf"
run fr reload
same "reload, exit status" 0 "$status"
like "... what changed" '\[vms\] rate_limit' "$out"
like "... and what waits for a restart" '\[daemon\] state_dir' "$out"
soon_st "the new rule is in force" "$here" 1700000
printf 'no such line\n' >>"$VM_WORKDIR/freqringd.conf"
refused 1 "freqringd.conf:[0-9]+: " reload
same "... and nothing changed" 1700000 "$(st "$here")"

# --- what is wrong ---
before=$(st "[[c['manual'], c['decided_khz']] for c in s['cpus']]")
pins=$(vm_virsh vcpupin a)
refused 1 'nosuch: libvirt knows no VM' set_channel_status nosuch all enabled
refused 1 'nosuch: libvirt knows no VM' add_vm nosuch
refused 1 'nosuch' vcpupin nosuch
refused 1 'nosuch' set_pcpu nosuch 0 0
refused 1 'nosuch' attach nosuch
refused 1 'no channel 7' set_channel_status a 7 disabled
refused 1 'an operator removed it' add_channels off all
refused 1 'does not run|not running' set_pcpu off 0 "$here_cpu"
refused 1 'vCPU 5' vcpupin a 5 "$here_cpu"
refused 1 'CPU 900 is not managed' set_cpu_freq 900 max
refused 1 'CPU 900 is not managed' vcpupin a 0 900
refused 1 'CPU [0-9]+ is not managed' set_cpu_freq_mask 0xffffffffffffffff max
refused 1 'kHz is not within' set_cpu_freq "$here_cpu" 9000
refused 1 'Unable to get frequency for core 900' show_cpu_freq 900
for list in '0,,2' '5-2' '1-' a '' '0,2-5,9x' 99999999999999999999; do
	refused 2 "'?$list" set_channel_status a "$list" disabled
done
for list in 0,,1 1-0 0- x; do
	refused 2 "$list" vcpupin a 0 "$list"
done
refused 2 'a/b' set_channel_status a/b all disabled
refused 2 'enable' set_channel_status a all enable
refused 2 'fast' set_cpu_freq 0 fast
refused 2 '0x' set_cpu_freq_mask 0x max
refused 2 'missing|too few|usage' set_pcpu a 0
refused 2 'too many' show_vm a b
same "none of it changed a CPU" "$before" "$(st "[[c['manual'], c['decided_khz']] for c in s['cpus']]")"
same "... or a pin" "$pins" "$(vm_virsh vcpupin a)"
same "... or a channel" false "$(st "ch('a', 0)['disabled']")"
shell "show_cpu_freq 900
frobnicate a
show_cpu_freq $here_cpu"
same "a script goes on after what is wrong, exit status" 2 "$status"
like "... and says in which line" '2.*frobnicate' "$err"
like "... and does the rest" "Core $here_cpu frequency: " "$out"

# --- two operators at once ---
for turn in 1 2 3 4 5 6 7 8 9 10; do
	fr set_cpu_freq "$here_cpu" min & one=$!
	fr set_cpu_freq "$here_cpu" max & two=$!
	wait "$one" || sys_not_ok "turn $turn: the first operator was refused"
	wait "$two" || sys_not_ok "turn $turn: the second operator was refused"
done
check "two operators set one CPU: one of them has it" \
	grep -qE '^(800000|2601000)$' <<<"$(st "$here")"
run fr release all
for turn in 1 2 3; do
	fr vcpupin a 0 "$there_cpu" >"$VM_WORKDIR/one" 2>&1 & one=$!
	fr vcpupin a 0 "$here_cpu" >"$VM_WORKDIR/two" 2>&1 & two=$!
	wait "$one"; s1=$?
	wait "$two"; s2=$?
	check "two operators pin one vCPU: one at least has done it" test "$((s1 * s2))" -eq 0
	[ $((s1 + s2)) -eq 0 ] || like "... who was refused knows why" "another operator's vcpupin is under way" \
		"$(cat "$VM_WORKDIR/one" "$VM_WORKDIR/two")"
done
run fr vcpupin a 0 "$here_cpu"
soon_st "what libvirt has is what freqringd has" "vm('a')['vcpus'][0]['pcpus']" "$here_cpu"

# --- a device comes and goes ---
run fr attach bare --print
same "attach --print, exit status" 0 "$status"
like "... is the device" "<shmem name='freqring-bare' role='master'" "$out"
unlike "... and nothing was done" 'shmem' "$(vm_virsh dumpxml bare)"
check "... nor was a file made" test ! -e /dev/shm/freqring-bare
vm_own_shm freqring-bare
run fr attach bare --config
same "attach to a VM that is off, exit status" 0 "$status"
like "... is in its definition" "shmem name='freqring-bare'" "$(vm_virsh dumpxml bare)"
soon "... its file is made, and nobody else's to read" test -e /dev/shm/freqring-bare
same "... for QEMU's group" "660 $VM_QEMU_GROUP" "$(stat -c '%a %G' /dev/shm/freqring-bare)"
run fr detach bare
same "detach, exit status" 0 "$status"
unlike "... and it is out again" 'shmem' "$(vm_virsh dumpxml bare)"

# --- who may what ---
if [ "$(id -u)" -eq 0 ]; then
	cp "$FR_BUILD/host/freqring" "$VM_WORKDIR/g/freqring"
	chmod 755 "$VM_WORKDIR/fr"
	fr_stop
	FR_CONFIG="" fr_start --group 54321 2>/dev/null && sys_not_ok "a group that is not there"
	as()	# GROUPS WORDS...
	{
		run setpriv --reuid=54321 --regid=54321 --groups="$1" \
			"$VM_WORKDIR/g/freqring" -s "$VM_WORKDIR/fr/control.sock" "${@:2}"
	}
	nogroup=$(getent group nogroup | cut -d: -f1) users=$(getent group users | cut -d: -f1)
	FR_CONFIG="" fr_start --group "$nogroup" --admin-group "$users" || bail "freqringd with two groups"
	soon_st "served" "vm('a')['admitted']" true
	as "$(getent group nogroup | cut -d: -f3)" list
	same "a member of the group reads, exit status" 0 "$status"
	as "$(getent group nogroup | cut -d: -f3)" set_cpu_freq "$here_cpu" max
	same "... and changes nothing, exit status" 1 "$status"
	like "... told who may" 'admin_group' "$out"
	as "$(getent group nogroup | cut -d: -f3),$(getent group users | cut -d: -f3)" set_cpu_freq "$here_cpu" min
	same "a member of admin_group does, exit status" 0 "$status"
	same "... it is in force" 800000 "$(st "$here")"
	as "$(getent group users | cut -d: -f3)" list
	same "admin_group alone does not reach the socket" 1 "$status"
fi

fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
