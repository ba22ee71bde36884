# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# libvirt, domains and freqringd in the test host. To be sourced by what
# host_run and host_spawn of lib.sh run there:
#
#	host_run '. tests/host/inside.sh; in_libvirt && in_domain vm 4'
#	host_spawn freqringd '. tests/host/inside.sh; in_freqringd'
#	host_run '. tests/host/inside.sh; in_ready'
#	host_run '. tests/host/inside.sh; fr status'
#	host_run '. tests/host/inside.sh; in_post vm 0 min max'
#
# The functions of tests/vm/lib.sh and tests/vm/freqring.sh are there, too. The
# work folder is the same for each command and is not cleaned: all of it goes
# with the machine. A script that wants its own libvirt and cleaning sources
# tests/vm/lib.sh itself.
#
#	in_libvirt		start the private libvirtd, unless it runs
#	in_domain NAME VCPUS [PINS]	define and start a domain with no operating
#				system: its vCPUs halt. Its region is freqring-NAME.
#				PINS as VM_PINS; without it vCPU N is on pCPU N + 1
#	in_domain_xml NAME VCPUS [PINS]	only print it
#	in_freqringd [OPTION...]	be freqringd, with librte_power: the poller on
#				CPU 0, the others managed
#	in_ready [SECONDS]	wait until it answers
#	in_post NAME VCPU WORD...	post.c on a domain's region
#	fr ...			the operator's command
#
# FR_CONFIG is more text for freqringd's configuration.

# shellcheck source=tests/vm/lib.sh
. "$HOST_TOP/tests/vm/lib.sh"
# shellcheck source=tests/vm/freqring.sh
. "$HOST_TOP/tests/vm/freqring.sh"
# shellcheck source=tests/host/lib.sh
. "$HOST_TOP/tests/host/lib.sh"

FR_BUILD=$HOST_BUILD
VM_WORKDIR=/tmp/in
VM_ACCEL=tcg
VM_VIRSH_SECONDS=${VM_VIRSH_SECONDS:-60}
VM_URI="qemu+unix:///session?socket=$VM_WORKDIR/lv/run/libvirt/libvirt-sock"
VM_QEMU_USER=$(id -un 65534)
VM_QEMU_GROUP=$(getent group 65534 | cut -d: -f1)
mkdir -p "$VM_WORKDIR/g" "$VM_WORKDIR/own" "$VM_WORKDIR/fr"

in_libvirt()
{
	vm_libvirt_pid >/dev/null || vm_libvirt_start
}

in_domain_xml()
{
	local name=$1 vcpus=$2 pins=${3:-} pin cpu

	for ((cpu = 0; cpu < vcpus && $# < 3; cpu++)); do
		pins="$pins $cpu:$((cpu + 1))"
	done
	# A boot sector: cli; hlt; and again. One each, as QEMU locks it.
	{
		printf '\xfa\xf4\xeb\xfc'
		head -c 506 /dev/zero
		printf '\x55\xaa'
	} >"$VM_WORKDIR/g/$name.img"
	chown 65534 "$VM_WORKDIR/g/$name.img"
	cat <<-XML
		<domain type='qemu'>
		  <name>$name</name>
		  <memory unit='MiB'>16</memory>
		  <vcpu>$vcpus</vcpu>
		  <cputune>
	XML
	for pin in $pins; do
		printf "    <vcpupin vcpu='%s' cpuset='%s'/>\n" "${pin%%:*}" "${pin#*:}"
	done
	cat <<-XML
		    <emulatorpin cpuset='0'/>
		  </cputune>
		  <os>
		    <type arch='x86_64' machine='pc'>hvm</type>
		    <boot dev='hd'/>
		  </os>
		  <features><acpi/><apic/></features>
		  <devices>
		    <emulator>$(command -v qemu-system-x86_64)</emulator>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    <disk type='file' device='disk'>
		      <driver name='qemu' type='raw'/>
		      <source file='$VM_WORKDIR/g/$name.img'/>
		      <target dev='hda' bus='ide'/>
		    </disk>
		    <shmem name='freqring-$name' role='master'>
		      <model type='ivshmem-plain'/>
		      <size unit='M'>1</size>
		    </shmem>
		  </devices>
		</domain>
	XML
}

in_domain()
{
	in_domain_xml "$@" | vm_define && vm_virsh start "$1" >/dev/null
}

in_freqringd()
{
	cat >"$VM_WORKDIR/freqringd.conf" <<-CONF
		[daemon]
		backend = librte_power
		poller_cpu = 0
		managed_cpus = 1-$((host_cpus - 1))
		socket = $VM_WORKDIR/fr/control.sock
		state_dir = $VM_WORKDIR/fr
		group = $(id -gn)
		[libvirt]
		uri = $VM_URI
		[shm]
		shm_group = $VM_QEMU_GROUP
		qemu_user = $VM_QEMU_USER
	CONF
	[ -z "${FR_CONFIG:-}" ] || printf '%s\n' "$FR_CONFIG" >>"$VM_WORKDIR/freqringd.conf"
	exec "$FR_BUILD/host/freqringd" -c "$VM_WORKDIR/freqringd.conf" "$@"
}

in_ready()
{
	_vm_wait "${1:-60}" _fr_answers
}

in_post()
{
	local name=$1

	shift
	"$FR_BUILD/tests/host/post" "/dev/shm/freqring-$name" "$@"
}
