#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 800
# After kill -9 the CPUs stay as they were set: --restore puts them back, or the
# next freqringd goes on where the last one was.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/real.sh
. "$sys_here/../host/real.sh"

# told CPU KHZ: a pattern of since for a CPU that ends there
told()
{
	printf '%s: ([0-9]+ )*%s' "$1" "$2"
}

real_begin
real_daemon
in_force="1: 800000; 2: 2300000; 4: 1800000; 5: 1800000"
h 'post web 0 min; post web 1 2300000; post web 3 1800000'
same "wishes on all CPUs" "$in_force" "$(real_at_ports)"

# --- put back ---------------------------------------------------------------

restore="$FR_BUILD/host/freqringd -c /tmp/in/freqringd.conf --restore"
h "$restore"
same "--restore while a daemon runs is refused" 1 "$status"
like "... with the reason" 'a freqringd works there' "$out"
same "... and nothing is changed" "$in_force" "$(real_at_ports)"
mark
real_ends KILL
h 'states'
same "killed, the CPUs stay as they were set" \
	"0 powersave, 1 userspace 800000, 2 userspace 2300000, 4 userspace 1800000, 5 userspace 1800000" "$out"
h "d=/tmp/in/other; mkdir \$d; cp -p /tmp/in/fr/cpufreq.journal \$d/
	printf 0000 | dd of=\$d/cpufreq.journal bs=1 seek=12 conv=notrunc status=none
	$restore --state-dir \$d"
same "a journal of another boot is refused" 1 "$status"
like "... with the reason" 'is from before this boot' "$out"
same "... and nothing was written so far" "" "$(since)"
h "$restore"
same "--restore puts all back" 0 "$status"
same "... and says what" "CPU 1: governor userspace, 1200000 kHz
CPU 2: governor powersave
CPU 4: governor performance
CPU 5: governor powersave" "$out"
# It may have been offline since: so it is first set to what it is not.
like "... and so were the ports told" "$(told 1 1200000); $(told 2 800000); $(told 4 2301000); $(told 5 800000)" "$(since)"
as_before "all is as it was"
mark
h "$restore"
same "a second time there is nothing to put back" "0 " "$status $out"
same "... and nothing is written" "" "$(since)"

# --- go on ------------------------------------------------------------------

real_daemon
same "started again, all wishes are in force" "$in_force" "$(real_at_ports)"
epoch=$(st "vm('web')['epoch']")
incarnation=$(st "vm('web')['incarnation']")
host_spawn steps ". tests/host/quick.sh
	post web 3 2300000 until=/tmp/dead down until=/tmp/alive down down up"
soon "a program in the guest asks" port 5 2300000
real_ends KILL
mark
h 'touch /tmp/dead; sleep 0.5'
same "it says down while nobody listens" "" "$(since)"
real_daemon
soon "... and the next freqringd steps down, once" port 5 1800000
# What a CPU offers is asked anew, for which librte_power goes to its top.
same "the old governors were not in force in between, nor anything else but the top" \
	"1: 2301000 800000; 2: 2301000 2300000; 4: 2301000 2300000 1800000; 5: 2301000 2300000 1800000" \
	"$(for cpu in 1 2 4 5; do
		printf '%s: %s\n' "$cpu" "$(host_pstates "$cpu" "${marks[cpu]}" | awk '!seen[$0]++' |
			tr '\n' ' ' | sed 's/ $//')"
	done | paste -sd ';' | sed 's/;/; /g')"
same "the epoch is the same, and the incarnation the next" "[$epoch, $((incarnation + 1))]" \
	"$(st "[vm('web')['epoch'], vm('web')['incarnation']]")"
mark
h 'touch /tmp/alive'
host_wait steps 60
same "the program goes on" 0 "$?"
same "... step by step" "4: 1200000 800000 1200000; 5: 1200000 800000 1200000" "$(since)"
like "... and knows of nothing" '^up: wish kHz 1200000, granted 1200000, .*refusals 0, posted [0-9]+, dropped 0,' \
	"$(<"$(host_log steps)")"

# --- a VM ends meanwhile ----------------------------------------------------

h 'post web 3 release; post db 1 1200000; post db 0 2301000'
same "db alone wants CPUs 4 and 5, and most of 2 and 3" \
	"1: 800000; 2: 2301000; 4: 1200000; 5: 1200000" "$(real_at_ports)"
real_ends KILL
mark
h 'virt destroy db'
real_daemon
soon "a VM that ended meanwhile: its CPUs are given back" port 5 800000
soon "... which are shared are as others want them" port 2 2300000
h 'states; fr verify'
like "what others want stays" \
	"^0 powersave, 1 userspace 800000, 2 userspace 2300000, 4 performance, 5 powersave" "$out"
like "verify is content" '0 wrong: all is as promised' "$out"
h 'virt start db'
soon_st "it is started again, and served" "vm('db')['admitted']" true
same "... and has no opinion" "none none" "$(st "ch('db', 0)['wish'] + ' ' + ch('db', 1)['wish']")"

# --- nobody knows who votes -------------------------------------------------

real_ends KILL
mark
h 'mv /tmp/in/lv/run/libvirt/libvirt-sock /tmp/in/lv/run/libvirt/away'
real_daemons=$((real_daemons + 1))
daemon=freqringd$real_daemons
host_spawn "$daemon" ". tests/host/inside.sh; in_freqringd"
h 'until_is 60 2 eval "fr status | grep -c \"^[12] .* held \""; states; fr verify'
like "without libvirt the CPUs are held as they are" \
	'^0 powersave, 1 userspace 800000, 2 userspace 2300000, 4 performance' "$out"
same "... which verify does not like" 1 "$status"
soon "after a while they are put back" port 1 1200000
soon "... all of them" port 2 800000
like "... by nothing else" "^$(told 1 1200000); $(told 2 800000)\$" "$(since)"
h 'mv /tmp/in/lv/run/libvirt/away /tmp/in/lv/run/libvirt/libvirt-sock'
soon "libvirt is there again, and so are the wishes" port 1 800000
soon "... all of them" port 2 2300000

real_ends TERM
as_before "freqringd is gone, and all is as it was"

real_end
