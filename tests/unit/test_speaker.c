/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_speaker.c - which transport of a VM speaks for a vCPU, as transports and
 * daemons come and go
 */
#include "fixture.h"

#include "vms_pvt.h"

#define NB_VCPUS 64u

static struct {
	char dir[64];
	struct vm *ring, *serial;
	struct entry *e;
} t;

static int
set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	fx_dir_make(t.dir);
	t.ring = fx_vm_make(t.dir, 1, NB_VCPUS);
	t.serial = fx_vm_make(t.dir, 2, NB_VCPUS);
	t.e = calloc(1, sizeof(*t.e));
	return t.e != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	fx_vm_free(t.ring);
	fx_vm_free(t.serial);
	free(t.e);
	fx_dir_remove(t.dir);
	return 0;
}

static void
claims(enum vms_transport who, unsigned int n, bool changes)
{
	bool changed;

	assert_true(vms_claim(t.e, n, who, &changed));
	assert_int_equal(changed, changes);
	assert_int_equal(vms_speaks(t.e, n), who);
}

/* Who asked last speaks; of whom nobody asked anything the ring does. */
static void
last_that_asked(void **state)
{
	(void)state;
	t.e->vm = t.ring;
	t.e->serial = t.serial;
	assert_int_equal(vms_speaks(t.e, 0), VMS_RING);
	claims(VMS_SERIAL, 0, true);
	claims(VMS_SERIAL, 0, false);
	assert_int_equal(vms_speaks(t.e, 1), VMS_RING);
	claims(VMS_RING, 0, true);
}

/* A ring that is plugged in has asked nothing: the wish that there is stays in force. */
static void
ring_comes(void **state)
{
	(void)state;
	t.e->serial = t.serial;
	claims(VMS_SERIAL, 0, false);
	t.e->vm = t.ring;
	assert_int_equal(vms_speaks(t.e, 0), VMS_SERIAL);
	assert_int_equal(vms_speaks(t.e, 1), VMS_RING);
	claims(VMS_RING, 0, true);
}

/* The next daemon finds the transports in any order. */
static void
restarted(void **state)
{
	(void)state;
	t.e->vm = t.ring;
	t.e->serial = t.serial;
	claims(VMS_SERIAL, 0, true);
	claims(VMS_SERIAL, 1, true);
	claims(VMS_RING, 1, true);
	for (unsigned int i = 0; i < 2; i++) {
		memset(t.e, 0, sizeof(*t.e));
		for (unsigned int k = 0; k < 2; k++) {
			if (k == i) {
				t.e->serial = t.serial;
				vms_recall_speaker(t.e, VMS_SERIAL);
			} else {
				t.e->vm = t.ring;
				vms_recall_speaker(t.e, VMS_RING);
			}
		}
		assert_int_equal(vms_speaks(t.e, 0), VMS_SERIAL);
		assert_int_equal(vms_speaks(t.e, 1), VMS_RING);
		assert_int_equal(vms_speaks(t.e, 2), VMS_RING);
	}
}

/* What it said before it was unplugged counts no more. */
static void
channel_goes(void **state)
{
	(void)state;
	t.e->vm = t.ring;
	t.e->serial = t.serial;
	claims(VMS_SERIAL, 0, true);
	vms_forget_speaker(t.e, VMS_SERIAL);
	t.e->serial = NULL;
	assert_int_equal(vms_speaks(t.e, 0), VMS_RING);
	t.e->serial = t.serial;
	vms_recall_speaker(t.e, VMS_SERIAL);
	assert_int_equal(vms_speaks(t.e, 0), VMS_RING);
}

/* A guest of many vCPUs moves with all of them; one that plays to and fro does not go on. */
static void
all_at_once(void **state)
{
	unsigned int n = 0;
	bool changed;

	(void)state;
	t.e->vm = t.ring;
	t.e->serial = t.serial;
	for (; n < NB_VCPUS; n++)
		claims(VMS_SERIAL, n, true);
	assert_false(vms_claim(t.e, 0, VMS_RING, &changed));
	assert_false(changed);
	assert_int_equal(vms_speaks(t.e, 0), VMS_SERIAL);
	/* That it goes on speaking is no change. */
	claims(VMS_SERIAL, 0, false);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(last_that_asked),
		T(ring_comes),
		T(restarted),
		T(channel_goes),
		T(all_at_once),
	};

	return cmocka_run_group_tests_name("speaker", tests, NULL, NULL);
}
