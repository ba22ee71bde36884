# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# cli_commands.sh - part of test_cli.sh: what each command sends and prints
# shellcheck disable=SC2034,SC2154 # variables of test_cli.sh

record=$dir/record
: >"$record"

# start_methods: the daemon that answers as $dir/methods.json says
start_methods() {
	stop_server
	rm -f "$sock"
	: >"$dir/ready"
	"$method_server" "$sock" "$dir/methods.json" "$record" >"$dir/ready" &
	server_pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		grep -q ready "$dir/ready" && return
		sleep 0.1
	done
	echo "FAIL: method_server does not start"
	exit 1
}

# methods JSON: what it answers from now on
methods() {
	printf '%s\n' "$1" >"$dir/methods.json"
}

# ask STATUS ARGUMENT...: as run, with what is sent in $dir/record
ask() {
	: >"$record"
	asked=$1
	shift
	run "$asked" -s "$sock" "$@"
}

# sent LINE...: these requests and no others
sent() {
	printf '%s\n' "$@" | sed '/^$/d' >"$dir/sent"
	if ! cmp -s "$dir/sent" "$record"; then
		echo "FAIL: $what: expected these requests:"
		cat "$dir/sent"
		echo "sent were:"
		cat "$record"
		failed=1
	fi
}

# prints TEXT: stdout is that, as a whole
prints() {
	printf '%s\n' "$1" | sed '/^$/d' >"$dir/expected"
	if ! sed '/^$/d' "$dir/out" | cmp -s "$dir/expected" -; then
		echo "FAIL: $what: printed"
		cat "$dir/out"
		echo "and not"
		cat "$dir/expected"
		failed=1
	fi
}

# refused TEXT ARGUMENT...: status 2, TEXT on stderr, nothing sent
refused() {
	text=$1
	shift
	ask 2 "$@"
	has err "$text"
	sent ''
	if grep -q '[[:cntrl:]]' "$dir/err"; then
		echo "FAIL: $what: control characters in the message"
		failed=1
	fi
}

methods '{}'
start_methods

# ---- every command has help that fits a screen, with an example
"$freqring" -o json help | sed -n 's/.*"command": "\(.*\)".*/\1/p' >"$dir/commands"
[ "$(wc -l <"$dir/commands")" -ge 29 ] || { echo "FAIL: too few commands"; failed=1; }
while read -r command; do
	run 0 help "$command"
	has out "Usage: freqring $command"
	case $command in
	quit | exit) ;;
	completion) has out "freqring completion bash" ;;
	*) has out "  freqring $command" ;;
	esac
	awk 'length > 80 || NR > 24 { bad = 1 } END { exit bad }' "$dir/out" || {
		echo "FAIL: $what: more than a screen"
		cat "$dir/out"
		failed=1
	}
	run 0 "$command" -h
	run 0 -h "$command"
done <"$dir/commands"
run 0 help
awk 'length > 80 { bad = 1 } END { exit bad }' "$dir/out" || {
	echo "FAIL: $what: wider than a screen"
	failed=1
}
run 2 help frob
run 0 -o json help list
has out '"args": "[--name]"'
run 0 quit
run 0 exit

# ---- list
methods '{"list":{"result":{"connected":true,"vms":[
 {"name":"web","uuid":"c7a5fdbd-cdaf-9455-926a-d65c16db1809","state":"running","shmem":"freqring-web","served":true,
  "allowed":true,"added":true,"nb_vcpus":4,"requests":17,"problem":""},
 {"name":"old","uuid":"u2","state":"defined","shmem":"","served":false,"allowed":false,"added":false,
  "nb_vcpus":1,"requests":0,"problem":"no device\u001b"},
 {"name":"bed","uuid":"u3","state":"defined","power":"suspended to disk","shmem":"freqring-bed","served":false,
  "allowed":true,"added":false,"nb_vcpus":2,"requests":3,"problem":""}]}},
 "get_vcpupin":{"result":{"vcpus":[{"vcpu":0,"cpus":"0-7"},{"vcpu":1,"cpus":"2,64"}]}},
 "set_vcpupin":{"result":{"vcpu":0,"cpus":"2-3","live":true,"config":true}},
 "status":{"result":{"vms":[],"cpus":[]}}}'
ask 0 list
sent 'list '
line out "NAME STATE SERVED VCPUS REQUESTS DEVICE PROBLEM"
line out "web running yes, added 4 17 freqring-web -"
line out "old defined not allowed 1 0 - no device?"
line out "bed suspended to disk no 2 3 freqring-bed -"
ask 0 list --name
prints 'web
old
bed'
ask 0 -o json list
has out '"shmem": "freqring-web"'
ask 0 -o json list --name
line out '"old",'
refused "x: one argument too many" list x

# ---- vcpupin
ask 0 vcpupin web
sent 'get_vcpupin {"vm":"web"}'
prints ' VCPU   CPU Affinity
----------------------
 0      0-7
 1      2,64'
ask 0 vcpupin web 1 --config
sent 'get_vcpupin {"config":true,"vcpu":1,"vm":"web"}'
ask 0 vcpupin web 0x0 2-3,3 --live --config
sent 'set_vcpupin {"config":true,"cpus":"2-3","live":true,"vcpu":0,"vm":"web"}'
prints 'vCPU 0 of web: CPU 2-3, live and in its definition'
ask 0 vcpupin --current web 0 5 -o json
sent 'set_vcpupin {"cpus":"5","vcpu":0,"vm":"web"}'
has out '"live": true'
refused "--current goes with neither" vcpupin web 0 5 --current --live
refused "--live and --config: one of them" vcpupin web --live --config
refused "x: expected the number of a vCPU" vcpupin web x

# ---- vm_power_manager's: a VM that has no device of ours
ask 0 show_vm web
sent 'status ' 'list ' 'get_vcpupin {"vm":"c7a5fdbd-cdaf-9455-926a-d65c16db1809"}'
prints "VM: 'web', status = ACTIVE
Channels 0
Virtual CPU(s): 2
  [0]: Physical CPU Mask 0xff
  [1]: Physical CPU Mask 0x10000000000000004"
ask 0 show_vm old
has out "VM: 'old', status = INACTIVE"
ask 1 show_vm nobody
has err "nobody: libvirt knows no VM of that name or UUID"
# One is called as the other one's UUID, which counts first.
methods '{"status":{"result":{"vms":[
 {"name":"u2","uuid":"u1","state":"running","vcpus":[{"vcpu":0,"present":true,"libvirt_pcpus":"1"}]},
 {"name":"b","uuid":"u2","state":"running","vcpus":[{"vcpu":0,"present":true,"libvirt_pcpus":"0"}]}]}}}'
ask 0 show_vm u2
has out "VM: 'b', status = ACTIVE"
ask 0 stats u2
has out "Domain: 'b'"

# ---- show_vm, show_cpu_freq
methods '{"status":{"result":{"vms":[{"name":"a","uuid":"U","state":"paused","shmem":"freqring-a","admitted":true,
  "nb_vcpus":3,"quarantined":false,"requests":12,"throttled":3,"refusals":{"bad_op":2},
  "channels":[{"vcpu":0,"path":"/dev/shm/freqring-a.0","connected":true,"requests":7,"refusals":1},
   {"vcpu":1,"path":"/tmp/powermonitor/a.1","connected":false,"quarantined":true},
   {"vcpu":5,"path":"/dev/shm/freqring-a.5","connected":true,"disabled":true,"reason":"ok"}],
  "vcpus":[{"vcpu":0,"present":true,"pcpus":"2","libvirt_pcpus":"2"},
   {"vcpu":1,"present":true,"pcpus":"","libvirt_pcpus":"0-127"},{"vcpu":2,"present":false}]}],
 "poller":{"turns":5,"cpu":1},"control":{"errors":{"denied":4}},
 "libvirt":{"connected":true,"map_latency_us":{"p50":900,"p99":4321,"max":9000,"samples":8}},
 "cpus":[{"cpu":3,"khz":2300000,"manual":true,"manual_wish":"kHz","manual_khz":2300000,"manual_turbo":false,
   "votes":[{"vm":"a","vcpu":0,"wish":"min","khz":800000}]},
  {"cpu":4,"khz":0},{"cpu":5,"khz":1800000,"manual":true,"manual_wish":"max","manual_turbo":true,"writes":9},
  {"cpu":6,"khz":1800000,"manual":true,"manual_wish":"none","manual_turbo":true},
  {"cpu":7,"khz":1700000,"manual":false,"manual_wish":"min","manual_turbo":true}]}}}'
ask 0 show_vm a
sent 'status '
prints "VM: 'a', status = ACTIVE
Channels 3
  [0]: /dev/shm/freqring-a.0, status = CONNECTED
  [1]: /tmp/powermonitor/a.1, status = DISCONNECTED
  [2]: /dev/shm/freqring-a.5, status = DISABLED
Virtual CPU(s): 2
  [0]: Physical CPU Mask 0x4
  [1]: Physical CPU Mask 0xffffffffffffffffffffffffffffffff"
ask 0 show_vm a -o json
has out '"libvirt_pcpus": "2"'
ask 0 show_cpu_freq 0x3
prints 'Core 3 frequency: 2300000'
ask 0 -o json show_cpu_freq 3
has out '"khz": 2300000'
ask 1 show_cpu_freq 4
prints 'Unable to get frequency for core 4'
ask 1 show_cpu_freq 77
prints 'Unable to get frequency for core 77'
has err "CPU 77: freqringd does not manage it"
ask 0 show_cpu_freq_mask 0x28
prints 'Core 3: 2300000
Core 5: 1800000'
ask 0 show_cpu_freq_mask 40 -o json
has out '"cpu": 5'
ask 1 show_cpu_freq_mask 0x18
prints 'Core 3: 2300000'
has err "CPU 4: "
ask 0 status
line out "libvirt -, connected, 0 events, map read 0 times and changed 0, p99 4.3 ms"
has out " operator=2300, no turbo a/0=800"
has out " operator=max"
# Of another CPU of its domain; and one that is not in force yet.
hasnt out "operator=none"
has out " operator=min"
line out "5 - no - - disabled 0 0 -"

# ---- stats
ask 0 stats
prints "Daemon:
  poller.turns=5
  control.errors.denied=4
  cpu.5.writes=9
Domain: 'a'
  requests=12
  throttled=3
  refusals.bad_op=2
  vcpu.0.requests=7
  vcpu.0.refusals=1"
ask 0 stats u -o json
has out '"refusals.bad_op": 2'
hasnt out "poller.turns"
ask 1 stats b
has err "b: freqringd knows no VM"

# ---- release all: those that are set by hand
ask 1 release all
sent 'status {"cpus":"0-1023"}' 'set_cpu_freq {"cpus":"3,5,7","freq":"release"}'

# ---- vm_power_manager's: what is sent, and the lines where it went well
methods '{"add_vm":{"result":{"name":"web"}},"rm_vm":{"result":{"name":"web"}},"set_query":{"result":true},
 "add_channels":{"result":{"added":3}},"set_channel_status":{"result":{"changed":2}},
 "set_vcpupin":{"result":{"vcpu":0,"cpus":"2","live":true,"config":true}},"set_cpu_freq":{"result":{"cpus":2}},
 "status":{"result":{"cpus":[]}}}'
ask 0 add_vm web
sent 'add_vm {"vm":"web"}'
prints ''
ask 0 -o json add_vm web
has out '"name": "web"'
ask 0 rm_vm 'we b"'
sent 'rm_vm {"vm":"we b\""}'
prints ''
ask 0 set_query web enable
sent 'set_query {"enabled":true,"vm":"web"}'
prints ''
ask 0 set_query web disable
sent 'set_query {"enabled":false,"vm":"web"}'
ask 0 add_channels web all
sent 'add_channels {"vcpu":"all","vm":"web"}'
prints "Added 3 channels for VM 'web'"
ask 0 add_channels web 9,0,2-3,2
sent 'add_channels {"vcpu":"0,2-3,9","vm":"web"}'
prints "[0]: Adding channel 9
[1]: Adding channel 0
[2]: Adding channel 2
[3]: Adding channel 3
Enabled 3 channels for 'web'"
ask 0 -o json add_channels web 1
prints '{
  "added": 3
}'
list256=$(seq -s , 0 255)
ask 0 add_channels web "$list256"
sent 'add_channels {"vcpu":"0-255","vm":"web"}'
has out '[255]: Adding channel 255'
ask 0 set_channel_status web 0-3 disabled
sent 'set_channel_status {"enabled":false,"vcpu":"0-3","vm":"web"}'
prints "Updated status of 2 channels for VM 'web'"
ask 0 set_channel_status web all enabled
sent 'set_channel_status {"enabled":true,"vcpu":"all","vm":"web"}'
ask 0 set_pcpu web 0 2
sent 'set_vcpupin {"config":true,"cpus":"2","live":true,"vcpu":0,"vm":"web"}'
prints 'Pinned vCPU(0) to pCPU core 2)'
ask 0 set_pcpu_mask web 1 0x6
sent 'set_vcpupin {"config":true,"cpus":"1-2","live":true,"vcpu":1,"vm":"web"}'
prints 'Pinned vCPU(1) to pCPU core mask(0x6)'
ask 0 set_pcpu_mask web 1 0x80000000000000000000000000000001
sent 'set_vcpupin {"config":true,"cpus":"0,127","live":true,"vcpu":1,"vm":"web"}'
prints 'Pinned vCPU(1) to pCPU core mask(0x80000000000000000000000000000001)'
for word in up down min max enable_turbo disable_turbo; do
	ask 0 set_cpu_freq 3 $word
	sent "set_cpu_freq {\"cpu\":3,\"freq\":\"$word\"}"
	prints ''
done
ask 0 set_cpu_freq 0x3 1800
sent 'set_cpu_freq {"cpu":3,"freq":1800000}'
ask 0 set_cpu_freq_mask 0x2c max
sent 'set_cpu_freq {"cpus":"2-3,5","freq":"max"}'
prints ''
ask 0 set_cpu_freq_mask 6 0x708 -o json
sent 'set_cpu_freq {"cpus":"1-2","freq":1800000}'
has out '"cpus": 2'
ask 0 release 0,2-5
sent 'set_cpu_freq {"cpus":"0,2-5","freq":"release"}'
prints 'released: CPU 0,2-5'
ask 0 release all
sent 'status {"cpus":"0-1023"}'
prints 'no CPU is set by hand'

# ---- and where it did not: its line, ours on stderr, and which status
no='{"error":{"code":-32000,"message":"web: not known"}}'
methods "{\"add_vm\":$no,\"rm_vm\":$no,\"set_query\":$no,\"add_channels\":$no,\"set_channel_status\":$no,
 \"set_vcpupin\":$no,\"set_cpu_freq\":{\"error\":{\"code\":-32602,\"message\":\"CPU 9: not managed\"}}}"
ask 1 add_vm web
prints "Unable to add VM 'web'"
has err "web: not known"
ask 1 rm_vm web
prints "Unable to remove VM 'web'"
ask 1 set_query web enable
prints "Unable to allow query for VM 'web'"
ask 1 set_query web disable
prints "Unable to disallow query for VM 'web'"
ask 1 add_channels web all
prints "Added 0 channels for VM 'web'"
ask 1 add_channels web 4
prints "[0]: Adding channel 4
Enabled 0 channels for 'web'"
ask 1 set_channel_status web 4 enabled
prints "Updated status of 0 channels for VM 'web'"
ask 1 set_pcpu web 0 2
prints 'Unable to pin vCPU(0) to pCPU core 2)'
ask 1 set_pcpu_mask web 0 0x6
prints 'Unable to pin vCPU(0) to pCPU core mask(0x6)'
ask 2 set_cpu_freq 3 up
prints "Error scaling core(3) 'up'"
has err "CPU 9: not managed"
ask 2 set_cpu_freq_mask 0x6 up
prints "Error scaling core_mask(0x6) 'up' , not all cores specified have been scaled"
ask 1 -o json add_vm web
prints ''

# ---- written wrongly: status 2, the word at fault, and nothing sent
refused '0,,2: "" is empty; expected channels from 0 to 255' add_channels web 0,,2
refused '5-2: "5-2" runs backwards' add_channels web 5-2
refused '1-: "1-" does not say where it ends' set_channel_status web 1- enabled
refused 'a: "a" is no number' add_channels web a
refused '0x: "0x" is no number' add_channels web 0x
refused '1,256: "256" is too high' add_channels web 1,256
refused '"99999999999999999999" is too high' add_channels web 99999999999999999999999
refused '2x: "2x" is neither a number nor a range' release 2x
refused '1024: the number of a CPU is 1023 at most' show_cpu_freq 1024
refused '99999999999999999999: the number of a CPU is 1023 at most' show_cpu_freq 99999999999999999999
refused '0x: expected the number of a CPU, decimal or 0x' set_cpu_freq 0x up
refused '3x: expected the number of a CPU' set_cpu_freq 3x up
refused 'downn: no such FREQ (did you mean down?)' set_cpu_freq 3 downn
refused 'fast: expected up, down, min, max, enable_turbo, disable_turbo or a figure in MHz' \
	set_cpu_freq 3 fast
refused '1800000: a figure in MHz is 100000 at most' set_cpu_freq 3 1800000
refused '0: a figure in MHz is 1 at least' set_cpu_freq 3 0
refused '0x0: the mask names no CPU' set_cpu_freq_mask 0x0 up
refused '0xg: expected a mask' show_cpu_freq_mask 0xg
refused 'the mask names CPUs beyond 1023' show_cpu_freq_mask "0x1$(printf '%0256d' 0)"
refused 'enable: no such STATUS (did you mean enabled?)' set_channel_status web all enable
refused 'perhaps: expected enable or disable' set_query web perhaps
refused 'a/b: the name of a VM has no slash' add_vm a/b
refused 'a?b: the name of a VM has no control characters' add_vm "$(printf 'a\033b')"
refused 'the name of a VM is UTF-8' add_vm "$(printf 'a\377')"
refused ': an empty name of a VM' rm_vm ''
refused 'c: one argument too many; usage: freqring set_query VM QUERY' set_query a enable c
refused 'set_pcpu: PCPU is missing; usage: freqring set_pcpu VM VCPU PCPU' set_pcpu a 0
refused 'add_vm: VM is missing' add_vm
refused '70000: the number of a vCPU is 65535 at most' set_pcpu a 70000 1
refused 'set_cpu_frq: no such command (did you mean set_cpu_freq?)' set_cpu_frq 3 up
refused '--live goes with freqring attach, detach, vcpupin' list --live

# ---- attach, detach
methods '{"attach":{"result":{"name":"web","xml":"<shmem name=\"freqring-web\">\n</shmem>",
  "live":{"done":false,"text":"no free root port"},"config":{"done":true,"text":"attached"},"text":"restart it"}},
 "detach":{"result":{"name":"web","live":{"done":true,"text":"gone"},"config":{"done":false,"text":"has none"}}}}'
ask 0 attach web
sent 'attach {"vm":"web"}'
prints 'live: no free root port
in its definition: attached
restart it'
ask 1 attach web --live --serial 4
sent 'attach {"live":true,"serial":4,"vm":"web"}'
ask 0 attach web --config --print
sent 'attach {"config":true,"print":true,"vm":"web"}'
has out '<shmem name="freqring-web">'
has out '</shmem>'
ask 0 -o json attach web
has out '"text": "no free root port"'
ask 0 detach --serial web
sent 'detach {"serial":true,"vm":"web"}'
prints 'live: gone
in its definition: has none'
# The option of one name that takes no value, before the command.
ask 0 --serial detach web
sent 'detach {"serial":true,"vm":"web"}'
ask 0 --serial 2 attach web
sent 'attach {"serial":2,"vm":"web"}'
refused 'frob: no such command' --serial 2 frob web
ask 1 detach web --config
refused "--serial x: expected a number" attach web --serial x
refused "--print goes with freqring attach" detach web --print

# ---- guests that sleep
methods '{"get_powerstate":{"result":{"name":"web","uuid":"u","state":"suspended to disk","since_ms":1000,"for_ms":125000,
  "wake_in_ms":3720000,"served":false,"votes":[{"vcpu":0,"cpus":"4","wish":"kHz","khz":1800000,"holds":false,"granted_khz":0,"reason":""},
  {"vcpu":1,"cpus":"5","wish":"max","khz":0,"holds":true,"granted_khz":2301000,"reason":"ok"}]}},
 "set_powerstate":{"result":{"name":"web","state":"suspended to memory","took_ms":1234}}}'
ask 0 domstate web
sent 'get_powerstate {"vm":"web"}'
has out 'suspended to disk'
has out ', for 2 min 5 s'
has out 'wakes   in 1 h 2 min'
has out '0     4     1800 MHz  no     -         -'
has out '1     5     max       yes    2301 MHz  ok'
ask 0 powerstate web -o json
sent 'get_powerstate {"vm":"web"}'
has out '"for_ms": 125000'
ask 0 dompmsuspend web mem
sent 'set_powerstate {"state":"mem","timeout":30,"vm":"web"}'
prints 'VM web: suspended to memory after 1.2 s'
ask 0 dompmsuspend web disk 300
sent 'set_powerstate {"seconds":300,"state":"disk","timeout":120,"vm":"web"}'
ask 0 dompmsuspend web --target hybrid --duration 7 --timeout 9
sent 'set_powerstate {"seconds":7,"state":"hybrid","timeout":9,"vm":"web"}'
ask 0 dompmsuspend web mem --duration 0
sent 'set_powerstate {"state":"mem","timeout":30,"vm":"web"}'
ask 0 powerstate web disk 60
sent 'set_powerstate {"seconds":60,"state":"disk","timeout":120,"vm":"web"}'
ask 0 dompmwakeup web -o json
sent 'set_powerstate {"state":"running","timeout":30,"vm":"web"}'
has out '"took_ms": 1234'
refused "mem, disk or hybrid?" dompmsuspend web
refused "--target or the argument TARGET, not both" dompmsuspend web mem --target disk
refused "ram: expected" dompmsuspend web ram
refused "x: expected a number" dompmsuspend web mem x
refused "off: expected" powerstate web off
methods '{"set_powerstate":{"error":{"code":-32000,"message":"VM web: its guest did not suspend within 30 s"}}}'
ask 1 dompmsuspend web mem
has err "did not suspend within 30 s"
# longer than other commands wait
methods '{"set_powerstate":{"delay_ms":5300,"result":{"name":"web","state":"running","took_ms":5300}}}'
ask 0 dompmwakeup web
prints 'VM web: running after 5.3 s'

# ---- the host that does
methods '{"get_nodepm":{"result":{"mem":{"verdict":"broken","why":"libvirt would run pm-suspend","libvirt":"yes","logind":"yes"},
  "disk":{"verdict":"no","why":"no swap","libvirt":"no","logind":"na"},"hybrid":{"verdict":"unknown","why":"","libvirt":"unknown","logind":"unknown"},
  "kernel":{"state":"freeze mem","mem_sleep":"[deep]","disk":""}}},
 "nodesuspend":{"result":{"target":"mem","seconds":60,"sleeps_in_ms":10000,"told":2}}}'
ask 1 nodepm
sent 'get_nodepm '
prints 'SLEEP          VERDICT                    LIBVIRT  LOGIND   WHY
S3 (mem)       yes, but it will not work  yes      yes      libvirt would run pm-suspend
S4 (disk)      no                         no       na       no swap
both (hybrid)  unknown                    unknown  unknown  -
kernel  state: freeze mem; mem_sleep: [deep]; disk: -'
ask 1 nodepm -o json
has out '"verdict": "broken"'
ask 0 nodesuspend mem 60
sent 'nodesuspend {"seconds":60,"target":"mem","verify":false}'
prints 'the host sleeps in 10 s, for 60 s (mem); 2 VMs told'
methods '{"get_nodepm":{"result":{"mem":{"verdict":"yes","why":"","libvirt":"yes","logind":"yes"}}},
 "nodesuspend":{"result":{"target":"disk","seconds":60,"slept":true,"slept_ms":51234,"why":"","alarm_cleared":false}}}'
ask 0 nodepm
ask 0 nodesuspend --target disk --duration 60 --verify
sent 'nodesuspend {"seconds":60,"target":"disk","verify":true}'
prints 'the host slept for 51.2 s'
methods '{"nodesuspend":{"result":{"target":"mem","seconds":60,"slept":false,"slept_ms":0,"why":"the kernel gave it up","alarm_cleared":true}}}'
ask 1 nodesuspend mem 60 --verify
prints 'the host did not sleep: the kernel gave it up
the alarm that was to wake it up was still set, and is cleared'
refused "for how many SECONDS?" nodesuspend mem
refused "mem, disk or hybrid?" nodesuspend
refused "--verify goes with freqring nodesuspend" nodepm --verify

# ---- reload
methods '{"reload":{"result":{"changed":["[vms] allow"],"restart":["[daemon] poller_cpu"]}}}'
ask 0 reload
prints 'changed           [vms] allow
needs a restart   [daemon] poller_cpu'
ask 0 reload -o json
has out '"[daemon] poller_cpu"'
methods '{"reload":{"result":{"changed":[],"restart":[]}}}'
ask 0 reload
prints 'nothing changed'

# ---- a method that asks libvirt is given more than 5 seconds
methods '{"list":{"delay_ms":5300,"result":{"connected":false,"vms":[]}}}'
ask 0 list
has err "libvirt is not connected"

# ---- event
note() {
	printf '{"jsonrpc":"2.0","method":"event","params":{"number":%d,"time":"T%d","kind":"%s","vm":%s,"text":"%s"}}' \
		"$@"
}
then="$(note 8 8 drift '"web"' one),$(note 9 9 refused null two),$(note 10 10 drift '"db"' 'th\u001bree')"
vms='{"result":{"connected":true,"vms":[{"name":"web","uuid":"U1"},{"name":"db","uuid":"U2"}]}}'
methods "{\"event_subscribe\":{\"result\":{\"last\":7},\"then\":[$then]},\"list\":$vms}"
ask 0 event
sent 'event_subscribe '
prints "event 'drift' for domain 'web': one
events received: 1"
ask 0 event --loop --timeout 1 --timestamp
prints "T8: event 'drift' for domain 'web': one
T9: event 'refused': two
T10: event 'drift' for domain 'db': th?ree
event loop timed out
events received: 3"
ask 0 event u2 --loop --timeout 1 --kind drift,refused
sent 'list ' 'event_subscribe '
prints "event 'drift' for domain 'db': th?ree
event loop timed out
events received: 1"
ask 0 event --kind refused -o json
prints '{"number":9,"time":"T9","kind":"refused","vm":null,"text":"two"}'
ask 1 event --kind online,drifft --timeout 1
has err "--kind drifft: did you mean drift?"
prints 'event loop timed out
events received: 0'
ask 1 event nobody
has err "nobody: libvirt knows no VM"
sent 'list '
refused "--timeout 0: a number is 1 at least" event --timeout 0
refused "--kind drift,: expected words like" event --kind drift,

# what is kept comes first, and none comes twice
methods "{\"event_subscribe\":{\"result\":{\"last\":8},\"then\":[$(note 9 9 drift null nine)]},
 \"events\":{\"result\":{\"last\":9,\"lost\":3,\"events\":[{\"number\":8,\"kind\":\"drift\",\"text\":\"eight\"},
  {\"number\":9,\"kind\":\"drift\",\"text\":\"nine\"}]},\"then\":[$(note 9 9 drift null nine),$(note 10 10 drift null ten)]}}"
ask 0 event --since 7 --loop --timeout 1
sent 'event_subscribe ' 'events {"since":7}'
has err "3 events before these are not kept any more"
prints "event 'drift': eight
event 'drift': nine
event 'drift': ten
event loop timed out
events received: 3"

# the daemon goes away meanwhile, does not know the method, or is not there
methods "{\"event_subscribe\":{\"result\":{\"last\":7},\"then\":[$(note 8 8 drift null one)],\"close\":true}}"
ask 1 event --loop
has out "event 'drift': one"
has err "the connection broke: Connection reset by peer"
methods '{}'
ask 1 event
has err "no such method"
run 1 -s "$dir/none" event
has err "freqringd is not running"

# Ctrl-C ends it, with what it has
methods "{\"event_subscribe\":{\"result\":{\"last\":7},\"then\":[$(note 8 8 drift null one)]}}"
what="freqring event --loop, and Ctrl-C"
: >"$dir/out"
# A background command of a script ignores SIGINT, unless it is asked not to.
env --default-signal=INT "$freqring" -s "$sock" event --loop >"$dir/out" 2>"$dir/err" &
event_pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	grep -q one "$dir/out" && break
	sleep 0.1
done
kill -INT "$event_pid"
wait "$event_pid" || { echo "FAIL: $what: exit status $?"; failed=1; }
prints "event 'drift': one
event loop interrupted
events received: 1"
