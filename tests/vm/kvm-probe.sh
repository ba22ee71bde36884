#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Says whether guests can run under KVM here: boots one, with a deadline.
# Neither /dev/kvm nor libvirt's capabilities tell: there are machines where
# vCPUs can be made and a stock kernel hangs all the same.
#
#	tests/vm/kvm-probe.sh KERNEL INITRD
#
# Prints "kvm" or "tcg", and why on standard error; the status is 0 either way.
# The deadline is 8 s, or FREQRING_KVM_PROBE_SECONDS.

set -u

if [ $# -ne 2 ]; then
	printf 'usage: %s KERNEL INITRD\n' "$0" >&2
	exit 2
fi
kernel=$1
initrd=$2
seconds=${FREQRING_KVM_PROBE_SECONDS:-8}
qemu=
dir=

cleanup_job()
{
	[ -n "$qemu" ] || return
	while kill -KILL "$qemu" 2>/dev/null; do
		sleep 0.02
	done
	qemu=
}

cleanup()
{
	cleanup_job
	[ -z "$dir" ] || rm -rf "$dir"
	dir=
}

answer()
{
	cleanup
	printf 'kvm-probe: %s\n' "$2" >&2
	printf '%s\n' "$1"
	exit 0
}

# Ends as the signal would have ended it.
on_signal()
{
	cleanup
	trap - EXIT "$1"
	kill -s "$1" "$$"
}

trap cleanup EXIT
trap 'on_signal HUP' HUP
trap 'on_signal INT' INT
trap 'on_signal TERM' TERM

[ -e /dev/kvm ] || answer tcg "no /dev/kvm: guests run under TCG"
{ : <>/dev/kvm; } 2>/dev/null ||
	answer tcg "/dev/kvm: not permitted to user $(id -un): guests run under TCG"
command -v qemu-system-x86_64 >/dev/null ||
	answer tcg "qemu-system-x86_64 is missing: install the package qemu-system-x86"

dir=$(mktemp -d /tmp/freqring.XXXXXX) || answer tcg "/tmp: no folder can be made"
began=${EPOCHREALTIME/[.,]/}
ulimit -c 0
qemu-system-x86_64 -accel kvm -machine pc -cpu host -smp 2 -m 192 \
	-nodefaults -display none -no-reboot -serial "file:$dir/console" \
	-serial null -kernel "$kernel" -initrd "$initrd" \
	-append "console=ttyS0 panic=-1" </dev/null >"$dir/log" 2>&1 &
qemu=$!
# or the shell would tell how it ended
disown

while :; do
	milliseconds=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	if grep -qs 'freqring-guest: ready' "$dir/console"; then
		answer kvm "a guest booted under KVM in $milliseconds ms"
	fi
	if ! kill -0 "$qemu" 2>/dev/null; then
		cleanup_job
		answer tcg "QEMU ended without a booted guest: $(tail -n 1 "$dir/log"): guests run under TCG"
	fi
	if [ "$milliseconds" -ge $((seconds * 1000)) ]; then
		answer tcg "no guest booted under KVM within $seconds s (it hung after: $(
			tail -n 1 "$dir/console" 2>/dev/null | tr -cd '[:print:]' | cut -c1-70)): guests run under TCG"
	fi
	sleep 0.05
done
