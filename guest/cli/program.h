/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * program.h - what kind of program a file is, for `freqring-guest run`
 */
#ifndef FREQRING_GUEST_PROGRAM_H
#define FREQRING_GUEST_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum program_kind {
	PROGRAM_SCRIPT,		/* begins with #! */
	PROGRAM_STATIC,		/* no dynamic loader */
	PROGRAM_DYNAMIC,
	PROGRAM_FOREIGN,	/* for another processor, or neither of these */
};

struct program {
	char path[4096];
	enum program_kind kind;
	char loader[256];	/* PROGRAM_DYNAMIC: its dynamic loader */
	bool privileged;	/* executing it gives more rights: LD_PRELOAD is ignored */
	bool has_power;		/* librte_power is part of the file itself */
	int power_soname;	/* N of the librte_power.so.N it is linked to; 0: to none */
};

/**
 * Find a program as the shell does, and look at it. Runs its dynamic loader, to
 * hear which libraries it needs, but not the program.
 *
 * @param[out] why  a sentence where it cannot be looked at
 * @return 0 or negative errno
 */
int program_inspect(struct program *p, const char *name, char *why, size_t size);

#endif /* FREQRING_GUEST_PROGRAM_H */
