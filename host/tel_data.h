/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tel_data.h - JSON as a reply of DPDK's telemetry
 *
 * What telemetry of DPDK 22.11 cannot carry is put so that it can, or left
 * out and counted, so that nothing is cut in silence:
 *
 *	an object		a dict of at most 255 entries, numbers and texts first
 *	an array of whole numbers, or of texts	the same, of at most 512
 *	any other array		a dict, its keys are the indices; so is an empty one
 *				inside a dict, which says nothing of what it is of
 *	true, false		1, 0
 *	null			left out
 *	other numbers		texts
 *	a text			printable ASCII: \xNN for each other byte, \\ for a
 *				backslash; cut at 127 with "..." at its end
 *	too much		left out; "more" is how many entries of a dict are,
 *				KEY_more how many of the array KEY
 *
 * No state; any thread.
 */
#ifndef FRQ_TEL_DATA_H
#define FRQ_TEL_DATA_H

#include <jansson.h>
#include <rte_telemetry.h>

/** What a reply has for a value, with room for the name of the command around it. */
#define TEL_ROOM (16u * 1024 - 128)

/**
 * Fill in a reply.
 *
 * An array that does not fit becomes a dict of "list" and "list_more".
 *
 * @param value  an object or an array
 * @param room  bytes that it may take as text, 64 at least
 * @return 0, or -EINVAL: neither object nor array
 */
int tel_data_fill(struct rte_tel_data *d, const json_t *value, size_t room);

/** A text as it is put into replies. @return its length if it had not to be cut */
size_t tel_data_text(char out[RTE_TEL_MAX_STRING_LEN], const char *text);

#endif /* FRQ_TEL_DATA_H */
