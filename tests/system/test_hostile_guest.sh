#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# A guest that writes what it likes into its region: every wrong request is
# refused and counted by its cause, a storm of them ends in quarantine, random
# words everywhere do no harm to the daemon, and another VM notices nothing.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_EMULATORPIN=$here_cpu
export VM_EMULATORPIN
VM_PINS="0:$here_cpu 1:$here_cpu" vm_xml evil 2 "$(sys_shm evil)" | vm_define || bail "a domain"
VM_PINS="0:$there_cpu" vm_xml good 1 "$(sys_shm good)" | vm_define || bail "a second domain"
fr_start || bail "freqringd"
vm_start evil || bail "a guest"
vm_start good || bail "a second guest"
soon_st "both are served" "vm('evil')['admitted'] and vm('good')['admitted']" true
guest good 'freqring-guest set 0 1700'
same "the good one asks" 1700000 "$(st "cpu($there_cpu)['decided_khz']")"
pid=$FR_PID

# The daemon is the same process, and serves the other VM.
unharmed()
{
	check "$1: the daemon lives" kill -0 "$pid"
	guest good 'freqring-guest set 0 min && freqring-guest set 0 1700'
	same "$1: the other VM is served, exit status" 0 "$status"
	same "$1: ... its wish is in force" 1700000 "$(st "cpu($there_cpu)['decided_khz']")"
	same "$1: ... nothing of it was refused" '{}' "$(st "vm('good')['refusals']")"
}

# refused CAUSE COUNT COMMAND: it is counted so often, and the wish stays
refused()
{
	local before

	before=$(st "vm('evil')['refusals'].get('$1', 0)")
	guest evil "$3"
	soon_st "$3: $1 is counted, $2 more" "vm('evil')['refusals'].get('$1', 0)" $((before + $2))
	same "... the wish stays" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
}

# --- one by one ---
guest evil 'freqring-guest set 0 1400'
same "the evil one asks, too" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"
refused bad_op 1 'poke post 0 1 99 0 0'
refused bad_op 1 'poke post 0 1 0 0 0'
refused bad_op 100 'poke post 0 100 255 0 0'
refused bad_arg 1 'poke post 0 1 5 0 7'
refused bad_arg 1 'poke post 0 1 6 0 0'
refused bad_arg 1 'poke post 0 1 5 0x80 0'
refused bad_arg 1 'poke post 0 1 11 1 0'
refused bad_arg 1 'poke post 0 1 1 0 0'
refused bad_freq 1 'poke post 0 1 6 0 0xffffff'
refused bad_freq 3 'poke post 0 3 6 0 1'
refused bad_epoch 1 'poke epoch 0'
refused lost 1 'poke ahead 0'
check "the doorbell without a request was noticed" \
	sys_st_is "vm('evil')['empty_doorbells'] > 0" true
guest evil 'freqring-guest get 0'
like "the guest can read its refusals" '^refusals +1[0-9][0-9]' "$out"
guest evil 'freqring-guest set 0 2000'
same "an honest program on the same vCPU is served, exit status" 0 "$status"
same "... and heard" 2000000 "$(st "cpu($here_cpu)['decided_khz']")"
same "the daemon counts the same in all" "$(st "vm('evil')['refusals']")" "$(st "s['refusals']")"
unharmed "one by one"

# --- channels that it does not have, words that are the host's ---
requests=$(st "vm('evil')['requests']")
guest evil 'poke 0x10400=0x0000000005010000 8:0x1002=1 0x2ff80=0x0000000005010000 8:0x10ff=1'
guest evil 'poke 0=0 8=0xffffffffffffffff 24=0xffffffffffffffff 64=0xffffffffffffffff \
	0x2000=0xffffffffffffffff 0x8000=0xffffffffffffffff 0x40008=0xffffffffffffffff'
sleep 0.5
same "channels beyond its vCPUs are not there" "$requests" "$(st "vm('evil')['requests']")"
guest evil 'freqring-guest set 0 max'
same "a guest that broke its own header, exit status" 1 "$status"
unharmed "the header overwritten"
fr_stop
fr_start || bail "freqringd"
pid=$FR_PID
soon_st "the next daemon mends the header" "vm('evil')['admitted']" true
same "... the wish as it was, whatever the region says" 2000000 "$(st "cpu($here_cpu)['decided_khz']")"
guest evil 'freqring-guest set 0 1400'
same "... and the guest is served again" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"

# --- a storm ---
log_mark
guest evil 'poke post 0 200000 99 0 0'
like "the storm is not taken to its end" 'not consumed' "$out"
soon "it ends in quarantine, and the log says so" log_has \
	'VM evil: 1 vCPUs? quarantined for breaking the protocol'
soon_st "... so does the status" "ch('evil', 0)['quarantined']" true
soon_st "... the fail-safe is in force" "cpu($here_cpu)['decided_khz']" 2601000
check "... with one line, not thousands" test "$(log_since | wc -l)" -lt 10
guest evil 'freqring-guest set 0 min'
same "the channel is not heard, exit status" 1 "$status"
guest evil 'freqring-guest set 1 1100'
same "the VM's other vCPU is, exit status" 0 "$status"
same "... it is arbitrated with the fail-safe" arbitrated "$(st "ch('evil', 1)['reason']")"
unharmed "the storm"
fr_stop
fr_start || bail "freqringd"
pid=$FR_PID
soon_st "the next daemon gives it another chance" "ch('evil', 0)['quarantined']" false
guest evil 'freqring-guest set 0 1400'
same "... and it is heard, exit status" 0 "$status"
same "... and decided" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"

# --- everything, everywhere ---
for seed in 1 2; do
	vm_exec evil "poke scribble 4 $seed >/tmp/scribble & poke scribble 4 2$seed 0 0x60000 >/dev/null &" >/dev/null
	for _ in 1 2 3; do
		unharmed "scribbling, seed $seed"
	done
	guest good 'freqring-guest ping -n 5000'
	same "... and its pings come back" 0 "$status"
	note "seed $seed: refused $(st "vm('evil')['refusals']")"
	# In the middle of it.
	{ fr_kill9; } 2>/dev/null
	fr_start || bail "freqringd, while it is scribbled on"
	pid=$FR_PID
	soon_st "killed and restarted meanwhile: both are served" \
		"vm('evil')['admitted'] and vm('good')['admitted']" true
	soon "the scribbling ends" vm_exec evil '! pidof poke'
	unharmed "after it, seed $seed"
done
note "refused: $(st "vm('evil')['refusals']"), empty doorbells $(st "vm('evil')['empty_doorbells']"), reattached $(st "vm('evil')['reattached']")"
vm_stop evil
soon_st "the evil VM is stopped: its vote is gone" "cpu($here_cpu)['decided_khz']" 0
vm_start evil || bail "the evil guest, again"
soon_st "started again: served" "vm('evil')['admitted']" true
same "... with a clean channel" false "$(st "ch('evil', 0)['quarantined'] or ch('evil', 1)['quarantined']")"
guest evil 'freqring-guest set 0 1400 && freqring-guest info'
same "... and heard, exit status" 0 "$status"
same "... and decided" 1400000 "$(st "cpu($here_cpu)['decided_khz']")"

# --- more than it may ---
fr_stop
FR_CONFIG="[vms]
rate_limit = 4000"
fr_start || bail "freqringd with a rate limit"
pid=$FR_PID
soon_st "served under a rate limit" "vm('evil')['admitted'] and vm('good')['admitted']" true
before=$(st "vm('good')['throttled']")
guest evil 'freqring-guest ping -n 6000'
same "a flood goes through, exit status" 0 "$status"
check "... held back" sys_st_is "vm('evil')['throttled'] > 0" true
same "... the other is not" "$before" "$(st "vm('good')['throttled']")"
unharmed "under a rate limit"

fr_stop
same "the daemon ends in good order" 0 "$?"
sys_end
