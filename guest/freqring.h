/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * freqring.h - ask the host for the frequency of the cores a VM runs on
 *
 * A program opens the transport once, attaches one channel per lcore, and
 * posts requests: a store into memory shared with the host, no system call,
 * no VM exit. The answer is read back the same way, by plain loads.
 *
 * Where there is no such memory, or its host does not answer, the same calls
 * speak DPDK's power packets over virtio-serial: a write() each, which never
 * blocks. A channel moves to where the host answers by itself, and says its
 * last wish again there.
 *
 * Threads: freqring_open, freqring_close, freqring_get_info,
 * freqring_attach, freqring_observe and freqring_detach of one handle must
 * not run at the same time. A channel belongs to one thread at a time;
 * different channels need no lock between them, nor against the calls above.
 * Nothing here blocks but the freqring_wait_* calls, freqring_get_info with a
 * timeout, freqring_open (a few hundred microseconds to time the mapping;
 * where there is a serial port, too, 0.15 s at most to see whether the shared
 * memory is alive), freqring_attach while the host is just starting (0.1 s at
 * most), and over virtio-serial freqring_query_* and freqring_get_status
 * (20 ms at most).
 *
 * A freqring_open that finds shared memory takes SIGBUS: where that memory is
 * taken away, an access finds zeroes instead. Any other SIGBUS goes
 * on to the handler that was there before.
 *
 * Errors are negative errno values; freqring_error() has the sentence for
 * a person.
 */
#ifndef FREQRING_H
#define FREQRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Until version 1 structs may grow: a program is built anew with the library. */
#define FREQRING_VERSION_MAJOR 0
#define FREQRING_VERSION_MINOR 1

struct freqring;		/* a transport to the host */
struct freqring_channel;	/* one vCPU's voice in it */

/* How the guest sees the region. */
enum freqring_mapping {
	FREQRING_MAPPING_CACHED,	/* as fast as it should be */
	FREQRING_MAPPING_UNCACHED,	/* each access goes to the bus: correct but slow */
};

/* The way to the host. */
enum freqring_transport {
	FREQRING_TRANSPORT_AUTO = 0,	/* the best that answers */
	FREQRING_TRANSPORT_IVSHMEM = 1,	/* memory shared with freqringd */
	FREQRING_TRANSPORT_SERIAL = 2,	/* virtio-serial, to freqringd or DPDK's vm_power_manager */
	FREQRING_TRANSPORT_VHOST = 3,	/* frames of a virtio-net port, to freqringd */
};

/* What the host as a whole is about to do, or did last. */
enum freqring_host {
	FREQRING_HOST_AWAKE = 0,	/* nothing to tell */
	FREQRING_HOST_SUSPENDING = 1,	/* goes to sleep soon, and this VM with it */
	FREQRING_HOST_RESUMED = 2,	/* slept */
	FREQRING_HOST_STAYED = 3,	/* was to sleep, and did not */
};

/** "awake", "suspending", "resumed" or "stayed awake". */
const char *freqring_host_name(enum freqring_host host);

/** "auto", "ivshmem", "vhost-user" or "serial". */
const char *freqring_transport_name(enum freqring_transport transport);

/** What to open. Zero-initialised means: find the host by itself. */
struct freqring_options {
	/* A device folder such as /sys/bus/pci/devices/0000:00:05.0, or the
	 * path of a region's file (tests and measurements on the host itself);
	 * NULL: the first PCI device 1af4:1110 that holds our magic.
	 */
	const char *device;

	/* The virtio-net port for requests: an interface such as "eth1"; or
	 * "ethdev:N", DPDK's port N, which the program has started with a queue
	 * pair for each vCPU that asks; or "ethdev", the first of those with a
	 * hardware address that begins with 02:66:72:71. DPDK's needs the module
	 * libfreqring-ethdev.so; queue pair N belongs to whoever has vCPU N's
	 * channel, and before that to freqring_open and freqring_attach. NULL: an
	 * interface with such an address.
	 */
	const char *port;

	/* Force one. AUTO: what FREQRING_TRANSPORT in the environment says
	 * (ivshmem, vhost-user or serial), else the first of these whose host
	 * answers: shared memory, a virtio-net port, the serial ports; where the
	 * mapping of shared memory is uncached, a virtio-net port first. And
	 * channels move by themselves.
	 */
	enum freqring_transport transport;

	/* For how long the host's heartbeat may stand still before a channel
	 * moves away from shared memory; 0: 100 ms.
	 */
	unsigned int stale_ms;

	/* The VM's name on the host, up to 31 characters: DPDK's
	 * vm_power_manager answers queries over virtio-serial only to who
	 * says it. NULL: FREQRING_VM_NAME in the environment, else none.
	 */
	const char *vm_name;

	/* Told of each move of a channel, from the thread that has it, which
	 * may not call this library meanwhile. `why` is for people. From and to
	 * are the same where a device was plugged in again.
	 */
	void (*moved)(void *arg, enum freqring_transport from, enum freqring_transport to,
		const char *why);
	void *moved_arg;

	/* Told, of channels that asked for it (freqring_tell_host), what the host
	 * does; likewise from the thread that has the channel, in a call that
	 * finds it. `ms`: until the host sleeps, about, as of when it said so;
	 * or for how long it slept.
	 */
	void (*host)(void *arg, unsigned int vcpu, enum freqring_host host, uint32_t ms);
	void *host_arg;
};

/**
 * Open the transport.
 *
 * @param[out] fr  the handle; set on failure, too, so that
 *	freqring_error(fr) can say why; freqring_close() it in both cases
 *	(NULL only for -ENOMEM)
 * @return 0; -ENODEV no device; -ENOENT a device without our magic (the
 *	host's daemon has not made the region ready yet); -EPROTO another
 *	version; -EPERM the kernel is locked down; -EACCES not allowed to open
 *	the device; -EINVAL a file that cannot be a region's, or no such
 *	transport; or the errno of a call that failed. With serial forced,
 *	-ENODEV no port, -EACCES not allowed to open them. freqring_error()
 *	lists each transport that was tried and why it failed.
 */
int freqring_open(struct freqring **fr, const struct freqring_options *options);

/** Detach all channels and unmap. NULL is allowed. */
void freqring_close(struct freqring *fr);

/** The last failure of this handle or of a channel of it; never NULL. */
const char *freqring_error(const struct freqring *fr);

/** What is known of the transport. */
struct freqring_info {
	char device[64];		/* PCI address, or the end of a path */
	unsigned int version;		/* of the region */
	unsigned int nb_channels;	/* vCPUs that the host serves */
	unsigned int epoch;
	unsigned int incarnation;	/* another whenever the host's daemon takes the VM up */
	bool host_alive;		/* the heartbeat moved, see below */
	bool host_stopped;		/* the daemon said good-bye */
	bool quarantined;		/* the host does not listen to this VM */
	bool simulated;			/* the host only pretends to set frequencies */
	bool turbo;			/* turbo requests are served */
	enum freqring_mapping mapping;
	unsigned int load_ns_x10;	/* one load of shared memory, in 0.1 ns */
	unsigned int store_ns_x10;	/* one store */
	uint8_t uuid[16];		/* the VM, as libvirt names it */

	enum freqring_transport transport; /* where the last channel went, else what open chose */
	uint64_t ports;			/* bit N: vCPU N has a serial port */
	uint64_t moves;			/* of all channels, since freqring_open */
};

/**
 * Read the header. Over virtio-serial there is none: device is the first
 * port, nb_channels the number after the last one's, host_alive whether a host
 * holds the other end, and what only shared memory has is 0. To tell a still heartbeat this waits until it moves, at
 * most `timeout_ms`; 0 looks once and reports host_alive as last known: dead
 * is a heartbeat that was the same at two looks at least 100 ms apart.
 *
 * @return 0; -ENOENT the host took the header away, to make the region anew
 *	as a rule; -EPROTO it made it another version
 */
int freqring_get_info(struct freqring *fr, struct freqring_info *info,
	unsigned int timeout_ms);

/**
 * The vCPU number, as libvirt counts, of a CPU of this Linux. After vCPU
 * hotplug the two differ; the firmware's table of local APICs has libvirt's
 * order. Where that table cannot be read (it needs root), `cpu` itself.
 *
 * @return vCPU, or -EINVAL: no such CPU
 */
int freqring_vcpu_of_cpu(unsigned int cpu);

/**
 * Take the channel of a vCPU. The vCPU's wish on the host stays as it was; a
 * lease ends.
 *
 * Requests of the program before this one that the host has not consumed yet
 * are withdrawn.
 *
 * @return 0; -EINVAL the host serves no such vCPU; -EBUSY another program of
 *	this VM, or this one, has it; -ENOTCONN the host has this VM in
 *	quarantine, is making the region anew, is just starting or speaks another
 *	version, or the device was unplugged, and no other transport is there;
 *	-ENOMEM
 */
int freqring_attach(struct freqring *fr, unsigned int vcpu,
	struct freqring_channel **ch);

/**
 * Look at a vCPU's channel without taking it, whoever has it: status, khz and
 * freqs answer, requests and waits return -EPERM. Give it back with
 * freqring_detach. Over virtio-serial a port has one user, so that one is
 * -EBUSY as with freqring_attach.
 *
 * @return 0; -EINVAL the host serves no such vCPU; -ENOMEM
 */
int freqring_observe(struct freqring *fr, unsigned int vcpu,
	struct freqring_channel **ch);

/** Give the channel back. The vCPU's wish on the host stays as it is, and so
 * do requests that the host has still to consume. NULL is allowed.
 */
void freqring_detach(struct freqring_channel *ch);

/*
 * Requests. All return 1: posted; 0: dropped, because it repeats what was
 * asked last and the host had no news since (never for up, down, lease and
 * ping); -EAGAIN: the ring is full, nothing was asked; -ENOTCONN:
 * the region is not the one this channel attached to and could not be
 * attached to again, or the host does not serve this VM now, which the next
 * call tries anew, or another program took the channel over, which is final
 * (see freqring_error); -EPERM: the channel
 * is only observed.
 *
 * After the host was restarted or the region made anew, the first call of
 * any of these states the last wish again by itself: none, min, max or kHz,
 * and turbo. After up and down that is the host's idea of the wish in kHz
 * where it was seen, and only where the host has lost its own. A lease is not
 * stated again.
 *
 * A channel moves to virtio-serial, where this vCPU has a port with a host at
 * the other end, when the heartbeat stands still for too long, the device was
 * unplugged, the host speaks another version, said good-bye or put the VM in
 * quarantine. It is noticed by these calls and the waits: after some
 * milliseconds of a program that calls often, else by the next call or the
 * one after. It moves back when shared memory answers again, which is looked
 * for ten times a second at most. After each move the last wish is stated
 * again. What cannot be carried is taken for more, never for less: kHz become
 * max over virtio-serial, and are kHz again afterwards; steps up and down
 * become max. No opinion is not stated over virtio-serial, a lease ends.
 *
 * Over virtio-serial there is no such thing as freqring_set,
 * freqring_release, freqring_lease and freqring_ping: -EOPNOTSUPP, and
 * nothing was asked. (A repeat of a kHz or of "no opinion" that was carried
 * over is a repeat.) -EAGAIN is there that the host does not read, or that
 * there is none. A repeat is dropped for one second, then said once more:
 * the host may have been started anew without a trace. What was not answered
 * within a second is stated again with the next call; steps up and down as max.
 */
int freqring_up(struct freqring_channel *ch);
int freqring_down(struct freqring_channel *ch);
int freqring_min(struct freqring_channel *ch);
int freqring_max(struct freqring_channel *ch);
/** @param khz  1 to 16777215, else -ERANGE; between two frequencies of the
 *	table the host takes the higher; outside the table it refuses
 */
int freqring_set(struct freqring_channel *ch, uint32_t khz);
/** Allow or forbid this vCPU the turbo state. Allowed from the start. */
int freqring_turbo(struct freqring_channel *ch, bool on);
/** No opinion any more. */
int freqring_release(struct freqring_channel *ch);
/** Fail-safe: unless said again within `seconds` (1 to 16777215, else
 *	-ERANGE), the host acts as if this guest had died. 0 ends the lease.
 *	Never dropped as a repeat.
 */
int freqring_lease(struct freqring_channel *ch, uint32_t seconds);
/** Ask to be told (freqring_options.host) before the host sleeps and when it is
 *	back, or no more. Found by the calls above as a restart of the host is,
 *	and at no cost while there is nothing to tell. Without it the
 *	state is in freqring_get_status all the same. Said again after a move
 *	and a restart. -EOPNOTSUPP: the host is too old, or this is virtio-serial
 */
int freqring_tell_host(struct freqring_channel *ch, bool on);
/** Consumed and echoed by the host, changes nothing. */
int freqring_ping(struct freqring_channel *ch, uint32_t cookie);

/**
 * Wait until the host has consumed (applied) everything posted so far on
 * this channel; a ping is never applied and not waited for there. Spins,
 * then yields; over virtio-serial sleeps until the host has answered. When
 * the channel moves meanwhile, waits for what was stated again there.
 *
 * @return 0; -ETIMEDOUT; -ENOTCONN the region became another meanwhile, or
 *	another program took the channel over; -EPERM
 */
int freqring_wait_consumed(struct freqring_channel *ch, unsigned int timeout_us);
int freqring_wait_applied(struct freqring_channel *ch, unsigned int timeout_us);

/* Reasons that virtio-serial has beside those of shared memory. */
#define FREQRING_REASON_NACK		254u	/* the host refused and does not say why */
#define FREQRING_REASON_NO_ANSWER	255u	/* the host has not answered (yet) */

/** Why a request was refused, or why less than asked was granted. */
const char *freqring_reason(unsigned int reason);

#define FREQRING_REFUSALS 4u

/** Everything the host says about a channel. */
struct freqring_status {
	const char *wish;	/* "none", "min", "max", "kHz" */
	uint32_t wish_khz;	/* 0: no opinion */
	uint32_t granted_khz;	/* 0: nothing */
	uint32_t khz;		/* the pCPU's frequency by the host's last decision, 0 unknown */
	int index;		/* of khz in the table, -1 unknown */
	int pcpu;		/* -1: none */
	unsigned int nb_pcpus;	/* how many the vCPU is pinned to */
	unsigned int reason;	/* see freqring_reason(); 0: the whole wish is granted */
	bool turbo_allowed, turbo_available, turbo_granted;
	uint32_t lease_left_ms;
	uint64_t refusals;	/* total */
	unsigned int nb_refusals; /* entries below, newest first */
	struct {
		uint16_t seq;
		uint8_t reason;
		uint8_t op;
		uint32_t arg;
	} refusal[FREQRING_REFUSALS];
	enum freqring_host host;
	uint32_t host_ms;	/* as freqring_options.host has it */
	unsigned int host_sleeps;	/* how often it slept since its daemon started, 16 bits */
	/* This side's counters since attach. */
	uint64_t posted, dropped, full, restated;

	enum freqring_transport transport; /* this channel's, now */
	uint64_t moves;			/* from one transport to another */
};

/**
 * Over virtio-serial this asks the host for the frequency (freqring_query_khz),
 * unless it has lately not answered that; wish is what was asked last, "none"
 * after a step, too; the reasons are FREQRING_REASON_*, and what only shared
 * memory has is 0, false or -1.
 *
 * @return 0; -ENOTCONN: the region is being made anew, or in quarantine
 */
int freqring_get_status(struct freqring_channel *ch, struct freqring_status *st);

/** The pCPU's frequency in kHz by the host's last decision; 0: unknown. One
 * load. Over virtio-serial what the host said last.
 */
uint32_t freqring_get_khz(const struct freqring_channel *ch);

/**
 * Ask for the pCPU's frequency in kHz. In shared memory that is
 * freqring_get_khz; over virtio-serial the host is asked, and has 20 ms.
 *
 * @return 0; -EACCES no answer, though the host answers requests: it does not
 *	answer queries of this VM, or needs its name (freqring_options.vm_name);
 *	-ETIMEDOUT no answer, nor any to a request yet; -EOPNOTSUPP a vCPU
 *	beyond the eighth over virtio-serial; -EAGAIN; -ENOTCONN
 */
int freqring_query_khz(struct freqring_channel *ch, uint32_t *khz);

struct freqring_caps {
	bool turbo;		/* the pCPU has turbo */
	bool priority;		/* the vendor calls it a priority core; only over virtio-serial */
};

/** The same for what the pCPU can do. */
int freqring_query_caps(struct freqring_channel *ch, struct freqring_caps *caps);

/**
 * The frequency table of the pCPU the vCPU runs on, highest first.
 *
 * @param[out] khz  room for n
 * @param[out] turbo  whether khz[0] is the turbo state; may be NULL
 * @return how many there are (more than n: only n were stored), 0 also over
 *	virtio-serial, which has no table; -EAGAIN the host keeps changing it;
 *	-EPROTO it is absurd
 */
int freqring_freqs(const struct freqring_channel *ch, uint32_t *khz, unsigned int n,
	bool *turbo);

#ifdef __cplusplus
}
#endif

#endif /* FREQRING_H */
