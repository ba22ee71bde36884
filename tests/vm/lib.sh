# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Guests for the demo and the whole-system tests, to be sourced by bash 5:
# a private libvirtd, real QEMU guests under it, commands run inside them, and
# nothing left behind, however the script ends.
#
#	. tests/vm/lib.sh
#	vm_require_tools || exit 77
#	vm_workdir_make
#	vm_image "$builddir" "$builddir/vm" guest/freqring-guest
#	vm_accel_probe
#	vm_libvirt_start
#	vm_xml demo 2 freqring-demo | vm_define
#	vm_start demo
#	vm_exec demo 'freqring-guest query'
#
# A vm_ function returns 0, or another status after a word on standard error;
# none of them exits, except when a signal comes in. The script may run under
# "set -eu". What a caller may set or read:
#
#	VM_WORKDIR	the private folder; its files go with it	(read)
#	VM_URI		libvirt's URI					(read)
#	VM_QEMU_USER, VM_QEMU_GROUP	whom QEMU runs as		(read)
#	VM_ACCEL	kvm or tcg; where set, vm_accel_probe keeps it
#	VM_MACHINE	machine type, pc by default
#	VM_MEMORY	MiB of a guest, 192 by default
#	VM_PINS		"0:1 1:0": vCPU 0 to pCPU 1, vCPU 1 to pCPU 0
#	VM_EMULATORPIN	pCPUs of QEMU's other threads
#	VM_CMDLINE	more words for the guest kernel's command line
#	VM_XML_DEVICES	more XML inside <devices>
#	VM_XML_DOMAIN	more XML inside <domain>
#	VM_LIBVIRT	which private libvirtd, by its folder's name, lv by default
#	VM_READY_SECONDS	how long a guest may boot, 90 by default
#	VM_EXEC_SECONDS		how long a command may run, 60 by default
#	VM_VERBOSE=1	trace each step on standard error

_vm_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
_vm_owner=
_vm_cleaned=
VM_WORKDIR=

# sbin, where libvirtd is, is not in everybody's PATH.
case :$PATH: in
*:/usr/sbin:*) ;;
*) PATH=$PATH:/usr/sbin:/sbin ;;
esac

_vm_error()
{
	printf 'vm: %s\n' "$*" >&2
}

_vm_trace()
{
	[ "${VM_VERBOSE:-0}" != 1 ] || printf 'vm: [%s] %s\n' "${EPOCHREALTIME:5:9}" "$*" >&2
}

# Microseconds, for deadlines.
_vm_now()
{
	printf -v "$1" %s "${EPOCHREALTIME/[.,]/}"
}

# _vm_wait SECONDS COMMAND...: until the command succeeds, or the deadline. The last time
# it begins after that: one that a guest took long for says what was when it began.
_vm_wait()
{
	local now end last=''

	_vm_now now
	end=$((now + $1 * 1000000))
	shift
	until "$@"; do
		[ -z "$last" ] || return 1
		_vm_now now
		[ "$now" -lt "$end" ] || last=1
		sleep 0.05
	done
}

vm_require_tools()
{
	local entry status=0

	for entry in qemu-system-x86_64:qemu-system-x86 \
			libvirtd:libvirt-daemon virsh:libvirt-clients \
			busybox:busybox-static cpio:cpio socat:socat \
			setpriv:util-linux flock:util-linux base64:coreutils; do
		command -v "${entry%%:*}" >/dev/null && continue
		_vm_error "${entry%%:*} is missing: install the package ${entry#*:} (make setup)"
		status=1
	done
	if [ ! -e /usr/share/doc/libvirt-daemon-driver-qemu ] &&
			! compgen -G '/usr/lib*/*/libvirt/connection-driver/libvirt_driver_qemu.so' >/dev/null &&
			! compgen -G '/usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so' >/dev/null; then
		_vm_error "libvirt's QEMU driver is missing: install the package libvirt-daemon-driver-qemu (make setup)"
		status=1
	fi
	return "$status"
}

# --- the work folder, and the one cleanup ----------------------------------

# Where tasks are grouped by session, what a guest does on one CPU takes away from its
# share of the others: a vCPU beside a poller that spins was seen to get a twentieth of a
# CPU, and a command in that guest to take a minute. So not while tests run, where we may say.
_vm_ungroup()
{
	local file=/proc/sys/kernel/sched_autogroup_enabled

	[ -w "$file" ] && [ "$(<"$file")" = 1 ] || return 0
	echo 0 2>/dev/null >"$file" || return 0
	vm_at_exit "echo 1 >$file"
}

vm_workdir_make()
{
	local signal

	[ -z "$VM_WORKDIR" ] || return 0
	if [ -n "$_vm_owner" ] && [ "$_vm_owner" != "$BASHPID" ]; then
		_vm_error "vm_workdir_make belongs in the script itself, not in a subshell"
		return 1
	fi
	# The handlers first: a signal between the two finds no folder, or cleans.
	_vm_owner=$BASHPID
	_vm_cleaned=
	trap _vm_on_exit EXIT
	for signal in HUP INT QUIT PIPE TERM; do
		# shellcheck disable=SC2064
		trap "_vm_on_signal $signal" "$signal"
	done
	# /tmp and not TMPDIR: paths of sockets end at 108 bytes.
	VM_WORKDIR=$(mktemp -d /tmp/freqring.XXXXXX) || return
	# QEMU may be another user: it passes through, and cannot list.
	chmod 711 "$VM_WORKDIR"
	mkdir -m 711 "$VM_WORKDIR/g"
	mkdir -m 700 "$VM_WORKDIR/own"
	_vm_ungroup
	if [ "$(id -u)" -eq 0 ]; then
		VM_QEMU_USER=$(id -un 65534)
		VM_QEMU_GROUP=$(getent group 65534 | cut -d: -f1)
	else
		VM_QEMU_USER=$(id -un)
		VM_QEMU_GROUP=$(id -gn)
	fi
	_vm_trace "work folder $VM_WORKDIR, QEMU will be $VM_QEMU_USER:$VM_QEMU_GROUP"
}

# Lists are files, so that what a subshell adds is not lost.
vm_at_exit()
{
	# a line each, so none of its own
	printf '%s\n' "${1//$'\n'/; }" >>"$VM_WORKDIR/own/hooks"
}

vm_own_shm()
{
	case $1 in
	"" | */* | .*)
		_vm_error "vm_own_shm: '$1' is not the name of a shared-memory object"
		return 1
		;;
	esac
	printf '%s\n' "$1" >>"$VM_WORKDIR/own/shm"
}

# vm_own_pid PID: this process, started by the script, ends with it.
vm_own_pid()
{
	printf '%s %s\n' "$1" "$(_vm_started "$1")" >>"$VM_WORKDIR/own/pids"
}

# When a process was started, in ticks: with the pid, its identity.
_vm_started()
{
	local stat

	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	# the name, in brackets, may hold anything
	stat=${stat##*) }
	# shellcheck disable=SC2086
	set -- $stat
	printf %s "${20}"
}

# Prints the pids of the daemons and guests that belong to the work folder:
# they name it in their arguments or in their environment.
_vm_pids()
{
	local proc name

	for proc in /proc/[0-9]*; do
		{ read -r name <"$proc/comm"; } 2>/dev/null || continue
		case $name in
		libvirtd | virtlogd | virtlockd | qemu-system*) ;;
		# forked from a thread of libvirtd, before it becomes QEMU
		rpc-* | prio-rpc-* | daemon-init) ;;
		*) continue ;;
		esac
		# a zombie has neither
		if grep -qsF "$VM_WORKDIR/" "$proc/cmdline" "$proc/environ" 2>/dev/null; then
			printf '%s\n' "${proc#/proc/}"
		fi
	done
}

# Prints those that vm_own_pid was told of, and that still run.
_vm_own_pids()
{
	local pid started

	[ -e "$VM_WORKDIR/own/pids" ] || return 0
	while read -r pid started; do
		[ -n "$started" ] && [ "$(_vm_started "$pid")" = "$started" ] &&
			printf '%s\n' "$pid"
	done <"$VM_WORKDIR/own/pids"
	return 0
}

_vm_all_gone()
{
	local pid state

	for pid in "$@"; do
		{ read -r _ state <"/proc/$pid/stat"; } 2>/dev/null || continue
		state=${state##*) }
		# a zombie holds nothing and waits for its parent only
		[ "${state%% *}" = Z ] || return 1
	done
}

# _vm_kill PID...: asks, and after 3 s insists.
_vm_kill()
{
	[ $# -gt 0 ] || return 0
	kill -TERM "$@" 2>/dev/null || :
	_vm_wait 3 _vm_all_gone "$@" && return
	_vm_trace "still there after SIGTERM: $*"
	kill -KILL "$@" 2>/dev/null || :
	_vm_wait 3 _vm_all_gone "$@"
}

_vm_cleanup()
{
	local name hook
	local -a hooks=() pids=()

	[ -z "$_vm_cleaned" ] || return 0
	_vm_cleaned=1
	trap '' HUP INT QUIT PIPE TERM
	set +eu
	[ -n "$VM_WORKDIR" ] && [ -d "$VM_WORKDIR" ] || return 0
	_vm_trace "cleaning up"
	cd / || return

	# last registered, first run
	if [ -e "$VM_WORKDIR/own/hooks" ]; then
		mapfile -t hooks <"$VM_WORKDIR/own/hooks"
		while [ ${#hooks[@]} -gt 0 ]; do
			hook=${hooks[-1]}
			unset 'hooks[-1]'
			_vm_trace "at exit: $hook"
			eval "$hook"
		done
	fi
	if [ -e "$VM_WORKDIR/own/system-domains" ]; then
		while read -r name; do
			_vm_system_undefine "$name"
		done <"$VM_WORKDIR/own/system-domains"
	fi
	mapfile -t pids < <(_vm_own_pids)
	_vm_kill "${pids[@]}"
	# Guests and the private libvirtd have nothing to save, and would take
	# their time. Again until there is none: what was being started meanwhile
	# shows up the second time.
	for _ in 1 2 3 4 5; do
		mapfile -t pids < <(_vm_pids)
		[ ${#pids[@]} -gt 0 ] || break
		kill -KILL "${pids[@]}" 2>/dev/null
		_vm_wait 3 _vm_all_gone "${pids[@]}"
	done
	if [ -e "$VM_WORKDIR/own/shm" ]; then
		while read -r name; do
			rm -f "/dev/shm/$name"
		done <"$VM_WORKDIR/own/shm"
	fi
	rm -rf "$VM_WORKDIR"
}

_vm_on_exit()
{
	local status=$?

	[ "$BASHPID" = "$_vm_owner" ] || return
	_vm_cleanup
	exit "$status"
}

# Ends as the signal would have ended it, so that callers see 128 + N.
_vm_on_signal()
{
	[ "$BASHPID" = "$_vm_owner" ] || return
	_vm_cleanup
	trap - EXIT "$1"
	kill -s "$1" "$BASHPID"
}

# --- image and accelerator -------------------------------------------------

# vm_image BUILDDIR OUTDIR [PROGRAM...]: makes the image as image.sh does and
# copies it to where any user's QEMU can read it.
vm_image()
{
	bash "$_vm_here/image.sh" "$@" || return
	install -m 644 "$2/vmlinuz" "$2/initramfs.cpio.gz" "$VM_WORKDIR/g/"
	_vm_trace "image copied to $VM_WORKDIR/g"
}

# Decides once per script; sets VM_ACCEL.
vm_accel_probe()
{
	case ${VM_ACCEL:-} in
	kvm | tcg) return 0 ;;
	"") ;;
	*)
		_vm_error "VM_ACCEL=$VM_ACCEL: neither kvm nor tcg"
		return 1
		;;
	esac
	VM_ACCEL=$("$BASH" "$_vm_here/kvm-probe.sh" "$VM_WORKDIR/g/vmlinuz" \
		"$VM_WORKDIR/g/initramfs.cpio.gz") || return
	_vm_trace "accelerator $VM_ACCEL"
}

# --- libvirt ---------------------------------------------------------------

# vm_virsh ARGUMENT...: virsh on VM_URI, with a deadline. In the foreground
# group, or Ctrl-C would not reach it.
vm_virsh()
{
	timeout --foreground "${VM_VIRSH_SECONDS:-30}" \
		virsh -c "$VM_URI" -q "$@" </dev/null
}

_vm_libvirt_answers()
{
	timeout --foreground 5 virsh -c "$VM_URI" -q uri </dev/null >/dev/null 2>&1
}

# Starts libvirtd, or starts it again after vm_libvirt_stop or
# vm_libvirt_kill9: guests that run are found again.
vm_libvirt_start()
{
	local lv=$VM_WORKDIR/${VM_LIBVIRT:-lv} began now
	local -a as=()

	_vm_now began
	if [ ! -d "$lv" ]; then
		mkdir -m 700 "$lv"
		mkdir -p "$lv/home" "$lv/run" "$lv/config/libvirt" "$lv/cache" "$lv/data"
		# Without these two, virtlogd would be started as a helper and own
		# the consoles, and a security driver could get in between. Two
		# libvirtds of one UUID take each other for the same host.
		cat >"$lv/config/libvirt/qemu.conf" <<-END
			stdio_handler = "file"
			security_driver = "none"
		END
		cat >"$lv/libvirtd.conf" <<-END
			log_outputs = "3:file:$lv/libvirtd.log"
			host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
		END
		[ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$lv"
	fi
	VM_URI="qemu+unix:///session?socket=$lv/run/libvirt/libvirt-sock"
	if [ "$(id -u)" -eq 0 ]; then
		as=(setpriv --reuid=65534 --regid=65534)
		if [ "${VM_ACCEL:-}" = kvm ]; then
			as+=("--groups=$(stat -c %g /dev/kvm)")
		else
			as+=(--clear-groups)
		fi
	fi
	# A session and files of its own: Ctrl-C is for the script alone, and a
	# pipe that the script writes to ends with the script.
	if ! (cd / && exec "${as[@]}" setsid --wait env -i \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
			HOME="$lv/home" XDG_RUNTIME_DIR="$lv/run" \
			XDG_CONFIG_HOME="$lv/config" XDG_CACHE_HOME="$lv/cache" \
			XDG_DATA_HOME="$lv/data" \
			libvirtd -d -f "$lv/libvirtd.conf" -p "$lv/libvirtd.pid" \
			</dev/null >"$VM_WORKDIR/libvirtd.out" 2>&1); then
		cat "$VM_WORKDIR/libvirtd.out" "$lv/libvirtd.log" >&2 2>/dev/null
		_vm_error "libvirtd does not start (see above)"
		return 1
	fi
	if ! _vm_wait 30 _vm_libvirt_answers; then
		tail -n 20 "$lv/libvirtd.log" >&2
		_vm_error "libvirtd does not answer within 30 s (its log is above)"
		return 1
	fi
	_vm_now now
	_vm_trace "libvirtd answers after $(((now - began) / 1000)) ms: $VM_URI"
}

# Prints the private libvirtd's pid, fails where it does not run.
vm_libvirt_pid()
{
	local pid=

	# the file has no newline, which read takes for a failure
	{ read -r pid <"$VM_WORKDIR/${VM_LIBVIRT:-lv}/libvirtd.pid"; } 2>/dev/null || :
	[ -n "$pid" ] || return
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = libvirtd ] || return
	! _vm_all_gone "$pid" || return
	printf '%s\n' "$pid"
}

# Guests go on.
vm_libvirt_stop()
{
	local pid

	pid=$(vm_libvirt_pid) || return 0
	_vm_kill "$pid"
}

vm_libvirt_kill9()
{
	local pid

	pid=$(vm_libvirt_pid) || {
		_vm_error "no libvirtd to kill"
		return 1
	}
	kill -KILL "$pid"
	_vm_wait 3 _vm_all_gone "$pid"
}

# The system's libvirt: uses one that runs, or starts it and stops it at the
# end. For root.
vm_libvirt_system_start()
{
	local daemon pid

	if [ "$(id -u)" -ne 0 ]; then
		_vm_error "the system's libvirt is for root"
		return 1
	fi
	if ! getent passwd libvirt-qemu >/dev/null; then
		_vm_error "no user libvirt-qemu: install the package libvirt-daemon-system (make setup)"
		return 1
	fi
	VM_URI=qemu:///system
	VM_QEMU_USER=libvirt-qemu
	VM_QEMU_GROUP=$(getent group libvirt-qemu | cut -d: -f1)
	[ -n "$VM_QEMU_GROUP" ] || VM_QEMU_GROUP=$(id -gn libvirt-qemu)
	: >>"$VM_WORKDIR/own/system-domains"
	if _vm_libvirt_answers; then
		_vm_trace "the system's libvirt runs already"
		return 0
	fi
	if [ "$(cat /proc/1/comm)" = systemd ]; then
		systemctl start virtlogd.socket libvirtd.service || return
		vm_at_exit 'systemctl stop libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket'
		_vm_wait 30 _vm_libvirt_answers
		return
	fi
	for daemon in virtlogd libvirtd; do
		[ "$daemon" = libvirtd ] || [ ! -S /run/libvirt/virtlogd-sock ] ||
			! socat -u OPEN:/dev/null UNIX-CONNECT:/run/libvirt/virtlogd-sock 2>/dev/null ||
			continue
		# Not a session of ours, but its pid file is ours to keep.
		(cd / && exec setsid --wait "$daemon" -d -p "$VM_WORKDIR/own/$daemon.pid" \
			</dev/null >"$VM_WORKDIR/$daemon.out" 2>&1) || {
			cat "$VM_WORKDIR/$daemon.out" >&2
			_vm_error "$daemon does not start (see above)"
			return 1
		}
		_vm_wait 5 test -s "$VM_WORKDIR/own/$daemon.pid" || :
		pid=$(cat "$VM_WORKDIR/own/$daemon.pid")
		vm_own_pid "$pid"
		_vm_trace "started the system's $daemon, pid $pid"
	done
	_vm_wait 30 _vm_libvirt_answers || {
		_vm_error "the system's libvirt does not answer within 30 s"
		return 1
	}
}

_vm_system_undefine()
{
	local VM_URI=qemu:///system

	vm_virsh destroy "$1" >/dev/null 2>&1
	vm_virsh undefine "$1" >/dev/null 2>&1
	rm -f "/var/log/libvirt/qemu/$1.log"
}

# --- domains ---------------------------------------------------------------

_vm_escape()
{
	local text=$1

	text=${text//&/&amp;}
	text=${text//</&lt;}
	printf %s "${text//\'/&apos;}"
}

_vm_name_ok()
{
	[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$ ]] && return
	_vm_error "'$1': names of guests are 1 to 40 of A-Z a-z 0-9 _ . -"
	return 1
}

# vm_xml NAME VCPUS [SHMEM_NAME]
vm_xml()
{
	local name=$1 vcpus=$2 shmem=${3:-} pin dir type=qemu cpu=maximum

	_vm_name_ok "$name" || return
	if [ "${VM_ACCEL:-tcg}" = kvm ]; then
		type=kvm
		cpu=host-passthrough
	fi
	dir=$VM_WORKDIR/g/$name
	mkdir -p "$dir"
	chmod 755 "$dir"
	[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER:$VM_QEMU_GROUP" "$dir"
	# QEMU makes the object where nobody did; what is there is somebody's.
	if [ -n "$shmem" ] && [ ! -e "/dev/shm/$shmem" ]; then
		vm_own_shm "$shmem" || return
	fi

	cat <<-END
		<domain type='$type'>
		  <name>$name</name>
		  <memory unit='MiB'>${VM_MEMORY:-192}</memory>
		  <vcpu>$vcpus</vcpu>
	END
	if [ -n "${VM_PINS:-}${VM_EMULATORPIN:-}" ]; then
		printf "  <cputune>\n"
		for pin in ${VM_PINS:-}; do
			printf "    <vcpupin vcpu='%s' cpuset='%s'/>\n" "${pin%%:*}" "${pin#*:}"
		done
		[ -z "${VM_EMULATORPIN:-}" ] ||
			printf "    <emulatorpin cpuset='%s'/>\n" "$VM_EMULATORPIN"
		printf "  </cputune>\n"
	fi
	cat <<-END
		  <os>
		    <type arch='x86_64' machine='${VM_MACHINE:-pc}'>hvm</type>
		    <kernel>$VM_WORKDIR/g/vmlinuz</kernel>
		    <initrd>$VM_WORKDIR/g/initramfs.cpio.gz</initrd>
		    <cmdline>console=ttyS0 panic=-1$(_vm_escape "${VM_CMDLINE:+ $VM_CMDLINE}")</cmdline>
		  </os>
		  <features><acpi/><apic/></features>
		  <cpu mode='$cpu'/>
		  <on_poweroff>destroy</on_poweroff>
		  <on_reboot>destroy</on_reboot>
		  <on_crash>destroy</on_crash>
		  <devices>
		    <emulator>$(command -v qemu-system-x86_64)</emulator>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    <serial type='file'>
		      <source path='$dir/console.log'/>
		      <target type='isa-serial' port='0'/>
		    </serial>
		    <serial type='unix'>
		      <source mode='bind' path='$dir/exec.sock'/>
		      <target type='isa-serial' port='1'/>
		    </serial>
	END
	[ -z "$shmem" ] || cat <<-END
		    <shmem name='$(_vm_escape "$shmem")' role='master'>
		      <model type='ivshmem-plain'/>
		      <size unit='M'>1</size>
		    </shmem>
	END
	[ -z "${VM_XML_DEVICES:-}" ] || printf '%s\n' "$VM_XML_DEVICES"
	printf "  </devices>\n"
	[ -z "${VM_XML_DOMAIN:-}" ] || printf '%s\n' "$VM_XML_DOMAIN"
	printf "</domain>\n"
}

# vm_define: a domain's XML on standard input. Under the system's libvirt a
# name that is taken is refused: it is somebody's.
vm_define()
{
	local file=$VM_WORKDIR/own/define.$BASHPID.xml name

	cat >"$file"
	name=$(sed -n 's/^.*<name>\(.*\)<\/name>.*$/\1/p' "$file" | head -n 1)
	_vm_name_ok "$name" || return
	if [ "$VM_URI" = qemu:///system ] &&
			! grep -qsxF "$name" "$VM_WORKDIR/own/system-domains"; then
		if vm_virsh domuuid "$name" >/dev/null 2>&1; then
			_vm_error "$name: the system's libvirt has such a domain already"
			return 1
		fi
		printf '%s\n' "$name" >>"$VM_WORKDIR/own/system-domains"
	fi
	vm_virsh define "$file" >/dev/null || return
	rm -f "$file"
	_vm_trace "$name: defined"
}

# The last that a guest said, for error messages.
_vm_console_tail()
{
	tail -n "${2:-15}" "$VM_WORKDIR/g/$1/console.log" 2>/dev/null |
		tr -cd '[:print:]\n' | sed "s/^/  $1: /" >&2
}

# vm_start NAME: starts a guest and waits until it takes commands.
vm_start()
{
	local name=$1 log=$VM_WORKDIR/g/$1/console.log
	local began now end progress checked seconds=${VM_READY_SECONDS:-90}

	_vm_now began
	rm -f "$log"
	vm_virsh start "$name" >/dev/null || return
	end=$((began + seconds * 1000000))
	progress=$((began + 5000000))
	checked=$began
	until grep -qs '^freqring-guest: ready' "$log"; do
		sleep 0.05
		_vm_now now
		if [ "$now" -ge "$end" ]; then
			_vm_console_tail "$name"
			_vm_error "$name: not ready after $seconds s (its console is above)"
			return 1
		fi
		if [ "$now" -ge "$progress" ]; then
			printf 'vm: %s: booting for %d s: %s\n' "$name" $(((now - began) / 1000000)) \
				"$(tail -n 1 "$log" 2>/dev/null | tr -cd '[:print:]' | cut -c1-60)" >&2
			progress=$((progress + 5000000))
		fi
		if [ $((now - checked)) -ge 2000000 ]; then
			checked=$now
			case $(vm_virsh domstate "$name" 2>&1) in
			"shut off" | crashed)
				_vm_console_tail "$name"
				_vm_error "$name: ended while booting (its console is above)"
				return 1
				;;
			esac
		fi
	done
	_vm_now now
	_vm_trace "$name: ready after $(((now - began) / 1000)) ms"
}

# vm_stop NAME: the plug is pulled; the domain stays defined.
vm_stop()
{
	[ "$(vm_virsh domstate "$1")" != "shut off" ] || return 0
	vm_virsh destroy "$1" >/dev/null
}

# Prints the pid of a guest's QEMU.
vm_qemu_pid()
{
	local proc

	for proc in /proc/[0-9]*; do
		case $(cat "$proc/comm" 2>/dev/null) in
		qemu-system*) ;;
		*) continue ;;
		esac
		if grep -qsF "$VM_WORKDIR/" "$proc/cmdline" &&
				grep -qsF "guest=$1," "$proc/cmdline"; then
			printf '%s\n' "${proc#/proc/}"
			return 0
		fi
	done
	return 1
}

# Prints the thread id of vCPU N of a guest: vm_vcpu_tid NAME N
vm_vcpu_tid()
{
	local pid task name

	pid=$(vm_qemu_pid "$1") || return
	for task in "/proc/$pid/task/"*; do
		{ read -r name <"$task/comm"; } 2>/dev/null || continue
		case $name in
		"CPU $2/KVM" | "CPU $2/TCG")
			printf '%s\n' "${task##*/}"
			return 0
			;;
		esac
	done
	return 1
}

# --- commands inside a guest -----------------------------------------------

# _vm_talk NAME REQUEST TOKEN SECONDS: sends a line and prints what comes
# between the token's begin and end. Leaves the command's status in
# _vm_status; returns 1 at the deadline, 2 where the guest is gone.
_vm_talk()
{
	local LC_ALL=C socket=$VM_WORKDIR/g/$1/exec.sock token=$3
	local fifo=$VM_WORKDIR/own/exec.$1.in in fd pid line status now end left
	local part='' begun='' blank='' result=''

	_vm_status=
	_vm_now now
	end=$((now + $4 * 1000000))
	# This shell alone holds the fifo open for writing: socat, and with it the
	# guest's line, is let go when this shell ends, in whatever way.
	[ -p "$fifo" ] || mkfifo -m 600 "$fifo" || return 2
	exec {in}<>"$fifo"
	exec {fd}< <(
		exec {in}>&-
		exec socat -t 0.1 - "UNIX-CONNECT:$socket,shut-none" <"$fifo" 2>/dev/null
	)
	pid=$!
	printf '\n%s\n' "$2" >&"$in"
	while [ -z "$result" ]; do
		_vm_now now
		left=$((end - now))
		if [ "$left" -le 0 ]; then
			result=1
			break
		fi
		printf -v left '%d.%06d' $((left / 1000000)) $((left % 1000000))
		status=0
		IFS= read -r -t "$left" -u "$fd" line || status=$?
		if [ "$status" -ne 0 ]; then
			# more than 128: the deadline, else the end of the stream
			result=2
			[ "$status" -le 128 ] || result=1
			part=$part$line
			break
		fi
		line=$part$line
		part=
		case $line in
		"$token begin")
			begun=1
			blank=
			continue
			;;
		"$token end "*)
			_vm_status=${line##* }
			result=0
			continue
			;;
		esac
		[ -n "$begun" ] || continue
		# An empty line may be the one before the end: it waits.
		[ -z "$blank" ] || printf '\n'
		blank=
		if [ -n "$line" ]; then
			printf '%s\n' "$line"
		else
			blank=1
		fi
	done
	if [ "$result" != 0 ] && [ -n "$begun" ] && [ -n "$part" ]; then
		printf '%s\n' "$part"
	fi
	exec {fd}<&- {in}>&-
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return "$result"
}

# vm_exec NAME [--timeout SECONDS] COMMAND...
vm_exec()
{
	local name=$1 seconds=${VM_EXEC_SECONDS:-60} token text lock result _vm_status

	shift
	if [ "${1:-}" = --timeout ]; then
		seconds=$2
		shift 2
	fi
	if [ $# -eq 0 ] || [ ! -d "$VM_WORKDIR/g/$name" ]; then
		_vm_error "usage: vm_exec NAME [--timeout SECONDS] COMMAND..., with a guest made by vm_xml"
		return 125
	fi
	token=$(od -An -N12 -tx1 /dev/urandom)
	token=fq${token//[!0-9a-f]/}
	text=$(printf %s "$*" | base64 -w0)
	if [ ${#text} -gt 60000 ]; then
		_vm_error "$name: a command of ${#text} bytes is too long for the line"
		return 125
	fi
	_vm_trace "$name: exec: $*"
	# One at a time: the line has one other end.
	exec {lock}>"$VM_WORKDIR/own/exec.$name"
	if ! flock -w "$seconds" "$lock"; then
		exec {lock}>&-
		_vm_error "$name: another command held its line for $seconds s"
		return 124
	fi
	if _vm_talk "$name" "FQRUN $token $text" "$token" "$seconds"; then
		exec {lock}>&-
		return "$_vm_status"
	else
		result=$?
	fi
	if [ "$result" = 1 ]; then
		_vm_error "$name: not done after $seconds s: $*"
		_vm_talk "$name" "FQKILL $token" "$token" 5 ||
			_vm_error "$name: does not take commands any more"
		exec {lock}>&-
		return 124
	fi
	exec {lock}>&-
	_vm_error "$name: cannot be reached, or ended meanwhile: $*"
	return 125
}

# vm_copy_in NAME FILE GUESTPATH: for small files, with the file's mode.
vm_copy_in()
{
	local name=$1 file=$2 path size offset=0 chunk=16384 sum

	printf -v path %q "$3"
	size=$(stat -L -c %s "$file") || return
	vm_exec "$name" ": >$path" || return
	while [ "$offset" -lt "$size" ]; do
		vm_exec "$name" "echo $(tail -c +$((offset + 1)) "$file" | head -c "$chunk" |
			base64 -w0) | base64 -d >>$path" || return
		offset=$((offset + chunk))
	done
	sum=$(md5sum <"$file")
	[ "$(vm_exec "$name" "chmod $(stat -L -c %a "$file") $path && md5sum <$path")" = "$sum" ] || {
		_vm_error "$name: $3 did not arrive whole"
		return 1
	}
}
