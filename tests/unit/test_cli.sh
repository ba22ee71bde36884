#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_cli.sh - freqring against a daemon that only reads, and one that answers
# what it is told to
#
# usage: test_cli.sh FREQRING STATUS_SERVER METHOD_SERVER
set -u

freqring=$1
server=$2
method_server=$3
here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/test_cli.XXXXXX") || exit 1
sock=$dir/control.sock
server_pid=
failed=0

stop_server() {
	if [ -n "$server_pid" ]; then
		kill "$server_pid" 2>/dev/null
		wait "$server_pid" 2>/dev/null
		server_pid=
	fi
}

trap 'stop_server; rm -rf "$dir"' EXIT

start_server() {
	stop_server
	rm -f "$sock"
	: >"$dir/ready"
	"$server" "$sock" "$1" >"$dir/ready" &
	server_pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		grep -q ready "$dir/ready" && return
		sleep 0.1
	done
	echo "FAIL: status_server does not start"
	exit 1
}

# run STATUS ARGUMENT...: leaves $dir/out and $dir/err
run() {
	expected=$1
	shift
	what="freqring $*"
	"$freqring" "$@" >"$dir/out" 2>"$dir/err"
	status=$?
	if [ "$status" -ne "$expected" ]; then
		echo "FAIL: $what: exit status $status, expected $expected"
		cat "$dir/err"
		failed=1
	fi
}

# has FILE TEXT: a line contains it
has() {
	if ! grep -qF -e "$2" "$dir/$1"; then
		echo "FAIL: $what: not in $1: $2"
		cat "$dir/$1"
		failed=1
	fi
}

# line FILE PATTERN: a line as a whole, blanks squeezed
line() {
	if ! sed 's/  */ /g; s/^ //' "$dir/$1" | grep -qxF -e "$2"; then
		echo "FAIL: $what: no line in $1: $2"
		cat "$dir/$1"
		failed=1
	fi
}

hasnt() {
	if grep -qF -e "$2" "$dir/$1"; then
		echo "FAIL: $what: in $1: $2"
		cat "$dir/$1"
		failed=1
	fi
}

cat >"$dir/status.json" <<'END'
{"version":"0.1.0","pid":4711,"uptime_s":3720,"incarnation":3,
 "backend":{"name":"simulated","simulated":true},
 "libvirt":{"uri":"test:///default","connected":true,"events":5,"maps_read":9,"maps_changed":2,
  "connects":1,"disconnects":0,"errors":0},
 "poller":{"cpu":1,"turns":123,"requests":99,"vms":2,"channels":3,"hot":1,"stage":"spinning"},
 "applier":{"cpu":1,"shares_poller_cpu":true,"wakeups":4,"decisions":9,"writes":5,"write_errors":0,
  "retries":3,"drifts":1,"deferred":12,"leases_expired":0},
 "control":{"clients":1,"requests":2,"errors":{"parse_error":0,"denied":4}},
 "refusals":{"bad_op":0,"bad_arg":1},
 "vms":[
  {"name":"nf1","uuid":"c7a5fdbd-cdaf-9455-926a-d65c16db1809","state":"running",
   "shmem":"freqring-nf1","admitted":true,"problem":"","epoch":7,"quarantined":false,"requests":9,
   "refusals":{"bad_op":1,"bad_freq":0},
   "channels":[
    {"vcpu":0,"transport":"ring","attached":true,"mapping":"cached","pcpus":"1","reason":"ok","requests":9,"wish":"kHz",
     "wish_khz":1800000,"granted_khz":1801499,"turbo_allowed":true,"refusals":1,"lease_left_ms":1540,
     "quarantined":false},
    {"vcpu":1,"attached":true,"mapping":"uncached","pcpus":"2-3","reason":"arbitrated","requests":0,
     "wish":"max","wish_khz":0,"granted_khz":2301000,"turbo_allowed":false,"refusals":0,
     "lease_left_ms":0,"quarantined":true}]},
  {"name":"evil\u001b[2J","uuid":"00000000-0000-0000-0000-000000000001","state":"paused",
   "shmem":"freqring-x","admitted":false,"problem":"two VMs name it","epoch":1,"quarantined":true,
   "requests":0,"refusals":{},
   "channels":[{"vcpu":0,"attached":false,"mapping":"unknown","pcpus":"","reason":"unpinned",
     "requests":0,"wish":"none","wish_khz":0,"granted_khz":0,"turbo_allowed":true,"refusals":0,
     "lease_left_ms":0,"quarantined":false}]}],
 "cpus":[
  {"cpu":1,"backend":"simulated","driver":"simulated","governor":"userspace","control":"ours",
   "problem":"ok","trouble":"","policy":1,"domain":0,"khz":1800000,"decided_khz":1801499,
   "wanted_khz":1801499,"applied_khz":1801499,"readback_khz":1801499,"winner":{"vm":"nf1","vcpu":0},
   "manual":false,"bound":"ceiling","floor_khz":0,"ceiling_khz":1900000,"latency_ns":10000,
   "nb_freqs":6,"min_khz":800000,"max_khz":2301000,"turbo_available":true,"writes":5,"write_errors":0,
   "retries":0,"drifts":0,
   "votes":[{"vm":"nf1","vcpu":0,"wish":"kHz","khz":1801499},
            {"vm":"other","vcpu":2,"wish":"max","khz":0}]},
  {"cpu":2,"backend":"simulated","driver":"","governor":"","control":"free","problem":"ok",
   "trouble":"","policy":2,"domain":2,"khz":0,"decided_khz":0,"wanted_khz":0,"applied_khz":0,
   "readback_khz":0,"winner":null,"manual":false,"bound":null,"floor_khz":0,"ceiling_khz":0,
   "latency_ns":0,"nb_freqs":6,"min_khz":800000,"max_khz":2301000,"turbo_available":true,"writes":7,
   "write_errors":2,"retries":1,"drifts":4,"votes":[]}]}
END

# ---- without a daemon
run 0 --version
has out "freqring "
run 0 -h
has out "status [VM]"
has out "--output FORMAT"
run 0 help
has out "status [VM]"
run 0 help status
has out "Usage: freqring status [VM]"
run 0 status -h
has out "Usage: freqring status [VM]"
run 2
has err "a command is missing"
run 2 statuss
has err "statuss: no such command (did you mean status?)"
run 2 xyzzy
has err "xyzzy: no such command, see freqring help"
run 2 status a b
has err "b: one argument too many; usage: freqring status [VM]"
run 2 --frob status
run 2 -o xml status
has err "--output xml: expected table or json"
run 2 -o
run 1 -s "$sock" status
has err "$sock: No such file or directory: freqringd is not running, or listens elsewhere (-s SOCKET)"
run 1 status -s "$sock"
run 1 -s "$sock" version
has out "freqring "
has err "freqringd is not running"

# ---- the table
start_server "$dir/status.json"
run 0 -s "$sock" status
line out "freqringd 0.1.0, pid 4711, up 1 h 2 min"
line out "backend simulated: no frequency is really set"
line out "libvirt test:///default, connected, 5 events, map read 9 times and changed 2"
line out "poller CPU 1, spinning, 99 requests in 123 turns, 2 VMs, 3 channels (1 hot)"
line out "applier CPU 1 (the poller's), 4 wakeups, 9 decisions, 5 writes, 3 retried, 1 drifted, 12 deferred"
line out "control 1 client, 2 requests"
line out "errors denied 4"
line out "refused bad_arg 1"
line out "nf1 running, freqring-nf1, epoch 7, 9 requests"
line out "UUID c7a5fdbd-cdaf-9455-926a-d65c16db1809"
line out "refused: bad_op 1"
line out "VCPU PCPU ATTACHED WISH GRANTED REASON REQUESTS REFUSED LEASE"
line out "0 1 yes 1800 MHz 1801 MHz (simulated) ok 9 1 1.5 s"
line out "1 2-3 yes, uncached max, no turbo 2301 MHz (simulated) quarantined 0 0 -"
line out "evil?[2J paused, freqring-x, epoch 1, 0 requests, NOT ADMITTED, QUARANTINED"
line out "problem: two VMs name it"
line out "0 - no - - unpinned 0 0 -"
line out "CPU POL DOM DRIVER GOVERNOR CONTROL MHz SET READ DECIDED WRITES VOTES"
line out "1 1 0 simulated userspace ours 1800 (simulated) 1801 1801 1801 nf1/0, ceiling 5 nf1/0=1801 other/2=max"
line out "2 2 2 - - free - - - - 7, 2 FAILED, 1 retried, 4 drifted -"
hasnt out "bad_freq"
hasnt out "parse_error"

run 0 status nf1 -s "$sock"
has out "freqring-nf1"
hasnt out "freqring-x"
has out " 1801 nf1/0, ceiling "
hasnt out "FAILED"
run 0 -s "$sock" status C7A5FDBD-cdaf-9455-926a-d65c16db1809
has out "freqring-nf1"
run 1 -s "$sock" status nf9
has err "nf9: freqringd knows no VM of that name or UUID"

# ---- JSON
run 0 -s "$sock" -o json status
has out '"wish_khz": 1800000'
has out '"name": "evil\u001B[2J"'
if command -v python3 >/dev/null; then
	if ! python3 -c 'import json, sys
sys.exit(json.load(open(sys.argv[1])) != json.load(open(sys.argv[2])))' \
		"$dir/out" "$dir/status.json"; then
		echo "FAIL: -o json is not what the daemon sent"
		failed=1
	fi
fi
run 0 status --output=json nf1 -s "$sock"
has out '"freqring-nf1"'
hasnt out '"freqring-x"'
run 0 -s "$sock" version
line out "freqringd 0.1.0"
run 0 -s "$sock" version -o json
has out '"freqringd": "0.1.0"'
if [ -w /dev/full ]; then
	"$freqring" -s "$sock" status >/dev/full 2>"$dir/err"
	what="freqring status >/dev/full (exit status $?)"
	has err "output: No space left on device"
fi

# ---- a daemon that sends less than we know, and real hardware
echo '{"version":"9"}' >"$dir/less.json"
start_server "$dir/less.json"
run 0 -s "$sock" status
has out "no VM has a freqring device or serial channels"
hasnt out "simulated"
echo '{"backend":{"name":"librte_power"},"cpus":[{"cpu":3,"khz":2000000}],"vms":[{"name":"a","channels":[{}]}]}' \
	>"$dir/less.json"
start_server "$dir/less.json"
run 0 -s "$sock" status
line out "3 0 0 - - - 2000 - - - 0 -"
line out "0 - no - - - 0 0 -"
hasnt out "simulated"

# ---- why a CPU is as it is, and what is wrong with it
cat >"$dir/cpus.json" <<'END'
{"backend":{"name":"librte_power","simulated":false},"cpus":[
 {"cpu":0,"policy":0,"domain":0,"driver":"acpi-cpufreq","governor":"userspace","control":"ours",
  "khz":2300000,"applied_khz":2300000,"readback_khz":2300000,"wanted_khz":2300000,
  "winner":{"vm":"web","vcpu":3},"bound":null,"trouble":"","writes":1},
 {"cpu":1,"policy":1,"domain":0,"driver":"acpi-cpufreq","governor":"userspace","control":"ours",
  "khz":1800000,"applied_khz":1800000,"readback_khz":1800000,"wanted_khz":1800000,
  "winner":null,"manual":true,"bound":"floor","trouble":"","writes":2},
 {"cpu":2,"policy":2,"domain":2,"driver":"acpi-cpufreq","governor":"performance",
  "control":"foreign governor","khz":2300000,"applied_khz":0,"readback_khz":0,"wanted_khz":1800000,
  "winner":{"vm":"we\u001bb","vcpu":0},"bound":"turbo rule",
  "trouble":"somebody else chose the governor performance\n","writes":3,
  "votes":[{"vm":"web","vcpu":0,"wish":"min","khz":1200000}]}]}
END
start_server "$dir/cpus.json"
run 0 -s "$sock" status
line out "0 0 0 acpi-cpufreq userspace ours 2300 2300 2300 2300 web/3 1 -"
line out "1 1 0 acpi-cpufreq userspace ours 1800 1800 1800 1800 operator, floor 2 -"
line out "2 2 2 acpi-cpufreq performance foreign 2300 - - 1800 we?b/0, turbo rule 3 web/0=1200"
line out "CPU 2: somebody else chose the governor performance?"
hasnt out "CPU 0:"
if [ "$(awk '/^CPU|^[0-9]/ && length > n { n = length } END { print n }' "$dir/out")" -gt 120 ]; then
	echo "FAIL: $what: wider than 120 columns"
	cat "$dir/out"
	failed=1
fi

# ---- events: of a real ring, which keeps the last 256
run 0 -s "$sock" events
line out "44 events before these are not kept any more"
hasnt out "somebody set 44 kHz"
has out "Z  drift          CPU 3: somebody set 45 kHz"
has out "Z  lease-expired  VM ??[2J, vCPU 0"
run 0 -s "$sock" events --since 298
hasnt out "not kept"
hasnt out "somebody set 298 kHz"
has out "somebody set 299 kHz"
has out "lease-expired"
if ! grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z  drift ' "$dir/out"; then
	echo "FAIL: $what: no time"
	failed=1
fi
run 0 -s "$sock" events --since 300
hasnt out "Z"
run 0 -s "$sock" -o json --since=299 events
has out '"last": 300'
has out '"lost": 0'
has out '"number": 300'
has out '"kind": "lease-expired"'
hasnt out '"number": 299'
run 0 -s "$sock" -o json events --since 9999
has out '"last": 300'
has out '"events": []'
run 2 -s "$sock" events --since
run 2 -s "$sock" events --since -1
has err "--since -1: expected a number, decimal or 0x"
run 2 -s "$sock" events --since 3x
run 2 -s "$sock" events --since ''
run 2 -s "$sock" events --since 99999999999999999999
run 2 -s "$sock" events 3
has err "3: one argument too many; usage: freqring events [--since N]"
run 2 -s "$sock" status --since 3
has err "--since goes with freqring event, events"
run 0 events -h
has out "--since N"
run 0 status -h
hasnt out "--since N"

# ---- verify
cat >"$dir/verify.json" <<'END'
{"ok":true,"backend":{"name":"librte_power","simulated":false},"cpus":[
 {"cpu":2,"control":"free","ok":true,"busy":false,"promised_khz":0,"sysfs_khz":0,"governor":"schedutil",
  "text":"free"},
 {"cpu":3,"control":"ours","ok":true,"busy":false,"promised_khz":2300000,"sysfs_khz":2300000,
  "governor":"userspace","promised_governor":"userspace","text":"ours, 2300 MHz, userspace"},
 {"cpu":4,"control":"ours","ok":true,"busy":true,"promised_khz":2300000,"sysfs_khz":2300000,
  "governor":"userspace","promised_governor":"userspace","text":"set anew at each look"}]}
END
start_server "$dir/verify.json"
run 0 -s "$sock" verify
line out "CPU 3: ours, 2300 MHz, userspace: ok"
line out "CPU 4: set anew at each look: busy"
line out "3 CPUs managed, 1 free, 0 wrong, 1 busy and not compared: no difference"
hasnt out "CPU 2"
hasnt out "simulated"
run 0 -s "$sock" verify -o json
has out '"promised_khz": 2300000'
if command -v python3 >/dev/null; then
	if ! python3 -c 'import json, sys
sys.exit(json.load(open(sys.argv[1])) != json.load(open(sys.argv[2])))' \
		"$dir/out" "$dir/verify.json"; then
		echo "FAIL: verify -o json is not what the daemon sent"
		failed=1
	fi
fi
run 2 -s "$sock" verify 3
has err "3: one argument too many; usage: freqring verify"
sed 's/"ok":true,"backend":{"name":"librte_power","simulated":false}/"ok":false,"backend":{"name":"simulated","simulated":true}/
	s/"cpu":3,"control":"ours","ok":true/"cpu":3,"control":"ours","ok":false/
	s/"busy":true/"busy":false/; s/ours, 2300 MHz, userspace/set to 1800 MHz, and 2300 MHz promised/' \
	"$dir/verify.json" >"$dir/wrong.json"
start_server "$dir/wrong.json"
run 1 -s "$sock" verify
line out "backend simulated: no frequency is really set"
line out "CPU 3: set to 1800 MHz, and 2300 MHz promised: WRONG"
line out "3 CPUs managed, 1 free, 1 wrong"
run 1 -s "$sock" verify -o json
has out '"ok": false'
echo '{"ok":true,"cpus":[{"cpu":0,"control":"free","ok":true}]}' >"$dir/free.json"
start_server "$dir/free.json"
run 0 -s "$sock" verify
line out "1 CPU managed, 1 free, 0 wrong: all is as promised"
hasnt out "CPU 0"

# ---- top, where there is no terminal
start_server "$dir/status.json"
run 0 -s "$sock" top --delay 1 --iterations 1
line out "poller on CPU 1 spinning, 0 requests/s, 0 writes/s"
line out "nf1 0 1 ring 1800 1801 0 0 ok"
hasnt out "$(printf '\033')"
run 0 -s "$sock" top --batch --delay 1 --iterations 2 -o json
if [ "$(wc -l <"$dir/out")" -ne 2 ] || [ "$(grep -c '"vm":"nf1"' "$dir/out")" -ne 2 ]; then
	echo "FAIL: $what: not two objects"
	failed=1
fi
run 2 -s "$sock" top --delay 0

# ---- a daemon in trouble
start_server --fail
run 1 -s "$sock" status
has err "freqring: the status is not to be had?[2J"
run 1 -s "$sock" verify
has err "freqring: the status is not to be had?[2J"
run 0 -s "$sock" events
hasnt out "Z"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir"
	cp "$freqring" "$dir/freqring"
	what="freqring status as nobody"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/freqring" -s "$sock" status \
		>"$dir/out" 2>"$dir/err"
	has err "Permission denied: be root, or in the group of the socket (usually freqring:"
fi
run 1 -s "$sock" top --iterations 1
has err "freqring: the status is not to be had?[2J"
start_server --stuck
run 1 -s "$sock" status
has err "no answer in 5 s; is freqringd stuck?"
kill -KILL "$server_pid"
wait "$server_pid" 2>/dev/null
server_pid=
run 1 -s "$sock" status
has err "Connection refused: freqringd is not running, or listens elsewhere (-s SOCKET)"

# shellcheck source=tests/unit/cli_commands.sh
. "$here/cli_commands.sh"
# shellcheck source=tests/unit/cli_shell.sh
. "$here/cli_shell.sh"

[ "$failed" -eq 0 ] && echo "all passed"
exit "$failed"
