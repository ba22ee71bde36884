#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 800
# Requests of two VMs come out at the P-state ports of the CPUs that they are
# pinned to, and nowhere else: the kernel's acpi-cpufreq driven by librte_power,
# votes, rules, ceilings, and an operator.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/real.sh
. "$sys_here/../host/real.sh"

real_begin

# --- nobody asks ------------------------------------------------------------

mark
real_daemon
same "to learn what CPUs offer each is at its top for a moment, unless it is there" \
	"1: 2301000 1200000; 2: 2301000 800000; 5: 2301000 800000" "$(since)"
as_before "nobody asked, and all is as it was"
mark
h 'sleep 2.5; fr verify'
same "nothing is written while nobody asks" "" "$(since)"
like "... which is what was promised" '^5 CPUs managed, 5 free, 0 wrong: all is as promised' "$out"
same "the domains" "[1, 2, 2, 4, 4]" "$(st "[c['domain'] for c in s['cpus']]")"
same "the policies" "[1, 2, 2, 4, 5]" "$(st "[c['policy'] for c in s['cpus']]")"

# --- each vCPU to its CPU ---------------------------------------------------

# Taken, a CPU is at its top for a moment; released, it is as it was.
moves()	# VM VCPU HISTORY
{
	mark
	h "post $1 $2 1800000 release"
	same "$1/$2: 1800000 and release" "$3" "$(since)"
}
moves web 0 "1: 2301000 1800000 1200000"
moves web 1 "2: 2301000 1800000 800000"
moves web 2 "2: 2301000 1800000 800000"
moves web 3 "4: 1800000 2301000; 5: 2301000 1800000 800000"
moves db 0 "2: 2301000 1800000 800000"
moves db 1 "4: 1800000 2301000; 5: 2301000 1800000 800000"
as_before "released, all is as it was"

mark
h 'post web 0 max min 1800000 up down turbo-off max turbo-on 1300000 release'
same "every kind of request, in its order" \
	"1: 2301000 800000 1800000 2300000 1800000 2300000 2301000 1800000 1200000" "$(since)"
like "1300000 is the next that is at least that" '^1300000: wish kHz 1800000, granted 1800000' "$out"
mark
h 'post web 0 max 3000000 700000'
like "more than there is, is refused" '^3000000: wish max 2301000, .*outside the core' "$out"
same "... and changes nothing" "1: 2301000" "$(since)"

# --- one policy -------------------------------------------------------------

h 'post web 1 1200000'
writes=$(st "cpu(2)['writes']")
mark
h 'post db 0 1800000; post web 2 min; post db 0 min; post web 1 min'
same "CPUs 2 and 3 are set as one, and the highest wish wins" "2: 1800000 1200000 800000" "$(since)"
like "a lower wish there is told what is granted" \
	'^min: wish min 800000, granted 1800000, .*another vote decided' "$out"
same "... with one write for each decision" 3 "$(($(st "cpu(2)['writes']") - writes))"
same "both CPUs show the same" "[800000, 800000]" "$(st "[cpu(2)['khz'], cpu(3)['khz']]")"
h 'post web 1 release; post web 2 release; post db 0 release'

# --- one clock, two policies ------------------------------------------------

mark
h 'post web 3 1800000; post db 1 1200000 2300000 release; post web 3 release'
same "CPUs 4 and 5 are decided together" \
	"4: 1800000 2300000 1800000 2301000; 5: 2301000 1800000 2300000 1800000 800000" "$(since)"
like "db/1 is told what web/3 had decided" '^1200000: wish kHz 1200000, granted 1800000' "$out"

h 'virt vcpupin db 1 3 --live'
soon_st "db/1 is pinned to CPU 3" "ch('db', 1)['pcpus']" 3
mark
h 'post web 3 1200000'
same "a policy where nobody is pinned is left alone" "4: 1200000" "$(since)"
mark
h 'virt vcpupin db 1 5 --live'
soon "it is set as soon as somebody is" port 5 1200000
same "... and nothing else is" "5: 2301000 1200000" "$(since)"
h 'post web 3 release; post web 0 release'
as_before "released, all is as it was"

# --- the operator -----------------------------------------------------------

h 'post web 0 1800000'
mark
h 'rpc set_cpu_freq "{\"cpu\": 1, \"freq\": \"min\"}"; get 1 scaling_setspeed
	post web 0 max; fr status'
like "an operator's word is taken" '"result": ?\{"cpus": ?1\}' "$out"
like "... and in force when he is answered" '^800000$' "$out"
same "it beats the vote" "1: 800000" "$(since)"
like "... which is told" '^max: wish max 2301000, granted 800000, .*an operator of the host set' "$out"
like "... and seen in the status" '^1 .* 800 operator ' "$out"
mark
h 'rpc set_cpu_freq "{\"cpu\": 1, \"freq\": \"up\"}"
	rpc set_cpu_freq "{\"cpu\": 1, \"freq\": 2300000}"
	rpc set_cpu_freq "{\"cpu\": 1, \"freq\": \"release\"}"
	post web 0 show release'
like "released, the vote is in force again" '^show: wish max 2301000, granted 2301000, .*: granted' "$out"
same "... after each word of the operator's" "1: 1200000 2300000 2301000 1200000" "$(since)"

mark
h 'rpc set_cpu_freq "{\"cpu\": 5, \"freq\": 1200000}"
	until_is 10 1200000 get 4 scaling_setspeed
	rpc set_cpu_freq "{\"cpu\": 5, \"freq\": \"release\"}"; until_is 10 powersave get 5 scaling_governor
	until_is 10 performance get 4 scaling_governor'
same "one that nobody votes on is set with those that share its clock, and given back" \
	"4: 1200000 2301000; 5: 2301000 1200000 800000" "$(since)"
h 'rpc set_cpu_freq "{\"cpu\": 0, \"freq\": \"max\"}"'
like "a CPU that is not managed is refused" 'CPU 0 is not managed' "$out"
h 'rpc set_cpu_freq "{\"cpu\": 1, \"freq\": 5000000}"'
like "a frequency that it does not have is refused" '5000000 kHz is not within 800000 to 2301000' "$out"

h 'post web 3 1800000'
mark
h 'rpc set_channel_status "{\"vm\": \"web\", \"vcpu\": 3, \"enabled\": false}"
	until_is 10 performance get 4 scaling_governor; post web 3 show 1200000'
like "a vCPU that is disabled is told" '^show: .*granted 0,.*an operator of the host disabled' "$out"
same "... and its CPUs are given back" "4: 2301000; 5: 800000" "$(since)"
mark
h 'rpc set_channel_status "{\"vm\": \"web\", \"vcpu\": \"all\", \"enabled\": true}"
	until_is 10 1200000 get 4 scaling_setspeed; post web 3 show release'
like "enabled again, what it asked for last is in force" '^show: .*granted 1200000,.*: granted' "$out"
same "... at both ports" "4: 1200000 2301000; 5: 2301000 1200000 800000" "$(since)"

# --- ceilings and a floor ---------------------------------------------------

h 'post web 0 max'
mark
host_ceiling 2
soon_st "the firmware's ceiling is seen" "cpu(1)['bound']" ceiling
h 'post web 0 show 2300000; fr status; fr verify'
like "the guest is told" '^show: wish max 2301000, granted 1800000, .*a limit of the host is in force' "$out"
like "... also when it asks under it" '^2300000: wish kHz 2300000, granted 1800000, .*a limit' "$out"
like "the status names it" '^1 .* 1800 web/0, ceiling ' "$out"
like "no difference for verify" '0 wrong: all is as promised' "$out"
host_ceiling 0
soon "the ceiling is lifted: as asked for" port 1 2300000
# CPU 4 is under performance, which follows by itself.
same "what the ports saw of that" "1: 1800000 2300000; 4: 1800000 2301000" "$(since)"
same "nobody was taken for a stranger" "[0, 0]" "$(st "[s['applier']['drifts'], s['applier']['write_errors']]")"

h 'post web 1 2300000'
mark
h 'put 2 scaling_max_freq 1200000'
soon_st "scaling_max_freq is a ceiling" "cpu(3)['bound']" ceiling
h 'post web 1 show'
like "... of which the guest is told" '^show: .*granted 1200000, .*a limit of the host' "$out"
h 'put 2 scaling_max_freq 2301000'
soon "it is lifted: as asked for" port 2 2300000
same "what the port saw of that" "2: 1200000 2300000" "$(since)"
mark
h 'post web 1 min; put 2 scaling_min_freq 1200000'
soon_st "scaling_min_freq is a floor" "cpu(2)['bound']" floor
h 'post web 1 show; put 2 scaling_min_freq 800000'
like "... of which the guest is told" '^show: .*granted 1200000, .*a limit of the host' "$out"
soon "it is removed: as asked for" port 2 800000
same "what the port saw of that" "2: 800000 1200000 800000" "$(since)"
same "nobody was taken for a stranger here" 0 "$(st "s['applier']['drifts']")"
h 'fr verify; fr events; post web 0 release; post web 1 release'
like "verify is content" '0 wrong: all is as promised' "$out"
unlike "nothing that an operator has to know of happened" 'drift|refused' "$out"
as_before "released, all is as it was"
real_ends TERM
same "freqringd ends in good order" 0 "$status"

# --- rules ------------------------------------------------------------------

FR_CONFIG='[vm db]
turbo = no
max_mhz = 1800
[vm web]
priority = 5
min_mhz = 1000'
real_daemon
mark
h 'post web 0 max min release'
same "where db has no vCPU web is in turbo; never below its min_mhz" \
	"1: 2301000 1200000" "$(since)"
mark
h 'post db 1 max; post web 3 min; fr status; post db 1 show; post web 3 max; fr status; post web 3 release
	post db 1 release'
same "max_mhz, the priority of web, and no turbo beside db" \
	"4: 1800000 1200000 2300000 1800000 2301000; 5: 2301000 1800000 1200000 2300000 1800000 800000" \
	"$(since)"
like "db/1 is bounded by its max_mhz" '^max: wish max 2301000, granted 1800000, .*a limit of the host' "$out"
like "web/3 decides, by its min_mhz" '^4 .* 1200 web/3, min_mhz ' "$out"
like "db/1 is told that another decided" '^show: wish max 2301000, granted 1200000, .*another vote decided' "$out"
like "web/3 has no turbo" '^max: wish max 2301000, granted 2300000, .*a limit of the host' "$out"
like "... by the turbo rule" '^4 .* 2300 web/3, turbo rule ' "$out"
real_ends TERM
as_before "freqringd is gone, and all is as it was"

real_end
