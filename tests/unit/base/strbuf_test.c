#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/strbuf.h"

START_TEST(empty_is_printable)
{
	struct strbuf b = STRBUF_INIT;

	ck_assert_str_eq(strbuf_cstr(&b), "");
	ck_assert(!slice_is_null(strbuf_slice(&b)));
	strbuf_reset(&b);
	strbuf_truncate(&b, 0);
	char *s = strbuf_steal(&b);
	ck_assert_str_eq(s, "");
	free(s);
	strbuf_fini(&b);
}
END_TEST

START_TEST(grows_and_stays_terminated)
{
	struct strbuf b = STRBUF_INIT;

	for (int i = 0; i < 5000; i++) {
		strbuf_add_char(&b, (char)('a' + i % 26));
		ck_assert_uint_eq(b.len, (size_t)i + 1);
		ck_assert_int_eq(b.ptr[b.len], '\0');
		ck_assert_uint_lt(b.len, b.cap);
	}
	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(b.ptr[i], 'a' + i % 26);
	size_t cap = b.cap;
	strbuf_reset(&b);
	ck_assert_uint_eq(b.cap, cap);
	ck_assert_str_eq(strbuf_cstr(&b), "");
	strbuf_fini(&b);
}
END_TEST

START_TEST(printf_longer_than_the_room)
{
	struct strbuf b = STRBUF_INIT;

	for (int width = 0; width < 400; width++) {
		strbuf_reset(&b);
		strbuf_add_str(&b, "x");
		strbuf_printf(&b, "%*s|%d", width, "", width);
		int len = snprintf(NULL, 0, "x%*s|%d", width, "", width);
		ck_assert_uint_eq(b.len, (size_t)len);
		ck_assert_uint_eq(strlen(strbuf_cstr(&b)), b.len);
	}
	strbuf_fini(&b);
}
END_TEST

START_TEST(bytes_may_hold_nul)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_add(&b, "a\0b", 3);
	strbuf_add_slice(&b, SLICE_NULL);
	strbuf_add_slice(&b, SLICE_LIT("c"));
	ck_assert(slice_eq(strbuf_slice(&b), slice_of("a\0bc", 4)));
	strbuf_truncate(&b, 1);
	ck_assert_str_eq(strbuf_cstr(&b), "a");
	strbuf_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("strbuf");
	TCase *t = tcase_create("strbuf");

	tcase_add_test(t, empty_is_printable);
	tcase_add_test(t, grows_and_stays_terminated);
	tcase_add_test(t, printf_longer_than_the_room);
	tcase_add_test(t, bytes_may_hold_nul);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
