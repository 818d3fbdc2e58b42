#include "net/timers.h"

#include <check.h>
#include <stdlib.h>

START_TEST(timers_come_in_order_of_their_deadlines)
{
	enum { N = 1000 };
	static struct timer all[N];
	struct timers ts = { 0 };
	struct timer *t;
	mono_ms last = 0;
	int left = 0;

	ck_assert_int_eq(timers_next(&ts), MONO_NEVER);
	for (int i = 0; i < N; i++)
		timers_set(&ts, &all[i], rand() % 500);
	for (int i = 0; i < N; i += 3)
		timers_clear(&ts, &all[i]);
	for (int i = 0; i < N; i += 5)
		timers_set(&ts, &all[i], rand() % 500);
	for (int i = 0; i < N; i++)
		left += timer_is_set(&all[i]);
	ck_assert_uint_eq(ts.count, (unsigned)left);
	while (timers_next(&ts) != MONO_NEVER) {
		mono_ms next = timers_next(&ts);

		ck_assert_int_ge(next, last);
		ck_assert_ptr_null(timers_pop(&ts, next - 1));
		t = timers_pop(&ts, next);
		ck_assert_ptr_nonnull(t);
		ck_assert_int_eq(t->deadline, next);
		ck_assert(!timer_is_set(t));
		last = next;
		left--;
	}
	ck_assert_int_eq(left, 0);
	timers_fini(&ts);
}
END_TEST

START_TEST(clearing_what_is_not_set_does_nothing)
{
	struct timers ts = { 0 };
	struct timer t = { 0 };

	timers_clear(&ts, &t);
	timers_set(&ts, &t, 5);
	timers_clear(&ts, &t);
	timers_clear(&ts, &t);
	ck_assert_ptr_null(timers_pop(&ts, 100));
	timers_fini(&ts);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timers");
	TCase *tc = tcase_create("timers");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, timers_come_in_order_of_their_deadlines);
	tcase_add_test(tc, clearing_what_is_not_set_does_nothing);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
