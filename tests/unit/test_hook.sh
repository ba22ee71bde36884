#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_hook.sh - libvirt's hook, called as libvirt does, without libvirt
#
# usage: test_hook.sh HOOK
set -u

hook=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/test_hook.XXXXXX") || exit 1
shm=$dir/shm
conf=$dir/freqringd.conf
failed=0
default_object=freqring-test_hook.$$
our_group=$(id -gn)
trap 'rm -rf "$dir"; rm -f "/dev/shm/$default_object"' EXIT

mkdir "$shm"
cat >"$conf" <<END
[daemon]
group =
[shm]
shm_dir = $shm
shm_group = $our_group
qemu_user = $(id -un)
END

fail() {
	echo "FAIL: $what: $1"
	cat "$dir/out" "$dir/err"
	failed=1
}

xml() {	# OBJECT [SIZE]
	echo "<domain type='qemu'><name>web</name><vcpu>2</vcpu><devices>"
	[ -z "$1" ] ||
		echo "<shmem name='$1'><model type='ivshmem-plain'/><size unit='M'>${2:-1}</size></shmem>"
	echo "</devices></domain>"
}

# Whatever comes: status 0, and nothing on stdout, which libvirt could take for XML.
never_a_veto() {	# STATUS
	[ "$1" -eq 0 ] || fail "exit status $1: libvirt takes that for a veto"
	[ ! -s "$dir/out" ] || fail "something on stdout"
}

run() {	# WHAT ARGUMENT..., with $dir/in on stdin
	what=$1
	shift
	timeout 20 "$hook" -c "$conf" "$@" <"$dir/in" >"$dir/out" 2>"$dir/err"
	never_a_veto $?
}

quiet() {
	[ ! -s "$dir/err" ] || fail "something on stderr"
}

warns() {
	grep -qF -e "$1" "$dir/err" || fail "not on stderr: $1"
}

is() {	# FILE MODE
	[ "$(stat -c '%a %G %s %F' "$shm/$1" 2>&1)" = "$2 $our_group 1048576 regular file" ] ||
		fail "$1 is $(stat -c '%a %G %s %F' "$shm/$1" 2>&1)"
}

none() {
	[ -z "$(ls -A "$shm")" ] || fail "made: $(ls -A "$shm")"
}

# ---- what it is for
umask 077
xml freqring-web >"$dir/in"
run "a VM is prepared" web prepare begin -
quiet
is freqring-web 660
made=$(stat -c %i "$shm/freqring-web")
echo hello | dd of="$shm/freqring-web" conv=notrunc 2>/dev/null
xml freqring-web >"$dir/in"
run "... again" web prepare begin -
quiet
is freqring-web 660
[ "$(stat -c %i "$shm/freqring-web")" = "$made" ] || fail "another file"
[ "$(head -c 5 "$shm/freqring-web")" = hello ] || fail "what was in it is gone"
chmod 644 "$shm/freqring-web"
xml freqring-web >"$dir/in"
run "a file that QEMU made" web prepare begin -
is freqring-web 660
rm "$shm/freqring-web"
xml freqring-c >"$dir/in"
run "a VM by the name of -c" -c prepare begin -
is freqring-c 660
rm "$shm/freqring-c"
umask 022

# ---- what is not its business
for step in "prepare end" "start begin" "started begin" "stopped end" "release end" \
		"migrate begin" "restore begin" "reconnect begin" "attach begin" "Prepare begin"; do
	# shellcheck disable=SC2086
	xml freqring-web >"$dir/in"
	run "$step" web $step -
	quiet
	none
done
xml "" >"$dir/in"
run "no device" web prepare begin -
quiet
none
xml other >"$dir/in"
run "somebody else's device" web prepare begin -
quiet
none
what="no argument"
"$hook" </dev/null >"$dir/out" 2>"$dir/err"
never_a_veto $?
warns "GUEST OPERATION SUB-OPERATION EXTRA"

# ---- devices and input that are wrong
xml freqring-web 4 >"$dir/in"
run "the wrong size" web prepare begin -
warns "VM web will not be served: not 1 MiB in size"
none
xml ../freqring-web >"$dir/in"
run "a name with a slash" web prepare begin -
none
xml freqring-../../x >"$dir/in"
run "a path" web prepare begin -
warns "its name has a slash"
none
: >"$dir/in"
run "no XML" web prepare begin -
warns "VM web: domain XML has 0 bytes"
what="a closed stdin"
"$hook" -c "$conf" web prepare begin - <&- >"$dir/out" 2>"$dir/err"
never_a_veto $?
warns "VM web: its XML cannot be read"
head -c 100000 /dev/urandom >"$dir/in"
run "garbage" web prepare begin -
warns "VM web: domain XML: not well-formed XML"
xml freqring-web | head -c 100 >"$dir/in"
run "half of it" web prepare begin -
warns "not well-formed XML"
echo "<network/>" >"$dir/in"
run "another document" web prepare begin -
warns "its root is not <domain>"
echo '<!DOCTYPE domain [<!ENTITY a "b">]><domain>&a;</domain>' >"$dir/in"
run "a DTD" web prepare begin -
warns "has a DTD"
{ echo "<domain><description>"; head -c 5000000 /dev/zero | tr '\0' x; echo "</description></domain>"; } \
	>"$dir/in"
run "5 MB" web prepare begin -
warns "is larger than 4 MiB"
printf '<domain>' >"$dir/in"
run "$(printf 'a name \033[2J')" "$(printf 'x\033[2J\n')" prepare begin -
warns "VM x?[2J: "
none

# ---- an input that does not end, and a death
mkfifo "$dir/fifo"
what="an input that does not end"
began=$(date +%s)
"$hook" -c "$conf" web prepare begin - <"$dir/fifo" >"$dir/out" 2>"$dir/err" &
pid=$!
exec 3>"$dir/fifo"
wait "$pid"
never_a_veto $?
exec 3>&-
[ $(($(date +%s) - began)) -le 8 ] || fail "it took more than 8 s"
warns "after 5 s, the VM goes on"
for sig in SEGV BUS ABRT TERM; do
	what="SIG$sig"
	"$hook" -c "$conf" web prepare begin - <"$dir/fifo" >"$dir/out.$sig" 2>"$dir/err.$sig" &
	pid=$!
	exec 3>"$dir/fifo"
	# It reads when its signals are in order.
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = freqring ] &&
			grep -q '^State:.S' "/proc/$pid/status" && break
		sleep 0.1
	done
	kill -s "$sig" "$pid"
	wait "$pid"
	status=$?
	exec 3>&-
	: >"$dir/out"
	cp "$dir/err.$sig" "$dir/err"
	never_a_veto "$status"
	warns "the VM goes on"
done

# ---- files that are not ours
none
: >"$dir/target"
ln -s "$dir/target" "$shm/freqring-web"
xml freqring-web >"$dir/in"
run "a symbolic link" web prepare begin -
warns "VM web will not be served: $shm/freqring-web: cannot be opened"
[ ! -s "$dir/target" ] || fail "it wrote to where the link points"
rm "$shm/freqring-web"
truncate -s 1M "$shm/freqring-web"
ln "$shm/freqring-web" "$dir/link"
chmod 600 "$shm/freqring-web"
xml freqring-web >"$dir/in"
run "two links" web prepare begin -
warns "has 2 links"
[ "$(stat -c %a "$dir/link")" = 600 ] || fail "it changed the mode"
rm "$shm/freqring-web"
truncate -s 2M "$shm/freqring-web"
xml freqring-web >"$dir/in"
run "another size" web prepare begin -
warns "is 2097152 bytes long"
rm "$shm/freqring-web"
mkfifo "$shm/freqring-web"
xml freqring-web >"$dir/in"
run "a FIFO" web prepare begin -
warns "is not a regular file"
rm "$shm/freqring-web"
if [ "$(id -u)" -eq 0 ]; then
	truncate -s 1M "$shm/freqring-web"
	chown 65534 "$shm/freqring-web"
	xml freqring-web >"$dir/in"
	run "somebody's file" web prepare begin -
	warns "belongs to user 65534"
	[ "$(stat -c %a "$shm/freqring-web")" = 644 ] || fail "it changed the mode"
	rm "$shm/freqring-web"
fi
# shellcheck disable=SC2016
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	what="a full tmpfs"
	xml freqring-web | unshare -m sh -c 'mount -t tmpfs -o size=512k tmpfs "$1"
		"$2" -c "$3" web prepare begin -
		status=$?
		ls -A "$1" >&2
		exit $status' sh "$shm" "$hook" "$conf" >"$dir/out" 2>"$dir/err"
	never_a_veto $?
	warns "cannot be given its size"
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "a file is left"
fi
rmdir "$shm"
xml freqring-web >"$dir/in"
run "no folder" web prepare begin -
warns "No such file or directory"

# ---- a configuration with a mistake, or none: the defaults
echo "[daemon" >"$conf"
xml "$default_object" >"$dir/in"
run "a mistake in the configuration" web prepare begin -
warns "$conf:1: "
warns "the defaults are used"
case $(stat -c '%a %s' "/dev/shm/$default_object" 2>&1) in
"6"[0-9]"0 1048576") ;;
*) fail "made: $(stat -c '%a %s' "/dev/shm/$default_object" 2>&1)" ;;
esac
rm -f "/dev/shm/$default_object" "$conf"
xml "$default_object" >"$dir/in"
run "no configuration" web prepare begin -
quiet
[ -f "/dev/shm/$default_object" ] || fail "nothing made"

[ "$failed" -eq 0 ] && echo "all passed"
exit "$failed"
