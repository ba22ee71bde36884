#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Shows that the testbed itself can be trusted: boots a guest under the private
# libvirtd, runs commands in it, looks at the shared memory from both sides,
# moves its vCPU, restarts libvirtd under it, and then looks for anything left.
#
#	tests/vm/selftest.sh [OUTDIR]	(where the guest image is kept)
#
# Prints ok and not ok lines; 0 all is well, 1 something is not, 77 a tool is
# missing. FREQRING_SELFTEST_SYSTEM=1 uses the system's libvirt (root only).

set -u
here=$(cd "$(dirname "$0")" && pwd)

# The part that leaves things behind if it is wrong runs as a script of its own.
if [ "${1:-}" != --inner ]; then
	# shellcheck source=tests/vm/lib.sh
	. "$here/lib.sh"
	vm_require_tools || exit 77
	outdir=${1:-$(mktemp -d /tmp/freqring.image.XXXXXX)} || exit 1
	[ $# -gt 0 ] || trap 'rm -rf "$outdir"' EXIT
	mkdir -p "$outdir" || exit 1
	marks=$outdir/marks.$$
	"$BASH" "$0" --inner "$outdir" "$marks"
	status=$?
	[ "$status" -ne 77 ] || exit 77

	left()
	{
		if [ -z "$2" ]; then
			printf 'ok - left behind: no %s\n' "$1"
		else
			printf 'not ok - left behind: %s: %s\n' "$1" "$2"
			status=1
		fi
	}
	{ read -r workdir && read -r shm && read -r pids; } <"$marks" || exit 1
	rm -f "$marks"
	running=
	for pid in $pids; do
		# a zombie has ended, and waits for init
		grep -qsE '^State:[[:space:]]+[^Z[:space:]]' "/proc/$pid/status" &&
			running="$running $pid"
	done
	for proc in /proc/[0-9]*; do
		if [ "$proc" != "/proc/$$" ] &&
				grep -qsF "$workdir" "$proc/cmdline" "$proc/environ" 2>/dev/null; then
			running="$running ${proc#/proc/}:$(cat "$proc/comm")"
		fi
	done
	left process "$running"
	left socket "$(grep -F "$workdir" /proc/net/unix)"
	left 'shared memory' "$(ls "/dev/shm/$shm" 2>/dev/null)"
	left folder "$(ls -d "$workdir" 2>/dev/null)"
	exit "$status"
fi

outdir=$2
marks=$3
failed=0

# ok WHAT COMMAND...
ok()
{
	local what=$1

	shift
	if "$@"; then
		printf 'ok - %s\n' "$what"
	else
		printf 'not ok - %s\n' "$what"
		failed=1
	fi
}

note()
{
	printf '# %s\n' "$*"
}

began=${EPOCHREALTIME/[.,]/}
# Since the last call.
took()
{
	local now=${EPOCHREALTIME/[.,]/}

	note "$1: $(((now - began) / 1000)) ms"
	began=$now
}

bail()
{
	printf 'not ok - %s\n' "$*"
	exit 1
}

# shellcheck source=tests/vm/lib.sh
. "$here/lib.sh"
vm_require_tools || exit 77
guest=fqself
shm=freqring-selftest-$$
vm_workdir_make || bail "a work folder"
printf '%s\n' "$VM_WORKDIR" "$shm" "" >"$marks"

# The peer in the guest: maps the BAR, prints the word at an offset, or stores.
programs=()
if command -v cc >/dev/null; then
	cat >"$VM_WORKDIR/own/peer.c" <<-'END'
		#include <fcntl.h>
		#include <stdint.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/mman.h>

		int main(int argc, char **argv)
		{
			volatile uint64_t *w;
			int fd = open(argv[1], O_RDWR);

			w = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			if (argc < 3 || fd < 0 || w == MAP_FAILED)
				return 1;
			w += strtoul(argv[2], NULL, 0) / 8;
			if (argc > 3)
				*w = strtoull(argv[3], NULL, 0);
			printf("%016llx\n", (unsigned long long)*w);
			return 0;
		}
	END
	mkdir -p "$outdir/programs"
	if ! cmp -s "$VM_WORKDIR/own/peer.c" "$outdir/programs/peer.c"; then
		cc -O2 -o "$outdir/programs/peer" "$VM_WORKDIR/own/peer.c" ||
			bail "cc makes the guest's program"
		cp "$VM_WORKDIR/own/peer.c" "$outdir/programs/"
	fi
	programs=(peer)
fi

mkdir -p "$outdir/programs"
took start
vm_image "$outdir/programs" "$outdir" "${programs[@]}" || bail "a guest image"
took "image"
vm_accel_probe || bail "an accelerator"
took "probe says $VM_ACCEL"
if [ "${FREQRING_SELFTEST_SYSTEM:-0}" = 1 ]; then
	vm_libvirt_system_start || bail "the system's libvirt"
else
	vm_libvirt_start || bail "a private libvirtd"
fi
took "libvirtd"

# As the daemon makes it: exact size, and QEMU gets at it by the group only.
vm_own_shm "$shm"
(umask 007 && truncate -s 1M "/dev/shm/$shm") || bail "a shared-memory object"
[ "$(id -u)" -ne 0 ] || chgrp "$VM_QEMU_GROUP" "/dev/shm/$shm"

cpus=$(($(nproc) - 1))
VM_PINS="0:$cpus" VM_CMDLINE=freqring.modules=1 vm_xml "$guest" 1 "$shm" |
	vm_define || bail "a domain"
vm_start "$guest" || bail "a guest that boots"
took "start to ready"
qemu=$(vm_qemu_pid "$guest")
printf '%s\n' "$VM_WORKDIR" "$shm" "$qemu $(vm_libvirt_pid)" >"$marks"
if [ "$(id -u)" -eq 0 ]; then
	ok "QEMU runs as $VM_QEMU_USER" test "$(stat -c %U "/proc/$qemu")" = "$VM_QEMU_USER"
fi

# --- commands ---
ok "output comes back" test "$(vm_exec "$guest" 'echo one; echo two >&2; printf three')" \
	= "$(printf 'one\ntwo\nthree')"
vm_exec "$guest" 'exit 0'
ok "status 0" test $? -eq 0
vm_exec "$guest" 'exit 3'
ok "status 3" test $? -eq 3
vm_exec "$guest" 'no-such-command' >/dev/null
ok "status of an unknown command" test $? -eq 127
# shellcheck disable=SC2016
ok "quotes, dollars, tabs and lines arrive" test \
	"$(vm_exec "$guest" 'x="a  b"; echo "$x	'"'"'q'"'"'"'$'\n''echo "\$x"')" \
	= "$(printf 'a  b\t%sq%s\n$x' "'" "'")"
ok "empty lines stay" test "$(vm_exec "$guest" 'echo; echo a; echo; echo; echo b; echo; echo' |
	tr '\n' '/')" = "/a///b///"
ok "nothing in, nothing out" test "$(vm_exec "$guest" true | wc -c)" -eq 0
ok "100 kB come back whole" test "$(vm_exec "$guest" 'seq 1 18000' | md5sum)" \
	= "$(seq 1 18000 | md5sum)"

# Live: the first line is here well before the last is written.
first='' last=''
while read -r line; do
	case $line in
	first) first=${EPOCHREALTIME/[.,]/} ;;
	last) last=${EPOCHREALTIME/[.,]/} ;;
	esac
done < <(vm_exec "$guest" 'echo first; sleep 1; echo last')
gap=$(((${last:-0} - ${first:-0}) / 1000))
ok "lines come as they are written (gap of 1 s seen as $gap ms)" \
	test "$gap" -ge 700 -a "$gap" -lt 5000

vm_exec "$guest" --timeout 1 'echo before; sleep 50; echo after' \
	>"$VM_WORKDIR/own/timeout" 2>/dev/null
ok "a deadline gives 124" test $? -eq 124
ok "... and what was written before" test "$(cat "$VM_WORKDIR/own/timeout")" = before
ok "... and ends the command" test "$(vm_exec "$guest" 'pidof sleep | wc -w')" = 0
vm_exec "$guest" 'sleep 50' &
job=$!
sleep 0.5
kill "$job"
wait "$job" 2>/dev/null
ok "a vm_exec that was killed does not block the next" \
	test "$(vm_exec "$guest" --timeout 10 'echo free')" = free
vm_exec "$guest" 'while :; do echo noise; usleep 100000; done & echo $! >/tmp/noise' >/dev/null
sleep 0.5
# shellcheck disable=SC2016
vm_exec "$guest" 'kill $(cat /tmp/noise)' >/dev/null
ok "what runs on in the background does not disturb the next command" test $? -eq 0
took "commands"
head -c 40000 /dev/urandom >"$VM_WORKDIR/own/random"
ok "a file is copied in" vm_copy_in "$guest" "$VM_WORKDIR/own/random" "/tmp/a file"
took "40 kB copied in"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	vm_exec "$guest" true
done
took "ten commands"

# --- the device ---
# shellcheck disable=SC2016
find_bar='for d in /sys/bus/pci/devices/*; do
	[ "$(cat $d/vendor $d/device | tr "\n" " ")" = "0x1af4 0x1110 " ] && echo $d/resource2
done'
bar=$(vm_exec "$guest" "$find_bar")
note "BAR: $bar"
ok "PCI 1af4:1110 is there" test -n "$bar"
ok "its resource2 has 1 MiB" test "$(vm_exec "$guest" "stat -c %s $bar")" = 1048576
if [ ${#programs[@]} -gt 0 ]; then
	printf 'freqring' | dd of="/dev/shm/$shm" bs=8 seek=512 conv=notrunc status=none
	ok "the guest sees what the host wrote" test \
		"$(vm_exec "$guest" "peer $bar 4096")" = 676e697271657266
	vm_exec "$guest" "peer $bar 8192 0x1122334455667788" >/dev/null
	ok "the host sees what the guest wrote" test \
		"$(od -An -tx8 -j 8192 -N 8 "/dev/shm/$shm" | tr -d ' ')" = 1122334455667788
else
	printf 'ok - shared memory from both sides # SKIP no cc\n'
fi
ok "the virtio modules load" test "$(vm_exec "$guest" \
	'ls -1d /sys/module/virtio_console /sys/module/virtio_pci' | wc -l)" = 2

# --- pinning ---
affinity()
{
	taskset -cp "$(vm_vcpu_tid "$guest" 0)" | sed 's/.*: //'
}
ok "the XML's pin applies" test "$(affinity)" = "$cpus"
ok "vcpupin --live" vm_virsh vcpupin "$guest" 0 0 --live
ok "... moves the thread" test "$(affinity)" = 0

# --- libvirtd comes and goes under the guest ---
if [ "${FREQRING_SELFTEST_SYSTEM:-0}" != 1 ]; then
	began=${EPOCHREALTIME/[.,]/}
	ok "libvirtd is killed" vm_libvirt_kill9
	ok "... and is gone" test -z "$(vm_libvirt_pid)"
	ok "... and the guest goes on" test "$(vm_exec "$guest" 'echo yes')" = yes
	ok "libvirtd starts again" vm_libvirt_start
	took "kill and restart of libvirtd"
	ok "... and finds the guest" test "$(vm_virsh domstate "$guest")" = running
	ok "... with its pin" test "$(vm_virsh vcpupin "$guest" | awk '$1 == "0" { print $2 }')" = 0
	ok "libvirtd is stopped" vm_libvirt_stop
	ok "... and starts once more" vm_libvirt_start
fi

# --- two vCPUs are two threads ---
VM_PINS="0:0 1:$cpus" VM_EMULATORPIN=0 vm_xml two 2 | vm_define || bail "a second domain"
began=${EPOCHREALTIME/[.,]/}
ok "a second guest, with two vCPUs" vm_start two
took "start to ready, two vCPUs"
ok "... has two" test "$(vm_exec two nproc)" = 2
ok "... that are two threads" test "$(vm_vcpu_tid two 0)" != "$(vm_vcpu_tid two 1)"
vm_exec two 'poweroff -f' >/dev/null 2>&1
ok "a guest that ends meanwhile gives 125" test $? -eq 125

ok "vm_stop" vm_stop "$guest"
ok "... once more" vm_stop "$guest"
ok "a domain stays defined" test "$(vm_virsh domstate "$guest")" = "shut off"
began=${EPOCHREALTIME/[.,]/}
ok "a guest starts again" vm_start "$guest"
took "start to ready, again"
# The guest still runs, and libvirtd: the cleanup has something to do.
printf '%s\n' "$VM_WORKDIR" "$shm" "$(vm_qemu_pid "$guest") $(vm_libvirt_pid)" >"$marks"
exit "$failed"
