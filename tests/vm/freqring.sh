# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# freqringd beside the guests of lib.sh, to be sourced after it.
#
#	fr_start [OPTION...]	start freqringd for VM_URI and wait until it serves
#	fr_stop [SIGNAL]	end it (TERM) and wait for its end
#	fr_kill9		as a crash would
#	fr status...		the operator's command on its control socket
#	fr_wait SECONDS TEXT	until `freqring status` shows a line that matches TEXT
#
# FR_BUILD is the build folder. The log of all runs is $VM_WORKDIR/freqringd.log.
# FR_DIR names its folder there, fr by default. FR_CONFIG is more text for the
# configuration; FR_DEFAULT_USERS=1 leaves it to the daemon to find out whom QEMU
# runs as.

FR_PID=
FR_POLLER_CPU=$(($(nproc) - 1))

# Real frequencies where the machine has them, else the named stand-in.
fr_backend()
{
	if [ -n "${FR_BACKEND:-}" ]; then
		echo "$FR_BACKEND"
	elif [ -e /sys/devices/system/cpu/cpu0/cpufreq/scaling_driver ] && [ "$(id -u)" -eq 0 ]; then
		echo librte_power
	else
		echo simulated
	fi
}

fr()
{
	"$FR_BUILD/host/freqring" -s "$VM_WORKDIR/${FR_DIR:-fr}/control.sock" "$@"
}

_fr_answers()
{
	fr version >/dev/null 2>&1
}

_fr_ended()
{
	! kill -0 "$FR_PID" 2>/dev/null || _vm_all_gone "$FR_PID"
}

fr_start()
{
	mkdir -p "$VM_WORKDIR/${FR_DIR:-fr}"
	cat >"$VM_WORKDIR/freqringd.conf" <<-END
		[daemon]
		backend = $(fr_backend)
		poller_cpu = $FR_POLLER_CPU
		socket = $VM_WORKDIR/${FR_DIR:-fr}/control.sock
		state_dir = $VM_WORKDIR/${FR_DIR:-fr}
		group = $(id -gn)
		[libvirt]
		uri = $VM_URI
	END
	[ -n "${FR_DEFAULT_USERS:-}" ] || cat >>"$VM_WORKDIR/freqringd.conf" <<-END
		[shm]
		shm_group = $VM_QEMU_GROUP
		qemu_user = $VM_QEMU_USER
	END
	[ -z "${FR_CONFIG:-}" ] || printf '%s\n' "$FR_CONFIG" >>"$VM_WORKDIR/freqringd.conf"
	"$FR_BUILD/host/freqringd" -c "$VM_WORKDIR/freqringd.conf" "$@" \
		</dev/null >>"$VM_WORKDIR/freqringd.log" 2>&1 &
	FR_PID=$!
	vm_own_pid "$FR_PID"
	_vm_wait 20 _fr_answers && return
	tail -n 20 "$VM_WORKDIR/freqringd.log" >&2
	echo "freqringd does not answer within 20 s (its log is above)" >&2
	return 1
}

fr_stop()
{
	[ -n "$FR_PID" ] || return 0
	kill -s "${1:-TERM}" "$FR_PID" 2>/dev/null
	wait "$FR_PID"
	local status=$?
	FR_PID=
	return "$status"
}

fr_kill9()
{
	fr_stop KILL
	return 0
}

_fr_shows()
{
	fr status 2>/dev/null | grep -qE -- "$1"
}

fr_wait()
{
	_vm_wait "$1" _fr_shows "$2" && return
	fr status >&2
	echo "after $1 s, status does not show: $2" >&2
	return 1
}
