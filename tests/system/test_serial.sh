#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 480
# DPDK's own guest against our host: its unmodified command line in a real
# guest over virtio-serial, with no shared memory; then wrong packets, a daemon
# that is killed, and one vCPU that asks over both transports.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"
# shellcheck source=tests/system/rush.sh
. "$(dirname "$0")/rush.sh"
# shellcheck source=tests/vm/peer.sh
. "$sys_here/../vm/peer.sh"

run peer_build "$FR_BUILD" guest_vm_power_mgr
[ "$status" -eq 0 ] || skip "$out"

SYS_PROGRAMS=$out
VM_MEMORY=224
export SYS_PROGRAMS VM_MEMORY
sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu 1:$there_cpu" VM_EMULATORPIN=$here_cpu VM_CMDLINE="freqring.modules=1"
export VM_PINS VM_EMULATORPIN VM_CMDLINE

channels()	# VM NUMBER...
{
	local n

	for n in "${@:2}"; do
		printf "<channel type='unix'><source mode='bind' path='%s'/><target type='virtio' name='%s'/></channel>" \
			"$VM_WORKDIR/g/$1/port.$n" "virtio.serial.port.poweragent.$n"
	done
}

here="cpu($here_cpu)['decided_khz']"
there="cpu($there_cpu)['decided_khz']"
ports="vm('a')['serial']['ports']"

# DPDK opens its ports by the links that udev makes, and has files in /var/run.
# shellcheck disable=SC2016
links='mkdir -p /dev/virtio-ports /var; ln -sfn /run /var/run; for port in /sys/class/virtio-ports/*; do
	ln -sf /dev/${port##*/} /dev/virtio-ports/$(cat $port/name); done'
eal="-l 0,1 --no-huge -m 32 --no-pci --no-telemetry --log-level=4 --"
peer()	# COMMAND...
{
	guest a "(printf '%s\n' $(printf "'%s' " "$@")'quit') | guest_vm_power_mgr $eal -n a --vcpu-list 0,1 2>&1 |
		tr -d '\r' | grep -vE '^vmpower.*> *$|^EAL|Setting VM|Using core|Total|TELEMETRY'"
}

# --- DPDK's guest, no shared memory -------------------------------------------------

VM_XML_DEVICES=$(channels a 0 1) vm_xml a 2 | vm_define || bail "a domain"
vm_start a || bail "a guest"
FR_CONFIG="[vms]
allow = a, b"
fr_start || bail "freqringd"
soon_st "served by its channels alone" "vm('a')['admitted']" true
soon_st "both are connected" "[p['connected'] for p in $ports]" "[true, true]"
same "transport" "serial serial" "$(st "' '.join(c['transport'] for c in vm('a')['channels'])")"
run fr show_vm a
like "show_vm has their sockets" "port\.1" "$out"
run fr status a
like "status has the channels" 'a  running, 2 serial channels' "$out"
like "... as what the vCPUs speak over" "^ +1 +$there_cpu +serial " "$out"
guest a "$links"

# DPDK's program waits 10 ms for an answer, which a busy machine may miss: it is
# the daemon that says how many it sent.
in_time=0
word()	# VCPU WORD EXPR KHZ
{
	local acks

	acks=$(st "vm('a')['serial']['acks']")
	peer "set_cpu_freq $1 $2"
	! grep -q '^ACK received for message sent to host' <<<"$out" || in_time=$((in_time + 1))
	same "DPDK's set_cpu_freq $1 $2" "$4" "$(st "$3")"
	same "... is acknowledged" $((acks + 1)) "$(st "vm('a')['serial']['acks']")"
}

peer_gets()	# REGEX COMMAND...
{
	peer "${@:2}"
	grep -qE "$1" <<<"$out"
}

word 0 min "$here" 800000
word 0 up "$here" 1100000
word 0 down "$here" 800000
word 0 max "$here" 2601000
word 0 disable_turbo "$here" 2600000
word 0 enable_turbo "$here" 2601000
word 1 min "$there" 800000
same "the other vCPU's is as it was" 2601000 "$(st "$here")"
check "DPDK's program saw acknowledgements" test "$in_time" -gt 0

peer "query_cpu_freq 0"
like "a query before set_query" 'Error during frequency list reception' "$out"
run fr set_query a enable
same "set_query, exit status" 0 "$status"
soon "a vCPU's frequency" peer_gets '^Frequency of \[0\] vcore is 2601000' "query_cpu_freq 0"
soon "all of them" peer_gets '^Frequency of \[1\] vcore is 800000' "query_cpu_freq all"
soon "a vCPU's capabilities" peer_gets \
	'^Capabilities of \[1\] vcore are: turbo possibility: 1, is priority core: 0' "query_cpu_caps 1"
soon "all of them" peer_gets '^Capabilities of \[1\] vcore are: turbo possibility: 1' "query_cpu_caps all"
soon "a policy is refused, and said so" peer_gets '^NACK for sent policy received' "send_policy now"

# --- the daemon comes and goes under DPDK's program -----------------------------------

guest a "(echo set_cpu_freq 0 min; until [ -e /tmp/go ]; do usleep 50000; done; echo set_cpu_freq 0 max
	until [ -e /tmp/end ]; do usleep 50000; done; echo quit) |
	guest_vm_power_mgr $eal -n a --vcpu-list 0,1 >/tmp/peer 2>&1 &"
soon_st "one that stays: its first wish" "$here" 800000
fr_kill9
fr_start || bail "freqringd, again"
soon_st "killed and started: it holds" "$here" 800000
soon_st "... connected" "[p['connected'] for p in $ports]" "[true, true]"
guest a 'touch /tmp/go'
soon_st "... and goes on with the program that was there" "$here" 2601000
same "... which did not connect anew" "1 0" \
	"$(st "f\"{vm('a')['serial']['acks']} {vm('a')['serial']['other'].get('connect', 0)}\"")"
guest a 'touch /tmp/end; while pidof guest_vm_power_mgr >/dev/null; do usleep 50000; done'

# --- wrong packets, each answered as it should be, and counted ------------------------

says()	# NAME ANSWER WORDS...
{
	guest a "port 0 say ${*:3}"
	same "$1" "$2" "$out"
}

before=$(st "vm('a')['serial']['packets']")
says "a unit that there is not" none 1 7 0
says "another vCPU than the port's" NACK 1 4 1
says "one beyond the VM" NACK 1 4 0x7fffffff
says "a CPU of the host" NACK 1 4 0 1
says "in another VM's name it is still this one's" ACK 1 4 0 0 somebody
same "... decided" 800000 "$(st "$here")"
says "a command that there is not" none 5
says "a policy is removed" none 4
same "each was counted" $((before + 7)) "$(st "vm('a')['serial']['packets']")"
guest a 'port 0 glue 200'
same "200 in one write" "200 answered" "$out"
same "... no answer was dropped" 0 "$(st "vm('a')['serial']['answers_dropped']")"
guest a 'port 0 split 20'
same "20, a byte at a time" "20 answered" "$out"
guest a --timeout 60 'port 0 deaf 5'
like "who reads no answers" '^[0-9]+ sent' "$out"
same "... does not stop the other port" "1 answered" \
	"$(guest a 'port 1 glue 1'; printf %s "$out")"
guest a --timeout 60 'port 1 garbage 5 7'
like "garbage" '^[0-9]{3,} sent' "$out"
check "the daemon is alive" fr version
# Parts of packets are among it: the stream is out of step until the port is opened anew.
vm_stop a || bail "the guest's end"
soon_st "the VM ends" "len([v for v in s['vms'] if v['admitted']])" 0
soon_st "... and its votes" "$here + $there" 0
vm_start a || bail "the guest, again"
soon_st "... it is back" "[p['connected'] for p in $ports]" "[true, true]"

guest a --timeout 120 'port 0 measure 5000'
note "one after another: $(tr '\n' ' ' <<<"$out")"
like "5000 in order" '^5000 answered' "$out"
guest a --timeout 60 'port 0 rate 3'
note "32 under way: $out"
like "all in order" '^[0-9]+ answered' "$out"
same "the last wish is in force" 1 "$(st "int($here in (800000, 2601000))")"
vm_stop a || bail "the guest's end"

# --- both transports: one vote ----------------------------------------------------------

VM_XML_DEVICES=$(channels b 0) vm_xml b 2 "$(sys_shm b)" | vm_define || bail "a domain with both"
vm_start b || bail "a guest with both"
soon_st "both are served" "str(vm('b')['epoch'] > 0) + str(vm('b')['serial']['ports'][0]['connected'])" TrueTrue
guest b 'freqring-guest -T ivshmem set 0 max 2>/dev/null || freqring-guest set 0 max'
soon_st "asked over the ring" "$here" 2601000
guest b 'port 0 say 1 4 0'
same "then over the channel" ACK "$out"
same "... the channel speaks" "800000 serial" "$(st "f\"{$here} {ch('b', 0)['transport']}\"")"
fr_kill9
fr_start || bail "freqringd, again"
soon_st "killed and started: it is still the channel" "f\"{$here} {ch('b', 0)['transport']}\"" "800000 serial"
guest b 'freqring-guest set 0 1400'
soon_st "then over the ring again" "$here" 1400000
same "... the ring speaks" ring "$(st "ch('b', 0)['transport']")"
same "one vote" 1 "$(st "len(cpu($here_cpu)['votes'])")"
guest b 'freqring-guest set 1 min'
same "the vCPU without a channel is the ring's" "800000 ring" "$(st "f\"{$there} {ch('b', 1)['transport']}\"")"

# --- between the two, while a program asks as fast as it goes ------------------------------

rush=$(sys_program rush) || bail "rush"
vm_copy_in b "$rush" /bin/rush || bail "rush, into the guest"

rush_begin b min
soon "it asks" asks_on b 100
requests=$(st "vm('b')['requests']")
fr_kill9
fr_start || bail "freqringd, again"
soon "the daemon was killed: it goes on where it was" asks_on b "$requests"
vm_virsh dumpxml b | sed -n '/<shmem/,/<\/shmem>/p' >"$VM_WORKDIR/shmem.xml"
vm_virsh detach-device b "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "detach-device"
# On a busy machine it may have gone there before that, from a ring that stood still.
soon "the device is unplugged: over the port" moved b 'to serial: '
soon_st "... as the daemon sees it" "ch('b', 0)['transport']" serial
fr_kill9
fr_start || bail "freqringd, again"
soon_st "killed again: still over the port" "ch('b', 0)['transport']" serial
goes_on "... and asks on" b
vm_virsh attach-device b "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "attach-device"
soon "... is plugged in: over the ring" moved b 'to ivshmem: its host answers again'
soon_st "... as the daemon sees it" "ch('b', 0)['transport']" ring
rush_end b
like "what was asked last is applied" '^end over ivshmem' "$out"
soon_st "... in the daemon, too" "$here" 800000
same "... by one vote" 1 "$(st "len(cpu($here_cpu)['votes'])")"

# --- nobody asks while the device comes ----------------------------------------------------

vm_virsh detach-device b "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "detach-device"
soon_st "unplugged: the channel speaks" "ch('b', 0)['transport']" serial
# The first answer may be one to the program before.
guest b 'port 0 say 1 3 0'
soon_st "... and asks" "$here" 2601000
vm_virsh attach-device b "$VM_WORKDIR/shmem.xml" --live >/dev/null || bail "attach-device"
soon_st "plugged in: the ring is served" "str(bool(vm('b')['epoch']))" True
same "... and has asked nothing" "2601000 serial" "$(st "f\"{$here} {ch('b', 0)['transport']}\"")"
vm_stop b || bail "the guest's end"
fr_stop

# --- sockets that no XML names: only from whom they may come ---------------------------------

sockets=$VM_WORKDIR/sockets
mkdir -m 755 "$sockets"
vm_xml c 2 | vm_define || bail "a domain with neither"
vm_start c || bail "a guest with neither"
FR_CONFIG="[serial]
dir = $sockets"

# Asks for min as soon as the daemon connects, and prints what comes of it.
listen()	# UID
{
	rm -f "$sockets/c.0"
	"$sys_python" - "$sockets/c.0" "$1" >"$VM_WORKDIR/heard" <<-'END' &
		import os, socket, struct, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		os.setuid(int(sys.argv[2]))
		s.listen(1)
		s.settimeout(60)
		c = s.accept()[0]
		c.settimeout(60)
		got = b""
		try:
		    c.sendall(struct.pack("<QII", 0, 4, 1).ljust(464, b"\0"))
		    while len(got) < 464 and (more := c.recv(464)):
		        got += more
		except (BrokenPipeError, ConnectionResetError):
		    pass
		print(f"command {struct.unpack_from('<QII', got)[2]}" if got else "closed")
	END
	vm_own_pid "$!"
	soon "a socket of user $1" test -S "$sockets/c.0"
}

heard()
{
	grep -q . "$VM_WORKDIR/heard"
}

listen 0
chmod 777 "$sockets"
log_mark
fr_start || bail "freqringd, with a folder for sockets"
soon "all VMs are known" log_has 'all [0-9]+ domains read'
same "a folder to which everybody may write: nobody is served" 0 "$(st "len([v for v in s['vms'] if v['admitted']])")"
fr_stop
chmod 755 "$sockets"
fr_start || bail "freqringd, with a safe folder"
soon "one that is only root's" heard
same "... its request is answered by an ACK" "command 1" "$(cat "$VM_WORKDIR/heard")"
same "... and decided" 800000 "$(st "$here")"
fr_stop
if [ "$(id -u)" -eq 0 ]; then
	listen 54321
	log_mark
	fr_start || bail "freqringd, with somebody's socket"
	soon "a socket that is somebody else's" heard
	same "... is let go" closed "$(cat "$VM_WORKDIR/heard")"
	check "... and said" log_has 'who listens there is neither root nor'
fi
sys_end
