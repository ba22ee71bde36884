#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# Without any privilege: the daemon, libvirtd and QEMU are all one ordinary
# user's. Root lends the test to the user with number 65534.
set -u
here=$(cd "$(dirname "$0")" && pwd)

if [ "$(id -u)" -eq 0 ] && [ -z "${SYS_IMAGE:-}" ]; then
	# shellcheck source=tests/system/check.sh
	. "$here/check.sh" "$@"
	run vm_require_tools
	[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
	vm_workdir_make || exit 1
	sys_image || exit 1
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	"${as[@]}" test -r "$here/check.sh" -a -x "$FR_BUILD/host/freqringd" ||
		skip "user 65534 cannot read $here or $FR_BUILD"
	# A copy: what that user writes is in a folder of its own.
	"${as[@]}" env -u XDG_RUNTIME_DIR HOME=/nonexistent SYS_IMAGE="$VM_WORKDIR/g" \
		"$BASH" "$here/test_session_user.sh" "$FR_BUILD"
	exit
fi

# shellcheck source=tests/system/check.sh
. "$here/check.sh" "$@"
sys_begin
mkdir -m 700 "$VM_WORKDIR/run"
export XDG_RUNTIME_DIR=$VM_WORKDIR/run
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
object=/dev/shm/$(sys_shm u)

check "not root" test "$(id -u)" -ne 0
fr_start || bail "freqringd"
soon_st "connected" "s['libvirt']['connected']" true
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu vm_xml u 1 "$(sys_shm u)" | vm_define ||
	bail "a domain"
soon "its object is made ahead" test -e "$object"
same "... for this user" "660 $(id -un) $(id -gn)" "$(stat -c '%a %U %G' "$object")"
vm_start u || bail "a guest"
soon_st "served" "vm('u')['admitted']" true
guest u 'freqring-guest set 0 1400'
same "set, exit status" 0 "$status"
same "... decided" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
vm_virsh vcpupin u 0 "$there_cpu" --live >/dev/null || bail "vcpupin"
soon_st "re-pinned" "cpu($there_cpu)['decided_khz']" 1400000
same "... the old CPU is given back" 0 "$(st "cpu($here_cpu)['decided_khz']")"
{ fr_kill9; } 2>/dev/null
fr_start || bail "freqringd, after SIGKILL"
soon_st "killed and restarted: in force" "cpu($there_cpu)['decided_khz']" 1400000
vm_stop u
soon_st "stopped: given back" "cpu($there_cpu)['decided_khz']" 0
vm_virsh undefine u >/dev/null || bail "undefine"
soon "undefined: the object is removed" test ! -e "$object"

# Real frequencies are not for an ordinary user, and that is said at once.
run timeout 20 "$FR_BUILD/host/freqringd" -c "$VM_WORKDIR/freqringd.conf" \
	--backend librte_power --state-dir "$VM_WORKDIR/fr2" -s "$VM_WORKDIR/fr2/control.sock"
same "librte_power without privilege, exit status" 1 "$status"
like "... says why" '^freqringd: .*(cpufreq|ermission|root|not)' "$out"
note "$out"
fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
