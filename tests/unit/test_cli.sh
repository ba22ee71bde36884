#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_cli.sh - freqring against a daemon that only has a status
#
# usage: test_cli.sh FREQRING STATUS_SERVER
set -u

freqring=$1
server=$2
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
 "applier":{"cpu":1,"shares_poller_cpu":true,"wakeups":4,"decisions":9,"writes":5,"write_errors":0},
 "control":{"clients":1,"requests":2,"errors":{"parse_error":0,"denied":4}},
 "refusals":{"bad_op":0,"bad_arg":1},
 "vms":[
  {"name":"nf1","uuid":"c7a5fdbd-cdaf-9455-926a-d65c16db1809","state":"running",
   "shmem":"freqring-nf1","admitted":true,"problem":"","epoch":7,"quarantined":false,"requests":9,
   "refusals":{"bad_op":1,"bad_freq":0},
   "channels":[
    {"vcpu":0,"attached":true,"mapping":"cached","pcpus":"1","reason":"ok","requests":9,"wish":"kHz",
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
  {"cpu":1,"backend":"simulated","khz":1800000,"decided_khz":1801499,"nb_freqs":6,"min_khz":800000,
   "max_khz":2301000,"turbo_available":true,"writes":5,"write_errors":0,
   "votes":[{"vm":"nf1","vcpu":0,"khz":1801499},{"vm":"other","vcpu":2,"khz":800000}]},
  {"cpu":2,"backend":"simulated","khz":0,"decided_khz":0,"nb_freqs":6,"min_khz":800000,
   "max_khz":2301000,"turbo_available":true,"writes":7,"write_errors":2,"votes":[]}]}
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
run 2 statsu
has err "statsu: no such command (did you mean status?)"
run 2 xyzzy
has err "xyzzy: no such command, see freqring help"
run 2 status a b
has err "b: one argument too many; usage: freqring status [VM]"
run 2 --frob status
run 2 -o xml status
has err "-o xml: expected table or json"
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
line out "applier CPU 1 (the poller's), 4 wakeups, 9 decisions, 5 writes"
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
line out "CPU MHz DECIDED VOTES WRITES"
line out "1 1800 (simulated) 1801 (simulated) nf1/0=1801 other/2=800 5"
line out "2 - - - 7, 2 FAILED"
hasnt out "bad_freq"
hasnt out "parse_error"

run 0 status nf1 -s "$sock"
has out "freqring-nf1"
hasnt out "freqring-x"
line out "1 1800 (simulated) 1801 (simulated) nf1/0=1801 other/2=800 5"
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
has out "no VM has a freqring device"
hasnt out "simulated"
echo '{"backend":{"name":"librte_power"},"cpus":[{"cpu":3,"khz":2000000}],"vms":[{"name":"a","channels":[{}]}]}' \
	>"$dir/less.json"
start_server "$dir/less.json"
run 0 -s "$sock" status
line out "3 2000 - - 0"
line out "0 - no - - - 0 0 -"
hasnt out "simulated"

# ---- a daemon in trouble
start_server --fail
run 1 -s "$sock" status
has err "freqring: the status is not to be had?[2J"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$dir"
	cp "$freqring" "$dir/freqring"
	what="freqring status as nobody"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/freqring" -s "$sock" status \
		>"$dir/out" 2>"$dir/err"
	has err "Permission denied: be root, or in the group of the socket (usually freqring:"
fi
start_server --stuck
run 1 -s "$sock" status
has err "no answer in 5 s; is freqringd stuck?"
kill -KILL "$server_pid"
wait "$server_pid" 2>/dev/null
server_pid=
run 1 -s "$sock" status
has err "Connection refused: freqringd is not running, or listens elsewhere (-s SOCKET)"

[ "$failed" -eq 0 ] && echo "all passed"
exit "$failed"
