#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 60
# What needs no VM: the daemon and the command on domains of libvirt's own test
# driver, which is in the daemon's process.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh" "$@"
[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
vm_workdir_make || exit 1

# node FILE DOMAIN...: each NAME|DEVICES. UUIDs are given, for each connection makes
# domains of its own of the file.
node()
{
	local file=$1 domain nb=0

	shift
	printf '<node>%s' "${NODE_CPU:-}" >"$file"
	for domain; do
		printf "<domain type='test'><name>%s</name><uuid>11111111-aaaa-4aaa-8aaa-%012d</uuid>" \
			"${domain%%|*}" $((++nb))
		printf '<memory>8192</memory><vcpu>2</vcpu>'
		printf "<os><type>hvm</type></os><devices>%s</devices></domain>" "${domain#*|}"
	done >>"$file"
	printf '</node>' >>"$file"
}

channel="<channel type='unix'><source mode='bind' path='$VM_WORKDIR/nobody'/>
	<target type='virtio' name='virtio.serial.port.poweragent.1'/></channel>"
# Not cut at a character's end, wherever it is cut.
long=$(printf '\xc3\xa4%.0s' {1..60})
node "$VM_WORKDIR/node.xml" "ring|<shmem name='freqring-nv.$$'><model type='ivshmem-plain'/>
	<size unit='M'>1</size></shmem>" "wire|$channel" "plain|" "foreign|<shmem name='freqring-$long'><model type='ivshmem-plain'/></shmem>"
install -d -m 700 "$VM_WORKDIR/shm" "$VM_WORKDIR/fr"
VM_URI=test://$VM_WORKDIR/node.xml
fr_start --shm-dir "$VM_WORKDIR/shm" --serial-dir '' || bail "the daemon"
soon_st "VMs are served, by their device or their channels" \
	'sorted(v["name"] for v in s["vms"] if v["admitted"])' '["ring", "wire"]'

# --- list ---
run fr list
same "list" 0 "$status"
like "... a device" "^ring +running +yes +2 +0 +freqring-nv\.$$ +-" "$out"
like "... a channel" '^wire +running +yes +2 +0 +1 serial channel +-' "$out"
like "... neither" '^plain +running +no +2 +0 +- +it has no device of ours' "$out"

# --- telemetry: the VMs that the status has ---
cat >"$VM_WORKDIR/ask.py" <<'END'
import contextlib, glob, json, os, socket, sys

base = "/var/run" if os.getuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp")
for path in glob.glob(base + "/dpdk/freqring/dpdk_telemetry.v2*"):
	with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
		s.settimeout(10)
		s.connect(path)
		if json.loads(s.recv(1 << 16) or b'{"pid":0}')["pid"] != int(sys.argv[1]):
			continue
		for command in sys.argv[2:]:
			s.send(command.encode())
			print(json.dumps(json.loads(s.recv(1 << 16))[command.split(",")[0]]))
END
run "$sys_python" "$VM_WORKDIR/ask.py" "$FR_PID" /freqring/vm/list /freqring/vm/info,wire \
	/freqring/vcpu/info,wire,1
like "telemetry lists them" '^\["(ring", "wire|wire", "ring)", "foreign"\]$' "$out"
like "... and tells of the one with a channel" '"name": "wire"' "$out"
like "... and of its channel" '"transport": "serial"' "$out"

# --- messages name the VM as its owner does ---
run fr vcpupin wire 0 0 --config
same "what the driver cannot do" 1 "$status"
like "... is said of the VM" 'VM wire: vCPU 0 cannot be pinned in its definition: ' "$out"

# --- a device with a long name that is no ASCII: what came of it is told all the same ---
run fr detach foreign
same "detach, which this driver cannot" 1 "$status"
like "... says why" '^live: shmem device freqring-.* cannot be detached: .*not supported' "$out"

fr_stop
same "the daemon ends in good order" 0 "$?"

# --- each second one of 1024 CPUs: the longest list there is ---
odd=$(seq -s , 1 2 1023)
mask=0x$(printf 'a%.0s' {1..256})
NODE_CPU='<cpu><nodes>1</nodes><sockets>1</sockets><cores>1024</cores><threads>1</threads></cpu>' \
	node "$VM_WORKDIR/node.xml" "wide|$channel</devices><cputune><vcpupin vcpu='1' cpuset='$odd'/></cputune><devices>"
LD_PRELOAD=$FR_BUILD/tests/system/wide_host.so ASAN_OPTIONS=verify_asan_link_order=0 \
	fr_start --shm-dir "$VM_WORKDIR/shm" --serial-dir '' || bail "the daemon"
soon_st "it is served" 'vm("wide")["admitted"]' true
same "status has all of the list" "$odd" "$(st 'ch("wide", 0)["pcpus"]')"
same "... and of libvirt's" "$odd" "$(st 'vm("wide")["vcpus"][1]["libvirt_pcpus"]')"
run fr status wide
like "... a table its start" '^ +1 +1,3,5,7,9,11,13,15,17,19,21,23,25,\.\.\. +serial' "$out"
run fr vcpupin wide 1
like "vcpupin, too" "^ 1 +$odd\$" "$out"
run fr show_vm wide
like "show_vm makes a mask of it" "\[1\]: Physical CPU Mask $mask\$" "$out"
fr_stop
same "the daemon ends in good order" 0 "$?"

sys_end
