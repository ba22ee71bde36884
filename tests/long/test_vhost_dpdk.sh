#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# A DPDK program in a real guest, whose virtio poll-mode driver has the port: it
# finds the port among its others, asks from each lcore over a queue of its own, and
# goes on when the daemon is killed and started; then QEMU is killed under it.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh"
# shellcheck source=tests/system/rush.sh
. "$(dirname "$0")/../system/rush.sh"
# shellcheck source=tests/vm/vhost.sh
. "$sys_here/../vm/vhost.sh"

program=$(sys_program port_dpdk) || skip "no port_dpdk"
IMAGE_MODULES="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
	virtio_console uio uio_pci_generic"
export IMAGE_MODULES
pmds=$(pkg-config --variable=libdir libdpdk)
[ -e "$pmds/librte_net_virtio.so" ] || skip "no drivers of DPDK's in $pmds"
SYS_IMAGE=$FR_BUILD/vm-vhost-dpdk
bash "$sys_here/../vm/image.sh" "$FR_BUILD" "$SYS_IMAGE" "$program" \
	"$FR_BUILD/guest/ethdev/libfreqring-ethdev.so" "$pmds/librte_net_virtio.so" \
	"$pmds/librte_bus_pci.so" "$pmds/librte_mempool_ring.so" || exit 1
sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu 1:$there_cpu" VM_EMULATORPIN=$here_cpu
VM_CMDLINE="$VHOST_CMDLINE hugepages=48"
VM_MEMORY=384
export VM_PINS VM_EMULATORPIN VM_CMDLINE VM_MEMORY
here="cpu($here_cpu)['decided_khz']"
there="cpu($there_cpu)['decided_khz']"

VM_XML_DOMAIN=$VHOST_DOMAIN \
	VM_XML_DEVICES="<interface type='user'><mac address='52:54:00:00:00:03'/><model type='virtio'/></interface>
		$(vhost_port "$VM_WORKDIR/g/a/freqring-a.sock" 03 2)" vm_xml a 2 | vm_define || bail "a domain"
fr_start || bail "freqringd"
vm_start a || bail "a guest"
soon_st "served by its port" "vm('a')['admitted']" true

# shellcheck disable=SC2016
guest a 'insmod /lib/modules/uio.ko && insmod /lib/modules/uio_pci_generic.ko &&
	for d in /sys/bus/pci/devices/*; do
		[ "$(cat $d/vendor)" = 0x1af4 ] || continue
		echo uio_pci_generic >$d/driver_override
		echo ${d##*/} >/sys/bus/pci/drivers/uio_pci_generic/bind
	done
	mkdir -p /dev/hugepages /var && ln -sfn /run /var/run &&
	mount -t hugetlbfs hugetlbfs /dev/hugepages && ls /dev/uio*'
same "two ports are for user space" "/dev/uio0 /dev/uio1" "$(xargs <<<"$out")"

# shellcheck disable=SC2016
program()	# PORT: begin, and wait until it asks or gave up
{
	guest a "drivers=; for f in bus_pci mempool_ring net_virtio; do
			drivers=\"\$drivers -d /lib/librte_\$f.so\"; done
		rm -f /tmp/asker; port_dpdk -l 0,1 --no-telemetry --log-level=5 \$drivers -- $1 >/tmp/asker 2>&1 &
		echo \$! >/tmp/pid
		until grep -qsE '^(asks|failed|no port)' /tmp/asker; do
			kill -0 \$! || break
			usleep 100000
		done; cat /tmp/asker"
}

# shellcheck disable=SC2016
program_ends()
{
	guest a 'kill -TERM "$(cat /tmp/pid)"
		while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do usleep 100000; done; cat /tmp/asker'
	note "${out//$'\n'/; }"
}

# --- another port, and ours -------------------------------------------------------

program ethdev:0
like "a port that the program names, with nobody behind it" '^failed: nobody answers' "$out"
same "... nothing was asked" 0 "$(st "vm('a')['requests']")"
program ethdev
like "left to find it, it takes the port that answers" '^asks over ethdev:1$' "$out"
soon_st "both queues are looked at" "vm('a')['vhost']['queues']" 2
soon "it asks" asks_on a 20
soon_st "... over both" "all(c['requests'] > 0 for c in vm('a')['channels'])" true

# --- the daemon comes and goes ------------------------------------------------------

{ fr_kill9; } 2>/dev/null
fr_start || bail "freqringd, again"
soon_st "killed and started: connected" "vm('a')['vhost']['queues']" 2
goes_on "... and it asks on" a
soon_st "... over both queues" "all(c['requests'] > 10 for c in vm('a')['channels'])" true
program_ends
like "lcore 0 ends with max" '^lcore 0: done, .* vhost-user, granted 2601000' "$out"
like "lcore 1 ends with min" '^lcore 1: done, .* vhost-user, granted 800000' "$out"
same "as the daemon has it" "2601000 800000" "$(st "f\"{$here} {$there}\"")"
same "no frame was dropped" "{}" "$(st "vm('a')['vhost']['dropped']")"

# --- QEMU is killed under it ----------------------------------------------------------

program ethdev:1
like "the port that the program names" '^asks over ethdev:1$' "$out"
goes_on "it asks again" a
kill -KILL "$(vm_qemu_pid a)"
soon_st "QEMU killed: not served" "vm('a')['admitted']" false
soon_st "... and no vote" "$here + $there" 0
check "the daemon is alive" fr version
sys_end
