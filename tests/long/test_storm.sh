#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 1800
# Ten million requests from one vCPU: the P-state port of its CPU sees no more
# writes than write_limit allows, and the last one asked for; another VM is
# served meanwhile.
#
#	REQUESTS=N	so many instead
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"
# shellcheck source=tests/host/lib.sh
. "$sys_here/../host/lib.sh"

requests=$((${REQUESTS:-10000000} / 2 * 2))
in='. tests/host/inside.sh;'
asks=50

run vm_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
run host_require_tools
[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
vm_workdir_make || exit 1
host_start "$FR_BUILD" || bail "the host boots"
host_governor powersave
run host_run --timeout 300 "$in in_libvirt && in_domain storms 1 && in_domain calm 1 0:4 && vm_virsh list --name | sort | xargs"
same "two domains" "calm storms" "$out"

# daemon [CONFIG]: a fresh one, with CPU 1 taken and set to the lowest.
daemon()
{
	host_spawn freqringd "FR_CONFIG='${1:-}'; $in in_freqringd"
	check "freqringd answers" host_run "$in in_ready && fr_wait 60 'storms +running' && fr_wait 60 'calm +running'"
	run host_run "$in in_post storms 0 max min && in_post calm 0 max"
	like "both are served" '^max: wish max 2301000, granted 2301000' "$(tail -n 1 <<<"$out")"
}

stop_daemon()
{
	host_signal freqringd TERM
	host_wait freqringd 60
	same "freqringd ends" 0 "$?"
}

# storm WORD: sets $writes to what came to CPU 1's port, and $us to how long it took.
storm()
{
	local mark end

	mark=$(host_pstates_count 1)
	_vm_now us
	run host_run --timeout 600 "$in in_post storms 0 $1"
	_vm_now end
	us=$((end - us))
	writes=$(host_pstates 1 "$mark")
	note "$((us / 1000)) ms, $(wc -w <<<"$writes") writes: $out"
}

# at_most LIMIT: of writes a second, as many as may come at once more, in the last storm.
at_most()
{
	[ "$(wc -w <<<"$writes")" -le $(($1 / 16 + 1 + us * $1 / 1000000)) ]
}

in_turn()
{
	[ "$(uniq -d <<<"$writes")" = "" ]
}

# limited LIMIT
limited()
{
	storm "storm=$requests"
	like "the last of $requests requests is granted" 'wish max 2301000, granted 2301000.* refusals 0, posted '"$requests" "$out"
	check "no more writes than $1 a second" at_most "$1"
	check "none of them says the same again" in_turn
	same "the port ends at the top" 2301000 "$(tail -n 1 <<<"$writes")"
	storm "storm=$((requests / 20 * 2 + 1))"
	like "so is the last of a tenth as many and one" 'wish min 800000, granted 800000' "$out"
	check "no more writes than $1 a second" at_most "$1"
	same "the port ends at the bottom" 800000 "$(tail -n 1 <<<"$writes")"
}

# --- the limit as it comes, while somebody else asks once in a while ----------

daemon
mark=$(host_pstates_count 4)
host_spawn calm "$in in_post calm 0 ask=$asks"
limited 1000
host_wait calm 600
same "the other VM is served" 0 "$?"
sed 's/^/# /' "$(host_log calm)"
same "what it asked for came to its port, all and in order" \
	"$(for ((i = 0; i < asks; i++)); do ((i % 2)) && echo 2301000 || echo 800000; done | xargs)" \
	"$(host_pstates 4 "$mark" | xargs)"
run host_run "$in fr status"
note "the applier: $(grep '^applier' <<<"$out")"

# --- requests that say the same ------------------------------------------------

storm "repeat=$requests"
like "$requests times max is granted" 'wish max 2301000, granted 2301000.* refusals 0, posted '"$requests" "$out"
same "that is one write" 2301000 "$writes"
stop_daemon

# --- a low limit ----------------------------------------------------------------

daemon '[power]
write_limit = 50'
limited 50
stop_daemon
host_stop
sys_end
