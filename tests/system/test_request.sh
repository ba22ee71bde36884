#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# A VM asks, the host answers: every word of the guest's command line, before
# and after the daemon is there, while the vCPU moves, floats and sleeps.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu
export VM_PINS VM_EMULATORPIN
vm_xml a 1 "$(sys_shm a)" | vm_define || bail "a domain"
vm_start a || bail "a guest"

# asks WORDS MHZ: asks for WORDS, and says what has to be granted
asks()
{
	guest a "freqring-guest set 0 $1"
	same "set $1, exit status" 0 "$status"
	like "set $1 grants $2 MHz" "granted $2 MHz \(simulated\)" "$out"
	same "set $1, the host's decision" "${2}000" "$(st "cpu($here_cpu)['decided_khz']")"
}

# Guest and operator have to be told the same.
agree()
{
	local host

	guest a 'freqring-guest get 0 -o json'
	same "$1: guest and status say the same" "$("$sys_python" -c '
import json, sys
g = json.loads(sys.argv[1])
print(g["wish"], g["granted_khz"], g["pcpu"], g["refusals"], g["turbo_allowed"])' "$out")" \
		"$(st "ch('a', 0)['wish'] + f\" {ch('a', 0)['granted_khz']} {ch('a', 0)['pcpus'] or -1} {ch('a', 0)['refusals']} {ch('a', 0)['turbo_allowed']}\"")"
	host=$(st "cpu($here_cpu)['decided_khz'] + cpu($there_cpu)['decided_khz']")
	same "$1: one CPU was decided, at what the guest sees" "$("$sys_python" -c '
import json, sys
print(json.loads(sys.argv[1])["freq_khz"])' "$out")" "$host"
}

# --- no daemon yet ---
guest a 'freqring-guest info'
same "info before the daemon, exit status" 1 "$status"
like "... says what to do" 'is freqringd running on the host' "$out"
guest a 'freqring-guest set 0 max'
same "set before the daemon, exit status" 1 "$status"
guest a freqring-example
same "the example before the daemon, exit status" 1 "$status"
like "... says why" 'is freqringd running' "$out"

# --- served ---
fr_start || bail "freqringd"
soon_st "the VM is admitted" "vm('a')['admitted']" true
guest a 'freqring-guest info'
same "info, exit status" 0 "$status"
like "... the host is alive, and no hardware behind it" '^host +alive \(simulated\)' "$out"
like "... the VM's own UUID" "$(vm_virsh domuuid a)" "$out"
same "nothing asked, nothing decided" 0 "$(st "cpu($here_cpu)['decided_khz']")"
same "no request from looking" 0 "$(st "vm('a')['requests']")"

asks max 2601
same "an attach and a max" 2 "$(st "vm('a')['requests']")"
agree max
asks min 800
agree min
asks up 1100
asks down 800
asks 1400 1400
asks 1500 1700
agree "1500"
asks max 2601
asks "turbo off" 2600
asks 2601 2600
like "... and says why not more" 'granted 2600 MHz .*: .*limit' "$out"
agree "turbo off"
asks "turbo on" 2601
asks max 2601
guest a 'freqring-guest set 0 release'
same "release, exit status" 0 "$status"
same "... gives the CPU back" 0 "$(st "cpu($here_cpu)['decided_khz']")"
agree release
asks down 2600
guest a 'freqring-guest set 0 release && freqring-guest set 0 up'
like "up from no opinion is max" 'wish max' "$out"

# --- wrong ---
asks 1400 1400
guest a 'freqring-guest set 0 5000'
same "beyond the table, exit status" 1 "$status"
like "... refused, and the wish stays" 'refused: .*wish 1400 MHz' "$out"
guest a 'freqring-guest set 0 700'
same "below the table, exit status" 1 "$status"
same "refusals by cause" '{"bad_freq": 2}' "$(st "vm('a')['refusals']")"
agree "after refusals"
for words in '0 fast' '0' '0 -5' '7 max' 'x max' '0 turbo' '0 lease -1' '0 99999999'; do
	guest a "freqring-guest set $words"
	same "set $words, exit status" 2 "$status"
done
guest a 'freqring-guest ping -l 9 -n 10'
same "ping on a CPU that is not, exit status" 2 "$status"
like "... says so" 'no CPU 9' "$out"
guest a 'freqring-guest frobnicate'
same "an unknown command, exit status" 2 "$status"
guest a 'freqring-guest -d /dev/null info'
same "not a region, exit status" 1 "$status"
same "none of it got to the host" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"

# --- as an operator watches it ---
guest a 'while freqring-guest ping -n 1000000; do :; done >/dev/null 2>&1 & echo $! >/tmp/pings'
asked()
{
	run fr top --batch --delay 1 --iterations 1 -o json
	[ "$status" -eq 0 ] && "$sys_python" -c 'import json, sys
page = json.loads(sys.argv[1])
sys.exit(not page["channels"][0]["requests_per_second"] > 1000)' "$out"
}
soon "top sees who asks" asked
guest a 'kill $(cat /tmp/pings); killall freqring-guest'
run fr top --delay 1 --iterations 1
like "... and what was decided for whom" "^$here_cpu +1400 +1400 +a/0 " "$out"

# --- DPDK's own words ---
guest a 'freqring-guest set_cpu_freq 0 max && freqring-guest query_cpu_freq 0'
like "set_cpu_freq: ACK" '^ACK received for message sent to host\.' "$out"
like "query_cpu_freq" '^Frequency of \[0\] vcore is 2601000' "$out"
guest a 'freqring-guest query_cpu_freq all && freqring-guest query_cpu_caps all'
like "query_cpu_caps" '^Capabilities of \[0\] vcore are: turbo possibility: 1, is priority core: 0\.' "$out"
guest a 'freqring-guest set_cpu_freq 0 disable_turbo; freqring-guest query_cpu_freq 0
	freqring-guest set_cpu_freq 0 enable_turbo; freqring-guest set_cpu_freq 0 1400'
like "disable_turbo" 'vcore is 2600000' "$out"
same "set_cpu_freq takes no figure" 2 "$status"

# --- ping and watch ---
before=$(st "vm('a')['requests']")
guest a 'freqring-guest ping -n 5000 -o json'
same "ping, exit status" 0 "$status"
like "ping has figures" '"count": 5000.*"p50": [0-9]+' "$out"
after=$(st "vm('a')['requests']")
check "pings are counted ($before, then $after)" test "$after" -ge $((before + 5000))
same "... and change nothing" 2601000 "$(st "cpu($here_cpu)['decided_khz']")"

vm_exec a 'freqring-guest watch -n 4 -i 0.01 >/tmp/watch & echo $! >/tmp/watch.pid' >/dev/null
soon "watch runs" vm_exec a 'test -s /tmp/watch'
for mhz in 1100 2000 min; do
	vm_exec a "freqring-guest set 0 $mhz; usleep 100000" >/dev/null
done
soon "watch ends after its lines" vm_exec a 'kill -0 $(cat /tmp/watch.pid) 2>/dev/null && exit 1; exit 0'
guest a 'cat /tmp/watch'
same "watch saw each change, in order" "max 1100 2000 min" \
	"$(sed -n 's/.*, wish \([a-z0-9]*\).*/\1/p' <<<"$out" | xargs)"

# --- the example, and two programs on one vCPU ---
guest a 'freqring-example'
same "the example, exit status" 0 "$status"
like "the example is granted the most" '^granted 2601 MHz' "$out"
same "... and lets go" none "$(st "ch('a', 0)['wish']")"
vm_exec a 'keeper 0 max >/tmp/keeper 2>&1 & echo $! >/tmp/keeper.pid' >/dev/null
soon_st "a program holds the vCPU" "ch('a', 0)['granted_khz']" 2601000
guest a 'freqring-guest set 0 min'
same "a second one on it, exit status" 1 "$status"
like "... is told why" 'speaks for it already' "$out"
guest a 'freqring-example'
same "the example on it, exit status" 1 "$status"
guest a 'freqring-guest get 0'
same "looking is allowed" 0 "$status"
guest a 'kill $(cat /tmp/keeper.pid); sleep 0.3; freqring-guest set 0 min'
same "and taking it once the first has ended" 0 "$status"

# --- not root ---
guest a 'echo "user:x:1000:1000::/:/bin/sh" >/etc/passwd; su -s /bin/sh user -c "id -u; freqring-guest info"'
like "another user" '^1000$' "$out"
same "not root, exit status" 1 "$status"
like "... is told why" 'Permission denied|not allowed|may not' "$out"
like "... with a hint" '^hint: .*(group|rule)' "$out"
guest a 'rm /etc/passwd'

# --- a lease ---
asks 1400 1400
guest a 'freqring-guest set 0 lease 2'
same "lease, exit status" 0 "$status"
check "status shows what is left of it" test "$(st "ch('a', 0)['lease_left_ms']")" -gt 0
soon_st "it runs out: the fail-safe" "ch('a', 0)['reason']" lease_expired
same "... is the most" 2601000 "$(st "cpu($here_cpu)['decided_khz']")"
soon "... and is in the log" log_has 'its lease ran out'
guest a 'freqring-guest set 0 lease 0'
same "the end of it: the wish as it was" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
asks "lease 3600" 1400
guest a 'freqring-guest set 0 release'
same "a release ends a lease" 0 "$(st "ch('a', 0)['lease_left_ms']")"

# --- re-pinned in the middle of a flood ---
asks 1400 1400
vm_exec a 'while :; do freqring-guest ping -n 20000 >/dev/null 2>/tmp/flood.err ||
	cat /tmp/flood.err >>/tmp/flood.bad; done & echo $! >/tmp/flood.pid' >/dev/null
flood=$(st "vm('a')['requests']")
for turn in 1 2 3; do
	for cpu in "$there_cpu" "$here_cpu"; do
		other=$((here_cpu + there_cpu - cpu))
		vm_virsh vcpupin a 0 "$cpu" --live >/dev/null || bail "vcpupin"
		soon_st "move $turn, to CPU $cpu: it has the vote" "cpu($cpu)['decided_khz']" 1400000
		same "... CPU $other is given back" 0 "$(st "cpu($other)['decided_khz']")"
		same "... the wish is kept" kHz "$(st "ch('a', 0)['wish']")"
		agree "move $turn, CPU $cpu"
	done
done
check "the flood went on" test "$(st "vm('a')['requests']")" -gt "$flood"
guest a 'kill $(cat /tmp/flood.pid); killall freqring-guest 2>/dev/null; sleep 0.2; cat /tmp/flood.bad 2>/dev/null'
same "no ping failed" "" "$out"
same "one VM, no refusal more" '{"bad_freq": 2}' "$(st "s['refusals']")"

# --- floating ---
vm_virsh vcpupin a 0 "0-$(($(nproc) - 1))" --live >/dev/null || bail "vcpupin"
soon_st "pinned to all: no vote" "ch('a', 0)['reason']" unpinned
same "... the CPU is given back" 0 "$(st "cpu($here_cpu)['decided_khz']")"
guest a 'freqring-guest set 0 2000'
same "... set, exit status" 1 "$status"
like "... is refused and says why" 'refused: .*pin' "$out"
guest a 'freqring-guest set_cpu_freq 0 max'
like "... and NACK to DPDK's word" '^NACK' "$out"
vm_virsh vcpupin a 0 "$here_cpu" --live >/dev/null
soon_st "pinned again: the last wish is in force" "cpu($here_cpu)['decided_khz']" 2601000
asks 1400 1400

# --- asleep ---
vm_virsh suspend a >/dev/null || bail "virsh suspend"
soon_st "suspended: no vote" "cpu($here_cpu)['decided_khz']" 0
same "... and why" paused "$(st "ch('a', 0)['reason']")"
same "... the state" paused "$(st "vm('a')['state']")"
vm_virsh resume a >/dev/null || bail "virsh resume"
soon_st "resumed: the vote is back" "cpu($here_cpu)['decided_khz']" 1400000
agree resumed

# --- the end ---
fr_stop
same "the daemon ends in good order, exit status" 0 "$?"
guest a 'freqring-guest info'
like "... and said so to the guest" 'stopped \(it said good-bye\)' "$out"
guest a 'freqring-guest set 0 max'
same "... where a set fails, exit status" 1 "$status"
like "... and says what to do" 'freqringd is not running.*good-bye' "$out"
sys_end
