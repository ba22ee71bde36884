#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 150
# Many at once: 40 domains that are off beside two that run, of which an event
# reads one; a VM with 100 vCPUs; 1000 clients on the control socket, which are
# served or told that they are too many; lines of 64 KiB, in pieces, and garbage;
# a subscriber that does not read. A guest is served all along.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh" "$@"
sys_begin

# The private libvirtd writes down each call about a domain.
calls=$VM_WORKDIR/lv/calls
vm_libvirt_stop
sed -i "s|^log_outputs = \"|&1:file:$calls |; \$a log_filters = \"1:libvirt.domain\"" "$VM_WORKDIR/lv/libvirtd.conf"
vm_libvirt_start || bail "libvirtd, with a log of calls"

here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu
export VM_PINS VM_EMULATORPIN

# --- many domains ---
for number in $(seq 40); do
	vm_xml "off$number" 1 >"$VM_WORKDIR/own/off$number.xml"
	echo "define $VM_WORKDIR/own/off$number.xml"
done >"$VM_WORKDIR/define"
timeout 60 virsh -c "$VM_URI" -q <"$VM_WORKDIR/define" >/dev/null || bail "40 domains"
for name in a b; do
	vm_xml "$name" 1 "$(sys_shm "$name")" | vm_define || bail "a domain"
done
vm_start a || bail "a guest"
vm_virsh start --paused b >/dev/null || bail "a second VM"
# Thousands of events are not to be in its log.
fr_start --log-level warning || bail "freqringd"
vm_virsh resume b >/dev/null || bail "virsh resume"
soon_st "both that run are served" "[vm('a')['admitted'], vm('b')['admitted']]" '[true, true]'
run fr list
same "the list has all 42" 42 "$(grep -cE '^(off[0-9]+ +defined|[ab] +running) ' <<<"$out")"

# asked VM [CALL]: how often libvirtd was, since line $calls_from
asked()
{
	tail -n +"$calls_from" "$calls" | grep -cE " : ${2:-vir[A-Za-z]+}:[0-9]+ : .*name=$1,"
}

for _ in $(seq 100); do
	echo "vcpupin b 0 $there_cpu --live"
	echo "vcpupin b 0 $here_cpu --live"
done >"$VM_WORKDIR/pins"
calls_from=$(($(wc -l <"$calls") + 1))
began=$SECONDS
timeout 60 virsh -c "$VM_URI" -q <"$VM_WORKDIR/pins" >/dev/null
same "200 events of one domain, exit status" 0 "$?"
seconds=$((SECONDS - began + 1))
soon_st "... the last one is in force" "vm('b')['vcpus'][0]['pcpus']" "$here_cpu"
pins=$(asked b virDomainGetVcpuPinInfo) others=$(asked off1)
note "in $seconds s: $pins times asked for its pinning, $others times anything about one that is off"
check "... it is read again and again" test "$pins" -ge 20
# Once a second all are looked at: up to four calls when closely.
check "... the others are not, for that" test "$others" -le $((4 * (seconds + 1)))
note "from libvirt's event to the new map in force, us: $(st "s['libvirt']['map_latency_us']")"

# --- many vCPUs: a boot sector that halts, and whose voices are lent by the host ---
{
	printf '\xfa\xf4\xeb\xfc'
	head -c 506 /dev/zero
	printf '\x55\xaa'
} >"$VM_WORKDIR/g/wide.img"
chmod 644 "$VM_WORKDIR/g/wide.img"
[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER" "$VM_WORKDIR/g/wide.img"
VM_PINS="70:$there_cpu 99:$here_cpu" VM_XML_DEVICES="<disk type='file' device='disk'><driver name='qemu' type='raw'/>
	<source file='$VM_WORKDIR/g/wide.img'/><target dev='hda' bus='ide'/></disk>" \
	vm_xml wide 100 "$(sys_shm wide)" | sed '/<kernel>/d; /<initrd>/d; /<cmdline>/d' | vm_define ||
	bail "a domain with 100 vCPUs"
vm_virsh start wide >/dev/null || bail "a VM with 100 vCPUs"
soon_st "a VM with 100 vCPUs is served" "[vm('wide')['admitted'], len(vm('wide')['channels'])]" '[true, 100]'
voice()
{
	run "$FR_BUILD/tests/host/post" "/dev/shm/$(sys_shm wide)" "$@"
}
voice 70 1700000
like "vCPU 70 asks, and is heard" 'granted 1700000' "$out"
same "... where it is pinned" 1700000 "$(st "cpu($there_cpu)['decided_khz']")"
run fr vcpupin wide 70 "$here_cpu"
soon_st "... and where it is pinned now" "[cpu($here_cpu)['decided_khz'], cpu($there_cpu)['decided_khz']]" '[1700000, 0]'
voice 99 2300000
same "vCPU 99 beside it: the highest wish decides" 2300000 "$(st "cpu($here_cpu)['decided_khz']")"
run fr set_channel_status wide "$(seq -s , 36 99)" disabled
same "64 channels are named, each of them" "Updated status of 64 channels for VM 'wide'" "$out"
soon_st "... and have no vote" "cpu($here_cpu)['decided_khz']" 0
run fr show_vm wide
same "show_vm shows all" "36 CONNECTED, 64 DISABLED, 100 vCPUs" \
	"$(grep -c 'status = CONNECTED' <<<"$out") CONNECTED, $(grep -c 'status = DISABLED' <<<"$out") DISABLED, $(grep -c 'Physical CPU Mask' <<<"$out") vCPUs"
vm_virsh destroy wide >/dev/null
vm_virsh undefine wide >/dev/null
soon "gone: its object is removed" test ! -e "/dev/shm/$(sys_shm wide)"

# --- many clients ---
clients=$sys_here/clients.py
guest a 'freqring-guest set 0 1400'
same "a guest is served" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
coproc "$sys_python" "$clients" crowd "$VM_WORKDIR/fr/control.sock" 1000
vm_own_pid "$COPROC_PID"
read -r -t 60 -u "${COPROC[0]}" out
note "1000 clients: $out"
case $out in
only*) ;;
*)
	like "1000 clients: each is served, or told why not" '^744 too many clients, try later, 256 served$' "$out"
	run fr version
	like "... freqring is told, too" 'too many clients' "$out"
	guest a 'freqring-guest set 0 1100'
	same "... a guest is served meanwhile, exit status" 0 "$status"
	guest a 'freqring-guest info'
	like "... by a live daemon" '^host +alive' "$out"
	;;
esac
crowd_in=${COPROC[1]} crowd=$COPROC_PID
exec {crowd_in}>&-
wait "$crowd"
answers()
{
	fr version >/dev/null 2>&1
}
soon "they are gone: freqring is served" answers
same "... and the guest's wish is in force" 1100000 "$(st "cpu($here_cpu)['decided_khz']")"


# --- odd lines ---
run timeout 60 "$sys_python" "$clients" lines "$VM_WORKDIR/fr/control.sock"
same "odd lines, exit status" 0 "$status"
like "a line of 65536 bytes is served" '^longest: served$' "$out"
like "... one more is refused" '^longer: the request is longer than 65536 bytes and closed$' "$out"
like "... as is a line that does not end" '^no end: the request is longer than 65536 bytes and closed$' "$out"
like "a request byte by byte is served" '^pieces: 7$' "$out"
like "1000 requests in one piece are answered in order" '^thousand: in order$' "$out"
like "300 lines of garbage are refused, the request after them is served" '^garbage: 300 refused, then 8$' "$out"
like "clients that end within a line leave it to the next" '^half a line: served$' "$out"

# --- one that does not read ---
requests=$(st "vm('a')['requests']")
run timeout 60 "$sys_python" "$clients" deaf "$VM_WORKDIR/fr/control.sock" b
like "a subscriber that does not read is dropped" '^dropped after [0-9]+ events ' "$out"
note "$out"
same "... and no other" 1 "$(st "s['control']['errors']['reply_not_read']")"
guest a 'freqring-guest set 0 1400'
same "a guest is served after all that" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
same "... whose requests were counted once" "$requests" "$(($(st "vm('a')['requests']") - 2))"
fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
