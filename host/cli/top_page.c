/* SPDX-License-Identifier: BSD-3-Clause */
#include "top_page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "members.h"
#include "printable.h"

/* ---- rates -------------------------------------------------------------------- */

/* null where there is nothing to compare with: a VM that came meanwhile, say. */
static json_t *
rate_of(const json_t *now, const json_t *before, const char *key, uint64_t ms)
{
	intmax_t n = number_of(now, key) - number_of(before, key);

	if (before == NULL || ms == 0 || n < 0)
		return json_null();
	return json_integer((json_int_t)((uint64_t)n * 1000 / ms));
}

static const json_t *
same_of(const json_t *array, const char *key, const json_t *o)
{
	const json_t *wanted = json_object_get(o, key);

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *other = json_array_get(array, i);

		if (json_equal(json_object_get(other, key), wanted))
			return other;
	}
	return NULL;
}

/* ---- what there is to show ------------------------------------------------------ */

static const char *
reason_of(const json_t *ch)
{
	if (flag_of(ch, "disabled"))
		return "disabled";
	return flag_of(ch, "quarantined") ? "quarantined" : text_of(ch, "reason");
}

static json_t *
channel_of(const json_t *vm, const json_t *ch, const json_t *before, uint64_t ms)
{
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:o}",
		"vm", text_of(vm, "name"),
		"vcpu", (json_int_t)number_of(ch, "vcpu"),
		"pcpus", text_of(ch, "pcpus"),
		"transport", text_of(ch, "transport"),
		"wish", text_of(ch, "wish"),
		"wish_khz", (json_int_t)number_of(ch, "wish_khz"),
		"granted_khz", (json_int_t)number_of(ch, "granted_khz"),
		"reason", reason_of(ch),
		"requests_per_second", rate_of(ch, before, "requests", ms),
		"refusals_per_second", rate_of(ch, before, "refusals", ms));
}

/* A VM that was served anew has a new epoch, and counts anew. */
static const json_t *
earlier_channels(const json_t *vm, const json_t *before)
{
	const json_t *earlier = same_of(json_object_get(before, "vms"), "uuid", vm);

	return number_of(earlier, "epoch") == number_of(vm, "epoch") ?
		json_object_get(earlier, "channels") : NULL;
}

static json_t *
channels_of(const json_t *now, const json_t *before, uint64_t ms)
{
	json_t *vms = json_object_get(now, "vms"), *vm, *channels = json_array();
	size_t i, j;

	json_array_foreach(vms, i, vm) {
		const json_t *earlier = earlier_channels(vm, before);
		json_t *ch;

		json_array_foreach(json_object_get(vm, "channels"), j, ch)
			(void)json_array_append_new(channels,
				channel_of(vm, ch, same_of(earlier, "vcpu", ch), ms));
	}
	return channels;
}

/* "web/0", "operator", or "" */
static json_t *
decided_by(const json_t *cpu)
{
	const json_t *winner = json_object_get(cpu, "winner");

	if (flag_of(cpu, "manual"))
		return json_string("operator");
	if (!json_is_object(winner))
		return json_string("");
	return json_sprintf("%s/%jd", text_or_dash(winner, "vm"), number_of(winner, "vcpu"));
}

static json_t *
cpus_of(const json_t *now, const json_t *before, uint64_t ms)
{
	json_t *cpus = json_object_get(now, "cpus"), *cpu, *result = json_array();
	size_t i;

	json_array_foreach(cpus, i, cpu) {
		const json_t *earlier = same_of(json_object_get(before, "cpus"), "cpu", cpu);

		(void)json_array_append_new(result, json_pack(
			"{s:I, s:I, s:I, s:s, s:s, s:o, s:I, s:o}",
			"cpu", (json_int_t)number_of(cpu, "cpu"),
			"khz", (json_int_t)number_of(cpu, "khz"),
			"wanted_khz", (json_int_t)number_of(cpu, "wanted_khz"),
			"governor", text_of(cpu, "governor"),
			"bound", text_of(cpu, "bound"),
			"by", decided_by(cpu),
			"votes", (json_int_t)json_array_size(json_object_get(cpu, "votes")),
			"writes_per_second", rate_of(cpu, earlier, "writes", ms)));
	}
	return result;
}

json_t *
top_page(const json_t *now, const json_t *before, uint64_t ms)
{
	const json_t *poller = json_object_get(now, "poller"), *applier = json_object_get(now, "applier");

	/* The daemon was started anew: all that counts begins again. */
	if (number_of(now, "pid") != number_of(before, "pid"))
		before = NULL;
	return json_pack("{s:I, s:s, s:I, s:I, s:s, s:b, s:b, s:I, s:s, s:o, s:o, s:o, s:o}",
		"interval_ms", (json_int_t)(before != NULL ? ms : 0),
		"version", text_of(now, "version"),
		"pid", (json_int_t)number_of(now, "pid"),
		"uptime_s", (json_int_t)number_of(now, "uptime_s"),
		"backend", text_of(json_object_get(now, "backend"), "name"),
		"simulated", is_simulated(now),
		"connected", flag_of(json_object_get(now, "libvirt"), "connected"),
		"poller_cpu", (json_int_t)number_of(poller, "cpu"),
		"stage", text_of(poller, "stage"),
		"requests_per_second", rate_of(poller,
			before != NULL ? json_object_get(before, "poller") : NULL, "requests", ms),
		"writes_per_second", rate_of(applier,
			before != NULL ? json_object_get(before, "applier") : NULL, "writes", ms),
		"cpus", cpus_of(now, before, ms),
		"channels", channels_of(now, before, ms));
}

/* ---- for people ------------------------------------------------------------------ */

static const char *
rate_text(const json_t *o, const char *key, char text[24])
{
	if (json_is_integer(json_object_get(o, key)))
		(void)snprintf(text, 24, "%jd", number_of(o, key));
	else
		(void)snprintf(text, 24, "-");
	return text;
}

static void
add_mhz(struct columns *c, intmax_t khz)
{
	if (khz == 0)
		columns_add(c, "-");
	else
		columns_add(c, "%jd", mhz(khz));
}

static void
print_head(FILE *f, const json_t *page)
{
	intmax_t s = number_of(page, "uptime_s");
	char requests[24], writes[24];

	(void)fprintf(f, "freqringd %s, up %jd:%02jd:%02jd, backend %s%s, libvirt %s\n",
		text_or_dash(page, "version"), s / 3600, s / 60 % 60, s % 60,
		text_or_dash(page, "backend"),
		flag_of(page, "simulated") ? ": no frequency is really set" : "",
		flag_of(page, "connected") ? "connected" : "NOT CONNECTED");
	(void)fprintf(f, "poller on CPU %jd %s, %s requests/s, %s writes/s\n",
		number_of(page, "poller_cpu"), text_or_dash(page, "stage"),
		rate_text(page, "requests_per_second", requests),
		rate_text(page, "writes_per_second", writes));
}

static void
print_top_cpus(FILE *f, json_t *cpus)
{
	static const char *const heads[] = { "CPU", "MHz", "DECIDED", "BY", "BOUND", "GOVERNOR",
		"VOTES", "WRITES/s", NULL };
	char writes[24];
	struct columns c;
	json_t *cpu;
	size_t i;

	columns_init(&c, heads);
	json_array_foreach(cpus, i, cpu) {
		columns_add(&c, "%jd", number_of(cpu, "cpu"));
		add_mhz(&c, number_of(cpu, "khz"));
		add_mhz(&c, number_of(cpu, "wanted_khz"));
		columns_add(&c, "%s", text_of(cpu, "by"));
		columns_add(&c, "%s", text_of(cpu, "bound"));
		columns_add(&c, "%s", text_of(cpu, "governor"));
		columns_add(&c, "%jd", number_of(cpu, "votes"));
		columns_add(&c, "%s", rate_text(cpu, "writes_per_second", writes));
	}
	columns_finish_to(&c, f, 0);
}

static void
add_top_wish(struct columns *c, const json_t *ch)
{
	if (strcmp(text_of(ch, "wish"), "kHz") == 0)
		columns_add(c, "%jd", mhz(number_of(ch, "wish_khz")));
	else
		columns_add(c, "%s", strcmp(text_of(ch, "wish"), "none") == 0 ? "" : text_of(ch, "wish"));
}

struct ranked {
	json_t *ch;
	intmax_t rate;
	size_t at;
};

static int
compare_ranks(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate > y->rate ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* Whoever asks more comes first; those that ask alike stay as status has them. */
static json_t *
by_rate(const json_t *channels)
{
	size_t nb = json_array_size(channels);
	struct ranked *r = calloc(nb + 1, sizeof(*r));
	json_t *sorted = json_array();

	if (r == NULL || sorted == NULL)
		abort();
	for (size_t i = 0; i < nb; i++)
		r[i] = (struct ranked){ .ch = json_array_get(channels, i), .at = i,
			.rate = number_of(json_array_get(channels, i), "requests_per_second") };
	qsort(r, nb, sizeof(*r), compare_ranks);
	for (size_t i = 0; i < nb; i++)
		(void)json_array_append(sorted, r[i].ch);
	free(r);
	return sorted;
}

static void
print_top_channels(FILE *f, json_t *channels)
{
	static const char *const heads[] = { "VM", "VCPU", "PCPU", "OVER", "WISH", "GRANTED",
		"REQUESTS/s", "REFUSED/s", "REASON", NULL };
	char requests[24], refusals[24], list[LIST_START_SIZE];
	struct columns c;
	json_t *ch;
	size_t i;

	columns_init(&c, heads);
	json_array_foreach(channels, i, ch) {
		columns_add(&c, "%s", text_of(ch, "vm"));
		columns_add(&c, "%jd", number_of(ch, "vcpu"));
		columns_add(&c, "%s", list_start(ch, "pcpus", list));
		columns_add(&c, "%s", text_of(ch, "transport"));
		add_top_wish(&c, ch);
		add_mhz(&c, number_of(ch, "granted_khz"));
		columns_add(&c, "%s", rate_text(ch, "requests_per_second", requests));
		columns_add(&c, "%s", rate_text(ch, "refusals_per_second", refusals));
		columns_add(&c, "%s", text_of(ch, "reason"));
	}
	columns_finish_to(&c, f, 0);
}

void
top_print(FILE *f, json_t *page, enum top_order order)
{
	json_t *channels = json_object_get(page, "channels");

	make_json_printable(page);
	print_head(f, page);
	(void)fputc('\n', f);
	print_top_cpus(f, json_object_get(page, "cpus"));
	(void)fputc('\n', f);
	if (json_array_size(channels) == 0) {
		(void)fputs("no VM has a freqring device or serial channels\n", f);
		return;
	}
	channels = order == TOP_BY_RATE ? by_rate(channels) : json_incref(channels);
	print_top_channels(f, channels);
	json_decref(channels);
}
