#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 800
# Somebody else sets a CPU that freqringd drives, or takes it offline: what the
# P-state ports see of that, and what the operator and the guest are told.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/real.sh
. "$sys_here/../host/real.sh"

real_begin
real_daemon

# --- somebody else is let: drift = yield ------------------------------------

h 'post web 0 1800000'
mark
h 'put 1 scaling_governor performance; post web 0 show'
soon_st "another governor is seen" "cpu(1)['control']" "foreign governor"
h 'fr verify'
same "verify finds it" 1 "$status"
like "... and says what is" \
	'^CPU 1: somebody else chose the governor performance, and is let; wanted: 1800 MHz: WRONG' "$out"
h 'fr status; fr events; post web 0 show 1200000'
like "the status says so, too" \
	'^CPU 1: somebody else chose the governor performance, and is let; wanted: 1800 MHz' "$out"
like "... and who controls it" '^1 .* performance +foreign ' "$out"
like "... and counts it" ', 1 drifted' "$out"
like "it is an event" \
	'drift +CPU 1: somebody chose the governor performance; left to them until it is ours again' "$out"
like "the guest is told" '^show: .*granted 0, .*somebody else on the host set' "$out"
like "... also when it asks for something else" '^1200000: .*somebody else on the host set' "$out"
h 'fr set_cpu_freq 1 min'
same "an operator is told, too, exit status" 1 "$status"
like "... what is in his way" 'CPU 1: not in force: somebody else chose the governor performance, and is let; wanted: 800 MHz' "$out"
h 'fr release 1'
same "... and when he ends that, exit status" 1 "$status"
like "... likewise" 'CPU 1: released, but not as the votes say yet: somebody else chose' "$out"
mark_of_drift=$(since)
h 'put 1 scaling_governor userspace'
soon "ours again: what was asked for last is set" port 1 1200000
same "nothing was written in between" "1: 2301000" "$mark_of_drift"
same "what the port saw of that" "1: 2301000 1200000" "$(since)"
h 'fr events; post web 0 show; fr verify'
like "the end of it is an event" 'drift-over +CPU 1 is ours again' "$out"
like "the guest is told" '^show: .*granted 1200000, .*: granted' "$out"
same "verify is content again" 0 "$status"

mark
h 'put 1 scaling_setspeed 800000'
soon_st "another set speed is seen" "cpu(1)['control']" "foreign frequency"
h 'fr verify'
same "verify finds it" 1 "$status"
like "... and says what is" '^CPU 1: somebody else set 800 MHz, and is let until something else is asked for; wanted: 1200 MHz: WRONG' "$out"
h 'fr events; post web 0 show; sleep 1.5; post web 0 1800000; fr verify'
same "set again when something else is asked for" "1: 800000 1800000" "$(since)"
like "it was an event" 'drift +CPU 1: somebody set 800000 kHz; left to them until something else is asked' "$out"
like "the guest was told" '^show: .*somebody else on the host set' "$out"
same "verify is content again" 0 "$status"
same "both are counted" 2 "$(st "cpu(1)['drifts']")"

h 'post web 1 1200000; post db 0 min'
mark
h 'put 3 scaling_setspeed 2300000'
soon_st "of a shared policy it is seen at both CPUs" \
	"[cpu(2)['control'], cpu(3)['control']]" '["foreign frequency", "foreign frequency"]'
h 'post web 1 show; post db 0 show max'
same "... and both guests are told" 2 "$(grep -c '^show: .*somebody else on the host set' <<<"$out")"
same "... and asking for more ends it" "2: 2300000 2301000" "$(since)"
h 'post web 1 release; post db 0 release'

mark
h 'put 1 scaling_governor performance; until_is 10 1 eval "fr status | grep -c \"^1 .* foreign \""
	post web 0 release; get 1 scaling_governor'
like "the governor that somebody chose stays when we go" '^performance$' "$out"
same "... with what it set" "1: 2301000" "$(since)"
soon_st "the CPU is free then" "cpu(1)['control']" free
h 'put 1 scaling_governor userspace; put 1 scaling_setspeed 1200000'
as_before "all is as it was"

# --- a CPU goes offline -----------------------------------------------------

h 'post web 0 1800000'
mark
h 'online 1 0'
soon_st "a CPU that goes offline is seen" "cpu(1)['control']" offline
h 'fr verify'
same "verify finds it" 1 "$status"
h 'fr events; fr status; post web 0 show'
like "it is an event" 'offline +CPU 1 went offline: what was asked for it waits until it is back' "$out"
like "the status says so" '^CPU 1: it is offline; wanted: 1800 MHz' "$out"
like "the guest is told" '^show: .*the physical CPU is offline' "$out"
h 'fr set_cpu_freq 1 max; echo status $?; fr vcpupin web 0 1; echo status $?'
same "an operator can neither set it nor pin to it" 2 "$(grep -c 'CPU 1 is offline (online: 0,2-5)' <<<"$out")"
same "... exit status" 2 "$(grep -cx 'status 1' <<<"$out")"
h 'online 1 1'
soon_st "back online" "cpu(1)['decided_khz']" 1800000
# The kernel takes it for the top; so that no write is swallowed something
# else may be set first.
like "the wish is set anew at the port" '^1: ([0-9]+ )*1800000$' "$(since)"
h 'fr events; post web 0 show; fr verify'
like "that it is back is an event" 'online +CPU 1 is back' "$out"
like "the guest is told" '^show: .*granted 1800000, .*: granted' "$out"
same "verify is content" 0 "$status"

# Whether a write gets through where the kernel takes the CPU to be there.
h 'post web 0 min; online 1 0; until_is 20 1 eval "fr status | grep -c \"^CPU 1: it is offline\""
	post web 0 max; online 1 1'
soon_st "asked for the maximum while offline" "cpu(1)['decided_khz']" 2301000
soon "... which is set at the port" port 1 2301000
h 'post web 0 max; online 1 0; until_is 20 1 eval "fr status | grep -c \"^CPU 1: it is offline\""
	post web 0 min; online 1 1'
soon_st "asked for the minimum while offline" "cpu(1)['decided_khz']" 800000
soon "... which is set at the port" port 1 800000

# Who takes the channel ends a lease, so nobody does here.
h 'post web 0 lease=3; online 1 0; until_is 20 1 eval "fr events | grep -c lease-expired"'
same "a lease ends while the CPU is offline" 0 "$status"
soon_st "... and that is what its vCPU is told" "ch('web', 0)['reason']" offline
h 'online 1 1'
soon_st "back online the fail-safe holds" "cpu(1)['decided_khz']" 2301000
soon "... at the port" port 1 2301000
soon_st "... of which the vCPU is told" "ch('web', 0)['reason']" lease_expired
h 'post web 0 release'

# Nobody saw it go and come.
h 'post web 0 1200000; until_is 10 1200000 get 1 scaling_setspeed; online 1 0; online 1 1; post web 0 max'
soon "offline and online at once: what is asked for next is set at the port" port 1 2301000
h 'post web 0 release'

# Of a policy of two, one may go; of a clock of two, too.
h 'post web 2 1800000; post web 3 1800000'
mark
h 'online 3 0; online 5 0'
soon_st "one of two policies of a clock is offline" "[cpu(2)['control'], cpu(4)['control'], cpu(5)['control']]" \
	'["ours", "ours", "offline"]'
h 'post web 2 1200000; post web 3 1200000; online 3 1; online 5 1'
like "the others go on" '^1200000: .*granted 1200000, .*: granted' "$out"
soon "all are as asked for in the end" port 5 1200000
like "what the ports saw of that" '^2: 1200000; 4: 1200000; 5: ([0-9]+ )*1200000$' "$(since)"

# While any CPU is plugged cpufreq refuses what others are set to.
h '(for i in 1 2 3 4 5 6; do online 3 0; online 3 1; done) & plug=$!
	while kill -0 $plug 2>/dev/null; do post web 0 800000 1800000 2300000 || exit; done
	post web 0 max; fr verify'
like "CPUs come and go, and requests for another one are done" '^max: .*granted 2301000, .*: granted' "$out"
unlike "... all of them" 'refused to set' "$out"
like "... as promised" '^CPU 1: ours, 2301 MHz, userspace: ok' "$out"
check "... at the port" port 1 2301000
h '(for i in 1 2 3 4 5 6; do online 3 0; online 3 1; done) & plug=$!
	while kill -0 $plug 2>/dev/null; do
		for mhz in 800 1800; do
			fr set_cpu_freq 1 $mhz && [ "$(get 1 scaling_setspeed)" = ${mhz}000 ] || echo "not at $mhz MHz"
		done
	done
	fr release 1'
same "so are an operator's words, each in force when it is answered" "released: CPU 1" "$out"
h 'post web 0 release'

# Released while it is offline: given back when it is online again.
h 'post web 3 min; online 4 0; until_is 20 1 eval "fr status | grep -c \"^CPU 4: it is offline\""
	post web 3 release; post web 2 release; online 4 1; until_is 20 performance get 4 scaling_governor'
same "given back when it is back" 0 "$status"
soon "... with what its governor means at the port" port 4 2301000
soon_st "all is free" "[c['control'] for c in s['cpus']]" '["free", "free", "free", "free", "free"]'
as_before "all is as it was"
real_ends TERM

# --- somebody else is not let: drift = assert -------------------------------

FR_CONFIG='[power]
drift = assert'
# The kernel let threads run anywhere when their CPU was offline; a new daemon was not there.
h 'virt vcpupin web 0 1 --live; virt vcpupin db 0 3 --live'
same "pinned anew" 0 "$status"
real_daemon
h 'post web 0 1800000'
mark
h 'put 1 scaling_governor performance'
soon "another governor is taken back" port 1 1800000
same "what the port saw of that" "1: 2301000 1800000" "$(since)"
h 'get 1 scaling_governor; fr events; post web 0 show; fr verify'
like "... the governor, too" '^userspace' "$out"
like "it is an event" 'drift +CPU 1: somebody chose the governor performance; taken back' "$out"
like "the guest has what it asked for" '^show: .*granted 1800000, .*: granted' "$out"
same "verify is content" 0 "$status"
mark
h 'put 1 scaling_setspeed 800000'
soon "another set speed is set back" port 1 1800000
same "what the port saw of that" "1: 800000 1800000" "$(since)"
h 'fr events; fr status; fr verify'
like "it is an event" 'drift +CPU 1: somebody set 800000 kHz; set again' "$out"
like "both are counted" ', 2 drifted' "$out"
same "verify is content" 0 "$status"
h 'put 1 scaling_governor powersave; post web 0 release >/dev/null; states'
same "what somebody else chose is not kept either" "$real_before" "$out"
real_ends TERM
as_before "freqringd is gone, and all is as it was"

real_end
