/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

static const char *
uuid_text(char buf[37], const uint8_t u[16])
{
	char *p = buf;

	for (unsigned int i = 0; i < 16; i++)
		p += sprintf(p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	return buf;
}

static const char *
host_text(const struct freqring_info *i)
{
	if (i->quarantined)
		return "has this VM in quarantine";
	if (i->host_alive)
		return "alive";
	if (i->transport == FREQRING_TRANSPORT_SERIAL)
		return "nobody holds the other end";
	return i->host_stopped ? "stopped (it said good-bye)" :
		"still (freqringd stopped without a word)";
}

/* By the vCPUs they are of. */
static void
print_ports_json(uint64_t ports)
{
	json_open("serial_ports", '[');
	for (unsigned int vcpu = 0; vcpu < 64; vcpu++)
		if ((ports >> vcpu & 1) != 0)
			json_number(NULL, vcpu);
	json_close(']');
}

static void
print_ports(uint64_t ports)
{
	(void)printf("serial ports");
	for (unsigned int vcpu = 0; vcpu < 64; vcpu++)
		if ((ports >> vcpu & 1) != 0)
			(void)printf(" %u", vcpu);
	(void)printf("%s\n", ports == 0 ? " -" : "");
}

static void
print_json(const struct freqring_info *i)
{
	char uuid[37];

	json_open(NULL, '{');
	json_string("transport", freqring_transport_name(i->transport));
	print_ports_json(i->ports);
	json_number("moves", i->moves);
	json_string("device", i->device);
	json_number("abi_version", i->version);
	json_string("uuid", uuid_text(uuid, i->uuid));
	json_number("vcpus", i->nb_channels);
	json_number("epoch", i->epoch);
	json_number("incarnation", i->incarnation);
	json_bool("host_alive", i->host_alive);
	json_bool("host_stopped", i->host_stopped);
	json_bool("quarantined", i->quarantined);
	json_bool("simulated", i->simulated);
	json_bool("turbo", i->turbo);
	json_string("mapping", i->mapping == FREQRING_MAPPING_CACHED ? "cached" : "uncached");
	json_tenths("load_ns", i->load_ns_x10);
	json_tenths("store_ns", i->store_ns_x10);
	json_close('}');
	json_end();
}

static void
print_memory(const struct cli *cli, const struct freqring_info *i)
{
	char uuid[37];

	(void)printf("device       %s, version %u\n", i->device, i->version);
	(void)printf("VM           %s\n", uuid_text(uuid, i->uuid));
	(void)printf("host         %s%s\n", host_text(i), simulated(cli));
	(void)printf("epoch        %u, incarnation %u\n", i->epoch, i->incarnation);
	(void)printf("vCPUs        %u\n", i->nb_channels);
	(void)printf("turbo        %s\n", i->turbo ? "served" : "not served");
	(void)printf("mapping      %s (load %u.%u ns, store %u.%u ns)\n",
		i->mapping == FREQRING_MAPPING_CACHED ? "cached" :
		"uncached: correct but slow", i->load_ns_x10 / 10, i->load_ns_x10 % 10,
		i->store_ns_x10 / 10, i->store_ns_x10 % 10);
}

int
cmd_info(struct cli *cli, int argc, char **argv)
{
	const struct freqring_info *i = &cli->info;

	if (argc > 1)
		return cli_usage(cli, "takes no argument, but got \"%s\"", argv[1]);
	if (cli->json) {
		print_json(i);
		return CLI_OK;
	}
	(void)printf("transport    %s, %" PRIu64 " move%s\n", freqring_transport_name(i->transport),
		i->moves, i->moves == 1 ? "" : "s");
	print_ports(i->ports);
	if (i->transport == FREQRING_TRANSPORT_IVSHMEM)
		print_memory(cli, i);
	else
		(void)printf("device       %s\nhost         %s\n", i->device, host_text(i));
	return CLI_OK;
}
