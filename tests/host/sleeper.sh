# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The host that sleeps: as the test host (lib.sh), but with a disk of its own and
# systemd, so that it can be suspended to memory and come back. To be sourced
# after tests/vm/lib.sh and tests/host/lib.sh, whose host_pstates and the like
# work here, too.
#
#	sleeper_start BUILDDIR	make its image and boot; returns when it takes commands
#	sleeper COMMAND...	run it there as root, by sh
#	sleeper_stop		pull its plug
#
# What it writes to the P-state ports is seen outside all along. Each machine has
# a fresh copy of the disk; /dev/vdb is an empty file system.
# shellcheck disable=SC2034,SC2154	# variables of lib.sh

_sleeper_pid=
_sleeper_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

sleeper_start()
{
	local build image dir cpu
	local -a ports=()

	build=$(cd "$1" && pwd) || return
	image=$build/sleep-image
	bash "$_sleeper_here/sleep-image.sh" "$build" "$image" || return
	dir=$VM_WORKDIR/g/sleeper
	HOST_SHARE=$dir
	mkdir -p "$dir/ports"
	mke2fs -q -t ext4 "$dir/small.ext4" 8M || return
	for ((cpu = 0; cpu < host_cpus; cpu++)); do
		ports+=(-chardev "file,id=p$cpu,path=$dir/ports/$cpu"
			-device "isa-debugcon,iobase=0xb1$cpu,chardev=p$cpu")
	done
	# The processor as in lib.sh, and for the same reasons.
	qemu-system-x86_64 -name freqring-sleeper -nodefaults -no-user-config \
		-display none -machine pc -accel tcg,thread=multi -cpu Nehalem,-monitor \
		-smp "$host_cpus" -m 1024 -rtc base=utc,clock=host \
		-acpitable "file=$image/pstate.aml" "${ports[@]}" \
		-kernel "$image/vmlinuz" -initrd "$image/initramfs.cpio.gz" \
		-append "console=ttyS0 quiet panic=-1 tsc=reliable clocksource=tsc mitigations=off nowatchdog audit=0 rcupdate.rcu_cpu_stall_suppress=1 systemd.unit=freqring.target systemd.log_target=console systemd.show_status=0 systemd.log_level=err SYSTEMD_DEFAULT_TIMEOUT=20 no_console_suspend" \
		-drive "file=$image/root.ext4,format=raw,if=none,id=root,snapshot=on" \
		-device virtio-blk-pci,drive=root \
		-drive "file=$dir/small.ext4,format=raw,if=none,id=small" \
		-device virtio-blk-pci,drive=small \
		-serial "file:$dir/console.log" -serial "unix:$dir/exec.sock,server=on,wait=off" \
		-monitor "unix:$dir/monitor.sock,server=on,wait=off" \
		</dev/null >"$dir/qemu.log" 2>&1 &
	_sleeper_pid=$!
	vm_own_pid "$_sleeper_pid"
	_vm_wait 180 grep -qs '^freqring-guest: ready' "$dir/console.log" && return
	tail -n 30 "$dir/console.log" "$dir/qemu.log" | tr -cd '[:print:]\n' >&2
	_vm_error "the host that sleeps does not boot within 180 s (its console is above)"
	return 1
}

sleeper()
{
	vm_exec sleeper "$*"
}

sleeper_stop()
{
	[ -n "$_sleeper_pid" ] || return 0
	kill -KILL "$_sleeper_pid" 2>/dev/null
	wait "$_sleeper_pid" 2>/dev/null
	_sleeper_pid=
}
