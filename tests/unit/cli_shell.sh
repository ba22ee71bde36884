# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# cli_shell.sh - part of test_cli.sh: freqring shell, and completion in bash
# shellcheck disable=SC2034,SC2154 # variables of test_cli.sh

# shell STATUS: run $dir/script, with what is sent in $dir/record
shell() {
	: >"$record"
	what="freqring shell"
	"$freqring" -s "$sock" shell <"$dir/script" >"$dir/out" 2>"$dir/err"
	status=$?
	if [ "$status" -ne "$1" ]; then
		echo "FAIL: $what: exit status $status, expected $1"
		cat "$dir/script" "$dir/err"
		failed=1
	fi
}

methods '{"add_vm":{"result":{"name":"web"}},"rm_vm":{"error":{"code":-32000,"message":"web: not added"}},
 "set_query":{"result":true},"add_channels":{"result":{"added":256}},"set_channel_status":{"result":{"changed":1}},
 "set_vcpupin":{"result":{"vcpu":0,"cpus":"2","live":true,"config":true}},"set_cpu_freq":{"result":{"cpus":1}},
 "status":{"result":{"cpus":[{"cpu":3,"khz":2300000}],"vms":[]}},
 "list":{"result":{"connected":true,"vms":[{"name":"web server"},{"name":"db"}]}},
 "event_subscribe":{"result":{"last":7},"then":['"$(note 8 8 drift '"db"' one)"']}}'

# ---- a script of vm_power_manager's
cat >"$dir/script" <<END
# comment

add_vm web   # and another
add_channels web $(seq -s , 0 255)
set_channel_status web 0 disabled ; set_channel_status 'web ;#1' 0 "enabled"
	set_pcpu "web" 0 2
set_cpu_freq 3 max;;show_cpu_freq 3
set_query we\\ b#2 enable
quit
add_vm never
END
shell 0
sent 'add_vm {"vm":"web"}' 'add_channels {"vcpu":"0-255","vm":"web"}' \
	'set_channel_status {"enabled":false,"vcpu":0,"vm":"web"}' \
	'set_channel_status {"enabled":true,"vcpu":0,"vm":"web ;#1"}' \
	'set_vcpupin {"config":true,"cpus":"2","live":true,"vcpu":0,"vm":"web"}' \
	'set_cpu_freq {"cpu":3,"freq":"max"}' 'status {"cpus":"3"}' \
	'set_query {"enabled":true,"vm":"we b#2"}'
grep -v 'Adding channel' "$dir/out" >"$dir/out.short"
mv "$dir/out.short" "$dir/out"
prints "Enabled 256 channels for 'web'
Updated status of 1 channels for VM 'web'
Updated status of 1 channels for VM 'web ;#1'
Pinned vCPU(0) to pCPU core 2)
Core 3 frequency: 2300000"
[ -s "$dir/err" ] && { echo "FAIL: $what: messages"; cat "$dir/err"; failed=1; }

# ---- failures are reported with their line, and the next command runs
cat >"$dir/script" <<'END'
add_vm a
frob; rm_vm web

show_cpu_freq --frob 3
set_cpu_freq 3
add_vm 'a
shell
add_vm b
END
shell 2
sent 'add_vm {"vm":"a"}' 'rm_vm {"vm":"web"}' 'add_vm {"vm":"b"}'
line err "freqring: line 2: frob: no such command, see freqring help"
line err "freqring: line 2: web: not added"
line out "Unable to remove VM 'web'"
line err "freqring: line 4: unrecognized option '--frob'"
has err "freqring: line 5: set_cpu_freq: FREQ is missing"
has err "freqring: line 6: a quote or a backslash has no end"
has err "freqring: line 7: shell: this is one"
printf 'add_vm a\nrm_vm web\nadd_vm b' >"$dir/script"
shell 1
# From a machine whose lines end otherwise; in the middle of a line it is no end.
printf '# all of it\r\n\r\nadd_vm a\r\nset_cpu_freq 3 max\r\nset_query a\rb enable\r\nquit\r\nadd_vm never\r\n' \
	>"$dir/script"
shell 2
sent 'add_vm {"vm":"a"}' 'set_cpu_freq {"cpu":3,"freq":"max"}'
has err "freqring: line 5: a?b: the name of a VM has no control characters"
printf 'add_vm a\n\0add_vm b\nadd_vm c\n' >"$dir/script"
shell 2
has err "freqring: line 2: a line of text has no zero bytes"
sent 'add_vm {"vm":"a"}' 'add_vm {"vm":"c"}'
: >"$dir/script"
shell 0
# options hold for their line, and those of the shell for all
printf 'list --name -o json\nlist --name\nexit' >"$dir/script"
shell 0
prints '[
  "web server",
  "db"
]
web server
db'
printf 'list --name\nlist --name -o table\n' | "$freqring" -o json -s "$sock" shell >"$dir/out"
prints '[
  "web server",
  "db"
]
web server
db'
ask 2 shell x
if [ -w /dev/full ]; then
	what="freqring shell >/dev/full"
	printf 'list\nadd_vm never\n' | "$freqring" -s "$sock" shell >/dev/full 2>"$dir/err"
	has err "line 1: output: No space left on device"
fi

# ---- on a terminal
if command -v python3 >/dev/null; then
	: >"$record"
	what="freqring shell on a terminal"
	python3 "$here/cli_terminal.py" "$freqring" "$sock" "$dir/state" || failed=1
	grep -qx 'set_channel_status {"enabled":true,"vcpu":"all","vm":"web server"}' "$record" || {
		echo "FAIL: $what: not sent"
		cat "$record"
		failed=1
	}
fi

# ---- completion in bash
# completes WORD... -- REPLY...: of the last word, which may be empty
completes() {
	what="completion of: $*"
	bash -c '
		. "$1"
		program=$2
		shift 2
		while [ "$1" != -- ]; do words+=("$1"); shift; done
		shift
		COMP_WORDS=("$program" "${words[@]}")
		COMP_CWORD=${#words[@]}
		_freqring "$program"
		diff <(printf "%s\n" "$@" | sort) <(printf "%s\n" "${COMPREPLY[@]}" | sort)
	' bash "$dir/completion" "$freqring" "$@" >"$dir/out" 2>&1 || {
		echo "FAIL: $what:"
		cat "$dir/out"
		failed=1
	}
}

if command -v bash >/dev/null; then
	run 0 completion bash
	cp "$dir/out" "$dir/completion"
	run 2 completion zsh
	has err "zsh: expected bash"
	completes set_p -- set_pcpu set_pcpu_mask
	completes -s "$sock" set_c -- set_channel_status set_cpu_freq set_cpu_freq_mask
	completes --socket "$sock" status '' -- 'web\ server' db
	completes -s "$sock" status 'we' -- 'web\ server'
	completes -s "$sock" status web '' -- ''
	completes -s "$dir/none" status '' -- ''
	completes set_channel_status web 0 e -- enabled
	completes set_cpu_freq 3 '' -- up down min max enable_turbo disable_turbo
	completes event --l -- --loop
	completes status --l -- ''
	completes event --kind dr -- drift drift-over
	completes event --kind drift --lo -- --loop
	completes -o '' -- table json
	completes attach --serial 4 --pr -- --print
	completes detach --serial --pr -- ''
	completes help verif -- verify
	completes release a -- all
fi
