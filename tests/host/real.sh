# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What tests/host/test_real_*.sh share, to be sourced after check.sh:
#
#	real_begin		boots the host, with two domains in it:
#					web: vCPUs 0 1 2 3 on pCPUs 1 2 3 4
#					db:  vCPUs 0 1     on pCPUs 3 5
#				and CPU 1 at 1200000 by hand, CPU 4 under
#				performance, all others under powersave
#	real_daemon [OPTION...]	starts freqringd and waits until it serves both;
#				FR_CONFIG as in inside.sh
#	real_ends SIGNAL	ends it, sets $status
#	real_end		the sum
#	h COMMAND...		with the words of quick.sh, in the host; sets $out, $status
#	mark			forget what came to the ports so far
#	since			what came since, "1: 2301000 800000" for each port
#				that anything came to, with "; " between
#	port CPU KHZ		whether that is what its port was set to last
#
# fr, and with it st and all of check.sh, speak to the daemon in the host.
# shellcheck disable=SC2154	# variables of check.sh

# shellcheck source=tests/host/lib.sh
. "$sys_here/../host/lib.sh"

real_before="0 powersave, 1 userspace 1200000, 2 powersave, 4 performance, 5 powersave"
real_ports="1: 1200000; 2: 800000; 4: 2301000; 5: 800000"
real_daemons=0
marks=()

h()
{
	run host_run ". tests/host/quick.sh; $*"
}

fr()
{
	host_run ". tests/host/quick.sh; fr $*"
}

mark()
{
	local cpu

	for ((cpu = 0; cpu < host_cpus; cpu++)); do
		marks[cpu]=$(host_pstates_count "$cpu")
	done
}

since()
{
	local cpu text all=

	for ((cpu = 0; cpu < host_cpus; cpu++)); do
		text=$(host_pstates "$cpu" "${marks[cpu]}")
		[ -z "$text" ] || all="$all${all:+; }$cpu: ${text//$'\n'/ }"
	done
	printf '%s\n' "$all"
}

port()
{
	[ "$(host_pstate "$1")" = "$2" ]
}

# What all ports of managed CPUs were set to last.
real_at_ports()
{
	local cpu all=

	for cpu in 1 2 4 5; do
		all="$all${all:+; }$cpu: $(host_pstate "$cpu")"
	done
	printf '%s\n' "$all"
}

# as_before NAME: governors, set speeds and ports are as before freqringd.
as_before()
{
	h states
	same "$1" "$real_before" "$out"
	same "... and so are the ports" "$real_ports" "$(real_at_ports)"
}

real_begin()
{
	run vm_require_tools
	[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
	run host_require_tools
	[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
	vm_workdir_make || exit 1
	host_start "$FR_BUILD" || real_bail "the host boots"
	run host_run '. tests/host/inside.sh
		in_libvirt && in_domain_xml web 4 | vm_define &&
			in_domain_xml db 2 "0:3 1:5" | vm_define &&
			vm_virsh start web >/dev/null && vm_virsh start db >/dev/null &&
		for p in 0 1 2 4 5; do
			echo powersave >/sys/devices/system/cpu/cpufreq/policy$p/scaling_governor
		done
		cd /sys/devices/system/cpu/cpufreq
		echo performance >policy4/scaling_governor
		echo userspace >policy1/scaling_governor
		echo 1200000 >policy1/scaling_setspeed'
	[ "$status" -eq 0 ] || real_bail "libvirt and two domains: $out"
	as_before "before freqringd: a governor of each kind"
}

real_bail()
{
	sys_not_ok "$1" "the test ends here"
	real_end
}

real_daemon()
{
	real_daemons=$((real_daemons + 1))
	daemon=freqringd$real_daemons
	host_spawn "$daemon" "FR_CONFIG='${FR_CONFIG:-}'; . tests/host/inside.sh; in_freqringd $*"
	_vm_wait 90 real_serves || real_bail "freqringd serves: $(fr status 2>&1)"
}

# All VMs that run are served, what CPUs offer is known, and each of the three
# domains is decided.
real_serves()
{
	[ "$(st "len(s['vms']) == 2 and s['applier']['decisions'] >= 3 and all(v['admitted'] == (v['state'] != 'defined') for v in s['vms'])" \
		2>/dev/null)" = true ]
}

real_ends()
{
	host_signal "$daemon" "$1"
	status=0
	host_wait "$daemon" 60 || status=$?
}

real_end()
{
	local i

	if [ "$sys_failed" -ne 0 ]; then
		for ((i = 1; i <= real_daemons; i++)); do
			note "what freqringd $i wrote:"
			sed 's/^/#   /' "$(host_log "freqringd$i")"
		done
	fi
	check "the host is switched off" host_stop
	sys_end
}
