# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The guest program rush (rush.c), which asks and asks; to be sourced after check.sh.
#
#	rush_begin VM LAST	for vCPU 0, and for LAST (min or max) in the end
#	rush_end VM		it says LAST until that is applied; its last words are in $out
#	moved VM REGEX		its last move from transport to transport
#	asks_on VM NUMBER	more requests of VM than that came in by now
#	goes_on NAME VM		ok as soon as more come in

rush_begin()
{
	guest "$1" "rush 0 $2 >/tmp/rush 2>&1 & echo \$! >/tmp/pid"
}

# shellcheck disable=SC2016
rush_end()
{
	guest "$1" --timeout 60 'kill -TERM "$(cat /tmp/pid)"
		while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do usleep 100000; done
		cat /tmp/rush'
	out=$(tail -n 1 <<<"$out")
	note "$out"
}

moved()
{
	guest "$1" 'grep ^moved /tmp/rush | tail -n 1'
	grep -qE "$2" <<<"$out"
}

asks_on()
{
	local n

	n=$(st "vm('$1')['requests']" 2>/dev/null) && [ "$n" -gt "$2" ]
}

# A daemon that began just now does not know the VM yet.
goes_on()
{
	local n

	n=$(_vm_wait "${sys_wait:?}" st "vm('$2')['requests']" 2>/dev/null)
	soon "$1" asks_on "$2" "${n:-0}"
}
