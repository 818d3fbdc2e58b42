#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "os/os.h"

struct shared {
	struct os *os;
	uint32_t   word;
	uint32_t   done;
};

static void wait_for_word(void *arg)
{
	struct shared *s = arg;

	while (__atomic_load_n(&s->word, __ATOMIC_ACQUIRE) == 0)
		os_futex_wait(s->os, &s->word, 0, MONO_NEVER);
	__atomic_fetch_add(&s->done, 1, __ATOMIC_RELEASE);
}

START_TEST(threads_wait_and_are_woken)
{
	struct shared s = { .os = os_real() };
	struct os_thread *t[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(os_thread_start(s.os, &t[i], "a-name-that-is-too-long", 64 * 1024 + 1, wait_for_word, &s), OK);
	os_sleep_ms(s.os, 5);
	ck_assert_uint_eq(__atomic_load_n(&s.done, __ATOMIC_ACQUIRE), 0);
	__atomic_store_n(&s.word, 1, __ATOMIC_RELEASE);
	os_futex_wake(s.os, &s.word, 4);
	for (int i = 0; i < 4; i++) {
		os_thread_join(s.os, &t[i]);
		ck_assert_ptr_null(t[i]);
	}
	ck_assert_uint_eq(s.done, 4);
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline)
{
	struct os *os = os_real();
	uint32_t word = 7;
	mono_ns before = os_mono_ns(os);

	os_futex_wait(os, &word, 6, MONO_NEVER);		/* the word is another already */
	os_futex_wait(os, &word, 7, before + 20000000);
	ck_assert_int_ge(os_mono_ns(os), before + 20000000);
	os_futex_wait(os, &word, 7, before);			/* long past */
	ck_assert_int_ge(os_mono_ms(os), before / 1000000);
	ck_assert_int_ge(os_cpu_count(os), 1);
}
END_TEST

static void wake_poller(void *arg)
{
	struct os_poller *p = arg;

	for (int i = 0; i < 1000; i++)
		os_poller_wake(os_real(), p);
}

START_TEST(a_poller_is_woken_by_another_thread)
{
	struct os *os = os_real();
	struct os_poller *p;
	struct os_thread *t;
	struct os_event ev[1];

	ck_assert_int_eq(os_poller_create(os, &p), OK);
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(os_thread_start(os, &t, "waker", 0, wake_poller, p), OK);
		ck_assert_int_eq(os_poller_wait(os, p, ev, 1, -1), 0);	/* would hang if the wake were lost */
		os_thread_join(os, &t);
		os_poller_wake(os, p);
		ck_assert_int_eq(os_poller_wait(os, p, ev, 1, -1), 0);
	}
	os_poller_destroy(os, &p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("os threads");
	TCase *tc = tcase_create("threads");

	tcase_add_test(tc, threads_wait_and_are_woken);
	tcase_add_test(tc, a_wait_ends_at_its_deadline);
	tcase_add_test(tc, a_poller_is_woken_by_another_thread);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
