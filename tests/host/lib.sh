# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The test host: a virtual machine whose kernel drives the P-states of six CPUs
# with its own acpi-cpufreq, and that sees the files of the real machine, the
# build with them, at their own paths. To be sourced after tests/vm/lib.sh:
#
#	host_require_tools || exit 77
#	vm_workdir_make
#	host_start "$builddir"
#	host_run 'echo 800000 >/sys/devices/system/cpu/cpu1/cpufreq/scaling_setspeed'
#	host_pstates 1
#
#	host_require_tools	fails, and says why, where a program is missing
#	host_start BUILDDIR	make its image and boot; returns when it takes commands
#	host_run [--timeout SECONDS] COMMAND...
#				run it in the host as root by bash; prints what it
#				wrote, on either stream, and returns its status, or
#				124 at the deadline, 125 where the host is gone
#	host_script [--timeout SECONDS]
#				the same for a script on standard input
#	host_spawn NAME COMMAND...	start it and go on; NAME is the caller's choice
#	host_log NAME		prints the path of what it writes, to be read any time
#	host_alive NAME		whether it still runs
#	host_wait NAME [SECONDS]	until it ends; returns its status, or 124
#	host_signal NAME [SIGNAL]	to all its processes; TERM
#	host_pstates CPU [SKIP]	all that the kernel wrote to a CPU's P-state port, in
#				kHz, one a line, but for the first SKIP
#	host_pstates_count CPU	how many that are
#	host_pstate CPU		the last, in kHz; fails where there is none
#	host_governor NAME	the cpufreq governor of all CPUs
#	host_ceiling N		the firmware allows the Nth P-state and those below: 0
#				all, 1 all but turbo, to 4. Linux's bios_limit follows
#	host_stop		switch it off
#	host_kill		pull its plug
#
# All but host_start, host_stop and host_kill may run at the same time, in
# subshells. HOST_SHARE is a folder that both sides can write, at the same path
# in both. It is in VM_WORKDIR and goes with it, and so does the machine. In
# the host, commands start in the source tree, and have HOST_SHARE, HOST_TOP and
# HOST_BUILD in their environment, so that this file can be sourced there, too,
# for host_pstates. What a caller may set:
#
#	HOST_MEMORY		MiB, 2048 by default
#	HOST_CMDLINE		more words for the kernel's command line
#	HOST_READY_SECONDS	how long it may boot, 180 by default
#	HOST_RUN_SECONDS	how long a command may run, 120 by default

host_cpus=6
_host_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
_host_dir=
_host_pid=
_host_count=0
HOST_SHARE=${HOST_SHARE:-}

host_require_tools()
{
	local entry status=0

	for entry in qemu-system-x86_64:qemu-system-x86 iasl:acpica-tools \
			busybox:busybox-static cpio:cpio flock:util-linux od:coreutils; do
		command -v "${entry%%:*}" >/dev/null && continue
		_vm_error "${entry%%:*} is missing: install the package ${entry#*:} (make setup)"
		status=1
	done
	return "$status"
}

_host_lives()
{
	[ -n "$_host_pid" ] && ! _vm_all_gone "$_host_pid"
}

_host_failed()
{
	tail -n 15 "$_host_dir/console.log" "$_host_dir/qemu.log" 2>/dev/null |
		tr -cd '[:print:]\n' | sed 's/^/  host: /' >&2
	_vm_error "host: $1 (its console is above)"
}

host_start()
{
	local build image began now cpu
	local -a ports=()

	build=$(cd "$1" && pwd) || return
	image=$build/host-image
	bash "$_host_here/image.sh" "$build" "$image" || return
	_vm_now began
	_host_dir=$VM_WORKDIR/host
	HOST_SHARE=$_host_dir/share
	rm -rf "$_host_dir"
	mkdir -p "$HOST_SHARE/run" "$HOST_SHARE/ports"
	cp "$_host_here/agent.sh" "$HOST_SHARE/"
	printf '%s=%q\n' HOST_SHARE "$HOST_SHARE" HOST_BUILD "$build" \
		HOST_TOP "$(cd "$_host_here/../.." && pwd)" >"$HOST_SHARE/boot"
	mkfifo "$_host_dir/line.in" "$_host_dir/line.out" || return
	for ((cpu = 0; cpu < host_cpus; cpu++)); do
		ports+=(-chardev "file,id=p$cpu,path=$HOST_SHARE/ports/$cpu"
			-device "isa-debugcon,iobase=0xb1$cpu,chardev=p$cpu")
	done
	# Not AMD, TCG's default: of that maker acpi-cpufreq takes only those that
	# have P-states of their own. An old one, as TCG is slower with what newer
	# ones can. No mwait: TCG spins in it.
	# shellcheck disable=SC2086
	qemu-system-x86_64 -name freqring-host -nodefaults -no-user-config -no-reboot \
		-display none -machine pc -accel tcg,thread=multi \
		-cpu Nehalem,-monitor \
		-smp "$host_cpus" -m "${HOST_MEMORY:-2048}" \
		-acpitable "file=$image/pstate.aml" "${ports[@]}" \
		-kernel "$image/vmlinuz" -initrd "$image/initramfs.cpio.gz" \
		-append "console=ttyS0 quiet panic=-1 tsc=reliable clocksource=tsc mitigations=off nowatchdog audit=0 rcupdate.rcu_cpu_stall_suppress=1 ${HOST_CMDLINE:-}" \
		-serial "file:$_host_dir/console.log" \
		-device virtio-serial-pci -chardev "pipe,id=line,path=$_host_dir/line" \
		-device virtserialport,chardev=line,name=freqring.line \
		-virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
		-virtfs "local,path=$HOST_SHARE,mount_tag=share,security_model=none,multidevs=remap" \
		</dev/null >"$_host_dir/qemu.log" 2>&1 &
	_host_pid=$!
	vm_own_pid "$_host_pid"
	if ! _vm_wait "${HOST_READY_SECONDS:-180}" _host_booted; then
		_host_failed "not ready after ${HOST_READY_SECONDS:-180} s"
		return 1
	fi
	if ! _host_lives; then
		_host_failed "ended while booting"
		return 1
	fi
	_vm_now now
	_vm_trace "host: ready after $(((now - began) / 1000)) ms"
}

_host_booted()
{
	[ -e "$HOST_SHARE/ready" ] || ! _host_lives
}

# A short line to a pipe is written whole, however many write to it.
_host_tell()
{
	_host_lives && printf '%s\n' "$*" 1<>"$_host_dir/line.in"
}

# _host_end ID SECONDS: waits for the end of a command, returns its status.
_host_end()
{
	local end=$HOST_SHARE/run/$1.end now until fd status

	_vm_now now
	until=$((now + $2 * 1000000))
	# nobody writes to it: to read from it is to sleep, without a process
	exec {fd}<>"$_host_dir/line.out"
	# the file is there before the number is in it
	until { read -r status <"$end"; } 2>/dev/null; do
		_vm_now now
		if [ "$now" -ge "$until" ]; then
			exec {fd}>&-
			return 124
		fi
		if ! _host_lives; then
			exec {fd}>&-
			return 125
		fi
		read -r -t 0.005 -u "$fd" || :
	done
	exec {fd}>&-
	return "$status"
}

# A script on standard input.
host_script()
{
	local seconds=${HOST_RUN_SECONDS:-120} id=$BASHPID.$((_host_count++)) status=0

	if [ "${1:-}" = --timeout ]; then
		seconds=$2
		shift 2
	fi
	cat >"$HOST_SHARE/run/$id"
	_vm_trace "host: run $id: $(head -n 1 "$HOST_SHARE/run/$id")"
	if ! _host_tell RUN "$id"; then
		_host_failed "is not there"
		return 125
	fi
	_host_end "$id" "$seconds" || status=$?
	cat "$HOST_SHARE/run/$id.out" 2>/dev/null
	# a command may end with such a status, too
	[ ! -s "$HOST_SHARE/run/$id.end" ] || return "$status"
	if _host_lives; then
		_vm_error "host: not done after $seconds s: $(head -n 3 "$HOST_SHARE/run/$id")"
		_host_tell SIGNAL "$id" KILL
		return 124
	fi
	_host_failed "ended meanwhile"
	return 125
}

host_run()
{
	local -a options=()

	if [ "${1:-}" = --timeout ]; then
		options=("$1" "$2")
		shift 2
	fi
	host_script "${options[@]}" <<<"$*"
}

host_spawn()
{
	local name=$1

	shift
	rm -f "$HOST_SHARE/run/$name".*
	printf '%s\n' "$*" >"$HOST_SHARE/run/$name"
	_host_tell RUN "$name"
}

host_log()
{
	printf '%s\n' "$HOST_SHARE/run/$1.out"
}

host_alive()
{
	[ ! -s "$HOST_SHARE/run/$1.end" ] && _host_lives
}

host_wait()
{
	_host_end "$1" "${2:-${HOST_RUN_SECONDS:-120}}"
}

host_signal()
{
	_host_tell SIGNAL "$1" "${2:-TERM}"
}

# --- what came out at the ports --------------------------------------------

host_pstates()
{
	od -An -v -tx1 -w1 -j "${2:-0}" "$HOST_SHARE/ports/$1" | sed \
		-e 's/^ 17$/2301000/' -e 's/^ 16$/2300000/' -e 's/^ 12$/1800000/' \
		-e 's/^ 0c$/1200000/' -e 's/^ 08$/800000/'
}

host_pstates_count()
{
	stat -c %s "$HOST_SHARE/ports/$1"
}

host_pstate()
{
	local count

	count=$(host_pstates_count "$1") && [ "$count" -gt 0 ] &&
		host_pstates "$1" $((count - 1))
}

# --- what goes on in there --------------------------------------------------

host_governor()
{
	host_run "for g in /sys/devices/system/cpu/cpufreq/policy*/scaling_governor; do echo $1 >\$g || exit; done"
}

# The ceiling is a fan to Linux: see pstate.asl.
host_ceiling()
{
	host_run "for d in /sys/class/thermal/cooling_device*; do
		[ \$(<\$d/type) != Fan ] || exec bash -c 'echo $1 >\$0/cur_state' \$d
	done; exit 1"
}

# --- its end ----------------------------------------------------------------

host_stop()
{
	_host_tell OFF || return 0
	if ! _vm_wait 20 _vm_all_gone "$_host_pid"; then
		_host_failed "does not switch off"
		host_kill
		return 1
	fi
	wait "$_host_pid"
	_host_pid=
}

host_kill()
{
	[ -n "$_host_pid" ] || return 0
	kill -KILL "$_host_pid" 2>/dev/null
	wait "$_host_pid" 2>/dev/null
	_host_pid=
}
