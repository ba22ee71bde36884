# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The words that checks in the test host are made of, for what needs no more of
# inside.sh: to source that takes most of a second there, this nothing.
#
#	host_run '. tests/host/quick.sh; post web 0 max; states'
#
#	fr ...			the operator's command
#	virt ...		virsh
#	post NAME VCPU WORD...	post.c on a domain's region
#	rpc METHOD PARAMS	a request to the control socket as it is; the reply
#	put CPU FILE VALUE	to a cpufreq file
#	get CPU FILE
#	online CPU 0|1
#	states			governor and set speed of each policy, in one line
#	until_is SECONDS EXPECTED COMMAND...	until it prints that

_work=/tmp/in
_cpus=/sys/devices/system/cpu

fr()
{
	"$HOST_BUILD/host/freqring" -s "$_work/fr/control.sock" "$@"
}

virt()
{
	timeout 60 virsh -q -c "qemu+unix:///session?socket=$_work/lv/run/libvirt/libvirt-sock" \
		"$@" </dev/null
}

post()
{
	local name=$1

	shift
	"$HOST_BUILD/tests/host/post" "/dev/shm/freqring-$name" "$@"
}

rpc()
{
	printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\n' "$1" "$2" |
		socat -t 10 - "UNIX-CONNECT:$_work/fr/control.sock"
}

put()
{
	echo "$3" >"$_cpus/cpu$1/cpufreq/$2"
}

get()
{
	echo "$(<"$_cpus/cpu$1/cpufreq/$2")"
}

online()
{
	echo "$2" >"$_cpus/cpu$1/online"
}

states()
{
	local dir governor speed text=

	for dir in "$_cpus"/cpufreq/policy*; do
		governor=$(<"$dir/scaling_governor")
		speed=$(<"$dir/scaling_setspeed")
		[ "$governor" != userspace ] || governor="$governor $speed"
		text="$text${text:+, }${dir##*policy} $governor"
	done
	echo "$text"
}

until_is()
{
	local end=$((SECONDS + $1)) seen

	until seen=$("${@:3}" 2>&1) && [ "$seen" = "$2" ]; do
		if [ "$SECONDS" -ge "$end" ]; then
			printf 'not within %s s: %s: %s, but: %s\n' "$1" "${*:3}" "$2" "$seen"
			return 1
		fi
		sleep 0.1
	done
}
