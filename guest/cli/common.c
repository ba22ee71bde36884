/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "freqring_abi.h"

#define HEARTBEAT_TIMEOUT_MS 200u

int
cli_error(const char *what, const char *why, const char *hint)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "freqring-guest: %s: %s\n", what, why);
	if (hint != NULL)
		(void)fprintf(stderr, "hint: %s\n", hint);
	return CLI_FAILED;
}

bool
cli_is_serial(const struct cli *cli)
{
	return cli->info.transport == FREQRING_TRANSPORT_SERIAL;
}

bool
cli_has_vcpu(const struct cli *cli, unsigned int vcpu)
{
	return !cli_is_serial(cli) || (cli->info.ports >> vcpu & 1) != 0;
}

static const char *
hint_for(const struct cli *cli, int ret)
{
	switch (ret) {
	case -ENODEV:
		return "`lspci -d 1af4:1110` shows the device, /sys/class/virtio-ports the ports; "
			"qemu-config/ has the XML for them";
	case -ENOENT:
		return "on the host: systemctl status freqringd; freqring status NAME";
	case -EPROTO:
		return "guest and host need versions of freqring that speak the same ABI";
	case -EPERM:
		return "turn lockdown or Secure Boot off in this VM";
	case -EACCES:
		return cli_is_serial(cli) ?
			"on the host: set_query NAME enable; here: -n NAME, as the host calls this VM" :
			"udevadm trigger, and log in again, after the rule and the group are there";
	case -EBUSY:
		return "one program a vCPU: see `get`, which only looks";
	case -ETIMEDOUT:
		return "on the host: freqring status NAME";
	case -ENOTCONN:
		return "on the host: freqring status NAME says what state this VM is in";
	default:
		return NULL;
	}
}

int
cli_library_error(const struct cli *cli, const char *what, int ret)
{
	return cli_error(what, freqring_error(cli->fr), hint_for(cli, ret));
}

int
cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	(void)fflush(stdout);
	(void)fprintf(stderr, "freqring-guest: %s: ", cli->name);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "\nhint: freqring-guest %s --help\n", cli->name);
	return CLI_USAGE;
}

bool
parse_number(uint32_t *out, const char *text, uint32_t max)
{
	uint64_t v = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > max)
			return false;
	}
	*out = (uint32_t)v;
	return true;
}

bool
parse_mhz(uint32_t *khz, const char *text)
{
	char whole[16], fraction[4] = "000";
	const char *dot = strchr(text, '.');
	size_t n = dot != NULL ? (size_t)(dot - text) : strlen(text);
	uint32_t m, k;

	if (n == 0 || n >= sizeof(whole))
		return false;
	memcpy(whole, text, n);
	whole[n] = '\0';
	if (dot != NULL) {
		size_t digits = strlen(dot + 1);

		if (digits == 0 || digits > 3)
			return false;
		memcpy(fraction, dot + 1, digits);
	}
	if (!parse_number(&m, whole, FRQ_ARG_MAX / 1000) || !parse_number(&k, fraction, 999))
		return false;
	*khz = m * 1000 + k;
	return *khz != 0 && *khz <= FRQ_ARG_MAX;
}

int
parse_lcore(const struct cli *cli, const char *text)
{
	uint32_t cpu;
	int vcpu;

	if (!parse_number(&cpu, text, INT16_MAX)) {
		(void)cli_usage(cli, "\"%s\" is not the number of a CPU", text);
		return -1;
	}
	vcpu = freqring_vcpu_of_cpu(cpu);
	if (vcpu < 0)
		(void)cli_usage(cli, "this Linux has no CPU %" PRIu32, cpu);
	return vcpu < 0 ? -1 : vcpu;
}

bool
host_is_alive(struct cli *cli)
{
	int ret = freqring_get_info(cli->fr, &cli->info, HEARTBEAT_TIMEOUT_MS);

	if (ret < 0) {
		(void)cli_library_error(cli, cli->name, ret);
		return false;
	}
	if (cli->info.host_alive)
		return true;
	if (cli->info.quarantined) {
		(void)cli_error(cli->name, "the host has this VM in quarantine and does not listen to it",
			"on the host: freqring status NAME says why");
		return false;
	}
	if (cli_is_serial(cli)) {
		(void)cli_error(cli->name, "nobody on the host holds the other end of the serial port",
			"on the host: start freqringd, or vm_power_mgr and add_channels NAME all");
		return false;
	}
	(void)cli_error(cli->name, cli->info.host_stopped ?
		"the host's heartbeat is still: freqringd is not running (it said good-bye)" :
		"the host's heartbeat is still: freqringd is not running (it stopped without a word)",
		"on the host: systemctl start freqringd");
	return false;
}

bool
is_refusal(unsigned int reason)
{
	switch (reason) {
	case FRQ_REASON_OK:
	case FRQ_REASON_ARBITRATED:
	case FRQ_REASON_LIMITED:
	case FRQ_REASON_MANUAL:
		return false;
	default:
		return true;
	}
}

int
cpu_of_vcpu(unsigned int vcpu)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	/* As a rule it is the same number. */
	if (freqring_vcpu_of_cpu(vcpu) == (int)vcpu)
		return (int)vcpu;
	for (long cpu = 0; cpu < n; cpu++)
		if (freqring_vcpu_of_cpu((unsigned int)cpu) == (int)vcpu)
			return (int)cpu;
	return -1;
}

const char *
simulated(const struct cli *cli)
{
	return cli->info.simulated ? " (simulated)" : "";
}

const char *
mhz(char buf[24], uint32_t khz)
{
	if (khz == 0)
		(void)snprintf(buf, 24, "-");
	else if (khz % 1000 == 0)
		(void)snprintf(buf, 24, "%" PRIu32, khz / 1000);
	else
		(void)snprintf(buf, 24, "%" PRIu32 ".%03" PRIu32, khz / 1000, khz % 1000);
	return buf;
}

const char *
wish_text(char buf[32], const struct freqring_status *st)
{
	char number[24];

	if (strcmp(st->wish, "kHz") == 0)
		(void)snprintf(buf, 32, "%s MHz", mhz(number, st->wish_khz));
	else
		(void)snprintf(buf, 32, "%s", st->wish);
	return buf;
}

const char *
sleep_text(char buf[48], const struct freqring_status *st)
{
	uint32_t s = st->host_ms / 1000, tenth = st->host_ms % 1000 / 100;

	if (st->host == FREQRING_HOST_SUSPENDING)
		(void)snprintf(buf, 48, "suspending, in %" PRIu32 " s at most", s);
	else if (st->host == FREQRING_HOST_RESUMED)
		(void)snprintf(buf, 48, "resumed after %" PRIu32 ".%" PRIu32 " s", s, tenth);
	else
		(void)snprintf(buf, 48, "%s", freqring_host_name(st->host));
	return buf;
}
