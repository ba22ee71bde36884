/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virt_error.h - what libvirt says about the last call of this thread
 */
#ifndef FRQ_VIRT_ERROR_H
#define FRQ_VIRT_ERROR_H

#include <libvirt/virterror.h>

static inline int
virt_error_code(void)
{
	const virError *e = virGetLastError();

	return e != NULL ? e->code : VIR_ERR_OK;
}

static inline const char *
virt_error_text(void)
{
	const virError *e = virGetLastError();

	return e != NULL && e->message != NULL ? e->message : "no reason given";
}

#endif /* FRQ_VIRT_ERROR_H */
