/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1	/* struct ucred */
#include "vhost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_vhost.h>

#include "log.h"
#include "sigbus.h"

#define NOT_MODERN "its driver does not speak virtio 1"

/* All that a port of ours needs; librte_vhost offers more. */
#define FEATURES (UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_NET_F_MQ | \
	UINT64_C(1) << VHOST_USER_F_PROTOCOL_FEATURES)
#define PROTOCOL_FEATURES (UINT64_C(1) << VHOST_USER_PROTOCOL_F_MQ | \
	UINT64_C(1) << VHOST_USER_PROTOCOL_F_REPLY_ACK)

/* Of vhost-user's messages, by docs/interop/vhost-user in QEMU: where the guest's memory goes. */
#define RESET_OWNER	4u
#define SET_MEM_TABLE	5u

/* How long the rest of a message may take: all ports' messages wait for it. */
#define MESSAGE_S 1

struct vhost_port {
	LIST_ENTRY(vhost_port) link;
	struct vhost *v;
	char path[108];
	char name[256];

	/* Of what follows. librte_vhost's thread and the control thread take it,
	 * and wait for the poller with it; the poller never does.
	 */
	pthread_mutex_t lock;
	int vid;			/* librte_vhost's number, -1: not connected */
	bool refused;			/* the other end is nobody whom we trust */
	bool in_message;		/* of QEMU's: what librte_vhost knows is being changed */
	bool has_memory;		/* QEMU has told of the guest's */
	bool running;			/* the guest's driver is ready */
	bool not_modern;		/* but of another age */
	bool enabled[2 * FRQ_VHOST_MAX_PAIRS];	/* virtqueues */
	struct vm *vm;			/* NULL: not served */
	bool given;			/* to the poller */
	unsigned int nb_watched;
	void *watched[VHOST_MAX_REGIONS];
	uint64_t connects, refusals;
	struct vhost_device device;

	uint64_t calling;		/* device.calling, a second ago; the control thread's */
};

struct vhost {
	struct vhost_config c;
};

/* librte_vhost's callbacks have nothing but a number and a path. */
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, vhost_port) ports = LIST_HEAD_INITIALIZER(ports);

static struct vhost_port *
find_port(int vid)
{
	struct vhost_port *p;
	char path[sizeof(p->path)];

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) < 0)
		return NULL;
	(void)pthread_mutex_lock(&ports_lock);
	LIST_FOREACH(p, &ports, link)
		if (strcmp(p->path, path) == 0)
			break;
	(void)pthread_mutex_unlock(&ports_lock);
	return p;
}

/* ---- the guest's memory ---------------------------------------------------- */

static void
unwatch_memory(struct vhost_port *p)
{
	for (unsigned int i = 0; i < p->nb_watched; i++)
		sigbus_unwatch(p->watched[i]);
	p->nb_watched = 0;
}

/* QEMU may cut it short at any time, and librte_vhost looks into it, too. */
static bool
take_memory(struct vhost_port *p)
{
	struct guest_memory *m = &p->device.memory;
	struct rte_vhost_memory *table;
	bool ok = true;

	unwatch_memory(p);
	m->nb = 0;
	if (!p->has_memory)
		return true;
	if (rte_vhost_get_mem_table(p->vid, &table) < 0)
		return false;
	for (uint32_t i = 0; ok && i < table->nregions; i++) {
		const struct rte_vhost_mem_region *r = &table->regions[i];

		ok = i < VHOST_MAX_REGIONS &&
			sigbus_watch(r->mmap_addr, r->mmap_size, &p->device.broken) == 0;
		if (!ok)
			break;
		p->watched[p->nb_watched++] = r->mmap_addr;
		m->region[m->nb++] = (struct guest_region){
			.guest = r->guest_phys_addr,
			.size = r->size,
			.host = (uint8_t *)(uintptr_t)r->host_user_addr,
		};
	}
	free(table);
	return ok;
}

/* ---- to the poller and back -------------------------------------------------- */

/* The poller writes to it, and must not wait: a pipe might be as full as its reader likes. */
static int
checked_call_fd(int fd)
{
	static const char eventfd_name[] = "anon_inode:[eventfd]";
	char link[32], name[sizeof(eventfd_name)];
	ssize_t n;

	if (fd < 0)
		return -1;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name));
	if (n != (ssize_t)sizeof(eventfd_name) - 1 || memcmp(name, eventfd_name, (size_t)n) != 0)
		return -1;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

/* @param pair  number; tx: the guest's transmit queue is the odd one */
static void
take_ring(struct vhost_port *p, unsigned int pair, bool tx, struct vhost_ring *r)
{
	uint16_t queue = (uint16_t)(2 * pair + tx), avail, used;
	struct rte_vhost_vring v;

	r->ready = false;
	if (!p->enabled[queue] || rte_vhost_get_vhost_vring(p->vid, queue, &v) < 0 ||
	    rte_vhost_get_vring_base(p->vid, queue, &avail, &used) < 0)
		return;
	if (!vhost_ring_init(r, &p->device.memory, &(struct vhost_ring){ .size = v.size,
	    .desc = v.desc, .avail = v.avail, .used = v.used,
	    .call_fd = checked_call_fd(v.callfd) }, avail, used))
		return;
	/* The poller looks by itself; no exit of the guest is needed. */
	__atomic_store_n(&r->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	/* What was handed back before may not have been told. */
	r->call_due = true;
}

static bool
is_modern(int vid)
{
	uint64_t features = 0;

	return rte_vhost_get_negotiated_features(vid, &features) == 0 &&
		(features & UINT64_C(1) << VIRTIO_F_VERSION_1) != 0;
}

static void
give(struct vhost_port *p)
{
	struct vhost_device *d = &p->device;
	bool any = false;

	/* Amid a message, and after one that failed, librte_vhost's rings may point anywhere. */
	if (p->given || p->in_message || !p->has_memory || !p->running || p->vm == NULL ||
	    d->fault != NULL)
		return;
	/* A boot ROM's, it may be, and the next one does. */
	p->not_modern = !is_modern(p->vid);
	if (p->not_modern)
		return;
	for (unsigned int i = 0; i < d->nb_pairs; i++) {
		take_ring(p, i, true, &d->pair[i].tx);
		take_ring(p, i, false, &d->pair[i].rx);
		any |= d->pair[i].tx.ready;
	}
	if (any && !__atomic_load_n(&d->broken, __ATOMIC_ACQUIRE))
		p->given = poller_add_feeder(p->v->c.poller, &d->feeder) == 0;
}

static void
leave_ring(struct vhost_port *p, unsigned int pair, bool tx, const struct vhost_ring *r)
{
	/* What librte_vhost tells QEMU of when it asks, and what we go on from. */
	if (r->ready)
		(void)rte_vhost_set_vring_base(p->vid, (uint16_t)(2 * pair + tx), r->next,
			r->used_next);
}

static void
take_back(struct vhost_port *p)
{
	struct vhost_device *d = &p->device;

	if (!p->given)
		return;
	/* Until it has let go nothing may change under it. */
	while (poller_remove_feeder(p->v->c.poller, &d->feeder) < 0)
		FRQ_LOG(ERR, "VM %s: the poller does not answer", p->name);
	p->given = false;
	for (unsigned int i = 0; i < d->nb_pairs; i++) {
		leave_ring(p, i, true, &d->pair[i].tx);
		leave_ring(p, i, false, &d->pair[i].rx);
	}
}

static void
forget_listeners(struct vhost_device *d)
{
	for (unsigned int i = 0; i < FRQ_VHOST_MAX_PAIRS; i++)
		d->pair[i].listens = d->pair[i].hello_due = d->pair[i].table_due = false;
}

/* ---- what librte_vhost says ----------------------------------------------------- */

static int
on_ready(int vid)
{
	struct vhost_port *p = find_port(vid);

	if (p == NULL)
		return -1;
	(void)pthread_mutex_lock(&p->lock);
	p->running = true;
	forget_listeners(&p->device);
	give(p);
	(void)pthread_mutex_unlock(&p->lock);
	return 0;
}

static void
on_gone(int vid)
{
	struct vhost_port *p = find_port(vid);

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	take_back(p);
	p->running = false;
	(void)pthread_mutex_unlock(&p->lock);
}

static int
on_queue(int vid, uint16_t queue, int enable)
{
	struct vhost_port *p = find_port(vid);

	if (p == NULL || queue >= 2 * FRQ_VHOST_MAX_PAIRS)
		return 0;
	(void)pthread_mutex_lock(&p->lock);
	take_back(p);
	p->enabled[queue] = enable != 0;
	give(p);
	(void)pthread_mutex_unlock(&p->lock);
	return 0;
}

/* What a message begins with. */
static uint32_t
number_of(const void *msg)
{
	uint32_t number;

	memcpy(&number, msg, sizeof(number));
	return number;
}

static enum rte_vhost_msg_result
before_message(int vid, void *msg)
{
	struct vhost_port *p = find_port(vid);

	if (p == NULL)
		return RTE_VHOST_MSG_RESULT_ERR;
	(void)pthread_mutex_lock(&p->lock);
	take_back(p);
	p->in_message = true;
	if (number_of(msg) == SET_MEM_TABLE || number_of(msg) == RESET_OWNER) {
		p->has_memory = false;
		unwatch_memory(p);
	}
	(void)pthread_mutex_unlock(&p->lock);
	/* librte_vhost looks into what it has mapped before it says where that is. */
	sigbus_guard();
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result
after_message(int vid, void *msg)
{
	bool cut = sigbus_unguard();
	struct vhost_port *p = find_port(vid);
	bool ok;

	if (p == NULL)
		return RTE_VHOST_MSG_RESULT_ERR;
	(void)pthread_mutex_lock(&p->lock);
	p->in_message = false;
	p->has_memory |= number_of(msg) == SET_MEM_TABLE;
	if (cut && p->vm != NULL)
		vhost_device_give_up(&p->device, "the memory of the VM was cut short");
	ok = !cut && take_memory(p);
	if (ok)
		give(p);
	(void)pthread_mutex_unlock(&p->lock);
	return ok ? RTE_VHOST_MSG_RESULT_NOT_HANDLED : RTE_VHOST_MSG_RESULT_ERR;
}

static const struct rte_vhost_user_extern_ops message_ops = {
	.pre_msg_handle = before_message,
	.post_msg_handle = after_message,
};

/* ---- who is at the other end ------------------------------------------------------- */

static bool
is_trusted(const struct vhost *v, uid_t uid)
{
	return uid == 0 || uid == v->c.qemu_user || uid == geteuid();
}

/* @return whether fd is a connection to that socket, and then of whom */
static bool
peer_of(int fd, const char *path, uid_t *uid)
{
	struct sockaddr_un sun = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(sun);
	struct ucred cred;
	socklen_t cred_len = sizeof(cred);

	if (getpeername(fd, (struct sockaddr *)&sun, &len) < 0 || sun.sun_family != AF_UNIX ||
	    strncmp(sun.sun_path, path, sizeof(sun.sun_path)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) < 0)
		return false;
	*uid = cred.uid;
	return true;
}

/*
 * librte_vhost does not tell which descriptor the connection has, and waits on it for
 * the rest of a message.
 */
static bool
let_in(const struct vhost *v, const char *path)
{
	static const struct timeval limit = { .tv_sec = MESSAGE_S };
	DIR *dir = opendir("/proc/self/fd");
	bool seen = false, ok = true;
	const struct dirent *e;
	uid_t uid;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || !peer_of(fd, path, &uid))
			continue;
		seen = true;
		ok = ok && is_trusted(v, uid) &&
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return seen && ok;
}

static int
on_connection(int vid)
{
	struct vhost_port *p = find_port(vid);
	bool ok;

	if (p == NULL)
		return -1;
	(void)pthread_mutex_lock(&p->lock);
	ok = let_in(p->v, p->path) &&
		rte_vhost_extern_callback_register(vid, &message_ops, NULL) == 0;
	p->refused = !ok;
	p->vid = ok ? vid : -1;
	p->connects += ok;
	p->refusals += !ok;
	p->in_message = p->has_memory = false;
	memset(p->enabled, 0, sizeof(p->enabled));
	(void)pthread_mutex_unlock(&p->lock);
	if (ok)
		FRQ_LOG(INFO, "VM %s: vhost-user port connected, %s", p->name, p->path);
	else
		FRQ_LOG(WARNING, "VM %s: %s: who listens there is neither root nor QEMU's user",
			p->name, p->path);
	return ok ? 0 : -1;
}

static void
on_disconnection(int vid)
{
	struct vhost_port *p = find_port(vid);

	(void)sigbus_unguard();
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->vid = -1;
	p->in_message = p->has_memory = false;
	unwatch_memory(p);
	(void)pthread_mutex_unlock(&p->lock);
	FRQ_LOG(NOTICE, "VM %s: vhost-user port was closed by its other end", p->name);
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = on_ready,
	.destroy_device = on_gone,
	.vring_state_changed = on_queue,
	.new_connection = on_connection,
	.destroy_connection = on_disconnection,
};

/* ---- ports --------------------------------------------------------------------------- */

static int
dial(const struct vhost_port *p)
{
	uint64_t offered = 0;
	int ret = rte_vhost_driver_register(p->path, RTE_VHOST_USER_CLIENT);

	if (ret < 0)
		return ret;
	if (rte_vhost_driver_get_features(p->path, &offered) == 0 &&
	    rte_vhost_driver_disable_features(p->path, offered & ~FEATURES) == 0 &&
	    rte_vhost_driver_set_protocol_features(p->path, PROTOCOL_FEATURES) == 0 &&
	    rte_vhost_driver_callback_register(p->path, &device_ops) == 0 &&
	    rte_vhost_driver_start(p->path) == 0)
		return 0;
	(void)rte_vhost_driver_unregister(p->path);
	return -EIO;
}

/* Its callbacks come, on this thread or the other one, until it returns. */
static void
hang_up(struct vhost_port *p)
{
	(void)rte_vhost_driver_unregister(p->path);
	(void)pthread_mutex_lock(&p->lock);
	p->vid = -1;
	p->in_message = p->has_memory = p->running = false;
	unwatch_memory(p);
	(void)pthread_mutex_unlock(&p->lock);
}

/* librte_vhost would take it twice, and mix the two up. @return whether nobody had it */
static bool
insert_port(struct vhost_port *p)
{
	const struct vhost_port *other;

	(void)pthread_mutex_lock(&ports_lock);
	LIST_FOREACH(other, &ports, link)
		if (strcmp(other->path, p->path) == 0)
			break;
	if (other == NULL)
		LIST_INSERT_HEAD(&ports, p, link);
	(void)pthread_mutex_unlock(&ports_lock);
	return other == NULL;
}

struct vhost_port *
vhost_open(struct vhost *v, const char *path, const char *name, struct frq_err *err)
{
	struct vhost_port *p = calloc(1, sizeof(*p));

	if (p == NULL || strlen(path) >= sizeof(p->path)) {
		frq_err_set(err, p == NULL ? "no memory" : "the path of its socket is too long");
		free(p);
		return NULL;
	}
	p->v = v;
	p->vid = -1;
	(void)snprintf(p->path, sizeof(p->path), "%s", path);
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	if (!insert_port(p)) {
		frq_err_set(err, "another VM has the same socket %.100s: give one of them a path of its own",
			path);
		free(p);
		return NULL;
	}
	(void)pthread_mutex_init(&p->lock, NULL);
	if (dial(p) == 0)
		return p;
	frq_err_set(err, "librte_vhost does not take the socket %.100s", path);
	vhost_close(p);
	return NULL;
}

void
vhost_close(struct vhost_port *p)
{
	if (p == NULL)
		return;
	hang_up(p);
	(void)pthread_mutex_lock(&ports_lock);
	LIST_REMOVE(p, link);
	(void)pthread_mutex_unlock(&ports_lock);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

void
vhost_serve(struct vhost_port *p, struct vm *vm)
{
	(void)pthread_mutex_lock(&p->lock);
	vhost_device_init(&p->device, vm, p->v->c.tsc_hz, p->v->c.notify_fd);
	p->vm = vm;
	if (p->vid >= 0 && !p->in_message && take_memory(p))
		give(p);
	(void)pthread_mutex_unlock(&p->lock);
}

void
vhost_release(struct vhost_port *p)
{
	(void)pthread_mutex_lock(&p->lock);
	take_back(p);
	p->vm = NULL;
	(void)pthread_mutex_unlock(&p->lock);
}

void
vhost_tick(struct vhost_port *p)
{
	uint64_t calling = __atomic_load_n(&p->device.calling, __ATOMIC_RELAXED);
	bool refused;

	/* Before the lock, whose holder may be waiting for the poller. */
	if (calling != 0 && calling == p->calling)
		poller_interrupt(p->v->c.poller);
	p->calling = calling;
	(void)pthread_mutex_lock(&p->lock);
	refused = p->refused;
	p->refused = false;
	(void)pthread_mutex_unlock(&p->lock);
	/* librte_vhost does not try again by itself what was not let in. */
	if (!refused)
		return;
	hang_up(p);
	if (dial(p) == 0)
		return;
	FRQ_LOG(ERR, "VM %s: librte_vhost does not take the socket %s again", p->name, p->path);
	(void)pthread_mutex_lock(&p->lock);
	p->refused = true;
	(void)pthread_mutex_unlock(&p->lock);
}

struct vhost *
vhost_create(const struct vhost_config *c)
{
	struct vhost *v = calloc(1, sizeof(*v));

	if (v != NULL)
		v->c = *c;
	return v;
}

void
vhost_free(struct vhost *v)
{
	free(v);
}

/* ---- for status ------------------------------------------------------------------------ */

const char *
vhost_path(const struct vhost_port *p)
{
	return p->path;
}

bool
vhost_has_pair(struct vhost_port *p, unsigned int n)
{
	bool has;

	(void)pthread_mutex_lock(&p->lock);
	has = p->given && n < p->device.nb_pairs && p->device.pair[n].tx.ready &&
		vhost_fault(p) == NULL;
	(void)pthread_mutex_unlock(&p->lock);
	return has;
}

const char *
vhost_fault(const struct vhost_port *p)
{
	return __atomic_load_n(&p->device.fault, __ATOMIC_ACQUIRE);
}

json_t *
vhost_status(struct vhost_port *p)
{
	const struct vhost_stats *s = &p->device.stats;
	const char *fault = vhost_fault(p);
	json_t *causes = json_object();
	unsigned int queues = 0;
	json_t *status;

	for (unsigned int i = 0; i < FRQ_VHOST_MAX_PAIRS; i++)
		queues += vhost_has_pair(p, i);
	for (unsigned int i = VHOST_GOOD + 1; i < VHOST_CAUSE_COUNT; i++)
		if (counter_get(&s->causes[i]) != 0)
			(void)json_object_set_new(causes, vhost_cause_name((enum vhost_cause)i),
				json_integer((json_int_t)counter_get(&s->causes[i])));
	(void)pthread_mutex_lock(&p->lock);
	if (fault == NULL && p->running && p->not_modern)
		fault = NOT_MODERN;
	status = json_pack("{s:s, s:b, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
		"path", p->path,
		"connected", (int)(p->vid >= 0),
		"queues", (int)queues,
		"fault", fault != NULL ? fault : "",
		"frames", (json_int_t)counter_get(&s->frames),
		"hellos", (json_int_t)counter_get(&s->hellos),
		"answers", (json_int_t)counter_get(&s->answers),
		"answers_dropped", (json_int_t)counter_get(&s->answers_dropped),
		"interrupts", (json_int_t)counter_get(&s->calls),
		"connects", (json_int_t)p->connects,
		"refused", (json_int_t)p->refusals,
		"dropped", causes);
	(void)pthread_mutex_unlock(&p->lock);
	return status;
}
