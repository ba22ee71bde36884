#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# make bench: everything that freqring claims, measured on this machine in one run,
# with DPDK's vm_power_mgr and the physical limit beside it.
#
#	bench/run.sh BUILDDIR
#
#	QUICK=1		fewer samples, and no test host: under 2 minutes
#
# Leaves in BUILDDIR/bench: results.json, report.html, ID.hgrm for each latency (the
# percentile text of HdrHistogram), raw.jsonl (each run), log. Prints a line a step
# with the time left, about, and a screenful at the end. What cannot be measured is in
# results.json with the reason; only a run that measured nothing at all fails.
set -u

here=$(cd "$(dirname "$0")" && pwd)
FR_BUILD=$(cd "${1:?usage: run.sh BUILDDIR}" && pwd)
# shellcheck source=tests/vm/lib.sh
. "$here/../tests/vm/lib.sh"
# shellcheck source=tests/vm/freqring.sh
. "$here/../tests/vm/freqring.sh"
# shellcheck source=tests/vm/peer.sh
. "$here/../tests/vm/peer.sh"
# shellcheck source=tests/vm/vhost.sh
. "$here/../tests/vm/vhost.sh"
# shellcheck source=tests/host/lib.sh
. "$here/../tests/host/lib.sh"

quick=${QUICK:-0}
runs=5
out=$FR_BUILD/bench
raw=$out/raw.jsonl
log=$out/log
bench=$out/freqring-bench
guest_cpu=0
# QEMU's other threads, beside the guest where there is no CPU for them.
emulator_cpu=$(($(nproc) > 2 ? 1 : 0))
poller_cpu=$FR_POLLER_CPU
vm=bench$$
port_vm=$vm-port
shm=freqring-bench.$$
word=frqbench-bench.$$

# few SAMPLES QUICK_SAMPLES
few()
{
	[ "$quick" = 1 ] && echo "$2" || echo "$1"
}

limit=$(few 870 112)

# ---- steps ---------------------------------------------------------------------
# A step is a function, what it is called, how long it takes and which ids it gives.

steps=()
began=$SECONDS

# step SECONDS QUICK_SECONDS FUNCTION TITLE ID...: 0 quick seconds: not in QUICK=1
step()
{
	steps+=("$*")
}

time_text()
{
	printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# Reports that an id was not measured; what was counts all the same.
skipped()	# WHY ID...
{
	local id why=${1//[\"\\]/}

	shift
	for id; do
		printf '{"id":"%s","skipped":"%s"}\n' "$id" "${why//[$'\t\n\r']/ }" >>"$raw"
	done
}

run_steps()
{
	local entry seconds short function title ids left=0 done=0 expected
	local -a words

	for entry in "${steps[@]}"; do
		read -r seconds short _ <<<"$entry"
		left=$((left + $(few "$seconds" "$short")))
	done
	for entry in "${steps[@]}"; do
		IFS='|' read -r entry title ids <<<"$entry"
		read -r seconds short function <<<"$entry"
		read -ra words <<<"$ids"
		expected=$(few "$seconds" "$short")
		done=$((done + 1))
		if [ "$quick" = 1 ] && [ "$short" = 0 ]; then
			skipped "QUICK=1" "${words[@]}"
			continue
		fi
		printf '%2d/%d  %5s left  %s\n' "$done" "${#steps[@]}" "$(time_text "$left")" "$title"
		left=$((left - expected))
		if [ $((SECONDS - began + expected)) -gt "$limit" ]; then
			skipped "no time left: the machine was too slow" "${words[@]}"
			continue
		fi
		printf '== %s: %s\n' "$SECONDS" "$title" >>"$log"
		if ! "$function" 2>>"$log"; then
			printf '       not measured: %s\n' "$(tail -n 1 "$log")"
			skipped "failed: $(tail -n 1 "$log")" "${words[@]}"
		fi
		[ "$VM_STARTED" != suspended ] || vm_resume
	done
}

# ---- what the tools print --------------------------------------------------------

# keep ID[=AS]...: of the lines on standard input those
keep()
{
	local line map id kept=1

	while IFS= read -r line; do
		id=${line#*\"id\":\"}
		id=${id%%\"*}
		for map; do
			[ "${map%%=*}" = "$id" ] || continue
			printf '%s\n' "${line/\"id\":\"$id\"/\"id\":\"${map#*=}\"}" >>"$raw"
			kept=0
		done
	done
	return "$kept"
}

# host KEEP... -- ARGUMENT...: a subcommand here
host()
{
	local -a maps=()

	while [ "$1" != -- ]; do
		maps+=("$1")
		shift
	done
	shift
	timeout 120 "$bench" -o json "$@" </dev/null | keep "${maps[@]}"
}

# guest KEEP... -- ARGUMENT...: a subcommand in the guest
guest()
{
	guest_program freqring-bench-guest "$@"
}

guest_program()
{
	local -a maps=()
	local program=$1

	shift
	while [ "$1" != -- ]; do
		maps+=("$1")
		shift
	done
	shift
	vm_exec "$vm" --timeout 120 "$program -o json $* 2>/tmp/err || { cat /tmp/err; exit 1; }" \
		>"$VM_WORKDIR/said" || { grep -v '^{' "$VM_WORKDIR/said" >&2; return 1; }
	keep "${maps[@]}" <"$VM_WORKDIR/said"
}

# times N COMMAND...
times()
{
	local i n=$1

	shift
	for ((i = 0; i < n; i++)); do
		"$@" || return
	done
}

VM_STARTED=

vm_pause()
{
	[ -z "$VM_STARTED" ] || vm_virsh suspend "$vm" >/dev/null
	VM_STARTED=${VM_STARTED:+suspended}
}

vm_resume()
{
	vm_virsh resume "$vm" >/dev/null
	VM_STARTED=running
}

# ---- on the host -------------------------------------------------------------------

host_environment()
{
	host environment -- stalls -t 1 "$guest_cpu" "$poller_cpu" &&
		printf '{"id":"environment","accelerator":"%s","backend":"%s","commit":"%s","qemu":"%s","libvirt":"%s","dpdk":"%s","load":"%s","pinning":"guest, posting thread: CPU %s; poller, applier: CPU %s","quick":%s,"date":"%s"}\n' \
			"${VM_ACCEL^^}" "$(fr_backend)" \
			"$(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)" \
			"$(qemu-system-x86_64 --version | sed -n 's/.*version \([^ ]*\).*/\1/p')" \
			"$(virsh --version)" "$(pkg-config --modversion libdpdk)" \
			"$(cut -d' ' -f1-3 /proc/loadavg)" "$guest_cpu" "$poller_cpu" \
			"$([ "$quick" = 1 ] && echo true || echo false)" "$(date -u +%Y-%m-%dT%H:%MZ)" >>"$raw"
}

host_stalls()
{
	host "stalls_cpu$guest_cpu" "stalls_cpu$poller_cpu" -- stalls -t "$(few 10 3)" "$guest_cpu" "$poller_cpu"
}

# What the ring makes of a cache line, beside it and in turn.
limits_round()
{
	host pingpong_rtt -- pingpong -n "$(few 400000 100000)" "$guest_cpu" "$poller_cpu" &&
		host post_credit=post_cost post_stream=post_stream_cost post_repeat=repeat_cost \
			query=query_cost consumed_rtt=ring_host_rtt -- \
			post-cost -c "$guest_cpu" -s "$poller_cpu" -r "$(few 9 3)"
}

host_limits()
{
	times "$runs" limits_round
}

host_wake()
{
	times "$runs" host eventfd_wake -- eventfd -n "$(few 4000 1000)" "$guest_cpu" "$poller_cpu"
}

host_instructions()
{
	local name seen

	"$here/instructions.sh" "$FR_BUILD" | while read -r name seen; do
		printf '{"id":"%s_instructions","unit":"instructions","values":[%s]}\n' "$name" "$seen" >>"$raw"
	done
}

host_throughput()
{
	host freqring=ring_bare_throughput freqring_poller=ring_throughput rte_ring=rte_ring_throughput_1 \
		rte_ring_bursts=rte_ring_throughput_32 -- \
		ring-vs-rte -c "$guest_cpu" -C "$poller_cpu" -n "$(few 4000000 1000000)" || return
	host ring_throughput_64 -- throughput -c "$guest_cpu" -C "$poller_cpu" -k 64 -n "$(few 4000000 1000000)" &&
		host ring_throughput_4096 -- throughput -c "$guest_cpu" -C "$poller_cpu" -n "$(few 4000000 1000000)"
}

scale_at()
{
	local k

	for k in $(few "1 4 16 64 256 1024 4096" "1 64 1024 4096"); do
		host "scale_${k}_rtt" "scale_${k}_turn" "scale_${k}_vm_memory" -- \
			scale -c "$guest_cpu" -C "$poller_cpu" -k "$k" -n "$(few 200000 50000)" || return
	done
}

host_scale()
{
	times "$runs" scale_at
}

host_scale_open()
{
	local k i

	for ((i = 0; i < runs; i++)); do
		for k in 1 4096; do
			host "scale_${k}_rtt_open_200" -- \
				scale -c "$guest_cpu" -C "$poller_cpu" -k "$k" -r 200 -n 400 || return
		done
	done
}

host_storm()
{
	local i

	for ((i = 0; i < runs; i++)); do
		host storm_1_neighbour_rtt=storm_neighbour_rtt storm_1_flood=storm_flood -- \
			storm -c "$guest_cpu" -C "$poller_cpu" -n "$(few 3000 1000)" || return
		[ "$quick" = 1 ] && continue
		host storm_64_neighbour_rtt storm_64_flood -- \
			storm -f 64 -c "$guest_cpu" -C "$poller_cpu" -n 3000 || return
		host storm_0_neighbour_rtt=calm_neighbour_rtt -- \
			storm -f 0 -c "$guest_cpu" -C "$poller_cpu" -n 1500 || return
		host storm_1_neighbour_rtt_no_applier=storm_neighbour_rtt_no_applier -- \
			storm -w -c "$guest_cpu" -C "$poller_cpu" -n 2000 || return
		host storm_64_neighbour_rtt_no_applier -- \
			storm -w -f 64 -c "$guest_cpu" -C "$poller_cpu" -n 2000 || return
	done
}

# The daemon's own librte_power, in a mount namespace with a sysfs of plain files.
host_applied()
{
	local i

	times "$runs" host request_to_written=ring_applied_simulated -- \
		applied -s -c "$guest_cpu" -C "$poller_cpu" -k "$guest_cpu" -n "$(few 2000 500)" || return
	if [ "$(id -u)" -ne 0 ] || ! unshare -m true; then
		echo "a mount namespace for a simulated sysfs is for root" >&2
		return 1
	fi
	peer_tree "$VM_WORKDIR/tree"
	for ((i = 0; i < runs; i++)); do
		# shellcheck disable=SC2016
		timeout 60 unshare -m sh -c 'mount --make-rprivate / &&
			mount --bind "$1" /sys/devices/system/cpu && shift && exec "$@"' \
			sh "$VM_WORKDIR/tree" "$bench" -o json applied -c "$guest_cpu" -C "$poller_cpu" \
			-k "$guest_cpu" -n "$(few 2000 500)" </dev/null |
			keep request_to_written=ring_applied rte_power_min_max=bare_power_call \
				rte_power_repeat=freq_max_native || return
	done
}

# The front end is DPDK's net_virtio_user, in the same process.
host_vhost()
{
	times "$runs" host vhost_rtt bare_vhost_rtt vhost_one_way bare_vhost_one_way turn=vhost_turn \
		turn_idle_vhost=vhost_turn_idle idle_vhost_cost bare_vhost_empty -- \
		vhost -c "$guest_cpu" -C "$poller_cpu" -n "$(few 20000 2000)"
}

# What l3fwd-power would call, with the stand-in for librte_power preloaded.
host_power_cost()
{
	local library=$FR_BUILD/guest/power/libfreqring-power.so

	if ! "$bench" -h | grep -q '^power-cost ' || [ ! -e "$library" ]; then
		echo "this build has no libfreqring-power.so" >&2
		return 1
	fi
	LD_PRELOAD=$library timeout 120 "$bench" -o json power-cost -c "$guest_cpu" -s "$poller_cpu" </dev/null |
		keep power_repeat=freq_max_freqring power_change=freq_change_freqring
}

# ---- in a guest ----------------------------------------------------------------------

boot()
{
	local devices

	vm_libvirt_start || return
	VM_PINS="0:$guest_cpu" VM_EMULATORPIN=$emulator_cpu VM_CMDLINE="freqring.modules=1"
	vm_own_shm "$word"
	truncate -s 1M "/dev/shm/$word"
	chgrp "$VM_QEMU_GROUP" "/dev/shm/$word"
	chmod 660 "/dev/shm/$word"
	mkdir -p "$VM_WORKDIR/g/ports"
	[ "$(id -u)" -ne 0 ] || chown "$VM_QEMU_USER:$VM_QEMU_GROUP" "$VM_WORKDIR/g/ports"
	devices="<shmem name='$word' role='master'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>"
	VM_XML_DEVICES="$devices$(peer_channel "$vm" "$VM_WORKDIR/g/ports" 0)"
	vm_xml "$vm" 1 "$shm" | vm_define && vm_start "$vm" || return
	VM_STARTED=running
	FR_CONFIG="[power]
write_limit = 100000
[vms]
allow = $vm, $port_vm"
	fr_start && fr_wait 20 "$vm .*running" || return
	guest environment=guest_environment -- stalls -t 1 0
}

# The daemon stands still while the bare process has its CPU.
bare_word()	# OPTION...
{
	local bounce status=0

	kill -STOP "$FR_PID"
	timeout 60 "$bench" bounce-host -c "$poller_cpu" -t 50 "/dev/shm/$word" </dev/null >/dev/null &
	bounce=$!
	guest bounce_rtt=bare_word_guest_rtt bounce_rtt_open_10000=bare_word_guest_rtt_open_10000 -- \
		bounce-guest "$@" || status=1
	kill "$bounce" 2>/dev/null
	wait "$bounce" 2>/dev/null
	kill -CONT "$FR_PID"
	return "$status"
}

guest_round()
{
	bare_word -n "$(few 400000 100000)" &&
		guest ring_rtt -- rtt -n "$(few 400000 100000)" &&
		guest ring_wish_rtt -- rtt -m wish -n "$(few 100000 20000)" &&
		guest ring_applied_rtt -- rtt -m applied -n "$(few 50000 10000)"
}

guest_rings()
{
	times "$runs" guest_round
}

open_round()
{
	bare_word -r 10000 -n 20000 &&
		guest ring_rtt_open_10000 -- rtt -r 10000 -n 20000 &&
		guest ring_rtt_open_1000 -- rtt -r 1000 -n 1500 &&
		guest ring_applied_rtt_open_1000 -- rtt -m applied -r 1000 -n 1500
}

guest_open()
{
	times "$runs" open_round
}

guest_calls()
{
	guest post_credit="post_cost_$VM_ACCEL" post_stream="post_stream_cost_$VM_ACCEL" \
		post_repeat="repeat_cost_$VM_ACCEL" query="query_cost_$VM_ACCEL" -- post-cost || return
	[ "$VM_ACCEL" = tcg ] || skipped "the guest runs under KVM: see the ids with _kvm" \
		post_cost_tcg repeat_cost_tcg query_cost_tcg
}

guest_serial()
{
	times "$runs" guest serial_rtt serial_write_cost -- serial -n "$(few 4000 500)" &&
		times "$runs" guest serial_throughput -- serial -w 32 -n "$(few 8000 2000)"
}

# A process in freqringd's place, on the CPU of its control thread.
bare_serial()
{
	local echo status=0

	fr_stop
	timeout 60 "$bench" serial-echo -c "$guest_cpu" "$VM_WORKDIR/g/ports/$vm.0" </dev/null >&2 &
	echo=$!
	{ times "$runs" guest serial_rtt=bare_serial_rtt -- serial -n "$(few 4000 500)" &&
		times "$runs" guest serial_throughput=bare_serial_throughput -- serial -w 32 -n "$(few 8000 2000)"; } || status=1
	kill "$echo" 2>/dev/null
	wait "$echo" 2>/dev/null
	return "$status"
}

guest_serial_open()
{
	times "$runs" guest serial_rtt_open_1000 -- serial -r 1000 -n 1000
}

# DPDK's own librte_power in the guest. udev would have made the link.
guest_vm_channel()
{
	vm_exec "$vm" 'mkdir -p /dev/virtio-ports && for p in /sys/class/virtio-ports/*; do
		ln -sf "/dev/${p##*/}" "/dev/virtio-ports/$(cat "$p/name")"; done' &&
		times "$runs" guest_program freqring-bench-vm-channel vm_channel=freq_max_kvm_vm -- \
			vm-channel -n "$(few 2000 500)"
}

# A VM of its own, while the other one stands still: its memory is shared with the daemon.
guest_vhost()
{
	vm_pause
	local vm=$port_vm VM_CMDLINE="freqring.modules=1 $VHOST_CMDLINE" VM_XML_DOMAIN=$VHOST_DOMAIN VM_XML_DEVICES status=0

	VM_XML_DEVICES=$(vhost_port "$VM_WORKDIR/g/$vm/freqring-$vm.sock")
	vm_xml "$vm" 1 | vm_define && vm_start "$vm" || return
	{ vm_exec "$vm" "$VHOST_INSMOD" && fr_wait 20 "$vm .*vhost-user" &&
		times "$runs" guest vhost_guest_rtt -- rtt -T vhost-user -n "$(few 4000 500)" &&
		times "$runs" guest vhost_guest_applied_rtt -- rtt -T vhost-user -m applied -n "$(few 2000 500)"; } || status=1
	vm_stop "$vm"
	return "$status"
}

daemon_idle()
{
	host idle_cpu -- cpu-share -r "$runs" -t "$(few 2000 500)" "$FR_PID"
}

# ---- the peer ------------------------------------------------------------------------

# peer PROGRAM: in freqringd's place, on a sysfs of plain files
peer()
{
	[ "$(id -u)" -eq 0 ] || { echo "a mount namespace for vm_power_mgr is for root" >&2; return 1; }
	fr_stop
	peer_end
	: >"$VM_WORKDIR/peer.log"
	rm -rf "$VM_WORKDIR/tree"
	peer_tree "$VM_WORKDIR/tree"
	peer_run "$vm" "$1" "$peer_shim" "$VM_WORKDIR/tree" "$VM_WORKDIR/g/ports" && return
	cat "$VM_WORKDIR/peer.log" >&2
	echo "vm_power_mgr does not serve the guest" >&2
	return 1
}

PEER_PID=

peer_end()
{
	[ -z "$PEER_PID" ] || peer_kill
	PEER_PID=
}

peer_unmodified()
{
	local program

	program=$(peer_build "$FR_BUILD" vm_power_mgr) && peer_shim=$(peer_shim "$FR_BUILD") &&
		peer "$program" || return
	host idle_cpu=peer_idle_cpu -- cpu-share -r "$runs" -t "$(few 2000 500)" "$PEER_PID" &&
		times "$runs" guest serial_rtt=peer_rtt -- serial -n "$(few 2000 300)" &&
		times "$runs" guest serial_throughput=peer_throughput -- serial -w 32 -n "$(few 2000 500)"
}

peer_open()
{
	times "$runs" guest serial_rtt_open_100=peer_rtt_open_100 -- serial -r 100 -n 200
}

peer_no_delay()
{
	local program

	program=$(peer_build_no_delay "$FR_BUILD") && peer "$program" || return
	times "$runs" guest serial_rtt=peer_rtt_no_delay -- serial -n "$(few 2000 300)" || return
	host idle_cpu=peer_idle_cpu_no_delay -- cpu-share -r "$runs" -t "$(few 1000 500)" "$PEER_PID"
}

# ---- the test host ----------------------------------------------------------------------

# The poller spins on a CPU that has a real core to itself; see tests/long/test_speed.sh.
place()	# CORE CPU...
{
	local task core=$1 cpu

	shift
	for task in /proc/"$_host_pid"/task/*; do
		for cpu; do
			[ "$(<"$task/comm")" != "CPU $cpu/TCG" ] ||
				taskset -pc "$core" "${task##*/}" >/dev/null
		done
	done
}

real_cpufreq()
{
	local i

	peer_end
	[ -z "$VM_STARTED" ] || vm_stop "$vm"
	VM_STARTED=
	host_require_tools && host_start "$FR_BUILD" && host_governor powersave || return
	place "$poller_cpu" 0
	place "$guest_cpu" 1 2 3 4 5
	for ((i = 0; i < runs; i++)); do
		host_run --timeout 100 "exec $bench -o json applied -c 2 -C 0 -k 1 -n 500" |
			keep request_to_written=ring_applied_real rte_power_min_max=bare_power_call_real || return
	done
	host_stop
}

# ---- all of it -----------------------------------------------------------------------------

step 2 2 'host_environment|The machine, its timer'
step 10 3 'host_stalls|What the machine takes away from a thread that does nothing'
step 10 4 'host_limits|On the host: cache line between two CPUs, a post, a repeat, a query|pingpong_rtt post_cost post_stream_cost repeat_cost query_cost ring_host_rtt'
step 6 2 'host_wake|An eventfd wakes a sleeper|eventfd_wake'
step 3 3 'host_instructions|The same in instructions, as valgrind counts them|post_instructions repeat_instructions query_instructions poll_empty_instructions poll_full_instructions arbitrate_instructions'
step 12 6 'host_throughput|Throughput, beside rte_ring|ring_throughput ring_throughput_4096 rte_ring_throughput_1 rte_ring_throughput_32 ring_throughput_64 ring_bare_throughput'
step 25 10 'host_scale|One active channel among idle ones|scale_1_rtt scale_64_rtt scale_1024_rtt scale_4096_rtt'
step 22 0 'host_scale_open|... that asks now and then|scale_1_rtt_open_200 scale_4096_rtt_open_200'
step 62 6 'host_storm|One floods, another asks|storm_neighbour_rtt storm_64_neighbour_rtt calm_neighbour_rtt storm_neighbour_rtt_no_applier storm_64_neighbour_rtt_no_applier'
step 20 7 'host_applied|From a request to sysfs written, beside librte_power|ring_applied bare_power_call freq_max_native ring_applied_simulated'
step 5 5 'host_power_cost|rte_power_freq_max through freqring|freq_max_freqring'
step 10 5 'host_vhost|A vhost-user port, beside a bare librte_vhost|vhost_rtt bare_vhost_rtt vhost_one_way bare_vhost_one_way vhost_turn vhost_turn_idle idle_vhost_cost bare_vhost_empty'
step 12 12 'boot|A guest boots'
step 30 12 'guest_rings|Guest: bare word, ring, applied, in turn|bare_word_guest_rtt ring_rtt ring_wish_rtt ring_applied_rtt'
step 45 0 'guest_open|... at fixed rates|bare_word_guest_rtt_open_10000 ring_rtt_open_10000 ring_rtt_open_1000 ring_applied_rtt_open_1000'
step 10 5 'guest_calls|Guest: a post, a repeat, a query|post_cost_tcg repeat_cost_tcg query_cost_tcg'
step 12 4 'guest_serial|Guest: virtio-serial to freqringd|serial_rtt serial_write_cost serial_throughput'
step 10 0 'guest_serial_open|... at a fixed rate|serial_rtt_open_1000'
step 25 0 'guest_vhost|Guest: a vhost-user port, by the kernel|vhost_guest_rtt vhost_guest_applied_rtt'
step 11 4 'daemon_idle|CPU time of freqringd with nobody asking|idle_cpu'
step 8 5 'guest_vm_channel|Guest: rte_power_freq_max through the VM channel|freq_max_kvm_vm'
step 6 3 'bare_serial|Guest: virtio-serial to a process that only acknowledges|bare_serial_rtt bare_serial_throughput'
step 65 18 'peer_unmodified|vm_power_mgr, unmodified|peer_rtt peer_idle_cpu peer_throughput'
step 11 0 'peer_open|... at a fixed rate|peer_rtt_open_100'
step 50 10 'peer_no_delay|vm_power_mgr without its delay|peer_rtt_no_delay peer_idle_cpu_no_delay'
step 120 0 'real_cpufreq|The test host, with the acpi-cpufreq driver of a kernel|ring_applied_real bare_power_call_real'

# Read as a whole before any of it runs, so that it can be edited meanwhile.
{
[ "$(nproc)" -ge 2 ] || { echo "make bench needs two CPUs: one for the poller, one for the guest" >&2; exit 1; }
vm_require_tools || exit 1
vm_workdir_make || exit 1
vm_at_exit "rm -rf /var/run/dpdk/$vm"
: >"$raw"
: >"$log"
printf '%s; results in %s\n' \
	"$([ "$quick" = 1 ] && echo 'A quick look, under 2 minutes' || echo 'Everything, under 15 minutes')" "$out"
IMAGE_MODULES=$VHOST_MODULES vm_image "$FR_BUILD" "$FR_BUILD/vm-vhost" "$FR_BUILD/guest/freqring-guest" \
	"$FR_BUILD/bench/freqring-bench-guest" "$FR_BUILD/bench/freqring-bench-vm-channel" 2>>"$log" || { tail -n 3 "$log" >&2; exit 1; }
vm_accel_probe 2>>"$log"
run_steps
peer_end
"$bench" merge -d "$out" "$raw" >"$out/results.json" && "$bench" report "$out/results.json" >"$out/report.html" &&
	printf '\n' && "$bench" show "$out/results.json" || exit 1
printf '\n%s in all. All of it, with plots: %s\n' "$(time_text $((SECONDS - began)))" "$out/report.html"
exit 0
}
