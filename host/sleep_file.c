/* SPDX-License-Identifier: BSD-3-Clause */
#include "sleep_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define NAME "sleep.json"

static bool
make_path(char path[512], const char *state_dir, const char *end)
{
	return (size_t)snprintf(path, 512, "%s/" NAME "%s", state_dir, end) < 512;
}

json_t *
sleep_file_read(const char *state_dir)
{
	json_error_t why;
	char path[512];
	json_t *guests;

	if (!make_path(path, state_dir, "") || access(path, F_OK) != 0)
		return NULL;
	guests = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (json_is_array(guests))
		return guests;
	FRQ_LOG(WARNING, "%s: %s: since when guests sleep is not known", path,
		guests == NULL ? why.text : "no array");
	json_decref(guests);
	return NULL;
}

/* Whole or not at all. */
void
sleep_file_write(const char *state_dir, json_t *guests)
{
	char path[512], made[512];
	bool done;

	if (!make_path(path, state_dir, "") || !make_path(made, state_dir, ".new")) {
		json_decref(guests);
		return;
	}
	if (json_array_size(guests) == 0)
		done = unlink(path) == 0 || errno == ENOENT;
	else
		done = json_dump_file(guests, made, JSON_COMPACT) == 0 && rename(made, path) == 0;
	if (!done)
		FRQ_LOG(WARNING, "%s cannot be written: %s: who sleeps is forgotten when freqringd is restarted",
			path, strerror(errno));
	json_decref(guests);
}
