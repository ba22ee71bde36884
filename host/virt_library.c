/* SPDX-License-Identifier: BSD-3-Clause */
#include "virt_library.h"

#include <errno.h>
#include <pthread.h>

#include <libvirt/libvirt.h>
#include <libxml/parser.h>

#include "virt_error.h"

static void
quiet(void *arg, virErrorPtr error)
{
	/* libvirt would print each error; ours become log lines where they matter. */
	(void)arg, (void)error;
}

static int library_ret;

static void
start_library(void)
{
	xmlInitParser();
	library_ret = virInitialize();
	virSetErrorFunc(NULL, quiet);
	if (library_ret == 0)
		library_ret = virEventRegisterDefaultImpl();
}

int
virt_library_start(struct frq_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, start_library);
	if (library_ret == 0)
		return 0;
	frq_err_set(err, "libvirt's library cannot be used: %s", virt_error_text());
	return -EIO;
}
