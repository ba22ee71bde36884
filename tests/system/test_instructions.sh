#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# The request path takes no more instructions than bench/instructions.budget allows,
# and a tenth more, for compilers differ a little.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

margin=10
budget=$sys_here/../../bench/instructions.budget

command -v valgrind >/dev/null || skip "valgrind is missing: install the package valgrind (make setup)"
run "$sys_here/../../bench/instructions.sh" "$FR_BUILD"
[ "$status" -eq 0 ] || { sys_not_ok "counted" "$out"; sys_end; }

within()	# NAME SEEN
{
	awk -v name="$1" -v seen="$2" -v margin="$margin" '
		$1 == name { found = 1; ok = seen <= $2 * (100 + margin) / 100; allowed = $2 }
		END {
			if (!found)
				print name " is not in the budget"
			else if (!ok)
				printf "%s grew: %.1f instructions, the budget is %.1f and %d %%\n", name, seen, allowed, margin
			exit !(found && ok)
		}' "$budget"
}

while read -r name seen; do
	if why=$(within "$name" "$seen"); then
		sys_ok "$name: $seen instructions, of $(awk -v name="$name" '$1 == name { print $2 }' "$budget")"
	else
		sys_not_ok "$name" "$why" "find out where, with valgrind --tool=callgrind," \
			"or if it has to be so: bench/instructions.sh BUILDDIR --renew"
	fi
done <<<"$out"
same "all were counted" "$(grep -vc '^#' "$budget")" "$(wc -l <<<"$out")"
sys_end
