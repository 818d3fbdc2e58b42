/*
 * Properties that hold for every codec in every version.
 */
#include <check.h>
#include <stdlib.h>

#include "unit/wire/codec_list.h"
#include "../../slowness.h"

#define SEEDS (12 / SEEDS_SLOWNESS)

/*
 * Memory per input byte: the costliest element is a slice (16 bytes) for one byte, arenas round up and double.
 */
#define ARENA_PER_BYTE 64
#define ARENA_FIXED    (64 * 1024)

static struct arena fill_arena, decode_arena;
static struct writer first, second;
static union { uint8_t bytes[4096]; max_align_t align; } value, copy;

static void setup(void)
{
	arena_init(&fill_arena, 16 << 20);
	arena_init(&decode_arena, 16 << 20);
	writer_init(&first);
	writer_init(&second);
}

static void teardown(void)
{
	arena_fini(&fill_arena);
	arena_fini(&decode_arena);
	writer_fini(&first);
	writer_fini(&second);
}

/* A random message of this codec and version, encoded into first. */
static void make(const struct codec *c, int v, uint64_t seed, bool no_tags)
{
	struct fill g = { .state = seed * 1000003 + (uint64_t)v, .arena = &fill_arena, .no_tags = no_tags };

	ck_assert_uint_le(c->size, sizeof(value));
	arena_reset(&fill_arena);
	writer_reset(&first);
	c->fill(&g, v, &value);
	ck_assert_msg(c->encode(&value, &first, v), "%s v%d seed %lu", c->name, v, seed);
}

static bool decode(const struct codec *c, int v, struct reader *r)
{
	arena_reset(&decode_arena);
	memset(&copy, 0xa5, sizeof(copy));	/* decode sets every field, whatever was there */
	return c->decode(&copy, r, v, &decode_arena);
}

static bool encode_copy(const struct codec *c, int v)
{
	writer_reset(&second);
	return c->encode(&copy, &second, v);
}

static void check_same(const struct codec *c, int v)
{
	ck_assert_msg(slice_eq(slice_of(first.buf, first.len), slice_of(second.buf, second.len)), "%s v%d", c->name, v);
}

/* An exact heap copy, so that AddressSanitizer sees a read beyond it. */
static uint8_t *exact(const uint8_t *p, size_t n)
{
	uint8_t *q = malloc(n + 1);

	ck_assert_ptr_nonnull(q);
	if (n != 0)
		memcpy(q + 1, p, n);
	return q;
}

START_TEST(every_message_survives_a_round_trip)
{
	const struct codec *c = &codec_list[_i];

	for (int v = c->version_min; v <= c->version_max; v++) {
		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			make(c, v, seed, false);
			struct reader r = reader_of(slice_of(first.buf, first.len));
			ck_assert_msg(decode(c, v, &r), "%s v%d", c->name, v);
			ck_assert_uint_eq(reader_left(&r), 0);
			ck_assert_msg(encode_copy(c, v), "%s v%d", c->name, v);
			check_same(c, v);
		}
	}
}
END_TEST

START_TEST(versions_out_of_range_are_refused)
{
	const struct codec *c = &codec_list[_i];
	struct reader r = reader_of(slice_of(wire_zeros, sizeof(wire_zeros)));

	make(c, c->version_max, 1, false);
	ck_assert(!c->encode(&value, &second, c->version_min - 1));
	ck_assert(!c->encode(&value, &second, c->version_max + 1));
	ck_assert(!decode(c, c->version_min - 1, &r));
	ck_assert(!decode(c, c->version_max + 1, &r));
}
END_TEST

START_TEST(a_message_cut_short_is_malformed)
{
	const struct codec *c = &codec_list[_i];

	for (int v = c->version_min; v <= c->version_max; v++) {
		make(c, v, 3, false);
		size_t step = first.len / 500 + 1;
		for (size_t n = 0; n < first.len; n += step) {
			uint8_t *bytes = exact(first.buf, n);
			struct reader r = reader_of(slice_of(bytes + 1, n));
			ck_assert_msg(!decode(c, v, &r), "%s v%d cut at %zu of %zu", c->name, v, n, first.len);
			free(bytes);
		}
	}
}
END_TEST

/* What is accepted can be written again and read again as the same; memory is bounded either way. */
START_TEST(damaged_bytes_do_no_harm)
{
	const struct codec *c = &codec_list[_i];
	struct fill g = { .state = (uint64_t)_i };

	for (int v = c->version_min; v <= c->version_max; v++) {
		for (uint64_t round = 0; round < 200; round++) {
			if (round % 50 == 0)
				make(c, v, round, false);
			size_t n = first.len;
			uint8_t *bytes = exact(first.buf, n);
			for (size_t flips = n != 0 ? 1 + fill_u64(&g) % 3 : 0; flips > 0; flips--)
				bytes[1 + fill_u64(&g) % n] = (uint8_t)(fill_u64(&g) % 3 == 0 ? 0xff : fill_u64(&g));
			struct reader r = reader_of(slice_of(bytes + 1, n));
			if (decode(c, v, &r))
				ck_assert_msg(encode_copy(c, v), "%s v%d", c->name, v);
			ck_assert_uint_le(decode_arena.total, ARENA_FIXED + ARENA_PER_BYTE * n);
			free(bytes);
		}
	}
}
END_TEST

START_TEST(garbage_reserves_no_more_than_its_size_allows)
{
	const struct codec *c = &codec_list[_i];
	enum { N = 200000 };
	static uint8_t bytes[N];

	for (int v = c->version_min; v <= c->version_max; v++) {
		for (int fill = 0; fill < 256; fill += 1 + fill / 8) {
			memset(bytes, fill, N);
			struct reader r = reader_of(slice_of(bytes, N));
			if (decode(c, v, &r))
				ck_assert(encode_copy(c, v));
			ck_assert_msg(decode_arena.total <= ARENA_FIXED + ARENA_PER_BYTE * (size_t)N, "%s v%d %zu",
				      c->name, v, decode_arena.total);
		}
	}
}
END_TEST

START_TEST(unknown_tags_are_skipped)
{
	static const uint8_t tags[] = { 2, 200, 1, 3, 'a', 'b', 'c', 201, 1, 0 };
	const struct codec *c = &codec_list[_i];

	for (int v = MAX(c->version_min, c->version_flexible); v <= c->version_max; v++) {
		make(c, v, 5, true);
		uint8_t *bytes = malloc(first.len + sizeof(tags));
		ck_assert_ptr_nonnull(bytes);
		memcpy(bytes, first.buf, first.len);
		ck_assert_uint_eq(bytes[first.len - 1], 0);	/* the message's own tags are its last byte */
		memcpy(bytes + first.len - 1, tags, sizeof(tags));
		struct reader r = reader_of(slice_of(bytes, first.len - 1 + sizeof(tags)));
		ck_assert_msg(decode(c, v, &r), "%s v%d", c->name, v);
		ck_assert_uint_eq(reader_left(&r), 0);
		ck_assert(encode_copy(c, v));
		check_same(c, v);
		bytes[first.len - 1] = 3;	/* one more than there are */
		r = reader_of(slice_of(bytes, first.len - 1 + sizeof(tags)));
		ck_assert(!decode(c, v, &r));
		free(bytes);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("codec");
	TCase *t = tcase_create("codec");
	int n = (int)codec_list_count;

	tcase_set_timeout(t, 120);
	tcase_add_unchecked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, every_message_survives_a_round_trip, 0, n);
	tcase_add_loop_test(t, versions_out_of_range_are_refused, 0, n);
	tcase_add_loop_test(t, a_message_cut_short_is_malformed, 0, n);
	tcase_add_loop_test(t, damaged_bytes_do_no_harm, 0, n);
	tcase_add_loop_test(t, garbage_reserves_no_more_than_its_size_allows, 0, n);
	tcase_add_loop_test(t, unknown_tags_are_skipped, 0, n);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
