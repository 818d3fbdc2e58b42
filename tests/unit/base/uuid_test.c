#include <check.h>
#include <stdlib.h>

#include "base/uuid.h"

/* Texts as Kafka's Uuid writes them. */
static const struct {
	struct uuid uuid;
	const char *text;
} cases[] = {
	{ { { 0 } }, "AAAAAAAAAAAAAAAAAAAAAA" },
	{ { { [15] = 1 } }, "AAAAAAAAAAAAAAAAAAAAAQ" },	/* Kafka's id of the metadata topic */
	{ { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
	  "_____________________w" },
	{ { { 0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92, 0x8b, 0x30, 0xd3, 0x8f, 0x41, 0x14, 0x93, 0xfb } },
	  "ABCDEFGHIJKLMNOPQRST-w" },
};

START_TEST(text_goes_both_ways)
{
	char text[UUID_TEXT_LEN + 1];
	struct uuid u;

	ck_assert_str_eq(uuid_to_text(cases[_i].uuid, text), cases[_i].text);
	ck_assert(uuid_from_text(&u, slice_str(cases[_i].text)));
	ck_assert(uuid_eq(u, cases[_i].uuid));
	ck_assert_int_eq(uuid_is_zero(u), _i == 0);
}
END_TEST

START_TEST(other_text_is_refused)
{
	static const char *const bad[] = {
		"", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAA+AAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAB",	/* bits beyond the 128th */
	};
	struct uuid u = cases[1].uuid;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!uuid_from_text(&u, slice_str(bad[i])), "%s", bad[i]);
	ck_assert(!uuid_from_text(&u, slice_of("AAAAAAAAAA\0AAAAAAAAAAA", UUID_TEXT_LEN)));
	ck_assert(!uuid_from_text(&u, SLICE_NULL));
	ck_assert(uuid_eq(u, cases[1].uuid));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uuid");
	TCase *t = tcase_create("uuid");

	tcase_add_loop_test(t, text_goes_both_ways, 0, ARRAY_LEN(cases));
	tcase_add_test(t, other_text_is_refused);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
