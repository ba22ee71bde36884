/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "banner.h"
#include "results.h"
#include "targets.h"

#define NOISY_NS	1e5	/* a stall of that length ... */
#define NOISY_RATE	10.0	/* ... so often a second, or ... */
#define NOISY_SHARE	0.01	/* ... so much of the time in all */

static const char *
word(const json_t *environment, const char *name)
{
	const char *text = json_string_value(json_object_get(environment, name));

	return text != NULL ? text : "";
}

static double
lost_share(const json_t *results)
{
	double most = 0, share;
	const json_t *m;
	const char *id;

	json_object_foreach(json_object_get(results, "measures"), id, m)
		if (results_figure(m, "lost_share", &share) && share > most)
			most = share;
	return most;
}

static void
add(json_t *banner, json_t *sentence)
{
	(void)json_array_append_new(banner, sentence);
}

void
banner_set(json_t *results)
{
	json_t *e = json_object_get(results, "environment"), *banner = json_array();
	const char *hypervisor = word(e, "virtualised");
	double rate;

	if (strcmp(hypervisor, "") != 0 && strcmp(hypervisor, "no") != 0)
		add(banner, json_sprintf("This machine is virtual (%s): times drift with what else its "
			"host does. Look at ratios, which were measured side by side.", hypervisor));
	if (stalls_per_second(results, NOISY_NS, &rate) &&
	    (rate >= NOISY_RATE || lost_share(results) >= NOISY_SHARE))
		add(banner, json_sprintf("This machine was noisy: %.0f stalls of 0.1 ms or more a second, "
			"%.1f %% of the time taken away. Tails show that, not freqring.", rate,
			100 * lost_share(results)));
	if (strcmp(word(e, "accelerator"), "TCG") == 0)
		add(banner, json_string("The guest runs under TCG: what shared memory costs is real, what a "
			"VM exit costs is not."));
	if (strcmp(word(e, "backend"), "simulated") == 0)
		add(banner, json_string("No cpufreq here: freqringd's backend is simulated, and vm_power_mgr "
			"writes to a sysfs of plain files."));
	if (json_is_true(json_object_get(e, "quick")))
		add(banner, json_string("QUICK=1: few samples; not for comparison."));
	if (json_is_true(json_object_get(e, "tsc_invariant")) == 0 &&
	    json_object_get(e, "tsc_invariant") != NULL)
		add(banner, json_string("The processor does not say that its TSC is invariant."));
	(void)json_object_set_new(e, "banner", banner);
}
