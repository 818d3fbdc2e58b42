/* The byte-rate meter: a mean over windows, and when it comes down again. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/throttle.h"

static struct throttle t;

static void setup(void)
{
	throttle_init(&t, 11, 1000);
}

static void teardown(void)
{
	throttle_fini(&t);
}

START_TEST(without_limit_nothing_is_too_much)
{
	throttle_record(&t, 5000, UINT64_C(1) << 60);
	ck_assert(!throttle_is_exceeded(&t, 5000));
	ck_assert_int_eq(throttle_wait(&t, 5000), 0);
}
END_TEST

START_TEST(a_burst_is_paid_for_over_all_windows)
{
	throttle_set_limit(&t, 1000);
	throttle_record(&t, 20000, 10000);
	ck_assert(!throttle_is_exceeded(&t, 20000));	/* 10000 in 10 s */
	throttle_record(&t, 20000, 1);
	ck_assert(throttle_is_exceeded(&t, 20000));
	ck_assert(!throttle_is_exceeded(&t, 20500));	/* the current window counts as far as it has come */
	throttle_record(&t, 20500, 10000);
	ck_assert(throttle_is_exceeded(&t, 30999));
	ck_assert(!throttle_is_exceeded(&t, 31000));	/* the window of the burst is out */
}
END_TEST

START_TEST(the_wait_ends_when_it_may_go_on)
{
	throttle_set_limit(&t, 1000);
	throttle_record(&t, 20300, 50000);
	ck_assert_int_eq(throttle_wait(&t, 20300), 31000 - 20300);
	ck_assert(throttle_is_exceeded(&t, 30999));
	ck_assert(!throttle_is_exceeded(&t, 20300 + throttle_wait(&t, 20300)));
	throttle_set_limit(&t, INT64_MAX);
	ck_assert_int_eq(throttle_wait(&t, 20300), 0);
}
END_TEST

START_TEST(a_limit_of_zero_lets_nothing_follow)
{
	throttle_set_limit(&t, 0);
	ck_assert(!throttle_is_exceeded(&t, 1000));
	throttle_record(&t, 1000, 1);
	ck_assert(throttle_is_exceeded(&t, 11999));
	ck_assert(!throttle_is_exceeded(&t, 12000));
}
END_TEST

START_TEST(windows_are_used_again)
{
	throttle_set_limit(&t, 1000);
	for (mono_ms now = 0; now < 100000; now += 100) {
		throttle_record(&t, now, 90);
		ck_assert_msg(!throttle_is_exceeded(&t, now), "at %lld", (long long)now);
	}
	for (mono_ms now = 100000; now < 140000; now += 100)
		throttle_record(&t, now, 120);
	ck_assert(throttle_is_exceeded(&t, 139999));
}
END_TEST

#define THREADS 4
#define ROUNDS  200000

static void *record_much(void *arg UNUSED)
{
	for (int i = 0; i < ROUNDS; i++)
		throttle_record(&t, 50000 + i / 100, 1);	/* two windows */
	return NULL;
}

START_TEST(nothing_is_lost_between_threads)
{
	pthread_t threads[THREADS];

	throttle_record(&t, 50000 - 11000, 12345);	/* what lies in the ring from the round before */
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, record_much, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* total / 11 s is exactly the limit, and not with one byte more or less */
	throttle_set_limit(&t, THREADS * ROUNDS / 10);
	ck_assert(!throttle_is_exceeded(&t, 52000));
	throttle_record(&t, 52000, 1);
	ck_assert(throttle_is_exceeded(&t, 52000));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("throttle");
	TCase *tc = tcase_create("throttle");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, without_limit_nothing_is_too_much);
	tcase_add_test(tc, a_burst_is_paid_for_over_all_windows);
	tcase_add_test(tc, the_wait_ends_when_it_may_go_on);
	tcase_add_test(tc, a_limit_of_zero_lets_nothing_follow);
	tcase_add_test(tc, windows_are_used_again);
	tcase_add_test(tc, nothing_is_lost_between_threads);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
