#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# A VM with the device is migrated live, forth and back, and the programs in its
# guest go on; a migration that is given up or fails leaves it served where it is.
# Two hosts on this machine: a private libvirtd and a freqringd each. The
# destination's definition names another object, which libvirt allows, since on
# one machine both QEMUs would map the same. One thing is not as between two
# machines: freqringd looks for QEMU by the VM's UUID, finds both, takes the
# older for the VM's, and does not serve the newer before the older has ended.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh" "$@"

sys_begin --no-libvirt

# --- two hosts ---
declare -A uris=() daemons=()
host=

# at HOST: what follows is started, asked and done there, "here" or "there".
# The guest's object, console and line are a's here and b's there.
at()
{
	[ -z "$host" ] || daemons[$host]=$FR_PID
	host=$1
	FR_DIR=$host
	FR_PID=${daemons[$host]:-}
	VM_URI=${uris[$host]:-}
	VM_LIBVIRT=lv-$host
	line=a
	[ "$host" = here ] || line=b
}

# region COMMAND...: the command on the region's file, on this host
region()
{
	"$@" "/dev/shm/$(sys_shm "$line")" 2>&1
}

# migrate HOST OPTION...: from this host to that one, which is given a
# definition with its own names.
migrate()
{
	local from=$line to=b dest=$1

	shift
	[ "$dest" = there ] || to=a
	vm_virsh dumpxml --migratable a | sed "s|$VM_WORKDIR/g/$from/|$VM_WORKDIR/g/$to/|
		s|$(sys_shm "$from")|$(sys_shm "$to")|" >"$VM_WORKDIR/migrate.xml"
	VM_VIRSH_SECONDS=60 vm_virsh migrate --live --persistent --xml "$VM_WORKDIR/migrate.xml" \
		--persistent-xml "$VM_WORKDIR/migrate.xml" "$@" a "${uris[$dest]}" \
		--migrateuri "unix://$VM_WORKDIR/g/$to/migrate.sock"
}

# keep WORDS: a program in the guest that runs on
keep()
{
	vm_exec "$line" ": >/tmp/keeper; keeper $* >>/tmp/keeper 2>&1 & echo \$! >/tmp/keeper.pid" >/dev/null
}

kept_says()
{
	vm_exec "$line" 'tail -n 1 /tmp/keeper' | grep -qE -- "$1"
}

unkeep()
{
	vm_exec "$line" 'kill $(cat /tmp/keeper.pid)
		while kill -0 $(cat /tmp/keeper.pid) 2>/dev/null; do usleep 20000; done
		cat /tmp/keeper'
}

# What this host's freqringd told after event $told, in its order: how the VM runs,
# and when it was served.
told()
{
	fr events -o json --since "$told" | "$sys_python" -c '
import json, sys
for e in json.load(sys.stdin)["events"]:
	if e["kind"] in ("state", "served"):
		print(e["text"].split(",")[0])' | paste -sd '|'
}

told_so_far()
{
	told=$(fr events -o json | "$sys_python" -c 'import json, sys; print(json.load(sys.stdin)["last"])')
}

for name in there here; do
	at "$name"
	vm_libvirt_start || bail "libvirtd $name"
	uris[$name]=$VM_URI
done
cpu=0
decided="cpu($cpu)['decided_khz']"
VM_PINS="0:$cpu" VM_EMULATORPIN=$cpu
export VM_PINS VM_EMULATORPIN
vm_xml a 1 "$(sys_shm a)" | vm_define || bail "a domain"
at there
vm_xml b 1 "$(sys_shm b)" >/dev/null || bail "the folder of its console there"
fr_start || bail "freqringd there"
soon_st "freqringd there: connected" "s['libvirt']['connected']" true
told_so_far
at here
fr_start || bail "freqringd here"

# --- what libvirt refuses ---
# Only a host with the object lets a peer start.
vm_xml p 1 "$(sys_shm p)" | sed "s/role='master'/role='peer'/" | vm_define || bail "a domain with a peer"
soon "the peer's object is made ahead" test -e "/dev/shm/$(sys_shm p)"
vm_virsh start --paused p >/dev/null || bail "a VM with a peer"
run vm_virsh migrate --live p "${uris[there]}" --migrateuri "unix://$VM_WORKDIR/g/b/migrate.sock"
same "role='peer': libvirt refuses to migrate, exit status" 1 "$status"
like "... says why" "cannot migrate domain: .*'peer mode' in device 'ivshmem'" "$out"
vm_stop p
vm_virsh undefine p >/dev/null

vm_start a || bail "a guest"
soon_st "here: served" "vm('a')['admitted']" true

# --- given up half-way, and failed ---
keep 0 1400000
soon_st "a program asks" "$decided" 1400000
same "its attach and its wish" 2 "$(st "vm('a')['requests']")"
epoch=$(st "vm('a')['epoch']")
for end in abort kill; do
	migrate there --bandwidth 1 >"$VM_WORKDIR/migrated" 2>&1 &
	mover=$!
	at there
	soon_st "$end: on its way, it is known there" "[v['state'] for v in s['vms'] if v['name'] == 'a']" '["paused"]'
	same "$end: ... and not served" false "$(st "vm('a')['admitted']")"
	at here
	same "$end: ... but here" 1400000 "$(st "$decided")"
	same "$end: ... where its program goes on, exit status" 0 "$(vm_exec a 'kill -0 $(cat /tmp/keeper.pid)'; echo "$?")"
	if [ "$end" = abort ]; then
		vm_virsh domjobabort a || bail "domjobabort"
	else
		kill -KILL "$(pgrep -f "^[^ ]*qemu.*guest=a,.*$(sys_shm b)")" || bail "no QEMU there"
	fi
	wait "$mover"
	same "$end: the migration has failed, exit status" 1 "$?"
	note "$(cat "$VM_WORKDIR/migrated")"
	soon "$end: the program here is granted" kept_says "^ok epoch $epoch .* host alive granted 1400000 "
	same "$end: ... in the same epoch" "$epoch" "$(st "vm('a')['epoch']")"
	at there
	soon_st "$end: there it is gone" "[v['name'] for v in s['vms']]" '[]'
	same "$end: ... it was never served" "" "$(told)"
	at here
done

# --- there ---
same "the program was not made to say anything again" 2 "$(st "vm('a')['requests']")"
run migrate there --undefinesource
same "migrated, exit status" 0 "$status"
[ "$status" -eq 0 ] || bail "$out"
soon_st "here the CPU is given back" "$decided" 0
soon_st "... the VM is unknown" "s['vms']" '[]'
soon "... its object is removed" region test ! -e
at there
soon_st "there it is served" "[v['admitted'] for v in s['vms']]" '[true]'
same "... not before it ran" "VM a: running|VM a: served" "$(told)"
soon_st "... and its program's vote is in force" "$decided" 1400000
same "... in a new epoch" true "$(st "vm('a')['epoch'] != $epoch")"
epoch=$(st "vm('a')['epoch']")
soon "the program sees it" kept_says "^ok epoch $epoch .* host alive granted 1400000 .* restated 1\$"
same "... it has attached and said its wish again, nothing else" 2 "$(st "vm('a')['requests']")"
same "the object there is nobody else's to read" 660 "$(region stat -c %a)"
run unkeep
like "... for the library, too" '^end .* restated 1$' "$out"

# --- and back, in the middle of steps ---
guest b 'freqring-guest set 0 2000 && freqring-guest set 0 down'
same "set 2000, then down" 1700000 "$(st "$decided")"
requests=$(st "vm('a')['requests']")
keep 0 steps 12
soon "steps run" sys_st_is "vm('a')['requests'] > $requests" true
run migrate here
same "migrated back, exit status" 0 "$status"
[ "$status" -eq 0 ] || bail "$out"
soon_st "there the CPU is given back" "$decided" 0
soon_st "... the VM is off, not served" "[(v['state'], v['admitted']) for v in s['vms']]" '[["defined", false]]'
check "... its object is kept, as it is defined" region test -e
at here
soon_st "here it is served" "[v['admitted'] for v in s['vms']]" '[true]'
soon "the steps go on" sys_st_is "vm('a')['requests'] > 100" true
soon "... and end" kept_says '^pairs|^given|^not'
guest "$line" 'cat /tmp/keeper'
note "$out"
like "as many down as up: the wish is where it was" '^pairs [0-9]+ .* wish_khz 1700000$' "$out"
same "... for the host, too" 1700000 "$(st "$decided")"

# --- where no freqringd runs, and one is started ---
keep 0 max
soon_st "a program asks" "$decided" 2601000
at there
fr_stop
same "freqringd there ends in good order" 0 "$?"
at here
run migrate there
same "migrated to a host without freqringd, exit status" 0 "$status"
[ "$status" -eq 0 ] || bail "$out"
soon_st "here the CPU is given back" "$decided" 0
at there
soon "the program sees that nobody serves it" kept_says ' host (dead|stopped) '
fr_start || bail "freqringd there, later"
soon_st "there it is served" "[v['admitted'] for v in s['vms']]" '[true]'
soon_st "... and its program's vote in force" "$decided" 2601000
fr_stop
same "freqringd there ends in good order" 0 "$?"
at here
fr_stop
same "freqringd here ends in good order" 0 "$?"
sys_end
