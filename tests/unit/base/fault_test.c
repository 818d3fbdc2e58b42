#include <check.h>
#include <stdlib.h>

#include "base/fault.h"

static enum err pass(void)
{
	return FAULT_POINT(fault_self_test);
}

START_TEST(nothing_armed_nothing_fails)
{
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(pass(), OK);
	ck_assert(!fault_is_armed);
}
END_TEST

START_TEST(the_nth_hit_fails_once)
{
	fault_arm(FAULT_fault_self_test, 3, ERR_NO_SPACE);
	ck_assert_int_eq(pass(), OK);
	ck_assert_int_eq(pass(), OK);
	ck_assert(!fault_has_fired());
	ck_assert_int_eq(pass(), ERR_NO_SPACE);
	ck_assert(fault_has_fired());
	ck_assert_int_eq(pass(), OK);
	ck_assert_uint_eq(fault_hits(FAULT_fault_self_test), 4);
	fault_disarm();
	ck_assert_int_eq(pass(), OK);
	ck_assert_uint_eq(fault_hits(FAULT_fault_self_test), 4);
}
END_TEST

START_TEST(any_point_and_counting_only)
{
	fault_arm(FAULT_ANY, 1, ERR_IO);
	ck_assert_int_eq(pass(), ERR_IO);
	fault_arm(FAULT_ANY, 0, OK);
	ck_assert_int_eq(pass(), OK);
	ck_assert_uint_eq(fault_hits(FAULT_ANY), 1);
	ck_assert(!fault_has_fired());
	fault_disarm();
	ck_assert_str_eq(fault_point_name(FAULT_fault_self_test), "fault_self_test");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault");
	TCase *tc = tcase_create("fault");

	tcase_add_test(tc, nothing_armed_nothing_fails);
	tcase_add_test(tc, the_nth_hit_fails_once);
	tcase_add_test(tc, any_point_and_counting_only);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
