#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/siphash.h"

#define KEYS 2000

static char names[KEYS][16];

static struct slice name(int i)
{
	return slice_str(names[i]);
}

static void make_names(void)
{
	for (int i = 0; i < KEYS; i++)
		snprintf(names[i], sizeof(names[i]), "key-%d", i);
}

START_TEST(empty_map)
{
	struct map m = MAP_INIT;

	ck_assert_ptr_null(map_get(&m, SLICE_LIT("x")));
	ck_assert_ptr_null(map_remove(&m, SLICE_LIT("x")));
	MAP_FOREACH(e, &m)
		ck_abort_msg("an empty map has no entry, found %p", e->value);
	map_clear(&m);
	map_fini(&m);
}
END_TEST

START_TEST(put_replaces_value_and_key)
{
	struct map m = MAP_INIT;
	char first[] = "same", second[] = "same";

	ck_assert_ptr_null(map_put(&m, slice_str(first), &names[1]));
	ck_assert_ptr_eq(map_put(&m, slice_str(second), &names[2]), &names[1]);
	ck_assert_uint_eq(map_count(&m), 1);
	memset(first, 'x', 4);	/* the first key is borrowed no longer */
	ck_assert_ptr_eq(map_get(&m, SLICE_LIT("same")), &names[2]);
	ck_assert_ptr_null(map_get(&m, SLICE_LIT("sam")));
	ck_assert_ptr_null(map_get(&m, SLICE_EMPTY));
	map_fini(&m);
}
END_TEST

/* Against a plain array of what should be there: random puts and removals, checked in full now and then. */
START_TEST(agrees_with_a_plain_array)
{
	struct map m = MAP_INIT;
	bool is_there[KEYS] = { false };
	uint32_t count = 0;
	uint64_t random = 1 + (uint64_t)_i;

	map_seed_set(random * 77, random * 13);
	for (int round = 0; round < 60000; round++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		int i = (int)((random >> 33) % KEYS);
		if ((random >> 20) % 8 < (round / 10000 % 2 == 0 ? 5u : 3u)) {
			ck_assert_ptr_eq(map_put(&m, name(i), names[i]), is_there[i] ? names[i] : NULL);
			count += !is_there[i];
			is_there[i] = true;
		} else {
			ck_assert_ptr_eq(map_remove(&m, name(i)), is_there[i] ? names[i] : NULL);
			count -= is_there[i];
			is_there[i] = false;
		}
		ck_assert_uint_eq(map_count(&m), count);
		if (round % 5000 != 0)
			continue;
		for (int k = 0; k < KEYS; k++)
			ck_assert_ptr_eq(map_get(&m, name(k)), is_there[k] ? names[k] : NULL);
	}
	map_fini(&m);
}
END_TEST

START_TEST(order_is_insertion)
{
	struct map m = MAP_INIT;
	int expect = 1;

	for (int i = 0; i < KEYS; i++)
		map_put(&m, name(i), names[i]);
	for (int i = 0; i < KEYS; i += 2)
		map_remove(&m, name(i));
	map_reserve(&m, 3 * KEYS);	/* squeezes out the holes */
	MAP_FOREACH(e, &m) {
		ck_assert_ptr_eq(e->value, names[expect]);
		expect += 2;
	}
	ck_assert_int_eq(expect, KEYS + 1);
	map_fini(&m);
}
END_TEST

START_TEST(removal_while_iterating)
{
	struct map m = MAP_INIT;
	int seen = 0;

	for (int i = 0; i < 100; i++)
		map_put(&m, name(i), names[i]);
	MAP_FOREACH(e, &m) {
		int i = (int)((char (*)[16])e->value - names);
		ck_assert_int_eq(i % 2, 0);
		map_remove(&m, name(i));
		map_remove(&m, name(i + 1));	/* its successor is never visited */
		seen++;
	}
	ck_assert_int_eq(seen, 50);
	ck_assert_uint_eq(map_count(&m), 0);
	map_fini(&m);
}
END_TEST

/* What churns at a constant size does not grow. */
START_TEST(churn_is_bounded)
{
	struct map m = MAP_INIT;

	for (int i = 0; i < 100000; i++) {
		map_put(&m, name(i % KEYS), names[i % KEYS]);
		if (i >= 4)
			ck_assert_ptr_nonnull(map_remove(&m, name((i - 4) % KEYS)));
	}
	ck_assert_uint_eq(map_count(&m), 4);
	ck_assert_uint_le(m.mask, 15);
	map_fini(&m);
}
END_TEST

START_TEST(reserve_then_put_does_not_move)
{
	struct map m = MAP_INIT;

	map_reserve(&m, 1000);
	const struct map_entry *entries = m.entries;
	for (int i = 0; i < 1000; i++)
		map_put(&m, name(i), names[i]);
	ck_assert_ptr_eq(m.entries, entries);
	map_clear(&m);
	ck_assert_ptr_null(map_get(&m, name(1)));
	map_fini(&m);
}
END_TEST

START_TEST(hash_depends_on_the_seed)
{
	map_seed_set(1, 2);
	uint64_t a = map_hash(SLICE_LIT("orders"));
	map_seed_set(1, 3);
	uint64_t b = map_hash(SLICE_LIT("orders"));
	ck_assert_uint_ne(a, b);
	ck_assert_uint_ne(map_hash(SLICE_LIT("a")), map_hash(slice_of("a\0", 2)));
}
END_TEST

/* The reference code's vectors: key 00 01 ... 0f, message 00 01 ... */
START_TEST(siphash_is_siphash)
{
	static const uint64_t k0 = 0x0706050403020100, k1 = 0x0f0e0d0c0b0a0908;
	uint8_t message[15];
	struct siphash h;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	siphash_begin(&h, k0, k1);
	siphash_bytes(&h, slice_of(message, 0), 2);
	h.v[2] ^= 0xff;
	siphash_rounds(&h, 4);
	ck_assert_uint_eq(siphash_result(&h), 0x726fdb47dd0e0e31);
	siphash_begin(&h, k0, k1);
	siphash_bytes(&h, slice_of(message, sizeof(message)), 2);
	h.v[2] ^= 0xff;
	siphash_rounds(&h, 4);
	ck_assert_uint_eq(siphash_result(&h), 0xa129ca6149be45e5);
	siphash_begin(&h, k0, k1);		/* the long result */
	h.v[1] ^= 0xee;
	siphash_bytes(&h, slice_of(message, 0), 2);
	h.v[2] ^= 0xee;
	siphash_rounds(&h, 4);
	ck_assert_uint_eq(siphash_result(&h), 0xe6a825ba047f81a3);
	h.v[1] ^= 0xdd;
	siphash_rounds(&h, 4);
	ck_assert_uint_eq(siphash_result(&h), 0x930255c71472f66d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("map");
	TCase *t = tcase_create("map");

	make_names();
	tcase_add_test(t, empty_map);
	tcase_add_test(t, put_replaces_value_and_key);
	tcase_add_loop_test(t, agrees_with_a_plain_array, 0, 4);
	tcase_add_test(t, order_is_insertion);
	tcase_add_test(t, removal_while_iterating);
	tcase_add_test(t, churn_is_bounded);
	tcase_add_test(t, reserve_then_put_does_not_move);
	tcase_add_test(t, hash_depends_on_the_seed);
	tcase_add_test(t, siphash_is_siphash);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
