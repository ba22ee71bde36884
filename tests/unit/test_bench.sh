#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What freqring-bench makes of runs that were measured: merge, show, report, compare.
#	test_bench.sh FREQRING-BENCH
set -u

bench=$1
# Itself, where what is in the PATH is a script that looks for one.
python=$(python3 -c 'import sys; print(sys.executable)')
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

ok()	# NAME STATUS
{
	[ "$2" -eq 0 ] && { echo "ok - $1"; return; }
	echo "not ok - $1"
	failed=1
}

has()	# NAME TEXT FILE
{
	grep -qF -- "$2" "$3"
	ok "$1" $?
}

# member FILE ID NAME: of a measure, as JSON
member()
{
	"$python" -c 'import json, sys
print(json.dumps(json.load(open(sys.argv[1]))["measures"][sys.argv[2]].get(sys.argv[3], "none")))' "$@"
}

is()	# NAME EXPECTED SEEN
{
	[ "$2" = "$3" ] && { echo "ok - $1: $3"; return; }
	echo "not ok - $1: expected $2, seen $3"
	failed=1
}

latency()	# ID P50 P99 MAX
{
	printf '{"id":"%s","p50_ns":%s,"p90_ns":%s,"p99_ns":%s,"p999_ns":%s,"p9999_ns":%s,"max_ns":%s,"samples":1000,"histogram":[[%s,990],[%s,9],[%s,1]]}\n' \
		"$1" "$2" "$2" "$3" "$3" "$4" "$4" "$2" "$3" "$4"
}

rounds()	# ID UNIT VALUES
{
	printf '{"id":"%s","unit":"%s","values":[%s],"median":0}\n' "$@"
}

# write RAW P50: a run of the suite, with that p50 of the ring
write()
{
	local i

	{
		echo '{"id":"environment","cpu":"a <CPU>","cpus":2,"virtualised":"KVMKVMKVM","kernel":"6.1","tsc_invariant":true}'
		echo '{"id":"environment","accelerator":"TCG","backend":"simulated"}'
		echo '{"id":"guest_environment","cpu":"TCG"}'
		echo '{"id":"stalls_cpu0","seconds":2.0,"max_ns":20000.0,"lost_share":0.0001,"stalls":[[900.0,10],[20000.0,4]]}'
		for i in 1 2 3 4 5; do
			latency bare_word_guest_rtt $((100 + i)) 200 9000
			latency ring_rtt $(($2 + i)) 250 $((9000 + i))
			latency peer_rtt $((1000000 * i * i)) 2000000 3000000
			latency vhost_rtt 1500 2500 9000
			latency vhost_guest_rtt 50000 70000 90000
			latency serial_rtt 90000 100000 9000000
			latency scale_1_rtt 100 200 9000
			latency scale_4096_rtt 130 300 9000
		done
		rounds ring_throughput Mreq/s 150,160,170
		rounds idle_cpu share 0.98,0.99,1.0
		rounds post_cost ns 3.0,3.1,3.2
		rounds idle_vhost_cost ns 17,18,19
		rounds bare_vhost_empty ns 20,24,28
		echo '{"id":"peer_idle_cpu","skipped":"no peer here"}'
		echo '{"id":"post_cost","skipped":"but it was"}'
	} >"$1"
}

write "$dir/raw" 110
"$bench" merge -d "$dir" "$dir/raw" >"$dir/results.json"
ok "merge" $?
r=$dir/results.json
is "the median of the runs" 113.0 "$(member "$r" ring_rtt p50_ns)"
is "the longest of all" 9005.0 "$(member "$r" ring_rtt max_ns)"
is "all samples" 5000 "$(member "$r" ring_rtt samples)"
is "runs" 5 "$(member "$r" ring_rtt runs)"
is "spread: the quartiles over the median" 0.01769912 "$(member "$r" ring_rtt spread)"
is "a spread that is too wide: no number" null "$(member "$r" peer_rtt p50_ns)"
is "... but the runs" '[1000000.0, 4000000.0, 9000000.0, 16000000.0, 25000000.0]' \
	"$(member "$r" peer_rtt run_values | sed 's/.*"p50_ns": \(\[[^]]*\]\).*/\1/')"
is "requests a second" 160000000.0 "$(member "$r" ring_throughput per_second)"
is "a share" 0.99 "$(member "$r" idle_cpu cpu_share)"
is "a cost" 3.1 "$(member "$r" post_cost p50_ns)"
is "... that was measured after all" '"none"' "$(member "$r" post_cost skipped)"
is "skipped, and why" '"no peer here"' "$(member "$r" peer_idle_cpu skipped)"
for id in pingpong_rtt bare_word_guest_rtt ring_rtt ring_applied_rtt serial_rtt peer_rtt \
		peer_rtt_no_delay eventfd_wake ring_applied bare_power_call post_cost repeat_cost \
		query_cost post_cost_tcg repeat_cost_tcg query_cost_tcg serial_write_cost \
		ring_throughput ring_throughput_4096 rte_ring_throughput_1 rte_ring_throughput_32 \
		scale_1_rtt scale_64_rtt scale_1024_rtt scale_4096_rtt storm_neighbour_rtt idle_cpu \
		peer_idle_cpu; do
	grep -q "^,*\"$id\":" "$r" || { echo "not ok - $id is left out"; failed=1; }
done
is "what nobody measured" '"not measured in this run"' "$(member "$r" pingpong_rtt skipped)"

has "percentile text: the median" '     113.500     0.500000' "$dir/ring_rtt.hgrm"
has "... its end" '#[Max     =     9005.000, Total count    =         5000]' "$dir/ring_rtt.hgrm"
echo 'nonsense' >"$dir/bad"
"$bench" merge "$dir/bad" >/dev/null 2>"$dir/err"
is "a line that is no measure: exit status" 1 $?
has "... and which" 'line 1:' "$dir/err"

"$bench" serial-echo "$dir/nobody" >"$dir/text" 2>"$dir/err"
is "an echo with no socket: exit status" 1 $?
has "... and why" "$dir/nobody: No such file or directory; QEMU has to listen there" "$dir/err"

for words in 'storm -x' 'storm -f 65' 'pingpong 0' 'merge -d' '-o xml' 'scale -C 0 -c 0' 'rtt -m wrong'; do
	# shellcheck disable=SC2086
	"$bench" $words >"$dir/text" 2>"$dir/err"
	is "$words: exit status" 2 $?
	has "... and a sentence" ': ' "$dir/err"
done
"$bench" compare "$r" "$r" -t 5 >"$dir/text" 2>&1
is "an option behind arguments" 0 $?
has "... counts" 'worse by more than 5 %' "$dir/text"

"$bench" show "$r" >"$dir/text"
ok "show" $?
has "the ratio, run by run" "met     round trip to consumed in the guest: p50 at most 1.15 times the bare word's: 1.097 times" "$dir/text"
has "too wide" 'too wide: 1.00 ms to 25.0 ms' "$dir/text"
has "a target without its measure" 'unmodified peer: ring_applied_rtt: not measured in this run' "$dir/text"
has "what an idle port costs, beside an empty dequeue" \
	'met     ... a port that asks nothing costs a turn of the poller no more than an empty rte_vhost_dequeue_burst: 0.75' \
	"$dir/text"
has "a virtual machine is said first" '** This machine is virtual (KVMKVMKVM)' "$dir/text"

"$bench" report "$r" >"$dir/report.html"
ok "report" $?
has "its end" '</body></html>' "$dir/report.html"
has "text is text" 'a &lt;CPU&gt;' "$dir/report.html"
has "slope" 'The slope of the p50: 7.3 ns for 1000 idle channels' "$dir/report.html"
is "nothing from elsewhere" 0 "$(grep -cE '<script|src=|href=|@import|url\(' "$dir/report.html")"
is "pictures" 4 "$(grep -c '<svg' "$dir/report.html")"
is "ring, vhost-user and serial in one picture" "ring, from the guest; vhost-user, on the host itself; vhost-user, from the guest; virtio-serial, from the guest; " \
	"$(sed -n '/<h3>Ring, vhost-user, virtio-serial/,/<\/svg>/p' "$dir/report.html" |
		sed -n "s/.*<line class='line'.*<text[^>]*>\(.*\)<\/text>/\1; /p" | tr -d '\n')"
sed 's/<!DOCTYPE html>//; s/<meta [^>]*>//g; s/<br>//g; s/&nbsp;/ /g' "$dir/report.html" >"$dir/report.xml"
"$python" -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$dir/report.xml"
ok "each tag has its end" $?

"$bench" compare "$r" "$r" >"$dir/same"
ok "compare with itself" $?
has "nothing is worse" '0 worse by more than 20 %' "$dir/same"
write "$dir/raw2" 140
"$bench" merge "$dir/raw2" >"$dir/worse.json"
"$bench" compare "$r" "$dir/worse.json" >"$dir/worse"
is "worse: exit status" 1 $?
grep -qE '^ring_rtt +p50_ns +113 ns +143 ns +1\.27 +WORSE$' "$dir/worse"
ok "... which, and by how much" $?
"$bench" compare -t 30 "$r" "$dir/worse.json" >/dev/null
is "within the threshold: exit status" 0 $?
"$bench" compare "$dir/worse.json" "$r" >"$dir/better"
is "better: exit status" 0 $?
has "... is said" 'better' "$dir/better"
sed 's/"per_second":[0-9][0-9.e+]*/"per_second":1e8/' "$r" >"$dir/slow.json"
"$bench" compare "$r" "$dir/slow.json" >/dev/null
is "fewer a second are worse: exit status" 1 $?
"$bench" compare "$r" "$dir/bad" >/dev/null 2>&1
is "no results: exit status" 1 $?
exit "$failed"
