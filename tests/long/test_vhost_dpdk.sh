#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# A DPDK program in a real guest asks over a vhost-user port that its virtio
# poll-mode driver has: each lcore by its own queue; the daemon is killed and
# started while it does.
set -u
# shellcheck source=tests/system/check.sh
. "$(dirname "$0")/../system/check.sh"

program=$(sys_program port_dpdk) || skip "no port_dpdk"
IMAGE_MODULES="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
	virtio_console uio uio_pci_generic"
export IMAGE_MODULES
pmds=$(dirname "$(find /usr/lib -name librte_net_virtio.so | head -n 1)")
[ -e "$pmds/librte_bus_pci.so" ] || skip "no drivers of DPDK's below /usr/lib"
SYS_IMAGE=$FR_BUILD/vm-vhost-dpdk
# Without their whole names the drivers that it links to are not found in the guest.
bash "$sys_here/../vm/image.sh" "$FR_BUILD" "$SYS_IMAGE" "$program" \
	"$FR_BUILD/guest/ethdev/libfreqring-ethdev.so" "$pmds/librte_net_virtio.so" \
	"$pmds/librte_bus_pci.so" "$pmds/librte_mempool_ring.so" || exit 1
sys_begin
here_cpu=0
there_cpu=$FR_POLLER_CPU
[ "$(nproc)" -eq 2 ] || there_cpu=1
VM_PINS="0:$here_cpu 1:$there_cpu" VM_EMULATORPIN=$here_cpu
VM_CMDLINE="pci=nomsi"
VM_MEMORY=384
export VM_PINS VM_EMULATORPIN VM_CMDLINE VM_MEMORY

VM_XML_DOMAIN="<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>" \
	VM_XML_DEVICES="<interface type='vhostuser'><mac address='02:66:72:71:00:03'/>
		<source type='unix' path='$VM_WORKDIR/g/a/freqring-a.sock' mode='server'/>
		<model type='virtio'/><driver queues='2'/></interface>" vm_xml a 2 | vm_define || bail "a domain"
fr_start || bail "freqringd"
vm_start a || bail "a guest"
soon_st "served by its port" "vm('a')['admitted']" true

# No kernel driver has the port: uio_pci_generic does.
guest a --timeout 60 'insmod /lib/modules/uio.ko && insmod /lib/modules/uio_pci_generic.ko &&
	for d in /sys/bus/pci/devices/*; do
		[ "$(cat $d/vendor)" = 0x1af4 ] || continue
		echo uio_pci_generic >$d/driver_override
		echo ${d##*/} >/sys/bus/pci/drivers/uio_pci_generic/bind
	done
	mkdir -p /dev/hugepages /var && ln -sfn /run /var/run && mount -t hugetlbfs hugetlbfs /dev/hugepages &&
	echo 48 >/proc/sys/vm/nr_hugepages && grep HugePages_Total /proc/meminfo; ls /dev/uio*'
like "the port is for user space" '^/dev/uio0' "$out"
# shellcheck disable=SC2016
guest a 'drivers=; for f in /lib/librte_bus_pci.so /lib/librte_mempool_ring.so /lib/librte_net_virtio.so; do
		drivers="$drivers -d $f"; done
	port_dpdk -l 0,1 --no-telemetry --log-level=5 $drivers -- 25 >/tmp/asker 2>&1 &'

asks_on()	# REQUESTS: there were more by now
{
	local n

	n=$(st "vm('a')['requests']" 2>/dev/null) && [ "$n" -gt "$1" ]
}

soon "it asks" asks_on 20
guest a 'cat /tmp/asker'
same "both queues are looked at" 2 "$(st "vm('a')['vhost']['queues']")"
fr_kill9
fr_start || bail "freqringd, again"
soon_st "killed and started: connected" "vm('a')['vhost']['queues']" 2
soon "... and it asks on" asks_on "$(st "vm('a')['requests']")"
guest a --timeout 120 'i=0; until grep -q "^lcore 1" /tmp/asker || [ $i -ge 900 ]; do
	i=$((i + 1)); usleep 100000; done; cat /tmp/asker'
note "$out"
like "lcore 0 ends with max" '^lcore 0: done, .* vhost-user, granted 2601000' "$out"
like "lcore 1 ends with min" '^lcore 1: done, .* vhost-user, granted 800000' "$out"
same "as the daemon has it" "2601000 800000" \
	"$(st "f\"{cpu($here_cpu)['decided_khz']} {cpu($there_cpu)['decided_khz']}\"")"
same "no frame was dropped" "{}" "$(st "vm('a')['vhost']['dropped']")"
vm_stop a || bail "the guest's end"
sys_end
