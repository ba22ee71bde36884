/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring-hook.c - makes a VM's region before QEMU does
 *
 * libvirt (6.5 and later) runs what is in /etc/libvirt/hooks/qemu.d as
 *
 *	freqring GUEST OPERATION SUB-OPERATION EXTRA	[the domain's XML on stdin]
 *
 * and waits for it. QEMU makes the file of an object that is not there readable
 * by everybody; freqringd makes it when it sees the domain defined, which is too
 * late for one that is defined and started at once, or while no daemon runs. On
 * "prepare begin" there is no QEMU yet.
 *
 * It must never keep a VM from starting: libvirt takes any exit status but 0, and
 * a death by signal, for a veto. So it always ends with 0, within 5 s, whatever
 * comes; what went wrong is said to stderr and syslog. stdout stays empty: for
 * "migrate" and "restore" libvirt would take it for the domain's new XML. It may
 * not call libvirt, which waits for it. One thread.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "config_pvt.h"
#include "domain_xml.h"

#define DEADLINE_S 5

static void __attribute__((format(printf, 2, 3)))
say(int priority, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Names are whatever somebody called a VM. */
	for (char *p = text; *p != '\0'; p++)
		*p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
	(void)fprintf(stderr, "freqring hook: %s\n", text);
	syslog(priority, "%s", text);
}

/* ---- never a veto --------------------------------------------------------------- */

/* Only what a signal handler may do. */
static void
give_up(int sig)
{
	static const char text[] = "freqring hook: ended by a signal or after 5 s, the VM goes on\n";

	(void)sig;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(0);
}

static void
guard(void)
{
	static const int deaths[] = { SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGSYS,
		SIGTERM, SIGINT, SIGHUP, SIGXCPU, SIGXFSZ };
	struct sigaction sa = { .sa_handler = give_up };
	sigset_t all;

	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		(void)sigaction(deaths[i], &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	(void)alarm(DEADLINE_S);
}

/* ---- the domain ----------------------------------------------------------------- */

/*
 * All of stdin, or NULL: too much, or an error. It may not end, the alarm does.
 * One byte more than a domain's XML may have, so that more is seen.
 */
static char *
read_xml(size_t *len)
{
	const size_t size = DOMAIN_XML_MAX + 1;
	char *text = malloc(size);
	ssize_t n = 1;

	*len = 0;
	while (text != NULL && n != 0 && *len < size) {
		n = read(STDIN_FILENO, text + *len, size - *len);
		if (n < 0 && errno != EINTR)
			break;
		*len += n > 0 ? (size_t)n : 0;
	}
	if (text != NULL && n >= 0 && *len < size)
		return text;
	free(text);
	return NULL;
}

/* Whether it has a device of ours that can be served. */
static bool
find_device(const char *guest, struct vm_map_vm *vm)
{
	struct frq_err err;
	size_t len;
	char *text = read_xml(&len);
	uid_t user;
	int ret;

	if (text == NULL) {
		say(LOG_WARNING, "VM %s: its XML cannot be read, or is larger than %u MiB", guest,
			DOMAIN_XML_MAX >> 20);
		return false;
	}
	ret = domain_xml_parse(text, len, FRQ_SHMEM_PREFIX, vm, &user, &err);
	free(text);
	if (ret < 0) {
		say(LOG_WARNING, "VM %s: %s", guest, err.text);
		return false;
	}
	if (vm->shmem[0] != '\0' && !vm->shmem_usable)
		say(LOG_WARNING, "VM %s will not be served: %s", guest, vm->shmem_problem);
	return vm->shmem[0] != '\0' && vm->shmem_usable;
}

/* ---- the file ------------------------------------------------------------------- */

/* A mistake in the file is the daemon's to refuse; here what it does without one. */
static void
read_config(struct config *c, const char *file)
{
	struct frq_err err;
	int ret;

	config_defaults(c);
	ret = config_parse_file(c, file, &err);
	if (ret == 0 && config_check_users(c, &err))
		return;
	if (ret != -ENOENT)
		say(LOG_WARNING, "%s; the defaults are used", err.text);
	config_defaults(c);
	(void)config_check_users(c, &err);
}

static void
make_region(const char *guest, const char *object, const char *config_file)
{
	struct frq_region region = FRQ_REGION_NONE;
	struct frq_region_file who;
	const struct passwd *user;
	const struct group *group;
	struct frq_err err;
	struct config c;
	char path[512];
	bool made;

	read_config(&c, config_file);
	user = getpwnam(c.qemu_user);
	group = getgrnam(c.shm_group);
	who.owner = user != NULL ? user->pw_uid : 0;
	who.group = group != NULL ? group->gr_gid : (gid_t)-1;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", c.shm_dir, object) >= sizeof(path)) {
		say(LOG_WARNING, "VM %s: the path of object %.64s... is too long", guest, object);
		return;
	}
	if (frq_region_open(&region, path, &who, &made, &err) < 0) {
		say(LOG_WARNING, "VM %s will not be served: %s", guest, err.text);
		return;
	}
	frq_region_close(&region);
	if (made)
		syslog(LOG_INFO, "VM %s: made %s", guest, path);
}

int
main(int argc, char **argv)
{
	const char *config_file = CONFIG_DEFAULT_FILE;
	static struct vm_map_vm vm;

	openlog("freqring-hook", LOG_PID, LOG_DAEMON);
	guard();
	/* For tests: libvirt gives no options, and a VM may be called "-c". */
	if (argc == 7 && strcmp(argv[1], "-c") == 0) {
		config_file = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc < 4) {
		say(LOG_WARNING, "libvirt runs this as freqring GUEST OPERATION SUB-OPERATION EXTRA");
		return 0;
	}
	if (strcmp(argv[2], "prepare") != 0 || strcmp(argv[3], "begin") != 0)
		return 0;
	if (find_device(argv[1], &vm))
		make_region(argv[1], vm.shmem, config_file);
	return 0;
}
