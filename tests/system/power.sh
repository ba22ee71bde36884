# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs that use librte_power in a guest with two vCPUs, to be sourced after
# check.sh:
#
#	power_programs		sets SYS_PROGRAMS and VM_MEMORY, before sys_begin; skips
#				the test where something is missing
#	power_guest		make the guest $power_vm ready: two pairs of interfaces,
#				silent as long as nobody sends
#	api EAL-OPTION... -- WHAT	power_api.c; sets $out, $status
#	l3fwd_begin LCORE OPTION...	DPDK's l3fwd-power, which goes on: LCORE polls
#				an interface that stays silent, lcore 1 the one of
#				traffic; $out is what it says until it forwards
#	traffic_begin [SECONDS]	packets, as many as the guest can make; for a minute, or so long
#	traffic_end		... but no longer
#	l3fwd_end		ask it to end, and wait; $out is what it said last
#
# All speak to the guest by guest() of check.sh, or whatever took its name.
# shellcheck disable=SC2154	# variables of check.sh

# shellcheck source=tests/vm/peer.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vm/peer.sh"

power_vm=power
power_eal="--no-huge -m 128 --no-pci --no-telemetry"
power_start_seconds=${power_start_seconds:-60}
power_plugins=

power_programs()
{
	local l3fwd api traffic drivers driver gcc_s

	run peer_build "$FR_BUILD" l3fwd-power
	[ "$status" -eq 0 ] || skip "$out"
	l3fwd=$out
	api=$(sys_program power_api) && traffic=$(sys_program traffic) ||
		skip "no power_api: the build has no DPDK before 24.11"
	drivers=$(peer_drivers) || skip "DPDK's drivers are not to be found"
	# A DPDK program that ends cancels threads, which needs that.
	gcc_s=$(cc -print-file-name=libgcc_s.so.1)
	SYS_PROGRAMS="$gcc_s $l3fwd $api $traffic $FR_BUILD/guest/power/libfreqring-power.so ${drivers//$'\n'/ }"
	VM_MEMORY=448
	export SYS_PROGRAMS VM_MEMORY
	for driver in $drivers; do
		power_plugins="$power_plugins -d /lib/${driver##*/}"
	done
}

# shellcheck disable=SC2016
power_guest()
{
	# IPv6 has something to say on an interface that comes up.
	guest "$power_vm" 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
		insmod /lib/modules/veth.ko; mkdir -p /var; ln -sfn /run /var/run
		for i in 0 1; do
			ip link add a$i type veth && ip link set a$i up && ip link set veth$i up || exit
		done'
	[ "$status" -eq 0 ] || bail "two pairs of interfaces: $out"
}

api()
{
	guest "$power_vm" --timeout "$power_start_seconds" \
		"freqring-guest run -- power_api $power_eal $*"
}

l3fwd_begin()
{
	guest "$power_vm" --timeout "$power_start_seconds" \
		"rm -f /tmp/l3fwd
		freqring-guest run -- l3fwd-power -l 0,1 $power_eal$power_plugins \
			--vdev net_af_packet0,iface=veth0 --vdev net_af_packet1,iface=veth1 -- \
			-p 3 --no-numa --parse-ptype --config '(0,0,$1),(1,0,1)' ${*:2} >/tmp/l3fwd 2>&1 &
		echo \$! >/tmp/pid
		until grep -qsE 'entering main|Bring up the Timer|Cause:' /tmp/l3fwd; do
			kill -0 \$! || break
			usleep 100000
		done; cat /tmp/l3fwd"
}

traffic_begin()
{
	guest "$power_vm" "traffic a1 ${1:-60} >/tmp/traffic 2>&1 & echo \$! >/tmp/traffic.pid"
}

# shellcheck disable=SC2016
traffic_end()
{
	guest "$power_vm" 'kill "$(cat /tmp/traffic.pid)"'
}

# shellcheck disable=SC2016
l3fwd_end()
{
	guest "$power_vm" --timeout "$power_start_seconds" 'kill -INT "$(cat /tmp/pid)"
		while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do usleep 100000; done; tail -n 5 /tmp/l3fwd'
}
