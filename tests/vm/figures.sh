# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Figures out of the JSON that freqring-guest ping and freqring-bench print.

# figure NAME: p50, p90, p99, max... in ns, of what is on standard input
figure()
{
	tr -d ' \n\r' | grep -oE "\"$1(_ns)?\":[0-9.]+" | head -n 1 | cut -d: -f2 | cut -d. -f1
}

# median ID: ns of a measure that freqring-bench printed
median()
{
	grep -F "\"id\":\"$1\"" | grep -oE '"median":[0-9.]+' | cut -d: -f2 |
		awk '{ printf "%.1f", $1 }'
}

# tenths NAME: ns with one digit behind the point
tenths()
{
	tr -d ' \n\r' | grep -oE "\"$1\":[0-9.]+" | head -n 1 | cut -d: -f2
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
