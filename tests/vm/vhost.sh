# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# A vhost-user port for the guests of lib.sh, to be sourced after it.
#
#	VHOST_MODULES		IMAGE_MODULES of an image whose kernel drives a port
#	VHOST_CMDLINE		words for the VM_CMDLINE of a guest that has one
#	VHOST_DOMAIN		its VM_XML_DOMAIN: memory that others may map
#	vhost_port SOCKET [MAC-END [QUEUES]]
#				XML of a port, for VM_XML_DEVICES
#	VHOST_INSMOD		what a guest has to run before it sees its port

# shellcheck disable=SC2034
VHOST_MODULES="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
	virtio_console failover net_failover virtio_net"
# QEMU 7.2 without KVM crashes where a vhost-user device gets MSI-X vectors.
# shellcheck disable=SC2034
VHOST_CMDLINE="pci=nomsi"
# shellcheck disable=SC2034
VHOST_DOMAIN="<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
# shellcheck disable=SC2016,SC2034
VHOST_INSMOD='for m in failover net_failover virtio_net; do
	[ ! -e /lib/modules/$m.ko ] || insmod /lib/modules/$m.ko; done'

vhost_port()
{
	printf "<interface type='vhostuser'><mac address='02:66:72:71:00:%s'/>" "${2:-01}"
	printf "<source type='unix' path='%s' mode='server'/>" "$1"
	printf "<model type='virtio'/><driver queues='%s'/></interface>" "${3:-1}"
}
