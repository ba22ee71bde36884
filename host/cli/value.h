/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * value.h - what arguments and options may be: types, and how each is read
 *
 * No allocation; what is parsed borrows the text.
 */
#ifndef FRQ_CLI_VALUE_H
#define FRQ_CLI_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpuset.h"

enum value_kind {
	VALUE_NONE,	/* no argument */
	VALUE_TEXT,	/* anything */
	VALUE_VM,	/* a name or UUID */
	VALUE_COMMAND,
	VALUE_NUMBER,	/* from 0 on */
	VALUE_COUNT,	/* from 1 on */
	VALUE_VCPU,
	VALUE_CPU,
	VALUE_CPULIST,	/* and any of the words */
	VALUE_CHANNELS,	/* likewise */
	VALUE_MASK,
	VALUE_WORD,	/* one of the words */
	VALUE_WORDS,	/* some of the words, between commas; others are let */
	VALUE_FREQ,	/* one of the words, or MHz */
};

struct value_type {
	enum value_kind kind;
	const char *name;		/* as help shows it */
	const char *const *words;	/* ends with NULL; or NULL */
};

struct value {
	const char *text;	/* as typed; NULL: not given */
	bool word;		/* it is one of the words */
	uint64_t number;	/* where it is one; kHz of VALUE_FREQ */
	struct cpuset set;	/* of a list, a mask or a CPU */
	unsigned int nb_items;	/* of a list: the set in the order it was typed */
	uint16_t item[FRQ_MAX_CPUS];
};

/**
 * Read `text` as a value of that type.
 *
 * @return whether it is one; if not, *err quotes the text and says why, and
 *	what is near where it is a word
 */
bool value_parse(struct value *v, const struct value_type *type, const char *text,
	struct frq_err *err);

#define VALUE_MASK_SIZE (FRQ_MAX_CPUS / 4 + 3)

/** "0x2c"; returns `text`, of VALUE_MASK_SIZE bytes. */
char *value_format_mask(const struct cpuset *set, char *text);

/* Enough for any set: a number of four digits and a comma each. */
#define VALUE_LIST_SIZE (FRQ_MAX_CPUS * 5)

#endif /* FRQ_CLI_VALUE_H */
