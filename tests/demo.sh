#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# make demo: a program in a real VM drives its cores through the ring.
#	demo.sh BUILDDIR
set -eu

# Read as a whole before any of it runs: bash 5.2 ends with a syntax error where
# a signal comes while it reads a $( ).
{
here=$(cd "$(dirname "$0")" && pwd)
FR_BUILD=$(cd "${1:?usage: demo.sh BUILDDIR}" && pwd)
# shellcheck source=tests/vm/lib.sh
. "$here/vm/lib.sh"
# shellcheck source=tests/vm/freqring.sh
. "$here/vm/freqring.sh"

cpus=$(nproc)
[ "$cpus" -ge 2 ] || { echo "make demo needs two CPUs: one for the poller, one for the VM" >&2; exit 1; }
guest_cpu=0
other_cpu=$FR_POLLER_CPU
# Where there are more than two, the VM is moved to one that is free.
[ "$cpus" -eq 2 ] || other_cpu=1
shm=freqring-demo.$$
word=frqbench-demo.$$
step=0

step()
{
	step=$((step + 1))
	printf '\n%d. %s\n' "$step" "$*"
}

# The frequency that the host set a CPU to, in MHz, as status shows it.
host_mhz()
{
	fr status -o json | tr -d ' \n' | sed "s/.*\"cpu\":$1,\"backend\"//; s/\"cpu\":.*//" |
		sed -n 's/.*"applied_khz":\([0-9]*\)[0-9]\{3\}[^0-9].*/\1/p'
}

both_cpus()
{
	local cpu mhz line=

	for cpu in "$guest_cpu" "$other_cpu"; do
		mhz=$(host_mhz "$cpu")
		line="$line  CPU $cpu ${mhz:-given back}${mhz:+ MHz}"
	done
	echo "$line$simulated"
}

ask()
{
	local said

	said=$(vm_exec demo "freqring-guest set 0 $*") || { printf '%s\n' "$said"; return 1; }
	printf '   guest: %s\n   host: %s\n' "$(printf '%s' "$said" | tr '\n' ' ')" "$(both_cpus)"
}

vm_require_tools
vm_workdir_make
simulated=
[ "$(fr_backend)" = librte_power ] || simulated=" (simulated)"

step "A guest image with this build's programs, and what this machine can run"
vm_image "$FR_BUILD" "$FR_BUILD/vm" "$FR_BUILD/guest/freqring-guest" "$FR_BUILD/bench/freqring-bench-guest"
vm_accel_probe
printf '   accelerator %s, %d CPUs, %s\n' "$VM_ACCEL" "$cpus" \
	"$([ -z "$simulated" ] && echo "real cpufreq" || echo "no cpufreq here: the backend is \"simulated\" and sets nothing")"

step "A libvirtd of our own, and a VM with an ivshmem device, vCPU 0 on CPU $guest_cpu"
vm_libvirt_start
VM_PINS="0:$guest_cpu" VM_EMULATORPIN="$guest_cpu"
export VM_PINS VM_EMULATORPIN
vm_own_shm "$word"
truncate -s 1M "/dev/shm/$word"
chgrp "$VM_QEMU_GROUP" "/dev/shm/$word"
chmod 660 "/dev/shm/$word"
VM_XML_DEVICES="<shmem name='$word' role='master'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>"
vm_xml demo 1 "$shm" | vm_define
vm_start demo
printf '   booted; %s, object /dev/shm/%s\n' "$(vm_virsh domstate demo)" "$shm"

step "The limits of this machine, before freqringd runs"
printf '   cache-line ping-pong, CPU %d and %d:   ' "$guest_cpu" "$FR_POLLER_CPU"
vm_virsh suspend demo >/dev/null
"$FR_BUILD/bench/freqring-bench" -o json pingpong "$guest_cpu" "$FR_POLLER_CPU" >"$VM_WORKDIR/pingpong.json"
"$FR_BUILD/bench/freqring-bench" -o json post-cost -c "$guest_cpu" -s "$FR_POLLER_CPU" -r 5 \
	>"$VM_WORKDIR/post.json"
vm_virsh resume demo >/dev/null
# shellcheck source=tests/vm/figures.sh
. "$here/vm/figures.sh"
figures <"$VM_WORKDIR/pingpong.json"
"$FR_BUILD/bench/freqring-bench" bounce-host -c "$FR_POLLER_CPU" -t 60 "/dev/shm/$word" >/dev/null &
bounce=$!
vm_own_pid "$bounce"
printf '   bare word, guest to a bare process:  '
vm_exec demo 'freqring-bench-guest -o json bounce-guest' >"$VM_WORKDIR/bounce.json"
kill "$bounce" 2>/dev/null || :
wait "$bounce" 2>/dev/null || :
figures <"$VM_WORKDIR/bounce.json"

step "freqringd: poller on CPU $FR_POLLER_CPU, backend $(fr_backend)"
fr_start
fr_wait 10 'demo .*running'
vm_exec demo 'freqring-guest info' | sed 's/^/   /'

step "Round trips from the guest, post to consumed and seen back"
printf '   freqring:                            '
vm_exec demo 'freqring-guest -o json ping -n 200000' >"$VM_WORKDIR/ping.json"
figures <"$VM_WORKDIR/ping.json"
printf '   a post, no wait:    in the guest %5s ns;  on the host itself %5s ns (streaming %s ns)\n' \
	"$(tenths post_ns <"$VM_WORKDIR/ping.json")" \
	"$(median post_credit <"$VM_WORKDIR/post.json")" \
	"$(median post_stream <"$VM_WORKDIR/post.json")"
printf '   a dropped repeat:   in the guest %5s ns;  on the host itself %5s ns\n' \
	"$(tenths repeat_ns <"$VM_WORKDIR/ping.json")" \
	"$(median post_repeat <"$VM_WORKDIR/post.json")"

step "The guest asks; libvirt says which pCPU; the host applies"
ask max
ask down
ask min
ask up
ask 1400
printf '   -- vcpupin demo 0 %s --live\n' "$other_cpu"
vm_virsh vcpupin demo 0 "$other_cpu" --live >/dev/null
fr_wait 10 "^ +0 +$other_cpu "
printf '   host: %s\n' "$(both_cpus)"
ask max
ask 2000
printf '   -- vcpupin demo 0 %s --live\n' "$guest_cpu"
vm_virsh vcpupin demo 0 "$guest_cpu" --live >/dev/null
fr_wait 10 "^ +0 +$guest_cpu "
ask turbo off
ask max
ask release

step "What the operator sees"
fr status | sed 's/^/   /'

fr_stop
p50=$(figure p50 <"$VM_WORKDIR/ping.json")
bare=$(figure p50 <"$VM_WORKDIR/bounce.json")
p99=$(figure p99 <"$VM_WORKDIR/ping.json")
printf '\nA store in the VM was consumed by the host and seen back in %s ns (p50), %s ns (p99): %s times the bare word.\n' \
	"$p50" "$p99" "$(awk -v a="$p50" -v b="$bare" 'BEGIN { printf "%.2f", a / b }')"
}
