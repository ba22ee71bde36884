#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# How many instructions the calls of the request path take, as valgrind counts them.
# That does not depend on the machine, only on the compiler and what it was told.
#
#	bench/instructions.sh BUILDDIR		a line each: NAME INSTRUCTIONS
#	bench/instructions.sh BUILDDIR --renew	... into bench/instructions.budget
set -eu -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=${1:?usage: instructions.sh BUILDDIR [--renew]}/bench/freqring-instructions

count()	# NAME
{
	local dir calls all

	dir=$(mktemp -d)
	calls=$(valgrind --tool=callgrind --collect-atstart=no --toggle-collect=counted \
		--fair-sched=yes --callgrind-out-file=/dev/null --log-file="$dir/log" "$program" "$1") || {
		cat "$dir/log" >&2
		rm -rf "$dir"
		return 1
	}
	all=$(sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p' "$dir/log")
	rm -rf "$dir"
	awk -v name="$1" -v all="$all" -v calls="$calls" 'BEGIN { printf "%s %.1f\n", name, all / calls }'
}

all()
{
	local name

	for name in post repeat query poll_empty poll_full arbitrate; do
		count "$name"
	done
}

if [ "${2:-}" = --renew ]; then
	{
		echo "# Instructions that each may take, see bench/instructions.sh"
		all
	} >"$here/instructions.budget.new"
	mv "$here/instructions.budget.new" "$here/instructions.budget"
else
	all
fi
