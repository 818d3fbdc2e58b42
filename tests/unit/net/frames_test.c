#include "net/frames.h"

#include <check.h>
#include <stdlib.h>

static struct frame_pool pool;

static uint32_t fill(struct frame *f, uint32_t bytes)
{
	uint32_t most = f->room;

	while (bytes > 0) {
		size_t room;
		uint8_t *to = frame_room(&pool, f, &room);
		size_t n = MIN(room, bytes);

		ck_assert_uint_gt(room, 0);
		for (size_t i = 0; i < n; i++)
			to[i] = (uint8_t)((f->filled + i) * 31);
		f->filled += (uint32_t)n;
		bytes -= (uint32_t)n;
		most = f->room;
	}
	return most;
}

START_TEST(a_frame_holds_what_was_put_in)
{
	static const uint32_t sizes[] = {
		1, 511, 512, 513, 65536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20, 100000000,
	};

	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		struct frame f = { 0 };

		frame_begin(&pool, &f, sizes[k]);
		ck_assert(!frame_is_whole(&f));
		fill(&f, sizes[k]);
		ck_assert(frame_is_whole(&f));
		for (uint32_t i = 0; i < sizes[k]; i++)
			if (f.buf[i] != (uint8_t)(i * 31))
				ck_abort_msg("byte %u of %u", i, sizes[k]);
		frame_end(&pool, &f);
		ck_assert_ptr_null(f.buf);
		frame_end(&pool, &f);
	}
	frame_pool_fini(&pool);
}
END_TEST

START_TEST(an_announcement_alone_reserves_little)
{
	struct frame f = { 0 };

	frame_begin(&pool, &f, 100 << 20);
	ck_assert_uint_le(f.room, FRAME_WHOLE_MAX);
	fill(&f, 5 << 20);
	ck_assert_uint_le(f.room, 10 << 20);
	frame_end(&pool, &f);
	frame_pool_fini(&pool);
}
END_TEST

START_TEST(buffers_are_used_again_and_few_are_kept)
{
	static struct frame all[2000];
	uint64_t kept = 0;
	uint8_t *first;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		frame_begin(&pool, &all[i], 1000);
	first = all[0].buf;
	frame_end(&pool, &all[0]);
	frame_begin(&pool, &all[0], 700);
	ck_assert_ptr_eq(all[0].buf, first);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		frame_end(&pool, &all[i]);
	for (int i = 0; i < FRAME_CLASSES; i++)
		kept += (uint64_t)pool.kept[i] * (FRAME_SIZE_MIN << i);
	ck_assert_uint_le(kept, FRAMES_KEPT);
	ck_assert_uint_gt(kept, 0);
	frame_pool_fini(&pool);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frames");
	TCase *tc = tcase_create("frames");
	tcase_set_timeout(tc, 60);	/* under a sanitizer on a busy machine */
	SRunner *sr;
	int failed;

	tcase_add_test(tc, a_frame_holds_what_was_put_in);
	tcase_add_test(tc, an_announcement_alone_reserves_little);
	tcase_add_test(tc, buffers_are_used_again_and_few_are_kept);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
