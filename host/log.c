/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <stddef.h>
#include <string.h>

RTE_LOG_REGISTER(frq_logtype, freqring, INFO);

void
log_set_level(const char *name)
{
	static const struct {
		const char *name;
		uint32_t level;
	} levels[] = {
		{ "debug", RTE_LOG_DEBUG }, { "info", RTE_LOG_INFO }, { "notice", RTE_LOG_NOTICE },
		{ "warning", RTE_LOG_WARNING }, { "error", RTE_LOG_ERR },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(levels[i].name, name) == 0)
			(void)rte_log_set_level((uint32_t)frq_logtype, levels[i].level);
}
