# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Figures out of the JSON that freqring-guest ping and freqring-bench print.

# figure NAME: p50, p90, p99, max... in ns, of what is on standard input
figure()
{
	tr -d ' \n\r' | grep -oE "\"$1(_ns)?\":[0-9.]+" | head -n 1 | cut -d: -f2 | cut -d. -f1
}

# All of them in one line
figures()
{
	local json name

	json=$(cat)
	for name in p50 p90 p99 max; do
		printf '%s %6s ns   ' "$name" "$(figure "$name" <<<"$json")"
	done
	printf '\n'
}
