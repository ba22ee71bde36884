#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# The daemon's figures through DPDK's telemetry: the same as on the control
# socket, whatever a client sends, while a guest is served.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/check.sh"

sys_begin
here_cpu=0
VM_PINS="0:$here_cpu" VM_EMULATORPIN=$here_cpu
export VM_PINS VM_EMULATORPIN
vm_xml a 1 "$(sys_shm a)" | vm_define || bail "a domain"

# Names that libvirt takes, and that a reply cannot carry as they are.
# shellcheck disable=SC1003
odd='o&quot;d\, 50%,1 '$'\xc3\xa4''&#9;x'
long=$(printf 'n%.0s' {1..140})
for name in "$odd" "$long"; do
	vm_xml odd 1 "$(sys_shm "odd${#name}")" >"$VM_WORKDIR/odd.xml" || bail "a domain's XML"
	VM_ODD=$name awk '{ i = index($0, "<name>odd</name>")
		if (i) print "<name>" ENVIRON["VM_ODD"] "</name>"; else print }' \
		"$VM_WORKDIR/odd.xml" >"$VM_WORKDIR/odd2.xml"
	run vm_virsh define "$VM_WORKDIR/odd2.xml"
	same "libvirt takes an odd name of ${#name} bytes" 0 "$status"
done

cat >"$VM_WORKDIR/client.py" <<'END'
import contextlib, glob, json, os, random, socket, sys, time

pid, control = int(sys.argv[1]), sys.argv[2]
base = "/var/run" if os.getuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp")

def dial(path):
	s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	s.settimeout(10)
	s.connect(path)
	return s, s.recv(1 << 16)

# Each daemon on this machine has one; ours is known by its pid.
def find():
	for path in glob.glob(base + "/dpdk/freqring/dpdk_telemetry.v2*"):
		with contextlib.suppress(OSError):
			s, hello = dial(path)
			s.close()
			if hello and json.loads(hello)["pid"] == pid:
				return path
	sys.exit("no socket of %d" % pid)

path = find()

# A client that has just gone may still count, and then the next is closed at once.
def client():
	for _ in range(100):
		s, hello = dial(path)
		if hello:
			return s
		s.close()
		time.sleep(0.02)
	sys.exit("never let in")

def text(s, command):
	s.send(command if isinstance(command, bytes) else command.encode())
	return s.recv(1 << 16)

def ask(s, command):
	reply = json.loads(text(s, command))
	(name, value), = reply.items()
	assert name == command.split(",")[0], reply
	return value

def rpc(method, **params):
	s = socket.socket(socket.AF_UNIX)
	s.connect(control)
	s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
		"params": params}).encode() + b"\n")
	return json.loads(s.makefile().readline())["result"]

# What tel_data.h says becomes of a value.
def put(v):
	if isinstance(v, bool):
		return int(v)
	if isinstance(v, str):
		v = "".join("\\\\" if b == 0x5c else chr(b) if 0x20 <= b < 0x7f else "\\x%02x" % b
			for b in v.encode())
		return v if len(v) < 128 else v[:124] + "..."
	if isinstance(v, list):
		return {str(i): put(e) for i, e in enumerate(v)}
	if isinstance(v, dict):
		return {k: put(e) for k, e in v.items() if e is not None}
	return v

bad = []

# Again, where something moved between the two questions.
def same(what, expected, seen):
	for _ in range(50):
		e, s = expected(), seen()
		if e == s:
			return
	bad.append("%s: expected %s, seen %s" % (what, e, s))

def listed(vm):
	return put(vm["name"]) if len(put(vm["name"])) < 127 else vm["uuid"]

def vms():
	return rpc("status")["vms"]

def compare():
	s = client()
	status = rpc("status")
	same("vm/list", lambda: [listed(v) for v in vms()], lambda: ask(s, "/freqring/vm/list"))
	for vm in status["vms"]:
		def now():
			return [v for v in vms() if v["uuid"] == vm["uuid"]][0]
		def info():
			v = now()
			return put({"nb_channels": len(v["channels"]),
				**{k: e for k, e in v.items() if not isinstance(e, list)}})
		for name in {vm["name"], listed(vm), vm["uuid"]}:
			same("vm/info," + name, info, lambda: ask(s, "/freqring/vm/info," + name))
			for ch in vm["channels"]:
				n = ch["vcpu"]
				same("vcpu/info,%s,%d" % (name, n), lambda: put(now()["channels"][n]),
					lambda: ask(s, "/freqring/vcpu/info,%s,%d" % (name, n)))
	same("cpu/list", lambda: [c["cpu"] for c in rpc("status")["cpus"]],
		lambda: ask(s, "/freqring/cpu/list"))
	for i, cpu in enumerate(status["cpus"]):
		same("cpu/info,%d" % cpu["cpu"], lambda: put(rpc("status")["cpus"][i]),
			lambda: ask(s, "/freqring/cpu/info,%d" % cpu["cpu"]))
	def events(**params):
		e = rpc("events", **params)
		e["events"].reverse()
		return put(e)
	same("events", events, lambda: ask(s, "/freqring/events"))
	last = rpc("events")["last"]
	for since in 0, max(last - 1, 0), last, last + 1000:
		same("events,%d" % since, lambda: events(since=since),
			lambda: ask(s, "/freqring/events,%d" % since))
	info = ask(s, "/freqring/info")
	for key in "version", "pid":
		same(key, lambda: status[key], lambda: info[key])
	same("uptime", lambda: True, lambda: 0 <= info["uptime_s"] - status["uptime_s"] <= 5)
	same("backend", lambda: (status["backend"]["name"], int(status["backend"]["simulated"])),
		lambda: (info["backend"], info["simulated"]))
	for part in "libvirt", "poller", "applier", "control":
		flat = {}
		for k, v in status[part].items():
			flat.update({k + "_" + i: e for i, e in v.items()} if isinstance(v, dict) else {k: v})
		same(part, lambda: sorted(flat), lambda: sorted(info[part]))
		for k, v in flat.items():
			if isinstance(v, int) and k != "clients":	# which come and go
				same(part + " " + k, lambda: True, lambda: info[part][k] >= int(v))
	return "%d VMs, %d CPUs, %d events" % (len(status["vms"]), len(status["cpus"]), last)

def wrong():
	s = client()
	big = "9" * 900
	commands = ["/freqring/vm/info", "/freqring/vm/info,nobody", "/freqring/vm/info,,",
		"/freqring/vm/info,a,0", "/freqring/vm/info," + big, "/freqring/vcpu/info",
		"/freqring/vcpu/info,a", "/freqring/vcpu/info,a,", "/freqring/vcpu/info,a,1",
		"/freqring/vcpu/info,a,-0", "/freqring/vcpu/info,a,0x0", "/freqring/vcpu/info,a,0 ",
		"/freqring/vcpu/info,,0", "/freqring/vcpu/info,a," + big, "/freqring/cpu/info",
		"/freqring/cpu/info,all", "/freqring/cpu/info,1023", "/freqring/cpu/info,-1",
		"/freqring/cpu/info,18446744073709551616", "/freqring/cpu/info," + big,
		"/freqring/events,-1", "/freqring/events,x", "/freqring/events," + big,
		"/freqring/info,x", "/freqring/vm/list,x", "/freqring/cpu/list,0"]
	def counted():
		return ask(s, "/freqring/info")["telemetry"]["wrong_parameters"]
	before = counted()
	for c in commands:
		same(c[:60], lambda: None, lambda: ask(s, c))
	same("they are counted", lambda: len(commands), lambda: counted() - before)
	return len(commands)

# What comes back to garbage is DPDK's; that something does, and to the next question too, is ours.
def garbage():
	random.seed(4)
	for turn in range(300):
		s = client() if turn % 10 == 0 else s
		junk = random.randbytes(random.randrange(1, 1000))
		prefix = random.choice([b"", b"/freqring/", b"/freqring/vm/info,", b"/freqring/vcpu/info,",
			b"/freqring/cpu/info,", b"/freqring/events,", b"/help,", b","])
		if not text(s, prefix + junk):
			bad.append("garbage, turn %d: closed" % turn)
			s = client()
	same("a question after it", lambda: pid, lambda: ask(s, "/freqring/info")["pid"])
	text(s, b"/freqring/vm/info," + b"x" * 60000)
	same("a message of 60000 bytes", lambda: pid, lambda: ask(s, "/freqring/info")["pid"])
	return 300

# It sends until its replies fill what the kernel keeps for it.
def deaf():
	s, n = client(), 0
	s.setblocking(False)
	with contextlib.suppress(BlockingIOError):
		while n < 100000:
			s.send(b"/freqring/info")
			n += 1
	return s

def crowd():
	deaf_one = deaf()
	inside, turned_away = [], 0
	for _ in range(14):
		s, hello = dial(path)
		if hello:
			inside.append(s)
		else:
			turned_away += 1
	same("ten at most, one of them deaf", lambda: (9, 5), lambda: (len(inside), turned_away))
	for _ in range(50):
		for s in inside:
			s.send(b"/freqring/info")
		for s in inside:
			if json.loads(s.recv(1 << 16))["/freqring/info"]["pid"] != pid:
				bad.append("crowd: another pid")
	for s in inside:
		s.close()
	same("and then another", lambda: pid, lambda: ask(client(), "/freqring/info")["pid"])
	deaf_one.close()
	return "%d inside" % len(inside)

# Until the daemon has gone: whole replies, at last null.
def last_questions():
	s, n = client(), 0
	print("asking", flush=True)
	with contextlib.suppress(OSError):
		while True:
			reply = text(s, "/freqring/info")
			if not reply:
				break
			n += json.loads(reply)["/freqring/info"] is not None
	return n

note = {f.__name__: f for f in (compare, wrong, garbage, crowd, last_questions)}[sys.argv[3]]()
print("# %s: %s" % (sys.argv[3], note))
print("\n".join(bad))
sys.exit(bool(bad))
END

# tel WHAT: see above
tel()
{
	run timeout 60 "$sys_python" "$VM_WORKDIR/client.py" "$FR_PID" "$VM_WORKDIR/fr/control.sock" "$1"
}

# tel_check NAME WHAT
tel_check()
{
	tel "$2"
	same "$1" 0 "$status"
	note "$out"
}

fr_start || bail "freqringd"
vm_start a || bail "a guest"
soon_st "served" "vm('a')['admitted']" true
soon_st "all three VMs are known" "len(s['vms'])" 3

# --- where its threads are ---
for task in /proc/"$FR_PID"/task/*; do
	case $(cat "$task/comm" 2>/dev/null) in
	telemetry-v2) where=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status") ;;
	freqringd) control=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status") ;;
	esac
done
same "telemetry's thread is on the control CPUs" "${control:-none}" "${where:-no such thread}"
unlike "... of which the poller's is none" "(^|[,-])$FR_POLLER_CPU(\$|,)" "${where:-}"

# --- the same as on the control socket ---
tel_check "nothing asked yet: as on the control socket" compare
guest a 'freqring-guest set 0 5000; freqring-guest set 0 1400 && freqring-guest set 0 lease 1'
same "a refusal, a wish and a lease" 0 "$status"
soon_st "the lease runs out: an event" "ch('a', 0)['reason']" lease_expired
tel_check "a vote, a refusal, an event: as on the control socket" compare
like "... the event is there" '3 VMs, [0-9]+ CPUs, [1-9][0-9]* events' "$out"

# --- whatever a client sends, while a guest is served ---
cat >"$VM_WORKDIR/ask" <<'END'
#!/bin/sh
while :; do
	for mhz in 2000 1100; do
		freqring-guest set 0 $mhz >/tmp/said 2>&1 && grep -q "granted $mhz MHz" /tmp/said ||
			cat /tmp/said >>/tmp/bad
	done
	echo >>/tmp/turns
done
END
chmod +x "$VM_WORKDIR/ask"
vm_copy_in a "$VM_WORKDIR/ask" /tmp/ask || bail "a script for the guest"
vm_exec a '/tmp/ask >/dev/null 2>&1 & echo $! >/tmp/ask.pid' >/dev/null

turns=0
more_turns()
{
	guest a 'wc -l </tmp/turns'
	[ "$status" -eq 0 ] && [ "$out" -gt $((turns + 1)) ]
}

# served NAME: a turn began and ended since the last time
served()
{
	soon "$1: the guest is served" more_turns
	turns=$out
}

soon "the guest asks" vm_exec a 'test -s /tmp/turns'
tel_check "wrong parameters" wrong
served "... meanwhile"
tel_check "garbage" garbage
served "... meanwhile"
tel_check "many clients, and one that never reads" crowd
served "... meanwhile"
guest a 'kill $(cat /tmp/ask.pid); sleep 0.5; cat /tmp/bad'
like "... and was never refused" "can't open|No such file" "$out"
guest a 'freqring-guest set 0 release'
tel_check "after all of it" compare

# --- a second daemon, and one that gets no folder ---
second=("$FR_BUILD/host/freqringd" --backend simulated --poller-cpu "$FR_POLLER_CPU"
	--connect test:///default --state-dir "$VM_WORKDIR/fr2" -s "$VM_WORKDIR/fr2/control.sock"
	-c /dev/null)
install -d -m 700 "$VM_WORKDIR/fr2"
"${second[@]}" --group "$(id -gn)" >"$VM_WORKDIR/second.log" 2>&1 &
second_pid=$!
vm_own_pid "$second_pid"
soon "a second daemon" grep -q 'ready:' "$VM_WORKDIR/second.log"
run timeout 20 "$sys_python" "$VM_WORKDIR/client.py" "$second_pid" "$VM_WORKDIR/fr2/control.sock" compare
same "... has a socket of its own" 0 "$status"
note "$out"
tel_check "... and the first one has its" compare
kill "$second_pid"
wait "$second_pid"
same "... ends in good order" 0 "$?"
as=()
group=$(id -gn)
if [ "$(id -u)" -eq 0 ]; then
	chown 65534 "$VM_WORKDIR/fr2"
	group=$(id -gn 65534)
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
env -u RUNTIME_DIRECTORY XDG_RUNTIME_DIR="$VM_WORKDIR/nowhere" "${as[@]}" "${second[@]}" \
	--group "$group" >"$VM_WORKDIR/second.log" 2>&1 &
second_pid=$!
vm_own_pid "$second_pid"
soon "an ordinary user's, without a runtime folder" grep -q 'ready:' "$VM_WORKDIR/second.log"
like "... says that there is no telemetry" '^freqringd: no telemetry: .*nowhere' "$(<"$VM_WORKDIR/second.log")"
kill "$second_pid"
wait "$second_pid"
same "... ends in good order" 0 "$?"

# --- the end, in the middle of questions ---
timeout 60 "$sys_python" "$VM_WORKDIR/client.py" "$FR_PID" "$VM_WORKDIR/fr/control.sock" \
	last_questions >"$VM_WORKDIR/last.out" 2>&1 &
last_pid=$!
soon "a client asks" grep -q asking "$VM_WORKDIR/last.out"
fr_stop
same "the daemon ends in good order" 0 "$?"
wait "$last_pid"
same "... and its client saw whole replies to the end" 0 "$?"
note "$(<"$VM_WORKDIR/last.out")"
sys_end
