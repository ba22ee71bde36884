/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulated host of 1024 CPUs, as far as libvirt's test driver does not know
 * of them: to be preloaded into who asks it.
 */
#include <stdlib.h>
#include <string.h>

#include <libvirt/libvirt.h>

#define NB_CPUS 1024

int
virNodeGetCPUMap(virConnectPtr conn, unsigned char **cpumap, unsigned int *online,
	unsigned int flags)
{
	(void)conn, (void)flags;
	if (online != NULL)
		*online = NB_CPUS;
	if (cpumap == NULL)
		return NB_CPUS;
	*cpumap = malloc(VIR_CPU_MAPLEN(NB_CPUS));
	if (*cpumap == NULL)
		return -1;
	memset(*cpumap, 0xff, VIR_CPU_MAPLEN(NB_CPUS));
	return NB_CPUS;
}
