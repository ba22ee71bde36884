#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 900
# A host that sleeps, really: with a real cpufreq driver, systemd, logind, libvirt
# and a domain, suspended to memory by freqring and by somebody else, and woken
# up by its clock. What its CPUs are set to is seen outside. Then each way in
# which it does not sleep.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/lib.sh
. "$sys_here/../host/lib.sh"
# shellcheck source=tests/host/sleeper.sh
. "$sys_here/../host/sleeper.sh"

run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
run host_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
for tool in pm-suspend mke2fs dbus-daemon; do
	type -P "$tool" >/dev/null || skip "$tool is missing (make setup)"
done
vm_workdir_make || exit 1
sleeper_start "$FR_BUILD" || bail "the host boots"
top=$(cd "$sys_here/../.." && pwd)

# h COMMAND...: in the host by bash, with the words of quick.sh; sets $out, $status
h()
{
	run sleeper "cd $top; HOST_BUILD=$FR_BUILD HOST_TOP=$top HOST_SHARE=/tmp bash -c $(printf %q ". tests/host/quick.sh
		virt() { timeout 60 virsh -q -c qemu:///system \"\$@\" </dev/null; }
		$*")"
}

fr()
{
	h "fr $*"
	printf '%s\n' "$out"
	return "$status"
}

end()
{
	if [ "$sys_failed" -ne 0 ]; then
		h 'cat /var/log/freqringd.log; tail -n 50 /var/log/pm-suspend.log /var/log/libvirt.log; dmesg | tail -n 60'
		sed 's/^/#   /' <<<"$out"
	fi
	sleeper_stop
	sys_end
}

die()
{
	sys_not_ok "$1" "the test ends here: $out"
	end
}

marks=()

mark()
{
	local cpu

	for ((cpu = 0; cpu < host_cpus; cpu++)); do
		marks[cpu]=$(host_pstates_count "$cpu")
	done
}

# What came to a port since mark, in one line.
since()
{
	host_pstates "$1" "${marks[$1]}" | tr '\n' ' ' | sed 's/ $//'
}

start_libvirt='mkdir -p /etc/libvirt && printf "%s\n" "user = \"root\"" "group = \"root\"" \
		"security_driver = \"none\"" "stdio_handler = \"file\"" "cgroup_controllers = []" \
		"namespaces = []" >/etc/libvirt/qemu.conf
	setsid libvirtd -p /run/libvirtd.pid >>/var/log/libvirt.log 2>&1 </dev/null &
	until_is 60 0 eval "virt list >/dev/null 2>&1; echo \$?"'
h "$start_libvirt"
[ "$status" -eq 0 ] || die "libvirtd in the host"
h '. tests/host/inside.sh; VM_URI=qemu:///system; VM_QEMU_USER=root VM_QEMU_GROUP=root; in_domain vm 2
	setsid bash -c ". tests/host/inside.sh; VM_URI=qemu:///system VM_QEMU_USER=root VM_QEMU_GROUP=root; in_freqringd" \
		>/var/log/freqringd.log 2>&1 </dev/null &
	in_ready && fr_wait 60 "vm +running" >/dev/null'
[ "$status" -eq 0 ] || die "a domain and freqringd in the host"
h 'post vm 0 1800000; post vm 1 min; echo deep >/sys/power/mem_sleep'
like "its vCPUs vote" '^1800000: .*granted 1800000' "$out"
same "... at the ports" "1800000 800000" "$(host_pstate 1) $(host_pstate 2)"

# --- what it can do, and what it refuses ------------------------------------

h 'fr nodepm'
same "nodepm: there is a way that works" 0 "$status"
like "... S3" '^S3 \(mem\) +yes +yes +yes' "$out"
like "... no S4, and why" '^S4 \(disk\) +no +no +na +there is no swap' "$out"
like "... nor both" '^both \(hybrid\) +no +no +na +there is no swap' "$out"
h 'fr nodesuspend mem 59'
same "less than libvirt's minimum is refused" 1 "$status"
like "... with the number" '59 s is too short: libvirt suspends a host for 60 s at least' "$out"
for target in disk hybrid; do
	h "fr nodesuspend $target 60"
	same "$target is refused" 1 "$status"
	like "... with the reason" "cannot sleep so \\($target\\): there is no swap" "$out"
done
h 'mv /usr/sbin/pm-suspend /usr/sbin/pm-suspend.away; fr nodepm; fr nodesuspend mem 60'
like "without pm-suspend libvirt's yes is not believed" \
	'^S3 \(mem\) +yes, but it will not work +yes +yes +libvirt would run pm-suspend, which is not there' "$out"
same "... and it is refused" 1 "$status"
h 'mv /usr/sbin/pm-suspend.away /usr/sbin/pm-suspend'
like "... which libvirt alone would not have noticed" '^$' "$out"

# --- suspended to memory, and back by its clock -----------------------------

h 'setsid '"$FR_BUILD"'/tests/host/post /dev/shm/freqring-vm 0 1800000 told=2 >/tmp/told 2>&1 </dev/null &
	until_is 30 1 eval "grep -c ^1800000: /tmp/told"'
mark
began=$SECONDS
VM_EXEC_SECONDS=150 h 'setsid '"$FR_BUILD"'/host/freqring -s /tmp/in/fr/control.sock nodesuspend mem 60 --verify >/tmp/verdict 2>&1 </dev/null &
	until_is 30 1 eval "fr events | grep -c \"sleeps in 10 s\""
	fr nodesuspend mem 90; cat /sys/class/rtc/rtc0/wakealarm; post vm 1 show
	until_is 5 1 eval "grep -c suspending /tmp/told"; cat /tmp/told'
like "a second request while one is pending is refused" 'about to sleep already \(mem, for 60 s\)' "$out"
like "its alarm is armed" '^[0-9]{10}$' "$out"
like "a guest sees it in its state line" '^show: .*; host suspending' "$out"
like "... and who asked to be told is" '^told vCPU 0: suspending 10000$' "$out"
VM_EXEC_SECONDS=150 h 'until_is 120 1 eval "grep -cE \"slept|not sleep\" /tmp/verdict"; cat /tmp/verdict; fr events; cat /tmp/told
	cat /sys/power/suspend_stats/success; cat /sys/class/rtc/rtc0/wakealarm; fr verify; post vm 1 show'
note "back after $((SECONDS - began)) s"
like "it slept, and says for how long" '^the host slept for [1-9][0-9]*\.[0-9] s$' "$out"
like "... as the kernel says" '^1$' "$out"
like "the poller was parked first" 'host-suspend +the host is about to sleep: requests wait until it is back' "$out"
like "... and it was an event" 'host-resumed +the host slept for [1-9][0-9]*\.[0-9] s: every CPU is set again' "$out"
like "who asked to be told is" '^told vCPU 0: resumed [0-9]{4,5}$' "$out"
like "a guest sees it in its state line" '^show: .*granted 800000.*; host resumed' "$out"
unlike "no alarm is left" '^[0-9]{10}$' "$out"
like "verify is content" ' 0 wrong: all is as promised' "$out"
like "CPU 1 was set again" '(^| )1800000$' "$(since 1)"
like "... and CPU 2" '(^| )800000$' "$(since 2)"
note "what the ports saw: 1: $(since 1); 2: $(since 2)"
h 'post vm 0 2300000'
like "its ring works on" '^2300000: .*granted 2300000' "$out"
same "... at the port" 2300000 "$(host_pstate 1)"

# --- somebody else suspends it ------------------------------------------------

mark
VM_EXEC_SECONDS=150 h 'echo 0 >/sys/class/rtc/rtc0/wakealarm; echo +12 >/sys/class/rtc/rtc0/wakealarm
	systemctl suspend
	until_is 90 2 eval "cat /sys/power/suspend_stats/success"
	until_is 10 1 eval "fr events | grep -c \"not by freqring\""; fr events; post vm 1 show'
like "a suspend of somebody else's is noticed" 'host-resumed +the host slept for [0-9.]+ s, not by freqring.s doing: every CPU is set again' "$out"
like "... and told" '^show: .*granted 800000.*; host resumed' "$out"
like "CPU 1 was set again" '(^| )2300000$' "$(since 1)"
like "... and CPU 2" '(^| )800000$' "$(since 2)"

# --- each way in which it does not sleep ---------------------------------------

# A task that waits for a frozen file system cannot be frozen itself. The tool that
# libvirt ran may still be busy with what it does after a sleep.
VM_EXEC_SECONDS=250 h 'mkdir -p /tmp/fs
	mount /dev/vdb /tmp/fs && fsfreeze -f /tmp/fs && { setsid touch /tmp/fs/x & }
	echo 1000 >/sys/power/pm_freeze_timeout
	until_is 120 0 eval "fr nodesuspend mem 60 --verify >/tmp/verdict 2>&1; echo status \$? >>/tmp/verdict; grep -c progress /tmp/verdict; true"
	cat /tmp/verdict'
like "the kernel gives it up: the verdict, exit status" '^status 1$' "$out"
like "... says why" 'the host did not sleep: the kernel gave it up: error -16, step freeze' "$out"
like "... and that the alarm is cleared" 'alarm that was to wake it up was still set, and is cleared' "$out"
h 'fsfreeze -u /tmp/fs; umount /tmp/fs; cat /sys/class/rtc/rtc0/wakealarm; fr events; post vm 1 show; post vm 0 1200000'
unlike "... which it is" '^[0-9]{10}$' "$out"
like "... it is an event" 'host-stayed +the host did not sleep' "$out"
like "... guests see it" '^show: .*; host stayed awake' "$out"
like "... and are served" '^1200000: .*granted 1200000' "$out"

VM_EXEC_SECONDS=250 h 'until_is 60 0 eval "fr nodesuspend mem 60 >/tmp/verdict 2>&1; grep -c progress /tmp/verdict; true"
	cat /tmp/verdict; kill -KILL $(cat /run/libvirtd.pid); until_is 90 2 eval "fr events | grep -c host-stayed"
	cat /sys/class/rtc/rtc0/wakealarm; fr events; fr nodepm; fr nodesuspend mem 60'
like "it answers before" '^the host sleeps in 10 s, for 60 s \(mem\); 1 VM told$' "$out"
like "libvirtd is killed meanwhile: it does not sleep" \
	'host-stayed +the host did not sleep: libvirt said yes, and nothing happened within 50 s' "$out"
unlike "... no alarm is left" '^[0-9]{10}$' "$out"
like "without libvirtd nobody knows" '^S3 \(mem\) +unknown +unknown +yes +libvirt cannot be asked' "$out"
same "... and it is refused" 1 "$status"

h 'mkdir -p /etc/systemd/sleep.conf.d; printf "[Sleep]\nAllowSuspend=no\n" >/etc/systemd/sleep.conf.d/no.conf
	'"$start_libvirt"'; fr nodepm; fr nodesuspend mem 60'
like "logind says no, and so does libvirt" '^S3 \(mem\) +no +no +na +logind says na, and libvirt goes by that' "$out"
same "... and it is refused" 1 "$status"
like "... with the reason" 'cannot sleep so \(mem\): logind says na' "$out"

end
