#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# freqring-guest run, without a host: what it makes of programs of all kinds.
#	test_run.sh FREQRING-GUEST LIBFREQRING-POWER POWER-API
set -u

guest=$1 library=$(realpath "$2") api=$3
dir=$(mktemp -d /tmp/test_run.XXXXXX)
trap 'rm -rf "$dir"' EXIT
failed=0
unset LD_PRELOAD FREQRING_POWER_LIB FREQRING_DEVICE FREQRING_TRANSPORT

# expect NAME STATUS REGEX COMMAND...: the regex in what it writes to both streams
expect()
{
	local name=$1 wanted=$2 regex=$3 out status=0

	shift 3
	out=$("$@" 2>&1) || status=$?
	if [ "$status" = "$wanted" ] && grep -qE -- "$regex" <<<"$out"; then
		printf 'ok - %s\n' "$name"
	else
		failed=1
		printf 'not ok - %s: status %s, expected %s; no "%s" in: %s\n' "$name" "$status" \
			"$wanted" "$regex" "$out"
	fi
}

compile()	# FILE OPTION...: a program from standard input
{
	cc -x c -o "$dir/$1" - -x none "${@:2}"
}

# --- called wrongly ---------------------------------------------------------------

expect "no program" 2 'needs a PROGRAM' "$guest" run
expect "nor behind --" 2 'needs a PROGRAM' "$guest" run --
expect "an option that there is not" 2 '^freqring-guest: run: -x: no such option' "$guest" run -x /bin/true
expect "help" 0 '^usage: freqring-guest run \[--\] PROGRAM' "$guest" run --help
expect "no such program" 1 'nowhere-here: no such program in PATH' "$guest" run nowhere-here
expect "no such file" 1 'No such file' "$guest" run ./nowhere-here
expect "a folder" 1 'not a file that may be executed' "$guest" run /tmp
expect "no library" 1 'gone.so: cannot be read' env FREQRING_POWER_LIB="$dir/gone.so" "$guest" run /bin/true

# --- what is started ----------------------------------------------------------------

expect "a program that is not DPDK's" 0 'not linked to librte_power: .*libfreqring-power.so is preloaded' \
	"$guest" run /bin/true
expect "its status is the program's" 7 'librte_power is left alone' "$guest" run -- sh -c 'exit 7'
expect "its arguments are its own" 0 '^-h --help -o json x y$' "$guest" run -- /bin/echo -h --help -o json 'x y'
# shellcheck disable=SC2016
expect "what is preloaded already stays" 0 "^$library:libm.so.6\$" \
	env LD_PRELOAD=libm.so.6 "$guest" run -- sh -c 'echo $LD_PRELOAD'
# shellcheck disable=SC2016
expect "options go on in the environment" 0 '^/nonexistent serial me$' \
	"$guest" -d /nonexistent -T serial -n me run -- \
	sh -c 'echo $FREQRING_DEVICE $FREQRING_TRANSPORT $FREQRING_VM_NAME'
printf '#!/bin/sh\necho script $#\n' >"$dir/script"
chmod 755 "$dir/script"
expect "a script" 0 'is a script: .* is preloaded into all that it starts' "$guest" run "$dir/script"
expect "... runs" 0 '^script 2$' "$guest" run "$dir/script" a b
# It ends with 1, as there is nothing that it could set here.
expect "a program of DPDK's" "$("$api" -l 0 --no-huge -m 16 --no-pci --no-telemetry --file-prefix "run$$" -- all >/dev/null 2>&1; echo $?)" 'linked to librte_power.so.2[34]: .*libfreqring-power.so is preloaded' \
	"$guest" run "$api" -l 0 --no-huge -m 16 --no-pci --no-telemetry --file-prefix "run$$" -- all

# --- what cannot be ------------------------------------------------------------------

echo 'int main(void) { return 0; }' | compile static -static
expect "a static program" 1 'statically linked: there is no loader' "$guest" run "$dir/static"
echo 'const char s[] = "Invalid Power Management Environment(%d) set"; int main(void) { return s[0] == 0; }' |
	compile inside
expect "librte_power in the program itself" 1 'librte_power is linked into it statically' "$guest" run "$dir/inside"
echo text >"$dir/text"
chmod 755 "$dir/text"
expect "neither program nor script" 1 'neither a program for this processor nor a script' "$guest" run "$dir/text"
head -c 64 /dev/zero >>"$dir/text"
printf '\177ELF\001' >"$dir/foreign"
head -c 64 /dev/zero >>"$dir/foreign"
chmod 755 "$dir/foreign"
expect "another processor's" 1 'neither a program for this processor' "$guest" run "$dir/foreign"
if [ "$(id -u)" -eq 0 ]; then
	cp /bin/true "$dir/suid"
	chown 65534 "$dir/suid"
	chmod 4755 "$dir/suid"
	expect "set-uid" 1 'the loader ignores LD_PRELOAD there' "$guest" run "$dir/suid"
fi
mkdir "$dir/with blank"
cp "$library" "$dir/with blank/"
expect "a path that LD_PRELOAD cannot take" 1 'no path with a colon or a blank' \
	env FREQRING_POWER_LIB="$dir/with blank/libfreqring-power.so" "$guest" run /bin/true

# --- other versions of librte_power -------------------------------------------------------

for n in 22 25; do
	echo 'int rte_power_init(void) { return 0; }' | compile "librte_power.so.$n" -shared -fPIC \
		-Wl,-soname,"librte_power.so.$n"
	{
		echo 'int rte_power_init(void); int puts(const char *s);'
		echo 'int main(int c, char **v) { for (int i = 1; i < c; i++) puts(v[i]); return rte_power_init(); }'
	} | compile "program$n" "$dir/librte_power.so.$n" -Wl,-rpath,"$dir"
done
# By way of a library of its own, as ldd sees it.
echo 'int rte_power_init(void); int middle(void) { return rte_power_init(); }' |
	compile libmiddle.so -shared -fPIC "$dir/librte_power.so.25" -Wl,-rpath,"$dir"
echo 'int middle(void); int main(void) { return middle(); }' |
	compile far "$dir/libmiddle.so" -Wl,-rpath,"$dir" -Wl,-rpath-link,"$dir"
: >"$dir/driver.so"
expect "too old" 1 'older than that of DPDK 22.11' "$guest" run "$dir/program22"
expect "with drivers: -d" 0 "linked to librte_power.so.25: starts with -d $dir/driver.so" \
	env FREQRING_POWER_LIB="$dir/driver.so" "$guest" run "$dir/program25"
expect "... before its arguments" 0 "^-d $dir/driver.so a b\$" \
	sh -c "FREQRING_POWER_LIB=$dir/driver.so $guest run $dir/program25 a b 2>/dev/null | paste -sd' '"
expect "by way of another library" 0 'linked to librte_power.so.25' \
	env FREQRING_POWER_LIB="$dir/driver.so" "$guest" run "$dir/far"
rm "$dir/librte_power.so.25"
expect "a library that is missing" 1 'does not find all its libraries' "$guest" run "$dir/program25"

exit "$failed"
