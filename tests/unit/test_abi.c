/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of the region: what is packed comes out again, and where it is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "freqring_abi.h"
#include "wish.h"

/* Each bit of a word alone, then none, then all: a bit that unpack and pack
 * both know comes back, and none goes anywhere else.
 */
#define CHECK_BITS(unpack, pack, known) do { \
	for (unsigned int bit_ = 0; bit_ < 64; bit_++) { \
		uint64_t w_ = UINT64_C(1) << bit_; \
		assert_int_equal(pack(unpack(w_)), w_ & (known)); \
		assert_int_equal(pack(unpack(~w_)), ~w_ & (known)); \
	} \
	assert_int_equal(pack(unpack(0)), 0); \
	assert_int_equal(pack(unpack(UINT64_MAX)), known); \
} while (0)

static void
request_word_keeps_every_bit(void **state)
{
	(void)state;
	CHECK_BITS(frq_request_unpack, frq_request_pack, UINT64_MAX);
}

static void
request_fields_are_where_the_picture_says(void **state)
{
	struct frq_request r = {
		.seq = 0x1122, .epoch = 0x33, .op = 0x44, .flags = 0x55, .arg = 0x667788,
	};

	(void)state;
	assert_int_equal(frq_request_pack(r), UINT64_C(0x6677885544331122));
}

static void
request_argument_is_cut_to_24_bits(void **state)
{
	struct frq_request r = { .arg = UINT32_MAX };

	(void)state;
	assert_int_equal(frq_request_pack(r), UINT64_C(0xffffff) << 40);
	r.arg = FRQ_ARG_MAX + 1;
	assert_int_equal(frq_request_pack(r), 0);
}

static void
zero_word_is_no_request(void **state)
{
	struct frq_request r = frq_request_unpack(0);

	(void)state;
	assert_int_equal(r.op, FRQ_OP_NONE);
	assert_int_equal(r.epoch, 0);
}

static void
host_words_keep_their_bits(void **state)
{
	(void)state;
	CHECK_BITS(frq_life_unpack, frq_life_pack, UINT64_C(0x000000ffffffffff));
	CHECK_BITS(frq_consumed_unpack, frq_consumed_pack, UINT64_MAX);
	CHECK_BITS(frq_applied_unpack, frq_applied_pack, UINT64_MAX);
	CHECK_BITS(frq_now_unpack, frq_now_pack, UINT64_MAX);
	CHECK_BITS(frq_verdict_unpack, frq_verdict_pack, UINT64_MAX);
	CHECK_BITS(frq_host_unpack, frq_host_pack, UINT64_MAX);
	CHECK_BITS(frq_refusal_unpack, frq_refusal_pack, UINT64_C(0xffffff00ffffffff));
}

static void
host_words_do_not_spill(void **state)
{
	(void)state;
	assert_int_equal(frq_life_pack((struct frq_life){ .incarnation = UINT32_MAX }),
		UINT64_C(0xffffff00));
	assert_int_equal(frq_applied_pack((struct frq_applied){ .wish = 0xff }),
		UINT64_C(3) << 32);
	assert_int_equal(frq_applied_pack((struct frq_applied){ .turbo = 0xff }),
		UINT64_C(0x3f) << 34);
	assert_int_equal(frq_applied_pack((struct frq_applied){ .granted_khz = UINT32_MAX }),
		UINT64_C(0xffffff) << 40);
	assert_int_equal(frq_now_pack((struct frq_now){ .khz = UINT32_MAX }), FRQ_ARG_MAX);
	assert_int_equal(frq_refusal_pack((struct frq_refusal){ .arg = UINT32_MAX }),
		UINT64_C(0xffffff) << 40);
}

static void
host_fields_are_where_the_comments_say(void **state)
{
	(void)state;
	assert_int_equal(frq_consumed_pack((struct frq_consumed){ .next = 0x1122,
		.epoch = 0x33, .incarnation = 0x44, .total = 0x55667788 }),
		UINT64_C(0x5566778844331122));
	assert_int_equal(frq_applied_pack((struct frq_applied){ .next = 0x1122,
		.epoch = 0x33, .reason = 0x44, .wish = FRQ_WISH_KHZ,
		.turbo = FRQ_TURBO_ALLOWED | FRQ_TURBO_GRANTED, .granted_khz = 0x667788 }),
		UINT64_C(0x6677881744331122));
	assert_int_equal(frq_now_pack((struct frq_now){ .khz = 0x112233, .pcpu = 0x4455,
		.index = 0x66, .nb_pcpus = 0x7788 }), UINT64_C(0x7788664455112233));
	assert_int_equal(frq_verdict_pack((struct frq_verdict){ .reason = 0x11, .epoch = 0x22,
		.incarnation = 0x3344, .changes = 0x55667788 }), UINT64_C(0x5566778833442211));
	assert_int_equal(frq_host_pack((struct frq_host){ .state = 0x11, .sleep = 0x22,
		.count = 0x3344, .ms = 0x55667788 }), UINT64_C(0x5566778833442211));
	assert_int_equal(frq_life_pack((struct frq_life){ .epoch = 0x11,
		.incarnation = 0x223344, .flags = FRQ_LIFE_STOPPED }), UINT64_C(0x0222334411));
}

static void
wish_word_keeps_its_bits(void **state)
{
	/* Those that mean something, whichever they are: packed twice is packed once. */
	uint64_t known = wish_pack(wish_unpack(UINT64_MAX));

	(void)state;
	CHECK_BITS(wish_unpack, wish_pack, known);
	assert_int_equal(wish_pack((struct wish){ .next = UINT16_MAX, .epoch = UINT8_MAX,
		.kind = FRQ_WISH_KHZ, .khz = FRQ_ARG_MAX }), UINT64_C(0xffffff0003ffffff));
	assert_int_equal(wish_unpack(0).kind, FRQ_WISH_NONE);
	assert_false(wish_unpack(0).turbo_off);
	assert_false(wish_unpack(0).attached);
}

static void
magic_reads_freqring(void **state)
{
	const uint64_t magic = FRQ_MAGIC;

	(void)state;
	assert_memory_equal(&magic, "FREQRING", 8);
}

static void
areas_do_not_overlap_and_fill_the_picture(void **state)
{
	static const struct {
		size_t from, size;
	} area[] = {
		{ FRQ_OFF_HEADER, sizeof(struct frq_header) },
		{ FRQ_OFF_DOORBELL, FRQ_MAX_CHANNELS },
		{ FRQ_OFF_CONSUMED, FRQ_MAX_CHANNELS * sizeof(struct frq_consumed_line) },
		{ FRQ_OFF_STATE, FRQ_MAX_CHANNELS * sizeof(struct frq_state_line) },
		{ FRQ_OFF_RING, FRQ_MAX_CHANNELS * sizeof(struct frq_ring) },
		{ FRQ_OFF_TABLE, FRQ_MAX_CHANNELS * sizeof(struct frq_freq_table) },
		{ FRQ_REGION_SIZE, 0 },
	};

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(area) / sizeof(area[0]); i++) {
		assert_true(area[i].from + area[i].size <= area[i + 1].from);
		/* what guest and host write never shares a cache line */
		assert_int_equal(area[i].from % FRQ_LINE, 0);
	}
	assert_int_equal(sizeof(struct frq_ring) % FRQ_LINE, 0);
	assert_int_equal(sizeof(struct frq_state_line) % FRQ_LINE, 0);
	assert_int_equal(sizeof(struct frq_consumed_line), FRQ_LINE);
	assert_int_equal(FRQ_REGION_SIZE & (FRQ_REGION_SIZE - 1), 0);
	assert_int_equal(65536 % FRQ_RING_SLOTS, 0);
}

static void
reasons_and_operations_fit_their_fields(void **state)
{
	(void)state;
	assert_in_range(FRQ_REASON_COUNT, 1, UINT8_MAX);
	assert_in_range(FRQ_OP_COUNT, 1, UINT8_MAX);
	assert_in_range(FRQ_MAX_FREQS, 1, FRQ_NO_INDEX - 1);
}

/* docs/protocol.md has them by number. */
static void
reasons_keep_their_numbers(void **state)
{
	static const enum frq_reason reasons[] = {
		FRQ_REASON_OK, FRQ_REASON_BAD_OP, FRQ_REASON_BAD_ARG, FRQ_REASON_BAD_FREQ,
		FRQ_REASON_BAD_EPOCH, FRQ_REASON_LOST, FRQ_REASON_NO_VCPU, FRQ_REASON_UNPINNED,
		FRQ_REASON_NOT_MANAGED, FRQ_REASON_NO_CPUFREQ, FRQ_REASON_OFFLINE,
		FRQ_REASON_FAILED, FRQ_REASON_ARBITRATED, FRQ_REASON_LIMITED,
		FRQ_REASON_LEASE_EXPIRED, FRQ_REASON_QUARANTINED, FRQ_REASON_PAUSED,
		FRQ_REASON_FOREIGN, FRQ_REASON_DISABLED, FRQ_REASON_MANUAL,
		FRQ_REASON_ELSEWHERE,
	};

	(void)state;
	assert_int_equal(sizeof(reasons) / sizeof(reasons[0]), FRQ_REASON_COUNT);
	for (unsigned int i = 0; i < FRQ_REASON_COUNT; i++)
		assert_int_equal(reasons[i], i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_word_keeps_every_bit),
		cmocka_unit_test(request_fields_are_where_the_picture_says),
		cmocka_unit_test(request_argument_is_cut_to_24_bits),
		cmocka_unit_test(zero_word_is_no_request),
		cmocka_unit_test(host_words_keep_their_bits),
		cmocka_unit_test(host_words_do_not_spill),
		cmocka_unit_test(host_fields_are_where_the_comments_say),
		cmocka_unit_test(wish_word_keeps_its_bits),
		cmocka_unit_test(magic_reads_freqring),
		cmocka_unit_test(areas_do_not_overlap_and_fill_the_picture),
		cmocka_unit_test(reasons_and_operations_fit_their_fields),
		cmocka_unit_test(reasons_keep_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
