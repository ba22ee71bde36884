# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What the whole-system tests share, to be sourced by tests/system/test_*.sh:
#
#	. "$(dirname "$0")/check.sh" "$@"
#
# sources lib.sh and freqring.sh of tests/vm, too. Times are deadlines only,
# and generous: order and results are asserted.
#
#	sys_begin			tools, work folder, guest image, private libvirtd
#	sys_end				the sum; the script's last line
#	skip REASON			ends the script with 77
#	bail WHAT			ends it with 1: nothing after this makes sense
#	check NAME COMMAND...		ok where the command succeeds
#	same NAME EXPECTED SEEN		ok where the two are the same text
#	like NAME REGEX SEEN		ok where the text matches (grep -E)
#	unlike NAME REGEX SEEN
#	soon NAME COMMAND...		ok as soon as the command succeeds (30 s)
#	soon_st NAME EXPR EXPECTED	... as soon as st EXPR prints that
#	run COMMAND...			sets $out (both streams) and $status
#	guest VM COMMAND...		the same inside a guest
#	st EXPR				a Python expression on the daemon's status:
#					s is all of it, vm(NAME), ch(NAME, N), cpu(N)
#	log_has REGEX			a line of the daemon's log
#	log_mark			forget what the log said so far

sys_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FR_BUILD=$(cd "${1:?usage: test_NAME.sh BUILDDIR}" && pwd)
export FR_BACKEND=simulated
# shellcheck source=tests/vm/lib.sh
. "$sys_here/../vm/lib.sh"
# shellcheck source=tests/vm/freqring.sh
. "$sys_here/../vm/freqring.sh"

sys_passed=0
sys_failed=0
sys_log_from=1
sys_wait=30
out=
status=0
# Itself, where what is in the PATH is a script that looks for one.
sys_python=$(python3 -c 'import sys; print(sys.executable)')

sys_ok()
{
	sys_passed=$((sys_passed + 1))
	printf 'ok - %s\n' "$1"
}

# sys_not_ok NAME DETAIL...: each detail a line
sys_not_ok()
{
	sys_failed=$((sys_failed + 1))
	printf 'not ok - %s\n' "$1"
	shift
	printf '%s\n' "$@" | sed 's/^/#   /'
}

check()
{
	local name=$1

	shift
	if "$@"; then
		sys_ok "$name"
	else
		sys_not_ok "$name" "failed: $*"
	fi
}

same()
{
	if [ "$2" = "$3" ]; then
		sys_ok "$1: ${2%%$'\n'*}"
	else
		sys_not_ok "$1" "expected: $2" "seen:     $3"
	fi
}

like()
{
	if grep -qE -- "$2" <<<"$3"; then
		sys_ok "$1"
	else
		sys_not_ok "$1" "expected to match: $2" "seen: $3"
	fi
}

unlike()
{
	if grep -qE -- "$2" <<<"$3"; then
		sys_not_ok "$1" "expected not to match: $2" "seen: $3"
	else
		sys_ok "$1"
	fi
}

soon()
{
	local name=$1

	shift
	if _vm_wait "$sys_wait" "$@"; then
		sys_ok "$name"
	else
		sys_not_ok "$name" "not within $sys_wait s: $*" "status: $(fr status 2>&1)"
	fi
}

sys_st_is()
{
	[ "$(st "$1" 2>/dev/null)" = "$2" ]
}

soon_st()
{
	if _vm_wait "$sys_wait" sys_st_is "$2" "$3"; then
		sys_ok "$1: $3"
	else
		sys_not_ok "$1" "expected within $sys_wait s: $3" "seen: $(st "$2" 2>&1)" \
			"status: $(fr status 2>&1)"
	fi
}

skip()
{
	printf '%s\n' "$*"
	exit 77
}

bail()
{
	sys_not_ok "$1" "the test ends here" "status: $(fr status 2>&1)"
	exit 1
}

note()
{
	printf '# %s\n' "$*"
}

run()
{
	status=0
	out=$("$@" 2>&1) || status=$?
}

guest()
{
	run vm_exec "$@"
}

# python3 is there wherever meson is.
st()
{
	fr status -o json | "$sys_python" -c '
import json, sys
s = json.load(sys.stdin)
def vm(name):
	return [v for v in s["vms"] if v["name"] == name][0]
def ch(name, number):
	return vm(name)["channels"][number]
def cpu(number):
	return [c for c in s["cpus"] if c["cpu"] == number][0]
v = eval(sys.argv[1])
print(json.dumps(v) if isinstance(v, (bool, list, dict)) else v)' "$1"
}

log_since()
{
	tail -n +"$sys_log_from" "$VM_WORKDIR/freqringd.log" 2>/dev/null
}

log_has()
{
	log_since | grep -qE -- "$1"
}

log_mark()
{
	sys_log_from=$(($(wc -l <"$VM_WORKDIR/freqringd.log") + 1))
}

# Where a helper of ours was built, by meson as a rule.
sys_program()
{
	local file

	for file in "$FR_BUILD/tests/system/$1" "$FR_BUILD/tests/$1"; do
		[ ! -x "$file" ] || { printf '%s\n' "$file"; return; }
	done
	echo "no $1 below $FR_BUILD/tests: build it first" >&2
	return 1
}

# SYS_IMAGE: a folder with an image, for a user who may not make one.
# SYS_PROGRAMS: more programs in it, by their paths.
sys_image()
{
	local keeper poke port

	if [ -n "${SYS_IMAGE:-}" ]; then
		install -m 644 "$SYS_IMAGE/vmlinuz" "$SYS_IMAGE/initramfs.cpio.gz" "$VM_WORKDIR/g/"
		return
	fi
	keeper=$(sys_program keeper) && poke=$(sys_program poke) && port=$(sys_program port) || return
	# shellcheck disable=SC2086
	vm_image "$FR_BUILD" "$FR_BUILD/vm-system" "$FR_BUILD/guest/freqring-guest" \
		"$FR_BUILD/guest/freqring-example" "$keeper" "$poke" "$port" ${SYS_PROGRAMS:-}
}

# Names of objects that no other run of a test has.
sys_shm()
{
	printf 'freqring-%s.%s' "$1" "$$"
}

sys_begin()
{
	run vm_require_tools
	[ "$status" -eq 0 ] || skip "$(tail -n 1 <<<"$out")"
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	vm_workdir_make || exit 1
	sys_image || exit 1
	VM_ACCEL=${VM_ACCEL:-tcg}
	VM_MEMORY=${VM_MEMORY:-128}
	[ "${1:-}" = --no-libvirt ] || vm_libvirt_start || exit 1
}

sys_end()
{
	local name

	printf '# %d passed, %d failed\n' "$sys_passed" "$sys_failed"
	if [ "$sys_failed" -ne 0 ] && [ -e "$VM_WORKDIR/freqringd.log" ]; then
		printf '# the log of freqringd:\n'
		sed 's/^/#   /' "$VM_WORKDIR/freqringd.log"
	fi
	for name in "$VM_WORKDIR"/asan.*; do
		[ ! -e "$name" ] || cat "$name"
	done
	[ "$sys_failed" -eq 0 ]
	exit
}
