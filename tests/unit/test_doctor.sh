#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_doctor.sh - freqring doctor on machines that are folders
#
# usage: test_doctor.sh FREQRING STATUS_SERVER
#
# The folders are in /dev/shm: the checks want a tmpfs there. libvirt is its own
# test driver, whose VMs are in a file.
set -u

freqring=$1
server=$2
dir=$(mktemp -d /dev/shm/test_doctor.XXXXXX) || exit 77
root=$dir/root
sock=$dir/control.sock
server_pid=
failed=0
us=$(id -un)
our_group=$(id -gn)

stop_server() {
	if [ -n "$server_pid" ]; then
		kill -KILL "$server_pid" 2>/dev/null
		wait "$server_pid" 2>/dev/null
		server_pid=
	fi
}

trap 'stop_server; rm -rf "$dir"' EXIT

start_server() {
	stop_server
	rm -f "$sock"
	: >"$dir/ready"
	"$server" "$sock" "$1" >"$dir/ready" &
	server_pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		grep -q ready "$dir/ready" && return
		sleep 0.1
	done
	echo "FAIL: status_server does not start"
	exit 1
}

fail() {
	echo "FAIL: $what: $1"
	cat "$dir/out" "$dir/err"
	failed=1
}

# doctor STATUS WHAT [ARGUMENT...]: on the fake machine; leaves $dir/out and $dir/err
doctor() {
	expected=$1
	what=$2
	shift 2
	FREQRING_DOCTOR_ROOT=$root timeout 30 "$freqring" -s "$sock" doctor "$@" \
		>"$dir/out" 2>"$dir/err"
	status=$?
	[ "$status" -eq "$expected" ] || fail "exit status $status, expected $expected"
	[ ! -s "$dir/err" ] || fail "something on stderr"
}

# says GRADE NAME TEXT: such a line; white space between the columns does not count
says() {
	sed 's/  */ /g' "$dir/out" | grep -F -e "$1 $2 " | grep -qF -e "$3" ||
		fail "no line: $1 $2 ... $3"
}

silent() {
	! sed 's/  */ /g' "$dir/out" | grep -qF -e "$1" || fail "a line: $1"
}

# mends NAME TEXT: the line below one of that check
mends() {
	awk -v name="$1" -v text="$2" '
		/^(PASS|WARN|FAIL)/ { ours = $2 == name; next }
		ours && index($0, text) { found = 1 }
		END { exit !found }' "$dir/out" || fail "check $1 does not say how to mend: $2"
}

put() {	# FILE TEXT
	mkdir -p "$root/${1%/*}"
	printf '%s\n' "$2" >"$root/$1"
}

# A machine in order: four CPUs with acpi-cpufreq, CPU 3 for the poller.
machine() {
	rm -rf "$root"
	mkdir -p "$root/dev/shm"
	chmod 1777 "$root/dev/shm"
	cpus=$root/sys/devices/system/cpu
	put sys/devices/system/cpu/online 0-3
	put sys/devices/system/cpu/isolated 3
	for n in 0 1 2 3; do
		put sys/devices/system/cpu/cpu$n/cpufreq/scaling_driver acpi-cpufreq
		put sys/devices/system/cpu/cpu$n/cpufreq/scaling_governor schedutil
		put sys/devices/system/cpu/cpu$n/cpufreq/scaling_available_governors "userspace schedutil"
		put sys/devices/system/cpu/cpu$n/cpufreq/scaling_available_frequencies "2300000 1800000"
		put sys/devices/system/cpu/cpu$n/cpufreq/related_cpus $n
		put sys/devices/system/cpu/cpu$n/cpufreq/freqdomain_cpus $n
		put sys/devices/system/cpu/cpu$n/topology/thread_siblings_list $n
	done
	put proc/cpuinfo "processor	: 0
flags		: fpu vme"
	put proc/1/comm init
	put etc/libvirt/hooks/qemu.d/freqring '#!/bin/true'
	chmod 755 "$root/etc/libvirt/hooks/qemu.d/freqring"
	put lib/systemd/system/freqringd.service '[Unit]'
	put etc/systemd/system/multi-user.target.wants/freqringd.service '[Unit]'
	config ""
	vms "$(vm web 11111111-aaaa-4aaa-8aaa-000000000001 freqring-web "0:1 1:2")"
	region freqring-web
	daemon ""
}

config() {	# MORE, with sections
	put etc/freqring/freqringd.conf "[shm]
shm_group = $our_group
qemu_user = $us
[libvirt]
uri = test://$dir/node.xml
[daemon]
group =
managed_cpus = 1-2
poller_cpu = 3
$1"
}

shmem() {	# NAME [SIZE]
	echo "<shmem name='$1'><model type='ivshmem-plain'/><size unit='M'>${2:-1}</size></shmem>"
}

vm() {	# NAME UUID OBJECT PINS [SIZE]
	echo "<domain type='test'><name>$1</name><uuid>$2</uuid><memory>8192</memory><vcpu>2</vcpu>"
	echo "<cputune>"
	for pin in $4; do
		echo "<vcpupin vcpu='${pin%:*}' cpuset='${pin#*:}'/>"
	done
	echo "</cputune><os><type>hvm</type></os><devices>"
	[ -z "$3" ] || shmem "$3" "${5:-1}"
	echo "</devices></domain>"
}

vms() {
	echo "<node>$1</node>" >"$dir/node.xml"
}

region() {	# OBJECT
	truncate -s 1M "$root/dev/shm/$1"
	chmod 660 "$root/dev/shm/$1"
	chgrp "$our_group" "$root/dev/shm/$1"
}

version=$("$freqring" --version | sed 's/freqring //')

status() {	# MORE MEMBERS, with a comma each in front
	cat >"$dir/status.json" <<-END
		{"version":"$version","pid":4711,"backend":{"name":"librte_power","simulated":false},
		 "libvirt":{"uri":"test://$dir/node.xml","connected":true},
		 "poller":{"cpu":3,"applier_stuck":0},
		 "vms":[{"name":"web","uuid":"11111111-aaaa-4aaa-8aaa-000000000001","state":"running",
		   "admitted":true,"problem":"","quarantined":false,
		   "channels":[{"vcpu":0,"mapping":"cached","quarantined":false}]}],
		 "cpus":[{"cpu":1,"trouble":""},{"cpu":2,"trouble":""}]$1}
	END
}

daemon() {
	status "$1"
	start_server "$dir/status.json"
}

# Something that /dev/kvm can be: the check fails on it, and is looked at by itself.
no_kvm() {
	says FAIL kvm "/dev/kvm is there and cannot be used: KVM_GET_API_VERSION"
}

# ---- all in order
machine
doctor 0 "a machine in order"
silent "FAIL "
says PASS config "freqringd.conf has no mistake"
says PASS daemon "freqringd $version runs, pid 4711"
says PASS unit "/lib/systemd/system/freqringd.service is installed"
says PASS driver "CPUs 1-2: acpi-cpufreq"
says PASS governor "CPUs 1-2: schedutil"
says PASS rivals "no other program"
says PASS libvirt "test://$dir/node.xml answers: libvirt "
says PASS hook "/etc/libvirt/hooks/qemu.d/freqring is installed"
says PASS vms "VM web: freqring-web, 2 vCPUs pinned"
says PASS domains "no CPUs that share a clock"
says PASS poller "CPU 3, the poller's, is isolated and no VM's"
says PASS shm "/dev/shm has room, QEMU's group is $our_group"
says PASS regions "1 file in order"
says PASS served "1 VM served"
says WARN kvm "/dev/kvm is not there"
mends kvm "modprobe kvm_intel"
[ "$(grep -c '^WARN' "$dir/out")" -eq 1 ] || fail "more than one WARN"
before=$(cd "$root" && find . -type f -exec md5sum {} + | sort)
doctor 0 "... again"
[ "$before" = "$(cd "$root" && find . -type f -exec md5sum {} + | sort)" ] || fail "it changed files"

doctor 0 "as JSON" -o json
if command -v python3 >/dev/null; then
	python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
assert o["worst"] == "WARN", o["worst"]
assert set(c["status"] for c in o["checks"]) == {"PASS", "WARN"}
assert all(set(c) == {"name", "status", "text", "mend"} for c in o["checks"])
assert [c for c in o["checks"] if c["name"] == "kvm"][0]["mend"] != ""' "$dir/out" || fail "the JSON"
fi
what="two arguments"
"$freqring" doctor a b >"$dir/out" 2>"$dir/err"
[ $? -eq 2 ] || fail "exit status"

# ---- the driver
machine
for n in 0 1 2 3; do rm -r "$cpus/cpu$n/cpufreq"; done
doctor 1 "no cpufreq"
says FAIL driver "no cpufreq on CPUs 1-2: P-states are off in the firmware"
mends driver "backend = simulated in $root/etc/freqring/freqringd.conf"
put proc/cpuinfo "processor	: 0
flags		: fpu hypervisor vme"
doctor 1 "no cpufreq in a VM"
says FAIL driver "no cpufreq on CPUs 1-2: this machine is a VM"
mends driver "backend = simulated"
put proc/cpuinfo "processor	: 0
flags		: fpu
model name	: hypervisor"
doctor 1 "a CPU that is only called so"
says FAIL driver "P-states are off in the firmware"
stop_server
rm "$sock"
config "backend = simulated"
doctor 1 "no cpufreq, simulated"
says WARN driver "no cpufreq on CPUs 1-2"
says WARN daemon "the backend is simulated"

machine
put sys/devices/system/cpu/cpu2/cpufreq/scaling_driver amd-pstate-epp
doctor 1 "two drivers"
says PASS driver "CPU 1: acpi-cpufreq"
says FAIL driver "CPU 2: librte_power of DPDK 22.11 cannot use amd-pstate-epp"
mends driver "amd_pstate=disable"
says FAIL driver "2 different drivers"
put sys/devices/system/cpu/cpu2/cpufreq/scaling_driver pcc-cpufreq
doctor 1 "an unknown driver"
says FAIL driver "CPU 2: librte_power of DPDK 22.11 cannot use pcc-cpufreq"
mends driver "another driver"

machine
put sys/devices/system/cpu/online 0-1,3
doctor 0 "a managed CPU is offline"
says WARN driver "managed, and not online: CPU 2"
says WARN config "managed_cpus = 1-2: CPU 2 is not online"
mends driver "chcpu -e 2"
says PASS governor "CPU 1: schedutil"

# ---- the governor, and what acpi-cpufreq needs
machine
put sys/devices/system/cpu/cpu2/cpufreq/scaling_available_governors "performance userspacey"
put sys/devices/system/cpu/cpu1/cpufreq/scaling_available_frequencies ""
doctor 1 "no userspace, no table"
says FAIL governor "CPU 2: the governor userspace"
mends governor "modprobe cpufreq_userspace"
says FAIL governor "CPU 1: no scaling_available_frequencies"
machine
for n in 1 2; do
	put sys/devices/system/cpu/cpu$n/cpufreq/scaling_driver intel_pstate
	put sys/devices/system/cpu/cpu$n/cpufreq/scaling_governor performance
	put sys/devices/system/cpu/cpu$n/cpufreq/scaling_available_governors "performance powersave"
	rm "$cpus/cpu$n/cpufreq/scaling_available_frequencies"
done
put sys/devices/system/cpu/intel_pstate/no_turbo 1
doctor 0 "intel_pstate needs neither"
says PASS driver "CPUs 1-2: intel_pstate"
says PASS governor "CPUs 1-2: performance"
says PASS turbo "turbo is off"
mends turbo "intel_pstate/no_turbo"
put sys/devices/system/cpu/cpufreq/boost 0
doctor 0 "boost off"
mends turbo "cpufreq/boost"
put sys/devices/system/cpu/cpufreq/boost 1
put sys/devices/system/cpu/intel_pstate/no_turbo 0
doctor 0 "boost on"
silent "turbo is off"

# ---- CPUs that share a clock
machine
put sys/devices/system/cpu/cpu0/topology/thread_siblings_list 0,2
put sys/devices/system/cpu/cpu2/topology/thread_siblings_list 0,2
put sys/devices/system/cpu/cpu2/cpufreq/related_cpus "0 2"
doctor 0 "half a core is managed"
says WARN domains "CPUs 0,2 are hyperthreads of one core, and only 2 of them managed"
mends domains "managed_cpus in"
silent "share a cpufreq policy"
machine
put sys/devices/system/cpu/cpu2/cpufreq/freqdomain_cpus "0 1 2 3"
doctor 0 "half a domain is managed"
says WARN domains "CPUs 0-3 share a clock, and only 1-2 of them managed"
machine
put sys/devices/system/cpu/cpu1/cpufreq/related_cpus "1 2"
put sys/devices/system/cpu/cpu2/cpufreq/related_cpus "1 2"
doctor 0 "a policy of one VM's"
says PASS domains "no CPUs"
vms "$(vm web 11111111-aaaa-4aaa-8aaa-000000000001 freqring-web "0:1 1:1")
$(vm db 11111111-aaaa-4aaa-8aaa-000000000002 freqring-db "0:2 1:2")"
region freqring-db
doctor 0 "a policy of two VMs'"
says WARN domains "CPUs 1-2 share a cpufreq policy, and belong to the VMs db and web"
mends domains "freqring vcpupin web"

# ---- the poller's CPU
machine
put sys/devices/system/cpu/isolated ""
doctor 0 "not isolated"
says WARN poller "CPU 3, the poller's, is not isolated"
mends poller "isolcpus=3"
put sys/fs/cgroup/cpuset.cpus.isolated 2-3
doctor 0 "isolated by a cpuset"
says PASS poller "CPU 3, the poller's, is isolated"
put sys/devices/system/cpu/cpu3/topology/thread_siblings_list 2-3
doctor 0 "a hyperthread of a VM's core"
says WARN poller "CPU 3, the poller's, is a hyperthread of a core that VM web is pinned to"
mends poller "another poller_cpu in"
machine
vms "$(vm web 11111111-aaaa-4aaa-8aaa-000000000001 freqring-web "0:1 1:3")"
doctor 0 "a VM on the poller's CPU"
says WARN poller "VM web is pinned to the poller's CPU 3"
says WARN vms "VM web: vCPU 1 is pinned to a CPU that is not managed"
mends vms "freqring vcpupin web 1 CPU, with a CPU of 1-2"

# ---- rivals
machine
put proc/10/comm power-profiles-
printf '' >"$root/proc/10/cmdline"
mkdir -p "$root/proc/11" "$root/proc/12" "$root/proc/13" "$root/proc/14"
printf '/usr/bin/python3\0-Es\0/usr/sbin/tuned\0-l\0' >"$root/proc/11/cmdline"
printf '/usr/bin/python3.11\0/usr/local/bin/auto-cpufreq\0--daemon\0' >"$root/proc/12/cmdline"
printf '/usr/sbin/thermald\0--systemd\0' >"$root/proc/13/cmdline"
printf 'vi\0/etc/tuned\0' >"$root/proc/14/cmdline"
mkdir -p "$root/run/tlp"
put etc/systemd/system/multi-user.target.wants/cpupower.service ""
doctor 0 "rivals"
says WARN rivals "power-profiles-daemon runs (pid 10)"
says WARN rivals "tuned runs (pid 11)"
says WARN rivals "auto-cpufreq runs (pid 12)"
says PASS rivals "thermald runs (pid 13)"
says WARN rivals "TLP is active"
says WARN rivals "cpupower.service"
mends rivals "systemctl disable --now tuned"
silent "no other program"
rm -r "$root/proc/1" "$root/proc/11"
printf '' >"$root/proc/12/cmdline"
doctor 0 "hidden processes"
says WARN rivals "hidden from this user (hidepid)"
silent "tuned runs"
silent "auto-cpufreq runs"

# ---- /dev/shm
machine
rm -r "$root/dev/shm"
doctor 1 "no /dev/shm"
says FAIL shm "/dev/shm is not there"
machine
chmod 777 "$root/dev/shm"
doctor 1 "no sticky bit"
says FAIL shm "/dev/shm has mode 0777: anybody may remove"
mends shm "chmod 1777 /dev/shm"
chmod 750 "$root/dev/shm"
doctor 0 "a closed folder"
says WARN shm "/dev/shm has mode 0750"
config "[shm]
shm_group = nosuchgroup"
doctor 1 "a section twice"
says FAIL config "/freqringd.conf:"
machine
sed -i 's/^shm_group.*/shm_group = nosuchgroup/' "$root/etc/freqring/freqringd.conf"
doctor 1 "no such group"
says FAIL config "shm_group = nosuchgroup: no such group"
machine
if [ "$(stat -f -c %T /var/tmp)" != tmpfs ]; then
	disk=$(mktemp -d /var/tmp/test_doctor.XXXXXX)
	chmod 1777 "$disk"
	rmdir "$root/dev/shm" 2>/dev/null || rm -r "$root/dev/shm"
	ln -s "$disk" "$root/dev/shm"
	region freqring-web
	doctor 0 "on a disk"
	says WARN shm "/dev/shm is not a tmpfs"
	rm -rf "$disk"
fi
machine
# shellcheck disable=SC2016
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	FREQRING_DOCTOR_ROOT=$root unshare -m sh -c '
		mount -t tmpfs -o mode=1777,size="$3" tmpfs "$1/dev/shm"
		exec "$2" -s "$4" doctor' sh "$root" "$freqring" 512k "$sock" >"$dir/out" 2>"$dir/err"
	what="a full /dev/shm"
	says FAIL shm "/dev/shm is full but for 512 KiB"
	FREQRING_DOCTOR_ROOT=$root unshare -m sh -c '
		mount -t tmpfs -o mode=1777,size="$3" tmpfs "$1/dev/shm"
		exec "$2" -s "$4" doctor' sh "$root" "$freqring" 8M "$sock" >"$dir/out" 2>"$dir/err"
	what="not much room"
	says WARN shm "/dev/shm is full but for 8192 KiB"
fi

# ---- the regions' files
machine
chmod 644 "$root/dev/shm/freqring-web"
doctor 1 "QEMU's own mode"
says FAIL regions "/dev/shm/freqring-web has mode 0644: everybody on the host may read it"
mends regions "chmod 0660 /dev/shm/freqring-web"
machine
ln "$root/dev/shm/freqring-web" "$root/dev/shm/other"
doctor 1 "two links"
says FAIL regions "freqring-web has 2 links"
machine
truncate -s 4M "$root/dev/shm/freqring-web"
doctor 1 "another size"
says FAIL regions "freqring-web is 4194304 bytes long, not 1 MiB"
mends regions "rm /dev/shm/freqring-web"
machine
rm "$root/dev/shm/freqring-web"
ln -s other "$root/dev/shm/freqring-web"
doctor 1 "a link"
says FAIL regions "freqring-web is a symbolic link"
machine
rm "$root/dev/shm/freqring-web"
mkfifo "$root/dev/shm/freqring-web"
doctor 1 "a FIFO"
says FAIL regions "freqring-web is something else"
machine
rm "$root/dev/shm/freqring-web"
doctor 1 "removed under the VM"
says FAIL regions "VM web runs, and /dev/shm/freqring-web was removed"
machine
region freqring-gone
doctor 0 "left over"
says PASS regions "/dev/shm/freqring-gone is no VM's any more"
mends regions "rm /dev/shm/freqring-gone"
if [ "$(id -u)" -eq 0 ]; then
	machine
	chown 65534 "$root/dev/shm/freqring-web"
	doctor 1 "somebody's file"
	says FAIL regions "freqring-web belongs to user 65534"
	machine
	chgrp 65534 "$root/dev/shm/freqring-web"
	doctor 0 "somebody's group"
	says WARN regions "freqring-web has group 65534"
fi
machine
: >"$root/dev/shm/freqring-$(printf '\033[2J\377')"
doctor 1 "a name that is not text"
says FAIL regions "freqring-?[2J?"
doctor 1 "... as JSON" -o json

# ---- AppArmor, SELinux
machine
put sys/module/apparmor/parameters/enabled N
put sys/fs/selinux/enforce 0
doctor 0 "neither"
silent AppArmor
silent SELinux
put sys/module/apparmor/parameters/enabled Y
put sys/fs/selinux/enforce 1
put etc/apparmor.d/local/abstractions/libvirt-qemu "# /dev/shm/freqring-* rw,
/dev/shm/freqring-* r,"
doctor 0 "no rule"
says WARN apparmor "not one that is attached while it runs"
mends apparmor "echo '/dev/shm/freqring-* rw,' >>/etc/apparmor.d/local/abstractions/libvirt-qemu"
says WARN selinux "SELinux is enforcing"
put etc/apparmor.d/local/abstractions/libvirt-qemu "  owner   /dev/shm/freqring-* rw,"
doctor 0 "the local rule"
says PASS apparmor "AppArmor lets a device be attached"
rm "$root/etc/apparmor.d/local/abstractions/libvirt-qemu"
put etc/apparmor.d/abstractions/libvirt-qemu '  "/dev/shm/*" rwk,'
doctor 0 "the distribution's rule"
says PASS apparmor "AppArmor lets a device be attached"

# ---- the hook, the unit
machine
chmod 644 "$root/etc/libvirt/hooks/qemu.d/freqring"
doctor 0 "the hook cannot be run"
says WARN hook "is not a program"
rm "$root/etc/libvirt/hooks/qemu.d/freqring" "$root/lib/systemd/system/freqringd.service"
doctor 0 "neither hook nor unit"
says WARN hook "/etc/libvirt/hooks/qemu.d/freqring is not there"
says PASS unit "no systemd unit"

# ---- VMs
machine
vms "$(vm web 11111111-aaaa-4aaa-8aaa-000000000001 freqring-web "0:1 1:2" 4)"
doctor 1 "a device of the wrong size"
says FAIL vms "VM web: not 1 MiB in size"
mends vms "virsh edit web"
machine
vms "$(vm web 11111111-aaaa-4aaa-8aaa-000000000001 freqring-web "1:1-2")
$(vm plain 11111111-aaaa-4aaa-8aaa-000000000003 "" "")"
doctor 0 "not pinned"
says WARN vms "VM web: vCPU 0-1 is not pinned and so has no say"
says PASS vms "1 VM without a device: plain"
mends vms "freqring attach plain"
config "[vms]
allow = db*"
doctor 0 "not to be served"
says PASS vms "VM web has freqring-web, and is not among those to serve"

# ---- vhost-user ports
port_vm() {	# QUEUES MODE MEMORY-BACKING
	echo "<domain type='test'><name>web</name><uuid>11111111-aaaa-4aaa-8aaa-000000000001</uuid>"
	echo "<memory>8192</memory><vcpu>2</vcpu>$3<cputune><vcpupin vcpu='0' cpuset='1'/>"
	echo "<vcpupin vcpu='1' cpuset='2'/></cputune><os><type>hvm</type></os><devices>"
	echo "<interface type='vhostuser'><mac address='02:66:72:71:00:01'/>"
	echo "<source type='unix' path='/run/freqring/vhost/freqring-web.sock' mode='$2'/>"
	echo "<model type='virtio'/><driver queues='$1'/></interface></devices></domain>"
}
shared="<memoryBacking><access mode='shared'/></memoryBacking>"
machine
silent " vhost "
vms "$(port_vm 2 server "$shared")"
doctor 1 "a vhost-user port without its folder"
says FAIL vhost "VM web: the folder of /run/freqring/vhost/freqring-web.sock is not there"
mkdir -p "$root/run/freqring/vhost"
doctor 1 "... with its folder, but no socket"
says FAIL vhost "VM web runs, and its socket /run/freqring/vhost/freqring-web.sock was removed"
sock_at() {
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$1"
}
sock_at "$root/run/freqring/vhost/freqring-web.sock"
doctor 0 "a vhost-user port in order"
says PASS vhost "1 vhost-user port in order"
says PASS vms "VM web: vhost-user port, 2 vCPUs pinned"
if [ "$(id -u)" -eq 0 ]; then
	chown 54321 "$root/run/freqring/vhost/freqring-web.sock"
	doctor 1 "somebody else's socket"
	says FAIL vhost "belongs to user 54321, who is neither root nor QEMU's"
	chown 0 "$root/run/freqring/vhost/freqring-web.sock"
fi
chmod 777 "$root/run/freqring/vhost"
doctor 1 "a folder of everybody's"
says FAIL vhost "somebody else could put a socket"
mends vhost "chmod 0755 that folder"
chmod 755 "$root/run/freqring/vhost"
vms "$(port_vm 1 server "$shared")"
doctor 0 "too few queues"
says WARN vhost "VM web: its vhost-user port has 1 queue for 2 vCPUs"
vms "$(port_vm 2 server "")"
doctor 1 "memory that is not shared"
says FAIL vhost "the VM's memory is not shared: <memoryBacking>"
mends vhost "virsh edit web"
vms "$(port_vm 2 client "$shared")"
doctor 1 "QEMU as the client"
says FAIL vhost "QEMU is the client of its socket"
rm -r "$root/run/freqring/vhost"

# ---- libvirt away, hanging
machine
status ",\"x\":1"
sed -i "s|\"uri\":\"[^\"]*\"|\"uri\":\"qemu+unix:///system?socket=$dir/none\"|" "$dir/status.json"
start_server "$dir/status.json"
doctor 1 "no libvirt"
says FAIL libvirt "qemu+unix:///system?socket=$dir/none: "
mends libvirt "systemctl start libvirtd"
silent "VM web: device"
: >"$dir/ready"
"$server" "$dir/hung" --stuck >"$dir/ready" &
hung_pid=$!
until grep -q ready "$dir/ready"; do sleep 0.1; done
sed -i "s|\"uri\":\"[^\"]*\"|\"uri\":\"qemu+unix:///system?socket=$dir/hung\"|" "$dir/status.json"
start_server "$dir/status.json"
began=$(date +%s)
doctor 1 "a libvirt that hangs"
says FAIL libvirt "no answer in 5 s, it hangs"
[ $(($(date +%s) - began)) -le 10 ] || fail "it took more than 10 s"
kill "$hung_pid"

# ---- what the daemon says
machine
daemon ',"version":"0.0.9","backend":{"name":"simulated","simulated":true},
 "libvirt":{"uri":"test:///default","connected":false},"poller":{"cpu":1,"applier_stuck":7},
 "cpus":[{"cpu":1,"trouble":"it is offline"}],
 "vms":[{"name":"web","uuid":"11111111-aaaa-4aaa-8aaa-000000000001","state":"running","admitted":true,
   "channels":[{"vcpu":0,"mapping":"uncached","quarantined":true},{"vcpu":1,"mapping":"uncached"}]},
  {"name":"db","state":"running","admitted":false,"problem":""},
  {"name":"x","state":"paused","admitted":false,"problem":"two VMs name it"},
  {"name":"y","state":"paused","admitted":false,"problem":""},
  {"name":"off","state":"defined","admitted":false,"problem":"not 1 MiB"}]'
doctor 1 "a daemon in trouble"
says WARN daemon "freqringd is version 0.0.9"
says WARN daemon "the backend is simulated"
says FAIL served "not connected to libvirt at test:///default"
says WARN served "the applier stood still at 7 looks"
says FAIL served "VM web: vCPU 0 in quarantine"
says WARN served "VM web: the guest maps the memory uncached (vCPU 0-1)"
says FAIL served "VM db is not served although it runs"
says FAIL served "VM x is not served: two VMs name it"
silent "VM y"
silent "VM off"
says WARN served "CPU 1: it is offline"
says PASS libvirt "test:///default answers"
says PASS vms "1 VM without a device: test"
says PASS driver "CPU 1: acpi-cpufreq"

machine
stop_server
rm -f "$sock"
doctor 1 "no daemon"
says FAIL daemon "freqringd is not running"
mends daemon "systemctl start freqringd"
silent "served "
says PASS driver "CPUs 1-2: acpi-cpufreq"
says PASS vms "VM web: freqring-web"
start_server --stuck
doctor 1 "a daemon that is stuck"
says FAIL daemon "no answer in 5 s; is freqringd stuck?"
mends daemon "systemctl restart freqringd"
start_server --fail
doctor 1 "a daemon that refuses"
says FAIL daemon "the status is not to be had?[2J"

# ---- the configuration
machine
stop_server
config "backend = simulatd"
doctor 1 "a mistake in the configuration"
says FAIL config "freqringd.conf:"
says FAIL config "simulatd"
mends config "freqringd does not start with it"
config ""
put sys/devices/system/cpu/online 0-2
doctor 1 "a CPU that is not there"
says FAIL config "poller_cpu = 3: CPU 3 is not online"
mends config "freqringd does not start with it"
config "backend = simulatd"
put sys/devices/system/cpu/online 0-3
doctor 1 "a configuration that is not there" "$dir/nosuch.conf"
says FAIL config "$dir/nosuch.conf: No such file"
sed "s|^managed_cpus.*|managed_cpus = 0|" "$root/etc/freqring/freqringd.conf" |
	sed '/simulatd/d' >"$dir/other.conf"
doctor 1 "another configuration" "$dir/other.conf"
says PASS config "$dir/other.conf has no mistake"
says PASS driver "CPU 0: acpi-cpufreq"
sed -i "s|^managed_cpus.*|socket = $dir/elsewhere|; /simulatd/d" "$root/etc/freqring/freqringd.conf"
what="the configured socket"
FREQRING_DOCTOR_ROOT=$root timeout 30 "$freqring" doctor >"$dir/out" 2>"$dir/err"
says FAIL daemon "$dir/elsewhere: "
rm "$root/etc/freqring/freqringd.conf"
doctor 1 "no configuration"
says PASS config "freqringd.conf is not there, the defaults hold"

# ---- KVM
machine
put dev/kvm ""
doctor 1 "a file in the place of /dev/kvm"
no_kvm
rm "$root/dev/kvm"
ln -s kvm "$root/dev/kvm"
doctor 1 "a loop in its place"
says FAIL kvm "/dev/kvm cannot be opened"

# ---- as somebody else
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	machine
	chmod 755 "$dir"
	cp "$freqring" "$dir/freqring"
	put dev/kvm ""
	chmod 600 "$root/dev/kvm" "$root/etc/freqring/freqringd.conf"
	chmod 700 "$root/etc/libvirt/hooks"
	what="as nobody"
	FREQRING_DOCTOR_ROOT=$root setpriv --reuid=65534 --regid=65534 --clear-groups \
		timeout 30 "$dir/freqring" -s "$sock" doctor -o table >"$dir/out" 2>"$dir/err"
	says WARN config "Permission denied; the defaults are looked at"
	says WARN daemon "this user may not ask freqringd"
	mends daemon "run as root, or "
	says WARN hook "this user may not look for /etc/libvirt/hooks/qemu.d/freqring"
	says WARN kvm "/dev/kvm: Permission denied"
	mends kvm "usermod -aG kvm USER"
	says PASS driver "CPUs 0-3: acpi-cpufreq"
	# On the machine as it is, whatever that is.
	setpriv --reuid=65534 --regid=65534 --clear-groups timeout 30 "$dir/freqring" doctor \
		>"$dir/out" 2>"$dir/err"
	status=$?
	what="as nobody, the real machine"
	[ "$status" -le 1 ] || fail "exit status $status"
	grep -q ' config ' "$dir/out" || fail "no check ran"
fi

[ "$failed" -eq 0 ] && echo "all passed"
exit "$failed"
