/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * front_end.h - the guest's side of a vhost-user port, played by a test
 *
 * Memory with split virtqueues in it and a struct vhost_device over them, as
 * vhost.c makes one of what librte_vhost says; no librte_vhost. What a test
 * does not spoil is as an honest driver has it.
 */
#ifndef FRONT_END_H
#define FRONT_END_H

#include <sys/mman.h>

#include "fixture.h"
#include "vhost_pair.h"

#define FE_PAIRS	2u
#define FE_SIZE		64u		/* of a virtqueue */
#define FE_BUFFER	2048u
#define FE_GUARD	65536u
#define FE_GUEST	UINT64_C(0x40000000)	/* guest address of the memory */

struct fe_ring {
	struct vring_desc desc[FE_SIZE];
	uint16_t avail[3 + FE_SIZE];
	uint8_t pad0[64];
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[FE_SIZE];
	} used __attribute__((aligned(64)));
	uint8_t buffer[FE_SIZE][FE_BUFFER];
} __attribute__((aligned(4096)));

struct fe_memory {
	struct fe_ring tx[FE_PAIRS], rx[FE_PAIRS];
};

struct front_end {
	char dir[64];
	int fd;
	uint8_t *around;
	struct fe_memory *m;
	struct vm *vm;
	struct fx_queue queue;
	struct poller *p;
	struct vhost_device d;
	uint16_t tx_next[FE_PAIRS], rx_seen[FE_PAIRS];
	int call[2 * FE_PAIRS];
};

FX_UNUSED static uint64_t
fe_guest(const struct front_end *f, const void *at)
{
	return FE_GUEST + (uint64_t)((const uint8_t *)at - (const uint8_t *)f->m);
}

FX_UNUSED static void
fe_ring_set(struct front_end *f, struct fe_ring *m, struct vhost_ring *r, int *call_fd)
{
	*call_fd = eventfd(0, EFD_NONBLOCK);
	assert_true(vhost_ring_init(r, &f->d.memory, &(struct vhost_ring){ .size = FE_SIZE, .desc = m->desc,
		.avail = (struct vring_avail *)(void *)m->avail,
		.used = (struct vring_used *)(void *)&m->used, .call_fd = *call_fd }, 0, 0));
	for (unsigned int i = 0; i < FE_SIZE; i++)
		m->desc[i] = (struct vring_desc){ .addr = fe_guest(f, m->buffer[i]),
			.len = FE_BUFFER };
}

/* A VM whose channels are placed, at a poller that the test turns. */
FX_UNUSED static struct front_end *
fe_make(void)
{
	struct front_end *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fx_dir_make(f->dir);
	f->fd = memfd_create("front-end", 0);
	assert_int_equal(ftruncate(f->fd, sizeof(*f->m)), 0);
	/* With pages around it that fault. */
	f->around = mmap(NULL, sizeof(*f->m) + 2 * FE_GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	assert_true(f->around != MAP_FAILED);
	f->m = mmap(f->around + FE_GUARD, sizeof(*f->m), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED, f->fd, 0);
	assert_true(f->m != MAP_FAILED);
	fx_queue_make(&f->queue);
	f->p = fx_poller(&f->queue, FX_HZ_STILL, -1);
	f->vm = fx_vm_make(f->dir, 1, FE_PAIRS);
	fx_add(f->p, f->vm);
	fx_vm_place(f->vm, &fx_table);
	vhost_device_init(&f->d, f->vm, UINT64_C(1000000), -1);
	f->d.memory = (struct guest_memory){ .nb = 1, .region[0] = { .guest = FE_GUEST,
		.size = sizeof(*f->m), .host = (uint8_t *)f->m } };
	for (unsigned int i = 0; i < FE_PAIRS; i++) {
		fe_ring_set(f, &f->m->tx[i], &f->d.pair[i].tx, &f->call[2 * i]);
		fe_ring_set(f, &f->m->rx[i], &f->d.pair[i].rx, &f->call[2 * i + 1]);
		for (unsigned int b = 0; b < FE_SIZE; b++) {
			f->m->rx[i].desc[b].flags = VRING_DESC_F_WRITE;
			f->m->rx[i].avail[2 + b] = (uint16_t)b;
		}
		f->m->rx[i].avail[1] = FE_SIZE;
	}
	return f;
}

FX_UNUSED static void
fe_free(struct front_end *f)
{
	fx_remove(f->p, f->vm);
	fx_vm_free(f->vm);
	poller_free(f->p);
	fx_queue_free(&f->queue);
	for (unsigned int i = 0; i < 2 * FE_PAIRS; i++)
		(void)close(f->call[i]);
	(void)munmap(f->around, sizeof(*f->m) + 2 * FE_GUARD);
	(void)close(f->fd);
	fx_dir_remove(f->dir);
	free(f);
}

FX_UNUSED static struct frq_vhost_request
fe_frame(enum frq_vhost_kind kind, unsigned int channel, uint64_t word)
{
	return (struct frq_vhost_request){
		.head = { .from = { 2, 0x66, 0x72, 0x71, 9, 9 },
			.ethertype = { 0x88, 0xb5 }, .version = FRQ_VHOST_VERSION, .kind = kind },
		.channel = (uint16_t)channel,
		.word = word,
	};
}

/* Put bytes behind a virtio header and make the buffer available. @return its descriptor */
FX_UNUSED static struct vring_desc *
fe_put(struct front_end *f, unsigned int pair, const void *frame, size_t len)
{
	struct fe_ring *m = &f->m->tx[pair];
	unsigned int at = f->tx_next[pair]++ % FE_SIZE;

	memset(m->buffer[at], 0, FRQ_VHOST_NET_HEADER);
	memcpy(m->buffer[at] + FRQ_VHOST_NET_HEADER, frame, len);
	m->desc[at] = (struct vring_desc){ .addr = fe_guest(f, m->buffer[at]),
		.len = (uint32_t)(FRQ_VHOST_NET_HEADER + len) };
	m->avail[2 + at] = (uint16_t)at;
	__atomic_store_n(&m->avail[1], f->tx_next[pair], __ATOMIC_RELEASE);
	return &m->desc[at];
}

FX_UNUSED static struct vring_desc *
fe_send(struct front_end *f, unsigned int pair, enum frq_vhost_kind kind, uint64_t word)
{
	struct frq_vhost_request frame = fe_frame(kind, pair, word);

	return fe_put(f, pair, &frame, sizeof(frame));
}

FX_UNUSED static unsigned int
fe_turn(struct front_end *f)
{
	return vhost_device_poll(f->p, &f->d);
}

/* The next frame that came in, behind its virtio header; NULL: none. */
FX_UNUSED static const void *
fe_receive(struct front_end *f, unsigned int pair, uint32_t *len)
{
	struct fe_ring *m = &f->m->rx[pair];
	const struct vring_used_elem *e = &m->used.ring[f->rx_seen[pair] % FE_SIZE];

	if (m->used.idx == f->rx_seen[pair])
		return NULL;
	f->rx_seen[pair]++;
	m->avail[1]++;	/* the ring goes around in order, so it is the same buffer */
	*len = e->len - FRQ_VHOST_NET_HEADER;
	return m->buffer[e->id] + FRQ_VHOST_NET_HEADER;
}

/* The last state frame that came in; the others are let go. */
FX_UNUSED static bool
fe_state(struct front_end *f, unsigned int pair, struct frq_vhost_state *s)
{
	const void *frame;
	bool any = false;
	uint32_t len;

	while ((frame = fe_receive(f, pair, &len)) != NULL)
		if (len == sizeof(*s)) {
			memcpy(s, frame, sizeof(*s));
			any = true;
		}
	return any;
}

FX_UNUSED static uint64_t
fe_word(const struct front_end *f, uint16_t seq, enum frq_op op, uint32_t arg)
{
	return frq_request_pack((struct frq_request){ .seq = seq, .epoch = f->vm->life.epoch,
		.op = (uint8_t)op, .arg = arg });
}

#endif /* FRONT_END_H */
