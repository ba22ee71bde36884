/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "histogram.h"
#include "report.h"

#define LABEL_WIDTH 28

/* The first of /proc/cpuinfo's lines that starts with `key`. */
static void
read_cpuinfo(const char *key, char *value, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[512];

	(void)snprintf(value, size, "unknown");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) != 0 || colon == NULL)
			continue;
		(void)snprintf(value, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (f != NULL)
		(void)fclose(f);
}

/* By what the hypervisor calls itself: KVMKVMKVM, TCGTCGTCGTCG, ... */
static void
read_hypervisor(char *name, size_t size)
{
	(void)snprintf(name, size, "unknown");
#if defined(__x86_64__)
	unsigned int a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 31 & 1) == 0) {
		(void)snprintf(name, size, "no");
		return;
	}
	__cpuid(0x40000000, a, b, c, d);
	(void)snprintf(name, size, "%.4s%.4s%.4s", (const char *)&b, (const char *)&c,
		(const char *)&d);
#endif
}

/* Whether the TSC goes on at the same rate whatever the CPU does. */
static bool
is_tsc_invariant(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d >> 8 & 1) != 0;
#else
	return true;
#endif
}

static void
read_governor(char *name, size_t size)
{
	FILE *f = fopen("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "r");

	(void)snprintf(name, size, "none: no cpufreq");
	if (f == NULL)
		return;
	if (fgets(name, (int)size, f) != NULL)
		name[strcspn(name, "\n")] = '\0';
	(void)fclose(f);
}

/* Names of processors and kernels hold no control characters. */
static void
print_json_string(const char *s)
{
	putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('"');
}

void
report_environment(const struct bench *b)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char model[128], hypervisor[16], governor[32];
	struct utsname u;

	read_cpuinfo("model name", model, sizeof(model));
	read_hypervisor(hypervisor, sizeof(hypervisor));
	read_governor(governor, sizeof(governor));
	if (uname(&u) != 0)
		(void)snprintf(u.release, sizeof(u.release), "unknown");
	if (!b->json) {
		printf("%s, %ld CPUs, virtualised: %s, Linux %s, timer %.1f ns\n", model, cpus,
			hypervisor, u.release, tsc_ns(&b->tsc, b->tsc.cost));
		return;
	}
	printf("{\"id\":\"environment\",\"cpu\":");
	print_json_string(model);
	printf(",\"cpus\":%ld,\"virtualised\":", cpus);
	print_json_string(hypervisor);
	printf(",\"kernel\":");
	print_json_string(u.release);
	printf(",\"governor\":");
	print_json_string(governor);
	printf(",\"tsc_mhz\":%.3f,\"tsc_invariant\":%s,\"timer_ns\":%.1f,\"freqring\":\"%s\"}\n",
		1e3 / b->tsc.ns_per_tick, is_tsc_invariant() ? "true" : "false",
		tsc_ns(&b->tsc, b->tsc.cost), FREQRING_VERSION);
}

/* What the machine could not keep apart, so that runs can be put together. */
static void
print_json_histogram(const struct bench *b, const struct samples *s)
{
	static struct histogram h;
	const char *comma = "";

	h = (struct histogram){ .total = 0 };
	for (size_t i = 0; i < s->n; i++)
		histogram_add(&h, tsc_ns(&b->tsc, s->v[i]), 1);
	printf(",\"histogram\":[");
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h.count[i] == 0)
			continue;
		printf("%s[%.1f,%" PRIu64 "]", comma, histogram_bucket_ns(i), h.count[i]);
		comma = ",";
	}
	putchar(']');
}

double
report_latency(const struct bench *b, const char *id, struct samples *s)
{
	static const struct {
		const char *name;
		double percent;
	} at[] = {
		{ "p50", 50 }, { "p90", 90 }, { "p99", 99 }, { "p999", 99.9 }, { "p9999", 99.99 },
		{ "max", 100 },
	};
	double p50 = tsc_ns(&b->tsc, samples_percentile(s, 50));

	if (b->json)
		printf("{\"id\":\"%s\"", id);
	else
		printf("%-*s", LABEL_WIDTH, id);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		printf(b->json ? ",\"%s_ns\":%.1f" : "  %s %.0f", at[i].name,
			tsc_ns(&b->tsc, samples_percentile(s, at[i].percent)));
	printf(b->json ? ",\"samples\":%zu" : " ns, %zu samples\n", s->n);
	if (b->json) {
		print_json_histogram(b, s);
		printf("}\n");
	}
	return p50;
}

double
report_rounds(const struct bench *b, const char *id, const char *unit, double *v, size_t n)
{
	double m;

	if (b->json) {
		printf("{\"id\":\"%s\",\"unit\":\"%s\",\"values\":[", id, unit);
		for (size_t i = 0; i < n; i++)
			printf("%s%.4f", i == 0 ? "" : ",", v[i]);
		printf("]");
	}
	m = median(v, n);
	if (b->json)
		printf(",\"median\":%.3f,\"min\":%.3f,\"max\":%.3f,\"rounds\":%zu}\n", m, v[0],
			v[n - 1], n);
	else
		printf("%-*s  %.2f %s, %.2f to %.2f in %zu rounds\n", LABEL_WIDTH, id, m, unit,
			v[0], v[n - 1], n);
	return m;
}

void
report_paced_id(char *id, size_t size, const char *name, unsigned int rate)
{
	(void)snprintf(id, size, rate != 0 ? "%s_open_%u" : "%s", name, rate);
}

void
report_ratio(const struct bench *b, const char *id, double ratio)
{
	if (b->json)
		printf("{\"id\":\"%s\",\"ratio\":%.3f}\n", id, ratio);
	else
		printf("%-*s  %.2f\n", LABEL_WIDTH, id, ratio);
}
