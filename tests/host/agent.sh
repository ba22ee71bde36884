#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Process 1 of the test host: runs what lib.sh outside puts into the shared
# folder. A line on the virtio-serial port is one of
#	RUN ID		run the file run/ID as a bash script; what it writes goes to
#			run/ID.out, its process group to run/ID.pid, its status to
#			run/ID.end when it is over
#	SIGNAL ID NAME	send that signal to the group
#	OFF		switch the machine off
# Any number of commands run at a time.

cd "$HOST_TOP" || exit
run=$HOST_SHARE/run
off=/proc/sysrq-trigger

# A shell with job control gives the command a process group of its own.
execute()
{
	set -m
	bash "$run/$1" </dev/null >"$run/$1.out" 2>&1 3<&- &
	echo "$!" >"$run/$1.pid"
	wait "$!"
	echo "$?" >"$run/$1.end"
}

signal()
{
	local pid

	read -r pid <"$run/$1.pid" && kill -s "$2" -- "-$pid"
}

for port in /sys/class/virtio-ports/*; do
	[ "$(<"$port/name")" != freqring.line ] || exec 3<"/dev/${port##*/}"
done
echo "freqring-host: ready"
: >"$HOST_SHARE/ready"
while read -r word id name <&3; do
	case $word in
	RUN) execute "$id" & ;;
	SIGNAL) signal "$id" "$name" ;;
	OFF) break ;;
	esac
done
echo o >"$off"
# the kernel does it when it comes to it
sleep 60
