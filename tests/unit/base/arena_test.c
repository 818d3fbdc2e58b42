#include <check.h>
#include <stdlib.h>

#include "base/arena.h"

START_TEST(limit_is_kept)
{
	struct arena a;

	arena_init(&a, 100000);
	ck_assert_ptr_nonnull(arena_alloc(&a, 60000));
	ck_assert_ptr_null(arena_alloc(&a, 60000));
	ck_assert_ptr_nonnull(arena_alloc(&a, 30000));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_calloc(&a, SIZE_MAX / 2, 16));
	arena_reset(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, 60000));
	arena_fini(&a);
}
END_TEST

START_TEST(pieces_are_aligned_and_apart)
{
	struct arena a;
	uint8_t *last = NULL;

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < 1000; i++) {
		uint8_t *p = arena_alloc(&a, i % 40);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		memset(p, (int)i, i % 40);
		ck_assert(p != last || i % 40 == 0 || (i - 1) % 40 == 0);
		last = p;
	}
	arena_fini(&a);
}
END_TEST

START_TEST(copies_end_in_nul)
{
	struct arena a;

	arena_init(&a, 1 << 16);
	struct slice s = arena_copy(&a, SLICE_LIT("topic"));
	ck_assert_str_eq((const char *)s.ptr, "topic");
	ck_assert(slice_is_null(arena_copy(&a, SLICE_NULL)));
	ck_assert(slice_eq_str(arena_printf(&a, "%s-%d", "t", 7), "t-7"));
	arena_fini(&a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arena");
	TCase *t = tcase_create("arena");

	tcase_add_test(t, limit_is_kept);
	tcase_add_test(t, pieces_are_aligned_and_apart);
	tcase_add_test(t, copies_end_in_nul);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
