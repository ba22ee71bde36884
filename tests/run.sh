#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# make test: unit tests, the same under sanitizers, then whole-system tests
# with real guests and a host with a real cpufreq driver. Prints a line a test
# as it ends, and the sum at the end.
#	run.sh [--long] BUILDDIR [NAME...]
# With names only tests whose name contains one. --long: also those of
# tests/long, which take their time.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
suites="system host"
if [ "${1:-}" = --long ]; then
	suites="$suites long"
	shift
fi
build=${1:?usage: run.sh [--long] BUILDDIR [NAME...]}
shift
passed=0 failed=0 skipped=0 failures=

wanted()
{
	local name

	[ $# -gt 1 ] || return 0
	for name in "${@:2}"; do
		case $1 in *"$name"*) return 0 ;; esac
	done
	return 1
}

count()	# NAME STATUS SECONDS LOG
{
	case $2 in
	0) passed=$((passed + 1)); printf 'ok      %-44s %4d s\n' "$1" "$3" ;;
	77) skipped=$((skipped + 1)); printf 'skip    %-44s %s\n' "$1" "$(grep -as . "$4" | tail -n 1)" ;;
	*)
		failed=$((failed + 1))
		failures="$failures $1"
		printf 'FAILED  %-44s %4d s, what failed and its last lines (all in %s):\n' "$1" "$3" "$4"
		[ ! -f "$4" ] || {
			# Each check that failed, with what it saw: a long log follows it.
			awk '/^not ok/ { failed = 1 } !/^not ok|^#   / { failed = 0 } failed' "$4" | head -n 60
			echo ...
			tail -n 40 "$4"
		} | sed 's/^/        | /'
		;;
	esac
}

# The unit tests of a build folder, by meson's own list and time limits, two at a
# time: they mostly wait. Lines of meson's that are no result belong to the failure before.
unit()	# LABEL BUILDDIR
{
	local name names=() line status failing="" summary="" nb=0 dir=$2
	local log=meson-logs/testlog.txt
	local result='^ *[0-9]+/[0-9]+ (.* )?([^ ]+) +(OK|SKIP|FAIL|ERROR|TIMEOUT) +([0-9]+)'

	while read -r name; do
		! wanted "$1:$name" "${@:3}" || names+=("$name")
	done < <(meson test -C "$dir" --no-rebuild --list 2>/dev/null | sed 's/.* \/ //; s/.*:unit - //')
	[ ${#names[@]} -gt 0 ] || return 0
	while IFS= read -r line; do
		if [[ $line == "Summary of Failures:"* ]]; then
			summary=1
		elif [ -n "$summary" ]; then
			continue
		elif [[ $line =~ $result ]]; then
			case ${BASH_REMATCH[3]} in OK) status=0 ;; SKIP) status=77 ;; *) status=1 ;; esac
			failing=$status
			nb=$((nb + 1))
			count "$1:${BASH_REMATCH[2]}" "$status" "${BASH_REMATCH[4]}" "$log in $dir"
		elif [ "$failing" = 1 ]; then
			printf '        | %s\n' "$line"
		fi
	done < <(meson test -C "$dir" --no-rebuild --num-processes 2 --print-errorlogs "${names[@]}" 2>&1)
	[ "$nb" -eq ${#names[@]} ] || count "$1: $nb of ${#names[@]} tests were run" 1 0 "$log in $dir"
}

build_in()	# DIR TARGETS MESON-ARGS...: no targets, all of them
{
	local dir=$1 targets

	read -ra targets <<<"$2"
	shift 2
	printf 'building %s\n' "$(basename "$dir")"
	mkdir -p "$dir"
	# One that "make" or "make demo" made may be without: cmocka came later.
	[ ! -f "$dir/build.ninja" ] || [ -d "$dir/tests" ] || set -- --reconfigure "$@"
	[ -d "$dir/tests" ] || meson setup -Dtests=enabled "$@" "$dir" "$top" >"$dir/setup.log" 2>&1 ||
		{ cat "$dir/setup.log"; return 1; }
	ninja -C "$dir" "${targets[@]}" >"$dir/build.log" 2>&1 || { grep -A8 -E 'FAILED|error|warning' "$dir/build.log" | head -n 60; return 1; }
}

cd "$top" || exit 1
build_in "$build" "" || exit 1
unit unit "$build" "$@"

if wanted asan "$@"; then
	build_in build-asan "" -Db_sanitize=address,undefined -Db_lundef=false || exit 1
	unit asan build-asan "$@"
fi
if wanted tsan "$@"; then
	threaded="events telemetry threads vcpu_threads"
	# shellcheck disable=SC2086
	build_in build-tsan "$(printf 'tests/test_%s ' $threaded)" -Db_sanitize=thread -Db_lundef=false || exit 1
	# shellcheck disable=SC2086
	TSAN_OPTIONS="suppressions=$top/tests/tsan.supp halt_on_error=1" unit tsan build-tsan $threaded
fi

for suite in $suites; do
	for script in "$here/$suite"/test_*.sh; do
		name=$(basename "$script" .sh)
		wanted "$suite:$name" "$@" || continue
		log=$build/$name.log
		start=$SECONDS
		timeout --kill-after=20 "$(sed -n 's/^# timeout: //p' "$script")" "$script" "$build" >"$log" 2>&1
		count "$suite:$name" $? $((SECONDS - start)) "$log"
	done
done

[ -z "$failures" ] || printf 'failed:%s\n' "$failures"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
